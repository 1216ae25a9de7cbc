//! The values that a rule's SELECT gives for an event, as what they are remembered by: JSON text.
//!
//! Most columns are text, most events are only counted: so a text is written from its column straight to where it is
//! hashed, and becomes a JSON value of its own only in a finding.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use serde_json::{Number, Value};
use trailhound_ingest::json::write_text;

use crate::value;

/// The values of one event, by their place among the SELECT's columns beside `event_id`.
pub(crate) trait Evidence {
    fn is_null(&self, column: usize) -> bool;
    fn text(&self, column: usize) -> Option<&str>;
    fn number(&self, column: usize) -> Option<&Number>;
    /// Appends the value as JSON.
    fn write(&self, column: usize, out: &mut String);
}

impl Evidence for [Value] {
    fn is_null(&self, column: usize) -> bool {
        self[column].is_null()
    }

    fn text(&self, column: usize) -> Option<&str> {
        self[column].as_str()
    }

    fn number(&self, column: usize) -> Option<&Number> {
        self[column].as_number()
    }

    fn write(&self, column: usize, out: &mut String) {
        write_value(&self[column], out);
    }
}

/// A column's values for some rows.
#[derive(Debug)]
pub(crate) enum Column {
    /// None longer than a finding keeps.
    Texts(StringViewArray),
    Values(Vec<Value>),
}

impl Column {
    pub fn of(array: &ArrayRef) -> Result<Column, DataFusionError> {
        let texts = match array.data_type() {
            DataType::Utf8View => array.as_string_view().clone(),
            DataType::Utf8 | DataType::LargeUtf8 => cast(array, &DataType::Utf8View)?.as_string_view().clone(),
            _ => return Ok(Column::Values(value::values(array)?)),
        };
        let fits = texts.iter().flatten().all(|text| text.len() <= value::TEXT_BYTES_MAX);
        if fits { Ok(Column::Texts(texts)) } else { Ok(Column::Values(value::values(array)?)) }
    }
}

/// One row of columns; those that are not needed are not there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowOf<'c> {
    pub columns: &'c [Option<Column>],
    pub row: usize,
}

impl RowOf<'_> {
    fn column(&self, column: usize) -> &Column {
        self.columns[column].as_ref().expect("a plan reads only the columns that it says it needs")
    }
}

impl Evidence for RowOf<'_> {
    fn is_null(&self, column: usize) -> bool {
        match self.column(column) {
            Column::Texts(texts) => texts.is_null(self.row),
            Column::Values(values) => values[self.row].is_null(),
        }
    }

    fn text(&self, column: usize) -> Option<&str> {
        match self.column(column) {
            Column::Texts(texts) => texts.is_valid(self.row).then(|| texts.value(self.row)),
            Column::Values(values) => values[self.row].as_str(),
        }
    }

    fn number(&self, column: usize) -> Option<&Number> {
        match self.column(column) {
            Column::Texts(_) => None,
            Column::Values(values) => values[self.row].as_number(),
        }
    }

    fn write(&self, column: usize, out: &mut String) {
        match self.column(column) {
            Column::Texts(texts) if texts.is_null(self.row) => out.push_str("null"),
            Column::Texts(texts) => write_text(texts.value(self.row), out),
            Column::Values(values) => write_value(&values[self.row], out),
        }
    }
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::String(text) => write_text(text, out),
        other => out.push_str(&serde_json::to_string(other).expect("JSON values are written as JSON")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Float64Array, Int64Array, StringArray};
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_written_as_their_values_are() {
        let long = "x".repeat(value::TEXT_BYTES_MAX + 1);
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from(vec![Some("plain"), Some("a \"b\" \\ \n ä \u{7f} \u{1}"), None])),
            Arc::new(StringArray::from(vec![Some("plain"), None, Some("")])),
            Arc::new(StringViewArray::from(vec![Some("a"), Some(long.as_str()), None])),
            Arc::new(Int64Array::from(vec![Some(-3), None, Some(7)])),
            Arc::new(Float64Array::from(vec![Some(717.0), Some(-0.5), None])),
        ];
        let columns: Vec<Option<Column>> = arrays.iter().map(|array| Some(Column::of(array).unwrap())).collect();
        let values: Vec<Vec<Value>> = arrays.iter().map(|array| value::values(array).unwrap()).collect();
        for row in 0..3 {
            let one: Vec<Value> = values.iter().map(|column| column[row].clone()).collect();
            let (one, other) = (one.as_slice(), RowOf { columns: &columns, row });
            for column in 0..arrays.len() {
                let (mut a, mut b) = (String::new(), String::new());
                one.write(column, &mut a);
                other.write(column, &mut b);
                assert_eq!((&a, &a), (&b, &json!(one[column]).to_string()));
                assert_eq!(one.is_null(column), other.is_null(column));
                assert_eq!(one.text(column), other.text(column));
                assert_eq!(one.number(column), other.number(column));
            }
        }
    }
}
