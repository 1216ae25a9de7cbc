use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::catalogue::{ActionId, Catalogue};
use crate::usage::Outcome;
use site::{ACCOUNT, NOW, Site, document, role, user, window, with_policy};

pub(crate) mod site;

fn id(action: &str) -> ActionId {
    Catalogue::shipped().find_named(action).expect(action)
}

fn days_before_now(at: i64) -> i64 {
    (NOW - at + DAY - 1) / DAY
}

/// In words: `used 3, 5 days ago`, `unused for 90 days`, `? why`; with `if` before it where it is granted under a condition.
fn told(judgement: &Judgement<'_>, action: &str) -> String {
    let Some(judged) = judgement.actions().find(|judged| judged.action == id(action)) else {
        return "not granted".to_owned();
    };
    let verdict = match judged.verdict {
        Verdict::Used { count, last, .. } => format!("used {count}, {} days ago", days_before_now(last)),
        Verdict::Periodic { gap_days, last, .. } => {
            format!("every {gap_days} days, {} days ago", days_before_now(last))
        }
        Verdict::Idle { last, .. } => format!("idle for {} days", days_before_now(last)),
        Verdict::UsedByIam { last } => format!("by IAM, {} days ago", days_before_now(last)),
        Verdict::Unused { since } => format!("unused for {} days", days_before_now(since)),
        Verdict::NotObservable(why) => format!("? {why}"),
    };
    if judged.grant.conditional { format!("if, {verdict}") } else { verdict }
}

#[track_caller]
fn check(site: &Site, arn: &str, expected: &[(&str, &str)]) {
    let judgement = site.judgement(arn).expect("it is judged");
    for (action, expected) in expected {
        assert_eq!(told(&judgement, action), *expected, "{arn}: {action}");
    }
}

fn allow(actions: Value, resources: &str) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resources})
}

#[test]
fn used_unused_and_not_observable() {
    let mut mfa = allow(json!("iam:CreateRole"), "*");
    mfa["Condition"] = json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}});
    let app = with_policy(
        "app",
        json!([
            allow(json!(["ec2:RunInstances", "ec2:Describe*", "ec2:TerminateInstances", "ec2:StopInstances"]), "*"),
            allow(json!(["s3:GetObject", "s3:GetObjectVersion"]), "arn:aws:s3:::logs/*"),
            allow(json!(["s3:GetObject", "s3:PutObject"]), "arn:aws:s3:::quiet/*"),
            allow(json!(["iam:PassRole", "kms:Decrypt", "sqs:SendMessage", "logs:PutLogEvents"]), "*"),
            allow(json!(["s3:ListAllMyBuckets", "secretsmanager:*"]), "*"),
            mfa,
        ]),
    );
    let reader =
        with_policy("reader", json!([allow(json!(["s3:GetObject", "s3:GetObjectVersion"]), "arn:aws:s3:::logs/*")]));
    let mut site = Site::with_roles(json!([app, reader]));
    let (app, reader) = (role("app"), role("reader"));
    site.coverage.saw_data("AWS::S3::Object", "arn:aws:s3:::logs", true, window().from);
    site.used(&app, "ec2:DescribeInstances", [3, 5, 5]);
    site.call(&app, "ec2:TerminateInstances", 3, 7, Outcome::Denied, false);
    site.call(&app, "ec2:StopInstances", 3, 1, Outcome::Failed, false);
    site.call(&app, "s3:ListBuckets", 9, 4, Outcome::Succeeded, true);
    site.used(&app, "secretsmanager:SomethingNew", [4]);
    let of_some = "? data events of AWS::S3::Object are not logged for all that is granted";
    check(
        &site,
        &app,
        &[
            ("ec2:DescribeInstances", "used 3, 3 days ago"),
            ("ec2:DescribeImages", "unused for 800 days"),
            ("ec2:RunInstances", "unused for 800 days"),
            ("ec2:TerminateInstances", "unused for 800 days"),
            ("ec2:StopInstances", "? its calls failed, for other reasons than permissions"),
            ("s3:GetObject", of_some),
            ("s3:GetObjectVersion", "unused for 800 days"),
            ("s3:PutObject", "? no data events of AWS::S3::Object are logged"),
            ("s3:ListAllMyBuckets", "used 4, 9 days ago"),
            ("iam:PassRole", "? it is a permission that no event tells"),
            ("kms:Decrypt", "? the trail leaves out such management events"),
            ("sqs:SendMessage", "? no data events of AWS::SQS::Queue are logged"),
            ("logs:PutLogEvents", "? CloudTrail does not write this call"),
            (
                "secretsmanager:GetSecretValue",
                "? there were calls of its service of which it is not known what they need",
            ),
            ("iam:CreateRole", "if, unused for 800 days"),
            ("iam:DeleteRole", "not granted"),
        ],
    );
    let judgement = site.judgement(&app).expect("it is judged");
    assert!(judgement.actions().all(|judged| judged.seen.is_none_or(
        |seen| seen.tally.denied == 0 || judged.action == id("ec2:TerminateInstances") && seen.tally.denied == 7
    )));
    assert_eq!(site.usages.unmapped().collect::<Vec<_>>(), [("secretsmanager.amazonaws.com", "SomethingNew")]);

    check(&site, &reader, &[("s3:GetObject", "unused for 800 days")]);
    site.used(&reader, "s3:GetObject", [1]);
    let perhaps = "? calls may have needed it, which only their requests tell";
    check(&site, &reader, &[("s3:GetObject", "used 1, 1 days ago"), ("s3:GetObjectVersion", perhaps)]);
}

