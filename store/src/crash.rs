//! Named points between two durable steps at which the process can be made to die, so that a test can prove that a
//! second run mends what the first left.
//!
//! `TRAILHOUND_CRASH_AT=name` aborts at the first arrival at that point, `name:3` at the third. Without the variable a
//! point costs one atomic load.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

/// Every point, in the order in which one flush passes them.
///
/// - `store.files_written`: the data files lie in the table's folder, no commit names them;
/// - `store.committed`: the table has the commit, the ledger has not heard of it;
/// - `store.ledger_open`: the ledger's transaction is filled but not committed;
/// - `store.noted`: table and ledger agree, nobody was told;
/// - `store.checkpointed`: a checkpoint of the table's log was written;
/// - `activity.written`: files with counts of commits are written, no commit of `activity` names them;
/// - `activity.committed`: the counts are in `activity`;
/// - `upkeep.written`: a compacted file is written, no commit names it;
/// - `upkeep.committed`: the table has the compacted file instead of those that it was made of;
/// - `upkeep.expired`: events of days before the retention's are out of the table;
/// - `upkeep.rederived`: facts of all events are derived anew, no rule has seen them;
/// - `detect.ledger_open`: the transaction with findings and cursors is filled but not committed;
/// - `detect.saved`: findings and cursors are durable, nobody was told;
/// - `alert.sending`: an attempt to tell is noted, the request has not gone out;
/// - `alert.sent`: a sink has answered, its answer is not noted.
pub const POINTS: &[&str] = &[
    "store.files_written",
    "store.committed",
    "store.ledger_open",
    "store.noted",
    "store.checkpointed",
    "activity.written",
    "activity.committed",
    "upkeep.written",
    "upkeep.committed",
    "upkeep.expired",
    "upkeep.rederived",
    "detect.ledger_open",
    "detect.saved",
    "serve.kept",
    "serve.settled",
    "alert.sending",
    "alert.sent",
];

/// Dies here if the environment says so.
pub fn point(name: &'static str) {
    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let wanted = std::env::var("TRAILHOUND_CRASH_AT").ok()?;
        Some(match wanted.rsplit_once(':').and_then(|(name, n)| Some((name.to_string(), n.parse().ok()?))) {
            Some(counted) => counted,
            None => (wanted, 1),
        })
    });
    static HITS: LazyLock<Mutex<HashMap<&'static str, u64>>> = LazyLock::new(Mutex::default);
    let Some((wanted, nth)) = WANTED.as_ref() else { return };
    if wanted != name {
        return;
    }
    let mut hits = HITS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let hit = hits.entry(name).or_default();
    *hit += 1;
    if *hit == *nth {
        eprintln!("crash point {name} reached for time {nth}: aborting as TRAILHOUND_CRASH_AT asks");
        std::process::abort();
    }
}
