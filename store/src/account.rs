//! The account of one object: what was received of it and what became of every record.
//!
//! Accounts are written twice: into the metadata of the commit that holds the object's rows, and into the ledger. The
//! first is atomic with the rows, so the second can be rebuilt from it.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use trailhound_ingest::{ObjectId, ObjectOutcome, ObjectReport, ParkedRecord};

/// Single parked records of one object that are kept by address; the rest is counted by reason.
pub const PARKED_ADDRESSES_MAX: usize = 1_000;

/// Why records of days are skipped that retention took away.
const EXPIRED: &str = "expired";

/// Object notes above this size are compressed inside the commit, so that reading the log stays quick.
const NOTES_PLAIN_BYTES_MAX: usize = 16 * 1024;

/// Something of each of many objects. Names come from outside, so the hash is keyed anew in every process.
pub type ByObject<T> = HashMap<ObjectId, T, ahash::RandomState>;

/// What became of one object, by records.
///
/// `received = kept + duplicate + skipped + parked`, always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectAccount {
    #[serde(flatten)]
    pub id: ObjectId,
    pub outcome: ObjectOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    pub bytes: u64,
    pub inflated_bytes: u64,
    pub received: u64,
    pub kept: u64,
    pub duplicate: u64,
    /// Skipped records by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, u64>,
    /// Parked records with their addresses, at most [`PARKED_ADDRESSES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<ParkedRecord>,
    /// Parked records beyond those, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parked_more: BTreeMap<String, u64>,
}

impl ObjectAccount {
    /// The account of an object whose rows were judged: `kept` of them are in the table (in this commit or an earlier
    /// one), `expired` are of days that are gone, `differing` were set aside because the table holds another body under
    /// their id; the rest are copies.
    ///
    /// An object that was read again with fewer rows than the table holds of it keeps what is kept: the table is
    /// what counts, so what was received is then computed from it.
    pub(crate) fn new(report: ObjectReport, kept: u64, expired: u64, differing: Vec<ParkedRecord>) -> Self {
        let rows = rows_of(&report);
        let set_aside = differing.len() as u64;
        let mut parked = report.parked;
        let parked_by_ingest = parked.len() as u64;
        parked.extend(differing);
        parked.sort_by(|a, b| (a.ordinal, &a.reason).cmp(&(b.ordinal, &b.reason)));
        let mut parked_more = BTreeMap::new();
        for record in parked.drain(PARKED_ADDRESSES_MAX.min(parked.len())..) {
            *parked_more.entry(record.reason).or_default() += 1;
        }
        // Of an object that is read again, rows that were kept are still said to be kept.
        let rest = rows.saturating_sub(kept + set_aside);
        let expired = expired.min(rest);
        let duplicate = rest - expired;
        let mut by_reason = report.records_skipped;
        if expired > 0 {
            *by_reason.entry(EXPIRED.to_string()).or_default() += expired;
        }
        let skipped: u64 = by_reason.values().sum();
        Self {
            id: report.id,
            outcome: report.outcome,
            reason: report.reason,
            detail: report.detail,
            bytes: report.bytes,
            inflated_bytes: report.inflated_bytes,
            received: kept + duplicate + set_aside + skipped + parked_by_ingest,
            kept,
            duplicate,
            skipped: by_reason,
            parked,
            parked_more,
        }
    }

    /// Parked records, with and without an address.
    pub fn parked_records(&self) -> u64 {
        self.parked.len() as u64 + self.parked_more.values().sum::<u64>()
    }

    /// Skipped records.
    pub fn skipped_records(&self) -> u64 {
        self.skipped.values().sum()
    }
}

/// The rows that an object's report promises.
pub(crate) fn rows_of(report: &ObjectReport) -> u64 {
    let aside = report.records_skipped.values().sum::<u64>() + report.parked.len() as u64;
    report.records_received.saturating_sub(aside)
}

/// What a commit says of itself in its metadata, under the key [`Notes::KEY`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// Tells the own commit from another writer's where the answer to a write was lost.
    pub commit: String,
    pub rows: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    objects: Vec<ObjectAccount>,
    /// `objects` as JSON, deflated, in base64, where they are many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    objects_deflated: Option<String>,
}

impl Notes {
    pub const KEY: &'static str = "trailhound";

    pub fn new(commit: String, rows: u64, objects: Vec<ObjectAccount>) -> std::io::Result<Self> {
        let json = serde_json::to_vec(&objects)?;
        if json.len() <= NOTES_PLAIN_BYTES_MAX {
            return Ok(Self { commit, rows, objects, objects_deflated: None });
        }
        let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        deflate.write_all(&json)?;
        let packed = STANDARD.encode(deflate.finish()?);
        Ok(Self { commit, rows, objects: Vec::new(), objects_deflated: Some(packed) })
    }

    pub fn objects(self) -> Result<Vec<ObjectAccount>, String> {
        let Some(packed) = self.objects_deflated else { return Ok(self.objects) };
        let packed = STANDARD.decode(packed).map_err(|e| e.to_string())?;
        let mut json = Vec::new();
        flate2::read::DeflateDecoder::new(packed.as_slice()).read_to_end(&mut json).map_err(|e| e.to_string())?;
        serde_json::from_slice(&json).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(received: u64, parked: i32) -> ObjectReport {
        let id = ObjectId { bucket: "b".into(), key: "k".into(), identity: "etag:1".into() };
        let mut report = ObjectReport::new(id, 10);
        report.records_received = received;
        report.parked = (0..parked)
            .map(|ordinal| ParkedRecord { ordinal, reason: "bad_json".into(), detail: "not JSON".into() })
            .collect();
        report
    }

    #[test]
    fn every_record_is_accounted_for() {
        let differing = ParkedRecord { ordinal: 9, reason: "differing_copy".into(), detail: String::new() };
        let account = ObjectAccount::new(report(10, 2), 5, 0, vec![differing]);
        assert_eq!((account.kept, account.duplicate, account.parked_records()), (5, 2, 3));
        assert_eq!(account.received, 10);
    }

    #[test]
    fn rows_of_days_that_are_gone_are_skipped_and_what_was_kept_stays_kept() {
        let account = ObjectAccount::new(report(10, 2), 3, 4, vec![]);
        assert_eq!((account.kept, account.duplicate, account.skipped["expired"], account.received), (3, 1, 4, 10));
        let again = ObjectAccount::new(report(10, 2), 8, 8, vec![]);
        assert_eq!((again.kept, again.duplicate, again.skipped_records(), again.received), (8, 0, 0, 10));
    }

    #[test]
    fn addresses_are_bounded_and_the_rest_is_counted() {
        let account = ObjectAccount::new(report(1_500, 1_500), 0, 0, vec![]);
        assert_eq!(account.parked.len(), PARKED_ADDRESSES_MAX);
        assert_eq!(account.parked_more["bad_json"], 500);
        assert_eq!(account.parked_records(), 1_500);
    }

    #[test]
    fn notes_survive_both_forms() {
        for objects in [1, 500] {
            let accounts: Vec<_> = (0..objects).map(|_| ObjectAccount::new(report(3, 1), 2, 0, vec![])).collect();
            let notes = Notes::new("c".into(), 2, accounts.clone()).unwrap();
            let json = serde_json::to_value(&notes).unwrap();
            let back: Notes = serde_json::from_value(json).unwrap();
            assert_eq!(back.objects().unwrap(), accounts);
        }
    }
}
