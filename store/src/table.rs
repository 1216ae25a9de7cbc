//! The Delta table `events`: opening and creating it, committing to it against other writers, following its log.
//!
//! A commit is made from exactly the snapshot that duplicates were looked for in: the library's own retries are
//! switched off, so that a commit either becomes the very next version or fails because somebody was quicker. That
//! fences all writers without an application id: delta-rs only stores those and does not refuse a repeated one.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use deltalake_core::kernel::transaction::{CommitBuilder, TransactionError};
use deltalake_core::kernel::{Action, Add, StructType};
use deltalake_core::logstore::{LogStoreRef, get_actions};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::builder::DeltaTableBuilder;
use deltalake_core::{DeltaTable, DeltaTableError};
use object_store::ObjectStore;
use trailhound_ingest::schema::schema;
use url::Url;

use crate::account::Notes;
use crate::checkpoint::Checkpoints;
use crate::commits::Commits;
use crate::crash;
use crate::datafile::{EVENT_DATE, FileMeta, STATISTICS};
use crate::dedup::Hour;
use crate::derivation::Derivation;
use crate::error::{Result, StoreError};
use crate::expired::Expired;
use crate::location::Location;

/// The table with the snapshot that this process has seen, and an index of its files.
pub(crate) struct Table {
    delta: DeltaTable,
    location: String,
    /// Every file of the snapshot, and files that are written but not committed yet, by day.
    files: HashMap<i32, Vec<FileMeta>>,
    expired: Expired,
    derivation: Derivation,
    checkpoints: Checkpoints,
}

/// One commit of the log, as far as it concerns us.
pub(crate) struct CommitLog {
    pub version: i64,
    /// Files that bring rows; files that only rearrange rows (compaction) are left out.
    pub added: Vec<Add>,
    /// It took files away or rearranged them, so an index of files must be made anew.
    pub rearranged: bool,
    pub notes: Option<Notes>,
    /// All that retention took away, where this commit took something.
    pub expired: Option<Expired>,
    /// Facts were derived anew, for all events before it.
    pub derivation: Option<Derivation>,
}

/// What became of an attempt to commit.
pub(crate) enum Outcome {
    Committed(i64),
    /// Another writer made this version: look at it with [`Table::refresh`], then try again.
    Lost,
}

impl Table {
    /// Opens the table, or creates it where there is nothing yet.
    pub async fn open(location: &Location) -> Result<Self> {
        let name = location.name.as_str();
        if let Some(folder) = &location.folder {
            prepare_folder(folder, name)?;
        }
        let delta = match open_if_there(location, &location.events).await? {
            Some(delta) => delta,
            None => {
                let comment = "CloudTrail events, one row a record; written by Trailhound";
                let layout = Layout { name: "events", comment, schema: schema(), statistics: STATISTICS };
                create(location, &location.events, layout).await?
            }
        };
        check_schema(&delta, name)?;
        let expired = Expired::of(&delta, name).await?;
        let derivation = Derivation::of(&delta, name).await?;
        let checkpoints = Checkpoints::new(&delta);
        let mut table =
            Self { delta, location: name.to_string(), files: HashMap::new(), expired, derivation, checkpoints };
        table.index_files()?;
        Ok(table)
    }

    /// The version that this process has seen.
    pub fn version(&self) -> i64 {
        self.delta.version().map_or(-1, |v| v as i64)
    }

    /// The newest version there is.
    pub async fn newest(&self) -> Result<i64> {
        let newest = self.delta.get_latest_version().await;
        Ok(newest.map_err(|e| self.fail("read the table's log", e))? as i64)
    }

    pub fn store(&self) -> Arc<dyn ObjectStore> {
        self.delta.object_store()
    }

    /// A handle for queries, at the newest version.
    pub async fn newest_handle(&self) -> Result<DeltaTable> {
        let mut delta = self.delta.clone();
        delta.update_state().await.map_err(|e| self.fail("read the table's log", e))?;
        Ok(delta)
    }

    /// The files, committed or announced, in which events of that hour may be.
    pub fn files_of_hour(&self, hour: Hour) -> Vec<FileMeta> {
        let day = hour.div_euclid(24) as i32;
        self.files.get(&day).into_iter().flatten().filter(|f| f.has_hour(hour)).cloned().collect()
    }

    /// Makes a file that is written but not committed known to [`Table::files_of_hour`].
    pub fn announce(&mut self, file: FileMeta) {
        self.files.entry(file.date).or_default().push(file);
    }

