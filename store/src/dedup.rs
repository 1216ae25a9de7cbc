//! Which rows are new: exact, by `event_id`, under a memory limit.
//!
//! All copies of an event carry the same `eventTime`, whatever way and however late they came. So whether an event is
//! in the table is decided by the ids of its hour alone:
//!
//! - a *resident* hour has all its ids in memory, 16 bytes of id and 8 of record hash in a hash table: 29 to 57 bytes
//!   an event, 40 on average ([`ENTRY_BYTES`] a slot). Hours are made resident when rows for them come and leave in the
//!   order of their last use when the limit is reached;
//! - the ids of any other hour are streamed from the table past the rows in question, which needs memory for those
//!   rows only. That is how an hour larger than the whole limit is treated, and one that a few late rows ask about:
//!   were it made resident for them, it would drive out an hour that is asked about all the time.
//!
//! Statistics of the log choose the files, those of the files the row groups, and bloom filters spare most reads for
//! few ids. The table's files include those that are written and wait for their commit.
//!
//! An id that is a UUID is its own 128 bits; any other is the first 128 bits of its SHA-256. Two different ids that
//! meet there would need some 2^64 tries to make.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use object_store::ObjectStore;
use sha2::{Digest, Sha256};

use crate::datafile::{self, FileMeta, Wanted, ids_and_hashes};
use crate::error::Result;
use crate::table::Table;

/// Hours since the epoch.
pub(crate) type Hour = i64;
/// 128 bits that stand for an event id.
pub(crate) type Key = [u64; 2];

const MICROS_AN_HOUR: i64 = 3_600_000_000;
/// A slot of the hash table: key, record hash and one control byte.
const ENTRY_BYTES: usize = 25;
/// Rows that ask about a large hour that is not resident are looked up through bloom filters up to this number.
const FEW: usize = 64;
/// An hour with at most so many rows is made resident even for a few.
const SMALL_HOUR_ROWS: u64 = 10_000;
/// A larger hour is made resident once one row was asked for of so many stored: from then on reading it whole is
/// cheaper than going on to ask.
const ROWS_STORED_PER_ASKED: u64 = 64;

/// The hour of an event time in microseconds.
pub(crate) fn hour_of(micros: i64) -> Hour {
    micros.div_euclid(MICROS_AN_HOUR)
}

/// The 128 bits of an event id.
pub(crate) fn key(event_id: &str) -> Key {
    let bits = uuid_bits(event_id).unwrap_or_else(|| {
        let digest = Sha256::digest(event_id.as_bytes());
        digest[..16].iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte))
    });
    [(bits >> 64) as u64, bits as u64]
}

/// The bits of a UUID in its canonical spelling. Other spellings are other ids.
fn uuid_bits(id: &str) -> Option<u128> {
    let id = id.as_bytes();
    if id.len() != 36 {
        return None;
    }
    let mut bits = 0u128;
    for (at, &byte) in id.iter().enumerate() {
        let digit = match byte {
            b'-' if matches!(at, 8 | 13 | 18 | 23) => continue,
            _ if matches!(at, 8 | 13 | 18 | 23) => return None,
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        bits = bits << 4 | u128::from(digit);
    }
    Some(bits)
}

/// A row that asks to be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub key: Key,
    pub hash: u64,
    pub hour: Hour,
}

/// What the ids say of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    New,
    Duplicate,
    /// The id is there, or earlier among the candidates, with another record hash: the rows must be compared.
    Suspect,
}

struct Resident {
    ids: HashMap<Key, u64, ahash::RandomState>,
    used: u64,
}

impl Resident {
    fn bytes(&self) -> usize {
        // A table of n slots takes 7n/8 entries.
        self.ids.capacity() * 8 / 7 * ENTRY_BYTES
    }
}

/// The resident hours.
pub(crate) struct Dedup {
    hours: HashMap<Hour, Resident>,
    /// Rows that were asked of hours that are not resident.
    asked: HashMap<Hour, u64>,
    bytes: usize,
    bytes_max: usize,
    uses: u64,
}

