//! `cargo bench --bench lookups -- [EVENTS] [STORE]`: how long a look-up takes in a table of months, and what it weighs.
//!
//! A simulated organisation's week is kept again and again, each time a week later and under new event ids, until the
//! store holds EVENTS events (10,000,000); then the table is compacted and asked for principals, keys, addresses and
//! single events, as an analyst would. A STORE that is named stays, and another run goes on with it: so ten million
//! events may be made in several runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, Date32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{Date32Type, Int64Type, TimestampMicrosecondType};
use futures::TryStreamExt;
use trailhound_ingest::source::{Body, Folder};
use trailhound_ingest::{Batch, Content, Decoder, Geo, Limits, ObjectId};
use trailhound_simulate::{Options, generate};
use trailhound_store::{Store, StoreOptions, TableSize, Upkeep};

const DAY: i64 = 24 * 3_600_000_000;
const DAYS: u32 = 7;
const EVENTS_A_WEEK: u64 = 500_000;
/// Each look-up is done so many times, each in a session of its own.
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let wanted: u64 = arguments.first().and_then(|n| n.parse().ok()).unwrap_or(10_000_000);
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let folder = arguments.get(1).map_or_else(|| temporary.path().join("store"), PathBuf::from);
    let mut store = Store::open(StoreOptions::new(folder.display().to_string())).await.expect("a store");
    fill(&mut store, wanted, temporary.path()).await;
    let (events, counts) = upkeep(&folder).await;
    drop(store);
    let opening = Instant::now();
    let store = Store::open(StoreOptions::new(folder.display().to_string())).await.expect("the same store");
    println!("open                         {:>9.1} ms", millis(opening.elapsed()));
    sizes(&store, events, counts).await;
    look_up(&store).await;
}

/// Keeps weeks until there are so many events.
async fn fill(store: &mut Store, wanted: u64, work: &Path) {
    let had = rows(store).await;
    if had >= wanted {
        return;
    }
    let logs = work.join("logs");
    let options = Options {
        events: EVENTS_A_WEEK,
        days: DAYS,
        period_minutes: 60,
        second_trail_share: 0.0,
        ..Options::new(&logs)
    };
    let made = generate(&options, &|_| ()).expect("logs can be made");
    println!(
        "logs                         {:>9.0} bytes an event as JSON, {:.0} gzipped",
        made.json_bytes as f64 / made.records as f64,
        made.gzip_bytes as f64 / made.records as f64
    );
    let begun = Instant::now();
    let source = Folder::open(&logs.display().to_string()).expect("the folder is there");
    let listed = source.list().expect("the folder can be listed");
    for week in had.div_ceil(made.events).. {
        let mut decoder = Decoder::new(0, Limits::default(), Arc::new(Geo::default()), 0);
        let mut batches = Vec::new();
        for object in listed.iter().filter(|object| object.key.ends_with(".json.gz")) {
            let Body::Bytes(bytes) = source.fetch(object, u64::MAX).expect("the file can be read").body else {
                continue;
            };
            let id = ObjectId { bucket: "bench".into(), key: object.key.clone(), identity: "1".into() };
            decoder.object(id, Content::Bytes(&bytes), &mut |batch| batches.push(batch));
            for batch in batches.drain(..) {
                store.append(later(batch, week)).await.expect("rows are kept");
            }
        }
        if let Some(batch) = decoder.flush() {
            store.append(later(batch, week)).await.expect("rows are kept");
        }
        store.flush().await.expect("rows are kept");
        if rows(store).await >= wanted {
            break;
        }
    }
    store.finish().await.expect("counts are written");
    let (rows, took) = (rows(store).await, begun.elapsed());
    println!(
        "decode and keep              {:>9.0} events/s, {:.0} s, {rows} events now",
        (rows - had) as f64 / took.as_secs_f64(),
        took.as_secs_f64()
    );
}

/// The same events in another week, under other ids.
fn later(batch: Batch, week: u64) -> Batch {
    let shift = week as i64 * i64::from(DAYS);
    let Batch { rows, mut objects, open, source } = batch;
    let renamed = |name: &str, rename: &dyn Fn(&str) -> String| {
        let texts = rows.column_by_name(name).expect("a column of events").as_string_view();
        Arc::new(texts.iter().map(|text| text.map(rename)).collect::<StringViewArray>()) as ArrayRef
    };
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns()).map(|(field, column)| match field.name().as_str() {
        "event_id" => renamed("event_id", &|id| format!("{week:04x}{}", id.get(4..).unwrap_or(id))),
        "src_key" => renamed("src_key", &|key| format!("{week}/{key}")),
        "event_time" => {
            let times: TimestampMicrosecondArray =
                column.as_primitive::<TimestampMicrosecondType>().unary(|time| time + shift * DAY);
            Arc::new(times.with_timezone("UTC"))
        }
        "event_date" => Arc::new(column.as_primitive::<Date32Type>().unary::<_, Date32Type>(|day| day + shift as i32))
            as Arc<Date32Array>,
        _ => column.clone(),
    });
    let rows = RecordBatch::try_new(rows.schema(), columns.collect()).expect("the same columns");
    for object in &mut objects {
        object.id.key = format!("{week}/{}", object.id.key);
    }
    Batch { rows, objects, open, source }
}

