//! Taking and breaking: data made public, secrets read, keys and backups deleted.

use crate::{
    attack::{
        Strength,
        scene::{Act, Actor, Scene},
    },
    catalogue::Pool,
    ids,
    organisation::AccountKind::{Development, Production, Sandbox},
    stage::Failure,
};

pub(super) fn snapshot_public(scene: &mut Scene) {
    let account = scene.account(&[Production, Development]);
    let actor = scene.privileged(account);
    scene.shape(&actor, "ec2:DescribeSnapshots", Failure::None);
    for _ in 0..scene.amount(1, 2, 12) {
        let who = if scene.strength == Strength::Subtle {
            format!("\"userId\":\"{}\"", scene.stranger())
        } else {
            "\"group\":\"all\"".to_owned()
        };
        if scene.rng.chance(0.3) {
            let database = scene.name(actor.account, Pool::Database);
            let value = if scene.strength == Strength::Subtle { scene.stranger() } else { "all".to_owned() };
            let request = format!(
                "{{\"dBSnapshotIdentifier\":\"{database}-{}\",\"attributeName\":\"restore\",\"valuesToAdd\":[\"{value}\"]}}",
                ids::hex(8, &mut scene.rng)
            );
            scene.act(&actor, Act::write("rds", "ModifyDBSnapshotAttribute", &request));
            continue;
        }
        if scene.rng.chance(0.2) {
            let image = scene.name(actor.account, Pool::Image);
            let request = format!(
                "{{\"imageId\":\"{image}\",\"launchPermission\":{{\"add\":{{\"items\":[{{{who}}}]}}}},\"attributeType\":\"launchPermission\"}}"
            );
            scene.act(&actor, Act::write("ec2", "ModifyImageAttribute", &request).answer("{\"_return\":true}"));
            continue;
        }
        let snapshot = scene.name(actor.account, Pool::Snapshot);
        let request = format!(
            "{{\"snapshotId\":\"{snapshot}\",\"createVolumePermission\":{{\"add\":{{\"items\":[{{{who}}}]}}}},\"attributeType\":\"CREATE_VOLUME_PERMISSION\"}}"
        );
        scene.stumble(&actor, Act::write("ec2", "ModifySnapshotAttribute", &request));
        let response = format!("{{\"requestId\":\"{}\",\"_return\":true}}", ids::uuid_text(ids::uuid(&mut scene.rng)));
        scene.act(&actor, Act::write("ec2", "ModifySnapshotAttribute", &request).answer(&response));
    }
}

