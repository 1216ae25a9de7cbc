//! Users, roles, groups and policies from the pages of `get-account-authorization-details`, and from the calls that tell
//! of one of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::entity::{AccessKey, Attachments, Group, InlinePolicy, LastUse, ManagedPolicy, Role, User};
use super::error::Problem;
use super::gather::{Gathered, List};
use super::node::{Node, Reading};
use crate::principal::account_in;

/// The lists of a page of `get-account-authorization-details` (IAM API Reference, "GetAccountAuthorizationDetails").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntityList {
    Users,
    Groups,
    Roles,
    Policies,
}

/// A page of `get-account-authorization-details` while it is read. What is wrong is told list by list, in whatever order they stand.
#[derive(Debug)]
pub(super) struct Page {
    has_begun: bool,
    lists: [Listed; 4],
}

#[derive(Debug)]
struct Listed {
    reading: Reading,
    /// Of the first entity whose ARN has one.
    account: Option<String>,
}

impl EntityList {
    const ALL: [EntityList; 4] = [EntityList::Users, EntityList::Groups, EntityList::Roles, EntityList::Policies];

    pub fn named(name: &str) -> Option<EntityList> {
        EntityList::ALL.into_iter().find(|list| list.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            EntityList::Users => "UserDetailList",
            EntityList::Groups => "GroupDetailList",
            EntityList::Roles => "RoleDetailList",
            EntityList::Policies => "Policies",
        }
    }
}

impl Page {
    pub fn new(reading: &Reading) -> Page {
        let listed = |_| Listed { reading: reading.apart(), account: None };
        Page { has_begun: false, lists: EntityList::ALL.map(listed) }
    }

    /// Whether a list that begins with this element belongs to such a page. `Policies` are in other outputs, too, which give no
    /// versions.
    pub fn begins_with(&self, list: EntityList, first: &Value) -> bool {
        self.has_begun || list != EntityList::Policies || first.get("PolicyVersionList").is_some()
    }

    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Reads an entity of a list.
    pub fn read(&mut self, list: EntityList, node: &Node, gathered: &mut Gathered) {
        self.has_begun = true;
        let Listed { reading, account } = &mut self.lists[list as usize];
        if account.is_none() {
            *account = node.value["Arn"].as_str().and_then(account_in).map(str::to_owned);
        }
        match list {
            EntityList::Users => detailed_user(node, reading, gathered),
            EntityList::Groups => detailed_group(node, reading, gathered),
            EntityList::Roles => detailed_role(node, reading, gathered),
            EntityList::Policies => detailed_policy(node, reading, gathered),
        }
    }

    /// Reads what is left of a page of which `node` has the rest.
    pub fn finish(mut self, node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
        for list in EntityList::ALL {
            for entity in node.list(list.name(), &mut self.lists[list as usize].reading) {
                self.read(list, &entity, gathered);
            }
        }
        let mut account = None;
        for listed in self.lists {
            reading.take(listed.reading);
            account = account.or(listed.account);
        }
        gathered.detailed.extend(account.clone());
        paged(node, List::Details { account }, reading, gathered);
    }
}

/// `get-user`, `get-role`, `get-group`, `get-policy`: an entity without its policies.
pub(super) fn entity(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    if let Some(user) = node.member("User") {
        self::user(&user, reading, gathered);
    }
    if let Some(role) = node.member("Role") {
        self::role(&role, reading, gathered);
    }
    if let Some(group) = node.member("Group") {
        let arn = self::group(&group, reading, gathered);
        let members = node.list("Users", reading).into_iter();
        let members = members.filter_map(|member| member.text("Arn", reading)).collect::<Vec<_>>();
        if let (Some(group), false) = (arn, members.is_empty()) {
            gathered.members.push((group, members, reading.at(&node.path)));
        }
    }
    if let Some(policy) = node.member("Policy")
        && let Some(arn) = arn(&policy, "policy", reading)
    {
        let default_version = policy.text("DefaultVersionId", reading);
        gathered.told_policies.push(arn.clone());
        gathered.policy(ManagedPolicy { arn, default_version, document: None }, reading.at(&policy.path), reading);
    }
}

