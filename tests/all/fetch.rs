//! What is granted, fetched from accounts by role: whole, or not at all, and as it is read again.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::logs::{self, record_with};
use crate::s3::ministack;
use crate::stage::{Stage, until};
use crate::world::{Run, Trailhound, World, trailhound};
use trailhound_testing::fake_aws::{Account, FakeAws, Fault, OWN_ACCOUNT, Organization, QueueOptions, Rule};

const PRODUCTION: &str = "111122223333";
const TESTS: &str = "444455556666";
/// The management account.
const MANAGEMENT: &str = "999988887777";
const CLOSED: &str = "777766665555";
const USERS: usize = 250;

fn role_of(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/team/audit")
}

/// Two accounts, which a role with an external id may read.
fn aws() -> FakeAws {
    let aws = FakeAws::start();
    for account in [PRODUCTION, TESTS] {
        aws.role(&role_of(account), Some("secret-word"));
    }
    let users = (0..USERS).map(|number| format!("user{number}")).collect();
    let production =
        Account { users, roles: vec!["web".into()], alias: Some("prod".into()), page_items: 100, ..Account::default() };
    aws.account(PRODUCTION, Account { report_waits: 2, ..production });
    aws.account(TESTS, Account { users: vec!["ana".into()], page_items: 100, ..Account::default() });
    aws
}

/// `permissions fetch --out FOLDER …`
fn fetch(aws: &FakeAws, folder: &Path, more: &[&str]) -> Trailhound {
    let args = ["permissions", "fetch", "--out", folder.to_str().unwrap()];
    let command = trailhound(args.iter().chain(more));
    aws.env().iter().fold(command, |command, (name, value)| command.env(name, value))
}

fn both(aws: &FakeAws, folder: &Path) -> Trailhound {
    let accounts = ["--account", PRODUCTION, "--account", TESTS];
    fetch(aws, folder, &[&accounts[..], &["--role", "team/audit", "--external-id", "secret-word"]].concat())
}

/// Names of everything in a folder, hidden things too.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// How many elements the outputs of a file have in each list.
fn lists(file: &Path) -> BTreeMap<String, usize> {
    let mut lists = BTreeMap::new();
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let output: Value = serde_json::from_str(line).unwrap();
        for (name, value) in output.as_object().unwrap() {
            if let Some(list) = value.as_array() {
                *lists.entry(name.clone()).or_default() += list.len();
            }
        }
    }
    lists
}

/// What `permissions` says of a folder's accounts, by the logs of a day.
fn judged(world: &World, folder: &Path) -> Value {
    let record = record_with("used", json!({"eventSource": "s3.amazonaws.com", "eventName": "ListBuckets"}));
    let tree = world.put_all("logs", &[(logs::key("a"), logs::gzip(&logs::log(&[record])))]);
    let store = world.store("store");
    store.scan(tree).ok();
    let run = store.command(["permissions", "--iam", folder.to_str().unwrap(), "--format", "json"]).ok();
    serde_json::from_str(&run.text()).unwrap()
}

#[track_caller]
fn says(run: &Run, parts: &[&str]) {
    for part in parts {
        assert!(run.stderr.contains(part), "{part} is not in\n{}", run.stderr);
    }
}

