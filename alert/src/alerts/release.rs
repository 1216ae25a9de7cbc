//! Tells what was held back, once the sources are complete up to it or it has waited long enough.

use trailhound_detect::Status;

use super::Alerts;
use crate::clock::HOUR;
use crate::error::Result;
use crate::incident::{settled, waiting_accounts};

impl Alerts {
    /// Puts into incidents what need not wait any longer, as it stands now. Gives how many findings waited no longer.
    pub(super) async fn release(&self) -> Result<usize> {
        let fail = |e| self.fail("look for what may be told", e);
        let pool = self.ledger.pool();
        let mut released = 0;
        for account in waiting_accounts(pool).await.map_err(fail)? {
            let (setup, now) = (self.setup(), self.clock.now());
            let complete_to = match setup.silent_after() {
                Some(silent_after) => self.sources.complete_to(account.as_deref(), now, silent_after),
                None => i64::MAX,
            };
            let longest = i64::try_from(setup.alerts.hold_hours_max).unwrap_or(i64::MAX / HOUR).saturating_mul(HOUR);
            let since = now.saturating_sub(longest);
            loop {
                let ids = settled(pool, account.as_deref(), complete_to, since).await.map_err(fail)?;
                if ids.is_empty() {
                    break;
                }
                released += ids.len();
                self.let_go(&ids).await?;
            }
        }
        Ok(released)
    }

    async fn let_go(&self, ids: &[String]) -> Result<()> {
        let fail = |e| self.fail("tell what was held back", e);
        let setup = self.setup();
        let mut transaction = self.ledger.begin().await?;
        let mut incidents = self.incidents(&setup, &mut transaction);
        let mut findings = Vec::with_capacity(ids.len());
        for id in ids {
            // Taken out before it is read: whoever retracts it at the same time waits for us, and finds it in its incident.
            if incidents.let_go(id).await.map_err(fail)? {
                findings.extend(self.findings.get_within(incidents.transaction, id).await?);
            }
        }
        findings.retain(|finding| finding.status == Status::Stable);
        incidents.tell(&findings).await.map_err(fail)?;
        transaction.commit().await.map_err(fail)?;
        self.ring();
        Ok(())
    }
}
