//! Permissions, judged through the binary: an account whose logs are whole for a hundred days, and a file of what is granted.

mod truth;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::logs::{ACCOUNT, Object, gzip, key, log, record_with};
use crate::world::{Store, World};

const DAYS: i64 = 100;
/// 2025-03-01T00:00:00Z.
const BEGIN: i64 = 1_740_787_200;

fn at(day: i64, hour: i64) -> String {
    jiff::Timestamp::from_second(BEGIN + day * 86_400 + hour * 3_600).unwrap().to_string()
}

fn session(role: &str) -> Value {
    json!({
        "type": "AssumedRole", "principalId": format!("AROA{role}:work"), "accountId": ACCOUNT, "accessKeyId": "ASIAWORK",
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/work"),
        "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": format!("AROA{role}"), "userName": role,
                                             "accountId": ACCOUNT, "arn": format!("arn:aws:iam::{ACCOUNT}:role/{role}")}}
    })
}

/// A program looks around every hour, and reads an object of a bucket whose data events are logged; ana does a few things.
fn logs() -> Vec<Object> {
    let mut records = Vec::new();
    for day in 0..DAYS {
        for hour in 0..24 {
            let (source, name) = if hour % 2 == 0 { ("ec2", "DescribeInstances") } else { ("ec2", "CreateTags") };
            records.push(record_with(
                &format!("watch-{day}-{hour}"),
                json!({"userIdentity": session("watch"), "eventTime": at(day, hour), "readOnly": hour % 2 == 0,
                       "eventSource": format!("{source}.amazonaws.com"), "eventName": name}),
            ));
        }
        let object = json!([{"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::logs/day"},
                            {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::logs", "accountId": ACCOUNT}]);
        records.push(record_with(
            &format!("read-{day}"),
            json!({"userIdentity": session("watch"), "eventTime": at(day, 5), "eventSource": "s3.amazonaws.com",
                   "eventName": "GetObject", "managementEvent": false, "eventCategory": "Data", "resources": object,
                   "requestParameters": {"bucketName": "logs", "key": "day"}}),
        ));
    }
    let ana = |id: &str, day: i64, more: Value| {
        let mut record = record_with(id, json!({"eventTime": at(day, 9)}));
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    records.push(ana("list", DAYS - 2, json!({"eventName": "ListUsers"})));
    records.push(ana(
        "denied",
        DAYS - 2,
        json!({"eventName": "CreateUser", "readOnly": false, "errorCode": "AccessDenied", "errorMessage": "no"}),
    ));
    records.push(ana(
        "function",
        DAYS - 3,
        json!({"eventSource": "lambda.amazonaws.com", "eventName": "CreateFunction20150331", "readOnly": false,
               "requestParameters": {"functionName": "f", "role": format!("arn:aws:iam::{ACCOUNT}:role/of-f")}}),
    ));
    records.push(ana(
        "yearly",
        2,
        json!({"eventSource": "kms.amazonaws.com", "eventName": "ScheduleKeyDeletion",
        "readOnly": false, "requestParameters": {"keyId": format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/1")}}),
    ));
    vec![(key("all"), gzip(&log(&records)))]
}

fn allow(actions: &[&str], resources: &[&str]) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resources})
}

fn role(name: &str, created: &str, statements: Value) -> Value {
    json!({"Path": "/", "RoleName": name, "RoleId": format!("AROA{name}"), "Arn": format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
           "CreateDate": created, "AttachedManagedPolicies": [], "InstanceProfileList": [], "Tags": [], "RoleLastUsed": {},
           "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
           "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}]})
}

/// What `aws iam get-account-authorization-details` prints of it.
fn granted() -> Value {
    let functions = format!("arn:aws:lambda:*:{ACCOUNT}:function:*");
    let own = [
        allow(&["iam:ListUsers", "iam:CreateUser", "kms:ScheduleKeyDeletion"], &["*"]),
        allow(&["s3:GetObject"], &["arn:aws:s3:::logs/*"]),
        allow(&["s3:PutObject"], &["arn:aws:s3:::private/*"]),
        allow(&["lambda:CreateFunction", "lambda:DeleteFunction"], &[&functions]),
        json!({"Sid": "Pass", "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}),
    ];
    json!({
        "UserDetailList": [{
            "Path": "/", "UserName": "ana", "UserId": "AIDAEXAMPLE", "Arn": format!("arn:aws:iam::{ACCOUNT}:user/ana"),
            "CreateDate": "2024-01-01T00:00:00Z", "GroupList": ["readers"], "AttachedManagedPolicies": [], "Tags": [],
            "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": own}}]
        }],
        "GroupDetailList": [{
            "Path": "/", "GroupName": "readers", "GroupId": "AGPAREADERS", "CreateDate": "2024-01-01T00:00:00Z",
            "Arn": format!("arn:aws:iam::{ACCOUNT}:group/readers"), "AttachedManagedPolicies": [],
            "GroupPolicyList": [{"PolicyName": "tables", "PolicyDocument":
                {"Version": "2012-10-17", "Statement": [allow(&["dynamodb:GetItem"], &["*"])]}}]
        }],
        "RoleDetailList": [
            role("watch", "2024-01-01T00:00:00Z", json!([allow(&["ec2:*", "s3:GetObject"], &["*"])])),
            role("forgotten", "2024-01-01T00:00:00Z", json!([allow(&["ec2:RunInstances"], &["*"])])),
            role("young", &at(DAYS - 10, 0), json!([allow(&["ec2:RunInstances"], &["*"])]))
        ],
        "Policies": [], "IsTruncated": false
    })
}

/// A world with all of it, scanned.
fn ground(name: &str) -> (World, Store) {
    let world = World::new(name);
    let tree = world.put_all("logs", &logs());
    world.put("iam.json", granted().to_string());
    let store = world.store("store");
    store.scan(&tree).ok();
    (world, store)
}

#[test]
fn every_verdict_is_right_and_nothing_is_unused_that_nobody_could_see() {
    let (world, store) = ground("permissions");
    let iam = world.path("iam.json");
    let asked = store.command(["permissions", "--iam", iam.to_str().unwrap(), "--actions", "--format", "json"]).ok();
    let report: Value = serde_json::from_str(&asked.text()).unwrap();
    assert_eq!(report["accounts"][0]["confidence"], "high", "{}", report["accounts"]);
    let principals: BTreeMap<&str, &Value> = report["principals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["arn"].as_str().unwrap().rsplit('/').next().unwrap(), one))
        .collect();
    let activity: Vec<(&str, &str)> =
        principals.iter().map(|(name, one)| (*name, one["activity"].as_str().unwrap())).collect();
    assert_eq!(activity, [("ana", "active"), ("forgotten", "unused"), ("watch", "active"), ("young", "young")]);
    let verdicts = |name: &str| -> BTreeMap<String, String> {
        let actions = principals[name]["actions"].as_array().unwrap().iter();
        actions.map(|a| (a["action"].as_str().unwrap().into(), a["verdict"].as_str().unwrap().into())).collect()
    };
    let expected = [
        ("dynamodb:GetItem", "not observable"),
        ("iam:CreateUser", "unused"),
        ("iam:ListUsers", "used"),
        ("iam:PassRole", "used"),
        ("kms:ScheduleKeyDeletion", "not observable"),
        ("lambda:CreateFunction", "used"),
        ("lambda:DeleteFunction", "unused"),
        ("s3:GetObject", "unused"),
        ("s3:PutObject", "not observable"),
    ];
    let expected: BTreeMap<String, String> = expected.iter().map(|(a, v)| (a.to_string(), v.to_string())).collect();
    let listed =
        principals["ana"]["actions"].as_array().unwrap().iter().find(|one| one["action"] == "iam:ListUsers").unwrap();
    let (detail, networks) = (listed["detail"].as_str().unwrap(), listed["networks"].as_array().unwrap());
    assert!(detail.ends_with(", from 198.51.100.0/24"), "{listed}");
    assert_eq!(
        networks.iter().map(|one| one["count"].as_u64().unwrap()).sum::<u64>().to_string(),
        detail.split(' ').next().unwrap()
    );
    let mut ana = verdicts("ana");
    // Its one use lies ten days before the ninety that are judged by.
    assert!(matches!(ana["kms:ScheduleKeyDeletion"].as_str(), "unused" | "not observable"), "{ana:?}");
    ana.insert("kms:ScheduleKeyDeletion".into(), "not observable".into());
    assert_eq!(ana, expected);
    assert_eq!(verdicts("young")["ec2:RunInstances"], "not observable");
    let broad = &principals["watch"]["statements"][0];
    assert_eq!((&broad["verdict"], &broad["breadth"]), (&json!("over-broad"), &json!("all of a service")), "{broad}");

    for (format, part) in [("table", "user/ana"), ("html", "<td>unused"), ("markdown", "| user/ana |")] {
        let run = store.command(["permissions", "--iam", iam.to_str().unwrap(), "--format", format]).ok();
        assert!(run.text().contains(part), "{part} is not in\n{}", run.text());
    }
}

#[test]
fn what_is_proposed_denies_nothing_that_succeeded() {
    let (world, store) = ground("permissions-policies");
    let (iam, folder) = (world.path("iam.json"), world.path("policies"));
    let (iam, into) = (iam.to_str().unwrap(), folder.to_str().unwrap());
    let run = store.command(["permissions", "--iam", iam, "--policies", into]).ok();
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    let of = |name: &str| std::fs::read_to_string(folder.join(ACCOUNT).join(name)).unwrap();
    let (policy, terraform, notes) = (of("user-ana.json"), of("user-ana.tf"), of("user-ana.md"));
    for used in ["iam:ListUsers", "lambda:CreateFunction", "iam:PassRole", "dynamodb:GetItem", "s3:PutObject"] {
        assert!(policy.contains(used), "{used} is not in\n{policy}");
    }
    for unused in ["iam:CreateUser", "lambda:DeleteFunction", "s3:GetObject"] {
        assert!(!policy.contains(unused), "{unused} is in\n{policy}");
    }
    assert!(policy.contains("lambda.amazonaws.com") && policy.contains("role/of-f"), "{policy}");
    assert!(
        terraform.contains("aws_iam_policy") && terraform.contains("aws_iam_user_policy_attachment"),
        "{terraform}"
    );
    assert!(notes.contains("0 calls not by these") || notes.contains("calls allowed"), "{notes}");

    let own = folder.join(ACCOUNT).join("user-ana.json");
    let tried = ["permissions", "what-if", own.to_str().unwrap(), "--iam", iam, "--principal", "user/ana", "--fail"];
    assert!(store.command(tried).ok().text().contains("nothing that succeeded would have been denied"));

    let no_lambda = json!({"Version": "2012-10-17", "Statement": [
        allow(&["*"], &["*"]), {"Sid": "No", "Effect": "Deny", "Action": "lambda:*", "Resource": "*"}]});
    world.put("scp.json", no_lambda.to_string());
    let scp = world.path("scp.json");
    let tried =
        ["permissions", "what-if", scp.to_str().unwrap(), "--as", "scp", "--iam", iam, "--format", "json", "--fail"];
    let outcomes: Value = serde_json::from_str(&store.command(tried).exits(1).text()).unwrap();
    let lost = &outcomes[0]["lost"];
    assert_eq!(
        (&lost[0]["action"], &lost[0]["how"], &lost[0]["count"]),
        (&json!("lambda:CreateFunction"), &json!("denied"), &json!(1))
    );
    assert!(lost[0]["statements"][0].as_str().unwrap().contains("statement 1 (No)"), "{outcomes}");
    assert_eq!(lost.as_array().unwrap().len(), 1, "{outcomes}");
}

#[test]
fn files_that_cannot_be_used_are_refused_whole() {
    let (world, store) = ground("permissions-refused");
    let granted = granted().to_string();
    let cut = &granted[..granted.len() / 2];
    let unknown_group = granted.replace("[\"readers\"]", "[\"readers\", \"nobody\"]");
    let more_pages = granted.replace("\"IsTruncated\":false", "\"IsTruncated\":true");
    for (text, said) in [
        (cut, "the JSON breaks off here"),
        ("{\"Reservations\": []}", "none of the known outputs"),
        (unknown_group.as_str(), "nobody"),
        (more_pages.as_str(), "page"),
        ("", "empty"),
    ] {
        world.put("bad.json", text);
        let bad = world.path("bad.json");
        let refused = store.command(["permissions", "--iam", bad.to_str().unwrap()]).exits(2);
        assert!(
            refused.stderr.contains("nothing was loaded") && refused.stderr.contains(said),
            "{said}: {}",
            refused.stderr
        );
    }
    let nobody = world.path("iam.json");
    let refused = store.command(["permissions", "--iam", nobody.to_str().unwrap(), "--principal", "zoe"]).exits(2);
    assert!(refused.stderr.contains("no user or role of those that are known has zoe"), "{}", refused.stderr);
}

#[test]
fn actions_that_nobody_knows_are_told() {
    let (world, store) = ground("permissions-unknown");
    let misspelt = granted().to_string().replace("dynamodb:GetItem", "dynamodb:GetItme");
    world.put("misspelt.json", misspelt);
    let iam = world.path("misspelt.json");
    let asked = ["permissions", "--iam", iam.to_str().unwrap(), "--principal", "user/ana"];
    let told = store.command(asked).ok().text();
    let words: String = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = "user/ana: no action of this name is known: misspelt, gone, or newer than the list of 20";
    assert!(words.contains(sentence) && words.contains("dynamodb:GetItme in statement"), "{told}");
    let report: Value =
        serde_json::from_str(&store.command(asked.into_iter().chain(["--format", "json"])).ok().text()).unwrap();
    let unknown = report["principals"][0]["unknown_actions"][0].as_str().unwrap();
    assert!(unknown.starts_with("dynamodb:GetItme in statement"), "{unknown}");

    // Nothing that is denied so would ever have been lost.
    let deny = json!({"Version": "2012-10-17", "Statement": [
        allow(&["*"], &["*"]), {"Sid": "No", "Effect": "Deny", "Action": "lambda:CreateFuntion", "Resource": "*"}]});
    world.put("scp.json", deny.to_string());
    let (scp, iam) = (world.path("scp.json"), world.path("iam.json"));
    let run = store
        .command(["permissions", "what-if", scp.to_str().unwrap(), "--as", "scp", "--iam", iam.to_str().unwrap()])
        .ok();
    let warning = "lambda:CreateFuntion in statement 1 (No)";
    assert!(run.stderr.contains("warning: ") && run.stderr.contains(warning), "{}", run.stderr);
}

#[test]
fn what_the_store_was_told_is_kept_with_its_history_and_judged_by() {
    let (world, store) = ground("permissions-kept");
    let untold = store.command(["permissions"]).exits(2);
    assert!(untold.stderr.contains("permissions load"), "{}", untold.stderr);

    let mut before = granted();
    before["UserDetailList"][0]["GroupList"] = json!([]);
    world.put("before.json", before.to_string());
    let (before, iam) = (world.path("before.json"), world.path("iam.json"));
    let load = |file: &std::path::Path, day: i64| {
        store.command(["permissions", "load", file.to_str().unwrap(), "--at", &at(day, 0)])
    };
    assert!(load(&before, 10).ok().stderr.contains("5 entries read, 5 new or changed, 0 ended"));
    assert!(load(&iam, 50).ok().stderr.contains("5 entries read, 1 new or changed, 1 ended"));
    let late = load(&iam, 50).exits(2);
    assert!(late.stderr.contains("history is only added to"), "{}", late.stderr);

    // Since when may ana read tables, and what does it know of the time before?
    let since = "SELECT through, valid_from, valid_to FROM iam_granted WHERE name = 'ana' ORDER BY valid_from";
    let rows = store.sql(since);
    let shown: Vec<(Value, Value, Value)> =
        rows.iter().map(|row| (row["through"].clone(), row["valid_from"].clone(), row["valid_to"].clone())).collect();
    let (first, second) = (json!(at(10, 0)), json!(at(50, 0)));
    assert_eq!(shown, [(Value::Null, first, Value::Null), (json!("readers"), second, Value::Null)]);

    let of_files = store.command(["permissions", "--iam", iam.to_str().unwrap(), "--format", "json"]).ok().text();
    let of_store = store.command(["permissions", "--format", "json", "--keep"]).ok().text();
    assert_eq!(of_store, of_files);
    let then =
        store.command(["permissions", "--until", &at(40, 0), "--days", "30", "--actions", "--format", "json"]).ok();
    assert!(!then.text().contains("dynamodb:GetItem"), "the group came later: {}", then.text());

    // Verdicts that did not change are told once.
    store.command(["permissions", "--keep"]).ok();
    let judged = store.sql("SELECT arn, activity, granted, used, unused, not_observable FROM permissions ORDER BY arn");
    let ana = judged.iter().find(|row| row["arn"].as_str().unwrap().ends_with("user/ana")).unwrap();
    assert_eq!((judged.len(), &ana["granted"], &ana["activity"]), (4, &json!(9), &json!("active")), "{judged:?}");
    let services = store.sql("SELECT sum(granted) AS granted FROM permission_services WHERE arn LIKE '%user/ana'");
    assert_eq!(services[0]["granted"], json!(9));
    let part = store.command(["permissions", "--keep", "--principal", "user/ana"]).exits(64);
    assert!(part.stderr.contains("--principal"), "{}", part.stderr);
}

const OF_THE_GROUP: &str = r#"-- +++
-- title = "{name} may read tables on the day"
-- severity = "low"
-- status = "stable"
-- kind = "query"
-- entity = ["arn"]
-- every = "1d"
-- over = "1d"
-- attack = []
-- why = "A test of rules that ask what is granted."
-- false_positives = []
-- runbook = "SELECT 1"
-- refs = []
-- +++
WITH day AS (SELECT count(*) AS calls FROM activity WHERE event_hour >= $from AND event_hour < $to)
SELECT granted.arn, granted.name, day.calls AS count FROM iam_granted AS granted, day
WHERE granted.through = 'readers' AND granted.valid_from < $to AND (granted.valid_to IS NULL OR granted.valid_to >= $to)
"#;

#[test]
fn rules_are_asked_again_about_the_days_after_a_reading() {
    let (world, store) = ground("permissions-rules");
    world.put("rules/test/of_the_group.sql", OF_THE_GROUP);
    let (logs, rules) = (world.path("logs"), world.path("rules"));
    let days = |what: &str| -> Vec<String> {
        let scan = ["scan", logs.to_str().unwrap(), "--rules", rules.to_str().unwrap()];
        store.command(scan).ok();
        let sql = "SELECT first_time FROM findings WHERE rule = 'test/of_the_group' AND state = 'current' ORDER BY 1";
        let found = store.sql(sql);
        println!("{what}: {} days", found.len());
        found.iter().map(|row| row["first_time"].as_str().unwrap().to_owned()).collect()
    };
    assert!(days("nothing is known").is_empty());
    let load = |details: &Value, day: i64| {
        world.put("granted.json", details.to_string());
        let file = world.path("granted.json");
        store.command(["permissions", "load", file.to_str().unwrap(), "--at", &at(day, 12)]).ok();
    };
    load(&granted(), 50);
    let from_50: Vec<String> = (50..DAYS).map(|day| at(day, 0)).collect();
    assert_eq!(days("known since day 50"), from_50);
    // Who leaves the group was in it before; nothing else about the user is news.
    let mut left = granted();
    left["UserDetailList"][0]["GroupList"] = json!([]);
    load(&left, 60);
    assert_eq!(days("left on day 60"), from_50[..10]);
    left["UserDetailList"][0]["Tags"] = json!([{"Key": "team", "Value": "shop"}]);
    load(&left, 70);
    assert_eq!(days("a tag"), from_50[..10]);
}
