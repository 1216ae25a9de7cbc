//! What rules with memory chose in a batch, with what their memory needs of it.
//!
//! A hundred rules choose three of them for an event, and mostly ask the same of it: whose it is, and what stands in a few
//! columns. So whose it is is found out once for all rules with the same entity, and a column of text or of numbers is looked at
//! where it stands, not copied for each rule ([`Common`]).

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, StringViewArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::DataFusionError;

use crate::compiled::{Events, Rows, place_of};
use crate::evaluate::Lost;
use crate::evidence::{Column, Held, RowOf};
use crate::memory::{ByHash, entity_key};
use crate::state::Plan;

/// Whose an event is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'r> {
    /// The hash of the text.
    pub key: u128,
    /// As the ledger writes it.
    pub text: &'r str,
}

/// The rows that a rule with memory chose in a batch.
pub(crate) struct Remembered {
    /// The rule's place in the set.
    pub rule: usize,
    /// Their places in the batch, rising.
    rows: Vec<u32>,
    /// The SELECT's columns beside `event_id`, in their order; those that the kind does not need are not there.
    columns: Vec<Option<Held>>,
    /// Whose the rows of the whole batch are.
    entities: Arc<Entities>,
    /// Of the whole batch.
    ids: StringViewArray,
    times: TimestampMicrosecondArray,
}

/// An event's id, which is only looked at where it matters: most kinds keep none.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Id<'r> {
    Text(&'r str),
    /// In a row of a batch.
    Of(&'r StringViewArray, u32),
}

impl<'r> Id<'r> {
    pub fn text(self) -> &'r str {
        match self {
            Id::Text(text) => text,
            Id::Of(ids, row) => ids.value(row as usize),
        }
    }
}

/// One of these rows, or an event from elsewhere.
pub(crate) struct Row<'r, E = RowOf<'r>> {
    /// Its place in the batch.
    pub place: u32,
    pub id: Id<'r>,
    /// µs since the epoch.
    pub time: i64,
    pub evidence: E,
}

/// Rows by whose they are.
pub(crate) struct ByEntity<'r> {
    entities: &'r Entities,
    /// Their [places](Remembered::row), those of an entity side by side.
    rows: Vec<u32>,
    /// An entity, and from where to where its rows stand.
    whose: Vec<(u32, u32, u32)>,
}

impl ByEntity<'_> {
    /// So many entities at a time, each with the places of its rows.
    pub fn chunks(&self, size: usize) -> impl Iterator<Item = impl Iterator<Item = (Whose<'_>, &[u32])> + Clone> {
        let rows = |(entity, begin, end): &(u32, u32, u32)| {
            Some((self.entities.at(*entity)?, &self.rows[*begin as usize..*end as usize]))
        };
        self.whose.chunks(size).map(move |some| some.iter().filter_map(rows))
    }
}

impl Remembered {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The time of the latest of the rows, µs since the epoch.
    pub fn latest(&self) -> Option<i64> {
        self.rows.iter().map(|row| self.times.value(*row as usize)).max()
    }

    /// Row by row, in the order of the batch, with whose it is.
    pub fn iter(&self) -> impl Iterator<Item = (Option<Whose<'_>>, Row<'_>)> {
        (0..).zip(&self.rows).map(|(row, place)| (self.entities.of(*place), self.row(row)))
    }

    /// The rows of each entity together: what is known of it is looked for once.
    pub fn by_entity(&self) -> ByEntity<'_> {
        let entity = |row: &u32| self.entities.by_row[*row as usize];
        let known = &self.entities.known;
        // How many rows each entity has, then where they begin, then where they end.
        let mut ends: Vec<u32> = vec![0; known.len() + 1];
        self.rows.iter().for_each(|row| ends[(entity(row) as usize).min(known.len())] += 1);
        let mut begin = 0;
        for end in &mut ends {
            begin += std::mem::replace(end, begin);
        }
        let mut rows: Vec<u32> = vec![0; self.rows.len()];
        for (place, row) in (0..).zip(&self.rows) {
            let end = &mut ends[(entity(row) as usize).min(known.len())];
            rows[*end as usize] = place;
            *end += 1;
        }
        let begins = std::iter::once(0).chain(ends.iter().copied());
        // What is nobody's stands at the end.
        let whose = (0..).zip(begins.zip(&ends)).take(known.len());
        let whose =
            whose.filter_map(|(entity, (begin, end))| (begin < *end).then_some((entity, begin, *end))).collect();
        ByEntity { entities: &self.entities, rows, whose }
    }

    /// One of the rows, by its place among them.
    pub fn row(&self, row: u32) -> Row<'_> {
        let row = row as usize;
        let place = self.rows[row];
        let (id, time) = (Id::Of(&self.ids, place), self.times.value(place as usize));
        Row { place, id, time, evidence: RowOf { columns: &self.columns, row, place: place as usize } }
    }
}

/// Whose the rows of a batch are.
struct Entities {
    /// Each row's place in `known`, [`UNKNOWN`] or [`NOBODY`].
    by_row: Vec<u32>,
    /// Each with the end of its text among all texts, which stand one behind the other.
    known: Vec<(u128, usize)>,
    texts: String,
    by_key: HashMap<u128, u32, ByHash>,
}

/// Of a row of which nobody asked yet whose it is.
const UNKNOWN: u32 = u32::MAX;
/// So that the order of values matters: odd, and of large parts.
const MIX: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
/// Of a row that is nobody's.
const NOBODY: u32 = u32::MAX - 1;

