//! What is hot: slots by rule, then by entity.
//!
//! A batch goes through memory rule by rule, and so does judging: what is touched together lies together, where one table of
//! all rules' slots would be a miss in every cache for each event.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::{AHEAD, Key, Slot};

/// For keys that are hashes already.
pub(crate) type ByHash = BuildHasherDefault<KeyHasher>;

#[derive(Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.write_u64(xxh3_64(bytes));
    }

    fn write_usize(&mut self, n: usize) {
        self.0 ^= n as u64;
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

/// Slots by key.
#[derive(Debug, Default)]
pub(super) struct Hot(HashMap<u64, HashMap<u128, Slot, ByHash>, ByHash>);

impl Hot {
    pub fn get(&self, (rule, entity): Key) -> Option<&Slot> {
        self.0.get(&rule)?.get(&entity)
    }

    /// Looks at the slots of some entities of a rule, as adding to them will. Each of them lies somewhere in memory that no cache
    /// holds; one look after the other, with nothing between them that depends on it, and the machine fetches them side by side.
    pub fn look_ahead(&self, rule: u64, entities: impl Iterator<Item = u128>) {
        let Some(slots) = self.0.get(&rule) else { return };
        let slots: SmallVec<[&Slot; AHEAD]> = entities.filter_map(|entity| slots.get(&entity)).collect();
        black_box(slots.iter().map(|slot| slot.glance()).fold(0, u64::wrapping_add));
        black_box(slots.iter().map(|slot| slot.state.glance()).fold(0, i64::wrapping_add));
    }

    pub fn get_mut(&mut self, (rule, entity): Key) -> Option<&mut Slot> {
        self.0.get_mut(&rule)?.get_mut(&entity)
    }

    pub fn entry(&mut self, (rule, entity): Key) -> Entry<'_, u128, Slot> {
        self.0.entry(rule).or_default().entry(entity)
    }

    pub fn remove(&mut self, (rule, entity): Key) -> Option<Slot> {
        self.0.get_mut(&rule)?.remove(&entity)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Key, &Slot)> {
        self.0.iter().flat_map(|(rule, slots)| slots.iter().map(|(entity, slot)| ((*rule, *entity), slot)))
    }

    /// Each rule's slots, by entity.
    pub fn by_rule(&mut self) -> impl Iterator<Item = (u64, &mut HashMap<u128, Slot, ByHash>)> {
        self.0.iter_mut().map(|(rule, slots)| (*rule, slots))
    }

    /// Keeps the rules for which `keep` says so.
    pub fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        self.0.retain(|rule, _| keep(*rule));
    }
}
