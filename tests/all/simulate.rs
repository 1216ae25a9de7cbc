//! The made-up organisation from the command line, what the rules find in it, and the demonstration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::logs::{below, organisation};
use crate::world::{World, trailhound};

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let world = World::new("simulate");
    let make = |name: &str, seed: &str| {
        let out = world.path(name);
        trailhound([
            "simulate",
            "--seed",
            seed,
            "--out",
            out.to_str().unwrap(),
            "--events",
            "2000",
            "--days",
            "1",
            "--accounts",
            "2",
        ])
        .ok();
        below(&out, "")
    };
    let one = make("one", "5");
    assert!(
        one.iter().any(|(key, _)| key.starts_with("AWSLogs/")) && one.iter().any(|(key, _)| key == "labels.ndjson")
    );
    assert!(one == make("two", "5"), "the same seed gave other bytes");
    assert!(one != make("three", "6"), "another seed gave the same bytes");

    let again = trailhound(["simulate", "--seed", "5", "--out", world.path("one").to_str().unwrap()]).exits(2);
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);
}

/// Attacks that show in single events, which is what rules of kind `match` see; those that show only in numbers or in
/// what is unusual wait for the other kinds of rules.
const SHOWN_BY_ONE_EVENT: &[&str] = &[
    "root_console",
    "root_key",
    "console_without_mfa",
    "login_profile",
    "mfa_removed",
    "trust_opened",
    "admin_policy",
    "provider_changed",
    "trail_stopped",
    "selectors_narrowed",
    "detector_deleted",
    "organization_left",
    "key_quarantined",
    "snapshot_public",
    "bucket_public",
    "key_deletion",
];

#[test]
fn planted_attacks_are_found_and_services_raise_nothing() {
    let world = World::new("labels");
    let store = world.store("store");
    let findings = store.scan(organisation()).ok().findings();
    let mut rules: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding["severity"] != "info") {
        for id in finding["event_ids"].as_array().unwrap() {
            rules.entry(id.as_str().unwrap()).or_default().insert(finding["rule"].as_str().unwrap());
        }
    }
    let labels = std::fs::read_to_string(organisation().join("labels.ndjson")).unwrap();
    let labels: Vec<Value> = labels.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(labels.len() >= SHOWN_BY_ONE_EVENT.len());
    let mut missed = Vec::new();
    for label in &labels {
        let kind = label["kind"].as_str().unwrap();
        let found: BTreeSet<_> =
            label["event_ids"].as_array().unwrap().iter().filter_map(|id| rules.get(id.as_str()?)).flatten().collect();
        println!("{kind} ({}): {found:?}", label["strength"]);
        if found.is_empty() && SHOWN_BY_ONE_EVENT.contains(&kind) {
            missed.push(kind);
        }
    }
    assert_eq!(missed, Vec::<&str>::new(), "planted attacks that no rule saw");

    let by_services = store.number(
        "SELECT count(*) AS n FROM findings f JOIN events e ON strpos(f.event_ids, e.event_id) > 0
         WHERE e.actor_is_service AND f.severity IN ('medium', 'high', 'critical')",
    );
    assert_eq!(by_services, 0, "findings about what AWS services do by themselves");
}

#[test]
fn the_demonstration_shows_findings_and_answers() {
    let began = Instant::now();
    let run = trailhound(["demo"]).ok();
    let took = began.elapsed();
    let shown = run.text() + &run.stderr;
    for word in ["critical", "high", "SELECT"] {
        assert!(shown.contains(word), "{word}\n{shown}");
    }
    assert!(shown.matches("SELECT").count() >= 3, "three answers in SQL\n{shown}");
    assert!(took < Duration::from_secs(60), "{took:?}");
}
