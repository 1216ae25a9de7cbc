//! A changed GeoIP file reaches what is there: facts, counts and findings are then what they would have been.

use crate::logs;
use crate::world::{Store, Trailhound, World};

/// Tested here.
pub const REDERIVED: &str = "upkeep.rederived";

/// The organisation's GeoIP files, as arguments.
fn geoip() -> Vec<String> {
    let file = |name| logs::organisation().join(name).display().to_string();
    ["geo-city.mmdb", "geo-asn.mmdb"].into_iter().flat_map(|name| ["--geoip".into(), file(name)]).collect()
}

fn command<'a>(store: &'a Store, args: &[&'a str], geoip: &'a [String]) -> Trailhound {
    store.command(args.iter().copied().chain(geoip.iter().map(String::as_str)))
}

fn scan<'a>(store: &'a Store, geoip: &'a [String]) -> Trailhound {
    command(store, &["scan", logs::organisation().to_str().unwrap()], geoip)
}

#[test]
fn facts_counts_and_findings_are_what_they_would_have_been() {
    let (world, geoip) = (World::new("rederive"), geoip());
    let [with, without, store] = ["with", "without", "store"].map(|name| world.store(name));
    scan(&with, &geoip).ok();
    scan(&without, &[]).ok();
    scan(&store, &[]).ok();
    let (with, without) = (with.truth(), without.truth());
    assert!(with.findings != without.findings, "no finding depends on GeoIP files, so nothing is shown");

    command(&store, &["store", "rederive"], &geoip).ok();
    scan(&store, &geoip).ok();
    store.truth().assert_same(&with, "derived anew");

    // What was compacted is derived anew too, and a second change after the first.
    store.command(["store", "compact"]).ok();
    command(&store, &["store", "rederive"], &[]).ok();
    scan(&store, &[]).ok();
    store.truth().assert_same(&without, "back again");
}

#[test]
fn it_may_die_in_the_middle_and_at_the_end() {
    let (world, geoip) = (World::new("rederive_crash"), geoip());
    let with = world.store("with");
    scan(&with, &geoip).ok();
    let with = with.truth();
    for point in ["upkeep.committed", "activity.committed", REDERIVED] {
        let store = world.store(point);
        scan(&store, &[]).ok();
        let run = command(&store, &["store", "rederive"], &geoip).env("TRAILHOUND_CRASH_AT", point).run();
        assert!(run.stderr.contains(&format!("crash point {point} reached")), "{:?} {}", run.code, run.stderr);
        if point != REDERIVED {
            command(&store, &["store", "rederive"], &geoip).ok();
        }
        scan(&store, &geoip).ok();
        store.truth().assert_same(&with, point);
    }
}
