//! Coming in, and moving on: root, passwords, stolen keys, instance credentials, chained roles.

use crate::{
    attack::{
        Strength, chores,
        scene::{Act, Actor, Scene},
    },
    catalogue::Pool,
    human::console_login,
    identity::{self, Role, Session, User},
    ids,
    organisation::AccountKind,
    record::{Call, Kind},
    stage::Failure,
    workload::{self, WorkloadKind},
};

use AccountKind::{Development, LogArchive, Management, Production, Sandbox, Security};

/// A root sign-in at the console; tells the session's actor.
fn root_login(scene: &mut Scene, account: usize, mfa: bool, success: bool) -> Actor {
    let id = scene.id(account).to_owned();
    let before = identity::root(&id, "", None);
    let (ip, agent) = (scene.intruder_address(), scene.browser());
    let organisation = scene.organisation;
    let mut call = Call::new(scene.now, "signin", "ConsoleLogin", organisation.regions[0], &id, &before);
    call.ip = &ip;
    call.agent = &agent;
    call.kind = Kind::SignIn;
    call.read_only = false;
    let additional = format!(
        "{{\"LoginTo\":\"https://console.aws.amazon.com/console/home\",\"MobileVersion\":\"No\",\"MFAUsed\":\"{}\"}}",
        if mfa { "Yes" } else { "No" }
    );
    call.additional = &additional;
    call.response = if success { b"{\"ConsoleLogin\":\"Success\"}" } else { b"{\"ConsoleLogin\":\"Failure\"}" };
    call.error = (!success).then_some(("", "Failed authentication"));
    scene.stage.emit(organisation, &organisation.accounts[account], &call, &mut scene.rng);
    let key = ids::access_key("ASIA", organisation.accounts[account].number, &mut scene.rng);
    let arn = format!("arn:aws:iam::{id}:root");
    scene.principal.clone_from(&arn);
    let identity = identity::root(&id, &key, Some((scene.now, mfa)));
    scene.pass();
    Actor { account, identity, arn, ip, agent, console: true, endpoint: None }
}

pub(super) fn root_console(scene: &mut Scene) {
    let account = scene.account(&[Management, Production, Sandbox]);
    if scene.strength == Strength::Loud {
        for _ in 0..scene.rng.range(3, 14) {
            root_login(scene, account, false, false);
        }
    }
    let root = root_login(scene, account, false, true);
    let reads = scene.amount(3, 12, 60);
    for _ in 0..reads {
        let name = *scene.rng.pick(&[
            "iam:GetAccountSummary",
            "iam:ListUsers",
            "ce:GetCostAndUsage",
            "health:DescribeEventAggregates",
            "ec2:DescribeRegions",
            "s3:ListBuckets",
            "organizations:DescribeOrganization",
        ]);
        scene.shape(&root, name, Failure::None);
    }
}

pub(super) fn root_key(scene: &mut Scene) {
    let account = scene.account(&[Management, Development]);
    let root = root_login(scene, account, false, true);
    let number = scene.organisation.accounts[account].number;
    let key = ids::access_key("AKIA", number, &mut scene.rng);
    let response = format!(
        "{{\"accessKey\":{{\"accessKeyId\":\"{key}\",\"status\":\"Active\",\"createDate\":\"{}\"}}}}",
        ids::java_time(scene.now)
    );
    scene.act(&root, Act::write("iam", "CreateAccessKey", "null").answer(&response));
    let agent = scene.agent();
    let user = Actor { identity: identity::root(scene.id(account), &key, None), agent, console: false, ..root };
    let calls = scene.amount(2, 8, 30);
    scene.recon(&user, calls);
}

pub(super) fn console_without_mfa(scene: &mut Scene) {
    let account = scene.account(&[Production, Development, Management]);
    let user = local_person(scene, account);
    let actor = login(scene, account, &user, false);
    let calls = scene.amount(3, 12, 40);
    scene.recon(&actor, calls);
}

