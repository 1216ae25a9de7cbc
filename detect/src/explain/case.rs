//! Why a case failed, for its author: what the rule says of each event, and what came nearest to a finding.

use std::collections::BTreeSet;

use datafusion::arrow::array::RecordBatch;

use super::condition::Conditions;
use super::entity::{Known, entity_of};
use super::{ExplainedEvent, event_of};
use crate::evaluate::Sighting;
use crate::rule::Rule;
use crate::ruleset::RuleSet;
use crate::select::Planner;
use crate::state::Moment;
use crate::template::shown;
use crate::value::plain;

/// Events and entities that are explained of one case.
const EVENTS_MAX: usize = 4;
const ENTITIES_MAX: usize = 2;
/// The most characters of a value.
const VALUE_CHARS_MAX: usize = 120;

/// One line for each thing that helps: events that were not chosen, with the conditions that do not hold; and for kinds
/// with memory the moments of each entity. `before` and `events` are all that the rule saw.
pub(crate) fn why_failed(
    set: &RuleSet,
    planner: &Planner,
    before: Option<&RecordBatch>,
    events: &RecordBatch,
) -> Vec<String> {
    let rule = set.at(0);
    let conditions = Conditions::of(rule, planner);
    let mut lines = Vec::new();
    let mut chosen: Vec<Sighting> = Vec::new();
    let (mut left_out, mut quiet) = (0, BTreeSet::new());
    for row in 0..events.num_rows() {
        let Ok((event, sighting)) = event_of(set, &conditions, &events.slice(row, 1)) else { continue };
        // Of a hundred copies of one record nobody reads the same a hundred times.
        if let Some(why) = told(&event).filter(|why| quiet.insert(why.clone())) {
            if quiet.len() <= EVENTS_MAX {
                lines.push(format!("event {}, {} at {}: {why}", row + 1, plain(&event.event_name), event.event_time));
            } else {
                left_out += 1;
            }
        }
        chosen.extend(sighting);
    }
    if left_out > 0 {
        lines.push(format!("and {left_out} more events, each for reasons of its own"));
    }
    let history = before.and_then(|rows| set.evaluate(rows).ok()).map(|seen| seen.sightings).unwrap_or_default();
    lines.extend(entities(rule, &history, &chosen));
    lines
}

/// Why an event does not count.
fn told(event: &ExplainedEvent) -> Option<String> {
    if event.chosen {
        return event.not_counted.as_ref().map(|why| format!("chosen, but it does not count: {why}"));
    }
    let wrong = event.conditions.iter().filter(|c| c.holds != Some(true));
    let each = wrong.map(|c| {
        let columns: Vec<String> =
            c.columns.iter().map(|(k, v)| format!("{k} is {}", shown(&plain(v), VALUE_CHARS_MAX))).collect();
        let answer = match (&c.error, c.holds) {
            (Some(error), _) => format!("fails: {error}"),
            (None, None) => "is null".into(),
            (None, _) => "is false".into(),
        };
        format!("{} {answer} ({})", c.sql, columns.join(", "))
    });
    Some(format!("not chosen, since {}", each.collect::<Vec<_>>().join("; and ")))
}

/// The moments of the entities that the case's events belong to.
fn entities(rule: &Rule, history: &[Sighting], chosen: &[Sighting]) -> Vec<String> {
    if rule.plan.is_none() {
        return Vec::new();
    }
    let whose: BTreeSet<String> = chosen.iter().filter_map(|s| entity_of(rule, &s.evidence)).collect();
    let mut lines = Vec::new();
    for entity in whose.into_iter().take(ENTITIES_MAX) {
        let known = Known::of(rule, &entity, history.iter().chain(chosen));
        let Ok(moments) = known.and_then(|mut known| known.moments(rule, &entity, None)) else { continue };
        for moment in Moment::nearest(moments, 1) {
            let checks = moment.checks.iter().map(|check| {
                let met = if check.met { "met" } else { "not met" };
                format!("{}: {} (wanted {}; {met})", check.what, check.seen, check.wanted)
            });
            let checks: Vec<String> = checks.collect();
            lines.push(format!("{}: {}: {}", shown(&entity, VALUE_CHARS_MAX), moment.about, checks.join("; ")));
        }
    }
    lines
}
