//! Findings, their history and the rules' cursors, as the ledger keeps them.
//!
//! Findings and cursors are written in one transaction: either a commit's events are in the findings and the cursor
//! stands behind them, or neither. That alone makes every event count once, whatever is killed when. A commit of which no
//! finding came need not move the cursor: to read it again changes nothing.
//!
//! A *generation* counts how often a rule was begun anew (its file changed, or it came back). A finding of an older
//! generation is not amended but made anew when the rule sees its events again; when the rule has seen the whole table,
//! what is left of older generations is retracted.

mod row;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::prelude::SessionContext;
use serde::Serialize;
use sqlx::any::Any;
use sqlx::{AssertSqlSafe, Row, Transaction};
use trailhound_store::{Derivation, Ledger};

use crate::error::{DetectError, Result};
use crate::finding::{Finding, time};
use crate::rule::Rule;
use row::Stored;
pub(crate) use write::AT_ONCE;

/// The tables of this crate; only ever added to.
const TABLES: &[&str] = &[
    "CREATE TABLE findings (
        id TEXT PRIMARY KEY, rule TEXT NOT NULL, rule_version TEXT NOT NULL, generation BIGINT NOT NULL,
        state TEXT NOT NULL, status TEXT NOT NULL, title TEXT NOT NULL, severity TEXT NOT NULL, kind TEXT NOT NULL,
        first_time BIGINT NOT NULL, last_time BIGINT NOT NULL, account_id TEXT, region TEXT, principal TEXT,
        entity TEXT NOT NULL, count BIGINT NOT NULL, event_ids TEXT NOT NULL, event_times TEXT NOT NULL,
        objects TEXT NOT NULL, explanation TEXT NOT NULL, attack TEXT NOT NULL, evidence TEXT NOT NULL,
        varies TEXT NOT NULL)",
    "CREATE INDEX findings_by_rule ON findings (rule, generation)",
    "CREATE INDEX findings_by_time ON findings (first_time)",
    "CREATE TABLE finding_history (
        finding_id TEXT NOT NULL, seq BIGINT NOT NULL, change TEXT NOT NULL, table_version BIGINT NOT NULL,
        rule_version TEXT NOT NULL, count BIGINT NOT NULL, first_time BIGINT NOT NULL, last_time BIGINT NOT NULL,
        PRIMARY KEY (finding_id, seq))",
    "CREATE TABLE rule_cursors (
        rule TEXT PRIMARY KEY, rule_version TEXT NOT NULL, generation BIGINT NOT NULL, applied_to BIGINT NOT NULL)",
    "CREATE INDEX findings_by_entity ON findings (rule, entity, last_time)",
    "ALTER TABLE findings ADD COLUMN person TEXT",
    "ALTER TABLE findings ADD COLUMN lineage TEXT NOT NULL DEFAULT '[]'",
    // Temporary keys on the ways from findings back to people.
    "CREATE TABLE finding_keys (
        access_key_id TEXT NOT NULL, finding_id TEXT NOT NULL, PRIMARY KEY (access_key_id, finding_id))",
    "CREATE INDEX finding_keys_by_finding ON finding_keys (finding_id)",
];

/// Keys in one statement.
const KEYS_MAX: usize = 500;
/// Findings that are handed to a follower at once before they are retracted.
pub(crate) const ORPHANS_MAX: i64 = 500;

/// How far a rule has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub generation: i64,
    /// The newest version of the table whose events it has seen; -1 for none.
    pub applied_to: i64,
}

/// Asks for the findings of a rule's generation and an entity, as the ledger writes it, that end at a time or later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfEntity<'q> {
    pub rule: &'q str,
    pub generation: i64,
    pub entity: &'q str,
    pub from: i64,
}

/// What became of findings in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    pub raised: u64,
    pub amended: u64,
    pub retracted: u64,
}

