use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::incident::grouping::{Member, keys, parts};

/// Which findings are one incident, by id.
async fn partition(scene: &Scene) -> BTreeSet<BTreeSet<String>> {
    let rows = scene.ask("SELECT incident_id || '/' || finding_id FROM incident_findings").await;
    let mut by_incident: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let (incident, finding) = row.split_once('/').unwrap();
        by_incident.entry(incident.into()).or_default().insert(finding.into());
    }
    by_incident.into_values().collect()
}

/// Every order of these.
fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for at in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(at);
        all.extend(orders(&rest).into_iter().map(|mut order| {
            order.insert(0, first.clone());
            order
        }));
    }
    all
}

#[tokio::test]
async fn every_order_of_arrival_gives_the_same_incidents() {
    let scene = Scene::new("").await;
    let hour = 60 * MINUTE;
    for (n, order) in orders(&[0usize, 1, 2, 3, 4]).into_iter().enumerate() {
        let at = |place: usize, who: &str, time: i64| finding(&format!("{n}-{place}"), &format!("{who}-{n}"), time);
        // 0 and 2 are linked only through 1; 3 is too far away; 4 is another's, on the entity of 0.
        let mut findings = [
            at(0, "ana", NOW),
            at(1, "ana", NOW + hour),
            at(2, "ana", NOW + 2 * hour),
            at(3, "ana", NOW + 4 * hour),
            at(4, "bob", NOW),
        ];
        for place in [0, 4] {
            findings[place].entity = BTreeMap::from([("request_user_name".into(), json!(format!("carol-{n}")))]);
        }
        for place in order {
            scene.raise(&findings[place..=place]).await;
        }
        let id = |place: usize| format!("{n}-{place}");
        let expected = [BTreeSet::from([id(0), id(1), id(2), id(4)]), BTreeSet::from([id(3)])];
        let found: Vec<_> =
            partition(&scene).await.into_iter().filter(|part| expected.iter().any(|e| !e.is_disjoint(part))).collect();
        assert_eq!(BTreeSet::from_iter(found), BTreeSet::from(expected), "order {n}");
    }
}

#[tokio::test]
async fn incidents_are_a_function_of_the_current_findings() {
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let scene = Scene::new("").await;
        let mut current: BTreeMap<String, Finding> = BTreeMap::new();
        for _ in 0..60 {
            let mut batch: BTreeMap<String, Finding> = BTreeMap::new();
            let mut gone = BTreeMap::new();
            for _ in 0..random.usize(1..4) {
                let id = format!("f{}", random.u8(0..16));
                batch.remove(&id);
                gone.remove(&id);
                if random.u8(0..4) == 0 {
                    gone.extend(current.get(&id).map(|finding| (id.clone(), finding.clone())));
                    continue;
                }
                let mut finding = finding(&id, &format!("p{}", random.u8(0..3)), NOW + random.i64(0..600) * MINUTE);
                finding.last_time = finding.first_time + random.i64(0..90) * MINUTE;
                if random.bool() {
                    finding.principal = None;
                }
                batch.insert(id, finding);
            }
            scene.change(ChangeKind::Amended, &Vec::from_iter(batch.values().cloned())).await;
            scene.change(ChangeKind::Retracted, &Vec::from_iter(gone.values().cloned())).await;
            current.extend(batch);
            current.retain(|id, _| !gone.contains_key(id));
            let members: Vec<Member> = current
                .values()
                .map(|f| Member { id: f.id.clone(), first_time: f.first_time, last_time: f.last_time, keys: keys(f) })
                .collect();
            let expected: BTreeSet<BTreeSet<String>> = parts(&members, 60 * MINUTE)
                .into_iter()
                .map(|part| part.into_iter().map(|place| members[place].id.clone()).collect())
                .collect();
            assert_eq!(partition(&scene).await, expected, "seed {seed}");
            // Open are exactly those that hold something.
            let open = scene.ask("SELECT id FROM incidents WHERE state <> 'closed'").await;
            assert_eq!(open.len(), expected.len(), "seed {seed}");
        }
    }
}

#[tokio::test]
async fn of_two_that_meet_the_older_id_stays() {
    let mut scene = Scene::new(PAGER).await;
    scene.raise(&[finding("late", PERSON, NOW)]).await;
    scene.pass(SECOND);
    scene.raise(&[finding("early", PERSON, NOW - 90 * MINUTE)]).await;
    // The earlier one is history and is not told; the later one is.
    assert_eq!(scene.work().await, [Noted::Delivered]);
    let first = scene.bodies()[0]["dedup_key"].as_str().unwrap().to_owned();
    scene.pass(120 * SECOND);
    scene.raise(&[finding("between", PERSON, NOW - 45 * MINUTE)]).await;
    let open = scene.ask("SELECT id FROM incidents WHERE state = 'open'").await;
    assert_eq!(open, [first.as_str()]);
    assert_eq!(scene.ask("SELECT merged_into FROM incidents WHERE state = 'closed'").await, [first.as_str()]);
    scene.work().await;
    let told = scene.bodies();
    assert_eq!(told.len(), 1, "the one that nobody was told of is not resolved: {told:?}");
    assert_eq!(
        (told[0]["dedup_key"].as_str(), told[0]["event_action"].as_str()),
        (Some(first.as_str()), Some("trigger"))
    );

    // The one between is retracted: what it linked falls apart, the id stays with the earlier part.
    scene.change(ChangeKind::Retracted, &[finding("between", PERSON, NOW - 45 * MINUTE)]).await;
    let parts = partition(&scene).await;
    assert_eq!(parts, BTreeSet::from([BTreeSet::from(["early".into()]), BTreeSet::from(["late".into()])]));
    assert_eq!(
        scene.ask("SELECT incident_id FROM incident_findings WHERE finding_id = 'early'").await,
        [first.as_str()]
    );
}

#[tokio::test]
async fn findings_that_nobody_followed_are_grouped_when_alerts_are_opened() {
    let mut scene = Scene::new(HOOK).await;
    let mut transaction = scene.store.ledger().begin().await.unwrap();
    write_finding(&mut transaction, &finding("scanned", PERSON, NOW), ChangeKind::Raised).await;
    let mut trial = finding("trial", PERSON, NOW);
    trial.status = trailhound_detect::Status::Trial;
    write_finding(&mut transaction, &trial, ChangeKind::Raised).await;
    transaction.commit().await.unwrap();
    scene.restart(HOOK).await;
    assert_eq!(scene.work().await, [Noted::Delivered]);
    assert_eq!(scene.bodies()[0]["findings_total"], 1);

    let mut transaction = scene.store.ledger().begin().await.unwrap();
    write_finding(&mut transaction, &finding("scanned", PERSON, NOW), ChangeKind::Retracted).await;
    transaction.commit().await.unwrap();
    scene.restart(HOOK).await;
    scene.work().await;
    assert_eq!(scene.bodies()[0]["state"], "closed");
}
