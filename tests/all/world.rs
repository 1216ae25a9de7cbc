//! A world of a test: a folder of its own, log objects in it, stores beside them, and the real program run on all that.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A run that takes longer is stuck; it is ended and fails its test.
const RUN_TIME_MAX: Duration = Duration::from_secs(300);
/// How often a running process is looked at, which is also how exactly its peak memory is known before its end.
const LOOK: Duration = Duration::from_millis(2);

/// Where the worlds of this test run lie: below cargo's target folder, by process, so that runs side by side do not
/// meet. Those that earlier runs left behind (of failed tests, to look at) are removed.
pub fn ground() -> &'static Path {
    static GROUND: OnceLock<PathBuf> = OnceLock::new();
    GROUND.get_or_init(|| {
        let worlds = Path::new(env!("CARGO_TARGET_TMPDIR")).join("worlds");
        for old in std::fs::read_dir(&worlds).into_iter().flatten().flatten() {
            if !Path::new("/proc").join(old.file_name()).exists() {
                let _ = std::fs::remove_dir_all(old.path());
            }
        }
        let ground = worlds.join(std::process::id().to_string());
        std::fs::create_dir_all(&ground).unwrap();
        ground
    })
}

/// A folder that lives as long as its test, and stays where the test fails.
pub struct World {
    folder: PathBuf,
}

impl World {
    /// An empty one. The name is unique among tests.
    pub fn new(name: &str) -> Self {
        let folder = ground().join(name);
        std::fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file, with the folders that it needs.
    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Writes many, below a folder.
    pub fn put_all<'o>(&self, folder: &str, objects: impl IntoIterator<Item = &'o (String, Vec<u8>)>) -> PathBuf {
        for (key, bytes) in objects {
            self.put(&format!("{folder}/{key}"), bytes);
        }
        self.path(folder)
    }

    /// A store in this world; it comes to be with the first scan.
    pub fn store(&self, name: &str) -> Store {
        Store { location: self.path(name).display().to_string(), ledger: None, env: Vec::new() }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// The program with arguments, about to run. Nothing of the tester's own environment reaches it.
pub struct Trailhound(Command);

/// `trailhound ARGS`
pub fn trailhound<A: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = A>) -> Trailhound {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trailhound"));
    for (name, _) in std::env::vars_os() {
        if ["TRAILHOUND_", "AWS_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.args(args).env("AWS_EC2_METADATA_DISABLED", "true").stdin(Stdio::null());
    Trailhound(command)
}

/// What a run left.
pub struct Run {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// Highest resident memory.
    pub peak_bytes: u64,
}

impl Trailhound {
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs to the end, whatever that is.
    #[track_caller]
    pub fn run(mut self) -> Run {
        let mut child = self.0.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut err = child.stderr.take().unwrap();
        let reading = (
            std::thread::spawn(move || read_all(&mut out)),
            std::thread::spawn(move || String::from_utf8_lossy(&read_all(&mut err)).into_owned()),
        );
        let began = Instant::now();
        let mut peak_bytes = 0;
        let status = loop {
            peak_bytes = peak_bytes.max(peak_of(child.id()));
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > RUN_TIME_MAX {
                child.kill().unwrap();
            }
            std::thread::sleep(LOOK);
        };
        let (stdout, stderr) = (reading.0.join().unwrap(), reading.1.join().unwrap());
        Run { code: status.code(), signal: status.signal(), stdout, stderr, peak_bytes }
    }

    /// Runs and must end with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Run {
        let shown = format!("{:?}", self.0.get_args().collect::<Vec<_>>());
        let run = self.run();
        assert_eq!(run.code, Some(code), "trailhound {shown}\nsignal {:?}\n{}\n{}", run.signal, run.text(), run.stderr);
        run
    }

    /// Runs and must succeed.
    #[track_caller]
    pub fn ok(self) -> Run {
        self.exits(0)
    }
}

fn read_all(from: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}

/// `VmHWM` of a running process; 0 once it has ended.
fn peak_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

impl Run {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as one JSON value a line.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let text = self.text();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"))).collect()
    }

    /// The findings on standard output (`--format ndjson`), without what depends on which copy of an event was read.
    #[track_caller]
    pub fn findings(&self) -> Vec<Value> {
        let mut findings = self.lines();
        for finding in &mut findings {
            finding.as_object_mut().unwrap().remove("objects").expect("a finding says where it was read");
        }
        findings
    }
}

/// A store, and how to reach it.
#[derive(Clone)]
pub struct Store {
    pub location: String,
    pub ledger: Option<String>,
    pub env: Vec<(String, String)>,
}

/// What must be the same whatever the way was on which the same events came.
#[derive(PartialEq)]
pub struct Truth {
    /// Every event, without provenance, in the order of ids.
    pub events: Vec<String>,
    /// Every current finding, without provenance, as printed.
    pub findings: Vec<Value>,
}

impl Truth {
    /// Both are the same; where not, the first difference is shown rather than all of it.
    #[track_caller]
    pub fn assert_same(&self, other: &Truth, what: &str) {
        assert!(!self.events.is_empty(), "{what}: nothing was kept, so nothing is compared");
        assert_eq!(self.events.len(), other.events.len(), "{what}: events kept");
        for (one, two) in self.events.iter().zip(&other.events) {
            assert_eq!(one, two, "{what}: an event");
        }
        assert_eq!(self.findings.len(), other.findings.len(), "{what}: findings");
        for (one, two) in self.findings.iter().zip(&other.findings) {
            assert_eq!(one, two, "{what}: a finding");
        }
    }
}

impl Store {
    /// The program with a command on this store.
    pub fn command<'a>(&'a self, args: impl IntoIterator<Item = &'a str>) -> Trailhound {
        let mut command = trailhound(args);
        command.0.args(["--store", &self.location]);
        if let Some(ledger) = &self.ledger {
            command.0.args(["--ledger", ledger]);
        }
        self.env.iter().fold(command, |command, (name, value)| command.env(name, value))
    }

