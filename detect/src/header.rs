//! The TOML header of a rule file: every key with its type, unknown and missing keys refused by line.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::{DeTable, DeValue};

use crate::finding::EVENTS_MAX;
use crate::judgement::{FirstSeen, HalfLife, Having, Judgement, Measure, Query, Rare, Sequence, Spike, Travel};
use crate::problem::{Report, line_at, nearest};
use crate::severity::{Kind, Severity, Status};
use crate::state::HISTORY_DAYS_MIN;
use crate::template::Template;
use crate::window::Window;

/// What a rule says about itself and how it is to be judged.
#[derive(Debug, Clone)]
pub struct Header {
    pub title: Template,
    pub severity: Severity,
    /// How bad it is where something stands in the finding's evidence; the least that applies.
    pub severity_if: Vec<SeverityIf>,
    pub status: Status,
    pub kind: Kind,
    /// The columns that say whose finding it is, in order.
    pub entity: Vec<String>,
    /// ATT&CK techniques, `T1098.001`.
    pub attack: Vec<String>,
    /// Recommendations of the CIS AWS Foundations Benchmark.
    pub cis: Vec<String>,
    pub why: String,
    pub false_positives: Vec<String>,
    pub runbook: String,
    pub refs: Vec<String>,
    /// The kind with its own keys.
    pub judgement: Judgement,
    /// The line of each key in the file.
    pub lines: BTreeMap<String, usize>,
}

/// Another severity for findings in which a column has a value, the same in all events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeverityIf {
    /// A column of the SELECT, or one of [`LINEAGE`].
    pub column: String,
    /// As text.
    pub value: String,
    pub severity: Severity,
}

/// Stands for a column in `severity_if`: the name of the call that gave out the key that was used.
pub const ISSUED_BY: &str = "issued_by";
/// Stands for a column in `severity_if`: "long-lived key" where the way back ends at one.
pub const STANDS_ON: &str = "stands_on";
/// What stands for columns in `severity_if` and is told by lineage.
pub const LINEAGE: [&str; 2] = [ISSUED_BY, STANDS_ON];

const REQUIRED: &[&str] =
    &["title", "severity", "status", "kind", "entity", "attack", "why", "false_positives", "runbook"];
const OPTIONAL: &[&str] = &["cis", "refs", "severity_if"];
/// A query is asked once for each slot.
const SLOT_MIN: i64 = 3_600_000_000;
/// Every bucket of the history is looked at for each one that is judged.
const BUCKETS_MAX: i64 = 10_000;

/// The keys that a kind has of its own: those that it must have and those that it may have.
fn own_keys(kind: Kind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        Kind::Match => (&[], &["fold"]),
        Kind::Threshold => (&["window", "having"], &[]),
        Kind::Sequence => (&["steps", "within"], &["optional", "ordered", "same", "unless"]),
        Kind::FirstSeen => (&["value", "learn", "min_events"], &["each", "forget", "max_new_rate", "peers"]),
        Kind::Rare => (&["value", "population", "p_below", "half_life"], &[]),
        Kind::Spike => (&["bucket", "measure", "history", "p_below", "at_least"], &["season", "ratio"]),
        Kind::Travel => (&["place", "speed_kmh", "distance_km"], &[]),
        Kind::Query => (&["every", "over"], &[]),
    }
}
/// Marks the beginning and the end of the header, behind `--`.
const FENCE: &str = "+++";

impl Header {
    /// Whether how bad a finding is depends on who stands behind the key.
    pub(crate) fn asks_lineage(&self) -> bool {
        self.severity_if.iter().any(|case| LINEAGE.contains(&case.column.as_str()))
    }

    /// Reads the header of a rule file. What is wrong goes into `report`; the header is there if nothing was.
    pub(crate) fn parse(text: &str, report: &mut Report<'_>) -> Option<Header> {
        let toml = header_text(text, report)?;
        let (table, errors) = DeTable::parse_recoverable(&toml);
        for e in &errors {
            let line = e.span().map_or(1, |s| line_at(&toml, s.start));
            report.add(
                line,
                format!("the header is not TOML: {}", e.message().trim()),
                "write `key = value` with text in double quotes",
            );
        }
        if !errors.is_empty() {
            return None;
        }
        Keys { toml: &toml, table: table.get_ref(), report }.header()
    }
}

