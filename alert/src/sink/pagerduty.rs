//! PagerDuty's Events API v2 (developer.pagerduty.com, "Send an Event"): an incident is one alert there, whose
//! `dedup_key` is the incident's id; it is triggered, acknowledged and resolved. 202 is delivered, 400 never will be.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use trailhound_detect::Severity;
use url::Url;

use super::http::Client;
use crate::config::http_url;
use crate::incident::State;
use crate::message::Message;
use crate::message::text::{cut, visible, visible_lines};
use crate::outbox::Outcome;
use crate::secret::Hidden;

const ENDPOINT: &str = "https://events.pagerduty.com";
const PATH: &str = "/v2/enqueue";
/// The most characters of a summary.
const SUMMARY_CHARS_MAX: usize = 1_024;
/// An event may have 512 KB; details beyond this are left out.
const DETAILS_BYTES_MAX: usize = 100 << 10;

#[derive(Debug)]
pub(crate) struct PagerDuty {
    client: Client,
    url: Url,
    routing_key: Hidden,
}

impl PagerDuty {
    pub fn new(client: Client, routing_key: Hidden, endpoint: Option<&str>) -> Result<Self, String> {
        let mut url = http_url(endpoint.unwrap_or(ENDPOINT))?;
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{PATH}"));
        Ok(PagerDuty { client, url, routing_key })
    }

    pub async fn send(&self, message: &Message, now: i64) -> Outcome {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let body = event(message, self.routing_key.reveal()).to_string();
        match self.client.post(&self.url, headers, body).await {
            Ok(answer) => answer.outcome(now),
            Err(none) => none.outcome(),
        }
    }
}

fn event(message: &Message, routing_key: &str) -> Value {
    let action = match message.state {
        State::Open => "trigger",
        State::Acknowledged => "acknowledge",
        State::Closed => "resolve",
    };
    let mut event = json!({"routing_key": routing_key, "event_action": action, "dedup_key": message.id});
    // Acknowledging and resolving need no more than the key.
    if message.state == State::Open {
        event["client"] = "Trailhound".into();
        event["payload"] = payload(message);
    }
    event
}

fn payload(message: &Message) -> Value {
    let more = match message.findings_total.saturating_sub(1) {
        0 => String::new(),
        1 => " (and 1 more finding)".into(),
        more => format!(" (and {more} more findings)"),
    };
    let room = SUMMARY_CHARS_MAX - more.chars().count();
    let summary = format!("{}{more}", cut(&visible(&message.title), room));
    let source = message.account_names().first().map_or("trailhound".into(), |account| visible(account));
    let mut payload = json!({
        "summary": summary,
        "source": cut(&source, SUMMARY_CHARS_MAX),
        "severity": severity(message.severity),
        "component": "trailhound",
        "group": message.kind,
        "class": message.findings.first().map_or(message.kind.as_str(), |line| line.rule.as_str()),
        "custom_details": details(message),
    });
    if let Some(first) = &message.first_time {
        payload["timestamp"] = first.as_str().into();
    }
    if payload.to_string().len() > DETAILS_BYTES_MAX {
        payload["custom_details"] = json!({"incident": message.id, "left out": "the details are too long"});
    }
    payload
}

/// Texts and lists of texts, which PagerDuty shows as a table.
fn details(message: &Message) -> Value {
    let all = |values: &[String]| values.iter().map(|v| visible(v)).collect::<Vec<_>>().join(", ");
    let findings: Vec<String> = message
        .findings
        .iter()
        .map(|line| format!("{}: {} ({}, {})", line.severity, visible(&line.title), line.rule, line.first_time))
        .collect();
    let mut details = json!({
        "incident": message.id,
        "when": message.when(),
        "who": all(&message.principals),
        "person": all(&message.people),
        "from": all(&message.sources),
        "account": all(&message.account_names()),
        "region": all(&message.regions),
        "findings": findings,
        "explanation": visible_lines(&message.explanation),
        "evidence": message.evidence,
        "what to do": visible_lines(&message.runbook),
        "att&ck": message.attack.join(", "),
    });
    let commands = [("sql", &message.sql), ("investigate", &message.investigate)];
    for (name, command) in commands {
        if let Some(command) = command {
            details[name] = command.as_str().into();
        }
    }
    if message.unlisted() > 0 {
        details["further findings"] = message.unlisted().into();
    }
    if message.waiting > 0 {
        details["further alerts that wait"] = message.waiting.into();
    }
    if let Some(map) = details.as_object_mut() {
        map.retain(|_, value| !(value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty)));
    }
    details
}

/// PagerDuty knows four.
fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::hostile;

    #[test]
    fn events_keep_to_the_api() {
        let mut message = hostile(&"<!channel>\u{202e}\"x".repeat(200));
        message.findings_total = 30;
        let trigger = event(&message, "key");
        assert_eq!(trigger["event_action"], "trigger");
        assert_eq!(trigger["dedup_key"], "TH-0123456789");
        assert_eq!(trigger["payload"]["severity"], "error");
        assert_eq!(trigger["payload"]["source"], "production (111122223333)");
        let summary = trigger["payload"]["summary"].as_str().unwrap();
        assert!(summary.chars().count() <= 1_024 && summary.ends_with("… (and 29 more findings)"), "{summary}");
        assert!(!summary.contains('\u{202e}'));
        message.state = State::Closed;
        let resolve = event(&message, "key");
        assert_eq!(resolve, json!({"routing_key": "key", "event_action": "resolve", "dedup_key": "TH-0123456789"}));
        assert_eq!(
            PagerDuty::new(Client::new().unwrap(), Hidden::new("k"), Some("http://127.0.0.1:1/")).unwrap().url.as_str(),
            "http://127.0.0.1:1/v2/enqueue"
        );
    }
}
