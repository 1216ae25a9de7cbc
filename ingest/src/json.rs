//! A validating JSON cursor that hands out raw spans.
//!
//! Decoding needs the nested parts of a record byte for byte as they were received, a few fields out of them, and all
//! of it in one pass: a tape or a DOM would throw the bytes away, and a lazy reader would read them twice. What comes
//! in is text that is known to be UTF-8; what goes out are slices of that text. Everything skipped is checked too, so
//! that a span that was handed out is JSON. The file is long because checking and handing out are one walk over the same
//! grammar; parts of it would have to trust each other's positions.

mod path;

use std::borrow::Cow;

pub use path::at_path;

/// Nesting beyond this is refused: CloudTrail's records are a dozen levels deep at most.
pub const DEPTH_MAX: u32 = 128;

/// Why text is not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("the text ends inside a value")]
    End,
    #[error("{what} at byte {at}")]
    Syntax { what: &'static str, at: usize },
}

/// A string as it stands between its quotes.
#[derive(Debug, Clone, Copy)]
pub struct RawString<'a> {
    pub raw: &'a str,
    pub escaped: bool,
}

impl<'a> RawString<'a> {
    /// The string's value.
    pub fn value(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
}

/// Appends a text as JSON, as serde_json writes it. Here, where loops over bytes are optimised: rules with memory do this
/// several times for every event.
#[inline(never)]
pub fn write_text(text: &str, out: &mut String) {
    let escapes = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    // Without a way out early, this is done for many bytes at a time.
    if text.bytes().fold(false, |found, byte| found | escapes(byte)) {
        out.push_str(&serde_json::to_string(text).expect("text is written as JSON"));
    } else {
        out.reserve(text.len() + 2);
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

/// What a value is, once read. Objects and arrays are raw text.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    String(RawString<'a>),
    Object(&'a str),
    Array(&'a str),
}

/// Where the value of a secret stands, as offsets in the cursor's text (quotes included).
pub type Span = (usize, usize);

/// A place in a text, moving forward only.
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// Values of members whose key names a secret, met while skipping.
    pub secrets: Vec<Span>,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str, at: usize) -> Self {
        Self { text, at, secrets: Vec::new() }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Text between two places that the cursor has been at.
    pub fn slice(&self, from: usize, to: usize) -> &'a str {
        &self.text[from..to]
    }

    /// The next byte that is not white space, which stays unread.
    #[inline]
    pub fn peek(&mut self) -> Result<u8, JsonError> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(JsonError::End),
            }
        }
    }

    fn syntax(&self, what: &'static str) -> JsonError {
        JsonError::Syntax { what, at: self.at }
    }

    #[inline]
    pub fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), JsonError> {
        if self.peek()? != byte {
            return Err(self.syntax(what));
        }
        self.at += 1;
        Ok(())
    }

    /// The key of the next member, with the cursor at its value; `None` at the object's end. `first` is true right
    /// after the opening brace.
    #[inline]
    pub fn member(&mut self, first: &mut bool) -> Result<Option<RawString<'a>>, JsonError> {
        if !self.element(b'}', first)? {
            return Ok(None);
        }
        let key = self.string()?;
        self.expect(b':', "a colon is missing")?;
        Ok(Some(key))
    }

    /// Whether there is another element before `close`.
    #[inline]
    pub fn element(&mut self, close: u8, first: &mut bool) -> Result<bool, JsonError> {
        let byte = self.peek()?;
        if byte == close {
            self.at += 1;
            return Ok(false);
        }
        if !std::mem::take(first) {
            if byte != b',' {
                return Err(self.syntax("a comma is missing"));
            }
            self.at += 1;
            if self.peek()? == close {
                return Err(self.syntax("a comma stands before the end"));
            }
        }
        Ok(true)
    }

    /// The string that comes next. Always inlined, as is [`Cursor::value`]: handed back through memory, what they give is
    /// read in other widths than it was written, for which the processor waits; that was an eighth of decoding.
    #[inline(always)]
    pub fn string(&mut self) -> Result<RawString<'a>, JsonError> {
        self.expect(b'"', "a string is missing")?;
        let from = self.at;
        let escaped = self.string_rest()?;
        Ok(RawString { raw: &self.text[from..self.at - 1], escaped })
    }

    /// Moves behind the closing quote; tells whether there were escapes.
    #[inline]
    fn string_rest(&mut self) -> Result<bool, JsonError> {
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        loop {
            self.at = special_byte(bytes, self.at);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.syntax("a control character stands in a string")),
                None => return Err(JsonError::End),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let Some(digits) = bytes.get(self.at + 2..self.at + 6) else { return Err(JsonError::End) };
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(self.syntax("an escape without four hexadecimal digits"));
                }
                self.at += 6;
            }
            Some(_) => return Err(self.syntax("an unknown escape")),
            None => return Err(JsonError::End),
        }
        Ok(())
    }

    /// The value that comes next, read to its end.
    #[inline(always)]
    pub fn value(&mut self) -> Result<Value<'a>, JsonError> {
        let byte = self.peek()?;
        let from = self.at;
        Ok(match byte {
            b'"' => Value::String(self.string()?),
            b'{' => {
                self.nested()?;
                Value::Object(&self.text[from..self.at])
            }
            b'[' => {
                self.nested()?;
                Value::Array(&self.text[from..self.at])
            }
            b't' => {
                self.literal("true")?;
                Value::Bool(true)
            }
            b'f' => {
                self.literal("false")?;
                Value::Bool(false)
            }
            b'n' => {
                self.literal("null")?;
                Value::Null
            }
            _ => {
                self.number()?;
                Value::Number(&self.text[from..self.at])
            }
        })
    }

    fn literal(&mut self, word: &'static str) -> Result<(), JsonError> {
        let bytes = &self.text.as_bytes()[self.at..];
        if bytes.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        if word.as_bytes().starts_with(bytes) { Err(JsonError::End) } else { Err(self.syntax("not a value")) }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let bytes = self.text.as_bytes();
        let from = self.at;
        while bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        match (self.at > from, self.at < bytes.len()) {
            (true, _) => Ok(()),
            (false, true) => Err(self.syntax("not a value")),
            (false, false) => Err(JsonError::End),
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let bytes = self.text.as_bytes();
        if bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Moves behind the object or array that begins here, checking it and noting the secrets in it.
    fn nested(&mut self) -> Result<(), JsonError> {
        // One bit a level: 1 for an object, 0 for an array; the lowest is the innermost.
        let mut levels: u128 = 0;
        let mut depth = 0;
        let mut first;
        loop {
            // At a value.
            match self.peek()? {
                open @ (b'{' | b'[') => {
                    if depth == DEPTH_MAX {
                        return Err(self.syntax("nested too deep"));
                    }
                    self.at += 1;
                    depth += 1;
                    levels = levels << 1 | u128::from(open == b'{');
                    first = true;
                }
                b'"' => {
                    self.at += 1;
                    self.string_rest()?;
                    first = false;
                }
                b't' => {
                    self.literal("true")?;
                    first = false;
                }
                b'f' => {
                    self.literal("false")?;
                    first = false;
                }
                b'n' => {
                    self.literal("null")?;
                    first = false;
                }
                _ => {
                    self.number()?;
                    first = false;
                }
            }
            // Behind a value or an opening bracket: close what ends here, then on to the next value.
            loop {
                let object = levels & 1 == 1;
                if self.element(if object { b'}' } else { b']' }, &mut first)? {
                    if object {
                        self.nested_key()?;
                    }
                    break;
                }
                depth -= 1;
                levels >>= 1;
                first = false;
                if depth == 0 {
                    return Ok(());
                }
            }
        }
    }

    #[inline]
    fn nested_key(&mut self) -> Result<(), JsonError> {
        let key = self.string()?;
        self.expect(b':', "a colon is missing")?;
        if is_secret(key.raw) && self.peek()? == b'"' {
            self.note_secret()?;
        }
        Ok(())
    }

    /// Notes the string that comes next as a secret, without moving.
    pub fn note_secret(&mut self) -> Result<(), JsonError> {
        let from = self.at;
        let value = self.string()?;
        if !value.raw.is_empty() {
            self.secrets.push((from, self.at));
        }
        self.at = from;
        Ok(())
    }
}

/// The place of the next quote, backslash or control character at or after `at`, else the end. Eight bytes a step.
#[inline]
fn special_byte(bytes: &[u8], mut at: usize) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (LOW * b'"' as u64);
        let backslash = word ^ (LOW * b'\\' as u64);
        // Exact for the lowest byte that matches, which is the one that is asked for.
        let found = (quote.wrapping_sub(LOW) & !quote
            | backslash.wrapping_sub(LOW) & !backslash
            | word.wrapping_sub(LOW * 0x20) & !word)
            & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|&b| b != b'"' && b != b'\\' && b >= 0x20) {
        at += 1;
    }
    at
}

