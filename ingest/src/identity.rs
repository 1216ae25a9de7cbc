//! Who made a call, as far as one record tells.
//!
//! The key names the same principal in every record: unique ids rather than names, since names are used again. The
//! class is a first judgement of human or machine by shape; what needs several records is judged elsewhere.
//! Sources: CloudTrail User Guide "CloudTrail userIdentity element", IAM User Guide "IAM identifiers".

use std::borrow::Cow;

use crate::json;
use crate::record::{Identity, Record};

/// The facts of one record about its principal.
#[derive(Debug, PartialEq, Eq)]
pub struct Principal<'a> {
    pub key: Cow<'a, str>,
    pub name: Option<&'a str>,
    pub class: &'static str,
    pub session_name: Option<&'a str>,
    /// An AWS service made the call, on its own or on somebody's behalf.
    pub actor_is_service: bool,
}

/// The principal of a record.
pub fn principal<'a>(record: &'a Record<'_>) -> Principal<'a> {
    let id = &record.identity;
    let session = session_name(id);
    Principal {
        key: key(id),
        name: name(id),
        class: class(record, session),
        session_name: session,
        actor_is_service: actor_is_service(record),
    }
}

/// A service made the call: `invokedBy` says so. Old console records carry `signin.amazonaws.com` there and are
/// people.
fn actor_is_service(record: &Record<'_>) -> bool {
    match record.identity.invoked_by.as_deref() {
        Some(service) => service != "signin.amazonaws.com",
        None => {
            record.identity.kind.is_none() && record.event_type.as_deref() == Some("AwsServiceEvent")
                || record.identity.kind.as_deref() == Some("AWSService")
        }
    }
}

fn key<'a>(id: &'a Identity<'_>) -> Cow<'a, str> {
    let account = id.account_id.as_deref().unwrap_or("");
    let principal = id.principal_id.as_deref();
    let Some(kind) = id.kind.as_deref() else {
        return match id.invoked_by.as_deref() {
            Some(service) => format!("svc:{service}").into(),
            None => format!("unk:{account}:").into(),
        };
    };
    match kind {
        "Root" => format!("root:{}", id.account_id.as_deref().or(principal).unwrap_or("")),
        "IAMUser" => match principal.or(id.arn.as_deref()) {
            Some(id) => format!("user:{id}"),
            None => format!("unknown-user:{account}"),
        },
        "AssumedRole" | "Role" => format!("role:{}", role_id(id)),
        "FederatedUser" => format!("fed:{}", principal.unwrap_or(account)),
        "SAMLUser" => provider_key("saml", id),
        "WebIdentityUser" => provider_key("oidc", id),
        "AWSAccount" => format!("ext:{account}:{}", principal.unwrap_or("")),
        "AWSService" => format!("svc:{}", id.invoked_by.as_deref().unwrap_or("")),
        "IdentityCenterUser" => format!(
            "idc:{}:{}",
            id.on_behalf_of_identity_store_arn.as_deref().map_or("", |arn| arn.rsplit('/').next().unwrap_or(arn)),
            id.on_behalf_of_user_id.as_deref().or(principal).or(id.user_name.as_deref()).unwrap_or("")
        ),
        "Directory" => format!("dir:{}", principal.unwrap_or("")),
        "Unknown" => format!("unk:{account}:{}", principal.or(id.user_name.as_deref()).unwrap_or("")),
        other => format!(
            "{}:{account}:{}",
            other.to_lowercase(),
            principal.or(id.arn.as_deref()).or(id.user_name.as_deref()).unwrap_or("")
        ),
    }
    .into()
}

fn provider_key(scheme: &str, id: &Identity<'_>) -> String {
    let provider = id.identity_provider.as_deref().unwrap_or("");
    format!("{scheme}:{provider}:{}", id.user_name.as_deref().or(id.principal_id.as_deref()).unwrap_or(""))
}

