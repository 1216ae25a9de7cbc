//! What the files say, gathered by what it is about, and then put together: only here can be seen what is missing.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::Inventory;
use super::accessed::LastAccessed;
use super::entity::{AccessKey, Attachments, Credentials, Group, ManagedPolicy, Merge, Role, Root, User};
use super::error::{InventoryError, Location, Note, Problem};
use super::node::Reading;
use super::organisation::{ControlPolicy, Organisation, Target};
use super::report::Reported;
use crate::document::Document;
use crate::principal::account_in;

/// Something, and where it was read first.
#[derive(Clone, Debug)]
pub(super) struct Found<T> {
    pub value: T,
    pub at: Location,
}

/// What comes in pages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum List {
    /// Of an account; a page that holds no entity does not say of which, and counts for all.
    Details {
        account: Option<String>,
    },
    Of(String),
}

/// Pages of one list.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// A page that says that more follow.
    pub open: Option<Location>,
    /// Whether one was the last.
    pub closed: bool,
}

/// Policies of an entity that were told apart from it, named by ARN or by name.
#[derive(Debug)]
struct Beside {
    kind: &'static str,
    owner: String,
    attachments: Attachments,
    at: Location,
}

#[derive(Debug, Default)]
pub(super) struct Gathered {
    users: BTreeMap<String, Found<User>>,
    roles: BTreeMap<String, Found<Role>>,
    groups: BTreeMap<String, Found<Group>>,
    policies: BTreeMap<String, Found<ManagedPolicy>>,
    accessed: BTreeMap<String, Found<LastAccessed>>,
    reported: BTreeMap<String, Found<Reported>>,
    beside: Vec<Beside>,
    /// Every document once: those of a pattern that is rolled out to all accounts are alike, and so are most roles' trust policies.
    documents: HashSet<Arc<Document>>,
    /// ARN of a group, ARNs of its users.
    pub members: Vec<(String, Vec<String>, Location)>,
    /// Name or ARN of the user, and a key.
    pub keys: Vec<(String, AccessKey, Location)>,
    /// ARNs of `get-policy` outputs in the file that is being read.
    pub told_policies: Vec<String>,
    pub pages: BTreeMap<List, Pages>,
    /// Accounts of which there are authorization details.
    pub detailed: BTreeSet<String>,
    pub organisation: Organisation,
    pub control_policies: BTreeMap<String, Found<ControlPolicy>>,
    pub targets: BTreeMap<String, Found<Target>>,
    /// Ids of the organisation's policies that limit nothing.
    pub other_policies: BTreeSet<String>,
}

/// Adds what was found to what is there of the same name.
fn add<T: Merge>(all: &mut BTreeMap<String, Found<T>>, name: String, value: T, at: Location, reading: &mut Reading) {
    match all.get_mut(&name) {
        None => _ = all.insert(name, Found { value, at }),
        Some(found) => {
            let differ = found.value.merge(value);
            if !differ.is_empty() {
                let other = found.at.clone();
                let problem = Problem::Contradiction { arn: name, fields: differ.join(", "), other };
                reading.errors.push(InventoryError { at, problem });
            }
        }
    }
}

impl Gathered {
    pub fn user(&mut self, mut user: User, at: Location, reading: &mut Reading) {
        self.share_inline(&mut user.attachments);
        add(&mut self.users, user.arn.clone(), user, at, reading);
    }

    pub fn role(&mut self, mut role: Role, at: Location, reading: &mut Reading) {
        self.share_inline(&mut role.attachments);
        role.trust = role.trust.map(|document| self.shared(document));
        add(&mut self.roles, role.arn.clone(), role, at, reading);
    }

    pub fn group(&mut self, mut group: Group, at: Location, reading: &mut Reading) {
        self.share_inline(&mut group.attachments);
        add(&mut self.groups, group.arn.clone(), group, at, reading);
    }

    pub fn policy(&mut self, mut policy: ManagedPolicy, at: Location, reading: &mut Reading) {
        policy.document = policy.document.map(|document| self.shared(document));
        add(&mut self.policies, policy.arn.clone(), policy, at, reading);
    }

    pub fn last_accessed(&mut self, accessed: LastAccessed, at: Location, reading: &mut Reading) {
        add(&mut self.accessed, accessed.arn.clone(), accessed, at, reading);
    }

