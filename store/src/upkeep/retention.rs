//! Retention: whole days are taken out of the tables. Their files are deleted a week later, as those are that compaction
//! replaced.

use deltalake_core::kernel::transaction::{CommitBuilder, TransactionError};
use deltalake_core::kernel::{Action, Remove};
use deltalake_core::protocol::DeltaOperation;
use deltalake_core::{DeltaTable, DeltaTableError};

use super::{TRIES_MAX, Upkeep};
use crate::crash;
use crate::datafile::{self, EVENT_DATE};
use crate::error::{Result, StoreError};
use crate::expired::Expired;
use crate::table;

impl Upkeep {
    /// Takes the events of all days before one, in days since the epoch, out of the table, once they are counted in
    /// `activity`. Gives how many. Their files are deleted a week later, as those are that compaction replaced.
    pub async fn expire(&mut self, before: i32) -> Result<u64> {
        for _ in 0..TRIES_MAX {
            self.count().await?;
            let known = Expired::of(&self.delta, &self.location).await?;
            if known.before.is_some_and(|day| day >= before) {
                return Ok(0);
            }
            let (removes, events) =
                files_before(&self.delta, before).map_err(|e| self.fail("read the table's log", e))?;
            let expired = Expired { before: Some(before), events: known.events + events };
            // Exactly the next version: what came since must be counted first.
            if take_out(&self.delta, &self.location, removes, expired.actions(), before, Some(0)).await? {
                crash::point("upkeep.expired");
                return Ok(events);
            }
        }
        Err(self.overtaken())
    }

    /// Takes the counts of all days before one, in days since the epoch, out of `activity`. Gives how many rows. Days whose
    /// events are still there stay.
    pub async fn expire_activity(&mut self, before: i32) -> Result<u64> {
        self.refresh().await?;
        let events = Expired::of(&self.delta, &self.location).await?.before;
        let Some(table) = self.activity.table_mut() else { return Ok(0) };
        table.refresh().await?;
        let before = before.min(events.unwrap_or(i32::MIN));
        let fail = |e| StoreError::table(&self.location, "read the log of `activity`", e);
        let (removes, rows) = files_before(table.delta(), before).map_err(fail)?;
        if removes.is_empty() || !take_out(table.delta(), &self.location, removes, Vec::new(), before, None).await? {
            return Ok(0);
        }
        Ok(rows)
    }
}

/// Takes files of days before one out of a table. False where somebody else was there first.
async fn take_out(
    delta: &DeltaTable,
    location: &str,
    removes: Vec<Remove>,
    said: Vec<Action>,
    before: i32,
    retries: Option<usize>,
) -> Result<bool> {
    let fail = |e| StoreError::table(location, "commit to the table", e);
    let state = delta.snapshot().map_err(fail)?.clone();
    let predicate = format!("{EVENT_DATE} < '{}'", datafile::date_text(before));
    let mut builder = CommitBuilder::default();
    if let Some(retries) = retries {
        builder = builder.with_max_retries(retries);
    }
    let prepared = builder
        .with_actions(removes.into_iter().map(Action::Remove).chain(said).collect())
        .build(Some(&state), delta.log_store(), DeltaOperation::Delete { predicate: Some(predicate) })
        .into_prepared_commit_future()
        .await
        .map_err(fail)?;
    match prepared.await {
        Ok(_) => Ok(true),
        Err(DeltaTableError::Transaction { source: TransactionError::CommitConflict(_) }) => Ok(false),
        Err(e) if table::lost_race(&e) => Ok(false),
        Err(e) => Err(fail(e)),
    }
}

/// The files of days before one, to be taken out, and their rows.
fn files_before(delta: &DeltaTable, before: i32) -> std::result::Result<(Vec<Remove>, u64), DeltaTableError> {
    let (mut removes, mut rows) = (Vec::new(), 0);
    for file in delta.snapshot()?.log_data() {
        let date = file.partition_values_map().remove(EVENT_DATE).flatten();
        if datafile::days_of(date.as_deref().unwrap_or_default()) < before {
            rows += file.num_records().unwrap_or(0) as u64;
            removes.push(file.remove_action(true));
        }
    }
    Ok((removes, rows))
}
