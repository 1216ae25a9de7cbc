//! Sources in the ledger, and as SQL sees them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use sqlx::Row;
use trailhound_ingest::key::{self, Key};
use trailhound_ingest::source::stamp_micros;
use trailhound_store::Ledger;

use super::Name;
use super::source::{LATE, Source};

/// Times are µs since the epoch. `newest_stamp` is 0 where no object has one, and null where nobody has looked yet;
/// `advanced_time` is 0 where a source is not live.
const TABLES: &[&str] = &[
    "CREATE TABLE sources (
        account_id TEXT NOT NULL, region TEXT NOT NULL, first_time BIGINT NOT NULL, last_time BIGINT NOT NULL,
        deliveries BIGINT NOT NULL, gap_mean BIGINT NOT NULL, gap_longest BIGINT NOT NULL,
        PRIMARY KEY (account_id, region))",
    "ALTER TABLE sources ADD COLUMN newest_stamp BIGINT",
    "ALTER TABLE sources ADD COLUMN advanced_time BIGINT",
];

/// Makes the table where it is missing.
pub async fn migrate(ledger: &Ledger) -> anyhow::Result<()> {
    Ok(ledger.migrate("sources", TABLES).await?)
}

/// Every source. Where the ledger holds none, or some without stamps (an older version, a scan, a ledger that was lost
/// and made again), they are read off the names of the objects, once.
pub async fn read(ledger: &Ledger) -> anyhow::Result<BTreeMap<Name, Source>> {
    let fail = |e| ledger.fail("read sources", e);
    let sql = "SELECT account_id, region, first_time, last_time, deliveries, gap_mean, gap_longest, newest_stamp,
        advanced_time FROM sources";
    let (mut sources, mut whole) = (BTreeMap::new(), true);
    for row in sqlx::query(sql).fetch_all(ledger.pool()).await.map_err(fail)? {
        let number = |at: usize| row.try_get::<i64, _>(at).map_err(fail);
        let newest_stamp: Option<i64> = row.try_get(7).map_err(fail)?;
        whole &= newest_stamp.is_some();
        let source = Source {
            first_time: number(2)?,
            last_time: number(3)?,
            deliveries: number(4)?,
            gap_mean: number(5)?,
            gap_longest: number(6)?,
            newest_stamp: newest_stamp.unwrap_or(0),
            advanced_time: row.try_get::<Option<i64>, _>(8).map_err(fail)?.unwrap_or(0),
        };
        sources.insert((row.try_get(0).map_err(fail)?, row.try_get(1).map_err(fail)?), source);
    }
    if sources.is_empty() || !whole {
        derive(ledger, &mut sources).await?;
        write(ledger, &sources).await?;
    }
    Ok(sources)
}

/// Puts to the sources what the objects in the ledger say of them.
async fn derive(ledger: &Ledger, sources: &mut BTreeMap<Name, Source>) -> anyhow::Result<()> {
    let fail = |e| ledger.fail("read sources off the objects", e);
    let mut rows = sqlx::query("SELECT key, noted_time FROM objects ORDER BY noted_time").fetch(ledger.pool());
    while let Some(row) = rows.try_next().await.map_err(fail)? {
        let (key, noted): (String, i64) = (row.try_get(0).map_err(fail)?, row.try_get(1).map_err(fail)?);
        let Key::Log(log) = key::parse(&key) else { continue };
        let name = (log.account_id.to_string(), log.region.to_string());
        let source = sources.entry(name).or_insert_with(|| Source::new(noted));
        if let Some(stamp) = log.stamp.and_then(stamp_micros) {
            source.stamped(stamp, noted);
        }
    }
    Ok(())
}

/// Writes these, all or none.
pub async fn write(ledger: &Ledger, sources: &BTreeMap<Name, Source>) -> anyhow::Result<()> {
    let fail = |e| ledger.fail("note sources", e);
    let mut transaction = ledger.begin().await?;
    for ((account, region), source) in sources {
        sqlx::query(
            "INSERT INTO sources (account_id, region, first_time, last_time, deliveries, gap_mean, gap_longest,
             newest_stamp, advanced_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (account_id, region) DO UPDATE SET last_time = excluded.last_time,
             deliveries = excluded.deliveries, gap_mean = excluded.gap_mean, gap_longest = excluded.gap_longest,
             newest_stamp = excluded.newest_stamp, advanced_time = excluded.advanced_time",
        )
        .bind(account.clone())
        .bind(region.clone())
        .bind(source.first_time)
        .bind(source.last_time)
        .bind(source.deliveries)
        .bind(source.gap_mean)
        .bind(source.gap_longest)
        .bind(source.newest_stamp)
        .bind(source.advanced_time)
        .execute(&mut *transaction)
        .await
        .map_err(fail)?;
    }
    Ok(transaction.commit().await.map_err(fail)?)
}

/// Makes `sources` known to a session: when each account's region was first and last heard of, the newest stamp of its
/// objects and when that came, and the event time up to which it is complete by its stamps (null for one that is not live).
pub async fn register(ledger: &Ledger, session: &SessionContext) -> anyhow::Result<()> {
    migrate(ledger).await?;
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let columns = [
        ("account_id", DataType::Utf8View),
        ("region", DataType::Utf8View),
        ("first_time", time()),
        ("last_time", time()),
        ("deliveries", DataType::Int64),
        ("newest_stamp", time()),
        ("advanced_time", time()),
        ("complete_time", time()),
    ];
    let fields: Vec<Field> = columns.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect();
    let query = format!(
        "SELECT account_id, region, first_time, last_time, deliveries, NULLIF(newest_stamp, 0), NULLIF(advanced_time, 0),
         CASE WHEN advanced_time > 0 THEN newest_stamp - {LATE} END FROM sources"
    );
    let table = ledger.table("sources", &query, Arc::new(Schema::new(fields)))?;
    session.register_table("sources", table).context("cannot ask about sources")?;
    Ok(())
}
