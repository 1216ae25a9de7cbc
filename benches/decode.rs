//! `cargo bench`: what decoding, judging and keeping cost, beside references on the same data in the same run.
//!
//! Machines are noisy, so every figure is also given as a ratio to a reference: gunzip alone, gunzip and simd-json's
//! tape, gunzip and `serde_json::Value`, all with the inflater that the decoder uses. The data is made by `simulate`:
//! tiny objects as CloudTrail delivers them in a small account, and large ones as in a busy account. Decoding and
//! judging run on one thread; the whole `scan` is the real binary.
//!
//! An argument that is a folder is read in place of the tiny objects: `cargo bench -- PATH`.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::record_batch::RecordBatch;
use trailhound_detect::{File, Planner, RuleSet};
use trailhound_ingest::source::{Body, Folder};
use trailhound_ingest::{Content, Decoder, Geo, Limits, ObjectId};
use trailhound_simulate::{Options, generate};
use trailhound_testing::reference::Gunzip;

/// Each measurement is the best of so many.
const ROUNDS: usize = 5;

/// Objects in memory, as stored, and what they hold.
struct Data {
    name: &'static str,
    folder: PathBuf,
    objects: Vec<(String, Vec<u8>)>,
    json_bytes: usize,
    events: usize,
}

impl Data {
    fn load(name: &'static str, folder: PathBuf) -> Self {
        let source = Folder::open(&folder.display().to_string()).expect("the folder is there");
        let listed = source.list().expect("the folder can be listed");
        let objects: Vec<_> = listed
            .iter()
            .filter(|object| object.key.ends_with(".json.gz"))
            .map(|object| match source.fetch(object, u64::MAX).expect("the file can be read").body {
                Body::Bytes(bytes) => (object.key.clone(), bytes),
                _ => unreachable!("everything is held"),
            })
            .collect();
        let mut data = Self { name, folder, objects, json_bytes: 0, events: 0 };
        let mut gunzip = Gunzip::default();
        data.json_bytes = data.objects.iter().map(|(_, bytes)| gunzip.run(bytes).len()).sum();
        data.events = data.decode(&mut |_| ());
        data
    }

    fn decode(&self, each: &mut dyn FnMut(&RecordBatch)) -> usize {
        let mut decoder = Decoder::new(0, Limits::default(), Arc::new(Geo::default()), 0);
        let mut rows = 0;
        let mut take = |batch: RecordBatch| {
            rows += batch.num_rows();
            each(&batch);
        };
        for (key, bytes) in &self.objects {
            let id = ObjectId { bucket: "bench".into(), key: key.clone(), identity: String::new() };
            decoder.object(id, Content::Bytes(bytes), &mut |batch| take(batch.rows));
        }
        if let Some(batch) = decoder.flush() {
            take(batch.rows);
        }
        rows
    }

    fn report(&self, what: &str, time: Duration, reference: Option<(&str, Duration)>) {
        let seconds = time.as_secs_f64();
        let ratio = reference.map_or(String::new(), |(name, reference)| {
            format!("  {:>5.2} x the speed of {name}", reference.as_secs_f64() / seconds)
        });
        println!(
            "{:<6} {what:<28} {:>8.1} ms {:>8.0} MB/s {:>10.0} events/s {:>8.0} objects/s{ratio}",
            self.name,
            seconds * 1e3,
            self.json_bytes as f64 / seconds / 1e6,
            self.events as f64 / seconds,
            self.objects.len() as f64 / seconds,
        );
    }
}

