//! What an entity did by UTC day: how many events it had, and on which days each value was seen. `first_seen` and `rare`
//! judge by it, and a [`Population`](super::Population) is told its share of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::attacks::{Span, Units};
use super::{Added, DAY, Shift};
use crate::fault::{self, Fault};

/// Days with events, rising, and how many.
pub(crate) type Days = Vec<(i64, u64)>;

/// What others are told of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shares {
    Nothing,
    /// The first day of the entity, and of each of its values.
    FirstDays,
    /// Every event.
    Events,
}

/// What an entity did by day.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct History {
    pub all: Days,
    pub values: BTreeMap<String, Days>,
    /// Days of attacks: values seen then count as if they had not been seen.
    withheld: Units,
    /// The latest event, by time and id, with the group that it names; only kept where something is shared.
    latest: Option<(i64, String, Option<String>)>,
}

impl History {
    pub fn add(&mut self, shares: Shares, time: i64, id: &str, value: &str, group: Option<&str>) -> Added {
        let day = time.div_euclid(DAY);
        if shares == Shares::Nothing {
            return Added { bytes: self.count(day, value), from: time, shifts: Vec::new() };
        }
        let known = self.latest.as_ref();
        let later = known.is_none_or(|(t, i, _)| (*t, i.as_str()) < (time, id));
        // An entity goes over to another group with all that it did.
        let moves = later && known.is_none_or(|(.., g)| g.as_deref() != group);
        let from = if moves && known.is_some() { i64::MIN } else { time };
        let told = |history: &History| match moves {
            true => history.shared(shares),
            false => history.shared_of(shares, value, day),
        };
        let before = told(self);
        let mut bytes = if known.is_none() { 64 + id.len() } else { 0 };
        if later {
            self.latest = Some((time, id.to_owned(), group.map(str::to_owned)));
        }
        bytes += self.count(day, value);
        Added { bytes, from, shifts: differ(before, told(self)) }
    }

    fn count(&mut self, day: i64, value: &str) -> usize {
        let grown = count(&mut self.all, day);
        match self.values.get_mut(value) {
            Some(days) => grown + count(days, day),
            None => {
                self.values.insert(value.to_owned(), vec![(day, 1)]);
                grown + 64 + value.len()
            }
        }
    }

    /// The population that the entity belongs to: the one that its latest event names.
    pub fn group(&self) -> Option<&str> {
        self.latest.as_ref()?.2.as_deref()
    }

    /// Whether what was seen on a day counts as seen.
    pub fn learnt(&self, day: i64) -> bool {
        !self.withheld.contains(day)
    }

    /// The first day on which something was seen that counts.
    pub fn first_learnt(&self, days: &Days) -> Option<i64> {
        days.iter().map(|(day, _)| *day).find(|day| self.learnt(*day))
    }

    /// Sets when the entity was under attack. Gives what becomes of its share.
    pub fn withhold(&mut self, shares: Shares, spans: &[Span]) -> Vec<Shift> {
        let before = self.shared(shares);
        self.withheld = Units::touched(spans, DAY);
        differ(before, self.shared(shares))
    }

    /// All that the entity's group is told.
    fn shared(&self, shares: Shares) -> Vec<Shift> {
        let Some(group) = self.group() else { return Vec::new() };
        let shift = |value: Option<&str>, day: i64, by: i64| Shift {
            group: group.to_owned(),
            value: value.map(str::to_owned),
            day,
            by,
        };
        let mut shifts = Vec::new();
        let mut days_of = |value: Option<&str>, days: &Days| match shares {
            Shares::Nothing => {}
            Shares::FirstDays => shifts.extend(self.first_learnt(days).map(|day| shift(value, day, 1))),
            Shares::Events => {
                let learnt = days.iter().filter(|(day, _)| self.learnt(*day));
                shifts.extend(learnt.map(|(day, n)| shift(value, *day, *n as i64)));
            }
        };
        days_of(None, &self.all);
        for (value, days) in &self.values {
            days_of(Some(value), days);
        }
        shifts
    }

    /// The part of it that an event with this value on this day can change.
    fn shared_of(&self, shares: Shares, value: &str, day: i64) -> Vec<Shift> {
        let Some(group) = self.group() else { return Vec::new() };
        let nothing = Days::new();
        let mut shifts = Vec::new();
        for (name, days) in [(None, &self.all), (Some(value), self.values.get(value).unwrap_or(&nothing))] {
            let told = match shares {
                Shares::Nothing => None,
                Shares::FirstDays => self.first_learnt(days).map(|first| (first, 1)),
                Shares::Events => {
                    let at = days.binary_search_by_key(&day, |(d, _)| *d).ok().filter(|_| self.learnt(day));
                    at.map(|at| (day, days[at].1 as i64))
                }
            };
            let shift = |(day, by)| Shift { group: group.to_owned(), value: name.map(str::to_owned), day, by };
            shifts.extend(told.map(shift));
        }
        shifts
    }
}

/// What makes the second out of the first.
fn differ(before: Vec<Shift>, after: Vec<Shift>) -> Vec<Shift> {
    let mut by: BTreeMap<(String, Option<String>, i64), i64> = BTreeMap::new();
    for (shifts, sign) in [(before, -1), (after, 1)] {
        for Shift { group, value, day, by: n } in shifts {
            *by.entry((group, value, day)).or_default() += sign * n;
        }
    }
    let changed = by.into_iter().filter(|(_, by)| *by != 0);
    changed.map(|((group, value, day), by)| Shift { group, value, day, by }).collect()
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
pub(crate) fn between(days: &Days, from: i64, to: i64) -> u64 {
    let start = days.partition_point(|(d, _)| *d < from);
    days[start..].iter().take_while(|(d, _)| *d < to).map(|(_, n)| n).sum()
}
