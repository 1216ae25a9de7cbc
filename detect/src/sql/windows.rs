//! `match` and `threshold`: events alone, and events counted in windows.

use super::{Body, Chosen, EQUAL, interval};
use crate::judgement::{Having, Measure};
use crate::window::Window;

/// Every event is a finding.
pub(super) fn each(chosen: &Chosen) -> (String, String) {
    let mut columns = chosen.entity.clone();
    columns.extend(["_time AS first_time", "_time AS last_time", "1 AS count"].map(str::to_owned));
    let rest = chosen.columns.iter().map(|(_, sql)| sql).filter(|sql| !chosen.entity.contains(sql));
    columns.extend(rest.cloned());
    let select = format!("SELECT {}\nFROM chosen\nORDER BY first_time, event_id", columns.join(", "));
    (EQUAL.into(), Body::default().select(&select))
}

/// An entity's events of one aligned window are a finding.
pub(super) fn fold(chosen: &Chosen, window: Window) -> (String, String) {
    let (who, width) = (chosen.who(), interval(window.micros()));
    let select = format!(
        "SELECT {who}, min(_time) AS first_time, max(_time) AS last_time, count(*) AS count,\n       \
         date_bin({width}, _time) AS window_start\n\
         FROM chosen\nGROUP BY {who}, date_bin({width}, _time)\nORDER BY first_time"
    );
    (EQUAL.into(), Body::default().select(&select))
}

/// An entity over all bounds in a window; overlapping windows are one finding.
pub(super) fn threshold(chosen: &Chosen, window: Window, having: &[Having]) -> (String, String) {
    let (who, half, width) = (chosen.who(), interval(window.micros() / 2), interval(window.micros()));
    let mut counted: Vec<String> = having.iter().filter_map(|h| h.measure.column()).map(|c| chosen.name(c)).collect();
    counted.retain(|column| !chosen.entity.contains(column));
    counted.sort();
    counted.dedup();
    let kept: String = chosen.entity.iter().chain(&counted).map(|column| format!("{column}, ")).collect();
    let bounds: Vec<String> = having
        .iter()
        .map(|h| format!("{} >= {}", measured(&h.measure, |column| chosen.name(column)), h.at_least))
        .collect();
    let body = Body::default()
        .with(
            "placed",
            &format!("  SELECT *, date_bin({half}, _time) AS _half FROM chosen WHERE {}", chosen.somebody()),
        )
        .with(
            "in_windows",
            &format!(
                "  -- Windows of {window} begin every {half}, so that each event lies in two.\n  \
                 SELECT {kept}_half AS _start FROM placed\n  UNION ALL\n  SELECT {kept}_half - {half} FROM placed"
            ),
        )
        .with(
            "over_bounds",
            &format!(
                "  SELECT {who}, _start FROM in_windows GROUP BY {who}, _start\n  HAVING {}",
                bounds.join(" AND ")
            ),
        )
        .with(
            "begun",
            &format!(
                "  -- Windows that overlap are one run.\n  SELECT {who}, _start,\n         \
                 CASE WHEN _start <= lag(_start) OVER (PARTITION BY {who} ORDER BY _start) + {half} THEN 0 ELSE 1 END \
                 AS _begins\n  FROM over_bounds"
            ),
        )
        .with(
            "numbered",
            &format!(
                "  SELECT {who}, _start, sum(_begins) OVER (PARTITION BY {who} ORDER BY _start) AS _run FROM begun"
            ),
        )
        .with(
            "runs",
            &format!(
                "  SELECT {who}, min(_start) AS _from, max(_start) + {width} AS _to FROM numbered GROUP BY {who}, _run"
            ),
        )
        .select(&format!(
            "SELECT {}, min(_time) AS first_time, max(_time) AS last_time, count(*) AS count\n\
             FROM runs JOIN placed ON {} AND _time >= _from AND _time < _to\n\
             GROUP BY {}, _from\nORDER BY first_time",
            chosen.who_of("runs"),
            chosen.same_entity("runs", "placed"),
            chosen.who_of("runs"),
        ));
    let said = format!("{EQUAL}\nOf more than 10,000 different values in a window, findings tell that many.");
    let distinct = having.iter().any(|h| matches!(h.measure, Measure::Distinct(_)));
    (if distinct { said } else { EQUAL.into() }, body)
}

/// A measure as an aggregate.
pub(super) fn measured(measure: &Measure, name: impl Fn(&str) -> String) -> String {
    match measure {
        Measure::Count => "count(*)".into(),
        Measure::Distinct(column) => format!("count(DISTINCT {})", name(column)),
        Measure::Sum(column) => {
            let column = name(column);
            format!("coalesce(sum(CASE WHEN {column} > 0 THEN CAST({column} AS BIGINT) ELSE 0 END), 0)")
        }
    }
}
