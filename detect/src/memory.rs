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
//! An entity's state may be in two parts: what lies so far back that no event of these days needs it is in the file, and
//! comes back for an event that is late ([`Slot::needs_older`]). So what an event costs does not grow with the months.
//!
//! [`Memory::judge`] goes this way once: what judges no baseline first, then attacks, then groups, then what learns. No
//! kind that learns makes an attack, so nothing is circular. A long file, since all of this is one piece of bookkeeping over
//! the same slots: who is dirty, who is cold, who hears of whom.

mod cold;
mod hot;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

use crate::error::Result;
use crate::evaluate::Sighting;
use crate::evidence::Evidence;
use crate::fault::{self, Fault};
use crate::remembered::{Id, Remembered, Row};
use crate::rule::{PRINCIPAL, Rule};
use crate::ruleset::RuleSet;
use crate::state::{Attacks, Claim, DAY, Event, Plan, Shift, Split, State, View};
use cold::Cold;
pub(crate) use hot::ByHash;
use hot::Hot;

/// Memory for what is hot, unless said otherwise.
pub const MEMORY_BYTES_MAX: usize = 256 << 20;
/// What a slot takes beside what its state and its entity hold elsewhere.
const SLOT_BYTES: usize = size_of::<(u128, Slot)>();
/// Entities that are to be judged are listed up to so many; where there are more, they are looked for instead. Few in tests,
/// so that both happen there.
const LISTED_MAX: usize = if cfg!(test) { 200 } else { 500_000 };
/// So much more than allowed may be hot before it is put right.
const SLACK_BYTES: usize = 1 << 20;
/// How late an event may be without what lies far back coming back for it, µs.
const LATE: i64 = 2 * DAY;
/// Entities that take less stay whole: what would be gained is less than what it takes to write it. Some in tests.
const SHED_BYTES_MIN: usize = if cfg!(test) { 512 } else { 4_096 };
/// An entity that was needed whole so often stays whole.
const WHOLE_AGAIN_MAX: u8 = 3;
/// Entities that are [looked at ahead](Hot::look_ahead) of adding to them: few enough for a cache.
const AHEAD: usize = 24;
/// Events of an entity and a batch that one is compared with, to count those together that say the same.
const ALIKE_MAX: usize = 8;
/// Cold entities that are listed at a time.
const COLD_LISTED_MAX: usize = 50_000;

/// Tells groups from entities.
const GROUP_SEED: u64 = 1;
/// In place of a rule, for what is known of attacks on a principal.
const ATTACKS: u64 = 0;

/// A rule's version and an entity (or a group, or a principal): both by hash.
pub(crate) type Key = (u64, u128);

/// The hash of an entity, as the ledger writes it.
pub(crate) fn entity_key(entity: &str) -> u128 {
    xxh3_128(entity.as_bytes())
}

/// What is known of one entity of one rule.
#[derive(Debug, Serialize, Deserialize)]
struct Slot {
    /// As the ledger writes it.
    entity: Box<str>,
    state: State,
    /// Bytes that it takes, roughly.
    bytes: usize,
    /// When it was first and last needed.
    begun: u64,
    used: u64,
    /// The earliest time of the events that it gained since it was last judged.
    dirty: Option<i64>,
    /// What lies before this time is in the file.
    older_until: Option<i64>,
    /// Bytes that were left when that was last moved there.
    lean: u32,
    /// How often that had to come back.
    whole_again: u8,
}

impl Slot {
    fn new(entity: &str, state: State) -> Self {
        let bytes = SLOT_BYTES + entity.len();
        let entity = entity.into();
        Slot { bytes, entity, state, begun: 0, used: 0, dirty: None, older_until: None, lean: 0, whole_again: 0 }
    }

    /// Looks at what adding an event looks at beside the state, and says nothing of it.
    fn glance(&self) -> u64 {
        let flags = u64::from(self.dirty.is_some()) + u64::from(self.older_until.is_some());
        self.used.wrapping_add(self.begun).wrapping_add(self.bytes as u64).wrapping_add(flags)
    }

    /// The lower, the sooner it is cold. Who has been there for long comes again, after a weekend and after a holiday; most of
    /// what is new is a session that does not.
    fn worth(&self) -> u64 {
        self.used + (self.used - self.begun)
    }

