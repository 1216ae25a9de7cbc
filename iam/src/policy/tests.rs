use super::*;
use crate::document::{Document, Effect, Selection};
use crate::pattern;
use proptest::prelude::*;
use serde_json::json;

fn home() -> Home {
    Home { partition: "aws".into(), account: "111122223333".into() }
}

fn used(action: &str, resources: &[&str]) -> Use {
    let action = Catalogue::shipped().find_named(action).expect(action);
    let resources = resources.iter().map(|arn| arn.to_string()).collect();
    Use { action, resources, passed_to: None, conditions: Conditions::new() }
}

fn statements(policies: &Policies) -> serde_json::Value {
    let documents =
        policies.documents.iter().map(|d| serde_json::from_str::<serde_json::Value>(&d.json()).expect("JSON"));
    json!(documents.flat_map(|d| d["Statement"].as_array().cloned().expect("a list")).collect::<Vec<_>>())
}

#[test]
fn uses_become_statements() {
    let role = "arn:aws:iam::111122223333:role/f";
    let mut passed = used("iam:PassRole", &[role]);
    passed.passed_to = Some("lambda.amazonaws.com".into());
    let mut from_office = used("ec2:DescribeInstances", &[]);
    from_office.conditions = conditions_of(&[Condition {
        operator: "IpAddress".into(),
        key: "aws:SourceIp".into(),
        values: vec!["198.51.100.0/24".into()],
    }]);
    let uses = [
        used("s3:GetObject", &["arn:aws:s3:::logs/a"]),
        used("s3:PutObject", &["arn:aws:s3:::logs/a"]),
        used("s3:ListAllMyBuckets", &[]),
        used("s3:GetBucketAcl", &[]),
        passed,
        from_office,
    ];
    let kept = Kept {
        actions: BTreeSet::from(["logs:PutLogEvents".to_owned()]),
        resources: BTreeSet::from(["arn:aws:logs:*:111122223333:log-group:/aws/lambda/f:*".to_owned()]),
        all_but: false,
        conditions: Conditions::new(),
        why: "CloudTrail does not write this call".into(),
    };
    let policies = Policies::from_use(&home(), &uses, &[kept], &[]).expect("policies");
    let expected = json!([
        {"Sid": "Used1Ec2", "Effect": "Allow", "Action": ["ec2:DescribeInstances"], "Resource": ["*"],
         "Condition": {"IpAddress": {"aws:SourceIp": ["198.51.100.0/24"]}}},
        {"Sid": "Used1Iam", "Effect": "Allow", "Action": ["iam:PassRole"], "Resource": [role],
         "Condition": {"StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com"]}}},
        {"Sid": "Used1S3", "Effect": "Allow", "Action": ["s3:GetBucketAcl", "s3:ListAllMyBuckets"], "Resource": ["*"]},
        {"Sid": "Used2S3", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::logs/a"]},
        {"Sid": "Kept1", "Effect": "Allow", "Action": ["logs:PutLogEvents"],
         "Resource": ["arn:aws:logs:*:111122223333:log-group:/aws/lambda/f:*"]},
    ]);
    assert_eq!(statements(&policies), expected);
    let notes: Vec<String> = policies.notes.iter().map(Note::to_string).collect();
    assert_eq!(
        notes,
        [
            "s3:GetBucketAcl is allowed on all resources: its events do not always say on which it was used",
            "logs:PutLogEvents kept: CloudTrail does not write this call",
        ]
    );
}

#[test]
fn what_is_asked_but_not_told_is_a_pattern_of_its_type() {
    let mut passed = used("iam:PassRole", &["arn:aws:iam::111122223333:instance-profile/web"]);
    passed.passed_to = Some("ec2.amazonaws.com".into());
    let subnet = "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-1";
    let policies =
        Policies::from_use(&home(), &[passed, used("ec2:RunInstances", &[subnet])], &[], &[]).expect("policies");
    let statements = statements(&policies);
    assert_eq!(statements[1]["Resource"], json!(["arn:aws:iam::111122223333:role/*"]));
    let launch: Vec<&str> =
        statements[0]["Resource"].as_array().expect("a list").iter().filter_map(|r| r.as_str()).collect();
    for asked in [subnet, "arn:aws:ec2:*:111122223333:instance/*", "arn:aws:ec2:*:111122223333:volume/*"] {
        assert!(launch.contains(&asked), "{asked}: {launch:?}");
    }
    assert!(!launch.contains(&"arn:aws:ec2:*:111122223333:subnet/*") && !launch.contains(&"*"), "{launch:?}");
}

#[test]
fn more_policies_than_a_role_can_have_are_told() {
    let buckets: Vec<String> = (0..3_000).map(|n| format!("arn:aws:s3:::a-bucket-with-a-long-name-{n:04}")).collect();
    let buckets: Vec<&str> = buckets.iter().map(String::as_str).collect();
    let policies = Policies::from_use(&home(), &[used("s3:GetBucketAcl", &buckets)], &[], &[]).expect("policies");
    assert!(policies.documents.len() > POLICIES_RAISED_MAX && !policies.can_be_attached());
    assert!(policies.notes.contains(&Note::TooMany { policies: policies.documents.len() }));
}

#[test]
fn a_condition_that_fits_nowhere_is_an_error() {
    let mut one = used("ec2:DescribeInstances", &[]);
    let values = (0..1_000).map(|n| format!("198.51.{n}.0/24")).collect();
    one.conditions.insert("IpAddress".into(), BTreeMap::from([("aws:SourceIp".into(), values)]));
    let error = Policies::from_use(&home(), &[one], &[], &[]).expect_err("too long");
    assert!(matches!(error, PolicyError::TooLong { ref sid, .. } if sid == "Used1Ec2"), "{error}");
}

