//! Makes the body of a message that was not understood fit for the ledger.
//!
//! People will read it, and it may be anything: a log's content sent to the wrong queue, a request with credentials.
//! So secrets are replaced generously, wherever they stand: members whose name says so, at any depth and in JSON inside
//! of strings, the queries of signed addresses, bearer tokens, private keys. What is replaced in vain is no loss.

use serde_json::Value;

use crate::json::is_secret;

/// Bytes of a body that are kept.
pub const SCRUBBED_BYTES_MAX: usize = 16 << 10;
/// JSON in strings in JSON is looked into this deep.
const DEPTH_MAX: u32 = 8;
const REDACTED: &str = "REDACTED";

/// Words that make the name of a member, a parameter or a header one of a secret.
const SECRET_WORDS: [&str; 12] = [
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "signature",
    "authorization",
    "cookie",
    "apikey",
    "api_key",
    "api-key",
    "privatekey",
];
/// How the values of secrets begin that tell themselves: session tokens of AWS, signed tokens, Slack's.
const SECRET_STARTS: [&str; 8] = ["IQoJb3", "FwoGZX", "FQoGZX", "FwoDYX", "eyJ", "xoxb-", "xoxp-", "xapp-"];
/// Shorter than this, text that begins like a secret is a word.
const SECRET_START_BYTES_MIN: usize = 20;

/// The body without secrets, as text of at most [`SCRUBBED_BYTES_MAX`] bytes and a note of what was cut.
pub fn scrub(body: &str) -> String {
    let text = body.trim_start_matches('\u{feff}');
    let scrubbed = match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            scrub_value(&mut value, 0);
            value.to_string()
        }
        Err(_) => scrub_text(text),
    };
    cut(scrubbed)
}

fn cut(text: String) -> String {
    // PostgreSQL's text takes no NUL.
    let text = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    if text.len() <= SCRUBBED_BYTES_MAX {
        return text;
    }
    let end = (0..=SCRUBBED_BYTES_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}… ({} bytes in all)", &text[..end], text.len())
}

fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    is_secret(name) || SECRET_WORDS.iter().any(|word| lower.contains(word))
}

