//! What each rule found, one line a rule.

use anyhow::Context;

use crate::args::StatusArg;
use crate::output::{self, Head, Report, counted};
use crate::session::Asked;

/// Retracted findings are those that later events undid, and those of rules that are gone or were changed.
const QUERY: &str = "SELECT rule, min(status) AS status, min(severity) AS severity,
    count(*) FILTER (WHERE state = 'current') AS findings, count(*) FILTER (WHERE state = 'retracted') AS retracted,
    count(DISTINCT entity) FILTER (WHERE state = 'current') AS entities,
    count(DISTINCT date_trunc('day', first_time)) FILTER (WHERE state = 'current') AS days,
    to_char(max(last_time), '%Y-%m-%d %H:%M') AS last FROM findings GROUP BY rule ORDER BY findings DESC, rule";

/// Prints it, the rule with most findings first.
pub async fn summary(asked: &Asked, status: Option<StatusArg>) -> anyhow::Result<()> {
    let session = asked.session().await?;
    let batches = session.sql(QUERY).await?.collect().await.context("cannot sum findings up")?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for batch in batches {
        rows.extend(
            output::cells(&batch)?.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()),
        );
    }
    rows.retain(|row| status.is_none_or(|status| row[1] == status.as_str()));
    let heads = [
        Head::text("rule"),
        Head::fixed("status"),
        Head::fixed("severity"),
        Head::number("findings"),
        Head::number("retracted"),
        Head::number("entities"),
        Head::number("days"),
        Head::fixed("last"),
    ];
    let mut report = Report::stdout();
    report.grid(&heads, &rows);
    report.print().context("cannot print")?;
    eprintln!("{}", counted(rows.len(), "rule"));
    Ok(())
}
