//! `trailhound rules backtest`: what a rule would have found in a store, and what an edit of it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Instant;

use trailhound_detect::{Finding, Rule, RuleSet};

use crate::args::{BacktestArgs, FindingsFormat};
use crate::output::{self, Head, counted, grid};
use crate::session::Asked;
use crate::{shipped, terminal};

/// Entities and examples that are shown.
const ENTITIES_MAX: usize = 10;
const EXAMPLES_MAX: usize = 5;
/// What the rule remembers beyond this goes to a file.
const MEMORY_BYTES_MAX: usize = 256 << 20;

/// Runs one rule over a store, changing nothing there.
pub async fn run(args: BacktestArgs) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let planner = shipped::planner()?;
    let mut rules = trailhound_detect::load(shipped::files(&args.rules)?, &planner).into_rules()?;
    let asked_for = rules.iter().find(|rule| rule.id == args.rule);
    anyhow::ensure!(asked_for.is_some(), "there is no rule `{}`; `trailhound rules list` shows them", args.rule);
    // What is learnt depends on the attacks that other rules find.
    let learns = asked_for.is_some_and(Rule::learns_by_principal);
    rules.retain(|rule| rule.id == args.rule || learns && rule.makes_attacks());
    let asked = Asked::open(&args.store).await?;
    let set = RuleSet::compile(rules, &planner)?;
    // What begins before the events that are kept can neither be found again nor be missed.
    let kept_from = asked.store.kept_from().unwrap_or(i64::MIN);
    let within = |f: &Finding| {
        f.first_time >= kept_from
            && args.from.is_none_or(|from| f.last_time >= from)
            && args.to.is_none_or(|to| f.first_time < to)
    };
    let mut findings = trailhound_detect::backtest(&asked.store, &set, MEMORY_BYTES_MAX).await?;
    findings.retain(|f| f.rule == args.rule && within(f));
    let mut standing = asked.findings.current().await?;
    standing.retain(|f| f.rule == args.rule && within(f));
    match args.format {
        FindingsFormat::Table => {
            by_day(&findings)?;
            by_entity(&findings)?;
            output::findings(&findings[..findings.len().min(EXAMPLES_MAX)], FindingsFormat::Table)?;
        }
        format => output::findings(&findings, format)?,
    }
    eprintln!("{}", compared(&findings, &standing));
    eprintln!("{} in {:.1} s", output::severities(&findings), started.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

/// Findings by UTC day of their first event.
fn by_day(findings: &[Finding]) -> anyhow::Result<()> {
    let mut days: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for finding in findings {
        let day: String = trailhound_detect::finding::time(finding.first_time).chars().take(10).collect();
        let (number, events) = days.entry(day).or_default();
        *number += 1;
        *events += finding.count;
    }
    let rows = days.into_iter().map(|(day, (number, events))| vec![day, number.to_string(), events.to_string()]);
    print(&[Head::fixed("day"), Head::number("findings"), Head::number("events")], rows.collect())
}

/// The entities with the most findings.
fn by_entity(findings: &[Finding]) -> anyhow::Result<()> {
    let mut entities: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for finding in findings {
        let entity = serde_json::to_string(&finding.entity)?;
        let (number, events) = entities.entry(terminal::clean(&entity).into_owned()).or_default();
        *number += 1;
        *events += finding.count;
    }
    let mut entities: Vec<_> = entities.into_iter().collect();
    entities.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    entities.truncate(ENTITIES_MAX);
    let rows = entities.into_iter().map(|(entity, (n, events))| vec![n.to_string(), events.to_string(), entity]);
    print(&[Head::number("findings"), Head::number("events"), Head::text("entity")], rows.collect())
}

fn print(heads: &[Head], rows: Vec<Vec<String>>) -> anyhow::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    Ok(terminal::print(&format!("{}\n\n", grid(heads, &rows, terminal::width()).join("\n")))?)
}

/// What this text of the rule adds to the findings that stand in the store, and what it takes away.
fn compared(findings: &[Finding], standing: &[Finding]) -> String {
    let ids = |findings: &[Finding]| findings.iter().map(|f| f.id.clone()).collect::<BTreeSet<String>>();
    let (new, old) = (ids(findings), ids(standing));
    let texts: BTreeSet<&str> = standing.iter().map(|f| f.rule_version.as_str()).collect();
    let same = findings.iter().all(|f| texts.is_empty() || texts.contains(f.rule_version.as_str()));
    format!(
        "against the store's {} ({}): {} added, {} gone, {} in both",
        counted(standing.len(), "finding"),
        if same { "the same text of the rule" } else { "another text of the rule" },
        new.difference(&old).count(),
        old.difference(&new).count(),
        new.intersection(&old).count(),
    )
}
