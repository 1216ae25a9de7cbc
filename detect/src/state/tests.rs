use super::*;
use crate::judgement::{self, Having};
use crate::window::Window;

const HOUR: i64 = 3_600_000_000;
const MINUTE: i64 = 60_000_000;

fn window(text: &str) -> Window {
    Window::parse(text).unwrap()
}

/// A plan whose SELECT names the entity and then the columns of the kind.
fn plan(judgement: Judgement) -> Plan {
    let mut words: Vec<String> = Vec::new();
    if let Judgement::Sequence(s) = &judgement {
        for word in s.words().filter(|w| !words.contains(w)).cloned().collect::<Vec<_>>() {
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
    let columns = (1..=judgement.columns().len()).collect();
    Plan { judgement, entity: vec![("{\"who\":".into(), 0)], of_principal: false, columns, words }
}

fn sighting(time: i64, id: &str, columns: &[Value]) -> Sighting {
    Sighting {
        rule: 0,
        event_id: id.into(),
        event_time: time,
        account_id: None,
        region: None,
        principal: None,
        actor: None,
        object: String::new(),
        evidence: std::iter::once(Value::from("ana")).chain(columns.iter().cloned()).collect(),
    }
}

fn event<'s>(plan: &Plan, sighting: &'s Sighting) -> Option<Event<'s>> {
    let facts = plan.facts(sighting.evidence.as_slice())?;
    Some(Event { time: sighting.event_time, id: Id::Text(&sighting.event_id), facts, count: 1 })
}

