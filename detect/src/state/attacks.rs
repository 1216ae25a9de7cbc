//! When an entity was under attack: what it did then is not learnt from.
//!
//! Findings of severity high or critical, of rules that more data cannot undo (`match`, `threshold`, `sequence` without
//! `unless`), open a *span*: from their first event (or window) until a day after their last. Each kind that learns
//! leaves out its own units of time, UTC days or buckets, that a span touches.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::DAY;
use crate::memory::Key;

/// How long after a finding nothing is learnt, in µs.
pub(crate) const UNLEARNT: i64 = DAY;

/// First and last time, µs since the epoch, both inside.
pub(crate) type Span = (i64, i64);

/// The attacks on one principal, by the rule and the entity whose findings say so.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Attacks {
    spans: BTreeMap<Key, Vec<Span>>,
}

impl Attacks {
    /// Adds an event that is a finding (or a part of one) by itself. Gives whether it changed anything.
    pub fn strike(&mut self, source: Key, time: i64) -> bool {
        let spans = self.spans.entry(source).or_default();
        let (start, end) = (time, time.saturating_add(UNLEARNT));
        if spans.iter().any(|(s, e)| *s <= start && end <= *e) {
            return false;
        }
        spans.push((start, end));
        *spans = merged(std::mem::take(spans));
        true
    }

    /// Puts what a rule now claims of one of its entities in place of all its claims that end behind `after`. Gives the
    /// earliest time at which that changed anything.
    pub fn replace(&mut self, source: Key, after: i64, claims: impl Iterator<Item = Span>) -> Option<i64> {
        let before = self.spans.remove(&source).unwrap_or_default();
        let mut now: Vec<Span> =
            before.iter().copied().filter(|(_, end)| end.saturating_sub(UNLEARNT) <= after).collect();
        now.extend(claims.map(|(start, end)| (start, end.saturating_add(UNLEARNT))));
        now.sort_unstable();
        let gone = before.iter().filter(|s| now.binary_search(s).is_err());
        let come = now.iter().filter(|s| before.binary_search(s).is_err());
        let changed = gone.chain(come).map(|(start, _)| *start).min();
        if !now.is_empty() {
            self.spans.insert(source, now);
        }
        changed
    }

    /// All spans, merged and rising.
    pub fn spans(&self) -> Vec<Span> {
        merged(self.spans.values().flatten().copied().collect())
    }

    /// How many spans are kept.
    pub fn len(&self) -> usize {
        self.spans.values().map(Vec::len).sum()
    }
}

fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for (start, end) in spans {
        match out.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => out.push((start, end)),
        }
    }
    out
}

/// Units of time (days, buckets) by their places on the time line: from the first to the last, both inside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Units(Box<[(i64, i64)]>);

impl Units {
    /// The units of this width that spans (merged and rising) touch.
    pub fn touched(spans: &[Span], width: i64) -> Units {
        let mut units: Vec<(i64, i64)> = Vec::with_capacity(spans.len());
        for (start, end) in spans {
            let (first, last) = (start.div_euclid(width), end.div_euclid(width));
            match units.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                _ => units.push((first, last)),
            }
        }
        Units(units.into())
    }

    pub fn contains(&self, unit: i64) -> bool {
        let behind = self.0.partition_point(|(first, _)| *first <= unit);
        behind > 0 && self.0[behind - 1].1 >= unit
    }

    /// How many of the units from `from` up to but not including `to` are in it.
    pub fn number(&self, from: i64, to: i64) -> i64 {
        self.0.iter().map(|(first, last)| ((*last).min(to - 1) - (*first).max(from) + 1).max(0)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_merge_and_go_again() {
        let mut attacks = Attacks::default();
        let (rule, other) = ((1, 1), (2, 7));
        assert!(attacks.strike(rule, 10));
        assert!(!attacks.strike(rule, 10) && attacks.strike(rule, 20));
        assert_eq!(attacks.spans(), [(10, 20 + DAY)]);
        let claims = [(5 * DAY, 6 * DAY), (9 * DAY, 10 * DAY)];
        assert_eq!(attacks.replace(other, i64::MIN, claims.into_iter()), Some(5 * DAY));
        assert_eq!(attacks.replace(other, i64::MIN, claims.into_iter()), None);
        // The first is gone, the second was not judged anew.
        assert_eq!(attacks.replace(other, 6 * DAY, std::iter::empty()), Some(9 * DAY));
        assert_eq!(attacks.spans(), [(10, 20 + DAY), (5 * DAY, 7 * DAY)]);
        assert_eq!(attacks.replace(other, i64::MIN, std::iter::empty()), Some(5 * DAY));
        assert_eq!((attacks.spans(), attacks.len()), (vec![(10, 20 + DAY)], 1));
    }

    #[test]
    fn units_are_those_that_a_span_touches() {
        let units = Units::touched(&[(5, 15), (29, 30), (70, 79)], 10);
        assert_eq!(units, Units([(0, 3), (7, 7)].into()));
        assert_eq!((0..9).filter(|u| units.contains(*u)).collect::<Vec<_>>(), [0, 1, 2, 3, 7]);
        assert_eq!((units.number(2, 8), units.number(-5, 100), units.number(4, 7)), (3, 5, 0));
    }
}
