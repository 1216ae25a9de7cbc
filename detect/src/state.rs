//! What a rule with memory keeps of an entity's events, and what it claims to see in them.
//!
//! ```text
//! sightings ─► Plan::event ─► State::add ─► … ─► State::judge ─► Claim ─► (events looked up) ─► Finding
//! ```
//! A [`State`] is a function of the *set* of events that were added: adding commutes, and judging looks at nothing else.
//! So findings cannot depend on the order of arrival, on batches or on the clock. It keeps numbers, not events: which
//! events a claim counts is said by time (and value or id), and they are read again where a finding is written.
//!
//! Two states are shared by entities: a [`Population`] (what a group knows together) and [`Attacks`] (when a principal was
//! under attack). An entity's state tells a population its share as [`Shift`]s, and is told of attacks by
//! [`State::withhold`]; [`Memory`](crate::memory::Memory) carries both and finds out who must be judged again.
//!
//! A long file, since each thing that is asked of a state is told here for every kind, side by side; what a kind does is in a
//! file of its own.

mod attacks;
mod days;
mod event_id;
mod first_seen;
mod history;
mod line;
mod moment;
mod population;
mod rare;
mod sequence;
mod spike;
mod threshold;
mod travel;

use std::cell::RefCell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use smallvec::{SmallVec, smallvec};

use crate::error::Result;
use crate::evaluate::Sighting;
use crate::evidence::Evidence;
use crate::judgement::{Judgement, Measure};
use crate::remembered::Id;
use crate::rule::PRINCIPAL;
use crate::select::Select;

pub(crate) use attacks::Attacks;
use attacks::Span;
pub(crate) use first_seen::RATE_DAYS;
use history::{History, Shares};
pub use moment::{Check, Moment};
pub(crate) use population::{Population, View};
pub(crate) use sequence::Sequence;
pub(crate) use spike::{HISTORY_DAYS_MIN, Spike};
pub(crate) use threshold::Threshold;
pub(crate) use travel::{KNOWN_DAYS_MIN, KNOWN_EVENTS_MIN, KNOWN_WITHIN_DAYS, Travel};

/// µs in a UTC day.
pub(crate) const DAY: i64 = 86_400_000_000;

/// What a kind needs of a sighting.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Facts {
    /// For each measure: a value's hash, a number, or nothing to add.
    Measures(SmallVec<[Measured; 2]>),
    /// The step's place among the different steps, and the hash of the columns that must be the same.
    Step(u8, u64),
    /// The value as text, and the group that the event names.
    Value(String, Option<String>),
    Place(f64, f64),
}

/// One event's part of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measured {
    Nothing,
    Value(u64),
    Number(u64),
}

/// What a state is told of an event; or of several that are [alike](Plan::are_alike), which count as many.
#[derive(Debug)]
pub(crate) struct Event<'s> {
    /// µs since the epoch; with the id, the latest of them.
    pub time: i64,
    pub id: Id<'s>,
    pub facts: Facts,
    pub count: u32,
}

/// What adding an event changed.
#[derive(Debug, Default)]
pub(crate) struct Added {
    /// Bytes by which the state grew, roughly.
    pub bytes: usize,
    /// The earliest time at which it can have changed what is claimed, µs since the epoch; none where it has changed nothing,
    /// which is known of most events. So most need not be judged.
    pub from: Option<i64>,
    pub shifts: Vec<Shift>,
}

/// A change of what an entity tells its group of a day: of the number of all, and of a value's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shift {
    pub group: Arc<str>,
    /// Days since the epoch.
    pub day: i64,
    pub all: i64,
    pub value: Option<(String, i64)>,
}

/// Asks a group, by name, what it has to say of a value on a day.
pub(crate) type Look<'l> = dyn FnMut(&str, &str, i64) -> Result<View> + 'l;

/// Which events a claim counts, among those of the entity between its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// Those with this value.
    Value(String),
    /// These, by id.
    Ids(Vec<String>),
}

impl Which {
    /// What stands in the columns of the value, if it is one that is counted.
    pub fn value(&self) -> Option<Vec<Value>> {
        match self {
            Which::Value(list) => serde_json::from_str(list).ok(),
            Which::All | Which::Ids(_) => None,
        }
    }

    /// The events, if they are counted one by one.
    pub fn ids(&self) -> Option<&[String]> {
        match self {
            Which::Ids(ids) => Some(ids),
            Which::All | Which::Value(_) => None,
        }
    }
}

