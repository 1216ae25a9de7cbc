//! The store's own tables in the ledger: objects, parked input, skipped records, and which commits of the table are
//! noted.
//!
//! A commit is noted whole in one transaction. The accounts it brings are absolute, not additions, so noting one twice
//! changes nothing; an older commit never overwrites what a newer one said of an object.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use sqlx::any::{Any, AnyRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row, Transaction};
use trailhound_ingest::{ObjectId, ObjectOutcome};

use super::{Kind, Ledger, storable};
use crate::account::{ByObject, ObjectAccount};
use crate::error::Result;

/// A version of the table; `None` where an object brought no rows.
pub(crate) type Version = Option<i64>;

/// Parameters in one statement; both databases allow many more.
const PARAMETERS_A_STATEMENT: usize = 2_048;
/// Stands for "the object as a whole" where an ordinal is part of a key.
const WHOLE: i64 = -1;

pub(super) const TABLES: &[&str] = &[
    "CREATE TABLE objects (
        bucket TEXT NOT NULL, key TEXT NOT NULL, identity TEXT NOT NULL,
        outcome TEXT NOT NULL, reason TEXT, detail TEXT,
        bytes BIGINT NOT NULL, inflated_bytes BIGINT NOT NULL,
        received BIGINT NOT NULL, kept BIGINT NOT NULL, duplicate BIGINT NOT NULL,
        skipped BIGINT NOT NULL, parked BIGINT NOT NULL,
        deliveries BIGINT NOT NULL, table_version BIGINT, noted_time BIGINT NOT NULL,
        PRIMARY KEY (bucket, key, identity))",
    "CREATE TABLE parked (
        bucket TEXT NOT NULL, key TEXT NOT NULL, identity TEXT NOT NULL,
        ordinal BIGINT NOT NULL, reason TEXT NOT NULL, detail TEXT,
        records BIGINT NOT NULL, first_seen BIGINT NOT NULL,
        PRIMARY KEY (bucket, key, identity, ordinal, reason))",
    "CREATE TABLE skipped_records (
        bucket TEXT NOT NULL, key TEXT NOT NULL, identity TEXT NOT NULL,
        reason TEXT NOT NULL, records BIGINT NOT NULL,
        PRIMARY KEY (bucket, key, identity, reason))",
    "CREATE TABLE commits (version BIGINT PRIMARY KEY, noted_time BIGINT NOT NULL)",
    "CREATE INDEX objects_not_decoded ON objects (outcome) WHERE outcome <> 'decoded'",
    "CREATE TABLE parked_messages (
        queue TEXT NOT NULL, message_id TEXT NOT NULL, sent_time BIGINT NOT NULL, parked_time BIGINT NOT NULL,
        reason TEXT NOT NULL, detail TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (queue, message_id))",
];

/// What the ledger holds of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownObject {
    pub outcome: ObjectOutcome,
    pub reason: Option<String>,
    pub received: u64,
    pub kept: u64,
    pub parked: u64,
    /// How often it was delivered.
    pub deliveries: u64,
    /// The newest commit with rows of it.
    pub table_version: Option<i64>,
}

/// An object that is parked, or that has parked records: what a replay reads again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedEntry {
    pub id: ObjectId,
    pub outcome: ObjectOutcome,
    /// The object's own reason, or that of its first parked record.
    pub reason: String,
    pub detail: Option<String>,
    pub records: u64,
    /// The object's size as stored, when it was read.
    pub bytes: u64,
}

/// Sums over the ledger, for the accounting.
#[derive(Default, Debug)]
pub(crate) struct Totals {
    pub objects: u64,
    pub deliveries: u64,
    /// Objects by outcome and reason.
    pub outcomes: BTreeMap<(String, String), u64>,
    pub received: u64,
    pub kept: u64,
    pub duplicate: u64,
    pub skipped: BTreeMap<String, u64>,
    pub parked: BTreeMap<String, u64>,
}

impl Ledger {
    /// Puts an object's account under the identity of the content that stands at its address now.
    pub(crate) async fn identify(&self, id: &ObjectId, identity: &str) -> Result<()> {
        let fail = |e| self.fail("identify a mended object", e);
        let mut transaction = self.begin().await?;
        for sql in [
            "UPDATE objects SET identity = $1 WHERE bucket = $2 AND key = $3 AND identity = $4",
            "UPDATE parked SET identity = $1 WHERE bucket = $2 AND key = $3 AND identity = $4",
            "UPDATE skipped_records SET identity = $1 WHERE bucket = $2 AND key = $3 AND identity = $4",
        ] {
            sqlx::query(sql)
                .bind(identity.to_string())
                .bind(id.bucket.clone())
                .bind(id.key.clone())
                .bind(id.identity.clone())
                .execute(&mut *transaction)
                .await
                .map_err(fail)?;
        }
        transaction.commit().await.map_err(fail)
    }

