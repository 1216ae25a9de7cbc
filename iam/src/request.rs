//! Where in a call's request parameters the policy document stands.

use serde_json::Value;

use crate::document::{Document, element, unwrap};

/// The members that hold a document, over the services: IAM and Organizations, IAM roles, KMS and CodeArtifact …,
/// S3 (as an object), ECR, Secrets Manager, OpenSearch, Backup and EventBridge;
/// Identity Center's permission sets.
const NAMES: &[&str] = &[
    "policyDocument",
    "assumeRolePolicyDocument",
    "bucketPolicy",
    "policyText",
    "inlinePolicy",
    "resourcePolicy",
    "accessPolicies",
    "accessPolicy",
    "policy",
];

/// SQS and SNS keep the policy among named attributes: a map of them, or one name and its value.
const ATTRIBUTES: &str = "attributes";

/// The policy document in a call's request parameters, as text; the text itself where it is a document.
///
/// None where there is none, where the text is no JSON, and where CloudTrail left the parameters out for their size
/// (`{"omitted": true, …}`).
pub fn document_in(request_parameters: &str) -> Option<String> {
    locate(&unwrap(request_parameters).ok()?)
}

/// The document that a text is or holds, read. Empty where there is none.
pub(crate) fn read(text: &str) -> Document {
    let Ok(value) = unwrap(text) else { return Document::default() };
    match locate(&value) {
        Some(document) => Document::parse(&document).0,
        None => Document::default(),
    }
}

fn locate(value: &Value) -> Option<String> {
    let object = value.as_object()?;
    if element(object, "Statement").is_some() {
        return Some(value.to_string());
    }
    if let Some(document) = NAMES.iter().find_map(|name| document_of(element(object, name)?)) {
        return Some(document);
    }
    let of_attribute = match element(object, ATTRIBUTES) {
        Some(Value::Object(attributes)) => element(attributes, "Policy"),
        _ => element(object, "attributeName")
            .filter(|name| name.as_str().is_some_and(|n| n.eq_ignore_ascii_case("Policy")))
            .and_then(|_| element(object, "attributeValue")),
    };
    of_attribute.and_then(Value::as_str).map(str::to_owned)
}

/// The document that a member holds. S3 sends `"policy": [""]` beside the one that counts: what is neither text nor an
/// object is passed over, and so is empty text.
fn document_of(member: &Value) -> Option<String> {
    match member {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        // Glacier wraps it once more: {"policy": {"policy": "…"}}.
        Value::Object(inner) => match element(inner, "policy") {
            Some(Value::String(text)) => Some(text.clone()),
            _ => Some(member.to_string()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_document() {
        let document = r#"{"Statement":[]}"#;
        for (parameters, expected) in [
            (r#"{"roleName":"ci","assumeRolePolicyDocument":"{\"Statement\":[]}"}"#, Some(document)),
            (r#"{"userName":"mia","policyName":"p","policyDocument":"{\"Statement\":[]}"}"#, Some(document)),
            (r#"{"bucketName":"b","bucketPolicy":{"Statement":[]},"policy":[""]}"#, Some(document)),
            (r#"{"bucketName":"b","policy":"","Policy":"","bucketPolicy":{"Statement":[]}}"#, Some(document)),
            (r#"{"keyId":"k","policy":"{\"Statement\":[]}"}"#, Some(document)),
            (r#"{"queueUrl":"q","attributes":{"Policy":"{\"Statement\":[]}"}}"#, Some(document)),
            (r#"{"topicArn":"t","attributeName":"Policy","attributeValue":"{\"Statement\":[]}"}"#, Some(document)),
            (r#"{"topicArn":"t","attributeName":"DisplayName","attributeValue":"{\"Statement\":[]}"}"#, None),
            (r#"{"vaultName":"v","policy":{"policy":"{\"Statement\":[]}"}}"#, Some(document)),
            (document, Some(document)),
            ("%7B%22Statement%22%3A%5B%5D%7D", Some(document)),
            (r#"{"reason":"requestParameters too large","omitted":true,"originalSize":153600}"#, None),
            (r#"{"policyArn":"arn:aws:iam::aws:policy/ReadOnlyAccess"}"#, None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(document_in(parameters).as_deref(), expected, "{parameters}");
        }
    }
}
