use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::evaluate::{Compiled, Evaluator};
use crate::event::Used;
use crate::replay::{Change, Trial};
use crate::usage::Outcome;
use crate::verdict::tests::site::{Site, role, row, window, with_policy};

fn id(action: &str) -> ActionId {
    Catalogue::shipped().find_named(action).expect(action)
}

/// A call of an event so many days ago, with what its request says.
#[derive(Clone, Debug)]
struct Made {
    event: &'static str,
    days_ago: u32,
    /// By action.
    resources: Option<Vec<(&'static str, String, Option<&'static str>)>>,
}

fn made(event: &'static str, resources: &[(&'static str, &str, Option<&'static str>)]) -> Made {
    let resources = resources.iter().map(|(action, arn, to)| (*action, (*arn).to_owned(), *to)).collect();
    Made { event, days_ago: 3, resources: Some(resources) }
}

fn site(statements: Value, calls: &[Made]) -> Site {
    let mut site = Site::with_roles(json!([with_policy("web", statements)]));
    site.coverage.saw_data("AWS::S3::Object", "arn:aws:s3:::logs", true, window().from);
    for call in calls {
        site.used(&role("web"), call.event, [call.days_ago]);
        let Some(resources) = &call.resources else { continue };
        let (source, name) = call.event.split_once(':').expect("source:name");
        let source = format!("{source}.amazonaws.com");
        let used: Vec<Used> = resources
            .iter()
            .map(|(action, arn, to)| Used {
                action: id(action),
                resources: if arn.is_empty() { Vec::new() } else { vec![arn.clone()] },
                passed_to: to.map(str::to_owned),
            })
            .collect();
        site.usages.tell(&role("web"), &row(&source, name, call.days_ago, 1, Outcome::Succeeded, false), &used);
    }
    site
}

fn proposed(site: &Site) -> (Policies, Compiled) {
    let policies = site.judgement(&role("web")).expect("it is judged").proposal().expect("they fit");
    let set = site.inventory.policy_set(&role("web")).expect("it is there");
    let set = Change::Replace(policies.to_evaluate()).applied(&set);
    (policies, Evaluator::new(Catalogue::shipped()).compile(&set))
}

fn statements(policies: &Policies) -> Vec<Value> {
    let documents = policies.documents.iter().map(|d| serde_json::from_str::<Value>(&d.json()).expect("JSON"));
    documents.flat_map(|d| d["Statement"].as_array().cloned().expect("a list")).collect()
}

#[test]
fn used_is_narrowed_and_the_unseen_kept() {
    let office = json!({"IpAddress": {"aws:SourceIp": ["198.51.100.0/24"]}});
    let granted = json!([
        {"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"]},
        {"Effect": "Allow", "Action": ["sqs:*"], "Resource": "arn:aws:sqs:*:111122223333:q"},
        {"Effect": "Allow", "Action": ["ec2:RunInstances", "ec2:StopInstances"], "Resource": "*", "Condition": office},
        {"Effect": "Allow", "Action": ["iam:PassRole", "new:Thing"], "Resource": "*"},
        {"Effect": "Allow", "Action": "secretsmanager:Get*", "NotResource": "arn:aws:secretsmanager:*:*:secret:root-*"},
        {"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ]);
    let secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app-AbCdEf";
    let instance = "arn:aws:ec2:eu-west-1:111122223333:instance/i-1";
    let passed = "arn:aws:iam::111122223333:role/f";
    let calls = [
        made("s3:GetObject", &[("s3:GetObject", "arn:aws:s3:::logs/a", None)]),
        made("ec2:StopInstances", &[("ec2:StopInstances", instance, None)]),
        made("secretsmanager:GetSecretValue", &[("secretsmanager:GetSecretValue", secret, None)]),
        made("lambda:UpdateFunctionConfiguration20150331v2", &[("iam:PassRole", passed, Some("lambda.amazonaws.com"))]),
    ];
    let site = site(granted, &calls);
    let (policies, _) = proposed(&site);
    let found = statements(&policies);
    let of = |action: &str| -> Vec<&Value> {
        found.iter().filter(|s| s["Action"].as_array().is_some_and(|all| all.contains(&json!(action)))).collect()
    };
    assert_eq!(of("s3:GetObject")[0]["Resource"], json!(["arn:aws:s3:::logs/a"]));
    assert_eq!(of("sqs:SendMessage")[0]["Resource"], json!(["arn:aws:sqs:*:111122223333:q"]));
    assert!(of("sqs:CreateQueue").is_empty() && of("sqs:*").is_empty(), "management events would have told");
    assert_eq!(
        (&of("ec2:StopInstances")[0]["Resource"], &of("ec2:StopInstances")[0]["Condition"]),
        (&json!([instance]), &office)
    );
    assert!(of("ec2:RunInstances").is_empty());
    let [pass] = &of("iam:PassRole")[..] else { panic!("{found:#?}") };
    assert_eq!(pass["Resource"], json!([passed]));
    assert_eq!(pass["Condition"], json!({"StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com"]}}));
    assert_eq!(of("new:Thing")[0]["Resource"], json!(["*"]));
    assert_eq!(of("secretsmanager:GetSecretValue")[0]["Resource"], json!([secret]));
    let deny = found.iter().find(|s| s["Effect"] == "Deny").expect("it stays");
    assert_eq!(deny["NotAction"], json!(["iam:*"]));
    let notes: Vec<String> = policies.notes.iter().map(ToString::to_string).collect();
    assert!(notes.iter().any(|note| note.contains("no data events of AWS::SQS::Queue are logged")), "{notes:#?}");
}

