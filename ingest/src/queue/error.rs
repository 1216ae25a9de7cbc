//! Why a queue cannot be used, and what to mend.

use crate::aws::{Fault, FaultKind};

/// All but [`QueueError::Unreachable`] are faults of the configuration: trying again alone does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    #[error("the queue's URL {url:?} {what}; it looks like https://sqs.REGION.amazonaws.com/ACCOUNT/NAME")]
    Url { url: String, what: &'static str },
    #[error("the queue {url} is in {said}, not in {wanted}: leave region out, or mend it")]
    Region { url: String, said: String, wanted: String },
    #[error("the queue {url} names no region: set region beside its url, or AWS_REGION")]
    NoRegion { url: String },
    #[error("the queue {url}: polls is a number from 1 to {max}")]
    Polls { url: String, max: usize },
    #[error("there is no queue {url}: mend its url, or create it ({detail})")]
    NoSuchQueue { url: String, detail: String },
    #[error(
        "access denied to the queue {url}: the role needs {action} on it, and the queue's policy must not deny it ({detail})"
    )]
    Denied { url: String, action: String, detail: String },
    #[error(
        "the queue {url} is encrypted with a key that may not be used: the role needs kms:Decrypt on it ({detail})"
    )]
    KmsDenied { url: String, detail: String },
    #[error(
        "no credentials for the queue {url}: give the process a role or AWS_PROFILE; if role_arn is set, its trust policy must name this process' role, with the same external_id ({detail})"
    )]
    Credentials { url: String, detail: String },
    #[error("the clock of this machine is wrong, so that AWS refuses its requests (queue {url}, {detail})")]
    Clock { url: String, detail: String },
    #[error("the queue {url} cannot be reached: {detail}")]
    Unreachable { url: String, detail: String },
}

impl QueueError {
    /// Whether the configuration has to be mended.
    pub fn is_configuration(&self) -> bool {
        !matches!(self, Self::Unreachable { .. })
    }

    /// The fault of the configuration that a fault of a call is, if it is one.
    pub(super) fn of(url: &str, operation: &str, fault: &Fault) -> Option<Self> {
        let (url, detail) = (url.to_string(), fault.words());
        Some(match fault.kind {
            FaultKind::NoSuchQueue | FaultKind::Missing => Self::NoSuchQueue { url, detail },
            FaultKind::Denied => Self::Denied { url, action: action(operation).to_string(), detail },
            FaultKind::KmsDenied => Self::KmsDenied { url, detail },
            FaultKind::Credentials => Self::Credentials { url, detail },
            FaultKind::Clock => Self::Clock { url, detail },
            _ => return None,
        })
    }
}

/// The permission of an operation: batches have none of their own.
fn action(operation: &str) -> String {
    format!("sqs:{}", operation.strip_suffix("Batch").unwrap_or(operation))
}
