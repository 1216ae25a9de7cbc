//! Alerts as the service sees them: follows the detector's findings, and tells people.
//!
//! ```text
//! detector ─► changed (its transaction: findings, cursors, incidents, outbox) ─► committed ─► bell
//!                                                                                              │
//! reload ─► setup, whole ─► a worker for each sink: due? ─► note the attempt ─► send ─► note the outcome
//! ```
//! What later events may still undo waits until the sources are complete up to it ([`release`]).

mod reconcile;
mod release;
mod worker;

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures::future::BoxFuture;
use sqlx::any::Any;
use sqlx::{Row as _, Transaction};
use tokio::sync::watch;
use trailhound_detect::{Change, ChangeCounts, FindingsLedger, Follower};
use trailhound_store::Ledger;

use crate::clock::{Clock, HOUR};
use crate::completeness::Completeness;
use crate::config::Alerting;
use crate::error::{AlertError, Result};
use crate::incident::grouping::incident_id;
use crate::incident::{Incidents, State, Watch, open_watches, watch_stands};
use crate::message::Message;
use crate::metrics::{Metrics, Told};
use crate::outbox;
use crate::secret::Secrets;
use crate::setup::Setup;
use crate::sink::{Client, Verdict};
use crate::tables;

/// Hears of every incident that a sink is told of for the first time.
type Hearer = Box<dyn Fn(&Told) + Send + Sync>;

/// Findings → incidents → messages. One for a ledger; shared between the detector, the workers and who asks.
pub struct Alerts {
    ledger: Ledger,
    findings: FindingsLedger,
    setup: RwLock<Arc<Setup>>,
    secrets: Arc<dyn Secrets>,
    client: Client,
    clock: Clock,
    sources: Arc<dyn Completeness>,
    /// When alerts were first opened on this ledger, µs.
    first_start: i64,
    metrics: Metrics,
    hearer: Mutex<Option<Hearer>>,
    /// Counts up when there may be something to tell; workers wait for that.
    bell: watch::Sender<u64>,
}

/// Whether every sink of a configuration can be made ready: it is sound, and its secrets can be read. None is contacted.
pub async fn check_secrets(config: &Alerting, secrets: &dyn Secrets) -> Result<()> {
    Setup::new(config, secrets, &Client::new()?).await.map(drop)
}

/// Sends a message that says that it is a test to a sink of a configuration, without a ledger.
pub async fn test_sink(config: &Alerting, name: &str, secrets: &dyn Secrets) -> Result<Verdict> {
    let setup = Setup::new(config, secrets, &Client::new()?).await?;
    test(&setup, name, Clock::system().now()).await
}

async fn test(setup: &Setup, name: &str, now: i64) -> Result<Verdict> {
    let Some(sink) = setup.sinks.get(name) else {
        let known = Vec::from_iter(setup.sinks.keys().map(String::as_str)).join(", ");
        return Err(AlertError::UnknownSink { name: name.to_owned(), known });
    };
    let id = incident_id(&["test", name, &now.to_string()]);
    Ok(sink.test(Message::test(&id, now), now).await)
}

impl fmt::Debug for Alerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alerts").field("sinks", &self.setup().sinks.keys()).finish_non_exhaustive()
    }
}

impl Alerts {
    /// Checks the configuration, reads its secrets and makes the tables. Findings that came while nobody followed (a
    /// scan of the same store) are grouped now. Nothing is sent before [`Alerts::run`].
    pub async fn open(
        ledger: &Ledger,
        config: &Alerting,
        secrets: Arc<dyn Secrets>,
        sources: Arc<dyn Completeness>,
        registry: &prometheus::Registry,
    ) -> Result<Arc<Self>> {
        Self::open_with(ledger, config, secrets, sources, registry, Clock::system(), Client::new()?).await
    }