    /// Whether adding an event at a time, or judging from there on, takes what is in the file.
    fn needs_older(&self, plan: &Plan, time: i64) -> bool {
        self.older_until.is_some_and(|until| plan.reach().is_none_or(|reach| time <= until.saturating_add(reach)))
    }

    /// Takes out what lies so far back that no event of these days needs it, where that is worth it.
    fn shed(&mut self, plan: &Plan) -> Option<Split<State>> {
        if self.bytes < SHED_BYTES_MIN.max(self.lean as usize * 2) || self.whole_again >= WHOLE_AGAIN_MAX {
            return None;
        }
        let (reach, latest) = (plan.reach()?, self.state.latest(plan)?);
        let before = latest.checked_sub(LATE)?.checked_sub(reach)?;
        if self.dirty.is_some_and(|from| from <= before.saturating_add(reach)) {
            return None;
        }
        let split = self.state.split(plan, before)?;
        self.bytes = self.bytes.saturating_sub(split.bytes);
        (self.older_until, self.lean) = (Some(split.until), u32::try_from(self.bytes).unwrap_or(u32::MAX));
        Some(split)
    }

    /// It is to be judged, from a time on; whether it was not before.
    fn mark_dirty(&mut self, time: i64) -> bool {
        let clean = self.dirty.is_none();
        let from = self.dirty.get_or_insert(time);
        *from = if fault::is(Fault::LateEvent) { time.max(*from) } else { time.min(*from) };
        clean
    }
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

/// Rules' places in a set, by hash.
type Places = HashMap<u64, usize, ByHash>;

/// What judging needs to know, and what comes of it.
struct Court<'c> {
    set: &'c RuleSet,
    places: &'c Places,
    /// Whether there are findings of a rule and an entity that end at a time or later.
    found: &'c dyn Fn(usize, u128, i64) -> bool,
    verdicts: Vec<Verdict>,
}

