//! What an object is and what became of it.
//!
//! Everything that reading an object can say is in its [`ObjectReport`]: the store writes it down, the summary and the
//! accounting identity are computed from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Identity of an object: the same identity is the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectId {
    /// The bucket; on disk the folder that was scanned.
    pub bucket: String,
    /// The object's key; on disk the path below the folder, with `/`.
    pub key: String,
    /// `version:<id>` or `etag:<etag>` on S3, `sha256:<hex>` of the content on disk.
    pub identity: String,
}

/// What became of an object as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectOutcome {
    /// Read to its end; its good records are rows. Single records may still be parked.
    Decoded,
    /// Not CloudTrail log records, or kinds that are left out on purpose.
    Skipped,
    /// Unreadable, in whole or from some point on. Rows before that point are kept.
    Parked,
}

/// A record that was set aside: its address and the reason, never its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedRecord {
    /// The record's place in the object, from 0.
    pub ordinal: i32,
    /// A stable word, such as `bad_json` or `missing_event_time`.
    pub reason: String,
    /// One line for people: what is wrong and, where there is one, the remedy.
    pub detail: String,
}

/// The whole outcome of reading one object.
///
/// `records_received` = rows + skipped records + parked records, always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectReport {
    pub id: ObjectId,
    /// Size as stored.
    pub bytes: u64,
    /// Size after decompression, as far as it was read.
    pub inflated_bytes: u64,
    pub outcome: ObjectOutcome,
    /// A stable word: why it was skipped or parked (`config`, `digest`, `truncated_gzip` …).
    pub reason: Option<String>,
    /// One line for people: what is wrong and what to do.
    pub detail: Option<String>,
    pub records_received: u64,
    pub records_skipped: BTreeMap<String, u64>,
    pub parked: Vec<ParkedRecord>,
}

impl ObjectReport {
    /// A report of an object of which nothing has been read yet.
    pub fn new(id: ObjectId, bytes: u64) -> Self {
        Self {
            id,
            bytes,
            inflated_bytes: 0,
            outcome: ObjectOutcome::Decoded,
            reason: None,
            detail: None,
            records_received: 0,
            records_skipped: BTreeMap::new(),
            parked: Vec::new(),
        }
    }

    pub(crate) fn skip(mut self, reason: &str, detail: impl Into<String>) -> Self {
        self.outcome = ObjectOutcome::Skipped;
        self.reason = Some(reason.to_string());
        self.detail = Some(detail.into());
        self
    }

    /// The same, parked: a stable word, and a line for people.
    pub fn park(mut self, reason: &str, detail: impl Into<String>) -> Self {
        self.outcome = ObjectOutcome::Parked;
        self.reason = Some(reason.to_string());
        self.detail = Some(detail.into());
        self
    }
}
