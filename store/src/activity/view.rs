//! `activity` as SQL sees it: the table's partial counts summed, with the counts of the commits that are not in it yet; and
//! `activity_partials`, the same before it is summed.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::functions_aggregate::expr_fn::{max, min, sum};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{Expr, SessionContext, col};
use futures::TryStreamExt;

use super::{ActivityTable, DIMENSIONS, Fold, MEASURES, counted_columns, schema};
use crate::commits::{Commits, Step};
use crate::error::{Result, StoreError};
use crate::table;

/// Groups that are handed on together.
const GROUPS_MAX: usize = 32 * 1024;

/// Commits of `events` that the table does not count yet: counted while somebody asks.
struct Tail {
    commits: Commits,
    /// The version of `events` that the table counts up to, and the one that is asked about.
    after: i64,
    until: i64,
    partials: BTreeMap<i64, RecordBatch>,
    schema: SchemaRef,
}

/// The counts of `events` up to a version: as they lie there, several for one thing, for who adds them up anyway, and summed.
pub(crate) async fn views(
    session: &SessionContext,
    counted: Option<ActivityTable>,
    commits: Commits,
    until: i64,
    partials: BTreeMap<i64, RecordBatch>,
) -> Result<[Arc<dyn TableProvider>; 2]> {
    let after = counted.as_ref().map_or(-1, ActivityTable::counted);
    let columns: Vec<&str> = DIMENSIONS.iter().chain(MEASURES).map(|column| column.name).collect();
    let mut counts = None;
    if let Some(counted) = counted {
        let table = table::provider(counted.delta(), session).await?;
        counts = Some(session.read_table(table).and_then(|t| t.select_columns(&columns)).map_err(StoreError::query)?);
    }
    if counts.is_none() || after < until {
        let tail = Tail { commits, after, until, partials, schema: schema() };
        let tail = StreamingTable::try_new(schema(), vec![Arc::new(tail)]).map_err(StoreError::query)?;
        let tail = session.read_table(Arc::new(tail)).map_err(StoreError::query)?;
        counts = Some(match counts {
            Some(counts) => counts.union(tail).map_err(StoreError::query)?,
            None => tail,
        });
    }
    let dimensions: Vec<Expr> = DIMENSIONS.iter().map(|dimension| col(dimension.name)).collect();
    let measures = MEASURES.iter().map(|measure| {
        let folded = match measure.name {
            "first_time" => min,
            "last_time" => max,
            _ => sum,
        };
        folded(col(measure.name)).alias(measure.name)
    });
    let partials = counts.expect("the table or the tail");
    let folded = partials.clone().aggregate(dimensions, measures.collect()).map_err(StoreError::query)?;
    Ok([partials.into_view(), folded.into_view()])
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "commits {} to {} of events, counted", self.after + 1, self.until)
    }
}

impl PartitionStream for Tail {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStreamBuilder::new(self.schema.clone(), 2);
        let sender = stream.tx();
        let (commits, partials) = (self.commits.clone(), self.partials.clone());
        let (after, until) = (self.after, self.until);
        // The task ends with the query: its sender fails once the stream is dropped.
        stream.spawn(async move {
            let fail = |e: StoreError| DataFusionError::External(Box::new(e));
            let rearranged = if after < 0 { commits.rearranged(until).await.map_err(fail)? } else { None };
            let mut fold = Fold::new().map_err(fail)?;
            for step in Commits::steps(after, until, rearranged) {
                let partial = match &step {
                    Step::Commit(version) => partials.get(version),
                    Step::Everything(..) => None,
                };
                if let Some(counts) = partial {
                    fold.add_counts(counts).map_err(fail)?;
                    continue;
                }
                let (_, files) = commits.files(step).await.map_err(fail)?;
                let mut rows = commits.rows(files, counted_columns().map_err(fail)?);
                while let Some(rows) = rows.try_next().await.map_err(fail)? {
                    fold.add_events(&rows).map_err(fail)?;
                    if fold.len() >= GROUPS_MAX {
                        let full = std::mem::replace(&mut fold, Fold::new().map_err(fail)?);
                        if sender.send(full.finish().map_err(fail)).await.is_err() {
                            return Ok(());
                        }
                    }
                }
            }
            let _ = sender.send(fold.finish().map_err(fail)).await;
            Ok(())
        });
        stream.build()
    }
}
