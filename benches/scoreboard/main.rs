//! `cargo bench --bench scoreboard`: what the shipped rules find, and what they say while nothing happens.
//!
//! In: seeds, drawn by the command unless they are given. For each, `simulate` makes an organisation: days to learn from, quiet days
//! without an attack, and days with one attack of every kind. Names, clients, addresses, times, the order of steps and the API that is used
//! for a step are drawn by the seed; strengths rotate, so that three organisations have every kind in every strength. The real binary scans
//! it, and knows by site facts what a deployment says on its first day: which accounts are the organisation's own. Out: precision, recall by strength, technique and kind, time to detect, and findings in the quiet days. What is true is what the
//! simulator's labels say; see [`score`] for what counts as found.

mod board;
mod score;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use clap::Parser;
use serde::de::DeserializeOwned;
use trailhound_simulate::{AttackKind, Options, Strength, generate};

use score::{Finding, Label, Run, Span};

const DAY: i64 = 86_400;

/// Prints what the rules find in made-up organisations, and what they find where nothing is.
#[derive(Parser, Debug)]
#[command(bin_name = "cargo bench --bench scoreboard --")]
struct Args {
    /// Seeds to use, in place of drawn ones: `--seeds 12,34`
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<u64>,
    /// How many organisations; with a multiple of three each kind of attack comes in every strength as often
    #[arg(long, default_value_t = 3)]
    organisations: usize,
    /// Employees of each; there are about twice as many principals
    #[arg(long, default_value_t = 150)]
    people: usize,
    #[arg(long, default_value_t = 12)]
    accounts: usize,
    /// Events a day in each
    #[arg(long, default_value_t = 10_000)]
    events: u64,
    /// Days to learn from
    #[arg(long, default_value_t = 15)]
    learn: u32,
    /// Days without attacks that are judged
    #[arg(long, default_value_t = 30)]
    quiet: u32,
    /// Days with attacks
    #[arg(long, default_value_t = 8)]
    attacked: u32,
    /// All attacks in this strength: subtle, moderate or loud
    #[arg(long)]
    strength: Option<String>,
    /// In place of one attack of every kind, a dozen of one: `--attack session_stolen`
    #[arg(long, value_name = "KIND")]
    attack: Option<String>,
    /// Rules beside the shipped ones, or in their place
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
    /// Every finding that is no attack's, one a line
    #[arg(long)]
    list: bool,
    /// Keep trees and stores below this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// What cargo says to benchmarks
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    // `cargo test --benches` would otherwise measure for nothing.
    if !args.bench {
        return;
    }
    let seeds = match args.seeds.is_empty() {
        true => (0..args.organisations).map(|nth| RandomState::new().hash_one(nth) % 1_000_000).collect(),
        false => args.seeds.clone(),
    };
    let told: Vec<String> = seeds.iter().map(u64::to_string).collect();
    println!("seeds {}; again with --seeds {}", told.join(" "), told.join(","));
    println!(
        "site facts: each organisation's own accounts are named, as README tells every user to begin with; nothing else"
    );
    let begun = Instant::now();
    let mut runs: Vec<Run> = Vec::new();
    for (nth, seed) in seeds.iter().enumerate() {
        runs.push(organisation(&args, nth, *seed));
        board::brief(&runs[nth]);
    }
    board::print(&runs, args.list);
    println!("\n{:.0} s", begun.elapsed().as_secs_f64());
}

