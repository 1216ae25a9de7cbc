//! The service as it runs in an account: queues in front, people behind, and what goes wrong in between.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fake_aws::{FakeAws, Fault, QueueOptions, Rule};
use crate::logs::{self, Object, key, log, record, root_key};
use crate::receiver::Receiver;
use crate::world::{Store, World, trailhound};

/// What takes longer than this will not come.
const PATIENCE: Duration = Duration::from_secs(60);
const SIGABRT: i32 = 6;
const BUCKET: &str = "trail";
const QUEUE: &str = "announcements";

/// Waits for something to become true.
#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: waited {PATIENCE:?} in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An AWS, people, a store and a configuration.
struct Stage {
    world: World,
    aws: FakeAws,
    people: Receiver,
    port: u16,
    more: String,
}

impl Stage {
    fn new(name: &str, queue: QueueOptions) -> Self {
        let world = World::new(name);
        let aws = FakeAws::start();
        aws.bucket(BUCKET);
        aws.queue(QUEUE, queue);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { world, aws, people: Receiver::start(), port, more: String::new() }
    }

    fn store(&self) -> Store {
        self.world.store("store")
    }

    fn put(&self, objects: &[Object]) {
        for (key, bytes) in objects {
            self.aws.put(BUCKET, key, bytes.clone());
        }
    }

    /// Puts objects and announces them as S3 does.
    fn announce(&self, objects: &[Object]) {
        self.put(objects);
        for (key, bytes) in objects {
            self.aws.send(QUEUE, &s3_record(key, bytes.len()).to_string());
        }
    }

    fn configuration(&self) -> String {
        let (aws, people) = (self.aws.endpoint(), &self.people.address);
        format!(
            r#"
[store]
location = "{}"
flush_seconds = 1
[[queue]]
url = "{aws}/123456789012/{QUEUE}"
polls = 2
[http]
bind = "127.0.0.1:{}"
token = {{ env = "TOKEN" }}
[alerts]
history_hours = 800000
update_seconds = 0
[[sink]]
name = "chat"
kind = "slack"
webhook_url = {{ env = "HOOK" }}
[[sink]]
name = "pager"
kind = "pagerduty"
routing_key = {{ env = "ROUTING_KEY" }}
endpoint_url = "{people}"
[[route]]
sinks = ["chat", "pager"]
severity = "high"
{}"#,
            self.world.path("store").display(),
            self.port,
            self.more
        )
    }

    /// Starts the service; `crash` names the point at which it dies.
    fn serve(&self, crash: Option<&str>) -> Service {
        let config = self.world.path("trailhound.toml");
        std::fs::write(&config, self.configuration()).unwrap();
        let log = self.world.path("serve.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_trailhound"));
        command.arg("serve").arg("--config").arg(&config).env_clear();
        command.envs(self.aws.env()).env("AWS_EC2_METADATA_DISABLED", "true").env("TMPDIR", std::env::temp_dir());
        command.env("HOOK", format!("{}/services/T0/B0/x", self.people.address));
        command.env("ROUTING_KEY", "0123456789abcdef0123456789abcdef").env("TOKEN", "for-tests");
        if let Some(point) = crash {
            command.env("TRAILHOUND_CRASH_AT", point);
        }
        let stderr = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        Service { child: Some(child), port: self.port, log }
    }

    /// Serves until nothing is left on the queue, then stops.
    #[track_caller]
    fn serve_all(&self) -> Service {
        let mut service = self.serve(None);
        service.until_ready();
        until("the queue is empty", || self.aws.remaining(QUEUE) == 0);
        service.stop();
        service
    }

    /// The store as a scan of the same objects leaves it.
    #[track_caller]
    fn assert_as_scanned(&self, objects: &[Object], what: &str) {
        let folder = self.world.put_all("same", objects);
        let scanned = self.world.store("scanned");
        scanned.scan(folder).ok();
        self.store().truth().assert_same(&scanned.truth(), what);
    }
}

struct Service {
    child: Option<Child>,
    port: u16,
    log: std::path::PathBuf,
}

impl Service {
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Status and body of a GET.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_string()))
    }

    #[track_caller]
    fn until_ready(&self) {
        until("the service is ready", || self.get("/readyz").is_some_and(|(status, _)| status == 200));
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// SIGTERM; must end well.
    #[track_caller]
    fn stop(&mut self) {
        self.signal("-TERM");
        let status = self.child.take().unwrap().wait().unwrap();
        assert!(status.success(), "{status:?}\n{}", self.log());
    }

    /// Waits for the process to die at a crash point.
    #[track_caller]
    fn dies(&mut self, point: &str) {
        let mut child = self.child.take().unwrap();
        until(point, || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().signal(), Some(SIGABRT), "{}", self.log());
        assert!(self.log().contains(&format!("crash point {point} reached")), "{}", self.log());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// S3's own notification of one object.
fn s3_record(key: &str, bytes: usize) -> Value {
    let key = key.replace('+', "%2B").replace(' ', "+");
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": "ObjectCreated:Put",
        "eventTime": "2025-03-09T12:57:01.123Z",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": BUCKET, "arn": format!("arn:aws:s3:::{BUCKET}")},
               "object": {"key": key, "size": bytes, "sequencer": "0065F1A2B3C4D5E6F7"}}
    }]})
}

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
    let config = stage.world.path("trailhound.toml");
    std::fs::write(&config, stage.configuration()).unwrap();
    let doctor = || {
        let command = trailhound(["doctor", "--config", config.to_str().unwrap(), "--bucket", BUCKET]);
        let secrets = [("HOOK", "http://127.0.0.1:1/services/x"), ("ROUTING_KEY", "0123456789abcdef0123456789abcdef")];
        let command =
            secrets.into_iter().fold(command.env("TOKEN", "t"), |command, (name, value)| command.env(name, value));
        stage.aws.env().iter().fold(command, |command, (name, value)| command.env(name, value))
    };
    doctor().ok();
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
    until("somebody was told", || !stage.people.got("enqueue").is_empty() && stage.aws.remaining(QUEUE) == 0);
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
        ("trailhound_lag_seconds{account=\"111122223333\",region=\"us-east-1\",stage=\"kept\"}", ""),
    ] {
        let found = metrics.lines().any(|line| line.starts_with(name) && line.ends_with(value));
        assert!(found, "{name} {value} is not in\n{metrics}");
    }
}
