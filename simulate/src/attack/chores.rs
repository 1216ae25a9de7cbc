//! What administrators and programmers do now and then: rare, ordinary, and often of the same shape as an attack. Each has how often it is
//! done in a month by a thousand people. Nobody publishes such figures; these are guesses, rather too high than too low, and the tree's
//! `lookalikes.ndjson` names every one that was planted.

use crate::{
    attack::{
        access, benign,
        persistence::url_encoded,
        scene::{Act, Actor, Scene},
    },
    calendar::DAY,
    catalogue::Pool,
    ids,
    organisation::AccountKind::{Development, LogArchive, Management, Production, Sandbox, Security},
    stage::Failure,
    workload::WorkloadKind,
};

type Play = fn(&mut Scene);

pub(super) static ALL: &[(&str, f64, Play)] = &[
    ("own_mfa_rotation", 3.0, benign::own_mfa_rotation),
    ("forgotten_password", 5.0, benign::forgotten_password),
    ("own_key_rotation", 4.0, benign::own_key_rotation),
    ("refused_create_user", 5.0, benign::refused_create_user),
    ("bucket_policy_with_condition", 5.0, benign::bucket_policy_with_condition),
    ("snapshot_shared_inside", 2.0, benign::snapshot_shared_inside),
    ("trust_inside", 3.0, benign::trust_inside),
    ("travelling_login", 2.0, benign::travelling_login),
    ("few_secrets", 8.0, benign::few_secrets),
    ("key_rotated", 10.0, key_rotated),
    ("service_user_made", 2.0, service_user_made),
    ("role_made", 30.0, role_made),
    ("person_added", 20.0, person_added),
    ("vendor_connected", 0.5, vendor_connected),
    ("web_port_opened", 15.0, web_port_opened),
    ("admin_port_opened", 0.7, admin_port_opened),
    ("database_password_reset", 1.5, database_password_reset),
    ("replication_set_up", 1.0, replication_set_up),
    ("stack_torn_down", 4.0, stack_torn_down),
    ("factor_lost", 1.0, factor_lost),
    ("password_set_for_a_colleague", 1.0, password_set_for_a_colleague),
    ("old_snapshots_deleted", 0.7, old_snapshots_deleted),
    ("data_exported", 3.0, data_exported),
    ("rights_worked_out", 5.0, rights_worked_out),
    ("guard_rail_changed", 2.0, guard_rail_changed),
    ("findings_archived", 1.5, findings_archived),
    ("secrets_migrated", 0.5, secrets_migrated),
    ("sandbox_emptied", 0.7, sandbox_emptied),
    ("image_shared_inside", 2.0, image_shared_inside),
    ("role_worn_by_a_team", 2.0, role_worn_by_a_team),
];

/// Whoever changes things in an account: a pipeline more often than a person.
fn changer(scene: &mut Scene, account: usize) -> Actor {
    let pipeline = if scene.rng.chance(0.7) { scene.workload(WorkloadKind::Pipeline, Some(account)) } else { None };
    let Some(pipeline) = pipeline.filter(|pipeline| pipeline.account == account) else {
        return scene.colleague(account, "AdministratorAccess");
    };
    let credentials = pipeline.credentials(scene.organisation, 0, scene.now);
    scene.principal.clone_from(&credentials.arn);
    Actor {
        account,
        identity: credentials.identity,
        arn: credentials.arn,
        ip: credentials.ip,
        agent: pipeline.agent.clone(),
        console: false,
        endpoint: None,
    }
}

/// A new key for a program's user, by an administrator; the old one goes on the next day.
fn key_rotated(scene: &mut Scene) {
    let account = scene.account(&[Production, Development, Sandbox]);
    let actor = scene.colleague(account, "AdministratorAccess");
    let user = scene.rng.pick(&scene.organisation.accounts[account].users).clone();
    key_made(scene, &actor, &user.name);
    scene.now += scene.rng.range(3_600, 90_000);
    let off = format!("{{\"userName\":\"{}\",\"status\":\"Inactive\",\"accessKeyId\":\"{}\"}}", user.name, user.key);
    scene.act(&actor, Act::write("iam", "UpdateAccessKey", &off));
}

