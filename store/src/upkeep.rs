//! Upkeep of the table while it is written to and asked: small files are brought together, and what nobody needs any
//! more is deleted.
//!
//! A service commits every few seconds, so that a day has thousands of files. They are rewritten as few, sorted by hour,
//! principal and time, with filters for the values that people look up. Such a commit brings no rows: whoever follows the
//! table steps over it, and whoever has it open goes on with the files that it knew, which stay for a week. Upkeep is a
//! writer like any other: it commits against the log, and where somebody else was there first its work is thrown away.
//! The partial counts of `activity` are folded in the same way ([`Upkeep::fold`]), and days that are too old are taken out
//! ([`Upkeep::expire`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::{SortColumn, concat, interleave_record_batch, lexsort_to_indices};
use arrow::datatypes::TimestampMicrosecondType;
use deltalake_core::kernel::transaction::{CommitBuilder, TransactionError};
use deltalake_core::kernel::{Action, Add, Remove};
use deltalake_core::operations::vacuum::VacuumMode;
use deltalake_core::protocol::DeltaOperation;
use deltalake_core::table::state::DeltaTableState;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use trailhound_ingest::Rederiver;

use crate::activity::{self, Activity, Fold};
use crate::clock::now_micros;
use crate::commits::Commits;
use crate::crash;
use crate::datafile::{self, EVENT_DATE, Encoder, FileMeta, Purpose, Wanted};
use crate::dedup::hour_of;
use crate::error::{Result, StoreError};
use crate::expired::Expired;
use crate::location::Location;
use crate::store::StoreOptions;
use crate::table;

mod retention;

mod rederive;

pub use rederive::Rederived;

/// Files grow towards this size, as they are stored: some hundred thousand events.
const TARGET_BYTES: u64 = 32 << 20;
/// A day that is still written to is compacted when it has so many small files: each round makes files some ten times as
/// large, so that an event is rewritten a few times and not each time.
const FILES_MIN: usize = 16;
/// Files that are rewritten at once; their footers are in memory together.
const FILES_MAX: usize = 512;
/// Rows that are sorted together, in memory: some 40 MiB, twice.
const ROWS_A_GROUP: usize = 16 * 1024;
/// Other writers may be quicker so many times in a row.
const TRIES_MAX: u32 = 100;
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

/// Files of a table, and what is in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableSize {
    pub files: u64,
    pub bytes: u64,
    pub rows: u64,
}

impl TableSize {
    fn of(delta: &DeltaTable) -> std::result::Result<Self, DeltaTableError> {
        let mut size = Self::default();
        for file in table::files_of(delta)? {
            size.files += 1;
            size.bytes += file.bytes;
            size.rows += file.rows;
        }
        Ok(size)
    }
}

/// A handle on the tables of a store, beside the one that writes to it.
pub struct Upkeep {
    delta: DeltaTable,
    location: String,
    activity: Activity,
}

/// Files of a day that become one.
struct Work {
    /// Days since the epoch.
    days: i32,
    files: Vec<FileMeta>,
    removes: Vec<Remove>,
}

/// How large a file becomes that others are made into, at most.
struct Limits {
    bytes: u64,
    rows: u64,
}

const EVENTS: Limits = Limits { bytes: TARGET_BYTES, rows: u64::MAX };
/// Counts are put together in memory: some 400 bytes a row.
const COUNTS: Limits = Limits { bytes: TARGET_BYTES, rows: 256 * 1024 };

impl Upkeep {
    /// Opens the table of a store that is there.
    pub async fn open(options: &StoreOptions) -> Result<Self> {
        let location = Location::parse(&options.location, options.ledger.as_deref())?;
        Ok(Self {
            delta: table::open_handle(&location, &location.events).await?,
            location: location.name.clone(),
            activity: Activity::open(location).await?,
        })
    }

    /// What the table `events` consists of now.
    pub async fn size(&mut self) -> Result<TableSize> {
        self.refresh().await?;
        TableSize::of(&self.delta).map_err(|e| self.fail("read the table's log", e))
    }

    /// What the table `activity` consists of now.
    pub async fn activity_size(&mut self) -> Result<TableSize> {
        let Some(table) = self.activity.table_mut() else { return Ok(TableSize::default()) };
        table.refresh().await?;
        TableSize::of(table.delta()).map_err(|e| table.fail("read the log of `activity`", e))
    }

