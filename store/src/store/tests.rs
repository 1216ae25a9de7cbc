//! The store against what it promises.

use std::collections::{BTreeSet, HashSet};

use arrow::compute::concat_batches;
use futures::TryStreamExt;
use proptest::prelude::*;
use trailhound_ingest::schema::schema;
use trailhound_ingest::{Batch, ObjectOutcome};

use super::*;
use crate::testing::*;

mod crashes;
mod questions;
mod writers;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn events(range: std::ops::Range<u64>) -> Vec<Event> {
    range.map(|n| Event::new(n, MAY + n as i64 * 60_000_000)).collect()
}

async fn holds(store: &Store) {
    let accounting = store.accounting().await.unwrap();
    assert!(accounting.holds(), "{accounting}\n{accounting:#?}");
    let counted = table(store, "SELECT count(*), count(DISTINCT event_id) FROM events").await;
    assert_eq!(counted, [format!("{0}|{0}", accounting.table_rows)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_and_the_table_are_the_same() {
    let dir = folder();
    let mut store = open(dir.path()).await;
    let rows = every_column(50);
    let mut slots: Vec<_> = Vec::new();
    // Every row is its own object here, because the provenance is made up like any other column.
    for row in 0..rows.num_rows() {
        let text = |name| {
            use arrow::array::AsArray;
            rows.column_by_name(name).unwrap().as_string_view().value(row).to_string()
        };
        let mut report = report("x", 1);
        report.id = ObjectId { bucket: text("src_bucket"), key: text("src_key"), identity: format!("etag:{row}") };
        slots.push(report);
    }
    store.append(Batch { rows: rows.clone(), objects: slots, open: false, source: 0 }).await.unwrap();
    let commit = store.flush().await.unwrap().commit.expect("a commit");
    assert_eq!(commit.kept, 50);
    let handed_over = concat_batches(&schema(), &commit.batches).unwrap();
    assert_eq!(sorted_by_id(&handed_over), rows);

    let scanned = ask(&store, "SELECT * FROM events").await;
    for (had, wanted) in scanned.schema().fields().iter().zip(schema().fields()) {
        assert_eq!((had.name(), had.data_type()), (wanted.name(), wanted.data_type()));
    }
    assert_eq!(scanned.num_columns(), schema().fields().len());
    let scanned = sorted_by_id(&scanned);
    for (name, (had, wanted)) in
        schema().fields().iter().map(|f| f.name()).zip(scanned.columns().iter().zip(rows.columns()))
    {
        assert_eq!(had.as_ref(), wanted.as_ref(), "{name}");
    }

    let changes: Vec<_> = store.changes(-1, &[]).await.unwrap().try_collect().await.unwrap();
    let batches: Vec<_> = changes.iter().map(|c| c.rows.clone()).collect();
    assert_eq!(sorted_by_id(&concat_batches(&schema(), &batches).unwrap()), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_are_counted_and_an_event_counts_once() {
    let dir = folder();
    let mut store = open(dir.path()).await;
    store.append(object("a", &events(0..10))).await.unwrap();
    store.append(object("b", &events(5..15))).await.unwrap();
    assert_eq!(store.flush().await.unwrap().commit.unwrap().kept, 15);
    // The same events in one object, and again after the store was opened anew.
    let twice = [events(20..25), events(20..25)].concat();
    store.append(object("c", &twice)).await.unwrap();
    store.flush().await.unwrap();
    drop(store);
    let mut store = open(dir.path()).await;
    store.append(object("d", &events(0..26))).await.unwrap();
    assert_eq!(store.flush().await.unwrap().commit.unwrap().kept, 6);
    store.append(object("e", &events(0..26))).await.unwrap();
    assert!(store.flush().await.unwrap().commit.is_none(), "no row, no commit");
    holds(&store).await;
    let objects = table(&store, "SELECT key, received, kept, duplicate FROM objects ORDER BY key").await;
    assert_eq!(objects, ["a|10|10|0", "b|10|5|5", "c|10|5|5", "d|26|6|20", "e|26|0|26"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_differing_copy_is_parked_and_a_reordered_one_is_not() {
    let dir = folder();
    let mut store = open(dir.path()).await;
    let first = Event::new(1, MAY).but(r#"{"a":1,"b":"secret"}"#);
    let mut other_spelling = first.clone().but(r#"{ "b" : "secret", "a" : 1 }"#);
    other_spelling.hash = 77;
    let forged = first.clone().but(r#"{"a":2,"b":"secret"}"#);
    // In the buffer.
    store.append(object("a", &[first.clone(), other_spelling.clone(), forged.clone()])).await.unwrap();
    store.flush().await.unwrap();
    // In the table, with the hour in memory and without it.
    store.append(object("b", &[forged.clone(), other_spelling.clone()])).await.unwrap();
    store.flush().await.unwrap();
    let mut store = Store::open(StoreOptions { dedup_bytes_max: 0, ..options(dir.path()) }).await.unwrap();
    store.append(object("c", &[other_spelling, forged, first])).await.unwrap();
    store.flush().await.unwrap();
    holds(&store).await;
    let objects = table(&store, "SELECT key, received, kept, duplicate, parked FROM objects ORDER BY key").await;
    assert_eq!(objects, ["a|3|1|1|1", "b|2|0|1|1", "c|3|0|2|1"]);
    let parked = table(&store, "SELECT key, ordinal, reason, detail FROM parked ORDER BY key").await;
    let detail = format!("event {} was kept with other values of request_parameters", Event::new(1, 0).id);
    assert_eq!(parked, ["a|2", "b|0", "c|1"].map(|at| format!("{at}|differing_copy|{detail}")));
    assert!(!parked.concat().contains("secret"), "never values");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_in_a_commit_whole_or_not_at_all() {
    let dir = folder();
    // So little memory that every batch is written out at once.
    let mut store = Store::open(StoreOptions { flush_bytes: 1, ..options(dir.path()) }).await.unwrap();
    let all = events(0..90);
    let part = |from: usize, to: usize, open| Batch {
        rows: rows("large", from as i32, &all[from..to]),
        objects: vec![],
        open,
        source: 1,
    };
    assert!(store.append(part(0, 30, true)).await.unwrap().commit.is_none());
    let small = object("small", &events(25..35));
    assert!(store.append(small).await.unwrap().commit.is_none(), "another source is within an object");
    assert!(store.flush().await.unwrap().commit.is_none());
    assert_eq!(table(&store, "SELECT count(*) FROM events").await, ["0"]);
    assert!(store.append(part(30, 60, true)).await.unwrap().commit.is_none());
    let last = Batch { objects: vec![report("large", 90)], ..part(60, 90, false) };
    let commit = store.append(last).await.unwrap().commit.expect("whole, so it is committed");
    assert_eq!((commit.kept, commit.batches.len()), (90, 0), "rows that were written out are not in memory");
    holds(&store).await;
    let objects = table(&store, "SELECT key, received, kept, duplicate FROM objects ORDER BY key").await;
    assert_eq!(objects, ["large|90|85|5", "small|10|5|5"]);
    let read: Vec<_> = store.changes(0, &["event_id"]).await.unwrap().try_collect().await.unwrap();
    assert_eq!(read.iter().map(|c| c.rows.num_rows()).sum::<usize>(), 90);
    assert_eq!(read.iter().filter(|c| c.last).map(|c| c.version).collect::<Vec<_>>(), [commit.version]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_versions_of_one_key_are_two_objects() {
    let dir = folder();
    let mut store = open(dir.path()).await;
    let mut second = object("k", &events(3..9));
    second.objects[0].id.identity = "etag:second".into();
    let first = object("k", &events(0..4));
    let both = Batch {
        rows: concat_batches(&schema(), [&first.rows, &second.rows]).unwrap(),
        objects: vec![first.objects[0].clone(), second.objects[0].clone()],
        open: false,
        source: 0,
    };
    store.append(both).await.unwrap();
    store.flush().await.unwrap();
    holds(&store).await;
    let objects = table(&store, "SELECT identity, received, kept, duplicate FROM objects ORDER BY identity").await;
    assert_eq!(objects, ["etag:k|4|4|0", "etag:second|6|5|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_batch_closes_the_store() {
    let dir = folder();
    let mut store = open(dir.path()).await;
    let mut batch = object("a", &events(0..3));
    batch.objects[0].records_received = 4;
    let error = store.append(batch).await.unwrap_err().to_string();
    assert!(error.contains("object a in bucket: fewer rows came"), "{error}");
    assert!(matches!(store.flush().await, Err(StoreError::Closed)));
    let mut store = open(dir.path()).await;
    let mut batch = object("a", &events(0..3));
    batch.objects.clear();
    assert!(store.append(batch).await.unwrap_err().to_string().contains("without saying so"));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_accounted_for_and_replay_ends_as_if_nothing_had_been_parked() {
    let clean = folder();
    let mut never_parked = open(clean.path()).await;
    let dir = folder();
    let mut store = open(dir.path()).await;
    let all = events(0..20);
    for store in [&mut never_parked, &mut store] {
        store.append(object("before", &events(3..6))).await.unwrap();
        store.append(aside("config", ObjectOutcome::Skipped, "config")).await.unwrap();
        store.append(aside("cut", ObjectOutcome::Parked, "truncated_gzip")).await.unwrap();
        store.flush().await.unwrap();
    }
    never_parked.append(object("late", &all)).await.unwrap();
    let good: Vec<_> = [&all[..7], &all[9..]].concat();
    store.append(object_with_parked("late", &good, &[7, 8])).await.unwrap();
    for store in [&mut never_parked, &mut store] {
        store.flush().await.unwrap();
        store.append(object("after", &events(8..22))).await.unwrap();
        store.note_duplicates(&id("before"), 1);
        store.note_duplicates(&id("config"), 1);
        store.flush().await.unwrap();
        holds(store).await;
    }
    assert_eq!(
        store
            .parked()
            .await
            .unwrap()
            .iter()
            .map(|p| (p.id.key.as_str(), p.reason.as_str(), p.records))
            .collect::<Vec<_>>(),
        [("cut", "truncated_gzip", 0), ("late", "bad_json", 2)]
    );
    let views = table(&store, "SELECT fate, reason, objects FROM accounting_objects ORDER BY fate, reason").await;
    assert_eq!(views, ["duplicate||2", "kept||3", "parked|truncated_gzip|1", "received||7", "skipped|config|1"]);
    let views = table(&store, "SELECT fate, reason, records FROM accounting_records ORDER BY fate, reason").await;
    assert_eq!(views, ["duplicate||14", "kept||21", "parked|bad_json|2", "received||37"]);

    // The cause is mended: both parked objects are read again, one of them twice.
    for store in [&mut never_parked, &mut store] {
        store.append(object("cut", &events(30..33))).await.unwrap();
        store.flush().await.unwrap();
    }
    store.append(object("late", &all)).await.unwrap();
    store.append(object("late", &all)).await.unwrap();
    store.flush().await.unwrap();
    holds(&store).await;
    assert_eq!(store.accounting().await.unwrap(), never_parked.accounting().await.unwrap());
    assert!(store.parked().await.unwrap().is_empty());
    assert_eq!(table(&store, "SELECT * FROM parked").await.len(), 0);
    let ids = "SELECT event_id FROM events ORDER BY 1";
    assert_eq!(table(&store, ids).await, table(&never_parked, ids).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_known_from_the_moment_they_are_appended() {
    let dir = folder();
    let mut store = open(dir.path()).await;
    assert!(store.known(&id("a")).await.unwrap().is_none());
    store.append(object("a", &events(0..3))).await.unwrap();
    let known = store.known(&id("a")).await.unwrap().unwrap();
    assert_eq!((known.outcome, known.received, known.table_version), (ObjectOutcome::Decoded, 3, None));
    store.note_duplicates(&id("a"), 1);
    store.flush().await.unwrap();
    let known = store.known(&id("a")).await.unwrap().unwrap();
    assert_eq!((known.kept, known.deliveries, known.table_version), (3, 2, Some(1)));
    let many: Vec<_> = (0..250).map(|n| id(&n.to_string())).chain([id("a")]).collect();
    assert_eq!(store.known_among(&many.iter().collect::<Vec<_>>()).await.unwrap().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    /// Whatever the batches, their order and the memory: kept is what a set would keep.
    #[test]
    fn dedup_is_exact(
        objects in prop::collection::vec(prop::collection::vec((0u64..60, 0usize..3), 0..40), 1..8),
        flushes in prop::collection::vec(any::<bool>(), 8),
        reopen in 0usize..8,
        dedup_bytes_max in prop::sample::select(vec![0usize, 900, 4_000, 1 << 20]),
        flush_bytes in prop::sample::select(vec![1usize, 64 << 20]),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = folder();
            let options = StoreOptions { dedup_bytes_max, flush_bytes, ..options(dir.path()) };
            let mut store = Store::open(options.clone()).await.unwrap();
            let mut reference = HashSet::new();
            for (at, object_events) in objects.iter().enumerate() {
                // An event's hour is part of it: some hours hold many events, so that one is larger than the limit.
                let events: Vec<_> = object_events.iter().map(|(n, _)| Event::new(*n, MAY + (*n as i64 % 4) * HOUR * 9)).collect();
                let new = events.iter().filter(|e| reference.insert(e.id.clone())).count();
                store.append(object(&at.to_string(), &events)).await.unwrap();
                if flushes[at] {
                    store.flush().await.unwrap();
                    let known = store.known(&id(&at.to_string())).await.unwrap().unwrap();
                    assert_eq!(known.kept, new as u64);
                }
                assert!(store.dedup_bytes() <= dedup_bytes_max);
                if at == reopen {
                    store.flush().await.unwrap();
                    drop(store);
                    store = Store::open(options.clone()).await.unwrap();
                }
            }
            store.flush().await.unwrap();
            holds(&store).await;
            let kept: BTreeSet<_> = table(&store, "SELECT event_id FROM events").await.into_iter().collect();
            assert_eq!(kept, reference.into_iter().collect());
        });
    }
}
