//! Conditions of a statement, as far as they say *who* is meant or that nothing is asked at all.

use crate::pattern;

/// One line of a `Condition` block: an operator, a key and the values of which one has to fit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// As written: `StringEquals`, `ForAnyValue:StringLike`, `ArnLikeIfExists` …
    pub operator: String,
    /// As written; IAM compares keys without regard to case.
    pub key: String,
    pub values: Vec<String>,
}

/// Keys by which AWS itself judges that a policy is not open to the world (S3 User Guide, "The meaning of public"),
/// with those that later came to mean the same for organisations and for other services.
const CALLER_KEYS: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpcarn",
    "aws:sourcevpce",
    "aws:userid",
    "aws:vpceaccount",
    "aws:vpceorgid",
    "aws:vpcsourceip",
    "kms:calleraccount",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
];

/// What an operator asks, without its prefix and suffix.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// A value must equal or resemble one of those given.
    Is,
    /// No value may.
    IsNot,
    /// Dates, numbers, booleans, presence: nothing about who calls.
    Else,
}

impl Condition {
    pub fn key_is(&self, key: &str) -> bool {
        self.key.eq_ignore_ascii_case(key)
    }

    /// Whether the condition, in an Allow statement, admits only callers, networks or services that it names.
    ///
    /// False for negations, for `…IfExists` and `ForAllValues:` (met by a request without the key, as an anonymous
    /// one is), for wildcards alone, and for address ranges wider than /8 (IPv6: /32), as AWS draws the line.
    pub fn names_caller(&self) -> bool {
        let (asks, if_absent) = self.asks();
        asks == Asks::Is && !if_absent && self.is_caller_key() && self.is_narrow()
    }

    /// Whether the condition, in a Deny statement, shuts out everybody but the callers that it names
    /// (`StringNotEquals` on `aws:PrincipalOrgID`: the usual data perimeter).
    pub fn spares_only_named_caller(&self) -> bool {
        self.asks().0 == Asks::IsNot && self.is_caller_key() && self.is_narrow()
    }

    /// Whether the condition asks nothing: a wildcard alone, every address, or encryption on the way, which every
    /// call of the API has.
    pub fn asks_nothing(&self) -> bool {
        let any_value =
            |like: &str| self.operator_name().ends_with(like) && self.values.iter().any(|v| pattern::is_anything(v));
        let every_address = || self.operator_name() == "ipaddress" && self.values.iter().any(|v| v.ends_with("/0"));
        let encrypted = || {
            self.key_is("aws:SecureTransport")
                && self.operator_name() == "bool"
                && self.values.iter().any(|v| v.eq_ignore_ascii_case("true"))
        };
        self.asks().0 == Asks::Is && (any_value("like") || every_address()) || encrypted()
    }

    /// Whether an external id has to be given (`sts:ExternalId`), whatever it is.
    pub fn wants_external_id(&self) -> bool {
        let (asks, if_absent) = self.asks();
        self.key_is("sts:ExternalId")
            && asks == Asks::Is
            && !if_absent
            && !self.values.iter().any(|v| pattern::is_anything(v))
    }

    fn is_caller_key(&self) -> bool {
        CALLER_KEYS.binary_search(&self.key.to_ascii_lowercase().as_str()).is_ok()
    }

    /// Every value names something: no bare wildcard, no range of a great part of the Internet.
    fn is_narrow(&self) -> bool {
        let narrow = |value: &String| match value.rsplit_once('/') {
            Some((address, bits)) if self.operator_name().ends_with("ipaddress") => {
                bits.parse::<u8>().is_ok_and(|bits| bits >= if address.contains(':') { 32 } else { 8 })
            }
            _ => value.bytes().any(|b| !matches!(b, b'*' | b'?' | b':' | b'/')) && !value.starts_with("arn:*:*:*:*"),
        };
        !self.values.is_empty() && self.values.iter().all(narrow)
    }

