//! The outbox: what has to be told, written in the transaction that makes it true, and what became of telling it.
//!
//! An incident stands in a sink's outbox once, with its newest revision: what was not told yet is replaced, not queued
//! behind. A worker notes each attempt *before* it is made, so that one whose outcome nobody knows (the process was
//! killed, the answer never came) is known as such: the incident is told again, under the same id.

use std::time::Duration;

use sqlx::any::{Any, AnyRow};
use sqlx::{Pool, Row as _, Transaction};

use crate::clock::{HOUR, SECOND};
use crate::incident::{Row, State, rank};

/// Pauses between tries, from the first to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15 * 60));
/// A sink may ask for a longer pause, up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// After this time of failing in vain it is a dead letter.
const GIVE_UP_AFTER: i64 = 24 * HOUR;
/// The most characters of an error that are kept.
pub(crate) const REASON_CHARS_MAX: usize = 500;

type Result<T> = std::result::Result<T, sqlx::Error>;

/// An incident on its way into a sink's outbox.
pub(crate) struct Pending<'a> {
    pub sink: &'a str,
    pub row: &'a Row,
    pub now: i64,
    /// How far updates that are not urgent lie apart.
    pub updates_every: i64,
}

/// What was told last.
struct Last {
    severity_rank: i64,
    state: String,
    time: i64,
}

impl Pending<'_> {
    /// Puts it in, in place of an older revision that was not told yet. An incident that closes before anybody could have
    /// heard of it is taken out instead.
    pub async fn put(&self, transaction: &mut Transaction<'static, Any>) -> Result<()> {
        let last = self.last(transaction).await?;
        if self.row.state == State::Closed && last.is_none() && !self.may_be_known(transaction).await? {
            sqlx::query("DELETE FROM outbox WHERE sink = $1 AND incident_id = $2")
                .bind(self.sink.to_owned())
                .bind(self.row.id.clone())
                .execute(&mut **transaction)
                .await?;
            return Ok(());
        }
        let due = match &last {
            Some(last) if rank(self.row.severity) <= last.severity_rank && self.row.state.as_str() == last.state => {
                self.now.max(last.time.saturating_add(self.updates_every))
            }
            _ => self.now,
        };
        // What fails already keeps its pause.
        sqlx::query(
            "INSERT INTO outbox
             (sink, incident_id, revision, severity_rank, tries, unknown_outcome, next_time, created_time)
             VALUES ($1, $2, $3, $4, 0, 0, $5, $6)
             ON CONFLICT (sink, incident_id) DO UPDATE SET revision = excluded.revision,
             severity_rank = excluded.severity_rank,
             next_time = CASE WHEN outbox.tries > 0 OR outbox.next_time < excluded.next_time
                         THEN outbox.next_time ELSE excluded.next_time END",
        )
        .bind(self.sink.to_owned())
        .bind(self.row.id.clone())
        .bind(self.row.revision)
        .bind(rank(self.row.severity))
        .bind(due)
        .bind(self.now)
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    async fn last(&self, transaction: &mut Transaction<'static, Any>) -> Result<Option<Last>> {
        let row = sqlx::query(
            "SELECT severity_rank, state, delivered_time FROM deliveries WHERE sink = $1 AND incident_id = $2",
        )
        .bind(self.sink.to_owned())
        .bind(self.row.id.clone())
        .fetch_optional(&mut **transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Last { severity_rank: row.try_get(0)?, state: row.try_get(1)?, time: row.try_get(2)? }))
    }

    /// Whether an attempt was made whose outcome is unknown.
    async fn may_be_known(&self, transaction: &mut Transaction<'static, Any>) -> Result<bool> {
        let row = sqlx::query("SELECT unknown_outcome FROM outbox WHERE sink = $1 AND incident_id = $2")
            .bind(self.sink.to_owned())
            .bind(self.row.id.clone())
            .fetch_optional(&mut **transaction)
            .await?;
        Ok(match row {
            Some(row) => row.try_get::<i64, _>(0)? != 0,
            None => false,
        })
    }
}

/// A row of the outbox that is due, with what was told before.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub sink: String,
    pub incident: String,
    pub tries: i64,
    /// An earlier attempt ended without an answer.
    pub unknown: bool,
    pub created_time: i64,
    pub first_try_time: Option<i64>,
    /// The revision that was told last, 0 for none, and where it stands.
    pub told_revision: i64,
    pub remote: Option<String>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The sink has it; `remote` says where, for what follows.
    Delivered { remote: Option<String> },
    /// It may go another time. `unknown` where the sink may have it all the same.
    Retry { reason: String, after: Option<Duration>, unknown: bool },
    /// It never will.
    Refused { reason: String },
}

/// What was noted of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noted {
    Delivered,
    Retried,
    Dead,
}

impl Noted {
    /// The label of the metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Noted::Delivered => "delivered",
            Noted::Retried => "retried",
            Noted::Dead => "dead",
        }
    }
}

