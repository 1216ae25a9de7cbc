//! The service over time: 2,000 events a second, rules that change, sinks that fail, people who ask, and in the end
//! everything accounted for to the last record.
//!
//! A line a minute says how it stands. Memory and file handles have to be steady, which compares the last quarter of the
//! minutes with the quarter before; in the first half, limits are still being reached. Both come in bursts (compaction,
//! connections), which differ from minute to minute: so what leaks shows in the least between them, and bursts have a bound.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trailhound_ingest::source::{Body, Folder, Listed};
use trailhound_simulate::{Options, generate};
use trailhound_testing::fake_aws::{FakeAws, QueueOptions};

use super::{ANSWER_AFTER, announce, cpu_seconds, receive, root_key, serve, wait, webhook};

const EVENTS_A_SECOND: u64 = 2_000;
const QUEUE: &str = "soak";
const STEP: Duration = Duration::from_millis(100);
const ASK_EVERY: Duration = Duration::from_secs(15);
/// Of every minute: the sink refuses everything; after that the rule is changed.
const OUTAGE: std::ops::Range<u64> = 5..20;
const RELOAD_AT: u64 = 30;
const RULES_MIB: usize = 24;
/// What memory and file handles may grow by between two quarters of the time. Within minutes what is remembered is still
/// on its way to its limits, and only a leak of many MiB a minute shows.
const GROWTH_MAX: f64 = 1.11;
const GROWTH_MAX_EARLY: f64 = 1.35;
const EARLY_MINUTES: usize = 30;
/// A burst may take half of the handles that a process gets where nobody raised the limit, and three quarters of the
/// memory of a task of 1 GiB.
const HANDLES_MAX: u64 = 512;
const RESIDENT_MIB_MAX: u64 = 768;

/// The least and the most that there was of something in a minute.
#[derive(Clone, Copy)]
struct Range {
    least: u64,
    most: u64,
}

impl Range {
    const NONE: Self = Self { least: u64::MAX, most: 0 };

    fn add(&mut self, now: u64) {
        *self = Self { least: now.min(self.least), most: now.max(self.most) };
    }

    fn of(minutes: &[Self]) -> Self {
        let least = minutes.iter().map(|minute| minute.least).min().unwrap_or(0);
        Self { least, most: minutes.iter().map(|minute| minute.most).max().unwrap_or(0) }
    }
}

