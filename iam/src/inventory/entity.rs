//! Users, roles, groups and managed policies, as far as the files tell of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::document::Document;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct User {
    pub arn: String,
    pub name: String,
    /// `AIDA…`
    pub id: Option<String>,
    pub created: Option<Timestamp>,
    /// ARNs; none if the files do not say in which groups the user is.
    pub groups: Option<Vec<String>>,
    pub attachments: Attachments,
    pub tags: BTreeMap<String, String>,
    /// From a credential report.
    pub credentials: Option<Credentials>,
    /// Those of which the id is known (`list-access-keys`). A credential report tells of keys without their ids; where
    /// both are there, the times of the report's are in here.
    pub access_keys: Vec<AccessKey>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Role {
    pub arn: String,
    pub name: String,
    /// `AROA…`
    pub id: Option<String>,
    /// `/`, `/service-role/` …
    pub path: String,
    pub created: Option<Timestamp>,
    /// Who may take the role.
    pub trust: Option<Arc<Document>>,
    pub attachments: Attachments,
    pub tags: BTreeMap<String, String>,
    pub last_used: LastUse,
    /// ARNs of instance profiles that hold the role.
    pub instance_profiles: Vec<String>,
}

/// Who made a role, which says who may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleKind {
    /// By the account's people.
    Own,
    /// By an AWS service for itself; its policies cannot be changed, and no service control policy holds it.
    ServiceLinked,
    /// By AWS for Identity Center and the like; changed by way of that service.
    Reserved,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    pub arn: String,
    pub name: String,
    /// `AGPA…`
    pub id: Option<String>,
    pub created: Option<Timestamp>,
    pub attachments: Attachments,
}

/// A managed policy in its default version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ManagedPolicy {
    pub arn: String,
    pub default_version: Option<String>,
    /// None if the files have only told that there is such a policy.
    pub document: Option<Arc<Document>>,
}

/// What an entity has in policies of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attachments {
    pub inline: Vec<InlinePolicy>,
    /// Whether `inline` is all there are.
    pub inline_complete: bool,
    /// ARNs of managed policies; none if the files do not say.
    pub attached: Option<Vec<String>>,
    /// ARN of the permissions boundary.
    pub boundary: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct InlinePolicy {
    pub name: String,
    pub document: Arc<Document>,
}

/// An access key of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessKey {
    /// `AKIA…`
    pub id: String,
    pub active: bool,
    pub created: Option<Timestamp>,
    pub last_used: LastUse,
}

/// A row of a credential report. Keys' times are exact to 15 minutes, passwords' to 5 (IAM User Guide, "Generate
/// credential reports for your AWS account").
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Credentials {
    pub arn: String,
    pub created: Option<Timestamp>,
    /// None for root, of which the report does not say.
    pub password_enabled: Option<bool>,
    pub password_last_used: LastUse,
    pub password_last_changed: Option<Timestamp>,
    pub mfa_active: bool,
    /// The keys there are, in the report's order.
    pub keys: Vec<ReportedKey>,
    /// How many of the two signing certificates are active.
    pub certificates_active: usize,
}

/// An access key as the report tells of it: without its id.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportedKey {
    pub active: bool,
    /// When it was made, or rotated.
    pub created: Option<Timestamp>,
    pub last_used: LastUse,
}

/// When something was last used.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LastUse {
    /// The files do not say.
    #[default]
    Unknown,
    /// Not since AWS keeps such times: 400 days for roles, since October 2014 for passwords, April 2015 for keys.
    Never,
    At {
        time: Timestamp,
        region: Option<String>,
        service: Option<String>,
    },
}

/// Root of an account, from its credential report.
#[derive(Clone, Debug, PartialEq)]
pub struct Root {
    pub account: String,
    pub credentials: Credentials,
}

impl Role {
    /// By the path, which nobody but AWS can choose for such roles.
    pub fn kind(&self) -> RoleKind {
        if self.path.starts_with("/aws-service-role/") {
            RoleKind::ServiceLinked
        } else if self.path.starts_with("/aws-reserved/") {
            RoleKind::Reserved
        } else {
            RoleKind::Own
        }
    }
}

