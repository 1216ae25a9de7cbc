//! A finding: what a rule saw, and how sightings of events become one.
//!
//! A finding is a function of its rule and of the set of events in it. Sightings are folded together in any order and
//! grouping with the same outcome, down to the bytes: that is what lets events come late, twice shuffled or one by one.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use trailhound_store::storable;

use crate::evaluate::Sighting;
use crate::header::{LINEAGE, SeverityIf};
use crate::judgement::Judgement;
use crate::lineage::{self, ACTORS_MAX, Way};
use crate::rule::Rule;
use crate::ruleset::RuleSet;
use crate::severity::{Kind, Severity, Status};
use crate::template::shown;
use crate::value::plain;

/// The most events that a finding lists; it counts them all.
pub const EVENTS_MAX: usize = 20;
/// The most characters of one value in an explanation, and of all values together.
const EXPLAINED_CHARS_MAX: usize = 80;
const EVIDENCE_CHARS_MAX: usize = 500;

/// What a rule saw. Its order of fields is the order in which it is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Hash of rule id, entity and event id (or window start).
    pub id: String,
    pub rule: String,
    pub title: String,
    pub severity: Severity,
    pub kind: Kind,
    /// Event times, µs since the epoch.
    #[serde(serialize_with = "rfc3339")]
    pub first_time: i64,
    #[serde(serialize_with = "rfc3339")]
    pub last_time: i64,
    /// Null, like every field, if the events differ in it.
    pub account_id: Option<String>,
    pub region: Option<String>,
    pub principal: Option<String>,
    /// Who it was in the end, as far as the records say: a directory's name, a user's with its account, root's. Null if there are
    /// several, nobody, or a workload.
    pub person: Option<String>,
    pub entity: BTreeMap<String, Value>,
    pub count: u64,
    /// The first events by time, then id; at most [`EVENTS_MAX`].
    pub event_ids: Vec<String>,
    pub explanation: String,
    pub attack: Vec<String>,
    /// Where these events were read, in their order: `bucket/key#ordinal`.
    pub objects: Vec<String>,
    pub status: Status,
    pub rule_version: String,
    pub evidence: BTreeMap<String, Value>,
    /// Evidence and fields that differ between the events.
    pub varies: BTreeSet<String>,
    /// Who acted, with who gave them their key, and so on back; at most [`ACTORS_MAX`](crate::lineage::ACTORS_MAX).
    pub lineage: Vec<Way>,
    /// The times of `event_ids`, so that more events can be folded in.
    #[serde(skip)]
    pub event_times: Vec<i64>,
}

impl Finding {
    /// The finding of one event, of a rule that looks at each event alone.
    pub fn of(rule: &Rule, sighting: Sighting) -> Finding {
        let what = match rule.header.judgement {
            Judgement::Match { fold: Some(window) } => Value::from(window.start(sighting.event_time)),
            _ => Value::from(sighting.event_id.as_str()),
        };
        let mut finding = Finding::begin(rule, &what, sighting);
        finding.word(rule, None);
        finding
    }

    /// A finding with its first event. Its texts are empty until [`Finding::word`].
    pub(crate) fn begin(rule: &Rule, what: &Value, sighting: Sighting) -> Finding {
        let names = rule.select.columns.iter().map(|(name, _)| name.clone());
        let evidence: BTreeMap<String, Value> = names.zip(sighting.evidence).collect();
        let lineage = sighting.actor.map(|actor| vec![vec![actor]]).unwrap_or_default();
        let entity: BTreeMap<String, Value> =
            rule.header.entity.iter().map(|c| (c.clone(), evidence.get(c).cloned().unwrap_or(Value::Null))).collect();
        let mut finding = Finding {
            id: id(rule, &entity, what),
            rule: rule.id.clone(),
            title: String::new(),
            severity: rule.header.severity,
            kind: rule.header.kind,
            first_time: sighting.event_time,
            last_time: sighting.event_time,
            account_id: sighting.account_id.as_deref().map(storable),
            region: sighting.region.as_deref().map(storable),
            principal: sighting.principal.as_deref().map(storable),
            person: None,
            entity,
            count: 1,
            event_ids: vec![sighting.event_id],
            explanation: String::new(),
            attack: rule.header.attack.clone(),
            objects: vec![sighting.object],
            status: rule.header.status,
            rule_version: rule.version.clone(),
            evidence,
            varies: BTreeSet::new(),
            lineage,
            event_times: vec![sighting.event_time],
        };
        finding.name_person();
        finding
    }

