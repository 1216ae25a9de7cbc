//! `trailhound permissions fetch`: what is granted in accounts, and what limits it in their organization, asked of AWS. A file for
//! each account comes out, and one for the organization, which `permissions --iam` reads.
//!
//! Each is written whole or not at all: what could not be fetched leaves the file of before as it was. One account's failure is
//! told and does not hinder the others.

mod accessed;
mod account;
mod caller;
mod organization;
mod output;

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use aws_config::SdkConfig;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::NamedTempFile;
use trailhound_ingest::Metrics;
use trailhound_ingest::aws::{Aws, REGION_DEFAULT, Reach};
use trailhound_store::granted::ORGANIZATION;

use crate::args::FetchArgs;
use crate::output::counted;
use crate::{clock, terminal};
use caller::Caller;

/// Accounts that are fetched at once; each is held until it is written.
const ACCOUNTS_AT_ONCE: usize = 4;

/// As whom accounts are asked, and for what.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    /// The name of a role in each of them, with its path; none: as whom the process is.
    pub role: Option<String>,
    pub external_id: Option<String>,
    /// A region of their partition, where the environment names none.
    pub region: Option<String>,
    /// When services were last accessed, too: a report for each user and role.
    pub last_accessed: bool,
}

/// What came of an account, or of an organization.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The account, or [`ORGANIZATION`].
    pub name: String,
    /// What it calls itself: an account's alias, an organization's id.
    pub alias: Option<String>,
    /// When it was begun: nothing in it is older, but for the credential report, which IAM makes every four hours.
    pub at: Timestamp,
    /// Outputs that `trailhound_iam::Inventory` reads.
    pub outputs: Vec<Value>,
    /// What there is: `12 users`, `no credential report`.
    pub counts: Vec<String>,
    /// What is missing, and why.
    pub notes: Vec<String>,
}

/// Fetches one account.
pub async fn account(aws: &Aws, metrics: &Metrics, id: &str, asking: &Asking) -> anyhow::Result<Fetched> {
    let own = Identity::of(aws, asking.region.clone(), metrics).await?;
    own.account(aws, metrics, id, asking).await
}

/// Fetches the organization that an account manages, or may ask about.
pub async fn organization(aws: &Aws, metrics: &Metrics, asked: &str, asking: &Asking) -> anyhow::Result<Fetched> {
    let own = Identity::of(aws, asking.region.clone(), metrics).await?;
    Ok(own.organization(aws, metrics, asked, asking).await?.fetched)
}

/// Exit 2 when an account could not be fetched; the others are written then.
pub async fn run(args: FetchArgs) -> anyhow::Result<ExitCode> {
    super::make_folder(&args.out)?;
    let (aws, metrics) = (Aws::load().await, Metrics::unregistered());
    let asking = Asking {
        role: args.role.clone(),
        external_id: args.external_id.clone(),
        region: args.region.clone(),
        last_accessed: args.last_accessed,
    };
    let own = Identity::of(&aws, asking.region.clone(), &metrics).await?;
    let mut accounts: BTreeSet<String> = args.account.iter().cloned().collect();
    let mut failed = Vec::new();
    let mut told = |name: &str, outcome: anyhow::Result<Fetched>| {
        let written = outcome.and_then(|fetched| write(&args.out, &fetched).map(|path| summary(&fetched, &path)));
        match written {
            Ok(said) => eprintln!("{}", terminal::clean_lines(&said)),
            Err(error) => {
                eprintln!("{}", terminal::clean_lines(&format!("{name}: not fetched")));
                failed.push(format!("{error:#}"));
            }
        }
    };
    if let Some(asked) = &args.organization {
        eprintln!("{ORGANIZATION}: asking AWS");
        let outcome = own.organization(&aws, &metrics, asked, &asking).await;
        if let (Ok(found), true) = (&outcome, accounts.is_empty()) {
            accounts.extend(found.accounts.iter().cloned());
        }
        told(ORGANIZATION, outcome.map(|found| found.fetched));
    } else if accounts.is_empty() {
        accounts.insert(own.account.clone());
    }
    let one = async |id: String| {
        eprintln!("{id}: asking AWS");
        let outcome = own.account(&aws, &metrics, &id, &asking).await;
        (id, outcome)
    };
    let asked = accounts.len();
    let mut outcomes = stream::iter(accounts.into_iter().map(one)).buffer_unordered(ACCOUNTS_AT_ONCE);
    while let Some((id, outcome)) = outcomes.next().await {
        told(&id, outcome);
    }
    let asked = match args.organization {
        None => counted(asked, "account"),
        Some(_) => format!("{} and their organization", counted(asked, "account")),
    };
    anyhow::ensure!(failed.is_empty(), "{} of {asked} could not be fetched\n  {}", failed.len(), failed.join("\n  "));
    Ok(ExitCode::SUCCESS)
}

