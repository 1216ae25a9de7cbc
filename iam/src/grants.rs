//! What an identity policy gives: everything, or the power over identities that leads to everything.
//!
//! Asked of a sample, not of the spelling: `"*"`, `"*:?*"`, a list of `a*` to `z*`, `NotAction` of one thing and a
//! grant spread over statements give the same and are found the same way.

use crate::document::{Document, Effect, Selection, Statement};
use crate::pattern::{matches, matches_ignoring_case};

/// One action on one thing.
struct Probe {
    action: &'static str,
    resource: &'static str,
}

const fn probe(action: &'static str, resource: &'static str) -> Probe {
    Probe { action, resource }
}

/// With these a principal makes itself or anybody else whatever it likes: without one of them nobody is an administrator.
const OVER_IDENTITIES: &[Probe] = &[
    probe("iam:AttachRolePolicy", "arn:aws:iam::000000000000:role/any"),
    probe("iam:AttachUserPolicy", "arn:aws:iam::000000000000:user/any"),
    probe("iam:CreateAccessKey", "arn:aws:iam::000000000000:user/any"),
    probe("iam:CreatePolicyVersion", "arn:aws:iam::000000000000:policy/any"),
    probe("iam:CreateUser", "arn:aws:iam::000000000000:user/any"),
    probe("iam:PassRole", "arn:aws:iam::000000000000:role/any"),
    probe("iam:PutRolePolicy", "arn:aws:iam::000000000000:role/any"),
    probe("iam:PutUserPolicy", "arn:aws:iam::000000000000:user/any"),
    probe("iam:UpdateAssumeRolePolicy", "arn:aws:iam::000000000000:role/any"),
    probe("iam:UpdateLoginProfile", "arn:aws:iam::000000000000:user/any"),
];

/// Services that have little to do with each other, reads and writes mixed.
const OVER_SERVICES: &[Probe] = &[
    probe("cloudformation:CreateStack", "arn:aws:cloudformation:eu-west-1:000000000000:stack/any/1"),
    probe("cloudtrail:StopLogging", "arn:aws:cloudtrail:eu-west-1:000000000000:trail/any"),
    probe("dynamodb:DeleteTable", "arn:aws:dynamodb:eu-west-1:000000000000:table/any"),
    probe("ec2:RunInstances", "arn:aws:ec2:eu-west-1:000000000000:instance/i-0a1b2c3d4e5f60718"),
    probe("ecr:GetAuthorizationToken", "*"),
    probe("eks:DescribeCluster", "arn:aws:eks:eu-west-1:000000000000:cluster/any"),
    probe("guardduty:DeleteDetector", "arn:aws:guardduty:eu-west-1:000000000000:detector/any"),
    probe("kinesis:PutRecord", "arn:aws:kinesis:eu-west-1:000000000000:stream/any"),
    probe("kms:Decrypt", "arn:aws:kms:eu-west-1:000000000000:key/any"),
    probe("lambda:UpdateFunctionCode", "arn:aws:lambda:eu-west-1:000000000000:function:any"),
    probe("logs:DeleteLogGroup", "arn:aws:logs:eu-west-1:000000000000:log-group:any"),
    probe("organizations:LeaveOrganization", "*"),
    probe("rds:ModifyDBInstance", "arn:aws:rds:eu-west-1:000000000000:db:any"),
    probe("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/ANY"),
    probe("s3:DeleteBucket", "arn:aws:s3:::any"),
    probe("s3:GetObject", "arn:aws:s3:::any/thing"),
    probe("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:000000000000:secret:any"),
    probe("sns:Publish", "arn:aws:sns:eu-west-1:000000000000:any"),
    probe("sqs:ReceiveMessage", "arn:aws:sqs:eu-west-1:000000000000:any"),
    probe("ssm:SendCommand", "arn:aws:ssm:eu-west-1:000000000000:document/any"),
    probe("sts:AssumeRole", "arn:aws:iam::000000000000:role/any"),
];

impl Document {
    /// Whether whoever has this policy has, unconditionally, the powers of an administrator: all that makes
    /// identities ([`OVER_IDENTITIES`]) and at least nine in ten of a sample across services, on any resource.
    ///
    /// Statements with a condition that asks anything give nothing here, and take nothing away. Statements that name
    /// a principal belong to a resource or a role and are passed over. A `Deny` takes away what it selects: one of
    /// everything, or of `iam:*`, leaves no administrator. Actions outside the sample are not looked at.
    pub fn grants_admin(&self) -> bool {
        let services = OVER_SERVICES.iter().filter(|p| self.gives(p)).count();
        self.grants_iam_admin() && services * 10 >= OVER_SERVICES.len() * 9
    }

    /// Whether whoever has this policy can make identities as it likes ([`OVER_IDENTITIES`]): `iam:*` on `*`, or as
    /// much by other words. It is one call away from [`Document::grants_admin`], and true wherever that is.
    pub fn grants_iam_admin(&self) -> bool {
        OVER_IDENTITIES.iter().all(|p| self.gives(p))
    }

    fn gives(&self, probe: &Probe) -> bool {
        let speaks = |effect| move |s: &&Statement| s.effect == effect && gives_or_takes(s) && selects(s, probe);
        self.statements.iter().any(|s| speaks(Effect::Allow)(&s))
            && !self.statements.iter().any(|s| speaks(Effect::Deny)(&s))
    }
}

/// A statement of an identity policy that holds in every request.
fn gives_or_takes(statement: &Statement) -> bool {
    statement.principals == Selection::Unstated && statement.is_unconditional()
}

fn selects(statement: &Statement, probe: &Probe) -> bool {
    statement.actions.selects(probe.action, matches_ignoring_case)
        && statement.resources.selects(probe.resource, |pattern, name| matches(&anywhere(pattern), name))
}

/// The pattern with its account and partition freed: a policy reaches no other account or partition than its own, so
/// writing them out makes it no narrower.
fn anywhere(pattern: &str) -> String {
    let parts: Vec<&str> = pattern.splitn(6, ':').collect();
    let [arn @ "arn", partition, service, region, account, rest] = parts[..] else { return pattern.to_owned() };
    let partition = if partition.starts_with("aws") { "*" } else { partition };
    let account = if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) { "*" } else { account };
    [arn, partition, service, region, account, rest].join(":")
}

#[cfg(test)]
mod tests;