/// Whether a member of this name holds a secret: session tokens, passwords, secret keys and the like. Only strings
/// are ever replaced, so that settings such as `passwordResetRequired` stay.
#[inline]
pub fn is_secret(key: &str) -> bool {
    let bytes = key.as_bytes();
    let Some(tail) = bytes.last_chunk::<4>() else { return false };
    let tail = u32::from_le_bytes(*tail) | 0x2020_2020;
    const fn word(text: &[u8; 4]) -> u32 {
        u32::from_le_bytes(*text) | 0x2020_2020
    }
    const OKEN: u32 = word(b"oken");
    const WORD: u32 = word(b"word");
    const EKEY: u32 = word(b"ekey");
    const SKEY: u32 = word(b"skey");
    const RING: u32 = word(b"ring");
    const NARY: u32 = word(b"nary");
    const CRET: u32 = word(b"cret");
    const TION: u32 = word(b"tion");
    const TURE: u32 = word(b"ture");
    match tail {
        WORD => true,
        OKEN | EKEY | SKEY | RING | NARY | CRET | TION | TURE => secret_name(key),
        _ => false,
    }
}

#[cold]
fn secret_name(key: &str) -> bool {
    let name: String = key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    matches!(
        name.as_str(),
        "sessiontoken"
            | "securitytoken"
            | "xamzsecuritytoken"
            | "secretaccesskey"
            | "privatekey"
            | "secretstring"
            | "secretbinary"
            | "secret"
            | "clientsecret"
            | "authtoken"
            | "accesstoken"
            | "refreshtoken"
            | "idtoken"
            | "bearertoken"
            | "oauthtoken"
            | "signintoken"
            | "authorizationtoken"
            | "webidentitytoken"
            | "samlassertion"
            | "xamzsignature"
            | "signingprivatekey"
            | "servicesecret"
    )
}