    pub fn control_policy(&mut self, policy: ControlPolicy, at: Location, reading: &mut Reading) {
        add(&mut self.control_policies, policy.id.clone(), policy, at, reading);
    }

    pub fn target(&mut self, target: Target, at: Location, reading: &mut Reading) {
        add(&mut self.targets, target.id.clone(), target, at, reading);
    }

    pub fn reported(&mut self, reported: Reported, reading: &mut Reading) {
        let at = reported.at.clone();
        add(&mut self.reported, reported.credentials.arn.clone(), reported, at, reading);
    }

    /// A page of the managed policies of an entity.
    pub fn attached(&mut self, kind: &'static str, owner: &str, mut arns: Vec<String>, at: Location) {
        let page = |beside: &&mut Beside| beside.owner == owner && beside.attachments.attached.is_some();
        let Some(before) = self.beside.iter_mut().find(page) else {
            let attachments = Attachments { attached: Some(arns), ..Attachments::default() };
            return self.beside(kind, owner.to_owned(), attachments, at);
        };
        arns.extend(before.attachments.attached.take().unwrap_or_default());
        arns.sort();
        arns.dedup();
        before.attachments.attached = Some(arns);
    }

    pub fn beside(&mut self, kind: &'static str, owner: String, mut attachments: Attachments, at: Location) {
        self.share_inline(&mut attachments);
        self.beside.push(Beside { kind, owner, attachments, at });
    }

    fn share_inline(&mut self, attachments: &mut Attachments) {
        for policy in &mut attachments.inline {
            policy.document = self.shared(policy.document.clone());
        }
    }

    /// The document that was the first of its content.
    fn shared(&mut self, document: Arc<Document>) -> Arc<Document> {
        if let Some(known) = self.documents.get(&document) {
            return known.clone();
        }
        self.documents.insert(document.clone());
        document
    }

    /// Puts everything together. Errors are about what is missing or does not fit together.
    pub fn assemble(mut self) -> (Inventory, Vec<InventoryError>, Vec<Note>) {
        let (mut errors, mut notes) = (Vec::new(), Vec::new());
        self.find_last_pages(&mut errors);
        self.join_beside(&mut errors);
        self.join_members(&mut errors);
        self.name_groups(&mut errors);
        let roots = self.join_reports(&mut notes);
        self.join_keys(&mut errors);
        let organisation = Organisation::assemble(&mut self, &mut errors);
        let inventory = Inventory {
            users: values(self.users),
            roles: values(self.roles),
            groups: values(self.groups),
            policies: values(self.policies),
            roots,
            accessed: values(self.accessed),
            organisation,
            notes: Vec::new(),
        };
        (inventory, errors, notes)
    }

    fn find_last_pages(&self, errors: &mut Vec<InventoryError>) {
        let is_closed = |list: &List| match list {
            List::Details { account } => self.pages.iter().any(|(other, pages)| match other {
                List::Details { account: others } => {
                    pages.closed && (account == others || account.is_none() || others.is_none())
                }
                List::Of(_) => false,
            }),
            List::Of(_) => self.pages[list].closed,
        };
        for (list, pages) in &self.pages {
            if let (Some(at), false) = (&pages.open, is_closed(list)) {
                errors.push(InventoryError { at: at.clone(), problem: Problem::Truncated });
            }
        }
    }

    fn join_beside(&mut self, errors: &mut Vec<InventoryError>) {
        for Beside { kind, owner, attachments, at } in std::mem::take(&mut self.beside) {
            let differ = match kind {
                "user" => the(&mut self.users, &owner, |u| &u.name).map(|user| user.attachments.merge(attachments)),
                "role" => the(&mut self.roles, &owner, |r| &r.name).map(|role| role.attachments.merge(attachments)),
                _ => the(&mut self.groups, &owner, |g| &g.name).map(|group| group.attachments.merge(attachments)),
            };
            let problem = match differ {
                Ok(differ) if differ.is_empty() => continue,
                Ok(differ) => Problem::Contradiction { arn: owner, fields: differ.join(", "), other: at.clone() },
                Err(count) => Problem::Ambiguous { name: owner, count },
            };
            errors.push(InventoryError { at, problem });
        }
    }

