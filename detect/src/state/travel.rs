//! Two neighbouring events of an entity, by time, that are too far apart for the time between them. An event between
//! them makes them neighbours no longer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event_id::EventId;
use super::{Added, Check, Claim, Moment, Split, Which};
use crate::finding::time as rfc3339;
use crate::judgement;
use crate::statistics::distance_km;

/// Times are whole seconds: two events of the same one are taken to be so far apart.
const SECONDS_MIN: f64 = 1.0;

/// Where an entity was, by time and event id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Travel {
    places: BTreeMap<At, Place>,
}

/// When an event was and its id.
type At = (i64, EventId);
/// Degrees of latitude and longitude.
type Place = (f64, f64);

impl Travel {
    /// Nothing is claimed of a way of no length: an event at the place of its neighbours tells nothing.
    pub fn add(&mut self, time: i64, id: &str, place: Place) -> Added {
        let at = (time, EventId::from(id));
        let (before, after) = match self.places.last_key_value() {
            // Mostly it is the latest.
            Some((last, place)) if *last < at => (Some(*place), None),
            _ => {
                let before = self.places.range(..&at).next_back();
                let after = self.places.range(&at..).next();
                (before.map(|(_, place)| *place), after.map(|(_, place)| *place))
            }
        };
        let stays = before.is_none_or(|before| before == place) && after.is_none_or(|after| after == place);
        let bytes = bytes_of(&at);
        self.places.insert(at, place);
        Added { bytes, from: (!stays).then_some(time), shifts: Vec::new() }
    }

    /// The time of the latest event.
    pub fn latest(&self) -> Option<i64> {
        Some(self.places.last_key_value()?.0.0)
    }

    /// Takes out the events before a time, but for the last of them, from which the way to the next one begins.
    pub fn split(&mut self, before: i64) -> Split<Self> {
        let Some(last) = self.places.range(..(before, EventId::least())).next_back().map(|(at, _)| at.clone()) else {
            return Split { older: Self::default(), until: before, bytes: 0 };
        };
        let newer = self.places.split_off(&last);
        let places = std::mem::replace(&mut self.places, newer);
        let bytes = places.keys().map(bytes_of).sum();
        Split { older: Self { places }, until: last.0, bytes }
    }

    pub fn join(&mut self, mut older: Self) {
        self.places.append(&mut older.places);
    }

    pub fn judge(&self, keys: &judgement::Travel, from: i64) -> (i64, Vec<Claim>) {
        let start = (from, EventId::least());
        let mut before = self.places.range(..&start).next_back();
        let mut claims = Vec::new();
        for at in self.places.range(&start..) {
            if let Some(before) = before {
                claims.extend(claim(keys, before, at));
            }
            before = Some(at);
        }
        (from, claims)
    }

    /// The ways to and from an event, or all of them, against the keys.
    pub fn explain(&self, keys: &judgement::Travel, at: Option<(i64, &str)>) -> Vec<Moment> {
        let pairs = self.places.iter().zip(self.places.iter().skip(1));
        let asked = |event: &At| at.is_none_or(|(time, id)| event.0 == time && event.1 == *id);
        let moment = |(from, to): ((&At, &Place), (&At, &Place))| {
            let way = Way::of(from, to);
            let about =
                format!("from event {} at {} to {} at {}", from.0.1, rfc3339(from.0.0), to.0.1, rfc3339(to.0.0));
            let checks = vec![
                Check::new(
                    "distance",
                    format!("{:.0} km", way.distance_km),
                    format!(">= {} km, `distance_km`", keys.distance_km),
                    way.distance_km >= keys.distance_km,
                ),
                Check::new(
                    "speed",
                    format!("{:.0} km/h over {:.0} minutes", way.speed_kmh, way.seconds / 60.0),
                    format!(">= {} km/h, `speed_kmh`", keys.speed_kmh),
                    way.speed_kmh >= keys.speed_kmh,
                ),
            ];
            Moment::new(about, to.0.0, checks)
        };
        pairs.filter(|(from, to)| asked(from.0) || asked(to.0)).map(moment).collect()
    }
}

fn bytes_of(at: &At) -> usize {
    72 + at.1.bytes()
}

/// From one event to the next.
struct Way {
    distance_km: f64,
    seconds: f64,
    speed_kmh: f64,
}

impl Way {
    fn of((a, from): (&At, &Place), (b, to): (&At, &Place)) -> Way {
        let distance_km = distance_km(*from, *to);
        let seconds = (b.0.saturating_sub(a.0) as f64 / 1e6).max(SECONDS_MIN);
        Way { distance_km, seconds, speed_kmh: distance_km / (seconds / 3_600.0) }
    }
}

fn claim(keys: &judgement::Travel, (a, from): (&At, &Place), (b, to): (&At, &Place)) -> Option<Claim> {
    let Way { distance_km: distance, seconds, speed_kmh: speed } = Way::of((a, from), (b, to));
    if distance < keys.distance_km || speed < keys.speed_kmh {
        return None;
    }
    Some(Claim {
        what: Value::from(vec![a.1.to_string(), b.1.to_string()]),
        times: (a.0, b.0.saturating_add(1)),
        which: Which::Ids(vec![a.1.to_string(), b.1.to_string()]),
        count: 2,
        note: format!(
            "{distance:.0} km from {:.2}, {:.2} to {:.2}, {:.2} in {:.0} minutes would take {speed:.0} km/h",
            from.0,
            from.1,
            to.0,
            to.1,
            seconds / 60.0,
        ),
    })
}
