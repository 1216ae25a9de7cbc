//! Verdicts of permissions over time, in the ledger: what became of each principal and service, and since when.
//!
//! ```text
//! verdicts of a moment ─► the same as before? ─► nothing; else a new row, and the old one ends
//! ```
//! They were judged at a moment by what was known then, so rules do not ask them: rules ask `activity` and `iam_…`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::prelude::SessionContext;
use sqlx::any::{Any, AnyRow};
use sqlx::{Row, Transaction};
use trailhound_iam::verdict::Counts;
use trailhound_store::Ledger;

use super::report::PrincipalLine;

/// `service` is empty for a principal as a whole. Only ever added to.
const TABLES: &[&str] = &[
    "CREATE TABLE permissions (
        account_id TEXT NOT NULL, arn TEXT NOT NULL, service TEXT NOT NULL, kind TEXT NOT NULL, activity TEXT NOT NULL,
        confidence TEXT NOT NULL, granted BIGINT NOT NULL, used BIGINT NOT NULL, unused BIGINT NOT NULL,
        not_observable BIGINT NOT NULL, valid_from BIGINT NOT NULL, valid_to BIGINT,
        PRIMARY KEY (arn, service, valid_from))",
    "CREATE INDEX permissions_by_account ON permissions (account_id, valid_to)",
];

/// What is said of a principal, or of a service of it. Two that are equal need one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    kind: String,
    activity: String,
    confidence: String,
    granted: i64,
    used: i64,
    unused: i64,
    not_observable: i64,
}

/// A principal's ARN and a service, or none for the principal as a whole.
type Whose = (String, String);

/// Sums of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub granted: i64,
    pub used: i64,
    pub unused: i64,
    pub not_observable: i64,
    /// Principals by what they do: active, unused …
    pub principals: BTreeMap<String, i64>,
}

impl Judged {
    fn of(line: &PrincipalLine, counts: &Counts) -> Judged {
        Judged {
            kind: line.kind.to_owned(),
            activity: <&str>::from(line.activity).to_owned(),
            confidence: line.confidence.to_owned(),
            granted: counts.granted.into(),
            used: counts.in_use().into(),
            unused: counts.gap().into(),
            not_observable: counts.not_observable.into(),
        }
    }
}

/// Makes the table where it is missing.
pub async fn migrate(ledger: &Ledger) -> anyhow::Result<()> {
    Ok(ledger.migrate("permissions", TABLES).await?)
}

/// Verdicts of a moment, gathered principal by principal.
#[derive(Debug, Default)]
pub struct Verdicts {
    accounts: BTreeMap<String, BTreeMap<Whose, Judged>>,
}

impl Verdicts {
    pub fn add(&mut self, line: &PrincipalLine) {
        let of_account = self.accounts.entry(line.account.clone()).or_default();
        of_account.insert((line.arn.clone(), String::new()), Judged::of(line, &line.counts));
        for service in &line.services {
            of_account.insert((line.arn.clone(), service.service.to_owned()), Judged::of(line, &service.counts));
        }
    }

    /// Keeps them, all or none; who is not among them any more has ended. `time` is the moment, µs since the epoch.
    pub async fn keep(&self, ledger: &Ledger, time: i64) -> anyhow::Result<()> {
        migrate(ledger).await?;
        let fail = |e| ledger.fail("keep verdicts", e);
        let mut transaction = ledger.begin().await?;
        for (account, judged) in &self.accounts {
            let standing = standing(ledger, &mut transaction, account).await?;
            let gone = standing.iter().filter(|(whose, (_, before))| judged.get(*whose) != Some(before));
            for ((arn, service), (valid_from, _)) in gone {
                // What was said of the same moment, or of a later one, is said anew.
                let query = match *valid_from >= time {
                    true => sqlx::query("DELETE FROM permissions WHERE arn = $1 AND service = $2 AND valid_from = $3"),
                    false => sqlx::query(
                        "UPDATE permissions SET valid_to = $1 WHERE arn = $2 AND service = $3 AND valid_from = $4",
                    )
                    .bind(time),
                };
                let query = query.bind(arn.clone()).bind(service.clone()).bind(*valid_from);
                query.execute(&mut *transaction).await.map_err(fail)?;
            }
            let new = judged.iter().filter(|(whose, now)| standing.get(*whose).map(|(_, before)| before) != Some(*now));
            for ((arn, service), now) in new {
                sqlx::query(
                    "INSERT INTO permissions (account_id, arn, service, kind, activity, confidence, granted, used, unused,
                     not_observable, valid_from) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                )
                .bind(account.clone())
                .bind(trailhound_store::storable(arn))
                .bind(service.clone())
                .bind(now.kind.clone())
                .bind(now.activity.clone())
                .bind(now.confidence.clone())
                .bind(now.granted)
                .bind(now.used)
                .bind(now.unused)
                .bind(now.not_observable)
                .bind(time)
                .execute(&mut *transaction)
                .await
                .map_err(fail)?;
            }
        }
        transaction.commit().await.map_err(fail)?;
        Ok(())
    }
}

