use crate::json::Cursor;
use crate::record::{Element, read};

use super::*;

/// Checks (key, name, class, session, service) of a record with this identity and these further members.
#[track_caller]
fn check(identity: &str, more: &str, key: &str, name: &str, class: &str, session: Option<&str>, service: bool) {
    let text = format!("{{\"userIdentity\":{identity}{more}}}");
    let Ok(Element::Record(record)) = read(&mut Cursor::new(&text, 0)) else { panic!("{text}") };
    let who = principal(&record);
    assert_eq!(
        (who.key.as_ref(), who.name.unwrap_or(""), who.class, who.session_name, who.actor_is_service),
        (key, name, class, session, service),
        "{text}"
    );
}

#[test]
fn names_every_kind_of_principal() {
    check(
        r#"{"type":"Root","principalId":"111122223333","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333","accessKeyId":""}"#,
        "",
        "root:111122223333",
        "root",
        "root",
        None,
        false,
    );
    check(
        r#"{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::111122223333:user/x/ana","accountId":"111122223333","userName":"ana"}"#,
        "",
        "user:AIDAEXAMPLE",
        "ana",
        "unknown",
        None,
        false,
    );
    check(
        r#"{"type":"IAMUser","accountId":"111122223333","userName":"HIDDEN_DUE_TO_SECURITY_REASONS","accessKeyId":""}"#,
        r#","eventType":"AwsConsoleSignIn""#,
        "unknown-user:111122223333",
        "HIDDEN_DUE_TO_SECURITY_REASONS",
        "human_iam_user",
        None,
        false,
    );
    check(
        r#"{"type":"FederatedUser","principalId":"111122223333:bob"}"#,
        "",
        "fed:111122223333:bob",
        "bob",
        "unknown",
        None,
        false,
    );
    check(
        r#"{"type":"SAMLUser","principalId":"q:s","userName":"ana@example.com","identityProvider":"p"}"#,
        "",
        "saml:p:ana@example.com",
        "ana@example.com",
        "human",
        None,
        false,
    );
    check(
        r#"{"type":"WebIdentityUser","principalId":"x","userName":"repo:o/r:ref:refs/heads/main","identityProvider":"arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com"}"#,
        "",
        "oidc:arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com:repo:o/r:ref:refs/heads/main",
        "repo:o/r:ref:refs/heads/main",
        "ci",
        None,
        false,
    );
    check(
        r#"{"type":"AWSAccount","accountId":"444455556666","principalId":"AROA:s"}"#,
        "",
        "ext:444455556666:AROA:s",
        "444455556666",
        "unknown",
        None,
        false,
    );
    check(
        r#"{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}"#,
        "",
        "svc:ec2.amazonaws.com",
        "ec2.amazonaws.com",
        "aws_service",
        None,
        true,
    );
    check(
        r#"{"type":"IdentityCenterUser","accountId":"1","onBehalfOf":{"userId":"u-1","identityStoreArn":"arn:aws:identitystore::1:identitystore/d-123"}}"#,
        "",
        "idc:d-123:u-1",
        "",
        "human_sso",
        None,
        false,
    );
    check(r#"{"type":"Unknown","accountId":"1","userName":"ana"}"#, "", "unk:1:ana", "ana", "unknown", None, false);
}

#[test]
fn appendix_a_1_an_identity_without_a_type_is_the_service() {
    check(
        r#"{"accountId":"111122223333","invokedBy":"secretsmanager.amazonaws.com"}"#,
        r#","eventType":"AwsServiceEvent""#,
        "svc:secretsmanager.amazonaws.com",
        "secretsmanager.amazonaws.com",
        "aws_service",
        None,
        true,
    );
    check("null", "", "unk::", "", "unknown", None, false);
}

#[test]
fn appendix_a_3_an_empty_issuer_is_none() {
    check(
        r#"{"type":"AssumedRole","principalId":"AROAX:s","arn":"arn:aws:sts::1:assumed-role/web/s","sessionContext":{"sessionIssuer":{}}}"#,
        "",
        "role:AROAX",
        "web",
        "unknown",
        Some("s"),
        false,
    );
}

#[test]
fn appendix_a_13_signin_as_invoker_is_a_person() {
    check(
        r#"{"type":"IAMUser","principalId":"AIDAX","userName":"ana","invokedBy":"signin.amazonaws.com"}"#,
        r#","userAgent":"signin.amazonaws.com""#,
        "user:AIDAX",
        "ana",
        "human_iam_user",
        None,
        false,
    );
    check(
        r#"{"type":"IAMUser","principalId":"AIDAX","userName":"ana","invokedBy":"AWS Internal"}"#,
        "",
        "user:AIDAX",
        "ana",
        "aws_service",
        None,
        true,
    );
}

#[test]
fn classes_of_role_sessions() {
    let role = |session: &str, role: &str, path: &str| {
        format!(
            r#"{{"type":"AssumedRole","principalId":"AROAX:{session}","arn":"arn:aws:sts::1:assumed-role/{role}/{session}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROAX","arn":"arn:aws:iam::1:role/{path}{role}","userName":"{role}"}}}}}}"#
        )
    };
    for (session, name, path, more, class) in [
        (
            "ana@example.com",
            "AWSReservedSSO_Admin_0123456789abcdef",
            "aws-reserved/sso.amazonaws.com/",
            "",
            "human_sso",
        ),
        ("i-0abc0abc0abc0abc0", "web", "", "", "ec2_instance"),
        ("mi-0abc0abc0abc0abc0", "web", "", "", "ssm_hybrid_node"),
        ("s", "AWSServiceRoleForSupport", "aws-service-role/support.amazonaws.com/", "", "service_linked_role"),
        ("GitHubActions", "deploy", "", "", "ci"),
        ("botocore-session-1700000000", "x", "", "", "sdk_assume"),
        ("0123456789abcdef0123456789abcdef", "x", "", r#","userAgent":"Boto3/1 exec-env/AWS_ECS_FARGATE""#, "ecs_task"),
        ("fn", "x", "", r#","userAgent":"Boto3/1 exec-env/AWS_Lambda_python3.12""#, "lambda"),
        ("eks-prod-web-1", "x", "", "", "eks_pod"),
        ("ana", "dev", "", r#","userAgent":"Mozilla/5.0""#, "human"),
        ("ana", "dev", "", "", "unknown"),
    ] {
        check(&role(session, name, path), more, "role:AROAX", name, class, Some(session), false);
    }
}

#[test]
fn the_role_of_instance_identity_has_no_id() {
    check(
        r#"{"type":"AssumedRole","principalId":"111122223333:aws:ec2-instance:i-0abc0abc0abc0abc0","arn":"arn:aws:sts::111122223333:assumed-role/aws:ec2-instance/i-0abc0abc0abc0abc0","accountId":"111122223333"}"#,
        "",
        "role:111122223333:aws:ec2-instance",
        "aws:ec2-instance",
        "ec2_instance",
        Some("i-0abc0abc0abc0abc0"),
        false,
    );
}

#[test]
fn a_key_tells_its_account() {
    // Made by the rule itself: 16 base32 digits whose bits 7.. of the first 48 are the number.
    let account = 111_122_223_333u64;
    let head = account << 7;
    let bits = u128::from(head) << 32;
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let tail: String = (0..16).map(|i| char::from(alphabet[(bits >> (75 - 5 * i)) as usize & 31])).collect();
    assert_eq!(account_of_key(&format!("ASIA{tail}")).as_deref(), Some("111122223333"));
    assert_eq!(account_of_key("AKIA"), None);
    assert_eq!(account_of_key("AKIA0000000000000000"), None);
}
