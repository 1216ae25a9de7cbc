//! A value that is improbable for the entity and for its population.
//!
//! Events are counted by UTC day, and count half after the half-life. On a day, a value is rare if its share of all events
//! of the days before is below the bound, both among the entity's own and among those of the population (the entity is a
//! part of it). Before a week is known of both, nothing is rare.

use serde_json::Value;

use super::days::Days;
use super::history::History;
use super::population::{Usual, View, seen_before, usual_before};
use super::{Check, Claim, DAY, Look, Moment, Which, days_told, value_told};
use crate::error::Result;
use crate::finding::time as rfc3339;
use crate::judgement;

/// Nothing is rare before so much history.
pub(crate) const HISTORY_DAYS_MIN: i64 = 7;

pub(super) fn judge<'h>(
    history: &'h History,
    keys: &judgement::Rare,
    from: i64,
    look: &mut Look<'_>,
) -> Result<(i64, Vec<Claim>)> {
    let from_day = from.div_euclid(DAY);
    let of_value = |(value, days): (_, &'h Days)| days.since(from_day).map(move |(day, n)| (day, value, days, n));
    let mut seen: Vec<(i64, &str, &Days, u64)> = history.values.seen_since(from_day).flat_map(of_value).collect();
    seen.sort_by_key(|(day, ..)| *day);
    let mut claims = Vec::new();
    for of_day in seen.chunk_by(|one, other| one.0 == other.0) {
        let day = of_day[0].0;
        let may_be = of_day.iter().filter(|(_, _, days, _)| may_be_rare(history, keys, days, day));
        let mut values: Vec<(&str, &Days, u64)> = may_be.map(|(_, value, days, n)| (*value, *days, *n)).collect();
        if values.is_empty() {
            continue;
        }
        values.sort_unstable_by_key(|(value, ..)| *value);
        // All but a value's own share is the same for all values of a day.
        let nothing = usual_before(keys, history, day);
        if nothing.days < HISTORY_DAYS_MIN {
            continue;
        }
        for (value, days, events) in values {
            let own = Usual { with: seen_before(keys, history, days, day), ..nothing };
            let Some(group) = history.group().filter(|_| own.probability() < keys.p_below) else { continue };
            let View::Usual(population) = look(group, value, day)? else { continue };
            if population.days < HISTORY_DAYS_MIN || population.probability() >= keys.p_below {
                continue;
            }
            claims.push(claim(keys, (day, value, events), group, own, population));
        }
    }
    Ok((from_day.saturating_mul(DAY), claims))
}

/// Whether an event with a value that has just been counted can tell anything: not if the value is surely none that is rare on its
/// day, and no later day is known to which the day is history.
pub(super) fn tells(history: &History, keys: &judgement::Rare, time: i64, value: &str) -> bool {
    let day = time.div_euclid(DAY);
    let days = history.values.get(value);
    history.all.last() != Some(day) || days.is_none_or(|days| may_be_rare(history, keys, days, day))
}

/// Whether a value may be rare for the entity itself on a day. Mostly it is not, which is seen from a few of its days: against all
/// events without their weight, and as if all values had been known by then, its share is less than it is.
fn may_be_rare(history: &History, keys: &judgement::Rare, days: &Days, day: i64) -> bool {
    let most = Usual { all: history.events as f64, different: history.values.len() as u64, ..Usual::default() };
    let mut with = 0.0;
    let mut before = days.before(day).rev().filter(|(d, _)| history.learnt(*d));
    loop {
        // What is summed in another order may differ in its last bits.
        if (Usual { with: with * (1.0 - 1e-9), ..most }).probability() >= keys.p_below {
            return false;
        }
        let Some((d, events)) = before.next() else { return true };
        with += events as f64 * keys.half_life.weight(day - d);
    }
}

fn claim(
    keys: &judgement::Rare,
    (day, value, events): (i64, &str, u64),
    group: &str,
    own: Usual,
    population: Usual,
) -> Claim {
    Claim {
        what: Value::from(vec![Value::from(value), Value::from(rfc3339(day * DAY))]),
        times: (day * DAY, (day + 1) * DAY),
        which: Which::Value(value.to_owned()),
        count: events,
        note: format!(
            "{} {} was seen {events} times that day; of the events before, it was {} of its own and {} of {} {}, where an \
             event counts half after {}",
            keys.value.join(", "),
            value_told(value),
            told(own),
            told(population),
            keys.population,
            crate::template::shown(group, 80),
            keys.half_life,
        ),
    }
}

fn told(usual: Usual) -> String {
    format!(
        "{:.1} of {:.1} in {} (probability {:.0e})",
        usual.with,
        usual.all,
        days_told(usual.days),
        usual.probability()
    )
}

/// A value on the day of a time, or each on the last day on which it was seen, against the keys.
pub(super) fn explain(
    history: &History,
    keys: &judgement::Rare,
    at: Option<(i64, &str)>,
    look: &mut Look<'_>,
) -> Result<Vec<Moment>> {
    let asked: Vec<(i64, &str)> = match at {
        Some((time, value)) => vec![(time.div_euclid(DAY), value)],
        None => history.values.iter().filter_map(|(value, days)| Some((days.last()?, value))).collect(),
    };
    let mut moments = Vec::new();
    for (day, value) in asked {
        let days = history.values.get(value).map_or(0.0, |days| seen_before(keys, history, days, day));
        let mut usual = vec![("its own events".to_string(), Usual { with: days, ..usual_before(keys, history, day) })];
        if let Some(group) = history.group()
            && let View::Usual(population) = look(group, value, day)?
        {
            let about = format!("events of {} {}", keys.population, crate::template::shown(group, 80));
            usual.push((about, population));
        }
        let mut checks = Vec::new();
        for (whose, usual) in usual {
            checks.push(Check::new(
                format!("history of {whose}"),
                days_told(usual.days),
                format!(">= {}", days_told(HISTORY_DAYS_MIN)),
                usual.days >= HISTORY_DAYS_MIN,
            ));
            checks.push(Check::new(
                format!("share of the value among {whose}, by weight"),
                told(usual),
                format!("< {}, `p_below`", keys.p_below),
                usual.probability() < keys.p_below,
            ));
        }
        if history.group().is_none() {
            checks.push(Check::new(keys.population.clone(), "null", "the population that it belongs to", false));
        }
        let about = format!("{} {} on {}", keys.value.join(", "), value_told(value), &rfc3339(day * DAY)[..10]);
        moments.push(Moment::new(about, day * DAY, checks));
    }
    Ok(moments)
}