impl LastUse {
    /// The later of two.
    pub(super) fn or_later(self, other: LastUse) -> LastUse {
        match (&self, &other) {
            (LastUse::At { time: a, .. }, LastUse::At { time: b, .. }) => {
                if a < b {
                    other
                } else {
                    self
                }
            }
            (LastUse::At { .. }, _) | (LastUse::Never, LastUse::Unknown) => self,
            _ => other,
        }
    }
}

/// What two files say of one thing, put together. The names of what they contradict each other in come back.
pub(super) trait Merge {
    fn merge(&mut self, other: Self) -> Vec<&'static str>;
}

/// Whether both say the same, or one says nothing; then the other's counts.
fn agree<T: PartialEq>(mine: &mut Option<T>, other: Option<T>) -> bool {
    match (mine.as_ref(), &other) {
        (Some(a), Some(b)) => a == b,
        (None, _) => {
            *mine = other;
            true
        }
        (Some(_), None) => true,
    }
}

fn differing<const N: usize>(fields: [(bool, &'static str); N]) -> Vec<&'static str> {
    fields.into_iter().filter(|(agrees, _)| !agrees).map(|(_, name)| name).collect()
}

impl Merge for User {
    fn merge(&mut self, other: User) -> Vec<&'static str> {
        let mut differ = differing([
            (agree(&mut self.id, other.id), "UserId"),
            (agree(&mut self.created, other.created), "CreateDate"),
            (agree(&mut self.groups, other.groups), "GroupList"),
            (self.tags == other.tags, "Tags"),
        ]);
        differ.extend(self.attachments.merge(other.attachments));
        differ
    }
}

impl Merge for Role {
    fn merge(&mut self, other: Role) -> Vec<&'static str> {
        self.last_used = std::mem::take(&mut self.last_used).or_later(other.last_used);
        self.instance_profiles.extend(other.instance_profiles);
        self.instance_profiles.sort();
        self.instance_profiles.dedup();
        let mut differ = differing([
            (agree(&mut self.id, other.id), "RoleId"),
            (self.path == other.path, "Path"),
            (agree(&mut self.created, other.created), "CreateDate"),
            (agree(&mut self.trust, other.trust), "AssumeRolePolicyDocument"),
            (self.tags == other.tags, "Tags"),
        ]);
        differ.extend(self.attachments.merge(other.attachments));
        differ
    }
}

impl Merge for Group {
    fn merge(&mut self, other: Group) -> Vec<&'static str> {
        let mut differ = differing([
            (agree(&mut self.id, other.id), "GroupId"),
            (agree(&mut self.created, other.created), "CreateDate"),
        ]);
        differ.extend(self.attachments.merge(other.attachments));
        differ
    }
}

impl Merge for ManagedPolicy {
    fn merge(&mut self, other: ManagedPolicy) -> Vec<&'static str> {
        differing([
            (agree(&mut self.default_version, other.default_version), "DefaultVersionId"),
            (agree(&mut self.document, other.document), "Document"),
        ])
    }
}

impl Merge for Credentials {
    fn merge(&mut self, other: Credentials) -> Vec<&'static str> {
        differing([(*self == other, "row of the report")])
    }
}

impl Merge for Attachments {
    fn merge(&mut self, other: Attachments) -> Vec<&'static str> {
        let holds = |all: &[InlinePolicy], one: &InlinePolicy| all.iter().any(|p| p.name == one.name);
        let mut inline_agrees = other.inline.iter().all(|theirs| {
            self.inline.iter().all(|mine| mine.name != theirs.name || mine.document == theirs.document)
                && (!self.inline_complete || holds(&self.inline, theirs))
        });
        inline_agrees &= !other.inline_complete || self.inline.iter().all(|mine| holds(&other.inline, mine));
        self.inline_complete |= other.inline_complete;
        for theirs in other.inline {
            if !holds(&self.inline, &theirs) {
                self.inline.push(theirs);
            }
        }
        differing([
            (inline_agrees, "inline policy"),
            (agree(&mut self.attached, other.attached), "AttachedManagedPolicies"),
            (agree(&mut self.boundary, other.boundary), "PermissionsBoundary"),
        ])
    }
}