/// The value of a string whose escapes have been checked. A lone surrogate becomes U+FFFD.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let bytes = rest.as_bytes();
        let mut used = 2;
        match bytes[at + 1] {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let (character, length) = unicode_escape(&bytes[at..]);
                out.push(character);
                used = length;
            }
            other => out.push(char::from(other)),
        }
        rest = &rest[at + used..];
    }
    out.push_str(rest);
    out
}

/// The character of `\uXXXX` (or a surrogate pair of them) at the start of `bytes`, and the escape's length.
fn unicode_escape(bytes: &[u8]) -> (char, usize) {
    let unit = |at: usize| -> Option<u32> {
        let escape = bytes.get(at..at + 6)?;
        (escape[0] == b'\\' && escape[1] == b'u')
            .then(|| escape[2..].iter().try_fold(0, |n, &b| Some(n * 16 + char::from(b).to_digit(16)?)))?
    };
    let first = unit(0).unwrap_or(0xFFFD);
    if (0xD800..0xDC00).contains(&first)
        && let Some(second) = unit(6).filter(|low| (0xDC00..0xE000).contains(low))
    {
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(code).unwrap_or('\u{FFFD}'), 12);
    }
    (char::from_u32(first).unwrap_or('\u{FFFD}'), 6)
}

/// Finds the end of a value by brackets and quotes alone: good enough to get past a value that is not JSON inside, or
/// that is too large to hold. Bytes may come in pieces and need not be UTF-8.
#[derive(Debug, Default)]
pub struct Skipper {
    depth: usize,
    in_string: bool,
}

impl Skipper {
    /// The number of bytes up to the value's end, or `None` with the number of bytes that were used when the end has
    /// not come yet. (A backslash at the very end of a piece is left for the next one.)
    pub fn advance(&mut self, bytes: &[u8]) -> (Option<usize>, usize) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.in_string {
                match memchr::memchr2(b'"', b'\\', &bytes[at..]) {
                    None => return (None, bytes.len()),
                    Some(next) if bytes[at + next] == b'\\' => {
                        if at + next + 1 >= bytes.len() {
                            return (None, at + next);
                        }
                        at += next + 2;
                    }
                    Some(next) => {
                        at += next + 1;
                        self.in_string = false;
                        if self.depth == 0 {
                            return (Some(at), at);
                        }
                    }
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth == 0 => return (Some(at), at),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (Some(at + 1), at + 1);
                    }
                }
                b',' | b'\n' if self.depth == 0 => return (Some(at), at),
                _ => {}
            }
            at += 1;
        }
        (None, at)
    }
}

#[cfg(test)]
mod tests;
