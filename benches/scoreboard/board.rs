//! Prints the score of all organisations together.

use std::collections::{BTreeMap, BTreeSet};

use crate::score::{Finding, Outcome, Run, Span, counted};

const STRENGTHS: [&str; 3] = ["subtle", "moderate", "loud"];

/// Prints everything; with `list`, also each told finding that is no attack's.
pub fn print(runs: &[Run], list: bool) {
    quiet(runs, list);
    precision(runs);
    let outcomes: Vec<Outcome> = runs.iter().flat_map(Run::outcomes).collect();
    detectors(runs, &outcomes);
    keys(runs);
    recall(&outcomes);
    delay(&outcomes);
    missed(&outcomes);
}

/// One line on an organisation, while the others are still being made.
pub fn brief(run: &Run) {
    let found = run.outcomes().iter().filter(|outcome| !outcome.rules.is_empty()).count();
    println!(
        "  {} principals; {} findings of medium severity or higher in the quiet days; {found} of {} attacks found",
        run.principals,
        run.told(run.quiet).1.len(),
        run.labels.len()
    );
}

fn quiet(runs: &[Run], list: bool) {
    let told: Vec<(&Run, &Finding)> =
        runs.iter().flat_map(|run| run.told(run.quiet).1.into_iter().map(move |finding| (run, finding))).collect();
    let principal_days: f64 = runs.iter().map(|run| run.principals as f64 * run.quiet.days()).sum();
    let principals: u64 = runs.iter().map(|run| run.principals).sum();
    println!(
        "\nquiet days: {} principals, {:.0} days each",
        principals,
        runs.iter().map(|run| run.quiet.days()).sum::<f64>() / runs.len().max(1) as f64
    );
    println!(
        "  {} findings of medium severity or higher: {:.2} per 1,000 principals a day",
        told.len(),
        told.len() as f64 / principal_days * 1_000.0
    );
    for ((severity, rule), count) in
        counted(told.iter().map(|(_, finding)| (finding.severity.as_str(), finding.rule.as_str())))
    {
        let about = counted(
            told.iter().filter(|(_, finding)| finding.rule == rule).filter_map(|(run, finding)| run.chore(finding)),
        );
        let about: Vec<String> = about.iter().map(|(chore, count)| format!("{chore} {count}")).collect();
        println!("  {count:5}  {severity:8} {rule}  {}", about.join(", "));
    }
    if list {
        for (run, finding) in told {
            println!(
                "    {} {} {} {}: {}",
                run.seed, finding.first_time, finding.severity, finding.rule, finding.title
            );
        }
    }
}

/// Each rule by itself. Its recall is taken over the attacks of the kinds that it finds at all: no rule is there for all kinds.
fn detectors(runs: &[Run], outcomes: &[Outcome]) {
    let mut right: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong: BTreeMap<&str, usize> = BTreeMap::new();
    let mut days = 0.0;
    for run in runs {
        let span = Span { from: run.quiet.from, to: run.attacked.to };
        days += run.principals as f64 * span.days();
        let (truly, others) = run.told(span);
        truly.iter().for_each(|finding| *right.entry(&finding.rule).or_default() += 1);
        others.iter().for_each(|finding| *wrong.entry(&finding.rule).or_default() += 1);
    }
    println!(
        "\nby detector: findings that are right and wrong, wrong ones per 1,000 principals a week; attacks found, of those of the"
    );
    println!("kinds that it finds at all, and those that nothing else found");
    println!(
        "  {:54} {:>6} {:>6} {:>9} {:>9} {:>13} {:>6}",
        "", "right", "wrong", "precision", "per week", "attacks", "alone"
    );
    let rules: BTreeSet<&str> = right.keys().chain(wrong.keys()).copied().collect();
    for rule in rules {
        let (right, wrong) = (right.get(rule).copied().unwrap_or(0), wrong.get(rule).copied().unwrap_or(0));
        let by_it = || outcomes.iter().filter(|outcome| outcome.rules.contains(&rule));
        let kinds: BTreeSet<&str> = by_it().map(|outcome| outcome.label.kind.as_str()).collect();
        let of_kinds = outcomes.iter().filter(|outcome| kinds.contains(outcome.label.kind.as_str())).count();
        println!(
            "  {rule:54} {right:6} {wrong:6} {:7.1} % {:9.2} {:>13} {:6}",
            100.0 * right as f64 / (right + wrong) as f64,
            wrong as f64 / days * 7_000.0,
            format!("{} of {of_kinds}", by_it().count()),
            by_it().filter(|outcome| outcome.rules.len() == 1).count(),
        );
    }
}

