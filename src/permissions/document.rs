//! The report as a document: JSON for programs; HTML that needs nothing beside it, or Markdown, to hand on. What attackers may have
//! written (names, Sids) is text in both. All are written while principals are judged, one after the other.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};

use anyhow::Context;
use minijinja::{Environment, Value, context};

use super::report::{PrincipalLine, Report, StatementLine};
use crate::output;

/// The page in its parts: all up to the principals, one of them, what follows, a statement to change, and the rest. A part is filled
/// as often as there is something to say.
const PAGE: &str = include_str!("permissions.html");
const NEXT_PART: &str = "{# next part #}\n";
/// Their names say that what is put into them is escaped.
const PARTS: [&str; 5] = ["head.html", "principal.html", "statements.html", "statement.html", "end.html"];

pub fn json(report: &Report<'_>, mut out: impl Write) -> anyhow::Result<()> {
    let written = serde_json::to_writer_pretty(&mut out, report);
    if let Some(error) = report.principals.failed() {
        return Err(error);
    }
    written.map_err(std::io::Error::from)?;
    Ok(writeln!(out)?)
}

pub fn html(report: &Report<'_>, mut out: impl Write) -> anyhow::Result<()> {
    let mut environment = Environment::new();
    environment.set_keep_trailing_newline(true);
    for (name, part) in PARTS.into_iter().zip(PAGE.split(NEXT_PART)) {
        environment.add_template(name, part).context("the page's template is broken")?;
    }
    let fill = |part: &str, values: Value| -> anyhow::Result<String> {
        environment.get_template(part)?.render(values).context("cannot fill the page")
    };
    let [head, principal, statements, statement, end] = PARTS;
    let Report { from, to, unused_after_days, accounts, credentials, notes, .. } = report;
    out.write_all(fill(head, context! { from, to, unused_after_days, accounts })?.as_bytes())?;
    let mut to_change = Later::new()?;
    report.principals.each(|line| {
        out.write_all(fill(principal, context! { line })?.as_bytes())?;
        for of in to_change_of(&line) {
            let values = context! { principal => context! { arn => line.arn }, line => of };
            to_change.text.write_all(fill(statement, values)?.as_bytes())?;
        }
        Ok(())
    })?;
    out.write_all(fill(statements, context! {})?.as_bytes())?;
    to_change.append_to(&mut out)?;
    Ok(out.write_all(fill(end, context! { credentials, notes })?.as_bytes())?)
}

pub fn markdown(report: &Report<'_>, mut out: impl Write) -> anyhow::Result<()> {
    reach(report, &mut out)?;
    writeln!(
        out,
        "\n## Users and roles\n\n| principal | account | activity | last | granted | used | unused | not observable |"
    )?;
    writeln!(out, "|---|---|---|---|---:|---:|---:|---:|")?;
    let mut to_change = Later::new()?;
    report.principals.each(|line| {
        let (name, counts) = (cell(line.name()), line.counts);
        writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} | {} | {} |",
            line.account,
            line.activity,
            line.last.as_deref().map_or("", day),
            counts.granted,
            counts.in_use(),
            counts.gap(),
            counts.not_observable
        )?;
        for of in to_change_of(&line) {
            let (statement, counts) = (cell(&of.statement), of.counts);
            let (granted, gap) = (counts.granted, counts.gap());
            writeln!(to_change.text, "| {} | {name} | {statement} | {granted} | {gap} |", of.verdict)?;
        }
        Ok(())
    })?;
    if !to_change.is_empty()? {
        writeln!(
            out,
            "\n## Statements to change\n\n| verdict | principal | statement | grants | unused |\n|---|---|---|---:|---:|"
        )?;
    }
    to_change.append_to(&mut out)?;
    if !report.credentials.is_empty() {
        writeln!(out, "\n## Passwords, keys and second factors\n\n| finding | whose | detail |\n|---|---|---|")?;
    }
    for line in &report.credentials {
        writeln!(out, "| {} | {} | {} |", line.finding, cell(&line.arn), cell(&line.detail))?;
    }
    if !report.notes.is_empty() {
        writeln!(out, "\n## Of the files\n")?;
    }
    for note in &report.notes {
        writeln!(out, "- {}", cell(note))?;
    }
    Ok(())
}

