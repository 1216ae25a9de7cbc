//! A policy document as values: statements with who, what, on what and when.
//!
//! Comes in as text from whoever called AWS, in any of the forms in which CloudTrail passes it on: JSON, JSON
//! encoded for a URL (IAM), or JSON as a string within JSON. Reading never fails whole: what could be read is given
//! with a list of what could not. Names of elements are taken without regard to case and unknown ones are passed
//! over, because a document that AWS accepted must not hide here behind its spelling.

use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::condition::Condition;
use crate::pattern;
use crate::principal::Principal;

/// JSON in a string in JSON …: how many wrappings are taken off.
const LAYERS_MAX: usize = 4;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Document {
    pub version: Option<String>,
    pub statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    pub sid: Option<String>,
    pub effect: Effect,
    /// `Unstated` in identity policies.
    pub principals: Selection<Principal>,
    /// Patterns of `service:action`, as written; compared without regard to case.
    pub actions: Selection<String>,
    /// Patterns of ARNs, as written. `Unstated` in trust policies.
    pub resources: Selection<String>,
    /// All have to be met.
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Effect {
    Allow,
    Deny,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`, `Principal` or `NotPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selection<T> {
    Only(Vec<T>),
    /// Everything but these.
    Except(Vec<T>),
    /// The statement has neither element.
    Unstated,
}

/// A part of a document that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    #[error("the policy document is not JSON ({0})")]
    NotJson(String),
    #[error("the policy document is not a JSON object with a Statement")]
    NotAPolicy,
    #[error("statement {index}: {element} is {found}, expected {expected}")]
    Element { index: usize, element: &'static str, found: &'static str, expected: &'static str },
}

impl Document {
    /// Reads a document; statements without a usable `Effect` are left out and told.
    pub fn parse(text: &str) -> (Document, Vec<ReadError>) {
        match unwrap(text) {
            Ok(value) => Document::from_json(&value),
            Err(error) => (Document::default(), vec![error]),
        }
    }

    /// As [`Document::parse`], from JSON that is already read.
    pub fn from_json(value: &Value) -> (Document, Vec<ReadError>) {
        let Some((object, statements)) = value.as_object().and_then(|o| Some((o, element(o, "Statement")?))) else {
            return (Document::default(), vec![ReadError::NotAPolicy]);
        };
        let mut errors = Vec::new();
        let mut statements: Vec<Statement> = match statements {
            Value::Array(all) => all.iter().enumerate().filter_map(|(i, s)| statement(i, s, &mut errors)).collect(),
            one => statement(0, one, &mut errors).into_iter().collect(),
        };
        // Of an organisation's million statements nothing is to be spare.
        statements.shrink_to_fit();
        (Document { version: element(object, "Version").and_then(scalar), statements }, errors)
    }
}

impl Statement {
    /// Whether the statement holds in every request: no condition, or only such as ask nothing.
    pub fn is_unconditional(&self) -> bool {
        self.conditions.iter().all(Condition::asks_nothing)
    }
}

impl Selection<String> {
    /// Whether `name` is selected; `matches` is how a pattern meets a name.
    pub(crate) fn selects(&self, name: &str, matches: impl Fn(&str, &str) -> bool) -> bool {
        match self {
            Selection::Only(patterns) => patterns.iter().any(|p| matches(p, name)),
            Selection::Except(patterns) => !patterns.iter().any(|p| matches(p, name)),
            Selection::Unstated => false,
        }
    }

    /// Whether whatever `other` selects is surely selected here too.
    pub(crate) fn covers(&self, other: &Selection<String>) -> bool {
        match (self, other) {
            (Selection::Only(wide), Selection::Only(narrow)) => {
                narrow.iter().all(|n| wide.iter().any(|w| pattern::covers(w, n)))
            }
            (Selection::Only(wide), _) => wide.iter().any(|w| pattern::is_anything(w)),
            (Selection::Except(_), _) => false,
            (Selection::Unstated, _) => *other == Selection::Unstated,
        }
    }
}

/// Takes off string and URL wrappings until an object stands there.
///
/// # Errors
/// Where none stands there.
pub fn unwrap(text: &str) -> Result<Value, ReadError> {
    let mut text = text.trim().trim_start_matches('\u{feff}').to_owned();
    for _ in 0..LAYERS_MAX {
        match serde_json::from_str(&text) {
            Ok(Value::String(inner)) => text = inner.trim().to_owned(),
            Ok(value) => return Ok(value),
            Err(error) => match url_decoded(&text) {
                Some(decoded) => text = decoded,
                None => return Err(ReadError::NotJson(error.to_string())),
            },
        }
    }
    Err(ReadError::NotAPolicy)
}

/// The text decoded, if it looks like encoded JSON at all. `+` is a space only in forms, where none is left as such.
fn url_decoded(text: &str) -> Option<String> {
    let begins_json = |t: &str| t.trim_start().starts_with(['{', '"']);
    if begins_json(text) || !text.contains('%') {
        return None;
    }
    let text = if text.contains(' ') || text.contains("%20") { text.to_owned() } else { text.replace('+', " ") };
    let decoded = percent_decode_str(&text).decode_utf8_lossy().trim().to_owned();
    (begins_json(&decoded) || decoded.starts_with('%')).then_some(decoded)
}

/// A member by name without regard to case.
pub(crate) fn element<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v))
}

