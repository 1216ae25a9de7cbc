//! An organization: which policies are attached where, asked of AWS Organizations, and which accounts there are.
//!
//! Only the management account is answered, and accounts that it delegated the questions to. All of it comes, or an error and nothing:
//! a policy that is not known would make what it denies look granted.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use aws_config::SdkConfig;
use aws_sdk_organizations::Client;
use aws_sdk_organizations::config::http::HttpResponse;
use aws_sdk_organizations::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_organizations::types::{Account, AccountState, AccountStatus, Organization, Policy, PolicyType, Root};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use trailhound_store::granted::ORGANIZATION;

use super::Fetched;
use super::caller::{self, FetchError, Pages};
use crate::output::counted;

/// What is asked, and how.
pub const SERVICE: (&str, fn(&SdkConfig) -> Client) = ("organizations", |sdk| Client::new(sdk));
/// Calls that are on their way at once: Organizations lets few of them pass (AWS Organizations User Guide, "Quotas and
/// service limits").
const CALLS_AT_ONCE: usize = 4;
/// The state of an account that is in use.
const ACTIVE: &str = "ACTIVE";
/// Types of policies that limit what accounts may do.
const TYPES: [PolicyType; 2] = [PolicyType::ServiceControlPolicy, PolicyType::ResourceControlPolicy];

const DESCRIBE: &str = "DescribeOrganization";
const ROOTS: &str = "ListRoots";
const UNITS: &str = "ListOrganizationalUnitsForParent";
const ACCOUNTS: &str = "ListAccountsForParent";
const POLICIES: &str = "ListPolicies";
const POLICY: &str = "DescribePolicy";
const TARGETS: &str = "ListTargetsForPolicy";
/// All of it.
#[cfg(test)]
pub const CALLS: [&str; 7] = [DESCRIBE, ROOTS, UNITS, ACCOUNTS, POLICIES, POLICY, TARGETS];

type Caller = caller::Caller<Client>;

/// What came of an organization.
#[derive(Clone, Debug)]
pub struct Found {
    /// Outputs: the organization, one for each policy, and one for each root, unit and account.
    pub fetched: Fetched,
    /// The accounts that are in use.
    pub accounts: Vec<String>,
}

/// A root, a unit or an account.
#[derive(Clone, Debug, Default)]
struct Target {
    name: Option<String>,
    /// None of a root.
    parent: Option<String>,
    /// Of an account.
    state: Option<String>,
    /// Ids of what is attached right here.
    policies: BTreeSet<String>,
}

/// Asks for everything; `at` is the present.
///
/// # Errors
/// Of the first call that did not succeed; then nothing is to be used.
pub async fn fetch(caller: &Caller, at: Timestamp) -> Result<Found, FetchError> {
    let described = caller.ask(DESCRIBE, |client| client.describe_organization().send()).await;
    let described = described.map_err(|fault| caller.error(DESCRIBE, &fault))?.organization;
    let roots = list(
        caller,
        ROOTS,
        |client, token| client.list_roots().set_next_token(token).send(),
        |page| (page.roots.unwrap_or_default(), page.next_token),
    );
    let roots = roots.await?;
    // First who there is, then what is attached: who comes in between has no place yet, and is left out.
    let mut targets = tree(caller, &roots).await?;
    let policies = policies(caller, &roots).await?;
    for (policy, attached_to) in &policies {
        for target in attached_to {
            if let Some(target) = targets.get_mut(target) {
                target.policies.extend(policy.policy_summary().and_then(|summary| summary.id.clone()));
            }
        }
    }
    // A type that is in use is attached to everything.
    if !policies.is_empty()
        && let Some(target) = targets.iter().find_map(|(id, target)| target.policies.is_empty().then_some(id))
    {
        return Err(FetchError::Changed { target: target.clone() });
    }
    let (accounts, idle): (Vec<_>, Vec<_>) = targets
        .iter()
        .filter_map(|(id, target)| Some((id.clone(), target.state.as_deref()?)))
        .partition(|(_, state)| *state == ACTIVE);
    let units = targets.iter().filter(|(_, target)| target.parent.is_some() && target.state.is_none()).count();
    let mut counts =
        vec![counted(units, "unit"), counted(accounts.len(), "account"), super::account::policies(policies.len())];
    if !idle.is_empty() {
        counts.push(counted(idle.len(), "account") + " that nobody can use (suspended, closed)");
    }
    let organization = described.unwrap_or_else(|| Organization::builder().build());
    let fetched = Fetched {
        name: ORGANIZATION.to_owned(),
        alias: organization.id.clone(),
        at,
        outputs: outputs(&organization, &policies, &targets),
        counts,
        notes: Vec::new(),
    };
    Ok(Found { fetched, accounts: accounts.into_iter().map(|(id, _)| id).collect() })
}

/// Everything below the roots, level by level.
async fn tree(caller: &Caller, roots: &[Root]) -> Result<BTreeMap<String, Target>, FetchError> {
    let root = |root: &Root| Some((root.id.clone()?, Target { name: root.name.clone(), ..Target::default() }));
    let mut targets: BTreeMap<String, Target> = roots.iter().filter_map(root).collect();
    let mut level: Vec<String> = targets.keys().cloned().collect();
    while !level.is_empty() {
        let children = level.into_iter().map(|parent| children(caller, parent));
        let children: Vec<_> = stream::iter(children).buffered(CALLS_AT_ONCE).try_collect().await?;
        let new = children.into_iter().flatten().filter(|(id, _)| !targets.contains_key(id)).collect::<Vec<_>>();
        level = new.iter().filter(|(_, target)| target.state.is_none()).map(|(id, _)| id.clone()).collect();
        targets.extend(new);
    }
    Ok(targets)
}

