//! A set of rules compiled together: an index from event names to the rules that wait for them, and conditions that
//! several rules share, each evaluated once.
//!
//! ```text
//! rule: event_source = 'iam.amazonaws.com' AND event_name = 'CreateUser' AND outcome = 'success' AND json_text(…) = 'x'
//!                     │                                │                        │                         │
//!              shared condition              key of the index            shared condition          costly: only on
//!                                        (known to be true there)                                rows that are left
//! ```
//!
//! A rule costs nothing in a batch that holds none of its names. For a name that it waits for, the rule's predicate is
//! simplified under the assumption that the event has that name, so that `(event_name = 'A' AND x) OR (event_name =
//! 'B' AND y)` becomes `x` for A.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};

use trailhound_store::Site;

use crate::compiled::Compiled;
use crate::needs;
use crate::rule::Rule;
use crate::select::Planner;

/// The columns that the engine reads of every event that matches, beside what the SELECT names.
pub(crate) const ENGINE_COLUMNS: [&str; 16] = [
    "event_id",
    "event_time",
    "account_id",
    "aws_region",
    "principal_key",
    "principal_name",
    "principal_class",
    "session_name",
    "user_identity_account_id",
    "user_identity_access_key_id",
    "session_source_identity",
    "session_creation_date",
    "response_access_key_id",
    "src_bucket",
    "src_key",
    "src_ordinal",
];

/// A rule of a set with its projection compiled.
#[derive(Debug)]
pub(crate) struct Ready {
    pub rule: Arc<Rule>,
    pub evidence: Vec<Compiled>,
    /// The same number for rules whose entities are the same columns under the same names.
    pub entity: usize,
}

/// What rules of a set share, with its place.
#[derive(Default)]
struct Interned {
    conditions: HashMap<Expr, usize>,
    entities: HashMap<Vec<(String, Expr)>, usize>,
}

/// A rule's predicate where an event's name is known (or where no name is required).
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The rule's place in the set.
    pub rule: usize,
    /// Conditions shared between rules, by their place in [`RuleSet::shared`].
    pub shared: Vec<usize>,
    /// Costly conditions, by their place in [`RuleSet::costly`]; each is asked only of rows that passed those before.
    pub costly: Vec<usize>,
}

/// Rules, compiled. It never changes; a new set takes its place whole.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(crate) rules: Vec<Ready>,
    pub(crate) shared: Vec<Compiled>,
    pub(crate) costly: Vec<Compiled>,
    /// By `event_name`.
    pub(crate) by_name: HashMap<String, Vec<Entry>>,
    /// By `event_name_norm`, for rules that ask for names without API versions.
    pub(crate) by_norm: HashMap<String, Vec<Entry>>,
    /// Rules that take events of any name.
    pub(crate) anywhere: Vec<Entry>,
    /// A rule of the set learns what is usual for a principal.
    learns: bool,
    /// What the operator knows.
    site: Arc<Site>,
}

/// A rule that was read but cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[error("rule {rule} cannot be compiled")]
pub struct CompileError {
    pub rule: String,
    #[source]
    pub source: DataFusionError,
}

impl RuleSet {
    /// Compiles rules. Their order says nothing.
    pub fn compile(rules: impl IntoIterator<Item = Rule>, planner: &Planner) -> Result<RuleSet, CompileError> {
        let mut set = RuleSet { site: planner.site.clone(), ..RuleSet::default() };
        let mut interned = Interned::default();
        for rule in rules {
            let id = rule.id.clone();
            set.add(rule, planner, &mut interned).map_err(|source| CompileError { rule: id, source })?;
        }
        Ok(set)
    }

