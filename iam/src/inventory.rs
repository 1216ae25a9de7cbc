//! Who there is in the accounts and what was granted to them: outputs of AWS's calls come in, an [`Inventory`] goes out, or all
//! that is wrong with the files. Nothing is half-loaded.
//!
//! What is in a file decides what it is; names do not matter. Known are, as the AWS CLI prints them or as the API gives
//! them, one or several in a file, one after another or in an array:
//!
//! | output of | tells |
//! |---|---|
//! | `iam get-account-authorization-details`, all pages | everything about who may do what; with `--filter` only what is asked for |
//! | `iam get-credential-report`, or the CSV in it | passwords, second factors, keys, root |
//! | `iam list-access-keys`, each key with its `AccessKeyLastUsed` where that is known | the keys' ids |
//! | `iam get-service-last-accessed-details`, with whose it is | what AWS itself knows of use |
//! | `iam get-user`, `get-role`, `get-group`, `get-policy` | one entity, without its policies |
//! | `iam get-user-policy`, `get-role-policy`, `get-group-policy` | an inline policy |
//! | `iam list-attached-user-policies` …, with whose it is; `get-policy-version` | managed policies |
//! | `organizations …` | see [`Organisation`] |
//!
//! Some outputs do not say whom they are about. Then an `Arn` is put beside their members
//! (`jq '. + {Arn: "arn:aws:iam::111122223333:role/web"}'`), or the caller knows it ([`File::entity`]).
//!
//! AWS's own managed policies are in the details only where they were asked for (no `--filter`, or with
//! `AWSManagedPolicy`). Where a policy's document is in no file, the principal's grants are known to be incomplete: see
//! [`PolicySet::unread`]. A page that is missing in the middle cannot be noticed, because pages do not say where they belong;
//! a last one that is missing is an error.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::document::{Effect, Selection};
use crate::evaluate::{Context, Place, Policy, PolicySet};
use crate::pattern::matches_ignoring_case;
use crate::principal::account_in;

mod accessed;
mod details;
mod entity;
mod error;
mod file;
mod gather;
mod node;
mod organisation;
pub mod part;
mod report;
mod walk;

pub use accessed::{LastAccessed, ServiceAccess};
pub use entity::{
    AccessKey, Attachments, Credentials, Group, InlinePolicy, LastUse, ManagedPolicy, ReportedKey, Role, RoleKind,
    Root, User,
};
pub use error::{InventoryError, Location, Note, Problem};
pub use organisation::{ControlPolicy, ControlType, Organisation, Target};
pub use part::{Part, parts};

use gather::Gathered;
use node::Reading;

/// Principals, policies and the organisation, each by ARN where it has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    pub users: BTreeMap<String, User>,
    pub roles: BTreeMap<String, Role>,
    pub groups: BTreeMap<String, Group>,
    pub policies: BTreeMap<String, ManagedPolicy>,
    /// By account.
    pub roots: BTreeMap<String, Root>,
    pub accessed: BTreeMap<String, LastAccessed>,
    pub organisation: Organisation,
    /// What a reader should know and what did not hinder loading: times that lie in the future, files of different age.
    pub notes: Vec<Note>,
}

/// A file that holds one or several outputs, not compressed.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// For messages.
    pub name: &'a str,
    pub bytes: &'a [u8],
    /// The ARN of whom the file is about, for outputs that do not say.
    pub entity: Option<&'a str>,
}

