//! Titles with `{column}` in them, and text that is fit to be shown.
//!
//! What a column holds was chosen by whoever made the call: a role session can be named with escape sequences, line
//! breaks or characters that turn the direction of writing. None of these may reach a terminal or a chat.

use std::fmt::Write;

/// The most characters of one value that are shown in a title.
pub const SHOWN_CHARS_MAX: usize = 200;

/// A text with `{column}` in it. `{{` and `}}` stand for the braces themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Column(String),
}

impl Template {
    /// Reads a template; the error is a phrase that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' if chars.next_if_eq(&'{').is_some() => plain.push('{'),
                '}' if chars.next_if_eq(&'}').is_some() => plain.push('}'),
                '}' => return Err("a `}` without its `{`".into()),
                '{' => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some(c) if c.is_ascii_alphanumeric() || c == '_' => name.push(c),
                            _ => return Err(format!("`{{{name}` is not closed by `}}`, or is not a column's name")),
                        }
                    }
                    if name.is_empty() {
                        return Err("`{}` names no column".into());
                    }
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                    parts.push(Part::Column(name));
                }
                c => plain.push(c),
            }
        }
        parts.push(Part::Text(plain));
        parts.retain(|p| !matches!(p, Part::Text(t) if t.is_empty()));
        Ok(Template { parts })
    }

    /// The columns that it names, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|p| match p {
            Part::Column(c) => Some(c.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text with every column replaced by what `value` gives for it, made fit to be shown.
    pub fn fill(&self, value: impl Fn(&str) -> String) -> String {
        self.parts.iter().fold(String::new(), |mut out, part| {
            match part {
                Part::Text(t) => out.push_str(t),
                Part::Column(c) => out.push_str(&shown(&value(c), SHOWN_CHARS_MAX)),
            }
            out
        })
    }
}

/// Text without control characters, line breaks and marks that turn the direction of writing or hide, cut after
/// `chars_max` characters.
pub fn shown(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max * 4));
    let mut kept = 0;
    for c in text.chars() {
        let c = match c {
            '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() || is_invisible(c) => continue,
            c => c,
        };
        if kept == chars_max {
            let _ = out.write_char('…');
            break;
        }
        out.push(c);
        kept += 1;
    }
    out
}

/// Bidirectional controls, zero-width characters, interlinear marks and tags: they change what a reader sees of the
/// characters beside them (Unicode Technical Report 36).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_filled_and_braces_escaped() {
        let t = Template::parse("{a}: {{x}} by {b_2}").unwrap();
        assert_eq!(t.columns().collect::<Vec<_>>(), ["a", "b_2"]);
        assert_eq!(t.fill(|c| c.to_uppercase()), "A: {x} by B_2");
    }

    #[test]
    fn broken_templates_are_refused() {
        for (text, expected) in [
            ("{a", "`{a` is not closed by `}`, or is not a column's name"),
            ("{a b}", "`{a` is not closed by `}`, or is not a column's name"),
            ("a}", "a `}` without its `{`"),
            ("{}", "`{}` names no column"),
        ] {
            assert_eq!(Template::parse(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn hostile_text_is_defused() {
        assert_eq!(shown("a\u{1b}[31mred\nnext\u{202e}gpj.exe\u{200b}", 200), "a[31mred nextgpj.exe");
        assert_eq!(shown(&"ä".repeat(300), 3), "äää…");
        assert_eq!(shown("äää", 3), "äää");
    }
}
