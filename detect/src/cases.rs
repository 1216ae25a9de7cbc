//! Cases beside a rule: records as CloudTrail writes them, and what the rule must find in them.
//!
//! A case is run through the real decoder and the same evaluation as a stream: a rule that passes its cases does in
//! production what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use serde::Deserialize;
use serde_json::{Map, Value};
use trailhound_iam::inventory::{File, Inventory, Part, parts};

use crate::evaluate::Sighting;
use crate::explain;
use crate::finding::Finding;
use crate::lineage::{Events, Issuers, Ways};
use crate::place::{Place, located};
use crate::problem::Report;
use crate::query::{self, slots_of};
use crate::repeat;
use crate::revise::findings_of;
use crate::rule::{self, Rule};
use crate::ruleset::RuleSet;
use crate::select::Planner;
use crate::severity::Severity;
use crate::value::plain;

/// `<name>.cases.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    pub cases: Vec<Case>,
}

/// One case. In its lists, `{"record": {…}, "times": 300, "every": "1h"}` stands for so many copies of a record.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// Records that were there before; a finding counts only if one of `events` touches it.
    #[serde(default)]
    pub history: Vec<Value>,
    pub events: Vec<Value>,
    /// What is granted, as AWS's calls tell it, for rules that ask `iam_…`.
    #[serde(default)]
    pub iam: Vec<Value>,
    /// Where addresses are, for rules on countries, distances and networks.
    #[serde(default)]
    pub places: BTreeMap<String, Place>,
    /// Every finding that `events` touch, no more and no fewer; empty if the rule must stay quiet.
    pub expect: Vec<Expected>,
}

/// A finding that a case expects.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Entity columns with their values; those that are not named may hold anything.
    #[serde(default)]
    pub entity: Map<String, Value>,
    /// How many events the finding counts; if absent, any number.
    #[serde(default)]
    pub count: Option<u64>,
    /// How bad it is; if absent, as bad as may be.
    #[serde(default)]
    pub severity: Option<Severity>,
}

/// Fields that CloudTrail writes into every record of an event.
const WHOLE: &[&str] = &[
    "eventVersion",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userIdentity",
    "requestParameters",
    "responseElements",
    "eventID",
    "eventType",
];

/// Reads a cases file and refuses what would test nothing.
pub(crate) fn parse(file: &rule::File, report: &mut Report<'_>) -> Option<Cases> {
    let mut cases: Cases = serde_json::from_str(&file.text)
        .map_err(|e| {
            let text = e.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text);
            report.add(
                e.line(),
                format!("the cases cannot be read: {what}"),
                r#"write {"cases": [{"name", "history", "events", "expect"}]}"#,
            );
        })
        .ok()?;
    let line = |case: &Case| 1 + file.text.lines().position(|l| l.contains(&format!("\"{}\"", case.name))).unwrap_or(0);
    let mut names = BTreeSet::new();
    for case in &mut cases.cases {
        let place = line(case);
        for records in [&mut case.history, &mut case.events] {
            match repeat::spread(std::mem::take(records)) {
                Ok(spread) => *records = spread,
                Err(what) => report.add(place, format!("the case \"{}\": {what}", case.name), repeat::FORM),
            }
        }
        if !names.insert(case.name.clone()) {
            report.add(line(case), format!("two cases are called \"{}\"", case.name), "");
        }
        let outputs: Vec<String> = case.iam.iter().map(Value::to_string).collect();
        let files = outputs.iter().map(|output| File { name: "iam", bytes: output.as_bytes(), entity: None });
        for error in Inventory::read(files, jiff::Timestamp::MAX).err().into_iter().flatten() {
            let what = format!("the case \"{}\": {error}", case.name);
            report.add(
                line(case),
                what,
                "write `iam` as outputs of `aws iam get-account-authorization-details` and the like",
            );
        }
        if case.events.is_empty() {
            report.add(line(case), format!("the case \"{}\" has no events", case.name), "");
        }
        for record in case.history.iter().chain(&case.events) {
            let missing: Vec<&str> = WHOLE.iter().copied().filter(|f| record.get(f).is_none()).collect();
            if !missing.is_empty() {
                report.add(
                    line(case),
                    format!("a record of the case \"{}\" lacks {}", case.name, missing.join(", ")),
                    "write whole records, as CloudTrail does",
                );
            }
        }
    }
    refuse_one_sided(&cases, report);
    Some(cases)
}

