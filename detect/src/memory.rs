//! What the rules with memory know: one [`State`] for each entity of each rule, hot ones in memory, cold ones in a file.
//!
//! Nothing here is durable or has to be: all of it follows from `events`, and is made again from there when a detector
//! is opened. The file is a temporary one that goes with the process; it is only made when the memory is used up.
//!
//! Beside the entities' states there are those that entities share, and the ways in which one makes others dirty:
//!
//! ```text
//! event ─► state of its entity ──shifts──► Population of its group ──what was asked has changed──► those who asked
//! finding of an attack ─► Attacks of the principal ──withhold──► states of the same principal that learn (and shifts)
//! ```
//! [`Memory::judge`] goes this way once: what judges no baseline first, then attacks, then groups, then what learns. No
//! kind that learns makes an attack, so nothing is circular.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use redb::{Database, ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::error::{DetectError, Result};
use crate::evaluate::{Remembered, Sighting};
use crate::rule::{PRINCIPAL, Rule};
use crate::ruleset::RuleSet;
use crate::state::{Attacks, Claim, DAY, Event, Plan, Population, Shift, State, View};

/// Memory for what is hot, unless said otherwise.
pub const MEMORY_BYTES_MAX: usize = 256 << 20;
/// What a slot takes beside its state and its entity.
const SLOT_BYTES: usize = 160;
/// Cold entities, by rule and entity.
const COLD: TableDefinition<&[u8], &[u8]> = TableDefinition::new("cold");

/// In place of a rule, for what is known of attacks on a principal.
const ATTACKS: u64 = 0;