    pub(crate) async fn open_with(
        ledger: &Ledger,
        config: &Alerting,
        secrets: Arc<dyn Secrets>,
        sources: Arc<dyn Completeness>,
        registry: &prometheus::Registry,
        clock: Clock,
        client: Client,
    ) -> Result<Arc<Self>> {
        let setup = Setup::new(config, secrets.as_ref(), &client).await?;
        tables::migrate(ledger).await?;
        let metrics = Metrics::new(registry)?;
        metrics.know(&setup);
        let alerts = Alerts {
            first_start: first_start(ledger, clock.now()).await?,
            findings: FindingsLedger::open(ledger).await?,
            ledger: ledger.clone(),
            setup: RwLock::new(Arc::new(setup)),
            secrets,
            client,
            clock,
            sources,
            metrics,
            hearer: Mutex::new(None),
            bell: watch::Sender::new(0),
        };
        alerts.retire_sinks().await?;
        alerts.reconcile().await?;
        Ok(Arc::new(alerts))
    }

    /// Puts another configuration in place of the one at work, whole or not at all. Secrets are read anew. What is being
    /// sent is finished with the old one; what waits at sinks that are gone becomes dead letters.
    pub async fn reload(&self, config: Alerting) -> Result<()> {
        let setup = Setup::new(&config, self.secrets.as_ref(), &self.client).await?;
        self.metrics.know(&setup);
        *self.setup.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(setup);
        self.retire_sinks().await?;
        self.ring();
        Ok(())
    }

