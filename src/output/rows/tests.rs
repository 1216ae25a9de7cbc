//! Hostile and plain rows in each format.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringViewArray, TimestampMicrosecondArray};

use super::*;

fn batch() -> RecordBatch {
    let agents = StringViewArray::from(vec![Some("\u{1b}[2Jevil\u{202e}"), None, Some("=1+1,\"x\"")]);
    let counts = Int64Array::from(vec![-3, 40, 500]);
    let times = TimestampMicrosecondArray::from(vec![Some(1_772_409_600_000_000), Some(1_772_409_600_500_000), None]);
    let columns: Vec<(&str, ArrayRef)> =
        vec![("agent", Arc::new(agents)), ("n", Arc::new(counts)), ("time", Arc::new(times.with_timezone("UTC")))];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn written(format: RowsFormat, width: Option<usize>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rows = Rows::new(format, batch().schema(), Target { width }, &mut out).unwrap();
    rows.write(&batch()).unwrap();
    assert_eq!(rows.finish().unwrap(), 3);
    out
}

fn text(format: RowsFormat, width: Option<usize>) -> String {
    String::from_utf8(written(format, width)).unwrap()
}

#[test]
fn a_table_is_clean_wherever_it_goes() {
    let expected = "\
agent        n  time
─────────  ───  ────────────────────────
␛[2Jevil\u{fffd}   -3  2026-03-02T00:00:00Z
            40  2026-03-02T00:00:00.500Z
=1+1,\"x\"   500
";
    for width in [None, Some(80)] {
        assert_eq!(text(RowsFormat::Table, width), expected);
    }
}

#[test]
fn csv_is_exact_in_a_pipe_but_for_formulas() {
    let shown = text(RowsFormat::Csv, None);
    let expected = "agent,n,time\r\n\u{1b}[2Jevil\u{202e},-3,2026-03-02T00:00:00Z\r\n,40,2026-03-02T00:00:00.500Z\r\n\"'=1+1,\"\"x\"\"\",500,\r\n";
    assert_eq!(shown, expected);
    assert!(!text(RowsFormat::Csv, Some(80)).contains('\u{1b}'));
}

#[test]
fn json_has_one_object_a_line() {
    let piped = text(RowsFormat::Json, None);
    let lines: Vec<serde_json::Value> = piped.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["agent"], "\u{1b}[2Jevil\u{202e}");
    assert_eq!(lines[1]["agent"], serde_json::Value::Null);
    assert!(lines[1].as_object().unwrap().contains_key("agent"));
    let shown = text(RowsFormat::Json, Some(80));
    assert!(!shown.contains('\u{202e}'));
    assert_eq!(serde_json::from_str::<serde_json::Value>(shown.lines().next().unwrap()).unwrap(), lines[0]);
}

#[test]
fn parquet_goes_to_files_only() {
    assert!(written(RowsFormat::Parquet, None).starts_with(b"PAR1"));
    let refused = Rows::new(RowsFormat::Parquet, batch().schema(), Target { width: Some(80) }, Vec::new());
    assert!(refused.err().unwrap().to_string().contains("> rows.parquet"));
}