/// What is judged by.
fn reach(report: &Report<'_>, mut out: impl Write) -> anyhow::Result<()> {
    writeln!(out, "# Permissions from {} to {}\n", day(&report.from), day(&report.to))?;
    writeln!(
        out,
        "Unused: not used for {}, or never in these days, where a use would have been seen. Not observable: nobody can tell \
         from these logs.\n",
        output::counted(report.unused_after_days as usize, "day")
    )?;
    writeln!(
        out,
        "## How far the logs reach\n\n| account | name | confidence | hours with records | data events of |"
    )?;
    writeln!(out, "|---|---|---|---:|---|")?;
    for line in &report.accounts {
        let data: Vec<String> = line.data_events.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let confidence = line.confidence.unwrap_or("no logs");
        let (name, data) = (cell(line.name.as_deref().unwrap_or("")), cell(&data.join(", ")));
        writeln!(out, "| {} | {name} | {confidence} | {:.1} % | {data} |", line.id, line.hours_with_records * 100.0)?;
    }
    Ok(())
}

fn to_change_of(principal: &PrincipalLine) -> impl Iterator<Item = &StatementLine> {
    principal.statements.iter().filter(|line| line.verdict.is_to_change())
}

/// Text that belongs behind what is still being written. It waits in a file that nobody else sees.
struct Later {
    text: BufWriter<File>,
}

impl Later {
    fn new() -> anyhow::Result<Later> {
        let file = tempfile::tempfile().context("cannot make a temporary file; TMPDIR says where")?;
        Ok(Later { text: BufWriter::new(file) })
    }

    fn is_empty(&mut self) -> anyhow::Result<bool> {
        Ok(self.text.stream_position()? == 0)
    }

    fn append_to(self, out: &mut impl Write) -> anyhow::Result<()> {
        let mut file = self.text.into_inner().context("cannot write a temporary file")?;
        file.rewind()?;
        std::io::copy(&mut file, out)?;
        Ok(())
    }
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

    use super::super::report::{CredentialLine, Principals, StatementVerdict, Use};
    use super::*;

    /// What a report on a role of this name writes.
    fn written(name: &str, write: impl Fn(&Report<'_>, &mut Vec<u8>) -> anyhow::Result<()>) -> String {
        let mut text = Vec::new();
        write(&report(name), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn report(name: &str) -> Report<'_> {
        Report {
            from: "2026-01-01T00:00:00Z".into(),
            to: "2026-04-01T00:00:00Z".into(),
            unused_after_days: 90,
            accounts: Vec::new(),
            principals: Principals::new(move |take| take(principal(name))),
            credentials: vec![CredentialLine {
                arn: "arn:aws:iam::111122223333:user/ana".into(),
                account: "111122223333".into(),
                finding: "old key",
                detail: "key AKIA, made 2025-01-01".into(),
            }],
            notes: vec![format!("of {name}")],
        }
    }

    fn principal(name: &str) -> PrincipalLine {
        PrincipalLine {
            arn: format!("arn:aws:iam::111122223333:role/{name}"),
            account: "111122223333".into(),
            kind: "role",
            activity: Use::Unused,
            last: None,
            young: false,
            confidence: "high",
            counts: Counts { granted: 7, unused: 7, ..Counts::default() },
            services: Vec::new(),
            statements: vec![StatementLine {
                statement: format!("statement 0 ({name}) in p"),
                breadth: "narrow",
                counts: Counts { granted: 7, unused: 7, ..Counts::default() },
                verdict: StatementVerdict::Unused,
            }],
            not_granted: Vec::new(),
            unread: Vec::new(),
            unknown_actions: vec![format!("s3:{name} in p")],
            actions: Vec::new(),
        }
    }

    #[test]
    fn what_is_in_names_is_no_markup() {
        let hostile = "<img src=x onerror=alert(1)>|[a](javascript:x)\n# x";
        let page = written(hostile, |report, out| html(report, out));
        assert!(!page.contains("<img src=x") && page.contains("&lt;img src=x"), "{page}");
        let text = written(hostile, |report, out| markdown(report, out));
        assert!(!text.contains("<img") && !text.contains("[a](") && !text.contains("\n# x"), "{text}");
    }

    #[test]
    fn both_say_what_is_to_be_done() {
        for text in [
            written("web", |report, out| html(report, out)),
            written("web", |report, out| markdown(report, out)),
            written("web", |report, out| json(report, out)),
        ] {
            for part in ["web", "old key", "unused", "2026-04-01"] {
                assert!(text.contains(part), "{part} is not in\n{text}");
            }
        }
    }

    #[test]
    fn why_principals_could_not_be_made_is_told() {
        let failing = Report { principals: Principals::new(|_| anyhow::bail!("the disk is full")), ..report("web") };
        for error in [json(&failing, Vec::new()), html(&failing, Vec::new()), markdown(&failing, Vec::new())] {
            assert_eq!(error.unwrap_err().to_string(), "the disk is full");
        }
    }
}
