//! What everybody did, read off the records that are delivered. In: staged records of some hours, in any order; out: for each user and role
//! its calls with how they ended, and of each account what of data events and of KMS is in its logs.
//!
//! Records are read as text, at the places where `record.rs` writes what is asked for. So stories, machines and people need not tell anybody
//! what they do, and what counts as done is what is in the tree. Sums, first and last times are the same in whatever order threads come.

use std::collections::{BTreeMap, BTreeSet};

use super::action;
use crate::stage::{Entry, Stage, without_version};

/// All that is remembered of the records.
#[derive(Debug, Default)]
pub struct Seen {
    /// By unique id, `AIDA…` or `AROA…`.
    pub principals: BTreeMap<String, Doings>,
    /// The first data event of a bucket, by account, and whether it reads.
    pub buckets: BTreeMap<(u32, bool), BTreeMap<String, i64>>,
    /// Accounts with events of KMS, which a trail may leave out.
    pub with_kms: BTreeSet<u32>,
    /// When IAM made a user or role, by ARN.
    pub made: BTreeMap<String, i64>,
}

/// What one user or role did.
#[derive(Debug, Default)]
pub struct Doings {
    pub arn: String,
    /// By service (as in `eventSource`, without `.amazonaws.com`) and API.
    pub calls: BTreeMap<(String, String), Tally>,
    /// Long-term keys, each with its last call.
    pub keys: BTreeMap<String, LastCall>,
    /// The last sign-in to the console that succeeded, and whether any was with a second factor.
    pub signed_in: Option<i64>,
    pub with_factor: bool,
    /// The last record, and its region.
    pub last: Option<(i64, u32)>,
    /// When a role was last handed to a service, by calls that are known to do so; how often.
    pub passed: Tally,
    /// Whether other calls named roles, which may be handing over or not.
    pub names_roles: bool,
}

/// How calls of one API ended. Times are of those that succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub succeeded: u64,
    pub denied: u64,
    pub failed: u64,
    pub first: i64,
    pub last: i64,
}

/// The last use of a key, as the credential report tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastCall {
    pub time: i64,
    pub region: u32,
    pub service: String,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        if other.succeeded > 0 {
            self.first = if self.succeeded == 0 { other.first } else { self.first.min(other.first) };
            self.last = if self.succeeded == 0 { other.last } else { self.last.max(other.last) };
        }
        self.succeeded += other.succeeded;
        self.denied += other.denied;
        self.failed += other.failed;
    }

    fn one(record: &Record, time: i64) -> Tally {
        match record.error {
            None => Tally { succeeded: 1, first: time, last: time, ..Tally::default() },
            Some("AccessDenied" | "AccessDeniedException" | "Client.UnauthorizedOperation") => {
                Tally { denied: 1, ..Tally::default() }
            }
            Some(_) => Tally { failed: 1, ..Tally::default() },
        }
    }
}

/// What is asked of a record.
struct Record<'t> {
    identity: &'t str,
    service: &'t str,
    name: &'t str,
    /// The error's code, empty where there is a message alone.
    error: Option<&'t str>,
    /// From the request on.
    rest: &'t str,
}

impl Seen {
    /// Looks at everything that is staged.
    pub fn look(&mut self, stage: &Stage) {
        for entry in &stage.entries {
            let text = std::str::from_utf8(&stage.text[entry.start..entry.start + entry.length]);
            if let Some(record) = text.ok().and_then(Record::read) {
                self.record(entry, &record);
            }
        }
    }

    fn record(&mut self, entry: &Entry, record: &Record) {
        let (account, time) = (entry.account, entry.time);
        if record.service == "kms" && !self.with_kms.contains(&account) {
            self.with_kms.insert(account);
        }
        if record.service == "s3"
            && record.rest.contains("\"eventCategory\":\"Data\"")
            && let Some(bucket) = member(record.rest, "\"bucketName\":\"")
        {
            let reads = record.rest.contains("\"readOnly\":true");
            let first = self.buckets.entry((account, reads)).or_default().entry(bucket.to_owned()).or_insert(time);
            *first = time.min(*first);
        }
        if record.service == "iam"
            && matches!(record.name, "CreateUser" | "CreateRole")
            && record.error.is_none()
            && let Some(arn) = member(record.rest, "\"arn\":\"")
        {
            let made = self.made.entry(arn.to_owned()).or_insert(time);
            *made = time.max(*made);
        }
        let Some((id, arn)) = principal(record.identity) else { return };
        let doings = self.principals.entry(id.to_owned()).or_default();
        if doings.arn.is_empty() {
            doings.arn = arn.to_owned();
        }
        doings.record(entry, record);
    }

