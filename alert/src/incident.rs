//! Incidents: findings that belong together, kept in the ledger, and what has to be told of them.
//!
//! ```text
//! Change ─► member of an incident: a new one, the one it is linked to, or several, which are merged ─► settle ─► outbox
//!    └─ may still be undone: waits ─┘
//! ```
//! Which findings are one incident is a function of the current findings that do not wait (see [`grouping`]); only the *ids* remember
//! what people were told first. When a late finding joins two incidents, the one that was opened first keeps its id,
//! since somebody may be working under it, and the other is closed as merged into it. When the finding between two
//! others is retracted, the earlier part keeps the id and the later becomes an incident of its own: what is no longer
//! linked must not look as if it were.
//!
//! A *revision* counts what is worth telling: findings that came or went, another severity, another state. Further events
//! of a finding that was told only move its times.

pub(crate) mod grouping;
mod hold;
mod row;
mod settle;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use sqlx::Transaction;
use sqlx::any::Any;
use trailhound_detect::{Change, ChangeKind, Finding, Severity, Status};

use crate::clock::MINUTE;
use crate::completeness::Completeness;
use crate::setup::Setup;
use grouping::{Member, incident_id, keys};

pub(crate) use hold::{settled, waiting_accounts};
pub(crate) use row::{Row, read_row, rule_facts, top_members};
pub use watch::Watch;
pub(crate) use watch::{open_watches, watch_stands};

/// The most characters of a title that are kept.
const TITLE_CHARS_MAX: usize = 300;
/// Marks members that came since the last revision.
const NOT_YET: i64 = -1;

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has said anything yet.
    Open,
    /// Somebody has it in hand.
    Acknowledged,
    /// Done with, merged into another, or without findings.
    Closed,
}

impl State {
    /// The word as it stands in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Acknowledged => "acknowledged",
            State::Closed => "closed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(word: &str) -> std::result::Result<Self, String> {
        [State::Open, State::Acknowledged, State::Closed]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| format!("`{word}` is not the state of an incident"))
    }
}

/// Writes incidents through a transaction that somebody else commits.
pub(crate) struct Incidents<'a> {
    pub transaction: &'a mut Transaction<'static, Any>,
    pub setup: &'a Setup,
    pub sources: &'a dyn Completeness,
    pub now: i64,
    /// Incidents whose last event is older are not told.
    pub told_from: i64,
}

type Result<T> = std::result::Result<T, sqlx::Error>;

