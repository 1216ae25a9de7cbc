//! Follows the commits of a table and keeps its findings up to date.
//!
//! ```text
//! open ─► catch_up (from the table: after a crash, for new and changed rules) ─► commit, commit, … (from memory)
//!                          ▲                                                            │
//!                          └──────────── the rule set was swapped, or a commit was missed┘
//! ```
//!
//! A long file, since every step here works on one position, which nobody else may see half done.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use futures::TryStreamExt;
use sqlx::Transaction;
use sqlx::any::Any;
use trailhound_store::granted::Reading;
use trailhound_store::{Commit, Derivation, Store, crash};

use crate::error::{DetectError, Result};
use crate::evaluate::{Failure, Sighting};
use crate::finding::{Finding, Folded, fold};
use crate::follow::{Change, ChangeCounts, ChangeKey, ChangeKind, Follower};
use crate::ledger::{AT_ONCE, Changes, FindingsLedger, OfEntity};
use crate::lineage::{self, Events, Issuers, Ways};
use crate::memory::{ByHash, Key, MEMORY_BYTES_MAX, Memory, Verdict, entity_key};
use crate::query::slots_of;
use crate::remembered::Remembered;
use crate::revise::Revision;
use crate::rule::Rule;
use crate::ruleset::RuleSet;
use crate::state::{Claim, Plan};

mod asking;
pub(crate) mod recall;
mod spent;
mod standing;

pub use spent::Spent;
use standing::Standing;

use asking::Due;

/// Findings of rules that begin that are kept in memory before they are written; a few in tests, so that these see parts.
const FOUND_MAX: usize = if cfg!(test) { 3 } else { 10_000 };

/// Rules at work on a store. Shared between the tasks that need it; each call sees one whole rule set.
#[derive(Debug)]
pub struct Detector {
    rules: RwLock<Arc<RuleSet>>,
    ledger: FindingsLedger,
    /// Locked while findings are written, so that commits are applied one after the other. Whoever works takes it out
    /// and puts it back when all went well: after an error it is made anew from the table.
    position: tokio::sync::Mutex<Option<Position>>,
    memory_bytes_max: usize,
    /// What rules remember in memory now, in bytes.
    memory_bytes: AtomicUsize,
    /// Told of every finding that changes, in the transaction in which it does.
    follower: Option<Arc<dyn Follower>>,
    /// Rules that failed on rows since they are at work.
    failures: Mutex<BTreeMap<String, Failure>>,
    /// What time went into.
    spent: Mutex<Spent>,
}

/// What the findings stand for: this rule set on the table up to this version.
#[derive(Debug)]
struct Position {
    set: Arc<RuleSet>,
    derivation: Derivation,
    generations: Vec<i64>,
    version: i64,
    /// Where the cursors stand in the ledger: behind the version, as long as commits change no finding.
    saved: i64,
    /// The version up to which events were read again for findings: they may hold some of commits that are still to be judged.
    read_until: i64,
    memory: Memory,
    issuers: Issuers,
    /// The keys on the ways of findings, by hash: few of those that are given out are among them.
    leading: HashSet<u64, ByHash>,
    /// Rules with memory (by place) and entities (by hash) that have findings, and the latest time at which one ends.
    found: HashMap<(usize, u128), i64, ByHash>,
    /// Findings that stand as they are, whatever is judged anew.
    standing: Standing,
    /// By the place of a rule of kind `query`.
    due: BTreeMap<usize, Due>,
    /// Readings of accounts that rules which ask what is granted are being asked about.
    readings: Vec<Reading>,
}

impl Position {
    /// The keys that rows gave out and that lie on the ways of findings. Who gave out any of them is not known any more.
    fn issued(&mut self, rows: &[RecordBatch]) -> BTreeSet<String> {
        let mut leading = BTreeSet::new();
        for rows in rows {
            lineage::issued(rows, |key| {
                self.issuers.forget(key);
                if self.leading.contains(&lineage::key_hash(key)) {
                    leading.insert(key.to_owned());
                }
            });
        }
        leading
    }
}

