//! The report as a document to hand on: HTML that needs nothing beside it, or Markdown. What attackers may have written (names,
//! Sids) is text in both.

use std::fmt::Write;

use anyhow::Context;
use minijinja::{Environment, context};

use super::report::Report;

/// Its name says that what is put into it is escaped.
const PAGE: &str = "permissions.html";

pub fn html(report: &Report) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    environment.add_template(PAGE, include_str!("permissions.html")).context("the page's template is broken")?;
    let page = environment.get_template(PAGE)?.render(context! { report });
    page.context("cannot fill the page")
}

pub fn markdown(report: &Report) -> anyhow::Result<String> {
    let mut text = String::new();
    writeln!(text, "# Permissions from {} to {}\n", day(&report.from), day(&report.to))?;
    writeln!(
        text,
        "Unused: not used for {} days, or never in these days, where a use would have been seen. Not observable: nobody can tell \
         from these logs.\n",
        report.unused_after_days
    )?;
    writeln!(
        text,
        "## How far the logs reach\n\n| account | name | confidence | hours with records | data events of |"
    )?;
    writeln!(text, "|---|---|---|---:|---|")?;
    for line in &report.accounts {
        let data: Vec<String> = line.data_events.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let confidence = line.confidence.unwrap_or("no logs");
        let (name, data) = (cell(line.name.as_deref().unwrap_or("")), cell(&data.join(", ")));
        writeln!(text, "| {} | {name} | {confidence} | {:.1} % | {data} |", line.id, line.hours_with_records * 100.0)?;
    }
    writeln!(
        text,
        "\n## Users and roles\n\n| principal | account | activity | last | granted | used | unused | not observable |"
    )?;
    writeln!(text, "|---|---|---|---|---:|---:|---:|---:|")?;
    for line in &report.principals {
        let counts = line.counts;
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            cell(line.name()),
            line.account,
            line.activity,
            line.last.as_deref().map_or("", day),
            counts.granted,
            counts.in_use(),
            counts.gap(),
            counts.not_observable
        )?;
    }
    let statements = || {
        let of = |line| (line, ["unused", "over-broad"]);
        report.principals.iter().flat_map(move |principal| {
            let wanted = principal.statements.iter().map(of).filter(|(line, words)| words.contains(&line.verdict));
            wanted.map(move |(line, _): (&super::report::StatementLine, _)| (principal, line))
        })
    };
    if statements().next().is_some() {
        writeln!(
            text,
            "\n## Statements to change\n\n| verdict | principal | statement | grants | unused |\n|---|---|---|---:|---:|"
        )?;
    }
    for (principal, line) in statements() {
        let (name, statement) = (cell(principal.name()), cell(&line.statement));
        writeln!(
            text,
            "| {} | {name} | {statement} | {} | {} |",
            line.verdict,
            line.counts.granted,
            line.counts.gap()
        )?;
    }
    if !report.credentials.is_empty() {
        writeln!(text, "\n## Passwords, keys and second factors\n\n| finding | whose | detail |\n|---|---|---|")?;
    }
    for line in &report.credentials {
        writeln!(text, "| {} | {} | {} |", line.finding, cell(&line.arn), cell(&line.detail))?;
    }
    if !report.notes.is_empty() {
        writeln!(text, "\n## Of the files\n")?;
    }
    for note in &report.notes {
        writeln!(text, "- {}", cell(note))?;
    }
    Ok(text)
}

/// Text as a cell of a table: in one line, nothing in it is markup.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => out.push(' '),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '>' | '|' | '#' | '!' | '~' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

fn day(time: &str) -> &str {
    time.get(..10).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use trailhound_iam::verdict::Counts;

    use super::super::report::{CredentialLine, PrincipalLine, StatementLine};
    use super::*;

    fn report(name: &str) -> Report {
        Report {
            from: "2026-01-01T00:00:00Z".into(),
            to: "2026-04-01T00:00:00Z".into(),
            unused_after_days: 90,
            accounts: Vec::new(),
            principals: vec![PrincipalLine {
                arn: format!("arn:aws:iam::111122223333:role/{name}"),
                account: "111122223333".into(),
                kind: "role",
                activity: "unused",
                last: None,
                young: false,
                confidence: "high",
                counts: Counts { granted: 7, unused: 7, ..Counts::default() },
                services: Vec::new(),
                statements: vec![StatementLine {
                    statement: format!("statement 0 ({name}) in p"),
                    breadth: "narrow",
                    counts: Counts { granted: 7, unused: 7, ..Counts::default() },
                    verdict: "unused",
                }],
                not_granted: Vec::new(),
                unread: Vec::new(),
                actions: Vec::new(),
            }],
            credentials: vec![CredentialLine {
                arn: "arn:aws:iam::111122223333:user/ana".into(),
                account: "111122223333".into(),
                finding: "old key",
                detail: "key AKIA, made 2025-01-01".into(),
            }],
            notes: vec![format!("of {name}")],
        }
    }

    #[test]
    fn what_is_in_names_is_no_markup() {
        let hostile = report("<img src=x onerror=alert(1)>|[a](javascript:x)\n# x");
        let page = html(&hostile).unwrap();
        assert!(!page.contains("<img src=x") && page.contains("&lt;img src=x"), "{page}");
        let text = markdown(&hostile).unwrap();
        assert!(!text.contains("<img") && !text.contains("[a](") && !text.contains("\n# x"), "{text}");
    }

    #[test]
    fn both_say_what_is_to_be_done() {
        for text in [html(&report("web")).unwrap(), markdown(&report("web")).unwrap()] {
            for part in ["web", "old key", "unused", "2026-04-01"] {
                assert!(text.contains(part), "{part} is not in\n{text}");
            }
        }
    }
}
