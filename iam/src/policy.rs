//! Least-privilege policies from use: what one principal did comes in, documents that allow that and no other action go out.
//!
//! Comes in: [`Use`]s (an action, the resources it was used on), [`Kept`] grants (what cannot be observed and is therefore left
//! as it is) and conditions to carry over. Goes out: [`Policies`], each document within the size that IAM allows, in an
//! order that depends on nothing but the input, with [`Note`]s on all that is wider than the use was.
//!
//! What is promised: every use is allowed; no action is named that was neither used nor kept; a pattern of resources never
//! reaches across accounts, nor across regions where their ARNs name one, except where nothing else is known, and then a note
//! says so. What is not: that a principal can do with it what it did not do while it was watched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use thiserror::Error;

use crate::catalogue::{ActionId, Catalogue};
use crate::condition::Condition;
use crate::document::{self, Document, Selection};
use crate::evaluate;

mod note;
mod pack;
mod resources;
mod terraform;

pub use note::Note;
pub use terraform::{Attachment, terraform};

/// The characters that a managed policy may have, white space not counted (IAM User Guide, "IAM and AWS STS quotas").
pub const POLICY_CHARS_MAX: usize = 6_144;
/// How many managed policies a role or user can have attached, and how many after its quota was raised (same page).
pub const POLICIES_MAX: usize = 10;
pub const POLICIES_RAISED_MAX: usize = 20;

/// Operator → key → values, as in a statement.
pub type Conditions = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// An action that a principal used.
#[derive(Debug, Clone)]
pub struct Use {
    pub action: ActionId,
    /// ARNs that it was used on; empty where that is not known.
    pub resources: BTreeSet<String>,
    /// For `iam:PassRole`: the service that got the role.
    pub passed_to: Option<String>,
    /// The conditions of the grant that allowed it, to be kept.
    pub conditions: Conditions,
}

/// A grant that stays although no use of it was seen. Without actions or without resources it is none.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Patterns of `service:action`.
    pub actions: BTreeSet<String>,
    /// Patterns of ARNs, as the grant has them.
    pub resources: BTreeSet<String>,
    /// Whether the grant is on all but these (`NotResource`).
    pub all_but: bool,
    pub conditions: Conditions,
    /// Why it stays, for people.
    pub why: String,
}

/// Where the principal lives: what is not known of a resource is at least looked for there.
#[derive(Debug, Clone)]
pub struct Home {
    pub partition: String,
    pub account: String,
}

/// Documents that allow what was used and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// Each no longer than [`POLICY_CHARS_MAX`].
    pub documents: Vec<PolicyDocument>,
    pub notes: BTreeSet<Note>,
}

/// A policy document to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: String,
    effect: &'static str,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    action: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    not_action: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    resource: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    not_resource: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: Conditions,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum PolicyError {
    #[error(
        "statement {sid} has {chars} characters with one action and one resource, more than the {POLICY_CHARS_MAX} of a \
         managed policy: shorten its conditions or exceptions"
    )]
    TooLong { sid: String, chars: usize },
}

impl PolicyDocument {
    fn new(statement: Vec<Statement>) -> PolicyDocument {
        PolicyDocument { version: "2012-10-17", statement }
    }

    /// The document without white space.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("texts in lists and maps are JSON")
    }

    /// The document for people.
    pub fn json_pretty(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts in lists and maps are JSON")
    }

    /// Its size as IAM counts it.
    pub fn chars(&self) -> usize {
        self.json().chars().filter(|c| !c.is_whitespace()).count()
    }
}

impl Policies {
    /// Policies for one principal. Statements that deny (`denies`) stay as they are: what is kept may need them.
    ///
    /// # Errors
    ///
    /// If a statement cannot be cut down to the size of a policy, which only conditions and long lists of exceptions can cause.
    pub fn from_use(
        home: &Home,
        uses: &[Use],
        kept: &[Kept],
        denies: &[document::Statement],
    ) -> Result<Policies, PolicyError> {
        let mut notes = BTreeSet::new();
        let mut statements = used_statements(home, uses, &mut notes);
        statements.extend(kept_statements(kept, &mut notes));
        statements.extend(denying_statements(denies));
        let documents = pack::documents(statements)?;
        if documents.len() > POLICIES_MAX {
            notes.insert(Note::TooMany { policies: documents.len() });
        }
        Ok(Policies { documents, notes })
    }

    /// The documents as policies that can be evaluated, for trying them out.
    pub fn to_evaluate(&self) -> Vec<evaluate::Policy> {
        let policy = |(number, document): (usize, &PolicyDocument)| {
            let (read, errors) = Document::parse(&document.json());
            debug_assert!(errors.is_empty(), "what is written here can be read: {errors:?}");
            let place = evaluate::Place::Inline { owner: String::new(), name: format!("proposed {number}") };
            evaluate::Policy { place, document: Arc::new(read) }
        };
        (1..).zip(&self.documents).map(policy).collect()
    }

