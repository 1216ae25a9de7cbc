//! Steps in event time.
//!
//! A finding belongs to an event of the last step (of any step, where the order does not matter): the latest events
//! before it that fit are its other steps. Times are whole seconds in CloudTrail, so an event of the same second counts
//! as before. An optional step joins what is there without it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event_id::EventId;
use super::{Added, Check, Claim, Moment, Split, Which};
use crate::finding::time as rfc3339;
use crate::judgement;
use crate::window::Window;

/// When an event was and its id: their order is the order of events.
type At = (i64, EventId);

/// The latest events of an entity that are looked at to explain it.
const EXPLAINED_MAX: usize = 200;

/// An entity's events by step and by the hash of what must be the same in all steps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sequence {
    events: BTreeMap<(u8, u64), BTreeSet<At>>,
}

impl Sequence {
    /// A claim needs all steps: as long as one of them was not seen, an event tells nothing.
    pub fn add(&mut self, keys: &judgement::Sequence, words: &[String], (step, same): (u8, u64), at: At) -> Added {
        let (bytes, time) = (bytes_of(&at), at.0);
        self.events.entry((step, same)).or_default().insert(at);
        let is_whole = keys.steps.iter().all(|step| self.events.contains_key(&(place(words, step), same)));
        Added { bytes, from: is_whole.then_some(time), shifts: Vec::new() }
    }

    pub fn glance(&self) -> i64 {
        self.events.last_key_value().and_then(|(_, events)| events.last()).map_or(0, |at| at.0)
    }

    /// The time of the latest event.
    pub fn latest(&self) -> Option<i64> {
        self.events.values().filter_map(|events| Some(events.last()?.0)).max()
    }

    /// Takes out the events before a time.
    pub fn split(&mut self, before: i64) -> Split<Self> {
        let mut older = Self::default();
        let mut bytes = 0;
        self.events.retain(|kind, events| {
            let newer = events.split_off(&(before, EventId::least()));
            let left = std::mem::replace(events, newer);
            if !left.is_empty() {
                bytes += left.iter().map(bytes_of).sum::<usize>();
                older.events.insert(*kind, left);
            }
            !events.is_empty()
        });
        Split { older, until: before, bytes }
    }