    /// Takes an announced file back.
    pub fn withdraw(&mut self, path: &str) {
        for files in self.files.values_mut() {
            files.retain(|f| f.path != path);
        }
    }

    /// Rows in the table as this process has seen it, by the statistics of its files.
    pub fn rows(&self) -> Result<u64> {
        let state = self.delta.snapshot().map_err(|e| self.fail("read the table's log", e))?;
        Ok(state.log_data().into_iter().map(|f| f.num_records().unwrap_or(0) as u64).sum())
    }

    /// Tries to make `files` (announced before) the next version.
    pub async fn commit(&mut self, files: Vec<Add>, notes: &Notes) -> Result<Outcome> {
        let state = self.delta.snapshot().map_err(|e| self.fail("commit to the table", e))?.clone();
        let version = state.version() as i64 + 1;
        let notes = serde_json::to_value(notes).map_err(|e| StoreError::Notes {
            location: self.location.clone(),
            version,
            detail: e.to_string(),
        })?;
        let prepared = CommitBuilder::default()
            .with_actions(files.into_iter().map(Action::Add).collect())
            .with_app_metadata(HashMap::from([(Notes::KEY.to_string(), notes)]))
            .with_max_retries(0)
            .build(
                Some(&state),
                self.delta.log_store(),
                DeltaOperation::Write {
                    mode: SaveMode::Append,
                    partition_by: Some(vec![EVENT_DATE.to_string()]),
                    predicate: None,
                },
            )
            .into_prepared_commit_future()
            .await
            .map_err(|e| self.fail("commit to the table", e))?;
        match prepared.await {
            Ok(_) => {}
            Err(e) if lost_race(&e) => return Ok(Outcome::Lost),
            Err(e) => return Err(self.fail("commit to the table", e)),
        }
        crash::point("store.committed");
        self.follow(version).await?;
        Ok(Outcome::Committed(version))
    }

    /// Moves the snapshot to a version whose files are in the index already.
    pub async fn follow(&mut self, version: i64) -> Result<()> {
        let seen = self.delta.update_incremental(Some(version as u64)).await;
        seen.map_err(|e| self.fail("read the table's log", e))
    }

    /// Begins a checkpoint when one is due, and goes on with the quicker handle of one that is done.
    pub async fn checkpoint_when_due(&mut self) -> Result<()> {
        if let Some(mut anew) = self.checkpoints.take().await {
            let seen = anew.update_incremental(self.delta.version()).await;
            seen.map_err(|e| self.fail("read the table's log", e))?;
            self.delta = anew;
        }
        self.checkpoints.begin_when_due(&self.delta);
        Ok(())
    }

    /// Waits for a checkpoint that is being made.
    pub async fn finish(&mut self) {
        self.checkpoints.finish().await;
    }

    /// Moves to the newest version and returns the commits on the way there, oldest first.
    pub async fn refresh(&mut self, announced: &[FileMeta]) -> Result<Vec<CommitLog>> {
        let newest = self.newest().await?;
        let (log, mut commits) = (self.commits(), Vec::new());
        for version in self.version() + 1..=newest {
            commits.extend(log.read(version).await?);
        }
        self.follow(newest).await?;
        self.expired = commits.iter().rev().find_map(|commit| commit.expired).unwrap_or(self.expired);
        self.derivation = commits.iter().rev().find_map(|commit| commit.derivation).unwrap_or(self.derivation);
        if commits.iter().any(|c| c.rearranged) {
            self.index_files()?;
            announced.iter().cloned().for_each(|file| self.announce(file));
        } else {
            let added: Vec<_> = commits.iter().flat_map(|c| c.added.iter().map(FileMeta::of)).collect();
            added.into_iter().for_each(|file| self.announce(file));
        }
        Ok(commits)
    }

    /// The commits, to be read one by one.
    pub fn commits(&self) -> Commits {
        Commits::new(&self.delta, &self.location, self.files.values().flatten(), self.expired)
    }

    /// What retention took away, as this process has seen it.
    pub fn expired(&self) -> Expired {
        self.expired
    }

    /// How often facts have been derived anew, as this process has seen it.
    pub fn derivation(&self) -> Derivation {
        self.derivation
    }

    pub fn location(&self) -> &str {
        &self.location
    }

