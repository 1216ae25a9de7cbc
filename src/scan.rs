//! `trailhound scan`: logs in, findings out, and the account of every object and record.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use trailhound_detect::{Detector, Finding, Status};
use trailhound_ingest::source::{Selection, Source, Wanted};
use trailhound_ingest::{Geo, Limits, ObjectId};
use trailhound_store::{Accounting, Store, StoreOptions};

use crate::args::{RuleArgs, ScanArgs, SeverityArg};
use crate::intake::{self, Intake, Outcome, Progress};
use crate::{coverage, output, shipped, terminal};

/// Rows in memory above this are written out: a scan shall do with half a gigabyte in all.
const FLUSH_BYTES: usize = 32 << 20;
/// Memory for the event ids of hot hours.
const DEDUP_BYTES_MAX: usize = 96 << 20;
/// What rules remember beyond this goes to a file.
const MEMORY_BYTES_MAX: usize = 64 << 20;

/// Runs a scan. Exit 1 when `--fail-on` is reached, 2 when objects could not be fetched.
pub async fn run(args: ScanArgs) -> anyhow::Result<ExitCode> {
    let geo = Geo::open(&args.geoip)?;
    let source = intake::open_source(&args.path).await?;
    let place = Place::of(args.store.as_deref())?;
    let mut bench = Workbench::open(&place, args.ledger.clone(), &args.rules).await?;
    let wanted =
        Wanted { since: args.since, until: args.until, accounts: args.account.clone(), regions: args.region.clone() };
    let outcome = bench.read(source, Selection::Wanted(wanted), geo, None).await?;
    let findings = bench.detector.findings().current().await?;
    let site = shipped::facts(&args.rules.site)?;
    output::findings(&findings, args.format, &site)?;
    bench.tell(&outcome, &findings).await?;
    // Who asks for some regions only knows what they leave out.
    if args.region.is_empty() {
        let sources = outcome.sources.iter().map(|(account, region)| (account.as_str(), region.as_str()));
        if let Some(text) = coverage::told(&coverage::without_sign_ins(sources)) {
            eprintln!("warning: {}", terminal::clean(&text));
        }
    }
    Ok(exit_code(&args, &outcome, &findings))
}

/// Where a store lies: named by the user, or temporary and deleted at the end.
pub enum Place {
    Named(String),
    Temporary(tempfile::TempDir),
}

impl Place {
    pub fn of(store: Option<&str>) -> anyhow::Result<Self> {
        Ok(match store {
            Some(store) => Self::Named(store.to_string()),
            None => Self::Temporary(tempfile::tempdir().context("cannot make a temporary store (TMPDIR says where)")?),
        })
    }

    pub fn location(&self) -> String {
        match self {
            Self::Named(store) => store.clone(),
            Self::Temporary(folder) => folder.path().display().to_string(),
        }
    }
}

/// A store with a detector over it: what reads logs.
pub struct Workbench {
    pub store: Store,
    pub detector: Detector,
    /// The store outlives this.
    keeps: bool,
    started: Instant,
}

impl Workbench {
    /// Opens the store and brings the findings up to it.
    pub async fn open(place: &Place, ledger: Option<String>, rules: &RuleArgs) -> anyhow::Result<Self> {
        let started = Instant::now();
        let options = StoreOptions {
            ledger,
            flush_bytes: FLUSH_BYTES,
            dedup_bytes_max: DEDUP_BYTES_MAX,
            ..StoreOptions::new(place.location())
        };
        let store = Store::open(options).await?;
        let detector = Detector::open(&store, shipped::rule_set(rules)?).await?.with_memory(MEMORY_BYTES_MAX);
        detector.catch_up(&store).await?;
        Ok(Self { store, detector, keeps: matches!(place, Place::Named(_)), started })
    }

    /// Reads what is selected of a source, with a bar on a terminal.
    pub async fn read(
        &mut self,
        source: Source,
        selection: Selection,
        geo: Geo,
        again: Option<BTreeMap<String, ObjectId>>,
    ) -> anyhow::Result<Outcome> {
        let bar = progress_bar();
        let (store, detector) = (&mut self.store, &self.detector);
        let mut intake = Intake { store, detector, geo, limits: Limits::default(), again };
        let outcome = intake.run(source, selection, &mut |progress| show(&bar, progress)).await;
        bar.finish_and_clear();
        // Everything is kept, and asked in SQL the counts are whole in any case.
        if self.keeps
            && let Err(error) = self.store.finish().await
        {
            eprintln!("warning: counts for the table `activity` are written by the next run: {}", chain(&error));
        }
        let outcome = outcome?;
        self.detector.finish(&self.store).await?;
        Ok(outcome)
    }

    /// Tells how it went, on standard error.
    pub async fn tell(&self, outcome: &Outcome, findings: &[Finding]) -> anyhow::Result<()> {
        for failure in self.detector.failures() {
            eprintln!(
                "warning: rule {} failed on {} events, whose findings are missing: {}",
                failure.rule,
                failure.rows,
                terminal::clean(&failure.error)
            );
        }
        summary(outcome, &self.store.accounting().await?, findings, self.started.elapsed());
        Ok(())
    }
}

fn exit_code(args: &ScanArgs, outcome: &Outcome, findings: &[Finding]) -> ExitCode {
    if !outcome.unfetched.is_empty() {
        return ExitCode::from(2);
    }
    let reached = |bound: SeverityArg| {
        let grave = |finding: &Finding| {
            output::severity_rank(finding.severity.as_str()) >= output::severity_rank(bound.as_str())
        };
        findings.iter().any(|finding| finding.status == Status::Stable && grave(finding))
    };
    ExitCode::from(u8::from(args.fail_on.is_some_and(reached)))
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} objects  {msg}  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// Puts progress on the bar.
fn show(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.listed.max(progress.objects));
    bar.set_position(progress.objects);
    bar.set_message(format!("{} records  {} findings", progress.records, progress.findings));
}

/// The account of it all, on standard error.
fn summary(outcome: &Outcome, accounting: &Accounting, findings: &[Finding], elapsed: Duration) {
    for remark in &outcome.remarks {
        eprintln!("{}", terminal::clean(remark));
    }
    for error in &outcome.unfetched {
        eprintln!("error: not fetched, left for the next run: {}", terminal::clean(&chain(error)));
    }
    eprintln!();
    eprintln!("{}", output::account("objects", &accounting.objects));
    eprintln!("{}", output::account("records", &accounting.records));
    if outcome.known > 0 {
        eprintln!("this run        {} objects were known already", outcome.known);
    }
    if !accounting.holds() {
        eprintln!("error: the account does not add up; please report this with the lines above");
    }
    eprintln!("{}", output::severities(findings));
    let seconds = elapsed.as_secs_f64();
    eprintln!(
        "speed           {} records in {seconds:.1} s, {:.0} records/s, {:.0} objects/s",
        outcome.progress.records,
        outcome.progress.records as f64 / seconds,
        outcome.progress.objects as f64 / seconds
    );
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
