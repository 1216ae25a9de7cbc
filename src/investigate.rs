//! `trailhound investigate`: all that the logs say of a principal, an access key or an address, on one page.
//!
//! What the user asks for is bound as a value, never put into SQL text: the events that it names become a view, and
//! every question below is asked of that view.

mod sections;
mod who;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::prelude::{DataFrame, SessionContext, col, lit};
use futures::TryStreamExt;

use crate::args::InvestigateArgs;
use crate::output::{self, Head, Report};
use crate::session::Asked;
use sections::{Section, sections};
use who::Who;

/// The events in question, as the questions below know them.
const VIEW: &str = "asked";
/// Up to this many events are read once and kept; of more, every question reads the table again.
const ROWS_IN_MEMORY_MAX: usize = 500_000;
/// The columns that the questions read.
const COLUMNS: &[&str] = &[
    "event_id",
    "event_time",
    "event_date",
    "event_source",
    "event_name",
    "outcome",
    "error_code",
    "read_only",
    "account_id",
    "aws_region",
    "principal_key",
    "principal_name",
    "principal_class",
    "session_name",
    "source_ip_address",
    "source_ip",
    "source_kind",
    "source_network",
    "source_country",
    "source_as_org",
    "user_agent",
    "user_agent_family",
    "user_agent_os",
    "user_identity_access_key_id",
    "request_role_arn",
    "request_user_name",
    "response_user_name",
    "response_access_key_id",
    "response_assumed_role_arn",
    "login_result",
    "mfa_used",
];

/// Prints the page.
pub async fn run(args: InvestigateArgs) -> anyhow::Result<ExitCode> {
    let asked = Asked::open(&args.store).await?.at(&args.site)?;
    let session = asked.session().await?;
    let who = Who::parse(&args.who);
    take(&session, &who).await?;
    let mut report = Report::stdout();
    report.title(&who.title());
    let earlier = take_earlier(&asked, &session, &who).await?;
    if summary(&mut report, &session).await? {
        for section in sections(&who) {
            ask(&mut report, &session, &section).await?;
        }
    } else if !earlier {
        anyhow::bail!(who::unknown(&session, &who).await?);
    }
    if earlier {
        ask(&mut report, &session, &sections::EARLIER).await?;
    }
    findings(&mut report, &asked, &session).await?;
    report.section("Go on");
    report.line(&format!("trailhound sql {}", who.statement()));
    report.print().context("cannot print")?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the events in question known as a table: in memory where they are few, else as a view.
async fn take(session: &SessionContext, who: &Who) -> anyhow::Result<()> {
    let events = session.table("events").await?.filter(who.filter())?.select_columns(COLUMNS)?;
    let view = events.clone().into_view();
    let schema = Arc::new(events.schema().as_arrow().clone());
    let mut stream = events.execute_stream().await.context("cannot read events")?;
    let mut kept: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    while let Some(batch) = stream.try_next().await.context("cannot read events")? {
        rows += batch.num_rows();
        if rows > ROWS_IN_MEMORY_MAX {
            session.register_table(VIEW, view)?;
            return Ok(());
        }
        kept.push(batch);
    }
    session.register_table(VIEW, Arc::new(MemTable::try_new(schema, vec![kept])?))?;
    Ok(())
}

/// Makes the counts of days whose events are gone known as a table; false where there are none.
async fn take_earlier(asked: &Asked, session: &SessionContext, who: &Who) -> anyhow::Result<bool> {
    let (Some(filter), Some(before)) = (who.counted(), asked.store.expired().before) else { return Ok(false) };
    let gone = col("event_date").lt(lit(ScalarValue::Date32(Some(before))));
    let counts = session.table("activity").await?.filter(filter)?.filter(gone)?;
    session.register_table("earlier", counts.clone().into_view())?;
    Ok(counts.limit(0, Some(1))?.count().await.context("cannot read counts")? > 0)
}

/// First and last seen, how much, how it went; false where there is nothing.
async fn summary(report: &mut Report, session: &SessionContext) -> anyhow::Result<bool> {
    let rows = rows(session.sql(sections::SUMMARY).await?).await?;
    let Some(row) = rows.first().filter(|row| row[2] != "0") else { return Ok(false) };
    report.field("first seen", &row[0]);
    report.field("last seen", &row[1]);
    report.field("events", &format!("{} (writes {}, reads {})", row[2], row[4], row[5]));
    report.field("active days", &row[3]);
    report.field("outcome", &format!("{} success, {} denied, {} failure", row[6], row[7], row[8]));
    Ok(true)
}

/// Asks one question; a section without an answer is left out.
async fn ask(report: &mut Report, session: &SessionContext, section: &Section) -> anyhow::Result<()> {
    let answer = session.sql(section.sql).await.with_context(|| format!("cannot ask for {}", section.title))?;
    let heads: Vec<Head> = answer
        .schema()
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            kind if kind.is_numeric() => Head::number(field.name()),
            kind if kind.is_temporal() => Head::fixed(field.name()),
            _ => Head::text(field.name()),
        })
        .collect();
    let mut rows = rows(answer.limit(0, Some(section.rows + 1))?)
        .await
        .with_context(|| format!("cannot ask for {}", section.title))?;
    if rows.is_empty() {
        return Ok(());
    }
    let more = rows.len() > section.rows;
    rows.truncate(section.rows);
    report.section(section.title);
    report.grid(&heads, &rows);
    if more {
        report.line("…");
    }
    Ok(())
}

/// Current findings that have one of the events in question among theirs, or name one of the principals.
async fn findings(report: &mut Report, asked: &Asked, session: &SessionContext) -> anyhow::Result<()> {
    let all = asked.findings.current().await?;
    let ids = all.iter().flat_map(|finding| &finding.event_ids);
    let ids = ids.map(|id| lit(ScalarValue::Utf8View(Some(id.clone())))).collect();
    let known = session.table(VIEW).await?.filter(col("event_id").in_list(ids, false))?;
    let known: std::collections::HashSet<String> =
        rows(known.select_columns(&["event_id"])?).await?.into_iter().flatten().collect();
    let mut touched: Vec<_> =
        all.iter().filter(|finding| finding.event_ids.iter().any(|id| known.contains(id))).collect();
    touched.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.first_time.cmp(&b.first_time)));
    if touched.is_empty() {
        return Ok(());
    }
    report.section("Findings");
    let heads = [
        Head::fixed("severity"),
        Head::fixed("first seen"),
        Head::text("finding"),
        Head::text("rule"),
        Head::fixed("id"),
    ];
    let lines: Vec<Vec<String>> = touched
        .iter()
        .map(|f| {
            let id = f.id.get(..10).unwrap_or(&f.id).to_string();
            vec![
                f.severity.to_string(),
                trailhound_detect::finding::time(f.first_time),
                asked.site.name_accounts(&f.title),
                f.rule.clone(),
                id,
            ]
        })
        .collect();
    report.grid(&heads, &lines);
    Ok(())
}

/// All rows of a small answer as text.
async fn rows(answer: DataFrame) -> anyhow::Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    for batch in answer.collect().await? {
        rows.extend(
            output::cells(&batch)?
                .into_iter()
                .map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>()),
        );
    }
    Ok(rows)
}
