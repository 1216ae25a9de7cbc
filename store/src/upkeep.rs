//! Upkeep of the table while it is written to and asked: small files are brought together, and what nobody needs any
//! more is deleted.
//!
//! A service commits every few seconds, so that a day has thousands of files. They are rewritten as few, sorted by hour,
//! principal and time, with filters for the values that people look up. Such a commit brings no rows: whoever follows the
//! table steps over it, and whoever has it open goes on with the files that it knew, which stay for a week. Upkeep is a
//! writer like any other: it commits against the log, and where somebody else was there first its work is thrown away.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::{SortColumn, concat, interleave_record_batch, lexsort_to_indices};
use arrow::datatypes::TimestampMicrosecondType;
use deltalake_core::kernel::transaction::{CommitBuilder, TransactionError};
use deltalake_core::kernel::{Action, Remove};
use deltalake_core::operations::vacuum::VacuumMode;
use deltalake_core::protocol::DeltaOperation;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::clock::now_micros;
use crate::crash;
use crate::datafile::{self, EVENT_DATE, Encoder, FileMeta, Purpose, Wanted};
use crate::dedup::hour_of;
use crate::error::{Result, StoreError};
use crate::location::Location;
use crate::store::StoreOptions;
use crate::table;

/// Files grow towards this size, as they are stored: some hundred thousand events.
const TARGET_BYTES: u64 = 32 << 20;
/// A day that is still written to is compacted when it has so many small files: each round makes files some ten times as
/// large, so that an event is rewritten a few times and not each time.
const FILES_MIN: usize = 16;
/// Files that are rewritten at once; their footers are in memory together.
const FILES_MAX: usize = 512;
/// Rows that are sorted together, in memory: some 40 MiB, twice.
const ROWS_A_GROUP: usize = 16 * 1024;
/// A day that got no file for so long is brought to its final form.
const SETTLED_MILLIS: i64 = 6 * 3_600_000;

/// What compacting did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    pub files_before: u64,
    pub files_after: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub rows: u64,
}

/// A handle on the table of a store, beside the one that writes to it.
#[derive(Debug)]
pub struct Upkeep {
    delta: DeltaTable,
    location: String,
}

/// Files of a day that become one.
struct Work {
    /// Days since the epoch.
    days: i32,
    files: Vec<FileMeta>,
    removes: Vec<Remove>,
}

impl Upkeep {
    /// Opens the table of a store that is there.
    pub async fn open(options: &StoreOptions) -> Result<Self> {
        let location = Location::parse(&options.location, options.ledger.as_deref())?;
        Ok(Self { delta: table::open_handle(&location).await?, location: location.name })
    }

    /// Files of the table now.
    pub async fn files(&mut self) -> Result<u64> {
        self.refresh().await?;
        let state = self.delta.snapshot().map_err(|e| self.fail("read the table's log", e))?;
        Ok(state.log_data().into_iter().count() as u64)
    }

    /// Brings small files together until there is nothing to gain. May be dropped at any point.
    pub async fn compact(&mut self) -> Result<Compacted> {
        let mut done = Compacted::default();
        loop {
            self.refresh().await?;
            let Some(work) = self.next(now_micros() / 1_000)? else { return Ok(done) };
            let files = work.files.len() as u64;
            let bytes: u64 = work.files.iter().map(|f| f.bytes).sum();
            let rows: u64 = work.files.iter().map(|f| f.rows).sum();
            let Some(size) = self.rewrite(work).await? else { return Ok(done) };
            done.files_before += files;
            done.files_after += 1;
            done.bytes_before += bytes;
            done.bytes_after += size;
            done.rows += rows;
        }
    }

    /// Deletes files that have been out of the table for a week, and those that no commit ever named. Gives how many.
    pub async fn vacuum(&mut self) -> Result<u64> {
        self.refresh().await?;
        let vacuumed = self.delta.clone().vacuum().with_mode(VacuumMode::Full).await;
        let (delta, metrics) = vacuumed.map_err(|e| self.fail("delete files that nobody needs", e))?;
        self.delta = delta;
        Ok(metrics.files_deleted.len() as u64)
    }

