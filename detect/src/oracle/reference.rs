//! What rules with memory find, evaluated as plainly as it can be said: the SELECT as SQL over the stored table, then
//! loops over its rows, for every kind anew. It reads headers by itself and shares nothing with the engine but how a
//! text is made fit to be shown.

mod first_seen;
mod sequence;
mod spike;
mod tail;
mod threshold;
mod travel;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trailhound_store::Store;

use crate::rule::File;
use crate::template::shown;

const SECOND: i64 = 1_000_000;
pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

/// A rule's header, and its file's text, which is a SELECT with comments.
pub struct Rule {
    pub id: String,
    keys: toml::Table,
    text: String,
}

impl Rule {
    /// The rule of a file; none for cases.
    pub fn read(file: &File) -> Option<Rule> {
        let id = file.path.strip_suffix(".sql")?.to_owned();
        let mut header = file.text.lines().map(|line| line.trim_start_matches('-').trim_start());
        header.find(|line| *line == "+++")?;
        let header: Vec<&str> = header.take_while(|line| *line != "+++").collect();
        Some(Rule { id, keys: header.join("\n").parse().unwrap(), text: file.text.clone() })
    }

    pub fn kind(&self) -> &str {
        self.text("kind")
    }

    /// Whether it looks at more than each event alone, and the reference knows how.
    pub fn has_memory(&self) -> bool {
        ["threshold", "sequence", "first_seen", "spike", "travel"].contains(&self.kind())
            && !self.keys.contains_key("peers")
    }

    /// Whether it has to be evaluated, for what it finds or for what others then do not learn.
    pub fn is_judged(&self) -> bool {
        self.has_memory() || self.is_attack()
    }

    /// Whether a finding of it means that nothing its principal does within a day is learnt.
    fn is_attack(&self) -> bool {
        let lasting = match self.kind() {
            "match" | "threshold" => true,
            "sequence" => !self.keys.contains_key("unless"),
            _ => false,
        };
        lasting
            && ["high", "critical"].contains(&self.text("severity"))
            && self.list("entity").contains(&"principal_key")
    }

    /// Whether it learns what is usual for a principal.
    fn learns(&self) -> bool {
        ["first_seen", "rare", "spike"].contains(&self.kind()) && self.list("entity") == ["principal_key"]
    }

    fn text(&self, key: &str) -> &str {
        self.keys[key].as_str().unwrap().trim()
    }

    fn list(&self, key: &str) -> Vec<&str> {
        let items = self.keys.get(key).and_then(|list| list.as_array()).map_or(&[][..], Vec::as_slice);
        items.iter().map(|item| item.as_str().unwrap()).collect()
    }

    fn number(&self, key: &str) -> Option<f64> {
        let value = self.keys.get(key)?;
        value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
    }

    /// A length of time in µs.
    fn micros(&self, key: &str) -> Option<i64> {
        let text = self.keys.get(key)?.as_str()?;
        let unit = [("s", SECOND), ("m", 60 * SECOND), ("h", HOUR), ("d", DAY)];
        unit.iter().find_map(|(name, unit)| Some(text.strip_suffix(name)?.parse::<i64>().ok()? * unit))
    }
}

/// An event that a SELECT chose.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: String,
    pub time: i64,
    account: Option<String>,
    region: Option<String>,
    principal: Option<String>,
    /// The SELECT's columns beside `event_id`, by name.
    values: BTreeMap<String, Value>,
}

/// Events of one entity that are a finding.
struct Seen<'r> {
    what: Value,
    rows: Vec<&'r Row>,
    note: String,
    /// The times of a window, where they are not those of the rows.
    window: Option<(i64, i64)>,
}

/// When nothing is learnt of somebody: from and to, both inside.
type Spans = Vec<(i64, i64)>;

/// Whether something from a time up to but not including another is left out.
fn left_out(spans: &Spans, from: i64, to: i64) -> bool {
    spans.iter().any(|(start, end)| *start < to && *end >= from)
}

/// What is compared of a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    pub first: String,
    pub last: String,
    pub count: u64,
    pub ids: Vec<String>,
    pub severity: String,
    pub explanation: String,
}

/// By rule and finding id.
pub type Findings = BTreeMap<(String, String), Expected>;