    /// Calls `hearer` whenever a sink is told of an incident for the first time.
    pub fn on_told(&self, hearer: impl Fn(&Told) + Send + Sync + 'static) {
        *self.hearer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(hearer));
    }

    /// Sends a message that says that it is a test, now and past the outbox.
    pub async fn test_sink(&self, name: &str) -> Result<Verdict> {
        test(&self.setup(), name, self.clock.now()).await
    }

    /// The service's watch over itself: opens or updates the warning of this kind about `key`, or closes it where there
    /// is no text any more. Warnings are incidents of their own kind and never findings. May be called as often as one
    /// likes: what has not changed costs a read.
    pub async fn watch(&self, kind: &str, key: &str, text: Option<&str>) -> Result<()> {
        if watch_stands(self.ledger.pool(), kind, key, text).await.map_err(|e| self.fail("read a warning", e))? {
            return Ok(());
        }
        self.write("note a warning", async |incidents| incidents.watch(kind, key, text).await).await
    }

    /// Every warning of the service about itself that is open.
    pub async fn open_watches(&self) -> Result<Vec<Watch>> {
        open_watches(self.ledger.pool()).await.map_err(|e| self.fail("read warnings", e))
    }

    /// Somebody has the incident in hand: told to sinks that know such a thing. A graver finding opens it again.
    pub async fn acknowledge(&self, id: &str) -> Result<()> {
        self.set_state(id, State::Acknowledged, "").await
    }

    /// Somebody is done with the incident, for a reason. New findings that belong to it open it again.
    pub async fn close(&self, id: &str, reason: &str) -> Result<()> {
        self.set_state(id, State::Closed, reason).await
    }

    async fn set_state(&self, id: &str, state: State, reason: &str) -> Result<()> {
        let done =
            self.write("change an incident", async |incidents| incidents.set_state(id, state, reason).await).await?;
        done.map(drop).ok_or_else(|| AlertError::UnknownIncident { id: id.to_owned() })
    }

    /// Puts the dead letters of a sink back into its outbox, as the incidents stand now. Gives their number.
    pub async fn replay_dead(&self, sink: &str) -> Result<u64> {
        let now = self.clock.now();
        let fail = |e| self.fail("replay dead letters", e);
        let mut transaction = self.ledger.begin().await?;
        let replayed = outbox::replay_dead(&mut transaction, sink, now).await.map_err(fail)?;
        transaction.commit().await.map_err(fail)?;
        self.ring();
        Ok(replayed)
    }

    /// The time after which a source that sends nothing new counts as complete all the same, µs; `None` where nothing is
    /// held back.
    pub fn silent_after(&self) -> Option<i64> {
        self.setup().silent_after()
    }

    pub(crate) fn setup(&self) -> Arc<Setup> {
        self.setup.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ring(&self) {
        self.bell.send_modify(|rung| *rung = rung.wrapping_add(1));
    }

    fn fail(&self, operation: &'static str, error: sqlx::Error) -> AlertError {
        AlertError::Store(self.ledger.fail(operation, error))
    }

    /// One change of incidents in a transaction of its own.
    async fn write<T>(
        &self,
        operation: &'static str,
        change: impl AsyncFnOnce(&mut Incidents<'_>) -> std::result::Result<T, sqlx::Error>,
    ) -> Result<T> {
        let setup = self.setup();
        let mut transaction = self.ledger.begin().await?;
        let mut incidents = self.incidents(&setup, &mut transaction);
        let done = change(&mut incidents).await.map_err(|e| self.fail(operation, e))?;
        transaction.commit().await.map_err(|e| self.fail(operation, e))?;
        self.ring();
        Ok(done)
    }

    fn incidents<'a>(&'a self, setup: &'a Setup, transaction: &'a mut Transaction<'static, Any>) -> Incidents<'a> {
        let history = i64::try_from(setup.alerts.history_hours).unwrap_or(i64::MAX / HOUR).saturating_mul(HOUR);
        let told_from = self.first_start.saturating_sub(history);
        Incidents { transaction, setup, sources: self.sources.as_ref(), now: self.clock.now(), told_from }
    }

    /// Makes dead letters of what waits at sinks that are not configured any more.
    async fn retire_sinks(&self) -> Result<()> {
        let fail = |e| self.fail("retire sinks", e);
        let setup = self.setup();
        let mut transaction = self.ledger.begin().await?;
        let rows = sqlx::query("SELECT DISTINCT sink FROM outbox").fetch_all(&mut *transaction).await.map_err(fail)?;
        for row in rows {
            let sink: String = row.try_get(0).map_err(fail)?;
            if setup.sinks.contains_key(&sink) {
                continue;
            }
            let dead = outbox::retire(&mut transaction, &sink, self.clock.now()).await.map_err(fail)?;
            tracing::warn!(sink, dead, "a sink is not configured any more; what waited for it are dead letters now");
        }
        transaction.commit().await.map_err(fail)
    }
}

impl Follower for Alerts {
    fn changed<'a>(
        &'a self,
        transaction: &'a mut Transaction<'static, Any>,
        changes: &'a [Change],
    ) -> BoxFuture<'a, std::result::Result<(), Box<dyn Error + Send + Sync>>> {
        Box::pin(async move {
            let setup = self.setup();
            let mut incidents = self.incidents(&setup, transaction);
            incidents.apply(changes).await.map_err(|e| self.fail("group findings", e).into())
        })
    }

    fn committed(&self, _counts: &ChangeCounts) {
        self.ring();
    }
}

/// When alerts were first opened on this ledger; noted once.
async fn first_start(ledger: &Ledger, now: i64) -> Result<i64> {
    let fail = |e| AlertError::Store(ledger.fail("note the first start", e));
    let mut transaction = ledger.begin().await?;
    sqlx::query("INSERT INTO alert_facts (name, value) VALUES ('first_start', $1) ON CONFLICT (name) DO NOTHING")
        .bind(now)
        .execute(&mut *transaction)
        .await
        .map_err(fail)?;
    let row = sqlx::query("SELECT value FROM alert_facts WHERE name = 'first_start'")
        .fetch_one(&mut *transaction)
        .await
        .map_err(fail)?;
    transaction.commit().await.map_err(fail)?;
    row.try_get(0).map_err(fail)
}

#[cfg(test)]
mod tests;
