//! What later events may undo: held back, told when the sources are complete, withdrawn, or never told.

use serde_json::json;
use trailhound_detect::{Kind, Status};

use super::*;

/// Later events can undo it, those before its last event.
const BEFORE: Option<i64> = Some(0);
const HELD: &str = "SELECT finding_id FROM held_findings ORDER BY 1";
/// The configuration's own.
const HOLD_HOURS_MAX: i64 = 6;

fn new_network(id: &str, principal: &str, time: i64) -> Finding {
    Finding { kind: Kind::FirstSeen, ..finding(id, principal, time) }
}

impl Scene {
    /// A scene whose sources are complete up to a time.
    async fn reaching(text: &str, complete_to: i64) -> Scene {
        let scene = Scene::new(text).await;
        scene.reach(complete_to);
        scene
    }

    fn reach(&self, complete_to: i64) {
        self.reach.0.store(complete_to, Ordering::SeqCst);
    }

    async fn raise_open(&self, findings: &[Finding]) {
        self.change_open(ChangeKind::Raised, BEFORE, findings).await;
    }

    /// Looks at what waits, and lets every worker do what is due.
    async fn release(&mut self) -> (usize, Vec<Noted>) {
        (self.alerts.release().await.unwrap(), self.work().await)
    }
}

#[tokio::test]
async fn what_may_be_undone_is_told_when_the_sources_are_complete() {
    let mut scene = Scene::reaching(HOOK, NOW - MINUTE).await;
    scene.raise_open(&[new_network("a", PERSON, NOW)]).await;
    scene.raise(&[finding("b", PERSON, NOW)]).await;
    assert_eq!(scene.work().await, [Noted::Delivered], "what nothing can undo is told at once");
    assert_eq!(scene.bodies()[0]["findings_total"], 1);
    assert_eq!(scene.ask(HELD).await, ["a"]);
    assert_eq!(scene.ask("SELECT state FROM findings WHERE id = 'a'").await, ["current"], "true at once all the same");
    assert_eq!(scene.release().await, (0, vec![]));

    // More events of what waits do not make it wait longer.
    let grown = Finding { last_time: NOW + HOUR, count: 9, ..new_network("a", PERSON, NOW) };
    scene.pass(MINUTE);
    scene.change_open(ChangeKind::Amended, BEFORE, std::slice::from_ref(&grown)).await;
    scene.reach(NOW);
    assert_eq!(scene.release().await, (1, vec![Noted::Delivered]));
    let told = &scene.bodies()[0];
    assert_eq!((&told["findings_total"], &told["revision"]), (&json!(2), &json!(2)), "one incident with the other");
    assert_eq!(scene.ask(HELD).await, Vec::<String>::new());
    // What was told is amended at once, whatever the sources do.
    scene.reach(i64::MIN);
    scene.change_open(ChangeKind::Amended, BEFORE, &[grown]).await;
    assert_eq!(scene.ask(HELD).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_undone_while_it_waits_is_never_told() {
    let mut scene = Scene::reaching(HOOK, NOW - MINUTE).await;
    scene.raise_open(&[new_network("a", PERSON, NOW)]).await;
    scene.change(ChangeKind::Retracted, &[new_network("a", PERSON, NOW)]).await;
    scene.reach(i64::MAX);
    assert_eq!(scene.release().await, (0, vec![]));
    assert_eq!(scene.ask("SELECT id FROM incidents").await, Vec::<String>::new());
    assert!(scene.bodies().is_empty());
}

#[tokio::test]
async fn what_was_told_and_is_undone_is_resolved_and_may_come_again() {
    let mut scene = Scene::reaching(PAGER, NOW - MINUTE).await;
    scene.raise_open(&[new_network("a", PERSON, NOW)]).await;
    scene.reach(NOW);
    scene.release().await;
    scene.change(ChangeKind::Retracted, &[new_network("a", PERSON, NOW)]).await;
    scene.work().await;
    // It is raised anew by an event that is later than all that has come.
    scene.pass(2 * MINUTE);
    scene.raise_open(&[new_network("a", PERSON, NOW + MINUTE)]).await;
    assert_eq!(scene.work().await, []);
    scene.reach(NOW + MINUTE);
    scene.release().await;
    let events = scene.bodies();
    let actions: Vec<&str> = events.iter().map(|e| e["event_action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["trigger", "resolve", "trigger"]);
    assert!(events.iter().all(|e| e["dedup_key"] == events[0]["dedup_key"]));
}

#[tokio::test]
async fn what_must_not_follow_is_waited_for() {
    let mut scene = Scene::reaching(HOOK, NOW).await;
    let sequence = Finding { kind: Kind::Sequence, ..finding("a", PERSON, NOW) };
    scene.change_open(ChangeKind::Raised, Some(10 * MINUTE), &[sequence]).await;
    scene.reach(NOW + 10 * MINUTE - 1);
    assert_eq!(scene.release().await, (0, vec![]));
    scene.reach(NOW + 10 * MINUTE);
    assert_eq!(scene.release().await, (1, vec![Noted::Delivered]));
}

#[tokio::test]
async fn nothing_waits_for_ever() {
    let mut scene = Scene::reaching(HOOK, i64::MIN).await;
    // One says that it is of 2099.
    let far = 4_070_908_800 * SECOND;
    scene.raise_open(&[new_network("a", PERSON, NOW), new_network("b", "bob", far)]).await;
    scene.reach(NOW);
    assert_eq!(scene.release().await, (2, vec![Noted::Delivered, Noted::Delivered]));
    scene.reach(i64::MIN);
    scene.raise_open(&[new_network("c", "carol", NOW)]).await;
    scene.pass(HOLD_HOURS_MAX * HOUR - 1);
    assert_eq!(scene.release().await, (0, vec![]));
    scene.pass(1);
    assert_eq!(scene.release().await, (1, vec![Noted::Delivered]));
}

#[tokio::test]
async fn a_restart_forgets_nothing_that_waits() {
    let mut scene = Scene::reaching(HOOK, NOW - MINUTE).await;
    scene
        .raise_open(&[new_network("a", PERSON, NOW), new_network("b", "bob", NOW), new_network("c", "carol", NOW)])
        .await;
    // Meanwhile a scan of the same store, which tells nobody, finds one more and one less; another is on trial now.
    let mut transaction = scene.store.ledger().begin().await.unwrap();
    write_finding(&mut transaction, &new_network("b", "bob", NOW), ChangeKind::Retracted).await;
    let trial = Finding { status: Status::Trial, ..new_network("c", "carol", NOW) };
    write_finding(&mut transaction, &trial, ChangeKind::Amended).await;
    write_finding(&mut transaction, &new_network("d", "dave", NOW), ChangeKind::Raised).await;
    transaction.commit().await.unwrap();
    scene.restart(HOOK).await;
    assert_eq!(scene.ask(HELD).await, ["a", "b", "c", "d"]);
    assert_eq!(scene.release().await, (0, vec![]));
    scene.reach(NOW);
    assert_eq!(scene.release().await, (4, vec![Noted::Delivered, Noted::Delivered]));
    assert_eq!(scene.ask("SELECT finding_id FROM incident_findings ORDER BY 1").await, ["a", "d"]);
}

#[tokio::test]
async fn without_a_time_to_hold_everything_is_told_at_once() {
    let mut scene = Scene::reaching(HOOK, i64::MIN).await;
    scene.raise_open(&[new_network("a", PERSON, NOW)]).await;
    let at_once = format!("[alerts]\nhold_minutes = 0\n{HOOK}");
    scene.alerts.reload(config(&at_once, &scene.receiver)).await.unwrap();
    scene.raise_open(&[new_network("b", "bob", NOW)]).await;
    assert_eq!(scene.work().await, [Noted::Delivered]);
    assert_eq!(scene.release().await, (1, vec![Noted::Delivered]), "and so is what waited");
}

#[tokio::test]
async fn what_is_held_back_is_counted_and_can_be_asked_for() {
    let mut scene = Scene::reaching(HOOK, NOW - MINUTE).await;
    let several = Finding { account_id: None, ..new_network("b", "bob", NOW) };
    scene.raise_open(&[new_network("a", PERSON, NOW), several]).await;
    scene.pass(30 * SECOND);
    let registry = prometheus::Registry::new();
    let metrics = Metrics::new(&registry).unwrap();
    let setup = scene.alerts.setup();
    metrics.measure(scene.store.ledger().pool(), &setup, scene.now()).await.unwrap();
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in ["trailhound_findings_held 2", "trailhound_findings_held_oldest_seconds 30"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let session = scene.store.session().await.unwrap();
    tables::register(scene.store.ledger(), &session).await.unwrap();
    let sql =
        "SELECT finding_id, account_id FROM held_findings WHERE open_until <= now() + INTERVAL '9 years' ORDER BY 1";
    let answer = session.sql(sql).await.unwrap().collect().await.unwrap();
    let text = datafusion::arrow::util::pretty::pretty_format_batches(&answer).unwrap().to_string();
    assert!(text.contains("| a          | 111122223333 |") && text.contains("| b          |              |"), "{text}");
    scene.reach(NOW);
    assert_eq!(scene.release().await.0, 2);
}