    /// Whether a commit after this version brought rows.
    pub async fn is_news_after(&mut self, version: i64) -> Result<bool> {
        self.refresh().await?;
        let newest = self.delta.version().map_or(-1, |version| version as i64);
        for version in version + 1..=newest {
            let commit = table::read_commit(&self.delta.log_store(), &self.location, version).await?;
            if commit.is_some_and(|commit| !commit.added.is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Files that the log names and that are not there.
    pub async fn missing_files(&mut self) -> Result<Vec<String>> {
        self.refresh().await?;
        let checked = self.delta.clone().filesystem_check().with_dry_run(true).await;
        let (_, metrics) = checked.map_err(|e| self.fail("compare the table's log with its files", e))?;
        Ok(metrics.files_removed)
    }

    async fn refresh(&mut self) -> Result<()> {
        let seen = self.delta.update_state().await;
        seen.map_err(|e| self.fail("read the table's log", e))
    }

    /// The day with most to gain.
    fn next(&self, now_millis: i64) -> Result<Option<Work>> {
        let state = self.delta.snapshot().map_err(|e| self.fail("read the table's log", e))?;
        let mut days: BTreeMap<i32, Vec<(FileMeta, i64, Remove)>> = BTreeMap::new();
        for file in state.log_data() {
            let date = file.partition_values_map().remove(EVENT_DATE).flatten();
            let meta = FileMeta::new(&file.path(), file.size(), file.stats().as_deref(), date.as_deref());
            days.entry(meta.date).or_default().push((meta, file.modification_time(), file.remove_action(false)));
        }
        let mut best: Option<Work> = None;
        for (day, mut files) in days {
            let settled = files.iter().all(|(_, modified, _)| now_millis - modified > SETTLED_MILLIS);
            files.retain(|(meta, ..)| meta.bytes < TARGET_BYTES / 2);
            files.sort_by(|a, b| (a.0.bytes, &a.0.path).cmp(&(b.0.bytes, &b.0.path)));
            let mut bytes = 0;
            let fits = files.iter().take(FILES_MAX).take_while(|(meta, ..)| {
                bytes += meta.bytes;
                bytes <= TARGET_BYTES
            });
            let count = fits.count();
            if count < if settled { 2 } else { FILES_MIN } || best.as_ref().is_some_and(|b| b.files.len() >= count) {
                continue;
            }
            files.truncate(count);
            // Neighbours in time are read one after the other, so that hours come together.
            files.sort_by(|a, b| (a.0.times, &a.0.path).cmp(&(b.0.times, &b.0.path)));
            let (files, removes) = files.into_iter().map(|(meta, _, remove)| (meta, remove)).unzip();
            best = Some(Work { days: day, files, removes });
        }
        Ok(best)
    }

    /// Makes one file of many and commits that. Gives its size; none where somebody else changed these files meanwhile.
    async fn rewrite(&self, work: Work) -> Result<Option<u64>> {
        let store = self.delta.object_store();
        let mut encoder = Encoder::begin(Purpose::Compaction, work.days, ROWS_A_GROUP);
        let (mut group, mut rows) = (Vec::new(), 0);
        for file in &work.files {
            let mut batches = datafile::read(&store, file, &[], Wanted::All).await?;
            while let Some(batch) = batches.try_next().await? {
                rows += batch.num_rows();
                group.push(batch);
                if rows >= ROWS_A_GROUP {
                    encoder = encode(encoder, std::mem::take(&mut group)).await?;
                    rows = 0;
                }
            }
        }
        if rows > 0 {
            encoder = encode(encoder, group).await?;
        }
        let add = encoder.put(&store, now_micros() / 1_000).await?;
        crash::point("upkeep.written");
        let (path, size) = (Path::from(add.path.as_str()), add.size.unsigned_abs());
        let removes = work.removes.into_iter().map(Action::Remove);
        let actions = removes.chain([Action::Add(add)]).collect();
        let state = self.delta.snapshot().map_err(|e| self.fail("commit to the table", e))?.clone();
        let operation = DeltaOperation::Optimize { predicate: None, target_size: TARGET_BYTES as i64 };
        let prepared = CommitBuilder::default()
            .with_actions(actions)
            .build(Some(&state), self.delta.log_store(), operation)
            .into_prepared_commit_future()
            .await
            .map_err(|e| self.fail("commit to the table", e))?;
        match prepared.await {
            Ok(_) => {
                crash::point("upkeep.committed");
                Ok(Some(size))
            }
            Err(DeltaTableError::Transaction {
                source: TransactionError::CommitConflict(_) | TransactionError::MaxCommitAttempts(_),
            }) => {
                // Nobody knows of it. What is not deleted now is found by a later vacuum.
                let _ = store.delete(&path).await;
                Ok(None)
            }
            Err(e) => Err(self.fail("commit to the table", e)),
        }
    }

    fn fail(&self, operation: &'static str, error: DeltaTableError) -> StoreError {
        StoreError::table(&self.location, operation, error)
    }
}

/// Sorts rows and adds them to a file.
async fn encode(mut encoder: Encoder, rows: Vec<RecordBatch>) -> Result<Encoder> {
    let encoding = tokio::task::spawn_blocking(move || {
        let sorted = sorted(rows).map_err(StoreError::rows("sort"))?;
        encoder.push(&sorted)?;
        Ok(encoder)
    });
    encoding.await.map_err(|e| StoreError::Batch { detail: format!("sorting failed: {e}") })?
}

/// By hour, principal and time: who looks for a principal or a time reads little else. Only what is sorted by is put
/// together first, so that rows are in memory twice and not three times.
fn sorted(rows: Vec<RecordBatch>) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
    let column = |name: &str| {
        let parts: Vec<_> = rows
            .iter()
            .map(|batch| batch.column_by_name(name).expect("files are read with all columns").as_ref())
            .collect();
        concat(&parts)
    };
    let times = column("event_time")?;
    let hours: Int64Array = times.as_primitive::<TimestampMicrosecondType>().unary(hour_of);
    let by = |values: ArrayRef| SortColumn { values, options: None };
    let order = [by(Arc::new(hours)), by(column("principal_key")?), by(times), by(column("event_id")?)];
    let order = lexsort_to_indices(&order, None)?;
    let starts: Vec<usize> = rows
        .iter()
        .scan(0, |next, batch| {
            let start = *next;
            *next += batch.num_rows();
            Some(start)
        })
        .collect();
    let place = |at: &u32| {
        let at = *at as usize;
        let batch = starts.partition_point(|start| *start <= at) - 1;
        (batch, at - starts[batch])
    };
    let places: Vec<(usize, usize)> = order.values().iter().map(place).collect();
    interleave_record_batch(&rows.iter().collect::<Vec<_>>(), &places)
}

#[cfg(test)]
mod tests;
