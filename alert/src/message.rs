//! What a person is told of an incident: what happened, who did it, from where, in which account, when, on what evidence,
//! and how to go on. Sinks turn it into their own forms; its JSON is the stable document of the webhook and NDJSON sinks.
//!
//! Values are here as they were logged. A sink that shows them to people makes them harmless in its own language.

pub(crate) mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use sqlx::Pool;
use sqlx::any::Any;
use trailhound_detect::finding::time;
use trailhound_detect::{Finding, FindingsLedger, RuleFacts, Severity};
use trailhound_store::name_accounts;

use crate::error::Result;
use crate::incident::{Row, State, rule_facts, top_members};
use text::{cut, shell_double, shell_word, visible};

/// Findings that a message lists, gravest first; the rest are counted.
pub const FINDINGS_MAX: usize = 10;
/// Event ids in the SQL to go on with.
const EVENT_IDS_MAX: usize = 20;
/// Pieces of evidence, and the most characters of one.
const EVIDENCE_MAX: usize = 20;
const VALUE_CHARS_MAX: usize = 300;
/// Callers, addresses and accounts that are named.
const NAMES_MAX: usize = 5;
const EXPLANATION_CHARS_MAX: usize = 2_000;
const RUNBOOK_CHARS_MAX: usize = 4_000;

/// The version of the JSON document. Fields may be added under the same version; none changes its meaning.
const VERSION: u32 = 1;

/// An incident as it stands now, for people.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    pub version: u32,
    /// The incident's id, the same in every message about it.
    pub id: String,
    /// Counts what was worth telling; of two messages about an incident the higher one is the newer.
    pub revision: i64,
    /// `incident`, `watch` (the service about itself) or `test`.
    pub kind: String,
    pub state: State,
    pub severity: Severity,
    /// What happened, in a sentence.
    pub title: String,
    /// Why it is closed: `merged`, `retracted`, `over`, or what a person said.
    pub closed_reason: Option<String>,
    pub merged_into: Option<String>,
    /// RFC 3339, event times.
    pub first_time: Option<String>,
    pub last_time: Option<String>,
    pub principals: Vec<String>,
    /// Who it was in the end, where the records say: people behind keys and roles.
    pub people: Vec<String>,
    pub sources: Vec<String>,
    pub accounts: Vec<Account>,
    pub regions: Vec<String>,
    pub findings_total: u64,
    /// The gravest, at most [`FINDINGS_MAX`].
    pub findings: Vec<Line>,
    /// What the gravest finding rests on.
    pub evidence: BTreeMap<String, Value>,
    pub explanation: String,
    pub runbook: String,
    pub references: Vec<String>,
    /// ATT&CK techniques.
    pub attack: Vec<String>,
    /// Command lines to go on with.
    pub sql: Option<String>,
    pub investigate: Option<String>,
    /// Further incidents that wait because the sink's limit a minute is reached.
    pub waiting: u64,
}

/// An account with the name that the operator gave it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Account {
    pub id: String,
    pub name: Option<String>,
}

/// One finding of an incident.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub id: String,
    pub rule: String,
    pub severity: Severity,
    pub title: String,
    pub first_time: String,
    pub last_time: String,
    pub count: u64,
    pub account_id: Option<String>,
    pub region: Option<String>,
    pub event_ids: Vec<String>,
    /// It came since the incident was told last at this sink.
    pub new: bool,
}

/// Reads what messages are made of.
pub(crate) struct Writer<'a> {
    pub pool: &'a Pool<Any>,
    pub findings: &'a FindingsLedger,
    pub accounts: &'a BTreeMap<String, String>,
    pub fail: &'a (dyn Fn(sqlx::Error) -> crate::AlertError + Sync),
}

impl Writer<'_> {
    /// The message about an incident for a sink that told it last with `told_revision`.
    pub async fn write(&self, row: &Row, told_revision: i64) -> Result<Message> {
        let mut message = Message::blank(row);
        let members = top_members(self.pool, &row.id, FINDINGS_MAX as i64).await.map_err(self.fail)?;
        let mut found = Vec::with_capacity(members.len());
        for (id, joined) in members {
            if let Some(finding) = self.findings.get(&id).await? {
                found.push((finding, joined > told_revision));
            }
        }
        if let Some((gravest, _)) = found.first() {
            let facts = rule_facts(self.pool, &gravest.rule).await.map_err(self.fail)?;
            message.tell(&found, facts.unwrap_or_default(), self.accounts);
        }
        let titles = message.findings.iter_mut().map(|line| &mut line.title);
        for text in titles.chain([&mut message.title]) {
            *text = name_accounts(text, self.accounts);
        }
        Ok(message)
    }
}

impl Message {
    /// What the incident's own row says.
    pub(crate) fn blank(row: &Row) -> Self {
        Message {
            version: VERSION,
            id: row.id.clone(),
            revision: row.revision,
            kind: row.kind.clone(),
            state: row.state,
            severity: row.severity,
            title: row.title.clone(),
            closed_reason: row.closed_reason.clone(),
            merged_into: row.merged_into.clone(),
            first_time: row.first_time.map(time),
            last_time: row.last_time.map(time),
            principals: Vec::new(),
            people: Vec::new(),
            sources: Vec::new(),
            accounts: Vec::new(),
            regions: Vec::new(),
            findings_total: row.findings.unsigned_abs(),
            findings: Vec::new(),
            evidence: BTreeMap::new(),
            explanation: String::new(),
            runbook: String::new(),
            references: Vec::new(),
            attack: Vec::new(),
            sql: None,
            investigate: None,
            waiting: 0,
        }
    }