    /// Brings small files together until there is nothing to gain. May be dropped at any point.
    pub async fn compact(&mut self) -> Result<Compacted> {
        let mut done = Compacted::default();
        loop {
            self.refresh().await?;
            let state = self.delta.snapshot().map_err(|e| self.fail("read the table's log", e))?;
            let Some(work) = next(state, EVENTS, now_micros() / 1_000) else { return Ok(done) };
            let files = work.files.len() as u64;
            let bytes: u64 = work.files.iter().map(|f| f.bytes).sum();
            let rows: u64 = work.files.iter().map(|f| f.rows).sum();
            let Some(add) = self.rewrite(work).await? else { return Ok(done) };
            done.files_before += files;
            done.files_after += 1;
            done.bytes_before += bytes;
            done.bytes_after += add.size.unsigned_abs();
            done.rows += rows;
        }
    }

    /// Brings the counts of `activity` up to the table, and folds small files of them until there is nothing to gain. May
    /// be dropped at any point.
    pub async fn fold(&mut self) -> Result<Compacted> {
        self.count().await?;
        let mut done = Compacted::default();
        let Some(table) = self.activity.table_mut() else { return Ok(done) };
        loop {
            table.refresh().await?;
            let state = table.delta().snapshot().map_err(|e| table.fail("read the log of `activity`", e))?;
            let Some(work) = next(state, COUNTS, now_micros() / 1_000) else { break };
            let store = table.delta().object_store();
            let mut fold = Fold::new()?;
            for file in &work.files {
                let mut counts = datafile::read_as(&store, file, activity::schema(), Wanted::All).await?;
                while let Some(counts) = counts.try_next().await? {
                    fold.add_counts(&counts)?;
                }
            }
            for file in &work.files {
                done.files_before += 1;
                done.bytes_before += file.bytes;
                done.rows += file.rows;
            }
            let folded = activity::write(&store, fold, Purpose::CountsCompaction).await?;
            done.files_after += folded.len() as u64;
            done.bytes_after += folded.iter().map(|file| file.size.unsigned_abs()).sum::<u64>();
            if !replace(table.delta(), &self.location, work.removes, folded).await? {
                break;
            }
        }
        self.activity.finish().await;
        Ok(done)
    }

    /// Deletes files that have been out of the tables for a week, and those that no commit ever named. Gives how many.
    pub async fn vacuum(&mut self) -> Result<u64> {
        // What is not counted yet must be readable as it came.
        self.count().await?;
        let mut deleted = vacuum(&mut self.delta, &self.location).await?;
        if let Some(table) = self.activity.table_mut() {
            table.refresh().await?;
            deleted += vacuum(table.delta_mut(), &self.location).await?;
        }
        Ok(deleted)
    }

    /// Whether a commit after this version brought rows.
    pub async fn is_news_after(&mut self, version: i64) -> Result<bool> {
        self.refresh().await?;
        self.commits().await?.any_brought_rows(version, self.version()).await
    }

    /// Files that the logs name and that are not there.
    pub async fn missing_files(&mut self) -> Result<Vec<String>> {
        self.refresh().await?;
        let mut missing = missing(&self.delta, &self.location).await?;
        if let Some(table) = self.activity.table_mut() {
            table.refresh().await?;
            let counts = self::missing(table.delta(), &self.location).await?;
            missing.extend(counts.into_iter().map(|path| format!("activity/{path}")));
        }
        Ok(missing)
    }

    /// Counts what `activity` does not count yet.
    async fn count(&mut self) -> Result<()> {
        self.refresh().await?;
        let (commits, version) = (self.commits().await?, self.version());
        self.activity.advance(&commits, version).await
    }

    fn version(&self) -> i64 {
        self.delta.version().map_or(-1, |version| version as i64)
    }

    async fn commits(&self) -> Result<Commits> {
        let files = table::files_of(&self.delta).map_err(|e| self.fail("read the table's log", e))?;
        let expired = Expired::of(&self.delta, &self.location).await?;
        Ok(Commits::new(&self.delta, &self.location, &files, expired))
    }

    async fn refresh(&mut self) -> Result<()> {
        let seen = self.delta.update_state().await;
        seen.map_err(|e| self.fail("read the table's log", e))
    }

    /// Makes one file of many and commits that. None where somebody else changed these files meanwhile.
    async fn rewrite(&self, work: Work) -> Result<Option<Add>> {
        self.rewrite_with(work, None).await
    }

