//! One finding on a page: what, who, from where, why it matters, its events, what to do.

use std::collections::BTreeSet;

use anyhow::Context;
use datafusion::common::ScalarValue;
use datafusion::prelude::{Expr, SessionContext, col, lit};
use serde_json::Value;
use trailhound_detect::finding::time;
use trailhound_detect::{Finding, Rule, Status};

use crate::args::{RuleArgs, SiteArgs};
use crate::output::{self, Head, Report};
use crate::session::Asked;
use crate::shipped;

/// The columns of an event's line.
const EVENT_COLUMNS: [&str; 7] =
    ["event_time", "event_name", "outcome", "principal_name", "source_ip_address", "user_agent_family", "event_id"];

/// Prints everything about a finding.
pub async fn show(asked: &Asked, finding: &Finding, retracted: bool) -> anyhow::Result<()> {
    let session = asked.session().await?;
    let rule = rule(finding)?;
    let mut report = Report::stdout();
    report.title(&format!("{}: {}", finding.severity, asked.site.name_accounts(&finding.title)));
    if retracted {
        report.line("retracted: no rule stands behind it any more");
    } else if finding.status == Status::Trial {
        report.line("on trial: nobody is told of what this rule finds");
    } else if let Some(open_until) = held(&session, finding).await? {
        report.line(&format!("held back: people are told when the account's sources are complete up to {open_until}"));
    }
    facts(&mut report, asked, finding);
    report.section("Why");
    report.paragraph(&finding.explanation);
    lineage(&mut report, asked, finding);
    evidence(&mut report, finding);
    events(&mut report, &session, finding).await?;
    if let Some(rule) = &rule {
        report.section("What to do");
        report.paragraph(&rule.header.runbook);
        report.section("Harmless when");
        for case in &rule.header.false_positives {
            report.paragraph(&format!("- {case}"));
        }
        references(&mut report, rule);
    }
    report.section("History");
    let heads = [
        Head::fixed("change"),
        Head::number("events"),
        Head::fixed("first"),
        Head::fixed("last"),
        Head::number("table version"),
    ];
    let history = asked.findings.history(&finding.id).await?;
    let rows: Vec<Vec<String>> = history
        .into_iter()
        .map(|h| vec![h.change, h.count.to_string(), h.first_time, h.last_time, h.table_version.to_string()])
        .collect();
    report.grid(&heads, &rows);
    go_on(&mut report, finding);
    report.print().context("cannot print")
}

/// The event time up to which the sources must be complete before people are told of a finding, if it waits for that.
async fn held(session: &SessionContext, finding: &Finding) -> anyhow::Result<Option<String>> {
    let held = session.table("held_findings").await?.filter(col("finding_id").eq(lit(finding.id.clone())))?;
    let batches = held.select_columns(&["open_until"])?.collect().await.context("cannot read what is held back")?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    Ok(output::cells(batch)?.into_iter().flatten().next().flatten())
}

/// The rule as it is shipped; none if it is not, or not any more.
fn rule(finding: &Finding) -> anyhow::Result<Option<Rule>> {
    let files = shipped::files(&RuleArgs::default())?;
    let file = files.into_iter().filter(|file| file.path.strip_suffix(".sql") == Some(finding.rule.as_str()));
    Ok(trailhound_detect::load(file, &shipped::planner(&SiteArgs::default())?).rules.pop())
}

fn facts(report: &mut Report, asked: &Asked, finding: &Finding) {
    let named = |text: &str| asked.site.name_accounts(text);
    let varies = |name: &str, value: &Option<String>| match value {
        Some(value) => value.clone(),
        None if finding.varies.contains(name) => "several".into(),
        None => String::new(),
    };
    report.field("finding", &finding.id);
    report.field(
        "rule",
        &format!("{} ({}, {}, version {})", finding.rule, finding.kind, finding.status, finding.rule_version),
    );
    let until =
        if finding.last_time > finding.first_time { format!(" to {}", time(finding.last_time)) } else { String::new() };
    report.field("time", &format!("{}{until}", time(finding.first_time)));
    report.field("events", &finding.count.to_string());
    report.field("who", &varies("principal", &finding.principal));
    if let Some(person) = &finding.person {
        report.field("person", &named(person));
    }
    for (name, value) in &finding.entity {
        if finding.principal.as_deref() != value.as_str() {
            report.field(name, &plain(value));
        }
    }
    report.field("account", &named(&varies("account_id", &finding.account_id)));
    report.field("region", &varies("region", &finding.region));
    for name in ["source_ip_address", "user_agent"] {
        if let Some(value) = finding.evidence.get(name).filter(|value| !value.is_null()) {
            report.field(if name == "user_agent" { "agent" } else { "from" }, &plain(value));
        }
    }
    for technique in &finding.attack {
        report.field(
            "ATT&CK",
            &format!("{technique}  https://attack.mitre.org/techniques/{}/", technique.replace('.', "/")),
        );
    }
}