pub(super) fn key_made(scene: &mut Scene, actor: &Actor, user: &str) {
    let key = ids::access_key("AKIA", scene.organisation.accounts[actor.account].number, &mut scene.rng);
    let response = format!(
        "{{\"accessKey\":{{\"userName\":\"{user}\",\"accessKeyId\":\"{key}\",\"status\":\"Active\",\"createDate\":\"{}\"}}}}",
        ids::java_time(scene.now)
    );
    scene.act(actor, Act::write("iam", "CreateAccessKey", &format!("{{\"userName\":\"{user}\"}}")).answer(&response));
}

/// A user, by an actor of its account; tells the user's unique id.
pub(super) fn user_made(scene: &mut Scene, actor: &Actor, user: &str) -> String {
    let id = ids::principal_id("AIDA", scene.organisation.accounts[actor.account].number, &mut scene.rng);
    let response = format!(
        "{{\"user\":{{\"path\":\"/\",\"userName\":\"{user}\",\"userId\":\"{id}\",\"arn\":\"arn:aws:iam::{}:user/{user}\",\"createDate\":\"{}\"}}}}",
        scene.id(actor.account),
        ids::java_time(scene.now)
    );
    scene.act(actor, Act::write("iam", "CreateUser", &format!("{{\"userName\":\"{user}\"}}")).answer(&response));
    id
}

/// A user for a program that runs elsewhere, with rights for one bucket.
fn service_user_made(scene: &mut Scene) {
    let account = scene.account(&[Production, Development]);
    let actor = changer(scene, account);
    let (user, bucket) = (format!("{}-sync", scene.word()), scene.name(account, Pool::Bucket));
    user_made(scene, &actor, &user);
    let document = statement("s3:PutObject", &format!("arn:aws:s3:::{bucket}/*"));
    let policy = format!("{{\"userName\":\"{user}\",\"policyName\":\"upload\",\"policyDocument\":\"{document}\"}}");
    scene.act(&actor, Act::write("iam", "PutUserPolicy", &policy));
    key_made(scene, &actor, &user);
}

/// A policy document of one statement, as the content of a JSON string.
fn statement(action: &str, resource: &str) -> String {
    format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Action\":\"{action}\",\"Resource\":\"{resource}\"}}]}}"
    )
    .replace('"', "\\\"")
}

/// The role of a new function or task, with rights for what it needs.
fn role_made(scene: &mut Scene) {
    let account = scene.account(&[Production, Development, Sandbox]);
    let actor = changer(scene, account);
    let service = *scene.rng.pick(&["lambda", "ecs-tasks", "ec2", "states"]);
    let trust = format!("{{\"Service\":\"{service}.amazonaws.com\"}}");
    let role = format!("{}-{}-role", scene.word(), scene.word());
    create_role(scene, &actor, &role, &trust);
    let managed = *scene.rng.pick(&["service-role/AWSLambdaBasicExecutionRole", "AmazonS3ReadOnlyAccess"]);
    let attach = format!("{{\"roleName\":\"{role}\",\"policyArn\":\"arn:aws:iam::aws:policy/{managed}\"}}");
    scene.act(&actor, Act::write("iam", "AttachRolePolicy", &attach));
    let document = statement("dynamodb:GetItem", "*");
    let put = format!("{{\"roleName\":\"{role}\",\"policyName\":\"needs\",\"policyDocument\":\"{document}\"}}");
    scene.act(&actor, Act::write("iam", "PutRolePolicy", &put));
}

fn create_role(scene: &mut Scene, actor: &Actor, role: &str, principal: &str) {
    let json = format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Principal\":{principal},\"Action\":\"sts:AssumeRole\"}}]}}"
    );
    let id = ids::principal_id("AROA", scene.organisation.accounts[actor.account].number, &mut scene.rng);
    let request = format!("{{\"roleName\":\"{role}\",\"assumeRolePolicyDocument\":\"{}\"}}", json.replace('"', "\\\""));
    let response = format!(
        "{{\"role\":{{\"path\":\"/\",\"roleName\":\"{role}\",\"roleId\":\"{id}\",\"arn\":\"arn:aws:iam::{}:role/{role}\",\"createDate\":\"{}\",\"assumeRolePolicyDocument\":\"{}\"}}}}",
        scene.id(actor.account),
        ids::java_time(scene.now),
        url_encoded(&json)
    );
    scene.act(actor, Act::write("iam", "CreateRole", &request).answer(&response));
}

