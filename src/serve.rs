//! `trailhound serve`: from the queues to somebody's phone, for months.
//!
//! ```text
//! queues ─► messages ─► fetch ─► keeper (store, detector) ─► alerts ─► people
//!              │                    │ commit                    ▲
//!              └─ leases ◄──────────┘ tickets done              └── watch over the service itself
//! ```
//! Two runtimes: one receives, fetches, answers over HTTP and sends; the other keeps, judges and tidies the store, so that
//! heavy work there starves no lease. Everything that can be wrong with the configuration is found before the first message is received.
//!
//! Stopping goes in the order of the flow. Polls end, messages that were not begun are handed back, what is being
//! fetched is fetched, decoded and committed, acknowledgements and alerts are sent. Past the grace period what is left
//! is named and handed back, and the exit code is 2.

mod backfill;
mod delivery;
mod fetch;
mod grants;
mod halt;
mod http;
mod keeper;
mod messages;
mod metrics;
mod reload;
mod secrets;
mod sources;
mod underway;
mod upkeep;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use prometheus::Registry;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trailhound_alert::Alerts;
use trailhound_detect::{Change, ChangeCounts, Detector, FindingsLedger, Follower, RuleSet, Seen};
use trailhound_ingest::source::Clients;
use trailhound_ingest::{Aws, Limits, Queue};
use trailhound_store::{Store, StoreOptions};

use self::backfill::Backfills;
pub use self::backfill::{Backfill, Wanted};
use self::fetch::{FetchLimits, Fetcher};
use self::grants::Refresher;
use self::halt::Halt;
use self::http::{Beat, Service};
use self::keeper::{Keeper, KeeperOptions};
use self::messages::Messages;
use self::metrics::Metrics;
use self::reload::Reloader;
pub use self::secrets::SecretsManager;
use self::sources::Sources;
pub use self::sources::register as register_sources;
use self::underway::Underway;
use self::upkeep::Upkeeper;
use self::watch::{ClockSkew, Watch};
use crate::args::{RuleArgs, ServeArgs};
use crate::clock::now_micros;
use crate::config::Config;
use crate::shipped;

/// Work for the keeper that waits; permits bound its bytes.
const WORK_WAITING_MAX: usize = 256;
/// Requests to the keeper that wait.
const REQUESTS_WAITING_MAX: usize = 8;
/// A queue that cannot be read is tried again after this time.
const QUEUE_RETRY: Duration = Duration::from_secs(60);
/// Alerts that are due when the service stops are told within this time; the rest is told by the next start.
const ALERTS_DRAIN: Duration = Duration::from_secs(5);
/// Of the grace period this much is kept for handing back what could not be finished.
const HAND_BACK: Duration = Duration::from_secs(3);

/// Runs the service until it is told to stop.
pub async fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let config = args.read()?;
    // Listened for from the beginning: a service that is told to stop while it starts stops as well as any other.
    let mut signals =
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
    let service = tokio::select! {
        service = Running::start(&args, config) => service?,
        () = signals.any() => return Ok(ExitCode::SUCCESS),
    };
    service.until_stopped(signals).await
}

/// What tells the service to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Everything that runs, in the order in which it is stopped.
struct Running {
    /// Stops intake.
    stop: CancellationToken,
    /// Stops telling and answering.
    end: CancellationToken,
    service: Arc<Service>,
    queues: Vec<Arc<Queue>>,
    fetcher: Arc<Fetcher>,
    intake: Vec<(&'static str, JoinHandle<()>)>,
    keeping: JoinHandle<()>,
    telling: JoinHandle<()>,
    aside: Vec<JoinHandle<()>>,
    heavy: Option<tokio::runtime::Runtime>,
    grace: Duration,
}

impl Running {
    async fn start(args: &ServeArgs, config: Config) -> anyhow::Result<Self> {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(&registry)?);
        let received = trailhound_ingest::Metrics::new(&registry)?;
        let secrets = Arc::new(SecretsManager::default());
        let rule_args = config.rules.args();
        let rules = shipped::rule_set(&rule_args).context("the rules are not sound")?;
        metrics.rules_at_work(&rules.rules().cloned().collect::<Vec<_>>());
        let token = match &config.http.token {
            Some(token) => Some(token.resolve(secrets.as_ref()).await.map_err(|e| anyhow::anyhow!("http.token: {e}"))?),
            None => None,
        };
        let listener = tokio::net::TcpListener::bind(config.http.bind)
            .await
            .with_context(|| format!("http.bind: {} cannot be listened on", config.http.bind))?;