/// An IAM user of a person, as the console knows it.
fn local_person(scene: &mut Scene, account: usize) -> User {
    let number = scene.organisation.accounts[account].number;
    let name = scene.rng.pick(&scene.organisation.people).name.clone();
    User {
        account: scene.id(account).to_owned(),
        name,
        id: ids::principal_id("AIDA", number, &mut scene.rng),
        key: String::new(),
    }
}

fn login(scene: &mut Scene, account: usize, user: &User, mfa: bool) -> Actor {
    let (ip, agent) = (scene.intruder_address(), scene.browser());
    let organisation = scene.organisation;
    console_login(
        organisation,
        &mut scene.stage,
        &organisation.accounts[account],
        user,
        scene.now,
        &ip,
        &agent,
        mfa,
        &mut scene.rng,
    );
    let key = ids::access_key("ASIA", organisation.accounts[account].number, &mut scene.rng);
    let identity = identity::user_session(user, &key, scene.now, mfa);
    scene.principal = user.arn();
    scene.pass();
    Actor { account, identity, arn: user.arn(), ip, agent, console: true, endpoint: None }
}

pub(super) fn password_spray(scene: &mut Scene) {
    let account = scene.account(&[Production, Management]);
    let victim = local_person(scene, account);
    let (mut ip, agent) = (scene.intruder_address(), scene.browser());
    let tries = scene.amount(9, 25, 90);
    let organisation = scene.organisation;
    for nth in 0..tries {
        // A careful sprayer changes the address now and then.
        if scene.strength == Strength::Subtle && nth % 4 == 3 {
            ip = scene.intruder_address();
        }
        let known = nth % 3 == 0;
        let tried = if nth + 1 == tries { victim.clone() } else { local_person(scene, account) };
        let identity = identity::user_at_sign_in(&tried, known || nth + 1 == tries);
        let mut call =
            Call::new(scene.now, "signin", "ConsoleLogin", organisation.regions[0], scene.id(account), &identity);
        call.ip = &ip;
        call.agent = &agent;
        call.kind = Kind::SignIn;
        call.read_only = false;
        call.response = b"{\"ConsoleLogin\":\"Failure\"}";
        call.additional =
            "{\"LoginTo\":\"https://console.aws.amazon.com/console/home\",\"MobileVersion\":\"No\",\"MFAUsed\":\"No\"}";
        call.error = Some(("", if known { "Failed authentication" } else { "No username found in supplied account" }));
        scene.stage.emit(organisation, &organisation.accounts[account], &call, &mut scene.rng);
        scene.pass();
    }
    console_login(
        organisation,
        &mut scene.stage,
        &organisation.accounts[account],
        &victim,
        scene.now,
        &ip,
        &agent,
        false,
        &mut scene.rng,
    );
    scene.principal = victim.arn();
}

pub(super) fn stolen_key(scene: &mut Scene) {
    let account = scene.account(&[Production, Development, Sandbox]);
    let (_, actor) = scene.stolen_user(Some(account));
    let calls = scene.amount(4, 15, 70);
    scene.recon(&actor, calls);
    let (name, number) = (scene.new_name(), scene.organisation.accounts[actor.account].number);
    let id = scene.id(actor.account);
    let request = format!("{{\"userName\":\"{name}\"}}");
    scene.stumble(&actor, Act::write("iam", "CreateUser", &request));
    let created = ids::java_time(scene.now);
    let user_id = chores::user_made(scene, &actor, &name);
    let key = ids::access_key("AKIA", number, &mut scene.rng);
    let made = format!(
        "{{\"accessKey\":{{\"userName\":\"{name}\",\"accessKeyId\":\"{key}\",\"status\":\"Active\",\"createDate\":\"{created}\"}}}}"
    );
    let rights_first = scene.rng.chance(0.5);
    if rights_first {
        rights(scene, &actor, &name);
    }
    scene.act(&actor, Act::write("iam", "CreateAccessKey", &request).answer(&made));
    if scene.rng.chance(0.3) {
        let password = format!("{{\"userName\":\"{name}\",\"passwordResetRequired\":false}}");
        scene.act(&actor, Act::write("iam", "CreateLoginProfile", &password));
    }
    if !rights_first {
        rights(scene, &actor, &name);
    }
    let user = User { account: id.to_owned(), name, id: user_id, key: key.clone() };
    let next = Actor { identity: identity::user(&user, &key), arn: user.arn(), ..actor };
    let calls = scene.amount(1, 4, 20);
    scene.recon(&next, calls);
}

