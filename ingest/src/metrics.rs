//! What the queue side counts, in Prometheus' terms.
//!
//! The names are the service's contract (dashboards and alerts lean on them). What is counted here is met here: the
//! places that log a thing call one method of [`Metrics`] beside the log line.

use prometheus::{GaugeVec, Histogram, HistogramOpts, IntCounterVec, IntGaugeVec, Opts, Registry, exponential_buckets};

/// Handles of all metrics of this crate; a clone counts in the same place.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) received: IntCounterVec,
    pub(crate) deleted: IntCounterVec,
    pub(crate) parked: IntCounterVec,
    pub(crate) returned: IntCounterVec,
    pub(crate) delete_failures: IntCounterVec,
    pub(crate) extensions: IntCounterVec,
    pub(crate) leases: IntGaugeVec,
    pub(crate) depth: IntGaugeVec,
    pub(crate) oldest: GaugeVec,
    pub(crate) fetch_seconds: Histogram,
    pub(crate) fetch_failures: IntCounterVec,
    pub(crate) calls: IntCounterVec,
}

/// Lower end and number of the fetch histogram's buckets: 2 ms to 65 s, each twice the one before.
const FETCH_BUCKETS: (f64, usize) = (0.002, 16);

impl Metrics {
    /// Registers all of them. Fails only where a name is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let oldest = GaugeVec::new(
            Opts::new(
                "trailhound_queue_oldest_message_age_seconds",
                "Age of the oldest message that is held; where none is held, how long messages wait",
            ),
            &["queue"],
        )?;
        registry.register(Box::new(oldest.clone()))?;
        let fetch_seconds = Histogram::with_opts(
            HistogramOpts::new("trailhound_fetch_seconds", "Time to fetch an object, all tries together")
                .buckets(exponential_buckets(FETCH_BUCKETS.0, 2.0, FETCH_BUCKETS.1)?),
        )?;
        registry.register(Box::new(fetch_seconds.clone()))?;
        Ok(Self {
            received: counter("trailhound_messages_received_total", "Messages received", &["queue"])?,
            deleted: counter("trailhound_messages_deleted_total", "Messages acknowledged and deleted", &["queue"])?,
            parked: counter("trailhound_messages_parked_total", "Messages parked", &["queue", "reason"])?,
            returned: counter("trailhound_messages_returned_total", "Messages handed back", &["queue"])?,
            delete_failures: counter(
                "trailhound_message_delete_failures_total",
                "Acknowledged messages that could not be deleted; they come again and are recognised",
                &["queue"],
            )?,
            extensions: counter("trailhound_lease_extensions_total", "Extensions of leases", &["queue", "result"])?,
            leases: gauge("trailhound_leases", "Messages that are held", &["queue"])?,
            depth: gauge("trailhound_queue_messages", "Messages in the queue, roughly, by SQS", &["queue", "state"])?,
            oldest,
            fetch_seconds,
            fetch_failures: counter("trailhound_fetch_failures_total", "Objects not fetched", &["reason"])?,
            calls: counter("trailhound_aws_calls_total", "Calls to AWS", &["service", "operation", "result"])?,
        })
    }

    /// What is counted of a queue begins at zero, so that the first failure is an increase.
    pub(crate) fn queue(&self, queue: &str) {
        for counter in [&self.received, &self.deleted, &self.returned, &self.delete_failures] {
            counter.with_label_values(&[queue]);
        }
        for result in ["ok", "failed"] {
            self.extensions.with_label_values(&[queue, result]);
        }
    }

    /// Metrics that nobody scrapes, for commands that are no service.
    pub fn unregistered() -> Self {
        Self::new(&Registry::new()).expect("an empty registry takes every name once")
    }

    /// A message was parked, which whoever reads it decides. `reason` is one of the stable words of this crate.
    pub fn message_parked(&self, queue: &str, reason: &str) {
        self.parked.with_label_values(&[queue, reason]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_once() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        assert!(Metrics::new(&registry).is_err());
        metrics.message_parked("logs", "not_json");
        let families = registry.gather();
        assert!(families.iter().any(|family| family.name() == "trailhound_messages_parked_total"));
    }
}
