//! Is deduplication exact over many events, and within which memory?
//!
//! ```text
//! cargo build --release --workspace --examples
//! target/release/examples/dedup_scale [EVENTS] [DEDUP_MB] [HOURS]
//! ```
//! Appends EVENTS events (20,000,000) over HOURS hours (240), every sixth one once more at another time of the run
//! (at once, later, much later), and compares what is kept with what was made. Prints time and peak memory.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray, new_null_array,
};
use trailhound_ingest::schema::{COLUMNS, Column, Kind, schema};
use trailhound_ingest::{Batch, ObjectId, ObjectReport};
use trailhound_store::{Store, StoreOptions};

const HOUR: i64 = 3_600_000_000;
const START: i64 = 1_714_521_600_000_000;
const BATCH: u64 = 20_000;

/// Event `n`: its id and its time follow from `n`, so that a copy is the same event.
#[derive(Clone, Copy)]
struct Events {
    count: u64,
    hours: u64,
}

impl Events {
    fn id(n: u64) -> String {
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995;
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{n:012x}",
            mixed >> 32,
            mixed >> 16 & 0xffff,
            mixed >> 4 & 0xfff,
            mixed & 0xfff
        )
    }

    fn time(self, n: u64) -> i64 {
        START + (n as i128 * self.hours as i128 * HOUR as i128 / self.count as i128) as i64
    }

    fn rows(self, key: &str, numbers: &[u64]) -> RecordBatch {
        let columns = COLUMNS.iter().map(|column| self.column(column, key, numbers)).collect();
        RecordBatch::try_new(schema(), columns).expect("columns are those of the schema")
    }

    fn column(self, column: &Column, key: &str, numbers: &[u64]) -> ArrayRef {
        let rows = numbers.len();
        let same =
            |text: &str| Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(text, rows))) as ArrayRef;
        match column.name {
            "event_id" => Arc::new(StringViewArray::from_iter_values(numbers.iter().map(|n| Self::id(*n)))),
            "src_key" => same(key),
            "event_time" => {
                let times = numbers.iter().map(|n| self.time(*n));
                Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
            }
            "event_date" => Arc::new(Date32Array::from_iter_values(
                numbers.iter().map(|n| self.time(*n).div_euclid(24 * HOUR) as i32),
            )),
            "record_hash" => Arc::new(Int64Array::from_iter_values(numbers.iter().map(|n| *n as i64))),
            _ if column.nullable => new_null_array(&column.kind.data_type(), rows),
            name => match column.kind {
                Kind::Text | Kind::Json => same(name),
                Kind::Flag => Arc::new(BooleanArray::from(vec![false; rows])),
                Kind::Int => Arc::new(Int32Array::from_iter_values(0..rows as i32)),
                _ => Arc::new(TimestampMicrosecondArray::from_value(START, rows).with_timezone("UTC")),
            },
        }
    }
}

fn argument(at: usize, otherwise: u64) -> u64 {
    std::env::args().nth(at).and_then(|a| a.parse().ok()).unwrap_or(otherwise)
}

/// The most memory that this process ever had, as the kernel counts it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("VmHWM unknown").to_string()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = Events { count: argument(1, 20_000_000), hours: argument(3, 240) };
    let folder = std::env::temp_dir().join(format!("trailhound-dedup-{}", std::process::id()));
    let mut options = StoreOptions::new(folder.to_string_lossy());
    options.dedup_bytes_max = (argument(2, 256) as usize) << 20;
    let limit = options.dedup_bytes_max;
    let mut store = Store::open(options).await?;
    let (begun, mut received, mut largest) = (Instant::now(), 0, 0);
    for first in (0..events.count).step_by(BATCH as usize) {
        let mut numbers: Vec<u64> = (first..(first + BATCH).min(events.count)).collect();
        // Copies: of this batch, of the hour before, and of any time before.
        numbers.extend((0..BATCH / 12).map(|n| first + n * 12));
        numbers.extend((0..BATCH / 12).map(|n| (first + n).saturating_sub(events.count / events.hours)));
        numbers.extend((0..BATCH / 400).map(|n| (n.wrapping_mul(0x9e37_79b9) ^ first) % (first + 1)));
        numbers.retain(|n| *n < events.count);
        received += numbers.len() as u64;
        let key = format!("object-{first}");
        let rows = events.rows(&key, &numbers);
        let id = ObjectId { bucket: "src_bucket".into(), key, identity: "etag:1".into() };
        let mut report = ObjectReport::new(id, 0);
        report.records_received = numbers.len() as u64;
        store.append(Batch { rows, objects: vec![report], open: false, source: 0 }).await?;
        largest = largest.max(store.dedup_bytes());
        if first / BATCH % 100 == 0 {
            eprintln!("{first} events, {:.0} s, {}", begun.elapsed().as_secs_f64(), peak());
        }
    }
    store.flush().await?;
    let accounting = store.accounting().await?;
    let exact = accounting.holds() && accounting.table_rows == events.count && accounting.records.received == received;
    println!(
        "{received} rows received, {} kept of {} events: {}",
        accounting.table_rows,
        events.count,
        if exact { "exact" } else { "WRONG" }
    );
    println!(
        "{:.0} s, ids in memory at most {} MB of {} MB, {}",
        begun.elapsed().as_secs_f64(),
        largest >> 20,
        limit >> 20,
        peak()
    );
    std::fs::remove_dir_all(folder)?;
    if exact { Ok(()) } else { Err("deduplication was not exact".into()) }
}
