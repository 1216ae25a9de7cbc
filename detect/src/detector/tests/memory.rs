//! Rules with memory on a store: what they find equals the plain reference, in every order, cut into any commits, over
//! restarts, and within any memory.

use std::collections::BTreeMap;

use serde_json::json;

use super::reference::{self, DAY, Expected, Findings, HOUR, MINUTE, Row, SECOND};
use super::*;
use crate::fault::{self, Fault};

/// A rule whose findings are no attacks, unless the test says otherwise.
pub(super) fn rule_of(name: &str, kind: &str, keys: &[&str], select: &str) -> File {
    let keys: String = keys.iter().map(|k| format!("-- {k}\n")).collect();
    let file = rule_file(&format!("account/{name}.sql"), &keys, &format!("SELECT event_id, {select}"));
    let text = file.text.replace("kind = \"match\"", &format!("kind = \"{kind}\"")).replace("{event_name}", "it");
    let text = text.replace("\"high\"", "\"medium\"");
    File { text, ..file }
}

pub(super) fn all_rules() -> Vec<File> {
    vec![
        rule_of(
            "failures",
            "threshold",
            &["window = \"10m\"", "having = [\"count >= 4\", \"distinct(target) >= 2\"]"],
            "principal_key, user_identity_user_name AS target FROM events WHERE event_name = 'ConsoleLogin' AND outcome = 'failure'",
        ),
        rule_of(
            "escalation",
            "sequence",
            &["steps = [\"user\", \"key\", \"admin\"]", "within = \"1h\"", "same = [\"target\"]", "unless = \"gone\""],
            "principal_key, user_identity_user_name AS target, CASE event_name WHEN 'CreateUser' THEN 'user' WHEN 'CreateAccessKey' THEN 'key' \
             WHEN 'AttachUserPolicy' THEN 'admin' WHEN 'DeleteUser' THEN 'gone' END AS step FROM events",
        ),
        rule_of(
            "network",
            "first_seen",
            &["value = [\"network\"]", "learn = \"5d\"", "min_events = 20", "forget = \"10d\"", "max_new_rate = 0.2"],
            "principal_key, source_network AS network FROM events",
        ),
        rule_of(
            "rate",
            "spike",
            &["bucket = \"1h\"", "measure = \"count\"", "history = \"10d\"", "p_below = 1e-4", "at_least = 5"],
            "principal_key FROM events",
        ),
        rule_of(
            "travel",
            "travel",
            &["place = [\"source_lat\", \"source_lon\"]", "speed_kmh = 900", "distance_km = 500"],
            "principal_key, source_lat, source_lon FROM events WHERE event_name = 'ConsoleLogin'",
        ),
    ]
}

/// Numbers that look random, the same for the same seed (xorshift64*).
pub(super) struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % sides
    }

    pub fn one<'c, T>(&mut self, of: &'c [T]) -> &'c T {
        &of[self.roll(of.len() as u64) as usize]
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.roll(i as u64 + 1) as usize);
        }
    }
}

/// Some weeks of three principals, with bursts in them.
pub(super) fn weeks(seed: u64) -> Vec<Row> {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let names = ["ConsoleLogin", "CreateUser", "CreateAccessKey", "AttachUserPolicy", "DeleteUser", "ListUsers"];
    let places = [(52.52, 13.4), (52.4, 13.1), (40.71, -74.0), (-33.87, 151.2)];
    let mut rows = Vec::new();
    let start = 20_000 * DAY;
    let mut add = |dice: &mut Dice, time: i64, who: &str, network: String, names: &[&str]| {
        let name = *dice.one(names);
        let target = (dice.roll(8) > 0).then(|| format!("user{}", dice.roll(3)));
        rows.push(Row {
            id: format!("{seed}-{:04}", rows.len()),
            time: time / SECOND * SECOND,
            who: who.into(),
            name: name.into(),
            outcome: (*dice.one(&["success", "failure", "failure"])).into(),
            network,
            target,
            place: places[if dice.roll(6) == 0 { dice.roll(4) as usize } else { 0 }],
        });
    };
    for day in 0..24 {
        for who in ["ana", "bob", "cron"] {
            for _ in 0..1 + dice.roll(6) {
                let time = start + day * DAY + 8 * HOUR + dice.roll(8 * 60) as i64 * MINUTE;
                let network = if dice.roll(25) == 0 { format!("net{}", dice.roll(40)) } else { "office".into() };
                add(&mut dice, time, who, network, &names);
            }
        }
        if dice.roll(4) == 0 {
            let who = *dice.one(&["ana", "bob"]);
            let begin = start + day * DAY + dice.roll(24 * 60) as i64 * MINUTE;
            // Some are a spray, the others whatever comes.
            let (names, minutes) = if dice.roll(2) == 0 { (&names[..1], 20) } else { (&names[..], 40) };
            for _ in 0..10 + dice.roll(20) {
                let time = begin + dice.roll(minutes * 60) as i64 * SECOND;
                add(&mut dice, time, who, "office".into(), names);
            }
        }
    }
    rows
}

