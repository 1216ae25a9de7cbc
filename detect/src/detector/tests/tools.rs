//! What is told of rules to those who write them is what the engine does: a rule's SQL and its explanations agree with the
//! findings.

use crate::Rule;
use std::collections::{BTreeMap, BTreeSet};

use super::memory::{as_json, rule_of, weeks};
use super::*;
use crate::explain::{Explanation, Standing, explain};
use crate::severity::Kind;
use crate::{Finding, backtest, sql, usage};

/// Rules of every kind whose SQL says the same, and of more forms than one.
fn all_rules() -> Vec<File> {
    let steps = "principal_key, user_identity_user_name AS target, CASE event_name WHEN 'CreateUser' THEN 'user' WHEN \
                 'CreateAccessKey' THEN 'key' WHEN 'AttachUserPolicy' THEN 'admin' WHEN 'DeleteUser' THEN 'gone' END AS step \
                 FROM events";
    let name = "principal_key, event_name AS step FROM events WHERE outcome = 'success'";
    let names = ["steps = [\"CreateUser\", \"CreateUser\", \"ListUsers\"]", "within = \"2d\""];
    vec![
        rule_of(
            "each",
            "match",
            &[],
            "principal_key, outcome FROM events WHERE event_name = 'CreateUser' AND outcome = 'success'",
        ),
        rule_of("folded", "match", &["fold = \"6h\""], "principal_key FROM events WHERE (event_name = 'ListUsers')"),
        rule_of(
            "failures",
            "threshold",
            &["window = \"10m\"", "having = [\"count >= 4\", \"distinct(target) >= 2\"]"],
            "principal_key, user_identity_user_name AS target FROM events WHERE event_name = 'ConsoleLogin' AND outcome = 'failure'",
        ),
        // Half of this window is no whole number of seconds.
        rule_of(
            "odd",
            "threshold",
            &["window = \"145s\"", "having = [\"count >= 2\"]"],
            "principal_key, outcome FROM events",
        )
        .with_entity("[\"principal_key\", \"outcome\"]"),
        rule_of(
            "escalation",
            "sequence",
            &["steps = [\"user\", \"key\", \"admin\"]", "within = \"2d\"", "same = [\"target\"]", "unless = \"gone\""],
            steps,
        ),
        rule_of(
            "alone",
            "sequence",
            &[
                "steps = [\"admin\"]",
                "within = \"2d\"",
                "same = [\"target\"]",
                "unless = \"gone\"",
                "optional = \"user\"",
            ],
            steps,
        ),
        rule_of("twice", "sequence", &names, name),
        rule_of("unordered", "sequence", &[names[0], names[1], "ordered = false"], name),
        rule_of(
            "network",
            "first_seen",
            &["value = [\"network\"]", "learn = \"5d\"", "min_events = 20", "forget = \"10d\"", "max_new_rate = 0.2"],
            "principal_key, source_network AS network FROM events",
        ),
        rule_of(
            "network_and_site",
            "first_seen",
            &[
                "value = [\"network\", \"site\"]",
                "each = true",
                "learn = \"5d\"",
                "min_events = 20",
                "forget = \"10d\"",
                "max_new_rate = 0.2",
            ],
            "principal_key, source_network AS network, right(source_network, 1) AS site FROM events",
        ),
        rule_of(
            "rate",
            "spike",
            &["bucket = \"1h\"", "measure = \"count\"", "history = \"10d\"", "p_below = 1e-4", "at_least = 5"],
            "principal_key FROM events",
        ),
        rule_of(
            "flat",
            "spike",
            &[
                "bucket = \"1d\"",
                "measure = \"distinct(event_name)\"",
                "season = \"none\"",
                "history = \"10d\"",
                "p_below = 0.3",
                "at_least = 4",
                "ratio = 1.2",
            ],
            "principal_key, event_name FROM events",
        ),
        rule_of(
            "travel",
            "travel",
            &["place = [\"source_lat\", \"source_lon\"]", "speed_kmh = 900", "distance_km = 500"],
            "principal_key, source_lat, source_lon FROM events WHERE event_name = 'ConsoleLogin'",
        ),
    ]
}

impl File {
    fn with_entity(self, entity: &str) -> File {
        File { text: self.text.replace("[\"principal_key\"]", entity), ..self }
    }
}

async fn kept(name: &str, seed: u64) -> Scratch {
    let mut s = Scratch::new(name).await;
    let rows: Vec<Value> = weeks(seed).iter().enumerate().map(|(n, row)| as_json(row, "o", n)).collect();
    s.keep_rows("o", &rows).await;
    s
}

