//! What a change of policies would have denied: policies and what was done under others come in, what would be lost goes out.
//!
//! Comes in: [`Compiled`] policies, those of today and those to be tried ([`Change`] makes a set of them), and [`Call`]s that
//! succeeded. Goes out: [`Replayed`], aggregated by action and decision, which names the statements that deny or leave it open.
//!
//! What is promised: a call is `allowed` only if the policies allow it on its resource. Where the decision depends on a resource
//! that is not known, the call is *unplaced*: [`Trial::needs_resources`] tells beforehand for which actions resources must be
//! read. What today's policies do not allow either (a resource's policy did) is no loss and counted apart.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::{ActionId, Catalogue};
use crate::document::Effect;
use crate::evaluate::{Compiled, Context, Decision, Open, Place, Policy, PolicySet};
use crate::policy::conditions_of;

/// So many resources of a loss are named.
const RESOURCES_SHOWN: usize = 10;

/// Calls alike that succeeded.
#[derive(Clone, Copy, Debug)]
pub struct Call<'u> {
    pub action: ActionId,
    /// ARN; none if it is not known.
    pub resource: Option<&'u str>,
    /// For `iam:PassRole`: the service that got the role.
    pub passed_to: Option<&'u str>,
    pub count: u64,
    /// µs since 1970.
    pub first: i64,
    pub last: i64,
}

/// A change of a principal's policies.
#[derive(Clone, Debug)]
pub enum Change {
    /// One identity policy more.
    Attach(Policy),
    /// Without the policy that stands there, in whichever layer.
    Detach(Place),
    /// With these identity policies instead, of groups as well.
    Replace(Vec<Policy>),
    /// With this boundary, or none.
    Boundary(Option<Policy>),
    /// One service control policy more at a level of the organisation, 0 being its root. Beyond the last level it begins one of its
    /// own, at which it alone has to allow.
    Control { level: usize, policy: Policy },
}

/// Policies to be tried against what was done.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'c> {
    /// Today's. Without them, all that the others do not allow is a loss.
    pub before: Option<&'c Compiled>,
    pub after: &'c Compiled,
}

/// What became of the calls.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// How many are allowed still.
    pub allowed: u64,
    /// How many are allowed no more than today, which is not for sure: something else allowed them.
    pub as_before: u64,
    /// What is denied, or open where it was not, by action.
    pub lost: Vec<Loss>,
    /// What depends on resources that are not known, by action.
    pub unplaced: Vec<Unplaced>,
}

/// Calls of one action that came to one decision.
#[derive(Clone, Debug)]
pub struct Loss {
    pub action: ActionId,
    /// Denied or conditional; its statements are those of [`Trial::after`].
    pub decision: Decision,
    pub count: u64,
    pub first: i64,
    pub last: i64,
    /// Some of the resources.
    pub resources: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unplaced {
    pub action: ActionId,
    pub count: u64,
}

impl Change {
    /// The policies after the change.
    pub fn applied(&self, set: &PolicySet) -> PolicySet {
        let mut set = set.clone();
        match self {
            Change::Attach(policy) => set.identity.push(policy.clone()),
            Change::Detach(place) => {
                set.identity.retain(|policy| policy.place != *place);
                set.boundary = set.boundary.filter(|policy| policy.place != *place);
                for level in &mut set.levels {
                    level.retain(|policy| policy.place != *place);
                }
            }
            Change::Replace(policies) => set.identity = policies.clone(),
            Change::Boundary(boundary) => set.boundary = boundary.clone(),
            Change::Control { level, policy } => match set.levels.get_mut(*level) {
                Some(level) => level.push(policy.clone()),
                None => set.levels.push(vec![policy.clone()]),
            },
        }
        set
    }
}

impl Trial<'_> {
    /// Whether the decision on the action depends on its resource, so that calls should come with theirs. Not so where it was
    /// the same for all, or is none of today's business.
    pub fn needs_resources(&self, action: ActionId) -> bool {
        let name = Catalogue::shipped().action(action).to_string();
        let depends = |compiled: &Compiled| {
            Catalogue::shipped().has_resources(action) && compiled.decide_anywhere(&name, &Context::new()).is_none()
        };
        depends(self.after) || self.before.is_some_and(depends)
    }