    /// `scan PATH --format ndjson`
    pub fn scan(&self, path: impl AsRef<Path>) -> Trailhound {
        self.command(["scan", path.as_ref().to_str().unwrap(), "--format", "ndjson"])
    }

    /// The rows that a statement gives.
    #[track_caller]
    pub fn sql(&self, statement: &str) -> Vec<Value> {
        self.command(["sql", statement, "--format", "json"]).ok().lines()
    }

    /// The one number that a statement gives.
    #[track_caller]
    pub fn number(&self, statement: &str) -> u64 {
        let rows = self.sql(statement);
        let value = rows.first().and_then(|row| row.as_object()?.values().next()?.as_u64());
        value.unwrap_or_else(|| panic!("{statement} gives no number but {rows:?}"))
    }

    /// Rows in `events`.
    #[track_caller]
    pub fn events(&self) -> u64 {
        self.number("SELECT count(*) AS n FROM events")
    }

    /// What the store holds, and that nothing is lost or doubled in it.
    #[track_caller]
    pub fn truth(&self) -> Truth {
        self.assert_accounted();
        let checked = self.command(["store", "check"]).run();
        assert_eq!(checked.code, Some(0), "{}\n{}", checked.text(), checked.stderr);
        let all =
            "SELECT * EXCEPT (src_bucket, src_key, src_ordinal, ingest_time) FROM events ORDER BY event_id, event_time";
        let events = self.command(["sql", all, "--format", "json"]).ok().text().lines().map(str::to_string).collect();
        let findings = self.command(["findings", "list", "--format", "ndjson"]).ok().findings();
        Truth { events, findings }
    }

    /// received = kept + duplicate + skipped + parked, for objects and records apart, by the views that analysts ask;
    /// and the table holds what is said to be kept.
    #[track_caller]
    pub fn assert_accounted(&self) {
        for (view, what) in [("accounting_objects", "objects"), ("accounting_records", "records")] {
            let rows = self.sql(&format!("SELECT fate, sum({what}) AS n FROM {view} GROUP BY fate"));
            let sum = |wanted: &dyn Fn(&str) -> bool| -> u64 {
                let fates = rows.iter().filter(|row| wanted(row["fate"].as_str().unwrap()));
                fates.map(|row| row["n"].as_u64().unwrap()).sum()
            };
            let (received, rest) = (sum(&|fate| fate == "received"), sum(&|fate| fate != "received"));
            assert_eq!(received, rest, "{what} of {}: {rows:?}", self.location);
            if what == "records" {
                assert_eq!(sum(&|fate| fate == "kept"), self.events(), "kept in the ledger, rows in the table");
            }
        }
    }
}
