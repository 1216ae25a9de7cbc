//! Neighbours in time, and the straight line through the earth between them.

use serde_json::json;

use super::{DAY, Row, Rule, Seen};

pub(super) fn seen<'r>(rule: &Rule, rows: &'r [Row]) -> Vec<Seen<'r>> {
    let columns = rule.list("place");
    let placed: Vec<(&Row, (f64, f64))> = rows
        .iter()
        .filter_map(|row| Some((row, (row.values[columns[0]].as_f64()?, row.values[columns[1]].as_f64()?))))
        .collect();
    let mut all = Vec::new();
    for ((a, from), (b, to)) in placed.iter().zip(placed.iter().skip(1)) {
        let distance = chord_km(*from, *to);
        let seconds = ((b.time - a.time) as f64 / 1e6).max(1.0);
        let speed = distance / (seconds / 3_600.0);
        if distance < rule.number("distance_km").unwrap() || speed < rule.number("speed_kmh").unwrap() {
            continue;
        }
        let today = b.time.div_euclid(DAY);
        let is_known = |place: (f64, f64)| {
            let before = placed.iter().filter(|(_, other)| *other == place).map(|(row, _)| row.time.div_euclid(DAY));
            let mut days: Vec<i64> = before.filter(|day| *day < today && *day >= today - 90).collect();
            let events = days.len();
            days.dedup();
            events >= 3 && days.len() >= 2
        };
        if is_known(*from) && is_known(*to) {
            continue;
        }
        all.push(Seen {
            what: json!([a.id, b.id]),
            rows: vec![a, b],
            note: format!(
                "{distance:.0} km from {:.2}, {:.2} to {:.2}, {:.2} in {:.0} minutes would take {speed:.0} km/h",
                from.0,
                from.1,
                to.0,
                to.1,
                seconds / 60.0
            ),
            window: None,
        });
    }
    all
}

fn chord_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let point = |(lat, lon): (f64, f64)| {
        let (lat, lon) = (lat.to_radians(), lon.to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    };
    let (a, b) = (point(a), point(b));
    let chord: f64 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
    2.0 * 6_371.008_8 * (chord / 2.0).asin()
}
