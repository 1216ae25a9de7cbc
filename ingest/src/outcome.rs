//! How a call ended.

use crate::record::Record;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Success,
    /// The caller was not allowed to. A wrong credential is not this but a failure.
    Denied,
    /// Anything else that went wrong. A dry run is one too: nothing was done.
    Failure,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Denied => "denied",
            Outcome::Failure => "failure",
        }
    }
}

/// The outcome of a record, given what its sign-in result says.
pub fn outcome(record: &Record<'_>, login_result: Option<&str>) -> Outcome {
    match record.error_code.as_deref() {
        Some(code) if denied(code) => Outcome::Denied,
        Some(_) => Outcome::Failure,
        None if login_result.is_some_and(|result| result.eq_ignore_ascii_case("Failure")) => Outcome::Failure,
        None => Outcome::Success,
    }
}

/// Whether an error code says "no permission": services spell it in many ways. The names of bad credentials
/// (`InvalidClientTokenId`, `SignatureDoesNotMatch`) are failures of another kind.
pub fn denied(code: &str) -> bool {
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    [
        "accessdenied",
        "unauthorized",
        "notauthorized",
        "authorizationerror",
        "authorizationfailure",
        "forbidden",
        "operationnotpermitted",
    ]
    .iter()
    .any(|word| code.contains(word))
}

/// The result of a sign-in event: the member called like the event in `responseElements` or `serviceEventDetails`.
pub fn login_result<'a>(record: &'a Record<'_>) -> Option<&'a str> {
    if record.event_source.as_deref() != Some("signin.amazonaws.com") {
        return None;
    }
    let name = record.event_name.as_deref()?;
    record.login_results.iter().find(|(key, _)| key == name).map(|(_, result)| result.as_ref())
}

/// Whether a sign-in used MFA: `MFAUsed`, or a device that is named.
pub fn mfa_used(record: &Record<'_>) -> Option<bool> {
    if record.mfa_identifier.is_some() {
        return Some(true);
    }
    record.mfa_used.as_deref().and_then(crate::record::word_flag)
}

#[cfg(test)]
mod tests {
    use super::denied;

    #[test]
    fn tells_no_permission_from_bad_credentials() {
        for code in [
            "AccessDenied",
            "AccessDeniedException",
            "Client.UnauthorizedOperation",
            "VpceAccessDenied",
            "UnauthorizedException",
            "AuthorizationError",
            "NotAuthorized",
            "Forbidden",
            "OperationNotPermittedException",
        ] {
            assert!(denied(code), "{code}");
        }
        for code in [
            "InvalidClientTokenId",
            "SignatureDoesNotMatch",
            "ThrottlingException",
            "NoSuchBucketPolicy",
            "Client.DryRunOperation",
            "AuthFailure",
        ] {
            assert!(!denied(code), "{code}");
        }
    }
}