fn claims(plan: &Plan, sightings: &[Sighting]) -> Vec<Claim> {
    let mut state = plan.begin();
    for sighting in sightings {
        if let Some(event) = event(plan, sighting) {
            state.add(plan, &event);
        }
    }
    let alone = &mut |_: &str, _: &str, _: i64| unreachable!("nobody has peers here");
    let (_, claims) = state.judge(plan, i64::MIN / 4, alone).unwrap();
    let sorted = |mut claims: Vec<Claim>| {
        claims.sort_by_key(|c| (c.times, c.what.to_string()));
        claims
    };
    let claims = sorted(claims);
    // However the events come, wherever judging begins, and though events that are said to tell nothing are not judged, the
    // same is claimed.
    let ends = |c: &Claim| sightings.iter().filter(|s| plan.counts(c, s)).map(|s| s.event_time).max();
    let mut by_step = |sightings: &mut dyn Iterator<Item = &Sighting>| {
        let (mut state, mut claims) = (plan.begin(), Vec::new());
        for sighting in sightings {
            let Some(event) = event(plan, sighting) else { continue };
            let Some(from) = state.add(plan, &event).from else { continue };
            let (from, some) = state.judge(plan, from, alone).unwrap();
            claims.retain(|c| ends(c).is_some_and(|end| end < from));
            claims.extend(some);
        }
        sorted(claims)
    };
    assert_eq!(by_step(&mut sightings.iter().rev()), claims);
    assert_eq!(by_step(&mut sightings.iter()), claims);
    // Events that are alike may be added as one.
    let mut all: Vec<(&Sighting, Event<'_>)> = Vec::new();
    for sighting in sightings {
        let like = |(other, _): &&mut (&Sighting, Event<'_>)| {
            let stretches = [sighting, other].map(|s| plan.stretch(s.event_time));
            stretches[0].is_some()
                && stretches[0] == stretches[1]
                && plan.are_alike(&sighting.evidence.as_slice(), &other.evidence.as_slice())
        };
        match (all.iter_mut().find(like), event(plan, sighting)) {
            (Some((_, known)), _) => {
                known.count += 1;
                let latest = (known.time, known.id.text()).max((sighting.event_time, &sighting.event_id));
                (known.time, known.id) = (latest.0, Id::Text(latest.1));
            }
            (None, event) => all.extend(event.map(|event| (sighting, event))),
        }
    }
    let mut together = plan.begin();
    all.iter().for_each(|(_, event)| _ = together.add(plan, event));
    assert_eq!(sorted(together.judge(plan, i64::MIN / 4, alone).unwrap().1), claims);
    // What lies back may be taken out: behind its reach the same is judged, and everything is once it is back.
    for sighting in sightings {
        let mut newer = state.clone();
        let Some(Split { older, until, bytes }) = newer.split(plan, sighting.event_time) else { continue };
        assert!(until <= sighting.event_time && bytes > 0);
        let from = until + plan.reach().expect("what is split has a reach") + 1;
        assert_eq!(newer.judge(plan, from, alone).unwrap(), state.judge(plan, from, alone).unwrap());
        newer.join(older);
        assert_eq!(sorted(newer.judge(plan, i64::MIN / 4, alone).unwrap().1), claims);
    }
    claims
}

fn threshold(bounds: &[&str]) -> Plan {
    let having = bounds.iter().map(|b| Having::parse(b).unwrap()).collect();
    plan(Judgement::Threshold { window: window("10m"), having })
}

#[test]
fn a_threshold_fires_within_half_a_window_and_never_below() {
    let plan = threshold(&["count >= 3"]);
    let at = |times: &[i64]| {
        let sightings: Vec<Sighting> =
            times.iter().enumerate().map(|(i, t)| sighting(*t, &format!("e{i}"), &[])).collect();
        claims(&plan, &sightings)
    };
    // Within five minutes, wherever these lie.
    for start in [0, 3 * MINUTE, 4 * MINUTE + 59_000_000, 9 * MINUTE] {
        let found = at(&[start, start + MINUTE, start + 5 * MINUTE - 1]);
        assert_eq!(found.iter().map(|c| c.count).collect::<Vec<_>>(), [3], "from {start}");
    }
    assert!(at(&[0, 10 * MINUTE, 20 * MINUTE]).is_empty());
    assert!(at(&[0, MINUTE]).is_empty());
}

#[test]
fn overlapping_windows_are_one_finding_and_apart_they_are_two() {
    let plan = threshold(&["count >= 2"]);
    let times = [0, MINUTE, 6 * MINUTE, 11 * MINUTE, 3 * HOUR, 3 * HOUR + MINUTE];
    let sightings: Vec<Sighting> = times.iter().enumerate().map(|(i, t)| sighting(*t, &format!("e{i}"), &[])).collect();
    let found = claims(&plan, &sightings);
    assert_eq!(found.iter().map(|c| c.count).collect::<Vec<_>>(), [4, 2]);
    assert_eq!(found[0].what, Value::from(-5 * MINUTE));
}

#[test]
fn different_values_and_sums_are_counted_once_each() {
    let plan = threshold(&["distinct(user) >= 2", "sum(bytes) >= 10"]);
    let row = |i: i64, user: Value, bytes: u64| sighting(i * 1_000_000, &format!("e{i}"), &[user, bytes.into()]);
    assert!(claims(&plan, &[row(0, "a".into(), 9), row(1, "a".into(), 9), row(2, Value::Null, 9)]).is_empty());
    assert!(claims(&plan, &[row(0, "a".into(), 4), row(1, "b".into(), 5)]).is_empty());
    let found = claims(&plan, &[row(0, "a".into(), 4), row(1, "b".into(), 6)]);
    assert_eq!(
        found[0].note,
        "Within 10m there were 2 different user (the bound is 2) and 10 bytes in sum (the bound is 10)"
    );
}

fn sequence(steps: &[&str], ordered: bool, unless: Option<&str>) -> Plan {
    plan(Judgement::Sequence(judgement::Sequence {
        steps: steps.iter().map(|s| s.to_string()).collect(),
        within: window("1h"),
        ordered,
        same: vec!["target".into()],
        unless: unless.map(str::to_owned),
        optional: None,
    }))
}

fn steps(plan: &Plan, events: &[(i64, &str, &str)]) -> Vec<Vec<String>> {
    let sightings: Vec<Sighting> = events
        .iter()
        .enumerate()
        .map(|(i, (minute, step, target))| {
            let target = if target.is_empty() { Value::Null } else { Value::from(*target) };
            sighting(minute * MINUTE, &format!("e{i}"), &[Value::from(*step), target])
        })
        .collect();
    let ids = |c: Claim| match c.which {
        Which::Ids(ids) => ids,
        _ => unreachable!(),
    };
    claims(plan, &sightings).into_iter().map(ids).collect()
}

#[test]
fn steps_in_order_with_the_same_target_are_a_sequence() {
    let plan = sequence(&["user", "key", "admin"], true, None);
    let check = |events: &[(i64, &str, &str)], expected: &[&[&str]]| assert_eq!(steps(&plan, events), expected);
    check(&[(0, "user", "a"), (5, "key", "a"), (9, "admin", "a")], &[&["e0", "e1", "e2"]]);
    check(&[(0, "user", "a"), (5, "key", "b"), (9, "admin", "a")], &[]);
    check(&[(0, "user", ""), (5, "key", ""), (9, "admin", "")], &[]);
    check(&[(5, "user", "a"), (0, "key", "a"), (9, "admin", "a")], &[]);
    check(&[(0, "user", "a"), (30, "key", "a"), (61, "admin", "a")], &[]);
    // The latest that fit count, and of the same second any order is good.
    check(&[(0, "user", "a"), (1, "user", "a"), (5, "key", "a"), (9, "admin", "a")], &[&["e1", "e2", "e3"]]);
    check(&[(0, "admin", "a"), (0, "key", "a"), (0, "user", "a")], &[&["e0", "e1", "e2"]]);
    check(
        &[(0, "user", "a"), (1, "key", "a"), (2, "admin", "a"), (3, "admin", "a")],
        &[&["e0", "e1", "e2"], &["e0", "e1", "e3"]],
    );
}

#[test]
fn a_step_may_come_several_times_and_each_event_counts_once() {
    let plan = sequence(&["fail", "fail", "ok"], true, None);
    assert_eq!(steps(&plan, &[(0, "fail", "a"), (2, "ok", "a")]), Vec::<Vec<String>>::new());
    assert_eq!(steps(&plan, &[(0, "fail", "a"), (1, "fail", "a"), (2, "ok", "a")]), [["e0", "e1", "e2"]]);
}

#[test]
fn what_must_not_follow_takes_the_finding_back() {
    let plan = sequence(&["open", "use"], true, Some("closed"));
    assert_eq!(steps(&plan, &[(0, "open", "a"), (1, "use", "a")]), [["e0", "e1"]]);
    assert_eq!(steps(&plan, &[(0, "open", "a"), (1, "use", "a"), (61, "closed", "a")]), Vec::<Vec<String>>::new());
    assert_eq!(steps(&plan, &[(0, "open", "a"), (1, "use", "a"), (62, "closed", "a")]), [["e0", "e1"]]);
    assert_eq!(steps(&plan, &[(0, "open", "a"), (1, "use", "a"), (2, "closed", "b")]), [["e0", "e1"]]);
}

#[test]
fn one_step_is_enough_where_something_must_not_follow() {
    let plan = sequence(&["asked"], true, Some("entered"));
    assert_eq!(steps(&plan, &[(0, "asked", "a")]), [["e0"]]);
    assert_eq!(steps(&plan, &[(1, "entered", "a"), (0, "asked", "a")]), Vec::<Vec<String>>::new());
    assert_eq!(steps(&plan, &[(0, "entered", "a"), (1, "asked", "a")]), [["e1"]]);
    // Of the same second any order is good.
    assert_eq!(steps(&plan, &[(0, "entered", "a"), (0, "asked", "a")]), Vec::<Vec<String>>::new());
}

#[test]
fn an_optional_step_joins_what_is_there_without_it() {
    let mut plan = sequence(&["key", "used"], true, None);
    if let Judgement::Sequence(keys) = &mut plan.judgement {
        keys.optional = Some("made".into());
    }
    plan.words.push("made".into());
    let check = |events: &[(i64, &str, &str)], expected: &[&[&str]]| assert_eq!(steps(&plan, events), expected);
    check(&[(1, "key", "a"), (2, "used", "a")], &[&["e0", "e1"]]);
    check(&[(0, "made", "a"), (1, "key", "a"), (2, "used", "a")], &[&["e0", "e1", "e2"]]);
    // It may stand anywhere before the last step, the latest one counts, and it may come last.
    check(&[(1, "key", "a"), (3, "used", "a"), (2, "made", "a"), (0, "made", "a")], &[&["e0", "e2", "e1"]]);
    check(&[(0, "made", "a"), (1, "key", "a"), (61, "used", "a")], &[&["e1", "e2"]]);
    check(&[(1, "key", "a"), (2, "used", "a"), (3, "made", "a")], &[&["e0", "e1"]]);
    check(&[(0, "made", "b"), (1, "key", "a"), (2, "used", "a")], &[&["e1", "e2"]]);
    check(&[(0, "made", "a"), (2, "used", "a")], &[]);
}

#[test]
fn without_order_any_step_may_be_the_last() {
    let plan = sequence(&["a", "b"], false, None);
    assert_eq!(steps(&plan, &[(5, "a", "x"), (0, "b", "x")]), [["e1", "e0"]]);
    assert_eq!(steps(&plan, &[(0, "a", "x"), (5, "b", "x")]), [["e0", "e1"]]);
    assert_eq!(steps(&plan, &[(0, "a", "x"), (61, "b", "x")]), Vec::<Vec<String>>::new());
}

fn first_seen() -> Plan {
    plan(Judgement::FirstSeen(judgement::FirstSeen {
        value: vec!["network".into()],
        each: false,
        learn: Window::parse_history("14d").unwrap(),
        min_events: 20,
        forget: Window::parse_history("60d").unwrap(),
        max_new_rate: 0.2,
        peers: None,
    }))
}

/// Two events a day from `network`, for so many days.
fn usual(days: std::ops::Range<i64>, network: &str) -> Vec<Sighting> {
    let event = |day: i64, n: i64| sighting(day * DAY + n * HOUR, &format!("{network}{day}-{n}"), &[network.into()]);
    days.flat_map(|day| [event(day, 9), event(day, 15)]).collect()
}

#[test]
fn each_column_may_have_to_be_new_by_itself() {
    let Judgement::FirstSeen(keys) = first_seen().judgement else { unreachable!() };
    let value = vec!["network".into(), "client".into()];
    let plan = plan(Judgement::FirstSeen(judgement::FirstSeen { value, each: true, ..keys }));
    let event = |day: i64, hour: i64, network: &str, client: &str| {
        sighting(day * DAY + hour * HOUR, &format!("{day}-{hour}"), &[network.into(), client.into()])
    };
    let with = |last: Sighting| {
        let usual = (0..20).flat_map(|day| [9, 15].map(|hour| event(day, hour, "office", "cli")));
        claims(&plan, &usual.chain([last]).collect::<Vec<_>>())
    };
    assert!(with(event(20, 1, "cafe", "cli")).is_empty(), "a known client moved");
    assert!(with(event(20, 1, "office", "boto3")).is_empty(), "another client in a known network");
    let found = with(event(20, 1, "cafe", "boto3"));
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].note,
        "network, client cafe, boto3 was never seen before and neither was any of them by itself, in 40 events over 20 days; \
         in the 30 days before, 1 values were new among 40 events"
    );
}

