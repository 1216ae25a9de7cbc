//! Steps in event time.
//!
//! A finding belongs to an event of the last step (of any step, where the order does not matter): the latest events
//! before it that fit are its other steps. Times are whole seconds in CloudTrail, so an event of the same second counts
//! as before.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Claim, Which};
use crate::finding::time as rfc3339;
use crate::judgement;
use crate::window::Window;

/// When an event was and its id: their order is the order of events.
type At = (i64, String);

/// An entity's events by step and by the hash of what must be the same in all steps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sequence {
    events: BTreeMap<(u8, u64), BTreeSet<At>>,
}

impl Sequence {
    pub fn add(&mut self, step: u8, same: u64, time: i64, id: &str) -> usize {
        self.events.entry((step, same)).or_default().insert((time, id.to_owned()));
        80 + id.len()
    }

    pub fn judge(&self, keys: &judgement::Sequence, words: &[String], from: i64) -> (i64, Vec<Claim>) {
        let within = keys.within.micros();
        // What must not follow can take back a finding from before it.
        let from = if keys.unless.is_some() { from.saturating_sub(within) } else { from };
        let places: Vec<u8> = keys.steps.iter().map(|s| place(words, s)).collect();
        let mut lasts: Vec<u8> = if keys.ordered { places[places.len() - 1..].to_vec() } else { places.clone() };
        lasts.sort_unstable();
        lasts.dedup();
        let mut claims = Vec::new();
        for step in lasts {
            for (&(_, same), events) in self.events.range((step, 0)..=(step, u64::MAX)) {
                for last in events.range((from, String::new())..) {
                    let chosen = self.before(last, step, same, &places, keys);
                    let Some(chosen) = chosen else { continue };
                    let undone =
                        keys.unless.as_ref().is_some_and(|u| self.follows(place(words, u), same, last, within));
                    if !undone {
                        claims.push(claim(last, chosen, words, keys.within));
                    }
                }
            }
        }
        claims.sort_by(|a, b| a.times.cmp(&b.times).then_with(|| a.what.to_string().cmp(&b.what.to_string())));
        (from, claims)
    }

    /// The events of all steps, the last one given, each with its step; none if one is missing.
    fn before(
        &self,
        last: &At,
        step: u8,
        same: u64,
        places: &[u8],
        keys: &judgement::Sequence,
    ) -> Option<Vec<(At, u8)>> {
        let earliest = last.0.saturating_sub(keys.within.micros());
        let mut chosen = vec![(last.clone(), step)];
        let mut missing = places.to_vec();
        let at = missing.iter().rposition(|p| *p == step)?;
        missing.remove(at);
        let mut latest = last.0;
        for wanted in missing.into_iter().rev() {
            let events = self.events.get(&(wanted, same))?;
            let fitting = events.range((earliest, String::new())..(latest.saturating_add(1), String::new()));
            let found = fitting.rev().find(|e| !chosen.iter().any(|(c, _)| c == *e))?;
            if keys.ordered {
                latest = found.0;
            }
            chosen.push((found.clone(), wanted));
        }
        chosen.sort();
        Some(chosen)
    }

    fn follows(&self, step: u8, same: u64, last: &At, within: i64) -> bool {
        let Some(events) = self.events.get(&(step, same)) else { return false };
        events.range((last.0, String::new())..).next().is_some_and(|e| e.0 <= last.0.saturating_add(within))
    }
}

fn place(words: &[String], word: &str) -> u8 {
    words.iter().position(|w| w == word).expect("a plan's words are those of its steps") as u8
}

fn claim(last: &At, chosen: Vec<(At, u8)>, words: &[String], within: Window) -> Claim {
    let told: Vec<String> =
        chosen.iter().map(|((time, _), step)| format!("{} at {}", words[*step as usize], rfc3339(*time))).collect();
    let first = chosen.first().map_or(last.0, |((time, _), _)| *time);
    let end = chosen.last().map_or(last.0, |((time, _), _)| *time);
    Claim {
        what: Value::from(last.1.as_str()),
        times: (first, end.saturating_add(1)),
        count: chosen.len() as u64,
        which: Which::Ids(chosen.into_iter().map(|((_, id), _)| id).collect()),
        note: format!("Within {within}: {}", told.join(", then ")),
    }
}
