//! What an entity has at places on the time line.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Values by place, rising. Mostly the last one is asked for, so it stands apart, with which place comes before it: then nothing is
/// looked at that lies elsewhere in memory. What is late is put in its place, for which the later ones move.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line<T> {
    before: Vec<(i64, T)>,
    last: Option<(i64, T)>,
    /// The last place of `before`; less than any if there is none.
    previous: i64,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Line::of(Vec::new())
    }
}

impl<T> Line<T> {
    /// Of values by place, rising.
    fn of(mut before: Vec<(i64, T)>) -> Self {
        let last = before.pop();
        Line { previous: place_of(before.last()), before, last }
    }

    /// The value of a place, which begins if there is none.
    pub fn entry(&mut self, place: i64, begin: impl FnOnce() -> T) -> &mut T {
        match place_of(self.last.as_ref()) {
            last if last > place => {
                let at = self.find(place).unwrap_or_else(|at| {
                    self.before.insert(at, (place, begin()));
                    self.previous = self.previous.max(place);
                    at
                });
                &mut self.before[at].1
            }
            last => {
                if last < place {
                    self.before.extend(self.last.take());
                    self.previous = last;
                }
                &mut self.last.get_or_insert_with(|| (place, begin())).1
            }
        }
    }

    pub fn get(&self, place: i64) -> Option<&T> {
        match &self.last {
            Some((last, value)) if *last == place => Some(value),
            Some((last, _)) if *last > place && self.previous >= place => {
                self.find(place).ok().map(|at| &self.before[at].1)
            }
            _ => None,
        }
    }

    pub fn get_mut(&mut self, place: i64) -> Option<&mut T> {
        if place_of(self.last.as_ref()) == place {
            return self.last.as_mut().map(|(_, value)| value);
        }
        self.find(place).ok().map(|at| &mut self.before[at].1)
    }

    /// The values of the place before a place, of itself, and of the place behind it.
    pub fn around(&self, place: i64) -> [Option<&T>; 3] {
        [-1, 0, 1].map(|step| self.get(place + step))
    }

    pub fn remove(&mut self, place: i64) {
        if place_of(self.last.as_ref()) == place {
            self.last = self.before.pop();
        } else if let Ok(at) = self.find(place) {
            self.before.remove(at);
        }
        self.previous = place_of(self.before.last());
    }

    pub fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// Looks at where the next place begins: see [`State::glance`](super::State::glance).
    pub fn glance(&self) -> i64 {
        place_of(self.before.last()).wrapping_add(self.last().unwrap_or(0))
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        self.before.len() + usize::from(self.last.is_some())
    }

    /// Bytes that it takes beside itself and what its values hold elsewhere.
    pub fn bytes(&self) -> usize {
        size_of_val(self.before.as_slice())
    }

    pub fn first(&self) -> Option<i64> {
        self.before.first().or(self.last.as_ref()).map(|(place, _)| *place)
    }

    pub fn last(&self) -> Option<i64> {
        self.last.as_ref().map(|(place, _)| *place)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, &T)> {
        told(&self.before, self.last.as_ref())
    }

    pub fn since(&self, from: i64) -> impl DoubleEndedIterator<Item = (i64, &T)> {
        let last = self.last.as_ref().filter(|(place, _)| *place >= from);
        // Mostly what is asked about is the last place.
        told(if self.previous < from { &[] } else { &self.before[self.before(from)..] }, last)
    }

    pub fn range(&self, places: Range<i64>) -> impl DoubleEndedIterator<Item = (i64, &T)> {
        let last = self.last.as_ref().filter(|(place, _)| places.contains(place));
        let within = match self.previous < places.start {
            true => &[][..],
            false => {
                let from = self.before(places.start);
                &self.before[from..self.before(places.end).max(from)]
            }
        };
        told(within, last)
    }

    /// Takes out what lies before a place.
    pub fn split_before(&mut self, place: i64) -> Self {
        let mut all = std::mem::take(self).into_vec();
        let newer = all.split_off(all.partition_point(|(at, _)| *at < place));
        *self = Line::of(newer);
        Line::of(all)
    }

    /// Takes in what lies at other places.
    pub fn join(&mut self, other: Self) {
        let mut all = std::mem::take(self).into_vec();
        all.extend(other.into_vec());
        all.sort_by_key(|(place, _)| *place);
        *self = Line::of(all);
    }

