//! The command line. Documentation lives on the definition of each flag; a long file, since nearly all commands and flags stand here.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

mod fetch;

pub use fetch::FetchArgs;

/// Detects the abuse of AWS identities in CloudTrail logs.
#[derive(Parser)]
#[command(name = "trailhound", version, max_term_width = 110)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// The whole thing on built-in sample logs: findings, SQL, nothing to install
    Demo(DemoArgs),
    /// Reads logs from a folder, a file or S3 and prints what the rules find
    Scan(ScanArgs),
    /// Asks the store in SQL: one statement, or a prompt without one
    Sql(SqlArgs),
    /// Lists, checks, tests and begins rules
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Lists findings, or shows one
    #[command(subcommand)]
    Findings(FindingsCommand),
    /// Everything about a principal, an access key or an address: first and last seen, what, from where, findings
    Investigate(InvestigateArgs),
    /// What users and roles may do and did not, what nobody can tell, and policies that grant no more than was used
    Permissions(PermissionsArgs),
    /// Reads parked input again, after the cause is mended
    Replay(ReplayArgs),
    /// Runs as a service: from queues to people, for months
    Serve(ServeArgs),
    /// Reads history of a bucket into a running service, at a lower priority than its queues
    Backfill(BackfillArgs),
    /// Tries what the service needs, one by one, and says what mends what is missing
    Doctor(DoctorArgs),
    /// Tries a sink
    #[command(subcommand)]
    Alerts(AlertsCommand),
    /// Checks a store, and tidies it
    #[command(subcommand)]
    Store(StoreCommand),
    /// Checks a configuration, or prints an example
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Writes a made-up organisation's CloudTrail logs with labelled attacks
    Simulate(SimulateArgs),
}

/// Where the store is.
#[derive(clap::Args, Clone)]
pub struct StoreArgs {
    /// The store: a folder, or s3://bucket/prefix
    #[arg(long, value_name = "DIR", env = "TRAILHOUND_STORE")]
    pub store: String,
    /// The ledger's file, where it is not in the store's folder (needed for a store on S3)
    #[arg(long, value_name = "FILE", env = "TRAILHOUND_LEDGER")]
    pub ledger: Option<String>,
}

/// Which rules.
#[derive(clap::Args, Clone, Default)]
pub struct RuleArgs {
    /// A folder of rules beside the shipped ones; a rule of the same name takes the shipped one's place
    #[arg(long, value_name = "DIR")]
    pub rules: Vec<PathBuf>,
    #[command(flatten)]
    pub site: SiteArgs,
}

/// What the operator knows.
#[derive(clap::Args, Clone, Default)]
pub struct SiteArgs {
    /// Site facts: accounts by name, networks, exceptions (a TOML file)
    #[arg(long, value_name = "FILE", env = "TRAILHOUND_SITE")]
    pub site: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct DemoArgs {
    /// Keep the demo's store in this folder, to go on asking
    #[arg(long, value_name = "DIR")]
    pub store: Option<String>,
}

#[derive(clap::Args)]
pub struct ScanArgs {
    /// A folder, a file, or s3://bucket/prefix
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Keep events and findings in this store; without it a temporary one is used and deleted
    #[arg(long, value_name = "DIR", env = "TRAILHOUND_STORE")]
    pub store: Option<String>,
    /// The ledger's file, where it is not in the store's folder (needed for a store on S3)
    #[arg(long, value_name = "FILE", env = "TRAILHOUND_LEDGER")]
    pub ledger: Option<String>,
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Leave log objects that only hold events before this time (2025-03-09 or 2025-03-09T12:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<i64>,
    /// Leave log objects that only hold events after this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<i64>,
    /// Only log objects of this account; may be given several times
    #[arg(long, value_name = "ID")]
    pub account: Vec<String>,
    /// Only log objects of this region; may be given several times
    #[arg(long, value_name = "REGION")]
    pub region: Vec<String>,
    /// A MaxMind-format file with countries, places or autonomous systems; may be given several times
    #[arg(long, value_name = "FILE")]
    pub geoip: Vec<PathBuf>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = FindingsFormat::Table)]
    pub format: FindingsFormat,
    /// Exit with 1 when there is a finding of this severity or higher; those of rules on trial do not count
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<SeverityArg>,
}

