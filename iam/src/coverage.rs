//! How far an account's logs show what happened in a window: what was seen of them comes in, how sure their silence is goes out.
//!
//! Comes in: hours with records by region, which kinds of management events there were, and on which resources data events
//! were. Goes out: [`Coverage::confidence`], and whether the use of an action would have been seen ([`Coverage::blind`]).
//!
//! What is promised: nothing counts as logged of which no record was seen, unless the caller knows that it is
//! ([`Coverage::logs_all_data`]). A trail that leaves out reads, or KMS, or a bucket, looks like nobody using these.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use crate::catalogue::{Access, ActionId, Catalogue};
use crate::observability::{Observability, Unlogged};
use crate::usage::{DAY, Marks, Window};

/// With records in so many of the hours, silence is sure; with fewer, less so. The first is our choice after how quiet accounts
/// behave, as is the second.
const HIGH_SHARE: f64 = 0.95;
const MEDIUM_SHARE: f64 = 0.75;
/// The window counts as full if records begin so soon after its beginning and end so shortly before its end.
const MARGIN: i64 = DAY;
/// Data events of a resource must begin within this part of the window, or its logging may have begun only then.
const DATA_MARGIN: f64 = 0.1;
/// What a trail can leave out of management events (CloudTrail User Guide, "Logging management events").
const EXCLUDABLE: [(&str, &str); 2] = [("kms", "kms.amazonaws.com"), ("rds-data", "rdsdata.amazonaws.com")];

/// What is known of one account's logs.
#[derive(Clone, Debug)]
pub struct Coverage {
    window: Window,
    hours: Marks,
    regions: BTreeMap<String, Marks>,
    first: Option<i64>,
    last: Option<i64>,
    /// Whether reads, and whether writes, are among the management events.
    reads: bool,
    writes: bool,
    /// Event sources of [`EXCLUDABLE`] that were seen.
    sources: Vec<&'static str>,
    /// By resource type (`AWS::S3::Object`).
    data: BTreeMap<String, DataCoverage>,
}

#[derive(Clone, Debug, Default)]
struct DataCoverage {
    all: bool,
    /// The first reads and the first writes by resource: a bucket's ARN, a table's, a function's.
    reads: BTreeMap<String, i64>,
    writes: BTreeMap<String, i64>,
}

/// How sure it is that what was not seen did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Fewer records than for the others.
    Low,
    /// In three quarters of the hours there are records.
    Medium,
    /// In 95 % of them, from the window's beginning to its end.
    High,
}

