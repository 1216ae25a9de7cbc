//! The one that owns the store: takes fetched objects, hands them to the decoders, keeps what they make, and lets go
//! of each object's ticket once its commit is durable.
//!
//! ```text
//! Work ─► known? ─► decoders ─► append ─► commit ─► tickets done (the message may go) ─► detect
//!            └─ yes, durable: done at once; yes, on its way: waits for that commit
//! ```
//! Most of what is known is not even fetched (see [`super::fetch`]); here it is known for sure, by what was fetched.
//!
//! An error of the store closes it. Then all tickets are dropped, so that the messages come again, intake is halted,
//! and the store is opened anew until that succeeds: opening finds all of a commit or none of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use trailhound_detect::{Detector, Failure, RuleSet};
use trailhound_ingest::{Batch, Geo, Limits, ObjectId, ObjectOutcome};
use trailhound_store::{Accounting, Commit, Kept, ParkedMessage, Store, StoreOptions, crash};

use super::delivery::Ticket;
use super::halt::Halt;
use super::http::Beat;
use super::metrics::Metrics;
use super::sources::Sources;
use super::underway::Underway;
use crate::clock::now_micros;
use crate::decoders::{Decoders, Job};

/// Objects that are looked up in the ledger at once.
const LOOKUP_OBJECTS_MAX: usize = 128;
/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(200);
/// GeoIP files are looked at for changes this often.
const GEO_CHECK: Duration = Duration::from_secs(10);
/// Pauses before the store is opened again, from the first to the longest.
const REOPEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A detector that failed tries to catch up this often.
const CATCH_UP_EVERY: Duration = Duration::from_secs(5);
/// The place that [`Halt`] knows the store by.
const STORE: &str = "store";

/// What the keeper is given to do.
pub enum Work {
    /// A fetched object.
    Object { job: Job, ticket: Ticket },
    /// An object that cannot be had: only its account is kept.
    Parked { batch: Batch, ticket: Ticket },
    /// A message that nobody can make sense of.
    Message { message: ParkedMessage, ticket: Ticket },
}

/// What others ask of the keeper. Each is answered between two steps.
pub enum Request {
    /// Puts another rule set in place; answered when what it changes is evaluated over the whole table, or when that
    /// failed and is tried again from time to time.
    Rules(Box<RuleSet>, oneshot::Sender<()>),
    /// How the store and the rules stand.
    Standing(oneshot::Sender<Result<Standing, String>>),
}

/// How the store and the rules stand.
pub struct Standing {
    /// From durable state.
    pub accounting: Accounting,
    pub ledger_bytes: u64,
    /// Rules that failed on rows since they are at work.
    pub rule_failures: Vec<Failure>,
}

/// What the keeper needs to open a store with a detector over it.
pub struct KeeperOptions {
    pub store: StoreOptions,
    pub flush_every: Duration,
    pub geoip: Vec<PathBuf>,
    pub limits: Limits,
}

/// Makes the detector over a freshly opened store: rules and who follows their findings are not the keeper's business.
pub type OpenDetector = Box<dyn Fn(&Store) -> futures::future::BoxFuture<'_, anyhow::Result<Detector>> + Send + Sync>;

pub struct Keeper {
    pub options: KeeperOptions,
    pub open_detector: OpenDetector,
    pub sources: Arc<Sources>,
    pub underway: Arc<Underway>,
    pub beat: Arc<Beat>,
    pub halt: Arc<Halt>,
    pub metrics: Arc<Metrics>,
}

/// A store at work, and what waits for its commits.
struct Bench {
    store: Store,
    detector: Detector,
    decoders: Decoders,
    waiting: HashMap<ObjectId, Vec<Ticket>>,
    /// When the oldest thing that waits for a commit came.
    pending_since: Option<Instant>,
    /// The detector failed and has to catch up from the table; when that was last tried.
    behind: Option<Instant>,
}