#[test]
fn terraform_text() {
    let uses = [used("s3:GetObject", &["arn:aws:s3:::b/${a}", "arn:aws:s3:::odd\nbucket"])];
    let policies = Policies::from_use(&home(), &uses, &[], &[]).expect("policies");
    let text = terraform(&policies, "ci@least", &Attachment::Role("ci".into()));
    let expected = r#"# s3:GetObject is not about arn:aws:s3:::odd bucket, which is left out

resource "aws_iam_policy" "ci_least" {
  name   = "ci@least"
  policy = <<EOT
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Used1S3",
      "Effect": "Allow",
      "Action": [
        "s3:GetObject"
      ],
      "Resource": [
        "arn:aws:s3:::b/$${$}{a}"
      ]
    }
  ]
}
EOT
}

resource "aws_iam_role_policy_attachment" "ci_least" {
  role       = "ci"
  policy_arn = aws_iam_policy.ci_least.arn
}
"#;
    assert_eq!(text, expected);
}

/// Whether documents allow an action on a resource, conditions set aside: as simple as it can be, to check the rest by.
fn allowed(documents: &[Document], action: &str, resource: &str) -> bool {
    documents.iter().flat_map(|d| &d.statements).any(|statement| {
        let (Selection::Only(actions), Selection::Only(resources)) = (&statement.actions, &statement.resources) else {
            return false;
        };
        let literal = |pattern: &str| pattern.replace("${$}", "$");
        statement.effect == Effect::Allow
            && actions.iter().any(|a| pattern::matches_ignoring_case(a, action))
            && resources.iter().any(|r| pattern::matches(&literal(r), resource))
    })
}

/// Uses of some actions on ARNs that fit them, few or many, in this account or another.
fn uses() -> impl Strategy<Value = Vec<Use>> {
    let catalogue = Catalogue::shipped();
    let picked =
        (0..catalogue.len()).prop_map(move |index| catalogue.actions().nth(index).map(|(id, _)| id).expect("an id"));
    let named = prop::sample::select(vec![
        "s3:GetObject",
        "s3:GetBucketAcl",
        "dynamodb:Query",
        "sqs:SendMessage",
        "iam:PassRole",
        "ec2:RunInstances",
        "ec2:DescribeInstances",
        "kms:Decrypt",
    ]);
    let named = named.prop_map(move |name| catalogue.find_named(name).expect(name));
    let action = prop_oneof![picked, named];
    let names = prop::collection::vec("[a-c]{1,2}[/:-]?[a-z0-9${}é字 ]{1,6}", 0..60);
    let account = prop::sample::select(vec!["111122223333", "999988887777"]);
    let of = (action, names, account, any::<prop::sample::Index>(), any::<bool>());
    let one = of.prop_map(move |(action, names, account, which, passed)| {
        let types: Vec<_> = catalogue.resource_types(action).collect();
        let arn = |name: &String| {
            let (kind, _) = types[which.index(types.len())];
            kind.fill(|variable| {
                Some(match variable {
                    "Partition" => "aws".to_owned(),
                    "Region" => "eu-west-1".to_owned(),
                    "Account" => account.to_owned(),
                    _ => name.clone(),
                })
            })
        };
        let resources = if types.is_empty() { BTreeSet::new() } else { names.iter().filter_map(arn).collect() };
        let passed_to = passed.then(|| "lambda.amazonaws.com".to_owned());
        Use { action, resources, passed_to, conditions: Conditions::new() }
    });
    prop::collection::vec(one, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn all_that_was_used_is_allowed_and_nothing_else(uses in uses(), keep in prop::option::of("[a-z]{2,4}:[A-Z][a-z]{1,8}\\*")) {
        let kept: Vec<Kept> = keep.iter().map(|action| Kept {
            actions: BTreeSet::from([action.clone()]),
            resources: BTreeSet::from(["*".to_owned()]),
            all_but: false,
            conditions: Conditions::new(),
            why: "cannot be seen".into(),
        }).collect();
        let policies = Policies::from_use(&home(), &uses, &kept, &[]).expect("conditions are short");
        let mut documents = Vec::new();
        for document in &policies.documents {
            prop_assert!(document.chars() <= POLICY_CHARS_MAX, "{}", document.chars());
            let (read, errors) = Document::parse(&document.json());
            prop_assert!(errors.is_empty(), "{errors:?}");
            let sids: BTreeSet<_> = read.statements.iter().filter_map(|s| s.sid.clone()).collect();
            prop_assert_eq!(sids.len(), read.statements.len(), "every statement has a sid of its own");
            prop_assert!(sids.iter().all(|sid| sid.bytes().all(|b| b.is_ascii_alphanumeric())), "{sids:?}");
            documents.push(read);
        }
        let catalogue = Catalogue::shipped();
        for one in &uses {
            let action = catalogue.action(one.action).to_string();
            prop_assert!(!one.resources.is_empty() || allowed(&documents, &action, "anything"), "{action}");
            for arn in one.resources.iter().filter(|arn| catalogue.type_for(one.action, arn).is_some()) {
                prop_assert!(allowed(&documents, &action, arn), "{action} on {arn}: {policies:#?}");
            }
        }
        let named: BTreeSet<String> = documents.iter().flat_map(|d| &d.statements).flat_map(|s| match &s.actions {
            Selection::Only(actions) => actions.clone(),
            _ => vec!["not stated".to_owned()],
        }).collect();
        let mut wanted: BTreeSet<String> = uses.iter().map(|one| catalogue.action(one.action).to_string()).collect();
        wanted.extend(keep);
        prop_assert_eq!(named, wanted);
        prop_assert_eq!(&policies, &Policies::from_use(&home(), &uses.into_iter().rev().collect::<Vec<_>>(), &kept, &[]).expect("again"));
    }
}
