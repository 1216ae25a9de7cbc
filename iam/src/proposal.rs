//! Policies that grant what a principal used, and what cannot be told: a [`Judgement`] comes in, [`Policies`] go out.
//!
//! What was used on resources that are known is granted on these, under the conditions of the statements that allowed it. What was
//! used on resources that are not known, and what could not have been seen, is kept as the statements grant it today, with
//! the reason. Statements that deny stay. What is unused goes.
//!
//! What is promised: nothing that succeeded and is allowed today is denied; no action is granted that was neither used nor kept,
//! and on no resource on which it was not, except where [`Policies`] say so in a note. The documents stand for *all*
//! identity policies, of a user's groups as well. What a pattern kept today may grant in future (actions that do not exist
//! yet) it still grants.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::{ActionId, Catalogue};
use crate::condition::Condition;
use crate::document::{Effect, Selection, Statement};
use crate::evaluate::{Compiled, Decision, Layer, StatementId};
use crate::observability::Observability;
use crate::policy::{Conditions, Home, Kept, Policies, PolicyError, Use, conditions_of};
use crate::principal::account_in;
use crate::replay::{Call, decision};
use crate::usage::ActionUse;
use crate::verdict::{JudgedAction, Judgement, Verdict, identity_allows};

mod condense;

/// What is kept of each statement, by action with the reasons.
type KeptOf = BTreeMap<StatementId, BTreeMap<ActionId, String>>;

const UNKNOWN_RESOURCES: &str = "it was used, and its events do not say on what";
const REQUESTS_NOT_READ: &str = "it was used, perhaps more often than the requests that were read say";
const BY_IAM: &str = "IAM says that it was used";
const NOT_IN_CATALOGUE: &str = "it is not known which actions this is";

impl Judgement<'_> {
    /// Calls of the granted actions that succeeded, for trying policies out: see [`Trial`](crate::replay::Trial).
    pub fn calls(&self) -> impl Iterator<Item = Call<'_>> {
        let granted = self.uses().iter().filter(|(action, one)| one.is_used() && self.granted().of(*action).is_some());
        granted.flat_map(|(action, one)| calls_of(action, one))
    }

    /// Identity policies that could replace those of today.
    ///
    /// # Errors
    ///
    /// If a statement is too long for a policy.
    pub fn proposal(&self) -> Result<Policies, PolicyError> {
        let compiled = self.compiled();
        let (mut uses, mut kept) = (Vec::new(), KeptOf::new());
        for judged in self.actions() {
            let why = match judged.verdict {
                Verdict::Unused { .. } => continue,
                Verdict::NotObservable(why) => why.to_string(),
                Verdict::UsedByIam { .. } => BY_IAM.to_owned(),
                Verdict::Used { .. } | Verdict::Periodic { .. } | Verdict::Idle { .. } => {
                    match self.used(&judged, &mut uses) {
                        None => continue,
                        Some(why) => why.to_owned(),
                    }
                }
            };
            for statement in &judged.grant.by {
                kept.entry(*statement).or_default().insert(judged.action, why.clone());
            }
        }
        let mut kept: Vec<Kept> = kept.iter().flat_map(|(id, actions)| kept_of(compiled, *id, actions)).collect();
        for id in identity_allows(compiled) {
            kept.extend(unknown_of(compiled, id));
        }
        Policies::from_use(&home(self.subject().arn), &uses, &kept, &denies(compiled))
    }

    /// Adds the uses of an action by resource, or tells why these are not all; then it stays as it is granted.
    fn used(&self, judged: &JudgedAction<'_>, uses: &mut Vec<Use>) -> Option<&'static str> {
        let seen = judged.seen?;
        let has_resources = Catalogue::shipped().has_resources(judged.action);
        let mut found: BTreeMap<(Option<&str>, Conditions), BTreeSet<String>> = BTreeMap::new();
        for call in calls_of(judged.action, seen) {
            let is_about = |arn: &&str| Catalogue::shipped().type_for(judged.action, arn).is_some();
            let arn = call.resource.filter(is_about);
            if arn.is_none() && has_resources {
                return Some(UNKNOWN_RESOURCES);
            }
            for conditions in decision(self.compiled(), &call).iter().flat_map(|d| under(self.compiled(), d)) {
                found.entry((call.passed_to, conditions)).or_default().extend(arn.map(str::to_owned));
            }
        }
        if matches!(Observability::of(judged.action), Observability::NeverLogged(_)) && !self.uses().requests_read() {
            return Some(REQUESTS_NOT_READ);
        }
        uses.extend(found.into_iter().map(|((passed_to, conditions), resources)| Use {
            action: judged.action,
            resources,
            passed_to: passed_to.map(str::to_owned),
            conditions,
        }));
        None
    }
}

