//! `trailhound permissions`: what principals may do and did not, what cannot be told, and policies that grant no more than was used.
//!
//! In: outputs of AWS's calls (`--iam`, or what the store was told before), which say what is granted, and a store, which says
//! what was used. Out: a verdict for every principal, service, statement and action, and for passwords and keys; with `--policies`
//! documents that allow what was used, each tried against what succeeded. `what-if` tries any policy against it.

mod document;
pub mod fetch;
mod files;
mod granted;
mod judged;
mod reading;
mod remedy;
mod report;
mod text;
mod what_if;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use trailhound_iam::principal::account_in;
use trailhound_iam::usage::{Usages, Window};
use trailhound_iam::verdict::{Judge, Judgement, Options, Subject};
use trailhound_iam::{Catalogue, Coverage, Evaluator, Inventory, PolicySet};
use trailhound_store::StoreOptions;

use crate::args::{PermissionsArgs, PermissionsCommand, PermissionsFormat, ReportArgs, ScopeArgs, SiteArgs, StoreArgs};
use crate::output::counted;
use crate::session::Asked;
use crate::terminal;
pub use granted::Outputs;
use judged::Verdicts;
pub use judged::{Sums, register, sums};
use reading::{Names, Reading, Requests};
use report::{AccountLine, CredentialLine, PrincipalLine, Principals, Report};

pub async fn run(args: PermissionsArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Some(PermissionsCommand::WhatIf(args)) => what_if::run(args).await,
        Some(PermissionsCommand::Fetch(args)) => fetch::run(args).await,
        Some(PermissionsCommand::Load(args)) => granted::load(args).await,
        None => judge(args.report).await,
    }
}

/// What is granted and what was done, side by side.
struct Ground {
    asked: Asked,
    inventory: Inventory,
    names: Names,
    window: Window,
    options: Options,
    /// The users and roles that are asked about, by ARN.
    principals: BTreeSet<String>,
}

impl Ground {
    async fn open(scope: &ScopeArgs) -> anyhow::Result<Ground> {
        let store =
            scope.store.clone().context("--store names no store; `trailhound scan PATH --store DIR` makes one")?;
        let store = StoreArgs { store, ledger: scope.ledger.clone() };
        // Files that are wrong are told before a store is opened, which may take its time.
        let inventory = match scope.iam[..] {
            [] => None,
            _ => Some(Outputs::of_files(&scope.iam)?.inventory()?),
        };
        let asked = Asked::open(&store).await?.at(&scope.site)?;
        Ground::of(asked, inventory, scope).await
    }

    /// Without an inventory, what the store knows of the end of the days that are looked at.
    async fn of(asked: Asked, inventory: Option<Inventory>, scope: &ScopeArgs) -> anyhow::Result<Ground> {
        let inventory = match inventory {
            Some(inventory) => inventory,
            None => Outputs::of_store(&asked.store, scope.until.unwrap_or(i64::MAX)).await?.inventory()?,
        };
        let session = asked.session().await?;
        let to = match scope.until {
            Some(until) => until,
            // The newest event belongs to the window.
            None => {
                reading::newest(&session).await?.context("the store holds no events; there is nothing to judge by")? + 1
            }
        };
        let options = Options { unused_after_days: scope.unused_after.unwrap_or(scope.days), ..Options::default() };
        anyhow::ensure!(
            options.unused_after_days <= scope.days,
            "--unused-after {} is more than the {} days that are looked at; raise --days",
            options.unused_after_days,
            scope.days
        );
        let all = inventory.users.keys().chain(inventory.roles.keys());
        anyhow::ensure!(
            !(inventory.users.is_empty() && inventory.roles.is_empty()),
            "what was read tells of no user and no role; `trailhound permissions fetch --account ID` asks an account for them"
        );
        let wanted = |arn: &&String| {
            scope.principal.is_empty() || scope.principal.iter().any(|part| arn.contains(part.as_str()))
        };
        let principals: BTreeSet<String> = all.filter(wanted).cloned().collect();
        anyhow::ensure!(
            !principals.is_empty(),
            "no user or role of those that are known has {} in its ARN",
            scope.principal.join(" or ")
        );
        Ok(Ground {
            names: Names::of(&inventory),
            window: Window::before(to, scope.days),
            asked,
            inventory,
            options,
            principals,
        })
    }

    async fn read(&self, requests: &Requests, networks: bool) -> anyhow::Result<Reading> {
        reading::read(&self.asked.session().await?, &self.names, self.window, requests, networks).await
    }