/// The units and accounts right below a root or unit.
async fn children(caller: &Caller, parent: String) -> Result<Vec<(String, Target)>, FetchError> {
    let units = list(
        caller,
        UNITS,
        |client, token| client.list_organizational_units_for_parent().parent_id(&parent).set_next_token(token).send(),
        |page| (page.organizational_units.unwrap_or_default(), page.next_token),
    );
    let accounts = list(
        caller,
        ACCOUNTS,
        |client, token| client.list_accounts_for_parent().parent_id(&parent).set_next_token(token).send(),
        |page| (page.accounts.unwrap_or_default(), page.next_token),
    );
    let (units, accounts) = (units.await?, accounts.await?);
    let below = |name, state| Target { name, parent: Some(parent.clone()), state, policies: BTreeSet::new() };
    let units = units.into_iter().filter_map(|unit| Some((unit.id?, below(unit.name, None))));
    let accounts = accounts.into_iter().filter_map(|account| {
        let state = state(&account);
        Some((account.id?, below(account.name, Some(state))))
    });
    Ok(units.chain(accounts).collect())
}

/// As AWS says it; by `Status` where it does not say `State`, which takes its place.
fn state(account: &Account) -> String {
    let state = account.state().map(AccountState::as_str);
    state.or(account.status().map(AccountStatus::as_str)).unwrap_or(ACTIVE).to_owned()
}

/// Those that limit what accounts may do, each with the ids of what it is attached to.
async fn policies(caller: &Caller, roots: &[Root]) -> Result<Vec<(Policy, Vec<String>)>, FetchError> {
    let is_on = |kind: &PolicyType| roots.iter().flat_map(Root::policy_types).any(|on| on.r#type() == Some(kind));
    let mut ids = Vec::new();
    for kind in TYPES.into_iter().filter(is_on) {
        let of_kind = list(
            caller,
            POLICIES,
            |client, token| client.list_policies().filter(kind.clone()).set_next_token(token).send(),
            |page| (page.policies.unwrap_or_default(), page.next_token),
        );
        ids.extend(of_kind.await?.into_iter().filter_map(|summary| summary.id));
    }
    let each = ids.into_iter().map(|id| async move {
        let described = caller.ask(POLICY, |client| client.describe_policy().policy_id(&id).send()).await;
        let policy = described.map_err(|fault| caller.error(POLICY, &fault))?.policy;
        let targets = list(
            caller,
            TARGETS,
            |client, token| client.list_targets_for_policy().policy_id(&id).set_next_token(token).send(),
            |page| (page.targets.unwrap_or_default(), page.next_token),
        );
        let targets = targets.await?.into_iter().filter_map(|target| target.target_id).collect();
        Ok::<_, FetchError>(policy.map(|policy| (policy, targets)))
    });
    let all: Vec<_> = stream::iter(each).buffered(CALLS_AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

/// All pages of a list. They may be empty and not be the last ones.
async fn list<T, O, E, S>(
    caller: &Caller,
    operation: &str,
    send: impl Fn(&Client, Option<String>) -> S,
    take: impl Fn(O) -> (Vec<T>, Option<String>),
) -> Result<Vec<T>, FetchError>
where
    S: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    E: ProvideErrorMetadata + Error + 'static,
{
    let (mut pages, mut all) = (Pages::default(), Vec::new());
    loop {
        let page = caller.ask(operation, |client| send(client, pages.marker())).await;
        let (found, next) = take(page.map_err(|fault| caller.error(operation, &fault))?);
        all.extend(found);
        if !pages.turn((next.is_some(), next.as_deref()), caller, operation)? {
            return Ok(all);
        }
    }
}

/// As the AWS CLI prints them (`describe-organization`, `describe-policy`); where something hangs and what is attached to it as one
/// would write it by hand.
fn outputs(
    organization: &Organization,
    policies: &[(Policy, Vec<String>)],
    targets: &BTreeMap<String, Target>,
) -> Vec<Value> {
    let first = json!({ "Organization": {
        "Id": organization.id(), "Arn": organization.arn(), "FeatureSet": organization.feature_set().map(|set| set.as_str()),
        "MasterAccountId": organization.master_account_id() } });
    let policies = policies.iter().map(|(policy, _)| {
        let summary = policy.policy_summary().map(|summary| {
            json!({ "Id": summary.id(), "Arn": summary.arn(), "Name": summary.name(), "Description": summary.description(),
                    "Type": summary.r#type().map(PolicyType::as_str), "AwsManaged": summary.aws_managed() })
        });
        json!({ "Policy": { "PolicySummary": summary, "Content": policy.content() } })
    });
    let targets = targets.iter().map(|(id, target)| {
        let mut told = json!({ "Id": id, "Name": target.name, "PolicyIds": target.policies });
        let more = [("ParentId", &target.parent), ("State", &target.state)];
        for (name, value) in more.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))) {
            told[name] = value.into();
        }
        json!({ "OrganizationTargets": [told] })
    });
    std::iter::once(first).chain(policies).chain(targets).collect()
}
