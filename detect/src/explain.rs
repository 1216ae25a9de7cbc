//! Why a rule found something or did not: of one event, and of one entity.
//!
//! ```text
//! event ─► every condition of the WHERE on it ─► whose it is ─┐
//! entity ─────────────────────────────────────────────────────┴─► the rule's state of the entity ─► moments, findings
//! ```
//! States and findings are made by the code that the stream runs, from everything that the store keeps: what is explained is
//! what is true now, as the findings are.

mod case;
mod condition;
mod entity;

use std::collections::BTreeMap;

use datafusion::logical_expr::{col, lit};
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::Value;
use trailhound_store::Store;

use crate::error::DetectError;
use crate::evaluate::Sighting;
use crate::finding::time;
use crate::ledger::FindingsLedger;
use crate::names::EventNames;
use crate::problem::nearest;
use crate::remembered::Id;
use crate::rule::Rule;
use crate::ruleset::{CompileError, RuleSet};
use crate::select::Planner;
use crate::state::Event;

pub(crate) use case::why_failed;
pub use condition::Condition;
use condition::Conditions;
pub use entity::{Found, Standing};
use entity::{Known, entity_of};

pub use crate::state::{Check, Moment};

/// Moments that are told of an entity.
const MOMENTS_MAX: usize = 3;

