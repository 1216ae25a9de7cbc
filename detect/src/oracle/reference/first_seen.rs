//! Day by day and value by value: was it there in the days before that are remembered?

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{DAY, Row, Rule, Seen, Spans, days_told, left_out, plain, told};
use crate::template::shown;

pub(super) fn seen<'r>(rule: &Rule, rows: &'r [Row], attacks: &Spans) -> Vec<Seen<'r>> {
    let columns = rule.list("value");
    let learn = (rule.micros("learn").unwrap() + DAY - 1) / DAY;
    let forget = rule.micros("forget").map_or(60, |micros| (micros + DAY - 1) / DAY);
    let least = rule.number("min_events").unwrap() as usize;
    let rate_most = rule.number("max_new_rate").unwrap_or(0.01);
    // (day, value) with its events.
    let mut days: BTreeMap<(i64, String), Vec<&Row>> = BTreeMap::new();
    let mut all_days = Vec::new();
    for row in rows {
        let value: Vec<&Value> = columns.iter().map(|column| &row.values[*column]).collect();
        if value.iter().all(|value| value.is_null()) {
            continue;
        }
        let day = row.time.div_euclid(DAY);
        all_days.push(day);
        days.entry((day, json!(value).to_string())).or_default().push(row);
    }
    let learnt = |day: i64| !left_out(attacks, day * DAY, (day + 1) * DAY);
    let each = rule.keys.get("each").is_some_and(|each| each.as_bool().unwrap());
    // What has to be new: the value as a whole, or each of its columns, told apart by their places.
    let parts = |value: &str| -> Vec<(usize, String)> {
        if !each {
            return vec![(0, value.to_owned())];
        }
        let columns: Vec<Value> = serde_json::from_str(value).unwrap();
        columns.iter().map(Value::to_string).enumerate().collect()
    };
    let known: BTreeSet<(i64, (usize, String))> = days
        .keys()
        .filter(|(day, _)| learnt(*day))
        .flat_map(|(day, value)| parts(value).into_iter().map(|part| (*day, part)))
        .collect();
    let is_known =
        |part: &(usize, String), day: i64| (day - forget..day).any(|before| known.contains(&(before, part.clone())));
    let new: Vec<&(i64, String)> =
        days.keys().filter(|(day, value)| !parts(value).iter().any(|part| is_known(part, *day))).collect();
    let mut all = Vec::new();
    for (day, value) in &new {
        let known_days = day - all_days.iter().min().unwrap();
        let known_events = all_days.iter().filter(|d| *d < day).count();
        let recent = |d: i64| (day - 30..*day).contains(&d);
        let recent_events = all_days.iter().filter(|d| recent(**d)).count();
        let recent_new = new.iter().filter(|(d, _)| recent(*d) && learnt(*d)).count();
        let rate = (recent_new + 1) as f64 / (recent_events + 2) as f64;
        if known_days < learn || known_events < least || rate > rate_most {
            continue;
        }
        let last = days.keys().filter(|(d, v)| d < day && v == value && learnt(*d)).map(|(d, _)| d).max();
        let before = last.map_or("was never seen before".to_owned(), |last| {
            format!("was last seen {} before", days_told(day - last))
        });
        let alone = if each { " and neither was any of them by itself" } else { "" };
        let list: Vec<Value> = serde_json::from_str(value).unwrap();
        let value_told: Vec<String> = list.iter().map(|v| shown(&plain(v), 80)).collect();
        all.push(Seen {
            what: json!([value, told(day * DAY)]),
            rows: days[&(*day, value.clone())].clone(),
            note: format!(
                "{} {} {before}{alone}, in {known_events} events over {}; in the 30 days before, {recent_new} values were new among \
                 {recent_events} events",
                columns.join(", "),
                value_told.join(", "),
                days_told(known_days),
            ),
            window: None,
        });
    }
    all
}