/// A rule's version and an entity (or a group, or a principal): both by hash.
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
    /// Groups whose numbers changed, with the first day.
    shifted: BTreeMap<Key, i64>,
    /// Principals on whom attacks are known, and those of them of whom something changed, from which time on.
    attacked: HashSet<u128>,
    struck: BTreeMap<u128, i64>,
    /// The rules whose findings are attacks.
    attackers: BTreeSet<u64>,
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

    /// Forgets the rules that are not in a set. If others make attacks now than before, everything is forgotten: what was
    /// learnt and what was not would have to be told apart anew.
    pub fn retain(&mut self, set: &RuleSet) -> Result<()> {
        let known: BTreeSet<u64> = set.rules().map(|r| rule_key(r)).collect();
        let attackers = set.rules().enumerate().filter(|(place, _)| set.attacks(*place)).map(|(_, r)| rule_key(r));
        let attackers: BTreeSet<u64> = attackers.collect();
        if attackers != self.attackers {
            *self = Memory { attackers, ..Memory::new(self.bytes_max) };
            return Ok(());
        }
        self.slots.retain(|(rule, _), _| known.contains(rule) || *rule == ATTACKS);
        self.dirty.retain(|(rule, _), _| known.contains(rule));
        self.shifted.retain(|(rule, _), _| known.contains(rule));
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

    /// Every rule of which something is remembered has now seen this version of the table.
    pub fn advance(&mut self, set: &RuleSet, version: i64) {
        for (_, rule) in set.rules().enumerate().filter(|(place, r)| r.plan.is_some() || set.attacks(*place)) {
            let seen = self.seen.entry(rule_key(rule)).or_insert(-1);
            *seen = version.max(*seen);
        }
    }

    /// Adds rows that their rule did not see before; `counted` hears the place of each that counts, and whose it is.
    pub fn remember(&mut self, set: &RuleSet, remembered: Remembered, mut counted: impl FnMut(Key, u32)) -> Result<()> {
        let rule = set.at(remembered.rule);
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

    /// Notes the attacks among the events of rules that look at each event alone, which they did not see before.
    pub fn strike<'s>(&mut self, set: &RuleSet, sightings: impl Iterator<Item = &'s Sighting>) -> Result<()> {
        for sighting in sightings.filter(|s| set.attacks(s.rule)) {
            let Some(principal) = set.at(sighting.rule).principal(&sighting.evidence) else { continue };
            let time = sighting.event_time;
            if self.attacks(principal, |attacks| attacks.strike((rule_key(set.at(sighting.rule)), 0), time))? {
                self.mark_struck(principal, time);
            }
        }
        Ok(())
    }

    fn add(&mut self, rule: u64, plan: &Plan, time: i64, id: &str, evidence: &[Value]) -> Result<Option<Key>> {
        let (Some(entity), Some(facts)) = (plan.entity(evidence), plan.facts(evidence)) else { return Ok(None) };
        let key = (rule, xxh3_128(entity.as_bytes()));
        // One that is new to the rule may be known to have been under attack.
        let spans = match plan.learns_by_principal() && self.attacked.contains(&key.1) && !self.knows(key)? {
            true => self.attacks(key.1, |attacks| attacks.spans())?,
            false => Vec::new(),
        };
        let begin = || {
            let mut state = plan.begin();
            state.withhold(plan, &spans);
            Slot { bytes: SLOT_BYTES + entity.len(), entity, state, used: 0 }
        };
        let slot = self.slot(key, begin)?;
        let added = slot.state.add(plan, &Event { time, id, facts });
        slot.bytes += added.bytes;
        self.bytes += added.bytes;
        self.mark_dirty(key, added.from.min(time));
        self.shift(rule, added.shifts)?;
        Ok(Some(key))
    }

    fn mark_dirty(&mut self, key: Key, time: i64) {
        let from = self.dirty.entry(key).or_insert(time);
        *from = time.min(*from);
    }

    fn mark_struck(&mut self, principal: u128, time: i64) {
        let from = self.struck.entry(principal).or_insert(time);
        *from = time.min(*from);
    }

    /// Tells the groups of a rule what becomes of an entity's share.
    fn shift(&mut self, rule: u64, shifts: Vec<Shift>) -> Result<()> {
        for shift in shifts {
            let key = (rule, group_key(&shift.group));
            let grown = match &mut self.slot(key, begin_population)?.state {
                State::Population(population) => population.shift(&shift),
                _ => unreachable!("a group's key holds a population"),
            };
            self.grow(key, grown);
            let from = self.shifted.entry(key).or_insert(shift.day);
            *from = shift.day.min(*from);
        }
        Ok(())
    }

    /// Does something with what is known of the attacks on a principal.
    fn attacks<T>(&mut self, principal: u128, act: impl FnOnce(&mut Attacks) -> T) -> Result<T> {
        let key = (ATTACKS, principal);
        self.attacked.insert(principal);
        let begin =
            || Slot { entity: String::new(), state: State::Attacks(Attacks::default()), bytes: SLOT_BYTES, used: 0 };
        let State::Attacks(attacks) = &mut self.slot(key, begin)?.state else {
            unreachable!("a principal's key holds attacks");
        };
        let before = attacks.len();
        let done = act(attacks);
        let grown = attacks.len().saturating_sub(before) * 48;
        self.grow(key, grown);
        Ok(done)
    }

    /// Counts bytes by which a hot slot grew.
    fn grow(&mut self, key: Key, bytes: usize) {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.bytes += bytes;
            self.bytes += bytes;
        }
    }

    /// Judges every entity of which something changed since this was last asked, in an order that depends on nothing else.
    pub fn judge(&mut self, set: &RuleSet) -> Result<Vec<Verdict>> {
        let places: HashMap<u64, usize> = set.rules().enumerate().map(|(place, r)| (rule_key(r), place)).collect();
        let mut verdicts = Vec::new();
        self.judge_some(set, &places, |plan| !plan.learns(), &mut verdicts)?;
        self.withhold(set)?;
        self.ask_again(set, &places)?;
        self.judge_some(set, &places, Plan::learns, &mut verdicts)?;
        Ok(verdicts)
    }

    fn judge_some(
        &mut self,
        set: &RuleSet,
        places: &HashMap<u64, usize>,
        chosen: impl Fn(&Plan) -> bool,
        verdicts: &mut Vec<Verdict>,
    ) -> Result<()> {
        let plan_of = |key: &Key| {
            let place = *places.get(&key.0)?;
            Some((place, set.at(place).plan.as_ref()?))
        };
        let dirty = std::mem::take(&mut self.dirty);
        let (now, later) = dirty.into_iter().partition(|(key, _)| plan_of(key).is_some_and(|(_, plan)| chosen(plan)));
        self.dirty = later;
        let now: BTreeMap<Key, i64> = now;
        for (key, from) in now {
            let Some((rule, plan)) = plan_of(&key) else { continue };
            self.slot(key, || unreachable!("what is dirty was added"))?;
            // Taken out, so that groups can be asked meanwhile.
            let slot = self.slots.remove(&key).expect("it was just needed");
            let mut look = |group: &str, value: &str, day: i64| self.ask(key, plan, group, value, day);
            let judged = slot.state.judge(plan, from, &mut look);
            let entity = slot.entity.clone();
            self.slots.insert(key, slot);
            let (from, claims) = judged?;
            let verdict = Verdict { key, rule, entity, from, claims };
            if set.attacks(rule) {
                self.attacked_by(set, &verdict)?;
            }
            verdicts.push(verdict);
            self.settle()?;
        }
        Ok(())
    }

    /// Notes the attacks that a rule with memory claims, in place of those that it claimed before.
    fn attacked_by(&mut self, set: &RuleSet, verdict: &Verdict) -> Result<()> {
        let entity: BTreeMap<String, Value> = serde_json::from_str(&verdict.entity).unwrap_or_default();
        let Some(principal) = set.at(verdict.rule).principal_of(&entity) else { return Ok(()) };
        if verdict.claims.is_empty() && !self.attacked.contains(&principal) {
            return Ok(());
        }
        let spans = verdict.claims.iter().map(|claim| claim.times);
        let changed = self.attacks(principal, |attacks| attacks.replace(verdict.key, verdict.from, spans))?;
        if let Some(from) = changed {
            self.mark_struck(principal, from);
        }
        Ok(())
    }

    /// Tells those who learn, and are the same principal, when it was under attack.
    fn withhold(&mut self, set: &RuleSet) -> Result<()> {
        for (principal, from) in std::mem::take(&mut self.struck) {
            let spans = self.attacks(principal, |attacks| attacks.spans())?;
            for rule in set.rules() {
                let Some(plan) = rule.plan.as_ref().filter(|plan| plan.learns_by_principal()) else { continue };
                let key = (rule_key(rule), principal);
                if !self.knows(key)? {
                    continue;
                }
                let slot = self.slot(key, || unreachable!("it is known"))?;
                let shifts = slot.state.withhold(plan, &spans);
                self.mark_dirty(key, from);
                self.shift(key.0, shifts)?;
            }
            self.settle()?;
        }
        Ok(())
    }

    /// Finds those who asked a group for a number that is another now.
    fn ask_again(&mut self, set: &RuleSet, places: &HashMap<u64, usize>) -> Result<()> {
        for (key, day) in std::mem::take(&mut self.shifted) {
            let Some(plan) = places.get(&key.0).and_then(|place| set.at(*place).plan.as_ref()) else { continue };
            let again = match &mut self.slot(key, begin_population)?.state {
                State::Population(population) => population.changed(&plan.judgement, day),
                _ => unreachable!("a group's key holds a population"),
            };
            for (entity, day) in again {
                self.mark_dirty((key.0, entity), day.saturating_mul(DAY));
            }
            self.settle()?;
        }
        Ok(())
    }

    fn ask(&mut self, asking: Key, plan: &Plan, group: &str, value: &str, day: i64) -> Result<View> {
        let key = (asking.0, group_key(group));
        let (view, grown) = match &mut self.slot(key, begin_population)?.state {
            State::Population(population) => population.ask(&plan.judgement, asking.1, value, day),
            _ => unreachable!("a group's key holds a population"),
        };
        self.grow(key, grown);
        Ok(view)
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

    /// Whether there is a slot, hot or cold.
    fn knows(&self, key: Key) -> Result<bool> {
        if self.slots.contains_key(&key) {
            return Ok(true);
        }
        Ok(self.cold.as_ref().map(|cold| cold.get(key)).transpose()?.flatten().is_some())
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

fn begin_population() -> Slot {
    Slot { entity: String::new(), state: State::Population(Population::default()), bytes: SLOT_BYTES, used: 0 }
}

/// A principal by hash, as it is in a rule whose entity is the principal alone.
pub(crate) fn principal_key(principal: &Value) -> u128 {
    let entity = BTreeMap::from([(PRINCIPAL, principal)]);
    xxh3_128(serde_json::to_string(&entity).expect("JSON values are written as JSON").as_bytes())
}

/// A group of a rule by hash. Entities are JSON objects, so that no group is one.
fn group_key(group: &str) -> u128 {
    xxh3_128(format!("group {group}").as_bytes())
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
