use serde_json::{Value, json};

use super::*;
use crate::catalogue::Catalogue;
use crate::evaluate::{Decision, Evaluator};

const NOW: &str = "2026-11-01T00:00:00Z";
const MIA: &str = "arn:aws:iam::111122223333:user/mia";
const WEB: &str = "arn:aws:iam::111122223333:role/web";
const DEV: &str = "arn:aws:iam::111122223333:group/dev";
const LOGS: &str = "arn:aws:iam::111122223333:policy/logs";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn read(texts: &[&str]) -> Result<Inventory, Vec<InventoryError>> {
    let names: Vec<String> = (1..=texts.len()).map(|number| format!("{number}.json")).collect();
    let files = texts.iter().zip(&names).map(|(text, name)| File { name, bytes: text.as_bytes(), entity: None });
    Inventory::read(files, now())
}

fn read_json(values: &[Value]) -> Result<Inventory, Vec<InventoryError>> {
    let texts: Vec<String> = values.iter().map(Value::to_string).collect();
    read(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Each text has to be among the errors, and no other error may be there.
#[track_caller]
fn fails(found: Result<Inventory, Vec<InventoryError>>, expected: &[&str]) {
    let errors: Vec<String> = found.expect_err("it was read").iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.contains(expected), "{error}\nhas no\n{expected}");
    }
}

fn allow(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}})
}

fn trust() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
}

fn mia() -> Value {
    json!({"Path": "/", "UserName": "mia", "UserId": "AIDAEXAMPLEUSER00001", "Arn": MIA, "CreateDate": "2025-01-02T03:04:05+00:00",
        "GroupList": ["dev"], "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": allow("sqs:*")}],
        "AttachedManagedPolicies": [], "Tags": [{"Key": "team", "Value": "red"}],
        "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": LOGS}})
}