/// Somebody new in the directory, with a group and an account.
fn person_added(scene: &mut Scene) {
    let actor = scene.colleague(0, "AdministratorAccess");
    let user = ids::uuid_text(ids::uuid(&mut scene.rng));
    let group = ids::uuid_text(ids::uuid(&mut scene.rng));
    let store = scene.organisation.identity_store.rsplit('/').next().unwrap_or_default().to_owned();
    scene.act(
        &actor,
        Act::write(
            "sso-directory",
            "CreateUser",
            &format!("{{\"identityStoreId\":\"{store}\",\"userName\":\"HIDDEN_DUE_TO_SECURITY_REASONS\"}}"),
        )
        .answer(&format!("{{\"user\":{{\"userId\":\"{user}\"}}}}")),
    );
    scene.act(
        &actor,
        Act::write(
            "sso-directory",
            "AddMemberToGroup",
            &format!(
                "{{\"identityStoreId\":\"{store}\",\"groupId\":\"{group}\",\"memberId\":{{\"userId\":\"{user}\"}}}}"
            ),
        ),
    );
}

/// A vendor's account is let in, with an external id.
fn vendor_connected(scene: &mut Scene) {
    let account = scene.account(&[Production, Security]);
    let actor = scene.colleague(account, "AdministratorAccess");
    let vendor = scene.stranger();
    let role = format!("{}-integration", scene.word());
    create_role(scene, &actor, &role, &format!("{{\"AWS\":\"arn:aws:iam::{vendor}:root\"}}"));
    let attach = format!("{{\"roleName\":\"{role}\",\"policyArn\":\"arn:aws:iam::aws:policy/SecurityAudit\"}}");
    scene.act(&actor, Act::write("iam", "AttachRolePolicy", &attach));
}

fn web_port_opened(scene: &mut Scene) {
    port_opened(scene, 443);
}

fn admin_port_opened(scene: &mut Scene) {
    port_opened(scene, 22);
}

fn port_opened(scene: &mut Scene, port: u16) {
    let account = scene.account(&[Production, Development, Sandbox]);
    let actor = changer(scene, account);
    let group = scene.name(account, Pool::Group);
    let request = format!(
        "{{\"groupId\":\"{group}\",\"ipPermissions\":{{\"items\":[{{\"ipProtocol\":\"tcp\",\"fromPort\":{port},\"toPort\":{port},\"groups\":{{}},\"ipRanges\":{{\"items\":[{{\"cidrIp\":\"0.0.0.0/0\"}}]}},\"ipv6Ranges\":{{}},\"prefixListIds\":{{}}}}]}}}}"
    );
    scene.act(&actor, Act::write("ec2", "AuthorizeSecurityGroupIngress", &request).answer("{\"_return\":true}"));
}

fn database_password_reset(scene: &mut Scene) {
    let account = scene.account(&[Production, Development]);
    let actor = scene.colleague(account, "AdministratorAccess");
    let database = scene.name(account, Pool::Database);
    let request = format!(
        "{{\"dBInstanceIdentifier\":\"{database}\",\"masterUserPassword\":\"****\",\"applyImmediately\":true,\"allowMajorVersionUpgrade\":false}}"
    );
    scene.shape(&actor, "rds:DescribeDBInstances", Failure::None);
    scene.act(&actor, Act::write("rds", "ModifyDBInstance", &request));
}

/// A bucket is copied to another account of the organisation.
fn replication_set_up(scene: &mut Scene) {
    let account = scene.account(&[Production]);
    let other = scene.account(&[LogArchive, Security]);
    let actor = changer(scene, account);
    let (bucket, target) = (scene.name(account, Pool::Bucket), scene.name(other, Pool::Bucket));
    let request = format!(
        "{{\"bucketName\":\"{bucket}\",\"Host\":\"{bucket}.s3.{}.amazonaws.com\",\"replication\":\"\",\"ReplicationConfiguration\":{{\"Role\":\"arn:aws:iam::{}:role/replication\",\"Rule\":{{\"Status\":\"Enabled\",\"Destination\":{{\"Bucket\":\"arn:aws:s3:::{target}\"}}}}}}}}",
        scene.region,
        scene.id(account)
    );
    scene.act(&actor, Act::write("s3", "PutBucketReplication", &request));
}

