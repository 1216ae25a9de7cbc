//! A bucket improbable against the entity's own seasonal history.
//!
//! What is expected is the mean of the same hour of the week, drawn towards the mean of all buckets as long as few weeks
//! are known (three weeks' worth of the latter); before four weeks, the same hour of working days or weekends. The
//! spread is the history's own. All sums are of whole numbers, so that they are the same in every order. Buckets that an
//! attack on the entity touches are judged, but are no history.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::attacks::{Span, Units};
use super::line::Line;
use super::{Added, Check, Claim, DAY, Event, Measured, Moment, Split, Tally, Which, days_told};
use crate::finding::time as rfc3339;
use crate::judgement;
use crate::statistics::ln_tail;

/// How many weeks' worth of the mean of all buckets goes into the mean of an hour.
const SHRINKAGE_WEEKS: f64 = 3.0;
/// Nothing is unusual before so much history.
pub(crate) const HISTORY_DAYS_MIN: i64 = 7;
/// From so many days on, the hours of the week are told apart; before, working days and weekends.
const WEEKLY_DAYS_MIN: i64 = 28;
/// The least that is expected in a bucket.
const EXPECTED_MIN: f64 = 0.1;
const HOUR: i64 = DAY / 24;

/// An entity's buckets by their place on the time line.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Spike {
    /// How much was in the buckets that were [taken out](Spike::split), which few have.
    past: Option<Box<Line<u64>>>,
    buckets: Line<Bucket>,
    withheld: Units,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Bucket {
    events: u64,
    tally: Tally,
}

/// Buckets of an entity that are looked at to explain it: those with the most in them.
const EXPLAINED_MAX: usize = 50;

/// What is usual for a bucket.
struct Usual {
    expected: f64,
    variance: f64,
    days: i64,
}

impl Spike {
    /// What is in a bucket only grows, and tells of that bucket and the later ones: under the bound in the last one, it tells
    /// nothing yet.
    pub fn add(&mut self, keys: &judgement::Spike, event: &Event<'_>, part: Measured) -> Added {
        let stood = self.buckets.bytes();
        let place = event.time.div_euclid(keys.bucket.micros());
        let bucket = self.buckets.entry(place, Bucket::default);
        bucket.events += u64::from(event.count);
        let grown = bucket.tally.add(part, event.count);
        let over = bucket.tally.number() >= keys.at_least;
        let bytes = grown + self.buckets.bytes() - stood;
        let changes = over || self.buckets.last() != Some(place);
        Added { bytes, from: changes.then_some(event.time), shifts: Vec::new() }
    }

    pub fn glance(&self) -> i64 {
        self.buckets.glance()
    }

    /// The time of the latest bucket.
    pub fn latest(&self, keys: &judgement::Spike) -> Option<i64> {
        Some(self.buckets.last()? * keys.bucket.micros())
    }

    /// Takes out the buckets before a time. What a later one asks of them stays: how much was in each, as long as that is
    /// history, and in the last one before that, which says that there is history as far back.
    pub fn split(&mut self, keys: &judgement::Spike, before: i64) -> Split<Self> {
        let width = keys.bucket.micros();
        let until = before.div_euclid(width);
        let filled = self.buckets.bytes();
        let buckets = self.buckets.split_before(until);
        let mut past = self.past.take().map_or_else(Line::default, |past| *past);
        let stood = past.bytes();
        for (place, bucket) in buckets.iter() {
            past.entry(place, || bucket.tally.number());
        }
        let begin = until.saturating_sub(keys.history.micros().div_euclid(width));
        let first = past.range(i64::MIN..begin).next_back().map(|(place, _)| place);
        if let Some(first) = first {
            past.split_before(first);
        }
        let held: usize = buckets.iter().map(|(_, bucket)| bucket.tally.bytes()).sum();
        let bytes = (held + filled - self.buckets.bytes() + stood).saturating_sub(past.bytes());
        self.past = (!past.is_empty()).then(|| Box::new(past));
        Split { older: Self { buckets, ..Self::default() }, until: until * width, bytes }
    }

    /// All parts come back together. When it was under attack, the newer one knows.
    pub fn join(&mut self, older: Self) {
        self.past = None;
        self.buckets.join(older.buckets);
    }

    /// Sets when the entity was under attack.
    pub fn withhold(&mut self, keys: &judgement::Spike, spans: &[Span]) {
        self.withheld = Units::touched(spans, keys.bucket.micros());
    }

    pub fn judge(&self, keys: &judgement::Spike, from: i64) -> (i64, Vec<Claim>) {
        let width = keys.bucket.micros();
        let first = from.div_euclid(width);
        let claims = self.buckets.since(first).filter_map(|(place, bucket)| self.claim(keys, place, bucket)).collect();
        (first.saturating_mul(width), claims)
    }

    fn claim(&self, keys: &judgement::Spike, place: i64, bucket: &Bucket) -> Option<Claim> {
        let seen = bucket.tally.number();
        if seen < keys.at_least {
            return None;
        }
        let usual = self.usual(keys, place)?;
        let ln_p = ln_tail(seen, usual.expected, usual.variance);
        if (seen as f64) < keys.ratio * usual.expected || ln_p >= libm::log(keys.p_below) {
            return None;
        }
        let width = keys.bucket.micros();
        Some(Claim {
            what: Value::from(place * width),
            times: (place * width, (place + 1) * width),
            which: Which::All,
            count: bucket.events,
            note: format!(
                "{} in the {} from {}, where {:.1} were expected from {} of history (probability 1e{:.0})",
                keys.measure.told(seen),
                keys.bucket,
                rfc3339(place * width),
                usual.expected,
                days_told(usual.days),
                ln_p / std::f64::consts::LN_10,
            ),
        })
    }

