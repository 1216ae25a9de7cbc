//! CSV by RFC 4180, made safe for spreadsheets.
//!
//! A text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return is run as a formula by spreadsheets, and in
//! these logs such texts are chosen by whoever calls AWS. They get a leading `'`, which spreadsheets take for "this is
//! text". Numbers and times are never touched. Whoever needs texts byte for byte takes JSON or Parquet.

use std::io::{self, Write};

/// One line. A null is an empty field, an empty text is `""`.
pub fn line(out: &mut dyn Write, cells: impl Iterator<Item = Option<(String, bool)>>) -> io::Result<()> {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        if let Some((text, is_text)) = cell {
            out.write_all(field(&text, is_text).as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}

/// A field, quoted where it must be. `is_text` says that it was chosen by somebody, not computed.
fn field(text: &str, is_text: bool) -> String {
    let defused = if is_text && text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if !text.is_empty() && !text.contains([',', '"', '\r', '\n']) && !text.starts_with(' ') && !text.ends_with(' ') {
        return format!("{defused}{text}");
    }
    format!("\"{defused}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_defused() {
        for (text, is_text, expected) in [
            ("plain", true, "plain"),
            ("a,b", true, "\"a,b\""),
            ("say \"hi\"", true, "\"say \"\"hi\"\"\""),
            ("two\r\nlines", true, "\"two\r\nlines\""),
            ("", true, "\"\""),
            ("=cmd|' /C calc'!A0", true, "'=cmd|' /C calc'!A0"),
            ("@SUM(1,2)", true, "\"'@SUM(1,2)\""),
            ("\t=1", true, "'\t=1"),
            ("-5", true, "'-5"),
            ("-5", false, "-5"),
            (" spaced ", true, "\" spaced \""),
        ] {
            assert_eq!(field(text, is_text), expected);
        }
    }

    #[test]
    fn null_is_not_the_empty_text() {
        let mut out = Vec::new();
        line(&mut out, [None, Some((String::new(), true)), Some(("7".into(), false))].into_iter()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), ",\"\",7\r\n");
    }
}