/// Entity, times and count: what a rule's SQL gives of a finding.
type Said = BTreeSet<(String, i64, i64, u64)>;

fn of_findings(findings: &[Finding]) -> Said {
    findings.iter().map(|f| (f.entity_text(), f.first_time, f.last_time, f.count)).collect()
}

async fn of_sql(store: &Store, rule: &Rule, text: &str) -> Said {
    let mut rows = store.query(text).await.unwrap_or_else(|e| panic!("{}: {e:?}\n{text}", rule.id));
    let mut said = Said::new();
    while let Some(batch) = rows.try_next().await.unwrap() {
        let column = |name: &str| crate::value::values(batch.column_by_name(name).unwrap()).unwrap();
        let entity: Vec<(&String, Vec<Value>)> = rule.header.entity.iter().map(|c| (c, column(c))).collect();
        let (first, last, count) = (column("first_time"), column("last_time"), column("count"));
        let time = |value: &Value| trailhound_ingest::time::parse(value.as_str().unwrap()).unwrap();
        for row in 0..batch.num_rows() {
            let entity: BTreeMap<&String, &Value> = entity.iter().map(|(c, values)| (*c, &values[row])).collect();
            let entity = serde_json::to_string(&entity).unwrap();
            let new = said.insert((entity, time(&first[row]), time(&last[row]), count[row].as_u64().unwrap()));
            assert!(
                new || rule.header.kind == Kind::Match || rule.header.kind == Kind::Sequence,
                "{}: a row twice",
                rule.id
            );
        }
    }
    said
}

#[tokio::test]
async fn a_rules_sql_says_what_the_rule_finds() {
    let planner = planner();
    let mut compared: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 1..=3 {
        let s = kept(&format!("sql-{seed}"), seed).await;
        for rule in load(all_rules(), &planner).into_rules().unwrap() {
            let set = RuleSet::compile([rule.clone()], &planner).unwrap();
            let found = of_findings(&backtest(&s.store, &set, usize::MAX).await.unwrap());
            let text = sql::query(&rule, &planner);
            let said = of_sql(&s.store, &rule, &text).await;
            if rule.header.kind == Kind::Spike {
                let missing: Vec<_> = found.difference(&said).collect();
                assert!(missing.is_empty(), "{}, seed {seed}: SQL does not give {missing:?}\n{text}", rule.id);
            } else {
                assert_eq!(said, found, "{}, seed {seed}: SQL on the left\n{text}", rule.id);
            }
            *compared.entry(rule.id).or_default() += found.len();
        }
    }
    let few: Vec<_> = compared.iter().filter(|(_, n)| **n < 3).collect();
    assert!(few.is_empty(), "too few findings to compare: {compared:?}");
}

async fn explained(s: &Scratch, ledger: &FindingsLedger, rule: &str, about: &str) -> Explanation {
    let planner = planner();
    let rules = load(all_rules(), &planner).into_rules().unwrap();
    explain(&s.store, ledger, &planner, crate::rule::named(rules, rule).unwrap(), about).await.unwrap()
}

/// Of every rule: events of its findings, and events that are in none.
#[tokio::test]
async fn explanations_agree_with_findings() {
    let mut explained_of = BTreeSet::new();
    for seed in [1, 2] {
        agree(seed, &mut explained_of).await;
    }
    assert_eq!(explained_of.len(), all_rules().len(), "not every rule found something: {explained_of:?}");
}

