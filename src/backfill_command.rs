//! `trailhound backfill`: asks a running service to read history, and shows how far it is.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::BackfillArgs;
use crate::serve::{Backfill, Wanted};
use crate::terminal;

/// One request to the service. Asking for a backfill lists folders of the bucket before it answers.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);
/// How often the progress is asked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Exit 0 when the backfill is done (or begun, with `--detach`).
pub async fn run(args: BackfillArgs) -> anyhow::Result<ExitCode> {
    let rest = args.bucket.strip_prefix("s3://").unwrap_or(&args.bucket);
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let wanted = Wanted {
        bucket: bucket.into(),
        prefix: prefix.into(),
        organization: args.organization.clone(),
        accounts: args.account.clone(),
        regions: args.region.clone(),
        since: args.since.clone(),
        until: args.until.clone(),
    };
    let client = reqwest::Client::builder().timeout(ANSWER_TIME_MAX).build()?;
    let url = format!("{}/backfills", args.server.trim_end_matches('/'));
    let ask = client.post(&url).header("content-type", "application/json").body(serde_json::to_vec(&wanted)?);
    let begun: Backfill = answer(ask, &args).await?;
    eprintln!("backfill {}: {} days of regions", begun.id, begun.units);
    if args.detach {
        return Ok(ExitCode::SUCCESS);
    }
    let style = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} days of regions  {msg}  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(begun.units).with_style(style);
    let mut told = None;
    loop {
        let all: Vec<Backfill> = answer(client.get(&url), &args).await?;
        let Some(now) = all.into_iter().find(|backfill| backfill.id == begun.id) else {
            anyhow::bail!("the service does not know the backfill {} any more", begun.id);
        };
        bar.set_position(now.units_done);
        bar.set_message(format!("{} objects", now.objects));
        if now.trouble != told {
            if let Some(trouble) = &now.trouble {
                bar.suspend(|| eprintln!("tried again later: {}", terminal::clean(trouble)));
            }
            told = now.trouble.clone();
        }
        if now.units_done == now.units {
            bar.finish_and_clear();
            eprintln!("done: {} objects", now.objects);
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn answer<T: serde::de::DeserializeOwned>(
    request: reqwest::RequestBuilder,
    args: &BackfillArgs,
) -> anyhow::Result<T> {
    let answer = request
        .bearer_auth(&args.token)
        .send()
        .await
        .with_context(|| format!("the service at {} cannot be reached", args.server))?;
    let (status, body) = (answer.status(), answer.text().await?);
    anyhow::ensure!(status.is_success(), "the service refused: {}", terminal::clean(body.trim()));
    serde_json::from_str(&body).context("the service answered something else; is it of another version?")
}
