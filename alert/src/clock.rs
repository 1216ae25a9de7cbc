//! The one place of this crate that looks at the clock. When people are told may depend on it, what is true may not.

use std::fmt;
use std::sync::Arc;

/// Microseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// Tells the time in µs since the epoch; tests bring their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Clock(Arc::new(|| jiff::Timestamp::now().as_microsecond()))
    }

    /// A clock that asks somebody else.
    pub fn asking(tell: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Clock(Arc::new(tell))
    }

    pub(crate) fn now(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