    /// What is known of these objects; those that are not known are left out.
    pub async fn known(&self, ids: &[&ObjectId]) -> Result<ByObject<KnownObject>> {
        let fail = |e| self.fail("look objects up", e);
        let mut known = ByObject::default();
        for ids in ids.chunks(PARAMETERS_A_STATEMENT / 3) {
            let sql = format!(
                "SELECT bucket, key, identity, outcome, reason, received, kept, parked, deliveries, table_version
                 FROM objects WHERE (bucket, key, identity) IN (VALUES {})",
                self.tuples(ids.len(), 3)
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for id in ids {
                query = bind_id(query, id);
            }
            for row in query.fetch_all(self.pool()).await.map_err(fail)? {
                let (id, object) = read_known(&row).map_err(fail)?;
                known.insert(id, object);
            }
        }
        Ok(known)
    }

    /// Counts one more delivery of objects that are known.
    pub(crate) async fn count_deliveries(
        &self,
        transaction: &mut Transaction<'static, Any>,
        repeated: &ByObject<u64>,
    ) -> Result<()> {
        let repeated: Vec<_> = repeated.iter().collect();
        for repeated in repeated.chunks(PARAMETERS_A_STATEMENT / 4) {
            // Both databases name the columns of VALUES so.
            let sql = format!(
                "UPDATE objects SET deliveries = deliveries + more.column4 FROM (VALUES {}) AS more
                 WHERE bucket = more.column1 AND key = more.column2 AND identity = more.column3",
                self.tuples(repeated.len(), 4)
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (id, times) in repeated {
                query = bind_id(query, id).bind(**times as i64);
            }
            query.execute(&mut **transaction).await.map_err(|e| self.fail("count deliveries", e))?;
        }
        Ok(())
    }

    /// Writes accounts, and that `version` of the table is noted. `known` is what the ledger held of these objects.
    pub(crate) async fn note(
        &self,
        transaction: &mut Transaction<'static, Any>,
        version: Version,
        accounts: &[ObjectAccount],
        known: &ByObject<KnownObject>,
        now: i64,
    ) -> Result<()> {
        let newer = |account: &&ObjectAccount| match (version, known.get(&account.id).and_then(|k| k.table_version)) {
            (Some(version), Some(seen)) => seen <= version,
            _ => true,
        };
        let accounts: Vec<_> = accounts.iter().filter(newer).collect();
        let mut first_seen = HashMap::new();
        for account in accounts.iter().filter(|a| known.contains_key(&a.id)) {
            first_seen.extend(self.clear(transaction, &account.id).await?);
        }
        self.write_objects(transaction, version, &accounts, now).await?;
        self.write_parked(transaction, &accounts, &first_seen, now).await?;
        self.write_skipped(transaction, &accounts).await?;
        if let Some(version) = version {
            let sql = "INSERT INTO commits (version, noted_time) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING";
            let query = sqlx::query(sql).bind(version).bind(now);
            query.execute(&mut **transaction).await.map_err(|e| self.fail("note a commit", e))?;
        }
        Ok(())
    }

    /// Removes the parked and skipped records of an object, and returns when each was first seen.
    async fn clear(
        &self,
        transaction: &mut Transaction<'static, Any>,
        id: &ObjectId,
    ) -> Result<Vec<((ObjectId, i64), i64)>> {
        let fail = |e| self.fail("note an object again", e);
        let seen = "SELECT ordinal, first_seen FROM parked WHERE bucket = $1 AND key = $2 AND identity = $3";
        let rows = bind_id(sqlx::query(seen), id).fetch_all(&mut **transaction).await.map_err(fail)?;
        for delete in [
            "DELETE FROM parked WHERE bucket = $1 AND key = $2 AND identity = $3",
            "DELETE FROM skipped_records WHERE bucket = $1 AND key = $2 AND identity = $3",
        ] {
            bind_id(sqlx::query(delete), id).execute(&mut **transaction).await.map_err(fail)?;
        }
        rows.iter()
            .map(|row| Ok(((id.clone(), row.try_get(0)?), row.try_get(1)?)))
            .collect::<std::result::Result<_, _>>()
            .map_err(fail)
    }

    async fn write_objects(
        &self,
        transaction: &mut Transaction<'static, Any>,
        version: Version,
        accounts: &[&ObjectAccount],
        now: i64,
    ) -> Result<()> {
        for accounts in accounts.chunks(PARAMETERS_A_STATEMENT / 16) {
            let sql = format!(
                "INSERT INTO objects (bucket, key, identity, outcome, reason, detail, bytes, inflated_bytes, received,
                    kept, duplicate, skipped, parked, deliveries, table_version, noted_time) VALUES {}
                 ON CONFLICT (bucket, key, identity) DO UPDATE SET
                    outcome = excluded.outcome, reason = excluded.reason, detail = excluded.detail,
                    bytes = excluded.bytes, inflated_bytes = excluded.inflated_bytes, received = excluded.received,
                    kept = excluded.kept, duplicate = excluded.duplicate, skipped = excluded.skipped,
                    parked = excluded.parked, table_version = COALESCE(excluded.table_version, objects.table_version)",
                self.tuples(accounts.len(), 16)
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for a in accounts {
                query = bind_id(query, &a.id)
                    .bind(outcome_name(a.outcome).to_string())
                    .bind(a.reason.clone())
                    .bind(a.detail.as_deref().map(storable));
                for count in [
                    a.bytes,
                    a.inflated_bytes,
                    a.received,
                    a.kept,
                    a.duplicate,
                    a.skipped_records(),
                    a.parked_records(),
                ] {
                    query = query.bind(count as i64);
                }
                let with_rows = version.filter(|_| a.kept > 0);
                query = query.bind(1_i64).bind(with_rows).bind(now);
            }
            query.execute(&mut **transaction).await.map_err(|e| self.fail("note objects", e))?;
        }
        Ok(())
    }

    async fn write_parked(
        &self,
        transaction: &mut Transaction<'static, Any>,
        accounts: &[&ObjectAccount],
        first_seen: &HashMap<(ObjectId, i64), i64>,
        now: i64,
    ) -> Result<()> {
        let rows: Vec<_> = accounts.iter().flat_map(|a| parked_rows(a)).collect();
        for rows in rows.chunks(PARAMETERS_A_STATEMENT / 8) {
            let sql = format!(
                "INSERT INTO parked (bucket, key, identity, ordinal, reason, detail, records, first_seen) VALUES {}
                 ON CONFLICT (bucket, key, identity, ordinal, reason) DO UPDATE SET records = parked.records + excluded.records",
                self.tuples(rows.len(), 8)
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (id, ordinal, reason, detail, records) in rows {
                let seen = first_seen.get(&((*id).clone(), *ordinal)).copied().unwrap_or(now);
                query = bind_id(query, id)
                    .bind(*ordinal)
                    .bind(reason.to_string())
                    .bind(detail.map(storable))
                    .bind(*records as i64)
                    .bind(seen);
            }
            query.execute(&mut **transaction).await.map_err(|e| self.fail("note parked input", e))?;
        }
        Ok(())
    }

    async fn write_skipped(
        &self,
        transaction: &mut Transaction<'static, Any>,
        accounts: &[&ObjectAccount],
    ) -> Result<()> {
        let rows: Vec<_> =
            accounts.iter().flat_map(|a| a.skipped.iter().map(|(reason, n)| (&a.id, reason, *n))).collect();
        for rows in rows.chunks(PARAMETERS_A_STATEMENT / 5) {
            let sql = format!(
                "INSERT INTO skipped_records (bucket, key, identity, reason, records) VALUES {}
                 ON CONFLICT (bucket, key, identity, reason) DO UPDATE SET records = excluded.records",
                self.tuples(rows.len(), 5)
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (id, reason, records) in rows {
                query = bind_id(query, id).bind((*reason).clone()).bind(*records as i64);
            }
            query.execute(&mut **transaction).await.map_err(|e| self.fail("note skipped records", e))?;
        }
        Ok(())
    }

    /// The versions up to `newest` that are not noted.
    pub(crate) async fn versions_not_noted(&self, newest: i64) -> Result<Vec<i64>> {
        let fail = |e| self.fail("look commits up", e);
        let rows = sqlx::query("SELECT version FROM commits").fetch_all(self.pool()).await.map_err(fail)?;
        let noted: std::collections::HashSet<i64> =
            rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>().map_err(fail)?;
        Ok((0..=newest).filter(|version| !noted.contains(version)).collect())
    }

    /// Objects that are parked or have parked records.
    pub(crate) async fn parked(&self) -> Result<Vec<ParkedEntry>> {
        let fail = |e| self.fail("list parked input", e);
        let sql = "SELECT o.bucket, o.key, o.identity, o.outcome,
                COALESCE(o.reason, (SELECT MIN(p.reason) FROM parked p
                    WHERE p.bucket = o.bucket AND p.key = o.key AND p.identity = o.identity), 'unknown'),
                o.detail, o.parked, o.bytes
            FROM objects o WHERE o.outcome = 'parked' OR o.parked > 0 ORDER BY o.bucket, o.key, o.identity";
        let rows = sqlx::query(sql).fetch_all(self.pool()).await.map_err(fail)?;
        let read = |row: &AnyRow| -> std::result::Result<ParkedEntry, sqlx::Error> {
            Ok(ParkedEntry {
                id: read_id(row)?,
                outcome: outcome_of(&row.try_get::<String, _>(3)?),
                reason: row.try_get(4)?,
                detail: row.try_get(5)?,
                records: count(row, 6)?,
                bytes: count(row, 7)?,
            })
        };
        rows.iter().map(read).collect::<std::result::Result<_, _>>().map_err(fail)
    }

    /// The sums that the accounting is made of.
    pub(crate) async fn totals(&self) -> Result<Totals> {
        let fail = |e| self.fail("sum up", e);
        let sql =
            "SELECT COUNT(*), CAST(COALESCE(SUM(deliveries), 0) AS BIGINT), CAST(COALESCE(SUM(received), 0) AS BIGINT),
            CAST(COALESCE(SUM(kept), 0) AS BIGINT), CAST(COALESCE(SUM(duplicate), 0) AS BIGINT) FROM objects";
        let row = sqlx::query(sql).fetch_one(self.pool()).await.map_err(fail)?;
        let mut totals = Totals::default();
        for (at, sum) in
            [&mut totals.objects, &mut totals.deliveries, &mut totals.received, &mut totals.kept, &mut totals.duplicate]
                .into_iter()
                .enumerate()
        {
            *sum = count(&row, at).map_err(fail)?;
        }
        let sql = "SELECT outcome, COALESCE(reason, ''), COUNT(*) FROM objects GROUP BY 1, 2";
        for row in sqlx::query(sql).fetch_all(self.pool()).await.map_err(fail)? {
            let key = (row.try_get(0).map_err(fail)?, row.try_get(1).map_err(fail)?);
            totals.outcomes.insert(key, count(&row, 2).map_err(fail)?);
        }
        totals.skipped =
            self.by_reason("SELECT reason, CAST(SUM(records) AS BIGINT) FROM skipped_records GROUP BY 1").await?;
        let sql = "SELECT reason, CAST(SUM(records) AS BIGINT) FROM parked GROUP BY 1 HAVING SUM(records) > 0";
        totals.parked = self.by_reason(sql).await?;
        Ok(totals)
    }

    /// Places for parameters, row by row: `($1, $2), ($3, $4), …`
    fn tuples(&self, rows: usize, columns: usize) -> String {
        let place = |number: usize| match self.kind {
            // To SQLite a number is a name, which it looks up among all of the statement's.
            Kind::Sqlite { .. } => "?".into(),
            Kind::Postgres => format!("${number}"),
        };
        let tuple = |row: usize| {
            let places: Vec<_> = (1..=columns).map(|column| place(row * columns + column)).collect();
            format!("({})", places.join(", "))
        };
        (0..rows).map(tuple).collect::<Vec<_>>().join(", ")
    }

    async fn by_reason(&self, sql: &'static str) -> Result<BTreeMap<String, u64>> {
        let fail = |e| self.fail("sum up", e);
        let rows = sqlx::query(sql).fetch_all(self.pool()).await.map_err(fail)?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, count(row, 1)?)))
            .collect::<std::result::Result<_, _>>()
            .map_err(fail)
    }
}

type ParkedRow<'a> = (&'a ObjectId, i64, &'a str, Option<&'a str>, u64);

