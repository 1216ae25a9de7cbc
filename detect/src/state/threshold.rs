//! Bounds in windows of event time.
//!
//! Windows of w hop by w/2, so a window is two neighbouring *blocks* of w/2, and a block is all that is kept: `n` events
//! within any w/2 lie in one window, fewer than n in every w lie in none. Overlapping windows over the bound are one run.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use smallvec::{SmallVec, smallvec};

use super::line::Line;
use super::{Added, Check, Claim, Event, Measured, Moment, Split, Tally, Which};
use crate::fault::{self, Fault};
use crate::finding::time as rfc3339;
use crate::judgement::Having;
use crate::window::Window;

/// An entity's events, counted by block.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Threshold {
    /// By the block's place on the time line.
    blocks: Line<Block>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Block {
    events: u64,
    /// One for each bound.
    tallies: SmallVec<[Tally; 1]>,
}

impl Block {
    /// What it takes beside itself.
    fn bytes(&self) -> usize {
        let spilled = if self.tallies.spilled() { size_of_val(self.tallies.as_slice()) } else { 0 };
        spilled + self.tallies.iter().map(Tally::bytes).sum::<usize>()
    }
}

/// A window's blocks.
struct Held<'b> {
    one: &'b Block,
    other: Option<&'b Block>,
}

impl Held<'_> {
    /// What it holds, by a bound's place.
    fn number(&self, bound: usize) -> u64 {
        let one = &self.one.tallies[bound];
        self.other.map_or_else(|| one.number(), |other| one.number_with(&other.tallies[bound]))
    }

    fn is_over(&self, having: &[Having]) -> bool {
        having.iter().enumerate().all(|(bound, h)| self.most(bound) >= h.at_least && self.number(bound) >= h.at_least)
    }

    /// What it holds at most: the same value may be in both blocks.
    fn most(&self, bound: usize) -> u64 {
        let other = self.other.map_or(0, |other| other.tallies[bound].number());
        self.one.tallies[bound].number().saturating_add(other)
    }

    fn numbers(&self) -> Vec<u64> {
        (0..self.one.tallies.len()).map(|bound| self.number(bound)).collect()
    }
}

impl Threshold {
    /// Adding only makes numbers grow: where the block's windows are still under the bounds, nothing was ever claimed of them.
    pub fn add(&mut self, window: Window, having: &[Having], event: &Event<'_>, parts: &[Measured]) -> Added {
        let counted = if fault::is(Fault::WindowEdge) { event.time - 1 } else { event.time };
        let place = counted.div_euclid(half(window));
        let (stood, mut grown) = (self.blocks.bytes(), 0);
        let block = self.blocks.entry(place, || {
            let block = Block { events: 0, tallies: smallvec![Tally::default(); having.len()] };
            grown += block.bytes();
            block
        });
        block.events += u64::from(event.count);
        grown += block.tallies.iter_mut().zip(parts).map(|(tally, part)| tally.add(*part, event.count)).sum::<usize>();
        grown += self.blocks.bytes() - stood;
        let [before, now, behind] = self.blocks.around(place);
        let changes =
            now.is_some_and(|one| [before, behind].into_iter().any(|other| Held { one, other }.is_over(having)));
        Added { bytes: grown, from: changes.then_some(event.time), shifts: Vec::new() }
    }

    pub fn judge(&self, window: Window, having: &[Having], from: i64) -> (i64, Vec<Claim>) {
        let half = half(window);
        // The first window that an event at `from` lies in, and the run that it may lie in.
        let mut first = from.div_euclid(half).saturating_sub(1);
        while self.numbers(first - 1, having).is_some() {
            first -= 1;
        }
        let mut claims = Vec::new();
        let mut run: Option<(i64, i64, Vec<u64>)> = None;
        for place in self.windows_from(first) {
            let Some(numbers) = self.numbers(place, having) else { continue };
            match &mut run {
                Some((_, last, most)) if *last + 1 == place => {
                    *last = place;
                    most.iter_mut().zip(numbers).for_each(|(most, n)| *most = (*most).max(n));
                }
                _ => claims.extend(run.replace((place, place, numbers)).map(|r| self.claim(r, window, having))),
            }
        }
        claims.extend(run.map(|r| self.claim(r, window, having)));
        (first.saturating_mul(half), claims)
    }

