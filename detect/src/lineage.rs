//! Who stands behind a credential: from who acted, through the calls that gave it its keys, to a person or a workload.
//!
//! ```text
//! sighting ─► Hop (who acted, with which key) ─► the STS call that gave out that key ─► Hop (its caller) ─► … ─► person
//!                                            └─► or who took on the role in the console
//! ```
//! A way back is a function of the event's own record and of the records that gave out keys, whichever came first: the keys on a
//! finding's ways lie in the ledger, and when a record comes that gives out one of them (late, or as the copy that the caller's
//! account has of it) the finding is amended. Ways are asked for where there are findings; what was asked a moment ago is not asked again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::DataFusionError;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use trailhound_store::{ROLE_SWITCHES, Store, storable};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{DetectError, Result};
use crate::finding::{Finding, time as rfc3339};
use crate::header::{ISSUED_BY, STANDS_ON};
use crate::rule::Rule;
use crate::state::DAY;

/// Who acted in a finding's events, at most so many: the first by name.
pub const ACTORS_MAX: usize = 20;
/// Roles may be taken on one from another, within an hour each; nobody goes further.
const HOPS_MAX: usize = 12;
/// How long before its use a key may have been given out: 36 hours is the longest session, for each of the steps that
/// last longer than an hour (a sign-in, a session, a role).
const ISSUED_BEFORE: i64 = 5 * DAY;
/// Classes that nobody stands behind: people whose session has their own name, and programs that AWS hands its keys to.
const ENDS: [&str; 8] = [
    "human_sso",
    "ec2_instance",
    "ssm_hybrid_node",
    "lambda",
    "ecs_task",
    "aws_service",
    "aws_service_role",
    "service_linked_role",
];
/// What `severity_if` calls a key that is no temporary one.
const LONG_LIVED: &str = "long-lived key";
/// What the name of a session begins with where it stands beside keys.
const SESSION: &str = "session:";
/// The record of a role that was taken on in the console.
const SWITCH_ROLE: &str = "SwitchRole";
/// Keys and sessions in one statement.
const LEADS_MAX: usize = 2_000;
const HOUR: i64 = DAY / 24;
/// Keys that are remembered, some hundred bytes each.
const ISSUERS_MAX: usize = 20_000;

/// Somebody on the way back from an event to a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hop {
    /// `principal_key`.
    pub principal: Option<String>,
    pub principal_name: Option<String>,
    /// `principal_class`.
    pub class: Option<String>,
    pub session_name: Option<String>,
    pub account_id: Option<String>,
    /// What it called with.
    pub access_key_id: Option<String>,
    pub source_identity: Option<String>,
    /// When its session began, µs since the epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session_began: Option<i64>,
    /// How it gave out the key of the hop before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issue: Option<Issue>,
}

/// A call that gave out a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Issue {
    /// µs since the epoch.
    pub time: i64,
    pub event_name: String,
    pub event_id: String,
    pub source_ip_address: Option<String>,
}

/// A way back: who acted first, whoever gave them their key behind.
pub type Way = Vec<Hop>;

impl Hop {
    /// What was given to somebody who has somebody behind them, and leads on to whoever gave it: a temporary key. The console
    /// makes keys of its own for a role; there it is the role, taken on on the day on which the session began or the one before.
    fn leads_to(&self) -> Vec<Lead> {
        let principal = self.principal.as_deref().unwrap_or_default();
        let class = self.class.as_deref().unwrap_or_default();
        if principal.starts_with("user:") || ENDS.contains(&class) {
            return Vec::new();
        }
        // A key's session begins when it is given out; the clocks of two regions may differ.
        let issued = self.session_began.map(|began| (began.saturating_sub(HOUR), began.saturating_add(HOUR)));
        let key = self.access_key_id.iter().filter(|key| key.starts_with("ASIA"));
        let mut leads: Vec<Lead> = key.map(|key| Lead { name: key.clone(), between: issued }).collect();
        if let (Some(session), Some(began)) = (self.session_name.as_deref(), self.session_began)
            && class == "human"
            && principal.starts_with("role:")
        {
            let days = [began, began.saturating_sub(DAY)];
            leads.extend(days.map(|day| Lead { name: session_on(principal, session, day), between: Some((day, day)) }));
        }
        leads
    }

