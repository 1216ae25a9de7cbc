//! IAM's answers as the AWS CLI prints them: the SDK's types come in, JSON with the members of IAM's API Reference goes out, one
//! entity an output.
//!
//! Policy documents stay as the API gives them, URL-encoded; who reads them decodes them. Left out are the roles within
//! instance profiles, which repeat the role around them.

use std::collections::BTreeMap;

use aws_sdk_iam::operation::get_account_authorization_details::GetAccountAuthorizationDetailsOutput;
use aws_sdk_iam::operation::get_credential_report::GetCredentialReportOutput;
use aws_sdk_iam::operation::get_service_last_accessed_details::GetServiceLastAccessedDetailsOutput;
use aws_sdk_iam::primitives::{DateTime, DateTimeFormat};
use aws_sdk_iam::types::{
    AccessKeyLastUsed, AccessKeyMetadata, AttachedPermissionsBoundary, AttachedPolicy, GroupDetail, InstanceProfile,
    ManagedPolicyDetail, PolicyDetail, PolicyVersion, RoleDetail, RoleLastUsed, ServiceLastAccessed, Tag,
    TrackedActionLastAccessed, UserDetail,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Everything on a page, each as a page of its own.
pub fn entities(page: &GetAccountAuthorizationDetailsOutput) -> impl Iterator<Item = Value> {
    let users = page.user_detail_list().iter().map(user);
    let groups = page.group_detail_list().iter().map(group);
    let roles = page.role_detail_list().iter().map(role);
    users.chain(groups).chain(roles).chain(page.policies().iter().map(policy))
}

/// ARNs of the managed policies, boundaries too, that the entities of a page have.
pub fn attached(page: &GetAccountAuthorizationDetailsOutput) -> impl Iterator<Item = &str> {
    let (users, roles) = (page.user_detail_list(), page.role_detail_list());
    let of_users = users.iter().flat_map(UserDetail::attached_managed_policies);
    let of_groups = page.group_detail_list().iter().flat_map(GroupDetail::attached_managed_policies);
    let of_roles = roles.iter().flat_map(RoleDetail::attached_managed_policies);
    let policies = of_users.chain(of_groups).chain(of_roles).filter_map(AttachedPolicy::policy_arn);
    let of_users = users.iter().filter_map(UserDetail::permissions_boundary);
    let boundaries = of_users.chain(roles.iter().filter_map(RoleDetail::permissions_boundary));
    policies.chain(boundaries.filter_map(AttachedPermissionsBoundary::permissions_boundary_arn))
}

fn user(user: &UserDetail) -> Value {
    let detail = object([
        ("Path", text(user.path())),
        ("UserName", text(user.user_name())),
        ("UserId", text(user.user_id())),
        ("Arn", text(user.arn())),
        ("CreateDate", time(user.create_date())),
        ("UserPolicyList", list(user.user_policy_list(), inline)),
        ("GroupList", list(user.group_list(), |name| json!(name))),
        ("AttachedManagedPolicies", list(user.attached_managed_policies(), managed)),
        ("PermissionsBoundary", user.permissions_boundary().map(boundary)),
        ("Tags", list(user.tags(), tag)),
    ]);
    json!({ "UserDetailList": [detail] })
}

fn group(group: &GroupDetail) -> Value {
    let detail = object([
        ("Path", text(group.path())),
        ("GroupName", text(group.group_name())),
        ("GroupId", text(group.group_id())),
        ("Arn", text(group.arn())),
        ("CreateDate", time(group.create_date())),
        ("GroupPolicyList", list(group.group_policy_list(), inline)),
        ("AttachedManagedPolicies", list(group.attached_managed_policies(), managed)),
    ]);
    json!({ "GroupDetailList": [detail] })
}

fn role(role: &RoleDetail) -> Value {
    let detail = object([
        ("Path", text(role.path())),
        ("RoleName", text(role.role_name())),
        ("RoleId", text(role.role_id())),
        ("Arn", text(role.arn())),
        ("CreateDate", time(role.create_date())),
        ("AssumeRolePolicyDocument", text(role.assume_role_policy_document())),
        ("InstanceProfileList", list(role.instance_profile_list(), instance_profile)),
        ("RolePolicyList", list(role.role_policy_list(), inline)),
        ("AttachedManagedPolicies", list(role.attached_managed_policies(), managed)),
        ("PermissionsBoundary", role.permissions_boundary().map(boundary)),
        ("Tags", list(role.tags(), tag)),
        ("RoleLastUsed", role.role_last_used().map(role_last_used)),
    ]);
    json!({ "RoleDetailList": [detail] })
}

pub fn policy(policy: &ManagedPolicyDetail) -> Value {
    let detail = object([
        ("PolicyName", text(policy.policy_name())),
        ("PolicyId", text(policy.policy_id())),
        ("Arn", text(policy.arn())),
        ("Path", text(policy.path())),
        ("DefaultVersionId", text(policy.default_version_id())),
        ("AttachmentCount", policy.attachment_count().map(Value::from)),
        ("PermissionsBoundaryUsageCount", policy.permissions_boundary_usage_count().map(Value::from)),
        ("IsAttachable", Some(policy.is_attachable().into())),
        ("Description", text(policy.description())),
        ("CreateDate", time(policy.create_date())),
        ("UpdateDate", time(policy.update_date())),
        ("PolicyVersionList", list(policy.policy_version_list(), policy_version)),
    ]);
    json!({ "Policies": [detail] })
}

/// `list-access-keys` of a user, whose ARN stands beside it. When a key was used stands within it, where `get-access-key-last-used`
/// told: that answer alone does not say of which key it is.
pub fn access_keys(arn: &str, keys: &[AccessKeyMetadata], used: &BTreeMap<String, AccessKeyLastUsed>) -> Value {
    let key = |key: &AccessKeyMetadata| {
        let used = key.access_key_id().and_then(|id| used.get(id));
        object([
            ("UserName", text(key.user_name())),
            ("AccessKeyId", text(key.access_key_id())),
            ("Status", text(key.status().map(|status| status.as_str()))),
            ("CreateDate", time(key.create_date())),
            ("AccessKeyLastUsed", used.map(key_last_used)),
        ])
    };
    json!({ "Arn": arn, "AccessKeyMetadata": keys.iter().map(key).collect::<Vec<_>>() })
}

/// `get-service-last-accessed-details`, its pages as one, with whose it is beside them: it does not say so itself.
pub fn last_accessed(arn: &str, pages: &[GetServiceLastAccessedDetailsOutput]) -> Value {
    let services: Vec<Value> = pages.iter().flat_map(|page| page.services_last_accessed()).map(service).collect();
    let first = pages.first();
    let mut told = object([
        ("JobStatus", text(first.map(|page| page.job_status().as_str()))),
        ("JobType", text(first.and_then(|page| page.job_type()).map(|kind| kind.as_str()))),
        ("JobCompletionDate", time(first.map(|page| page.job_completion_date()))),
    ]);
    told["Arn"] = arn.into();
    told["ServicesLastAccessed"] = services.into();
    told
}

fn service(service: &ServiceLastAccessed) -> Value {
    let action = |action: &TrackedActionLastAccessed| {
        object([
            ("ActionName", text(action.action_name())),
            ("LastAccessedTime", time(action.last_accessed_time())),
            ("LastAccessedRegion", text(action.last_accessed_region())),
        ])
    };
    let actions = service.tracked_actions_last_accessed.as_deref();
    object([
        ("ServiceName", text(Some(service.service_name()))),
        ("ServiceNamespace", text(Some(service.service_namespace()))),
        ("LastAuthenticated", time(service.last_authenticated())),
        ("LastAuthenticatedRegion", text(service.last_authenticated_region())),
        ("TrackedActionsLastAccessed", actions.and_then(|actions| list(actions, action))),
    ])
}

/// `get-credential-report`: the CSV in Base64.
pub fn report(report: &GetCredentialReportOutput) -> Value {
    object([
        ("Content", report.content().map(|csv| STANDARD.encode(csv).into())),
        ("ReportFormat", text(report.report_format().map(|format| format.as_str()))),
        ("GeneratedTime", time(report.generated_time())),
    ])
}

fn inline(policy: &PolicyDetail) -> Value {
    object([("PolicyName", text(policy.policy_name())), ("PolicyDocument", text(policy.policy_document()))])
}

fn managed(policy: &AttachedPolicy) -> Value {
    object([("PolicyName", text(policy.policy_name())), ("PolicyArn", text(policy.policy_arn()))])
}

fn policy_version(version: &PolicyVersion) -> Value {
    object([
        ("Document", text(version.document())),
        ("VersionId", text(version.version_id())),
        ("IsDefaultVersion", Some(version.is_default_version().into())),
        ("CreateDate", time(version.create_date())),
    ])
}

fn boundary(boundary: &AttachedPermissionsBoundary) -> Value {
    object([
        ("PermissionsBoundaryType", text(boundary.permissions_boundary_type().map(|kind| kind.as_str()))),
        ("PermissionsBoundaryArn", text(boundary.permissions_boundary_arn())),
    ])
}

fn instance_profile(profile: &InstanceProfile) -> Value {
    object([
        ("Path", text(Some(profile.path()))),
        ("InstanceProfileName", text(Some(profile.instance_profile_name()))),
        ("InstanceProfileId", text(Some(profile.instance_profile_id()))),
        ("Arn", text(Some(profile.arn()))),
        ("CreateDate", time(Some(profile.create_date()))),
    ])
}

/// Empty where a role was not used for as long as AWS keeps such times.
fn role_last_used(used: &RoleLastUsed) -> Value {
    object([("LastUsedDate", time(used.last_used_date())), ("Region", text(used.region()))])
}

fn key_last_used(used: &AccessKeyLastUsed) -> Value {
    object([
        ("LastUsedDate", time(used.last_used_date())),
        ("ServiceName", text(Some(used.service_name()))),
        ("Region", text(Some(used.region()))),
    ])
}

fn tag(tag: &Tag) -> Value {
    json!({ "Key": tag.key(), "Value": tag.value() })
}

/// Without the members that IAM did not give.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

fn text(text: Option<&str>) -> Option<Value> {
    text.map(Value::from)
}

fn time(time: Option<&DateTime>) -> Option<Value> {
    time?.fmt(DateTimeFormat::DateTime).ok().map(Value::from)
}

fn list<T>(elements: &[T], element: impl Fn(&T) -> Value) -> Option<Value> {
    Some(elements.iter().map(element).collect())
}
