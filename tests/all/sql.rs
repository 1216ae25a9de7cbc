//! Questions to a store, from the command line: what is refused, what comes out, and the exit codes that scripts lean on.

use std::process::Command;

use serde_json::json;

use crate::logs::{self, ACCOUNT, gzip, key, log, record_with, root_key};
use crate::readers::python;
use crate::world::{Store, World, trailhound};

fn filled(world: &World) -> Store {
    let store = world.store("store");
    store.scan(logs::organisation()).ok();
    store
}

#[test]
fn a_store_is_only_read() {
    let world = World::new("sql_refused");
    let store = filled(&world);
    let before = store.truth();
    let target = world.path("stolen.csv");
    let copy = format!("COPY (SELECT * FROM events) TO '{}'", target.display());
    let table = format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{}'", target.display());
    for statement in [
        "DELETE FROM events",
        "INSERT INTO events SELECT * FROM events",
        "UPDATE events SET event_name = 'x'",
        "DROP TABLE events",
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "SET datafusion.execution.batch_size = 1",
        "SELECT 1; DELETE FROM events",
        "EXPLAIN ANALYZE INSERT INTO events SELECT * FROM events",
        &table,
        &copy,
    ] {
        let run = store.command(["sql", statement]).exits(2);
        assert!(run.stdout.is_empty() && run.stderr.starts_with("error: "), "{statement}: {}", run.stderr);
    }
    assert!(!target.exists());
    store.truth().assert_same(&before, "after statements that write");
}

#[test]
fn rows_come_as_table_csv_json_and_parquet() {
    let world = World::new("sql_formats");
    let store = world.store("store");
    let quoted = record_with("e-1", serde_json::json!({"userAgent": "a \"quoted\", agent\nof two lines"}));
    world.put(&format!("logs/{}", key("Formats")), gzip(&log(&[quoted, root_key("e-2")])));
    store.scan(world.path("logs")).ok();
    let ask = "SELECT event_id, user_agent, user_identity_user_name AS name, event_time FROM events ORDER BY event_id";
    let ask_as = |format: &str| store.command(["sql", ask, "--format", format]).ok();

    let rows = ask_as("json").lines();
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["event_id"], &rows[0]["name"]), (&"e-1".into(), &"ana".into()));
    assert_eq!(rows[0]["user_agent"], "a \"quoted\", agent\nof two lines");
    assert!(rows[1].get("name").is_none_or(|name| name.is_null()));

    let csv = ask_as("csv").text();
    assert!(csv.starts_with("event_id,user_agent,name,event_time"), "{csv}");
    assert!(csv.contains("\"a \"\"quoted\"\", agent\nof two lines\",ana,2025-03-09T12:51:00"), "{csv}");

    let table = ask_as("table").text();
    assert!(table.contains("event_id") && table.contains("e-2") && table.contains("quoted"), "{table}");

    world.put("rows.parquet", ask_as("parquet").stdout);
    let read = "import pyarrow.parquet as pq, sys; t = pq.read_table(sys.argv[1]); print(t.num_rows, t.column_names)";
    let output = Command::new(python("python")).args(["-c", read]).arg(world.path("rows.parquet")).output().unwrap();
    let read = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        read.trim(),
        "2 ['event_id', 'user_agent', 'name', 'event_time']",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Tables of what did not happen in this world: nothing was parked, nobody was told, no service listened.
const MAY_BE_EMPTY: &[&str] = &[
    "role_switches",
    "parked",
    "parked_messages",
    "skipped_records",
    "incidents",
    "incident_findings",
    "held_findings",
    "sources",
    "outbox",
    "deliveries",
    "dead_letters",
    "site_accounts",
    "site_lists",
];

/// A folder that says what is granted: one of each thing that there can be.
fn put_granted(world: &World) -> std::path::PathBuf {
    let arn = |what: &str| format!("arn:aws:iam::{ACCOUNT}:{what}");
    let document =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]});
    let details = json!({
        "UserDetailList": [{"UserName": "ana", "UserId": "AIDAEXAMPLE", "Arn": arn("user/ana"), "Path": "/",
            "CreateDate": "2024-01-01T00:00:00Z", "GroupList": ["readers"], "UserPolicyList": [],
            "AttachedManagedPolicies": [{"PolicyName": "read", "PolicyArn": arn("policy/read")}]}],
        "GroupDetailList": [{"GroupName": "readers", "GroupId": "AGPAEXAMPLE", "Arn": arn("group/readers"), "Path": "/",
            "CreateDate": "2024-01-01T00:00:00Z", "GroupPolicyList": [], "AttachedManagedPolicies": []}],
        "RoleDetailList": [{"RoleName": "web", "RoleId": "AROAEXAMPLE", "Arn": arn("role/web"), "Path": "/",
            "CreateDate": "2024-01-01T00:00:00Z", "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
            "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": document}], "AttachedManagedPolicies": []}],
        "Policies": [{"PolicyName": "read", "Arn": arn("policy/read"), "DefaultVersionId": "v1", "PolicyVersionList":
            [{"VersionId": "v1", "IsDefaultVersion": true, "Document": document}]}]
    });
    let keys = json!({"AccessKeyMetadata": [{"UserName": "ana", "AccessKeyId": "AKIAEXAMPLE", "Status": "Active",
        "CreateDate": "2024-01-01T00:00:00Z"}]});
    let report = format!(
        "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,mfa_active,\
         access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,\
         access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,\
         access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_2_active\n\
         ana,{},2024-01-01T00:00:00Z,true,no_information,2024-01-01T00:00:00Z,true,true,2024-01-01T00:00:00Z,\
         N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,false\n",
        arn("user/ana")
    );
    let everything =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let organization = json!({
        "OrganizationPolicies": [{"Id": "p-1", "Name": "all", "Type": "SERVICE_CONTROL_POLICY", "Content": everything}],
        "OrganizationTargets": [{"Id": "r-ab12", "PolicyIds": ["p-1"]},
                                {"Id": ACCOUNT, "ParentId": "r-ab12", "PolicyIds": ["p-1"]}]
    });
    world.put("granted/organization.json", organization.to_string());
    world.put("granted/details.json", details.to_string());
    world.put("granted/keys.json", keys.to_string());
    world.put("granted/report.csv", report);
    world.path("granted")
}

