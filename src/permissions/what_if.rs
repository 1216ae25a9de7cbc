//! `trailhound permissions what-if FILE`: what a policy would have denied of what succeeded.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;
use trailhound_iam::evaluate::{Place, Policy};
use trailhound_iam::replay::{Change, Replayed, Trial};
use trailhound_iam::{Catalogue, Compiled, Decision, Document, Evaluator, PolicySet};

use super::reading::{Reading, Requests};
use super::{Ground, report};
use crate::args::{WhatIfArgs, WhatIfAs, WhatIfFormat};
use crate::output::{Head, counted, grid};
use crate::terminal;

/// What a policy would have done to one principal.
#[derive(Debug, Serialize)]
struct Outcome {
    arn: String,
    /// Calls that succeeded and would have succeeded.
    allowed: u64,
    /// Calls that today's policies do not allow either: something else did.
    as_before: u64,
    lost: Vec<Lost>,
    /// Actions, and how often: it depends on what they were used on, which their events do not say.
    undecided: Vec<(String, u64)>,
}

#[derive(Debug, Serialize)]
struct Lost {
    action: String,
    /// denied, or: only under a condition.
    how: &'static str,
    count: u64,
    first: String,
    last: String,
    resources: BTreeSet<String>,
    /// What denies, or leaves it open.
    statements: Vec<String>,
}

