//! What people's work leaves in the log: sign-ins at Identity Center, roles assumed through it, pages of the console (bursts of reads), and
//! calls of the command line. Also IAM users who sign in to the console themselves. The length is that of a day's habits.

use crate::{
    catalogue::Catalogue,
    identity::{self, Role, Session, User},
    ids,
    organisation::{Account, Organisation},
    person::{Laptop, Person, Team, WorkSession},
    record::{Call, Kind},
    rng::{Rng, mix},
    stage::{Caller, Failure, Stage},
    workload,
};

const DEVELOPER: &[&str] = &[
    "lambda:ListFunctions20150331",
    "lambda:GetFunction20150331v2",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:FilterLogEvents",
    "logs:StartQuery",
    "logs:GetQueryResults",
    "ecs:DescribeServices",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
    "dynamodb:DescribeTable",
    "dynamodb:ListTables",
    "monitoring:DescribeAlarms",
    "monitoring:GetMetricData",
    "cloudformation:DescribeStacks",
    "cloudformation:DescribeStackEvents",
    "sqs:ListQueues",
    "sqs:GetQueueAttributes",
    "s3:ListBuckets",
    "states:ListStateMachines",
    "states:DescribeExecution",
    "ecr:DescribeImages",
    "codepipeline:GetPipelineState",
    "ssm:DescribeParameters",
];
const PLATFORM: &[&str] = &[
    "ec2:DescribeInstances",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeVpcs",
    "ec2:DescribeSubnets",
    "ec2:DescribeVolumes",
    "ec2:DescribeRouteTables",
    "ec2:DescribeKeyPairs",
    "ec2:DescribeAddresses",
    "iam:ListRoles",
    "iam:GetRole",
    "iam:ListAttachedRolePolicies",
    "iam:ListUsers",
    "rds:DescribeDBInstances",
    "rds:DescribeDBClusters",
    "rds:DescribeEvents",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTargetHealth",
    "eks:ListClusters",
    "eks:DescribeCluster",
    "route53:ListHostedZones",
    "route53:ListResourceRecordSets",
    "cloudfront:ListDistributions",
    "acm:ListCertificates",
    "monitoring:ListDashboards",
    "monitoring:GetDashboard",
    "kms:ListAliases",
    "kms:DescribeKey",
];
const DATA: &[&str] = &[
    "athena:StartQueryExecution",
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "glue:GetTables",
    "glue:GetTable",
    "glue:GetDatabases",
    "glue:GetPartitions",
    "s3:ListBuckets",
    "s3:ListObjects",
    "s3:GetObject",
    "kinesis:DescribeStreamSummary",
];
const SECURITY: &[&str] = &[
    "guardduty:ListDetectors",
    "guardduty:GetDetector",
    "guardduty:ListFindings",
    "securityhub:GetFindings",
    "config:DescribeConfigRules",
    "cloudtrail:LookupEvents",
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetTrailStatus",
    "iam:ListUsers",
    "iam:ListAccessKeys",
    "iam:ListMFADevices",
    "iam:GetAccountSummary",
    "iam:GetCredentialReport",
    "iam:ListRoles",
    "ec2:DescribeSecurityGroups",
    "s3:GetBucketPolicy",
    "s3:GetBucketPublicAccessBlock",
    "kms:GetKeyPolicy",
];
const FINANCE: &[&str] =
    &["ce:GetCostAndUsage", "organizations:ListAccounts", "organizations:DescribeOrganization", "s3:ListBuckets"];
const CONSOLE: &[&str] = &[
    "health:DescribeEventAggregates",
    "notifications:ListNotificationHubs",
    "ec2:DescribeRegions",
    "iam:ListAccountAliases",
];
const WRITES: &[&str] = &[
    "lambda:UpdateFunctionConfiguration20150331v2",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:CreateTags",
    "ecs:UpdateService",
    "monitoring:PutMetricAlarm",
    "ssm:PutParameter",
    "logs:PutRetentionPolicy",
    "states:StartExecution",
    "sqs:SetQueueAttributes",
    "ssm:StartSession",
    "ec2:AuthorizeSecurityGroupIngress",
    "autoscaling:UpdateAutoScalingGroup",
    "codebuild:StartBuild",
];
const IDENTITY_WRITES: &[&str] = &["iam:PutRolePolicy", "iam:TagRole"];

