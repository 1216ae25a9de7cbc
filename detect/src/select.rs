//! The SELECT of a rule: SQL to a filter and a projection over `events`, everything else refused by line. That of a rule of
//! kind `query` may be any, over `events`, `activity` and what is granted (`iam_…`).
//!
//! A rule only chooses and shapes events; its kind judges them. That is why joins, aggregates, subqueries, limits and
//! the clock are refused here: with them a rule could not be evaluated on a batch alone, and what it finds would
//! depend on how events are cut into batches or on when it is asked.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, DataFusionError, ScalarValue};
use datafusion::datasource::MemTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use futures::FutureExt;
use trailhound_ingest::schema::schema;
use trailhound_store::granted::{self, Part};
use trailhound_store::{Site, activity};

use crate::needs;
use crate::problem::Report;
use crate::query::{self, Asked, Bounds};

/// How the tables of what is granted are called.
const GRANTED: &str = "iam_";

/// What a rule asks of `events`, resolved, coerced to the table's types and simplified.
#[derive(Debug, Clone)]
pub struct Select {
    /// The WHERE; none if every event matches.
    pub predicate: Option<Expr>,
    /// The columns beside `event_id`, in the order of the SELECT.
    pub columns: Vec<(String, Expr)>,
    /// The whole statement of a rule of kind `query`, whose columns then are no expressions over `events`.
    pub(crate) query: Option<Asked>,
}

/// Reads rules' SQL: knows the tables `events`, `activity` and `iam_…`, and the SQL functions.
pub struct Planner {
    state: SessionState,
    events: DFSchemaRef,
    /// What the operator knows, as the functions say it.
    pub(crate) site: Arc<Site>,
}

impl Planner {
    /// A planner whose rules may call what `functions` registers, beside DataFusion's own functions.
    pub fn new(functions: impl FnOnce(&SessionContext)) -> Result<Self, DataFusionError> {
        Self::with_site(functions, Arc::default())
    }

    /// The same for rules that ask what the operator knows.
    pub fn with_site(functions: impl FnOnce(&SessionContext), site: Arc<Site>) -> Result<Self, DataFusionError> {
        let mut config = SessionConfig::new().with_create_default_catalog_and_schema(true);
        config.options_mut().sql_parser.collect_spans = true;
        let context = SessionContext::new_with_config(config);
        context.register_table("events", Arc::new(EmptyTable::new(schema())))?;
        context.register_table("activity", Arc::new(EmptyTable::new(activity::schema())))?;
        let granted = granted::register_parts(&[], &context).now_or_never();
        granted.expect("planning over tables in memory does not wait")?;
        functions(&context);
        site.register_functions(&context);
        Ok(Planner { state: context.state(), events: Arc::new(DFSchema::try_from(schema().as_ref().clone())?), site })
    }

    /// Reads the one SELECT of a rule file. The header is SQL comments, so lines in errors are lines of the file.
    pub(crate) fn select(&self, text: &str, report: &mut Report<'_>) -> Option<Select> {
        let statement = self.statement(text, report)?;
        self.select_of(statement, text, report)
    }

    /// The parsed statement, if it is one SELECT that names its columns.
    pub(crate) fn statement(&self, text: &str, report: &mut Report<'_>) -> Option<ast::Statement> {
        let parsed =
            DFParserBuilder::new(text).with_dialect(&GenericDialect {}).build().and_then(|mut p| p.parse_statements());
        let mut statements = match parsed {
            Ok(statements) => statements,
            Err(e) => {
                let message = plain_message(&e);
                let (what, line) = split_location(&message);
                report.add(line.unwrap_or_else(|| first_sql_line(text)), format!("the SQL cannot be read: {what}"), "");
                return None;
            }
        };
        let one = "a rule is one SELECT … FROM events WHERE …";
        if statements.len() != 1 {
            let what = if statements.is_empty() { "there is no SELECT" } else { "there is more than one statement" };
            report.add(first_sql_line(text), what, one);
            return None;
        }
        let Some(Statement::Statement(statement)) = statements.pop_front() else {
            report.add(first_sql_line(text), "the statement is not a SELECT", one);
            return None;
        };
        let ast::Statement::Query(query) = statement.as_ref() else {
            report.add(first_sql_line(text), "the statement is not a SELECT", one);
            return None;
        };
        if let ast::SetExpr::Select(select) = query.body.as_ref()
            && select
                .projection
                .iter()
                .any(|i| matches!(i, ast::SelectItem::Wildcard(_) | ast::SelectItem::QualifiedWildcard(..)))
        {
            report.add(
                first_sql_line(text),
                "the SELECT takes every column",
                "name event_id and the columns that are the finding's evidence",
            );
            return None;
        }
        Some(*statement)
    }

