//! `activity` against a count over `events`, whoever wrote it and whatever died.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use proptest::prelude::*;

use super::*;
use crate::testing::{Event, HOUR, MAY, ask, every_column, object, open, options, table};
use crate::{Store, StoreOptions, Upkeep};

/// What the table and the tail say, and what a count over the events says: a line a group.
async fn both(store: &Store) -> (Vec<String>, Vec<String>) {
    let columns = columns();
    let mut counted = table(store, &format!("SELECT {columns} FROM activity")).await;
    let mut recounted = table(store, &format!("SELECT {columns} FROM ({})", recount("true"))).await;
    counted.sort_unstable();
    recounted.sort_unstable();
    (counted, recounted)
}

async fn exact(store: &Store) -> u64 {
    let (counted, recounted) = both(store).await;
    assert_eq!(counted, recounted);
    let rows = ask(store, "SELECT COALESCE(sum(events), 0) FROM activity").await;
    assert_eq!(
        rows.column(0).as_primitive::<Int64Type>().value(0) as u64,
        store.accounting().await.unwrap().table_rows
    );
    counted.len() as u64
}

/// Events over three hours and the end of a day.
fn events(from: u64, count: u64) -> Vec<Event> {
    (from..from + count).map(|n| Event::new(n, MAY - HOUR + (n as i64 * 7 % 180) * 60_000_000)).collect()
}

