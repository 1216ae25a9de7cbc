//! `cargo bench --bench serve`: what the service does in a second, and how long people wait. With `-- soak [MINUTES]`,
//! how it does over time instead (by default an hour).
//!
//! An S3 and an SQS of our own run in this process (`tests/support/`), with 30 ms before every answer. *Load*: tiny
//! objects as CloudTrail delivers them in a small account, every message delivered twice and in no order. *Latency*: a
//! root key made in one account after the other, from its message on the queue to the request at the receiver. *Soak*: see
//! [`soak`].

mod alone;
mod soak;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trailhound_ingest::source::{Body, Folder};
use trailhound_simulate::{Options, generate};
use trailhound_testing::fake_aws::{FakeAws, QueueOptions};

const ANSWER_AFTER: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(120);
/// Latency and load are measured with the same flush, the shortest: what is fast is not late, and the last commit of the
/// load does not wait long for company.
const FLUSH: &str = "flush_seconds = 1";
const INCIDENTS: usize = 200;

fn main() {
    // `cargo test --benches` would otherwise measure for nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let work = tempfile::tempdir().expect("a temporary folder");
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            load(work.path());
            latency(work.path());
        }
        ["soak"] => soak::soak(work.path(), 60),
        ["soak", minutes] => soak::soak(work.path(), minutes.parse().expect("a number of minutes")),
        _ => panic!("{arguments:?} is neither nothing nor soak [MINUTES]"),
    }
}

fn load(work: &Path) {
    let logs = work.join("logs");
    let options = Options { period_minutes: 5, ..Options::new(&logs).seed(7).accounts(8).days(6).events(160_000) };
    generate(&options, &|_| ()).expect("the options are sound");
    let aws = FakeAws::start();
    aws.bucket("trail");
    let twice = || QueueOptions { copies: 2, reorder: true, ..QueueOptions::default() };
    let (url, url_alone) = (aws.queue("load", twice()), aws.queue("alone", twice()));
    let source = Folder::open(&logs.display().to_string()).expect("the folder is there");
    let mut objects = 0;
    for listed in source.list().expect("the folder can be listed") {
        if !listed.key.ends_with(".json.gz") {
            continue;
        }
        let Body::Bytes(bytes) = source.fetch(&listed, u64::MAX).expect("the file can be read").body else { continue };
        for queue in ["load", "alone"] {
            announce(&aws, queue, &listed.key, bytes.clone());
        }
        objects += 1;
    }
    aws.set_latency(ANSWER_AFTER);
    let own_cpu = cpu_seconds(std::process::id());
    let seconds = alone::seconds(&aws, "alone", &url_alone, objects);
    let (alone, alone_cpu) = (objects as f64 / seconds, cpu_seconds(std::process::id()) - own_cpu);
    println!(
        "load     the SDK alone: {objects} objects, announced twice each, received, got and deleted: {alone:.0} objects/s, {alone_cpu:.1} s of CPU in {seconds:.1} s (with the AWS in the same process)"
    );
    let fetches = aws.calls("GetObject");
    let (begun, own_cpu) = (Instant::now(), cpu_seconds(std::process::id()));
    let service = serve(work, "load", &aws, &url, "");
    wait("the queue is empty", || aws.remaining("load") == 0);
    let seconds = begun.elapsed().as_secs_f64();
    let (cpu, peak) = (cpu_seconds(service.id()), peak_mib(service.id()));
    let fake_cpu = cpu_seconds(std::process::id()) - own_cpu;
    println!(
        "load     the service: {seconds:.1} s from the start, {:.0} objects/s, {:.2} x the speed of the SDK alone, {:.0} messages/s, {} fetches, {cpu:.1} s of CPU ({fake_cpu:.1} s in the AWS beside it), at most {peak} MiB",
        objects as f64 / seconds,
        objects as f64 / seconds / alone,
        2.0 * objects as f64 / seconds,
        aws.calls("GetObject") - fetches,
    );
    service.stop();
}

/// Puts an object and announces it as S3 does.
fn announce(aws: &FakeAws, queue: &str, key: &str, bytes: Vec<u8>) {
    let size = bytes.len();
    let tag = aws.put("trail", key, bytes);
    let object = json!({"key": key, "size": size, "eTag": tag, "sequencer": "0"});
    let record = json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": "ObjectCreated:Put",
        "eventTime": "2025-03-09T12:57:01.000Z", "s3": {"bucket": {"name": "trail"}, "object": object}
    });
    aws.send(queue, &json!({"Records": [record]}).to_string());
}

