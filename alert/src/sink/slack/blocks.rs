//! A message as Slack blocks.
//!
//! Text of our own is `mrkdwn`; values from logs stand in code spans in which nothing is markup, or in `plain_text`.
//! `& < >` are escaped (docs.slack.dev, "Formatting message text"), so that no `<!channel>` or link can be written, and
//! `verbatim` keeps Slack from making links of what looks like one.
//!
//! Limits: a header 150 characters, a section's text 3,000, at most 10 fields of 2,000 characters and 50 blocks; and,
//! undocumented (slackapi/bolt-js#2509), some 13,000 characters in all.

use serde_json::{Value, json};
use trailhound_detect::Severity;

use crate::incident::State;
use crate::message::Message;
use crate::message::text::{cut, visible, visible_lines};

const HEADER_CHARS_MAX: usize = 150;
const SECTION_CHARS_MAX: usize = 3_000;
/// Slack takes 2,000; all of them together must leave room for the rest.
const FIELD_CHARS_MAX: usize = 800;
const FIELD_VALUE_CHARS_MAX: usize = 140;
const FALLBACK_CHARS_MAX: usize = 500;
/// All blocks together, well below where Slack refuses.
const TOTAL_CHARS_MAX: usize = 11_000;
/// Of one value in a code span. Escaping makes five characters of one at worst.
const VALUE_CHARS_MAX: usize = 300;
/// Values in one field.
const FIELD_VALUES_MAX: usize = 5;
const TITLE_CHARS_MAX: usize = 200;
/// Parts that may be left out are cut to this.
const PART_CHARS_MAX: usize = 2_400;

/// What notifications show.
pub(super) fn fallback(message: &Message) -> String {
    let text = format!("{} {} {}", label(message), message.id, code(&message.title, TITLE_CHARS_MAX));
    cut(&text, FALLBACK_CHARS_MAX)
}

/// The findings that came since the incident was told here last, for its thread; and its end.
pub(super) fn news(message: &Message) -> Option<String> {
    let lines: Vec<String> = message.findings.iter().filter(|line| line.new).map(finding).collect();
    if message.state == State::Closed || message.state == State::Acknowledged && lines.is_empty() {
        return Some(format!("{} is {}", message.id, standing(message)));
    }
    if lines.is_empty() {
        return None;
    }
    Some(within(&lines, 0, "new findings", PART_CHARS_MAX))
}

/// The message.
pub(super) fn blocks(message: &Message) -> Value {
    let header = cut(&format!("{} {}", label(message), visible(&message.title)), HEADER_CHARS_MAX);
    let mut blocks = vec![json!({"type": "header", "text": {"type": "plain_text", "text": header, "emoji": false}})];
    blocks.push(section(&format!("*{}* · {} · {}", message.id, standing(message), message.when())));
    let fields = fields(message);
    if !fields.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    if message.findings_total > 1 {
        let lines: Vec<String> = message.findings.iter().map(finding).collect();
        blocks.push(section(&within(&lines, message.unlisted(), "findings", PART_CHARS_MAX)));
    }
    // From what people need first to what they can look up.
    let mut more = Vec::new();
    if !message.explanation.is_empty() {
        more.push(plain(&message.explanation));
    }
    let evidence: Vec<String> = message
        .evidence
        .iter()
        .map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{}: {}", escape(&visible(name)), code(&value, VALUE_CHARS_MAX))
        })
        .collect();
    if !evidence.is_empty() {
        more.push(section(&within(&evidence, 0, "pieces of evidence", PART_CHARS_MAX)));
    }
    if !message.runbook.is_empty() {
        more.push(plain(&message.runbook));
    }
    for command in [&message.investigate, &message.sql].into_iter().flatten() {
        more.push(section(&fenced(command)));
    }
    if !message.references.is_empty() {
        more.push(plain(&message.references.join("\n")));
    }
    let last = closing(message);
    let mut room = TOTAL_CHARS_MAX.saturating_sub(length(&last) + blocks.iter().map(length).sum::<usize>());
    for block in more {
        // What does not fit is left out whole: half a command would be worse than none.
        if length(&block) <= room {
            room -= length(&block);
            blocks.push(block);
        }
    }
    blocks.push(last);
    Value::Array(blocks)
}

