//! The report on a terminal: accounts, who can lose how much, statements to change, credentials; of few principals all of it.

use super::report::{PrincipalLine, Report};
use crate::output::{self, Head};

/// Principals whose services and statements are shown; the tables of all would hide what matters.
const SHOWN_WHOLE_MAX: usize = 3;
const STATEMENTS_MAX: usize = 40;

/// Prints a report. Without names (`all`) principals that lose most come first.
pub fn print(report: &Report, all: bool) -> anyhow::Result<()> {
    let mut page = output::Report::stdout();
    page.title(&format!("Permissions from {} to {}", day(&report.from), day(&report.to)));
    page.paragraph(&format!(
        "unused: not used for {} days, or never in these days, where a use would have been seen; not observable: nobody can tell \
         from these logs",
        report.unused_after_days
    ));
    accounts(&mut page, report);
    principals(&mut page, report);
    let whole = !all && report.principals.len() <= SHOWN_WHOLE_MAX;
    if whole {
        report.principals.iter().for_each(|principal| services(&mut page, principal));
    }
    statements(&mut page, report, whole);
    if whole {
        report.principals.iter().for_each(|principal| actions(&mut page, principal));
    }
    credentials(&mut page, report);
    if !report.notes.is_empty() {
        page.section("Of the files");
        report.notes.iter().for_each(|note| page.paragraph(&format!("- {note}")));
    }
    Ok(page.print()?)
}

fn accounts(page: &mut output::Report, report: &Report) {
    page.section("How far the logs reach");
    let heads = [
        Head::fixed("account"),
        Head::text("name"),
        Head::fixed("confidence"),
        Head::number("hours with records"),
        Head::fixed("first"),
        Head::fixed("last"),
        Head::text("data events of"),
    ];
    let row = |line: &super::report::AccountLine| {
        let data: Vec<String> = line.data_events.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        vec![
            line.id.clone(),
            line.name.clone().unwrap_or_default(),
            line.confidence.unwrap_or("no logs").to_owned(),
            format!("{:.1} %", line.hours_with_records * 100.0),
            line.first.as_deref().map_or(String::new(), day),
            line.last.as_deref().map_or(String::new(), day),
            if data.is_empty() { "nothing".into() } else { data.join(", ") },
        ]
    };
    page.grid(&heads, &report.accounts.iter().map(row).collect::<Vec<_>>());
}

fn principals(page: &mut output::Report, report: &Report) {
    page.section("Users and roles");
    let heads = [
        Head::text("principal"),
        Head::fixed("account"),
        Head::fixed("activity"),
        Head::fixed("last"),
        Head::number("granted"),
        Head::number("used"),
        Head::number("unused"),
        Head::number("not observable"),
        Head::text("whole services unused"),
    ];
    let mut sorted: Vec<&PrincipalLine> = report.principals.iter().collect();
    sorted.sort_by_key(|line| std::cmp::Reverse((line.activity == "unused", line.counts.gap())));
    let row = |line: &&PrincipalLine| {
        let counts = line.counts;
        let services: Vec<&str> = line.unused_services().map(|service| service.service).collect();
        let more = services.len().saturating_sub(6);
        let shown = services.iter().take(6).copied().collect::<Vec<_>>().join(", ");
        vec![
            line.name().to_owned(),
            line.account.clone(),
            if line.unread.is_empty() {
                line.activity.to_owned()
            } else {
                format!("{}, policies missing", line.activity)
            },
            line.last.as_deref().map_or(String::new(), day),
            counts.granted.to_string(),
            counts.in_use().to_string(),
            counts.gap().to_string(),
            counts.not_observable.to_string(),
            if more > 0 { format!("{shown} and {more} more") } else { shown },
        ]
    };
    page.grid(&heads, &sorted.iter().map(row).collect::<Vec<_>>());
    for line in report.principals.iter().filter(|line| !line.unread.is_empty()).take(20) {
        page.paragraph(&format!(
            "{}: not in the files, so there may be more grants: {}",
            line.name(),
            line.unread.join(", ")
        ));
    }
}