/// What a state sees: some events are a finding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claim {
    /// What, beside rule and entity, makes the finding's id.
    pub what: Value,
    /// µs since the epoch, from the first time up to but not including the second.
    pub times: (i64, i64),
    pub which: Which,
    /// How many events it counts.
    pub count: u64,
    /// One or two sentences: what was usual, what was seen, how improbable it is.
    pub note: String,
}

/// What was taken out of a state.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Split<T> {
    pub older: T,
    /// All of it, and nothing that was left, lies before this time.
    pub until: i64,
    /// Bytes that it takes, roughly.
    pub bytes: usize,
}

impl<T> Split<T> {
    fn map<U>(self, into: impl FnOnce(T) -> U) -> Split<U> {
        Split { older: into(self.older), until: self.until, bytes: self.bytes }
    }
}

/// A kind with its keys and the places of the columns that they name.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub judgement: Judgement,
    /// Columns by name, in its order, as what stands before the value in an entity's text, with their places in a
    /// sighting's evidence.
    entity: Vec<(String, usize)>,
    /// The entity is the principal alone.
    of_principal: bool,
    columns: Vec<usize>,
    /// The different steps of a sequence, `unless` and `optional` behind them.
    words: Vec<String>,
}

impl Plan {
    /// The plan of a rule with memory; none for a rule that looks at each event alone, or whose columns are not there.
    pub fn of(judgement: &Judgement, entity: &[String], select: &Select) -> Option<Plan> {
        if matches!(judgement, Judgement::Match { .. } | Judgement::Query(_)) {
            return None;
        }
        let place = |name: &str| select.columns.iter().position(|(n, _)| n == name);
        let mut words = Vec::new();
        if let Judgement::Sequence(sequence) = judgement {
            for word in sequence.words() {
                if !words.contains(word) {
                    words.push(word.clone());
                }
            }
        }
        let mut columns: Vec<(String, usize)> =
            entity.iter().map(|c| Some((c.clone(), place(c)?))).collect::<Option<_>>()?;
        columns.sort();
        columns.dedup();
        let of_principal = matches!(columns.as_slice(), [(name, _)] if name == PRINCIPAL);
        for (at, (name, _)) in columns.iter_mut().enumerate() {
            *name = format!("{}{}:", if at == 0 { '{' } else { ',' }, Value::from(name.as_str()));
        }
        Some(Plan {
            entity: columns,
            of_principal,
            columns: judgement.columns().into_iter().map(|(_, c)| place(c)).collect::<Option<_>>()?,
            judgement: judgement.clone(),
            words,
        })
    }

    /// The places of the columns of which a value is made that may be new or rare.
    pub fn value_columns(&self) -> &[usize] {
        let values = match &self.judgement {
            Judgement::FirstSeen(keys) => keys.value.len(),
            Judgement::Rare(keys) => keys.value.len(),
            _ => 0,
        };
        &self.columns[..values]
    }

    /// Whether this column of the SELECT's, beside `event_id`, says whose an event is.
    pub fn is_entity(&self, column: usize) -> bool {
        self.entity.iter().any(|(_, place)| *place == column)
    }

    /// Whether the kind needs this column of the SELECT's.
    pub fn is_fact(&self, column: usize) -> bool {
        self.columns.contains(&column)
    }

    /// The places of the columns that say whose an event is, each with the text that stands before its value.
    pub fn entity_columns(&self) -> &[(String, usize)] {
        &self.entity
    }

    /// Whose event it is, as the ledger writes it: columns by name. None if every column is null: then it is nobody's.
    pub fn entity(&self, evidence: &(impl Evidence + ?Sized)) -> Option<String> {
        let mut text = String::new();
        self.write_entity(evidence, &mut text).then_some(text)
    }

    /// Writes whose event it is in place of what stands there; false if it is nobody's.
    pub fn write_entity(&self, evidence: &(impl Evidence + ?Sized), out: &mut String) -> bool {
        if self.entity.iter().all(|(_, place)| evidence.is_null(*place)) {
            return false;
        }
        out.clear();
        for (before, place) in &self.entity {
            out.push_str(before);
            evidence.write(*place, out);
        }
        out.push('}');
        true
    }