    /// Who this is, if it is somebody who has nobody behind them: a person, or a user as an account knows it.
    fn person(&self) -> Option<String> {
        let of_account = |name: &str| match &self.account_id {
            Some(account) => format!("{name} of {account}"),
            None => name.to_owned(),
        };
        let key = self.principal.as_deref()?;
        match self.class.as_deref()? {
            "root" => Some(of_account("root")),
            // Their name is everybody's: the directory's, whatever role it is used in.
            "human_sso" => self.session_name.clone().or_else(|| self.principal_name.clone()),
            "human" if !key.starts_with("role:") => self.principal_name.clone(),
            _ if key.starts_with("user:") => self.principal_name.as_deref().map(of_account),
            _ => None,
        }
    }

    /// In words: name, session and account.
    pub fn told(&self) -> String {
        let name = self.principal_name.as_deref().or(self.principal.as_deref()).unwrap_or("somebody");
        let mut text = match &self.session_name {
            Some(session) => format!("{name}/{session}"),
            None => name.to_owned(),
        };
        if let Some(account) = &self.account_id {
            text.push_str(&format!(" in {account}"));
        }
        text
    }
}

/// What leads on from somebody to whoever gave it to them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Lead {
    /// A temporary key, or a session on a day.
    name: String,
    /// Between which times it was given, µs since the epoch, if that is known; days are looked through as a whole.
    between: Option<(i64, i64)>,
}

impl Lead {
    /// Between which times it is looked for, where it cannot have been given outside of some.
    fn within(&self, all: (i64, i64)) -> (i64, i64) {
        self.between.filter(|(from, to)| *from >= all.0 && *to <= all.1).unwrap_or(all)
    }
}

/// The person at the end of a way: who the source identity names, since it cannot be changed on the way; else the last.
pub fn person(way: &[Hop]) -> Option<String> {
    let named = way.iter().rev().find_map(|hop| hop.source_identity.clone());
    named.or_else(|| way.iter().rev().find_map(Hop::person))
}

/// What stands for a column in `severity_if` and is told by a way.
pub(crate) fn told_by(way: &Way, column: &str) -> Option<String> {
    match column {
        // The name of the call that gave out the key with which somebody acted, if it was seen.
        ISSUED_BY => way.get(1)?.issue.as_ref().map(|issue| issue.event_name.clone()),
        // With what the first call was made.
        STANDS_ON => {
            way.last()?.access_key_id.as_deref().filter(|key| key.starts_with("AKIA")).map(|_| LONG_LIVED.into())
        }
        _ => None,
    }
}

/// A session of a role on the UTC day of a time, as it is looked for beside keys; the view `role_switches` names it so.
fn session_on(principal: &str, session: &str, time: i64) -> String {
    format!("{SESSION}{principal}/{session}@{}", &rfc3339(time)[..10])
}

/// A way as people read it, from its beginning: `ana in 1…1 —AssumeRole→ Deploy/ana in 2…2`.
pub fn told(way: &[Hop]) -> String {
    let mut text = String::new();
    for (place, hop) in way.iter().enumerate().rev() {
        text.push_str(&hop.told());
        if place > 0 {
            let how = hop.issue.as_ref().map_or("?", |issue| issue.event_name.as_str());
            text.push_str(&format!(" \u{2014}{how}\u{2192} "));
        }
    }
    text
}

/// The temporary keys and sessions on ways: a record that gives one of them out may change the way.
pub(crate) fn keys(ways: &[Way]) -> BTreeSet<String> {
    ways.iter().flatten().flat_map(Hop::leads_to).map(|lead| lead.name).collect()
}

/// A key as it is looked for among those on the ways of findings.
pub(crate) fn key_hash(key: &str) -> u64 {
    xxh3_64(key.as_bytes())
}

/// The temporary keys on the ways of a finding, by hash.
pub(crate) fn key_hashes(finding: &Finding) -> Vec<u64> {
    keys(&finding.lineage).iter().map(|key| key_hash(key)).collect()
}

