//! A service asked about one account, with bounded tries. An answer comes out, or a [`FetchError`] that names account, call and
//! remedy.
//!
//! IAM slows down whoever asks too often, and counts the calls of all programs in the account together (IAM User Guide,
//! "IAM and AWS STS quotas"). So few calls are on their way at once, and one that is slowed down waits longer each time.

use std::error::Error as StdError;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use thiserror::Error;
use trailhound_ingest::Metrics;
use trailhound_ingest::aws::{self, Aws, Backoff, Fault, FaultKind, REGION_DEFAULT, Reach};

use crate::doctor::allow;

/// A page of a thousand roles with their policies takes IAM some seconds.
const CALL_TIME_MAX: Duration = Duration::from_secs(60);
/// With the waits between them more than a minute.
const TRIES_MAX: u32 = 10;
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(20) };
/// Pages of one list: a thousand entities each, where an account has some ten thousand at most.
const PAGES_MAX: usize = 1000;

/// Why nothing came of an account, or of the organization that it was asked about. `action` is as in policies
/// (`iam:ListAccessKeys`).
#[derive(Debug, Error)]
pub enum FetchError {
    /// `words` is what AWS said, which tells who forbids it: a policy that lacks it, or one that denies it.
    #[error("account {account} denies {action}: {words}; {remedy}")]
    Denied { account: String, action: String, words: String, remedy: String },
    #[error("account {account} cannot be entered: {words}; {remedy}")]
    Credentials { account: String, words: String, remedy: String },
    #[error(
        "{action} of account {account} failed: {words}; nothing that it belongs to was taken, fetch it again later"
    )]
    Failed { account: String, action: String, words: String },
    #[error(
        "{action} of account {account} says that more pages follow and {what}; nothing that it belongs to was taken, \
         fetch it again"
    )]
    Pages { account: String, action: String, what: &'static str },
    #[error("IAM did not finish the credential report of account {account} in {tries} tries; fetch it again later")]
    NoReport { account: String, tries: u32 },
    #[error("the organization changed while it was read: nothing says what limits {target}; fetch it again")]
    Changed { target: String },
}

/// Asks a service about one account.
pub struct Caller<C> {
    account: String,
    role_arn: Option<String>,
    /// As in policies: `iam`.
    service: &'static str,
    client: C,
    metrics: Metrics,
}

impl<C> Caller<C> {
    /// No call is made yet. `reach` is as whom and where it is asked: a role of that account, or nobody else than this process is.
    pub async fn new(
        aws: &Aws,
        account: &str,
        reach: &Reach,
        metrics: Metrics,
        (service, client): (&'static str, fn(&SdkConfig) -> C),
    ) -> Self {
        let sdk = aws.config(reach).await;
        let region = sdk.region().cloned().unwrap_or(Region::from_static(REGION_DEFAULT));
        let client = client(&sdk.into_builder().region(region).build());
        Self { account: account.to_owned(), role_arn: reach.role_arn.clone(), service, client, metrics }
    }

    pub fn account(&self) -> &str {
        &self.account
    }

    /// Makes a call until it is answered otherwise than with a fault that passes.
    pub(super) async fn ask<T, E, S>(&self, operation: &str, send: impl Fn(&C) -> S) -> Result<T, Fault>
    where
        S: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        patiently(&self.metrics, (self.service, operation), || send(&self.client)).await
    }

    /// What a fault of a call means for the account.
    pub(super) fn error(&self, operation: &str, fault: &Fault) -> FetchError {
        let (account, words) = (self.account.clone(), fault.words());
        let action = self.action(operation);
        match fault.kind {
            FaultKind::Denied | FaultKind::KmsDenied => {
                let mut remedy = allow(&action, "*");
                if self.service == super::organization::SERVICE.0 {
                    remedy += "; only the management account may be asked, and accounts that it delegated this to";
                }
                FetchError::Denied { account, action, words, remedy }
            }
            FaultKind::Credentials | FaultKind::Clock => {
                let remedy = match &self.role_arn {
                    Some(role) => format!(
                        "{role} has to exist and to trust whoever runs this (with the external id, if it asks for one), who needs \
                         sts:AssumeRole on it"
                    ),
                    None => "`aws sts get-caller-identity` shows whose credentials there are".to_owned(),
                };
                FetchError::Credentials { account, words, remedy }
            }
            _ => FetchError::Failed { account, action, words },
        }
    }

    fn action(&self, operation: &str) -> String {
        format!("{}:{operation}", self.service)
    }
}

/// Makes a call, and again while its faults are such as pass.
pub(super) async fn patiently<T, E, S>(metrics: &Metrics, call: (&str, &str), send: impl Fn() -> S) -> Result<T, Fault>
where
    S: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    E: ProvideErrorMetadata + StdError + 'static,
{
    let mut tries = 1;
    loop {
        match aws::call(metrics, call, CALL_TIME_MAX, send()).await {
            Err(fault) if fault.kind.is_transient() && tries < TRIES_MAX => {
                tokio::time::sleep(BACKOFF.wait(tries)).await;
                tries += 1;
            }
            answered => return answered,
        }
    }
}

/// Where one is in a list that comes in pages.
#[derive(Default)]
pub(super) struct Pages {
    marker: Option<String>,
    seen: usize,
}

impl Pages {
    /// What to ask for: the page that follows, or the first one.
    pub fn marker(&self) -> Option<String> {
        self.marker.clone()
    }

    /// Turns the page, of which this is the end; whether another one follows.
    pub fn turn<C>(
        &mut self,
        (is_truncated, marker): (bool, Option<&str>),
        caller: &Caller<C>,
        operation: &str,
    ) -> Result<bool, FetchError> {
        self.seen += 1;
        if !is_truncated {
            return Ok(false);
        }
        let wrong =
            |what| FetchError::Pages { account: caller.account.clone(), action: caller.action(operation), what };
        let marker = marker.filter(|marker| !marker.is_empty()).ok_or_else(|| wrong("does not say where"))?;
        if self.marker.as_deref() == Some(marker) {
            return Err(wrong("gives the page that was just read"));
        }
        if self.seen >= PAGES_MAX {
            return Err(wrong("comes to no end"));
        }
        self.marker = Some(marker.to_owned());
        Ok(true)
    }
}