/// What is to be written: findings of rules that look at each event alone, and those of rules that make them whole.
#[derive(Default)]
struct Outcome {
    found: Folded,
    revision: Revision,
    cursors: Cursors,
}

/// Which cursors move to the version at hand.
#[derive(Default)]
enum Cursors {
    /// None: what is written is a part.
    #[default]
    Stay,
    /// All that stand at this version or behind it, but those of rules of kind `query`.
    From(i64),
    /// That of one rule.
    Of(String),
}

/// How far a rule's findings, what is remembered of it, and what it was asked about stand in the table; none where a rule
/// has no such thing.
struct Stand {
    /// The rule's cursor.
    had: i64,
    folds: Option<i64>,
    remembers: Option<i64>,
    asks: Option<i64>,
}

/// Rows that have just come, by rule: the hash of whose they are, the batch's place and the row's place in it.
#[derive(Default)]
struct Fresh<'c> {
    batches: &'c [RecordBatch],
    rows: HashMap<usize, Vec<(u64, u32, u32)>>,
    /// Rules whose rows lie in order.
    sorted: BTreeSet<usize>,
    /// Whose events came, where the rows are in the table only and it matters.
    keys: HashSet<Key, ByHash>,
}

impl Fresh<'_> {
    /// Adds rows of a batch, by its place, to what their rule remembers, and notes those that count.
    fn remember(&mut self, memory: &mut Memory, rule: &Rule, rows: &Remembered, batch: usize) -> Result<()> {
        let of_rule = self.rows.entry(rows.rule).or_default();
        of_rule.reserve(rows.len());
        memory.remember(rule, rows, &mut |key, row| of_rule.push((key.1 as u64, batch as u32, row)))
    }

    /// The rows of an entity, in their order.
    fn of(&mut self, rule: usize, key: Key) -> &[(u64, u32, u32)] {
        let rows = self.rows.get_mut(&rule).map_or(&mut [][..], Vec::as_mut_slice);
        // Few rules are asked about; the first question puts the rows of an entity side by side.
        if self.sorted.insert(rule) {
            rows.sort_unstable();
        }
        let whose = key.1 as u64;
        let start = rows.partition_point(|(of, ..)| *of < whose);
        &rows[start..start + rows[start..].partition_point(|(of, ..)| *of == whose)]
    }
}

