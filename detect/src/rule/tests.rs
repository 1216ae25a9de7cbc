use crate::check::check;
use crate::rule::File;
use crate::select::Planner;
use crate::skeleton::skeleton;
use crate::testing::{HEADER, planner};

const SELECT: &str = "SELECT event_id, principal_key, event_name\nFROM events\nWHERE event_source = 'iam.amazonaws.com' AND event_name = 'CreateUser'\n";

/// Checks the skeleton's rule with one text replaced by another, with good cases beside it.
fn problems(planner: &Planner, text: &str) -> String {
    let [_, cases] = skeleton("iam/x").unwrap();
    all_problems(planner, vec![File::embedded("iam/x.sql", text), cases])
}

fn all_problems(planner: &Planner, files: Vec<File>) -> String {
    check(files, planner).err().map_or(String::new(), |p| p.to_string())
}

#[test]
fn a_good_rule_and_the_skeleton_pass() {
    let planner = planner();
    assert_eq!(problems(&planner, &format!("{HEADER}{SELECT}")), "");
    for id in ["iam/x", "account/y_2", "cloudwatch/z", "signin/w", "s3/v"] {
        assert_eq!(all_problems(&planner, skeleton(id).unwrap().to_vec()), "", "{id}");
    }
    assert!(skeleton("nowhere/x").is_err() && skeleton("iam").is_err() && skeleton("iam/X").is_err());
}

