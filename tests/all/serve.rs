//! The service as it runs in an account: queues in front, people behind, and what goes wrong in between.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::logs::{self, Object, key, log, record, root_key};
use crate::stage::{BUCKET, QUEUE, Stage, s3_record, until};
use crate::world::trailhound;
use trailhound_testing::fake_aws::{Fault, QueueOptions, Rule};

fn envelope(message: &Value) -> Value {
    json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:111122223333:ct",
           "Message": message.to_string(), "Timestamp": "2025-03-09T12:57:02.000Z"})
}

/// The ways on which an object is announced.
fn shapes(key: &str, bytes: usize) -> [Value; 5] {
    let s3 = s3_record(key, bytes);
    let trail = json!({"s3Bucket": BUCKET, "s3ObjectKey": [key]});
    let bridge = json!({"version": "0", "id": "e", "detail-type": "Object Created", "source": "aws.s3",
        "region": "us-east-1", "detail": {"version": "0", "bucket": {"name": BUCKET},
        "object": {"key": key, "size": bytes}, "reason": "PutObject"}});
    [envelope(&s3), envelope(&trail), trail, bridge, s3]
}

#[test]
fn every_shape_of_notification_three_times_in_any_order_brings_every_event_once() {
    let stage = Stage::new("serve_shapes", QueueOptions { copies: 3, reorder: true, ..QueueOptions::default() });
    let objects = logs::objects();
    stage.put(&objects);
    for (at, (key, bytes)) in objects.iter().enumerate() {
        stage.aws.send(QUEUE, &shapes(key, bytes.len())[at % 5].to_string());
    }
    stage.aws.send(QUEUE, r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"trail"}"#);
    stage.aws.send(QUEUE, "CloudTrail validation message.");
    let service = stage.serve_all();
    stage.assert_as_scanned(&objects, "announced in every shape, three times");

    let pages = stage.people.got("enqueue");
    assert!(!pages.is_empty(), "nobody was paged\n{}", service.log());
    let mut paged = BTreeSet::new();
    for page in &pages {
        assert_eq!(page["routing_key"], "0123456789abcdef0123456789abcdef");
        let key = page["dedup_key"].as_str().unwrap();
        assert!(key.starts_with("TH-"));
        // Findings that turn out to belong together are one incident: what was opened apart is resolved.
        match page["event_action"].as_str().unwrap() {
            "resolve" => continue,
            action => assert_eq!(action, "trigger"),
        }
        paged.insert(key);
        for text in ["summary", "source", "severity"] {
            assert!(page["payload"][text].as_str().is_some_and(|text| !text.is_empty()), "{page}");
        }
    }
    let chat = stage.people.got("services");
    let open =
        stage.store().sql("SELECT id FROM incidents WHERE state <> 'closed' AND severity IN ('high', 'critical')");
    assert!(!open.is_empty(), "no incident is open");
    for id in open.iter().map(|row| row["id"].as_str().unwrap()) {
        assert!(paged.contains(id), "nobody was paged for {id}\n{}", service.log());
        assert!(chat.iter().any(|message| message.to_string().contains(id)), "the chat does not know {id}");
    }
    let all = stage.store().sql("SELECT id FROM incidents");
    let known = |id: &&str| all.iter().any(|row| row["id"] == **id);
    assert!(paged.iter().all(known), "{paged:?} are not all incidents");
    assert!(chat.iter().all(|message| message["blocks"].is_array()));
    assert!(!service.log().contains("services/T0"), "the webhook's address is a secret");
}

#[test]
fn what_is_announced_again_is_not_fetched_again() {
    let stage = Stage::new("serve_again", QueueOptions { copies: 3, reorder: true, ..QueueOptions::default() });
    let objects = logs::objects();
    let announce = || {
        for (key, bytes) in &objects {
            let mut message = s3_record(key, bytes.len());
            message["Records"][0]["s3"]["object"]["eTag"] = stage.aws.put(BUCKET, key, bytes.clone()).into();
            stage.aws.send(QUEUE, &message.to_string());
        }
    };
    // Slow enough for all copies to come while the first one is on its way.
    stage.aws.fail(Rule::new("GetObject", Fault::Slow(Duration::from_millis(300))));
    announce();
    let mut service = stage.serve(None);
    until("the queue is empty", || stage.aws.remaining(QUEUE) == 0);
    announce();
    until("the queue is empty again", || stage.aws.remaining(QUEUE) == 0);
    assert_eq!(stage.aws.calls("GetObject"), objects.len() as u64, "each object was read once");
    until("further deliveries are counted", || {
        let counted = format!("trailhound_objects_total{{outcome=\"duplicate\",reason=\"\"}} {}", objects.len() * 5);
        service.get("/metrics").is_some_and(|(_, metrics)| metrics.contains(&counted))
    });
    service.stop();
    stage.assert_as_scanned(&objects, "announced six times");
}

