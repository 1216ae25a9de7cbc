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

impl Store {
    /// The rows of every commit after `after_version` that brought rows, in commit order; commits that only rearrange
    /// (compaction) are no news. `columns` in the order wanted; none named means all. Nothing larger than a few
    /// thousand rows is in memory at once, and dropping the stream ends the reading.
    pub async fn changes(&self, after_version: i64, columns: &[&str]) -> Result<BoxStream<'static, Result<Change>>> {
        let newest = self.table.newest().await?;
        let empty = RecordBatch::new_empty(projected(columns)?);
        let columns: Vec<String> = columns.iter().map(|c| c.to_string()).collect();
        let (log, store) = (self.table.log_store(), self.table.store());
        let location = self.table.location().to_string();
        let versions = futures::stream::iter(after_version.max(-1) + 1..=newest);
        let changes = versions.then(move |version| {
            let (log, store, location) = (log.clone(), store.clone(), location.clone());
            let (columns, empty) = (columns.clone(), empty.clone());
            async move {
                let added = read_commit(&log, &location, version).await?.map(|c| c.added).unwrap_or_default();
                if added.is_empty() {
                    return Ok(futures::stream::empty().boxed());
                }
                let files = futures::stream::iter(added.into_iter().map(|add| Ok(FileMeta::of(&add))));
                let rows = files
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
}
