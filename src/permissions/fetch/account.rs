//! What is granted in one account: [`fetch`] asks IAM for it, and gives it as the AWS CLI prints the answers.
//!
//! Who may do what comes whole, or there is an error and nothing. What tells of credentials (the report, keys, when they were
//! used) may be denied: then it is missing and a note says so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::operation::get_account_authorization_details::GetAccountAuthorizationDetailsOutput;
use aws_sdk_iam::types::{AccessKeyLastUsed, AccessKeyMetadata, EntityType, ReportStateType};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde_json::Value;
use trailhound_ingest::aws::{Backoff, Fault, FaultKind};

use super::caller::{self, FetchError, Pages};
use super::{Fetched, accessed, output};
use crate::output::counted;

/// Calls to one account that are on their way at once.
const CALLS_AT_ONCE: usize = 4;
/// Entities on a page, as many as IAM gives.
const PAGE_ITEMS: i32 = 1000;
/// How often it is asked whether the report is ready, which takes seconds, in large accounts minutes.
const REPORT_TRIES_MAX: u32 = 45;
const REPORT_BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(10) };
/// How IAM says that a report is not there (IAM API Reference, "GetCredentialReport"): another one has to be made.
const NO_REPORT: [&str; 3] = ["ReportNotPresent", "ReportExpired", "ReportInProgress"];

/// The path of roles that services made for themselves.
const SERVICE_LINKED: &str = ":role/aws-service-role/";

/// What is asked, and how.
pub const SERVICE: (&str, fn(&SdkConfig) -> Client) = ("iam", |sdk| Client::new(sdk));

const DETAILS: &str = "GetAccountAuthorizationDetails";
const GENERATE: &str = "GenerateCredentialReport";
const REPORT: &str = "GetCredentialReport";
const KEYS: &str = "ListAccessKeys";
const KEY_USED: &str = "GetAccessKeyLastUsed";
const ALIASES: &str = "ListAccountAliases";
/// All of it.
#[cfg(test)]
pub const CALLS: [&str; 8] = [DETAILS, GENERATE, REPORT, KEYS, KEY_USED, ALIASES, accessed::GENERATE, accessed::REPORT];

type Caller = caller::Caller<Client>;

/// Asks for everything, and if it is wanted for when services were last accessed; `at` is the present.
///
/// # Errors
/// Of the first call that did not succeed where its answer is needed; then nothing of the account is to be used.
pub async fn fetch(caller: &Caller, last_accessed: bool, at: Timestamp) -> Result<Fetched, FetchError> {
    let (details, report, alias) =
        futures::try_join!(details(caller), async { spared(report(caller).await) }, async {
            spared(alias(caller).await)
        },)?;
    let mut notes = Vec::new();
    let mut outputs = details.outputs;
    match spared(keys(caller, details.users).await)? {
        Err(error) => notes.push(format!("the ids of access keys are not known: {error}")),
        Ok(keys) => {
            let used = spared(last_uses(caller, &keys).await)?.unwrap_or_else(|error| {
                notes.push(format!("when access keys were used is known by the credential report alone: {error}"));
                BTreeMap::new()
            });
            outputs.extend(keys.iter().map(|(arn, keys)| output::access_keys(arn, keys, &used)));
        }
    }
    if last_accessed {
        match spared(accessed::fetch(caller, details.judged).await)? {
            Err(error) => notes.push(format!("when services were last accessed is not known: {error}")),
            Ok((reports, unfinished)) => {
                outputs.extend(reports);
                if unfinished > 0 {
                    let of = counted(unfinished, "user or role").replace("user or roles", "users and roles");
                    notes.push(format!(
                        "when services were last accessed is not known of {of}: IAM did not finish its report"
                    ));
                }
            }
        }
    }
    match report {
        Ok(report) => outputs.push(report),
        Err(error) => notes.push(format!("passwords, second factors and root's keys are not known: {error}")),
    }
    let alias = alias.unwrap_or_else(|error| {
        notes.push(format!("what the account calls itself is not known: {error}"));
        None
    });
    let counts = counts(&outputs);
    Ok(Fetched { name: caller.account().to_owned(), alias, at, outputs, counts, notes })
}

