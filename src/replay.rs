//! `trailhound replay`: reads what is parked again, after the cause is mended.
//!
//! Parked things are kept by their address and reason, never by their body, so a replay fetches each object once more
//! from where it was. What can be read now is kept, as if it had never been parked.

use std::collections::BTreeMap;
use std::process::ExitCode;

use trailhound_ingest::notification::{self, Notification};
use trailhound_ingest::source::{Listed, Selection};
use trailhound_ingest::{Geo, ObjectId};
use trailhound_store::ParkedMessage;

use crate::args::ReplayArgs;
use crate::intake::{self, Outcome};
use crate::scan::{Place, Workbench};
use crate::session::Asked;

/// What one bucket (on disk, one folder) is asked for again.
#[derive(Default)]
struct Again {
    listed: Vec<Listed>,
    /// As they were parked, by key.
    parked: BTreeMap<String, ObjectId>,
}

/// Reads parked objects again, and the messages that nobody understood. Exit 1 when something is still parked, 2 when
/// objects could not be fetched.
pub async fn run(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let asked = Asked::open(&args.store).await?.store;
    let (parked, messages) = (asked.parked().await?, asked.parked_messages().await?);
    drop(asked);
    if parked.is_empty() && messages.is_empty() {
        eprintln!("nothing is parked");
        return Ok(ExitCode::SUCCESS);
    }
    let mut again: BTreeMap<String, Again> = BTreeMap::new();
    for entry in parked {
        let bucket = again.entry(entry.id.bucket.clone()).or_default();
        let key = entry.id.key.clone();
        if bucket.parked.insert(key.clone(), entry.id).is_none() {
            bucket.listed.push(Listed { key, bytes: entry.bytes, etag: None });
        }
    }
    let place = Place::of(Some(&args.store.store))?;
    let mut bench = Workbench::open(&place, args.store.ledger.clone(), &args.rules).await?;
    let mut outcome = Outcome::default();
    for (bucket, Again { listed, parked }) in again {
        // On disk the folder stands for the bucket, as an absolute path.
        let address = if bucket.starts_with('/') { bucket } else { format!("s3://{bucket}") };
        let source = intake::open_source(&address).await?;
        outcome.add(bench.read(source, Selection::Keys(listed), Geo::open(&args.geoip)?, Some(parked)).await?);
    }
    for (id, identity) in &outcome.mended {
        bench.store.identify(id, identity).await?;
    }
    let not_understood = read_messages(&args, &mut bench, messages, &mut outcome).await?;
    bench.tell(&outcome, &bench.detector.findings().current().await?).await?;
    let left = bench.store.parked().await?;
    if !outcome.unfetched.is_empty() {
        return Ok(ExitCode::from(2));
    }
    if left.is_empty() && not_understood.is_empty() {
        eprintln!("nothing is parked any more");
        return Ok(ExitCode::SUCCESS);
    }
    for entry in &left {
        let place = format!("{}/{}: {}", entry.id.bucket, entry.id.key, entry.reason);
        eprintln!("still parked: {}", output_line(&place, entry.detail.as_deref()));
    }
    for line in &not_understood {
        eprintln!("still parked: {}", crate::terminal::clean(line));
    }
    Ok(ExitCode::from(1))
}

/// Reads what parked messages announce, for those that this version understands; gives a line for each of the others.
async fn read_messages(
    args: &ReplayArgs,
    bench: &mut Workbench,
    messages: Vec<ParkedMessage>,
    outcome: &mut Outcome,
) -> anyhow::Result<Vec<String>> {
    let mut left = Vec::new();
    for message in messages {
        let objects = match notification::read(&message.body) {
            Ok(Notification::Objects(objects)) => objects,
            Ok(Notification::Nothing { .. }) => Vec::new(),
            Ok(Notification::Partly { unknown, .. }) | Err(unknown) => {
                left.push(format!("message {} of {}: {unknown}", message.message_id, message.queue));
                continue;
            }
        };
        let mut failed = 0;
        for object in objects {
            let source = intake::open_source(&format!("s3://{}", object.bucket)).await?;
            let listed = Listed { key: object.key, bytes: object.bytes.unwrap_or(0), etag: object.etag };
            let read = bench.read(source, Selection::Keys(vec![listed]), Geo::open(&args.geoip)?, None).await?;
            failed += read.unfetched.len();
            outcome.add(read);
        }
        if failed == 0 {
            bench.store.unpark_message(&message.queue, &message.message_id).await?;
        }
    }
    Ok(left)
}

fn output_line(place: &str, detail: Option<&str>) -> String {
    crate::terminal::clean(&format!("{place}: {}", detail.unwrap_or(""))).into_owned()
}
