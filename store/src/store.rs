//! The store: takes batches, keeps what is new, answers questions.
//!
//! ```text
//! append ─► Pending ─► judge (Dedup) ─► data files ─► commit of the table ─► transaction of the ledger
//!           memory      ids of the hour   no one sees    rows + accounts       accounts, parked, skipped
//! ```
//! Durable is what the commit holds: the accounts of its objects stand in its metadata, so the ledger is mended from
//! the table when the store is opened. An error on the way closes the store; opening it again finds either all of a
//! flush or none of it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::cache::default_cache::DefaultCache;
use object_store::ObjectStoreExt;
use sqlx::any::Any;
use trailhound_ingest::{Batch, ObjectId, ParkedRecord};

use crate::account::{ByObject, Notes, ObjectAccount};
use crate::activity::Activity;
use crate::clock::now_micros;
use crate::crash;
use crate::dedup::Dedup;
use crate::derivation::Derivation;
use crate::error::{Result, StoreError};
use crate::expired::Expired;
use crate::granted::Granted;
use crate::ledger::{KnownObject, Ledger, ParkedEntry, ParkedMessage};
use crate::location::Location;
use crate::pending::{Pending, Written};
use crate::session::FOOTERS_BYTES_MAX;
use crate::table::{Outcome, Table};

mod keep;

/// Finished objects that wait for a commit, at most: their accounts must fit into one commit's metadata.
const OBJECTS_A_COMMIT_MAX: usize = 20_000;
const DAY_MICROS: i64 = 24 * 3_600_000_000;
/// Other writers may be quicker so many times in a row.
const TRIES_MAX: u32 = 100;

/// Where a store lies and what it may use.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// A folder, or `s3://bucket/prefix`. S3 is reached as the usual `AWS_*` environment says.
    pub location: String,
    /// The ledger's file. By default `ledger.sqlite` in the folder; needed for a store on S3.
    pub ledger: Option<String>,
    /// Whether a SQLite ledger keeps a write-ahead log, which network file systems do not carry.
    pub ledger_wal: bool,
    /// Rows in memory above this are committed, or, where an object of theirs is still open, written out above half as much again.
    pub flush_bytes: usize,
    /// Memory for the event ids of hot hours.
    pub dedup_bytes_max: usize,
    /// Memory for one session's queries.
    pub query_bytes_max: usize,
    /// Threads that a query may use; 0 is one a processor.
    pub query_partitions: usize,
}

impl StoreOptions {
    /// The usual limits at this place.
    pub fn new(location: impl Into<String>) -> Self {
        Self {
            location: location.into(),
            ledger: None,
            ledger_wal: true,
            flush_bytes: 64 << 20,
            dedup_bytes_max: 256 << 20,
            query_bytes_max: 1 << 30,
            query_partitions: 0,
        }
    }
}

/// A commit of the table that this store made.
#[derive(Debug)]
pub struct Commit {
    pub version: i64,
    /// The rows it keeps, in the types of `events`. Empty where they were too many to stay in memory:
    /// [`Store::changes`] reads them.
    pub batches: Vec<RecordBatch>,
    /// Rows in it.
    pub kept: u64,
}

/// What became durable in one step.
#[derive(Debug, Default)]
pub struct Kept {
    /// Objects whose account is durable now: what announced them may be acknowledged.
    pub objects: Vec<ObjectId>,
    /// Records of these objects that were there already.
    pub duplicates: u64,
    /// The commit, where the step brought rows to the table.
    pub commit: Option<Commit>,
}

/// The table `events`, its ledger, and what is on its way into them.
pub struct Store {
    pub(crate) options: StoreOptions,
    pub(crate) table: Table,
    pub(crate) ledger: Ledger,
    pub(crate) activity: Activity,
    granted: Granted,
    dedup: Dedup,
    pending: Pending,
    /// What stands at the end of the tables' files, for all sessions: files never change, and each of them is read again and
    /// again by who follows the table.
    pub(crate) footers: Arc<FileMetadataCache>,
    /// Copies that were parked because they differ, since [`Store::take_differing`] was last called.
    differing: Vec<(String, ParkedRecord)>,
    closed: bool,
}

impl Store {
    /// Opens the store, makes what is missing, and brings the ledger up to the table.
    pub async fn open(options: StoreOptions) -> Result<Self> {
        let location = Location::parse(&options.location, options.ledger.as_deref())?;
        let table = Table::open(&location).await?;
        let ledger = Ledger::open(&location.ledger, options.ledger_wal).await?;
        let mut store = Self {
            dedup: Dedup::new(options.dedup_bytes_max),
            footers: Arc::new(DefaultCache::new(FOOTERS_BYTES_MAX).with_name("footers")),
            options,
            table,
            granted: Granted::open(&ledger).await?,
            ledger,
            activity: Activity::open(location).await?,
            pending: Pending::default(),
            differing: Vec::new(),
            closed: false,
        };
        store.repair().await?;
        Ok(store)
    }

