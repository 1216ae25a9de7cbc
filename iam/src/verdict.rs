//! What of a principal's permissions was used, what was not, and of what that cannot be told.
//!
//! Comes in: an [`Inventory`](crate::Inventory) with its policies compiled, what principals did ([`Usages`]) and how far the logs show
//! it ([`Coverage`]). Goes out, for each principal, a [`Judgement`]: whether it was used at all, counts by service and by
//! statement ([`Summary`]), and action by action a [`Verdict`]. Beside it [`Finding`]s on passwords, keys and root.
//!
//! What is promised: what was used with success is never called unused, nor what could not have been seen, nor anything of a
//! principal that is younger than the time after which things count as unused. What AWS itself knows of use (last accessed
//! services, the credential report, a role's last use) can only speak for use; it counts attempts that were denied.
//! What is not promised: that a grant is needed because it was used; a resource's policy may have allowed the same.
//!
//! A judgement keeps no record for each action: an administrator has twenty thousand. [`Judgement::actions`] works them out
//! again for whoever wants to see them.

use std::fmt;

use crate::coverage::{Blind, Coverage};
use crate::observability::Unlogged;
use crate::usage::{DAY, Usages, Window};

mod credential;
mod judgement;
mod subject;
mod summary;

pub use credential::{CredentialFinding, Finding, KeyName};
pub use judgement::{JudgedAction, Judgement};
pub use subject::{Activity, Standing, Subject};
pub(crate) use summary::identity_allows;
pub use summary::{Breadth, Counts, ServiceSummary, StatementSummary, Summary};

/// From when on what counts as unused. The defaults are those of IAM Access Analyzer and of the CIS AWS Foundations Benchmark.
#[derive(Clone, Debug)]
pub struct Options {
    /// Permissions, roles, users, keys and passwords are unused after so many days. At most the window's.
    pub unused_after_days: u32,
    /// A key that was never used is unused after so many.
    pub never_used_key_days: u32,
    /// A key should be replaced after so many.
    pub key_age_days: u32,
    /// A statement on all actions, or on all of a service, is over-broad if less than this part of them was used. Ours.
    pub broad_used_share: f64,
    /// What came back after a gap is expected back for so many times its length.
    pub gap_factor: f64,
}

/// Judges all principals of one account by the same logs.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    pub usages: &'a Usages,
    pub coverage: &'a Coverage,
    pub options: &'a Options,
}

/// What is known of the use of a granted action. Times are µs since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Used {
        count: u64,
        first: i64,
        last: i64,
    },
    /// Used, not for long, and silent for as long before: a monthly or yearly job.
    Periodic {
        count: u64,
        last: i64,
        gap_days: u32,
    },
    /// Used within the window, and no longer.
    Idle {
        count: u64,
        last: i64,
    },
    /// Not seen; IAM says that it was called then, perhaps without success.
    UsedByIam {
        last: i64,
    },
    /// Observable and not used since then: the window's beginning, or the principal's creation.
    Unused {
        since: i64,
    },
    NotObservable(Why),
}

/// Why it cannot be told whether an action was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    Blind(Blind),
    /// The principal made calls of the service of which it is not known what they need.
    UnmappedCalls,
    /// Its calls failed, for other reasons than permissions.
    OnlyFailed,
    /// Calls may have needed it by what their requests say, which were not read.
    RequestsNotRead,
    /// IAM says that the service was used, and the logs have no call of it.
    ServiceSeenByIam,
    /// The logs do not reach back as far as permissions must be unused for.
    ShortLogs,
    /// The principal is younger than the time after which permissions count as unused.
    Young,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            unused_after_days: 90,
            never_used_key_days: 45,
            key_age_days: 90,
            broad_used_share: 0.1,
            gap_factor: 1.5,
        }
    }
}

impl Options {
    /// The moment before which a last use is long ago.
    fn cutoff(&self, window: Window) -> i64 {
        window.to - i64::from(self.unused_after_days) * DAY
    }
}

impl Judge<'_> {
    /// Whether the logs begin only after what is unused must have been used.
    fn has_short_logs(&self) -> bool {
        let begin = self.options.cutoff(self.coverage.window()).max(self.coverage.window().from) + DAY;
        self.coverage.span().is_none_or(|(first, _)| first > begin)
    }
}

impl Verdict {
    /// Whether there was a call with success.
    pub fn was_used(&self) -> bool {
        matches!(self, Verdict::Used { .. } | Verdict::Periodic { .. } | Verdict::Idle { .. })
    }

    /// The last use.
    pub fn last(&self) -> Option<i64> {
        match self {
            Verdict::Used { last, .. }
            | Verdict::Periodic { last, .. }
            | Verdict::Idle { last, .. }
            | Verdict::UsedByIam { last } => Some(*last),
            Verdict::Unused { .. } | Verdict::NotObservable(_) => None,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Blind(blind) => blind.fmt(f),
            Why::UnmappedCalls => {
                f.write_str("there were calls of its service of which it is not known what they need")
            }
            Why::OnlyFailed => f.write_str("its calls failed, for other reasons than permissions"),
            Why::RequestsNotRead => f.write_str("calls may have needed it, which only their requests tell"),
            Why::ServiceSeenByIam => f.write_str("IAM says that its service was used, and the logs have no call of it"),
            Why::ShortLogs => f.write_str("the logs do not reach back far enough"),
            Why::Young => f.write_str("the principal has not existed for long enough"),
        }
    }
}

impl fmt::Display for Blind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Blind::NoLogs => f.write_str("there are no logs of the account"),
            Blind::Management => f.write_str("the trail leaves out such management events"),
            Blind::DataEvents { resource_type } => write!(f, "no data events of {resource_type} are logged"),
            Blind::DataEventsOfSome { resource_type } => {
                write!(f, "data events of {resource_type} are not logged for all that is granted")
            }
            Blind::NeverLogged(Unlogged::Permission) => f.write_str("it is a permission that no event tells"),
            Blind::NeverLogged(Unlogged::Call) => f.write_str("CloudTrail does not write this call"),
            Blind::Unknown => f.write_str("it is not known whether CloudTrail writes it"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
