//! How data files are written: sorted rows in, bytes and Delta's entry out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{max, max_string_view, min, min_string_view};
use arrow::datatypes::{Date32Type, TimestampMicrosecondType};
use deltalake_core::kernel::Add;
use deltalake_core::parquet::arrow::ArrowWriter;
use deltalake_core::parquet::basic::{Compression, ZstdLevel};
use deltalake_core::parquet::errors::ParquetError;
use deltalake_core::parquet::file::properties::{EnabledStatistics, WriterProperties};
use deltalake_core::parquet::schema::types::ColumnPath;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use trailhound_ingest::schema::{COLUMNS, Kind};

use super::{EVENT_DATE, STATISTICS, date_text, file_error};
use crate::activity;
use crate::error::{Result, StoreError};

/// Columns whose values hardly repeat: a dictionary would be built and thrown away.
const DISTINCT: &[&str] = &["event_id", "request_id", "error_message", "record_hash"];

/// Columns that are looked up by single values, and how many rows of a compacted file share a value, at least: a filter
/// for more values than there are would only be larger.
const BLOOM: &[(&str, usize)] = &[
    ("event_id", 1),
    ("user_identity_access_key_id", 8),
    ("principal_key", 8),
    // Who gave out a key is asked of every finding, and few rows give out any.
    ("response_access_key_id", 16),
];
/// These too, once files are compacted: in a file of a few seconds a filter would be as large as the column.
const BLOOM_COMPACTED: &[(&str, usize)] = &[("source_ip_address", 8), ("event_name", 32)];

/// Columns by which files are sorted: with bounds for every page, a look-up reads few of them.
const PAGE_STATISTICS: &[&str] = &["event_time"];

const ROW_GROUP_ROWS_MAX: usize = 128 * 1024;
/// Longer text gives no upper bound to the statistics: a cut one would be wrong.
const STATISTICS_TEXT_BYTES_MAX: usize = 128;

/// What a file is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// New rows, that somebody waits for.
    Commit,
    /// Rows that are rearranged: written once, read for months.
    Compaction,
    /// Rows of `activity`: what commits of `events`, after one up to another, brought.
    Counts { after: i64, until: i64 },
    /// Rows of `activity` that stand for those of several files.
    CountsCompaction,
}

impl Purpose {
    fn is_compaction(self) -> bool {
        matches!(self, Purpose::Compaction | Purpose::CountsCompaction)
    }

    /// Columns with least and greatest values in the log.
    fn statistics(self) -> &'static [&'static str] {
        match self {
            Purpose::Commit | Purpose::Compaction => STATISTICS,
            Purpose::Counts { .. } | Purpose::CountsCompaction => activity::STATISTICS,
        }
    }

    /// Columns with filters for single values, and how many rows share a value, at least.
    fn blooms(self) -> Vec<(&'static str, usize)> {
        match self {
            Purpose::Commit => BLOOM.iter().map(|(column, _)| (*column, 1)).collect(),
            Purpose::Compaction => BLOOM.iter().chain(BLOOM_COMPACTED).copied().collect(),
            Purpose::Counts { .. } | Purpose::CountsCompaction => Vec::new(),
        }
    }

    fn file_name(self) -> String {
        let unique = uuid::Uuid::new_v4().simple();
        match self {
            Purpose::Commit => format!("part-{unique}"),
            Purpose::Counts { after, until } => format!("commits-{}-{until}-{unique}", after + 1),
            Purpose::Compaction | Purpose::CountsCompaction => format!("compacted-{unique}"),
        }
    }
}

/// Encodes rows of one day and puts them beside the table's other files. Nothing of the table changes by it.
pub(crate) async fn write(store: &Arc<dyn ObjectStore>, rows: &RecordBatch, modified_millis: i64) -> Result<Add> {
    let date = rows.column_by_name(EVENT_DATE).and_then(|c| c.as_primitive_opt::<Date32Type>());
    let days = date.filter(|d| !d.is_empty()).map_or(0, |d| d.value(0));
    let mut encoder = Encoder::begin(Purpose::Commit, days, rows.num_rows());
    let rows = rows.clone();
    let encoder = tokio::task::spawn_blocking(move || encoder.push(&rows).map(|()| encoder))
        .await
        .map_err(|e| file_error("new", "encode", ParquetError::External(Box::new(e))))??;
    encoder.put(store, modified_millis).await
}

/// A file that is being made.
pub(crate) struct Encoder {
    purpose: Purpose,
    days: i32,
    rows_a_group: usize,
    writer: Option<ArrowWriter<Vec<u8>>>,
    statistics: FileStatistics,
}

impl Encoder {
    /// A file of one day, in days since the epoch. The rows of a group are known roughly.
    pub fn begin(purpose: Purpose, days: i32, rows_a_group: usize) -> Self {
        let statistics = FileStatistics { of: purpose.statistics(), ..FileStatistics::default() };
        Self { purpose, days, rows_a_group, writer: None, statistics }
    }