/// Share of reads that are none of the team's usual ones. What is new for its author among them falls below the one per cent of all calls
/// up to which novelty counts as unusual at all.
const NOVEL: f64 = 0.012;

fn reads(team: Team) -> &'static [&'static str] {
    match team {
        Team::Developer => DEVELOPER,
        Team::Platform => PLATFORM,
        Team::Data => DATA,
        Team::Security => SECURITY,
        Team::Finance => FINANCE,
    }
}

/// A read: one of the team's own, the first of which are the most frequent, or, seldom, any that there is. So a person still meets
/// new ones after months, ever more seldom.
pub fn usual_read(catalogue: &Catalogue, team: Team, rng: &mut Rng) -> usize {
    if rng.chance(NOVEL) {
        return catalogue.scanner[rng.skewed(catalogue.scanner.len())];
    }
    let list = reads(team);
    catalogue.find(list[rng.skewed(list.len())])
}

/// A person's session, ready to write from: role, keys and texts made once.
struct Desk<'a> {
    organisation: &'a Organisation,
    account: &'a Account,
    person: &'a Person,
    work: &'a WorkSession,
    laptop: &'a Laptop,
    team: Team,
    role: Role,
    arn: String,
}

/// Writes what falls into `hour` of a session, in the account where the unit is: the work itself, or, in the management account, the sign-in.
/// `rate` is how many calls an hour of work makes.
#[allow(clippy::too_many_arguments, reason = "where, who and when")]
pub fn hour(
    organisation: &Organisation,
    stage: &mut Stage,
    account: &Account,
    person: &Person,
    work: &WorkSession,
    hour: i64,
    rate: f64,
    rng: &mut Rng,
) {
    let begins = (hour..hour + 3_600).contains(&work.start);
    if begins && account.index == 0 {
        identity_center(organisation, stage, person, work, rng);
    }
    if work.account != account.index {
        return;
    }
    let role = account.permission_set(work.set, organisation.home_region());
    let desk = Desk {
        organisation,
        account,
        person,
        work,
        laptop: person.laptop(work.start),
        team: person.job(work.start).team,
        arn: role.session_arn(&person.email),
        role,
    };
    if begins {
        desk.federation(stage, rng);
    }
    let (from, to) = (work.start.max(hour) + 5, work.end.min(hour + 3_600));
    if from >= to {
        return;
    }
    let calls = rng.poisson(rate * (to - from) as f64 / 3_600.0);
    if work.console { desk.pages(stage, from, to, calls, rng) } else { desk.commands(stage, from, to, calls, rng) }
}