/// The gravest of what a sink has to tell now, then the one that waits longest.
pub(crate) async fn next_due(pool: &Pool<Any>, sink: &str, now: i64) -> Result<Option<Due>> {
    let row = sqlx::query(
        "SELECT o.incident_id, o.tries, o.unknown_outcome, o.created_time, o.first_try_time, d.revision, d.remote
         FROM outbox o LEFT JOIN deliveries d ON d.sink = o.sink AND d.incident_id = o.incident_id
         WHERE o.sink = $1 AND o.next_time <= $2
         ORDER BY o.severity_rank DESC, o.next_time, o.incident_id LIMIT 1",
    )
    .bind(sink.to_owned())
    .bind(now)
    .fetch_optional(pool)
    .await?;
    row.map(|row: AnyRow| {
        Ok(Due {
            sink: sink.to_owned(),
            incident: row.try_get(0)?,
            tries: row.try_get(1)?,
            unknown: row.try_get::<i64, _>(2)? != 0,
            created_time: row.try_get(3)?,
            first_try_time: row.try_get(4)?,
            told_revision: row.try_get::<Option<i64>, _>(5)?.unwrap_or(0),
            remote: row.try_get(6)?,
        })
    })
    .transpose()
}

/// How many incidents wait at a sink until `until`.
pub(crate) async fn waiting(pool: &Pool<Any>, sink: &str, until: i64) -> Result<i64> {
    sqlx::query("SELECT COUNT(*) FROM outbox WHERE sink = $1 AND next_time <= $2")
        .bind(sink.to_owned())
        .bind(until)
        .fetch_one(pool)
        .await?
        .try_get(0)
}

/// When the next one is due.
pub(crate) async fn next_time(pool: &Pool<Any>, sink: &str) -> Result<Option<i64>> {
    sqlx::query("SELECT MIN(next_time) FROM outbox WHERE sink = $1")
        .bind(sink.to_owned())
        .fetch_one(pool)
        .await?
        .try_get(0)
}

impl Due {
    /// Notes that an attempt is being made; until its outcome is noted, it is unknown.
    pub async fn begin(&self, transaction: &mut Transaction<'static, Any>, now: i64) -> Result<()> {
        sqlx::query(
            "UPDATE outbox SET tries = tries + 1, unknown_outcome = 1, first_try_time = COALESCE(first_try_time, $1)
             WHERE sink = $2 AND incident_id = $3",
        )
        .bind(now)
        .bind(self.sink.clone())
        .bind(self.incident.clone())
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    /// Notes what became of telling this revision.
    pub async fn end(
        &self,
        transaction: &mut Transaction<'static, Any>,
        told: &Row,
        outcome: &Outcome,
        updates_every: i64,
        now: i64,
    ) -> Result<Noted> {
        match outcome {
            Outcome::Delivered { remote } => {
                self.delivered(transaction, told, remote.clone(), updates_every, now).await?;
                Ok(Noted::Delivered)
            }
            Outcome::Retry { reason, after, unknown } => {
                let unknown = self.unknown || *unknown;
                if now.saturating_sub(self.first_try_time.unwrap_or(now)) >= GIVE_UP_AFTER {
                    let reason = format!("given up after {} tries, the last: {reason}", self.tries + 1);
                    self.die(transaction, told, &reason, unknown, now).await?;
                    return Ok(Noted::Dead);
                }
                let pause = pause(self.tries).max(after.unwrap_or_default().min(RETRY_AFTER_MAX));
                sqlx::query(
                    "UPDATE outbox SET next_time = $1, unknown_outcome = $2, last_error = $3
                     WHERE sink = $4 AND incident_id = $5",
                )
                .bind(now.saturating_add(pause.as_micros() as i64))
                .bind(i64::from(unknown))
                .bind(reason.clone())
                .bind(self.sink.clone())
                .bind(self.incident.clone())
                .execute(&mut **transaction)
                .await?;
                Ok(Noted::Retried)
            }
            Outcome::Refused { reason } => {
                self.die(transaction, told, reason, self.unknown, now).await?;
                Ok(Noted::Dead)
            }
        }
    }

    async fn delivered(
        &self,
        transaction: &mut Transaction<'static, Any>,
        told: &Row,
        remote: Option<String>,
        updates_every: i64,
        now: i64,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO deliveries (sink, incident_id, revision, severity_rank, state, remote, delivered_time)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (sink, incident_id) DO UPDATE SET revision = excluded.revision,
             severity_rank = excluded.severity_rank, state = excluded.state, remote = excluded.remote,
             delivered_time = excluded.delivered_time",
        )
        .bind(self.sink.clone())
        .bind(told.id.clone())
        .bind(told.revision)
        .bind(rank(told.severity))
        .bind(told.state.as_str())
        .bind(remote)
        .bind(now)
        .execute(&mut **transaction)
        .await?;
        self.forget(transaction, told.revision).await?;
        // What is left has changed meanwhile. It is news at once only if it is graver or stands otherwise.
        sqlx::query(
            "UPDATE outbox SET tries = 0, unknown_outcome = 0, first_try_time = NULL, last_error = NULL,
             next_time = CASE WHEN severity_rank > $1 OR (SELECT state FROM incidents WHERE id = $2) <> $3
                         THEN $4 ELSE $5 END
             WHERE sink = $6 AND incident_id = $2",
        )
        .bind(rank(told.severity))
        .bind(told.id.clone())
        .bind(told.state.as_str())
        .bind(now)
        .bind(now.saturating_add(updates_every))
        .bind(self.sink.clone())
        .execute(&mut **transaction)
        .await?;
        sqlx::query("DELETE FROM dead_letters WHERE sink = $1 AND incident_id = $2")
            .bind(self.sink.clone())
            .bind(told.id.clone())
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }

    /// Takes a revision out; a newer one stays.
    async fn forget(&self, transaction: &mut Transaction<'static, Any>, revision: i64) -> Result<()> {
        sqlx::query("DELETE FROM outbox WHERE sink = $1 AND incident_id = $2 AND revision <= $3")
            .bind(self.sink.clone())
            .bind(self.incident.clone())
            .bind(revision)
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }

    async fn die(
        &self,
        transaction: &mut Transaction<'static, Any>,
        told: &Row,
        reason: &str,
        unknown: bool,
        now: i64,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO dead_letters
             (sink, incident_id, revision, severity_rank, tries, unknown_outcome, reason, dead_time)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (sink, incident_id) DO UPDATE SET revision = excluded.revision,
             severity_rank = excluded.severity_rank, tries = excluded.tries, reason = excluded.reason,
             unknown_outcome = excluded.unknown_outcome, dead_time = excluded.dead_time",
        )
        .bind(self.sink.clone())
        .bind(told.id.clone())
        .bind(told.revision)
        .bind(rank(told.severity))
        .bind(self.tries + 1)
        .bind(i64::from(unknown))
        .bind(reason.to_owned())
        .bind(now)
        .execute(&mut **transaction)
        .await?;
        self.forget(transaction, told.revision).await?;
        sqlx::query(
            "UPDATE outbox SET tries = 0, unknown_outcome = $1, first_try_time = NULL WHERE sink = $2 AND incident_id = $3",
        )
        .bind(i64::from(unknown))
        .bind(self.sink.clone())
        .bind(self.incident.clone())
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }
}

/// Puts the dead letters of a sink back into its outbox. Gives their number.
pub(crate) async fn replay_dead(transaction: &mut Transaction<'static, Any>, sink: &str, now: i64) -> Result<u64> {
    sqlx::query(
        "INSERT INTO outbox
         (sink, incident_id, revision, severity_rank, tries, unknown_outcome, next_time, created_time)
         SELECT d.sink, d.incident_id, i.revision, i.severity_rank, 0, d.unknown_outcome, $1, $1
         FROM dead_letters d JOIN incidents i ON i.id = d.incident_id WHERE d.sink = $2
         ON CONFLICT (sink, incident_id) DO NOTHING",
    )
    .bind(now)
    .bind(sink.to_owned())
    .execute(&mut **transaction)
    .await?;
    let done = sqlx::query("DELETE FROM dead_letters WHERE sink = $1")
        .bind(sink.to_owned())
        .execute(&mut **transaction)
        .await?;
    Ok(done.rows_affected())
}

/// Makes dead letters of what waits at sinks that are configured no longer.
pub(crate) async fn retire(transaction: &mut Transaction<'static, Any>, sink: &str, now: i64) -> Result<u64> {
    sqlx::query(
        "INSERT INTO dead_letters
         (sink, incident_id, revision, severity_rank, tries, unknown_outcome, reason, dead_time)
         SELECT sink, incident_id, revision, severity_rank, tries, unknown_outcome,
                'the sink is not in the configuration any more', $1 FROM outbox WHERE sink = $2
         ON CONFLICT (sink, incident_id) DO NOTHING",
    )
    .bind(now)
    .bind(sink.to_owned())
    .execute(&mut **transaction)
    .await?;
    let done =
        sqlx::query("DELETE FROM outbox WHERE sink = $1").bind(sink.to_owned()).execute(&mut **transaction).await?;
    Ok(done.rows_affected())
}

/// Twice as long each time, and somewhere between half of that and all of it, so that many do not come back at once.
fn pause(tries: i64) -> Duration {
    let doubled = PAUSE.0.saturating_mul(1 << tries.clamp(0, 16)).min(PAUSE.1);
    doubled.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Seconds, whole or not, between two times in µs.
pub(crate) fn seconds(from: i64, to: i64) -> f64 {
    to.saturating_sub(from) as f64 / SECOND as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_are_scattered() {
        for (tries, longest) in [(0, 2.0), (1, 4.0), (5, 64.0), (60, 900.0)] {
            for _ in 0..100 {
                let seconds = pause(tries).as_secs_f64();
                assert!(seconds >= longest / 2.0 && seconds <= longest, "{tries}: {seconds}");
            }
        }
    }
}
