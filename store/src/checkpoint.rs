//! Checkpoints of a table's log, made beside the writing.
//!
//! Without one everything still works, but reading the log costs a file a commit since the last; and a handle that was open
//! before stays slow. So a task makes the checkpoint and opens the table anew, and the writer takes the new handle when it
//! is there.

use deltalake_core::{DeltaTable, checkpoints};
use tokio::task::JoinHandle;

use crate::crash;

/// Reading the log of so many commits takes less than 100 ms on a disk.
const CHECKPOINT_EVERY: i64 = 50;

#[derive(Default)]
pub(crate) struct Checkpoints {
    /// The version that was looked at last.
    looked: Option<i64>,
    making: Option<JoinHandle<Option<DeltaTable>>>,
}

impl Checkpoints {
    /// For a handle that was opened just now.
    pub fn new(delta: &DeltaTable) -> Self {
        Self { looked: delta.version().map(|version| version as i64), making: None }
    }

    /// Begins one when it is due.
    pub fn begin_when_due(&mut self, delta: &DeltaTable) {
        let Some(version) = delta.version().map(|version| version as i64) else { return };
        let due = self.looked.is_some_and(|looked| looked / CHECKPOINT_EVERY < version / CHECKPOINT_EVERY);
        if self.making.is_some() || !due {
            self.looked.get_or_insert(version);
            return;
        }
        self.looked = Some(version);
        self.making = Some(tokio::spawn(make(delta.clone())));
    }

    /// The handle that reads from a checkpoint which is done; it may be some versions behind.
    pub async fn take(&mut self) -> Option<DeltaTable> {
        if !self.making.as_ref().is_some_and(JoinHandle::is_finished) {
            return None;
        }
        self.finish().await
    }

    /// Waits for the one that is being made.
    pub async fn finish(&mut self) -> Option<DeltaTable> {
        self.making.take()?.await.ok().flatten()
    }
}

async fn make(delta: DeltaTable) -> Option<DeltaTable> {
    let version = delta.version();
    if let Err(error) = checkpoints::create_checkpoint(&delta, None).await {
        tracing::warn!(version, %error, "no checkpoint of a table's log; opening the store will be slower");
        return None;
    }
    crash::point("store.checkpointed");
    let mut anew = DeltaTable::new(delta.log_store());
    anew.load().await.ok()?;
    Some(anew)
}
