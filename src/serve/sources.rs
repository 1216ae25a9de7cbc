//! What sends: every account and region, how often log objects come from it, and which has gone silent.
//!
//! CloudTrail delivers some minutes after a call, and only where there were calls. So what is silence depends on the
//! source: one that delivers every five minutes is missed after an hour, one that delivers twice a day after some days.
//! Kept in the ledger, so that a restart does not forget who used to send.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::any::AnyRow;
use trailhound_ingest::ObjectId;
use trailhound_ingest::key::{self, Key};
use trailhound_store::Ledger;

const TABLES: &[&str] = &["CREATE TABLE sources (
        account_id TEXT NOT NULL, region TEXT NOT NULL, first_time BIGINT NOT NULL, last_time BIGINT NOT NULL,
        deliveries BIGINT NOT NULL, gap_mean BIGINT NOT NULL, gap_longest BIGINT NOT NULL,
        PRIMARY KEY (account_id, region))"];

const MINUTE: i64 = 60_000_000;
/// Silence shorter than this says nothing: CloudTrail itself takes up to a quarter of an hour.
const SILENCE_MIN: i64 = 60 * MINUTE;
/// A source is missed when it is silent for so many of its usual gaps, and for so much longer than its longest one.
const SILENT_GAPS: i64 = 12;
const SILENT_LONGEST_PERCENT: i64 = 150;
/// Before so many deliveries nothing is usual.
const DELIVERIES_MIN: i64 = 20;
/// Weight of the newest gap in the mean, as one of so many.
const GAP_WEIGHT: i64 = 16;
/// Deliveries nearer than this are one: CloudTrail splits what does not fit into one object.
const SAME_DELIVERY: i64 = MINUTE;

/// What is known of a source. Times in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    first_time: i64,
    last_time: i64,
    deliveries: i64,
    gap_mean: i64,
    gap_longest: i64,
}

impl Source {
    fn new(now: i64) -> Self {
        Self { first_time: now, last_time: now, deliveries: 1, gap_mean: 0, gap_longest: 0 }
    }

    fn delivered(&mut self, now: i64) {
        let gap = now - self.last_time;
        if gap < SAME_DELIVERY {
            return;
        }
        self.gap_mean = match self.deliveries {
            1 => gap,
            _ => self.gap_mean + (gap - self.gap_mean) / GAP_WEIGHT,
        };
        // The longest gap is forgotten slowly: a holiday a year ago is not what is usual.
        self.gap_longest = gap.max(self.gap_longest - self.gap_longest / 256);
        self.deliveries += 1;
        self.last_time = now;
    }

    /// Since when it is silent, if that is not usual for it.
    fn silent_since(&self, now: i64) -> Option<i64> {
        let usual = (self.gap_mean * SILENT_GAPS).max(self.gap_longest * SILENT_LONGEST_PERCENT / 100).max(SILENCE_MIN);
        (self.deliveries >= DELIVERIES_MIN && now - self.last_time > usual).then_some(self.last_time)
    }
}

/// The sources of this service.
pub struct Sources {
    ledger: Ledger,
    known: std::sync::Mutex<BTreeMap<(String, String), Source>>,
}

impl Sources {
    pub async fn open(ledger: &Ledger) -> anyhow::Result<Self> {
        ledger.migrate("sources", TABLES).await?;
        let fail = |e| ledger.fail("read sources", e);
        let sql = "SELECT account_id, region, first_time, last_time, deliveries, gap_mean, gap_longest FROM sources";
        let rows = sqlx::query(sql).fetch_all(ledger.pool()).await.map_err(fail)?;
        let read = |row: &AnyRow| -> Result<((String, String), Source), sqlx::Error> {
            let source = Source {
                first_time: row.try_get(2)?,
                last_time: row.try_get(3)?,
                deliveries: row.try_get(4)?,
                gap_mean: row.try_get(5)?,
                gap_longest: row.try_get(6)?,
            };
            Ok(((row.try_get(0)?, row.try_get(1)?), source))
        };
        let known = rows.iter().map(read).collect::<Result<_, _>>().map_err(fail)?;
        Ok(Self { ledger: ledger.clone(), known: std::sync::Mutex::new(known) })
    }

    /// These objects came now.
    pub async fn delivered(&self, objects: &[ObjectId], now: i64) -> anyhow::Result<()> {
        let mut changed = BTreeMap::new();
        {
            let mut known = self.known.lock().expect("no holder panics");
            for object in objects {
                let Key::Log(log) = key::parse(&object.key) else { continue };
                let name = (log.account_id.to_string(), log.region.to_string());
                let source = known.entry(name.clone()).or_insert_with(|| Source::new(now));
                source.delivered(now);
                changed.insert(name, source.clone());
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let fail = |e| self.ledger.fail("note sources", e);
        let mut transaction = self.ledger.begin().await?;
        for ((account, region), source) in changed {
            sqlx::query(
                "INSERT INTO sources (account_id, region, first_time, last_time, deliveries, gap_mean, gap_longest)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account_id, region) DO UPDATE SET
                 last_time = excluded.last_time, deliveries = excluded.deliveries, gap_mean = excluded.gap_mean,
                 gap_longest = excluded.gap_longest",
            )
            .bind(account)
            .bind(region)
            .bind(source.first_time)
            .bind(source.last_time)
            .bind(source.deliveries)
            .bind(source.gap_mean)
            .bind(source.gap_longest)
            .execute(&mut *transaction)
            .await
            .map_err(fail)?;
        }
        Ok(transaction.commit().await.map_err(fail)?)
    }

    /// Every source with since when it is silent, where that is not usual for it.
    pub fn silence(&self, now: i64) -> Vec<(String, String, Option<i64>)> {
        let known = self.known.lock().expect("no holder panics");
        known
            .iter()
            .map(|((account, region), source)| (account.clone(), region.clone(), source.silent_since(now)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that delivered every `every` minutes, a hundred times, and is asked `after` minutes later.
    fn silent(every: i64, after: i64) -> bool {
        let mut source = Source::new(0);
        for delivery in 1..100 {
            source.delivered(delivery * every * MINUTE);
        }
        source.silent_since((99 * every + after) * MINUTE).is_some()
    }

    #[test]
    fn silence_is_what_is_not_usual() {
        assert!(!silent(5, 59));
        assert!(silent(5, 61));
        assert!(!silent(60, 700));
        assert!(silent(60, 721));
    }

    #[test]
    fn a_nightly_pause_is_usual() {
        let (mut source, mut now) = (Source::new(0), 0);
        for _day in 0..5 {
            for _ in 0..100 {
                now += 5 * MINUTE;
                source.delivered(now);
            }
            now += 900 * MINUTE;
            source.delivered(now);
        }
        assert!(source.silent_since(now + 900 * MINUTE).is_none());
        assert!(source.silent_since(now + 1_400 * MINUTE).is_some());
    }

    #[test]
    fn a_few_deliveries_are_no_habit() {
        let mut source = Source::new(0);
        source.delivered(5 * MINUTE);
        assert!(source.silent_since(10_000 * MINUTE).is_none());
    }
}
