//! `trailhound.toml`: what the service is told. Every key is checked before anything starts; unknown ones are refused.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use trailhound_alert::{Alerting, AlertsConfig, RouteConfig, Secret, Secrets, SinkConfig};
use trailhound_ingest::QueueConfig;
use trailhound_ingest::source::BucketConfig;
use trailhound_store::StoreOptions;

use crate::args::{RuleArgs, SiteArgs};
use crate::permissions::fetch::Asking;
use crate::shipped;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub store: StoreConfig,
    #[serde(default)]
    pub rules: RulesConfig,
    #[serde(default)]
    pub geoip: GeoConfig,
    #[serde(default, rename = "queue")]
    pub queues: Vec<QueueConfig>,
    #[serde(default, rename = "bucket")]
    pub buckets: Vec<BucketConfig>,
    #[serde(default)]
    pub permissions: PermissionsConfig,
    #[serde(default)]
    pub intake: IntakeConfig,
    #[serde(default)]
    pub http: HttpConfig,
    #[serde(default)]
    pub shutdown: ShutdownConfig,
    #[serde(default)]
    pub alerts: AlertsConfig,
    #[serde(default, rename = "sink")]
    pub sinks: Vec<SinkConfig>,
    #[serde(default, rename = "route")]
    pub routes: Vec<RouteConfig>,
}

/// Where events and findings are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// A folder, or `s3://bucket/prefix`.
    pub location: String,
    /// The ledger: a file, or a secret that holds `postgres://…`. By default `ledger.sqlite` in the folder.
    pub ledger: Option<LedgerConfig>,
    /// Whether a SQLite ledger keeps a write-ahead log; network file systems (EFS, NFS) do not carry one.
    #[serde(default = "yes")]
    pub ledger_wal: bool,
    /// Rows wait at most this long for their commit.
    #[serde(default = "StoreConfig::flush_seconds")]
    pub flush_seconds: u64,
    #[serde(default = "StoreConfig::flush_mib")]
    pub flush_mib: usize,
    #[serde(default = "StoreConfig::dedup_mib")]
    pub dedup_mib: usize,
    #[serde(default = "StoreConfig::query_mib")]
    pub query_mib: usize,
    /// Small files are brought together this often, and once a day what nobody needs is deleted. With 0 never: then
    /// `trailhound store compact` and `store vacuum` have to be run otherwise.
    #[serde(default = "StoreConfig::upkeep_minutes")]
    pub upkeep_minutes: u64,
    /// Days of events that are kept, today not counted; 0 keeps all. Findings outlive their events.
    #[serde(default)]
    pub retention_days: u32,
    /// The same for the counts in `activity`; at least as long as events.
    #[serde(default)]
    pub activity_retention_days: u32,
}

/// A file's path, or a secret that holds a database URL.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum LedgerConfig {
    File(PathBuf),
    Url(Secret),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RulesConfig {
    /// Folders of rules beside the shipped ones.
    pub folders: Vec<PathBuf>,
    /// What the operator knows.
    pub site: Option<PathBuf>,
    /// What rules remember in memory; what is beyond it lies in a temporary file.
    pub memory_mib: usize,
}