    /// The entity as the ledger writes it.
    pub(crate) fn entity_text(&self) -> String {
        serde_json::to_string(&self.entity).expect("JSON values are written as JSON")
    }

    /// Folds another finding with the same id into this one. No event may be in both. The texts are stale until
    /// [`Finding::word`].
    pub fn fold(&mut self, other: Finding) {
        self.first_time = self.first_time.min(other.first_time);
        self.last_time = self.last_time.max(other.last_time);
        self.count += other.count;
        self.varies.extend(other.varies);
        self.fold_lineage(other.lineage);
        for (name, value) in &mut self.evidence {
            if other.evidence.get(name) != Some(value) {
                self.varies.insert(name.clone());
            }
            if self.varies.contains(name) {
                *value = Value::Null;
            }
        }
        let fields = [
            ("account_id", &mut self.account_id, other.account_id),
            ("region", &mut self.region, other.region),
            ("principal", &mut self.principal, other.principal),
        ];
        for (name, mine, theirs) in fields {
            if *mine != theirs {
                self.varies.insert(name.into());
            }
            if self.varies.contains(name) {
                *mine = None;
            }
        }
        let mine = std::mem::take(&mut self.event_times)
            .into_iter()
            .zip(std::mem::take(&mut self.event_ids))
            .zip(std::mem::take(&mut self.objects));
        let mut events: Vec<_> =
            mine.chain(other.event_times.into_iter().zip(other.event_ids).zip(other.objects)).collect();
        events.sort();
        for ((time, id), object) in events.into_iter().take(EVENTS_MAX) {
            self.event_times.push(time);
            self.event_ids.push(id);
            self.objects.push(object);
        }
    }

    /// Writes title, severity and explanation from what the finding holds now and, for a rule with memory, from what it
    /// claims.
    pub fn word(&mut self, rule: &Rule, note: Option<&str>) {
        self.severity = self.exception(rule).map_or(rule.header.severity, |case| case.severity);
        self.title = rule.header.title.fill(|column| self.value(column));
        self.explanation = self.explain(rule, note);
    }

