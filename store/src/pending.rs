//! What was handed over and is not committed yet: rows that wait to be judged, files that are written, and of every
//! object how far it has come.
//!
//! An object is in a commit whole or not at all. Batches say from which worker they come and whether an object of
//! theirs goes on; each row is attributed to its object by bucket and key and, where two versions of one key are under
//! way, by the numbers of rows that their reports promise.

use std::collections::{HashMap, HashSet, VecDeque};

use arrow::array::{Array, AsArray, RecordBatch, StringViewArray};
use deltalake_core::kernel::Add;
use trailhound_ingest::{Batch, ObjectId, ObjectReport, ParkedRecord};

use crate::account::{ByObject, rows_of};
use crate::datafile::FileMeta;
use crate::error::{Result, StoreError};

/// An object under way, by its place in [`Pending::slots`].
pub(crate) type SlotId = u32;

pub(crate) struct Slot {
    key: (String, String),
    /// There once its last row has come.
    pub report: Option<ObjectReport>,
    /// Rows that have come.
    rows: u64,
    /// Rows that were judged new.
    pub kept: u64,
    /// Rows of days that are gone.
    pub expired: u64,
    /// Rows that were parked as differing copies.
    pub differing: Vec<ParkedRecord>,
}

impl Slot {
    /// `bucket/key`.
    pub fn address(&self) -> String {
        format!("{}/{}", self.key.0, self.key.1)
    }
}

/// Rows that were not judged yet, with the objects that they belong to, in runs.
pub(crate) struct Rows {
    pub batch: RecordBatch,
    pub runs: Vec<(usize, SlotId)>,
}

/// A file that is written but not committed.
pub(crate) struct Written {
    pub add: Add,
    pub meta: FileMeta,
    /// The object of every row, in the order of the file.
    pub slots: Vec<SlotId>,
    /// The rows, if they are still in memory.
    pub rows: Option<RecordBatch>,
}

#[derive(Default)]
pub(crate) struct Pending {
    pub rows: Vec<Rows>,
    /// Memory of `rows`.
    pub bytes: usize,
    pub files: Vec<Written>,
    pub slots: Vec<Slot>,
    /// Deliveries beyond the first of objects that are under way.
    pub repeated: ByObject<u64>,
    known: ByObject<SlotId>,
    unfinished: HashMap<u32, HashMap<(String, String), SlotId>>,
    open: HashSet<u32>,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// No worker is in the middle of an object.
    pub fn is_whole(&self) -> bool {
        self.open.is_empty()
    }

    /// Objects whose last row has come.
    pub fn finished(&self) -> usize {
        self.known.len()
    }

    pub fn report(&self, id: &ObjectId) -> Option<&ObjectReport> {
        self.known.get(id).and_then(|slot| self.slots[*slot as usize].report.as_ref())
    }

    /// Takes a batch over.
    pub fn push(&mut self, batch: Batch) -> Result<()> {
        let Batch { rows, objects, open, source } = batch;
        let mut coming: HashMap<(String, String), VecDeque<(SlotId, u64)>> = HashMap::new();
        for report in objects {
            let slot = self.finish(source, report)?;
            let Slot { key, report, rows, .. } = &self.slots[slot as usize];
            let left = report.as_ref().map_or(0, rows_of).checked_sub(*rows);
            let left = left.ok_or_else(|| broken(key, "more rows came than its report says"))?;
            coming.entry(key.clone()).or_default().push_back((slot, left));
        }
        let runs = self.attribute(source, &rows, &mut coming)?;
        if let Some((key, _)) = coming.iter().find(|(_, slots)| slots.iter().any(|(_, left)| *left > 0)) {
            return Err(broken(key, "fewer rows came than its report says"));
        }
        let unfinished = self.unfinished.get(&source).is_some_and(|slots| !slots.is_empty());
        if unfinished && !open {
            return Err(StoreError::Batch {
                detail: format!("source {source} ended a batch within an object without saying so"),
            });
        }
        if open {
            self.open.insert(source)
        } else {
            self.open.remove(&source)
        };
        if rows.num_rows() > 0 {
            self.bytes += rows.get_array_memory_size();
            self.rows.push(Rows { batch: rows, runs });
        }
        Ok(())
    }

    /// Notes the report of an object, whose earlier rows may have come already.
    fn finish(&mut self, source: u32, report: ObjectReport) -> Result<SlotId> {
        let key = (report.id.bucket.clone(), report.id.key.clone());
        let begun = self.unfinished.get_mut(&source).and_then(|slots| slots.remove(&key));
        let slot = match begun {
            Some(slot) => slot,
            None => self.begin(key)?,
        };
        self.known.entry(report.id.clone()).or_insert(slot);
        self.slots[slot as usize].report = Some(report);
        Ok(slot)
    }

    fn begin(&mut self, key: (String, String)) -> Result<SlotId> {
        let slot = SlotId::try_from(self.slots.len()).map_err(|_| broken(&key, "too many objects in one commit"))?;
        self.slots.push(Slot { key, report: None, rows: 0, kept: 0, expired: 0, differing: Vec::new() });
        Ok(slot)
    }

    /// The object of every row, as runs.
    fn attribute(
        &mut self,
        source: u32,
        rows: &RecordBatch,
        coming: &mut HashMap<(String, String), VecDeque<(SlotId, u64)>>,
    ) -> Result<Vec<(usize, SlotId)>> {
        let mut runs = Vec::new();
        if rows.num_rows() == 0 {
            return Ok(runs);
        }
        let buckets = text(rows, "src_bucket")?;
        let keys = text(rows, "src_key")?;
        let mut start = 0;
        while start < rows.num_rows() {
            let (bucket, key) = (buckets.value(start), keys.value(start));
            let run =
                (start..rows.num_rows()).take_while(|&r| keys.value(r) == key && buckets.value(r) == bucket).count();
            start += run;
            let address = (bucket.to_string(), key.to_string());
            let mut left = run as u64;
            while left > 0 {
                let (slot, taken) = self.next_slot(source, &address, coming, left)?;
                self.slots[slot as usize].rows += taken;
                runs.push((taken as usize, slot));
                left -= taken;
            }
        }
        Ok(runs)
    }

    /// The object that takes the next of `left` rows of this bucket and key, and how many.
    fn next_slot(
        &mut self,
        source: u32,
        address: &(String, String),
        coming: &mut HashMap<(String, String), VecDeque<(SlotId, u64)>>,
        left: u64,
    ) -> Result<(SlotId, u64)> {
        if let Some(slots) = coming.get_mut(address) {
            while slots.front().is_some_and(|(_, wants)| *wants == 0) {
                slots.pop_front();
            }
            if let Some((slot, wants)) = slots.front_mut() {
                let taken = left.min(*wants);
                *wants -= taken;
                return Ok((*slot, taken));
            }
        }
        if let Some(slot) = self.unfinished.get(&source).and_then(|slots| slots.get(address)) {
            return Ok((*slot, left));
        }
        let slot = self.begin(address.clone())?;
        self.unfinished.entry(source).or_default().insert(address.clone(), slot);
        Ok((slot, left))
    }
}

fn text<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a StringViewArray> {
    rows.column_by_name(name)
        .and_then(|c| c.as_string_view_opt())
        .filter(|c| c.null_count() == 0)
        .ok_or_else(|| StoreError::Batch { detail: format!("rows without {name}") })
}

fn broken(key: &(String, String), what: &str) -> StoreError {
    StoreError::Batch { detail: format!("object {} in {}: {what}", key.1, key.0) }
}
