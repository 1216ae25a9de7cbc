//! Putting out the lights: trails, detectors, guard rails; and AWS's own quarantine of a key that it found in public.

use crate::{
    attack::{
        Strength,
        scene::{Act, Actor, Scene},
    },
    catalogue::Pool,
    organisation::AccountKind::{Development, Management, Production, Sandbox, Security},
    stage::Failure,
};

pub(super) fn trail_stopped(scene: &mut Scene) {
    let account = scene.account(&[Management, Production, Development]);
    let actor = scene.privileged(account);
    scene.shape(&actor, "cloudtrail:DescribeTrails", Failure::None);
    let arn = trail(scene, &actor);
    let request = format!("{{\"name\":\"{arn}\"}}");
    scene.stumble(&actor, Act::write("cloudtrail", "DeleteTrail", &request));
    if scene.strength == Strength::Subtle || scene.rng.chance(0.7) {
        scene.act(&actor, Act::write("cloudtrail", "StopLogging", &request));
    } else {
        scene.act(&actor, Act::write("cloudtrail", "DeleteTrail", &request));
    }
    if scene.strength == Strength::Loud {
        scene.act(&actor, Act::write("cloudtrail", "DeleteTrail", &request));
    }
    let calls = scene.amount(1, 5, 30);
    scene.recon(&actor, calls);
}

fn trail(scene: &mut Scene, actor: &Actor) -> String {
    let name = scene.name(actor.account, Pool::Trail);
    format!("arn:aws:cloudtrail:{}:{}:trail/{name}", scene.organisation.home_region(), scene.id(actor.account))
}

pub(super) fn selectors_narrowed(scene: &mut Scene) {
    let account = scene.account(&[Management, Production]);
    let actor = scene.privileged(account);
    scene.shape(&actor, "cloudtrail:GetEventSelectors", Failure::None);
    let arn = trail(scene, &actor);
    let selectors = match scene.strength {
        // Data events of one harmless bucket, and no management events.
        Strength::Subtle => "[{\"readWriteType\":\"WriteOnly\",\"includeManagementEvents\":true,\"dataResources\":[],\"excludeManagementEventSources\":[\"kms.amazonaws.com\"]}]".to_owned(),
        _ => {
            let bucket = scene.name(actor.account, Pool::Bucket);
            format!("[{{\"readWriteType\":\"ReadOnly\",\"includeManagementEvents\":false,\"dataResources\":[{{\"type\":\"AWS::S3::Object\",\"values\":[\"arn:aws:s3:::{bucket}/\"]}}],\"excludeManagementEventSources\":[]}}]")
        }
    };
    let request = format!("{{\"trailName\":\"{arn}\",\"eventSelectors\":{selectors}}}");
    scene.stumble(&actor, Act::write("cloudtrail", "PutEventSelectors", &request));
    let response = format!("{{\"trailARN\":\"{arn}\",\"eventSelectors\":{selectors}}}");
    scene.act(&actor, Act::write("cloudtrail", "PutEventSelectors", &request).answer(&response));
    if scene.strength == Strength::Loud {
        let request = format!(
            "{{\"name\":\"{arn}\",\"isMultiRegionTrail\":false,\"includeGlobalServiceEvents\":false,\"enableLogFileValidation\":false}}"
        );
        scene.act(&actor, Act::write("cloudtrail", "UpdateTrail", &request));
    }
}

pub(super) fn detector_deleted(scene: &mut Scene) {
    let account = scene.account(&[Security, Production, Sandbox]);
    let actor = scene.privileged(account);
    scene.shape(&actor, "guardduty:ListDetectors", Failure::None);
    let detector = scene.name(actor.account, Pool::Detector);
    let delete = format!("{{\"detectorId\":\"{detector}\"}}");
    scene.stumble(&actor, Act::write("guardduty", "DeleteDetector", &delete));
    if scene.strength == Strength::Subtle || scene.rng.chance(0.3) {
        let request = format!("{{\"detectorId\":\"{detector}\",\"enable\":false}}");
        scene.act(&actor, Act::write("guardduty", "UpdateDetector", &request));
    } else {
        scene.act(&actor, Act::write("guardduty", "DeleteDetector", &delete));
    }
    if scene.strength == Strength::Loud {
        scene.act(
            &actor,
            Act::write("config", "StopConfigurationRecorder", "{\"configurationRecorderName\":\"default\"}"),
        );
        scene.act(&actor, Act::write("securityhub", "DisableSecurityHub", "null"));
    }
}

pub(super) fn organization_left(scene: &mut Scene) {
    let account = scene.account(&[Sandbox, Development, Production]);
    let actor = scene.privileged(account);
    scene.shape(&actor, "organizations:DescribeOrganization", Failure::None);
    scene.stumble(&actor, Act::write("organizations", "LeaveOrganization", "null"));
    scene.act(&actor, Act::write("organizations", "LeaveOrganization", "null"));
}

pub(super) fn key_quarantined(scene: &mut Scene) {
    let (user, mut actor) = scene.stolen_user(None);
    actor.ip = scene.intruder_address();
    // AWS acts first: within minutes of a key's publication, as the user itself.
    let aws = Actor { ip: "AWS Internal".to_owned(), agent: "AWS Internal".to_owned(), ..actor.clone() };
    let version = *scene.rng.pick(&["V2", "V3"]);
    let request = format!(
        "{{\"userName\":\"{}\",\"policyArn\":\"arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine{version}\"}}",
        user.name
    );
    scene.act(&aws, Act::write("iam", "AttachUserPolicy", &request));
    let calls = scene.amount(2, 8, 40);
    scene.recon(&actor, calls);
    for _ in 0..scene.amount(1, 3, 20) {
        scene.shape(&actor, "ec2:RunInstances", Failure::Denied);
    }
}
