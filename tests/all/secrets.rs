//! Secrets that CloudTrail writes never reach the disk or a screen, and hostile text never reaches a terminal.

use serde_json::json;

use crate::logs::{below, gzip, key, log, record_with, root_key};
use crate::world::World;

const SECRETS: [&str; 4] = [
    "FwoGZXIvYXdzPlantedSessionToken",
    "Planted-Passw0rd",
    "PlantedSecretAccessKey/abc",
    "Planted\\u002dEscaped\\u002dSecret",
];
/// The last one, as it reads once its escapes are undone.
const UNESCAPED: &str = "Planted-Escaped-Secret";

#[test]
fn secrets_reach_neither_the_store_nor_the_findings() {
    let world = World::new("secrets");
    let mut noticed = root_key("event-2");
    noticed["responseElements"]["accessKey"]["secretAccessKey"] = SECRETS[2].into();
    let records = [
        record_with(
            "event-1",
            json!({
                "eventSource": "sts.amazonaws.com", "eventName": "AssumeRole",
                "responseElements": {"credentials": {"accessKeyId": "ASIAX", "sessionToken": SECRETS[0], "expiration": "x"}}
            }),
        ),
        noticed,
        record_with(
            "event-3",
            json!({
                "eventSource": "rds.amazonaws.com", "eventName": "ModifyDBInstance", "readOnly": false,
                "requestParameters": {"dBInstanceIdentifier": "kept-beside-the-secret", "masterUserPassword": SECRETS[1]}
            }),
        ),
    ];
    // Escapes cannot be written through a JSON value: they are put into the text.
    let text = String::from_utf8(log(&records)).unwrap();
    let text = text.replacen(
        "\"requestParameters\":null",
        &format!("\"requestParameters\":{{\"password\":\"{}\"}}", SECRETS[3]),
        1,
    );
    assert!(SECRETS.iter().all(|secret| text.contains(secret)), "all secrets are in the log");
    world.put(&format!("logs/{}", key("Secrets")), gzip(text.as_bytes()));

    let store = world.store("store");
    let run = store.scan(world.path("logs")).ok();
    assert_eq!(store.events(), 3);
    let rows = store.command(["sql", "SELECT * FROM events", "--format", "json"]).ok().text();
    assert!(rows.contains("kept-beside-the-secret"));
    let shown = store.command(["findings", "list", "--format", "json"]).ok().text();
    assert!(!run.findings().is_empty());

    // Data files are compressed, so that a search in their bytes proves little: the rows are searched too.
    let mut seen: Vec<(String, Vec<u8>)> = below(&world.path("store"), "");
    seen.extend([
        ("findings".into(), run.stdout),
        ("list".into(), shown.into_bytes()),
        ("rows".into(), rows.into_bytes()),
    ]);
    seen.push(("remarks".into(), run.stderr.into_bytes()));
    for (place, bytes) in &seen {
        for secret in SECRETS.iter().chain([&UNESCAPED]) {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} stands in {place}");
        }
    }
}

#[test]
fn text_of_strangers_cannot_drive_a_terminal() {
    let world = World::new("terminal");
    let hostile = "aws-cli\u{1b}[2J\u{1b}]0;owned\u{7}\r\nnot a line\u{9b}31m\u{202e}";
    let mut record = root_key("event-1");
    record["userAgent"] = hostile.into();
    record["userIdentity"]["arn"] = format!("arn:aws:iam::111122223333:root{hostile}").into();
    world.put(
        &format!("logs/{}", key("Hostile\u{1b}[31m")),
        gzip(&log(&[record, json!({"eventVersion": "1.09", "eventID": hostile, "eventTime": hostile})])),
    );
    let store = world.store("store");

    let scan = store.command(["scan", world.path("logs").to_str().unwrap()]).ok();
    let id = store.sql("SELECT id FROM findings WHERE rule = 'iam/root_access_key_created'")[0]["id"]
        .as_str()
        .unwrap()
        .to_string();
    let runs = [
        scan,
        store.command(["sql", "SELECT * FROM events"]).ok(),
        store.command(["sql", "SELECT * FROM parked"]).ok(),
        store.command(["findings", "list"]).ok(),
        store.command(["findings", "show", &id]).ok(),
        store.command(["investigate", "198.51.100.7"]).ok(),
    ];
    for (nth, run) in runs.iter().enumerate() {
        for text in [run.text(), run.stderr.clone()] {
            let driven = text.chars().find(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || *c == '\u{202e}');
            assert_eq!(driven, None, "output {nth}: {text:?}");
        }
    }
}
