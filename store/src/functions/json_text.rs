//! `json_text(json, key [, key …])`: the scalar at a path, as text.
//!
//! The text is scanned for the path and nothing else: values that are not on it are skipped without being read, and no
//! tree is built. Text that is not JSON gives null from the point where that shows.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::StringViewBuilder;
use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::text::Texts;

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonText {
    signature: Signature,
}

pub(super) fn function() -> ScalarUDF {
    let signature = Signature::new(TypeSignature::Variadic(vec![DataType::Utf8View]), Volatility::Immutable);
    ScalarUDF::new_from_impl(JsonText { signature })
}

impl ScalarUDFImpl for JsonText {
    fn name(&self) -> &str {
        "json_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        if args.len() < 2 {
            return Err(DataFusionError::Plan("json_text takes the JSON and at least one key".into()));
        }
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = Texts::new(&args.args)?;
        let keys = args.args.len() - 1;
        let mut found = StringViewBuilder::with_capacity(texts.rows);
        let mut path = Vec::with_capacity(keys);
        for row in 0..texts.rows {
            path.clear();
            path.extend((1..=keys).map_while(|key| texts.get(key, row)));
            let json = texts.get(0, row).filter(|_| path.len() == keys);
            found.append_option(json.and_then(|json| json_text(json, &path)));
        }
        Ok(ColumnarValue::Array(Arc::new(found.finish())))
    }
}

/// The text of the value at a path: of a string what it says, of anything else its JSON; null and absence are `None`.
/// A key that is a number also names an element of an array. Of equal keys the first counts.
pub fn json_text<'a>(json: &'a str, path: &[&str]) -> Option<Cow<'a, str>> {
    let mut scan = Scan { json, at: 0 };
    for key in path {
        match scan.next()? {
            b'{' => scan.enter_object(key)?,
            b'[' => scan.enter_array(key.parse().ok()?)?,
            _ => return None,
        }
    }
    if scan.next()? == b'"' {
        return scan.string().map(unescape);
    }
    let start = scan.at;
    scan.skip_value()?;
    let value = json[start..scan.at].trim_end();
    (value != "null" && !value.is_empty()).then_some(Cow::Borrowed(value))
}

struct Scan<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// The next byte that is not white space; it is not consumed.
    fn next(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        while matches!(bytes.get(self.at)?, b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        Some(bytes[self.at])
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.at += 1)
    }

    /// Moves to the value of a key in the object that begins here.
    fn enter_object(&mut self, key: &str) -> Option<()> {
        self.take(b'{')?;
        loop {
            if self.next()? != b'"' {
                return None;
            }
            let name = self.string()?;
            self.take(b':')?;
            if name == key || name.contains('\\') && unescape(name) == key {
                return Some(());
            }
            self.skip_value()?;
            self.take(b',')?;
        }
    }

    /// Moves to an element of the array that begins here.
    fn enter_array(&mut self, index: usize) -> Option<()> {
        self.take(b'[')?;
        if self.next()? == b']' {
            return None;
        }
        for _ in 0..index {
            self.skip_value()?;
            self.take(b',')?;
        }
        Some(())
    }

    /// The inside of the string that begins here, still escaped.
    fn string(&mut self) -> Option<&'a str> {
        let bytes = self.json.as_bytes();
        let start = self.at + 1;
        let mut at = start;
        loop {
            match bytes.get(at)? {
                b'"' => break,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Some(&self.json[start..at])
    }

    fn skip_value(&mut self) -> Option<()> {
        match self.next()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => self.skip_nested(),
            _ => {
                let rest = &self.json.as_bytes()[self.at..];
                self.at += rest.iter().position(|b| matches!(b, b',' | b'}' | b']')).unwrap_or(rest.len());
                Some(())
            }
        }
    }

    /// Skips an object or array by counting brackets, however deep it goes.
    fn skip_nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.json.as_bytes().get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}

/// What an escaped string says. Escapes that mean nothing stay as they are.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    match serde_json::from_str::<String>(&format!("\"{text}\"")) {
        Ok(said) => Cow::Owned(said),
        Err(_) => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, path: &[&str], expected: Option<&str>) {
        assert_eq!(json_text(json, path).as_deref(), expected, "{path:?} in {json}");
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
            assert_eq!(json_text(text, &["a"]), None, "{text:.20}");
        }
        check("{\"b\":\"\\é\",\"a\":1}", &["a"], Some("1"));
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
                let found = json_text(&text, &path);
                proptest::prop_assert_eq!(found.as_deref(), Some(wanted));
            }
        }

        #[test]
        fn never_panics(text in "[\\[\\]{}\",:\\\\a0é ]{0,40}", key in "[a0]{0,2}") {
            let path = [key.as_str(), key.as_str()];
            let _ = (json_text(&text, &path), json_text(&text, &path[..1]));
        }
    }
}
