//! Completion of names in the prompt.

use std::collections::BTreeMap;

use datafusion::prelude::SessionContext;
use reedline::{Completer, CompletionResult, Span, Suggestion};

use super::tables;

const KEYWORDS: &[&str] = &[
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COUNT",
    "CROSS",
    "DATE",
    "DESC",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "EXTRACT",
    "FALSE",
    "FILTER",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OVER",
    "PARTITION",
    "RIGHT",
    "SELECT",
    "THEN",
    "TIMESTAMP",
    "TRUE",
    "UNION",
    "USING",
    "WHEN",
    "WHERE",
    "WITH",
];
const COMMANDS: &[&str] = &["\\d", "\\format", "\\q", "\\timing", "\\?"];
/// Words behind which a table stands.
const BEFORE_TABLES: &[&str] = &["from", "join", "\\d"];

/// Knows all names of a session as it was when the prompt opened.
pub struct Names {
    tables: BTreeMap<String, Vec<String>>,
    functions: Vec<String>,
}

impl Names {
    pub async fn of(session: &SessionContext) -> Self {
        let mut known = BTreeMap::new();
        for name in tables::names(session) {
            let columns = tables::columns(session, &name).await;
            let columns = columns.map(|schema| schema.fields().iter().map(|f| f.name().clone()).collect());
            known.insert(name, columns.unwrap_or_default());
        }
        Names { tables: known, functions: tables::functions(session) }
    }

    /// What the word before the cursor may become: where it begins, the names, and what each is.
    fn candidates(&self, line: &str, at: usize) -> (usize, Vec<(String, &'static str)>) {
        let before = &line[..at];
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '\\' || c == '?';
        let start =
            before.rfind(|c| !is_word(c)).map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
        let word = before[start..].to_lowercase();
        let last = before[..start].split_whitespace().next_back().unwrap_or_default().to_lowercase();
        let begins = |name: &&String| name.starts_with(&word);
        if word.starts_with('\\') {
            let commands = COMMANDS.iter().filter(|c| c.starts_with(&word));
            return (start, commands.map(|c| (c.to_string(), "command")).collect());
        }
        if BEFORE_TABLES.contains(&last.as_str()) {
            return (start, self.tables.keys().filter(begins).map(|t| (t.clone(), "table")).collect());
        }
        if word.is_empty() {
            return (start, Vec::new());
        }
        let mut found: Vec<(String, &'static str)> = Vec::new();
        found.extend(self.columns_in(line).into_iter().filter(begins).map(|c| (c.clone(), "column")));
        found.extend(self.tables.keys().filter(begins).map(|t| (t.clone(), "table")));
        // A keyword is written as the user writes.
        let upper = before[start..].chars().next().is_some_and(char::is_uppercase);
        let keywords = KEYWORDS.iter().filter(|k| k.to_lowercase().starts_with(&word));
        found.extend(keywords.map(|k| (if upper { k.to_string() } else { k.to_lowercase() }, "keyword")));
        found.extend(self.functions.iter().filter(begins).map(|f| (format!("{f}("), "function")));
        (start, found)
    }

    /// Columns of the tables that the statement names; of `events` where it names none yet.
    fn columns_in(&self, line: &str) -> Vec<&String> {
        let line = line.to_lowercase();
        let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let mut columns: Vec<&String> =
            self.tables.iter().filter(|(table, _)| words.contains(&table.as_str())).flat_map(|(_, c)| c).collect();
        if columns.is_empty() {
            columns = self.tables.get("events").into_iter().flatten().collect();
        }
        columns.sort();
        columns.dedup();
        columns
    }
}

impl Completer for Names {
    fn complete(&mut self, line: &str, at: usize) -> CompletionResult {
        let at = (0..=at.min(line.len())).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        let (start, found) = self.candidates(line, at);
        let suggestions: Vec<Suggestion> = found
            .into_iter()
            .map(|(value, what)| Suggestion {
                append_whitespace: what != "function",
                value,
                description: Some(what.into()),
                span: Span::new(start, at),
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(line: &str) -> Vec<String> {
        let text = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        let tables = [("events", text(&["event_id", "event_name"])), ("findings", text(&["id", "severity"]))];
        let names = Names {
            tables: tables.into_iter().map(|(t, c)| (t.to_string(), c)).collect(),
            functions: text(&["json_text", "sum"]),
        };
        names.candidates(line, line.len()).1.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_fits_the_place_is_offered() {
        assert_eq!(complete("SELECT * FROM "), ["events", "findings"]);
        assert_eq!(complete("SELECT * FROM fi"), ["findings"]);
        assert_eq!(complete("SELECT event_n"), ["event_name"]);
        assert_eq!(complete("SELECT s"), ["select", "sum("]);
        assert_eq!(complete("SELECT S"), ["SELECT", "sum("]);
        assert_eq!(complete("SELECT * FROM findings WHERE sev"), ["severity"]);
        assert_eq!(complete("SELECT json_"), ["json_text("]);
        assert_eq!(complete("\\f"), ["\\format"]);
        assert!(complete("SELECT ").is_empty());
        assert!(complete("SELECT '雪").is_empty());
    }
}
