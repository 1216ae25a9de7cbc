//! What can go wrong in the store, each with what it was about and, where there is one, the remedy.

use std::error::Error as _;
use std::io;

use deltalake_core::DeltaTableError;
use deltalake_core::parquet::errors::ParquetError;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("`{location}` is not a place for a store: {detail}")]
    Location { location: String, detail: String },

    #[error(
        "`{location}` holds files but no Trailhound store; name an empty or new folder, or the folder of an existing store"
    )]
    NotAStore { location: String },

    #[error("a store on S3 (`{location}`) keeps its ledger elsewhere; name a file for it with --ledger")]
    LedgerNeeded { location: String },

    #[error(
        "what is granted in account {account} was read at {newest} already, which is not before {taken}; history is only added to"
    )]
    NotNewer { account: String, taken: String, newest: String },

    #[error(
        "no permission to {operation} at `{location}`; check the owner of the files, or the rights of the AWS identity in use"
    )]
    Denied {
        location: String,
        operation: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    #[error("no space left to {operation} at `{location}`; free some or move the store")]
    DiskFull {
        location: String,
        operation: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    #[error("cannot {operation} at `{location}`")]
    Table {
        location: String,
        operation: &'static str,
        #[source]
        source: Box<DeltaTableError>,
    },

    #[error(
        "the table at `{location}` does not have the columns of this version: {detail}; use the version that wrote it, or scan into a new store"
    )]
    Schema { location: String, detail: String },

    #[error("cannot {operation} file `{path}` of the table")]
    File {
        path: String,
        operation: &'static str,
        #[source]
        source: ParquetError,
    },

    #[error(transparent)]
    Rederive(#[from] trailhound_ingest::RederiveError),

    #[error("cannot {operation} rows")]
    Rows {
        operation: &'static str,
        #[source]
        source: arrow::error::ArrowError,
    },

    #[error("the ledger `{ledger}` is locked by another process; end it or wait, then try again")]
    LedgerLocked {
        ledger: String,
        #[source]
        source: sqlx::Error,
    },

    #[error("cannot {operation} in the ledger `{ledger}`")]
    Ledger {
        ledger: String,
        operation: &'static str,
        #[source]
        source: sqlx::Error,
    },

    #[error(
        "the ledger `{ledger}` was written by a newer version (its tables of `{owner}` are at {found}, this version knows {known}); use that version, or delete the ledger to have it rebuilt from the table"
    )]
    LedgerNewer { ledger: String, owner: String, found: i64, known: i64 },

    #[error("commit {version} of the table at `{location}` carries object notes that cannot be read: {detail}")]
    Notes { location: String, version: i64, detail: String },

    #[error("a batch breaks the contract of ingest: {detail}")]
    Batch { detail: String },

    #[error("the store is closed after an earlier error; open it again (nothing that was committed is lost)")]
    Closed,

    #[error("only single SELECT statements are allowed here: {detail}")]
    ReadOnly { detail: String },

    #[error("query failed")]
    Query(#[source] Box<datafusion::error::DataFusionError>),
}

impl StoreError {
    /// Gives an error of the table its place, and names the two causes that an operator can mend at once.
    pub(crate) fn table(location: &str, operation: &'static str, source: impl Into<DeltaTableError>) -> Self {
        let source: DeltaTableError = source.into();
        let location = location.to_string();
        match cause(&source) {
            Some(io::ErrorKind::PermissionDenied) => Self::Denied { location, operation, source: Box::new(source) },
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge) => {
                Self::DiskFull { location, operation, source: Box::new(source) }
            }
            _ => Self::Table { location, operation, source: Box::new(source) },
        }
    }

    pub(crate) fn rows(operation: &'static str) -> impl FnOnce(arrow::error::ArrowError) -> Self {
        move |source| Self::Rows { operation, source }
    }

    pub(crate) fn query(source: datafusion::error::DataFusionError) -> Self {
        Self::Query(Box::new(source))
    }
}

/// The kind of the input/output error at the root of a chain, if there is one.
fn cause(error: &DeltaTableError) -> Option<io::ErrorKind> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = error.source();
    if let DeltaTableError::Io { source } = error {
        return Some(source.kind());
    }
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        if let Some(object_store::Error::PermissionDenied { .. }) = error.downcast_ref() {
            return Some(io::ErrorKind::PermissionDenied);
        }
        next = error.source();
    }
    None
}
