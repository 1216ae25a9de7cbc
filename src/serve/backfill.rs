//! Backfills: history of a bucket, read into the running service at a lower priority than the queue.
//!
//! A backfill is cut into units of one account, one region and one day: the prefixes under which CloudTrail delivers.
//! A unit is listed whole and is done when every object of it is durable, so a restart begins at the first unit that
//! is not; there is no marker that could skip an object which came late. Objects that are known already are recognised
//! as everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use trailhound_ingest::notification::Announced;
use trailhound_ingest::source::{Clients, Listing, Scope};
use trailhound_store::Ledger;

use super::delivery::Ticket;
use super::fetch::Fetcher;
use crate::clock::now_micros;

/// A range of days that is asked for by mistake would be cut into units without end.
const UNITS_MAX: usize = 100_000;
/// Objects that are looked up and fetched together; the queue comes first again after each.
const OBJECTS_AT_ONCE: usize = 16;
/// Units that are worked on at once, and looked up at once.
const UNITS_AT_ONCE: usize = 16;
const UNITS_LOOKED_UP: i64 = 64;
/// Pause after units none of which could be finished.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// How often it is looked for work that another process may have left.
const LOOK_EVERY: Duration = Duration::from_secs(30);

const TABLES: &[&str] = &[
    "CREATE TABLE backfills (
        id TEXT PRIMARY KEY, bucket TEXT NOT NULL, prefix TEXT NOT NULL, begun_time BIGINT NOT NULL,
        since TEXT NOT NULL, until TEXT NOT NULL)",
    "CREATE TABLE backfill_units (
        backfill TEXT NOT NULL, prefix TEXT NOT NULL, state TEXT NOT NULL, objects BIGINT NOT NULL,
        done_time BIGINT, detail TEXT, PRIMARY KEY (backfill, prefix))",
];

/// What an operator asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    pub bucket: String,
    /// What stands before `AWSLogs/` in the keys, if anything.
    #[serde(default)]
    pub prefix: String,
    /// The organisation's id, where the trail is an organisation's.
    #[serde(default)]
    pub organization: Option<String>,
    /// Without any, all that are there.
    #[serde(default)]
    pub accounts: Vec<String>,
    #[serde(default)]
    pub regions: Vec<String>,
    /// First and last day, such as `2025-03-09`.
    pub since: String,
    pub until: String,
}

/// How far a backfill is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backfill {
    pub id: String,
    pub bucket: String,
    pub since: String,
    pub until: String,
    pub units: u64,
    pub units_done: u64,
    pub objects: u64,
    /// What the last unit that failed said.
    pub trouble: Option<String>,
}

/// The backfills of this service.
pub struct Backfills {
    ledger: Ledger,
    clients: Clients,
    more: Notify,
}

impl Backfills {
    pub async fn open(ledger: &Ledger, clients: &Clients) -> anyhow::Result<Self> {
        ledger.migrate("backfill", TABLES).await?;
        Ok(Self { ledger: ledger.clone(), clients: clients.clone(), more: Notify::new() })
    }

