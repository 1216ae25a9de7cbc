//! A worker for each sink: takes what is due, one after the other, gravest first, and notes what became of it.
//!
//! Only one incident of a sink is in memory at a time; what waits, waits in the ledger. When the service is cancelled,
//! what is due is still told, within a bound; the rest is told after the next start.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use trailhound_store::crash;

use super::Alerts;
use crate::clock::MINUTE;
use crate::error::Result;
use crate::incident::{State, read_row};
use crate::message::{Message, Writer};
use crate::metrics::Told;
use crate::outbox::{self, Due, Noted, Outcome};
use crate::setup::Setup;
use crate::sink::Sink;

/// A worker looks at the ledger at least this often, whether the bell rang or not.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The pause after the ledger failed.
const LEDGER_PAUSE: Duration = Duration::from_secs(1);
/// Gauges are brought to the ledger this often.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// What was held back is looked at this often.
const RELEASE_EVERY: Duration = Duration::from_secs(1);
/// From so many tries of one incident in a row on, a sink is said to fail.
const FAILS_FROM_TRIES: i64 = 4;

/// When a sink was told something in the last minute; how its limit is kept.
#[derive(Debug, Default)]
pub(super) struct Pace {
    sent: VecDeque<i64>,
    /// Something had to wait since a message last said so.
    held: bool,
}

/// What a worker did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Told(Noted),
    /// Nothing can be told before this time, µs.
    Idle {
        until: Option<i64>,
    },
}

impl Pace {
    /// When the next message may go, if not now.
    fn wait(&mut self, now: i64, per_minute_max: u32) -> Option<i64> {
        while self.sent.front().is_some_and(|sent| now.saturating_sub(*sent) >= MINUTE) {
            self.sent.pop_front();
        }
        let full = self.sent.len() >= per_minute_max as usize;
        let oldest = *self.sent.front()?;
        full.then(|| oldest.saturating_add(MINUTE))
    }
}