#[test]
fn every_mistake_in_a_header_is_named_by_line() {
    let planner = planner();
    for (from, to, expected) in [
        ("-- status = \"stable\"\n", "", "rules/iam/x.sql:1: the header key `status` is missing; add `-- status = …`"),
        (
            "severity =",
            "severty =",
            "rules/iam/x.sql:1: the header key `severity` is missing; add `-- severity = …`\nrules/iam/x.sql:3: unknown header key `severty`; did you mean `severity`?",
        ),
        ("\"high\"", "\"bad\"", "rules/iam/x.sql:3: `severity`: `bad` is not one of info, low, medium, high, critical"),
        ("\"high\"", "3", "rules/iam/x.sql:3: `severity` is a integer, not a text in quotes"),
        (
            "\"high\"",
            "\"high\"\n-- severity_if = \"low\"",
            "rules/iam/x.sql:4: `severity_if` is a string, not a table like { \"planned = true\" = \"low\" }",
        ),
        (
            "\"high\"",
            "\"high\"\n-- severity_if = { \"planned\" = \"low\" }",
            "rules/iam/x.sql:4: `severity_if`: `planned` is not a table like { \"planned = true\" = \"low\" }",
        ),
        (
            "\"high\"",
            "\"high\"\n-- severity_if = { \"event_name = A\" = \"lower\" }",
            "rules/iam/x.sql:4: `severity_if`: `lower` is not one of info, low, medium, high, critical",
        ),
        (
            "\"high\"",
            "\"high\"\n-- severity_if = { \"planned = true\" = \"low\" }",
            "rules/iam/x.sql:4: `severity_if` names `planned`, which the SELECT does not; add `planned` to the SELECT, or use one of principal_key, event_name",
        ),
        (
            "\"match\"",
            "\"travel\"\n-- place = [\"principal_key\", \"event_name\"]\n-- speed_kmh = 900\n-- distance_km = 100\n-- severity_if = { \"issued_by = AssumeRoot\" = \"low\" }",
            "rules/iam/x.sql:9: `severity_if` asks `issued_by` of a rule of kind \"travel\"; findings of kind \"match\" know who gave out the key",
        ),
        (
            "\"match\"",
            "\"threshold\"",
            "rules/iam/x.sql:1: the header key `having` is missing; add `-- having = …`\nrules/iam/x.sql:1: the header key `window` is missing; add `-- window = …`",
        ),
        (
            "\"match\"",
            "\"rare\"\n-- value = [\"event_name\"]\n-- population = \"class\"\n-- p_below = 0.5\n-- half_life = \"14d\"",
            "rules/iam/x.sql:8: `p_below` is 0.5; what is rare has at most 0.1",
        ),
        (
            "\"match\"",
            "\"threshold\"\n-- window = \"10 m\"\n-- having = [\"count > 3\"]",
            "rules/iam/x.sql:6: `window`: `10 m` is not a length of time; write it like \"15m\", \"1h\" or \"1d\"\nrules/iam/x.sql:7: `having`: `count > 3` is no bound; write it like \"count >= 12\" or \"distinct(target_user) >= 3\"",
        ),
        (
            "\"match\"",
            "\"first_seen\"\n-- value = [\"nothing\"]\n-- learn = \"14d\"\n-- min_events = -1",
            "rules/iam/x.sql:8: `min_events` is a integer, not a whole number above zero",
        ),
        (
            "\"match\"",
            "\"first_seen\"\n-- value = [\"event_name\"]\n-- learn = \"14d\"\n-- min_events = 1\n-- each = true",
            "rules/iam/x.sql:9: `each` is about the columns of `value`, which are not several; leave it out",
        ),
        (
            "\"match\"",
            "\"spike\"\n-- bucket = \"1m\"\n-- measure = \"count\"\n-- history = \"28d\"\n-- p_below = 1e-6\n-- at_least = 10",
            "rules/iam/x.sql:8: `history` is 28d in buckets of 1m; give it at least 7 days, and at most 10000 buckets",
        ),
        (
            "\"match\"",
            "\"sequence\"\n-- within = \"1h\"\n-- steps = [\"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\"]",
            "rules/iam/x.sql:7: `steps` names 21; at most 20 fit a finding",
        ),
        (
            "\"match\"",
            "\"sequence\"\n-- steps = [\"one\"]\n-- within = \"1h\"\n-- fold = \"1h\"",
            "rules/iam/x.sql:6: `steps` names fewer than 2; one step without `unless` and `optional` is a rule of kind \"match\"\nrules/iam/x.sql:8: unknown header key `fold`; a rule of kind \"sequence\" has attack, cis, entity, false_positives, kind, optional, ordered, refs, runbook, same, severity, severity_if, status, steps, title, unless, why, within",
        ),
        (
            "\"match\"",
            "\"mach\"",
            "rules/iam/x.sql:5: `kind`: `mach` is not one of match, threshold, sequence, first_seen, rare, spike, travel, query",
        ),
        (
            "[\"principal_key\"]",
            "[]",
            "rules/iam/x.sql:6: `entity` is empty; name the columns that say whose finding it is, such as [\"principal_key\"]",
        ),
        (
            "[\"principal_key\"]",
            "\"principal_key\"",
            "rules/iam/x.sql:6: `entity` is a string, not a list of texts, [\"…\"]\nrules/iam/x.sql:6: `entity` is empty; name the columns that say whose finding it is, such as [\"principal_key\"]",
        ),
        (
            "[\"principal_key\"]",
            "[\"account_id\"]",
            "rules/iam/x.sql:6: `entity` names `account_id`, which the SELECT does not; add `account_id` to the SELECT, or use one of principal_key, event_name",
        ),
        (
            "did {event_name}",
            "did {name}",
            "rules/iam/x.sql:2: `title` uses {name}, which the SELECT does not name; add `name` to the SELECT, or use one of principal_key, event_name",
        ),
        (
            "did {event_name}",
            "did {event_name",
            "rules/iam/x.sql:2: `title`: `{event_name` is not closed by `}`, or is not a column's name",
        ),
        (
            "\"T1098\"",
            "\"TA0001\"",
            "rules/iam/x.sql:7: `TA0001` is not an ATT&CK technique; write it like \"T1098\" or \"T1098.001\"",
        ),
        (
            "-- why =",
            "-- fold = \"1w\"\n-- why =",
            "rules/iam/x.sql:8: `fold`: `1w` is not a length of time; write it like \"15m\", \"1h\" or \"1d\"",
        ),
        ("\"Because.\"", "\" \"", "rules/iam/x.sql:8: `why` is empty; say it in a sentence"),
        (
            "-- +++\nSELECT",
            "SELECT",
            "rules/iam/x.sql:11: the header is not closed; end it with a line `-- +++` before the SELECT",
        ),
    ] {
        assert_eq!(problems(&planner, &format!("{HEADER}{SELECT}").replacen(from, to, 1)), expected, "{to}");
    }
    assert_eq!(
        problems(&planner, SELECT),
        "rules/iam/x.sql:1: the file has no header; begin it with TOML between two lines `-- +++`, each line behind `--`"
    );
    let broken = problems(&planner, &format!("{HEADER}{SELECT}").replacen("title = ", "title ", 1));
    assert!(broken.starts_with("rules/iam/x.sql:2: the header is not TOML:"), "{broken}");
}