    /// What the rule says of findings such as this, if it says something other than of most.
    fn exception<'r>(&self, rule: &'r Rule) -> Option<&'r SeverityIf> {
        let holds = |case: &&SeverityIf| match case.column.as_str() {
            column if LINEAGE.contains(&column) => {
                // Of those who are not listed nothing is known.
                (1..ACTORS_MAX).contains(&self.lineage.len())
                    && self.lineage.iter().all(|way| lineage::told_by(way, column).as_ref() == Some(&case.value))
            }
            column => self.evidence.get(column).is_some_and(|value| plain(value) == case.value),
        };
        let holding = || rule.header.severity_if.iter().filter(holds);
        let less = holding().filter(|case| case.severity < rule.header.severity).min_by_key(|case| case.severity);
        less.or_else(|| holding().min_by_key(|case| Reverse(case.severity)))
    }

    fn value(&self, column: &str) -> String {
        if self.varies.contains(column) {
            "several".into()
        } else {
            self.evidence.get(column).map_or("none".into(), plain)
        }
    }

    /// One sentence on what was seen and one on why it matters, short enough for a chat message.
    fn explain(&self, rule: &Rule, note: Option<&str>) -> String {
        let mut text = match self.count {
            _ if self.kind == Kind::Query => format!("In the slot from {}", time(self.first_time)),
            1 => format!("Seen at {}", time(self.first_time)),
            n => format!("{n} events from {} to {}", time(self.first_time), time(self.last_time)),
        };
        let fields = [
            (" by ", "principal", &self.principal),
            (" in ", "account_id", &self.account_id),
            (", ", "region", &self.region),
        ];
        for (word, name, value) in fields {
            match value {
                Some(value) => drop(write!(text, "{word}{}", shown(value, EXPLAINED_CHARS_MAX))),
                None if self.varies.contains(name) => drop(write!(text, "{word}several {}", plural(name))),
                None => {}
            }
        }
        let mut evidence = String::new();
        for (name, _) in &rule.select.columns {
            let told = matches!(name.as_str(), "event_time" | "account_id" | "aws_region" | "principal_key");
            let value = self.value(name);
            if told || (self.evidence.get(name).is_none_or(Value::is_null) && !self.varies.contains(name)) {
                continue;
            }
            let part = format!(
                "{}{name} {}",
                if evidence.is_empty() { ": " } else { ", " },
                shown(&value, EXPLAINED_CHARS_MAX)
            );
            if evidence.chars().count() + part.chars().count() > EVIDENCE_CHARS_MAX {
                evidence.push_str(", …");
                break;
            }
            evidence.push_str(&part);
        }
        let mut note = note.map_or(String::new(), |note| format!("{note}. "));
        if let Some(SeverityIf { column, value, severity }) = self.exception(rule) {
            let _ = write!(note, "It is {severity}, since {column} is {}. ", shown(value, EXPLAINED_CHARS_MAX));
        }
        format!("{text}{evidence}. {note}{}", rule.header.why)
    }
}

/// Folds sightings into findings, each with its rule's place in the set, by id. The order of sightings does not matter.
pub fn fold(set: &RuleSet, sightings: Vec<Sighting>, found: &mut Folded) {
    let mut stale = BTreeSet::new();
    for sighting in sightings {
        let place = sighting.rule;
        let finding = Finding::of(&set.rules[place].rule, sighting);
        match found.entry(finding.id.clone()) {
            Entry::Vacant(entry) => drop(entry.insert((place, finding))),
            Entry::Occupied(mut entry) => {
                stale.insert(finding.id.clone());
                entry.get_mut().1.fold(finding);
            }
        }
    }
    for id in stale {
        if let Some((place, finding)) = found.get_mut(&id) {
            finding.word(&set.rules[*place].rule, None);
        }
    }
}

/// Findings by id, each with its rule's place in the set.
pub type Folded = BTreeMap<String, (usize, Finding)>;

/// The id of a rule's finding: `what` is the event, the window or whatever else tells findings of one entity apart.
pub(crate) fn id(rule: &Rule, entity: &BTreeMap<String, Value>, what: &Value) -> String {
    let values: Vec<&Value> = rule.header.entity.iter().map(|c| entity.get(c).unwrap_or(&Value::Null)).collect();
    finding_id(&rule.id, &values, what)
}

/// The first 16 bytes of the SHA-256 of the JSON list `[rule, entity values…, event id or window start]`.
fn finding_id(rule: &str, entity: &[&Value], what: &Value) -> String {
    let parts = serde_json::to_string(&(rule, entity, what)).expect("JSON values are written as JSON");
    hex(&Sha256::digest(parts.as_bytes())[..16])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// A time in µs since the epoch as RFC 3339 in UTC; times that no calendar has are clamped to it.
pub fn time(micros: i64) -> String {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX }).to_string()
}

fn rfc3339<S: Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time(*micros))
}

fn plural(field: &str) -> &str {
    match field {
        "account_id" => "accounts",
        "region" => "regions",
        _ => "principals",
    }
}
