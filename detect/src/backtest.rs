//! What rules would have found in everything that a store keeps, by the same code as the stream, writing nothing.

use futures::TryStreamExt;
use trailhound_store::Store;

use crate::detector::recall;
use crate::error::{DetectError, Result};
use crate::evaluate::Seen;
use crate::finding::{self, Finding, Folded, fold};
use crate::memory::Memory;
use crate::query;
use crate::remembered::Remembered;
use crate::revise::Revision;
use crate::ruleset::RuleSet;

/// The findings of a set of rules, by first time, then id. What is remembered beyond `memory_bytes_max` goes to a file.
/// A rule that learns needs those beside it that make attacks ([`Rule::makes_attacks`](crate::Rule::makes_attacks)).
pub async fn backtest(store: &Store, set: &RuleSet, memory_bytes_max: usize) -> Result<Vec<Finding>> {
    let mut memory = Memory::new(memory_bytes_max);
    let mut found = Folded::new();
    over_all(store, set, |seen, remembered| {
        memory.strike(set, seen.sightings.iter())?;
        fold(set, seen.sightings, &mut found);
        for rows in remembered {
            memory.remember(set.at(rows.rule), &rows, &mut |_, _| ())?;
        }
        memory.settle()
    })
    .await?;
    let mut revision = Revision::default();
    for verdict in memory.judge(set, &|_, _, _| false)? {
        revision.compare(set, verdict, Vec::new(), &[], true);
    }
    recall::read(store, set, &mut revision).await?;
    revision.read_again(set);
    let mut findings: Vec<Finding> = found.into_values().map(|(_, finding)| finding).collect();
    findings.extend(revision.write.into_iter().map(|(_, finding)| finding));
    findings.extend(answers(store, set).await?);
    findings.sort_by(|a, b| (a.first_time, &a.id).cmp(&(b.first_time, &b.id)));
    Ok(findings)
}

/// Evaluates a set of rules on everything that a store keeps and hands out what is seen, some thousand rows at a time.
/// Rules that fail on rows are named in the log.
pub(crate) async fn over_all(
    store: &Store,
    set: &RuleSet,
    mut each: impl FnMut(Seen, Vec<Remembered>) -> Result<()>,
) -> Result<()> {
    let mut changes = store.changes(-1, &set.columns()).await?;
    while let Some(change) = changes.try_next().await? {
        let version = change.version;
        let seen = set.evaluate_to_remember(&change.rows, &|_| true);
        let (mut seen, remembered) = seen.map_err(|e| DetectError::Evaluate { version, source: Box::new(e) })?;
        for failure in std::mem::take(&mut seen.failures) {
            tracing::warn!(rule = failure.rule, rows = failure.rows, error = failure.error, "a rule fails on rows");
        }
        each(seen, remembered)?;
    }
    Ok(())
}

/// What rules of kind `query` find, slot by slot.
async fn answers(store: &Store, set: &RuleSet) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for rule in set.rules() {
        let Some(keys) = rule.asks() else { continue };
        let session = store.session().await?;
        set.site().register(&session).map_err(DetectError::recall)?;
        for slot in query::slots(&session, keys, None, None).await? {
            match query::ask(&session, rule, slot).await {
                Ok(found) => findings.extend(found.into_values()),
                Err(error) => tracing::warn!(rule = rule.id, slot = finding::time(slot), error, "a query fails"),
            }
        }
    }
    Ok(findings)
}
