//! Everything that a rule knows of one entity, gathered from the store.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use trailhound_store::Store;

use super::{Chosen, ExplainError};
use crate::backtest::over_all;
use crate::error::Result;
use crate::evaluate::Sighting;
use crate::evidence::Evidence;
use crate::finding::{self, Finding, time};
use crate::judgement::{self, Judgement};
use crate::ledger::FindingsLedger;
use crate::memory::Memory;
use crate::problem::nearest;
use crate::remembered::Id;
use crate::rule::Rule;
use crate::ruleset::RuleSet;
use crate::state::{Claim, Event, Moment, Plan, State};

/// Other entities that are remembered, to name those that come near to one that is not there.
const OTHERS_MAX: usize = 10_000;
/// Findings that are told of an entity.
const FINDINGS_MAX: usize = 20;

/// What a rule finds, and whether the store's findings say so.
#[derive(Debug, Serialize)]
pub struct Found {
    pub id: String,
    /// The times of its events, or of the window, bucket or day that holds them.
    pub first_time: String,
    pub last_time: String,
    pub count: u64,
    /// What was usual, what was seen, how improbable it is.
    pub explanation: String,
    pub standing: Standing,
}

/// Whether a finding is among those of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Current,
    /// It counts other events there.
    Differs,
    Retracted,
    Absent,
}

impl Standing {
    pub fn told(self) -> &'static str {
        match self {
            Standing::Current => "(in the store)",
            Standing::Differs => "(in the store with other events: another text of the rule judged it)",
            Standing::Retracted => {
                "(retracted in the store: it was judged with another text of the rule, or since then)"
            }
            Standing::Absent => "(not in the store: this text of the rule has not judged it yet)",
        }
    }
}

/// A rule's knowledge of an entity.
#[derive(Default)]
pub(crate) struct Known {
    /// None for rules that look at each event alone.
    pub state: Option<State>,
    /// What other entities did, where it matters.
    others_remembered: Memory,
    pub chosen: Chosen,
    bounds: Option<(i64, i64)>,
    others: BTreeMap<String, u64>,
}

impl Known {
    /// Reads all events of the store that the only rule of a set chooses.
    pub async fn gather(store: &Store, set: &RuleSet, entity: &str) -> Result<Known> {
        let rule = set.at(0).clone();
        let mut known = Known { state: rule.plan.as_ref().map(|plan| plan.begin()), ..Known::default() };
        over_all(store, set, |seen, remembered| {
            for s in seen.sightings {
                let whose = entity_of(&rule, &s.evidence);
                known.add(&rule, entity, whose, s.event_time, &s.event_id, s.evidence.as_slice());
            }
            for rows in remembered {
                if rule.plan.as_ref().is_some_and(Plan::asks_groups) {
                    known.others_remembered.remember(&rule, &rows, &mut |_, _| ())?;
                }
                for (whose, row) in rows.iter() {
                    let whose = whose.map(|whose| whose.text.to_string());
                    known.add(&rule, entity, whose, row.time, row.id.text(), &row.evidence);
                }
            }
            Ok(())
        })
        .await?;
        Ok(known)
    }

