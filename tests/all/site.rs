//! What the operator knows: rules and analysts ask for it, and a change of it changes what is found.

use serde_json::json;

use crate::logs::{ACCOUNT, gzip, key, log, record_with};
use crate::stage::{QUEUE, Stage, until};
use crate::world::{World, trailhound};
use trailhound_testing::fake_aws::QueueOptions;

/// Facts in which a user is for emergencies, up to a day.
fn facts(expires: &str) -> String {
    format!(
        r#"[[account]]
id = "{ACCOUNT}"
name = "production"
owner = "platform@example.com"

[[list]]
name = "break_glass"
owner = "security@example.com"
reason = "sealed"
expires = {expires}
values = ["arn:aws:iam::{ACCOUNT}:user/a*a"]
"#
    )
}

const FOUND: &str =
    "SELECT count(*) AS n FROM findings WHERE rule = 'account/break_glass_used' AND state = 'current' AND count = 2";

#[test]
fn findings_follow_facts_and_expiry_goes_by_the_events_time() {
    let world = World::new("site");
    let records = ["2025-03-09T12:00:00Z", "2025-03-09T13:00:00Z"]
        .map(|time| record_with(time, json!({"eventTime": time, "eventName": "GetUser"})));
    let logs = world.put_all("logs", [&(key("a"), gzip(&log(&records)))]);
    let store = world.store("store");
    store.scan(&logs).ok();
    assert_eq!(store.number(FOUND), 0, "nobody says who is for emergencies");

    let site = world.path("site.toml");
    for (expires, found) in [("\"never\"", 1), ("2025-03-08", 0), ("2025-03-09", 1)] {
        world.put("site.toml", facts(expires));
        store.scan(&logs).env("TRAILHOUND_SITE", site.to_str().unwrap()).ok();
        assert_eq!(store.number(FOUND), found, "expires = {expires}");
    }

    let named = "SELECT account_name(account_id) AS account, in_site('break_glass', user_identity_arn, event_time) AS sealed FROM events LIMIT 1";
    let asked = store.command(["sql", "--format", "json", "--site", site.to_str().unwrap(), named]).ok();
    assert_eq!(asked.lines(), [json!({"account": "production", "sealed": true})]);

    let id = store.sql("SELECT id FROM findings WHERE rule = 'account/break_glass_used' AND state = 'current'");
    let id = id[0]["id"].as_str().unwrap();
    let shown = store.command(["findings", "show", id, "--site", site.to_str().unwrap()]).ok().text();
    for part in [format!("was used in production ({ACCOUNT})"), format!("account     production ({ACCOUNT})")] {
        assert!(shown.contains(&part), "{part} is not in\n{shown}");
    }
    let listed = store.command(["findings", "list"]).env("TRAILHOUND_SITE", site.to_str().unwrap()).ok().text();
    assert!(listed.contains(&format!("production ({ACCOUNT})")), "{listed}");

    world.put("site.toml", facts("\"soon\""));
    let refused = trailhound(["rules", "check", "--site", site.to_str().unwrap()]).exits(2);
    let said = "list `break_glass`: `soon` is no day; write `expires = 2027-06-30`, or \"never\"";
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
}

#[test]
fn a_service_takes_changed_facts_over_and_keeps_those_before_where_they_are_wrong() {
    let mut stage = Stage::new("site-service", QueueOptions::default());
    let site = stage.world.path("site.toml");
    stage.world.put("site.toml", "");
    stage.more = format!("[rules]\nsite = {site:?}");
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let records = ["one", "two"].map(|id| record_with(id, json!({"eventName": "GetUser", "eventTime": now})));
    stage.announce(&[(key("a"), gzip(&log(&records)))]);
    let mut service = stage.serve(None);
    let store = stage.store();
    until("the events are kept", || stage.aws.remaining(QUEUE) == 0);
    assert_eq!(store.number(FOUND), 0);

    stage.world.put("site.toml", facts("2030-01-01"));
    until("the facts tell who it was", || store.number(FOUND) == 1);
    let paged =
        || stage.people.got("enqueue").iter().any(|page| page.to_string().contains(&format!("production ({ACCOUNT})")));
    until("the pager hears the account's name", paged);
    stage.world.put("site.toml", facts("\"soon\""));
    until("wrong facts are refused", || service.log().contains("`soon` is no day"));
    assert_eq!(store.number(FOUND), 1, "{}", service.log());
    service.stop();
}