/// The memory of a rule set.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    slots: Hot,
    bytes: usize,
    bytes_max: usize,
    clock: u64,
    /// Entities that gained events since they were last judged.
    dirty: Vec<Key>,
    /// There are more of them than are listed.
    unlisted: bool,
    /// Groups whose numbers changed, with the first day.
    shifted: BTreeMap<Key, i64>,
    /// Principals on whom attacks are known, and those of them of whom something changed, from which time on.
    attacked: HashSet<u128, ByHash>,
    struck: BTreeMap<u128, i64>,
    /// The rules whose findings are attacks.
    attackers: BTreeSet<u64>,
    /// The entities of such rules that ever claimed one.
    accusers: HashSet<Key, ByHash>,
    /// The newest version of the table that each rule's version has seen.
    seen: HashMap<u64, i64, ByHash>,
    cold: Option<Cold>,
    /// Of the rules of which something is remembered.
    plans: HashMap<u64, Plan, ByHash>,
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
        self.seen.get(&rule.key).copied().unwrap_or(-1)
    }

    /// Forgets the rules that are not in a set. If others make attacks now than before, everything is forgotten: what was
    /// learnt and what was not would have to be told apart anew.
    pub fn retain(&mut self, set: &RuleSet) -> Result<()> {
        let known: BTreeSet<u64> = set.rules().map(|r| r.key).collect();
        let attackers = set.rules().enumerate().filter(|(place, _)| set.attacks(*place)).map(|(_, r)| r.key);
        let attackers: BTreeSet<u64> = attackers.collect();
        let plans = set.rules().filter_map(|r| Some((r.key, r.plan.clone()?))).collect();
        if attackers != self.attackers {
            *self = Memory { attackers, plans, ..Memory::new(self.bytes_max) };
            return Ok(());
        }
        self.plans = plans;
        self.slots.retain(|rule| known.contains(&rule) || rule == ATTACKS);
        self.dirty.retain(|(rule, _)| known.contains(rule));
        self.shifted.retain(|(rule, _), _| known.contains(rule));
        self.bytes = self.slots.iter().map(|(_, slot)| slot.bytes).sum();
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
            let seen = self.seen.entry(rule.key).or_insert(-1);
            *seen = version.max(*seen);
        }
    }

    /// Whether so many entities wait to be judged that it is better done now.
    pub fn is_crowded(&self) -> bool {
        self.dirty.len() >= LISTED_MAX / 2 || self.unlisted
    }

    /// Adds rows that their rule did not see before; `counted` hears the place of each that counts, and whose it is. Not
    /// generic, so that it is compiled here and not by whoever awaits a detector.
    pub fn remember(&mut self, rule: &Rule, remembered: &Remembered, counted: &mut dyn FnMut(Key, u32)) -> Result<()> {
        let Some(plan) = &rule.plan else { return Ok(()) };
        let mut alike = Vec::new();
        let by_entity = remembered.by_entity();
        for entities in by_entity.chunks(AHEAD) {
            self.slots.look_ahead(rule.key, entities.clone().map(|(whose, _)| whose.key));
            for (whose, rows) in entities {
                let key = (rule.key, whose.key);
                let rows = rows.iter().map(|row| remembered.row(*row));
                rows.for_each(|row| put(plan, row, &mut alike, |place| counted(key, place)));
                self.add(key, whose.text, plan, alike.drain(..))?;
                if self.bytes > self.bytes_max.saturating_add(SLACK_BYTES) {
                    self.settle()?;
                }
            }
        }
        Ok(())
    }

    /// Adds an event that its rule did not see before. Gives whose it is, if it counts.
    pub fn add_sighting(&mut self, rule: &Rule, sighting: &Sighting) -> Result<Option<Key>> {
        let Some(plan) = &rule.plan else { return Ok(None) };
        let evidence = sighting.evidence.as_slice();
        let Some(entity) = plan.entity(evidence) else { return Ok(None) };
        let key = (rule.key, entity_key(&entity));
        let event = Row { place: 0, id: Id::Text(&sighting.event_id), time: sighting.event_time, evidence };
        let (mut alike, mut added) = (Vec::new(), None);
        put(plan, event, &mut alike, |_| added = Some(key));
        self.add(key, &entity, plan, alike.drain(..))?;
        Ok(added)
    }

    /// Notes the attacks among the events of rules that look at each event alone, which they did not see before.
    pub fn strike<'s>(&mut self, set: &RuleSet, sightings: impl Iterator<Item = &'s Sighting>) -> Result<()> {
        for sighting in sightings.filter(|s| set.attacks(s.rule)) {
            let Some(principal) = set.at(sighting.rule).principal(&sighting.evidence) else { continue };
            let time = sighting.event_time;
            if self.attacks(principal, |attacks| attacks.strike((set.at(sighting.rule).key, 0), time))? {
                self.mark_struck(principal, time);
            }
        }
        Ok(())
    }

    /// Adds events of an entity.
    fn add<'r, E>(
        &mut self,
        key: Key,
        entity: &str,
        plan: &Plan,
        events: impl Iterator<Item = Alike<'r, E>>,
    ) -> Result<()> {
        let mut known: Option<&mut Slot> = None;
        let (mut grown, mut newly, mut shifts) = (0, false, Vec::new());
        for Alike { event, since, .. } in events {
            let slot = match known {
                Some(slot) => slot,
                None => self.entity_slot(key, entity, plan)?,
            };
            let slot = if slot.needs_older(plan, since) { self.make_whole(key)? } else { slot };
            let mut added = slot.state.add(plan, &event);
            slot.bytes += added.bytes;
            grown += added.bytes;
            newly |= added.from.is_some_and(|from| slot.mark_dirty(from.min(since)));
            shifts.append(&mut added.shifts);
            known = Some(slot);
        }
        self.bytes += grown;
        if newly {
            self.list_dirty(key);
        }
        self.shift(key.0, &shifts)
    }

    /// What is known of an entity, which begins with its first event.
    fn entity_slot(&mut self, key: Key, entity: &str, plan: &Plan) -> Result<&mut Slot> {
        // One that is new to the rule may be known to have been under attack.
        let spans = match plan.learns_by_principal() && self.attacked.contains(&key.1) && !self.knows(key)? {
            true => self.attacks(key.1, |attacks| attacks.spans())?,
            false => Vec::new(),
        };
        self.slot(key, || {
            let mut state = plan.begin();
            state.withhold(plan, &spans);
            Slot::new(entity, state)
        })
    }

    /// An entity that is known is to be judged again, from a time on.
    fn mark_dirty(&mut self, key: Key, time: i64) -> Result<()> {
        if self.slot(key, || unreachable!("only what is known is marked"))?.mark_dirty(time) {
            self.list_dirty(key);
        }
        Ok(())
    }

    fn list_dirty(&mut self, key: Key) {
        match self.dirty.len() < LISTED_MAX {
            true => self.dirty.push(key),
            false => self.unlisted = true,
        }
    }

    fn mark_struck(&mut self, principal: u128, time: i64) {
        let from = self.struck.entry(principal).or_insert(time);
        *from = time.min(*from);
    }

    /// Tells the groups of a rule what becomes of an entity's share.
    fn shift(&mut self, rule: u64, shifts: &[Shift]) -> Result<()> {
        for of_group in shifts.chunk_by(|one, other| one.group == other.group) {
            let key = (rule, group_key(&of_group[0].group));
            let slot = self.slot(key, begin_population)?;
            let State::Population(population) = &mut slot.state else {
                unreachable!("a group's key holds a population")
            };
            let grown = of_group.iter().map(|shift| population.shift(shift)).sum::<usize>();
            slot.bytes += grown;
            self.bytes += grown;
            let first = of_group.iter().map(|shift| shift.day).min().unwrap_or(i64::MAX);
            let from = self.shifted.entry(key).or_insert(first);
            *from = first.min(*from);
        }
        Ok(())
    }

    /// Does something with what is known of the attacks on a principal.
    fn attacks<T>(&mut self, principal: u128, act: impl FnOnce(&mut Attacks) -> T) -> Result<T> {
        let key = (ATTACKS, principal);
        self.attacked.insert(principal);
        let begin = || Slot::new("", State::Attacks(Attacks::default()));
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
        if let Some(slot) = self.slots.get_mut(key) {
            slot.bytes += bytes;
            self.bytes += bytes;
        }
    }

    /// Judges every entity of which something changed since this was last asked. Gives what is claimed, and that nothing is
    /// where `found` says that there are findings of that rule (by its place) and entity from that time on; in an order
    /// that depends on nothing else.
    pub fn judge(&mut self, set: &RuleSet, found: &dyn Fn(usize, u128, i64) -> bool) -> Result<Vec<Verdict>> {
        let places: Places = set.rules().enumerate().map(|(place, r)| (r.key, place)).collect();
        let mut court = Court { set, places: &places, found, verdicts: Vec::new() };
        self.judge_some(&mut court, |plan| !plan.learns())?;
        self.withhold(set)?;
        self.ask_again(set, &places)?;
        self.judge_some(&mut court, Plan::learns)?;
        let mut verdicts = court.verdicts;
        // What is left is of rules that are gone.
        self.dirty.clear();
        self.unlisted = false;
        verdicts.sort_by_key(|verdict| verdict.key);
        Ok(verdicts)
    }

    /// Judges the dirty entities of some rules; the others stay dirty.
    fn judge_some(&mut self, court: &mut Court<'_>, chosen: impl Fn(&Plan) -> bool) -> Result<()> {
        let (set, places) = (court.set, court.places);
        let is_now = |key: &Key| {
            let plan = places.get(&key.0).and_then(|place| set.at(*place).plan.as_ref());
            plan.is_some_and(&chosen)
        };
        let mut listed = std::mem::take(&mut self.dirty);
        let unlisted = std::mem::take(&mut self.unlisted);
        if unlisted {
            listed = self.slots.iter().filter(|(_, slot)| slot.dirty.is_some()).map(|(key, _)| key).collect();
        }
        let (mut now, later): (Vec<Key>, Vec<Key>) = listed.into_iter().partition(is_now);
        self.dirty = later;
        self.unlisted = unlisted;
        now.sort_unstable();
        self.judge_all(&now, court)?;
        let mut after = None;
        while unlisted && let Some(cold) = &self.cold {
            let (mut listed, last) = cold.dirty(after, COLD_LISTED_MAX)?;
            listed.retain(is_now);
            self.judge_all(&listed, court)?;
            if last.is_none() {
                break;
            }
            after = last;
        }
        Ok(())
    }

    fn judge_all(&mut self, keys: &[Key], court: &mut Court<'_>) -> Result<()> {
        for (at, &key) in keys.iter().enumerate() {
            if at % AHEAD == 0 {
                let ahead = &keys[at..keys.len().min(at + AHEAD)];
                let of_rule = ahead.chunk_by(|one, other| one.0 == other.0);
                of_rule.for_each(|keys| self.slots.look_ahead(keys[0].0, keys.iter().map(|(_, entity)| *entity)));
            }
            let Some(&rule) = court.places.get(&key.0) else { continue };
            let Some(plan) = court.set.at(rule).plan.as_ref() else { continue };
            let mut slot = self.slot(key, || unreachable!("what is dirty was added"))?;
            let Some(from) = slot.dirty.take() else { continue };
            if slot.needs_older(plan, from) {
                slot = self.make_whole(key)?;
            }
            let (from, claims) = if plan.asks_groups() {
                // Taken out, so that groups can be asked meanwhile.
                let state = std::mem::replace(&mut slot.state, plan.begin());
                let mut look = |group: &str, value: &str, day: i64| self.ask(key, plan, group, value, day);
                let judged = state.judge(plan, from, &mut look);
                self.slots.get_mut(key).expect("it was just needed").state = state;
                judged?
            } else {
                slot.state.judge(plan, from, &mut |_, _, _| unreachable!("it asks no group"))?
            };
            let claimed = !claims.is_empty();
            let attacks = court.set.attacks(rule) && (claimed || self.accusers.contains(&key));
            let told = claimed || (court.found)(rule, key.1, from);
            if told || attacks {
                let entity = self.slots.get(key).expect("it was just judged").entity.to_string();
                let verdict = Verdict { key, rule, entity, from, claims };
                if attacks {
                    self.attacked_by(court.set, &verdict)?;
                }
                if told {
                    court.verdicts.push(verdict);
                }
            }
            self.settle()?;
        }
        Ok(())
    }

    /// Notes the attacks that a rule with memory claims, in place of those that it claimed before.
    fn attacked_by(&mut self, set: &RuleSet, verdict: &Verdict) -> Result<()> {
        let entity: BTreeMap<String, Value> = serde_json::from_str(&verdict.entity).unwrap_or_default();
        let Some(principal) = set.at(verdict.rule).principal_of(&entity) else { return Ok(()) };
        self.accusers.insert(verdict.key);
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
                let key = (rule.key, principal);
                if !self.knows(key)? {
                    continue;
                }
                let slot = self.slot(key, || unreachable!("it is known"))?;
                let shifts = slot.state.withhold(plan, &spans);
                self.mark_dirty(key, from)?;
                self.shift(key.0, &shifts)?;
            }
            self.settle()?;
        }
        Ok(())
    }

    /// Finds those who asked a group for a number that is another now.
    fn ask_again(&mut self, set: &RuleSet, places: &Places) -> Result<()> {
        for (key, day) in std::mem::take(&mut self.shifted) {
            let Some(plan) = places.get(&key.0).and_then(|place| set.at(*place).plan.as_ref()) else { continue };
            let again = match &mut self.slot(key, begin_population)?.state {
                State::Population(population) => population.changed(&plan.judgement, day),
                _ => unreachable!("a group's key holds a population"),
            };
            for (entity, day) in again {
                self.mark_dirty((key.0, entity), day.saturating_mul(DAY))?;
            }
            self.settle()?;
        }
        Ok(())
    }

    /// What a group of a rule says to an entity of it.
    pub fn ask_as(&mut self, rule: &Rule, entity: &str, group: &str, value: &str, day: i64) -> Result<View> {
        let plan = rule.plan.as_ref().expect("only rules with memory have groups");
        self.ask((rule.key, entity_key(entity)), plan, group, value, day)
    }

    /// The same, which the entity hears of when that changes.
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
        // Once through all of them, since what lies far back leaves those that stay, too.
        let (mut all, mut by_worth, mut older) = (Vec::new(), Vec::new(), Vec::new());
        for (rule, slots) in self.slots.by_rule() {
            let plan = self.plans.get(&rule);
            for (&entity, slot) in slots {
                let key = (rule, entity);
                if let Some(part) = plan.and_then(|plan| slot.shed(plan)) {
                    self.bytes = self.bytes.saturating_sub(part.bytes);
                    older.push((key, part));
                }
                by_worth.push((slot.worth(), all.len()));
                all.push((key, slot.bytes));
            }
        }
        if !older.is_empty() {
            older.sort_unstable_by_key(|(key, _)| *key);
            self.file()?.put_older(&older)?;
        }
        // Down to three quarters, so that this is not done for every event.
        let (mut leaving, kept_max) = (Vec::new(), self.bytes_max / 4 * 3);
        let mut rest = &mut by_worth[..];
        while self.bytes > kept_max && !rest.is_empty() {
            // As many as it takes if they are of middling size; which they are, not in which order.
            let share = (self.bytes - kept_max) as f64 / self.bytes as f64;
            let count = ((rest.len() as f64 * share) as usize + 1).min(rest.len());
            rest.select_nth_unstable(count - 1);
            let (now, later) = rest.split_at_mut(count);
            for (_, at) in now {
                let (key, bytes) = all[*at];
                self.bytes = self.bytes.saturating_sub(bytes);
                leaving.push(key);
            }
            rest = later;
        }
        leaving.sort_unstable();
        self.file()?;
        let cold = self.cold.as_mut().expect("it was just made");
        cold.put(leaving.into_iter().map(|key| (key, self.slots.remove(key).expect("its key was just listed"))))
    }

    /// Brings back what lies far back of a hot slot.
    fn make_whole(&mut self, key: Key) -> Result<&mut Slot> {
        let mut parts = self.file()?.take_older(key)?;
        if fault::is(Fault::OlderForgotten) {
            parts.clear();
        }
        let slot = self.slots.get_mut(key).expect("it is hot");
        for part in parts {
            slot.bytes += part.bytes;
            self.bytes += part.bytes;
            slot.state.join(part.older);
        }
        (slot.older_until, slot.lean) = (None, 0);
        slot.whole_again = slot.whole_again.saturating_add(1);
        Ok(slot)
    }

    fn file(&mut self) -> Result<&mut Cold> {
        let file = match self.cold.take() {
            Some(file) => file,
            None => Cold::create()?,
        };
        Ok(self.cold.insert(file))
    }

    /// Whether there is a slot, hot or cold.
    fn knows(&self, key: Key) -> Result<bool> {
        if self.slots.get(key).is_some() {
            return Ok(true);
        }
        Ok(self.cold.as_ref().map(|cold| cold.get(key)).transpose()?.flatten().is_some())
    }

    fn slot(&mut self, key: Key, begin: impl FnOnce() -> Slot) -> Result<&mut Slot> {
        self.clock += 1;
        let slot = match self.slots.entry(key) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(place) => {
                let cold = self.cold.as_ref().map(|cold| cold.get(key)).transpose()?.flatten();
                let slot = cold.unwrap_or_else(|| Slot { begun: self.clock, ..begin() });
                self.bytes += slot.bytes;
                place.insert(slot)
            }
        };
        slot.used = self.clock;
        Ok(slot)
    }
}

