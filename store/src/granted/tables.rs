//! `iam_users`, `iam_roles` …: rows worked out of the outputs that are kept, each with the time for which it stood so.
//!
//! One reading of a table reads all outputs of its kinds, those that have ended too.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Int64Builder, RecordBatch, StringViewBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use trailhound_iam::inventory::Part;

use super::shapes::{self, Cell, Kind, Table};
use crate::error::{Result, StoreError};
use crate::ledger::Ledger;

const BATCH_ROWS: usize = 4_096;
/// Who was granted what by which document, from when to when.
pub(crate) const GRANTED: (&str, &str) = ("iam_granted", include_str!("../views/iam_granted.sql"));

/// An output, of whom it is, and for how long it stood so (µs since the epoch).
struct Stood {
    account: String,
    kind: String,
    body: String,
    from: i64,
    to: Option<i64>,
}

/// Makes the tables known to a session.
pub(crate) fn register(ledger: &Ledger, session: &SessionContext) -> Result<()> {
    for table in shapes::TABLES {
        let schema = schema(table);
        let scan = Scan { ledger: ledger.clone(), table, schema: schema.clone() };
        let provider = StreamingTable::try_new(schema, vec![Arc::new(scan)]).map_err(StoreError::query)?;
        session.register_table(table.name, Arc::new(provider)).map_err(StoreError::query)?;
    }
    Ok(())
}

/// The same tables of these parts alone, as if they stood since 1970: for who tries something out. With none, the tables are
/// empty.
pub async fn register_parts(parts: &[Part], session: &SessionContext) -> std::result::Result<(), DataFusionError> {
    let only = super::only_account(parts);
    for table in shapes::TABLES {
        let schema = schema(table);
        let of_table = parts.iter().filter(|part| table.kinds.contains(&part.kind)).map(|part| Stood {
            account: super::account_of(part, only).to_owned(),
            kind: part.kind.to_owned(),
            body: part.text.clone(),
            from: 0,
            to: None,
        });
        let rows: Vec<Vec<Cell>> = of_table.flat_map(|stood| rows(table, stood)).collect();
        let provider = MemTable::try_new(schema.clone(), vec![vec![batch(&rows, &schema)?]])?;
        session.register_table(table.name, Arc::new(provider))?;
    }
    let view = session.sql(GRANTED.1).await?;
    session.register_table(GRANTED.0, view.into_view()).map(drop)
}

fn schema(table: &Table) -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let field = |(name, kind): &(&str, Kind)| {
        let kind = match kind {
            Kind::Text => DataType::Utf8View,
            Kind::Time => time(),
            Kind::Flag => DataType::Boolean,
            Kind::Count => DataType::Int64,
        };
        Field::new(*name, kind, true)
    };
    let mut fields = vec![Field::new("account_id", DataType::Utf8View, true)];
    fields.extend(table.columns.iter().map(field));
    fields.extend([Field::new("valid_from", time(), false), Field::new("valid_to", time(), true)]);
    Arc::new(Schema::new(fields))
}

#[derive(Debug)]
struct Scan {
    ledger: Ledger,
    table: &'static Table,
    schema: SchemaRef,
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStreamBuilder::new(self.schema.clone(), 2);
        let (sender, ledger, table, schema) = (stream.tx(), self.ledger.clone(), self.table, self.schema.clone());
        let kinds = table.kinds.iter().map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", ");
        let query = format!(
            "SELECT account_id, kind, body, valid_from, valid_to FROM iam_parts WHERE kind IN ({kinds})
             ORDER BY account_id, kind, about, valid_from"
        );
        // The task ends with the query: its sender fails once the stream is dropped.
        stream.spawn(async move {
            let fail = |e: sqlx::Error| {
                let place = format!("reading {} from the ledger", table.name);
                DataFusionError::Context(place, Box::new(DataFusionError::External(Box::new(e))))
            };
            let mut found = sqlx::query(AssertSqlSafe(query)).fetch(ledger.pool());
            let mut waiting: Vec<Vec<Cell>> = Vec::new();
            loop {
                let row = found.try_next().await.map_err(fail)?;
                let done = row.is_none();
                if let Some(row) = row {
                    waiting.extend(rows(table, stood(&row).map_err(fail)?));
                }
                if waiting.len() >= BATCH_ROWS || done && !waiting.is_empty() {
                    if sender.send(Ok(batch(&waiting, &schema)?)).await.is_err() {
                        return Ok(());
                    }
                    waiting.clear();
                }
                if done {
                    return Ok(());
                }
            }
        });
        stream.build()
    }
}

fn stood(row: &AnyRow) -> std::result::Result<Stood, sqlx::Error> {
    Ok(Stood {
        account: row.try_get(0)?,
        kind: row.try_get(1)?,
        body: row.try_get(2)?,
        from: row.try_get(3)?,
        to: row.try_get(4)?,
    })
}

/// The rows of a table that an output makes.
fn rows(table: &Table, stood: Stood) -> Vec<Vec<Cell>> {
    let account = Cell::Text(Some(stood.account).filter(|account| !account.is_empty()));
    let whole = |cells: Vec<Cell>| {
        let mut row = vec![account.clone()];
        row.extend(cells);
        row.extend([Cell::Number(Some(stood.from)), Cell::Number(stood.to)]);
        row
    };
    (table.rows)(&stood.kind, &stood.body).into_iter().map(whole).collect()
}

fn batch(rows: &[Vec<Cell>], schema: &SchemaRef) -> std::result::Result<RecordBatch, DataFusionError> {
    let column = |(at, field): (usize, &Arc<Field>)| -> ArrayRef {
        let cells = rows.iter().map(|row| &row[at]);
        match field.data_type() {
            DataType::Boolean => {
                let mut builder = BooleanBuilder::new();
                cells.for_each(|cell| builder.append_option(cell.flag()));
                Arc::new(builder.finish())
            }
            DataType::Int64 => {
                let mut builder = Int64Builder::new();
                cells.for_each(|cell| builder.append_option(cell.number()));
                Arc::new(builder.finish())
            }
            DataType::Timestamp(_, zone) => {
                let mut builder = TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone());
                cells.for_each(|cell| builder.append_option(cell.number()));
                Arc::new(builder.finish())
            }
            _ => {
                let mut builder = StringViewBuilder::new();
                cells.for_each(|cell| builder.append_option(cell.text()));
                Arc::new(builder.finish())
            }
        }
    };
    let columns = schema.fields().iter().enumerate().map(column).collect();
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}
