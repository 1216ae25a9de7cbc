//! IAM's names for what is called here, and what CloudTrail writes of an action. In: a service and an API as records name them; out: the action
//! that the call needs. And a list of some actions that principals are granted beyond what they use.
//!
//! Written from the Service Authorization Reference (names of actions), from the pages of the services on logging with CloudTrail, and from
//! CloudTrail's user guide ("Logging data events"). It is made by hand for the few APIs that are simulated, and shares nothing with any
//! other list of this repository: whoever judges permissions is compared with it.

use crate::stage::without_version;

/// Which events tell the use of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Management events, which the organisation's trail has.
    Management,
    /// Data events of S3 objects: reads, or writes.
    ObjectRead,
    ObjectWrite,
    /// Data events that this trail does not have.
    OtherData,
    /// A permission that is asked beside other calls; no event has its name.
    Permission,
    /// A call that CloudTrail does not write.
    Never,
}

/// A call whose action has another name.
const OTHER_NAMES: &[(&str, &str, &str)] = &[
    ("s3", "ListBuckets", "s3:ListAllMyBuckets"),
    ("s3", "ListObjects", "s3:ListBucket"),
    ("s3", "HeadBucket", "s3:ListBucket"),
    ("s3", "HeadObject", "s3:GetObject"),
    ("s3", "CreateMultipartUpload", "s3:PutObject"),
    ("s3", "UploadPart", "s3:PutObject"),
    ("s3", "CompleteMultipartUpload", "s3:PutObject"),
    ("s3", "GetBucketEncryption", "s3:GetEncryptionConfiguration"),
    ("s3", "PutBucketEncryption", "s3:PutEncryptionConfiguration"),
    ("s3", "GetBucketLifecycle", "s3:GetLifecycleConfiguration"),
    ("s3", "PutBucketLifecycle", "s3:PutLifecycleConfiguration"),
    ("s3", "GetBucketReplication", "s3:GetReplicationConfiguration"),
    ("s3", "GetBucketAccelerateConfiguration", "s3:GetAccelerateConfiguration"),
    ("s3", "GetBucketInventoryConfiguration", "s3:GetInventoryConfiguration"),
    ("s3", "GetBucketIntelligentTieringConfiguration", "s3:GetIntelligentTieringConfiguration"),
    ("s3", "GetBucketCors", "s3:GetBucketCORS"),
    ("s3", "PutBucketReplication", "s3:PutReplicationConfiguration"),
    ("s3", "DeleteBucketReplication", "s3:PutReplicationConfiguration"),
    ("s3", "DeleteBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    ("lambda", "Invoke", "lambda:InvokeFunction"),
    ("budgets", "DescribeBudgets", "budgets:ViewBudget"),
    ("access-analyzer", "ListFindingsV2", "access-analyzer:ListFindings"),
];

/// Services whose prefix in IAM is not the name of their event source.
const OTHER_PREFIXES: &[(&str, &str)] =
    &[("monitoring", "cloudwatch"), ("tagging", "tag"), ("appstream2", "appstream")];

/// Calls that hand a role to a service, which takes `iam:PassRole` (IAM User Guide, "Granting a user permissions to pass a role").
pub const PASSING: &[(&str, &str)] = &[
    ("ec2", "RunInstances"),
    ("ecs", "RegisterTaskDefinition"),
    ("lambda", "CreateFunction"),
    ("backup", "StartBackupJob"),
];

/// The action that a call needs; none where none is needed.
pub fn needed(service: &str, api: &str) -> Option<String> {
    if matches!((service, api), ("sts", "GetCallerIdentity" | "GetSessionToken") | ("signin", _)) {
        return None;
    }
    if let Some((_, _, action)) = OTHER_NAMES.iter().find(|(own, name, _)| (*own, *name) == (service, api)) {
        return Some((*action).to_owned());
    }
    // API Gateway's actions are HTTP's verbs.
    if service == "apigateway" && api.starts_with("Get") {
        return Some("apigateway:GET".to_owned());
    }
    let prefix = OTHER_PREFIXES.iter().find(|(own, _)| *own == service).map_or(service, |(_, prefix)| prefix);
    Some(format!("{prefix}:{}", without_version(api)))
}

/// Services whose pages on CloudTrail say that all of their calls are logged, as management events.
const ALL_LOGGED: &[&str] =
    &["autoscaling", "cloudformation", "cloudtrail", "ec2", "elasticloadbalancing", "iam", "organizations", "rds"];

/// What CloudTrail writes of an action; none where that is not known here, so that nothing follows from there being no event.
pub fn told(action: &str) -> Option<Told> {
    let listed = GRANTED.iter().find(|(_, names)| names.split_whitespace().any(|name| name == action));
    let service = action.split(':').next().unwrap_or_default();
    listed.map(|(told, _)| *told).or_else(|| ALL_LOGGED.contains(&service).then_some(Told::Management))
}

/// All actions of the list.
pub fn all() -> impl Iterator<Item = &'static str> {
    GRANTED.iter().flat_map(|(_, names)| names.split_whitespace())
}

