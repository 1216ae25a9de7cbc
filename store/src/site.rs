//! What the operator knows of their own organisation, and no record says: accounts by name, networks, people and roles of a
//! kind, exceptions. A TOML file, which becomes SQL functions (for rules, too) and tables.
//!
//! A list that ends counts for events before its end, whatever the clock says: so findings stay a function of events, rules
//! and facts, and nothing that was excused comes back when the excuse is over.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::value::Datetime;

use crate::functions::{Network, text_of_text};

mod ask;

use ask::{InSite, OutsideSite};

/// The list of the accounts that are named, without being written.
const OWN_ACCOUNTS: &str = "own_accounts";

/// What is wrong with a file of site facts.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error("cannot read the site facts in {path}")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} holds no site facts: {detail}")]
    Text { path: String, detail: String },
    #[error("{path}: {what}; {remedy}")]
    Fact { path: String, what: String, remedy: &'static str },
}

/// What the operator knows.
#[derive(Debug, Default)]
pub struct Site {
    accounts: Vec<Account>,
    lists: Vec<List>,
    named: HashMap<String, Vec<Matcher>>,
    version: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    id: String,
    name: String,
    owner: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    name: String,
    owner: String,
    reason: String,
    /// A day or a moment; none: since ever.
    begins: Option<Datetime>,
    /// A day, a moment, or `never`.
    expires: Expires,
    values: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Expires {
    At(Datetime),
    Word(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    #[serde(default)]
    account: Vec<Account>,
    #[serde(default)]
    list: Vec<List>,
}

/// A list, ready to be asked.
#[derive(Debug, Default)]
struct Matcher {
    /// µs since the epoch.
    from: Option<i64>,
    until: Option<i64>,
    networks: Vec<Network>,
    words: HashSet<String>,
    patterns: Vec<String>,
}

impl Matcher {
    fn has(&self, value: &str, time: Option<i64>) -> bool {
        let counts = match time {
            Some(time) => self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until),
            // Without a time nobody knows whether it holds.
            None => self.from.is_none() && self.until.is_none(),
        };
        counts
            && (self.words.contains(value)
                || self.patterns.iter().any(|pattern| trailhound_iam::pattern::matches(pattern, value))
                || (!self.networks.is_empty()
                    && value.parse::<IpAddr>().is_ok_and(|ip| self.networks.iter().any(|n| n.contains(ip)))))
    }
}

impl Site {
    /// Reads a file of facts: all of it, or an error that says what to mend.
    pub fn read(path: &Path) -> std::result::Result<Site, SiteError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| SiteError::Read { path: shown.clone(), source })?;
        Site::parse(&text, &shown)
    }

    /// The same of a text; `path` is what errors call it.
    pub fn parse(text: &str, path: &str) -> std::result::Result<Site, SiteError> {
        let facts: Facts = toml::from_str(text)
            .map_err(|e| SiteError::Text { path: path.into(), detail: e.to_string().trim_end().to_owned() })?;
        let wrong = |what: String, remedy| SiteError::Fact { path: path.into(), what, remedy };
        let mut ids = BTreeSet::new();
        for account in &facts.account {
            if account.id.len() != 12 || !account.id.bytes().all(|b| b.is_ascii_digit()) {
                return Err(wrong(format!("`{}` is no account", account.id), "an account's id has twelve digits"));
            }
            if !ids.insert(&account.id) {
                return Err(wrong(format!("account {} is there twice", account.id), "keep one of the two"));
            }
            if account.owner.trim().is_empty() || account.name.trim().is_empty() {
                return Err(wrong(
                    format!("account {} lacks a name or an owner", account.id),
                    "say who answers for it",
                ));
            }
        }
        let mut named: HashMap<String, Vec<Matcher>> = HashMap::new();
        if !facts.account.is_empty() {
            let words = facts.account.iter().map(|account| account.id.clone()).collect();
            named.insert(OWN_ACCOUNTS.into(), vec![Matcher { words, ..Matcher::default() }]);
        }
        for list in &facts.list {
            let matcher =
                matcher(list).map_err(|(what, remedy)| wrong(format!("list `{}`: {what}", list.name), remedy))?;
            named.entry(list.name.clone()).or_default().push(matcher);
        }
        let version = Sha256::digest(text.as_bytes())[..8].iter().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        });
        Ok(Site { accounts: facts.account, lists: facts.list, named, version })
    }

    /// Another text is another version; empty where there are no facts.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Accounts' names by id.
    pub fn account_names(&self) -> BTreeMap<String, String> {
        self.accounts.iter().map(|account| (account.id.clone(), account.name.clone())).collect()
    }

    /// The text with accounts by name, as people read it: `Root of account production (111122223333) …`.
    pub fn name_accounts(&self, text: &str) -> String {
        name_accounts(text, &self.account_names())
    }

    /// Whether a list has a value at a time.
    pub fn has(&self, list: &str, value: &str, time: Option<i64>) -> bool {
        self.named.get(list).is_some_and(|lists| lists.iter().any(|matcher| matcher.has(value, time)))
    }

    /// Makes the functions known to a session, in place of another site's.
    pub fn register_functions(self: &Arc<Self>, session: &SessionContext) {
        session.register_udf(ScalarUDF::new_from_impl(InSite::new(self.clone())));
        session.register_udf(ScalarUDF::new_from_impl(OutsideSite::new(self.clone())));
        let names = self.account_names();
        session.register_udf(text_of_text("account_name", move |id| names.get(id).cloned()));
    }

    /// Makes functions and tables known to a session, in place of another site's.
    pub fn register(self: &Arc<Self>, session: &SessionContext) -> Result<()> {
        self.register_functions(session);
        for (name, table) in [("site_accounts", self.accounts_table()?), ("site_lists", self.lists_table()?)] {
            session.deregister_table(name)?;
            session.register_table(name, Arc::new(MemTable::try_new(table.schema(), vec![vec![table]])?))?;
        }
        Ok(())
    }

    fn accounts_table(&self) -> Result<RecordBatch> {
        table([
            ("account_id", self.accounts.iter().map(|a| Some(a.id.clone())).collect()),
            ("name", self.accounts.iter().map(|a| Some(a.name.clone())).collect()),
            ("owner", self.accounts.iter().map(|a| Some(a.owner.clone())).collect()),
        ])
    }

    fn lists_table(&self) -> Result<RecordBatch> {
        let rows = || self.lists.iter().flat_map(|list| list.values.iter().map(move |value| (list, value)));
        let begins = |list: &List| list.begins.as_ref().map_or("ever".into(), Datetime::to_string);
        let expires = |list: &List| match &list.expires {
            Expires::At(time) => time.to_string(),
            Expires::Word(word) => word.clone(),
        };
        table([
            ("list", rows().map(|(list, _)| Some(list.name.clone())).collect()),
            ("value", rows().map(|(_, value)| Some(value.clone())).collect()),
            ("owner", rows().map(|(list, _)| Some(list.owner.clone())).collect()),
            ("reason", rows().map(|(list, _)| Some(list.reason.clone())).collect()),
            ("begins", rows().map(|(list, _)| Some(begins(list))).collect()),
            ("expires", rows().map(|(list, _)| Some(expires(list))).collect()),
        ])
    }
}

