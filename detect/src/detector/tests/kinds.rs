//! Kinds whose judgement depends on others than the entity: peers, populations, attacks; and queries. What they find
//! equals the plain reference in every order, cut into any commits, over restarts, and within any memory.

mod reference;

use std::collections::BTreeMap;

use serde_json::json;
use trailhound_iam::inventory::parts;

use super::memory::{Dice, PLENTY, compare, found, rule_of};
use super::reference::{DAY, Findings, HOUR, MINUTE, SECOND};
use super::*;
use reference::{Event, Heed};

const HEED: Heed = Heed { peers: true, attacks: true };

fn all_rules() -> Vec<File> {
    let high = |file: File| File { text: file.text.replace("\"medium\"", "\"high\""), ..file };
    vec![
        high(rule_of("stops", "match", &[], "principal_key FROM events WHERE event_name = 'StopLogging'")),
        high(rule_of(
            "burst",
            "threshold",
            &["window = \"10m\"", "having = [\"count >= 6\"]"],
            "principal_key FROM events WHERE event_name = 'DeleteUser'",
        )),
        rule_of(
            "network",
            "first_seen",
            &[
                "value = [\"network\"]",
                "learn = \"5d\"",
                "min_events = 20",
                "forget = \"10d\"",
                "max_new_rate = 0.2",
                "peers = \"class\"",
            ],
            "principal_key, nullif(principal_class, 'none') AS class, source_network AS network FROM events",
        ),
        rule_of(
            "call_and_network",
            "first_seen",
            &[
                "value = [\"network\", \"event_name\"]",
                "each = true",
                "learn = \"5d\"",
                "min_events = 20",
                "forget = \"10d\"",
                "max_new_rate = 0.2",
            ],
            "principal_key, source_network AS network, event_name FROM events",
        ),
        rule_of(
            "call",
            "rare",
            &["value = [\"event_name\"]", "population = \"class\"", "p_below = 0.02", "half_life = \"7d\""],
            "principal_key, nullif(principal_class, 'none') AS class, event_name FROM events",
        ),
        rule_of(
            "rate",
            "spike",
            &[
                "bucket = \"1h\"",
                "measure = \"count\"",
                "season = \"none\"",
                "history = \"10d\"",
                "p_below = 1e-4",
                "at_least = 5",
            ],
            "principal_key FROM events",
        ),
        logins(),
    ]
}

fn logins() -> File {
    let file = rule_of("logins", "query", &["every = \"1d\"", "over = \"3d\""], "");
    let select = "SELECT principal_key, count(*) AS count, array_agg(event_id) AS event_ids FROM events \
                  WHERE event_time >= $from AND event_time < $to AND event_name = 'ConsoleLogin' \
                  GROUP BY principal_key HAVING count(*) <= 2";
    File { text: file.text.replace("SELECT event_id, ", select), ..file }
}

