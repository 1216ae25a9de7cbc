//! Ordinary acts that resemble attacks. Each has its reason to stay quiet, given beside it.

use crate::{
    attack::scene::{Act, Actor, Scene},
    catalogue::Pool,
    human::console_login,
    identity::{self, User},
    ids,
    organisation::AccountKind::{Development, Management, Production, Security},
    record::{Call, Kind},
    rng::Rng,
    stage::Failure,
};

type Play = fn(&mut Scene);

pub(super) static ALL: &[(&str, Play)] = &[
    // The factor is replaced by its owner a minute later.
    ("own_mfa_rotation", own_mfa_rotation),
    // Two wrong passwords, then the right one with the second factor, from home.
    ("forgotten_password", forgotten_password),
    // The owner's own second key, and the old one deactivated.
    ("own_key_rotation", own_key_rotation),
    // Refused, once: a developer tried what is not allowed.
    ("refused_create_user", refused_create_user),
    // Everybody, but only through the company's own endpoint.
    ("bucket_policy_with_condition", bucket_policy_with_condition),
    // Shared with another account of the same organisation.
    ("snapshot_shared_inside", snapshot_shared_inside),
    // Trust for an account of the same organisation.
    ("trust_inside", trust_inside),
    // The trail records more than before.
    ("selectors_widened", selectors_widened),
    // Threat detection switched on.
    ("detector_enabled", detector_enabled),
    // A sign-in from a hotel, with the second factor.
    ("travelling_login", travelling_login),
    // A few secrets, read by the platform team during an incident of its own.
    ("few_secrets", few_secrets),
];

/// A person's IAM user, signed in with MFA from home.
fn signed_in(scene: &mut Scene, account: usize, ip: Option<String>) -> (User, Actor) {
    let organisation = scene.organisation;
    let person = scene.rng.pick(&organisation.people);
    let browser = person.laptop(scene.now).browser;
    let number = organisation.accounts[account].number;
    let user = User {
        account: scene.id(account).to_owned(),
        name: person.name.clone(),
        id: ids::principal_id("AIDA", number, &mut Rng::derive(person.seed, &[15, account as u64])),
        key: ids::access_key("AKIA", number, &mut scene.rng),
    };
    let ip = ip.unwrap_or_else(|| person.home_address(&organisation.atlas));
    console_login(
        organisation,
        &mut scene.stage,
        &organisation.accounts[account],
        &user,
        scene.now,
        &ip,
        browser,
        true,
        &mut scene.rng,
    );
    let key = ids::access_key("ASIA", number, &mut scene.rng);
    let identity = identity::user_session(&user, &key, scene.now, true);
    scene.principal = user.arn();
    scene.pass();
    let actor =
        Actor { account, identity, arn: user.arn(), ip, agent: browser.to_owned(), console: true, endpoint: None };
    (user, actor)
}

pub(super) fn own_mfa_rotation(scene: &mut Scene) {
    let account = scene.account(&[Management]);
    let (user, actor) = signed_in(scene, account, None);
    let serial = format!("arn:aws:iam::{}:mfa/{}", user.account, user.name);
    let next = format!("{serial}-{}", ids::hex(4, &mut scene.rng));
    scene.act(
        &actor,
        Act::write(
            "iam",
            "DeactivateMFADevice",
            &format!("{{\"userName\":\"{}\",\"serialNumber\":\"{serial}\"}}", user.name),
        ),
    );
    scene.act(&actor, Act::write("iam", "DeleteVirtualMFADevice", &format!("{{\"serialNumber\":\"{serial}\"}}")));
    let made = format!("{{\"virtualMFADevice\":{{\"serialNumber\":\"{next}\"}}}}");
    scene.act(
        &actor,
        Act::write(
            "iam",
            "CreateVirtualMFADevice",
            &format!("{{\"path\":\"/\",\"virtualMFADeviceName\":\"{}\"}}", user.name),
        )
        .answer(&made),
    );
    scene.act(
        &actor,
        Act::write(
            "iam",
            "EnableMFADevice",
            &format!("{{\"userName\":\"{}\",\"serialNumber\":\"{next}\"}}", user.name),
        ),
    );
}

pub(super) fn forgotten_password(scene: &mut Scene) {
    let account = scene.account(&[Management, Production]);
    let organisation = scene.organisation;
    let begin = scene.now;
    scene.now += 240;
    let (user, actor) = signed_in(scene, account, None);
    let identity = identity::user_at_sign_in(&user, true);
    for wrong in 0..2 {
        let mut call = Call::new(
            begin + wrong * 45,
            "signin",
            "ConsoleLogin",
            organisation.regions[0],
            scene.id(account),
            &identity,
        );
        call.ip = &actor.ip;
        call.agent = &actor.agent;
        call.kind = Kind::SignIn;
        call.read_only = false;
        call.response = b"{\"ConsoleLogin\":\"Failure\"}";
        call.additional =
            "{\"LoginTo\":\"https://console.aws.amazon.com/console/home\",\"MobileVersion\":\"No\",\"MFAUsed\":\"No\"}";
        call.error = Some(("", "Failed authentication"));
        scene.stage.emit(organisation, &organisation.accounts[account], &call, &mut scene.rng);
    }
}

