//! A value that is new for the entity.
//!
//! Everything is counted by UTC day: how many events the entity had, and on which days each value was seen. A value is
//! new on a day if it was not seen in the days before it that are still remembered; with `each`, none of its columns may have
//! been seen, with whatever else. How often an entity shows new values anyway (Good and Turing's estimate) keeps explorers
//! quiet; a value that enough of its peers have is no news either.

use std::collections::HashMap;

use serde_json::Value;

use super::days::Days;
use super::history::History;
use super::population::View;
use super::{Check, Claim, DAY, Look, Moment, Which, days_told, value_told};
use crate::error::Result;
use crate::finding::time as rfc3339;
use crate::judgement;
use crate::template::shown;

/// The days over which the rate of new values is taken.
pub(crate) const RATE_DAYS: i64 = 30;
/// What at least so many peers, and this share of them, have is usual.
const PEERS_MIN: i64 = 5;
const PEERS_PERCENT: i64 = 20;

pub(super) fn judge(
    history: &History,
    keys: &judgement::FirstSeen,
    from: i64,
    look: &mut Look<'_>,
) -> Result<(i64, Vec<Claim>)> {
    let from_day = from.div_euclid(DAY);
    let mut claims = Vec::new();
    // Mostly nothing is new, which is seen before anything is put together.
    if history.values.seen_since(from_day).any(|(_, days)| has_new(history, days, from_day, keys.forget.days())) {
        let new = new_values(history, keys);
        for value in new.iter().filter(|(day, ..)| *day >= from_day) {
            claims.extend(claim(history, keys, value, &new, look)?);
        }
    }
    Ok((from_day.saturating_mul(DAY), claims))
}

/// Whether an event with a value that has just been counted can tell anything new: not if the value is not new on its day, and no
/// later day is known to which the day is history.
pub(super) fn tells(history: &History, keys: &judgement::FirstSeen, time: i64, value: &str) -> bool {
    let day = time.div_euclid(DAY);
    let days = history.values.get(value);
    history.all.last() != Some(day) || days.is_none_or(|days| has_new(history, days, day, keys.forget.days()))
}

/// A day on which a value is new, and its events that day.
type New<'h> = (i64, &'h str, u64);

/// Wherever a value is new; rising.
fn new_values<'h>(history: &'h History, keys: &judgement::FirstSeen) -> Vec<New<'h>> {
    let forget = keys.forget.days();
    let columns = keys.each.then(|| Columns::of(history));
    let mut new = Vec::new();
    for (value, days) in history.values.iter() {
        let mut before: Option<i64> = None;
        for (day, events) in days.iter() {
            if before.is_none_or(|b| day - b > forget) && columns.as_ref().is_none_or(|c| c.are_new(value, day, forget))
            {
                new.push((day, value, events));
            }
            if history.learnt(day) {
                before = Some(day);
            }
        }
    }
    new.sort_unstable();
    new
}

/// The days, rising, on which each column of the values was seen by itself and that count.
struct Columns(HashMap<(usize, Value), Vec<i64>>);

impl Columns {
    fn of(history: &History) -> Columns {
        let mut seen: HashMap<_, Vec<i64>> = HashMap::new();
        for (value, days) in history.values.iter() {
            for column in columns_of(value) {
                let learnt = days.iter().map(|(day, _)| day).filter(|day| history.learnt(*day));
                seen.entry(column).or_default().extend(learnt);
            }
        }
        seen.values_mut().for_each(|days| days.sort_unstable());
        Columns(seen)
    }

    /// The last day before a day on which each column of a value was seen, in their order.
    fn seen_before(&self, value: &str, day: i64) -> Vec<Option<i64>> {
        let last = |days: &Vec<i64>| days[..days.partition_point(|d| *d < day)].last().copied();
        columns_of(value).map(|column| self.0.get(&column).and_then(last)).collect()
    }

    fn are_new(&self, value: &str, day: i64, forget: i64) -> bool {
        self.seen_before(value, day).into_iter().flatten().all(|last| day - last > forget)
    }
}

/// What stands in each column of a value.
fn columns_of(value: &str) -> impl Iterator<Item = (usize, Value)> {
    serde_json::from_str::<Vec<Value>>(value).unwrap_or_default().into_iter().enumerate()
}

/// Whether a value is new on one of its days from a day on.
fn has_new(history: &History, days: &Days, from: i64, forget: i64) -> bool {
    let mut before = days.last_before(from);
    while let Some(day) = before.filter(|day| !history.learnt(*day)) {
        before = days.last_before(day);
    }
    days.since(from).any(|(day, _)| {
        let is_new = before.is_none_or(|b| day - b > forget);
        if history.learnt(day) {
            before = Some(day);
        }
        is_new
    })
}

/// What was known of an entity before a day.
struct Known {
    /// Days since its first event.
    days: i64,
    events: u64,
    /// Of the days before over which the rate is taken.
    recent_events: u64,
    recent_new: u64,
    rate: f64,
    /// Days since the value in question was last seen.
    since: Option<i64>,
}

