//! How far what an account did has come.

use std::fmt::Debug;

/// Knows how far the sources of logs are complete. Findings that later events may undo are told by what it says.
pub trait Completeness: Send + Sync + Debug {
    /// The event time, in µs, up to which what this account did (`None`: any account) has come and was judged by the
    /// rules, as far as anybody can tell at `now`. A source that sent nothing new for `silent_after` µs counts as complete up to
    /// that long ago. `i64::MIN` where nothing can be said.
    fn complete_to(&self, account_id: Option<&str>, now: i64, silent_after: i64) -> i64;
}

/// Knows nothing: for who changes incidents without following the sources. What may be undone waits for a service.
#[derive(Debug, Clone, Copy)]
pub struct Unheard;

impl Completeness for Unheard {
    fn complete_to(&self, _: Option<&str>, _: i64, _: i64) -> i64 {
        i64::MIN
    }
}
