//! What AWS tells of an account: the output of `aws iam get-account-authorization-details`, all pages joined as the CLI joins them, and the
//! credential report. In: principals with their policies; out: the two files' bytes.
//!
//! Members after the IAM API Reference, "GetAccountAuthorizationDetails"; columns after the IAM User Guide, "Generate credential reports".

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    draw::{Granted, Grounds},
    policy::{Document, Statement},
    principal::{Kind, Principal},
};
use crate::{calendar::DAY, ids, organisation::Organisation};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Details<'a> {
    user_detail_list: Vec<User<'a>>,
    group_detail_list: Vec<Group<'a>>,
    role_detail_list: Vec<Role<'a>>,
    policies: Vec<Managed<'a>>,
    is_truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct User<'a> {
    path: &'a str,
    user_name: &'a str,
    user_id: &'a str,
    arn: &'a str,
    create_date: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user_policy_list: Vec<Inline<'a>>,
    group_list: &'a [String],
    attached_managed_policies: Vec<Attached<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<Boundary<'a>>,
    tags: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Group<'a> {
    path: &'a str,
    group_name: &'a str,
    group_id: &'a str,
    arn: String,
    create_date: String,
    group_policy_list: Vec<Inline<'a>>,
    attached_managed_policies: Vec<Attached<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Role<'a> {
    path: &'a str,
    role_name: &'a str,
    role_id: &'a str,
    arn: &'a str,
    create_date: String,
    assume_role_policy_document: Trust,
    instance_profile_list: [(); 0],
    role_policy_list: Vec<Inline<'a>>,
    attached_managed_policies: Vec<Attached<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<Boundary<'a>>,
    tags: [(); 0],
    role_last_used: RoleLastUsed<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Inline<'a> {
    policy_name: &'a str,
    policy_document: &'a Document,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attached<'a> {
    policy_name: &'a str,
    policy_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Boundary<'a> {
    permissions_boundary_type: &'a str,
    permissions_boundary_arn: &'a str,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "PascalCase")]
struct RoleLastUsed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
}

/// A trust policy: one statement with a principal.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Trust {
    version: &'static str,
    statement: [TrustStatement; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TrustStatement {
    effect: &'static str,
    /// One kind and one name.
    principal: Value,
    action: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Managed<'a> {
    policy_name: &'a str,
    arn: &'a str,
    path: &'static str,
    default_version_id: &'static str,
    attachment_count: usize,
    permissions_boundary_usage_count: usize,
    is_attachable: bool,
    create_date: String,
    update_date: String,
    policy_version_list: Vec<Version<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Version<'a> {
    document: &'a Document,
    version_id: &'static str,
    is_default_version: bool,
    create_date: String,
}

/// The authorization details of an account.
pub fn authorization(organisation: &Organisation, account: &str, grounds: &Grounds) -> Vec<u8> {
    let of = |wanted: fn(Kind) -> bool| grounds.principals.iter().filter(move |(one, _)| wanted(one.kind));
    let before = ids::time_text(organisation.calendar.start - 400 * DAY);
    // What the first versions of customers' policies granted: a reader must not take it for what is granted.
    let first = Document::new(vec![Statement::allow("Everything", vec!["*".to_owned()])]);
    let details = Details {
        user_detail_list: of(|kind| kind == Kind::User).map(|(one, granted)| user(one, granted)).collect(),
        group_detail_list: grounds
            .groups
            .iter()
            .map(|group| Group {
                path: "/",
                group_name: &group.name,
                group_id: &group.id,
                arn: format!("arn:aws:iam::{account}:group/{}", group.name),
                create_date: before.clone(),
                group_policy_list: inline(&group.inline),
                attached_managed_policies: attached(&group.attached),
            })
            .collect(),
        role_detail_list: of(|kind| kind != Kind::User)
            .map(|(one, granted)| role(organisation, account, one, granted))
            .collect(),
        policies: grounds
            .policies
            .iter()
            .map(|(arn, document)| managed(arn, document, &first, &before, grounds))
            .collect(),
        is_truncated: false,
    };
    let mut out = serde_json::to_vec_pretty(&details).expect("texts and lists are JSON");
    out.push(b'\n');
    out
}

fn user<'a>(user: &'a Principal, granted: &'a Granted) -> User<'a> {
    User {
        path: user.path(),
        user_name: user.name(),
        user_id: &user.id,
        arn: &user.arn,
        create_date: ids::time_text(user.created),
        user_policy_list: inline(&granted.inline),
        group_list: &granted.groups,
        attached_managed_policies: attached(&granted.attached),
        permissions_boundary: boundary(granted),
        tags: [],
    }
}

fn role<'a>(organisation: &'a Organisation, account: &str, role: &'a Principal, granted: &'a Granted) -> Role<'a> {
    let last = role.doings.and_then(|doings| doings.last);
    Role {
        path: role.path(),
        role_name: role.name(),
        role_id: &role.id,
        arn: &role.arn,
        create_date: ids::time_text(role.created),
        assume_role_policy_document: trust(organisation, account, role),
        instance_profile_list: [],
        role_policy_list: inline(&granted.inline),
        attached_managed_policies: attached(&granted.attached),
        permissions_boundary: boundary(granted),
        tags: [],
        role_last_used: last.map_or_else(RoleLastUsed::default, |(time, region)| RoleLastUsed {
            last_used_date: Some(ids::time_text(time)),
            region: Some(organisation.regions[region as usize]),
        }),
    }
}

