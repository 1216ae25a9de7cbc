//! Events counted by UTC day, and the days of each value: what a [`History`](super::history::History) is made of.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::fault::{self, Fault};

/// Days with events and how many. The last one is counted in most often, so it stands apart, and which was the one before it: to
/// count in it, and to see how long there was nothing before it, nothing is looked at that lies elsewhere in memory.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Days {
    /// Days since the epoch, rising. No record lies two billion of them away.
    before: Vec<Day>,
    last: Option<Day>,
    /// The last day of `before`; less than any if there is none.
    previous: Previous,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Previous(i32);

impl Default for Previous {
    fn default() -> Self {
        Previous(i32::MIN)
    }
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
                    self.previous = Previous(day.max(self.previous.0));
                    DAY_BYTES
                }
            },
            last => {
                let before = last.replace((day, more));
                self.before.extend(before);
                if let Some((day, _)) = before {
                    self.previous = Previous(day);
                }
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

    /// The last one before a day.
    pub fn last_before(&self, day: i64) -> Option<i64> {
        match self.last {
            Some((last, _)) if i64::from(last) == day => {
                (self.previous.0 != i32::MIN).then(|| i64::from(self.previous.0))
            }
            _ => self.before(day).next_back().map(|(day, _)| day),
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
        match narrow(day) {
            day if self.previous.0 < day => self.before.len(),
            day => self.before.partition_point(|(d, _)| *d < day),
        }
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
/// lies side by side, and days are looked at where that says so. Texts never are: values of the same 128 bits are taken to be the same,
/// as entities are.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Values(
    /// Rising by hash.
    Vec<Seen>,
);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seen {
    hash: Hash,
    value: Box<str>,
    days: Days,
}

/// Of a value; in two parts, since 128 bits at once would want to lie at every sixteenth byte.
type Hash = (u64, u64);

fn hash(value: &str) -> Hash {
    let hash = xxh3_128(value.as_bytes());
    ((hash >> 64) as u64, hash as u64)
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

    /// How many different ones there are.
    pub fn len(&self) -> usize {
        self.0.len()
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
        self.0.binary_search_by_key(&hash, |seen| seen.hash)
    }
}
