//! One request, decided.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::compiled::{Compiled, Layer, NO_CLASS, StatementId};
use super::context::{Context, Knowledge};
use super::statement::ReadyStatement;
use super::truth::Truth;
use crate::document::Effect;
use crate::pattern;

/// What a principal's policies say to a request, and which statements say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Every layer allows and nothing denies.
    Allowed {
        /// The statements that allow, of all layers.
        by: Vec<StatementId>,
    },
    /// It depends on what is not known.
    Conditional {
        /// The statements that allow for sure. Layers that have none need one of those in `open`.
        by: Vec<StatementId>,
        /// What is undecided: Allows that are needed, and Denies that may apply.
        open: Vec<Open>,
    },
    Denied(Denial),
}

/// Why a request is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// These statements deny it.
    Explicit { by: Vec<StatementId> },
    /// Nothing allows it in these layers, and nothing could under any condition.
    Implicit { layers: Vec<Layer> },
}

/// A statement of which it is not known whether it applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub statement: StatementId,
    /// The condition keys that would have to be known, in lower case. A key that is known stands here if the
    /// policy's operator or value for it cannot be read.
    pub keys: BTreeSet<String>,
}

impl Compiled {
    /// Decides a request of the action (`s3:GetObject`, in any case) on the resource: its ARN, or `*` if the action
    /// knows no resources. Actions that the catalogue does not hold are decided as well, only slower.
    pub fn decide(&self, action: &str, resource: &str, request: &Context) -> Decision {
        let knowledge = Knowledge { principal: &self.context, request };
        self.settle(action, knowledge, |statement| statement.speaks_of(resource, knowledge))
    }

    /// The decision that holds on every resource; none if it depends on which, so that the resource has to be known.
    pub fn decide_anywhere(&self, action: &str, request: &Context) -> Option<Decision> {
        let knowledge = Knowledge { principal: &self.context, request };
        let decision = self.settle(action, knowledge, ReadyStatement::speaks_of_all);
        let depends = |open: &Open| self.ready(open.statement).speaks_of_all() == Truth::Unknown;
        let settled = !matches!(&decision, Decision::Conditional { open, .. } if open.iter().any(depends));
        settled.then_some(decision)
    }

    fn settle(&self, action: &str, knowledge: Knowledge<'_>, speaks: impl Fn(&ReadyStatement) -> Truth) -> Decision {
        let (mut denying, mut allowing, mut open) = (Vec::new(), Vec::new(), Vec::new());
        for id in self.speaking_of(action).iter().copied() {
            let statement = self.ready(id);
            let met = || match self.met(id) {
                Truth::Unknown => statement.is_met(knowledge),
                settled => settled,
            };
            let applies = match speaks(statement) {
                Truth::False => Truth::False,
                speaks => speaks.and(met()),
            };
            match (applies, self.effect(id)) {
                (Truth::True, Effect::Deny) => denying.push(id),
                (Truth::True, Effect::Allow) => allowing.push(id),
                (Truth::Unknown, _) => open.push(id),
                (Truth::False, _) => {}
            }
        }
        if !denying.is_empty() {
            return Decision::Denied(Denial::Explicit { by: denying });
        }
        let allows = |ids: &[StatementId], layer| {
            ids.iter().any(|id| self.layer(*id) == layer && self.effect(*id) == Effect::Allow)
        };
        let silent: Vec<Layer> = self.layers.iter().copied().filter(|layer| !allows(&allowing, *layer)).collect();
        let layers: Vec<Layer> = silent.iter().copied().filter(|layer| !allows(&open, *layer)).collect();
        if !layers.is_empty() {
            return Decision::Denied(Denial::Implicit { layers });
        }
        // An Allow that is undecided matters only where nothing else allows.
        open.retain(|id| self.effect(*id) == Effect::Deny || silent.contains(&self.layer(*id)));
        if open.is_empty() {
            return Decision::Allowed { by: allowing };
        }
        let keys = |id: StatementId| Open { statement: id, keys: self.ready(id).open_keys(knowledge) };
        Decision::Conditional { by: allowing, open: open.into_iter().map(keys).collect() }
    }

    fn speaking_of(&self, action: &str) -> Cow<'_, [StatementId]> {
        match self.catalogue.find_named(action) {
            Some(known) => match self.class_of(known) {
                NO_CLASS => Cow::Borrowed(&[]),
                class => Cow::Borrowed(&self.classes[class as usize]),
            },
            None => {
                let selects = |id: &StatementId| {
                    self.statement(*id).statement.actions.selects(action, pattern::matches_ignoring_case)
                };
                self.ids().filter(|id| self.met(*id) != Truth::False).filter(selects).collect::<Vec<_>>().into()
            }
        }
    }
}