fn trust(organisation: &Organisation, account: &str, role: &Principal) -> Trust {
    let service = |name: &str| (json!({ "Service": format!("{name}.amazonaws.com") }), "sts:AssumeRole");
    let linked = role.path().strip_prefix("/aws-service-role/").and_then(|rest| rest.strip_suffix(".amazonaws.com/"));
    let (principal, action) = match (linked, role.permission_set(), role.path()) {
        (Some(name), _, _) => service(name),
        (None, Some(_), _) => {
            let provider = format!("arn:aws:iam::{account}:saml-provider/{}", organisation.sso_provider);
            (json!({ "Federated": provider }), "sts:AssumeRoleWithSAML")
        }
        (None, None, "/service-role/") => service("lambda"),
        (None, None, _) if role.name().contains("-ec2-") => service("ec2"),
        (None, None, _) if role.name().contains("-task-") => service("ecs-tasks"),
        _ => (json!({ "AWS": format!("arn:aws:iam::{account}:root") }), "sts:AssumeRole"),
    };
    Trust { version: "2012-10-17", statement: [TrustStatement { effect: "Allow", principal, action }] }
}

fn managed<'a>(
    arn: &'a str,
    document: &'a Document,
    first: &'a Document,
    before: &str,
    grounds: &Grounds,
) -> Managed<'a> {
    let of_aws = arn.starts_with("arn:aws:iam::aws:");
    let version = |document, version_id, is_default_version| Version {
        document,
        version_id,
        is_default_version,
        create_date: before.to_owned(),
    };
    let versions = if of_aws {
        vec![version(document, "v1", true)]
    } else {
        vec![version(document, "v2", true), version(first, "v1", false)]
    };
    let granted = || grounds.principals.iter().map(|(_, granted)| granted);
    let by_groups = grounds.groups.iter().filter(|group| group.attached.iter().any(|own| own == arn)).count();
    Managed {
        policy_name: name(arn),
        arn,
        path: if arn.contains("/aws-service-role/") { "/aws-service-role/" } else { "/" },
        default_version_id: versions[0].version_id,
        attachment_count: granted().filter(|one| one.attached.iter().any(|own| own == arn)).count() + by_groups,
        permissions_boundary_usage_count: granted().filter(|one| one.boundary.as_deref() == Some(arn)).count(),
        is_attachable: true,
        create_date: before.to_owned(),
        update_date: before.to_owned(),
        policy_version_list: versions,
    }
}

fn inline<'a>(policies: &'a [(&'static str, Document)]) -> Vec<Inline<'a>> {
    policies.iter().map(|(policy_name, policy_document)| Inline { policy_name, policy_document }).collect()
}

fn attached(arns: &[String]) -> Vec<Attached<'_>> {
    arns.iter().map(|arn| Attached { policy_name: name(arn), policy_arn: arn }).collect()
}

fn boundary(granted: &Granted) -> Option<Boundary<'_>> {
    let arn = granted.boundary.as_deref()?;
    Some(Boundary { permissions_boundary_type: "Policy", permissions_boundary_arn: arn })
}

fn name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// The credential report of an account: root, and a line for each user.
pub fn credential_report(organisation: &Organisation, account: &str, grounds: &Grounds) -> String {
    let time = |time: i64| ids::time_text(time).replace('Z', "+00:00");
    let old = time(organisation.calendar.start - 1_600 * DAY);
    let mut report = format!(
        "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,\
         access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,\
         access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,\
         access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,\
         cert_2_last_rotated\n\
         <root_account>,arn:aws:iam::{account}:root,{old},not_supported,no_information,not_supported,not_supported,true,\
         false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A\n"
    );
    for (user, _) in grounds.principals.iter().filter(|(one, _)| one.kind == Kind::User) {
        let created = time(user.created);
        let signed_in = user.doings.and_then(|doings| doings.signed_in);
        let password = match signed_in {
            Some(last) => format!("true,{},{created},N/A", time(last)),
            None => "false,N/A,N/A,N/A".to_owned(),
        };
        let with_factor = user.doings.is_some_and(|doings| doings.with_factor);
        let used = user.doings.and_then(|doings| doings.keys.get(&user.key));
        let key = match used {
            _ if user.key.is_empty() => "false,N/A,N/A,N/A,N/A".to_owned(),
            None => format!("true,{created},N/A,N/A,N/A"),
            Some(last) => {
                let region = organisation.regions[last.region as usize];
                format!("true,{created},{},{region},{}", time(last.time), last.service)
            }
        };
        report.push_str(&format!(
            "{},{},{created},{password},{with_factor},{key},false,N/A,N/A,N/A,N/A,false,N/A,false,N/A\n",
            user.name(),
            user.arn
        ));
    }
    report
}