/// `12 users, 3 groups, 40 roles, 9 policies, 14 keys, a credential report of 2026-03-09T08:00:00Z`
fn counts(outputs: &[Value]) -> Vec<String> {
    let count =
        |list: &str| -> usize { outputs.iter().filter_map(|output| output.get(list)?.as_array()).map(Vec::len).sum() };
    let mut counts = vec![
        counted(count("UserDetailList"), "user"),
        counted(count("GroupDetailList"), "group"),
        counted(count("RoleDetailList"), "role"),
        policies(count("Policies")),
        counted(count("AccessKeyMetadata"), "key"),
        match outputs.iter().find_map(|output| output["GeneratedTime"].as_str()) {
            Some(made) => format!("a credential report of {made}"),
            None => "no credential report".to_owned(),
        },
    ];
    let reports = outputs.iter().filter(|output| output.get("ServicesLastAccessed").is_some()).count();
    if reports > 0 {
        counts.push(counted(reports, "report") + " of last access");
    }
    counts
}

pub fn policies(count: usize) -> String {
    format!("{count} {}", if count == 1 { "policy" } else { "policies" })
}

/// Lets pass that something is not to be had, for what one can do without. What failed otherwise may be there the next time,
/// and must not be missing now and then.
fn spared<T>(asked: Result<T, FetchError>) -> Result<Result<T, FetchError>, FetchError> {
    match asked {
        Err(error @ (FetchError::Denied { .. } | FetchError::NoReport { .. })) => Ok(Err(error)),
        asked => asked.map(Ok),
    }
}

/// Users, groups, roles and policies.
struct Details {
    outputs: Vec<Value>,
    /// Name and ARN.
    users: Vec<(String, String)>,
    /// ARNs of users and roles, without roles that services made for themselves.
    judged: Vec<String>,
}

/// First who there is and what they made themselves; then, of AWS's own policies, which are more than a thousand, those that
/// somebody has.
async fn details(caller: &Caller) -> Result<Details, FetchError> {
    use EntityType::{AwsManagedPolicy, Group, LocalManagedPolicy, Role, User};
    let mut details = Details { outputs: Vec::new(), users: Vec::new(), judged: Vec::new() };
    let mut attached = BTreeSet::new();
    pages(caller, &[User, Group, Role, LocalManagedPolicy], |page| {
        attached.extend(output::attached(page).filter(|arn| arn.contains(":iam::aws:policy/")).map(str::to_owned));
        details.outputs.extend(output::entities(page));
        let users = page.user_detail_list().iter();
        let roles = page.role_detail_list().iter().filter_map(|role| role.arn());
        let roles = roles.filter(|arn| !arn.contains(SERVICE_LINKED));
        details.judged.extend(users.clone().filter_map(|user| user.arn()).chain(roles).map(str::to_owned));
        details.users.extend(users.filter_map(|user| Some((user.user_name()?.to_owned(), user.arn()?.to_owned()))));
    })
    .await?;
    if !attached.is_empty() {
        pages(caller, &[AwsManagedPolicy], |page| {
            let of_somebody = |arn: Option<&str>| arn.is_some_and(|arn| attached.contains(arn));
            let policies = page.policies().iter().filter(|policy| of_somebody(policy.arn()));
            details.outputs.extend(policies.map(output::policy));
        })
        .await?;
    }
    Ok(details)
}

async fn pages(
    caller: &Caller,
    filter: &[EntityType],
    mut take: impl FnMut(&GetAccountAuthorizationDetailsOutput),
) -> Result<(), FetchError> {
    let mut pages = Pages::default();
    loop {
        let page = caller
            .ask(DETAILS, |iam| {
                let details = iam.get_account_authorization_details().set_filter(Some(filter.to_vec()));
                details.max_items(PAGE_ITEMS).set_marker(pages.marker()).send()
            })
            .await
            .map_err(|fault| caller.error(DETAILS, &fault))?;
        take(&page);
        if !pages.turn((page.is_truncated(), page.marker()), caller, DETAILS)? {
            return Ok(());
        }
    }
}

