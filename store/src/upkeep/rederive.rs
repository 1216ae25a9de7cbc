//! Facts of one record made anew for the events that are there, after a GeoIP file or a derivation has changed.
//!
//! Files are rewritten like compaction rewrites them, which is no news to whoever follows the table. The last commit counts
//! the table's *derivation* up: every rule then evaluates the table anew, as if it had been edited.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use deltalake_core::kernel::transaction::{CommitBuilder, TransactionError};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError};
use trailhound_ingest::{Geo, Rederiver};

use super::{FILES_MAX, TARGET_BYTES, TRIES_MAX, Upkeep, Work};
use crate::crash;
use crate::datafile::{EVENT_DATE, FileMeta};
use crate::derivation::Derivation;
use crate::error::{Result, StoreError};
use crate::expired::Expired;

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rederived {
    pub events: u64,
    /// Of so many that were found at the beginning.
    pub events_found: u64,
}

impl Upkeep {
    /// Derives with these GeoIP files the facts of every event that is in the table now, and counts `activity` anew. Events
    /// that come meanwhile have been derived by whoever read them. Where it breaks off it is to be begun anew; rules hear of
    /// it when all is done.
    pub async fn rederive(&mut self, geo: Arc<Geo>, progress: &(dyn Fn(Rederived) + Sync)) -> Result<Rederived> {
        // What is counted in `activity` is counted as it came.
        self.count().await?;
        let begun: HashSet<String> = self.files()?.into_iter().map(|file| file.path).collect();
        let mut done = Rederived { events: 0, events_found: self.size().await?.rows };
        let mut made = HashSet::new();
        let mut refused = 0;
        progress(done);
        loop {
            self.refresh().await?;
            // What others compact meanwhile may hold events that were there at the beginning.
            let waits =
                |file: &FileMeta| !made.contains(&file.path) && (begun.contains(&file.path) || file.is_compacted());
            let Some(work) = self.portion(waits)? else { break };
            let rows: u64 = work.files.iter().map(|file| file.rows).sum();
            let rederiver = Rederiver::new(geo.clone());
            match self.rewrite_with(work, Some(rederiver)).await? {
                Some(add) => {
                    made.insert(add.path);
                    refused = 0;
                    done.events += rows;
                    progress(done);
                }
                None if refused < TRIES_MAX => refused += 1,
                None => return Err(self.overtaken()),
            }
        }
        let expired = Expired::of(&self.delta, &self.location).await?;
        let (commits, version) = (self.commits().await?, self.version());
        self.activity.rebuild(&commits, version, expired).await?;
        self.count_derivation_up().await?;
        crash::point("upkeep.rederived");
        Ok(done)
    }

    fn files(&self) -> Result<Vec<FileMeta>> {
        crate::table::files_of(&self.delta).map_err(|e| self.fail("read the table's log", e))
    }

    /// Files of one day that wait, as many as become one file.
    fn portion(&self, waits: impl Fn(&FileMeta) -> bool) -> Result<Option<Work>> {
        let state = self.delta.snapshot().map_err(|e| self.fail("read the table's log", e))?;
        let mut days: BTreeMap<i32, Vec<_>> = BTreeMap::new();
        for file in state.log_data() {
            let date = file.partition_values_map().remove(EVENT_DATE).flatten();
            let meta = FileMeta::new(&file.path(), file.size(), file.stats().as_deref(), date.as_deref());
            if waits(&meta) {
                days.entry(meta.date).or_default().push((meta, file.remove_action(false)));
            }
        }
        let Some((days, mut files)) = days.pop_first() else { return Ok(None) };
        files.sort_by(|a, b| (a.0.times, &a.0.path).cmp(&(b.0.times, &b.0.path)));
        let mut bytes = 0;
        let fits = files.iter().take(FILES_MAX).take_while(|(meta, _)| {
            bytes += meta.bytes;
            bytes <= TARGET_BYTES
        });
        let count = fits.count().max(1);
        files.truncate(count);
        let (files, removes) = files.into_iter().unzip();
        Ok(Some(Work { days, files, removes }))
    }

    async fn count_derivation_up(&mut self) -> Result<()> {
        for _ in 0..TRIES_MAX {
            self.refresh().await?;
            let next = Derivation::of(&self.delta, &self.location).await?.next();
            if said(&self.delta, &self.location, next).await? {
                return Ok(());
            }
        }
        Err(self.overtaken())
    }
}

/// Says a table's derivation in its log. False where somebody else was there first.
async fn said(delta: &DeltaTable, location: &str, derivation: Derivation) -> Result<bool> {
    let fail = |e| StoreError::table(location, "commit to the table", e);
    let state = delta.snapshot().map_err(fail)?.clone();
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    let prepared = CommitBuilder::default()
        .with_actions(vec![derivation.action()])
        .build(Some(&state), delta.log_store(), operation)
        .into_prepared_commit_future()
        .await
        .map_err(fail)?;
    match prepared.await {
        Ok(_) => Ok(true),
        Err(DeltaTableError::Transaction {
            source: TransactionError::CommitConflict(_) | TransactionError::MaxCommitAttempts(_),
        }) => Ok(false),
        Err(e) => Err(fail(e)),
    }
}