    /// Notes a backfill; it is worked on from now on. Asking for the same again goes on with what is there.
    pub async fn begin(&self, wanted: Wanted) -> anyhow::Result<Backfill> {
        let listing = Listing::new(&self.clients, scope(&wanted)?);
        let regions = listing.regions().await?;
        let prefixes: Vec<String> = listing.prefixes(regions).take(UNITS_MAX + 1).collect();
        anyhow::ensure!(!prefixes.is_empty(), "there is nothing to list: no account's logs are below that prefix");
        anyhow::ensure!(
            prefixes.len() <= UNITS_MAX,
            "these are more than {UNITS_MAX} days of regions: ask for fewer days"
        );
        let id = id_of(&wanted)?;
        let fail = |e| self.ledger.fail("begin a backfill", e);
        let mut transaction = self.ledger.begin().await?;
        sqlx::query(
            "INSERT INTO backfills (id, bucket, prefix, begun_time, since, until) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.clone())
        .bind(wanted.bucket.clone())
        .bind(wanted.prefix.clone())
        .bind(now_micros())
        .bind(wanted.since.clone())
        .bind(wanted.until.clone())
        .execute(&mut *transaction)
        .await
        .map_err(fail)?;
        for prefix in prefixes {
            sqlx::query(
                "INSERT INTO backfill_units (backfill, prefix, state, objects) VALUES ($1, $2, 'waiting', 0)
                 ON CONFLICT (backfill, prefix) DO NOTHING",
            )
            .bind(id.clone())
            .bind(prefix)
            .execute(&mut *transaction)
            .await
            .map_err(fail)?;
        }
        transaction.commit().await.map_err(fail)?;
        self.more.notify_one();
        let all = self.list().await?;
        all.into_iter().find(|b| b.id == id).context("the backfill that was just noted is not there")
    }

    /// All backfills, the newest first.
    pub async fn list(&self) -> anyhow::Result<Vec<Backfill>> {
        let fail = |e| self.ledger.fail("list backfills", e);
        let rows = sqlx::query(
            "SELECT b.id, b.bucket, b.since, b.until, COUNT(u.prefix),
                CAST(COALESCE(SUM(CASE WHEN u.state = 'done' THEN 1 ELSE 0 END), 0) AS BIGINT),
                CAST(COALESCE(SUM(u.objects), 0) AS BIGINT), MAX(u.detail)
             FROM backfills b LEFT JOIN backfill_units u ON u.backfill = b.id
             GROUP BY b.id, b.bucket, b.since, b.until, b.begun_time ORDER BY b.begun_time DESC, b.id",
        )
        .fetch_all(self.ledger.pool())
        .await
        .map_err(fail)?;
        let read = |row: &AnyRow| -> Result<Backfill, sqlx::Error> {
            Ok(Backfill {
                id: row.try_get(0)?,
                bucket: row.try_get(1)?,
                since: row.try_get(2)?,
                until: row.try_get(3)?,
                units: row.try_get::<i64, _>(4)?.unsigned_abs(),
                units_done: row.try_get::<i64, _>(5)?.unsigned_abs(),
                objects: row.try_get::<i64, _>(6)?.unsigned_abs(),
                trouble: row.try_get(7)?,
            })
        };
        Ok(rows.iter().map(read).collect::<Result<_, _>>().map_err(fail)?)
    }

    /// Works on units, several at once since each waits for a commit, until cancelled.
    pub async fn run(self: Arc<Self>, fetcher: Arc<Fetcher>, cancel: CancellationToken) {
        loop {
            let units = match self.next_units().await {
                Ok(units) => units,
                Err(error) => {
                    tracing::warn!("backfills cannot be looked up: {error:#}");
                    Vec::new()
                }
            };
            let (found, failed) = (units.len(), AtomicU64::new(0));
            let work = futures::stream::iter(units).for_each_concurrent(UNITS_AT_ONCE, async |unit| {
                if let Err(error) = self.work_on(&unit, &fetcher, &cancel).await
                    && !cancel.is_cancelled()
                {
                    failed.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(prefix = unit.prefix, "a unit of a backfill is tried again later: {error:#}");
                    self.note(&unit, "waiting", 0, Some(format!("{error:#}"))).await;
                }
            });
            work.await;
            let pause = match (found, failed.into_inner() as usize) {
                (0, _) => LOOK_EVERY,
                (found, failed) if failed == found => RETRY_AFTER,
                _ => Duration::ZERO,
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.more.notified(), if !pause.is_zero() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn work_on(&self, unit: &Unit, fetcher: &Arc<Fetcher>, cancel: &CancellationToken) -> anyhow::Result<()> {
        let (ended, end) = oneshot::channel();
        let first = Ticket::first(now_micros(), move |all| {
            let _ = ended.send(all);
        });
        let objects = AtomicU64::new(0);
        let mut token = None;
        loop {
            let page = self.clients.list(&unit.bucket, &unit.prefix, token).await?;
            for listed in page.listed.chunks(OBJECTS_AT_ONCE) {
                tokio::select! {
                    () = cancel.cancelled() => anyhow::bail!("the service is stopping"),
                    () = fetcher.idle() => {}
                }
                let announced =
                    listed.iter().map(|listed| (Announced::listed(&unit.bucket, listed), first.another())).collect();
                fetcher.fetch(announced, cancel).await;
                objects.fetch_add(listed.len() as u64, Ordering::Relaxed);
            }
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        first.done();
        if end.await.unwrap_or(false) {
            self.note(unit, "done", objects.into_inner(), None).await;
            Ok(())
        } else {
            anyhow::bail!("not every object could be kept")
        }
    }

    /// Units that wait, those that failed before at last.
    async fn next_units(&self) -> anyhow::Result<Vec<Unit>> {
        let fail = |e| self.ledger.fail("look for a backfill's next units", e);
        let rows = sqlx::query(
            "SELECT u.backfill, u.prefix, b.bucket FROM backfill_units u JOIN backfills b ON b.id = u.backfill
             WHERE u.state = 'waiting'
             ORDER BY CASE WHEN u.detail IS NULL THEN 0 ELSE 1 END, b.begun_time, u.prefix LIMIT $1",
        )
        .bind(UNITS_LOOKED_UP)
        .fetch_all(self.ledger.pool())
        .await
        .map_err(fail)?;
        let read = |row: &AnyRow| -> Result<Unit, sqlx::Error> {
            Ok(Unit { backfill: row.try_get(0)?, prefix: row.try_get(1)?, bucket: row.try_get(2)? })
        };
        Ok(rows.iter().map(read).collect::<Result<_, _>>().map_err(fail)?)
    }

    async fn note(&self, unit: &Unit, state: &str, objects: u64, detail: Option<String>) {
        let noted = sqlx::query(
            "UPDATE backfill_units SET state = $3, objects = $4, done_time = $5, detail = $6
             WHERE backfill = $1 AND prefix = $2",
        )
        .bind(unit.backfill.clone())
        .bind(unit.prefix.clone())
        .bind(state.to_string())
        .bind(objects as i64)
        .bind((state == "done").then(now_micros))
        .bind(detail)
        .execute(self.ledger.pool())
        .await;
        if let Err(error) = noted {
            // The unit is read once more then, and everything in it recognised.
            tracing::warn!(prefix = unit.prefix, "a backfill's progress was not noted: {error}");
        }
    }
}

/// One account, region and day of a backfill.
struct Unit {
    backfill: String,
    bucket: String,
    prefix: String,
}

/// The same request has the same id, so that asking twice reads once.
fn id_of(wanted: &Wanted) -> anyhow::Result<String> {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(serde_json::to_vec(wanted)?);
    Ok(digest[..6].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What is to be listed, checked.
fn scope(wanted: &Wanted) -> anyhow::Result<Scope> {
    anyhow::ensure!(!wanted.bucket.is_empty(), "the bucket is missing");
    for account in &wanted.accounts {
        let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        anyhow::ensure!(digits, "{account:?} is not an account id of 12 digits");
    }
    for region in &wanted.regions {
        let plain = !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        anyhow::ensure!(plain, "{region:?} is not the name of a region");
    }
    let day = |text: &str| -> anyhow::Result<jiff::civil::Date> {
        text.parse().with_context(|| format!("{text:?} is not a day such as 2025-03-09"))
    };
    let (first_day, last_day) = (day(&wanted.since)?, day(&wanted.until)?);
    anyhow::ensure!(first_day <= last_day, "the last day {last_day} is before the first {first_day}");
    let prefix = match wanted.prefix.trim_end_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    Ok(Scope {
        bucket: wanted.bucket.clone(),
        prefix,
        organization: wanted.organization.clone(),
        accounts: wanted.accounts.clone(),
        regions: wanted.regions.clone(),
        first_day,
        last_day,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_refused_in_words() {
        let refused = |change: fn(&mut Wanted)| {
            let mut wanted = Wanted {
                bucket: "trail".into(),
                prefix: "logs/".into(),
                organization: None,
                accounts: vec!["111122223333".into()],
                regions: vec!["eu-west-1".into()],
                since: "2025-02-28".into(),
                until: "2025-03-01".into(),
            };
            assert_eq!(scope(&wanted).unwrap().prefix, "logs/");
            change(&mut wanted);
            scope(&wanted).unwrap_err().to_string()
        };
        assert!(refused(|w| w.accounts = vec!["12".into()]).contains("12 digits"));
        assert!(refused(|w| w.until = "2025-02-01".into()).contains("before the first"));
        assert!(refused(|w| w.since = "March".into()).contains("not a day"));
        assert!(refused(|w| w.regions = vec!["../x".into()]).contains("not the name of a region"));
    }
}
