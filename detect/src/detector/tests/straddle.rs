//! Findings whose events lie in several objects, regions and commits, with a restart between them; and late events that
//! take findings back.

use super::memory::all_rules;
use super::reference::{DAY, MINUTE};
use super::*;

/// An event of Eve's on a day at a minute, in a region of its own.
fn event(id: &str, day: i64, minute: i64, more: Value) -> Value {
    let number = id.bytes().fold(0_u64, |sum, b| sum * 31 + u64::from(b)) % 7;
    let time = (20_000 + day) * DAY + minute * MINUTE;
    let mut row = json!({
        "event_id": id, "event_time": time, "event_date": time.div_euclid(DAY), "event_name": "ListUsers",
        "outcome": "success", "principal_key": "eve", "aws_region": format!("region-{number}"),
        "source_network": "office", "user_identity_user_name": null, "source_lat": 52.5, "source_lon": 13.4,
        "src_bucket": "b", "record_hash": 0,
    });
    for (name, value) in more.as_object().unwrap() {
        row[name] = value.clone();
    }
    row
}

fn call(id: &str, day: i64, minute: i64, name: &str, target: &str) -> Value {
    event(id, day, minute, json!({"event_name": name, "user_identity_user_name": target, "outcome": "failure"}))
}

/// Ten days with three events each, at an hour at which there are always some.
fn usual() -> Vec<Value> {
    let of_day = |day: i64| (0..3).map(move |n| event(&format!("usual-{day}-{n}"), day, 9 * 60 + n, json!({})));
    (0..10).flat_map(of_day).collect()
}

/// A detector that follows a store, one commit for each row; a new one takes over where it is told to.
struct Followed {
    scratch: Scratch,
    detector: Detector,
    rule: File,
}

impl Followed {
    async fn new(name: &str) -> Followed {
        let rule = all_rules().into_iter().find(|file| file.path == format!("account/{name}.sql")).unwrap();
        static STORES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = STORES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let scratch = Scratch::new(&format!("straddle-{number}")).await;
        let detector = Detector::open(&scratch.store, rules(vec![rule.clone()])).await.unwrap();
        detector.catch_up(&scratch.store).await.unwrap();
        Followed { scratch, detector, rule }
    }

    async fn comes(&mut self, rows: &[Value]) -> Changes {
        let mut sum = Changes::default();
        for row in rows {
            sum += self.comes_at_once(std::slice::from_ref(row)).await;
        }
        sum
    }

    /// The same in one commit.
    async fn comes_at_once(&mut self, rows: &[Value]) -> Changes {
        let object = rows[0]["event_id"].as_str().unwrap();
        let placed = |(place, row): (usize, &Value)| {
            let mut row = row.clone();
            (row["src_key"], row["src_ordinal"]) = (object.into(), place.into());
            row
        };
        let rows: Vec<Value> = rows.iter().enumerate().map(placed).collect();
        let commit = self.scratch.keep_rows(object, &rows).await;
        self.detector.commit(&self.scratch.store, &commit).await.unwrap()
    }

    async fn restarts(&mut self) {
        self.detector = Detector::open(&self.scratch.store, rules(vec![self.rule.clone()])).await.unwrap();
        assert_eq!(self.detector.catch_up(&self.scratch.store).await.unwrap(), Changes::default());
    }

    async fn found(&self) -> Vec<Vec<String>> {
        self.detector.findings().current().await.unwrap().into_iter().map(|f| f.event_ids).collect()
    }

    /// The first rows, a restart, and the rest: exactly one finding, of these events, in several regions.
    async fn straddles(&mut self, rows: &[Value], of: &[&str]) {
        let (first, last) = rows.split_at(rows.len() / 2);
        assert_eq!(self.comes(first).await, Changes::default(), "half of it is no finding");
        self.restarts().await;
        assert_eq!(self.comes(last).await.raised, 1);
        let findings = self.detector.findings().current().await.unwrap();
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].event_ids, of);
        assert_eq!((findings[0].region.as_deref(), findings[0].varies.contains("region")), (None, true));
    }
}