impl Keeper {
    /// Keeps what comes until no more work can come and all of it is durable.
    /// The store comes open, so that what is wrong with it is known before anything is received.
    pub async fn run(self, store: Store, mut work: mpsc::Receiver<Work>, mut requests: mpsc::Receiver<Request>) {
        let mut pause = REOPEN.0;
        let mut store = Some(store);
        loop {
            let begun = Instant::now();
            match self.keep(store.take(), &mut work, &mut requests).await {
                Ok(()) => return,
                Err(error) => self.halt.set(STORE, format!("{error:#}")),
            }
            if begun.elapsed() > REOPEN.1 {
                pause = REOPEN.0;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(REOPEN.1);
        }
    }

    async fn keep(
        &self,
        store: Option<Store>,
        work: &mut mpsc::Receiver<Work>,
        requests: &mut mpsc::Receiver<Request>,
    ) -> anyhow::Result<()> {
        let geo = Geo::open(&self.options.geoip)?;
        let store = match store {
            Some(store) => store,
            None => Store::open(self.options.store.clone()).await?,
        };
        let detector = (self.open_detector)(&store).await?;
        let (decoders, mut decoded) = Decoders::start(geo, self.options.limits);
        let mut bench = Bench { store, detector, decoders, waiting: HashMap::new(), pending_since: None, behind: None };
        self.catch_up(&mut bench).await;
        self.halt.lift(STORE);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut geo_looked = Instant::now();
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                // First, or what is due by time would wait for as long as there is work.
                _ = tick.tick() => {
                    self.count_repeated(&mut bench);
                    if bench.pending_since.is_some_and(|since| since.elapsed() >= self.options.flush_every) {
                        self.flush(&mut bench).await?;
                    }
                    if bench.behind.is_some_and(|tried| tried.elapsed() >= CATCH_UP_EVERY) {
                        self.catch_up(&mut bench).await;
                    }
                    if bench.behind.is_none() {
                        self.ask(&mut bench).await;
                    }
                    self.beat.alive();
                    self.metrics.rule_memory_bytes.set(bench.detector.memory_bytes() as i64);
                    if geo_looked.elapsed() > GEO_CHECK {
                        geo_looked = Instant::now();
                        bench.decoders.refresh_geo();
                    }
                },
                batch = decoded.recv() => match batch {
                    Some(batch) => self.append(&mut bench, batch).await?,
                    None => break,
                },
                first = work.recv(), if open => match first {
                    Some(first) => self.take(&mut bench, first, work).await?,
                    None => {
                        open = false;
                        bench.decoders.close();
                    }
                },
                Some(request) = requests.recv() => self.answer(&mut bench, request).await,
            }
        }
        self.count_repeated(&mut bench);
        bench.decoders.join().await?;
        let kept = bench.store.flush().await?;
        let mut rest = bench.waiting;
        self.settle(&mut rest, &kept).await;
        if let Some(commit) = &kept.commit {
            bench.detector.commit(&bench.store, commit).await?;
        }
        bench.store.finish().await?;
        Ok(())
    }

    /// Looks up what has been fetched, and sends to the decoders what is new.
    async fn take(&self, bench: &mut Bench, first: Work, work: &mut mpsc::Receiver<Work>) -> anyhow::Result<()> {
        let mut objects = Vec::new();
        let mut next = Some(first);
        while let Some(work_unit) = next {
            match work_unit {
                Work::Object { job, ticket } => objects.push((job, ticket)),
                Work::Parked { batch, ticket } => self.park(bench, batch, ticket).await?,
                Work::Message { message, ticket } => {
                    bench.store.park_message(&message).await?;
                    ticket.done();
                }
            }
            next = if objects.len() < LOOKUP_OBJECTS_MAX { work.try_recv().ok() } else { None };
        }
        let ids: Vec<&ObjectId> = objects.iter().map(|(job, _)| &job.fetched.id).collect();
        let known = bench.store.known_among(&ids).await?;
        for (job, ticket) in objects {
            let id = job.fetched.id.clone();
            match (bench.waiting.entry(id.clone()), known.get(&id)) {
                // On its way already: both deliveries end with the one commit.
                (Entry::Occupied(mut waiting), _) => {
                    waiting.get_mut().push(ticket);
                    self.repeated(bench, &id, 1);
                }
                // What could not be had when it was parked is there now.
                (Entry::Vacant(waiting), Some(parked))
                    if parked.outcome == ObjectOutcome::Parked && parked.received == 0 =>
                {
                    waiting.insert(vec![ticket]);
                    bench.store.note_duplicates(&id, 1);
                    bench.decoders.send(job)?;
                }
                (Entry::Vacant(_), Some(_)) => {
                    ticket.done();
                    self.repeated(bench, &id, 1);
                }
                (Entry::Vacant(waiting), None) => {
                    waiting.insert(vec![ticket]);
                    bench.decoders.send(job)?;
                }
            }
        }
        Ok(())
    }

    /// Counts further deliveries of a known object.
    fn repeated(&self, bench: &mut Bench, id: &ObjectId, times: u64) {
        bench.store.note_duplicates(id, times);
        bench.pending_since.get_or_insert_with(Instant::now);
        self.metrics.duplicate_objects(times);
    }

    fn count_repeated(&self, bench: &mut Bench) {
        for (id, times) in self.underway.take_repeated() {
            self.repeated(bench, &id, times);
        }
    }

    /// Keeps the account of an object that cannot be had. One that was read before stays as it was read.
    async fn park(&self, bench: &mut Bench, batch: Batch, ticket: Ticket) -> anyhow::Result<()> {
        let Some(id) = batch.objects.first().map(|report| report.id.clone()) else { return Ok(()) };
        if bench.store.known(&id).await?.is_some() && !bench.waiting.contains_key(&id) {
            ticket.done();
            return Ok(());
        }
        bench.waiting.entry(id).or_default().push(ticket);
        self.append(bench, batch).await
    }

    async fn append(&self, bench: &mut Bench, batch: Batch) -> anyhow::Result<()> {
        for report in &batch.objects {
            self.metrics.read(report);
        }
        let begun = Instant::now();
        let kept = bench.store.append(batch).await?;
        bench.pending_since.get_or_insert_with(Instant::now);
        self.kept(bench, kept, begun.elapsed()).await
    }

    async fn flush(&self, bench: &mut Bench) -> anyhow::Result<()> {
        let begun = Instant::now();
        let kept = bench.store.flush().await?;
        self.kept(bench, kept, begun.elapsed()).await
    }

    /// After a commit: the messages may go, the rules see what is new.
    async fn kept(&self, bench: &mut Bench, kept: Kept, took: Duration) -> anyhow::Result<()> {
        if !bench.store.is_pending() {
            bench.pending_since = None;
        }
        self.metrics.duplicates(kept.duplicates);
        self.settle(&mut bench.waiting, &kept).await;
        if let Some(commit) = &kept.commit {
            self.metrics.committed(commit, took);
            self.detect(bench, commit, &kept.objects).await;
        } else if bench.behind.is_none() {
            // Objects without a new event.
            self.sources.judged();
        }
        Ok(())
    }

    async fn settle(&self, waiting: &mut HashMap<ObjectId, Vec<Ticket>>, kept: &Kept) {
        if kept.objects.is_empty() {
            return;
        }
        crash::point("serve.kept");
        let now = now_micros();
        for id in &kept.objects {
            for ticket in waiting.remove(id).unwrap_or_default() {
                self.metrics.kept_lag(id, now, ticket.received_time);
                ticket.done();
            }
        }
        crash::point("serve.settled");
        if let Err(error) = self.sources.delivered(&kept.objects, now).await {
            tracing::warn!("which sources deliver was not noted: {error:#}");
        }
    }

    /// Evaluates a commit. A failure costs nothing but time: the table is the stream, and the cursor stands before it.
    async fn detect(&self, bench: &mut Bench, commit: &Commit, objects: &[ObjectId]) {
        if bench.behind.is_some() {
            return;
        }
        let begun = Instant::now();
        match bench.detector.commit(&bench.store, commit).await {
            Ok(_) => {
                self.sources.judged();
                self.metrics.found(objects, begun.elapsed());
            }
            Err(error) => {
                tracing::error!("findings wait, the rules could not be evaluated: {:#}", anyhow::Error::from(error));
                bench.behind = Some(Instant::now());
            }
        }
    }

    async fn catch_up(&self, bench: &mut Bench) {
        match bench.detector.catch_up(&bench.store).await {
            Ok(_) => {
                bench.behind = None;
                self.sources.judged();
            }
            Err(error) => {
                if bench.behind.is_none() {
                    tracing::error!("findings wait, catching up failed: {:#}", anyhow::Error::from(error));
                }
                bench.behind = Some(Instant::now());
            }
        }
    }

    /// Asks the rules that are asked by time, where no commit gives the occasion.
    async fn ask(&self, bench: &mut Bench) {
        if let Err(error) = bench.detector.ask(&bench.store).await {
            tracing::error!("findings wait, a query could not be asked: {:#}", anyhow::Error::from(error));
            bench.behind = Some(Instant::now());
        }
    }

    async fn answer(&self, bench: &mut Bench, request: Request) {
        match request {
            Request::Rules(rules, answer) => {
                bench.detector.swap(*rules);
                self.catch_up(bench).await;
                // Whoever asked may have gone; the rules are in place all the same.
                let _ = answer.send(());
            }
            Request::Standing(answer) => {
                let asked = async {
                    Ok(Standing {
                        accounting: bench.store.accounting().await?,
                        ledger_bytes: bench.store.ledger().bytes().await?,
                        rule_failures: bench.detector.failures(),
                    })
                };
                let told = asked
                    .await
                    .map_err(|error: trailhound_store::StoreError| format!("{:#}", anyhow::Error::from(error)));
                let _ = answer.send(told);
            }
        }
    }
}
