//! What an entity did by UTC day: how many events it had, and on which days each value was seen. `first_seen` and `rare`
//! judge by it, and a [`Population`](super::Population) is told its share of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::attacks::{Span, Units};
use super::days::{Days, Values};
use super::event_id::EventId;
use super::{Added, DAY, Event, Shift};

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
    /// How many they are together.
    pub events: u64,
    pub values: Values,
    /// Days of attacks: values seen then count as if they had not been seen.
    withheld: Units,
    /// The latest event, by time and id, with the group that it names; only kept where something is shared.
    latest: Option<Box<Latest>>,
}

type Latest = (i64, EventId, Option<Arc<str>>);

impl History {
    pub fn add(&mut self, shares: Shares, event: &Event<'_>, value: &str, group: Option<&str>) -> Added {
        let Event { time, id, count, .. } = *event;
        let day = time.div_euclid(DAY);
        if shares == Shares::Nothing {
            return Added { bytes: self.count(day, value, count), from: Some(time), shifts: Vec::new() };
        }
        let known = self.latest.as_deref();
        let id = EventId::from(id.text());
        let later = known.is_none_or(|(t, i, _)| (*t, i) < (time, &id));
        // An entity goes over to another group with all that it did.
        let moves = later && known.is_none_or(|(.., g)| g.as_deref() != group);
        let from = Some(if moves && known.is_some() { i64::MIN } else { time });
        let mut bytes = if known.is_none() { 64 + id.bytes() } else { 0 };
        if moves {
            let before = self.shared(shares);
            self.latest = Some(Box::new((time, id, group.map(Arc::from))));
            bytes += self.count(day, value, count);
            return Added { bytes, from, shifts: differ(before, self.shared(shares)) };
        }
        if let Some((latest, latest_id, _)) = self.latest.as_deref_mut().filter(|_| later) {
            (*latest, *latest_id) = (time, id);
        }
        if shares == Shares::Events {
            bytes += self.count(day, value, count);
            let told = self.shared_group().filter(|_| self.learnt(day));
            let by = i64::from(count);
            let shift = |group| Shift { group, day, all: by, value: Some((value.to_owned(), by)) };
            return Added { bytes, from, shifts: told.cloned().map(shift).into_iter().collect() };
        }
        let before = self.first_days(value);
        bytes += self.count(day, value, count);
        let after = self.first_days(value);
        Added { bytes, from, shifts: self.differ_of(value, before, after) }
    }

    fn count(&mut self, day: i64, value: &str, events: u32) -> usize {
        self.events += u64::from(events);
        self.all.add(day, events) + self.values.add(value, day, events)
    }

    pub fn glance(&self) -> i64 {
        self.all.last().unwrap_or(0).wrapping_add(self.values.glance())
    }

    /// The population that the entity belongs to: the one that its latest event names.
    pub fn group(&self) -> Option<&str> {
        self.shared_group().map(|group| &**group)
    }

    fn shared_group(&self) -> Option<&Arc<str>> {
        self.latest.as_deref()?.2.as_ref()
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
        let Some(group) = self.shared_group() else { return Vec::new() };
        let shift = |value: Option<&str>, day: i64, by: i64| match value {
            None => Shift { group: group.clone(), day, all: by, value: None },
            Some(value) => Shift { group: group.clone(), day, all: 0, value: Some((value.to_owned(), by)) },
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

    /// The first days of the entity and of a value.
    fn first_days(&self, value: &str) -> [Option<i64>; 2] {
        [self.first_learnt(&self.all), self.values.get(value).and_then(|days| self.first_learnt(days))]
    }

    /// What makes the second first days out of the first.
    fn differ_of(&self, value: &str, before: [Option<i64>; 2], after: [Option<i64>; 2]) -> Vec<Shift> {
        let Some(group) = self.shared_group().filter(|_| before != after) else { return Vec::new() };
        let told = |[all, of_value]: [Option<i64>; 2]| {
            let all = all.map(|day| Shift { group: group.clone(), day, all: 1, value: None });
            let value =
                of_value.map(|day| Shift { group: group.clone(), day, all: 0, value: Some((value.to_owned(), 1)) });
            all.into_iter().chain(value).collect()
        };
        differ(told(before), told(after))
    }
}

/// What makes the second out of the first.
fn differ(before: Vec<Shift>, after: Vec<Shift>) -> Vec<Shift> {
    let mut by: BTreeMap<(Arc<str>, i64, Option<String>), i64> = BTreeMap::new();
    for (shifts, sign) in [(before, -1), (after, 1)] {
        for Shift { group, day, all, value } in shifts {
            if let Some((value, n)) = value {
                *by.entry((group.clone(), day, Some(value))).or_default() += sign * n;
            }
            *by.entry((group, day, None)).or_default() += sign * all;
        }
    }
    let changed = by.into_iter().filter(|(_, by)| *by != 0);
    changed
        .map(|((group, day, value), by)| match value {
            None => Shift { group, day, all: by, value: None },
            Some(value) => Shift { group, day, all: 0, value: Some((value, by)) },
        })
        .collect()
}