/// The header's TOML with the comment marks taken off. It has as many lines before a key as the file has, so that
/// lines in it are lines in the file.
fn header_text(text: &str, report: &mut Report<'_>) -> Option<String> {
    let mut toml = String::new();
    let mut opened = None;
    for (i, line) in text.lines().enumerate() {
        let comment = line.trim().strip_prefix("--").map(|body| body.strip_prefix(' ').unwrap_or(body));
        match (comment, opened) {
            (Some(body), None) if body.trim() == FENCE => opened = Some(i + 1),
            (Some(body), Some(_)) if body.trim() == FENCE => return Some(toml),
            (Some(body), Some(_)) => toml.push_str(body),
            (None, Some(_)) if !line.trim().is_empty() => {
                report.add(i + 1, "the header is not closed", "end it with a line `-- +++` before the SELECT");
                return None;
            }
            (None, None) if !line.trim().is_empty() => break,
            _ => {}
        }
        toml.push('\n');
    }
    match opened {
        Some(line) => report.add(line, "the header is not closed", "end it with a line `-- +++`"),
        None => report.add(
            1,
            "the file has no header",
            "begin it with TOML between two lines `-- +++`, each line behind `--`",
        ),
    }
    None
}

/// Takes the keys out of the table, one after the other, with their types.
struct Keys<'a, 'r, 'f> {
    toml: &'a str,
    table: &'a DeTable<'a>,
    report: &'r mut Report<'f>,
}

impl<'a> Keys<'a, '_, '_> {
    fn header(mut self) -> Option<Header> {
        let before = self.report.problems.len();
        let lines: BTreeMap<String, usize> =
            self.table.keys().map(|k| (k.get_ref().to_string(), line_at(self.toml, k.span().start))).collect();
        let kind: Kind = self.word("kind").unwrap_or(Kind::Match);
        self.refuse_unknown(kind, &lines);
        for key in REQUIRED.iter().chain(own_keys(kind).0).filter(|k| !lines.contains_key(**k)) {
            self.report.add(1, format!("the header key `{key}` is missing"), format!("add `-- {key} = …`"));
        }
        let header = Header {
            title: self.parsed("title", Template::parse).unwrap_or(Template::parse("").ok()?),
            severity: self.word("severity").unwrap_or(Severity::Info),
            severity_if: self.severity_if(),
            status: self.word("status").unwrap_or(Status::Trial),
            kind,
            entity: self.list("entity"),
            attack: self.list("attack"),
            cis: self.list("cis"),
            why: self.text("why").unwrap_or_default(),
            false_positives: self.list("false_positives"),
            runbook: self.text("runbook").unwrap_or_default(),
            refs: self.list("refs"),
            judgement: self.judgement(kind)?,
            lines,
        };
        self.check_values(&header);
        (self.report.problems.len() == before).then_some(header)
    }

    /// The kind's own keys; those that are missing or wrong are reported.
    fn judgement(&mut self, kind: Kind) -> Option<Judgement> {
        Some(match kind {
            Kind::Match => Judgement::Match { fold: self.parsed("fold", Window::parse) },
            Kind::Threshold => {
                let having = self.list("having");
                if having.is_empty() && self.table.contains_key("having") {
                    let line = self.line("having");
                    self.report.add(line, "`having` is empty", "write bounds like [\"count >= 12\"]");
                }
                let having = having.iter().filter_map(|text| self.noted("having", Having::parse(text))).collect();
                Judgement::Threshold { window: self.parsed("window", Window::parse)?, having }
            }
            Kind::Sequence => Judgement::Sequence(self.sequence()?),
            Kind::FirstSeen => Judgement::FirstSeen(FirstSeen {
                value: self.list("value"),
                each: self.each()?,
                learn: self.parsed("learn", Window::parse_history)?,
                min_events: self.whole("min_events")?,
                forget: self.parsed_or("forget", "60d", Window::parse_history)?,
                max_new_rate: self.number_or("max_new_rate", 0.01)?,
                peers: if self.table.contains_key("peers") { Some(self.text("peers")?) } else { None },
            }),
            Kind::Rare => Judgement::Rare(self.rare()?),
            Kind::Query => Judgement::Query(self.query()?),
            Kind::Spike => Judgement::Spike(self.spike()?),
            Kind::Travel => {
                let place = <[String; 2]>::try_from(self.list("place")).map_err(|_| {
                    let line = self.line("place");
                    let remedy = "write [\"source_lat\", \"source_lon\"]";
                    self.report.add(line, "`place` does not name two columns", remedy);
                });
                Judgement::Travel(Travel {
                    place: place.ok()?,
                    speed_kmh: self.number("speed_kmh")?,
                    distance_km: self.number("distance_km")?,
                })
            }
        })
    }

    fn rare(&mut self) -> Option<Rare> {
        let rare = Rare {
            value: self.list("value"),
            population: self.text("population")?,
            p_below: self.number("p_below")?,
            half_life: HalfLife::new(self.parsed("half_life", Window::parse_history)?),
        };
        if rare.p_below > 0.1 {
            let line = self.line("p_below");
            self.report.add(line, format!("`p_below` is {}", rare.p_below), "what is rare has at most 0.1");
        }
        Some(rare)
    }

