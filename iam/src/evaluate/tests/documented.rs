//! What the IAM User Guide says, page by page. A long file, because it is one table of cases.

use super::*;

const ALL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
const S3: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
const OBJECT: &str = "arn:aws:s3:::logs/a";

/// Each request, in the page's order: action, resource, context, what is decided.
#[track_caller]
fn check(page: &str, written: &Written, requests: &[(&str, &str, Context, &str)]) {
    let compiled = Evaluator::new(Catalogue::shipped()).compile(&written.set);
    for (action, resource, context, expected) in requests {
        let decision = compiled.decide(action, resource, context);
        assert_eq!(told(&decision), *expected, "{page}: {action} on {resource} with {context:?} of {written:?}");
    }
}

fn unknown() -> Context {
    Context::new()
}

fn with(key: &str, value: &str) -> Context {
    Context::new().with(key, value)
}

fn several(key: &str, values: &[&str]) -> Context {
    Context::new().with_values(key, values.iter().map(|v| v.to_string()).collect())
}

#[test]
fn what_denies_wins() {
    let page = "Policy evaluation logic";
    let deny = r#"{"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"}"#;
    let expected = [
        ("s3:DeleteBucket", "arn:aws:s3:::logs", unknown(), "denied"),
        ("s3:GetObject", OBJECT, unknown(), "allowed"),
        ("ec2:RunInstances", "*", unknown(), "nothing allows: identity"),
    ];
    check(page, &Written::default().identity(S3).identity(deny), &expected);
    check(page, &Written::default().identity(&format!("{deny},{S3}")), &expected);
    check(page, &Written::default(), &[("s3:GetObject", OBJECT, unknown(), "nothing allows: identity")]);
}

#[test]
fn boundaries() {
    let page = "Permissions boundaries for IAM entities";
    let narrow = r#"{"Effect":"Allow","Action":["s3:*","cloudwatch:*","ec2:*"],"Resource":"*"}"#;
    let create_user = r#"{"Effect":"Allow","Action":"iam:CreateUser","Resource":"*"}"#;
    check(
        page,
        &Written::default().boundary(narrow).identity(create_user),
        &[
            ("iam:CreateUser", "arn:aws:iam::111122223333:user/x", unknown(), "nothing allows: boundary"),
            // The boundary alone grants nothing.
            ("s3:GetObject", OBJECT, unknown(), "nothing allows: identity"),
            ("iam:DeleteUser", "arn:aws:iam::111122223333:user/x", unknown(), "nothing allows: identity, boundary"),
        ],
    );
    let with_deny =
        r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"cloudwatch:*","Resource":"*"}"#;
    check(
        "Permissions boundaries for IAM entities (explicit deny in the boundary)",
        &Written::default().identity(ALL).boundary(with_deny),
        &[("cloudwatch:PutMetricData", "*", unknown(), "denied"), ("s3:GetObject", OBJECT, unknown(), "allowed")],
    );
    check(
        "Permissions boundaries for IAM entities (explicit deny in the identity's policy)",
        &Written::default().identity(with_deny).boundary(ALL),
        &[("cloudwatch:PutMetricData", "*", unknown(), "denied")],
    );
}