        let aws = Aws::load().await;
        let clients = Clients::new(aws.clone(), config.buckets.clone(), received.clone());
        let mut queues = Vec::new();
        for queue in &config.queues {
            queues.push(Arc::new(Queue::open(queue, &aws, received.clone(), now_micros).await?));
        }

        let options = config.store_options(secrets.as_ref()).await?;
        let store = Store::open(options.clone()).await?;
        let sources = Arc::new(Sources::open(store.ledger(), now_micros()).await?);
        metrics.accounts_known(sources.accounts());
        let alerts =
            Alerts::open(store.ledger(), &config.alerting()?, secrets.clone(), sources.clone(), &registry).await?;
        alerts.on_told({
            let metrics = Arc::clone(&metrics);
            move |told| metrics.told(told)
        });
        let backfills = Arc::new(Backfills::open(store.ledger(), &clients).await?);

        let (halt, beat) = (Arc::new(Halt::new()), Arc::new(Beat::new()));
        let (work, work_taken) = mpsc::channel(WORK_WAITING_MAX);
        let (requests, requests_taken) = mpsc::channel(REQUESTS_WAITING_MAX);
        let underway = Arc::new(Underway::default());
        let fetcher = Arc::new(Fetcher::new(
            clients.clone(),
            store.ledger().clone(),
            Arc::clone(&underway),
            FetchLimits {
                in_flight_bytes: (config.intake.in_flight_mib as u64) << 20,
                fetches: config.intake.fetches,
                limits: Limits::default(),
            },
            work.clone(),
            Arc::clone(&halt),
            Arc::clone(&metrics),
        ));
        let heavy = tokio::runtime::Builder::new_multi_thread().thread_name("keep").enable_all().build()?;
        let upkeeper = Upkeeper {
            options: options.clone(),
            every: Duration::from_secs(config.store.upkeep_minutes * 60),
            retention_days: config.store.retention_days,
            activity_retention_days: config.store.activity_retention_days,
            findings: FindingsLedger::open(store.ledger()).await?,
            metrics: Arc::clone(&metrics),
        };
        let refresher = Refresher {
            config: config.permissions.clone(),
            options: options.clone(),
            site: rule_args.site.clone(),
            ledger: store.ledger().clone(),
            granted: store.granted().clone(),
            aws: aws.clone(),
            received: received.clone(),
            metrics: Arc::clone(&metrics),
        };
        let keeper = Keeper {
            options: keeper_options(&config, options),
            open_detector: open_detector(
                rules,
                &rule_args,
                config.rules.memory_mib << 20,
                Arc::clone(&alerts),
                Arc::clone(&metrics),
            ),
            sources: Arc::clone(&sources),
            underway,
            beat: Arc::clone(&beat),
            halt: Arc::clone(&halt),
            metrics: Arc::clone(&metrics),
        };
        let keeping = heavy.spawn(keeper.run(store, work_taken, requests_taken));

