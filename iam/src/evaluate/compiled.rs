//! A principal's statements side by side, and which of them speak of which action.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::actions::Runs;
use super::context::{Context, Knowledge};
use super::statement::{ReadyDocument, ReadyStatement};
use super::truth::Truth;
use super::{Place, PolicySet};
use crate::catalogue::{ActionId, Catalogue};
use crate::document::{Effect, Selection, Statement};

/// A principal's policies, ready to be asked. Cheap to keep: documents are shared, and for each principal there are some
/// bytes for each statement and for each run of actions of which the same statements speak.
#[derive(Debug)]
pub struct Compiled {
    pub(super) catalogue: &'static Catalogue,
    /// Each must allow. The identity's own first.
    pub(super) layers: Vec<Layer>,
    policies: Vec<(Layer, Place, Arc<ReadyDocument>)>,
    entries: Vec<Entry>,
    /// Where a segment of the catalogue begins, and the class of its actions; it ends where the next begins.
    pub(super) segments: Vec<(u32, ClassId)>,
    /// For each class of actions the statements that speak of them, rising.
    pub(super) classes: Vec<Arc<[StatementId]>>,
    pub(super) context: Context,
    unread: Vec<String>,
}

/// What has to allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The policies of the user or role, and of the user's groups.
    Identity,
    /// The permissions boundary.
    Boundary,
    /// The service control policies at one level, 0 being the organisation's root.
    Organisation { level: usize },
}

/// A statement of a [`Compiled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId(pub(super) u32);

/// A statement, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct StatementRef<'c> {
    pub layer: Layer,
    pub place: &'c Place,
    /// In the policy's document, from 0.
    pub index: usize,
    pub statement: &'c Statement,
}

/// Which of the classes; [`NO_CLASS`] where no statement speaks.
pub(super) type ClassId = u32;
pub(super) const NO_CLASS: ClassId = ClassId::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    policy: u32,
    statement: u32,
    layer: Layer,
    effect: Effect,
    /// Whether the conditions are met, as far as the principal alone tells.
    met: Truth,
}

impl Compiled {
    pub(super) fn new(
        catalogue: &'static Catalogue,
        layers: Vec<Layer>,
        policies: Vec<(Layer, Place, Arc<ReadyDocument>)>,
        set: &PolicySet,
    ) -> Compiled {
        let nothing = Context::new();
        let knowledge = Knowledge { principal: &set.context, request: &nothing };
        let mut entries = Vec::new();
        for (policy, (layer, _, document)) in policies.iter().enumerate() {
            for (index, statement) in document.statements.iter().enumerate() {
                let written = &document.document.statements[index];
                let is_identitys = written.principals == Selection::Unstated;
                let met = if is_identitys { statement.is_met(knowledge) } else { Truth::False };
                let (policy, index) = (policy as u32, index as u32);
                entries.push(Entry { policy, statement: index, layer: *layer, effect: written.effect, met });
            }
        }
        let mut compiled = Compiled {
            catalogue,
            layers,
            policies,
            entries,
            segments: Vec::new(),
            classes: Vec::new(),
            context: set.context.clone(),
            unread: set.unread.clone(),
        };
        compiled.divide();
        compiled
    }

    /// What was not to be had of this principal's policies, in words; evaluation passes over it.
    pub fn unread(&self) -> &[String] {
        &self.unread
    }

    pub fn statement(&self, id: StatementId) -> StatementRef<'_> {
        let entry = self.entries[id.0 as usize];
        let (_, place, document) = &self.policies[entry.policy as usize];
        let index = entry.statement as usize;
        StatementRef { layer: entry.layer, place, index, statement: &document.document.statements[index] }
    }

    /// Whether `${…}` in the statement's document is a variable.
    pub(crate) fn has_variables(&self, id: StatementId) -> bool {
        self.policies[self.entries[id.0 as usize].policy as usize].2.has_variables()
    }

    /// Patterns of actions that match no action of the catalogue: misspelt, of a service that is newer than it, or gone.
    /// [`Compiled::decide`] takes them as they are; [`Compiled::granted`] cannot list what they select.
    pub fn unknown_actions(&self) -> impl Iterator<Item = (StatementId, &str)> {
        self.ids().flat_map(|id| self.ready(id).unknown_actions.iter().map(move |pattern| (id, pattern.as_str())))
    }

    /// The statements of all layers, by policy in the order of the set.
    pub fn statements(&self) -> impl Iterator<Item = StatementId> + use<> {
        self.ids()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = StatementId> + use<> {
        (0..self.entries.len() as u32).map(StatementId)
    }

    pub(super) fn ready(&self, id: StatementId) -> &ReadyStatement {
        let entry = self.entries[id.0 as usize];
        &self.policies[entry.policy as usize].2.statements[entry.statement as usize]
    }

    pub(super) fn layer(&self, id: StatementId) -> Layer {
        self.entries[id.0 as usize].layer
    }

    pub(super) fn effect(&self, id: StatementId) -> Effect {
        self.entries[id.0 as usize].effect
    }

    /// Whether the conditions are met, as far as the principal alone tells.
    pub(super) fn met(&self, id: StatementId) -> Truth {
        self.entries[id.0 as usize].met
    }

    /// The class of an action.
    pub(super) fn class_of(&self, action: ActionId) -> ClassId {
        match self.segments.partition_point(|(start, _)| *start as usize <= action.index()) {
            0 => NO_CLASS,
            after => self.segments[after - 1].1,
        }
    }

    /// Divides the catalogue where a statement begins or ceases to speak. Actions between two such places have the
    /// same statements, and so have many segments: a class is made of each set of statements once.
    fn divide(&mut self) {
        let mut borders: Vec<(u32, bool, StatementId)> = Vec::new();
        for id in self.ids().filter(|id| self.met(*id) != Truth::False) {
            for run in Runs::iter(&self.ready(id).actions) {
                borders.extend([(run.start, true, id), (run.end, false, id)]);
            }
        }
        borders.sort_unstable();
        let mut speaking: Vec<StatementId> = Vec::new();
        let mut known: HashMap<Arc<[StatementId]>, ClassId> = HashMap::new();
        for at_one_place in borders.chunk_by(|a, b| a.0 == b.0) {
            for (_, begins, id) in at_one_place {
                match speaking.binary_search(id) {
                    Err(place) if *begins => speaking.insert(place, *id),
                    Ok(place) if !begins => _ = speaking.remove(place),
                    _ => unreachable!("the runs of a statement do not touch"),
                }
            }
            let class = match known.get(&speaking[..]) {
                _ if speaking.is_empty() => NO_CLASS,
                Some(class) => *class,
                None => {
                    let statements: Arc<[StatementId]> = speaking[..].into();
                    self.classes.push(statements.clone());
                    let class = (self.classes.len() - 1) as ClassId;
                    known.insert(statements, class);
                    class
                }
            };
            self.segments.push((at_one_place[0].0, class));
        }
    }
}

/// `statement 2 (AllowLogs) of arn:aws:iam::111122223333:policy/logs`
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layer::Identity => f.write_str("the identity's policies"),
            Layer::Boundary => f.write_str("the permissions boundary"),
            Layer::Organisation { level } => write!(f, "the organisation's policies at level {level}"),
        }
    }
}

impl fmt::Display for StatementRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement {}", self.index)?;
        if let Some(sid) = &self.statement.sid {
            write!(f, " ({sid})")?;
        }
        write!(f, " in {}", self.place)
    }
}