#[test]
fn a_new_value_is_news_once_enough_is_known() {
    let plan = first_seen();
    let with = |days: i64, day: i64| {
        let mut all = usual(0..days, "office");
        all.extend([
            sighting(day * DAY + HOUR, "x1", &["cafe".into()]),
            sighting(day * DAY + 2 * HOUR, "x2", &["cafe".into()]),
        ]);
        claims(&plan, &all)
    };
    let found = with(20, 20);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].count, found[0].times), (2, (20 * DAY, 21 * DAY)));
    assert_eq!(
        found[0].note,
        "network cafe was never seen before, in 40 events over 20 days; in the 30 days before, 1 values were new among 40 events"
    );
    assert!(with(13, 13).is_empty(), "known for too short a time");
    assert!(with(9, 14).is_empty(), "too few events");
    assert_eq!(with(20, 10).len(), 0, "in the learning period");
}

#[test]
fn what_is_forgotten_is_new_again_and_explorers_are_quiet() {
    let plan = first_seen();
    let mut all = usual(0..100, "office");
    all.push(sighting(20 * DAY, "x1", &["cafe".into()]));
    all.push(sighting(80 * DAY, "x2", &["cafe".into()]));
    assert_eq!(claims(&plan, &all).len(), 1);
    all.push(sighting(141 * DAY, "x3", &["cafe".into()]));
    assert_eq!(claims(&plan, &all).len(), 1, "forgotten, but too little of the last month is known");
    let explorer: Vec<Sighting> =
        (0..40).map(|day| sighting(day * DAY, &format!("e{day}"), &[format!("n{day}").into()])).collect();
    assert!(claims(&plan, &explorer).is_empty());
}

