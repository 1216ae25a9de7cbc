//! What one principal used, by action.

use std::collections::{BTreeMap, BTreeSet};

use super::events::{Events, Mapping};
use super::{Tally, Usage};
use crate::catalogue::{ActionId, Catalogue};

/// The actions that a principal's calls needed, and what these leave open.
#[derive(Debug, Default)]
pub struct Actions<'u> {
    /// By action.
    uses: Vec<(ActionId, ActionUse<'u>)>,
    /// Actions that calls may have needed, whose requests were not told. In order.
    perhaps: Vec<ActionId>,
    /// Services of which the principal made calls that are not known here.
    unmapped: BTreeSet<&'static str>,
    /// Services of which it made any call.
    services: BTreeSet<&'static str>,
    /// Successful calls whose requests were not told.
    untold: u64,
}

/// One action, as far as calls and requests tell.
#[derive(Debug, Default)]
pub struct ActionUse<'u> {
    pub tally: Tally,
    /// How many of the uses named their resources.
    located: u64,
    resources: Option<&'u BTreeSet<String>>,
    passed: Option<&'u BTreeMap<String, BTreeSet<String>>>,
}

impl<'u> Actions<'u> {
    pub(super) fn new(events: &Events, usage: &'u Usage) -> Actions<'u> {
        let mut uses: BTreeMap<ActionId, ActionUse<'u>> = BTreeMap::new();
        let mut actions = Actions::default();
        for (event, calls) in &usage.calls {
            actions.untold += calls.tally.count.saturating_sub(calls.told);
            match events.mapping(*event) {
                Mapping::Free => {}
                Mapping::Unmapped { services } => actions.unmapped.extend(services),
                Mapping::Actions { sure, perhaps } => {
                    for action in sure {
                        uses.entry(*action).or_default().tally.merge(&calls.tally);
                    }
                    if calls.told < calls.tally.count {
                        actions.perhaps.extend(perhaps);
                    }
                }
            }
        }
        for (action, told) in &usage.requests {
            let one = uses.entry(*action).or_default();
            one.tally.merge(&told.tally);
            one.located = told.located;
            one.resources = Some(&told.resources);
            one.passed = Some(&told.passed);
        }
        actions.uses = uses.into_iter().collect();
        actions.perhaps.sort_unstable();
        actions.perhaps.dedup();
        let named = actions.uses.iter().map(|(action, _)| Catalogue::shipped().action(*action).service);
        actions.services = named.chain(actions.unmapped.iter().copied()).collect();
        actions
    }

    /// What is known of an action; none if no call needed it.
    pub fn get(&self, action: ActionId) -> Option<&ActionUse<'u>> {
        let place = self.uses.binary_search_by_key(&action, |(id, _)| *id).ok()?;
        Some(&self.uses[place].1)
    }

    /// In the catalogue's order, those that were only denied or failed among them.
    pub fn iter(&self) -> impl Iterator<Item = (ActionId, &ActionUse<'u>)> {
        self.uses.iter().map(|(action, one)| (*action, one))
    }

    /// Whether a call may have needed the action, by what its request says, which was not told.
    pub fn perhaps(&self, action: ActionId) -> bool {
        self.perhaps.binary_search(&action).is_ok()
    }

    /// Whether the requests of all calls were told.
    pub fn requests_read(&self) -> bool {
        self.untold == 0
    }

    /// Whether calls of the service are among those of which it is not known what they need.
    pub fn has_unmapped(&self, service: &str) -> bool {
        self.unmapped.contains(service)
    }

    /// Whether there was any call of the service, whatever came of it.
    pub fn has_calls(&self, service: &str) -> bool {
        self.services.contains(service)
    }
}

impl ActionUse<'_> {
    pub fn is_used(&self) -> bool {
        self.tally.count > 0
    }

    /// The resources that requests named, each with the service that a role was passed to.
    pub fn resources(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let passed = self.passed.into_iter().flatten();
        let passed = passed.flat_map(|(service, roles)| roles.iter().map(move |role| (&**role, Some(&**service))));
        self.resources.into_iter().flatten().map(|arn| (&**arn, None)).chain(passed)
    }

    /// Whether these are all that it was used on.
    pub fn is_located(&self) -> bool {
        self.is_used() && self.located >= self.tally.count
    }
}
