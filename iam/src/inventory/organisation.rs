//! The organisation: which policies are attached where, so that it can be told what holds for an account.
//!
//! It comes as output of the AWS CLI (`describe-organization`, `describe-policy`, and with whom they are about put around
//! them `list-targets-for-policy`, `list-policies-for-target`, `list-parents`), or written by hand:
//!
//! ```json
//! {"OrganizationPolicies": [{"Id": "p-1", "Type": "SERVICE_CONTROL_POLICY", "Content": {"Version": "2012-10-17", "Statement": []}}],
//!  "OrganizationTargets": [{"Id": "r-ab12", "PolicyIds": ["p-FullAWSAccess"]},
//!                          {"Id": "ou-ab12-1", "ParentId": "r-ab12", "PolicyIds": ["p-FullAWSAccess", "p-1"]},
//!                          {"Id": "111122223333", "ParentId": "ou-ab12-1", "PolicyIds": ["p-FullAWSAccess"]}]}
//! ```
//!
//! `p-FullAWSAccess` and `p-RCPFullAWSAccess` are AWS's own, allow everything and need no content.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::details::paged;
use super::entity::Merge;
use super::error::{InventoryError, Location, Problem};
use super::gather::{Found, Gathered, List};
use super::node::{Node, Reading};
use crate::document::Document;
use crate::evaluate::{Place, Policy};

/// What AWS attaches to everything when a type of policies is switched on.
const FULL_ACCESS: [(&str, ControlType); 2] =
    [("p-FullAWSAccess", ControlType::Service), ("p-RCPFullAWSAccess", ControlType::Resource)];
/// How the id of an organisation's root begins.
const ROOT: &str = "r-";
const FULL_ACCESS_DOCUMENT: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}"#;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Organisation {
    /// `o-…`
    pub id: Option<String>,
    /// The management account, which no control policy holds.
    pub management: Option<String>,
    /// By id.
    pub policies: BTreeMap<String, ControlPolicy>,
    /// Roots, units and accounts, by id.
    pub targets: BTreeMap<String, Target>,
}

/// A policy of the organisation that limits what accounts may do.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlPolicy {
    pub id: String,
    pub kind: ControlType,
    pub document: Arc<Document>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    /// Service control policy (SCP): what the account's principals may do.
    Service,
    /// Resource control policy (RCP): what may be done to the account's resources.
    Resource,
}

/// A root (`r-…`), a unit (`ou-…`) or an account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    pub id: String,
    /// None for a root.
    pub parent: Option<String>,
    /// Ids of what is attached right here.
    pub policies: BTreeSet<String>,
}

impl Organisation {
    /// The policies of a type that hold for an account, by level, the root first and the account last: each level must
    /// allow, by any of its policies. Empty if none hold: for the management account, if the type is not in use,
    /// and if nothing is known of the account ([`Organisation::knows`]).
    pub fn levels(&self, account: &str, kind: ControlType) -> Vec<Vec<Policy>> {
        if self.management.as_deref() == Some(account) || !self.uses(kind) {
            return Vec::new();
        }
        let mut levels = Vec::new();
        let mut next = self.targets.get(account);
        while let Some(target) = next.filter(|_| levels.len() < self.targets.len()) {
            levels.push(
                self.attached(target, kind)
                    .map(|policy| Policy {
                        place: Place::Organisation { target: target.id.clone(), policy: policy.id.clone() },
                        document: policy.document.clone(),
                    })
                    .collect(),
            );
            next = target.parent.as_ref().and_then(|parent| self.targets.get(parent));
        }
        levels.reverse();
        levels
    }

    /// Whether it is known what holds for an account.
    pub fn knows(&self, account: &str) -> bool {
        self.targets.contains_key(account) || self.management.as_deref() == Some(account)
    }

    fn attached(&self, target: &Target, kind: ControlType) -> impl Iterator<Item = &ControlPolicy> {
        target.policies.iter().filter_map(|id| self.policies.get(id)).filter(move |policy| policy.kind == kind)
    }

    /// Whether a type of policies is switched on: something of it is attached somewhere.
    fn uses(&self, kind: ControlType) -> bool {
        self.targets.values().any(|target| self.attached(target, kind).next().is_some())
    }

    /// Puts together what was gathered; nothing may be missing on the way from an account to its root.
    pub(super) fn assemble(gathered: &mut Gathered, errors: &mut Vec<InventoryError>) -> Organisation {
        let mut wrong = |at: &Location, problem| errors.push(InventoryError { at: at.clone(), problem });
        let mut organisation = Organisation {
            id: gathered.organisation.id.take(),
            management: gathered.organisation.management.take(),
            policies: std::mem::take(&mut gathered.control_policies).into_iter().map(|(id, p)| (id, p.value)).collect(),
            targets: BTreeMap::new(),
        };
        let targets = std::mem::take(&mut gathered.targets);
        organisation.add_full_access(&targets);
        for (id, Found { value: target, at }) in &targets {
            for policy in &target.policies {
                let known = organisation.policies.contains_key(policy) || gathered.other_policies.contains(policy);
                if !known {
                    wrong(at, Problem::NoContent(policy.clone(), id.clone()));
                }
            }
            if target.parent.is_none() && !id.starts_with(ROOT) {
                wrong(at, Problem::NoParent(id.clone()));
            }
            let mut above = target.parent.as_ref();
            let mut steps = 0;
            while let Some(parent) = above {
                let Some(found) = targets.get(parent) else {
                    if steps == 0 {
                        wrong(at, Problem::UnknownParent { child: id.clone(), parent: parent.clone() });
                    }
                    break;
                };
                steps += 1;
                if steps > targets.len() {
                    wrong(at, Problem::ParentCycle(id.clone()));
                    break;
                }
                above = found.value.parent.as_ref();
            }
        }
        organisation.targets = targets.iter().map(|(id, found)| (id.clone(), found.value.clone())).collect();
        if organisation.uses(ControlType::Service) {
            for (id, found) in &targets {
                if organisation.attached(&found.value, ControlType::Service).next().is_none() {
                    wrong(&found.at, Problem::NoneAttached(id.clone()));
                }
            }
        }
        organisation
    }