#[test]
fn every_mistake_in_a_select_is_named_by_line() {
    let planner = planner();
    let mut wrong = Vec::new();
    let form = "a rule is a filter and a projection over `events` alone; its kind counts, folds and joins";
    for (select, line, what) in [
        (SELECT.replace("SELECT event_id,", "SELEC event_id,"), 12, "the SQL cannot be read"),
        (SELECT.replace("= 'iam", "== = 'iam"), 14, "the SQL cannot be read"),
        (
            SELECT.replace("principal_key,", "principal_key, evnt_time,"),
            12,
            "No field named evnt_time; did you mean `event_time`?",
        ),
        (SELECT.replace("AND event_name", "AND evnt_name"), 14, "No field named evnt_name; did you mean `event_name`?"),
        (SELECT.replace("event_name =", "lowr(event_name) ="), 14, "Invalid function 'lowr'; did you mean `lower`?"),
        (SELECT.replace("event_name =", "policy_of_mars(event_name) ="), 14, "Invalid function 'policy_of_mars'"),
        (
            SELECT.replace("event_id,", ""),
            12,
            "the SELECT does not name event_id; make it the first column, under its own name",
        ),
        (SELECT.replace("event_id,", "'a' AS event_id,"), 12, "the SELECT does not name event_id"),
        (SELECT.replace("event_id, principal_key, event_name", "*"), 12, "the SELECT takes every column"),
        (
            SELECT.replace(", event_name\n", ", event_name, lower(event_source)\n"),
            12,
            "the column `lower(event_source)` has no name; give it one with AS",
        ),
        (format!("{SELECT}ORDER BY event_id"), 15, &format!("the SELECT uses ORDER BY; {form}")),
        (format!("{SELECT}LIMIT 3"), 15, &format!("the SELECT uses LIMIT or OFFSET; {form}")),
        (SELECT.replace("SELECT", "SELECT DISTINCT"), 12, &format!("the SELECT uses DISTINCT; {form}")),
        (
            SELECT.replace("event_id, principal_key, event_name", "count(*) AS event_id"),
            12,
            &format!("the SELECT uses an aggregate or GROUP BY; {form}"),
        ),
        (
            "SELECT events.event_id\nFROM events\nJOIN events b ON events.event_id = b.event_id".into(),
            14,
            &format!("the SELECT uses a join; {form}"),
        ),
        (SELECT.replace("FROM events", "FROM (SELECT * FROM events) events"), 13, "the SELECT uses a subquery or WITH"),
        (SELECT.replace("FROM events", "FROM evnts"), 13, "table 'datafusion.public.evnts' not found"),
        (format!("{SELECT}AND event_id IN (SELECT event_id FROM events)"), 15, "the SELECT uses a subquery"),
        (format!("{SELECT}AND event_time < now()"), 15, "`now()` has another answer every time"),
        (format!("{SELECT}AND random() < 0.5"), 15, "`random()` has another answer every time"),
        (
            format!("{SELECT}; {SELECT}"),
            12,
            "there is more than one statement; a rule is one SELECT … FROM events WHERE …",
        ),
        ("DELETE FROM events".into(), 12, "the statement is not a SELECT"),
        ("EXPLAIN SELECT event_id FROM events".into(), 12, "the statement is not a SELECT"),
        (String::new(), 11, "there is no SELECT"),
        (
            SELECT.replace("'CreateUser'", "'CreatUser'"),
            14,
            "there is no event name `CreatUser` of iam.amazonaws.com; did you mean `CreateUser`?",
        ),
        (
            SELECT.replace("= 'CreateUser'", "IN ('CreateUser', 'DeletUser')"),
            14,
            "there is no event name `DeletUser` of iam.amazonaws.com; did you mean `DeleteUser`?",
        ),
        (
            SELECT.replace("iam.amazonaws", "iamm.amazonaws"),
            14,
            "there is no event source `iamm.amazonaws.com`; did you mean `iam.amazonaws.com`?",
        ),
        (
            SELECT.replace("iam.amazonaws", "sts.amazonaws").replace("CreateUser", "AssumeRole"),
            14,
            "the rule stands in `iam` but looks at sts.amazonaws.com; move it to `sts`",
        ),
        (
            SELECT.replace("event_source = 'iam.amazonaws.com' AND ", ""),
            12,
            "the rule stands in `iam` but takes events of any service; require an event_source, or move it to `account`",
        ),
        (format!("{SELECT}AND event_name = 'DeleteUser'"), 12, "the WHERE is never true"),
        (format!("{SELECT}AND event_name"), 12, "Cannot infer common argument type for logical boolean operation"),
    ] {
        let got = problems(&planner, &format!("{HEADER}{select}"));
        let expected = format!("rules/iam/x.sql:{line}: {what}");
        if !got.lines().any(|l| l.starts_with(&expected)) {
            wrong.push(format!("expected {expected}\ngot      {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_query_may_be_any_select_with_one_answer_for_a_slot() {
    let planner = planner();
    let header = HEADER
        .replace("\"match\"", "\"query\"\n-- every = \"1d\"\n-- over = \"7d\"")
        .replace("{principal_key} did {event_name}", "{principal_key} {calls}");
    let good = "SELECT e.principal_key, count(*) AS calls, count(*) AS count\nFROM events e JOIN events f ON e.principal_key = f.session_name\n\
                WHERE e.event_time >= $from AND e.event_time < $to AND f.event_name = 'CreateUser'\n\
                GROUP BY e.principal_key\n";
    let [_, cases] = skeleton("account/x").unwrap();
    let of = |text: String| all_problems(&planner, vec![File::embedded("account/x.sql", text), cases.clone()]);
    assert_eq!(of(format!("{header}{good}")), "");
    for (from, to, line, what) in [
        ("\"1d\"", "\"10m\"", 6, "`every` is 10m and `over` is 7d; a slot has an hour or more"),
        ("\"7d\"", "\"1h\"", 6, "`every` is 1d and `over` is 1h; a slot has an hour or more"),
        (" AND e.event_time < $to", "", 14, "the SELECT does not name `$to`"),
        (">= $from", ">= $from - INTERVAL '1 day'", 16, "the SELECT looks back beyond `$from`"),
        ("$to", "$now", 16, "`$now` is a placeholder; only $from and $to are given"),
        ("$to", "$to AND e.event_time < now()", 16, "`now()` has another answer every time"),
        ("AS calls", "", 14, "the column `count(*)` has no name; give it one with AS"),
        ("AS calls", "AS number", 2, "`title` uses {calls}, which the SELECT does not name"),
        ("FROM events e JOIN", "FROM objects e JOIN", 15, "table 'datafusion.public.objects' not found"),
        ("'CreateUser'", "'CreateUsr'", 16, "there is no event name `CreateUsr`"),
        ("SELECT e.principal_key", "INSERT INTO events SELECT e.principal_key", 14, "the statement is not a SELECT"),
    ] {
        let got = of(format!("{header}{good}").replacen(from, to, 1));
        let expected = format!("rules/account/x.sql:{line}: {what}");
        assert!(got.lines().any(|l| l.starts_with(&expected)), "expected {expected}\ngot      {got}");
    }
}

#[test]
fn missing_unreadable_and_one_sided_cases_are_refused() {
    let planner = planner();
    let rule = File::embedded("iam/x.sql", format!("{HEADER}{SELECT}"));
    let [_, good] = skeleton("iam/x").unwrap();
    let with = |text: String| all_problems(&planner, vec![rule.clone(), File::embedded("iam/x.cases.json", text)]);
    assert_eq!(
        all_problems(&planner, vec![rule.clone()]),
        "rules/iam/x.sql:1: the rule has no cases; put x.cases.json beside it"
    );
    let unreadable = with("{\n \"cases\": [3]\n}".into());
    assert!(unreadable.starts_with("rules/iam/x.cases.json:2: the cases cannot be read: invalid type"), "{unreadable}");
    assert!(with(good.text.replace("\"expect\"", "\"expct\"")).contains("unknown field `expct`"));
    assert!(
        with(good.text.replace("\"eventVersion\"", "\"version\""))
            .contains("a record of the case \"a user calls it\" lacks eventVersion; write whole records")
    );
    let mut cases: serde_json::Value = serde_json::from_str(&good.text).unwrap();
    let without = |i: usize| {
        let mut some = cases.clone();
        some["cases"].as_array_mut().unwrap().remove(i);
        with(some.to_string())
    };
    assert!(without(0).contains("no case expects a finding"));
    assert!(without(1).contains("no case has a denied or failed event"));
    assert!(without(2).contains("no case is a look-alike that stays quiet"));
    cases["cases"][1]["name"] = "a user calls it".into();
    assert!(with(cases.to_string()).contains("two cases are called \"a user calls it\""));
}

#[test]
fn all_mistakes_of_all_files_are_reported() {
    let planner = planner();
    let [rule, cases] = skeleton("iam/x").unwrap();
    let bad =
        File::embedded("iam/b.sql", rule.text.replace("\"trial\"", "\"try\"").replace("FROM events", "FROM evnts"));
    let stray = File::embedded("iam/c.cases.json", cases.text.clone());
    let got = all_problems(
        &planner,
        vec![rule.clone(), cases, bad, stray, File::embedded("UP.sql", rule.text.clone()), rule],
    );
    for expected in [
        "rules/iam/b.sql:7: `status`: `try` is not one of trial, stable",
        "table 'datafusion.public.evnts' not found",
        "rules/iam/b.sql:1: the rule has no cases",
        "rules/iam/c.cases.json:1: the cases have no rule beside them",
        "rules/UP.sql:1: `UP` is no rule id",
        "rules/iam/x.sql:1: the rule `iam/x` is there already",
    ] {
        assert!(got.contains(expected), "expected {expected}\ngot {got}");
    }
}
