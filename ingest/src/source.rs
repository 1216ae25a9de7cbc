//! Where objects come from: a folder, a file, or a prefix of a bucket.
//!
//! A source lists what is there and fetches what is asked for. It knows nothing of what was read before.

use std::path::PathBuf;

use crate::key::{self, Key};
use crate::object::ObjectId;

pub mod bucket;
pub mod folder;

pub use bucket::Bucket;
pub use folder::Folder;

/// An object that is there, not fetched yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    /// Size as stored.
    pub bytes: u64,
    /// The entity tag, in a bucket.
    pub etag: Option<String>,
}

/// An object's content and identity.
#[derive(Debug)]
pub struct Fetched {
    pub id: ObjectId,
    pub bytes: u64,
    pub body: Body,
}

/// Small objects are held; large ones lie in a file.
#[derive(Debug)]
pub enum Body {
    Bytes(Vec<u8>),
    File(PathBuf),
    Temporary(tempfile::NamedTempFile),
}

/// Why a place cannot be listed or an object not fetched.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{path}: there is no such file or folder")]
    Missing { path: String },
    #[error("{path}: cannot be read")]
    Read { path: String, source: std::io::Error },
    #[error("{url} is not of the form s3://bucket/prefix")]
    Url { url: String },
    #[error("s3://{bucket}/{key}: {what}")]
    Bucket { bucket: String, key: String, what: String },
    #[error("a temporary file for a large object cannot be written (TMPDIR says where)")]
    Temporary { source: std::io::Error },
}

/// A place that holds logs.
#[derive(Clone, Debug)]
pub enum Source {
    Folder(Folder),
    Bucket(Bucket),
}

/// What of a source is wanted, by what keys tell. An object whose key tells nothing is always wanted, and an object is
/// taken whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Microseconds; objects that only hold earlier events are left.
    pub since: Option<i64>,
    /// Microseconds; objects that only hold later events are left.
    pub until: Option<i64>,
    pub accounts: Vec<String>,
    pub regions: Vec<String>,
}

/// Which objects of a source are read.
#[derive(Clone, Debug)]
pub enum Selection {
    /// All that is there and wanted.
    Wanted(Wanted),
    /// Exactly these.
    Keys(Vec<Listed>),
}

/// A log stamped T holds events of the ten minutes before T.
const STAMP_SPAN_MICROS: i64 = 600_000_000;

impl Wanted {
    pub fn wants(&self, key: &str) -> bool {
        let Key::Log(log) = key::parse(key) else { return true };
        if !self.accounts.is_empty() && !self.accounts.iter().any(|account| account == log.account_id) {
            return false;
        }
        if !self.regions.is_empty() && !log.region.is_empty() && !self.regions.iter().any(|r| r == log.region) {
            return false;
        }
        let Some(stamp) = log.stamp.and_then(stamp_micros) else { return true };
        self.since.is_none_or(|since| stamp >= since)
            && self.until.is_none_or(|until| stamp - STAMP_SPAN_MICROS <= until)
    }
}

/// `20250309T1255Z` in microseconds.
fn stamp_micros(stamp: &str) -> Option<i64> {
    let (date, time) = stamp.trim_end_matches('Z').split_once('T')?;
    crate::time::parse(&format!(
        "{}-{}-{}T{}:{}:00Z",
        date.get(..4)?,
        date.get(4..6)?,
        date.get(6..8)?,
        time.get(..2)?,
        time.get(2..4)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_by_account_region_and_time() {
        let key = "AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/09/111122223333_CloudTrail_eu-west-1_20250309T1255Z_AbCdEfGhIjKlMnOp.json.gz";
        let at = |text: &str| crate::time::parse(text);
        let wanted = |since, until, account: &str, region: &str| Wanted {
            since,
            until,
            accounts: if account.is_empty() { vec![] } else { vec![account.into()] },
            regions: if region.is_empty() { vec![] } else { vec![region.into()] },
        };
        assert!(wanted(None, None, "", "").wants(key));
        assert!(wanted(None, None, "111122223333", "eu-west-1").wants(key));
        assert!(!wanted(None, None, "444455556666", "").wants(key));
        assert!(!wanted(None, None, "", "us-east-1").wants(key));
        assert!(wanted(at("2025-03-09T12:50:00Z"), at("2025-03-09T12:50:00Z"), "", "").wants(key));
        assert!(!wanted(at("2025-03-09T12:56:00Z"), None, "", "").wants(key));
        assert!(!wanted(None, at("2025-03-09T12:44:00Z"), "", "").wants(key));
        assert!(wanted(at("2030-01-01T00:00:00Z"), None, "1", "").wants("export.json"));
    }
}