/// Rows that the table holds by itself, unfolded.
async fn written(store: &Store) -> usize {
    match store.activity.fresh().await.unwrap().0 {
        None => 0,
        Some(table) => table.delta().snapshot().unwrap().log_data().into_iter().map(|f| f.num_records().unwrap()).sum(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_is_counted_as_sql_counts_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path()).await;
    let rows = every_column(60);
    let reports = (0..60)
        .map(|row| {
            let text = |name| rows.column_by_name(name).unwrap().as_string_view().value(row).to_string();
            let mut report = crate::testing::report("x", 1);
            report.id.bucket = text("src_bucket");
            report.id.key = text("src_key");
            report.id.identity = row.to_string();
            report
        })
        .collect();
    let batch = trailhound_ingest::Batch { rows, objects: reports, open: false, source: 0 };
    store.append(batch).await.unwrap();
    store.flush().await.unwrap();
    assert!(exact(&store).await > 1);
    store.write_activity().await.unwrap();
    assert!(written(&store).await > 1);
    exact(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_memory_in_the_table_or_nowhere_yet_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path()).await;
    assert_eq!(exact(&store).await, 0);
    let mut wrote = false;
    for commit in 0..20 {
        // Every second event of a commit came with the one before.
        store.append(object(&format!("k{commit}"), &events(commit * 5, 10))).await.unwrap();
        store.flush().await.unwrap();
        exact(&store).await;
        wrote |= written(&store).await > 0;
    }
    assert!(wrote, "after some commits it is written without being asked for");
    // Another process has nothing in memory, and one that dies leaves nothing.
    let before = written(&store).await;
    drop(store);
    let mut store = open(folder.path()).await;
    let groups = exact(&store).await;
    assert_eq!(written(&store).await, before, "who asks writes nothing");
    store.write_activity().await.unwrap();
    store.write_activity().await.unwrap();
    assert!(written(&store).await > before);
    assert_eq!(exact(&store).await, groups);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_writers_count_each_commit_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    drop(open(&path).await);
    let writers: Vec<_> = (0..3u64)
        .map(|writer| {
            let path = path.clone();
            tokio::spawn(async move {
                let mut store = open(&path).await;
                for round in 0..6u64 {
                    let both = [events(round * 20, 20), events(1_000 * (writer + 1) + round * 5, 5)].concat();
                    store.append(object(&format!("{writer}/{round}"), &both)).await.unwrap();
                    store.flush().await.unwrap();
                    if round % 2 == 0 {
                        store.write_activity().await.unwrap();
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut store = open(&path).await;
    exact(&store).await;
    store.write_activity().await.unwrap();
    exact(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folding_compaction_and_counting_anew_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path()).await;
    for commit in 0..40 {
        store.append(object(&format!("k{commit}"), &events(commit * 10, 10))).await.unwrap();
        store.flush().await.unwrap();
        if commit % 2 == 0 {
            store.write_activity().await.unwrap();
        }
    }
    let (before, _) = both(&store).await;
    let partial = written(&store).await;
    let mut upkeep = Upkeep::open(&options(folder.path())).await.unwrap();
    upkeep.compact().await.unwrap();
    let folded = upkeep.fold().await.unwrap();
    assert!(folded.files_before >= 16 && folded.files_after < folded.files_before, "{folded:?}");
    assert!(written(&store).await < partial, "rows of one group became one");
    assert_eq!(both(&store).await, (before.clone(), before.clone()));
    assert_eq!(upkeep.fold().await.unwrap(), crate::Compacted::default(), "there is nothing more to gain");
    assert_eq!(upkeep.missing_files().await.unwrap(), Vec::<String>::new());

    // A table that is lost, or wrong, is made anew; the store that is open goes on.
    assert!(store.rebuild_activity().await.unwrap() > 0);
    assert_eq!(both(&store).await.0, before);
    drop(store);
    std::fs::remove_dir_all(folder.path().join("activity")).unwrap();
    let mut store = open(folder.path()).await;
    assert_eq!(both(&store).await.0, before);
    store.append(object("more", &events(400, 3))).await.unwrap();
    store.flush().await.unwrap();
    store.write_activity().await.unwrap();
    exact(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_says_something_else_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path()).await;
    store.append(object("k", &events(0, 30))).await.unwrap();
    store.flush().await.unwrap();
    store.write_activity().await.unwrap();
    // The counts of the commit are put there once more, as a writer that is not fenced would.
    let (table, _) = store.activity.fresh().await.unwrap();
    let mut forged = table.unwrap();
    let mut fold = Fold::new().unwrap();
    fold.add_events(&crate::testing::rows("k", 0, &events(0, 30))).unwrap();
    let objects = forged.delta().object_store();
    let files = write(&objects, fold, crate::datafile::Purpose::Counts { after: 0, until: 1 });
    let files = files.await.unwrap().into_iter().map(deltalake_core::kernel::Action::Add).collect();
    assert!(forged.commit(files, 1).await.unwrap());
    let (counted, recounted) = both(&store).await;
    assert_ne!(counted, recounted);
    store.rebuild_activity().await.unwrap();
    exact(&store).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    /// However counts are split, they fold to the same, sorted.
    #[test]
    fn folding_is_a_sum(numbers in prop::collection::vec(0u64..40, 1..60), cut in 0usize..60) {
        let rows = |numbers: &[u64]| {
            let events: Vec<_> = numbers.iter().map(|n| Event::new(*n, MAY + *n as i64 * HOUR / 5)).collect();
            crate::testing::rows("k", 0, &events)
        };
        let fold = |parts: &[&[u64]]| {
            let mut fold = Fold::new().unwrap();
            parts.iter().filter(|p| !p.is_empty()).for_each(|part| fold.add_events(&rows(part)).unwrap());
            fold.finish().unwrap()
        };
        let cut = cut.min(numbers.len());
        let (a, b) = numbers.split_at(cut);
        let whole = fold(&[&numbers]);
        prop_assert_eq!(&fold(&[b, a]), &whole);
        let mut folded = Fold::new().unwrap();
        for part in [a, b].iter().filter(|p| !p.is_empty()) {
            folded.add_counts(&fold(&[part])).unwrap();
        }
        prop_assert_eq!(folded.finish().unwrap(), whole);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_written_out_are_counted_too() {
    let folder = tempfile::tempdir().unwrap();
    // So little memory that no batch stays in it until its commit.
    let mut store = Store::open(StoreOptions { flush_bytes: 1, ..options(folder.path()) }).await.unwrap();
    for n in 0..3 {
        store.append(object(&format!("k{n}"), &events(n * 5, 10))).await.unwrap();
        store.flush().await.unwrap();
    }
    exact(&store).await;
    store.write_activity().await.unwrap();
    exact(&store).await;
}
