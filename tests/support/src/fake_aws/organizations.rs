//! Organizations of one management account, as far as it is read, in pages that begin with an empty one, as AWS's may be.
//!
//! Shapes after the AWS Organizations API Reference.

use axum::response::Response;
use serde_json::{Value, json};

use super::{Call, Fault, World, typed};

const ROOT: &str = "r-ab12";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// One root with what hangs below it, and service control policies.
#[derive(Clone, Debug, Default)]
pub struct Organization {
    /// Who is answered.
    pub management: String,
    /// Units and accounts, each with where it hangs.
    pub below: Vec<(String, String)>,
    /// Accounts that were closed.
    pub suspended: Vec<String>,
    /// Id, document, and what each is attached to.
    pub policies: Vec<(String, String, Vec<String>)>,
    /// Things on a page, however many are asked for.
    pub page_items: usize,
}

pub(super) fn answer(world: &World, operation: &str, call: &Call) -> Response {
    let asked: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let mut inner = world.lock();
    inner.count(operation);
    let fail = |status, code: &str, message: &str| {
        typed(status, CONTENT_TYPE, &json!({ "__type": code, "Message": message }).to_string())
    };
    let account = inner.account_of(&call.access_key);
    if let Some(Fault::Status { status, code, message }) = inner.fault(operation, &account) {
        return fail(status, &code, &message);
    }
    match inner.organization.as_ref().filter(|organization| organization.management == account) {
        None => fail(400, "AccessDeniedException", "You don't have permissions to access this resource."),
        Some(organization) => match organization.told(operation, &asked) {
            Some(told) => typed(200, CONTENT_TYPE, &told.to_string()),
            None => fail(400, "InvalidInputException", operation),
        },
    }
}

impl Organization {
    fn told(&self, operation: &str, asked: &Value) -> Option<Value> {
        let text = |name: &str| asked[name].as_str().unwrap_or_default();
        let page = |list: &str, all: Vec<Value>| Some(self.page(list, &all, text("NextToken")));
        let below = |is_unit: bool| {
            self.below.iter().filter(move |(id, parent)| id.starts_with("ou-") == is_unit && parent == text("ParentId"))
        };
        let summary = |id: &str| json!({ "Id": id, "Name": format!("name of {id}"), "Type": "SERVICE_CONTROL_POLICY", "AwsManaged": false });
        let policy = || self.policies.iter().find(|(id, ..)| id == text("PolicyId"));
        match operation {
            "DescribeOrganization" => Some(json!({ "Organization": {
                "Id": "o-abcdefghij", "FeatureSet": "ALL", "MasterAccountId": self.management } })),
            "ListRoots" => page(
                "Roots",
                vec![json!({ "Id": ROOT, "Name": "Root",
                "PolicyTypes": [{ "Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED" }] })],
            ),
            "ListOrganizationalUnitsForParent" => {
                page("OrganizationalUnits", below(true).map(|(id, _)| json!({ "Id": id, "Name": id })).collect())
            }
            "ListAccountsForParent" => {
                let state = |id| if self.suspended.contains(id) { "SUSPENDED" } else { "ACTIVE" };
                page(
                    "Accounts",
                    below(false).map(|(id, _)| json!({ "Id": id, "Name": id, "State": state(id) })).collect(),
                )
            }
            "ListPolicies" if text("Filter") == "SERVICE_CONTROL_POLICY" => {
                page("Policies", self.policies.iter().map(|(id, ..)| summary(id)).collect())
            }
            "DescribePolicy" => policy()
                .map(|(id, content, _)| json!({ "Policy": { "PolicySummary": summary(id), "Content": content } })),
            "ListTargetsForPolicy" => {
                let targets = policy()?.2.iter().map(|id| json!({ "TargetId": id, "Name": id, "Type": "ACCOUNT" }));
                page("Targets", targets.collect())
            }
            _ => None,
        }
    }

    /// The first page is empty.
    fn page(&self, list: &str, all: &[Value], token: &str) -> Value {
        let Ok(begin) = token.parse::<usize>() else { return json!({ list: [], "NextToken": "0" }) };
        let end = all.len().min(begin + self.page_items.max(1));
        let mut page = json!({ list: all[begin..end] });
        if end < all.len() {
            page["NextToken"] = end.to_string().into();
        }
        page
    }
}