#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum FindingsFormat {
    Table,
    /// One array
    Json,
    /// One finding a line
    Ndjson,
}

#[derive(Clone, Copy, ValueEnum, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeverityArg {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// Whether people are told of what a rule finds.
#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum StatusArg {
    /// Nobody is told
    Trial,
    Stable,
}

impl StatusArg {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Stable => "stable",
        }
    }
}

impl SeverityArg {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum RowsFormat {
    Table,
    /// For spreadsheets: a value that one would take for a formula gets an apostrophe in front
    Csv,
    /// One object a line
    Json,
    /// To a file or a pipe
    Parquet,
}

#[derive(clap::Args)]
pub struct SqlArgs {
    /// One statement; without it a prompt
    pub statement: Option<String>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub site: SiteArgs,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t = RowsFormat::Table)]
    pub format: RowsFormat,
    /// Memory that a query may use, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub memory: usize,
}

#[derive(Subcommand)]
pub enum RulesCommand {
    /// One line a rule; with a store also what each had to do there
    List(RulesAndStoreArgs),
    /// Refuses bad rules by file and line; with a store also names the rules that chose nothing there, and why
    Check(RulesAndStoreArgs),
    /// Runs the cases beside the rules
    Test {
        #[command(flatten)]
        rules: RuleArgs,
        /// Only rules whose id contains this
        filter: Option<String>,
        /// Also take out each condition of each rule, one by one: a case must fail
        #[arg(long)]
        mutate: bool,
    },
    /// What a rule would have found in a store: by day, by entity, examples, and what an edit adds and takes away
    Backtest(BacktestArgs),
    /// Why a rule found an event or an entity, or did not: every condition, with the numbers of that moment
    Explain(ExplainArgs),
    /// Prints the one query that does the same as a whole rule, as far as SQL can say it
    Sql {
        /// The rule's id, such as signin/password_spray
        rule: String,
        #[command(flatten)]
        rules: RuleArgs,
    },
    /// Begins a rule: writes RULE.sql and RULE.cases.json below the folder
    New {
        /// The rule's id, such as iam/user_created_at_night
        id: String,
        /// The folder of rules
        #[arg(long, value_name = "DIR", default_value = "rules")]
        rules: PathBuf,
    },
}

/// Rules, and perhaps a store.
#[derive(clap::Args)]
pub struct RulesAndStoreArgs {
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Also look into this store: a folder, or s3://bucket/prefix
    #[arg(long, value_name = "DIR")]
    pub store: Option<String>,
    /// The ledger's file, where it is not in the store's folder
    #[arg(long, value_name = "FILE", env = "TRAILHOUND_LEDGER")]
    pub ledger: Option<String>,
}

impl RulesAndStoreArgs {
    /// The store, if one is named.
    pub fn store(&self) -> Option<StoreArgs> {
        self.store.clone().map(|store| StoreArgs { store, ledger: self.ledger.clone() })
    }
}

#[derive(clap::Args)]
pub struct ExplainArgs {
    /// The rule's id, such as signin/password_spray
    pub rule: String,
    /// An event's id, or an entity: as JSON, '{"principal_key": "…"}', or its value where the rule has one entity column
    #[arg(value_name = "EVENT_ID|ENTITY")]
    pub about: String,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub rules: RuleArgs,
    #[arg(long, value_enum, default_value_t = PageFormat::Text)]
    pub format: PageFormat,
}

#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum PageFormat {
    Text,
    /// One object
    Json,
}

