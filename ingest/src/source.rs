//! Where objects come from: a folder, a file, a prefix of a bucket, or any bucket that a message names.
//!
//! A source lists what is there and fetches what is asked for. It knows nothing of what was read before.

use std::path::PathBuf;

use crate::key::{self, Key};
use crate::object::ObjectId;

mod access;
pub mod bucket;
pub mod clients;
mod fetch;
mod fetch_error;
pub mod folder;
pub mod listing;
#[cfg(test)]
mod tests;

pub use bucket::{Bucket, Page};
pub use clients::{BucketConfig, Clients, FetchLimits};
pub use fetch_error::{FetchError, FetchFault, FetchOutcome};
pub use folder::Folder;
pub use listing::{Listing, Scope};

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
    #[error("[[bucket]] {name:?}: {what}")]
    Config { name: String, what: &'static str },
    #[error(transparent)]
    Fetch(#[from] FetchError),
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
pub fn stamp_micros(stamp: &str) -> Option<i64> {
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
