use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::finding::{Folded, fold, hex};
use crate::rule::load;
use crate::testing::{batch, planner, rule_file};

fn set(files: Vec<crate::rule::File>) -> RuleSet {
    let planner = planner();
    RuleSet::compile(load(files, &planner).into_rules().unwrap(), &planner).unwrap()
}

/// The ids of the events that a WHERE matches.
fn matched(condition: &str, rows: &[Value]) -> Vec<String> {
    let set = set(vec![rule_file(
        "account/x.sql",
        "",
        &format!("SELECT event_id, principal_key, event_name FROM events WHERE {condition}"),
    )]);
    let mut ids: Vec<String> = set.evaluate(&batch(rows)).unwrap().sightings.into_iter().map(|s| s.event_id).collect();
    ids.sort();
    ids
}

#[test]
fn conditions_in_every_form_match_what_they_say() {
    let rows = [
        json!({"event_id": "1", "event_source": "iam.amazonaws.com", "event_name": "CreateUser", "event_name_norm": "CreateUser", "user_agent": "aws-cli/2"}),
        json!({"event_id": "2", "event_source": "iam.amazonaws.com", "event_name": "DeleteUser", "event_name_norm": "DeleteUser", "outcome": "denied"}),
        json!({"event_id": "3", "event_source": "lambda.amazonaws.com", "event_name": "CreateFunction20150331", "event_name_norm": "CreateFunction", "request_parameters": "{\"n\": \"7\"}"}),
        json!({"event_id": "4", "user_identity_type": "Root"}),
    ];
    for (condition, expected) in [
        ("event_name = 'CreateUser'", "1"),
        ("'CreateUser' = event_name AND outcome = 'denied'", ""),
        ("event_name IN ('CreateUser', 'DeleteUser')", "12"),
        ("event_name IN ('CreateUser', 'DeleteUser', 'A', 'B', 'C') AND event_source = 'iam.amazonaws.com'", "12"),
        (
            "(event_name = 'CreateUser' AND user_agent LIKE 'aws-cli%') OR (event_name = 'DeleteUser' AND outcome = 'denied')",
            "12",
        ),
        (
            "(event_name = 'CreateUser' AND user_agent LIKE 'boto%') OR (event_name = 'DeleteUser' AND outcome = 'success')",
            "",
        ),
        ("event_name = 'CreateUser' OR user_identity_type = 'Root'", "14"),
        ("event_name_norm = 'CreateFunction' AND event_source = 'lambda.amazonaws.com'", "3"),
        ("event_name_norm = 'CreateFunction' AND event_name = 'CreateFunction'", ""),
        ("event_name LIKE '%User'", "12"),
        ("event_name <> 'CreateUser'", "23"),
        ("event_name NOT IN ('CreateUser', 'DeleteUser')", "3"),
        ("NOT (event_name = 'CreateUser')", "23"),
        ("user_identity_type = 'Root'", "4"),
        ("json_text(request_parameters, 'n') = '7'", "3"),
        ("user_agent IS NULL AND event_name IS NOT NULL", "23"),
        ("CASE event_name WHEN 'CreateUser' THEN true ELSE false END", "1"),
        ("true", "1234"),
        ("false", ""),
        ("NULL", ""),
        ("user_agent = NULL", ""),
        ("event_name = 'CreateUser' AND event_name = 'DeleteUser'", ""),
    ] {
        assert_eq!(matched(condition, &rows).concat(), expected, "{condition}");
    }
}

#[test]
fn a_rule_that_fails_on_a_row_loses_only_that_row() {
    let rows: Vec<Value> = (0..4).map(|i| json!({"event_id": i.to_string(), "event_name": "CreateUser", "request_name": if i == 2 { "x" } else { "1" }})).collect();
    let failing = rule_file(
        "account/fails.sql",
        "",
        "SELECT event_id, principal_key, event_name FROM events WHERE event_name = 'CreateUser' AND CAST(request_name AS INT) = 1",
    );
    let shaped = rule_file(
        "account/shapes.sql",
        "",
        "SELECT event_id, principal_key, event_name, CAST(request_name AS INT) AS n FROM events",
    );
    let seen = set(vec![failing, shaped]).evaluate(&batch(&rows)).unwrap();
    let of =
        |rule: usize| seen.sightings.iter().filter(|s| s.rule == rule).map(|s| s.event_id.as_str()).collect::<String>();
    assert_eq!((of(0).as_str(), of(1).as_str()), ("013", "0123"));
    let failures: Vec<(&str, u64)> = seen.failures.iter().map(|f| (f.rule.as_str(), f.rows)).collect();
    assert_eq!(failures, [("account/fails", 1), ("account/shapes", 1)]);
}

