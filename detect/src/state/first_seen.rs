//! A value that is new for the entity.
//!
//! Everything is counted by UTC day: how many events the entity had, and on which days each value was seen. A value is
//! new on a day if it was not seen in the days before it that are still remembered. How often an entity shows new values
//! anyway (Good and Turing's estimate) keeps explorers quiet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Check, Claim, DAY, Moment, Which, days_told, value_told};
use crate::fault::{self, Fault};
use crate::finding::time as rfc3339;
use crate::judgement;

/// The days over which the rate of new values is taken.
pub(crate) const RATE_DAYS: i32 = 30;

/// Days with events, rising, and how many.
type Days = Vec<(i32, u32)>;

/// A day on which a value is new, and its events that day.
type New<'v> = (i32, &'v str, u32);

/// What an entity did by day.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct FirstSeen {
    all: Days,
    values: BTreeMap<String, Days>,
}

impl FirstSeen {
    pub fn add(&mut self, time: i64, value: &str) -> usize {
        let day = day_of(time);
        let mut grown = count(&mut self.all, day);
        match self.values.get_mut(value) {
            Some(days) => grown += count(days, day),
            None => {
                self.values.insert(value.to_owned(), vec![(day, 1)]);
                grown += 64 + value.len();
            }
        }
        grown
    }

    pub fn judge(&self, keys: &judgement::FirstSeen, from: i64) -> (i64, Vec<Claim>) {
        let from_day = day_of(from);
        let forget = keys.forget.days();
        // Mostly nothing is new, which is seen before anything is put together.
        if !self.values.values().any(|days| has_new(days, from_day, forget)) {
            return (i64::from(from_day) * DAY, Vec::new());
        }
        let new = self.new_values(forget);
        let claims =
            new.iter().filter(|(day, ..)| *day >= from_day).filter_map(|n| self.claim(keys, n, &new)).collect();
        (i64::from(from_day) * DAY, claims)
    }

    /// Wherever a value is new; rising.
    fn new_values(&self, forget: i64) -> Vec<New<'_>> {
        let mut new: Vec<New<'_>> = Vec::new();
        for (value, days) in &self.values {
            let mut before: Option<i32> = None;
            for (day, events) in days {
                if before.is_none_or(|b| i64::from(day - b) > forget) {
                    new.push((*day, value, *events));
                }
                before = Some(*day);
            }
        }
        new.sort_unstable();
        new
    }

    /// What was known before a day, and of a value.
    fn known(&self, day: i32, value: &str, new: &[New<'_>]) -> Option<Known> {
        let recent_events = between(&self.all, day - RATE_DAYS, day);
        let recent_new = new.iter().filter(|(d, ..)| *d >= day - RATE_DAYS && *d < day).count() as u64;
        let days = self.values.get(value).map_or(&[][..], Vec::as_slice);
        Some(Known {
            days: i64::from(day - self.all.first()?.0),
            events: between(&self.all, i32::MIN, day),
            recent_events,
            recent_new,
            rate: (recent_new + 1) as f64 / (recent_events + 2) as f64,
            since: days.iter().rev().find(|(d, _)| *d < day).map(|(d, _)| i64::from(day - d)),
        })
    }

    fn claim(&self, keys: &judgement::FirstSeen, (day, value, events): &New<'_>, new: &[New<'_>]) -> Option<Claim> {
        let known = self.known(*day, value, new)?;
        if known.days < keys.learn.days() || known.events < keys.min_events || known.rate > keys.max_new_rate {
            return None;
        }
        let Known { events: known_events, recent_events, recent_new, .. } = known;
        let seen = match known.since {
            Some(days) => format!("was last seen {} before", days_told(days)),
            None => "was never seen before".into(),
        };
        let columns = keys.value.join(", ");
        let start = i64::from(*day) * DAY;
        Some(Claim {
            what: Value::from(vec![Value::from(*value), Value::from(rfc3339(start))]),
            times: (start, start + DAY),
            which: Which::Value((*value).to_owned()),
            count: u64::from(*events),
            note: format!(
                "{columns} {} {seen}, in {known_events} events over {}; in the {} before, {recent_new} values were new \
                 among {recent_events} events",
                value_told(value),
                days_told(known.days),
                days_told(i64::from(RATE_DAYS)),
            ),
        })
    }
}