pub(super) fn own_key_rotation(scene: &mut Scene) {
    let account = scene.account(&[Development, Production]);
    let (user, actor) = signed_in(scene, account, None);
    let key = ids::access_key("AKIA", scene.organisation.accounts[account].number, &mut scene.rng);
    let response = format!(
        "{{\"accessKey\":{{\"userName\":\"{}\",\"accessKeyId\":\"{key}\",\"status\":\"Active\",\"createDate\":\"{}\"}}}}",
        user.name,
        ids::java_time(scene.now)
    );
    scene.act(
        &actor,
        Act::write("iam", "CreateAccessKey", &format!("{{\"userName\":\"{}\"}}", user.name)).answer(&response),
    );
    scene.now += 600;
    scene.act(
        &actor,
        Act::write(
            "iam",
            "UpdateAccessKey",
            &format!("{{\"status\":\"Inactive\",\"userName\":\"{}\",\"accessKeyId\":\"{}\"}}", user.name, user.key),
        ),
    );
    scene.act(
        &actor,
        Act::write(
            "iam",
            "DeleteAccessKey",
            &format!("{{\"userName\":\"{}\",\"accessKeyId\":\"{}\"}}", user.name, user.key),
        ),
    );
}

pub(super) fn refused_create_user(scene: &mut Scene) {
    let account = scene.account(&[Development]);
    let actor = scene.colleague(account, "PowerUserAccess");
    let request = format!("{{\"userName\":\"{}\"}}", scene.new_name());
    scene.act(&actor, Act::write("iam", "CreateUser", &request).denied());
}

pub(super) fn bucket_policy_with_condition(scene: &mut Scene) {
    let account = scene.account(&[Production]);
    let actor = scene.colleague(account, "AdministratorAccess");
    let bucket = scene.name(account, Pool::Bucket);
    let endpoint = &scene.organisation.accounts[account].endpoint;
    let request = format!(
        "{{\"bucketName\":\"{bucket}\",\"Host\":\"{bucket}.s3.{}.amazonaws.com\",\"policy\":\"\",\"bucketPolicy\":{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::{bucket}/*\",\"Condition\":{{\"StringEquals\":{{\"aws:SourceVpce\":\"{endpoint}\"}}}}}}]}}}}",
        scene.organisation.home_region()
    );
    scene.act(&actor, Act::write("s3", "PutBucketPolicy", &request));
}

pub(super) fn snapshot_shared_inside(scene: &mut Scene) {
    let account = scene.account(&[Production]);
    let other = scene.account(&[Development, Security]);
    let actor = scene.colleague(account, "AdministratorAccess");
    let snapshot = scene.name(account, Pool::Snapshot);
    let request = format!(
        "{{\"snapshotId\":\"{snapshot}\",\"createVolumePermission\":{{\"add\":{{\"items\":[{{\"userId\":\"{}\"}}]}}}},\"attributeType\":\"CREATE_VOLUME_PERMISSION\"}}",
        scene.id(other)
    );
    scene.act(&actor, Act::write("ec2", "ModifySnapshotAttribute", &request).answer("{\"_return\":true}"));
}

pub(super) fn trust_inside(scene: &mut Scene) {
    let account = scene.account(&[Production]);
    let other = scene.account(&[Security, Management]);
    let actor = scene.colleague(account, "AdministratorAccess");
    let role = scene.name(account, Pool::Role);
    let request = format!(
        "{{\"roleName\":\"{role}\",\"policyDocument\":\"{{\\\"Version\\\":\\\"2012-10-17\\\",\\\"Statement\\\":[{{\\\"Effect\\\":\\\"Allow\\\",\\\"Principal\\\":{{\\\"AWS\\\":\\\"arn:aws:iam::{}:root\\\"}},\\\"Action\\\":\\\"sts:AssumeRole\\\"}}]}}\"}}",
        scene.id(other)
    );
    scene.act(&actor, Act::write("iam", "UpdateAssumeRolePolicy", &request));
}

fn selectors_widened(scene: &mut Scene) {
    let account = scene.account(&[Management]);
    let actor = scene.colleague(account, "AdministratorAccess");
    let arn = format!(
        "arn:aws:cloudtrail:{}:{}:trail/{}",
        scene.organisation.home_region(),
        scene.id(account),
        scene.organisation.accounts[account].names(Pool::Trail)[0]
    );
    let selectors = "[{\"readWriteType\":\"All\",\"includeManagementEvents\":true,\"dataResources\":[{\"type\":\"AWS::S3::Object\",\"values\":[\"arn:aws:s3\"]}],\"excludeManagementEventSources\":[]}]";
    let request = format!("{{\"trailName\":\"{arn}\",\"eventSelectors\":{selectors}}}");
    let response = format!("{{\"trailARN\":\"{arn}\",\"eventSelectors\":{selectors}}}");
    scene.act(&actor, Act::write("cloudtrail", "PutEventSelectors", &request).answer(&response));
}

fn detector_enabled(scene: &mut Scene) {
    let account = scene.account(&[Security]);
    let actor = scene.colleague(account, "AdministratorAccess");
    let detector = scene.name(account, Pool::Detector);
    let request =
        format!("{{\"detectorId\":\"{detector}\",\"enable\":true,\"findingPublishingFrequency\":\"FIFTEEN_MINUTES\"}}");
    scene.act(&actor, Act::write("guardduty", "UpdateDetector", &request));
}

pub(super) fn travelling_login(scene: &mut Scene) {
    let account = scene.account(&[Production, Management]);
    let ip = scene.other_home();
    let (_, actor) = signed_in(scene, account, Some(ip));
    for name in ["health:DescribeEventAggregates", "ec2:DescribeInstances", "monitoring:DescribeAlarms"] {
        scene.shape(&actor, name, Failure::None);
    }
}

pub(super) fn few_secrets(scene: &mut Scene) {
    let account = scene.account(&[Production]);
    let actor = scene.colleague(account, "AdministratorAccess");
    for _ in 0..4 {
        scene.shape(&actor, "secretsmanager:GetSecretValue", Failure::None);
    }
}