pub fn soak(work: &Path, minutes: u64) {
    let logs = work.join("logs");
    let events = minutes * 60 * EVENTS_A_SECOND;
    println!("soak     {minutes} minutes, {events} events; writing them first");
    let options = Options::new(&logs).seed(11).accounts(6).days(1).events(events);
    let written = generate(&options, &|_| ()).expect("the options are sound");
    let aws = FakeAws::start();
    aws.bucket("trail");
    let url = aws.queue(QUEUE, QueueOptions { copies: 2, reorder: true, ..QueueOptions::default() });
    aws.set_latency(ANSWER_AFTER);

    let (outage, heard_of) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::<String>::new())));
    let (failing, heard) = (Arc::clone(&outage), Arc::clone(&heard_of));
    let receiver = receive(move |body| {
        let taken = !failing.load(Ordering::Relaxed);
        if taken {
            heard.lock().expect("no holder panics").push(body.to_string());
        }
        taken
    });
    let rules = work.join("rules");
    write_rule(&rules, 0);
    // Limits that are reached within minutes (event ids' at the latest, after some twenty): what is steady then is steady
    // for months.
    let limits = format!("memory_mib = {RULES_MIB}\n");
    let more = format!("{}[rules]\nfolders = [\"{}\"]\n{limits}", webhook(&receiver), rules.display());
    let service = serve(work, QUEUE, &aws, &url, &more);
    let store = work.join(format!("{QUEUE}-store"));

    let ended = Arc::new(AtomicBool::new(false));
    let questions = Arc::new(AtomicU64::new(0));
    let asking = std::thread::spawn({
        let (store, ended, questions) = (store.clone(), Arc::clone(&ended), Arc::clone(&questions));
        move || {
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(ASK_EVERY);
                sql(&store, "SELECT event_source, outcome, count(*) AS n FROM events GROUP BY 1, 2 ORDER BY 3 DESC");
                questions.fetch_add(1, Ordering::Relaxed);
            }
        }
    });

    // Copies of events come on top, so that everything is announced when the time is over.
    let records_a_second = written.records as f64 / (minutes * 60) as f64;
    let mut feed = Feed::open(&logs, written.gzip_bytes, written.records);
    let (begun, mut reloads) = (Instant::now(), 0);
    let (mut resident, mut handles) = (Vec::new(), Vec::new());
    for minute in 0..minutes {
        let mut probed = None;
        let (mut mib, mut open) = (Range::NONE, Range::NONE);
        for step in 0..600 {
            let at = Duration::from_secs(minute * 60) + STEP * step;
            if let Some(early) = at.checked_sub(begun.elapsed()) {
                std::thread::sleep(early);
            }
            feed.announce(&aws, at.as_secs_f64() * records_a_second);
            mib.add(resident_mib(service.id()));
            open.add(open_handles(service.id()));
            let second = at.as_secs() % 60;
            outage.store(OUTAGE.contains(&second), Ordering::Relaxed);
            if second == RELOAD_AT && probed.is_none() {
                let told = of_reload(&heard_of, reloads);
                assert!(reloads == 0 || told == Told::New, "the finding after reload {reloads}: {told:?}");
                reloads += 1;
                write_rule(&rules, reloads);
                probed = Some(reloads);
            }
            // The rule files are looked at every few seconds; what happens after that is found by the new rule.
            if second == RELOAD_AT + 10
                && let Some(reload) = probed.filter(|reload| *reload == reloads && !feed.probes.contains(reload))
            {
                feed.probe(&aws, reload);
            }
        }
        println!(
            "soak     {:>3} min  {:>4} to {:>4} MiB  {:>3} to {:>3} handles  ledger {:>6.1} MiB  {:>5} files of the table  {:>6} messages wait  {:>5.1} s of CPU",
            minute + 1,
            mib.least,
            mib.most,
            open.least,
            open.most,
            ledger_bytes(&store) as f64 / f64::from(1 << 20),
            table_files(&store),
            aws.remaining(QUEUE),
            cpu_seconds(service.id()),
        );
        resident.push(mib);
        handles.push(open);
    }
    feed.announce(&aws, f64::INFINITY);
    wait("the queue is empty", || aws.remaining(QUEUE) == 0);
    wait("the last reload shows in a finding", || of_reload(&heard_of, reloads) == Told::New);
    ended.store(true, Ordering::Relaxed);
    asking.join().expect("every question has an answer");
    service.stop();

    let probes = feed.probes.len() as u64;
    let number = |statement: &str| sql(&store, statement)[0]["n"].as_u64().expect("a number");
    assert_eq!(number("SELECT count(*) AS n FROM events"), written.events + probes, "every event once");
    assert_eq!(number("SELECT count(DISTINCT event_id) AS n FROM events"), written.events + probes);
    assert_eq!(
        number("SELECT sum(records) AS n FROM accounting_records WHERE fate = 'received'"),
        written.records + probes
    );
    for (what, count) in [("objects", 0), ("records", written.records - written.events)] {
        let rest = number(&format!("SELECT sum({what}) AS n FROM accounting_{what} WHERE fate <> 'received'"));
        assert_eq!(rest, number(&format!("SELECT sum({what}) AS n FROM accounting_{what} WHERE fate = 'received'")));
        if what == "records" {
            assert_eq!(number("SELECT sum(records) AS n FROM accounting_records WHERE fate = 'duplicate'"), count);
        }
    }
    let (half, quarter) = (resident.len() / 2, resident.len() / 4);
    for (what, minutes, most) in [("MiB", &resident, RESIDENT_MIB_MAX), ("handles", &handles, HANDLES_MAX)] {
        let (before, last) = (Range::of(&minutes[half..half + quarter]), Range::of(&minutes[half + quarter..]));
        println!(
            "soak     {} to {} {what} in the last quarter, {} to {} in the one before",
            last.least, last.most, before.least, before.most
        );
        let growth = if minutes.len() < EARLY_MINUTES { GROWTH_MAX_EARLY } else { GROWTH_MAX };
        let grows = quarter > 0 && last.least as f64 > before.least as f64 * growth;
        assert!(!grows, "{what} grow: at least {}, then at least {}", before.least, last.least);
        let all = Range::of(minutes);
        assert!(all.most <= most, "{} {what} at once, at most {most} are expected", all.most);
    }
    println!(
        "soak     {} events in {} objects, each announced twice, kept once and accounted for; {reloads} reloads and {minutes} outages, each seen in the end; {} questions answered; {} bytes of ledger an object",
        written.events,
        written.objects,
        questions.load(Ordering::Relaxed),
        ledger_bytes(&store) / written.objects.max(1),
    );
}

/// The objects in the order of their delivery.
struct Feed {
    folder: Folder,
    rest: VecDeque<Listed>,
    /// Records and bytes that have been announced; how many records a byte stands for.
    announced: f64,
    records_a_byte: f64,
    /// Objects that the service may not have read yet.
    there: Vec<String>,
    probes: Vec<u64>,
}