/// Some weeks of eight people and three workloads: a second office that all move to, cafés, attacks that come again, and
/// one who changes class.
fn weeks(seed: u64) -> Vec<Event> {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut events: Vec<Event> = Vec::new();
    let start = 20_000 * DAY;
    let mut add = |time: i64, who: &str, class: &str, name: String, network: String| {
        let class = (class != "none").then(|| class.to_owned());
        let id = format!("{seed}-{:05}", events.len());
        events.push(Event { id, time: time / SECOND * SECOND, who: who.into(), class, name, network });
    };
    let people = ["ana", "ben", "cid", "dan", "eli", "fay", "gus", "hal"];
    for day in 0..22 {
        for who in people.iter().chain(&["cron", "etl", "ghost"]).copied() {
            let class = match who {
                "cron" | "etl" => "role",
                "ghost" => "none",
                "hal" if day < 15 => "role",
                _ => "human",
            };
            let usual: &[&str] =
                if class == "human" { &["ListUsers", "GetObject", "ListRoles"] } else { &["GetObject", "PutObject"] };
            for _ in 0..3 + dice.roll(4) {
                let time = start + day * DAY + 8 * HOUR + dice.roll(8 * 60) as i64 * MINUTE;
                let name = match dice.roll(30) {
                    0 => format!("Rare{}", dice.roll(12)),
                    1 => "ConsoleLogin".into(),
                    _ => (*dice.one(usual)).into(),
                };
                let network = match dice.roll(20) {
                    0 => format!("cafe{}", dice.roll(9)),
                    1..=4 if day >= 12 => "office2".into(),
                    _ => "office".into(),
                };
                add(time, who, class, name, network);
            }
            // What an attacker does comes again some days later.
            if dice.roll(16) == 0 && day > 6 {
                let begin = start + day * DAY + dice.roll(24 * 60) as i64 * MINUTE;
                let network = format!("evil{}", dice.roll(2));
                add(begin, who, class, "StopLogging".into(), network.clone());
                for after in [1, 9, 30, 70, 110] {
                    let name = format!("Rare{}", dice.roll(3));
                    add(begin + after * HOUR, who, class, name, network.clone());
                }
            }
            if dice.roll(20) == 0 {
                let begin = start + day * DAY + dice.roll(24 * 60) as i64 * MINUTE;
                for n in 0..4 + dice.roll(9) as i64 {
                    add(begin + n * 20 * SECOND, who, class, "DeleteUser".into(), "office".into());
                }
            }
        }
    }
    events
}

fn as_json(event: &Event, object: &str, ordinal: usize) -> Value {
    json!({
        "event_id": event.id, "event_time": event.time, "event_date": event.time.div_euclid(DAY),
        "event_name": event.name, "principal_key": event.who, "principal_class": event.class.as_deref().unwrap_or("none"),
        "source_network": event.network, "src_bucket": "b", "src_key": object, "src_ordinal": ordinal,
        "record_hash": ordinal,
    })
}

async fn keep(s: &mut Scratch, object: &str, events: &[Event]) -> Commit {
    let rows: Vec<Value> = events.iter().enumerate().map(|(n, event)| as_json(event, object, n)).collect();
    s.keep_rows(object, &rows).await
}

async fn open(s: &Scratch, memory: usize) -> Detector {
    let detector = Detector::open(&s.store, rules(all_rules())).await.unwrap().with_memory(memory);
    detector.catch_up(&s.store).await.unwrap();
    detector
}

/// Keeps events commit by commit; with `restart_every`, a new detector takes over after so many commits.
async fn run(name: &str, commits: &[&[Event]], memory: usize, restart_every: usize) -> (Findings, Vec<String>) {
    let mut s = Scratch::new(&format!("kinds-{name}")).await;
    let mut detector = open(&s, memory).await;
    for (i, events) in commits.iter().enumerate() {
        let commit = keep(&mut s, &format!("o{i}"), events).await;
        if restart_every > 0 && i % restart_every == restart_every - 1 {
            detector = open(&s, memory).await;
        } else {
            detector.commit(&s.store, &commit).await.unwrap();
        }
    }
    detector.catch_up(&s.store).await.unwrap();
    assert_eq!(detector.failures(), []);
    assert_eq!(detector.catch_up(&s.store).await.unwrap(), changes(0, 0, 0), "{name}: caught up, and yet it changes");
    found(&detector).await
}

