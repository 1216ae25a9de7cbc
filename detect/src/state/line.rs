//! What an entity has at places on the time line.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Values by place, rising, side by side: mostly the last one is asked for, and then nothing before it is touched. What is
/// late is put in its place, for which the later ones move.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line<T>(Vec<(i64, T)>);

impl<T> Default for Line<T> {
    fn default() -> Self {
        Line(Vec::new())
    }
}

impl<T> Line<T> {
    /// The value of a place, which begins if there is none.
    pub fn entry(&mut self, place: i64, begin: impl FnOnce() -> T) -> &mut T {
        let at = match self.find(place) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (place, begin()));
                at
            }
        };
        &mut self.0[at].1
    }

    pub fn get(&self, place: i64) -> Option<&T> {
        self.find(place).ok().map(|at| &self.0[at].1)
    }

    pub fn get_mut(&mut self, place: i64) -> Option<&mut T> {
        self.find(place).ok().map(|at| &mut self.0[at].1)
    }

    /// The values of the place before a place, of itself, and of the place behind it.
    pub fn around(&self, place: i64) -> [Option<&T>; 3] {
        let from = self.before(place).saturating_sub(1);
        let near = &self.0[from..self.0.len().min(from + 3)];
        [-1, 0, 1].map(|step| near.iter().find(|(at, _)| *at == place + step).map(|(_, value)| value))
    }

    pub fn remove(&mut self, place: i64) {
        if let Ok(at) = self.find(place) {
            self.0.remove(at);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn first(&self) -> Option<i64> {
        self.0.first().map(|(place, _)| *place)
    }

    pub fn last(&self) -> Option<i64> {
        self.0.last().map(|(place, _)| *place)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, &T)> {
        told(&self.0)
    }

    pub fn since(&self, from: i64) -> impl DoubleEndedIterator<Item = (i64, &T)> {
        told(&self.0[self.before(from)..])
    }

    pub fn range(&self, places: Range<i64>) -> impl DoubleEndedIterator<Item = (i64, &T)> {
        let from = self.before(places.start);
        told(&self.0[from..self.before(places.end).max(from)])
    }

    /// Takes out what lies before a place.
    pub fn split_before(&mut self, place: i64) -> Self {
        let newer = self.0.split_off(self.before(place));
        Line(std::mem::replace(&mut self.0, newer))
    }

    /// Takes in what lies at other places.
    pub fn join(&mut self, other: Self) {
        self.0.extend(other.0);
        self.0.sort_by_key(|(place, _)| *place);
    }

    /// How many lie before a place.
    fn before(&self, place: i64) -> usize {
        self.find(place).unwrap_or_else(|at| at)
    }

    fn find(&self, place: i64) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if *last == place => Ok(self.0.len() - 1),
            Some((last, _)) if *last > place => self.0.binary_search_by_key(&place, |(place, _)| *place),
            _ => Err(self.0.len()),
        }
    }
}

fn told<T>(values: &[(i64, T)]) -> impl DoubleEndedIterator<Item = (i64, &T)> {
    values.iter().map(|(place, value)| (*place, value))
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
        assert_eq!(newer.get_mut(0), None);
        assert_eq!(newer.get_mut(5), Some(&mut 2));
    }
}