/// The credential report, made anew if IAM's is older than four hours.
async fn report(caller: &Caller) -> Result<Value, FetchError> {
    for tries in 1..=REPORT_TRIES_MAX {
        let made = caller.ask(GENERATE, |iam| iam.generate_credential_report().send()).await;
        let made = made.map_err(|fault| caller.error(GENERATE, &fault))?;
        if made.state() == Some(&ReportStateType::Complete) {
            match caller.ask(REPORT, |iam| iam.get_credential_report().send()).await {
                Ok(report) => return Ok(output::report(&report)),
                Err(Fault { code, .. }) if NO_REPORT.contains(&code.as_str()) => {}
                Err(fault) => return Err(caller.error(REPORT, &fault)),
            }
        }
        tokio::time::sleep(REPORT_BACKOFF.wait(tries)).await;
    }
    Err(FetchError::NoReport { account: caller.account().to_owned(), tries: REPORT_TRIES_MAX })
}

/// The keys of users that have any, with the users' ARNs.
async fn keys(
    caller: &Caller,
    users: Vec<(String, String)>,
) -> Result<Vec<(String, Vec<AccessKeyMetadata>)>, FetchError> {
    let of_each = users.into_iter().map(|(name, arn)| async move {
        let keys = keys_of(caller, &name).await?;
        Ok::<_, FetchError>((arn, keys))
    });
    let mut all: Vec<_> = stream::iter(of_each).buffered(CALLS_AT_ONCE).try_collect().await?;
    all.retain(|(_, keys)| !keys.is_empty());
    Ok(all)
}

/// None of a user who is gone since the details were read.
async fn keys_of(caller: &Caller, user: &str) -> Result<Vec<AccessKeyMetadata>, FetchError> {
    let (mut pages, mut keys) = (Pages::default(), Vec::new());
    loop {
        let list = |iam: &Client| iam.list_access_keys().user_name(user).set_marker(pages.marker()).send();
        let page = match caller.ask(KEYS, list).await {
            Ok(page) => page,
            Err(fault) if fault.kind == FaultKind::Missing => return Ok(Vec::new()),
            Err(fault) => return Err(caller.error(KEYS, &fault)),
        };
        keys.extend_from_slice(page.access_key_metadata());
        if !pages.turn((page.is_truncated(), page.marker()), caller, KEYS)? {
            return Ok(keys);
        }
    }
}

/// By the key's id, without keys that are gone.
async fn last_uses(
    caller: &Caller,
    keys: &[(String, Vec<AccessKeyMetadata>)],
) -> Result<BTreeMap<String, AccessKeyLastUsed>, FetchError> {
    let ids = keys.iter().flat_map(|(_, keys)| keys).filter_map(|key| key.access_key_id().map(str::to_owned));
    let of_each = ids.collect::<Vec<_>>().into_iter().map(|id| async move {
        let used = caller.ask(KEY_USED, |iam| iam.get_access_key_last_used().access_key_id(&id).send()).await;
        match used {
            Ok(used) => Ok(used.access_key_last_used.map(|used| (id, used))),
            Err(fault) if fault.kind == FaultKind::Missing => Ok(None),
            Err(fault) => Err(caller.error(KEY_USED, &fault)),
        }
    });
    let all = stream::iter(of_each).buffered(CALLS_AT_ONCE);
    all.try_filter_map(|used| std::future::ready(Ok(used))).try_collect().await
}

async fn alias(caller: &Caller) -> Result<Option<String>, FetchError> {
    let asked = caller.ask(ALIASES, |iam| iam.list_account_aliases().send()).await;
    let aliases = asked.map_err(|fault| caller.error(ALIASES, &fault))?;
    Ok(aliases.account_aliases().first().cloned())
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region};
    use trailhound_ingest::Metrics;
    use trailhound_ingest::aws::{Aws, Reach};

    use super::*;

    #[tokio::test]
    async fn a_service_may_spawn_it() {
        fn is_sendable(_: impl Send) {}
        let sdk = aws_config::defaults(BehaviorVersion::latest()).region(Region::new("us-east-1")).load().await;
        let aws = Aws::with(sdk);
        let caller = Caller::new(&aws, "111122223333", &Reach::default(), Metrics::unregistered(), SERVICE).await;
        is_sendable(fetch(&caller, true, Timestamp::UNIX_EPOCH));
    }
}
