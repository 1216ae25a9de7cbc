//! What the rules of these tests find, evaluated as plainly as it can be said: loops over all rows, for every kind anew,
//! sharing nothing with the engine but the words of the header.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// An event, with the columns that the rules of these tests name.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: String,
    pub time: i64,
    pub who: String,
    pub name: String,
    pub outcome: String,
    pub network: String,
    pub target: Option<String>,
    pub place: (f64, f64),
}

/// What is compared of a finding: times, count, the first 20 events, and what the explanation must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    pub first: i64,
    pub last: i64,
    pub count: u64,
    pub ids: Vec<String>,
    pub note: String,
}

/// By rule and finding id.
pub type Findings = BTreeMap<(String, String), Expected>;

struct Reference<'r> {
    rows: &'r [Row],
    findings: Findings,
}

/// All findings of all rules of these tests.
pub fn findings(rows: &[Row]) -> Findings {
    let mut all = Reference { rows, findings: Findings::new() };
    all.threshold();
    all.sequence();
    all.first_seen();
    all.spike();
    all.travel();
    all.findings
}

impl Reference<'_> {
    fn put(&mut self, rule: &str, entity: &[&str], what: Value, mut events: Vec<Row>, note: String) {
        events.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        let text = serde_json::to_string(&json!([rule, entity, what])).unwrap();
        let id: String = Sha256::digest(text.as_bytes())[..16].iter().map(|b| format!("{b:02x}")).collect();
        let expected = Expected {
            first: events[0].time,
            last: events[events.len() - 1].time,
            count: events.len() as u64,
            ids: events.iter().take(20).map(|e| e.id.clone()).collect(),
            note,
        };
        assert!(self.findings.insert((rule.into(), id), expected).is_none(), "two findings of one id");
    }

    fn entities(&self) -> BTreeSet<String> {
        self.rows.iter().map(|r| r.who.clone()).collect()
    }

    fn of(&self, who: &str, fits: impl Fn(&Row) -> bool) -> Vec<Row> {
        self.rows.iter().filter(|r| r.who == who && fits(r)).cloned().collect()
    }

    /// 10m, hopping by 5m: at least 4 events and 2 targets.
    fn threshold(&mut self) {
        for who in self.entities() {
            let events = self.of(&who, |r| r.name == "ConsoleLogin" && r.outcome == "failure");
            let inside = |start: i64, end: i64| -> Vec<Row> {
                events.iter().filter(|e| e.time >= start && e.time < end).cloned().collect()
            };
            let targets = |rows: &[Row]| rows.iter().filter_map(|r| r.target.clone()).collect::<BTreeSet<_>>().len();
            let mut starts: BTreeSet<i64> = BTreeSet::new();
            for event in &events {
                let hop = event.time.div_euclid(5 * MINUTE) * 5 * MINUTE;
                for start in [hop - 5 * MINUTE, hop] {
                    let rows = inside(start, start + 10 * MINUTE);
                    if rows.len() >= 4 && targets(&rows) >= 2 {
                        starts.insert(start);
                    }
                }
            }
            for start in starts.iter().filter(|s| !starts.contains(&(**s - 5 * MINUTE))) {
                let mut end = *start;
                let (mut most, mut different) = (0, 0);
                while starts.contains(&end) {
                    let rows = inside(end, end + 10 * MINUTE);
                    most = most.max(rows.len());
                    different = different.max(targets(&rows));
                    end += 5 * MINUTE;
                }
                let note = format!(
                    "Within 10m there were {most} events (the bound is 4) and {different} different target (the bound is 2)"
                );
                self.put("account/failures", &[&who], json!(start), inside(*start, end + 5 * MINUTE), note);
            }
        }
    }

    /// CreateUser, CreateAccessKey, AttachUserPolicy of one target within an hour, and no DeleteUser within another.
    fn sequence(&mut self) {
        for who in self.entities() {
            let events = self.of(&who, |r| r.target.is_some());
            let latest = |name: &str, target: &Option<String>, from: i64, to: i64| -> Option<Row> {
                let fits = |e: &&Row| e.name == name && e.target == *target && e.time >= from && e.time <= to;
                events.iter().filter(fits).max_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id))).cloned()
            };
            for last in events.iter().filter(|e| e.name == "AttachUserPolicy") {
                let Some(key) = latest("CreateAccessKey", &last.target, last.time - HOUR, last.time) else { continue };
                let Some(user) = latest("CreateUser", &last.target, last.time - HOUR, key.time) else { continue };
                if latest("DeleteUser", &last.target, last.time, last.time + HOUR).is_some() {
                    continue;
                }
                let mut steps = [(&user, "user"), (&key, "key"), (last, "admin")];
                steps.sort_by(|a, b| (a.0.time, &a.0.id).cmp(&(b.0.time, &b.0.id)));
                let told: Vec<String> =
                    steps.iter().map(|(r, s)| format!("{s} at {}", crate::finding::time(r.time))).collect();
                let note = format!("Within 1h: {}", told.join(", then "));
                self.put("account/escalation", &[&who], json!(last.id), vec![user, key, last.clone()], note);
            }
        }
    }

    /// Networks: 5 days and 20 events of learning, forgotten after 10 days, at most 0.2 new ones an event.
    fn first_seen(&mut self) {
        for who in self.entities() {
            let events = self.of(&who, |_| true);
            let day = |row: &Row| row.time.div_euclid(DAY);
            let first_day = events.iter().map(day).min().unwrap();
            let is_new = |network: &str, on: i64| {
                !events.iter().any(|e| e.network == network && day(e) < on && day(e) >= on - 10)
            };
            let seen: BTreeSet<(i64, String)> = events.iter().map(|e| (day(e), e.network.clone())).collect();
            for (on, network) in &seen {
                let before = events.iter().filter(|e| day(e) < *on).count();
                if !is_new(network, *on) || on - first_day < 5 || before < 20 {
                    continue;
                }
                let recent = |d: i64| d < *on && d >= on - 30;
                let known = events.iter().filter(|e| recent(day(e))).count();
                let new = seen.iter().filter(|(d, n)| recent(*d) && is_new(n, *d)).count();
                if (new + 1) as f64 / (known + 2) as f64 > 0.2 {
                    continue;
                }
                let last = events.iter().filter(|e| e.network == *network && day(e) < *on).map(day).max();
                let seen_before = match last {
                    Some(last) => format!("was last seen {} days before", on - last),
                    None => "was never seen before".into(),
                };
                let note = format!(
                    "network {network} {seen_before}, in {before} events over {} days; in the 30 days before, {new} values were new among {known} events",
                    on - first_day
                );
                let value = serde_json::to_string(&[network]).unwrap();
                let what = json!([value, crate::finding::time(on * DAY)]);
                let here = events.iter().filter(|e| e.network == *network && day(e) == *on).cloned().collect();
                self.put("account/network", &[&who], what, here, note);
            }
        }
    }

    /// Hours against ten days of history, by hour of working days and weekends.
    fn spike(&mut self) {
        for who in self.entities() {
            let events = self.of(&who, |_| true);
            let hours: Vec<i64> = events.iter().map(|e| e.time.div_euclid(HOUR)).collect();
            let number = |hour: i64| hours.iter().filter(|h| **h == hour).count() as u64;
            let first = *hours.iter().min().unwrap();
            for hour in hours.iter().copied().collect::<BTreeSet<i64>>() {
                let from = first.max(hour - 240);
                let seen = number(hour);
                let days = (hour - from) / 24;
                if days < 7 || seen < 5 {
                    continue;
                }
                // 1970-01-01 was a Thursday: the third day after it was a Sunday, the second a Saturday.
                let season = |h: i64| (matches!((h.div_euclid(24)).rem_euclid(7), 2 | 3), h.rem_euclid(24));
                let past: Vec<u64> = (from..hour).map(number).collect();
                let sum: u64 = past.iter().sum();
                let mean = sum as f64 / past.len() as f64;
                let squares: u64 = past.iter().map(|n| n * n).sum();
                let variance = (squares as f64 - sum as f64 * mean).max(0.0) / (past.len() - 1) as f64;
                let alike: Vec<u64> = (from..hour).filter(|h| season(*h) == season(hour)).map(number).collect();
                let expected = (alike.iter().sum::<u64>() as f64 + 3.0 * mean) / (alike.len() as f64 + 3.0);
                let expected = expected.max(0.1);
                let spread = expected * (variance / mean).max(1.0);
                let p = tail(seen, expected, spread);
                if (seen as f64) < 3.0 * expected || p >= 1e-4 {
                    continue;
                }
                let start = crate::finding::time(hour * HOUR);
                let note = format!(
                    "{seen} events in the 1h from {start}, where {expected:.1} were expected from {days} days of history (probability 1e{:.0})",
                    p.log10()
                );
                let here = events.iter().filter(|e| e.time.div_euclid(HOUR) == hour).cloned().collect();
                self.put("account/rate", &[&who], json!(hour * HOUR), here, note);
            }
        }
    }

    /// 500 km at 900 km/h.
    fn travel(&mut self) {
        for who in self.entities() {
            let mut events = self.of(&who, |r| r.name == "ConsoleLogin");
            events.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
            for (a, b) in events.iter().zip(events.iter().skip(1)) {
                let distance = chord_km(a.place, b.place);
                let seconds = (((b.time - a.time) / SECOND) as f64).max(1.0);
                let speed = distance / seconds * 3_600.0;
                if distance < 500.0 || speed < 900.0 {
                    continue;
                }
                let today = b.time.div_euclid(DAY);
                let is_known = |place: (f64, f64)| {
                    let before = events.iter().filter(|e| e.place == place).map(|e| e.time.div_euclid(DAY));
                    let days: Vec<i64> = before.filter(|day| (today - 90..today).contains(day)).collect();
                    days.len() >= 3 && days.iter().collect::<BTreeSet<_>>().len() >= 2
                };
                if is_known(a.place) && is_known(b.place) {
                    continue;
                }
                let note = format!(
                    "{distance:.0} km from {:.2}, {:.2} to {:.2}, {:.2} in {:.0} minutes would take {speed:.0} km/h",
                    a.place.0,
                    a.place.1,
                    b.place.0,
                    b.place.1,
                    seconds / 60.0
                );
                self.put("account/travel", &[&who], json!([a.id, b.id]), vec![a.clone(), b.clone()], note);
            }
        }
    }
}

/// P(X ≥ x), every term by its definition: Poisson, or negative binomial where the variance is above the mean.
pub fn tail(x: u64, mean: f64, variance: f64) -> f64 {
    let term = |k: u64| -> f64 {
        let factorial: f64 = (1..=k).map(|n| (n as f64).ln()).sum();
        if variance <= 1.2 * mean {
            return (k as f64 * mean.ln() - mean - factorial).exp();
        }
        let r = mean * mean / (variance - mean);
        let rising: f64 = (0..k).map(|n| (r + n as f64).ln()).sum();
        (rising - factorial + r * (r / (r + mean)).ln() + k as f64 * (mean / (r + mean)).ln()).exp()
    };
    (x..x + 3_000).map(term).sum()
}

/// The distance over the sphere from the straight line through it.
fn chord_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let point = |(lat, lon): (f64, f64)| {
        let (lat, lon) = (lat.to_radians(), lon.to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    };
    let (a, b) = (point(a), point(b));
    let chord: f64 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
    2.0 * 6_371.008_8 * (chord / 2.0).asin()
}
