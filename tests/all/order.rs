//! Order does not matter: the same events, however they come, are the same table and the same findings.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::logs::{self, Object};
use crate::world::{Truth, World};

/// A number that looks random, the same in every run.
fn scattered(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The texts of the records of a log. They are moved, never written anew: an event's bytes belong to it.
fn records_of(log: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(log).unwrap();
    let mut rest = &text[text.find('[').unwrap() + 1..];
    let mut records = Vec::new();
    while rest.trim_start().starts_with('{') {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde_json::Value>();
        values.next().unwrap().unwrap();
        let (record, behind) = rest.split_at(values.byte_offset());
        records.push(record);
        rest = behind.trim_start().trim_start_matches(',');
    }
    records
}

/// The same records under other names, so that objects and the records in them are read in another order.
fn shuffled(objects: &[Object]) -> Vec<Object> {
    let shuffle = |(key, bytes): &Object| {
        let log = logs::gunzip(bytes);
        let mut records = records_of(&log);
        records.sort_by_key(|record| scattered(record));
        let log = format!("{{\"Records\":[{}]}}", records.join(","));
        (format!("{:016x}/{key}", scattered(key)), logs::gzip(log.as_bytes()))
    };
    objects.iter().map(shuffle).collect()
}

fn scanned(world: &World, name: &str, objects: &[Object]) -> Truth {
    let folder = world.put_all(&format!("{name}-logs"), objects);
    let store = world.store(name);
    let run = store.scan(folder).ok();
    let truth = store.truth();
    assert!(truth.findings == run.findings(), "{name}: `scan` and `findings list` tell different things");
    truth
}

#[test]
fn shuffled_and_doubled_give_the_same() {
    let world = World::new("order");
    let objects = logs::objects();
    let straight = scanned(&world, "straight", &objects);
    assert!(straight.findings.len() >= 20, "only {} findings to compare", straight.findings.len());

    let other = shuffled(&objects);
    scanned(&world, "shuffled", &other).assert_same(&straight, "shuffled");

    let both: Vec<Object> = objects.iter().chain(&other).cloned().collect();
    scanned(&world, "doubled", &both).assert_same(&straight, "doubled");
}

#[test]
fn one_object_at_a_time_and_backwards_gives_the_same() {
    let world = World::new("one_by_one");
    let objects = logs::objects();
    let straight = scanned(&world, "straight", &objects);
    let store = world.store("one-by-one");
    for (key, _) in objects.iter().rev() {
        store.scan(world.path("straight-logs").join(key)).ok();
    }
    store.truth().assert_same(&straight, "one object at a time");
}

#[test]
fn a_second_run_adds_nothing_and_prints_the_same() {
    let world = World::new("second_run");
    let store = world.store("store");
    let first = store.scan(logs::organisation()).ok();
    let before = store.truth();
    let second = store.scan(logs::organisation()).ok();
    store.truth().assert_same(&before, "a second run");
    assert_eq!(first.text(), second.text());
    // Without a store there is a temporary one, which finds the same.
    let alone = crate::world::trailhound(["scan", logs::organisation().to_str().unwrap(), "--format", "ndjson"]).ok();
    assert!(alone.findings() == first.findings(), "without a store");
}
