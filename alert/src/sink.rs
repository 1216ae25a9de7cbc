//! Where people are told. A sink turns a message into its own form and says what became of it; it keeps no state and
//! does not try again: the outbox does.

pub(crate) mod http;
pub(crate) mod ndjson;
pub(crate) mod pagerduty;
pub(crate) mod slack;
pub mod webhook;

use serde::Serialize;

use crate::config::SinkConfig;
use crate::error::{AlertError, Result};
use crate::message::Message;
use crate::outbox::Outcome;
use crate::secret::{Address, Hidden, Secret, Secrets};

pub(crate) use http::Client;

/// A sink that is ready.
#[derive(Debug)]
pub(crate) enum Sink {
    Slack(slack::Slack),
    PagerDuty(pagerduty::PagerDuty),
    Webhook(webhook::Webhook),
    Ndjson(ndjson::Ndjson),
}

/// What became of a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub delivered: bool,
    pub detail: String,
}

impl Sink {
    /// Reads a sink's secrets. Nothing is contacted.
    pub async fn new(config: &SinkConfig, secrets: &dyn Secrets, client: &Client) -> Result<Self> {
        let read = Reading { sink: config.name(), secrets };
        Ok(match config {
            SinkConfig::Slack { webhook_url: Some(url), endpoint_url, .. } => {
                let url = read.secret("webhook_url", url).await?;
                let url = slack::webhook_url(url.reveal(), endpoint_url.as_deref())
                    .map_err(|detail| read.wrong("webhook_url", detail))?;
                Sink::Slack(slack::Slack::webhook(client.clone(), url))
            }
            SinkConfig::Slack { bot_token, channel, endpoint_url, .. } => {
                let (Some(token), Some(channel)) = (bot_token, channel) else {
                    return Err(read.wrong("webhook_url", "give webhook_url, or bot_token and channel".into()));
                };
                let token = read.secret("bot_token", token).await?;
                let slack = slack::Slack::bot(client.clone(), token, channel.clone(), endpoint_url.as_deref())
                    .map_err(|detail| read.wrong("endpoint_url", detail))?;
                Sink::Slack(slack)
            }
            SinkConfig::PagerDuty { routing_key, endpoint_url, .. } => {
                let key = read.secret("routing_key", routing_key).await?;
                let pagerduty = pagerduty::PagerDuty::new(client.clone(), key, endpoint_url.as_deref())
                    .map_err(|detail| read.wrong("endpoint_url", detail))?;
                Sink::PagerDuty(pagerduty)
            }
            SinkConfig::Webhook { url, hmac_key, headers, template, content_type, .. } => {
                let url = match url {
                    Address::Plain(text) => Hidden::new(text.clone()),
                    Address::Secret(secret) => read.secret("url", secret).await?,
                };
                let hmac_key = match hmac_key {
                    Some(key) => Some(read.secret("hmac_key", key).await?),
                    None => None,
                };
                let mut ready = Vec::new();
                for (name, value) in headers {
                    let key = format!("headers.{name}");
                    ready.push((name.clone(), read.secret(&key, value).await?));
                }
                let webhook = webhook::Webhook::new(
                    client.clone(),
                    &url,
                    hmac_key,
                    ready,
                    template.clone(),
                    content_type.clone(),
                );
                Sink::Webhook(webhook.map_err(|(key, detail)| read.wrong(key, detail))?)
            }
            SinkConfig::Ndjson { path, .. } => Sink::Ndjson(ndjson::Ndjson::new(path.clone())),
        })
    }

    /// Tells it. `remote` is what the sink said when it told the incident before; `now` is in µs since the epoch.
    pub async fn send(&self, message: &Message, remote: Option<&str>, now: i64) -> Outcome {
        match self {
            Sink::Slack(slack) => slack.send(message, remote, now).await,
            Sink::PagerDuty(pagerduty) => pagerduty.send(message, now).await,
            Sink::Webhook(webhook) => webhook.send(message, now).await,
            Sink::Ndjson(ndjson) => ndjson.send(message).await,
        }
    }

    /// Sends a test message; where it would stay open as somebody's page, it is closed again.
    pub async fn test(&self, mut message: Message, now: i64) -> Verdict {
        let mut outcome = self.send(&message, None, now).await;
        if let (Sink::PagerDuty(_), Outcome::Delivered { .. }) = (self, &outcome) {
            message.state = crate::incident::State::Closed;
            message.revision += 1;
            outcome = self.send(&message, None, now).await;
        }
        match outcome {
            Outcome::Delivered { .. } => {
                Verdict { delivered: true, detail: format!("delivered; look for {}", message.id) }
            }
            Outcome::Retry { reason, unknown: true, .. } => {
                Verdict { delivered: false, detail: format!("nobody knows whether it was delivered: {reason}") }
            }
            Outcome::Retry { reason, .. } => {
                Verdict { delivered: false, detail: format!("not now, would be tried again: {reason}") }
            }
            Outcome::Refused { reason } => Verdict { delivered: false, detail: format!("refused: {reason}") },
        }
    }
}

/// Reads a sink's secrets and says which of its keys is wrong.
struct Reading<'a> {
    sink: &'a str,
    secrets: &'a dyn Secrets,
}

impl Reading<'_> {
    async fn secret(&self, key: &str, secret: &Secret) -> Result<Hidden> {
        secret.resolve(self.secrets).await.map_err(|source| AlertError::Secret {
            key: format!("sink.{}.{key}", self.sink),
            secret: secret.to_string(),
            source,
        })
    }

    fn wrong(&self, key: &str, detail: String) -> AlertError {
        AlertError::Sink { key: format!("sink.{}.{key}", self.sink), detail }
    }
}
