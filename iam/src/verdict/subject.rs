//! A user or role as it is judged, and whether it was used at all.

use jiff::Timestamp;

use super::Judge;
use crate::inventory::{Inventory, LastAccessed, LastUse, RoleKind};
use crate::usage::Usage;

/// Who is judged.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    pub arn: &'a str,
    /// None for users.
    pub role: Option<RoleKind>,
    /// µs since 1970; none if the files do not say.
    pub created: Option<i64>,
    /// When IAM last saw a role used, a user's password or any of its keys.
    pub last_by_iam: Option<i64>,
    pub accessed: Option<&'a LastAccessed>,
}

/// Whether a principal's permissions can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Judged,
    /// It has not existed for as long as it takes to count as unused. Nothing of it is called unused.
    Young {
        created: i64,
    },
}

/// Whether a user or role did anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// The last call of any outcome, sign-in, or taking of the role.
    Active {
        last: i64,
    },
    /// The logs have nothing of late; IAM knows better.
    ActiveByIam {
        last: i64,
    },
    /// Nothing since `since`; the last there was before that, if any is known.
    Unused {
        since: i64,
        last: Option<i64>,
    },
    Young {
        created: i64,
    },
    /// There are no logs, or they do not reach back far enough.
    NotObservable,
}

impl<'a> Subject<'a> {
    /// A user or role of the inventory.
    pub fn of(inventory: &'a Inventory, arn: &str) -> Option<Subject<'a>> {
        let accessed = inventory.accessed.get(arn);
        if let Some((arn, role)) = inventory.roles.get_key_value(arn) {
            let (created, last) = (micros(role.created), last_at(&role.last_used));
            return Some(Subject { arn, role: Some(role.kind()), created, last_by_iam: last, accessed });
        }
        let (arn, user) = inventory.users.get_key_value(arn)?;
        let report = user.credentials.as_ref();
        let created = micros(user.created.or_else(|| report?.created));
        let keys = user.access_keys.iter().map(|key| &key.last_used);
        let reported = report.into_iter().flat_map(|r| r.keys.iter().map(|key| &key.last_used));
        let password = report.map(|report| &report.password_last_used);
        let last_by_iam = keys.chain(reported).chain(password).filter_map(last_at).max();
        Some(Subject { arn, role: None, created, last_by_iam, accessed })
    }

    pub(super) fn standing(&self, judge: &Judge<'_>) -> Standing {
        match self.created {
            Some(created) if created > judge.options.cutoff(judge.coverage.window()) => Standing::Young { created },
            _ => Standing::Judged,
        }
    }

    /// Since when there is something to look at.
    pub(super) fn since(&self, judge: &Judge<'_>) -> i64 {
        let from = judge.coverage.window().from;
        self.created.map_or(from, |created| created.max(from))
    }

    pub(super) fn activity(&self, judge: &Judge<'_>) -> Activity {
        let cutoff = judge.options.cutoff(judge.coverage.window());
        let seen = judge.usages.get(self.arn).and_then(Usage::last_sign_of_life);
        let accessed = self.accessed.into_iter().flat_map(|a| a.services.values()).filter_map(|s| micros(s.last));
        let by_iam = accessed.chain(self.last_by_iam).max();
        let is_late = |last: &i64| *last >= cutoff;
        match (seen.filter(is_late), by_iam.filter(is_late), self.standing(judge)) {
            (Some(last), _, _) => Activity::Active { last },
            (_, Some(last), _) => Activity::ActiveByIam { last },
            (_, _, Standing::Young { created }) => Activity::Young { created },
            _ if judge.has_short_logs() => Activity::NotObservable,
            _ => Activity::Unused { since: self.since(judge), last: seen.max(by_iam) },
        }
    }
}

impl Usage {
    fn last_sign_of_life(&self) -> Option<i64> {
        self.last.max(self.taken).max(self.signed_in)
    }
}

pub(super) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(|time| time.as_microsecond())
}

pub(super) fn last_at(last: &LastUse) -> Option<i64> {
    match last {
        LastUse::At { time, .. } => Some(time.as_microsecond()),
        LastUse::Never | LastUse::Unknown => None,
    }
}
