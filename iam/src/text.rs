//! The questions that rules ask, on text: a policy document, or request parameters that hold one.
//!
//! Text that holds no readable document answers as an empty document would: it grants nothing and lets nobody in.

use crate::request::read;

/// Whether the document in this text makes an administrator: it grants everything, or the power over identities
/// that is one call away from everything ([`Document::grants_iam_admin`](crate::Document::grants_iam_admin), true
/// wherever [`Document::grants_admin`](crate::Document::grants_admin) is).
pub fn grants_admin(text: &str) -> bool {
    read(text).grants_iam_admin()
}

/// [`Document::is_public`](crate::Document::is_public) of the document in this text.
pub fn public(text: &str) -> bool {
    read(text).is_public()
}

/// [`Document::foreign_accounts`](crate::Document::foreign_accounts) of the document in this text, with commas
/// between; none where there are none.
pub fn foreign_accounts(text: &str, own: &str) -> Option<String> {
    let document = read(text);
    let accounts: Vec<&str> = document.foreign_accounts(own).into_iter().collect();
    (!accounts.is_empty()).then(|| accounts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            (grants_admin(&text), public(&text), foreign_accounts(&text, "111122223333"));
        }

        #[test]
        fn nor_does_what_looks_like_a_policy(text in policy_like()) {
            (grants_admin(&text), public(&text), foreign_accounts(&text, "111122223333"));
        }

        #[test]
        fn encoding_for_a_url_changes_nothing(text in policy_like()) {
            use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
            let encoded = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(read(&encoded), read(&text));
        }
    }

    /// Documents of the right shape with all sorts in the wrong places.
    fn policy_like() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("\"*\"".to_owned()),
            Just("\"Allow\"".to_owned()),
            Just("\"arn:aws:iam::111122223333:root\"".to_owned()),
            Just("null".to_owned()),
            Just("7".to_owned()),
            "[a-z:*?%+]{0,12}".prop_map(|s| format!("\"{s}\"")),
        ];
        let value = leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(","))),
                prop::collection::vec((name(), inner), 0..5).prop_map(|members| {
                    let members: Vec<String> = members.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        });
        value.prop_map(|v| format!("{{\"Statement\":{v}}}"))
    }

    fn name() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "Effect",
            "Action",
            "NotAction",
            "Resource",
            "Principal",
            "NotPrincipal",
            "AWS",
            "Condition",
            "StringLike",
            "aws:SourceIp",
            "IpAddress",
            "policy",
        ])
    }
}
