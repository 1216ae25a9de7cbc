//! What an object's key says about it, before a byte is read.
//!
//! The grammar is CloudTrail's ("Getting and viewing your CloudTrail log files"), with the folders of other services
//! that share such buckets. A key only ever skips an object early; what an object holds is decided by its content,
//! since people copy and rename logs.

use std::sync::LazyLock;

use regex::Regex;

/// What a key tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key<'a> {
    /// A log object of CloudTrail, by its folder.
    Log(LogKey<'a>),
    /// Not for us, by its folder or name; a stable word.
    Skip(&'static str),
    /// Nothing known: the content decides.
    Unknown,
}

/// The parts of a log object's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey<'a> {
    /// `o-…` of an organization trail.
    pub organization: Option<&'a str>,
    pub account_id: &'a str,
    pub region: &'a str,
    /// `YYYYMMDDTHHmmZ` of the object's name: the end of the five minutes that it covers.
    pub stamp: Option<&'a str>,
}

static FULL: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"^(?:.*/)?AWSLogs/(?:(o-[a-z0-9]{10,32}|o-[a-z0-9]+)/)?(\d{12})/([A-Za-z0-9_-]+)/(?:([a-z0-9-]+)/)?(.*)$")
});
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(\d{12})_(CloudTrail(?:-Insight|-NetworkActivity)?)_([a-z0-9-]+?)[_-](\d{8}T\d{4}Z?)_?[A-Za-z0-9]*\.json(?:\.gz)?$")
});
static DIGEST: LazyLock<Regex> = LazyLock::new(|| regex(r"\d{12}_CloudTrail-Digest_.+\.json(?:\.gz)?$"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant")
}

/// Reads a key.
pub fn parse(key: &str) -> Key<'_> {
    if key.ends_with('/') {
        return Key::Skip("folder_marker");
    }
    let name = key.rsplit('/').next().unwrap_or(key);
    if DIGEST.is_match(name) {
        return Key::Skip("digest");
    }
    if name == "ConfigWritabilityCheckFile" {
        return Key::Skip("config");
    }
    if name == "ELBAccessLogTestFile" {
        return Key::Skip("elb");
    }
    if let Some(parts) = FULL.captures(key) {
        let folder = parts.get(3).map_or("", |m| m.as_str());
        match folder {
            "CloudTrail" | "CloudTrail-Insight" | "CloudTrail-NetworkActivity" => {
                return Key::Log(LogKey {
                    organization: parts.get(1).map(|m| m.as_str()),
                    account_id: parts.get(2).map_or("", |m| m.as_str()),
                    region: parts.get(4).map_or("", |m| m.as_str()),
                    stamp: NAME.captures(name).and_then(|parts| parts.get(4)).map(|m| m.as_str()),
                });
            }
            _ => {
                if let Some(reason) = other_folder(folder) {
                    return Key::Skip(reason);
                }
            }
        }
    }
    if let Some(parts) = NAME.captures(name) {
        return Key::Log(LogKey {
            organization: None,
            account_id: parts.get(1).map_or("", |m| m.as_str()),
            region: parts.get(3).map_or("", |m| m.as_str()),
            stamp: parts.get(4).map(|m| m.as_str()),
        });
    }
    foreign(key, name)
}

/// Folders beside `CloudTrail` below an account.
fn other_folder(folder: &str) -> Option<&'static str> {
    Some(match folder {
        "CloudTrail-Aggregated" => "aggregated",
        "CloudTrail-Digest" => "digest",
        "CloudTrail-Lake" => "lake_query",
        "Config" => "config",
        "elasticloadbalancing" => "elb",
        "vpcflowlogs" => "vpc_flow",
        "GuardDuty" => "guardduty",
        "WAFLogs" => "waf",
        "vpcdnsquerylogs" => "dns_query",
        "network-firewall" => "network_firewall",
        "redshift" => "redshift",
        _ => return None,
    })
}