#[derive(clap::Args)]
pub struct BacktestArgs {
    /// The rule's id, such as signin/password_spray
    pub rule: String,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Only findings that end at this time or later (2025-03-09 or 2025-03-09T12:00:00Z); what is older is learnt from
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<i64>,
    /// Only findings that begin before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<i64>,
    /// Compare with the rule's text in this git revision, such as HEAD~3 or a branch. Without it: with HEAD where the rule
    /// stands in a git repository and differs from it, else with the findings of the store
    #[arg(long, value_name = "GIT_REV")]
    pub against: Option<String>,
    /// How findings are printed: a table holds the first few, JSON all
    #[arg(long, value_enum, default_value_t = FindingsFormat::Table)]
    pub format: FindingsFormat,
}

#[derive(Subcommand)]
pub enum FindingsCommand {
    /// Current findings, the gravest first
    List {
        #[command(flatten)]
        store: StoreArgs,
        #[command(flatten)]
        site: SiteArgs,
        /// Only this severity or higher
        #[arg(long, value_enum, value_name = "SEVERITY")]
        severity: Option<SeverityArg>,
        /// Only findings of rules whose id contains this
        #[arg(long, value_name = "TEXT")]
        rule: Option<String>,
        /// Only findings of rules of this status
        #[arg(long, value_enum)]
        status: Option<StatusArg>,
        #[arg(long, value_enum, default_value_t = FindingsFormat::Table)]
        format: FindingsFormat,
    },
    /// What each rule found, and what later events undid: whether a rule on trial can become stable
    Summary {
        #[command(flatten)]
        store: StoreArgs,
        /// Only rules of this status
        #[arg(long, value_enum)]
        status: Option<StatusArg>,
    },
    /// One finding with its evidence, events and history
    Show {
        /// The finding's id, or the beginning of it
        id: String,
        #[command(flatten)]
        store: StoreArgs,
        #[command(flatten)]
        site: SiteArgs,
    },
}

#[derive(Subcommand)]
pub enum StoreCommand {
    /// Is everything accounted for, is nothing there twice, is every file there: exit 1 if not
    Check(StoreArgs),
    /// Brings small files together, as a service does by itself; others may read and write meanwhile
    Compact(StoreArgs),
    /// Deletes files that have been out of the table for a week, as a service does by itself
    Vacuum(StoreArgs),
    /// Takes days of events, or of counts, out of the store, as a service does by itself with [store] retention_days
    Expire(ExpireArgs),
    /// Counts the table `activity` anew from the events, where a check says that it is wrong
    Rebuild(StoreArgs),
    /// Derives the facts of the events that are there anew, after GeoIP files or this program have changed; rules then evaluate
    /// everything anew. Others may read and write meanwhile
    Rederive(RederiveArgs),
}

#[derive(clap::Args)]
pub struct RederiveArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// A MaxMind-format file; may be given several times. Without one, countries, places and autonomous systems are taken away
    #[arg(long, value_name = "FILE")]
    pub geoip: Vec<PathBuf>,
}

#[derive(clap::Args)]
pub struct ExpireArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// Events before this day (2025-03-09): they stay counted in `activity`, their findings stand, and when they come again
    /// they are skipped
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub before: i32,
    /// Counts in `activity` before this day too, but never of days whose events are there
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub activity_before: Option<i32>,
}

#[derive(clap::Args)]
pub struct InvestigateArgs {
    /// A principal (key, name or ARN), an access key id, or an address
    pub who: String,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub site: SiteArgs,
}

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct PermissionsArgs {
    #[command(subcommand)]
    pub command: Option<PermissionsCommand>,
    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Subcommand)]
pub enum PermissionsCommand {
    /// What a policy would have denied of what succeeded
    WhatIf(WhatIfArgs),
    /// Asks AWS what is granted in accounts, and writes a file for each, as --iam reads it
    Fetch(FetchArgs),
    /// Keeps what files say is granted in a store, with its history: for SQL, for rules, and for `permissions` without --iam
    Load(LoadArgs),
}

