//! The table as a stream: the rows of each commit, in the order of the commits.

use arrow::array::RecordBatch;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::commits::Commits;
use crate::datafile::projected;
use crate::error::{Result, StoreError};
use crate::store::Store;

/// Rows of one commit, or a part of them.
#[derive(Debug)]
pub struct Change {
    pub version: i64,
    pub rows: RecordBatch,
    /// The commit ends here: a cursor may move to `version`.
    pub last: bool,
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
        let schema = projected(columns)?;
        let commits = self.table.commits();
        let rearranged = if after_version < 0 { commits.rearranged(until).await? } else { None };
        let steps = futures::stream::iter(Commits::steps(after_version, until, rearranged));
        let changes = steps.then(move |step| {
            let (commits, schema) = (commits.clone(), schema.clone());
            async move {
                let (version, files) = commits.files(step).await?;
                if files.is_empty() {
                    return Ok(futures::stream::empty().boxed());
                }
                let rows =
                    commits.rows(files, schema.clone()).map_ok(move |rows| Change { version, rows, last: false });
                // The end is told apart, so that a cursor never moves past rows that were not seen.
                let empty = RecordBatch::new_empty(schema);
                let end = futures::stream::once(async move { Ok(Change { version, rows: empty, last: true }) });
                Ok::<_, StoreError>(rows.chain(end).boxed())
            }
        });
        Ok(changes.try_flatten().boxed())
    }

    /// Whether one of the commits after one version, and before another, brought rows.
    pub async fn brought_rows(&self, after_version: i64, before_version: i64) -> Result<bool> {
        self.table.commits().any_brought_rows(after_version, before_version - 1).await
    }

    /// The newest version of the table.
    pub async fn newest(&self) -> Result<i64> {
        self.table.newest().await
    }
}
