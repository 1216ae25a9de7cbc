//! What a principal may do: its policies come in, a decision for each request goes out, and the list of all that is granted.
//!
//! After IAM User Guide, "Policy evaluation logic": a Deny that applies wins, wherever it stands; else the identity's policies,
//! its permissions boundary and every level of the organisation (its service control policies) must each allow. Actions are
//! compared without regard to case, resources with.
//!
//! This is the *identity's side*. What the resource's policy, a resource control policy, a session policy or an endpoint's
//! policy says is not seen: a resource's policy may allow what is denied here for want of an Allow, the others may deny
//! what is allowed here. A statement that names a principal is no part of an identity's policy and is passed over.
//!
//! **No condition is ignored.** One that cannot be decided from what is known ([`Context`]) makes the decision
//! [`Decision::Conditional`], which names the statements and the keys.
//!
//! ```
//! use std::sync::Arc;
//! use trailhound_iam::{Catalogue, Context, Decision, Document, Evaluator, PolicySet};
//!
//! let (document, errors) = Document::parse(r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
//!     "Action":"s3:Get*","Resource":"arn:aws:s3:::logs/*"}}"#);
//! assert!(errors.is_empty());
//! let policies = PolicySet::of_identity("read-logs", Arc::new(document));
//! let compiled = Evaluator::new(Catalogue::shipped()).compile(&policies);
//! let decision = compiled.decide("s3:GetObject", "arn:aws:s3:::logs/a", &Context::new());
//! assert!(matches!(decision, Decision::Allowed { .. }));
//! assert!(compiled.granted().get("s3:PutObject").is_none());
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::document::Document;

mod actions;
mod compiled;
mod context;
mod decision;
mod glob;
mod granted;
mod question;
mod statement;
mod template;
mod truth;

pub use compiled::{Compiled, Layer, StatementId, StatementRef};
pub use context::Context;
pub use decision::{Decision, Denial, Open};
pub use granted::{Grant, Granted};

use actions::Expansions;
use statement::ReadyDocument;

/// All policies of one principal that are evaluated together.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    /// Inline and attached ones, of the principal and of its groups.
    pub identity: Vec<Policy>,
    /// The permissions boundary, if there is one.
    pub boundary: Option<Policy>,
    /// The service control policies by level, the organisation's root first, the account last. Empty where none apply.
    pub levels: Vec<Vec<Policy>>,
    /// What is known of the condition keys of every request of this principal.
    pub context: Context,
    /// What belongs here and was not to be had, in words. Evaluation passes over it: with something unread, what is
    /// granted may be more (a policy) or less (a boundary, a Deny) than is said.
    pub unread: Vec<String>,
}

/// A policy, and where it stands.
#[derive(Clone, Debug)]
pub struct Policy {
    pub place: Place,
    pub document: Arc<Document>,
}

/// Where a policy stands, so that it can be found and changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A managed policy, by ARN.
    Managed(String),
    /// A policy within a user, group or role, which is named by ARN.
    Inline { owner: String, name: String },
    /// A policy of the organisation by id, attached to a root, unit or account.
    Organisation { target: String, policy: String },
}

/// Makes policies ready. Documents of managed and of organisations' policies are made ready once for all that share them,
/// and patterns of actions are expanded once; so keep one for all principals.
#[derive(Debug)]
pub struct Evaluator {
    expansions: Expansions,
    /// By the document's address, which stays taken because the document is kept.
    shared: HashMap<*const Document, Arc<ReadyDocument>>,
}

impl PolicySet {
    /// One inline policy and nothing else: for trying a document out.
    pub fn of_identity(name: &str, document: Arc<Document>) -> PolicySet {
        let place = Place::Inline { owner: String::new(), name: name.to_owned() };
        PolicySet { identity: vec![Policy { place, document }], ..PolicySet::default() }
    }
}

impl Evaluator {
    pub fn new(catalogue: &'static Catalogue) -> Evaluator {
        Evaluator { expansions: Expansions::new(catalogue), shared: HashMap::new() }
    }

    /// Makes a principal's policies ready to be asked.
    pub fn compile(&mut self, policies: &PolicySet) -> Compiled {
        let identity = policies.identity.iter().map(|policy| (Layer::Identity, policy));
        let boundary = policies.boundary.iter().map(|policy| (Layer::Boundary, policy));
        let levels = policies.levels.iter().enumerate();
        let levels =
            levels.flat_map(|(level, all)| all.iter().map(move |policy| (Layer::Organisation { level }, policy)));
        let ready: Vec<_> = identity
            .chain(boundary)
            .chain(levels)
            .map(|(layer, policy)| (layer, policy.place.clone(), self.ready(policy)))
            .collect();
        let mut layers = vec![Layer::Identity];
        layers.extend(policies.boundary.iter().map(|_| Layer::Boundary));
        layers.extend((0..policies.levels.len()).map(|level| Layer::Organisation { level }));
        Compiled::new(self.expansions.catalogue(), layers, ready, policies)
    }

    fn ready(&mut self, policy: &Policy) -> Arc<ReadyDocument> {
        let Evaluator { expansions, shared } = self;
        let mut make = || Arc::new(ReadyDocument::new(policy.document.clone(), expansions));
        match policy.place {
            Place::Inline { .. } => make(),
            _ => shared.entry(Arc::as_ptr(&policy.document)).or_insert_with(make).clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Managed(arn) => f.write_str(arn),
            Place::Inline { owner, name } if owner.is_empty() => f.write_str(name),
            Place::Inline { owner, name } => write!(f, "{name} of {owner}"),
            Place::Organisation { target, policy } => write!(f, "{policy} at {target}"),
        }
    }
}

#[cfg(test)]
mod tests;
