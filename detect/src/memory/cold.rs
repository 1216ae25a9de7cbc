//! What is cold: slots by key, in a temporary log-structured tree that goes with the process.
//!
//! Slots leave in sorted lots, by hash: a tree that is changed in place would rewrite a page for nearly every one of them.
//! Here a lot becomes a file as it is, and files are merged in the background.

use std::path::PathBuf;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, Slice};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Key, Slot};
use crate::error::{DetectError, Result};
use crate::state::{Split, State};

/// Bytes of the files that are held in memory.
const CACHE_BYTES: u64 = 16 << 20;
/// Bytes of removals that wait in memory.
const REMOVALS_BYTES: u64 = 4 << 20;
/// Words of the filter that knows which keys were never put: 4 MB.
const FILTER_WORDS: usize = 1 << 19;

/// Slots in temporary files.
pub(super) struct Cold {
    /// A byte that says whether it is dirty, and the slot behind it.
    slots: Keyspace,
    /// What lies far back of a slot: its key and, behind it, until when; rising.
    older: Keyspace,
    /// One bit for each key that was put, two keys may share one: most keys that are asked for are new.
    filter: Vec<u64>,
    path: PathBuf,
    _database: Database,
    /// Deleted with it.
    _folder: tempfile::TempDir,
}

impl std::fmt::Debug for Cold {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cold").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Cold {
    pub fn create() -> Result<Self> {
        let fail = |detail: String| DetectError::Memory { operation: "make", path: std::env::temp_dir(), detail };
        let folder = tempfile::Builder::new().prefix("trailhound-").tempdir().map_err(|e| fail(e.to_string()))?;
        let path = folder.path().join("memory");
        let open = || -> fjall::Result<_> {
            // It need not outlive the process, so nobody waits for the disk.
            let database = Database::builder(&path)
                .cache_size(CACHE_BYTES)
                .manual_journal_persist(true)
                .worker_threads(1)
                .open()?;
            let options =
                || KeyspaceCreateOptions::default().manual_journal_persist(true).max_memtable_size(REMOVALS_BYTES);
            Ok((database.keyspace("slots", options)?, database.keyspace("older", options)?, database))
        };
        let (slots, older, database) = open().map_err(|e| fail(e.to_string()))?;
        Ok(Cold { slots, older, filter: vec![0; FILTER_WORDS], path, _database: database, _folder: folder })
    }

    pub fn get(&self, key: Key) -> Result<Option<Slot>> {
        let (word, bit) = place_of(key);
        if self.filter[word] & bit == 0 {
            return Ok(None);
        }
        let found = self.done("read", self.slots.get(bytes_of(key)))?;
        found.map(|bytes| self.decoded(&bytes[1..])).transpose()
    }

    /// Keys of dirty slots behind `after`, at most so many; and the last key that was looked at, if there may be more.
    pub fn dirty(&self, after: Option<Key>, max: usize) -> Result<(Vec<Key>, Option<Key>)> {
        let from = after.map(bytes_of).unwrap_or_default();
        let mut keys = Vec::new();
        for entry in self.slots.range(from..) {
            let (key, slot) = self.done("read", entry.into_inner())?;
            let key = key_of(&key);
            if slot[0] != 0 && after != Some(key) {
                keys.push(key);
            }
            if keys.len() == max {
                return Ok((keys, Some(key)));
            }
        }
        Ok((keys, None))
    }

    /// Slots, rising by key. Each is gone from memory before the next one is looked at.
    pub fn put(&mut self, slots: impl Iterator<Item = (Key, Slot)>) -> Result<()> {
        let mut filter = std::mem::take(&mut self.filter);
        let rows = slots.map(|(key, slot)| {
            let (word, bit) = place_of(key);
            filter[word] |= bit;
            (bytes_of(key), u8::from(slot.dirty.is_some()), slot)
        });
        let written = self.write(&self.slots, rows);
        self.filter = filter;
        written
    }

    /// What lies far back of slots, rising by key.
    pub fn put_older(&self, parts: &[(Key, Split<State>)]) -> Result<()> {
        self.write(&self.older, parts.iter().map(|(key, part)| (older_bytes_of(*key, part.until), 0, part)))
    }

    /// Takes out all that lies far back of a slot.
    pub fn take_older(&self, key: Key) -> Result<Vec<Split<State>>> {
        let mut parts = Vec::new();
        for entry in self.older.range(older_bytes_of(key, i64::MIN)..=older_bytes_of(key, i64::MAX)) {
            let (key, part) = self.done("read", entry.into_inner())?;
            parts.push(self.decoded(&part[1..])?);
            self.done("write", self.older.remove(key))?;
        }
        Ok(parts)
    }

    /// Forgets a rule.
    pub fn forget(&self, rule: u64) -> Result<()> {
        for entry in self.slots.range(bytes_of((rule, 0))..=bytes_of((rule, u128::MAX))) {
            self.done("write", entry.key().and_then(|key| self.slots.remove(key)))?;
        }
        let (from, to) = (older_bytes_of((rule, 0), i64::MIN), older_bytes_of((rule, u128::MAX), i64::MAX));
        for entry in self.older.range(from..=to) {
            self.done("write", entry.key().and_then(|key| self.older.remove(key)))?;
        }
        Ok(())
    }

    /// Writes rows that rise by key: a byte, and what is behind it.
    fn write<K: AsRef<[u8]>>(&self, to: &Keyspace, rows: impl Iterator<Item = (K, u8, impl Serialize)>) -> Result<()> {
        let mut lot = self.done("write", to.start_ingestion())?;
        let mut bytes = Vec::new();
        for (key, first, row) in rows {
            bytes.clear();
            bytes.push(first);
            rmp_serde::encode::write(&mut bytes, &row).map_err(|e| self.fail("write", e.to_string()))?;
            self.done("write", lot.write(Slice::from(key.as_ref()), Slice::from(bytes.as_slice())))?;
        }
        self.done("write", lot.finish())
    }

    fn decoded<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T> {
        rmp_serde::from_slice(bytes).map_err(|e| self.fail("read", e.to_string()))
    }

    fn done<T>(&self, operation: &'static str, result: fjall::Result<T>) -> Result<T> {
        result.map_err(|e| self.fail(operation, e.to_string()))
    }

    fn fail(&self, operation: &'static str, detail: String) -> DetectError {
        DetectError::Memory { operation, path: self.path.clone(), detail }
    }
}

/// Where the filter knows a key.
fn place_of((rule, entity): Key) -> (usize, u64) {
    let hash = rule ^ entity as u64 ^ (entity >> 64) as u64;
    ((hash >> 6) as usize % FILTER_WORDS, 1 << (hash & 63))
}

/// In the order of keys.
fn bytes_of((rule, entity): Key) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&rule.to_be_bytes());
    bytes[8..].copy_from_slice(&entity.to_be_bytes());
    bytes
}

/// In the order of keys, then of times.
fn older_bytes_of(key: Key, until: i64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..24].copy_from_slice(&bytes_of(key));
    bytes[24..].copy_from_slice(&(until as u64 ^ 1 << 63).to_be_bytes());
    bytes
}

fn key_of(bytes: &[u8]) -> Key {
    let (rule, entity) = bytes.split_at(8);
    (u64::from_be_bytes(rule.try_into().expect("8 bytes")), u128::from_be_bytes(entity.try_into().expect("16 bytes")))
}
