//! Who a resource's or a role's policy speaks of.

/// One value of `Principal` or `NotPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// `"*"`, or `"*"` under `AWS`: everybody, with credentials or without.
    Everyone,
    /// Under `AWS`: an account id, an ARN of an account, user, role or session, or the id that IAM puts in the place
    /// of a principal that was deleted.
    Aws(String),
    /// Under `Service`: a service's DNS name.
    Service(String),
    /// Under `Federated`: the ARN of a SAML or OIDC provider, or a well-known provider's name.
    Federated(String),
    /// Under `CanonicalUser` (S3's own account ids) or a kind that is not known here.
    Other { kind: String, value: String },
}

impl Principal {
    pub(crate) fn new(kind: &str, value: &str) -> Principal {
        if value == "*" && (kind.is_empty() || kind.eq_ignore_ascii_case("AWS")) {
            return Principal::Everyone;
        }
        match kind.to_ascii_lowercase().as_str() {
            "aws" => Principal::Aws(value.to_owned()),
            "service" => Principal::Service(value.to_owned()),
            "federated" => Principal::Federated(value.to_owned()),
            _ => Principal::Other { kind: kind.to_owned(), value: value.to_owned() },
        }
    }

    /// The account of an AWS principal, where it is written.
    pub fn account(&self) -> Option<&str> {
        match self {
            Principal::Aws(value) => account_in(value),
            _ => None,
        }
    }
}

/// The account id in a bare id or an ARN (`arn:aws:iam::111122223333:root`).
pub fn account_in(id_or_arn: &str) -> Option<&str> {
    let account = if id_or_arn.starts_with("arn:") { id_or_arn.split(':').nth(4)? } else { id_or_arn };
    (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())).then_some(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_of_principals() {
        for (value, expected) in [
            ("111122223333", Some("111122223333")),
            ("arn:aws:iam::111122223333:root", Some("111122223333")),
            ("arn:aws-cn:sts::111122223333:assumed-role/Deploy/run-7", Some("111122223333")),
            ("arn:aws:iam::*:root", None),
            ("AROAEXAMPLEROLE000001", None),
            ("11112222333", None),
            ("arn:", None),
        ] {
            assert_eq!(Principal::new("AWS", value).account(), expected, "{value}");
        }
        assert_eq!(Principal::new("Service", "111122223333").account(), None);
    }

    #[test]
    fn everyone_is_a_star_under_aws_or_alone() {
        assert_eq!(Principal::new("", "*"), Principal::Everyone);
        assert_eq!(Principal::new("aws", "*"), Principal::Everyone);
        assert_eq!(Principal::new("Service", "*"), Principal::Service("*".into()));
        assert_ne!(Principal::new("Federated", "*"), Principal::Everyone);
    }
}
