use trailhound_detect::Finding;
use trailhound_store::Account;

use crate::args::FindingsFormat;

pub fn findings(findings: &[Finding], _format: FindingsFormat) -> anyhow::Result<()> {
    for finding in findings {
        println!("{}", serde_json::to_string(finding)?);
    }
    Ok(())
}

pub fn severity_rank(word: &str) -> usize {
    ["info", "low", "medium", "high", "critical"].iter().position(|s| *s == word).unwrap_or(0)
}

pub fn account(what: &str, account: &Account) -> String {
    format!("{what:<16}{account:?}")
}

pub fn severities(findings: &[Finding]) -> String {
    format!("findings        {}", findings.len())
}
