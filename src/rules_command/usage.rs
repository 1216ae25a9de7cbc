//! `trailhound rules list|check --store`: which rules have anything to do in a store.

use std::collections::HashMap;
use std::process::ExitCode;

use trailhound_detect::usage::{Usage, usage};

use crate::args::{RuleArgs, StoreArgs};
use crate::output::{Head, counted, grid};
use crate::session::Asked;
use crate::{shipped, terminal};

/// One line a rule: events that it chose, current findings, when last, and why there is nothing.
pub async fn list(rules: &RuleArgs, store: &StoreArgs) -> anyhow::Result<ExitCode> {
    let (used, findings) = used(rules, store).await?;
    let rows: Vec<Vec<String>> = used
        .iter()
        .map(|usage| {
            let found = findings.get(&usage.rule).copied().unwrap_or(0);
            let last = usage.last_time.map(trailhound_detect::finding::time).unwrap_or_default();
            let why = usage.silent.clone().unwrap_or_default();
            [usage.rule.clone(), usage.chosen.to_string(), found.to_string(), last, why]
                .map(|cell| terminal::clean(&cell).into_owned())
                .to_vec()
        })
        .collect();
    let heads = [
        Head::fixed("rule"),
        Head::number("events"),
        Head::number("findings"),
        Head::fixed("last"),
        Head::text("why none"),
    ];
    terminal::print(&format!("{}\n", grid(&heads, &rows, terminal::width()).join("\n")))?;
    eprintln!("{}", told(&used));
    Ok(ExitCode::SUCCESS)
}

/// The rules that chose nothing, and why.
pub async fn silent(rules: &RuleArgs, store: &StoreArgs) -> anyhow::Result<()> {
    let (used, _) = used(rules, store).await?;
    for usage in &used {
        if let Some(why) = &usage.silent {
            terminal::print(&format!("{}\n", terminal::clean(&format!("{}: {why}", usage.rule))))?;
        }
    }
    eprintln!("{}", told(&used));
    Ok(())
}

/// What every rule had to do, and its current findings by id.
async fn used(rules: &RuleArgs, store: &StoreArgs) -> anyhow::Result<(Vec<Usage>, HashMap<String, u64>)> {
    let set = shipped::rule_set(rules)?;
    let asked = Asked::open(store).await?;
    let mut findings: HashMap<String, u64> = HashMap::new();
    for finding in asked.findings.current().await? {
        *findings.entry(finding.rule).or_default() += 1;
    }
    let mut used = usage(&asked.store, &set).await?;
    used.sort_by(|a, b| a.rule.cmp(&b.rule));
    Ok((used, findings))
}

fn told(used: &[Usage]) -> String {
    let silent = used.iter().filter(|usage| usage.silent.is_some()).count();
    format!("{}, {silent} of them chose nothing in this store", counted(used.len(), "rule"))
}
