//! Follows the commits of a table and keeps its findings up to date.
//!
//! ```text
//! open ─► catch_up (from the table: after a crash, for new and changed rules) ─► commit, commit, … (from memory)
//!                          ▲                                                            │
//!                          └──────────── the rule set was swapped, or a commit was missed┘
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use datafusion::arrow::array::RecordBatch;
use futures::TryStreamExt;
use sqlx::Transaction;
use sqlx::any::Any;
use trailhound_store::{Commit, Store, crash};

use crate::error::{DetectError, Result};
use crate::evaluate::Failure;
use crate::finding::{Folded, fold};
use crate::follow::{Change, ChangeKind, Follower};
use crate::ledger::{Changes, Cursor, FindingsLedger};
use crate::ruleset::RuleSet;

/// Rules at work on a store. Shared between the tasks that need it; each call sees one whole rule set.
#[derive(Debug)]
pub struct Detector {
    rules: RwLock<Arc<RuleSet>>,
    ledger: FindingsLedger,
    /// Locked while findings are written, so that commits are applied one after the other.
    position: tokio::sync::Mutex<Option<Position>>,
    /// Told of every finding that changes, in the transaction in which it does.
    follower: Option<Arc<dyn Follower>>,
    /// Rules that failed on rows since the detector was opened.
    failures: Mutex<BTreeMap<String, Failure>>,
}

/// What the findings stand for: this rule set on the table up to this version.
#[derive(Debug)]
struct Position {
    set: Arc<RuleSet>,
    generations: Vec<i64>,
    version: i64,
}

impl Detector {
    /// A detector over a store's ledger. Nothing is evaluated before [`Detector::catch_up`].
    pub async fn open(store: &Store, rules: RuleSet) -> Result<Self> {
        Ok(Detector {
            rules: RwLock::new(Arc::new(rules)),
            ledger: FindingsLedger::open(store.ledger()).await?,
            position: tokio::sync::Mutex::new(None),
            follower: None,
            failures: Mutex::default(),
        })
    }

    /// The same detector with somebody who is told of every finding that changes.
    #[must_use]
    pub fn with_follower(self, follower: Arc<dyn Follower>) -> Self {
        Detector { follower: Some(follower), ..self }
    }

    /// The findings.
    pub fn findings(&self) -> &FindingsLedger {
        &self.ledger
    }

    /// The rule set at work.
    pub fn rules(&self) -> Arc<RuleSet> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another rule set in place of the one at work. Work that is going on ends with the old one; the next
    /// commit, or [`Detector::catch_up`], evaluates what changed over the whole table.
    pub fn swap(&self, rules: RuleSet) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// Rules that failed on rows, with how many and the first error. Their other findings are there.
    pub fn failures(&self) -> Vec<Failure> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Evaluates what has not been evaluated: commits that nobody handed over, rules that are new or changed; retracts
    /// what no rule stands behind any more. Reads the table, and of it only the columns that the rules need.
    pub async fn catch_up(&self, store: &Store) -> Result<Changes> {
        let mut position = self.position.lock().await;
        self.catch_up_locked(store, &mut position).await
    }

    /// Evaluates the commit that was just made, from memory.
    pub async fn commit(&self, store: &Store, commit: &Commit) -> Result<Changes> {
        let mut position = self.position.lock().await;
        let set = self.rules();
        let in_memory = commit.kept == 0 || !commit.batches.is_empty();
        match position.as_mut() {
            Some(at) if Arc::ptr_eq(&at.set, &set) && commit.version <= at.version => Ok(Changes::default()),
            Some(at) if Arc::ptr_eq(&at.set, &set) && commit.version == at.version + 1 && in_memory => {
                let mut found = Folded::new();
                for batch in &commit.batches {
                    self.evaluate(&set, batch, commit.version, |_| true, &mut found)?;
                }
                let changes = self.save(&set, &at.generations, commit.version, found).await?;
                at.version = commit.version;
                Ok(changes)
            }
            _ => self.catch_up_locked(store, &mut position).await,
        }
    }