impl Detector {
    /// A detector over a store's ledger. Nothing is evaluated before [`Detector::catch_up`].
    pub async fn open(store: &Store, rules: RuleSet) -> Result<Self> {
        Ok(Detector {
            rules: RwLock::new(Arc::new(rules)),
            ledger: FindingsLedger::open(store.ledger()).await?,
            position: tokio::sync::Mutex::new(None),
            memory_bytes_max: MEMORY_BYTES_MAX,
            memory_bytes: AtomicUsize::new(0),
            follower: None,
            failures: Mutex::default(),
            spent: Mutex::default(),
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
        // What failed in another version of a rule says nothing about this one.
        let before = self.rules();
        let version = |set: &RuleSet, id: &str| set.rule(id).map(|rule| rule.version.clone());
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|id, _| version(&before, id) == version(&rules, id));
        drop(failures);
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// Bytes that rules' memory takes now, without what went to its file.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes.load(Ordering::Relaxed)
    }

    /// What time went into, since this detector was opened.
    pub fn spent(&self) -> Spent {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spend(&self, spent: Spent) {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner) += spent;
    }

    /// Rules that failed on rows, with how many and the first error. Their other findings are there.
    pub fn failures(&self) -> Vec<Failure> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Evaluates what has not been evaluated: commits that nobody handed over, rules that are new or changed; retracts
    /// what no rule stands behind any more. Reads the table, and of it only the columns that the rules need.
    pub async fn catch_up(&self, store: &Store) -> Result<Changes> {
        let mut position = self.position.lock().await;
        self.catch_up_locked(store, &mut position, true).await
    }

    /// Evaluates the commit that was just made, from memory.
    pub async fn commit(&self, store: &Store, commit: &Commit) -> Result<Changes> {
        let mut position = self.position.lock().await;
        let set = self.rules();
        let in_memory = commit.kept == 0 || !commit.batches.is_empty();
        let derivation = store.derivation();
        let stands = |at: &Position| Arc::ptr_eq(&at.set, &set) && at.derivation == derivation;
        let follows = match position.as_ref().filter(|at| stands(at)) {
            Some(at) if commit.version <= at.version => return Ok(Changes::default()),
            // What lies between may only have rearranged files.
            Some(at) => in_memory && !store.brought_rows(at.version, commit.version).await?,
            None => false,
        };
        match position.take_if(|_| follows) {
            Some(mut at) => {
                let changes = self.apply(store, &mut at, commit).await?;
                tracing::debug!(version = commit.version, "commits were judged; in all so far: {}", self.spent());
                *position = Some(at);
                Ok(changes)
            }
            None => {
                // Rows that were too many to come with the commit are no reason to ask about them now.
                let same = position.as_ref().is_some_and(stands);
                self.catch_up_locked(store, &mut position, !same).await
            }
        }
    }

    /// The next commit, from memory.
    async fn apply(&self, store: &Store, at: &mut Position, commit: &Commit) -> Result<Changes> {
        let set = at.set.clone();
        let begun = Instant::now();
        let issued = at.issued(&commit.batches);
        self.spend(Spent { lineage: begun.elapsed(), ..Spent::default() });
        if at.standing.kept_from() != store.kept_from() {
            at.standing = Standing::of(&self.ledger, store.kept_from(), HashSet::new()).await?;
        }
        let mut found = Folded::new();
        let mut changes = Changes::default();
        let mut fresh = Fresh { batches: &commit.batches, ..Fresh::default() };
        for (place, batch) in commit.batches.iter().enumerate() {
            let begun = Instant::now();
            let (sightings, remembered) = self.evaluate(&set, batch, commit.version, &|_| true)?;
            at.memory.strike(&set, sightings.iter())?;
            fold(&set, sightings, &mut found);
            for rows in remembered {
                fresh.remember(&mut at.memory, set.at(rows.rule), &rows, place)?;
            }
            touch(&set, &mut at.due, batch, &|_| true);
            self.spend(Spent { evaluate: begun.elapsed(), ..Spent::default() });
            // What rules with memory find follows from what they remember, so it may be written before the rest of the
            // commit, which the version before stands for until then.
            if at.memory.is_crowded() {
                let revision = self.judge(store, at, commit.version, &mut fresh).await?;
                let version = at.version;
                changes += self.save(store, at, version, Outcome { revision, ..Outcome::default() }).await?;
            }
        }
        // Before the cursor moves: whoever dies in between sees the commit again, and says the same of these findings again.
        changes += self.amend(store, at, commit.version, &issued).await?;
        let revision = self.judge(store, at, commit.version, &mut fresh).await?;
        // Most commits change nothing. Whoever dies before the cursors have moved reads a few of them again, and finds the same.
        if found.is_empty() && revision.is_empty() {
            self.note_memory(at);
        } else {
            let outcome = Outcome { found, revision, cursors: Cursors::From(-1) };
            changes += self.save(store, at, commit.version, outcome).await?;
        }
        at.memory.advance(&set, commit.version);
        at.version = commit.version;
        Ok(changes)
    }

    async fn catch_up_locked(&self, store: &Store, position: &mut Option<Position>, asks: bool) -> Result<Changes> {
        let set = self.rules();
        let derivation = store.derivation();
        // What was derived otherwise is remembered otherwise.
        let remembered = position.take().filter(|at| at.derivation == derivation);
        let asked = remembered.as_ref().map(Position::asked).unwrap_or_default();
        let mut memory = remembered.map_or_else(|| Memory::new(self.memory_bytes_max), |at| at.memory);
        memory.retain(&set)?;
        let rules: Vec<_> = set.rules().cloned().collect();
        let cursors = self.ledger.align(&rules, derivation).await?;
        let generations: Vec<i64> = cursors.iter().map(|c| c.generation).collect();
        let mut found = HashMap::default();
        for (rule, entity, last) in self.ledger.remembered_entities().await? {
            found.extend(rules.iter().position(|r| r.id == rule).map(|place| ((place, entity_key(&entity)), last)));
        }
        let begin =
            rules.iter().zip(&cursors).filter(|(_, c)| c.applied_to < 0).map(|(rule, _)| rule.id.clone()).collect();
        let standing = Standing::of(&self.ledger, store.kept_from(), begin).await?;
        let mut fresh = Fresh::default();
        let newest = store.newest().await?;
        let mut due = BTreeMap::new();
        for (place, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.asks().is_some()) {
            let touched = (cursors[place].applied_to >= 0).then(BTreeSet::new);
            tracing::debug!(rule = rule.id, begins = touched.is_none(), "a query is caught up with");
            due.insert(place, Due::new(touched, asked.get(&rule.version).copied()));
        }
        let mut at = Position {
            set: set.clone(),
            derivation,
            generations,
            version: newest,
            saved: -1,
            read_until: -1,
            memory,
            issuers: Issuers::default(),
            leading: self.ledger.leading_keys().await?.iter().map(|key| lineage::key_hash(key)).collect(),
            found,
            standing,
            due,
            readings: Vec::new(),
        };
        let mut changes = Changes::default();
        let stands: Vec<Stand> = rules
            .iter()
            .enumerate()
            .map(|(place, rule)| Stand {
                had: cursors[place].applied_to,
                folds: (!rule.makes_whole()).then_some(cursors[place].applied_to),
                // A rule with memory goes on from what it remembers, whatever its cursor says.
                remembers: (rule.plan.is_some() || set.attacks(place)).then(|| at.memory.seen(rule)),
                asks: rule.asks().map(|_| cursors[place].applied_to).filter(|applied_to| *applied_to >= 0),
            })
            .collect();
        if !rules.is_empty() {
            // Rules that begin read everything, and what was compacted comes to them all at once, which would be news to
            // a rule that has seen a part of it: so these are followed apart.
            for begins in [false, true] {
                changes += self.read(store, &mut at, &stands, begins, &mut fresh).await?;
            }
            at.memory.advance(&set, at.version);
            // Judged once, when all has been seen: what is true now does not depend on what was true on the way.
            let version = at.version;
            let revision = self.judge(store, &mut at, version, &mut fresh).await?;
            let outcome = Outcome { found: Folded::new(), revision, cursors: Cursors::From(-1) };
            changes += self.save(store, &mut at, version, outcome).await?;
            if asks {
                changes += self.ask_due(store, &mut at, None).await?;
            }
        }
        changes.retracted += self.retract(at.version, store.kept_from().unwrap_or(i64::MIN)).await?;
        at.standing.have_begun();
        *position = Some(at);
        Ok(changes)
    }

    /// Reads what rules have not seen, of those that begin or of the others: folds findings of rules that look at each
    /// event alone, and remembers for those with memory.
    async fn read(
        &self,
        store: &Store,
        at: &mut Position,
        stands: &[Stand],
        begins: bool,
        fresh: &mut Fresh<'_>,
    ) -> Result<Changes> {
        let set = at.set.clone();
        let member = |stand: Option<i64>| stand.filter(|version| (*version < 0) == begins);
        let all = stands.iter().flat_map(|s| [s.folds, s.remembers, s.asks]);
        let Some(from) = all.filter_map(member).min() else { return Ok(Changes::default()) };
        let mut changes = Changes::default();
        let mut stream = store.changes_until(from, at.version, &set.columns()).await?;
        let mut found = Folded::new();
        let mut news: HashMap<(i64, i64), bool> = HashMap::new();
        let mut moved = false;
        // What no rule has seen yet may tell of findings that are there already.
        let told_until = stands.iter().map(|stand| stand.had).filter(|had| *had >= 0).min().unwrap_or(i64::MAX);
        while let Some(change) = stream.try_next().await? {
            let version = change.version;
            let before = |stand: Option<i64>| member(stand).is_some_and(|seen| seen < version);
            let folds = |rule: usize| before(stands[rule].folds);
            let remembers = |rule: usize| before(stands[rule].remembers);
            let (mut sightings, remembered) =
                self.evaluate(&set, &change.rows, version, &|rule| folds(rule) || remembers(rule))?;
            at.memory.strike(&set, sightings.iter().filter(|s| remembers(s.rule)))?;
            sightings.retain(|s| folds(s.rule));
            fold(&set, sightings, &mut found);
            for rows in remembered {
                let had = stands[rows.rule].had;
                let is_news = at.standing.kept_from().is_some() && version > had && {
                    // What was rearranged comes again, under the version that did so.
                    match news.get(&(had, version)) {
                        Some(known) => *known,
                        None => {
                            let brought = store.brought_rows(had, version + 1).await?;
                            news.insert((had, version), brought);
                            brought
                        }
                    }
                };
                at.memory.remember(set.at(rows.rule), &rows, &mut |key, _| {
                    if is_news {
                        fresh.keys.insert(key);
                    }
                })?;
            }
            at.memory.settle()?;
            if version > told_until {
                let issued = at.issued(std::slice::from_ref(&change.rows));
                changes += self.amend(store, at, version, &issued).await?;
            }
            touch(&set, &mut at.due, &change.rows, &|rule| before(stands[rule].asks));
            // A rule that begins may find more in its first version than is good to have in memory: all that was
            // compacted. As long as its cursor has not moved, a part that was written is no harm.
            let full = begins && !moved && found.len() >= FOUND_MAX;
            let ends = change.last && (!found.is_empty() || (0..stands.len()).any(folds));
            if full || ends {
                let cursors = match (change.last, begins) {
                    (false, _) => Cursors::Stay,
                    (true, false) => Cursors::From(0),
                    (true, true) => Cursors::From(-1),
                };
                let outcome = Outcome { found: std::mem::take(&mut found), cursors, ..Outcome::default() };
                changes += self.save(store, at, version, outcome).await?;
                moved |= change.last;
            }
        }
        Ok(changes)
    }

    /// Judges what has changed, compares it with the findings that are there, and reads again the events that a finding
    /// needs. What was fresh is not any more.
    async fn judge(&self, store: &Store, at: &mut Position, version: i64, fresh: &mut Fresh<'_>) -> Result<Revision> {
        let begun = Instant::now();
        let found = &at.found;
        let ends_since = |rule, entity, from| found.get(&(rule, entity)).is_some_and(|last| *last >= from);
        let verdicts = at.memory.judge(&at.set, &ends_since)?;
        let mut revision = Revision::default();
        let mut verdicts = verdicts.into_iter().peekable();
        while verdicts.peek().is_some() {
            let some: Vec<Verdict> = verdicts.by_ref().take(AT_ONCE).collect();
            let known = some.iter().filter(|verdict| ends_since(verdict.rule, verdict.key.1, verdict.from));
            let asked = known.map(|verdict| OfEntity {
                rule: &at.set.at(verdict.rule).id,
                generation: at.generations[verdict.rule],
                entity: &verdict.entity,
                from: verdict.from,
            });
            let mut stored = self.ledger.of_entities(&asked.collect::<Vec<_>>()).await?.into_iter();
            for mut verdict in some {
                let rule = at.set.at(verdict.rule);
                let known = ends_since(verdict.rule, verdict.key.1, verdict.from);
                let mut stored = known.then(|| stored.next()).flatten().unwrap_or_default();
                let new = match verdict.claims.is_empty() {
                    true => Vec::new(),
                    false => self.new_sightings(&at.set, &verdict, fresh)?,
                };
                let of_news = fresh.keys.contains(&verdict.key);
                let counts_news = |claim: &Claim| {
                    let counts = |plan: &Plan| new.iter().any(|sighting| plan.counts(claim, sighting));
                    of_news || rule.plan.as_ref().is_some_and(counts)
                };
                at.standing.leave(rule, &mut verdict, &mut stored, counts_news);
                revision.compare(&at.set, verdict, stored, &new, version > at.read_until);
            }
        }
        let judged = Instant::now();
        if !revision.wanted.is_empty() {
            recall::read(store, &at.set, &mut revision).await?;
            at.read_until = store.newest().await?;
        }
        revision.read_again(&at.set);
        self.spend(Spent { judge: judged - begun, read_back: judged.elapsed(), ..Spent::default() });
        fresh.rows.clear();
        fresh.sorted.clear();
        Ok(revision)
    }

    /// What a finding needs to know of an entity's new events.
    fn new_sightings(&self, set: &RuleSet, verdict: &Verdict, fresh: &mut Fresh<'_>) -> Result<Vec<Sighting>> {
        let mut sightings = Vec::new();
        let batches = fresh.batches;
        for group in fresh.of(verdict.rule, verdict.key).chunk_by(|a, b| a.1 == b.1) {
            let rows = group.iter().map(|(.., row)| *row).collect();
            let batch = &batches[group[0].1 as usize];
            let seen = set.sightings(batch, verdict.rule, rows).map_err(DetectError::recall)?;
            self.note_failures(seen.failures);
            sightings.extend(seen.sightings);
        }
        Ok(sightings)
    }

    /// What the active rules see in a batch, each event alone; and what rules with memory see.
    fn evaluate(
        &self,
        set: &RuleSet,
        batch: &RecordBatch,
        version: i64,
        active: &dyn Fn(usize) -> bool,
    ) -> Result<(Vec<Sighting>, Vec<Remembered>)> {
        let (seen, remembered) = set
            .evaluate_to_remember(batch, active)
            .map_err(|e| DetectError::Evaluate { version, source: Box::new(e) })?;
        if let Some(follower) = &self.follower {
            follower.evaluated(set, &seen);
        }
        self.note_failures(seen.failures);
        Ok((seen.sightings, remembered))
    }

    /// Findings and cursors, in one transaction.
    async fn save(&self, store: &Store, at: &mut Position, version: i64, outcome: Outcome) -> Result<Changes> {
        let (set, generations) = (at.set.clone(), at.generations.clone());
        let Outcome { mut found, mut revision, cursors } = outcome;
        found.retain(|id, _| !at.standing.has(id));
        let written = found.values().chain(&revision.write).map(|(_, finding)| finding);
        let begun = Instant::now();
        let ways = Ways::of(Events::of(store), &mut at.issuers, written).await?;
        let led = Instant::now();
        let written = found.values_mut().chain(&mut revision.write);
        written.for_each(|(place, finding)| ways.write(finding, Some(set.at(*place))));
        let ends =
            |(place, finding): &(usize, Finding)| ((*place, entity_key(&finding.entity_text())), finding.last_time);
        let remembered: Vec<((usize, u128), i64)> = revision.write.iter().map(ends).collect();
        let written = found.values().chain(&revision.write).map(|(_, finding)| finding);
        let leading: Vec<u64> = written.flat_map(lineage::key_hashes).collect();
        let mut saved = at.saved;
        let mut transaction = self.ledger.begin().await?;
        let of = |place: usize, finding| (finding, set.at(place).clone(), generations[place]);
        let mut told = self.follower.as_ref().map(|_| Vec::new());
        let written = found.into_values().chain(revision.write).map(|(place, finding)| of(place, finding));
        let mut changes = self.ledger.save(&mut transaction, version, written, told.as_mut()).await?;
        changes += self.ledger.withdraw(&mut transaction, version, revision.withdraw, told.as_mut()).await?;
        let counts = self.tell(&mut transaction, told.unwrap_or_default()).await?;
        match cursors {
            Cursors::Stay => {}
            Cursors::Of(rule) => self.ledger.advance_one(&mut transaction, &rule, version).await?,
            Cursors::From(least) => {
                let asking: Vec<&str> = set.rules().filter(|r| r.asks().is_some()).map(|r| r.id.as_str()).collect();
                self.ledger.advance(&mut transaction, least, version, &asking).await?;
                saved = if least < 0 { version } else { saved };
            }
        }
        crash::point("detect.ledger_open");
        self.ledger.commit(transaction).await?;
        crash::point("detect.saved");
        self.spend(Spent { lineage: led - begun, write: led.elapsed(), ..Spent::default() });
        for (whose, end) in remembered {
            let last = at.found.entry(whose).or_insert(end);
            *last = end.max(*last);
        }
        at.saved = saved;
        at.leading.extend(leading);
        self.note_memory(at);
        self.told(&counts);
        Ok(changes)
    }

    /// Says anew who stands behind findings, where keys on their ways have been seen [given out](Position::issued).
    async fn amend(
        &self,
        store: &Store,
        at: &mut Position,
        version: i64,
        issued: &BTreeSet<String>,
    ) -> Result<Changes> {
        if issued.is_empty() {
            return Ok(Changes::default());
        }
        let begun = Instant::now();
        let mut leading = self.ledger.leading_over(issued).await?;
        leading.retain(|(finding, _)| !at.standing.has(&finding.id));
        let ways = Ways::of(Events::of(store), &mut at.issuers, leading.iter().map(|(finding, _)| finding)).await?;
        let led = Instant::now();
        let mut changed = Vec::new();
        for (mut finding, generation) in leading {
            let before = finding.lineage.clone();
            let rule = at.set.rule(&finding.rule).cloned();
            ways.write(&mut finding, rule.as_deref());
            if finding.lineage != before {
                changed.push((finding, generation));
            }
        }
        let mut changes = Changes::default();
        if !changed.is_empty() {
            let leading: Vec<u64> = changed.iter().flat_map(|(finding, _)| lineage::key_hashes(finding)).collect();
            let mut transaction = self.ledger.begin().await?;
            let mut told = self.follower.as_ref().map(|_| Vec::new());
            changes = self.ledger.amend(&mut transaction, version, changed, told.as_mut()).await?;
            let counts = self.tell(&mut transaction, told.unwrap_or_default()).await?;
            self.ledger.commit(transaction).await?;
            self.told(&counts);
            at.leading.extend(leading);
        }
        self.spend(Spent { lineage: led - begun, write: led.elapsed(), ..Spent::default() });
        Ok(changes)
    }

    /// Retracts what no rule stands behind any more.
    async fn retract(&self, version: i64, kept_from: i64) -> Result<u64> {
        let mut transaction = self.ledger.begin().await?;
        let (mut after, mut counts) = (String::new(), ChangeCounts::new());
        while self.follower.is_some() {
            let orphans = self.ledger.orphans(&mut transaction, &after, kept_from).await?;
            let Some(last) = orphans.last() else { break };
            after.clone_from(&last.id);
            let changes = orphans
                .into_iter()
                .map(|finding| Change { kind: ChangeKind::Retracted, finding, rule: None })
                .collect();
            for (changed, count) in self.tell(&mut transaction, changes).await? {
                *counts.entry(changed).or_default() += count;
            }
        }
        let retracted = self.ledger.retract(&mut transaction, version, kept_from).await?;
        self.ledger.commit(transaction).await?;
        self.told(&counts);
        Ok(retracted)
    }

    async fn tell(&self, transaction: &mut Transaction<'static, Any>, changes: Vec<Change>) -> Result<ChangeCounts> {
        let mut counts = ChangeCounts::new();
        if let Some(follower) = self.follower.as_ref().filter(|_| !changes.is_empty()) {
            follower.changed(transaction, &changes).await.map_err(DetectError::Follow)?;
            for Change { kind, finding, .. } in changes {
                let Finding { rule, severity, status, account_id, .. } = finding;
                *counts.entry(ChangeKey { rule, severity, status, account_id, kind }).or_default() += 1;
            }
        }
        Ok(counts)
    }

    fn told(&self, counts: &ChangeCounts) {
        if let Some(follower) = &self.follower {
            follower.committed(counts);
        }
    }

    fn note_memory(&self, at: &Position) {
        self.memory_bytes.store(at.memory.bytes(), Ordering::Relaxed);
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

/// Notes for the rules of kind `query` that are active in which slots events came.
fn touch(set: &RuleSet, due: &mut BTreeMap<usize, Due>, batch: &RecordBatch, active: &dyn Fn(usize) -> bool) {
    for (place, due) in due.iter_mut().filter(|(place, _)| active(**place)) {
        if let (Some(query), Some(touched)) = (set.at(*place).asks(), &mut due.touched) {
            slots_of(query, batch, touched);
        }
    }
}

#[cfg(test)]
mod tests;