/// There must be a case that fires, one with a denied or failed event, and a quiet one beside it.
fn refuse_one_sided(cases: &Cases, report: &mut Report<'_>) {
    let fires = |c: &Case| !c.expect.is_empty();
    let failed = |c: &Case| c.events.iter().any(is_failed);
    if !cases.cases.iter().any(fires) {
        report.add(1, "no case expects a finding", "add one that fires");
    }
    if !cases.cases.iter().any(failed) {
        report.add(
            1,
            "no case has a denied or failed event",
            "add a case in which the same call was refused, and say what the rule finds then",
        );
    }
    // A rule on failures has its failed variant in a case that fires; else the variant alone is not a look-alike.
    let quiet = cases.cases.iter().filter(|c| !fires(c)).count();
    let variant_fires = cases.cases.iter().any(|c| fires(c) && failed(c));
    let look_alike = cases.cases.iter().any(|c| !fires(c) && (!failed(c) || variant_fires));
    if quiet == 0 || !look_alike && quiet < 2 {
        report.add(
            1,
            "no case is a look-alike that stays quiet",
            "add something harmless that looks much the same, with \"expect\": []",
        );
    }
}

/// Whether a record says that the call was denied or failed.
fn is_failed(record: &Value) -> bool {
    let name = record["eventName"].as_str().unwrap_or_default();
    let failure = |parent: &str| record[parent][name].as_str() == Some("Failure");
    record.get("errorCode").is_some_and(|c| !c.is_null())
        || failure("responseElements")
        || failure("serviceEventDetails")
}

/// A case whose findings are not those that it expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFailure {
    pub rule: String,
    pub case: String,
    pub expected: String,
    pub got: String,
    /// What helps its author: the explanations of what was found, and why other events were not.
    pub why: Vec<String>,
}

impl std::fmt::Display for CaseFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: case \"{}\"\n  expected: {}\n  got:      {}", self.rule, self.case, self.expected, self.got)?;
        self.why.iter().try_for_each(|line| write!(f, "\n  - {line}"))
    }
}

/// Turns records (JSON objects as CloudTrail writes them) into rows of `events`. The binary hands in the decoder.
pub trait Decode: Fn(&[Value]) -> Result<RecordBatch, String> + Sync {}
impl<T: Fn(&[Value]) -> Result<RecordBatch, String> + Sync> Decode for T {}

/// A case with its records decoded, so that they are decoded once for all mutants of the rule.
pub(crate) struct ReadyCase {
    pub case: Case,
    history: Option<RecordBatch>,
    events: RecordBatch,
    granted: Vec<Part>,
}

impl ReadyCase {
    pub fn decode(case: Case, decode: &impl Decode) -> Result<ReadyCase, String> {
        let decode = |records: &[Value]| {
            decode(records).and_then(|batch| located(batch, &case.places).map_err(|e| e.to_string()))
        };
        let events = decode(&case.events)?;
        if events.num_rows() != case.events.len() {
            return Err(format!("{} of the case's {} events were decoded", events.num_rows(), case.events.len()));
        }
        let history = if case.history.is_empty() { None } else { Some(decode(&case.history)?) };
        let of = |output: &Value| parts(&File { name: "iam", bytes: output.to_string().as_bytes(), entity: None });
        let granted = case.iam.iter().flat_map(of).collect();
        Ok(ReadyCase { case, history, events, granted })
    }

    /// Runs the only rule of a set on the case.
    pub fn run(&self, set: &RuleSet, planner: &Planner) -> Result<(), CaseFailure> {
        let rule = set.rules().next().map(|r| r.id.clone()).unwrap_or_default();
        let fail = |got: String| CaseFailure {
            rule: rule.clone(),
            case: self.case.name.clone(),
            expected: expected_text(&self.case.expect),
            got,
            why: Vec::new(),
        };
        let asked = set.rules().next().filter(|rule| rule.asks().is_some());
        let found = match asked {
            Some(rule) => self.answers(rule, planner),
            None => self.findings(set).and_then(|found| self.traced(set, planner, found)),
        };
        let found = found.map_err(&fail)?;
        let found: Vec<&Finding> = found.values().collect();
        let met =
            found.len() == self.case.expect.len() && assign(&self.case.expect, &found, &mut vec![false; found.len()]);
        let why = || found.iter().map(|f| format!("found: {}", f.explanation)).collect();
        if met { Ok(()) } else { Err(CaseFailure { why: why(), ..fail(found_text(&found)) }) }
    }

    /// Why the only rule of a set found what it found, event by event.
    pub fn why(&self, set: &RuleSet, planner: &Planner) -> Vec<String> {
        explain::why_failed(set, planner, self.history.as_ref(), &self.events)
    }

    /// The findings that `events` raise or change.
    fn findings(&self, set: &RuleSet) -> Result<BTreeMap<String, Finding>, String> {
        let see = |batch: &RecordBatch| -> Result<Vec<Sighting>, String> {
            let seen = set.evaluate(batch).map_err(|e| e.strip_backtrace())?;
            match seen.failures.first() {
                Some(failure) => Err(format!("an error on {} of the rows: {}", failure.rows, failure.error)),
                None => Ok(seen.sightings),
            }
        };
        let found = |sightings| findings_of(set, sightings).map_err(|e| e.to_string());
        let history = self.history.as_ref().map(see).transpose()?.unwrap_or_default();
        let all = history.iter().cloned().chain(see(&self.events)?).collect();
        let before = found(history)?;
        let changed = found(all)?.into_iter().filter(|(id, finding)| before.get(id) != Some(finding));
        Ok(changed.map(|(id, (_, finding))| (id, finding)).collect())
    }
}

