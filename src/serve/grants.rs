//! What is granted, read from AWS once a day and judged by what was used: the tables `iam_…` and `permissions`, and the metrics
//! that the dashboard of permissions shows.
//!
//! An account that cannot be read is told, and tried again after a while; what was known of it stands until then. Nothing else
//! waits for any of this.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use trailhound_ingest::Aws;
use trailhound_store::granted::{Granted, ORGANIZATION};
use trailhound_store::{Ledger, StoreOptions};

use super::metrics::Metrics;
use crate::args::SiteArgs;
use crate::clock;
use crate::config::PermissionsConfig;
use crate::permissions::{Outputs, fetch, judge_all, sums};

/// How often it is looked whether an account is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// An account that could not be read is tried again after this time.
const RETRY: Duration = Duration::from_secs(3_600);
const HOUR_MICROS: i64 = 3_600_000_000;

pub struct Refresher {
    pub config: PermissionsConfig,
    pub options: StoreOptions,
    pub site: SiteArgs,
    pub ledger: Ledger,
    pub granted: Granted,
    pub aws: Aws,
    pub received: trailhound_ingest::Metrics,
    pub metrics: Arc<Metrics>,
}

impl Refresher {
    /// Works until cancelled. What is cancelled in the middle was not kept.
    pub async fn run(self, cancel: CancellationToken) {
        let mut failed = BTreeMap::new();
        let mut judged = None;
        // A counter that begins with its first failure shows no increase by it.
        for account in self.asked() {
            self.metrics.iam_failures.with_label_values(&[account]).inc_by(0);
        }
        if let Err(error) = self.show().await {
            tracing::warn!("verdicts of permissions cannot be read: {error:#}");
        }
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                done = self.round(&mut failed, &mut judged) => if let Err(error) = done {
                    tracing::warn!("permissions could not be judged and are tried again: {error:#}");
                },
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Reads the accounts that are due, and judges when one was read, or a day has gone by.
    async fn round(&self, failed: &mut BTreeMap<String, Instant>, judged: &mut Option<Instant>) -> anyhow::Result<()> {
        let every = Duration::from_secs(u64::from(self.config.every_hours) * 3_600);
        let last = self.granted.read_last().await?;
        // Those that nobody asks for any more are not missed.
        for (account, taken) in last.iter().filter(|(account, _)| self.asked().any(|asked| asked == *account)) {
            self.metrics.iam_read.with_label_values(&[account]).set(taken / 1_000_000);
        }
        let due = |account: &&str| {
            let rests = failed.get(*account).is_some_and(|when| when.elapsed() < RETRY);
            let taken = last.get(*account).copied().unwrap_or(i64::MIN / 2);
            !rests && clock::now_micros() - taken >= i64::from(self.config.every_hours) * HOUR_MICROS
        };
        let due: Vec<String> = self.asked().filter(due).map(str::to_owned).collect();
        // An organization alone limits nobody who is known.
        let mut is_known = last.keys().any(|account| account != ORGANIZATION);
        let mut news = false;
        for account in due {
            match self.read(&account).await {
                Ok(()) => {
                    failed.remove(&account);
                    is_known |= account != ORGANIZATION;
                    news = true;
                }
                Err(error) => {
                    self.metrics.iam_failures.with_label_values(&[account.as_str()]).inc();
                    tracing::warn!(
                        account,
                        "what is granted could not be read and is tried again in an hour: {error:#}"
                    );
                    failed.insert(account, Instant::now());
                }
            }
        }
        let is_old = judged.is_none_or(|when| when.elapsed() >= every);
        if is_known && (news || is_old) {
            let principals = judge_all(self.options.clone(), &self.site, self.config.days).await?;
            // Where no event has come yet nobody was judged, and that is soon tried again.
            if principals > 0 {
                tracing::info!(principals, "permissions judged");
                *judged = Some(Instant::now());
                self.show().await?;
            }
        }
        Ok(())
    }

    /// The accounts that are read, and their organization.
    fn asked(&self) -> impl Iterator<Item = &str> {
        let organization = self.config.organization.as_ref().map(|_| ORGANIZATION);
        organization.into_iter().chain(self.config.accounts.iter().map(String::as_str))
    }

    async fn read(&self, account: &str) -> anyhow::Result<()> {
        let asking = self.config.asking();
        let fetched = match &self.config.organization {
            Some(asked) if account == ORGANIZATION => {
                fetch::organization(&self.aws, &self.received, asked, &asking).await?
            }
            _ => fetch::account(&self.aws, &self.received, account, &asking).await?,
        };
        let outputs: Outputs = fetched
            .outputs
            .iter()
            .enumerate()
            .map(|(place, output)| (format!("output {} of {account}", place + 1), output.to_string().into_bytes()))
            .collect();
        let taken = fetched.at.as_microsecond();
        let read = outputs.keep(&self.granted, taken, "AWS").await?;
        self.metrics.iam_read.with_label_values(&[account]).set(taken / 1_000_000);
        tracing::info!(account, parts = read.parts, began = read.began, ended = read.ended, "what is granted was read");
        for note in fetched.notes {
            tracing::warn!(account, "of what is granted something is missing: {note}");
        }
        Ok(())
    }

    /// Puts the verdicts as they stand into the metrics.
    async fn show(&self) -> anyhow::Result<()> {
        for (account, sums) in sums(&self.ledger).await? {
            self.metrics.permissions(&account, &sums);
        }
        Ok(())
    }
}