pub(super) fn bucket_public(scene: &mut Scene) {
    let account = scene.account(&[Production, Development]);
    let actor = scene.privileged(account);
    for _ in 0..scene.amount(1, 1, 5) {
        let bucket = scene.name(actor.account, Pool::Bucket);
        let host = format!("{bucket}.s3.{}.amazonaws.com", scene.organisation.home_region());
        let resources = format!(
            "[{{\"accountId\":\"{}\",\"type\":\"AWS::S3::Bucket\",\"ARN\":\"arn:aws:s3:::{bucket}\"}}]",
            scene.id(actor.account)
        );
        let open = format!("{{\"publicAccessBlock\":\"\",\"bucketName\":\"{bucket}\",\"Host\":\"{host}\"}}");
        scene.stumble(&actor, Act::write("s3", "DeleteBucketPublicAccessBlock", &open).about(&resources));
        if scene.rng.chance(0.6) {
            scene.act(&actor, Act::write("s3", "DeleteBucketPublicAccessBlock", &open).about(&resources));
        } else {
            let request = format!(
                "{{\"publicAccessBlock\":\"\",\"bucketName\":\"{bucket}\",\"Host\":\"{host}\",\"PublicAccessBlockConfiguration\":{{\"xmlns\":\"http://s3.amazonaws.com/doc/2006-03-01/\",\"RestrictPublicBuckets\":false,\"BlockPublicPolicy\":false,\"BlockPublicAcls\":false,\"IgnorePublicAcls\":false}}}}"
            );
            scene.act(&actor, Act::write("s3", "PutBucketPublicAccessBlock", &request).about(&resources));
        }
        let acl = format!(
            "{{\"AccessControlPolicy\":{{\"xmlns\":\"http://s3.amazonaws.com/doc/2006-03-01/\",\"AccessControlList\":{{\"Grant\":[{{\"Grantee\":{{\"xsi:type\":\"Group\",\"xmlns:xsi\":\"http://www.w3.org/2001/XMLSchema-instance\",\"URI\":\"http://acs.amazonaws.com/groups/global/AllUsers\"}},\"Permission\":\"READ\"}}]}}}},\"bucketName\":\"{bucket}\",\"Host\":\"{host}\",\"acl\":\"\"}}"
        );
        let policy = format!(
            "{{\"bucketName\":\"{bucket}\",\"Host\":\"{host}\",\"policy\":\"\",\"bucketPolicy\":{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":[\"s3:GetObject\",\"s3:ListBucket\"],\"Resource\":[\"arn:aws:s3:::{bucket}\",\"arn:aws:s3:::{bucket}/*\"]}}]}}}}"
        );
        if scene.rng.chance(0.3) {
            scene.act(&actor, Act::write("s3", "PutBucketAcl", &acl).about(&resources));
        } else {
            scene.act(&actor, Act::write("s3", "PutBucketPolicy", &policy).about(&resources));
        }
    }
}

pub(super) fn secrets_in_bulk(scene: &mut Scene) {
    let account = scene.account(&[Production, Development]);
    let (_, actor) = scene.stolen_user(Some(account));
    if scene.rng.chance(0.3) {
        return parameters_in_bulk(scene, &actor);
    }
    scene.shape(&actor, "secretsmanager:ListSecrets", Failure::None);
    let account = &scene.organisation.accounts[actor.account];
    let region = scene.organisation.home_region();
    let mut secrets = account.names(Pool::Secret).to_vec();
    scene.rng.shuffle(&mut secrets);
    let count = scene.amount(12, 28, 60);
    for secret in secrets.iter().cycle().take(count) {
        let request = format!("{{\"secretId\":\"{secret}\"}}");
        let resources = format!(
            "[{{\"accountId\":\"{id}\",\"type\":\"AWS::SecretsManager::Secret\",\"ARN\":\"arn:aws:secretsmanager:{region}:{id}:secret:{secret}\"}}]",
            id = account.id
        );
        let denied = scene.strength == Strength::Loud && scene.rng.chance(0.3);
        let act = Act {
            read_only: true,
            denied,
            ..Act::write("secretsmanager", "GetSecretValue", &request).about(&resources)
        };
        scene.act(&actor, act);
    }
}

/// The parameter store's secrets, decrypted one after the other.
fn parameters_in_bulk(scene: &mut Scene, actor: &Actor) {
    scene.shape(actor, "ssm:DescribeParameters", Failure::None);
    let mut parameters = scene.organisation.accounts[actor.account].names(Pool::Parameter).to_vec();
    scene.rng.shuffle(&mut parameters);
    let count = scene.amount(12, 28, 60);
    for parameter in parameters.iter().cycle().take(count) {
        let request = format!("{{\"name\":\"{parameter}\",\"withDecryption\":true}}");
        scene.act(actor, Act { read_only: true, ..Act::write("ssm", "GetParameter", &request) });
    }
}

pub(super) fn mining(scene: &mut Scene) {
    let account = scene.account(&[Production, Development, Sandbox]);
    let actor = scene.privileged(account);
    let calls = scene.amount(1, 4, 15);
    scene.recon(&actor, calls);
    let mut regions = scene.organisation.regions.clone();
    scene.rng.shuffle(&mut regions);
    let (several, machine) = (scene.amount(1, 4, 5), *scene.rng.pick(&["p4d.24xlarge", "g5.48xlarge", "c7i.24xlarge"]));
    for region in regions.into_iter().take(several) {
        scene.region = region;
        for _ in 0..scene.amount(1, 2, 6) {
            let (image, count) = (ids::hex(17, &mut scene.rng), scene.amount(1, 8, 40));
            let request = format!(
                "{{\"instancesSet\":{{\"items\":[{{\"imageId\":\"ami-{image}\",\"minCount\":1,\"maxCount\":{count}}}]}},\"instanceType\":\"{machine}\",\"blockDeviceMapping\":{{}},\"monitoring\":{{\"enabled\":false}},\"disableApiTermination\":false}}"
            );
            scene.stumble(&actor, Act::write("ec2", "RunInstances", &request));
            let response = format!("{{\"requestId\":\"{}\"}}", ids::uuid_text(ids::uuid(&mut scene.rng)));
            scene.act(&actor, Act::write("ec2", "RunInstances", &request).answer(&response));
        }
    }
    scene.region = scene.organisation.home_region();
}

pub(super) fn key_deletion(scene: &mut Scene) {
    let account = scene.account(&[Production, Development]);
    let actor = scene.privileged(account);
    scene.shape(&actor, "kms:ListKeys", Failure::None);
    let region = scene.organisation.home_region();
    for _ in 0..scene.amount(1, 2, 10) {
        let key = scene.name(actor.account, Pool::Key);
        let id = scene.id(actor.account);
        let arn = format!("arn:aws:kms:{region}:{id}:key/{key}");
        if scene.strength != Strength::Subtle && scene.rng.chance(0.25) {
            let resources = format!("[{{\"accountId\":\"{id}\",\"type\":\"AWS::KMS::Key\",\"ARN\":\"{arn}\"}}]");
            let request = format!("{{\"keyId\":\"{key}\"}}");
            scene.act(&actor, Act::write("kms", "DisableKey", &request).about(&resources));
            continue;
        }
        let days = if scene.strength == Strength::Subtle { 30 } else { 7 };
        let request = format!("{{\"keyId\":\"{key}\",\"pendingWindowInDays\":{days}}}");
        let response = format!(
            "{{\"keyId\":\"{arn}\",\"keyState\":\"PendingDeletion\",\"deletionDate\":\"{}\",\"pendingWindowInDays\":{days}}}",
            ids::java_time(scene.now + days * 86_400)
        );
        let resources = format!("[{{\"accountId\":\"{id}\",\"type\":\"AWS::KMS::Key\",\"ARN\":\"{arn}\"}}]");
        scene.stumble(&actor, Act::write("kms", "ScheduleKeyDeletion", &request).about(&resources));
        scene.act(&actor, Act::write("kms", "ScheduleKeyDeletion", &request).answer(&response).about(&resources));
    }
}

pub(super) fn mass_deletion(scene: &mut Scene) {
    let account = scene.account(&[Production]);
    let actor = scene.privileged(account);
    let calls = scene.amount(1, 6, 20);
    scene.recon(&actor, calls);
    let bucket = scene.name(actor.account, Pool::Bucket);
    let host = format!("{bucket}.s3.{}.amazonaws.com", scene.organisation.home_region());
    let suspend = format!(
        "{{\"bucketName\":\"{bucket}\",\"Host\":\"{host}\",\"versioning\":\"\",\"VersioningConfiguration\":{{\"Status\":\"Suspended\",\"xmlns\":\"http://s3.amazonaws.com/doc/2006-03-01/\"}}}}"
    );
    scene.act(&actor, Act::write("s3", "PutBucketVersioning", &suspend));
    // Objects for the most part, or backups, or machines.
    let most = *scene.rng.pick(&["s3:DeleteObject", "s3:DeleteObject", "ec2:DeleteSnapshot", "ec2:TerminateInstances"]);
    for _ in 0..scene.amount(6, 60, 400) {
        let other = scene.rng.chance(0.4);
        let name = *scene.rng.pick(&["s3:DeleteObject", "ec2:DeleteSnapshot", "ec2:TerminateInstances"]);
        scene.shape(&actor, if other { name } else { most }, Failure::None);
    }
    let key = format!("README-{}.txt", scene.word().to_uppercase());
    let note = format!("{{\"bucketName\":\"{bucket}\",\"Host\":\"{host}\",\"key\":\"{key}\"}}");
    scene.act(&actor, Act { data: true, ..Act::write("s3", "PutObject", &note) });
}
