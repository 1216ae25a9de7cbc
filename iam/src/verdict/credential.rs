//! Passwords, access keys and second factors: what lies unused, is old, or is missing.

use jiff::Timestamp;

use super::Judge;
use super::subject::{last_at, micros};
use crate::inventory::{AccessKey, Inventory, LastUse, Root, User};
use crate::usage::DAY;

/// Something about a user's or root's credentials. Times are µs since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialFinding {
    /// The user, or `arn:…:root`.
    pub arn: String,
    pub finding: Finding,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Active and not used for long; `last` is none where that is before anybody looked.
    UnusedKey { key: KeyName, last: Option<i64> },
    /// Active and never used since it was made.
    NeverUsedKey { key: KeyName, created: i64 },
    /// Active and made long ago.
    OldKey { key: KeyName, created: i64 },
    /// More than one active key.
    SeveralKeys { active: usize },
    /// A password that nobody signed in with for long, or ever.
    UnusedPassword { last: Option<i64> },
    /// A password and no second factor. `with_factor` is the last sign-in with one; none if the window has none.
    NoSecondFactor { with_factor: Option<i64> },
    /// Root has active keys.
    RootKeys { active: usize },
    /// Root has no second factor. Where the organisation took root's credentials away, it needs none; the report does not tell.
    RootWithoutSecondFactor,
}

/// Which of a user's keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyName {
    /// `AKIA…`
    Id(String),
    /// By its number in the credential report, which knows no ids, from 1.
    Number(usize),
}

/// A key as either source tells of it.
struct Key<'k> {
    name: KeyName,
    active: bool,
    created: Option<Timestamp>,
    last_used: &'k LastUse,
}

impl Judge<'_> {
    /// What is to be said of the credentials of all users and roots, in order.
    pub fn credentials(&self, inventory: &Inventory) -> Vec<CredentialFinding> {
        let mut found = Vec::new();
        let mut tell = |arn: &str, findings: Vec<Finding>| {
            found.extend(findings.into_iter().map(|finding| CredentialFinding { arn: arn.to_owned(), finding }));
        };
        for root in inventory.roots.values() {
            tell(&root.credentials.arn, of_root(root));
        }
        for user in inventory.users.values() {
            let mut findings = self.of_keys(user);
            findings.extend(self.of_password(user));
            tell(&user.arn, findings);
        }
        found
    }

    fn of_keys(&self, user: &User) -> Vec<Finding> {
        let keys: Vec<Key> = keys(user).into_iter().filter(|key| key.active).collect();
        let mut findings: Vec<Finding> = keys.iter().filter_map(|key| self.of_use(key)).collect();
        let old = keys.iter().filter(|key| self.is_older(key.created, self.options.key_age_days));
        findings.extend(
            old.filter_map(|key| Some(Finding::OldKey { key: key.name.clone(), created: micros(key.created)? })),
        );
        if keys.len() > 1 {
            findings.push(Finding::SeveralKeys { active: keys.len() });
        }
        findings
    }

    /// Either source may tell of use; without a word of IAM, only silence of logs that are there and of a key whose id is known
    /// says that there was none.
    fn of_use(&self, key: &Key<'_>) -> Option<Finding> {
        let seen = match &key.name {
            KeyName::Id(id) => self.usages.key_last(id),
            KeyName::Number(_) => None,
        };
        let last = seen.max(last_at(key.last_used));
        let is_silent = match key.last_used {
            LastUse::Unknown => self.coverage.span().is_some() && matches!(key.name, KeyName::Id(_)),
            LastUse::Never | LastUse::At { .. } => true,
        };
        match (last, micros(key.created)) {
            (Some(last), _) if last >= self.options.cutoff(self.coverage.window()) => None,
            (Some(_), _) => Some(Finding::UnusedKey { key: key.name.clone(), last }),
            (None, Some(created)) if *key.last_used == LastUse::Never => self
                .is_older(key.created, self.options.never_used_key_days)
                .then(|| Finding::NeverUsedKey { key: key.name.clone(), created }),
            (None, created) => {
                let existed = created.is_none() || self.is_older(key.created, self.options.unused_after_days);
                (is_silent && existed).then(|| Finding::UnusedKey { key: key.name.clone(), last })
            }
        }
    }

    fn of_password(&self, user: &User) -> Vec<Finding> {
        let Some(report) = user.credentials.as_ref().filter(|report| report.password_enabled == Some(true)) else {
            return Vec::new();
        };
        let usage = self.usages.get(&user.arn);
        let last = usage.and_then(|usage| usage.signed_in).max(last_at(&report.password_last_used));
        let is_late = last.is_some_and(|last| last >= self.options.cutoff(self.coverage.window()));
        // One that was just set has had no time.
        let set = report.password_last_changed.or(report.created);
        let had_time = set.is_none() || self.is_older(set, self.options.unused_after_days);
        let is_told = report.password_last_used != LastUse::Unknown || self.coverage.span().is_some();
        let mut findings = Vec::new();
        if !is_late && had_time && is_told {
            findings.push(Finding::UnusedPassword { last });
        }
        if !report.mfa_active {
            findings.push(Finding::NoSecondFactor { with_factor: usage.and_then(|usage| usage.signed_in_with_factor) });
        }
        findings
    }

    /// At the window's end.
    fn is_older(&self, time: Option<Timestamp>, days: u32) -> bool {
        micros(time).is_some_and(|time| time < self.coverage.window().to - i64::from(days) * DAY)
    }
}

fn of_root(root: &Root) -> Vec<Finding> {
    let active = root.credentials.keys.iter().filter(|key| key.active).count();
    let keys = (active > 0).then_some(Finding::RootKeys { active });
    let factor = (!root.credentials.mfa_active).then_some(Finding::RootWithoutSecondFactor);
    keys.into_iter().chain(factor).collect()
}

/// The keys with their ids, unless the report knows of more.
fn keys<'k>(user: &'k User) -> Vec<Key<'k>> {
    let reported = user.credentials.as_ref().map_or(&[][..], |report| &report.keys);
    if user.access_keys.len() >= reported.len() {
        let key = |key: &'k AccessKey| Key {
            name: KeyName::Id(key.id.clone()),
            active: key.active,
            created: key.created,
            last_used: &key.last_used,
        };
        return user.access_keys.iter().map(key).collect();
    }
    (1..)
        .zip(reported)
        .map(|(number, key)| Key {
            name: KeyName::Number(number),
            active: key.active,
            created: key.created,
            last_used: &key.last_used,
        })
        .collect()
}