    /// What is known of an object: an account in the ledger, or that it is on its way. A further delivery of a known
    /// object is told with [`Store::note_duplicates`] and not read again.
    pub async fn known(&self, id: &ObjectId) -> Result<Option<KnownObject>> {
        Ok(self.known_among(&[id]).await?.remove(id))
    }

    /// [`Store::known`] for many objects at once, which costs far less than one by one.
    pub async fn known_among(&self, ids: &[&ObjectId]) -> Result<ByObject<KnownObject>> {
        let mut known = self.ledger.known(ids).await?;
        for id in ids {
            if let Some(report) = self.pending.report(id) {
                known.entry((*id).clone()).or_insert_with(|| KnownObject {
                    outcome: report.outcome,
                    reason: report.reason.clone(),
                    received: report.records_received,
                    kept: 0,
                    parked: report.parked.len() as u64,
                    deliveries: 1 + self.pending.repeated.get(id).copied().unwrap_or(0),
                    table_version: None,
                });
            }
        }
        Ok(known)
    }

    /// Counts further deliveries of a known object. They are durable with the next flush.
    pub fn note_duplicates(&mut self, id: &ObjectId, times: u64) {
        *self.pending.repeated.entry(id.clone()).or_default() += times;
    }

    /// Takes a batch over. Commits when enough has come together and no object is open; where an object is larger
    /// than memory allows, its rows are written to files that the commit will name.
    ///
    /// An object that is in the ledger already is *read again* (a replay): its account is made anew, rows that it had
    /// in the table stay its own, new ones are added.
    pub async fn append(&mut self, batch: Batch) -> Result<Kept> {
        self.guarded(async |store| {
            store.pending.push(batch)?;
            let full = store.pending.bytes >= store.options.flush_bytes;
            let many = store.pending.finished() >= OBJECTS_A_COMMIT_MAX || !store.pending.files.is_empty();
            if store.pending.is_whole() && (full || many) {
                return store.commit().await;
            }
            // An object that is open ends soon, mostly; rows that are written before it does have to be read again.
            if store.pending.bytes >= store.options.flush_bytes / 2 * 3 {
                store.write_out(false).await?;
            }
            Ok(Kept::default())
        })
        .await
    }

    /// Makes everything that was appended durable, now. An object whose last batch has not come stays pending with all
    /// that came after it.
    pub async fn flush(&mut self) -> Result<Kept> {
        self.guarded(async |store| if store.pending.is_whole() { store.commit().await } else { Ok(Kept::default()) })
            .await
    }

    /// Brings to an end what goes on beside the commits: counts in the table `activity` what it does not count yet, and
    /// waits for a checkpoint that is being made. Nothing that was committed depends on it.
    pub async fn finish(&mut self) -> Result<()> {
        self.write_activity().await?;
        self.activity.finish().await;
        self.table.finish().await;
        Ok(())
    }

    /// Counts in the table `activity` what it does not count yet. Asked in SQL it is always whole; but whoever asks has to
    /// count what came since this was last done, which is after some commits, or at the end.
    pub(crate) async fn write_activity(&mut self) -> Result<()> {
        self.activity.advance(&self.table.commits(), self.table.version()).await
    }

    /// Counts the table `activity` anew from `events`. Gives its rows.
    pub async fn rebuild_activity(&mut self) -> Result<u64> {
        self.activity.rebuild(&self.table.commits(), self.table.version(), self.table.expired()).await
    }

    /// The newest commit that brought rows; -1 where there is none.
    pub async fn version(&self) -> Result<i64> {
        let mut version = self.table.newest().await?;
        let commits = self.table.commits();
        while version >= 0 && commits.read(version).await?.is_some_and(|commit| commit.added.is_empty()) {
            version -= 1;
        }
        Ok(version)
    }

    /// Objects that are parked or have parked records: what a replay reads again.
    pub async fn parked(&self) -> Result<Vec<ParkedEntry>> {
        self.ledger.parked().await
    }

    /// After a replay of an object whose content at its address is another one now (it was mended): its account stands
    /// under the new identity from here on, so that a later scan knows it. Where that identity has an account of its
    /// own already, nothing changes. A crash before this leaves the old identity, and a later scan reads the object
    /// once more, as duplicates.
    pub async fn identify(&mut self, id: &ObjectId, identity: &str) -> Result<()> {
        let new = ObjectId { identity: identity.to_string(), ..id.clone() };
        if self.known(&new).await?.is_none() {
            self.ledger.identify(id, identity).await?;
        }
        Ok(())
    }