    fn query(&mut self) -> Option<Query> {
        let query =
            Query { every: self.parsed("every", Window::parse)?, over: self.parsed("over", Window::parse_history)? };
        if query.every.micros() < SLOT_MIN || query.over.micros() < query.every.micros() {
            let line = self.line("every");
            let what = format!("`every` is {} and `over` is {}", query.every, query.over);
            self.report.add(line, what, "a slot has an hour or more, and `over` is at least as long");
        }
        Some(query)
    }

    fn spike(&mut self) -> Option<Spike> {
        let spike = Spike {
            bucket: self.parsed("bucket", Window::parse)?,
            measure: self.parsed("measure", Measure::parse)?,
            seasonal: self.parsed_or("season", "hour_of_week", |word| match word {
                "hour_of_week" => Ok(true),
                "none" => Ok(false),
                _ => Err(format!("`{word}` is not one of hour_of_week, none")),
            })?,
            history: self.parsed("history", Window::parse_history)?,
            p_below: self.number("p_below")?,
            at_least: self.whole("at_least")?,
            ratio: self.number_or("ratio", 3.0)?,
        };
        let buckets = spike.history.micros() / spike.bucket.micros();
        if spike.history.days() < HISTORY_DAYS_MIN || buckets > BUCKETS_MAX {
            let line = self.line("history");
            self.report.add(
                line,
                format!("`history` is {} in buckets of {}", spike.history, spike.bucket),
                format!("give it at least {HISTORY_DAYS_MIN} days, and at most {BUCKETS_MAX} buckets"),
            );
        }
        Some(spike)
    }

    fn each(&mut self) -> Option<bool> {
        let each = self.flag_or("each", false)?;
        if each && self.list("value").len() < 2 {
            let line = self.line("each");
            self.report.add(line, "`each` is about the columns of `value`, which are not several", "leave it out");
        }
        Some(each)
    }

    fn sequence(&mut self) -> Option<Sequence> {
        let steps = self.list("steps");
        if steps.len() > EVENTS_MAX {
            let line = self.line("steps");
            self.report.add(
                line,
                format!("`steps` names {}", steps.len()),
                format!("at most {EVENTS_MAX} fit a finding"),
            );
        }
        let [unless, optional] =
            ["unless", "optional"].map(|key| self.table.contains_key(key).then(|| self.text(key)).flatten());
        let least = if unless.is_some() || optional.is_some() { 1 } else { 2 };
        if steps.len() < least && self.table.contains_key("steps") {
            let line = self.line("steps");
            let remedy = "one step without `unless` and `optional` is a rule of kind \"match\"";
            self.report.add(line, format!("`steps` names fewer than {least}"), remedy);
        }
        for (key, word) in [("unless", &unless), ("optional", &optional)] {
            if let Some(step) = word.as_ref().filter(|step| steps.contains(step)) {
                let line = self.line(key);
                self.report.add(
                    line,
                    format!("`{key}` names `{step}`, which is one of `steps`"),
                    "give it its own word",
                );
            }
        }
        if let Some(step) = optional.as_ref().filter(|_| optional == unless) {
            let line = self.line("optional");
            self.report.add(line, format!("`optional` and `unless` both name `{step}`"), "give each its own word");
        }
        Some(Sequence {
            steps,
            within: self.parsed("within", Window::parse)?,
            ordered: self.flag_or("ordered", true)?,
            same: self.list("same"),
            unless,
            optional,
        })
    }

