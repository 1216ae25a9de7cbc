//! What the rules with memory know: one [`State`] for each entity of each rule, hot ones in memory, cold ones in a file.
//!
//! Nothing here is durable or has to be: all of it follows from `events`, and is made again from there when a detector
//! is opened.

mod cold;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::error::Result;
use crate::evaluate::{Remembered, Sighting};
use crate::evidence::Evidence;
use crate::fault::{self, Fault};
use crate::rule::Rule;
use crate::ruleset::RuleSet;
use crate::state::{Claim, Event, Plan, Scratch, State};
use cold::Cold;

/// Memory for what is hot, unless said otherwise.
pub const MEMORY_BYTES_MAX: usize = 256 << 20;
/// What a slot takes beside its state and its entity.
const SLOT_BYTES: usize = 160;
/// Entities that are to be judged are listed up to so many; where there are more, they are looked for instead.
const LISTED_MAX: usize = 500_000;
/// So much more than allowed may be hot before it is put right.
const SLACK_BYTES: usize = 1 << 20;
/// Cold entities that are listed at a time.
const COLD_LISTED_MAX: usize = 50_000;

/// A rule's version and an entity: both by hash.
pub(crate) type Key = (u64, u128);

/// The hash of an entity, as the ledger writes it.
pub(crate) fn entity_key(entity: &str) -> u128 {
    xxh3_128(entity.as_bytes())
}

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
    /// The earliest time of the events that it gained since it was last judged.
    dirty: Option<i64>,
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

/// Keys are hashes already.
#[derive(Debug, Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.write_u64(xxh3_64(bytes));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 ^= n;
    }

    fn write_u128(&mut self, n: u128) {
        self.0 ^= n as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The memory of a rule set.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    slots: HashMap<Key, Slot, BuildHasherDefault<KeyHasher>>,
    bytes: usize,
    bytes_max: usize,
    clock: u64,
    /// Entities that gained events since they were last judged.
    dirty: Vec<Key>,
    /// There are more of them than are listed.
    unlisted: bool,
    /// The newest version of the table that each rule's version has seen.
    seen: HashMap<u64, i64>,
    cold: Option<Cold>,
    /// The entity of the event at hand, and what its facts point to.
    entity: String,
    scratch: Scratch,
}

impl Memory {
    /// A memory that keeps at most so many bytes hot, and [`SLACK_BYTES`] more for a moment.
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
        self.dirty.retain(|(rule, _)| known.contains(rule));
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

    /// Whether so many entities wait to be judged that it is better done now.
    pub fn is_crowded(&self) -> bool {
        self.dirty.len() >= LISTED_MAX / 2 || self.unlisted
    }

    /// Adds rows that their rule did not see before; `counted` hears the place of each that counts, and whose it is.
    pub fn remember(&mut self, rule: &Rule, remembered: &Remembered, mut counted: impl FnMut(Key, u32)) -> Result<()> {
        let Some(plan) = &rule.plan else { return Ok(()) };
        let rule = rule_key(rule);
        remembered.each(|row| {
            if let Some(key) = self.add(rule, plan, row.time, row.id, &row.evidence)? {
                counted(key, row.place);
            }
            if self.bytes > self.bytes_max.saturating_add(SLACK_BYTES) { self.settle() } else { Ok(()) }
        })
    }

    /// Adds an event that its rule did not see before. Gives whose it is, if it counts.
    pub fn add_sighting(&mut self, rule: &Rule, sighting: &Sighting) -> Result<Option<Key>> {
        let Some(plan) = &rule.plan else { return Ok(None) };
        self.add(rule_key(rule), plan, sighting.event_time, &sighting.event_id, sighting.evidence.as_slice())
    }

    fn add(
        &mut self,
        rule: u64,
        plan: &Plan,
        time: i64,
        id: &str,
        evidence: &(impl Evidence + ?Sized),
    ) -> Result<Option<Key>> {
        let (mut entity, mut scratch) = (std::mem::take(&mut self.entity), std::mem::take(&mut self.scratch));
        let mut key = None;
        if plan.write_entity(evidence, &mut entity)
            && let Some(facts) = plan.facts(evidence, &mut scratch)
        {
            let begin = || Slot {
                bytes: SLOT_BYTES + entity.len(),
                entity: entity.clone(),
                state: plan.begin(),
                used: 0,
                dirty: None,
            };
            let whose = (rule, entity_key(&entity));
            self.add_to(whose, begin, plan, &Event { time, id, facts })?;
            key = Some(whose);
        }
        (self.entity, self.scratch) = (entity, scratch);
        Ok(key)
    }

