//! Expressions ready to be evaluated, and the slices of a batch that they are evaluated on.
//!
//! An expression is handed the columns that it needs and no others: DataFusion's AND filters every column that it is
//! given, needed or not, which costs many times the comparison itself on a table of over a hundred columns.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use ahash::RandomState;
use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::{take, take_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column as Plain;
use serde_json::Value;
use trailhound_ingest::schema::COLUMNS;

use crate::evidence::Column;
use crate::value;

/// What a condition says of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    True,
    /// Or null.
    False,
    /// The condition could not be evaluated on this row.
    Failed,
}

/// An expression and the columns of `events` that it reads.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    expr: Arc<dyn PhysicalExpr>,
    columns: Vec<usize>,
    /// Those of them each of which makes it null where it is null.
    strict: Vec<usize>,
    schema: SchemaRef,
}

impl Compiled {
    pub fn new(expr: Arc<dyn PhysicalExpr>, columns: Vec<usize>, strict: Vec<usize>, schema: SchemaRef) -> Self {
        Compiled { expr, columns, strict, schema }
    }

    /// The column that it is, if it is one as it stands.
    pub fn column(&self) -> Option<usize> {
        self.expr.downcast_ref::<Plain>().and(self.columns.first()).copied()
    }

    /// The columns that it reads, by their place in `events`, rising.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Where it is null for a column that is; none if that is not known of any column with nulls.
    pub fn surely_null(&self, rows: &impl Rows) -> Result<Option<NullBuffer>, DataFusionError> {
        let mut nulls: Option<NullBuffer> = None;
        for column in &self.strict {
            nulls = NullBuffer::union(nulls.as_ref(), rows.column(*column)?.nulls());
        }
        Ok(nulls)
    }

    /// Its value for every row.
    pub fn values(&self, rows: &impl Rows) -> Result<ArrayRef, DataFusionError> {
        self.evaluate(&self.batch(rows)?)
    }

    /// Its value for every row as JSON. A row on which it fails is null; the second value counts such rows and the
    /// third is the first error.
    pub fn values_or_null(
        &self,
        rows: &impl Rows,
    ) -> Result<(Vec<Value>, u64, Option<DataFusionError>), DataFusionError> {
        let batch = self.batch(rows)?;
        if let Ok(array) = self.evaluate(&batch) {
            return Ok((value::values(&array)?, 0, None));
        }
        let (mut values, mut failed, mut error) = (Vec::with_capacity(batch.num_rows()), 0, None);
        for i in 0..batch.num_rows() {
            match self.evaluate(&batch.slice(i, 1)) {
                Ok(array) => values.extend(value::values(&array)?),
                Err(e) => {
                    failed += 1;
                    error.get_or_insert(e);
                    values.push(Value::Null);
                }
            }
        }
        Ok((values, failed, error))
    }

    /// Its value for every row as what is remembered of it; rows on which it fails are told as by
    /// [`Compiled::values_or_null`].
    pub fn column_or_null(&self, rows: &impl Rows) -> Result<(Column, u64, Option<DataFusionError>), DataFusionError> {
        match self.evaluate(&self.batch(rows)?) {
            Ok(array) => Ok((Column::of(&array)?, 0, None)),
            Err(_) => {
                let (values, failed, error) = self.values_or_null(rows)?;
                Ok((Column::Values(values), failed, error))
            }
        }
    }

    /// Which rows it is true for, as a predicate; null is not a match.
    pub fn mask(&self, rows: &impl Rows) -> Result<BooleanBuffer, DataFusionError> {
        truth(&self.values(rows)?)
    }

    /// What it says of each of `picked` rows, and the first error. Where it fails on a row, all are evaluated one by
    /// one, so that the outcome of a row never depends on the rows beside it.
    pub fn pick(&self, rows: &impl Rows, picked: &UInt32Array) -> (Vec<Answer>, Option<DataFusionError>) {
        let answer = |mask: &BooleanBuffer, at: usize| if mask.value(at) { Answer::True } else { Answer::False };
        // To take every column of many rows costs more than to look at the others, too.
        if picked.len() >= rows.len() / 3
            && let Ok(mask) = self.mask(rows)
        {
            return (picked.values().iter().map(|row| answer(&mask, *row as usize)).collect(), None);
        }
        let chosen = |batch: &RecordBatch| self.evaluate(batch).and_then(|v| truth(&v));
        let batch = match self.batch(rows).and_then(|b| Ok(take_record_batch(&b, picked)?)) {
            Ok(batch) => batch,
            Err(e) => return (vec![Answer::Failed; picked.len()], Some(e)),
        };
        if let Ok(mask) = chosen(&batch) {
            return ((0..mask.len()).map(|at| answer(&mask, at)).collect(), None);
        }
        let mut error = None;
        let answers = (0..batch.num_rows()).map(|i| match chosen(&batch.slice(i, 1)) {
            Ok(mask) => answer(&mask, 0),
            Err(e) => {
                error.get_or_insert(e);
                Answer::Failed
            }
        });
        (answers.collect(), error)
    }

