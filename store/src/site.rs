//! What the operator knows of their own organisation, and no record says: accounts by name, networks, people and roles of a
//! kind, exceptions. A TOML file, which becomes SQL functions (for rules, too) and tables.
//!
//! A list that ends counts for events before its end, whatever the clock says: so findings stay a function of events, rules
//! and facts, and nothing that was excused comes back when the excuse is over.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit, TimestampMicrosecondType};
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility, lit,
};
use datafusion::prelude::SessionContext;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::functions::{Network, Texts, text_of_text};

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
    /// A day, or `never`.
    expires: Expires,
    values: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Expires {
    Day(toml::value::Datetime),
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
#[derive(Debug)]
struct Matcher {
    /// µs since the epoch.
    until: Option<i64>,
    networks: Vec<Network>,
    words: HashSet<String>,
    patterns: Vec<String>,
}

impl Matcher {
    fn has(&self, value: &str, time: Option<i64>) -> bool {
        let counts = match (self.until, time) {
            (None, _) => true,
            (Some(until), Some(time)) => time < until,
            // Without a time nobody knows whether it still holds.
            (Some(_), None) => false,
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

    /// Whether a list has a value at a time.
    pub fn has(&self, list: &str, value: &str, time: Option<i64>) -> bool {
        self.named.get(list).is_some_and(|lists| lists.iter().any(|matcher| matcher.has(value, time)))
    }

    /// Makes the functions known to a session, in place of another site's.
    pub fn register_functions(self: &Arc<Self>, session: &SessionContext) {
        session.register_udf(ScalarUDF::new_from_impl(InSite::new(self.clone())));
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
        let expires = |list: &List| match &list.expires {
            Expires::Day(day) => day.to_string(),
            Expires::Word(word) => word.clone(),
        };
        table([
            ("list", rows().map(|(list, _)| Some(list.name.clone())).collect()),
            ("value", rows().map(|(_, value)| Some(value.clone())).collect()),
            ("owner", rows().map(|(list, _)| Some(list.owner.clone())).collect()),
            ("reason", rows().map(|(list, _)| Some(list.reason.clone())).collect()),
            ("expires", rows().map(|(list, _)| Some(expires(list))).collect()),
        ])
    }
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
        Expires::Day(day) => Some(end_of(day).ok_or_else(|| {
            (format!("`{day}` is no day"), "write `expires = 2027-06-30`: it holds up to the end of that day in UTC")
        })?),
    };
    let mut matcher = Matcher { until, networks: Vec::new(), words: HashSet::new(), patterns: Vec::new() };
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

/// The end of a day in UTC, µs since the epoch; none for a time of day.
fn end_of(day: &toml::value::Datetime) -> Option<i64> {
    let (date, None) = (day.date?, &day.time) else { return None };
    let date = jiff::civil::Date::new(date.year as i16, date.month as i8, date.day as i8).ok()?;
    let end = date.tomorrow().ok()?.at(0, 0, 0, 0);
    Some(jiff::tz::TimeZone::UTC.to_timestamp(end).ok()?.as_microsecond())
}

/// `in_site(list, value)` and `in_site(list, value, time)`.
#[derive(Debug)]
struct InSite {
    site: Arc<Site>,
    signature: Signature,
}

impl InSite {
    fn new(site: Arc<Site>) -> Self {
        let text = || DataType::Utf8View;
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let forms = vec![TypeSignature::Exact(vec![text(), text()]), TypeSignature::Exact(vec![text(), text(), time])];
        Self { site, signature: Signature::one_of(forms, Volatility::Immutable) }
    }
}

// Functions of the same facts are the same.
impl PartialEq for InSite {
    fn eq(&self, other: &Self) -> bool {
        self.site.version == other.site.version
    }
}

impl Eq for InSite {}

impl Hash for InSite {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.site.version.hash(state);
    }
}

impl ScalarUDFImpl for InSite {
    fn name(&self) -> &str {
        "in_site"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    /// Most sites have few lists: a rule that asks for another one costs nothing.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let list = match args.first() {
            Some(Expr::Literal(list, _)) => list.try_as_str().flatten(),
            _ => None,
        };
        Ok(match list {
            Some(list) if !self.site.named.contains_key(list) => ExprSimplifyResult::Simplified(lit(false)),
            _ => ExprSimplifyResult::Original(args),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let (texts, time) = args.args.split_at(2);
        let texts = Texts::new(texts)?;
        let constant = texts.constant(0).map(|list| self.site.named.get(list));
        let times = match time.first() {
            Some(time) => Some(times(time, rows)?),
            None => None,
        };
        let found = (0..rows).map(|row| {
            let lists = match constant {
                Some(lists) => lists,
                None => texts.get(0, row).and_then(|list| self.site.named.get(list)),
            };
            let time = times.as_ref().filter(|times| times.is_valid(row)).map(|times| times.value(row));
            let value = texts.get(1, row);
            Some(lists.zip(value).is_some_and(|(lists, value)| lists.iter().any(|list| list.has(value, time))))
        });
        Ok(ColumnarValue::Array(Arc::new(found.collect::<BooleanArray>())))
    }
}

fn times(time: &ColumnarValue, rows: usize) -> Result<TimestampMicrosecondArray> {
    let array = time.clone().into_array(rows)?;
    let array = cast(&array, &DataType::Timestamp(TimeUnit::Microsecond, None)).map_err(DataFusionError::from)?;
    Ok(array.as_primitive::<TimestampMicrosecondType>().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        [[account]]
        id = "111122223333"
        name = "production"
        owner = "platform@example.com"

        [[list]]
        name = "vpn"
        owner = "network@example.com"
        reason = "exits of the company's VPN"
        expires = "never"
        values = ["203.0.113.0/24", "2001:db8::/32"]

        [[list]]
        name = "vpn"
        owner = "network@example.com"
        reason = "until the office has moved"
        expires = 2026-03-31
        values = ["198.51.100.7", "arn:aws:iam::*:role/move-*"]
    "#;

    /// Midnight of a day in 2026, µs since the epoch.
    fn at(month: i8, day: i8) -> Option<i64> {
        let midnight = jiff::civil::date(2026, month, day).at(0, 0, 0, 0);
        Some(jiff::tz::TimeZone::UTC.to_timestamp(midnight).unwrap().as_microsecond())
    }

    #[test]
    fn lists_hold_networks_words_and_patterns_up_to_their_end() {
        let site = Site::parse(TEXT, "site.toml").unwrap();
        for (value, time, expected) in [
            ("203.0.113.9", None, true),
            ("203.0.114.9", None, false),
            ("2001:db8:1::1", None, true),
            ("198.51.100.7", at(3, 31), true),
            ("198.51.100.7", at(4, 1), false),
            // Nobody says when: it may be over.
            ("198.51.100.7", None, false),
            ("arn:aws:iam::111122223333:role/move-boxes", at(1, 1), true),
            ("arn:aws:iam::111122223333:role/stay", at(1, 1), false),
            ("", at(1, 1), false),
        ] {
            assert_eq!(site.has("vpn", value, time), expected, "{value} {time:?}");
        }
        assert!(!site.has("office", "203.0.113.9", None));
        assert_eq!(site.account_names()["111122223333"], "production");
        assert_ne!(site.version(), Site::parse("", "site.toml").unwrap().version());
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        for (from, to, said) in [
            ("\"111122223333\"", "\"1111\"", "`1111` is no account; an account's id has twelve digits"),
            ("203.0.113.0/24", "203.0.113.0/33", "list `vpn`: `203.0.113.0/33` is no network; write it as 10.0.0.0/8"),
            ("\"never\"", "\"later\"", "list `vpn`: `later` is no day; write `expires = 2027-06-30`, or \"never\""),
            ("\"network@example.com\"", "\" \"", "list `vpn`: it lacks an owner or a reason"),
            ("\"vpn\"", "\"V P N\"", "list `V P N`: that is no name; use small letters, digits and `_`"),
            ("reason", "why", "unknown field `why`"),
            ("expires = 2026-03-31\n", "", "missing field `expires`"),
        ] {
            let error = Site::parse(&TEXT.replacen(from, to, 1), "site.toml").unwrap_err().to_string();
            assert!(error.contains("site.toml") && error.contains(said), "{said} is not in: {error}");
        }
    }

    #[tokio::test]
    async fn sql_asks_them() {
        let session = SessionContext::new();
        Arc::new(Site::parse(TEXT, "site.toml").unwrap()).register(&session).unwrap();
        let ask =
            "SELECT in_site('vpn', '203.0.113.9'), in_site('vpn', arrow_cast(NULL, 'Utf8View')), in_site('none', 'x'),
            in_site('vpn', '198.51.100.7', arrow_cast('2026-03-31T23:59:59Z', 'Timestamp(Microsecond, Some(\"UTC\"))')),
            account_name('111122223333'), account_name('1') IS NULL,
            (SELECT count(*) FROM site_lists WHERE owner = 'network@example.com'), (SELECT name FROM site_accounts)";
        let rows = session.sql(ask).await.unwrap().collect().await.unwrap();
        let shown = arrow::util::pretty::pretty_format_batches(&rows).unwrap().to_string();
        let row: Vec<&str> = shown.lines().nth(3).unwrap().split('|').map(str::trim).collect();
        assert_eq!(row[1..9], ["true", "false", "false", "true", "production", "true", "4", "production"]);
    }
}
