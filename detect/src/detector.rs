//! Follows the commits of a table and keeps its findings up to date.
//!
//! ```text
//! open ─► catch_up (from the table: after a crash, for new and changed rules) ─► commit, commit, … (from memory)
//!                          ▲                                                            │
//!                          └──────────── the rule set was swapped, or a commit was missed┘
//! ```

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use datafusion::arrow::array::RecordBatch;
use futures::TryStreamExt;
use sqlx::Transaction;
use sqlx::any::Any;
use trailhound_store::{Commit, Store, crash};

use crate::error::{DetectError, Result};
use crate::evaluate::{Failure, Sighting};
use crate::finding::{Folded, fold};
use crate::follow::{Change, ChangeKind, Follower};
use crate::ledger::{Changes, Cursor, FindingsLedger};
use crate::memory::{MEMORY_BYTES_MAX, Memory, Verdict};
use crate::revise::{Fresh, Revision};
use crate::rule::Rule;
use crate::ruleset::RuleSet;

pub(crate) mod recall;

/// Rules at work on a store. Shared between the tasks that need it; each call sees one whole rule set.
#[derive(Debug)]
pub struct Detector {
    rules: RwLock<Arc<RuleSet>>,
    ledger: FindingsLedger,
    /// Locked while findings are written, so that commits are applied one after the other. Whoever works takes it out
    /// and puts it back when all went well: after an error it is made anew from the table.
    position: tokio::sync::Mutex<Option<Position>>,
    memory_bytes_max: usize,
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
    memory: Memory,
    /// Rules (by id) and entities that have current findings of a rule with memory.
    found: HashSet<(String, String)>,
}

/// What a commit brings: findings of rules that look at each event alone, and those of rules with memory.
struct Outcome {
    found: Folded,
    revision: Revision,
}

impl Detector {
    /// A detector over a store's ledger. Nothing is evaluated before [`Detector::catch_up`].
    pub async fn open(store: &Store, rules: RuleSet) -> Result<Self> {
        Ok(Detector {
            rules: RwLock::new(Arc::new(rules)),
            ledger: FindingsLedger::open(store.ledger()).await?,
            position: tokio::sync::Mutex::new(None),
            memory_bytes_max: MEMORY_BYTES_MAX,
            follower: None,
            failures: Mutex::default(),
        })
    }

    /// The same detector with somebody who is told of every finding that changes.
    #[must_use]
    pub fn with_follower(self, follower: Arc<dyn Follower>) -> Self {
        Detector { follower: Some(follower), ..self }
    }

    /// The same detector with another limit for what rules remember in memory; what is beyond it goes to a file.
    #[must_use]
    pub fn with_memory(self, bytes_max: usize) -> Self {
        Detector { memory_bytes_max: bytes_max, ..self }
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
        match position.take() {
            Some(at) if Arc::ptr_eq(&at.set, &set) && commit.version <= at.version => {
                *position = Some(at);
                Ok(Changes::default())
            }
            Some(mut at) if Arc::ptr_eq(&at.set, &set) && commit.version == at.version + 1 && in_memory => {
                let changes = self.apply(store, &mut at, commit).await?;
                *position = Some(at);
                Ok(changes)
            }
            at => {
                *position = at;
                self.catch_up_locked(store, &mut position).await
            }
        }
    }

    /// The next commit, from memory.
    async fn apply(&self, store: &Store, at: &mut Position, commit: &Commit) -> Result<Changes> {
        let set = at.set.clone();
        let (mut found, mut fresh) = (Folded::new(), Fresh::new());
        for batch in &commit.batches {
            let remembered = self.evaluate(&set, batch, commit.version, |_| true, &mut found)?;
            for sighting in remembered {
                if let Some(entity) = at.memory.add(set.at(sighting.rule), &sighting)? {
                    fresh.entry((sighting.rule, entity)).or_default().push(sighting);
                }
            }
        }
        let verdicts = at.memory.judge(&set)?;
        let revision = self.revise(store, at, verdicts, &fresh).await?;
        let changes = self.save(at, commit.version, Outcome { found, revision }).await?;
        at.memory.advance(&set, commit.version);
        at.version = commit.version;
        Ok(changes)
    }

