//! From a source to the store and the detector: the way that every command takes which reads logs.
//!
//! ```text
//! list ─► fetch (several at once) ─► known? ─► decode (one thread a processor) ─► append ─► commit ─► detect
//!         └────── bytes in flight are limited by permits ──────┘
//! ```
//! The loop in [`Intake::run`] holds the store, asks it for what is known and hands it what was decoded; everything
//! else feeds the loop or is fed by it through bounded channels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use trailhound_detect::Detector;
use trailhound_ingest::key::{self, Key};
use trailhound_ingest::source::{Bucket, Folder, Listed, Selection, Source, SourceError};
use trailhound_ingest::{Batch, Geo, Limits, ObjectId, ParkedRecord};
use trailhound_store::{Commit, Store};

use crate::decoders::{Decoders, Job};

/// Bytes of objects between being fetched and being decoded, at most.
const IN_FLIGHT_BYTES_MAX: u64 = 16 << 20;
/// Permits are counted in units of this, so that a large object does not need millions of them.
const PERMIT_BYTES: u64 = 1 << 10;
/// Objects that are asked for in the ledger at once.
const CHUNK_OBJECTS: usize = 128;
/// Objects of a bucket that are fetched at once.
const FETCHES_AT_ONCE: usize = 64;
/// GeoIP files are looked at for changes this often.
const GEO_CHECK: Duration = Duration::from_secs(10);

/// What has happened so far, for a progress bar and a summary.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub listed: u64,
    pub listing_done: bool,
    pub objects: u64,
    pub bytes: u64,
    pub records: u64,
    pub findings: u64,
}

/// What became of one run.
#[derive(Debug, Default)]
pub struct Outcome {
    pub progress: Progress,
    /// Objects that were known already.
    pub known: u64,
    /// Objects that could not be fetched; they are not accounted for and will be tried by the next run.
    pub unfetched: Vec<SourceError>,
    /// Replayed objects whose content is another one now: as they were parked, and their identity now.
    pub mended: Vec<(ObjectId, String)>,
    /// What was wrong with single objects, one line each, in the order in which they were read.
    pub remarks: Vec<String>,
    /// Accounts and regions whose objects were there, as their keys say, known ones among them.
    pub sources: BTreeSet<(String, String)>,
}

impl Outcome {
    /// Adds another run's outcome.
    pub fn add(&mut self, other: Outcome) {
        let (mine, theirs) = (&mut self.progress, other.progress);
        mine.listed += theirs.listed;
        mine.objects += theirs.objects;
        mine.bytes += theirs.bytes;
        mine.records += theirs.records;
        mine.findings += theirs.findings;
        self.known += other.known;
        self.unfetched.extend(other.unfetched);
        self.mended.extend(other.mended);
        self.remarks.extend(other.remarks);
        self.sources.extend(other.sources);
    }
}

/// Remarks kept for the summary; more are only counted in the ledger.
const REMARKS_MAX: usize = 1000;

/// Opens a path or an `s3://` address as a source.
pub async fn open_source(path: &str) -> Result<Source, SourceError> {
    if path.starts_with("s3://") {
        Ok(Source::Bucket(Bucket::open(path).await?))
    } else {
        Ok(Source::Folder(Folder::open(path)?))
    }
}

/// One run over a source.
pub struct Intake<'a> {
    pub store: &'a mut Store,
    pub detector: &'a Detector,
    pub geo: Geo,
    pub limits: Limits,
    /// A replay: these objects are read again, by key, and no delivery is counted.
    pub again: Option<BTreeMap<String, ObjectId>>,
}

