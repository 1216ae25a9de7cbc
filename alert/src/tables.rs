//! The crate's tables in the ledger, and how SQL sees them.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::prelude::SessionContext;
use trailhound_store::Ledger;

use crate::error::{AlertError, Result};

/// The tables of this crate; only ever added to. Times are µs since the epoch, booleans 0 and 1.
pub(crate) const TABLES: &[&str] = &[
    // `first_start`: when alerts were first opened on this ledger.
    "CREATE TABLE alert_facts (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
    // What messages need of a rule, as of the last finding of it that changed.
    "CREATE TABLE alert_rules (rule TEXT PRIMARY KEY, facts TEXT NOT NULL)",
    "CREATE TABLE incidents (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, severity_rank BIGINT NOT NULL,
        severity TEXT NOT NULL, title TEXT NOT NULL, findings BIGINT NOT NULL, first_time BIGINT, last_time BIGINT,
        revision BIGINT NOT NULL, history BIGINT NOT NULL, opened_time BIGINT NOT NULL, updated_time BIGINT NOT NULL,
        closed_reason TEXT, merged_into TEXT, watch_kind TEXT, watch_key TEXT)",
    "CREATE INDEX incidents_by_state ON incidents (state, severity)",
    "CREATE TABLE incident_findings (
        finding_id TEXT PRIMARY KEY, incident_id TEXT NOT NULL, rule TEXT NOT NULL, severity_rank BIGINT NOT NULL,
        account_id TEXT, title TEXT NOT NULL, first_time BIGINT NOT NULL, last_time BIGINT NOT NULL,
        joined_revision BIGINT NOT NULL)",
    "CREATE INDEX incident_findings_by_incident ON incident_findings (incident_id, severity_rank)",
    // What findings are grouped by: hashes of principals and entities.
    "CREATE TABLE incident_keys (
        finding_id TEXT NOT NULL, grouping_key TEXT NOT NULL, first_time BIGINT NOT NULL, last_time BIGINT NOT NULL,
        PRIMARY KEY (finding_id, grouping_key))",
    "CREATE INDEX incident_keys_by_time ON incident_keys (grouping_key, last_time)",
    // What has to be told: an incident at a sink once, with the newest revision.
    "CREATE TABLE outbox (
        sink TEXT NOT NULL, incident_id TEXT NOT NULL, revision BIGINT NOT NULL, severity_rank BIGINT NOT NULL,
        tries BIGINT NOT NULL, unknown_outcome BIGINT NOT NULL, next_time BIGINT NOT NULL, created_time BIGINT NOT NULL,
        first_try_time BIGINT, last_error TEXT, PRIMARY KEY (sink, incident_id))",
    "CREATE INDEX outbox_by_time ON outbox (sink, next_time)",
    // What was told last, and where it stands there (`remote`, the sink's own).
    "CREATE TABLE deliveries (
        sink TEXT NOT NULL, incident_id TEXT NOT NULL, revision BIGINT NOT NULL, severity_rank BIGINT NOT NULL,
        state TEXT NOT NULL, remote TEXT, delivered_time BIGINT NOT NULL, PRIMARY KEY (sink, incident_id))",
    "CREATE INDEX deliveries_by_incident ON deliveries (incident_id)",
    // What could not be told.
    "CREATE TABLE dead_letters (
        sink TEXT NOT NULL, incident_id TEXT NOT NULL, revision BIGINT NOT NULL, severity_rank BIGINT NOT NULL,
        tries BIGINT NOT NULL, unknown_outcome BIGINT NOT NULL, reason TEXT NOT NULL, dead_time BIGINT NOT NULL,
        PRIMARY KEY (sink, incident_id))",
    // Findings that later events may still undo, which nobody was told yet; `account_id` is empty for several or none.
    "CREATE TABLE held_findings (
        finding_id TEXT PRIMARY KEY, account_id TEXT NOT NULL, open_until BIGINT NOT NULL, since BIGINT NOT NULL)",
    "CREATE INDEX held_findings_by_time ON held_findings (account_id, open_until)",
];

#[derive(Clone, Copy)]
enum Is {
    Text,
    Number,
    Flag,
    Time,
}
use Is::{Flag, Number, Text, Time};

/// A table for SQL: its name, its query and the columns that the query gives.
type View = (&'static str, &'static str, &'static [(&'static str, Is)]);

const VIEWS: &[View] = &[
    (
        "incidents",
        "SELECT id, kind, state, severity, title, findings, first_time, last_time, revision, history, opened_time,
         updated_time, closed_reason, merged_into, watch_kind, watch_key FROM incidents",
        &[
            ("id", Text),
            ("kind", Text),
            ("state", Text),
            ("severity", Text),
            ("title", Text),
            ("findings", Number),
            ("first_time", Time),
            ("last_time", Time),
            ("revision", Number),
            ("history", Flag),
            ("opened_time", Time),
            ("updated_time", Time),
            ("closed_reason", Text),
            ("merged_into", Text),
            ("watch_kind", Text),
            ("watch_key", Text),
        ],
    ),
    (
        "incident_findings",
        "SELECT incident_id, finding_id FROM incident_findings",
        &[("incident_id", Text), ("finding_id", Text)],
    ),
    (
        "outbox",
        "SELECT sink, incident_id, revision, tries, unknown_outcome, next_time, created_time, last_error FROM outbox",
        &[
            ("sink", Text),
            ("incident_id", Text),
            ("revision", Number),
            ("tries", Number),
            ("unknown_outcome", Flag),
            ("next_time", Time),
            ("created_time", Time),
            ("last_error", Text),
        ],
    ),
    (
        "deliveries",
        "SELECT sink, incident_id, revision, state, delivered_time FROM deliveries",
        &[("sink", Text), ("incident_id", Text), ("revision", Number), ("state", Text), ("delivered_time", Time)],
    ),
    (
        "dead_letters",
        "SELECT sink, incident_id, revision, tries, unknown_outcome, reason, dead_time FROM dead_letters",
        &[
            ("sink", Text),
            ("incident_id", Text),
            ("revision", Number),
            ("tries", Number),
            ("unknown_outcome", Flag),
            ("reason", Text),
            ("dead_time", Time),
        ],
    ),
    (
        "held_findings",
        "SELECT finding_id, NULLIF(account_id, '') AS account_id, open_until, since FROM held_findings",
        &[("finding_id", Text), ("account_id", Text), ("open_until", Time), ("since", Time)],
    ),
];

/// Makes the tables where they are missing.
pub(crate) async fn migrate(ledger: &Ledger) -> Result<()> {
    Ok(ledger.migrate("alert", TABLES).await?)
}

/// Makes `incidents`, `incident_findings`, `outbox`, `deliveries`, `dead_letters` and `held_findings` known to a session.
/// Makes the tables where they are missing, so that a store that never alerted can be asked, too.
pub async fn register(ledger: &Ledger, session: &SessionContext) -> Result<()> {
    migrate(ledger).await?;
    for (name, query, columns) in VIEWS {
        let fields: Vec<Field> = columns.iter().map(|(name, is)| Field::new(*name, column_type(*is), true)).collect();
        let table = ledger.table(name, query, Arc::new(Schema::new(fields)))?;
        session.register_table(*name, table).map_err(|e| AlertError::Register { table: name, source: Box::new(e) })?;
    }
    Ok(())
}

fn column_type(is: Is) -> DataType {
    match is {
        Text => DataType::Utf8View,
        Number => DataType::Int64,
        Flag => DataType::Boolean,
        Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}
