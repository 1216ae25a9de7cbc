//! What the rules with memory know: one [`State`] for each entity of each rule, hot ones in memory, cold ones in a file.
//!
//! Nothing here is durable or has to be: all of it follows from `events`, and is made again from there when a detector
//! is opened. The file is a temporary one that goes with the process; it is only made when the memory is used up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use redb::{Database, ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::error::{DetectError, Result};
use crate::evaluate::{Remembered, Sighting};
use crate::fault::{self, Fault};
use crate::rule::Rule;
use crate::ruleset::RuleSet;
use crate::state::{Claim, Event, Plan, State};

/// Memory for what is hot, unless said otherwise.
pub const MEMORY_BYTES_MAX: usize = 256 << 20;
/// What a slot takes beside its state and its entity.
const SLOT_BYTES: usize = 160;
/// Cold entities, by rule and entity.
const COLD: TableDefinition<&[u8], &[u8]> = TableDefinition::new("cold");

/// A rule's version and an entity: both by hash.
pub(crate) type Key = (u64, u128);

/// What is known of one entity of one rule.
#[derive(Debug, Serialize, Deserialize)]
struct Slot {
    /// As the ledger writes it.
    entity: String,
    state: State,
    /// Bytes that it takes, roughly.
    bytes: usize,
    /// When it was last needed: the older, the sooner it is cold.
    used: u64,
}

/// What a rule claims of one entity: everything whose last event lies at or behind `from`.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub key: Key,
    /// The rule's place in the set.
    pub rule: usize,
    pub entity: String,
    pub from: i64,
    pub claims: Vec<Claim>,
}

/// The memory of a rule set.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    slots: HashMap<Key, Slot>,
    bytes: usize,
    bytes_max: usize,
    clock: u64,
    /// Entities that gained events since they were last judged, and the earliest time of these.
    dirty: BTreeMap<Key, i64>,
    /// The newest version of the table that each rule's version has seen.
    seen: HashMap<u64, i64>,
    cold: Option<Cold>,
}

impl Memory {
    /// A memory that keeps at most so many bytes hot; one commit's new entities may come on top for a moment.
    pub fn new(bytes_max: usize) -> Self {
        Memory { bytes_max, ..Memory::default() }
    }

    /// Bytes that are hot, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The newest version of the table that a rule has seen; -1 for none.
    pub fn seen(&self, rule: &Rule) -> i64 {
        self.seen.get(&rule_key(rule)).copied().unwrap_or(-1)
    }

    /// Forgets the rules that are not in a set.
    pub fn retain(&mut self, set: &RuleSet) -> Result<()> {
        let known: BTreeSet<u64> = set.rules().map(|r| rule_key(r)).collect();
        self.slots.retain(|(rule, _), _| known.contains(rule));
        self.dirty.retain(|(rule, _), _| known.contains(rule));
        self.bytes = self.slots.values().map(|s| s.bytes).sum();
        let gone: Vec<u64> = self.seen.keys().copied().filter(|rule| !known.contains(rule)).collect();
        for rule in gone {
            self.seen.remove(&rule);
            if let Some(cold) = &self.cold {
                cold.forget(rule)?;
            }
        }
        Ok(())
    }

    /// Every rule with memory has now seen this version of the table.
    pub fn advance(&mut self, set: &RuleSet, version: i64) {
        for rule in set.rules().filter(|r| r.plan.is_some()) {
            let seen = self.seen.entry(rule_key(rule)).or_insert(-1);
            *seen = version.max(*seen);
        }
    }

    /// Adds rows that their rule did not see before; `counted` hears the place of each that counts, and whose it is.
    pub fn remember(&mut self, rule: &Rule, remembered: Remembered, mut counted: impl FnMut(Key, u32)) -> Result<()> {
        let Some(plan) = &rule.plan else { return Ok(()) };
        let rule = rule_key(rule);
        remembered.each(|row| {
            if let Some(key) = self.add(rule, plan, row.time, row.id, row.evidence)? {
                counted(key, row.place);
            }
            Ok(())
        })
    }

    /// Adds an event that its rule did not see before. Gives whose it is, if it counts.
    pub fn add_sighting(&mut self, rule: &Rule, sighting: &Sighting) -> Result<Option<Key>> {
        let Some(plan) = &rule.plan else { return Ok(None) };
        self.add(rule_key(rule), plan, sighting.event_time, &sighting.event_id, &sighting.evidence)
    }

    fn add(&mut self, rule: u64, plan: &Plan, time: i64, id: &str, evidence: &[Value]) -> Result<Option<Key>> {
        let (Some(entity), Some(facts)) = (plan.entity(evidence), plan.facts(evidence)) else { return Ok(None) };
        let key = (rule, xxh3_128(entity.as_bytes()));
        let begin = || Slot { bytes: SLOT_BYTES + entity.len(), entity, state: plan.begin(), used: 0 };
        let slot = self.slot(key, begin)?;
        let event = Event { time, id, facts };
        let mut grown = slot.state.add(plan, &event);
        if fault::is(Fault::DuplicateCounted) && id.ends_with('7') {
            grown += slot.state.add(plan, &event);
        }
        slot.bytes += grown;
        self.bytes += grown;
        let from = self.dirty.entry(key).or_insert(time);
        *from = if fault::is(Fault::LateEvent) { time.max(*from) } else { time.min(*from) };
        Ok(Some(key))
    }

