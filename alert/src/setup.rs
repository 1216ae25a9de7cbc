//! A configuration with its secrets read and its sinks ready. It never changes; a reload puts a new one in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::{HOUR, MINUTE, SECOND};
use crate::config::{Alerting, AlertsConfig};
use crate::error::{AlertError, Result};
use crate::route::{Route, Subject};
use crate::secret::Secrets;
use crate::sink::{Client, Sink};

/// Warnings of the service about itself change often and are told again this often at most.
const WATCH_UPDATES_EVERY: i64 = HOUR;

#[derive(Debug)]
pub(crate) struct Setup {
    pub alerts: AlertsConfig,
    pub sinks: BTreeMap<String, Arc<Sink>>,
    pub routes: Vec<Route>,
    /// Account names by id.
    pub accounts: BTreeMap<String, String>,
}

impl Setup {
    /// Checks a configuration and makes it ready, whole or not at all. Secrets are read; no sink is contacted.
    pub async fn new(config: &Alerting, secrets: &dyn Secrets, client: &Client) -> Result<Self> {
        let problems = config.check();
        if !problems.is_empty() {
            return Err(AlertError::Config { problems });
        }
        let mut sinks = BTreeMap::new();
        for sink in &config.sinks {
            let ready = Sink::new(sink, secrets, client).await?;
            sinks.insert(sink.name().to_owned(), Arc::new(ready));
        }
        Ok(Setup {
            alerts: config.alerts.clone(),
            sinks,
            routes: config.routes.iter().map(Route::new).collect(),
            accounts: config.accounts.clone(),
        })
    }

    /// The sinks that routes send these to.
    pub fn routed(&self, subjects: &[Subject]) -> BTreeSet<String> {
        let routes = self.routes.iter().filter(|route| subjects.iter().any(|subject| route.takes(subject)));
        routes.flat_map(|route| route.sinks.iter().cloned()).collect()
    }

    /// How long a source must be silent to hold nothing back any more, µs; `None` where nothing is held back at all.
    pub fn silent_after(&self) -> Option<i64> {
        let minutes = i64::try_from(self.alerts.hold_minutes).unwrap_or(i64::MAX / MINUTE);
        (minutes > 0).then(|| minutes.saturating_mul(MINUTE))
    }

    /// How far updates that are not urgent lie apart, µs.
    pub fn updates_every(&self, watch: bool) -> i64 {
        let configured = i64::try_from(self.alerts.update_seconds).unwrap_or(0).saturating_mul(SECOND);
        if watch { configured.max(WATCH_UPDATES_EVERY) } else { configured }
    }
}