    fn index_files(&mut self) -> Result<()> {
        self.files.clear();
        for file in files_of(&self.delta).map_err(|e| self.fail("read the table's log", e))? {
            self.announce(file);
        }
        Ok(())
    }

    fn fail(&self, operation: &'static str, error: DeltaTableError) -> StoreError {
        StoreError::table(&self.location, operation, error)
    }
}

/// Every file of a table, as its handle knows it.
pub(crate) fn files_of(delta: &DeltaTable) -> std::result::Result<Vec<FileMeta>, DeltaTableError> {
    let mut files = Vec::new();
    for file in delta.snapshot()?.log_data() {
        let date = file.partition_values_map().remove(EVENT_DATE).flatten();
        files.push(FileMeta::new(&file.path(), file.size(), file.stats().as_deref(), date.as_deref()));
    }
    Ok(files)
}

/// A handle on a table of a store, with nothing read yet.
fn handle(location: &Location, url: &Url) -> Result<DeltaTable> {
    deltalake_aws::register_handlers(None);
    let name = location.name.as_str();
    let builder = DeltaTableBuilder::from_url(url.clone())
        .map_err(|e| StoreError::table(name, "open the table", e))?
        .with_storage_options(storage_options(location));
    builder.build().map_err(|e| StoreError::table(name, "open the table", e))
}

/// A handle on a table that is there, at its newest version.
pub(crate) async fn open_handle(location: &Location, url: &Url) -> Result<DeltaTable> {
    let mut delta = handle(location, url)?;
    delta.load().await.map_err(|e| StoreError::table(&location.name, "read the table's log", e))?;
    Ok(delta)
}

/// The same, where there may be no table yet.
pub(crate) async fn open_if_there(location: &Location, url: &Url) -> Result<Option<DeltaTable>> {
    let folder = location.folder.as_ref().map(|_| url.to_file_path());
    if folder.is_some_and(|path| path.is_ok_and(|path| !path.is_dir())) {
        return Ok(None);
    }
    let mut delta = handle(location, url)?;
    let exists = delta.verify_deltatable_existence().await;
    if !exists.map_err(|e| StoreError::table(&location.name, "look for the table", e))? {
        return Ok(None);
    }
    delta.load().await.map_err(|e| StoreError::table(&location.name, "read the table's log", e))?;
    Ok(Some(delta))
}

/// Reads one commit of a table's log.
pub(crate) async fn read_commit(log: &LogStoreRef, location: &str, version: i64) -> Result<Option<CommitLog>> {
    let fail = |e| StoreError::table(location, "read the table's log", e);
    let Some(bytes) = log.read_commit_entry(version as u64).await.map_err(fail)? else { return Ok(None) };
    let mut commit =
        CommitLog { version, added: Vec::new(), rearranged: false, notes: None, expired: None, derivation: None };
    for action in get_actions(version as u64, &bytes).map_err(fail)? {
        match action {
            Action::Add(add) if add.data_change => commit.added.push(add),
            Action::Add(_) | Action::Remove(_) => commit.rearranged = true,
            Action::Txn(transaction) => {
                commit.expired = Expired::said_by(&transaction, commit.expired).or(commit.expired);
                commit.derivation = Derivation::said_by(&transaction).or(commit.derivation);
            }
            Action::CommitInfo(info) => {
                let notes = info.info.get(Notes::KEY).cloned().map(serde_json::from_value).transpose();
                commit.notes = notes.map_err(|e| StoreError::Notes {
                    location: location.to_string(),
                    version,
                    detail: e.to_string(),
                })?;
            }
            _ => {}
        }
    }
    Ok(Some(commit))
}

/// A folder that holds other things is refused before anything is written into it.
fn prepare_folder(folder: &std::path::Path, name: &str) -> Result<()> {
    let fail = |e: std::io::Error| StoreError::table(name, "make the store's folder", e);
    std::fs::create_dir_all(folder).map_err(fail)?;
    let events = folder.join("events");
    if events.is_dir() {
        return Ok(());
    }
    let strange = std::fs::read_dir(folder).map_err(fail)?.filter_map(|entry| entry.ok()).any(|entry| {
        let name = entry.file_name();
        !name.to_string_lossy().starts_with("ledger.sqlite") && !name.to_string_lossy().starts_with('.')
    });
    if strange {
        return Err(StoreError::NotAStore { location: name.to_string() });
    }
    std::fs::create_dir_all(events).map_err(fail)
}

