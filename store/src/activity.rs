//! `activity`: how often who did what from where, by the hour; what is kept when the events themselves are gone.
//!
//! ```text
//! commit of events ─► Fold ─► partials in memory ─► files of `activity`, many commits at once ─► folded by upkeep
//!                                   └───────────── the tail ─────────────┘
//! ```
//! Every commit of `events` is counted once: the table's own log says up to which version of `events` it counts, and a
//! commit of it takes exactly the versions that follow, or is not made. So it does not matter who writes it, how many do,
//! or which of them die: what is not counted in the table yet is read from memory or from `events`, also by whoever asks
//! in SQL ([`views`]). Nothing of it is ever ahead of `events` or behind.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray, new_empty_array,
};
use arrow::datatypes::{Date32Type, Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};
use trailhound_ingest::schema::{Column, Kind};

use crate::datafile::{EVENT_DATE, projected};
use crate::error::{Result, StoreError};

mod keeper;
mod reference;
mod view;

pub(crate) use keeper::{Activity, ActivityTable, write};
pub use reference::reference;
pub(crate) use view::views;

/// What is counted apart: two events that agree in all of these are counted together.
pub static DIMENSIONS: &[Column] = &[
    dimension(EVENT_DATE, Kind::Date, false, "the partition"),
    dimension("event_hour", Kind::Time, false, "the UTC hour of event_time, by its beginning"),
    dimension("account_id", Kind::Text, true, "as in events"),
    dimension("aws_region", Kind::Text, true, "as in events"),
    dimension("principal_key", Kind::Text, false, "as in events"),
    dimension("principal_name", Kind::Text, true, "as in events"),
    dimension("principal_class", Kind::Text, false, "as in events"),
    dimension(
        "access_key_id",
        Kind::Text,
        true,
        "user_identity_access_key_id where it is a long-term key (AKIA…); temporary ones are others in every session, and stay in events",
    ),
    dimension("event_source", Kind::Text, true, "as in events"),
    dimension("event_name", Kind::Text, true, "as in events"),
    dimension("read_only", Kind::Flag, true, "as in events"),
    dimension("outcome", Kind::Text, false, "as in events"),
    dimension(
        "actor_is_service",
        Kind::Flag,
        false,
        "as in events: leave them out of what is usual, count them for the use of permissions",
    ),
    dimension("source_network", Kind::Text, true, "as in events"),
    dimension("source_country", Kind::Text, true, "as in events"),
    dimension("user_agent_family", Kind::Text, true, "as in events"),
];

/// What is told of the events that are counted together.
pub static MEASURES: &[Column] = &[
    dimension("events", Kind::Long, false, "how many"),
    dimension("first_time", Kind::Time, false, "the least event_time"),
    dimension("last_time", Kind::Time, false, "the greatest event_time"),
];

/// Columns with least and greatest values in the log.
pub(crate) const STATISTICS: &[&str] =
    &["event_hour", "account_id", "principal_key", "access_key_id", "event_source", "event_name"];

const HOUR: i64 = 3_600_000_000;
const LONG_TERM_KEY: &str = "AKIA";

const fn dimension(name: &'static str, kind: Kind, nullable: bool, from: &'static str) -> Column {
    Column { name, kind, nullable, derived: false, from }
}

/// The columns of `activity`.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let columns = DIMENSIONS.iter().chain(MEASURES);
        Arc::new(Schema::new(columns.map(|c| Field::new(c.name, c.kind.data_type(), c.nullable)).collect::<Vec<_>>()))
    });
    SCHEMA.clone()
}

/// The columns of `events` that are counted by.
pub(crate) fn counted_columns() -> Result<SchemaRef> {
    let columns: Vec<&str> = DIMENSIONS
        .iter()
        .map(|dimension| match dimension.name {
            "event_hour" => "event_time",
            "access_key_id" => "user_identity_access_key_id",
            name => name,
        })
        .collect();
    projected(&columns)
}

/// The columns of `activity`, as SQL lists them.
pub fn columns() -> String {
    let columns: Vec<&str> = DIMENSIONS.iter().chain(MEASURES).map(|column| column.name).collect();
    columns.join(", ")
}

/// The query over `events` that gives what `activity` must hold of those for which an SQL condition is true.
pub fn recount(condition: &str) -> String {
    let columns: Vec<&str> = DIMENSIONS
        .iter()
        .map(|dimension| match dimension.name {
            "event_hour" => "date_trunc('hour', event_time) AS event_hour",
            "access_key_id" => {
                "CASE WHEN starts_with(user_identity_access_key_id, 'AKIA') THEN user_identity_access_key_id END AS access_key_id"
            }
            name => name,
        })
        .collect();
    let groups: Vec<String> = (1..=DIMENSIONS.len()).map(|n| n.to_string()).collect();
    format!(
        "SELECT {}, count(*) AS events, min(event_time) AS first_time, max(event_time) AS last_time
         FROM events WHERE {condition} GROUP BY {}",
        columns.join(", "),
        groups.join(", ")
    )
}

/// Counts, put together.
pub(crate) struct Fold {
    converter: RowConverter,
    /// The place of each group in `counts`, by its dimensions as comparable bytes.
    groups: HashMap<Box<[u8]>, usize, ahash::RandomState>,
    counts: Vec<Count>,
}

