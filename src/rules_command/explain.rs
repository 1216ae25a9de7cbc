//! `trailhound rules explain`: why a rule found something or did not, on one page.

use std::process::ExitCode;

use serde_json::Value;
use trailhound_detect::explain::{Condition, ExplainedEvent, Moment};
use trailhound_detect::{Explanation, explain};

use crate::args::{ExplainArgs, PageFormat};
use crate::output::{Head, Report, counted};
use crate::session::Asked;
use crate::{shipped, terminal};

/// The most characters of a value.
const VALUE_CHARS_MAX: usize = 100;

pub async fn run(args: ExplainArgs) -> anyhow::Result<ExitCode> {
    let planner = shipped::planner(&args.rules.site)?;
    let rule = shipped::rule(&args.rules, &args.rule, &planner)?;
    let asked = Asked::open(&args.store).await?;
    let explanation = explain(&asked.store, &asked.findings, &planner, rule, &args.about).await?;
    match args.format {
        PageFormat::Json => {
            let text = serde_json::to_string_pretty(&explanation)?;
            let text = if terminal::width().is_some() { terminal::clean_json(&text).into_owned() } else { text };
            terminal::print(&format!("{text}\n"))?;
        }
        PageFormat::Text => page(&explanation).print()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn page(explanation: &Explanation) -> Report {
    let mut page = Report::stdout();
    page.title(&format!("{} ({})", explanation.rule, explanation.kind));
    page.paragraph(&explanation.verdict);
    if let Some(event) = &explanation.event {
        event_on(&mut page, event);
    }
    if let (Some(entity), Some(chosen)) = (&explanation.entity, &explanation.chosen) {
        page.section("Entity");
        entity.iter().for_each(|(column, value)| page.field(column, &plain(value)));
        let times = match (&chosen.first_time, &chosen.last_time) {
            (Some(first), Some(last)) => format!(" from {first} to {last}"),
            _ => String::new(),
        };
        page.field("chosen", &format!("{}{times}", events(chosen.events)));
    }
    for moment in &explanation.moments {
        moment_on(&mut page, moment);
    }
    for found in &explanation.findings {
        page.section(&format!("Finding {}", found.id));
        let events = events(found.count);
        let (first, last, standing) = (&found.first_time, &found.last_time, found.standing.told());
        page.line(&format!("{events} from {first} to {last} {standing}"));
        page.paragraph(&found.explanation);
    }
    page
}

fn event_on(page: &mut Report, event: &ExplainedEvent) {
    page.section(&format!("Event {}", event.event_id));
    page.field("time", &event.event_time);
    let access = event.access.as_ref().map(|access| format!(" ({access})")).unwrap_or_default();
    page.field("what", &format!("{} {}{access}", plain(&event.event_source), plain(&event.event_name)));
    page.field("who", &format!("{} in {}", plain(&event.principal_key), plain(&event.account_id)));
    page.field("chosen", if event.chosen { "yes" } else { "no" });
    if let Some(why) = &event.not_counted {
        page.field("counts", &format!("no: {why}"));
    }
    if event.conditions.is_empty() {
        return;
    }
    page.section("Conditions");
    let answer = |c: &Condition| match (&c.error, c.holds) {
        (Some(error), _) => format!("fails: {error}"),
        (None, Some(true)) => "holds".into(),
        (None, Some(false)) => "false".into(),
        (None, None) => "null".into(),
    };
    let columns = |c: &Condition| {
        let each = c.columns.iter().map(|(column, value)| format!("{column} = {}", plain(value)));
        each.collect::<Vec<_>>().join(", ")
    };
    let rows: Vec<Vec<String>> = event.conditions.iter().map(|c| vec![answer(c), c.sql.clone(), columns(c)]).collect();
    page.grid(&[Head::fixed(""), Head::text("condition"), Head::text("the event has")], &rows);
}

fn moment_on(page: &mut Report, moment: &Moment) {
    page.section(&moment.about);
    let rows = moment.checks.iter().map(|check| {
        vec![
            if check.met { "met" } else { "not met" }.into(),
            check.what.clone(),
            check.seen.clone(),
            check.wanted.clone(),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    page.grid(&[Head::fixed(""), Head::text("condition"), Head::text("there was"), Head::text("wanted")], &rows);
}

fn events(number: u64) -> String {
    counted(usize::try_from(number).unwrap_or(usize::MAX), "event")
}

/// A value as people read it, cut.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => "null".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