#[test]
fn every_table_and_view_answers() {
    let world = World::new("sql_views");
    let store = filled(&world);
    let granted = put_granted(&world);
    store.command(["permissions", "load", granted.to_str().unwrap()]).ok();
    store.command(["permissions", "--keep"]).ok();
    let listed =
        store.sql("SELECT table_name FROM information_schema.tables WHERE table_schema <> 'information_schema'");
    let names: Vec<_> = listed.iter().map(|row| row["table_name"].as_str().unwrap()).collect();
    for name in [
        "events",
        "findings",
        "objects",
        "parked",
        "logins",
        "root_activity",
        "denied",
        "access_keys",
        "principals",
        "behaviour",
        "sessions",
        "role_switches",
        "lineage",
        "iam_granted",
        "permissions",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    for name in &names {
        let rows = store.number(&format!("SELECT count(*) AS n FROM \"{name}\""));
        assert!(rows > 0 || MAY_BE_EMPTY.contains(name), "{name} is empty");
        store.sql(&format!("SELECT * FROM \"{name}\" LIMIT 3"));
    }
}

#[test]
fn an_answer_that_needs_too_much_memory_is_refused_not_fatal() {
    let world = World::new("sql_memory");
    let store = filled(&world);
    let run = store
        .command([
            "sql",
            "SELECT a.event_id, b.event_id FROM events a, events b ORDER BY a.request_id, b.request_id",
            "--memory",
            "1",
        ])
        .exits(2);
    assert!(run.stderr.contains("memory"), "{}", run.stderr);
}

#[test]
fn exit_codes_mean_something() {
    let world = World::new("exit_codes");
    world.put(&format!("high/{}", key("Root")), gzip(&log(&[root_key("e")])));
    world.put(&format!("quiet/{}", key("Quiet")), gzip(&log(&[logs::record("e")])));
    let path = |name: &str| world.path(name).to_str().unwrap().to_string();

    trailhound(["scan", &path("high"), "--fail-on", "high"]).exits(1);
    trailhound(["scan", &path("high"), "--fail-on", "info"]).exits(1);
    trailhound(["scan", &path("quiet"), "--fail-on", "info"]).exits(0);
    trailhound(["scan", &path("high")]).exits(0);

    let missing = trailhound(["scan", &path("nowhere")]).exits(2);
    assert!(missing.stderr.contains("nowhere") && missing.stderr.contains("no such file"), "{}", missing.stderr);
    trailhound(["sql", "SELEC 1", "--store", &path("store")]).exits(2);
    trailhound(["sql", "SELECT 1", "--store", &path("high")]).exits(2);
    for args in [
        &["scan"][..],
        &["scna"],
        &["scan", "x", "--fail-on", "grave"],
        &["sql", "SELECT 1"],
        &["scan", "x", "--since", "noon"],
    ] {
        let run = trailhound(args).exits(64);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty());
    }
    trailhound(["--help"]).ok();
    trailhound(["--version"]).ok();
}

/// A question asked of a place that holds no store must not make one there.
#[test]
fn asking_makes_no_store() {
    let world = World::new("no_store");
    let place = world.path("typo");
    let run = trailhound(["sql", "SELECT count(*) FROM events", "--store", place.to_str().unwrap()]).exits(2);
    assert!(run.stderr.contains("typo"), "{}", run.stderr);
    assert!(!place.exists(), "asking made {}", place.display());
}

#[test]
fn findings_and_principals_can_be_looked_at() {
    let world = World::new("look");
    let store = filled(&world);
    let findings = store.command(["findings", "list", "--format", "ndjson"]).ok().lines();
    let severities = ["critical", "high", "medium", "low", "info"];
    let rank = |finding: &serde_json::Value| severities.iter().position(|word| finding["severity"] == *word).unwrap();
    let table = store.command(["findings", "list"]).ok().text();
    let in_table: Vec<_> = table
        .lines()
        .filter_map(|line| severities.iter().position(|word| line.split_whitespace().next() == Some(word)))
        .collect();
    assert!(in_table.len() == findings.len() && in_table.is_sorted(), "the gravest first\n{table}");
    let first = &findings[0];
    let id = first["id"].as_str().unwrap();
    let shown = store.command(["findings", "show", &id[..12]]).ok().text();
    for part in [id, first["rule"].as_str().unwrap(), first["event_ids"][0].as_str().unwrap()] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    store.command(["findings", "show", "0000"]).exits(2);
    let high = store.command(["findings", "list", "--severity", "high", "--format", "ndjson"]).ok().lines();
    assert!(!high.is_empty() && high.len() < findings.len() && high.iter().all(|finding| rank(finding) < 2));

    let event = &store.sql("SELECT principal_key, user_identity_access_key_id AS key, source_ip_address AS ip FROM events WHERE user_identity_access_key_id IS NOT NULL AND source_kind = 'public' ORDER BY event_id LIMIT 1")[0];
    for who in ["principal_key", "key", "ip"] {
        let who = event[who].as_str().unwrap();
        let told = store.command(["investigate", who]).ok().text();
        assert!(told.contains(who) || told.contains(event["ip"].as_str().unwrap()), "{who}\n{told}");
    }
}