    /// What retention took away, as this process has seen it.
    pub fn expired(&self) -> Expired {
        self.table.expired()
    }

    /// How often facts of the events that were there have been derived anew, as this process has seen it.
    pub fn derivation(&self) -> Derivation {
        self.table.derivation()
    }

    /// The time from which on events are kept, in microseconds; none where nothing was taken away yet.
    pub fn kept_from(&self) -> Option<i64> {
        self.expired().before.map(|day| i64::from(day) * DAY_MICROS)
    }

    /// Tries what a store needs of the place where it lies, with an object of its own that is removed again: each action
    /// with why it does not work.
    pub async fn probe(&self) -> Vec<(&'static str, Option<String>)> {
        // Delta's readers pass over names that begin with an underscore.
        let path = object_store::path::Path::from(format!("_doctor/{}", uuid::Uuid::new_v4().simple()));
        let store = self.table.store();
        let said = |error: object_store::Error| Some(error.to_string());
        let put = store.put(&path, "doctor".into()).await.err().and_then(said);
        let got = store.get(&path).await.err().and_then(said);
        let deleted = store.delete(&path).await.err().and_then(said);
        vec![("s3:PutObject", put), ("s3:GetObject", got), ("s3:DeleteObject", deleted)]
    }

    /// Whether something waits for a commit.
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty() || !self.pending.repeated.is_empty()
    }

    /// Parks a message of a queue; durable when this returns.
    pub async fn park_message(&self, message: &ParkedMessage) -> Result<()> {
        self.ledger.park_message(message, now_micros()).await
    }

    /// Messages that are parked, oldest first.
    pub async fn parked_messages(&self) -> Result<Vec<ParkedMessage>> {
        self.ledger.parked_messages().await
    }

    /// Forgets a parked message.
    pub async fn unpark_message(&self, queue: &str, message_id: &str) -> Result<()> {
        self.ledger.unpark_message(queue, message_id).await
    }

    /// Copies that differ from what was kept under their event id and were parked since this was last called, with the
    /// `bucket/key` that each came in; the first thousand of them.
    pub fn take_differing(&mut self) -> Vec<(String, ParkedRecord)> {
        std::mem::take(&mut self.differing)
    }

    /// Who was granted what, and since when.
    pub fn granted(&self) -> &Granted {
        &self.granted
    }

    /// The ledger, for the tables of other crates.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Memory that the ids of hot hours take now.
    pub fn dedup_bytes(&self) -> usize {
        self.dedup.bytes()
    }

    /// An error may leave memory and table apart, so after one the store must be opened again.
    async fn guarded<T>(&mut self, work: impl AsyncFnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        self.closed = true;
        let done = work(self).await?;
        self.closed = false;
        Ok(done)
    }

    async fn commit(&mut self) -> Result<Kept> {
        if self.pending.is_empty() && self.pending.repeated.is_empty() {
            return Ok(Kept::default());
        }
        self.write_out(true).await?;
        crash::point("store.files_written");
        let ids: Vec<ObjectId> =
            self.pending.slots.iter().filter_map(|s| Some(s.report.as_ref()?.id.clone())).collect();
        let known = self.ledger.known(&ids.iter().collect::<Vec<_>>()).await?;
        let (version, accounts) = self.commit_table(&known).await?;
        let duplicates = accounts.iter().filter(|a| !known.contains_key(&a.id)).map(|a| a.duplicate).sum();
        let pending = std::mem::take(&mut self.pending);
        let mut transaction = self.ledger.begin().await?;
        self.note(&mut transaction, version, &accounts, &known).await?;
        self.ledger.count_deliveries(&mut transaction, &pending.repeated).await?;
        crash::point("store.ledger_open");
        transaction.commit().await.map_err(|e| self.ledger.fail("note a commit", e))?;
        crash::point("store.noted");
        self.table.checkpoint_when_due().await?;
        if let Some(version) = version {
            self.count(version, &pending.files).await;
        }
        let Some(version) = version else { return Ok(Kept { objects: ids, duplicates, commit: None }) };
        let kept = pending.files.iter().map(|f| f.slots.len() as u64).sum();
        let batches: Option<Vec<_>> = pending.files.into_iter().map(|f| f.rows).collect();
        Ok(Kept {
            objects: ids,
            duplicates,
            commit: Some(Commit { version, batches: batches.unwrap_or_default(), kept }),
        })
    }

    /// Counts a commit for `activity`. What is counted is durable already, and who asks counts what is not there: so a
    /// failure is only told.
    async fn count(&mut self, version: i64, files: &[Written]) {
        let rows: Option<Vec<&RecordBatch>> = files.iter().map(|file| file.rows.as_ref()).collect();
        let counted = match rows {
            Some(rows) => self.activity.count(version, &rows),
            // Too many to be in memory: they are read again when they are written down.
            None => Ok(()),
        };
        let done = match counted {
            Ok(()) if self.activity.is_due() => self.write_activity().await,
            counted => counted,
        };
        if let Err(error) = done {
            self.activity.forget();
            tracing::warn!(error = &error as &dyn std::error::Error, "`activity` is written with a later commit");
        }
    }

    /// Commits the written files, if there are any, against whatever other writers do meanwhile.
    async fn commit_table(&mut self, known: &ByObject<KnownObject>) -> Result<(Option<i64>, Vec<ObjectAccount>)> {
        let own = uuid::Uuid::new_v4().to_string();
        for attempt in 0..TRIES_MAX {
            let accounts = self.accounts(known);
            if self.pending.files.is_empty() {
                return Ok((None, accounts));
            }
            let rows = self.pending.files.iter().map(|f| f.slots.len() as u64).sum();
            let notes = Notes::new(own.clone(), rows, accounts.clone()).map_err(|e| StoreError::Notes {
                location: self.table.location().to_string(),
                version: self.table.version() + 1,
                detail: e.to_string(),
            })?;
            let files = self.pending.files.iter().map(|f| f.add.clone()).collect();
            if let Outcome::Committed(version) = self.table.commit(files, &notes).await? {
                return Ok((Some(version), accounts));
            }
            tracing::debug!(attempt, "another writer committed first");
            let announced: Vec<_> = self.pending.files.iter().map(|f| f.meta.clone()).collect();
            for commit in self.table.refresh(&announced).await? {
                // The answer to our own write was lost, not the write.
                if commit.notes.as_ref().is_some_and(|notes| notes.commit == own) {
                    return Ok((Some(commit.version), accounts));
                }
                self.yield_to(&commit).await?;
            }
        }
        Err(StoreError::Location {
            location: self.options.location.clone(),
            detail: format!("other writers were quicker {TRIES_MAX} times in a row; run fewer writers"),
        })
    }

    /// The accounts of all pending objects. One that came twice under two slots is one object.
    fn accounts(&self, known: &ByObject<KnownObject>) -> Vec<ObjectAccount> {
        // Kept and expired rows of each.
        let mut rows: HashMap<&ObjectId, (u64, u64)> = HashMap::new();
        for slot in &self.pending.slots {
            if let Some(report) = &slot.report {
                let sums = rows.entry(&report.id).or_insert_with(|| (known.get(&report.id).map_or(0, |k| k.kept), 0));
                sums.0 += slot.kept;
                sums.1 += slot.expired;
            }
        }
        let mut seen = std::collections::HashSet::new();
        let mut accounts = Vec::with_capacity(rows.len());
        for slot in &self.pending.slots {
            let Some(report) = &slot.report else { continue };
            if seen.insert(&report.id) {
                let (kept, expired) = rows[&report.id];
                accounts.push(ObjectAccount::new(report.clone(), kept, expired, slot.differing.clone()));
            }
        }
        accounts
    }

    async fn note(
        &self,
        transaction: &mut sqlx::Transaction<'static, Any>,
        version: Option<i64>,
        accounts: &[ObjectAccount],
        known: &ByObject<KnownObject>,
    ) -> Result<()> {
        self.ledger.note(transaction, version, accounts, known, now_micros()).await
    }

    /// Notes every commit of the table that the ledger has not heard of: after a crash between the two, after
    /// another writer's, or all of them where the ledger is new.
    async fn repair(&mut self) -> Result<()> {
        let commits = self.table.commits();
        for version in self.ledger.versions_not_noted(self.table.version()).await? {
            let accounts = match commits.read(version).await?.and_then(|c| c.notes) {
                Some(notes) => notes.objects().map_err(|detail| StoreError::Notes {
                    location: self.table.location().to_string(),
                    version,
                    detail,
                })?,
                None => Vec::new(),
            };
            let ids: Vec<_> = accounts.iter().map(|a| &a.id).collect();
            let known = self.ledger.known(&ids).await?;
            let mut transaction = self.ledger.begin().await?;
            self.note(&mut transaction, Some(version), &accounts, &known).await?;
            transaction.commit().await.map_err(|e| self.ledger.fail("mend the ledger", e))?;
            if !accounts.is_empty() {
                tracing::info!(version, objects = accounts.len(), "noted a commit that the ledger had not heard of");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
