//! The one place of this crate that looks at the clock.

/// Microseconds since the epoch.
pub(crate) fn now_micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
