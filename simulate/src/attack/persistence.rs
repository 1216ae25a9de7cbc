//! Staying: passwords and factors of others, trust, policies, identity providers.

use crate::{
    attack::{
        Strength,
        scene::{Act, Scene},
    },
    catalogue::Pool,
    ids,
    organisation::AccountKind::{Development, Management, Production, Sandbox},
};

/// Percent-encodes everything but letters and digits, as IAM's own clients send policy documents.
pub(super) fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A document as a JSON string's content: plain, URL-encoded, or with white space between the parts.
fn document(scene: &mut Scene, json: &str) -> String {
    match scene.rng.below(3) {
        0 => json.replace('"', "\\\""),
        1 => url_encoded(json),
        _ => {
            let padding = " ".repeat(scene.amount(1_500, 20, 2));
            json.replace(':', &format!(":{padding}")).replace('"', "\\\"")
        }
    }
}

pub(super) fn login_profile(scene: &mut Scene) {
    let account = scene.account(&[Production, Development, Management]);
    let actor = scene.privileged(account);
    let calls = scene.amount(1, 5, 25);
    scene.recon(&actor, calls);
    for _ in 0..scene.amount(1, 1, 5) {
        let user = scene.other_user(&actor);
        let name = if scene.rng.chance(0.6) { "CreateLoginProfile" } else { "UpdateLoginProfile" };
        let request = format!("{{\"userName\":\"{user}\",\"passwordResetRequired\":false}}");
        scene.stumble(&actor, Act::write("iam", name, &request));
        let response = format!(
            "{{\"loginProfile\":{{\"userName\":\"{user}\",\"createDate\":\"{}\",\"passwordResetRequired\":false}}}}",
            ids::java_time(scene.now)
        );
        scene.act(
            &actor,
            Act::write("iam", name, &request).answer(if name == "CreateLoginProfile" { &response } else { "null" }),
        );
    }
}

pub(super) fn mfa_removed(scene: &mut Scene) {
    let account = scene.account(&[Production, Management]);
    let actor = scene.privileged(account);
    for _ in 0..scene.amount(1, 1, 6) {
        let user = scene.other_user(&actor);
        let request = format!(
            "{{\"userName\":\"{user}\",\"serialNumber\":\"arn:aws:iam::{}:mfa/{user}\"}}",
            scene.id(actor.account)
        );
        scene.stumble(&actor, Act::write("iam", "DeactivateMFADevice", &request));
        scene.act(&actor, Act::write("iam", "DeactivateMFADevice", &request));
        if scene.strength != Strength::Subtle {
            let request = format!("{{\"serialNumber\":\"arn:aws:iam::{}:mfa/{user}\"}}", scene.id(actor.account));
            scene.act(&actor, Act::write("iam", "DeleteVirtualMFADevice", &request));
        }
    }
}

pub(super) fn trust_opened(scene: &mut Scene) {
    let account = scene.account(&[Production, Development, Management]);
    let actor = scene.privileged(account);
    let calls = scene.amount(1, 4, 20);
    scene.recon(&actor, calls);
    let principal = match scene.strength {
        Strength::Loud => "*".to_owned(),
        _ => format!("arn:aws:iam::{}:root", scene.stranger()),
    };
    let json = format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":\"{principal}\"}},\"Action\":\"sts:AssumeRole\"}}]}}"
    );
    let document = document(scene, &json);
    if scene.rng.chance(0.6) {
        let role = scene.name(actor.account, Pool::Role);
        let request = format!("{{\"roleName\":\"{role}\",\"policyDocument\":\"{document}\"}}");
        scene.stumble(&actor, Act::write("iam", "UpdateAssumeRolePolicy", &request));
        scene.act(&actor, Act::write("iam", "UpdateAssumeRolePolicy", &request));
    } else {
        let role = scene.new_name();
        let number = scene.organisation.accounts[actor.account].number;
        let id = ids::principal_id("AROA", number, &mut scene.rng);
        let request =
            format!("{{\"roleName\":\"{role}\",\"assumeRolePolicyDocument\":\"{document}\",\"description\":\"\"}}");
        let response = format!(
            "{{\"role\":{{\"path\":\"/\",\"roleName\":\"{role}\",\"roleId\":\"{id}\",\"arn\":\"arn:aws:iam::{}:role/{role}\",\"createDate\":\"{}\",\"assumeRolePolicyDocument\":\"{}\"}}}}",
            scene.id(actor.account),
            ids::java_time(scene.now),
            url_encoded(&json)
        );
        scene.act(&actor, Act::write("iam", "CreateRole", &request).answer(&response));
        let attach =
            format!("{{\"roleName\":\"{role}\",\"policyArn\":\"arn:aws:iam::aws:policy/AdministratorAccess\"}}");
        scene.act(&actor, Act::write("iam", "AttachRolePolicy", &attach));
    }
}