/// Commits on S3 are conditional puts; stand-ins for S3 are reached as the usual environment says (`AWS_ENDPOINT_URL`,
/// `AWS_REGION`, `AWS_ACCESS_KEY_ID` …), which the library reads itself.
fn storage_options(location: &Location) -> HashMap<String, String> {
    let mut options = HashMap::new();
    if location.folder.is_none() {
        // An endpoint in clear text is one that the operator named, so it is meant.
        let clear = |name| std::env::var(name).is_ok_and(|url: String| url.starts_with("http://"));
        if clear("AWS_ENDPOINT_URL") || clear("AWS_ENDPOINT_URL_S3") || clear("AWS_ENDPOINT") {
            options.insert("allow_http".into(), "true".into());
        }
    }
    options
}

/// What a table is made with.
pub(crate) struct Layout {
    pub name: &'static str,
    pub comment: &'static str,
    pub schema: SchemaRef,
    /// Columns with least and greatest values in the log.
    pub statistics: &'static [&'static str],
}

/// Makes a table, or opens the one that another process made in the same moment.
pub(crate) async fn create(location: &Location, url: &Url, layout: Layout) -> Result<DeltaTable> {
    let name = location.name.as_str();
    let fail = |e| StoreError::table(name, "create the table", e);
    if let (Some(_), Ok(folder)) = (&location.folder, url.to_file_path()) {
        std::fs::create_dir_all(folder).map_err(|e| fail(e.into()))?;
    }
    let log = handle(location, url)?.log_store();
    let columns: StructType =
        deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel::try_into_kernel(layout.schema.as_ref())
            .map_err(|e| StoreError::table(name, "create the table", DeltaTableError::from(e)))?;
    let created = CreateBuilder::new()
        .with_log_store(log.clone())
        .with_table_name(layout.name)
        .with_comment(layout.comment)
        .with_columns(columns.fields().cloned())
        .with_partition_columns([EVENT_DATE])
        .with_save_mode(SaveMode::Ignore)
        .with_configuration([
            ("delta.dataSkippingStatsColumns", Some(layout.statistics.join(","))),
            // The ledger is rebuilt from old commits, so they stay.
            ("delta.enableExpiredLogCleanup", Some("false".to_string())),
        ])
        .await;
    match created {
        Ok(table) => Ok(table),
        // Another process made it in the same moment.
        Err(e) if lost_race(&e) => {
            let mut table = DeltaTable::new(log);
            table.load().await.map_err(fail)?;
            Ok(table)
        }
        Err(e) => Err(fail(e)),
    }
}

pub(crate) fn lost_race(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::VersionAlreadyExists(_) | TransactionError::MaxCommitAttempts(_)
            }
    )
}

fn check_schema(delta: &DeltaTable, name: &str) -> Result<()> {
    let refuse = |detail| StoreError::Schema { location: name.to_string(), detail };
    let state = delta.snapshot().map_err(|e| StoreError::table(name, "read the table's log", e))?;
    let has = state.snapshot().arrow_schema();
    let partitions = state.snapshot().metadata().partition_columns().to_vec();
    if partitions != [EVENT_DATE] {
        return Err(refuse(format!("it is partitioned by {partitions:?}, not by {EVENT_DATE}")));
    }
    for field in schema().fields() {
        match has.field_with_name(field.name()) {
            Err(_) => return Err(refuse(format!("column {} is missing", field.name()))),
            Ok(found) if !same_meaning(found.data_type(), field.data_type()) => {
                let (name, found, wanted) = (field.name(), found.data_type(), field.data_type());
                return Err(refuse(format!("column {name} is {found}, not {wanted}")));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Delta knows one kind of text; Arrow's several are the same to it.
fn same_meaning(a: &arrow::datatypes::DataType, b: &arrow::datatypes::DataType) -> bool {
    use arrow::datatypes::DataType::{LargeUtf8, List, Utf8, Utf8View};
    match (a, b) {
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => true,
        (List(a), List(b)) => same_meaning(a.data_type(), b.data_type()),
        _ => a == b,
    }
}

/// The scan of `events` for queries gives back string views and plain partition values: the types of a batch in memory.
pub(crate) async fn provider(
    delta: &DeltaTable,
    session: &datafusion::prelude::SessionContext,
) -> Result<Arc<dyn TableProvider>> {
    let scan = delta.table_provider().with_session(Arc::new(session.state())).await;
    scan.map_err(StoreError::query)
}
