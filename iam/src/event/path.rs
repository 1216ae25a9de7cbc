//! Paths into request parameters: `roles[].roleArn`, without regard to case, because services spell members as they like.

use serde_json::Value;

use crate::document::element;

/// The values at a path. A list is gone through whether or not the path says `[]`, and so is the `{"items": […]}` in
/// which EC2 wraps its lists, so that paths do not name `items`. Null, empty texts and empty lists are no values.
pub(super) fn values<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    let mut found = vec![value];
    for part in path.split('.') {
        let member = part.strip_suffix("[]").unwrap_or(part);
        found = found.into_iter().flat_map(each).filter_map(|v| element(v.as_object()?, member)).collect();
    }
    found.into_iter().flat_map(each).filter(|v| !v.is_null() && v.as_str() != Some("")).collect()
}

/// The texts at a path; numbers and booleans as JSON writes them.
pub(super) fn texts(value: &Value, path: &str) -> Vec<String> {
    values(value, path).into_iter().filter_map(text).collect()
}

/// Every text in a value under a member of this name, at any depth.
pub(super) fn texts_under(value: &Value, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, &mut |member, v| {
        if member.eq_ignore_ascii_case(name) {
            found.extend(each(v).into_iter().filter_map(text));
        }
    });
    found
}

/// Every text in a value that begins as an ARN does.
pub(super) fn arns(value: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    walk(value, &mut |_, v| {
        found.extend(each(v).into_iter().filter_map(Value::as_str).filter(|text| text.starts_with("arn:")));
    });
    found
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn each(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(all) => all.iter().collect(),
        Value::Object(object) if object.len() == 1 => match object.get("items") {
            Some(Value::Array(all)) => all.iter().collect(),
            _ => vec![value],
        },
        one => vec![one],
    }
}

/// All members of all objects in a value, outer ones first. serde_json reads no more than 128 levels.
fn walk<'v>(value: &'v Value, seen: &mut impl FnMut(&'v str, &'v Value)) {
    match value {
        Value::Object(object) => {
            for (member, inner) in object {
                seen(member, inner);
            }
            object.values().for_each(|inner| walk(inner, seen));
        }
        Value::Array(all) => all.iter().for_each(|inner| walk(inner, seen)),
        _ => {}
    }
}