#[tokio::test]
async fn what_depends_on_others_is_what_the_reference_finds() {
    let (mut kinds, mut peers_matter, mut attacks_matter) = (BTreeMap::<String, usize>::new(), 0, BTreeMap::new());
    for seed in 1..=3 {
        let mut events = weeks(seed);
        events.sort_by_key(|e| e.time);
        let wanted = reference::findings(&events, HEED);
        let (got, _) = run(&format!("reference-{seed}"), &[&events], PLENTY, 0).await;
        compare(&got, &wanted, &format!("seed {seed}"));
        wanted.keys().for_each(|(rule, _)| *kinds.entry(rule.clone()).or_default() += 1);
        peers_matter += reference::findings(&events, Heed { peers: false, ..HEED }).len() - wanted.len();
        let naive = reference::findings(&events, Heed { attacks: false, ..HEED });
        for (rule, _) in wanted.keys().filter(|key| !naive.contains_key(*key)) {
            *attacks_matter.entry(rule.clone()).or_insert(0) += 1;
        }
    }
    for rule in ["stops", "burst", "network", "call_and_network", "call", "rate", "logins"] {
        let n = kinds.get(&format!("account/{rule}")).copied().unwrap_or(0);
        assert!(n >= 3, "only {n} findings of {rule} to compare: {kinds:?}");
    }
    assert!(peers_matter >= 3, "only {peers_matter} findings less by peers");
    for rule in ["network", "call", "rate"] {
        assert!(attacks_matter.contains_key(&format!("account/{rule}")), "attacks change nothing: {attacks_matter:?}");
    }
}

#[tokio::test]
async fn no_order_changes_what_depends_on_others() {
    let seed = 7;
    let mut straight = weeks(seed);
    straight.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    let wanted = reference::findings(&straight, HEED);
    let pieces = |events: &[Event], number: usize| -> Vec<Vec<Event>> {
        events.chunks(events.len().div_ceil(number)).map(<[Event]>::to_vec).collect()
    };
    let mut shuffled = straight.clone();
    Dice(seed).shuffle(&mut shuffled);
    let backwards: Vec<Event> = straight.iter().rev().cloned().collect();
    // The attacks are heard of last, long after what was done in them.
    let (attacks, rest): (Vec<Event>, Vec<Event>) =
        straight.iter().cloned().partition(|e| ["StopLogging", "DeleteUser"].contains(&e.name.as_str()));
    let late: Vec<Event> = rest.into_iter().chain(attacks).collect();
    let mut bytes: Option<Vec<String>> = None;
    for (name, events, number, memory, restart) in [
        ("whole", &straight, 1, PLENTY, 0),
        ("straight", &straight, 9, PLENTY, 0),
        ("backwards", &backwards, 7, PLENTY, 3),
        ("shuffled", &shuffled, 8, PLENTY, 5),
        ("tiny-memory", &shuffled, 5, 2_000, 4),
        ("late-attacks", &late, 12, PLENTY, 0),
    ] {
        let commits = pieces(events, number);
        let commits: Vec<&[Event]> = commits.iter().map(Vec::as_slice).collect();
        let (got, other) = run(name, &commits, memory, restart).await;
        compare(&got, &wanted, name);
        assert_eq!(*bytes.get_or_insert_with(|| other.clone()), other, "{name}: the findings differ in a byte");
    }
}

fn event(id: String, time: i64, who: &str, name: &str, network: &str) -> Event {
    Event { id, time, who: who.into(), class: Some("human".into()), name: name.into(), network: network.into() }
}

/// Twenty quiet days at the office.
fn quiet(who: &str) -> Vec<Event> {
    let at = |day: i64, hour: i64| (20_000 + day) * DAY + hour * HOUR;
    (0..20)
        .flat_map(|day| {
            [9, 15].map(|hour| event(format!("{who}-{day}-{hour}"), at(day, hour), who, "GetObject", "office"))
        })
        .collect()
}

async fn told(detector: &Detector, rule: &str) -> Vec<(String, Vec<String>)> {
    let current = detector.findings().current().await.unwrap();
    current.into_iter().filter(|f| f.rule == rule).map(|f| (f.id, f.event_ids)).collect()
}

