//! The engine at work on a world: its events come in some order, cut into objects and commits, with restarts and
//! failures in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::{Any, Transaction};
use trailhound_ingest::{Batch, ObjectId, ObjectOutcome, ObjectReport};
use trailhound_store::{Commit, Store, StoreOptions};

use super::reference::{Expected, Findings, told};
use super::world::World;
use crate::detector::Detector;
use crate::follow::{Change, Follower};
use crate::rule::{File, load};
use crate::ruleset::RuleSet;
use crate::select::Planner;

/// How a world's events come.
pub struct Way {
    pub name: String,
    /// Rows of the world, by object.
    pub objects: Vec<Vec<u32>>,
    /// Objects that are committed together.
    pub together: usize,
    /// What rules may remember in memory, in bytes.
    pub memory: usize,
    /// After so many commits the process ends before the rules have seen the last one; 0 for never.
    pub restart_every: usize,
    /// After so many commits the findings cannot be written at first; 0 for never.
    pub fail_every: usize,
}

impl Way {
    /// All objects come in this order, and nothing goes wrong.
    pub fn new(name: &str, objects: Vec<Vec<u32>>, together: usize) -> Way {
        Way { name: name.into(), objects, together, memory: 64 << 20, restart_every: 0, fail_every: 0 }
    }
}

/// What is there at the end.
pub struct Outcome {
    /// Deleted with it.
    _folder: tempfile::TempDir,
    pub store: Store,
    /// Of all rules.
    pub findings: Findings,
    /// All findings with everything but provenance, by id, as text.
    pub texts: BTreeMap<String, String>,
}

/// The shipped rules, compiled.
pub fn shipped(files: &[File]) -> RuleSet {
    let planner = Planner::new(trailhound_store::functions::register).unwrap();
    RuleSet::compile(load(files.to_vec(), &planner).into_rules().unwrap(), &planner).unwrap()
}

/// Refuses every finding while it is set.
#[derive(Debug, Default)]
struct Unwilling(AtomicBool);

impl Follower for Unwilling {
    fn changed<'a>(
        &'a self,
        _: &'a mut Transaction<'static, Any>,
        _: &'a [Change],
    ) -> BoxFuture<'a, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        let refuses = self.0.load(Ordering::Relaxed);
        async move { if refuses { Err("the follower fails".into()) } else { Ok(()) } }.boxed()
    }
}

/// Lets a world's events come in a way.
pub async fn run(world: &World, files: &[File], way: &Way) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let unwilling = Arc::new(Unwilling::default());
    let open = async || {
        let store = Store::open(StoreOptions::new(folder.path().display().to_string())).await.unwrap();
        let detector = Detector::open(&store, shipped(files)).await.unwrap();
        let detector = detector.with_memory(way.memory).with_follower(unwilling.clone());
        detector.catch_up(&store).await.unwrap();
        (store, detector)
    };
    let (mut store, mut detector) = open().await;
    for (n, objects) in way.objects.chunks(way.together).enumerate() {
        let mut commits = Vec::new();
        for (i, rows) in objects.iter().enumerate() {
            commits.extend(append(&mut store, world, &format!("o{n}-{i}"), rows).await);
        }
        commits.extend(store.flush().await.unwrap().commit);
        let is_time = |every: usize| every > 0 && n % every == every - 1;
        if is_time(way.restart_every) {
            // As after a kill: the commit is in the table, and no rule has seen it.
            drop((store, detector));
            (store, detector) = open().await;
            continue;
        }
        for commit in commits {
            unwilling.0.store(is_time(way.fail_every), Ordering::Relaxed);
            let first = detector.commit(&store, &commit).await;
            if unwilling.0.swap(false, Ordering::Relaxed) {
                drop(first);
                detector.catch_up(&store).await.unwrap();
            } else {
                first.unwrap();
            }
        }
    }
    // Rules of kind `query` are asked between commits, and now for the last time.
    detector.finish(&store).await.unwrap();
    assert_eq!(detector.failures(), [], "{}", way.name);
    let more = detector.catch_up(&store).await.unwrap();
    assert_eq!(more, crate::Changes::default(), "{}: caught up, and yet something changes", way.name);
    let current = detector.findings().current().await.unwrap();
    let text = |finding: &crate::Finding| {
        let mut value = serde_json::to_value(finding).unwrap();
        value.as_object_mut().unwrap().remove("objects");
        value.to_string()
    };
    let texts = current.iter().map(|finding| (finding.id.clone(), text(finding))).collect();
    let compared = current.into_iter().map(|f| {
        let (first, last) = (told(f.first_time), told(f.last_time));
        let (severity, explanation) = (f.severity.to_string(), f.explanation);
        ((f.rule, f.id), Expected { first, last, count: f.count, ids: f.event_ids, severity, explanation })
    });
    Outcome { findings: compared.collect(), texts, _folder: folder, store }
}

async fn append(store: &mut Store, world: &World, key: &str, rows: &[u32]) -> Option<Commit> {
    let report = ObjectReport {
        id: ObjectId { bucket: "world".into(), key: key.into(), identity: format!("sha256:{key}") },
        bytes: 1,
        inflated_bytes: 1,
        outcome: ObjectOutcome::Decoded,
        reason: None,
        detail: None,
        records_received: rows.len() as u64,
        records_skipped: BTreeMap::new(),
        parked: Vec::new(),
    };
    let rows = placed(take_record_batch(&world.rows, &UInt32Array::from(rows.to_vec())).unwrap(), key);
    store.append(Batch { rows, objects: vec![report], open: false, source: 0 }).await.unwrap().commit
}

/// The rows as those of an object.
fn placed(rows: RecordBatch, key: &str) -> RecordBatch {
    let all = |text: &str| Arc::new(StringViewArray::from(vec![text; rows.num_rows()])) as ArrayRef;
    let ordinals: ArrayRef = Arc::new(Int32Array::from_iter_values(0..rows.num_rows() as i32));
    let mut columns = rows.columns().to_vec();
    for (name, column) in [("src_bucket", all("world")), ("src_key", all(key)), ("src_ordinal", ordinals)] {
        columns[rows.schema().index_of(name).unwrap()] = column;
    }
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}