pub(super) fn as_json(row: &Row, object: &str, ordinal: usize) -> Value {
    json!({
        "event_id": row.id, "event_time": row.time, "event_date": row.time.div_euclid(DAY), "event_name": row.name,
        "outcome": row.outcome, "principal_key": row.who, "source_network": row.network,
        "user_identity_user_name": row.target, "source_lat": row.place.0, "source_lon": row.place.1,
        "src_bucket": "b", "src_key": object, "src_ordinal": ordinal, "record_hash": ordinal,
    })
}

fn expected(rows: &[Row]) -> Findings {
    reference::findings(rows)
}

pub(super) async fn found(detector: &Detector) -> (Findings, Vec<String>) {
    let current = detector.findings().current().await.unwrap();
    // Everything but provenance, to the byte.
    let bytes = current
        .iter()
        .map(|f| {
            let mut value = serde_json::to_value(f).unwrap();
            value.as_object_mut().unwrap().remove("objects");
            value.to_string()
        })
        .collect();
    let compared = current.into_iter().map(|f| {
        let expected =
            Expected { first: f.first_time, last: f.last_time, count: f.count, ids: f.event_ids, note: f.explanation };
        ((f.rule, f.id), expected)
    });
    (compared.collect(), bytes)
}

pub(super) fn compare(got: &Findings, wanted: &Findings, which: &str) {
    let missing: Vec<_> = wanted.iter().filter(|(k, _)| !got.contains_key(k)).collect();
    let more: Vec<_> = got.iter().filter(|(k, _)| !wanted.contains_key(k)).collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "{which}: not found {missing:#?}\nfound, but not by the reference {more:#?}"
    );
    for (key, wanted) in wanted {
        let got = &got[key];
        assert!(got.note.contains(&wanted.note), "{which}: {key:?} says {:?} instead of {:?}", got.note, wanted.note);
        assert_eq!(Expected { note: wanted.note.clone(), ..got.clone() }, *wanted, "{which}: {key:?}");
    }
}

/// Keeps rows commit by commit; with `restart_every`, a new detector takes over after so many commits.
async fn run(name: &str, commits: &[Vec<Row>], memory: usize, restart_every: usize) -> (Findings, Vec<String>) {
    let mut s = Scratch::new(name).await;
    let open = async |store: &Store| {
        let detector = Detector::open(store, rules(all_rules())).await.unwrap().with_memory(memory);
        detector.catch_up(store).await.unwrap();
        detector
    };
    let mut detector = open(&s.store).await;
    for (i, rows) in commits.iter().enumerate() {
        let object = format!("o{i}");
        let rows: Vec<Value> = rows.iter().enumerate().map(|(n, row)| as_json(row, &object, n)).collect();
        let commit = s.keep_rows(&object, &rows).await;
        if restart_every > 0 && i % restart_every == restart_every - 1 {
            // As after a kill: the commit is in the table, and nobody was told of it.
            detector = open(&s.store).await;
        } else {
            detector.commit(&s.store, &commit).await.unwrap();
        }
    }
    assert_eq!(detector.failures(), []);
    assert_eq!(
        detector.catch_up(&s.store).await.unwrap(),
        changes(0, 0, 0),
        "{name}: caught up, and yet something changes"
    );
    let found = found(&detector).await;
    let anew = open(&s.store).await;
    assert!(
        memory == 0 || anew.memory_bytes() > 0,
        "{name}: it has read everything, and says that nothing is remembered"
    );
    found
}

fn cut(rows: &[Row], into: usize) -> Vec<Vec<Row>> {
    rows.chunks(rows.len().div_ceil(into)).map(<[Row]>::to_vec).collect()
}

pub(super) const PLENTY: usize = 64 << 20;

#[tokio::test]
async fn what_is_found_is_what_the_reference_finds() {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 1..=6 {
        let mut rows = weeks(seed);
        rows.sort_by_key(|r| r.time);
        let wanted = expected(&rows);
        let (got, _) = run(&format!("reference-{seed}"), &cut(&rows, 8), PLENTY, 0).await;
        compare(&got, &wanted, &format!("seed {seed}"));
        wanted.keys().for_each(|(rule, _)| *kinds.entry(rule.clone()).or_default() += 1);
    }
    for rule in ["failures", "escalation", "network", "rate", "travel"] {
        let n = kinds.get(&format!("account/{rule}")).copied().unwrap_or(0);
        assert!(n >= 3, "only {n} findings of {rule} to compare: {kinds:?}");
    }
}

