//! Aligned windows of event time.

use std::fmt;

/// A window's length. Windows are aligned to the epoch and named by their start, so that the same events fall into the
/// same windows in whatever order they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    micros: i64,
}

const SECOND: i64 = 1_000_000;
/// Longer windows say nothing about an event any more, and would never be told in time.
const LONGEST_DAYS: i64 = 31;
/// What is usual is learnt from a year and a month at most.
pub(crate) const LONGEST_HISTORY_DAYS: i64 = 400;

impl Window {
    /// Reads `90s`, `15m`, `1h` or `1d`, at most 31 days; the error is a phrase that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_up_to(text, LONGEST_DAYS)
    }

    /// Reads how long something is learnt or remembered: at most 400 days.
    pub fn parse_history(text: &str) -> Result<Self, String> {
        Self::parse_up_to(text, LONGEST_HISTORY_DAYS)
    }

    fn parse_up_to(text: &str, days_max: i64) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a length of time; write it like \"15m\", \"1h\" or \"1d\"");
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
        let seconds: i64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(wrong()),
        };
        let number: u32 = number.parse().map_err(|_| wrong())?;
        let micros = i64::from(number) * seconds * SECOND;
        if micros == 0 || micros > days_max * 86_400 * SECOND {
            return Err(format!("`{text}` must be longer than nothing and at most {days_max} days"));
        }
        Ok(Window { micros })
    }

    /// Its length in µs.
    pub fn micros(self) -> i64 {
        self.micros
    }

    /// Its length in whole days, rounded up.
    pub fn days(self) -> i64 {
        (self.micros + 86_400 * SECOND - 1) / (86_400 * SECOND)
    }

    /// The start of the window that a time (µs since the epoch) falls into.
    pub fn start(self, time: i64) -> i64 {
        time.div_euclid(self.micros).saturating_mul(self.micros)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.micros / SECOND;
        match [(86_400, "d"), (3_600, "h"), (60, "m")].iter().find(|(unit, _)| seconds % unit == 0) {
            Some((unit, name)) => write!(f, "{}{name}", seconds / unit),
            None => write!(f, "{seconds}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aligned_to_the_epoch() {
        let hour = Window::parse("1h").unwrap();
        assert_eq!(hour.start(3_600_000_000), 3_600_000_000);
        assert_eq!(hour.start(7_199_999_999), 3_600_000_000);
        assert_eq!(hour.start(-1), -3_600_000_000);
        assert_eq!((hour.to_string(), Window::parse("90s").unwrap().to_string()), ("1h".into(), "90s".into()));
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in ["", "h", "1", "0h", "-1h", "1w", "32d", "1 h", "é"] {
            assert!(Window::parse(text).is_err(), "{text}");
        }
    }
}
