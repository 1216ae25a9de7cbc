use super::*;

fn only(texts: &[&str]) -> Selection<String> {
    Selection::Only(texts.iter().map(|t| t.to_string()).collect())
}

#[test]
fn every_wrapping_gives_the_same() {
    let plain = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get+ Object","Resource":"*"}}"#;
    let expected = Document::parse(plain);
    assert_eq!(expected.0.statements[0].actions, only(&["s3:Get+ Object"]));
    let in_string = serde_json::to_string(plain).unwrap();
    let twice = serde_json::to_string(&in_string).unwrap();
    let url = percent_encoding::utf8_percent_encode(plain, percent_encoding::NON_ALPHANUMERIC).to_string();
    let url_twice = percent_encoding::utf8_percent_encode(&url, percent_encoding::NON_ALPHANUMERIC).to_string();
    let url_in_string = serde_json::to_string(&url).unwrap();
    for text in [in_string, twice, url, url_twice, url_in_string, format!("  {plain}\n"), format!("\u{feff}{plain}")] {
        assert_eq!(Document::parse(&text), expected, "{text}");
    }
    let form = "%7B%22Statement%22:%7B%22Effect%22:%22Allow%22,+%22Action%22:+%22s3:*%22%7D%7D";
    assert_eq!(Document::parse(form).0.statements[0].actions, only(&["s3:*"]));
}

#[test]
fn elements_come_single_or_many_and_in_any_case() {
    let (document, errors) = Document::parse(
        r#"{"version":"2012-10-17","Id":"x","statement":[
            {"Sid":"A","effect":"Allow","NotAction":["iam:*","sts:*"],"NotResource":"arn:aws:s3:::logs"},
            {"Effect":"Deny","Principal":{"AWS":["111122223333","*"],"Service":"ec2.amazonaws.com","Federated":"cognito-identity.amazonaws.com"},
             "action":"sts:AssumeRole","Condition":{"Bool":{"aws:SecureTransport":false},"NumericLessThan":{"s3:max-keys":["10"]}}},
            {"Effect":"Allow","NotPrincipal":"*","Action":"sts:AssumeRole"}]}"#,
    );
    assert_eq!(errors, []);
    let [first, second, third] = &document.statements[..] else { panic!("{document:?}") };
    assert_eq!(first.actions, Selection::Except(vec!["iam:*".into(), "sts:*".into()]));
    assert_eq!(first.resources, Selection::Except(vec!["arn:aws:s3:::logs".into()]));
    assert_eq!((first.sid.as_deref(), &first.principals), (Some("A"), &Selection::Unstated));
    assert_eq!(second.effect, Effect::Deny);
    let Selection::Only(principals) = &second.principals else { panic!("{second:?}") };
    assert!(
        principals.contains(&Principal::Everyone)
            && principals.contains(&Principal::Service("ec2.amazonaws.com".into()))
    );
    assert_eq!(second.conditions.len(), 2);
    assert_eq!(second.conditions[0].values, ["false"]);
    assert_eq!(third.principals, Selection::Except(vec![Principal::Everyone]));
}

#[test]
fn what_cannot_be_read_is_told_beside_what_can() {
    for (text, statements, error) in [
        ("", 0, "the policy document is not JSON (EOF while parsing a value at line 1 column 0)"),
        ("not a policy", 0, "the policy document is not JSON (expected ident at line 1 column 2)"),
        ("[]", 0, "the policy document is not a JSON object with a Statement"),
        (r#"{"Version":"2012-10-17"}"#, 0, "the policy document is not a JSON object with a Statement"),
        (
            r#"{"Statement":[{"Action":"*"},{"Effect":"Allow","Action":"*"}]}"#,
            1,
            "statement 0: Effect is missing, expected \"Allow\" or \"Deny\"",
        ),
        (
            r#"{"Statement":["x",{"Effect":"Deny","Action":"*"}]}"#,
            1,
            "statement 0: Statement is another string, expected an object",
        ),
        (
            r#"{"Statement":{"Effect":"Allow","Action":{"s3":"*"}}}"#,
            1,
            "statement 0: Action is an object, expected a string or an array of strings",
        ),
    ] {
        let (document, errors) = Document::parse(text);
        assert_eq!(document.statements.len(), statements, "{text}");
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [error], "{text}");
    }
}

#[test]
fn nesting_beyond_reason_is_an_error_not_a_crash() {
    let deep = "[".repeat(100_000);
    assert!(matches!(Document::parse(&deep).1[..], [ReadError::NotJson(_)]));
    let wrapped = (0..8).fold("{}".to_owned(), |text, _| serde_json::to_string(&text).unwrap());
    assert_eq!(Document::parse(&wrapped).1, [ReadError::NotAPolicy]);
}