#[tokio::test]
async fn neither_order_nor_commits_nor_restarts_nor_memory_change_anything() {
    let seed = 11;
    let rows = weeks(seed);
    let wanted = expected(&rows);
    let mut dice = Dice(seed);
    let mut straight = rows.clone();
    straight.sort_by_key(|r| r.time);
    let (got, bytes) = run("straight", &cut(&straight, 5), PLENTY, 0).await;
    compare(&got, &wanted, "straight");
    let mut backwards = straight.clone();
    backwards.reverse();
    let mut shuffled = rows.clone();
    dice.shuffle(&mut shuffled);
    let outage = outage(&straight);
    // One record dated 2099, which nobody else has to do with.
    let mut future = straight.clone();
    future.insert(0, Row { id: "2099".into(), time: 47_500 * DAY, who: "zoe".into(), ..rows[0].clone() });
    for (name, rows, pieces, memory, restart) in [
        ("whole", &straight, 1, PLENTY, 0),
        ("backwards", &backwards, 12, PLENTY, 0),
        ("shuffled", &shuffled, 20, PLENTY, 3),
        ("tiny-memory", &shuffled, 10, 2_000, 4),
        ("tiny-memory-straight", &straight, 12, 2_000, 0),
        ("outage", &outage, 9, PLENTY, 2),
        ("future", &future, 7, PLENTY, 0),
    ] {
        let (got, other) = run(name, &cut(rows, pieces), memory, restart).await;
        compare(&got, &wanted, name);
        assert_eq!(other, bytes, "{name}: the findings differ in a byte");
    }
}

/// Two days that come last, when what lies before them has left memory.
fn outage(straight: &[Row]) -> Vec<Row> {
    let (mut late, early): (Vec<Row>, Vec<Row>) =
        straight.iter().cloned().partition(|r| (20_010 * DAY..20_012 * DAY).contains(&r.time));
    late.reverse();
    early.into_iter().chain(late).collect()
}

#[tokio::test]
async fn what_has_left_memory_comes_back_for_late_events() {
    let mut noticed = 0;
    for seed in 1..=4 {
        let mut rows = weeks(seed);
        rows.sort_by_key(|r| r.time);
        let wanted = expected(&rows);
        let commits = cut(&outage(&rows), 12);
        let (got, _) = run(&format!("comes-back-{seed}"), &commits, 2_000, 0).await;
        compare(&got, &wanted, &format!("seed {seed}"));
        // Were it forgotten, that would show: so it was needed.
        let _seeded = fault::seed(Fault::OlderForgotten);
        let (wrong, _) = run(&format!("is-forgotten-{seed}"), &commits, 2_000, 0).await;
        noticed += usize::from(wrong != got);
    }
    assert!(noticed > 0, "nothing that had left memory was needed");
}

#[tokio::test]
async fn late_events_amend_and_retract_and_their_history_is_kept() {
    let mut s = Scratch::new("late").await;
    let detector = Detector::open(&s.store, rules(all_rules())).await.unwrap();
    detector.catch_up(&s.store).await.unwrap();
    let row = |id: &str, minute: i64, name: &str| Row {
        id: id.into(),
        time: 20_000 * DAY + minute * MINUTE,
        who: "eve".into(),
        name: name.into(),
        outcome: "success".into(),
        network: "office".into(),
        target: Some("mallory".into()),
        place: (52.5, 13.4),
    };
    let json = |object: &str, rows: &[Row]| -> Vec<Value> {
        rows.iter().enumerate().map(|(n, r)| as_json(r, object, n)).collect()
    };
    // The steps come in three commits, the first one last.
    let first =
        s.keep_rows("a", &json("a", &[row("admin", 30, "AttachUserPolicy"), row("key", 20, "CreateAccessKey")])).await;
    assert_eq!(detector.commit(&s.store, &first).await.unwrap(), changes(0, 0, 0));
    let second = s.keep_rows("b", &json("b", &[row("user", 10, "CreateUser")])).await;
    assert_eq!(detector.commit(&s.store, &second).await.unwrap(), changes(1, 0, 0));
    let finding = detector.findings().current().await.unwrap().remove(0);
    assert_eq!(finding.event_ids, ["user", "key", "admin"]);
    // A later key counts in place of the first: amended. Then the user is gone, long ago as the log comes: retracted.
    let third = s.keep_rows("c", &json("c", &[row("key2", 25, "CreateAccessKey")])).await;
    assert_eq!(detector.commit(&s.store, &third).await.unwrap(), changes(0, 1, 0));
    let fourth = s.keep_rows("d", &json("d", &[row("gone", 40, "DeleteUser")])).await;
    assert_eq!(detector.commit(&s.store, &fourth).await.unwrap(), changes(0, 0, 1));
    assert_eq!(detector.findings().current().await.unwrap(), []);
    let history = detector.findings().history(&finding.id).await.unwrap();
    assert_eq!(history.iter().map(|h| h.change.as_str()).collect::<Vec<_>>(), ["raised", "amended", "retracted"]);
}