    fn batch(&self, rows: &impl Rows) -> Result<RecordBatch, DataFusionError> {
        let columns = self.columns.iter().map(|&c| rows.column(c)).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
        self.expr.evaluate(batch)?.into_array(batch.num_rows())
    }
}

fn truth(values: &ArrayRef) -> Result<BooleanBuffer, DataFusionError> {
    let values = values.as_any().downcast_ref::<BooleanArray>().ok_or_else(|| {
        DataFusionError::Execution(format!("a predicate gave {} instead of true or false", values.data_type()))
    })?;
    Ok(match values.nulls() {
        Some(nulls) if nulls.null_count() > 0 => values.values() & nulls.inner(),
        _ => values.values().clone(),
    })
}

/// Rows of `events`, handed out column by column.
pub(crate) trait Rows {
    fn len(&self) -> usize;
    fn column(&self, column: usize) -> Result<ArrayRef, DataFusionError>;
}

/// The places of the columns of `events`.
static PLACES: LazyLock<HashMap<&str, usize, RandomState>> =
    LazyLock::new(|| COLUMNS.iter().enumerate().map(|(place, column)| (column.name, place)).collect());

/// A column's place in `events`.
pub(crate) fn place_of(name: &str) -> usize {
    *PLACES.get(name).expect("the engine's columns are columns of `events`")
}

/// A batch of `events`, perhaps with only some of its columns.
pub(crate) struct Events {
    /// By place in `events`.
    columns: Vec<Option<ArrayRef>>,
    rows: usize,
}

impl Events {
    pub fn new(batch: RecordBatch) -> Self {
        let mut columns = vec![None; COLUMNS.len()];
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            if let Some(place) = PLACES.get(field.name().as_str()) {
                columns[*place] = Some(column.clone());
            }
        }
        Events { columns, rows: batch.num_rows() }
    }

    /// Some columns of some rows.
    pub fn take(&self, columns: &[usize], rows: &UInt32Array) -> Result<Events, DataFusionError> {
        let mut taken = Events { columns: vec![None; self.columns.len()], rows: rows.len() };
        for &c in columns {
            if taken.columns[c].is_none() {
                taken.columns[c] = Some(take(&self.column(c)?, rows, None)?);
            }
        }
        Ok(taken)
    }
}

impl Rows for Events {
    fn len(&self) -> usize {
        self.rows
    }

    fn column(&self, column: usize) -> Result<ArrayRef, DataFusionError> {
        let missing = || DataFusionError::Internal(format!("the column {} was not read", COLUMNS[column].name));
        self.columns[column].clone().ok_or_else(missing)
    }
}

/// A batch with its rows in another order: each column is put into it when it is first asked for.
pub(crate) struct Ordered<'b> {
    events: &'b Events,
    order: UInt32Array,
    taken: RefCell<Vec<Option<ArrayRef>>>,
}

impl<'b> Ordered<'b> {
    pub fn new(events: &'b Events, order: Vec<u32>) -> Self {
        Ordered { events, order: UInt32Array::from(order), taken: RefCell::new(vec![None; COLUMNS.len()]) }
    }

    /// The rows from `start` on.
    pub fn group(&self, start: usize, len: usize) -> Group<'_> {
        Group { ordered: self, start, len, slices: RefCell::new(vec![None; COLUMNS.len()]) }
    }

    /// Where a row of this order stands in the batch.
    pub fn row(&self, place: usize) -> u32 {
        self.order.value(place)
    }

    fn column(&self, column: usize) -> Result<ArrayRef, DataFusionError> {
        if let Some(array) = &self.taken.borrow()[column] {
            return Ok(array.clone());
        }
        let array = take(&self.events.column(column)?, &self.order, None)?;
        self.taken.borrow_mut()[column] = Some(array.clone());
        Ok(array)
    }
}

/// Neighbouring rows of an [`Ordered`] batch.
pub(crate) struct Group<'o> {
    ordered: &'o Ordered<'o>,
    start: usize,
    len: usize,
    slices: RefCell<Vec<Option<ArrayRef>>>,
}

impl Rows for Group<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn column(&self, column: usize) -> Result<ArrayRef, DataFusionError> {
        if let Some(array) = &self.slices.borrow()[column] {
            return Ok(array.clone());
        }
        let array = self.ordered.column(column)?.slice(self.start, self.len);
        self.slices.borrow_mut()[column] = Some(array.clone());
        Ok(array)
    }
}
