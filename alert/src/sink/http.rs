//! One HTTP request to a sink: bounded in time and size, never following a redirect, and what its answer means.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{StatusCode, redirect};
use url::Url;

use crate::error::{AlertError, Result};
use crate::message::text::{cut, visible};
use crate::outbox::{Outcome, REASON_CHARS_MAX};

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A request with its answer, from the first byte to the last.
const TOTAL_MAX: Duration = Duration::from_secs(15);
/// Of an answer so much is read; the rest is not waited for.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Shared by all sinks of a service.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    client: reqwest::Client,
}

/// An answer that came whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

/// No answer came. The text holds no URL: it may be secret.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    pub reason: String,
    /// The request may have arrived.
    pub unknown: bool,
}

impl Client {
    pub fn new() -> Result<Self> {
        Self::with_total(TOTAL_MAX)
    }

    /// A client that waits for an answer no longer than this.
    pub fn with_total(total: Duration) -> Result<Self> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("trailhound/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_MAX.min(total))
            .timeout(total)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(AlertError::Client)?;
        Ok(Client { client })
    }

    /// Posts a body.
    pub async fn post(&self, url: &Url, headers: HeaderMap, body: String) -> std::result::Result<Answer, NoAnswer> {
        let sent = self.client.post(url.clone()).headers(headers).body(body).send().await;
        let mut answer = sent.map_err(|error| NoAnswer {
            // Without a connection nothing can have arrived.
            unknown: !error.is_connect() && !error.is_builder(),
            reason: told(error),
        })?;
        let mut body = Vec::new();
        while body.len() < ANSWER_BYTES_MAX {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                // The status is there, which is what counts.
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(ANSWER_BYTES_MAX);
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

impl NoAnswer {
    pub fn outcome(self) -> Outcome {
        Outcome::Retry { reason: self.reason, after: None, unknown: self.unknown }
    }
}

impl Answer {
    /// What the status means where it says it all.
    pub fn outcome(&self, now: i64) -> Outcome {
        let status = self.status;
        if status.is_success() {
            return Outcome::Delivered { remote: None };
        }
        let reason = self.reason();
        let again = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        if status.is_server_error() || again.contains(&status) {
            // A gateway that gave up waiting does not know what became of the request behind it.
            let unknown = status == StatusCode::GATEWAY_TIMEOUT;
            return Outcome::Retry { reason, after: self.retry_after(now), unknown };
        }
        Outcome::Refused { reason }
    }

    /// The status with the beginning of what was said to it.
    pub fn reason(&self) -> String {
        let said = visible(self.body.trim());
        let text =
            if said.is_empty() { format!("HTTP {}", self.status) } else { format!("HTTP {}: {said}", self.status) };
        cut(&text, REASON_CHARS_MAX)
    }

    /// `Retry-After`: seconds, whole or not, or a date.
    pub fn retry_after(&self, now: i64) -> Option<Duration> {
        retry_after(self.headers.get(RETRY_AFTER)?.to_str().ok()?, now)
    }
}

fn retry_after(text: &str, now: i64) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let micros = date.as_microsecond().saturating_sub(now);
    Some(Duration::from_micros(micros.max(0).unsigned_abs()))
}

/// An error with its causes, without the URL.
fn told(error: reqwest::Error) -> String {
    let timeout = if error.is_timeout() { "timed out: " } else { "" };
    let error = error.without_url();
    let mut text = format!("{timeout}{error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    cut(&visible(&text), REASON_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-11-24T01:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond();
        assert_eq!(retry_after("30", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("0.5", now), Some(Duration::from_millis(500)));
        assert_eq!(retry_after("Tue, 24 Nov 2026 01:02:00 GMT", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Tue, 24 Nov 2026 00:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("-1", now), None);
        assert_eq!(retry_after("soon", now), None);
    }
}