/// Whose credentials there are.
struct Identity {
    account: String,
    /// `aws`, `aws-cn` …
    partition: String,
}

impl Identity {
    /// Everybody may ask that of themselves.
    async fn of(aws: &Aws, region: Option<String>, metrics: &Metrics) -> anyhow::Result<Identity> {
        let region = region.or_else(|| aws.region().map(str::to_owned)).unwrap_or_else(|| REGION_DEFAULT.to_owned());
        let reach = Reach { region: Some(region), ..Reach::default() };
        let sts = aws_sdk_sts::Client::new(&aws.config(&reach).await);
        let asked = caller::patiently(metrics, ("sts", "GetCallerIdentity"), || sts.get_caller_identity().send()).await;
        let caller = asked.map_err(|fault| anyhow::anyhow!("{}", fault.words())).context(
            "AWS does not say whose credentials these are; set AWS_PROFILE, or what else gives the SDK credentials",
        )?;
        let partition = caller.arn().and_then(|arn| arn.split(':').nth(1));
        let account = caller.account().context("AWS does not say of which account the credentials are")?;
        Ok(Identity { account: account.to_owned(), partition: partition.unwrap_or("aws").to_owned() })
    }

    async fn account(&self, aws: &Aws, metrics: &Metrics, id: &str, asking: &Asking) -> anyhow::Result<Fetched> {
        let caller = self.enter(aws, metrics, id, asking, account::SERVICE).await?;
        Ok(account::fetch(&caller, asking.last_accessed, clock::now()).await?)
    }

    async fn organization(
        &self,
        aws: &Aws,
        metrics: &Metrics,
        asked: &str,
        asking: &Asking,
    ) -> anyhow::Result<organization::Found> {
        let caller = self.enter(aws, metrics, asked, asking, organization::SERVICE).await?;
        Ok(organization::fetch(&caller, clock::now()).await?)
    }

    /// Who asks a service about an account: by a role of it if one is named.
    async fn enter<C>(
        &self,
        aws: &Aws,
        metrics: &Metrics,
        id: &str,
        asking: &Asking,
        service: (&'static str, fn(&SdkConfig) -> C),
    ) -> anyhow::Result<Caller<C>> {
        anyhow::ensure!(
            asking.role.is_some() || id == self.account,
            "the credentials are of account {}, not of {id}; name a role of {id}",
            self.account
        );
        let reach = Reach {
            role_arn: asking.role.as_ref().map(|role| format!("arn:{}:iam::{id}:role/{role}", self.partition)),
            external_id: asking.external_id.clone(),
            region: asking.region.clone(),
            endpoint_url: None,
        };
        Ok(Caller::new(aws, id, &reach, metrics.clone(), service).await)
    }
}

/// Writes a file under another name, and then gives it its own. Only its owner may read it: names, policies and
/// the ids of keys are what an attacker asks for first.
fn write(folder: &Path, fetched: &Fetched) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{}.json", fetched.name));
    let cannot = || format!("cannot write {}", path.display());
    let temporary = NamedTempFile::new_in(folder).with_context(cannot)?;
    let mut file = BufWriter::new(&temporary);
    for output in &fetched.outputs {
        serde_json::to_writer(&mut file, output).with_context(cannot)?;
        file.write_all(b"\n").with_context(cannot)?;
    }
    file.flush().with_context(cannot)?;
    drop(file);
    temporary.as_file().sync_all().with_context(cannot)?;
    temporary.persist(&path).with_context(cannot)?;
    Ok(path)
}

/// `111122223333 (prod) at 2026-03-09T12:00Z: 12 users, 3 groups, 40 roles, 9 policies in iam/111122223333.json`, and a line for each note.
fn summary(fetched: &Fetched, path: &Path) -> String {
    let named = fetched.alias.as_ref().map_or_else(String::new, |alias| format!(" ({alias})"));
    let at = fetched.at.strftime("%Y-%m-%dT%H:%MZ");
    let counts = fetched.counts.join(", ");
    let first = format!("{}{named} at {at}: {counts} in {}", fetched.name, path.display());
    let notes = fetched.notes.iter().map(|note| format!("\n  note: {note}"));
    std::iter::once(first).chain(notes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_may_call_what_is_called_and_nothing_else() {
        let role = include_str!("../../deploy/permissions-role.yaml");
        let words = role.lines().filter(|line| !line.trim_start().starts_with('#'));
        let words = words.flat_map(|line| line.split([' ', ',', '[', ']']));
        let calls = [(account::SERVICE.0, &account::CALLS[..]), (organization::SERVICE.0, &organization::CALLS)];
        for (service, called) in calls {
            let of_service = |word| str::strip_prefix(word, service)?.strip_prefix(':');
            let allowed: BTreeSet<&str> = words.clone().filter_map(of_service).collect();
            assert_eq!(allowed, called.iter().copied().collect(), "{service}");
        }
    }
}
