use super::*;

const TEXT: &str = r#"
    [[account]]
    id = "111122223333"
    name = "production"
    owner = "platform@example.com"

    [[list]]
    name = "vpn"
    owner = "network@example.com"
    reason = "exits of the company's VPN"
    expires = "never"
    values = ["203.0.113.0/24", "2001:db8::/32"]

    [[list]]
    name = "vpn"
    owner = "network@example.com"
    reason = "until the office has moved"
    expires = 2026-03-31
    values = ["198.51.100.7", "arn:aws:iam::*:role/move-*"]

    [[list]]
    name = "change_windows"
    owner = "platform@example.com"
    reason = "a night's work"
    begins = 2026-01-31T22:00:00+01:00
    expires = 2026-02-01T02:00:00Z
    values = ["111122223333"]
"#;

/// Midnight of a day in 2026, µs since the epoch.
fn at(month: i8, day: i8) -> Option<i64> {
    let midnight = jiff::civil::date(2026, month, day).at(0, 0, 0, 0);
    Some(jiff::tz::TimeZone::UTC.to_timestamp(midnight).unwrap().as_microsecond())
}

#[test]
fn lists_hold_networks_words_and_patterns_up_to_their_end() {
    let site = Site::parse(TEXT, "site.toml").unwrap();
    for (value, time, expected) in [
        ("203.0.113.9", None, true),
        ("203.0.114.9", None, false),
        ("2001:db8:1::1", None, true),
        ("198.51.100.7", at(3, 31), true),
        ("198.51.100.7", at(4, 1), false),
        // Nobody says when: it may be over.
        ("198.51.100.7", None, false),
        ("arn:aws:iam::111122223333:role/move-boxes", at(1, 1), true),
        ("arn:aws:iam::111122223333:role/stay", at(1, 1), false),
        ("", at(1, 1), false),
    ] {
        assert_eq!(site.has("vpn", value, time), expected, "{value} {time:?}");
    }
    for (time, expected) in [(None, false), (at(1, 31), false), (at(2, 1), true), (at(2, 2), false)] {
        assert_eq!(site.has("change_windows", "111122223333", time), expected, "{time:?}");
    }
    let hour = 3_600_000_000;
    let begins = at(2, 1).unwrap() - 3 * hour;
    assert!(site.has("change_windows", "111122223333", Some(begins)));
    assert!(!site.has("change_windows", "111122223333", Some(begins - 1)));
    assert!(!site.has("change_windows", "111122223333", Some(begins + 5 * hour)));
    assert!(site.has("own_accounts", "111122223333", None) && !site.has("own_accounts", "444455556666", None));
    assert!(!site.has("office", "203.0.113.9", None));
    assert_eq!(site.account_names()["111122223333"], "production");
    assert_ne!(site.version(), Site::parse("", "site.toml").unwrap().version());
}

#[test]
fn accounts_are_named_where_their_ids_stand_alone() {
    let site = Site::parse(TEXT, "site.toml").unwrap();
    for (text, expected) in [
        ("Account 111122223333: root's key", "Account production (111122223333): root's key"),
        ("ana of 111122223333", "ana of production (111122223333)"),
        ("role/x in (111122223333), 444455556666", "role/x in (production (111122223333)), 444455556666"),
        (
            "arn:aws:iam::111122223333:root and root:111122223333",
            "arn:aws:iam::111122223333:root and root:111122223333",
        ),
        ("1111222233334", "1111222233334"),
        ("", ""),
    ] {
        assert_eq!(site.name_accounts(text), expected);
    }
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    for (from, to, said) in [
        ("\"111122223333\"", "\"1111\"", "`1111` is no account; an account's id has twelve digits"),
        ("203.0.113.0/24", "203.0.113.0/33", "list `vpn`: `203.0.113.0/33` is no network; write it as 10.0.0.0/8"),
        ("\"never\"", "\"later\"", "list `vpn`: `later` is no day; write `expires = 2027-06-30`, or \"never\""),
        ("\"network@example.com\"", "\" \"", "list `vpn`: it lacks an owner or a reason"),
        ("\"vpn\"", "\"V P N\"", "list `V P N`: that is no name; use small letters, digits and `_`"),
        ("reason", "why", "unknown field `why`"),
        ("expires = 2026-03-31\n", "", "missing field `expires`"),
        ("2026-03-31", "22:00:00", "list `vpn`: `22:00:00` is neither a day nor a moment; write a day in UTC"),
        ("T02:00:00Z", "T02:00:00", "`2026-02-01T02:00:00` is neither a day nor a moment"),
        ("2026-02-01T02", "2026-01-01T02", "list `change_windows`: it expires before it begins"),
    ] {
        let error = Site::parse(&TEXT.replacen(from, to, 1), "site.toml").unwrap_err().to_string();
        assert!(error.contains("site.toml") && error.contains(said), "{said} is not in: {error}");
    }
}

#[tokio::test]
async fn sql_asks_them() {
    let session = SessionContext::new();
    Arc::new(Site::parse(TEXT, "site.toml").unwrap()).register(&session).unwrap();
    let ask =
        "SELECT in_site('vpn', '203.0.113.9'), in_site('vpn', arrow_cast(NULL, 'Utf8View')), in_site('none', 'x'),
        in_site('vpn', '198.51.100.7', arrow_cast('2026-03-31T23:59:59Z', 'Timestamp(Microsecond, Some(\"UTC\"))')),
        account_name('111122223333'), account_name('1') IS NULL,
        outside_site('own_accounts', '111122223333,444455556666, 1'), outside_site('own_accounts', ',111122223333') IS NULL,
        outside_site('none', '7'), outside_site('vpn', arrow_cast(NULL, 'Utf8View')) IS NULL,
        (SELECT count(*) FROM site_lists WHERE owner = 'network@example.com'), (SELECT name FROM site_accounts)";
    let rows = session.sql(ask).await.unwrap().collect().await.unwrap();
    let shown = arrow::util::pretty::pretty_format_batches(&rows).unwrap().to_string();
    let row: Vec<&str> = shown.lines().nth(3).unwrap().split('|').map(str::trim).collect();
    let expected = "true false false true production true 444455556666,1 true 7 true 4 production";
    assert_eq!(row[1..13].join(" "), expected);
}
