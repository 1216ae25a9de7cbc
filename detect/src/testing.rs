//! Rows of `events` for tests, from JSON objects of columns.

use std::sync::Arc;

use datafusion::arrow::array::*;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use serde_json::{Value, json};
use trailhound_ingest::schema::schema;

use crate::rule::File;
use crate::select::Planner;

pub fn planner() -> Planner {
    Planner::new(trailhound_store::functions::register).unwrap()
}

/// A batch; columns that a row does not name are null, or a made-up value where they may not be.
pub fn batch(rows: &[Value]) -> RecordBatch {
    let schema = schema();
    let columns = schema.fields().iter().map(|field| {
        let value = |i: usize| {
            let given = rows[i].get(field.name()).cloned().unwrap_or(Value::Null);
            if given.is_null() && !field.is_nullable() { made_up(field.name(), field.data_type(), i) } else { given }
        };
        let values = (0..rows.len()).map(value);
        let column: ArrayRef = match field.data_type() {
            DataType::Utf8View => Arc::new(values.map(|v| v.as_str().map(str::to_owned)).collect::<StringViewArray>()),
            DataType::Boolean => Arc::new(values.map(|v| v.as_bool()).collect::<BooleanArray>()),
            DataType::Int32 => Arc::new(values.map(|v| v.as_i64().map(|n| n as i32)).collect::<Int32Array>()),
            DataType::Int64 => Arc::new(values.map(|v| v.as_i64()).collect::<Int64Array>()),
            DataType::Float64 => Arc::new(values.map(|v| v.as_f64()).collect::<Float64Array>()),
            DataType::Date32 => Arc::new(values.map(|v| v.as_i64().map(|n| n as i32)).collect::<Date32Array>()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Arc::new(values.map(|v| v.as_i64()).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
            other => new_null_array(other, rows.len()),
        };
        column
    });
    let columns = columns.collect();
    RecordBatch::try_new(schema.clone(), columns).unwrap()
}

fn made_up(name: &str, kind: &DataType, row: usize) -> Value {
    match (name, kind) {
        ("outcome", _) => json!("success"),
        ("principal_class", _) => json!("unknown"),
        (_, DataType::Utf8View) => json!(format!("{name}-{row}")),
        (_, DataType::Boolean) => json!(false),
        _ => json!(0),
    }
}

pub const HEADER: &str = r#"-- +++
-- title = "{principal_key} did {event_name}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key"]
-- attack = ["T1098"]
-- why = "Because."
-- false_positives = ["none"]
-- runbook = "Look."
-- +++
"#;

pub fn rule_file(path: &str, header_more: &str, select: &str) -> File {
    File::embedded(path, format!("{}{select}\n", HEADER.replace("-- why", &format!("{header_more}-- why"))))
}
