//! What a queue's URL says: its name, its region, and who answers there.

use url::{Host, Url};

use super::{QueueConfig, QueueError};
use crate::aws::{endpoint_in_environment, is_region};

/// How a queue is reached, as far as its configuration tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub name: String,
    pub region: Option<String>,
    pub endpoint_url: Option<String>,
}

/// Where AWS' own hosts end.
const AWS_DOMAINS: [&str; 4] = [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"];

impl Address {
    pub fn read(config: &QueueConfig) -> Result<Self, QueueError> {
        let bad = |what: &'static str| QueueError::Url { url: config.url.clone(), what };
        let url = Url::parse(&config.url).map_err(|_| bad("is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("does not begin with https://"));
        }
        let name = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or("");
        if name.is_empty() {
            return Err(bad("does not end in a queue's name"));
        }
        let host = match url.host() {
            Some(Host::Domain(host)) => host.to_ascii_lowercase(),
            _ => String::new(),
        };
        let theirs = AWS_DOMAINS.iter().find_map(|domain| host.strip_suffix(domain));
        let said = theirs.and_then(region);
        if let (Some(wanted), Some(said)) = (&config.region, &said)
            && wanted != said
        {
            return Err(QueueError::Region { url: config.url.clone(), said: said.clone(), wanted: wanted.clone() });
        }
        if config.region.as_deref().is_some_and(|region| !is_region(region)) {
            return Err(bad("comes with a region that is none"));
        }
        // The SDK knows the usual host of a region; any other (an interface endpoint, a stand-in) is the URL's own.
        let usual = theirs.is_some_and(|rest| !rest.contains("vpce"));
        let own = || (!usual && !endpoint_in_environment("SQS")).then(|| url.origin().ascii_serialization());
        Ok(Self {
            name: name.to_string(),
            region: config.region.clone().or(said),
            endpoint_url: config.endpoint_url.clone().or_else(own),
        })
    }
}

/// The region in what stands before AWS' domain: `sqs.eu-west-1`, `vpce-1-2.sqs.eu-west-1.vpce`, `eu-west-1.queue`, and
/// `queue`, which is us-east-1.
fn region(host: &str) -> Option<String> {
    let mut parts = host.split('.').rev().filter(|part| *part != "vpce");
    let found =
        parts.find(|part| is_region(part) && !part.starts_with("sqs-fips") && part.bytes().any(|b| b.is_ascii_digit()));
    found.map(str::to_string).or_else(|| (host == "queue").then(|| "us-east-1".to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_url() {
        for (url, name, region, own) in [
            ("https://sqs.eu-west-1.amazonaws.com/111122223333/logs", "logs", Some("eu-west-1"), false),
            ("https://sqs.cn-north-1.amazonaws.com.cn/111122223333/logs.fifo", "logs.fifo", Some("cn-north-1"), false),
            ("https://sqs-fips.us-gov-west-1.amazonaws.com/1/q", "q", Some("us-gov-west-1"), false),
            ("https://eu-west-1.queue.amazonaws.com/1/q", "q", Some("eu-west-1"), false),
            ("https://queue.amazonaws.com/1/q", "q", Some("us-east-1"), false),
            ("https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com/1/q", "q", Some("eu-west-1"), true),
            ("http://127.0.0.1:5570/000000000000/q", "q", None, true),
            ("http://sqs.us-east-1.localhost.localstack.cloud:4566/0/q", "q", None, true),
        ] {
            let address = Address::read(&QueueConfig::new(url)).unwrap();
            assert_eq!((address.name.as_str(), address.region.as_deref()), (name, region), "{url}");
            assert_eq!(address.endpoint_url.is_some(), own, "{url}");
        }
        let local = Address::read(&QueueConfig::new("http://127.0.0.1:5570/0/q")).unwrap();
        assert_eq!(local.endpoint_url.as_deref(), Some("http://127.0.0.1:5570"));
    }

    #[test]
    fn refuses_what_cannot_be() {
        for url in ["", "logs", "arn:aws:sqs:eu-west-1:1:logs", "ftp://x/y", "https://sqs.eu-west-1.amazonaws.com/"] {
            assert!(matches!(Address::read(&QueueConfig::new(url)), Err(QueueError::Url { .. })), "{url}");
        }
        let elsewhere = QueueConfig {
            region: Some("us-east-1".into()),
            ..QueueConfig::new("https://sqs.eu-west-1.amazonaws.com/1/logs")
        };
        let error = Address::read(&elsewhere).unwrap_err();
        assert!(error.to_string().contains("eu-west-1"), "{error}");
    }
}