/// Events of an entity that a rule's kind does not tell apart.
struct Alike<'r, E> {
    /// Their stretch of time, if it is one in which they can be alike.
    stretch: Option<i64>,
    evidence: E,
    event: Event<'r>,
    /// The time of the first of them.
    since: i64,
}

/// Puts an event to those of its entity that are like it, or to the others. `counted` hears its place if it says anything to the
/// rule's kind.
fn put<'r, E: Evidence>(plan: &Plan, row: Row<'r, E>, all: &mut Vec<Alike<'r, E>>, mut counted: impl FnMut(u32)) {
    let Row { place, id, time, evidence } = row;
    let twice = fault::is(Fault::DuplicateCounted) && id.text().ends_with('7');
    let count = 1 + u32::from(twice);
    let stretch = plan.stretch(time);
    let latest = all.iter_mut().rev().take(if stretch.is_some() { ALIKE_MAX } else { 0 });
    for known in latest {
        if known.stretch == stretch && plan.are_alike(&known.evidence, &evidence) {
            known.event.count += count;
            known.since = time.min(known.since);
            let is_later = known.event.time < time || known.event.time == time && known.event.id.text() < id.text();
            if is_later {
                (known.event.time, known.event.id) = (time, id);
            }
            return counted(place);
        }
    }
    let Some(facts) = plan.facts(&evidence) else { return };
    all.push(Alike { stretch, evidence, event: Event { time, id, facts, count }, since: time });
    counted(place);
}

fn begin_population() -> Slot {
    Slot::new("", State::Population(Box::default()))
}

/// A principal by hash, as it is in a rule whose entity is the principal alone.
pub(crate) fn principal_key(principal: &Value) -> u128 {
    let entity = BTreeMap::from([(PRINCIPAL, principal)]);
    entity_key(&serde_json::to_string(&entity).expect("JSON values are written as JSON"))
}

/// A group of a rule by hash: another one than an entity of the same name would have.
fn group_key(group: &str) -> u128 {
    xxh3_128_with_seed(group.as_bytes(), GROUP_SEED)
}
