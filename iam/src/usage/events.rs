//! Names of events, each kept and mapped to actions once.

use std::collections::HashMap;

use crate::catalogue::ActionId;
use crate::event::{Event, Mapped, event_actions, possible_actions};

use super::services_of;

/// A name's place among those that were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventId(u32);

#[derive(Debug, Default)]
pub(super) struct Events {
    /// Source → name → id.
    ids: HashMap<Box<str>, HashMap<Box<str>, EventId>>,
    events: Vec<Named>,
}

#[derive(Debug)]
pub(super) struct Named {
    pub source: Box<str>,
    pub name: Box<str>,
    pub mapping: Mapping,
}

/// What an event of a name says by its name alone.
#[derive(Debug)]
pub(super) enum Mapping {
    Actions {
        /// It needed these, whatever its request says.
        sure: Vec<ActionId>,
        /// And these, if its request says so.
        perhaps: Vec<ActionId>,
    },
    /// No permission.
    Free,
    /// Some permission of these services, it is not known which.
    Unmapped { services: Vec<&'static str> },
}

impl Events {
    pub fn id(&mut self, source: &str, name: &str) -> EventId {
        if let Some(id) = self.ids.get(source).and_then(|names| names.get(name)) {
            return *id;
        }
        let id = EventId(u32::try_from(self.events.len()).expect("events have some ten thousand names"));
        self.events.push(Named { source: source.into(), name: name.into(), mapping: Mapping::of(source, name) });
        self.ids.entry(source.into()).or_default().insert(name.into(), id);
        id
    }

    pub fn mapping(&self, id: EventId) -> &Mapping {
        &self.events[id.0 as usize].mapping
    }

    pub fn iter(&self) -> impl Iterator<Item = &Named> {
        self.events.iter()
    }
}

impl Mapping {
    fn of(source: &str, name: &str) -> Mapping {
        let sure: Vec<ActionId> = match event_actions(&Event { source, name, ..Event::default() }) {
            Mapped::Actions(used) => used.into_iter().map(|used| used.action).collect(),
            Mapped::Unmapped => Vec::new(),
            Mapped::Free | Mapped::NoCall => return Mapping::Free,
        };
        let perhaps: Vec<ActionId> =
            possible_actions(source, name).into_iter().filter(|action| !sure.contains(action)).collect();
        if sure.is_empty() && perhaps.is_empty() {
            return Mapping::Unmapped { services: services_of(source) };
        }
        Mapping::Actions { sure, perhaps }
    }

    pub fn is_sure(&self, action: ActionId) -> bool {
        matches!(self, Mapping::Actions { sure, .. } if sure.contains(&action))
    }
}
