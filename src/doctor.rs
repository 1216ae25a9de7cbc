//! `trailhound doctor`: can we reach, read, decrypt, receive, write? What is missing, and the line that mends it.
//!
//! Every permission is tried by itself, without changing anything: a message that is received for it is visible again at
//! once, the object that is written to the store is removed.

use std::process::ExitCode;

use trailhound_ingest::notification::Announced;
use trailhound_ingest::source::{Clients, FetchError, FetchFault};
use trailhound_ingest::{Aws, Geo, Metrics, Queue};
use trailhound_store::Store;

use crate::args::DoctorArgs;
use crate::clock::now_micros;
use crate::config::Config;
use crate::permissions::fetch::{self, Asking, Fetched};
use crate::serve::SecretsManager;
use crate::{shipped, terminal};

/// What the reason of a rule says that finds nothing without places of addresses.
const NEEDS_GEOIP: &str = "Needs a GeoIP file.";
/// An object held in memory to see that it can be read.
const HELD_BYTES_MAX: u64 = 32 << 20;

/// What was tried, as it is printed.
#[derive(Default)]
struct Findings {
    wrong: usize,
}

impl Findings {
    fn ok(&self, what: &str) {
        println!("ok    {}", terminal::clean(what));
    }

    /// `mend` is the line that mends it.
    fn bad(&mut self, what: &str, why: &str, mend: &str) {
        self.wrong += 1;
        println!("FAIL  {}: {}", terminal::clean(what), terminal::clean(why));
        if !mend.is_empty() {
            println!("      {}", terminal::clean(mend));
        }
    }

    fn note(&mut self, what: &str, outcome: Result<(), (String, String)>) {
        match outcome {
            Ok(()) => self.ok(what),
            Err((why, mend)) => self.bad(what, &why, &mend),
        }
    }

    /// What may be missing is told as well: its remedy stands in the words.
    fn fetched(&mut self, what: &str, read: anyhow::Result<Fetched>) {
        match read {
            Ok(fetched) if fetched.notes.is_empty() => self.ok(what),
            Ok(fetched) => self.bad(what, &fetched.notes.join("; "), ""),
            Err(error) => self.bad(what, &format!("{error:#}"), ""),
        }
    }
}

/// Exit 1 when something does not work.
pub async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config)?;
    let mut findings = Findings::default();
    findings.ok(&format!("configuration {}", args.config.display()));
    let rules = shipped::rule_set(&config.rules.args());
    let in_need =
        rules.as_ref().map_or(0, |set| set.rules().filter(|rule| rule.header.why.contains(NEEDS_GEOIP)).count());
    findings.note("rules", rules.map(drop).map_err(|error| (format!("{error:#}"), "trailhound rules check".into())));
    match Geo::open(&config.geoip.files) {
        Ok(_) if config.geoip.files.is_empty() => {
            println!("skip  geoip files: none is given, and {in_need} rules find nothing without (`[geoip] files`)");
        }
        geo => findings.note("geoip files", geo.map(drop).map_err(|error| (error.to_string(), String::new()))),
    }
    let secrets = SecretsManager::default();
    let ready = trailhound_alert::check_secrets(&config.alerting()?, &secrets).await;
    findings.note(
        "sinks and their secrets",
        ready.map_err(|error| (format!("{:#}", anyhow::Error::from(error)), String::new())),
    );

    let aws = Aws::load().await;
    let metrics = Metrics::unregistered();
    for queue in &config.queues {
        match Queue::open(queue, &aws, metrics.clone(), now_micros).await {
            Err(error) => {
                findings.bad(&queue.url, &error.to_string(), &allow("sqs:GetQueueAttributes", &queue_arn(&queue.url)))
            }
            Ok(open) => {
                for probed in open.probe().await {
                    let what = format!("{} on {}", probed.action, queue.url);
                    let outcome = probed
                        .fault
                        .map_or(Ok(()), |fault| Err((fault.words(), allow(probed.action, &queue_arn(&queue.url)))));
                    findings.note(&what, outcome);
                }
            }
        }
    }
    let permissions = &config.permissions;
    // Reports that take a while are not waited for.
    let asking = Asking { last_accessed: false, ..permissions.asking() };
    if let Some(asked) = &permissions.organization {
        let read = fetch::organization(&aws, &metrics, asked, &asking).await;
        findings.fetched(&format!("what limits the organization that account {asked} answers for"), read);
    }
    for account in &permissions.accounts {
        let read = fetch::account(&aws, &metrics, account, &asking).await;
        findings.fetched(&format!("what is granted in account {account}"), read);
    }
    let clients = Clients::new(aws, config.buckets.clone(), metrics);
    let named = config.buckets.iter().map(|bucket| bucket.name.clone()).filter(|name| !name.contains('*'));
    for bucket in named.chain(args.bucket) {
        let (name, prefix) = bucket.split_once('/').unwrap_or((&bucket, ""));
        logs(&mut findings, &clients, name, prefix).await;
    }
    match config.store_options(&secrets).await {
        Err(error) => findings.bad("store", &format!("{error:#}"), ""),
        Ok(options) => match Store::open(options).await {
            Err(error) => findings.bad(
                &format!("store {}", config.store.location),
                &format!("{:#}", anyhow::Error::from(error)),
                "s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket on its prefix; a ledger that can be written",
            ),
            Ok(store) => {
                findings.ok(&format!("store {}: its table and its ledger can be read and written", config.store.location));
                for (action, fault) in store.probe().await {
                    let outcome = fault.map_or(Ok(()), |why| Err((why, allow(action, &store_arn(&config.store.location)))));
                    findings.note(&format!("{action} in {}", config.store.location), outcome);
                }
            }
        },
    }
    match findings.wrong {
        0 => Ok(ExitCode::SUCCESS),
        wrong => {
            eprintln!("{}", crate::output::counted(wrong, "thing") + " to mend");
            Ok(ExitCode::from(1))
        }
    }
}

