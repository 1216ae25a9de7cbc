//! A rule set on a batch: which events match which rules, and what the finding needs to know of them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ahash::RandomState;
use datafusion::arrow::array::{
    Array, AsArray, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray, UInt32Array,
};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use datafusion::common::DataFusionError;
use serde_json::Value;

use crate::compiled::{Answer, Compiled, Events, Ordered, Rows, place_of};
use crate::evidence::Held;
use crate::lineage::Hop;
use crate::remembered::{Chosen, Common, Remembered};
use crate::ruleset::{ENGINE_COLUMNS, Entry, RuleSet};
use crate::state::Plan;

/// An event that a rule matched.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The rule's place in the set.
    pub rule: usize,
    pub event_id: String,
    /// µs since the epoch.
    pub event_time: i64,
    pub account_id: Option<String>,
    pub region: Option<String>,
    pub principal: Option<String>,
    /// Who acted, and with which key; nobody, where that is not one event's.
    pub actor: Option<Hop>,
    /// Where the event was read: `bucket/key#ordinal`.
    pub object: String,
    /// The values of the SELECT's columns beside `event_id`, in their order.
    pub evidence: Vec<Value>,
}

/// Rows that a rule could not be evaluated on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub rule: String,
    pub rows: u64,
    /// The first error.
    pub error: String,
}

/// What a rule set saw in a batch.
#[derive(Debug, Default)]
pub struct Seen {
    pub sightings: Vec<Sighting>,
    /// Rules that failed on rows; the other rules, and these rules' other rows, are not touched by it.
    pub failures: Vec<Failure>,
    /// What evaluating the rules took, for those that had anything to evaluate.
    pub costs: Vec<Cost>,
}

/// What a rule took in a batch. A condition that several rules share counts for the one that asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// The rule's place in the set.
    pub rule: usize,
    /// Events that it chose.
    pub matches: u64,
    pub time: Duration,
}

impl RuleSet {
    /// Evaluates every rule on a batch of `events` that has at least the columns of [`RuleSet::columns`].
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<Seen, DataFusionError> {
        let events = Events::new(batch.clone());
        let mut pass = Pass::run(self, &events, &|_| true)?;
        let mut seen = pass.costs();
        for (rule, rows) in pass.matched() {
            pass.shape(rule, rows, &mut seen.sightings)?;
        }
        seen.failures = pass.failures();
        Ok(seen)
    }

    /// The same for who remembers, of the rules for which `active` says so: those with memory give what their memory needs of
    /// an event, and no more. What a finding needs beyond that is had from [`RuleSet::sightings`]. Not generic, so that it is
    /// compiled here and not by whoever awaits a detector.
    pub(crate) fn evaluate_to_remember(
        &self,
        batch: &RecordBatch,
        active: &dyn Fn(usize) -> bool,
    ) -> Result<(Seen, Vec<Remembered>), DataFusionError> {
        let events = Events::new(batch.clone());
        let mut pass = Pass::run(self, &events, active)?;
        let mut seen = pass.costs();
        let mut chosen = Vec::new();
        let mut common = Common::of(&events)?;
        for (rule, rows) in pass.matched() {
            match &self.rules[rule].rule.plan {
                Some(plan) => chosen.push(pass.choose(rule, plan, rows, &mut common)?),
                None => pass.shape(rule, rows, &mut seen.sightings)?,
            }
        }
        seen.failures = pass.failures();
        Ok((seen, common.remembered(chosen)))
    }

    /// What a finding needs to know of rows that a rule matched.
    pub(crate) fn sightings(&self, batch: &RecordBatch, rule: usize, rows: Vec<u32>) -> Result<Seen, DataFusionError> {
        let events = Events::new(batch.clone());
        let mut pass = Pass::new(self, &events, &|_| true);
        let mut seen = Seen::default();
        pass.shape(rule, rows, &mut seen.sightings)?;
        seen.failures = pass.failures();
        Ok(seen)
    }
}

/// Values that are null since their column could not be evaluated there.
pub(crate) struct Lost {
    /// Its place among the SELECT's columns beside `event_id`.
    column: usize,
    rows: u64,
    /// The first one.
    error: DataFusionError,
}

/// Which rows pass a shared condition, by its place.
type Masks = HashMap<usize, BooleanBuffer, RandomState>;

struct Pass<'s> {
    set: &'s RuleSet,
    active: &'s dyn Fn(usize) -> bool,
    events: &'s Events,
    /// Rows of the batch by rule.
    matched: Vec<Vec<u32>>,
    /// Time by rule.
    times: Vec<Duration>,
    failures: HashMap<usize, (u64, String)>,
}

