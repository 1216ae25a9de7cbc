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
    let known = |day: i64, value: &String| learnt(day) && days.contains_key(&(day, value.clone()));
    let parts = |value: &str| -> Vec<Value> { serde_json::from_str(value).unwrap() };
    let seen: BTreeSet<(i64, usize, String)> = days
        .keys()
        .filter(|(day, _)| learnt(*day))
        .flat_map(|(day, value)| parts(value).into_iter().enumerate().map(|(at, part)| (*day, at, part.to_string())))
        .collect();
    let has_known = |day: i64, value: &String| {
        let parts = parts(value).into_iter().enumerate();
        parts.into_iter().any(|(at, part)| seen.contains(&(day, at, part.to_string())))
    };
    let new: Vec<&(i64, String)> = days
        .keys()
        .filter(|(day, value)| {
            !(day - forget..*day).any(|before| if each { has_known(before, value) } else { known(before, value) })
        })
        .collect();
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
        let each = if each { " and neither was any of them by itself" } else { "" };
        let list: Vec<Value> = serde_json::from_str(value).unwrap();
        let value_told: Vec<String> = list.iter().map(|v| shown(&plain(v), 80)).collect();
        all.push(Seen {
            what: json!([value, told(day * DAY)]),
            rows: days[&(*day, value.clone())].clone(),
            note: format!(
                "{} {} {before}{each}, in {known_events} events over {}; in the 30 days before, {recent_new} values were new among \
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