    /// What the kind needs of an event; none if it says nothing to it.
    pub fn facts(&self, evidence: &(impl Evidence + ?Sized)) -> Option<Facts> {
        let mut columns = self.columns.iter().copied();
        let facts = match &self.judgement {
            Judgement::Match { .. } | Judgement::Query(_) => return None,
            Judgement::Threshold { having, .. } => {
                Facts::Measures(having.iter().map(|h| measured(&h.measure, evidence, &mut columns)).collect())
            }
            Judgement::Spike(spike) => Facts::Measures(smallvec![measured(&spike.measure, evidence, &mut columns)]),
            Judgement::Sequence(_) => {
                let word = evidence.text(columns.next()?)?;
                let step = self.words.iter().position(|w| w == word)?;
                if columns.clone().any(|column| evidence.is_null(column)) {
                    return None;
                }
                Facts::Step(step as u8, hash_of(evidence, columns))
            }
            Judgement::FirstSeen(keys) => valued(evidence, &self.columns, keys.value.len())?,
            Judgement::Rare(keys) => valued(evidence, &self.columns, keys.value.len())?,
            Judgement::Travel(_) => {
                let mut degrees = || evidence.number(columns.next()?)?.as_f64();
                Facts::Place(degrees()?, degrees()?)
            }
        };
        Some(facts)
    }

    /// The stretch of time in which events with the same facts differ in nothing that the kind keeps, by its place on the time
    /// line; none where it keeps each event.
    pub fn stretch(&self, time: i64) -> Option<i64> {
        let length = match &self.judgement {
            Judgement::Threshold { window, .. } => threshold::half(*window),
            Judgement::Spike(keys) => keys.bucket.micros(),
            Judgement::FirstSeen(_) | Judgement::Rare(_) => DAY,
            Judgement::Match { .. } | Judgement::Query(_) | Judgement::Sequence(_) | Judgement::Travel(_) => {
                return None;
            }
        };
        Some(time.div_euclid(length))
    }

    /// Whether two events of an entity have the same facts.
    pub fn are_alike<E: Evidence>(&self, one: &E, other: &E) -> bool {
        self.columns.iter().all(|column| one.is_same(other, *column))
    }

    /// Whether a claim counts this event of its entity.
    pub fn counts(&self, claim: &Claim, sighting: &Sighting) -> bool {
        self.counts_event(claim, sighting.event_time, &sighting.event_id, sighting.evidence.as_slice())
    }

    /// The same, of an event of which no more is known than the memory needs.
    pub fn counts_event(&self, claim: &Claim, time: i64, id: &str, evidence: &(impl Evidence + ?Sized)) -> bool {
        if time < claim.times.0 || time >= claim.times.1 {
            return false;
        }
        match &claim.which {
            Which::All => true,
            Which::Ids(ids) => ids.iter().any(|counted| counted == id),
            Which::Value(wanted) => {
                matches!(self.facts(evidence), Some(Facts::Value(value, _)) if value == *wanted)
            }
        }
    }

    /// How far back of an event what is judged of it may lie, in µs.
    pub fn looks_back(&self) -> i64 {
        match &self.judgement {
            Judgement::Match { .. } | Judgement::Query(_) => 0,
            Judgement::Threshold { window, .. } => window.micros(),
            Judgement::Sequence(keys) => keys.within.micros(),
            Judgement::FirstSeen(keys) => keys.learn.micros().max(keys.forget.micros() + RATE_DAYS * DAY),
            // What lies further back weighs a tenth at most.
            Judgement::Rare(keys) => keys.half_life.micros().saturating_mul(4),
            Judgement::Spike(keys) => keys.history.micros(),
            Judgement::Travel(_) => (KNOWN_WITHIN_DAYS + 1) * DAY,
        }
    }

    /// How much later than what was [taken out](State::split) an event must be for that not to matter to it, nor to what is
    /// judged again for it; none where nothing can be taken out.
    pub fn reach(&self) -> Option<i64> {
        match &self.judgement {
            Judgement::Threshold { .. } | Judgement::Sequence(_) => Some(self.looks_back().saturating_mul(2)),
            // What is asked of those before is kept, however long ago they were: where it was, and how much it did.
            Judgement::Spike(_) | Judgement::Travel(_) => Some(0),
            Judgement::Match { .. } | Judgement::Query(_) | Judgement::FirstSeen(_) | Judgement::Rare(_) => None,
        }
    }

