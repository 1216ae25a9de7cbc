//! What each of the `iam_*` tables has, and how outputs of AWS's calls become its rows.
//!
//! Members of the outputs are those of IAM API Reference, "GetAccountAuthorizationDetails" and "ListAccessKeys"; what the
//! credential report says is after IAM User Guide, "Generate credential reports for your AWS account".

use jiff::Timestamp;
use serde_json::{Value, json};
use trailhound_iam::document::{self, Document, Effect, Selection};
use trailhound_iam::inventory::{Credentials, File, Inventory, LastUse};

use Kind::{Count, Flag, Text, Time};

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub name: &'static str,
    /// Kinds of parts that it is made of.
    pub kinds: &'static [&'static str],
    /// Columns beside `account_id` and the times for which a row stood so.
    pub columns: &'static [(&'static str, Kind)],
    /// How an output of a kind becomes rows.
    pub rows: fn(kind: &str, output: &str) -> Vec<Vec<Cell>>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Time,
    Flag,
    Count,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Text(Option<String>),
    /// A count, or µs since the epoch.
    Number(Option<i64>),
    Flag(Option<bool>),
}

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "iam_users",
        kinds: &["user"],
        columns: &[
            ("arn", Text),
            ("user_name", Text),
            ("user_id", Text),
            ("principal_key", Text),
            ("created", Time),
            ("boundary", Text),
            ("tags", Text),
        ],
        rows: |_, output| elements(output, "UserDetailList").iter().map(|user| entity(user, "User", "user")).collect(),
    },
    Table {
        name: "iam_roles",
        kinds: &["role"],
        columns: &[
            ("arn", Text),
            ("role_name", Text),
            ("role_id", Text),
            ("principal_key", Text),
            ("created", Time),
            ("boundary", Text),
            ("tags", Text),
            ("path", Text),
            ("trust", Text),
            ("last_used", Time),
        ],
        rows: |_, output| elements(output, "RoleDetailList").iter().map(role).collect(),
    },
    Table {
        name: "iam_groups",
        kinds: &["group"],
        columns: &[("arn", Text), ("group_name", Text), ("group_id", Text), ("created", Time)],
        rows: |_, output| elements(output, "GroupDetailList").iter().map(group).collect(),
    },
    Table {
        name: "iam_policies",
        kinds: &["user", "role", "group", "policy"],
        columns: &[("holder", Text), ("policy", Text), ("managed", Flag), ("version", Text), ("document", Text)],
        rows: policies,
    },
    Table {
        name: "iam_statements",
        kinds: &["user", "role", "group", "policy"],
        columns: &[
            ("holder", Text),
            ("policy", Text),
            ("place", Count),
            ("sid", Text),
            ("effect", Text),
            ("actions", Text),
            ("not_actions", Text),
            ("resources", Text),
            ("not_resources", Text),
            ("conditions", Text),
        ],
        rows: statements,
    },
    Table {
        name: "iam_attachments",
        kinds: &["user", "role", "group"],
        columns: &[("holder", Text), ("kind", Text), ("target", Text)],
        rows: attachments,
    },
    Table {
        name: "iam_access_keys",
        kinds: &["access_keys"],
        columns: &[("user_name", Text), ("access_key_id", Text), ("active", Flag), ("created", Time)],
        rows: |_, output| elements(output, "AccessKeyMetadata").iter().map(access_key).collect(),
    },
    Table {
        name: "iam_credentials",
        kinds: &["credentials"],
        columns: &[
            ("arn", Text),
            ("user_name", Text),
            ("created", Time),
            ("password", Flag),
            ("password_changed", Time),
            ("password_used", Time),
            ("mfa", Flag),
            ("active_keys", Count),
            ("oldest_key", Time),
            ("keys_used", Time),
        ],
        rows: credentials,
    },
    Table {
        name: "iam_organization_policies",
        kinds: &["organization"],
        columns: &[("policy_id", Text), ("policy_name", Text), ("policy_type", Text), ("document", Text)],
        rows: organization_policies,
    },
    Table {
        name: "iam_organization_targets",
        kinds: &["organization"],
        columns: &[("target_id", Text), ("parent_id", Text), ("target_name", Text), ("state", Text)],
        rows: organization_targets,
    },
    Table {
        name: "iam_organization_attachments",
        kinds: &["organization"],
        columns: &[("target_id", Text), ("policy_id", Text)],
        rows: organization_attachments,
    },
];