fn standing(message: &Message) -> String {
    escape(&cut(&visible(&message.standing()), TITLE_CHARS_MAX))
}

fn label(message: &Message) -> String {
    let word = match (message.kind.as_str(), message.state) {
        ("test", _) => "TEST",
        (_, State::Closed) => "CLOSED",
        (_, State::Acknowledged) => "ACKNOWLEDGED",
        (_, State::Open) => match message.severity {
            Severity::Critical => "CRITICAL",
            Severity::High => "HIGH",
            Severity::Medium => "MEDIUM",
            Severity::Low => "LOW",
            Severity::Info => "INFO",
        },
    };
    format!("[{word}]")
}

fn fields(message: &Message) -> Vec<Value> {
    let accounts = message.account_names();
    [
        ("Person", &message.people),
        ("Who", &message.principals),
        ("From", &message.sources),
        ("Account", &accounts),
        ("Region", &message.regions),
        ("ATT&amp;CK", &message.attack),
    ]
    .into_iter()
    .filter(|(_, values)| !values.is_empty())
    .map(|(name, values)| {
        let lines: Vec<String> =
            values.iter().take(FIELD_VALUES_MAX).map(|value| code(value, FIELD_VALUE_CHARS_MAX)).collect();
        let text = format!("*{name}*\n{}", within(&lines, 0, "others", FIELD_CHARS_MAX - 50));
        json!({"type": "mrkdwn", "text": text, "verbatim": true})
    })
    .collect()
}

/// What stands at the end of every message: how to find it again, and who waits.
fn closing(message: &Message) -> Value {
    let mut text = format!("incident {} · revision {}", message.id, message.revision);
    if message.waiting > 0 {
        text.push_str(&format!(
            " · {} more alerts wait, because the limit a minute of this sink is reached",
            message.waiting
        ));
    }
    json!({"type": "context", "elements": [{"type": "plain_text", "text": text, "emoji": false}]})
}

fn finding(line: &crate::message::Line) -> String {
    let count = if line.count > 1 { format!(" ({} events)", line.count) } else { String::new() };
    format!("• *{}* {}{count} · {}", line.severity, code(&line.title, TITLE_CHARS_MAX), line.first_time)
}

/// As many lines as fit, whole, and how many do not; `more` are not among them in the first place.
fn within(lines: &[String], more: u64, what: &str, max: usize) -> String {
    let mut text = String::new();
    let mut used = 0;
    let mut left = lines.len() as u64 + more;
    for line in lines {
        used += line.chars().count() + 1;
        if used > max {
            break;
        }
        text.push_str(line);
        text.push('\n');
        left -= 1;
    }
    if left > 0 {
        text.push_str(&format!("… and {left} more {what}"));
    }
    text.truncate(text.trim_end().len());
    text
}

fn section(mrkdwn: &str) -> Value {
    // Only a backstop: what is put together here is below it. A cut must not open an entity or a span.
    debug_assert!(mrkdwn.chars().count() <= SECTION_CHARS_MAX, "{mrkdwn}");
    json!({"type": "section", "text": {"type": "mrkdwn", "text": cut(mrkdwn, SECTION_CHARS_MAX), "verbatim": true}})
}

/// Text in which nothing is markup.
fn plain(text: &str) -> Value {
    let text = cut(&visible_lines(text), PART_CHARS_MAX);
    json!({"type": "section", "text": {"type": "plain_text", "text": text, "emoji": false}})
}

/// A value in a code span.
fn code(value: &str, max: usize) -> String {
    let value = visible(value).replace('`', "ˋ");
    let value = value.trim();
    if value.is_empty() { "–".into() } else { format!("`{}`", escape(&cut(value, max))) }
}

