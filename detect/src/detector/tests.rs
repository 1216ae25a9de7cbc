use serde_json::{Value, json};
use trailhound_ingest::{Batch, ObjectId, ObjectOutcome, ObjectReport};
use trailhound_store::StoreOptions;

use super::*;
use crate::rule::{File, load};
use crate::testing::{batch, planner, rule_file};

mod kinds;
mod lineage;
mod memory;
mod reference;
mod retention;
mod straddle;
mod tools;

fn rules(files: Vec<File>) -> RuleSet {
    let planner = planner();
    RuleSet::compile(load(files, &planner).into_rules().unwrap(), &planner).unwrap()
}

fn rule(name: &str, fold: &str, condition: &str) -> File {
    let select = format!("SELECT event_id, principal_key, event_name FROM events WHERE {condition}");
    rule_file(&format!("account/{name}.sql"), fold, &select)
}

const HOURLY: &str = "-- fold = \"1h\"\n";

/// A store in a folder of its own, removed at the end.
struct Scratch {
    folder: std::path::PathBuf,
    store: Store,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Scratch {
    async fn new(name: &str) -> Scratch {
        let folder = std::env::temp_dir().join(format!("trailhound-detect-{}-{name}", std::process::id()));
        let store = Store::open(StoreOptions::new(folder.display().to_string())).await.unwrap();
        Scratch { folder, store }
    }

    /// Commits events by event name; ids are `<object>-<place>`.
    async fn keep(&mut self, object: &str, names: &[&str]) -> Commit {
        let rows: Vec<Value> = names
            .iter()
            .enumerate()
            .map(|(i, name)| json!({"event_id": format!("{object}-{i}"), "event_name": name, "principal_key": "alice", "src_bucket": "b", "src_key": object, "src_ordinal": i, "record_hash": i}))
            .collect();
        self.keep_rows(object, &rows).await
    }

    /// Commits rows as one object.
    async fn keep_rows(&mut self, object: &str, rows: &[Value]) -> Commit {
        let report = ObjectReport {
            id: ObjectId { bucket: "b".into(), key: object.into(), identity: format!("sha256:{object}") },
            bytes: 1,
            inflated_bytes: 1,
            outcome: ObjectOutcome::Decoded,
            reason: None,
            detail: None,
            records_received: rows.len() as u64,
            records_skipped: BTreeMap::new(),
            parked: Vec::new(),
        };
        let rows = Batch { rows: batch(rows), objects: vec![report], open: false, source: 0 };
        assert!(self.store.append(rows).await.unwrap().commit.is_none());
        self.store.flush().await.unwrap().commit.unwrap()
    }
}

async fn counts(detector: &Detector) -> Vec<(String, u64)> {
    let mut counts: Vec<_> =
        detector.findings().current().await.unwrap().into_iter().map(|f| (f.rule, f.count)).collect();
    counts.sort();
    counts
}

fn changes(raised: u64, amended: u64, retracted: u64) -> Changes {
    Changes { raised, amended, retracted }
}

#[tokio::test]
async fn findings_follow_commits_and_rules() {
    let mut s = Scratch::new("follow").await;
    let creates = |fold: &str| rule("creates", fold, "event_name = 'CreateUser'");
    let detector = Detector::open(&s.store, rules(vec![creates(HOURLY)])).await.unwrap();
    assert_eq!(detector.catch_up(&s.store).await.unwrap(), changes(0, 0, 0));

    // From memory, then again: nothing is counted twice.
    let commit = s.keep("a", &["CreateUser", "ListUsers", "CreateUser"]).await;
    assert_eq!(detector.commit(&s.store, &commit).await.unwrap(), changes(1, 0, 0));
    assert_eq!(detector.commit(&s.store, &commit).await.unwrap(), changes(0, 0, 0));
    let commit = s.keep("b", &["CreateUser"]).await;
    assert_eq!(detector.commit(&s.store, &commit).await.unwrap(), changes(0, 1, 0));
    assert_eq!(counts(&detector).await, [("account/creates".into(), 3)]);

    // A commit that was not handed over, as after a crash, is read from the table by the next.
    s.keep("c", &["CreateUser"]).await;
    let commit = s.keep("d", &["CreateUser"]).await;
    detector.commit(&s.store, &commit).await.unwrap();
    assert_eq!(counts(&detector).await, [("account/creates".into(), 5)]);
    drop(detector);
    s.keep("e", &["CreateUser"]).await;
    let detector = Detector::open(&s.store, rules(vec![creates(HOURLY)])).await.unwrap();
    assert_eq!(detector.catch_up(&s.store).await.unwrap(), changes(0, 1, 0));
    assert_eq!(detector.catch_up(&s.store).await.unwrap(), changes(0, 0, 0));
    assert_eq!(counts(&detector).await, [("account/creates".into(), 6)]);

    // A new rule sees the whole table; the old one is not touched.
    let lists = || rule("lists", "", "event_name = 'ListUsers'");
    detector.swap(rules(vec![creates(HOURLY), lists()]));
    assert_eq!(detector.catch_up(&s.store).await.unwrap(), changes(1, 0, 0));

    // A changed rule begins anew, what it no longer finds is retracted; so are the findings of one that is gone.
    detector.swap(rules(vec![creates("")]));
    assert_eq!(detector.catch_up(&s.store).await.unwrap(), changes(6, 0, 2));
    assert_eq!(counts(&detector).await, vec![("account/creates".to_string(), 1); 6]);

    // And back: retracted findings are raised anew, not doubled.
    detector.swap(rules(vec![creates(HOURLY), lists()]));
    detector.catch_up(&s.store).await.unwrap();
    assert_eq!(counts(&detector).await, [("account/creates".into(), 6), ("account/lists".into(), 1)]);
    let finding = detector.findings().current().await.unwrap().into_iter().find(|f| f.count == 6).unwrap();
    let history = detector.findings().history(&finding.id).await.unwrap();
    let told: Vec<&str> = history.iter().map(|h| h.change.as_str()).collect();
    assert_eq!(told[..6], ["raised", "amended", "amended", "amended", "amended", "retracted"]);
    assert_eq!(history.last().unwrap().count, 6);
    assert_eq!(detector.findings().find(&finding.id[..10]).await.unwrap(), Some((finding, false)));
    assert_eq!(detector.findings().find("%").await.unwrap(), None);
}

#[tokio::test]
async fn a_detector_that_follows_and_one_that_comes_late_agree() {
    let mut s = Scratch::new("agree").await;
    let files = || vec![rule("one", "", "event_name IN ('A', 'B')"), rule("hour", HOURLY, "event_name <> 'B'")];
    let detector = Detector::open(&s.store, rules(files())).await.unwrap();
    for i in 0..5 {
        let commit = s.keep(&format!("o{i}"), &["A", "B", "C"]).await;
        detector.commit(&s.store, &commit).await.unwrap();
    }
    let followed = detector.findings().current().await.unwrap();
    assert_eq!(followed.len(), 11);
    detector.swap(rules(Vec::new()));
    assert_eq!(detector.catch_up(&s.store).await.unwrap().retracted, 11);
    detector.swap(rules(files()));
    detector.catch_up(&s.store).await.unwrap();
    assert_eq!(detector.findings().current().await.unwrap(), followed);
}

#[tokio::test]
async fn cursors_move_with_findings_or_when_somebody_comes_by() {
    let mut s = Scratch::new("cursors").await;
    let files = || vec![rule("creates", HOURLY, "event_name = 'CreateUser'")];
    let detector = Detector::open(&s.store, rules(files())).await.unwrap();
    detector.catch_up(&s.store).await.unwrap();
    let commit = s.keep("a", &["CreateUser"]).await;
    detector.commit(&s.store, &commit).await.unwrap();
    assert_eq!(detector.findings().applied_to().await.unwrap(), commit.version);

    // What changes nothing is not written; whoever is killed then reads it again, and finds nothing else.
    let quiet = s.keep("b", &["ListUsers"]).await;
    assert_eq!(detector.commit(&s.store, &quiet).await.unwrap(), changes(0, 0, 0));
    assert_eq!(detector.findings().applied_to().await.unwrap(), commit.version);
    drop(detector);
    let detector = Detector::open(&s.store, rules(files())).await.unwrap();
    assert_eq!(detector.catch_up(&s.store).await.unwrap(), changes(0, 0, 0));
    assert_eq!(detector.findings().applied_to().await.unwrap(), quiet.version);

    let quiet = s.keep("c", &["ListUsers"]).await;
    detector.commit(&s.store, &quiet).await.unwrap();
    assert_eq!(detector.ask(&s.store).await.unwrap(), changes(0, 0, 0));
    assert_eq!(detector.findings().applied_to().await.unwrap(), quiet.version);
    let commit = s.keep("d", &["CreateUser"]).await;
    assert_eq!(detector.commit(&s.store, &commit).await.unwrap(), changes(0, 1, 0));
    assert_eq!(counts(&detector).await, [("account/creates".into(), 2)]);
}

#[tokio::test]
async fn a_rule_that_began_and_was_cut_off_counts_nothing_twice() {
    let mut s = Scratch::new("cut-off").await;
    let files = || vec![rule("hour", HOURLY, "event_name = 'A'"), rule("one", "", "event_name = 'B'")];
    let detector = Detector::open(&s.store, rules(files())).await.unwrap();
    detector.catch_up(&s.store).await.unwrap();
    for object in ["o", "p"] {
        let commit = s.keep(object, &["A", "B", "B", "A", "B", "B"]).await;
        detector.commit(&s.store, &commit).await.unwrap();
    }
    let whole = detector.findings().current().await.unwrap();
    assert_eq!(whole.len(), 9);
    // As if all had been written in parts, and the end never came.
    drop(detector);
    let pool = s.store.ledger().pool();
    sqlx::query("UPDATE rule_cursors SET applied_to = -1").execute(pool).await.unwrap();
    let detector = Detector::open(&s.store, rules(files())).await.unwrap();
    detector.catch_up(&s.store).await.unwrap();
    assert_eq!(detector.findings().current().await.unwrap(), whole);
}

#[tokio::test]
async fn findings_are_a_table_for_sql() {
    let mut s = Scratch::new("sql").await;
    let detector = Detector::open(&s.store, rules(vec![rule("one", "", "event_name = 'A'")])).await.unwrap();
    let commit = s.keep("o", &["A", "B"]).await;
    detector.commit(&s.store, &commit).await.unwrap();
    let session = s.store.session().await.unwrap();
    detector.findings().register(&session).unwrap();
    let sql = "SELECT rule, severity, json_text(entity, 'principal_key'), count FROM findings f JOIN finding_history h ON h.finding_id = f.id WHERE f.state = 'current' AND f.first_time < now()";
    let sql = sql.replace(", count FROM", ", f.count FROM").replace("SELECT rule", "SELECT f.rule");
    let answer = session.sql(&sql).await.unwrap().collect().await.unwrap();
    let text = datafusion::arrow::util::pretty::pretty_format_batches(&answer).unwrap().to_string();
    assert!(text.contains("account/one | high") && text.contains("alice"), "{text}");
}

/// Writes down what it is told, into the ledger and beside it; refuses everything while `fails` is set.
#[derive(Debug, Default)]
struct Witness {
    fails: std::sync::atomic::AtomicBool,
    seen: Mutex<Vec<(ChangeKind, u64, bool)>>,
}

impl Follower for Witness {
    fn changed<'a>(
        &'a self,
        transaction: &'a mut Transaction<'static, Any>,
        changes: &'a [Change],
    ) -> futures::future::BoxFuture<'a, std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move {
            sqlx::query("CREATE TABLE IF NOT EXISTS witness (id TEXT)").execute(&mut **transaction).await?;
            for change in changes {
                sqlx::query("INSERT INTO witness (id) VALUES ($1)")
                    .bind(change.finding.id.clone())
                    .execute(&mut **transaction)
                    .await?;
            }
            if self.fails.load(std::sync::atomic::Ordering::Relaxed) {
                return Err("the witness fails".into());
            }
            let mut seen = self.seen.lock().unwrap();
            seen.extend(changes.iter().map(|c| (c.kind, c.finding.count, c.rule.is_some())));
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_follower_is_in_the_transaction_and_a_failing_one_rolls_everything_back() {
    let mut s = Scratch::new("follower").await;
    let witness = Arc::new(Witness::default());
    let creates = || rule("creates", HOURLY, "event_name = 'CreateUser'");
    let detector = Detector::open(&s.store, rules(vec![creates()])).await.unwrap().with_follower(witness.clone());
    detector.catch_up(&s.store).await.unwrap();

    witness.fails.store(true, std::sync::atomic::Ordering::Relaxed);
    let commit = s.keep("a", &["CreateUser", "CreateUser"]).await;
    let error = detector.commit(&s.store, &commit).await.unwrap_err();
    assert!(matches!(error, DetectError::Follow(_)), "{error}");
    assert_eq!(counts(&detector).await, []);
    let rows = sqlx::query("SELECT name FROM sqlite_master WHERE name = 'witness'").fetch_all(s.store.ledger().pool());
    assert!(rows.await.unwrap().is_empty(), "the follower's own writes are rolled back too");

    // The same commit again, handed over or read from the table, brings the same changes once.
    witness.fails.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(detector.commit(&s.store, &commit).await.unwrap(), changes(1, 0, 0));
    let commit = s.keep("b", &["CreateUser"]).await;
    detector.commit(&s.store, &commit).await.unwrap();
    detector.swap(rules(Vec::new()));
    assert_eq!(detector.catch_up(&s.store).await.unwrap(), changes(0, 0, 1));
    let seen = witness.seen.lock().unwrap().clone();
    assert_eq!(
        seen,
        [(ChangeKind::Raised, 2, true), (ChangeKind::Amended, 3, true), (ChangeKind::Retracted, 3, false)]
    );
}