#[derive(Clone, Copy)]
struct Count {
    events: i64,
    first: i64,
    last: i64,
}

impl Fold {
    pub fn new() -> Result<Self> {
        let fields = DIMENSIONS.iter().map(|dimension| SortField::new(dimension.kind.data_type())).collect();
        let converter = RowConverter::new(fields).map_err(StoreError::rows("count"))?;
        Ok(Self { converter, groups: HashMap::default(), counts: Vec::new() })
    }

    /// Groups that there are.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Counts rows of `events`.
    pub fn add_events(&mut self, rows: &RecordBatch) -> Result<()> {
        let time = column(rows, "event_time")?;
        let times = time.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| missing("event_time"))?;
        let dimensions = DIMENSIONS
            .iter()
            .map(|dimension| match dimension.name {
                "event_hour" => {
                    let hours: TimestampMicrosecondArray = times.unary(|time| time - time.rem_euclid(HOUR));
                    Ok(Arc::new(hours.with_timezone("UTC")) as ArrayRef)
                }
                "access_key_id" => {
                    let keys = column(rows, "user_identity_access_key_id")?;
                    let keys = keys.as_string_view_opt().ok_or_else(|| missing("user_identity_access_key_id"))?;
                    let long_term =
                        |key: Option<&str>| key.filter(|key| key.starts_with(LONG_TERM_KEY)).map(str::to_string);
                    Ok(Arc::new(keys.iter().map(long_term).collect::<StringViewArray>()) as ArrayRef)
                }
                name => column(rows, name).cloned(),
            })
            .collect::<Result<Vec<_>>>()?;
        self.add(&dimensions, |row| Count { events: 1, first: times.value(row), last: times.value(row) })
    }

    /// Adds counts, in the columns of `activity`.
    pub fn add_counts(&mut self, counts: &RecordBatch) -> Result<()> {
        let dimensions = DIMENSIONS.iter().map(|d| column(counts, d.name).cloned()).collect::<Result<Vec<_>>>()?;
        let number = column(counts, "events")?.as_primitive_opt::<Int64Type>().ok_or_else(|| missing("events"))?;
        let time =
            |name| column(counts, name)?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| missing(name));
        let (first, last) = (time("first_time")?, time("last_time")?);
        self.add(&dimensions, |row| Count { events: number.value(row), first: first.value(row), last: last.value(row) })
    }

    fn add(&mut self, dimensions: &[ArrayRef], count: impl Fn(usize) -> Count) -> Result<()> {
        let rows = self.converter.convert_columns(dimensions).map_err(StoreError::rows("count"))?;
        for (at, row) in rows.iter().enumerate() {
            let more = count(at);
            match self.groups.get(row.data()) {
                Some(place) => {
                    let count = &mut self.counts[*place];
                    count.events += more.events;
                    count.first = count.first.min(more.first);
                    count.last = count.last.max(more.last);
                }
                None => {
                    self.groups.insert(row.data().into(), self.counts.len());
                    self.counts.push(more);
                }
            }
        }
        Ok(())
    }

    /// The counts, one row a group, sorted by the dimensions in their order.
    pub fn finish(self) -> Result<RecordBatch> {
        let Self { converter, groups, counts } = self;
        let mut groups: Vec<(Box<[u8]>, usize)> = groups.into_iter().collect();
        groups.sort_unstable();
        let parser = converter.parser();
        let mut columns = match groups.is_empty() {
            true => DIMENSIONS.iter().map(|d| new_empty_array(&d.kind.data_type())).collect(),
            false => converter
                .convert_rows(groups.iter().map(|(bytes, _)| parser.parse(bytes)))
                .map_err(StoreError::rows("count"))?,
        };
        let of = |value: fn(&Count) -> i64| groups.iter().map(move |(_, place)| value(&counts[*place]));
        let time = |values| TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC");
        columns.push(Arc::new(Int64Array::from_iter_values(of.clone()(|c| c.events))));
        columns.push(Arc::new(time(of.clone()(|c| c.first).collect::<Vec<_>>())));
        columns.push(Arc::new(time(of(|c| c.last).collect::<Vec<_>>())));
        RecordBatch::try_new(schema(), columns).map_err(StoreError::rows("count"))
    }
}

/// Counts that are sorted by day, day by day (in days since the epoch).
pub(crate) fn days(counts: &RecordBatch) -> Result<Vec<(i32, RecordBatch)>> {
    let days = column(counts, EVENT_DATE)?.as_primitive_opt::<Date32Type>().ok_or_else(|| missing(EVENT_DATE))?;
    let mut parts = Vec::new();
    let mut start = 0;
    for run in days.values().chunk_by(|a, b| a == b) {
        parts.push((run[0], counts.slice(start, run.len())));
        start += run.len();
    }
    Ok(parts)
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    rows.column_by_name(name).ok_or_else(|| missing(name))
}

fn missing(column: &str) -> StoreError {
    StoreError::Batch { detail: format!("rows without {column} cannot be counted") }
}

#[cfg(test)]
mod tests;