    fn refuse_unknown(&mut self, kind: Kind, lines: &BTreeMap<String, usize>) {
        let (own, own_optional) = own_keys(kind);
        let known: BTreeSet<&str> = REQUIRED.iter().chain(OPTIONAL).chain(own).chain(own_optional).copied().collect();
        for (key, line) in lines.iter().filter(|(k, _)| !known.contains(k.as_str())) {
            let remedy = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("a rule of kind \"{kind}\" has {}", Vec::from_iter(known.iter().copied()).join(", ")),
            };
            self.report.add(*line, format!("unknown header key `{key}`"), remedy);
        }
    }

    fn check_values(&mut self, header: &Header) {
        let line = |key: &str| header.lines.get(key).copied().unwrap_or(1);
        if header.entity.is_empty() && header.lines.contains_key("entity") {
            self.report.add(
                line("entity"),
                "`entity` is empty",
                "name the columns that say whose finding it is, such as [\"principal_key\"]",
            );
        }
        for technique in header.attack.iter().filter(|t| !is_technique(t)) {
            self.report.add(
                line("attack"),
                format!("`{technique}` is not an ATT&CK technique"),
                "write it like \"T1098\" or \"T1098.001\"",
            );
        }
    }

    fn line(&self, key: &str) -> usize {
        self.table.get(key).map_or(1, |v| line_at(self.toml, v.span().start))
    }

    fn wrong_type(&mut self, key: &str, value: &DeValue<'_>, expected: &str) {
        let line = self.line(key);
        self.report.add(line, format!("`{key}` is a {}, not {expected}", value.type_str()), "");
    }

    /// A text that is not blank.
    fn text(&mut self, key: &str) -> Option<String> {
        let value = self.table.get(key)?.get_ref();
        let Some(text) = value.as_str() else {
            self.wrong_type(key, value, "a text in quotes");
            return None;
        };
        if text.trim().is_empty() {
            let line = self.line(key);
            self.report.add(line, format!("`{key}` is empty"), "say it in a sentence");
            return None;
        }
        Some(text.trim().to_owned())
    }

    fn parsed<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        self.noted(key, parse(&text))
    }

    fn parsed_or<T>(&mut self, key: &str, otherwise: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        if self.table.contains_key(key) { self.parsed(key, parse) } else { parse(otherwise).ok() }
    }

    /// Reports what is wrong with a part of a key's value.
    fn noted<T>(&mut self, key: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|what| {
            let line = self.line(key);
            self.report.add(line, format!("`{key}`: {what}"), "");
        })
        .ok()
    }

    /// A number above zero.
    fn number(&mut self, key: &str) -> Option<f64> {
        let value = self.table.get(key)?.get_ref();
        let number = match value {
            DeValue::Integer(n) => n.as_str().replace('_', "").parse::<f64>().ok(),
            DeValue::Float(n) => n.as_str().replace('_', "").parse::<f64>().ok(),
            _ => None,
        };
        if let Some(number) = number.filter(|n| n.is_finite() && *n > 0.0) {
            return Some(number);
        }
        self.wrong_type(key, value, "a number above zero");
        None
    }

    fn number_or(&mut self, key: &str, otherwise: f64) -> Option<f64> {
        if self.table.contains_key(key) { self.number(key) } else { Some(otherwise) }
    }

    /// A whole number above zero.
    fn whole(&mut self, key: &str) -> Option<u64> {
        let value = self.table.get(key)?.get_ref();
        let number = match value {
            DeValue::Integer(n) if n.radix() == 10 => n.as_str().replace('_', "").parse::<u64>().ok(),
            _ => None,
        };
        if let Some(number) = number.filter(|n| *n > 0) {
            return Some(number);
        }
        self.wrong_type(key, value, "a whole number above zero");
        None
    }

    fn flag_or(&mut self, key: &str, otherwise: bool) -> Option<bool> {
        let Some(value) = self.table.get(key).map(|v| v.get_ref()) else { return Some(otherwise) };
        let flag = value.as_bool();
        if flag.is_none() {
            self.wrong_type(key, value, "true or false");
        }
        flag
    }

    fn word<T: std::str::FromStr<Err = String>>(&mut self, key: &str) -> Option<T> {
        self.parsed(key, str::parse)
    }

    /// `{ "column = value" = "severity" }`; absent, it is empty.
    fn severity_if(&mut self) -> Vec<SeverityIf> {
        let key = "severity_if";
        let Some(value) = self.table.get(key).map(|v| v.get_ref()) else { return Vec::new() };
        let form = "a table like { \"planned = true\" = \"low\" }";
        let Some(table) = value.as_table() else {
            self.wrong_type(key, value, form);
            return Vec::new();
        };
        let read = |condition: &str, severity: &DeValue<'_>| {
            let (column, value) = condition.split_once(" = ").ok_or_else(|| format!("`{condition}` is not {form}"))?;
            let word = severity.as_str().ok_or_else(|| format!("the severity of `{condition}` is not a text"))?;
            Ok(SeverityIf { column: column.trim().into(), value: value.trim().into(), severity: word.parse()? })
        };
        table
            .iter()
            .filter_map(|(condition, severity)| self.noted(key, read(condition.get_ref(), severity.get_ref())))
            .collect()
    }

    /// A list of texts; an absent one is empty.
    fn list(&mut self, key: &str) -> Vec<String> {
        let Some(value) = self.table.get(key).map(|v| v.get_ref()) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.wrong_type(key, value, "a list of texts, [\"…\"]");
            return Vec::new();
        };
        let texts: Option<Vec<String>> = items.iter().map(|i| i.get_ref().as_str().map(str::to_owned)).collect();
        texts.unwrap_or_else(|| {
            let line = self.line(key);
            self.report.add(line, format!("`{key}` holds something that is not a text"), "put every item in quotes");
            Vec::new()
        })
    }
}

/// `T` and four digits, perhaps a dot and three more.
fn is_technique(text: &str) -> bool {
    let digits = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
    match text.strip_prefix('T').map(|t| t.split_once('.').map_or((t, None), |(a, b)| (a, Some(b)))) {
        Some((technique, sub)) => digits(technique, 4) && sub.is_none_or(|s| digits(s, 3)),
        None => false,
    }
}
