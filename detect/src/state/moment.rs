//! What a state says of one moment: every condition that the kind asks, with what there was and what is wanted.

use serde::Serialize;

/// One condition of a kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    pub what: String,
    /// What there was.
    pub seen: String,
    /// What the rule wants.
    pub wanted: String,
    pub met: bool,
}

impl Check {
    pub(crate) fn new(what: impl Into<String>, seen: impl ToString, wanted: impl Into<String>, met: bool) -> Self {
        Check { what: what.into(), seen: seen.to_string(), wanted: wanted.into(), met }
    }
}

/// A window, a bucket, a day or a row of steps, with every condition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    pub about: String,
    pub checks: Vec<Check>,
    /// Whether all conditions are met.
    pub met: bool,
    /// µs since the epoch.
    #[serde(skip)]
    time: i64,
    /// How near it is to a finding; 1 and more is one.
    #[serde(skip)]
    near: f64,
}

impl Moment {
    pub(crate) fn new(about: String, time: i64, checks: Vec<Check>) -> Self {
        let met = checks.iter().filter(|check| check.met).count();
        Moment { about, time, near: met as f64 / checks.len().max(1) as f64, met: met == checks.len(), checks }
    }

    /// The same where it is known better how near it is.
    pub(crate) fn near(self, near: f64) -> Self {
        Moment { near, ..self }
    }

    /// The moments that are nearest to a finding, the nearest first; among equals the latest.
    pub(crate) fn nearest(mut moments: Vec<Moment>, most: usize) -> Vec<Moment> {
        moments.sort_by(|a, b| b.near.total_cmp(&a.near).then(b.time.cmp(&a.time)));
        moments.truncate(most);
        moments
    }
}
