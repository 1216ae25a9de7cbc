//! What the log shows of long-term keys: in quiet days as `keys.ndjson` says, and with a thief beside the owner.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
};

use serde_json::Value;

use crate::{
    Options,
    organisation::Organisation,
    tests::{Tree, seconds, tree},
};

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

fn address(event: &Value) -> IpAddr {
    text(event, "sourceIPAddress").parse().unwrap()
}

/// All events, in the order of time.
fn events(tree: &Tree) -> Vec<Value> {
    let mut events: Vec<Value> = tree.objects().flat_map(|(_, events)| events).collect();
    events.sort_by_key(|event| (text(event, "eventTime").to_owned(), text(event, "eventID").to_owned()));
    events
}

/// Few services and no second trail: what people, programs and thieves do.
fn busy(options: Options) -> Options {
    Options {
        lookalikes: 0,
        service_share: 0.2,
        second_trail_share: 0.0,
        late_share: 0.0,
        period_minutes: 720,
        ..options
    }
}

#[test]
fn keys_are_used_as_they_are_said_to_be() {
    let tree = tree(|options| busy(options.seed(12).accounts(8).days(6).events(60_000).people(60).attacks(Vec::new())));
    let mut by_key: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in events(&tree) {
        let key = text(&event["userIdentity"], "accessKeyId").to_owned();
        by_key.entry(key).or_default().push(event);
    }
    let keys = tree.labels("keys.ndjson");
    let named: HashSet<&str> = keys.iter().map(|key| text(key, "access_key")).collect();
    assert_eq!(named.len(), keys.len(), "a key has one line");
    let unnamed = by_key.keys().filter(|key| key.starts_with("AKIA") && !named.contains(key.as_str())).count();
    assert_eq!(unnamed, 0, "every long-term key in use has a line");
    let mut usages = BTreeSet::new();
    for key in &keys {
        let usage = text(key, "usage");
        usages.insert(usage.to_owned());
        // Some people are away, some programs are not yet there.
        let Some(calls) = by_key.get(text(key, "access_key")) else { continue };
        let ours: Vec<IpAddr> = calls.iter().map(address).collect();
        let addresses: BTreeSet<IpAddr> = ours.iter().copied().collect();
        let families = addresses.iter().map(IpAddr::is_ipv6).collect::<BTreeSet<_>>().len();
        let changes = ours.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let shared = matches!(usage, "deployment" | "two_computers" | "two_programs");
        assert_eq!(key["posture"] == "steady_shared_key", shared, "{key}");
        match usage {
            "one_place" => assert!(addresses.len() <= 2 && changes <= 1, "{key} {addresses:?}"),
            "nat_pool" => assert!(addresses.len() >= 6 && families == 1, "{key} {addresses:?}"),
            "dual_stack" => assert!(families == 2 && changes > calls.len() / 4, "{key} {addresses:?}"),
            "two_lines" => assert!(addresses.len() >= 2 && changes > 20, "{key} {addresses:?}"),
            "endpoint_and_gateway" => {
                for call in calls {
                    let private = matches!(address(call), IpAddr::V4(address) if address.is_private());
                    assert_eq!(private, text(call, "eventSource") == "s3.amazonaws.com", "{call}");
                    assert_eq!(private, call["vpcEndpointId"].is_string(), "{call}");
                }
            }
            "rotating_runners" => assert!(addresses.len() > 20, "{key} {addresses:?}"),
            "deployment" => {
                assert!((2..=5).contains(&addresses.len()) && changes > calls.len() / 10, "{key} {addresses:?}");
            }
            _ => {}
        }
    }
    for usage in
        ["nat_pool", "dual_stack", "two_lines", "endpoint_and_gateway", "rotating_runners", "deployment", "laptop"]
    {
        assert!(usages.contains(usage), "{usage} is in none of {usages:?}");
    }
}

#[test]
fn a_laptop_is_in_one_place_at_a_time() {
    let organisation = Organisation::new(&Options::new("unused").seed(4).days(30).people(200));
    let (mut sessions, mut moves) = (0, 0);
    for person in &organisation.people {
        for day in 0..30 {
            for work in person.day(&organisation, organisation.calendar.start + day * 86_400) {
                sessions += 1;
                let Some((at, new)) = &work.moved else { continue };
                moves += 1;
                assert!((work.start..work.end).contains(at));
                assert_eq!((work.address(at - 1), work.address(*at)), (work.ip.as_str(), new.as_str()));
                assert!(*new == work.ip || work.address_v6(*at).is_none(), "the second address stays behind");
            }
        }
    }
    let share = f64::from(moves) / f64::from(sessions);
    assert!((0.015..0.05).contains(&share), "{moves} of {sessions}");
}

#[test]
fn thieves_work_beside_the_owners() {
    let tree = tree(|options| busy(options.seed(21).accounts(6).days(16).events(160_000).people(60).every_attack()));
    let events = events(&tree);
    let by_id: HashMap<&str, &Value> = events.iter().map(|event| (text(event, "eventID"), event)).collect();
    let labels = tree.labels("labels.ndjson");
    let stolen: HashSet<&str> =
        labels.iter().flat_map(|label| label["event_ids"].as_array().unwrap()).filter_map(Value::as_str).collect();
    let mut owners: HashMap<&str, Vec<&Value>> = HashMap::new();
    for event in events.iter().filter(|event| !stolen.contains(text(event, "eventID"))) {
        owners.entry(text(&event["userIdentity"], "arn")).or_default().push(event);
    }
    let mut seen = 0;
    for label in &labels {
        let of_a_key = matches!(text(label, "kind"), "key_in_use_stolen" | "personal_key_stolen");
        let inside = text(label, "kind") == "credentials_through_endpoint";
        if !of_a_key && !inside && text(label, "kind") != "runtime_credentials" {
            continue;
        }
        seen += 1;
        let mine: Vec<&Value> =
            label["event_ids"].as_array().unwrap().iter().map(|id| by_id[id.as_str().unwrap()]).collect();
        let (first, last) = (seconds(text(label, "first_time")), seconds(text(label, "last_time")));
        let hours = (last - first) as f64 / 3_600.0;
        match text(label, "strength") {
            "subtle" => assert!(hours > 20.0 && mine.len() as f64 / hours < 4.0, "{} in {hours}", mine.len()),
            "moderate" => assert!(hours > 0.2 && (28..90).contains(&mine.len()), "{} in {hours}", mine.len()),
            _ => assert!(mine.len() >= 190 && hours < 6.0, "{} in {hours}", mine.len()),
        }
        let mine_from: HashSet<&str> = mine.iter().map(|event| text(event, "sourceIPAddress")).collect();
        let owner = &owners[text(label, "principal")];
        assert!(owner.iter().all(|event| !mine_from.contains(text(event, "sourceIPAddress"))), "{label}");
        if text(label, "strength") == "subtle" && of_a_key {
            let within = |event: &&&Value| (first..last).contains(&seconds(text(event, "eventTime")));
            assert!(owner.iter().filter(within).count() >= 5, "the owner works on: {label}");
        }
        if inside {
            let through: Vec<_> = mine.iter().filter(|event| event["vpcEndpointId"].is_string()).collect();
            assert!(!through.is_empty() && through.len() < mine.len(), "{label}");
            let home: HashSet<&str> = owner.iter().map(|event| text(event, "vpcEndpointId")).collect();
            assert!(through.iter().all(|event| !home.contains(text(event, "vpcEndpointId"))));
        }
    }
    assert_eq!(seen, 12);
}
