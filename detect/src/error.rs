//! What can go wrong while detecting.

use datafusion::common::DataFusionError;
use trailhound_store::StoreError;

/// The result of everything in this crate that reads or writes a store.
pub type Result<T> = std::result::Result<T, DetectError>;

/// A failure of detection. A rule that fails on single rows is none: see [`Failure`](crate::Failure).
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    #[error(transparent)]
    Store(#[from] StoreError),

    #[error("cannot evaluate the rules on version {version} of the table")]
    Evaluate {
        version: i64,
        #[source]
        source: Box<DataFusionError>,
    },

    #[error("cannot make the table {table} known to a session")]
    Register {
        table: &'static str,
        #[source]
        source: Box<DataFusionError>,
    },

    #[error("cannot read the events of a finding again")]
    Recall(#[source] Box<DataFusionError>),

    #[error("cannot {operation} what the rules remember, {path}: {detail}; TMPDIR names another folder")]
    Memory { operation: &'static str, path: std::path::PathBuf, detail: String },

    #[error("findings were not kept, because what follows them failed")]
    Follow(#[source] Box<dyn std::error::Error + Send + Sync>),

    #[error("the finding {id} cannot be read from the ledger: {detail}; use the version that wrote it")]
    Row { id: String, detail: String },
}

impl DetectError {
    pub(crate) fn recall(error: DataFusionError) -> Self {
        DetectError::Recall(Box::new(error))
    }
}
