//! Which incidents go to which sinks.

use trailhound_detect::Severity;

use crate::config::RouteConfig;

/// A route with its words understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    severity: Severity,
    rules: Vec<String>,
    accounts: Vec<String>,
    pub sinks: Vec<String>,
}

/// What a route looks at: of an incident every pair of rule and account that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub rule: String,
    pub severity: Severity,
    pub account: Option<String>,
}

impl Route {
    /// A route that was checked: an unknown severity would take everything.
    pub fn new(config: &RouteConfig) -> Self {
        Route {
            severity: config.severity.as_deref().and_then(|s| s.parse().ok()).unwrap_or(Severity::Info),
            rules: config.rules.clone(),
            accounts: config.accounts.clone(),
            sinks: config.sinks.clone(),
        }
    }

    /// Whether one finding passes every filter.
    pub fn takes(&self, subject: &Subject) -> bool {
        subject.severity >= self.severity
            && (self.rules.is_empty() || self.rules.iter().any(|pattern| matches(pattern, &subject.rule)))
            && (self.accounts.is_empty() || subject.account.as_ref().is_some_and(|a| self.accounts.contains(a)))
    }
}

/// Whether a text has the form of a pattern in which `*` stands for anything, also for nothing.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("iam/*", "iam/key", true),
            ("iam/*", "s3/iam/key", false),
            ("*", "", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "ac", false),
            ("a*a", "a", false),
            ("iam/key", "iam/key", true),
            ("iam/key", "iam/key2", false),
            ("*key", "iam/key", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn every_filter_must_pass_for_one_finding() {
        let route = Route::new(&RouteConfig {
            severity: Some("high".into()),
            rules: vec!["iam/*".into()],
            accounts: vec!["111122223333".into()],
            sinks: Vec::new(),
        });
        let subject = |rule: &str, severity, account: Option<&str>| Subject {
            rule: rule.into(),
            severity,
            account: account.map(str::to_owned),
        };
        assert!(route.takes(&subject("iam/a", Severity::Critical, Some("111122223333"))));
        assert!(!route.takes(&subject("iam/a", Severity::Medium, Some("111122223333"))));
        assert!(!route.takes(&subject("s3/a", Severity::High, Some("111122223333"))));
        assert!(!route.takes(&subject("iam/a", Severity::High, None)));
        assert!(Route::new(&RouteConfig::default()).takes(&subject("s3/a", Severity::Info, None)));
    }
}
