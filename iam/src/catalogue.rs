//! Every action that IAM knows: its service, its access level, the resources that it is about.
//!
//! The list is made from AWS's service authorization reference (see `iam/data/build_actions.py`, which tells its form) and built in:
//! nothing is asked of a network. AWS adds actions every week, so what the list does not hold may exist all the same. Which
//! actions depend on others is not in it, because what it is made from leaves that out.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

mod resource;

pub use resource::ResourceType;

static ACTIONS: &str = include_str!("../data/actions.txt");

/// What an action lets one do, as AWS sorts actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    List,
    Read,
    Write,
    Tagging,
    /// Writes that change who may do what.
    Permissions,
}

impl Access {
    /// The level's word in the list.
    fn parse(word: &str) -> Option<Access> {
        Some(match word {
            "list" => Access::List,
            "read" => Access::Read,
            "write" => Access::Write,
            "tagging" => Access::Tagging,
            "permissions" => Access::Permissions,
            _ => return None,
        })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::List => "list",
            Access::Read => "read",
            Access::Write => "write",
            Access::Tagging => "tagging",
            Access::Permissions => "permissions management",
        })
    }
}

/// An action's place in the catalogue, counted from 0 without gaps, so that sets of actions are sets of bits. It stands for the
/// same action as long as the program runs, not longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(u32);

impl ActionId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One action, `service:name`.
#[derive(Debug, Clone)]
pub struct Action {
    /// The prefix before the colon.
    pub service: &'static str,
    /// As AWS spells it.
    pub name: &'static str,
    pub access: Access,
    /// Whether an API operation has this name. What is none is either asked beside operations (`iam:PassRole`) or belongs
    /// to operations of other names (`s3:ListAllMyBuckets`).
    pub is_operation: bool,
    /// Where in `Catalogue::needs` its resource types stand.
    needs: Range<u32>,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.name)
    }
}

/// IAM's actions.
pub struct Catalogue {
    /// By service, then by name without regard to case.
    actions: Vec<Action>,
    /// Prefix → where its actions and where its resource types stand.
    services: BTreeMap<&'static str, Service>,
    types: Vec<ResourceType>,
    /// Resource types of actions, with whether a request must name one. Actions of one line of the list share theirs.
    needs: Vec<(u32, bool)>,
    /// By `service:name` in lower case, made when it is first asked.
    named: OnceLock<HashMap<String, ActionId>>,
}

#[derive(Default)]
struct Service {
    actions: Range<u32>,
    types: Range<u32>,
}

