use trailhound_store::{Store, StoreOptions};

use super::source::{LATE, MINUTE};
use super::*;

/// Noon of 2026-03-02 in µs.
const NOON: i64 = 1_772_452_800_000_000;
const BOUND: i64 = 30 * MINUTE;
const ANA: Option<&str> = Some("111122223333");

/// An object of a region, stamped so on 2026-03-02.
fn object(account: &str, region: &str, stamp: &str) -> ObjectId {
    let name = format!("{account}_CloudTrail_{region}_{stamp}_AbCdEfGhIjKlMnOp.json.gz");
    let key = format!("AWSLogs/{account}/CloudTrail/{region}/2026/03/02/{name}");
    ObjectId { bucket: "b".into(), key, identity: "i".into() }
}

async fn ledger(folder: &tempfile::TempDir) -> Ledger {
    Store::open(StoreOptions::new(folder.path().display().to_string())).await.unwrap().ledger().clone()
}

#[tokio::test]
async fn an_account_is_as_far_as_its_region_that_is_farthest_behind() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources::open(&ledger(&folder).await, NOON - BOUND).await.unwrap();
    let came = [
        object("111122223333", "eu-west-1", "20260302T1200Z"),
        object("111122223333", "us-east-1", "20260302T1140Z"),
        object("444455556666", "us-east-1", "20260302T1000Z"),
        // History of a region that does not send any more.
        object("111122223333", "sa-east-1", "20250302T1140Z"),
    ];
    sources.delivered(&came, NOON).await.unwrap();
    assert_eq!(sources.complete_to(ANA, NOON, BOUND), i64::MIN, "no rule has looked at anything yet");
    sources.judged();
    assert_eq!(sources.complete_to(ANA, NOON, BOUND), NOON - 20 * MINUTE - LATE);
    assert_eq!(sources.complete_to(None, NOON, BOUND), NOON - 120 * MINUTE - LATE);
    assert_eq!(sources.complete_to(Some("777788889999"), NOON, BOUND), NOON - BOUND, "it never sent");
    let behind = sources.behind(NOON, BOUND, 2);
    let names: Vec<&str> = behind.iter().map(|((account, _), _)| account.as_str()).collect();
    assert_eq!(names, ["444455556666", "111122223333"], "the farthest first, and no more than asked");

    // Of an account whose first objects were not judged yet, nothing can be said.
    sources.delivered(&[object("777788889999", "us-east-1", "20260302T1200Z")], NOON).await.unwrap();
    assert_eq!(sources.complete_to(Some("777788889999"), NOON, BOUND), i64::MIN);

    // What is durable and was not judged says nothing yet.
    let more = [object("111122223333", "us-east-1", "20260302T1205Z")];
    sources.delivered(&more, NOON + MINUTE).await.unwrap();
    assert_eq!(sources.complete_to(ANA, NOON + MINUTE, BOUND), NOON - 20 * MINUTE - LATE);
    sources.judged();
    assert_eq!(sources.complete_to(ANA, NOON + MINUTE, BOUND), NOON - LATE);

    // One is silent from here on: no longer than the bound; and while nobody could hear it, that says nothing.
    let later = NOON + 40 * MINUTE;
    sources.delivered(&[object("111122223333", "us-east-1", "20260302T1240Z")], later).await.unwrap();
    sources.judged();
    assert_eq!(sources.complete_to(ANA, later, BOUND), later - BOUND);
    sources.deaf(later);
    assert_eq!(sources.complete_to(ANA, later, BOUND), NOON - LATE);
}

#[tokio::test]
async fn a_restart_forgets_nothing_and_a_lost_table_is_made_of_the_objects() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&folder).await;
    let sources = Sources::open(&ledger, NOON).await.unwrap();
    sources.delivered(&[object("111122223333", "eu-west-1", "20260302T1200Z")], NOON).await.unwrap();
    let restarted = NOON + 600 * MINUTE;
    let again = Sources::open(&ledger, restarted).await.unwrap();
    assert_eq!(again.complete_to(ANA, restarted, BOUND), i64::MIN);
    again.judged();
    assert_eq!(again.complete_to(ANA, restarted, BOUND), NOON - LATE, "what was sent meanwhile waits in the queue");
    assert_eq!(again.complete_to(ANA, restarted + BOUND, BOUND), restarted);

    for sql in [
        "DELETE FROM sources",
        "INSERT INTO objects (bucket, key, identity, outcome, bytes, inflated_bytes, received, kept, duplicate, skipped,
         parked, deliveries, noted_time) VALUES ('b', 'AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/02/111122223333_CloudTrail_us-east-1_20260302T1155Z_AbCdEfGhIjKlMnOp.json.gz',
         'i', 'decoded', 1, 1, 1, 1, 0, 0, 0, 1, 1772452800000000)",
    ] {
        sqlx::query(sql).execute(ledger.pool()).await.unwrap();
    }
    let made = Sources::open(&ledger, NOON).await.unwrap();
    made.judged();
    assert_eq!(made.complete_to(ANA, NOON, BOUND), NOON - 5 * MINUTE - LATE);
}

#[tokio::test]
async fn an_account_is_named_that_sends_for_a_day_and_nothing_from_where_root_signs_in() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources::open(&ledger(&folder).await, NOON).await.unwrap();
    let came = [
        object("111122223333", "eu-west-1", "20260302T1200Z"),
        object("444455556666", "eu-west-1", "20260302T1200Z"),
        object("444455556666", "us-east-1", "20260302T1200Z"),
    ];
    sources.delivered(&came, NOON).await.unwrap();
    let day = 24 * 60 * MINUTE;
    assert!(sources.without_sign_ins(NOON + day).is_empty(), "it may still come");
    let sent = [object("111122223333", "sa-east-1", "20260302T1205Z")];
    sources.delivered(&sent, NOON + day).await.unwrap();
    assert_eq!(sources.without_sign_ins(NOON + day + 1), BTreeSet::from(["111122223333".to_string()]));
    let sent = [object("111122223333", "us-east-1", "20260302T1205Z")];
    sources.delivered(&sent, NOON + day + 1).await.unwrap();
    assert!(sources.without_sign_ins(NOON + day + 2).is_empty());
}
