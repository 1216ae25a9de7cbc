//! Facts of one record made anew for rows that were kept: after a GeoIP file or a derivation has changed.
//!
//! A row keeps every field of its record. So the record is written once more from its row and goes the way of every
//! other record; of what comes out only the derived columns are taken, and everything else stays as it was kept.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;

use crate::geo::Geo;
use crate::json::Cursor;
use crate::record::{self, Element};
use crate::row::{Address, Refusal, Rows};
use crate::schema::{COLUMNS, Kind, schema};

/// The row's facts stay as they are.
#[derive(Debug, thiserror::Error)]
#[error("the facts of event {event_id} cannot be derived anew: {detail}")]
pub struct RederiveError {
    pub event_id: String,
    pub detail: String,
}

/// Makes derived columns anew.
pub struct Rederiver {
    rows: Rows,
    text: String,
}

/// A column that holds a field of the record: where it stands there, and its values.
struct Field<'b> {
    path: Vec<&'static str>,
    values: Values<'b>,
}

enum Values<'b> {
    Text(&'b StringViewArray),
    Json(&'b StringViewArray),
    Flag(&'b BooleanArray),
    Time(&'b TimestampMicrosecondArray),
}

impl Values<'_> {
    fn is_null(&self, row: usize) -> bool {
        match self {
            Values::Text(values) | Values::Json(values) => values.is_null(row),
            Values::Flag(values) => values.is_null(row),
            Values::Time(values) => values.is_null(row),
        }
    }

    fn write(&self, row: usize, out: &mut String) {
        match self {
            Values::Text(values) => quoted(values.value(row), out),
            Values::Json(values) => out.push_str(values.value(row)),
            Values::Flag(values) => out.push_str(if values.value(row) { "true" } else { "false" }),
            Values::Time(values) => {
                let time = jiff::Timestamp::from_microsecond(values.value(row)).unwrap_or(jiff::Timestamp::MIN);
                quoted(&time.to_string(), out);
            }
        }
    }
}

impl Rederiver {
    /// Derives with these GeoIP files.
    pub fn new(geo: Arc<Geo>) -> Self {
        Self { rows: Rows::new(geo, 0), text: String::new() }
    }

    /// The same rows of `events`, all columns there, with what is derived made anew.
    pub fn rederive(&mut self, batch: &RecordBatch) -> Result<RecordBatch, RederiveError> {
        let fields = fields(batch);
        let extra = batch.column_by_name("extra").map(|column| column.as_string_view());
        for row in 0..batch.num_rows() {
            write_record(&fields, extra, row, &mut self.text);
            self.append().map_err(|detail| {
                self.rows.finish();
                let ids = batch.column_by_name("event_id").map(|column| column.as_string_view());
                RederiveError { event_id: ids.map_or("", |ids| ids.value(row)).to_string(), detail }
            })?;
        }
        let derived = self.rows.finish();
        let columns: Vec<ArrayRef> = COLUMNS
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let kept = batch.column_by_name(column.name).filter(|_| !column.derived);
                kept.unwrap_or_else(|| derived.column(at)).clone()
            })
            .collect();
        Ok(RecordBatch::try_new(schema(), columns).expect("both have the schema of events"))
    }

    fn append(&mut self) -> Result<(), String> {
        let place = Address { bucket: "", key: "", ordinal: 0, account_id: None };
        match record::read(&mut Cursor::new(&self.text, 0)) {
            Ok(Element::Record(record)) => self.rows.append(&record, &place).map_err(|refusal| match refusal {
                Refusal::Skip(reason) => reason.to_string(),
                Refusal::Park(_, detail) => detail,
            }),
            Ok(_) => Err("its fields are not those of a record".into()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The columns that hold fields, in the order of their paths, so that what belongs into one object stands together.
fn fields(batch: &RecordBatch) -> Vec<Field<'_>> {
    let mut fields: Vec<Field<'_>> = COLUMNS
        .iter()
        .filter_map(|column| {
            let (path, values) = (column.path()?, batch.column_by_name(column.name)?);
            let values = match column.kind {
                Kind::Text => Values::Text(values.as_string_view()),
                Kind::Json => Values::Json(values.as_string_view()),
                Kind::Flag => Values::Flag(values.as_boolean()),
                Kind::Time => Values::Time(values.as_primitive::<TimestampMicrosecondType>()),
                _ => return None,
            };
            Some(Field { path, values })
        })
        .collect();
    fields.sort_by(|a, b| a.path.cmp(&b.path));
    fields
}

/// Writes the record of a row as CloudTrail would.
fn write_record(fields: &[Field<'_>], extra: Option<&StringViewArray>, row: usize, out: &mut String) {
    out.clear();
    out.push('{');
    let mut open: &[&str] = &[];
    for field in fields.iter().filter(|field| !field.values.is_null(row)) {
        let (name, objects) = field.path.split_last().expect("a path has a part");
        let shared = objects.iter().zip(open).take_while(|(a, b)| a == b).count();
        for _ in shared..open.len() {
            out.push('}');
        }
        for object in &objects[shared..] {
            separate(out);
            quoted(object, out);
            out.push_str(":{");
        }
        open = objects;
        separate(out);
        quoted(name, out);
        out.push(':');
        field.values.write(row, out);
    }
    for _ in open {
        out.push('}');
    }
    if let Some(members) = extra.filter(|extra| extra.is_valid(row)).map(|extra| extra.value(row)) {
        let members = members.trim_start_matches('{').strip_suffix('}').unwrap_or("");
        if !members.is_empty() {
            separate(out);
            out.push_str(members);
        }
    }
    out.push('}');
}

fn separate(out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("text is written as JSON"));
}

#[cfg(test)]
mod tests;
