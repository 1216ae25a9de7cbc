//! How far the silence of a trail about an action means that nobody used it.
//!
//! The knowledge is `iam/data/observability.txt`, with its sources. It errs on one side: an action is called observable only
//! where a document says so, because a permission that is taken away as unused although nobody could have seen its use
//! breaks what relied on it.

use std::sync::LazyLock;

use crate::catalogue::{Action, ActionId, Catalogue};
use crate::{event, pattern};

static OBSERVABILITY: &str = include_str!("../data/observability.txt");

/// What CloudTrail writes of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observability {
    /// Management events, which trails log unless they are told not to. A trail can leave out reads or writes, and those of
    /// `kms.amazonaws.com` and `rdsdata.amazonaws.com`.
    Management,
    /// Data events, where a trail selects them: `resources.type` equals this, `AWS::S3::Object`.
    Data(&'static str),
    /// Never an event of its own. Requests of other events may show its use, their silence shows nothing.
    NeverLogged(Unlogged),
    /// Not known here.
    Unknown,
}

/// Why no event tells an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unlogged {
    /// It is no call but a permission that other calls ask for, as `iam:PassRole` is.
    Permission,
    /// A call that CloudTrail does not write.
    Call,
}

impl Observability {
    pub fn of(action: ActionId) -> Observability {
        static SHIPPED: LazyLock<Vec<Observability>> = LazyLock::new(|| {
            let table = Table::read(OBSERVABILITY);
            Catalogue::shipped().actions().map(|(id, action)| table.of(id, action)).collect()
        });
        SHIPPED[action.index()]
    }

    /// For data events: whether a trail's basic event selectors know the resource type; others are for advanced ones alone
    /// (CloudTrail User Guide, "CloudTrail concepts").
    pub fn has_basic_selector(self) -> bool {
        matches!(self, Observability::Data("AWS::S3::Object" | "AWS::Lambda::Function" | "AWS::DynamoDB::Table"))
    }
}

/// The lines that name actions, in order, and the services that are told by management events.
struct Table {
    lines: Vec<Line>,
    managed: Vec<&'static str>,
}

struct Line {
    class: Observability,
    service: &'static str,
    /// Names, with `*`.
    names: Vec<&'static str>,
}

impl Table {
    fn read(text: &'static str) -> Table {
        let mut table = Table { lines: Vec::new(), managed: Vec::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (head, names) = line.split_once(": ").map_or((line, None), |(head, names)| (head, Some(names)));
            let words: Vec<&str> = head.split(' ').collect();
            let (class, service) = match (&words[..], names) {
                (["management", services @ ..], None) => {
                    table.managed.extend(services);
                    continue;
                }
                (["management", service], _) => (Observability::Management, *service),
                (["data", resource_type, service], _) => (Observability::Data(resource_type), *service),
                (["permission", service], _) => (Observability::NeverLogged(Unlogged::Permission), *service),
                (["unlogged", service], _) => (Observability::NeverLogged(Unlogged::Call), *service),
                (["unknown", service], _) => (Observability::Unknown, *service),
                _ => continue,
            };
            let names = names.unwrap_or_default().split(' ').collect();
            table.lines.push(Line { class, service, names });
        }
        table
    }

    fn of(&self, id: ActionId, action: &Action) -> Observability {
        let named = self.lines.iter().filter(|line| line.service == action.service);
        let mut named = named.filter(|line| line.names.iter().any(|name| pattern::matches(name, action.name)));
        match named.next() {
            Some(line) => line.class,
            None if !self.managed.contains(&action.service) => Observability::Unknown,
            None if event::is_told(id, action) => Observability::Management,
            None => Observability::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_names_something() {
        let table = Table::read(OBSERVABILITY);
        let lines = OBSERVABILITY.lines().filter(|line| line.contains(": ") && !line.starts_with('#')).count();
        assert_eq!(table.lines.len(), lines);
        let names = |service: &str| Catalogue::shipped().of_service(service).map(|(_, a)| a.name).collect::<Vec<_>>();
        for line in &table.lines {
            let known = names(line.service);
            for name in &line.names {
                assert!(known.iter().any(|k| pattern::matches(name, k)), "{} {name}", line.service);
            }
        }
        for service in &table.managed {
            assert!(!names(service).is_empty(), "{service}");
        }
    }

    #[test]
    fn classes() {
        const PERMISSION: Observability = Observability::NeverLogged(Unlogged::Permission);
        const UNLOGGED: Observability = Observability::NeverLogged(Unlogged::Call);
        for (action, expected) in [
            ("ec2:RunInstances", Observability::Management),
            ("iam:CreateRole", Observability::Management),
            ("kms:Decrypt", Observability::Management),
            ("kms:ReEncryptFrom", Observability::Management),
            ("sts:AssumeRole", Observability::Management),
            ("s3:ListAllMyBuckets", Observability::Management),
            ("s3:PutLifecycleConfiguration", Observability::Management),
            ("s3:GetBucketAcl", Observability::Management),
            ("apigateway:PATCH", Observability::Management),
            ("secretsmanager:GetSecretValue", Observability::Management),
            ("budgets:ModifyBudget", Observability::Management),
            ("bedrock:InvokeModel", Observability::Management),
            ("s3:GetObject", Observability::Data("AWS::S3::Object")),
            ("s3:ListBucket", Observability::Data("AWS::S3::Object")),
            ("dynamodb:Query", Observability::Data("AWS::DynamoDB::Table")),
            ("dynamodb:GetRecords", Observability::Data("AWS::DynamoDB::Stream")),
            ("lambda:InvokeFunction", Observability::Data("AWS::Lambda::Function")),
            ("sqs:SendMessage", Observability::Data("AWS::SQS::Queue")),
            ("sns:Publish", Observability::Data("AWS::SNS::Topic")),
            ("iam:PassRole", PERMISSION),
            ("sts:TagSession", PERMISSION),
            ("s3:BypassGovernanceRetention", PERMISSION),
            ("logs:PutLogEvents", UNLOGGED),
            ("rds-db:connect", UNLOGGED),
            ("execute-api:Invoke", UNLOGGED),
            ("logs:FilterLogEvents", Observability::Management),
            ("logs:Unmask", Observability::Unknown),
            ("lambda:ListFunctions", Observability::Management),
            ("lambda:ListTags", Observability::Unknown),
            ("events:PutEvents", Observability::Data("AWS::Events::EventBus")),
            ("mobiletargeting:UpdateEndpoint", UNLOGGED),
            ("mobiletargeting:CreateJourney", Observability::Unknown),
            ("quicksight:DescribeDashboard", Observability::Unknown),
            ("sagemaker:Sample", Observability::Unknown),
            ("sts:GetSessionToken", Observability::Unknown),
            ("cognito-idp:SignUp", Observability::Unknown),
            ("dynamodb:DescribeReservedCapacity", Observability::Unknown),
            ("qbusiness:Chat", Observability::Unknown),
        ] {
            let id = Catalogue::shipped().find_named(action).expect(action);
            assert_eq!(Observability::of(id), expected, "{action}");
        }
        assert!(Observability::Data("AWS::S3::Object").has_basic_selector());
        assert!(!Observability::Data("AWS::SQS::Queue").has_basic_selector());
    }
}