impl Desk<'_> {
    fn key(&self, part: u64) -> String {
        ids::access_key("ASIA", self.account.number, &mut Rng::derive(self.work.seed, &[part]))
    }

    fn identity(&self, key: &str) -> String {
        identity::assumed_role(
            &self.role,
            &Session { name: &self.person.email, key, created: self.work.start, ..Session::default() },
        )
    }

    /// The role assumed with Identity Center's assertion, and the console sign-in with it.
    fn federation(&self, stage: &mut Stage, rng: &mut Rng) {
        let (account, person, work) = (self.account, self.person, self.work);
        let region = self.organisation.regions[0];
        let arn = self.role.arn();
        let provider = format!("arn:aws:iam::{}:saml-provider/{}", account.id, self.organisation.sso_provider);
        let subject = format!(
            "{{\"type\":\"SAMLUser\",\"principalId\":\"{}:{}\",\"userName\":\"{}\",\"identityProvider\":\"{}\"}}",
            self.organisation.sso_provider, person.email, person.email, self.organisation.sso_provider
        );
        let request = format!(
            "{{\"sAMLAssertionID\":\"_{}\",\"roleSessionName\":\"{}\",\"durationSeconds\":3600,\"roleArn\":\"{arn}\",\"principalArn\":\"{provider}\"}}",
            ids::uuid_text(ids::uuid(rng)),
            person.email
        );
        let response = format!(
            "{{\"subjectType\":\"persistent\",\"issuer\":\"https://portal.sso.{}.amazonaws.com/saml/assertion/{}\",{},\"nameQualifier\":\"{}\",{},\"subject\":\"{}\",\"audience\":\"https://signin.aws.amazon.com/saml\"}}",
            self.organisation.home_region(),
            ids::hex(40, &mut Rng::derive(self.organisation.seed, &[12])),
            workload::issued(&self.key(0), work.start + 3_600, rng),
            self.organisation.sso_provider,
            workload::assumed(&self.role, &person.email),
            person.email
        );
        let resources = format!(
            "[{{\"accountId\":\"{id}\",\"type\":\"AWS::IAM::Role\",\"ARN\":\"{arn}\"}},{{\"accountId\":\"{id}\",\"type\":\"AWS::IAM::SAMLProvider\",\"ARN\":\"{provider}\"}}]",
            id = account.id
        );
        let mut call = Call::new(work.start, "sts", "AssumeRoleWithSAML", region, &account.id, &subject);
        call.ip = &work.ip;
        call.agent = "aws-sdk-java/2.28.11 Linux/5.10.225-213.878.amzn2int.x86_64 OpenJDK_64-Bit_Server_VM/17.0.12+8-LTS Java/17.0.12 vendor/Amazon.com_Inc.";
        call.request = request.as_bytes();
        call.response = response.as_bytes();
        call.resources = resources.as_bytes();
        stage.emit(self.organisation, account, &call, rng);
        if work.console {
            let identity = identity::role_at_sign_in(&self.role, &person.email);
            let mut call = Call::new(work.start + 1, "signin", "ConsoleLogin", region, &account.id, &identity);
            call.ip = &work.ip;
            call.agent = self.laptop.browser;
            call.kind = Kind::SignIn;
            call.read_only = false;
            call.response = b"{\"ConsoleLogin\":\"Success\"}";
            // For a federated sign-in this is always No and says nothing.
            call.additional = "{\"MobileVersion\":\"No\",\"MFAUsed\":\"No\"}";
            stage.emit(self.organisation, account, &call, rng);
        }
    }

    /// The console: a page is several reads within seconds, now and then a write.
    fn pages(&self, stage: &mut Stage, from: i64, to: i64, calls: u64, rng: &mut Rng) {
        let mut left = calls;
        let catalogue = &self.organisation.catalogue;
        let region = self.organisation.regions[self.work.region];
        while left > 0 {
            let burst = rng.range(2, 9).min(left as i64);
            let at = rng.range(from, to);
            // Each service's part of the console has a key of its own, renewed now and then.
            let key = self.key(1 + rng.below(4) + (at - self.work.start) as u64 / 900 * 4);
            let identity = self.identity(&key);
            for nth in 0..burst {
                let time = (at + nth / 3).min(to - 1);
                let shape = if rng.chance(0.12) {
                    catalogue.find(rng.pick::<&str>(CONSOLE))
                } else if rng.chance(0.04) && self.writes() {
                    self.write(rng)
                } else {
                    self.read(rng)
                };
                let caller = Caller {
                    account: self.account,
                    identity: &identity,
                    arn: &self.arn,
                    ip: self.work.address(time),
                    agent: self.laptop.browser,
                    console: true,
                    endpoint: None,
                    own_instance: None,
                };
                stage.emit_shape(self.organisation, &caller, shape, region, time, self.failure(rng), rng);
            }
            left -= burst as u64;
        }
    }

    fn commands(&self, stage: &mut Stage, from: i64, to: i64, calls: u64, rng: &mut Rng) {
        let catalogue = &self.organisation.catalogue;
        let region = self.organisation.regions[self.work.region];
        let identity = self.identity(&self.key(0));
        for _ in 0..calls {
            let shape = if rng.chance(0.05) {
                catalogue.find("sts:GetCallerIdentity")
            } else if rng.chance(0.06) && self.writes() {
                self.write(rng)
            } else {
                self.read(rng)
            };
            let called = catalogue.get(shape);
            let agent = self.laptop.command(called.service, called.name);
            // A laptop with two protocols alternates between them; S3 and EC2 have IPv6 endpoints.
            let by_v6 = self.work.ip_v6.is_some() && rng.chance(0.3);
            let time = rng.range(from, to);
            let ip = self.work.address_v6(time).filter(|_| by_v6).unwrap_or(self.work.address(time));
            let caller = Caller {
                account: self.account,
                identity: &identity,
                arn: &self.arn,
                ip,
                agent: &agent,
                console: false,
                endpoint: None,
                own_instance: None,
            };
            stage.emit_shape(self.organisation, &caller, shape, region, time, self.failure(rng), rng);
        }
    }

    fn read(&self, rng: &mut Rng) -> usize {
        let catalogue = &self.organisation.catalogue;
        // In a region that is not in use one looks around; there is nothing to ask of data.
        if self.work.region >= self.organisation.used {
            catalogue.scanner[rng.skewed(catalogue.scanner.len())]
        } else {
            usual_read(catalogue, self.team, rng)
        }
    }

    /// Nothing is changed where nothing is.
    fn writes(&self) -> bool {
        self.work.region < self.organisation.used && matches!(self.work.set, "PowerUserAccess" | "AdministratorAccess")
    }

    fn write(&self, rng: &mut Rng) -> usize {
        let names = if self.work.set == "AdministratorAccess" && rng.chance(0.15) { IDENTITY_WRITES } else { WRITES };
        self.organisation.catalogue.find(rng.pick::<&str>(names))
    }

    fn failure(&self, rng: &mut Rng) -> Failure {
        let denied = match self.work.set {
            // Only the organisation's own limits refuse an administrator.
            "AdministratorAccess" => 0.0005,
            "PowerUserAccess" => 0.004,
            _ => 0.02,
        };
        if rng.chance(denied) {
            Failure::Denied
        } else if rng.chance(0.004) {
            Failure::Ordinary
        } else {
            Failure::None
        }
    }
}

