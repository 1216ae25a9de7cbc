//! IAM of accounts, as far as it is read: who there is, page by page, users' keys, and the credential report.
//!
//! The query protocol's XML after IAM's API Reference. Documents are URL-encoded, as IAM gives them, and AWS' own policies are told
//! whether somebody has them or not.

use std::collections::{HashMap, HashSet};

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Call, Fault, World, query_error, xml};

/// Who is in an account. Everybody may read S3 by an inline policy; users have AWS' `ReadOnlyAccess` too, and a key.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub users: Vec<String>,
    pub roles: Vec<String>,
    pub alias: Option<String>,
    /// Entities on a page, however many are asked for.
    pub page_items: usize,
    /// How often the report is still being made when it is asked for.
    pub report_waits: u32,
    /// Pages say that more follow, and not where.
    pub loses_markers: bool,
    /// Reports of last access that were asked for.
    pub reports_asked: HashSet<String>,
}

/// What everybody may do, URL-encoded.
const READS: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3AGetObject%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
/// AWS' own policies. The first one is attached.
const AWS_POLICIES: [&str; 3] = ["ReadOnlyAccess", "AdministratorAccess", "PowerUserAccess"];
const CREATED: &str = "2024-01-01T00:00:00Z";
const USED: &str = "2025-03-08T12:00:00Z";

pub(super) fn answer(world: &World, call: &Call, asked: &HashMap<String, String>) -> Response {
    let text = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let operation = text("Action");
    let mut inner = world.lock();
    inner.count(operation);
    let id = inner.account_of(&call.access_key);
    if let Some(Fault::Status { status, code, message }) = inner.fault(operation, &id) {
        return xml(status, &query_error(&code, &message));
    }
    let Some(account) = inner.accounts.get_mut(&id) else {
        let message = format!("User: arn:aws:iam::{id}:user/test is not authorized to perform: iam:{operation}");
        return xml(403, &query_error("AccessDenied", &message));
    };
    let result = match operation {
        "GetAccountAuthorizationDetails" => account.details(&id, asked),
        "ListAccountAliases" => {
            let alias = account.alias.as_ref().map_or_else(String::new, |alias| format!("<member>{alias}</member>"));
            format!("<AccountAliases>{alias}</AccountAliases><IsTruncated>false</IsTruncated>")
        }
        "ListAccessKeys" => format!(
            "<AccessKeyMetadata><member><UserName>{user}</UserName><AccessKeyId>AKIA{user}</AccessKeyId><Status>Active</Status>\
             <CreateDate>{CREATED}</CreateDate></member></AccessKeyMetadata><IsTruncated>false</IsTruncated>",
            user = text("UserName")
        ),
        "GetAccessKeyLastUsed" => format!(
            "<UserName>{}</UserName><AccessKeyLastUsed><LastUsedDate>{USED}</LastUsedDate><ServiceName>s3</ServiceName>\
             <Region>eu-west-1</Region></AccessKeyLastUsed>",
            text("AccessKeyId").trim_start_matches("AKIA")
        ),
        "GenerateCredentialReport" if account.report_waits > 0 => {
            account.report_waits -= 1;
            "<State>INPROGRESS</State>".to_string()
        }
        "GenerateCredentialReport" => "<State>COMPLETE</State>".to_string(),
        "GetCredentialReport" if account.report_waits > 0 => {
            return xml(410, &query_error("ReportNotPresent", "there is no report"));
        }
        "GetCredentialReport" => format!(
            "<Content>{}</Content><ReportFormat>text/csv</ReportFormat><GeneratedTime>{USED}</GeneratedTime>",
            STANDARD.encode(account.report(&id))
        ),
        "GenerateServiceLastAccessedDetails" => format!("<JobId>{}</JobId>", text("Arn")),
        // Not ready when it is asked for first.
        "GetServiceLastAccessedDetails" if account.reports_asked.insert(text("JobId").to_string()) => {
            job("IN_PROGRESS", "")
        }
        "GetServiceLastAccessedDetails" => match text("Marker") {
            "" => job(
                "COMPLETED",
                &(service("s3", &format!("<LastAuthenticated>{USED}</LastAuthenticated>"))
                    + "<IsTruncated>true</IsTruncated><Marker>1</Marker>"),
            ),
            _ => job("COMPLETED", &service("ec2", "")),
        },
        _ => return xml(400, &query_error("InvalidAction", operation)),
    };
    xml(
        200,
        &format!(
            r#"<{operation}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><{operation}Result>{result}</{operation}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{operation}Response>"#
        ),
    )
}

/// A report of last access.
fn job(status: &str, rest: &str) -> String {
    format!(
        "<JobStatus>{status}</JobStatus><JobType>ACTION_LEVEL</JobType><JobCreationDate>{USED}</JobCreationDate>\
         <JobCompletionDate>{USED}</JobCompletionDate>{rest}"
    )
}

