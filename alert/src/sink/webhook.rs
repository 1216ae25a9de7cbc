//! The generic webhook: a POST of the message as JSON, or of what a template makes of it, signed where a key is given.
//!
//! # Headers
//! - `X-Trailhound-Id`: the incident's id and the revision, `TH-0123456789:3`. The same for every attempt to tell the
//!   revision: a receiver that has seen it may ignore it.
//! - `X-Trailhound-Timestamp`: seconds since the epoch when this attempt was made.
//! - `X-Trailhound-Signature`: `v1=` and the hexadecimal HMAC-SHA256, under the key, of the timestamp's digits, a full
//!   stop and the body. A receiver computes it over the bytes as received, compares it in constant time, and refuses
//!   timestamps that are minutes old.
//!
//! # Templates
//! A template is [minijinja](https://docs.rs/minijinja) over the message. Where the content type is JSON, every
//! `{{ value }}` is written as JSON, quotes included: `{"text": {{ title }}}`. A template that does not make JSON of a
//! sample is refused when the configuration is checked.

use hmac::{Hmac, Mac};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;
use trailhound_detect::{RuleFacts, Severity};
use url::Url;

use super::http::Client;
use crate::clock::SECOND;
use crate::config::http_url;
use crate::incident::Row;
use crate::message::Message;
use crate::message::text::{cut, visible};
use crate::outbox::{Outcome, REASON_CHARS_MAX};
use crate::secret::Hidden;

pub const TIMESTAMP_HEADER: &str = "x-trailhound-timestamp";
pub const SIGNATURE_HEADER: &str = "x-trailhound-signature";
pub const ID_HEADER: &str = "x-trailhound-id";

const JSON: &str = "application/json";
const TEMPLATE: &str = "template";
/// Steps of a template, so that a loop ends.
const FUEL: u64 = 200_000;
/// The largest body that a template may make.
const BODY_BYTES_MAX: usize = 512 << 10;

pub(crate) struct Webhook {
    client: Client,
    url: Url,
    hmac_key: Option<Hidden>,
    headers: HeaderMap,
    template: Option<Template>,
}

impl std::fmt::Debug for Webhook {
    /// Without the URL, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("headers", &self.headers)
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// Headers and URL were checked where they stand in the configuration; secrets among them only show now. An error
    /// names the key.
    pub fn new(
        client: Client,
        url: &Hidden,
        hmac_key: Option<Hidden>,
        more: Vec<(String, Hidden)>,
        template: Option<String>,
        content_type: Option<String>,
    ) -> Result<Self, (&'static str, String)> {
        let url = http_url(url.reveal()).map_err(|detail| ("url", detail))?;
        let mut headers = HeaderMap::new();
        for (name, value) in more {
            let wrong = || ("headers", format!("`{name}` cannot be sent"));
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        let kind = content_type.as_deref().unwrap_or(JSON);
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).map_err(|e| ("content_type", e.to_string()))?);
        let template = match template {
            Some(text) => Some(Template::new(&text, kind).map_err(|detail| ("template", detail))?),
            None => None,
        };
        Ok(Webhook { client, url, hmac_key, headers, template })
    }

    pub async fn send(&self, message: &Message, now: i64) -> Outcome {
        let body = match &self.template {
            None => serde_json::to_string(message).expect("a message is written as JSON"),
            Some(template) => match template.fill(message) {
                Ok(body) => body,
                Err(detail) => return Outcome::Refused { reason: format!("the template fails: {detail}") },
            },
        };
        let mut headers = self.headers.clone();
        let timestamp = (now / SECOND).to_string();
        let mut put = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        };
        put(ID_HEADER, format!("{}:{}", message.id, message.revision));
        if let Some(key) = &self.hmac_key {
            put(SIGNATURE_HEADER, signature(key.reveal().as_bytes(), &timestamp, body.as_bytes()));
        }
        put(TIMESTAMP_HEADER, timestamp);
        match self.client.post(&self.url, headers, body).await {
            Ok(answer) => answer.outcome(now),
            Err(none) => none.outcome(),
        }
    }
}

