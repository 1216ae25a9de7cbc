//! Rules as their authors meet them: begun, refused by file and line, tested.

use std::collections::BTreeMap;

use serde_json::Value;

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

    let store = world.path("store");
    let unknown = trailhound(["rules", "backtest", "iam/no_such_rule", "--store", store.to_str().unwrap()]).exits(2);
    assert!(unknown.stderr.contains("there is no rule `iam/no_such_rule`"), "{}", unknown.stderr);
}

/// `git ARGS` in a folder, by somebody.
fn git(folder: &std::path::Path, args: &[&str]) {
    let who = ["-c", "user.name=ana", "-c", "user.email=ana@example.com", "-c", "init.defaultBranch=main"];
    let run = std::process::Command::new("git").current_dir(folder).args(who).args(args).output().unwrap();
    assert!(run.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn a_backtest_tells_what_an_edit_changes_against_git() {
    const RULE: &str = "secretsmanager/secrets_read_in_bulk";
    let world = World::new("backtest_git");
    world.put("logs/secrets.json", secrets_read());
    let store = world.store("store");
    store.scan(world.path("logs")).ok();
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(format!("{RULE}.sql"));
    let text = std::fs::read_to_string(shipped).unwrap();
    let mine = world.path("mine");
    let put = |least: &str| world.put(&format!("mine/{RULE}.sql"), text.replace(">= 12", least));
    put(">= 14");
    git(&mine, &["init", "--quiet"]);
    git(&mine, &["commit", "--quiet", "--allow-empty", "--message", "nothing yet"]);
    git(&mine, &["add", "."]);
    git(&mine, &["commit", "--quiet", "--message", "fourteen"]);

    let backtest = |more: &[&str]| {
        let args = ["rules", "backtest", RULE, "--rules", mine.to_str().unwrap(), "--format", "ndjson"];
        store.command(args.iter().chain(more).copied().collect::<Vec<_>>()).ok()
    };
    let said = |more: &[&str], findings: usize, expected: &str| {
        let run = backtest(more);
        assert_eq!(run.lines().len(), findings, "{}", run.stderr);
        assert!(run.stderr.contains(expected), "{expected}\n{}", run.stderr);
    };
    // As long as nothing is edited, the store is what there is to compare with.
    said(&[], 0, "against the store's 1 finding (another text of the rule): 0 added, 1 gone, 0 in both");
    put(">= 10");
    said(&[], 1, "against the text in HEAD: 1 added, 0 gone, 0 in both");
    said(&["--against", "HEAD~1"], 1, "against HEAD~1, where the rule is not: 1 added, 0 gone, 0 in both");
    git(&mine, &["commit", "--quiet", "--all", "--message", "ten"]);
    put(">= 13");
    said(&[], 1, "against the text in HEAD: 0 added, 0 gone, 1 in both");

    for (rules, revision, expected) in [
        (Some(&mine), "no-such-branch", "git knows no revision `no-such-branch`"),
        (Some(&mine), "--help", "git knows no revision `--help`"),
        (None, "HEAD", "is built in"),
    ] {
        let against = format!("--against={revision}");
        let mut args = vec!["rules", "backtest", RULE, against.as_str()];
        args.extend(rules.iter().flat_map(|folder| ["--rules", folder.to_str().unwrap()]));
        let run = store.command(args).exits(2);
        assert!(run.stderr.contains(expected), "{expected}\n{}", run.stderr);
    }
}

#[test]
fn a_finding_and_its_absence_are_explained() {
    const RULE: &str = "secretsmanager/secrets_read_in_bulk";
    let world = World::new("explain");
    world.put("logs/secrets.json", secrets_read());
    world.put("logs/other.json", log(&[record_with("other", serde_json::json!({"userAgent": "\u{1b}[2Jx"}))]));
    let store = world.store("store");
    let found = store.scan(world.path("logs")).ok().findings();
    let finding = found.iter().find(|f| f["rule"] == RULE).unwrap();
    let json = |about: &str| -> serde_json::Value {
        let run = store.command(["rules", "explain", RULE, about, "--format", "json"]).ok();
        serde_json::from_str(&run.text()).unwrap()
    };

    // An event of the finding: every condition holds, and the window is over its bound.
    let why = json("secret-3");
    assert_eq!(why["event"]["chosen"], true);
    assert_eq!(why["event"]["access"], "read");
    assert!(why["event"]["conditions"].as_array().unwrap().iter().all(|c| c["holds"] == true), "{why:#}");
    assert_eq!(why["findings"][0]["id"], finding["id"]);
    assert_eq!((&why["findings"][0]["standing"], &why["findings"][0]["count"]), (&"current".into(), &13.into()));
    let check = &why["moments"][0]["checks"][0];
    assert_eq!((&check["seen"], &check["met"]), (&"13".into(), &true.into()), "{why:#}");
    // Its entity, as the finding has it.
    let entity = json(&finding["entity"].to_string());
    assert_eq!((&entity["findings"][0]["id"], &entity["chosen"]["events"]), (&finding["id"], &13.into()));

    // Another event: which condition it does not meet, and what it has there.
    let why = json("other");
    let wrong: Vec<_> = why["event"]["conditions"].as_array().unwrap().iter().filter(|c| c["holds"] == false).collect();
    assert_eq!(wrong.len(), 2, "{why:#}");
    assert_eq!(wrong[0]["columns"]["event_source"], "iam.amazonaws.com");
    let page = store.command(["rules", "explain", RULE, "other"]).ok().text();
    assert!(page.contains("the rule did not choose this event: 2 of its 4 conditions do not hold"), "{page}");
    assert!(page.contains("event_source = iam.amazonaws.com") && !page.contains('\u{1b}'), "{page}");

    for (rule, about, expected) in [
        ("secrets_read_in_bulk", "other", "did you mean `secretsmanager/secrets_read_in_bulk`?"),
        (RULE, "nobody", "there is no event `nobody` in the store; for an entity of this rule write"),
        (RULE, "{\"principal_key\": \"user:x\", \"session_name\": null}", "chose no event of the entity"),
    ] {
        let run = store.command(["rules", "explain", rule, about]).exits(2);
        assert!(run.stderr.contains(expected), "{expected}\n{}", run.stderr);
    }
}

#[test]
fn rules_that_have_nothing_to_do_in_a_store_are_named() {
    let world = World::new("rules_in_store");
    world.put("logs/secrets.json", secrets_read());
    let store = world.store("store");
    store.scan(world.path("logs")).ok();
    let listed = store.command(["rules", "list"]).ok().text();
    let line = |rule: &str| -> Vec<String> {
        let line =
            listed.lines().find(|line| line.starts_with(&format!("{rule} "))).unwrap_or_else(|| panic!("{listed}"));
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(line("secretsmanager/secrets_read_in_bulk")[1..], ["13", "1", "2025-03-09T12:00:12Z"]);
    assert_eq!(line("cloudtrail/trail_stopped")[1..5], ["0", "0", "no", "event"]);
    let checked = store.command(["rules", "check"]).ok();
    let (named, silent) = (checked.text(), checked.stderr);
    assert!(named.contains("cloudtrail/trail_stopped: no event of cloudtrail.amazonaws.com ever came"), "{named}");
    assert!(!named.contains("secretsmanager/secrets_read_in_bulk"), "{named}");
    assert!(silent.contains(&format!("{} of them chose nothing", named.lines().count())), "{silent}");
}

/// Rules whose SQL is compared with what they found, of each kind.
const COMPARED_MAX: usize = 6;

#[test]
fn a_rules_sql_gives_its_findings() {
    let world = World::new("rules_sql");
    let store = world.store("store");
    let found = store.scan(crate::logs::organisation()).ok().findings();
    let mut rules: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
    for finding in &found {
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        rules.entry((text("kind"), text("rule"))).or_default().push(finding);
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for ((kind, rule), findings) in &rules {
        let compared = kinds.entry(kind).or_default();
        if *compared == COMPARED_MAX {
            continue;
        }
        *compared += 1;
        let sql = trailhound(["rules", "sql", rule]).ok().text();
        let rows = store.sql(&sql);
        let columns: Vec<&String> = findings[0]["entity"].as_object().unwrap().keys().collect();
        let of = |row: &Value, entity: &Value| {
            let entity: Vec<String> = columns.iter().map(|c| entity[c.as_str()].to_string()).collect();
            let seconds = |key: &str| row[key].as_str().unwrap().trim_end_matches('Z').to_owned();
            (entity, seconds("first_time"), seconds("last_time"), row["count"].as_u64().unwrap())
        };
        let mut said: Vec<_> = rows.iter().map(|row| of(row, row)).collect();
        let mut wanted: Vec<_> = findings.iter().map(|f| of(f, &f["entity"])).collect();
        said.sort();
        wanted.sort();
        if kind == "spike" {
            wanted.retain(|finding| !said.contains(finding));
            assert!(wanted.is_empty(), "{rule}: not among the rows: {wanted:?}\n{sql}");
        } else {
            assert_eq!(said, wanted, "{rule}: SQL on the left\n{sql}");
        }
    }
    assert!(kinds["match"] == COMPARED_MAX && kinds["threshold"] >= 3 && kinds["sequence"] >= 1, "{kinds:?}");
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
    let said = || {
        let run = trailhound(["rules", "test", "--rules", rules, "iam/mine"]).exits(1);
        format!("{}{}", run.text(), run.stderr)
    };
    let failed = said();
    assert!(failed.contains("iam/mine: case \"a user calls it\"") && failed.contains("- found: Seen at"), "{failed}");

    // A case that expects more than the rule finds is told which condition its event does not meet.
    let expected = "\"expect\": [\n        {";
    let denied = text.replacen("\"expect\": []", &format!("{expected}\"count\": 1}}]"), 1);
    assert_ne!(text, denied);
    std::fs::write(&cases, denied).unwrap();
    let failed = said();
    let why = "not chosen, since outcome = 'success' is false (outcome is denied)";
    assert!(failed.contains("got:      nothing") && failed.contains(why), "{failed}");
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