    fn add_full_access(&mut self, targets: &BTreeMap<String, Found<Target>>) {
        for (id, kind) in FULL_ACCESS {
            if targets.values().any(|target| target.value.policies.contains(id)) && !self.policies.contains_key(id) {
                let (mut document, _) = Document::parse(FULL_ACCESS_DOCUMENT);
                if kind == ControlType::Service {
                    // Service control policies name no principal.
                    document.statements[0].principals = crate::document::Selection::Unstated;
                }
                let policy = ControlPolicy { id: id.to_owned(), kind, document: Arc::new(document) };
                self.policies.insert(id.to_owned(), policy);
            }
        }
    }
}

impl Merge for Target {
    fn merge(&mut self, other: Target) -> Vec<&'static str> {
        self.policies.extend(other.policies);
        match (&self.parent, other.parent) {
            (Some(mine), Some(theirs)) if *mine != theirs => return vec!["parent"],
            (None, theirs) => self.parent = theirs,
            _ => {}
        }
        Vec::new()
    }
}

impl Merge for ControlPolicy {
    fn merge(&mut self, other: ControlPolicy) -> Vec<&'static str> {
        if *self == other { Vec::new() } else { vec!["content"] }
    }
}

/// `describe-organization`.
pub(super) fn describe(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(organisation) = node.member("Organization") else { return };
    gathered.organisation.id = organisation.maybe_text("Id", reading);
    let names = ["ManagementAccountId", "MasterAccountId"];
    gathered.organisation.management = names.iter().find_map(|name| organisation.maybe_text(name, reading));
}

/// `describe-policy`.
pub(super) fn described_policy(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(policy) = node.member("Policy") else { return };
    let Some(summary) = policy.member("PolicySummary") else { return };
    control_policy(&summary, &policy, reading, gathered);
}

/// The form that is written by hand.
pub(super) fn written(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    for policy in node.list("OrganizationPolicies", reading) {
        control_policy(&policy, &policy, reading, gathered);
    }
    for target in node.list("OrganizationTargets", reading) {
        let Some(id) = target.text("Id", reading) else { continue };
        let parent = target.maybe_text("ParentId", reading);
        let policies = target.list("PolicyIds", reading);
        let text = |id: &Node| id.value.as_str().map(str::to_owned).or_else(|| id.unexpected("an id", reading));
        let policies = policies.iter().filter_map(text).collect();
        gathered.target(Target { id, parent, policies }, reading.at(&target.path), reading);
    }
}

/// `list-targets-for-policy`, with the `PolicyId` put beside the `Targets`.
pub(super) fn targets_of_policy(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(policy) = whose(node, "PolicyId", reading) else { return };
    for target in node.list("Targets", reading) {
        if let Some(id) = target.text("TargetId", reading) {
            let policies = BTreeSet::from([policy.clone()]);
            gathered.target(Target { id, parent: None, policies }, reading.at(&target.path), reading);
        }
    }
    paged(node, List::Of(format!("targets of {policy}")), reading, gathered);
}

/// `list-policies-for-target`, with the `TargetId` put beside the `Policies`.
pub(super) fn policies_of_target(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(id) = whose(node, "TargetId", reading) else { return };
    let policies = node.list("Policies", reading);
    let mut ids = BTreeSet::new();
    for policy in &policies {
        let Some(id) = policy.text("Id", reading) else { continue };
        if control_type(policy, reading).is_none() {
            gathered.other_policies.insert(id.clone());
        }
        ids.insert(id);
    }
    gathered.target(Target { id: id.clone(), parent: None, policies: ids }, reading.at(&node.path), reading);
    paged(node, List::Of(format!("policies of {id}")), reading, gathered);
}

/// `list-parents`, with the `ChildId` put beside the `Parents`. There is one.
pub(super) fn parents(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(id) = whose(node, "ChildId", reading) else { return };
    for parent in node.list("Parents", reading) {
        let parent = parent.text("Id", reading);
        gathered.target(Target { id: id.clone(), parent, policies: BTreeSet::new() }, reading.at(&node.path), reading);
    }
}

fn whose(node: &Node, member: &'static str, reading: &mut Reading) -> Option<String> {
    if !node.has(member) {
        reading.wrong(&node.path, Problem::Whose { member, or: "" });
    }
    node.maybe_text(member, reading)
}

fn control_policy(summary: &Node, policy: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(id) = summary.text("Id", reading) else { return };
    let Some(kind) = control_type(summary, reading) else {
        gathered.other_policies.insert(id);
        return;
    };
    if let Some(document) = policy.document("Content", reading) {
        gathered.control_policy(ControlPolicy { id, kind, document }, reading.at(&policy.path), reading);
    }
}

/// None for types that limit nothing (tags, backups …).
fn control_type(node: &Node, reading: &mut Reading) -> Option<ControlType> {
    match node.text("Type", reading)?.as_str() {
        "SERVICE_CONTROL_POLICY" => Some(ControlType::Service),
        "RESOURCE_CONTROL_POLICY" => Some(ControlType::Resource),
        _ => None,
    }
}