        let (stop, end) = (CancellationToken::new(), CancellationToken::new());
        let service = Arc::new(Service {
            registry,
            metrics: Arc::clone(&metrics),
            halt: Arc::clone(&halt),
            ready: AtomicBool::new(true),
            beat,
            backfills: Arc::clone(&backfills),
            token,
        });
        let clock_skew = Arc::new(ClockSkew::default());
        let room = config.queues.iter().map(|queue| queue.polls * 20).sum::<usize>().max(10);
        let (arriving, arrived) = mpsc::channel(room);
        let messages = Messages {
            fetcher: Arc::clone(&fetcher),
            work,
            metrics: Arc::clone(&metrics),
            received,
            clock_skew: Arc::clone(&clock_skew),
        };
        let mut intake = vec![("messages", tokio::spawn(messages.run(arrived, stop.clone())))];
        for queue in &queues {
            let receiving = receive(Arc::clone(queue), arriving.clone(), Arc::clone(&halt), stop.clone());
            intake.push(("polls", tokio::spawn(receiving)));
        }
        drop(arriving);
        intake.push(("backfills", tokio::spawn(backfills.run(Arc::clone(&fetcher), stop.clone()))));

        let telling = tokio::spawn({
            let (alerts, end) = (Arc::clone(&alerts), end.clone());
            async move {
                alerts.run(end, ALERTS_DRAIN).await;
            }
        });
        let watch = Watch {
            alerts: Arc::clone(&alerts),
            queues: queues.clone(),
            sources,
            halt,
            keeper: requests.clone(),
            metrics: Arc::clone(&metrics),
            clock_skew,
        };
        let reloader = Reloader {
            config_path: args.config.clone(),
            rules: rule_args,
            keeper: requests,
            alerts,
            metrics: Arc::clone(&metrics),
            config: config.clone(),
        };
        let answering = {
            let (service, end) = (Arc::clone(&service), end.clone());
            async move {
                if let Err(error) = http::serve(listener, service, end).await {
                    tracing::error!("{error:#}");
                }
            }
        };
        let mut aside = vec![
            tokio::spawn(watch.run(stop.clone())),
            tokio::spawn(reloader.run(stop.clone())),
            tokio::spawn(answering),
        ];
        aside.push(heavy.spawn(refresher.run(stop.clone())));
        if config.store.upkeep_minutes > 0 {
            aside.push(heavy.spawn(upkeeper.run(stop.clone())));
        }
        tracing::info!(queues = queues.len(), http = %config.http.bind, store = config.store.location, "serving");
        let grace = Duration::from_secs(config.shutdown.grace_seconds);
        Ok(Self { stop, end, service, queues, fetcher, intake, keeping, telling, aside, heavy: Some(heavy), grace })
    }

    /// Waits for a signal, or for a part that ends by itself, which only a fault can make it do.
    async fn until_stopped(mut self, mut signals: Signals) -> anyhow::Result<ExitCode> {
        let ended = tokio::select! {
            () = signals.any() => None,
            ended = &mut self.keeping => Some(("keeper", ended)),
            ended = &mut self.telling => Some(("alerts", ended)),
        };
        if let Some((part, ended)) = ended {
            let why = ended.err().map_or("it ended".to_string(), |error| error.to_string());
            tracing::error!(part, "the service cannot go on: {why}");
            return Ok(ExitCode::from(2));
        }
        tracing::info!(grace_seconds = self.grace.as_secs(), "stopping");
        tokio::spawn(async move {
            signals.any().await;
            tracing::error!("stopped by a second signal");
            std::process::exit(2);
        });
        let clean = self.stop().await;
        tracing::info!(clean, "stopped");
        Ok(ExitCode::from(if clean { 0 } else { 2 }))
    }