fn hourly() -> Plan {
    plan(Judgement::Spike(judgement::Spike {
        bucket: window("1h"),
        measure: Measure::Count,
        seasonal: true,
        history: Window::parse_history("28d").unwrap(),
        p_below: 1e-6,
        at_least: 10,
        ratio: 3.0,
    }))
}

fn spike(history_days: i64, events_an_hour: i64, burst: i64) -> Vec<Claim> {
    let plan = hourly();
    let mut all = Vec::new();
    for hour in 0..history_days * 24 {
        all.extend((0..events_an_hour).map(|n| sighting(hour * HOUR + n, &format!("{hour}-{n}"), &[])));
    }
    let start = history_days * DAY;
    all.extend((0..burst).map(|n| sighting(start + n, &format!("burst-{n}"), &[])));
    claims(&plan, &all)
}

#[test]
fn a_burst_is_a_spike_against_the_entitys_own_history() {
    let found = spike(10, 2, 40);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].count, 40);
    assert!(
        found[0]
            .note
            .starts_with("40 events in the 1h from 1970-01-11T00:00:00Z, where 2.0 were expected from 10 days")
    );
    assert!(spike(10, 2, 5).is_empty(), "under the least number");
    assert!(spike(10, 20, 40).is_empty(), "only twice what is usual");
    assert!(spike(6, 2, 40).is_empty(), "too little history");
}