impl Cell {
    pub fn text(&self) -> Option<&str> {
        if let Cell::Text(text) = self { text.as_deref() } else { None }
    }

    pub fn number(&self) -> Option<i64> {
        if let Cell::Number(number) = self { *number } else { None }
    }

    pub fn flag(&self) -> Option<bool> {
        if let Cell::Flag(flag) = self { *flag } else { None }
    }
}

/// The elements of a list of an output.
fn elements(output: &str, list: &str) -> Vec<Value> {
    let Ok(Value::Object(mut object)) = serde_json::from_str::<Value>(output) else { return Vec::new() };
    match object.remove(list) {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    }
}

fn member(of: &Value, name: &str) -> Cell {
    Cell::Text(of[name].as_str().map(str::to_owned))
}

fn moment(of: &Value, name: &str) -> Cell {
    time(of[name].as_str().and_then(|text| text.trim().parse().ok()))
}

fn time(time: Option<Timestamp>) -> Cell {
    Cell::Number(time.map(Timestamp::as_microsecond))
}

/// The columns that users and roles share.
fn entity(of: &Value, what: &str, key: &str) -> Vec<Cell> {
    let id = of[format!("{what}Id")].as_str();
    let tags = match &of["Tags"] {
        Value::Array(tags) if !tags.is_empty() => {
            let pairs = tags.iter().filter_map(|tag| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].clone())));
            Some(Value::Object(pairs.collect()).to_string())
        }
        _ => None,
    };
    vec![
        member(of, "Arn"),
        member(of, &format!("{what}Name")),
        Cell::Text(id.map(str::to_owned)),
        Cell::Text(id.map(|id| format!("{key}:{id}"))),
        moment(of, "CreateDate"),
        member(&of["PermissionsBoundary"], "PermissionsBoundaryArn"),
        Cell::Text(tags),
    ]
}

fn role(of: &Value) -> Vec<Cell> {
    let mut cells = entity(of, "Role", "role");
    let trust = read(&of["AssumeRolePolicyDocument"]).map(|document| document.to_string());
    cells.extend([member(of, "Path"), Cell::Text(trust), moment(&of["RoleLastUsed"], "LastUsedDate")]);
    cells
}

fn group(of: &Value) -> Vec<Cell> {
    vec![member(of, "Arn"), member(of, "GroupName"), member(of, "GroupId"), moment(of, "CreateDate")]
}

/// A policy: where it stands, what it is called, its version if it is managed, and its document.
struct Policy {
    holder: String,
    name: String,
    version: Option<String>,
    document: Option<Value>,
}

/// The policies in an output: inline ones of an entity, or a managed one in its default version.
fn policies_in(kind: &str, output: &str) -> Vec<Policy> {
    let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    let (list, policies) = match kind {
        "user" => ("UserDetailList", "UserPolicyList"),
        "role" => ("RoleDetailList", "RolePolicyList"),
        "group" => ("GroupDetailList", "GroupPolicyList"),
        _ => {
            let managed = |policy: &Value| {
                let mut versions = policy["PolicyVersionList"].as_array().into_iter().flatten();
                let version = versions.find(|version| version["IsDefaultVersion"] == true);
                Policy {
                    holder: text(policy, "Arn"),
                    name: text(policy, "Arn"),
                    version: Some(text(policy, "DefaultVersionId")),
                    document: version.and_then(|version| read(&version["Document"])),
                }
            };
            return elements(output, "Policies").iter().map(managed).collect();
        }
    };
    let inline = |entity: &Value| -> Vec<Policy> {
        let policy = |policy: &Value| Policy {
            holder: text(entity, "Arn"),
            name: text(policy, "PolicyName"),
            version: None,
            document: read(&policy["PolicyDocument"]),
        };
        entity[policies].as_array().into_iter().flatten().map(policy).collect()
    };
    elements(output, list).iter().flat_map(inline).collect()
}

