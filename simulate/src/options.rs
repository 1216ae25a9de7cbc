//! What to simulate. `Options::new` has sensible values for all of it; `Options::demo` is the small organisation that a demonstration shows.

use std::path::PathBuf;

use crate::attack::{AttackKind, Strength};

/// What to simulate. The same options and seed make the same bytes, on any machine and with any number of threads.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder to write to; it must be absent or empty.
    pub out: PathBuf,
    pub seed: u64,
    /// Accounts in the organisation, at least one. The first is the management account.
    pub accounts: usize,
    pub days: u32,
    /// First day, at midnight UTC, in seconds since 1970.
    pub start: i64,
    /// Distinct events to aim at, attacks not counted. The outcome differs by a few per cent, because people and machines are random.
    pub events: u64,
    /// Employees. 0 derives their number from `events`.
    pub people: usize,
    /// IAM users who sign in to the console without MFA every few days: a standing weakness, not an attack.
    pub users_without_mfa: usize,
    /// Share of the events that AWS services make by themselves: 0.86 in the small account that was measured.
    pub service_share: f64,
    /// Share of data events (S3 objects and others) in what workloads do.
    pub data_share: f64,
    /// Share of the events that arrive more than ten minutes late, some by days.
    pub late_share: f64,
    /// Share of the streams (an account in a region) of which an old second trail delivers most events a second time.
    pub second_trail_share: f64,
    /// Minutes that one delivery covers: 5 at AWS. Longer ones make fewer and larger objects; it must divide a day.
    pub period_minutes: u32,
    /// Level of compression, 1 (fast) to 12 (small).
    pub compression: i32,
    /// Days at the beginning in which there is no attack; none for half of the time.
    pub quiet_days: Option<u32>,
    /// Attacks to plant, each with its strength.
    pub attacks: Vec<(AttackKind, Strength)>,
    /// How often each kind of benign look-alike is planted.
    pub lookalikes: u32,
    /// Jobs that run once a month, or once in all the days, beside the programs that run all the time.
    pub jobs: bool,
    /// Threads to work with. 0 takes as many as the machine has cores.
    pub threads: usize,
}

/// Monday, 2 March 2026.
const DEFAULT_START: i64 = 1_772_409_600;

impl Options {
    /// A middling organisation of six accounts over two weeks, a million events, every kind of attack once.
    pub fn new(out: impl Into<PathBuf>) -> Options {
        Options {
            out: out.into(),
            seed: 1,
            accounts: 6,
            days: 14,
            start: DEFAULT_START,
            events: 1_000_000,
            people: 0,
            users_without_mfa: 0,
            service_share: 0.86,
            data_share: 0.25,
            late_share: 0.002,
            second_trail_share: 0.3,
            period_minutes: 5,
            compression: 1,
            quiet_days: None,
            attacks: AttackKind::ALL
                .iter()
                .zip(Strength::ALL.iter().cycle())
                .map(|(kind, strength)| (*kind, *strength))
                .collect(),
            lookalikes: 1,
            jobs: false,
            threads: 0,
        }
    }

    /// Four days of three accounts in a few large objects, small enough to ship with a program: incidents of several kinds in ordinary traffic.
    pub fn demo(out: impl Into<PathBuf>) -> Options {
        use AttackKind::{
            ConsoleWithoutMfa, InstanceCredentials, MfaRemoved, RootConsole, SecretsInBulk, SnapshotPublic, StolenKey,
            TrailStopped, TrustOpened,
        };
        Options {
            accounts: 3,
            days: 4,
            events: 13_500,
            people: 9,
            service_share: 0.55,
            period_minutes: 720,
            compression: 12,
            second_trail_share: 0.0,
            attacks: [
                RootConsole,
                ConsoleWithoutMfa,
                StolenKey,
                InstanceCredentials,
                TrailStopped,
                TrustOpened,
                SecretsInBulk,
                SnapshotPublic,
                MfaRemoved,
            ]
            .iter()
            .map(|kind| (*kind, Strength::Moderate))
            .collect(),
            ..Options::new(out)
        }
    }

    pub fn seed(mut self, seed: u64) -> Options {
        self.seed = seed;
        self
    }

    pub fn accounts(mut self, accounts: usize) -> Options {
        self.accounts = accounts;
        self
    }

    pub fn days(mut self, days: u32) -> Options {
        self.days = days;
        self
    }

    pub fn events(mut self, events: u64) -> Options {
        self.events = events;
        self
    }

    pub fn people(mut self, people: usize) -> Options {
        self.people = people;
        self
    }

    pub fn threads(mut self, threads: usize) -> Options {
        self.threads = threads;
        self
    }

    /// Plants these attacks, and no others.
    pub fn attacks(mut self, attacks: Vec<(AttackKind, Strength)>) -> Options {
        self.attacks = attacks;
        self
    }

    /// Plants every kind of attack once in each strength.
    pub fn every_attack(mut self) -> Options {
        self.attacks =
            AttackKind::ALL.iter().flat_map(|kind| Strength::ALL.iter().map(|strength| (*kind, *strength))).collect();
        self
    }

    /// The first day, as `2026-03-02`.
    pub fn start_day(mut self, day: &str) -> Result<Options, SimulateError> {
        let date: jiff::civil::Date =
            day.parse().map_err(|source| SimulateError::StartDay { day: day.to_owned(), source })?;
        self.start = jiff::tz::TimeZone::UTC
            .to_timestamp(date.at(0, 0, 0, 0))
            .map_err(|source| SimulateError::StartDay { day: day.to_owned(), source })?
            .as_second();
        Ok(self)
    }

    /// Refuses what cannot be simulated, before anything is written.
    pub fn check(&self) -> Result<(), SimulateError> {
        let refuse = |what| Err(SimulateError::Option { what });
        let share = |value: f64| (0.0..=1.0).contains(&value);
        if self.accounts == 0 || self.accounts > 2_000 {
            return refuse("accounts must be 1 to 2000");
        }
        if self.days == 0 || self.days > 1_100 {
            return refuse("days must be 1 to 1100");
        }
        if self.start.rem_euclid(86_400) != 0 || self.start < 0 {
            return refuse("start must be a midnight (UTC) after 1970");
        }
        if self.quiet_days.is_some_and(|quiet| quiet >= self.days) {
            return refuse("quiet_days must be fewer than days");
        }
        if self.period_minutes == 0 || !self.period_minutes.is_multiple_of(5) || 1_440 % self.period_minutes != 0 {
            return refuse("period_minutes must be a multiple of 5 that divides a day, such as 5, 60 or 720");
        }
        if ![self.service_share, self.data_share, self.late_share, self.second_trail_share].into_iter().all(share) {
            return refuse("shares must lie between 0 and 1");
        }
        if !(1..=12).contains(&self.compression) {
            return refuse("compression must be 1 to 12");
        }
        Ok(())
    }
}

/// Why a simulation could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error("{what}")]
    Option { what: &'static str },
    #[error("start day {day} is no date such as 2026-03-02")]
    StartDay { day: String, source: jiff::Error },
    #[error("{} is not empty: name a new folder, so that two simulations are not mixed", path.display())]
    NotEmpty { path: PathBuf },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot compress {} at level {level}", path.display())]
    Compress { path: PathBuf, level: i32 },
}
