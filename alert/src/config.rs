//! What the service is told about alerts: `[alerts]`, `[[sink]]`, and `[[route]]`. Everything that is wrong
//! is told at once, each with its key, before anything is contacted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use trailhound_detect::Severity;
use url::Url;

use crate::secret::{Address, Secret};
use crate::sink::webhook;

/// The longest name of a sink: it stands in metrics, tables and logs.
const NAME_CHARS_MAX: usize = 40;

/// `[alerts]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertsConfig {
    /// Findings of one entity, principal or person are one incident when their events are no further apart.
    pub incident_gap_minutes: u64,
    /// What had happened longer ago at the first start is found but not told.
    pub history_hours: u64,
    /// Messages a minute to one sink; more wait.
    pub per_minute_max: u32,
    /// An incident that was told is told again after this time at the earliest, unless it got graver or its state
    /// changed.
    pub update_seconds: u64,
    /// What later events may still undo is told when the sources of its account are complete up to it. One that sends
    /// nothing new for so long holds it back no longer. With 0 everything is told at once.
    pub hold_minutes: u64,
    /// Nothing is held back longer than this, whatever the sources do.
    pub hold_hours_max: u64,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            incident_gap_minutes: 60,
            history_hours: 1,
            per_minute_max: 60,
            update_seconds: 60,
            hold_minutes: 30,
            hold_hours_max: 6,
        }
    }
}

/// `[[sink]]`: where people are told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum SinkConfig {
    /// With `webhook_url` each revision is a message of its own; with `bot_token` and `channel` an incident is one
    /// message that is kept up to date, and a thread.
    Slack {
        name: String,
        webhook_url: Option<Secret>,
        bot_token: Option<Secret>,
        channel: Option<String>,
        /// Takes the place of `https://slack.com` or `https://hooks.slack.com`; paths stay.
        endpoint_url: Option<String>,
    },
    PagerDuty {
        name: String,
        routing_key: Secret,
        /// Takes the place of `https://events.pagerduty.com`, as for the European region.
        endpoint_url: Option<String>,
    },
    Webhook {
        name: String,
        url: Address,
        /// Signs each request; see [`webhook`](crate::sink::webhook).
        hmac_key: Option<Secret>,
        /// Further headers, such as `Authorization`.
        #[serde(default)]
        headers: BTreeMap<String, Secret>,
        /// A minijinja template of the body. Without it the body is the message as JSON.
        template: Option<String>,
        /// By default `application/json`; only then are values in the template written as JSON.
        content_type: Option<String>,
    },
    Ndjson {
        name: String,
        /// A file that is appended to; standard output without it.
        path: Option<PathBuf>,
    },
}

/// `[[route]]`: which incidents go to which sinks. An absent filter takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouteConfig {
    /// This and graver.
    pub severity: Option<String>,
    /// Rule ids; `*` stands for anything. The service's own watch has ids such as `watch/parked`.
    pub rules: Vec<String>,
    /// Account ids.
    pub accounts: Vec<String>,
    pub sinks: Vec<String>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerting {
    pub alerts: AlertsConfig,
    pub sinks: Vec<SinkConfig>,
    pub routes: Vec<RouteConfig>,
    /// Account names by id.
    pub accounts: BTreeMap<String, String>,
}

impl SinkConfig {
    /// What routes, metrics and people call it.
    pub fn name(&self) -> &str {
        match self {
            SinkConfig::Slack { name, .. }
            | SinkConfig::PagerDuty { name, .. }
            | SinkConfig::Webhook { name, .. }
            | SinkConfig::Ndjson { name, .. } => name,
        }
    }
}

impl Alerting {
    /// Every mistake, each with the path of its key.
    pub fn check(&self) -> Vec<String> {
        problems(&self.alerts, &self.sinks, &self.routes)
    }
}