/// Full rights for a user, in one of the ways that there are.
fn rights(scene: &mut Scene, actor: &Actor, user: &str) {
    let (name, request) = match scene.rng.below(4) {
        0 => {
            let group = *scene.rng.pick(&["administrators", "platform-admins", "operations"]);
            ("AddUserToGroup", format!("{{\"userName\":\"{user}\",\"groupName\":\"{group}\"}}"))
        }
        1 => {
            let document = "{\\\"Version\\\":\\\"2012-10-17\\\",\\\"Statement\\\":{\\\"Effect\\\":\\\"Allow\\\",\\\"Action\\\":[\\\"*\\\"],\\\"Resource\\\":\\\"*\\\"}}";
            let policy = scene.new_name();
            let request =
                format!("{{\"userName\":\"{user}\",\"policyName\":\"{policy}\",\"policyDocument\":\"{document}\"}}");
            ("PutUserPolicy", request)
        }
        _ => {
            let managed = *scene.rng.pick(&["AdministratorAccess", "AdministratorAccess", "IAMFullAccess"]);
            let arn = format!("arn:aws:iam::aws:policy/{managed}");
            ("AttachUserPolicy", format!("{{\"userName\":\"{user}\",\"policyArn\":\"{arn}\"}}"))
        }
    };
    scene.act(actor, Act::write("iam", name, &request));
}

/// A person's session, taken with the browser's cookies or the command line's cache.
pub(super) fn session_stolen(scene: &mut Scene) {
    let job = scene.rng.pick(&scene.organisation.people).job(scene.now);
    let (account, set) = job.grants[0];
    let mut actor = scene.colleague(account, set);
    if scene.strength == Strength::Subtle {
        // From a home connection, with a copy of the browser.
        actor.ip = scene.other_home();
    } else {
        actor.ip = scene.intruder_address();
        actor.agent = if scene.rng.chance(0.5) { scene.browser() } else { scene.agent() };
        actor.console = actor.agent.starts_with("Mozilla");
    }
    let calls = scene.amount(3, 12, 60);
    scene.recon(&actor, calls);
    let loot = *scene.rng.pick(&["s3:GetObject", "secretsmanager:GetSecretValue", "ssm:GetParameter"]);
    for _ in 0..scene.amount(2, 10, 60) {
        scene.shape(&actor, loot, Failure::None);
    }
}

/// The intruder works a little every few hours, from one place, until the end; the owner works on.
pub(super) fn slow_shared_key(scene: &mut Scene) {
    let (_, mut actor) = scene.stolen_user(None);
    // Even a careful second user is somewhere else: that is what sharing means.
    actor.ip = scene.intruder_address();
    let (visits, calls) = (scene.amount(6, 12, 30), scene.amount(2, 6, 15));
    let step = (scene.end - scene.now) / (visits as i64 + 1);
    let begin = scene.now;
    for nth in 0..visits as i64 {
        scene.now = begin + nth * step + scene.rng.range(0, step.max(2) / 2);
        for _ in 0..calls {
            let name =
                *scene.rng.pick(&["s3:ListObjects", "s3:GetObject", "s3:GetObject", "s3:ListBuckets", "s3:HeadObject"]);
            scene.shape(&actor, name, Failure::None);
            scene.now = scene.now.min(begin + (nth + 1) * step);
        }
    }
}

