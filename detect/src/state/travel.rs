//! Two neighbouring events of an entity, by time, that are too far apart for the time between them. An event between
//! them makes them neighbours no longer; and from one place that the entity is known to be at to another it has its ways: by
//! the company's network, which leaves elsewhere.

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

/// Where an entity was.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Travel {
    /// Rising. They are many, so a place is only named.
    stops: Vec<Stop>,
    /// The days on which it was at each place; whoever travels has few places.
    days: Vec<(Place, Days)>,
}

/// When an event was, its id, and the number of its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Stop {
    time: i64,
    id: EventId,
    place: u32,
}

impl Stop {
    fn bytes(&self) -> usize {
        size_of::<Stop>() + self.id.bytes()
    }
}

/// Degrees of latitude and longitude.
type Place = (f64, f64);

impl Travel {
    /// Nothing is claimed of a way of no length: an event at the place of its neighbours tells nothing.
    pub fn add(&mut self, time: i64, id: &str, place: Place) -> Added {
        let day = time.div_euclid(DAY);
        let (place, grown, tells) = self.count(place, day);
        let stop = Stop { time, id: EventId::from(id), place };
        // Mostly it is the latest.
        let at = match self.stops.last() {
            Some(last) if *last > stop => self.stops.partition_point(|known| *known < stop),
            _ => self.stops.len(),
        };
        let before = at.checked_sub(1).and_then(|before| self.stops.get(before));
        let stays = before.into_iter().chain(self.stops.get(at)).all(|next| next.place == place);
        let bytes = stop.bytes() + grown;
        self.stops.insert(at, stop);
        // What comes late may make a place known on the days behind it.
        let from = (!stays || tells && self.latest().is_some_and(|latest| latest >= (day + 1) * DAY)).then_some(time);
        Added { bytes, from, shifts: Vec::new() }
    }

    /// Counts an event at a place. Gives the place's number, the bytes by which the list grew, and whether it may make the place
    /// known.
    fn count(&mut self, place: Place, day: i64) -> (u32, usize, bool) {
        // Mostly it is where it was.
        let at = self.days.iter().rposition(|(known, _)| *known == place).unwrap_or_else(|| {
            self.days.push((place, Days::default()));
            self.days.len() - 1
        });
        let days = &mut self.days[at].1;
        let tells = days.between(day, day + 1) < KNOWN_EVENTS_MIN;
        let grown = if days.first().is_none() { PLACE_BYTES } else { 0 };
        (at as u32, grown + days.add(day, 1), tells)
    }

    /// The days before a day on which the entity was at a place, and its events there, as far as they count.
    fn seen(&self, place: u32, day: i64) -> Seen {
        let (_, days) = &self.days[place as usize];
        days.since(day - KNOWN_WITHIN_DAYS)
            .take_while(|(seen, _)| *seen < day)
            .fold(Seen::default(), |seen, (_, events)| Seen { days: seen.days + 1, events: seen.events + events })
    }

    /// Whether both ends of a way are places that the entity is known to be at, on the day of its end.
    fn is_usual(&self, from: &Stop, to: &Stop) -> bool {
        let day = to.time.div_euclid(DAY);
        self.seen(from.place, day).is_known() && self.seen(to.place, day).is_known()
    }

    fn way(&self, from: &Stop, to: &Stop) -> Way {
        let [begin, end] = [from, to].map(|stop| self.days[stop.place as usize].0);
        let distance_km = distance_km(begin, end);
        let seconds = (to.time.saturating_sub(from.time) as f64 / 1e6).max(SECONDS_MIN);
        Way { begin, end, distance_km, seconds, speed_kmh: distance_km / (seconds / 3_600.0) }
    }

    /// The time of the latest event.
    pub fn latest(&self) -> Option<i64> {
        Some(self.stops.last()?.time)
    }

    /// Takes out the events before a time, but for the last of them, from which the way to the next one begins.
    pub fn split(&mut self, before: i64) -> Split<Self> {
        let Some(last) = self.stops.partition_point(|stop| stop.time < before).checked_sub(1) else {
            return Split { older: Self::default(), until: before, bytes: 0 };
        };
        let until = self.stops[last].time;
        let newer = self.stops.split_off(last);
        let stops = std::mem::replace(&mut self.stops, newer);
        let bytes = stops.iter().map(Stop::bytes).sum();
        // The days stay, since what is known is asked of every event.
        Split { older: Self { stops, days: Vec::new() }, until, bytes }
    }

    pub fn join(&mut self, older: Self) {
        self.stops.extend(older.stops);
        self.stops.sort_unstable();
    }

    pub fn judge(&self, keys: &judgement::Travel, from: i64) -> (i64, Vec<Claim>) {
        let first = self.stops.partition_point(|stop| stop.time < from).saturating_sub(1);
        let ways = self.stops[first..].windows(2).filter(|way| way[0].place != way[1].place);
        let claims = ways.filter_map(|way| self.claim(keys, &way[0], &way[1])).collect();
        (from, claims)
    }

    fn claim(&self, keys: &judgement::Travel, from: &Stop, to: &Stop) -> Option<Claim> {
        let way = self.way(from, to);
        if way.distance_km < keys.distance_km || way.speed_kmh < keys.speed_kmh || self.is_usual(from, to) {
            return None;
        }
        let ids = vec![from.id.to_string(), to.id.to_string()];
        let Way { begin, end, distance_km, seconds, speed_kmh } = way;
        Some(Claim {
            what: Value::from(ids.clone()),
            times: (from.time, to.time.saturating_add(1)),
            which: Which::Ids(ids),
            count: 2,
            note: format!(
                "{distance_km:.0} km from {:.2}, {:.2} to {:.2}, {:.2} in {:.0} minutes would take {speed_kmh:.0} km/h",
                begin.0,
                begin.1,
                end.0,
                end.1,
                seconds / 60.0,
            ),
        })
    }

    /// The ways to and from an event, or all of them, against the keys.
    pub fn explain(&self, keys: &judgement::Travel, at: Option<(i64, &str)>) -> Vec<Moment> {
        let asked = |stop: &Stop| at.is_none_or(|(time, id)| stop.time == time && stop.id == *id);
        let moment = |[from, to]: [&Stop; 2]| {
            let way = self.way(from, to);
            let [begun, ended] = [from, to].map(|stop| format!("{} at {}", stop.id, rfc3339(stop.time)));
            let about = format!("from event {begun} to {ended}");
            let day = to.time.div_euclid(DAY);
            let ends = [self.seen(from.place, day), self.seen(to.place, day)];
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
            Moment::new(about, to.time, checks)
        };
        let ways = self.stops.windows(2).map(|way| [&way[0], &way[1]]);
        ways.filter(|ends| ends.iter().any(|stop| asked(stop))).map(moment).collect()
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

/// From one event to the next.
struct Way {
    begin: Place,
    end: Place,
    distance_km: f64,
    seconds: f64,
    speed_kmh: f64,
}