#[test]
fn what_was_missing_is_read_when_it_is_announced_again() {
    let stage = Stage::new("serve_late", QueueOptions::default());
    let objects = [(key("AAAAAAAAAAAAAAAA"), logs::gzip(&log(&[record("one")])))];
    let mut message = s3_record(&objects[0].0, objects[0].1.len());
    message["Records"][0]["s3"]["object"]["eTag"] = stage.aws.put(BUCKET, &objects[0].0, objects[0].1.clone()).into();
    stage.aws.remove(BUCKET, &objects[0].0);
    stage.aws.send(QUEUE, &message.to_string());
    let mut service = stage.serve(None);
    until("it is parked", || stage.aws.remaining(QUEUE) == 0);
    stage.put(&objects);
    stage.aws.send(QUEUE, &message.to_string());
    until("it is read", || stage.aws.remaining(QUEUE) == 0);
    service.stop();
    let store = stage.store();
    assert_eq!((store.events(), store.number("SELECT count(*) AS n FROM parked")), (1, 0));
    store.assert_accounted();
}

#[test]
fn bad_messages_and_objects_cost_the_good_ones_nothing() {
    let stage =
        Stage::new("serve_poison", QueueOptions { visibility: Duration::from_secs(2), ..QueueOptions::default() });
    let good = [(key("AAAAAAAAAAAAAAAA"), logs::gzip(&log(&[record("one"), root_key("two")])))];
    stage.announce(&good);
    stage.aws.send(QUEUE, r#"{"hello": "world", "password": "hunter2"}"#);
    stage.aws.send(QUEUE, &s3_record(&key("BBBBBBBBBBBBBBBB"), 5).to_string());
    stage.announce(&[(key("CCCCCCCCCCCCCCCC"), b"\x1f\x8b nonsense".to_vec())]);
    stage.aws.fail(Rule::new("GetObject", Fault::slow_down()).about("AAAAAAAA").times(2));
    stage.serve_all();
    let store = stage.store();
    assert_eq!(store.events(), 2);
    let reasons: Vec<_> =
        store.sql("SELECT reason FROM parked ORDER BY 1").iter().map(|row| row["reason"].clone()).collect();
    assert_eq!(reasons, ["damaged_gzip", "missing"]);
    let parked = store.sql("SELECT reason, body FROM parked_messages");
    assert_eq!(parked.len(), 1);
    assert!(parked[0]["body"].as_str().unwrap().contains("hello"), "{parked:?}");
    assert!(!parked[0]["body"].as_str().unwrap().contains("hunter2"), "{parked:?}");
    store.assert_accounted();
}

#[test]
fn a_slow_object_is_delivered_once() {
    let stage =
        Stage::new("serve_slow", QueueOptions { visibility: Duration::from_secs(2), ..QueueOptions::default() });
    let objects = [(key("AAAAAAAAAAAAAAAA"), logs::gzip(&log(&[record("one")])))];
    stage.aws.fail(Rule::new("GetObject", Fault::Slow(Duration::from_millis(6_500))).times(1));
    stage.announce(&objects);
    stage.serve_all();
    assert_eq!(stage.store().events(), 1);
    assert_eq!(stage.aws.calls("GetObject"), 1, "the message came once, so the object was read once");
}

#[test]
fn stopping_in_the_middle_loses_nothing() {
    let stage = Stage::new("serve_stop", QueueOptions::default());
    let objects = logs::objects();
    stage.aws.fail(Rule::new("GetObject", Fault::Slow(Duration::from_millis(300))));
    stage.announce(&objects);
    let mut service = stage.serve(None);
    until("some are under way", || stage.aws.calls("GetObject") > 3);
    let began = Instant::now();
    service.stop();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let (left, visible) = (stage.aws.remaining(QUEUE), stage.aws.visible(QUEUE));
    assert_eq!(left, visible, "what was not begun is handed back at once");
    stage.aws.mend();
    stage.serve_all();
    stage.assert_as_scanned(&objects, "stopped in the middle");
}

/// The process dies at a point, is started again, and everything is as if it had not died.
fn survives(point: &str) {
    let name = format!("serve_{}", point.replace('.', "_"));
    let stage = Stage::new(&name, QueueOptions { visibility: Duration::from_secs(2), ..QueueOptions::default() });
    let objects = logs::objects();
    stage.announce(&objects);
    stage.serve(Some(point)).dies(point);
    let mut service = stage.serve(None);
    until("the queue is empty", || stage.aws.remaining(QUEUE) == 0);
    let waiting = || stage.store().number("SELECT count(*) AS n FROM outbox");
    until("everybody is told", || waiting() == 0 && !stage.people.got("enqueue").is_empty());
    service.stop();
    stage.assert_as_scanned(&objects, point);
    let mut open: Vec<_> = stage.people.got("enqueue").iter().map(|page| page["dedup_key"].to_string()).collect();
    open.sort();
    open.dedup();
    let told = stage.store().number("SELECT count(*) AS n FROM findings WHERE severity IN ('high', 'critical')");
    assert!(!open.is_empty() && open.len() as u64 <= told, "{open:?} for {told} findings\n{}", service.log());
}

macro_rules! points {
    ($($test:ident $point:literal;)*) => {
        $(#[test] fn $test() { survives($point); })*
        /// The points above; `crash` sees to it that every point is tested somewhere.
        pub const TESTED: &[&str] = &[$($point,)*];
    };
}

points! {
    dies_after_the_commit "serve.kept";
    dies_before_messages_are_deleted "serve.settled";
    dies_before_people_are_told "alert.sending";
    dies_after_people_were_told "alert.sent";
}

#[test]
fn a_wrong_permission_halts_intake_instead_of_burning_the_backlog() {
    let stage = Stage::new("serve_denied", QueueOptions::default());
    stage.aws.fail(Rule::new("ReceiveMessage", Fault::denied()));
    let mut service = stage.serve(None);
    until("it says so", || {
        service.get("/readyz").is_some_and(|(status, text)| status == 503 && text.contains("sqs:ReceiveMessage"))
    });
    assert_eq!(service.get("/livez").unwrap().0, 200);
    service.stop();
}

#[test]
fn rules_are_loaded_anew_while_it_runs() {
    let mut stage = Stage::new("serve_reload", QueueOptions::default());
    let rules = stage.world.path("rules");
    std::fs::create_dir(&rules).unwrap();
    stage.more = format!("[rules]\nfolders = [\"{}\"]\n", rules.display());
    let service = stage.serve(None);
    service.until_ready();
    stage.announce(&[(key("AAAAAAAAAAAAAAAA"), logs::gzip(&log(&[record("one")])))]);
    until("the queue is empty", || stage.aws.remaining(QUEUE) == 0);
    trailhound(["rules", "new", "iam/users_listed", "--rules", rules.to_str().unwrap()]).ok();
    let file = rules.join("iam/users_listed.sql");
    let skeleton = std::fs::read_to_string(&file).unwrap();
    let select = skeleton.find("\nSELECT").unwrap() + 1;
    let rule = format!(
        "{}SELECT event_id, account_id, principal_key, principal_name, event_name FROM events WHERE event_source = 'iam.amazonaws.com' AND event_name = 'ListUsers'\n",
        &skeleton[..select]
    );
    std::fs::write(&file, rule).unwrap();
    let found = || stage.store().number("SELECT count(*) AS n FROM findings WHERE rule = 'iam/users_listed'");
    until("the new rule's finding", || found() == 1);
    std::fs::write(&file, "no rule").unwrap();
    until("it is refused", || {
        let (_, metrics) = service.get("/metrics").unwrap();
        metrics.contains("trailhound_reloads_total{result=\"refused\",what=\"rules\"} 1")
    });
    assert_eq!(found(), 1, "the rules before stay");
}

#[test]
fn history_is_read_on_demand() {
    let stage = Stage::new("serve_backfill", QueueOptions::default());
    let objects: Vec<Object> =
        (0..5).map(|n| (key(&format!("{n:016}")), logs::gzip(&log(&[record(&format!("e-{n}"))])))).collect();
    stage.put(&objects);
    let mut service = stage.serve(None);
    service.until_ready();
    let server = format!("http://127.0.0.1:{}", stage.port);
    let ask = |token: &str| {
        trailhound([
            "backfill",
            &format!("s3://{BUCKET}"),
            "--since",
            "2025-03-08",
            "--until",
            "2025-03-10",
            "--server",
            &server,
            "--token",
            token,
        ])
    };
    let refused = ask("guessed").exits(2);
    assert!(refused.stderr.contains("token"), "{}", refused.stderr);
    let done = ask("for-tests").ok();
    assert!(done.stderr.contains("done: 5 objects"), "{}", done.stderr);
    service.stop();
    stage.assert_as_scanned(&objects, "a backfill");
}

#[test]
fn the_doctor_names_each_permission_that_is_missing() {
    let stage = Stage::new("serve_doctor", QueueOptions::default());
    stage.put(&[(key("AAAAAAAAAAAAAAAA"), logs::gzip(&log(&[record("one")])))]);
    let doctor = || stage.doctor(&["--bucket", BUCKET]);
    let told = doctor().ok().text();
    assert!(told.contains("skip  geoip files: none is given, and"), "{told}");
    for (operation, action) in [
        ("GetQueueAttributes", "sqs:GetQueueAttributes"),
        ("ReceiveMessage", "sqs:ReceiveMessage"),
        ("ChangeMessageVisibility", "sqs:ChangeMessageVisibility"),
        ("DeleteMessage", "sqs:DeleteMessage"),
        ("ListObjectsV2", "s3:ListBucket"),
        ("GetObject", "s3:GetObject"),
    ] {
        stage.aws.fail(Rule::new(operation, Fault::denied()));
        let told = doctor().exits(1).text();
        let failed: Vec<_> = told.lines().filter(|line| line.starts_with("FAIL")).collect();
        assert!(!failed.is_empty(), "{operation}: {told}");
        assert!(told.contains(&format!("\"Action\": \"{action}\"")), "{operation}: {told}");
        stage.aws.mend();
    }
}

#[test]
fn metrics_are_those_that_dashboards_ask_for() {
    let stage = Stage::new("serve_metrics", QueueOptions::default());
    stage.announce(&[(key("AAAAAAAAAAAAAAAA"), logs::gzip(&log(&[record("one"), root_key("two")])))]);
    let service = stage.serve(None);
    service.until_ready();
    until("somebody was told", || !stage.people.got("enqueue").is_empty());
    // The queue is empty a moment before the service has heard so.
    let deleted = "trailhound_messages_deleted_total{queue=\"announcements\"} 1";
    until("the message is deleted", || service.get("/metrics").is_some_and(|(_, text)| text.contains(deleted)));
    let (_, metrics) = service.get("/metrics").unwrap();
    let list = include_str!("../../dashboards/metrics.txt");
    let listed: Vec<_> = list.lines().filter(|line| line.starts_with("trailhound_")).collect();
    for line in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE trailhound_")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let known = listed.iter().any(|known| known.starts_with(&format!("trailhound_{name} {kind}")));
        assert!(known, "trailhound_{name} ({kind}) is not in dashboards/metrics.txt");
    }
    for (name, value) in [
        ("trailhound_accounting_holds", "1"),
        ("trailhound_records_total{outcome=\"kept\"}", "2"),
        ("trailhound_messages_deleted_total{queue=\"announcements\"}", "1"),
        ("trailhound_rule_matches_total{rule=\"iam/", ""),
        ("trailhound_account_findings_total{account=\"111122223333\",", "status=\"stable\"} 1"),
        ("trailhound_findings_held", "0"),
        ("trailhound_lag_seconds{account=\"111122223333\",region=\"us-east-1\",stage=\"kept\"}", ""),
    ] {
        let found = metrics.lines().any(|line| line.starts_with(name) && line.ends_with(value));
        assert!(found, "{name} {value} is not in\n{metrics}");
    }
}
