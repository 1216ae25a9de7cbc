use super::*;

fn problems(text: &str) -> String {
    Config::parse(text, "t.toml").expect_err("it is wrong").to_string()
}

const SOUND: &str =
    "[store]\nlocation = \"/s\"\n[[queue]]\nurl = \"https://sqs.eu-west-1.amazonaws.com/111122223333/q\"\n";

#[test]
fn the_example_is_sound() {
    let config = Config::parse(EXAMPLE, "example.toml").unwrap();
    assert_eq!(config.queues.len(), 1);
    assert_eq!(config.sinks.len(), 1);
}

#[test]
fn what_the_example_shows_as_defaults_are_the_defaults() {
    let plain = Config::parse(SOUND, "t.toml").unwrap();
    let shown = EXAMPLE.replace("# flush_", "flush_").replace("# dedup_", "dedup_").replace("# query_", "query_");
    let shown = shown.replace("# in_flight", "in_flight").replace("# fetches", "fetches").replace("# bind", "bind");
    let shown = Config::parse(&shown.replace("# grace_", "grace_"), "t.toml").unwrap();
    assert_eq!(shown.store.flush_seconds, plain.store.flush_seconds);
    assert_eq!(shown.store.flush_mib, plain.store.flush_mib);
    assert_eq!(shown.store.dedup_mib, plain.store.dedup_mib);
    assert_eq!(shown.store.query_mib, plain.store.query_mib);
    assert_eq!(shown.intake.in_flight_mib, plain.intake.in_flight_mib);
    assert_eq!(shown.intake.fetches, plain.intake.fetches);
    assert_eq!(shown.http.bind, plain.http.bind);
    assert_eq!(shown.shutdown.grace_seconds, plain.shutdown.grace_seconds);
}

#[test]
fn unknown_keys_are_refused_by_line() {
    let wrong = format!("{SOUND}[intake]\nfetch = 3\n");
    assert!(problems(&wrong).contains("line 6"), "{}", problems(&wrong));
    assert!(problems(&wrong).contains("fetch"), "{}", problems(&wrong));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let told = problems("[store]\nlocation = \"s3://b/p\"\nflush_seconds = 0\n[[route]]\nsinks = [\"nobody\"]\n");
    for part in ["store.flush_seconds", "store.ledger is missing", "no [[queue]]", "nobody"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}

#[test]
fn counts_are_kept_as_long_as_events_and_retention_needs_upkeep() {
    let store = |keys: &str| SOUND.replace("[[queue]]", &format!("{keys}\n[[queue]]"));
    assert!(Config::parse(&store("retention_days = 90\nactivity_retention_days = 400"), "t.toml").is_ok());
    for wrong in ["activity_retention_days = 30", "retention_days = 90\nactivity_retention_days = 30"] {
        assert!(problems(&store(wrong)).contains("must not be less"), "{wrong}");
    }
    assert!(problems(&store("retention_days = 90\nupkeep_minutes = 0")).contains("needs upkeep"));
}

#[test]
fn a_secret_is_never_written_plainly_and_never_told() {
    let wrong = format!("{SOUND}[http]\ntoken = \"hunter2\"\n");
    assert!(!problems(&wrong).contains("hunter2"), "{}", problems(&wrong));
}