#[test]
fn jobs_that_come_back() {
    let actions = json!([
        "ec2:DescribeInstances",
        "ec2:CreateImage",
        "ec2:DescribeImages",
        "ec2:CopyImage",
        "ec2:RunInstances",
        "sqs:SendMessage"
    ]);
    let mut site = Site::with_roles(json!([with_policy("jobs", json!([allow(actions, "*")]))]));
    let jobs = role("jobs");
    site.used(&jobs, "ec2:DescribeInstances", (0..26).map(|month| 12 + month * 30));
    site.used(&jobs, "ec2:CreateImage", [100, 200, 300]);
    site.used(&jobs, "ec2:DescribeImages", [300, 665]);
    site.used(&jobs, "ec2:CopyImage", 200..260);
    // Its data events may have been switched off since.
    site.used(&jobs, "sqs:SendMessage", [300]);
    check(
        &site,
        &jobs,
        &[
            ("ec2:DescribeInstances", "used 26, 12 days ago"),
            ("ec2:CreateImage", "every 100 days, 100 days ago"),
            ("ec2:DescribeImages", "every 365 days, 300 days ago"),
            ("ec2:CopyImage", "idle for 200 days"),
            ("sqs:SendMessage", "used 1, 300 days ago"),
            ("ec2:RunInstances", "unused for 800 days"),
        ],
    );
}