/// `get-policy-version`, which does not say of which policy: `whose` is its ARN from around it, else it is that of the only
/// `get-policy` in the file.
pub(super) fn policy_version(node: &Node, whose: Option<&str>, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(version) = node.member("PolicyVersion") else { return };
    let arn = match (whose, &gathered.told_policies[..]) {
        (Some(arn), _) => arn.to_owned(),
        (None, [only]) => only.clone(),
        (None, _) => {
            let or = ", or put the output of get-policy before it into the same file";
            return reading.wrong(&node.path, Problem::Whose { member: "Arn", or });
        }
    };
    let default_version = version.text("VersionId", reading);
    if version.value["IsDefaultVersion"] == false {
        return reading.note(&version.path, format!("is not the default version of {arn} and was passed over"));
    }
    if let Some(document) = version.document("Document", reading) {
        let policy = ManagedPolicy { arn, default_version, document: Some(document) };
        gathered.policy(policy, reading.at(&version.path), reading);
    }
}

/// `get-user-policy`, `get-role-policy`, `get-group-policy`: one inline policy of whom it names.
pub(super) fn inline_policy(node: &Node, whose: Option<&str>, reading: &mut Reading, gathered: &mut Gathered) {
    let inline = inline(node, reading);
    for (member, kind) in [("UserName", "user"), ("RoleName", "role"), ("GroupName", "group")] {
        if node.has(member)
            && let (Some(owner), Some(policy)) = (node.text(member, reading), inline.clone())
        {
            let attachments = Attachments { inline: vec![policy], ..Attachments::default() };
            gathered.beside(kind, whose.map(str::to_owned).unwrap_or(owner), attachments, reading.at(&node.path));
        }
    }
}

/// `list-attached-user-policies` and its like, which do not say whose.
pub(super) fn attached_policies(node: &Node, whose: Option<&str>, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(arn) = whose else {
        return reading.wrong(&node.path, Problem::Whose { member: "Arn", or: "" });
    };
    let kind = ["user", "role", "group"].into_iter().find(|kind| arn.contains(&format!(":{kind}/")));
    let Some(kind) = kind else {
        let found = format!("it belongs to {arn}");
        return reading.wrong(&node.path, Problem::Unexpected { found, expected: "the ARN of a user, role or group" });
    };
    let attached = attached(node, "AttachedPolicies", reading);
    paged(node, List::Of(format!("policies of {arn}")), reading, gathered);
    gathered.attached(kind, arn, attached, reading.at(&node.path));
}

/// `list-access-keys`: ids, which the credential report lacks. A key's `AccessKeyLastUsed` may stand within it: alone, as
/// `get-access-key-last-used` gives it, it does not say of which key it is.
pub(super) fn access_keys(node: &Node, whose: Option<&str>, reading: &mut Reading, gathered: &mut Gathered) {
    for key in node.list("AccessKeyMetadata", reading) {
        let (user, id) = (key.text("UserName", reading), key.text("AccessKeyId", reading));
        let active = key.text("Status", reading).is_some_and(|status| status == "Active");
        let created = key.time("CreateDate", reading);
        let last_used = last_use(&key, "AccessKeyLastUsed", reading);
        if let (Some(user), Some(id)) = (user, id) {
            let key = AccessKey { id, active, created, last_used };
            gathered.keys.push((whose.map(str::to_owned).unwrap_or(user), key, reading.at(&node.path)));
        }
    }
    let user = node.value["AccessKeyMetadata"][0]["UserName"].as_str().or(whose).unwrap_or_default();
    paged(node, List::Of(format!("access keys of {user}")), reading, gathered);
}