/// What the rules with memory find in the table `events` of a store.
pub async fn findings(store: &Store, rules: &[Rule]) -> Findings {
    let session = &exported(store).await;
    let facts = facts(session).await;
    let mut all = Findings::new();
    let mut attacks: HashMap<String, Spans> = HashMap::new();
    let judged = |rule: &&Rule| rule.is_judged();
    let (learning, others): (Vec<&Rule>, Vec<&Rule>) = rules.iter().filter(judged).partition(|rule| rule.learns());
    for rule in others.into_iter().chain(learning) {
        let (columns, rows) = rows(session, rule, &facts).await;
        let mut by_entity: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in rows {
            let entity: Vec<&Value> = rule.list("entity").iter().map(|column| &row.values[*column]).collect();
            if entity.iter().any(|value| !value.is_null()) {
                by_entity.entry(json!(entity).to_string()).or_default().push(row);
            }
        }
        for (entity, mut rows) in by_entity {
            rows.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
            let under_attack = match rule.learns() {
                true => attacks.get(&rows[0].values["principal_key"].to_string()).cloned().unwrap_or_default(),
                false => Spans::new(),
            };
            let seen = match rule.kind() {
                "match" => {
                    let spans = attacks.entry(rows[0].values["principal_key"].to_string()).or_default();
                    spans.extend(rows.iter().map(|row| (row.time, row.time + DAY)));
                    continue;
                }
                "threshold" => threshold::seen(rule, &rows),
                "sequence" => sequence::seen(rule, &rows),
                "first_seen" => first_seen::seen(rule, &rows, &under_attack),
                "spike" => spike::seen(rule, &rows, &under_attack),
                _ => travel::seen(rule, &rows),
            };
            for seen in seen {
                if rule.is_attack() {
                    let times = seen.rows.iter().map(|row| row.time);
                    let (first, last) = (times.clone().min().unwrap(), times.max().unwrap());
                    let (start, end) = seen.window.unwrap_or((first, last + 1));
                    let principal = seen.rows[0].values["principal_key"].to_string();
                    attacks.entry(principal).or_default().push((start, end + DAY));
                }
                let id = format!("[{},{entity},{}]", json!(rule.id), seen.what);
                let id: String = Sha256::digest(id.as_bytes())[..16].iter().map(|b| format!("{b:02x}")).collect();
                let before = all.insert((rule.id.clone(), id), finding(rule, &columns, seen));
                assert!(before.is_none(), "two findings of one id");
            }
        }
    }
    all
}

fn finding(rule: &Rule, columns: &[String], mut seen: Seen<'_>) -> Expected {
    seen.rows.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    let rows = &seen.rows;
    let (first, last) = (told(rows[0].time), told(rows[rows.len() - 1].time));
    let mut text = if rows.len() == 1 {
        format!("Seen at {first}")
    } else {
        format!("{} events from {first} to {last}", rows.len())
    };
    let one = |of: &dyn Fn(&Row) -> &Option<String>, word: &str, several: &str| -> String {
        match of(rows[0]) {
            _ if rows.iter().any(|row| of(row) != of(rows[0])) => format!("{word}several {several}"),
            Some(value) => format!("{word}{}", shown(value, 80)),
            None => String::new(),
        }
    };
    text += &one(&|row| &row.principal, " by ", "principals");
    text += &one(&|row| &row.account, " in ", "accounts");
    text += &one(&|row| &row.region, ", ", "regions");
    let mut evidence = String::new();
    for column in
        columns.iter().filter(|c| !["event_time", "account_id", "aws_region", "principal_key"].contains(&c.as_str()))
    {
        let value = &rows[0].values[column];
        let value = match rows.iter().any(|row| row.values[column] != *value) {
            true => "several".to_owned(),
            false if value.is_null() => continue,
            false => plain(value),
        };
        let part = format!("{}{column} {}", if evidence.is_empty() { ": " } else { ", " }, shown(&value, 80));
        if evidence.chars().count() + part.chars().count() > 500 {
            evidence += ", …";
            break;
        }
        evidence += &part;
    }
    let (severity, since) = severity(rule, rows);
    let explanation = format!("{text}{evidence}. {}. {since}{}", seen.note, rule.text("why"));
    let ids = rows.iter().take(20).map(|row| row.id.clone()).collect();
    Expected { first, last, count: rows.len() as u64, ids, severity, explanation }
}

/// How bad it is, and what is said where a circumstance that all rows agree in makes it so: the least of those that make it
/// less grave, else the gravest.
fn severity(rule: &Rule, rows: &[&Row]) -> (String, String) {
    const WORDS: [&str; 5] = ["info", "low", "medium", "high", "critical"];
    let rank = |word: &str| WORDS.iter().position(|known| *known == word).unwrap();
    let usual = rank(rule.text("severity"));
    let mut told: Option<(usize, String)> = None;
    for (condition, word) in rule.keys.get("severity_if").and_then(|table| table.as_table()).into_iter().flatten() {
        let (column, value) = condition.split_once(" = ").unwrap();
        let now = rank(word.as_str().unwrap());
        let holds = rows.iter().all(|row| !row.values[column].is_null() && plain(&row.values[column]) == value);
        let counts = told
            .as_ref()
            .is_none_or(|(known, _)| if now < usual { now < *known } else { *known >= usual && now > *known });
        if holds && counts {
            told = Some((now, format!("It is {}, since {column} is {value}. ", WORDS[now])));
        }
    }
    told.map_or((rule.text("severity").to_owned(), String::new()), |(rank, since)| (WORDS[rank].to_owned(), since))
}

