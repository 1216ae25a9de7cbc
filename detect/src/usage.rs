//! Which rules have anything to do in a store: how many events each chose, when last, and what a rule that chose none
//! waits for in vain.
//!
//! Whether an event name exists at all is asked of IAM's catalogue by [`check`](crate::check()); here the store answers.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{Array, AsArray};
use futures::TryStreamExt;
use trailhound_store::Store;

use crate::backtest::over_all;
use crate::error::{DetectError, Result};
use crate::rule::Rule;
use crate::ruleset::RuleSet;

/// Names that are listed of those that never occurred.
const NAMES_MAX: usize = 5;

/// What a rule had to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    pub rule: String,
    /// Events that its SELECT chose.
    pub chosen: u64,
    /// The latest of them, µs since the epoch.
    pub last_time: Option<i64>,
    /// Why it chose none: a lowercase phrase.
    pub silent: Option<String>,
}

/// What each rule of a set had to do in everything that a store keeps, in the set's order.
pub async fn usage(store: &Store, set: &RuleSet) -> Result<Vec<Usage>> {
    let mut chosen = vec![0; set.rules().len()];
    let mut last: Vec<Option<i64>> = vec![None; set.rules().len()];
    let mut later = |rule: usize, time: Option<i64>| last[rule] = last[rule].max(time);
    over_all(store, set, |seen, remembered| {
        seen.costs.iter().for_each(|cost| chosen[cost.rule] += cost.matches);
        seen.sightings.iter().for_each(|s| later(s.rule, Some(s.event_time)));
        remembered.iter().for_each(|rows| later(rows.rule, rows.latest()));
        Ok(())
    })
    .await?;
    let names = Names::of(store).await?;
    let each = set.rules().zip(chosen).zip(last).map(|((rule, chosen), last_time)| Usage {
        rule: rule.id.clone(),
        chosen,
        last_time,
        silent: (chosen == 0).then(|| names.lacking(rule)),
    });
    Ok(each.collect())
}

/// The event names of a store, with and without API versions, by event source.
struct Names(BTreeMap<String, BTreeSet<String>>);

impl Names {
    async fn of(store: &Store) -> Result<Names> {
        let sql = "SELECT DISTINCT event_source, event_name, event_name_norm FROM events";
        let mut rows = store.query(sql).await?;
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        while let Some(batch) = rows.try_next().await.map_err(DetectError::recall)? {
            let text = |column: usize, row: usize| {
                let texts = batch.column(column).as_string_view();
                texts.is_valid(row).then(|| texts.value(row).to_owned())
            };
            for row in 0..batch.num_rows() {
                let source = names.entry(text(0, row).unwrap_or_default()).or_default();
                source.extend([text(1, row), text(2, row)].into_iter().flatten());
            }
        }
        Ok(Names(names))
    }

    /// What a rule that chose nothing waits for.
    fn lacking(&self, rule: &Rule) -> String {
        if self.0.is_empty() {
            return "the store is empty".into();
        }
        let of = |source: &String| rule.sources.as_ref().is_none_or(|wanted| wanted.contains(source));
        let mut seen = self.0.iter().filter(|(source, _)| of(source)).peekable();
        if let (Some(wanted), None) = (&rule.sources, seen.peek()) {
            return format!("no event of {} ever came: is it logged?", listed(wanted));
        }
        let seen: BTreeSet<&String> = seen.flat_map(|(_, names)| names).collect();
        match &rule.names {
            Some(wanted) if wanted.iter().all(|name| !seen.contains(name)) => {
                format!("its event names never came: {}", listed(wanted))
            }
            _ => "its events came, and none met its conditions".into(),
        }
    }
}

fn listed(words: &BTreeSet<String>) -> String {
    let mut text = words.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    if words.len() > NAMES_MAX {
        text.push_str(&format!(" and {} more", words.len() - NAMES_MAX));
    }
    text
}