    /// Adds what another thread saw.
    pub fn merge(&mut self, other: Seen) {
        for (id, theirs) in other.principals {
            let mine = self.principals.entry(id).or_default();
            if mine.arn.is_empty() {
                mine.arn = theirs.arn;
            }
            for (call, tally) in theirs.calls {
                mine.calls.entry(call).or_default().add(&tally);
            }
            for (key, last) in theirs.keys {
                let known = mine.keys.entry(key).or_default();
                *known = last.max(std::mem::take(known));
            }
            mine.signed_in = mine.signed_in.max(theirs.signed_in);
            mine.with_factor |= theirs.with_factor;
            mine.last = mine.last.max(theirs.last);
            mine.passed.add(&theirs.passed);
            mine.names_roles |= theirs.names_roles;
        }
        for (place, buckets) in other.buckets {
            let mine = self.buckets.entry(place).or_default();
            for (bucket, first) in buckets {
                let known = mine.entry(bucket).or_insert(first);
                *known = first.min(*known);
            }
        }
        self.with_kms.extend(other.with_kms);
        for (arn, time) in other.made {
            let known = self.made.entry(arn).or_insert(time);
            *known = time.max(*known);
        }
    }
}

impl Doings {
    fn record(&mut self, entry: &Entry, record: &Record) {
        self.last = self.last.max(Some((entry.time, entry.region)));
        if record.service == "signin" {
            if record.name == "ConsoleLogin" && record.error.is_none() {
                self.signed_in = self.signed_in.max(Some(entry.time));
                self.with_factor |= record.rest.contains("\"MFAUsed\":\"Yes\"");
            }
            return;
        }
        let call = (record.service.to_owned(), record.name.to_owned());
        self.calls.entry(call).or_default().add(&Tally::one(record, entry.time));
        if let Some(key) = member(record.identity, "\"accessKeyId\":\"").filter(|key| key.starts_with("AKIA")) {
            let last = LastCall { time: entry.time, region: entry.region, service: record.service.to_owned() };
            let known = self.keys.entry(key.to_owned()).or_default();
            *known = last.max(std::mem::take(known));
        }
        let names_role = record.rest.contains(":role/") || record.rest.contains("\"iamInstanceProfile\"");
        if names_role && record.error.is_none() && record.rest.contains("\"readOnly\":false") {
            if action::PASSING.contains(&(record.service, without_version(record.name))) {
                self.passed.add(&Tally::one(record, entry.time));
            } else {
                self.names_roles = true;
            }
        }
    }
}

impl<'t> Record<'t> {
    fn read(text: &'t str) -> Option<Record<'t>> {
        let (identity, rest) = text.split_once(",\"eventTime\":\"")?;
        let (head, rest) = rest.split_once(",\"requestParameters\":")?;
        let source = member(head, "\"eventSource\":\"")?;
        let error = head.contains(",\"errorMessage\":\"");
        Some(Record {
            identity,
            service: source.strip_suffix(".amazonaws.com")?,
            name: member(head, "\"eventName\":\"")?,
            error: error.then(|| member(head, ",\"errorCode\":\"").unwrap_or_default()),
            rest,
        })
    }
}

/// The unique id and the ARN of the user, or of the role behind a session; none for other identities, and at a sign-in that does not tell.
fn principal(identity: &str) -> Option<(&str, &str)> {
    let id = member(identity, "\"principalId\":\"")?.split(':').next()?;
    match member(identity, "\"type\":\"")? {
        "IAMUser" => Some((id, member(identity, "\"arn\":\"")?)),
        "AssumedRole" => {
            let (_, issuer) = identity.split_once("\"sessionIssuer\":")?;
            Some((id, member(issuer, "\"arn\":\"")?))
        }
        _ => None,
    }
}

/// The text value that follows a name; values here hold no escapes.
fn member<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(name)?;
    rest.split_once('"').map(|(value, _)| value)
}