/// A measure of a header, taken of rows: the number, and how it is told.
fn measure(text: &str, rows: &[&Row]) -> (u64, String) {
    if text == "count" {
        let told = if rows.len() == 1 { "1 event".to_owned() } else { format!("{} events", rows.len()) };
        return (rows.len() as u64, told);
    }
    let (word, column) = text.split_once('(').unwrap();
    let column = column.trim_end_matches(')');
    let values = rows.iter().map(|row| &row.values[column]).filter(|value| !value.is_null());
    if word == "distinct" {
        let mut different: Vec<String> = values.map(Value::to_string).collect();
        different.sort();
        different.dedup();
        return (different.len() as u64, format!("{} different {column}", different.len()));
    }
    let sum = values.map(|value| value.as_f64().unwrap_or(0.0).max(0.0) as u64).sum();
    (sum, format!("{sum} {column} in sum"))
}

/// A length of time in the largest unit that fits.
fn length_told(micros: i64) -> String {
    let (unit, name) = *[(DAY, "d"), (HOUR, "h"), (60 * SECOND, "m"), (SECOND, "s")]
        .iter()
        .find(|(unit, _)| micros % unit == 0)
        .unwrap();
    format!("{}{name}", micros / unit)
}

fn days_told(days: i64) -> String {
    if days == 1 { "1 day".into() } else { format!("{days} days") }
}

/// A time as people and SHA-256 read it.
pub fn told(micros: i64) -> String {
    Timestamp::from_microsecond(micros).unwrap().to_string()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A session of its own over all rows of the table, which is then read once and not once for each rule.
async fn exported(store: &Store) -> SessionContext {
    let rows = answer(&store.session().await.unwrap(), "SELECT * FROM events").await;
    let session = SessionContext::new();
    trailhound_store::functions::register(&session);
    std::sync::Arc::new(trailhound_store::Site::default()).register_functions(&session);
    let table = MemTable::try_new(rows[0].schema(), vec![rows]).unwrap();
    session.register_table("events", Arc::new(table)).unwrap();
    session
}

/// What is known of every event: time, account, region and principal.
type Facts = HashMap<String, (i64, [Option<String>; 3])>;

async fn facts(session: &SessionContext) -> Facts {
    let mut facts = Facts::new();
    for batch in answer(session, "SELECT event_id, event_time, account_id, aws_region, principal_key FROM events").await
    {
        let text = |column: usize, row: usize| {
            let column = batch.column(column).as_string_view();
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        let times = batch.column(1).as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            let more = [text(2, row), text(3, row), text(4, row)];
            let before = facts.insert(text(0, row).unwrap(), (times.value(row), more));
            assert!(before.is_none(), "an event is in the table twice");
        }
    }
    facts
}

/// What the rule's SELECT chooses: its columns beside `event_id`, and the rows.
async fn rows(session: &SessionContext, rule: &Rule, facts: &Facts) -> (Vec<String>, Vec<Row>) {
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    for batch in answer(session, &rule.text).await {
        names = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        let columns: Vec<Vec<Value>> = batch.columns().iter().map(values).collect();
        for row in 0..batch.num_rows() {
            let mut values: BTreeMap<String, Value> =
                names.iter().cloned().zip(columns.iter().map(|column| column[row].clone())).collect();
            let id = values.remove("event_id").unwrap().as_str().unwrap().to_owned();
            let (time, [account, region, principal]) = facts[&id].clone();
            rows.push(Row { id, time, account, region, principal, values });
        }
    }
    names.retain(|name| name != "event_id");
    (names, rows)
}

async fn answer(session: &SessionContext, sql: &str) -> Vec<RecordBatch> {
    session.sql(sql).await.unwrap().collect().await.unwrap()
}

fn values(array: &ArrayRef) -> Vec<Value> {
    let value = |row: usize| match array.data_type() {
        _ if array.is_null(row) => Value::Null,
        DataType::Utf8View => json!(array.as_string_view().value(row)),
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => json!(array.as_primitive::<Float64Type>().value(row)),
        DataType::List(_) => Value::Array(values(&array.as_list::<i32>().value(row))),
        other => unreachable!("{other} was cast before"),
    };
    match array.data_type() {
        DataType::Utf8View | DataType::Boolean | DataType::Int64 | DataType::Float64 | DataType::List(_) => {
            (0..array.len()).map(value).collect()
        }
        number if number.is_integer() => values(&cast(array, &DataType::Int64).unwrap()),
        number if number.is_floating() => values(&cast(array, &DataType::Float64).unwrap()),
        _ => values(&cast(array, &DataType::Utf8View).unwrap()),
    }
}
