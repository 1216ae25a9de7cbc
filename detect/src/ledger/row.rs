//! A finding as a row, and a row as a finding.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row, Transaction};
use trailhound_store::storable;

use super::ColumnKind::{self, Number, Text, Time};
use super::write::AT_ONCE;
use crate::error::DetectError;
use crate::finding::Finding;
use crate::follow::ChangeKind;
use crate::lineage;

macro_rules! columns {
    () => {
        "id, rule, rule_version, generation, state, status, title, severity, kind, first_time, last_time, account_id,
         region, principal, entity, count, event_ids, event_times, objects, explanation, attack, evidence, varies,
         person, lineage"
    };
}

pub(super) const SELECT_BY_ID: &str = concat!("SELECT ", columns!(), " FROM findings WHERE id = $1");
/// The ids in brackets have to follow.
const SELECT_BY_IDS: &str = concat!("SELECT ", columns!(), " FROM findings WHERE id IN");
pub(super) const SELECT_LIKE: &str = concat!("SELECT ", columns!(), " FROM findings WHERE id LIKE $1 LIMIT 2");
/// What is asked for has to follow.
const SELECT_CURRENT_OF: &str = concat!("SELECT ", columns!(), " FROM findings WHERE state = 'current' AND ");
pub(super) const SELECT_OF_SLOT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM findings WHERE rule = $1 AND generation = $2 AND first_time = $3 AND state = 'current' ORDER BY id"
);
/// The keys in brackets and a closing one have to follow.
pub(super) const SELECT_LEADING_OVER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM findings WHERE state = 'current' AND id IN (SELECT finding_id FROM finding_keys WHERE access_key_id IN"
);
pub(super) const SELECT_CURRENT: &str =
    concat!("SELECT ", columns!(), " FROM findings WHERE state = 'current' ORDER BY first_time, id");

/// Rows of [`COLUMNS`] values each have to follow, and [`OVER`] behind them.
const INSERT: &str = concat!("INSERT INTO findings (", columns!(), ") VALUES");
const COLUMNS: usize = 25;
const OVER: &str =
    "ON CONFLICT (id) DO UPDATE SET rule_version = excluded.rule_version, generation = excluded.generation,
     state = excluded.state, status = excluded.status, title = excluded.title, severity = excluded.severity,
     kind = excluded.kind, first_time = excluded.first_time, last_time = excluded.last_time,
     account_id = excluded.account_id, region = excluded.region, principal = excluded.principal,
     entity = excluded.entity, count = excluded.count, event_ids = excluded.event_ids,
     event_times = excluded.event_times, objects = excluded.objects, explanation = excluded.explanation,
     attack = excluded.attack, evidence = excluded.evidence, varies = excluded.varies, person = excluded.person,
     lineage = excluded.lineage";

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

/// Those of so many entities: of each a rule, an entity, a time and a generation.
pub(super) fn select_of_entities(count: usize) -> String {
    let of_one = |one: usize| {
        let [rule, entity, from, generation] = [1, 2, 3, 4].map(|place| one * 4 + place);
        format!("rule = ${rule} AND entity = ${entity} AND last_time >= ${from} AND generation = ${generation}")
    };
    let all: Vec<String> = (0..count).map(of_one).collect();
    format!("{SELECT_CURRENT_OF}({})", all.join(" OR "))
}

/// What is there under some ids, by id.
pub(super) async fn known(
    ids: impl ExactSizeIterator<Item = &str>,
    transaction: &mut Transaction<'static, Any>,
) -> Result<HashMap<String, AnyRow>, sqlx::Error> {
    let sql = format!("{SELECT_BY_IDS} {}", places(1, ids.len()));
    let found = bound(&sql, ids).fetch_all(&mut **transaction).await?;
    found.into_iter().map(|row| Ok((row.try_get("id")?, row))).collect()
}

/// Writes findings, each with its generation, over what is there under their ids. No id stands there twice.
pub(super) async fn upsert(
    findings: &[(Finding, i64)],
    transaction: &mut Transaction<'static, Any>,
) -> Result<(), sqlx::Error> {
    if findings.is_empty() {
        return Ok(());
    }
    let sql = format!("{INSERT} {} {OVER}", places(findings.len(), COLUMNS));
    let mut insert = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    for (finding, generation) in findings {
        insert = insert
            .bind(finding.id.clone())
            .bind(finding.rule.clone())
            .bind(finding.rule_version.clone())
            .bind(*generation)
            .bind("current")
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
            .bind(to_json(&finding.lineage));
    }
    insert.execute(&mut **transaction).await?;
    let ids = findings.iter().map(|(finding, _)| finding.id.as_str());
    let sql = format!("DELETE FROM finding_keys WHERE finding_id IN {}", places(1, ids.len()));
    bound(&sql, ids).execute(&mut **transaction).await?;
    let keys = findings.iter().flat_map(|(finding, _)| {
        lineage::keys(&finding.lineage).into_iter().map(|key| (storable(&key), finding.id.as_str()))
    });
    let keys: Vec<(String, &str)> = keys.collect();
    for keys in keys.chunks(AT_ONCE) {
        let sql = format!("INSERT INTO finding_keys (access_key_id, finding_id) VALUES {}", places(keys.len(), 2));
        let values = keys.iter().flat_map(|(key, id)| [key.as_str(), id]);
        bound(&sql, values).execute(&mut **transaction).await?;
    }
    Ok(())
}

/// Says of some findings that they are retracted.
pub(super) async fn withdraw(
    findings: &[Finding],
    transaction: &mut Transaction<'static, Any>,
) -> Result<(), sqlx::Error> {
    let ids = findings.iter().map(|finding| finding.id.as_str());
    let sql = format!("UPDATE findings SET state = 'retracted' WHERE id IN {}", places(1, ids.len()));
    bound(&sql, ids).execute(&mut **transaction).await?;
    Ok(())
}

/// Adds a line to the history of each of some findings. None stands there twice.
pub(super) async fn note<'f>(
    findings: impl ExactSizeIterator<Item = (&'f Finding, ChangeKind)>,
    version: i64,
    transaction: &mut Transaction<'static, Any>,
) -> Result<(), sqlx::Error> {
    if findings.len() == 0 {
        return Ok(());
    }
    // Columns of VALUES are called so in both databases.
    let sql = format!(
        "INSERT INTO finding_history (finding_id, seq, change, table_version, rule_version, count, first_time, last_time)
         SELECT n.column1, (SELECT COALESCE(MAX(h.seq), 0) + 1 FROM finding_history h WHERE h.finding_id = n.column1),
         n.column2, n.column3, n.column4, n.column5, n.column6, n.column7 FROM (VALUES {}) AS n",
        places(findings.len(), 7)
    );
    let mut insert = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    for (finding, change) in findings {
        insert = insert
            .bind(finding.id.clone())
            .bind(change.as_str())
            .bind(version)
            .bind(finding.rule_version.clone())
            .bind(i64::try_from(finding.count).unwrap_or(i64::MAX))
            .bind(finding.first_time)
            .bind(finding.last_time);
    }
    insert.execute(&mut **transaction).await?;
    Ok(())
}

/// Places for so many rows of so many values: `($1, $2), ($3, $4)`.
pub(super) fn places(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let places: Vec<String> = (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// A statement with texts in its places. How many there are is different each time, so it is not worth keeping.
pub(super) fn bound<'t>(sql: &str, texts: impl Iterator<Item = &'t str>) -> Query<'static, Any, AnyArguments> {
    let query = sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false);
    texts.fold(query, |query, text| query.bind(text.to_owned()))
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and JSON values are written as JSON")
}
