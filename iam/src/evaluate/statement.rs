//! A document's statements, made ready once and shared by all principals that have the document.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::actions::{Expansions, Runs};
use super::context::{Knowledge, Known};
use super::glob::Glob;
use super::question::Question;
use super::template::Template;
use super::truth::Truth;
use crate::document::{Document, Selection, Statement};

/// The version from which on documents have policy variables (IAM User Guide, "IAM JSON policy elements: Version").
const VERSION_WITH_VARIABLES: &str = "2012-10-17";

#[derive(Debug)]
pub(super) struct ReadyDocument {
    pub document: Arc<Document>,
    /// As many as the document has, in its order.
    pub statements: Vec<ReadyStatement>,
}

#[derive(Debug)]
pub(super) struct ReadyStatement {
    pub actions: Runs,
    /// Patterns of actions that match nothing in the catalogue.
    pub unknown_actions: Vec<String>,
    pub resources: Selection<Template>,
    pub questions: Vec<Question>,
}

impl ReadyDocument {
    pub fn new(document: Arc<Document>, expansions: &mut Expansions) -> ReadyDocument {
        let variables = has_variables(&document);
        let statements = document.statements.iter().map(|s| ReadyStatement::new(s, variables, expansions)).collect();
        ReadyDocument { document, statements }
    }

    pub fn has_variables(&self) -> bool {
        has_variables(&self.document)
    }
}

impl ReadyStatement {
    fn new(statement: &Statement, variables: bool, expansions: &mut Expansions) -> ReadyStatement {
        let templates = |patterns: &Vec<String>| patterns.iter().map(|p| Template::new(p, true, variables)).collect();
        let (actions, unknown_actions) = expansions.expand(&statement.actions);
        ReadyStatement {
            actions,
            unknown_actions,
            resources: match &statement.resources {
                Selection::Only(patterns) => Selection::Only(templates(patterns)),
                Selection::Except(patterns) => Selection::Except(templates(patterns)),
                Selection::Unstated => Selection::Unstated,
            },
            questions: statement.conditions.iter().map(|c| Question::new(c, variables)).collect(),
        }
    }

    /// Whether the conditions are met.
    pub fn is_met(&self, knowledge: Knowledge<'_>) -> Truth {
        Truth::all(self.questions.iter().map(|question| question.ask(knowledge)))
    }

    /// Whether the statement speaks of the resource.
    pub fn speaks_of(&self, resource: &str, knowledge: Knowledge<'_>) -> Truth {
        let matches = |glob: &Glob| glob.matches(resource);
        match &self.resources {
            Selection::Only(templates) => Truth::any(templates.iter().map(|t| t.fits(knowledge, matches))),
            Selection::Except(templates) => Truth::any(templates.iter().map(|t| t.excepts(knowledge, matches))).not(),
            Selection::Unstated => Truth::False,
        }
    }

    /// Whether the statement speaks of every resource, of none, or that depends on which.
    pub fn speaks_of_all(&self) -> Truth {
        let is_anything = |template: &Template| matches!(template, Template::Plain(glob) if glob.is_anything());
        match &self.resources {
            Selection::Only(templates) if templates.iter().any(is_anything) => Truth::True,
            Selection::Except(templates) if templates.is_empty() => Truth::True,
            Selection::Except(templates) if templates.iter().any(is_anything) => Truth::False,
            Selection::Unstated => Truth::False,
            _ => Truth::Unknown,
        }
    }

    /// The keys that would have to be known to tell whether the statement applies: those of undecided conditions, and of
    /// variables in them and in the resources. In lower case. A key without a value is among them where it leaves open what
    /// `NotResource` excepts.
    pub fn open_keys(&self, knowledge: Knowledge<'_>) -> BTreeSet<String> {
        let is_unknown = |key: &&str| knowledge.look_up(key) == Known::Unknown;
        let mut keys = BTreeSet::new();
        for question in self.questions.iter().filter(|q| q.ask(knowledge) == Truth::Unknown) {
            let unknown = std::iter::once(question.key.as_str()).chain(question.variables()).filter(is_unknown);
            let before = keys.len();
            keys.extend(unknown.map(str::to_owned));
            // The key is known, and its operator or value cannot be read.
            if keys.len() == before {
                keys.insert(question.key.clone());
            }
        }
        if let Selection::Only(templates) | Selection::Except(templates) = &self.resources {
            keys.extend(templates.iter().flat_map(Template::keys).filter(is_unknown).map(str::to_owned));
        }
        if let Selection::Except(templates) = &self.resources {
            let unresolved = templates.iter().filter(|template| template.is_unresolved(knowledge));
            keys.extend(unresolved.flat_map(Template::keys).map(str::to_owned));
        }
        keys
    }
}

fn has_variables(document: &Document) -> bool {
    document.version.as_deref() == Some(VERSION_WITH_VARIABLES)
}
