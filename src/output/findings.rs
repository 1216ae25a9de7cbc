//! Findings and accounts, as every command prints them.

use std::io::{BufWriter, Write};

use trailhound_detect::{Finding, Severity, Status};
use trailhound_store::{Account, Site};

use super::layout::{Head, grid};
use crate::args::FindingsFormat;
use crate::terminal;

/// Characters of an id that are shown in tables; `findings show` takes the beginning of one.
const ID_CHARS: usize = 10;
/// On narrower terminals the rule's id leaves its place to the title, which says more.
const RULE_WIDTH_MIN: usize = 150;

/// Prints findings: a table for people with the gravest first and accounts by name, JSON in the order given.
pub fn findings(findings: &[Finding], format: FindingsFormat, site: &Site) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let json = |finding: &Finding| -> anyhow::Result<String> {
        let text = serde_json::to_string(finding)?;
        Ok(if terminal::width().is_some() { terminal::clean_json(&text).into_owned() } else { text })
    };
    match format {
        FindingsFormat::Table => {
            for line in table(findings, site, terminal::width(), terminal::coloured()) {
                writeln!(out, "{line}")?;
            }
        }
        FindingsFormat::Ndjson => {
            for finding in findings {
                writeln!(out, "{}", json(finding)?)?;
            }
        }
        FindingsFormat::Json => {
            for (at, finding) in findings.iter().enumerate() {
                write!(out, "{}{}", if at == 0 { "[\n" } else { ",\n" }, json(finding)?)?;
            }
            writeln!(out, "{}", if findings.is_empty() { "[]" } else { "\n]" })?;
        }
    }
    Ok(out.flush()?)
}

/// The lines of a table of findings; none where there are no findings.
fn table(findings: &[Finding], site: &Site, width: Option<usize>, coloured: bool) -> Vec<String> {
    if findings.is_empty() {
        return Vec::new();
    }
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.first_time.cmp(&b.first_time)).then(a.id.cmp(&b.id)));
    let with_rule = width.is_none_or(|width| width >= RULE_WIDTH_MIN);
    let mut heads =
        vec![Head::fixed("severity"), Head::fixed("first seen"), Head::number("events"), Head::text("finding")];
    heads.extend(with_rule.then(|| Head::text("rule")));
    heads.push(Head::fixed("id"));
    let rows: Vec<Vec<String>> = sorted
        .iter()
        .map(|f| {
            let id = f.id.get(..ID_CHARS).unwrap_or(&f.id);
            let title = site.name_accounts(&f.title);
            let title = if f.status == Status::Trial { format!("[trial] {title}") } else { title };
            let mut cells = vec![f.severity.to_string(), minute(f.first_time), f.count.to_string(), title];
            cells.extend(with_rule.then(|| f.rule.clone()));
            cells.push(id.to_owned());
            cells.iter().map(|cell| terminal::clean(cell).into_owned()).collect()
        })
        .collect();
    let mut lines = grid(&heads, &rows, width);
    if coloured {
        for (line, finding) in lines.iter_mut().skip(2).zip(&sorted) {
            let word = finding.severity.as_str();
            line.replace_range(..word.len(), &paint(finding.severity, word));
        }
    }
    lines
}

/// A time to the minute, which is enough to tell findings apart.
fn minute(micros: i64) -> String {
    let time = trailhound_detect::finding::time(micros);
    time.get(..16).map_or(time.clone(), |minute| minute.replace('T', " "))
}

/// Text in the colour of a severity.
pub fn paint(severity: Severity, text: &str) -> String {
    let colour = match severity {
        Severity::Critical => "1;31",
        Severity::High => "31",
        Severity::Medium => "33",
        Severity::Low => "36",
        Severity::Info => "2",
    };
    format!("\x1b[{colour}m{text}\x1b[0m")
}

/// The rank of a severity's word; higher is graver.
pub fn severity_rank(word: &str) -> usize {
    Severity::WORDS.iter().position(|known| *known == word).unwrap_or(0)
}

/// How many findings there are of each severity, on one line.
pub fn severities(findings: &[Finding]) -> String {
    let counts: Vec<String> = Severity::WORDS
        .iter()
        .rev()
        .filter_map(|word| {
            let count = findings.iter().filter(|finding| finding.severity.as_str() == *word).count();
            (count > 0).then(|| format!("{count} {word}"))
        })
        .collect();
    format!("{:<16}{}", "findings", if counts.is_empty() { "none".into() } else { counts.join(", ") })
}

/// What became of everything that was received, on one line; `received = kept + duplicate + skipped + parked`.
pub fn account(what: &str, account: &Account) -> String {
    let mut line = format!("{what:<16}{} received = {} kept", account.received, account.kept);
    if account.duplicate > 0 {
        line.push_str(&format!(" + {} duplicate", account.duplicate));
    }
    for (word, reasons) in [("skipped", &account.skipped), ("parked", &account.parked)] {
        let total: u64 = reasons.values().sum();
        if total > 0 {
            let reasons: Vec<String> = reasons.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
            line.push_str(&format!(" + {total} {word} ({})", terminal::clean(&reasons.join(", "))));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use trailhound_detect::Kind;

    pub fn finding(id: &str, severity: Severity, title: &str) -> Finding {
        Finding {
            id: id.into(),
            rule: "iam/x".into(),
            title: title.into(),
            severity,
            kind: Kind::Match,
            first_time: 1_772_409_600_000_000,
            last_time: 1_772_409_600_000_000,
            account_id: None,
            region: None,
            principal: None,
            person: None,
            entity: Default::default(),
            count: 1,
            event_ids: vec!["e".into()],
            explanation: String::new(),
            attack: Vec::new(),
            objects: Vec::new(),
            status: Status::Stable,
            rule_version: "v".into(),
            evidence: Default::default(),
            varies: Default::default(),
            lineage: Vec::new(),
            event_times: vec![1_772_409_600_000_000],
        }
    }

    #[test]
    fn the_gravest_stands_first_and_titles_are_clean() {
        let all = [
            finding("aaaaaaaaaaaaaa", Severity::Low, "low"),
            finding("bbbbbbbbbbbbbb", Severity::Critical, "evil\x1b[2J"),
            Finding { status: Status::Trial, ..finding("cccccccccccccc", Severity::Info, "perhaps") },
        ];
        let lines = table(&all, &Site::default(), None, false);
        assert_eq!(lines.len(), 5);
        assert!(lines[2].starts_with("critical  2026-03-02 00:00       1  evil␛[2J"), "{lines:#?}");
        assert!(lines[3].ends_with("aaaaaaaaaa"));
        assert!(lines[4].contains("  [trial] perhaps  "), "{lines:#?}");
        assert!(table(&all, &Site::default(), None, true)[2].starts_with("\x1b[1;31mcritical\x1b[0m  "));
        assert!(table(&[], &Site::default(), None, false).is_empty());
    }

    #[test]
    fn counts_are_by_severity_and_reason() {
        let all = [finding("a", Severity::Low, ""), finding("b", Severity::Low, ""), finding("c", Severity::High, "")];
        assert_eq!(severities(&all), "findings        1 high, 2 low");
        assert_eq!(severities(&[]), "findings        none");
        let skipped = [("config".to_string(), 2)].into();
        let shown =
            account("objects", &Account { received: 5, kept: 2, duplicate: 1, skipped, parked: Default::default() });
        assert_eq!(shown, "objects         5 received = 2 kept + 1 duplicate + 2 skipped (config 2)");
        assert!(severity_rank("critical") > severity_rank("low"));
    }
}