impl Inventory {
    /// Reads files; `now` is the present, by which times in the future are noticed.
    ///
    /// # Errors
    /// Everything that is wrong in any of the files, in their order, then what does not fit together.
    pub fn read<'a>(
        files: impl IntoIterator<Item = File<'a>>,
        now: Timestamp,
    ) -> Result<Inventory, Vec<InventoryError>> {
        let mut gathered = Gathered::default();
        let (mut errors, mut notes) = (Vec::new(), Vec::new());
        for file in files {
            let mut reading = Reading::new(file.name, now);
            file::read(file.bytes, file.entity, &mut reading, &mut gathered);
            errors.append(&mut reading.errors);
            notes.append(&mut reading.notes);
        }
        let (mut inventory, missing, more) = gathered.assemble();
        // What is missing follows from what could not be read.
        if errors.is_empty() {
            errors = missing;
        }
        notes.extend(more);
        inventory.notes = notes;
        if errors.is_empty() { Ok(inventory) } else { Err(errors) }
    }

    /// All policies of a user or role that are evaluated together; none if there is no such principal.
    pub fn policy_set(&self, arn: &str) -> Option<PolicySet> {
        let (attachments, mut context) = match (self.users.get(arn), self.roles.get(arn)) {
            (Some(user), _) => (&user.attachments, self.context_of_user(user)),
            (_, Some(role)) => (&role.attachments, self.context_of_role(role)),
            _ => return None,
        };
        let mut set = PolicySet::default();
        self.add_identity(arn, attachments, &mut set);
        if let Some(user) = self.users.get(arn) {
            match &user.groups {
                None => set.unread.push(format!("the groups of {arn}")),
                Some(groups) => {
                    for group in groups.iter().filter_map(|group| self.groups.get(group)) {
                        self.add_identity(&group.arn, &group.attachments, &mut set);
                    }
                }
            }
        }
        if let Some(boundary) = &attachments.boundary {
            set.boundary = self.managed(boundary, "the permissions boundary", &mut set.unread);
        }
        let account = account_in(arn).unwrap_or_default();
        let is_service_linked = self.roles.get(arn).is_some_and(|role| role.kind() == RoleKind::ServiceLinked);
        if !is_service_linked {
            set.levels = self.organisation.levels(account, ControlType::Service);
            if !self.organisation.knows(account) && !self.organisation.targets.is_empty() {
                set.unread.push(format!("the service control policies of {account}"));
            }
        }
        if let Some(id) = &self.organisation.id
            && self.organisation.knows(account)
        {
            context = context.with("aws:PrincipalOrgID", id);
        }
        set.context = context;
        Some(set)
    }

    /// Inline and attached policies of a user, role or group.
    fn add_identity(&self, owner: &str, attachments: &Attachments, set: &mut PolicySet) {
        for policy in &attachments.inline {
            let place = Place::Inline { owner: owner.to_owned(), name: policy.name.clone() };
            set.identity.push(Policy { place, document: policy.document.clone() });
        }
        if !attachments.inline_complete {
            set.unread.push(format!("inline policies of {owner}"));
        }
        match &attachments.attached {
            None => set.unread.push(format!("managed policies of {owner}")),
            Some(arns) => {
                for arn in arns {
                    set.identity.extend(self.managed(arn, "the managed policy", &mut set.unread));
                }
            }
        }
    }

    fn managed(&self, arn: &str, what: &str, unread: &mut Vec<String>) -> Option<Policy> {
        match self.policies.get(arn).and_then(|policy| policy.document.clone()) {
            Some(document) => Some(Policy { place: Place::Managed(arn.to_owned()), document }),
            None => {
                unread.push(format!("{what} {arn}"));
                None
            }
        }
    }

    /// Keys that every request of a user carries, after IAM User Guide, "AWS global condition context keys".
    fn context_of_user(&self, user: &User) -> Context {
        let mut context = context_of(&user.arn, "User").with("aws:username", &user.name);
        if let Some(id) = &user.id {
            context = context.with("aws:userid", id);
        }
        with_tags(context, &user.tags)
    }

    /// As for users. A role's requests carry no user name, and the user id has the session's name in it. Its tags can be
    /// overridden by the session's where the role's trust allows these; then they are not known.
    fn context_of_role(&self, role: &Role) -> Context {
        let context = context_of(&role.arn, "AssumedRole").without("aws:username");
        let takes_tags = role.trust.as_ref().is_none_or(|trust| {
            let allows = trust.statements.iter().filter(|statement| statement.effect == Effect::Allow);
            allows.into_iter().any(|statement| match &statement.actions {
                Selection::Only(patterns) => patterns.iter().any(|p| matches_ignoring_case(p, "sts:TagSession")),
                _ => true,
            })
        });
        if takes_tags { context } else { with_tags(context, &role.tags) }
    }
}

fn context_of(arn: &str, kind: &str) -> Context {
    Context::new()
        .with("aws:PrincipalArn", arn)
        .with("aws:PrincipalAccount", account_in(arn).unwrap_or_default())
        .with("aws:PrincipalType", kind)
        .with("aws:PrincipalIsAWSService", "false")
        .without("aws:PrincipalServiceName")
        .without("aws:PrincipalServiceNamesList")
}

fn with_tags(context: Context, tags: &BTreeMap<String, String>) -> Context {
    tags.iter().fold(context, |context, (key, value)| context.with(&format!("aws:PrincipalTag/{key}"), value))
}

#[cfg(test)]
mod tests;
