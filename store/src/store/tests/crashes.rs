//! What a process that died between two durable steps leaves, and that opening the store mends it.

use super::*;

/// Everything the store says, for comparing two.
async fn state(store: &Store) -> Vec<Vec<String>> {
    let mut state = Vec::new();
    for sql in [
        "SELECT event_id, src_key FROM events ORDER BY 1",
        "SELECT bucket, key, identity, outcome, reason, received, kept, duplicate, skipped, parked, table_version FROM objects ORDER BY 2, 3",
        "SELECT bucket, key, identity, ordinal, reason, detail, records FROM parked ORDER BY 2, 4",
        "SELECT key, reason, records FROM skipped_records ORDER BY 1",
    ] {
        state.push(table(store, sql).await);
    }
    state
}

fn batches() -> Vec<Batch> {
    let mut skipped = object("b", &events(8..20));
    skipped.objects[0].records_received += 2;
    skipped.objects[0].records_skipped.insert("insight".into(), 2);
    vec![object_with_parked("a", &events(0..10), &[10, 11]), skipped]
}

/// How far a process came.
enum Died {
    FilesWritten,
    Committed,
    LedgerOpen,
}

async fn run_until(store: &mut Store, died: &Died) {
    for batch in batches() {
        store.append(batch).await.unwrap();
    }
    store.write_out(true).await.unwrap();
    if matches!(died, Died::FilesWritten) {
        return;
    }
    let (version, accounts) = store.commit_table(&ByObject::default()).await.unwrap();
    if matches!(died, Died::LedgerOpen) {
        let mut transaction = store.ledger.begin().await.unwrap();
        store.note(&mut transaction, version, &accounts, &ByObject::default()).await.unwrap();
        drop(transaction);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_is_mended() {
    let dir = folder();
    let mut whole = open(dir.path()).await;
    for batch in batches() {
        whole.append(batch).await.unwrap();
    }
    whole.flush().await.unwrap();
    let wanted = state(&whole).await;

    for died in [Died::FilesWritten, Died::Committed, Died::LedgerOpen] {
        let dir = folder();
        let mut store = open(dir.path()).await;
        run_until(&mut store, &died).await;
        drop(store);
        let mut store = open(dir.path()).await;
        // What is not known is read again, as a scan does.
        for batch in batches() {
            if store.known(&batch.objects[0].id).await.unwrap().is_none() {
                assert!(matches!(died, Died::FilesWritten), "the commit names its objects");
                store.append(batch).await.unwrap();
            }
        }
        store.flush().await.unwrap();
        assert_eq!(state(&store).await, wanted);
        holds(&store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_ledger_is_rebuilt_from_the_table() {
    let dir = folder();
    let mut store = open(dir.path()).await;
    for batch in batches() {
        store.append(batch).await.unwrap();
        store.flush().await.unwrap();
    }
    // A replay supersedes the first account, also when both are read from the log.
    store.append(object("a", &[events(0..10), events(40..42)].concat())).await.unwrap();
    store.flush().await.unwrap();
    let before = state(&store).await;
    let accounting = store.accounting().await.unwrap();
    drop(store);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.path().join(format!("ledger.sqlite{suffix}")));
    }
    let store = open(dir.path()).await;
    assert_eq!(state(&store).await, before);
    assert_eq!(store.accounting().await.unwrap(), accounting);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commits_pass_checkpoints() {
    let dir = folder();
    let mut store = open(dir.path()).await;
    for n in 0..55 {
        // Large enough for packed notes once.
        let objects = if n == 20 { 200 } else { 1 };
        for o in 0..objects {
            store.append(object(&format!("{n}/{o}"), &events(n * 2..n * 2 + 3))).await.unwrap();
        }
        store.flush().await.unwrap();
    }
    store.finish().await.unwrap();
    assert!(dir.path().join("events/_delta_log/_last_checkpoint").exists());
    holds(&store).await;
    drop(store);
    let _ = std::fs::remove_file(dir.path().join("ledger.sqlite"));
    let mut store = open(dir.path()).await;
    assert_eq!(store.version().await.unwrap(), 55);
    store.append(object("again", &events(0..120))).await.unwrap();
    assert_eq!(store.flush().await.unwrap().commit.unwrap().kept, 9);
    let accounting = store.accounting().await.unwrap();
    assert_eq!((accounting.table_rows, accounting.records.kept), (120, 120));
}

#[test]
fn a_point_without_the_variable_does_nothing() {
    crate::crash::POINTS.iter().for_each(|point| crate::crash::point(point));
}