fn statement(index: usize, value: &Value, errors: &mut Vec<ReadError>) -> Option<Statement> {
    let mut wrong = |element, value: &Value, expected| {
        errors.push(ReadError::Element { index, element, found: kind_of(value), expected });
    };
    let Some(object) = value.as_object() else {
        wrong("Statement", value, "an object");
        return None;
    };
    let effect = match element(object, "Effect") {
        Some(Value::String(s)) if s.eq_ignore_ascii_case("Allow") => Effect::Allow,
        Some(Value::String(s)) if s.eq_ignore_ascii_case("Deny") => Effect::Deny,
        other => {
            wrong("Effect", other.unwrap_or(&Value::Null), "\"Allow\" or \"Deny\"");
            return None;
        }
    };
    let conditions = element(object, "Condition").map(|c| conditions(c, &mut wrong)).unwrap_or_default();
    let mut texts = |only, except| {
        selection(object, only, except, |value| match texts_of(value) {
            Some(texts) => texts,
            None => {
                wrong(only, value, "a string or an array of strings");
                Vec::new()
            }
        })
    };
    Some(Statement {
        actions: texts("Action", "NotAction"),
        resources: texts("Resource", "NotResource"),
        principals: selection(object, "Principal", "NotPrincipal", principals),
        conditions,
        sid: element(object, "Sid").and_then(scalar),
        effect,
    })
}

fn selection<T>(
    object: &Map<String, Value>,
    only: &'static str,
    except: &'static str,
    mut read: impl FnMut(&Value) -> Vec<T>,
) -> Selection<T> {
    if let Some(value) = element(object, only) {
        Selection::Only(read(value))
    } else if let Some(value) = element(object, except) {
        Selection::Except(read(value))
    } else {
        Selection::Unstated
    }
}

/// `"*"`, `["…"]` (seen in the wild), or an object of kind → value or values.
fn principals(value: &Value) -> Vec<Principal> {
    let of = |kind: &str, value: &Value| -> Vec<Principal> {
        texts_of(value).unwrap_or_default().iter().map(|v| Principal::new(kind, v)).collect()
    };
    match value {
        Value::Object(kinds) => kinds.iter().flat_map(|(kind, value)| of(kind, value)).collect(),
        other => of("", other),
    }
}

/// Operator → key → value or values. What has another form is told and asks nothing.
fn conditions(value: &Value, mut wrong: impl FnMut(&'static str, &Value, &'static str)) -> Vec<Condition> {
    let mut all = Vec::new();
    let Some(operators) = value.as_object() else {
        wrong("Condition", value, "an object of operators");
        return all;
    };
    for (operator, keys) in operators {
        let Some(keys) = keys.as_object() else {
            wrong("Condition", keys, "an object of condition keys for each operator");
            continue;
        };
        for (key, values) in keys {
            let values = texts_of(values).unwrap_or_else(|| {
                wrong("Condition", values, "a string or an array of strings for each condition key");
                Vec::new()
            });
            all.push(Condition { operator: operator.clone(), key: key.clone(), values });
        }
    }
    all.shrink_to_fit();
    all
}

/// A scalar or an array of scalars as texts; numbers and booleans as JSON writes them.
fn texts_of(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(values) => {
            let mut texts = Vec::with_capacity(values.len());
            for value in values {
                texts.push(scalar(value)?);
            }
            Some(texts)
        }
        one => scalar(one).map(|text| vec![text]),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "missing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "another string",
        Value::Array(_) => "an array of something else",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
