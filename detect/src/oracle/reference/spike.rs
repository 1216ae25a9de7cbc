//! Every bucket against all buckets of its history, one by one.

use std::collections::BTreeMap;

use serde_json::json;

use super::tail::ln_tail;
use super::{DAY, HOUR, Row, Rule, Seen, Spans, days_told, left_out, length_told, measure, told};

pub(super) fn seen<'r>(rule: &Rule, rows: &'r [Row], attacks: &Spans) -> Vec<Seen<'r>> {
    let width = rule.micros("bucket").unwrap();
    let history = rule.micros("history").unwrap() / width;
    let seasonal = rule.keys.get("season").is_none_or(|word| word.as_str() == Some("hour_of_week"));
    let mut buckets: BTreeMap<i64, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        buckets.entry(row.time.div_euclid(width)).or_default().push(row);
    }
    let text = rule.text("measure");
    let numbers: BTreeMap<i64, u64> = buckets.iter().map(|(at, rows)| (*at, measure(text, rows).0)).collect();
    let mut all = Vec::new();
    for (&at, &number) in &numbers {
        let begin = (at - history).max(*numbers.keys().next().unwrap());
        let learnt = (begin..at).filter(|b| !left_out(attacks, b * width, (b + 1) * width));
        let past: Vec<(i64, u64)> = learnt.map(|b| (b, numbers.get(&b).copied().unwrap_or(0))).collect();
        let days = past.len() as i64 * width / DAY;
        if number < rule.number("at_least").unwrap() as u64 || days < 7 {
            continue;
        }
        let total = |of: &[(i64, u64)]| of.iter().map(|(_, n)| *n as f64).sum::<f64>();
        let mean = total(&past) / past.len() as f64;
        let squares: f64 = past.iter().map(|(_, n)| *n as f64 * *n as f64).sum();
        let variance = (squares - total(&past) * mean).max(0.0) / (past.len() - 1) as f64;
        let mut expected = mean;
        if seasonal {
            let like: Vec<(i64, u64)> =
                past.iter().filter(|(b, _)| season(b * width, days) == season(at * width, days)).copied().collect();
            let weight = 3.0 * (HOUR as f64 / width as f64).max(1.0);
            expected = (total(&like) + weight * mean) / (like.len() as f64 + weight);
        }
        expected = expected.max(0.1);
        let spread = if mean > 0.0 { (variance / mean).max(1.0) } else { 1.0 };
        let ln_p = ln_tail(number, expected, expected * spread);
        let ratio = rule.number("ratio").unwrap_or(3.0);
        if (number as f64) < ratio * expected || ln_p >= rule.number("p_below").unwrap().ln() {
            continue;
        }
        let note = format!(
            "{} in the {} from {}, where {expected:.1} were expected from {} of history (probability 1e{:.0})",
            measure(text, &buckets[&at]).1,
            length_told(width),
            told(at * width),
            days_told(days),
            ln_p / 10_f64.ln(),
        );
        all.push(Seen { what: json!(at * width), rows: buckets[&at].clone(), note, window: None });
    }
    all
}

/// The hour of the week from four weeks on, before that the hour of a working day or of the weekend.
fn season(time: i64, days: i64) -> (i64, i64) {
    let (hour, day) = (time.div_euclid(HOUR).rem_euclid(24), time.div_euclid(DAY).rem_euclid(7));
    // 1970-01-01 was a Thursday: two days later came a weekend.
    (if days >= 28 { day } else { i64::from(day == 2 || day == 3) }, hour)
}
