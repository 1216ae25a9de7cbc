//! What can go wrong while people are being told.

use datafusion::common::DataFusionError;
use trailhound_detect::DetectError;
use trailhound_store::StoreError;

/// The result of everything in this crate that can fail. A sink that fails is none of it: that is an outcome.
pub type Result<T> = std::result::Result<T, AlertError>;

/// A failure that is not a sink's.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    #[error(transparent)]
    Store(#[from] StoreError),

    #[error(transparent)]
    Findings(#[from] DetectError),

    #[error("the configuration of alerts is wrong:\n  {}", problems.join("\n  "))]
    Config { problems: Vec<String> },

    #[error("{key}: {secret} cannot be read")]
    Secret {
        key: String,
        secret: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    #[error("{key}: {detail}")]
    Sink { key: String, detail: String },

    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),

    #[error("cannot register metrics")]
    Metrics(#[from] prometheus::Error),

    #[error("there is no sink `{name}`; there are: {known}")]
    UnknownSink { name: String, known: String },

    #[error("there is no incident `{id}`")]
    UnknownIncident { id: String },

    #[error("the incident {id} cannot be read from the ledger: {detail}; use the version that wrote it")]
    Row { id: String, detail: String },

    #[error("cannot make the table {table} known to a session")]
    Register {
        table: &'static str,
        #[source]
        source: Box<DataFusionError>,
    },
}
