//! Who there is in an account: the users and roles whose records are in the logs, and some that never did anything. In: what was seen; out:
//! principals with the ids that the logs show, and with dates of creation that fit.

use std::collections::BTreeMap;

use super::usage::{Doings, Seen};
use crate::{
    calendar::DAY,
    identity::User,
    ids,
    names::WORDS,
    organisation::{Account, Organisation},
    rng::Rng,
};

/// A user or role.
#[derive(Debug)]
pub struct Principal<'s> {
    pub kind: Kind,
    pub arn: String,
    pub id: String,
    pub created: i64,
    /// The long-term key that a user is known to have; empty for none.
    pub key: String,
    /// None if it never did anything.
    pub doings: Option<&'s Doings>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    User,
    Role,
    /// A role that a service made for itself, whose policies nobody can change.
    ServiceLinked,
}

impl Principal<'_> {
    /// Without its path.
    pub fn name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    /// `/` or `/service-role/` and the like.
    pub fn path(&self) -> &str {
        let from = self.arn.find('/').unwrap_or(self.arn.len());
        let to = self.arn.rfind('/').map_or(self.arn.len(), |at| at + 1);
        &self.arn[from..to]
    }

    /// The permission set whose role it is.
    pub fn permission_set(&self) -> Option<&str> {
        self.name().strip_prefix("AWSReservedSSO_")?.rsplit_once('_').map(|(set, _)| set)
    }
}

/// All of an account, by ARN.
pub fn all<'s>(organisation: &Organisation, account: &Account, seen: &'s Seen) -> Vec<Principal<'s>> {
    let mut found: BTreeMap<String, Principal<'s>> = BTreeMap::new();
    let own = format!("arn:aws:iam::{}:", account.id);
    for (id, doings) in seen.principals.iter().filter(|(_, doings)| doings.arn.starts_with(&own)) {
        let principal = Principal {
            kind: kind(&doings.arn),
            arn: doings.arn.clone(),
            id: id.clone(),
            created: seen.made.get(&doings.arn).copied().unwrap_or(i64::MIN),
            key: doings.keys.keys().next().cloned().unwrap_or_default(),
            doings: Some(doings),
        };
        // Of two that had one name after another, the later one is there.
        let earlier = found.get(&doings.arn).and_then(|other| other.doings);
        if earlier.is_none_or(|other| other.last < doings.last) {
            found.insert(doings.arn.clone(), principal);
        }
    }
    let keys = organisation.keys.iter().filter(|key| key.account == account.index).map(|key| &key.user);
    for user in account.users.iter().chain(keys) {
        found.entry(user.arn()).or_insert_with(|| silent_user(user));
    }
    for principal in idle(organisation, account) {
        found.entry(principal.arn.clone()).or_insert(principal);
    }
    let deployed: BTreeMap<String, i64> = organisation
        .workloads
        .iter()
        .filter(|one| one.account == account.index && one.user.is_none() && one.deployed > i64::MIN)
        .map(|one| (one.role.arn(), one.deployed - 3_600))
        .collect();
    let mut principals: Vec<Principal> = found.into_values().collect();
    for principal in principals.iter_mut().filter(|principal| principal.created == i64::MIN) {
        let mut rng = Rng::derive(organisation.seed, &[90, account.index as u64, number(&principal.id)]);
        let old = organisation.calendar.start - rng.range(200, 1_500) * DAY + rng.range(0, DAY);
        principal.created = deployed.get(&principal.arn).copied().unwrap_or(old);
    }
    principals
}

/// Of a principal's id, for its own stream.
pub fn number(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn kind(arn: &str) -> Kind {
    if arn.contains(":user/") {
        Kind::User
    } else if arn.contains(":role/aws-service-role/") {
        Kind::ServiceLinked
    } else {
        Kind::Role
    }
}

fn silent_user<'s>(user: &User) -> Principal<'s> {
    Principal {
        kind: Kind::User,
        arn: user.arn(),
        id: user.id.clone(),
        created: i64::MIN,
        key: user.key.clone(),
        doings: None,
    }
}

/// Two roles and a user that never did anything; one of the roles is a few hours old.
fn idle<'s>(organisation: &Organisation, account: &Account) -> Vec<Principal<'s>> {
    let mut rng = Rng::derive(organisation.seed, &[91, account.index as u64]);
    let calendar = &organisation.calendar;
    let newest = calendar.end - rng.range(1, 20) * 3_600;
    let mut role = |suffix: &str, created: i64| {
        let role = account.role("/", &format!("{}-{suffix}", rng.pick(WORDS)));
        Principal { kind: Kind::Role, arn: role.arn(), id: role.id, created, key: String::new(), doings: None }
    };
    let (old, young) = (role("legacy-batch", i64::MIN), role("trial", newest));
    let user = User {
        account: account.id.clone(),
        name: format!("{}-contractor", rng.pick(WORDS)),
        id: ids::principal_id("AIDA", account.number, &mut rng),
        key: ids::access_key("AKIA", account.number, &mut rng),
    };
    vec![old, young, silent_user(&user)]
}