    /// What its findings say; the gravest first.
    pub(crate) fn tell(&mut self, found: &[(Finding, bool)], rule: RuleFacts, names: &BTreeMap<String, String>) {
        let Some((gravest, _)) = found.first() else { return };
        let all = || found.iter().map(|(finding, _)| finding);
        self.findings = found.iter().map(|(finding, new)| Line::of(finding, *new)).collect();
        self.principals = several(all().filter_map(|f| f.principal.clone()));
        self.people = several(all().filter_map(|f| f.person.clone()));
        self.regions = several(all().filter_map(|f| f.region.clone()));
        self.sources = several(all().filter_map(source));
        self.accounts = several(all().filter_map(|f| f.account_id.clone()).map(|id| {
            let name = names.get(&id).cloned();
            Account { id, name }
        }));
        self.attack = all().flat_map(|f| f.attack.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect();
        self.evidence = evidence(gravest);
        self.explanation = cut(&gravest.explanation, EXPLANATION_CHARS_MAX);
        self.runbook = cut(&filled(&rule.runbook, gravest), RUNBOOK_CHARS_MAX);
        self.references = rule.refs;
        self.sql = sql(all());
        self.investigate =
            self.principals.first().map(|who| format!("trailhound investigate {}", shell_word(&visible(who))));
    }

    /// A message that tries a sink.
    pub(crate) fn test(id: &str, now: i64) -> Self {
        let mut row = Row::new(id, "test", now);
        row.revision = 1;
        row.title = "This is a test of Trailhound's alerts: nothing has happened".into();
        row.first_time = Some(now);
        row.last_time = Some(now);
        let mut message = Message::blank(&row);
        message.explanation = "Somebody asked to see that alerts arrive here. There is nothing to do.".into();
        message
    }

    /// How many findings the message does not list.
    pub(crate) fn unlisted(&self) -> u64 {
        self.findings_total.saturating_sub(self.findings.len() as u64)
    }

    /// The accounts with their names.
    pub(crate) fn account_names(&self) -> Vec<String> {
        self.accounts
            .iter()
            .map(|account| match &account.name {
                Some(name) => format!("{name} ({})", account.id),
                None => account.id.clone(),
            })
            .collect()
    }

    /// When it happened.
    pub(crate) fn when(&self) -> String {
        match (&self.first_time, &self.last_time) {
            (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
            (Some(first), _) => first.clone(),
            _ => String::new(),
        }
    }

    /// Where it stands, in words.
    pub(crate) fn standing(&self) -> String {
        match (self.state, &self.merged_into, &self.closed_reason) {
            (State::Closed, Some(into), _) => format!("closed, merged into {into}"),
            (State::Closed, None, Some(reason)) => format!("closed: {reason}"),
            (state, _, _) => state.to_string(),
        }
    }
}

impl Line {
    fn of(finding: &Finding, new: bool) -> Self {
        Line {
            id: finding.id.clone(),
            rule: finding.rule.clone(),
            severity: finding.severity,
            title: finding.title.clone(),
            first_time: time(finding.first_time),
            last_time: time(finding.last_time),
            count: finding.count,
            account_id: finding.account_id.clone(),
            region: finding.region.clone(),
            event_ids: finding.event_ids.clone(),
            new,
        }
    }
}

/// The first few different ones, in their order.
fn several<T: Ord + Clone>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    values.filter(|value| seen.insert(value.clone())).take(NAMES_MAX).collect()
}

/// Where it came from: the address with what is known of it.
fn source(finding: &Finding) -> Option<String> {
    let text = |name: &str| finding.evidence.get(name).and_then(Value::as_str).filter(|s| !s.is_empty());
    let address = text("source_ip_address")?;
    let place: Vec<&str> = ["source_country", "source_as_org"].into_iter().filter_map(text).collect();
    Some(if place.is_empty() { address.to_owned() } else { format!("{address} ({})", place.join(", ")) })
}

fn evidence(finding: &Finding) -> BTreeMap<String, Value> {
    let told = finding.evidence.iter().filter(|(_, value)| !value.is_null());
    let short = |value: &Value| match value {
        Value::String(text) => Value::String(cut(text, VALUE_CHARS_MAX)),
        Value::Array(_) | Value::Object(_) => Value::String(cut(&value.to_string(), VALUE_CHARS_MAX)),
        other => other.clone(),
    };
    told.take(EVIDENCE_MAX).map(|(name, value)| (name.clone(), short(value))).collect()
}

/// A rule's runbook with `<column>` replaced by what the finding has there. It stands inside of SQL quotes, so quotes in
/// values are doubled.
fn filled(runbook: &str, finding: &Finding) -> String {
    let mut text = runbook.to_owned();
    for (name, value) in &finding.evidence {
        let place = format!("<{name}>");
        if let Value::String(value) = value
            && text.contains(&place)
            && !value.contains('<')
        {
            text = text.replace(&place, &cut(&visible(value), VALUE_CHARS_MAX).replace('\'', "''"));
        }
    }
    text
}

/// The command that shows the events. Ids that are not of the form in which AWS writes them are left out: they would be
/// somebody's text on somebody else's command line.
fn sql<'a>(findings: impl Iterator<Item = &'a Finding>) -> Option<String> {
    let plain =
        |id: &&String| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let ids = several_ids(findings.flat_map(|f| f.event_ids.iter()).filter(plain));
    if ids.is_empty() {
        return None;
    }
    let list: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let query = format!(
        "SELECT event_time, event_name, principal_key, source_ip_address, user_agent, outcome FROM events \
         WHERE event_id IN ({}) ORDER BY event_time",
        list.join(", ")
    );
    Some(format!("trailhound sql {}", shell_double(&query)))
}

fn several_ids<'a>(ids: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut seen = BTreeSet::new();
    ids.filter(|id| seen.insert(*id)).take(EVENT_IDS_MAX).collect()
}

#[cfg(test)]
pub(crate) mod tests;
