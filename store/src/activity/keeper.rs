//! The Delta table `activity`: commits of `events` are counted in it, each once.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use deltalake_core::kernel::transaction::CommitBuilder;
use deltalake_core::kernel::{Action, Add, Transaction};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::TryStreamExt;
use object_store::ObjectStore;

use super::{Fold, STATISTICS, counted_columns, days, schema};
use crate::checkpoint::Checkpoints;
use crate::clock::now_micros;
use crate::commits::{Commits, Step};
use crate::crash;
use crate::datafile::{EVENT_DATE, Encoder, FileMeta, Purpose, days_of};
use crate::error::{Result, StoreError};
use crate::expired::Expired;
use crate::location::Location;
use crate::table::{self, Layout};

/// The application whose transaction says up to which version of `events` the table counts.
const COUNTED: &str = "trailhound.events";
/// Commits of `events` that are counted in memory only, at most: then they are written down together.
const COMMITS_MAX: usize = 16;
/// Groups of these commits, at most; and groups of one file.
const GROUPS_MAX: usize = 128 * 1024;
/// Other writers may be quicker so many times in a row.
const TRIES_MAX: u32 = 100;

/// The table, as this process has seen it.
#[derive(Clone, Debug)]
pub(crate) struct ActivityTable {
    delta: DeltaTable,
    location: String,
    /// The version of `events` that it counts up to; -1 for none.
    counted: i64,
}

/// The counts of a store: the table, once it is there, and what is in memory only.
pub(crate) struct Activity {
    location: Location,
    table: Option<ActivityTable>,
    /// What commits of this process brought that the table does not count yet, by version of `events`.
    partials: BTreeMap<i64, RecordBatch>,
    checkpoints: Checkpoints,
}

impl ActivityTable {
    /// Opens the table, if there is one.
    pub async fn open(location: &Location) -> Result<Option<Self>> {
        let Some(delta) = table::open_if_there(location, &location.activity).await? else { return Ok(None) };
        let mut table = Self { delta, location: location.name.clone(), counted: -1 };
        table.read_counted().await?;
        Ok(Some(table))
    }

    /// Makes the table, or opens the one that somebody made in the same moment.
    async fn create(location: &Location) -> Result<Self> {
        let layout = Layout {
            name: "activity",
            comment: "Hourly counts of CloudTrail events; partial, to be summed; written by Trailhound",
            schema: schema(),
            statistics: STATISTICS,
        };
        let delta = table::create(location, &location.activity, layout).await?;
        let mut table = Self { delta, location: location.name.clone(), counted: -1 };
        table.read_counted().await?;
        Ok(table)
    }

    /// The version of `events` that it counts up to.
    pub fn counted(&self) -> i64 {
        self.counted
    }

    pub fn delta(&self) -> &DeltaTable {
        &self.delta
    }

    pub fn delta_mut(&mut self) -> &mut DeltaTable {
        &mut self.delta
    }

    /// Moves to the newest version.
    pub async fn refresh(&mut self) -> Result<()> {
        let before = self.delta.version();
        self.delta.update_state().await.map_err(|e| self.fail("read the log of `activity`", e))?;
        if self.delta.version() != before {
            self.read_counted().await?;
        }
        Ok(())
    }

    async fn read_counted(&mut self) -> Result<()> {
        let fail = |e| StoreError::table(&self.location, "read the log of `activity`", e);
        let state = self.delta.snapshot().map_err(fail)?;
        let log = self.delta.log_store();
        self.counted = state.transaction_version(log.as_ref(), COUNTED).await.map_err(fail)?.unwrap_or(-1);
        Ok(())
    }