/// Whether a header is one that every request has already.
pub(crate) fn is_own_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [TIMESTAMP_HEADER, SIGNATURE_HEADER, ID_HEADER, "content-type", "content-length", "host", "transfer-encoding"]
        .contains(&name.as_str())
}

/// `v1=` and HMAC-SHA256 over timestamp, full stop and body.
pub fn signature(key: &[u8], timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().iter().fold(String::from("v1="), |out, byte| out + &format!("{byte:02x}"))
}

/// Whether a template can be read and makes a fit body of a sample.
pub(crate) fn check(template: &str, content_type: Option<&str>) -> Result<(), String> {
    let kind = content_type.unwrap_or(JSON);
    let template = Template::new(template, kind)?;
    for sample in [sample(), Message::test("TH-0123456789", 0)] {
        let body = template.fill(&sample)?;
        if is_json(kind) {
            serde_json::from_str::<serde_json::Value>(&body).map_err(|e| {
                format!("does not make JSON of a sample: {e}; values are written with their quotes, as {{\"text\": {{{{ title }}}}}}")
            })?;
        }
    }
    Ok(())
}

fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or(kind).trim().to_ascii_lowercase();
    kind == JSON || kind.ends_with("+json")
}

struct Template {
    environment: Environment<'static>,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Template")
    }
}

impl Template {
    fn new(text: &str, content_type: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        let escape = if is_json(content_type) { AutoEscape::Json } else { AutoEscape::None };
        environment.set_auto_escape_callback(move |_| escape);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.add_template_owned(TEMPLATE, text.to_owned()).map_err(told)?;
        Ok(Template { environment })
    }

    fn fill(&self, message: &Message) -> Result<String, String> {
        let body = self.environment.get_template(TEMPLATE).and_then(|t| t.render(message)).map_err(told)?;
        if body.len() > BODY_BYTES_MAX {
            return Err(format!("it makes more than {BODY_BYTES_MAX} bytes"));
        }
        Ok(body)
    }
}

fn told(error: minijinja::Error) -> String {
    cut(&visible(&format!("{error:#}")), REASON_CHARS_MAX)
}

/// A message in which everything is there, with characters that must be escaped.
fn sample() -> Message {
    let mut row = Row::new("TH-0123456789", "incident", 0);
    row.title = "ana \"created\" a key\\".into();
    row.severity = Severity::High;
    row.findings = 12;
    row.revision = 1;
    row.first_time = Some(0);
    row.last_time = Some(SECOND);
    let mut message = Message::blank(&row);
    message.tell(&[], RuleFacts::default(), &Default::default());
    message.principals = vec!["ana \"a\"".into()];
    message.sources = vec!["203.0.113.7".into()];
    message.regions = vec!["eu-west-1".into()];
    message.attack = vec!["T1098.001".into()];
    message.explanation = "Two\nlines \"quoted\"".into();
    message.sql = Some("trailhound sql \"SELECT 1\"".into());
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::hostile;

    #[test]
    fn a_template_writes_values_as_json() {
        check("{\"text\": {{ title }}, \"who\": {{ principals }}, \"sql\": {{ sql }}}", None).unwrap();
        let template = Template::new("{\"text\": {{ title }}, \"who\": {{ principals }}}", JSON).unwrap();
        let body = template.fill(&hostile("\"}, \"x\": {\u{2028}</script>\\")).unwrap();
        let read: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read["who"][0], "\"}, \"x\": {\u{2028}</script>\\");
        assert_eq!(read.as_object().unwrap().len(), 2);
    }

    #[test]
    fn what_does_not_work_is_refused_when_checked() {
        for (template, expected) in [
            ("{{ title", "syntax error"),
            ("{\"a\": {{ titel }}}", "undefined"),
            ("{\"a\": \"{{ title }}\"}", "does not make JSON"),
            ("{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}", "fuel"),
            ("{{ title | nosuchfilter }}", "filter"),
        ] {
            let told = check(template, None).unwrap_err();
            assert!(told.contains(expected), "{template}: {told}");
        }
        check("{{ title }} by {{ principals | join(', ') }}", Some("text/plain")).unwrap();
    }

    #[test]
    fn the_signature_is_the_documented_one() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        let expected = "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
        assert_eq!(signature(b"key", "1700000000", b"{}"), expected);
    }
}
