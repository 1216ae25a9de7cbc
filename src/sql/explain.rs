//! Errors of SQL, short, with what to do about them.

use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::prelude::SessionContext;
use trailhound_store::StoreError;

use super::tables;

/// Names offered in place of an unknown one.
const NEAREST_MAX: usize = 3;
/// Names listed where none is near.
const LISTED_MAX: usize = 12;
/// Lines of an error that is not known here.
const LINES_MAX: usize = 4;

/// What went wrong, with a hint where there is one.
pub async fn explain(error: &StoreError, session: &SessionContext) -> String {
    let StoreError::Query(error) = error else { return with_causes(error) };
    match root(error) {
        DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => unknown_column(field, valid_fields),
            SchemaError::AmbiguousReference { field } => {
                format!("the column `{}` is in several tables; write it as table.{}", field.name, field.name)
            }
            other => other.to_string(),
        },
        DataFusionError::SQL(parser_error, _) => {
            let text = parser_error.to_string();
            let text = text.strip_prefix("sql parser error: ").unwrap_or(&text);
            format!("this is not SQL: {}", lower_first(text))
        }
        DataFusionError::ResourcesExhausted(_) => {
            "the query needs more memory than it may use; allow more with --memory, or ask for less (fewer columns, a \
             narrower event_date)"
                .into()
        }
        DataFusionError::Plan(text) if is_unknown_table(text) => unknown_table(text, session).await,
        other => first_lines(&other.strip_backtrace()),
    }
}

/// The error below its contexts.
fn root(error: &DataFusionError) -> &DataFusionError {
    match error.find_root() {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => root(inner),
        DataFusionError::Collection(errors) if !errors.is_empty() => root(&errors[0]),
        other => other,
    }
}

fn unknown_column(field: &Column, valid: &[Column]) -> String {
    let names: Vec<&str> = valid.iter().map(|column| column.name.as_str()).collect();
    let near = nearest(&field.name, &names);
    let hint = if !near.is_empty() {
        format!("did you mean {}?", quoted(&near, "or"))
    } else if names.is_empty() {
        "a text is written in single quotes".into()
    } else {
        let more = if names.len() > LISTED_MAX { ", …" } else { "" };
        format!(
            "there are {}{more}; a text is written in single quotes",
            names[..names.len().min(LISTED_MAX)].join(", ")
        )
    };
    format!("there is no column `{}`; {hint}", field.name)
}

fn is_unknown_table(text: &str) -> bool {
    text.starts_with("table '") && text.ends_with("' not found")
}

async fn unknown_table(text: &str, session: &SessionContext) -> String {
    let name = text.trim_start_matches("table '").trim_end_matches("' not found");
    let name = name.rsplit('.').next().unwrap_or(name);
    let tables = tables::names(session);
    let names: Vec<&str> = tables.iter().map(String::as_str).collect();
    let near = nearest(name, &names);
    let hint = if near.is_empty() { String::new() } else { format!("did you mean {}? ", quoted(&near, "or")) };
    format!("there is no table `{name}`; {hint}tables are {}", names.join(", "))
}

/// Known names that a misspelt one may have meant, the nearest first.
fn nearest<'n>(word: &str, known: &[&'n str]) -> Vec<&'n str> {
    let bare = |name: &str| name.to_lowercase().replace(['_', '-'], "");
    let word = bare(word);
    let limit = 1 + word.len() / 4;
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .map(|name| {
            let other = bare(name);
            let distance = levenshtein(&word, &other);
            // `username` is meant by people who look for `request_user_name`.
            let within = word.len() >= 4 && other.contains(&word);
            (if within { distance.min(limit) } else { distance }, *name)
        })
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(NEAREST_MAX).map(|(_, name)| name).collect()
}

fn quoted(names: &[&str], last: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn first_lines(text: &str) -> String {
    text.lines().filter(|line| !line.trim().is_empty()).take(LINES_MAX).collect::<Vec<_>>().join("\n")
}

fn with_causes(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use datafusion::datasource::empty::EmptyTable;

    async fn explained(sql: &str) -> String {
        let session = SessionContext::new();
        let schema = trailhound_ingest::schema::schema();
        session.register_table("events", Arc::new(EmptyTable::new(schema))).unwrap();
        match trailhound_store::query(&session, sql).await {
            Ok(_) => "fine".into(),
            Err(error) => explain(&error, &session).await,
        }
    }

    #[tokio::test]
    async fn errors_are_short_and_say_what_to_do() {
        for (sql, expected) in [
            ("SELECT 1", "fine"),
            ("SELECT eventName FROM events", "there is no column `eventname`; did you mean `event_name`"),
            ("SELECT username FROM events", "there is no column `username`; did you mean"),
            ("SELECT zzzzzzzzz FROM events", "there is no column `zzzzzzzzz`; there are event_id, "),
            ("SELECT * FROM event", "there is no table `event`; did you mean `events`? tables are events"),
            ("SELEC 1", "this is not SQL: expected: an SQL statement, found: SELEC at Line: 1, Column: 1"),
            ("DELETE FROM events", "only single SELECT statements are allowed here"),
            ("SELECT 1; SELECT 2", "only single SELECT statements are allowed here: 2 statements were given"),
            ("SELECT nosuch(event_id) FROM events", "Error during planning: Invalid function 'nosuch'"),
        ] {
            let got = explained(sql).await;
            assert!(got.starts_with(expected), "{sql}: {got}");
            assert!(got.lines().count() <= LINES_MAX, "{sql}: {got}");
        }
    }
}
