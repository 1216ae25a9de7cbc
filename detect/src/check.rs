//! Everything that an author should hear before a rule is shipped, beyond whether it can be evaluated.

use std::collections::BTreeSet;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;

use crate::cases::{self, CaseFailure, Cases, Decode};
use crate::mutate;
use crate::names::{EventNames, source_prefix};
use crate::needs;
use crate::problem::{Problem, Problems, Report};
use crate::rule::{File, Rule, asks_site, load};
use crate::ruleset::RuleSet;
use crate::select::{Planner, first_sql_line, line_of};

/// A rule found fit in every way, with its cases.
#[derive(Debug, Clone)]
pub struct Checked {
    pub rule: Rule,
    pub cases: Cases,
}

/// Reads rule files and finds everything that is wrong with them: what makes a rule unfit, event names that do not
/// exist, a folder that does not fit, missing and one-sided cases.
pub fn check(files: impl IntoIterator<Item = File>, planner: &Planner) -> Result<Vec<Checked>, Problems> {
    let files: Vec<File> = files.into_iter().collect();
    let rules: Vec<File> = files.iter().filter(|f| f.path.ends_with(".sql")).cloned().collect();
    let mut loaded = load(files, planner);
    let mut problems: Vec<Problem> = std::mem::take(&mut loaded.problems);
    let mut checked = Vec::new();
    for file in rules {
        let id = file.path.trim_end_matches(".sql");
        let mut report = Report::new(&file.shown);
        let rule = loaded.rules.iter().find(|r| r.id == id && r.file.shown == file.shown).cloned();
        if let Some(rule) = &rule {
            check_names(rule, &mut report);
            check_folder(rule, &mut report);
        }
        let cases = match loaded.cases.remove(id) {
            None => {
                let name = id.rsplit('/').next().unwrap_or(id);
                report.add(1, "the rule has no cases", format!("put {name}.cases.json beside it"));
                None
            }
            Some(beside) => {
                let mut report = Report::new(&beside.shown);
                let cases = cases::parse(&beside, &mut report);
                let clean = report.is_clean();
                problems.extend(report.problems);
                cases.filter(|_| clean)
            }
        };
        let clean = report.is_clean();
        problems.extend(report.problems);
        if let (Some(rule), Some(cases), true) = (rule, cases, clean) {
            checked.push(Checked { rule, cases });
        }
    }
    for orphan in loaded.cases.into_values() {
        let mut report = Report::new(&orphan.shown);
        report.add(1, "the cases have no rule beside them", "give both files one name");
        problems.extend(report.problems);
    }
    problems.sort();
    if problems.is_empty() { Ok(checked) } else { Err(Problems(problems)) }
}

/// Event names and sources that a rule compares with must exist.
fn check_names(rule: &Rule, report: &mut Report<'_>) {
    let names = EventNames::shipped();
    let asked = rule.select.query.as_ref().map_or(&[][..], |query| &query.expressions);
    if rule.select.predicate.is_none() && asked.is_empty() {
        return;
    }
    let text = &rule.file.text;
    let line = |quoted: &str| line_of(text, &format!("'{quoted}'")).unwrap_or_else(|| first_sql_line(text));
    let predicate = rule.select.predicate.as_ref();
    // Lists that a site does not have are known to hold nothing.
    let never_here = never(rule) && !asks_site(text);
    if never_here || rule.names.as_ref().is_some_and(|n| n.is_empty()) {
        report.add(first_sql_line(text), "the WHERE is never true", "two of its conditions exclude each other");
        return;
    }
    let compared = |column: &str| {
        let shaped = rule.select.columns.iter().map(|(_, expr)| expr);
        let all = predicate.into_iter().chain(shaped).chain(asked);
        all.flat_map(|expr| needs::compared(expr, column)).collect::<BTreeSet<String>>()
    };
    let sources = compared("event_source");
    for source in sources.iter().filter(|s| !names.has_source(s)) {
        let near = names.nearest_source(source).map(|n| format!("did you mean `{n}`?"));
        report.add(
            line(source),
            format!("there is no event source `{source}`"),
            near.unwrap_or_else(|| "write it as CloudTrail does, such as 'iam.amazonaws.com'".into()),
        );
    }
    let known: Vec<&str> = sources.iter().map(String::as_str).filter(|s| names.has_source(s)).collect();
    for name in compared("event_name").into_iter().chain(compared("event_name_norm")) {
        let exists =
            if known.is_empty() { names.has_anywhere(&name) } else { known.iter().any(|s| names.has(s, &name)) };
        if !exists {
            let of = if known.is_empty() { String::new() } else { format!(" of {}", known.join(", ")) };
            let near = names.nearest_name(&known, &name).map(|n| format!("did you mean `{n}`?"));
            report.add(
                line(&name),
                format!("there is no event name `{name}`{of}"),
                near.unwrap_or_else(|| "see the service's API reference, or CloudTrail's own records".into()),
            );
        }
    }
}

