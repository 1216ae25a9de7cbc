//! Several writers on one table.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_slower_writer_yields() {
    let dir = folder();
    let mut one = open(dir.path()).await;
    let mut two = open(dir.path()).await;
    one.append(object("a", &events(0..10))).await.unwrap();
    let forged = Event::new(3, MAY + 3 * 60_000_000).but("{}");
    let mixed = [events(5..8), vec![forged], events(20..22)].concat();
    two.append(object("b", &mixed)).await.unwrap();
    two.append(object("c", &events(100..103))).await.unwrap();
    one.flush().await.unwrap();
    let commit = two.flush().await.unwrap().commit.unwrap();
    assert_eq!(commit.kept, 5);
    assert_eq!(commit.batches.iter().map(|b| b.num_rows()).sum::<usize>(), 5);
    holds(&two).await;
    let objects = table(&two, "SELECT key, received, kept, duplicate, parked FROM objects ORDER BY key").await;
    assert_eq!(objects, ["a|10|10|0|0", "b|6|2|3|1", "c|3|3|0|0"]);
    // Each sees the other's rows from now on.
    one.append(object("d", &events(20..24))).await.unwrap();
    assert_eq!(one.flush().await.unwrap().commit.unwrap().kept, 2);
    // And a copy that would leave nothing to commit.
    two.append(object("e", &events(50..53))).await.unwrap();
    one.append(object("f", &events(50..53))).await.unwrap();
    one.flush().await.unwrap();
    assert!(two.flush().await.unwrap().commit.is_none());
    holds(&two).await;
    let reopened = open(dir.path()).await;
    holds(&reopened).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_keep_each_event_once() {
    let dir = folder();
    let path = dir.path().to_path_buf();
    drop(open(&path).await);
    let writers: Vec<_> = (0..3u64)
        .map(|writer| {
            let path = path.clone();
            tokio::spawn(async move {
                let mut store = open(&path).await;
                for round in 0..6u64 {
                    let shared = events(round * 20..round * 20 + 20);
                    let own = events(1_000 * (writer + 1) + round * 5..1_000 * (writer + 1) + round * 5 + 5);
                    store.append(object(&format!("{writer}/{round}"), &[shared, own].concat())).await.unwrap();
                    store.flush().await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let store = open(&path).await;
    holds(&store).await;
    let accounting = store.accounting().await.unwrap();
    assert_eq!(accounting.table_rows, 6 * 20 + 3 * 6 * 5);
    assert_eq!(accounting.records.received, 3 * 6 * 25);
}