    /// Plans a statement and takes it apart.
    pub(crate) fn select_of(&self, statement: ast::Statement, text: &str, report: &mut Report<'_>) -> Option<Select> {
        let planning = self.state.statement_to_plan(Statement::Statement(Box::new(statement)));
        // The only table is in memory, so planning never waits.
        let plan = match planning.now_or_never().expect("planning over a table in memory does not wait") {
            Ok(plan) => plan,
            Err(e) => {
                report_plan_error(&e, text, report);
                return None;
            }
        };
        let (projection, filter) = take_apart(&plan, text, report)?;
        for expr in projection.iter().map(|(_, e)| e).chain(&filter) {
            refuse_unfit(expr, text, report);
        }
        if !report.is_clean() {
            return None;
        }
        let predicate = match filter.map(|f| self.resolve(f)).transpose() {
            Ok(predicate) => predicate,
            Err(e) => {
                report_plan_error(&e, text, report);
                return None;
            }
        };
        let columns = self.columns(projection, text, report)?;
        Some(Select { predicate, columns, query: None })
    }

    /// Reads the SELECT of a rule of kind `query`, which may be any.
    pub(crate) fn query(&self, text: &str, report: &mut Report<'_>) -> Option<Select> {
        let statement = self.statement(text, report)?;
        self.query_of(statement, text, report)
    }

