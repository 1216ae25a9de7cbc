//! What the rules of these tests find, evaluated as plainly as it can be said: loops over all events, for every kind anew,
//! sharing nothing with the engine but the words of the header. Attacks and peers can be left out, to see that they matter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::reference::{DAY, Expected, Findings, HOUR, MINUTE, SECOND, tail};

/// An event, with the columns that the rules of these tests name.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: String,
    pub time: i64,
    pub who: String,
    pub class: Option<String>,
    pub name: String,
    pub network: String,
}

impl Event {
    fn day(&self) -> i64 {
        self.time.div_euclid(DAY)
    }
}

/// What is to be heeded.
#[derive(Debug, Clone, Copy)]
pub struct Heed {
    pub peers: bool,
    pub attacks: bool,
}

struct Reference<'r> {
    events: &'r [Event],
    who: BTreeSet<&'r str>,
    heed: Heed,
    findings: Findings,
}

/// All findings of all rules of these tests.
pub fn findings(events: &[Event], heed: Heed) -> Findings {
    let who = events.iter().map(|e| e.who.as_str()).collect();
    let mut all = Reference { events, who, heed, findings: Findings::new() };
    for who in all.who.clone() {
        all.stops(who);
        all.burst(who);
        all.network(who);
        all.call_and_network(who);
        all.call(who);
        all.rate(who);
        all.logins(who);
    }
    all.findings
}

impl<'r> Reference<'r> {
    fn put(
        &mut self,
        rule: &str,
        who: &str,
        what: Value,
        times: Option<(i64, i64)>,
        mut events: Vec<Event>,
        note: String,
    ) {
        // A query knows no times of its events, so these stand by their ids.
        events.sort_by(|a, b| match times {
            None => (a.time, &a.id).cmp(&(b.time, &b.id)),
            Some(_) => a.id.cmp(&b.id),
        });
        let text = serde_json::to_string(&json!([rule, [who], what])).unwrap();
        let id: String = Sha256::digest(text.as_bytes())[..16].iter().map(|b| format!("{b:02x}")).collect();
        let (first, last) = times.unwrap_or((events[0].time, events[events.len() - 1].time));
        let ids = events.iter().take(20).map(|e| e.id.clone()).collect();
        let expected = Expected { first, last, count: events.len() as u64, ids, note };
        assert!(self.findings.insert((rule.into(), id), expected).is_none(), "two findings of one id");
    }

    fn of(&self, who: &str, fits: impl Fn(&Event) -> bool) -> Vec<Event> {
        self.events.iter().filter(|e| e.who == who && fits(e)).cloned().collect()
    }

    /// The class of the latest event.
    fn class(&self, who: &str) -> Option<String> {
        let latest = self.events.iter().filter(|e| e.who == who).max_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        latest.and_then(|e| e.class.clone())
    }

    /// Runs of windows of 10m, hopping by 5m, with at least 6 DeleteUser: from the first's start to the last's end.
    fn bursts(&self, who: &str) -> Vec<(i64, i64)> {
        let times: Vec<i64> = self.of(who, |e| e.name == "DeleteUser").iter().map(|e| e.time).collect();
        let over = |start: i64| times.iter().filter(|t| **t >= start && **t < start + 10 * MINUTE).count() >= 6;
        let hop = |time: i64| time.div_euclid(5 * MINUTE) * 5 * MINUTE;
        let starts = times.iter().flat_map(|t| [hop(*t) - 5 * MINUTE, hop(*t)]);
        let starts: BTreeSet<i64> = starts.filter(|s| over(*s)).collect();
        let mut runs: Vec<(i64, i64)> = Vec::new();
        for start in starts {
            match runs.last_mut() {
                Some(run) if run.1 == start + 5 * MINUTE => run.1 = start + 10 * MINUTE,
                _ => runs.push((start, start + 10 * MINUTE)),
            }
        }
        runs
    }

    /// Whether nothing is learnt of somebody in a stretch of time.
    fn attacked(&self, who: &str, from: i64, to: i64) -> bool {
        let stops = self.of(who, |e| e.name == "StopLogging").into_iter().map(|e| (e.time, e.time + DAY));
        let bursts = self.bursts(who).into_iter().map(|(start, end)| (start, end + DAY));
        self.heed.attacks && stops.chain(bursts).any(|(start, end)| start < to && end >= from)
    }

    fn learnt(&self, who: &str, day: i64) -> bool {
        !self.attacked(who, day * DAY, (day + 1) * DAY)
    }

    /// The events that count as seen.
    fn known(&self, who: &str, fits: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut days: BTreeMap<i64, bool> = BTreeMap::new();
        let events = self.of(who, fits);
        events.into_iter().filter(|e| *days.entry(e.day()).or_insert_with(|| self.learnt(who, e.day()))).collect()
    }