/// The rows of `parked` that an account stands for: the object itself, single records, and the number of those beyond
/// the limit.
fn parked_rows(account: &ObjectAccount) -> Vec<ParkedRow<'_>> {
    let id = &account.id;
    let mut rows = Vec::new();
    if account.outcome == ObjectOutcome::Parked {
        rows.push((id, WHOLE, account.reason.as_deref().unwrap_or("unknown"), account.detail.as_deref(), 0));
    }
    rows.extend(
        account.parked.iter().map(|p| (id, i64::from(p.ordinal), p.reason.as_str(), Some(p.detail.as_str()), 1)),
    );
    for (reason, records) in &account.parked_more {
        match rows.iter_mut().find(|row| row.1 == WHOLE && row.2 == reason) {
            Some(row) => row.4 += records,
            None => rows.push((id, WHOLE, reason, Some("more records than are listed one by one"), *records)),
        }
    }
    rows
}

type AnyQuery<'q> = Query<'q, Any, sqlx::any::AnyArguments>;

fn bind_id<'q>(query: AnyQuery<'q>, id: &ObjectId) -> AnyQuery<'q> {
    query.bind(id.bucket.clone()).bind(id.key.clone()).bind(id.identity.clone())
}

fn read_id(row: &AnyRow) -> std::result::Result<ObjectId, sqlx::Error> {
    Ok(ObjectId { bucket: row.try_get(0)?, key: row.try_get(1)?, identity: row.try_get(2)? })
}