fn policies(kind: &str, output: &str) -> Vec<Vec<Cell>> {
    let row = |policy: Policy| {
        vec![
            Cell::Text(Some(policy.holder)),
            Cell::Text(Some(policy.name)),
            Cell::Flag(Some(policy.version.is_some())),
            Cell::Text(policy.version),
            Cell::Text(policy.document.map(|document| document.to_string())),
        ]
    };
    policies_in(kind, output).into_iter().map(row).collect()
}

fn statements(kind: &str, output: &str) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for policy in policies_in(kind, output) {
        let Some(document) = &policy.document else { continue };
        for (place, statement) in Document::from_json(document).0.statements.into_iter().enumerate() {
            let (actions, not_actions) = lists(&statement.actions);
            let (resources, not_resources) = lists(&statement.resources);
            let condition = |c: &trailhound_iam::condition::Condition| json!({ "operator": c.operator, "key": c.key, "values": c.values });
            let conditions: Vec<Value> = statement.conditions.iter().map(condition).collect();
            rows.push(vec![
                Cell::Text(Some(policy.holder.clone())),
                Cell::Text(Some(policy.name.clone())),
                Cell::Number(Some(place as i64)),
                Cell::Text(statement.sid.clone()),
                Cell::Text(Some(if statement.effect == Effect::Allow { "Allow" } else { "Deny" }.to_owned())),
                actions,
                not_actions,
                resources,
                not_resources,
                Cell::Text((!conditions.is_empty()).then(|| Value::from(conditions).to_string())),
            ]);
        }
    }
    rows
}

/// What is selected, and what is left out of all.
fn lists(selection: &Selection<String>) -> (Cell, Cell) {
    let list = |patterns: &Vec<String>| Cell::Text(Some(json!(patterns).to_string()));
    match selection {
        Selection::Only(patterns) => (list(patterns), Cell::Text(None)),
        Selection::Except(patterns) => (Cell::Text(None), list(patterns)),
        Selection::Unstated => (Cell::Text(None), Cell::Text(None)),
    }
}

fn attachments(kind: &str, output: &str) -> Vec<Vec<Cell>> {
    let list = match kind {
        "user" => "UserDetailList",
        "role" => "RoleDetailList",
        _ => "GroupDetailList",
    };
    let mut rows = Vec::new();
    for entity in elements(output, list) {
        let policies = entity["AttachedManagedPolicies"].as_array().into_iter().flatten();
        let groups = entity["GroupList"].as_array().into_iter().flatten();
        let boundary = &entity["PermissionsBoundary"]["PermissionsBoundaryArn"];
        let targets = policies
            .map(|policy| ("policy", &policy["PolicyArn"]))
            .chain([("boundary", boundary)])
            .chain(groups.map(|group| ("group", group)));
        for (kind, target) in targets.filter_map(|(kind, target)| Some((kind, target.as_str()?))) {
            let [kind, target] = [kind, target].map(|text| Cell::Text(Some(text.to_owned())));
            rows.push(vec![member(&entity, "Arn"), kind, target]);
        }
    }
    rows
}

fn access_key(of: &Value) -> Vec<Cell> {
    vec![
        member(of, "UserName"),
        member(of, "AccessKeyId"),
        Cell::Flag(of["Status"].as_str().map(|status| status == "Active")),
        moment(of, "CreateDate"),
    ]
}