/// What Identity Center records of a sign-in, in the management account and its own region.
fn identity_center(organisation: &Organisation, stage: &mut Stage, person: &Person, work: &WorkSession, rng: &mut Rng) {
    let account = &organisation.accounts[0];
    let region = organisation.home_region();
    let identity = identity::identity_center(&account.id, &person.user_id, &organisation.identity_store);
    let flow = ids::uuid_text(ids::uuid(rng));
    let laptop = person.laptop(work.start);
    let second = if mix(person.seed, &[1]).is_multiple_of(3) { "WEBAUTHN" } else { "TOTP" };
    let steps = [
        (20, "CredentialChallenge", "PASSWORD".to_owned(), true),
        (17, "CredentialVerification", "PASSWORD".to_owned(), false),
        (16, "CredentialChallenge", second.to_owned(), false),
        (8, "CredentialVerification", second.to_owned(), false),
        (7, "UserAuthentication", format!("PASSWORD,{second}"), false),
    ];
    for (before, name, credential, named) in steps {
        let user = if named { format!(",\"UserName\":\"{}\"", person.email) } else { String::new() };
        let additional = format!("{{\"AuthWorkflowID\":\"{flow}\"{user},\"CredentialType\":\"{credential}\"}}");
        let details = format!("{{\"{name}\":\"Success\"}}");
        let mut call = Call::new(work.start - before, "signin", name, region, &account.id, &identity);
        call.ip = &work.ip;
        call.agent = laptop.browser;
        call.kind = Kind::Service;
        call.read_only = false;
        call.additional = &additional;
        let at = stage.text.len();
        stage.emit(organisation, account, &call, rng);
        with_service_details(stage, at, &details);
    }
    let target = &organisation.accounts[work.account].id;
    let request = format!("{{\"accountId\":\"{target}\",\"roleName\":\"{}\"}}", work.set);
    let mut call = Call::new(
        work.start - 1,
        "sso",
        if work.console { "Federate" } else { "GetRoleCredentials" },
        region,
        &account.id,
        &identity,
    );
    call.ip = &work.ip;
    call.agent = if work.console { laptop.browser } else { &laptop.cli };
    call.kind = Kind::Service;
    let details = format!("{{\"account_id\":\"{target}\",\"role_name\":\"{}\"}}", work.set);
    if !work.console {
        call.kind = Kind::Api;
        call.request = request.as_bytes();
    }
    let at = stage.text.len();
    stage.emit(organisation, account, &call, rng);
    if work.console {
        with_service_details(stage, at, &details);
    }
}

/// Adds `serviceEventDetails` at the end of the record just written.
pub fn with_service_details(stage: &mut Stage, start: usize, details: &str) {
    if stage.text.len() > start && stage.text.pop().is_some() {
        stage.text.extend_from_slice(b",\"serviceEventDetails\":");
        stage.text.extend_from_slice(details.as_bytes());
        stage.text.push(b'}');
    }
    if let Some(entry) = stage.entries.last_mut() {
        entry.length = stage.text.len() - entry.start;
    }
}

