//! The same from a bucket and with a store in a bucket, on an S3 that runs here (MiniStack).

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::logs::{self, Object};
use crate::readers::python;
use crate::world::{Store, World, ground, trailhound};

const READY_TIME_MAX: Duration = Duration::from_secs(60);

/// One MiniStack for all tests, on a port of its own. It ends with this process, however that ends: a shell waits at a
/// pipe that nobody else holds.
pub struct MiniStack {
    port: u16,
    _shell: Child,
}

const UNTIL_THE_PIPE_CLOSES: &str = r#""$0" >"$STATE_DIR.log" 2>&1 & service=$!; cat >/dev/null; kill $service"#;

pub fn ministack() -> &'static MiniStack {
    static SERVICE: OnceLock<MiniStack> = OnceLock::new();
    SERVICE.get_or_init(|| {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let state = ground().join("ministack");
        std::fs::create_dir(&state).unwrap();
        let shell = Command::new("bash")
            .args(["-c", UNTIL_THE_PIPE_CLOSES])
            .arg(python("ministack"))
            .envs([
                ("BIND_HOST", "127.0.0.1"),
                ("MINISTACK_HOST", "127.0.0.1"),
                ("MINISTACK_ACCOUNT_ID", "123456789012"),
            ])
            .env("GATEWAY_PORT", port.to_string())
            .env("STATE_DIR", &state)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < READY_TIME_MAX, "MiniStack does not answer; see {}.log", state.display());
            std::thread::sleep(Duration::from_millis(50));
        }
        MiniStack { port, _shell: shell }
    })
}

impl MiniStack {
    fn put(&self, path: &str, body: &[u8]) {
        self.ask(&format!("PUT /{path} HTTP/1.1"), ("test", "s3"), body);
    }

    /// A call of IAM, as `Action=…&…`, in an account.
    pub fn iam(&self, account: &str, form: &str) {
        self.ask("POST / HTTP/1.1", (account, "iam"), form.as_bytes());
    }

    /// A call of Organizations in a management account.
    pub fn organizations(&self, account: &str, operation: &str, asked: &Value) -> Value {
        let what = format!("POST / HTTP/1.1\r\nX-Amz-Target: AWSOrganizationsV20161128.{operation}");
        let answer = self.ask(&what, (account, "organizations"), asked.to_string().as_bytes());
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Makes a request, signed by nobody, which it does not mind, and gives the whole answer.
    fn ask(&self, what: &str, (key, service): (&str, &str), body: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "{what}\r\nHost: 127.0.0.1:{}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={key}/20250309/us-east-1/{service}/aws4_request\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{what}: {answer}");
        answer
    }

    fn bucket(&self, name: &str, objects: &[Object]) {
        self.put(name, b"");
        for (key, bytes) in objects {
            self.put(&format!("{name}/logs/{key}"), bytes);
        }
    }

    /// What a program needs to find it.
    pub fn env(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .to_vec()
    }

    fn store(&self, world: &World, location: String) -> Store {
        let ledger = world.path("ledger.sqlite").display().to_string();
        Store { location, ledger: Some(ledger), env: self.env() }
    }
}

#[test]
fn a_bucket_and_a_store_in_a_bucket_give_the_same_as_folders() {
    let world = World::new("s3");
    let s3 = ministack();
    s3.bucket("whole", &logs::objects());
    let local = world.store("local");
    local.scan(logs::organisation()).ok();
    let truth = local.truth();

    let store = s3.store(&world, "s3://whole/store".into());
    let first = store.scan("s3://whole/logs/").ok();
    store.truth().assert_same(&truth, "a store in a bucket");
    assert!(first.findings() == truth.findings, "findings printed by the scan");

    let second = store.scan("s3://whole/logs/").ok();
    store.truth().assert_same(&truth, "a second run on S3");
    assert_eq!(first.text(), second.text());

    // The ledger is lost: it is made again from the table.
    std::fs::remove_file(store.ledger.as_ref().unwrap()).unwrap();
    store.scan("s3://whole/logs/").ok();
    store.truth().assert_same(&truth, "a new ledger");

    // From the bucket into a folder.
    let mut mixed = world.store("mixed");
    mixed.env = s3.env();
    mixed.scan("s3://whole/logs/").ok();
    mixed.truth().assert_same(&truth, "a bucket into a folder");
}

#[test]
fn a_crash_in_between_is_mended() {
    let world = World::new("s3_crash");
    let s3 = ministack();
    let objects = logs::objects();
    s3.bucket("crashed", &objects);
    let local = world.store("local");
    local.scan(logs::organisation()).ok();
    let truth = local.truth();
    for point in ["store.files_written", "store.committed", "detect.ledger_open"] {
        let mut store = s3.store(&world, format!("s3://crashed/{point}"));
        store.ledger = Some(world.path(&format!("{point}.sqlite")).display().to_string());
        let run = store.scan("s3://crashed/logs/").env("TRAILHOUND_CRASH_AT", point).run();
        assert!(run.code.is_none() && run.stderr.contains("crash point"), "{point}: {:?} {}", run.code, run.stderr);
        store.scan("s3://crashed/logs/").ok();
        store.truth().assert_same(&truth, point);
    }
}

#[test]
fn what_is_not_there_is_said() {
    let s3 = ministack();
    let with_env =
        |args: &[&str]| s3.env().iter().fold(trailhound(args), |command, (name, value)| command.env(name, value));
    let missing = with_env(&["scan", "s3://no-such-bucket/logs/"]).exits(2);
    assert!(
        missing.stderr.contains("no-such-bucket") && missing.stderr.contains("no such bucket"),
        "{}",
        missing.stderr
    );
    assert!(missing.stdout.is_empty());
    let ledger =
        with_env(&["scan", logs::organisation().to_str().unwrap(), "--store", "s3://no-such-bucket/store"]).exits(2);
    assert!(ledger.stderr.contains("--ledger"), "{}", ledger.stderr);
}