#[tokio::test]
async fn what_peers_turn_out_to_have_had_is_retracted() {
    let mut s = Scratch::new("kinds-peers").await;
    let detector = open(&s, PLENTY).await;
    let people = ["ana", "ben", "cid", "dan", "eli", "fay"];
    let mut events: Vec<Event> = people.iter().flat_map(|who| quiet(who)).collect();
    events.push(event("news".into(), 20_020 * DAY, "ana", "GetObject", "cafe"));
    let commit = keep(&mut s, "a", &events).await;
    detector.commit(&s.store, &commit).await.unwrap();
    let news = told(&detector, "account/network").await;
    assert_eq!(news.iter().map(|(_, ids)| ids.clone()).collect::<Vec<_>>(), [["news"]]);
    // Four peers had it the day before (still learning), then a fifth: late, and no news any more for anybody.
    let late = |who: &str| event(format!("late-{who}"), 20_003 * DAY, who, "GetObject", "cafe");
    let commit = keep(&mut s, "b", &people[1..5].iter().map(|who| late(who)).collect::<Vec<_>>()).await;
    detector.commit(&s.store, &commit).await.unwrap();
    let finding = detector.findings().get(&news[0].0).await.unwrap().unwrap();
    assert!(finding.explanation.contains("; 4 of 5 peers (class human) had it by then"), "{}", finding.explanation);
    let commit = keep(&mut s, "c", &[late("fay")]).await;
    assert_eq!(detector.commit(&s.store, &commit).await.unwrap().retracted, 1);
    let history = detector.findings().history(&news[0].0).await.unwrap();
    assert_eq!(history.iter().map(|h| h.change.as_str()).collect::<Vec<_>>(), ["raised", "amended", "retracted"]);
}

#[tokio::test]
async fn a_late_attack_unlearns_what_was_seen_in_it() {
    let mut s = Scratch::new("kinds-attack").await;
    let detector = open(&s, PLENTY).await;
    let mut events = quiet("eve");
    events.push(event("first".into(), 20_020 * DAY + 12 * HOUR, "eve", "GetObject", "evil"));
    events.push(event("again".into(), 20_025 * DAY, "eve", "GetObject", "evil"));
    let commit = keep(&mut s, "a", &events).await;
    detector.commit(&s.store, &commit).await.unwrap();
    let ids = |told: Vec<(String, Vec<String>)>| told.into_iter().flat_map(|(_, ids)| ids).collect::<Vec<_>>();
    assert_eq!(ids(told(&detector, "account/network").await), ["first"]);
    // Not another's attack, and not one that was over a day before: that of the same principal.
    let elsewhere = event("mallory".into(), 20_020 * DAY + 11 * HOUR, "mallory", "StopLogging", "evil");
    let earlier = event("earlier".into(), 20_018 * DAY + 11 * HOUR, "eve", "StopLogging", "office");
    let commit = keep(&mut s, "b", &[elsewhere, earlier]).await;
    detector.commit(&s.store, &commit).await.unwrap();
    assert_eq!(ids(told(&detector, "account/network").await), ["first"]);
    let attack = event("attack".into(), 20_020 * DAY + 11 * HOUR, "eve", "StopLogging", "evil");
    let commit = keep(&mut s, "c", &[attack]).await;
    detector.commit(&s.store, &commit).await.unwrap();
    let unlearnt = ids(told(&detector, "account/network").await);
    assert_eq!(unlearnt, ["attack", "first", "again"]);
    // Without the rule that finds the attack, it is learnt as before.
    detector.swap(rules(all_rules().into_iter().filter(|f| f.path != "account/stops.sql").collect()));
    detector.catch_up(&s.store).await.unwrap();
    assert_eq!(ids(told(&detector, "account/network").await), ["attack", "first"]);
}

