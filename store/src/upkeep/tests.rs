use arrow::compute::concat_batches;

use super::*;
use crate::Store;
use crate::testing::{Event, HOUR, MAY, ask, object, open, options, sorted_by_id, table as asked};

const COMMITS: u64 = 40;
const EVENTS: u64 = 10;

/// The events of a commit: over two hours, and over the end of a day.
fn events(commit: u64) -> Vec<Event> {
    (0..EVENTS).map(|n| Event::new(commit * 100 + n, MAY - HOUR + (commit * EVENTS + n) as i64 * 35_000_000)).collect()
}

async fn filled(folder: &std::path::Path) -> Store {
    let mut store = open(folder).await;
    for commit in 0..COMMITS {
        store.append(object(&format!("k{commit}"), &events(commit))).await.unwrap();
        assert_eq!(store.flush().await.unwrap().commit.unwrap().kept, EVENTS);
    }
    store
}

async fn compacted(folder: &std::path::Path) -> Compacted {
    Upkeep::open(&options(folder)).await.unwrap().compact().await.unwrap()
}

async fn rows_after(store: &Store, version: i64) -> RecordBatch {
    let changes: Vec<_> = store.changes(version, &[]).await.unwrap().try_collect().await.unwrap();
    assert!(changes.last().is_none_or(|change| change.last), "the end is told");
    let batches: Vec<_> = changes.iter().map(|c| c.rows.clone()).collect();
    sorted_by_id(&concat_batches(&trailhound_ingest::schema::schema(), &batches).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_become_large_ones_with_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let before = sorted_by_id(&ask(&store, "SELECT * FROM events").await);
    let version = store.newest().await.unwrap();
    let done = compacted(folder.path()).await;
    // The first commits lie in the day before, too few for a day that is still written to.
    assert_eq!((done.files_before, done.files_after, done.rows), (30, 1, 297), "{done:?}");
    assert_eq!(sorted_by_id(&ask(&store, "SELECT * FROM events").await), before);
    assert_eq!(compacted(folder.path()).await, Compacted::default(), "there is nothing more to gain");

    let order = asked(&store, "SELECT event_id FROM events WHERE event_date = '2024-05-01'").await;
    let wanted = asked(
        &store,
        "SELECT event_id FROM events WHERE event_date = '2024-05-01' ORDER BY date_trunc('hour', event_time), principal_key, event_time",
    )
    .await;
    assert_eq!(order, wanted, "sorted by hour, principal and time");

    // Whoever follows the table hears nothing new of it, and whoever begins hears of every row once.
    assert!(!store.brought_rows(version, store.newest().await.unwrap() + 1).await.unwrap());
    assert_eq!(rows_after(&store, -1).await, before);
    assert_eq!(rows_after(&store, version).await.num_rows(), 0);
    assert_eq!(rows_after(&store, version - 3).await.num_rows(), 3 * EVENTS as usize, "commits as they were");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_open_goes_on_and_stays_exact() {
    for dedup_bytes_max in [256 << 20, 0] {
        let folder = tempfile::tempdir().unwrap();
        drop(filled(folder.path()).await);
        let mut store = Store::open(StoreOptions { dedup_bytes_max, ..options(folder.path()) }).await.unwrap();
        // Something is on its way while the files change under it.
        store.append(object("new", &events(COMMITS))).await.unwrap();
        assert_eq!(compacted(folder.path()).await.files_after, 1);
        store.append(object("again", &(0..COMMITS).flat_map(events).collect::<Vec<_>>())).await.unwrap();
        let kept = store.flush().await.unwrap();
        assert_eq!((kept.commit.unwrap().kept, kept.duplicates), (EVENTS, COMMITS * EVENTS), "each event once");
        let accounting = store.accounting().await.unwrap();
        assert!(accounting.holds(), "{accounting}");
        assert_eq!(accounting.table_rows, (COMMITS + 1) * EVENTS);
        // A ledger that is lost is made again from the log, compaction or not.
        drop(store);
        std::fs::remove_file(folder.path().join("ledger.sqlite")).unwrap();
        let store = open(folder.path()).await;
        assert!(store.accounting().await.unwrap().holds());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upkeep_deletes_nothing_that_somebody_may_still_read_and_names_what_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    compacted(folder.path()).await;
    let mut upkeep = Upkeep::open(&options(folder.path())).await.unwrap();
    assert_eq!(upkeep.vacuum().await.unwrap(), 0, "replaced files stay for a week");
    assert_eq!(asked(&store, "SELECT count(*) FROM events").await, [(COMMITS * EVENTS).to_string()]);
    assert_eq!(upkeep.missing_files().await.unwrap(), Vec::<String>::new());
    assert!(upkeep.is_news_after(0).await.unwrap() && !upkeep.is_news_after(COMMITS as i64).await.unwrap());

    let day = folder.path().join("events/event_date=2024-05-01");
    let file =
        std::fs::read_dir(day).unwrap().flatten().find(|f| f.file_name().to_string_lossy().starts_with("compacted"));
    std::fs::remove_file(file.unwrap().path()).unwrap();
    let missing = upkeep.missing_files().await.unwrap();
    assert!(missing.len() == 1 && missing[0].contains("compacted-"), "{missing:?}");
}

/// Days since the epoch of the first of May.
const FIRST_OF_MAY: i32 = (MAY / 24 / HOUR) as i32;

#[tokio::test(flavor = "multi_thread")]
async fn days_that_are_gone_are_accounted_for_counted_and_not_kept_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = filled(folder.path()).await;
    let counts = asked(&store, "SELECT sum(events), min(first_time), max(last_time) FROM activity").await;
    let before = asked(&store, "SELECT count(*) FROM events WHERE event_date < '2024-05-01'").await[0].parse().unwrap();
    // One writer is on its way with events of a day that goes, and of one that stays.
    let late = |n: u64| Event::new(9_000 + n, MAY - HOUR);
    store.append(object("on-its-way", &[late(0), late(1), Event::new(9_002, MAY)])).await.unwrap();
    let mut upkeep = Upkeep::open(&options(folder.path())).await.unwrap();
    compacted(folder.path()).await;
    assert_eq!(upkeep.expire(FIRST_OF_MAY).await.unwrap(), before);
    assert_eq!(upkeep.expire(FIRST_OF_MAY - 1).await.unwrap(), 0, "what is gone does not come back");
    assert_eq!(store.flush().await.unwrap().commit.unwrap().kept, 1);

    // What came once, and what never came, of such a day: both are skipped, once for each time that they come.
    let mut again = events(0);
    again.push(late(3));
    store.append(object("again", &again)).await.unwrap();
    store.flush().await.unwrap();
    let skipped = asked(&store, "SELECT key, reason, records FROM skipped_records ORDER BY key").await;
    assert_eq!(skipped, ["again|expired|11", "on-its-way|expired|2"]);
    // An object that is read again keeps its account.
    store.append(object("k0", &events(0))).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(
        asked(&store, "SELECT received, kept, duplicate, skipped FROM objects WHERE key = 'k0'").await,
        ["10|10|0|0"]
    );

    for store in [&store, &open(folder.path()).await] {
        let accounting = store.accounting().await.unwrap();
        assert!(accounting.holds(), "{accounting}");
        assert_eq!((accounting.expired, accounting.table_rows), (before, COMMITS * EVENTS - before + 1));
        assert_eq!(store.kept_from(), Some(MAY));
        assert_eq!(asked(store, "SELECT * FROM retention").await, [format!("2024-05-01|{before}")]);
        assert_eq!(asked(store, "SELECT count(*) FROM events WHERE event_date < '2024-05-01'").await, ["0"]);
        assert_eq!(
            asked(store, "SELECT sum(events) - 1, min(first_time), max(last_time) FROM activity").await,
            counts,
            "counts outlive their events"
        );
        let rows = rows_after(store, -1).await.num_rows() as u64;
        assert_eq!(rows, accounting.table_rows, "who begins reads what is there");
    }
    // A ledger that is lost is made again, and counting anew leaves the days alone that cannot be counted.
    drop(store);
    std::fs::remove_file(folder.path().join("ledger.sqlite")).unwrap();
    let mut store = open(folder.path()).await;
    assert!(store.accounting().await.unwrap().holds());
    store.rebuild_activity().await.unwrap();
    assert_eq!(asked(&store, "SELECT sum(events) - 1, min(first_time), max(last_time) FROM activity").await, counts);
    // Counts go when it is asked for, and never while their events are there.
    assert!(upkeep.expire_activity(FIRST_OF_MAY + 10).await.unwrap() > 0);
    assert_eq!(asked(&store, "SELECT min(event_date) FROM activity").await, ["2024-05-01"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_counted_yet_is_counted_before_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path()).await;
    store.append(object("k", &events(0))).await.unwrap();
    store.flush().await.unwrap();
    drop(store);
    let mut upkeep = Upkeep::open(&options(folder.path())).await.unwrap();
    assert_eq!(upkeep.expire(FIRST_OF_MAY + 1).await.unwrap(), EVENTS);
    let store = open(folder.path()).await;
    assert_eq!(asked(&store, "SELECT sum(events) FROM activity").await, [EVENTS.to_string()]);
    assert_eq!(asked(&store, "SELECT count(*) FROM events").await, ["0"]);
    assert_eq!(rows_after(&store, -1).await.num_rows(), 0);
}