impl Dedup {
    pub fn new(bytes_max: usize) -> Self {
        Self { hours: HashMap::new(), asked: HashMap::new(), bytes: 0, bytes_max, uses: 0 }
    }

    /// Forgets hours whose ids changed without us: another writer added to them.
    pub fn forget(&mut self, changed: impl Fn(Hour) -> bool) {
        self.hours.retain(|hour, _| !changed(*hour));
        self.bytes = self.hours.values().map(Resident::bytes).sum();
    }

    /// Memory that the resident hours take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Judges candidates in their order: of several with one id the first is new. Rows judged new count as in the
    /// table from now on, so they must be written to a file that the table knows of before the next call.
    /// `id_of` gives the id of a candidate in full, which bloom filters ask for.
    pub async fn judge(
        &mut self,
        candidates: &[Candidate],
        id_of: &(dyn Fn(usize) -> String + Sync),
        table: &Table,
    ) -> Result<Vec<Verdict>> {
        let mut verdicts = vec![Verdict::New; candidates.len()];
        let mut by_hour: HashMap<Hour, Vec<usize>> = HashMap::new();
        for (row, candidate) in candidates.iter().enumerate() {
            by_hour.entry(candidate.hour).or_default().push(row);
        }
        let mut hours: Vec<_> = by_hour.into_iter().collect();
        hours.sort_unstable_by_key(|(hour, _)| *hour);
        for (hour, rows) in hours {
            if self.make_resident(hour, rows.len(), table).await? {
                self.judge_resident(hour, &rows, candidates, &mut verdicts);
            } else {
                judge_streamed(hour, &rows, candidates, id_of, &mut verdicts, table).await?;
            }
        }
        Ok(verdicts)
    }

    fn judge_resident(&mut self, hour: Hour, rows: &[usize], candidates: &[Candidate], verdicts: &mut [Verdict]) {
        let Some(resident) = self.hours.get_mut(&hour) else { return };
        let before = resident.bytes();
        for &row in rows {
            let candidate = &candidates[row];
            match resident.ids.get(&candidate.key) {
                None => {
                    resident.ids.insert(candidate.key, candidate.hash);
                }
                Some(hash) if *hash == candidate.hash => verdicts[row] = Verdict::Duplicate,
                Some(_) => verdicts[row] = Verdict::Suspect,
            }
        }
        self.uses += 1;
        resident.used = self.uses;
        self.bytes = self.bytes + resident.bytes() - before;
        self.shrink(0);
    }

    /// Whether the hour's ids are in memory now. An hour that the table knows nothing of is resident at once.
    async fn make_resident(&mut self, hour: Hour, asking: usize, table: &Table) -> Result<bool> {
        if self.hours.contains_key(&hour) {
            return Ok(true);
        }
        let files = table.files_of_hour(hour);
        let stored: u64 = files.iter().map(|f| f.rows).sum();
        let needed = slots_bytes(asking.saturating_add(usize::try_from(stored).unwrap_or(usize::MAX)));
        let asked = self.asked.entry(hour).or_default();
        *asked += asking as u64;
        let worth_it = stored <= SMALL_HOUR_ROWS || stored <= asked.saturating_mul(ROWS_STORED_PER_ASKED);
        if needed > self.bytes_max || !worth_it {
            return Ok(false);
        }
        self.asked.remove(&hour);
        self.shrink(needed);
        let mut ids = HashMap::default();
        each_id(&table.store(), &files, hour, None, |key, hash, in_hour| {
            if in_hour {
                ids.insert(key, hash);
            }
        })
        .await?;
        let resident = Resident { ids, used: self.uses };
        self.bytes += resident.bytes();
        self.hours.insert(hour, resident);
        Ok(true)
    }

    /// Drops the hours that were used longest ago until `coming` bytes fit.
    fn shrink(&mut self, coming: usize) {
        while self.bytes.saturating_add(coming) > self.bytes_max {
            let Some(oldest) = self.hours.iter().min_by_key(|(_, r)| r.used).map(|(hour, _)| *hour) else { return };
            if let Some(dropped) = self.hours.remove(&oldest) {
                self.bytes -= dropped.bytes();
            }
        }
    }
}

