//! What counts as found, and as noise. A finding is *told* if it is of medium severity or higher and its rule is no trial: that is what
//! interrupts somebody. It is *true* if one of the events that it lists is an attack's, or, where it counts more than it lists, if it is
//! about the attack's principal at the time of the attack. An attack is *found* if a told finding is true of it. It is detected at the
//! event time at which the finding can first be raised: a single event's own, the last event's where several make one.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub struct Finding {
    pub rule: String,
    pub title: String,
    pub severity: String,
    pub status: String,
    pub kind: String,
    #[serde(deserialize_with = "time")]
    pub first_time: Timestamp,
    #[serde(deserialize_with = "time")]
    pub last_time: Timestamp,
    pub principal: Option<String>,
    pub count: usize,
    pub event_ids: Vec<String>,
    pub entity: BTreeMap<String, Value>,
}

impl Finding {
    pub fn is_told(&self) -> bool {
        matches!(self.severity.as_str(), "medium" | "high" | "critical") && self.status == "stable"
    }

    /// The long-term key that it is about.
    pub fn key(&self) -> Option<&str> {
        let named = ["access_key", "user_identity_access_key_id"].iter().find_map(|column| self.entity.get(*column))?;
        named.as_str().filter(|key| key.starts_with("AKIA"))
    }

    fn raised_at(&self) -> Timestamp {
        if matches!(self.kind.as_str(), "match" | "first_seen" | "rare") { self.first_time } else { self.last_time }
    }
}

/// How a long-term key is used, by design.
#[derive(Debug, Deserialize)]
pub struct Key {
    pub access_key: String,
    pub usage: String,
    /// The weakness that this is, if the key is shared.
    pub posture: Option<String>,
}

/// A planted story.
#[derive(Debug, Deserialize)]
pub struct Label {
    pub id: String,
    pub kind: String,
    pub techniques: Vec<String>,
    pub strength: String,
    #[serde(deserialize_with = "time")]
    pub first_time: Timestamp,
    #[serde(deserialize_with = "time")]
    pub last_time: Timestamp,
    #[serde(rename = "event_ids")]
    pub ids: Vec<String>,
    /// `principal_key` of those who act in it.
    #[serde(skip)]
    pub principals: HashSet<String>,
}

impl Label {
    fn holds(&self, finding: &Finding, ids: &HashSet<&str>) -> bool {
        finding.event_ids.iter().any(|id| ids.contains(id.as_str()))
            || finding.count > finding.event_ids.len()
                && finding.principal.as_ref().is_some_and(|principal| self.principals.contains(principal))
                && finding.first_time <= self.last_time
                && finding.last_time >= self.first_time
    }
}

fn time<'d, D: Deserializer<'d>>(text: D) -> Result<Timestamp, D::Error> {
    String::deserialize(text)?.parse().map_err(D::Error::custom)
}

/// From one second up to but not including another.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub from: i64,
    pub to: i64,
}

impl Span {
    pub fn days(self) -> f64 {
        (self.to - self.from) as f64 / 86_400.0
    }

    fn holds(self, finding: &Finding) -> bool {
        (self.from..self.to).contains(&finding.first_time.as_second())
    }
}

/// One organisation: what was planted, and what was found.
#[derive(Debug)]
pub struct Run {
    pub seed: u64,
    /// Distinct people, users and roles in the quiet days.
    pub principals: u64,
    pub quiet: Span,
    pub attacked: Span,
    pub findings: Vec<Finding>,
    pub labels: Vec<Label>,
    pub chores: Vec<Label>,
    pub keys: Vec<Key>,
}

/// An attack, and what became of it.
#[derive(Debug)]
pub struct Outcome<'a> {
    pub seed: u64,
    pub label: &'a Label,
    /// Rules whose told findings are true of it.
    pub rules: Vec<&'a str>,
    /// Found by a finding that nobody is told of, only.
    pub quietly: bool,
    /// Seconds from the first event to the first told finding.
    pub seconds: Option<i64>,
}

impl Run {
    pub fn outcomes(&self) -> Vec<Outcome<'_>> {
        self.labels.iter().map(|label| self.outcome(label)).collect()
    }

    fn outcome<'a>(&'a self, label: &'a Label) -> Outcome<'a> {
        let ids: HashSet<&str> = label.ids.iter().map(String::as_str).collect();
        let truly: Vec<&Finding> = self.findings.iter().filter(|finding| label.holds(finding, &ids)).collect();
        let told = || truly.iter().filter(|finding| finding.is_told());
        let mut rules: Vec<&str> = told().map(|finding| finding.rule.as_str()).collect();
        rules.sort_unstable();
        rules.dedup();
        let seconds =
            told().map(|finding| (finding.raised_at().as_second() - label.first_time.as_second()).max(0)).min();
        Outcome { seed: self.seed, label, quietly: rules.is_empty() && !truly.is_empty(), rules, seconds }
    }

    /// Told findings of a stretch of time: those that are true of an attack, and the others.
    pub fn told(&self, span: Span) -> (Vec<&Finding>, Vec<&Finding>) {
        let ids: Vec<HashSet<&str>> =
            self.labels.iter().map(|label| label.ids.iter().map(String::as_str).collect()).collect();
        let is_true = |finding: &&Finding| self.labels.iter().zip(&ids).any(|(label, ids)| label.holds(finding, ids));
        self.findings.iter().filter(|finding| finding.is_told() && span.holds(finding)).partition(is_true)
    }

    /// Findings about a long-term key, whether people are told or not: each with whether it is true of an attack.
    pub fn of_keys(&self) -> impl Iterator<Item = (&Finding, &str, bool)> {
        let ids: Vec<HashSet<&str>> =
            self.labels.iter().map(|label| label.ids.iter().map(String::as_str).collect()).collect();
        let from = self.quiet.from;
        self.findings.iter().filter(move |finding| finding.last_time.as_second() >= from).filter_map(move |finding| {
            let stolen = self.labels.iter().zip(&ids).any(|(label, ids)| label.holds(finding, ids));
            Some((finding, finding.key()?, stolen))
        })
    }

    /// The chore that a finding is about, by the events that it lists.
    pub fn chore(&self, finding: &Finding) -> Option<&str> {
        let about = |label: &&Label| finding.event_ids.iter().any(|id| label.ids.contains(id));
        self.chores.iter().find(about).map(|label| label.kind.as_str())
    }
}

/// Counts by a name, the most frequent first.
pub fn counted<T: Ord>(names: impl Iterator<Item = T>) -> Vec<(T, usize)> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    let mut counts: Vec<(T, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}
