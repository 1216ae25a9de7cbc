//! What a call that did not succeed says, told apart by what is to be done about it.
//!
//! Codes are those of the S3 and SQS API references ("Error responses", "Common errors"), with the spellings of SQS'
//! older protocol, which services still send in `x-amzn-query-error`.

use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// Text of a service's message that is kept.
const DETAIL_CHARS_MAX: usize = 300;

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Too many calls; later.
    Throttled,
    /// The service's own trouble (5xx).
    Server,
    /// No answer in time.
    Timeout,
    /// The connection could not be made, or broke.
    Network,
    /// The role may not do this.
    Denied,
    /// The role may not use the key that encrypts this, or the key is disabled.
    KmsDenied,
    /// There are no credentials, or AWS does not know them, or the role may not be assumed.
    Credentials,
    /// Credentials that were good and are to be renewed.
    Expired,
    /// This machine's clock is wrong.
    Clock,
    /// The object, or this version of it, is not there.
    Missing,
    NoSuchBucket,
    NoSuchQueue,
    /// The bucket is in another region.
    WrongRegion,
    /// In an archive storage class, and not restored.
    Archived,
    /// Anything else that the service refused.
    Refused,
}

impl FaultKind {
    /// The word in the metric of calls.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Server => "server_error",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Denied | Self::KmsDenied => "denied",
            Self::Credentials | Self::Expired | Self::Clock => "credentials",
            Self::Missing | Self::NoSuchBucket | Self::NoSuchQueue => "missing",
            Self::WrongRegion => "wrong_region",
            Self::Archived | Self::Refused => "refused",
        }
    }

    /// Whether the same call may succeed in a moment.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Server | Self::Timeout | Self::Network | Self::Expired)
    }
}

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// The service's code, or empty.
    pub code: String,
    /// One line: what the service or the connection said.
    pub detail: String,
    /// The region that the answer says to turn to.
    pub region: Option<String>,
}

impl Fault {
    pub(crate) fn timeout(time_max: Duration) -> Self {
        let detail = format!("no answer within {} s", time_max.as_secs_f32());
        Self { kind: FaultKind::Timeout, code: String::new(), detail, region: None }
    }

    pub(crate) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let Some(service) = error.as_service_error() else { return Self::of_connection(error) };
        let (code, message) = (service.code().unwrap_or(""), service.message().unwrap_or(""));
        let response = error.raw_response();
        let status = response.map_or(0, |response| response.status().as_u16());
        let region = response
            .and_then(|response| response.headers().get("x-amz-bucket-region"))
            .map(str::to_string)
            .or_else(|| expected_region(message));
        let kind = kind(code, message, status);
        Self { kind, code: line(code), detail: line(message), region: region.filter(|region| is_region(region)) }
    }

    /// There is no answer of the service: the connection, the time, or credentials.
    fn of_connection<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: Error + 'static,
    {
        let detail = chain(error);
        let kind = match error {
            SdkError::TimeoutError(_) => FaultKind::Timeout,
            _ if is_about_credentials(error) => credentials_kind(&format!("{error:?}")),
            SdkError::ConstructionFailure(_) => FaultKind::Refused,
            _ => FaultKind::Network,
        };
        Self { kind, code: String::new(), detail, region: None }
    }

    /// What the service or the connection said, with the code where there is one.
    pub fn words(&self) -> String {
        match (self.code.is_empty(), self.detail.is_empty()) {
            (true, _) => self.detail.clone(),
            (false, true) => self.code.clone(),
            (false, false) => format!("{}: {}", self.code, self.detail),
        }
    }
}