impl Catalogue {
    /// The day that the list is of, `2026-09-26`.
    pub fn date() -> &'static str {
        let source = ACTIONS.lines().find_map(|line| line.strip_prefix("# From ")).unwrap_or_default();
        source.split(" of ").nth(1).and_then(|rest| rest.get(..10)).unwrap_or_default()
    }

    /// The list that is built in.
    pub fn shipped() -> &'static Catalogue {
        static SHIPPED: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(ACTIONS));
        &SHIPPED
    }

    /// Reads the lines of a list, services together; what has another form is not an action.
    fn read(text: &'static str) -> Catalogue {
        let mut catalogue = Catalogue {
            actions: Vec::new(),
            services: BTreeMap::new(),
            types: Vec::new(),
            needs: Vec::new(),
            named: OnceLock::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((head, names)) = line.split_once(": ") else { continue };
            let mut head = head.split(' ');
            match (head.next(), head.next(), head.next()) {
                (Some(prefix), Some("types"), None) => catalogue.read_types(prefix, names),
                (Some(prefix), Some(level), Some(types)) => {
                    let Some(access) = Access::parse(level) else { continue };
                    catalogue.read_actions(prefix, access, types, names);
                }
                _ => continue,
            }
        }
        catalogue.actions.sort_by(|a, b| a.service.cmp(b.service).then_with(|| by_name(a.name, b.name)));
        for (index, action) in (0u32..).zip(&catalogue.actions) {
            let range = &mut catalogue.services.entry(action.service).or_default().actions;
            *range = if range.end == 0 { index..index + 1 } else { range.start..index + 1 };
        }
        catalogue
    }

    fn read_types(&mut self, prefix: &'static str, pairs: &'static str) {
        let start = self.types.len() as u32;
        let pairs = pairs.split(' ').filter_map(|pair| pair.split_once('='));
        self.types.extend(pairs.map(|(name, arn)| ResourceType::new(prefix, name, arn)));
        self.services.entry(prefix).or_default().types = start..self.types.len() as u32;
    }

    fn read_actions(&mut self, service: &'static str, access: Access, types: &str, names: &'static str) {
        let start = self.needs.len() as u32;
        let known = self.services.get(service).map_or(0..0, |s| s.types.clone());
        for word in types.split(',') {
            let (name, required) = word.strip_suffix('*').map_or((word, false), |name| (name, true));
            let found = known.clone().find(|i| self.types[*i as usize].name == name);
            self.needs.extend(found.map(|index| (index, required)));
        }
        let needs = start..self.needs.len() as u32;
        self.actions.extend(names.split(' ').map(|word| {
            let (name, is_operation) = word.strip_suffix('!').map_or((word, true), |name| (name, false));
            Action { service, name, access, is_operation, needs: needs.clone() }
        }));
    }

    /// The services with their actions, both in order: `("iam", [("AttachRolePolicy", Permissions), …])`.
    pub fn services(
        &self,
    ) -> impl Iterator<Item = (&'static str, impl Iterator<Item = (&'static str, Access)> + use<'_>)> + use<'_> {
        self.services.iter().map(|(prefix, service)| {
            let actions = &self.actions[service.actions.start as usize..service.actions.end as usize];
            (*prefix, actions.iter().map(|action| (action.name, action.access)))
        })
    }

    /// The access level of an action, named as AWS spells it; none if the list does not hold it.
    pub fn access(&self, prefix: &str, action: &str) -> Option<Access> {
        let found = self.action(self.find(prefix, action)?);
        (found.service == prefix && found.name == action).then_some(found.access)
    }

    /// How many actions there are: ids are smaller.
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// All actions in the order of their ids: by service, then by name without regard to case.
    pub fn actions(&self) -> impl Iterator<Item = (ActionId, &Action)> {
        (0u32..).map(ActionId).zip(&self.actions)
    }

    /// The actions of a service, whose prefix is given without regard to case; none if the list does not hold it.
    pub fn of_service(&self, prefix: &str) -> impl Iterator<Item = (ActionId, &Action)> + use<'_> {
        let range = self.service(prefix).map_or(0..0, |service| service.actions.clone());
        range.map(ActionId).map(|id| (id, self.action(id)))
    }

    /// The action at a place, which must be smaller than [`Catalogue::len`].
    pub(crate) fn at(&self, index: usize) -> ActionId {
        debug_assert!(index < self.len());
        ActionId(index as u32)
    }

    pub fn action(&self, id: ActionId) -> &Action {
        &self.actions[id.index()]
    }

    /// An action by prefix and name, without regard to case, as IAM compares them.
    pub fn find(&self, prefix: &str, action: &str) -> Option<ActionId> {
        let range = self.service(prefix)?.actions.clone();
        let of_service = &self.actions[range.start as usize..range.end as usize];
        let place = of_service.binary_search_by(|a| by_name(a.name, action)).ok()?;
        Some(ActionId(range.start + place as u32))
    }

    /// [`Catalogue::find`] by `service:name` in one word. Evaluation asks this for each request, hence the table.
    pub fn find_named(&self, action: &str) -> Option<ActionId> {
        let all = || self.actions().map(|(id, action)| (action.to_string().to_ascii_lowercase(), id)).collect();
        self.named.get_or_init(all).get(&action.to_ascii_lowercase()).copied()
    }

    /// The resource types of an action, and whether a request must name one of the type. None where the action can be
    /// granted on `*` alone.
    pub fn resource_types(&self, id: ActionId) -> impl ExactSizeIterator<Item = (&ResourceType, bool)> {
        let needs = &self.action(id).needs;
        let needs = &self.needs[needs.start as usize..needs.end as usize];
        needs.iter().map(|(index, required)| (&self.types[*index as usize], *required))
    }

    /// Whether the action's grants can name resources at all.
    pub fn has_resources(&self, id: ActionId) -> bool {
        !self.action(id).needs.is_empty()
    }

    /// Which of a service's resource types an ARN is of: the one whose form says most, since an object's ARN would pass for
    /// a strangely named bucket's, too.
    pub fn type_of(&self, prefix: &str, arn: &str) -> Option<&ResourceType> {
        let range = self.service(prefix)?.types.clone();
        let types = &self.types[range.start as usize..range.end as usize];
        types.iter().filter(|kind| kind.fits(arn)).max_by_key(|kind| kind.says())
    }

    /// The resource type of an action that an ARN is of.
    pub fn type_for(&self, id: ActionId, arn: &str) -> Option<&ResourceType> {
        let kind = self.type_of(self.action(id).service, arn)?;
        self.resource_types(id).map(|(own, _)| own).find(|own| own.name == kind.name)
    }

    fn service(&self, prefix: &str) -> Option<&Service> {
        self.services.get(prefix).or_else(|| self.services.get(prefix.to_ascii_lowercase().as_str()))
    }
}

/// Not its twenty thousand actions.
impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue").field("actions", &self.actions.len()).finish_non_exhaustive()
    }
}

/// The order of names, without regard to case.
fn by_name(a: &str, b: &str) -> std::cmp::Ordering {
    a.bytes().map(|b| b.to_ascii_lowercase()).cmp(b.bytes().map(|b| b.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests;
