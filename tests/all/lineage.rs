//! Who did it, through the service: somebody signs in without a second factor, takes on a role, from there one of another
//! account, and stops its trail. The record that leads from the role back to the person comes last.

use serde_json::{Value, json};

use crate::logs::{ACCOUNT, Object, gzip, log, record_with};
use crate::stage::{QUEUE, Stage, until};
use trailhound_testing::fake_aws::QueueOptions;

const OTHER: &str = "444455556666";
const OF_DEPLOY: &str = "ASIADEPLOY0000000001";
const OF_ADMIN: &str = "ASIAADMIN00000000001";

fn session(account: &str, role: &str, key: &str) -> Value {
    json!({
        "type": "AssumedRole", "principalId": format!("AROA{role}:work"), "accountId": account, "accessKeyId": key,
        "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/work"),
        "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": format!("AROA{role}"), "userName": role,
                                             "accountId": account, "arn": format!("arn:aws:iam::{account}:role/{role}")},
                           "attributes": {"creationDate": "2025-03-09T12:00:00Z", "mfaAuthenticated": "false"}}
    })
}

fn assume_role(id: &str, time: &str, account: &str, role: &str, key: &str, more: Value) -> Value {
    let mut record = record_with(
        id,
        json!({
            "eventTime": time, "eventSource": "sts.amazonaws.com", "eventName": "AssumeRole",
            "requestParameters": {"roleArn": format!("arn:aws:iam::{account}:role/{role}"), "roleSessionName": "work"},
            "responseElements": {"credentials": {"accessKeyId": key},
                                 "assumedRoleUser": {"arn": format!("arn:aws:sts::{account}:assumed-role/{role}/work")}}
        }),
    );
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

fn object(account: &str, name: &str, records: &[Value]) -> Object {
    let day = jiff::Timestamp::now().strftime("%Y/%m/%d").to_string();
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%MZ").to_string();
    let file = format!("{account}_CloudTrail_us-east-1_{stamp}_{name:A<16}.json.gz");
    (format!("AWSLogs/{account}/CloudTrail/us-east-1/{day}/{file}"), gzip(&log(records)))
}

#[test]
fn one_intrusion_over_roles_and_accounts_is_one_incident_of_a_person() {
    let stage = Stage::new("lineage", QueueOptions::default());
    let begun = jiff::Timestamp::now().as_second() - 1_800;
    let at = |minute: i64| jiff::Timestamp::from_second(begun + 60 * minute).unwrap().to_string();
    let sign_in = record_with(
        "sign-in",
        json!({
            "eventTime": at(0), "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin",
            "eventType": "AwsConsoleSignIn", "readOnly": false, "responseElements": {"ConsoleLogin": "Success"},
            "additionalEventData": {"MFAUsed": "No", "MobileVersion": "No", "LoginTo": "https://console.aws.amazon.com/"}
        }),
    );
    let first_role = assume_role("first-role", &at(5), ACCOUNT, "Deploy", OF_DEPLOY, json!({}));
    let second_role = assume_role(
        "second-role",
        &at(10),
        OTHER,
        "Admin",
        OF_ADMIN,
        json!({"userIdentity": session(ACCOUNT, "Deploy", OF_DEPLOY), "sharedEventID": "shared"}),
    );
    let its_copy = assume_role(
        "second-role-there",
        &at(10),
        OTHER,
        "Admin",
        OF_ADMIN,
        json!({"userIdentity": {"type": "AWSAccount", "principalId": "AROADeploy:work", "accountId": ACCOUNT},
               "recipientAccountId": OTHER, "sharedEventID": "shared"}),
    );
    let deed = record_with(
        "deed",
        json!({
            "userIdentity": session(OTHER, "Admin", OF_ADMIN), "eventTime": at(15), "recipientAccountId": OTHER,
            "eventSource": "cloudtrail.amazonaws.com", "eventName": "StopLogging", "readOnly": false,
            "requestParameters": {"name": "main"}
        }),
    );

    stage.announce(&[object(ACCOUNT, "one", &[sign_in, second_role]), object(OTHER, "two", &[its_copy, deed])]);
    let mut service = stage.serve(None);
    let store = stage.store();
    let people = "SELECT count(*) AS n FROM findings WHERE state = 'current' AND person = 'ana of 111122223333'";
    let strangers = "SELECT count(*) AS n FROM findings WHERE state = 'current' AND person IS NULL";
    let open = "SELECT count(*) AS n FROM incidents WHERE state = 'open'";
    until("all is found", || {
        stage.aws.remaining(QUEUE) == 0 && store.number(people) > 0 && store.number(strangers) > 0
    });
    let apart = store.number(open);
    assert!(apart > 1, "as long as nobody knows better these are {apart} incidents\n{}", service.log());

    stage.announce(&[object(ACCOUNT, "three", &[first_role])]);
    until("the last record tells who it was", || store.number(strangers) == 0);
    until("one intrusion is one incident", || store.number(open) == 1);
    let stopped = store.sql("SELECT id, lineage FROM findings WHERE rule = 'cloudtrail/trail_stopped'");
    let history = store.sql("SELECT change FROM finding_history h JOIN findings f ON f.id = h.finding_id WHERE f.rule = 'cloudtrail/trail_stopped' ORDER BY seq");
    assert_eq!(history, [json!({"change": "raised"}), json!({"change": "amended"})]);
    let told = || {
        let pages = stage.people.got("enqueue");
        let last = pages.iter().rev().find(|page| page["event_action"] == "trigger").cloned();
        last.is_some_and(|page| page.to_string().contains("ana of 111122223333"))
    };
    until("the pager hears who it was", told);
    service.stop();

    let id = stopped[0]["id"].as_str().unwrap();
    let shown = store.command(["findings", "show", id]).ok().text();
    for part in ["person      ana of 111122223333", "Deploy/work in 111122223333", "Who gave out the keys"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let behind = store.command(["investigate", OF_ADMIN]).ok().text();
    let section = behind.split("Who is behind its keys").nth(1).unwrap_or_else(|| panic!("{behind}"));
    let steps: Vec<&str> = section.lines().skip(3).take_while(|line| !line.is_empty()).collect();
    assert_eq!(steps.len(), 2, "{section}");
    assert!(steps[0].contains("Deploy") && steps[1].contains("ana"), "{section}");
    let ahead = store.command(["investigate", "ana of 111122223333"]).ok().text();
    let section = ahead.split("What its keys led to").nth(1).unwrap_or_else(|| panic!("{ahead}"));
    assert!(section.contains("Deploy") && section.contains("Admin"), "{section}");
}