pub async fn run(args: WhatIfArgs) -> anyhow::Result<ExitCode> {
    let document = document(&args)?;
    tell_unknown(&args, &document);
    let ground = Ground::open(&args.scope).await?;
    let name = args.file.file_name().map_or("policy".into(), |name| name.to_string_lossy().into_owned());
    let change = change(args.kind, &name, document);
    let mut reading = ground.read(&Requests::Of(BTreeSet::new()), false).await?;
    let whose = needed(&ground, &change, &reading)?;
    reading.requests(&ground.asked.session().await?, &ground.names, &Requests::Of(whose)).await?;
    let mut evaluator = Evaluator::new(Catalogue::shipped());
    let mut outcomes = Vec::new();
    ground.each(&reading, |judgement, today| {
        let arn = judgement.subject().arn;
        let after = evaluator.compile(&change.applied(today));
        let replayed = Trial { before: Some(judgement.compiled()), after: &after }.run(judgement.calls());
        if replayed.allowed + replayed.as_before > 0 || !replayed.lost.is_empty() || !replayed.unplaced.is_empty() {
            outcomes.push(Outcome::of(arn, &replayed, &after));
        }
        Ok(())
    })?;
    outcomes.sort_by_key(|outcome| std::cmp::Reverse(outcome.denied()));
    match args.format {
        WhatIfFormat::Table => table(&outcomes)?,
        WhatIfFormat::Json => terminal::print(&format!("{}\n", serde_json::to_string_pretty(&outcomes)?))?,
    }
    let hit = outcomes.iter().filter(|outcome| outcome.denied() > 0).count();
    eprintln!(
        "{} of {} with calls in these days would have been denied something",
        hit,
        counted(outcomes.len(), "principal")
    );
    Ok(if hit > 0 && args.fail { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Reads the policy; whatever of it cannot be read is an error, since what is tried must be what is meant.
fn document(args: &WhatIfArgs) -> anyhow::Result<Arc<Document>> {
    let text = std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let (document, errors) = Document::parse(&text);
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    anyhow::ensure!(errors.is_empty(), "{}: {}", args.file.display(), errors.join("; "));
    anyhow::ensure!(!document.statements.is_empty(), "{}: the policy has no statement", args.file.display());
    Ok(Arc::new(document))
}

/// A name that matches nothing changes nothing, and the one who wrote it meant otherwise.
fn tell_unknown(args: &WhatIfArgs, document: &Arc<Document>) {
    let name = args.file.display().to_string();
    let compiled = Evaluator::new(Catalogue::shipped()).compile(&PolicySet::of_identity(&name, document.clone()));
    for unknown in report::unknown_actions(&compiled) {
        eprintln!("{}", terminal::clean_lines(&format!("warning: {unknown}: {}", report::unknown_why())));
    }
}

fn change(kind: WhatIfAs, name: &str, document: Arc<Document>) -> Change {
    let policy = Policy { place: Place::Inline { owner: String::new(), name: name.to_owned() }, document };
    match kind {
        WhatIfAs::Replace => Change::Replace(vec![policy]),
        WhatIfAs::Attach => Change::Attach(policy),
        WhatIfAs::Boundary => Change::Boundary(Some(policy)),
        // A level of its own, at which it alone has to allow.
        WhatIfAs::Scp => Change::Control { level: usize::MAX, policy },
    }
}

/// In whose case the decision on something depends on what it was done to: only of these are requests read.
fn needed(ground: &Ground, change: &Change, counted: &Reading) -> anyhow::Result<BTreeSet<String>> {
    let mut evaluator = Evaluator::new(Catalogue::shipped());
    let mut whose = BTreeSet::new();
    ground.each(counted, |judgement, today| {
        let after = evaluator.compile(&change.applied(today));
        let trial = Trial { before: Some(judgement.compiled()), after: &after };
        if judgement.calls().any(|call| trial.needs_resources(call.action)) {
            whose.insert(judgement.subject().arn.to_owned());
        }
        Ok(())
    })?;
    Ok(whose)
}

impl Outcome {
    fn of(arn: &str, replayed: &Replayed, after: &Compiled) -> Outcome {
        let lost = replayed.lost.iter().map(|loss| Lost {
            action: Catalogue::shipped().action(loss.action).to_string(),
            how: if matches!(loss.decision, Decision::Denied(_)) { "denied" } else { "under a condition only" },
            count: loss.count,
            first: report::time(loss.first),
            last: report::time(loss.last),
            resources: loss.resources.clone(),
            statements: statements(&loss.decision, after),
        });
        let undecided = replayed.unplaced.iter();
        Outcome {
            arn: arn.to_owned(),
            allowed: replayed.allowed,
            as_before: replayed.as_before,
            lost: lost.collect(),
            undecided: undecided.map(|one| (Catalogue::shipped().action(one.action).to_string(), one.count)).collect(),
        }
    }

    fn denied(&self) -> u64 {
        self.lost.iter().filter(|lost| lost.how == "denied").map(|lost| lost.count).sum()
    }
}

/// What a decision comes from, in words.
fn statements(decision: &Decision, policies: &Compiled) -> Vec<String> {
    use trailhound_iam::evaluate::Denial;
    match decision {
        Decision::Allowed { .. } => Vec::new(),
        Decision::Denied(Denial::Explicit { by }) => by.iter().map(|id| policies.statement(*id).to_string()).collect(),
        Decision::Denied(Denial::Implicit { layers }) => {
            layers.iter().map(|layer| format!("nothing allows it in {layer}")).collect()
        }
        Decision::Conditional { open, .. } => open
            .iter()
            .map(|open| {
                let keys: Vec<&str> = open.keys.iter().map(String::as_str).collect();
                format!("{} asks {}", policies.statement(open.statement), keys.join(", "))
            })
            .collect(),
    }
}

/// One line each of what would have been lost.
pub fn losses<'r>(replayed: &'r Replayed, after: &'r Compiled) -> impl Iterator<Item = String> + 'r {
    replayed.lost.iter().map(|loss| {
        format!(
            "{} ({}, last {}): {}",
            Catalogue::shipped().action(loss.action),
            counted(loss.count as usize, "call"),
            report::time(loss.last),
            statements(&loss.decision, after).join("; ")
        )
    })
}

fn table(outcomes: &[Outcome]) -> anyhow::Result<()> {
    let heads = [
        Head::text("principal"),
        Head::text("action"),
        Head::fixed("how"),
        Head::number("calls"),
        Head::fixed("last"),
        Head::text("because of"),
    ];
    let mut rows = Vec::new();
    for outcome in outcomes {
        for lost in &outcome.lost {
            rows.push(vec![
                outcome.arn.clone(),
                lost.action.clone(),
                lost.how.to_owned(),
                lost.count.to_string(),
                lost.last.clone(),
                lost.statements.join("; "),
            ]);
        }
        for (action, count) in &outcome.undecided {
            let unknown = "its events do not say on what it was used";
            let (how, last) = ("not known".to_owned(), String::new());
            rows.push(vec![outcome.arn.clone(), action.clone(), how, count.to_string(), last, unknown.to_owned()]);
        }
    }
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| terminal::clean(cell).into_owned()).collect()).collect();
    if rows.is_empty() {
        terminal::print("nothing that succeeded would have been denied\n")?;
        return Ok(());
    }
    terminal::print(&format!("{}\n", grid(&heads, &rows, terminal::width()).join("\n")))?;
    Ok(())
}
