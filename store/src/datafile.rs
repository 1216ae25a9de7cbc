//! The Parquet files of the table `events`: how they are written and how single columns, hours and rows are read back.
//!
//! Trailhound writes the files itself and hands Delta only the finished entries of its log: so one pass sorts, splits
//! by day and encodes, the statistics are exactly the ones that are wanted, and a file can be written long before
//! its commit.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use deltalake_core::kernel::Add;
use deltalake_core::parquet::arrow::ProjectionMask;
use deltalake_core::parquet::arrow::arrow_reader::{ArrowPredicateFn, RowFilter};
use deltalake_core::parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use deltalake_core::parquet::errors::ParquetError;
use deltalake_core::parquet::file::statistics::Statistics;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::ObjectStore;
use object_store::path::Path;
use trailhound_ingest::schema::schema;

use crate::dedup::{Hour, hour_of};
use crate::error::{Result, StoreError};

mod reader;
mod writer;

use reader::FileReader;
pub(crate) use writer::{Encoder, Purpose, write};

/// The partition column; it lies in the path and the log, not in the file.
pub(crate) const EVENT_DATE: &str = "event_date";

/// Columns with least and greatest values in the log: those that queries narrow by. All others would make every
/// commit larger and help no one.
pub(crate) const STATISTICS: &[&str] =
    &["event_time", "event_source", "event_name", "aws_region", "account_id", "principal_key"];

/// What is known of a file without opening it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileMeta {
    /// As in Delta's log, relative to the table.
    pub path: String,
    pub bytes: u64,
    pub rows: u64,
    /// Days since the epoch.
    pub date: i32,
    /// Least and greatest event time in it, in microseconds; everything, where a foreign writer left them out.
    pub times: (i64, i64),
}

impl FileMeta {
    pub fn has_hour(&self, hour: Hour) -> bool {
        hour_of(self.times.0) <= hour && hour <= hour_of(self.times.1)
    }

    /// Whether it was made of other files.
    pub fn is_compacted(&self) -> bool {
        self.path.rsplit('/').next().is_some_and(|name| name.starts_with("compacted-"))
    }

    /// Reads the entry of Delta's log.
    pub fn of(add: &Add) -> Self {
        let date = add.partition_values.get(EVENT_DATE).and_then(|v| v.as_deref());
        Self::new(&add.path, add.size, add.stats.as_deref(), date)
    }

    /// `stats` and `date` as the log has them; both can be missing where another writer left them out.
    pub fn new(path: &str, bytes: i64, stats: Option<&str>, date: Option<&str>) -> Self {
        let stats: serde_json::Value = stats.and_then(|s| serde_json::from_str(s).ok()).unwrap_or_default();
        let time = |side: &str| {
            let bounds = stats.get(side)?;
            let text = bounds.get("event_time").or_else(|| bounds.get("event_hour"))?.as_str()?;
            text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
        };
        // Other writers cut times to milliseconds, so their greatest may be short by less than one.
        let times = match (time("minValues"), time("maxValues")) {
            (Some(least), Some(greatest)) => (least, greatest.saturating_add(999)),
            _ => (i64::MIN, i64::MAX),
        };
        Self {
            path: path.to_string(),
            bytes: bytes.unsigned_abs(),
            rows: stats.get("numRecords").and_then(|v| v.as_u64()).unwrap_or(u64::from(u32::MAX)),
            date: days_of(date.unwrap_or_default()),
            times,
        }
    }

    fn object_path(&self) -> Result<Path> {
        Path::parse(&self.path).map_err(|e| file_error(&self.path, "name", ParquetError::External(Box::new(e))))
    }
}

/// The day of a partition value such as `2024-05-01`, in days since the epoch.
pub(crate) fn days_of(date: &str) -> i32 {
    date.parse::<jiff::civil::Date>()
        .ok()
        .and_then(|d| d.since(jiff::civil::date(1970, 1, 1)).ok())
        .map_or(0, |span| span.get_days())
}

pub(crate) fn date_text(days: i32) -> String {
    jiff::civil::date(1970, 1, 1)
        .checked_add(jiff::Span::new().days(days))
        .map_or_else(|_| "1970-01-01".into(), |d| d.to_string())
}

/// Which rows of a file are wanted.
pub(crate) enum Wanted {
    All,
    /// Rows of that hour (and, as row groups are read whole, perhaps others).
    Hour(Hour),
    /// Rows with one of these event ids in that hour's row groups.
    Ids(Hour, Arc<HashSet<String>>),
}

/// Reads the given columns of a file, in the types of `events`. An empty list means all columns.
pub(crate) async fn read(
    store: &Arc<dyn ObjectStore>,
    file: &FileMeta,
    columns: &[&str],
    wanted: Wanted,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    read_as(store, file, projected(columns)?, wanted).await
}