/// The memory of a hash table with that many entries, at its worst.
fn slots_bytes(entries: usize) -> usize {
    entries.saturating_mul(8).div_ceil(7).checked_next_power_of_two().unwrap_or(usize::MAX).saturating_mul(ENTRY_BYTES)
}

/// Judges rows of an hour that does not fit into memory: its ids pass by once.
async fn judge_streamed(
    hour: Hour,
    rows: &[usize],
    candidates: &[Candidate],
    id_of: &(dyn Fn(usize) -> String + Sync),
    verdicts: &mut [Verdict],
    table: &Table,
) -> Result<()> {
    let mut stored: HashMap<Key, Option<u64>> = rows.iter().map(|&row| (candidates[row].key, None)).collect();
    let few = (rows.len() <= FEW).then(|| Arc::new(rows.iter().map(|&row| id_of(row)).collect::<HashSet<_>>()));
    each_id(&table.store(), &table.files_of_hour(hour), hour, few, |key, hash, in_hour| {
        if let Some(found) = stored.get_mut(&key)
            && in_hour
        {
            *found = Some(hash);
        }
    })
    .await?;
    for &row in rows {
        let candidate = &candidates[row];
        let found = stored.entry(candidate.key).or_default();
        match found {
            None => *found = Some(candidate.hash),
            Some(hash) if *hash == candidate.hash => verdicts[row] = Verdict::Duplicate,
            Some(_) => verdicts[row] = Verdict::Suspect,
        }
    }
    Ok(())
}

/// Streams the ids and record hashes of the files' row groups that touch the hour; the third argument tells whether
/// the row itself lies in it.
async fn each_id(
    store: &Arc<dyn ObjectStore>,
    files: &[FileMeta],
    hour: Hour,
    few: Option<Arc<HashSet<String>>>,
    mut see: impl FnMut(Key, u64, bool),
) -> Result<()> {
    for file in files {
        let wanted = match &few {
            Some(ids) => Wanted::Ids(hour, ids.clone()),
            None => Wanted::Hour(hour),
        };
        let mut batches = datafile::read(store, file, &["event_id", "record_hash", "event_time"], wanted).await?;
        while let Some(batch) = batches.try_next().await? {
            see_batch(&batch, hour, &mut see)?;
        }
    }
    Ok(())
}

fn see_batch(batch: &RecordBatch, hour: Hour, see: &mut impl FnMut(Key, u64, bool)) -> Result<()> {
    let (ids, hashes) = ids_and_hashes(batch)?;
    let times = datafile::times(batch)?;
    for row in 0..batch.num_rows() {
        see(key(ids.value(row)), hashes.value(row) as u64, hour_of(times.value(row)) == hour);
    }
    Ok(())
}

/// The candidates of a batch.
pub(crate) fn candidates(batch: &RecordBatch) -> Result<Vec<Candidate>> {
    let (ids, hashes) = ids_and_hashes(batch)?;
    let times = datafile::times(batch)?;
    Ok((0..batch.num_rows())
        .map(|row| Candidate {
            key: key(ids.value(row)),
            hash: hashes.value(row) as u64,
            hour: hour_of(times.value(row)),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_its_own_key_and_nothing_else_is() {
        let id = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        assert_eq!(key(id), [0x0f1e2d3c4b5a6978, 0x8796a5b4c3d2e1f0]);
        assert_ne!(key(&id.to_uppercase()), key(id));
        assert_ne!(key("sha256:00"), key("sha256:01"));
        assert_eq!(uuid_bits("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f"), None);
        assert_eq!(uuid_bits("0f1e2d3c04b5a-6978-8796-a5b4c3d2e1f0"), None);
    }

    #[test]
    fn hours_before_the_epoch_are_hours_too() {
        assert_eq!(hour_of(-1), -1);
        assert_eq!(hour_of(0), 0);
        assert_eq!(hour_of(MICROS_AN_HOUR), 1);
    }
}
