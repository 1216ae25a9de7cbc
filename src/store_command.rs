//! `trailhound store`: is a store sound, and its upkeep by hand.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use futures::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use trailhound_ingest::Geo;
use trailhound_store::{Compacted, Rederived, StoreOptions, Upkeep, activity};

use crate::args::{RederiveArgs, StoreArgs, StoreCommand};
use crate::output::counted;
use crate::session::Asked;
use crate::terminal;

/// Names that are listed where something is wrong.
const LISTED_MAX: usize = 10;

/// Exit 1 when a check finds something.
pub async fn run(command: StoreCommand) -> anyhow::Result<ExitCode> {
    match command {
        StoreCommand::Check(args) => check(args).await,
        StoreCommand::Compact(args) => {
            let asked = Asked::open(&args).await?;
            let mut upkeep = upkeep(&args).await?;
            tell(upkeep.compact().await?, "event");
            tell(upkeep.fold().await?, "count");
            drop(asked);
            Ok(ExitCode::SUCCESS)
        }
        StoreCommand::Expire(args) => {
            let asked = Asked::open(&args.store).await?;
            let mut upkeep = upkeep(&args.store).await?;
            anyhow::ensure!(
                !upkeep.is_news_after(asked.findings.applied_to().await?).await?,
                "rules have not seen everything yet; run `trailhound scan` or the service first"
            );
            eprintln!("{} taken out", counted(upkeep.expire(args.before).await? as usize, "event"));
            if let Some(before) = args.activity_before {
                let rows = upkeep.expire_activity(before).await?;
                eprintln!("{} of `activity` taken out", counted(rows as usize, "row"));
            }
            Ok(ExitCode::SUCCESS)
        }
        StoreCommand::Rebuild(args) => {
            let mut asked = Asked::open(&args).await?;
            let rows = asked.store.rebuild_activity().await?;
            eprintln!("`activity` counted anew from the events: {}", counted(rows as usize, "row"));
            Ok(ExitCode::SUCCESS)
        }
        StoreCommand::Rederive(args) => rederive(args).await,
        StoreCommand::Vacuum(args) => {
            let asked = Asked::open(&args).await?;
            let mut upkeep = upkeep(&args).await?;
            anyhow::ensure!(
                !upkeep.is_news_after(asked.findings.applied_to().await?).await?,
                "rules have not seen everything yet, and may need what would be deleted; run `trailhound scan` or the service first"
            );
            eprintln!("{} deleted", counted(upkeep.vacuum().await? as usize, "file"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn rederive(args: RederiveArgs) -> anyhow::Result<ExitCode> {
    let geo = Arc::new(Geo::open(&args.geoip)?);
    // Opening repairs what a crash left, so that all that was committed is accounted for before it is rewritten.
    drop(Asked::open(&args.store).await?);
    let style = ProgressStyle::with_template("{spinner} {bar:30} {human_pos}/{human_len} events  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    let progress = |now: Rederived| {
        bar.set_length(now.events_found);
        bar.set_position(now.events);
    };
    let done = upkeep(&args.store).await?.rederive(geo, &progress).await?;
    bar.finish_and_clear();
    eprintln!(
        "facts of {} derived anew; a running service evaluates all rules anew with its next commit, else the next scan does",
        counted(done.events as usize, "event")
    );
    Ok(ExitCode::SUCCESS)
}

fn tell(done: Compacted, rows: &str) {
    eprintln!(
        "{} with {} made into {}: {} KiB, before {} KiB",
        counted(done.files_before as usize, "file"),
        counted(done.rows as usize, rows),
        done.files_after,
        done.bytes_after >> 10,
        done.bytes_before >> 10,
    );
}

async fn upkeep(args: &StoreArgs) -> anyhow::Result<Upkeep> {
    let options = StoreOptions { ledger: args.ledger.clone(), ..StoreOptions::new(args.store.clone()) };
    Ok(Upkeep::open(&options).await?)
}

async fn check(args: StoreArgs) -> anyhow::Result<ExitCode> {
    let asked = Asked::open(&args).await?;
    let mut problems = 0;
    let mut told = |name: &str, wrong: Vec<String>| -> anyhow::Result<()> {
        let mut text = format!("{}  {name}\n", if wrong.is_empty() { "ok  " } else { "FAIL" });
        for line in wrong.iter().take(LISTED_MAX) {
            text.push_str(&format!("      {}\n", terminal::clean(line)));
        }
        if wrong.len() > LISTED_MAX {
            text.push_str(&format!("      and {} more\n", wrong.len() - LISTED_MAX));
        }
        problems += wrong.len();
        Ok(terminal::print(&text)?)
    };

    let missing = upkeep(&args).await?.missing_files().await?;
    let lost = !missing.is_empty();
    told("every file of the table is there", missing)?;
    let accounting = asked.store.accounting().await?;
    let sums =
        if accounting.holds() { Vec::new() } else { accounting.to_string().lines().map(str::to_string).collect() };
    told(
        "what was received is kept, a duplicate, skipped or parked, and what was kept is in the table or expired",
        sums,
    )?;
    // A table that cannot be read whole can only be asked about its log.
    if !lost {
        told("no event is there twice", twice(&asked).await?)?;
        told("`activity` counts every event once", miscounted(&asked).await?)?;
    }
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Events of one id, day by day, since copies share their time: a day's ids fit into memory.
async fn twice(asked: &Asked) -> anyhow::Result<Vec<String>> {
    let session = asked.session().await?;
    let mut twice = Vec::new();
    for day in column(&session, "SELECT DISTINCT CAST(event_date AS VARCHAR) AS day FROM events ORDER BY 1").await? {
        let ids = format!(
            "SELECT event_id FROM events WHERE event_date = DATE '{day}' GROUP BY event_id HAVING count(*) > 1 LIMIT 1000"
        );
        twice.extend(column(&session, &ids).await?);
    }
    Ok(twice)
}

/// Days of which `activity` says something else than a count over the events.
async fn miscounted(asked: &Asked) -> anyhow::Result<Vec<String>> {
    let session = asked.session().await?;
    let mut wrong = Vec::new();
    let days = "SELECT DISTINCT CAST(event_date AS VARCHAR) FROM (SELECT event_date FROM events UNION ALL
        SELECT event_date FROM activity) CROSS JOIN retention
        WHERE expired_before IS NULL OR event_date >= expired_before ORDER BY 1";
    for day in column(&session, days).await? {
        let of_day = format!("event_date = DATE '{day}'");
        let counted = format!("SELECT {} FROM activity WHERE {of_day}", activity::columns());
        let recounted = activity::recount(&of_day);
        let differ = format!(
            "SELECT (SELECT count(*) FROM (({recounted}) EXCEPT ({counted})))
                 + (SELECT count(*) FROM (({counted}) EXCEPT ({recounted})))"
        );
        match column(&session, &differ).await?.first().map(String::as_str) {
            Some("0") | None => {}
            Some(rows) => wrong.push(format!("{day}: {rows} rows; `trailhound store rebuild` counts anew")),
        }
    }
    Ok(wrong)
}

/// The texts of an answer's only column.
async fn column(session: &datafusion::prelude::SessionContext, sql: &str) -> anyhow::Result<Vec<String>> {
    let batches: Vec<_> = trailhound_store::query(session, sql).await?.try_collect().await?;
    let mut texts = Vec::new();
    for batch in &batches {
        let shown = arrow::util::display::ArrayFormatter::try_new(batch.column(0), &Default::default())
            .context("the answer cannot be shown")?;
        texts.extend((0..batch.num_rows()).map(|row| shown.value(row).to_string()));
    }
    Ok(texts)
}