/// Why the use of an action would not have been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blind {
    /// No log in the window at all.
    NoLogs,
    /// Management events are logged without reads, without writes, or without those of the service.
    Management,
    /// Its data events are logged for no resource, as far as was seen.
    DataEvents { resource_type: &'static str },
    /// They are logged for some resources, and the grant speaks of others, too.
    DataEventsOfSome { resource_type: &'static str },
    /// Never an event of its own.
    NeverLogged(Unlogged),
    /// It is not known what CloudTrail writes of it.
    Unknown,
}

impl Coverage {
    pub fn new(window: Window) -> Coverage {
        Coverage {
            window,
            hours: Marks::default(),
            regions: BTreeMap::new(),
            first: None,
            last: None,
            reads: false,
            writes: false,
            sources: Vec::new(),
            data: BTreeMap::new(),
        }
    }

    pub fn window(&self) -> Window {
        self.window
    }

    /// Records of a region in one hour, from a first to a last one (µs since 1970).
    pub fn saw(&mut self, region: &str, first: i64, last: i64) {
        if !self.window.holds(first) {
            return;
        }
        let hour = self.window.hour_of(first);
        self.hours.insert(hour);
        self.regions.entry(region.to_owned()).or_default().insert(hour);
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
        self.last = self.last.max(Some(last));
    }

    /// Management events of a source (`kms.amazonaws.com`) with this `readOnly`.
    pub fn saw_management(&mut self, source: &str, read_only: bool) {
        if read_only {
            self.reads = true
        } else {
            self.writes = true
        }
        let known = EXCLUDABLE.iter().find(|(_, own)| *own == source).map(|(_, own)| *own);
        if let Some(source) = known.filter(|source| !self.sources.contains(source)) {
            self.sources.push(source);
        }
    }

    /// Data events: `resource` is what a trail would select, as an ARN (a bucket for objects; a table, a function, a queue),
    /// `first` the time of the first one.
    pub fn saw_data(&mut self, resource_type: &str, resource: &str, read_only: bool, first: i64) {
        if !self.window.holds(first) {
            return;
        }
        let data = self.data.entry(resource_type.to_owned()).or_default();
        let seen = if read_only { &mut data.reads } else { &mut data.writes };
        let known = seen.entry(resource.to_owned()).or_insert(first);
        *known = first.min(*known);
    }

    /// The trail is known to log the data events of all resources of a type, reads and writes, all through the window.
    pub fn logs_all_data(&mut self, resource_type: &str) {
        self.data.entry(resource_type.to_owned()).or_default().all = true;
    }

    /// Of the window's hours, how many have a record of any region: from 0 to 1.
    pub fn share(&self) -> f64 {
        self.part(&self.hours)
    }

    /// As [`Coverage::share`], by region. A region where nobody works has few.
    pub fn regions(&self) -> impl Iterator<Item = (&str, f64)> {
        self.regions.iter().map(|(region, hours)| (&**region, self.part(hours)))
    }

    /// The times of the first and the last record.
    pub fn span(&self) -> Option<(i64, i64)> {
        self.first.zip(self.last)
    }

    /// The types of which data events are logged, each with the resources that were seen; empty if all are known to be.
    pub fn data(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.data.iter().map(|(kind, data)| {
            let mut seen: Vec<&str> = data.reads.keys().chain(data.writes.keys()).map(String::as_str).collect();
            seen.sort_unstable();
            seen.dedup();
            (&**kind, if data.all { Vec::new() } else { seen })
        })
    }

    pub fn confidence(&self) -> Confidence {
        let full = self
            .span()
            .is_some_and(|(first, last)| first <= self.window.from + MARGIN && last >= self.window.to - MARGIN);
        match self.share() {
            share if share >= HIGH_SHARE && full => Confidence::High,
            share if share >= MEDIUM_SHARE => Confidence::Medium,
            _ => Confidence::Low,
        }
    }

    /// Why the use of an action on resources that fit patterns of ARNs would not have been seen; none if it would have been.
    pub fn blind(&self, action: ActionId, resources: &[String]) -> Option<Blind> {
        self.sight().blind(action, resources, 0)
    }

    /// The same for many actions of one principal.
    pub(crate) fn sight(&self) -> Sight<'_> {
        Sight { coverage: self, known: RefCell::default() }
    }

    fn part(&self, hours: &Marks) -> f64 {
        f64::from(hours.count()) / f64::from(self.window.hours().max(1))
    }

    fn leaves_out(&self, service: &str, reads: bool) -> bool {
        let excluded = EXCLUDABLE.iter().find(|(own, _)| *own == service);
        !(if reads { self.reads } else { self.writes })
            || excluded.is_some_and(|(_, source)| !self.sources.contains(source))
    }
}

/// A grant's number, service, resource type, and whether reads are meant.
type Sighted = (usize, &'static str, &'static str, bool);

/// Looks at a coverage, and remembers which resources of which grants are in sight.
#[derive(Debug)]
pub(crate) struct Sight<'c> {
    coverage: &'c Coverage,
    known: RefCell<HashMap<Sighted, bool>>,
}

impl Sight<'_> {
    /// As [`Coverage::blind`]; `grant` is a number that stands for the patterns.
    pub fn blind(&self, id: ActionId, resources: &[String], grant: usize) -> Option<Blind> {
        let coverage = self.coverage;
        let kind = match Observability::of(id) {
            Observability::NeverLogged(why) => return Some(Blind::NeverLogged(why)),
            Observability::Unknown => return Some(Blind::Unknown),
            _ if coverage.first.is_none() => return Some(Blind::NoLogs),
            Observability::Management => {
                let action = Catalogue::shipped().action(id);
                return coverage.leaves_out(action.service, is_read(action.access)).then_some(Blind::Management);
            }
            Observability::Data(kind) => kind,
        };
        let Some(data) = coverage.data.get(kind) else { return Some(Blind::DataEvents { resource_type: kind }) };
        if data.all {
            return None;
        }
        let action = Catalogue::shipped().action(id);
        let reads = is_read(action.access);
        let seen = if reads { &data.reads } else { &data.writes };
        if seen.is_empty() {
            return Some(Blind::DataEvents { resource_type: kind });
        }
        let in_sight = *self.known.borrow_mut().entry((grant, action.service, kind, reads)).or_insert_with(|| {
            let since =
                coverage.window.from + ((coverage.window.to - coverage.window.from) as f64 * DATA_MARGIN) as i64;
            let mut of_service = resources.iter().filter(|pattern| is_of(pattern, action.service)).peekable();
            of_service.peek().is_some() && of_service.all(|pattern| is_within(pattern, seen, since))
        });
        (!in_sight).then_some(Blind::DataEventsOfSome { resource_type: kind })
    }
}

fn is_read(access: Access) -> bool {
    matches!(access, Access::List | Access::Read)
}