pub(super) fn admin_policy(scene: &mut Scene) {
    let account = scene.account(&[Production, Development, Sandbox]);
    let (user, actor) = scene.stolen_user(Some(account));
    let calls = scene.amount(1, 6, 30);
    scene.recon(&actor, calls);
    let json =
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]}";
    let document = document(scene, json);
    let policy = scene.new_name();
    match scene.rng.below(5) {
        3 => {
            let request = format!(
                "{{\"userName\":\"{}\",\"policyArn\":\"arn:aws:iam::aws:policy/AdministratorAccess\"}}",
                user.name
            );
            scene.stumble(&actor, Act::write("iam", "AttachUserPolicy", &request));
            scene.act(&actor, Act::write("iam", "AttachUserPolicy", &request));
        }
        4 => {
            // In two steps: a version beside the one in force, which becomes the default later.
            let arn =
                format!("arn:aws:iam::{}:policy/{}", scene.id(actor.account), scene.name(actor.account, Pool::Policy));
            let request =
                format!("{{\"policyArn\":\"{arn}\",\"policyDocument\":\"{document}\",\"setAsDefault\":false}}");
            let response = format!(
                "{{\"policyVersion\":{{\"versionId\":\"v3\",\"isDefaultVersion\":false,\"createDate\":\"{}\"}}}}",
                ids::java_time(scene.now)
            );
            scene.act(&actor, Act::write("iam", "CreatePolicyVersion", &request).answer(&response));
            let request = format!("{{\"policyArn\":\"{arn}\",\"versionId\":\"v3\"}}");
            scene.act(&actor, Act::write("iam", "SetDefaultPolicyVersion", &request));
        }
        0 => {
            let request = format!(
                "{{\"userName\":\"{}\",\"policyName\":\"{policy}\",\"policyDocument\":\"{document}\"}}",
                user.name
            );
            scene.stumble(&actor, Act::write("iam", "PutUserPolicy", &request));
            scene.act(&actor, Act::write("iam", "PutUserPolicy", &request));
        }
        1 => {
            let role = scene.name(actor.account, Pool::Role);
            let request =
                format!("{{\"roleName\":\"{role}\",\"policyName\":\"{policy}\",\"policyDocument\":\"{document}\"}}");
            scene.stumble(&actor, Act::write("iam", "PutRolePolicy", &request));
            scene.act(&actor, Act::write("iam", "PutRolePolicy", &request));
        }
        _ => {
            let arn =
                format!("arn:aws:iam::{}:policy/{}", scene.id(actor.account), scene.name(actor.account, Pool::Policy));
            let request =
                format!("{{\"policyArn\":\"{arn}\",\"policyDocument\":\"{document}\",\"setAsDefault\":true}}");
            scene.stumble(&actor, Act::write("iam", "CreatePolicyVersion", &request));
            let response = format!(
                "{{\"policyVersion\":{{\"versionId\":\"v4\",\"isDefaultVersion\":true,\"createDate\":\"{}\"}}}}",
                ids::java_time(scene.now)
            );
            scene.act(&actor, Act::write("iam", "CreatePolicyVersion", &request).answer(&response));
        }
    }
}

pub(super) fn provider_changed(scene: &mut Scene) {
    let account = scene.account(&[Management, Production]);
    let actor = scene.privileged(account);
    let calls = scene.amount(1, 3, 12);
    scene.recon(&actor, calls);
    let (id, name) = (scene.id(actor.account), scene.new_name());
    let arn = format!("arn:aws:iam::{id}:saml-provider/{name}");
    let metadata = "<?xml version=\\\"1.0\\\"?><md:EntityDescriptor xmlns:md=\\\"urn:oasis:names:tc:SAML:2.0:metadata\\\"></md:EntityDescriptor>";
    match scene.rng.below(3) {
        0 => {
            let request = format!("{{\"sAMLMetadataDocument\":\"{metadata}\",\"name\":\"{name}\"}}");
            scene.stumble(&actor, Act::write("iam", "CreateSAMLProvider", &request));
            scene.act(
                &actor,
                Act::write("iam", "CreateSAMLProvider", &request).answer(&format!("{{\"sAMLProviderArn\":\"{arn}\"}}")),
            );
        }
        1 => {
            let arn = format!("arn:aws:iam::{id}:saml-provider/{}", scene.organisation.sso_provider);
            let request = format!("{{\"sAMLMetadataDocument\":\"{metadata}\",\"sAMLProviderArn\":\"{arn}\"}}");
            scene.stumble(&actor, Act::write("iam", "UpdateSAMLProvider", &request));
            scene.act(
                &actor,
                Act::write("iam", "UpdateSAMLProvider", &request).answer(&format!("{{\"sAMLProviderArn\":\"{arn}\"}}")),
            );
        }
        _ => {
            let host = format!("{}.example.net", scene.word());
            let request = format!(
                "{{\"url\":\"https://{host}\",\"clientIDList\":[\"sts.amazonaws.com\"],\"thumbprintList\":[\"{}\"]}}",
                ids::hex(40, &mut scene.rng)
            );
            scene.stumble(&actor, Act::write("iam", "CreateOpenIDConnectProvider", &request));
            let response = format!("{{\"openIDConnectProviderArn\":\"arn:aws:iam::{id}:oidc-provider/{host}\"}}");
            scene.act(&actor, Act::write("iam", "CreateOpenIDConnectProvider", &request).answer(&response));
        }
    }
}