    /// Plans such a statement and finds out what it gives.
    pub(crate) fn query_of(&self, statement: ast::Statement, text: &str, report: &mut Report<'_>) -> Option<Select> {
        for name in ["$from", "$to"].into_iter().filter(|name| line_of(text, name).is_none()) {
            let remedy = "compare event_time with both, so that a slot is asked about what lies in its window";
            report.add(first_sql_line(text), format!("the SELECT does not name `{name}`"), remedy);
        }
        if query::looks_behind(&statement) {
            let line = line_of(text, "$from -").unwrap_or_else(|| first_sql_line(text));
            let remedy = "let `over` be so long, and write $to - INTERVAL … for what is nearer: a late event asks again about the \
                          slots whose window it lies in, and about no others";
            report.add(line, "the SELECT looks back beyond `$from`", remedy);
        }
        let bound = match query::bind(&statement, Bounds { from: 0, to: 1 }) {
            Ok(bound) => bound,
            Err(name) => {
                let line = line_of(text, &name).unwrap_or(1);
                report.add(line, format!("`{name}` is a placeholder"), "only $from and $to are given");
                return None;
            }
        };
        let planning = self.state.statement_to_plan(Statement::Statement(Box::new(bound)));
        let plan = match planning.now_or_never().expect("planning over a table in memory does not wait") {
            Ok(plan) => plan,
            Err(e) => {
                report_plan_error(&e, text, report);
                return None;
            }
        };
        let mut expressions = Vec::new();
        let _ = plan.apply_with_subqueries(|node| {
            expressions.extend(node.expressions());
            Ok(TreeNodeRecursion::Continue)
        });
        expressions.iter().for_each(|expr| refuse_clock(expr, text, report));
        let mut columns = Vec::new();
        for field in plan.schema().fields() {
            let name = field.name();
            if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                let what = format!("the column `{}` has no name", name.replace("events.", ""));
                report.add(first_sql_line(text), what, "give it one with AS");
            } else if !query::is_own(name) {
                columns.push((name.clone(), Expr::Literal(ScalarValue::Null, None)));
            }
        }
        let mut granted = false;
        let _ = ast::visit_relations(&statement, |name| {
            granted |= name.to_string().starts_with(GRANTED);
            ControlFlow::<()>::Continue(())
        });
        let query = Some(Asked { statement, expressions, granted });
        report.is_clean().then_some(Select { predicate: None, columns, query })
    }

    /// A session that knows our functions, these rows as `events`, counted in `activity`, and what these parts say as granted.
    pub(crate) async fn session(&self, rows: RecordBatch, parts: &[Part]) -> Result<SessionContext, DataFusionError> {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        for function in self.state.scalar_functions().values() {
            context.register_udf(function.as_ref().clone());
        }
        context.register_table("events", Arc::new(MemTable::try_new(schema(), vec![vec![rows]])?))?;
        let counted = context.sql(&activity::recount("true")).await?;
        context.register_table("activity", counted.into_view())?;
        granted::register_parts(parts, &context).await?;
        Ok(context)
    }

    fn columns(
        &self,
        projection: Vec<(String, Expr)>,
        text: &str,
        report: &mut Report<'_>,
    ) -> Option<Vec<(String, Expr)>> {
        let mut columns = Vec::new();
        let mut has_event_id = false;
        for (name, expr) in projection {
            let bare = expr.clone().unalias();
            let is_column = matches!(bare, Expr::Column(_));
            if name == "event_id" {
                has_event_id = matches!(&bare, Expr::Column(c) if c.name == "event_id");
                continue;
            }
            if !is_column && !matches!(expr, Expr::Alias(_)) {
                report.add(
                    first_sql_line(text),
                    format!("the column `{}` has no name", bare.to_string().replace("events.", "")),
                    "give it one with AS",
                );
                continue;
            }
            match self.resolve(bare) {
                Ok(expr) => columns.push((name, expr)),
                Err(e) => report_plan_error(&e, text, report),
            }
        }
        if !has_event_id {
            report.add(
                first_sql_line(text),
                "the SELECT does not name event_id",
                "make it the first column, under its own name",
            );
        }
        report.is_clean().then_some(columns)
    }

    /// Columns without the table's name, types coerced, constants folded.
    fn resolve(&self, expr: Expr) -> Result<Expr, DataFusionError> {
        let expr = expr
            .transform(|e| {
                Ok(match e {
                    Expr::Column(c) => Transformed::yes(Expr::Column(Column::new_unqualified(c.name))),
                    e => Transformed::no(e),
                })
            })?
            .data;
        let simplifier = self.simplifier(&self.events);
        simplifier.simplify(simplifier.coerce(expr, &self.events)?)
    }

    /// The expression with `column` known to hold `value`.
    pub(crate) fn assume(&self, expr: Expr, column: &str, value: &str) -> Result<Expr, DataFusionError> {
        let known = Expr::Literal(datafusion::common::ScalarValue::Utf8View(Some(value.to_owned())), None);
        let expr = expr
            .transform(|e| {
                Ok(match e {
                    Expr::Column(c) if c.name == column => Transformed::yes(known.clone()),
                    e => Transformed::no(e),
                })
            })?
            .data;
        self.simplifier(&self.events).simplify(expr)
    }

    fn simplifier(&self, events: &DFSchemaRef) -> ExprSimplifier {
        let context = SimplifyContext::builder()
            .with_schema(events.clone())
            .with_config_options(self.state.config_options().clone());
        ExprSimplifier::new(context.build())
    }

    /// An expression ready to be evaluated on batches of the columns that it needs, and those columns' places in `events`.
    pub(crate) fn physical(&self, expr: Expr) -> Result<crate::compiled::Compiled, DataFusionError> {
        let events = schema();
        let named: BTreeSet<usize> =
            expr.column_refs().into_iter().map(|c| events.index_of(&c.name)).collect::<Result<_, _>>()?;
        let columns: Vec<usize> = named.into_iter().collect();
        let strict = needs::strict(&expr).iter().map(|name| events.index_of(name)).collect::<Result<_, _>>()?;
        let projected: SchemaRef = Arc::new(events.project(&columns)?);
        let df_schema = DFSchema::try_from(projected.as_ref().clone())?;
        let physical = self.state.create_physical_expr(expr, &df_schema)?;
        Ok(crate::compiled::Compiled::new(crate::pattern::compiled(physical)?, columns, strict, projected))
    }
}