impl std::ops::AddAssign for Changes {
    fn add_assign(&mut self, more: Changes) {
        self.raised += more.raised;
        self.amended += more.amended;
        self.retracted += more.retracted;
    }
}

/// One line of a finding's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryEntry {
    /// raised, amended or retracted.
    pub change: String,
    /// The table's version at which it happened.
    pub table_version: i64,
    pub rule_version: String,
    pub count: i64,
    pub first_time: String,
    pub last_time: String,
}

/// The crate's tables in a ledger.
#[derive(Debug, Clone)]
pub struct FindingsLedger {
    ledger: Ledger,
}

impl FindingsLedger {
    /// Makes the tables where they are missing.
    pub async fn open(ledger: &Ledger) -> Result<Self> {
        ledger.migrate("detect", TABLES).await?;
        Ok(FindingsLedger { ledger: ledger.clone() })
    }

    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>> {
        Ok(self.ledger.begin().await?)
    }

    pub(crate) async fn commit(&self, transaction: Transaction<'static, Any>) -> Result<()> {
        transaction.commit().await.map_err(self.fail("commit findings"))
    }

    fn fail(&self, operation: &'static str) -> impl Fn(sqlx::Error) -> DetectError + '_ {
        move |e| DetectError::Store(self.ledger.fail(operation, e))
    }

    /// Brings the cursors to a set of rules: rules that are new or changed begin anew, all of them where facts were derived
    /// anew, and those that are gone are forgotten. Gives each rule's cursor.
    pub(crate) async fn align(&self, rules: &[Arc<Rule>], derivation: Derivation) -> Result<Vec<Cursor>> {
        let fail = self.fail("align cursors");
        let mut transaction = self.begin().await?;
        let rows = sqlx::query("SELECT rule, rule_version, generation, applied_to FROM rule_cursors")
            .fetch_all(&mut *transaction)
            .await
            .map_err(&fail)?;
        let mut known: BTreeMap<String, (String, Cursor)> = BTreeMap::new();
        for row in rows {
            let cursor =
                Cursor { generation: row.try_get(2).map_err(&fail)?, applied_to: row.try_get(3).map_err(&fail)? };
            known.insert(row.try_get(0).map_err(&fail)?, (row.try_get(1).map_err(&fail)?, cursor));
        }
        let mut cursors = Vec::with_capacity(rules.len());
        for rule in rules {
            let old = known.remove(&rule.id);
            let seen_by = match derivation.number() {
                0 => rule.version.clone(),
                number => format!("{}.{number}", rule.version),
            };
            // One that began and never came to the end begins anew: what it has written is a part.
            if let Some((version, cursor)) = &old
                && *version == seen_by
                && cursor.applied_to >= 0
            {
                cursors.push(*cursor);
                continue;
            }
            let used: i64 = sqlx::query("SELECT COALESCE(MAX(generation), 0) FROM findings WHERE rule = $1")
                .bind(rule.id.clone())
                .fetch_one(&mut *transaction)
                .await
                .and_then(|row| row.try_get(0))
                .map_err(&fail)?;
            let generation = 1 + used.max(old.map_or(0, |(_, c)| c.generation));
            sqlx::query(
                "INSERT INTO rule_cursors (rule, rule_version, generation, applied_to) VALUES ($1, $2, $3, -1)
                 ON CONFLICT (rule) DO UPDATE SET rule_version = excluded.rule_version,
                     generation = excluded.generation, applied_to = -1",
            )
            .bind(rule.id.clone())
            .bind(seen_by)
            .bind(generation)
            .execute(&mut *transaction)
            .await
            .map_err(&fail)?;
            cursors.push(Cursor { generation, applied_to: -1 });
        }
        for gone in known.into_keys() {
            sqlx::query("DELETE FROM rule_cursors WHERE rule = $1")
                .bind(gone)
                .execute(&mut *transaction)
                .await
                .map_err(&fail)?;
        }
        self.commit(transaction).await?;
        Ok(cursors)
    }

    /// The ids of the current findings that begin before a time, in µs.
    pub(crate) async fn begun_before(&self, time: i64) -> Result<HashSet<String>> {
        let fail = self.fail("read findings whose events are gone");
        let rows = sqlx::query("SELECT id FROM findings WHERE state = 'current' AND first_time < $1")
            .bind(time)
            .fetch_all(self.ledger.pool())
            .await
            .map_err(&fail)?;
        rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>().map_err(&fail)
    }

    /// The version that every rule has been evaluated up to.
    pub async fn applied_to(&self) -> Result<i64> {
        let fail = self.fail("look cursors up");
        let row = sqlx::query("SELECT MIN(applied_to) FROM rule_cursors")
            .fetch_one(self.ledger.pool())
            .await
            .map_err(&fail)?;
        let least: Option<i64> = row.try_get(0).map_err(&fail)?;
        Ok(least.unwrap_or(-1))
    }

    /// Moves every cursor from `least` on that is behind `version` up to it, but those of the rules named.
    pub(crate) async fn advance(
        &self,
        transaction: &mut Transaction<'static, Any>,
        least: i64,
        version: i64,
        except: &[&str],
    ) -> Result<()> {
        let mut sql = "UPDATE rule_cursors SET applied_to = $1 WHERE applied_to < $1 AND applied_to >= $2".to_owned();
        for place in 3..except.len() + 3 {
            sql.push_str(&format!(" AND rule <> ${place}"));
        }
        let mut update = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(version).bind(least);
        for rule in except {
            update = update.bind((*rule).to_owned());
        }
        update.execute(&mut **transaction).await.map_err(self.fail("advance cursors"))?;
        Ok(())
    }

    /// Moves one rule's cursor up to `version`, if it is behind.
    pub(crate) async fn advance_one(
        &self,
        transaction: &mut Transaction<'static, Any>,
        rule: &str,
        version: i64,
    ) -> Result<()> {
        sqlx::query("UPDATE rule_cursors SET applied_to = $1 WHERE applied_to < $1 AND rule = $2")
            .bind(version)
            .bind(rule.to_owned())
            .execute(&mut **transaction)
            .await
            .map_err(self.fail("advance a cursor"))?;
        Ok(())
    }

    /// The current findings of entities: of each that is asked for, in their order. No more than [`AT_ONCE`].
    pub(crate) async fn of_entities(&self, asked: &[OfEntity<'_>]) -> Result<Vec<Vec<Finding>>> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = sqlx::query(AssertSqlSafe(row::select_of_entities(asked.len()))).persistent(false);
        for of in asked {
            query = query.bind(of.rule.to_owned()).bind(of.entity.to_owned()).bind(of.from).bind(of.generation);
        }
        let fail = self.fail("read entities' findings");
        let rows = query.fetch_all(self.ledger.pool()).await.map_err(&fail)?;
        let mut found = vec![Vec::new(); asked.len()];
        for row in &rows {
            let entity: String = row.try_get("entity").map_err(&fail)?;
            let Stored { finding, generation, .. } = row::stored(row)?;
            let is_of = |of: &OfEntity<'_>| {
                of.rule == finding.rule
                    && of.entity == entity
                    && of.generation == generation
                    && of.from <= finding.last_time
            };
            for (_, found) in asked.iter().zip(&mut found).filter(|(of, _)| is_of(of)) {
                found.push(finding.clone());
            }
        }
        Ok(found)
    }

    /// The current findings of a rule's generation in a slot, for a rule of kind `query`.
    pub(crate) async fn of_slot(&self, rule: &str, generation: i64, slot: i64) -> Result<Vec<Finding>> {
        let rows = sqlx::query(row::SELECT_OF_SLOT)
            .bind(rule.to_owned())
            .bind(generation)
            .bind(slot)
            .fetch_all(self.ledger.pool())
            .await
            .map_err(self.fail("read a slot's findings"))?;
        rows.iter().map(|row| Ok(row::stored(row)?.finding)).collect()
    }

    /// The rules (by id) and entities that have current findings of a rule with memory, and when the last of them ends.
    pub(crate) async fn remembered_entities(&self) -> Result<Vec<(String, String, i64)>> {
        let fail = self.fail("read entities with findings");
        let rows = sqlx::query(
            "SELECT rule, entity, MAX(last_time) FROM findings WHERE state = 'current' AND kind <> 'match'
             GROUP BY rule, entity",
        )
        .fetch_all(self.ledger.pool())
        .await
        .map_err(&fail)?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
            .collect::<std::result::Result<_, _>>()
            .map_err(&fail)
    }

    /// The next findings, by id behind `after`, that [`FindingsLedger::retract`] is going to retract; at most
    /// [`ORPHANS_MAX`].
    pub(crate) async fn orphans(
        &self,
        transaction: &mut Transaction<'static, Any>,
        after: &str,
        kept_from: i64,
    ) -> Result<Vec<Finding>> {
        let rows = sqlx::query(row::SELECT_ORPHANED)
            .bind(after.to_owned())
            .bind(ORPHANS_MAX)
            .bind(kept_from)
            .fetch_all(&mut **transaction)
            .await
            .map_err(self.fail("read findings to retract"))?;
        rows.iter().map(|row| Ok(row::stored(row)?.finding)).collect()
    }

    /// Retracts the findings that no current rule stands behind any more. Only right when every rule has seen the
    /// whole table. What begins before `kept_from`, in µs, stands as it was.
    pub(crate) async fn retract(
        &self,
        transaction: &mut Transaction<'static, Any>,
        version: i64,
        kept_from: i64,
    ) -> Result<u64> {
        let fail = self.fail("retract findings");
        let noted = sqlx::query(row::NOTE_RETRACTED).bind(version).bind(kept_from);
        noted.execute(&mut **transaction).await.map_err(&fail)?;
        let done = sqlx::query(row::RETRACT).bind(kept_from).execute(&mut **transaction).await.map_err(&fail)?;
        Ok(done.rows_affected())
    }

    /// The temporary keys on the ways from findings back to people.
    pub(crate) async fn leading_keys(&self) -> Result<Vec<String>> {
        let fail = self.fail("read keys of findings");
        let rows = sqlx::query("SELECT DISTINCT access_key_id FROM finding_keys")
            .fetch_all(self.ledger.pool())
            .await
            .map_err(&fail)?;
        rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>().map_err(&fail)
    }

    /// The current findings with one of these keys on their ways back, with their generations.
    pub(crate) async fn leading_over(&self, keys: &BTreeSet<String>) -> Result<Vec<(Finding, i64)>> {
        let fail = self.fail("read findings by keys");
        let keys: Vec<&String> = keys.iter().collect();
        let mut found: BTreeMap<String, (Finding, i64)> = BTreeMap::new();
        for keys in keys.chunks(KEYS_MAX) {
            let sql = format!("{} {})", row::SELECT_LEADING_OVER, row::places(1, keys.len()));
            let query = row::bound(&sql, keys.iter().map(|key| key.as_str()));
            for row in query.fetch_all(self.ledger.pool()).await.map_err(&fail)? {
                let stored = row::stored(&row)?;
                found.insert(stored.finding.id.clone(), (stored.finding, stored.generation));
            }
        }
        Ok(found.into_values().collect())
    }

    /// Every finding that is not retracted, by first time, then id.
    pub async fn current(&self) -> Result<Vec<Finding>> {
        let rows =
            sqlx::query(row::SELECT_CURRENT).fetch_all(self.ledger.pool()).await.map_err(self.fail("read findings"))?;
        rows.iter().map(|row| Ok(row::stored(row)?.finding)).collect()
    }

    /// The finding with this id, or the only one whose id begins so, and whether it is retracted.
    pub async fn find(&self, id: &str) -> Result<Option<(Finding, bool)>> {
        let hex: String = id.chars().filter(char::is_ascii_hexdigit).map(|c| c.to_ascii_lowercase()).collect();
        if hex.is_empty() || hex.len() != id.len() {
            return Ok(None);
        }
        let rows = sqlx::query(row::SELECT_LIKE)
            .bind(format!("{hex}%"))
            .fetch_all(self.ledger.pool())
            .await
            .map_err(self.fail("read a finding"))?;
        match rows.as_slice() {
            [row] => row::stored(row).map(|s| Some((s.finding, !s.current))),
            _ => Ok(None),
        }
    }

    /// The finding with this very id, unless it is retracted or was never there.
    pub async fn get(&self, id: &str) -> Result<Option<Finding>> {
        let row = sqlx::query(row::SELECT_BY_ID)
            .bind(id.to_owned())
            .fetch_optional(self.ledger.pool())
            .await
            .map_err(self.fail("read a finding"))?;
        let stored = row.map(|row| row::stored(&row)).transpose()?;
        Ok(stored.filter(|s| s.current).map(|s| s.finding))
    }

    /// The same as [`FindingsLedger::get`], as a transaction sees it.
    pub async fn get_within(&self, transaction: &mut Transaction<'static, Any>, id: &str) -> Result<Option<Finding>> {
        let row = sqlx::query(row::SELECT_BY_ID)
            .bind(id.to_owned())
            .fetch_optional(&mut **transaction)
            .await
            .map_err(self.fail("read a finding"))?;
        let stored = row.map(|row| row::stored(&row)).transpose()?;
        Ok(stored.filter(|s| s.current).map(|s| s.finding))
    }

    /// What became of a finding, oldest first.
    pub async fn history(&self, id: &str) -> Result<Vec<HistoryEntry>> {
        let fail = self.fail("read a finding's history");
        let rows = sqlx::query(
            "SELECT change, table_version, rule_version, count, first_time, last_time FROM finding_history
             WHERE finding_id = $1 ORDER BY seq",
        )
        .bind(id.to_owned())
        .fetch_all(self.ledger.pool())
        .await
        .map_err(&fail)?;
        rows.iter()
            .map(|row| {
                Ok(HistoryEntry {
                    change: row.try_get(0)?,
                    table_version: row.try_get(1)?,
                    rule_version: row.try_get(2)?,
                    count: row.try_get(3)?,
                    first_time: time(row.try_get(4)?),
                    last_time: time(row.try_get(5)?),
                })
            })
            .collect::<std::result::Result<_, sqlx::Error>>()
            .map_err(&fail)
    }

    /// Makes `findings` and `finding_history` known to a session. Lists and objects are JSON text; retracted findings
    /// are there with `state = 'retracted'`.
    pub fn register(&self, session: &SessionContext) -> Result<()> {
        let tables = [
            ("findings", row::SQL_FINDINGS, row::FINDINGS_COLUMNS),
            ("finding_history", row::SQL_HISTORY, row::HISTORY_COLUMNS),
        ];
        for (name, query, columns) in tables {
            let fields: Vec<Field> =
                columns.iter().map(|(name, kind)| Field::new(*name, column_type(*kind), true)).collect();
            let table = self.ledger.table(name, query, Arc::new(Schema::new(fields)))?;
            session
                .register_table(name, table)
                .map_err(|e| DetectError::Register { table: name, source: Box::new(e) })?;
        }
        Ok(())
    }
}

/// The type of a column of a ledger table, as SQL sees it.
#[derive(Debug, Clone, Copy)]
enum ColumnKind {
    Text,
    Number,
    Time,
}

fn column_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Text => DataType::Utf8View,
        ColumnKind::Number => DataType::Int64,
        ColumnKind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}