/// Whose permissions, and by which days they are judged.
#[derive(clap::Args)]
pub struct ScopeArgs {
    /// What is granted: outputs of `aws iam get-account-authorization-details` (all pages), and, where there are, of
    /// get-credential-report, list-access-keys, get-service-last-accessed-details and `aws organizations` calls; or a folder, of
    /// which all .json and .csv files are read; again for each. Without it, what the store was told by `permissions load` or the service
    #[arg(long, value_name = "FILE|DIR")]
    pub iam: Vec<PathBuf>,
    /// The store with the events
    #[arg(long, value_name = "DIR", env = "TRAILHOUND_STORE")]
    pub store: Option<String>,
    /// The ledger's file, where it is not in the store's folder (needed for a store on S3)
    #[arg(long, value_name = "FILE", env = "TRAILHOUND_LEDGER")]
    pub ledger: Option<String>,
    #[command(flatten)]
    pub site: SiteArgs,
    /// Only users and roles whose ARN contains this; again for more
    #[arg(long, value_name = "TEXT")]
    pub principal: Vec<String>,
    /// Days that are looked at
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,
    /// Permissions count as unused after so many days; by default after all that are looked at
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub unused_after: Option<u32>,
    /// The end of the days that are looked at; by default the newest event of the store
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<i64>,
}

impl ScopeArgs {
    /// Everybody whom a store knows, by its newest days.
    pub fn all(days: u32) -> ScopeArgs {
        ScopeArgs {
            iam: Vec::new(),
            store: None,
            ledger: None,
            site: SiteArgs::default(),
            principal: Vec::new(),
            days,
            unused_after: None,
            until: None,
        }
    }
}

#[derive(clap::Args)]
pub struct ReportArgs {
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Also every action with its verdict (with --format json, or of one to three principals)
    #[arg(long)]
    pub actions: bool,
    /// Writes policies that grant what was used below this folder: JSON, Terraform, and what to know of each
    #[arg(long, value_name = "DIR")]
    pub policies: Option<PathBuf>,
    /// Keeps the verdicts in the store, with their history: the tables `permissions` and `permission_services`
    #[arg(long, conflicts_with = "principal")]
    pub keep: bool,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = PermissionsFormat::Table)]
    pub format: PermissionsFormat,
}

#[derive(clap::Args)]
pub struct WhatIfArgs {
    /// A policy document (JSON)
    pub file: PathBuf,
    /// What it is tried as
    #[arg(long = "as", value_enum, default_value_t = WhatIfAs::Replace)]
    pub kind: WhatIfAs,
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Exit 1 if something that succeeded would have been denied
    #[arg(long)]
    pub fail: bool,
    #[arg(long, value_enum, default_value_t = WhatIfFormat::Table)]
    pub format: WhatIfFormat,
}

