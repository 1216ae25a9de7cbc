//! Reads the events of claims again from the table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::TryStreamExt;
use trailhound_store::Store;

use crate::error::{DetectError, Result};
use crate::revise::Revision;
use crate::ruleset::RuleSet;
use crate::state::DAY;

/// Stretches of time in one statement, at most: more are read as one for each day.
const STRETCHES_MAX: usize = 100;

/// Reads the events of everything that a revision wants. Only the days, files and columns that are needed are read.
pub(crate) async fn read(store: &Store, set: &RuleSet, revision: &mut Revision) -> Result<()> {
    if revision.wanted.is_empty() {
        return Ok(());
    }
    let rules: BTreeSet<usize> = revision.wanted.iter().map(|w| w.rule).collect();
    let mut wanted: HashMap<(usize, String), Vec<usize>> = HashMap::new();
    for (i, w) in revision.wanted.iter().enumerate() {
        wanted.entry((w.rule, w.entity.clone())).or_default().push(i);
    }
    let session = store.events().await?;
    let columns = set.columns().join(", ");
    for stretch in stretches(revision.wanted.iter().map(|w| w.claim.times)) {
        let sql = format!("SELECT {columns} FROM events WHERE {stretch}");
        let mut rows = trailhound_store::query(&session, &sql).await?;
        while let Some(batch) = rows.try_next().await.map_err(DetectError::recall)? {
            let seen = set.evaluate_some(&batch, |rule| rules.contains(&rule)).map_err(DetectError::recall)?;
            for sighting in seen.sightings {
                let rule = set.at(sighting.rule);
                let entity = rule.plan.as_ref().and_then(|plan| plan.entity(sighting.evidence.as_slice()));
                let claims = entity.and_then(|entity| wanted.get(&(sighting.rule, entity)));
                for place in claims.into_iter().flatten() {
                    revision.wanted[*place].offer(rule, &sighting);
                }
            }
        }
    }
    Ok(())
}

/// Conditions that together hold for every time in one of the stretches, each event for one condition only.
fn stretches(times: impl Iterator<Item = (i64, i64)>) -> Vec<String> {
    let mut times: Vec<(i64, i64)> = times.collect();
    times.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::new();
    for (from, to) in times {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    let mut days: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
    for (from, to) in merged {
        for day in from.div_euclid(DAY)..=(to - 1).div_euclid(DAY) {
            days.entry(day).or_default().push((from.max(day * DAY), to.min((day + 1) * DAY)));
        }
    }
    let condition = |(day, times): (i64, Vec<(i64, i64)>)| {
        let times = match times.as_slice() {
            [first, .., last] if times.len() > STRETCHES_MAX => vec![(first.0, last.1)],
            _ => times,
        };
        let times: Vec<String> = times
            .iter()
            .map(|(from, to)| format!("(event_time >= {} AND event_time < {})", literal(*from), literal(*to)))
            .collect();
        format!("event_date = CAST({day} AS INT)::DATE AND ({})", times.join(" OR "))
    };
    days.into_iter().map(condition).collect()
}

fn literal(micros: i64) -> String {
    format!("to_timestamp_micros({micros})")
}
