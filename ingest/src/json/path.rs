//! One value of a text, by its path.
//!
//! The text is walked up to the value and no further, and no tree is built. It is asked for many times for an event, so this
//! stands beside the cursor, where loops over bytes are optimised.

use std::borrow::Cow;

use super::{Cursor, JsonError, Value};

/// The text of the value at a path: of a string what it says, of anything else its JSON; null, absence and text that shows
/// itself not to be JSON on the way there are `None`. A key that is a number also names an element of an array. Of equal
/// keys the first counts.
pub fn at_path<'a>(json: &'a str, path: &[&str]) -> Option<Cow<'a, str>> {
    let mut cursor = Cursor::new(json, 0);
    let there = path.iter().try_fold(true, |there, key| Ok::<_, JsonError>(there && enter(&mut cursor, key)?));
    if !there.ok()? {
        return None;
    }
    match cursor.value().ok()? {
        Value::Null => None,
        Value::String(text) => Some(text.value()),
        Value::Bool(flag) => Some(Cow::Borrowed(if flag { "true" } else { "false" })),
        Value::Number(text) | Value::Object(text) | Value::Array(text) => Some(Cow::Borrowed(text)),
    }
}

/// Moves to the value of a key in the object or array that begins here; false if there is none.
fn enter(cursor: &mut Cursor<'_>, key: &str) -> Result<bool, JsonError> {
    let mut first = true;
    match cursor.peek()? {
        b'{' => {
            cursor.expect(b'{', "an object is missing")?;
            while let Some(name) = cursor.member(&mut first)? {
                if name.raw == key || name.escaped && name.value() == key {
                    return Ok(true);
                }
                cursor.value()?;
            }
        }
        b'[' => {
            let Ok(index) = key.parse::<usize>() else { return Ok(false) };
            cursor.expect(b'[', "an array is missing")?;
            let mut at = 0;
            while cursor.element(b']', &mut first)? {
                if at == index {
                    return Ok(true);
                }
                cursor.value()?;
                at += 1;
            }
        }
        _ => {}
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, path: &[&str], expected: Option<&str>) {
        assert_eq!(at_path(json, path).as_deref(), expected, "{path:?} in {json}");
    }

    #[test]
    fn paths() {
        let json = r#" { "a" : "x", "b":{"c":[1, {"d":"y\"z\u00e9"}, null], "e":true}, "n":-1.5e3 , "o":null} "#;
        check(json, &["a"], Some("x"));
        check(json, &["b", "c", "0"], Some("1"));
        check(json, &["b", "c", "1", "d"], Some("y\"zé"));
        check(json, &["b", "c", "1"], Some(r#"{"d":"y\"z\u00e9"}"#));
        check(json, &["b", "c", "2"], None);
        check(json, &["b", "c", "3"], None);
        check(json, &["b", "e"], Some("true"));
        check(json, &["n"], Some("-1.5e3"));
        check(json, &["o"], None);
        check(json, &["missing"], None);
        check(json, &["a", "x"], None);
        check(r#"{"k\u0065y":"found"}"#, &["key"], Some("found"));
        check(r#"{"a\"b":1}"#, &[r#"a"b"#], Some("1"));
        check("[]", &["0"], None);
        check("{}", &["a"], None);
    }

    #[test]
    fn hostile_text_gives_nothing() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "{",
            "{\"",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":\"",
            "{\"a\":\"\\",
            "nul",
            "}",
            "]",
            deep.as_str(),
            "{\"a\":}}",
        ] {
            assert_eq!(at_path(text, &["a"]), None, "{text:.20}");
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_a_parser(keys in proptest::collection::vec("[a-c\\\\\"é]{0,3}", 1..6), value in "\\PC{0,20}") {
            let mut object = serde_json::Map::new();
            for (at, key) in keys.iter().enumerate() {
                let inside = serde_json::json!({ "deep": [at, value.clone()] });
                object.insert(key.clone(), inside);
            }
            let text = serde_json::to_string(&object).unwrap();
            for key in &keys {
                let wanted = object[key.as_str()]["deep"][1].as_str().unwrap();
                let path = [key.as_str(), "deep", "1"];
                let found = at_path(&text, &path);
                proptest::prop_assert_eq!(found.as_deref(), Some(wanted));
            }
        }

        #[test]
        fn never_panics(text in "[\\[\\]{}\",:\\\\a0é ]{0,40}", key in "[a0]{0,2}") {
            let path = [key.as_str(), key.as_str()];
            let _ = (at_path(&text, &path), at_path(&text, &path[..1]));
        }
    }
}