impl Intake<'_> {
    /// Reads what is selected of a source to its end. `observe` is told of progress now and then.
    pub async fn run(
        &mut self,
        source: Source,
        selection: Selection,
        observe: &mut dyn FnMut(&Progress),
    ) -> anyhow::Result<Outcome> {
        let (mut decoders, mut decoded) = Decoders::start(std::mem::take(&mut self.geo), self.limits);
        let (found, mut chunks) = mpsc::channel(2);
        let fetching = tokio::spawn(fetch_all(source, selection, self.limits.whole_bytes_max as u64, found));

        let mut outcome = Outcome::default();
        let mut fetched_all = false;
        let mut looked = Instant::now();
        loop {
            tokio::select! {
                chunk = chunks.recv(), if !fetched_all => match chunk {
                    Some(chunk) => self.take(chunk, &mut outcome, &decoders).await?,
                    None => {
                        fetched_all = true;
                        decoders.close();
                    }
                },
                batch = decoded.recv() => match batch {
                    Some(batch) => self.keep(batch, &mut outcome).await?,
                    None => break,
                },
            }
            observe(&outcome.progress);
            if looked.elapsed() > GEO_CHECK {
                looked = Instant::now();
                decoders.refresh_geo();
            }
        }
        fetching.await.context("the fetching task failed")??;
        decoders.join().await?;
        if let Some(commit) = self.store.flush().await?.commit {
            self.judge(&commit, &mut outcome).await?;
        }
        for (place, record) in self.store.take_differing() {
            push(&mut outcome.remarks, record_line(&place, &record));
        }
        outcome.progress.listing_done = true;
        observe(&outcome.progress);
        Ok(outcome)
    }

    /// Sends what is new among fetched objects to the decoders.
    async fn take(&mut self, chunk: Chunk, outcome: &mut Outcome, decoders: &Decoders) -> anyhow::Result<()> {
        outcome.progress.listed = chunk.listed;
        outcome.progress.listing_done = chunk.listing_done;
        outcome.unfetched.extend(chunk.failed);
        let known = if self.again.is_some() {
            Default::default()
        } else {
            let ids: Vec<_> = chunk.jobs.iter().map(|job| &job.fetched.id).collect();
            self.store.known_among(&ids).await?
        };
        for mut job in chunk.jobs {
            if let Key::Log(log) = key::parse(&job.fetched.id.key) {
                outcome.sources.insert((log.account_id.to_string(), log.region.to_string()));
            }
            // What stands at a parked object's address now is that object, mended.
            if let Some(parked) = self.again.as_ref().and_then(|again| again.get(&job.fetched.id.key))
                && *parked != job.fetched.id
            {
                let identity = job.fetched.id.identity.clone();
                job.fetched.id = parked.clone();
                outcome.mended.push((parked.clone(), identity));
            }
            if known.contains_key(&job.fetched.id) {
                outcome.known += 1;
                outcome.progress.objects += 1;
                outcome.progress.bytes += job.fetched.bytes;
                self.store.note_duplicates(&job.fetched.id, 1);
            } else {
                decoders.send(job)?;
            }
        }
        Ok(())
    }

    /// Hands a decoded batch to the store, and what that commits to the detector.
    async fn keep(&mut self, batch: Batch, outcome: &mut Outcome) -> anyhow::Result<()> {
        for report in &batch.objects {
            outcome.progress.objects += 1;
            outcome.progress.bytes += report.bytes;
            outcome.progress.records += report.records_received;
            remark(report, &mut outcome.remarks);
        }
        if let Some(commit) = self.store.append(batch).await?.commit {
            self.judge(&commit, outcome).await?;
        }
        Ok(())
    }

    async fn judge(&mut self, commit: &Commit, outcome: &mut Outcome) -> anyhow::Result<()> {
        let changes = self.detector.commit(self.store, commit).await?;
        outcome.progress.findings += changes.raised as u64;
        Ok(())
    }
}

/// One line for an object that was not simply read.
fn remark(report: &trailhound_ingest::ObjectReport, remarks: &mut Vec<String>) {
    let place = format!("{}/{}", report.id.bucket, report.id.key);
    if let Some(reason) = &report.reason {
        let verb = match report.outcome {
            trailhound_ingest::ObjectOutcome::Skipped => "skipped",
            _ => "parked",
        };
        push(remarks, format!("{verb} {place}: {reason}: {}", report.detail.as_deref().unwrap_or("")));
    }
    for record in &report.parked {
        push(remarks, record_line(&place, record));
    }
}

fn record_line(place: &str, record: &ParkedRecord) -> String {
    format!("parked {place} record {}: {}: {}", record.ordinal, record.reason, record.detail)
}

fn push(remarks: &mut Vec<String>, line: String) {
    if remarks.len() < REMARKS_MAX {
        remarks.push(line);
    }
}

/// Objects that were fetched together.
struct Chunk {
    jobs: Vec<Job>,
    failed: Vec<SourceError>,
    /// Objects listed so far.
    listed: u64,
    listing_done: bool,
}

