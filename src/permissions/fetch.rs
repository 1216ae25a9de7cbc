//! `trailhound permissions fetch`: what is granted in accounts, asked of AWS. A file for each account comes out, which
//! `permissions --iam` reads.
//!
//! An account is written whole or not at all: what could not be fetched leaves the file of before as it was. One account's failure is
//! told and does not hinder the others.

mod account;
mod caller;
mod output;

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use futures::{StreamExt, stream};
use tempfile::NamedTempFile;
use trailhound_ingest::Metrics;
use trailhound_ingest::aws::{Aws, REGION_DEFAULT, Reach};

use crate::args::FetchArgs;
use crate::output::counted;
use crate::{clock, terminal};
pub use account::Fetched;
use caller::Caller;

/// Accounts that are fetched at once; each is held until it is written.
const ACCOUNTS_AT_ONCE: usize = 4;

/// How accounts are entered.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// The name of a role in each of them, with its path; none: as whom the process is.
    pub role: Option<String>,
    pub external_id: Option<String>,
    /// A region of their partition, where the environment names none.
    pub region: Option<String>,
}

/// Fetches one account.
pub async fn account(aws: &Aws, metrics: &Metrics, id: &str, entry: &Entry) -> anyhow::Result<Fetched> {
    let own = Identity::of(aws, entry.region.clone(), metrics).await?;
    own.enter(aws, metrics, id, entry).await
}

/// Exit 2 when an account could not be fetched; the others are written then.
pub async fn run(args: FetchArgs) -> anyhow::Result<ExitCode> {
    super::make_folder(&args.out)?;
    let (aws, metrics) = (Aws::load().await, Metrics::unregistered());
    let entry = Entry { role: args.role.clone(), external_id: args.external_id.clone(), region: args.region.clone() };
    let own = Identity::of(&aws, entry.region.clone(), &metrics).await?;
    let accounts: BTreeSet<&str> = match args.account[..] {
        [] => [own.account.as_str()].into(),
        _ => args.account.iter().map(String::as_str).collect(),
    };
    let all = accounts.iter().map(|id| one(id, &args.out, &entry, &own, &aws, &metrics));
    let mut failed = Vec::new();
    let mut outcomes = stream::iter(all).buffer_unordered(ACCOUNTS_AT_ONCE);
    while let Some((id, outcome)) = outcomes.next().await {
        match outcome {
            Ok(said) => eprintln!("{}", terminal::clean_lines(&said)),
            Err(error) => {
                eprintln!("{}", terminal::clean_lines(&format!("{id}: not fetched")));
                failed.push(format!("{error:#}"));
            }
        }
    }
    anyhow::ensure!(
        failed.is_empty(),
        "{} of {} could not be fetched\n  {}",
        failed.len(),
        counted(accounts.len(), "account"),
        failed.join("\n  ")
    );
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

    /// Fetches an account, by a role of it if one is named.
    async fn enter(&self, aws: &Aws, metrics: &Metrics, id: &str, entry: &Entry) -> anyhow::Result<Fetched> {
        anyhow::ensure!(
            entry.role.is_some() || id == self.account,
            "the credentials are of account {}, not of {id}; name a role of {id}",
            self.account
        );
        let reach = Reach {
            role_arn: entry.role.as_ref().map(|role| format!("arn:{}:iam::{id}:role/{role}", self.partition)),
            external_id: entry.external_id.clone(),
            region: entry.region.clone(),
            endpoint_url: None,
        };
        let caller = Caller::new(aws, id, &reach, metrics.clone()).await;
        Ok(account::fetch(&caller, clock::now()).await?)
    }
}

/// Fetches and writes an account; what there is to say of it comes back.
async fn one<'a>(
    id: &'a str,
    folder: &Path,
    entry: &Entry,
    own: &Identity,
    aws: &Aws,
    metrics: &Metrics,
) -> (&'a str, anyhow::Result<String>) {
    eprintln!("{id}: asking AWS");
    let outcome = own.enter(aws, metrics, id, entry).await;
    (id, outcome.and_then(|fetched| write(folder, &fetched).map(|path| summary(&fetched, &path))))
}

/// Writes an account's file under another name, and then gives it its own. Only its owner may read it: names, policies and
/// the ids of keys are what an attacker asks for first.
fn write(folder: &Path, fetched: &Fetched) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{}.json", fetched.account));
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
    let count = |list: &str| -> usize {
        fetched.outputs.iter().filter_map(|output| output.get(list)?.as_array()).map(Vec::len).sum()
    };
    let policies = count("Policies");
    let counts = [
        counted(count("UserDetailList"), "user"),
        counted(count("GroupDetailList"), "group"),
        counted(count("RoleDetailList"), "role"),
        format!("{policies} {}", if policies == 1 { "policy" } else { "policies" }),
        counted(count("AccessKeyMetadata"), "key"),
        match fetched.outputs.iter().find_map(|output| output["GeneratedTime"].as_str()) {
            Some(made) => format!("a credential report of {made}"),
            None => "no credential report".to_owned(),
        },
    ];
    let at = fetched.at.strftime("%Y-%m-%dT%H:%MZ");
    let first = format!("{}{named} at {at}: {} in {}", fetched.account, counts.join(", "), path.display());
    let notes = fetched.notes.iter().map(|note| format!("\n  note: {note}"));
    std::iter::once(first).chain(notes).collect()
}
