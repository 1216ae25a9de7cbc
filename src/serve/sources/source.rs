//! One source, an account's region, as its deliveries show it: when it is missed, and how far it is complete.
//!
//! How far is read off the stamps in the objects' names, which only CloudTrail writes; what the records in them say of
//! their times moves nothing. Objects of one stamp come in several pieces, and up to twenty minutes after it, so that what
//! is stamped T says that the events until T less that time are there.

/// A minute in µs.
pub const MINUTE: i64 = 60_000_000;
/// How long after an object's stamp others of that stamp and of earlier ones come: 18 minutes and a half at most among
/// 3,872 objects of a real trail.
pub const LATE: i64 = 20 * MINUTE;
/// Stamps are rounded up to five minutes. What lies farther ahead of our clock is no stamp of CloudTrail's.
const AHEAD_MAX: i64 = 15 * MINUTE;
/// A source of which nothing younger than this ever came is history that is read in, and nobody waits for more of it.
const LIVE_AGE_MAX: i64 = 24 * 60 * MINUTE;
/// Silence shorter than this says nothing: CloudTrail itself takes up to a quarter of an hour.
const SILENCE_MIN: i64 = 60 * MINUTE;
/// A source is missed when it is silent for so many of its usual gaps, and for so much longer than its longest one.
const SILENT_GAPS: i64 = 12;
const SILENT_LONGEST_PERCENT: i64 = 150;
/// Before so many deliveries nothing is usual.
const DELIVERIES_MIN: i64 = 20;
/// Weight of the newest gap in the mean, as one of so many.
const GAP_WEIGHT: i64 = 16;
/// Deliveries nearer than this are one: CloudTrail splits what does not fit into one object.
const SAME_DELIVERY: i64 = MINUTE;

/// What is known of a source. Times in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub first_time: i64,
    pub last_time: i64,
    pub deliveries: i64,
    pub gap_mean: i64,
    pub gap_longest: i64,
    /// The newest stamp of its objects, 0 without any.
    pub newest_stamp: i64,
    /// When the newest stamp came; 0 while the source is not live.
    pub advanced_time: i64,
}

impl Source {
    /// A source that is met for the first time. The delivery itself is noted by [`Source::stamped`].
    pub fn new(now: i64) -> Self {
        Self {
            first_time: now,
            last_time: now,
            deliveries: 1,
            gap_mean: 0,
            gap_longest: 0,
            newest_stamp: 0,
            advanced_time: 0,
        }
    }

    /// Something of it came.
    pub fn delivered(&mut self, now: i64) {
        let gap = now - self.last_time;
        if gap < SAME_DELIVERY {
            return;
        }
        self.gap_mean = match self.deliveries {
            1 => gap,
            _ => self.gap_mean + (gap - self.gap_mean) / GAP_WEIGHT,
        };
        // The longest gap is forgotten slowly: a holiday a year ago is not what is usual.
        self.gap_longest = gap.max(self.gap_longest - self.gap_longest / 256);
        self.deliveries += 1;
        self.last_time = now;
    }

    /// An object with this stamp came. Old ones change nothing, whoever reads them in; those of the future neither.
    pub fn stamped(&mut self, stamp: i64, now: i64) {
        if stamp <= self.newest_stamp || stamp > now.saturating_add(AHEAD_MAX) {
            return;
        }
        self.newest_stamp = stamp;
        // After an outage a live source goes on with old stamps.
        if self.advanced_time > 0 || stamp > now.saturating_sub(LIVE_AGE_MAX) {
            self.advanced_time = now;
        }
    }

    /// Since when it is silent, if that is not usual for it.
    pub fn silent_since(&self, now: i64) -> Option<i64> {
        let usual = (self.gap_mean * SILENT_GAPS).max(self.gap_longest * SILENT_LONGEST_PERCENT / 100).max(SILENCE_MIN);
        (self.deliveries >= DELIVERIES_MIN && now - self.last_time > usual).then_some(self.last_time)
    }

    /// The event time up to which it is complete, by its stamps alone; `None` while it is not live.
    pub fn complete_by_stamps(&self) -> Option<i64> {
        (self.advanced_time > 0).then(|| self.newest_stamp.saturating_sub(LATE))
    }

