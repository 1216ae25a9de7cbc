//! The store's upkeep while the service runs: small files are brought together every few minutes, days that are older than
//! the retention are taken out, and once a day files that have been out of the tables for a week are deleted, unless a rule
//! still has to read them.
//!
//! A failure is told and tried again the next time. Nothing depends on it but speed and space.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use trailhound_detect::FindingsLedger;
use trailhound_store::{Result, StoreOptions, Upkeep};

use super::metrics::Metrics;
use crate::clock::now_micros;

const DAY_MICROS: i64 = 24 * 3_600_000_000;
const VACUUM_EVERY: Duration = Duration::from_secs(24 * 3_600);

pub struct Upkeeper {
    pub options: StoreOptions,
    pub every: Duration,
    /// Days of events, and of counts, that are kept; 0 keeps all.
    pub retention_days: u32,
    pub activity_retention_days: u32,
    pub findings: FindingsLedger,
    pub metrics: Arc<Metrics>,
}

impl Upkeeper {
    /// Works until cancelled. What is cancelled in the middle leaves a file that no commit names.
    pub async fn run(self, cancel: CancellationToken) {
        let mut vacuumed = None;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(self.every) => {}
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                done = self.round(&mut vacuumed) => if let Err(error) = done {
                    tracing::warn!("the upkeep of the store failed and is tried again: {:#}", anyhow::Error::from(error));
                },
            }
        }
    }

    async fn round(&self, vacuumed: &mut Option<Instant>) -> Result<()> {
        let mut upkeep = Upkeep::open(&self.options).await?;
        let done = upkeep.compact().await?;
        self.metrics.files_compacted.inc_by(done.files_before);
        self.metrics.table_files.set(upkeep.size().await?.files as i64);
        if done.files_before > 0 {
            tracing::info!(files = done.files_before, into = done.files_after, rows = done.rows, "compacted");
        }
        let folded = upkeep.fold().await?;
        if folded.files_before > 0 {
            tracing::info!(files = folded.files_before, into = folded.files_after, rows = folded.rows, "counts folded");
        }
        let is_due = vacuumed.is_none_or(|when| when.elapsed() >= VACUUM_EVERY);
        if !is_due && self.retention_days == 0 {
            return Ok(());
        }
        match self.findings.applied_to().await {
            Ok(applied_to) if upkeep.is_news_after(applied_to).await? => {}
            Ok(_) => {
                self.expire(&mut upkeep).await?;
                if !is_due {
                    return Ok(());
                }
                let deleted = upkeep.vacuum().await?;
                tracing::info!(files = deleted, "deleted files that nobody needs");
                *vacuumed = Some(Instant::now());
            }
            Err(error) => tracing::warn!("nothing is deleted, since what rules still need is not known: {error}"),
        }
        Ok(())
    }

    async fn expire(&self, upkeep: &mut Upkeep) -> Result<()> {
        let today = i32::try_from(now_micros().div_euclid(DAY_MICROS)).unwrap_or(i32::MAX);
        let first = |days: u32| today.saturating_sub(i32::try_from(days).unwrap_or(i32::MAX));
        if self.retention_days > 0 {
            let events = upkeep.expire(first(self.retention_days)).await?;
            if events > 0 {
                tracing::info!(
                    events,
                    days = self.retention_days,
                    "events that are older than the retention were taken out"
                );
            }
        }
        if self.activity_retention_days > 0 {
            upkeep.expire_activity(first(self.activity_retention_days)).await?;
        }
        Ok(())
    }
}
