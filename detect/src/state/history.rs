//! What an entity did by UTC day: how many events it had, and on which days each value was seen. `first_seen` and `rare`
//! judge by it, and a [`Population`](super::Population) is told its share of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::attacks::{Span, Units};
use super::days::{Days, Values};
use super::{Added, DAY, Shift};

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
    pub values: Values,
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
        let mut bytes = if known.is_none() { 64 + id.len() } else { 0 };
        if moves {
            let before = self.shared(shares);
            self.latest = Some((time, id.to_owned(), group.map(str::to_owned)));
            bytes += self.count(day, value);
            return Added { bytes, from, shifts: differ(before, self.shared(shares)) };
        }
        if let Some((latest, latest_id, _)) = self.latest.as_mut().filter(|_| later) {
            *latest = time;
            id.clone_into(latest_id);
        }
        let before = self.share_of(shares, value, day);
        bytes += self.count(day, value);
        let after = self.share_of(shares, value, day);
        Added { bytes, from, shifts: self.differ_of(value, before, after) }
    }

    fn count(&mut self, day: i64, value: &str) -> usize {
        self.all.add(day) + self.values.add(value, day)
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
        days.iter().map(|(day, _)| day).find(|day| self.learnt(*day))
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
                shifts.extend(learnt.map(|(day, n)| shift(value, day, n as i64)));
            }
        };
        days_of(None, &self.all);
        for (value, days) in self.values.iter() {
            days_of(Some(value), days);
        }
        shifts
    }

    /// The part of it that an event with this value on this day can change: a day and a number, of all and of the value.
    fn share_of(&self, shares: Shares, value: &str, day: i64) -> [Share; 2] {
        let told = |days: &Days| match shares {
            Shares::Nothing => None,
            Shares::FirstDays => self.first_learnt(days).map(|first| (first, 1)),
            Shares::Events => days.on(day).filter(|_| self.learnt(day)).map(|events| (day, events as i64)),
        };
        match self.group() {
            Some(_) => [told(&self.all), self.values.get(value).and_then(told)],
            None => [None, None],
        }
    }

    /// What makes the second out of the first.
    fn differ_of(&self, value: &str, before: [Share; 2], after: [Share; 2]) -> Vec<Shift> {
        let mut shifts = Vec::new();
        let Some(group) = self.group().filter(|_| before != after) else { return shifts };
        for (name, (before, after)) in [None, Some(value)].into_iter().zip(before.into_iter().zip(after)) {
            let mut shift = |day: i64, by: i64| {
                if by != 0 {
                    shifts.push(Shift { group: group.to_owned(), value: name.map(str::to_owned), day, by });
                }
            };
            match (before, after) {
                (Some((day, before)), Some((same, after))) if day == same => shift(day, after - before),
                (before, after) => {
                    before.into_iter().for_each(|(day, by)| shift(day, -by));
                    after.into_iter().for_each(|(day, by)| shift(day, by));
                }
            }
        }
        shifts
    }
}

/// A day and what is told of it, if anything is.
type Share = Option<(i64, i64)>;

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
