use std::sync::Arc;

use super::*;
use crate::document::Document;
use crate::evaluate::{Denial, Evaluator, Layer};

fn id(action: &str) -> ActionId {
    Catalogue::shipped().find_named(action).expect(action)
}

fn policy(name: &str, statements: &str) -> Policy {
    let (document, errors) = Document::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#));
    assert!(errors.is_empty(), "{errors:?}");
    Policy { place: Place::Managed(name.to_owned()), document: Arc::new(document) }
}

const ALL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;

/// Everything of EC2, objects of two buckets, launches from the office, and roles to be passed to one service.
fn today() -> PolicySet {
    let statements = r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"},
        {"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::a/*","arn:aws:s3:::b/*"]},
        {"Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}}},
        {"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}}"#;
    PolicySet { identity: vec![policy("own", statements)], ..PolicySet::default() }
}

fn calls() -> Vec<Call<'static>> {
    let call =
        |action, resource, passed_to, count| Call { action: id(action), resource, passed_to, count, first: 1, last: 2 };
    let queue = Some("arn:aws:sqs:eu-west-1:111122223333:q");
    vec![
        call("ec2:DescribeInstances", None, None, 100),
        call("ec2:StopInstances", None, None, 10),
        call("s3:GetObject", Some("arn:aws:s3:::a/x"), None, 5),
        call("s3:GetObject", Some("arn:aws:s3:::b/x"), None, 4),
        call("s3:GetObject", Some("arn:aws:s3:::c/x"), None, 3),
        call("sqs:SendMessage", queue, None, 2),
        call("iam:PassRole", Some("arn:aws:iam::111122223333:role/f"), Some("lambda.amazonaws.com"), 1),
    ]
}

/// In words: `denied ec2:StopInstances 10: Boundary`.
fn told(replayed: &Replayed) -> Vec<String> {
    let name = |action| Catalogue::shipped().action(action).to_string();
    let lost = replayed.lost.iter().map(|loss| {
        let why = match &loss.decision {
            Decision::Denied(Denial::Explicit { .. }) => "Deny".to_owned(),
            Decision::Denied(Denial::Implicit { layers }) => {
                layers.iter().map(|layer: &Layer| format!("{layer:?}")).collect::<Vec<_>>().join(", ")
            }
            Decision::Conditional { open, .. } => {
                open.iter().flat_map(|open| open.keys.iter().cloned()).collect::<Vec<_>>().join(", ")
            }
            Decision::Allowed { .. } => unreachable!("no loss"),
        };
        format!("{} {}: {why}", name(loss.action), loss.count)
    });
    lost.chain(replayed.unplaced.iter().map(|one| format!("{} {}: unplaced", name(one.action), one.count))).collect()
}

#[track_caller]
fn check(change: &Change, allowed: u64, as_before: u64, expected: &[&str]) {
    let mut evaluator = Evaluator::new(Catalogue::shipped());
    let set = today();
    let (before, after) = (evaluator.compile(&set), evaluator.compile(&change.applied(&set)));
    let replayed = Trial { before: Some(&before), after: &after }.run(calls());
    assert_eq!(told(&replayed), expected, "{change:?}");
    assert_eq!((replayed.allowed, replayed.as_before), (allowed, as_before), "{change:?}");
}

#[test]
fn what_changes_deny() {
    check(&Change::Attach(policy("more", ALL)), 125, 0, &[]);
    check(&Change::Detach(Place::Managed("nothing".into())), 120, 5, &[]);
    check(
        &Change::Attach(policy("deny", r#"{"Effect":"Deny","Action":["ec2:Stop*","sqs:*"],"Resource":"*"}"#)),
        110,
        3,
        &["ec2:StopInstances 10: Deny", "sqs:SendMessage 2: Deny"],
    );
    let bucket = r#"{"Effect":"Allow","Action":["ec2:Describe*","s3:*","sqs:*","iam:*"],"Resource":["*"]}"#;
    check(&Change::Boundary(Some(policy("boundary", bucket))), 110, 5, &["ec2:StopInstances 10: Boundary"]);
    let region = format!(
        r#"{ALL},{{"Effect":"Deny","Action":"ec2:*","Resource":"*","Condition":{{"StringNotEquals":{{"aws:RequestedRegion":"eu-west-1"}}}}}}"#
    );
    check(
        &Change::Control { level: 0, policy: policy("region", &region) },
        10,
        5,
        &["ec2:DescribeInstances 100: aws:requestedregion", "ec2:StopInstances 10: aws:requestedregion"],
    );
    let instance = r#"{"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/i-1"},
        {"Effect":"Allow","Action":["s3:GetObject","sqs:*","iam:PassRole"],"Resource":"arn:aws:s3:::a/*"}"#;
    check(
        &Change::Replace(vec![policy("narrow", instance)]),
        5,
        3,
        &[
            "ec2:DescribeInstances 100: Identity",
            "iam:PassRole 1: Identity",
            "s3:GetObject 4: Identity",
            "sqs:SendMessage 2: Identity",
            "ec2:StopInstances 10: unplaced",
        ],
    );
}

#[test]
fn which_actions_need_resources() {
    let compiled = Evaluator::new(Catalogue::shipped()).compile(&today());
    let trial = Trial { before: None, after: &compiled };
    for (action, expected) in [
        ("ec2:StopInstances", false),
        ("ec2:DescribeInstances", false),
        ("s3:GetObject", true),
        ("s3:PutObject", false),
        ("sqs:SendMessage", false),
        ("iam:PassRole", false),
    ] {
        assert_eq!(trial.needs_resources(id(action)), expected, "{action}");
    }
    let replayed = trial.run(calls());
    assert_eq!(told(&replayed), ["s3:GetObject 3: Identity", "sqs:SendMessage 2: aws:sourceip"]);
    assert_eq!((replayed.allowed, replayed.as_before), (120, 0));
    assert_eq!(replayed.lost[0].resources.iter().collect::<Vec<_>>(), ["arn:aws:s3:::c/x"]);
}
