//! Who follows the findings: told of every change in the transaction that makes it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::Transaction;
use sqlx::any::Any;

use crate::evaluate::Seen;
use crate::finding::Finding;
use crate::rule::Rule;
use crate::ruleset::RuleSet;
use crate::severity::{Severity, Status};

/// What became of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    Raised,
    Amended,
    Retracted,
}

impl ChangeKind {
    /// The word as it stands in `finding_history`.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Raised => "raised",
            ChangeKind::Amended => "amended",
            ChangeKind::Retracted => "retracted",
        }
    }
}

/// One finding that changed, as it stands after the change (a retracted one as it stood before).
#[derive(Debug, Clone)]
pub struct Change {
    pub kind: ChangeKind,
    pub finding: Finding,
    /// `None` where a finding is retracted: its rule may be gone.
    pub rule: Option<RuleFacts>,
}

/// What changes of findings are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeKey {
    pub rule: String,
    pub severity: Severity,
    pub status: Status,
    /// `None` where the events name none, or several.
    pub account_id: Option<String>,
    pub kind: ChangeKind,
}

/// How many findings changed.
pub type ChangeCounts = BTreeMap<ChangeKey, u64>;

/// What telling people needs of a rule, beside what stands in its findings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFacts {
    pub why: String,
    pub runbook: String,
    pub false_positives: Vec<String>,
    pub refs: Vec<String>,
    /// How long after a finding's last event others can still undo it, in µs; `None` where none can.
    #[serde(default)]
    pub open_for: Option<i64>,
}

impl RuleFacts {
    /// What a rule's header says.
    pub fn of(rule: &Rule) -> Self {
        let header = &rule.header;
        RuleFacts {
            why: header.why.clone(),
            runbook: header.runbook.clone(),
            false_positives: header.false_positives.clone(),
            refs: header.refs.clone(),
            open_for: header.judgement.open_for(),
        }
    }
}

/// Somebody who has to know of every finding that changes, and keeps what follows from it in the same ledger.
pub trait Follower: Send + Sync + Debug {
    /// Called inside the transaction that writes these findings and the cursors: either all of it becomes durable or
    /// nothing does. An error rolls everything back; the same changes come again then.
    fn changed<'a>(
        &'a self,
        transaction: &'a mut Transaction<'static, Any>,
        changes: &'a [Change],
    ) -> BoxFuture<'a, Result<(), Box<dyn Error + Send + Sync>>>;

    /// Called with what a rule set saw in a batch, before it is written anywhere: for who counts what rules cost.
    fn evaluated(&self, _set: &RuleSet, _seen: &Seen) {}

    /// Called when such a transaction is durable, with how many findings changed in it: work that it left may begin.
    fn committed(&self, _counts: &ChangeCounts) {}
}
