//! Readings of accounts one after the other, and what SQL then says of each moment.

use serde_json::{Value, json};
use trailhound_iam::inventory::{File, parts};

use super::{Read, Reading};
use crate::{Store, StoreError, StoreOptions};

const DAY: i64 = 24 * 3_600_000_000;

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(StoreOptions::new(folder.path().join("store").display().to_string())).await.unwrap();
    (folder, store)
}

fn allow(action: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": action, "Resource": "*" } })
}

/// Ana with a policy of her own and those of her group, and a role that was used last on a day.
fn account(action: &str, groups: &[&str], used: &str, tag: &str) -> Value {
    json!({
        "UserDetailList": [{
            "UserName": "ana", "UserId": "AIDAEXAMPLE1", "Path": "/", "Arn": "arn:aws:iam::111122223333:user/ana",
            "CreateDate": "2025-01-01T00:00:00Z", "GroupList": groups, "Tags": [{ "Key": "team", "Value": tag }],
            "UserPolicyList": [{ "PolicyName": "own", "PolicyDocument": allow(action) }],
        }],
        "GroupDetailList": [{
            "GroupName": "ops", "GroupId": "AGPAEXAMPLE1", "Path": "/", "Arn": "arn:aws:iam::111122223333:group/ops",
            "CreateDate": "2025-01-01T00:00:00Z",
            "AttachedManagedPolicies": [{ "PolicyName": "All", "PolicyArn": "arn:aws:iam::aws:policy/All" }],
        }],
        "RoleDetailList": [{
            "RoleName": "web", "RoleId": "AROAEXAMPLE1", "Path": "/", "Arn": "arn:aws:iam::111122223333:role/web",
            "CreateDate": "2025-01-01T00:00:00Z", "RoleLastUsed": { "LastUsedDate": used, "Region": "eu-west-1" },
            "AssumeRolePolicyDocument": "%7B%22Statement%22%3A%5B%5D%7D",
        }],
        "Policies": [{
            "PolicyName": "All", "Arn": "arn:aws:iam::aws:policy/All", "DefaultVersionId": "v2",
            "PolicyVersionList": [
                { "VersionId": "v1", "IsDefaultVersion": false, "Document": allow("s3:Get*") },
                { "VersionId": "v2", "IsDefaultVersion": true, "Document": allow("*") },
            ],
        }],
    })
}

async fn keep(store: &Store, details: &Value, day: i64) -> crate::Result<Read> {
    let text = details.to_string();
    let parts = parts(&File { name: "details", bytes: text.as_bytes(), entity: None });
    store.granted().keep(&parts, day * DAY, "a test").await
}

/// An answer as lines of values.
async fn ask(store: &Store, sql: &str) -> Vec<String> {
    let rows = store.session().await.unwrap().sql(sql).await.unwrap().collect().await.unwrap();
    let shown = arrow::util::pretty::pretty_format_batches(&rows).unwrap().to_string();
    let lines = shown.lines().filter(|line| line.starts_with('|')).skip(1);
    let shown = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(" ");
    lines.map(|line| shown(line).trim_end().to_owned()).collect()
}