impl<'s> Pass<'s> {
    fn new(set: &'s RuleSet, events: &'s Events, active: &'s dyn Fn(usize) -> bool) -> Self {
        Pass {
            set,
            active,
            events,
            matched: vec![Vec::new(); set.rules.len()],
            times: vec![Duration::ZERO; set.rules.len()],
            failures: HashMap::new(),
        }
    }

    /// Which rows each rule matches.
    fn run(set: &'s RuleSet, events: &'s Events, active: &'s dyn Fn(usize) -> bool) -> Result<Self, DataFusionError> {
        let mut pass = Pass::new(set, events, active);
        pass.anywhere()?;
        pass.by_name()?;
        Ok(pass)
    }

    /// What the rules took, and nothing else yet.
    fn costs(&self) -> Seen {
        let times = self.times.iter().zip(&self.matched).enumerate().filter(|(_, (time, _))| !time.is_zero());
        let cost = |(rule, (time, rows)): (usize, (&Duration, &Vec<u32>))| Cost {
            rule,
            matches: rows.len() as u64,
            time: *time,
        };
        Seen { costs: times.map(cost).collect(), ..Seen::default() }
    }

    /// Rules with the rows that they matched.
    fn matched(&mut self) -> impl Iterator<Item = (usize, Vec<u32>)> + use<> {
        std::mem::take(&mut self.matched).into_iter().enumerate().filter(|(_, rows)| !rows.is_empty())
    }

    fn failures(self) -> Vec<Failure> {
        let named = self.failures.into_iter().map(|(rule, (rows, error))| Failure {
            rule: self.set.rules[rule].rule.id.clone(),
            rows,
            error,
        });
        let mut failures: Vec<Failure> = named.collect();
        failures.sort_by(|a, b| a.rule.cmp(&b.rule));
        failures
    }

    fn anywhere(&mut self) -> Result<(), DataFusionError> {
        self.entries(self.set.anywhere.iter(), self.events, |row| row)
    }

    /// Puts the rows whose names some rule waits for side by side, name by name, and evaluates each name's rules on
    /// its rows only.
    fn by_name(&mut self) -> Result<(), DataFusionError> {
        let set = self.set;
        if set.by_name.is_empty() && set.by_norm.is_empty() {
            return Ok(());
        }
        let groups = group(self.events, set)?;
        let order: Vec<u32> = groups.iter().flat_map(|g| g.rows.iter().copied()).collect();
        if order.is_empty() {
            return Ok(());
        }
        let ordered = Ordered::new(self.events, order);
        let mut start = 0;
        for g in &groups {
            let rows = ordered.group(start, g.rows.len());
            let entries = g.entries.iter().flat_map(|e| e.iter());
            self.entries(entries, &rows, |row| ordered.row(start + row as usize))?;
            start += g.rows.len();
        }
        Ok(())
    }

