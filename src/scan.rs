//! `trailhound scan`: logs in, findings out, and the account of every object and record.

use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use trailhound_detect::{Detector, Finding};
use trailhound_ingest::source::Wanted;
use trailhound_ingest::{Geo, Limits};
use trailhound_store::{Accounting, Store, StoreOptions};

use crate::args::ScanArgs;
use crate::intake::{self, Intake, Outcome, Progress};
use crate::output;
use crate::shipped;

/// Runs a scan. Exit 1 when `--fail-on` is reached, 2 when objects could not be fetched.
pub async fn run(args: ScanArgs) -> anyhow::Result<ExitCode> {
    let rules = shipped::rule_set(&args.rules)?;
    let geo = Geo::open(&args.geoip)?;
    let source = intake::open_source(&args.path).await?;
    let temporary = match &args.store {
        Some(_) => None,
        None => Some(tempfile::tempdir().context("cannot make a temporary store (TMPDIR says where)")?),
    };
    let location = match (&args.store, &temporary) {
        (Some(store), _) => store.clone(),
        (None, Some(folder)) => folder.path().display().to_string(),
        (None, None) => unreachable!("a temporary store is made where none is named"),
    };
    let mut store = Store::open(StoreOptions { ledger: args.ledger.clone(), ..StoreOptions::new(location) }).await?;
    let detector = Detector::open(&store, rules).await?;
    detector.catch_up(&store).await?;

    let wanted =
        Wanted { since: args.since, until: args.until, accounts: args.account.clone(), regions: args.region.clone() };
    let bar = progress_bar();
    let started = std::time::Instant::now();
    let mut intake = Intake { store: &mut store, detector: &detector, geo, limits: Limits::default(), again: false };
    let outcome = intake.run(source, wanted, &mut |progress| show(&bar, progress)).await?;
    bar.finish_and_clear();

    let findings = detector.findings().current().await?;
    output::findings(&findings, args.format)?;
    for failure in detector.failures() {
        eprintln!("warning: rule {} failed on {} rows: {}", failure.rule, failure.rows, failure.error);
    }
    summary(&outcome, &store.accounting().await?, &findings, started.elapsed());
    Ok(exit_code(&args, &outcome, &findings))
}

fn exit_code(args: &ScanArgs, outcome: &Outcome, findings: &[Finding]) -> ExitCode {
    if !outcome.unfetched.is_empty() {
        return ExitCode::from(2);
    }
    let reached = |bound: crate::args::SeverityArg| {
        findings.iter().any(|finding| output::severity_rank(finding.severity.as_str()) >= output::severity_rank(bound.as_str()))
    };
    ExitCode::from(u8::from(args.fail_on.is_some_and(reached)))
}

/// A bar on a terminal, nothing elsewhere.
pub fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} objects  {msg}  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// Puts progress on the bar.
pub fn show(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.listed.max(progress.objects));
    bar.set_position(progress.objects);
    bar.set_message(format!("{} records  {} findings", progress.records, progress.findings));
}

/// The account of it all, on standard error.
pub fn summary(outcome: &Outcome, accounting: &Accounting, findings: &[Finding], elapsed: std::time::Duration) {
    for remark in &outcome.remarks {
        eprintln!("{}", crate::terminal::clean(remark));
    }
    for error in &outcome.unfetched {
        eprintln!("error: not fetched, left for the next run: {}", crate::terminal::clean(&chain(error)));
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
