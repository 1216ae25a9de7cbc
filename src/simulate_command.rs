//! `trailhound simulate`: a made-up organisation's logs, with a progress bar and a summary.

use std::process::ExitCode;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use trailhound_simulate::{Options, generate};

use crate::args::SimulateArgs;

/// Writes the logs. The bar is drawn on a terminal only.
pub fn run(args: SimulateArgs) -> anyhow::Result<ExitCode> {
    let mut options =
        Options::new(&args.out).seed(args.seed).accounts(args.accounts).days(args.days).events(args.events);
    options.jobs = args.jobs;
    if args.no_attacks {
        options = options.attacks(Vec::new());
    }
    let style = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} account days  {msg}  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    let started = Instant::now();
    let summary = tokio::task::block_in_place(|| {
        generate(&options, &|progress| {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            bar.set_message(format!("{} events  {} objects", progress.events, progress.objects));
        })
    });
    bar.finish_and_clear();
    let summary = summary?;
    let seconds = started.elapsed().as_secs_f64();
    let out = args.out.display();
    eprintln!("organisation    {} accounts, {} people", summary.accounts, summary.people);
    eprintln!("events          {} in {} records (second copies among them)", summary.events, summary.records);
    eprintln!(
        "objects         {}, {:.1} MB of JSON in {:.1} MB of gzip",
        summary.objects,
        summary.json_bytes as f64 / 1e6,
        summary.gzip_bytes as f64 / 1e6
    );
    eprintln!(
        "planted         {} attacks (labels.ndjson), {} look-alikes (lookalikes.ndjson); keys.ndjson says how long-term keys are used",
        summary.attacks, summary.lookalikes
    );
    eprintln!(
        "permissions     iam/ as AWS gives them, account by account; permissions.ndjson says what of them was used"
    );
    eprintln!("speed           {seconds:.1} s, {:.0} events/s", summary.events as f64 / seconds.max(1e-9));
    eprintln!(
        "Next: trailhound scan {out} --geoip {out}/geo-city.mmdb --geoip {out}/geo-asn.mmdb --site {out}/site.toml"
    );
    Ok(ExitCode::SUCCESS)
}
