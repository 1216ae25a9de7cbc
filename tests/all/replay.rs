//! Parked input, once its cause is mended, ends as if it had never been parked.

use serde_json::Value;

use crate::logs::{gzip, key, log, record, root_key};
use crate::world::World;

#[test]
fn a_mended_object_ends_as_if_it_had_never_been_parked() {
    let world = World::new("replay");
    let mut records: Vec<_> = (0..400).map(|n| record(&format!("cut-{n}-{:x}", n * 0x9E37_79B9_u64))).collect();
    // What matters stands at the end, behind the cut.
    records.push(root_key("cut-last"));
    let whole = gzip(&log(&records));
    let spoilt = log(&[record("other-1"), record("other-2")])
        .iter()
        .map(|b| if *b == b'-' { 0xff } else { *b })
        .collect::<Vec<_>>();
    world.put(&format!("logs/{}", key("Whole")), gzip(&log(&[record("beside")])));
    world.put(&format!("logs/{}", key("Cut")), &whole[..whole.len() / 2]);
    world.put(&format!("logs/{}", key("Spoilt")), gzip(&spoilt));

    let store = world.store("store");
    let before = store.scan(world.path("logs")).ok();
    assert_eq!(before.findings(), Vec::<Value>::new());
    store.assert_accounted();
    let kept = store.events();
    assert!((2..400).contains(&kept), "the good records before the cut are kept: {kept}");
    assert!(store.number("SELECT count(*) AS n FROM parked") >= 3);

    // Nothing is mended yet: a replay changes nothing.
    let again = store.command(["replay"]).exits(1);
    assert!(again.stderr.contains("still parked") && again.stderr.contains("truncated_gzip"), "{}", again.stderr);
    assert_eq!(store.events(), kept);
    store.assert_accounted();

    world.put(&format!("logs/{}", key("Cut")), &whole);
    world.put(&format!("logs/{}", key("Spoilt")), gzip(&log(&[record("other-1"), record("other-2")])));
    store.command(["replay"]).ok();
    let fresh = world.store("fresh");
    fresh.scan(world.path("logs")).ok();
    let truth = fresh.truth();
    assert_eq!(truth.events.len(), 404);
    assert!(!truth.findings.is_empty());
    store.truth().assert_same(&truth, "after the replay");
    assert_eq!(store.sql("SELECT * FROM parked"), Vec::<Value>::new());
}