#[test]
fn a_projected_batch_is_enough() {
    let set = set(vec![rule_file(
        "account/x.sql",
        "",
        "SELECT event_id, principal_key, event_name FROM events WHERE event_name = 'CreateUser' AND outcome = 'success'",
    )]);
    let full = batch(&[json!({"event_id": "1", "event_name": "CreateUser"})]);
    let mut columns = set.columns();
    columns.reverse();
    let places: Vec<usize> = columns.iter().map(|c| full.schema().index_of(c).unwrap()).collect();
    let seen = set.evaluate(&full.project(&places).unwrap()).unwrap();
    assert_eq!(seen.sightings, set.evaluate(&full).unwrap().sightings);
    assert!(columns.len() < 20 && seen.sightings.len() == 1, "{columns:?}");
}

/// Numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

const HOUR: i64 = 3_600_000_000;

/// What the two rules below must find, by plain loops over the rows: id → (count, event ids, first, last, ip).
fn reference(rows: &[Value]) -> BTreeMap<String, (u64, Vec<String>, i64, i64, Option<String>)> {
    let mut found: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for row in rows {
        let (who, time) = (&row["principal_key"], row["event_time"].as_i64().unwrap());
        let mut add =
            |key: Value| found.entry(hex(&Sha256::digest(key.to_string().as_bytes())[..16])).or_default().push(row);
        if row["event_name"] == "DeleteUser" && row["outcome"] == "denied" {
            add(json!(["account/single", [who], row["event_id"]]));
        }
        if row["event_name"] == "CreateUser" || row["event_name"] == "DeleteUser" {
            add(json!(["account/folded", [who], time - time.rem_euclid(HOUR)]));
        }
    }
    let summary = |mut rows: Vec<&Value>| {
        rows.sort_by_key(|r| (r["event_time"].as_i64(), r["event_id"].as_str()));
        let times: Vec<i64> = rows.iter().map(|r| r["event_time"].as_i64().unwrap()).collect();
        let ids = rows.iter().take(20).map(|r| r["event_id"].as_str().unwrap().to_owned()).collect();
        let ip = &rows[0]["source_ip_address"];
        let ip = if rows.iter().all(|r| &r["source_ip_address"] == ip) { ip.as_str().map(str::to_owned) } else { None };
        (rows.len() as u64, ids, times[0], times[times.len() - 1], ip)
    };
    found.into_iter().map(|(id, rows)| (id, summary(rows))).collect()
}

#[test]
fn order_and_batches_change_nothing() {
    let select = "SELECT event_id, principal_key, event_name, source_ip_address FROM events WHERE event_name";
    let set = set(vec![
        rule_file("account/single.sql", "", &format!("{select} = 'DeleteUser' AND outcome = 'denied'")),
        rule_file("account/folded.sql", "-- fold = \"1h\"\n", &format!("{select} IN ('CreateUser', 'DeleteUser')")),
    ]);
    for seed in 0..40 {
        let mut random = Random(seed);
        let mut rows: Vec<Value> = (0..1 + random.below(600))
            .map(|i| {
                let pick = |r: &mut Random, of: &[&str]| of[r.below(of.len())].to_owned();
                json!({
                    "event_id": format!("e{i:03}"),
                    "event_time": random.below(4) as i64 * HOUR - HOUR + random.below(3) as i64,
                    "principal_key": pick(&mut random, &["alice", "bob"]),
                    "event_name": pick(&mut random, &["CreateUser", "DeleteUser", "ListUsers"]),
                    "outcome": pick(&mut random, &["success", "denied"]),
                    "source_ip_address": random.below(30).checked_sub(1).map(|_| "192.0.2.1"),
                    "account_id": pick(&mut random, &["1", "1", "1", "2"]),
                    "src_bucket": "b",
                    "src_key": format!("k{i}"),
                })
            })
            .collect();
        let expected = reference(&rows);
        let mut bytes: Option<String> = None;
        for split in [1, 7, 1_000] {
            for i in (1..rows.len()).rev() {
                rows.swap(i, random.below(i + 1));
            }
            let mut found = Folded::new();
            for part in rows.chunks(split) {
                fold(&set, set.evaluate(&batch(part)).unwrap().sightings, &mut found);
            }
            let got: BTreeMap<_, _> = found
                .values()
                .map(|(_, f)| {
                    (
                        f.id.clone(),
                        (
                            f.count,
                            f.event_ids.clone(),
                            f.first_time,
                            f.last_time,
                            f.evidence["source_ip_address"].as_str().map(str::to_owned),
                        ),
                    )
                })
                .collect();
            assert_eq!(got, expected, "seed {seed}, batches of {split}");
            let json = serde_json::to_string(&found.values().map(|(_, f)| f).collect::<Vec<_>>()).unwrap();
            assert!(*bytes.get_or_insert_with(|| json.clone()) == json, "seed {seed}, batches of {split}");
        }
    }
}