    /// The same, with what is derived made anew on the way.
    async fn rewrite_with(&self, work: Work, mut rederiver: Option<Rederiver>) -> Result<Option<Add>> {
        let store = self.delta.object_store();
        let mut encoder = Encoder::begin(Purpose::Compaction, work.days, ROWS_A_GROUP);
        let (mut group, mut rows) = (Vec::new(), 0);
        for file in &work.files {
            let mut batches = datafile::read(&store, file, &[], Wanted::All).await?;
            while let Some(mut batch) = batches.try_next().await? {
                if let Some(rederiver) = &mut rederiver {
                    batch = rederiver.rederive(&batch)?;
                }
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
        let replaced = replace(&self.delta, &self.location, work.removes, vec![add.clone()]).await?;
        Ok(replaced.then_some(add))
    }

    fn overtaken(&self) -> StoreError {
        let detail = format!("other writers were quicker {TRIES_MAX} times in a row; run fewer writers");
        StoreError::Location { location: self.location.clone(), detail }
    }

    fn fail(&self, operation: &'static str, error: DeltaTableError) -> StoreError {
        StoreError::table(&self.location, operation, error)
    }
}

/// The day with most to gain.
fn next(state: &DeltaTableState, limits: Limits, now_millis: i64) -> Option<Work> {
    let mut days: BTreeMap<i32, Vec<(FileMeta, i64, Remove)>> = BTreeMap::new();
    for file in state.log_data() {
        let date = file.partition_values_map().remove(EVENT_DATE).flatten();
        let meta = FileMeta::new(&file.path(), file.size(), file.stats().as_deref(), date.as_deref());
        days.entry(meta.date).or_default().push((meta, file.modification_time(), file.remove_action(false)));
    }
    let mut best: Option<Work> = None;
    for (day, mut files) in days {
        let settled = files.iter().all(|(_, modified, _)| now_millis - modified > SETTLED_MILLIS);
        files.retain(|(meta, ..)| meta.bytes < limits.bytes / 2 && meta.rows < limits.rows / 2);
        files.sort_by(|a, b| (a.0.bytes, &a.0.path).cmp(&(b.0.bytes, &b.0.path)));
        let (mut bytes, mut rows) = (0, 0);
        let fits = files.iter().take(FILES_MAX).take_while(|(meta, ..)| {
            bytes += meta.bytes;
            rows += meta.rows;
            bytes <= limits.bytes && rows <= limits.rows
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
    best
}

/// Puts files in the place of others. False where somebody else changed these meanwhile.
async fn replace(delta: &DeltaTable, location: &str, removes: Vec<Remove>, adds: Vec<Add>) -> Result<bool> {
    let fail = |e| StoreError::table(location, "commit to the table", e);
    let paths: Vec<Path> = adds.iter().map(|add| Path::from(add.path.as_str())).collect();
    let removes = removes.into_iter().map(Action::Remove);
    let actions = removes.chain(adds.into_iter().map(Action::Add)).collect();
    let state = delta.snapshot().map_err(fail)?.clone();
    let operation = DeltaOperation::Optimize { predicate: None, target_size: TARGET_BYTES as i64 };
    let prepared = CommitBuilder::default()
        .with_actions(actions)
        .build(Some(&state), delta.log_store(), operation)
        .into_prepared_commit_future()
        .await
        .map_err(fail)?;
    match prepared.await {
        Ok(_) => {
            crash::point("upkeep.committed");
            Ok(true)
        }
        Err(DeltaTableError::Transaction {
            source: TransactionError::CommitConflict(_) | TransactionError::MaxCommitAttempts(_),
        }) => {
            // Nobody knows of them. What is not deleted now is found by a later vacuum.
            for path in paths {
                let _ = delta.object_store().delete(&path).await;
            }
            Ok(false)
        }
        Err(e) => Err(fail(e)),
    }
}

async fn vacuum(delta: &mut DeltaTable, location: &str) -> Result<u64> {
    let vacuumed = delta.clone().vacuum().with_mode(VacuumMode::Full).await;
    let (after, metrics) = vacuumed.map_err(|e| StoreError::table(location, "delete files that nobody needs", e))?;
    *delta = after;
    Ok(metrics.files_deleted.len() as u64)
}

async fn missing(delta: &DeltaTable, location: &str) -> Result<Vec<String>> {
    let checked = delta.clone().filesystem_check().with_dry_run(true).await;
    let (_, metrics) = checked.map_err(|e| StoreError::table(location, "compare the table's log with its files", e))?;
    Ok(metrics.files_removed)
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
