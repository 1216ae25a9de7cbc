//! Files cut into what is kept of them over time: a part for each entity, which reads by itself as a [`File`] does, and can be
//! compared with the one of the day before.
//!
//! The files were read with [`Inventory::read`](super::Inventory::read) before, so that nothing is wrong with them here.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use csv::{ReaderBuilder, StringRecord, WriterBuilder};
use serde_json::{Deserializer, Map, Value, json};

use super::File;
use super::report;
use crate::principal::account_in;

/// The lists of `get-account-authorization-details`, and what an element of each is.
const DETAILS: [(&str, &str); 4] =
    [("UserDetailList", "user"), ("RoleDetailList", "role"), ("GroupDetailList", "group"), ("Policies", "policy")];
/// Kinds of parts that make up the details of an account: whoever has some of them has all there are.
pub const DETAILED: [&str; 4] = ["user", "role", "group", "policy"];
/// Members that tell outputs of an organisation.
const ORGANISATION: [&str; 3] = ["Organization", "Targets", "Parents"];
/// The lists of an organisation that is written by hand.
const WRITTEN: [&str; 2] = ["OrganizationPolicies", "OrganizationTargets"];
/// Members by which an output says what it is about.
const NAMES: [&str; 9] =
    ["Arn", "UserName", "RoleName", "GroupName", "PolicyArn", "PolicyName", "PolicyId", "TargetId", "Id"];

/// What the files say of one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// None for what belongs to no account: AWS's managed policies, an organisation.
    pub account: Option<String>,
    /// user, role, group, policy; credentials (a row of the credential report), access_keys (of a user), last_accessed,
    /// organization, other.
    pub kind: &'static str,
    /// An ARN, or whatever else tells parts of a kind apart.
    pub about: String,
    /// An output that holds nothing else.
    pub text: String,
    /// The same without what every use changes, where there is such a thing.
    pub steady: Option<String>,
}

/// The parts of a file, in its order.
pub fn parts(file: &File<'_>) -> Vec<Part> {
    let text = std::str::from_utf8(file.bytes).unwrap_or_default().trim_start_matches('\u{feff}').trim();
    let mut parts = Vec::new();
    if text.starts_with(report::BEGINNING) {
        credentials(text, &mut parts);
        return parts;
    }
    for document in Deserializer::from_str(text).into_iter::<Value>().map_while(Result::ok) {
        match document {
            Value::Array(outputs) => outputs.into_iter().for_each(|one| output(one, file.entity, &mut parts)),
            one => output(one, file.entity, &mut parts),
        }
    }
    parts
}

fn output(value: Value, entity: Option<&str>, parts: &mut Vec<Part>) {
    let Value::Object(mut object) = value else { return };
    if let Some(entity) = entity {
        object.entry("Arn").or_insert_with(|| entity.into());
    }
    let is_detailed = |object: &Map<String, Value>, list: &str| match list {
        "Policies" => object.get(list).is_some_and(|all| all[0].get("PolicyVersionList").is_some()),
        _ => object.contains_key(list),
    };
    if DETAILS.iter().any(|(list, _)| is_detailed(&object, list)) {
        for (list, kind) in DETAILS {
            if let Some(Value::Array(elements)) = object.remove(list) {
                parts.extend(elements.into_iter().map(|element| detail(list, kind, element)));
            }
        }
        return;
    }
    let has = |name: &str| object.contains_key(name);
    if has("Content") && (has("ReportFormat") || has("GeneratedTime")) {
        let content = object.get("Content").and_then(Value::as_str).unwrap_or_default().trim();
        let report = STANDARD.decode(content).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        return credentials(&report.unwrap_or_default(), parts);
    }
    if let Some(Value::Array(keys)) = object.remove("AccessKeyMetadata") {
        return access_keys(keys, object.get("Arn").and_then(Value::as_str), parts);
    }
    let is_written = WRITTEN.iter().any(|list| object.contains_key(*list));
    for list in WRITTEN {
        if let Some(Value::Array(elements)) = object.remove(list) {
            parts.extend(elements.into_iter().map(|element| Part {
                account: None,
                kind: "organization",
                about: format!("{list} {}", element["Id"].as_str().unwrap_or_default()),
                text: json!({ list: [element] }).to_string(),
                steady: None,
            }));
        }
    }
    if is_written {
        return;
    }
    let kind = if object.contains_key("ServicesLastAccessed") {
        "last_accessed"
    } else if is_organisation(&object) {
        "organization"
    } else {
        "other"
    };
    let about = about(&object);
    parts.push(Part {
        account: object.get("Arn").and_then(Value::as_str).and_then(account_in).map(str::to_owned),
        kind,
        // All that it says are times of use.
        steady: (kind == "last_accessed").then(String::new),
        about,
        text: Value::Object(object).to_string(),
    });
}

