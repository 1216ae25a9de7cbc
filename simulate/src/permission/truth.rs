//! `permissions.ndjson`: what is true of everybody's permissions, judged by all the days that are simulated. In: principals with their policies
//! and what they did; out: one line for each principal, and one for each of its actions.
//!
//! The verdict of an action: `used` (a call that needed it succeeded), `unused`, `not_observable` with the reason (a use would not be in
//! the logs, or nothing follows from there being none), `not_granted` (a Deny or a boundary takes away what another policy allows). Who is
//! granted actions by a wildcard, by `NotAction` or all of them has lines for what was used and for the actions of `action.rs` alone: a
//! sample. Nor is there a line for what was called in vain and of which `action.rs` does not know what CloudTrail writes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    action::{self, Told},
    draw::Grounds,
    policy::Outcome,
    principal::{Kind, Principal},
    usage::{Seen, Tally},
};
use crate::{
    ids,
    organisation::{Account, Organisation},
};

/// The line of a principal.
#[derive(Debug, Serialize)]
struct PrincipalLine<'a> {
    principal: &'a str,
    kind: &'static str,
    created: String,
    /// active, unused, or young: made within these days and never used.
    activity: &'static str,
}

/// The line of an action.
#[derive(Debug, Serialize)]
struct ActionLine<'a> {
    principal: &'a str,
    action: &'a str,
    /// By its own policies, its groups' and within its boundary. What was used without was allowed by a resource's policy.
    granted: bool,
    verdict: &'static str,
    why: Option<&'static str>,
    /// How often calls that needed it succeeded, were denied, and failed for other reasons.
    succeeded: u64,
    denied: u64,
    failed: u64,
    first: Option<String>,
    last: Option<String>,
    /// How often a job runs whose only call this is: monthly, or once.
    runs: Option<&'static str>,
}

/// The lines of an account.
pub fn lines(organisation: &Organisation, account: &Account, seen: &Seen, grounds: &Grounds, out: &mut Vec<u8>) {
    let calendar = &organisation.calendar;
    let logged = Logged { seen, account, until: calendar.start + (calendar.end - calendar.start) / 10 };
    for (principal, granted) in &grounds.principals {
        let is_young = principal.created > calendar.start;
        let line = PrincipalLine {
            principal: &principal.arn,
            kind: match principal.kind {
                Kind::User => "user",
                Kind::Role => "role",
                Kind::ServiceLinked => "service_linked_role",
            },
            created: ids::time_text(principal.created),
            activity: match principal.doings {
                Some(_) => "active",
                None if is_young => "young",
                None => "unused",
            },
        };
        write(out, &line);
        let runs = organisation.jobs.iter().find(|job| job.role.arn() == principal.arn).map(|job| job.runs());
        let grants = grounds.grants(granted);
        let tallies = tallies(principal);
        let mut judged: BTreeSet<&str> = action::all().collect();
        judged.extend(tallies.keys().map(String::as_str));
        for action in judged {
            let tally = tallies.get(action).copied().unwrap_or_default();
            let outcome = grants.of(action);
            // Of some calls that name a role it is not known here whether they hand it over.
            let names_roles = principal.doings.is_some_and(|doings| doings.names_roles);
            let (verdict, why) = match &outcome {
                _ if tally.succeeded > 0 => ("used", None),
                _ if action == "iam:PassRole" && names_roles => continue,
                Outcome::Unmentioned => continue,
                Outcome::TakenAway => ("not_granted", Some("taken away")),
                Outcome::Granted(resources) => match action::told(action) {
                    Some(told) => logged.unseen((action, told), resources, &tally, is_young),
                    None => continue,
                },
            };
            let is_granted = matches!(outcome, Outcome::Granted(_));
            write(out, &ActionLine::of(&principal.arn, action, is_granted, (verdict, why), &tally, runs));
        }
    }
}

impl<'a> ActionLine<'a> {
    fn of(
        principal: &'a str,
        action: &'a str,
        granted: bool,
        (verdict, why): (&'static str, Option<&'static str>),
        tally: &Tally,
        runs: Option<&'static str>,
    ) -> ActionLine<'a> {
        let time = |time: i64| (tally.succeeded > 0).then(|| ids::time_text(time));
        ActionLine {
            principal,
            action,
            granted,
            verdict,
            why,
            succeeded: tally.succeeded,
            denied: tally.denied,
            failed: tally.failed,
            first: time(tally.first),
            last: time(tally.last),
            runs,
        }
    }
}

/// What the logs of an account show.
struct Logged<'a> {
    seen: &'a Seen,
    account: &'a Account,
    /// Data events of a bucket count as logged all the time if there is one before this.
    until: i64,
}

impl Logged<'_> {
    /// The verdict on a granted action without use.
    fn unseen(
        &self,
        (action, told): (&str, Told),
        resources: &[&str],
        tally: &Tally,
        is_young: bool,
    ) -> (&'static str, Option<&'static str>) {
        let blind = match told {
            Told::Permission => Some("permission only"),
            Told::Never => Some("never logged"),
            Told::OtherData => Some("no data events"),
            Told::ObjectRead if !self.shows(resources, true) => Some("no data events of all"),
            Told::ObjectWrite if !self.shows(resources, false) => Some("no data events of all"),
            _ if action.starts_with("kms:") && !self.seen.with_kms.contains(&(self.account.index as u32)) => {
                Some("no events of KMS")
            }
            _ if is_young => Some("young"),
            _ if tally.failed > 0 => Some("only failed"),
            _ => None,
        };
        match blind {
            Some(why) => ("not_observable", Some(why)),
            None => ("unused", (tally.denied > 0).then_some("denied only")),
        }
    }

    /// Whether data events of all these buckets are logged from the beginning.
    fn shows(&self, resources: &[&str], reads: bool) -> bool {
        let buckets = self.seen.buckets.get(&(self.account.index as u32, reads));
        resources.iter().all(|resource| {
            let bucket = resource.strip_prefix("arn:aws:s3:::").map(|rest| rest.trim_end_matches("/*"));
            let first = bucket.and_then(|bucket| buckets?.get(bucket));
            first.is_some_and(|first| *first < self.until)
        })
    }
}

/// What a principal's calls needed, by action.
fn tallies(principal: &Principal) -> BTreeMap<String, Tally> {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let Some(doings) = principal.doings else { return tallies };
    for ((service, api), tally) in &doings.calls {
        if let Some(action) = action::needed(service, api) {
            tallies.entry(action).or_default().add(tally);
        }
    }
    if doings.passed.succeeded > 0 {
        tallies.entry("iam:PassRole".to_owned()).or_default().add(&doings.passed);
    }
    tallies
}

fn write(out: &mut Vec<u8>, line: &impl Serialize) {
    serde_json::to_writer(&mut *out, line).expect("texts and numbers are JSON, and memory takes them");
    out.push(b'\n');
}
