//! `cargo bench --bench memory`: what rules that remember cost, and what they take.
//!
//! ```text
//! cargo bench --bench memory -- cost [PRINCIPALS] [DAYS]   the time an event takes in the week after so many days, beside gunzip +
//!                                                          serde_json::Value of the same events; with `last` behind it only for
//!                                                          so many, without the growth
//! cargo bench --bench memory -- hostile [PRINCIPALS]       a minute in which every event comes from somebody new
//! cargo bench --bench memory -- keys [KEYS] [DAYS]         long-term keys at work: what an event costs, and asking about shared ones
//! ```
//! The organisation is made by `simulate`; many of them, told apart by their accounts, principals and keys, make the
//! principals. Everything goes through a store as in the service; what is timed is the detector alone, on one thread.

mod organisation;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use arrow::record_batch::RecordBatch;
use organisation::{Organisation, object};
use trailhound_detect::{Changes, Detector, Kind, Planner, RuleSet};
use trailhound_store::{Commit, Store, StoreOptions, Upkeep};

/// The service's own: rules that remember allocate for whoever is new, and give back what is cold.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What this program calls itself with, for what it is compared with.
const VALUE: &str = "value";
/// Rows of an object.
const OBJECT_ROWS: usize = 5_000;
/// Events of a long-term key on a day, about.
const EVENTS_A_KEY: usize = 8;
/// A week: what events cost, and how many findings there are, is another thing on a Monday than on a Sunday.
const MEASURED_DAYS: usize = 7;
/// What the service gives to rules by default.
const MEMORY_BYTES: usize = 256 << 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |place: usize, otherwise: usize| -> anyhow::Result<usize> {
        args.get(place).map_or(Ok(otherwise), |text| text.parse().with_context(|| format!("`{text}` is no number")))
    };
    match args.first().map(String::as_str) {
        None | Some("cost") => {
            cost(number(1, 10_000)?, number(2, 90)?, args.last().is_some_and(|arg| arg == "last")).await
        }
        Some("keys") => keys(number(1, 100_000)?, number(2, 7)?).await,
        Some("hostile") => hostile(number(1, 1_000_000)?).await,
        Some(VALUE) => {
            println!("{}", Organisation::simulated(2)?.value_seconds_a_byte());
            Ok(())
        }
        Some(other) => anyhow::bail!("`{other}` is not one of `cost`, `keys` and `hostile`"),
    }
}

/// The shipped rules: all of them, or those that look at each event alone.
fn rules(all: bool) -> anyhow::Result<RuleSet> {
    let planner = Planner::new(trailhound_store::functions::register)?;
    let files = trailhound_detect::read_folder(std::path::Path::new("rules"))?;
    let rules = trailhound_detect::load(files, &planner).into_rules()?;
    let wanted = rules.into_iter().filter(|rule| all || rule.header.kind == Kind::Match);
    Ok(RuleSet::compile(wanted, &planner)?)
}

/// A store in a folder of its own, with a detector that follows it.
struct Service {
    store: Store,
    detector: Detector,
    upkeep: Upkeep,
    objects: usize,
    /// What became of findings.
    changes: Changes,
    _folder: tempfile::TempDir,
}

impl Service {
    async fn start(rules: RuleSet, memory: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let options = StoreOptions::new(folder.path().display().to_string());
        let store = Store::open(options.clone()).await?;
        let detector = Detector::open(&store, rules).await?.with_memory(memory);
        detector.catch_up(&store).await?;
        Ok(Self {
            store,
            detector,
            upkeep: Upkeep::open(&options).await?,
            objects: 0,
            changes: Changes::default(),
            _folder: folder,
        })
    }

    /// Keeps rows, in objects of as many as a decoder hands on; the time that the detector takes for them. Then the table's
    /// files are brought together, as the service does every few minutes.
    async fn keep(&mut self, rows: RecordBatch) -> anyhow::Result<Duration> {
        let mut commits: Vec<Commit> = Vec::new();
        for start in (0..rows.num_rows()).step_by(OBJECT_ROWS) {
            self.objects += 1;
            let rows = rows.slice(start, OBJECT_ROWS.min(rows.num_rows() - start));
            let rows = object(&rows, &format!("object-{}", self.objects))?;
            commits.extend(self.store.append(rows).await?.commit);
        }
        commits.extend(self.store.flush().await?.commit);
        let begun = Instant::now();
        for commit in &commits {
            self.changes += self.detector.commit(&self.store, commit).await?;
        }
        let time = begun.elapsed();
        self.upkeep.compact().await?;
        Ok(time)
    }

