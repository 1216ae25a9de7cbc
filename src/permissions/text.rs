//! The report on a terminal: accounts, who can lose how much, statements to change, credentials; of few principals all of it.

use super::report::{PrincipalLine, Report, StatementLine, Use};
use crate::output::{self, Head};

/// Principals whose services and statements are shown; the tables of all would hide what matters.
const SHOWN_WHOLE_MAX: usize = 3;
const STATEMENTS_MAX: usize = 40;
/// Principals of which it is told that policies are missing, or that actions in them are not known.
const MISSING_MAX: usize = 20;
/// Actions of a principal that are told so.
const UNKNOWN_MAX: usize = 5;

/// Prints a report. Without names (`all`) principals that lose most come first.
pub fn print(report: &Report<'_>, all: bool) -> anyhow::Result<()> {
    let mut listed = Listed::default();
    let mut whole = Vec::new();
    let mut judged = 0;
    report.principals.each(|line| {
        judged += 1;
        listed.add(&line);
        if all || judged > SHOWN_WHOLE_MAX {
            whole.clear();
        } else {
            whole.push(line);
        }
        Ok(())
    })?;
    let mut page = output::Report::stdout();
    page.title(&format!("Permissions from {} to {}", day(&report.from), day(&report.to)));
    page.paragraph(&format!(
        "unused: not used for {}, or never in these days, where a use would have been seen; not observable: nobody can tell \
         from these logs",
        output::counted(report.unused_after_days as usize, "day")
    ));
    accounts(&mut page, report);
    listed.principals(&mut page);
    whole.iter().for_each(|principal| services(&mut page, principal));
    match whole.is_empty() {
        true => listed.to_change.print(&mut page, "Statements to change"),
        false => {
            let mut all = Foremost::default();
            whole.iter().for_each(|principal| principal.statements.iter().for_each(|line| all.add(principal, line)));
            all.print(&mut page, "Statements");
        }
    }
    whole.iter().for_each(|principal| actions(&mut page, principal));
    credentials(&mut page, report);
    if !report.notes.is_empty() {
        page.section("Of the files");
        report.notes.iter().for_each(|note| page.paragraph(&format!("- {note}")));
    }
    Ok(page.print()?)
}

/// What is shown of all principals.
#[derive(Default)]
struct Listed {
    /// Whether a principal is unused, how much it can lose, and its row.
    rows: Vec<((bool, u32), Vec<String>)>,
    /// Sentences on policies that are missing.
    missing: Vec<String>,
    /// Sentences on actions that are not known.
    unknown: Vec<String>,
    to_change: Foremost,
}

/// The statements that grant most of what is unused, of all that were added.
#[derive(Default)]
struct Foremost {
    /// What is unused, falling, and the row.
    rows: Vec<(u32, Vec<String>)>,
    added: usize,
}

fn accounts(page: &mut output::Report, report: &Report<'_>) {
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

impl Listed {
    fn add(&mut self, line: &PrincipalLine) {
        let counts = line.counts;
        let services: Vec<&str> = line.unused_services().map(|service| service.service).collect();
        let more = services.len().saturating_sub(6);
        let shown = services.iter().take(6).copied().collect::<Vec<_>>().join(", ");
        let row = vec![
            line.name().to_owned(),
            line.account.clone(),
            if line.unread.is_empty() {
                line.activity.to_string()
            } else {
                format!("{}, policies missing", line.activity)
            },
            line.last.as_deref().map_or(String::new(), day),
            counts.granted.to_string(),
            counts.in_use().to_string(),
            counts.gap().to_string(),
            counts.not_observable.to_string(),
            if more > 0 { format!("{shown} and {more} more") } else { shown },
        ];
        self.rows.push(((line.activity == Use::Unused, counts.gap()), row));
        if !line.unread.is_empty() && self.missing.len() < MISSING_MAX {
            self.missing.push(format!(
                "{}: not in the files, so there may be more grants: {}",
                line.name(),
                line.unread.join(", ")
            ));
        }
        if !line.unknown_actions.is_empty() && self.unknown.len() < MISSING_MAX {
            let told = line.unknown_actions.iter().take(UNKNOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = line.unknown_actions.len().saturating_sub(UNKNOWN_MAX);
            let more = if more > 0 { format!(" and {more} more (--format json has all)") } else { String::new() };
            self.unknown.push(format!("{}: {}: {told}{more}", line.name(), super::report::unknown_why()));
        }
        line.statements.iter().filter(|one| one.verdict.is_to_change()).for_each(|one| self.to_change.add(line, one));
    }

    fn principals(&mut self, page: &mut output::Report) {
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
        self.rows.sort_by_key(|(loses, _)| std::cmp::Reverse(*loses));
        let rows: Vec<Vec<String>> = self.rows.drain(..).map(|(_, row)| row).collect();
        page.grid(&heads, &rows);
        self.missing.iter().chain(&self.unknown).for_each(|sentence| page.paragraph(sentence));
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

impl Foremost {
    fn add(&mut self, principal: &PrincipalLine, line: &StatementLine) {
        self.added += 1;
        let (used, gap) = (line.counts.in_use(), line.counts.gap());
        // Of equals, the first.
        let place = self.rows.partition_point(|(other, _)| *other >= gap);
        if place == STATEMENTS_MAX {
            return;
        }
        let row = vec![
            line.verdict.to_string(),
            principal.name().to_owned(),
            line.statement.clone(),
            line.counts.granted.to_string(),
            used.to_string(),
            gap.to_string(),
        ];
        self.rows.insert(place, (gap, row));
        self.rows.truncate(STATEMENTS_MAX);
    }

    fn print(self, page: &mut output::Report, section: &str) {
        if self.rows.is_empty() {
            return;
        }
        let heads = [
            Head::fixed("verdict"),
            Head::text("principal"),
            Head::text("statement"),
            Head::number("grants"),
            Head::number("used"),
            Head::number("unused"),
        ];
        page.section(section);
        let more = self.added - self.rows.len();
        let rows: Vec<Vec<String>> = self.rows.into_iter().map(|(_, row)| row).collect();
        page.grid(&heads, &rows);
        if more > 0 {
            page.line(&format!("and {more} more; --format json has all"));
        }
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

fn credentials(page: &mut output::Report, report: &Report<'_>) {
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