fn organisation() -> Site {
    let policy = |name: &str| format!("arn:aws:iam::{ACCOUNT}:policy/{name}");
    let boundary = json!({"PolicyName": "limits", "Arn": policy("limits"), "DefaultVersionId": "v1",
        "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": true, "Document": document(json!([allow(json!("ec2:Describe*"), "*")]))}]});
    let mut bounded = with_policy("bounded", json!([allow(json!(["s3:*", "ec2:*"]), "*")]));
    bounded["PermissionsBoundary"] =
        json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": policy("limits")});
    let admin = with_policy("admin", json!([{"Sid": "Everything", "Effect": "Allow", "Action": "*", "Resource": "*"}]));
    let except = with_policy(
        "except",
        json!([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
                                       {"Effect": "Deny", "Action": "ec2:RunInstances", "Resource": "*"}]),
    );
    let mut young = with_policy("young", json!([allow(json!("ec2:*"), "*")]));
    young["CreateDate"] = json!("2026-10-20T00:00:00Z");
    let mut middle = with_policy("middle", json!([allow(json!("ec2:*"), "*")]));
    middle["CreateDate"] = json!("2026-04-15T00:00:00Z");
    let mut linked = with_policy("AWSServiceRoleForSupport", json!([allow(json!("ec2:*"), "*")]));
    linked["Path"] = json!("/aws-service-role/support.amazonaws.com/");
    let mut reserved = with_policy("AWSReservedSSO_Admin", json!([allow(json!("ec2:*"), "*")]));
    reserved["Path"] = json!("/aws-reserved/sso.amazonaws.com/");
    let mut missing = with_policy("missing", json!([]));
    missing["AttachedManagedPolicies"] =
        json!([{"PolicyName": "ReadOnlyAccess", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]);
    let mut last_used = with_policy("last-used", json!([allow(json!("ec2:*"), "*")]));
    last_used["RoleLastUsed"] = json!({"LastUsedDate": "2026-10-22T00:00:00Z", "Region": "eu-west-1"});
    let mia = json!({"Path": "/", "UserName": "mia", "UserId": "AIDAMIA", "Arn": user("mia"), "CreateDate": "2021-01-02T03:04:05Z",
        "GroupList": ["dev"], "UserPolicyList": [], "AttachedManagedPolicies": [], "Tags": []});
    let dev = json!({"Path": "/", "GroupName": "dev", "GroupId": "AGPADEV", "Arn": format!("arn:aws:iam::{ACCOUNT}:group/dev"),
        "CreateDate": "2021-01-02T03:04:05Z", "AttachedManagedPolicies": [],
        "GroupPolicyList": [{"PolicyName": "team", "PolicyDocument": document(json!([allow(json!("ec2:Describe*"), "*")]))}]});
    let accessed = json!({"Arn": role("last-used"), "JobStatus": "COMPLETED", "JobType": "ACTION_LEVEL",
        "JobCompletionDate": "2026-10-31T00:00:00Z", "ServicesLastAccessed": [
            {"ServiceName": "EC2", "ServiceNamespace": "ec2", "LastAuthenticated": "2026-10-22T00:00:00Z", "TotalAuthenticatedEntities": 1,
             "TrackedActionsLastAccessed": [
                {"ActionName": "RunInstances", "LastAccessedTime": "2026-10-22T00:00:00Z", "LastAccessedEntity": role("last-used")},
                {"ActionName": "StopInstances"},
                {"ActionName": "StartInstances", "LastAccessedTime": "2026-05-22T00:00:00Z"}]}]});
    let details = json!({"UserDetailList": [mia], "GroupDetailList": [dev], "Policies": [boundary],
        "RoleDetailList": [bounded, admin, except, young, middle, linked, reserved, missing, last_used]});
    Site::new(&details, &[accessed.to_string()])
}

#[test]
fn who_is_granted_what() {
    let mut site = organisation();
    site.used(&user("mia"), "ec2:DescribeInstances", [2]);
    site.used(&role("admin"), "ec2:DescribeInstances", [2]);
    site.used(&role("admin"), "s3:GetBucketPolicyStatus", [2]);
    let unused = "unused for 800 days";
    check(&site, &user("mia"), &[("ec2:DescribeInstances", "used 1, 2 days ago"), ("ec2:DescribeImages", unused)]);
    check(
        &site,
        &role("bounded"),
        &[("ec2:DescribeImages", unused), ("ec2:RunInstances", "not granted"), ("s3:ListAllMyBuckets", "not granted")],
    );
    check(
        &site,
        &role("except"),
        &[("ec2:StopInstances", unused), ("ec2:RunInstances", "not granted"), ("iam:CreateRole", "not granted")],
    );
    check(&site, &role("admin"), &[("ec2:DescribeInstances", "used 1, 2 days ago"), ("iam:CreateRole", unused)]);
    let young = "? the principal has not existed for long enough";
    check(&site, &role("young"), &[("ec2:RunInstances", young)]);
    check(&site, &role("middle"), &[("ec2:RunInstances", "unused for 200 days")]);
    assert!(site.judgement(&role("AWSServiceRoleForSupport")).is_none(), "a service's own");
    let summary = |arn: &str| site.judgement(arn).expect("it is judged").summary();
    assert!(summary(&role("AWSReservedSSO_Admin")).is_reserved && !summary(&role("admin")).is_reserved);
    assert_eq!(summary(&role("missing")).unread, ["the managed policy arn:aws:iam::aws:policy/ReadOnlyAccess"]);
    assert_eq!(summary(&role("admin")).confidence, crate::Confidence::High);
}

#[test]
fn iam_speaks_for_use_only() {
    let mut site = organisation();
    let arn = role("last-used");
    let by_iam = "by IAM, 10 days ago";
    let unseen = "? IAM says that its service was used, and the logs have no call of it";
    check(&site, &arn, &[("ec2:RunInstances", by_iam), ("ec2:StopInstances", unseen), ("ec2:StartInstances", unseen)]);
    site.used(&arn, "ec2:DescribeInstances", [2]);
    site.used(&arn, "ec2:StopInstances", [3]);
    check(
        &site,
        &arn,
        &[
            ("ec2:RunInstances", by_iam),
            ("ec2:StopInstances", "used 1, 3 days ago"),
            ("ec2:StartInstances", "unused for 800 days"),
        ],
    );
}