/// What has not ended, and since when it is so.
async fn standing(
    ledger: &Ledger,
    transaction: &mut Transaction<'static, Any>,
    account: &str,
) -> anyhow::Result<BTreeMap<Whose, (i64, Judged)>> {
    let sql = "SELECT arn, service, valid_from, kind, activity, confidence, granted, used, unused, not_observable
               FROM permissions WHERE account_id = $1 AND valid_to IS NULL";
    let read = |row: &AnyRow| -> Result<_, sqlx::Error> {
        let judged = Judged {
            kind: row.try_get(3)?,
            activity: row.try_get(4)?,
            confidence: row.try_get(5)?,
            granted: row.try_get(6)?,
            used: row.try_get(7)?,
            unused: row.try_get(8)?,
            not_observable: row.try_get(9)?,
        };
        Ok(((row.try_get(0)?, row.try_get(1)?), (row.try_get(2)?, judged)))
    };
    let rows = sqlx::query(sql).bind(account.to_owned()).fetch_all(&mut **transaction).await;
    let rows = rows.and_then(|rows| rows.iter().map(read).collect());
    Ok(rows.map_err(|e| ledger.fail("read verdicts", e))?)
}

/// By account, as they stand now.
pub async fn sums(ledger: &Ledger) -> anyhow::Result<BTreeMap<String, Sums>> {
    migrate(ledger).await?;
    let fail = |e| ledger.fail("read verdicts", e);
    let sql = "SELECT account_id, activity, COUNT(*), CAST(SUM(granted) AS BIGINT), CAST(SUM(used) AS BIGINT),
               CAST(SUM(unused) AS BIGINT), CAST(SUM(not_observable) AS BIGINT) FROM permissions
               WHERE service = '' AND valid_to IS NULL GROUP BY account_id, activity";
    let mut all: BTreeMap<String, Sums> = BTreeMap::new();
    for row in sqlx::query(sql).fetch_all(ledger.pool()).await.map_err(fail)? {
        let number = |at: usize| row.try_get::<i64, _>(at).map_err(fail);
        let sums = all.entry(row.try_get(0).map_err(fail)?).or_default();
        sums.principals.insert(row.try_get(1).map_err(fail)?, number(2)?);
        sums.granted += number(3)?;
        sums.used += number(4)?;
        sums.unused += number(5)?;
        sums.not_observable += number(6)?;
    }
    Ok(all)
}

/// Makes `permissions` (of principals) and `permission_services` known to a session.
pub async fn register(ledger: &Ledger, session: &SessionContext) -> anyhow::Result<()> {
    migrate(ledger).await?;
    let tables = [
        (
            "permissions",
            "SELECT account_id, arn, kind, activity, confidence, granted, used, unused, not_observable, valid_from, valid_to
             FROM permissions WHERE service = ''",
            &["account_id", "arn", "kind", "activity", "confidence"][..],
        ),
        (
            "permission_services",
            "SELECT account_id, arn, service, granted, used, unused, not_observable, valid_from, valid_to
             FROM permissions WHERE service <> ''",
            &["account_id", "arn", "service"][..],
        ),
    ];
    for (name, query, texts) in tables {
        session.register_table(name, ledger.table(name, query, schema(texts))?)?;
    }
    Ok(())
}

fn schema(texts: &[&str]) -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields: Vec<Field> = texts.iter().map(|name| Field::new(*name, DataType::Utf8View, false)).collect();
    let counts = ["granted", "used", "unused", "not_observable"];
    fields.extend(counts.map(|name| Field::new(name, DataType::Int64, false)));
    fields.extend([Field::new("valid_from", time.clone(), false), Field::new("valid_to", time, true)]);
    Arc::new(Schema::new(fields))
}