    /// Keeps a day, hour by hour; the time that the detector takes, and the events.
    async fn day(
        &mut self,
        organisation: &Organisation,
        day: usize,
        copies: usize,
    ) -> anyhow::Result<(Duration, usize)> {
        let (mut time, mut events) = (Duration::ZERO, 0);
        for hour in 0..24 {
            let rows = organisation.hour(day, hour, copies)?;
            if rows.num_rows() > 0 {
                events += rows.num_rows();
                time += self.keep(rows).await?;
            }
        }
        Ok((time, events))
    }

    fn remembered(&self) -> f64 {
        self.detector.memory_bytes() as f64 / 1e6
    }
}

/// The growth with rules, principals and days of history; the last line is what is asked for.
async fn cost(principals: usize, days: usize, last: bool) -> anyhow::Result<()> {
    let organisation = Organisation::simulated((days + MEASURED_DAYS) as u32)?;
    println!(
        "{:.0} bytes of JSON an event; the bound is half of gunzip + serde_json::Value of the same events",
        organisation.bytes_an_event()
    );
    let few = principals / 10;
    let steps = [
        (false, few, days),
        (true, few, days.min(7)),
        (true, few, days),
        (true, principals, days.min(7)),
        (true, principals, days),
    ];
    for (all, principals, days) in steps.into_iter().skip(if last { 4 } else { 0 }) {
        let rules = rules(all)?;
        let count = rules.rules().len();
        let mut service = Service::start(rules, MEMORY_BYTES).await?;
        let copies = principals.div_ceil(organisation.principals());
        let mut history = 0;
        let begun = Instant::now();
        let measured = organisation.days() - MEASURED_DAYS;
        for day in measured - days..measured {
            // What lies further back than a week is thinner: it is remembered as long, and 30 million events would take long.
            let one_in = if day + 7 < measured { 10 } else { 1 };
            let rows = organisation.day(day, copies, one_in)?;
            history += rows.num_rows();
            service.keep(rows).await?;
        }
        let learnt = begun.elapsed();
        let before = service.detector.spent();
        service.changes = Changes::default();
        let (mut time, mut events, mut value, mut by_day) = (Duration::ZERO, 0, Duration::ZERO, Vec::new());
        for day in measured..organisation.days() {
            // Machines are noisy: what it is compared with is measured in the same minute, in a process of its own, since
            // an allocator with gigabytes in use serves a parser more slowly.
            let value_that_day = value_time(&organisation)?;
            let before = service.detector.spent();
            let (time_that_day, events_that_day) = service.day(&organisation, day, copies).await?;
            let (weekday, spent) = (organisation.weekday(day), service.detector.spent() - before);
            let ratio = micros(time_that_day) / events_that_day as f64 / micros(value_that_day);
            by_day.push(format!("     {weekday} {events_that_day} events, {ratio:.2} x: {spent}"));
            time += time_that_day;
            events += events_that_day;
            value += value_that_day / MEASURED_DAYS as u32;
        }
        let findings = findings(&service).await?;
        let each = time / events as u32;
        println!(
            "{count:>4} rules, {:>6} principals, {days:>3} days, {history:>8} events of history (kept and judged in {:.0} s): \
             {:>6.2} µs an event, {:.2} x gunzip + Value ({:.2} µs), {:>4.0} MB remembered in memory",
            copies * organisation.principals(),
            learnt.as_secs_f64(),
            micros(each),
            each.as_secs_f64() / value.as_secs_f64(),
            micros(value),
            service.remembered(),
        );
        by_day.iter().for_each(|day| println!("{day}"));
        let Changes { raised, amended, retracted } = service.changes;
        println!("     {findings}; in that week {raised} raised, {amended} times amended, {retracted} retracted");
        println!("     all of that week: {}", service.detector.spent() - before);
    }
    println!("peak memory of this process: {} MB", peak_kib() / 1024);
    Ok(())
}

