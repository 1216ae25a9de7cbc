//! Findings that later events may still undo wait here, outside of every incident, until the sources of their account are
//! complete up to them. One that is retracted meanwhile was never told, and nobody has to be told of that either.
//!
//! How long a finding has to wait is settled when it is raised. Further events of it do not prolong that: whoever goes on
//! with what was noticed would never be told of otherwise.

use sqlx::Row as _;
use sqlx::any::Any;
use trailhound_detect::{Change, Finding, Kind};

use super::{Incidents, Result, Touched};

/// The account of a finding that belongs to several, or to none.
const NO_ACCOUNT: &str = "";
/// Findings that are let go in one transaction.
const LET_GO_MAX: i64 = 500;

impl Incidents<'_> {
    /// Whether a finding has to wait; then it does.
    pub(super) async fn hold(&mut self, change: &Change) -> Result<bool> {
        let finding = &change.finding;
        let open_for = match &change.rule {
            Some(facts) => facts.open_for,
            // The rule is not at hand: a sequence may have something that must not follow.
            None => (!matches!(finding.kind, Kind::Match | Kind::Threshold)).then_some(0),
        };
        let (Some(open_for), Some(silent_after)) = (open_for, self.setup.silent_after()) else { return Ok(false) };
        if self.member(&finding.id).await?.is_some() {
            return Ok(false);
        }
        // What says that it is of tomorrow is of today.
        let open_until = finding.last_time.min(self.now).saturating_add(open_for);
        let account_id = finding.account_id.as_deref();
        if self.sources.complete_to(account_id, self.now, silent_after) >= open_until {
            self.let_go(&finding.id).await?;
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO held_findings (finding_id, account_id, open_until, since) VALUES ($1, $2, $3, $4)
             ON CONFLICT (finding_id) DO NOTHING",
        )
        .bind(finding.id.clone())
        .bind(account_id.unwrap_or(NO_ACCOUNT).to_owned())
        .bind(open_until)
        .bind(self.now)
        .execute(&mut **self.transaction)
        .await?;
        Ok(true)
    }

    /// A finding waits no longer. Gives whether it did.
    pub async fn let_go(&mut self, finding_id: &str) -> Result<bool> {
        let done = sqlx::query("DELETE FROM held_findings WHERE finding_id = $1")
            .bind(finding_id.to_owned())
            .execute(&mut **self.transaction)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Puts findings into incidents, now.
    pub async fn tell(&mut self, findings: &[Finding]) -> Result<()> {
        let mut touched = Touched::default();
        for finding in findings {
            self.place(finding, &mut touched).await?;
        }
        self.finish(touched).await
    }
}

/// The accounts with findings that wait; `None` for those that belong to several accounts, or to none.
pub(crate) async fn waiting_accounts(pool: &sqlx::Pool<Any>) -> Result<Vec<Option<String>>> {
    let rows = sqlx::query("SELECT DISTINCT account_id FROM held_findings").fetch_all(pool).await?;
    let account = |id: String| (id != NO_ACCOUNT).then_some(id);
    rows.iter().map(|row| Ok(account(row.try_get(0)?))).collect()
}

/// Findings of an account that need not wait any longer, by id; some of them, if there are many.
pub(crate) async fn settled(
    pool: &sqlx::Pool<Any>,
    account_id: Option<&str>,
    complete_to: i64,
    since: i64,
) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT finding_id FROM held_findings WHERE account_id = $1 AND (open_until <= $2 OR since <= $3)
         ORDER BY open_until, finding_id LIMIT $4",
    )
    .bind(account_id.unwrap_or(NO_ACCOUNT).to_owned())
    .bind(complete_to)
    .bind(since)
    .bind(LET_GO_MAX)
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