/// Whether the WHERE is known to choose nothing.
fn never(rule: &Rule) -> bool {
    let settled =
        |p: &Expr| matches!(p, Expr::Literal(ScalarValue::Boolean(Some(false) | None) | ScalarValue::Null, _));
    rule.select.predicate.as_ref().is_some_and(settled)
}

/// A rule stands in the folder of the one service that it looks at, or in `account`.
fn check_folder(rule: &Rule, report: &mut Report<'_>) {
    let names = EventNames::shipped();
    let folder = rule.folder();
    if folder == "account" {
        return;
    }
    let line = first_sql_line(&rule.file.text);
    // Where a list that the site does not have settles the WHERE, nothing is left to see.
    if never(rule) && asks_site(&rule.file.text) {
        return;
    }
    match &rule.sources {
        None => report.add(
            line,
            format!("the rule stands in `{folder}` but takes events of any service"),
            "require an event_source, or move it to `account`",
        ),
        Some(sources) => {
            let fits = |s: &String| source_prefix(s) == folder || names.service(s) == folder;
            if let Some(other) = sources.iter().find(|s| !fits(s)) {
                let remedy = if sources.len() == 1 {
                    format!("move it to `{}`", source_prefix(other))
                } else {
                    "rules across services stand in `account`".into()
                };
                report.add(
                    line_of(&rule.file.text, other).unwrap_or(line),
                    format!("the rule stands in `{folder}` but looks at {other}"),
                    remedy,
                );
            }
        }
    }
}

/// What running the cases of rules brought.
#[derive(Debug, Default)]
pub struct Tested {
    pub rules: usize,
    pub cases: usize,
    pub failures: Vec<CaseFailure>,
    /// Conditions that can be taken out of a WHERE without any case failing: rule id and the condition's SQL.
    pub untested: Vec<(String, String)>,
    /// Mutants that were tried.
    pub mutants: usize,
}

/// Runs every case of every rule, side by side on all processors. With `mutate`, also takes every condition out of
/// every WHERE and requires that a case fails without it.
pub fn test(rules: &[Checked], planner: &Planner, decode: &impl Decode, mutate: bool) -> Tested {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(rules.len().max(1));
    let parts: Vec<Tested> = std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..threads)
            .map(|t| {
                scope.spawn(move || {
                    rules
                        .iter()
                        .skip(t)
                        .step_by(threads)
                        .map(|r| test_one(r, planner, decode, mutate))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        tasks.into_iter().flat_map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut all = Tested::default();
    for part in parts {
        all.rules += part.rules;
        all.cases += part.cases;
        all.mutants += part.mutants;
        all.failures.extend(part.failures);
        all.untested.extend(part.untested);
    }
    all.failures.sort_by(|a, b| (&a.rule, &a.case).cmp(&(&b.rule, &b.case)));
    all.untested.sort();
    all
}

fn test_one(checked: &Checked, planner: &Planner, decode: &impl Decode, mutate: bool) -> Tested {
    let rule = std::sync::Arc::new(checked.rule.clone());
    let (cases, failures) = cases::decode_all(checked.cases.clone(), &rule, decode);
    let mut tested = Tested { rules: 1, cases: checked.cases.cases.len(), failures, ..Tested::default() };
    let set = match RuleSet::compile([checked.rule.clone()], planner) {
        Ok(set) => set,
        Err(e) => {
            tested.failures.push(CaseFailure {
                rule: rule.id.clone(),
                case: "(all)".into(),
                expected: "a rule".into(),
                got: format!("{e}: {}", e.source),
                why: Vec::new(),
            });
            return tested;
        }
    };
    tested.failures.extend(cases.iter().filter_map(|case| {
        let mut failure = case.run(&set, planner).err()?;
        failure.why.extend(case.why(&set, planner));
        Some(failure)
    }));
    if !mutate || !tested.failures.is_empty() {
        return tested;
    }
    let survives = |without: Rule| {
        RuleSet::compile([without], planner).is_ok_and(|set| cases.iter().all(|c| c.run(&set, planner).is_ok()))
    };
    for (place, case) in rule.header.severity_if.iter().enumerate() {
        tested.mutants += 1;
        let mut without = checked.rule.clone();
        without.header.severity_if.remove(place);
        if survives(without) {
            tested.untested.push((rule.id.clone(), format!("severity_if {} = {}", case.column, case.value)));
        }
    }
    let mut report = Report::new(&rule.file.shown);
    let Some(statement) = planner.statement(&rule.file.text, &mut report) else { return tested };
    for mutant in mutate::mutants(&statement) {
        tested.mutants += 1;
        let mut report = Report::new(&rule.file.shown);
        let select = match rule.asks() {
            Some(_) => planner.query_of(mutant.statement, &rule.file.text, &mut report),
            None => planner.select_of(mutant.statement, &rule.file.text, &mut report),
        };
        let Some(select) = select else { continue };
        let without = Rule::of(&rule.id, &rule.file, rule.header.clone(), select, &planner.site);
        if survives(without) {
            tested.untested.push((rule.id.clone(), mutant.without));
        }
    }
    tested
}