async fn rows(store: &Store) -> u64 {
    store.accounting().await.expect("the store adds up").table_rows
}

/// Compacts, and tells what that took and left.
async fn upkeep(folder: &Path) -> (TableSize, TableSize) {
    let options = StoreOptions::new(folder.display().to_string());
    let mut upkeep = Upkeep::open(&options).await.expect("the store is there");
    let before = upkeep.size().await.expect("the log can be read").files;
    let begun = Instant::now();
    let done = upkeep.compact().await.expect("the table can be compacted");
    let took = begun.elapsed();
    if done.rows > 0 {
        println!(
            "compaction                   {:>9.0} events/s, {:.0} s, {} files made into {}, {before} before",
            done.rows as f64 / took.as_secs_f64(),
            took.as_secs_f64(),
            done.files_before,
            done.files_after
        );
    }
    let begun = Instant::now();
    let folded = upkeep.fold().await.expect("the counts can be folded");
    println!(
        "folding of counts            {:>9.1} ms, {} files made into {}",
        millis(begun.elapsed()),
        folded.files_before,
        folded.files_after
    );
    let size = upkeep.size().await.expect("the log can be read");
    (size, upkeep.activity_size().await.expect("the log can be read"))
}

/// The first row of an answer, as text.
async fn one(store: &Store, sql: &str) -> Vec<String> {
    let batches: Vec<RecordBatch> = store.query(sql).await.expect(sql).try_collect().await.expect(sql);
    let batch = batches.iter().find(|batch| batch.num_rows() > 0).expect("an answer");
    batch.columns().iter().map(shown).collect()
}

async fn sizes(store: &Store, events: TableSize, counts: TableSize) {
    let days: f64 = one(store, "SELECT count(DISTINCT event_date) FROM events").await[0].parse().expect("a number");
    for (what, size) in [("events", events), ("activity", counts)] {
        println!(
            "{what:<28} {:>9} rows on {days} days, {:.1} files a day, {:.1} bytes for each event",
            size.rows,
            size.files as f64 / days,
            size.bytes as f64 / events.rows as f64
        );
    }
}

async fn look_up(store: &Store) {
    // Somebody who does something on most days, and what they used; and an event in the middle.
    let who = one(
        store,
        "SELECT principal_key, any_key, ip, count(*) FROM (SELECT principal_key, max(user_identity_access_key_id) AS any_key,
            max(source_ip_address) AS ip FROM events WHERE principal_class LIKE 'human%' AND source_ip IS NOT NULL
            AND user_identity_access_key_id IS NOT NULL GROUP BY principal_key) GROUP BY 1, 2, 3 ORDER BY 1 LIMIT 1",
    )
    .await;
    let id =
        one(store, "SELECT event_id, event_time, count(*) FROM events GROUP BY 1, 2 ORDER BY event_id LIMIT 1").await;
    let (principal, key, address, id, time) = (&who[0], &who[1], &who[2], &id[0], &id[1]);
    for (what, condition) in [
        ("principal, all time", format!("principal_key = '{principal}'")),
        (
            "principal, two days",
            format!("principal_key = '{principal}' AND event_date BETWEEN '2026-03-10' AND '2026-03-11'"),
        ),
        ("access key", format!("user_identity_access_key_id = '{key}'")),
        ("address", format!("source_ip_address = '{address}'")),
        ("event id", format!("event_id = '{id}'")),
        (
            "event id and day",
            format!("event_id = '{id}' AND event_date = CAST('{}' AS DATE)", time.get(..10).unwrap_or(time)),
        ),
        ("event id that is not there", "event_id = '00000000-0000-4000-8000-ffffffffffff'".into()),
    ] {
        for columns in ["count(*)", "*"] {
            let sql = match columns {
                "*" => format!("SELECT * FROM events WHERE {condition} ORDER BY event_time DESC LIMIT 100"),
                _ => format!("SELECT count(*) FROM events WHERE {condition}"),
            };
            let mut times = Vec::new();
            let mut found = 0;
            for _ in 0..ROUNDS {
                let begun = Instant::now();
                let batches: Vec<RecordBatch> = store.query(&sql).await.expect(&sql).try_collect().await.expect(&sql);
                times.push(begun.elapsed());
                found = match columns {
                    "*" => batches.iter().map(RecordBatch::num_rows).sum::<usize>() as i64,
                    _ => batches[0].column(0).as_primitive::<Int64Type>().value(0),
                };
            }
            let first = times[0];
            times.sort_unstable();
            println!(
                "{what:<28} {:>9.1} ms, first {:.1} ms, {found} {}",
                millis(times[ROUNDS / 2]),
                millis(first),
                if columns == "*" { "whole events" } else { "counted" }
            );
        }
    }
    let sql = format!("SELECT event_name, sum(events) FROM activity WHERE principal_key = '{principal}' GROUP BY 1");
    let begun = Instant::now();
    one(store, &sql).await;
    println!("what a principal ever did    {:>9.1} ms, by activity", millis(begun.elapsed()));
}

fn shown(column: &ArrayRef) -> String {
    arrow::util::display::ArrayFormatter::try_new(column, &Default::default())
        .map(|shown| shown.value(0).to_string())
        .unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
