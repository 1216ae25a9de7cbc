//! `trailhound findings`: what the rules found, listed, summed up by rule, or one with all that is known of it.

mod show;
mod summary;

use std::process::ExitCode;

use trailhound_detect::Finding;

use crate::args::FindingsCommand;
use crate::output;
use crate::session::Asked;

pub use show::{shell, sql_text};

/// Candidates that are listed where the beginning of an id fits several.
const CANDIDATES_MAX: usize = 20;

/// Lists findings, or shows one.
pub async fn run(command: FindingsCommand) -> anyhow::Result<ExitCode> {
    match command {
        FindingsCommand::List { store, site, severity, rule, status, format } => {
            let asked = Asked::open(&store).await?.at(&site)?;
            let mut findings = asked.findings.current().await?;
            let least = severity.map_or(0, |severity| output::severity_rank(severity.as_str()));
            findings.retain(|f| output::severity_rank(f.severity.as_str()) >= least);
            findings.retain(|f| rule.as_ref().is_none_or(|part| f.rule.contains(part.as_str())));
            findings.retain(|f| status.is_none_or(|status| f.status.as_str() == status.as_str()));
            output::findings(&findings, format, &asked.site)?;
            eprintln!("{}", output::severities(&findings));
        }
        FindingsCommand::Summary { store, status } => summary::summary(&Asked::open(&store).await?, status).await?,
        FindingsCommand::Show { id, store, site } => {
            let asked = Asked::open(&store).await?.at(&site)?;
            let (finding, retracted) = find(&asked, &id).await?;
            show::show(&asked, &finding, retracted).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The finding with this id, or the only one whose id begins so, and whether it is retracted.
async fn find(asked: &Asked, id: &str) -> anyhow::Result<(Finding, bool)> {
    if let Some(found) = asked.findings.find(id).await? {
        return Ok(found);
    }
    let hex = !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
    let begins = id.to_ascii_lowercase();
    let mut candidates: Vec<Finding> = asked.findings.current().await?;
    candidates.retain(|finding| hex && finding.id.starts_with(&begins));
    anyhow::ensure!(!candidates.is_empty(), "there is no finding `{id}`; `trailhound findings list` shows their ids");
    let lines: Vec<String> =
        candidates.iter().take(CANDIDATES_MAX).map(|f| format!("  {}  {}  {}", f.id, f.severity, f.title)).collect();
    let more = candidates.len().saturating_sub(CANDIDATES_MAX);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    anyhow::bail!("{} findings begin with `{id}`; write more of it:\n{}{more}", candidates.len(), lines.join("\n"))
}
