//! What a group of entities knows together: the peers of a `first_seen`, the population of a `rare`.
//!
//! Each entity of the rule belongs to the group that its latest event names in the column, and tells it its share
//! ([`Shares`](super::history::Shares)); if the share changes (a late event, another group, an attack) the difference is
//! told. So a group's numbers are sums over what its entities hold now, whatever the order in which it came.
//!
//! Who judged by a number is *watched*: where the number changes later, these entities are judged again, and no others.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::Shift;
use super::days::Days;
use super::history::History;
use super::line::Line;
use crate::judgement::{Judgement, Rare};
use crate::memory::ByHash;

/// Numbers by day; none is nought.
type Counts = Line<i64>;

/// A group's numbers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Population {
    /// Peers: entities by the first day of theirs. A population: events by day.
    all: Counts,
    /// The same for each value.
    values: HashMap<String, Counts, ByHash>,
    /// By day and value: what was told of it, and the entities (by hash) that asked. It may name some that would not ask
    /// again, never too few.
    watched: Line<HashMap<String, (View, HashSet<u128, ByHash>), ByHash>>,
}

/// What a group has to say of a value on a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum View {
    /// Entities that had the value by the end of the day, and all that were known by then.
    Peers {
        with: i64,
        all: i64,
    },
    Usual(Usual),
}

/// How often a value was seen in the days before a day; each event counts half after the half-life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usual {
    pub with: f64,
    pub all: f64,
    /// Different values.
    pub different: u64,
    /// Days since the first event.
    pub days: i64,
}

impl Usual {
    /// The share of the value among all, half an event being added to each (Krichevsky and Trofimov's estimate).
    pub fn probability(&self) -> f64 {
        (self.with + 0.5) / (self.all + 0.5 * self.different.max(1) as f64)
    }
}

impl Population {
    /// Gives the bytes by which it grew.
    pub fn shift(&mut self, shift: &Shift) -> usize {
        let mut grown = 0;
        if shift.all != 0 {
            grown += count(&mut self.all, shift.day, shift.all);
        }
        if let Some((value, by)) = &shift.value {
            match self.values.get_mut(value) {
                None => {
                    let mut counts = Counts::default();
                    grown += 64 + value.len() + count(&mut counts, shift.day, *by);
                    self.values.insert(value.clone(), counts);
                }
                Some(counts) => {
                    grown += count(counts, shift.day, *by);
                    if counts.is_empty() {
                        self.values.remove(value);
                    }
                }
            }
        }
        grown
    }

    /// What an entity needs to know. It is heard of when that changes. Gives the bytes by which it grew, too.
    pub fn ask(&mut self, judgement: &Judgement, entity: u128, value: &str, day: i64) -> (View, usize) {
        let view = self.view(judgement, value, day);
        let mut grown = 16;
        let of_day = self.watched.entry(day, HashMap::default);
        if let Some((_, asking)) = of_day.get_mut(value) {
            asking.insert(entity);
        } else {
            grown += 120 + value.len();
            of_day.insert(value.to_owned(), (view.clone(), HashSet::from_iter([entity])));
        }
        (view, grown)
    }

    /// Who must be judged again, and from which day on, after numbers of days from `day` on have changed.
    pub fn changed(&mut self, judgement: &Judgement, day: i64) -> Vec<(u128, i64)> {
        // What is rare on a day depends on the days before it alone.
        let first = if matches!(judgement, Judgement::Rare(_)) { day.saturating_add(1) } else { day };
        let mut changed: Vec<(i64, String)> = Vec::new();
        for (day, asked) in self.watched.since(first) {
            let other = asked.iter().filter(|(value, (told, _))| *told != self.view(judgement, value, day));
            changed.extend(other.map(|(value, _)| (day, value.clone())));
        }
        let mut again = Vec::new();
        for (day, value) in changed {
            let asking = self.watched.get_mut(day).and_then(|asked| asked.remove(&value));
            again.extend(asking.into_iter().flat_map(|(_, asking)| asking).map(|entity| (entity, day)));
        }
        again
    }

    fn view(&self, judgement: &Judgement, value: &str, day: i64) -> View {
        let nothing = Counts::default();
        let with = self.values.get(value).unwrap_or(&nothing);
        match judgement {
            Judgement::Rare(keys) => {
                let different = self.values.values().filter(|days| days.first().is_some_and(|d| d < day));
                View::Usual(Usual {
                    with: weighed(keys, day, with.iter().map(|(d, n)| (d, *n as u64))),
                    all: weighed(keys, day, self.all.iter().map(|(d, n)| (d, *n as u64))),
                    different: different.count() as u64,
                    days: self.all.first().map_or(0, |first| (day - first).max(0)),
                })
            }
            _ => {
                let until = |counts: &Counts| counts.range(i64::MIN..day.saturating_add(1)).map(|(_, n)| n).sum();
                View::Peers { with: until(with), all: until(&self.all) }
            }
        }
    }
}

/// Adds to the number of a day; nought is none. Gives the bytes by which the numbers grew.
fn count(counts: &mut Counts, day: i64, by: i64) -> usize {
    let before = counts.len();
    let number = counts.entry(day, || 0);
    *number += by;
    if *number == 0 {
        counts.remove(day);
    }
    counts.len().saturating_sub(before) * size_of::<(i64, i64)>()
}

/// What was usual for an entity itself before a day, over what counts as seen; of a value that it never had.
pub(super) fn usual_before(keys: &Rare, history: &History, day: i64) -> Usual {
    let different =
        history.values.iter().filter(|(_, days)| history.first_learnt(days).is_some_and(|first| first < day));
    Usual {
        with: 0.0,
        all: seen_before(keys, history, &history.all, day),
        different: different.count() as u64,
        days: history.all.first().map_or(0, |first| (day - first).max(0)),
    }
}

/// The weight of an entity's events of some days before a day, over what counts as seen.
pub(super) fn seen_before(keys: &Rare, history: &History, days: &Days, day: i64) -> f64 {
    weighed(keys, day, days.iter().filter(|(d, _)| history.learnt(*d)))
}

/// Events of the days before `day`, each halved for every half-life that lies between. Summed by rising day: the same
/// numbers give the same bits, in whatever order they came.
fn weighed(keys: &Rare, day: i64, days: impl Iterator<Item = (i64, u64)>) -> f64 {
    days.take_while(|(d, _)| *d < day).map(|(d, n)| n as f64 * keys.half_life.weight(day - d)).sum()
}
