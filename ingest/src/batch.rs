//! Rows of one or more objects, on their way to the store.

use arrow::record_batch::RecordBatch;

use crate::object::ObjectReport;
use crate::schema::schema;

/// The `source` of batches that no decoder made.
const NO_DECODER: u32 = u32::MAX;

/// What decoding hands to the store: rows in the types of [`crate::schema::schema`], and the reports of the objects
/// whose last row is among them.
#[derive(Debug)]
pub struct Batch {
    pub rows: RecordBatch,
    pub objects: Vec<ObjectReport>,
    /// Some rows belong to an object whose report is still to come, in a later batch of the same `source`. Until a
    /// batch of that source arrives that is not open, nothing may be committed: an object is kept whole or not at all.
    pub open: bool,
    /// The decoding worker that the batch came from.
    pub source: u32,
}

impl Batch {
    /// An object that could not be had or opened: no rows, only its account.
    pub fn without_rows(report: ObjectReport) -> Self {
        Self { rows: RecordBatch::new_empty(schema()), objects: vec![report], open: false, source: NO_DECODER }
    }
}
