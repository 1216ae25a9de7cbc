//! Findings name who stands behind the keys, in whatever order the records came.

use super::*;
use crate::lineage::told;

const SECOND: i64 = 1_000_000;
const STS: &str = "sts.amazonaws.com";

/// Three hops over two accounts, a record each (of the second the other account's copy, too), and what was done in the end.
fn records() -> Vec<Vec<Value>> {
    let event = |id: &str, second: i64, name: &str, facts: Value| {
        let mut row = json!({"event_id": id, "event_time": second * SECOND, "event_name": name, "event_source": STS,
                             "src_bucket": "b", "src_key": id, "src_ordinal": 0, "record_hash": second});
        row.as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
        row
    };
    let role = |name: &str, session: &str, account: &str, key: &str| {
        json!({"principal_key": format!("role:{name}"), "principal_name": name, "principal_class": "unknown",
               "session_name": session, "user_identity_account_id": account, "user_identity_access_key_id": key})
    };
    let with = |mut facts: Value, key: &str| {
        facts["response_access_key_id"] = json!(key);
        facts
    };
    vec![
        vec![event(
            "saml",
            10,
            "AssumeRoleWithSAML",
            json!({"principal_key": "saml:corp:ana@example.com", "principal_name": "ana@example.com",
                   "principal_class": "human", "response_access_key_id": "ASIA0000000000000001"}),
        )],
        vec![event(
            "hop",
            20,
            "AssumeRole",
            with(role("Work", "w-1", "111122223333", "ASIA0000000000000001"), "ASIA0000000000000002"),
        )],
        vec![event(
            "copy",
            20,
            "AssumeRole",
            json!({"principal_key": "account:111122223333", "principal_class": "unknown", "user_identity_type": "AWSAccount",
                       "response_access_key_id": "ASIA0000000000000002"}),
        )],
        vec![event(
            "next",
            30,
            "AssumeRole",
            with(role("Deploy", "d-1", "444455556666", "ASIA0000000000000002"), "ASIA0000000000000003"),
        )],
        vec![event("deed", 40, "DeleteTrail", role("Admin", "a-1", "444455556666", "ASIA0000000000000003"))],
    ]
}

fn orders(of: usize) -> Vec<Vec<usize>> {
    if of == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for order in orders(of - 1) {
        for place in 0..=order.len() {
            let mut order = order.clone();
            order.insert(place, of - 1);
            all.push(order);
        }
    }
    all
}

async fn found_in(order: &[usize], restart: bool) -> (Finding, Vec<String>) {
    let name = format!("lineage-{order:?}-{restart}").replace([' ', ',', '[', ']'], "");
    let mut s = Scratch::new(&name).await;
    let rules = || rules(vec![rule("deed", "", "event_name = 'DeleteTrail'")]);
    let mut detector = Detector::open(&s.store, rules()).await.unwrap();
    detector.catch_up(&s.store).await.unwrap();
    let records = records();
    for place in order {
        let commit = s.keep_rows(records[*place][0]["event_id"].as_str().unwrap(), &records[*place]).await;
        if restart {
            // What came while nobody looked is read from the table.
            detector = Detector::open(&s.store, rules()).await.unwrap();
            detector.catch_up(&s.store).await.unwrap();
        } else {
            detector.commit(&s.store, &commit).await.unwrap();
        }
    }
    let mut found = detector.findings().current().await.unwrap();
    assert_eq!(found.len(), 1, "{order:?}");
    let history = detector.findings().history(&found[0].id).await.unwrap();
    (found.pop().unwrap(), history.into_iter().map(|entry| entry.change).collect())
}

#[tokio::test]
async fn three_hops_over_two_accounts_lead_to_the_same_person_in_every_order() {
    let (expected, history) = found_in(&[0, 1, 2, 3, 4], false).await;
    assert_eq!(expected.person.as_deref(), Some("ana@example.com"));
    assert_eq!(
        told(&expected.lineage[0]),
        "ana@example.com —AssumeRoleWithSAML→ Work/w-1 in 111122223333 —AssumeRole→ Deploy/d-1 in 444455556666 \
         —AssumeRole→ Admin/a-1 in 444455556666"
    );
    assert_eq!(history, ["raised"]);
    for (nth, order) in orders(5).into_iter().enumerate() {
        let restart = nth % 5 == 0;
        let (found, history) = found_in(&order, restart).await;
        assert_eq!(found, expected, "{order:?}, restart {restart}");
        // Raised when the deed is seen, amended by whichever record then leads on.
        assert_eq!(history[0], "raised");
        assert!(history[1..].iter().all(|change| change == "amended"), "{order:?}: {history:?}");
    }
    // The sign-in's record comes last: until then the way ends at its key.
    let (_, history) = found_in(&[1, 2, 3, 4, 0], false).await;
    assert_eq!(history, ["raised", "amended"]);
}

