//! How often the facts of the events that are there have been derived anew, as the log of the table `events` says it itself.

use deltalake_core::DeltaTable;
use deltalake_core::kernel::{Action, Transaction};

use crate::error::{Result, StoreError};

/// The application whose transactions count derivations.
const DERIVATION: &str = "trailhound.derivation";

/// Zero for events as they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Derivation(i64);

impl Derivation {
    /// As the version says that a handle has seen.
    pub async fn of(delta: &DeltaTable, location: &str) -> Result<Self> {
        let fail = |e| StoreError::table(location, "read the table's log", e);
        let state = delta.snapshot().map_err(fail)?;
        let said = state.transaction_version(delta.log_store().as_ref(), DERIVATION).await.map_err(fail)?;
        Ok(Self(said.unwrap_or_default()))
    }

    /// What a transaction of a commit says; none where it speaks of something else.
    pub fn said_by(transaction: &Transaction) -> Option<Self> {
        (transaction.app_id == DERIVATION).then_some(Self(transaction.version))
    }

    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    pub fn number(self) -> i64 {
        self.0
    }

    /// What the commit says that ends it.
    pub fn action(self) -> Action {
        Action::Txn(Transaction::new(DERIVATION, self.0))
    }
}