    /// Whether all documents can be attached to one role or user, if need be with the quota raised.
    pub fn can_be_attached(&self) -> bool {
        self.documents.len() <= POLICIES_RAISED_MAX
    }
}

/// The conditions of a statement that was read.
pub fn conditions_of(conditions: &[Condition]) -> Conditions {
    let mut of = Conditions::new();
    for condition in conditions {
        let values = of.entry(condition.operator.clone()).or_default().entry(condition.key.clone()).or_default();
        values.extend(condition.values.iter().cloned());
    }
    of
}

/// One statement for each service, set of resources and set of conditions.
fn used_statements(home: &Home, uses: &[Use], notes: &mut BTreeSet<Note>) -> Vec<Statement> {
    // What an action was used on under the same conditions is one grant: its resources are looked at together.
    let mut grants: BTreeMap<(ActionId, Conditions), Vec<&Use>> = BTreeMap::new();
    for one in uses {
        let mut conditions = one.conditions.clone();
        if let Some(service) = &one.passed_to {
            let equals = conditions.entry("StringEquals".into()).or_default();
            equals.insert("iam:PassedToService".into(), BTreeSet::from([service.clone()]));
        }
        grants.entry((one.action, conditions)).or_default().push(one);
    }
    let mut groups: BTreeMap<(&str, BTreeSet<String>, Conditions), BTreeSet<String>> = BTreeMap::new();
    for ((id, conditions), of_grant) in grants {
        let action = Catalogue::shipped().action(id);
        let anywhere = of_grant.iter().any(|one| one.resources.is_empty());
        let arns: BTreeSet<&str> = of_grant.iter().flat_map(|one| &one.resources).map(String::as_str).collect();
        let resources = resources::granted(home, id, &arns, anywhere, notes);
        groups.entry((action.service, resources, conditions)).or_default().insert(action.to_string());
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let statement = |((service, resource, condition), action)| {
        let number = counts.entry(service).and_modify(|n| *n += 1).or_insert(1);
        let sid = format!("Used{number}{}", capitalised(service));
        Statement { sid, effect: "Allow", action, resource, condition, ..Statement::default() }
    };
    groups.into_iter().map(statement).collect()
}

/// One statement for each set of resources and set of conditions.
fn kept_statements(kept: &[Kept], notes: &mut BTreeSet<Note>) -> Vec<Statement> {
    let mut groups: BTreeMap<(&BTreeSet<String>, bool, &Conditions), BTreeSet<String>> = BTreeMap::new();
    for one in kept.iter().filter(|one| !one.actions.is_empty() && !one.resources.is_empty()) {
        let group = (&one.resources, one.all_but, &one.conditions);
        groups.entry(group).or_default().extend(one.actions.iter().cloned());
        notes.insert(Note::Kept { actions: one.actions.clone(), why: one.why.clone() });
    }
    let mut statements = Vec::new();
    for (number, ((resources, all_but, conditions), action)) in (1..).zip(groups) {
        let (resource, not_resource) = only_or_not(resources.clone(), all_but);
        statements.push(Statement {
            sid: format!("Kept{number}"),
            effect: "Allow",
            action,
            resource,
            not_resource,
            condition: conditions.clone(),
            ..Statement::default()
        });
    }
    statements
}

/// The statements as they are, but for their names.
fn denying_statements(denies: &[document::Statement]) -> Vec<Statement> {
    let sets = |selection: &Selection<String>| match selection {
        Selection::Only(patterns) => only_or_not(patterns.iter().cloned().collect(), false),
        Selection::Except(patterns) => only_or_not(patterns.iter().cloned().collect(), true),
        Selection::Unstated => Default::default(),
    };
    let mut statements = Vec::new();
    for (number, deny) in (1..).zip(denies) {
        let ((action, not_action), (resource, not_resource)) = (sets(&deny.actions), sets(&deny.resources));
        let condition = conditions_of(&deny.conditions);
        let sid = format!("Denied{number}");
        statements.push(Statement { sid, effect: "Deny", action, not_action, resource, not_resource, condition });
    }
    statements
}

fn only_or_not(set: BTreeSet<String>, not: bool) -> (BTreeSet<String>, BTreeSet<String>) {
    if not { (BTreeSet::new(), set) } else { (set, BTreeSet::new()) }
}

/// `AccessAnalyzer` of `access-analyzer`: a Sid has letters and digits only.
fn capitalised(service: &str) -> String {
    let words = service.split(|c: char| !c.is_ascii_alphanumeric());
    words.map(|word| word[..1.min(word.len())].to_ascii_uppercase() + &word[1.min(word.len())..]).collect()
}

#[cfg(test)]
mod tests;