impl Alerts {
    /// Tells what is due until cancelled; then what is due by then, for no longer than `drain`.
    pub async fn run(self: Arc<Self>, cancel: CancellationToken, drain: Duration) {
        let mut bell = self.bell.subscribe();
        let mut workers = JoinSet::new();
        let mut working = Vec::new();
        let mut measure = tokio::time::interval(MEASURE_EVERY);
        measure.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut release = tokio::time::interval(RELEASE_EVERY);
        release.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !cancel.is_cancelled() {
            for name in self.setup().sinks.keys().filter(|name| !working.contains(*name)).cloned().collect::<Vec<_>>() {
                working.push(name.clone());
                workers.spawn(self.clone().work(name, cancel.clone()));
            }
            tokio::select! {
                () = cancel.cancelled() => break,
                _ = bell.changed() => {}
                _ = measure.tick() => self.measure().await,
                _ = release.tick() => if let Err(error) = self.release().await {
                    tracing::error!(error = chain(&error), "what was held back cannot be told");
                },
                // Its sink is gone; it may come back.
                Some(name) = workers.join_next() => ended(name, &mut working),
            }
        }
        let drained = tokio::time::timeout(drain, async {
            while let Some(name) = workers.join_next().await {
                ended(name, &mut working);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(
                sinks = working.join(", "),
                "alerts are still being told; they are told after the next start"
            );
            workers.shutdown().await;
        }
        self.measure().await;
    }

    /// Tells one sink until it is gone from the configuration, or until cancelled and nothing is due.
    async fn work(self: Arc<Self>, name: String, cancel: CancellationToken) -> String {
        let mut pace = Pace::default();
        let mut bell = self.bell.subscribe();
        loop {
            bell.mark_unchanged();
            let setup = self.setup();
            let Some(sink) = setup.sinks.get(&name) else { return name };
            let wait = match self.step(&name, sink, &setup, &mut pace).await {
                Ok(Step::Told(_)) => continue,
                Ok(Step::Idle { until }) => {
                    let now = self.clock.now();
                    let pause = until.map_or(LOOK_EVERY, |until| {
                        Duration::from_micros(until.saturating_sub(now).max(0).unsigned_abs())
                    });
                    pause.clamp(Duration::from_millis(1), LOOK_EVERY)
                }
                Err(error) => {
                    tracing::error!(sink = name, error = chain(&error), "the outbox cannot be read or written");
                    LEDGER_PAUSE
                }
            };
            if cancel.is_cancelled() {
                return name;
            }
            tokio::select! {
                () = cancel.cancelled() => {}
                _ = bell.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Tells a sink one thing that is due.
    pub(super) async fn step(&self, name: &str, sink: &Sink, setup: &Setup, pace: &mut Pace) -> Result<Step> {
        let fail = |e| self.fail("read the outbox", e);
        let pool = self.ledger.pool();
        let now = self.clock.now();
        let Some(due) = outbox::next_due(pool, name, now).await.map_err(fail)? else {
            return Ok(Step::Idle { until: outbox::next_time(pool, name).await.map_err(fail)? });
        };
        if let Some(until) = pace.wait(now, setup.alerts.per_minute_max) {
            pace.held = true;
            return Ok(Step::Idle { until: Some(until) });
        }
        let Some(row) = read_row(pool, &due.incident).await.map_err(fail)? else {
            return Err(crate::AlertError::UnknownIncident { id: due.incident });
        };
        let fail_reading = |e| self.fail("read an incident", e);
        let writer = Writer { pool, findings: &self.findings, accounts: &setup.accounts, fail: &fail_reading };
        let mut message = writer.write(&row, due.told_revision).await?;
        if pace.held {
            message.waiting = (outbox::waiting(pool, name, now).await.map_err(fail)? - 1).max(0).unsigned_abs();
        }
        self.begin(&due, now).await?;
        crash::point("alert.sending");
        let outcome = sink.send(&message, due.remote.as_deref(), now).await;
        crash::point("alert.sent");
        pace.sent.push_back(now);
        pace.held &= message.waiting == 0;
        let ended = self.clock.now();
        let updates_every = setup.updates_every(row.kind == "watch");
        let fail = |e| self.fail("note an attempt", e);
        let mut transaction = self.ledger.begin().await?;
        let noted = due.end(&mut transaction, &row, &outcome, updates_every, ended).await.map_err(fail)?;
        transaction.commit().await.map_err(fail)?;
        self.metrics.attempt(&due, &outcome, noted);
        if noted == Noted::Delivered && due.told_revision == 0 && row.state == State::Open {
            self.heard(&due, &message, row.last_time.unwrap_or(now), ended);
        }
        self.watch_sink(name, &due, &outcome, noted).await?;
        Ok(Step::Told(noted))
    }

    async fn begin(&self, due: &Due, now: i64) -> Result<()> {
        let fail = |e| self.fail("note an attempt", e);
        let mut transaction = self.ledger.begin().await?;
        due.begin(&mut transaction, now).await.map_err(fail)?;
        transaction.commit().await.map_err(fail)
    }

    fn heard(&self, due: &Due, message: &Message, event_time: i64, told_time: i64) {
        let hearer = self.hearer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(hearer) = hearer.as_ref() {
            hearer(&Told {
                sink: due.sink.clone(),
                account_id: message.accounts.first().map(|account| account.id.clone()),
                region: message.regions.first().cloned(),
                event_time,
                found_time: due.created_time,
                told_time,
            });
        }
    }

    /// A sink that fails is worth a warning at the others.
    async fn watch_sink(&self, name: &str, due: &Due, outcome: &Outcome, noted: Noted) -> Result<()> {
        let text = match (outcome, noted) {
            (Outcome::Delivered { .. }, _) => None,
            (Outcome::Retry { .. }, Noted::Retried) if due.tries + 1 < FAILS_FROM_TRIES => return Ok(()),
            (Outcome::Retry { reason, .. }, Noted::Retried) => {
                Some(format!("the sink {name} does not take alerts since {} tries: {reason}", due.tries + 1))
            }
            (Outcome::Retry { reason, .. } | Outcome::Refused { reason }, _) => {
                Some(format!("the sink {name} refused an alert, which is a dead letter now: {reason}"))
            }
        };
        self.watch("sink", name, text.as_deref()).await
    }

    async fn measure(&self) {
        let setup = self.setup();
        if let Err(error) = self.metrics.measure(self.ledger.pool(), &setup, self.clock.now()).await {
            let error = self.fail("measure the outbox", error);
            tracing::warn!(error = chain(&error), "the outbox cannot be measured");
        }
    }
}

/// A worker has ended. One that panicked takes the service with it: nobody would be told any more.
fn ended(name: std::result::Result<String, JoinError>, working: &mut Vec<String>) {
    match name {
        Ok(name) => working.retain(|other| *other != name),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => tracing::error!(%error, "a worker was stopped"),
        },
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
