//! The commits of the table `events`, one after the other, with the files that hold their rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use deltalake_core::{DeltaTable, logstore::LogStoreRef};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;

use crate::datafile::{self, FileMeta, Wanted};
use crate::error::{Result, StoreError};
use crate::expired::Expired;
use crate::table::{CommitLog, files_of, read_commit};

/// A way into the log and the files of a table, apart from the handle that writes to it.
#[derive(Clone)]
pub(crate) struct Commits {
    log: LogStoreRef,
    location: String,
    /// A version up to which all files are known to be those that brought the rows.
    plain: Option<i64>,
}

/// What a reader goes on with: a commit of the log, or the files of all commits up to one.
pub(crate) enum Step {
    Commit(i64),
    Everything(i64, Vec<FileMeta>),
}

impl Commits {
    /// `files` are those of the version that a handle on the table has seen, `expired` what it says is gone.
    pub fn new<'f>(
        delta: &DeltaTable,
        location: &str,
        files: impl IntoIterator<Item = &'f FileMeta>,
        expired: Expired,
    ) -> Self {
        let plain = expired.before.is_none() && !files.into_iter().any(FileMeta::is_compacted);
        let plain = plain.then(|| delta.version().map_or(-1, |version| version as i64));
        Self { log: delta.log_store(), location: location.to_string(), plain }
    }

    /// One commit of the log; `None` where the log no longer has it.
    pub async fn read(&self, version: i64) -> Result<Option<CommitLog>> {
        read_commit(&self.log, &self.location, version).await
    }

    /// Whether a commit brought rows.
    pub async fn brought_rows(&self, version: i64) -> Result<bool> {
        Ok(self.read(version).await?.is_some_and(|commit| !commit.added.is_empty()))
    }

    /// Whether one of the commits after one version, up to another, brought rows.
    pub async fn any_brought_rows(&self, after: i64, until: i64) -> Result<bool> {
        for version in after + 1..=until {
            if self.brought_rows(version).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The newest version, up to `newest`, that rearranged files, with the files that it left.
    pub async fn rearranged(&self, newest: i64) -> Result<Option<(i64, Vec<FileMeta>)>> {
        if self.plain == Some(newest) {
            return Ok(None);
        }
        let mut version = newest;
        while version >= 0 && !self.read(version).await?.is_some_and(|commit| commit.rearranged) {
            version -= 1;
        }
        if version < 0 {
            return Ok(None);
        }
        let fail = |e| StoreError::table(&self.location, "read the table's log", e);
        let mut delta = DeltaTable::new(self.log.clone());
        delta.load_version(version as u64).await.map_err(fail)?;
        let mut files = files_of(&delta).map_err(fail)?;
        files.sort_by(|a, b| (a.date, a.times, &a.path).cmp(&(b.date, b.times, &b.path)));
        Ok(Some((version, files)))
    }

    /// What brings every row that came after one version, up to another, once. `rearranged` is what stands at the
    /// beginning, for who begins.
    pub fn steps(after: i64, until: i64, rearranged: Option<(i64, Vec<FileMeta>)>) -> Vec<Step> {
        let from = rearranged.as_ref().map_or(after.max(-1), |(version, _)| *version);
        let everything = rearranged.map(|(version, files)| Step::Everything(version, files));
        everything.into_iter().chain((from + 1..=until).map(Step::Commit)).collect()
    }

    /// The version of a step, and its files: none where it brought no rows.
    pub async fn files(&self, step: Step) -> Result<(i64, Vec<FileMeta>)> {
        match step {
            Step::Everything(version, files) => Ok((version, files)),
            Step::Commit(version) => {
                let added = self.read(version).await?.map(|c| c.added).unwrap_or_default();
                Ok((version, added.iter().map(FileMeta::of).collect()))
            }
        }
    }

    /// The rows of files, in the columns of `schema`.
    pub fn rows(&self, files: Vec<FileMeta>, schema: SchemaRef) -> BoxStream<'static, Result<RecordBatch>> {
        let store: Arc<dyn ObjectStore> = self.log.object_store(None);
        futures::stream::iter(files.into_iter().map(Ok))
            .and_then(move |file| {
                let (store, schema) = (store.clone(), schema.clone());
                async move { datafile::read_as(&store, &file, schema, Wanted::All).await }
            })
            .try_flatten()
            .boxed()
    }
}
