//! What retention took away, as the log of the table `events` says it itself.
//!
//! Two application transactions of the commit that takes files out hold it. So the files and what is said of them are of one
//! version, checkpoints keep it, and whoever dies leaves both or neither.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::{Action, Transaction};

use crate::error::{Result, StoreError};

/// The applications whose transactions say what retention took away.
const EXPIRED_BEFORE: &str = "trailhound.expired.before";
const EXPIRED_EVENTS: &str = "trailhound.expired.events";

/// What retention took away from `events`, as the table's own log says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Events of days before this one, in days since the epoch, are gone, and are not kept when they come again.
    pub before: Option<i32>,
    /// How many there were.
    pub events: u64,
}

impl Expired {
    /// As the version says that a handle has seen.
    pub async fn of(delta: &DeltaTable, location: &str) -> Result<Self> {
        let fail = |e| StoreError::table(location, "read the table's log", e);
        let (state, log) = (delta.snapshot().map_err(fail)?, delta.log_store());
        let said = async |app| state.transaction_version(log.as_ref(), app).await.map_err(fail);
        let Some(before) = said(EXPIRED_BEFORE).await? else { return Ok(Self::default()) };
        let events = said(EXPIRED_EVENTS).await?.unwrap_or_default().unsigned_abs();
        Ok(Self { before: i32::try_from(before).ok(), events })
    }

    /// What one transaction of a commit adds to what others of it say; none where it speaks of something else.
    pub fn said_by(transaction: &Transaction, others: Option<Self>) -> Option<Self> {
        let mut said = others.unwrap_or_default();
        match transaction.app_id.as_str() {
            EXPIRED_BEFORE => said.before = i32::try_from(transaction.version).ok(),
            EXPIRED_EVENTS => said.events = transaction.version.unsigned_abs(),
            _ => return None,
        }
        Some(said)
    }

    /// What a commit says that takes away more.
    pub fn actions(self) -> Vec<Action> {
        let said = |app, version| Action::Txn(Transaction::new(app, version));
        let before = self.before.map(|day| said(EXPIRED_BEFORE, i64::from(day)));
        before.into_iter().chain([said(EXPIRED_EVENTS, self.events as i64)]).collect()
    }

    /// One row for SQL.
    pub fn table(self) -> Result<Arc<dyn TableProvider>> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("expired_before", DataType::Date32, true),
            Field::new("expired_events", DataType::Int64, false),
        ]));
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Date32Array::from(vec![self.before])), Arc::new(Int64Array::from(vec![self.events as i64]))];
        let row = RecordBatch::try_new(schema.clone(), columns).map_err(StoreError::rows("show"))?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![row]]).map_err(StoreError::query)?))
    }

    /// Whether events of that day, in days since the epoch, are gone.
    pub fn has(self, day: i32) -> bool {
        self.before.is_some_and(|before| day < before)
    }
}