fn latency(work: &Path) {
    let aws = FakeAws::start();
    aws.bucket("trail");
    let url = aws.queue("latency", QueueOptions::default());
    aws.set_latency(ANSWER_AFTER);
    let told: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let heard = Arc::clone(&told);
    let receiver = receive(move |body| {
        let mut told = heard.lock().expect("no holder panics");
        for account in body.split(|c: char| !c.is_ascii_digit()).filter(|part| part.len() == 12) {
            told.entry(account.to_string()).or_insert_with(Instant::now);
        }
        true
    });
    let service = serve(work, "latency", &aws, &url, &webhook(&receiver));
    let mut sent = HashMap::new();
    for number in 0..INCIDENTS {
        let account = format!("{:012}", 111_111_000_000_u64 + number as u64);
        let key = format!(
            "AWSLogs/{account}/CloudTrail/us-east-1/2025/03/09/{account}_CloudTrail_us-east-1_20250309T1255Z_{number:016}.json.gz"
        );
        let record = root_key(&account, &format!("latency-{number}"), "2025-03-09T12:51:00Z");
        sent.insert(account, Instant::now());
        announce(&aws, "latency", &key, json!({"Records": [record]}).to_string().into_bytes());
        std::thread::sleep(Duration::from_millis(50));
    }
    wait("everybody is told", || {
        let told = told.lock().expect("no holder panics");
        sent.keys().all(|account| told.contains_key(account))
    });
    let told = told.lock().expect("no holder panics");
    let mut waits: Vec<f64> = sent
        .iter()
        .filter_map(|(account, sent)| Some(told.get(account)?.duration_since(*sent).as_secs_f64()))
        .collect();
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!(
        "latency  {} incidents, {FLUSH}: from the message to the receiver p50 {:.2} s, p99 {:.2} s, at most {:.2} s",
        waits.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    drop(told);
    service.stop();
}

/// Root makes itself a key.
fn root_key(account: &str, event_id: &str, time: &str) -> Value {
    json!({
        "eventVersion": "1.09", "eventTime": time, "eventSource": "iam.amazonaws.com",
        "userIdentity": {"type": "Root", "principalId": account, "arn": format!("arn:aws:iam::{account}:root"), "accountId": account},
        "eventName": "CreateAccessKey", "awsRegion": "us-east-1", "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.15.0", "eventID": event_id, "eventType": "AwsApiCall",
        "readOnly": false, "managementEvent": true, "recipientAccountId": account, "eventCategory": "Management",
        "responseElements": {"accessKey": {"userName": "root", "status": "Active"}}
    })
}

/// A sink and its route, in the configuration's words.
fn webhook(receiver: &str) -> String {
    format!(
        "[[sink]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{receiver}/\"\n[[route]]\nsinks = [\"hook\"]\nseverity = \"high\"\n"
    )
}

/// The service; it ends with whoever started it, whatever becomes of that.
struct Service(Child);

impl Service {
    fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGTERM; must end well.
    fn stop(mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        let status = self.0.wait().expect("the child can be waited for");
        assert!(status.success(), "the service ended with {status}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The service, with more in its configuration.
fn serve(work: &Path, name: &str, aws: &FakeAws, queue: &str, more: &str) -> Service {
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free").port();
    let text = format!(
        "[store]\nlocation = \"{}\"\n{FLUSH}\n\
         dedup_mib = 16\nquery_mib = 256\nupkeep_minutes = 1\nretention_days = 3650\n[[queue]]\nurl = \"{queue}\"\npolls = 32\n\
         [intake]\nfetches = 128\n[http]\nbind = \"127.0.0.1:{port}\"\n[alerts]\nhistory_hours = 800000\nper_minute_max = 100000\n{more}",
        work.join(format!("{name}-store")).display()
    );
    let config = work.join(format!("{name}.toml"));
    std::fs::write(&config, text).expect("the folder can be written");
    let child = Command::new(env!("CARGO_BIN_EXE_trailhound"))
        .arg("serve")
        .arg("--config")
        .arg(config)
        .envs(aws.env())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let service = Service(child);
    wait("the service is ready", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    service
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: waited {PATIENCE:?} in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A webhook's receiver: tells each body, and answers with an error where that gives false.
fn receive(mut hear: impl FnMut(&str) -> bool + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let taken = hear(&request(&mut stream));
            let status = if taken { "200 OK" } else { "500 Internal Server Error" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    address
}

/// Reads one request, head and body.
fn request(stream: &mut TcpStream) -> String {
    let (mut text, mut piece) = (String::new(), [0; 16 << 10]);
    loop {
        let read = stream.read(&mut piece).unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
        let head = text.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        let whole = text.find("\r\n\r\n").is_some_and(|at| text.len() >= at + 4 + length.unwrap_or(0));
        if whole || read == 0 {
            return text;
        }
    }
}

/// Processor time of a process so far.
fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    // Linux counts in hundredths of a second for programs.
    (ticks(11) + ticks(12)) / 100.0
}

/// The most memory that a process has had.
fn peak_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}
