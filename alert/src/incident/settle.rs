//! What an incident is now that its findings have changed, and whether that is worth telling.

use sqlx::Row as _;
use trailhound_detect::Severity;

use super::row::{read_row, severity_of, subjects};
use super::{Incidents, NOT_YET, Result, Row, State};
use crate::outbox::Pending;

/// The members of an incident, counted.
struct Sums {
    findings: i64,
    /// Those that came since the last revision.
    came: i64,
    severity: Severity,
    first_time: Option<i64>,
    last_time: Option<i64>,
    title: Option<String>,
}

impl Incidents<'_> {
    /// Brings the row of an incident to its findings; `lost` says that it lost some. What is worth telling goes into the
    /// outbox.
    pub(super) async fn settle(&mut self, id: &str, lost: bool) -> Result<()> {
        let Some(before) = read_row(&mut **self.transaction, id).await? else { return Ok(()) };
        let sums = self.sums(id).await?;
        let mut row = before.clone();
        row.findings = sums.findings;
        if sums.findings == 0 {
            // Its last title, severity and times stay: they say what it was.
            if row.state != State::Closed {
                row.state = State::Closed;
                row.closed_reason.get_or_insert_with(|| "retracted".into());
            }
        } else {
            row.severity = sums.severity;
            row.first_time = sums.first_time;
            row.last_time = sums.last_time;
            row.title = sums.title.unwrap_or_default();
            row.history = sums.last_time.is_some_and(|last| last <= self.told_from);
            let graver = row.severity > before.severity;
            if sums.came > 0 && before.state == State::Closed || graver && before.state == State::Acknowledged {
                row.state = State::Open;
                row.closed_reason = None;
            }
        }
        let worth_telling = sums.came > 0 || lost || row.severity != before.severity || row.state != before.state;
        if worth_telling {
            row.revision += 1;
            self.note_joined(id, row.revision).await?;
        }
        if row != before {
            row.updated_time = self.now;
            self.update_row(&row).await?;
        }
        if worth_telling { self.enqueue(&row).await } else { Ok(()) }
    }

    /// Somebody took an incident in hand or is done with it. Gives `None` where there is no such incident.
    pub async fn set_state(&mut self, id: &str, state: State, reason: &str) -> Result<Option<Row>> {
        let Some(mut row) = read_row(&mut **self.transaction, id).await? else { return Ok(None) };
        if row.state == state || row.state == State::Closed && row.closed_reason.as_deref() != Some(reason) {
            return Ok(Some(row));
        }
        row.state = state;
        row.closed_reason = (state == State::Closed).then(|| reason.to_owned());
        row.revision += 1;
        row.updated_time = self.now;
        self.update_row(&row).await?;
        self.enqueue(&row).await?;
        Ok(Some(row))
    }

    /// Puts the newest revision of an incident into the outbox of every sink that has to tell it: those that routes
    /// name, and those that told it before.
    pub(super) async fn enqueue(&mut self, row: &Row) -> Result<()> {
        let mut sinks = self.told_by(&row.id).await?;
        if row.state != State::Closed && !row.history {
            let subjects = if row.kind == "watch" {
                vec![row.watch_subject()]
            } else {
                subjects(&mut **self.transaction, &row.id).await?
            };
            sinks.extend(self.setup.routed(&subjects));
        } else {
            sinks.extend(self.waits_at(&row.id).await?);
        }
        for sink in sinks.into_iter().filter(|sink| self.setup.sinks.contains_key(sink)) {
            let pending = Pending {
                sink: &sink,
                row,
                now: self.now,
                updates_every: self.setup.updates_every(row.kind == "watch"),
            };
            pending.put(self.transaction).await?;
        }
        Ok(())
    }

    async fn sums(&mut self, id: &str) -> Result<Sums> {
        let all = sqlx::query(
            "SELECT COUNT(*), MAX(severity_rank), MIN(first_time), MAX(last_time), MIN(joined_revision)
             FROM incident_findings WHERE incident_id = $1",
        )
        .bind(id.to_owned())
        .fetch_one(&mut **self.transaction)
        .await?;
        let top = sqlx::query(
            "SELECT title FROM incident_findings WHERE incident_id = $1
             ORDER BY severity_rank DESC, first_time, finding_id LIMIT 1",
        )
        .bind(id.to_owned())
        .fetch_optional(&mut **self.transaction)
        .await?;
        Ok(Sums {
            findings: all.try_get(0)?,
            severity: severity_of(all.try_get::<Option<i64>, _>(1)?.unwrap_or(0)),
            first_time: all.try_get(2)?,
            last_time: all.try_get(3)?,
            came: i64::from(all.try_get::<Option<i64>, _>(4)? == Some(NOT_YET)),
            title: top.map(|row| row.try_get(0)).transpose()?,
        })
    }

    async fn note_joined(&mut self, id: &str, revision: i64) -> Result<()> {
        sqlx::query(
            "UPDATE incident_findings SET joined_revision = $1 WHERE incident_id = $2 AND joined_revision = $3",
        )
        .bind(revision)
        .bind(id.to_owned())
        .bind(NOT_YET)
        .execute(&mut **self.transaction)
        .await?;
        Ok(())
    }

    async fn told_by(&mut self, id: &str) -> Result<std::collections::BTreeSet<String>> {
        let rows = sqlx::query("SELECT sink FROM deliveries WHERE incident_id = $1")
            .bind(id.to_owned())
            .fetch_all(&mut **self.transaction)
            .await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }

    /// The sinks in whose outbox an incident waits.
    async fn waits_at(&mut self, id: &str) -> Result<Vec<String>> {
        let mut sinks = Vec::new();
        for sink in self.setup.sinks.keys() {
            let row = sqlx::query("SELECT sink FROM outbox WHERE sink = $1 AND incident_id = $2")
                .bind(sink.clone())
                .bind(id.to_owned())
                .fetch_optional(&mut **self.transaction)
                .await?;
            if row.is_some() {
                sinks.push(sink.clone());
            }
        }
        Ok(sinks)
    }
}