/// Makes an organisation, scans it, and scores what was found.
fn organisation(args: &Args, nth: usize, seed: u64) -> Run {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let place = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned()).join(format!("seed-{seed}"));
    let (logs, store) = (place.join("logs"), place.join("store"));
    let days = args.learn + args.quiet + args.attacked;
    let strength = |kind: usize| match &args.strength {
        Some(word) => *Strength::ALL
            .iter()
            .find(|strength| strength.name() == word)
            .unwrap_or_else(|| panic!("--strength {word} is not subtle, moderate or loud")),
        None => Strength::ALL[(kind + nth) % Strength::ALL.len()],
    };
    let kinds: Vec<AttackKind> = match &args.attack {
        Some(name) => {
            let kind = AttackKind::ALL.iter().find(|kind| kind.name() == name);
            vec![*kind.unwrap_or_else(|| panic!("--attack {name} is no kind of attack that `simulate` knows")); 12]
        }
        None => AttackKind::ALL.to_vec(),
    };
    let options = Options {
        // What services do by themselves is no behaviour; there is some of it.
        service_share: 0.2,
        second_trail_share: 0.0,
        // Large objects: what is measured is rules, not the reading of small files.
        period_minutes: 360,
        quiet_days: Some(args.learn + args.quiet),
        lookalikes: 0,
        ..Options::new(&logs)
            .seed(seed)
            .accounts(args.accounts)
            .people(args.people)
            .days(days)
            .events(args.events * u64::from(days))
            .attacks(kinds.into_iter().enumerate().map(|(at, kind)| (kind, strength(at))).collect())
    };
    let begun = Instant::now();
    let made = generate(&options, &|_| ()).expect("the options are sound");
    let simulated = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let findings = scan(args, &logs, &store);
    println!(
        "seed {seed}: {} events, {} attacks, {} chores that resemble one; {simulated:.0} s to make, {:.0} s to scan",
        made.events,
        made.attacks,
        made.lookalikes,
        begun.elapsed().as_secs_f64()
    );
    let at = |day: u32| options.start + i64::from(day) * DAY;
    let quiet = Span { from: at(args.learn), to: at(args.learn + args.quiet) };
    let attacked = Span { from: quiet.to, to: at(days) };
    let mut labels: Vec<Label> = read_lines(&logs.join("labels.ndjson"));
    let owners = principals_of(&store, &labels);
    for label in &mut labels {
        label.principals = label.ids.iter().filter_map(|id| owners.get(id).cloned()).collect();
    }
    let chores = read_lines(&logs.join("lookalikes.ndjson"));
    let keys = read_lines(&logs.join("keys.ndjson"));
    Run { seed, principals: principals(&store, quiet), quiet, attacked, findings, labels, chores, keys }
}

fn trailhound(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_trailhound"))
        .args(arguments)
        .env_remove("TRAILHOUND_STORE")
        .stderr(Stdio::piped())
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the binary writes UTF-8")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn scan(args: &Args, logs: &Path, store: &Path) -> Vec<Finding> {
    let (city, network) = (text(&logs.join("geo-city.mmdb")), text(&logs.join("geo-asn.mmdb")));
    let (tree, store) = (text(&logs.join("AWSLogs")), text(store));
    let site = text(&logs.join("site.toml"));
    let mut arguments = vec!["scan", &tree, "--store", &store, "--geoip", &city, "--geoip", &network];
    arguments.extend(["--site", &site, "--format", "ndjson"]);
    let rules: Vec<String> = args.rules.iter().map(|folder| text(folder)).collect();
    for folder in &rules {
        arguments.extend(["--rules", folder]);
    }
    let lines = trailhound(&arguments);
    lines.lines().map(|line| serde_json::from_str(line).expect("a finding a line")).collect()
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    let lines = std::fs::read_to_string(path).expect("the simulator writes what it planted");
    lines.lines().map(|line| serde_json::from_str(line).expect("one a line")).collect()
}

/// People, users and roles that did anything of themselves.
fn principals(store: &Path, span: Span) -> u64 {
    let rows = sql(
        store,
        &format!(
            "SELECT count(DISTINCT CASE WHEN principal_class = 'human_sso' THEN session_name ELSE principal_key END) AS n \
             FROM events WHERE NOT actor_is_service AND event_date >= DATE '{}' AND event_date < DATE '{}' \
             AND (principal_key LIKE 'role:%' OR principal_key LIKE 'user:%' OR principal_key LIKE 'root:%')",
            day(span.from),
            day(span.to)
        ),
    );
    rows[0]["n"].as_u64().expect("a number")
}

/// Who made a label's first events, by event id. Some are enough: a story has one or two credentials.
fn principals_of(store: &Path, labels: &[Label]) -> HashMap<String, String> {
    let ids: Vec<String> = labels
        .iter()
        .flat_map(|label| label.ids.iter().step_by(label.ids.len() / 8 + 1))
        .map(|id| format!("'{id}'"))
        .collect();
    let rows = sql(store, &format!("SELECT event_id, principal_key FROM events WHERE event_id IN ({})", ids.join(",")));
    let word = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    rows.iter().map(|row| (word(row, "event_id"), word(row, "principal_key"))).collect()
}

fn sql(store: &Path, statement: &str) -> Vec<serde_json::Value> {
    let answer = trailhound(&["sql", statement, "--store", &text(store), "--format", "json"]);
    answer.lines().map(|line| serde_json::from_str(line).expect("a row a line")).collect()
}

fn day(time: i64) -> String {
    jiff::Timestamp::from_second(time).expect("a time of the simulation").to_string()[..10].to_owned()
}