async fn agree(seed: u64, explained_of: &mut BTreeSet<String>) {
    let s = kept(&format!("explain-{seed}"), seed).await;
    let detector = Detector::open(&s.store, rules(all_rules())).await.unwrap();
    detector.catch_up(&s.store).await.unwrap();
    let ledger = detector.findings();
    let found = ledger.current().await.unwrap();
    let rows = weeks(seed);
    for rule in detector.rules().rules() {
        let findings: Vec<&Finding> = found.iter().filter(|f| f.rule == rule.id && f.count <= 20).collect();
        let inside: BTreeSet<&String> = found.iter().filter(|f| f.rule == rule.id).flat_map(|f| &f.event_ids).collect();
        if !findings.is_empty() {
            explained_of.insert(rule.id.clone());
        }
        for finding in findings.iter().take(3) {
            let id = finding.event_ids.last().unwrap();
            let why = explained(&s, ledger, &rule.id, id).await;
            let there = why.findings.iter().find(|f| f.id == finding.id);
            let there = there.unwrap_or_else(|| panic!("{} of {}: {why:#?}", id, finding.id));
            assert_eq!((there.standing, there.count), (Standing::Current, finding.count), "{}", rule.id);
            assert!(there.explanation == finding.explanation && why.verdict.contains("counts for"), "{why:#?}");
            assert!(rule.plan.is_none() || why.moments.iter().any(|m| m.met), "{why:#?}");
            assert!(why.event.unwrap().conditions.iter().all(|c| c.holds == Some(true)));
            // The entity as it was printed is an entity that can be asked for.
            let whole = explained(&s, ledger, &rule.id, &finding.entity_text()).await;
            assert!(whole.findings.iter().any(|f| f.id == finding.id), "{whole:#?}");
        }
        for row in rows.iter().filter(|row| !inside.contains(&row.id)).step_by(40).take(5) {
            let why = explained(&s, ledger, &rule.id, &row.id).await;
            let in_more = why.findings.iter().all(|f| f.count > 20);
            assert!(in_more, "{}: {why:#?}", rule.id);
            let event = why.event.as_ref().unwrap();
            let all_hold = event.conditions.iter().all(|c| c.holds == Some(true));
            assert_eq!(event.chosen, all_hold, "{why:#?}");
            if why.findings.is_empty() && rule.header.kind != Kind::Sequence {
                assert!(why.moments.iter().all(|m| !m.met), "{}: {why:#?}", rule.id);
            }
        }
    }
}

#[tokio::test]
async fn who_asks_amiss_is_told_what_to_ask() {
    let s = kept("explain-amiss", 1).await;
    let ledger = FindingsLedger::open(s.store.ledger()).await.unwrap();
    let planner = planner();
    let ask = async |rule: &str, about: &str| -> String {
        let rules = load(all_rules(), &planner).into_rules().unwrap();
        let rule = crate::rule::named(rules, rule).unwrap();
        explain(&s.store, &ledger, &planner, rule, about).await.unwrap_err().to_string()
    };
    for (rule, about, expected) in [
        ("account/each", "anna", "did you mean {\"principal_key\":\"ana\"}?"),
        ("account/odd", "no-such-event", "write '{\"principal_key\": \"…\", \"outcome\": \"…\"}'"),
        ("account/odd", "{\"principal_key\": \"ana\"}", "has outcome, too"),
        ("account/odd", "{\"principal\": \"ana\"}", "is no entity column"),
        ("account/odd", "{\"principal_key\": ana}", "is not JSON"),
    ] {
        let said = ask(rule, about).await;
        assert!(said.contains(expected), "{rule} {about}: {said}");
    }
    let unknown = crate::rule::named(load(all_rules(), &planner).into_rules().unwrap(), "fold").unwrap_err();
    assert_eq!(unknown, "there is no rule `fold`; did you mean `account/folded`?");
}

#[tokio::test]
async fn rules_that_wait_in_vain_are_named() {
    let s = kept("usage", 1).await;
    let silent = |name: &str, condition: &str| {
        rule_of(name, "match", &[], &format!("principal_key FROM events WHERE {condition}"))
    };
    let files = vec![
        silent("source", "event_source = 'lambda.amazonaws.com' AND event_name = 'Invoke'"),
        silent("name", "event_name IN ('DeleteTrail', 'StopLogging')"),
        silent("conditions", "event_name = 'CreateUser' AND outcome = 'denied'"),
        all_rules().remove(2),
        all_rules().remove(0),
    ];
    let used = usage::usage(&s.store, &rules(files)).await.unwrap();
    let reasons: Vec<&str> = used.iter().map(|u| u.silent.as_deref().unwrap_or_default()).collect();
    let expected = [
        "no event of lambda.amazonaws.com ever came: is it logged?",
        "its event names never came: DeleteTrail, StopLogging",
        "its events came, and none met its conditions",
        "",
        "",
    ];
    assert_eq!(reasons, expected);
    let rows = weeks(1);
    let chosen = |wanted: &dyn Fn(&super::reference::Row) -> bool| {
        let rows = rows.iter().filter(|r| wanted(r));
        (rows.clone().count() as u64, rows.map(|r| r.time).max())
    };
    let failed = chosen(&|r| r.name == "ConsoleLogin" && r.outcome == "failure");
    let created = chosen(&|r| r.name == "CreateUser" && r.outcome == "success");
    assert!(failed.0 > 0 && created.0 > 0);
    assert_eq!([(used[3].chosen, used[3].last_time), (used[4].chosen, used[4].last_time)], [failed, created]);
}