/// What is no longer used goes: log groups, a bucket, now and then its encryption key.
fn stack_torn_down(scene: &mut Scene) {
    let account = scene.account(&[Development, Sandbox]);
    let actor = changer(scene, account);
    for _ in 0..scene.rng.range(1, 6) {
        let group = scene.name(account, Pool::LogGroup);
        scene.act(&actor, Act::write("logs", "DeleteLogGroup", &format!("{{\"logGroupName\":\"{group}\"}}")));
    }
    bucket_deleted(scene, &actor);
    if scene.rng.chance(0.3) {
        let key = scene.name(account, Pool::Key);
        let request = format!("{{\"keyId\":\"{key}\",\"pendingWindowInDays\":30}}");
        scene.act(&actor, Act::write("kms", "ScheduleKeyDeletion", &request));
    }
}

fn bucket_deleted(scene: &mut Scene, actor: &Actor) {
    let bucket = scene.name(actor.account, Pool::Bucket);
    let request = format!("{{\"bucketName\":\"{bucket}\",\"Host\":\"{bucket}.s3.{}.amazonaws.com\"}}", scene.region);
    scene.act(actor, Act::write("s3", "DeleteBucket", &request));
}

/// A telephone was lost: an administrator takes the second factor away, and the owner registers another.
fn factor_lost(scene: &mut Scene) {
    let account = scene.account(&[Management, Production]);
    let actor = scene.colleague(account, "AdministratorAccess");
    let user = scene.rng.pick(&scene.organisation.people).name.clone();
    let serial = format!("arn:aws:iam::{}:mfa/{user}", scene.id(account));
    let request = format!("{{\"userName\":\"{user}\",\"serialNumber\":\"{serial}\"}}");
    scene.act(&actor, Act::write("iam", "DeactivateMFADevice", &request));
    scene.act(&actor, Act::write("iam", "EnableMFADevice", &request));
}

fn password_set_for_a_colleague(scene: &mut Scene) {
    let account = scene.account(&[Management, Production]);
    let actor = scene.colleague(account, "AdministratorAccess");
    let user = scene.rng.pick(&scene.organisation.people).name.clone();
    let request = format!("{{\"userName\":\"{user}\",\"passwordResetRequired\":true}}");
    scene.act(&actor, Act::write("iam", "UpdateLoginProfile", &request));
}

/// Somebody saves money.
fn old_snapshots_deleted(scene: &mut Scene) {
    let account = scene.account(&[Production, Development]);
    let actor = scene.colleague(account, "AdministratorAccess");
    scene.shape(&actor, "ec2:DescribeSnapshots", Failure::None);
    for _ in 0..scene.rng.range(5, 25) {
        scene.shape(&actor, "ec2:DeleteSnapshot", Failure::None);
    }
}

/// An analyst fetches a day's files.
fn data_exported(scene: &mut Scene) {
    let account = scene.account(&[Production]);
    let mut actor = scene.colleague(account, "DataAnalyst");
    actor.console = false;
    let (bucket, prefix) = (scene.name(account, Pool::Bucket), scene.word());
    for part in 0..scene.rng.range(40, 400) {
        let request = format!(
            "{{\"bucketName\":\"{bucket}\",\"Host\":\"{bucket}.s3.{}.amazonaws.com\",\"key\":\"{prefix}/part-{part:05}.parquet\"}}",
            scene.region
        );
        scene.act(&actor, Act { read_only: true, data: true, ..Act::write("s3", "GetObject", &request) });
        scene.now -= scene.rng.range(5, 60);
    }
}

/// A new program of a developer is refused this and that, until its rights are right.
fn rights_worked_out(scene: &mut Scene) {
    let account = scene.account(&[Development, Sandbox]);
    let mut actor = scene.colleague(account, "PowerUserAccess");
    let role_name = format!("{}-{}-role", scene.word(), scene.word());
    let role = scene.organisation.accounts[account].role("/", &role_name);
    let key = ids::access_key("ASIA", scene.organisation.accounts[account].number, &mut scene.rng);
    let session = crate::identity::Session { name: &role_name, key: &key, created: scene.now, ..Default::default() };
    actor.identity = crate::identity::assumed_role(&role, &session);
    actor.arn = role.session_arn(&role_name);
    actor.console = false;
    actor.agent = scene.organisation.workloads[0].agent.clone();
    scene.principal.clone_from(&actor.arn);
    let wanted =
        ["s3:ListObjects", "dynamodb:GetItem", "sqs:GetQueueUrl", "kms:Decrypt", "ssm:GetParameter", "sns:ListTopics"];
    let some = scene.rng.range(2, 6) as usize;
    for _ in 0..scene.rng.range(4, 30) {
        let name = wanted[scene.rng.index(some)];
        let failure = if scene.rng.chance(0.6) { Failure::Denied } else { Failure::None };
        scene.shape(&actor, name, failure);
    }
}

