//! The beginning of a new rule: a file that says what each key means, and cases to go with it.

use crate::rule::File;

const RULE: &str = include_str!("skeleton/rule.sql");
const CASES: &str = include_str!("skeleton/rule.cases.json");

/// A rule and its cases under an id (`iam/user_created`), as they are to be written. They pass `check` as they are;
/// the author edits them from there. The error says what is wrong with the id.
pub fn skeleton(id: &str) -> Result<[File; 2], String> {
    let word = |s: &str| {
        !s.is_empty() && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    };
    let Some((folder, _)) = id.split_once('/').filter(|(folder, name)| word(folder) && word(name)) else {
        return Err(format!("`{id}` is no rule id; write <folder>/<name> in small letters, digits, `_` and `-`"));
    };
    // `account` holds rules across services; the example begins with IAM there.
    let service = if folder == "account" { "iam" } else { folder };
    let (source, name) = example(service).ok_or_else(|| {
        format!("there is no AWS service `{folder}`; name the folder after the eventSource without .amazonaws.com, or `account`")
    })?;
    let fill = |text: &str| text.replace("EVENT_SOURCE", &source).replace("EVENT_NAME", name);
    Ok([File::embedded(format!("{id}.sql"), fill(RULE)), File::embedded(format!("{id}.cases.json"), fill(CASES))])
}

/// An event source of a service and the name of an event of it.
fn example(service: &str) -> Option<(String, &'static str)> {
    let source = format!("{service}.amazonaws.com");
    let name = crate::names::EventNames::shipped().example(&source)?;
    Some((source, name))
}