/// Lists a source, where that is asked for, and fetches all that is selected.
async fn fetch_all(
    source: Source,
    selection: Selection,
    held_max: u64,
    found: mpsc::Sender<Chunk>,
) -> Result<(), SourceError> {
    let permits = Arc::new(Semaphore::new((IN_FLIGHT_BYTES_MAX / PERMIT_BYTES) as usize));
    match (source, selection) {
        (Source::Folder(folder), Selection::Wanted(wanted)) => {
            let listing = folder.clone();
            let all = tokio::task::spawn_blocking(move || listing.list()).await.expect("listing does not panic")?;
            let all = all.into_iter().filter(|object| wanted.wants(&object.key)).collect();
            fetch_folder(&folder, all, held_max, &permits, &found).await;
        }
        (Source::Folder(folder), Selection::Keys(objects)) => {
            fetch_folder(&folder, objects, held_max, &permits, &found).await;
        }
        (Source::Bucket(bucket), Selection::Wanted(wanted)) => {
            let (mut token, mut listed) = (None, 0);
            loop {
                let page = bucket.list(token).await?;
                token = page.next;
                let objects: Vec<_> = page.listed.into_iter().filter(|object| wanted.wants(&object.key)).collect();
                listed += objects.len() as u64;
                let progress = (listed, token.is_none());
                if !fetch_page(&bucket, objects, held_max, &permits, progress, &found).await || token.is_none() {
                    break;
                }
            }
        }
        (Source::Bucket(bucket), Selection::Keys(objects)) => {
            let progress = (objects.len() as u64, true);
            fetch_page(&bucket, objects, held_max, &permits, progress, &found).await;
        }
    }
    Ok(())
}

async fn fetch_folder(
    folder: &Folder,
    objects: Vec<Listed>,
    held_max: u64,
    permits: &Arc<Semaphore>,
    found: &mpsc::Sender<Chunk>,
) {
    let total = objects.len() as u64;
    let mut rest = objects.into_iter().peekable();
    while rest.peek().is_some() {
        let chunk = fetch_files(folder, &mut rest, held_max, permits, total).await;
        if found.send(chunk).await.is_err() {
            return;
        }
    }
}

/// Permits that an object needs; what lies in a file does not count beyond what is read of it at once.
fn units(object: &Listed, held_max: u64) -> u32 {
    (object.bytes.min(held_max) / PERMIT_BYTES + 1).min(IN_FLIGHT_BYTES_MAX / PERMIT_BYTES) as u32
}

/// Waits until the object may be fetched.
async fn permit(permits: &Arc<Semaphore>, units: u32) -> OwnedSemaphorePermit {
    Arc::clone(permits).acquire_many_owned(units).await.expect("the semaphore is never closed")
}

/// Fetches the next files, as many as make a chunk and as there are permits for.
async fn fetch_files(
    folder: &Folder,
    rest: &mut std::iter::Peekable<std::vec::IntoIter<Listed>>,
    held_max: u64,
    permits: &Arc<Semaphore>,
    total: u64,
) -> Chunk {
    let mut chunk = Chunk { jobs: Vec::new(), failed: Vec::new(), listed: total, listing_done: true };
    while let Some(object) = rest.peek() {
        let units = units(object, held_max);
        let permit = match Arc::clone(permits).try_acquire_many_owned(units) {
            Ok(permit) => permit,
            // The permits that this chunk holds come back only when it is on its way.
            Err(_) if !chunk.jobs.is_empty() => return chunk,
            Err(_) => permit(permits, units).await,
        };
        // Small files are read where we are: a hop to another thread costs more than the read.
        match tokio::task::block_in_place(|| folder.fetch(object, held_max)) {
            Ok(fetched) => chunk.jobs.push(Job { fetched, permit }),
            Err(error) => chunk.failed.push(error),
        }
        rest.next();
        if chunk.jobs.len() >= CHUNK_OBJECTS {
            break;
        }
    }
    chunk
}

/// False when nobody waits for objects any more.
async fn fetch_page(
    bucket: &Bucket,
    objects: Vec<Listed>,
    held_max: u64,
    permits: &Arc<Semaphore>,
    (listed, listing_done): (u64, bool),
    found: &mpsc::Sender<Chunk>,
) -> bool {
    let fetches = futures::stream::iter(objects).map(|object| async move {
        let permit = permit(permits, units(&object, held_max)).await;
        bucket.fetch(&object, held_max).await.map(|fetched| Job { fetched, permit })
    });
    let mut results = fetches.buffer_unordered(FETCHES_AT_ONCE).ready_chunks(CHUNK_OBJECTS);
    while let Some(results) = results.next().await {
        let mut chunk = Chunk { jobs: Vec::new(), failed: Vec::new(), listed, listing_done };
        for result in results {
            match result {
                Ok(job) => chunk.jobs.push(job),
                Err(error) => chunk.failed.push(error),
            }
        }
        if found.send(chunk).await.is_err() {
            return false;
        }
    }
    true
}
