use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Value<'_>, JsonError> {
    let mut cursor = Cursor::new(text, 0);
    let value = cursor.value()?;
    match cursor.peek() {
        Err(JsonError::End) => Ok(value),
        _ => Err(JsonError::Syntax { what: "more text", at: cursor.at() }),
    }
}

#[test]
fn agrees_with_serde_on_what_is_json() {
    for text in [
        r#"{"a":[1,2,{"b":null}],"c":"d\u00e9\n"}"#,
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "-0.5e+3",
        "01",
        "1.",
        ".5",
        "-",
        "1e",
        "tru",
        "true",
        "nul",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{,}",
        "[,1]",
        "{\"a\":}",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "\"",
        "\"\\",
        "{\"a\":1 \"b\":2}",
        "[1 2]",
        " [ 1 , 2 ] ",
        "[1}",
        "{\"a\":[}",
        "\u{feff}1",
        "12345678901234567890123456789",
        "\"\u{7f}\u{e9}\"",
        "[\"\\\\\"]",
        "{\"a\":{\"b\":{\"c\":{}}}}",
    ] {
        let ours = read(text).is_ok();
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        assert_eq!(ours, theirs, "{text:?}");
    }
}

#[test]
fn refuses_what_is_nested_too_deep() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(read(&deep(DEPTH_MAX as usize)).is_ok());
    assert!(read(&deep(DEPTH_MAX as usize + 1)).is_err());
}

#[test]
fn every_cut_is_an_end_or_an_error_and_never_a_value() {
    let text = r#"{"a":["x\u00e9y",-1.5e3,true,null,{"b":"c"}]}"#;
    for cut in 0..text.len() {
        assert_eq!(read(&text[..cut]).unwrap_err(), JsonError::End, "cut at {cut}");
    }
}

#[test]
fn notes_secrets_at_any_depth() {
    let text = r#"{"credentials":{"sessionToken":"abc","accessKeyId":"ASIA"},"x":[{"masterUserPassword":"p"}],"passwordResetRequired":true,"nextToken":"n"}"#;
    let mut cursor = Cursor::new(text, 0);
    cursor.value().unwrap();
    let found: Vec<_> = cursor.secrets.iter().map(|&(from, to)| &text[from..to]).collect();
    assert_eq!(found, ["\"abc\"", "\"p\""]);
}

#[test]
fn unescapes_like_serde() {
    for text in [r#""\ud83d\ude00""#, r#""\u0041\/\"\\\b\f\n\r\t""#, r#""plain""#, r#""é\u00e9""#] {
        let Ok(Value::String(string)) = read(text) else { panic!("{text}") };
        assert_eq!(string.value(), serde_json::from_str::<String>(text).unwrap(), "{text}");
    }
    let Ok(Value::String(lone)) = read(r#""\ud83dx""#) else { panic!() };
    assert_eq!(lone.value(), "\u{FFFD}x");
}

#[test]
fn a_skipper_gets_past_broken_values() {
    for (text, rest) in [("{\"a\":tru}x", "x"), ("{\"a\":\"}\\\"\"},1", ",1"), ("[1,{]}x", "x"), ("\"a\\\"b\",", ",")] {
        let end = Skipper::default().advance(text.as_bytes()).0.unwrap();
        assert_eq!(&text[end..], rest, "{text}");
    }
    assert_eq!(Skipper::default().advance(b"{\"a\":\"").0, None);
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Into::into),
        ".*".prop_map(serde_json::Value::String),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(".*", inner, 0..6).prop_map(|m| m.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn reads_all_that_serde_writes(value in json()) {
        let text = value.to_string();
        prop_assert!(read(&text).is_ok(), "{}", text);
        if matches!(value, serde_json::Value::Array(_) | serde_json::Value::Object(_)) {
            let mut skipper = Skipper::default();
            let mut at = 0;
            let bytes = format!("{text},").into_bytes();
            for cut in [bytes.len() / 3, bytes.len() / 2, bytes.len()] {
                let (end, used) = skipper.advance(&bytes[at..cut.max(at)]);
                at += used;
                if end.is_some() {
                    break;
                }
            }
            prop_assert_eq!(at, text.len());
        }
    }

    #[test]
    fn agrees_with_serde_on_any_text(text in r#"[\{\}\[\]",:a\\0-9 tfn\.eE-]{0,24}"#) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(read(&text).is_ok(), theirs, "{}", text);
    }

    #[test]
    fn strings_of_every_length_end_where_they_end(head in "[a-z]{0,40}", tail in "[a-z]{0,20}") {
        let text = format!("\"{head}\"{tail}");
        let mut cursor = Cursor::new(&text, 0);
        prop_assert_eq!(cursor.string().unwrap().raw, head.as_str());
        prop_assert_eq!(&text[cursor.at()..], tail.as_str());
    }
}