/// A console sign-in of an IAM user, with the check of the second factor before it where there is one.
#[allow(clippy::too_many_arguments, reason = "a sign-in is all of these")]
pub fn console_login(
    organisation: &Organisation,
    stage: &mut Stage,
    account: &Account,
    user: &User,
    time: i64,
    ip: &str,
    agent: &str,
    mfa: bool,
    rng: &mut Rng,
) -> Vec<u128> {
    let region = organisation.regions[0];
    let before = identity::user_at_sign_in(user, true);
    let mut written = Vec::new();
    if mfa {
        let mut call = Call::new(time - 14, "signin", "CheckMfa", region, &account.id, &before);
        call.ip = ip;
        call.agent = agent;
        call.kind = Kind::SignIn;
        call.read_only = false;
        call.response = b"{\"CheckMfa\":\"Success\"}";
        call.additional = "{\"MfaType\":\"Virtual MFA\"}";
        written.push(stage.emit(organisation, account, &call, rng));
    }
    let signed_in = identity::user_signed_in(user);
    let device = format!(",\"MFAIdentifier\":\"arn:aws:iam::{}:mfa/{}\"", account.id, user.name);
    let additional = format!(
        "{{\"LoginTo\":\"https://console.aws.amazon.com/console/home?hashArgs=%23&isauthcode=true&state=hashArgsFromTB_{region}_{}\",\"MobileVersion\":\"No\"{},\"MFAUsed\":\"{}\"}}",
        ids::hex(16, rng),
        if mfa { device.as_str() } else { "" },
        if mfa { "Yes" } else { "No" }
    );
    let mut call = Call::new(time, "signin", "ConsoleLogin", region, &account.id, &signed_in);
    call.ip = ip;
    call.agent = agent;
    call.kind = Kind::SignIn;
    call.read_only = false;
    call.response = b"{\"ConsoleLogin\":\"Success\"}";
    call.additional = &additional;
    written.push(stage.emit(organisation, account, &call, rng));
    written
}

/// IAM users who work in the console: one in each account with MFA, and as many without as were asked for.
pub fn local_users(
    organisation: &Organisation,
    stage: &mut Stage,
    account: &Account,
    without_mfa: usize,
    hour: i64,
    rng: &mut Rng,
) {
    let day = hour.div_euclid(86_400);
    let accounts = organisation.accounts.len();
    let careless = without_mfa / accounts + usize::from(account.index < without_mfa % accounts);
    for nth in 0..=careless {
        let mut plan = Rng::derive(organisation.seed, &[13, account.index as u64, nth as u64, day as u64]);
        let weekend = matches!((day + 4).rem_euclid(7), 0 | 6);
        let start = day * 86_400 + plan.range(8 * 3_600, 16 * 3_600);
        if weekend || !plan.chance(0.35) || !(hour..hour + 3_600).contains(&start) {
            continue;
        }
        let person = &organisation.people[(account.index * 3 + nth) % organisation.people.len()];
        let mut who = Rng::derive(organisation.seed, &[14, account.index as u64, nth as u64]);
        let user = User {
            account: account.id.clone(),
            name: person.name.clone(),
            id: ids::principal_id("AIDA", account.number, &mut who),
            key: String::new(),
        };
        let ip = person.home_address(&organisation.atlas);
        let browser = person.laptop(start).browser;
        let mfa = nth == 0;
        console_login(organisation, stage, account, &user, start, &ip, browser, mfa, rng);
        let key = ids::access_key("ASIA", account.number, &mut plan);
        let identity = identity::user_session(&user, &key, start, mfa);
        let arn = user.arn();
        let caller = Caller {
            account,
            identity: &identity,
            arn: &arn,
            ip: &ip,
            agent: browser,
            console: true,
            endpoint: None,
            own_instance: None,
        };
        for _ in 0..plan.range(5, 30) {
            let name = if plan.chance(0.2) { *plan.pick(CONSOLE) } else { *plan.pick(reads(person.job(start).team)) };
            let time = start + plan.range(3, 1_500);
            stage.emit_shape(
                organisation,
                &caller,
                organisation.catalogue.find(name),
                organisation.home_region(),
                time,
                Failure::None,
                rng,
            );
        }
    }
}