fn credentials(_: &str, output: &str) -> Vec<Vec<Cell>> {
    let file = File { name: "credentials", bytes: output.as_bytes(), entity: None };
    let Ok(inventory) = Inventory::read([file], Timestamp::MAX) else { return Vec::new() };
    let users = inventory.users.into_values().filter_map(|user| Some((Some(user.name), user.credentials?)));
    let roots = inventory.roots.into_values().map(|root| (None, root.credentials));
    let used = |used: &LastUse| match used {
        LastUse::At { time, .. } => Some(*time),
        _ => None,
    };
    let row = |(name, credentials): (Option<String>, Credentials)| {
        let active = || credentials.keys.iter().filter(|key| key.active);
        vec![
            Cell::Text(Some(credentials.arn.clone())),
            Cell::Text(name),
            time(credentials.created),
            Cell::Flag(credentials.password_enabled),
            time(credentials.password_last_changed),
            time(used(&credentials.password_last_used)),
            Cell::Flag(Some(credentials.mfa_active)),
            Cell::Number(Some(active().count() as i64)),
            time(active().filter_map(|key| key.created).min()),
            time(active().filter_map(|key| used(&key.last_used)).max()),
        ]
    };
    users.chain(roots).map(row).collect()
}

/// `describe-policy`, or written by hand.
fn organization_policies(_: &str, output: &str) -> Vec<Vec<Cell>> {
    let row = |summary: &Value, policy: &Value| {
        let document = read(&policy["Content"]).map(|document| document.to_string());
        vec![member(summary, "Id"), member(summary, "Name"), member(summary, "Type"), Cell::Text(document)]
    };
    let Ok(described) = serde_json::from_str::<Value>(output) else { return Vec::new() };
    let policy = &described["Policy"];
    match policy["PolicySummary"].is_object() {
        true => vec![row(&policy["PolicySummary"], policy)],
        false => elements(output, "OrganizationPolicies").iter().map(|policy| row(policy, policy)).collect(),
    }
}

/// As they are fetched or written by hand, or `list-parents` with the child beside them.
fn organization_targets(_: &str, output: &str) -> Vec<Vec<Cell>> {
    let child =
        |target: &Value| ["Id", "ParentId", "Name", "State"].into_iter().map(|name| member(target, name)).collect();
    let written = elements(output, "OrganizationTargets").iter().map(child).collect::<Vec<_>>();
    let Ok(listed) = serde_json::from_str::<Value>(output) else { return written };
    let none = || Cell::Text(None);
    let parent = |parent: &Value| vec![member(&listed, "ChildId"), member(parent, "Id"), none(), none()];
    written.into_iter().chain(elements(output, "Parents").iter().map(parent)).collect()
}

/// As they are fetched or written by hand, `list-targets-for-policy` with the policy beside them, or `list-policies-for-target` with
/// the target beside them.
fn organization_attachments(_: &str, output: &str) -> Vec<Vec<Cell>> {
    let text = |text: &Value| Cell::Text(text.as_str().map(str::to_owned));
    let written = elements(output, "OrganizationTargets").into_iter().flat_map(|target| {
        let policies = target["PolicyIds"].as_array().cloned().unwrap_or_default();
        policies.into_iter().map(move |policy| vec![text(&target["Id"]), text(&policy)])
    });
    let Ok(listed) = serde_json::from_str::<Value>(output) else { return Vec::new() };
    let of_policy = elements(output, "Targets");
    let of_policy = of_policy.iter().map(|target| vec![member(target, "TargetId"), member(&listed, "PolicyId")]);
    let of_target = elements(output, "Policies");
    let of_target = of_target.iter().map(|policy| vec![member(&listed, "TargetId"), member(policy, "Id")]);
    written.chain(of_policy).chain(of_target).collect()
}

/// A document, however it was passed on.
fn read(document: &Value) -> Option<Value> {
    match document {
        Value::Null => None,
        Value::String(text) => document::unwrap(text).ok(),
        document => Some(document.clone()),
    }
}
