//! For every event that can be the last step: the latest events before it that fit, and whether something follows that
//! must not.

use serde_json::{Value, json};

use super::{Row, Rule, Seen, length_told, told};

pub(super) fn seen<'r>(rule: &Rule, rows: &'r [Row]) -> Vec<Seen<'r>> {
    let within = rule.micros("within").unwrap();
    let ordered = rule.keys.get("ordered").is_none_or(|flag| flag.as_bool().unwrap());
    let steps = rule.list("steps");
    let unless = rule.keys.get("unless").map(|word| word.as_str().unwrap());
    let optional = rule.keys.get("optional").map(|word| word.as_str().unwrap());
    let same = rule.list("same");
    let step = |row: &Row| row.values["step"].as_str().map(str::to_owned);
    let equal = |row: &Row| -> Vec<Value> { same.iter().map(|column| row.values[*column].clone()).collect() };
    let mut all = Vec::new();
    for (at, last) in rows.iter().enumerate() {
        let Some(word) = step(last) else { continue };
        let is_last = if ordered { steps.last() == Some(&word.as_str()) } else { steps.contains(&word.as_str()) };
        if !is_last || equal(last).iter().any(Value::is_null) {
            continue;
        }
        let fits = |row: &Row, word: &str| step(row).as_deref() == Some(word) && equal(row) == equal(last);
        // The other steps, the last one first.
        let mut missing = steps.clone();
        missing.remove(missing.iter().rposition(|s| *s == word).unwrap());
        let mut chosen = vec![at];
        let mut not_after = last.time;
        for wanted in missing.iter().rev() {
            let before = (0..rows.len()).rev().find(|i| {
                let row = &rows[*i];
                row.time <= not_after && row.time >= last.time - within && !chosen.contains(i) && fits(row, wanted)
            });
            let Some(before) = before else { break };
            chosen.push(before);
            if ordered {
                not_after = rows[before].time;
            }
        }
        let undone =
            |word| rows.iter().any(|row| (last.time..=last.time + within).contains(&row.time) && fits(row, word));
        if chosen.len() < steps.len() || unless.is_some_and(undone) {
            continue;
        }
        chosen.extend(optional.and_then(|word| {
            (0..rows.len()).rev().find(|i| {
                let row = &rows[*i];
                (last.time - within..=last.time).contains(&row.time) && fits(row, word)
            })
        }));
        chosen.sort_unstable();
        let rows: Vec<&Row> = chosen.into_iter().map(|i| &rows[i]).collect();
        let parts: Vec<String> =
            rows.iter().map(|row| format!("{} at {}", step(row).unwrap(), told(row.time))).collect();
        let note = format!("Within {}: {}", length_told(within), parts.join(", then "));
        all.push(Seen { what: json!(last.id), rows, note, window: None });
    }
    all
}