    /// Evaluates entries on rows; `origin` says where a row stands in the batch.
    fn entries<'e>(
        &mut self,
        entries: impl Iterator<Item = &'e Entry>,
        rows: &impl Rows,
        origin: impl Fn(u32) -> u32,
    ) -> Result<(), DataFusionError> {
        let mut masks: Masks = HashMap::default();
        let mut answers: HashMap<usize, Answers, RandomState> = HashMap::default();
        for entry in entries.filter(|e| (self.active)(e.rule)) {
            let begun = Instant::now();
            let passed = self.shared(entry, rows, &mut masks)?;
            let Some(passed) = passed else {
                self.times[entry.rule] += begun.elapsed();
                continue;
            };
            let mut picked: Vec<u32> = match &passed {
                Some(mask) => mask.set_indices_u32().collect(),
                None => (0..rows.len() as u32).collect(),
            };
            for place in &entry.costly {
                let known = answers.entry(*place).or_insert_with(|| Answers::new(rows.len()));
                known.ask(&self.set.costly[*place], rows, &picked);
                let failed = picked.iter().filter(|row| known.of(**row) == Answer::Failed).count() as u64;
                picked.retain(|row| known.of(*row) == Answer::True);
                if let Some(error) = known.error.as_ref().filter(|_| failed > 0) {
                    self.failed(entry.rule, failed, error);
                }
            }
            self.matched[entry.rule].extend(picked.into_iter().map(&origin));
            self.times[entry.rule] += begun.elapsed();
        }
        Ok(())
    }

    /// The rows that pass an entry's shared conditions: none if no row does, `Some(None)` if it has no such condition.
    fn shared(
        &self,
        entry: &Entry,
        rows: &impl Rows,
        masks: &mut Masks,
    ) -> Result<Option<Option<BooleanBuffer>>, DataFusionError> {
        let mut passed: Option<BooleanBuffer> = None;
        for place in &entry.shared {
            if !masks.contains_key(place) {
                masks.insert(*place, self.set.shared[*place].mask(rows)?);
            }
            let mask = &masks[place];
            let both = match passed {
                Some(passed) => &passed & mask,
                None => mask.clone(),
            };
            if both.count_set_bits() == 0 {
                return Ok(None);
            }
            passed = Some(both);
        }
        Ok(Some(passed))
    }

    /// Takes what a rule's memory needs of its rows.
    fn choose(
        &mut self,
        place: usize,
        plan: &Plan,
        mut rows: Vec<u32>,
        common: &mut Common<'_>,
    ) -> Result<Chosen, DataFusionError> {
        rows.sort_unstable();
        let entity = self.set.rules[place].entity;
        let unknown = common.unknown(entity, &rows);
        let (columns, lost) = self.held(place, &unknown, |column| plan.is_entity(column), common)?;
        common.note(entity, plan, &unknown, &columns);
        let (columns, lost_facts) = self.held(place, &rows, |column| plan.is_fact(column), common)?;
        // Whoever has the same entity has the same trouble.
        let lost = common.note_lost(entity, lost);
        let of_facts = lost_facts.iter().filter(|lost| !plan.is_entity(lost.column));
        lost.iter().chain(of_facts).for_each(|lost| self.failed(place, lost.rows.min(rows.len() as u64), &lost.error));
        Ok(Chosen { rule: place, entity, rows, columns })
    }

    /// Some of a rule's columns: a column where it stands, if it can be looked at so, others for these rows; and those that could not be evaluated on
    /// all of them.
    fn held(
        &self,
        place: usize,
        rows: &[u32],
        needed: impl Fn(usize) -> bool,
        common: &mut Common<'_>,
    ) -> Result<(Vec<Option<Held>>, Vec<Lost>), DataFusionError> {
        let evidence = &self.set.rules[place].evidence;
        let mut columns: Vec<Option<Held>> = Vec::with_capacity(evidence.len());
        let (mut others, mut lost) = (Vec::new(), Vec::new());
        for (at, of_rule) in evidence.iter().enumerate() {
            let stands = match of_rule.column().filter(|_| needed(at)) {
                Some(column) => common.standing(column)?,
                None => None,
            };
            if stands.is_none() && needed(at) {
                others.push(at);
            }
            columns.push(stands.map(Held::Batch));
        }
        if others.is_empty() || rows.is_empty() {
            return Ok((columns, lost));
        }
        let read: Vec<usize> = others.iter().flat_map(|at| evidence[*at].columns().iter().copied()).collect();
        let taken = self.events.take(&read, &UInt32Array::from(rows.to_vec()))?;
        for at in others {
            let (column, failed, error) = evidence[at].column_or_null(&taken)?;
            lost.extend(error.map(|error| Lost { column: at, rows: failed, error }));
            columns[at] = Some(Held::Chosen(column));
        }
        Ok((columns, lost))
    }

    /// Makes sightings of a rule's rows.
    fn shape(&mut self, place: usize, mut rows: Vec<u32>, out: &mut Vec<Sighting>) -> Result<(), DataFusionError> {
        rows.sort_unstable();
        let rows = UInt32Array::from(rows);
        let ready = &self.set.rules[place];
        let mut read: Vec<usize> = ready.evidence.iter().flat_map(|e| e.columns().iter().copied()).collect();
        read.extend(ENGINE_COLUMNS.iter().map(|name| place_of(name)));
        let taken = self.events.take(&read, &rows)?;
        let mut columns = Vec::with_capacity(ready.evidence.len());
        for evidence in &ready.evidence {
            let (values, failed, error) = evidence.values_or_null(&taken)?;
            if let Some(error) = error {
                self.failed(place, failed, &error);
            }
            columns.push(values.into_iter());
        }
        let engine = Engine::new(&taken)?;
        for row in 0..rows.len() {
            let evidence = columns.iter_mut().map(|c| c.next().unwrap_or(Value::Null)).collect();
            out.push(engine.sighting(place, row, evidence));
        }
        Ok(())
    }

    fn failed(&mut self, rule: usize, rows: u64, error: &DataFusionError) {
        let failure = self.failures.entry(rule).or_insert_with(|| (0, error.strip_backtrace()));
        failure.0 += rows;
    }
}

/// What a costly condition said of rows: each row is asked about once, whichever rules want to know.
struct Answers {
    by_row: Vec<Option<Answer>>,
    /// The first one.
    error: Option<DataFusionError>,
}

impl Answers {
    fn new(rows: usize) -> Self {
        Answers { by_row: vec![None; rows], error: None }
    }

    fn ask(&mut self, condition: &Compiled, rows: &impl Rows, picked: &[u32]) {
        let mut new: Vec<u32> = picked.iter().copied().filter(|row| self.by_row[*row as usize].is_none()).collect();
        if let Ok(Some(nulls)) = condition.surely_null(rows) {
            new.retain(|row| {
                let null = nulls.is_null(*row as usize);
                if null {
                    self.by_row[*row as usize] = Some(Answer::False);
                }
                !null
            });
        }
        if new.is_empty() {
            return;
        }
        let new = UInt32Array::from(new);
        let (answers, error) = condition.pick(rows, &new);
        for (row, answer) in new.values().iter().zip(answers) {
            self.by_row[*row as usize] = Some(answer);
        }
        self.error = self.error.take().or(error);
    }