    fn into_vec(mut self) -> Vec<(i64, T)> {
        self.before.extend(self.last);
        self.before
    }

    /// How many of those before the last one lie before a place.
    fn before(&self, place: i64) -> usize {
        self.find(place).unwrap_or_else(|at| at)
    }

    /// Where a place is among those before the last one, or would be.
    fn find(&self, place: i64) -> Result<usize, usize> {
        match self.previous {
            previous if previous < place => Err(self.before.len()),
            previous if previous == place && !self.before.is_empty() => Ok(self.before.len() - 1),
            _ => self.before.binary_search_by_key(&place, |(place, _)| *place),
        }
    }
}

fn told<'l, T>(before: &'l [(i64, T)], last: Option<&'l (i64, T)>) -> impl DoubleEndedIterator<Item = (i64, &'l T)> {
    before.iter().chain(last).map(|(place, value)| (*place, value))
}

/// Less than any, where there is nothing.
fn place_of<T>(at: Option<&(i64, T)>) -> i64 {
    at.map_or(i64::MIN, |(place, _)| *place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_whatever_the_order_in_which_they_came() {
        let mut line = Line::<u32>::default();
        for place in [5, -3, 9, 5, 0, 9] {
            *line.entry(place, || 0) += 1;
        }
        let all = |line: &Line<u32>| line.iter().map(|(place, n)| (place, *n)).collect::<Vec<_>>();
        assert_eq!(all(&line), [(-3, 1), (0, 1), (5, 2), (9, 2)]);
        assert_eq!((line.first(), line.last(), line.len()), (Some(-3), Some(9), 4));
        assert_eq!((line.get(5), line.get(6), line.get(10)), (Some(&2), None, None));
        *line.entry(4, || 7) += 1;
        assert_eq!(line.around(5), [Some(&8), Some(&2), None]);
        assert_eq!(line.around(-4), [None, None, Some(&1)]);
        assert_eq!((line.around(9), line.around(20)), ([None, Some(&2), None], [None; 3]));
        line.remove(4);
        let places = |range| line.range(range).map(|(place, _)| place).collect::<Vec<_>>();
        assert_eq!(places(-3..5), [-3, 0]);
        assert_eq!(places(1..10), [5, 9]);
        assert_eq!(places(6..2), [0; 0]);
        assert_eq!(line.since(1).map(|(place, _)| place).collect::<Vec<_>>(), [5, 9]);
        line.remove(7);
        let (whole, mut newer) = (all(&line), line);
        let older = newer.split_before(5);
        assert_eq!((all(&older), all(&newer)), (vec![(-3, 1), (0, 1)], vec![(5, 2), (9, 2)]));
        newer.join(older);
        assert_eq!(all(&newer), whole);
        newer.remove(0);
        assert_eq!(newer.get(0), None);
        assert_eq!(newer.get_mut(0), None);
        assert_eq!(newer.get_mut(5), Some(&mut 2));
        // The last one goes, and another is the last.
        newer.remove(9);
        assert_eq!((newer.last(), newer.get(9), newer.around(6)), (Some(5), None, [Some(&2), None, None]));
        *newer.entry(7, || 0) += 1;
        assert_eq!(newer.range(4..8).map(|(place, _)| place).collect::<Vec<_>>(), [5, 7]);
        assert_eq!(newer.since(6).rev().map(|(place, n)| (place, *n)).collect::<Vec<_>>(), [(7, 1)]);
        let all_of_it = newer.split_before(8);
        assert_eq!((all(&newer), newer.is_empty(), newer.first(), newer.last()), (vec![], true, None, None));
        assert_eq!(all(&all_of_it), [(-3, 1), (5, 2), (7, 1)]);
        // From the beginning of time, whether there is anything or not.
        let until = |line: &Line<u32>, end| line.range(i64::MIN..end).map(|(place, _)| place).collect::<Vec<_>>();
        assert_eq!((until(&newer, 9), until(&all_of_it, 5)), (vec![], vec![-3]));
        let mut earliest = Line::<u32>::default();
        *earliest.entry(i64::MIN, || 3) += 1;
        assert_eq!((earliest.get(i64::MIN), earliest.len(), until(&earliest, 0)), (Some(&4), 1, vec![i64::MIN]));
        assert_eq!(earliest.since(i64::MIN).count(), 1);
    }
}
