//! Who is asked for: an address, an access key, or a principal by any of its names.

use std::net::IpAddr;

use datafusion::common::ScalarValue;
use datafusion::prelude::{Expr, SessionContext, col, lit, strpos};

use crate::findings::{shell, sql_text};

/// Columns by which a principal may be named.
const PRINCIPAL_COLUMNS: &[&str] = &[
    "principal_key",
    "principal_name",
    "user_identity_arn",
    "user_identity_principal_id",
    "session_issuer_arn",
    "session_name",
];
/// How access key ids begin: long-term, temporary, bearer tokens of services.
const KEY_PREFIXES: &[&str] = &["AKIA", "ASIA", "ABIA", "ACCA"];
/// Similar principals that are named where nobody has the name that was asked for.
const SIMILAR_MAX: usize = 10;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Address(String),
    Key(String),
    Principal(String),
    /// A user, or root, as findings name them: `ana of 111122223333`.
    OfAccount(String, String),
}

impl Who {
    /// Tells by its form what a word is.
    pub fn parse(word: &str) -> Who {
        let word = word.trim();
        if let Ok(address) = word.parse::<IpAddr>() {
            return Who::Address(address.to_string());
        }
        let is_key = word.len() >= 16
            && KEY_PREFIXES.iter().any(|prefix| word.starts_with(prefix))
            && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        match word.rsplit_once(" of ") {
            _ if is_key => Who::Key(word.into()),
            Some((name, account)) if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) => {
                Who::OfAccount(name.into(), account.into())
            }
            _ => Who::Principal(word.into()),
        }
    }

    pub fn title(&self) -> String {
        match self {
            Who::Address(address) => format!("address {address}"),
            Who::Key(key) if key.starts_with("AKIA") => format!("access key {key} (long-term)"),
            Who::Key(key) => format!("access key {key} (temporary)"),
            Who::Principal(name) => format!("principal {name}"),
            Who::OfAccount(name, account) => format!("{name} of account {account}"),
        }
    }

    /// Columns and values, all of one of these lists.
    fn any_of(&self) -> Vec<Vec<(&'static str, &str)>> {
        match self {
            Who::Address(address) => vec![vec![("source_ip", address)]],
            // Also the event that made the key.
            Who::Key(key) => vec![vec![("user_identity_access_key_id", key)], vec![("response_access_key_id", key)]],
            Who::Principal(name) => PRINCIPAL_COLUMNS.iter().map(|column| vec![(*column, name.as_str())]).collect(),
            Who::OfAccount(name, account) => {
                vec![vec![("principal_name", name), ("user_identity_account_id", account), ("session_name", "")]]
            }
        }
    }

    /// The events in question.
    pub fn filter(&self) -> Expr {
        let is = |(column, value): &(&str, &str)| match *value {
            "" => col(*column).is_null(),
            value => col(*column).eq(lit(ScalarValue::Utf8View(Some(value.to_owned())))),
        };
        let all = |columns: &Vec<(&str, &str)>| columns.iter().map(is).reduce(Expr::and);
        self.any_of().iter().filter_map(all).reduce(Expr::or).unwrap_or_else(|| lit(false))
    }

    /// The counts in question, for what is counted by.
    pub fn counted(&self) -> Option<Expr> {
        let is = |column: &str, value: &str| col(column).eq(lit(ScalarValue::Utf8View(Some(value.to_owned()))));
        match self {
            Who::Address(_) => None,
            Who::Key(key) => Some(is("access_key_id", key)),
            Who::Principal(name) => Some(is("principal_key", name).or(is("principal_name", name))),
            Who::OfAccount(name, account) => Some(is("principal_name", name).and(is("account_id", account))),
        }
    }

    /// The same as a statement to go on with, quoted for a shell.
    pub fn statement(&self) -> String {
        let is = |(column, value): &(&str, &str)| match *value {
            "" => format!("{column} IS NULL"),
            value => format!("{column} = {}", sql_text(value)),
        };
        let all = |columns: &Vec<(&str, &str)>| columns.iter().map(is).collect::<Vec<_>>().join(" AND ");
        let any: Vec<String> = self.any_of().iter().map(all).collect();
        shell(&format!("SELECT * FROM events WHERE {} ORDER BY event_time", any.join(" OR ")))
    }
}

/// What to say where no event names them: similar principals, if there are any.
pub async fn unknown(session: &SessionContext, who: &Who) -> anyhow::Result<String> {
    let mut text = format!("no event names the {}", who.title());
    if let Who::Principal(name) = who {
        let part = || lit(name.to_lowercase());
        let lower = |column: &str| datafusion::prelude::lower(col(column));
        let within = |column: &str| strpos(lower(column), part()).gt(lit(0));
        let similar =
            session.table("principals").await?.filter(within("principal_name").or(within("principal_key")))?;
        let similar = similar.select_columns(&["principal_key"])?.sort(vec![col("principal_key").sort(true, false)])?;
        let names: Vec<String> =
            super::rows(similar.limit(0, Some(SIMILAR_MAX))?).await?.into_iter().flatten().collect();
        match names.is_empty() {
            true => text.push_str("; write a principal's key, name or ARN, an access key id, or an address"),
            false => text.push_str(&format!("; similar ones are\n  {}", names.join("\n  "))),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_tells_what_it_is() {
        for (word, who) in [
            ("203.0.113.7", Who::Address("203.0.113.7".into())),
            ("2001:DB8:0::1", Who::Address("2001:db8::1".into())),
            ("AKIAIOSFODNN7EXAMPLE", Who::Key("AKIAIOSFODNN7EXAMPLE".into())),
            ("AKIA", Who::Principal("AKIA".into())),
            ("root:123456789012", Who::Principal("root:123456789012".into())),
            ("ana of 123456789012", Who::OfAccount("ana".into(), "123456789012".into())),
            ("king of 1234", Who::Principal("king of 1234".into())),
            ("arn:aws:iam::123456789012:user/ann", Who::Principal("arn:aws:iam::123456789012:user/ann".into())),
        ] {
            assert_eq!(Who::parse(word), who);
        }
    }

    #[test]
    fn a_hostile_name_stays_a_value() {
        let who = Who::parse("x' OR '1'='1");
        assert!(who.statement().contains("principal_key = 'x'' OR ''1''=''1'"), "{}", who.statement());
        assert!(who.filter().to_string().contains("x' OR '1'='1"), "one literal: {}", who.filter());
    }
}
