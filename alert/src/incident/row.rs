//! Incidents and their members as rows.

use std::collections::BTreeSet;

use sqlx::any::{Any, AnyRow};
use sqlx::{Executor, Row as _};
use trailhound_detect::{Finding, RuleFacts, Severity};

use super::grouping::Member;
use super::{Incidents, NOT_YET, Result, State, TITLE_CHARS_MAX, rank};
use crate::message::text::cut;
use crate::route::Subject;

/// A row of `incidents`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub id: String,
    /// `incident`, or `watch` for the service's own.
    pub kind: String,
    pub state: State,
    pub severity: Severity,
    pub title: String,
    pub findings: i64,
    pub first_time: Option<i64>,
    pub last_time: Option<i64>,
    pub revision: i64,
    /// It had happened before the service began to tell.
    pub history: bool,
    pub opened_time: i64,
    pub updated_time: i64,
    pub closed_reason: Option<String>,
    pub merged_into: Option<String>,
    pub watch_kind: Option<String>,
    pub watch_key: Option<String>,
}

const SELECT: &str = "SELECT id, kind, state, severity, title, findings, first_time, last_time, revision, history,
    opened_time, updated_time, closed_reason, merged_into, watch_kind, watch_key FROM incidents WHERE id = $1";

impl Row {
    /// A row that nothing is in yet.
    pub fn new(id: &str, kind: &str, now: i64) -> Self {
        Row {
            id: id.into(),
            kind: kind.into(),
            state: State::Open,
            severity: Severity::Info,
            title: String::new(),
            findings: 0,
            first_time: None,
            last_time: None,
            revision: 0,
            history: false,
            opened_time: now,
            updated_time: now,
            closed_reason: None,
            merged_into: None,
            watch_kind: None,
            watch_key: None,
        }
    }

    pub(crate) fn of(row: &AnyRow) -> Result<Self> {
        let word = |e: String| sqlx::Error::Decode(e.into());
        Ok(Row {
            id: row.try_get(0)?,
            kind: row.try_get(1)?,
            state: row.try_get::<String, _>(2)?.parse().map_err(word)?,
            severity: row.try_get::<String, _>(3)?.parse().map_err(word)?,
            title: row.try_get(4)?,
            findings: row.try_get(5)?,
            first_time: row.try_get(6)?,
            last_time: row.try_get(7)?,
            revision: row.try_get(8)?,
            history: row.try_get::<i64, _>(9)? != 0,
            opened_time: row.try_get(10)?,
            updated_time: row.try_get(11)?,
            closed_reason: row.try_get(12)?,
            merged_into: row.try_get(13)?,
            watch_kind: row.try_get(14)?,
            watch_key: row.try_get(15)?,
        })
    }
}

/// The incident with this id.
pub(crate) async fn read_row<'e>(executor: impl Executor<'e, Database = Any>, id: &str) -> Result<Option<Row>> {
    let row = sqlx::query(SELECT).bind(id.to_owned()).fetch_optional(executor).await?;
    row.as_ref().map(Row::of).transpose()
}

/// The gravest members of an incident, then the earliest: finding ids, each with the revision in which it came.
pub(crate) async fn top_members<'e>(
    executor: impl Executor<'e, Database = Any>,
    incident: &str,
    limit: i64,
) -> Result<Vec<(String, i64)>> {
    let rows = sqlx::query(
        "SELECT finding_id, joined_revision FROM incident_findings WHERE incident_id = $1
         ORDER BY severity_rank DESC, first_time, finding_id LIMIT $2",
    )
    .bind(incident.to_owned())
    .bind(limit)
    .fetch_all(executor)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Every pair of rule and account in an incident, for routes.
pub(crate) async fn subjects<'e>(executor: impl Executor<'e, Database = Any>, incident: &str) -> Result<Vec<Subject>> {
    let rows = sqlx::query(
        "SELECT DISTINCT rule, severity_rank, account_id FROM incident_findings WHERE incident_id = $1
         ORDER BY rule, severity_rank, account_id",
    )
    .bind(incident.to_owned())
    .fetch_all(executor)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Subject { rule: row.try_get(0)?, severity: severity_of(row.try_get(1)?), account: row.try_get(2)? })
        })
        .collect()
}

/// What messages need of a rule.
pub(crate) async fn rule_facts<'e>(
    executor: impl Executor<'e, Database = Any>,
    rule: &str,
) -> Result<Option<RuleFacts>> {
    let row = sqlx::query("SELECT facts FROM alert_rules WHERE rule = $1")
        .bind(rule.to_owned())
        .fetch_optional(executor)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(serde_json::from_str(row.try_get::<&str, _>(0)?).ok())
}

/// The severity of a rank; ranks beyond the known ones are the gravest.
pub(crate) fn severity_of(rank: i64) -> Severity {
    [Severity::Info, Severity::Low, Severity::Medium, Severity::High]
        .into_iter()
        .find(|severity| super::rank(*severity) >= rank)
        .unwrap_or(Severity::Critical)
}