/// What could not be explained, and what to ask instead.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// What was asked for is not there, or not said so that it can be found.
    #[error("{0}")]
    Unknown(String),
    #[error(transparent)]
    Detect(#[from] DetectError),
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// A rule, explained.
#[derive(Debug, Serialize)]
pub struct Explanation {
    pub rule: String,
    pub rule_version: String,
    pub kind: crate::Kind,
    /// The event that was asked about.
    pub event: Option<ExplainedEvent>,
    /// Whose it is; none for an event that was not chosen.
    pub entity: Option<BTreeMap<String, Value>>,
    /// The entity's events that the rule chose.
    pub chosen: Option<Chosen>,
    /// For kinds with memory: the moments in question, with every condition of the kind.
    pub moments: Vec<Moment>,
    /// What the rule finds: of the event, or of the entity.
    pub findings: Vec<Found>,
    /// One sentence.
    pub verdict: String,
}

/// What the WHERE says of an event.
#[derive(Debug, Serialize)]
pub struct ExplainedEvent {
    pub event_id: String,
    pub event_time: String,
    pub event_source: Value,
    pub event_name: Value,
    /// What IAM's catalogue says that the action is: list, read, write, tagging, permissions management.
    pub access: Option<String>,
    pub principal_key: Value,
    pub account_id: Value,
    pub chosen: bool,
    pub conditions: Vec<Condition>,
    /// The columns of the SELECT.
    pub evidence: BTreeMap<String, Value>,
    /// Why it does not count although it was chosen.
    pub not_counted: Option<String>,
}

/// How many events were chosen, and when.
#[derive(Debug, Default, Serialize)]
pub struct Chosen {
    pub events: u64,
    pub first_time: Option<String>,
    pub last_time: Option<String>,
}

/// Explains a rule for `about`: an event id, an entity as JSON (`{"principal_key": "…"}`), or the value of the rule's
/// only entity column.
pub async fn explain(
    store: &Store,
    ledger: &FindingsLedger,
    planner: &Planner,
    rule: Rule,
    about: &str,
) -> Result<Explanation, ExplainError> {
    let about = about.trim();
    if rule.asks().is_some() {
        let what =
            format!("{} is one question about many events; `trailhound rules sql {}` prints it", rule.id, rule.id);
        return Err(ExplainError::Unknown(what));
    }
    let conditions = Conditions::of(&rule, planner);
    let set = RuleSet::compile([rule], planner)?;
    let rule = set.at(0).clone();
    let mut explanation = Explanation {
        rule: rule.id.clone(),
        rule_version: rule.version.clone(),
        kind: rule.header.kind,
        event: None,
        entity: None,
        chosen: None,
        moments: Vec::new(),
        findings: Vec::new(),
        verdict: String::new(),
    };
    let mut sighting = None;
    let entity = if about.starts_with('{') {
        asked_entity(&rule, about)?
    } else if let Some(row) = find(store, about).await? {
        let (event, seen) = event_of(&set, &conditions, &row)?;
        let why_not = not_chosen(&event);
        let counted = event.not_counted.clone();
        explanation.event = Some(event);
        let Some(seen) = seen else {
            explanation.verdict = why_not;
            return Ok(explanation);
        };
        let Some(entity) = entity_of(&rule, &seen.evidence) else {
            explanation.verdict = counted.unwrap_or_else(|| "the event belongs to no entity".into());
            return Ok(explanation);
        };
        sighting = Some(seen);
        entity
    } else if let [column] = rule.header.entity.as_slice() {
        serde_json::to_string(&BTreeMap::from([(column, about)])).expect("texts are written as JSON")
    } else {
        let form = rule.header.entity.iter().map(|c| format!("\"{c}\": \"…\"")).collect::<Vec<_>>().join(", ");
        return Err(ExplainError::Unknown(format!(
            "there is no event `{about}` in the store; for an entity of this rule write '{{{form}}}'"
        )));
    };
    let mut known = Known::gather(store, &set, &entity).await?;
    if known.chosen.events == 0 {
        return Err(ExplainError::Unknown(known.nobody(&rule, &entity, about)));
    }
    if let Some(plan) = &rule.plan {
        let facts = sighting.as_ref().map(|s| plan.facts(s.evidence.as_slice()));
        explanation.moments = match (&sighting, facts) {
            (Some(seen), Some(Some(facts))) => {
                let event = Event { time: seen.event_time, id: Id::Text(&seen.event_id), facts, count: 1 };
                Moment::nearest(known.moments(&rule, &entity, Some(&event))?, usize::MAX)
            }
            (Some(_), _) => Vec::new(),
            (None, _) => Moment::nearest(known.moments(&rule, &entity, None)?, MOMENTS_MAX),
        };
    }
    explanation.findings = known.findings(&rule, &entity, sighting.as_ref(), ledger).await?;
    explanation.entity = serde_json::from_str(&entity).ok();
    explanation.verdict = verdict(&explanation, &rule);
    explanation.chosen = Some(known.chosen);
    Ok(explanation)
}

/// An entity given as JSON, as the ledger writes it.
fn asked_entity(rule: &Rule, about: &str) -> Result<String, ExplainError> {
    let unknown = |what: String| Err(ExplainError::Unknown(what));
    let asked: BTreeMap<String, Value> = match serde_json::from_str(about) {
        Ok(asked) => asked,
        Err(error) => return unknown(format!("the entity is not JSON: {error}; write {{\"principal_key\": \"…\"}}")),
    };
    let columns = &rule.header.entity;
    if let Some(other) = asked.keys().find(|key| !columns.contains(key)) {
        let near = nearest(other, columns.iter().map(String::as_str)).map(|n| format!("; did you mean `{n}`?"));
        let all = columns.join(", ");
        return unknown(format!(
            "`{other}` is no entity column of {}: these are {all}{}",
            rule.id,
            near.unwrap_or_default()
        ));
    }
    let missing: Vec<&str> = columns.iter().filter(|c| !asked.contains_key(*c)).map(String::as_str).collect();
    if !missing.is_empty() {
        return unknown(format!("an entity of {} has {}, too; null is a value", rule.id, missing.join(", ")));
    }
    Ok(serde_json::to_string(&asked).expect("JSON values are written as JSON"))
}

/// The row of an event, if the store keeps it.
async fn find(store: &Store, id: &str) -> Result<Option<datafusion::arrow::array::RecordBatch>, ExplainError> {
    let session = store.session().await.map_err(DetectError::from)?;
    let events = session.table("events").await.and_then(|table| table.filter(col("event_id").eq(lit(id))));
    let mut rows = events.map_err(DetectError::recall)?.execute_stream().await.map_err(DetectError::recall)?;
    while let Some(batch) = rows.try_next().await.map_err(DetectError::recall)? {
        if batch.num_rows() > 0 {
            return Ok(Some(batch.slice(0, 1)));
        }
    }
    Ok(None)
}

/// What the only rule of a set says of one row, and what it saw, if it chose it.
fn event_of(
    set: &RuleSet,
    conditions: &Conditions,
    row: &datafusion::arrow::array::RecordBatch,
) -> Result<(ExplainedEvent, Option<Sighting>), DetectError> {
    let rule = set.at(0);
    let seen = set.evaluate(row).map_err(DetectError::recall)?.sightings.pop();
    let value = |column: &str| condition::value_of(row, column);
    let text = |column: &str| value(column).as_str().unwrap_or_default().to_owned();
    let event = ExplainedEvent {
        event_id: text("event_id"),
        event_time: text("event_time"),
        access: EventNames::shipped()
            .access(&text("event_source"), &text("event_name"))
            .map(|access| access.to_string()),
        event_source: value("event_source"),
        event_name: value("event_name"),
        principal_key: value("principal_key"),
        account_id: value("account_id"),
        chosen: seen.is_some(),
        conditions: conditions.on(row),
        evidence: seen.iter().flat_map(|s| entity::evidence(rule, &s.evidence)).collect(),
        not_counted: seen.as_ref().and_then(|s| entity::not_counted(rule, &s.evidence)),
    };
    Ok((event, seen))
}

fn not_chosen(event: &ExplainedEvent) -> String {
    let wrong = event.conditions.iter().filter(|c| c.holds != Some(true)).count();
    format!("the rule did not choose this event: {wrong} of its {} conditions do not hold", event.conditions.len())
}

/// One sentence on what came out.
fn verdict(explanation: &Explanation, rule: &Rule) -> String {
    let standing = match explanation.findings.as_slice() {
        [] => None,
        [one] => Some(format!("finding {} {}", one.id, one.standing.told())),
        several => Some(format!("{} findings", several.len())),
    };
    match (&explanation.event, standing) {
        (Some(event), Some(found)) if event.not_counted.is_none() => format!("this event counts for {found}"),
        (Some(event), _) => match &event.not_counted {
            Some(why) => format!("the rule chose this event, but it does not count: {why}"),
            None => "the rule chose this event, and finds nothing with it: see the conditions that are not met".into(),
        },
        (None, Some(found)) => format!("the rule finds {found} of this entity"),
        (None, None) if rule.plan.is_some() => {
            "the rule finds nothing of this entity; these are the moments that come nearest".into()
        }
        (None, None) => "the rule finds nothing of this entity".into(),
    }
}

/// From the first to the last time of events.
impl Chosen {
    fn add(&mut self, at: i64, bounds: &mut Option<(i64, i64)>) {
        self.events += 1;
        let (first, last) = bounds.map_or((at, at), |(first, last)| (at.min(first), at.max(last)));
        *bounds = Some((first, last));
        self.first_time = Some(time(first));
        self.last_time = Some(time(last));
    }
}