    /// What the buckets before this one let expect; none as long as they are too few.
    fn usual(&self, keys: &judgement::Spike, place: i64) -> Option<Usual> {
        let width = keys.bucket.micros();
        let (begin, all, days) = self.history(keys, place)?;
        if days < HISTORY_DAYS_MIN {
            return None;
        }
        let season = |place: i64| season_of(place * width, days >= WEEKLY_DAYS_MIN);
        let (mut sum, mut squares, mut like_sum) = (0_u128, 0_u128, 0_u128);
        let learnt = |place: i64| !self.withheld.contains(place);
        let numbers = self.buckets.range(begin..place).map(|(at, bucket)| (at, bucket.tally.number()));
        let past = self.past.iter().flat_map(|past| past.range(begin..place)).map(|(at, number)| (at, *number));
        for (at, number) in past.chain(numbers).filter(|(at, _)| learnt(*at)) {
            let n = u128::from(number);
            sum += n;
            squares += n * n;
            if season(at) == season(place) {
                like_sum += n;
            }
        }
        let mean = sum as f64 / all as f64;
        let variance = (squares as f64 - sum as f64 * mean).max(0.0) / (all - 1).max(1) as f64;
        let mut expected = mean;
        if keys.seasonal {
            // Buckets without events count, too, and are not in the map.
            let like = (begin..place).filter(|at| season(*at) == season(place) && learnt(*at)).count() as f64;
            let weight = SHRINKAGE_WEEKS * (HOUR as f64 / width as f64).max(1.0);
            expected = (like_sum as f64 + weight * mean) / (like + weight);
        }
        let expected = expected.max(EXPECTED_MIN);
        let dispersion = if mean > 0.0 { (variance / mean).max(1.0) } else { 1.0 };
        Some(Usual { expected, variance: expected * dispersion, days })
    }
}

impl Spike {
    /// Where the history of a bucket begins, how many buckets count, and their days.
    fn history(&self, keys: &judgement::Spike, place: i64) -> Option<(i64, i64, i64)> {
        let width = keys.bucket.micros();
        let first = self.past.as_ref().and_then(|past| past.first()).or(self.buckets.first())?;
        let begin = (place - keys.history.micros().div_euclid(width)).max(first);
        let all = place - begin - self.withheld.number(begin, place);
        Some((begin, all, (all * width).div_euclid(DAY)))
    }

    /// The bucket of a time, or those with the most in them, against the keys.
    pub fn explain(&self, keys: &judgement::Spike, at: Option<i64>) -> Vec<Moment> {
        let width = keys.bucket.micros();
        let places: Vec<i64> = match at {
            Some(time) => vec![time.div_euclid(width)],
            None => {
                let mut places: Vec<(u64, i64)> = self.buckets.iter().map(|(p, b)| (b.tally.number(), p)).collect();
                places.sort_unstable_by(|a, b| b.cmp(a));
                places.into_iter().take(EXPLAINED_MAX).map(|(_, place)| place).collect()
            }
        };
        let moment = |place: i64| {
            let seen = self.buckets.get(place)?.tally.number();
            let (.., days) = self.history(keys, place)?;
            let mut checks = vec![
                Check::new(
                    keys.measure.to_string(),
                    seen,
                    format!(">= {}, `at_least`", keys.at_least),
                    seen >= keys.at_least,
                ),
                Check::new(
                    "history",
                    days_told(days),
                    format!(">= {}", days_told(HISTORY_DAYS_MIN)),
                    days >= HISTORY_DAYS_MIN,
                ),
            ];
            if let Some(usual) = self.usual(keys, place) {
                let (least, ln_p) = (keys.ratio * usual.expected, ln_tail(seen, usual.expected, usual.variance));
                checks.push(Check::new(
                    "against what was expected",
                    format!("{seen} where {:.2} were expected (variance {:.2})", usual.expected, usual.variance),
                    format!(">= {} times, `ratio`", keys.ratio),
                    seen as f64 >= least,
                ));
                checks.push(Check::new(
                    "probability",
                    format!("1e{:.1}", ln_p / std::f64::consts::LN_10),
                    format!("< {:e}, `p_below`", keys.p_below),
                    ln_p < libm::log(keys.p_below),
                ));
            }
            let about = format!("the {} from {}", keys.bucket, rfc3339(place * width));
            Some(Moment::new(about, place * width, checks))
        };
        places.into_iter().filter_map(moment).collect()
    }
}

/// The hour of the week of a time, or of the working day or the weekend.
fn season_of(time: i64, weekly: bool) -> i64 {
    let hours = time.div_euclid(HOUR);
    // The epoch was a Thursday.
    let weekday = (hours.div_euclid(24) + 3).rem_euclid(7);
    let kind = if weekly { weekday } else { i64::from(weekday >= 5) };
    kind * 24 + hours.rem_euclid(24)
}