    fn stops(&mut self, who: &str) {
        for event in self.of(who, |e| e.name == "StopLogging") {
            self.put("account/stops", who, json!(event.id), None, vec![event], String::new());
        }
    }

    fn burst(&mut self, who: &str) {
        for (start, end) in self.bursts(who) {
            let events = self.of(who, |e| e.name == "DeleteUser" && e.time >= start && e.time < end);
            self.put("account/burst", who, json!(start), None, events, "Within 10m there were ".into());
        }
    }

    /// Networks: 5 days and 20 events of learning, forgotten after 10 days, at most 0.2 new ones an event; what at least
    /// five and a fifth of the peers have is no news.
    fn network(&mut self, who: &str) {
        let events = self.of(who, |_| true);
        let known = self.known(who, |_| true);
        let first_day = events.iter().map(Event::day).min().unwrap();
        let is_new =
            |network: &str, on: i64| !known.iter().any(|e| e.network == network && e.day() < on && e.day() >= on - 10);
        let peers: Vec<(Vec<Event>, i64)> = self
            .who
            .iter()
            .filter(|other| **other != who && self.class(other) == self.class(who))
            .map(|other| self.known(other, |_| true))
            .filter_map(|known| known.iter().map(Event::day).min().map(|first| (known, first)))
            .collect();
        let seen: BTreeSet<(i64, String)> = events.iter().map(|e| (e.day(), e.network.clone())).collect();
        for (on, network) in &seen {
            let before = events.iter().filter(|e| e.day() < *on).count();
            if !is_new(network, *on) || on - first_day < 5 || before < 20 {
                continue;
            }
            let recent = |d: i64| d < *on && d >= on - 30;
            let events_before = events.iter().filter(|e| recent(e.day())).count();
            let new = seen.iter().filter(|(d, n)| recent(*d) && self.learnt(who, *d) && is_new(n, *d)).count();
            if (new + 1) as f64 / (events_before + 2) as f64 > 0.2 {
                continue;
            }
            let all = peers.iter().filter(|(_, first)| first <= on).count();
            let had = |known: &[Event]| known.iter().any(|e| e.network == *network && e.day() <= *on);
            let with = peers.iter().filter(|(known, _)| had(known)).count();
            if self.heed.peers && self.class(who).is_some() && with >= 5 && with * 5 >= all {
                continue;
            }
            let last = known.iter().filter(|e| e.network == *network && e.day() < *on).map(Event::day).max();
            let seen_before = match last {
                Some(last) => format!("was last seen {} days before", on - last),
                None => "was never seen before".into(),
            };
            let about_peers = match self.class(who) {
                Some(class) => format!("; {with} of {all} peers (class {class}) had it by then"),
                None => String::new(),
            };
            let note = format!(
                "network {network} {seen_before}, in {before} events over {} days; in the 30 days before, {new} values were new among {events_before} events{about_peers}",
                on - first_day
            );
            let value = serde_json::to_string(&[network]).unwrap();
            let what = json!([value, crate::finding::time(on * DAY)]);
            let here = events.iter().filter(|e| e.network == *network && e.day() == *on).cloned().collect();
            self.put("account/network", who, what, None, here, note);
        }
    }

    /// A name and a network that are both new, each by itself, on the same terms; no peers.
    fn call_and_network(&mut self, who: &str) {
        let events = self.of(who, |_| true);
        let known = self.known(who, |_| true);
        let first_day = events.iter().map(Event::day).min().unwrap();
        let is_new = |(network, name): &(String, String), on: i64| {
            let remembered = |e: &&Event| e.day() < on && e.day() >= on - 10;
            !known.iter().filter(remembered).any(|e| e.network == *network || e.name == *name)
        };
        let pair = |e: &Event| (e.network.clone(), e.name.clone());
        let seen: BTreeSet<(i64, (String, String))> = events.iter().map(|e| (e.day(), pair(e))).collect();
        for (on, both) in &seen {
            let before = events.iter().filter(|e| e.day() < *on).count();
            if !is_new(both, *on) || on - first_day < 5 || before < 20 {
                continue;
            }
            let recent = |d: i64| d < *on && d >= on - 30;
            let events_before = events.iter().filter(|e| recent(e.day())).count();
            let new = seen.iter().filter(|(d, b)| recent(*d) && self.learnt(who, *d) && is_new(b, *d)).count();
            if (new + 1) as f64 / (events_before + 2) as f64 > 0.2 {
                continue;
            }
            let last = known.iter().filter(|e| pair(e) == *both && e.day() < *on).map(Event::day).max();
            let seen_before = match last {
                Some(last) => format!("was last seen {} days before", on - last),
                None => "was never seen before".into(),
            };
            let (network, name) = both;
            let note = format!(
                "network, event_name {network}, {name} {seen_before} and neither was any of them by itself, in {before} events over {} days; in the 30 days before, {new} values were new among {events_before} events",
                on - first_day
            );
            let value = serde_json::to_string(&[network, name]).unwrap();
            let what = json!([value, crate::finding::time(on * DAY)]);
            let here = events.iter().filter(|e| pair(e) == *both && e.day() == *on).cloned().collect();
            self.put("account/call_and_network", who, what, None, here, note);
        }
    }

