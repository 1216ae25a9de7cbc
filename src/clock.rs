//! The wall clock, in one place: provenance, lags and when people are told may look at it; findings may not.

/// Microseconds since the epoch.
pub fn now_micros() -> i64 {
    now().as_microsecond()
}

pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