#[test]
fn accounts_are_fetched_page_by_page_and_judged() {
    let (aws, world) = (aws(), World::new("fetch"));
    let folder = world.path("iam");
    aws.fail(Rule::new("GetAccountAuthorizationDetails", Fault::status(400, "Throttling", "Rate exceeded")).times(2));
    aws.fail(Rule::new("ListAccessKeys", Fault::status(500, "ServiceFailure", "sorry")).about(TESTS).times(1));
    let run = both(&aws, &folder).ok();
    says(
        &run,
        &[
            "111122223333 (prod) at ",
            ": 250 users, 0 groups, 1 role, 1 policy, 250 keys, a credential report of 2025-03-08",
        ],
    );
    assert!(!run.stderr.contains("note"), "{}", run.stderr);
    assert_eq!(names(&folder), ["111122223333.json", "444455556666.json"]);
    let production = folder.join("111122223333.json");
    assert_eq!(std::fs::metadata(&production).unwrap().permissions().mode() & 0o777, 0o600);
    // AWS' own policies: of three, the one that somebody has.
    let expected = [("AccessKeyMetadata", USERS), ("Policies", 1), ("RoleDetailList", 1), ("UserDetailList", USERS)];
    assert_eq!(lists(&production), expected.map(|(name, count)| (name.to_string(), count)).into());
    // Three pages of who there is in the one account, one in the other, and one of AWS' policies in each; two tries more.
    assert_eq!(aws.calls("GetAccountAuthorizationDetails"), 3 + 1 + 1 + 1 + 2);
    assert_eq!(aws.calls("GenerateCredentialReport"), 3 + 1);

    let report = judged(&world, &folder);
    assert_eq!(report["principals"].as_array().unwrap().len(), USERS + 2, "{}", report["principals"]);
    let of_ana = |line: &&Value| line["arn"] == "arn:aws:iam::444455556666:user/ana";
    let ana = report["principals"].as_array().unwrap().iter().find(of_ana).unwrap();
    assert!(ana["statements"].to_string().contains("ReadOnlyAccess"), "{ana}");
}

#[test]
fn an_account_that_denies_something_is_left_as_it_was() {
    let (aws, world) = (aws(), World::new("fetch-denied"));
    let folder = world.path("iam");
    world.put("iam/111122223333.json", "of before");
    let denied = "User: arn:aws:sts::111122223333:assumed-role/audit/trailhound is not authorized to perform: \
                  iam:GetAccountAuthorizationDetails because no identity-based policy allows it";
    aws.fail(Rule::new("GetAccountAuthorizationDetails", Fault::status(403, "AccessDenied", denied)).about(PRODUCTION));
    let run = both(&aws, &folder).exits(2);
    says(
        &run,
        &[
            "1 of 2 accounts could not be fetched",
            "account 111122223333 denies iam:GetAccountAuthorizationDetails",
            "no identity-based policy allows it",
            r#"{"Effect": "Allow", "Action": "iam:GetAccountAuthorizationDetails", "Resource": "*"}"#,
        ],
    );
    assert_eq!(names(&folder), ["111122223333.json", "444455556666.json"]);
    assert_eq!(std::fs::read_to_string(folder.join("111122223333.json")).unwrap(), "of before");
    assert_eq!(lists(&folder.join("444455556666.json"))["UserDetailList"], 1);
}

#[test]
fn pages_that_lead_nowhere_break_an_account_off() {
    let (aws, world) = (aws(), World::new("fetch-pages"));
    let users = vec!["ana".into(), "bob".into()];
    aws.account(OWN_ACCOUNT, Account { users, page_items: 1, loses_markers: true, ..Account::default() });
    let folder = world.path("iam");
    let run = fetch(&aws, &folder, &[]).exits(2);
    says(
        &run,
        &[
            "iam:GetAccountAuthorizationDetails of account 123456789012 says that more pages follow and does not say where",
        ],
    );
    assert!(names(&folder).is_empty());
}

#[test]
fn what_only_credentials_need_may_be_denied() {
    let (aws, world) = (aws(), World::new("fetch-notes"));
    aws.account(OWN_ACCOUNT, Account { users: vec!["ana".into()], page_items: 9, ..Account::default() });
    let folder = world.path("iam");
    for operation in ["GenerateCredentialReport", "ListAccessKeys", "ListAccountAliases"] {
        aws.fail(Rule::new(operation, Fault::status(403, "AccessDenied", "no")));
    }
    let run = fetch(&aws, &folder, &[]).ok();
    says(
        &run,
        &[
            ": 1 user, 0 groups, 0 roles, 1 policy, 0 keys, no credential report",
            "passwords, second factors and root's keys are not known: account 123456789012 denies iam:GenerateCredentialReport",
            "the ids of access keys are not known: account 123456789012 denies iam:ListAccessKeys",
            "what the account calls itself is not known",
        ],
    );
    aws.mend();
    aws.fail(Rule::new("GetAccessKeyLastUsed", Fault::status(403, "AccessDenied", "no")));
    let run = fetch(&aws, &folder, &[]).ok();
    says(&run, &["1 key", "when access keys were used is known by the credential report alone"]);
    assert_eq!(judged(&world, &folder)["principals"].as_array().unwrap().len(), 1);
}

