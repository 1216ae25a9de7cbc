//! Where a call came from, as far as `sourceIPAddress` tells.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What `sourceIPAddress` is; not always an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// An address of the internet: the caller's egress, perhaps a NAT.
    Public,
    /// RFC 1918, shared address space, unique local: seen through a VPC endpoint; means something only there.
    Private,
    /// The DNS name of an AWS service that made the call.
    AwsService,
    /// `AWS Internal` and its like.
    AwsInternal,
    /// Nothing, masked, reserved or unreadable.
    Other,
}

impl SourceKind {
    pub fn as_str(self) -> &'static str {
        match self {
            SourceKind::Public => "public",
            SourceKind::Private => "private",
            SourceKind::AwsService => "aws_service",
            SourceKind::AwsInternal => "aws_internal",
            SourceKind::Other => "other",
        }
    }
}

/// The kind of a `sourceIPAddress`, and the address where it is one.
pub fn classify(source: &str) -> (SourceKind, Option<IpAddr>) {
    if let Ok(address) = source.parse::<IpAddr>() {
        let address = address.to_canonical();
        let kind = match address {
            IpAddr::V4(v4) => v4_kind(v4),
            IpAddr::V6(v6) => v6_kind(v6),
        };
        return (kind, Some(address));
    }
    let ends = |suffix: &str| {
        source.len() > suffix.len()
            && source.is_char_boundary(source.len() - suffix.len())
            && source[source.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
    };
    let kind = if ends(".amazonaws.com") || ends(".amazonaws.com.cn") {
        SourceKind::AwsService
    } else if source.get(..12).is_some_and(|head| head.eq_ignore_ascii_case("AWS Internal")) {
        SourceKind::AwsInternal
    } else {
        SourceKind::Other
    };
    (kind, None)
}

/// Documentation networks count as public: samples and tests live there.
fn v4_kind(address: Ipv4Addr) -> SourceKind {
    let [a, b, ..] = address.octets();
    if address.is_private() || (a == 100 && (64..128).contains(&b)) {
        SourceKind::Private
    } else if a == 0 || a >= 224 || address.is_loopback() || address.is_link_local() {
        SourceKind::Other
    } else {
        SourceKind::Public
    }
}

fn v6_kind(address: Ipv6Addr) -> SourceKind {
    let head = address.segments()[0];
    if head & 0xfe00 == 0xfc00 {
        SourceKind::Private
    } else if address.is_loopback() || address.is_unspecified() || address.is_multicast() || head & 0xffc0 == 0xfe80 {
        SourceKind::Other
    } else {
        SourceKind::Public
    }
}

/// The network that stands for a source in baselines: the autonomous system if known, else /24 or /48; for private
/// addresses the VPC endpoint; for services the service.
pub fn network(
    source: &str,
    kind: SourceKind,
    address: Option<IpAddr>,
    asn: Option<u32>,
    vpc_endpoint: Option<&str>,
) -> Option<String> {
    match kind {
        SourceKind::Public => Some(match (asn, address?) {
            (Some(asn), _) => format!("AS{asn}"),
            (None, IpAddr::V4(v4)) => {
                let [a, b, c, _] = v4.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            (None, IpAddr::V6(v6)) => {
                let [a, b, c, ..] = v6.segments();
                format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
        }),
        SourceKind::Private => Some(vpc_endpoint.map_or_else(|| "private".to_string(), |id| format!("vpce:{id}"))),
        SourceKind::AwsService => Some(source.to_ascii_lowercase()),
        SourceKind::AwsInternal => Some("aws-internal".to_string()),
        SourceKind::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, kind: SourceKind, net: Option<&str>) {
        let (found, address) = classify(source);
        assert_eq!(found, kind, "{source}");
        assert_eq!(network(source, found, address, None, Some("vpce-1")).as_deref(), net, "{source}");
    }

    #[test]
    fn appendix_a_39_tells_sources_apart() {
        use SourceKind::*;
        check("198.51.100.7", Public, Some("198.51.100.0/24"));
        check("2001:db8:1:2::9", Public, Some("2001:db8:1::/48"));
        check("::ffff:198.51.100.7", Public, Some("198.51.100.0/24"));
        check("10.8.8.10", Private, Some("vpce:vpce-1"));
        check("100.64.0.1", Private, Some("vpce:vpce-1"));
        check("fd00::1", Private, Some("vpce:vpce-1"));
        check("cloudtrail.amazonaws.com", AwsService, Some("cloudtrail.amazonaws.com"));
        check("ec2.amazonaws.com.cn", AwsService, Some("ec2.amazonaws.com.cn"));
        check("AWS Internal", AwsInternal, Some("aws-internal"));
        check("AWS Internal/3", AwsInternal, Some("aws-internal"));
        for source in [
            "",
            "-",
            "HIDDEN_DUE_TO_SECURITY_REASONS",
            "300.1.2.3",
            "241.1.2.3",
            "127.0.0.1",
            "1.2.3.4, 5.6.7.8",
            "évil.amazonaws.co",
        ] {
            check(source, Other, None);
        }
    }

    #[test]
    fn a_known_autonomous_system_is_the_network() {
        let (kind, address) = classify("198.51.100.7");
        assert_eq!(network("198.51.100.7", kind, address, Some(64500), None).as_deref(), Some("AS64500"));
    }
}
