//! Slack: an incoming webhook, which can only post, or a bot, which keeps one message for each incident up to date
//! (`chat.update`) and answers to it in its thread when findings come (docs.slack.dev).
//!
//! The web API answers 200 also where it refuses; `ok` and `error` in the body say what happened.

mod blocks;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::http::{Answer, Client};
use crate::config::http_url;
use crate::message::Message;
use crate::message::text::{cut, visible};
use crate::outbox::{Outcome, REASON_CHARS_MAX};
use crate::secret::Hidden;
use blocks::{blocks, fallback, news};

const ENDPOINT: &str = "https://slack.com";
const POST: &str = "/api/chat.postMessage";
const UPDATE: &str = "/api/chat.update";
/// Errors of the web API that go away by themselves.
const TRANSIENT: &[&str] =
    &["ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"];
/// The message is not there any more, or too old to be changed: it is posted anew.
const GONE: &[&str] = &["message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"];

#[derive(Debug)]
pub(crate) struct Slack {
    client: Client,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Webhook { url: Hidden },
    Bot { base: Url, token: Hidden, channel: String },
}

/// Where an incident's message stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    channel: String,
    ts: String,
}

/// The URL of an incoming webhook; `endpoint` takes the place of its scheme, host and port.
pub(crate) fn webhook_url(url: &str, endpoint: Option<&str>) -> Result<Hidden, String> {
    let url = http_url(url)?;
    let Some(endpoint) = endpoint else { return Ok(Hidden::new(url.as_str())) };
    let base = http_url(endpoint)?;
    Ok(Hidden::new(format!("{}{}", base.as_str().trim_end_matches('/'), url.path())))
}

impl Slack {
    pub fn webhook(client: Client, url: Hidden) -> Self {
        Slack { client, way: Way::Webhook { url } }
    }

    pub fn bot(client: Client, token: Hidden, channel: String, endpoint: Option<&str>) -> Result<Self, String> {
        let base = http_url(endpoint.unwrap_or(ENDPOINT))?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
            .map_err(|_| "the token has characters that no token has".to_string())?;
        bearer.set_sensitive(true);
        Ok(Slack { client, way: Way::Bot { base, token, channel } })
    }

    pub async fn send(&self, message: &Message, remote: Option<&str>, now: i64) -> Outcome {
        match &self.way {
            Way::Webhook { url } => self.post_webhook(url, message, now).await,
            Way::Bot { base, token, channel } => {
                let bot = Bot { client: &self.client, base, token, channel, now };
                bot.tell(message, remote).await
            }
        }
    }

    async fn post_webhook(&self, url: &Hidden, message: &Message, now: i64) -> Outcome {
        let Ok(url) = http_url(url.reveal()) else {
            return Outcome::Refused { reason: "the webhook's URL is none".into() };
        };
        match self.client.post(&url, json_headers(), body(message).to_string()).await {
            Ok(answer) => answer.outcome(now),
            Err(none) => none.outcome(),
        }
    }
}

/// One telling by the web API.
struct Bot<'a> {
    client: &'a Client,
    base: &'a Url,
    token: &'a Hidden,
    channel: &'a str,
    now: i64,
}

/// What the web API said.
enum Said {
    Ok(Value),
    Error(String),
    Failed(Outcome),
}

impl Bot<'_> {
    /// Posts the incident, or brings its message up to date and says in the thread what is new.
    async fn tell(&self, message: &Message, remote: Option<&str>) -> Outcome {
        let place: Option<Place> = remote.and_then(|text| serde_json::from_str(text).ok());
        let Some(place) = place else { return self.post_new(message).await };
        let mut update = body(message);
        update["channel"] = place.channel.as_str().into();
        update["ts"] = place.ts.as_str().into();
        match self.call(UPDATE, &update).await {
            Said::Ok(_) => {}
            Said::Error(error) if GONE.contains(&error.as_str()) => return self.post_new(message).await,
            Said::Error(error) => return refused_or_later(&error),
            Said::Failed(outcome) => return outcome,
        }
        if let Some(text) = news(message) {
            let reply = json!({
                "channel": place.channel, "thread_ts": place.ts, "text": text, "parse": "none", "link_names": false,
                "unfurl_links": false, "unfurl_media": false,
            });
            match self.call(POST, &reply).await {
                Said::Ok(_) => {}
                Said::Error(error) => return refused_or_later(&error),
                Said::Failed(outcome) => return outcome,
            }
        }
        delivered(&place)
    }

    async fn post_new(&self, message: &Message) -> Outcome {
        let mut post = body(message);
        post["channel"] = self.channel.into();
        match self.call(POST, &post).await {
            Said::Ok(answer) => {
                let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
                match text("ts") {
                    Some(ts) => {
                        delivered(&Place { channel: text("channel").unwrap_or_else(|| self.channel.into()), ts })
                    }
                    None => Outcome::Delivered { remote: None },
                }
            }
            Said::Error(error) => refused_or_later(&error),
            Said::Failed(outcome) => outcome,
        }
    }

    async fn call(&self, path: &str, body: &Value) -> Said {
        let mut url = self.base.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        let mut headers = json_headers();
        if let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {}", self.token.reveal())) {
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        match self.client.post(&url, headers, body.to_string()).await {
            Ok(answer) => said(&answer, self.now),
            Err(none) => Said::Failed(none.outcome()),
        }
    }
}

fn said(answer: &Answer, now: i64) -> Said {
    if !answer.status.is_success() {
        return Said::Failed(answer.outcome(now));
    }
    let Ok(body) = serde_json::from_str::<Value>(&answer.body) else {
        // A proxy's page, perhaps: it may have gone through.
        let reason = format!("the answer is not JSON: {}", answer.reason());
        return Said::Failed(Outcome::Retry { reason, after: None, unknown: true });
    };
    if body.get("ok").and_then(Value::as_bool) == Some(true) {
        return Said::Ok(body);
    }
    let error = body.get("error").and_then(Value::as_str).unwrap_or("an error without a name");
    if TRANSIENT.contains(&error) {
        let reason = format!("Slack says {error}");
        return Said::Failed(Outcome::Retry { reason, after: answer.retry_after(now), unknown: false });
    }
    Said::Error(cut(&visible(error), REASON_CHARS_MAX))
}

fn refused_or_later(error: &str) -> Outcome {
    Outcome::Refused { reason: format!("Slack says {error}") }
}

fn delivered(place: &Place) -> Outcome {
    Outcome::Delivered { remote: Some(serde_json::to_string(place).expect("texts are written as JSON")) }
}

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))])
}

/// Blocks, and the text that notifications show. Nothing in it becomes a link or a mention.
fn body(message: &Message) -> Value {
    json!({
        "text": fallback(message), "blocks": blocks(message), "parse": "none", "link_names": false,
        "unfurl_links": false, "unfurl_media": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_takes_the_place_of_slacks_host() {
        let url = "https://hooks.slack.com/services/T/B/x";
        assert_eq!(webhook_url(url, None).unwrap().reveal(), url);
        let replaced = webhook_url(url, Some("http://127.0.0.1:8080/")).unwrap();
        assert_eq!(replaced.reveal(), "http://127.0.0.1:8080/services/T/B/x");
        assert!(webhook_url("hooks.slack.com/x", None).is_err());
    }
}