pub(super) fn instance_credentials(scene: &mut Scene) {
    let Some(machine) = scene.workload(WorkloadKind::Instances, None) else {
        return stolen_key(scene);
    };
    let nth = scene.rng.index(machine.members);
    let credentials = machine.credentials(scene.organisation, nth, scene.now);
    // Subtle: from another machine at Amazon, or through a stranger's VPC endpoint.
    let endpoint = (scene.strength == Strength::Subtle && scene.rng.chance(0.5))
        .then(|| (format!("vpce-0{}", ids::hex(16, &mut scene.rng)), scene.stranger()));
    let ip = match (scene.strength, &endpoint) {
        (_, Some(_)) => format!("172.31.{}.{}", scene.rng.below(90), scene.rng.range(4, 250)),
        (Strength::Subtle, None) => scene.other_cloud_address(),
        _ => scene.intruder_address(),
    };
    let agent = if scene.strength == Strength::Subtle { machine.agent.clone() } else { scene.agent() };
    scene.principal.clone_from(&credentials.arn);
    let actor = Actor {
        account: machine.account,
        identity: credentials.identity,
        arn: credentials.arn,
        ip,
        agent,
        console: false,
        endpoint,
    };
    let calls = scene.amount(4, 14, 60);
    scene.recon(&actor, calls);
    for _ in 0..scene.amount(2, 6, 30) {
        scene.shape(&actor, "s3:GetObject", Failure::None);
    }
}

pub(super) fn role_chain(scene: &mut Scene) {
    let (_, first) = scene.stolen_user(None);
    scene.recon(&first, 2);
    let mut actor = first;
    let hops = scene.amount(2, 3, 4);
    for hop in 0..hops {
        let target = match hop {
            0 => actor.account,
            _ => scene.account(&[[Production, Development], [Security, LogArchive]][hop % 2]),
        };
        let role_name = scene.name(target, Pool::Role);
        let role = scene.organisation.accounts[target].role("/", &role_name);
        let session = format!("botocore-session-{}", scene.now);
        actor = assume(scene, &actor, &role, target, session);
        let calls = scene.amount(1, 4, 15);
        scene.recon(&actor, calls);
    }
}

/// AssumeRole into a role. Across accounts it makes two records that share an id: the caller's and the owner's.
pub(super) fn assume(scene: &mut Scene, actor: &Actor, role: &Role, target: usize, session: String) -> Actor {
    let organisation = scene.organisation;
    let region = organisation.home_region();
    let key = ids::access_key("ASIA", organisation.accounts[target].number, &mut scene.rng);
    let arn = role.arn();
    let request = format!("{{\"roleArn\":\"{arn}\",\"roleSessionName\":\"{session}\",\"durationSeconds\":3600}}");
    let response = format!(
        "{{{},{}}}",
        workload::issued(&key, scene.now + 3_600, &mut scene.rng),
        workload::assumed(role, &session)
    );
    let resources = workload::role_resource(scene.id(target), &arn);
    let shared = (target != actor.account).then(|| ids::uuid(&mut scene.rng));
    let mut call = Call::new(scene.now, "sts", "AssumeRole", region, scene.id(actor.account), &actor.identity);
    call.ip = &actor.ip;
    call.agent = &actor.agent;
    call.request = request.as_bytes();
    call.response = response.as_bytes();
    call.resources = resources.as_bytes();
    call.shared = shared;
    scene.stage.emit(organisation, &organisation.accounts[actor.account], &call, &mut scene.rng);
    if shared.is_some() {
        let principal = actor
            .identity
            .split("\"principalId\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default()
            .to_owned();
        let other = identity::other_account(scene.id(actor.account), &principal);
        call.identity = &other;
        call.account = scene.id(target);
        scene.stage.emit(organisation, &organisation.accounts[target], &call, &mut scene.rng);
    }
    let created = scene.now;
    scene.pass();
    let identity = identity::assumed_role(role, &Session { name: &session, key: &key, created, ..Session::default() });
    Actor { account: target, identity, arn: role.session_arn(&session), ..actor.clone() }
}
