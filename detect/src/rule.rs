//! One rule: a file of a header and a SELECT, read and found fit to be evaluated.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};
use trailhound_store::Site;
use xxhash_rust::xxh3::xxh3_64;

use crate::header::{Header, LINEAGE, SeverityIf};
use crate::judgement::{Judgement, Query};
use crate::memory;
use crate::needs;
use crate::problem::{Problem, Problems, Report, nearest};
use crate::select::{Planner, Select};
use crate::severity::{Kind, Severity};
use crate::state::Plan;

/// The column that says who did it. Rules whose entities name it speak of the same principal if it is equal.
pub(crate) const PRINCIPAL: &str = "principal_key";

/// A file of the rules folder: the embedded ones and those of `--rules` folders alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path below the rules folder with `/` between its parts: `iam/access_key_for_other_user.sql`.
    pub path: String,
    /// The path as it is shown in problems.
    pub shown: String,
    pub text: String,
}

impl File {
    /// A file of the rules that are built in.
    pub fn embedded(path: impl Into<String>, text: impl Into<String>) -> Self {
        let path = path.into();
        File { shown: format!("rules/{path}"), path, text: text.into() }
    }
}

/// Every `.sql` and `.json` file below a rules folder, in order of path.
pub fn read_folder(folder: &Path) -> std::io::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(dir) = folders.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "sql" || e == "json") {
                let below = path.strip_prefix(folder).unwrap_or(&path);
                let parts: Vec<_> = below.iter().map(|p| p.to_string_lossy()).collect();
                let bytes = std::fs::read(&path)?;
                let text = String::from_utf8(bytes).map_err(|e| {
                    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{}: {e}", path.display()))
                })?;
                files.push(File { path: parts.join("/"), shown: path.display().to_string(), text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// A rule that can be evaluated.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The path without its ending: `iam/access_key_for_other_user`.
    pub id: String,
    /// Hash of the file's text, and of the site facts if it asks for them: another text is another version, and is evaluated
    /// anew over the whole table.
    pub version: String,
    /// Hash of both: what the memory knows of a rule stands under it, so that another text begins with nothing.
    pub(crate) key: u64,
    pub header: Header,
    pub select: Select,
    /// How its memory works; none for a rule that looks at each event alone.
    pub(crate) plan: Option<Plan>,
    /// The event sources it requires; none if it takes events of any.
    pub sources: Option<BTreeSet<String>>,
    /// The event names it requires; none if it takes events of any.
    pub names: Option<BTreeSet<String>>,
    pub file: File,
}

/// The rules of a set of files, each found fit to be evaluated, and everything that is wrong with the others.
#[derive(Debug, Default)]
pub struct Loaded {
    pub rules: Vec<Rule>,
    /// The text of `<name>.cases.json`, by rule id.
    pub cases: BTreeMap<String, File>,
    pub problems: Vec<Problem>,
}

const CASES_ENDING: &str = ".cases.json";

/// Reads rule files. Cases are only set beside their rules; `check` looks into them.
pub fn load(files: impl IntoIterator<Item = File>, planner: &Planner) -> Loaded {
    let mut loaded = Loaded::default();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for file in files {
        if let Some(id) = file.path.strip_suffix(CASES_ENDING) {
            loaded.cases.insert(id.to_owned(), file);
            continue;
        }
        let mut report = Report::new(&file.shown);
        let Some(id) = file.path.strip_suffix(".sql") else {
            report.add(
                1,
                "the file is neither a rule nor cases",
                "call it <folder>/<name>.sql or <folder>/<name>.cases.json",
            );
            loaded.problems.extend(report.problems);
            continue;
        };
        check_path(id, &mut report);
        if let Some(other) = seen.insert(id.to_owned(), file.shown.clone()) {
            report.add(1, format!("the rule `{id}` is there already, in {other}"), "give one of the two another name");
        }
        let rule = Rule::read(id, &file, planner, &mut report);
        let clean = report.is_clean();
        loaded.problems.extend(report.problems);
        loaded.rules.extend(rule.filter(|_| clean));
    }
    loaded.problems.sort();
    loaded
}

impl Loaded {
    /// The rules, if nothing is wrong with any file.
    pub fn into_rules(self) -> Result<Vec<Rule>, Problems> {
        if self.problems.is_empty() { Ok(self.rules) } else { Err(Problems(self.problems)) }
    }
}

/// The rule with an id; the error is a sentence that names the ones that come near.
pub fn named(rules: impl IntoIterator<Item = Rule>, id: &str) -> Result<Rule, String> {
    let mut others = Vec::new();
    for rule in rules {
        if rule.id == id {
            return Ok(rule);
        }
        others.push(rule.id);
    }
    let mut near: Vec<&str> = others.iter().map(String::as_str).filter(|other| other.contains(id)).take(3).collect();
    near.extend(nearest(id, others.iter().map(String::as_str)).filter(|n| !near.contains(n)));
    let remedy = match near.as_slice() {
        [] => "`trailhound rules list` shows them".into(),
        some => format!("did you mean `{}`?", some.join("` or `")),
    };
    Err(format!("there is no rule `{id}`; {remedy}"))
}

/// The path is the id, so it holds what is easy to type and to quote.
fn check_path(id: &str, report: &mut Report<'_>) {
    let word = |s: &str| {
        !s.is_empty() && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    };
    match id.split_once('/') {
        Some((folder, name)) if word(folder) && word(name) => {}
        _ => report.add(
            1,
            format!("`{id}` is no rule id"),
            "put the file at <folder>/<name>.sql, in small letters, digits, `_` and `-`",
        ),
    }
}

impl Rule {
    /// Reads header and SELECT; there is a rule if both could be read, and it is fit if nothing was reported.
    pub(crate) fn read(id: &str, file: &File, planner: &Planner, report: &mut Report<'_>) -> Option<Rule> {
        let header = Header::parse(&file.text, report);
        // The SELECT is read in any case, so that the author hears of the mistakes in both.
        let mut sql_report = Report::new(&file.shown);
        let select = match header.as_ref().map(|h| h.kind) {
            Some(Kind::Query) => planner.query(&file.text, &mut sql_report),
            _ => planner.select(&file.text, &mut sql_report),
        };
        report.problems.append(&mut sql_report.problems);
        let (header, select) = (header?, select?);
        check_columns(&header, &select, report);
        Some(Rule::of(id, file, header, select, &planner.site))
    }

    pub(crate) fn of(id: &str, file: &File, header: Header, select: Select, site: &Site) -> Rule {
        let required = |column: &str| select.predicate.as_ref().and_then(|p| needs::values(p, column));
        let names = match (required("event_name"), required("event_name_norm")) {
            (None, norm) => norm,
            (names, _) => names,
        };
        let version = version(&file.text, site);
        Rule {
            id: id.to_owned(),
            key: xxh3_64(format!("{id}\n{version}").as_bytes()),
            version,
            sources: required("event_source"),
            names,
            plan: Plan::of(&header.judgement, &header.entity, &select),
            header,
            select,
            file: file.clone(),
        }
    }

    /// The keys of a rule of kind `query`.
    pub(crate) fn asks(&self) -> Option<Query> {
        match self.header.judgement {
            Judgement::Query(query) => Some(query),
            _ => None,
        }
    }

    /// Whether it makes findings whole: they take the place of those that are there instead of being added to them.
    pub(crate) fn makes_whole(&self) -> bool {
        self.plan.is_some() || self.asks().is_some()
    }

    /// Whether its findings are attacks on (or by) a principal: nothing that a principal does within a day of one is
    /// learnt as usual. Only findings that more data cannot take back are, of rules that learn nothing themselves.
    pub fn makes_attacks(&self) -> bool {
        let lasting = match &self.header.judgement {
            Judgement::Match { .. } | Judgement::Threshold { .. } => true,
            Judgement::Sequence(sequence) => sequence.unless.is_none(),
            _ => false,
        };
        lasting && self.header.severity >= Severity::High && self.header.entity.iter().any(|c| c == PRINCIPAL)
    }

    /// Whether it learns what is usual for a principal, and so must know of attacks.
    pub fn learns_by_principal(&self) -> bool {
        self.plan.as_ref().is_some_and(Plan::learns_by_principal)
    }

    /// The principal of an event, by hash.
    pub(crate) fn principal(&self, evidence: &[Value]) -> Option<u128> {
        let place = self.select.columns.iter().position(|(name, _)| name == PRINCIPAL)?;
        evidence.get(place).filter(|v| !v.is_null()).map(memory::principal_key)
    }

    /// The principal of an entity, by hash.
    pub(crate) fn principal_of(&self, entity: &BTreeMap<String, Value>) -> Option<u128> {
        entity.get(PRINCIPAL).filter(|v| !v.is_null()).map(memory::principal_key)
    }

    /// `iam` of `iam/access_key_for_other_user`.
    pub fn folder(&self) -> &str {
        self.id.split_once('/').map_or("", |(folder, _)| folder)
    }
}

/// Functions that say what the operator knows.
const SITE_FUNCTIONS: [&str; 3] = ["in_site(", "outside_site(", "account_name("];

/// Whether a rule asks for what the operator knows.
pub(crate) fn asks_site(text: &str) -> bool {
    SITE_FUNCTIONS.iter().any(|function| text.contains(function))
}

/// Sixteen hexadecimal digits: enough to tell one file's versions apart. With other facts a rule that asks for them is another.
fn version(text: &str, site: &Site) -> String {
    let facts = if asks_site(text) { site.version() } else { "" };
    crate::finding::hex(&Sha256::new().chain_update(text.as_bytes()).chain_update(facts.as_bytes()).finalize()[..8])
}

/// What the header refers to must be named by the SELECT.
fn check_columns(header: &Header, select: &Select, report: &mut Report<'_>) {
    let line = |key: &str| header.lines.get(key).copied().unwrap_or(1);
    let named = |column: &str| select.columns.iter().any(|(name, _)| name == column);
    let remedy = |column: &str| {
        format!(
            "add `{column}` to the SELECT, or use one of {}",
            select.columns.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join(", ")
        )
    };
    for column in header.entity.iter().filter(|c| !named(c)) {
        report.add(line("entity"), format!("`entity` names `{column}`, which the SELECT does not"), remedy(column));
    }
    for (key, column) in header.judgement.columns().into_iter().filter(|(_, c)| !named(c)) {
        report.add(line(key), format!("`{key}` needs `{column}`, which the SELECT does not name"), remedy(column));
    }
    for SeverityIf { column, .. } in &header.severity_if {
        if LINEAGE.contains(&column.as_str()) {
            if header.kind != Kind::Match {
                report.add(
                    line("severity_if"),
                    format!("`severity_if` asks `{column}` of a rule of kind \"{}\"", header.kind),
                    "findings of kind \"match\" know who gave out the key",
                );
            }
        } else if !named(column) {
            report.add(
                line("severity_if"),
                format!("`severity_if` names `{column}`, which the SELECT does not"),
                remedy(column),
            );
        }
    }
    for column in header.title.columns().filter(|c| !named(c)) {
        report.add(line("title"), format!("`title` uses {{{column}}}, which the SELECT does not name"), remedy(column));
    }
}

#[cfg(test)]
mod tests;
