//! Reads the events of claims again from the table.

use std::collections::{BTreeMap, BTreeSet};

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
use crate::remembered::Remembered;
use crate::revise::{Revision, Wanted};
use crate::rule::Rule;
use crate::ruleset::RuleSet;
use crate::state::{DAY, Plan, Which};
use crate::value::TEXT_BYTES_MAX;

/// Stretches of time in one statement, at most: more are read as one for each day.
const STRETCHES_MAX: usize = 100;

/// Reads the events of everything that a revision wants. Only the days, files, columns and, as far as conditions on columns
/// can say it, rows that are needed are read.
pub(crate) async fn read(store: &Store, set: &RuleSet, revision: &mut Revision) -> Result<()> {
    let mut claims: BTreeMap<usize, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
    for (place, wanted) in revision.wanted.iter().enumerate() {
        claims.entry(wanted.rule).or_default().entry(wanted.entity.clone()).or_default().push(place);
    }
    let columns = set.columns_of(|rule| claims.contains_key(&rule));
    let narrowed = claims.iter().map(|(rule, of_rule)| {
        let of_rule = of_rule.iter().flat_map(|(entity, places)| places.iter().map(move |place| (entity, place)));
        let of_rule: Vec<_> = of_rule.map(|(entity, place)| (entity, &revision.wanted[*place].claim.which)).collect();
        of_claims(set.at(*rule), &of_rule)
    });
    let narrowed = narrowed.collect::<Option<Vec<Expr>>>().and_then(disjunction);
    let session = store.events().await?;
    let events = session.table("events").await.map_err(DetectError::recall)?;
    for stretch in stretches(revision.wanted.iter().map(|w| w.claim.times)) {
        let rows = narrowed.iter().cloned().fold(stretch, Expr::and);
        let rows = events.clone().filter(rows).and_then(|rows| rows.select_columns(&columns));
        let mut rows = rows.map_err(DetectError::recall)?.execute_stream().await.map_err(DetectError::recall)?;
        while let Some(batch) = rows.try_next().await.map_err(DetectError::recall)? {
            let chosen = set.evaluate_to_remember(&batch, &|rule| claims.contains_key(&rule));
            for rows in chosen.map_err(DetectError::recall)?.1 {
                let counted = counted(set.at(rows.rule), &claims[&rows.rule], &revision.wanted, &rows);
                // Mostly they are few of those that were read, and only these are made into what a finding keeps.
                let picked = counted.iter().map(|(row, _)| *row).collect();
                let seen = set.sightings(&batch, rows.rule, picked).map_err(DetectError::recall)?;
                for (sighting, (_, places)) in seen.sightings.into_iter().zip(counted) {
                    places
                        .into_iter()
                        .for_each(|place| revision.wanted[place].take(set.at(rows.rule), sighting.clone()));
                }
            }
        }
    }
    Ok(())
}

/// The rows that some claim of a rule counts, each with the places of these claims.
fn counted(
    rule: &Rule,
    claims: &BTreeMap<String, Vec<usize>>,
    wanted: &[Wanted],
    rows: &Remembered,
) -> Vec<(u32, Vec<usize>)> {
    let Some(plan) = &rule.plan else { return Vec::new() };
    let counted = rows.iter().filter_map(|(whose, row)| {
        let of_entity = claims.get(&*whose?.text)?;
        let counts = |place: &usize| plan.counts_event(&wanted[*place].claim, row.time, row.id.text(), &row.evidence);
        let places: Vec<usize> = of_entity.iter().copied().filter(counts).collect();
        (!places.is_empty()).then_some((row.place, places))
    });
    counted.collect()
}

/// What holds for every event that some claims of a rule's entities count, perhaps for others, too: the rule's conditions that
/// cannot fail, and the values of those columns of its entities, and of what is claimed to be new or rare, that are columns of
/// `events` as they are; where events are claimed by id, these. None if there is no such condition.
fn of_claims(rule: &Rule, claims: &[(&String, &Which)]) -> Option<Expr> {
    let entities: Vec<BTreeMap<String, Value>> =
        claims.iter().map(|(entity, _)| serde_json::from_str(entity)).collect::<serde_json::Result<_>>().ok()?;
    let of_entities = rule.select.columns.iter().filter_map(|(name, expr)| match expr {
        Expr::Column(column) => among(column, entities.iter().map(|entity| entity.get(name))),
        _ => None,
    });
    let values: Option<Vec<Vec<Value>>> = claims.iter().map(|(_, which)| which.value()).collect();
    let columns = rule.plan.iter().flat_map(Plan::value_columns).map(|place| &rule.select.columns[*place].1);
    let of_values = columns.enumerate().filter_map(|(at, expr)| match (expr, &values) {
        (Expr::Column(column), Some(values)) => among(column, values.iter().map(|value| value.get(at))),
        _ => None,
    });
    let ids: Option<Vec<&[String]>> = claims.iter().map(|(_, which)| which.ids()).collect();
    let of_ids = ids.map(|ids| is_one_of("event_id", ids.concat().iter().map(String::as_str).collect()));
    let conditions = rule.select.predicate.iter().flat_map(split_conjunction).filter(|c| needs::is_cheap(c)).cloned();
    conjunction(conditions.chain(of_entities).chain(of_values).chain(of_ids))
}

/// That a column of text has one of some values.
fn is_one_of(column: &str, texts: BTreeSet<&str>) -> Expr {
    let texts = texts.into_iter().map(|text| lit(ScalarValue::Utf8View(Some(text.into()))));
    col(Column::from_name(column)).in_list(texts.collect(), false)
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
    let listed = is_one_of(&column.name, texts);
    is_text.then(|| if nothing { listed.or(col(Column::from_name(&column.name)).is_null()) } else { listed })
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