impl FirstSeen {
    /// A value on the day of a time, or all that were new, against the keys.
    pub fn explain(&self, keys: &judgement::FirstSeen, at: Option<(i64, &str)>) -> Vec<Moment> {
        let new = self.new_values(keys.forget.days());
        let asked: Vec<(i32, &str)> = match at {
            Some((time, value)) => vec![(day_of(time), value)],
            None => new.iter().map(|(day, value, _)| (*day, *value)).collect(),
        };
        let moment = |(day, value): (i32, &str)| {
            let known = self.known(day, value, &new)?;
            let since = known.since;
            let start = i64::from(day) * DAY;
            let unseen = match since {
                None => "never".into(),
                Some(days) => format!("{} before", days_told(days)),
            };
            let rate = format!("{:.4} ({} new in {} events)", known.rate, known.recent_new, known.recent_events);
            let about = format!("{} {} on {}", keys.value.join(", "), value_told(value), &rfc3339(start)[..10]);
            let checks = vec![
                Check::new(
                    "last seen",
                    unseen,
                    format!("never, or longer ago than `forget`, {}", keys.forget),
                    since.is_none_or(|days| days > keys.forget.days()),
                ),
                Check::new(
                    "the entity was known for",
                    days_told(known.days),
                    format!(">= {}, `learn`", days_told(keys.learn.days())),
                    known.days >= keys.learn.days(),
                ),
                Check::new(
                    "events before that day",
                    known.events,
                    format!(">= {}, `min_events`", keys.min_events),
                    known.events >= keys.min_events,
                ),
                Check::new(
                    format!("rate of new values in the {} before", days_told(i64::from(RATE_DAYS))),
                    rate,
                    format!("<= {}, `max_new_rate`", keys.max_new_rate),
                    known.rate <= keys.max_new_rate,
                ),
            ];
            Some(Moment::new(about, start, checks))
        };
        asked.into_iter().filter_map(moment).collect()
    }
}

/// What was known of an entity before a day.
struct Known {
    /// Since its first event.
    days: i64,
    events: u64,
    /// Of the thirty days before.
    recent_events: u64,
    recent_new: u64,
    rate: f64,
    /// Days since the value in question was last seen.
    since: Option<i64>,
}

/// The day of a time. Times that are no calendar's still have one.
fn day_of(time: i64) -> i32 {
    time.div_euclid(DAY) as i32
}

/// Whether a value is new on one of its days from a day on.
fn has_new(days: &Days, from: i32, forget: i64) -> bool {
    let first = days.partition_point(|(day, _)| *day < from);
    let before = |at: usize| days[..at].last().map(|(day, _)| *day);
    (first..days.len()).any(|at| before(at).is_none_or(|before| i64::from(days[at].0 - before) > forget))
}

/// Counts an event on a day. Gives the bytes by which the list grew.
fn count(days: &mut Days, day: i32) -> usize {
    match days.binary_search_by_key(&day, |(d, _)| *d) {
        Ok(at) => {
            days[at].1 = days[at].1.saturating_add(1);
            0
        }
        Err(at) => {
            let at = if fault::is(Fault::DecayOrder) { days.len() } else { at };
            days.insert(at, (day, 1));
            8
        }
    }
}

/// The events of the days from `from` up to but not including `to`.
fn between(days: &Days, from: i32, to: i32) -> u64 {
    let start = days.partition_point(|(d, _)| *d < from);
    days[start..].iter().take_while(|(d, _)| *d < to).map(|(_, n)| u64::from(*n)).sum()
}