#[derive(clap::Args)]
pub struct LoadArgs {
    /// Outputs of AWS's calls, as --iam reads them; a folder stands for all .json and .csv files in it
    #[arg(value_name = "FILE|DIR", required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub store: StoreArgs,
    /// When it was so; by default now. Readings of an account come in the order of their times
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhatIfAs {
    /// In place of all identity policies
    Replace,
    /// One identity policy more
    Attach,
    /// As permissions boundary
    Boundary,
    /// As a service control policy more, which has to allow as the others do
    Scp,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhatIfFormat {
    Table,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PermissionsFormat {
    Table,
    Json,
    /// A page that needs nothing beside it
    Html,
    Markdown,
}

#[derive(clap::Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub rules: RuleArgs,
    /// A MaxMind-format file; may be given several times
    #[arg(long, value_name = "FILE")]
    pub geoip: Vec<PathBuf>,
}

#[derive(clap::Args)]
pub struct SimulateArgs {
    /// The same seed gives the same bytes
    #[arg(long)]
    pub seed: u64,
    /// The folder to write to; must be empty or not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Accounts of the organisation
    #[arg(long, default_value_t = 3)]
    pub accounts: usize,
    /// Days of logs
    #[arg(long, default_value_t = 3)]
    pub days: u32,
    /// About this many events in all
    #[arg(long, default_value_t = 50_000)]
    pub events: u64,
    /// Plant no attacks
    #[arg(long)]
    pub no_attacks: bool,
    /// Also jobs that run once a month (a third of the days), or once in all
    #[arg(long)]
    pub jobs: bool,
}

#[derive(clap::Args)]
pub struct ServeArgs {
    /// The configuration; `trailhound config example` prints one
    #[arg(long, value_name = "FILE", env = "TRAILHOUND_CONFIG")]
    pub config: PathBuf,
    /// In place of [store] location
    #[arg(long, value_name = "DIR", env = "TRAILHOUND_STORE")]
    pub store: Option<String>,
    /// In place of [http] bind
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<std::net::SocketAddr>,
    /// How the log is written
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

impl ServeArgs {
    /// The configuration with what flags override in it.
    pub fn read(&self) -> Result<crate::config::Config, crate::config::ConfigError> {
        let mut config = crate::config::Config::read(&self.config)?;
        if let Some(store) = &self.store {
            config.store.location = store.clone();
        }
        if let Some(bind) = self.bind {
            config.http.bind = bind;
        }
        Ok(config)
    }
}

#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum LogFormat {
    /// One object a line
    Json,
    Text,
}

#[derive(clap::Args)]
pub struct BackfillArgs {
    /// The bucket, as s3://bucket or s3://bucket/what/stands/before/AWSLogs
    #[arg(value_name = "BUCKET")]
    pub bucket: String,
    /// First day
    #[arg(long, value_name = "DAY")]
    pub since: String,
    /// Last day
    #[arg(long, value_name = "DAY")]
    pub until: String,
    /// Only this account; may be given several times
    #[arg(long, value_name = "ID")]
    pub account: Vec<String>,
    /// Only this region; may be given several times
    #[arg(long, value_name = "REGION")]
    pub region: Vec<String>,
    /// The organisation's id, of an organisation's trail; by default found out
    #[arg(long, value_name = "ID")]
    pub organization: Option<String>,
    /// The running service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9187")]
    pub server: String,
    /// The service's token, as [http] token in its configuration
    #[arg(long, value_name = "TOKEN", env = "TRAILHOUND_TOKEN", hide_env_values = true)]
    pub token: String,
    /// Return at once instead of showing the progress
    #[arg(long)]
    pub detach: bool,
}

#[derive(clap::Args)]
pub struct DoctorArgs {
    #[arg(long, value_name = "FILE", env = "TRAILHOUND_CONFIG")]
    pub config: PathBuf,
    /// A bucket of logs to try beside those of the configuration, as bucket or bucket/prefix; may be given several times
    #[arg(long, value_name = "BUCKET")]
    pub bucket: Vec<String>,
}

#[derive(Subcommand)]
pub enum AlertsCommand {
    /// Sends a message that says that it is a test, and tells what came of it
    Test(SinkArgs),
    /// Puts a sink's dead letters back into the outbox, after the cause is mended; a running service sends them
    Replay(SinkArgs),
}

#[derive(clap::Args)]
pub struct SinkArgs {
    /// The sink's name
    pub sink: String,
    #[arg(long, value_name = "FILE", env = "TRAILHOUND_CONFIG")]
    pub config: PathBuf,
}

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Reads a configuration and tells everything that is wrong with it; nothing is contacted
    Check {
        #[arg(long, value_name = "FILE", env = "TRAILHOUND_CONFIG")]
        config: PathBuf,
    },
    /// Prints an example with every key
    Example,
}

/// A day on the command line, in days since the epoch.
fn day(text: &str) -> Result<i32, String> {
    const DAY: i64 = 24 * 3_600_000_000;
    let midnight = trailhound_ingest::time::parse(&format!("{text}T00:00:00Z"));
    let day = midnight.and_then(|micros| i32::try_from(micros.div_euclid(DAY)).ok());
    day.ok_or_else(|| format!("{text:?} is not a day: write 2025-03-09"))
}

/// A time on the command line: a day or a time in UTC, in microseconds.
fn time(text: &str) -> Result<i64, String> {
    trailhound_ingest::time::parse(text)
        .or_else(|| trailhound_ingest::time::parse(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| format!("{text:?} is not a time: write 2025-03-09 or 2025-03-09T12:00:00Z"))
}