/// Reads a file in the columns and types of a schema.
pub(crate) async fn read_as(
    store: &Arc<dyn ObjectStore>,
    file: &FileMeta,
    schema: SchemaRef,
    wanted: Wanted,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let fail = |e| file_error(&file.path, "read", e);
    let input = FileReader { store: store.clone(), path: file.object_path()?, bytes: file.bytes };
    let mut builder = ParquetRecordBatchStreamBuilder::new(input).await.map_err(fail)?;
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    let groups = match &wanted {
        Wanted::All => None,
        Wanted::Hour(hour) => Some(groups_of_hour(&builder, *hour)),
        Wanted::Ids(hour, ids) => {
            let groups = groups_of_hour(&builder, *hour);
            Some(groups_with_ids(&mut builder, groups, ids).await.map_err(fail)?)
        }
    };
    if let Wanted::Ids(_, ids) = wanted {
        let only_id = ProjectionMask::columns(builder.parquet_schema(), ["event_id"]);
        let filter = ArrowPredicateFn::new(only_id, move |batch| {
            let found = cast(batch.column(0), &arrow::datatypes::DataType::Utf8View)?;
            Ok(found
                .as_string_view()
                .iter()
                .map(|id| Some(id.is_some_and(|id| ids.contains(id))))
                .collect::<BooleanArray>())
        });
        builder = builder.with_row_filter(RowFilter::new(vec![Box::new(filter)]));
    }
    if let Some(groups) = groups {
        builder = builder.with_row_groups(groups);
    }
    let stream = builder.with_projection(mask).with_batch_size(8_192).build().map_err(fail)?;
    let (path, date) = (file.path.clone(), file.date);
    let shaped = stream
        .map_err(move |e| file_error(&path, "read", e))
        .and_then(move |batch| std::future::ready(shape(&batch, &schema, date).map_err(StoreError::rows("shape"))));
    Ok(shaped.boxed())
}

type Builder = ParquetRecordBatchStreamBuilder<FileReader>;

/// Row groups whose event times touch the hour, by their statistics.
fn groups_of_hour(builder: &Builder, hour: Hour) -> Vec<usize> {
    let touches = |group: &usize| {
        let group = builder.metadata().row_group(*group);
        let column = group.columns().iter().find(|c| c.column_path().string() == "event_time");
        match column.and_then(|c| c.statistics()) {
            Some(Statistics::Int64(times)) => match (times.min_opt(), times.max_opt()) {
                (Some(least), Some(greatest)) => hour_of(*least) <= hour && hour <= hour_of(*greatest),
                _ => true,
            },
            _ => true,
        }
    };
    (0..builder.metadata().num_row_groups()).filter(touches).collect()
}

/// Row groups whose bloom filter may hold one of the ids.
async fn groups_with_ids(
    builder: &mut Builder,
    groups: Vec<usize>,
    ids: &HashSet<String>,
) -> std::result::Result<Vec<usize>, ParquetError> {
    let column = builder.parquet_schema().columns().iter().position(|c| c.path().string() == "event_id");
    let Some(column) = column else { return Ok(groups) };
    let mut possible = Vec::with_capacity(groups.len());
    for group in groups {
        let bloom = builder.get_row_group_column_bloom_filter(group, column).await?;
        if bloom.is_none_or(|bloom| ids.iter().any(|id| bloom.check(id.as_str()))) {
            possible.push(group);
        }
    }
    Ok(possible)
}

/// The schema of `events`, or of some of its columns in the order in which they are named.
pub(crate) fn projected(columns: &[&str]) -> Result<SchemaRef> {
    if columns.is_empty() {
        return Ok(schema());
    }
    let whole = schema();
    let indices = columns.iter().map(|name| whole.index_of(name)).collect::<std::result::Result<Vec<_>, _>>();
    let schema = indices.and_then(|indices| whole.project(&indices)).map_err(StoreError::rows("project"))?;
    Ok(Arc::new(schema))
}

/// Brings what a file gave into the columns and types of `schema`: the day comes from the partition, columns that the
/// file does not have are null.
fn shape(batch: &RecordBatch, schema: &SchemaRef, date: i32) -> std::result::Result<RecordBatch, ArrowError> {
    let rows = batch.num_rows();
    let columns = schema.fields().iter().map(|field| -> std::result::Result<ArrayRef, ArrowError> {
        match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
            Some(column) => cast(column, field.data_type()),
            None if field.name() == EVENT_DATE => Ok(Arc::new(Date32Array::from_value(date, rows))),
            None => Ok(new_null_array(field.data_type(), rows)),
        }
    });
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
    RecordBatch::try_new_with_options(schema.clone(), columns, &RecordBatchOptions::new().with_row_count(Some(rows)))
}

/// The event ids and record hashes of a batch that holds both.
pub(crate) fn ids_and_hashes(
    batch: &RecordBatch,
) -> Result<(&arrow::array::StringViewArray, &arrow::array::Int64Array)> {
    let ids = batch.column_by_name("event_id").and_then(|c| c.as_string_view_opt());
    let hashes = batch.column_by_name("record_hash").and_then(|c| c.as_primitive_opt::<Int64Type>());
    ids.zip(hashes).ok_or_else(|| StoreError::Batch { detail: "rows without event_id or record_hash".into() })
}

/// The event times of a batch, in microseconds.
pub(crate) fn times(batch: &RecordBatch) -> Result<&arrow::array::TimestampMicrosecondArray> {
    batch
        .column_by_name("event_time")
        .and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>())
        .ok_or_else(|| StoreError::Batch { detail: "rows without event_time".into() })
}

pub(crate) fn file_error(path: &str, operation: &'static str, source: ParquetError) -> StoreError {
    StoreError::File { path: path.to_string(), operation, source }
}
