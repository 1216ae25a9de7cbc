//! `trailhound rules backtest`: what a rule would have found in a store, and what an edit of it changes.

mod git;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use trailhound_detect::{File, Finding, Planner, Rule, RuleSet};
use trailhound_store::Site;

use git::Kept;

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
    let planner = shipped::planner(&args.rules.site)?;
    let site = shipped::facts(&args.rules.site)?;
    let rule = shipped::rule(&args.rules, &args.rule, &planner)?;
    let before = before(&args, &rule, &planner)?;
    // What is learnt depends on the attacks that other rules find.
    let mut attackers = trailhound_detect::load(shipped::files(&args.rules)?, &planner).into_rules()?;
    attackers.retain(|other| other.id != args.rule && other.makes_attacks());
    let asked = Asked::open(&args.store).await?;
    // What begins before the events that are kept can neither be found again nor be missed.
    let kept_from = asked.store.kept_from().unwrap_or(i64::MIN);
    let within = |f: &Finding| {
        f.first_time >= kept_from
            && args.from.is_none_or(|from| f.last_time >= from)
            && args.to.is_none_or(|to| f.first_time < to)
    };
    let findings_of = async |rule: Rule| -> anyhow::Result<Vec<Finding>> {
        let others = if rule.learns_by_principal() { attackers.clone() } else { Vec::new() };
        let set = RuleSet::compile([rule].into_iter().chain(others), &planner)?;
        let mut findings = trailhound_detect::backtest(&asked.store, &set, MEMORY_BYTES_MAX).await?;
        findings.retain(|f| f.rule == args.rule && within(f));
        Ok(findings)
    };
    let findings = findings_of(rule.clone()).await?;
    let (against, old) = match before {
        Before::Text(revision, old) => (format!("the text in {revision}"), findings_of(*old).await?),
        Before::Nothing(revision) => (format!("{revision}, where the rule is not"), Vec::new()),
        Before::Store => {
            let mut standing = asked.findings.current().await?;
            standing.retain(|f| f.rule == args.rule && within(f));
            let same = standing.iter().all(|f| f.rule_version == rule.version);
            let text = if same { "the same text of the rule" } else { "another text of the rule" };
            (format!("the store's {} ({text})", counted(standing.len(), "finding")), standing)
        }
    };
    let edit = Edit::of(&findings, &old);
    match args.format {
        FindingsFormat::Table => {
            by_day(&findings)?;
            by_entity(&findings)?;
            output::findings(&findings[..findings.len().min(EXAMPLES_MAX)], FindingsFormat::Table, &site)?;
            edit.print(&site)?;
        }
        format => output::findings(&findings, format, &site)?,
    }
    eprintln!("against {against}: {edit}");
    eprintln!("{} in {:.1} s", output::severities(&findings), started.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

/// What the rule is compared with.
enum Before {
    /// The rule's text in a git revision.
    Text(String, Box<Rule>),
    /// A git revision that does not hold the rule.
    Nothing(String),
    /// The findings that stand in the store.
    Store,
}

/// The text before the edit: that of the revision asked for, else of HEAD if the file differs from it.
fn before(args: &BacktestArgs, rule: &Rule, planner: &Planner) -> anyhow::Result<Before> {
    let file = Path::new(&rule.file.shown);
    let built_in = !args.rules.rules.iter().any(|folder| file.starts_with(folder));
    let revision = match &args.against {
        Some(_) if built_in => anyhow::bail!(
            "the rule {} is built in, so git keeps no text of it; name the folder that holds it with --rules",
            rule.id
        ),
        Some(revision) => revision,
        None if built_in => return Ok(Before::Store),
        None => "HEAD",
    };
    let text = match git::text_of(revision, file) {
        Kept::Text(text) if args.against.is_none() && text == rule.file.text => return Ok(Before::Store),
        Kept::Text(text) => text,
        Kept::Absent if args.against.is_none() => return Ok(Before::Store),
        Kept::Absent => return Ok(Before::Nothing(revision.into())),
        Kept::Unknown(_) if args.against.is_none() => return Ok(Before::Store),
        Kept::Unknown(why) => anyhow::bail!("cannot compare with {revision}: {why}"),
    };
    let old = File { shown: format!("{revision}:{}", rule.file.shown), text, ..rule.file.clone() };
    let rules = trailhound_detect::load([old], planner).into_rules().with_context(|| {
        format!("the text of the rule in {revision} is not fit; compare with another revision by --against")
    })?;
    let old = trailhound_detect::rule::named(rules, &rule.id).map_err(anyhow::Error::msg)?;
    Ok(Before::Text(revision.into(), Box::new(old)))
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

/// What this text of a rule adds to what was found before, and what it takes away.
#[derive(Debug, Default)]
struct Edit<'f> {
    added: Vec<&'f Finding>,
    gone: Vec<&'f Finding>,
    /// In both, with other events.
    changed: usize,
    same: usize,
}

impl<'f> Edit<'f> {
    fn of(new: &'f [Finding], old: &'f [Finding]) -> Self {
        let by_id = |findings: &'f [Finding]| -> BTreeMap<&'f str, &'f Finding> {
            findings.iter().map(|f| (f.id.as_str(), f)).collect()
        };
        let (new_ids, old_ids) = (by_id(new), by_id(old));
        let mut edit = Edit::default();
        for finding in new {
            match old_ids.get(finding.id.as_str()) {
                None => edit.added.push(finding),
                Some(before) if (before.count, &before.event_ids) == (finding.count, &finding.event_ids) => {
                    edit.same += 1;
                }
                Some(_) => edit.changed += 1,
            }
        }
        edit.gone = old.iter().filter(|f| !new_ids.contains_key(f.id.as_str())).collect();
        edit
    }

    /// The first few of what comes and of what goes.
    fn print(&self, site: &Site) -> anyhow::Result<()> {
        for (what, findings) in [("added", &self.added), ("gone", &self.gone)] {
            // Where nothing goes, what is added is what was just shown.
            if findings.is_empty() || (self.gone.is_empty() && self.same + self.changed == 0) {
                continue;
            }
            let first: Vec<Finding> = findings.iter().take(EXAMPLES_MAX).map(|f| (*f).clone()).collect();
            terminal::print(&format!("\n{what}, {} of {}:\n", first.len(), findings.len()))?;
            output::findings(&first, FindingsFormat::Table, site)?;
        }
        Ok(())
    }
}

impl fmt::Display for Edit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = self.same + self.changed;
        write!(f, "{} added, {} gone, {both} in both", self.added.len(), self.gone.len())?;
        if self.changed > 0 { write!(f, " ({} with other events)", self.changed) } else { Ok(()) }
    }
}