/// How many findings there are, and the rules that made most of them: where there are many, writing them is what is measured.
async fn findings(service: &Service) -> anyhow::Result<String> {
    let mut by_rule: BTreeMap<String, usize> = BTreeMap::new();
    for finding in service.detector.findings().current().await? {
        *by_rule.entry(finding.rule).or_default() += 1;
    }
    let mut most: Vec<(usize, String)> = by_rule.into_iter().map(|(rule, count)| (count, rule)).collect();
    most.sort_unstable_by(|a, b| b.cmp(a));
    let all: usize = most.iter().map(|(count, _)| count).sum();
    let most: Vec<String> = most.into_iter().take(3).map(|(count, rule)| format!("{count} of {rule}")).collect();
    Ok(format!("{all} findings: {}", most.join(", ")))
}

/// So many long-term keys at work for days: what the rules remember of them, and what the questions about them take.
async fn keys(keys: usize, days: usize) -> anyhow::Result<()> {
    let organisation = Organisation::simulated(days as u32)?.of_long_term_keys()?;
    let copies = keys.div_ceil(organisation.principals().max(1));
    // A question about a slot costs what is active in it, so a key's day may be thin.
    let one_in = (organisation.events() / (organisation.principals() * days * EVENTS_A_KEY)).max(1);
    let mut service = Service::start(rules(true)?, MEMORY_BYTES).await?;
    println!(
        "{} long-term keys, {copies} times {} of a simulated organisation",
        copies * organisation.principals(),
        organisation.principals()
    );
    let begun = Instant::now();
    for day in 0..days {
        let rows = organisation.day(day, copies, one_in)?;
        let events = rows.num_rows();
        let time = service.keep(rows).await?;
        println!(
            "day {}: {events} events, {:.2} µs an event, {:.0} MB remembered in memory, {:.0} s so far",
            day + 1,
            micros(time / events.max(1) as u32),
            service.remembered(),
            begun.elapsed().as_secs_f64(),
        );
    }
    let begun = Instant::now();
    service.detector.finish(&service.store).await?;
    let asked = rules(true)?.rules().filter(|rule| rule.header.kind == Kind::Query).count();
    println!(
        "{asked} questions about all slots: {:.1} s; {} findings, peak memory of this process {} MB",
        begun.elapsed().as_secs_f64(),
        service.detector.findings().current().await?.len(),
        peak_kib() / 1024,
    );
    Ok(())
}

/// Every event comes from a principal that nobody saw before; in between, the organisation's own attacks. What is found
/// must be what a memory without a limit finds.
async fn hostile(principals: usize) -> anyhow::Result<()> {
    const COMMITS: usize = 6;
    let organisation = Organisation::simulated(2)?;
    let mut found = Vec::new();
    for (name, memory) in [("64 MB", 64 << 20), ("no limit", usize::MAX)] {
        let mut service = Service::start(rules(true)?, memory).await?;
        let (mut time, mut most, mut events) = (Duration::ZERO, 0.0_f64, 0);
        for commit in 0..COMMITS {
            let rows = organisation.strangers(principals / COMMITS, commit, COMMITS)?;
            events += rows.num_rows();
            time += service.keep(rows).await?;
            most = most.max(service.remembered());
        }
        let findings = service.detector.findings().current().await?;
        println!(
            "{name}: {events} events of as many principals in {COMMITS} commits, judged in {:.1} s ({:.1} µs an event); at most \
             {most:.0} MB remembered after a commit, {} findings, peak memory of this process {} MB",
            time.as_secs_f64(),
            micros(time / events as u32),
            findings.len(),
            peak_kib() / 1024,
        );
        anyhow::ensure!(memory == usize::MAX || most * 1e6 <= memory as f64, "more is remembered than the limit says");
        found.push(findings);
    }
    anyhow::ensure!(found[0] == found[1], "a limit on memory changes what is found");
    anyhow::ensure!(!found[0].is_empty(), "nothing was found, so nothing was compared");
    println!("the same {} findings to the byte", found[0].len());
    Ok(())
}

/// What gunzip and `serde_json::Value` take now for one event of the organisation.
fn value_time(organisation: &Organisation) -> anyhow::Result<Duration> {
    let told = std::process::Command::new(std::env::current_exe()?).arg(VALUE).output()?;
    let seconds: f64 = String::from_utf8(told.stdout)?.trim().parse().context("no time was told")?;
    Ok(Duration::from_secs_f64(seconds * organisation.bytes_an_event()))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The most memory that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