    /// What is asked, and whether a request without the key passes.
    fn asks(&self) -> (Asks, bool) {
        let lower = self.operator.to_ascii_lowercase();
        let if_absent = lower.ends_with("ifexists") || lower.starts_with("forallvalues:");
        let asks = match self.operator_name().as_str() {
            "stringequals" | "stringequalsignorecase" | "stringlike" | "arnequals" | "arnlike" | "ipaddress" => {
                Asks::Is
            }
            "stringnotequals"
            | "stringnotequalsignorecase"
            | "stringnotlike"
            | "arnnotequals"
            | "arnnotlike"
            | "notipaddress" => Asks::IsNot,
            _ => Asks::Else,
        };
        (asks, if_absent)
    }

    /// The operator in lower case without `ForAnyValue:`, `ForAllValues:` and `IfExists`.
    fn operator_name(&self) -> String {
        let lower = self.operator.to_ascii_lowercase();
        let bare = lower.rsplit_once(':').map_or(lower.as_str(), |(_, name)| name);
        bare.strip_suffix("ifexists").unwrap_or(bare).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(operator: &str, key: &str, values: &[&str]) -> Condition {
        Condition { operator: operator.into(), key: key.into(), values: values.iter().map(|v| v.to_string()).collect() }
    }

    #[test]
    fn keys_are_sorted_for_the_search() {
        assert!(CALLER_KEYS.is_sorted());
    }

    #[test]
    fn conditions_that_name_the_caller() {
        for (operator, key, values, expected) in [
            ("StringEquals", "aws:PrincipalOrgID", &["o-abcde12345"][..], true),
            ("stringequals", "AWS:principalorgid", &["o-abcde12345"], true),
            ("ArnLike", "aws:SourceArn", &["arn:aws:sns:eu-west-1:111122223333:topic"], true),
            ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", &["o-abcde12345/r-ab12/*"], true),
            ("ForAllValues:StringEquals", "aws:PrincipalOrgID", &["o-abcde12345"], false),
            ("StringEqualsIfExists", "aws:SourceVpce", &["vpce-0a1b2c3d"], false),
            ("StringNotEquals", "aws:SourceVpce", &["vpce-0a1b2c3d"], false),
            ("StringLike", "aws:PrincipalArn", &["*"], false),
            ("ArnLike", "aws:PrincipalArn", &["arn:*:*:*:*:*"], false),
            ("IpAddress", "aws:SourceIp", &["198.51.100.0/24"], true),
            ("IpAddress", "aws:SourceIp", &["198.51.100.7"], true),
            ("IpAddress", "aws:SourceIp", &["0.0.0.0/0"], false),
            ("IpAddress", "aws:SourceIp", &["198.51.100.0/24", "128.0.0.0/1"], false),
            ("IpAddress", "aws:SourceIp", &["2001:db8::/31"], false),
            ("Bool", "aws:SecureTransport", &["true"], false),
            ("StringEquals", "s3:x-amz-acl", &["private"], false),
            ("StringEquals", "aws:PrincipalOrgID", &[], false),
        ] {
            assert_eq!(condition(operator, key, values).names_caller(), expected, "{operator} {key} {values:?}");
        }
    }

    #[test]
    fn conditions_that_ask_nothing() {
        for (operator, key, values, expected) in [
            ("StringLike", "aws:PrincipalArn", &["*"][..], true),
            ("Bool", "aws:SecureTransport", &["true"], true),
            ("Bool", "aws:MultiFactorAuthPresent", &["true"], false),
            ("IpAddress", "aws:SourceIp", &["0.0.0.0/0"], true),
            ("IpAddress", "aws:SourceIp", &["10.0.0.0/8"], false),
            ("StringEquals", "aws:PrincipalTag/team", &["*"], false),
            ("StringNotLike", "aws:PrincipalArn", &["*"], false),
        ] {
            assert_eq!(condition(operator, key, values).asks_nothing(), expected, "{operator} {key} {values:?}");
        }
    }

    #[test]
    fn external_ids() {
        assert!(condition("StringEquals", "STS:ExternalId", &["4711"]).wants_external_id());
        assert!(!condition("StringLike", "sts:ExternalId", &["*"]).wants_external_id());
        assert!(!condition("StringEqualsIfExists", "sts:ExternalId", &["4711"]).wants_external_id());
    }
}