#[tokio::test]
async fn a_query_is_asked_again_about_the_slots_that_late_events_touch() {
    let mut s = Scratch::new("kinds-query").await;
    let detector = Detector::open(&s.store, rules(vec![logins()])).await.unwrap();
    detector.catch_up(&s.store).await.unwrap();
    let login =
        |n: i64, day: i64| event(format!("login{n}"), (20_000 + day) * DAY + n * SECOND, "ana", "ConsoleLogin", "x");
    let commit = keep(&mut s, "a", &[login(1, 0), login(2, 5)]).await;
    detector.commit(&s.store, &commit).await.unwrap();
    // It has just been asked, and rests; what it has not been asked about outlives a restart.
    let slots = |detector: &Detector| {
        let findings = detector.findings().clone();
        async move {
            let current = findings.current().await.unwrap();
            current.iter().map(|f| (f.first_time / DAY - 20_000, f.count, f.event_ids.clone())).collect::<Vec<_>>()
        }
    };
    assert_eq!(slots(&detector).await, []);
    assert_eq!(detector.ask(&s.store).await.unwrap(), changes(0, 0, 0));
    drop(detector);
    let detector = Detector::open(&s.store, rules(vec![logins()])).await.unwrap();
    assert_eq!(detector.catch_up(&s.store).await.unwrap(), changes(2, 0, 0));
    let one = |day: i64, n: i64| (day, 1, vec![format!("login{n}")]);
    assert_eq!(slots(&detector).await, [one(0, 1), one(5, 2)]);
    // A late event reaches into the slot two days after it, and makes one of its own; not into those before.
    let commit = keep(&mut s, "b", &[login(3, 3)]).await;
    detector.commit(&s.store, &commit).await.unwrap();
    assert_eq!(detector.catch_up(&s.store).await.unwrap(), changes(1, 1, 0));
    assert_eq!(slots(&detector).await, [one(0, 1), one(3, 3), (5, 2, vec!["login2".into(), "login3".into()])]);
    // A third sign-in in that window: the row is gone. So is the finding, from that slot alone.
    let commit = keep(&mut s, "c", &[login(4, 5)]).await;
    detector.commit(&s.store, &commit).await.unwrap();
    assert_eq!(detector.finish(&s.store).await.unwrap(), changes(0, 0, 1));
    assert_eq!(slots(&detector).await, [one(0, 1), one(3, 3)]);
    let history = detector.findings().history(&detector.findings().current().await.unwrap()[1].id).await.unwrap();
    assert_eq!(history.len(), 1, "a slot that did not change is not written again");
}

#[tokio::test]
async fn a_reading_of_an_account_is_asked_about_once_however_many_turns_that_takes() {
    let mut s = Scratch::new("kinds-granted").await;
    let file = rule_of("granted", "query", &["every = \"1d\"", "over = \"1d\""], "");
    let select = "SELECT principal_key, user_name FROM iam_users CROSS JOIN \
                  (SELECT count(*) AS calls FROM events WHERE event_time >= $from AND event_time < $to) AS day \
                  WHERE valid_from < $to AND (valid_to IS NULL OR valid_to >= $to) AND calls > 0";
    let file = File { text: file.text.replace("SELECT event_id, ", select), ..file };
    let detector = Detector::open(&s.store, rules(vec![file])).await.unwrap();
    detector.catch_up(&s.store).await.unwrap();
    let days = 0..10i64;
    let calls: Vec<_> =
        days.map(|day| event(format!("call{day}"), (20_000 + day) * DAY, "ana", "ListUsers", "x")).collect();
    let commit = keep(&mut s, "a", &calls).await;
    detector.commit(&s.store, &commit).await.unwrap();
    assert_eq!(detector.finish(&s.store).await.unwrap(), changes(0, 0, 0));

    let details = json!({"UserDetailList": [{"UserName": "ana", "UserId": "AIDAEXAMPLE1",
        "Arn": "arn:aws:iam::111122223333:user/ana", "CreateDate": "2020-01-01T00:00:00Z", "GroupList": []}]});
    let text = details.to_string();
    let parts = parts(&trailhound_iam::inventory::File { name: "a", bytes: text.as_bytes(), entity: None });
    s.store.granted().keep(&parts, 20_001 * DAY + HOUR, "a test").await.unwrap();
    // A turn asks about four slots, and rests as long as that took a hundred times.
    let (mut raised, began) = (0, std::time::Instant::now());
    while !s.store.granted().unjudged().await.unwrap().is_empty() {
        assert!(began.elapsed().as_secs() < 100, "it is asked about again and again: {raised} findings");
        raised += detector.ask(&s.store).await.unwrap().raised;
    }
    assert_eq!(raised, 9, "the days that end after the reading");
    assert_eq!(detector.ask(&s.store).await.unwrap(), changes(0, 0, 0));
}
