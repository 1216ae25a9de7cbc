//! A service with everything around it: an AWS, people, a store and a configuration.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::logs::Object;
use crate::receiver::Receiver;
use crate::world::{Store, Trailhound, World, trailhound};
use trailhound_testing::fake_aws::{FakeAws, QueueOptions};

/// What takes longer than this will not come.
const PATIENCE: Duration = Duration::from_secs(60);
const SIGABRT: i32 = 6;
pub const BUCKET: &str = "trail";
pub const QUEUE: &str = "announcements";

/// Waits for something to become true.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: waited {PATIENCE:?} in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An AWS, people, a store and a configuration.
pub struct Stage {
    pub world: World,
    pub aws: FakeAws,
    pub people: Receiver,
    pub port: u16,
    /// The ledger's database; without it a file in the store.
    pub ledger: Option<String>,
    /// What is added to the configuration.
    pub more: String,
}

impl Stage {
    pub fn new(name: &str, queue: QueueOptions) -> Self {
        let world = World::new(name);
        let aws = FakeAws::start();
        aws.bucket(BUCKET);
        aws.queue(QUEUE, queue);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { world, aws, people: Receiver::start(), port, ledger: None, more: String::new() }
    }

    pub fn store(&self) -> Store {
        Store { ledger: self.ledger.clone(), ..self.world.store("store") }
    }

    pub fn put(&self, objects: &[Object]) {
        for (key, bytes) in objects {
            self.aws.put(BUCKET, key, bytes.clone());
        }
    }

    /// Puts objects and announces them as S3 does.
    pub fn announce(&self, objects: &[Object]) {
        self.put(objects);
        for (key, bytes) in objects {
            self.aws.send(QUEUE, &s3_record(key, bytes.len()).to_string());
        }
    }

    pub fn configuration(&self) -> String {
        let (aws, people) = (self.aws.endpoint(), &self.people.address);
        format!(
            r#"
[store]
location = "{}"
flush_seconds = 1
{}
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
            self.ledger.as_ref().map_or("", |_| "ledger = { env = \"LEDGER\" }"),
            self.port,
            self.more
        )
    }

    /// `trailhound doctor` on the configuration, with these arguments more.
    pub fn doctor(&self, more: &[&str]) -> Trailhound {
        let config = self.world.path("trailhound.toml");
        std::fs::write(&config, self.configuration()).unwrap();
        let args = ["doctor", "--config", config.to_str().unwrap()];
        let command = trailhound(args.iter().chain(more)).env("TOKEN", "for-tests");
        let secrets = [("HOOK", "http://127.0.0.1:1/services/x"), ("ROUTING_KEY", "0123456789abcdef0123456789abcdef")];
        let command = secrets.into_iter().fold(command, |command, (name, value)| command.env(name, value));
        self.aws.env().iter().fold(command, |command, (name, value)| command.env(name, value))
    }

    /// Starts the service; `crash` names the point at which it dies.
    pub fn serve(&self, crash: Option<&str>) -> Service {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trailhound"));
        command.arg("serve");
        self.start(command, crash)
    }

    /// Starts the service so that a file that may not grow is an error and not the end, as on a full disk.
    pub fn serve_with_file_limit(&self) -> Service {
        let mut command = Command::new("sh");
        command.args(["-c", r#"trap '' XFSZ; exec "$0" serve "$@""#, env!("CARGO_BIN_EXE_trailhound")]);
        self.start(command, None)
    }

    fn start(&self, mut command: Command, crash: Option<&str>) -> Service {
        let config = self.world.path("trailhound.toml");
        std::fs::write(&config, self.configuration()).unwrap();
        let log = self.world.path("serve.log");
        command.arg("--config").arg(&config).env_clear();
        command.envs(self.aws.env()).env("AWS_EC2_METADATA_DISABLED", "true").env("TMPDIR", std::env::temp_dir());
        command.env("HOOK", format!("{}/services/T0/B0/x", self.people.address));
        command.env("ROUTING_KEY", "0123456789abcdef0123456789abcdef").env("TOKEN", "for-tests");
        command.env("LEDGER", self.ledger.as_deref().unwrap_or_default());
        if let Some(point) = crash {
            command.env("TRAILHOUND_CRASH_AT", point);
        }
        let stderr = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        Service { child: Some(child), port: self.port, log }
    }

    /// Serves until nothing is left on the queue, then stops.
    #[track_caller]
    pub fn serve_all(&self) -> Service {
        let mut service = self.serve(None);
        service.until_ready();
        until("the queue is empty", || self.aws.remaining(QUEUE) == 0);
        service.stop();
        service
    }

    /// The store as a scan of the same objects leaves it.
    #[track_caller]
    pub fn assert_as_scanned(&self, objects: &[Object], what: &str) {
        let folder = self.world.put_all("same", objects);
        let scanned = self.world.store("scanned");
        scanned.scan(folder).ok();
        self.store().truth().assert_same(&scanned.truth(), what);
    }
}

pub struct Service {
    child: Option<Child>,
    port: u16,
    log: std::path::PathBuf,
}

impl Service {
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_string()))
    }

    #[track_caller]
    pub fn until_ready(&self) {
        until("the service is ready", || self.get("/readyz").is_some_and(|(status, _)| status == 200));
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// No file of the service may grow beyond this; `None` lifts that.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let limit = bytes.map_or("unlimited".to_string(), |bytes| bytes.to_string());
        let set = Command::new("prlimit").args(["--pid", &id, &format!("--fsize={limit}:unlimited")]).status().unwrap();
        assert!(set.success());
    }

    /// SIGTERM; must end well.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal("-TERM");
        let status = self.child.take().unwrap().wait().unwrap();
        assert!(status.success(), "{status:?}\n{}", self.log());
    }

    /// Waits for the process to die at a crash point.
    #[track_caller]
    pub fn dies(&mut self, point: &str) {
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
pub fn s3_record(key: &str, bytes: usize) -> Value {
    let key = key.replace('+', "%2B").replace(' ', "+");
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": "ObjectCreated:Put",
        "eventTime": "2025-03-09T12:57:01.123Z",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": BUCKET, "arn": format!("arn:aws:s3:::{BUCKET}")},
               "object": {"key": key, "size": bytes, "sequencer": "0065F1A2B3C4D5E6F7"}}
    }]})
}
