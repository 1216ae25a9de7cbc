//! Kill it anywhere: the process dies at every named point between two durable steps, and a second run mends it.

use trailhound_store::crash::POINTS;

use crate::logs::{self, key, log, record, root_key};
use crate::world::{Run, Store, World};

const SIGABRT: i32 = 6;

/// A scan that must die at this point.
#[track_caller]
fn dies(store: &Store, path: impl AsRef<std::path::Path>, point: &str) {
    let run = store.scan(path).env("TRAILHOUND_CRASH_AT", point).run();
    assert!(died(&run, point), "{point} was not reached: {:?}\n{}", run.code, run.stderr);
}

fn died(run: &Run, point: &str) -> bool {
    run.signal == Some(SIGABRT) && run.stderr.contains(&format!("crash point {point} reached"))
}

/// Half of the organisation is in the store; the process dies while the other half comes in.
fn survives(point: &str) {
    let world = World::new(&format!("crash_{point}"));
    let objects = logs::objects();
    let (first, _) = objects.split_at(objects.len() / 2);
    let half = world.put_all("half", first);

    let whole = world.store("whole");
    whole.scan(logs::organisation()).ok();

    let store = world.store("store");
    store.scan(half).ok();
    dies(&store, logs::organisation(), point);
    let after = store.scan(logs::organisation()).ok();
    let truth = store.truth();
    truth.assert_same(&whole.truth(), point);
    assert!(truth.findings == after.findings(), "{point}: the run after the crash tells other findings");
}

macro_rules! points {
    ($($test:ident $point:literal;)*) => {
        $(#[test] fn $test() { survives($point); })*

        /// The points above, and those that take a test of their own.
        const TESTED: &[&str] = &[$($point,)* CHECKPOINTED, COMPACTED, REARRANGED, EXPIRED, crate::rederive::REDERIVED];
    };
}

points! {
    after_the_files_are_written "store.files_written";
    after_the_commit "store.committed";
    before_the_ledger_commits "store.ledger_open";
    after_the_ledger_commits "store.noted";
    before_findings_are_durable "detect.ledger_open";
    after_findings_are_durable "detect.saved";
    after_counts_are_written "activity.written";
    after_counts_are_committed "activity.committed";
}

const CHECKPOINTED: &str = "store.checkpointed";
const COMPACTED: &str = "upkeep.written";
const REARRANGED: &str = "upkeep.committed";
const EXPIRED: &str = "upkeep.expired";

#[test]
fn every_point_is_tested() {
    let tested = TESTED.iter().chain(crate::serve::TESTED);
    assert_eq!(tested.collect::<std::collections::BTreeSet<_>>(), POINTS.iter().collect());
}

/// The table's log gets a checkpoint once in many commits, so this takes as many runs, of one object each.
#[test]
fn after_a_checkpoint() {
    let world = World::new("crash_checkpoint");
    let store = world.store("store");
    let runs_max = 60;
    let objects: Vec<_> = (0..runs_max)
        .map(|n| {
            let record = if n % 7 == 0 { root_key(&format!("event-{n}")) } else { record(&format!("event-{n}")) };
            (key(&format!("{n:016}")), logs::gzip(&log(&[record])))
        })
        .collect();
    let mut arrived = 0;
    let dead = objects.chunks(1).any(|object| {
        let folder = world.put_all("logs", object);
        arrived += 1;
        let run = store.scan(folder.join(&object[0].0)).env("TRAILHOUND_CRASH_AT", CHECKPOINTED).run();
        assert!(run.code == Some(0) || died(&run, CHECKPOINTED), "{:?} {}", run.code, run.stderr);
        run.code.is_none()
    });
    assert!(dead, "{CHECKPOINTED} was not reached in {runs_max} commits");
    store.scan(world.path("logs")).ok();

    let whole = world.store("whole");
    whole.scan(world.path("logs")).ok();
    assert_eq!(whole.events(), arrived);
    store.truth().assert_same(&whole.truth(), CHECKPOINTED);
}

/// Dies when days were just taken out: they are accounted for, findings stand, and what comes again is not kept.
#[test]
fn after_days_are_taken_out() {
    let world = World::new("crash_expire");
    let (store, logs) = (world.store("store"), logs::organisation().to_path_buf());
    let before = store.scan(&logs).ok().findings();
    let events = store.events();
    let day =
        store.sql("SELECT CAST(max(event_date) AS VARCHAR) AS day FROM events")[0]["day"].as_str().unwrap().to_string();
    let expire = ["store", "expire", "--before", day.as_str()];
    let run = store.command(expire).env("TRAILHOUND_CRASH_AT", EXPIRED).run();
    assert!(died(&run, EXPIRED), "{EXPIRED} was not reached: {:?}\n{}", run.code, run.stderr);
    store.command(expire).ok();
    let gone = store.number("SELECT expired_events FROM retention");
    assert!(gone > 0 && store.events() + gone == events, "{gone} of {events}");
    assert_eq!(store.number("SELECT sum(events) FROM activity"), events);
    let counted = format!("SELECT principal_key AS who FROM activity WHERE event_date < '{day}' ORDER BY 1 LIMIT 1");
    let who = store.sql(&counted)[0]["who"].as_str().unwrap().to_string();
    let told = store.command(["investigate", who.as_str()]).ok().text();
    assert!(told.contains("Before the events that are kept"), "{told}");
    let again = world.put_all("again", &logs::objects());
    for logs in [logs, again] {
        assert_eq!(store.scan(logs).ok().findings(), before, "findings outlive their events");
        assert_eq!(store.events() + gone, events);
        store.command(["store", "check"]).ok();
    }
}

/// Dies while small files are brought together; nothing of it is seen afterwards.
#[test]
fn while_files_are_compacted() {
    for point in [COMPACTED, REARRANGED] {
        let world = World::new(&format!("crash_{point}"));
        let store = world.store("store");
        let objects: Vec<_> =
            (0..17).map(|n| (key(&format!("{n:016}")), logs::gzip(&log(&[record(&format!("event-{n}"))])))).collect();
        for object in objects.chunks(1) {
            store.scan(world.put_all("logs", object).join(&object[0].0)).ok();
        }
        let before = store.truth();
        let run = store.command(["store", "compact"]).env("TRAILHOUND_CRASH_AT", point).run();
        assert!(died(&run, point), "{point} was not reached: {:?}\n{}", run.code, run.stderr);
        store.truth().assert_same(&before, point);
        store.command(["store", "compact"]).ok();
        store.truth().assert_same(&before, point);
        let again = store.scan(world.path("logs")).ok();
        assert_eq!(again.findings(), before.findings, "{point}");
        assert_eq!(store.events(), objects.len() as u64);
        let checked = store.command(["store", "check"]).ok().text();
        assert_eq!(checked.lines().filter(|line| line.starts_with("ok")).count(), 4, "{checked}");
    }
}
