//! How fast and with how much memory a large organisation is made.
//!
//! `cargo run --release -p trailhound-simulate --example throughput -- [events] [folder] [accounts] [days]`

use std::{env, error::Error, fs, path::PathBuf, time::Instant};

use trailhound_simulate::{Options, generate};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let events = arguments.next().map_or(Ok(2_000_000), |text| text.parse())?;
    let kept = arguments.next().map(PathBuf::from);
    let out =
        kept.clone().unwrap_or_else(|| env::temp_dir().join(format!("trailhound-throughput-{}", std::process::id())));
    let accounts = arguments.next().map_or(Ok(12), |text| text.parse())?;
    let days = arguments.next().map_or(Ok(7), |text| text.parse())?;
    let options = Options::new(&out).events(events).accounts(accounts).days(days);
    let begin = Instant::now();
    let summary = generate(&options, &|_| ())?;
    let seconds = begin.elapsed().as_secs_f64();
    println!("{summary:#?}");
    println!(
        "{seconds:.1} s, {:.0} events/s, {:.0} MB/s of JSON",
        summary.events as f64 / seconds,
        summary.json_bytes as f64 / seconds / 1e6
    );
    println!(
        "{:.0} bytes of JSON and {:.0} bytes gzipped a record, {:.1} records an object",
        per(summary.json_bytes, summary.records),
        per(summary.gzip_bytes, summary.records),
        per(summary.records, summary.objects)
    );
    // Linux tells the peak of resident memory; elsewhere the line is missing.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .filter(|line| line.starts_with("VmHWM"))
        .for_each(|line| println!("peak memory {}", line.trim_start_matches("VmHWM:").trim()));
    if kept.is_none() {
        fs::remove_dir_all(&out)?;
    }
    Ok(())
}

fn per(total: u64, count: u64) -> f64 {
    total as f64 / count.max(1) as f64
}
