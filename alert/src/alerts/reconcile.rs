//! Findings that changed while nobody followed: a scan of the same store, or a service before it had alerts. What the
//! incidents say is brought to what the findings say, so that they are a function of them here, too.

use sqlx::Row as _;
use trailhound_detect::{Change, ChangeKind};

use super::Alerts;
use crate::error::Result;

/// Findings that are in no incident and do not wait, or stand there with other times; as many as fit into one transaction.
const ASTRAY: &str = "SELECT f.id FROM findings f LEFT JOIN incident_findings m ON m.finding_id = f.id
    LEFT JOIN held_findings h ON h.finding_id = f.id
    WHERE f.id > $1 AND f.state = 'current' AND f.status = 'stable'
    AND (m.finding_id IS NULL AND h.finding_id IS NULL OR m.first_time <> f.first_time OR m.last_time <> f.last_time)
    ORDER BY f.id LIMIT 500";

/// Members of incidents that are no findings any more.
const GONE: &str = "SELECT m.finding_id FROM incident_findings m WHERE m.finding_id > $1 AND NOT EXISTS
    (SELECT 1 FROM findings f WHERE f.id = m.finding_id AND f.state = 'current' AND f.status = 'stable')
    ORDER BY m.finding_id LIMIT 500";

impl Alerts {
    pub(super) async fn reconcile(&self) -> Result<()> {
        let mut reconciled = 0;
        let mut after = String::new();
        loop {
            let ids = self.ids(ASTRAY, &after).await?;
            let Some(last) = ids.last() else { break };
            after.clone_from(last);
            let mut changes = Vec::with_capacity(ids.len());
            for id in &ids {
                if let Some(finding) = self.findings.get(id).await? {
                    changes.push(Change { kind: ChangeKind::Amended, finding, rule: None });
                }
            }
            reconciled += changes.len();
            self.write("group findings", async |incidents| incidents.apply(&changes).await).await?;
        }
        after.clear();
        loop {
            let ids = self.ids(GONE, &after).await?;
            let Some(last) = ids.last() else { break };
            after.clone_from(last);
            reconciled += ids.len();
            self.write("group findings", async |incidents| incidents.forget(&ids).await).await?;
        }
        if reconciled > 0 {
            tracing::info!(findings = reconciled, "findings that nobody followed were grouped");
        }
        Ok(())
    }

    async fn ids(&self, query: &'static str, after: &str) -> Result<Vec<String>> {
        let fail = |e| self.fail("compare findings and incidents", e);
        let rows = sqlx::query(query).bind(after.to_owned()).fetch_all(self.ledger.pool()).await.map_err(fail)?;
        rows.iter().map(|row| row.try_get(0).map_err(fail)).collect()
    }
}
