//! A finding as a row, and a row as a finding.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::{Any, AnyRow};
use sqlx::{Row, Transaction};
use trailhound_store::storable;

use super::ColumnKind::{self, Number, Text, Time};
use crate::error::DetectError;
use crate::finding::Finding;
use crate::lineage;

macro_rules! columns {
    () => {
        "id, rule, rule_version, generation, state, status, title, severity, kind, first_time, last_time, account_id,
         region, principal, entity, count, event_ids, event_times, objects, explanation, attack, evidence, varies,
         person, lineage"
    };
}

pub(super) const SELECT_BY_ID: &str = concat!("SELECT ", columns!(), " FROM findings WHERE id = $1");
pub(super) const SELECT_LIKE: &str = concat!("SELECT ", columns!(), " FROM findings WHERE id LIKE $1 LIMIT 2");
pub(super) const SELECT_OF_ENTITY: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM findings WHERE rule = $1 AND entity = $2 AND last_time >= $3 AND generation = $4 AND state = 'current'"
);
pub(super) const SELECT_OF_SLOT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM findings WHERE rule = $1 AND generation = $2 AND first_time = $3 AND state = 'current' ORDER BY id"
);
/// An opening bracket, the keys and two closing ones have to follow.
pub(super) const SELECT_LEADING_OVER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM findings WHERE state = 'current' AND id IN (SELECT finding_id FROM finding_keys WHERE access_key_id IN"
);
pub(super) const SELECT_CURRENT: &str =
    concat!("SELECT ", columns!(), " FROM findings WHERE state = 'current' ORDER BY first_time, id");

const UPSERT: &str = concat!(
    "INSERT INTO findings (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, 'current', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
     $23, $24)
     ON CONFLICT (id) DO UPDATE SET rule_version = excluded.rule_version, generation = excluded.generation,
     state = excluded.state, status = excluded.status, title = excluded.title, severity = excluded.severity,
     kind = excluded.kind, first_time = excluded.first_time, last_time = excluded.last_time,
     account_id = excluded.account_id, region = excluded.region, principal = excluded.principal,
     entity = excluded.entity, count = excluded.count, event_ids = excluded.event_ids,
     event_times = excluded.event_times, objects = excluded.objects, explanation = excluded.explanation,
     attack = excluded.attack, evidence = excluded.evidence, varies = excluded.varies, person = excluded.person,
     lineage = excluded.lineage"
);

/// What begins before a time stands as it was.
macro_rules! orphaned {
    ($kept_from:literal) => {
        concat!(
            "f.state = 'current' AND f.first_time >= ",
            $kept_from,
            " AND NOT EXISTS
             (SELECT 1 FROM rule_cursors c WHERE c.rule = f.rule AND c.generation = f.generation)"
        )
    };
}

pub(super) const NOTE_RETRACTED: &str = concat!(
    "INSERT INTO finding_history (finding_id, seq, change, table_version, rule_version, count, first_time, last_time)
     SELECT f.id, (SELECT COALESCE(MAX(h.seq), 0) + 1 FROM finding_history h WHERE h.finding_id = f.id), 'retracted', $1,
     f.rule_version, f.count, f.first_time, f.last_time FROM findings f WHERE ",
    orphaned!("$2")
);
pub(super) const SELECT_ORPHANED: &str =
    concat!("SELECT ", columns!(), " FROM findings f WHERE f.id > $1 AND ", orphaned!("$3"), " ORDER BY id LIMIT $2");
pub(super) const RETRACT: &str = concat!("UPDATE findings AS f SET state = 'retracted' WHERE ", orphaned!("$1"));

/// `findings` as SQL sees it.
pub(super) const SQL_FINDINGS: &str =
    "SELECT id, state, rule, rule_version, title, severity, kind, status, first_time, last_time, account_id, region,
     principal, entity, count, event_ids, explanation, attack, objects, evidence, varies, person, lineage FROM findings";
pub(super) const FINDINGS_COLUMNS: &[(&str, ColumnKind)] = &[
    ("id", Text),
    ("state", Text),
    ("rule", Text),
    ("rule_version", Text),
    ("title", Text),
    ("severity", Text),
    ("kind", Text),
    ("status", Text),
    ("first_time", Time),
    ("last_time", Time),
    ("account_id", Text),
    ("region", Text),
    ("principal", Text),
    ("entity", Text),
    ("count", Number),
    ("event_ids", Text),
    ("explanation", Text),
    ("attack", Text),
    ("objects", Text),
    ("evidence", Text),
    ("varies", Text),
    ("person", Text),
    ("lineage", Text),
];
/// `finding_history` as SQL sees it.
pub(super) const SQL_HISTORY: &str =
    "SELECT finding_id, seq, change, table_version, rule_version, count, first_time, last_time FROM finding_history";
