use super::*;

fn read(statements: &str) -> Document {
    let (document, errors) = Document::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#));
    assert!(errors.is_empty(), "{statements}: {errors:?}");
    document
}

fn trust(principal: &str, condition: &str) -> String {
    format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole","Condition":{condition}}}"#)
}

#[test]
fn public_or_not() {
    for (principal, condition, expected) in [
        (r#""*""#, "{}", true),
        (r#"{"AWS":"*"}"#, "{}", true),
        (r#"{"AWS":["arn:aws:iam::111122223333:root","*"]}"#, "{}", true),
        (r#"["*"]"#, "{}", true),
        (r#"{"AWS":"arn:aws:iam::111122223333:root"}"#, "{}", false),
        (r#"{"Service":"*"}"#, "{}", false),
        (r#"{"Federated":"*"}"#, "{}", false),
        (r#""*""#, r#"{"StringEquals":{"aws:PrincipalOrgID":"o-abcde12345"}}"#, false),
        (r#""*""#, r#"{"StringLike":{"aws:PrincipalOrgID":"*"}}"#, true),
        (r#""*""#, r#"{"StringNotEquals":{"aws:PrincipalOrgID":"o-abcde12345"}}"#, true),
        (r#""*""#, r#"{"Bool":{"aws:SecureTransport":"true"}}"#, true),
        (r#""*""#, r#"{"StringEquals":{"sts:ExternalId":"4711"}}"#, true),
        (r#""*""#, r#"{"IpAddress":{"aws:SourceIp":["198.51.100.0/24"]}}"#, false),
        (r#""*""#, r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:eu-west-1:111122223333:t"}}"#, false),
    ] {
        assert_eq!(read(&trust(principal, condition)).is_public(), expected, "{principal} {condition}");
    }
    assert!(read(r#"{"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}"#).is_public());
    assert!(!read(r#"{"Effect":"Deny","Principal":"*","Action":"*"}"#).is_public());
    assert!(!read(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#).is_public());
}

#[test]
fn a_denial_takes_public_access_back() {
    let allow = r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#;
    for (deny, expected) in [
        (r#""Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]"#, false),
        (
            r#""Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],"Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-abcde12345"}}"#,
            false,
        ),
        (r#""Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}"#, true),
        (r#""Action":"s3:PutObject","Resource":"*""#, true),
        (r#""Action":"s3:*","Resource":"arn:aws:s3:::b/private/*""#, true),
    ] {
        let document = read(&format!(r#"{allow},{{"Effect":"Deny","Principal":"*",{deny}}}"#));
        assert_eq!(document.is_public(), expected, "{deny}");
    }
}

#[test]
fn accounts_let_in() {
    for (principal, condition, accounts, external_id) in [
        (r#"{"AWS":"arn:aws:iam::111122223333:root"}"#, "{}", &[][..], true),
        (r#"{"AWS":"999988887777"}"#, "{}", &["999988887777"], false),
        (
            r#"{"AWS":["arn:aws:iam::999988887777:user/x","arn:aws:sts::444455556666:assumed-role/a/b","111122223333"]}"#,
            "{}",
            &["444455556666", "999988887777"],
            false,
        ),
        (r#"{"AWS":"999988887777"}"#, r#"{"StringEquals":{"sts:ExternalId":"4711"}}"#, &["999988887777"], true),
        (r#"{"AWS":"999988887777"}"#, r#"{"StringLike":{"sts:ExternalId":"*"}}"#, &["999988887777"], false),
        (r#""*""#, r#"{"StringEquals":{"aws:PrincipalAccount":"999988887777"}}"#, &["999988887777"], false),
        (
            r#"{"AWS":"111122223333"}"#,
            r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::999988887777:role/x"}}"#,
            &[],
            true,
        ),
        (r#"{"Service":"ec2.amazonaws.com"}"#, "{}", &[], true),
    ] {
        let document = read(&trust(principal, condition));
        assert_eq!(
            document.foreign_accounts("111122223333").into_iter().collect::<Vec<_>>(),
            accounts,
            "{principal} {condition}"
        );
        assert_eq!(document.external_id_required("111122223333"), external_id, "{principal} {condition}");
    }
    let denied = r#"{"Effect":"Deny","Principal":{"AWS":"999988887777"},"Action":"sts:AssumeRole"}"#;
    assert!(read(denied).foreign_accounts("111122223333").is_empty());
}

#[test]
fn providers_let_in() {
    let document = read(&trust(
        r#"{"Federated":["arn:aws:iam::111122223333:saml-provider/corp","accounts.google.com"],"AWS":"*"}"#,
        "{}",
    ));
    assert_eq!(
        document.federated().into_iter().collect::<Vec<_>>(),
        ["accounts.google.com", "arn:aws:iam::111122223333:saml-provider/corp"]
    );
}