    /// Tries to make actions the next version, which then counts up to a version of `events`. False where somebody else
    /// was there first.
    pub(super) async fn commit(&mut self, actions: Vec<Action>, counted: i64) -> Result<bool> {
        const COMMIT: &str = "commit to `activity`";
        let state = self.delta.snapshot().map_err(|e| self.fail(COMMIT, e))?.clone();
        let version = state.version() as i64 + 1;
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(vec![EVENT_DATE.to_string()]),
            predicate: None,
        };
        // delta-rs stores what an application says and compares nothing: it is the next version, or none, that makes it
        // certain that this counts what follows.
        let transaction = Action::Txn(Transaction::new(COUNTED, counted));
        let prepared = CommitBuilder::default()
            .with_actions(actions.into_iter().chain([transaction]).collect())
            .with_max_retries(0)
            .build(Some(&state), self.delta.log_store(), operation)
            .into_prepared_commit_future()
            .await
            .map_err(|e| self.fail(COMMIT, e))?;
        match prepared.await {
            Ok(_) => {}
            Err(e) if table::lost_race(&e) => return Ok(false),
            Err(e) => return Err(self.fail(COMMIT, e)),
        }
        crash::point("activity.committed");
        let seen = self.delta.update_incremental(Some(version as u64)).await;
        seen.map_err(|e| self.fail("read the log of `activity`", e))?;
        self.counted = counted;
        Ok(true)
    }

    pub fn fail(&self, operation: &'static str, error: DeltaTableError) -> StoreError {
        StoreError::table(&self.location, operation, error)
    }
}

impl Activity {
    /// What is there of a store's counts. Nothing is made or written by it.
    pub async fn open(location: Location) -> Result<Self> {
        let table = ActivityTable::open(&location).await?;
        let checkpoints = table.as_ref().map(|table| Checkpoints::new(&table.delta)).unwrap_or_default();
        Ok(Self { location, table, partials: BTreeMap::new(), checkpoints })
    }

    /// The table, if it is known to be there.
    pub fn table_mut(&mut self) -> Option<&mut ActivityTable> {
        self.table.as_mut()
    }

    /// Counts a commit that this process made, in memory.
    pub fn count(&mut self, version: i64, rows: &[&RecordBatch]) -> Result<()> {
        let mut fold = Fold::new()?;
        for rows in rows {
            fold.add_events(rows)?;
        }
        self.partials.insert(version, fold.finish()?);
        Ok(())
    }

    /// Whether there is so much in memory that it is to be written down.
    pub fn is_due(&self) -> bool {
        self.partials.len() >= COMMITS_MAX
            || self.partials.values().map(RecordBatch::num_rows).sum::<usize>() >= GROUPS_MAX
    }

    /// Forgets what is in memory only; it is read from `events` when it is needed.
    pub fn forget(&mut self) {
        self.partials.clear();
    }

    /// The table as it is now, if there is one, and what commits brought that it does not count.
    pub async fn fresh(&self) -> Result<(Option<ActivityTable>, BTreeMap<i64, RecordBatch>)> {
        let table = match &self.table {
            Some(table) => {
                let mut table = table.clone();
                table.refresh().await?;
                Some(table)
            }
            None => ActivityTable::open(&self.location).await?,
        };
        Ok((table, self.partials.clone()))
    }

    /// Counts every commit of `events` up to a version in the table.
    pub async fn advance(&mut self, commits: &Commits, until: i64) -> Result<()> {
        let table = match &mut self.table {
            Some(table) => table,
            none => none.insert(ActivityTable::create(&self.location).await?),
        };
        table.refresh().await?;
        let mut lost = 0;
        while table.counted < until && lost < TRIES_MAX {
            let (files, counted) = count(table, commits, until, &self.partials, true).await?;
            if files.is_empty() {
                break;
            }
            crash::point("activity.written");
            // The files of who lost are named by nobody; a later vacuum finds them. They may also have won, and only the
            // answer was lost: the table says so.
            if !table.commit(files.into_iter().map(Action::Add).collect(), counted).await? {
                lost += 1;
                table.refresh().await?;
            }
        }
        if lost == TRIES_MAX {
            return Err(quicker(&self.location));
        }
        self.partials = self.partials.split_off(&(until + 1));
        if let Some(mut anew) = self.checkpoints.take().await {
            let seen = anew.update_incremental(table.delta.version()).await;
            seen.map_err(|e| table.fail("read the log of `activity`", e))?;
            table.delta = anew;
        }
        self.checkpoints.begin_when_due(&table.delta);
        Ok(())
    }

    /// Waits for a checkpoint that is being made.
    pub async fn finish(&mut self) {
        self.checkpoints.finish().await;
    }

