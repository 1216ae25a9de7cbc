//! What alerts count of themselves. One place emits a thing's metric and its log line.

use prometheus::{Gauge, GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use sqlx::Row as _;
use sqlx::any::Any;
use trailhound_detect::Severity;

use crate::outbox::{Due, Noted, Outcome, seconds};
use crate::setup::Setup;

#[derive(Debug)]
pub(crate) struct Metrics {
    alerts: IntCounterVec,
    pending: IntGaugeVec,
    oldest: GaugeVec,
    open: IntGaugeVec,
    held: IntGauge,
    held_oldest: Gauge,
}

/// An incident was told for the first time at a sink: for the lag from event to message. Times are µs since the epoch.
#[derive(Debug, Clone)]
pub struct Told {
    pub sink: String,
    pub account_id: Option<String>,
    pub region: Option<String>,
    /// Of the incident's last event.
    pub event_time: i64,
    /// When it came into the outbox: when it was found, or was held back no longer.
    pub found_time: i64,
    pub told_time: i64,
}

impl Metrics {
    /// Registers all of them.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let alerts = IntCounterVec::new(
            Opts::new("trailhound_alerts_total", "Attempts to tell a sink, by what became of them"),
            &["sink", "result"],
        )?;
        let pending = IntGaugeVec::new(Opts::new("trailhound_outbox_pending", "Incidents to be told"), &["sink"])?;
        let oldest = GaugeVec::new(
            Opts::new("trailhound_outbox_oldest_seconds", "How long the oldest of them waits"),
            &["sink"],
        )?;
        let open = IntGaugeVec::new(
            Opts::new("trailhound_incidents_open", "Incidents that are not closed, history left aside"),
            &["severity"],
        )?;
        let held =
            IntGauge::new("trailhound_findings_held", "Findings that may still be undone, and are not told yet")?;
        let held_oldest =
            Gauge::new("trailhound_findings_held_oldest_seconds", "How long the oldest of them is held back")?;
        registry.register(Box::new(held.clone()))?;
        registry.register(Box::new(held_oldest.clone()))?;
        registry.register(Box::new(alerts.clone()))?;
        registry.register(Box::new(pending.clone()))?;
        registry.register(Box::new(oldest.clone()))?;
        registry.register(Box::new(open.clone()))?;
        Ok(Metrics { alerts, pending, oldest, open, held, held_oldest })
    }

    /// Makes the counters of these sinks be there from the start.
    pub fn know(&self, setup: &Setup) {
        for sink in setup.sinks.keys() {
            for noted in [Noted::Delivered, Noted::Retried, Noted::Dead] {
                self.alerts.with_label_values(&[sink.as_str(), noted.as_str()]);
            }
        }
    }

    /// An attempt has ended.
    pub fn attempt(&self, due: &Due, outcome: &Outcome, noted: Noted) {
        self.alerts.with_label_values(&[due.sink.as_str(), noted.as_str()]).inc();
        let (sink, incident, tries) = (&due.sink, &due.incident, due.tries + 1);
        match (outcome, noted) {
            (Outcome::Retry { reason, unknown, .. }, Noted::Retried) => {
                tracing::warn!(
                    sink,
                    incident,
                    tries,
                    unknown,
                    reason,
                    "a sink did not take an alert; it is tried again"
                );
            }
            (Outcome::Retry { reason, .. } | Outcome::Refused { reason }, _) => {
                tracing::error!(sink, incident, tries, reason, "an alert could not be told and is a dead letter now");
            }
            (Outcome::Delivered { .. }, _) => tracing::debug!(sink, incident, tries, "an alert was told"),
        }
    }

    /// Brings the gauges to the ledger.
    pub async fn measure(&self, pool: &sqlx::Pool<Any>, setup: &Setup, now: i64) -> Result<(), sqlx::Error> {
        // A gauge of a sink that is gone would stand still for ever.
        self.pending.reset();
        self.oldest.reset();
        for sink in setup.sinks.keys() {
            let row = sqlx::query("SELECT COUNT(*), MIN(created_time) FROM outbox WHERE sink = $1")
                .bind(sink.clone())
                .fetch_one(pool)
                .await?;
            self.pending.with_label_values(&[sink.as_str()]).set(row.try_get(0)?);
            let oldest: Option<i64> = row.try_get(1)?;
            let waits = oldest.map_or(0.0, |oldest| seconds(oldest, now).max(0.0));
            self.oldest.with_label_values(&[sink.as_str()]).set(waits);
        }
        let row = sqlx::query("SELECT COUNT(*), MIN(since) FROM held_findings").fetch_one(pool).await?;
        self.held.set(row.try_get(0)?);
        let oldest: Option<i64> = row.try_get(1)?;
        self.held_oldest.set(oldest.map_or(0.0, |oldest| seconds(oldest, now).max(0.0)));
        for severity in Severity::WORDS {
            let row =
                sqlx::query("SELECT COUNT(*) FROM incidents WHERE state <> 'closed' AND history = 0 AND severity = $1")
                    .bind((*severity).to_owned())
                    .fetch_one(pool)
                    .await?;
            self.open.with_label_values(&[severity]).set(row.try_get(0)?);
        }
        Ok(())
    }
}