fn service(namespace: &str, more: &str) -> String {
    format!(
        "<ServicesLastAccessed><member><ServiceName>{namespace}</ServiceName><ServiceNamespace>{namespace}</ServiceNamespace>{more}\
         <TrackedActionsLastAccessed><member><ActionName>GetObject</ActionName><LastAccessedTime>{USED}</LastAccessedTime></member>\
         </TrackedActionsLastAccessed></member></ServicesLastAccessed>"
    )
}

/// The lists of a page of details, and what belongs into them.
const LISTS: [(&str, &[&str]); 3] = [
    ("UserDetailList", &["User"]),
    ("RoleDetailList", &["Role"]),
    ("Policies", &["LocalManagedPolicy", "AWSManagedPolicy"]),
];

impl Account {
    fn details(&self, id: &str, asked: &HashMap<String, String>) -> String {
        let wanted: Vec<&str> = asked
            .iter()
            .filter(|(name, _)| name.starts_with("Filter.member."))
            .map(|(_, filter)| filter.as_str())
            .collect();
        let all: Vec<(&str, String)> =
            self.entities(id).into_iter().filter(|(kind, _)| wanted.is_empty() || wanted.contains(kind)).collect();
        let begin = asked.get("Marker").and_then(|marker| marker.parse().ok()).unwrap_or(0);
        let end = all.len().min(begin + self.page_items.max(1));
        let mut page = String::new();
        for (list, kinds) in LISTS {
            let members = all[begin..end].iter().filter(|(kind, _)| kinds.contains(kind));
            let members: String = members.map(|(_, member)| format!("<member>{member}</member>")).collect();
            page.push_str(&format!("<{list}>{members}</{list}>"));
        }
        match (end < all.len(), self.loses_markers) {
            (false, _) => page + "<IsTruncated>false</IsTruncated>",
            (true, true) => page + "<IsTruncated>true</IsTruncated>",
            (true, false) => page + &format!("<IsTruncated>true</IsTruncated><Marker>{end}</Marker>"),
        }
    }

    fn entities(&self, id: &str) -> Vec<(&'static str, String)> {
        let inline = format!("<member><PolicyName>own</PolicyName><PolicyDocument>{READS}</PolicyDocument></member>");
        let attached = format!(
            "<member><PolicyName>{0}</PolicyName><PolicyArn>arn:aws:iam::aws:policy/{0}</PolicyArn></member>",
            AWS_POLICIES[0]
        );
        let user = |name: &String| {
            format!(
                "<Path>/</Path><UserName>{name}</UserName><UserId>AIDA{name}</UserId><Arn>arn:aws:iam::{id}:user/{name}</Arn>\
                 <CreateDate>{CREATED}</CreateDate><UserPolicyList>{inline}</UserPolicyList><GroupList/>\
                 <AttachedManagedPolicies>{attached}</AttachedManagedPolicies><Tags/>"
            )
        };
        let role = |name: &String| {
            format!(
                "<Path>/</Path><RoleName>{name}</RoleName><RoleId>AROA{name}</RoleId><Arn>arn:aws:iam::{id}:role/{name}</Arn>\
                 <CreateDate>{CREATED}</CreateDate><AssumeRolePolicyDocument>{READS}</AssumeRolePolicyDocument>\
                 <InstanceProfileList/><RolePolicyList>{inline}</RolePolicyList><AttachedManagedPolicies/><Tags/><RoleLastUsed/>"
            )
        };
        let policy = |name: &str| {
            format!(
                "<PolicyName>{name}</PolicyName><PolicyId>ANPA{name}</PolicyId><Arn>arn:aws:iam::aws:policy/{name}</Arn><Path>/</Path>\
                 <DefaultVersionId>v1</DefaultVersionId><AttachmentCount>0</AttachmentCount><IsAttachable>true</IsAttachable>\
                 <CreateDate>{CREATED}</CreateDate><UpdateDate>{CREATED}</UpdateDate><PolicyVersionList><member>\
                 <Document>{READS}</Document><VersionId>v1</VersionId><IsDefaultVersion>true</IsDefaultVersion>\
                 <CreateDate>{CREATED}</CreateDate></member></PolicyVersionList>"
            )
        };
        let users = self.users.iter().map(|name| ("User", user(name)));
        let roles = self.roles.iter().map(|name| ("Role", role(name)));
        users.chain(roles).chain(AWS_POLICIES.map(|name| ("AWSManagedPolicy", policy(name)))).collect()
    }

    fn report(&self, id: &str) -> String {
        let head = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
                    password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,\
                    access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,\
                    access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,\
                    access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,\
                    cert_2_active,cert_2_last_rotated\n";
        let row = |name: &str, arn: String, password: &str, key: &str| {
            format!(
                "{name},{arn},{CREATED},{password},N/A,N/A,N/A,true,{key},N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A\n"
            )
        };
        let root = row("<root_account>", format!("arn:aws:iam::{id}:root"), "not_supported", "false,N/A");
        let users = self.users.iter();
        let users =
            users.map(|name| row(name, format!("arn:aws:iam::{id}:user/{name}"), "false", "true,2024-01-01T00:00:00Z"));
        std::iter::once(head.to_string()).chain([root]).chain(users).collect()
    }
}
