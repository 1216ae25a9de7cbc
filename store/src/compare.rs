//! Are two rows with one event id the same event? Compared is what the record says; what was derived from it, or from
//! the way it came, is left out. JSON is compared by value, so that another writer's spacing or order of keys is no
//! difference.

use std::sync::LazyLock;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::row::{RowConverter, SortField};
use trailhound_ingest::schema::{COLUMNS, Column, Kind};

/// Columns that hold no field of the record itself: derived facts, fields lifted out of JSON columns that are
/// compared as a whole, provenance.
const DERIVED: &[&str] = &[
    "event_name_norm",
    "event_category",
    "event_date",
    "account_id",
    "principal_key",
    "principal_name",
    "principal_class",
    "session_name",
    "actor_is_service",
    "source_ip",
    "source_kind",
    "source_network",
    "source_country",
    "source_asn",
    "source_as_org",
    "source_lat",
    "source_lon",
    "user_agent_family",
    "user_agent_os",
    "outcome",
    "mfa_used",
    "login_result",
    "derive_version",
    "record_hash",
    "src_bucket",
    "src_key",
    "src_ordinal",
    "ingest_time",
    "event_id",
];

/// Names that begin like lifted fields but are the record's own.
const OWN: &[&str] = &["request_id", "request_parameters", "response_elements"];

/// Filled from the object's key where the record is silent, so nothing on one side is no difference.
const FILLED: &[&str] = &["recipient_account_id"];

/// The columns that come from the record.
pub(crate) fn compared() -> &'static [&'static Column] {
    static COMPARED: LazyLock<Vec<&'static Column>> = LazyLock::new(|| {
        let lifted =
            |name: &str| (name.starts_with("request_") || name.starts_with("response_")) && !OWN.contains(&name);
        COLUMNS.iter().filter(|c| !DERIVED.contains(&c.name) && !lifted(c.name)).collect()
    });
    &COMPARED
}

/// The names of the columns in which row `a` of `left` and row `b` of `right` differ; none means that they are copies
/// of one event.
pub(crate) fn differing(left: &RecordBatch, a: usize, right: &RecordBatch, b: usize) -> Vec<&'static str> {
    let differs =
        |column: &&&'static Column| match (left.column_by_name(column.name), right.column_by_name(column.name)) {
            (Some(left), Some(right)) => !same(column, left, a, right, b),
            _ => true,
        };
    compared().iter().filter(differs).map(|c| c.name).collect()
}

fn same(column: &Column, left: &ArrayRef, a: usize, right: &ArrayRef, b: usize) -> bool {
    match (left.is_null(a), right.is_null(b)) {
        (true, true) => return true,
        (false, false) => {}
        _ => return FILLED.contains(&column.name),
    }
    match column.kind {
        Kind::Text => left.as_string_view().value(a) == right.as_string_view().value(b),
        Kind::Json => same_json(left.as_string_view().value(a), right.as_string_view().value(b)),
        // Scalars and lists: equal if and only if their row encoding is.
        _ => same_encoding(&left.slice(a, 1), &right.slice(b, 1)),
    }
}

fn same_json(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text);
    matches!((parse(left), parse(right)), (Ok(left), Ok(right)) if left == right)
}

fn same_encoding(left: &ArrayRef, right: &ArrayRef) -> bool {
    let encode = || {
        let converter = RowConverter::new(vec![SortField::new(left.data_type().clone())])?;
        let left = converter.convert_columns(std::slice::from_ref(left))?;
        let right = converter.convert_columns(std::slice::from_ref(right))?;
        Ok::<_, arrow::error::ArrowError>(left.row(0) == right.row(0))
    };
    encode().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared_comes_from_the_record() {
        let names: Vec<_> = compared().iter().map(|c| c.name).collect();
        for name in [
            "event_time",
            "event_name",
            "request_id",
            "request_parameters",
            "response_elements",
            "extra",
            "resource_arns",
            "user_agent",
        ] {
            assert!(names.contains(&name), "{name} is compared");
        }
        for name in [
            "record_hash",
            "src_key",
            "principal_key",
            "request_user_name",
            "response_access_key_id",
            "login_result",
            "source_asn",
        ] {
            assert!(!names.contains(&name), "{name} is not compared");
        }
    }

    #[test]
    fn json_is_compared_by_value() {
        assert!(same_json(r#"{"a": 1, "b": [1, 2]}"#, r#"{"b":[1,2],"a":1}"#));
        assert!(!same_json(r#"{"a":1}"#, r#"{"a":2}"#));
        assert!(!same_json(r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#));
        assert!(!same_json("{", "{ "), "what cannot be read is compared as text");
    }
}
