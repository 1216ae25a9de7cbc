//! Root at the console for days, through the service: an incident for each session, however much is read and changed in it.

use serde_json::{Value, json};
use trailhound_testing::fake_aws::QueueOptions;

use crate::logs::{ACCOUNT, Object, gzip, key, log, record, record_with};
use crate::stage::{QUEUE, Stage, until};
use crate::world::World;

const DAYS: i64 = 3;
const SESSIONS_A_DAY: i64 = 2;
/// Calls of a session, one every two minutes.
const CALLS: i64 = 45;

/// A session's records: the sign-in, and calls of the console, each ninth of which changes something.
fn session(number: i64, begun: i64) -> Vec<Value> {
    let at = |minute: i64| jiff::Timestamp::from_second(begun + 60 * minute).unwrap().to_string();
    let root = |key: &str| {
        json!({"type": "Root", "principalId": ACCOUNT, "accountId": ACCOUNT, "accessKeyId": key,
               "arn": format!("arn:aws:iam::{ACCOUNT}:root"),
               "sessionContext": {"attributes": {"creationDate": at(0), "mfaAuthenticated": "true"}}})
    };
    let mut records = vec![record_with(
        &format!("sign-in-{number}"),
        json!({
            "userIdentity": root(""), "eventTime": at(0), "eventSource": "signin.amazonaws.com",
            "eventName": "ConsoleLogin", "eventType": "AwsConsoleSignIn", "readOnly": false,
            "responseElements": {"ConsoleLogin": "Success"},
            "additionalEventData": {"MFAUsed": "Yes", "MobileVersion": "No", "LoginTo": "https://console.aws.amazon.com/"}
        }),
    )];
    for call in 0..CALLS {
        let (name, reads) = match call % 9 {
            4 => (["CreateTags", "RunInstances", "DeleteTags"][(call / 9 % 3) as usize], false),
            place => (["DescribeInstances", "DescribeVpcs", "DescribeTags"][(place % 3) as usize], true),
        };
        records.push(record_with(
            &format!("call-{number}-{call}"),
            json!({
                "userIdentity": root(&format!("ASIAROOTSESSION{number:05}")), "eventTime": at(2 * call + 1),
                "eventSource": "ec2.amazonaws.com", "eventName": name, "readOnly": reads,
                "sessionCredentialFromConsole": "true"
            }),
        ));
    }
    records
}

fn object(number: i64, records: &[Value]) -> Object {
    let now = jiff::Timestamp::now();
    let (day, stamp) = (now.strftime("%Y/%m/%d"), now.strftime("%Y%m%dT%H%MZ"));
    let file = format!("{ACCOUNT}_CloudTrail_us-east-1_{stamp}_ROOT{number:A>12}.json.gz");
    (format!("AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{day}/{file}"), gzip(&log(records)))
}

