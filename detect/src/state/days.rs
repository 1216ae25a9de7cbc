//! Events counted by UTC day, and the days of each value: what a [`History`](super::history::History) is made of.

use serde::{Deserialize, Serialize};

use super::hash;
use crate::fault::{self, Fault};

/// Days with events and how many.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Days(
    /// Days since the epoch, rising. No record lies two billion of them away.
    Vec<(i32, u32)>,
);

impl Days {
    /// Counts events. Gives the bytes by which the list grew.
    pub fn add(&mut self, day: i64, more: u32) -> usize {
        let day = narrow(day);
        if let Some((last, events)) = self.0.last_mut()
            && *last == day
        {
            *events = events.saturating_add(more);
            return 0;
        }
        match self.0.binary_search_by_key(&day, |(d, _)| *d) {
            Ok(at) => {
                self.0[at].1 = self.0[at].1.saturating_add(more);
                0
            }
            Err(at) => {
                let at = if fault::is(Fault::DecayOrder) { self.0.len() } else { at };
                self.0.insert(at, (day, more));
                DAY_BYTES
            }
        }
    }

    /// Days and events, rising.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, u64)> {
        wide(&self.0)
    }

    /// Those before a day.
    pub fn before(&self, day: i64) -> impl DoubleEndedIterator<Item = (i64, u64)> {
        wide(&self.0[..self.place(day)])
    }

    /// That day and those behind it.
    pub fn since(&self, day: i64) -> impl DoubleEndedIterator<Item = (i64, u64)> {
        wide(&self.0[self.place(day)..])
    }

    pub fn first(&self) -> Option<i64> {
        self.0.first().map(|(day, _)| i64::from(*day))
    }

    pub fn last(&self) -> Option<i64> {
        self.0.last().map(|(day, _)| i64::from(*day))
    }

    /// The events of the days from `from` up to but not including `to`.
    pub fn between(&self, from: i64, to: i64) -> u64 {
        self.since(from).take_while(|(day, _)| *day < to).map(|(_, events)| events).sum()
    }

    fn place(&self, day: i64) -> usize {
        let day = narrow(day);
        // Mostly what is asked about is the last day.
        match self.0.last() {
            Some((last, _)) if *last < day => self.0.len(),
            _ => self.0.partition_point(|(d, _)| *d < day),
        }
    }
}

fn wide(days: &[(i32, u32)]) -> impl DoubleEndedIterator<Item = (i64, u64)> {
    days.iter().map(|(day, events)| (i64::from(*day), u64::from(*events)))
}

fn narrow(day: i64) -> i32 {
    day.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

/// What a day and a value of its own take.
const DAY_BYTES: usize = size_of::<(i32, u32)>();
const VALUE_BYTES: usize = size_of::<Seen>() + DAY_BYTES;

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
    last: i64,
    value: Box<str>,
    days: Days,
}

impl Values {
    /// Counts events with a value. Gives the bytes by which the list grew.
    pub fn add(&mut self, value: &str, day: i64, more: u32) -> usize {
        match self.place(value) {
            Ok(at) => {
                let seen = &mut self.0[at];
                seen.last = day.max(seen.last);
                seen.days.add(day, more)
            }
            Err(at) => {
                let mut days = Days::default();
                days.add(day, more);
                self.0.insert(at, Seen { hash: hash(value), last: day, value: value.into(), days });
                VALUE_BYTES + value.len()
            }
        }
    }

    /// Looks at some of the values: see [`State::glance`](super::State::glance).
    pub fn glance(&self) -> i64 {
        self.0.iter().take(8).map(|seen| seen.last).fold(0, i64::wrapping_add)
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
        self.0.iter().filter(move |seen| seen.last >= day).map(|seen| (&*seen.value, &seen.days))
    }

    fn place(&self, value: &str) -> std::result::Result<usize, usize> {
        let hash = hash(value);
        self.0.binary_search_by(|seen| seen.hash.cmp(&hash).then_with(|| (*seen.value).cmp(value)))
    }
}
