//! From what rules with memory claim to findings: which are raised, amended or withdrawn.
//!
//! A claim says which events it counts, not what stands in them. They are taken from what has just come, from the finding
//! that is there, or are read again from `events`, whichever is enough: sets of events only grow, so two sets of one claim
//! that count the same are the same. What is read again may be ahead of what has been judged, and be news only afterwards.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::evaluate::Sighting;
use crate::finding::{self, Finding};
use crate::memory::{Key, Verdict};
use crate::rule::Rule;
use crate::ruleset::RuleSet;
use crate::state::{Claim, Which};

/// A claim whose events must be read again.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub rule: usize,
    pub entity: String,
    pub claim: Claim,
    /// What has been read so far.
    pub finding: Option<Finding>,
}

/// What becomes of the findings of one entity.
#[derive(Debug, Default)]
pub(crate) struct Revision {
    /// Findings that are new or differ, with the rule's place.
    pub write: Vec<(usize, Finding)>,
    /// Findings that nothing stands behind any more.
    pub withdraw: Vec<Finding>,
    pub wanted: Vec<Wanted>,
}

impl Revision {
    /// Whether nothing becomes of any finding.
    pub fn is_empty(&self) -> bool {
        self.write.is_empty() && self.withdraw.is_empty() && self.wanted.is_empty()
    }

    /// Compares what a rule claims of an entity with the findings of the rule's generation that are there; `fresh` are
    /// the entity's events that have just come, `apart` whether no finding can hold any of them yet.
    pub fn compare(&mut self, set: &RuleSet, verdict: Verdict, stored: Vec<Finding>, fresh: &[Sighting], apart: bool) {
        let rule = set.at(verdict.rule);
        let mut stored: BTreeMap<String, Finding> = stored.into_iter().map(|f| (f.id.clone(), f)).collect();
        let entity: BTreeMap<String, Value> = serde_json::from_str(&verdict.entity).unwrap_or_default();
        for claim in verdict.claims {
            let there = stored.remove(&finding::id(rule, &entity, &claim.what));
            let new: Vec<&Sighting> = match &rule.plan {
                Some(plan) => fresh.iter().filter(|s| plan.counts(&claim, s)).collect(),
                None => Vec::new(),
            };
            match settle(rule, &claim, there, &new, apart) {
                Settled::Unchanged => {}
                Settled::Finding(finding) => self.write.push((verdict.rule, *finding)),
                Settled::Wanted => {
                    let entity = verdict.entity.clone();
                    self.wanted.push(Wanted { rule: verdict.rule, entity, claim, finding: None });
                }
            }
        }
        self.withdraw.extend(stored.into_values());
    }

    /// Puts what was read again to what is written.
    pub fn read_again(&mut self, set: &RuleSet) {
        for wanted in std::mem::take(&mut self.wanted) {
            let Some(mut finding) = wanted.finding else {
                tracing::warn!(
                    rule = set.at(wanted.rule).id,
                    entity = wanted.entity,
                    "the events of a finding are not in the table any more; it stands as it was"
                );
                continue;
            };
            finding.word(set.at(wanted.rule), Some(&wanted.claim.note));
            self.write.push((wanted.rule, finding));
        }
    }
}

impl Wanted {
    /// Takes an event that the claim counts.
    pub fn take(&mut self, rule: &Rule, sighting: Sighting) {
        put(&mut self.finding, rule, &self.claim, sighting);
    }
}

enum Settled {
    Unchanged,
    Finding(Box<Finding>),
    Wanted,
}

fn settle(rule: &Rule, claim: &Claim, there: Option<Finding>, new: &[&Sighting], apart: bool) -> Settled {
    let worded = |mut finding: Finding, before: Option<&Finding>| {
        finding.word(rule, Some(&claim.note));
        if before == Some(&finding) { Settled::Unchanged } else { Settled::Finding(Box::new(finding)) }
    };
    if let Some(there) = there {
        let same = match &claim.which {
            Which::Ids(ids) => there.event_ids == *ids,
            _ => there.count == claim.count,
        };
        if same {
            return worded(there.clone(), Some(&there));
        }
        let grows = apart && !matches!(claim.which, Which::Ids(_)) && there.count + new.len() as u64 == claim.count;
        if grows {
            let mut finding = Some(there);
            new.iter().for_each(|s| put(&mut finding, rule, claim, (*s).clone()));
            return finding.map_or(Settled::Wanted, |f| worded(f, None));
        }
    }
    if new.len() as u64 != claim.count {
        return Settled::Wanted;
    }
    let mut finding = None;
    new.iter().for_each(|s| put(&mut finding, rule, claim, (*s).clone()));
    finding.map_or(Settled::Wanted, |f| worded(f, None))
}

fn put(finding: &mut Option<Finding>, rule: &Rule, claim: &Claim, sighting: Sighting) {
    let more = Finding::begin(rule, &claim.what, sighting);
    match finding {
        Some(finding) => finding.fold(more),
        None => *finding = Some(more),
    }
}

/// The findings that a set of rules makes of these sightings and of nothing else, by id.
pub(crate) fn findings_of(
    set: &RuleSet,
    sightings: Vec<Sighting>,
) -> crate::error::Result<BTreeMap<String, (usize, Finding)>> {
    let mut memory = crate::memory::Memory::new(usize::MAX);
    let mut fresh: HashMap<Key, Vec<Sighting>> = HashMap::new();
    let mut found = finding::Folded::new();
    let mut alone = Vec::new();
    for sighting in sightings {
        let rule = set.at(sighting.rule);
        if rule.plan.is_none() {
            alone.push(sighting);
        } else if let Some(key) = memory.add_sighting(rule, &sighting)? {
            fresh.entry(key).or_default().push(sighting);
        }
    }
    finding::fold(set, alone, &mut found);
    let mut revision = Revision::default();
    for verdict in memory.judge(set, &|_, _, _| false)? {
        let of_entity = fresh.remove(&verdict.key).unwrap_or_default();
        revision.compare(set, verdict, Vec::new(), &of_entity, true);
    }
    debug_assert!(revision.wanted.is_empty(), "all events were at hand");
    found.extend(revision.write.into_iter().map(|(place, finding)| (finding.id.clone(), (place, finding))));
    Ok(found)
}
