//! A value that is new for the entity.
//!
//! Everything is counted by UTC day: how many events the entity had, and on which days each value was seen. A value is
//! new on a day if it was not seen in the days before it that are still remembered. How often an entity shows new values
//! anyway (Good and Turing's estimate) keeps explorers quiet; a value that enough of its peers have is no news either.

use serde_json::Value;

use super::history::{History, between};
use super::population::View;
use super::{Claim, DAY, Look, Which, days_told, value_told};
use crate::error::Result;
use crate::finding::time as rfc3339;
use crate::judgement;
use crate::template::shown;

/// The days over which the rate of new values is taken.
const RATE_DAYS: i64 = 30;
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
    let forget = keys.forget.days();
    // (day, value, events that day) wherever a value is new.
    let mut new: Vec<(i64, &str, u64)> = Vec::new();
    for (value, days) in &history.values {
        let mut before: Option<i64> = None;
        for (day, events) in days {
            if before.is_none_or(|b| day - b > forget) {
                new.push((*day, value, *events));
            }
            if history.learnt(*day) {
                before = Some(*day);
            }
        }
    }
    new.sort_unstable();
    let mut claims = Vec::new();
    for value in new.iter().filter(|(day, ..)| *day >= from_day) {
        claims.extend(claim(history, keys, value, &new, look)?);
    }
    Ok((from_day.saturating_mul(DAY), claims))
}

fn claim(
    history: &History,
    keys: &judgement::FirstSeen,
    (day, value, events): &(i64, &str, u64),
    new: &[(i64, &str, u64)],
    look: &mut Look<'_>,
) -> Result<Option<Claim>> {
    let Some((first, _)) = history.all.first() else { return Ok(None) };
    let known_days = day - first;
    let known_events = between(&history.all, i64::MIN, *day);
    if known_days < keys.learn.days() || known_events < keys.min_events {
        return Ok(None);
    }
    let recent_events = between(&history.all, day - RATE_DAYS, *day);
    let recent_new = new.iter().filter(|(d, ..)| *d >= day - RATE_DAYS && d < day && history.learnt(*d)).count() as u64;
    let rate = (recent_new + 1) as f64 / (recent_events + 2) as f64;
    if rate > keys.max_new_rate {
        return Ok(None);
    }
    let Some(peers) = peers(history, keys, value, *day, look)? else { return Ok(None) };
    let last = history.values[*value].iter().rev().find(|(d, _)| d < day && history.learnt(*d)).map(|(d, _)| *d);
    let seen = match last {
        Some(last) => format!("was last seen {} before", days_told(day - last)),
        None => "was never seen before".into(),
    };
    let columns = keys.value.join(", ");
    Ok(Some(Claim {
        what: Value::from(vec![Value::from(*value), Value::from(rfc3339(day * DAY))]),
        times: (day * DAY, (day + 1) * DAY),
        which: Which::Value((*value).to_owned()),
        count: *events,
        note: format!(
            "{columns} {} {seen}, in {known_events} events over {}; in the {} before, {recent_new} values were new \
             among {recent_events} events{peers}",
            value_told(value),
            days_told(known_days),
            days_told(RATE_DAYS),
        ),
    }))
}

/// What there is to say of the entity's peers; none if the value is usual among them.
fn peers(
    history: &History,
    keys: &judgement::FirstSeen,
    value: &str,
    day: i64,
    look: &mut Look<'_>,
) -> Result<Option<String>> {
    let (Some(column), Some(group)) = (&keys.peers, history.group()) else { return Ok(Some(String::new())) };
    let View::Peers { with, all } = look(group, value, day)? else { return Ok(Some(String::new())) };
    // The entity itself is no peer of its own, where it was counted.
    let counted = |days| i64::from(history.first_learnt(days).is_some_and(|first| first <= day));
    let (with, all) = (with - counted(&history.values[value]), all - counted(&history.all));
    if with >= PEERS_MIN && with * 100 >= all * PEERS_PERCENT {
        return Ok(None);
    }
    Ok(Some(format!("; {with} of {all} peers ({column} {}) had it by then", shown(group, 80))))
}