pub(super) const HISTORY_COLUMNS: &[(&str, ColumnKind)] = &[
    ("finding_id", Text),
    ("seq", Number),
    ("change", Text),
    ("table_version", Number),
    ("rule_version", Text),
    ("count", Number),
    ("first_time", Time),
    ("last_time", Time),
];

/// A finding with what only the ledger knows of it.
pub(super) struct Stored {
    pub finding: Finding,
    pub generation: i64,
    pub current: bool,
}

/// Reads a row of [`SELECT_BY_ID`] and its kin.
pub(super) fn stored(row: &AnyRow) -> Result<Stored, DetectError> {
    let id: String = row.try_get("id").map_err(|e| DetectError::Row { id: String::new(), detail: e.to_string() })?;
    let wrong = |detail: String| DetectError::Row { id: id.clone(), detail };
    let text = |name: &str| row.try_get::<String, _>(name).map_err(|e| wrong(e.to_string()));
    let maybe = |name: &str| row.try_get::<Option<String>, _>(name).map_err(|e| wrong(e.to_string()));
    let number = |name: &str| row.try_get::<i64, _>(name).map_err(|e| wrong(e.to_string()));
    let finding = Finding {
        rule: text("rule")?,
        title: text("title")?,
        severity: text("severity")?.parse().map_err(wrong)?,
        kind: text("kind")?.parse().map_err(wrong)?,
        first_time: number("first_time")?,
        last_time: number("last_time")?,
        account_id: maybe("account_id")?,
        region: maybe("region")?,
        principal: maybe("principal")?,
        entity: json(&text("entity")?).map_err(wrong)?,
        count: number("count")?.unsigned_abs(),
        event_ids: json(&text("event_ids")?).map_err(wrong)?,
        explanation: text("explanation")?,
        attack: json(&text("attack")?).map_err(wrong)?,
        objects: json(&text("objects")?).map_err(wrong)?,
        status: text("status")?.parse().map_err(wrong)?,
        rule_version: text("rule_version")?,
        evidence: json(&text("evidence")?).map_err(wrong)?,
        varies: json(&text("varies")?).map_err(wrong)?,
        person: maybe("person")?,
        lineage: json(&text("lineage")?).map_err(wrong)?,
        event_times: json(&text("event_times")?).map_err(wrong)?,
        id: id.clone(),
    };
    Ok(Stored { finding, generation: number("generation")?, current: text("state")? == "current" })
}

/// Writes a finding over what is there under its id.
pub(super) async fn upsert(
    finding: &Finding,
    generation: i64,
    transaction: &mut Transaction<'static, Any>,
) -> Result<(), sqlx::Error> {
    sqlx::query(UPSERT)
        .bind(finding.id.clone())
        .bind(finding.rule.clone())
        .bind(finding.rule_version.clone())
        .bind(generation)
        .bind(finding.status.as_str())
        .bind(finding.title.clone())
        .bind(finding.severity.as_str())
        .bind(finding.kind.as_str())
        .bind(finding.first_time)
        .bind(finding.last_time)
        .bind(finding.account_id.clone())
        .bind(finding.region.clone())
        .bind(finding.principal.clone())
        .bind(to_json(&finding.entity))
        .bind(i64::try_from(finding.count).unwrap_or(i64::MAX))
        .bind(to_json(&finding.event_ids))
        .bind(to_json(&finding.event_times))
        .bind(to_json(&finding.objects))
        .bind(finding.explanation.clone())
        .bind(to_json(&finding.attack))
        .bind(to_json(&finding.evidence))
        .bind(to_json(&finding.varies))
        .bind(finding.person.clone())
        .bind(to_json(&finding.lineage))
        .execute(&mut **transaction)
        .await?;
    sqlx::query("DELETE FROM finding_keys WHERE finding_id = $1")
        .bind(finding.id.clone())
        .execute(&mut **transaction)
        .await?;
    for key in lineage::keys(&finding.lineage) {
        sqlx::query("INSERT INTO finding_keys (access_key_id, finding_id) VALUES ($1, $2)")
            .bind(storable(key))
            .bind(finding.id.clone())
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

/// Adds a line to a finding's history.
pub(super) async fn note(
    finding: &Finding,
    change: &'static str,
    version: i64,
    transaction: &mut Transaction<'static, Any>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO finding_history (finding_id, seq, change, table_version, rule_version, count, first_time, last_time)
         SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3, $4, $5, $6, $7 FROM finding_history WHERE finding_id = $1",
    )
    .bind(finding.id.clone())
    .bind(change)
    .bind(version)
    .bind(finding.rule_version.clone())
    .bind(i64::try_from(finding.count).unwrap_or(i64::MAX))
    .bind(finding.first_time)
    .bind(finding.last_time)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and JSON values are written as JSON")
}
