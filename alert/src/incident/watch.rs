//! The service's watch over itself: incidents of their own kind, which are in no finding and in no rule.

use sqlx::Row as _;
use sqlx::any::Any;
use trailhound_detect::Severity;

use super::grouping::incident_id;
use super::row::read_row;
use super::{Incidents, Result, Row, State, TITLE_CHARS_MAX};
use crate::message::text::cut;
use crate::route::Subject;

/// A warning of the service about itself that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    pub incident: String,
    /// `silent_source`, `no_sign_ins`, `parked`, `sink`, `queue_age`, `clock_skew`, `rule` …
    pub kind: String,
    /// What it is about: a sink's name, a queue, an account and region.
    pub key: String,
    pub text: String,
    /// µs since the epoch.
    pub opened_time: i64,
}

/// What keeps people from being told is grave; what only has to be looked at is not.
fn severity(kind: &str) -> Severity {
    match kind {
        "silent_source" | "sink" | "queue_age" => Severity::High,
        _ => Severity::Medium,
    }
}

impl Row {
    /// What routes see of a warning.
    pub(super) fn watch_subject(&self) -> Subject {
        let kind = self.watch_kind.as_deref().unwrap_or("other");
        Subject { rule: format!("watch/{kind}"), severity: self.severity, account: None }
    }
}

impl Incidents<'_> {
    /// Opens, updates or (without a text) closes a warning. Another text of an open warning alone is not worth telling:
    /// numbers in it change all the time.
    pub async fn watch(&mut self, kind: &str, key: &str, text: Option<&str>) -> Result<()> {
        let id = incident_id(&["watch", kind, key]);
        let before = read_row(&mut **self.transaction, &id).await?;
        match (before, text) {
            (None, None) => Ok(()),
            (None, Some(text)) => {
                let mut row = Row::new(&id, "watch", self.now);
                row.severity = severity(kind);
                row.title = cut(text, TITLE_CHARS_MAX);
                row.first_time = Some(self.now);
                row.last_time = Some(self.now);
                row.revision = 1;
                row.watch_kind = Some(kind.to_owned());
                row.watch_key = Some(key.to_owned());
                self.insert_row(&row).await?;
                self.update_row(&row).await?;
                self.enqueue(&row).await
            }
            (Some(mut row), Some(text)) => {
                let title = cut(text, TITLE_CHARS_MAX);
                let again = row.state == State::Closed;
                if !again && row.title == title {
                    return Ok(());
                }
                row.title = title;
                row.last_time = Some(self.now);
                row.updated_time = self.now;
                if again {
                    row.state = State::Open;
                    row.closed_reason = None;
                    row.first_time = Some(self.now);
                    row.revision += 1;
                }
                self.update_row(&row).await?;
                if again { self.enqueue(&row).await } else { Ok(()) }
            }
            (Some(row), None) => {
                if row.state != State::Closed {
                    self.set_state(&id, State::Closed, "over").await?;
                }
                Ok(())
            }
        }
    }
}

/// Whether a warning says already what it should.
pub(crate) async fn watch_stands(pool: &sqlx::Pool<Any>, kind: &str, key: &str, text: Option<&str>) -> Result<bool> {
    let row = read_row(pool, &incident_id(&["watch", kind, key])).await?;
    Ok(match (row, text) {
        (None, text) => text.is_none(),
        (Some(row), None) => row.state == State::Closed,
        (Some(row), Some(text)) => row.state != State::Closed && row.title == cut(text, TITLE_CHARS_MAX),
    })
}

/// Every warning that is open.
pub(crate) async fn open_watches(pool: &sqlx::Pool<Any>) -> Result<Vec<Watch>> {
    let rows = sqlx::query(
        "SELECT id, watch_kind, watch_key, title, first_time FROM incidents
         WHERE kind = 'watch' AND state <> 'closed' ORDER BY watch_kind, watch_key",
    )
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Watch {
                incident: row.try_get(0)?,
                kind: row.try_get(1)?,
                key: row.try_get(2)?,
                text: row.try_get(3)?,
                opened_time: row.try_get(4)?,
            })
        })
        .collect()
}