/// Things that share buckets and folders with logs, told by their ending.
fn foreign<'a>(key: &str, name: &str) -> Key<'a> {
    let lower = name.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    if key.contains("/CloudTrail-Lake/") || key.starts_with("CloudTrail-Lake/") {
        return Key::Skip("lake_query");
    }
    if ends(&[".parquet", ".orc", ".avro", ".csv", ".csv.gz", ".mmdb", ".sqlite", ".zip", ".tar", ".tar.gz", ".pdf", ".png", ".md", ".html", ".sql", ".toml", ".yaml", ".yml", ".py", ".sh"]) {
        return Key::Skip("not_cloudtrail");
    }
    if ends(&[".log", ".log.gz"]) && lower.contains("elasticloadbalancing") {
        return Key::Skip("elb");
    }
    Key::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log<'a>(key: &'a str) -> LogKey<'a> {
        match parse(key) {
            Key::Log(log) => log,
            other => panic!("{key}: {other:?}"),
        }
    }

    #[test]
    fn reads_every_layout() {
        let name = "111122223333_CloudTrail_us-east-1_20250309T1255Z_AbCdEfGhIjKlMnOp.json.gz";
        for prefix in [
            "AWSLogs/111122223333/CloudTrail/us-east-1/2025/03/09/",
            "sec/ct/AWSLogs/111122223333/CloudTrail/us-east-1/2025/03/09/",
            "",
            "copied/by/hand/",
        ] {
            let key = format!("{prefix}{name}");
            let log = log(&key);
            assert_eq!((log.organization, log.account_id, log.region), (None, "111122223333", "us-east-1"), "{key}");
            assert_eq!(log.stamp, Some("20250309T1255Z"));
        }
    }

    #[test]
    fn appendix_a_22_control_tower_names_the_organization_twice() {
        let key = "o-a1b2c3d4e5/AWSLogs/o-a1b2c3d4e5/111122223333/CloudTrail/eu-west-1/2025/03/09/111122223333_CloudTrail_eu-west-1_20250309T1255Z_AbCdEfGhIjKlMnOp.json.gz";
        assert_eq!(log(key).organization, Some("o-a1b2c3d4e5"));
        assert_eq!(log(key).account_id, "111122223333");
    }

    #[test]
    fn appendix_a_23_old_names_lack_an_underscore() {
        let key = "AWSLogs/111122223333/CloudTrail/us-east-1/2014/03/09/111122223333_CloudTrail_us-east-1_20140309T1255ZAbCdEfGhIjKlMnOp.json.gz";
        assert_eq!(log(key).stamp, Some("20140309T1255Z"));
    }

    #[test]
    fn appendix_a_20_21_skips_what_is_not_a_log() {
        for (key, reason) in [
            ("AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2025/03/09/111122223333_CloudTrail-Digest_us-east-1_my_trail_us-east-1_20250309T125500Z.json.gz", "digest"),
            ("AWSLogs/111122223333/CloudTrail/us-east-1/2025/03/09/111122223333_CloudTrail-Digest_us-east-1_t_us-east-1_20250309T125500Z.json.gz", "digest"),
            ("AWSLogs/111122223333/CloudTrail-Aggregated/us-east-1/2025/03/09/x.json.gz", "aggregated"),
            ("AWSLogs/111122223333/Config/us-east-1/2025/3/9/ConfigHistory/x.json.gz", "config"),
            ("AWSLogs/111122223333/Config/ConfigWritabilityCheckFile", "config"),
            ("AWSLogs/111122223333/elasticloadbalancing/us-east-1/2025/03/09/x.log.gz", "elb"),
            ("AWSLogs/111122223333/vpcflowlogs/us-east-1/2025/03/09/x.log.gz", "vpc_flow"),
            ("p/AWSLogs/o-a1b2c3d4e5/111122223333/GuardDuty/us-east-1/x.jsonl.gz", "guardduty"),
            ("AWSLogs/111122223333/CloudTrail/", "folder_marker"),
            ("AWSLogs/111122223333/CloudTrail-Lake/Query/2025/03/09/x/result_1.csv.gz", "lake_query"),
        ] {
            assert_eq!(parse(key), Key::Skip(reason), "{key}");
        }
    }

    #[test]
    fn unknown_names_are_for_the_content_to_decide() {
        for key in ["events.json", "a/b/export.jsonl", "x", "2025-03-09-12-00-00-ABCDEF0123456789"] {
            assert_eq!(parse(key), Key::Unknown, "{key}");
        }
    }
}
