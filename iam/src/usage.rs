//! What principals did in a window of time: counts of calls come in, what each principal used of each action goes out.
//!
//! Comes in: [`Row`]s, which stand for many events alike ([`Usages::add`]), and for events whose requests were read what these
//! say ([`Usages::tell`]). Goes out: [`Usage`] of a principal, and from it [`Actions`], with a [`Tally`] for each.
//!
//! What is promised: only calls that succeeded are use, those made by services in the principal's name among them; denied and
//! failed ones are counted apart. Names of events are mapped to actions once each. What an event needs only by what its request
//! says is not taken for unused as long as requests were not told.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::catalogue::ActionId;
use crate::event::{Used, services_of};

mod actions;
mod events;
mod marks;
mod window;

pub use actions::{ActionUse, Actions};
pub use marks::Marks;
pub use window::{DAY, HOUR, Window};

use events::{EventId, Events, Mapping};

/// Events alike: one principal's of one name and outcome on one day.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// `eventSource`
    pub source: &'a str,
    /// `eventName`
    pub name: &'a str,
    pub outcome: Outcome,
    /// Whether a service made the calls in the principal's name (`invokedBy`).
    pub by_service: bool,
    pub count: u64,
    /// Of the first and the last event, µs since 1970; on one day (UTC).
    pub first: i64,
    pub last: i64,
    /// The network, or the service, that they came from; none where nobody wants to know.
    pub network: Option<&'a str>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    /// With an error that is not about permissions (no such thing, throttled): the permission may have been needed.
    Failed,
    /// For want of a permission.
    Denied,
}

/// How often something was done, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Successes.
    pub count: u64,
    /// Those of them that services made in the principal's name.
    pub by_service: u64,
    pub failed: u64,
    pub denied: u64,
    /// Of the successes, µs since 1970; 0 if there are none.
    pub first: i64,
    pub last: i64,
    /// The days of successes, counted from the window's first.
    pub days: Marks,
    /// Successes by the network that they came from, where that was told.
    pub networks: BTreeMap<Box<str>, u64>,
}

/// What all principals did.
#[derive(Debug)]
pub struct Usages {
    window: Window,
    events: Events,
    principals: HashMap<Box<str>, Usage>,
    /// When each access key was last used, by id.
    keys: HashMap<Box<str>, i64>,
}

/// What one principal did.
#[derive(Debug, Default)]
pub struct Usage {
    calls: HashMap<EventId, Calls>,
    requests: BTreeMap<ActionId, Told>,
    /// The last call of any outcome.
    pub last: Option<i64>,
    /// When somebody last took the role, with success.
    pub taken: Option<i64>,
    /// The last sign-in to the console, and the last one with a second factor.
    pub signed_in: Option<i64>,
    pub signed_in_with_factor: Option<i64>,
}

#[derive(Debug, Default)]
struct Calls {
    tally: Tally,
    /// Of how many successes the requests were told.
    told: u64,
}

/// What requests say of one action.
#[derive(Debug, Default)]
struct Told {
    /// Uses that the events' names alone do not tell.
    tally: Tally,
    /// How many uses named their resources.
    located: u64,
    resources: BTreeSet<String>,
    /// For `iam:PassRole`: the roles by the service that got them.
    passed: BTreeMap<String, BTreeSet<String>>,
}

impl Usages {
    pub fn new(window: Window) -> Usages {
        Usages { window, events: Events::default(), principals: HashMap::new(), keys: HashMap::new() }
    }

    pub fn window(&self) -> Window {
        self.window
    }

    /// Counts calls of a principal, named by its ARN in IAM (a role's, not a session's). Calls of APIs only: no sign-ins, and
    /// nothing that services tell of themselves (`AwsServiceEvent`). What lies outside of the window is passed over.
    pub fn add(&mut self, principal: &str, row: &Row) {
        if !self.window.holds(row.first) {
            return;
        }
        let event = self.events.id(row.source, row.name);
        let usage = entry(&mut self.principals, principal);
        usage.last = usage.last.max(Some(row.last));
        usage.calls.entry(event).or_default().tally.add(&self.window, row);
    }

