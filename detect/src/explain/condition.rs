//! The conditions of a WHERE, each on its own.

use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;
use serde::Serialize;
use serde_json::Value;

use crate::compiled::{Compiled, Events};
use crate::mutate;
use crate::problem::Report;
use crate::rule::Rule;
use crate::select::Planner;
use crate::value;

/// One condition of the WHERE on one event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Condition {
    /// As the rule's author wrote it.
    pub sql: String,
    /// None where it is null or failed, which chooses nothing.
    pub holds: Option<bool>,
    /// Why it could not be evaluated.
    pub error: Option<String>,
    /// The columns that it looks at.
    pub columns: BTreeMap<String, Value>,
}

/// The top-level AND terms of a rule, compiled one by one.
pub(crate) struct Conditions(Vec<(String, Vec<String>, Result<Compiled, String>)>);

impl Conditions {
    pub fn of(rule: &Rule, planner: &Planner) -> Conditions {
        let mut report = Report::new(&rule.file.shown);
        let Some(statement) = planner.statement(&rule.file.text, &mut report) else { return Conditions(Vec::new()) };
        let alone = |(sql, statement)| {
            let select = planner.select_of(statement, &rule.file.text, &mut Report::new(&rule.file.shown))?;
            let predicate = select.predicate?;
            let mut columns: Vec<String> = predicate.column_refs().into_iter().map(|c| c.name.clone()).collect();
            columns.sort();
            Some((sql, columns, planner.physical(predicate).map_err(|e| e.strip_backtrace())))
        };
        Conditions(mutate::conditions(&statement).into_iter().filter_map(alone).collect())
    }

    /// What each says of the only row of a batch.
    pub fn on(&self, row: &RecordBatch) -> Vec<Condition> {
        let events = Events::new(row.clone());
        let answer = |compiled: &Compiled| match compiled.values_or_null(&events) {
            Ok((values, _, None)) => Ok(values.first().and_then(Value::as_bool)),
            Ok((_, _, Some(error))) | Err(error) => Err(error.strip_backtrace()),
        };
        let condition = |(sql, columns, compiled): &(String, Vec<String>, Result<Compiled, String>)| {
            let answer = compiled.as_ref().map_err(Clone::clone).and_then(answer);
            Condition {
                sql: sql.clone(),
                holds: answer.as_ref().ok().copied().flatten(),
                error: answer.err(),
                columns: columns.iter().map(|c| (c.clone(), value_of(row, c))).collect(),
            }
        };
        self.0.iter().map(condition).collect()
    }
}

/// A column of the only row of a batch; null if it was not read.
pub(crate) fn value_of(row: &RecordBatch, column: &str) -> Value {
    let values = row.column_by_name(column).and_then(|array| value::values(array).ok());
    values.and_then(|values| values.into_iter().next()).unwrap_or(Value::Null)
}