/// Whether it is an output of AWS Organizations.
fn is_organisation(object: &Map<String, Value>) -> bool {
    let has = |name: &str| object.contains_key(name);
    let is_policy = object.get("Policy").is_some_and(|policy| policy.get("PolicySummary").is_some());
    let is_attached = has("Policies") && (has("TargetId") || object["Policies"][0].get("Type").is_some());
    ORGANISATION.into_iter().any(has) || is_policy || is_attached
}

fn detail(list: &str, kind: &'static str, mut element: Value) -> Part {
    let about = element["Arn"].as_str().unwrap_or_default().to_owned();
    let account = account_in(&about).map(str::to_owned);
    let text = json!({ list: [&element] }).to_string();
    let used = element.as_object_mut().and_then(|element| element.remove("RoleLastUsed"));
    let steady = used.map(|_| json!({ list: [element] }).to_string());
    Part { account, kind, about, text, steady }
}

/// Rows of a report, each with the header.
fn credentials(report: &str, parts: &mut Vec<Part>) {
    let mut reader = ReaderBuilder::new().from_reader(report.as_bytes());
    let Ok(header) = reader.headers().cloned() else { return };
    let arn = header.iter().position(|name| name == "arn").unwrap_or_default();
    let changes: Vec<bool> = header.iter().map(|name| name.contains("last_used")).collect();
    for row in reader.records().map_while(Result::ok) {
        let about = row.get(arn).unwrap_or_default().to_owned();
        let steady: StringRecord =
            row.iter().zip(&changes).map(|(field, changes)| if *changes { "" } else { field }).collect();
        parts.push(Part {
            account: account_in(&about).map(str::to_owned),
            kind: "credentials",
            about,
            text: csv(&header, &row),
            steady: Some(csv(&header, &steady)),
        });
    }
}

fn csv(header: &StringRecord, row: &StringRecord) -> String {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    for record in [header, row] {
        writer.write_record(record).expect("memory takes whatever is written");
    }
    let bytes = writer.into_inner().expect("memory takes whatever is written");
    String::from_utf8(bytes).expect("it was made of text")
}

/// Keys by user; `arn` is the user's, if it stands beside them.
fn access_keys(keys: Vec<Value>, arn: Option<&str>, parts: &mut Vec<Part>) {
    let mut by_user: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for key in keys {
        let user = arn.or(key["UserName"].as_str()).unwrap_or_default().to_owned();
        by_user.entry(user).or_default().push(key);
    }
    for (about, keys) in by_user {
        let output = |keys: &[Value]| {
            let mut output = json!({ "AccessKeyMetadata": keys });
            if arn.is_some() {
                output["Arn"] = about.as_str().into();
            }
            output.to_string()
        };
        let text = output(&keys);
        let mut unused = keys;
        let used = unused.iter_mut().filter_map(|key| key.as_object_mut()?.remove("AccessKeyLastUsed")).count();
        let steady = (used > 0).then(|| output(&unused));
        let account = account_in(&about).map(str::to_owned);
        parts.push(Part { account, kind: "access_keys", about, text, steady });
    }
}