impl Entities {
    fn of(&self, row: u32) -> Option<Whose<'_>> {
        self.at(self.by_row[row as usize])
    }

    /// One that is known, by its place.
    fn at(&self, place: u32) -> Option<Whose<'_>> {
        let place = place as usize;
        let (key, end) = *self.known.get(place)?;
        let begin = place.checked_sub(1).map_or(0, |before| self.known[before].1);
        Some(Whose { key, text: &self.texts[begin..end] })
    }

    /// Notes whose rows are, from the entity's columns.
    fn note(&mut self, plan: &Plan, rows: &[u32], columns: &[Option<Held>]) {
        let mut text = String::new();
        // Few different ones have many rows: values are hashed where they stand, and a text is made for the first row only.
        let mut seen: HashMap<u128, u32, ByHash> = HashMap::with_capacity_and_hasher(rows.len() / 2, ByHash::default());
        for (row, place) in rows.iter().enumerate() {
            let evidence = RowOf { columns, row, place: *place as usize };
            let digest = |all: u128, (_, column): &(_, usize)| (all ^ evidence.digest(*column)).wrapping_mul(MIX);
            let whose = seen.entry(plan.entity_columns().iter().fold(0, digest));
            let whose = whose.or_insert_with(|| match plan.write_entity(&evidence, &mut text) {
                true => self.place(&text),
                false => NOBODY,
            });
            self.by_row[*place as usize] = *whose;
        }
    }

    fn place(&mut self, text: &str) -> u32 {
        let key = entity_key(text);
        *self.by_key.entry(key).or_insert_with(|| {
            self.texts.push_str(text);
            self.known.push((key, self.texts.len()));
            self.known.len() as u32 - 1
        })
    }
}

/// What of a batch several rules need, made for the first that asks.
pub(crate) struct Common<'e> {
    events: &'e Events,
    ids: StringViewArray,
    times: TimestampMicrosecondArray,
    /// Columns by their place in `events`; none for one that cannot be looked at where it stands.
    standing: HashMap<usize, Option<Arc<Column>>, ByHash>,
    /// By the place of the entity's columns in the set.
    entities: HashMap<usize, Entities, ByHash>,
    lost: HashMap<usize, Vec<Lost>, ByHash>,
}

/// What is to be [`Remembered`], as long as it is not known of all rules whose the batch's rows are.
pub(crate) struct Chosen {
    pub rule: usize,
    /// The place of the entity's columns in the set.
    pub entity: usize,
    pub rows: Vec<u32>,
    pub columns: Vec<Option<Held>>,
}

impl<'e> Common<'e> {
    pub fn of(events: &'e Events) -> Result<Self, DataFusionError> {
        let ids = events.column(place_of("event_id"))?.as_string_view().clone();
        let times = events.column(place_of("event_time"))?.as_primitive::<TimestampMicrosecondType>().clone();
        Ok(Common {
            events,
            ids,
            times,
            standing: HashMap::default(),
            entities: HashMap::default(),
            lost: HashMap::default(),
        })
    }

    /// A column of `events` [as it stands there](Column::standing), if it can be looked at so.
    pub fn standing(&mut self, column: usize) -> Result<Option<Arc<Column>>, DataFusionError> {
        if let Some(known) = self.standing.get(&column) {
            return Ok(known.clone());
        }
        let standing = Column::standing(&self.events.column(column)?)?.map(Arc::new);
        self.standing.insert(column, standing.clone());
        Ok(standing)
    }

    /// Those of some rows of which nobody asked yet whose they are.
    pub fn unknown(&self, entity: usize, rows: &[u32]) -> Vec<u32> {
        match self.entities.get(&entity) {
            Some(known) => rows.iter().copied().filter(|row| known.by_row[*row as usize] == UNKNOWN).collect(),
            None => rows.to_vec(),
        }
    }

    /// Notes whose rows are, from the entity's columns.
    pub fn note(&mut self, entity: usize, plan: &Plan, rows: &[u32], columns: &[Option<Held>]) {
        let begin = || Entities {
            by_row: vec![UNKNOWN; self.events.len()],
            known: Vec::new(),
            texts: String::new(),
            by_key: HashMap::with_capacity_and_hasher(rows.len() / 4, ByHash::default()),
        };
        self.entities.entry(entity).or_insert_with(begin).note(plan, rows, columns);
    }

    /// Notes what could not be evaluated of an entity's columns. Gives all that is known of that.
    pub fn note_lost(&mut self, entity: usize, lost: Vec<Lost>) -> &[Lost] {
        let known = self.lost.entry(entity).or_default();
        known.extend(lost);
        known
    }

    /// What rules chose, with whose it is.
    pub fn remembered(self, chosen: Vec<Chosen>) -> Vec<Remembered> {
        let Common { ids, times, entities, .. } = self;
        let entities: HashMap<usize, Arc<Entities>, ByHash> =
            entities.into_iter().map(|(entity, known)| (entity, Arc::new(known))).collect();
        let whole = |Chosen { rule, entity, rows, columns }: Chosen| Remembered {
            rule,
            rows,
            columns,
            entities: entities[&entity].clone(),
            ids: ids.clone(),
            times: times.clone(),
        };
        chosen.into_iter().map(whole).collect()
    }
}
