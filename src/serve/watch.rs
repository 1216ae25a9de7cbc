//! The service's watch over itself: what people have to know of it, as incidents of its own and never as findings.
//!
//! Looked at every minute. A warning is opened, kept up to date and closed by its kind and what it is about. How far the
//! sources are complete is shown more often.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use trailhound_alert::{self as alert, Alerts};
use trailhound_ingest::Queue;

use super::halt::Halt;
use super::keeper::{Request, Standing};
use super::metrics::Metrics;
use super::sources::Sources;
use crate::clock::now_micros;
use crate::coverage;

const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How far the sources are complete is shown this often.
const SHOW_EVERY: Duration = Duration::from_secs(5);
/// The account is summed up over the whole ledger, so less often.
const ACCOUNT_EVERY: Duration = Duration::from_secs(300);
/// A message that waits longer than this is not being worked on.
const QUEUE_AGE_SECONDS_MAX: f64 = 900.0;
/// The sources that are shown one by one in metrics: those that are farthest behind.
const SOURCES_SHOWN_MAX: usize = 500;
/// Kinds of warnings that are opened and closed here, as the metric `trailhound_watch` names them.
const KINDS: &[&str] =
    &["silent_source", "no_sign_ins", "parked", "queue_age", "clock_skew", "intake", "accounting", "rule"];
/// The kind that is opened and closed where it is met, by the workers of the sinks.
const SINK: &str = "sink";

pub struct Watch {
    pub alerts: Arc<Alerts>,
    pub queues: Vec<Arc<Queue>>,
    pub sources: Arc<Sources>,
    pub halt: Arc<Halt>,
    pub keeper: mpsc::Sender<Request>,
    pub metrics: Arc<Metrics>,
    pub clock_skew: Arc<ClockSkew>,
}

/// How far this machine's clock is behind that of SQS, as messages show that were received before they were sent.
#[derive(Default)]
pub struct ClockSkew(std::sync::atomic::AtomicI64);

impl ClockSkew {
    /// Clocks that differ less than this are right enough.
    const SECONDS_MAX: i64 = 60;

    /// A message that was sent and received at these times, in microseconds.
    pub fn seen(&self, sent_time: i64, received_time: i64) {
        let behind = (sent_time - received_time) / 1_000_000;
        self.0.fetch_max(behind, std::sync::atomic::Ordering::Relaxed);
    }

    /// Seconds behind since this was last asked, if they matter.
    fn take(&self) -> Option<i64> {
        let behind = self.0.swap(0, std::sync::atomic::Ordering::Relaxed);
        (behind > Self::SECONDS_MAX).then_some(behind)
    }
}