#[tokio::test]
async fn a_circle_of_keys_and_a_hostile_name_end_somewhere() {
    let mut s = Scratch::new("lineage-circle").await;
    let detector = Detector::open(&s.store, rules(vec![rule("deed", "", "event_name = 'DeleteTrail'")])).await.unwrap();
    detector.catch_up(&s.store).await.unwrap();
    let key = "ASIA' OR '1'='1";
    let row = |id: &str, name: &str, gives: Option<&str>| {
        json!({"event_id": id, "event_name": name, "event_source": STS, "principal_key": "role:R", "principal_name": "R",
               "principal_class": "unknown", "user_identity_access_key_id": key, "response_access_key_id": gives,
               "src_bucket": "b", "src_key": "a", "src_ordinal": i64::from(gives.is_some())})
    };
    let commit = s.keep_rows("a", &[row("deed", "DeleteTrail", None), row("issue", "AssumeRole", Some(key))]).await;
    detector.commit(&s.store, &commit).await.unwrap();
    let found = detector.findings().current().await.unwrap();
    assert_eq!((found.len(), found[0].lineage[0].len()), (1, 2));
    assert_eq!(found[0].person, None);
}

/// Somebody switches to a role in the console, and does something there with a key of the console's making.
fn switched(from: &[&str]) -> Vec<Vec<Value>> {
    const BEGAN: i64 = 1_741_500_000 * SECOND;
    let role = json!({"principal_key": "role:AROADEV", "principal_name": "Dev", "principal_class": "human", "session_name": "ana",
                      "user_identity_account_id": "444455556666", "event_source": "signin.amazonaws.com",
                      "event_name": "SwitchRole", "event_time": BEGAN, "event_date": BEGAN.div_euclid(86_400 * SECOND), "src_bucket": "b", "src_ordinal": 0});
    let with = |id: &str, facts: Value| {
        let mut row = role.clone();
        row.as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
        row["event_id"] = json!(id);
        row["src_key"] = json!(id);
        row["record_hash"] = json!(id.len());
        vec![row]
    };
    let switches = from.iter().enumerate().map(|(n, arn)| {
        with(
            &format!("switch{}", "+".repeat(n)),
            json!({"additional_event_data": json!({"SwitchFrom": arn}).to_string()}),
        )
    });
    let deed = json!({"event_source": "cloudtrail.amazonaws.com", "event_name": "DeleteTrail", "event_time": BEGAN + 60 * SECOND,
                      "session_creation_date": BEGAN, "user_identity_access_key_id": "ASIA0000000000000009"});
    switches.chain([with("deed", deed)]).collect()
}

#[tokio::test]
async fn a_role_taken_on_in_the_console_leads_to_who_switched() {
    let ana = "arn:aws:iam::111122223333:user/staff/ana";
    let (kim, sso) = (
        "arn:aws:iam::777788889999:user/ana",
        "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Dev_1/kim@example.com",
    );
    let cases = [
        (vec![ana], Some("ana of 111122223333")),
        (vec![sso], Some("kim@example.com")),
        (vec![ana, ana], Some("ana of 111122223333")),
        // Two by one name: nobody knows whose session it is.
        (vec![ana, kim], None),
        (vec!["nobody"], None),
    ];
    for (nth, (from, person)) in cases.into_iter().enumerate() {
        for (turn, order) in [[0, 1, 2], [2, 0, 1], [1, 2, 0]].into_iter().enumerate() {
            let mut s = Scratch::new(&format!("lineage-switch-{nth}-{turn}")).await;
            let detector =
                Detector::open(&s.store, rules(vec![rule("deed", "", "event_name = 'DeleteTrail'")])).await.unwrap();
            detector.catch_up(&s.store).await.unwrap();
            let records = switched(&from);
            for place in order.into_iter().filter(|place| *place < records.len()) {
                let commit = s.keep_rows(records[place][0]["event_id"].as_str().unwrap(), &records[place]).await;
                detector.commit(&s.store, &commit).await.unwrap();
            }
            let found = detector.findings().current().await.unwrap();
            assert_eq!(found[0].person.as_deref(), person, "{from:?} in the order {order:?}: {:?}", found[0].lineage);
            // What analysts ask says the same.
            let session = s.store.session().await.unwrap();
            let rows = trailhound_store::query(&session, "SELECT how, issuer_account_id FROM lineage").await.unwrap();
            let rows: Vec<RecordBatch> = rows.try_collect().await.unwrap();
            let rows: usize = rows.iter().map(RecordBatch::num_rows).sum();
            assert_eq!(rows, usize::from(person.is_some()), "{from:?}");
        }
    }
}