impl ReadyCase {
    /// The findings with who gave out the keys that were used, if the rule's severity depends on it.
    fn traced(
        &self,
        set: &RuleSet,
        planner: &Planner,
        mut found: BTreeMap<String, Finding>,
    ) -> Result<BTreeMap<String, Finding>, String> {
        let Some(rule) = set.rules().next().filter(|rule| rule.header.asks_lineage()) else {
            return Ok(found);
        };
        runtime()?.block_on(async {
            let session = planner.session(self.all()?, &self.granted).await.map_err(|e| e.strip_backtrace())?;
            let ways = Ways::of(Events::In(&session), &mut Issuers::default(), found.values()).await;
            let ways = ways.map_err(|e| e.to_string())?;
            found.values_mut().for_each(|finding| ways.write(finding, Some(rule)));
            Ok(found)
        })
    }

    /// The case's history and events.
    fn all(&self) -> Result<RecordBatch, String> {
        let history = self.history.iter().chain([&self.events]);
        concat_batches(&self.events.schema(), history).map_err(|e| e.to_string())
    }

    /// What a query finds in the slots that `events` touch, and did not find without them.
    fn answers(&self, rule: &Rule, planner: &Planner) -> Result<BTreeMap<String, Finding>, String> {
        let Some(query) = rule.asks() else { return Ok(BTreeMap::new()) };
        let history = self.history.clone().unwrap_or_else(|| RecordBatch::new_empty(self.events.schema()));
        let all = self.all()?;
        let mut touched = BTreeSet::new();
        slots_of(query, &self.events, &mut touched);
        runtime()?.block_on(async {
            let session = planner.session(all, &self.granted).await.map_err(|e| e.strip_backtrace())?;
            let before = planner.session(history, &self.granted).await.map_err(|e| e.strip_backtrace())?;
            let mut changed = BTreeMap::new();
            for slot in query::slots(&session, query, Some(&touched), None).await.map_err(|e| e.to_string())? {
                let known = query::ask(&before, rule, slot).await?;
                let found = query::ask(&session, rule, slot).await?;
                changed.extend(found.into_iter().filter(|(id, finding)| known.get(id) != Some(finding)));
            }
            Ok(changed)
        })
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|e| e.to_string())
}

/// Whether every expectation can have a finding of its own.
fn assign(expected: &[Expected], found: &[&Finding], taken: &mut Vec<bool>) -> bool {
    let Some((first, rest)) = expected.split_first() else { return true };
    (0..found.len()).any(|i| {
        if taken[i] || !fits(first, found[i]) {
            return false;
        }
        taken[i] = true;
        let met = assign(rest, found, taken);
        taken[i] = met;
        met
    })
}

fn fits(expected: &Expected, finding: &Finding) -> bool {
    expected.count.is_none_or(|n| n == finding.count)
        && expected.severity.is_none_or(|severity| severity == finding.severity)
        && expected.entity.iter().all(|(k, v)| finding.entity.get(k) == Some(v))
}

fn expected_text(expected: &[Expected]) -> String {
    listed(expected.iter().map(|e| describe(e.entity.iter(), e.count, e.severity)))
}

fn found_text(found: &[&Finding]) -> String {
    listed(found.iter().map(|f| describe(f.entity.iter(), Some(f.count), Some(f.severity))))
}

fn describe<'v>(
    entity: impl Iterator<Item = (&'v String, &'v Value)>,
    count: Option<u64>,
    severity: Option<Severity>,
) -> String {
    let entity: Vec<String> = entity.map(|(k, v)| format!("{k} = {}", plain(v))).collect();
    let count = count.map_or(String::new(), |n| format!(" × {n}"));
    let severity = severity.map_or(String::new(), |severity| format!(", {severity}"));
    format!("[{}]{count}{severity}", entity.join(", "))
}

fn listed(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { "nothing".into() } else { format!("{}: {}", parts.len(), parts.join("; ")) }
}

/// Everything that a set holds of one rule and its cases, ready to be run.
pub(crate) fn decode_all(
    cases: Cases,
    rule: &Arc<crate::rule::Rule>,
    decode: &impl Decode,
) -> (Vec<ReadyCase>, Vec<CaseFailure>) {
    let (mut ready, mut failures) = (Vec::new(), Vec::new());
    for case in cases.cases {
        let (name, expect) = (case.name.clone(), case.expect.clone());
        match ReadyCase::decode(case, decode) {
            Ok(case) => ready.push(case),
            Err(got) => {
                let (rule, expected) = (rule.id.clone(), expected_text(&expect));
                failures.push(CaseFailure { rule, case: name, expected, got, why: Vec::new() });
            }
        }
    }
    (ready, failures)
}
