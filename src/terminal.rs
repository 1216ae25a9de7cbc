//! What is safe to print for people.
//!
//! Logs are hostile data: whoever calls AWS chooses the user agent, the session name and half of every error message.
//! Printed as they are, these could move the cursor, rewrite lines above, set the window's title or show text in another
//! order than it is read. So everything that goes to a terminal goes through [`clean`] or [`clean_lines`], which
//! replace such characters by visible ones.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

/// One line, safe to print: control characters are shown as their pictures (`␛` for escape, `␊` for a line's end), and
/// characters that turn the direction of text or that nobody sees become `�`.
pub fn clean(text: &str) -> Cow<'_, str> {
    replace(text, picture)
}

/// Like [`clean`] for text of our own that has several lines.
pub fn clean_lines(text: &str) -> Cow<'_, str> {
    replace(text, |c| if c == '\n' { None } else { picture(c) })
}

/// JSON text, safe to print and still the same JSON: these characters only stand inside of strings, where they can be
/// escaped.
pub fn clean_json(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| c == '\n' || picture(c).is_none()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c == '\n' || picture(c).is_none() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Cow::Owned(out)
}

fn replace(text: &str, picture: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    if text.chars().all(|c| picture(c).is_none()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| picture(c).unwrap_or(c)).collect())
}

/// What is printed in a character's place, if it is not safe.
fn picture(c: char) -> Option<char> {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32),
        '\x7f' => Some('␡'),
        // C1 controls, of which some terminals take U+009B for an escape sequence.
        '\u{80}'..='\u{9f}' => Some('\u{fffd}'),
        // Marks, embeddings, overrides and isolates of direction.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => Some('\u{fffd}'),
        // Line and paragraph separators.
        '\u{2028}' | '\u{2029}' => Some('\u{fffd}'),
        // What nobody sees: soft hyphen, zero width, fillers, annotations, tags, variation selectors for them.
        '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{3164}' | '\u{feff}' => Some('\u{fffd}'),
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => Some('\u{fffd}'),
        _ => None,
    }
}

/// Columns of the terminal that standard output is; `None` where it is a file or a pipe.
pub fn width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let width = terminal_size::terminal_size_of(std::io::stdout()).map_or(80, |(width, _)| usize::from(width.0));
    Some(width.max(20))
}

/// Whether standard output may be coloured: it is a terminal and `NO_COLOR` is not set.
pub fn coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes lines of text to standard output. Unlike `println!` it does not panic when the reader has gone.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Standard output for what is written in many parts; whoever has it flushes it.
pub fn output() -> impl Write {
    std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock())
}

/// Whether an error only says that nobody reads any more (`| head`): that is no failure.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_and_not_obeyed() {
        for (hostile, shown) in [
            ("aws-cli/2.0", "aws-cli/2.0"),
            ("\x1b]0;owned\x07", "␛]0;owned␇"),
            ("a\r\nb\tc", "a␍␊b␉c"),
            ("admin\u{202e}txt.exe", "admin\u{fffd}txt.exe"),
            ("\u{9b}2J", "\u{fffd}2J"),
            ("zero\u{200b}width\u{e0041}", "zero\u{fffd}width\u{fffd}"),
            ("Zoë 雪 🐕", "Zoë 雪 🐕"),
        ] {
            assert_eq!(clean(hostile), shown);
            assert_eq!(clean(shown), shown);
        }
        assert_eq!(clean_lines("one\ntwo\x1b"), "one\ntwo␛");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({"agent": "a\u{202e}b\u{7f}\u{e0041}\u{9b}", "n": 1});
        let text = value.to_string();
        let cleaned = clean_json(&text);
        assert!(cleaned.chars().all(|c| picture(c).is_none()), "{cleaned}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&cleaned).unwrap(), value);
    }

    #[test]
    fn a_closed_pipe_is_found_below_its_context() {
        let error = anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe)).context("cannot print");
        assert!(is_closed_pipe(&error));
        assert!(!is_closed_pipe(&anyhow::anyhow!("other")));
    }
}
