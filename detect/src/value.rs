//! Values of columns as JSON, bounded.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::DataFusionError;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The longest text that a finding keeps of one value. Whoever makes a call chooses how long its parameters are.
pub(crate) const TEXT_BYTES_MAX: usize = 4_096;
/// The most items of a list that a finding keeps.
const ITEMS_MAX: usize = 100;

/// Every value of an array: text, numbers, truth values and lists as they are, times in RFC 3339, all else as text.
pub(crate) fn values(array: &ArrayRef) -> Result<Vec<Value>, DataFusionError> {
    use DataType::*;
    let rows = 0..array.len();
    Ok(match array.data_type() {
        Utf8View => {
            let texts = array.as_string_view();
            rows.map(|i| if texts.is_valid(i) { text(texts.value(i)) } else { Value::Null }).collect()
        }
        Boolean => {
            let flags = array.as_boolean();
            rows.map(|i| if flags.is_valid(i) { Value::Bool(flags.value(i)) } else { Value::Null }).collect()
        }
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 => {
            let numbers = cast(array, &Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>();
            rows.map(|i| if numbers.is_valid(i) { numbers.value(i).into() } else { Value::Null }).collect()
        }
        Float16 | Float32 | Float64 => {
            let numbers = cast(array, &Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            rows.map(|i| if numbers.is_valid(i) { numbers.value(i).into() } else { Value::Null }).collect()
        }
        List(_) => {
            let lists = array.as_list::<i32>();
            rows.map(|i| if lists.is_valid(i) { list(&lists.value(i)) } else { Ok(Value::Null) })
                .collect::<Result<_, _>>()?
        }
        Null => vec![Value::Null; array.len()],
        Utf8 | LargeUtf8 => values(&cast(array, &Utf8View)?)?,
        _ => values(&cast(array, &Utf8)?)?,
    })
}

fn list(items: &ArrayRef) -> Result<Value, DataFusionError> {
    let mut kept = values(&items.slice(0, items.len().min(ITEMS_MAX)))?;
    if items.len() > ITEMS_MAX {
        kept.push(Value::String(format!("… ({} items)", items.len())));
    }
    Ok(Value::Array(kept))
}

/// A text, cut if it is too long. What is cut off is named by its hash, so that two long texts that differ still differ.
fn text(text: &str) -> Value {
    if text.len() <= TEXT_BYTES_MAX {
        return Value::String(text.to_owned());
    }
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    let hash = crate::finding::hex(&Sha256::digest(text.as_bytes())[..8]);
    Value::String(format!("{}… ({} bytes, sha256 {hash})", &text[..end], text.len()))
}

/// A value as people read it: text without quotes, nothing as `none`.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(s) => s.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use datafusion::arrow::array::{Int32Array, ListArray, StringArray, StringViewArray, TimestampMicrosecondArray};

    #[test]
    fn columns_become_json() {
        let check = |array: ArrayRef, expected: Value| assert_eq!(Value::Array(values(&array).unwrap()), expected);
        check(Arc::new(StringViewArray::from(vec![Some("a"), None])), serde_json::json!(["a", null]));
        check(Arc::new(StringArray::from(vec!["b"])), serde_json::json!(["b"]));
        check(Arc::new(Int32Array::from(vec![Some(-1), None])), serde_json::json!([-1, null]));
        check(
            Arc::new(TimestampMicrosecondArray::from(vec![1_700_000_000_000_000]).with_timezone("UTC")),
            serde_json::json!(["2023-11-14T22:13:20Z"]),
        );
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None])]);
        check(Arc::new(list), serde_json::json!([[1, null]]));
    }

    #[test]
    fn long_texts_are_cut_and_still_differ() {
        let long = |last: &str| text(&format!("{}{last}", "ä".repeat(5_000)));
        assert_ne!(long("x"), long("y"));
        assert!(long("x").as_str().unwrap().len() < 4_200);
    }
}