/// Whether a pattern can match resources of a service.
fn is_of(pattern: &str, service: &str) -> bool {
    match pattern.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(1)) {
        Some(own) => own == service || own.contains(['*', '?']),
        None => true,
    }
}

/// Whether all that a pattern matches is a resource that was seen soon enough, or lies within one.
fn is_within(pattern: &str, seen: &BTreeMap<String, i64>, since: i64) -> bool {
    let ends = pattern.match_indices(['/', ':']).map(|(at, _)| at).chain([pattern.len()]);
    ends.into_iter().any(|end| seen.get(&pattern[..end]).is_some_and(|first| *first <= since))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: &str = "arn:aws:s3:::logs";
    const TABLE: &str = "arn:aws:dynamodb:eu-west-1:111122223333:table/t";

    fn window() -> Window {
        Window::before(1_790_000_000_000_000, 90)
    }

    /// An account with a record in each hour of which `with` is true.
    fn coverage(with: impl Fn(u32) -> bool) -> Coverage {
        let mut coverage = Coverage::new(window());
        for hour in (0..90 * 24).filter(|hour| with(*hour)) {
            let at = window().from + i64::from(hour) * crate::usage::HOUR;
            coverage.saw("eu-west-1", at, at);
        }
        for (source, read_only) in [("ec2.amazonaws.com", true), ("ec2.amazonaws.com", false)] {
            coverage.saw_management(source, read_only);
        }
        coverage
    }

    #[test]
    fn confidence_follows_hours_and_ends() {
        assert_eq!(coverage(|_| true).confidence(), Confidence::High);
        assert_eq!(coverage(|hour| hour % 30 != 0).confidence(), Confidence::High);
        assert_eq!(coverage(|hour| hour % 10 != 0).confidence(), Confidence::Medium);
        assert_eq!(coverage(|hour| hour > 48).confidence(), Confidence::Medium, "begins late");
        assert_eq!(coverage(|hour| hour % 2 == 0).confidence(), Confidence::Low);
        assert_eq!(coverage(|_| false).confidence(), Confidence::Low);
    }

    #[test]
    fn what_is_not_in_sight() {
        let begin = window().from + DAY;
        let mut coverage = coverage(|_| true);
        coverage.saw_data("AWS::S3::Object", BUCKET, true, begin);
        coverage.saw_data("AWS::S3::Object", "arn:aws:s3:::late", true, begin + 40 * DAY);
        coverage.saw_data("AWS::DynamoDB::Table", TABLE, false, begin);
        let s3 = Some(Blind::DataEventsOfSome { resource_type: "AWS::S3::Object" });
        let no_s3 = Some(Blind::DataEvents { resource_type: "AWS::S3::Object" });
        let no_table = Some(Blind::DataEvents { resource_type: "AWS::DynamoDB::Table" });
        for (action, resources, expected) in [
            ("ec2:RunInstances", &["*"][..], None),
            ("kms:Decrypt", &["*"], Some(Blind::Management)),
            ("iam:PassRole", &["*"], Some(Blind::NeverLogged(Unlogged::Permission))),
            ("logs:PutLogEvents", &["*"], Some(Blind::NeverLogged(Unlogged::Call))),
            ("logs:Unmask", &["*"], Some(Blind::Unknown)),
            ("sqs:SendMessage", &["*"], Some(Blind::DataEvents { resource_type: "AWS::SQS::Queue" })),
            ("s3:GetObject", &["arn:aws:s3:::logs/*"], None),
            ("s3:GetObject", &["arn:aws:s3:::logs/*", "arn:aws:s3:::logs", "arn:aws:sqs:*:*:q"], None),
            ("s3:GetObject", &["arn:aws:s3:::logs/*", "arn:aws:s3:::late/*"], s3),
            ("s3:GetObject", &["arn:aws:s3:::logs*"], s3),
            ("s3:GetObject", &["*"], s3),
            ("s3:PutObject", &["arn:aws:s3:::logs/*"], no_s3),
            ("dynamodb:PutItem", &[TABLE], None),
            ("dynamodb:GetItem", &[TABLE], no_table),
        ] {
            let id = Catalogue::shipped().find_named(action).expect(action);
            let resources: Vec<String> = resources.iter().map(|r| r.to_string()).collect();
            assert_eq!(coverage.blind(id, &resources), expected, "{action} on {resources:?}");
        }
        coverage.logs_all_data("AWS::S3::Object");
        let put = Catalogue::shipped().find_named("s3:PutObject").expect("it exists");
        assert_eq!(coverage.blind(put, &["*".into()]), None);
        let nothing = Coverage::new(window());
        let run = Catalogue::shipped().find_named("ec2:RunInstances").expect("it exists");
        assert_eq!(nothing.blind(run, &["*".into()]), Some(Blind::NoLogs));
    }
}