#[test]
fn a_nightly_job_is_no_spike() {
    let plan = hourly();
    let job = |day: i64, hour: i64| {
        (0..50).map(move |n| sighting(day * DAY + hour * HOUR + n, &format!("{day}-{hour}-{n}"), &[]))
    };
    let nights: Vec<Sighting> = (0..35).flat_map(|day| job(day, 2)).collect();
    let late = |claims: &[Claim]| claims.iter().filter(|c| c.times.0 >= 28 * DAY).count();
    assert_eq!(late(&claims(&plan, &nights)), 0);
}

#[test]
fn two_places_too_far_apart_are_impossible_until_something_lies_between() {
    let plan = plan(Judgement::Travel(judgement::Travel {
        place: ["lat".into(), "lon".into()],
        speed_kmh: 900.0,
        distance_km: 500.0,
    }));
    let at = |minute: i64, id: &str, lat: f64, lon: f64| sighting(minute * MINUTE, id, &[lat.into(), lon.into()]);
    let (berlin, york) = (at(0, "a", 52.52, 13.4), at(60, "b", 40.71, -74.0));
    let found = claims(&plan, &[berlin.clone(), york.clone()]);
    assert_eq!(found[0].which, Which::Ids(vec!["a".into(), "b".into()]));
    assert!(found[0].note.starts_with("6385 km from 52.52, 13.40 to 40.71, -74.00 in 60 minutes would take 6385 km/h"));
    assert!(claims(&plan, &[berlin.clone(), at(600, "b", 40.71, -74.0)]).is_empty());
    assert!(claims(&plan, &[berlin.clone(), at(1, "b", 52.4, 13.1)]).is_empty());
    let between = claims(&plan, &[berlin, at(30, "c", 52.5, 13.4), york]);
    assert_eq!(between.iter().map(|c| c.which.clone()).collect::<Vec<_>>(), [Which::Ids(vec!["c".into(), "b".into()])]);
}

#[test]
fn between_two_places_where_somebody_is_known_to_be_nothing_is_impossible() {
    let plan = plan(Judgement::Travel(judgement::Travel {
        place: ["lat".into(), "lon".into()],
        speed_kmh: 900.0,
        distance_km: 500.0,
    }));
    let berlin = |minute: i64| sighting(minute * MINUTE, &format!("b{minute}"), &[52.52.into(), 13.4.into()]);
    let york = |minute: i64| sighting(minute * MINUTE, &format!("y{minute}"), &[40.71.into(), (-74.0).into()]);
    let day = |n: i64| n * 24 * 60;
    let home: Vec<Sighting> = (0..6).map(|n| berlin(day(n))).collect();
    // Its way out, on two days, by three events, is known on the third.
    let out = [york(day(3) + 10), york(day(3) + 20), york(day(4) + 10), york(day(5) + 10)];
    let ways = |events: &[Sighting]| claims(&plan, &[&home[..], events].concat()).len();
    assert_eq!(ways(&out), 2, "from home to there on the third and the fourth day; on the fifth no more");
    assert_eq!(ways(&out[1..]), 3, "two events are too few");
    let late = [york(day(3) + 10), york(day(3) + 20), york(day(3) + 30), york(day(5) + 10)];
    assert_eq!(ways(&late), 2, "one day is too little");
    assert_eq!(ways(&[&out[..3], &[york(day(95) + 10), berlin(day(95))]].concat()), 3, "it is forgotten");
    let elsewhere = sighting((day(5) + 10) * MINUTE, "t", &[35.68.into(), 139.69.into()]);
    assert_eq!(ways(&[&out[..3], &[elsewhere]].concat()), 3, "from home to where nobody ever was");
}

#[test]
fn what_says_nothing_to_a_kind_is_left_out() {
    let plan = sequence(&["a", "b"], true, None);
    let says_nothing = |columns: [Value; 2]| plan.facts(sighting(0, "e", &columns).evidence.as_slice()).is_none();
    assert!(says_nothing(["c".into(), "x".into()]) && says_nothing([Value::Null, "x".into()]));
    let mut nobody = sighting(0, "e", &["a".into(), "x".into()]);
    nobody.evidence[0] = Value::Null;
    assert_eq!(plan.entity(nobody.evidence.as_slice()), None);
    assert_eq!(plan.entity(sighting(0, "e", &[]).evidence.as_slice()).as_deref(), Some(r#"{"who":"ana"}"#));
}