impl RulesConfig {
    /// The same as a command line says it.
    pub fn args(&self) -> RuleArgs {
        RuleArgs { rules: self.folders.clone(), site: SiteArgs { site: self.site.clone() } }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GeoConfig {
    pub files: Vec<PathBuf>,
}

/// Which accounts' users, roles and policies are read, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PermissionsConfig {
    /// None: nothing is read, and what `permissions load` was told is judged.
    pub accounts: Vec<String>,
    /// The account that is asked about the organization; none: what limits accounts there is not read.
    pub organization: Option<String>,
    /// The role to take on in each account, by its name; without it the service's own credentials.
    pub role: Option<String>,
    pub external_id: Option<String>,
    /// A region of the accounts' partition, where the environment names none.
    pub region: Option<String>,
    /// Whether IAM is asked when each user and role last accessed which services: a report each, some seconds long.
    pub last_accessed: bool,
    pub every_hours: u32,
    /// Days by which permissions are judged, and after which they count as unused.
    pub days: u32,
}

impl PermissionsConfig {
    /// How the accounts are asked.
    pub fn asking(&self) -> Asking {
        Asking {
            role: self.role.clone(),
            external_id: self.external_id.clone(),
            region: self.region.clone(),
            last_accessed: self.last_accessed,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntakeConfig {
    /// Bytes of objects between being fetched and being decoded, at most.
    pub in_flight_mib: usize,
    /// Objects that are fetched at once.
    pub fetches: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Where `/livez`, `/readyz`, `/metrics` and the operators' requests are answered.
    pub bind: SocketAddr,
    /// What operators' requests (backfill) must carry as a bearer token. Without it they are refused.
    pub token: Option<Secret>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// After SIGTERM work begun is finished within this time; what is left then is handed back and named.
    pub grace_seconds: u64,
}

fn yes() -> bool {
    true
}

impl StoreConfig {
    fn flush_seconds() -> u64 {
        10
    }
    fn flush_mib() -> usize {
        64
    }
    fn dedup_mib() -> usize {
        256
    }
    fn query_mib() -> usize {
        1024
    }
    fn upkeep_minutes() -> u64 {
        10
    }
}

impl Default for RulesConfig {
    fn default() -> Self {
        Self { folders: Vec::new(), site: None, memory_mib: 256 }
    }
}

impl Default for PermissionsConfig {
    fn default() -> Self {
        let (organization, role, external_id, region) = (None, None, None, None);
        let (accounts, last_accessed) = (Vec::new(), false);
        Self { accounts, organization, role, external_id, region, last_accessed, every_hours: 24, days: 90 }
    }
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self { in_flight_mib: 64, fetches: 64 }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { bind: SocketAddr::from(([127, 0, 0, 1], 9187)), token: None }
    }
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { grace_seconds: 25 }
    }
}

/// What is wrong with a configuration, all of it at once.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: cannot be read")]
    Read { path: String, source: std::io::Error },
    #[error("{path}: {detail}")]
    Syntax { path: String, detail: String },
    #[error("{path}:\n  {}", problems.join("\n  "))]
    Wrong { path: String, problems: Vec<String> },
}

impl Config {
    /// Reads and checks a file. Nothing is contacted.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: shown.clone(), source })?;
        Self::parse(&text, &shown)
    }