/// The projection (with its names) and the filter of a plan of exactly that form.
fn take_apart(plan: &LogicalPlan, text: &str, report: &mut Report<'_>) -> Option<(Vec<(String, Expr)>, Option<Expr>)> {
    let LogicalPlan::Projection(projection) = plan else {
        return refuse_node(plan, text, report);
    };
    let (filter, below) = match projection.input.as_ref() {
        LogicalPlan::Filter(filter) => (Some(filter.predicate.clone()), filter.input.as_ref()),
        below => (None, below),
    };
    let scan = match below {
        LogicalPlan::SubqueryAlias(alias) => alias.input.as_ref(),
        below => below,
    };
    match scan {
        LogicalPlan::TableScan(scan) if scan.table_name.table() == "events" => {
            let names = plan.schema().fields().iter().map(|f| f.name().clone());
            Some((names.zip(projection.expr.iter().cloned()).collect(), filter))
        }
        other => refuse_node(other, text, report),
    }
}

fn refuse_node<T>(plan: &LogicalPlan, text: &str, report: &mut Report<'_>) -> Option<T> {
    let (what, words): (&str, &[&str]) = match plan {
        LogicalPlan::Sort(_) => ("ORDER BY", &["order by"]),
        LogicalPlan::Limit(_) => ("LIMIT or OFFSET", &["limit", "offset", "fetch"]),
        LogicalPlan::Distinct(_) => ("DISTINCT", &["distinct"]),
        LogicalPlan::Aggregate(_) => {
            ("an aggregate or GROUP BY", &["group by", "count(", "sum(", "min(", "max(", "having"])
        }
        LogicalPlan::Window(_) => ("a window function", &["over"]),
        LogicalPlan::Join(_) => ("a join", &["join", "from"]),
        LogicalPlan::Union(_) => ("UNION", &["union"]),
        LogicalPlan::Unnest(_) => ("unnest", &["unnest"]),
        LogicalPlan::EmptyRelation(_) => ("no table", &["select"]),
        LogicalPlan::Filter(_) => ("HAVING or QUALIFY", &["having", "qualify"]),
        LogicalPlan::TableScan(_) => ("a table that is not `events`", &["from"]),
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Subquery(_) => {
            ("a subquery or WITH", &["with", "from ("])
        }
        _ => ("something that is not a filter and a projection", &["select"]),
    };
    let line = words.iter().find_map(|w| line_of(text, w)).unwrap_or_else(|| first_sql_line(text));
    report.add(
        line,
        format!("the SELECT uses {what}"),
        "a rule is a filter and a projection over `events` alone; its kind counts, folds and joins",
    );
    None
}

