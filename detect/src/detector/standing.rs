//! Findings that stand as they are: retention took away events that they were judged by.
//!
//! - What begins before the first day that is kept is neither changed nor retracted, by whatever rule.
//! - What begins so soon after it that a rule would have to look back behind it (a value would seem new, a rate unusual) is
//!   not judged anew when rules remember what is in the table. New events there are judged by what is known.
//! - A rule that begins, or that was edited, judges all that is there by what is there.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::error::Result;
use crate::finding::{self, Finding};
use crate::ledger::FindingsLedger;
use crate::memory::Verdict;
use crate::rule::Rule;
use crate::state::Claim;

#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// The time from which on events are kept, in µs; none where all are.
    kept_from: Option<i64>,
    /// Current findings that begin before it.
    ids: HashSet<String>,
    /// Rules, by id, that see the table for the first time.
    begin: HashSet<String>,
}

impl Standing {
    /// What stands, where events are kept from a time on.
    pub async fn of(ledger: &FindingsLedger, kept_from: Option<i64>, begin: HashSet<String>) -> Result<Self> {
        let ids = match kept_from {
            Some(time) => ledger.begun_before(time).await?,
            None => HashSet::new(),
        };
        Ok(Self { kept_from, ids, begin })
    }

    pub fn kept_from(&self) -> Option<i64> {
        self.kept_from
    }

    pub fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// The rules that began have seen the table.
    pub fn have_begun(&mut self) {
        self.begin.clear();
    }

    /// Takes what stands out of what a rule claims of an entity, and out of the findings that are compared with it.
    pub fn leave(
        &self,
        rule: &Rule,
        verdict: &mut Verdict,
        stored: &mut Vec<Finding>,
        counts_news: impl Fn(&Claim) -> bool,
    ) {
        let (Some(kept_from), Some(plan)) = (self.kept_from, &rule.plan) else { return };
        let looks_back = if self.begin.contains(&rule.id) { 0 } else { plan.looks_back() };
        let bound = kept_from.saturating_add(looks_back);
        let entity: BTreeMap<String, Value> = serde_json::from_str(&verdict.entity).unwrap_or_default();
        let (mut judged, mut left) = (HashSet::new(), HashSet::new());
        verdict.claims.retain(|claim| {
            if claim.times.0 >= bound {
                return true;
            }
            let id = finding::id(rule, &entity, &claim.what);
            let is_judged = claim.times.0 >= kept_from && !self.ids.contains(&id) && counts_news(claim);
            if is_judged {
                judged.insert(id)
            } else {
                left.insert(id)
            };
            is_judged
        });
        stored.retain(|finding| {
            judged.contains(&finding.id) || finding.first_time >= bound && !left.contains(&finding.id)
        });
    }
}
