//! Rules of kind `query` at work: which slots have to be asked about, and when.
//!
//! *What* is found depends on the events alone. *When* a slot is asked about is a matter of cost: never with a commit; by
//! [`Detector::ask`], and then a query that is slow seldom, so that asking takes a small share of the time; at once by
//! [`Detector::catch_up`] and [`Detector::finish`].
//! Until then the rule's cursor stays behind, so that nothing is forgotten by a restart.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use datafusion::prelude::SessionContext;
use trailhound_store::Store;

use super::{Cursors, Detector, Outcome, Position};
use crate::error::{DetectError, Result};
use crate::evaluate::Failure;
use crate::finding::Finding;
use crate::judgement::Query;
use crate::ledger::Changes;
use crate::query;

/// A query rests so many times as long as a slot took, so that asking about one goes on for a hundredth of the time at most.
const RESTS: u32 = 100;
/// But never for more than this part of a slot.
const RUNS_A_SLOT: u32 = 24;
/// Slots that are asked about in one turn, so that the next commit does not wait for long.
const SLOTS_A_TURN: usize = 4;

/// What a rule of kind `query` has still to be asked about.
#[derive(Debug)]
pub(super) struct Due {
    /// Slots that gained events since it was last asked; none if it was never asked, about whatever is there.
    pub touched: Option<BTreeSet<i64>>,
    /// Slots that end after this time may find something else: an account was read then, and what is granted is not as it was.
    since: Option<i64>,
    /// Slots that it is being asked about, for what came up to a version of the table.
    waiting: BTreeSet<i64>,
    version: i64,
    /// How long it has been asked about so many of them.
    takes: (Duration, u32),
    ran: Option<Run>,
}

/// When a query had been asked about all that it was due to, and how long a slot took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    ended: Instant,
    took: Duration,
}

impl Due {
    pub fn new(touched: Option<BTreeSet<i64>>, ran: Option<Run>) -> Self {
        Due { touched, since: None, waiting: BTreeSet::new(), version: -1, takes: (Duration::ZERO, 0), ran }
    }

    fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.since.is_none() && self.touched.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// Whether it has been asked too recently to be asked about what came since.
    fn rests(&self, query: Query) -> bool {
        let longest = Duration::from_micros(query.every.micros().unsigned_abs()) / RUNS_A_SLOT;
        let rests = |ran: Run| ran.ended.elapsed() < longest.min(ran.took * RESTS);
        self.waiting.is_empty() && self.ran.is_some_and(rests)
    }
}

impl Position {
    /// When rules of kind `query` were asked last, by their version.
    pub fn asked(&self) -> HashMap<String, Run> {
        let asked = self.due.iter().filter_map(|(place, due)| Some((self.set.at(*place).version.clone(), due.ran?)));
        asked.collect()
    }
}

impl Detector {
    /// Asks the rules of kind `query` whose time has come, and notes how far the others are. Costs nothing where there is
    /// nothing to do. Whoever goes on handing over commits calls this between them, every now and then.
    pub async fn ask(&self, store: &Store) -> Result<Changes> {
        self.ask_most(store, Some(SLOTS_A_TURN)).await
    }

    /// Asks the rules of kind `query` about everything that came since they were asked: for whoever hands over no more
    /// commits.
    pub async fn finish(&self, store: &Store) -> Result<Changes> {
        self.ask_most(store, None).await
    }

    async fn ask_most(&self, store: &Store, most: Option<usize>) -> Result<Changes> {
        let mut position = self.position.lock().await;
        let Some(mut at) = position.take() else { return Ok(Changes::default()) };
        let changes = self.ask_due(store, &mut at, most).await?;
        *position = Some(at);
        Ok(changes)
    }

