//! How often an organisation changes, and when this one does. In: options; out: days. Each change has its own yearly rate, so a simulation
//! of thirty days has a twelfth of a year's changes.
//!
//! The rates are ordinary, and rounded: a quarter of a staff comes and goes within a year (about what employers' surveys report for offices),
//! a laptop lasts three years, three people in five use a key that is older than a year (Datadog, State of Cloud Security 2024), a service
//! gets a new dependency once a year. Where nothing is published, the rate is a guess on the frequent side.

use crate::{
    atlas::HOME_CITIES,
    options::Options,
    rng::{Rng, mix},
};

pub const DAY: i64 = 86_400;

/// How often a year something happens to a person, a workload, a key.
pub mod yearly {
    pub const PERSON_JOINS: f64 = 0.25;
    pub const PERSON_LEAVES: f64 = 0.25;
    /// Back after months: a parent, somebody who was ill.
    pub const PERSON_RETURNS: f64 = 0.04;
    pub const TEAM_CHANGES: f64 = 0.1;
    pub const LAPTOP_REPLACED: f64 = 0.33;
    pub const WORKLOAD_NEW: f64 = 0.6;
    /// A program begins to call an API that it did not call before.
    pub const API_ADDED: f64 = 4.0;
    /// … of a service that it did not use before.
    pub const SERVICE_ADDED: f64 = 1.0;
    pub const REGION_ADDED: f64 = 0.15;
    /// A deployment that shares a key gets another host.
    pub const HOST_ADDED: f64 = 0.5;
    /// A machine with a long-term key gets another way to the internet.
    pub const NETWORK_CHANGES: f64 = 0.4;
}

/// From how many days on one of the offices moves. That is more often than offices do: what it does to a detector is to be seen.
const OFFICE_MOVES_FROM_DAYS: u32 = 20;

/// The time that is simulated, and what happens to everybody in it.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    /// First second.
    pub start: i64,
    /// The second after the last one.
    pub end: i64,
    office: Option<(usize, i64)>,
}

impl Calendar {
    pub fn new(options: &Options) -> Calendar {
        let length = i64::from(options.days) * DAY;
        let mut rng = Rng::derive(options.seed, &[50]);
        let city = *rng.pick(&offices(options.seed));
        let moves = options.start + length * 2 / 5 + rng.range(0, length / 5) / DAY * DAY;
        Calendar {
            start: options.start,
            end: options.start + length,
            office: (options.days >= OFFICE_MOVES_FROM_DAYS).then_some((city, moves)),
        }
    }

    /// A moment at which something happens that happens so often a year; none if it does not happen in this time.
    pub fn moment(&self, yearly: f64, rng: &mut Rng) -> Option<i64> {
        let years = (self.end - self.start) as f64 / (365.0 * DAY as f64);
        let at = rng.range(self.start, self.end);
        rng.chance((yearly * years).min(0.9)).then_some(at)
    }

    /// When the office of a city moves; none if it does not.
    pub fn office_moves(&self, city: usize) -> Option<i64> {
        self.office.filter(|(moving, _)| *moving == city).map(|(_, at)| at)
    }

    /// Which of the office's networks is in use in a city: the second one, once the office has moved.
    pub fn office(&self, city: usize, time: i64) -> usize {
        usize::from(self.office_moves(city).is_some_and(|at| time >= at))
    }
}

/// The cities with an office.
pub fn offices(seed: u64) -> [usize; 3] {
    [
        mix(seed, &[51]) as usize % 2,
        2 + mix(seed, &[52]) as usize % 5,
        7 + mix(seed, &[53]) as usize % (HOME_CITIES - 7),
    ]
}

/// Whether a time lies on a Saturday or Sunday (UTC).
pub fn weekend(time: i64) -> bool {
    // 1970-01-01 was a Thursday.
    matches!((time.div_euclid(DAY) + 4).rem_euclid(7), 0 | 6)
}
