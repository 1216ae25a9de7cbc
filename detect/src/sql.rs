//! The one SQL query that does what a whole rule does, for an analyst to go on from.
//!
//! ```text
//! chosen: the rule's own SELECT with the event's time ─► what the kind makes of it, in SQL ─► one row a finding
//! ```
//! Every query gives the entity's columns, `first_time`, `last_time` and `count`, as findings do. Where SQL cannot say what
//! a kind does, the query gives what a person would look at instead, and its first comment says so. The comment stands
//! between `/*` and `*/`, so that the text can be an argument of `trailhound sql`.

mod baseline;
mod sequence;
mod windows;

use datafusion::sql::sqlparser::ast;

use crate::judgement::Judgement;
use crate::problem::Report;
use crate::rule::Rule;
use crate::select::Planner;

/// The rule as one statement, with a comment in front that says how far it is the same.
pub fn query(rule: &Rule, planner: &Planner) -> String {
    if let Judgement::Query(keys) = &rule.header.judgement {
        let head = format!(
            "The rule {} of kind {}, in SQL: what it asks of one slot of {}. Put two times in place of $from and $to, {} \
             apart, such as TIMESTAMP '2025-03-09 00:00:00'.",
            rule.id, rule.header.kind, keys.every, keys.over
        );
        let mut report = Report::new(&rule.file.shown);
        let statement = planner.statement(&rule.file.text, &mut report).expect("a rule's text was read before");
        return format!("/* {} */\n{statement:#}\n", head.replace("*/", "* /"));
    }
    let chosen = Chosen::of(rule, planner);
    let (said, body) = match &rule.header.judgement {
        Judgement::Match { fold: None } => windows::each(&chosen),
        Judgement::Match { fold: Some(window) } => windows::fold(&chosen, *window),
        Judgement::Threshold { window, having } => windows::threshold(&chosen, *window, having),
        Judgement::Sequence(keys) => sequence::sequence(&chosen, keys),
        Judgement::FirstSeen(keys) => baseline::first_seen(&chosen, keys),
        Judgement::Rare(keys) => baseline::rare(&chosen, keys),
        Judgement::Query(_) => unreachable!("it was told above"),
        Judgement::Spike(keys) => baseline::spike(&chosen, keys),
        Judgement::Travel(keys) => baseline::travel(&chosen, keys),
    };
    let head = format!("The rule {} of kind {}, in SQL.\n{said}", rule.id, rule.header.kind);
    format!("/* {} */\nWITH chosen AS (\n{}\n){body}\n", head.replace("*/", "* /"), chosen.select)
}

/// The events that a rule chooses, as every query begins.
struct Chosen {
    /// The rule's SELECT with one column more, `_time`.
    select: String,
    /// The entity's columns as SQL names them.
    entity: Vec<String>,
    /// Every column of the SELECT: its name and how SQL names it.
    columns: Vec<(String, String)>,
}

impl Chosen {
    fn of(rule: &Rule, planner: &Planner) -> Chosen {
        let mut report = Report::new(&rule.file.shown);
        let statement = planner.statement(&rule.file.text, &mut report).expect("a rule's text was read before");
        let ast::Statement::Query(mut query) = statement else { unreachable!("a rule is one query") };
        let ast::SetExpr::Select(select) = query.body.as_mut() else { unreachable!("a rule is one SELECT") };
        let columns = select.projection.iter().filter_map(named).collect();
        select.projection.push(ast::SelectItem::ExprWithAlias {
            expr: ast::Expr::Identifier(ast::Ident::new("event_time")),
            alias: ast::Ident::new("_time"),
        });
        let mut chosen = Chosen { select: format!("{query:#}"), entity: Vec::new(), columns };
        chosen.entity = rule.header.entity.iter().map(|column| chosen.name(column)).collect();
        chosen
    }

    /// How SQL names a column.
    fn name(&self, column: &str) -> String {
        let known = self.columns.iter().find(|(name, _)| name == column);
        known.map_or_else(|| column.to_owned(), |(_, sql)| sql.clone())
    }

    fn names(&self, columns: &[String]) -> Vec<String> {
        columns.iter().map(|column| self.name(column)).collect()
    }

    /// The entity's columns, `a, b`.
    fn who(&self) -> String {
        self.entity.join(", ")
    }

    /// The entity's columns of a table, `t.a, t.b`.
    fn who_of(&self, table: &str) -> String {
        listed(&self.entity, |column| format!("{table}.{column}"), ", ")
    }

    /// Events of nobody are no one's: not every column of the entity is null.
    fn somebody(&self) -> String {
        not_all_null(&self.entity)
    }

    /// The entity is the same in two tables.
    fn same_entity(&self, a: &str, b: &str) -> String {
        same(&self.entity, a, b)
    }
}

/// A column of the projection: its name, and as SQL writes it.
fn named(item: &ast::SelectItem) -> Option<(String, String)> {
    let ident = match item {
        ast::SelectItem::ExprWithAlias { alias, .. } => alias,
        ast::SelectItem::UnnamedExpr(ast::Expr::Identifier(ident)) => ident,
        ast::SelectItem::UnnamedExpr(ast::Expr::CompoundIdentifier(parts)) => parts.last()?,
        _ => return None,
    };
    let name = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() };
    Some((name, ident.to_string()))
}

/// Each of a list made into SQL, with something between them.
fn listed(columns: &[String], each: impl Fn(&str) -> String, between: &str) -> String {
    columns.iter().map(|column| each(column)).collect::<Vec<_>>().join(between)
}

fn not_all_null(columns: &[String]) -> String {
    format!("({})", listed(columns, |column| format!("{column} IS NOT NULL"), " OR "))
}

/// Columns that are equal in two tables; where there are several, some of them may be null in both.
fn same(columns: &[String], a: &str, b: &str) -> String {
    let equal = |column: &str| match columns.len() {
        1 => format!("{a}.{column} = {b}.{column}"),
        _ => format!("({a}.{column} IS NOT DISTINCT FROM {b}.{column})"),
    };
    listed(columns, equal, " AND ")
}

/// A length of time in µs as SQL writes it.
fn interval(micros: i64) -> String {
    if micros % 1_000_000 == 0 {
        format!("INTERVAL '{} seconds'", micros / 1_000_000)
    } else {
        format!("INTERVAL '{micros} microseconds'")
    }
}

/// A text as SQL writes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Common table expressions that follow `chosen`, and the last SELECT.
#[derive(Default)]
struct Body(String);

impl Body {
    fn with(mut self, name: &str, query: &str) -> Self {
        self.0.push_str(&format!(", {name} AS (\n{query}\n)"));
        self
    }

    fn select(mut self, query: &str) -> String {
        self.0.push('\n');
        self.0.push_str(query);
        self.0
    }
}

const EQUAL: &str = "It gives one row a finding: the same entities, times and counts.";