    /// Asks about at most so many slots of each rule that does not rest; about all of all rules, where there is no limit.
    pub(super) async fn ask_due(&self, store: &Store, at: &mut Position, most: Option<usize>) -> Result<Changes> {
        let mut changes = Changes::default();
        let by_grants: Vec<usize> = at.due.keys().copied().filter(|place| at.set.at(*place).asks_granted()).collect();
        // Those that came since wait until these are done: otherwise what takes several turns would begin anew with each.
        if at.readings.is_empty() && !by_grants.is_empty() {
            at.readings = store.granted().unjudged().await?;
            let first = at.readings.iter().map(|reading| reading.taken).min();
            for (_, due) in at.due.iter_mut().filter(|(place, _)| by_grants.contains(place)) {
                due.since = first;
            }
        }
        let mut session = None;
        for place in at.due.keys().copied().collect::<Vec<_>>() {
            let Some(query) = at.set.at(place).asks() else { continue };
            let Some(mut due) = at.due.remove(&place) else { continue };
            if !(due.is_done() || most.is_some() && due.rests(query)) {
                // All are asked in one session, which plans views that many of them know.
                let session = match &session {
                    Some(session) => session,
                    None => {
                        let opened = store.session().await?;
                        at.set.site().register(&opened).map_err(DetectError::recall)?;
                        session.insert(opened)
                    }
                };
                changes += self.ask_one(store, session, at, place, &mut due, most.unwrap_or(usize::MAX)).await?;
            }
            at.due.insert(place, due);
        }
        // Noted when all have been asked, so that whoever dies in between asks again.
        if by_grants.iter().all(|place| at.due.get(place).is_none_or(Due::is_done)) {
            store.granted().judged(&std::mem::take(&mut at.readings)).await?;
        }
        if at.saved < at.version {
            let version = at.version;
            changes +=
                self.save(store, at, version, Outcome { cursors: Cursors::From(-1), ..Outcome::default() }).await?;
        }
        Ok(changes)
    }

    async fn ask_one(
        &self,
        store: &Store,
        session: &SessionContext,
        at: &mut Position,
        place: usize,
        due: &mut Due,
        most: usize,
    ) -> Result<Changes> {
        let rule = at.set.at(place).clone();
        let Some(query) = rule.asks() else { return Ok(Changes::default()) };
        let began = Instant::now();
        let mut changes = Changes::default();
        if due.waiting.is_empty() {
            due.waiting = query::slots(session, query, due.touched.as_ref(), due.since.take()).await?;
            // What begins before the first day that is kept stands as it is.
            let kept_from = at.standing.kept_from().unwrap_or(i64::MIN);
            due.waiting.retain(|slot| *slot >= kept_from);
            due.touched = Some(BTreeSet::new());
            due.version = at.version;
        }
        for slot in due.waiting.iter().copied().take(most).collect::<Vec<_>>() {
            due.waiting.remove(&slot);
            due.takes.1 += 1;
            match query::ask(session, &rule, slot).await {
                Ok(found) => {
                    let stored = self.ledger.of_slot(&rule.id, at.generations[place], slot).await?;
                    let mut outcome = compare(place, found.into_values().collect(), stored);
                    if at.standing.kept_from().is_some_and(|kept_from| query.bounds(slot).from < kept_from) {
                        // A part of what the row was made of is gone, which does not undo it.
                        outcome.revision.withdraw.clear();
                    }
                    if !outcome.revision.write.is_empty() || !outcome.revision.withdraw.is_empty() {
                        changes += self.save(store, at, at.version, outcome).await?;
                    }
                }
                Err(error) => {
                    let error = format!("slot {}: {error}", crate::finding::time(slot));
                    self.note_failures(vec![Failure { rule: rule.id.clone(), rows: 1, error }]);
                    // Its findings stand as they were, and it is asked about again the next time.
                    due.touched.get_or_insert_default().insert(slot);
                }
            }
        }
        due.takes.0 += began.elapsed();
        if due.waiting.is_empty() {
            let (time, slots) = std::mem::take(&mut due.takes);
            due.ran = Some(Run { ended: Instant::now(), took: time / slots.max(1) });
            let version = due.version;
            self.save(store, at, version, Outcome { cursors: Cursors::Of(rule.id.clone()), ..Outcome::default() })
                .await?;
        }
        Ok(changes)
    }
}

/// What becomes of a slot's findings.
fn compare(place: usize, found: Vec<Finding>, stored: Vec<Finding>) -> Outcome {
    let mut outcome = Outcome { cursors: Cursors::Stay, ..Outcome::default() };
    let gone = stored.iter().filter(|s| !found.iter().any(|f| f.id == s.id)).cloned();
    outcome.revision.withdraw = gone.collect();
    let differs = found.into_iter().filter(|f| !stored.contains(f));
    outcome.revision.write = differs.map(|finding| (place, finding)).collect();
    outcome
}