#[test]
fn reports_of_last_access_are_made_and_read_where_they_are_asked_for() {
    let (aws, world) = (aws(), World::new("fetch-accessed"));
    let folder = world.path("iam");
    let asked = with_role(&["--account", TESTS, "--last-accessed"]);
    let run = fetch(&aws, &folder, &asked).ok();
    says(
        &run,
        &[
            "1 user, 0 groups, 0 roles, 1 policy, 1 key, a credential report of 2025-03-08T12:00:00Z, 1 report of last access",
        ],
    );
    // Not ready, and two pages.
    assert_eq!((aws.calls("GenerateServiceLastAccessedDetails"), aws.calls("GetServiceLastAccessedDetails")), (1, 3));
    assert_eq!(lists(&folder.join("444455556666.json"))["ServicesLastAccessed"], 2);
    let report = judged(&world, &folder);
    // No log shows who reads objects here; IAM knows that it happens.
    let ana = &report["principals"][0];
    assert_eq!(ana["arn"], "arn:aws:iam::444455556666:user/ana");
    assert_eq!((&ana["counts"]["granted"], &ana["counts"]["used_by_iam"]), (&json!(1), &json!(1)), "{ana}");
    let note = "when services were last accessed is not known: account 444455556666 denies iam:GenerateServiceLastAccessedDetails";
    aws.fail(Rule::new("GenerateServiceLastAccessedDetails", Fault::status(403, "AccessDenied", "no")));
    says(&fetch(&aws, &folder, &asked).ok(), &[note]);
}

#[test]
fn who_may_not_enter_an_account_is_told_what_is_missing() {
    let (aws, world) = (aws(), World::new("fetch-role"));
    let folder = world.path("iam");
    let run = fetch(&aws, &folder, &["--account", PRODUCTION]).exits(2);
    says(&run, &["the credentials are of account 123456789012, not of 111122223333; name a role of 111122223333"]);
    let run = fetch(&aws, &folder, &["--account", PRODUCTION, "--role", "team/audit"]).exits(2);
    says(&run, &["account 111122223333 cannot be entered", &role_of(PRODUCTION), "sts:AssumeRole", "external id"]);
    assert!(names(&folder).is_empty());
    for wrong in [&["--account", "12"][..], &["--role", "arn:aws:iam::111122223333:role/x"], &["--external-id", "x"]] {
        fetch(&aws, &folder, wrong).exits(64);
    }
    let empty = world.store("store").command(["permissions", "--iam", folder.to_str().unwrap()]).exits(2);
    says(&empty, &["holds no .json and no .csv file"]);
}

/// The same from another AWS than our own, which nobody made for this.
#[test]
fn another_aws_gives_what_was_made_there() {
    let (aws, world) = (ministack(), World::new("fetch-ministack"));
    let reads = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
    let everybody = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
    for account in [PRODUCTION, TESTS] {
        let make = |form: &str| aws.iam(account, &format!("{form}&Version=2010-05-08"));
        make(&format!("Action=CreateRole&RoleName=audit&AssumeRolePolicyDocument={everybody}"));
        make("Action=CreateUser&UserName=ana");
        make(&format!("Action=PutUserPolicy&UserName=ana&PolicyName=own&PolicyDocument={reads}"));
        make("Action=CreateAccessKey&UserName=ana");
        make("Action=CreateGroup&GroupName=readers");
        make("Action=AddUserToGroup&GroupName=readers&UserName=ana");
        make(&format!("Action=CreatePolicy&PolicyName=managed&PolicyDocument={reads}"));
        make(&format!("Action=AttachRolePolicy&RoleName=audit&PolicyArn=arn:aws:iam::{account}:policy/managed"));
    }
    let folder = world.path("iam");
    let args = ["permissions", "fetch", "--account", PRODUCTION, "--account", TESTS, "--role", "audit", "--out"];
    let command = trailhound(args.iter().copied().chain([folder.to_str().unwrap()]));
    let run = aws.env().iter().fold(command, |command, (name, value)| command.env(name, value)).ok();
    for account in [PRODUCTION, TESTS] {
        says(
            &run,
            &[&format!("{account} at "), ": 1 user, 1 group, 1 role, 1 policy, 1 key, a credential report of 20"],
        );
    }
    let report = judged(&world, &folder);
    let arns: Vec<&str> =
        report["principals"].as_array().unwrap().iter().map(|line| line["arn"].as_str().unwrap()).collect();
    let expected = [PRODUCTION, TESTS]
        .iter()
        .flat_map(|id| ["user/ana", "role/audit"].map(|name| format!("arn:aws:iam::{id}:{name}")))
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(arns.into_iter().map(str::to_string).collect::<std::collections::BTreeSet<_>>(), expected);
}