    async fn catch_up_locked(&self, store: &Store, position: &mut Option<Position>) -> Result<Changes> {
        let set = self.rules();
        let mut memory = position.take().map_or_else(|| Memory::new(self.memory_bytes_max), |at| at.memory);
        memory.retain(&set)?;
        let rules: Vec<_> = set.rules().cloned().collect();
        let mut cursors = self.ledger.align(&rules).await?;
        let generations: Vec<i64> = cursors.iter().map(|c| c.generation).collect();
        let found = self.ledger.remembered_entities().await?;
        let mut at = Position { set: set.clone(), generations, version: -1, memory, found };
        let mut changes = Changes::default();
        // A rule with memory goes on from what it remembers, whatever its cursor says.
        let seen: Vec<i64> = rules
            .iter()
            .zip(&cursors)
            .map(|(rule, cursor)| if rule.plan.is_some() { at.memory.seen(rule) } else { cursor.applied_to })
            .collect();
        at.version = seen.iter().copied().min().unwrap_or(-1);
        if !rules.is_empty() {
            let columns = set.columns();
            let mut stream = store.changes(at.version, &columns).await?;
            let mut found = Folded::new();
            while let Some(change) = stream.try_next().await? {
                at.version = change.version;
                let active = |rule: usize| seen[rule].max(cursor_of(&rules[rule], cursors[rule])) < change.version;
                for sighting in self.evaluate(&set, &change.rows, change.version, active, &mut found)? {
                    at.memory.add(set.at(sighting.rule), &sighting)?;
                }
                at.memory.settle()?;
                let waits =
                    |(rule, cursor): (&Arc<Rule>, &Cursor)| rule.plan.is_none() && cursor.applied_to < change.version;
                if change.last && (!found.is_empty() || rules.iter().zip(&cursors).any(waits)) {
                    let outcome = Outcome { found: std::mem::take(&mut found), revision: Revision::default() };
                    changes += self.save(&mut at, change.version, outcome).await?;
                    move_up(&mut cursors, change.version);
                }
            }
            at.memory.advance(&set, at.version);
            // Judged once, when all has been seen: what is true now does not depend on what was true on the way.
            let verdicts = at.memory.judge(&set)?;
            let revision = self.revise(store, &at, verdicts, &Fresh::new()).await?;
            let version = at.version;
            changes += self.save(&mut at, version, Outcome { found: Folded::new(), revision }).await?;
        }
        changes.retracted += self.retract(at.version).await?;
        *position = Some(at);
        Ok(changes)
    }

    /// Compares verdicts with the findings that are there, and reads again the events that a finding needs.
    async fn revise(&self, store: &Store, at: &Position, verdicts: Vec<Verdict>, fresh: &Fresh) -> Result<Revision> {
        let mut revision = Revision::default();
        for verdict in verdicts {
            let rule = at.set.at(verdict.rule);
            let known = at.found.contains(&(rule.id.clone(), verdict.entity.clone()));
            if verdict.claims.is_empty() && !known {
                continue;
            }
            let generation = at.generations[verdict.rule];
            let stored = match known {
                true => self.ledger.of_entity(&rule.id, generation, &verdict.entity, verdict.from).await?,
                false => Vec::new(),
            };
            revision.compare(&at.set, verdict, stored, fresh);
        }
        recall::read(store, &at.set, &mut revision).await?;
        revision.read_again(&at.set);
        Ok(revision)
    }

    /// Folds what the active rules see in a batch into `found`; gives what rules with memory see.
    fn evaluate(
        &self,
        set: &RuleSet,
        batch: &RecordBatch,
        version: i64,
        active: impl Fn(usize) -> bool,
        found: &mut Folded,
    ) -> Result<Vec<Sighting>> {
        let seen =
            set.evaluate_some(batch, active).map_err(|e| DetectError::Evaluate { version, source: Box::new(e) })?;
        if let Some(follower) = &self.follower {
            follower.evaluated(set, &seen);
        }
        self.note_failures(seen.failures);
        let (remembered, alone) = seen.sightings.into_iter().partition(|s| set.at(s.rule).plan.is_some());
        fold(set, alone, found);
        Ok(remembered)
    }

    /// Findings and cursors, in one transaction.
    async fn save(&self, at: &mut Position, version: i64, outcome: Outcome) -> Result<Changes> {
        let (set, generations) = (at.set.clone(), &at.generations);
        let Outcome { found, revision } = outcome;
        let remembered: Vec<(String, String)> =
            revision.write.iter().map(|(_, finding)| (finding.rule.clone(), finding.entity_text())).collect();
        let mut transaction = self.ledger.begin().await?;
        let of = |place: usize, finding| (finding, set.at(place).clone(), generations[place]);
        let mut told = self.follower.as_ref().map(|_| Vec::new());
        let written = found.into_values().chain(revision.write).map(|(place, finding)| of(place, finding));
        let mut changes = self.ledger.save(&mut transaction, version, written, told.as_mut()).await?;
        changes += self.ledger.withdraw(&mut transaction, version, revision.withdraw, told.as_mut()).await?;
        self.tell(&mut transaction, told.unwrap_or_default()).await?;
        self.ledger.advance(&mut transaction, version).await?;
        crash::point("detect.ledger_open");
        self.ledger.commit(transaction).await?;
        crash::point("detect.saved");
        at.found.extend(remembered);
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

/// The version that a rule's findings stand for; a rule with memory has no other than what it remembers.
fn cursor_of(rule: &Rule, cursor: Cursor) -> i64 {
    if rule.plan.is_some() { -1 } else { cursor.applied_to }
}

fn move_up(cursors: &mut [Cursor], version: i64) {
    for cursor in cursors {
        cursor.applied_to = cursor.applied_to.max(version);
    }
}

#[cfg(test)]
mod tests;