    /// What is known of an entity before its first event.
    pub fn begin(&self) -> State {
        match self.judgement {
            Judgement::Match { .. } | Judgement::Query(_) | Judgement::Threshold { .. } => {
                State::Threshold(Threshold::default())
            }
            Judgement::Sequence(_) => State::Sequence(Sequence::default()),
            Judgement::FirstSeen(_) | Judgement::Rare(_) => State::History(History::default()),
            Judgement::Spike(_) => State::Spike(Spike::default()),
            Judgement::Travel(_) => State::Travel(Travel::default()),
        }
    }

    /// Whether the kind learns what is usual.
    pub fn learns(&self) -> bool {
        matches!(self.judgement, Judgement::FirstSeen(_) | Judgement::Rare(_) | Judgement::Spike(_))
    }

    /// Whether it learns what is usual for a principal: then it does not learn from attacks on it.
    pub fn learns_by_principal(&self) -> bool {
        self.learns() && self.of_principal
    }

    /// Whether what is judged of an entity depends on a group of entities.
    pub fn asks_groups(&self) -> bool {
        self.shares() != Shares::Nothing
    }

    fn shares(&self) -> Shares {
        match &self.judgement {
            Judgement::FirstSeen(keys) if keys.peers.is_some() => Shares::FirstDays,
            Judgement::Rare(_) => Shares::Events,
            _ => Shares::Nothing,
        }
    }
}

/// What a rule with memory knows of one entity, of a group of entities, or of the attacks on one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum State {
    Threshold(Threshold),
    Sequence(Sequence),
    /// Of `first_seen` and `rare`.
    History(History),
    Spike(Spike),
    Travel(Travel),
    Population(Box<Population>),
    Attacks(Attacks),
}

impl State {
    /// Looks at what adding an event looks at first, and says nothing of it.
    pub fn glance(&self) -> i64 {
        match self {
            State::Threshold(s) => s.glance(),
            State::Sequence(s) => s.glance(),
            State::History(s) => s.glance(),
            State::Spike(s) => s.glance(),
            State::Travel(s) => s.latest().unwrap_or(0),
            State::Population(_) | State::Attacks(_) => 0,
        }
    }

    /// Adds an event that was not added before.
    pub fn add(&mut self, plan: &Plan, event: &Event<'_>) -> Added {
        match (self, &plan.judgement, &event.facts) {
            (State::Threshold(s), Judgement::Threshold { window, having }, Facts::Measures(parts)) => {
                s.add(*window, having, event, parts)
            }
            (State::Sequence(s), Judgement::Sequence(keys), Facts::Step(step, same)) => {
                s.add(keys, &plan.words, (*step, *same), (event.time, event.id.text().into()))
            }
            (State::History(s), Judgement::FirstSeen(keys), Facts::Value(value, group)) => {
                let added = s.add(plan.shares(), event, value, group.as_deref());
                let changes = |from: &i64| *from < event.time || first_seen::tells(s, keys, event.time, value);
                Added { from: added.from.filter(changes), ..added }
            }
            (State::History(s), Judgement::Rare(keys), Facts::Value(value, group)) => {
                let added = s.add(plan.shares(), event, value, group.as_deref());
                let changes = |from: &i64| *from < event.time || rare::tells(s, keys, event.time, value);
                Added { from: added.from.filter(changes), ..added }
            }
            (State::Spike(s), Judgement::Spike(keys), Facts::Measures(parts)) => s.add(keys, event, parts[0]),
            (State::Travel(s), Judgement::Travel(_), Facts::Place(lat, lon)) => {
                s.add(event.time, event.id.text(), (*lat, *lon))
            }
            _ => unreachable!("a plan makes the states and the events of its own kind"),
        }
    }