#[test]
fn whether_principals_were_used() {
    let mut site = organisation();
    site.call(&role("except"), "ec2:RunInstances", 4, 1, Outcome::Denied, false);
    site.used(&role("bounded"), "ec2:DescribeInstances", [300]);
    site.usages.taken(&role("middle"), NOW - 5 * DAY);
    let told = |arn: &str| match site.judgement(arn).expect("it is judged").activity() {
        Activity::Active { last } => format!("active {}", days_before_now(last)),
        Activity::ActiveByIam { last } => format!("by IAM {}", days_before_now(last)),
        Activity::Unused { since, last } => {
            format!("unused {}, last {:?}", days_before_now(since), last.map(days_before_now))
        }
        Activity::Young { .. } => "young".to_owned(),
        Activity::NotObservable => "?".to_owned(),
    };
    for (name, expected) in [
        ("except", "active 4"),
        ("bounded", "unused 800, last Some(300)"),
        ("middle", "active 5"),
        ("admin", "unused 800, last None"),
        ("last-used", "by IAM 10"),
        ("young", "young"),
    ] {
        assert_eq!(told(&role(name)), expected, "{name}");
    }
    site.coverage = Coverage::new(window());
    let activity = site.judgement(&role("admin")).expect("it is judged").activity();
    assert_eq!(activity, Activity::NotObservable);
    check(&site, &role("admin"), &[("ec2:RunInstances", "? there are no logs of the account")]);
}

#[test]
fn summaries_name_the_statements() {
    let narrow =
        json!({"Sid": "Old", "Effect": "Allow", "Action": ["ec2:RunInstances", "ec2:StopInstances"], "Resource": "*"});
    let wide = json!({"Sid": "Wide", "Effect": "Allow", "Action": "ec2:*", "Resource": "*"});
    let odd =
        json!({"Sid": "Odd", "Effect": "Allow", "Action": ["ec2:StopInstances", "ec2:NoSuchThing"], "Resource": "*"});
    let site = || Site::with_roles(json!([with_policy("web", json!([narrow, wide, odd]))]));
    let mut site = site();
    site.used(&role("web"), "ec2:DescribeInstances", [2]);
    site.used(&role("web"), "iam:ListRoles", [2]);
    let judgement = site.judgement(&role("web")).expect("it is judged");
    let summary = judgement.summary();
    let found: Vec<(String, u32, u32, bool, bool)> = summary
        .statements
        .iter()
        .map(|s| {
            let place = judgement.compiled().statement(s.statement).to_string();
            (place, s.counts.granted, s.counts.used, s.is_unused(), s.is_over_broad(&site.options))
        })
        .collect();
    let of = format!("in own of {}", role("web"));
    let all = Catalogue::shipped().of_service("ec2").count() as u32;
    assert_eq!(
        found,
        [
            (format!("statement 0 (Old) {of}"), 2, 0, true, false),
            (format!("statement 1 (Wide) {of}"), all, 1, false, true),
            (format!("statement 2 (Odd) {of}"), 1, 0, false, false),
        ]
    );
    let [ec2] = &summary.services[..] else { panic!("{:?}", summary.services) };
    assert_eq!((ec2.service, ec2.counts.granted, ec2.counts.used), ("ec2", all, 1));
    assert_eq!(days_before_now(ec2.last.expect("it was used")), 2);
    assert_eq!(summary.not_granted, [id("iam:ListRoles")]);
}