#[test]
fn what_is_known_in_part_stays_as_it_is() {
    let granted = json!([
        {"Effect": "Allow", "Action": "secretsmanager:Get*", "NotResource": "arn:aws:secretsmanager:*:*:secret:root-*"},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::111122223333:role/app-*"},
    ]);
    let calls = [
        Made { event: "secretsmanager:GetSecretValue", days_ago: 3, resources: None },
        made(
            "lambda:UpdateFunctionConfiguration20150331v2",
            &[("iam:PassRole", "arn:aws:iam::111122223333:role/app-f", Some("lambda.amazonaws.com"))],
        ),
    ];
    let (policies, _) = proposed(&site(granted, &calls));
    let found = statements(&policies);
    let kept = found.iter().find(|s| s["NotResource"] == json!(["arn:aws:secretsmanager:*:*:secret:root-*"]));
    assert_eq!(kept.expect("it is kept")["Action"], json!(["secretsmanager:GetSecretValue"]));
    assert!(found.iter().any(|s| s["Resource"] == json!(["arn:aws:iam::111122223333:role/app-*"])), "{found:#?}");
}

#[test]
fn an_administrators_proposal_can_be_attached() {
    let site = site(json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]), &[made("ec2:StopInstances", &[])]);
    let (policies, _) = proposed(&site);
    let chars: usize = policies.documents.iter().map(|document| document.chars()).sum();
    assert!(policies.can_be_attached(), "{} policies, {chars} characters", policies.documents.len());
}

