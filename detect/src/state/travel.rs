//! Two neighbouring events of an entity, by time, that are too far apart for the time between them. An event between
//! them makes them neighbours no longer; and from one place that the entity is known to be at to another it has its ways: by
//! the company's network, which leaves elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::days::Days;
use super::event_id::EventId;
use super::{Added, Check, Claim, DAY, Moment, Split, Which, days_told};
use crate::finding::time as rfc3339;
use crate::judgement;
use crate::statistics::distance_km;

/// Times are whole seconds: two events of the same one are taken to be so far apart.
const SECONDS_MIN: f64 = 1.0;
/// A place is known on a day if, in so many days before it, the entity was there on so many of them, by so many events.
pub(crate) const KNOWN_WITHIN_DAYS: i64 = 90;
pub(crate) const KNOWN_DAYS_MIN: usize = 2;
pub(crate) const KNOWN_EVENTS_MIN: u64 = 3;

/// Where an entity was, by time and event id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Travel {
    places: BTreeMap<At, Place>,
    /// The days on which it was at each place; whoever travels has few places.
    days: Vec<(Place, Days)>,
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
        let day = time.div_euclid(DAY);
        let (grown, tells) = self.count(place, day);
        let bytes = bytes_of(&at) + grown;
        self.places.insert(at, place);
        // What comes late may make a place known on the days behind it.
        let from = (!stays || tells && self.latest().is_some_and(|latest| latest >= (day + 1) * DAY)).then_some(time);
        Added { bytes, from, shifts: Vec::new() }
    }

    /// Counts an event at a place. Gives the bytes by which the list grew, and whether it may make the place known.
    fn count(&mut self, place: Place, day: i64) -> (usize, bool) {
        // Mostly it is where it was.
        let at = self.days.iter().rposition(|(known, _)| *known == place).unwrap_or_else(|| {
            self.days.push((place, Days::default()));
            self.days.len() - 1
        });
        let days = &mut self.days[at].1;
        let tells = days.between(day, day + 1) < KNOWN_EVENTS_MIN;
        let grown = if days.first().is_none() { PLACE_BYTES } else { 0 };
        (grown + days.add(day, 1), tells)
    }

    /// The days before a day on which the entity was at a place, and its events there, as far as they count.
    fn seen(&self, place: Place, day: i64) -> Seen {
        let days = self.days.iter().find(|(known, _)| *known == place).map(|(_, days)| days);
        let within = days.into_iter().flat_map(|days| days.since(day - KNOWN_WITHIN_DAYS));
        within
            .take_while(|(seen, _)| *seen < day)
            .fold(Seen::default(), |seen, (_, events)| Seen { days: seen.days + 1, events: seen.events + events })
    }

    /// Whether both ends of a way are places that the entity is known to be at, on the day of its end.
    fn is_usual(&self, (_, from): (&At, &Place), (at, to): (&At, &Place)) -> bool {
        let day = at.0.div_euclid(DAY);
        self.seen(*from, day).is_known() && self.seen(*to, day).is_known()
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
        // The days stay, since what is known is asked of every event.
        Split { older: Self { places, days: Vec::new() }, until: last.0, bytes }
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
                claims.extend(claim(keys, before, at).filter(|_| !self.is_usual(before, at)));
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
            let day = to.0.0.div_euclid(DAY);
            let ends = [self.seen(*from.1, day), self.seen(*to.1, day)];
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
                Check::new(
                    format!("its ends in the {} before", days_told(KNOWN_WITHIN_DAYS)),
                    format!("{} and {}", ends[0], ends[1]),
                    format!("not both {KNOWN_EVENTS_MIN} events on {} or more", days_told(KNOWN_DAYS_MIN as i64)),
                    !ends.iter().all(Seen::is_known),
                ),
            ];
            Moment::new(about, to.0.0, checks)
        };
        pairs.filter(|(from, to)| asked(from.0) || asked(to.0)).map(moment).collect()
    }
}

/// What was seen of an entity at a place.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    days: usize,
    events: u64,
}

impl Seen {
    fn is_known(&self) -> bool {
        self.days >= KNOWN_DAYS_MIN && self.events >= KNOWN_EVENTS_MIN
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} events on {}", self.events, days_told(self.days as i64))
    }
}

/// What a further place takes.
const PLACE_BYTES: usize = size_of::<(Place, Days)>();

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
