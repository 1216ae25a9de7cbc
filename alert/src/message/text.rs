//! Text from logs, made fit for people and for formats. Whoever calls AWS chooses user agents, session names and half of
//! every error message.

/// The first `max` characters, with an ellipsis in place of the last where there are more.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// One line in which nothing hides: control characters as their pictures, characters that nobody sees or that turn the
/// direction of text as `⟨U+202E⟩`.
pub(crate) fn visible(text: &str) -> String {
    shown(text, false)
}

/// The same for text of several lines.
pub(crate) fn visible_lines(text: &str) -> String {
    shown(text, true)
}

fn shown(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if lines => out.push('\n'),
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            '\x7f' => out.push('␡'),
            c if hides(c) => out.push_str(&format!("⟨U+{:04X}⟩", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// C1 controls, marks of direction, joiners and spaces of no width, fillers, separators, tags.
fn hides(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A word for a POSIX shell.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A text in double quotes for a POSIX shell. Only for SQL of our own, whose values are known to be harmless.
pub(crate) fn shell_double(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides() {
        assert_eq!(visible("a\u{202e}b\n\u{1b}[31m\u{200b}"), "a⟨U+202E⟩b␊␛[31m⟨U+200B⟩");
        assert_eq!(visible_lines("a\nb\rc"), "a\nb␍c");
        assert_eq!(visible("Jürgen 工具 ✓"), "Jürgen 工具 ✓");
    }

    #[test]
    fn cuts_and_quotes() {
        assert_eq!(cut("ééé", 3), "ééé");
        assert_eq!(cut("éééé", 3), "éé…");
        assert_eq!(shell_word("ana@example.com"), "ana@example.com");
        assert_eq!(shell_word("it's $(rm)"), r"'it'\''s $(rm)'");
        assert_eq!(shell_word("-x"), "'-x'");
        assert_eq!(shell_double("SELECT \"a\" FROM `b` $c"), r#""SELECT \"a\" FROM \`b\` \$c""#);
    }
}