    pub fn run<'u>(&self, calls: impl IntoIterator<Item = Call<'u>>) -> Replayed {
        let mut replayed = Replayed::default();
        let mut lost: BTreeMap<ActionId, Vec<Loss>> = BTreeMap::new();
        let mut unplaced: BTreeMap<ActionId, u64> = BTreeMap::new();
        for call in calls {
            match self.decide(&call) {
                Outcome::Allowed => replayed.allowed += call.count,
                Outcome::AsBefore => replayed.as_before += call.count,
                Outcome::Unplaced => *unplaced.entry(call.action).or_default() += call.count,
                Outcome::Lost(decision) => add(lost.entry(call.action).or_default(), &call, decision),
            }
        }
        replayed.lost = lost.into_values().flatten().collect();
        replayed.unplaced = unplaced.into_iter().map(|(action, count)| Unplaced { action, count }).collect();
        replayed
    }

    fn decide(&self, call: &Call<'_>) -> Outcome {
        let after = match decision(self.after, call) {
            Some(Decision::Allowed { .. }) => return Outcome::Allowed,
            after => after,
        };
        let before = self.before.map(|before| (before, decision(before, call)));
        match (before, after) {
            (Some((_, Some(Decision::Denied(_)))), _) => Outcome::AsBefore,
            (_, None) => Outcome::Unplaced,
            (Some((was, Some(Decision::Conditional { open, .. }))), Some(Decision::Conditional { open: now, .. }))
                if now.iter().all(|one| open.iter().any(|other| asks_the_same((self.after, one), (was, other)))) =>
            {
                Outcome::AsBefore
            }
            (_, Some(decision)) => Outcome::Lost(decision),
        }
    }
}

enum Outcome {
    Allowed,
    AsBefore,
    Unplaced,
    Lost(Decision),
}

/// What policies say to a call; none if they say different things on different resources and the call's is not known. A
/// resource that the action is not about is as good as none.
pub(crate) fn decision(compiled: &Compiled, call: &Call<'_>) -> Option<Decision> {
    let catalogue = Catalogue::shipped();
    let action = catalogue.action(call.action).to_string();
    let request = match call.passed_to {
        Some(service) => Context::new().with("iam:PassedToService", service),
        None => Context::new(),
    };
    let resource = match catalogue.has_resources(call.action) {
        true => call.resource.filter(|arn| catalogue.type_for(call.action, arn).is_some()),
        false => Some("*"),
    };
    match resource {
        Some(resource) => Some(compiled.decide(&action, resource, &request)),
        None => compiled.decide_anywhere(&action, &request),
    }
}

fn asks_the_same((a, one): (&Compiled, &Open), (b, other): (&Compiled, &Open)) -> bool {
    let (one, other) = (a.statement(one.statement).statement, b.statement(other.statement).statement);
    one.effect == other.effect
        && conditions_of(&one.conditions) == conditions_of(&other.conditions)
        && (one.effect == Effect::Allow || one.actions == other.actions && one.resources == other.resources)
}

fn add(of_action: &mut Vec<Loss>, call: &Call<'_>, decision: Decision) {
    let loss = match of_action.iter().position(|loss| loss.decision == decision) {
        Some(known) => &mut of_action[known],
        None => {
            let (action, first, last) = (call.action, call.first, call.last);
            of_action.push(Loss { action, decision, count: 0, first, last, resources: BTreeSet::new() });
            of_action.last_mut().expect("it was put there")
        }
    };
    loss.count += call.count;
    loss.first = loss.first.min(call.first);
    loss.last = loss.last.max(call.last);
    if let Some(resource) = call.resource.filter(|_| loss.resources.len() < RESOURCES_SHOWN) {
        loss.resources.insert(resource.to_owned());
    }
}

#[cfg(test)]
mod tests;
