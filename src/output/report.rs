//! A page of text in sections: what `findings show` and `investigate` print.

use super::layout::{Head, cut, grid, width_of};
use crate::terminal;

/// Names of fields stand in a column of this width.
const NAME_WIDTH: usize = 12;

/// A page that grows from top to bottom. Everything put on it is cleaned.
pub struct Report {
    text: String,
    width: Option<usize>,
    coloured: bool,
}

impl Report {
    /// A page for standard output.
    pub fn stdout() -> Self {
        Report { text: String::new(), width: terminal::width(), coloured: terminal::coloured() }
    }

    /// A line as it is, cleaned.
    pub fn line(&mut self, text: &str) {
        self.text.push_str(&terminal::clean(text));
        self.text.push('\n');
    }

    /// The page's first line.
    pub fn title(&mut self, text: &str) {
        let text = terminal::clean(text).into_owned();
        self.raw(&self.bold(&text));
    }

    /// Begins a section.
    pub fn section(&mut self, name: &str) {
        let name = terminal::clean(name).into_owned();
        self.text.push('\n');
        self.raw(&self.bold(&name));
    }

    /// A named value on a line of its own; none where the value is empty.
    pub fn field(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            let value = terminal::clean(value);
            let room = |width: usize| width.saturating_sub(NAME_WIDTH.max(name.len() + 2)).max(20);
            let value = self.width.map_or(value.to_string(), |width| cut(&value, room(width)));
            self.raw(&format!("{name:<width$}  {value}", width = NAME_WIDTH - 2));
        }
    }

    /// Sentences, broken between words where a terminal is too narrow for them.
    pub fn paragraph(&mut self, text: &str) {
        for line in text.lines() {
            for line in wrap(&terminal::clean(line), self.width.unwrap_or(usize::MAX)) {
                self.raw(&line);
            }
        }
    }

    /// A small table.
    pub fn grid(&mut self, heads: &[Head], rows: &[Vec<String>]) {
        let clean = |row: &Vec<String>| row.iter().map(|cell| terminal::clean(cell).into_owned()).collect();
        let rows: Vec<Vec<String>> = rows.iter().map(clean).collect();
        for line in grid(heads, &rows, self.width) {
            self.raw(&line);
        }
    }

    /// Sends the page to standard output.
    pub fn print(self) -> std::io::Result<()> {
        terminal::print(&self.text)
    }

    fn raw(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn bold(&self, text: &str) -> String {
        if self.coloured { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A text in lines of at most `width` columns; a word longer than that has a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let line = lines.last_mut().expect("there is always a last line");
        if line.is_empty() {
            line.push_str(word);
        } else if width_of(line) + 1 + width_of(word) <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_break_between_words() {
        assert_eq!(wrap("a bb ccc dddd", 6), ["a bb", "ccc", "dddd"]);
        assert_eq!(wrap("loooooong a", 4), ["loooooong", "a"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn nothing_on_the_page_steers_a_terminal() {
        let mut report = Report { text: String::new(), width: Some(40), coloured: false };
        report.title("who\x1b[2J");
        report.field("agent", "x\u{202e}y");
        report.field("empty", "");
        report.field("a_long_name_of_a_column", "z");
        report.section("APIs\r");
        report.grid(&[Head::text("api")], &[vec!["a\nb".into()]]);
        assert_eq!(
            report.text,
            "who␛[2J\nagent       x\u{fffd}y\na_long_name_of_a_column  z\n\nAPIs␍\napi\n───\na␊b\n"
        );
    }
}