fn detailed_user(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(mut user) = user_of(node, reading) else { return };
    let names = node.list("GroupList", reading);
    let names =
        names.iter().filter_map(|n| n.value.as_str().map(str::to_owned).or_else(|| n.unexpected("a name", reading)));
    user.groups = Some(names.collect());
    user.attachments = detailed(node, "UserPolicyList", reading);
    gathered.user(user, reading.at(&node.path), reading);
}

fn detailed_role(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(mut role) = role_of(node, reading) else { return };
    role.attachments = detailed(node, "RolePolicyList", reading);
    let profiles = node.list("InstanceProfileList", reading);
    role.instance_profiles = profiles.iter().filter_map(|profile| profile.text("Arn", reading)).collect();
    gathered.role(role, reading.at(&node.path), reading);
}

fn detailed_group(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(mut group) = group_of(node, reading) else { return };
    group.attachments = detailed(node, "GroupPolicyList", reading);
    gathered.group(group, reading.at(&node.path), reading);
}

fn detailed_policy(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    let Some(arn) = arn(node, "policy", reading) else { return };
    let Some(default_version) = node.text("DefaultVersionId", reading) else { return };
    let versions = node.list("PolicyVersionList", reading);
    let Some(version) = versions.iter().find(|v| v.value["VersionId"] == default_version.as_str()) else {
        return reading.wrong(&node.path, Problem::NoDefaultVersion { arn, version: default_version });
    };
    if let Some(document) = version.document("Document", reading) {
        let policy = ManagedPolicy { arn, default_version: Some(default_version), document: Some(document) };
        gathered.policy(policy, reading.at(&node.path), reading);
    }
}

fn user(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    if let Some(mut user) = user_of(node, reading) {
        user.attachments.boundary = boundary(node, reading);
        gathered.user(user, reading.at(&node.path), reading);
    }
}

fn role(node: &Node, reading: &mut Reading, gathered: &mut Gathered) {
    if let Some(mut role) = role_of(node, reading) {
        role.attachments.boundary = boundary(node, reading);
        gathered.role(role, reading.at(&node.path), reading);
    }
}

fn group(node: &Node, reading: &mut Reading, gathered: &mut Gathered) -> Option<String> {
    let group = group_of(node, reading)?;
    let arn = group.arn.clone();
    gathered.group(group, reading.at(&node.path), reading);
    Some(arn)
}

fn user_of(node: &Node, reading: &mut Reading) -> Option<User> {
    let (arn, name) = (arn(node, "user", reading), node.text("UserName", reading));
    let (id, created) = (node.maybe_text("UserId", reading), node.time("CreateDate", reading));
    let tags = tags(node, reading);
    Some(User { arn: arn?, name: name?, id, created, tags, ..User::default() })
}

fn role_of(node: &Node, reading: &mut Reading) -> Option<Role> {
    let (arn, name) = (arn(node, "role", reading), node.text("RoleName", reading));
    let (id, created) = (node.maybe_text("RoleId", reading), node.time("CreateDate", reading));
    let trust = node.document("AssumeRolePolicyDocument", reading);
    let last_used = last_use(node, "RoleLastUsed", reading);
    let tags = tags(node, reading);
    let (arn, name) = (arn?, name?);
    let path = match node.maybe_text("Path", reading) {
        Some(path) => path,
        None => path_in(&arn).to_owned(),
    };
    Some(Role { arn, name, id, path, created, trust: Some(trust?), tags, last_used, ..Role::default() })
}

fn group_of(node: &Node, reading: &mut Reading) -> Option<Group> {
    let (arn, name) = (arn(node, "group", reading), node.text("GroupName", reading));
    let (id, created) = (node.maybe_text("GroupId", reading), node.time("CreateDate", reading));
    let (arn, name) = (arn?, name?);
    if node.has("GroupList") {
        reading.wrong(&node.path, Problem::NestedGroup(arn));
        return None;
    }
    Some(Group { arn, name, id, created, attachments: Attachments::default() })
}