    /// Judges every principal that is asked about, one after the other: only what `take` keeps stays in memory.
    fn each(
        &self,
        reading: &Reading,
        mut take: impl FnMut(&Judgement<'_>, &PolicySet) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut evaluator = Evaluator::new(Catalogue::shipped());
        let unseen = Coverage::new(self.window);
        for arn in &self.principals {
            let (Some(subject), Some(policies)) = (Subject::of(&self.inventory, arn), self.inventory.policy_set(arn))
            else {
                continue;
            };
            let compiled = evaluator.compile(&policies);
            let coverage = account_in(arn).and_then(|account| reading.coverage.get(account)).unwrap_or(&unseen);
            let judge = Judge { usages: &reading.usages, coverage, options: &self.options };
            if let Some(judgement) = judge.judge(subject, &compiled) {
                take(&judgement, &policies)?;
            }
        }
        Ok(())
    }
}

async fn judge(args: ReportArgs) -> anyhow::Result<ExitCode> {
    let ground = Ground::open(&args.scope).await?;
    let requests = match args.policies {
        Some(_) => Requests::Of(ground.principals.clone()),
        None => Requests::OfChanges,
    };
    let reading = ground.read(&requests, args.actions).await?;
    let (mut judged, mut unused) = (0, 0);
    let mut written = remedy::Written::new();
    let mut verdicts = Verdicts::default();
    let principals = Principals::new(|take| {
        ground.each(&reading, |judgement, policies| {
            let line = PrincipalLine::of(judgement, &ground.options, args.actions);
            judged += 1;
            unused += usize::from(line.activity == report::Use::Unused);
            if args.keep {
                verdicts.add(&line);
            }
            if let Some(folder) = &args.policies {
                written.write(folder, judgement, policies)?;
            }
            take(line)
        })
    });
    let report = ground.report(&reading, principals);
    let mut out = terminal::output();
    match args.format {
        PermissionsFormat::Table => text::print(&report, args.scope.principal.is_empty())?,
        PermissionsFormat::Json => document::json(&report, &mut out)?,
        PermissionsFormat::Html => document::html(&report, &mut out)?,
        PermissionsFormat::Markdown => document::markdown(&report, &mut out)?,
    }
    out.flush()?;
    drop(report);
    if args.keep {
        verdicts.keep(ground.asked.store.ledger(), ground.window.to).await?;
    }
    written.tell(args.policies.as_deref());
    eprintln!("{} judged, {unused} of whom were not used at all", counted(judged, "principal"));
    Ok(ExitCode::SUCCESS)
}

impl Ground {
    fn report<'p>(&self, reading: &Reading, principals: Principals<'p>) -> Report<'p> {
        let accounts: BTreeSet<&str> = self.principals.iter().filter_map(|arn| account_in(arn)).collect();
        Report {
            from: report::time(self.window.from),
            to: report::time(self.window.to),
            unused_after_days: self.options.unused_after_days,
            accounts: accounts
                .iter()
                .map(|id| AccountLine::of(id, reading.coverage.get(*id), &self.asked.site))
                .collect(),
            principals,
            credentials: self.credentials(&reading.usages, &reading.coverage, &accounts),
            notes: self.inventory.notes.iter().map(ToString::to_string).collect(),
        }
    }

    /// Of the accounts of whom is asked about, and of nobody else if some are asked about by name.
    fn credentials(
        &self,
        usages: &Usages,
        coverage: &BTreeMap<String, Coverage>,
        accounts: &BTreeSet<&str>,
    ) -> Vec<CredentialLine> {
        let unseen = Coverage::new(self.window);
        let mut lines = Vec::new();
        for account in accounts {
            let coverage = coverage.get(*account).unwrap_or(&unseen);
            let judge = Judge { usages, coverage, options: &self.options };
            let found = judge.credentials(&self.inventory);
            let of_account = found.iter().map(CredentialLine::of).filter(|line| line.account == *account);
            lines.extend(of_account.filter(|line| self.principals.contains(&line.arn) || line.arn.ends_with(":root")));
        }
        lines
    }
}

/// Judges everybody of whom a store knows what is granted, and keeps the verdicts in it; how many were judged comes back.
pub async fn judge_all(options: StoreOptions, site: &SiteArgs, days: u32) -> anyhow::Result<usize> {
    let asked = Asked::with_options(options).await?.at(site)?;
    if reading::newest(&asked.session().await?).await?.is_none() {
        return Ok(0);
    }
    let ground = Ground::of(asked, None, &ScopeArgs::all(days)).await?;
    let reading = ground.read(&Requests::OfChanges, false).await?;
    let mut verdicts = Verdicts::default();
    tokio::task::block_in_place(|| {
        ground.each(&reading, |judgement, _| {
            verdicts.add(&PrincipalLine::of(judgement, &ground.options, false));
            Ok(())
        })
    })?;
    verdicts.keep(ground.asked.store.ledger(), ground.window.to).await?;
    Ok(ground.principals.len())
}

/// A file's name out of whatever a principal is called.
fn file_name(text: &str) -> String {
    let plain =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '+' | '=') { c } else { '_' };
    text.chars().map(plain).collect()
}

/// Makes a folder, its parents too.
fn make_folder(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))
}
