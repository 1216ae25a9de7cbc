//! The rules that the binary carries, and those that the user adds.

use std::sync::Arc;

use trailhound_detect::{File, Planner, Rule, RuleSet};
use trailhound_store::Site;

use crate::args::{RuleArgs, SiteArgs};

/// Site facts to begin with, which the rules' cases are tried with.
const EXAMPLE_SITE: &str = include_str!("../rules/site.example.toml");

#[derive(rust_embed::Embed)]
#[folder = "rules"]
#[include = "*.sql"]
#[include = "*.cases.json"]
struct Shipped;

/// The shipped rules and their cases, with those of the folders given; a rule of the same id takes the shipped one's
/// place.
pub fn files(args: &RuleArgs) -> anyhow::Result<Vec<File>> {
    let mut files: Vec<File> = Shipped::iter()
        .filter_map(|path| Some(File::embedded(path.as_ref(), String::from_utf8_lossy(&Shipped::get(&path)?.data))))
        .collect();
    for folder in &args.rules {
        let added = trailhound_detect::read_folder(folder)
            .map_err(|error| anyhow::anyhow!("cannot read the rules in {}: {error}", folder.display()))?;
        files.retain(|file| !added.iter().any(|other| other.path == file.path));
        files.extend(added);
    }
    Ok(files)
}

/// The rule with this id.
pub fn rule(args: &RuleArgs, id: &str, planner: &Planner) -> anyhow::Result<Rule> {
    let rules = trailhound_detect::load(files(args)?, planner).into_rules()?;
    trailhound_detect::rule::named(rules, id).map_err(anyhow::Error::msg)
}

/// What plans rules: it knows our SQL functions, and what the operator knows.
pub fn planner(site: &SiteArgs) -> anyhow::Result<Planner> {
    Ok(Planner::with_site(trailhound_store::functions::register, facts(site)?)?)
}

/// What plans rules for their cases: these count on the example's facts.
pub fn planner_of_cases() -> anyhow::Result<Planner> {
    let site = Site::parse(EXAMPLE_SITE, "site.example.toml")?;
    Ok(Planner::with_site(trailhound_store::functions::register, Arc::new(site))?)
}

/// The site facts that are named; none otherwise.
pub fn facts(args: &SiteArgs) -> anyhow::Result<Arc<Site>> {
    Ok(Arc::new(args.site.as_deref().map(Site::read).transpose()?.unwrap_or_default()))
}

/// All of these rules, compiled.
pub fn rule_set(args: &RuleArgs) -> anyhow::Result<RuleSet> {
    let planner = planner(&args.site)?;
    let rules = trailhound_detect::load(files(args)?, &planner).into_rules()?;
    Ok(RuleSet::compile(rules, &planner)?)
}