fn guard_rail_changed(scene: &mut Scene) {
    let actor = scene.colleague(0, "AdministratorAccess");
    let policy = format!("p-{}", ids::hex(8, &mut scene.rng));
    let document = statement("s3:*", "*");
    let request = format!("{{\"policyId\":\"{policy}\",\"content\":\"{document}\"}}");
    scene.act(&actor, Act::write("organizations", "UpdatePolicy", &request));
}

fn findings_archived(scene: &mut Scene) {
    let account = scene.account(&[Security]);
    let actor = scene.colleague(account, "AdministratorAccess");
    let detector = scene.name(account, Pool::Detector);
    let request = format!(
        "{{\"detectorId\":\"{detector}\",\"name\":\"{}\",\"action\":\"ARCHIVE\",\"rank\":1,\"findingCriteria\":{{\"criterion\":{{\"type\":{{\"equals\":[\"Recon:EC2/Portscan\"]}}}}}}}}",
        scene.word()
    );
    scene.act(&actor, Act::write("guardduty", "CreateFilter", &request));
}

/// Secrets move to another account: each is read once.
fn secrets_migrated(scene: &mut Scene) {
    let account = scene.account(&[Production]);
    let actor = scene.colleague(account, "AdministratorAccess");
    for _ in 0..scene.rng.range(8, 25) {
        scene.shape(&actor, "secretsmanager:GetSecretValue", Failure::None);
    }
}

/// A developer empties a sandbox.
fn sandbox_emptied(scene: &mut Scene) {
    let account = scene.account(&[Sandbox]);
    let actor = scene.colleague(account, "AdministratorAccess");
    for _ in 0..scene.rng.range(10, 70) {
        scene.shape(&actor, "s3:DeleteObject", Failure::None);
        scene.now -= scene.rng.range(5, 60);
    }
    for _ in 0..scene.rng.range(1, 6) {
        bucket_deleted(scene, &actor);
    }
}

/// A machine's image is built and given to the other accounts.
fn image_shared_inside(scene: &mut Scene) {
    let account = scene.account(&[Production, Development]);
    let other = scene.account(&[Development, Sandbox]);
    let actor = changer(scene, account);
    let image = scene.name(account, Pool::Image);
    let request = format!(
        "{{\"imageId\":\"{image}\",\"launchPermission\":{{\"add\":{{\"items\":[{{\"userId\":\"{}\"}}]}}}},\"attributeType\":\"launchPermission\"}}",
        scene.id(other)
    );
    scene.act(&actor, Act::write("ec2", "ModifyImageAttribute", &request).answer("{\"_return\":true}"));
}

/// A team's shared profile names the session, so that whoever of them puts on the role is called the same.
fn role_worn_by_a_team(scene: &mut Scene) {
    let account = scene.account(&[Production, Development]);
    let role_name = scene.name(account, Pool::Role);
    let role = scene.organisation.accounts[account].role("/", &role_name);
    let session = format!("{}-ops", scene.word());
    let (begin, latest) = (scene.now, scene.end - DAY);
    for _ in 0..scene.rng.range(3, 6) {
        scene.now = begin.min(latest);
        let mut actor = scene.colleague(account, "AdministratorAccess");
        actor.console = false;
        if let Some(person) = scene.organisation.people.iter().find(|person| actor.arn.ends_with(&person.email)) {
            actor.agent = person.laptop(scene.now).command("sts", "AssumeRole");
        }
        let worn = access::assume(scene, &actor, &role, account, session.clone());
        for _ in 0..scene.rng.range(1, 5) {
            scene.shape(&worn, "ec2:DescribeInstances", Failure::None);
        }
    }
}