    async fn catch_up_locked(&self, store: &Store, position: &mut Option<Position>) -> Result<Changes> {
        let set = self.rules();
        *position = None;
        let rules: Vec<_> = set.rules().cloned().collect();
        let mut cursors = self.ledger.align(&rules).await?;
        let generations: Vec<i64> = cursors.iter().map(|c| c.generation).collect();
        let mut changes = Changes::default();
        let mut version = cursors.iter().map(|c| c.applied_to).min().unwrap_or(-1);
        if !rules.is_empty() {
            let columns = set.columns();
            let mut stream = store.changes(version, &columns).await?;
            let mut found = Folded::new();
            while let Some(change) = stream.try_next().await? {
                version = change.version;
                self.evaluate(&set, &change.rows, version, |rule| cursors[rule].applied_to < version, &mut found)?;
                if change.last {
                    changes += self.save(&set, &generations, version, std::mem::take(&mut found)).await?;
                    move_up(&mut cursors, version);
                }
            }
        }
        changes.retracted += self.retract(version).await?;
        *position = Some(Position { set, generations, version });
        Ok(changes)
    }

    /// Folds what the active rules see in a batch into `found`.
    fn evaluate(
        &self,
        set: &RuleSet,
        batch: &RecordBatch,
        version: i64,
        active: impl Fn(usize) -> bool,
        found: &mut Folded,
    ) -> Result<()> {
        let seen =
            set.evaluate_some(batch, active).map_err(|e| DetectError::Evaluate { version, source: Box::new(e) })?;
        if let Some(follower) = &self.follower {
            follower.evaluated(set, &seen);
        }
        self.note_failures(seen.failures);
        fold(set, seen.sightings, found);
        Ok(())
    }

    /// Findings and cursors, in one transaction.
    async fn save(&self, set: &RuleSet, generations: &[i64], version: i64, found: Folded) -> Result<Changes> {
        let mut transaction = self.ledger.begin().await?;
        let findings =
            found.into_values().map(|(place, finding)| (finding, set.rules[place].rule.clone(), generations[place]));
        let mut told = self.follower.as_ref().map(|_| Vec::new());
        let changes = self.ledger.save(&mut transaction, version, findings, told.as_mut()).await?;
        self.tell(&mut transaction, told.unwrap_or_default()).await?;
        self.ledger.advance(&mut transaction, version).await?;
        crash::point("detect.ledger_open");
        self.ledger.commit(transaction).await?;
        crash::point("detect.saved");
        self.told();
        Ok(changes)
    }

    /// Retracts what no rule stands behind any more.
    async fn retract(&self, version: i64) -> Result<u64> {
        let mut transaction = self.ledger.begin().await?;
        let mut after = String::new();
        while self.follower.is_some() {
            let orphans = self.ledger.orphans(&mut transaction, &after).await?;
            let Some(last) = orphans.last() else { break };
            after.clone_from(&last.id);
            let changes = orphans
                .into_iter()
                .map(|finding| Change { kind: ChangeKind::Retracted, finding, rule: None })
                .collect();
            self.tell(&mut transaction, changes).await?;
        }
        let retracted = self.ledger.retract(&mut transaction, version).await?;
        self.ledger.commit(transaction).await?;
        self.told();
        Ok(retracted)
    }

    async fn tell(&self, transaction: &mut Transaction<'static, Any>, changes: Vec<Change>) -> Result<()> {
        match &self.follower {
            Some(follower) if !changes.is_empty() => {
                follower.changed(transaction, &changes).await.map_err(DetectError::Follow)
            }
            _ => Ok(()),
        }
    }

    fn told(&self) {
        if let Some(follower) = &self.follower {
            follower.committed();
        }
    }

    fn note_failures(&self, failures: Vec<Failure>) {
        let mut all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        for failure in failures {
            match all.get_mut(&failure.rule) {
                Some(known) => known.rows += failure.rows,
                None => {
                    tracing::warn!(
                        rule = failure.rule,
                        rows = failure.rows,
                        error = failure.error,
                        "a rule fails on rows; its other findings stand"
                    );
                    all.insert(failure.rule.clone(), failure);
                }
            }
        }
    }
}

fn move_up(cursors: &mut [Cursor], version: i64) {
    for cursor in cursors {
        cursor.applied_to = cursor.applied_to.max(version);
    }
}

#[cfg(test)]
mod tests;
