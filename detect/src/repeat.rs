//! Records that stand for many: what is usual takes hundreds of events, which nobody wants to read in a case.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::window::Window;

/// How it is written.
pub(crate) const FORM: &str = r#"write {"record": {…}, "times": 300, "every": "1h"}"#;
/// More would make cases slow.
const TIMES_MAX: u64 = 5_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    record: Value,
    times: u64,
    every: String,
}

/// The records that a list stands for. A copy's time lies `every` behind the one before, and its event id ends in its
/// number.
pub(crate) fn spread(records: Vec<Value>) -> Result<Vec<Value>, String> {
    let mut all = Vec::with_capacity(records.len());
    for record in records {
        if record.get("times").is_none() || record.get("eventName").is_some() {
            all.push(record);
            continue;
        }
        let repeat: Repeat = serde_json::from_value(record).map_err(|e| e.to_string())?;
        if repeat.times == 0 || repeat.times > TIMES_MAX {
            return Err(format!("`times` is {}, not 1 to {TIMES_MAX}", repeat.times));
        }
        let every = Window::parse(&repeat.every)?;
        let text = |field: &str| repeat.record[field].as_str().ok_or_else(|| format!("the record has no {field}"));
        let (first, id) = (text("eventTime")?, text("eventID")?.to_owned());
        let first: Timestamp = first.parse().map_err(|_| format!("`{first}` is no time"))?;
        for copy in 0..repeat.times {
            let micros = first.as_microsecond() + every.micros() * copy as i64;
            let time = Timestamp::from_microsecond(micros).map_err(|e| e.to_string())?;
            let mut record = repeat.record.clone();
            record["eventTime"] = time.to_string().into();
            record["eventID"] = format!("{id}-{}", copy + 1).into();
            all.push(record);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn copies_differ_in_time_and_id() {
        let record = json!({"eventTime": "2025-03-01T23:00:00Z", "eventID": "a"});
        let all = spread(vec![json!({"record": record, "times": 2, "every": "1h"})]).unwrap();
        assert_eq!(all[0], json!({"eventTime": "2025-03-01T23:00:00Z", "eventID": "a-1"}));
        assert_eq!(all[1], json!({"eventTime": "2025-03-02T00:00:00Z", "eventID": "a-2"}));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |item: Value, what: &str| assert!(spread(vec![item]).unwrap_err().contains(what));
        check(json!({"record": {}, "times": 0, "every": "1h"}), "`times` is 0");
        check(json!({"record": {"eventTime": "x"}, "times": 1, "every": "1h"}), "no eventID");
        check(json!({"record": {"eventTime": "x", "eventID": "a"}, "times": 1, "every": "1h"}), "`x` is no time");
        check(json!({"record": {}, "times": 1, "every": "1h", "more": 1}), "unknown field");
    }
}