    /// Counts all of `events` up to a version anew, in place of what the table holds of the days that are there. Gives the
    /// rows that it has of them then.
    pub async fn rebuild(&mut self, commits: &Commits, until: i64, expired: Expired) -> Result<u64> {
        let table = match &mut self.table {
            Some(table) => table,
            none => none.insert(ActivityTable::create(&self.location).await?),
        };
        for _ in 0..TRIES_MAX {
            table.refresh().await?;
            let state = table.delta.snapshot().map_err(|e| table.fail("read the log of `activity`", e))?;
            let old: Vec<Action> = state
                .log_data()
                .into_iter()
                .filter(|file| {
                    let date = file.partition_values_map().remove(EVENT_DATE).flatten();
                    !expired.has(days_of(date.as_deref().unwrap_or_default()))
                })
                .map(|file| Action::Remove(file.remove_action(true)))
                .collect();
            let anew = ActivityTable { counted: -1, ..table.clone() };
            let (files, _) = count(&anew, commits, until, &BTreeMap::new(), false).await?;
            let rows = files.iter().map(|file| FileMeta::of(file).rows).sum();
            let actions = old.into_iter().chain(files.into_iter().map(Action::Add)).collect();
            if table.commit(actions, until).await? {
                self.partials = self.partials.split_off(&(until + 1));
                return Ok(rows);
            }
        }
        Err(quicker(&self.location))
    }
}

/// Writes files that count the commits of `events` that follow what a table counts, up to `until` or, in `parts`, until
/// there is enough for one commit. Gives them with the version that they count up to.
async fn count(
    table: &ActivityTable,
    commits: &Commits,
    until: i64,
    partials: &BTreeMap<i64, RecordBatch>,
    parts: bool,
) -> Result<(Vec<Add>, i64)> {
    let store = table.delta.object_store();
    let after = table.counted;
    let (mut files, mut counted) = (Vec::new(), after);
    let mut fold = Fold::new()?;
    let rearranged = if after < 0 { commits.rearranged(until).await? } else { None };
    for step in Commits::steps(after, until, rearranged) {
        let in_memory = match &step {
            Step::Commit(version) => partials.get(version).map(|counts| (*version, counts)),
            Step::Everything(..) => None,
        };
        if let Some((version, counts)) = in_memory {
            fold.add_counts(counts)?;
            counted = version;
        } else {
            let (version, of) = commits.files(step).await?;
            let mut rows = commits.rows(of, counted_columns()?);
            while let Some(rows) = rows.try_next().await? {
                fold.add_events(&rows)?;
                if fold.len() >= GROUPS_MAX {
                    let full = std::mem::replace(&mut fold, Fold::new()?);
                    files.extend(write(&store, full, Purpose::Counts { after, until: version }).await?);
                }
            }
            counted = version;
        }
        if parts && (fold.len() >= GROUPS_MAX || !files.is_empty()) {
            break;
        }
    }
    files.extend(write(&store, fold, Purpose::Counts { after, until: counted }).await?);
    Ok((files, counted))
}

/// Writes counts, a file a day.
pub(crate) async fn write(store: &Arc<dyn ObjectStore>, fold: Fold, purpose: Purpose) -> Result<Vec<Add>> {
    let mut files = Vec::new();
    if fold.is_empty() {
        return Ok(files);
    }
    let encoding = tokio::task::spawn_blocking(move || {
        let mut encoders = Vec::new();
        for (day, counts) in days(&fold.finish()?)? {
            let mut encoder = Encoder::begin(purpose, day, counts.num_rows());
            encoder.push(&counts)?;
            encoders.push(encoder);
        }
        Ok::<_, StoreError>(encoders)
    });
    let encoders = encoding.await.map_err(|e| StoreError::Batch { detail: format!("counting failed: {e}") })??;
    for encoder in encoders {
        files.push(encoder.put(store, now_micros() / 1_000).await?);
    }
    Ok(files)
}

fn quicker(location: &Location) -> StoreError {
    StoreError::Location {
        location: location.name.clone(),
        detail: format!("other writers of `activity` were quicker {TRIES_MAX} times in a row; run fewer writers"),
    }
}