pub(super) async fn write_rule<'e>(
    executor: impl Executor<'e, Database = Any>,
    rule: &str,
    facts: &RuleFacts,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO alert_rules (rule, facts) VALUES ($1, $2) ON CONFLICT (rule) DO UPDATE SET facts = excluded.facts",
    )
    .bind(rule.to_owned())
    .bind(serde_json::to_string(facts).expect("texts are written as JSON"))
    .execute(executor)
    .await?;
    Ok(())
}

impl Incidents<'_> {
    /// A finding's incident, and how it is grouped so far.
    pub(super) async fn member(&mut self, finding_id: &str) -> Result<Option<(String, Member)>> {
        let row = sqlx::query("SELECT incident_id, first_time, last_time FROM incident_findings WHERE finding_id = $1")
            .bind(finding_id.to_owned())
            .fetch_optional(&mut **self.transaction)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let keys = self.keys_of(finding_id).await?;
        let (first_time, last_time) = (row.try_get(1)?, row.try_get(2)?);
        Ok(Some((row.try_get(0)?, Member { id: finding_id.to_owned(), first_time, last_time, keys })))
    }

    async fn keys_of(&mut self, finding_id: &str) -> Result<Vec<String>> {
        let rows = sqlx::query("SELECT grouping_key FROM incident_keys WHERE finding_id = $1")
            .bind(finding_id.to_owned())
            .fetch_all(&mut **self.transaction)
            .await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }

    /// All members of an incident, as grouping sees them.
    pub(super) async fn members(&mut self, incident: &str) -> Result<Vec<Member>> {
        let rows = sqlx::query(
            "SELECT m.finding_id, m.first_time, m.last_time, k.grouping_key FROM incident_findings m
             LEFT JOIN incident_keys k ON k.finding_id = m.finding_id WHERE m.incident_id = $1 ORDER BY m.finding_id",
        )
        .bind(incident.to_owned())
        .fetch_all(&mut **self.transaction)
        .await?;
        let mut members: Vec<Member> = Vec::new();
        for row in rows {
            let id: String = row.try_get(0)?;
            if members.last().is_none_or(|last| last.id != id) {
                let (first_time, last_time) = (row.try_get(1)?, row.try_get(2)?);
                members.push(Member { id, first_time, last_time, keys: Vec::new() });
            }
            if let (Some(last), Some(key)) = (members.last_mut(), row.try_get::<Option<String>, _>(3)?) {
                last.keys.push(key);
            }
        }
        Ok(members)
    }

    /// The incidents that a finding is linked to through others.
    pub(super) async fn linked(&mut self, member: &Member) -> Result<BTreeSet<String>> {
        let gap = self.gap();
        let mut linked = BTreeSet::new();
        for key in &member.keys {
            let rows = sqlx::query(
                "SELECT DISTINCT m.incident_id FROM incident_keys k
                 JOIN incident_findings m ON m.finding_id = k.finding_id
                 WHERE k.grouping_key = $1 AND k.last_time >= $2 AND k.first_time <= $3 AND k.finding_id <> $4",
            )
            .bind(key.clone())
            .bind(member.first_time.saturating_sub(gap))
            .bind(member.last_time.saturating_add(gap))
            .bind(member.id.clone())
            .fetch_all(&mut **self.transaction)
            .await?;
            for row in rows {
                linked.insert(row.try_get(0)?);
            }
        }
        Ok(linked)
    }

    /// The one of these incidents that was opened first.
    pub(super) async fn oldest(&mut self, ids: &BTreeSet<String>) -> Result<Option<String>> {
        let mut oldest: Option<Row> = None;
        for id in ids {
            let Some(row) = read_row(&mut **self.transaction, id).await? else { continue };
            // Of those that one batch opened, the one whose events began first.
            let age = |row: &Row| (row.opened_time, row.first_time.unwrap_or(i64::MAX), row.id.clone());
            if oldest.as_ref().is_none_or(|old| age(&row) < age(old)) {
                oldest = Some(row);
            }
        }
        Ok(oldest.map(|row| row.id))
    }

    pub(super) async fn has_members(&mut self, incident: &str) -> Result<bool> {
        let row = sqlx::query("SELECT finding_id FROM incident_findings WHERE incident_id = $1 LIMIT 1")
            .bind(incident.to_owned())
            .fetch_optional(&mut **self.transaction)
            .await?;
        Ok(row.is_some())
    }

    /// Writes a member and its keys. Without `joined` the revision in which it came stays.
    pub(super) async fn write_member(
        &mut self,
        finding: &Finding,
        member: &Member,
        incident: &str,
        joined: Option<i64>,
    ) -> Result<()> {
        let joined_now =
            if joined.is_some() { "excluded.joined_revision" } else { "incident_findings.joined_revision" };
        let sql = format!(
            "INSERT INTO incident_findings
             (finding_id, incident_id, rule, severity_rank, account_id, title, first_time, last_time, joined_revision)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (finding_id) DO UPDATE SET incident_id = excluded.incident_id, rule = excluded.rule,
             severity_rank = excluded.severity_rank, account_id = excluded.account_id, title = excluded.title,
             first_time = excluded.first_time, last_time = excluded.last_time, joined_revision = {joined_now}"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(finding.id.clone())
            .bind(incident.to_owned())
            .bind(finding.rule.clone())
            .bind(rank(finding.severity))
            .bind(finding.account_id.clone())
            .bind(cut(&finding.title, TITLE_CHARS_MAX))
            .bind(finding.first_time)
            .bind(finding.last_time)
            .bind(joined.unwrap_or(NOT_YET))
            .execute(&mut **self.transaction)
            .await?;
        self.delete_keys(&finding.id).await?;
        for key in &member.keys {
            sqlx::query(
                "INSERT INTO incident_keys (finding_id, grouping_key, first_time, last_time) VALUES ($1, $2, $3, $4)",
            )
            .bind(finding.id.clone())
            .bind(key.clone())
            .bind(finding.first_time)
            .bind(finding.last_time)
            .execute(&mut **self.transaction)
            .await?;
        }
        Ok(())
    }

    pub(super) async fn delete_member(&mut self, finding_id: &str) -> Result<()> {
        self.delete_keys(finding_id).await?;
        sqlx::query("DELETE FROM incident_findings WHERE finding_id = $1")
            .bind(finding_id.to_owned())
            .execute(&mut **self.transaction)
            .await?;
        Ok(())
    }

    async fn delete_keys(&mut self, finding_id: &str) -> Result<()> {
        sqlx::query("DELETE FROM incident_keys WHERE finding_id = $1")
            .bind(finding_id.to_owned())
            .execute(&mut **self.transaction)
            .await?;
        Ok(())
    }

    pub(super) async fn move_members(&mut self, from: &str, into: &str) -> Result<()> {
        sqlx::query("UPDATE incident_findings SET incident_id = $1, joined_revision = $2 WHERE incident_id = $3")
            .bind(into.to_owned())
            .bind(NOT_YET)
            .bind(from.to_owned())
            .execute(&mut **self.transaction)
            .await?;
        Ok(())
    }

    pub(super) async fn move_member(&mut self, finding_id: &str, into: &str) -> Result<()> {
        sqlx::query("UPDATE incident_findings SET incident_id = $1, joined_revision = $2 WHERE finding_id = $3")
            .bind(into.to_owned())
            .bind(NOT_YET)
            .bind(finding_id.to_owned())
            .execute(&mut **self.transaction)
            .await?;
        Ok(())
    }

    pub(super) async fn note_merged(&mut self, from: &str, into: &str) -> Result<()> {
        sqlx::query("UPDATE incidents SET merged_into = $1, closed_reason = 'merged' WHERE id = $2")
            .bind(into.to_owned())
            .bind(from.to_owned())
            .execute(&mut **self.transaction)
            .await?;
        Ok(())
    }

    pub(super) async fn insert_row(&mut self, row: &Row) -> Result<()> {
        sqlx::query(
            "INSERT INTO incidents (id, kind, state, severity_rank, severity, title, findings, revision, history,
             opened_time, updated_time, watch_kind, watch_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(row.id.clone())
        .bind(row.kind.clone())
        .bind(row.state.as_str())
        .bind(rank(row.severity))
        .bind(row.severity.as_str())
        .bind(row.title.clone())
        .bind(row.findings)
        .bind(row.revision)
        .bind(i64::from(row.history))
        .bind(row.opened_time)
        .bind(row.updated_time)
        .bind(row.watch_kind.clone())
        .bind(row.watch_key.clone())
        .execute(&mut **self.transaction)
        .await?;
        Ok(())
    }

    /// Writes what may change in a row.
    pub(super) async fn update_row(&mut self, row: &Row) -> Result<()> {
        sqlx::query(
            "UPDATE incidents SET state = $1, severity_rank = $2, severity = $3, title = $4, findings = $5,
             first_time = $6, last_time = $7, revision = $8, history = $9, updated_time = $10, closed_reason = $11,
             merged_into = $12 WHERE id = $13",
        )
        .bind(row.state.as_str())
        .bind(rank(row.severity))
        .bind(row.severity.as_str())
        .bind(row.title.clone())
        .bind(row.findings)
        .bind(row.first_time)
        .bind(row.last_time)
        .bind(row.revision)
        .bind(i64::from(row.history))
        .bind(row.updated_time)
        .bind(row.closed_reason.clone())
        .bind(row.merged_into.clone())
        .bind(row.id.clone())
        .execute(&mut **self.transaction)
        .await?;
        Ok(())
    }
}
