//! What later events undo, through the service: of each kind that can be undone, a finding that nobody is told of, since it
//! is undone before the source is complete, and one that people are told of and that is taken back.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::logs::{ACCOUNT, Object, gzip, log, record_with};
use crate::stage::{QUEUE, Stage, until};
use trailhound_testing::fake_aws::QueueOptions;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const KINDS: [&str; 6] = ["sequence", "first_seen", "spike", "travel", "rare", "query"];
/// What is judged by the slot cannot be told before that is over; so this is of a slot that is, in an account whose logs
/// come later.
const LATE_ACCOUNT: &str = "444455556666";
/// Whose finding is undone before, and whose after people were told of it.
const NEVER: &str = "untold";
const WITHDRAWN: &str = "withdrawn";

const OFFICE: &str = "198.51.100.7";
const BETWEEN: &str = "192.0.2.7";
const AWAY: &str = "203.0.113.7";

fn account(kind: &str) -> &'static str {
    if matches!(kind, "rare" | "query") { LATE_ACCOUNT } else { ACCOUNT }
}

/// A rule of each kind, about people whose names begin with the kind's.
fn rule(kind: &str) -> String {
    let (keys, columns) = match kind {
        "sequence" => (
            r#"steps = ["first", "second"]; within = "5m"; unless = "undone""#,
            "CASE event_name WHEN 'GetUser' THEN 'first' WHEN 'GetRole' THEN 'second' WHEN 'GetPolicy' THEN 'undone' END AS step",
        ),
        "first_seen" => {
            (r#"value = ["source_network"]; learn = "1d"; min_events = 5; max_new_rate = 0.9"#, "source_network")
        }
        "spike" => (
            r#"bucket = "1h"; measure = "count"; season = "none"; history = "10d"; p_below = 1e-3; at_least = 5"#,
            "event_name",
        ),
        "rare" => (
            r#"value = ["event_name"]; population = "principal_class"; p_below = 0.1; half_life = "30d""#,
            "principal_class, event_name",
        ),
        "query" => (r#"every = "1h"; over = "1h""#, ""),
        _ => (
            r#"place = ["lat", "lon"]; speed_kmh = 900; distance_km = 1000"#,
            "CASE source_ip_address WHEN '198.51.100.7' THEN 0.0 WHEN '192.0.2.7' THEN 6.75 ELSE 13.5 END AS lat, 0.0 AS lon",
        ),
    };
    let select = match kind {
        "query" => "SELECT account_id, principal_key, principal_name, count(*) AS count, array_agg(event_id) AS event_ids FROM events
WHERE event_time >= $from AND event_time < $to AND principal_name LIKE 'query-%' GROUP BY 1, 2, 3
HAVING bool_or(event_name = 'GetRole') AND NOT bool_or(event_name = 'GetPolicy')"
            .to_string(),
        _ => format!(
            "SELECT event_id, account_id, principal_key, principal_name, {columns} FROM events WHERE principal_name LIKE '{kind}-%'"
        ),
    };
    let keys: String = keys.split("; ").map(|key| format!("-- {key}\n")).collect();
    format!(
        r#"-- +++
-- title = "late {kind} of {{principal_name}}"
-- severity = "critical"
-- status = "stable"
-- kind = "{kind}"
-- entity = ["principal_key"]
{keys}-- attack = ["T1078"]
-- why = "A test."
-- false_positives = ["all of them"]
-- runbook = "None."
-- refs = []
-- +++
{select}
"#
    )
}

/// Seconds since the epoch as CloudTrail writes them.
fn written(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

/// Somebody's events, each with an id of its own.
struct Person {
    kind: &'static str,
    name: String,
    /// When it happens.
    at: i64,
}

impl Person {
    fn event(&self, seconds: i64, name: &str, address: &str, n: usize) -> Value {
        let (user, account) = (&self.name, account(self.kind));
        record_with(
            &format!("{user}-{seconds}-{name}-{n}"),
            json!({
                "userIdentity": {"type": "IAMUser", "principalId": user, "arn": format!("arn:aws:iam::{account}:user/{user}"),
                                 "accountId": account, "accessKeyId": "AKIAIOSFODNN7EXAMPLE", "userName": user},
                "eventTime": written(seconds), "eventName": name, "sourceIPAddress": address, "recipientAccountId": account
            }),
        )
    }

    /// What was usual.
    fn history(&self) -> Vec<Value> {
        match self.kind {
            "first_seen" => (0..10).map(|n| self.event(self.at - 3 * DAY + n * HOUR, "ListUsers", OFFICE, 0)).collect(),
            "spike" => (1..10).map(|n| self.event(self.at - n * DAY, "ListUsers", OFFICE, 0)).collect(),
            "rare" => (1..28).map(|n| self.event(self.at - n * DAY / 3, "ListUsers", OFFICE, 0)).collect(),
            _ => Vec::new(),
        }
    }

    /// What makes a finding.
    fn deed(&self) -> Vec<Value> {
        match self.kind {
            "sequence" => {
                vec![self.event(self.at - MINUTE, "GetUser", OFFICE, 0), self.event(self.at, "GetRole", OFFICE, 0)]
            }
            "first_seen" => vec![self.event(self.at, "ListUsers", AWAY, 0)],
            "rare" | "query" => vec![self.event(self.at, "GetRole", OFFICE, 0)],
            "spike" => (0..8).map(|n| self.event(self.at, "ListUsers", OFFICE, n)).collect(),
            _ => vec![self.event(self.at - HOUR, "ListUsers", OFFICE, 0), self.event(self.at, "ListUsers", AWAY, 0)],
        }
    }

    /// What undoes it: what must not follow, the address in its first days, a burst before, a change that was usual, a
    /// place between.
    fn late(&self) -> Vec<Value> {
        match self.kind {
            "sequence" | "query" => vec![self.event(self.at + 2 * MINUTE, "GetPolicy", OFFICE, 0)],
            "rare" => (0..4).map(|n| self.event(self.at - 5 * DAY, "GetRole", OFFICE, n)).collect(),
            "first_seen" => vec![self.event(self.at - 3 * DAY + HOUR, "ListUsers", AWAY, 1)],
            "spike" => (0..60).map(|n| self.event(self.at - 8 * DAY, "ListUsers", OFFICE, n + 1)).collect(),
            _ => vec![self.event(self.at - 30 * MINUTE, "ListUsers", BETWEEN, 0)],
        }
    }
}

/// An object of an account that CloudTrail stamped then.
fn object(account: &str, stamp: i64, name: &str, records: &[Value]) -> Object {
    let stamp: String = written(stamp).chars().filter(|c| !matches!(c, '-' | ':')).take(13).collect();
    let day = format!("{}/{}/{}", &stamp[..4], &stamp[4..6], &stamp[6..8]);
    let file = format!("{account}_CloudTrail_us-east-1_{stamp}Z_{name:A<16}.json.gz");
    (format!("AWSLogs/{account}/CloudTrail/us-east-1/{day}/{file}"), gzip(&log(records)))
}

/// What these people did, by account, stamped by when the account's logs come.
fn objects<'p>(
    people: impl Iterator<Item = &'p Person> + Clone,
    name: &str,
    stamp: impl Fn(i64) -> i64,
    did: fn(&Person) -> Vec<Value>,
) -> Vec<Object> {
    let of = |wanted: &'static str| {
        let people = people.clone().filter(move |person| account(person.kind) == wanted);
        let at = people.clone().next().expect("each account has people").at;
        object(wanted, stamp(at), name, &people.flat_map(did).collect::<Vec<_>>())
    };
    vec![of(ACCOUNT), of(LATE_ACCOUNT)]
}

#[test]
fn people_are_told_of_what_later_events_may_undo_when_the_source_is_complete() {
    let mut stage = Stage::new("late", QueueOptions::default());
    for kind in KINDS {
        stage.world.put(&format!("rules/account/late_{kind}.sql"), rule(kind));
    }
    stage.more = format!("[rules]\nfolders = [{:?}]", stage.world.path("rules"));
    let now = jiff::Timestamp::now().as_second();
    let at = |kind| match account(kind) {
        LATE_ACCOUNT => {
            let over = now - 40 * MINUTE;
            over - over.rem_euclid(HOUR) - 30 * MINUTE
        }
        _ => now - 50 * MINUTE,
    };
    let people = |which: &str| KINDS.map(|kind| Person { kind, name: format!("{kind}-{which}"), at: at(kind) });
    let (never, withdrawn) = (people(NEVER), people(WITHDRAWN));
    let all = never.iter().chain(&withdrawn);
    let five = |seconds: i64| seconds - seconds.rem_euclid(5 * MINUTE);

    let stamp = |at| five(at) + 5 * MINUTE;
    stage.announce(&objects(all.clone(), "history", |at| at - DAY, Person::history));
    stage.announce(&objects(all, "deeds", stamp, Person::deed));
    let mut service = stage.serve(None);
    let store = stage.store();
    let found = |wanted: u64, what: &str| {
        until(what, || stage.aws.remaining(QUEUE) == 0);
        let current = "SELECT count(*) AS n FROM findings WHERE rule LIKE 'account/late_%' AND state = 'current'";
        until(what, || store.number(current) == wanted);
    };
    // Incidents of ours that the pager heard this of.
    let pages = |action: &str| {
        let all = stage.people.got("enqueue");
        let key = |page: &Value| page["dedup_key"].as_str().unwrap().to_string();
        let ours: BTreeSet<_> =
            all.iter().filter(|page| page.to_string().contains("late ")).map(|page| key(page)).collect();
        let heard = all.iter().filter(|page| page["event_action"] == action).map(|page| key(page));
        heard.filter(|key| ours.contains(key)).collect::<BTreeSet<_>>().len()
    };
    found(12, "all is found at once");
    let held = "SELECT count(*) AS n FROM held_findings h JOIN findings f ON f.id = h.finding_id WHERE f.rule LIKE 'account/late_%'";
    assert_eq!(store.number(held), 12, "{}", service.log());

    stage.announce(&objects(never.iter(), "late", stamp, Person::late));
    found(6, "half of it is undone");

    // Started anew, the service goes on where it was.
    service.stop();
    service = stage.serve(None);
    service.until_ready();
    assert_eq!((store.number(held), pages("trigger")), (6, 0), "{}", service.log());

    // The sources go on, and then are complete up to what happened.
    let goes_on = five(now - 18 * MINUTE);
    stage.announce(&[ACCOUNT, LATE_ACCOUNT].map(|account| {
        let more = json!({"eventTime": written(goes_on - MINUTE), "recipientAccountId": account});
        object(account, goes_on, "more", &[record_with(&format!("more-{account}"), more)])
    }));
    until("people are told of the other half", || pages("trigger") == 6);
    assert_eq!(store.number(held), 0);
    let complete = format!(
        "SELECT CAST(EXTRACT(EPOCH FROM complete_time) AS BIGINT) AS n FROM sources WHERE account_id = '{ACCOUNT}'"
    );
    assert_eq!(store.number(&complete), (goes_on - 20 * MINUTE).unsigned_abs());
    let series = format!("trailhound_source_complete_timestamp_seconds{{account=\"{ACCOUNT}\",region=\"us-east-1\"}}");
    until("it is shown how far the source is", || {
        let metrics = service.get("/metrics").map(|(_, text)| text).unwrap_or_default();
        metrics.contains(&format!("{series} {}", goes_on - 20 * MINUTE))
    });

    stage.announce(&objects(withdrawn.iter(), "too late", |_| goes_on, Person::late));
    found(0, "the other half is undone, too");
    until("people are told that it was nothing", || pages("resolve") == 6);
    service.stop();
    assert_eq!(pages("trigger"), 6);
    for told in stage.people.got("") {
        assert!(!told.to_string().contains(NEVER), "somebody was told of what was undone before: {told}");
    }
    let kept = "SELECT count(*) AS n FROM finding_history WHERE change = 'retracted'";
    assert!(store.number(kept) >= 12, "and it can be read what was thought for a while");
}