    /// Judges every entity that gained events since this was last asked, in an order that depends on nothing else.
    pub fn judge(&mut self, set: &RuleSet) -> Result<Vec<Verdict>> {
        let places: HashMap<u64, usize> = set.rules().enumerate().map(|(place, r)| (rule_key(r), place)).collect();
        let mut verdicts = Vec::new();
        for (key, from) in std::mem::take(&mut self.dirty) {
            let Some(&rule) = places.get(&key.0) else { continue };
            let Some(plan) = set.at(rule).plan.as_ref() else { continue };
            let slot = self.slot(key, || unreachable!("what is dirty was added"))?;
            let (from, claims) = slot.state.judge(plan, from);
            verdicts.push(Verdict { key, rule, entity: slot.entity.clone(), from, claims });
            self.settle()?;
        }
        Ok(verdicts)
    }

    /// Moves what is cold out of memory, where there is too much.
    pub fn settle(&mut self) -> Result<()> {
        if self.bytes <= self.bytes_max {
            return Ok(());
        }
        let mut by_age: Vec<(u64, Key)> = self.slots.iter().map(|(key, slot)| (slot.used, *key)).collect();
        by_age.sort_unstable();
        let mut leaving = Vec::new();
        for (_, key) in by_age {
            // Down to three quarters, so that this is not done for every event.
            if self.bytes <= self.bytes_max / 4 * 3 {
                break;
            }
            let slot = self.slots.remove(&key).expect("its key was just listed");
            self.bytes -= slot.bytes;
            leaving.push((key, slot));
        }
        if self.cold.is_none() {
            self.cold = Some(Cold::create()?);
        }
        self.cold.as_ref().expect("it was just made").put(&leaving)
    }

    fn slot(&mut self, key: Key, begin: impl FnOnce() -> Slot) -> Result<&mut Slot> {
        self.clock += 1;
        if !self.slots.contains_key(&key) {
            let cold = self.cold.as_ref().map(|cold| cold.get(key)).transpose()?.flatten();
            let slot = cold.unwrap_or_else(begin);
            self.bytes += slot.bytes;
            self.slots.insert(key, slot);
        }
        let slot = self.slots.get_mut(&key).expect("it was just put there");
        slot.used = self.clock;
        Ok(slot)
    }
}

/// A rule's text is its version: another text begins with nothing.
fn rule_key(rule: &Rule) -> u64 {
    xxh3_64(format!("{}\n{}", rule.id, rule.version).as_bytes())
}

/// Slots in a temporary file.
#[derive(Debug)]
struct Cold {
    file: Database,
    /// Deleted with it.
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Cold {
    fn create() -> Result<Self> {
        let fail = |detail: String| DetectError::Memory { operation: "make", path: std::env::temp_dir(), detail };
        let folder = tempfile::Builder::new().prefix("trailhound-").tempdir().map_err(|e| fail(e.to_string()))?;
        let path = folder.path().join("memory.redb");
        let file = Database::builder().set_cache_size(16 << 20).create(&path).map_err(|e| fail(e.to_string()))?;
        Ok(Cold { file, _folder: folder, path })
    }

    fn get(&self, key: Key) -> Result<Option<Slot>> {
        let read = || -> std::result::Result<Option<Slot>, String> {
            let transaction = self.file.begin_read().map_err(|e| e.to_string())?;
            let table = match transaction.open_table(COLD) {
                Ok(table) => table,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
                Err(e) => return Err(e.to_string()),
            };
            let found = table.get(bytes_of(key).as_slice()).map_err(|e| e.to_string())?;
            found.map(|bytes| rmp_serde::from_slice(bytes.value()).map_err(|e| e.to_string())).transpose()
        };
        read().map_err(|detail| self.fail("read", detail))
    }

    fn put(&self, slots: &[(Key, Slot)]) -> Result<()> {
        let write = || -> std::result::Result<(), String> {
            let mut transaction = self.file.begin_write().map_err(|e| e.to_string())?;
            // It need not outlive the process, so nobody waits for the disk.
            transaction.set_durability(redb::Durability::None).map_err(|e| e.to_string())?;
            {
                let mut table = transaction.open_table(COLD).map_err(|e| e.to_string())?;
                for (key, slot) in slots {
                    let bytes = rmp_serde::to_vec(slot).map_err(|e| e.to_string())?;
                    table.insert(bytes_of(*key).as_slice(), bytes.as_slice()).map_err(|e| e.to_string())?;
                }
            }
            transaction.commit().map_err(|e| e.to_string())
        };
        write().map_err(|detail| self.fail("write", detail))
    }

    fn forget(&self, rule: u64) -> Result<()> {
        let write = || -> std::result::Result<(), String> {
            let transaction = self.file.begin_write().map_err(|e| e.to_string())?;
            {
                let mut table = transaction.open_table(COLD).map_err(|e| e.to_string())?;
                let (from, to) = (bytes_of((rule, 0)), bytes_of((rule, u128::MAX)));
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

/// In the order of keys.
fn bytes_of((rule, entity): Key) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&rule.to_be_bytes());
    bytes[8..].copy_from_slice(&entity.to_be_bytes());
    bytes
}