/// An action's uses by resource; one without a resource if they are not known at all.
fn calls_of<'u>(action: ActionId, one: &'u ActionUse<'_>) -> impl Iterator<Item = Call<'u>> {
    let (count, first, last) = (one.tally.count, one.tally.first, one.tally.last);
    let call = move |resource, passed_to, count| Call { action, resource, passed_to, count, first, last };
    // Which of the resources how often is not counted; each was used at least once.
    let placed = one.resources().map(move |(arn, passed_to)| call(Some(arn), passed_to, 1));
    let unplaced = (!one.is_located()).then(|| call(None, None, count));
    placed.chain(unplaced)
}

/// The conditions of the identity's statements that allow, each set once; one that is empty is enough.
fn under(compiled: &Compiled, decision: &Decision) -> BTreeSet<Conditions> {
    let allows = |id: &StatementId| {
        let statement = compiled.statement(*id);
        statement.layer == Layer::Identity && statement.statement.effect == Effect::Allow
    };
    let allowing: Vec<StatementId> = match decision {
        Decision::Allowed { by } => by.iter().copied().filter(allows).collect(),
        Decision::Conditional { by, open } => match by.iter().copied().filter(allows).collect::<Vec<_>>() {
            sure if !sure.is_empty() => sure,
            _ => open.iter().map(|open| open.statement).filter(allows).collect(),
        },
        Decision::Denied(_) => Vec::new(),
    };
    let sets: BTreeSet<Conditions> = allowing.iter().map(|id| conditions(compiled, *id)).collect();
    if sets.contains(&Conditions::new()) { BTreeSet::from([Conditions::new()]) } else { sets }
}

/// What is kept of one statement: patterns that have the same reasons together.
fn kept_of(compiled: &Compiled, id: StatementId, actions: &BTreeMap<ActionId, String>) -> Vec<Kept> {
    let statement = compiled.statement(id).statement;
    let mut by_reason: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (pattern, stands_for) in condense::patterns(&statement.actions, |action| actions.contains_key(&action)) {
        let reasons: BTreeSet<&str> = stands_for.iter().map(|action| actions[action].as_str()).collect();
        let reasons = reasons.into_iter().collect::<Vec<_>>().join("; ");
        by_reason.entry(reasons).or_default().insert(pattern);
    }
    by_reason.into_iter().filter_map(|(why, actions)| kept(compiled, id, actions, why)).collect()
}

/// Patterns of a statement that match no action of the catalogue.
fn unknown_of(compiled: &Compiled, id: StatementId) -> Option<Kept> {
    let is_only = matches!(compiled.statement(id).statement.actions, Selection::Only(_));
    let unknown = compiled.unknown_actions().filter(|(of, _)| is_only && *of == id);
    let patterns: BTreeSet<String> = unknown.map(|(_, pattern)| pattern.to_owned()).collect();
    (!patterns.is_empty()).then(|| kept(compiled, id, patterns, NOT_IN_CATALOGUE.to_owned()))?
}

/// Actions on the resources and under the conditions of a statement.
fn kept(compiled: &Compiled, id: StatementId, actions: BTreeSet<String>, why: String) -> Option<Kept> {
    let (patterns, all_but) = match &compiled.statement(id).statement.resources {
        Selection::Only(patterns) => (patterns, false),
        Selection::Except(patterns) => (patterns, true),
        Selection::Unstated => return None,
    };
    let resources = patterns.iter().map(|pattern| carried(compiled, id, pattern)).collect();
    Some(Kept { actions, resources, all_but, conditions: conditions(compiled, id), why })
}

fn conditions(compiled: &Compiled, id: StatementId) -> Conditions {
    conditions_of(&carried_conditions(compiled, id))
}

fn carried_conditions(compiled: &Compiled, id: StatementId) -> Vec<Condition> {
    let mut conditions = compiled.statement(id).statement.conditions.clone();
    for value in conditions.iter_mut().flat_map(|condition| &mut condition.values) {
        *value = carried(compiled, id, value);
    }
    conditions
}

/// Text of a document as one of the version with variables has to write it.
fn carried(compiled: &Compiled, id: StatementId, text: &str) -> String {
    if compiled.has_variables(id) { text.to_owned() } else { text.replace("${", "${$}{") }
}

/// The identity's statements that deny.
fn denies(compiled: &Compiled) -> Vec<Statement> {
    let denies = |id: &StatementId| {
        let statement = compiled.statement(*id);
        statement.layer == Layer::Identity
            && statement.statement.effect == Effect::Deny
            && statement.statement.principals == Selection::Unstated
    };
    let mut statements = Vec::new();
    for id in compiled.statements().filter(denies) {
        let mut statement = compiled.statement(id).statement.clone();
        statement.conditions = carried_conditions(compiled, id);
        if let Selection::Only(patterns) | Selection::Except(patterns) = &mut statement.resources {
            patterns.iter_mut().for_each(|pattern| *pattern = carried(compiled, id, pattern));
        }
        statements.push(statement);
    }
    statements
}

fn home(arn: &str) -> Home {
    Home {
        partition: arn.split(':').nth(1).unwrap_or("aws").to_owned(),
        account: account_in(arn).unwrap_or("*").to_owned(),
    }
}

#[cfg(test)]
mod tests;