/// Production hangs in a unit in which nobody may read objects.
fn organization() -> Organization {
    let hangs = |id: &str, parent: &str| (id.to_string(), parent.to_string());
    let everything: Vec<String> =
        ["r-ab12", "ou-ab12-shops", "ou-ab12-eu", MANAGEMENT, PRODUCTION, TESTS, CLOSED].map(str::to_string).into();
    let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let none = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}]}"#;
    Organization {
        management: MANAGEMENT.into(),
        below: vec![
            hangs(MANAGEMENT, "r-ab12"),
            hangs("ou-ab12-shops", "r-ab12"),
            hangs("ou-ab12-eu", "ou-ab12-shops"),
            hangs(PRODUCTION, "ou-ab12-eu"),
            hangs(TESTS, "r-ab12"),
            hangs(CLOSED, "r-ab12"),
        ],
        suspended: vec![CLOSED.into()],
        policies: vec![
            ("p-FullAWSAccess".into(), all.into(), everything),
            ("p-noreading".into(), none.into(), vec!["ou-ab12-shops".into()]),
        ],
        page_items: 2,
    }
}

/// The same role in the management account too, where there is nobody.
fn with_organization(organization: Organization) -> FakeAws {
    let aws = aws();
    aws.role(&role_of(MANAGEMENT), Some("secret-word"));
    aws.account(MANAGEMENT, Account { page_items: 100, ..Account::default() });
    aws.organization(organization);
    aws
}

fn with_role<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [more, &["--role", "team/audit", "--external-id", "secret-word"]].concat()
}