    /// Tells what the requests of calls say that were counted already ([`Usages::add`]): their resources, roles that were passed,
    /// actions that the name alone does not tell. `used` comes from [`event_actions`](crate::event_actions).
    pub fn tell(&mut self, principal: &str, row: &Row, used: &[Used]) {
        if row.outcome != Outcome::Succeeded || !self.window.holds(row.first) {
            return;
        }
        let event = self.events.id(row.source, row.name);
        let usage = entry(&mut self.principals, principal);
        usage.calls.entry(event).or_default().told += row.count;
        for one in used {
            let told = usage.requests.entry(one.action).or_default();
            if !self.events.mapping(event).is_sure(one.action) {
                told.tally.add(&self.window, row);
            }
            if !one.resources.is_empty() {
                told.located += row.count;
                match &one.passed_to {
                    Some(service) => {
                        told.passed.entry(service.clone()).or_default().extend(one.resources.iter().cloned());
                    }
                    None => told.resources.extend(one.resources.iter().cloned()),
                }
            }
        }
    }

    /// Somebody took the role.
    pub fn taken(&mut self, role: &str, at: i64) {
        let usage = entry(&mut self.principals, role);
        usage.taken = usage.taken.max(Some(at));
    }

    /// The user signed in to the console.
    pub fn signed_in(&mut self, user: &str, at: i64, with_factor: bool) {
        let usage = entry(&mut self.principals, user);
        usage.signed_in = usage.signed_in.max(Some(at));
        if with_factor {
            usage.signed_in_with_factor = usage.signed_in_with_factor.max(Some(at));
        }
    }

    /// An access key was used, whatever came of it.
    pub fn key_used(&mut self, id: &str, at: i64) {
        let last = entry(&mut self.keys, id);
        *last = at.max(*last);
    }

    pub fn key_last(&self, id: &str) -> Option<i64> {
        self.keys.get(id).copied()
    }

    pub fn get(&self, principal: &str) -> Option<&Usage> {
        self.principals.get(principal)
    }

    /// What a principal used, by action.
    pub fn actions(&self, principal: &str) -> Actions<'_> {
        self.get(principal).map(|usage| Actions::new(&self.events, usage)).unwrap_or_default()
    }

    /// Events of which it is not known what they need, by source and name: their services are called unused for nobody
    /// who made them.
    pub fn unmapped(&self) -> impl Iterator<Item = (&str, &str)> {
        self.events
            .iter()
            .filter(|event| matches!(event.mapping, Mapping::Unmapped { .. }))
            .map(|e| (&*e.source, &*e.name))
    }
}

impl Tally {
    fn add(&mut self, window: &Window, row: &Row) {
        match row.outcome {
            Outcome::Denied => self.denied += row.count,
            Outcome::Failed => self.failed += row.count,
            Outcome::Succeeded => {
                self.first = if self.count == 0 { row.first } else { self.first.min(row.first) };
                self.last = if self.count == 0 { row.last } else { self.last.max(row.last) };
                self.count += row.count;
                self.by_service += if row.by_service { row.count } else { 0 };
                self.days.insert(window.day_of(row.first));
                if let Some(network) = row.network {
                    *self.networks.entry(network.into()).or_default() += row.count;
                }
            }
        }
    }

    fn merge(&mut self, other: &Tally) {
        if other.count > 0 {
            self.first = if self.count == 0 { other.first } else { self.first.min(other.first) };
            self.last = if self.count == 0 { other.last } else { self.last.max(other.last) };
            self.days.extend(&other.days);
            for (network, count) in &other.networks {
                *self.networks.entry(network.clone()).or_default() += count;
            }
        }
        self.count += other.count;
        self.by_service += other.by_service;
        self.failed += other.failed;
        self.denied += other.denied;
    }
}

/// The value of a name, made where there is none; the name is copied only then.
fn entry<'m, T: Default>(map: &'m mut HashMap<Box<str>, T>, name: &str) -> &'m mut T {
    if !map.contains_key(name) {
        map.insert(name.into(), T::default());
    }
    map.get_mut(name).expect("it was put in")
}

#[cfg(test)]
mod tests;
