//! Rules, routes and site facts are loaded anew when their files change: whole or not at all, and the log says which.
//!
//! Files are looked at rather than watched: that works on every file system, through links (as Kubernetes mounts
//! configuration) and for folders that come later.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use trailhound_alert::Alerts;
use trailhound_detect::RuleSet;

use super::keeper::Request;
use super::metrics::Metrics;
use crate::args::RuleArgs;
use crate::config::Config;
use crate::shipped;

/// How often files are looked at. A change counts once it was the same for two looks: an editor may still be writing.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What tells that a file has changed.
type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

pub struct Reloader {
    pub config_path: PathBuf,
    pub config: Config,
    pub rules: RuleArgs,
    pub keeper: mpsc::Sender<Request>,
    pub alerts: Arc<Alerts>,
    pub metrics: Arc<Metrics>,
}

/// A set of files with the stamp that is in use and the one seen last.
struct Watched {
    used: Stamp,
    seen: Stamp,
}

impl Watched {
    fn new(now: Stamp) -> Self {
        Self { used: now.clone(), seen: now }
    }

    /// Whether the files have changed and stand still.
    fn changed(&mut self, now: Stamp) -> bool {
        let settled = now == self.seen;
        self.seen = now;
        if settled && self.seen != self.used {
            self.used = self.seen.clone();
            return true;
        }
        false
    }
}

impl Reloader {
    /// Looks for changes until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        let paths: Vec<PathBuf> = self.rules.rules.iter().chain(&self.rules.site.site).cloned().collect();
        let mut rules = Watched::new(stamp(&paths));
        let mut config = Watched::new(stamp(std::slice::from_ref(&self.config_path)));
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if config.changed(stamp(std::slice::from_ref(&self.config_path))) {
                self.reload_config().await;
            }
            if rules.changed(stamp(&paths)) {
                self.reload_rules().await;
            }
        }
    }

    async fn reload_rules(&self) {
        let args = self.rules.clone();
        // Compiling thousands of rules takes a while: not on a thread that answers people.
        let compiled = tokio::task::spawn_blocking(move || shipped::rule_set(&args)).await;
        let done = match compiled {
            Ok(Ok(set)) => self.take_rules_over(set).await,
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(error) => Err(error.to_string()),
        };
        match &done {
            Ok(count) => tracing::warn!(rules = count, "the rules and site facts were loaded anew"),
            Err(error) => {
                tracing::error!("the changed rules or site facts are refused, those before stay in place: {error}");
            }
        }
        self.metrics.reloaded("rules", done.is_ok());
        self.metrics.reloaded("site", done.is_ok());
    }

    /// Accounts' names first: what the rules find next is told with them.
    async fn take_rules_over(&self, set: RuleSet) -> Result<usize, String> {
        if self.config.rules.site.is_some() {
            self.tell_alerts(&self.config).await.map_err(|error| format!("{error:#}"))?;
        }
        self.put_in_place(set).await
    }

    async fn tell_alerts(&self, config: &Config) -> anyhow::Result<()> {
        Ok(self.alerts.reload(config.alerting()?).await?)
    }

    async fn put_in_place(&self, set: RuleSet) -> Result<usize, String> {
        let rules: Vec<_> = set.rules().cloned().collect();
        let (answer, answered) = oneshot::channel();
        let gone = "the service is stopping".to_string();
        self.keeper.send(Request::Rules(Box::new(set), answer)).await.map_err(|_| gone.clone())?;
        answered.await.map_err(|_| gone)?;
        self.metrics.rules_at_work(&rules);
        Ok(rules.len())
    }

    /// Takes over what can change while running: routes and sinks. The rest needs a restart, and is named.
    async fn reload_config(&mut self) {
        let done = match Config::read(&self.config_path) {
            Ok(new) => self.take_over(new).await,
            Err(error) => Err(format!("{:#}", anyhow::Error::from(error))),
        };
        match &done {
            Ok(needs_restart) if needs_restart.is_empty() => tracing::warn!("routes and sinks were loaded anew"),
            Ok(needs_restart) => tracing::warn!(
                "routes and sinks were loaded anew; changes of {} wait for a restart",
                needs_restart.join(", ")
            ),
            Err(error) => tracing::error!("the changed configuration is refused, the one before stays: {error}"),
        }
        self.metrics.reloaded("routes", done.is_ok());
    }

    async fn take_over(&mut self, new: Config) -> Result<Vec<&'static str>, String> {
        self.tell_alerts(&new).await.map_err(|error| format!("{error:#}"))?;
        let needs_restart = self.config.differs_beyond_reload(&new);
        self.config = new;
        Ok(needs_restart)
    }
}

/// The files below these paths with size and time.
fn stamp(paths: &[PathBuf]) -> Stamp {
    let mut files: Stamp = paths.iter().flat_map(|path| below(path)).collect();
    files.sort();
    files
}

fn below(path: &Path) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    walkdir::WalkDir::new(path)
        .follow_links(true)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| {
            let meta = entry.metadata().ok()?;
            Some((entry.path().to_path_buf(), meta.len(), meta.modified().ok()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_it_stands_still() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().to_path_buf()];
        let mut watched = Watched::new(stamp(&paths));
        assert!(!watched.changed(stamp(&paths)));
        std::fs::write(folder.path().join("a.sql"), "one").unwrap();
        assert!(!watched.changed(stamp(&paths)), "just changed");
        std::fs::write(folder.path().join("a.sql"), "one and more").unwrap();
        assert!(!watched.changed(stamp(&paths)), "still changing");
        assert!(watched.changed(stamp(&paths)), "stands still");
        assert!(!watched.changed(stamp(&paths)), "is in use");
    }
}