/// Every mistake, each with the path of its key.
pub fn problems(alerts: &AlertsConfig, sinks: &[SinkConfig], routes: &[RouteConfig]) -> Vec<String> {
    let mut problems = Vec::new();
    let positive = [
        ("incident_gap_minutes", alerts.incident_gap_minutes),
        ("per_minute_max", u64::from(alerts.per_minute_max)),
        ("hold_hours_max", alerts.hold_hours_max),
    ];
    for (key, _) in positive.iter().filter(|(_, value)| *value == 0) {
        problems.push(format!("alerts.{key} must be more than 0"));
    }
    // More would not fit into microseconds, and is a slip of the pen anyway.
    let year = [
        ("incident_gap_minutes", alerts.incident_gap_minutes, 366 * 24 * 60),
        ("history_hours", alerts.history_hours, 100 * 366 * 24),
        ("update_seconds", alerts.update_seconds, 366 * 86_400),
        ("hold_minutes", alerts.hold_minutes, 366 * 24 * 60),
        ("hold_hours_max", alerts.hold_hours_max, 366 * 24),
    ];
    for (key, value, max) in year {
        if value > max {
            problems.push(format!("alerts.{key} is {value}, more than {max}"));
        }
    }
    let mut names = BTreeSet::new();
    for (at, sink) in sinks.iter().enumerate() {
        let name = sink.name();
        let key = if name.is_empty() { format!("sink[{at}]") } else { format!("sink.{name}") };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.bytes().all(plain) {
            problems.push(format!("{key}.name: write 1 to {NAME_CHARS_MAX} letters, digits, - or _"));
        }
        if !names.insert(name) {
            problems.push(format!("{key}.name: there are two sinks of this name"));
        }
        check_sink(sink, &key, &mut problems);
    }
    for (at, route) in routes.iter().enumerate() {
        check_route(route, &format!("route[{at}]"), &names, &mut problems);
    }
    problems
}

fn check_sink(sink: &SinkConfig, key: &str, problems: &mut Vec<String>) {
    let mut url = |name: &str, text: &str| {
        if let Err(what) = http_url(text) {
            problems.push(format!("{key}.{name}: {what}"));
        }
    };
    match sink {
        SinkConfig::Slack { webhook_url, bot_token, channel, endpoint_url, .. } => {
            if let Some(endpoint) = endpoint_url {
                url("endpoint_url", endpoint);
            }
            match (webhook_url, bot_token, channel) {
                (Some(_), None, None) | (None, Some(_), Some(_)) => {}
                (None, Some(_), None) => problems.push(format!("{key}.channel: a bot needs the channel's id")),
                (Some(_), None, Some(_)) => {
                    problems.push(format!("{key}.channel: a webhook has a channel of its own; take the key away"));
                }
                (Some(_), Some(_), _) => {
                    problems.push(format!("{key}.bot_token: give webhook_url or bot_token, not both"));
                }
                (None, None, _) => {
                    problems.push(format!("{key}.webhook_url: give webhook_url, or bot_token and channel"))
                }
            }
        }
        SinkConfig::PagerDuty { endpoint_url, .. } => {
            if let Some(endpoint) = endpoint_url {
                url("endpoint_url", endpoint);
            }
        }
        SinkConfig::Webhook { url: address, headers, template, content_type, .. } => {
            if let Address::Plain(text) = address {
                url("url", text);
            }
            for name in headers.keys() {
                if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() || webhook::is_own_header(name) {
                    problems.push(format!("{key}.headers.{name}: not the name of a header that may be set"));
                }
            }
            if let Some(kind) = content_type
                && reqwest::header::HeaderValue::from_str(kind).is_err()
            {
                problems.push(format!("{key}.content_type: not a content type"));
            }
            if let Some(template) = template
                && let Err(what) = webhook::check(template, content_type.as_deref())
            {
                problems.push(format!("{key}.template: {what}"));
            }
        }
        SinkConfig::Ndjson { path, .. } => {
            if path.as_ref().is_some_and(|path| path.file_name().is_none()) {
                problems.push(format!("{key}.path: not the name of a file"));
            }
        }
    }
}

fn check_route(route: &RouteConfig, key: &str, names: &BTreeSet<&str>, problems: &mut Vec<String>) {
    if let Some(Err(what)) = route.severity.as_deref().map(str::parse::<Severity>) {
        problems.push(format!("{key}.severity: {what}"));
    }
    if route.sinks.is_empty() {
        problems.push(format!("{key}.sinks: name at least one sink"));
    }
    for sink in route.sinks.iter().filter(|sink| !names.contains(sink.as_str())) {
        let known = Vec::from_iter(names.iter().copied()).join(", ");
        problems.push(format!("{key}.sinks: there is no sink `{sink}`; there are: {known}"));
    }
    if route.rules.iter().any(|rule| rule.trim().is_empty()) {
        problems.push(format!("{key}.rules: an empty pattern takes nothing; leave the key out to take all"));
    }
    for account in route.accounts.iter().filter(|a| a.len() != 12 || !a.bytes().all(|b| b.is_ascii_digit())) {
        problems.push(format!("{key}.accounts: `{account}` is not an account id of 12 digits"));
    }
}

/// An http or https URL with a host. The error does not repeat the text, which may hold a secret.
pub(crate) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("not a URL ({e})"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("not an http:// or https:// URL".into());
    }
    Ok(url)
}

#[cfg(test)]
mod tests;
