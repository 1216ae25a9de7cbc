//! What the service counts of itself, beside what queue, buckets and alerts register on their own.
//!
//! One place emits a thing's metric. Lags are by account and region, which keys of log objects tell.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use trailhound_detect::{ChangeKey, ChangeKind, Rule, Severity, Status};
use trailhound_ingest::key::{self, Key};
use trailhound_ingest::{ObjectId, ObjectOutcome, ObjectReport};
use trailhound_store::Commit;

use crate::permissions::Sums;

/// Seconds from a tenth to a day: commits are fast, a backlog is not.
const STAGE_BUCKETS: &[f64] = &[0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 86_400.0];
const COMMIT_BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
const MICROS: f64 = 1e6;
/// Accounts that findings are counted for one by one; further ones together.
const ACCOUNTS_MAX: usize = 200;
/// The label of those, and of findings of no account or of several.
const OTHER: &str = "other";

#[derive(Debug)]
pub struct Metrics {
    objects: IntCounterVec,
    records: IntCounterVec,
    pub bytes_in_flight: IntGauge,
    pub objects_in_flight: IntGauge,
    lag: GaugeVec,
    stage: HistogramVec,
    commits: IntCounter,
    commit_seconds: Histogram,
    table_version: IntGauge,
    pub table_files: IntGauge,
    pub rule_memory_bytes: IntGauge,
    pub files_compacted: IntCounter,
    pub ledger_bytes: IntGauge,
    pub accounting_holds: IntGauge,
    findings: IntCounterVec,
    account_findings: IntCounterVec,
    /// Accounts that have a label of their own.
    accounts: Mutex<BTreeSet<String>>,
    complete: GaugeVec,
    /// The sources that `complete` shows now.
    shown: Mutex<BTreeSet<(String, String)>>,
    rule_matches: IntCounterVec,
    rule_seconds: prometheus::CounterVec,
    rule_failures: IntCounterVec,
    rules: IntGauge,
    reloads: IntCounterVec,
    permissions: IntGaugeVec,
    principals: IntGaugeVec,
    /// When what is granted in an account was read last, seconds since the epoch.
    pub iam_read: IntGaugeVec,
    pub iam_failures: IntCounterVec,
    pub watch: IntGaugeVec,
    pub halted: IntGauge,
    pub ready: IntGauge,
}

