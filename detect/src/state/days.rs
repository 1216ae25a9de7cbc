//! Events counted by UTC day, and the days of each value: what a [`History`](super::history::History) is made of.

use serde::{Deserialize, Serialize};

use super::hash;
use crate::fault::{self, Fault};

/// Days with events and how many. The last one is counted in most often, so it stands apart: to count in it, nothing is looked
/// at that lies elsewhere in memory.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Days {
    /// Days since the epoch, rising. No record lies two billion of them away.
    before: Vec<Day>,
    last: Option<Day>,
}

/// A day and its events.
type Day = (i32, u32);

impl Days {
    /// Counts events. Gives the bytes by which the list grew.
    pub fn add(&mut self, day: i64, more: u32) -> usize {
        let day = narrow(day);
        match &mut self.last {
            Some((last, events)) if *last == day => {
                *events = events.saturating_add(more);
                0
            }
            Some((last, _)) if *last > day => match self.before.binary_search_by_key(&day, |(d, _)| *d) {
                Ok(at) => {
                    self.before[at].1 = self.before[at].1.saturating_add(more);
                    0
                }
                Err(at) => {
                    let at = if fault::is(Fault::DecayOrder) { self.before.len() } else { at };
                    self.before.insert(at, (day, more));
                    DAY_BYTES
                }
            },
            last => {
                let before = last.replace((day, more));
                self.before.extend(before);
                if before.is_some() { DAY_BYTES } else { 0 }
            }
        }
    }

    /// Days and events, rising.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, u64)> {
        wide(&self.before, self.last)
    }

    /// Those before a day.
    pub fn before(&self, day: i64) -> impl DoubleEndedIterator<Item = (i64, u64)> {
        match self.last {
            Some((last, _)) if i64::from(last) < day => wide(&self.before, self.last),
            _ => wide(&self.before[..self.place(day)], None),
        }
    }

    /// That day and those behind it.
    pub fn since(&self, day: i64) -> impl DoubleEndedIterator<Item = (i64, u64)> {
        match self.last {
            // Mostly what is asked about is the last day.
            Some((last, _)) if i64::from(last) <= day => {
                wide(&[], self.last.filter(|(last, _)| i64::from(*last) == day))
            }
            _ => wide(&self.before[self.place(day)..], self.last),
        }
    }

    pub fn first(&self) -> Option<i64> {
        self.before.first().or(self.last.as_ref()).map(|(day, _)| i64::from(*day))
    }

    pub fn last(&self) -> Option<i64> {
        self.last.map(|(day, _)| i64::from(day))
    }

    /// The events of the days from `from` up to but not including `to`.
    pub fn between(&self, from: i64, to: i64) -> u64 {
        self.since(from).take_while(|(day, _)| *day < to).map(|(_, events)| events).sum()
    }

    /// How many of the days before the last one lie before a day.
    fn place(&self, day: i64) -> usize {
        let day = narrow(day);
        self.before.partition_point(|(d, _)| *d < day)
    }
}

fn wide(before: &[Day], last: Option<Day>) -> impl DoubleEndedIterator<Item = (i64, u64)> {
    before.iter().copied().chain(last).map(|(day, events)| (i64::from(day), u64::from(events)))
}

fn narrow(day: i64) -> i32 {
    day.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

/// What a further day and a value with its first one take.
const DAY_BYTES: usize = size_of::<Day>();
const VALUE_BYTES: usize = size_of::<Seen>();

/// The days of each value. It is looked through for every event, mostly in memory that no cache holds: so what decides
/// lies side by side, and texts and days are looked at where that says so.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Values(
    /// Rising by hash and value.
    Vec<Seen>,
);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seen {
    hash: u64,
    value: Box<str>,
    days: Days,
}

impl Values {
    /// Counts events with a value. Gives the bytes by which the list grew.
    pub fn add(&mut self, value: &str, day: i64, more: u32) -> usize {
        match self.place(value) {
            Ok(at) => self.0[at].days.add(day, more),
            Err(at) => {
                let mut days = Days::default();
                days.add(day, more);
                self.0.insert(at, Seen { hash: hash(value), value: value.into(), days });
                VALUE_BYTES + value.len()
            }
        }
    }

    /// Looks at some of the values: see [`State::glance`](super::State::glance).
    pub fn glance(&self) -> i64 {
        self.0.iter().take(8).filter_map(|seen| seen.days.last()).fold(0, i64::wrapping_add)
    }

    /// The days of a value, if it was ever seen.
    pub fn get(&self, value: &str) -> Option<&Days> {
        self.place(value).ok().map(|at| &self.0[at].days)
    }

    /// All values with their days.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Days)> {
        self.0.iter().map(|seen| (&*seen.value, &seen.days))
    }

    /// Those that were seen on a day or later.
    pub fn seen_since(&self, day: i64) -> impl Iterator<Item = (&str, &Days)> {
        self.0.iter().filter(move |seen| seen.days.last() >= Some(day)).map(|seen| (&*seen.value, &seen.days))
    }

    fn place(&self, value: &str) -> std::result::Result<usize, usize> {
        let hash = hash(value);
        self.0.binary_search_by(|seen| seen.hash.cmp(&hash).then_with(|| (*seen.value).cmp(value)))
    }
}
