//! When users and roles last used which services and actions, by IAM's own account: a report for each of them, which IAM makes
//! when it is asked to.

use std::time::Duration;

use aws_sdk_iam::Client;
use aws_sdk_iam::operation::get_service_last_accessed_details::GetServiceLastAccessedDetailsOutput;
use aws_sdk_iam::types::{AccessAdvisorUsageGranularityType, JobStatusType};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use trailhound_ingest::aws::{Backoff, FaultKind};

use super::caller::{Caller, FetchError, Pages};
use super::output;

pub const GENERATE: &str = "GenerateServiceLastAccessedDetails";
pub const REPORT: &str = "GetServiceLastAccessedDetails";

/// Reports that are being made at once: most of the time is waiting for IAM.
const REPORTS_AT_ONCE: usize = 8;
/// How often it is asked whether a report is ready, which takes seconds.
const TRIES_MAX: u32 = 30;
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(250), longest: Duration::from_secs(10) };

/// Outputs, one for each of these users and roles, and of how many IAM made none. Those who are gone by now have none.
pub async fn fetch(caller: &Caller<Client>, arns: Vec<String>) -> Result<(Vec<Value>, usize), FetchError> {
    let each = arns.into_iter().map(|arn| one(caller, arn));
    let reports: Vec<Report> = stream::iter(each).buffered(REPORTS_AT_ONCE).try_collect().await?;
    let unfinished = reports.iter().filter(|report| matches!(report, Report::Unfinished)).count();
    let made =
        reports.into_iter().filter_map(|report| if let Report::Made(output) = report { Some(output) } else { None });
    Ok((made.collect(), unfinished))
}

enum Report {
    Made(Value),
    Unfinished,
    /// Of somebody who is not there any more.
    Gone,
}

async fn one(caller: &Caller<Client>, arn: String) -> Result<Report, FetchError> {
    let actions = AccessAdvisorUsageGranularityType::ActionLevel;
    let generate =
        |iam: &Client| iam.generate_service_last_accessed_details().arn(&arn).granularity(actions.clone()).send();
    let job = match caller.ask(GENERATE, generate).await {
        Ok(made) => made.job_id.unwrap_or_default(),
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(Report::Gone),
        Err(fault) => return Err(caller.error(GENERATE, &fault)),
    };
    for tries in 1..=TRIES_MAX {
        let first = page(caller, &job, None).await?;
        match first.job_status() {
            JobStatusType::Completed => {
                let pages = pages(caller, &job, first).await?;
                return Ok(Report::Made(output::last_accessed(&arn, &pages)));
            }
            JobStatusType::InProgress => tokio::time::sleep(BACKOFF.wait(tries)).await,
            _ => break,
        }
    }
    Ok(Report::Unfinished)
}

/// The first page and those that follow.
async fn pages(
    caller: &Caller<Client>,
    job: &str,
    first: GetServiceLastAccessedDetailsOutput,
) -> Result<Vec<GetServiceLastAccessedDetailsOutput>, FetchError> {
    let (mut turned, mut pages) = (Pages::default(), vec![first]);
    while let Some(last) = pages.last()
        && turned.turn((last.is_truncated(), last.marker()), caller, REPORT)?
    {
        pages.push(page(caller, job, turned.marker()).await?);
    }
    Ok(pages)
}

async fn page(
    caller: &Caller<Client>,
    job: &str,
    marker: Option<String>,
) -> Result<GetServiceLastAccessedDetailsOutput, FetchError> {
    let get = |iam: &Client| iam.get_service_last_accessed_details().job_id(job).set_marker(marker.clone()).send();
    caller.ask(REPORT, get).await.map_err(|fault| caller.error(REPORT, &fault))
}
