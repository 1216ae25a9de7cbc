//! `trailhound replay`: reads what is parked again, after the cause is mended.
//!
//! Parked things are kept by their address and reason, never by their body, so a replay fetches each object once more
//! from where it was. What can be read now is kept, as if it had never been parked.

use std::collections::BTreeMap;
use std::process::ExitCode;

use trailhound_ingest::source::{Listed, Selection};
use trailhound_ingest::{Geo, ObjectId};

use crate::args::ReplayArgs;
use crate::intake::{self, Outcome};
use crate::scan::{Place, Workbench};
use crate::session::Asked;

/// Reads parked objects again. Exit 1 when something is still parked, 2 when objects could not be fetched.
pub async fn run(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let parked = Asked::open(&args.store).await?.store.parked().await?;
    if parked.is_empty() {
        eprintln!("nothing is parked");
        return Ok(ExitCode::SUCCESS);
    }
    let mut by_bucket: BTreeMap<String, (Vec<Listed>, BTreeMap<String, ObjectId>)> = BTreeMap::new();
    for entry in parked {
        let (listed, objects) = by_bucket.entry(entry.id.bucket.clone()).or_default();
        let key = entry.id.key.clone();
        if objects.insert(key.clone(), entry.id).is_none() {
            listed.push(Listed { key, bytes: entry.bytes, etag: None });
        }
    }
    let place = Place::of(Some(&args.store.store))?;
    let mut bench = Workbench::open(&place, args.store.ledger.clone(), &args.rules).await?;
    let mut outcome = Outcome::default();
    for (bucket, (listed, objects)) in by_bucket {
        // On disk the folder stands for the bucket, as an absolute path.
        let address = if bucket.starts_with('/') { bucket } else { format!("s3://{bucket}") };
        let source = intake::open_source(&address).await?;
        outcome.add(bench.read(source, Selection::Keys(listed), Geo::open(&args.geoip)?, Some(objects)).await?);
    }
    for (id, identity) in &outcome.mended {
        bench.store.identify(id, identity).await?;
    }
    bench.tell(&outcome, &bench.detector.findings().current().await?).await?;
    let left = bench.store.parked().await?;
    if !outcome.unfetched.is_empty() {
        return Ok(ExitCode::from(2));
    }
    if left.is_empty() {
        eprintln!("nothing is parked any more");
        return Ok(ExitCode::SUCCESS);
    }
    for entry in &left {
        let place = format!("{}/{}: {}", entry.id.bucket, entry.id.key, entry.reason);
        eprintln!("still parked: {}", output_line(&place, entry.detail.as_deref()));
    }
    Ok(ExitCode::from(1))
}

fn output_line(place: &str, detail: Option<&str>) -> String {
    crate::terminal::clean(&format!("{place}: {}", detail.unwrap_or(""))).into_owned()
}