fn best(mut work: impl FnMut()) -> Duration {
    (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .expect("there is a round")
}

fn main() {
    let work = tempfile::tempdir().expect("a temporary folder");
    let tiny = match std::env::args().nth(1).filter(|path| Path::new(path).is_dir()) {
        Some(path) => PathBuf::from(path),
        None => made(&work.path().join("tiny"), |options| Options {
            period_minutes: 5,
            ..options.accounts(2).days(3).events(40_000)
        }),
    };
    let large = made(&work.path().join("large"), |options| Options {
        period_minutes: 720,
        ..options.accounts(2).days(2).events(200_000)
    });
    for data in [Data::load("tiny", tiny), Data::load("large", large)] {
        println!(
            "{}: {} objects, {} events, {:.1} MB of JSON, {:.0} bytes an object as stored",
            data.name,
            data.objects.len(),
            data.events,
            data.json_bytes as f64 / 1e6,
            data.objects.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() as f64 / data.objects.len() as f64
        );
        measure(&data, work.path());
        println!();
    }
    println!("peak memory of this process: {} MB", peak_kib("self") / 1024);
}

fn made(folder: &Path, options: impl Fn(Options) -> Options) -> PathBuf {
    generate(&options(Options::new(folder).seed(7)), &|_| ()).expect("the options are sound");
    folder.to_path_buf()
}

fn measure(data: &Data, work: &Path) {
    let mut gunzip = Gunzip::default();
    let inflate = best(|| data.objects.iter().for_each(|(_, bytes)| _ = black_box(gunzip.run(bytes).len())));
    data.report("gunzip", inflate, None);
    let tape = best(|| {
        for (_, bytes) in &data.objects {
            gunzip.tape(bytes);
        }
    });
    data.report("gunzip + simd-json tape", tape, None);
    let value = best(|| {
        for (_, bytes) in &data.objects {
            gunzip.value(bytes);
        }
    });
    data.report("gunzip + serde_json::Value", value, None);
    let decode = best(|| _ = black_box(data.decode(&mut |_| ())));
    data.report("decode to batches", decode, Some(("gunzip + serde_json::Value", value)));
    data.report("", decode, Some(("gunzip + simd-json tape", tape)));

    let planner = Planner::new(trailhound_store::functions::register).expect("the planner");
    let names = frequencies(data);
    let mut few = Duration::ZERO;
    for count in [25, 2000] {
        let rules = generated(&names, count, &planner);
        let mut sightings = 0;
        let time = best(|| {
            sightings = 0;
            data.decode(&mut |batch| sightings += rules.evaluate(batch).expect("rules evaluate").sightings.len());
        });
        let reference = (count != 25).then_some(("decode + 25 rules", few));
        few = if count == 25 { time } else { few };
        data.report(&format!("decode + {count} rules"), time, reference);
        println!("{:<6} {sightings} sightings of {count} rules", data.name);
    }

    let disk = best(|| _ = black_box(from_disk(data)));
    data.report("read + hash + decode", disk, None);
    scan(data, work, tape);
}

/// Objects from disk to batches, on this thread.
fn from_disk(data: &Data) -> usize {
    let source = Folder::open(&data.folder.display().to_string()).expect("the folder is there");
    let mut decoder = Decoder::new(0, Limits::default(), Arc::new(Geo::default()), 0);
    let mut rows = 0;
    for object in source.list().expect("the folder can be listed") {
        let fetched = source.fetch(&object, u64::MAX).expect("the file can be read");
        if let Body::Bytes(bytes) = &fetched.body {
            decoder.object(fetched.id, Content::Bytes(bytes), &mut |batch| rows += batch.rows.num_rows());
        }
    }
    rows + decoder.flush().map_or(0, |batch| batch.rows.num_rows())
}

/// The whole `scan`, with a store, as a user runs it: all processors, all shipped rules.
fn scan(data: &Data, work: &Path, tape: Duration) {
    let store = work.join("store");
    let mut peak = 0;
    let time = best(|| {
        let _ = std::fs::remove_dir_all(&store);
        let mut child = Command::new(env!("CARGO_BIN_EXE_trailhound"))
            .arg("scan")
            .arg(&data.folder)
            .arg("--store")
            .arg(&store)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let pid = child.id().to_string();
        while child.try_wait().expect("the child can be waited for").is_none() {
            peak = peak.max(peak_kib(&pid));
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    data.report("scan --store (whole binary)", time, Some(("gunzip + simd-json tape", tape)));
    println!("{:<6} peak memory of scan: {} MB", data.name, peak / 1024);
}

/// The most memory that a process has had, in KiB.
fn peak_kib(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// (event source, event name) of every event, so that drawing from it draws by frequency.
fn frequencies(data: &Data) -> Vec<(String, String)> {
    let mut names = Vec::new();
    data.decode(&mut |batch| {
        let column = |name: &str| batch.column_by_name(name).expect("a column of events").as_string_view().clone();
        let (sources, events) = (column("event_source"), column("event_name_norm"));
        for row in 0..batch.num_rows() {
            names.push((sources.value(row).to_string(), events.value(row).to_string()));
        }
    });
    names
}

/// Rules as people write them: one API each, drawn by the data's own frequencies, and two or three more conditions.
fn generated(names: &[(String, String)], count: usize, planner: &Planner) -> RuleSet {
    let more = [
        "outcome = 'success' AND actor_is_service = false AND user_agent_os = 'kali'",
        "outcome = 'denied' AND user_agent_family = 'aws-cli' AND source_kind = 'public'",
        "source_kind = 'public' AND session_mfa_authenticated = false AND user_identity_type = 'Root'",
        "user_identity_type = 'IAMUser' AND request_user_name <> user_identity_user_name",
        "error_code IS NOT NULL AND json_text(request_parameters, 'policyArn') LIKE '%Admin%'",
    ];
    let files = (0..count).map(|number| {
        // A fixed stride through the events in place of a generator of random numbers.
        let (source, event) = &names[number * 7919 % names.len()];
        let condition = more[number % more.len()];
        let text = format!(
            "-- +++\n-- title = \"rule {number}\"\n-- severity = \"low\"\n-- status = \"stable\"\n-- kind = \"match\"\n\
             -- entity = [\"principal_key\"]\n-- attack = [\"T1078.004\"]\n-- why = \"A measurement.\"\n\
             -- false_positives = [\"none\"]\n-- runbook = \"None.\"\n-- +++\n\
             SELECT event_id, principal_key, source_ip_address FROM events\n\
             WHERE event_source = '{source}' AND event_name_norm = '{event}' AND {condition}\n"
        );
        File::embedded(format!("account/rule_{number}.sql"), text)
    });
    let rules = trailhound_detect::load(files, planner).into_rules().expect("the generated rules are sound");
    RuleSet::compile(rules, planner).expect("the generated rules compile")
}
