//! Why an object could not be fetched or a prefix not listed, and what becomes of it.

use crate::aws::{Fault, FaultKind};
use crate::object::{ObjectId, ObjectReport};

/// What is to be done with an object that was not fetched. Nobody but the error decides it. There is no "skip": what is
/// not for us is told by keys and content, and never by a failure to fetch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchOutcome {
    /// It may succeed later, all by itself: try again after a while, or hand the message back.
    Retry,
    /// It will not succeed by itself: set it aside with its reason, to be replayed once the cause is mended.
    Park,
    /// The configuration is wrong and others would fail alike: stop intake, hand back what is held, say it once.
    Stop,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchFault {
    Missing,
    NoSuchBucket,
    Forbidden,
    KmsDenied,
    Credentials,
    Clock,
    WrongRegion,
    Archived,
    Throttled,
    /// No answer, a server's error, no connection.
    Unreachable,
    /// The body broke off, or is not what its checksum says.
    Truncated,
    TooLarge,
    /// A large object cannot be put aside on this machine's disk.
    Temporary,
    /// Anything else that S3 refused.
    Refused,
}

impl FetchFault {
    /// A stable word, for the ledger and for metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NoSuchBucket => "no_such_bucket",
            Self::Forbidden => "forbidden",
            Self::KmsDenied => "kms_denied",
            Self::Credentials => "credentials",
            Self::Clock => "clock",
            Self::WrongRegion => "wrong_region",
            Self::Archived => "archived",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::Truncated => "truncated",
            Self::TooLarge => "object_too_large",
            Self::Temporary => "temporary_file",
            Self::Refused => "refused",
        }
    }

    /// What it means and what mends it, where `action` was tried.
    fn words(self, action: &str) -> String {
        match self {
            Self::Missing => "the object is not there".into(),
            Self::NoSuchBucket => "there is no such bucket".into(),
            Self::Forbidden => format!("access denied: the role needs {action} here"),
            Self::KmsDenied => {
                "access denied by KMS: the role needs kms:Decrypt on the key that encrypts the bucket".into()
            }
            Self::Credentials => "no credentials: give the process a role or AWS_PROFILE; if role_arn is set, its trust policy must name this process' role, with the same external_id".into(),
            Self::Clock => "the clock of this machine is wrong, so that AWS refuses its requests".into(),
            Self::WrongRegion => "the bucket is in another region, which is not told: set its region in [[bucket]], or AWS_REGION".into(),
            Self::Archived => "the object is archived: restore it, then replay".into(),
            Self::Throttled => "too many requests".into(),
            Self::Unreachable => "cannot be reached".into(),
            Self::Truncated => "the body broke off or is damaged".into(),
            Self::TooLarge => "the object is larger than what is read".into(),
            Self::Temporary => "a temporary file for a large object cannot be written (TMPDIR says where)".into(),
            Self::Refused => format!("{action} was refused"),
        }
    }
}

/// An object that was not fetched, or a prefix that was not listed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("s3://{bucket}/{key}: {}", self.words())]
pub struct FetchError {
    pub bucket: String,
    /// The object's key, or the prefix that was to be listed.
    pub key: String,
    pub fault: FetchFault,
    /// What the service or the connection said; may be empty.
    pub detail: String,
    outcome: FetchOutcome,
    action: &'static str,
    version_id: Option<String>,
    etag: Option<String>,
    bytes: u64,
}

impl FetchError {
    pub(super) fn new(announced: &crate::notification::Announced, fault: FetchFault, detail: String) -> Self {
        Self {
            bucket: announced.bucket.clone(),
            key: announced.key.clone(),
            fault,
            detail,
            outcome: outcome(fault),
            action: "s3:GetObject",
            version_id: announced.version_id.clone(),
            etag: announced.etag.clone(),
            bytes: announced.bytes.unwrap_or(0),
        }
    }

    pub(super) fn of_listing(bucket: &str, prefix: &str, fault: &Fault) -> Self {
        let kind = of_fault(fault.kind);
        // A listing is ours, and not what somebody's message names.
        let outcome = match outcome(kind) {
            FetchOutcome::Park => FetchOutcome::Stop,
            other => other,
        };
        Self {
            bucket: bucket.to_string(),
            key: prefix.to_string(),
            fault: kind,
            detail: fault.words(),
            outcome,
            action: "s3:ListBucket",
            version_id: None,
            etag: None,
            bytes: 0,
        }
    }

    pub(super) fn with_outcome(self, outcome: FetchOutcome) -> Self {
        Self { outcome, ..self }
    }

    /// What is to be done with the object.
    pub fn outcome(&self) -> FetchOutcome {
        self.outcome
    }

    /// Whether the configuration has to be mended.
    pub fn is_configuration(&self) -> bool {
        self.outcome == FetchOutcome::Stop
    }

    /// A stable word, for the ledger and for metrics.
    pub fn reason(&self) -> &'static str {
        self.fault.reason()
    }

    /// What it means and what mends it, without the address.
    pub fn words(&self) -> String {
        let words = self.fault.words(self.action);
        if self.detail.is_empty() { words } else { format!("{words} ({})", self.detail) }
    }

    /// The account of an object that is parked without having been read. Where the message named no version and no tag,
    /// its identity is `unread:`, which no object has that was read.
    pub fn report(&self) -> ObjectReport {
        let identity = match (&self.version_id, &self.etag) {
            (Some(version), _) => format!("version:{version}"),
            (None, Some(etag)) => format!("etag:{etag}"),
            (None, None) => "unread:".to_string(),
        };
        let id = ObjectId { bucket: self.bucket.clone(), key: self.key.clone(), identity };
        ObjectReport::new(id, self.bytes).park(self.reason(), self.words())
    }
}

/// What becomes of an object, as far as the fault alone tells; denials are judged by what else could be read.
fn outcome(fault: FetchFault) -> FetchOutcome {
    match fault {
        FetchFault::Throttled | FetchFault::Unreachable | FetchFault::Truncated | FetchFault::Temporary => {
            FetchOutcome::Retry
        }
        FetchFault::Missing | FetchFault::Archived | FetchFault::TooLarge | FetchFault::Refused => FetchOutcome::Park,
        FetchFault::Credentials
        | FetchFault::Clock
        | FetchFault::Forbidden
        | FetchFault::KmsDenied
        | FetchFault::NoSuchBucket
        | FetchFault::WrongRegion => FetchOutcome::Stop,
    }
}

/// Whether it may be one object's trouble as well as that of all.
pub(super) fn is_denial(fault: FetchFault) -> bool {
    use FetchFault::{Forbidden, KmsDenied, NoSuchBucket, WrongRegion};
    matches!(fault, Forbidden | KmsDenied | NoSuchBucket | WrongRegion)
}

pub(super) fn of_fault(kind: FaultKind) -> FetchFault {
    match kind {
        FaultKind::Throttled => FetchFault::Throttled,
        FaultKind::Server | FaultKind::Timeout | FaultKind::Network | FaultKind::Expired => FetchFault::Unreachable,
        FaultKind::Denied => FetchFault::Forbidden,
        FaultKind::KmsDenied => FetchFault::KmsDenied,
        FaultKind::Credentials => FetchFault::Credentials,
        FaultKind::Clock => FetchFault::Clock,
        FaultKind::Missing => FetchFault::Missing,
        FaultKind::NoSuchBucket => FetchFault::NoSuchBucket,
        FaultKind::WrongRegion => FetchFault::WrongRegion,
        FaultKind::Archived => FetchFault::Archived,
        FaultKind::Refused | FaultKind::NoSuchQueue => FetchFault::Refused,
    }
}
