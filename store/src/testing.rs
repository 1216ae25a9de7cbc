//! Rows and objects for the tests of this crate.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, ListBuilder, RecordBatch,
    StringViewArray, StringViewBuilder, TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::{concat_batches, sort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, FieldRef};
use futures::TryStreamExt;
use trailhound_ingest::schema::{COLUMNS, Column, Kind, schema};
use trailhound_ingest::{Batch, ObjectId, ObjectOutcome, ObjectReport, ParkedRecord};

use crate::{Store, StoreOptions};

pub const HOUR: i64 = 3_600_000_000;
/// 2024-05-01T00:00:00Z
pub const MAY: i64 = 1_714_521_600_000_000;

/// One event, as far as tests care.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: String,
    pub time: i64,
    pub name: String,
    pub request: String,
    pub hash: i64,
}

impl Event {
    pub fn new(n: u64, time: i64) -> Self {
        let id = format!("{:08x}-0000-4000-8000-{:012x}", n.wrapping_mul(0x9e37_79b9) as u32, n);
        Self { id, time, name: "GetObject".into(), request: format!("{{\"n\":{n}}}"), hash: n as i64 }
    }

    /// The same id with other content.
    pub fn but(mut self, request: &str) -> Self {
        self.request = request.into();
        self.hash ^= 0x5555;
        self
    }
}

pub fn id(key: &str) -> ObjectId {
    ObjectId { bucket: "bucket".into(), key: key.into(), identity: format!("etag:{key}") }
}

