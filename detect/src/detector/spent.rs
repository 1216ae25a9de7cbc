//! What time went into, so that who measures (or reads the log at `debug`) sees which step it was.

use std::fmt;
use std::ops::{AddAssign, Sub};
use std::time::Duration;

/// Time by step. Evaluating is counted for commits that are handed over, not for what is read in catching up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Asking rules of rows, and remembering what they chose.
    pub evaluate: Duration,
    /// Judging what is remembered, and comparing it with the findings that are there.
    pub judge: Duration,
    /// Reading the events of findings again.
    pub read_back: Duration,
    /// Looking for who gave out the keys in findings that are written, and for findings that lead over keys given out.
    pub lineage: Duration,
    /// Writing findings and cursors.
    pub write: Duration,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Spent) {
        self.evaluate += more.evaluate;
        self.judge += more.judge;
        self.read_back += more.read_back;
        self.lineage += more.lineage;
        self.write += more.write;
    }
}

impl Sub for Spent {
    type Output = Spent;

    fn sub(self, less: Spent) -> Spent {
        Spent {
            evaluate: self.evaluate - less.evaluate,
            judge: self.judge - less.judge,
            read_back: self.read_back - less.read_back,
            lineage: self.lineage - less.lineage,
            write: self.write - less.write,
        }
    }
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = [
            ("evaluate", self.evaluate),
            ("judge", self.judge),
            ("read back", self.read_back),
            ("lineage", self.lineage),
            ("write", self.write),
        ];
        for (place, (name, time)) in steps.into_iter().enumerate() {
            let between = if place == 0 { "" } else { ", " };
            write!(f, "{between}{name} {:.0} ms", time.as_secs_f64() * 1e3)?;
        }
        Ok(())
    }
}