    /// Stops in the order of the flow; false when something was left when the grace period ended.
    async fn stop(mut self) -> bool {
        let deadline = Instant::now() + self.grace;
        let hand_back = deadline - HAND_BACK.min(self.grace / 2);
        self.service.ready.store(false, Ordering::Release);
        self.stop.cancel();
        let mut clean = true;
        for (part, task) in self.intake.drain(..) {
            clean &= in_time(part, hand_back, task).await;
        }
        let fetcher = self.fetcher;
        clean &= in_time(
            "fetches",
            hand_back,
            tokio::spawn(async move {
                fetcher.finish().await;
            }),
        )
        .await;
        // The last sender of work is gone with the fetcher, so the keeper commits what it has and ends.
        let keeper = self.keeping.abort_handle();
        if !in_time("keeper", hand_back, self.keeping).await {
            clean = false;
            // Its tickets are dropped, and their messages handed back.
            keeper.abort();
        }
        self.end.cancel();
        clean &= in_time("alerts", deadline, self.telling).await;
        for queue in &self.queues {
            let pending = queue.drain(deadline).await;
            if !pending.is_empty() {
                clean = false;
                tracing::error!(
                    queue = %queue.name(),
                    deletes = pending.deletes,
                    returns = pending.returns,
                    held = pending.held,
                    "not everything could be settled; these messages come again by themselves"
                );
            }
        }
        for task in self.aside.drain(..) {
            task.abort();
        }
        if let Some(heavy) = self.heavy.take() {
            heavy.shutdown_background();
        }
        clean
    }
}

/// Waits for a part to end; names it when the deadline comes first.
async fn in_time(part: &str, deadline: Instant, task: JoinHandle<()>) -> bool {
    match tokio::time::timeout_at(deadline, task).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(part, "failed while stopping: {error}");
            false
        }
        Err(_) => {
            tracing::error!(part, "still pending at the end of the grace period");
            false
        }
    }
}

/// Receives from a queue until stopped; while the queue cannot be used because of the configuration, intake is halted.
async fn receive(
    queue: Arc<Queue>,
    into: mpsc::Sender<trailhound_ingest::Message>,
    halt: Arc<Halt>,
    stop: CancellationToken,
) {
    let place = format!("queue {}", queue.name());
    loop {
        match queue.receive(into.clone(), stop.clone()).await {
            Ok(()) => return,
            Err(error) => halt.set(&place, error.to_string()),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(QUEUE_RETRY) => {}
        }
        if queue.depth().await.is_ok() {
            queue.forget_fault();
            halt.lift(&place);
        }
    }
}

fn keeper_options(config: &Config, store: StoreOptions) -> KeeperOptions {
    KeeperOptions {
        store,
        flush_every: Duration::from_secs(config.store.flush_seconds),
        geoip: config.geoip.files.clone(),
        limits: Limits::default(),
    }
}

/// Opens a detector whose findings are followed. The first one gets the rules that were checked at the start; after that
/// they are loaded anew.
fn open_detector(
    rules: RuleSet,
    args: &RuleArgs,
    memory_bytes_max: usize,
    alerts: Arc<Alerts>,
    metrics: Arc<Metrics>,
) -> keeper::OpenDetector {
    let first = std::sync::Mutex::new(Some(rules));
    let follower = Arc::new(Counted { alerts, metrics });
    let args = args.clone();
    Box::new(move |store| {
        let checked = first.lock().expect("no holder panics").take();
        let (args, follower) = (args.clone(), follower.clone());
        Box::pin(async move {
            let rules = match checked {
                Some(rules) => rules,
                None => shipped::rule_set(&args)?,
            };
            Ok(Detector::open(store, rules).await?.with_memory(memory_bytes_max).with_follower(follower))
        })
    })
}

/// Alerts, with every change counted on its way.
#[derive(Debug)]
struct Counted {
    alerts: Arc<Alerts>,
    metrics: Arc<Metrics>,
}

impl Follower for Counted {
    fn changed<'a>(
        &'a self,
        transaction: &'a mut sqlx::Transaction<'static, sqlx::Any>,
        changes: &'a [Change],
    ) -> futures::future::BoxFuture<'a, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        self.alerts.changed(transaction, changes)
    }

    fn evaluated(&self, set: &RuleSet, seen: &Seen) {
        for cost in &seen.costs {
            self.metrics.rule(&set.at(cost.rule).id, cost.matches, cost.time);
        }
        for failure in &seen.failures {
            self.metrics.rule_failed(&failure.rule, failure.rows);
        }
    }

    fn committed(&self, counts: &ChangeCounts) {
        for (change, count) in counts {
            self.metrics.findings(change, *count);
        }
        self.alerts.committed(counts);
    }
}