#[test]
fn organisations() {
    let page = "SCP evaluation";
    check(
        page,
        &Written::default().identity(ALL).level(ALL).level(ALL),
        &[("s3:GetObject", OBJECT, unknown(), "allowed")],
    );
    // FullAWSAccess was taken away at the middle level.
    check(
        page,
        &Written::default().identity(ALL).level(ALL).level(S3).level(ALL),
        &[
            ("s3:GetObject", OBJECT, unknown(), "allowed"),
            ("ec2:RunInstances", "*", unknown(), "nothing allows: level 1"),
        ],
    );
    let deny = r#"{"Effect":"Deny","Action":"organizations:LeaveOrganization","Resource":"*"}"#;
    check(
        page,
        &Written::default().identity(ALL).level(&format!("{ALL},{deny}")).level(ALL),
        &[("organizations:LeaveOrganization", "*", unknown(), "denied")],
    );
    // An SCP grants nothing, and a level without an Allow denies all.
    check(
        page,
        &Written::default().level(ALL).level(deny),
        &[("s3:GetObject", OBJECT, unknown(), "nothing allows: identity, level 1")],
    );
    let mut union = Written::default().identity(ALL).level(S3);
    union.set.levels[0].push(policy("beside", document(r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#)));
    check(
        "SCP evaluation (policies of one level add up)",
        &union,
        &[
            ("ec2:RunInstances", "*", unknown(), "allowed"),
            ("s3:GetObject", OBJECT, unknown(), "allowed"),
            ("sqs:SendMessage", "arn:aws:sqs:eu-west-1:111122223333:q", unknown(), "nothing allows: level 0"),
        ],
    );
    check(
        "SCP evaluation (boundary, identity and organisation)",
        &Written::default().identity(ALL).boundary(S3).level(r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}"#),
        &[
            ("s3:GetObject", OBJECT, unknown(), "allowed"),
            ("s3:PutObject", OBJECT, unknown(), "nothing allows: level 0"),
            ("ec2:RunInstances", "*", unknown(), "nothing allows: boundary, level 0"),
        ],
    );
}

#[test]
fn not_action() {
    let page = "IAM JSON policy elements: NotAction";
    check(
        page,
        &Written::default().identity(r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#),
        &[
            ("s3:GetObject", OBJECT, unknown(), "allowed"),
            ("iam:CreateUser", "*", unknown(), "nothing allows: identity"),
            ("IAM:createuser", "*", unknown(), "nothing allows: identity"),
            ("brandnew:Action", "*", unknown(), "allowed"),
        ],
    );
    check(
        page,
        &Written::default().identity(r#"{"Effect":"Allow","NotAction":"s3:DeleteBucket","Resource":"arn:aws:s3:::*"}"#),
        &[
            ("s3:PutObject", OBJECT, unknown(), "allowed"),
            ("s3:DeleteBucket", "arn:aws:s3:::logs", unknown(), "nothing allows: identity"),
            ("ec2:RunInstances", "*", unknown(), "nothing allows: identity"),
        ],
    );
    let mfa = r#"{"Effect":"Deny","NotAction":"iam:*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}"#;
    check(
        page,
        &Written::default().identity(ALL).identity(mfa),
        &[
            ("iam:CreateUser", "*", unknown(), "allowed"),
            ("s3:GetObject", OBJECT, unknown(), "if aws:multifactorauthpresent"),
            ("s3:GetObject", OBJECT, with("aws:MultiFactorAuthPresent", "true"), "allowed"),
            ("s3:GetObject", OBJECT, with("aws:MultiFactorAuthPresent", "false"), "denied"),
            ("s3:GetObject", OBJECT, Context::closed(), "denied"),
        ],
    );
}

#[test]
fn resources() {
    check(
        "IAM JSON policy elements: NotResource",
        &Written::default()
            .identity(ALL)
            .identity(r#"{"Effect":"Deny","Action":"s3:*","NotResource":["arn:aws:s3:::hr","arn:aws:s3:::hr/*"]}"#),
        &[
            ("s3:GetObject", "arn:aws:s3:::hr/list", unknown(), "allowed"),
            ("s3:GetObject", "arn:aws:s3:::other/list", unknown(), "denied"),
            ("s3:ListAllMyBuckets", "*", unknown(), "denied"),
            ("ec2:RunInstances", "*", unknown(), "allowed"),
        ],
    );
    check(
        "IAM JSON policy elements: Resource",
        &Written::default().identity(
            r#"{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::Logs/*","arn:aws:s3:::b/????/x*"]}"#,
        ),
        &[
            ("S3:getobject", "arn:aws:s3:::Logs/a", unknown(), "allowed"),
            ("s3:GetObject", "arn:aws:s3:::logs/a", unknown(), "nothing allows: identity"),
            ("s3:GetObject", "arn:aws:s3:::Logs/", unknown(), "allowed"),
            ("s3:GetObject", "arn:aws:s3:::Logs", unknown(), "nothing allows: identity"),
            ("s3:PutObject", "arn:aws:s3:::b/2026/x", unknown(), "allowed"),
            ("s3:PutObject", "arn:aws:s3:::b/26/x", unknown(), "nothing allows: identity"),
            ("s3:ListAllMyBuckets", "*", unknown(), "nothing allows: identity"),
        ],
    );
}

#[test]
fn actions() {
    check(
        "IAM JSON policy elements: Action",
        &Written::default().identity(
            r#"{"Effect":"Allow","Action":["iam:*AccessKey*","sqs:Send?essage","EC2:describe*"],"Resource":"*"}"#,
        ),
        &[
            ("iam:CreateAccessKey", "*", unknown(), "allowed"),
            ("iam:GetAccessKeyLastUsed", "*", unknown(), "allowed"),
            ("sqs:SendMessage", "*", unknown(), "allowed"),
            ("ec2:DescribeInstances", "*", unknown(), "allowed"),
            ("ec2-instance-connect:DescribeX", "*", unknown(), "nothing allows: identity"),
            ("iam:CreateUser", "*", unknown(), "nothing allows: identity"),
        ],
    );
}

#[test]
fn variables() {
    let page = "IAM policy elements: Variables and tags";
    let home = Written::default().identity(
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/home/${aws:username}/*"},
           {"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b","Condition":{"StringLike":{"s3:prefix":["home/${aws:username}/*"]}}}"#,
    );
    check(
        page,
        &home.clone().principal(with("aws:username", "mia")),
        &[
            ("s3:GetObject", "arn:aws:s3:::b/home/mia/x", unknown(), "allowed"),
            ("s3:GetObject", "arn:aws:s3:::b/home/tom/x", unknown(), "nothing allows: identity"),
            // What is known of the principal cannot be contradicted.
            ("s3:GetObject", "arn:aws:s3:::b/home/tom/x", with("aws:username", "tom"), "nothing allows: identity"),
            ("s3:ListBucket", "arn:aws:s3:::b", with("s3:prefix", "home/mia/d"), "allowed"),
            ("s3:ListBucket", "arn:aws:s3:::b", with("s3:prefix", "home/tom/d"), "nothing allows: identity"),
            ("s3:ListBucket", "arn:aws:s3:::b", unknown(), "if s3:prefix"),
        ],
    );
    check(
        page,
        &home.clone(),
        &[
            ("s3:GetObject", "arn:aws:s3:::b/home/mia/x", unknown(), "if aws:username"),
            ("s3:GetObject", "arn:aws:s3:::b/other", unknown(), "nothing allows: identity"),
            ("s3:GetObject", "arn:aws:s3:::b/home/mia/x", with("aws:username", "mia"), "allowed"),
            ("s3:ListBucket", "arn:aws:s3:::b", with("s3:prefix", "home/mia/d"), "if aws:username"),
        ],
    );
    // A role has no user name.
    check(
        page,
        &home.principal(unknown().without("aws:username")),
        &[("s3:GetObject", "arn:aws:s3:::b/home//x", unknown(), "nothing allows: identity")],
    );
    check(
        "IAM policy elements: Variables and tags (default values, special characters)",
        &Written::default().identity(
            r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::b/${aws:PrincipalTag/team, 'all'}/*","arn:aws:s3:::b/${*}"]}"#,
        ),
        &[
            ("s3:GetObject", "arn:aws:s3:::b/all/x", Context::closed(), "allowed"),
            ("s3:GetObject", "arn:aws:s3:::b/red/x", with("aws:PrincipalTag/team", "red"), "allowed"),
            ("s3:GetObject", "arn:aws:s3:::b/*", Context::closed(), "allowed"),
            ("s3:GetObject", "arn:aws:s3:::b/x", Context::closed(), "nothing allows: identity"),
        ],
    );
    let mut old = Written::default().identity(S3);
    let (document, _) = Document::parse(
        r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*"}}"#,
    );
    old.set.identity[0].document = Arc::new(document);
    check(
        "IAM JSON policy elements: Version",
        &old.principal(with("aws:username", "mia")),
        &[
            ("s3:GetObject", "arn:aws:s3:::b/mia/x", unknown(), "nothing allows: identity"),
            ("s3:GetObject", "arn:aws:s3:::b/${aws:username}/x", unknown(), "allowed"),
        ],
    );
}

/// Whether a condition, alone in an Allow, is met.
#[track_caller]
fn asks(page: &str, condition: &str, requests: &[(Context, &str)]) {
    let statement = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}"#);
    let compiled = Evaluator::new(Catalogue::shipped()).compile(&Written::default().identity(&statement).set);
    for (context, expected) in requests {
        let found = match compiled.decide("s3:GetObject", OBJECT, context) {
            Decision::Allowed { .. } => "met",
            Decision::Conditional { .. } => "open",
            Decision::Denied(_) => "not met",
        };
        assert_eq!(found, *expected, "{page}: {condition} with {context:?}");
    }
}

#[test]
fn operators() {
    let page = "IAM JSON policy elements: Condition operators";
    let absent = Context::closed;
    asks(
        page,
        r#"{"StringEquals":{"aws:PrincipalTag/job":["iamuser","admin*"]}}"#,
        &[
            (with("aws:principaltag/JOB", "iamuser"), "met"),
            (with("aws:PrincipalTag/job", "IAMUser"), "not met"),
            (with("aws:PrincipalTag/job", "admins"), "not met"),
            (with("aws:PrincipalTag/job", "admin*"), "met"),
            (absent(), "not met"),
            (unknown(), "open"),
        ],
    );
    asks(
        page,
        r#"{"StringNotEquals":{"aws:PrincipalTag/job":["a","b"]}}"#,
        &[
            (with("aws:PrincipalTag/job", "a"), "not met"),
            (with("aws:PrincipalTag/job", "c"), "met"),
            (absent(), "met"),
            (unknown(), "open"),
        ],
    );
    asks(
        page,
        r#"{"StringEqualsIgnoreCase":{"aws:PrincipalTag/job":"Admin"}}"#,
        &[(with("aws:PrincipalTag/job", "aDMIN"), "met"), (with("aws:PrincipalTag/job", "admins"), "not met")],
    );
    asks(
        page,
        r#"{"StringNotEqualsIgnoreCase":{"aws:PrincipalTag/job":"Admin"}}"#,
        &[(with("aws:PrincipalTag/job", "aDMIN"), "not met"), (absent(), "met")],
    );
    asks(
        page,
        r#"{"StringLike":{"s3:prefix":["home/","home/m?a/*"]}}"#,
        &[
            (with("s3:prefix", "home/"), "met"),
            (with("s3:prefix", "home/mia/x/y"), "met"),
            (with("s3:prefix", "home/tom/"), "not met"),
            (with("s3:prefix", "Home/"), "not met"),
        ],
    );
    asks(
        page,
        r#"{"StringNotLike":{"s3:prefix":"home/*"}}"#,
        &[(with("s3:prefix", "home/x"), "not met"), (with("s3:prefix", "x"), "met"), (absent(), "met")],
    );
    for (operator, nine, ten, eleven, none) in [
        ("NumericEquals", "not met", "met", "not met", "not met"),
        ("NumericNotEquals", "met", "not met", "met", "met"),
        ("NumericLessThan", "met", "not met", "not met", "not met"),
        ("NumericLessThanEquals", "met", "met", "not met", "not met"),
        ("NumericGreaterThan", "not met", "not met", "met", "not met"),
        ("NumericGreaterThanEquals", "not met", "met", "met", "not met"),
    ] {
        asks(
            page,
            &format!(r#"{{"{operator}":{{"s3:max-keys":"10"}}}}"#),
            &[
                (with("s3:max-keys", "9"), nine),
                (with("s3:max-keys", "10.0"), ten),
                (with("s3:max-keys", "11"), eleven),
                (absent(), none),
            ],
        );
    }
    for (operator, before, at, after) in [
        ("DateEquals", "not met", "met", "not met"),
        ("DateNotEquals", "met", "not met", "met"),
        ("DateLessThan", "met", "not met", "not met"),
        ("DateLessThanEquals", "met", "met", "not met"),
        ("DateGreaterThan", "not met", "not met", "met"),
        ("DateGreaterThanEquals", "not met", "met", "met"),
    ] {
        for written in ["2020-04-01T00:00:00Z", "2020-04-01T02:00:00+02:00", "1585699200", "2020-04-01"] {
            asks(
                page,
                &format!(r#"{{"{operator}":{{"aws:CurrentTime":"{written}"}}}}"#),
                &[
                    (with("aws:CurrentTime", "2020-03-31T23:59:59Z"), before),
                    (with("aws:CurrentTime", "2020-04-01T00:00:00Z"), at),
                    (with("aws:CurrentTime", "1585699201"), after),
                ],
            );
        }
    }
    asks(
        page,
        r#"{"Bool":{"aws:SecureTransport":"false"}}"#,
        &[
            (with("aws:SecureTransport", "false"), "met"),
            (with("aws:SecureTransport", "TRUE"), "not met"),
            (absent(), "not met"),
        ],
    );
    asks(
        page,
        r#"{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:DB8:1234:5678::/64","192.0.2.1"]}}"#,
        &[
            (with("aws:SourceIp", "203.0.113.9"), "met"),
            (with("aws:SourceIp", "192.0.2.1"), "met"),
            (with("aws:SourceIp", "192.0.2.2"), "not met"),
            (with("aws:SourceIp", "2001:db8:1234:5678::1"), "met"),
            (absent(), "not met"),
        ],
    );
    asks(
        page,
        r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#,
        &[
            (with("aws:SourceIp", "203.0.113.9"), "not met"),
            (with("aws:SourceIp", "192.0.2.1"), "met"),
            (absent(), "met"),
        ],
    );
    for operator in ["ArnEquals", "ArnLike"] {
        asks(
            page,
            &format!(r#"{{"{operator}":{{"aws:SourceArn":"arn:aws:sns:*:111122223333:t?pic"}}}}"#),
            &[
                (with("aws:SourceArn", "arn:aws:sns:eu-west-1:111122223333:topic"), "met"),
                (with("aws:SourceArn", "arn:aws:sns:eu-west-1:x:111122223333:topic"), "not met"),
                (with("aws:SourceArn", "arn:aws:sns:eu-west-1:444455556666:topic"), "not met"),
                (absent(), "not met"),
            ],
        );
    }
    asks(
        page,
        r#"{"ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}}"#,
        &[(with("aws:SourceArn", "arn:aws:sns:eu-west-1:111122223333:topic"), "not met"), (absent(), "met")],
    );
    asks(
        page,
        r#"{"BinaryEquals":{"x:key":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}"#,
        &[
            (with("x:key", "QmluYXJ5VmFsdWVJbkJhc2U2NA=="), "met"),
            (with("x:key", "qmluYXJ5VmFsdWVJbkJhc2U2NA=="), "not met"),
        ],
    );
    asks(
        page,
        r#"{"Null":{"aws:TokenIssueTime":"true"}}"#,
        &[(with("aws:TokenIssueTime", "2020-04-01T00:00:00Z"), "not met"), (absent(), "met"), (unknown(), "open")],
    );
    asks(
        page,
        r#"{"Null":{"aws:TokenIssueTime":"false"}}"#,
        &[(with("aws:TokenIssueTime", "2020-04-01T00:00:00Z"), "met"), (absent(), "not met")],
    );
    asks(
        page,
        r#"{"StringLikeIfExists":{"ec2:InstanceType":["t1.*","m3.*"]}}"#,
        &[
            (with("ec2:InstanceType", "t1.micro"), "met"),
            (with("ec2:InstanceType", "x1.big"), "not met"),
            (absent(), "met"),
            (unknown(), "open"),
        ],
    );
    // What cannot be read is not decided.
    asks(page, r#"{"StringResembles":{"aws:username":"mia"}}"#, &[(with("aws:username", "mia"), "open")]);
    asks(page, r#"{"NumericEquals":{"s3:max-keys":"ten"}}"#, &[(with("s3:max-keys", "10"), "open")]);
    asks(page, r#"{"IpAddress":{"aws:SourceIp":"anywhere"}}"#, &[(with("aws:SourceIp", "10.0.0.1"), "open")]);
}

#[test]
fn several_conditions_and_values() {
    let page = "Conditions with multiple context keys or values";
    let condition = r#"{"StringEquals":{"aws:PrincipalTag/a":["1","2"],"aws:PrincipalTag/b":"3"},"Bool":{"aws:SecureTransport":"true"}}"#;
    let request = |a: &str, b: &str| with("aws:PrincipalTag/a", a).with("aws:PrincipalTag/b", b);
    asks(
        page,
        condition,
        &[
            (request("2", "3").with("aws:SecureTransport", "true"), "met"),
            (request("2", "4").with("aws:SecureTransport", "true"), "not met"),
            (request("2", "3"), "open"),
            (request("9", "3"), "not met"),
        ],
    );
}

#[test]
fn sets_of_values() {
    let page = "Set operators for multivalued context keys";
    let tags = |values: &[&str]| several("aws:TagKeys", values);
    asks(
        page,
        r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}"#,
        &[
            (tags(&["a"]), "met"),
            (tags(&["a", "b"]), "met"),
            (tags(&["a", "c"]), "not met"),
            (tags(&[]), "met"),
            (Context::closed(), "met"),
            (unknown(), "open"),
        ],
    );
    asks(
        page,
        r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}"#,
        &[
            (tags(&["a", "c"]), "met"),
            (tags(&["c"]), "not met"),
            (tags(&[]), "not met"),
            (Context::closed(), "not met"),
        ],
    );
    asks(
        page,
        r#"{"ForAllValues:StringNotEquals":{"aws:TagKeys":["a","b"]}}"#,
        &[(tags(&["c", "d"]), "met"), (tags(&["a", "c"]), "not met"), (Context::closed(), "met")],
    );
    asks(
        page,
        r#"{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a","b"]}}"#,
        &[(tags(&["a", "c"]), "met"), (tags(&["a", "b"]), "not met"), (Context::closed(), "not met")],
    );
    asks(
        page,
        r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a"]},"Null":{"aws:TagKeys":"false"}}"#,
        &[(tags(&["a"]), "met"), (tags(&[]), "not met"), (Context::closed(), "not met")],
    );
    // "Context keys with empty values": `Null` asks whether the key exists and its value is not null.
    let page = "IAM JSON policy elements: Condition operators (Null)";
    let some = || tags(&["a"]);
    let null = r#"{"Null":{"aws:TagKeys":"true"}}"#;
    asks(page, null, &[(some(), "not met"), (tags(&[]), "met"), (Context::closed(), "met"), (unknown(), "open")]);
    // A deny that is to hold for requests without the key, too: negated, with `…IfExists`.
    let page = "IAM JSON policy elements: Condition operators (...IfExists)";
    let negated = r#"{"StringNotEqualsIfExists":{"aws:TagKeys":["a"]}}"#;
    asks(page, negated, &[(some(), "not met"), (tags(&["b"]), "met"), (Context::closed(), "met"), (unknown(), "open")]);
    let every = r#"{"ForAllValues:StringEqualsIfExists":{"aws:TagKeys":["a"]}}"#;
    asks(page, every, &[(some(), "met"), (tags(&["a", "b"]), "not met"), (Context::closed(), "met")]);
}

#[test]
fn a_decision_names_its_statements() {
    let written = Written::default()
        .identity(r#"{"Sid":"Read","Effect":"Allow","Action":"s3:Get*","Resource":"*"},{"Sid":"Here","Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}"#)
        .level(r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"Region","Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":"eu-west-1"}}}"#);
    let compiled = Evaluator::new(Catalogue::shipped()).compile(&written.set);
    let names = |ids: &[StatementId]| ids.iter().map(|id| compiled.statement(*id).to_string()).collect::<Vec<_>>();
    let Decision::Conditional { by, open } = compiled.decide("s3:PutObject", OBJECT, &Context::new()) else { panic!() };
    assert_eq!(names(&by), ["statement 0 in level"]);
    let open: Vec<_> = open.iter().map(|o| (compiled.statement(o.statement).to_string(), o.keys.clone())).collect();
    assert_eq!(
        open,
        [
            ("statement 1 (Here) in identity".to_owned(), ["aws:sourceip".to_owned()].into()),
            ("statement 1 (Region) in level".to_owned(), ["aws:requestedregion".to_owned()].into()),
        ]
    );
    let here = with("aws:RequestedRegion", "eu-west-1");
    let Decision::Allowed { by } = compiled.decide("s3:GetObject", OBJECT, &here) else { panic!() };
    assert_eq!(names(&by), ["statement 0 (Read) in identity", "statement 0 in level"]);
    let there = with("aws:RequestedRegion", "us-east-1");
    let Decision::Denied(Denial::Explicit { by }) = compiled.decide("s3:GetObject", OBJECT, &there) else { panic!() };
    assert_eq!(names(&by), ["statement 1 (Region) in level"]);
}

#[test]
fn what_is_granted() {
    let written = Written::default()
        .identity(
            r#"{"Effect":"Allow","Action":["s3:*","sqs:SendMessage","new:Thing"],"Resource":["arn:aws:s3:::a/*","arn:aws:s3:::b/*"]},
               {"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}},
               {"Effect":"Deny","Action":"s3:PutObject","Resource":"arn:aws:s3:::*"},
               {"Effect":"Deny","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::a/*"}"#,
        )
        .boundary(r#"{"Effect":"Allow","Action":["s3:*","sts:*"],"Resource":["arn:aws:s3:::b/x/*","arn:aws:s3:::a*","arn:aws:iam::*"]}"#);
    let compiled = Evaluator::new(Catalogue::shipped()).compile(&written.set);
    let granted = compiled.granted();
    let resources = |action: &str| granted.get(action).map(|grant| (grant.conditional, grant.resources.join(" ")));
    let both = Some((false, "arn:aws:s3:::a/* arn:aws:s3:::b/x/*".to_owned()));
    assert_eq!(resources("s3:GetObject"), both);
    assert_eq!(resources("S3:putobject"), None, "denied throughout");
    assert_eq!(resources("s3:DeleteObject"), Some((false, "arn:aws:s3:::b/x/*".to_owned())));
    assert_eq!(resources("sqs:SendMessage"), None, "not within the boundary");
    assert_eq!(
        resources("sts:AssumeRole"),
        Some((true, "arn:aws:iam::* arn:aws:s3:::a* arn:aws:s3:::b/x/*".to_owned()))
    );
    assert_eq!(compiled.unknown_actions().map(|(_, pattern)| pattern).collect::<Vec<_>>(), ["new:Thing"]);
    let service = |id| Catalogue::shipped().action(id).service;
    assert!(granted.iter().all(|(id, _)| ["s3", "sts"].contains(&service(id))));
    assert!(granted.iter().count() > 100);
}

/// AWS's page on `…IfExists` says met, for every operator but `Null`; its page on sets says that `ForAnyValue:` without a key is
/// not. The former is about exactly this.
#[test]
fn if_exists_goes_before_any_value() {
    let page = "IAM JSON policy elements: Condition operators (...IfExists)";
    let cost = several("aws:TagKeys", &["cost"]);
    let condition = r#"{"ForAnyValue:StringEqualsIfExists":{"aws:TagKeys":"team"}}"#;
    asks(page, condition, &[(Context::closed(), "met"), (cost, "not met"), (unknown(), "open")]);
}

#[test]
fn a_variable_without_a_value_excepts_nothing_for_sure() {
    let statement = r#"{"Effect":"Deny","Action":"s3:*","NotResource":"arn:aws:s3:::data/${aws:PrincipalTag/team}/*"}"#;
    check(
        "IAM policy elements: Variables and tags (a variable that cannot be resolved)",
        &Written::default().identity(ALL).identity(statement),
        &[
            ("s3:GetObject", "arn:aws:s3:::data/red/x", Context::closed(), "if aws:principaltag/team"),
            ("s3:GetObject", "arn:aws:s3:::data/red/x", unknown(), "if aws:principaltag/team"),
            ("s3:GetObject", "arn:aws:s3:::other/x", Context::closed(), "denied"),
            ("s3:GetObject", "arn:aws:s3:::data/red/x", with("aws:PrincipalTag/team", "red"), "allowed"),
            ("s3:GetObject", "arn:aws:s3:::data/red/x", with("aws:PrincipalTag/team", "blue"), "denied"),
        ],
    );
}