impl Incidents<'_> {
    /// Takes changes of findings in, and puts what has to be told into the outbox. What may still be undone waits.
    pub async fn apply(&mut self, changes: &[Change]) -> Result<()> {
        let mut touched = Touched::default();
        for change in changes {
            if let Some(facts) = &change.rule {
                self.note_rule(&change.finding.rule, facts, &mut touched).await?;
            }
            if change.kind == ChangeKind::Retracted || change.finding.status == Status::Trial {
                self.let_go(&change.finding.id).await?;
                self.remove(&change.finding.id, &mut touched).await?;
            } else if !self.hold(change).await? {
                self.place(&change.finding, &mut touched).await?;
            }
        }
        self.finish(touched).await
    }

    /// Takes findings out that are none any more.
    pub async fn forget(&mut self, finding_ids: &[String]) -> Result<()> {
        let mut touched = Touched::default();
        for id in finding_ids {
            self.remove(id, &mut touched).await?;
        }
        self.finish(touched).await
    }

    /// Incidents that may have fallen apart are split, and each that was touched is settled.
    async fn finish(&mut self, mut touched: Touched) -> Result<()> {
        for id in std::mem::take(&mut touched.loosened) {
            self.split(&id, &mut touched).await?;
        }
        for (id, lost) in touched.incidents {
            self.settle(&id, lost).await?;
        }
        Ok(())
    }

    /// Makes a finding a member of the incident that it is linked to, or of a new one; merges where it links several.
    async fn place(&mut self, finding: &Finding, touched: &mut Touched) -> Result<()> {
        let new = Member {
            id: finding.id.clone(),
            first_time: finding.first_time,
            last_time: finding.last_time,
            keys: keys(finding),
        };
        let old = self.member(&finding.id).await?;
        let mut linked = self.linked(&new).await?;
        if let Some((incident, member)) = &old {
            linked.insert(incident.clone());
            // What it linked before it may link no longer.
            let wider = new.first_time <= member.first_time && new.last_time >= member.last_time;
            if !wider || !member.keys.iter().all(|key| new.keys.contains(key)) {
                touched.loosened.insert(incident.clone());
            }
        }
        let incident = match self.oldest(&linked).await? {
            Some(oldest) => oldest,
            None => self.open_new(&finding.id).await?,
        };
        for other in linked.iter().filter(|id| **id != incident) {
            self.merge(other, &incident, touched).await?;
        }
        let joined = match &old {
            Some((before, _)) if *before == incident => None,
            _ => Some(NOT_YET),
        };
        self.write_member(finding, &new, &incident, joined).await?;
        touched.incidents.entry(incident).or_default();
        Ok(())
    }

    async fn remove(&mut self, finding_id: &str, touched: &mut Touched) -> Result<()> {
        let Some((incident, _)) = self.member(finding_id).await? else { return Ok(()) };
        self.delete_member(finding_id).await?;
        touched.loosened.insert(incident.clone());
        *touched.incidents.entry(incident).or_default() = true;
        Ok(())
    }

    /// Closes an incident as merged into an older one, which gets its findings.
    async fn merge(&mut self, from: &str, into: &str, touched: &mut Touched) -> Result<()> {
        self.move_members(from, into).await?;
        self.note_merged(from, into).await?;
        if touched.loosened.remove(from) {
            touched.loosened.insert(into.to_owned());
        }
        touched.incidents.entry(into.to_owned()).or_default();
        // Settled too: it is told as closed where it was told as open.
        touched.incidents.entry(from.to_owned()).or_default();
        Ok(())
    }

    /// Gives parts of an incident that are linked no longer incidents of their own. The earliest keeps the id.
    async fn split(&mut self, incident: &str, touched: &mut Touched) -> Result<()> {
        let members = self.members(incident).await?;
        let gap = self.gap();
        for part in grouping::parts(&members, gap).into_iter().skip(1) {
            let seed = &members[part[0]].id;
            let new = self.open_new(seed).await?;
            for place in part {
                self.move_member(&members[place].id, &new).await?;
            }
            touched.incidents.entry(new).or_default();
            *touched.incidents.entry(incident.to_owned()).or_default() = true;
        }
        Ok(())
    }

    /// A new incident, named after the finding that opens it: after a crash the same finding opens the same incident. An
    /// incident that was closed when this very finding was retracted is opened again.
    async fn open_new(&mut self, finding_id: &str) -> Result<String> {
        for salt in 0u32.. {
            let id = match salt {
                0 => incident_id(&["finding", finding_id]),
                salt => incident_id(&["finding", finding_id, &salt.to_string()]),
            };
            match read_row(&mut **self.transaction, &id).await? {
                None => {
                    self.insert_row(&Row::new(&id, "incident", self.now)).await?;
                    return Ok(id);
                }
                Some(row) if row.kind == "incident" && row.merged_into.is_none() && !self.has_members(&id).await? => {
                    return Ok(id);
                }
                Some(_) => {}
            }
        }
        unreachable!("there are more salts than incidents")
    }

    fn gap(&self) -> i64 {
        i64::try_from(self.setup.alerts.incident_gap_minutes).unwrap_or(i64::MAX / MINUTE).saturating_mul(MINUTE)
    }

    async fn note_rule(
        &mut self,
        rule: &str,
        facts: &trailhound_detect::RuleFacts,
        touched: &mut Touched,
    ) -> Result<()> {
        if !touched.rules.insert(rule.to_owned()) {
            return Ok(());
        }
        row::write_rule(&mut **self.transaction, rule, facts).await
    }
}

/// What one batch of changes has touched.
#[derive(Default)]
struct Touched {
    /// Incidents to settle, with whether they lost findings.
    incidents: BTreeMap<String, bool>,
    /// Incidents that may have fallen apart.
    loosened: BTreeSet<String>,
    /// Rules whose facts were noted.
    rules: BTreeSet<String>,
}

/// A severity as a number that grows with it.
pub(crate) fn rank(severity: Severity) -> i64 {
    severity as i64
}
