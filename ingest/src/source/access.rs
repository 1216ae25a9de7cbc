//! Whether an object that may not be read is one bad object or a wrong configuration.
//!
//! The same answer, access denied, has two causes with opposite remedies. A missing permission denies every object:
//! then intake has to stop with one line, or the whole backlog would be parked. A single object may be denied too (an
//! owner's ACL, a key of its own, a deleted object where `s3:ListBucket` is not granted), and anybody who can put a
//! message on the queue can name a bucket of somebody else: then the others must go on. What tells them apart is what
//! else could be read, in this process' life:
//!
//! | from this bucket | the denial is | outcome |
//! |---|---|---|
//! | something was read | of this object | park; after [`AFTER_READS_MAX`] different keys in a row, stop |
//! | nothing was read, it is in no `[[bucket]]`, others were read | a stranger's bucket | park |
//! | nothing was read, else | not known yet | retry; after [`BEFORE_READS_MAX`] different keys, stop |
//!
//! So the first object that can be read settles what was waiting, and a lone bad message on a quiet queue waits for it
//! instead of stopping everything.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use super::FetchOutcome;

/// Different objects of a bucket denied in a row, where others had been read before: the permission is gone.
pub(super) const AFTER_READS_MAX: usize = 20;
/// Different objects of a bucket denied, of which none was ever read.
pub(super) const BEFORE_READS_MAX: usize = 5;
/// Buckets that are remembered. Messages can name any; those of which nothing was read are forgotten first.
const BUCKETS_MAX: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Access {
    buckets: Mutex<HashMap<String, Met>>,
}

/// What was met in a bucket.
#[derive(Debug, Default)]
struct Met {
    read: bool,
    /// Keys denied since something was read, at most as many as decide.
    denied: HashSet<String>,
}

impl Access {
    /// An object was read.
    pub fn read(&self, bucket: &str) {
        let mut buckets = self.buckets.lock().expect("no holder panics");
        let met = entry(&mut buckets, bucket);
        met.read = true;
        if !met.denied.is_empty() {
            met.denied = HashSet::new();
        }
    }

    /// An object was denied: what becomes of it. `named` tells whether the configuration knows the bucket.
    pub fn denied(&self, bucket: &str, key: &str, named: bool) -> FetchOutcome {
        let mut buckets = self.buckets.lock().expect("no holder panics");
        let others = buckets.values().any(|met| met.read);
        let met = entry(&mut buckets, bucket);
        if met.denied.len() < AFTER_READS_MAX {
            met.denied.insert(key.to_string());
        }
        match (met.read, met.denied.len()) {
            (true, AFTER_READS_MAX..) => FetchOutcome::Stop,
            (true, _) => FetchOutcome::Park,
            (false, _) if !named && others => FetchOutcome::Park,
            (false, BEFORE_READS_MAX..) => FetchOutcome::Stop,
            (false, _) => FetchOutcome::Retry,
        }
    }
}

fn entry<'a>(buckets: &'a mut HashMap<String, Met>, bucket: &str) -> &'a mut Met {
    if !buckets.contains_key(bucket) {
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|_, met| met.read);
        }
        if buckets.len() >= BUCKETS_MAX {
            buckets.clear();
        }
        buckets.insert(bucket.to_string(), Met::default());
    }
    buckets.get_mut(bucket).expect("inserted above")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_readable_stops_after_a_few() {
        let access = Access::default();
        for n in 1..BEFORE_READS_MAX {
            assert_eq!(access.denied("logs", &format!("k{n}"), false), FetchOutcome::Retry);
        }
        assert_eq!(access.denied("logs", "k1", false), FetchOutcome::Retry, "the same key again proves nothing");
        assert_eq!(access.denied("logs", "another", false), FetchOutcome::Stop);
        access.read("logs");
        assert_eq!(access.denied("logs", "k1", false), FetchOutcome::Park, "mended");
    }

    #[test]
    fn one_bad_object_costs_the_others_nothing() {
        let access = Access::default();
        access.read("logs");
        for n in 0..100 {
            assert_eq!(access.denied("a-stranger", &format!("k{n}"), false), FetchOutcome::Park);
        }
        for n in 1..AFTER_READS_MAX {
            assert_eq!(access.denied("logs", &format!("k{n}"), true), FetchOutcome::Park);
        }
        access.read("logs");
        for n in 1..AFTER_READS_MAX {
            assert_eq!(access.denied("logs", &format!("k{n}"), true), FetchOutcome::Park);
        }
        assert_eq!(access.denied("logs", "one more", true), FetchOutcome::Stop);
    }

    #[test]
    fn a_bucket_of_the_configuration_is_no_stranger() {
        let access = Access::default();
        access.read("logs");
        for n in 1..BEFORE_READS_MAX {
            assert_eq!(access.denied("named", &format!("k{n}"), true), FetchOutcome::Retry);
        }
        assert_eq!(access.denied("named", "k", true), FetchOutcome::Stop);
    }
}