fn known(history: &History, day: i64, value: &str, new: &[New<'_>]) -> Option<Known> {
    let recent_events = history.all.between(day - RATE_DAYS, day);
    let recent = |d: i64| d >= day - RATE_DAYS && d < day && history.learnt(d);
    let recent_new = new.iter().filter(|(d, ..)| recent(*d)).count() as u64;
    let mut seen = history.values.get(value).into_iter().flat_map(|days| days.before(day).rev()).map(|(day, _)| day);
    Some(Known {
        days: day - history.all.first()?,
        events: history.all.between(i64::MIN, day),
        recent_events,
        recent_new,
        rate: (recent_new + 1) as f64 / (recent_events + 2) as f64,
        since: seen.find(|d| history.learnt(*d)).map(|last| day - last),
    })
}

fn claim(
    history: &History,
    keys: &judgement::FirstSeen,
    (day, value, events): &New<'_>,
    new: &[New<'_>],
    look: &mut Look<'_>,
) -> Result<Option<Claim>> {
    let Some(known) = known(history, *day, value, new) else { return Ok(None) };
    if known.days < keys.learn.days() || known.events < keys.min_events || known.rate > keys.max_new_rate {
        return Ok(None);
    }
    let peers = match peers(history, keys, value, *day, look)? {
        Some(peers) if peers.is_usual() => return Ok(None),
        Some(peers) => format!("; {peers}"),
        None => String::new(),
    };
    let Known { events: known_events, recent_events, recent_new, .. } = known;
    let seen = match known.since {
        Some(days) => format!("was last seen {} before", days_told(days)),
        None => "was never seen before".into(),
    };
    let columns = keys.value.join(", ");
    let each = if keys.each { " and neither was any of them by itself" } else { "" };
    Ok(Some(Claim {
        what: Value::from(vec![Value::from(*value), Value::from(rfc3339(day * DAY))]),
        times: (day * DAY, (day + 1) * DAY),
        which: Which::Value((*value).to_owned()),
        count: *events,
        note: format!(
            "{columns} {} {seen}{each}, in {known_events} events over {}; in the {} before, {recent_new} values were new \
             among {recent_events} events{peers}",
            value_told(value),
            days_told(known.days),
            days_told(RATE_DAYS),
        ),
    }))
}

/// How many of an entity's peers had a value.
struct Peers {
    with: i64,
    all: i64,
    /// What makes them peers.
    told: String,
}

impl Peers {
    fn is_usual(&self) -> bool {
        self.with >= PEERS_MIN && self.with * 100 >= self.all * PEERS_PERCENT
    }
}

impl std::fmt::Display for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} peers ({}) had it by then", self.with, self.all, self.told)
    }
}

/// What there is to say of the entity's peers, if it has any.
fn peers(
    history: &History,
    keys: &judgement::FirstSeen,
    value: &str,
    day: i64,
    look: &mut Look<'_>,
) -> Result<Option<Peers>> {
    let (Some(column), Some(group)) = (&keys.peers, history.group()) else { return Ok(None) };
    let View::Peers { with, all } = look(group, value, day)? else { return Ok(None) };
    // The entity itself is no peer of its own, where it was counted.
    let counted = |days: &Days| i64::from(history.first_learnt(days).is_some_and(|first| first <= day));
    let own = history.values.get(value).map_or(0, counted);
    Ok(Some(Peers {
        with: with - own,
        all: all - counted(&history.all),
        told: format!("{column} {}", shown(group, 80)),
    }))
}

/// A value on the day of a time, or all that were new, against the keys.
pub(super) fn explain(
    history: &History,
    keys: &judgement::FirstSeen,
    at: Option<(i64, &str)>,
    look: &mut Look<'_>,
) -> Result<Vec<Moment>> {
    let new = new_values(history, keys);
    let columns = keys.each.then(|| Columns::of(history));
    let asked: Vec<(i64, &str)> = match at {
        Some((time, value)) => vec![(time.div_euclid(DAY), value)],
        None => new.iter().map(|(day, value, _)| (*day, *value)).collect(),
    };
    let mut moments = Vec::new();
    for (day, value) in asked {
        let Some(known) = known(history, day, value, &new) else { continue };
        let last_seen = |what: String, since: Option<i64>| {
            Check::new(
                what,
                since.map_or("never".into(), |days| format!("{} before", days_told(days))),
                format!("never, or longer ago than `forget`, {}", keys.forget),
                since.is_none_or(|days| days > keys.forget.days()),
            )
        };
        let rate = format!("{:.4} ({} new in {} events)", known.rate, known.recent_new, known.recent_events);
        let about = format!("{} {} on {}", keys.value.join(", "), value_told(value), &rfc3339(day * DAY)[..10]);
        let mut checks = vec![
            last_seen("last seen".into(), known.since),
            Check::new(
                "the entity was known for",
                days_told(known.days),
                format!(">= {}, `learn`", days_told(keys.learn.days())),
                known.days >= keys.learn.days(),
            ),
            Check::new(
                "events before that day",
                known.events,
                format!(">= {}, `min_events`", keys.min_events),
                known.events >= keys.min_events,
            ),
            Check::new(
                format!("rate of new values in the {} before", days_told(RATE_DAYS)),
                rate,
                format!("<= {}, `max_new_rate`", keys.max_new_rate),
                known.rate <= keys.max_new_rate,
            ),
        ];
        for (column, last) in keys.value.iter().zip(columns.iter().flat_map(|c| c.seen_before(value, day))) {
            checks.push(last_seen(format!("{column} by itself last seen"), last.map(|last| day - last)));
        }
        if let Some(peers) = peers(history, keys, value, day, look)? {
            checks.push(Check::new(
                format!("peers ({}) that had it by then", peers.told),
                format!("{} of {}", peers.with, peers.all),
                format!("fewer than {PEERS_MIN}, or than {PEERS_PERCENT} %"),
                !peers.is_usual(),
            ));
        }
        moments.push(Moment::new(about, day * DAY, checks));
    }
    Ok(moments)
}
