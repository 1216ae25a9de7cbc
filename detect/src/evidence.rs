//! The values that a rule's SELECT gives for an event, as what they are remembered by: JSON text.
//!
//! Most columns are text, most events are only counted: so a text is written from its column straight to where it is
//! hashed, and becomes a JSON value of its own only in a finding.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::DataFusionError;
use serde_json::{Number, Value};
use trailhound_ingest::json::write_text;
use xxhash_rust::xxh3::xxh3_128;

use crate::value;

/// The values of one event, by their place among the SELECT's columns beside `event_id`.
pub(crate) trait Evidence {
    fn is_null(&self, column: usize) -> bool;
    fn text(&self, column: usize) -> Option<&str>;
    fn number(&self, column: usize) -> Option<Number>;
    /// Whether another event has the same value.
    fn is_same(&self, other: &Self, column: usize) -> bool;
    /// Appends the value as JSON.
    fn write(&self, column: usize, out: &mut String);
}

impl<E: Evidence + ?Sized> Evidence for &E {
    fn is_null(&self, column: usize) -> bool {
        (**self).is_null(column)
    }

    fn text(&self, column: usize) -> Option<&str> {
        (**self).text(column)
    }

    fn number(&self, column: usize) -> Option<Number> {
        (**self).number(column)
    }

    fn is_same(&self, other: &Self, column: usize) -> bool {
        (**self).is_same(*other, column)
    }

    fn write(&self, column: usize, out: &mut String) {
        (**self).write(column, out);
    }
}

impl Evidence for [Value] {
    fn is_null(&self, column: usize) -> bool {
        self[column].is_null()
    }

    fn text(&self, column: usize) -> Option<&str> {
        self[column].as_str()
    }

    fn number(&self, column: usize) -> Option<Number> {
        self[column].as_number().cloned()
    }

    fn is_same(&self, other: &Self, column: usize) -> bool {
        are_same(&self[column], &other[column])
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
    /// Each finite or null.
    Floats(Float64Array),
    Values(Vec<Value>),
}

impl Column {
    pub fn of(array: &ArrayRef) -> Result<Column, DataFusionError> {
        match Column::standing(array)? {
            Some(column) => Ok(column),
            None => Ok(Column::Values(value::values(array)?)),
        }
    }

    /// The same of what can be looked at where it stands: texts none of which is too long, and floating point numbers. None for
    /// others.
    pub fn standing(array: &ArrayRef) -> Result<Option<Column>, DataFusionError> {
        let texts = match array.data_type() {
            DataType::Float64 => {
                let floats = array.as_primitive::<Float64Type>();
                let are_finite = floats.iter().flatten().all(f64::is_finite);
                return Ok(are_finite.then(|| Column::Floats(floats.clone())));
            }
            DataType::Utf8View => array.as_string_view().clone(),
            DataType::Utf8 | DataType::LargeUtf8 => cast(array, &DataType::Utf8View)?.as_string_view().clone(),
            _ => return Ok(None),
        };
        // None is longer than all the bits of all lengths together say, which is mostly enough and seen faster.
        let fits = texts.lengths().fold(0, |all, bytes| all | bytes) as usize <= value::TEXT_BYTES_MAX
            || texts.lengths().all(|bytes| bytes as usize <= value::TEXT_BYTES_MAX);
        Ok(fits.then_some(Column::Texts(texts)))
    }
}

/// A column as a rule's memory holds it.
#[derive(Debug)]
pub(crate) enum Held {
    /// The values of the rows that the rule chose.
    Chosen(Column),
    /// Those of all rows of the batch, whichever rule chose them.
    Batch(Arc<Column>),
}

/// One row of columns; those that are not needed are not there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowOf<'c> {
    pub columns: &'c [Option<Held>],
    /// Its place among those that were chosen.
    pub row: usize,
    /// Its place in the batch.
    pub place: usize,
}

impl RowOf<'_> {
    fn column(&self, column: usize) -> (&Column, usize) {
        match self.columns[column].as_ref().expect("a plan reads only the columns that it says it needs") {
            Held::Chosen(column) => (column, self.row),
            Held::Batch(column) => (column, self.place),
        }
    }

    /// The hash of a value: values of one column with the same hash are taken to be the same, as entities are.
    pub fn digest(&self, column: usize) -> u128 {
        match self.column(column) {
            (Column::Texts(texts), row) if texts.is_valid(row) => xxh3_128(texts.value(row).as_bytes()),
            (Column::Floats(floats), row) if floats.is_valid(row) => {
                xxh3_128(&floats.value(row).to_bits().to_le_bytes())
            }
            (Column::Texts(_) | Column::Floats(_), _) => 0,
            (Column::Values(values), row) => {
                let mut text = String::new();
                write_value(&values[row], &mut text);
                xxh3_128(text.as_bytes())
            }
        }
    }
}

