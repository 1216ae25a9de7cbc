//! What goes wrong around the service, one thing at a time, and in the end the same table, findings and messages as if
//! nothing had.

use std::time::Duration;

use crate::logs::{self, Object, gzip, key, log, record, root_key};
use crate::python::Python;
use crate::receiver::Trouble;
use crate::stage::{QUEUE, Service, Stage, until};
use trailhound_testing::fake_aws::{Fault, QueueOptions, Rule};

fn stage(name: &str) -> Stage {
    Stage::new(name, QueueOptions { visibility: Duration::from_secs(2), ..QueueOptions::default() })
}

/// Objects of an event each.
fn objects(count: usize) -> Vec<Object> {
    (0..count).map(|n| (key(&format!("{n:016}")), gzip(&log(&[record(&format!("event-{n}"))])))).collect()
}

/// Waits until the queue is empty, and compares with a scan.
#[track_caller]
fn ends_as_scanned(stage: &Stage, mut service: Service, objects: &[Object], what: &str) {
    until("the queue is empty", || stage.aws.remaining(QUEUE) == 0);
    service.stop();
    stage.assert_as_scanned(objects, what);
    stage.store().assert_accounted();
}

#[test]
fn objects_that_come_damaged_or_late_are_read_again() {
    let stage = stage("faults_objects");
    let objects = objects(6);
    let faults = [
        Fault::slow_down(),
        Fault::status(500, "InternalError", "We encountered an internal error. Please try again."),
        Fault::Truncated(40),
        Fault::Flipped,
        Fault::Short(40),
        Fault::Dripping { pieces: 10, pause: Duration::from_millis(100) },
    ];
    for ((key, _), fault) in objects.iter().zip(faults) {
        stage.aws.fail(Rule::new("GetObject", fault).about(key).times(1));
    }
    stage.announce(&objects);
    let service = stage.serve(None);
    ends_as_scanned(&stage, service, &objects, "each object with a fault of its own");
    assert_eq!(stage.store().number("SELECT count(*) AS n FROM parked"), 0);
}

#[test]
fn a_queue_that_throttles_and_forgets_costs_time_and_nothing_else() {
    let stage = Stage::new(
        "faults_queue",
        // Every message comes back before it is committed, since no lease can be prolonged.
        QueueOptions { visibility: Duration::from_secs(1), copies: 2, reorder: true },
    );
    let objects = logs::objects();
    let throttled = || Fault::status(400, "RequestThrottled", "Rate exceeded");
    stage.aws.fail(Rule::new("ReceiveMessage", throttled()).times(3));
    stage.aws.fail(Rule::new("ChangeMessageVisibilityBatch", throttled()));
    stage.aws.fail(Rule::new("DeleteMessageBatch", throttled()).times(2));
    let entries = Fault::Entries { code: "InternalError".into(), sender_fault: false };
    stage.aws.fail(Rule::new("DeleteMessageBatch", entries).times(5));
    stage.announce(&objects);
    let service = stage.serve(None);
    until("leases were lost", || stage.aws.calls("ChangeMessageVisibilityBatch") > 3);
    stage.aws.mend();
    ends_as_scanned(&stage, service, &objects, "a queue in trouble");
}

#[test]
fn a_full_disk_halts_intake_until_there_is_room() {
    let stage = stage("faults_disk");
    let service = stage.serve_with_file_limit();
    service.until_ready();
    service.limit_files(Some(4 << 10));
    let objects = logs::objects();
    stage.announce(&objects);
    until("it says what is wrong", || {
        service.get("/readyz").is_some_and(|(status, text)| status == 503 && text.contains("no space left"))
    });
    assert_eq!(service.get("/livez").unwrap().0, 200);
    assert!(stage.aws.remaining(QUEUE) > 0, "nothing is acknowledged that is not kept");
    service.limit_files(None);
    ends_as_scanned(&stage, service, &objects, "a full disk");
}

/// Another program that holds the ledger until it ends.
const HOLD: &str = "import sqlite3, sys
ledger = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
ledger.execute('BEGIN EXCLUSIVE')
print('held', flush=True)
sys.stdin.read()";

#[test]
fn a_ledger_that_somebody_holds_halts_intake_until_it_is_free() {
    let stage = stage("faults_ledger");
    let service = stage.serve(None);
    service.until_ready();
    let (holder, said) = Python::start(HOLD, &stage.world.path("store").join("ledger.sqlite"));
    assert_eq!(said, "held");
    let objects = logs::objects();
    stage.announce(&objects);
    until("it says what is wrong", || {
        service.get("/readyz").is_some_and(|(status, text)| status == 503 && text.contains("locked by another process"))
    });
    assert!(stage.aws.remaining(QUEUE) > 0, "nothing is acknowledged that is not kept");
    holder.end();
    ends_as_scanned(&stage, service, &objects, "a locked ledger");
}

#[test]
fn sinks_that_refuse_and_are_silent_are_told_in_the_end() {
    let stage = stage("faults_sinks");
    for trouble in
        [Trouble::Status("429 Too Many Requests\r\nRetry-After: 1"), Trouble::Status("500 Internal Server Error")]
    {
        stage.people.fails("services", trouble);
        stage.people.fails("enqueue", trouble);
    }
    stage.people.fails("enqueue", Trouble::Silence);
    let objects = [(key("AAAAAAAAAAAAAAAA"), gzip(&log(&[record("one"), root_key("two")])))];
    stage.announce(&objects);
    let service = stage.serve(None);
    until("both were told", || !stage.people.got("services").is_empty() && !stage.people.got("enqueue").is_empty());
    until("nothing waits", || stage.store().number("SELECT count(*) AS n FROM outbox") == 0);
    let (_, metrics) = service.get("/metrics").unwrap();
    for (sink, tries) in [("chat", 2), ("pager", 3)] {
        let retried = format!("trailhound_alerts_total{{result=\"retried\",sink=\"{sink}\"}} {tries}");
        assert!(metrics.contains(&retried), "{retried} is not in\n{metrics}");
    }
    let keys: std::collections::BTreeSet<_> =
        stage.people.got("enqueue").iter().map(|page| page["dedup_key"].to_string()).collect();
    assert_eq!(keys.len(), 1, "one incident is one open item");
    ends_as_scanned(&stage, service, &objects, "sinks in trouble");
    assert_eq!(stage.store().number("SELECT count(*) AS n FROM dead_letters"), 0);
}