#[tokio::test]
async fn what_changed_begins_and_ends_and_what_did_not_goes_on() {
    let (_folder, store) = store().await;
    let first = account("s3:Get*", &["ops"], "1970-01-01T00:00:00Z", "web");
    assert_eq!(keep(&store, &first, 10).await.unwrap(), Read { parts: 4, began: 4, ended: 0 });
    // A use changes nothing; a tag does, but no grant.
    let second = account("s3:Get*", &["ops"], "1970-01-12T00:00:00Z", "shop");
    assert_eq!(keep(&store, &second, 20).await.unwrap(), Read { parts: 4, began: 1, ended: 1 });
    let third = account("s3:*", &[], "1970-01-12T00:00:00Z", "shop");
    assert_eq!(keep(&store, &third, 30).await.unwrap(), Read { parts: 4, began: 1, ended: 1 });
    let times =
        "extract(epoch FROM valid_from)::BIGINT / 86400 AS a, extract(epoch FROM valid_to)::BIGINT / 86400 AS b";
    assert_eq!(
        ask(&store, &format!("SELECT tags, {times} FROM iam_users ORDER BY a")).await,
        [r#"{"team":"web"} 10 20"#, r#"{"team":"shop"} 20 30"#, r#"{"team":"shop"} 30"#]
    );
    assert_eq!(
        ask(&store, "SELECT principal_key, trust, extract(epoch FROM last_used)::BIGINT / 86400 AS u FROM iam_roles")
            .await,
        [r#"role:AROAEXAMPLE1 {"Statement":[]} 11"#]
    );
    // Since when, and until when.
    assert_eq!(
        ask(
            &store,
            &format!(
                "SELECT name, coalesce(through, 'own') AS t, policy, document LIKE '%s3:Get*%' AS g, {times} \
                 FROM iam_granted ORDER BY policy DESC, a"
            )
        )
        .await,
        ["ana own own true 10 30", "ana own own false 30", "ana ops arn:aws:iam::aws:policy/All false 10 30",]
    );
    assert_eq!(
        ask(
            &store,
            "SELECT holder, effect, actions, resources FROM iam_statements WHERE valid_to IS NULL ORDER BY holder"
        )
        .await,
        [
            r#"arn:aws:iam::111122223333:user/ana Allow ["s3:*"] ["*"]"#,
            r#"arn:aws:iam::aws:policy/All Allow ["*"] ["*"]"#,
        ]
    );
    // AWS's own policy belongs to no account.
    assert_eq!(ask(&store, "SELECT count(*) AS n, sum(began) AS b FROM iam_readings").await, ["3 5"]);
}

#[tokio::test]
async fn who_is_gone_has_ended_and_history_is_only_added_to() {
    let (_folder, store) = store().await;
    let mut details = account("s3:*", &["ops"], "1970-01-01T00:00:00Z", "web");
    keep(&store, &details, 10).await.unwrap();
    details["UserDetailList"] = json!([]);
    assert_eq!(keep(&store, &details, 20).await.unwrap(), Read { parts: 3, began: 0, ended: 1 });
    let at = async |day: i64| {
        let stood = store.granted().at(day * DAY).await.unwrap();
        stood.iter().filter(|(name, _)| name.starts_with("user ")).count()
    };
    assert_eq!((at(9).await, at(10).await, at(19).await, at(20).await), (0, 1, 1, 0));
    for day in [15, 20] {
        let error = keep(&store, &details, day).await.unwrap_err();
        assert!(matches!(&error, StoreError::NotNewer { account, .. } if account == "111122223333"), "{error}");
    }
    assert_eq!(at(19).await, 1, "what was refused changed nothing");
    // Another account has a history of its own, and shares what belongs to AWS.
    let other = serde_json::from_str(&details.to_string().replace("111122223333", "444455556666")).unwrap();
    assert_eq!(keep(&store, &other, 12).await.unwrap(), Read { parts: 3, began: 2, ended: 0 });
}

#[tokio::test]
async fn a_reading_of_an_organization_tells_it_whole() {
    let (_folder, store) = store().await;
    let organization = |attached: &[&str], parent: &str| {
        json!({
            "OrganizationPolicies": attached.iter().map(|id| json!({ "Id": id, "Name": "n", "Type": "SERVICE_CONTROL_POLICY",
                "Content": { "Statement": [] } })).collect::<Vec<_>>(),
            "OrganizationTargets": [{ "Id": "r-ab12", "PolicyIds": attached },
                { "Id": "111122223333", "ParentId": parent, "PolicyIds": [] }] })
    };
    let first = organization(&["p-1", "p-2"], "r-ab12");
    assert_eq!(keep(&store, &first, 10).await.unwrap(), Read { parts: 4, began: 4, ended: 0 });
    // An account beside it is a reading of its own, and ends nothing of it.
    let account = account("s3:*", &[], "1970-01-01T00:00:00Z", "web");
    assert_eq!(keep(&store, &account, 15).await.unwrap(), Read { parts: 4, began: 4, ended: 0 });
    let second = organization(&["p-1"], "ou-ab12-1");
    assert_eq!(keep(&store, &second, 20).await.unwrap(), Read { parts: 3, began: 2, ended: 3 });
    assert_eq!(
        ask(&store, "SELECT policy_id, valid_to IS NULL AS stands FROM iam_organization_policies ORDER BY policy_id")
            .await,
        ["p-1 true", "p-2 false"]
    );
    assert_eq!(
        ask(
            &store,
            "SELECT target_id, parent_id FROM iam_organization_targets WHERE valid_to IS NULL ORDER BY target_id"
        )
        .await,
        ["111122223333 ou-ab12-1", "r-ab12"]
    );
    assert_eq!(
        ask(&store, "SELECT account_id, target_id, policy_id FROM iam_organization_attachments WHERE valid_to IS NULL")
            .await,
        ["organization r-ab12 p-1"]
    );
}

#[tokio::test]
async fn rows_of_the_report_and_keys_are_kept_too() {
    let (_folder, store) = store().await;
    let report = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,mfa_active,\
        access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,\
        access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,\
        access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_2_active\n\
        ana,arn:aws:iam::111122223333:user/ana,2025-01-01T00:00:00Z,true,no_information,2025-01-01T00:00:00Z,false,true,\
        2025-01-02T00:00:00Z,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,false\n";
    let keys = json!({ "AccessKeyMetadata": [{ "UserName": "ana", "AccessKeyId": "AKIAEXAMPLE1", "Status": "Active",
        "CreateDate": "2025-01-02T00:00:00Z" }] });
    let mut all = parts(&File { name: "report", bytes: report.as_bytes(), entity: None });
    all.extend(parts(&File { name: "keys", bytes: keys.to_string().as_bytes(), entity: None }));
    store.granted().keep(&all, DAY, "a test").await.unwrap();
    assert_eq!(
        ask(&store, "SELECT account_id, user_name, password, mfa, active_keys, keys_used FROM iam_credentials").await,
        ["111122223333 ana true false 1"]
    );
    assert_eq!(
        ask(&store, "SELECT account_id, user_name, access_key_id, active FROM iam_access_keys").await,
        ["111122223333 ana AKIAEXAMPLE1 true"]
    );
}

#[tokio::test]
async fn rules_are_asked_once_about_each_reading() {
    let (_folder, store) = store().await;
    keep(&store, &account("s3:*", &[], "1970-01-01T00:00:00Z", "web"), 10).await.unwrap();
    let readings = store.granted().unjudged().await.unwrap();
    assert_eq!(readings, [Reading { account: "111122223333".into(), taken: 10 * DAY }]);
    store.granted().judged(&readings).await.unwrap();
    assert_eq!(store.granted().unjudged().await.unwrap(), []);
}