    /// Users of groups by `get-group`. It tells of one group only, so it does not say in which others a user is.
    fn join_members(&mut self, errors: &mut Vec<InventoryError>) {
        for (group, members, at) in std::mem::take(&mut self.members) {
            let name = self.groups[&group].value.name.clone();
            for member in members {
                match self.users.get(&member).map(|user| &user.value.groups) {
                    Some(Some(groups)) if !groups.contains(&name) => {
                        let (arn, fields, other) =
                            (member.clone(), "GroupList".to_owned(), self.users[&member].at.clone());
                        errors.push(InventoryError {
                            at: at.clone(),
                            problem: Problem::Contradiction { arn, fields, other },
                        });
                    }
                    _ => {}
                }
            }
        }
    }

    /// Groups of users by ARN instead of by name.
    fn name_groups(&mut self, errors: &mut Vec<InventoryError>) {
        let key = |arn: &str, name: &str| (account_in(arn).unwrap_or_default().to_owned(), name.to_owned());
        let known: BTreeMap<_, String> =
            self.groups.values().map(|g| (key(&g.value.arn, &g.value.name), g.value.arn.clone())).collect();
        for Found { value: user, at } in self.users.values_mut() {
            for group in user.groups.iter_mut().flatten() {
                match known.get(&key(&user.arn, group)) {
                    Some(arn) => *group = arn.clone(),
                    None => {
                        let problem = Problem::UnknownGroup { user: user.arn.clone(), group: group.clone() };
                        errors.push(InventoryError { at: at.clone(), problem });
                    }
                }
            }
        }
    }

    /// Users' credentials; root's come back. A user whom the report alone knows is taken in without grants.
    fn join_reports(&mut self, notes: &mut Vec<Note>) -> BTreeMap<String, Root> {
        let mut roots = BTreeMap::new();
        for (arn, Found { value: Reported { user, credentials, .. }, at }) in std::mem::take(&mut self.reported) {
            let account = account_in(&arn).unwrap_or_default().to_owned();
            let Some(name) = user else {
                roots.insert(account.clone(), Root { account, credentials });
                continue;
            };
            if !self.users.contains_key(&arn) && self.detailed.contains(&account) {
                let text = format!("{arn} is not in the authorization details, which were fetched at another time");
                notes.push(Note { at: at.clone(), text });
            }
            let created = credentials.created;
            let unknown = || Found { value: User { arn: arn.clone(), name, created, ..User::default() }, at };
            self.users.entry(arn.clone()).or_insert_with(unknown).value.credentials = Some(credentials);
        }
        roots
    }

    /// Ids of access keys. A key of the report is the one that was created in the same second; the report is some hours old,
    /// and may have been made before a use that the key itself tells of.
    fn join_keys(&mut self, errors: &mut Vec<InventoryError>) {
        for (user, mut key, at) in std::mem::take(&mut self.keys) {
            match the(&mut self.users, &user, |user| &user.name) {
                Ok(user) => {
                    let reported = user.credentials.iter().flat_map(|credentials| &credentials.keys);
                    let mut same =
                        reported.filter(|reported| reported.created.is_some() && reported.created == key.created);
                    if let Some(reported) = same.next() {
                        key.last_used = key.last_used.or_later(reported.last_used.clone());
                    }
                    if user.access_keys.iter().all(|known| known.id != key.id) {
                        user.access_keys.push(key);
                    }
                }
                Err(count) => errors.push(InventoryError { at, problem: Problem::Ambiguous { name: user, count } }),
            }
        }
    }
}

impl Merge for Reported {
    fn merge(&mut self, other: Reported) -> Vec<&'static str> {
        Credentials::merge(&mut self.credentials, other.credentials)
    }
}

/// The one of this ARN or name, or how many there are.
fn the<'a, T>(
    all: &'a mut BTreeMap<String, Found<T>>,
    owner: &str,
    name: impl Fn(&T) -> &String,
) -> Result<&'a mut T, usize> {
    if all.contains_key(owner) {
        return Ok(&mut all.get_mut(owner).expect("it was there a line ago").value);
    }
    let mut named: Vec<&mut T> = all.values_mut().map(|found| &mut found.value).filter(|v| name(v) == owner).collect();
    match (named.pop(), named.len()) {
        (Some(one), 0) => Ok(one),
        (Some(_), more) => Err(more + 1),
        (None, _) => Err(0),
    }
}

fn values<T>(all: BTreeMap<String, Found<T>>) -> BTreeMap<String, T> {
    all.into_iter().map(|(name, found)| (name, found.value)).collect()
}
