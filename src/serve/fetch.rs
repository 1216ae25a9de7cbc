//! Announced objects are fetched, within the limits of bytes in flight, and handed to the keeper.
//!
//! What is known already is not fetched again: what the ledger has, and what is [on its way](super::underway).
//! Each object ends in one of three ways: it is fetched; it can not be had and its account is parked; or it could not be
//! had now, then its ticket is dropped and the message comes again. An error of configuration halts all intake (see
//! [`super::halt`]) while the object that met it is tried again from time to time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trailhound_ingest::notification::Announced;
use trailhound_ingest::source::{Clients, FetchOutcome};
use trailhound_ingest::{Batch, Limits, ObjectId, ObjectOutcome};
use trailhound_store::Ledger;

use super::delivery::Ticket;
use super::halt::Halt;
use super::keeper::Work;
use super::metrics::Metrics;
use super::underway::Underway;
use crate::decoders::Job;

/// Permits are counted in units of this, so that a large object does not need millions of them.
const PERMIT_BYTES: u64 = 1 << 10;
/// What an object counts as whose announcement does not tell its size. Most log objects are far smaller.
const UNTOLD_BYTES: u64 = 256 << 10;
/// Pause between tries of an object that met an error of configuration.
const HALTED_RETRY: Duration = Duration::from_secs(30);
/// Backfills wait while less than this share of the permits is free: the queue comes first.
const IDLE_SHARE: usize = 2;

pub struct Fetcher {
    clients: Clients,
    ledger: Ledger,
    underway: Arc<Underway>,
    limits: Limits,
    permits: Arc<Semaphore>,
    permits_max: usize,
    fetches: Arc<Semaphore>,
    work: mpsc::Sender<Work>,
    halt: Arc<Halt>,
    metrics: Arc<Metrics>,
    running: Mutex<JoinSet<()>>,
}

/// What the fetcher may use.
pub struct FetchLimits {
    pub in_flight_bytes: u64,
    pub fetches: usize,
    pub limits: Limits,
}

impl Fetcher {
    pub fn new(
        clients: Clients,
        ledger: Ledger,
        underway: Arc<Underway>,
        may: FetchLimits,
        work: mpsc::Sender<Work>,
        halt: Arc<Halt>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let permits_max = (may.in_flight_bytes / PERMIT_BYTES).clamp(1, Semaphore::MAX_PERMITS as u64) as usize;
        Self {
            clients,
            ledger,
            underway,
            limits: may.limits,
            permits: Arc::new(Semaphore::new(permits_max)),
            permits_max,
            fetches: Arc::new(Semaphore::new(may.fetches)),
            work,
            halt,
            metrics,
            running: Mutex::default(),
        }
    }