/// Rows of an object, in the types of `events`.
pub fn rows(key: &str, from: i32, events: &[Event]) -> RecordBatch {
    let columns = COLUMNS.iter().map(|c| column(c, key, from, events)).collect();
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn column(column: &Column, key: &str, from: i32, events: &[Event]) -> ArrayRef {
    let n = events.len();
    let text =
        |f: &dyn Fn(&Event) -> String| Arc::new(StringViewArray::from_iter_values(events.iter().map(f))) as ArrayRef;
    match column.name {
        "event_id" => text(&|e| e.id.clone()),
        "event_name" => text(&|e| e.name.clone()),
        "request_parameters" => text(&|e| e.request.clone()),
        "src_bucket" => text(&|_| "bucket".into()),
        "src_key" => text(&|_| key.into()),
        "src_ordinal" => Arc::new(Int32Array::from_iter_values(from..from + n as i32)),
        "record_hash" => Arc::new(Int64Array::from_iter_values(events.iter().map(|e| e.hash))),
        "event_time" => {
            Arc::new(TimestampMicrosecondArray::from_iter_values(events.iter().map(|e| e.time)).with_timezone("UTC"))
        }
        "event_date" => {
            Arc::new(Date32Array::from_iter_values(events.iter().map(|e| e.time.div_euclid(24 * HOUR) as i32)))
        }
        _ if column.nullable => new_null_array(&column.kind.data_type(), n),
        name => match column.kind {
            Kind::Text | Kind::Json => text(&|_| name.into()),
            Kind::Flag => Arc::new(BooleanArray::from(vec![false; n])),
            Kind::Int => Arc::new(Int32Array::from_value(1, n)),
            Kind::Long => Arc::new(Int64Array::from_value(1, n)),
            Kind::Time => Arc::new(TimestampMicrosecondArray::from_value(MAY, n).with_timezone("UTC")),
            kind => panic!("a required column of kind {kind:?}"),
        },
    }
}

/// Rows with something of every kind, also nothing, in every column.
pub fn every_column(count: usize) -> RecordBatch {
    let columns = COLUMNS
        .iter()
        .enumerate()
        .map(|(at, c)| {
            let some = |row: usize| !c.nullable || (row + at) % 3 != 0;
            let n = |row: usize| (row * 31 + at) as i64;
            let rows = 0..count;
            match c.kind {
                _ if c.name == "event_id" => Arc::new(StringViewArray::from_iter_values(
                    rows.map(|r| format!("{r:08}-aaaa-4000-8000-000000000000")),
                )) as ArrayRef,
                Kind::Text | Kind::Json => Arc::new(StringViewArray::from_iter(
                    rows.map(|r| some(r).then(|| format!("{{\"é\":\"{}\"}}", "long ".repeat(n(r) as usize % 5)))),
                )),
                Kind::Flag => Arc::new(BooleanArray::from_iter(rows.map(|r| some(r).then_some(n(r) % 2 == 0)))),
                Kind::Int => Arc::new(Int32Array::from_iter(rows.map(|r| some(r).then_some(-n(r) as i32)))),
                Kind::Long => Arc::new(Int64Array::from_iter(rows.map(|r| some(r).then_some(-n(r) << 33)))),
                Kind::Float => Arc::new(Float64Array::from_iter(rows.map(|r| some(r).then_some(n(r) as f64 / 7.0)))),
                Kind::Time => Arc::new(
                    TimestampMicrosecondArray::from_iter(rows.map(|r| some(r).then_some(MAY + n(r))))
                        .with_timezone("UTC"),
                ),
                Kind::Date => Arc::new(Date32Array::from_value((MAY / 24 / HOUR) as i32, count)),
                Kind::TextList => lists(c, count, some),
            }
        })
        .collect();
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn lists(column: &Column, count: usize, some: impl Fn(usize) -> bool) -> ArrayRef {
    let DataType::List(item) = column.kind.data_type() else { panic!("not a list") };
    let item: FieldRef = item;
    let mut lists = ListBuilder::new(StringViewBuilder::new()).with_field(item);
    for row in 0..count {
        for at in 0..row % 4 {
            lists.values().append_option((at != 1).then(|| format!("arn:aws:s3:::a-bucket-with-a-name/{row}/{at}")));
        }
        lists.append(some(row));
    }
    Arc::new(lists.finish())
}

/// A report of an object that was read whole.
pub fn report(key: &str, received: usize) -> ObjectReport {
    let mut report = ObjectReport::new(id(key), 100);
    report.records_received = received as u64;
    report
}

/// An object read whole.
pub fn object(key: &str, events: &[Event]) -> Batch {
    Batch { rows: rows(key, 0, events), objects: vec![report(key, events.len())], open: false, source: 0 }
}

/// An object of which some records are parked.
pub fn object_with_parked(key: &str, events: &[Event], parked: &[i32]) -> Batch {
    let mut batch = object(key, events);
    let report = &mut batch.objects[0];
    report.records_received += parked.len() as u64;
    report.parked = parked
        .iter()
        .map(|&ordinal| ParkedRecord { ordinal, reason: "bad_json".into(), detail: "not JSON".into() })
        .collect();
    batch
}

/// An object without rows.
pub fn aside(key: &str, outcome: ObjectOutcome, reason: &str) -> Batch {
    let mut report = report(key, 0);
    report.outcome = outcome;
    report.reason = Some(reason.into());
    report.detail = Some("why".into());
    Batch { rows: rows(key, 0, &[]), objects: vec![report], open: false, source: 0 }
}

pub fn options(folder: &std::path::Path) -> StoreOptions {
    let mut options = StoreOptions::new(folder.to_str().unwrap());
    options.query_partitions = 2;
    options
}

pub async fn open(folder: &std::path::Path) -> Store {
    Store::open(options(folder)).await.unwrap()
}

/// The answer to a query, as one batch.
pub async fn ask(store: &Store, sql: &str) -> RecordBatch {
    let stream = store.query(sql).await.unwrap();
    let schema = stream.schema();
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    concat_batches(&schema, &batches).unwrap()
}

/// The answer to a query, as text: `a|b` a row.
pub async fn table(store: &Store, sql: &str) -> Vec<String> {
    let batch = ask(store, sql).await;
    let text: Vec<_> = batch
        .columns()
        .iter()
        .map(|c| arrow::util::display::ArrayFormatter::try_new(c, &Default::default()).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| text.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|"))
        .collect()
}

pub fn sorted_by_id(batch: &RecordBatch) -> RecordBatch {
    let order = sort_to_indices(batch.column_by_name("event_id").unwrap(), None, None).unwrap();
    take_record_batch(batch, &order).unwrap()
}