    /// The answer for a row that was asked about.
    fn of(&self, row: u32) -> Answer {
        self.by_row[row as usize].expect("it is only looked at after it was asked about")
    }
}

/// Rows of one event name and the rules that wait for it.
struct NameGroup<'s> {
    rows: Vec<u32>,
    entries: [&'s [Entry]; 2],
}

/// The rows of each event name that some rule waits for.
fn group<'s>(events: &Events, set: &'s RuleSet) -> Result<Vec<NameGroup<'s>>, DataFusionError> {
    let names = events.column(place_of("event_name"))?;
    let names: &StringViewArray = names.as_string_view();
    let norms = events.column(place_of("event_name_norm"))?;
    let norms: &StringViewArray = norms.as_string_view();
    let entries_of = |row: usize| {
        let named = set.by_name.get(names.value(row)).map_or(&[][..], Vec::as_slice);
        let normed =
            if set.by_norm.is_empty() || norms.is_null(row) { None } else { set.by_norm.get(norms.value(row)) };
        [named, normed.map_or(&[][..], Vec::as_slice)]
    };
    let mut groups: Vec<NameGroup<'s>> = Vec::new();
    let mut known: HashMap<&str, Option<usize>, RandomState> = HashMap::default();
    for row in (0..names.len()).filter(|row| names.is_valid(*row)) {
        let group = *known.entry(names.value(row)).or_insert_with(|| {
            let entries = entries_of(row);
            let wanted = entries.iter().any(|e| !e.is_empty());
            wanted.then(|| {
                groups.push(NameGroup { rows: Vec::new(), entries });
                groups.len() - 1
            })
        });
        if let Some(group) = group {
            groups[group].rows.push(row as u32);
        }
    }
    Ok(groups)
}

/// The engine's own columns of matched rows.
struct Engine {
    event_id: StringViewArray,
    event_time: TimestampMicrosecondArray,
    account_id: StringViewArray,
    region: StringViewArray,
    principal: StringViewArray,
    principal_name: StringViewArray,
    class: StringViewArray,
    session_name: StringViewArray,
    identity_account: StringViewArray,
    access_key: StringViewArray,
    source_identity: StringViewArray,
    began: TimestampMicrosecondArray,
    bucket: StringViewArray,
    key: StringViewArray,
    ordinal: Int32Array,
}

impl Engine {
    fn new(rows: &impl Rows) -> Result<Self, DataFusionError> {
        let text = |name| rows.column(place_of(name)).map(|a| a.as_string_view().clone());
        Ok(Engine {
            event_id: text("event_id")?,
            event_time: rows.column(place_of("event_time"))?.as_primitive::<TimestampMicrosecondType>().clone(),
            account_id: text("account_id")?,
            region: text("aws_region")?,
            principal: text("principal_key")?,
            principal_name: text("principal_name")?,
            class: text("principal_class")?,
            session_name: text("session_name")?,
            identity_account: text("user_identity_account_id")?,
            access_key: text("user_identity_access_key_id")?,
            source_identity: text("session_source_identity")?,
            began: rows.column(place_of("session_creation_date"))?.as_primitive::<TimestampMicrosecondType>().clone(),
            bucket: text("src_bucket")?,
            key: text("src_key")?,
            ordinal: rows.column(place_of("src_ordinal"))?.as_primitive::<Int32Type>().clone(),
        })
    }

    fn sighting(&self, rule: usize, row: usize, evidence: Vec<Value>) -> Sighting {
        let text = |a: &StringViewArray| a.is_valid(row).then(|| a.value(row).to_owned());
        let named = |a: &StringViewArray| text(a).filter(|name| !name.is_empty());
        let actor = Hop {
            principal: named(&self.principal),
            principal_name: named(&self.principal_name),
            class: named(&self.class),
            session_name: named(&self.session_name),
            account_id: named(&self.identity_account),
            access_key_id: named(&self.access_key),
            source_identity: named(&self.source_identity),
            session_began: self.began.is_valid(row).then(|| self.began.value(row)),
            issue: None,
        };
        Sighting {
            rule,
            event_id: self.event_id.value(row).to_owned(),
            event_time: self.event_time.value(row),
            account_id: text(&self.account_id),
            region: text(&self.region),
            principal: text(&self.principal),
            actor: Some(actor),
            object: format!("{}/{}#{}", self.bucket.value(row), self.key.value(row), self.ordinal.value(row)),
            evidence,
        }
    }
}

#[cfg(test)]
mod tests;
