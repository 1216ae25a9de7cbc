//! Logs of real accounts, where they lie beside the repository (`../shared/data`); they are not ours to ship. Elsewhere
//! these tests have nothing to do: everything that they show is also tested on logs of our own.

use std::path::PathBuf;

use serde_json::Value;

use crate::world::{World, trailhound};

fn samples(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        println!("{} is not here: nothing to test", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn lab() {
    let Some(path) = samples("lab") else { return };
    let world = World::new("lab");
    let store = world.store("store");
    let first = store.scan(&path).ok();
    assert_eq!(store.number("SELECT objects AS n FROM accounting_objects WHERE fate = 'received'"), 3_562);
    assert_eq!(store.number("SELECT records AS n FROM accounting_records WHERE fate = 'received'"), 29_334);
    assert_eq!(store.number("SELECT records AS n FROM accounting_records WHERE fate = 'duplicate'"), 29_334 - 22_943);
    assert_eq!(store.events(), 22_943);
    let before = store.truth();

    let second = store.scan(&path).ok();
    store.truth().assert_same(&before, "a second run");
    assert_eq!(first.text(), second.text());

    for finding in first.lines() {
        println!("{} {} x{} {}", finding["severity"], finding["rule"], finding["count"], finding["principal"]);
        assert!(
            !finding["principal"].as_str().unwrap_or("").starts_with("service:")
                || matches!(finding["severity"].as_str(), Some("info" | "low")),
            "{finding}"
        );
    }
    let by_services = store.number(
        "SELECT count(*) AS n FROM findings f JOIN events e ON strpos(f.event_ids, e.event_id) > 0
         WHERE e.actor_is_service AND f.severity IN ('medium', 'high', 'critical')",
    );
    assert_eq!(by_services, 0);
}

/// Folders of samples with the number of events in them that must be kept.
#[test]
fn every_other_folder_is_read_and_accounted_for() {
    // Two records of org-trail share an id but not their time, so they are no copies of each other.
    for (name, kept) in [("org-trail", 184..=185), ("versions", 150..=165), ("messages", 5..=1_000), ("cases", 0..=0)] {
        let Some(path) = samples(name) else { return };
        let world = World::new(&format!("samples_{name}"));
        let store = world.store("store");
        let run = store.scan(&path).ok();
        store.assert_accounted();
        let events = store.events();
        println!("{name}: {events} events\n{}", run.stderr);
        assert!(kept.contains(&events), "{name}: {events}");
        // A clear line for each object that is not simply read.
        for object in store.sql("SELECT key, reason FROM objects WHERE outcome <> 'decoded'") {
            let key = object["key"].as_str().unwrap();
            assert!(run.stderr.lines().any(|line| line.contains(key)), "{key}\n{}", run.stderr);
        }
    }
}

/// Labelled cases of public rule tests and labs. Many are of kinds of rules that come later, so this is a floor that
/// only rises.
const CASES_FIRED_MIN: usize = 40;

#[test]
fn labelled_cases() {
    let Some(path) = samples("cases") else { return };
    let world = World::new("cases");
    let mut cases = Vec::new();
    for file in std::fs::read_dir(path).unwrap() {
        let text = crate::logs::gunzip(&std::fs::read(file.unwrap().path()).unwrap());
        cases.extend(String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    // Every case in an account of its own would change what the rules see; event ids of its own do not.
    let mut records = Vec::new();
    for (nth, case) in cases.iter().enumerate() {
        for (event, record) in case["events"].as_array().unwrap().iter().enumerate() {
            let mut record = record.clone();
            record["eventID"] = format!("case-{nth}-{event}").into();
            records.push(record);
        }
    }
    world.put("logs/cases.json", crate::logs::log(&records));
    let findings = trailhound(["scan", world.path("logs").to_str().unwrap(), "--format", "ndjson"]).ok().lines();
    let (mut fired, mut expected, mut in_vain) = (0, 0, 0);
    for (nth, case) in cases.iter().enumerate() {
        let prefix = format!("case-{nth}-");
        let rules: std::collections::BTreeSet<_> = findings
            .iter()
            .filter(|finding| {
                finding["severity"] != "info"
                    && finding["event_ids"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .any(|id| id.as_str().unwrap().starts_with(&prefix))
            })
            .map(|finding| finding["rule"].as_str().unwrap())
            .collect();
        let wanted = wants_an_alert(&case["expected"]);
        expected += usize::from(wanted);
        fired += usize::from(wanted && !rules.is_empty());
        in_vain += usize::from(!wanted && !rules.is_empty());
        println!("{} wanted {wanted} fired {rules:?}", case["case"]);
    }
    println!(
        "{fired} of {expected} cases that expect an alert raise one, {in_vain} of {} others do",
        cases.len() - expected
    );
    assert!(fired >= CASES_FIRED_MIN, "{fired} of {expected}");
}

fn wants_an_alert(expected: &Value) -> bool {
    match expected {
        Value::Bool(wanted) => *wanted,
        Value::Array(list) => list.iter().any(|one| !one.as_str().unwrap_or("").starts_with("(no ")),
        Value::Null => false,
        _ => true,
    }
}