    /// The same of sightings that are at hand.
    pub fn of<'s>(rule: &Rule, entity: &str, sightings: impl IntoIterator<Item = &'s Sighting>) -> Result<Known> {
        let mut known = Known { state: rule.plan.as_ref().map(|plan| plan.begin()), ..Known::default() };
        for s in sightings {
            if rule.plan.as_ref().is_some_and(Plan::asks_groups) {
                known.others_remembered.add_sighting(rule, s)?;
            }
            let whose = entity_of(rule, &s.evidence);
            known.add(rule, entity, whose, s.event_time, &s.event_id, s.evidence.as_slice());
        }
        Ok(known)
    }

    fn add(
        &mut self,
        rule: &Rule,
        entity: &str,
        whose: Option<String>,
        at: i64,
        id: &str,
        evidence: &(impl Evidence + ?Sized),
    ) {
        match whose {
            Some(whose) if whose == entity => {}
            Some(other) => {
                if self.others.len() < OTHERS_MAX || self.others.contains_key(&other) {
                    *self.others.entry(other).or_default() += 1;
                }
                return;
            }
            None => return,
        }
        self.chosen.add(at, &mut self.bounds);
        if let (Some(state), Some(plan)) = (&mut self.state, &rule.plan)
            && let Some(facts) = plan.facts(evidence)
        {
            state.add(plan, &Event { time: at, id: Id::Text(id), facts, count: 1 });
        }
    }

    /// What the rule's state says of the moment of an event, or of the moments that are nearest to a claim.
    pub fn moments(&mut self, rule: &Rule, entity: &str, event: Option<&Event<'_>>) -> Result<Vec<Moment>> {
        let (Some(state), Some(plan)) = (&self.state, &rule.plan) else { return Ok(Vec::new()) };
        let others = &mut self.others_remembered;
        let mut look = |group: &str, value: &str, day: i64| others.ask_as(rule, entity, group, value, day);
        state.explain(plan, event, &mut look)
    }

    /// What the rule finds of the entity, or with an event of it; the latest first.
    pub async fn findings(
        &mut self,
        rule: &Rule,
        entity: &str,
        sighting: Option<&Sighting>,
        ledger: &FindingsLedger,
    ) -> std::result::Result<Vec<Found>, ExplainError> {
        let mut found = Vec::new();
        match (&self.state, &rule.plan) {
            (Some(state), Some(plan)) => {
                let columns: BTreeMap<String, Value> = serde_json::from_str(entity).unwrap_or_default();
                let others = &mut self.others_remembered;
                let mut look = |group: &str, value: &str, day: i64| others.ask_as(rule, entity, group, value, day);
                let (_, mut claims) = state.judge(plan, self.bounds.map_or(0, |(first, _)| first), &mut look)?;
                claims.retain(|claim| sighting.is_none_or(|s| plan.counts(claim, s)));
                for claim in claims.into_iter().rev().take(FINDINGS_MAX) {
                    let id = finding::id(rule, &columns, &claim.what);
                    found.push(match ledger.find(&id).await? {
                        // What stands in the store says the same, and more of it.
                        Some((finding, false)) if finding.count == claim.count => {
                            of_finding(finding, Standing::Current)
                        }
                        Some((_, retracted)) => {
                            of_claim(id, claim, if retracted { Standing::Retracted } else { Standing::Differs })
                        }
                        None => of_claim(id, claim, Standing::Absent),
                    });
                }
            }
            _ => match sighting {
                Some(sighting) => {
                    let alone = Finding::of(rule, sighting.clone());
                    let (finding, standing) = match ledger.find(&alone.id).await? {
                        Some((finding, true)) => (finding, Standing::Retracted),
                        Some((finding, false)) => (finding, Standing::Current),
                        None => (alone, Standing::Absent),
                    };
                    found.push(of_finding(finding, standing));
                }
                None => {
                    let mut current = ledger.current().await?;
                    current.retain(|f| f.rule == rule.id && f.entity_text() == entity);
                    current.sort_by(|a, b| (b.first_time, &b.id).cmp(&(a.first_time, &a.id)));
                    found.extend(current.into_iter().take(FINDINGS_MAX).map(|f| of_finding(f, Standing::Current)));
                }
            },
        }
        Ok(found)
    }

    /// What to say where no event of an entity was chosen.
    pub fn nobody(&self, rule: &Rule, entity: &str, about: &str) -> String {
        let plain = !about.starts_with('{');
        let there = if plain { format!("there is no event `{about}` in the store, and ") } else { String::new() };
        let near = nearest(entity, self.others.keys().map(String::as_str)).map(|n| format!("; did you mean {n}?"));
        let more = near.unwrap_or_else(|| {
            let mut others: Vec<(&String, &u64)> = self.others.iter().collect();
            others.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            match others.as_slice() {
                [] => "; it chose no event at all of what the store keeps".into(),
                some => {
                    let some: Vec<String> = some.iter().take(3).map(|(e, n)| format!("{e} ({n})")).collect();
                    format!("; it chose events of {}, the most of {}", self.others.len(), some.join(", "))
                }
            }
        });
        format!("{there}the rule {} chose no event of the entity {entity}{more}", rule.id)
    }
}

fn of_claim(id: String, claim: Claim, standing: Standing) -> Found {
    let (first_time, last_time) = (time(claim.times.0), time(claim.times.1 - 1));
    Found { id, first_time, last_time, count: claim.count, explanation: claim.note, standing }
}

fn of_finding(finding: Finding, standing: Standing) -> Found {
    let (first_time, last_time) = (time(finding.first_time), time(finding.last_time));
    Found { id: finding.id, first_time, last_time, count: finding.count, explanation: finding.explanation, standing }
}

/// Whose an event is, as the ledger writes it; none for nobody's.
pub(crate) fn entity_of(rule: &Rule, evidence: &[Value]) -> Option<String> {
    if let Some(plan) = &rule.plan {
        return plan.entity(evidence);
    }
    let evidence: BTreeMap<String, Value> = self::evidence(rule, evidence).collect();
    let values: BTreeMap<&String, &Value> =
        rule.header.entity.iter().map(|c| (c, evidence.get(c).unwrap_or(&Value::Null))).collect();
    Some(serde_json::to_string(&values).expect("JSON values are written as JSON"))
}

/// The columns of the SELECT with their values.
pub(crate) fn evidence(rule: &Rule, values: &[Value]) -> impl Iterator<Item = (String, Value)> {
    rule.select.columns.iter().map(|(name, _)| name.clone()).zip(values.iter().cloned())
}

/// Why a chosen event does not count, if it does not.
pub(crate) fn not_counted(rule: &Rule, values: &[Value]) -> Option<String> {
    let plan = rule.plan.as_ref()?;
    if plan.entity(values).is_none() {
        return Some(format!("it is nobody's: {} is null", rule.header.entity.join(" and ")));
    }
    if plan.facts(values).is_some() {
        return None;
    }
    let named: BTreeMap<String, Value> = evidence(rule, values).collect();
    let null = |columns: &[String]| columns.iter().filter(|c| named[*c].is_null()).cloned().collect::<Vec<_>>();
    Some(match &rule.header.judgement {
        Judgement::Sequence(keys) => match named.get("step").and_then(Value::as_str) {
            Some(step) if keys.words().any(|s| s == step) => {
                format!("{} is null, and must be the same in all steps", null(&keys.same).join(" and "))
            }
            Some(step) => format!("its step `{step}` is none of {}", keys.steps.join(", ")),
            None => "its step is null".into(),
        },
        Judgement::FirstSeen(judgement::FirstSeen { value, .. }) | Judgement::Rare(judgement::Rare { value, .. }) => {
            format!("{} is null", value.join(" and "))
        }
        Judgement::Travel(keys) => format!("{} is null: its place is not known", null(&keys.place).join(" and ")),
        Judgement::Match { .. } | Judgement::Threshold { .. } | Judgement::Spike(_) | Judgement::Query(_) => {
            "it adds nothing".into()
        }
    })
}