/// The role's unique id: the issuer's, else what stands before the session in `principalId`, else the role's name
/// from the ARN. The role of SSM's instance identity (`aws:ec2-instance`) has no id of its own.
fn role_id<'a>(id: &'a Identity<'_>) -> Cow<'a, str> {
    if let Some(issuer) = id.issuer_principal_id.as_deref() {
        return issuer.into();
    }
    if let Some(role) = role_in_arn(id).filter(|role| role.starts_with("aws:")) {
        return format!("{}:{role}", id.account_id.as_deref().unwrap_or("")).into();
    }
    if let Some(principal) = id.principal_id.as_deref() {
        return principal.split(':').next().unwrap_or(principal).into();
    }
    match role_in_arn(id) {
        Some(role) => format!("{}:{role}", id.account_id.as_deref().unwrap_or("")).into(),
        None => id.arn.as_deref().unwrap_or("").into(),
    }
}

/// `ROLE` of `arn:aws:sts::A:assumed-role/ROLE/session`, or of a role's own ARN.
fn role_in_arn<'a>(id: &'a Identity<'_>) -> Option<&'a str> {
    let arn = id.arn.as_deref()?;
    if let Some((_, rest)) = arn.split_once(":assumed-role/") {
        return rest.split('/').next();
    }
    arn.split_once(":role/").and_then(|(_, rest)| rest.rsplit('/').next())
}

fn session_name<'a>(id: &'a Identity<'_>) -> Option<&'a str> {
    if id.kind.as_deref() != Some("AssumedRole") {
        return None;
    }
    if role_in_arn(id).is_some_and(|role| role.starts_with("aws:")) {
        return id.arn.as_deref()?.rsplit('/').next();
    }
    if let Some((_, session)) = id.principal_id.as_deref().and_then(|principal| principal.split_once(':')) {
        return Some(session).filter(|session| !session.is_empty());
    }
    let (_, rest) = id.arn.as_deref()?.split_once(":assumed-role/")?;
    rest.split_once('/').map(|(_, session)| session)
}

fn name<'a>(id: &'a Identity<'_>) -> Option<&'a str> {
    match id.kind.as_deref() {
        None | Some("AWSService") => id.invoked_by.as_deref(),
        Some("Root") => Some("root"),
        Some("AssumedRole" | "Role") => id.issuer_user_name.as_deref().or_else(|| role_in_arn(id)),
        Some("FederatedUser") => id.principal_id.as_deref().map(|p| p.split_once(':').map_or(p, |(_, name)| name)),
        Some("AWSAccount") => id.account_id.as_deref(),
        Some(_) => id
            .user_name
            .as_deref()
            .or_else(|| id.arn.as_deref().and_then(|arn| arn.rsplit(['/', ':']).next()))
            .or(id.principal_id.as_deref()),
    }
}