/// Refuses what cannot be evaluated on one event alone, or not twice with the same answer.
fn refuse_unfit(expr: &Expr, text: &str, report: &mut Report<'_>) {
    let _ = expr.apply(|e| {
        match e {
            Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::ScalarSubquery(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..) => {
                let line = line_of(text, "(select").unwrap_or_else(|| first_sql_line(text));
                report.add(
                    line,
                    "the SELECT uses a subquery",
                    "a rule is a filter and a projection over `events` alone",
                );
                return Ok(TreeNodeRecursion::Jump);
            }
            Expr::ScalarFunction(_) => refuse_volatile(e, text, report),
            Expr::Placeholder(p) => {
                report.add(
                    line_of(text, &p.id).unwrap_or(1),
                    format!("`{}` is a placeholder", p.id),
                    "write the value",
                );
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
}

/// Refuses what does not have the same answer twice, anywhere in an expression.
fn refuse_clock(expr: &Expr, text: &str, report: &mut Report<'_>) {
    let _ = expr.apply(|e| {
        refuse_volatile(e, text, report);
        Ok(TreeNodeRecursion::Continue)
    });
}

fn refuse_volatile(expr: &Expr, text: &str, report: &mut Report<'_>) {
    if let Expr::ScalarFunction(f) = expr
        && f.func.signature().volatility != Volatility::Immutable
    {
        let line = line_of(text, f.name()).unwrap_or_else(|| first_sql_line(text));
        report.add(
            line,
            format!("`{}()` has another answer every time", f.name()),
            "what is found may depend on the event alone; use event_time and the header's windows",
        );
    }
}

fn report_plan_error(error: &DataFusionError, text: &str, report: &mut Report<'_>) {
    for e in error.iter() {
        let message = plain_message(e);
        let (message, hint) = match message.split_once("Did you mean '") {
            Some((message, hint)) => (message.trim_end(), hint.split('\'').next().unwrap_or_default()),
            None => (message.lines().next().unwrap_or_default(), ""),
        };
        let span = e.diagnostic().and_then(|d| d.span).map(|s| s.start.line as usize).filter(|l| *l > 0);
        let line = span
            .or_else(|| message.split(['\'', '"', '`']).skip(1).step_by(2).find_map(|quoted| line_of(text, quoted)));
        // A list of a hundred columns helps nobody: name the nearest.
        let what = message.split("Valid fields are").next().unwrap_or(message).trim_end_matches(['.', ' ']);
        // DataFusion names the nearest function however far it is; only a likely one is a help.
        let function = what.strip_prefix("Invalid function '").and_then(|rest| rest.split('\'').next());
        let remedy = match function.and_then(|name| crate::problem::nearest(name, [hint])) {
            Some(near) => format!("did you mean `{near}`?"),
            None => nearest_column(what),
        };
        report.add(line.unwrap_or_else(|| first_sql_line(text)), what, remedy);
    }
}

/// The name in an error like `No field named evnt_name`, made into a hint.
fn nearest_column(what: &str) -> String {
    let Some((_, name)) = what.split_once("No field named ") else { return String::new() };
    let name = name.trim_matches(['"', '.', ' ']).rsplit('.').next().unwrap_or_default().trim_matches('"');
    match crate::problem::nearest(name, trailhound_ingest::schema::COLUMNS.iter().map(|c| c.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "the columns of `events` are listed in docs/events.md".into(),
    }
}

fn plain_message(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let mut message = text.as_str();
    for prefix in [
        "SQL error: ",
        "Error during planning: ",
        "Schema error: ",
        "This feature is not implemented: ",
        "type_coercion",
        "caused by",
    ] {
        message = message.strip_prefix(prefix).unwrap_or(message).trim_start();
    }
    let message = message.strip_prefix("ParserError(\"").and_then(|m| m.strip_suffix("\")")).unwrap_or(message);
    message
        .strip_prefix("TokenizerError(\"")
        .and_then(|m| m.strip_suffix("\")"))
        .unwrap_or(message)
        .replace("\\\"", "\"")
}

/// Takes ` at Line: 7, Column: 3` off a parser's message.
fn split_location(message: &str) -> (&str, Option<usize>) {
    match message.split_once(" at Line: ") {
        Some((what, rest)) => (what, rest.split(',').next().and_then(|n| n.trim().parse().ok())),
        None => (message, None),
    }
}

/// The first line of the SQL, outside comments, that contains a text in whatever case.
pub(crate) fn line_of(text: &str, needle: &str) -> Option<usize> {
    let needle = needle.to_lowercase();
    let squeeze = |l: &str| l.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    sql_lines(text).find(|(_, l)| !needle.is_empty() && squeeze(l).contains(&needle)).map(|(n, _)| n)
}

/// The line where the SQL begins, for what cannot be placed better.
pub(crate) fn first_sql_line(text: &str) -> usize {
    sql_lines(text).next().map_or_else(|| text.lines().count().max(1), |(n, _)| n)
}

fn sql_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, l)| !l.trim().is_empty() && !l.trim_start().starts_with("--"))
        .map(|(i, l)| (i + 1, l))
}