fn services(page: &mut output::Report, principal: &PrincipalLine) {
    page.section(&format!("Services of {}", principal.name()));
    let heads = [
        Head::fixed("service"),
        Head::number("granted"),
        Head::number("used"),
        Head::number("unused"),
        Head::number("not observable"),
        Head::fixed("last"),
    ];
    let used = |line: &&super::report::ServiceLine| line.counts.in_use();
    let mut lines: Vec<&super::report::ServiceLine> = principal.services.iter().collect();
    lines.sort_by_key(|line| std::cmp::Reverse(used(line)));
    let row = |line: &&super::report::ServiceLine| {
        let counts = line.counts;
        vec![
            line.service.to_owned(),
            counts.granted.to_string(),
            used(line).to_string(),
            counts.gap().to_string(),
            counts.not_observable.to_string(),
            line.last.as_deref().map_or(String::new(), day),
        ]
    };
    page.grid(&heads, &lines.iter().map(row).collect::<Vec<_>>());
    if !principal.not_granted.is_empty() {
        page.paragraph(&format!(
            "used, and granted by something else (a resource's policy, or one that is gone): {}",
            principal.not_granted.join(", ")
        ));
    }
}

fn statements(page: &mut output::Report, report: &Report, whole: bool) {
    let heads = [
        Head::fixed("verdict"),
        Head::text("principal"),
        Head::text("statement"),
        Head::number("grants"),
        Head::number("used"),
        Head::number("unused"),
    ];
    let mut rows = Vec::new();
    for principal in &report.principals {
        for line in &principal.statements {
            if whole || matches!(line.verdict, "unused" | "over-broad") {
                let used = line.counts.in_use();
                let gap = line.counts.gap();
                rows.push((
                    gap,
                    vec![
                        line.verdict.to_owned(),
                        principal.name().to_owned(),
                        line.statement.clone(),
                        line.counts.granted.to_string(),
                        used.to_string(),
                        gap.to_string(),
                    ],
                ));
            }
        }
    }
    if rows.is_empty() {
        return;
    }
    rows.sort_by_key(|(gap, _)| std::cmp::Reverse(*gap));
    page.section(if whole { "Statements" } else { "Statements to change" });
    let more = rows.len().saturating_sub(STATEMENTS_MAX);
    let rows: Vec<Vec<String>> = rows.into_iter().take(STATEMENTS_MAX).map(|(_, row)| row).collect();
    page.grid(&heads, &rows);
    if more > 0 {
        page.line(&format!("and {more} more; --format json has all"));
    }
}

fn actions(page: &mut output::Report, principal: &PrincipalLine) {
    if principal.actions.is_empty() {
        return;
    }
    page.section(&format!("Actions of {}", principal.name()));
    let heads = [Head::fixed("verdict"), Head::text("action"), Head::text("detail"), Head::text("granted by")];
    let row = |line: &super::report::ActionLine| {
        let condition = if line.conditional { " (under a condition)" } else { "" };
        vec![
            line.verdict.to_owned(),
            format!("{}{condition}", line.action),
            line.detail.clone(),
            line.statements.join("; "),
        ]
    };
    page.grid(&heads, &principal.actions.iter().map(row).collect::<Vec<_>>());
}

fn credentials(page: &mut output::Report, report: &Report) {
    if report.credentials.is_empty() {
        return;
    }
    page.section("Passwords, keys and second factors");
    let heads = [Head::fixed("finding"), Head::text("whose"), Head::text("detail")];
    let row =
        |line: &super::report::CredentialLine| vec![line.finding.to_owned(), line.arn.clone(), line.detail.clone()];
    page.grid(&heads, &report.credentials.iter().map(row).collect::<Vec<_>>());
}

/// The day of a time.
fn day(time: impl AsRef<str>) -> String {
    time.as_ref().get(..10).unwrap_or_default().to_owned()
}