    /// Adds rows, which are a group of their own.
    pub fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        let fail = |e| file_error("new", "encode", e);
        self.statistics.add(rows);
        let without_date: Vec<usize> =
            (0..rows.num_columns()).filter(|&i| rows.schema().field(i).name() != EVENT_DATE).collect();
        let rows = rows.project(&without_date).map_err(StoreError::rows("encode"))?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let properties = properties(self.purpose, self.rows_a_group);
                let writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).map_err(fail)?;
                self.writer.insert(writer)
            }
        };
        writer.write(&rows).map_err(fail)?;
        writer.flush().map_err(fail)
    }

    /// Puts the file beside the table's other files, and gives its entry for Delta's log.
    pub async fn put(self, store: &Arc<dyn ObjectStore>, modified_millis: i64) -> Result<Add> {
        let date = date_text(self.days);
        let path = format!("{EVENT_DATE}={date}/{}.zstd.parquet", self.purpose.file_name());
        let encoded = match self.writer {
            Some(writer) => writer.into_inner().map_err(|e| file_error(&path, "encode", e))?,
            None => return Err(StoreError::Batch { detail: "a file without rows".into() }),
        };
        let size = encoded.len() as i64;
        let to = Path::from(path.as_str());
        store.put(&to, encoded.into()).await.map_err(|e| StoreError::table(&path, "write a data file", e))?;
        Ok(Add {
            path,
            partition_values: HashMap::from([(EVENT_DATE.to_string(), Some(date))]),
            size,
            modification_time: modified_millis,
            data_change: !self.purpose.is_compaction(),
            stats: Some(self.statistics.to_json()),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    }
}

fn properties(purpose: Purpose, rows: usize) -> WriterProperties {
    let level =
        if purpose.is_compaction() { ZstdLevel::try_new(3).expect("zstd has a level 3") } else { ZstdLevel::default() };
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("trailhound ", env!("CARGO_PKG_VERSION")).to_string())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
        .set_statistics_enabled(EnabledStatistics::None);
    for &column in purpose.statistics() {
        properties = properties.set_column_statistics_enabled(column.into(), EnabledStatistics::Chunk);
    }
    for column in PAGE_STATISTICS {
        properties = properties.set_column_statistics_enabled((*column).into(), EnabledStatistics::Page);
    }
    for column in COLUMNS {
        if column.kind == Kind::Json || DISTINCT.contains(&column.name) {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(column.name), false);
        }
    }
    for (column, share) in purpose.blooms() {
        properties = properties
            .set_column_bloom_filter_fpp(column.into(), 0.01)
            .set_column_bloom_filter_max_ndv(column.into(), (rows / share).clamp(1, ROW_GROUP_ROWS_MAX) as u64);
    }
    properties.build()
}

/// Least and greatest values of a file, as Delta's log keeps them.
#[derive(Default)]
struct FileStatistics {
    /// The columns that have them.
    of: &'static [&'static str],
    rows: u64,
    columns: BTreeMap<&'static str, Bounds>,
}

#[derive(Default)]
struct Bounds {
    nulls: u64,
    least: Bound,
    greatest: Bound,
}

#[derive(Default)]
enum Bound {
    /// There was no value yet.
    #[default]
    None,
    /// Times all have one form and length, so that they compare as texts do.
    Known(String),
    /// There is a value that cannot be told.
    Untold,
}

impl Bound {
    /// Takes the bound of more values: `Some` of a text that can be told, `Some(None)` where it cannot, `None` of no values.
    fn take(&mut self, more: Option<Option<String>>, replaces: impl Fn(&str, &str) -> bool) {
        match (&*self, more) {
            (_, None) | (Bound::Untold, _) => {}
            (_, Some(None)) => *self = Bound::Untold,
            (Bound::Known(known), Some(Some(more))) if !replaces(&more, known) => {}
            (_, Some(Some(more))) => *self = Bound::Known(more),
        }
    }

    fn json(&self) -> Option<serde_json::Value> {
        match self {
            Bound::Known(text) => Some(text.as_str().into()),
            _ => None,
        }
    }
}

impl FileStatistics {
    fn add(&mut self, rows: &RecordBatch) {
        self.rows += rows.num_rows() as u64;
        for &name in self.of {
            let Some(column) = rows.column_by_name(name) else { continue };
            let bounds = self.columns.entry(name).or_default();
            bounds.nulls += column.null_count() as u64;
            let (least, greatest) = if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
                let text = |t: i64| jiff::Timestamp::from_microsecond(t).map(|t| format!("{t:.6}")).ok();
                (min(times).map(text), max(times).map(text))
            } else if let Some(texts) = column.as_string_view_opt() {
                let text = |t: &str| (t.len() <= STATISTICS_TEXT_BYTES_MAX).then(|| t.to_string());
                (min_string_view(texts).map(text), max_string_view(texts).map(text))
            } else {
                continue;
            };
            bounds.least.take(least, |new, known| new < known);
            bounds.greatest.take(greatest, |new, known| new > known);
        }
    }

    fn to_json(&self) -> String {
        let of = |what: fn(&Bounds) -> Option<serde_json::Value>| -> serde_json::Map<String, serde_json::Value> {
            let columns = self.columns.iter();
            columns.filter_map(|(name, bounds)| Some(((*name).to_string(), what(bounds)?))).collect()
        };
        serde_json::json!({
            "numRecords": self.rows,
            "minValues": of(|b| b.least.json()),
            "maxValues": of(|b| b.greatest.json()),
            "nullCount": of(|b| Some(b.nulls.into())),
        })
        .to_string()
    }
}