/// A root session that the management account asked for is told apart by the record that gave out its key, though that comes
/// last: the finding becomes less grave, and names the person.
#[test]
fn a_delegated_root_session_is_known_by_who_gave_out_its_key() {
    let stage = Stage::new("root-delegated", QueueOptions::default());
    let begun = jiff::Timestamp::now().as_second() - 1_800;
    let at = |minute: i64| jiff::Timestamp::from_second(begun + 60 * minute).unwrap().to_string();
    const MEMBER: &str = "444455556666";
    const KEY: &str = "ASIADELEGATEDROOT001";
    let issue = record_with(
        "assume-root",
        json!({
            "eventTime": at(0), "eventSource": "sts.amazonaws.com", "eventName": "AssumeRoot", "readOnly": false,
            "requestParameters": {"targetPrincipal": MEMBER, "durationSeconds": 900,
                                  "taskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"}},
            "responseElements": {"credentials": {"accessKeyId": KEY}}
        }),
    );
    let deed = record_with(
        "unlock",
        json!({
            "userIdentity": {"type": "Root", "principalId": MEMBER, "accountId": MEMBER, "accessKeyId": KEY,
                             "arn": format!("arn:aws:iam::{MEMBER}:root"),
                             "sessionContext": {"attributes": {"creationDate": at(0), "mfaAuthenticated": "false"}}},
            "eventTime": at(3), "eventSource": "s3.amazonaws.com", "eventName": "DeleteBucketPolicy", "readOnly": false,
            "recipientAccountId": MEMBER, "requestParameters": {"bucketName": "locked"}
        }),
    );
    stage.announce(&[object(1, &[deed])]);
    let mut service = stage.serve(None);
    let store = stage.store();
    let of = |severity: &str| {
        store.number(&format!(
            "SELECT count(*) AS n FROM findings WHERE rule = 'account/root_write' AND state = 'current' AND severity = '{severity}'"
        ))
    };
    // Its own record says that it is probably one.
    until("root's change is found", || stage.aws.remaining(QUEUE) == 0 && of("medium") == 1);
    stage.announce(&[object(2, &[issue])]);
    until("the key's issue makes it less grave", || of("low") == 1 && of("medium") == 0);
    let told = store.sql("SELECT person, explanation FROM findings WHERE rule = 'account/root_write'");
    assert_eq!(told[0]["person"], format!("ana of {ACCOUNT}"), "{told:?}");
    let explanation = told[0]["explanation"].as_str().unwrap();
    assert!(explanation.contains("It is low, since issued_by is AssumeRoot."), "{explanation}");
    until("one incident, of the person", || {
        store.number("SELECT count(*) AS n FROM incidents WHERE state = 'open'") == 1
            && store.number("SELECT count(*) AS n FROM incident_findings") == 2
    });
    service.stop();
}

#[test]
fn root_at_the_console_for_days_is_one_incident_a_session() {
    let stage = Stage::new("root", QueueOptions::default());
    let midnight = jiff::Timestamp::now().as_second() / 86_400 * 86_400 - DAYS * 86_400;
    let begun = |number: i64| midnight + number / SESSIONS_A_DAY * 86_400 + (7 + 8 * (number % SESSIONS_A_DAY)) * 3_600;
    let sessions = DAYS * SESSIONS_A_DAY;
    let mut objects: Vec<Object> =
        (0..sessions).map(|number| object(number, &session(number, begun(number)))).collect();
    // The newest first: the order says nothing.
    objects.reverse();
    stage.announce(&objects);
    let mut service = stage.serve(None);
    let store = stage.store();
    let reads = "SELECT count(*) AS n FROM findings WHERE state = 'current' AND rule = 'account/root_read'";
    until("all is found", || stage.aws.remaining(QUEUE) == 0 && store.number(reads) == sessions as u64);
    // What belongs together may be found one by one, and be brought together when more is known.
    let incidents = "FROM incidents WHERE closed_reason IS DISTINCT FROM 'merged'";
    until("each session is an incident", || {
        store.number(&format!("SELECT count(*) AS n {incidents}")) == sessions as u64
    });
    service.stop();
    let found = store.number("SELECT count(*) AS n FROM findings WHERE state = 'current'");
    assert!(found >= 4 * sessions as u64, "{found} findings: reads, a sign-in and changes of each session");
    let spans = store.sql(&format!("SELECT first_time, last_time {incidents} ORDER BY first_time"));
    for (number, span) in spans.iter().enumerate() {
        let sign_in = jiff::Timestamp::from_second(begun(number as i64)).unwrap().to_string();
        assert_eq!(span["first_time"], json!(sign_in), "{spans:#?}");
    }
}

/// Root signs in in us-east-1, so a trail of another region alone never shows it; a scan says so in its last line.
#[test]
fn a_trail_that_cannot_see_root_is_named() {
    let world = World::new("root-unseen");
    let packed = gzip(&log(&[record("1")]));
    let logs = world.put_all("logs", &[(key("One").replace("us-east-1", "eu-west-1"), packed.clone())]);
    let said = |run: &str| run.lines().filter(|line| line.contains("nothing from us-east-1")).count();
    let run = world.store("store").scan(&logs).ok();
    assert_eq!(said(&run.stderr), 1, "{}", run.stderr);
    assert!(run.stderr.contains(&format!("of account {ACCOUNT}: sign-ins of root")), "{}", run.stderr);
    world.put_all("logs", &[(key("Two"), packed)]);
    let run = world.store("store").scan(&logs).ok();
    assert_eq!(said(&run.stderr), 0, "{}", run.stderr);
}
