//! The table as a stream: the rows of each commit, in the order of the commits.

use arrow::array::RecordBatch;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::datafile::{self, FileMeta, Wanted, projected};
use crate::error::Result;
use crate::store::Store;
use crate::table::read_commit;

/// Rows of one commit, or a part of them.
#[derive(Debug)]
pub struct Change {
    pub version: i64,
    pub rows: RecordBatch,
    /// The commit ends here: a cursor may move to `version`.
    pub last: bool,
}

/// What a stream goes on with: a commit of the log, or the files of all commits up to one.
enum Step {
    Commit(i64),
    Everything(i64, Vec<FileMeta>),
}

impl Store {
    /// The rows of every commit after `after_version` that brought rows, in commit order; commits that only rearrange
    /// (compaction) are no news. `columns` in the order wanted; none named means all. Nothing larger than a few
    /// thousand rows is in memory at once, and dropping the stream ends the reading.
    ///
    /// From the beginning (`-1`), rows that were compacted since come all together, as the newest commit that rearranged
    /// files left them: the files that brought them may be gone. From a later version on, commits are read as they were,
    /// for which [`Upkeep`](crate::Upkeep) leaves replaced files alone for a week.
    pub async fn changes(&self, after_version: i64, columns: &[&str]) -> Result<BoxStream<'static, Result<Change>>> {
        self.changes_until(after_version, self.table.newest().await?, columns).await
    }

    /// The same up to a version.
    pub async fn changes_until(
        &self,
        after_version: i64,
        until: i64,
        columns: &[&str],
    ) -> Result<BoxStream<'static, Result<Change>>> {
        let empty = RecordBatch::new_empty(projected(columns)?);
        let columns: Vec<String> = columns.iter().map(|c| c.to_string()).collect();
        let (log, store) = (self.table.log_store(), self.table.store());
        let location = self.table.location().to_string();
        let rearranged = if after_version < 0 { self.table.rearranged(until).await? } else { None };
        let after = rearranged.as_ref().map_or(after_version.max(-1), |(version, _)| *version);
        let everything = rearranged.map(|(version, files)| Step::Everything(version, files));
        let steps = futures::stream::iter(everything.into_iter().chain((after + 1..=until).map(Step::Commit)));
        let changes = steps.then(move |step| {
            let (log, store, location) = (log.clone(), store.clone(), location.clone());
            let (columns, empty) = (columns.clone(), empty.clone());
            async move {
                let (version, files) = match step {
                    Step::Everything(version, files) => (version, files),
                    Step::Commit(version) => {
                        let added = read_commit(&log, &location, version).await?.map(|c| c.added).unwrap_or_default();
                        (version, added.iter().map(FileMeta::of).collect())
                    }
                };
                if files.is_empty() {
                    return Ok(futures::stream::empty().boxed());
                }
                let rows = futures::stream::iter(files.into_iter().map(Ok))
                    .and_then(move |file| {
                        let (store, columns) = (store.clone(), columns.clone());
                        async move {
                            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                            datafile::read(&store, &file, &columns, Wanted::All).await
                        }
                    })
                    .try_flatten()
                    .map_ok(move |rows| Change { version, rows, last: false });
                // The end is told apart, so that a cursor never moves past rows that were not seen.
                let end = futures::stream::once(async move { Ok(Change { version, rows: empty, last: true }) });
                Ok::<_, crate::error::StoreError>(rows.chain(end).boxed())
            }
        });
        Ok(changes.try_flatten().boxed())
    }

    /// Whether one of the commits after one version, and before another, brought rows.
    pub async fn brought_rows(&self, after_version: i64, before_version: i64) -> Result<bool> {
        for version in after_version + 1..before_version {
            if self.table.read_commit(version).await?.is_some_and(|commit| !commit.added.is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The newest version of the table.
    pub async fn newest(&self) -> Result<i64> {
        self.table.newest().await
    }
}
