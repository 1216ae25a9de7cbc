//! Rules as their authors meet them: begun, refused by file and line, tested.

use crate::logs::{gzip, key, log, record_with, root_key};
use crate::world::{World, trailhound};

#[test]
fn the_shipped_rules_are_fit_and_every_condition_of_theirs_is_tested() {
    trailhound(["rules", "check"]).ok();
    trailhound(["rules", "test", "--mutate"]).ok();
    let listed = trailhound(["rules", "list"]).ok().text();
    for rule in ["iam/root_access_key_created", "cloudtrail/trail_stopped", "signin/"] {
        assert!(listed.contains(rule), "{rule}\n{listed}");
    }
}

#[test]
fn a_new_rule_passes_and_finds() {
    let world = World::new("rule_new");
    let folder = world.path("mine");
    let rules = folder.to_str().unwrap();
    trailhound(["rules", "new", "iam/ana_lists", "--rules", rules]).ok();
    let sql = folder.join("iam/ana_lists.sql");
    assert!(sql.exists() && folder.join("iam/ana_lists.cases.json").exists());
    trailhound(["rules", "check", "--rules", rules]).ok();
    trailhound(["rules", "test", "--rules", rules, "ana_lists"]).ok();
    // The cases that a rule begins with are a beginning: what they do not test is said.
    let mutants = trailhound(["rules", "test", "--rules", rules, "ana_lists", "--mutate"]).exits(1);
    assert!((mutants.text() + &mutants.stderr).contains("iam/ana_lists: every case passes without the condition"));
    // What is there is not written over, and a bad name is refused.
    trailhound(["rules", "new", "iam/ana_lists", "--rules", rules]).exits(2);
    trailhound(["rules", "new", "Lists", "--rules", rules]).exits(64);

    let text = std::fs::read_to_string(&sql).unwrap();
    let example = text.split("event_name = '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    world.put("logs/lists.json", log(&[record_with("e", serde_json::json!({"eventName": example}))]));
    let found = trailhound(["scan", world.path("logs").to_str().unwrap(), "--rules", rules, "--format", "ndjson"])
        .ok()
        .findings();
    assert!(found.iter().any(|finding| finding["rule"] == "iam/ana_lists"), "{found:?}");
}

/// A burst of reads: thirteen secrets in thirteen seconds.
fn secrets_read() -> Vec<u8> {
    let read = |n: usize| {
        record_with(
            &format!("secret-{n}"),
            serde_json::json!({
                "eventSource": "secretsmanager.amazonaws.com",
                "eventName": "GetSecretValue",
                "eventTime": format!("2025-03-09T12:00:{n:02}Z"),
                "requestParameters": {"secretId": format!("prod/{n}")},
            }),
        )
    };
    log(&(0..13).map(read).collect::<Vec<_>>())
}

#[test]
fn a_backtest_tells_what_stands_in_the_store_and_what_an_edit_changes() {
    const RULE: &str = "secretsmanager/secrets_read_in_bulk";
    let world = World::new("backtest");
    world.put("logs/secrets.json", secrets_read());
    let store = world.store("store");
    let found = store.scan(world.path("logs")).ok().findings();
    let of_rule: Vec<_> = found.into_iter().filter(|f| f["rule"] == RULE).collect();
    assert_eq!(of_rule.len(), 1, "{of_rule:?}");
    assert_eq!(of_rule[0]["count"], 13);

    // The same rule finds the same, to the byte; the store stays as it is.
    let backtest = |more: &[&str]| {
        let args = ["rules", "backtest", RULE, "--format", "ndjson"].iter().chain(more).copied().collect::<Vec<_>>();
        store.command(args).ok()
    };
    let run = backtest(&[]);
    assert_eq!(run.findings(), of_rule);
    assert!(run.stderr.contains("(the same text of the rule): 0 added, 0 gone, 1 in both"), "{}", run.stderr);
    assert_eq!(backtest(&["--from", "2025-03-10"]).lines(), Vec::<serde_json::Value>::new());

    // An edit asks for more than there was.
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(format!("{RULE}.sql"));
    let text = std::fs::read_to_string(shipped).unwrap();
    world.put(&format!("mine/{RULE}.sql"), text.replace(">= 12", ">= 14"));
    let edited = backtest(&["--rules", world.path("mine").to_str().unwrap()]);
    assert_eq!(edited.lines(), Vec::<serde_json::Value>::new());
    assert!(edited.stderr.contains("0 added, 1 gone, 0 in both"), "{}", edited.stderr);
    assert_eq!(store.truth().findings.iter().filter(|f| f["rule"] == RULE).count(), 1);

    trailhound(["rules", "backtest", "iam/no_such_rule", "--store", world.path("store").to_str().unwrap()]).exits(2);
}

/// Every kind of mistake, each in a rule of its own: what is replaced in the shipped rule, and what must be said.
const MISTAKES: &[(&str, &str, &str, usize, &str)] = &[
    ("no_severity", "-- severity = \"critical\"\n", "", 1, "`severity` is missing"),
    ("unknown_key", "-- severity", "-- severty", 3, "unknown header key `severty`; did you mean `severity`?"),
    ("bad_word", "\"critical\"", "\"grave\"", 3, "`grave` is not one of info, low, medium, high, critical"),
    ("not_toml", "-- severity =", "-- severity", 3, "not TOML"),
    ("bad_technique", "attack = [\"T", "attack = [\"TA", 7, "is not an ATT&CK technique"),
    ("unknown_column", "SELECT event_id,", "SELECT event_id, evnt_time,", 0, "did you mean `event_time`?"),
    ("unknown_name", "'CreateAccessKey'", "'CreateAccesKey'", 0, "did you mean `CreateAccessKey`?"),
    ("unknown_table", "\nFROM events", "\nFROM evnts", 0, "evnts"),
    ("bad_sql", "\nFROM events", "\nFORM events", 0, "the SQL cannot be read"),
    ("a_subquery", "\nFROM events", "\nFROM (SELECT * FROM events) events", 0, "the SELECT uses a subquery"),
    (
        "the_clock",
        "WHERE event_source",
        "WHERE event_time < now() AND event_source",
        0,
        "has another answer every time",
    ),
];

#[test]
fn every_kind_of_mistake_is_refused_by_file_and_line() {
    let world = World::new("rule_mistakes");
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/iam/root_access_key_created");
    let rule = std::fs::read_to_string(shipped.with_extension("sql")).unwrap();
    let cases = std::fs::read_to_string(shipped.with_extension("cases.json")).unwrap();
    for (name, from, to, _, _) in MISTAKES {
        assert!(rule.contains(from), "{name}: the shipped rule has no {from:?}");
        world.put(&format!("mine/iam/{name}.sql"), rule.replacen(from, to, 1));
        world.put(&format!("mine/iam/{name}.cases.json"), &cases);
    }
    world.put("mine/iam/no_cases.sql", &rule);
    world.put("mine/s3/wrong_folder.sql", &rule);
    world.put("mine/s3/wrong_folder.cases.json", &cases);
    world.put("mine/iam/bad_cases.sql", &rule);
    world.put("mine/iam/bad_cases.cases.json", "{\n \"cases\": [3]\n}");

    let folder = world.path("mine");
    let run = trailhound(["rules", "check", "--rules", folder.to_str().unwrap()]).exits(1);
    let said = format!("{}{}", run.text(), run.stderr);
    let more = [("no_cases", 1, "has no cases"), ("bad_cases", 2, "cannot be read")];
    let mistakes = MISTAKES.iter().map(|(name, from, _, line, what)| {
        let line = if *line > 0 {
            *line
        } else {
            1 + rule[..rule.find(from).unwrap()].matches('\n').count() + usize::from(from.starts_with('\n'))
        };
        (*name, line, *what)
    });
    for (name, line, what) in mistakes.chain(more) {
        let lines: Vec<_> = said.lines().filter(|text| text.contains(&format!("iam/{name}."))).collect();
        assert!(
            lines.iter().any(|text| text.contains(what) && text.contains(&format!(":{line}: "))),
            "{name}: line {line}, {what}\n{lines:#?}\n{said}"
        );
    }
    assert!(
        said.lines().any(|line| line.contains("s3/wrong_folder.sql:") && line.contains("move it to `iam`")),
        "{said}"
    );

    // Such a folder is refused by everything that would use it.
    let scan = trailhound(["scan", world.path("mine").to_str().unwrap(), "--rules", folder.to_str().unwrap()]).exits(2);
    assert!(scan.stderr.contains("iam/not_toml.sql:3"), "{}", scan.stderr);
}

#[test]
fn a_case_that_does_not_hold_fails_the_test_of_rules() {
    let world = World::new("rule_cases");
    let folder = world.path("mine");
    let rules = folder.to_str().unwrap();
    trailhound(["rules", "new", "iam/mine", "--rules", rules]).ok();
    let cases = folder.join("iam/mine.cases.json");
    let text = std::fs::read_to_string(&cases).unwrap();
    let count = text.replacen("\"count\": 1", "\"count\": 2", 1);
    assert_ne!(text, count);
    std::fs::write(&cases, count).unwrap();
    let run = trailhound(["rules", "test", "--rules", rules, "iam/mine"]).exits(1);
    assert!(format!("{}{}", run.text(), run.stderr).contains("iam/mine"));
}

#[test]
fn a_rule_of_the_same_name_takes_the_shipped_ones_place() {
    let world = World::new("rule_replaced");
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/iam/root_access_key_created.sql");
    let rule = std::fs::read_to_string(shipped).unwrap();
    world.put("mine/iam/root_access_key_created.sql", rule.replacen("\"critical\"", "\"low\"", 1));
    world.put(&format!("logs/{}", key("Root")), gzip(&log(&[root_key("e")])));
    let rules = world.path("mine");
    let run = trailhound([
        "scan",
        world.path("logs").to_str().unwrap(),
        "--rules",
        rules.to_str().unwrap(),
        "--format",
        "ndjson",
    ])
    .ok();
    let severities: Vec<_> = run
        .findings()
        .iter()
        .filter(|f| f["rule"] == "iam/root_access_key_created")
        .map(|f| f["severity"].clone())
        .collect();
    assert_eq!(severities, ["low"]);
}

#[test]
fn what_rules_on_trial_find_is_shown_apart_and_fails_no_run() {
    let world = World::new("rule_on_trial");
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/iam/root_access_key_created.sql");
    let rule = std::fs::read_to_string(shipped).unwrap();
    world.put("mine/iam/on_trial.sql", rule.replacen("\"stable\"", "\"trial\"", 1));
    // The shipped one, on trial too, so that nothing critical is left.
    world.put("mine/iam/root_access_key_created.sql", rule.replacen("\"stable\"", "\"trial\"", 1));
    world.put(&format!("logs/{}", key("Root")), gzip(&log(&[root_key("e")])));
    let store = world.store("store");
    let (logs, rules) = (world.path("logs"), world.path("mine"));
    let args = ["scan", logs.to_str().unwrap(), "--rules", rules.to_str().unwrap(), "--fail-on", "critical"];
    store.command(args).ok();

    let list =
        |status: &str| store.command(["findings", "list", "--format", "ndjson", "--status", status]).ok().lines();
    let trial: Vec<_> = list("trial").iter().map(|f| f["rule"].as_str().unwrap().to_string()).collect();
    assert_eq!(trial.len(), 2);
    assert!(trial.contains(&"iam/on_trial".to_string()), "{trial:?}");
    assert!(list("stable").iter().all(|f| f["status"] == "stable" && f["severity"] != "critical"));
    let table = store.command(["findings", "list"]).ok().text();
    assert_eq!(table.matches("[trial] ").count(), 2, "{table}");
    let page = store.command(["findings", "show", list("trial")[0]["id"].as_str().unwrap()]).ok().text();
    assert!(page.contains("on trial: nobody is told"), "{page}");

    let summary = store.command(["findings", "summary", "--status", "trial"]).ok().text();
    let line = summary.lines().find(|line| line.starts_with("iam/on_trial ")).unwrap_or_else(|| panic!("{summary}"));
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[1..7], ["trial", "critical", "1", "0", "1", "1"], "{summary}");
    assert_eq!(summary.lines().count(), 4, "{summary}");
}