    pub fn join(&mut self, older: Self) {
        for (kind, mut events) in older.events {
            self.events.entry(kind).or_default().append(&mut events);
        }
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
                for last in events.range((from, EventId::least())..) {
                    let chosen = self.before(last, step, same, &places, words, keys);
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

    /// The events of all steps, the last one given, each with its step; none if one is missing that must be there.
    fn before(
        &self,
        last: &At,
        step: u8,
        same: u64,
        places: &[u8],
        words: &[String],
        keys: &judgement::Sequence,
    ) -> Option<Vec<(At, u8)>> {
        let (mut chosen, complete) = self.back_from(last, step, same, places, keys);
        chosen.extend(self.joins(last, same, words, keys));
        chosen.sort();
        complete.then_some(chosen)
    }

    /// The latest event of the optional step, up to the last step.
    fn joins(&self, last: &At, same: u64, words: &[String], keys: &judgement::Sequence) -> Option<(At, u8)> {
        let optional = place(words, keys.optional.as_ref()?);
        let (earliest, until) = (last.0.saturating_sub(keys.within.micros()), last.0.saturating_add(1));
        let events = self.events.get(&(optional, same))?;
        let latest = events.range((earliest, EventId::least())..(until, EventId::least())).next_back()?;
        Some((latest.clone(), optional))
    }

    /// From the last step backwards, up to the first step that is missing; whether none is.
    fn back_from(
        &self,
        last: &At,
        step: u8,
        same: u64,
        places: &[u8],
        keys: &judgement::Sequence,
    ) -> (Vec<(At, u8)>, bool) {
        let earliest = last.0.saturating_sub(keys.within.micros());
        let mut chosen = vec![(last.clone(), step)];
        let mut missing = places.to_vec();
        if let Some(at) = missing.iter().rposition(|p| *p == step) {
            missing.remove(at);
        }
        let mut latest = last.0;
        for wanted in missing.into_iter().rev() {
            let until = (latest.saturating_add(1), EventId::least());
            let fitting = self.events.get(&(wanted, same)).map(|e| e.range((earliest, EventId::least())..until));
            let found = fitting.into_iter().flatten().rev().find(|e| !chosen.iter().any(|(c, _)| c == *e));
            let Some(found) = found else { return (chosen, false) };
            if keys.ordered {
                latest = found.0;
            }
            chosen.push((found.clone(), wanted));
        }
        (chosen, true)
    }

    fn follows(&self, step: u8, same: u64, last: &At, within: i64) -> bool {
        self.next(step, same, last.0, within).is_some()
    }

    /// The first event of a step from a time on, not later than so much after it.
    fn next(&self, step: u8, same: u64, time: i64, within: i64) -> Option<&At> {
        let events = self.events.get(&(step, same))?;
        events.range((time, EventId::least())..).next().filter(|e| e.0 <= time.saturating_add(within))
    }

    /// The steps around an event, or around the latest events: which were seen and when, which is missing.
    pub fn explain(&self, keys: &judgement::Sequence, words: &[String], at: Option<(&At, u8, u64)>) -> Vec<Moment> {
        if let Some((at, step, same)) = at {
            return vec![self.around(keys, words, at, step, same)];
        }
        let steps = |word: u8| keys.steps.contains(&words[usize::from(word)]);
        let mut latest: Vec<(&At, u8, u64)> = Vec::new();
        for (&(step, same), events) in self.events.iter().filter(|((step, _), _)| steps(*step)) {
            latest.extend(events.iter().rev().take(EXPLAINED_MAX).map(|at| (at, step, same)));
        }
        latest.sort_unstable_by(|a, b| b.cmp(a));
        latest.truncate(EXPLAINED_MAX);
        latest.into_iter().map(|(at, step, same)| self.around(keys, words, at, step, same)).collect()
    }

    fn around(&self, keys: &judgement::Sequence, words: &[String], at: &At, step: u8, same: u64) -> Moment {
        let within = keys.within.micros();
        let places: Vec<u8> = keys.steps.iter().map(|s| place(words, s)).collect();
        let end = places[places.len() - 1];
        // The last step decides: this event's own, or the next one that comes in time.
        let last = if !keys.ordered || step == end { Some(at) } else { self.next(end, same, at.0, within) };
        let from = if keys.ordered { end } else { step };
        let mut chosen = match last {
            Some(last) => self.back_from(last, from, same, &places, keys).0,
            None => vec![(at.clone(), step)],
        };
        let seen_until =
            last.map_or("the last step is missing".to_owned(), |last| format!("up to {}", rfc3339(last.0)));
        let mut checks = Vec::new();
        for wanted in places.iter().rev() {
            let found = chosen.iter().position(|(_, step)| step == wanted).map(|found| chosen.remove(found));
            let seen = match &found {
                Some(((time, id), _)) => format!("{} (event {id})", rfc3339(*time)),
                None => "not seen".into(),
            };
            let word = &words[usize::from(*wanted)];
            checks.push(Check::new(format!("step `{word}`"), seen, format!("within {}", keys.within), found.is_some()));
        }
        checks.reverse();
        if let (Some(unless), Some(last)) = (&keys.unless, last) {
            let undone = self.next(place(words, unless), same, last.0, within);
            let seen = undone.map_or("not seen".into(), |(time, id)| format!("{} (event {id})", rfc3339(*time)));
            let wanted = format!("not within {} after the last step", keys.within);
            checks.push(Check::new(format!("step `{unless}`"), seen, wanted, undone.is_none()));
        }
        if let (Some(optional), Some(last)) = (&keys.optional, last) {
            let joined = self.joins(last, same, words, keys);
            let seen = joined.map_or("not seen".into(), |((time, id), _)| format!("{} (event {id})", rfc3339(time)));
            checks.push(Check::new(format!("step `{optional}`"), seen, "if it was seen", true));
        }
        let word = &words[usize::from(step)];
        let about = format!("the steps around `{word}` at {} (event {}), {seen_until}", rfc3339(at.0), at.1);
        Moment::new(about, at.0, checks)
    }
}

fn bytes_of(at: &At) -> usize {
    48 + at.1.bytes()
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
        what: Value::from(last.1.to_string()),
        times: (first, end.saturating_add(1)),
        count: chosen.len() as u64,
        which: Which::Ids(chosen.into_iter().map(|((_, id), _)| id.to_string()).collect()),
        note: format!("Within {within}: {}", told.join(", then ")),
    }
}