    pub fn glance(&self) -> i64 {
        self.blocks.glance()
    }

    /// The time of the latest block.
    pub fn latest(&self, window: Window) -> Option<i64> {
        Some(self.blocks.last()? * half(window))
    }

    /// Takes out the blocks before a time, or before an earlier one, where no run of windows over the bounds lies across.
    pub fn split(&mut self, window: Window, having: &[Having], before: i64) -> Split<Self> {
        let mut first = before.div_euclid(half(window));
        while self.numbers(first - 1, having).is_some() {
            first -= 1;
        }
        let stood = self.blocks.bytes();
        let blocks = self.blocks.split_before(first);
        let held: usize = blocks.iter().map(|(_, block)| block.bytes()).sum();
        let bytes = held + stood - self.blocks.bytes();
        Split { older: Self { blocks }, until: first * half(window), bytes }
    }

    pub fn join(&mut self, older: Self) {
        self.blocks.join(older.blocks);
    }

    /// The windows from a place on that hold any event, rising.
    fn windows_from(&self, first: i64) -> impl Iterator<Item = i64> {
        let mut next = first;
        self.blocks.since(first).flat_map(move |(block, _)| {
            let from = next.max(block - 1);
            next = block + 1;
            from..next
        })
    }

    /// What a window holds, by bound, if it is over all of them.
    fn numbers(&self, place: i64, having: &[Having]) -> Option<Vec<u64>> {
        let window = self.window(place)?;
        // Mostly it is not, and then nothing is made.
        window.is_over(having).then(|| window.numbers())
    }

    /// What a window holds, if it holds anything.
    fn window(&self, place: i64) -> Option<Held<'_>> {
        let mut blocks = self.blocks.range(place..place + 2).map(|(_, block)| block);
        Some(Held { one: blocks.next()?, other: blocks.next() })
    }

    /// The windows that a time lies in, or all that hold anything, against the bounds.
    pub fn explain(&self, window: Window, having: &[Having], at: Option<i64>) -> Vec<Moment> {
        let half = half(window);
        let places: Vec<i64> = match at {
            Some(time) => vec![time.div_euclid(half) - 1, time.div_euclid(half)],
            None => self.windows_from(i64::MIN + 1).collect(),
        };
        let moment = |place: i64| {
            let counts = self.window(place)?.numbers();
            let checks = having
                .iter()
                .zip(&counts)
                .map(|(h, n)| Check::new(h.measure.to_string(), n, format!(">= {}", h.at_least), *n >= h.at_least));
            let near = having.iter().zip(&counts).map(|(h, n)| *n as f64 / h.at_least as f64).fold(f64::MAX, f64::min);
            let about = format!("the window of {window} from {}", rfc3339(place * half));
            Some(Moment::new(about, place * half, checks.collect()).near(near))
        };
        places.into_iter().filter_map(moment).collect()
    }

    fn claim(&self, (first, last, most): (i64, i64, Vec<u64>), window: Window, having: &[Having]) -> Claim {
        let half = half(window);
        let told: Vec<String> = having
            .iter()
            .zip(most)
            .map(|(h, n)| format!("{} (the bound is {})", h.measure.told(n), h.at_least))
            .collect();
        Claim {
            what: Value::from(first * half),
            times: (first * half, (last + 2) * half),
            which: Which::All,
            count: self.blocks.range(first..last + 2).map(|(_, b)| b.events).sum(),
            note: format!("Within {window} there were {}", told.join(" and ")),
        }
    }
}

pub(super) fn half(window: Window) -> i64 {
    window.micros() / 2
}
