//! The store's upkeep while the service runs: small files are brought together every few minutes, and once a day those
//! that have been out of the table for a week are deleted, unless a rule still has to read them.
//!
//! A failure is told and tried again the next time. Nothing depends on it but speed and space.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use trailhound_detect::FindingsLedger;
use trailhound_store::{Result, StoreOptions, Upkeep};

use super::metrics::Metrics;

const VACUUM_EVERY: Duration = Duration::from_secs(24 * 3_600);

pub struct Upkeeper {
    pub options: StoreOptions,
    pub every: Duration,
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
        self.metrics.table_files.set(upkeep.files().await? as i64);
        if done.files_before > 0 {
            tracing::info!(files = done.files_before, into = done.files_after, rows = done.rows, "compacted");
        }
        if vacuumed.is_some_and(|when| when.elapsed() < VACUUM_EVERY) {
            return Ok(());
        }
        match self.findings.applied_to().await {
            Ok(applied_to) if upkeep.is_news_after(applied_to).await? => {}
            Ok(_) => {
                let deleted = upkeep.vacuum().await?;
                tracing::info!(files = deleted, "deleted files that nobody needs");
                *vacuumed = Some(Instant::now());
            }
            Err(error) => tracing::warn!("nothing is deleted, since what rules still need is not known: {error}"),
        }
        Ok(())
    }
}
