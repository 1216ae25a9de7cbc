//! Which event names exist: IAM's action catalogue and a list of what CloudTrail writes beside it.
//!
//! A rule that waits for an event that nobody ever writes is silent for ever, so its author should hear of it. Only
//! `check` asks: a running service must not refuse a rule because AWS added an API since the catalogue was made.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use trailhound_iam::{Access, Catalogue};

use crate::problem::nearest;

static MORE: &str = include_str!("../data/event_names_more.txt");

/// Names by event source (without `.amazonaws.com`).
pub struct EventNames {
    by_source: HashMap<&'static str, HashSet<&'static str>>,
    /// CloudTrail's name of a source → IAM's prefix.
    aliases: HashMap<&'static str, &'static str>,
}

impl EventNames {
    /// The catalogue that is built in.
    pub fn shipped() -> &'static EventNames {
        static SHIPPED: LazyLock<EventNames> = LazyLock::new(|| {
            let mut names = EventNames { by_source: HashMap::new(), aliases: HashMap::new() };
            for (prefix, actions) in Catalogue::shipped().services() {
                names.by_source.entry(prefix).or_default().extend(actions.map(|(name, _)| name));
            }
            names.read(MORE);
            names
        });
        &SHIPPED
    }

    fn read(&mut self, text: &'static str) {
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            if let Some((source, names)) = line.split_once(": ") {
                self.by_source.entry(source).or_default().extend(names.split(' '));
            } else if let Some((source, prefix)) = line.split_once(" = ") {
                self.aliases.insert(source, prefix);
            }
        }
    }

    /// IAM's prefix of an event source: `cloudwatch` for `monitoring.amazonaws.com`.
    pub fn service<'s>(&self, source: &'s str) -> &'s str {
        let prefix = source_prefix(source);
        self.aliases.get(prefix).copied().unwrap_or(prefix)
    }

    pub fn has_source(&self, source: &str) -> bool {
        let prefix = source_prefix(source);
        source.ends_with(DOMAIN)
            && (self.by_source.contains_key(prefix) || self.by_source.contains_key(self.service(source)))
    }

    /// Whether a source writes events of this name. The API version that some services append does not matter.
    pub fn has(&self, source: &str, name: &str) -> bool {
        let name = unversioned(name);
        let knows = |s: &str| self.by_source.get(s).is_some_and(|names| names.contains(name));
        knows(source_prefix(source)) || knows(self.service(source))
    }

    /// What an event's action lets one do, where IAM's catalogue knows an action of the event's name.
    pub fn access(&self, source: &str, name: &str) -> Option<Access> {
        Catalogue::shipped().access(self.service(source), unversioned(name))
    }

    /// Whether any source writes events of this name.
    pub fn has_anywhere(&self, name: &str) -> bool {
        let name = unversioned(name);
        self.by_source.values().any(|names| names.contains(name))
    }

    /// One name of a source, to begin a new rule with: the first in order.
    pub fn example(&self, source: &str) -> Option<&'static str> {
        let names = |s: &str| self.by_source.get(s).and_then(|names| names.iter().copied().min());
        names(self.service(source)).or_else(|| names(source_prefix(source)))
    }

    /// The nearest name that exists, among those of the sources where any are given.
    pub fn nearest_name(&self, sources: &[&str], name: &str) -> Option<&'static str> {
        let of = |s: &str| self.by_source.get(s).into_iter().flatten().copied();
        let known: Vec<&'static str> = match sources {
            [] => self.by_source.values().flatten().copied().collect(),
            some => some.iter().flat_map(|s| of(source_prefix(s)).chain(of(self.service(s)))).collect(),
        };
        nearest(unversioned(name), known)
    }

    pub fn nearest_source(&self, source: &str) -> Option<String> {
        let known = self.by_source.keys().chain(self.aliases.keys()).copied();
        nearest(source_prefix(source), known).map(|s| format!("{s}{DOMAIN}"))
    }
}

const DOMAIN: &str = ".amazonaws.com";

/// `iam` of `iam.amazonaws.com`.
pub fn source_prefix(source: &str) -> &str {
    source.strip_suffix(DOMAIN).unwrap_or(source)
}

/// An event name without the API version that Lambda and some others append: `ListFunctions20150331`,
/// `UpdateFunctionCode20150331v2`, `CreateDistribution2020_05_31`.
pub fn unversioned(name: &str) -> &str {
    let bytes = name.as_bytes();
    let digits_end = match name.rfind('v') {
        Some(v)
            if v + 1 < bytes.len()
                && v > 0
                && bytes[v - 1].is_ascii_digit()
                && bytes[v + 1..].iter().all(u8::is_ascii_digit) =>
        {
            v
        }
        _ => bytes.len(),
    };
    let mut start = digits_end;
    let mut digits = 0;
    while start > 0 && digits < 8 && (bytes[start - 1].is_ascii_digit() || bytes[start - 1] == b'_') {
        start -= 1;
        digits += usize::from(bytes[start].is_ascii_digit());
    }
    if digits == 8 && bytes[start..digits_end].starts_with(b"20") { name[..start].trim_end_matches('_') } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_under_cloudtrails_spelling() {
        let names = EventNames::shipped();
        for (source, name) in [
            ("iam.amazonaws.com", "CreateAccessKey"),
            ("signin.amazonaws.com", "ConsoleLogin"),
            ("monitoring.amazonaws.com", "DeleteAlarms"),
            ("s3.amazonaws.com", "ListObjectsV2"),
            ("lambda.amazonaws.com", "UpdateFunctionCode20150331v2"),
            ("kms.amazonaws.com", "ScheduleKeyDeletion"),
        ] {
            assert!(names.has_source(source) && names.has(source, name), "{source} {name}");
        }
        assert!(!names.has("iam.amazonaws.com", "CreateAccesKey"));
        assert_eq!(names.nearest_name(&["iam.amazonaws.com"], "CreateAccesKey"), Some("CreateAccessKey"));
        assert!(!names.has_source("iam") && !names.has_source("iamm.amazonaws.com"));
        assert_eq!(names.nearest_source("cloudtrial.amazonaws.com").as_deref(), Some("cloudtrail.amazonaws.com"));
    }

    #[test]
    fn api_versions_are_taken_off() {
        for (name, expected) in [
            ("ListFunctions20150331", "ListFunctions"),
            ("UpdateFunctionCode20150331v2", "UpdateFunctionCode"),
            ("CreateDistribution2020_05_31", "CreateDistribution"),
            ("Put_2020_05_31v10", "Put"),
            ("ListObjectsV2", "ListObjectsV2"),
            ("Invoke", "Invoke"),
            ("v", "v"),
            ("20150331", ""),
        ] {
            assert_eq!(unversioned(name), expected, "{name}");
        }
    }
}
