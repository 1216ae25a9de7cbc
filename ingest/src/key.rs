//! What an object's key says about it, before a byte is read.
//!
//! The grammar is CloudTrail's ("Getting and viewing your CloudTrail log files"), with the folders of other services
//! that share such buckets. A key only ever skips an object early; what an object holds is decided by its content,
//! since people copy and rename logs.

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

/// Reads a key.
pub fn parse(key: &str) -> Key<'_> {
    if key.ends_with('/') {
        return Key::Skip("folder_marker");
    }
    let name = key.rsplit('/').next().unwrap_or(key);
    let stem = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".json");
    if stem.is_some_and(|stem| account(stem).is_some_and(|(_, rest)| rest.starts_with("_CloudTrail-Digest_"))) {
        return Key::Skip("digest");
    }
    if name == "ConfigWritabilityCheckFile" {
        return Key::Skip("config");
    }
    if name == "ELBAccessLogTestFile" {
        return Key::Skip("elb");
    }
    let named = stem.and_then(log_name);
    if let Some(tree) = tree(key) {
        match tree.folder {
            "CloudTrail" | "CloudTrail-Insight" | "CloudTrail-NetworkActivity" => {
                return Key::Log(LogKey {
                    organization: tree.organization,
                    account_id: tree.account_id,
                    region: tree.region,
                    stamp: named.and_then(|log| log.stamp),
                });
            }
            folder => {
                if let Some(reason) = other_folder(folder) {
                    return Key::Skip(reason);
                }
            }
        }
    }
    if let Some(log) = named {
        return Key::Log(log);
    }
    foreign(key, name)
}

/// What stands behind the last `AWSLogs/` that an account follows.
struct Tree<'a> {
    organization: Option<&'a str>,
    account_id: &'a str,
    folder: &'a str,
    region: &'a str,
}

/// `…AWSLogs/{o-…/}{account}/{folder}/{region}/…`.
fn tree(key: &str) -> Option<Tree<'_>> {
    key.rmatch_indices("AWSLogs/").find_map(|(at, marker)| {
        if at > 0 && !key[..at].ends_with('/') {
            return None;
        }
        let mut parts = key[at + marker.len()..].split('/');
        let first = parts.next()?;
        let organization = first.starts_with("o-").then_some(first);
        let account_id = if organization.is_some() { parts.next()? } else { first };
        if !matches!(account(account_id), Some((_, ""))) {
            return None;
        }
        let folder = parts.next()?;
        // A file may stand right in the folder: then no region is named.
        let region = parts.next().filter(|_| parts.next().is_some()).unwrap_or("");
        Some(Tree { organization, account_id, folder, region })
    })
}

/// Twelve digits at the start, and the rest.
fn account(text: &str) -> Option<(&str, &str)> {
    let digits = text.as_bytes().get(..12)?;
    digits.iter().all(u8::is_ascii_digit).then(|| text.split_at(12))
}

/// `{account}_CloudTrail_{region}_{stamp}_{unique}`; what people made of it where the stamp follows a `-`, and what
/// CloudTrail once wrote without the last `_`. A name that was copied may have something before the account.
fn log_name(stem: &str) -> Option<LogKey<'_>> {
    let (at, marker) = ["_CloudTrail_", "_CloudTrail-Insight_", "_CloudTrail-NetworkActivity_"]
        .iter()
        .find_map(|marker| Some((stem.find(marker)?, marker)))?;
    let account_id = stem.get(at.checked_sub(12)?..at).filter(|id| matches!(account(id), Some((_, ""))))?;
    let rest = &stem[at + marker.len()..];
    let stamp_at = rest.as_bytes().windows(14).position(|w| {
        matches!(w[0], b'_' | b'-') && w[9] == b'T' && w[1..9].iter().chain(&w[10..14]).all(u8::is_ascii_digit)
    })?;
    let stamp_end = stamp_at + 14 + usize::from(rest.as_bytes().get(stamp_at + 14) == Some(&b'Z'));
    let region = &rest[..stamp_at];
    let lower = region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (lower && !region.is_empty()).then(|| LogKey {
        organization: None,
        account_id,
        region,
        stamp: rest.get(stamp_at + 1..stamp_end),
    })
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
    if ends(&[
        ".parquet", ".orc", ".avro", ".csv", ".csv.gz", ".mmdb", ".sqlite", ".zip", ".tar", ".tar.gz", ".pdf", ".png",
        ".md", ".html", ".sql", ".toml", ".yaml", ".yml", ".py", ".sh",
    ]) {
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
            (
                "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2025/03/09/111122223333_CloudTrail-Digest_us-east-1_my_trail_us-east-1_20250309T125500Z.json.gz",
                "digest",
            ),
            (
                "AWSLogs/111122223333/CloudTrail/us-east-1/2025/03/09/111122223333_CloudTrail-Digest_us-east-1_t_us-east-1_20250309T125500Z.json.gz",
                "digest",
            ),
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