fn scrub_value(value: &mut Value, depth: u32) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if is_secret_name(name) && (member.is_string() || member.is_number()) {
                    *member = Value::String(REDACTED.to_string());
                } else {
                    scrub_value(member, depth);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| scrub_value(element, depth)),
        Value::String(text) => {
            let inner = text.trim_start();
            *text = match inner.starts_with(['{', '[', '"']).then(|| serde_json::from_str::<Value>(inner)) {
                Some(Ok(mut inner)) if depth < DEPTH_MAX => {
                    scrub_value(&mut inner, depth + 1);
                    inner.to_string()
                }
                Some(Ok(_)) => REDACTED.to_string(),
                _ => scrub_text(text),
            };
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces secrets in text that has no structure, or whose structure is broken: `name = value` and `"name": "value"`
/// (escaped or not) where the name says so, and values that tell themselves.
fn scrub_text(text: &str) -> String {
    if let Some((before, rest)) = text.split_once("-----BEGIN ") {
        // A key in PEM: nothing behind its beginning is kept.
        if rest.split("-----").next().is_some_and(|label| label.contains("PRIVATE KEY")) {
            return format!("{}{REDACTED}", scrub_text(before));
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, gap, after) = word(rest);
        let names_secret = is_secret_name(word) && assigns(gap);
        let tells_itself =
            word.len() >= SECRET_START_BYTES_MIN && SECRET_STARTS.iter().any(|start| word.starts_with(start));
        out.push_str(if tells_itself { REDACTED } else { word });
        out.push_str(gap);
        rest = after;
        if names_secret || word.eq_ignore_ascii_case("bearer") && gap.trim().is_empty() && !gap.is_empty() {
            let (length, scheme) = value_length(gap, rest);
            out.push_str(if length == 0 { "" } else { REDACTED });
            rest = &rest[length..];
            if scheme {
                // "Basic abc": the scheme is not the secret.
                rest = rest.trim_start_matches(' ');
                rest = &rest[value_length("", rest).0..];
            }
        }
    }
    out
}

/// Whether what stands between two words makes the second the value of the first.
fn assigns(gap: &str) -> bool {
    gap.contains([':', '=']) && !gap.contains([',', ';', '&', '{', '}', '[', ']'])
}

/// How far the value at the start of `rest` goes, given what stands before it, and whether it is the name of a scheme
/// of authorization, behind which the secret follows.
fn value_length(gap: &str, rest: &str) -> (usize, bool) {
    let Some(quote) = gap.chars().last().filter(|c| matches!(c, '"' | '\'')) else {
        let (value, _, _) = word(rest);
        let scheme = ["basic", "bearer", "digest"].contains(&value.to_ascii_lowercase().as_str());
        return (value.len(), scheme);
    };
    // A quote of the same depth of escapes ends it.
    let slashes = |text: &str| text.len() - text.trim_end_matches('\\').len();
    let depth = slashes(&gap[..gap.len() - 1]);
    let end = rest.match_indices(quote).find(|&(at, _)| slashes(&rest[..at]) == depth);
    (end.map_or(rest.len(), |(at, _)| at - depth), false)
}

/// A word (what values of secrets are made of), what stands between it and the next word, and the rest. An `=` belongs
/// to a word only as the padding of base64, at its end.
fn word(text: &str) -> (&str, &str, &str) {
    let is_word = |c: char| {
        c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '%' | '~' | '*' | '!' | '$' | '@' | '#' | '^')
    };
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    let gap_end = text[end..].find(is_word).map_or(text.len(), |at| end + at);
    (&text[..end], &text[end..gap_end], &text[gap_end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every form of a secret is gone, and what stands beside it stays.
    fn gone(body: &str) {
        let scrubbed = scrub(body);
        assert!(!scrubbed.contains("hunter2"), "{body}\n{scrubbed}");
        assert!(scrubbed.contains("beside"), "{body}\n{scrubbed}");
    }

    #[test]
    fn secrets_are_replaced_wherever_they_stand() {
        gone(r#"{"a":{"secretAccessKey":"hunter2"},"b":"beside"}"#);
        gone(r#"{"userName":"beside","Password":"hunter2"}"#);
        gone(r#"{"beside":1,"list":[{"sessionToken":"hunter2"}]}"#);
        gone(r#"{"Type":"X","Message":"{\"beside\":1,\"SecretAccessKey\":\"hunter2\"}"}"#);
        gone(r#""{\"beside\":1,\"deep\":\"{\\\"token\\\":\\\"hunter2\\\"}\"}""#);
        gone(r#"{"beside":1,"SubscribeURL":"https://sns.example/?Action=ConfirmSubscription&Token=hunter2&X=1"}"#);
        gone("GET https://b.s3.amazonaws.com/k?beside=1&X-Amz-Security-Token=hunter2&X-Amz-Signature=hunter2");
        gone("beside password=hunter2; user=x");
        gone("beside, password: hunter2");
        gone(r#"{"beside":1,"secretAccessKey":"hunter2","#);
        gone(r#"{"Message":"{\"beside\":1,\"secretAccessKey\":\"hunter2\""#);
        gone("beside Authorization: Bearer hunter2");
        gone("beside Authorization: Basic hunter2==");
        gone("beside curl -H bearer hunter2");
        gone("beside\n-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----");
        gone(&format!("beside eyJhbGciOi.{}.hunter2", "x".repeat(20)));
        gone(r#"{"x":"beside aws_secret_access_key = hunter2"}"#);
    }

    #[test]
    fn what_is_no_secret_stays() {
        let body = r#"{"Records":[{"s3":{"bucket":{"name":"my-trail"}}}],"note":"eyJ is short, key=value, a: b"}"#;
        assert_eq!(serde_json::from_str::<Value>(&scrub(body)).unwrap(), serde_json::from_str::<Value>(body).unwrap());
        assert_eq!(scrub("just words, 1 + 1 = 2"), "just words, 1 + 1 = 2");
    }

    #[test]
    fn a_long_body_is_cut_and_says_so() {
        let scrubbed = scrub(&"é".repeat(SCRUBBED_BYTES_MAX));
        assert!(scrubbed.len() < SCRUBBED_BYTES_MAX + 40, "{}", scrubbed.len());
        assert!(scrubbed.ends_with(&format!("({} bytes in all)", 2 * SCRUBBED_BYTES_MAX)));
        assert!(!scrub("a\0b").contains('\0'));
    }
}