/// Whether text is a region's name. Whatever names a region ends up in a host's name, and a message or an answer may
/// say anything.
pub fn is_region(text: &str) -> bool {
    (4..=32).contains(&text.len())
        && text.contains('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn kind(code: &str, message: &str, status: u16) -> FaultKind {
    let bare = code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code);
    match bare {
        "NoSuchKey" | "NoSuchVersion" | "NotFound" | "MethodNotAllowed" => FaultKind::Missing,
        "NoSuchBucket" => FaultKind::NoSuchBucket,
        "NonExistentQueue" | "QueueDoesNotExist" | "QueueDeletedRecently" | "InvalidAddress" => FaultKind::NoSuchQueue,
        "InvalidObjectState" => FaultKind::Archived,
        "KmsThrottled" | "KMS.ThrottlingException" => FaultKind::Throttled,
        _ if bare.starts_with("KMS.") || bare.starts_with("Kms") => FaultKind::KmsDenied,
        "AccessDenied" | "AccessDeniedException" | "AllAccessDisabled" | "AccountProblem" | "Forbidden" => {
            match message.to_ascii_lowercase().contains("kms") {
                true => FaultKind::KmsDenied,
                false => FaultKind::Denied,
            }
        }
        "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSecurity"
        | "InvalidToken"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "MissingAuthenticationToken"
        | "IncompleteSignature"
        | "OptInRequired" => FaultKind::Credentials,
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => FaultKind::Expired,
        "RequestTimeTooSkewed" | "RequestExpired" => FaultKind::Clock,
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "Redirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => FaultKind::WrongRegion,
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "BandwidthLimitExceeded"
        | "OverLimit" => FaultKind::Throttled,
        "RequestTimeout" | "RequestTimeoutException" => FaultKind::Timeout,
        _ => match status {
            301 | 307 | 308 => FaultKind::WrongRegion,
            403 => FaultKind::Denied,
            404 => FaultKind::Missing,
            408 => FaultKind::Timeout,
            429 => FaultKind::Throttled,
            500.. => FaultKind::Server,
            // An answer that is none: a proxy's, or one that broke off in its head.
            200..=299 => FaultKind::Network,
            _ => FaultKind::Refused,
        },
    }
}

/// `… the region 'us-east-1' is wrong; expecting 'eu-west-1'`.
fn expected_region(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("expecting '")?;
    rest.split_once('\'').map(|(region, _)| region.to_string())
}

/// Whether credentials could not be had. The SDK's type is not public where it would be needed, its name is.
fn is_about_credentials<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> bool {
    let text = format!("{error:?}");
    ["CredentialsNotLoaded", "ProviderError(", "InvalidConfiguration(", "NoMatchingAuthScheme", "no credentials"]
        .iter()
        .any(|mark| text.contains(mark))
}

/// Credentials that were refused are a matter of configuration; a service that gives them and does not answer is not.
fn credentials_kind(debug: &str) -> FaultKind {
    let refused =
        ["AccessDenied", "CredentialsNotLoaded", "InvalidConfiguration(", "NoMatchingAuthScheme", "InvalidClientToken"];
    match refused.iter().any(|mark| debug.contains(mark)) {
        true => FaultKind::Credentials,
        false => FaultKind::Network,
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    line(&text)
}

/// Foreign text made fit for one line.
pub(crate) fn line(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut out: String = clean.clone().take(DETAIL_CHARS_MAX).collect();
    if clean.count() > DETAIL_CHARS_MAX {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_to_be_done() {
        for (code, message, status, expected) in [
            ("NoSuchKey", "", 404, FaultKind::Missing),
            ("", "", 404, FaultKind::Missing),
            ("AccessDenied", "Access Denied", 403, FaultKind::Denied),
            (
                "AccessDenied",
                "User: arn:aws:sts::1:assumed-role/t/t is not authorized to perform: kms:Decrypt on this resource",
                403,
                FaultKind::KmsDenied,
            ),
            ("KMS.DisabledException", "", 400, FaultKind::KmsDenied),
            ("KMS.ThrottlingException", "", 400, FaultKind::Throttled),
            ("SlowDown", "Please reduce your request rate.", 503, FaultKind::Throttled),
            ("InternalError", "", 500, FaultKind::Server),
            ("", "", 502, FaultKind::Server),
            ("PermanentRedirect", "", 301, FaultKind::WrongRegion),
            ("InvalidObjectState", "", 403, FaultKind::Archived),
            ("AWS.SimpleQueueService.NonExistentQueue", "", 400, FaultKind::NoSuchQueue),
            ("QueueDoesNotExist", "", 400, FaultKind::NoSuchQueue),
            ("RequestThrottled", "", 400, FaultKind::Throttled),
            ("InvalidClientTokenId", "", 403, FaultKind::Credentials),
            ("InvalidArgument", "", 400, FaultKind::Refused),
        ] {
            assert_eq!(kind(code, message, status), expected, "{code} {status}");
        }
    }

    #[test]
    fn reads_the_region_from_the_message() {
        let message = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'";
        assert_eq!(expected_region(message).as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn a_region_cannot_name_a_host() {
        for good in ["eu-west-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1"] {
            assert!(is_region(good), "{good}");
        }
        for bad in ["", "x", "evil.example/", "eu-west-1.evil.example", "EU-WEST-1", "eu west-1", "a@b-c"] {
            assert!(!is_region(bad), "{bad}");
        }
    }
}
