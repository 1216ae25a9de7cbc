//! From objects to Arrow batches.

pub mod batch;
mod column;
pub mod object;
pub mod schema;

pub use batch::Batch;
pub use object::{ObjectId, ObjectOutcome, ObjectReport, ParkedRecord};
