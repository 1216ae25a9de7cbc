//! A value that is new for the entity.
//!
//! Everything is counted by UTC day: how many events the entity had, and on which days each value was seen. A value is
//! new on a day if it was not seen in the days before it that are still remembered. How often an entity shows new values
//! anyway (Good and Turing's estimate) keeps explorers quiet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Claim, DAY, Which, days_told, value_told};
use crate::fault::{self, Fault};
use crate::finding::time as rfc3339;
use crate::judgement;

/// The days over which the rate of new values is taken.
const RATE_DAYS: i64 = 30;

/// Days with events, rising, and how many.
type Days = Vec<(i64, u64)>;

/// What an entity did by day.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct FirstSeen {
    all: Days,
    values: BTreeMap<String, Days>,
}

impl FirstSeen {
    pub fn add(&mut self, time: i64, value: &str) -> usize {
        let day = time.div_euclid(DAY);
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
        let from_day = from.div_euclid(DAY);
        let forget = keys.forget.days();
        // (day, value, events that day) wherever a value is new.
        let mut new: Vec<(i64, &str, u64)> = Vec::new();
        for (value, days) in &self.values {
            let mut before: Option<i64> = None;
            for (day, events) in days {
                if before.is_none_or(|b| day - b > forget) {
                    new.push((*day, value, *events));
                }
                before = Some(*day);
            }
        }
        new.sort_unstable();
        let claims =
            new.iter().filter(|(day, ..)| *day >= from_day).filter_map(|n| self.claim(keys, n, &new)).collect();
        (from_day.saturating_mul(DAY), claims)
    }

    fn claim(
        &self,
        keys: &judgement::FirstSeen,
        (day, value, events): &(i64, &str, u64),
        new: &[(i64, &str, u64)],
    ) -> Option<Claim> {
        let known_days = day - self.all.first()?.0;
        let known_events = between(&self.all, i64::MIN, *day);
        if known_days < keys.learn.days() || known_events < keys.min_events {
            return None;
        }
        let recent_events = between(&self.all, day - RATE_DAYS, *day);
        let recent_new = new.iter().filter(|(d, ..)| *d >= day - RATE_DAYS && d < day).count() as u64;
        let rate = (recent_new + 1) as f64 / (recent_events + 2) as f64;
        if rate > keys.max_new_rate {
            return None;
        }
        let last = self.values[*value].iter().rev().find(|(d, _)| d < day).map(|(d, _)| *d);
        let seen = match last {
            Some(last) => format!("was last seen {} before", days_told(day - last)),
            None => "was never seen before".into(),
        };
        let columns = keys.value.join(", ");
        Some(Claim {
            what: Value::from(vec![Value::from(*value), Value::from(rfc3339(day * DAY))]),
            times: (day * DAY, (day + 1) * DAY),
            which: Which::Value((*value).to_owned()),
            count: *events,
            note: format!(
                "{columns} {} {seen}, in {known_events} events over {}; in the {} before, {recent_new} values were new \
                 among {recent_events} events",
                value_told(value),
                days_told(known_days),
                days_told(RATE_DAYS),
            ),
        })
    }
}

/// Counts an event on a day. Gives the bytes by which the list grew.
fn count(days: &mut Days, day: i64) -> usize {
    match days.binary_search_by_key(&day, |(d, _)| *d) {
        Ok(at) => {
            days[at].1 += 1;
            0
        }
        Err(at) => {
            let at = if fault::is(Fault::DecayOrder) { days.len() } else { at };
            days.insert(at, (day, 1));
            16
        }
    }
}

/// The events of the days from `from` up to but not including `to`.
fn between(days: &Days, from: i64, to: i64) -> u64 {
    let start = days.partition_point(|(d, _)| *d < from);
    days[start..].iter().take_while(|(d, _)| *d < to).map(|(_, n)| n).sum()
}