/// What is said of long-term keys, quietly or not, by what they are: in a thief's hands, shared by design, or somebody's own.
fn keys(runs: &[Run]) {
    let mut said: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut shared: BTreeSet<(u64, &str)> = BTreeSet::new();
    for run in runs {
        for (finding, key, stolen) in run.of_keys() {
            let known = run.keys.iter().find(|known| known.access_key == key);
            let what = match known {
                _ if stolen => "stolen",
                Some(known) => &known.usage,
                None => "another key",
            };
            *said.entry(&finding.rule).or_default().entry(what).or_default() += 1;
            if known.is_some_and(|known| known.posture.is_some()) && finding.rule.ends_with("access_key_shared") {
                shared.insert((run.seed, key));
            }
        }
    }
    let postures = runs.iter().flat_map(|run| &run.keys).filter(|key| key.posture.is_some()).count();
    let all: usize = runs.iter().map(|run| run.keys.len()).sum();
    println!(
        "\nlong-term keys: {all} in regular use, {postures} of them shared by design (deployment, two_computers, two_programs), of \
         which account/access_key_shared names {}; findings of any severity, by what the key is:",
        shared.len()
    );
    for (rule, about) in said {
        let about: Vec<String> = about.iter().map(|(what, count)| format!("{what} {count}")).collect();
        println!("  {rule:54} {}", about.join(", "));
    }
}

fn precision(runs: &[Run]) {
    let count = |span: &dyn Fn(&Run) -> Span| {
        runs.iter().fold((0, 0), |(right, wrong), run| {
            let (truly, others) = run.told(span(run));
            (right + truly.len(), wrong + others.len())
        })
    };
    println!("\nprecision of findings of medium severity or higher");
    for (name, (right, wrong)) in [
        ("days with attacks", count(&|run| run.attacked)),
        ("all days after learning", count(&|run| Span { from: run.quiet.from, to: run.attacked.to })),
    ] {
        let share = 100.0 * right as f64 / (right + wrong).max(1) as f64;
        println!("  {name:24} {right:5} of {:5}  {share:5.1} %", right + wrong);
    }
}

fn recall(outcomes: &[Outcome]) {
    println!("\nrecall                              {}      all", STRENGTHS.map(|word| format!("{word:>10}")).join(""));
    line("all", outcomes, |_| true);
    println!("by technique");
    let techniques: BTreeSet<&str> =
        outcomes.iter().flat_map(|outcome| outcome.label.techniques.iter().map(String::as_str)).collect();
    for technique in techniques {
        line(technique, outcomes, |outcome| outcome.label.techniques.iter().any(|other| other == technique));
    }
    println!("by kind");
    let kinds: BTreeSet<&str> = outcomes.iter().map(|outcome| outcome.label.kind.as_str()).collect();
    for kind in kinds {
        line(kind, outcomes, |outcome| outcome.label.kind == kind);
    }
}

/// One line: found of planted, in each strength and in all.
fn line(name: &str, outcomes: &[Outcome], choose: impl Fn(&Outcome) -> bool) {
    let cell = |strength: Option<&str>| {
        let of: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| choose(outcome) && strength.is_none_or(|word| outcome.label.strength == word))
            .collect();
        let found = of.iter().filter(|outcome| !outcome.rules.is_empty()).count();
        if of.is_empty() { "-".to_owned() } else { format!("{found}/{}", of.len()) }
    };
    let cells = STRENGTHS.map(|word| format!("{:>10}", cell(Some(word)))).join("");
    println!("  {name:34}{cells}{:>10}", cell(None));
}

fn delay(outcomes: &[Outcome]) {
    println!("\nminutes from an attack's first event to its first finding   median    90 %     most");
    for strength in STRENGTHS {
        let mut seconds: Vec<i64> = outcomes
            .iter()
            .filter(|outcome| outcome.label.strength == strength)
            .filter_map(|outcome| outcome.seconds)
            .collect();
        seconds.sort_unstable();
        let Some(last) = seconds.len().checked_sub(1) else { continue };
        let minutes = |share: usize| seconds[last * share / 100] as f64 / 60.0;
        println!("  {strength:56} {:8.1} {:8.1} {:8.1}", minutes(50), minutes(90), minutes(100));
    }
}

fn missed(outcomes: &[Outcome]) {
    println!("\nmissed");
    for outcome in outcomes.iter().filter(|outcome| outcome.rules.is_empty()) {
        let hint = if outcome.quietly { "  (a finding of low severity sees it)" } else { "" };
        println!(
            "  seed {} {} {} from {}{hint}",
            outcome.seed, outcome.label.id, outcome.label.strength, outcome.label.first_time
        );
    }
}
