//! A file, by what is in it. Lists of users, groups, roles and policies, of which a file can hold gigabytes, become entities one by
//! one while they are read; of everything else a tree is made.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};
use serde_json::{Deserializer, Map, Value};

use super::details::{EntityList, Page};
use super::error::Problem;
use super::gather::Gathered;
use super::node::{Node, Reading};
use super::walk::{Walk, Walked};
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

/// Where what is read goes, and what is wrong with it.
struct Sink<'r> {
    entity: Option<&'r str>,
    reading: &'r mut Reading,
    gathered: &'r mut Gathered,
}

/// JSON documents one after another, each an output or an array of outputs.
fn documents(text: &str, entity: Option<&str>, reading: &mut Reading, gathered: &mut Gathered) {
    let is_one_of_several = Deserializer::from_str(text).into_iter::<IgnoredAny>().nth(1).is_some();
    let mut json = Deserializer::from_str(text);
    let mut number = 0;
    while json.end().is_err() {
        number += 1;
        let path = if is_one_of_several { format!("document {number}") } else { String::new() };
        let mut sink = Sink { entity, reading, gathered };
        if let Err(error) = Walked(Outputs { path, sink: &mut sink }).deserialize(&mut json) {
            // What was read of a file that breaks off says nothing.
            reading.errors.clear();
            let place = format!("line {}, column {}", error.line(), error.column());
            return reading.wrong(&place, Problem::Json(error.to_string()));
        }
    }
}

/// A document: an output or an array of outputs.
struct Outputs<'s, 'r> {
    path: String,
    sink: &'s mut Sink<'r>,
}

/// An output of a call.
struct Output<'s, 'r> {
    path: String,
    sink: &'s mut Sink<'r>,
}

/// A list that is called like one of a page of details. What is none comes back.
struct Entities<'s> {
    list: EntityList,
    path: String,
    page: &'s mut Page,
    gathered: &'s mut Gathered,
}

impl<'de> Walk<'de> for Outputs<'_, '_> {
    type Made = ();

    fn tree(self, value: Value) {
        Output { path: self.path, sink: self.sink }.tree(value);
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        Output { path: self.path, sink: self.sink }.object(object)
    }

    fn array<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        for index in 0.. {
            let path = format!("{}[{index}]", self.path);
            if array.next_element_seed(Walked(Output { path, sink: self.sink }))?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

impl<'de> Walk<'de> for Output<'_, '_> {
    type Made = ();

    fn tree(self, value: Value) {
        let page = Page::new(self.sink.reading);
        output(&Node { value: &value, path: self.path }, page, self.sink);
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut page = Page::new(self.sink.reading);
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            let value = match EntityList::named(&name) {
                Some(list) => {
                    let path = Node::path_below(&self.path, &name);
                    let gathered = &mut *self.sink.gathered;
                    object.next_value_seed(Walked(Entities { list, path, page: &mut page, gathered }))?
                }
                None => object.next_value()?,
            };
            members.insert(name, value);
        }
        output(&Node { value: &Value::Object(members), path: self.path }, page, self.sink);
        Ok(())
    }
}

impl<'de> Walk<'de> for Entities<'_> {
    type Made = Value;

    fn tree(self, value: Value) -> Value {
        value
    }

    fn array<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value, A::Error> {
        let mut left = Vec::new();
        let mut index = 0;
        while let Some(value) = array.next_element::<Value>()? {
            if left.is_empty() && (index > 0 || self.page.begins_with(self.list, &value)) {
                let node = Node { value: &value, path: format!("{}[{index}]", self.path) };
                self.page.read(self.list, &node, self.gathered);
            } else {
                left.push(value);
            }
            index += 1;
        }
        Ok(Value::Array(left))
    }
}

/// One output of a call, told by its members; what was read of its lists already is in the page. An `Arn` beside them says
/// whose it is.
fn output(node: &Node, page: Page, sink: &mut Sink<'_>) {
    let Sink { entity, reading, gathered } = sink;
    let Some(object) = node.value.as_object() else {
        return node.unexpected("an object", reading).unwrap_or_default();
    };
    let has = |name: &str| object.contains_key(name);
    let first_has = |list: &str, member: &str| node.value[list][0].get(member).is_some();
    let around = object.get("Arn").and_then(Value::as_str).or(*entity);
    let is_page = page.has_begun() || ["UserDetailList", "RoleDetailList", "GroupDetailList"].into_iter().any(has);
    if is_page {
        page.finish(node, reading, gathered);
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