#[test]
fn credentials() {
    let header = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,\
                  access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,\
                  access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,\
                  access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,\
                  cert_2_last_rotated";
    let made = "2021-01-02T03:04:05+00:00";
    let recent = "2026-10-20T00:00:00+00:00";
    let no_key = "false,N/A,N/A,N/A,N/A";
    let key = |made: &str, used: &str| format!("true,{made},{used},eu-west-1,s3");
    let line = |name: &str, password: &str, mfa: bool, keys: [&str; 2]| {
        let arn = if name.starts_with('<') { format!("arn:aws:iam::{ACCOUNT}:root") } else { user(name) };
        format!("{name},{arn},{made},{password},N/A,{mfa},{},{},false,N/A,false,N/A", keys[0], keys[1])
    };
    let report = [
        header.to_owned(),
        line("<root_account>", "not_supported,no_information,not_supported", false, [&key(made, recent), no_key]),
        line("mia", &format!("true,{recent},{made}"), false, [no_key, no_key]),
        line(
            "old",
            &format!("true,no_information,{made}"),
            true,
            [&key(made, "2026-01-01T00:00:00+00:00"), &key(made, "N/A")],
        ),
        line("new", &format!("true,no_information,{recent}"), true, [&key(recent, "N/A"), no_key]),
        line("bot", "false,N/A,N/A", false, [&key(recent, recent), no_key]),
    ]
    .join("\n");
    let people = ["mia", "old", "new", "bot"].map(|name| {
        json!({"Path": "/", "UserName": name, "UserId": format!("AIDA{name}"), "Arn": user(name), "CreateDate": made,
            "GroupList": [], "UserPolicyList": [], "AttachedManagedPolicies": [], "Tags": []})
    });
    let details = json!({"UserDetailList": people, "GroupDetailList": [], "Policies": [], "RoleDetailList": []});
    let mut site = Site::new(&details, &[report]);
    site.usages.signed_in(&user("mia"), NOW - 20 * DAY, true);
    let found: Vec<(String, String)> = site
        .judge()
        .credentials(&site.inventory)
        .into_iter()
        .map(|one| {
            let told = match one.finding {
                Finding::UnusedKey { key, last } => format!("{key:?} unused, {:?}", last.map(days_before_now)),
                Finding::NeverUsedKey { key, .. } => format!("{key:?} never used"),
                Finding::OldKey { key, .. } => format!("{key:?} old"),
                Finding::NoSecondFactor { with_factor } => format!("no factor, {:?}", with_factor.map(days_before_now)),
                other => format!("{other:?}"),
            };
            (one.arn.rsplit([':', '/']).next().unwrap_or_default().to_owned(), told)
        })
        .collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(who, what)| (who.as_str(), what.as_str())).collect();
    assert_eq!(
        found,
        [
            ("root", "RootKeys { active: 1 }"),
            ("root", "RootWithoutSecondFactor"),
            ("mia", "no factor, Some(20)"),
            ("old", "Number(1) unused, Some(304)"),
            ("old", "Number(2) never used"),
            ("old", "Number(1) old"),
            ("old", "Number(2) old"),
            ("old", "SeveralKeys { active: 2 }"),
            ("old", "UnusedPassword { last: None }"),
        ]
    );
}

/// Calls of events of all kinds, by their names in the catalogue and by others.
fn calls() -> impl Strategy<Value = Vec<(String, u32, Outcome)>> {
    let own = (0..Catalogue::shipped().len()).prop_map(|index| {
        let action = Catalogue::shipped().action(Catalogue::shipped().at(index));
        format!("{}:{}", action.service, action.name)
    });
    let known = ["s3:GetObject", "s3:ListObjects", "ec2:RunInstances", "monitoring:PutMetricData", "ec2:NoSuchEvent"];
    let event = prop_oneof![own, prop::sample::select(known.to_vec()).prop_map(str::to_owned)];
    let outcome = prop::sample::select(&[Outcome::Succeeded, Outcome::Succeeded, Outcome::Failed, Outcome::Denied][..]);
    prop::collection::vec((event, 0..800u32, outcome), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever was done: what succeeded is not unused, and what is unused could have been seen.
    #[test]
    fn what_was_used_is_never_unused(calls in calls()) {
        let mut site = Site::with_roles(json!([with_policy("admin", json!([allow(json!("*"), "*")]))]));
        let admin = role("admin");
        for (event, day, outcome) in &calls {
            site.call(&admin, event, *day + 1, 1, *outcome, false);
        }
        let judgement = site.judgement(&admin).expect("it is judged");
        let mut counts = 0;
        for judged in judgement.actions() {
            counts += 1;
            let used = judged.seen.is_some_and(|seen| seen.is_used());
            prop_assert_eq!(used, judged.verdict.was_used());
            if let Verdict::Unused { .. } = judged.verdict {
                let resources = &judged.grant.resources;
                prop_assert_eq!(site.coverage.blind(judged.action, resources), None);
                prop_assert!(judged.seen.is_none_or(|seen| seen.tally.failed == 0));
            }
        }
        let summary = judgement.summary();
        prop_assert_eq!(summary.services.iter().map(|s| s.counts.granted).sum::<u32>(), counts);
        prop_assert_eq!(summary.statements[0].counts.granted, counts);
    }
}
