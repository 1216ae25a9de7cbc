//! Tables of the ledger as tables of DataFusion.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, StringViewBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::Ledger;
use crate::error::{Result, StoreError};

const BATCH_ROWS: usize = 4_096;

pub(super) fn provider(ledger: &Ledger, name: &str, query: &str, schema: SchemaRef) -> Result<Arc<dyn TableProvider>> {
    let scan = LedgerScan { ledger: ledger.clone(), name: name.into(), query: query.into(), schema: schema.clone() };
    let table = StreamingTable::try_new(schema, vec![Arc::new(scan)]).map_err(StoreError::query)?;
    Ok(Arc::new(table))
}

#[derive(Debug)]
struct LedgerScan {
    ledger: Ledger,
    name: Arc<str>,
    query: Arc<str>,
    schema: SchemaRef,
}

impl PartitionStream for LedgerScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStreamBuilder::new(self.schema.clone(), 2);
        let sender = stream.tx();
        let (pool, query) = (self.ledger.pool().clone(), self.query.to_string());
        let (name, schema) = (self.name.clone(), self.schema.clone());
        // The task ends with the query: its sender fails once the stream is dropped.
        stream.spawn(async move {
            let fail = |e: sqlx::Error| {
                DataFusionError::Context(
                    format!("reading {name} from the ledger"),
                    Box::new(DataFusionError::External(Box::new(e))),
                )
            };
            let mut found = sqlx::query(AssertSqlSafe(query)).fetch(&pool);
            let mut rows = Vec::with_capacity(BATCH_ROWS);
            loop {
                let row = found.try_next().await.map_err(fail)?;
                let done = row.is_none();
                rows.extend(row);
                if rows.len() == BATCH_ROWS || done && !rows.is_empty() {
                    let batch = to_batch(&rows, &schema).map_err(fail)??;
                    if sender.send(Ok(batch)).await.is_err() {
                        return Ok(());
                    }
                    rows.clear();
                }
                if done {
                    return Ok(());
                }
            }
        });
        stream.build()
    }
}

fn to_batch(
    rows: &[AnyRow],
    schema: &SchemaRef,
) -> std::result::Result<std::result::Result<RecordBatch, DataFusionError>, sqlx::Error> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for (at, field) in schema.fields().iter().enumerate() {
        columns.push(match field.data_type() {
            DataType::Int64 => {
                let mut builder = Int64Builder::new();
                for row in rows {
                    builder.append_option(row.try_get::<Option<i64>, _>(at)?);
                }
                Arc::new(builder.finish())
            }
            DataType::Float64 => {
                let mut builder = Float64Builder::new();
                for row in rows {
                    builder.append_option(row.try_get::<Option<f64>, _>(at)?);
                }
                Arc::new(builder.finish())
            }
            DataType::Boolean => {
                let mut builder = BooleanBuilder::new();
                for row in rows {
                    builder.append_option(row.try_get::<Option<i64>, _>(at)?.map(|b| b != 0));
                }
                Arc::new(builder.finish())
            }
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let mut builder = TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone());
                for row in rows {
                    builder.append_option(row.try_get::<Option<i64>, _>(at)?);
                }
                Arc::new(builder.finish())
            }
            DataType::Utf8View => {
                let mut builder = StringViewBuilder::new();
                for row in rows {
                    builder.append_option(row.try_get::<Option<String>, _>(at)?);
                }
                Arc::new(builder.finish())
            }
            other => {
                let message = format!("column {} of a ledger table has type {other}", field.name());
                return Ok(Err(DataFusionError::Plan(message)));
            }
        });
    }
    Ok(RecordBatch::try_new(schema.clone(), columns).map_err(DataFusionError::from))
}
