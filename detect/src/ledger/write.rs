//! How findings change in the ledger: put to those that are there, amended, withdrawn. Many at once, each with its line in the
//! history, in the transaction that is handed over.

use std::sync::Arc;

use sqlx::Transaction;
use sqlx::any::Any;

use super::{Changes, FindingsLedger, row};
use crate::error::Result;
use crate::finding::Finding;
use crate::follow::{Change, ChangeKind, RuleFacts};
use crate::rule::Rule;

/// Findings that are read or written at once: a statement for each of them would go to and fro between threads four times. SQLite looks
/// for a place's number among all names of places, so many more at once would take longer, not less.
pub(crate) const AT_ONCE: usize = 20;

impl FindingsLedger {
    /// Puts the findings of one version of the table to those that are there. Those of a rule that makes them whole
    /// take the place of what is there; of the others, one of the rule's generation gets the new events folded in, and all
    /// else is made anew. No id stands there twice. Each finding that changed is put to `told`, if there is one.
    pub(crate) async fn save(
        &self,
        transaction: &mut Transaction<'static, Any>,
        version: i64,
        findings: impl IntoIterator<Item = (Finding, Arc<Rule>, i64)>,
        mut told: Option<&mut Vec<Change>>,
    ) -> Result<Changes> {
        let fail = self.fail("write findings");
        let mut changes = Changes::default();
        let mut findings = findings.into_iter();
        loop {
            let some: Vec<(Finding, Arc<Rule>, i64)> = findings.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return Ok(changes);
            }
            let ids = some.iter().map(|(finding, ..)| finding.id.as_str());
            let mut known = row::known(ids, transaction).await.map_err(&fail)?;
            let (mut written, mut changed) = (Vec::new(), Vec::new());
            for (mut finding, rule, generation) in some {
                let before = known.remove(&finding.id).map(|row| row::stored(&row)).transpose()?;
                let change = match before {
                    None => Some(ChangeKind::Raised),
                    Some(before) if !before.current => Some(ChangeKind::Raised),
                    Some(before) if before.generation == generation && !rule.makes_whole() => {
                        finding.fold(before.finding);
                        finding.word(&rule, None);
                        Some(ChangeKind::Amended)
                    }
                    Some(before) if before.finding == finding => None,
                    Some(_) => Some(ChangeKind::Amended),
                };
                match change {
                    None => {}
                    Some(ChangeKind::Raised) => changes.raised += 1,
                    Some(_) => changes.amended += 1,
                }
                changed.push((change, rule));
                written.push((finding, generation));
            }
            row::upsert(&written, transaction).await.map_err(&fail)?;
            let changed = written.into_iter().zip(changed);
            let changed = changed.filter_map(|((finding, _), (kind, rule))| Some((finding, kind?, rule)));
            let changed: Vec<(Finding, ChangeKind, Arc<Rule>)> = changed.collect();
            let noted = changed.iter().map(|(finding, kind, _)| (finding, *kind));
            row::note(noted, version, transaction).await.map_err(&fail)?;
            if let Some(told) = told.as_deref_mut() {
                let change = |(finding, kind, rule): (Finding, ChangeKind, Arc<Rule>)| Change {
                    kind,
                    finding,
                    rule: Some(RuleFacts::of(&rule)),
                };
                told.extend(changed.into_iter().map(change));
            }
        }
    }

    /// Retracts single findings: more events showed that there was nothing, or that it is another finding.
    pub(crate) async fn withdraw(
        &self,
        transaction: &mut Transaction<'static, Any>,
        version: i64,
        findings: Vec<Finding>,
        told: Option<&mut Vec<Change>>,
    ) -> Result<Changes> {
        let fail = self.fail("retract findings");
        let kind = ChangeKind::Retracted;
        for some in findings.chunks(AT_ONCE) {
            row::withdraw(some, transaction).await.map_err(&fail)?;
            let noted = some.iter().map(|finding| (finding, kind));
            row::note(noted, version, transaction).await.map_err(&fail)?;
        }
        let changes = Changes { retracted: findings.len() as u64, ..Changes::default() };
        if let Some(told) = told {
            told.extend(findings.into_iter().map(|finding| Change { kind, finding, rule: None }));
        }
        Ok(changes)
    }

    /// Writes findings of which nothing changed but what is known of who stands behind them.
    pub(crate) async fn amend(
        &self,
        transaction: &mut Transaction<'static, Any>,
        version: i64,
        findings: Vec<(Finding, i64)>,
        told: Option<&mut Vec<Change>>,
    ) -> Result<Changes> {
        let fail = self.fail("write findings");
        let kind = ChangeKind::Amended;
        for some in findings.chunks(AT_ONCE) {
            row::upsert(some, transaction).await.map_err(&fail)?;
            let noted = some.iter().map(|(finding, _)| (finding, kind));
            row::note(noted, version, transaction).await.map_err(&fail)?;
        }
        let changes = Changes { amended: findings.len() as u64, ..Changes::default() };
        if let Some(told) = told {
            told.extend(findings.into_iter().map(|(finding, _)| Change { kind, finding, rule: None }));
        }
        Ok(changes)
    }
}