fn web() -> Value {
    json!({"Path": "/", "RoleName": "web", "RoleId": "AROAEXAMPLEROLE00001", "Arn": WEB, "CreateDate": "2025-01-02T03:04:05Z",
        "AssumeRolePolicyDocument": trust(), "RolePolicyList": [],
        "InstanceProfileList": [{"Arn": "arn:aws:iam::111122223333:instance-profile/web", "Roles": []}],
        "AttachedManagedPolicies": [{"PolicyName": "logs", "PolicyArn": LOGS},
            {"PolicyName": "ReadOnlyAccess", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
        "Tags": [], "RoleLastUsed": {"LastUsedDate": "2026-10-01T00:00:00+00:00", "Region": "eu-west-1"}})
}

fn dev() -> Value {
    json!({"Path": "/", "GroupName": "dev", "GroupId": "AGPAEXAMPLEGROUP0001", "Arn": DEV, "CreateDate": "2025-01-02T03:04:05Z",
        "GroupPolicyList": [], "AttachedManagedPolicies": [{"PolicyName": "logs", "PolicyArn": LOGS}]})
}

fn logs() -> Value {
    json!({"PolicyName": "logs", "Arn": LOGS, "DefaultVersionId": "v2", "AttachmentCount": 2, "PolicyVersionList": [
        {"VersionId": "v2", "IsDefaultVersion": true, "Document": allow("logs:*")},
        {"VersionId": "v1", "IsDefaultVersion": false, "Document": allow("*")}]})
}

fn details() -> Value {
    json!({"UserDetailList": [mia()], "RoleDetailList": [web()], "GroupDetailList": [dev()], "Policies": [logs()]})
}

fn page(list: &str, entity: Value, truncated: bool) -> Value {
    let mut page = json!({"UserDetailList": [], "RoleDetailList": [], "GroupDetailList": [], "Policies": []});
    page[list] = json!([entity]);
    page["IsTruncated"] = json!(truncated);
    page
}

#[test]
fn details_in_every_form() {
    let expected = read_json(&[details()]).unwrap();
    assert_eq!(expected.users[MIA].groups, Some(vec![DEV.to_owned()]));
    assert_eq!(expected.users[MIA].attachments.boundary.as_deref(), Some(LOGS));
    assert_eq!(expected.users[MIA].tags["team"], "red");
    assert_eq!(expected.roles[WEB].kind(), RoleKind::Own);
    let used =
        LastUse::At { time: "2026-10-01T00:00:00Z".parse().unwrap(), region: Some("eu-west-1".into()), service: None };
    assert_eq!(expected.roles[WEB].last_used, used);
    assert_eq!(expected.roles[WEB].instance_profiles, ["arn:aws:iam::111122223333:instance-profile/web"]);
    assert_eq!(expected.policies[LOGS].document.as_ref().unwrap().statements.len(), 1);

    let pages =
        [("UserDetailList", mia()), ("GroupDetailList", dev()), ("RoleDetailList", web()), ("Policies", logs())];
    let pages: Vec<Value> = pages.into_iter().enumerate().map(|(i, (list, e))| page(list, e, i < 3)).collect();
    assert_eq!(read_json(&pages).as_ref(), Ok(&expected), "several files");
    let mut turned = pages.clone();
    turned.reverse();
    assert_eq!(read_json(&turned).as_ref(), Ok(&expected), "in any order");
    assert_eq!(read_json(&[Value::Array(pages.clone())]).as_ref(), Ok(&expected), "an array of pages");
    let lines: Vec<String> = pages.iter().map(Value::to_string).collect();
    assert_eq!(read(&[&lines.join("\n")]).as_ref(), Ok(&expected), "documents one after another");
    assert_eq!(read_json(&[details(), details()]).as_ref(), Ok(&expected), "the same twice");

    let encode = |document: Value| {
        let text = document.to_string();
        json!(percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string())
    };
    let mut encoded = details();
    encoded["UserDetailList"][0]["UserPolicyList"][0]["PolicyDocument"] = encode(allow("sqs:*"));
    encoded["RoleDetailList"][0]["AssumeRolePolicyDocument"] = encode(trust());
    encoded["Policies"][0]["PolicyVersionList"][0]["Document"] = encode(allow("logs:*"));
    assert_eq!(read_json(&[encoded]).as_ref(), Ok(&expected), "documents encoded for URLs");
}

#[test]
fn policies_of_a_principal_are_put_together() {
    let inventory = read_json(&[details()]).unwrap();
    let set = inventory.policy_set(MIA).unwrap();
    let places: Vec<String> = set.identity.iter().map(|policy| policy.place.to_string()).collect();
    assert_eq!(places, [format!("own of {MIA}"), LOGS.to_owned()], "of the user and of the group");
    assert!(set.boundary.is_some() && set.unread.is_empty());
    let compiled = Evaluator::new(Catalogue::shipped()).compile(&set);
    let decide = |action| compiled.decide(action, "*", &Context::new());
    assert!(matches!(decide("logs:CreateLogGroup"), Decision::Allowed { .. }));
    assert!(matches!(decide("sqs:SendMessage"), Decision::Denied(_)), "not within the boundary");

    let set = inventory.policy_set(WEB).unwrap();
    assert_eq!(set.unread, ["the managed policy arn:aws:iam::aws:policy/ReadOnlyAccess"]);
    assert!(inventory.policy_set(DEV).is_none());
}

#[test]
fn tags_of_a_role_are_known_where_sessions_cannot_change_them() {
    let role = |trusted: &str| {
        let mut role = web();
        role["Tags"] = json!([{"Key": "team", "Value": "red"}]);
        role["AssumeRolePolicyDocument"]["Statement"][0]["Action"] = json!(["sts:AssumeRole", trusted]);
        role["RolePolicyList"] = json!([{"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement":
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::${aws:PrincipalTag/team}/*"}}}]);
        let mut details = details();
        details["RoleDetailList"] = json!([role]);
        let set = read_json(&[details]).unwrap().policy_set(WEB).unwrap();
        Evaluator::new(Catalogue::shipped()).compile(&set).decide("s3:GetObject", "arn:aws:s3:::red/x", &Context::new())
    };
    assert!(matches!(role("sts:SetSourceIdentity"), Decision::Allowed { .. }));
    assert!(matches!(role("sts:TagSession"), Decision::Conditional { .. }));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let with = |change: fn(&mut Value)| {
        let mut details = details();
        change(&mut details);
        read_json(&[details])
    };
    fails(with(|d| d["IsTruncated"] = json!(true)), &["1.json: IsTruncated is true"]);
    fails(with(|d| d["NextToken"] = json!("abc")), &["IsTruncated is true"]);
    fails(
        with(|d| d["UserDetailList"][0]["GroupList"] = json!(["ops"])),
        &["1.json, UserDetailList[0]: arn:aws:iam::111122223333:user/mia is in the group ops"],
    );
    fails(with(|d| d["GroupDetailList"][0]["GroupList"] = json!(["ops"])), &["hold users only"]);
    fails(
        with(|d| d["UserDetailList"][0]["CreateDate"] = json!("yesterday")),
        &["UserDetailList[0].CreateDate: \"yesterday\" is no time"],
    );
    fails(
        with(|d| d["UserDetailList"][0]["Arn"] = json!(WEB)),
        &["UserDetailList[0].Arn: \"arn:aws:iam::111122223333:role/web\", expected the ARN of an IAM user"],
    );
    fails(with(|d| d["RoleDetailList"] = json!({})), &["RoleDetailList: an object, expected an array"]);
    fails(with(|d| d["Policies"][0]["DefaultVersionId"] = json!("v9")), &["has no version v9"]);
    fails(
        with(|d| {
            d["UserDetailList"][0]["UserPolicyList"][0]["PolicyDocument"] = json!("{\"Statement\":[{\"Effect\":");
            d["RoleDetailList"][0]["RoleName"] = json!(null);
            d["Policies"][0]["PolicyVersionList"][0]["Document"]["Statement"]["Condition"] = json!({"Bool": "true"});
        }),
        &[
            "UserDetailList[0].UserPolicyList[0].PolicyDocument: the policy document is not JSON",
            "RoleDetailList[0].RoleName: nothing here, expected a string",
            "Policies[0].PolicyVersionList[0].Document: statement 0: Condition is another string",
        ],
    );
    let mut other = details();
    other["RoleDetailList"][0]["RoleId"] = json!("AROAEXAMPLEROLE00002");
    fails(
        read_json(&[details(), other]),
        &[
            "2.json, RoleDetailList[0]: arn:aws:iam::111122223333:role/web is described at 1.json, RoleDetailList[0] with another RoleId",
        ],
    );
    let text = details().to_string();
    fails(read(&[&text[..text.len() - 40]]), &["the JSON breaks off here"]);
    fails(read(&[""]), &["the file is empty"]);
    fails(read(&["hello,world\n1,2\n"]), &["this is none of the known outputs (it has: hello,world"]);
    fails(read(&["{\"Records\":[]}"]), &["a CloudTrail log does not say what is granted"]);
    fails(read(&["[1]"]), &["[0]: 1, expected an object"]);
    fails(
        read(&["{\"Policies\":[{\"Arn\":\"a\",\"DefaultVersionId\":\"v1\"}]}"]),
        &["aws iam list-policies does not say"],
    );
    let gzip = Inventory::read([File { name: "x.gz", bytes: b"\x1f\x8b\x08\xff", entity: None }], now());
    fails(gzip, &["x.gz: the file is no UTF-8 text"]);
}

#[test]
fn times_that_lie_ahead_are_noted() {
    let mut ahead = details();
    ahead["UserDetailList"][0]["CreateDate"] = json!("2030-01-01T00:00:00Z");
    let inventory = read_json(&[ahead]).unwrap();
    assert_eq!(inventory.notes.len(), 1);
    let note = inventory.notes[0].to_string();
    assert_eq!(note, "1.json, UserDetailList[0].CreateDate: 2030-01-01T00:00:00Z lies in the future");
}

#[test]
fn single_calls_add_up() {
    let mut role = web();
    let of_role = role.as_object_mut().unwrap();
    for list in ["RolePolicyList", "AttachedManagedPolicies", "InstanceProfileList"] {
        of_role.remove(list);
    }
    let alone = read_json(&[json!({"Role": role.clone()})]).unwrap();
    let unread = [format!("inline policies of {WEB}"), format!("managed policies of {WEB}")];
    assert_eq!(alone.policy_set(WEB).unwrap().unread, unread);
    let texts = [
        json!({"Role": role.clone()}),
        json!({"RoleName": "web", "PolicyName": "own", "PolicyDocument": allow("sqs:*")}),
        json!({"Arn": WEB, "AttachedPolicies": [{"PolicyName": "logs", "PolicyArn": LOGS}], "IsTruncated": false}),
        json!([{"Policy": {"PolicyName": "logs", "Arn": LOGS, "DefaultVersionId": "v2"}},
               {"PolicyVersion": {"Document": allow("logs:*"), "VersionId": "v2", "IsDefaultVersion": true}}]),
    ];
    let set = read_json(&texts).unwrap().policy_set(WEB).unwrap();
    assert_eq!(set.unread, [format!("inline policies of {WEB}")], "nothing says that there is no other");
    assert_eq!(set.identity.len(), 2);
    fails(read_json(&texts[1..2]), &["web names 0 of the entities"]);
    fails(read_json(&[json!({"AttachedPolicies": []})]), &["put it into an object with Arn (`jq '. + {Arn: \"…\"}'`)"]);
    let version = json!({"PolicyVersion": {"Document": allow("s3:*"), "VersionId": "v2", "IsDefaultVersion": true}});
    fails(read_json(std::slice::from_ref(&version)), &["nothing here says whose this is"]);
    let text = version.to_string();
    let named = Inventory::read([File { name: "v", bytes: text.as_bytes(), entity: Some(LOGS) }], now()).unwrap();
    assert!(named.policies[LOGS].document.is_some());
    let mut user = mia();
    user.as_object_mut().unwrap().remove("GroupList");
    let group = json!({"Group": dev(), "Users": [user.clone()]});
    assert!(read_json(&[group.clone(), json!({"User": user})]).is_ok());
    let mut elsewhere = details();
    elsewhere["UserDetailList"][0]["GroupList"] = json!([]);
    let Err(errors) = read_json(&[elsewhere, group]) else { panic!("the user is in the group and is not") };
    assert!(errors.iter().any(|error| error.to_string().contains("another GroupList")), "{errors:?}");
}

const REPORT: &str = "\
user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,\
access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,\
access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,\
cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated
<root_account>,arn:aws:iam::111122223333:root,2020-01-01T00:00:00+00:00,not_supported,2026-05-01T00:00:00+00:00,not_supported,not_supported,true,\
false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A
mia,arn:aws:iam::111122223333:user/mia,2025-01-02T03:04:05+00:00,true,no_information,2025-01-02T03:04:05+00:00,N/A,false,\
true,2025-02-01T00:00:00+00:00,2026-10-30T10:00:00+00:00,eu-west-1,s3,false,2024-02-01T00:00:00+00:00,N/A,N/A,N/A,false,N/A,false,N/A
";

#[test]
fn credential_reports() {
    use base64::Engine;
    let inventory = read(&[REPORT]).unwrap();
    let root = &inventory.roots["111122223333"].credentials;
    assert_eq!((root.password_enabled, root.mfa_active, root.keys.len()), (None, true, 0));
    assert!(matches!(root.password_last_used, LastUse::At { .. }));
    let mia = inventory.users[MIA].credentials.as_ref().unwrap();
    assert_eq!((mia.password_enabled, &mia.password_last_used), (Some(true), &LastUse::Never));
    let [first, second] = &mia.keys[..] else { panic!("{mia:?}") };
    assert!(first.active && !second.active && second.last_used == LastUse::Never);
    let LastUse::At { region, service, .. } = &first.last_used else { panic!("{first:?}") };
    assert_eq!((region.as_deref(), service.as_deref()), (Some("eu-west-1"), Some("s3")));
    assert_eq!(inventory.policy_set(MIA).unwrap().unread.len(), 3, "nothing is known of grants");

    let content = base64::engine::general_purpose::STANDARD.encode(REPORT);
    let encoded = json!({"Content": content, "ReportFormat": "text/csv", "GeneratedTime": "2026-10-31T00:00:00Z"});
    assert_eq!(read_json(&[encoded]).unwrap(), inventory);

    let keys = json!({"AccessKeyMetadata": [
        {"UserName": "mia", "AccessKeyId": "AKIAEXAMPLE000000001", "Status": "Active", "CreateDate": "2025-02-01T00:00:00Z"}]});
    let both = read(&[&details().to_string(), REPORT, &keys.to_string()]).unwrap();
    assert_eq!(both.users[MIA].access_keys[0].last_used, first.last_used);
    // A key tells of its use itself, in more detail than a report that is hours old.
    for (date, expected) in [("2026-10-31T12:00:00Z", "sts"), ("2025-02-02T00:00:00Z", "s3")] {
        let used = json!({"LastUsedDate": date, "ServiceName": "sts", "Region": "N/A"});
        let mut keys = keys.clone();
        keys["AccessKeyMetadata"][0]["AccessKeyLastUsed"] = used;
        let told = read(&[&details().to_string(), REPORT, &keys.to_string()]).unwrap();
        let LastUse::At { service, .. } = &told.users[MIA].access_keys[0].last_used else { panic!("{told:?}") };
        assert_eq!(service.as_deref(), Some(expected));
    }
    assert!(both.policy_set(MIA).unwrap().unread.is_empty());

    fails(read(&[&REPORT.replace("mfa_active", "mfa")]), &["line 1: the header has no column mfa_active"]);
    fails(read(&[&REPORT.replace("2025-02-01T00:00:00+00:00", "soon")]), &["line 3: \"soon\" is no time"]);
    fails(
        read(&[&REPORT.replace("true,no_information", "maybe,no_information")]),
        &["line 3: password_enabled is \"maybe\""],
    );
    fails(read(&[REPORT.split_at(REPORT.len() - 30).0]), &["line 3: "]);
    fails(read(&[REPORT.lines().next().unwrap()]), &["no row, expected one for root"]);
    fails(
        read(&[REPORT, &REPORT.replace("no_information", "N/A").replace("eu-west-1", "eu-west-2")]),
        &["another row of the report"],
    );
}

#[test]
fn services_last_accessed() {
    let page = |services: Value, more: bool| {
        json!({"JobStatus": "COMPLETED", "JobType": "ACTION_LEVEL", "JobCompletionDate": "2026-10-31T00:00:00+00:00",
            "ServicesLastAccessed": services, "IsTruncated": more})
    };
    let s3 = json!([{"ServiceName": "Amazon S3", "ServiceNamespace": "s3", "LastAuthenticated": "2026-10-01T00:00:00+00:00",
        "LastAuthenticatedEntity": WEB, "LastAuthenticatedRegion": "eu-west-1", "TotalAuthenticatedEntities": 1,
        "TrackedActionsLastAccessed": [{"ActionName": "PutBucketPolicy"},
            {"ActionName": "ListAllMyBuckets", "LastAccessedEntity": WEB, "LastAccessedTime": "2026-10-01T00:00:00+00:00", "LastAccessedRegion": "eu-west-1"}]}]);
    let sqs = json!([{"ServiceName": "Amazon SQS", "ServiceNamespace": "sqs", "TotalAuthenticatedEntities": 0}]);
    let mut whole = page(s3.clone(), true);
    whole["Arn"] = json!(WEB);
    let mut last = page(sqs, false);
    last["Arn"] = json!(WEB);
    let accessed = &read_json(&[whole.clone(), last]).unwrap().accessed[WEB];
    assert_eq!(accessed.services["sqs"], ServiceAccess::default());
    let actions = accessed.services["s3"].actions.as_ref().unwrap();
    assert_eq!(actions["PutBucketPolicy"], None);
    assert!(actions["ListAllMyBuckets"].is_some());
    fails(read_json(&[whole]), &["IsTruncated is true"]);
    let text = page(s3, false).to_string();
    fails(read(&[&text]), &["nothing here says whose this is"]);
    assert!(Inventory::read([File { name: "a", bytes: text.as_bytes(), entity: Some(WEB) }], now()).is_ok());
    fails(read_json(&[json!({"JobStatus": "IN_PROGRESS"})]), &["the report's job is IN_PROGRESS"]);
}

fn organisation() -> Value {
    json!({"OrganizationPolicies": [{"Id": "p-1", "Type": "SERVICE_CONTROL_POLICY", "Content": allow("logs:*")}],
        "OrganizationTargets": [
            {"Id": "r-ab12", "PolicyIds": ["p-FullAWSAccess", "p-RCPFullAWSAccess"]},
            {"Id": "ou-ab12-1", "ParentId": "r-ab12", "PolicyIds": ["p-1"]},
            {"Id": "111122223333", "ParentId": "ou-ab12-1", "PolicyIds": ["p-FullAWSAccess"]}]})
}

#[test]
fn organisations() {
    let inventory = read_json(&[details(), organisation()]).unwrap();
    let levels = inventory.organisation.levels("111122223333", ControlType::Service);
    let places: Vec<Vec<String>> =
        levels.iter().map(|level| level.iter().map(|p| p.place.to_string()).collect()).collect();
    assert_eq!(places, [["p-FullAWSAccess at r-ab12"], ["p-1 at ou-ab12-1"], ["p-FullAWSAccess at 111122223333"]]);
    let mut set = inventory.policy_set(MIA).unwrap();
    set.boundary = None;
    let compiled = Evaluator::new(Catalogue::shipped()).compile(&set);
    let is_of_logs = |id| Catalogue::shipped().action(id).service == "logs";
    assert!(compiled.granted().iter().all(|(id, _)| is_of_logs(id)), "sqs is kept out by the unit");

    let calls = [
        json!({"Organization": {"Id": "o-ab12cd34ef", "MasterAccountId": "999900001111"}}),
        json!({"Policy": {"PolicySummary": {"Id": "p-1", "Type": "SERVICE_CONTROL_POLICY"}, "Content": allow("logs:*").to_string()}}),
        json!({"PolicyId": "p-FullAWSAccess", "Targets": [{"TargetId": "r-ab12", "Type": "ROOT"}, {"TargetId": "111122223333", "Type": "ACCOUNT"}]}),
        json!({"TargetId": "ou-ab12-1", "Policies": [{"Id": "p-1", "Type": "SERVICE_CONTROL_POLICY"}]}),
        json!({"TargetId": "r-ab12", "Policies": [{"Id": "p-RCPFullAWSAccess", "Type": "RESOURCE_CONTROL_POLICY"}, {"Id": "p-tags", "Type": "TAG_POLICY"}]}),
        json!({"ChildId": "ou-ab12-1", "Parents": [{"Id": "r-ab12", "Type": "ROOT"}]}),
        json!({"ChildId": "111122223333", "Parents": [{"Id": "ou-ab12-1", "Type": "ORGANIZATIONAL_UNIT"}]}),
    ];
    let by_calls = read_json(&calls).unwrap().organisation;
    assert_eq!(by_calls.levels("111122223333", ControlType::Service).len(), 3);
    assert_eq!(by_calls.levels("999900001111", ControlType::Service).len(), 0, "the management account is free");
    assert!(by_calls.knows("999900001111") && !by_calls.knows("444455556666"));

    let with = |change: fn(&mut Value)| {
        let mut organisation = organisation();
        change(&mut organisation);
        read_json(&[organisation])
    };
    fails(
        with(|o| o["OrganizationPolicies"] = json!([])),
        &["p-1 is attached to ou-ab12-1 and its content is in none", "ou-ab12-1 has none"],
    );
    fails(with(|o| o["OrganizationTargets"][1]["ParentId"] = json!("r-zz")), &["ou-ab12-1 lies under r-zz"]);
    fails(with(|o| o["OrganizationTargets"][1]["ParentId"] = json!(null)), &["nothing says under what ou-ab12-1 lies"]);
    fails(
        with(|o| o["OrganizationTargets"][1]["ParentId"] = json!("ou-ab12-1")),
        &["111122223333 lies under itself", "ou-ab12-1 lies under itself"],
    );
    fails(
        with(|o| o["OrganizationTargets"][2]["PolicyIds"] = json!([])),
        &["111122223333 has none, though AWS always leaves one"],
    );
    fails(read_json(&[json!({"Targets": []})]), &["an object with PolicyId"]);
}

#[test]
fn service_linked_roles_are_free_of_control_policies() {
    let mut details = details();
    details["RoleDetailList"][0]["Path"] = json!("/aws-service-role/autoscaling.amazonaws.com/");
    let inventory = read_json(&[details, organisation()]).unwrap();
    assert_eq!(inventory.roles[WEB].kind(), RoleKind::ServiceLinked);
    assert!(inventory.policy_set(WEB).unwrap().levels.is_empty());
    assert_eq!(inventory.policy_set(MIA).unwrap().levels.len(), 3);
}

#[test]
fn a_large_policy_is_read() {
    let statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": vec!["arn:aws:s3:::b/some/longer/prefix/*"; 1_000]});
    let mut large = details();
    large["Policies"][0]["PolicyVersionList"][0]["Document"] =
        json!({"Version": "2012-10-17", "Statement": vec![statement; 160]});
    let text = large.to_string();
    assert!(text.len() > 6_000_000, "{}", text.len());
    let inventory = read(&[&text]).unwrap();
    assert_eq!(inventory.policies[LOGS].document.as_ref().unwrap().statements.len(), 160);
}