/// The text with names beside accounts' ids, where these stand as words of their own; within ARNs and keys they stay as they are.
pub fn name_accounts(text: &str, names: &BTreeMap<String, String>) -> String {
    let word = |word: &str| {
        let id = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        match names.get(id) {
            Some(name) => word.replacen(id, &format!("{name} ({id})"), 1),
            None => word.to_owned(),
        }
    };
    if names.is_empty() { text.to_owned() } else { text.split(' ').map(word).collect::<Vec<_>>().join(" ") }
}

fn table<const N: usize>(columns: [(&str, StringViewArray); N]) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8View, false)).collect();
    let columns = columns.into_iter().map(|(_, column)| Arc::new(column) as ArrayRef).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

type Wrong = (String, &'static str);

fn matcher(list: &List) -> std::result::Result<Matcher, Wrong> {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if list.name.is_empty() || !list.name.bytes().all(word) {
        return Err(("that is no name".into(), "use small letters, digits and `_`"));
    }
    if list.owner.trim().is_empty() || list.reason.trim().is_empty() {
        return Err(("it lacks an owner or a reason".into(), "say who answers for it, and why it is so"));
    }
    let until = match &list.expires {
        Expires::Word(word) if word == "never" => None,
        Expires::Word(word) => {
            return Err((format!("`{word}` is no day"), "write `expires = 2027-06-30`, or \"never\""));
        }
        Expires::At(time) => Some(bound(time, true).ok_or_else(|| no_time(time))?),
    };
    let from = list.begins.as_ref().map(|time| bound(time, false).ok_or_else(|| no_time(time))).transpose()?;
    if from.zip(until).is_some_and(|(from, until)| until <= from) {
        return Err(("it expires before it begins".into(), "mend one of the two"));
    }
    let mut matcher = Matcher { from, until, ..Matcher::default() };
    for value in &list.values {
        let address = value.split('/').next().is_some_and(|first| first.parse::<IpAddr>().is_ok());
        match Network::parse(value) {
            Some(network) => matcher.networks.push(network),
            None if address => return Err((format!("`{value}` is no network"), "write it as 10.0.0.0/8")),
            None if value.trim().is_empty() => return Err(("it has an empty value".into(), "take it out")),
            None if value.contains(['*', '?']) => matcher.patterns.push(value.clone()),
            None => drop(matcher.words.insert(value.clone())),
        }
    }
    Ok(matcher)
}

fn no_time(time: &Datetime) -> Wrong {
    let remedy = "write a day in UTC, `2027-06-30`, or a moment with its offset, `2027-06-30T22:00:00+02:00`";
    (format!("`{time}` is neither a day nor a moment"), remedy)
}

/// µs since the epoch: a moment, or the beginning or the end of a day in UTC; none for a time of no zone, or of no day.
fn bound(time: &Datetime, end: bool) -> Option<i64> {
    let day = time.date?;
    match (time.time, time.offset) {
        (None, None) => {
            let day = jiff::civil::Date::new(day.year as i16, day.month as i8, day.day as i8).ok()?;
            let midnight = if end { day.tomorrow().ok()? } else { day }.at(0, 0, 0, 0);
            Some(jiff::tz::TimeZone::UTC.to_timestamp(midnight).ok()?.as_microsecond())
        }
        (Some(_), Some(_)) => Some(time.to_string().parse::<jiff::Timestamp>().ok()?.as_microsecond()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