/// Which call an output is of, by its members, and about what.
fn about(object: &Map<String, Value>) -> String {
    let mut told: Vec<&str> = object.keys().map(String::as_str).collect();
    told.sort_unstable();
    let within = object.values().filter_map(Value::as_object);
    let deeper = object.values().filter_map(|value| value["PolicySummary"].as_object());
    for object in std::iter::once(object).chain(within).chain(deeper) {
        told.extend(NAMES.iter().filter_map(|name| object.get(*name)?.as_str()));
    }
    told.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Inventory;

    const DETAILS: &str = r#"{"UserDetailList": [{"UserName": "ana", "UserId": "AIDAEXAMPLE1", "Path": "/",
            "Arn": "arn:aws:iam::111122223333:user/ana", "CreateDate": "2026-01-01T00:00:00Z", "GroupList": ["ops"]}],
        "GroupDetailList": [{"GroupName": "ops", "GroupId": "AGPAEXAMPLE1", "Path": "/",
            "Arn": "arn:aws:iam::111122223333:group/ops", "CreateDate": "2026-01-01T00:00:00Z"}],
        "RoleDetailList": [{"RoleName": "web", "RoleId": "AROAEXAMPLE1", "Path": "/",
            "Arn": "arn:aws:iam::111122223333:role/web", "CreateDate": "2026-01-01T00:00:00Z",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"Service": "ec2.amazonaws.com"}}},
            "RoleLastUsed": {"LastUsedDate": "2026-02-01T00:00:00Z", "Region": "eu-west-1"},
            "AttachedManagedPolicies": [{"PolicyName": "ReadOnlyAccess", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]}],
        "Policies": [{"PolicyName": "ReadOnlyAccess", "Arn": "arn:aws:iam::aws:policy/ReadOnlyAccess", "DefaultVersionId": "v1",
            "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": true,
                "Document": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}}]}]}
        {"AccessKeyMetadata": [{"UserName": "ana", "AccessKeyId": "AKIAEXAMPLE1", "Status": "Active",
            "CreateDate": "2026-01-02T00:00:00Z"}]}"#;

    fn file(bytes: &[u8]) -> File<'_> {
        File { name: "a file", bytes, entity: None }
    }

    #[test]
    fn parts_say_together_what_the_file_says() {
        let whole = file(DETAILS.as_bytes());
        let parts = parts(&whole);
        let told: Vec<_> = parts.iter().map(|p| (p.account.as_deref(), p.kind, p.about.as_str())).collect();
        let account = Some("111122223333");
        assert_eq!(
            told,
            [
                (account, "user", "arn:aws:iam::111122223333:user/ana"),
                (account, "role", "arn:aws:iam::111122223333:role/web"),
                (account, "group", "arn:aws:iam::111122223333:group/ops"),
                (None, "policy", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
                (None, "access_keys", "ana"),
            ]
        );
        let now = "2026-03-01T00:00:00Z".parse().unwrap();
        let again = Inventory::read(parts.iter().map(|part| file(part.text.as_bytes())), now).unwrap();
        assert_eq!(again, Inventory::read([whole], now).unwrap());
    }

    #[test]
    fn an_organisation_is_cut_into_policies_and_targets() {
        let written = r#"{"Comment": "ours", "OrganizationPolicies": [{"Id": "p-1", "Type": "SERVICE_CONTROL_POLICY", "Content": {"Statement": []}}],
            "OrganizationTargets": [{"Id": "r-ab12", "PolicyIds": ["p-1"]}, {"Id": "111122223333", "ParentId": "r-ab12", "PolicyIds": ["p-1"]}]}
            {"Organization": {"Id": "o-abc", "MasterAccountId": "999988887777"}}
            {"Policy": {"PolicySummary": {"Id": "p-2", "Type": "SERVICE_CONTROL_POLICY"}, "Content": "{}"}}
            {"TargetId": "r-ab12", "Policies": [{"Id": "p-2", "Type": "SERVICE_CONTROL_POLICY"}]}"#;
        let parts = parts(&file(written.as_bytes()));
        assert!(parts.iter().all(|part| part.kind == "organization" && part.account.is_none()), "{parts:?}");
        let told: Vec<_> = parts.iter().map(|part| part.about.as_str()).collect();
        let expected = [
            "OrganizationPolicies p-1",
            "OrganizationTargets r-ab12",
            "OrganizationTargets 111122223333",
            "Organization o-abc",
            "Policy p-2",
            "Policies TargetId r-ab12",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_use_changes_nothing_that_is_steady() {
        let later = DETAILS.replace("2026-02-01", "2026-02-02");
        let (before, after) = (parts(&file(DETAILS.as_bytes())), parts(&file(later.as_bytes())));
        assert_ne!(before[1].text, after[1].text);
        assert_eq!(before[1].steady, after[1].steady);
        let report = |used: &str| {
            let text = format!(
                "user,arn,password_last_used,mfa_active\nana,arn:aws:iam::111122223333:user/ana,{used},true\n\
                 <root_account>,arn:aws:iam::111122223333:root,N/A,true\n"
            );
            parts(&file(text.as_bytes()))
        };
        let (before, after) = (report("2026-02-01T00:00:00Z"), report("2026-02-02T00:00:00Z"));
        assert_eq!(before.len(), 2);
        assert_ne!(before[0].text, after[0].text);
        assert_eq!(before[0].steady, after[0].steady);
        assert_eq!(before[1], after[1]);
    }
}