impl Evidence for RowOf<'_> {
    fn is_null(&self, column: usize) -> bool {
        match self.column(column) {
            (Column::Texts(texts), row) => texts.is_null(row),
            (Column::Floats(floats), row) => floats.is_null(row),
            (Column::Values(values), row) => values[row].is_null(),
        }
    }

    fn text(&self, column: usize) -> Option<&str> {
        match self.column(column) {
            (Column::Texts(texts), row) => texts.is_valid(row).then(|| texts.value(row)),
            (Column::Floats(_), _) => None,
            (Column::Values(values), row) => values[row].as_str(),
        }
    }

    fn number(&self, column: usize) -> Option<Number> {
        match self.column(column) {
            (Column::Texts(_), _) => None,
            (Column::Floats(floats), row) => floats.is_valid(row).then(|| Number::from_f64(floats.value(row)))?,
            (Column::Values(values), row) => values[row].as_number().cloned(),
        }
    }

    /// Both stand in the same columns.
    fn is_same(&self, other: &Self, column: usize) -> bool {
        let (held, row) = self.column(column);
        let (_, beside) = other.column(column);
        match held {
            Column::Texts(texts) => {
                // A view holds the length and a short text itself, or the place of a long one.
                let same = || texts.views()[row] == texts.views()[beside] || texts.value(row) == texts.value(beside);
                texts.is_null(row) == texts.is_null(beside) && same()
            }
            Column::Floats(floats) => {
                let same = || floats.value(row).to_bits() == floats.value(beside).to_bits();
                floats.is_null(row) == floats.is_null(beside) && (floats.is_null(row) || same())
            }
            Column::Values(values) => are_same(&values[row], &values[beside]),
        }
    }

    fn write(&self, column: usize, out: &mut String) {
        match self.column(column) {
            (Column::Texts(texts), row) if texts.is_null(row) => out.push_str("null"),
            (Column::Texts(texts), row) => write_text(texts.value(row), out),
            (Column::Floats(floats), row) if floats.is_null(row) => out.push_str("null"),
            (Column::Floats(floats), row) => write_value(&Value::from(floats.value(row)), out),
            (Column::Values(values), row) => write_value(&values[row], out),
        }
    }
}

/// Whether two values are written in the same way.
fn are_same(one: &Value, other: &Value) -> bool {
    let sign = |value: &Value| value.as_f64().is_some_and(f64::is_sign_negative);
    one == other && sign(one) == sign(other)
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

    use datafusion::arrow::array::{Int64Array, StringArray};
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
            Arc::new(Float64Array::from(vec![Some(-0.0), Some(f64::NAN), Some(1e300)])),
        ];
        let held = |array| Some(Held::Chosen(Column::of(array).unwrap()));
        let columns: Vec<Option<Held>> = arrays.iter().map(held).collect();
        let values: Vec<Vec<Value>> = arrays.iter().map(|array| value::values(array).unwrap()).collect();
        for row in 0..3 {
            let one: Vec<Value> = values.iter().map(|column| column[row].clone()).collect();
            let (one, other) = (one.as_slice(), RowOf { columns: &columns, row, place: 7 });
            for column in 0..arrays.len() {
                let (mut a, mut b) = (String::new(), String::new());
                one.write(column, &mut a);
                other.write(column, &mut b);
                assert_eq!((&a, &a), (&b, &json!(one[column]).to_string()));
                assert_eq!(one.is_null(column), other.is_null(column));
                assert_eq!(one.text(column), other.text(column));
                assert_eq!(one.number(column), other.number(column));
                for beside in 0..3 {
                    let (value, held) = (values[column][beside].clone(), RowOf { row: beside, ..other });
                    let written = |value: &Value| json!(value).to_string();
                    let same = written(&one[column]) == written(&value);
                    assert_eq!(other.is_same(&held, column), same);
                    assert_eq!(other.digest(column) == held.digest(column), same);
                }
            }
        }
    }
}