    /// Understands and checks a file's text.
    pub fn parse(text: &str, path: &str) -> Result<Self, ConfigError> {
        let config: Config = toml::from_str(text)
            .map_err(|error| ConfigError::Syntax { path: path.into(), detail: told(&error, text) })?;
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Wrong { path: path.into(), problems }) }
    }

    /// What the alerts are told, with the accounts' names from the site facts.
    pub fn alerting(&self) -> anyhow::Result<Alerting> {
        Ok(Alerting {
            alerts: self.alerts.clone(),
            sinks: self.sinks.clone(),
            routes: self.routes.clone(),
            accounts: shipped::facts(&self.rules.args().site)?.account_names(),
        })
    }

    /// The store as it is configured; its ledger's URL may be a secret.
    pub async fn store_options(&self, secrets: &dyn Secrets) -> anyhow::Result<StoreOptions> {
        let ledger = match &self.store.ledger {
            None => None,
            Some(LedgerConfig::File(path)) => Some(path.display().to_string()),
            Some(LedgerConfig::Url(secret)) => {
                let url = secret.resolve(secrets).await.map_err(|error| anyhow::anyhow!("store.ledger: {error}"))?;
                Some(url.reveal().to_string())
            }
        };
        Ok(StoreOptions {
            ledger,
            ledger_wal: self.store.ledger_wal,
            flush_bytes: self.store.flush_mib << 20,
            dedup_bytes_max: self.store.dedup_mib << 20,
            query_bytes_max: self.store.query_mib << 20,
            ..StoreOptions::new(self.store.location.clone())
        })
    }

    /// Sections that differ and cannot change while the service runs.
    pub fn differs_beyond_reload(&self, other: &Config) -> Vec<&'static str> {
        let sections = [
            ("store", format!("{:?}", self.store) != format!("{:?}", other.store)),
            (
                "rules",
                self.rules.folders != other.rules.folders
                    || self.rules.site != other.rules.site
                    || self.rules.memory_mib != other.rules.memory_mib,
            ),
            ("geoip.files", self.geoip.files != other.geoip.files),
            ("queue", self.queues != other.queues),
            ("bucket", format!("{:?}", self.buckets) != format!("{:?}", other.buckets)),
            ("permissions", self.permissions != other.permissions),
            ("intake", format!("{:?}", self.intake) != format!("{:?}", other.intake)),
            ("http", format!("{:?}", self.http) != format!("{:?}", other.http)),
            ("shutdown", self.shutdown.grace_seconds != other.shutdown.grace_seconds),
        ];
        sections.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }

    /// Everything that is wrong beyond syntax, each with its key.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut positive = |key: &str, value: u64| {
            if value == 0 {
                problems.push(format!("{key} must be more than 0"));
            }
        };
        positive("store.flush_seconds", self.store.flush_seconds);
        positive("store.flush_mib", self.store.flush_mib as u64);
        positive("store.dedup_mib", self.store.dedup_mib as u64);
        positive("store.query_mib", self.store.query_mib as u64);
        positive("rules.memory_mib", self.rules.memory_mib as u64);
        positive("permissions.every_hours", u64::from(self.permissions.every_hours));
        positive("permissions.days", u64::from(self.permissions.days));
        positive("intake.in_flight_mib", self.intake.in_flight_mib as u64);
        positive("intake.fetches", self.intake.fetches as u64);
        if self.store.location.starts_with("s3://") && self.store.ledger.is_none() {
            problems.push("store.ledger is missing: a store on S3 needs a file or postgres://… for its ledger".into());
        }
        let (events, counts) = (self.store.retention_days, self.store.activity_retention_days);
        if counts > 0 && (events == 0 || counts < events) {
            problems.push("store.activity_retention_days must not be less than store.retention_days".into());
        }
        if events > 0 && self.store.upkeep_minutes == 0 {
            problems.push("store.retention_days needs upkeep: store.upkeep_minutes is 0".into());
        }
        let accounts = self.permissions.accounts.iter().map(|account| ("accounts", account));
        let asked: Vec<_> =
            accounts.chain(self.permissions.organization.iter().map(|id| ("organization", id))).collect();
        for (name, account) in &asked {
            if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
                problems.push(format!("permissions.{name}: `{account}` is no account; its id has twelve digits"));
            }
        }
        let entered: BTreeSet<_> = asked.iter().map(|(_, account)| account).collect();
        if self.permissions.role.is_none() && (entered.len() > 1 || self.permissions.external_id.is_some()) {
            problems.push("permissions.role is missing: other accounts are entered by a role of theirs".into());
        }
        if self.queues.is_empty() {
            problems.push("there is no [[queue]]: nothing would ever come in".into());
        }
        for (at, queue) in self.queues.iter().enumerate() {
            if self.queues[..at].iter().any(|other| other.url == queue.url) {
                problems.push(format!("queue {}: {} is there twice", at + 1, queue.url));
            }
        }
        problems.extend(self.queues.iter().filter_map(|queue| queue.check().err()).map(|error| error.to_string()));
        problems.extend(self.buckets.iter().filter_map(|bucket| bucket.check().err()).map(|error| error.to_string()));
        problems.extend(trailhound_alert::problems(&self.alerts, &self.sinks, &self.routes));
        problems
    }
}

/// A syntax error by line, without the line's text, which may hold a secret.
fn told(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_string(),
    }
}

/// A commented example that `config example` prints and a test reads.
pub const EXAMPLE: &str = include_str!("config/example.toml");

#[cfg(test)]
mod tests;