#[tokio::test]
async fn a_finding_may_straddle_objects_regions_commits_and_a_restart() {
    let spray: Vec<Value> =
        (0..4).map(|n| call(&format!("s{n}"), 0, n, "ConsoleLogin", ["a", "b"][n as usize % 2])).collect();
    Followed::new("failures").await.straddles(&spray, &["s0", "s1", "s2", "s3"]).await;

    let steps = [
        call("user", 0, 0, "CreateUser", "m"),
        call("key", 0, 10, "CreateAccessKey", "m"),
        call("admin", 0, 20, "AttachUserPolicy", "m"),
    ];
    Followed::new("escalation").await.straddles(&steps, &["user", "key", "admin"]).await;

    // Three at a usual hour are not many; thirty are.
    let burst: Vec<Value> = (0..30).map(|n| event(&format!("t{n}"), 10, 9 * 60 + n, json!({}))).collect();
    let ids: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    let mut spike = Followed::new("rate").await;
    spike.comes_at_once(&usual()).await;
    spike.comes(&burst[..3]).await;
    spike.restarts().await;
    assert_eq!(spike.comes(&burst[3..]).await.raised, 1);
    assert_eq!(spike.found().await, [ids]);

    let network = |id: &str, minute: i64| event(id, 10, minute, json!({"source_network": "cafe"}));
    let mut new = Followed::new("network").await;
    new.comes_at_once(&usual()).await;
    assert_eq!(new.comes(&[network("n0", 1)]).await, changes(1, 0, 0));
    new.restarts().await;
    assert_eq!(new.comes(&[network("n1", 300)]).await, changes(0, 1, 0));
    assert_eq!(new.found().await, [["n0", "n1"]]);

    let login = |id: &str, minute: i64, lat: f64, lon: f64| {
        event(id, 0, minute, json!({"event_name": "ConsoleLogin", "source_lat": lat, "source_lon": lon}))
    };
    let flight = [login("berlin", 0, 52.5, 13.4), login("york", 60, 40.7, -74.0)];
    Followed::new("travel").await.straddles(&flight, &["berlin", "york"]).await;
}

#[tokio::test]
async fn a_late_event_takes_back_what_it_explains() {
    // The value was there before, in the time of learning.
    let cafe = |id: &str, day: i64| event(id, day, 600, json!({"source_network": "cafe"}));
    let mut new = Followed::new("network").await;
    new.comes_at_once(&usual()).await;
    assert_eq!(new.comes(&[cafe("n", 10)]).await, changes(1, 0, 0));
    new.restarts().await;
    assert_eq!(new.comes(&[cafe("late", 2)]).await, changes(0, 0, 1));
    assert_eq!(new.found().await, Vec::<Vec<String>>::new());

    // The hour was always that busy: its history comes late.
    let mut spike = Followed::new("rate").await;
    spike.comes_at_once(&usual()).await;
    let burst: Vec<Value> = (0..40).map(|n| event(&format!("t{n}"), 10, 9 * 60 + n, json!({}))).collect();
    assert_eq!(spike.comes_at_once(&burst).await.raised, 1);
    spike.restarts().await;
    let busy = |day: i64| (0..12).map(move |n| event(&format!("late-{day}-{n}"), day, 9 * 60 + 10 + n, json!({})));
    let late: Vec<Value> = (0..10).flat_map(busy).collect();
    spike.comes_at_once(&late).await;
    assert_eq!(spike.found().await, Vec::<Vec<String>>::new());

    // An event between two that were neighbours.
    let login = |id: &str, minute: i64, lat: f64, lon: f64| {
        event(id, 0, minute, json!({"event_name": "ConsoleLogin", "source_lat": lat, "source_lon": lon}))
    };
    let mut travel = Followed::new("travel").await;
    let flight = [login("berlin", 0, 52.5, 13.4), login("york", 900, 40.7, -74.0), login("back", 930, 52.5, 13.4)];
    assert_eq!(travel.comes(&flight).await.raised, 1);
    assert_eq!(travel.comes(&[login("between", 915, 40.7, -74.0)]).await, changes(1, 0, 1));
    assert_eq!(travel.found().await, [["between", "back"]]);

    // What must not follow did.
    let steps = [
        call("user", 0, 0, "CreateUser", "m"),
        call("key", 0, 10, "CreateAccessKey", "m"),
        call("admin", 0, 20, "AttachUserPolicy", "m"),
    ];
    let mut sequence = Followed::new("escalation").await;
    assert_eq!(sequence.comes(&steps).await.raised, 1);
    sequence.restarts().await;
    assert_eq!(sequence.comes(&[call("gone", 0, 30, "DeleteUser", "m")]).await, changes(0, 0, 1));

    // A run that turns out to have begun earlier is told under its earlier start.
    let mut threshold = Followed::new("failures").await;
    let spray: Vec<Value> =
        (0..4).map(|n| call(&format!("s{n}"), 0, 20 + n, "ConsoleLogin", ["a", "b"][n as usize % 2])).collect();
    assert_eq!(threshold.comes(&spray).await.raised, 1);
    let late: Vec<Value> =
        (0..4).map(|n| call(&format!("l{n}"), 0, 11 + n, "ConsoleLogin", ["a", "b"][n as usize % 2])).collect();
    threshold.comes(&late).await;
    assert_eq!(threshold.found().await, [["l0", "l1", "l2", "l3", "s0", "s1", "s2", "s3"]]);
}
