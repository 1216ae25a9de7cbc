//! A file, by what is in it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Deserializer, Value};

use super::error::Problem;
use super::gather::Gathered;
use super::node::{Node, Reading};
use super::{accessed, details, organisation, report};

/// Outputs that hold names where grants would be needed, told by a member that no other output has.
const TOO_LITTLE: &[(&str, &str, &str)] = &[
    ("PolicyNames", "a list of inline policies' names", "aws iam get-role-policy, get-user-policy or get-group-policy"),
    ("Roles", "aws iam list-roles", DETAILS),
    ("Users", "aws iam list-users", DETAILS),
    ("Groups", "a list of groups", DETAILS),
    ("Versions", "aws iam list-policy-versions", "aws iam get-policy-version"),
    ("PoliciesGrantingServiceAccess", "aws iam list-policies-granting-service-access", DETAILS),
    ("JobId", "the start of a job", "what it makes: aws iam get-service-last-accessed-details --job-id"),
    ("Records", "a CloudTrail log", DETAILS),
];
const DETAILS: &str = "aws iam get-account-authorization-details";

/// Reads a file of any kind. `entity` is whom it is about, if its name says so.
pub(super) fn read(bytes: &[u8], entity: Option<&str>, reading: &mut Reading, gathered: &mut Gathered) {
    let Ok(text) = std::str::from_utf8(bytes) else { return reading.wrong("", Problem::NotText) };
    let text = text.trim_start_matches('\u{feff}').trim();
    gathered.told_policies.clear();
    if text.is_empty() {
        reading.wrong("", Problem::Empty);
    } else if text.starts_with(report::BEGINNING) {
        credentials(text, "", reading, gathered);
    } else if text.starts_with(['{', '[']) {
        documents(text, entity, reading, gathered);
    } else {
        let found = text.chars().take(40).collect();
        reading.wrong("", Problem::UnknownKind { found });
    }
}

/// JSON documents one after another, each an output or an array of outputs.
fn documents(text: &str, entity: Option<&str>, reading: &mut Reading, gathered: &mut Gathered) {
    let mut read: Vec<Value> = Vec::new();
    for document in Deserializer::from_str(text).into_iter::<Value>() {
        match document {
            Ok(document) => read.push(document),
            Err(error) => {
                let place = format!("line {}, column {}", error.line(), error.column());
                return reading.wrong(&place, Problem::Json(error.to_string()));
            }
        }
    }
    let several = read.len() > 1;
    for (number, value) in read.iter().enumerate() {
        let path = if several { format!("document {}", number + 1) } else { String::new() };
        let node = Node { value, path };
        match node.elements() {
            Some(elements) => elements.iter().for_each(|node| output(node, entity, reading, gathered)),
            None => output(&node, entity, reading, gathered),
        }
    }
}

/// One output of a call, told by its members. An `Arn` beside them says whose it is.
fn output(node: &Node, entity: Option<&str>, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(object) = node.value.as_object() else {
        return node.unexpected("an object", reading).unwrap_or_default();
    };
    let has = |name: &str| object.contains_key(name);
    let first_has = |list: &str, member: &str| node.value[list][0].get(member).is_some();
    let around = object.get("Arn").and_then(Value::as_str).or(entity);
    if has("UserDetailList")
        || has("RoleDetailList")
        || has("GroupDetailList")
        || first_has("Policies", "PolicyVersionList")
    {
        details::page(node, reading, gathered);
    } else if has("ServicesLastAccessed") || has("JobStatus") {
        accessed::read(node, around, reading, gathered);
    } else if has("Content") && (has("ReportFormat") || has("GeneratedTime")) {
        encoded_report(node, reading, gathered);
    } else if has("OrganizationPolicies") || has("OrganizationTargets") {
        organisation::written(node, reading, gathered);
    } else if has("Organization") {
        organisation::describe(node, reading, gathered);
    } else if node.value["Policy"].get("PolicySummary").is_some() {
        organisation::described_policy(node, reading, gathered);
    } else if has("Targets") {
        organisation::targets_of_policy(node, reading, gathered);
    } else if has("Parents") {
        organisation::parents(node, reading, gathered);
    } else if has("Policies") && (has("TargetId") || first_has("Policies", "Type")) {
        organisation::policies_of_target(node, reading, gathered);
    } else if has("PolicyVersion") {
        details::policy_version(node, around, reading, gathered);
    } else if has("PolicyDocument") && has("PolicyName") {
        details::inline_policy(node, around, reading, gathered);
    } else if has("AttachedPolicies") {
        details::attached_policies(node, around, reading, gathered);
    } else if has("AccessKeyMetadata") {
        details::access_keys(node, around, reading, gathered);
    } else if ["User", "Role", "Group", "Policy"].into_iter().any(has) {
        details::entity(node, reading, gathered);
    } else if first_has("Policies", "DefaultVersionId") {
        let what = "aws iam list-policies";
        reading.wrong(&node.path, Problem::TooLittle { what, instead: DETAILS });
    } else if let Some((_, what, instead)) = TOO_LITTLE.iter().find(|(member, _, _)| has(member)) {
        reading.wrong(&node.path, Problem::TooLittle { what, instead });
    } else {
        let found = object.keys().take(8).cloned().collect::<Vec<_>>().join(", ");
        reading.wrong(&node.path, Problem::UnknownKind { found });
    }
}

/// `get-credential-report`: the CSV in Base64.
fn encoded_report(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(content) = node.text("Content", reading) else { return };
    match STANDARD.decode(content.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => credentials(&text, "Content", reading, gathered),
        None => {
            let found = "text that is no Base64 of a report".to_owned();
            reading.wrong("Content", Problem::Unexpected { found, expected: "Base64, as IAM gives it" });
        }
    }
}

fn credentials(text: &str, place: &str, reading: &mut Reading, gathered: &mut Gathered) {
    for row in report::read(text, place, reading) {
        gathered.reported(row, reading);
    }
}
