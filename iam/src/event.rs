//! From an event of CloudTrail to the actions of IAM that it needed, and on which resources.
//!
//! Comes in: source, name, request parameters and resources of one record. Goes out: [`Mapped`], which tells what was
//! used from what needs no permission, and both from what is not known here. The knowledge is data: `iam/data/events.txt`
//! (names), `passed_roles.txt` (roles in requests, hence `iam:PassRole`) and `resources.txt` (ARNs from requests).
//!
//! What is promised: a known action of the catalogue or none. What is not: that the call was allowed by an identity policy; CloudTrail
//! does not say which policy allowed a call. Whether it succeeded is for the caller to look at, as well as who called.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::catalogue::{Action, ActionId, Catalogue};

mod passed;
mod path;
mod resource;
mod rules;

use passed::PassedRoles;
use resource::Resources;
use rules::{Outcome, Rules};

/// What of a record decides which actions it needed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Event<'a> {
    /// `eventSource`: `s3.amazonaws.com`.
    pub source: &'a str,
    /// `eventName`, as written or without the API version that some services append.
    pub name: &'a str,
    /// `eventType`; empty where the record has none, as before version 1.02.
    pub kind: &'a str,
    /// `requestParameters`. Without them, only what an event always needs is told.
    pub request: Option<&'a Value>,
    /// The ARNs of `resources`.
    pub resources: &'a [String],
    /// The account that the resources are in, unless a record says otherwise: `recipientAccountId`.
    pub account: &'a str,
    /// `awsRegion`.
    pub region: &'a str,
}

/// What an event says of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapped {
    /// It needed these, the call's own first. Never empty.
    Actions(Vec<Used>),
    /// A call that asks for no permission.
    Free,
    /// No call that IAM governs: a sign-in, something that a service tells of itself, an Insight.
    NoCall,
    /// A call of which it is not known here what it needs. Nothing of its service should be called unused because of it.
    Unmapped,
}

/// An action that an event needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    pub action: ActionId,
    /// ARNs, in order; empty where the action knows no resources or the event does not tell them. For `iam:PassRole` there can be an
    /// instance profile's: which role is in it, only IAM knows.
    pub resources: Vec<String>,
    /// For `iam:PassRole`: the service that the role was passed to, `iam:PassedToService` of the request.
    pub passed_to: Option<String>,
}

/// Which actions an event needed.
pub fn event_actions(event: &Event) -> Mapped {
    if matches!(event.kind, "AwsServiceEvent" | "AwsConsoleSignIn" | "AwsCloudTrailInsight" | "AwsAggregatedEvent") {
        return Mapped::NoCall;
    }
    let catalogue = Catalogue::shipped();
    let source = source_name(event.source);
    let needs = match Rules::shipped().outcome(source, event.name) {
        Outcome::Free => return Mapped::Free,
        Outcome::NoCall => return Mapped::NoCall,
        Outcome::Needs(needs) => needs,
    };
    let mut used: Vec<Used> = Vec::new();
    for need in needs.iter().filter(|need| need.applies(event.request)) {
        let resources = match &need.resource_at {
            Some(path) => Resources::shipped().named(event, need.action, path),
            None => Resources::shipped().of(event, need.action),
        };
        if !used.iter().any(|u| u.action == need.action) {
            used.push(Used { action: need.action, resources, passed_to: None });
        }
    }
    if used.is_empty() {
        return Mapped::Unmapped;
    }
    if let (Some(pass_role), Some(request)) = (catalogue.find("iam", "PassRole"), event.request) {
        let mut passed: BTreeSet<(String, String)> = BTreeSet::new();
        for (service, role) in PassedRoles::shipped().of(source, rules::unversioned(event.name), request) {
            passed.insert((service, role.arn(partition(event.region), event.account)));
        }
        for (service, arn) in passed {
            match used.iter_mut().find(|u| u.passed_to.as_ref() == Some(&service)) {
                Some(same) => same.resources.push(arn),
                None => used.push(Used { action: pass_role, resources: vec![arn], passed_to: Some(service) }),
            }
        }
    }
    Mapped::Actions(used)
}

/// Whether the events of some call are known to say that the action was needed: those of the operation of its own name, unless
/// that needs something else or nothing, or others.
pub(crate) fn is_told(id: ActionId, action: &Action) -> bool {
    let rules = Rules::shipped();
    let own = || match rules.outcome(action.service, action.name) {
        Outcome::Needs(needs) => needs.iter().any(|need| need.action == id),
        Outcome::Free | Outcome::NoCall => false,
    };
    rules.names(id) || action.is_operation && own()
}

/// Actions that an event of this name can need, by what its request says; [`event_actions`] tells which of them it did.
pub(crate) fn possible_actions(source: &str, name: &str) -> Vec<ActionId> {
    match Rules::shipped().outcome(source_name(source), name) {
        Outcome::Needs(needs) => needs.iter().map(|need| need.action).collect(),
        Outcome::Free | Outcome::NoCall => Vec::new(),
    }
}

/// The prefixes of IAM that an event source belongs to, of those that the catalogue holds.
pub(crate) fn services_of(source: &str) -> Vec<&'static str> {
    let prefixes = Rules::shipped().prefixes(source_name(source));
    let first = |prefix: &&str| Catalogue::shipped().of_service(prefix).next().map(|(_, action)| action.service);
    prefixes.iter().filter_map(first).collect()
}

/// `s3` of `s3.amazonaws.com`.
fn source_name(source: &str) -> &str {
    let source = source.strip_suffix(".cn").unwrap_or(source);
    source.strip_suffix(".amazonaws.com").unwrap_or(source)
}

/// The partition that a region is in (AWS General Reference, "Amazon Resource Names").
pub fn partition(region: &str) -> &'static str {
    match region.split('-').collect::<Vec<_>>()[..] {
        ["cn", ..] => "aws-cn",
        ["us", "gov", ..] => "aws-us-gov",
        ["us", "iso", ..] => "aws-iso",
        ["us", "isob", ..] => "aws-iso-b",
        ["us", "isof", ..] => "aws-iso-f",
        ["eu", "isoe", ..] => "aws-iso-e",
        ["eusc", ..] => "aws-eusc",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests;