impl Metrics {
    /// Registers all of them.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntCounterVec> {
            let made = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(made.clone()))?;
            Ok(made)
        };
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let made = IntGauge::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            Ok(made)
        };
        let lag = GaugeVec::new(
            Opts::new("trailhound_lag_seconds", "How long the newest object took to this stage, by source"),
            &["stage", "account", "region"],
        )?;
        registry.register(Box::new(lag.clone()))?;
        let complete = GaugeVec::new(
            Opts::new(
                "trailhound_source_complete_timestamp_seconds",
                "The event time up to which a source is complete; only those that are farthest behind",
            ),
            &["account", "region"],
        )?;
        registry.register(Box::new(complete.clone()))?;
        let stage = HistogramVec::new(
            HistogramOpts::new("trailhound_stage_seconds", "How long objects took to this stage from the one before")
                .buckets(STAGE_BUCKETS.to_vec()),
            &["stage"],
        )?;
        registry.register(Box::new(stage.clone()))?;
        let commit_seconds = Histogram::with_opts(
            HistogramOpts::new("trailhound_commit_seconds", "Time of a commit: data files, table and ledger")
                .buckets(COMMIT_BUCKETS.to_vec()),
        )?;
        registry.register(Box::new(commit_seconds.clone()))?;
        let commits = IntCounter::new("trailhound_commits_total", "Commits of the table by this process")?;
        registry.register(Box::new(commits.clone()))?;
        let files_compacted =
            IntCounter::new("trailhound_files_compacted_total", "Files of the table that were made into larger ones")?;
        registry.register(Box::new(files_compacted.clone()))?;
        let rule_seconds = prometheus::CounterVec::new(
            Opts::new("trailhound_rule_seconds_total", "Time spent evaluating a rule"),
            &["rule"],
        )?;
        registry.register(Box::new(rule_seconds.clone()))?;
        let watch = IntGaugeVec::new(
            Opts::new("trailhound_watch", "Open warnings of the service's watch over itself"),
            &["kind"],
        )?;
        registry.register(Box::new(watch.clone()))?;
        let by_account = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntGaugeVec> {
            let made = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(made.clone()))?;
            Ok(made)
        };
        let build = IntGaugeVec::new(Opts::new("trailhound_build_info", "The version that runs"), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(build))?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let reloads = counter("trailhound_reloads_total", "Reloads while running", &["what", "result"])?;
        for what in ["rules", "routes", "site"] {
            for result in ["ok", "refused"] {
                reloads.with_label_values(&[what, result]);
            }
        }
        Ok(Self {
            objects: counter("trailhound_objects_total", "Objects by what became of them", &["outcome", "reason"])?,
            records: counter("trailhound_records_total", "Records by what became of them", &["outcome"])?,
            bytes_in_flight: gauge("trailhound_bytes_in_flight", "Bytes of objects that are fetched, not yet decoded")?,
            objects_in_flight: gauge("trailhound_objects_in_flight", "Objects between message and commit")?,
            lag,
            stage,
            commits,
            commit_seconds,
            table_version: gauge("trailhound_table_version", "The table's version as this process knows it")?,
            rule_memory_bytes: gauge(
                "trailhound_rule_memory_bytes",
                "What rules remember, without what lies in a file",
            )?,
            table_files: gauge("trailhound_table_files", "Files of the table, as upkeep saw it last")?,
            files_compacted,
            ledger_bytes: gauge("trailhound_ledger_bytes", "Size of the ledger")?,
            accounting_holds: gauge("trailhound_accounting_holds", "1 while everything received is accounted for")?,
            findings: counter(
                "trailhound_findings_total",
                "Changes of findings",
                &["rule", "severity", "status", "change"],
            )?,
            account_findings: counter(
                "trailhound_account_findings_total",
                "Findings that were raised, by account",
                &["account", "severity", "status"],
            )?,
            accounts: Mutex::default(),
            complete,
            shown: Mutex::default(),
            rule_matches: counter("trailhound_rule_matches_total", "Events that a rule chose", &["rule"])?,
            rule_seconds,
            rule_failures: counter("trailhound_rule_failures_total", "Rows that a rule failed on", &["rule"])?,
            rules: gauge("trailhound_rules", "Rules at work")?,
            reloads,
            permissions: by_account(
                "trailhound_permissions",
                "Granted actions by what became of them, over all users and roles of an account",
                &["account", "verdict"],
            )?,
            principals: by_account(
                "trailhound_principals",
                "Users and roles of an account by what they do",
                &["account", "activity"],
            )?,
            iam_read: by_account(
                "trailhound_iam_read_timestamp_seconds",
                "When what is granted in an account was read last",
                &["account"],
            )?,
            iam_failures: counter(
                "trailhound_iam_read_failures_total",
                "What is granted in an account could not be read",
                &["account"],
            )?,
            watch,
            halted: gauge("trailhound_intake_halted", "1 while intake stands still because of an error")?,
            ready: gauge("trailhound_ready", "1 while messages are received and kept")?,
        })
    }

    /// Further deliveries of known objects.
    pub fn duplicate_objects(&self, times: u64) {
        self.objects.with_label_values(&["duplicate", ""]).inc_by(times);
    }

    /// An object that was read.
    pub fn read(&self, report: &ObjectReport) {
        let outcome = match report.outcome {
            ObjectOutcome::Decoded => "kept",
            ObjectOutcome::Skipped => "skipped",
            ObjectOutcome::Parked => "parked",
        };
        self.objects.with_label_values(&[outcome, report.reason.as_deref().unwrap_or("")]).inc();
        self.records.with_label_values(&["received"]).inc_by(report.records_received);
        self.records.with_label_values(&["skipped"]).inc_by(report.records_skipped.values().sum());
        self.records.with_label_values(&["parked"]).inc_by(report.parked.len() as u64);
    }

    /// A commit is durable.
    pub fn committed(&self, commit: &Commit, took: Duration) {
        self.commits.inc();
        self.commit_seconds.observe(took.as_secs_f64());
        self.table_version.set(commit.version);
        self.records.with_label_values(&["kept"]).inc_by(commit.kept);
    }

    /// Rows that turned out to be copies.
    pub fn duplicates(&self, rows: u64) {
        self.records.with_label_values(&["duplicate"]).inc_by(rows);
    }

    /// A message came that announces this object: from the object's stamp to the sending of its message, and on to us.
    pub fn received_lag(&self, key: &str, sent_time: i64, received_time: i64) {
        self.stage_lag(key, "received", received_time - sent_time);
        if let Key::Log(log) = key::parse(key)
            && let Some(stamp) = log.stamp.and_then(trailhound_ingest::source::stamp_micros)
        {
            self.lag_of(log.account_id, log.region, "delivered", sent_time - stamp);
        }
    }

    /// An object is durable.
    pub fn kept_lag(&self, id: &ObjectId, now: i64, received_time: i64) {
        self.stage_lag(&id.key, "kept", now - received_time);
    }

    /// The rules saw a commit, with these objects.
    pub fn found(&self, objects: &[ObjectId], took: Duration) {
        self.stage.with_label_values(&["found"]).observe(took.as_secs_f64());
        for id in objects {
            if let Key::Log(log) = key::parse(&id.key) {
                self.lag.with_label_values(&["found", log.account_id, log.region]).set(took.as_secs_f64());
            }
        }
    }

    fn stage_lag(&self, key: &str, stage: &str, micros: i64) {
        match key::parse(key) {
            Key::Log(log) => self.lag_of(log.account_id, log.region, stage, micros),
            _ => self.stage.with_label_values(&[stage]).observe(micros as f64 / MICROS),
        }
    }

    fn lag_of(&self, account: &str, region: &str, stage: &str, micros: i64) {
        let seconds = micros as f64 / MICROS;
        self.stage.with_label_values(&[stage]).observe(seconds);
        self.lag.with_label_values(&[stage, account, region]).set(seconds);
    }

    /// Something was loaded anew while running, or refused.
    pub fn reloaded(&self, what: &str, accepted: bool) {
        self.reloads.with_label_values(&[what, if accepted { "ok" } else { "refused" }]).inc();
    }

    /// Findings were raised, amended or retracted.
    pub fn findings(&self, change: &ChangeKey, count: u64) {
        let (severity, status) = (change.severity.as_str(), change.status.as_str());
        self.findings.with_label_values(&[change.rule.as_str(), severity, status, change.kind.as_str()]).inc_by(count);
        if change.kind == ChangeKind::Raised {
            let account = change.account_id.as_deref().filter(|account| self.has_label(account)).unwrap_or(OTHER);
            self.account_findings.with_label_values(&[account, severity, status]).inc_by(count);
        }
    }

    /// These accounts send. What is found in each begins at zero, so that its first finding is an increase.
    pub fn accounts_known(&self, accounts: impl IntoIterator<Item = String>) {
        for account in accounts.into_iter().filter(|account| self.has_label(account)) {
            for severity in Severity::WORDS {
                self.account_findings.with_label_values(&[account.as_str(), severity, Status::Stable.as_str()]);
            }
        }
    }

    /// Whether an account is among the first that findings were counted for.
    fn has_label(&self, account: &str) -> bool {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.contains(account) || accounts.len() < ACCOUNTS_MAX && accounts.insert(account.to_owned())
    }

    /// How far these sources are complete, in µs; they take the place of those that were shown before.
    pub fn complete(&self, sources: &[((String, String), i64)]) {
        for ((account, region), complete_to) in sources {
            self.complete.with_label_values(&[account, region]).set((*complete_to as f64 / MICROS).floor());
        }
        let now: BTreeSet<_> = sources.iter().map(|(name, _)| name.clone()).collect();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for (account, region) in shown.difference(&now) {
            // Its series may be gone only if nobody showed it.
            let _ = self.complete.remove_label_values(&[account, region]);
        }
        *shown = now;
    }

    /// These rules are at work. What is counted of each begins at zero, so that its first finding is an increase.
    pub fn rules_at_work(&self, rules: &[Arc<Rule>]) {
        self.rules.set(rules.len() as i64);
        for rule in rules {
            let id = rule.id.as_str();
            self.rule_matches.with_label_values(&[id]);
            self.rule_seconds.with_label_values(&[id]);
            self.rule_failures.with_label_values(&[id]);
            for change in [ChangeKind::Raised, ChangeKind::Amended, ChangeKind::Retracted] {
                let header = &rule.header;
                let labels = [id, header.severity.as_str(), header.status.as_str(), change.as_str()];
                self.findings.with_label_values(&labels);
            }
        }
    }

    /// What evaluating a rule took in a batch.
    pub fn rule(&self, rule: &str, matches: u64, time: Duration) {
        self.rule_matches.with_label_values(&[rule]).inc_by(matches);
        self.rule_seconds.with_label_values(&[rule]).inc_by(time.as_secs_f64());
    }

    /// A rule failed on rows.
    pub fn rule_failed(&self, rule: &str, rows: u64) {
        self.rule_failures.with_label_values(&[rule]).inc_by(rows);
    }

    /// What became of permissions and principals of an account.
    pub fn permissions(&self, account: &str, sums: &Sums) {
        for (verdict, actions) in
            [("used", sums.used), ("unused", sums.unused), ("not_observable", sums.not_observable)]
        {
            self.permissions.with_label_values(&[account, verdict]).set(actions);
        }
        for activity in ["active", "active by IAM", "unused", "young", "not observable"] {
            let principals = sums.principals.get(activity).copied().unwrap_or(0);
            self.principals.with_label_values(&[account, &activity.replace(' ', "_").to_lowercase()]).set(principals);
        }
    }

    /// A sink was told of an incident for the first time.
    pub fn told(&self, told: &trailhound_alert::Told) {
        let seconds = (told.told_time - told.found_time) as f64 / MICROS;
        self.stage.with_label_values(&["told"]).observe(seconds);
        if let (Some(account), Some(region)) = (&told.account_id, &told.region) {
            self.lag.with_label_values(&["told", account, region]).set(seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(registry: &Registry, name: &str) -> Vec<String> {
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        text.lines().filter(|line| line.starts_with(&format!("{name}{{"))).map(str::to_string).collect()
    }

    #[test]
    fn accounts_and_sources_make_no_more_series_than_their_bounds() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        for n in 0..ACCOUNTS_MAX + 50 {
            let change = ChangeKey {
                rule: "iam/x".into(),
                severity: Severity::Low,
                status: Status::Stable,
                account_id: Some(format!("{n:012}")),
                kind: ChangeKind::Raised,
            };
            metrics.findings(&change, 2);
            metrics.findings(&ChangeKey { kind: ChangeKind::Amended, ..change }, 1);
        }
        let accounts = series(&registry, "trailhound_account_findings_total");
        assert_eq!(accounts.len(), ACCOUNTS_MAX + 1);
        metrics.accounts_known(["000000000000".into(), "999999999999".into()]);
        let known = series(&registry, "trailhound_account_findings_total");
        assert_eq!(known.len(), ACCOUNTS_MAX + 1 + 4, "the other severities of the first");
        let other = "trailhound_account_findings_total{account=\"other\",severity=\"low\",status=\"stable\"} 100";
        assert!(accounts.iter().any(|line| line == other), "{accounts:#?}");

        let source = |region: &str, time| (("111122223333".to_string(), region.to_string()), time);
        metrics.complete(&[source("eu-west-1", 2_000_000), source("us-east-1", 3_000_000)]);
        metrics.complete(&[source("us-east-1", 4_500_000)]);
        let name = "trailhound_source_complete_timestamp_seconds";
        let expected = format!("{name}{{account=\"111122223333\",region=\"us-east-1\"}} 4");
        assert_eq!(series(&registry, name), [expected]);
    }
}
