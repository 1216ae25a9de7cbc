//! A span of time, and its days and hours.

/// In µs.
pub const HOUR: i64 = 3_600_000_000;
pub const DAY: i64 = 24 * HOUR;

/// From a moment up to, not including, another; µs since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: i64,
    pub to: i64,
}

impl Window {
    /// The days before a moment.
    pub fn before(to: i64, days: u32) -> Window {
        Window { from: to - i64::from(days) * DAY, to }
    }

    pub fn holds(&self, at: i64) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// How many hours have a part in it.
    pub fn hours(&self) -> u32 {
        slot(self.from, self.to - 1, HOUR) + u32::from(self.from < self.to)
    }

    /// The day (UTC) of a moment within, counted from that of the beginning.
    pub fn day_of(&self, at: i64) -> u32 {
        slot(self.from, at, DAY)
    }

    /// As [`Window::day_of`], hours.
    pub fn hour_of(&self, at: i64) -> u32 {
        slot(self.from, at, HOUR)
    }
}

fn slot(from: i64, at: i64, length: i64) -> u32 {
    u32::try_from(at.div_euclid(length) - from.div_euclid(length)).unwrap_or_default()
}