/// A command line in a block of code. It may hold a backtick only inside of quotes of ours.
fn fenced(command: &str) -> String {
    let command = escape(&visible(command).replace('`', "ˋ"));
    if command.chars().count() > SECTION_CHARS_MAX - 10 {
        return "The command is too long to be shown here.".into();
    }
    format!("```{command}```")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The characters of all texts in a block.
fn length(block: &Value) -> usize {
    match block {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.iter().map(length).sum(),
        Value::Object(map) => map.iter().filter(|(key, _)| *key != "type").map(|(_, value)| length(value)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::hostile;

    /// Every text in a block that Slack reads as markup.
    fn markup(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) if map.get("type").and_then(Value::as_str) == Some("mrkdwn") => {
                assert_eq!(map["verbatim"], true);
                found.push(map["text"].as_str().unwrap().into());
            }
            Value::Object(map) => map.values().for_each(|v| markup(v, found)),
            Value::Array(items) => items.iter().for_each(|v| markup(v, found)),
            _ => {}
        }
    }

    #[test]
    fn hostile_names_stay_names() {
        let evil = "<!channel> @here *b* <https://evil.example|click> `code` ```x``` &lt; :smile:\n\u{202e}\u{200b}_i_";
        let message = hostile(evil);
        let blocks = blocks(&message);
        let mut texts = Vec::new();
        markup(&blocks, &mut texts);
        texts.push(fallback(&message));
        texts.push(news(&message).unwrap());
        assert!(texts.len() > 5);
        for text in &texts {
            assert!(!text.contains('<') && !text.contains('>'), "{text}");
            assert!(!text.contains('\u{202e}') && !text.contains('\u{200b}'), "{text}");
            // Outside of code there is nothing of it: spans are closed, and what they hold is gone when they are.
            let outside: String = text.replace("```", "`").split('`').step_by(2).collect();
            for part in ["channel", "here", "evil", "smile", "_i_", "*b*"] {
                assert!(!outside.contains(part), "{part} is outside of code in {text}");
            }
        }
        for block in blocks.as_array().unwrap() {
            if block["type"] == "header" {
                assert!(!block["text"]["text"].as_str().unwrap().contains('\u{202e}'));
            }
        }
    }

    #[test]
    fn limits_are_kept() {
        let mut message = hostile(&"<&>\u{202e}x ".repeat(5_000));
        let line = message.findings[0].clone();
        message.findings = vec![line; crate::message::FINDINGS_MAX];
        message.findings_total = 27;
        message.runbook = "Look. ".repeat(2_000);
        message.references = vec!["AWS".repeat(3_000)];
        for n in 0..20 {
            message.evidence.insert(format!("column_{n}"), "<<<<>>>>".repeat(100).into());
        }
        message.principals = vec!["&".repeat(5_000); 5];
        let blocks = blocks(&message);
        let list = blocks.as_array().unwrap();
        assert!(list.len() <= 50);
        assert!(length(&blocks) <= 13_000, "{}", length(&blocks));
        for block in list {
            let text = block["text"]["text"].as_str().map_or(0, |t| t.chars().count());
            let max = if block["type"] == "header" { 150 } else { 3_000 };
            assert!(text <= max, "{block}");
            for field in block["fields"].as_array().into_iter().flatten() {
                assert!(field["text"].as_str().unwrap().chars().count() <= 2_000);
            }
            assert!(block["fields"].as_array().map_or(0, Vec::len) <= 10);
        }
        // Every finding is listed or counted.
        let text = blocks.to_string();
        let listed = text.matches("• *medium*").count();
        assert!(text.contains(&format!("… and {} more findings", 27 - listed)), "{listed} in {text}");
        assert!(news(&message).unwrap().chars().count() <= 3_000);
    }

    #[test]
    fn a_short_message_has_everything() {
        let message = hostile("ana");
        let text = blocks(&message).to_string();
        for part in [
            "[HIGH] ana created a key",
            "TH-0123456789",
            "production",
            "Look at ana",
            "trailhound investigate",
            "trailhound sql",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