/// Human or machine; the first that fits counts.
fn class(record: &Record<'_>, session: Option<&str>) -> &'static str {
    let id = &record.identity;
    if actor_is_service(record) || id.kind.is_none() && record.event_type.is_some() {
        return "aws_service";
    }
    match id.kind.as_deref().unwrap_or("") {
        "Root" => "root",
        "AssumedRole" | "Role" => role_class(record, session.unwrap_or("")),
        "IdentityCenterUser" => "human_sso",
        "SAMLUser" => "human",
        "WebIdentityUser" => web_identity_class(id),
        _ if console(record) => {
            if id.kind.as_deref() == Some("IAMUser") {
                "human_iam_user"
            } else {
                "human"
            }
        }
        _ => "unknown",
    }
}

fn web_identity_class(id: &Identity<'_>) -> &'static str {
    let provider = id.identity_provider.as_deref().unwrap_or("");
    if provider.contains("oidc.eks") {
        "eks_pod"
    } else if provider.contains("token.actions.githubusercontent.com") || provider.contains("gitlab") {
        "ci"
    } else {
        "unknown"
    }
}

fn role_class(record: &Record<'_>, session: &str) -> &'static str {
    let id = &record.identity;
    let issuer = id.issuer_arn.as_deref().unwrap_or("");
    let role = id.issuer_user_name.as_deref().or_else(|| role_in_arn(id)).unwrap_or("");
    let agent = record.user_agent.as_deref().unwrap_or("");
    let web_provider = id.web_id_federated_provider.as_deref().unwrap_or("");
    if issuer.contains(":role/aws-service-role/") || role.starts_with("AWSServiceRoleFor") {
        "service_linked_role"
    } else if role.starts_with("AWSReservedSSO_") {
        "human_sso"
    } else if hex_id(session, "i-") || id.ec2_role_delivery.is_some() {
        "ec2_instance"
    } else if hex_id(session, "mi-") {
        "ssm_hybrid_node"
    } else if id.in_scope_of_issuer_type.as_deref() == Some("AWS::Lambda::Function")
        || agent.contains("exec-env/AWS_Lambda")
    {
        "lambda"
    } else if session.len() == 32 && is_hex(session) && agent.contains("exec-env/AWS_ECS") {
        "ecs_task"
    } else if session.starts_with("eks-") || web_provider.contains("oidc.eks") {
        "eks_pod"
    } else if ["GitHubActions", "AWSCodeBuild-", "terraform-run-", "gitlab-"].iter().any(|p| session.starts_with(p))
        || agent.contains("aws-credentials-for-github-actions")
        || web_provider.contains("token.actions.githubusercontent.com")
    {
        "ci"
    } else if matches!(session, "AWSCloudFormation" | "AutoScaling" | "GlueJobRunnerSession" | "SageMaker")
        || session.starts_with("AWSConfig")
    {
        "aws_service_role"
    } else if ["botocore-session-", "aws-sdk-", "aws-go-sdk-"].iter().any(|p| session.starts_with(p))
        || session == "AWSCLI-Session"
    {
        "sdk_assume"
    } else if console(record) {
        "human"
    } else {
        "unknown"
    }
}

/// Signs of somebody at the console.
fn console(record: &Record<'_>) -> bool {
    let agent = record.user_agent.as_deref().unwrap_or("");
    matches!(record.event_type.as_deref(), Some("AwsConsoleSignIn" | "AwsConsoleAction"))
        || record.session_credential_from_console == Some(true)
        || agent.starts_with("Mozilla/")
        || agent.starts_with("console.")
        || agent.starts_with("S3Console/")
        || agent == "signin.amazonaws.com"
}

/// `i-` and 8 or 17 hexadecimal digits, and the like.
fn hex_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| matches!(rest.len(), 8 | 17) && is_hex(rest))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Who a person is, whatever role they wear: the name of their session, else the name that SAML or the directory gives
/// them, else the principal itself.
pub fn person<'a>(
    session_name: Option<&'a str>,
    identity_type: Option<&str>,
    user_name: Option<&'a str>,
    additional_event_data: Option<&'a str>,
    principal_key: Option<&'a str>,
) -> Option<Cow<'a, str>> {
    if let Some(name) = session_name {
        return Some(Cow::Borrowed(name));
    }
    match identity_type {
        Some("SAMLUser") => user_name.map(Cow::Borrowed),
        Some("IdentityCenterUser") => json::at_path(additional_event_data?, &["UserName"]),
        _ => principal_key.map(Cow::Borrowed),
    }
}

/// The account that a key id was made for, for keys created since about 2019 (older ones decode to noise): the id's
/// last 16 characters are base32, and 40 bits of them are the account's number. A hint, nothing more.
pub fn account_of_key(access_key_id: &str) -> Option<String> {
    let tail = access_key_id.as_bytes().get(4..).filter(|tail| tail.len() == 16)?;
    let mut bits = 0u128;
    for &byte in tail {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u128::from(digit);
    }
    let head = u64::try_from(bits >> 32).ok()? & 0xffff_ffff_ffff;
    Some(format!("{:012}", (head & 0x7fff_ffff_ff80) >> 7))
}

#[cfg(test)]
mod tests;