/// The policies of an entity that is told of in full.
fn detailed(node: &Node, inline_list: &str, reading: &mut Reading) -> Attachments {
    let inline_policies = node.list(inline_list, reading);
    Attachments {
        inline: inline_policies.iter().filter_map(|policy| inline(policy, reading)).collect(),
        inline_complete: true,
        attached: Some(attached(node, "AttachedManagedPolicies", reading)),
        boundary: boundary(node, reading),
    }
}

fn inline(node: &Node, reading: &mut Reading) -> Option<InlinePolicy> {
    let (name, document) = (node.text("PolicyName", reading), node.document("PolicyDocument", reading));
    Some(InlinePolicy { name: name?, document: document? })
}

/// ARNs of attached policies, sorted.
fn attached(node: &Node, list: &str, reading: &mut Reading) -> Vec<String> {
    let policies = node.list(list, reading);
    let mut arns: Vec<String> = policies.iter().filter_map(|policy| policy.text("PolicyArn", reading)).collect();
    arns.sort();
    arns.dedup();
    arns
}

fn boundary(node: &Node, reading: &mut Reading) -> Option<String> {
    node.member("PermissionsBoundary")?.text("PermissionsBoundaryArn", reading)
}

fn tags(node: &Node, reading: &mut Reading) -> BTreeMap<String, String> {
    let tags = node.list("Tags", reading);
    let pair = |tag: &Node, reading: &mut Reading| Some((tag.text("Key", reading)?, tag.text("Value", reading)?));
    tags.iter().filter_map(|tag| pair(tag, reading)).collect()
}

/// `RoleLastUsed` or `AccessKeyLastUsed`: without a date, or without anything in it, where there was no use. Of what is not told of
/// a use, keys say `N/A`.
fn last_use(node: &Node, member: &str, reading: &mut Reading) -> LastUse {
    let Some(used) = node.member(member) else { return LastUse::Unknown };
    let told = |name, reading: &mut Reading| used.maybe_text(name, reading).filter(|text| text != "N/A");
    match used.time("LastUsedDate", reading) {
        Some(time) => LastUse::At { time, region: told("Region", reading), service: told("ServiceName", reading) },
        None => LastUse::Never,
    }
}

/// The ARN of an entity, which has to be of this kind.
fn arn(node: &Node, kind: &'static str, reading: &mut Reading) -> Option<String> {
    let arn = node.text("Arn", reading)?;
    let mut parts = arn.splitn(6, ':');
    let is_iams = parts.next() == Some("arn") && parts.nth(1) == Some("iam");
    if is_iams && parts.nth(2).is_some_and(|rest| rest.strip_prefix(kind).is_some_and(|rest| rest.starts_with('/'))) {
        return Some(arn);
    }
    let expected = match kind {
        "user" => "the ARN of an IAM user",
        "role" => "the ARN of an IAM role",
        "group" => "the ARN of an IAM group",
        _ => "the ARN of an IAM policy",
    };
    node.member("Arn")?.unexpected(expected, reading)
}

/// `/a/b/` in `arn:aws:iam::111122223333:role/a/b/name`.
fn path_in(arn: &str) -> &str {
    match (arn.find('/'), arn.rfind('/')) {
        (Some(first), Some(last)) => &arn[first..=last],
        _ => "/",
    }
}

/// Notes whether more pages follow. `NextToken` is what the AWS CLI leaves when it was told to stop early.
pub(super) fn paged(node: &Node, of: List, reading: &mut Reading, gathered: &mut Gathered) {
    let more = node.flag("IsTruncated", reading) || node.has("NextToken") && !node.value["NextToken"].is_null();
    let pages = gathered.pages.entry(of).or_default();
    match more {
        true => pages.open = Some(reading.at(&node.path)),
        false => pages.closed = true,
    }
}