/// Who gave out keys, as far as the table says; none where nobody was seen to. What it says of a key holds until a record comes
/// that gives it out.
#[derive(Debug, Default)]
pub(crate) struct Issuers(HashMap<String, Option<Hop>>);

impl Issuers {
    /// Forgets what a record that gives out a key may have changed.
    pub fn forget(&mut self, issued: &str) {
        self.0.remove(issued);
    }

    /// Asks the table for those that are not known.
    async fn learn(&mut self, events: &Events<'_>, leads: BTreeSet<Lead>, all: (i64, i64)) -> Result<()> {
        if leads.iter().all(|lead| self.0.contains_key(&lead.name)) {
            return Ok(());
        }
        if self.0.len() > ISSUERS_MAX {
            self.0.clear();
        }
        let new: BTreeSet<Lead> = leads.into_iter().filter(|lead| !self.0.contains_key(&lead.name)).collect();
        self.0.extend(issuers(events.session().await?, &new, all).await?);
        Ok(())
    }
}

/// Where records that gave out keys are looked for. A store's are opened once, if there is something to look for.
pub(crate) enum Events<'e> {
    Of(&'e Store, OnceCell<SessionContext>),
    In(&'e SessionContext),
}

impl<'e> Events<'e> {
    pub fn of(store: &'e Store) -> Self {
        Events::Of(store, OnceCell::new())
    }

    async fn session(&self) -> Result<&SessionContext> {
        match self {
            Events::In(session) => Ok(session),
            Events::Of(store, opened) => Ok(opened.get_or_try_init(|| store.events()).await?),
        }
    }
}

/// The ways of some who acted.
#[derive(Debug, Default)]
pub(crate) struct Ways(BTreeMap<Hop, Way>);

impl Ways {
    /// Looks for the ways of everybody who acted in findings, among the records that gave out keys.
    pub async fn of<'f>(
        events: Events<'_>,
        known: &mut Issuers,
        findings: impl Iterator<Item = &'f Finding>,
    ) -> Result<Ways> {
        let mut ways = BTreeMap::new();
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for finding in findings {
            for hop in finding.lineage.iter().filter_map(|way| way.first()) {
                if !hop.leads_to().is_empty() {
                    (first, last) = (first.min(finding.first_time), last.max(finding.last_time));
                }
                ways.insert(hop.clone(), vec![hop.clone()]);
            }
        }
        let mut ways = Ways(ways);
        if first <= last {
            ways.follow(&events, known, (first.saturating_sub(ISSUED_BEFORE), last.saturating_add(DAY))).await?;
        }
        Ok(ways)
    }

    /// Goes back one step after the other, all ways at once.
    async fn follow(&mut self, events: &Events<'_>, known: &mut Issuers, all: (i64, i64)) -> Result<()> {
        for _ in 0..HOPS_MAX {
            let ends = self.0.values().filter_map(|way| way.last()).flat_map(Hop::leads_to).collect();
            known.learn(events, ends, all).await?;
            let mut moved = false;
            for way in self.0.values_mut() {
                let leads = way.last().map(Hop::leads_to).unwrap_or_default();
                let next = leads.iter().find_map(|lead| known.0.get(&lead.name).cloned().flatten());
                // No way comes twice by the same place, whatever records say.
                if let Some(next) = next.filter(|next| way.len() < HOPS_MAX && !way.contains(next)) {
                    way.push(next);
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        Ok(())
    }

    /// Puts a finding's ways in place of those that it has, and says who it was and, where that depends on it, how bad it is.
    pub fn write(&self, finding: &mut Finding, rule: Option<&Rule>) {
        for way in &mut finding.lineage {
            if let Some(found) = way.first().and_then(|hop| self.0.get(hop)) {
                way.clone_from(found);
            }
        }
        finding.name_person();
        if let Some(rule) = rule.filter(|rule| rule.header.asks_lineage()) {
            finding.word(rule, None);
        }
    }
}

/// Who gave out keys and sessions, by name; none for those whose issue is not there.
async fn issuers(
    session: &SessionContext,
    leads: &BTreeSet<Lead>,
    all: (i64, i64),
) -> Result<HashMap<String, Option<Hop>>> {
    let mut best: HashMap<String, ((bool, bool, Option<Issue>), Hop)> = HashMap::new();
    // Of two who took on a role by one name nobody knows whose the session is.
    let mut unclear: BTreeSet<String> = BTreeSet::new();
    let (sessions, keys): (Vec<&Lead>, Vec<&Lead>) = leads.iter().partition(|lead| lead.name.starts_with(SESSION));
    let of_keys = |leads: &[&Lead]| {
        format!("SELECT {} FROM events WHERE {KEY_GIVEN} AND {}", ISSUE_COLUMNS.join(", "), given(KEY, leads, all))
    };
    let of_sessions = |leads: &[&Lead]| {
        format!("SELECT {SESSION_COLUMNS} FROM ({ROLE_SWITCHES}) WHERE {}", given("session", leads, all))
    };
    let statements = keys.chunks(LEADS_MAX).map(of_keys);
    for sql in statements.chain(sessions.chunks(LEADS_MAX).map(of_sessions)) {
        let mut rows = trailhound_store::query(session, &sql).await?;
        while let Some(batch) = rows.try_next().await.map_err(DetectError::recall)? {
            let read = Issues::of(&batch)?;
            for row in 0..batch.num_rows() {
                let Some((key, other_account, hop)) = read.row(row) else { continue };
                // Both accounts have a copy of a call across accounts; the caller's says more. The view `lineage` chooses
                // the same one.
                let weight = (hop.access_key_id.is_none(), other_account, hop.issue.clone());
                let best = best.entry(key.clone()).or_insert_with(|| (weight.clone(), hop.clone()));
                if key.starts_with(SESSION) && best.1.principal != hop.principal {
                    unclear.insert(key);
                }
                if weight < best.0 {
                    *best = (weight, hop);
                }
            }
        }
    }
    best.retain(|key, _| !unclear.contains(key));
    Ok(leads.iter().map(|lead| (lead.name.clone(), best.remove(&lead.name).map(|(_, hop)| hop))).collect())
}

/// A condition on the column that names what was given, and on the days on which that can have been.
fn given(column: &str, leads: &[&Lead], all: (i64, i64)) -> String {
    let (from, to) = leads
        .iter()
        .map(|lead| lead.within(all))
        .fold((i64::MAX, i64::MIN), |(from, to), (first, last)| (from.min(first), to.max(last)));
    let names: Vec<String> = leads.iter().map(|lead| format!("'{}'", lead.name.replace('\'', "''"))).collect();
    format!(
        "event_date BETWEEN CAST({} AS INT)::DATE AND CAST({} AS INT)::DATE AND {column} IN ({})",
        from.div_euclid(DAY),
        to.div_euclid(DAY),
        names.join(", ")
    )
}

/// The column that names a key that was given out, and which records have it.
const KEY: &str = "response_access_key_id";
const KEY_GIVEN: &str = "event_source = 'sts.amazonaws.com' AND outcome = 'success'";
const ISSUE_COLUMNS: [&str; 14] = [
    KEY,
    "principal_key",
    "principal_name",
    "principal_class",
    "session_name",
    "user_identity_account_id",
    "user_identity_access_key_id",
    "session_source_identity",
    "event_name",
    "event_id",
    "source_ip_address",
    "user_identity_type",
    "session_creation_date",
    "event_time",
];
/// The same of who took on a role in the console.
const SESSION_COLUMNS: &str = "session AS response_access_key_id, issuer_key AS principal_key, issuer_name AS principal_name, \
    issuer_class AS principal_class, issuer_session AS session_name, issuer_account_id AS user_identity_account_id, \
    NULL AS user_identity_access_key_id, source_identity AS session_source_identity, how AS event_name, event_id, \
    source_ip_address, NULL AS user_identity_type, CAST(NULL AS TIMESTAMP) AS session_creation_date, \
    issued_time AS event_time";

struct Issues {
    texts: Vec<StringViewArray>,
    began: TimestampMicrosecondArray,
    times: TimestampMicrosecondArray,
}

impl Issues {
    fn of(batch: &RecordBatch) -> Result<Issues> {
        let column = |name: &str| {
            let missing = || DetectError::recall(DataFusionError::Internal(format!("no {name}")));
            batch.column_by_name(name).ok_or_else(missing)
        };
        let texts = ISSUE_COLUMNS[..ISSUE_COLUMNS.len() - 2]
            .iter()
            .map(|name| {
                let texts = cast(column(name)?, &DataType::Utf8View);
                texts.map(|texts| texts.as_string_view().clone()).map_err(|e| DetectError::recall(e.into()))
            })
            .collect::<Result<_>>()?;
        let times = |name: &str| -> Result<TimestampMicrosecondArray> {
            let times = cast(column(name)?, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
            let times = times.map_err(|e| DetectError::recall(e.into()))?;
            Ok(times.as_primitive::<TimestampMicrosecondType>().clone())
        };
        Ok(Issues { texts, began: times("session_creation_date")?, times: times("event_time")? })
    }

    /// The key that was given out, whether this is the other account's copy, and who gave it out.
    fn row(&self, row: usize) -> Option<(String, bool, Hop)> {
        let text = |place: usize| {
            let array = &self.texts[place];
            array.is_valid(row).then(|| array.value(row)).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let hop = Hop {
            principal: text(1),
            principal_name: text(2),
            class: text(3),
            session_name: text(4),
            account_id: text(5),
            access_key_id: text(6),
            source_identity: text(7),
            session_began: self.began.is_valid(row).then(|| self.began.value(row)),
            issue: Some(Issue {
                time: self.times.value(row),
                event_name: text(8).unwrap_or_default(),
                event_id: text(9).unwrap_or_default(),
                source_ip_address: text(10),
            }),
        };
        Some((text(0)?, text(11).as_deref() == Some("AWSAccount"), hop))
    }
}

/// Hands on the temporary keys and the sessions that rows gave out: many, of which few matter to anybody.
pub(crate) fn issued(rows: &RecordBatch, mut each: impl FnMut(&str)) {
    let column = |name: &str| rows.column_by_name(name).expect("the engine reads it");
    let text = |name: &str| column(name).as_string_view();
    let given = text("response_access_key_id").iter().flatten();
    given.filter(|key| key.starts_with("ASIA")).for_each(&mut each);
    let (principals, sessions, times) = (text("principal_key"), text("session_name"), column("event_time"));
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let switches = text("event_name").iter().enumerate().filter(|(_, name)| *name == Some(SWITCH_ROLE));
    for (row, _) in switches.filter(|(row, _)| principals.is_valid(*row) && sessions.is_valid(*row)) {
        each(&session_on(principals.value(row), sessions.value(row), times.value(row)));
    }
}

impl Finding {
    /// Who it was: the person at the end of all ways, if it is one and the same.
    pub(crate) fn name_person(&mut self) {
        let people: BTreeSet<Option<String>> = self.lineage.iter().map(|way| person(way)).collect();
        self.person = match people.len() {
            1 => people.into_iter().next().flatten().map(|person| storable(&person)),
            _ => None,
        };
    }

    /// Takes in who acted in other events of the same finding.
    pub(crate) fn fold_lineage(&mut self, other: Vec<Way>) {
        let mut ways: BTreeMap<Hop, Way> = BTreeMap::new();
        for way in std::mem::take(&mut self.lineage).into_iter().chain(other) {
            let Some(first) = way.first().cloned() else { continue };
            let there = ways.entry(first).or_default();
            // The one that knows more.
            if way.len() > there.len() {
                *there = way;
            }
        }
        self.lineage = ways.into_values().take(ACTORS_MAX).collect();
        self.name_person();
    }

    /// The ways back in words, each once; with the times at which keys were given out.
    pub fn ways_told(&self) -> Vec<String> {
        let told: BTreeSet<String> = self.lineage.iter().filter(|way| way.len() > 1).map(|way| told(way)).collect();
        told.into_iter().collect()
    }
}

impl Issue {
    /// When and from where.
    pub fn told(&self) -> String {
        let from = self.source_ip_address.as_deref().map_or(String::new(), |address| format!(" from {address}"));
        format!("{} at {}{from}", self.event_name, rfc3339(self.time))
    }
}