/// A rule that counts, by an entity of these columns.
fn counting(path: &str, entity: &str, select: &str) -> crate::rule::File {
    let mut file = rule_file(path, "-- window = \"1h\"\n-- having = [\"distinct(event_name) >= 2\"]\n", select);
    let header = file.text.replace("kind = \"match\"", "kind = \"threshold\"");
    file.text = header
        .replace("entity = [\"principal_key\"]", &format!("entity = {entity}"))
        .replace("{principal_key} did {event_name}", "Two");
    file
}

#[test]
fn what_memory_is_told_of_a_row_is_what_a_finding_would_keep() {
    let long = "x".repeat(crate::value::TEXT_BYTES_MAX + 1);
    let agents = ["a", "a \"b\" \\ ä", "", long.as_str()];
    let row = |i: usize| {
        let (name, session) = (["A", "B"][i % 2], ["s", "t", "u"][i % 3]);
        json!({
            "event_id": i.to_string(), "event_name": name, "event_time": i, "user_agent": agents[i % 4],
            "session_name": session, "mfa_used": i % 5 == 0, "request_name": if i == 7 { "x" } else { "1" },
        })
    };
    let mut rows: Vec<Value> = (0..40).map(row).collect();
    for (row, column) in [(0, "user_agent"), (1, "session_name"), (9, "user_agent"), (9, "session_name")] {
        rows[row][column] = Value::Null;
    }
    let select = |columns: &str| format!("SELECT event_id, principal_key, event_name, {columns} FROM events");
    let both = r#"["user_agent", "session_name"]"#;
    let failing = "CAST(request_name AS INT) AS n";
    let set = set(vec![
        counting("account/both.sql", both, &select("user_agent, session_name")),
        counting(
            "account/both_of_some.sql",
            both,
            &(select("user_agent, session_name") + " WHERE CAST(event_id AS INT) % 3 <> 1"),
        ),
        counting("account/made.sql", r#"["who"]"#, &select("lower(session_name) AS who")),
        counting("account/truth.sql", r#"["mfa_used", "session_name"]"#, &select("mfa_used, session_name")),
        counting("account/fails.sql", r#"["n"]"#, &select(failing)),
        counting("account/fails_too.sql", r#"["n"]"#, &select(failing)),
    ]);
    let batch = batch(&rows);
    let (seen, remembered) = set.evaluate_to_remember(&batch, &|_| true).unwrap();
    assert_eq!(remembered.len(), 6);
    for chosen in remembered {
        let plan = set.at(chosen.rule).plan.as_ref().unwrap();
        let places = chosen.iter().map(|(_, row)| row.place).collect();
        let sightings = set.sightings(&batch, chosen.rule, places).unwrap().sightings;
        assert_eq!(sightings.len(), chosen.iter().count());
        let mut by_entity: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (sighting, (whose, row)) in sightings.iter().zip(chosen.iter()) {
            let evidence = sighting.evidence.as_slice();
            assert_eq!(plan.entity(evidence).as_deref(), whose.map(|whose| whose.text));
            assert_eq!(plan.facts(evidence), plan.facts(&row.evidence));
            assert_eq!((sighting.event_id.as_str(), sighting.event_time), (row.id.text(), row.time));
            if let Some(whose) = whose {
                by_entity.entry(whose.text.to_string()).or_default().push(row.id.text().to_owned());
            }
        }
        let grouped = chosen.by_entity();
        let grouped = grouped.chunks(1).flatten().map(|(whose, rows)| {
            let ids = rows.iter().map(|row| chosen.row(*row).id.text().to_owned());
            (whose.text.to_string(), ids.collect())
        });
        assert_eq!(grouped.collect::<BTreeMap<String, Vec<String>>>(), by_entity);
    }
    // Both are told of the row on which their entity fails.
    let failures: Vec<(&str, u64)> = seen.failures.iter().map(|f| (f.rule.as_str(), f.rows)).collect();
    assert_eq!(failures, [("account/fails", 1), ("account/fails_too", 1)]);
}