    /// Names below 0.02 of one's own and of the class's events, which count half after a week.
    fn call(&mut self, who: &str) {
        let Some(class) = self.class(who) else { return };
        let own = self.known(who, |_| true);
        let events = self.of(who, |_| true);
        let members = self.who.iter().filter(|other| self.class(other).as_deref() == Some(class.as_str()));
        let all: Vec<Event> = members.flat_map(|other| self.known(other, |_| true)).collect();
        let usual = |events: &[Event], first: i64, name: &str, on: i64| -> Option<(f64, String)> {
            let weight = |e: &Event| 0.5_f64.powf((on - e.day()) as f64 / 7.0);
            let past: Vec<&Event> = events.iter().filter(|e| e.day() < on).collect();
            let sum: f64 = past.iter().map(|e| weight(e)).sum();
            let with: f64 = past.iter().filter(|e| e.name == name).map(|e| weight(e)).sum();
            let different = past.iter().map(|e| &e.name).collect::<BTreeSet<_>>().len().max(1);
            let p = (with + 0.5) / (sum + different as f64 / 2.0);
            let told = format!("{with:.1} of {sum:.1} in {} days (probability {p:.0e})", on - first);
            (on - first >= 7 && p < 0.02).then_some((p, told))
        };
        let first = |events: &[Event]| events.iter().map(Event::day).min();
        let seen: BTreeSet<(i64, String)> = events.iter().map(|e| (e.day(), e.name.clone())).collect();
        for (on, name) in seen {
            let Some((_, alone)) = usual(&own, first(&events).unwrap(), &name, on) else { continue };
            let Some((_, together)) = first(&all).and_then(|first| usual(&all, first, &name, on)) else { continue };
            let here: Vec<Event> = events.iter().filter(|e| e.name == name && e.day() == on).cloned().collect();
            let note = format!(
                "event_name {name} was seen {} times that day; of the events before, it was {alone} of its own and {together} of class {class}, where an event counts half after 7d",
                here.len()
            );
            let value = serde_json::to_string(&[&name]).unwrap();
            self.put("account/call", who, json!([value, crate::finding::time(on * DAY)]), None, here, note);
        }
    }

    /// Hours against ten days of history, whatever the hour.
    fn rate(&mut self, who: &str) {
        let events = self.of(who, |_| true);
        let hours: Vec<i64> = events.iter().map(|e| e.time.div_euclid(HOUR)).collect();
        let number = |hour: i64| hours.iter().filter(|h| **h == hour).count() as u64;
        let first = *hours.iter().min().unwrap();
        for hour in hours.iter().copied().collect::<BTreeSet<i64>>() {
            let seen = number(hour);
            if seen < 5 {
                continue;
            }
            let past = (first.max(hour - 240)..hour).filter(|h| !self.attacked(who, h * HOUR, (h + 1) * HOUR));
            let past: Vec<u64> = past.map(number).collect();
            let days = past.len() as i64 / 24;
            if days < 7 {
                continue;
            }
            let sum: u64 = past.iter().sum();
            let mean = sum as f64 / past.len() as f64;
            let squares: u64 = past.iter().map(|n| n * n).sum();
            let variance = (squares as f64 - sum as f64 * mean).max(0.0) / (past.len() - 1) as f64;
            let expected = mean.max(0.1);
            let spread = expected * if mean > 0.0 { (variance / mean).max(1.0) } else { 1.0 };
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
            self.put("account/rate", who, json!(hour * HOUR), None, here, note);
        }
    }

    /// For each day with events (of anybody): one to two sign-ins in the three days that end with it.
    fn logins(&mut self, who: &str) {
        let days: BTreeSet<i64> = self.events.iter().map(Event::day).collect();
        for day in days {
            let here = self.of(who, |e| e.name == "ConsoleLogin" && e.day() <= day && e.day() > day - 3);
            if here.is_empty() || here.len() > 2 {
                continue;
            }
            let note = format!(
                "Asked about 3d from {} to {}",
                crate::finding::time((day - 2) * DAY),
                crate::finding::time((day + 1) * DAY)
            );
            let times = (day * DAY, (day + 1) * DAY - SECOND);
            self.put("account/logins", who, json!(day * DAY), Some(times), here, note);
        }
    }
}