/// Lists a bucket of logs and reads an object of it.
async fn logs(findings: &mut Findings, clients: &Clients, bucket: &str, prefix: &str) {
    let listed = match clients.list(bucket, prefix, None).await {
        Ok(page) => {
            findings.ok(&format!("s3:ListBucket on {bucket}"));
            page.listed.into_iter().find(|listed| listed.bytes > 0)
        }
        Err(error) => {
            findings.bad(&format!("s3:ListBucket on {bucket}"), &error.words(), &mend(&error, "s3:ListBucket", bucket));
            None
        }
    };
    let what = format!("s3:GetObject on {bucket}/{prefix}");
    match listed {
        None => println!("skip  {}: there is no object to try it on", terminal::clean(&what)),
        Some(listed) => match clients.fetch(&Announced::listed(bucket, &listed), HELD_BYTES_MAX).await {
            Ok(_) => findings.ok(&what),
            Err(error) => findings.bad(&what, &error.words(), &mend(&error, "s3:GetObject", bucket)),
        },
    }
}

/// The statement that mends a fetch.
fn mend(error: &FetchError, action: &str, bucket: &str) -> String {
    match error.fault {
        FetchFault::KmsDenied => allow("kms:Decrypt", "the ARN of the key that encrypts the bucket"),
        FetchFault::Forbidden if action == "s3:ListBucket" => allow(action, &format!("arn:aws:s3:::{bucket}")),
        FetchFault::Forbidden => allow(action, &format!("arn:aws:s3:::{bucket}/*")),
        _ => String::new(),
    }
}

/// A statement for the role's policy.
pub fn allow(action: &str, resource: &str) -> String {
    format!(r#"add to the role's policy: {{"Effect": "Allow", "Action": "{action}", "Resource": "{resource}"}}"#)
}

/// `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME` as an ARN.
fn queue_arn(url: &str) -> String {
    let mut parts = url.rsplit('/');
    let (name, account) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let region = url.split("sqs.").nth(1).and_then(|rest| rest.split('.').next()).unwrap_or("*");
    format!("arn:aws:sqs:{region}:{account}:{name}")
}

fn store_arn(location: &str) -> String {
    location
        .strip_prefix("s3://")
        .map_or_else(|| location.to_string(), |rest| format!("arn:aws:s3:::{}/*", rest.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_named_as_policies_name_them() {
        assert_eq!(
            queue_arn("https://sqs.eu-west-1.amazonaws.com/111122223333/trailhound"),
            "arn:aws:sqs:eu-west-1:111122223333:trailhound"
        );
        assert_eq!(store_arn("s3://bucket/prefix/"), "arn:aws:s3:::bucket/prefix/*");
    }
}
