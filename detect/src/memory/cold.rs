//! What is cold: slots by key, in a temporary file that goes with the process.

use std::path::PathBuf;

use redb::{Database, Durability, ReadableDatabase, TableDefinition, TableError};

use super::{Key, Slot};
use crate::error::{DetectError, Result};
use crate::state::{Split, State};

/// A byte that says whether it is dirty, and the slot behind it.
const COLD: TableDefinition<&[u8], &[u8]> = TableDefinition::new("cold");
/// What lies far back of a slot: its key and, behind it, until when; rising.
const OLDER: TableDefinition<&[u8], &[u8]> = TableDefinition::new("older");
/// Bytes of the file that are held in memory.
const CACHE_BYTES: usize = 16 << 20;
/// Words of the filter that knows which keys were never put: 4 MB.
const FILTER_WORDS: usize = 1 << 19;

/// Slots in a temporary file.
#[derive(Debug)]
pub(super) struct Cold {
    file: Database,
    /// Deleted with it.
    _folder: tempfile::TempDir,
    path: PathBuf,
    /// One bit for each key that was put, two keys may share one: most keys that are asked for are new.
    filter: Vec<u64>,
}

impl Cold {
    pub fn create() -> Result<Self> {
        let fail = |detail: String| DetectError::Memory { operation: "make", path: std::env::temp_dir(), detail };
        let folder = tempfile::Builder::new().prefix("trailhound-").tempdir().map_err(|e| fail(e.to_string()))?;
        let path = folder.path().join("memory.redb");
        let file = Database::builder().set_cache_size(CACHE_BYTES).create(&path).map_err(|e| fail(e.to_string()))?;
        Ok(Cold { file, _folder: folder, path, filter: vec![0; FILTER_WORDS] })
    }

    pub fn get(&self, key: Key) -> Result<Option<Slot>> {
        let (word, bit) = place_of(key);
        if self.filter[word] & bit == 0 {
            return Ok(None);
        }
        let read = || -> std::result::Result<Option<Slot>, String> {
            let transaction = self.file.begin_read().map_err(|e| e.to_string())?;
            let table = match transaction.open_table(COLD) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(None),
                Err(e) => return Err(e.to_string()),
            };
            let found = table.get(bytes_of(key).as_slice()).map_err(|e| e.to_string())?;
            found.map(|bytes| rmp_serde::from_slice(&bytes.value()[1..]).map_err(|e| e.to_string())).transpose()
        };
        read().map_err(|detail| self.fail("read", detail))
    }

    /// Keys of dirty slots behind `after`, at most so many; and the last key that was looked at, if there may be more.
    pub fn dirty(&self, after: Option<Key>, max: usize) -> Result<(Vec<Key>, Option<Key>)> {
        let read = || -> std::result::Result<(Vec<Key>, Option<Key>), String> {
            let transaction = self.file.begin_read().map_err(|e| e.to_string())?;
            let table = transaction.open_table(COLD).map_err(|e| e.to_string())?;
            let from = after.map(bytes_of).unwrap_or_default();
            let mut keys = Vec::new();
            for entry in table.range(from.as_slice()..).map_err(|e| e.to_string())? {
                let (key, slot) = entry.map_err(|e| e.to_string())?;
                let key = key_of(key.value());
                if slot.value()[0] != 0 && after != Some(key) {
                    keys.push(key);
                }
                if keys.len() == max {
                    return Ok((keys, Some(key)));
                }
            }
            Ok((keys, None))
        };
        read().map_err(|detail| self.fail("read", detail))
    }

    pub fn put(&mut self, slots: &[(Key, Slot)]) -> Result<()> {
        let write = || -> std::result::Result<(), String> {
            let mut transaction = self.file.begin_write().map_err(|e| e.to_string())?;
            // It need not outlive the process, so nobody waits for the disk.
            transaction.set_durability(Durability::None).map_err(|e| e.to_string())?;
            {
                let mut table = transaction.open_table(COLD).map_err(|e| e.to_string())?;
                let mut bytes = Vec::new();
                for (key, slot) in slots {
                    bytes.clear();
                    bytes.push(u8::from(slot.dirty.is_some()));
                    rmp_serde::encode::write(&mut bytes, slot).map_err(|e| e.to_string())?;
                    table.insert(bytes_of(*key).as_slice(), bytes.as_slice()).map_err(|e| e.to_string())?;
                }
            }
            transaction.commit().map_err(|e| e.to_string())
        };
        write().map_err(|detail| self.fail("write", detail))?;
        for (key, _) in slots {
            let (word, bit) = place_of(*key);
            self.filter[word] |= bit;
        }
        Ok(())
    }

    /// What lies far back of slots.
    pub fn put_older(&self, parts: &[(Key, Split<State>)]) -> Result<()> {
        let write = || -> std::result::Result<(), String> {
            let mut transaction = self.file.begin_write().map_err(|e| e.to_string())?;
            transaction.set_durability(Durability::None).map_err(|e| e.to_string())?;
            {
                let mut table = transaction.open_table(OLDER).map_err(|e| e.to_string())?;
                let mut bytes = Vec::new();
                for (key, part) in parts {
                    bytes.clear();
                    rmp_serde::encode::write(&mut bytes, part).map_err(|e| e.to_string())?;
                    table
                        .insert(older_bytes_of(*key, part.until).as_slice(), bytes.as_slice())
                        .map_err(|e| e.to_string())?;
                }
            }
            transaction.commit().map_err(|e| e.to_string())
        };
        write().map_err(|detail| self.fail("write", detail))
    }

    /// Takes out all that lies far back of a slot.
    pub fn take_older(&self, key: Key) -> Result<Vec<Split<State>>> {
        let take = || -> std::result::Result<Vec<Split<State>>, String> {
            let mut transaction = self.file.begin_write().map_err(|e| e.to_string())?;
            transaction.set_durability(Durability::None).map_err(|e| e.to_string())?;
            let mut parts = Vec::new();
            {
                let mut table = transaction.open_table(OLDER).map_err(|e| e.to_string())?;
                let (from, to) = (older_bytes_of(key, i64::MIN), older_bytes_of(key, i64::MAX));
                for entry in
                    table.extract_from_if(from.as_slice()..=to.as_slice(), |_, _| true).map_err(|e| e.to_string())?
                {
                    let (_, part) = entry.map_err(|e| e.to_string())?;
                    parts.push(rmp_serde::from_slice(part.value()).map_err(|e| e.to_string())?);
                }
            }
            transaction.commit().map_err(|e| e.to_string())?;
            Ok(parts)
        };
        take().map_err(|detail| self.fail("read", detail))
    }

    /// Forgets a rule.
    pub fn forget(&self, rule: u64) -> Result<()> {
        let write = || -> std::result::Result<(), String> {
            let transaction = self.file.begin_write().map_err(|e| e.to_string())?;
            {
                let mut table = transaction.open_table(COLD).map_err(|e| e.to_string())?;
                let (from, to) = (bytes_of((rule, 0)), bytes_of((rule, u128::MAX)));
                table.retain_in(from.as_slice()..=to.as_slice(), |_, _| false).map_err(|e| e.to_string())?;
                let mut table = transaction.open_table(OLDER).map_err(|e| e.to_string())?;
                let (from, to) = (older_bytes_of((rule, 0), i64::MIN), older_bytes_of((rule, u128::MAX), i64::MAX));
                table.retain_in(from.as_slice()..=to.as_slice(), |_, _| false).map_err(|e| e.to_string())?;
            }
            transaction.commit().map_err(|e| e.to_string())
        };
        write().map_err(|detail| self.fail("write", detail))
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
