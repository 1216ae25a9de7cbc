//! Findings outlive their events: whatever is judged anew, what retention took the events of stands as it was.

use trailhound_store::Upkeep;

use super::memory::{PLENTY, all_rules, as_json, weeks};
use super::reference::{DAY, HOUR, Row};
use super::*;
use crate::finding::Finding;

const START: i64 = 20_000 * DAY;
/// The first day that is kept.
const KEPT_FROM: i64 = START + 12 * DAY;

fn with(more: Vec<File>) -> RuleSet {
    rules(
        all_rules()
            .into_iter()
            .chain([rule("users", "-- fold = \"1d\"\n", "event_name = 'CreateUser'")])
            .chain(more)
            .collect(),
    )
}

/// The same rules, each with another text that finds the same.
fn edited() -> RuleSet {
    let edit = |file: File| File { text: format!("{}\n-- edited", file.text.trim_end()), ..file };
    let files = all_rules().into_iter().chain([rule("users", "-- fold = \"1d\"\n", "event_name = 'CreateUser'")]);
    rules(files.map(edit).collect())
}

async fn current(detector: &Detector) -> Vec<Finding> {
    detector.findings().current().await.unwrap()
}

fn rows(object: &str, rows: &[Row]) -> Vec<Value> {
    rows.iter().enumerate().map(|(n, row)| as_json(row, object, n)).collect()
}

/// A store with some weeks of events, judged, of which the first days are taken away. Gives the findings.
async fn expired(name: &str) -> (Scratch, Vec<Finding>) {
    let mut s = Scratch::new(name).await;
    let detector = Detector::open(&s.store, with(Vec::new())).await.unwrap().with_memory(PLENTY);
    detector.catch_up(&s.store).await.unwrap();
    let mut weeks = weeks(3);
    weeks.sort_by_key(|row| row.time);
    for (n, part) in weeks.chunks(100).enumerate() {
        let object = format!("o{n}");
        let commit = s.keep_rows(&object, &rows(&object, part)).await;
        detector.commit(&s.store, &commit).await.unwrap();
    }
    let findings = current(&detector).await;
    let (before, after): (Vec<_>, Vec<_>) = findings.iter().partition(|f| f.first_time < KEPT_FROM);
    assert!(before.len() > 5 && after.len() > 5, "{} and {}", before.len(), after.len());
    let options = StoreOptions::new(s.folder.display().to_string());
    let events = Upkeep::open(&options).await.unwrap().expire((KEPT_FROM / DAY) as i32).await.unwrap();
    assert!(events > 100);
    s.store = Store::open(options).await.unwrap();
    assert_eq!(s.store.kept_from(), Some(KEPT_FROM));
    (s, findings)
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let (mut s, before) = expired("retention-restart").await;
    let detector = Detector::open(&s.store, with(Vec::new())).await.unwrap();
    let changed = detector.catch_up(&s.store).await.unwrap();
    let after = current(&detector).await;
    let differ: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    assert!(differ.is_empty(), "{differ:#?}");
    assert_eq!((changed, after), (changes(0, 0, 0), before.clone()));
    // What comes is judged: users made now, and four failures soon after the first day that is kept.
    let row = |id: &str, time: i64, name: &str| Row {
        id: id.into(),
        time,
        who: "eve".into(),
        name: name.into(),
        outcome: "failure".into(),
        network: "office".into(),
        target: Some(id.into()),
        place: (52.5, 13.4),
    };
    let fails: Vec<Row> =
        (0..4).map(|n| row(&format!("fail{n}"), KEPT_FROM + HOUR + n * 1_000_000, "ConsoleLogin")).collect();
    let commit = s.keep_rows("fails", &rows("fails", &fails)).await;
    assert_eq!(detector.commit(&s.store, &commit).await.unwrap(), changes(1, 0, 0));
    s.keep_rows("made", &rows("made", &[row("made", START + 30 * DAY, "CreateUser")])).await;
    let detector = Detector::open(&s.store, with(Vec::new())).await.unwrap();
    assert_eq!(detector.catch_up(&s.store).await.unwrap(), changes(1, 0, 0), "a commit that was not handed over");
    assert_eq!(current(&detector).await.len(), before.len() + 2);
}

#[tokio::test]
async fn an_edit_judges_anew_what_is_there_and_nothing_else() {
    let (s, before) = expired("retention-edit").await;
    let detector = Detector::open(&s.store, edited()).await.unwrap();
    detector.catch_up(&s.store).await.unwrap();
    let after = current(&detector).await;
    let standing = |findings: &[Finding]| -> Vec<Finding> {
        findings.iter().filter(|f| f.first_time < KEPT_FROM).cloned().collect()
    };
    assert_eq!(standing(&after), standing(&before), "to the byte, by the version that found them");
    let users = |findings: &[Finding]| -> Vec<(String, u64, i64)> {
        let users = findings.iter().filter(|f| f.rule == "account/users" && f.first_time >= KEPT_FROM);
        users.map(|f| (f.id.clone(), f.count, f.last_time)).collect()
    };
    assert_eq!(users(&after), users(&before), "what looks back at nothing finds the same again");
    // A rule that is gone takes with it what is there, and leaves what stands.
    detector.swap(rules(Vec::new()));
    detector.catch_up(&s.store).await.unwrap();
    assert_eq!(current(&detector).await, standing(&before));
}