fn read_known(row: &AnyRow) -> std::result::Result<(ObjectId, KnownObject), sqlx::Error> {
    let object = KnownObject {
        outcome: outcome_of(&row.try_get::<String, _>(3)?),
        reason: row.try_get(4)?,
        received: count(row, 5)?,
        kept: count(row, 6)?,
        parked: count(row, 7)?,
        deliveries: count(row, 8)?,
        table_version: row.try_get(9)?,
    };
    Ok((read_id(row)?, object))
}

fn count(row: &AnyRow, at: usize) -> std::result::Result<u64, sqlx::Error> {
    Ok(row.try_get::<i64, _>(at)?.unsigned_abs())
}

pub(crate) fn outcome_name(outcome: ObjectOutcome) -> &'static str {
    match outcome {
        ObjectOutcome::Decoded => "decoded",
        ObjectOutcome::Skipped => "skipped",
        ObjectOutcome::Parked => "parked",
    }
}

fn outcome_of(name: &str) -> ObjectOutcome {
    match name {
        "decoded" => ObjectOutcome::Decoded,
        "skipped" => ObjectOutcome::Skipped,
        _ => ObjectOutcome::Parked,
    }
}

fn fields(columns: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>()))
}

const TEXT: DataType = DataType::Utf8View;
const COUNT: DataType = DataType::Int64;

fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The query and the columns of `objects` as SQL sees it.
pub(crate) fn objects_schema() -> (&'static str, SchemaRef) {
    let query =
        "SELECT bucket, key, identity, outcome, reason, detail, bytes, inflated_bytes, received, kept, duplicate,
        skipped, parked, deliveries, table_version, noted_time FROM objects";
    let columns = [
        ("bucket", TEXT),
        ("key", TEXT),
        ("identity", TEXT),
        ("outcome", TEXT),
        ("reason", TEXT),
        ("detail", TEXT),
        ("bytes", COUNT),
        ("inflated_bytes", COUNT),
        ("received", COUNT),
        ("kept", COUNT),
        ("duplicate", COUNT),
        ("skipped", COUNT),
        ("parked", COUNT),
        ("deliveries", COUNT),
        ("table_version", COUNT),
        ("noted_time", time()),
    ];
    (query, fields(&columns))
}

/// The query and the columns of `parked` as SQL sees it: `ordinal` is null for an object as a whole.
pub(crate) fn parked_schema() -> (&'static str, SchemaRef) {
    let query = "SELECT bucket, key, identity, NULLIF(ordinal, -1), reason, detail, records, first_seen FROM parked";
    let columns = [
        ("bucket", TEXT),
        ("key", TEXT),
        ("identity", TEXT),
        ("ordinal", COUNT),
        ("reason", TEXT),
        ("detail", TEXT),
        ("records", COUNT),
        ("first_seen", time()),
    ];
    (query, fields(&columns))
}

/// The query and the columns of `skipped_records` as SQL sees it.
pub(crate) fn skipped_schema() -> (&'static str, SchemaRef) {
    let columns = [("bucket", TEXT), ("key", TEXT), ("identity", TEXT), ("reason", TEXT), ("records", COUNT)];
    ("SELECT bucket, key, identity, reason, records FROM skipped_records", fields(&columns))
}
