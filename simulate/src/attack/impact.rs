//! Taking and breaking: data made public, secrets read, keys and backups deleted.

use crate::{
    attack::{
        Strength,
        scene::{Act, Scene},
    },
    catalogue::Pool,
    ids,
    organisation::AccountKind::{Development, Production},
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
        scene.act(&actor, Act::write("s3", "DeleteBucketPublicAccessBlock", &open).about(&resources));
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

pub(super) fn key_deletion(scene: &mut Scene) {
    let account = scene.account(&[Production, Development]);
    let actor = scene.privileged(account);
    scene.shape(&actor, "kms:ListKeys", Failure::None);
    let region = scene.organisation.home_region();
    for _ in 0..scene.amount(1, 2, 10) {
        let key = scene.name(actor.account, Pool::Key);
        let id = scene.id(actor.account);
        let arn = format!("arn:aws:kms:{region}:{id}:key/{key}");
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
    for _ in 0..scene.amount(6, 60, 400) {
        let name = *scene.rng.pick(&[
            "s3:DeleteObject",
            "s3:DeleteObject",
            "s3:DeleteObject",
            "ec2:DeleteSnapshot",
            "ec2:TerminateInstances",
        ]);
        scene.shape(&actor, name, Failure::None);
    }
    let key = format!("README-{}.txt", scene.word().to_uppercase());
    let note = format!("{{\"bucketName\":\"{bucket}\",\"Host\":\"{host}\",\"key\":\"{key}\"}}");
    scene.act(&actor, Act { data: true, ..Act::write("s3", "PutObject", &note) });
}
