//! Reads the events of claims again from the table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::utils::{conjunction, disjunction, split_conjunction};
use datafusion::logical_expr::{Expr, col, lit};
use futures::TryStreamExt;
use serde_json::Value;
use trailhound_ingest::schema::schema;
use trailhound_store::Store;

use crate::error::{DetectError, Result};
use crate::needs;
use crate::revise::Revision;
use crate::rule::Rule;
use crate::ruleset::RuleSet;
use crate::state::DAY;
use crate::value::TEXT_BYTES_MAX;

/// Stretches of time in one statement, at most: more are read as one for each day.
const STRETCHES_MAX: usize = 100;

/// Reads the events of everything that a revision wants. Only the days, files, columns and, as far as conditions on columns
/// can say it, rows that are needed are read.
pub(crate) async fn read(store: &Store, set: &RuleSet, revision: &mut Revision) -> Result<()> {
    if revision.wanted.is_empty() {
        return Ok(());
    }
    let mut wanted: HashMap<(usize, String), Vec<usize>> = HashMap::new();
    let mut entities: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for (i, w) in revision.wanted.iter().enumerate() {
        wanted.entry((w.rule, w.entity.clone())).or_default().push(i);
        entities.entry(w.rule).or_default().insert(&w.entity);
    }
    let columns = set.columns_of(|rule| entities.contains_key(&rule));
    let narrowed = entities.iter().map(|(rule, entities)| of_entities(set.at(*rule), entities));
    let narrowed = narrowed.collect::<Option<Vec<Expr>>>().and_then(disjunction);
    let rules: BTreeSet<usize> = entities.into_keys().collect();
    let session = store.events().await?;
    let events = session.table("events").await.map_err(DetectError::recall)?;
    for stretch in stretches(revision.wanted.iter().map(|w| w.claim.times)) {
        let rows = conjunction(std::iter::once(stretch).chain(narrowed.clone())).expect("a stretch of time, at least");
        let rows = events.clone().filter(rows).and_then(|rows| rows.select_columns(&columns));
        let mut rows = rows.map_err(DetectError::recall)?.execute_stream().await.map_err(DetectError::recall)?;
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

/// What holds for every event of some entities of a rule, perhaps for others, too: its conditions that cannot fail, and the
/// entities' values of those of its columns that are columns of `events` as they are. None if there is no such condition.
fn of_entities(rule: &Rule, entities: &BTreeSet<&str>) -> Option<Expr> {
    let entities: Vec<BTreeMap<String, Value>> =
        entities.iter().map(|entity| serde_json::from_str(entity)).collect::<serde_json::Result<_>>().ok()?;
    let values = rule.select.columns.iter().filter_map(|(name, expr)| match expr {
        Expr::Column(column) => among(column, entities.iter().map(|entity| entity.get(name))),
        _ => None,
    });
    let conditions = rule.select.predicate.iter().flat_map(split_conjunction);
    conjunction(conditions.filter(|condition| needs::is_cheap(condition)).cloned().chain(values))
}

/// That a column has one of some values; none unless all of them are texts (or null) that stand in it as they are.
fn among<'v>(column: &Column, values: impl Iterator<Item = Option<&'v Value>>) -> Option<Expr> {
    let (mut texts, mut nothing) = (BTreeSet::new(), false);
    for value in values {
        match value? {
            Value::String(text) if text.len() <= TEXT_BYTES_MAX => _ = texts.insert(text.as_str()),
            Value::Null => nothing = true,
            _ => return None,
        }
    }
    let is_text = schema().field_with_name(&column.name).is_ok_and(|field| *field.data_type() == DataType::Utf8View);
    let column = || col(Column::from_name(&column.name));
    let listed =
        column().in_list(texts.into_iter().map(|text| lit(ScalarValue::Utf8View(Some(text.into())))).collect(), false);
    is_text.then(|| if nothing { listed.or(column().is_null()) } else { listed })
}

/// Conditions that together hold for every time in one of the stretches, each event for one condition only.
fn stretches(times: impl Iterator<Item = (i64, i64)>) -> Vec<Expr> {
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
    let within = |(from, to): &(i64, i64)| col("event_time").gt_eq(time(*from)).and(col("event_time").lt(time(*to)));
    let condition = |(day, times): (i64, Vec<(i64, i64)>)| {
        let times = match times.as_slice() {
            [first, .., last] if times.len() > STRETCHES_MAX => vec![(first.0, last.1)],
            _ => times,
        };
        let date = col("event_date").eq(lit(ScalarValue::Date32(Some(day as i32))));
        disjunction(times.iter().map(within)).map_or(date.clone(), |times| date.and(times))
    };
    days.into_iter().map(condition).collect()
}

/// µs since the epoch as a constant.
fn time(micros: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())))
}