/// What is granted in this organisation, beside what is used.
const GRANTED: &[(Told, &str)] = &[
    (
        Told::Management,
        "ec2:RunInstances ec2:TerminateInstances ec2:StopInstances ec2:DescribeInstances ec2:DescribeVolumes ec2:DescribeKeyPairs \
         ec2:CreateVpc ec2:DeleteVpc ec2:ModifyInstanceAttribute ec2:CreateKeyPair ec2:DeleteKeyPair ec2:CreateImage \
         ec2:DeregisterImage ec2:AuthorizeSecurityGroupIngress ec2:DescribeFlowLogs ec2:DeleteFlowLogs ec2:GetConsoleOutput",
    ),
    (
        Told::Management,
        "iam:CreateUser iam:DeleteUser iam:ListUsers iam:GetUser iam:CreateAccessKey iam:CreateRole iam:DeleteRole iam:GetRole \
         iam:AttachUserPolicy iam:AttachRolePolicy iam:UpdateAssumeRolePolicy iam:ListMFADevices iam:GetAccountSummary",
    ),
    (
        Told::Management,
        "s3:ListAllMyBuckets s3:CreateBucket s3:DeleteBucket s3:GetBucketPolicy s3:PutBucketPolicy s3:DeleteBucketPolicy s3:GetBucketAcl \
         s3:PutBucketAcl s3:GetBucketVersioning s3:PutBucketVersioning s3:GetEncryptionConfiguration s3:PutEncryptionConfiguration \
         s3:GetLifecycleConfiguration s3:PutLifecycleConfiguration s3:GetBucketLogging s3:PutBucketLogging",
    ),
    (Told::ObjectRead, "s3:GetObject s3:ListBucket s3:GetObjectAcl s3:GetObjectTagging"),
    (Told::ObjectWrite, "s3:PutObject s3:DeleteObject s3:PutObjectAcl s3:PutObjectTagging"),
    (
        Told::Management,
        "kms:Decrypt kms:Encrypt kms:GenerateDataKey kms:CreateKey kms:DescribeKey kms:ListKeys kms:DisableKey kms:ScheduleKeyDeletion",
    ),
    (
        Told::Management,
        "lambda:CreateFunction lambda:DeleteFunction lambda:UpdateFunctionCode lambda:GetFunction lambda:ListFunctions \
         lambda:AddPermission lambda:PublishVersion",
    ),
    (
        Told::Management,
        "dynamodb:CreateTable dynamodb:DeleteTable dynamodb:DescribeTable dynamodb:ListTables dynamodb:UpdateTable dynamodb:CreateBackup",
    ),
    (
        Told::Management,
        "rds:CreateDBInstance rds:DeleteDBInstance rds:ModifyDBInstance rds:DescribeDBInstances rds:CreateDBSnapshot",
    ),
    (
        Told::Management,
        "secretsmanager:GetSecretValue secretsmanager:CreateSecret secretsmanager:DeleteSecret secretsmanager:DescribeSecret \
         secretsmanager:ListSecrets ssm:GetParameter ssm:PutParameter ssm:DeleteParameter ssm:SendCommand ssm:StartSession",
    ),
    (
        Told::Management,
        "logs:CreateLogGroup logs:DeleteLogGroup logs:PutRetentionPolicy cloudwatch:PutMetricAlarm cloudwatch:DeleteAlarms \
         sqs:CreateQueue sqs:DeleteQueue sqs:SetQueueAttributes sns:CreateTopic sns:DeleteTopic sns:Subscribe events:PutRule \
         events:PutTargets kinesis:CreateStream kinesis:DeleteStream states:StartExecution glue:StartJobRun athena:StartQueryExecution",
    ),
    (
        Told::Management,
        "cloudtrail:DescribeTrails cloudtrail:LookupEvents cloudtrail:StopLogging cloudtrail:DeleteTrail guardduty:DeleteDetector \
         cloudformation:CreateStack cloudformation:DeleteStack cloudformation:DescribeStacks ecs:RunTask ecs:DescribeTasks \
         ecs:UpdateService route53:ChangeResourceRecordSets route53:ListHostedZones sts:AssumeRole",
    ),
    // Their pages on CloudTrail list these as data events; this trail has none but those of S3's objects.
    (
        Told::OtherData,
        "lambda:InvokeFunction dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:Scan sqs:SendMessage sqs:ReceiveMessage \
         sqs:GetQueueUrl sqs:GetQueueAttributes sqs:ListQueues sns:Publish kinesis:PutRecord kinesis:GetRecords",
    ),
    // IAM User Guide, "Granting a user permissions to pass a role" and "Pass session tags in AWS STS"; S3 User Guide, "Object Lock".
    (Told::Permission, "iam:PassRole sts:TagSession s3:BypassGovernanceRetention"),
    // CloudWatch Logs User Guide (its list of APIs that are logged has no PutLogEvents), RDS User Guide (a connection to a database is
    // none of an API), API Gateway Developer Guide (requests of clients go to access logs).
    (Told::Never, "logs:PutLogEvents rds-db:connect execute-api:Invoke"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_by_their_actions() {
        for (service, api, action) in [
            ("s3", "ListObjects", Some("s3:ListBucket")),
            ("s3", "GetObject", Some("s3:GetObject")),
            ("lambda", "GetFunction20150331v2", Some("lambda:GetFunction")),
            ("monitoring", "DescribeAlarms", Some("cloudwatch:DescribeAlarms")),
            ("apigateway", "GetRestApis", Some("apigateway:GET")),
            ("sts", "AssumeRole", Some("sts:AssumeRole")),
            ("sts", "GetCallerIdentity", None),
        ] {
            assert_eq!(needed(service, api).as_deref(), action, "{service} {api}");
        }
        assert_eq!(told("s3:PutObject"), Some(Told::ObjectWrite));
        assert_eq!(told("ec2:DescribeHosts"), Some(Told::Management));
        assert_eq!(told("logs:GetQueryResults"), None);
        assert_eq!(all().count(), all().collect::<std::collections::BTreeSet<_>>().len(), "an action stands twice");
    }
}