/// The warnings that hold now: kind, what it is about, text.
type Warnings = Vec<(&'static str, String, String)>;

impl Watch {
    /// Looks until cancelled.
    pub async fn run(self, cancel: CancellationToken) {
        // What the process before us left open ends with the first look that does not find it.
        let mut open: BTreeSet<(&'static str, String)> = BTreeSet::new();
        for watch in self.open_watches().await {
            open.extend(KINDS.iter().find(|kind| **kind == watch.kind).map(|kind| (*kind, watch.key)));
        }
        let mut account: Option<(Instant, Warnings)> = None;
        loop {
            let mut warnings = self.quick().await;
            if account.as_ref().is_none_or(|(looked, _)| looked.elapsed() >= ACCOUNT_EVERY) {
                account = Some((Instant::now(), self.account().await));
            }
            warnings.extend(account.iter().flat_map(|(_, warnings)| warnings.iter().cloned()));
            self.tell(&mut open, warnings).await;
            let again = Instant::now() + LOOK_EVERY;
            while Instant::now() < again {
                let silent_after = self.alerts.silent_after().unwrap_or(0);
                self.metrics.complete(&self.sources.behind(now_micros(), silent_after, SOURCES_SHOWN_MAX));
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep(SHOW_EVERY) => {}
                }
            }
        }
    }

    async fn quick(&self) -> Warnings {
        let mut warnings = Warnings::new();
        let now = now_micros();
        for (account, region, silent) in self.sources.silence(now) {
            if let Some(since) = silent {
                let hours = (now - since) / 3_600_000_000;
                let text = format!(
                    "account {account} in {region} has sent no logs for {hours} hours, which is unusual for it"
                );
                warnings.push(("silent_source", format!("{account}/{region}"), text));
            }
        }
        for account in self.sources.without_sign_ins(now) {
            let text = coverage::told(&BTreeSet::from([account.as_str()])).unwrap_or_default();
            warnings.push(("no_sign_ins", account, text));
        }
        for queue in &self.queues {
            match queue.depth().await {
                Ok(depth) if depth.oldest_age_seconds > QUEUE_AGE_SECONDS_MAX => {
                    // What a source has sent may be among what waits.
                    self.sources.deaf(now);
                    let text = format!(
                        "a message of the queue {} is {:.0} minutes old; {} wait",
                        queue.name(),
                        depth.oldest_age_seconds / 60.0,
                        depth.visible
                    );
                    warnings.push(("queue_age", queue.name().to_string(), text));
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(queue = %queue.name(), "its depth cannot be read: {}", error.words()),
            }
        }
        if let Some(seconds) = self.clock_skew.take() {
            let text = format!("this machine's clock is {seconds} s behind that of SQS");
            warnings.push(("clock_skew", "clock".into(), text));
        }
        for reason in self.halt.reasons() {
            self.sources.deaf(now);
            warnings.push((
                "intake",
                reason.split(':').next().unwrap_or("").to_string(),
                format!("intake stands still: {reason}"),
            ));
        }
        warnings
    }

    async fn account(&self) -> Warnings {
        let mut warnings = Warnings::new();
        let (answer, answered) = oneshot::channel();
        if self.keeper.send(Request::Standing(answer)).await.is_err() {
            return warnings;
        }
        match answered.await {
            Ok(Ok(Standing { accounting, ledger_bytes, rule_failures })) => {
                self.metrics.accounting_holds.set(i64::from(accounting.holds()));
                self.metrics.ledger_bytes.set(ledger_bytes as i64);
                if !accounting.holds() {
                    let text = "what was received does not equal what became of it: see `accounting_records` in SQL";
                    warnings.push(("accounting", "accounting".into(), text.into()));
                }
                for (what, sums) in [("objects", &accounting.objects), ("records", &accounting.records)] {
                    for (reason, count) in &sums.parked {
                        let text =
                            format!("{count} {what} are parked: {reason}; `trailhound replay` once that is mended");
                        warnings.push(("parked", format!("{what}/{reason}"), text));
                    }
                }
                for failure in rule_failures {
                    let text = format!(
                        "the rule {} failed on {} events, and its other findings stand: {}",
                        failure.rule, failure.rows, failure.error
                    );
                    warnings.push(("rule", failure.rule, text));
                }
            }
            Ok(Err(error)) => tracing::warn!("the accounting cannot be read: {error}"),
            Err(_) => {}
        }
        warnings
    }

    async fn tell(&self, open: &mut BTreeSet<(&'static str, String)>, warnings: Warnings) {
        let now: BTreeSet<_> = warnings.iter().map(|(kind, about, _)| (*kind, about.clone())).collect();
        let closed = open.difference(&now).map(|(kind, about)| (*kind, about.clone(), None));
        let held = warnings.into_iter().map(|(kind, about, text)| (kind, about, Some(text)));
        for (kind, about, text) in closed.collect::<Vec<_>>().into_iter().chain(held) {
            if text.is_some() && !open.contains(&(kind, about.clone())) {
                tracing::warn!(kind, "{}", text.as_deref().unwrap_or_default());
            }
            if let Err(error) = self.alerts.watch(kind, &about, text.as_deref()).await {
                tracing::warn!(kind, "a warning of the service itself was not noted: {error}");
            }
        }
        let watches = self.open_watches().await;
        for kind in KINDS.iter().chain([&SINK]) {
            let count = watches.iter().filter(|watch| watch.kind == *kind).count();
            self.metrics.watch.with_label_values(&[kind]).set(count as i64);
        }
        *open = now;
    }

    async fn open_watches(&self) -> Vec<alert::Watch> {
        self.alerts.open_watches().await.unwrap_or_else(|error| {
            tracing::warn!("the warnings of the service itself cannot be read: {error}");
            Vec::new()
        })
    }
}
