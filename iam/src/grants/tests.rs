use super::*;

const ADMIN: &str = "administrator";
const IAM: &str = "power over identities";
const NONE: &str = "neither";

#[track_caller]
fn check(statements: &str, expected: &str) {
    let (document, errors) = Document::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#));
    assert!(errors.is_empty(), "{statements}: {errors:?}");
    let found = match (document.grants_admin(), document.grants_iam_admin()) {
        (true, true) => ADMIN,
        (false, true) => IAM,
        (false, false) => NONE,
        (true, false) => panic!("an administrator without power over identities: {statements}"),
    };
    assert_eq!(found, expected, "{statements}");
}

#[test]
fn everything_in_any_spelling() {
    for actions in [
        r#""*""#,
        r#""*:*""#,
        r#"["s3:Get*","*"]"#,
        r#""*:?*""#,
        r#""?*""#,
        r#"["i*","s*","c*","d*","e*","g*","k*","l*","o*","r*"]"#,
    ] {
        check(&format!(r#"{{"Effect":"Allow","Action":{actions},"Resource":"*"}}"#), ADMIN);
    }
    for resources in [
        r#""*""#,
        r#"["*"]"#,
        r#""arn:aws:*""#,
        r#"["arn:aws:*:*:*:*","*"]"#,
        r#"["arn:*:*:*:111122223333:*","arn:aws:s3:::*","arn:aws:route53:::*","*"]"#,
    ] {
        check(&format!(r#"{{"Effect":"Allow","Action":"*","Resource":{resources}}}"#), ADMIN);
    }
    check(r#"{"Effect":"Allow","NotAction":"billing:*","Resource":"*"}"#, ADMIN);
    check(r#"{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::audit/*"}"#, ADMIN);
    check(
        r#"{"Effect":"Allow","Action":"iam:*","Resource":"*"},{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#,
        ADMIN,
    );
    check(
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}"#,
        ADMIN,
    );
    check(
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:PrincipalArn":"*"}}}"#,
        ADMIN,
    );
}

#[test]
fn power_over_identities() {
    check(r#"{"Effect":"Allow","Action":"iam:*","Resource":"*"}"#, IAM);
    check(r#"{"Effect":"Allow","Action":"IAM:*","Resource":"arn:aws:iam::111122223333:*"}"#, IAM);
    check(r#"{"Effect":"Allow","Action":["iam:*","s3:*","ec2:*"],"Resource":"*"}"#, IAM);
    check(
        r#"{"Effect":"Allow","Action":["iam:Pass*","iam:Create*","iam:Put*","iam:Update*","iam:Attach*"],"Resource":"*"}"#,
        IAM,
    );
    check(r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::*:*"}"#, IAM);
}

#[test]
fn less_than_that() {
    for statements in [
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::reports/*"}"#,
        r#"{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::111122223333:user/${aws:username}"}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}}}"#,
        r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*"}"#,
    ] {
        check(statements, NONE);
    }
}

#[test]
fn a_denial_that_leaves_an_administrator() {
    let all = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    check(&format!(r#"{all},{{"Effect":"Deny","Action":"cloudtrail:StopLogging","Resource":"*"}}"#), ADMIN);
    check(&format!(r#"{all},{{"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::audit/*"}}"#), ADMIN);
    check(
        &format!(
            r#"{all},{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"Bool":{{"aws:MultiFactorAuthPresent":"false"}}}}}}"#
        ),
        ADMIN,
    );
}