/// Statements of all kinds, of which a role has some.
fn grants() -> impl Strategy<Value = Value> {
    let all = [
        json!({"Effect": "Allow", "Action": "*", "Resource": "*"}),
        json!({"Effect": "Allow", "Action": ["s3:*", "ec2:Describe*"], "Resource": "*"}),
        json!({"Effect": "Allow", "Action": ["s3:Get*", "s3:ListBucket"], "Resource": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"]}),
        json!({"Effect": "Allow", "NotAction": ["iam:*", "s3:*"], "Resource": "*"}),
        json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::111122223333:role/a*"}),
        json!({"Effect": "Allow", "Action": ["s3:*", "sqs:*"], "NotResource": "arn:aws:s3:::secret/*"}),
        json!({"Effect": "Allow", "Action": ["ec2:*", "sqs:*"], "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}),
        json!({"Effect": "Allow", "Action": "sqs:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}),
        json!({"Effect": "Deny", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::secret/*"}),
        json!({"Effect": "Deny", "Action": "ec2:*", "NotResource": "arn:aws:ec2:*:*:instance/i-1"}),
        json!({"Effect": "Deny", "NotAction": "ec2:*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}}),
    ];
    prop::collection::vec(prop::sample::select(all.to_vec()), 1..5).prop_map(Value::Array)
}

fn calls() -> impl Strategy<Value = Vec<Made>> {
    let arn = prop::sample::select(vec!["a", "logs/a", "logs/b", "secret/a", "other"]);
    let of = (0..7usize, arn, any::<bool>(), 1..800u32);
    let call = of.prop_map(|(which, name, tells, days_ago)| {
        let object = format!("arn:aws:s3:::{}", if name.contains('/') { name.to_owned() } else { format!("{name}/x") });
        let (event, resources) = match which {
            0 => ("s3:GetObject", vec![("s3:GetObject", object, None)]),
            1 => ("s3:PutObject", vec![("s3:PutObject", object, None)]),
            2 => ("ec2:DescribeInstances", vec![("ec2:DescribeInstances", String::new(), None)]),
            3 => {
                let id = if name == "a" { "i-1" } else { "i-2" };
                let arn = format!("arn:aws:ec2:eu-west-1:111122223333:instance/{id}");
                ("ec2:StopInstances", vec![("ec2:StopInstances", arn, None)])
            }
            4 => {
                let arn = format!("arn:aws:iam::111122223333:role/{}", name.replace('/', "-"));
                (
                    "lambda:UpdateFunctionConfiguration20150331v2",
                    vec![("iam:PassRole", arn, Some("lambda.amazonaws.com"))],
                )
            }
            5 => {
                ("sqs:CreateQueue", vec![("sqs:CreateQueue", "arn:aws:sqs:eu-west-1:111122223333:q".to_owned(), None)])
            }
            _ => ("sqs:ListQueues", vec![("sqs:ListQueues", String::new(), None)]),
        };
        Made { event, days_ago, resources: tells.then_some(resources) }
    });
    prop::collection::vec(call, 0..12)
}

/// Requests of which none may be allowed that was not.
const REQUESTS: &[(&str, &[&str])] = &[
    ("s3:GetObject", &["arn:aws:s3:::logs/a", "arn:aws:s3:::logs/b", "arn:aws:s3:::secret/a", "arn:aws:s3:::other/x"]),
    ("s3:PutObject", &["arn:aws:s3:::logs/a", "arn:aws:s3:::secret/a", "arn:aws:s3:::other/x"]),
    (
        "ec2:StopInstances",
        &["arn:aws:ec2:eu-west-1:111122223333:instance/i-1", "arn:aws:ec2:eu-west-1:111122223333:instance/i-2"],
    ),
    ("iam:PassRole", &["arn:aws:iam::111122223333:role/a", "arn:aws:iam::111122223333:role/other"]),
    ("sqs:SendMessage", &["arn:aws:sqs:eu-west-1:111122223333:q"]),
    ("sqs:CreateQueue", &["arn:aws:sqs:eu-west-1:111122223333:q"]),
];

/// How much is allowed: 0 nothing, 1 under a condition, 2 surely.
fn extent(decision: Option<Decision>) -> u8 {
    match decision.expect("the resource is known") {
        Decision::Denied(_) => 0,
        Decision::Conditional { .. } => 1,
        Decision::Allowed { .. } => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever was granted and done: what succeeded stays allowed as it was, and no action is granted beyond used and kept.
    #[test]
    fn proposals_deny_nothing_and_grant_nothing_new(granted in grants(), calls in calls()) {
        let site = site(granted, &calls);
        let before = site.compiled(&role("web"));
        let judgement = site.judgement(&role("web")).expect("it is judged");
        let (policies, after) = proposed(&site);
        let replayed = Trial { before: Some(before), after: &after }.run(judgement.calls());
        prop_assert!(replayed.lost.is_empty(), "{:#?}\n{}", replayed.lost, json!(statements(&policies)));
        let unplaced: BTreeSet<ActionId> = replayed.unplaced.iter().map(|one| one.action).collect();
        let open = Trial { before: None, after: before }.run(judgement.calls());
        prop_assert!(unplaced.iter().all(|action| open.unplaced.iter().any(|one| one.action == *action)), "{unplaced:?}");
        let wanted: BTreeSet<ActionId> = judgement
            .actions()
            .filter(|judged| !matches!(judged.verdict, Verdict::Unused { .. }))
            .map(|judged| judged.action)
            .collect();
        for (action, _) in after.granted().iter() {
            prop_assert!(wanted.contains(&action), "{}", Catalogue::shipped().action(action));
        }
        for (action, name) in REQUESTS.iter().flat_map(|(action, names)| names.iter().map(move |name| (*action, *name))) {
            let call = Call { action: id(action), resource: Some(name), passed_to: None, count: 1, first: 0, last: 0 };
            let (was, is) = (extent(decision(before, &call)), extent(decision(&after, &call)));
            prop_assert!(is <= was, "{action} on {name}: {was} became {is}\n{}", json!(statements(&policies)));
        }
    }
}
