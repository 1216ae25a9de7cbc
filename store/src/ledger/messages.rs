//! Messages that nobody could make sense of: parked here before they are deleted from their queue.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use sqlx::{Row, any::AnyRow};
use std::sync::Arc;

use super::{Ledger, storable};
use crate::error::Result;

/// A message of a queue that is parked whole, since it has no other address once it is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedMessage {
    /// The queue's URL.
    pub queue: String,
    pub message_id: String,
    /// Microseconds since the epoch.
    pub sent_time: i64,
    /// A stable word.
    pub reason: String,
    /// One line for people.
    pub detail: String,
    /// Scrubbed of secrets.
    pub body: String,
}

impl Ledger {
    /// Parks a message; parking it again changes nothing.
    pub(crate) async fn park_message(&self, message: &ParkedMessage, now: i64) -> Result<()> {
        sqlx::query(
            "INSERT INTO parked_messages (queue, message_id, sent_time, parked_time, reason, detail, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (queue, message_id) DO NOTHING",
        )
        .bind(message.queue.clone())
        .bind(message.message_id.clone())
        .bind(message.sent_time)
        .bind(now)
        .bind(message.reason.clone())
        .bind(storable(&message.detail))
        .bind(storable(&message.body))
        .execute(self.pool())
        .await
        .map_err(|e| self.fail("park a message", e))?;
        Ok(())
    }

    /// The parked messages, oldest first.
    pub(crate) async fn parked_messages(&self) -> Result<Vec<ParkedMessage>> {
        let fail = |e| self.fail("list parked messages", e);
        let sql = "SELECT queue, message_id, sent_time, reason, detail, body FROM parked_messages
                   ORDER BY sent_time, queue, message_id";
        let rows = sqlx::query(sql).fetch_all(self.pool()).await.map_err(fail)?;
        let read = |row: &AnyRow| -> std::result::Result<ParkedMessage, sqlx::Error> {
            Ok(ParkedMessage {
                queue: row.try_get(0)?,
                message_id: row.try_get(1)?,
                sent_time: row.try_get(2)?,
                reason: row.try_get(3)?,
                detail: row.try_get(4)?,
                body: row.try_get(5)?,
            })
        };
        rows.iter().map(read).collect::<std::result::Result<_, _>>().map_err(fail)
    }

    /// Forgets a parked message, after what it announced was read.
    pub(crate) async fn unpark_message(&self, queue: &str, message_id: &str) -> Result<()> {
        sqlx::query("DELETE FROM parked_messages WHERE queue = $1 AND message_id = $2")
            .bind(queue.to_string())
            .bind(message_id.to_string())
            .execute(self.pool())
            .await
            .map_err(|e| self.fail("forget a parked message", e))?;
        Ok(())
    }
}

/// The query and the columns of `parked_messages` as SQL sees it.
pub(crate) fn parked_messages_schema() -> (&'static str, SchemaRef) {
    let query = "SELECT queue, message_id, sent_time, parked_time, reason, detail, body FROM parked_messages";
    let text = |name: &str| Field::new(name, DataType::Utf8View, true);
    let time = |name: &str| Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true);
    let fields = vec![
        text("queue"),
        text("message_id"),
        time("sent_time"),
        time("parked_time"),
        text("reason"),
        text("detail"),
        text("body"),
    ];
    (query, Arc::new(Schema::new(fields)))
}