    /// The event time up to which it is complete, as far as anybody can tell: one that sent nothing new for `silent_after`,
    /// while somebody listened (since `heard_since`), most likely has nothing to send. `None` while it is not live.
    pub fn complete_to(&self, now: i64, silent_after: i64, heard_since: i64) -> Option<i64> {
        let by_stamps = self.complete_by_stamps()?;
        let quiet_since = self.advanced_time.max(heard_since);
        let silent = now.saturating_sub(quiet_since) >= silent_after;
        Some(if silent { by_stamps.max(now.saturating_sub(silent_after)) } else { by_stamps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that delivered every `every` minutes, a hundred times, and is asked `after` minutes later.
    fn silent(every: i64, after: i64) -> bool {
        let mut source = Source::new(0);
        for delivery in 1..100 {
            source.delivered(delivery * every * MINUTE);
        }
        source.silent_since((99 * every + after) * MINUTE).is_some()
    }

    #[test]
    fn silence_is_what_is_not_usual() {
        assert!(!silent(5, 59));
        assert!(silent(5, 61));
        assert!(!silent(60, 700));
        assert!(silent(60, 721));
    }

    #[test]
    fn a_nightly_pause_is_usual() {
        let (mut source, mut now) = (Source::new(0), 0);
        for _day in 0..5 {
            for _ in 0..100 {
                now += 5 * MINUTE;
                source.delivered(now);
            }
            now += 900 * MINUTE;
            source.delivered(now);
        }
        assert!(source.silent_since(now + 900 * MINUTE).is_none());
        assert!(source.silent_since(now + 1_400 * MINUTE).is_some());
    }

    #[test]
    fn a_few_deliveries_are_no_habit() {
        let mut source = Source::new(0);
        source.delivered(5 * MINUTE);
        assert!(source.silent_since(10_000 * MINUTE).is_none());
    }

    const NOW: i64 = 20_000 * 24 * 60 * MINUTE;
    const BOUND: i64 = 30 * MINUTE;

    fn live(stamp: i64, now: i64) -> Source {
        let mut source = Source::new(now);
        source.stamped(stamp, now);
        source
    }

    #[test]
    fn stamps_say_how_far_a_source_is_complete() {
        let mut source = live(NOW, NOW);
        assert_eq!(source.complete_to(NOW, BOUND, 0), Some(NOW - LATE));
        source.stamped(NOW + 5 * MINUTE, NOW + 3 * MINUTE);
        let complete = source.complete_to(NOW + 3 * MINUTE, BOUND, 0);
        assert_eq!(complete, Some(NOW + 5 * MINUTE - LATE));
        // A backfill, and an object that claims to be of next year.
        source.stamped(NOW - 900 * 24 * 60 * MINUTE, NOW + 4 * MINUTE);
        source.stamped(NOW + 365 * 24 * 60 * MINUTE, NOW + 4 * MINUTE);
        assert_eq!(source.complete_to(NOW + 4 * MINUTE, BOUND, 0), complete);
    }

    #[test]
    fn a_silent_source_is_complete_up_to_the_bound() {
        let source = live(NOW, NOW);
        assert_eq!(source.complete_to(NOW + BOUND - 1, BOUND, 0), Some(NOW - LATE));
        assert_eq!(source.complete_to(NOW + BOUND, BOUND, 0), Some(NOW));
        assert_eq!(source.complete_to(NOW + 10 * BOUND, BOUND, 0), Some(NOW + 9 * BOUND));
        // Whoever did not listen cannot say who was silent.
        let started = NOW + 10 * BOUND;
        assert_eq!(source.complete_to(started, BOUND, started), Some(NOW - LATE));
        assert_eq!(source.complete_to(started + BOUND, BOUND, started), Some(started));
    }

    #[test]
    fn after_an_outage_a_source_is_as_far_as_it_has_come() {
        let mut source = live(NOW, NOW);
        let back = NOW + 2 * 24 * 60 * MINUTE;
        source.stamped(NOW + 5 * MINUTE, back);
        assert_eq!(source.complete_to(back, BOUND, 0), Some(NOW + 5 * MINUTE - LATE));
    }

    #[test]
    fn history_is_not_waited_for() {
        let mut source = Source::new(NOW);
        source.stamped(NOW - 90 * 24 * 60 * MINUTE, NOW);
        assert_eq!(source.complete_to(NOW, BOUND, 0), None);
        source.stamped(NOW, NOW);
        assert_eq!(source.complete_to(NOW, BOUND, 0), Some(NOW - LATE));
    }
}
