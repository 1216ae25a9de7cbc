//! The threads that decode: fetched objects in, batches out.
//!
//! Objects come through one queue that all threads take from; batches leave through one bounded channel. Whoever fills
//! the queue limits it by the permits that jobs carry: dropping the permit of an object says that it was decoded.
//! A thread hands on what it holds when its batch is full, when there was nothing to do for a moment, and at the end.

use std::fs::File;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use trailhound_ingest::source::{Body, Fetched};
use trailhound_ingest::{Batch, Content, Decoder, Geo, Limits, ObjectId, ObjectReport};

use crate::clock::now_micros;

/// Decoded batches that wait for the store.
const BATCHES_WAITING_MAX: usize = 2;
/// After so long without a new object a thread hands on what it holds: rows shall not wait for company.
const LINGER: Duration = Duration::from_millis(50);

/// An object on its way to a decoder.
pub struct Job {
    pub fetched: Fetched,
    /// Held until the object is decoded.
    pub permit: OwnedSemaphorePermit,
}

/// The GeoIP files in use, shared by the decoders.
type SharedGeo = Arc<RwLock<Arc<Geo>>>;

/// Running decoders. They end when this is closed and the queue is empty.
pub struct Decoders {
    jobs: Option<Sender<Job>>,
    geo: SharedGeo,
    threads: Vec<tokio::task::JoinHandle<()>>,
}

impl Decoders {
    /// One thread a processor. Batches come out of the receiver; it ends when all threads have.
    pub fn start(geo: Geo, limits: Limits) -> (Self, mpsc::Receiver<Batch>) {
        let geo: SharedGeo = Arc::new(RwLock::new(Arc::new(geo)));
        let (jobs, taken) = std::sync::mpsc::channel();
        let (done, decoded) = mpsc::channel(BATCHES_WAITING_MAX);
        let taken = Arc::new(Mutex::new(taken));
        let count = std::thread::available_parallelism().map_or(2, usize::from);
        let threads = (0..count)
            .map(|number| {
                let (taken, done, geo) = (Arc::clone(&taken), done.clone(), Arc::clone(&geo));
                tokio::task::spawn_blocking(move || decode_all(number as u32, &taken, &done, &geo, limits))
            })
            .collect();
        (Self { jobs: Some(jobs), geo, threads }, decoded)
    }

    /// Queues an object.
    pub fn send(&self, job: Job) -> anyhow::Result<()> {
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).context("no decoder is left")
    }

    /// No more objects come.
    pub fn close(&mut self) {
        self.jobs = None;
    }

    /// Waits until the threads have ended, after [`Decoders::close`].
    pub async fn join(self) -> anyhow::Result<()> {
        for thread in self.threads {
            thread.await.context("a decoder failed")?;
        }
        Ok(())
    }

    /// Uses GeoIP files that have changed; keeps the ones before where a new one is bad.
    pub fn refresh_geo(&self) {
        let current = Arc::clone(&self.geo.read().expect("no holder panics"));
        match current.reopened() {
            None => {}
            Some(Ok(geo)) => *self.geo.write().expect("no holder panics") = Arc::new(geo),
            Some(Err(error)) => tracing::warn!("the changed GeoIP files are not used: {error}"),
        }
    }
}

fn decode_all(number: u32, taken: &Mutex<Receiver<Job>>, done: &mpsc::Sender<Batch>, geo: &SharedGeo, limits: Limits) {
    let mut used = Arc::clone(&geo.read().expect("no holder panics"));
    let mut decoder = Decoder::new(number, limits, Arc::clone(&used), now_micros());
    // The loop that receives ends only with an error, which is told there; then decoding on is of no use.
    let mut emit = |batch: Batch| drop(done.blocking_send(batch));
    loop {
        let job = taken.lock().expect("no holder panics").recv_timeout(LINGER);
        let job = match job {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                if let Some(batch) = decoder.flush() {
                    emit(batch);
                }
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let current = Arc::clone(&geo.read().expect("no holder panics"));
        if !Arc::ptr_eq(&current, &used) {
            used = Arc::clone(&current);
            decoder.set_geo(current);
        }
        decoder.set_ingest_time(now_micros());
        let Fetched { id, bytes, body } = job.fetched;
        match &body {
            Body::Bytes(content) => decoder.object(id, Content::Bytes(content), &mut emit),
            Body::File(path) => decode_file(&mut decoder, id, File::open(path), bytes, &mut emit),
            Body::Temporary(file) => decode_file(&mut decoder, id, file.reopen(), bytes, &mut emit),
        }
        drop(job.permit);
    }
    if let Some(batch) = decoder.flush() {
        emit(batch);
    }
}

fn decode_file(
    decoder: &mut Decoder,
    id: ObjectId,
    file: std::io::Result<File>,
    bytes: u64,
    emit: &mut dyn FnMut(Batch),
) {
    match file {
        Ok(file) => decoder.object(id, Content::Stream(Box::new(file), bytes), emit),
        Err(error) => {
            let report = ObjectReport::new(id, bytes);
            emit(Batch::without_rows(report.park("unreadable_file", format!("cannot be opened again: {error}"))));
        }
    }
}
