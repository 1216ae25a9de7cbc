use serde_json::json;
use trailhound_detect::{Kind, Status};

use super::*;

/// A finding of a principal, at a time, with what a test wants otherwise.
pub(crate) fn finding(id: &str, principal: &str, time: i64) -> Finding {
    Finding {
        id: id.into(),
        rule: "iam/key".into(),
        title: format!("{principal} created a key"),
        severity: Severity::Medium,
        kind: Kind::Match,
        first_time: time,
        last_time: time,
        account_id: Some("111122223333".into()),
        region: Some("eu-west-1".into()),
        principal: Some(principal.into()),
        person: None,
        entity: BTreeMap::from([("principal_key".into(), json!(principal))]),
        count: 1,
        event_ids: vec![format!("event-{id}")],
        explanation: format!("Seen once by {principal}. Because."),
        attack: vec!["T1098.001".into()],
        objects: vec!["b/k#0".into()],
        status: Status::Stable,
        rule_version: "1".into(),
        evidence: BTreeMap::from([
            ("source_ip_address".into(), json!("203.0.113.7")),
            ("source_country".into(), json!("NL")),
            ("request_user_name".into(), json!("o'neil")),
        ]),
        varies: BTreeSet::new(),
        lineage: Vec::new(),
        event_times: vec![time],
    }
}

/// A message with one finding whose texts are all the given one.
pub(crate) fn hostile(text: &str) -> Message {
    let mut bad = finding("f1", text, 1_700_000_000_000_000);
    bad.title = format!("{text} created a key");
    bad.explanation = text.into();
    bad.region = Some(text.into());
    bad.evidence = BTreeMap::from([
        ("source_ip_address".into(), json!(text)),
        ("user_agent".into(), json!(text)),
        ("request_user_name".into(), json!(text)),
    ]);
    let mut row = Row::new("TH-0123456789", "incident", 1_700_000_000_000_000);
    row.revision = 1;
    row.severity = Severity::High;
    row.title = bad.title.clone();
    row.findings = 1;
    row.first_time = Some(bad.first_time);
    row.last_time = Some(bad.last_time);
    let mut message = Message::blank(&row);
    let rule = RuleFacts { runbook: "Look at <request_user_name>.".into(), ..RuleFacts::default() };
    message.tell(&[(bad, true)], rule, &BTreeMap::from([("111122223333".into(), "production".into())]));
    message
}

#[test]
fn a_message_says_who_where_when_and_how_to_go_on() {
    let mut row = Row::new("TH-0123456789", "incident", 0);
    row.findings = 29;
    let found: Vec<(Finding, bool)> = vec![
        (finding("a", "arn:aws:iam::111122223333:user/ana", 1_700_000_000_000_000), true),
        (finding("b'; DROP", "it's ana", 1_700_000_060_000_000), false),
    ];
    let rule = RuleFacts {
        runbook: "SELECT * FROM events WHERE request_user_name = '<request_user_name>' AND x = '<unknown>'".into(),
        ..RuleFacts::default()
    };
    let mut message = Message::blank(&row);
    message.tell(&found, rule, &BTreeMap::from([("111122223333".into(), "production".into())]));
    assert_eq!(message.account_names(), ["production (111122223333)"]);
    assert_eq!(message.sources, ["203.0.113.7 (NL)"]);
    assert_eq!(message.principals, ["arn:aws:iam::111122223333:user/ana", "it's ana"]);
    assert_eq!(message.unlisted(), 27);
    assert_eq!(message.investigate.unwrap(), "trailhound investigate arn:aws:iam::111122223333:user/ana");
    let sql = message.sql.unwrap();
    assert!(sql.starts_with("trailhound sql \"SELECT event_time") && sql.contains("IN ('event-a')"), "{sql}");
    assert_eq!(message.runbook, "SELECT * FROM events WHERE request_user_name = 'o''neil' AND x = '<unknown>'");
}
