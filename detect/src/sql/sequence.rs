//! `sequence`: steps in event time, by joining each step to the one behind it.

use super::{Body, Chosen, EQUAL, interval, quoted, same};
use crate::judgement::Sequence;

pub(super) fn sequence(chosen: &Chosen, keys: &Sequence) -> (String, String) {
    let together = together(chosen, keys);
    let mut words: Vec<&String> = keys.words().collect();
    words.sort();
    words.dedup();
    let words: Vec<String> = words.into_iter().map(|word| quoted(word)).collect();
    let same_there: String =
        chosen.names(&keys.same).iter().map(|column| format!(" AND {column} IS NOT NULL")).collect();
    let body = Body::default().with(
        "steps",
        &format!(
            "  SELECT * FROM chosen\n  WHERE {} AND {} IN ({}){same_there}",
            chosen.somebody(),
            chosen.name("step"),
            words.join(", ")
        ),
    );
    let body = if keys.ordered || keys.steps.len() == 1 {
        ordered(chosen, keys, body, &together)
    } else {
        unordered(chosen, keys, body, &together)
    };
    let found = if keys.optional.is_some() { "joined" } else { "found" };
    let (body, count) = match &keys.optional {
        None => (body, keys.steps.len().to_string()),
        Some(step) => (joined(chosen, keys, step, body, &together), format!("{} + _joined", keys.steps.len())),
    };
    let followed = match &keys.unless {
        None => String::new(),
        Some(step) => format!(
            "\nWHERE NOT EXISTS (\n  SELECT 1 FROM steps AS undone\n  WHERE {} AND undone.{} = {}\n    \
             AND undone._time >= {found}.last_time AND undone._time <= {found}.last_time + {})",
            same(&together, "undone", found),
            chosen.name("step"),
            quoted(step),
            interval(keys.within.micros()),
        ),
    };
    let select = format!(
        "SELECT {}, first_time, last_time, {} AS count, _last AS last_event_id\nFROM {found}{followed}\nORDER BY first_time",
        chosen.who(),
        count,
    );
    (EQUAL.into(), body.select(&select))
}

/// The columns that are equal in all steps: the entity's and those of `same`.
fn together(chosen: &Chosen, keys: &Sequence) -> Vec<String> {
    let mut columns = chosen.entity.clone();
    columns.extend(chosen.names(&keys.same).into_iter().filter(|column| !chosen.entity.contains(column)));
    columns
}

/// From the last step backwards: each earlier step is the latest event that fits before the one behind it.
fn ordered(chosen: &Chosen, keys: &Sequence, mut body: Body, together: &[String]) -> Body {
    let (step, within) = (chosen.name("step"), interval(keys.within.micros()));
    let n = keys.steps.len();
    let columns = together.join(", ");
    body = body.with(
        &format!("step_{n}"),
        &format!(
            "  SELECT {columns}, event_id AS _last, _time AS last_time, _time, event_id AS _id_{n}\n  \
             FROM steps WHERE {step} = {}",
            quoted(&keys.steps[n - 1])
        ),
    );
    for place in (1..n).rev() {
        let behind = format!("step_{}", place + 1);
        // A word that stands several times must be another event each time.
        let later: Vec<usize> = (place + 1..=n).filter(|p| keys.steps[p - 1] == keys.steps[place - 1]).collect();
        let others: String = later.iter().map(|p| format!(" AND before.event_id <> {behind}._id_{p}")).collect();
        let ids: String = (place + 1..=n).map(|p| format!(", _id_{p}")).collect();
        let ids_behind: String = (place + 1..=n).map(|p| format!(", {behind}._id_{p}")).collect();
        let columns_behind = together.iter().map(|c| format!("{behind}.{c}")).collect::<Vec<_>>().join(", ");
        body = body.with(
            &format!("step_{place}"),
            &format!(
                "  SELECT {columns}, _last, last_time, _time, _id_{place}{ids} FROM (\n    \
                 SELECT {columns_behind}, {behind}._last, {behind}.last_time, before._time, before.event_id AS _id_{place}{ids_behind},\n           \
                 row_number() OVER (PARTITION BY {behind}._last ORDER BY before._time DESC, before.event_id DESC) AS _nth\n    \
                 FROM {behind} JOIN steps AS before ON {}\n     AND before.{step} = {}\n     \
                 AND before._time <= {behind}._time AND before._time >= {behind}.last_time - {within}{others}\n  ) WHERE _nth = 1",
                same(together, &behind, "before"),
                quoted(&keys.steps[place - 1]),
            ),
        );
    }
    body.with("found", "  SELECT *, _time AS first_time FROM step_1")
}

/// What was found, with whether an event of the optional step joins it.
fn joined(chosen: &Chosen, keys: &Sequence, optional: &str, body: Body, together: &[String]) -> Body {
    let (step, within) = (chosen.name("step"), interval(keys.within.micros()));
    let columns = together.iter().map(|c| format!("found.{c}")).collect::<Vec<_>>().join(", ");
    body.with(
        "joined",
        &format!(
            "  SELECT {columns}, found._last, found.last_time,\n         \
             least(found.first_time, max(before._time)) AS first_time,\n         \
             CASE WHEN count(before.event_id) > 0 THEN 1 ELSE 0 END AS _joined\n  \
             FROM found LEFT JOIN steps AS before ON {}\n   AND before.{step} = {}\n   \
             AND before._time <= found.last_time AND before._time >= found.last_time - {within}\n  \
             GROUP BY {columns}, found._last, found.last_time, found.first_time",
            same(together, "found", "before"),
            quoted(optional),
        ),
    )
}

/// Whichever event is the last: the latest events of the other steps before it.
fn unordered(chosen: &Chosen, keys: &Sequence, body: Body, together: &[String]) -> Body {
    let (step, within) = (chosen.name("step"), interval(keys.within.micros()));
    let mut words: Vec<&String> = keys.steps.iter().collect();
    words.sort();
    words.dedup();
    let times = |word: &String| keys.steps.iter().filter(|s| *s == word).count();
    // Of the last event's own step one fewer is wanted.
    let wanted: Vec<String> = words.iter().map(|word| format!("WHEN {} THEN {}", quoted(word), times(word))).collect();
    let steps: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let columns_of = |table: &str| together.iter().map(|c| format!("{table}.{c}")).collect::<Vec<_>>().join(", ");
    body.with(
        "others",
        &format!(
            "  SELECT {}, last.event_id AS _last, last._time AS last_time, before._time,\n         \
             CASE before.{step} {} END - CASE WHEN before.{step} = last.{step} THEN 1 ELSE 0 END AS _wanted,\n         \
             row_number() OVER (PARTITION BY last.event_id, before.{step} ORDER BY before._time DESC, before.event_id DESC) AS _nth\n  \
             FROM steps AS last JOIN steps AS before ON {}\n   AND last.{step} IN ({listed}) AND before.{step} IN ({listed})\n   \
             AND before.event_id <> last.event_id AND before._time <= last._time AND before._time >= last._time - {within}",
            columns_of("last"),
            wanted.join(" "),
            same(together, "last", "before"),
            listed = steps.join(", "),
        ),
    )
    .with(
        "found",
        &format!(
            "  SELECT {columns}, _last, last_time, min(_time) AS first_time FROM others WHERE _nth <= _wanted\n  \
             GROUP BY {columns}, _last, last_time HAVING count(*) = {}",
            keys.steps.len() - 1,
            columns = together.join(", "),
        ),
    )
}