    /// Sets when the entity was under attack, by merged and rising spans. Gives what becomes of its share.
    pub fn withhold(&mut self, plan: &Plan, spans: &[Span]) -> Vec<Shift> {
        match (self, &plan.judgement) {
            (State::History(s), _) => s.withhold(plan.shares(), spans),
            (State::Spike(s), Judgement::Spike(keys)) => {
                s.withhold(keys, spans);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The time of the latest event, or of the latest stretch in which events are counted together; none where it is not
    /// known.
    pub fn latest(&self, plan: &Plan) -> Option<i64> {
        match (self, &plan.judgement) {
            (State::Threshold(s), Judgement::Threshold { window, .. }) => s.latest(*window),
            (State::Sequence(s), _) => s.latest(),
            (State::Spike(s), Judgement::Spike(keys)) => s.latest(keys),
            (State::Travel(s), _) => s.latest(),
            _ => None,
        }
    }

    /// Takes out what lies before a time, where it can be taken out. What is left judges events at the time that is given
    /// back, and so much later as the plan [reaches](Plan::reach), as the whole would.
    pub fn split(&mut self, plan: &Plan, before: i64) -> Option<Split<State>> {
        let split = match (self, &plan.judgement) {
            (State::Threshold(s), Judgement::Threshold { window, having }) => {
                s.split(*window, having, before).map(State::Threshold)
            }
            (State::Sequence(s), _) => s.split(before).map(State::Sequence),
            (State::Spike(s), Judgement::Spike(keys)) => s.split(keys, before).map(State::Spike),
            (State::Travel(s), _) => s.split(before).map(State::Travel),
            _ => return None,
        };
        (split.bytes > 0).then_some(split)
    }

    /// Puts back what was taken out.
    pub fn join(&mut self, older: State) {
        match (self, older) {
            (State::Threshold(s), State::Threshold(older)) => s.join(older),
            (State::Sequence(s), State::Sequence(older)) => s.join(older),
            (State::Spike(s), State::Spike(older)) => s.join(older),
            (State::Travel(s), State::Travel(older)) => s.join(older),
            _ => unreachable!("what is split is of one kind"),
        }
    }

    /// Everything that the rule claims whose last event lies at or behind the time that is given back, which is early
    /// enough to hold whatever an event at `from` or later can have changed. What a group says is had from `look`.
    pub fn judge(&self, plan: &Plan, from: i64, look: &mut Look<'_>) -> Result<(i64, Vec<Claim>)> {
        Ok(match (self, &plan.judgement) {
            (State::Threshold(s), Judgement::Threshold { window, having }) => s.judge(*window, having, from),
            (State::Sequence(s), Judgement::Sequence(keys)) => s.judge(keys, &plan.words, from),
            (State::History(s), Judgement::FirstSeen(keys)) => first_seen::judge(s, keys, from, look)?,
            (State::History(s), Judgement::Rare(keys)) => rare::judge(s, keys, from, look)?,
            (State::Spike(s), Judgement::Spike(keys)) => s.judge(keys, from),
            (State::Travel(s), Judgement::Travel(keys)) => s.judge(keys, from),
            _ => unreachable!("a plan makes the states of its own kind"),
        })
    }
}

impl State {
    /// What the state says of the moment of an event, or of the moments that are nearest to a claim.
    /// What a group says is had from `look`.
    pub fn explain(&self, plan: &Plan, event: Option<&Event<'_>>, look: &mut Look<'_>) -> Result<Vec<Moment>> {
        let time = event.map(|e| e.time);
        Ok(match (self, &plan.judgement, event.map(|e| &e.facts)) {
            (State::Threshold(s), Judgement::Threshold { window, having }, _) => s.explain(*window, having, time),
            (State::Sequence(s), Judgement::Sequence(keys), Some(Facts::Step(step, same))) => {
                let at = event.map(|e| (e.time, e.id.text().into()));
                s.explain(keys, &plan.words, at.as_ref().map(|at| (at, *step, *same)))
            }
            (State::Sequence(s), Judgement::Sequence(keys), _) => s.explain(keys, &plan.words, None),
            (State::History(s), Judgement::FirstSeen(keys), Some(Facts::Value(value, _))) => {
                first_seen::explain(s, keys, time.map(|time| (time, value.as_str())), look)?
            }
            (State::History(s), Judgement::FirstSeen(keys), _) => first_seen::explain(s, keys, None, look)?,
            (State::History(s), Judgement::Rare(keys), Some(Facts::Value(value, _))) => {
                rare::explain(s, keys, time.map(|time| (time, value.as_str())), look)?
            }
            (State::History(s), Judgement::Rare(keys), _) => rare::explain(s, keys, None, look)?,
            (State::Spike(s), Judgement::Spike(keys), _) => s.explain(keys, time),
            (State::Travel(s), Judgement::Travel(keys), _) => s.explain(keys, event.map(|e| (e.time, e.id.text()))),
            _ => unreachable!("a plan makes the states of its own kind"),
        })
    }
}

/// A value of some columns, and the group in the column behind them, if there is one.
fn valued(evidence: &(impl Evidence + ?Sized), columns: &[usize], values: usize) -> Option<Facts> {
    let (value, behind) = columns.split_at_checked(values)?;
    if value.iter().all(|column| evidence.is_null(*column)) {
        return None;
    }
    let group =
        behind.first().filter(|column| !evidence.is_null(**column)).map(|column| match evidence.text(*column) {
            Some(name) => name.to_owned(),
            None => {
                let mut name = String::new();
                evidence.write(*column, &mut name);
                name
            }
        });
    Some(Facts::Value(list(evidence, value.iter().copied()), group))
}

fn measured(
    measure: &Measure,
    evidence: &(impl Evidence + ?Sized),
    columns: &mut impl Iterator<Item = usize>,
) -> Measured {
    let column = match measure {
        Measure::Count => return Measured::Number(1),
        Measure::Distinct(_) | Measure::Sum(_) => columns.next(),
    };
    let Some(column) = column.filter(|column| !evidence.is_null(*column)) else { return Measured::Nothing };
    if matches!(measure, Measure::Distinct(_)) {
        return Measured::Value(hash_of(evidence, std::iter::once(column)));
    }
    match evidence.number(column) {
        Some(n) => Measured::Number(n.as_u64().unwrap_or_else(|| n.as_f64().unwrap_or(0.0).max(0.0) as u64)),
        None => Measured::Nothing,
    }
}

/// Columns as a JSON list.
fn list(evidence: &(impl Evidence + ?Sized), columns: impl Iterator<Item = usize>) -> String {
    let mut text = String::with_capacity(64);
    write_list(evidence, columns, &mut text);
    text
}

/// The hash of columns as a JSON list, of which most events need no more.
fn hash_of(evidence: &(impl Evidence + ?Sized), columns: impl Iterator<Item = usize>) -> u64 {
    thread_local! {
        static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
    }
    TEXT.with_borrow_mut(|text| {
        text.clear();
        write_list(evidence, columns, text);
        hash(text)
    })
}

fn write_list(evidence: &(impl Evidence + ?Sized), columns: impl Iterator<Item = usize>, text: &mut String) {
    let begin = text.len();
    text.push('[');
    for column in columns {
        if text.len() > begin + 1 {
            text.push(',');
        }
        evidence.write(column, text);
    }
    text.push(']');
}

/// The same values have the same hash on every machine and in every run.
fn hash(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// Events counted by one measure. Different values are remembered by hash, up to [`Tally::VALUES_MAX`]: which are
/// remembered depends on the values alone, so that tallies can be added in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    sum: u64,
    /// Rising; few of them need no memory of their own.
    values: SmallVec<[u64; 2]>,
}

impl Tally {
    /// More different values than this are told as this many.
    const VALUES_MAX: usize = 10_000;

    /// Adds the part of so many events.
    fn add(&mut self, part: Measured, count: u32) -> usize {
        match part {
            Measured::Nothing => 0,
            Measured::Number(n) => {
                self.sum = self.sum.saturating_add(n.saturating_mul(u64::from(count)));
                0
            }
            Measured::Value(hash) => match self.values.binary_search(&hash) {
                Ok(_) => 0,
                Err(at) => {
                    let before = self.bytes();
                    self.values.insert(at, hash);
                    self.values.truncate(Self::VALUES_MAX);
                    self.bytes() - before
                }
            },
        }
    }

    /// What it takes beside itself.
    fn bytes(&self) -> usize {
        if self.values.spilled() { 8 * self.values.len() } else { 0 }
    }

    fn number(&self) -> u64 {
        if self.values.is_empty() { self.sum } else { self.values.len() as u64 }
    }

    /// The number of both together.
    fn number_with(&self, other: &Tally) -> u64 {
        if self.values.is_empty() && other.values.is_empty() {
            return self.sum.saturating_add(other.sum);
        }
        let both = self.values.iter().filter(|value| other.values.binary_search(value).is_ok()).count();
        ((self.values.len() + other.values.len() - both) as u64).min(Self::VALUES_MAX as u64)
    }
}

/// A length of time as people say it.
fn days_told(days: i64) -> String {
    if days == 1 { "1 day".into() } else { format!("{days} days") }
}

/// The values of a JSON list as text, as people read them.
fn value_told(value: &str) -> String {
    let values: Vec<Value> = serde_json::from_str(value).unwrap_or_default();
    let parts: Vec<String> = values.iter().map(|v| crate::template::shown(&crate::value::plain(v), 80)).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests;