    /// Returns once there is room beside what the queue brings.
    pub async fn idle(&self) {
        loop {
            self.halt.lifted().await;
            if self.permits.available_permits() * IDLE_SHARE >= self.permits_max {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Begins to fetch, as soon as there is room, each of these objects that is not known; returns when all have begun.
    /// Cancelling before that drops the tickets.
    pub async fn fetch(self: &Arc<Self>, announced: Vec<(Announced, Ticket)>, cancel: &CancellationToken) {
        let ids: Vec<Option<ObjectId>> = announced.iter().map(|(announced, _)| announced.id()).collect();
        let known = self.durable(&ids).await;
        for ((announced, ticket), id) in announced.into_iter().zip(ids) {
            let ticket = match id {
                Some(id) if known.contains(&id) => {
                    self.underway.repeated(id, 1);
                    ticket.done();
                    continue;
                }
                Some(id) => match self.underway.join(id, ticket) {
                    Some(ticket) => ticket,
                    None => continue,
                },
                None => ticket,
            };
            self.begin(announced, ticket, cancel).await;
        }
    }

    /// Those of the objects that were read before. One that is parked may be there now, so it is fetched.
    async fn durable(&self, ids: &[Option<ObjectId>]) -> HashSet<ObjectId> {
        let ids: Vec<&ObjectId> = ids.iter().flatten().collect();
        match self.ledger.known(&ids).await {
            Ok(known) => {
                known.into_iter().filter(|(_, k)| k.outcome != ObjectOutcome::Parked).map(|(id, _)| id).collect()
            }
            Err(error) => {
                // The keeper asks again before it keeps anything.
                tracing::debug!("known objects are fetched too: {error}");
                HashSet::new()
            }
        }
    }

    async fn begin(self: &Arc<Self>, announced: Announced, ticket: Ticket, cancel: &CancellationToken) {
        let held = announced.bytes.unwrap_or(UNTOLD_BYTES).min(self.limits.whole_bytes_max as u64);
        let units = (held / PERMIT_BYTES + 1).min(self.permits_max as u64) as u32;
        let room = async {
            self.halt.lifted().await;
            let slot = Arc::clone(&self.fetches).acquire_owned().await.expect("the semaphore is never closed");
            let bytes =
                Arc::clone(&self.permits).acquire_many_owned(units).await.expect("the semaphore is never closed");
            (slot, bytes)
        };
        let (slot, bytes) = tokio::select! {
            () = cancel.cancelled() => return,
            room = room => room,
        };
        let (fetcher, cancel) = (Arc::clone(self), cancel.clone());
        let mut running = self.running.lock().await;
        // What has ended is taken out, so that the set does not grow.
        while let Some(ended) = running.try_join_next() {
            ended.expect("fetching does not panic");
        }
        running.spawn(async move {
            fetcher.metrics.objects_in_flight.inc();
            fetcher.metrics.bytes_in_flight.add(held as i64);
            // A call of the SDK is a future of many kilobytes: it is not moved with the task, and gone before that waits.
            let work = Box::pin(fetcher.bring(announced, ticket, bytes, &cancel)).await;
            // What is fetched waits for the keeper within the limit of bytes, and others are fetched meanwhile.
            drop(slot);
            if let Some(work) = work {
                // Nobody keeps any more: the ticket is dropped with the work, and the message comes again.
                let _ = fetcher.work.send(work).await;
            }
            fetcher.metrics.bytes_in_flight.sub(held as i64);
            fetcher.metrics.objects_in_flight.dec();
        });
    }

    /// Waits for the fetches that have begun.
    pub async fn finish(&self) {
        let mut running = self.running.lock().await;
        while let Some(ended) = running.join_next().await {
            ended.expect("fetching does not panic");
        }
    }

    /// The object, or the account of one that cannot be had; nothing when it comes again.
    async fn bring(
        &self,
        announced: Announced,
        ticket: Ticket,
        permit: OwnedSemaphorePermit,
        cancel: &CancellationToken,
    ) -> Option<Work> {
        loop {
            let error = match self.clients.fetch(&announced, self.limits.whole_bytes_max as u64).await {
                Ok(fetched) => {
                    self.halt.lift(&place(&announced));
                    return Some(Work::Object { job: Job { fetched, permit }, ticket });
                }
                Err(error) => error,
            };
            match error.outcome() {
                FetchOutcome::Retry => {
                    tracing::warn!("left for the next delivery: {error}");
                    return None;
                }
                FetchOutcome::Park => {
                    tracing::warn!("parked: {error}");
                    let batch = Batch::without_rows(error.report());
                    return Some(Work::Parked { batch, ticket });
                }
                FetchOutcome::Stop => {
                    self.halt.set(&place(&announced), error.to_string());
                    tokio::select! {
                        () = cancel.cancelled() => return None,
                        () = tokio::time::sleep(HALTED_RETRY) => {}
                    }
                }
            }
        }
    }
}

/// What a halt is named after.
fn place(announced: &Announced) -> String {
    format!("bucket {}", announced.bucket)
}