/// What becomes of `s3:GetObject` in the hands of a principal: how many actions it has.
fn granted(report: &Value, arn: &str) -> u64 {
    let principals = report["principals"].as_array().unwrap();
    let line = principals.iter().find(|line| line["arn"] == arn).unwrap_or_else(|| panic!("{arn} is not in {report}"));
    line["counts"]["granted"].as_u64().unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn an_organization_is_fetched_with_all_accounts_in_use_and_limits_them() {
    let (aws, world) = (with_organization(organization()), World::new("fetch-organization"));
    let folder = world.path("iam");
    aws.fail(Rule::new("ListPolicies", Fault::status(400, "TooManyRequestsException", "slow down")).times(2));
    let run = fetch(&aws, &folder, &with_role(&["--organization", MANAGEMENT])).ok();
    says(
        &run,
        &[
            "organization (o-abcdefghij) at ",
            ": 2 units, 3 accounts, 2 policies, 1 account that nobody can use (suspended, closed) in ",
            "444455556666 at ",
        ],
    );
    let files = ["111122223333.json", "444455556666.json", "999988887777.json", "organization.json"];
    assert_eq!(names(&folder), files);
    assert_eq!(std::fs::metadata(folder.join("organization.json")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(lists(&folder.join("organization.json"))["OrganizationTargets"], 7);
    // An empty page, and six accounts in three pages of two, one in one, and none.
    assert_eq!(aws.calls("ListAccountsForParent"), (1 + 2) + (1 + 1) + (1 + 1));
    let (user, ana) = ("arn:aws:iam::111122223333:user/user1", "arn:aws:iam::444455556666:user/ana");
    let report = judged(&world, &folder);
    assert_eq!((granted(&report, user), granted(&report, ana)), (0, 1));
    std::fs::remove_file(folder.join("organization.json")).unwrap();
    let report = judged(&world, &folder);
    assert_eq!((granted(&report, user), granted(&report, ana)), (1, 1), "without it, it looks granted");
}

#[test]
fn an_organization_that_is_not_whole_is_left_as_it_was() {
    let (aws, world) = (with_organization(organization()), World::new("fetch-organization-denied"));
    let folder = world.path("iam");
    world.put("iam/organization.json", "of before");
    let denied = Fault::status(400, "AccessDeniedException", "You don't have permissions to access this resource.");
    aws.fail(Rule::new("ListTargetsForPolicy", denied));
    let asked = ["--organization", MANAGEMENT, "--account", TESTS];
    let run = fetch(&aws, &folder, &with_role(&asked)).exits(2);
    says(
        &run,
        &[
            "organization: not fetched",
            "1 of 1 account and their organization could not be fetched",
            "account 999988887777 denies organizations:ListTargetsForPolicy: ",
            r#"{"Effect": "Allow", "Action": "organizations:ListTargetsForPolicy", "Resource": "*"}"#,
            "only the management account may be asked, and accounts that it delegated this to",
        ],
    );
    assert_eq!(names(&folder), ["444455556666.json", "organization.json"]);
    assert_eq!(std::fs::read_to_string(folder.join("organization.json")).unwrap(), "of before");
    // An account that nobody asks about an organization.
    aws.mend();
    let run = fetch(&aws, &folder, &with_role(&["--organization", TESTS])).exits(2);
    says(&run, &["account 444455556666 denies organizations:DescribeOrganization"]);
    // One that hangs in it and of which no policy tells: it came in between, and would look forbidden everything.
    let mut torn = organization();
    torn.policies[0].2.retain(|id| id != TESTS);
    aws.organization(torn);
    let run = fetch(&aws, &folder, &with_role(&asked)).exits(2);
    says(&run, &["the organization changed while it was read: nothing says what limits 444455556666; fetch it again"]);
    fetch(&aws, &folder, &["--organization", "o-abcdefghij"]).exits(64);
}

/// The same from another AWS than our own, which nobody made for this.
#[test]
fn another_aws_gives_the_organization_that_was_made_there() {
    let (aws, world) = (ministack(), World::new("fetch-ministack-organization"));
    let ask = |operation: &str, asked: Value| aws.organizations(MANAGEMENT, operation, &asked);
    let root = ask("ListRoots", json!({}))["Roots"][0]["Id"].as_str().unwrap().to_string();
    let unit = ask("CreateOrganizationalUnit", json!({ "ParentId": root, "Name": "shops" }));
    let unit = unit["OrganizationalUnit"]["Id"].as_str().unwrap();
    let made = ask("CreateAccount", json!({ "AccountName": "web", "Email": "web@example.com" }));
    let account = made["CreateAccountStatus"]["AccountId"].as_str().unwrap();
    ask("MoveAccount", json!({ "AccountId": account, "SourceParentId": root, "DestinationParentId": unit }));
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}"#;
    let policy = json!({ "Name": "no-iam", "Description": "", "Content": deny, "Type": "SERVICE_CONTROL_POLICY" });
    let policy = ask("CreatePolicy", policy);
    let policy = policy["Policy"]["PolicySummary"]["Id"].as_str().unwrap();
    ask("AttachPolicy", json!({ "PolicyId": policy, "TargetId": unit }));
    // AWS does that by itself.
    ask("AttachPolicy", json!({ "PolicyId": "p-FullAWSAccess", "TargetId": unit }));
    let everybody = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
    let role = format!("Action=CreateRole&RoleName=audit&AssumeRolePolicyDocument={everybody}&Version=2010-05-08");
    aws.iam(MANAGEMENT, &role);
    let folder = world.path("iam");
    let args =
        ["permissions", "fetch", "--organization", MANAGEMENT, "--account", MANAGEMENT, "--role", "audit", "--out"];
    let command = trailhound(args.iter().copied().chain([folder.to_str().unwrap()]));
    let run = aws.env().iter().fold(command, |command, (name, value)| command.env(name, value)).ok();
    says(&run, &["1 unit, 2 accounts, 2 policies in "]);
    judged(&world, &folder);
    let store = world.store("store");
    let alone = folder.join("organization.json");
    let run = store.command(["permissions", "--iam", alone.to_str().unwrap()]).exits(2);
    says(&run, &["what was read tells of no user and no role"]);
    store.command(["permissions", "load", folder.to_str().unwrap()]).ok();
    let attached = store.sql(
        "SELECT target.target_name AS target, policy.policy_name AS policy FROM iam_organization_targets AS target
         JOIN iam_organization_attachments USING (target_id) JOIN iam_organization_policies AS policy USING (policy_id)
         WHERE policy_name = 'no-iam'",
    );
    assert_eq!(attached, [json!({ "target": "shops", "policy": "no-iam" })]);
    let hangs = format!("SELECT parent_id FROM iam_organization_targets WHERE target_id = '{account}'");
    assert_eq!(store.sql(&hangs), [json!({ "parent_id": unit })]);
}

#[test]
fn the_service_reads_what_is_granted_and_judges_it() {
    let mut stage = Stage::new("fetch_serve", QueueOptions::default());
    for account in [PRODUCTION, MANAGEMENT] {
        stage.aws.role(&role_of(account), Some("secret-word"));
    }
    stage.aws.organization(organization());
    let roles = vec!["web".into()];
    stage.aws.account(PRODUCTION, Account { users: vec!["ana".into()], roles, page_items: 100, ..Account::default() });
    stage.more = format!(
        "[permissions]\naccounts = [\"{PRODUCTION}\", \"{TESTS}\"]\norganization = \"{MANAGEMENT}\"\nrole = \"team/audit\"\nexternal_id = \"secret-word\"\n"
    );
    let record = record_with("used", json!({"eventSource": "s3.amazonaws.com", "eventName": "ListBuckets"}));
    stage.announce(&[(logs::key("a"), logs::gzip(&logs::log(&[record])))]);
    let told = stage.doctor(&[]).exits(1).text();
    for line in [
        "ok    what limits the organization that account 999988887777 answers for",
        "ok    what is granted in account 111122223333",
        "FAIL  what is granted in account 444455556666",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
    let mut service = stage.serve(None);
    service.until_ready();
    let metric = |name: &str| -> Option<f64> {
        let (_, text) = service.get("/metrics")?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    let read = format!("trailhound_iam_read_timestamp_seconds{{account=\"{PRODUCTION}\"}}");
    until("the account is read", || metric(&read).is_some_and(|time| time > 1e9));
    let failed = format!("trailhound_iam_read_failures_total{{account=\"{TESTS}\"}}");
    until("the one that nobody may enter is told", || metric(&failed) == Some(1.0));
    assert!(service.log().contains(&format!("account {TESTS} cannot be entered")), "{}", service.log());
    service.stop();
    let known = stage.store().sql("SELECT name, kind FROM iam_granted GROUP BY name, kind ORDER BY name");
    assert!(known.iter().any(|row| row["name"] == "ana" && row["kind"] == "user"), "{known:?}");
    let readings = stage.store().sql("SELECT account_id FROM iam_readings ORDER BY account_id");
    assert_eq!(readings, [json!({ "account_id": PRODUCTION }), json!({ "account_id": "organization" })]);
    let limits =
        "SELECT document LIKE '%s3:GetObject%' AS limits, valid_to IS NULL AS stands FROM iam_organization_policies
                  WHERE policy_id = 'p-noreading'";
    assert_eq!(stage.store().sql(limits), [json!({ "limits": true, "stands": true })]);
    // What was read is not asked for again before its time; what it said of permissions is there.
    let asked = stage.aws.calls("GetAccountAuthorizationDetails");
    let mut again = stage.serve(None);
    again.until_ready();
    let judged = format!("trailhound_principals{{account=\"{PRODUCTION}\",activity=\"not_observable\"}}");
    until("verdicts are shown", || again.get("/metrics").is_some_and(|(_, text)| text.contains(&judged)));
    again.stop();
    assert_eq!(stage.aws.calls("GetAccountAuthorizationDetails"), asked);
    assert!(stage.store().number("SELECT count(*) AS n FROM permissions") >= 2);
}
