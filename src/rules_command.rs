//! `trailhound rules`: list, check, test, try, explain and begin rules.

mod explain;
mod usage;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use arrow::array::RecordBatch;
use serde_json::Value;
use trailhound_detect::skeleton::skeleton;
use trailhound_detect::{Checked, File, Planner};
use trailhound_ingest::{Content, Decoder, Geo, Limits, ObjectId};

use crate::args::{RuleArgs, RulesAndStoreArgs, RulesCommand};
use crate::output::{Head, counted, grid};
use crate::{backtest_command, shipped, terminal};

/// Bad rules or failed cases.
const EXIT_FAILED: u8 = 1;
/// Wrong usage.
const EXIT_USAGE: u8 = 64;

/// Does what was asked with rules.
pub async fn run(command: RulesCommand) -> anyhow::Result<ExitCode> {
    match command {
        RulesCommand::List(args) => match args.store() {
            None => list(&args.rules),
            Some(store) => usage::list(&args.rules, &store).await,
        },
        RulesCommand::Check(args) => check(&args).await,
        RulesCommand::Test { rules, filter, mutate } => test(&rules, filter.as_deref(), mutate),
        RulesCommand::Backtest(args) => backtest_command::run(args).await,
        RulesCommand::Explain(args) => explain::run(args).await,
        RulesCommand::Sql { rule, rules } => {
            let planner = shipped::planner(&rules.site)?;
            let rule = shipped::rule(&rules, &rule, &planner)?;
            let text = trailhound_detect::sql::query(&rule, &planner);
            // What goes on to another program stays as it is.
            let text = if terminal::width().is_some() { terminal::clean_lines(&text).into_owned() } else { text };
            terminal::print(&text)?;
            Ok(ExitCode::SUCCESS)
        }
        RulesCommand::New { id, rules } => new(&id, &rules),
    }
}

async fn check(args: &RulesAndStoreArgs) -> anyhow::Result<ExitCode> {
    let Some(rules) = checked(shipped::files(&args.rules)?, &shipped::planner(&args.rules.site)?) else {
        return Ok(ExitCode::from(EXIT_FAILED));
    };
    let cases: usize = rules.iter().map(|rule| rule.cases.cases.len()).sum();
    eprintln!("{} checked, with {}: all fit", counted(rules.len(), "rule"), counted(cases, "case"));
    if let Some(store) = args.store() {
        usage::silent(&args.rules, &store).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One line a rule; a title's `{column}` is filled in for each finding.
fn list(args: &RuleArgs) -> anyhow::Result<ExitCode> {
    let rules = trailhound_detect::load(shipped::files(args)?, &shipped::planner(&args.site)?).into_rules()?;
    let rows: Vec<Vec<String>> = rules
        .iter()
        .map(|rule| {
            let header = &rule.header;
            let title = header.title.fill(|column| format!("{{{column}}}"));
            let cells = [&rule.id, header.severity.as_str(), header.kind.as_str(), header.status.as_str(), &title];
            cells.iter().map(|cell| terminal::clean(cell).into_owned()).collect()
        })
        .collect();
    let heads =
        [Head::fixed("rule"), Head::fixed("severity"), Head::fixed("kind"), Head::fixed("status"), Head::text("title")];
    terminal::print(&format!("{}\n", grid(&heads, &rows, terminal::width()).join("\n")))?;
    eprintln!("{}", counted(rules.len(), "rule"));
    Ok(ExitCode::SUCCESS)
}

/// The rules, if nothing is wrong with any of them; else the problems are on standard error.
fn checked(files: Vec<File>, planner: &Planner) -> Option<Vec<Checked>> {
    match trailhound_detect::check(files, planner) {
        Ok(rules) => Some(rules),
        Err(problems) => {
            for problem in &problems.0 {
                eprintln!("{}", terminal::clean_lines(&problem.to_string()));
            }
            eprintln!("{}", counted(problems.0.len(), "problem"));
            None
        }
    }
}

fn test(args: &RuleArgs, filter: Option<&str>, mutate: bool) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let planner = shipped::planner_of_cases()?;
    let mut files = shipped::files(args)?;
    if let Some(part) = filter {
        files.retain(|file| file.path.contains(part));
        anyhow::ensure!(!files.is_empty(), "no rule's id contains `{part}`; `trailhound rules list` shows them");
    }
    let Some(rules) = checked(files, &planner) else { return Ok(ExitCode::from(EXIT_FAILED)) };
    let tested = trailhound_detect::test(&rules, &planner, &decode, mutate);
    for failure in &tested.failures {
        eprintln!("{}", terminal::clean_lines(&failure.to_string()));
    }
    for (rule, condition) in &tested.untested {
        eprintln!("{}", terminal::clean(&format!("{rule}: every case passes without the condition: {condition}")));
    }
    let taken_out =
        || format!(", {} taken out, {} not missed", counted(tested.mutants, "condition"), tested.untested.len());
    let mutants = if mutate { taken_out() } else { String::new() };
    let (ran, failed) = (counted(tested.cases, "case"), tested.failures.len());
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{}, {ran}, {failed} failed{mutants}, in {seconds:.1} s", counted(tested.rules, "rule"));
    let passed = tested.failures.is_empty() && tested.untested.is_empty();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

/// Records of a case through the decoder that reads logs. The clock stands still, so that cases are the same tomorrow.
fn decode(records: &[Value]) -> Result<RecordBatch, String> {
    let text = serde_json::json!({ "Records": records }).to_string();
    let id = ObjectId { bucket: "cases".into(), key: "cases.json".into(), identity: "cases".into() };
    let mut decoder = Decoder::new(0, Limits::default(), Arc::new(Geo::default()), 0);
    let mut batches = Vec::new();
    let mut emitted = Vec::new();
    decoder.object(id, Content::Bytes(text.as_bytes()), &mut |batch| emitted.push(batch));
    emitted.extend(decoder.flush());
    for batch in emitted {
        for report in &batch.objects {
            if let Some(parked) = report.parked.first() {
                return Err(format!("record {}: {}", parked.ordinal, parked.detail));
            }
            if let Some(detail) = &report.detail {
                return Err(detail.clone());
            }
        }
        batches.push(batch.rows);
    }
    arrow::compute::concat_batches(&trailhound_ingest::schema::schema(), &batches).map_err(|error| error.to_string())
}

/// Writes the beginning of a rule and of its cases. What is there stays.
fn new(id: &str, folder: &Path) -> anyhow::Result<ExitCode> {
    let files = match skeleton(id) {
        Ok(files) => files,
        Err(what) => {
            eprintln!("error: {}", terminal::clean(&what));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let paths = files.each_ref().map(|file| folder.join(&file.path));
    if let Some(there) = paths.iter().find(|path| path.exists()) {
        anyhow::bail!("{} is there already; give the rule another name", there.display());
    }
    for (file, path) in files.iter().zip(&paths) {
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        out.write_all(file.text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        terminal::print(&format!("{}\n", terminal::clean(&path.display().to_string())))?;
    }
    let folder = terminal::clean(&folder.display().to_string()).into_owned();
    eprintln!(
        "Next: say in the header what it means and write the SELECT; put whole records into the cases (one that fires,\n\
         one denied, one look-alike); then run\n  \
         trailhound rules check --rules {folder}\n  \
         trailhound rules test {id} --rules {folder} --mutate"
    );
    Ok(ExitCode::SUCCESS)
}
