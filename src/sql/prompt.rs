//! The prompt: statements end with `;`, lines that begin with a backslash are for the prompt itself.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use reedline::{
    ColumnarMenu, Emacs, KeyCode, KeyModifiers, MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, Reedline,
    ReedlineEvent, ReedlineMenu, Signal, ValidationResult, Validator, default_emacs_keybindings,
};

use super::answer::{Threads, answer};
use super::complete::Names;
use super::{history, tables};
use crate::args::RowsFormat;
use crate::output::{Head, grid};
use crate::session::Asked;
use crate::terminal;

const HELP: &str = "\
SELECT …;         answers one statement; it ends with a semicolon and may have several lines
\\d                tables and views
\\d TABLE          columns of a table
\\format FORMAT    table, csv or json (in CSV, texts that a spreadsheet would run get a leading ')
\\timing           rows and time after each answer, on or off
\\q                leave (or Ctrl-D)
Tab completes names; Ctrl-R searches the history; Ctrl-C ends a query or drops a line.
Examples:
  SELECT severity, title FROM findings WHERE state = 'current' ORDER BY first_time DESC;
  SELECT event_name, count(*) FROM denied GROUP BY 1 ORDER BY 2 DESC LIMIT 10;
  SELECT * FROM access_keys WHERE kind = 'long-term';
";

/// What the user has chosen.
struct Settings {
    format: RowsFormat,
    timing: bool,
}

/// Reads statements and answers them until the user leaves. An error ends the statement, not the prompt.
pub async fn run(asked: &Asked, mut threads: Threads, format: RowsFormat) -> anyhow::Result<ExitCode> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return script(asked, threads, format).await;
    }
    let session = asked.session().await?;
    let mut editor = editor(Names::of(&session).await);
    drop(session);
    // Parquet is for files; a prompt has none.
    let format = if format == RowsFormat::Parquet { RowsFormat::Table } else { format };
    let mut settings = Settings { format, timing: true };
    eprintln!("Trailhound SQL over `events`, `findings` and more; \\? helps, \\q leaves.");
    loop {
        match tokio::task::block_in_place(|| editor.read_line(&Marks)).context("cannot read from the terminal")? {
            Signal::Success(text) => {
                if !take(asked, &mut threads, text.trim(), &mut settings).await? {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            Signal::CtrlD => return Ok(ExitCode::SUCCESS),
            _ => {}
        }
    }
}

/// Statements from a pipe, one after the other; ends at the first error.
async fn script(asked: &Asked, mut threads: Threads, format: RowsFormat) -> anyhow::Result<ExitCode> {
    let text = std::io::read_to_string(std::io::stdin()).context("cannot read statements from standard input")?;
    let statements = split(&text);
    anyhow::ensure!(
        !statements.is_empty(),
        "there is no statement: give one as an argument, on standard input, or use a terminal"
    );
    if format == RowsFormat::Parquet {
        crate::output::refuse_parquet(crate::output::Target::stdout())?;
        anyhow::ensure!(
            statements.len() == 1,
            "parquet holds the answer of one statement, not of {}",
            statements.len()
        );
    }
    for statement in statements {
        if answer(asked, &mut threads, statement, format, true).await? == super::Ended::Interrupted {
            return Ok(ExitCode::from(super::EXIT_INTERRUPTED));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Does what one input says; false when it says to leave.
async fn take(asked: &Asked, threads: &mut Threads, text: &str, settings: &mut Settings) -> anyhow::Result<bool> {
    let mut words = text.trim_end_matches(';').split_whitespace();
    match (words.next(), words.next()) {
        (None, _) => {}
        (Some("\\q" | "quit" | "exit"), _) => return Ok(false),
        (Some("\\?" | "help"), None) => terminal::print(HELP)?,
        (Some("\\timing"), _) => {
            settings.timing = !settings.timing;
            eprintln!("timing is {}", if settings.timing { "on" } else { "off" });
        }
        (Some("\\format"), Some(word)) => match word {
            "table" => settings.format = RowsFormat::Table,
            "csv" => settings.format = RowsFormat::Csv,
            "json" => settings.format = RowsFormat::Json,
            _ => eprintln!(
                "error: there is table, csv and json; parquet needs `trailhound sql … --format parquet > FILE`"
            ),
        },
        (Some("\\format"), None) => eprintln!("error: write \\format table, \\format csv or \\format json"),
        (Some("\\d"), table) => describe(asked, table).await?,
        (Some(word), _) if word.starts_with('\\') => {
            eprintln!("error: {} is unknown; \\? helps", terminal::clean(word))
        }
        _ => {
            for statement in split(text) {
                match answer(asked, threads, statement, settings.format, settings.timing).await {
                    Ok(_) => {}
                    Err(error) if terminal::is_closed_pipe(&error) => return Ok(false),
                    Err(error) => eprintln!("error: {}", terminal::clean_lines(&format!("{error:#}"))),
                }
            }
        }
    }
    Ok(true)
}

/// The tables, or the columns of one.
async fn describe(asked: &Asked, table: Option<&str>) -> anyhow::Result<()> {
    let session = asked.session().await?;
    let (heads, rows) = match table {
        None => {
            let mut rows = Vec::new();
            for name in tables::names(&session) {
                let columns = tables::columns(&session, &name).await;
                let columns: Vec<String> = columns.iter().flat_map(|s| s.fields()).map(|f| f.name().clone()).collect();
                rows.push(vec![name, columns.join(", ")]);
            }
            (vec![Head::fixed("table"), Head::text("columns")], rows)
        }
        Some(table) => {
            let Some(schema) = tables::columns(&session, table).await else {
                eprintln!("error: there is no table `{}`; \\d lists them", terminal::clean(table));
                return Ok(());
            };
            let from = |name: &str| {
                let columns = trailhound_ingest::schema::COLUMNS.iter();
                columns.filter(|_| table == "events").find(|c| c.name == name).map_or("", |c| c.from).to_string()
            };
            let row = |f: &std::sync::Arc<arrow::datatypes::Field>| {
                vec![f.name().clone(), tables::type_name(f.data_type()), from(f.name())]
            };
            let heads = vec![Head::fixed("column"), Head::fixed("type"), Head::text("is")];
            (heads, schema.fields().iter().map(row).collect())
        }
    };
    terminal::print(&format!("{}\n", grid(&heads, &rows, terminal::width()).join("\n")))?;
    Ok(())
}

/// The statements of a text, without their semicolons. Semicolons in quotes and comments end nothing.
fn split(text: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut start = 0;
    for end in ends(text).into_iter().chain([text.len()]) {
        let statement = text[start..end].trim();
        if !statement.is_empty() {
            statements.push(statement);
        }
        start = (end + 1).min(text.len());
    }
    statements
}

/// Where the semicolons stand that end statements.
fn ends(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut ends = Vec::new();
    let mut at = 0;
    // What begins here is over where this is found.
    let skip = |from: usize, end: &str| {
        text.get(from..).and_then(|rest| rest.find(end)).map_or(text.len(), |i| from + i + end.len())
    };
    while at < bytes.len() {
        at = match bytes[at] {
            b'\'' => skip(at + 1, "'"),
            b'"' => skip(at + 1, "\""),
            b'-' if bytes.get(at + 1) == Some(&b'-') => skip(at, "\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => skip(at + 2, "*/"),
            b';' => {
                ends.push(at);
                at + 1
            }
            _ => at + 1,
        };
    }
    ends
}

/// Enter goes on to the next line until a statement has ended.
struct UntilSemicolon;

impl Validator for UntilSemicolon {
    fn validate(&self, text: &str) -> ValidationResult {
        let trimmed = text.trim();
        let command = trimmed.starts_with('\\') || trimmed.is_empty() || ["quit", "exit", "help"].contains(&trimmed);
        let ended = || ends(text).last().is_some_and(|end| text[end + 1..].trim().is_empty());
        if command || ended() { ValidationResult::Complete } else { ValidationResult::Incomplete }
    }
}

fn editor(names: Names) -> Reedline {
    let mut keys = default_emacs_keybindings();
    let complete = vec![ReedlineEvent::Menu("names".into()), ReedlineEvent::MenuNext];
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, ReedlineEvent::UntilFound(complete));
    let menu = ColumnarMenu::default().with_name("names").with_columns(4);
    let mut editor = Reedline::create()
        .with_completer(Box::new(names))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_partial_completions(true)
        .with_validator(Box::new(UntilSemicolon))
        .with_edit_mode(Box::new(Emacs::new(keys)));
    if let Some(history) = history::open() {
        editor = editor.with_history(history);
    }
    editor
}

/// What stands before the lines.
struct Marks;

impl Prompt for Marks {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "trailhound".into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        "> ".into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "         > ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        format!("(history: {}) ", search.term).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_of_their_own() {
        for (text, expected) in [
            ("SELECT 1; SELECT 2;", vec!["SELECT 1", "SELECT 2"]),
            ("SELECT ';' -- not; here\n, \"a;b\" /* ; */;", vec!["SELECT ';' -- not; here\n, \"a;b\" /* ; */"]),
            ("SELECT 'it''s; fine'", vec!["SELECT 'it''s; fine'"]),
            (" ;; ", vec![]),
            ("SELECT '雪;", vec!["SELECT '雪;"]),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
    }

    #[test]
    fn enter_goes_on_until_the_end() {
        let complete = |text: &str| matches!(UntilSemicolon.validate(text), ValidationResult::Complete);
        assert!(complete("SELECT 1;") && complete("SELECT 1; ") && complete("\\d events") && complete(""));
        assert!(!complete("SELECT 1") && !complete("SELECT ';") && !complete("SELECT 1; SELECT 2"));
    }
}