    fn add_to(&mut self, key: Key, begin: impl FnOnce() -> Slot, plan: &Plan, event: &Event<'_>) -> Result<()> {
        let slot = self.slot(key, begin)?;
        let mut grown = slot.state.add(plan, event);
        if fault::is(Fault::DuplicateCounted) && event.id.ends_with('7') {
            grown += slot.state.add(plan, event);
        }
        slot.bytes += grown;
        let clean = slot.dirty.is_none();
        let from = slot.dirty.get_or_insert(event.time);
        *from = if fault::is(Fault::LateEvent) { event.time.max(*from) } else { event.time.min(*from) };
        self.bytes += grown;
        match clean {
            true if self.dirty.len() < LISTED_MAX => self.dirty.push(key),
            true => self.unlisted = true,
            false => {}
        }
        Ok(())
    }

    /// Judges every entity that gained events since this was last asked. Gives what is claimed, and that nothing is
    /// where `found` says that there are findings of that rule (by its place) and entity; in an order that depends on
    /// nothing else.
    pub fn judge(&mut self, set: &RuleSet, found: impl Fn(usize, u128) -> bool) -> Result<Vec<Verdict>> {
        let places: HashMap<u64, usize> = set.rules().enumerate().map(|(place, r)| (rule_key(r), place)).collect();
        let mut verdicts = Vec::new();
        let mut listed = std::mem::take(&mut self.dirty);
        let unlisted = std::mem::take(&mut self.unlisted);
        if unlisted {
            listed = self.slots.iter().filter(|(_, slot)| slot.dirty.is_some()).map(|(key, _)| *key).collect();
        }
        listed.sort_unstable();
        self.judge_all(&listed, set, &places, &found, &mut verdicts)?;
        let mut after = None;
        while unlisted && let Some(cold) = &self.cold {
            let (listed, last) = cold.dirty(after, COLD_LISTED_MAX)?;
            self.judge_all(&listed, set, &places, &found, &mut verdicts)?;
            if last.is_none() {
                break;
            }
            after = last;
        }
        verdicts.sort_by_key(|verdict| verdict.key);
        Ok(verdicts)
    }

    fn judge_all(
        &mut self,
        keys: &[Key],
        set: &RuleSet,
        places: &HashMap<u64, usize>,
        found: &impl Fn(usize, u128) -> bool,
        verdicts: &mut Vec<Verdict>,
    ) -> Result<()> {
        for &key in keys {
            let Some(&rule) = places.get(&key.0) else { continue };
            let Some(plan) = set.at(rule).plan.as_ref() else { continue };
            let slot = self.slot(key, || unreachable!("what is dirty was added"))?;
            let Some(from) = slot.dirty.take() else { continue };
            let (from, claims) = slot.state.judge(plan, from);
            if !claims.is_empty() || found(rule, key.1) {
                verdicts.push(Verdict { key, rule, entity: slot.entity.clone(), from, claims });
            }
            self.settle()?;
        }
        Ok(())
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
        leaving.sort_unstable_by_key(|(key, _)| *key);
        if self.cold.is_none() {
            self.cold = Some(Cold::create()?);
        }
        self.cold.as_mut().expect("it was just made").put(&leaving)
    }

    fn slot(&mut self, key: Key, begin: impl FnOnce() -> Slot) -> Result<&mut Slot> {
        self.clock += 1;
        let slot = match self.slots.entry(key) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(place) => {
                let cold = self.cold.as_ref().map(|cold| cold.get(key)).transpose()?.flatten();
                let slot = cold.unwrap_or_else(begin);
                self.bytes += slot.bytes;
                place.insert(slot)
            }
        };
        slot.used = self.clock;
        Ok(slot)
    }
}

/// A rule's text is its version: another text begins with nothing.
fn rule_key(rule: &Rule) -> u64 {
    xxh3_64(format!("{}\n{}", rule.id, rule.version).as_bytes())
}