impl Feed {
    fn open(logs: &Path, bytes: u64, records: u64) -> Self {
        let folder = Folder::open(&logs.display().to_string()).expect("the folder is there");
        let mut all: Vec<Listed> = folder.list().expect("the folder can be listed");
        all.retain(|listed| listed.key.ends_with(".json.gz"));
        // Their stamps say when they were delivered.
        all.sort_by_cached_key(|listed| listed.key.rsplit('_').nth(1).unwrap_or("").to_string());
        let records_a_byte = records as f64 / bytes.max(1) as f64;
        Self { folder, rest: all.into(), announced: 0.0, records_a_byte, there: Vec::new(), probes: Vec::new() }
    }

    /// Announces until so many records are.
    fn announce(&mut self, aws: &FakeAws, records: f64) {
        if aws.remaining(QUEUE) == 0 {
            for key in self.there.drain(..) {
                aws.remove("trail", &key);
            }
        }
        while self.announced < records
            && let Some(listed) = self.rest.pop_front()
        {
            let fetched = self.folder.fetch(&listed, u64::MAX).expect("the file can be read");
            let Body::Bytes(bytes) = fetched.body else { continue };
            self.announced += bytes.len() as f64 * self.records_a_byte;
            announce(aws, QUEUE, &listed.key, bytes);
            self.there.push(listed.key);
        }
    }

    /// What the rule that is changed every minute looks for, in an account of its own each time.
    fn probe(&mut self, aws: &FakeAws, reload: u64) {
        let account = probed_account(reload);
        let mut record = root_key(&account, &format!("soak-{reload}"), "2025-03-09T12:51:00Z");
        record["eventName"] = "SoakProbe".into();
        let key = format!(
            "AWSLogs/{account}/CloudTrail/us-east-1/2025/03/09/{account}_CloudTrail_us-east-1_20250309T1255Z_{reload:016}.json.gz"
        );
        announce(aws, QUEUE, &key, json!({"Records": [record]}).to_string().into_bytes());
        self.probes.push(reload);
    }
}

fn title(reload: u64) -> String {
    format!("Probed after reload {reload}.")
}

/// What the receiver was told of the event that follows a reload.
#[derive(Debug, PartialEq)]
enum Told {
    Nothing,
    New,
    Otherwise(String),
}

fn of_reload(heard_of: &Mutex<Vec<String>>, reload: u64) -> Told {
    let heard_of = heard_of.lock().expect("no holder panics");
    match heard_of.iter().find(|body| body.contains(&probed_account(reload))) {
        None => Told::Nothing,
        Some(body) if body.contains(&title(reload)) => Told::New,
        Some(body) => Told::Otherwise(body.clone()),
    }
}

fn probed_account(reload: u64) -> String {
    format!("{:012}", 999_000_000_000 + reload)
}

fn write_rule(rules: &Path, reload: u64) {
    let folder = rules.join("account");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let text = format!(
        r#"-- +++
-- title = "{}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["account_id"]
-- attack = ["T1098"]
-- why = "Shows that rules are loaded while the service runs."
-- false_positives = ["all"]
-- runbook = "None."
-- refs = []
-- +++
SELECT event_id, account_id, principal_key, event_name FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name = 'SoakProbe'
"#,
        title(reload)
    );
    std::fs::write(folder.join("soak_probe.sql"), text).expect("the file can be written");
}

fn sql(store: &Path, statement: &str) -> Vec<Value> {
    let command = Command::new(env!("CARGO_BIN_EXE_trailhound"))
        .args(["sql", "--store", &store.display().to_string(), "--format", "json", statement])
        .output()
        .expect("the binary runs");
    assert!(command.status.success(), "{statement}: {}", String::from_utf8_lossy(&command.stderr));
    let lines = String::from_utf8_lossy(&command.stdout).into_owned();
    lines.lines().map(|line| serde_json::from_str(line).expect("a line is a row")).collect()
}

fn resident_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn open_handles(process: u32) -> u64 {
    std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, |open| open.count() as u64)
}

fn files_of(store: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(store).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn ledger_bytes(store: &Path) -> u64 {
    let ours = files_of(store).into_iter().filter(|path| path.to_string_lossy().contains("ledger.sqlite"));
    ours.filter_map(|path| path.metadata().ok()).map(|meta| meta.len()).sum()
}

fn table_files(store: &Path) -> usize {
    let days = files_of(&store.join("events")).into_iter().filter(|path| path.is_dir());
    days.map(|day| files_of(&day).len()).sum()
}