    /// The rules of the set.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Arc<Rule>> {
        self.rules.iter().map(|r| &r.rule)
    }

    /// What the operator knows, as the rules were compiled with it.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// The rule at a place in the set.
    pub fn at(&self, place: usize) -> &Arc<Rule> {
        &self.rules[place].rule
    }

    /// Whether the findings of the rule at a place are attacks that some rule of the set has to know of.
    pub(crate) fn attacks(&self, place: usize) -> bool {
        self.learns && self.rules[place].rule.makes_attacks()
    }

    /// The rule with this id.
    pub fn rule(&self, id: &str) -> Option<&Arc<Rule>> {
        self.rules().find(|r| r.id == id)
    }

    /// The columns of `events` that the set reads: all that has to be read from the table to evaluate it.
    pub fn columns(&self) -> Vec<&'static str> {
        self.columns_of(|_| true)
    }

    /// The columns of `events` that the rules at some places read.
    pub(crate) fn columns_of(&self, places: impl Fn(usize) -> bool) -> Vec<&'static str> {
        let mut read: BTreeSet<&str> = ENGINE_COLUMNS.into_iter().chain(["event_name", "event_name_norm"]).collect();
        let rules = self.rules().enumerate().filter(|(place, rule)| places(*place) && rule.asks().is_none());
        for select in rules.map(|(_, rule)| &rule.select) {
            let exprs = select.predicate.iter().chain(select.columns.iter().map(|(_, expr)| expr));
            read.extend(exprs.flat_map(Expr::column_refs).map(|column| column.name.as_str()));
        }
        trailhound_ingest::schema::COLUMNS.iter().map(|c| c.name).filter(|name| read.contains(name)).collect()
    }

    fn add(&mut self, rule: Rule, planner: &Planner, interned: &mut Interned) -> Result<(), DataFusionError> {
        let place = self.rules.len();
        self.learns |= rule.learns_by_principal();
        if rule.asks().is_some() {
            self.rules.push(Ready { rule: Arc::new(rule), evidence: Vec::new(), entity: 0 });
            return Ok(());
        }
        let predicate = rule.select.predicate.clone();
        let required = |column| predicate.as_ref().and_then(|p| needs::values(p, column)).map(|names| (column, names));
        match required("event_name").or_else(|| required("event_name_norm")) {
            None => {
                if let Some(entry) = self.entry(place, predicate.clone(), planner, interned)? {
                    self.anywhere.push(entry);
                }
            }
            Some((column, names)) => {
                // Names mostly leave the same rest: compile each rest once.
                let mut rests: HashMap<Expr, Option<Entry>> = HashMap::new();
                for name in names {
                    let rest = rest_for(predicate.clone(), column, &name, planner)?;
                    if !rests.contains_key(&rest) {
                        let entry = self.entry(place, Some(rest.clone()), planner, interned)?;
                        rests.insert(rest.clone(), entry);
                    }
                    if let Some(Some(entry)) = rests.get(&rest) {
                        let index = if column == "event_name" { &mut self.by_name } else { &mut self.by_norm };
                        index.entry(name).or_default().push(entry.clone());
                    }
                }
            }
        }
        let evidence =
            rule.select.columns.iter().map(|(_, e)| planner.physical(e.clone())).collect::<Result<_, _>>()?;
        let named = rule.plan.iter().flat_map(|plan| plan.entity_columns());
        let named = named.map(|(before, place)| (before.clone(), rule.select.columns[*place].1.clone())).collect();
        let entities = interned.entities.len();
        let entity = *interned.entities.entry(named).or_insert(entities);
        self.rules.push(Ready { rule: Arc::new(rule), evidence, entity });
        Ok(())
    }

    /// The entry for a predicate; none if it is never true.
    fn entry(
        &mut self,
        rule: usize,
        predicate: Option<Expr>,
        planner: &Planner,
        interned: &mut Interned,
    ) -> Result<Option<Entry>, DataFusionError> {
        let mut entry = Entry { rule, shared: Vec::new(), costly: Vec::new() };
        for condition in predicate.into_iter().flat_map(split_conjunction_owned) {
            match condition {
                Expr::Literal(ScalarValue::Boolean(Some(true)), _) => {}
                Expr::Literal(ScalarValue::Boolean(_) | ScalarValue::Null, _) => return Ok(None),
                condition => {
                    let cheap = needs::is_cheap(&condition);
                    let (all, own) = match cheap {
                        true => (&mut self.shared, &mut entry.shared),
                        false => (&mut self.costly, &mut entry.costly),
                    };
                    let place = match interned.conditions.get(&condition) {
                        Some(place) => *place,
                        None => {
                            all.push(planner.physical(condition.clone())?);
                            interned.conditions.insert(condition, all.len() - 1);
                            all.len() - 1
                        }
                    };
                    own.push(place);
                }
            }
        }
        Ok(Some(entry))
    }
}

/// The predicate for events of one name. Conditions that do not look at the name stay as they are.
fn rest_for(predicate: Option<Expr>, column: &str, name: &str, planner: &Planner) -> Result<Expr, DataFusionError> {
    let conditions = predicate.into_iter().flat_map(split_conjunction_owned);
    let rest = conditions
        .map(|c| if c.column_refs().iter().any(|r| r.name == column) { planner.assume(c, column, name) } else { Ok(c) })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(conjunction(rest).unwrap_or_else(|| datafusion::logical_expr::lit(true)))
}
