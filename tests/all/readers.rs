//! The table is for others too: another implementation of Delta Lake and of Parquet reads the same from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::logs;
use crate::world::World;

/// A program of the Python environment that `tests/run` makes.
pub fn python(program: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin").join(program);
    assert!(path.exists(), "{} is missing: run tests/run once, which installs what the tests need", path.display());
    path
}

const READ: &str = r#"
import json, sys
import pyarrow.compute as pc
from deltalake import DeltaTable
events = DeltaTable(sys.argv[1]).to_pyarrow_table()
days = {str(d["values"]): d["counts"] for d in pc.value_counts(events["event_date"]).to_pylist()}
print(json.dumps({"rows": events.num_rows, "distinct": pc.count_distinct(events["event_id"]).as_py(), "days": days}))
"#;

#[test]
fn the_deltalake_package_for_python_reads_the_same() {
    let world = World::new("readers");
    let store = world.store("store");
    store.scan(logs::organisation()).ok();

    let table = format!("{}/events", store.location);
    let output = Command::new(python("python")).args(["-c", READ, &table]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["rows"], store.events());
    assert_eq!(read["distinct"], store.events());
    let days = store.sql("SELECT CAST(event_date AS VARCHAR) AS day, count(*) AS n FROM events GROUP BY 1");
    assert!(days.len() > 1);
    let days: serde_json::Map<_, _> =
        days.iter().map(|row| (row["day"].as_str().unwrap().into(), row["n"].clone())).collect();
    assert_eq!(read["days"], Value::Object(days));
}
