//! The rules that the binary carries, and those that the user adds.

use trailhound_detect::{File, Planner, Rule, RuleSet};

use crate::args::RuleArgs;

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

/// What plans rules: it knows our SQL functions.
pub fn planner() -> anyhow::Result<Planner> {
    Ok(Planner::new(trailhound_store::functions::register)?)
}

/// All of these rules, compiled.
pub fn rule_set(args: &RuleArgs) -> anyhow::Result<RuleSet> {
    let planner = planner()?;
    let rules = trailhound_detect::load(files(args)?, &planner).into_rules()?;
    Ok(RuleSet::compile(rules, &planner)?)
}