/// The ways back from the keys that were used to who gave them out.
fn lineage(report: &mut Report, asked: &Asked, finding: &Finding) {
    let named = |text: &str| asked.site.name_accounts(text);
    let rows: Vec<Vec<String>> = finding
        .lineage
        .iter()
        .flat_map(|way| {
            way.windows(2).filter_map(|pair| {
                let issue = pair[1].issue.as_ref()?;
                Some(vec![pair[0].access_key_id.clone()?, named(&pair[0].told()), issue.told(), named(&pair[1].told())])
            })
        })
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if !rows.is_empty() {
        report.section("Who gave out the keys");
        report.grid(&[Head::fixed("key"), Head::text("used by"), Head::text("given out"), Head::text("to")], &rows);
    }
}

fn evidence(report: &mut Report, finding: &Finding) {
    let rows: Vec<Vec<String>> = finding
        .evidence
        .iter()
        .filter(|(name, value)| !value.is_null() || finding.varies.contains(*name))
        .map(|(name, value)| {
            vec![name.clone(), if finding.varies.contains(name) { "several".into() } else { plain(value) }]
        })
        .collect();
    report.section("Evidence");
    report.grid(&[Head::fixed("column"), Head::text("value")], &rows);
}

/// The events as lines, as far as they are still in the table; the ids and places of the others.
async fn events(report: &mut Report, session: &SessionContext, finding: &Finding) -> anyhow::Result<()> {
    let shown = finding.event_ids.len();
    let of =
        if finding.count > shown as u64 { format!(" (the first {shown} of {})", finding.count) } else { String::new() };
    report.section(&format!("Events{of}"));
    let batches = session.table("events").await?.filter(of_finding(finding))?;
    let batches = batches
        .select_columns(&EVENT_COLUMNS)?
        .sort(vec![col("event_time").sort(true, false), col("event_id").sort(true, false)])?;
    let mut rows = Vec::new();
    for batch in batches.collect().await.context("cannot read the finding's events")? {
        rows.extend(
            output::cells(&batch)?
                .into_iter()
                .map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>()),
        );
    }
    let heads = EVENT_COLUMNS.map(|name| match name {
        "event_time" | "event_id" | "outcome" => Head::fixed(name),
        _ => Head::text(name),
    });
    if !rows.is_empty() {
        report.grid(&heads, &rows);
    }
    for (id, object) in finding.event_ids.iter().zip(&finding.objects) {
        if !rows.iter().any(|row| row.last() == Some(id)) {
            report.line(&format!("{id} is not in the table any more; it was read in {object}"));
        }
    }
    Ok(())
}

/// Finds the finding's events; its days and times spare most of the table.
fn of_finding(finding: &Finding) -> Expr {
    let day = |micros| lit(ScalarValue::Date32(Some(trailhound_ingest::time::day(micros))));
    let at = |micros| lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())));
    let ids = finding.event_ids.iter().map(|id| lit(ScalarValue::Utf8View(Some(id.clone())))).collect();
    col("event_date")
        .between(day(finding.first_time), day(finding.last_time))
        .and(col("event_time").between(at(finding.first_time), at(finding.last_time)))
        .and(col("event_id").in_list(ids, false))
}

fn references(report: &mut Report, rule: &Rule) {
    let cis = rule.header.cis.iter().map(|item| format!("CIS AWS Foundations {item}"));
    let all: Vec<String> = cis.chain(rule.header.refs.iter().cloned()).collect();
    if !all.is_empty() {
        report.section("References");
        all.iter().for_each(|reference| report.line(reference));
    }
}

/// Commands to go on with. Values from logs stand in them quoted for SQL and for the shell.
fn go_on(report: &mut Report, finding: &Finding) {
    report.section("Go on");
    for who in [&finding.principal, &finding.person].into_iter().flatten() {
        report.line(&format!("trailhound investigate {}", shell(who)));
    }
    if let Some(address) = finding.evidence.get("source_ip_address").and_then(Value::as_str) {
        report.line(&format!("trailhound investigate {}", shell(address)));
    }
    let ids: Vec<String> = finding.event_ids.iter().map(|id| sql_text(id)).collect();
    let days = [finding.first_time, finding.last_time].map(|t| time(t).get(..10).map(sql_text).unwrap_or_default());
    let of_days = if days[0] == days[1] {
        format!("event_date = {}", days[0])
    } else {
        format!("event_date BETWEEN {} AND {}", days[0], days[1])
    };
    report.line(&format!(
        "trailhound sql {}",
        shell(&format!("SELECT * FROM events WHERE {of_days} AND event_id IN ({})", ids.join(", ")))
    ));
}

/// A text literal of SQL.
pub fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A word for a shell.
pub fn shell(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=,+".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.to_owned();
    }
    if !text.contains(['"', '$', '`', '\\', '!']) {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// A value without the quotes of JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_quotes() {
        assert_eq!(sql_text("a' OR 1=1 --"), "'a'' OR 1=1 --'");
        assert_eq!(shell("AKIAEXAMPLE"), "AKIAEXAMPLE");
        assert_eq!(shell("SELECT 'x'"), "\"SELECT 'x'\"");
        assert_eq!(shell("$(rm -rf ~)"), "'$(rm -rf ~)'");
        assert_eq!(shell("`a`'b"), "'`a`'\\''b'");
        assert_eq!(shell("-x"), "\"-x\"");
    }
}
