//! What a reader of generated policies should know of them.

use std::collections::BTreeSet;
use std::fmt;

use super::{POLICIES_MAX, POLICIES_RAISED_MAX};

/// Something that is wider than the use was, or otherwise for a person to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// The action knows resources, but on which it was used is not known, at least not always.
    AllResources { action: String },
    /// The action asks for a resource of this type, too, and which it was is not known.
    AnyOfType { action: String, pattern: String },
    /// So many resources became one pattern.
    Generalised { action: String, pattern: String, resources: usize },
    /// A resource that the action is not about, as far as the catalogue knows; it is not in the policies.
    NotOfAction { action: String, arn: String },
    /// Actions that stay without having been used.
    Kept { actions: BTreeSet<String>, why: String },
    /// More policies than a role or user can have.
    TooMany { policies: usize },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::AllResources { action } => {
                write!(f, "{action} is allowed on all resources: its events do not always say on which it was used")
            }
            Note::AnyOfType { action, pattern } => {
                write!(f, "{action} is allowed on {pattern}: its events do not say on which of these it was used")
            }
            Note::Generalised { action, pattern, resources } => {
                write!(f, "{action} was used on {resources} resources and is allowed on {pattern}")
            }
            Note::NotOfAction { action, arn } => {
                write!(f, "{action} is not about {arn}, which is left out")
            }
            Note::Kept { actions, why } => {
                let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
                write!(f, "{} kept: {why}", actions.join(", "))
            }
            Note::TooMany { policies } if *policies <= POLICIES_RAISED_MAX => write!(
                f,
                "{policies} policies: a role or user can have {POLICIES_MAX} attached, up to {POLICIES_RAISED_MAX} if its \
                 quota is raised"
            ),
            Note::TooMany { policies } => write!(
                f,
                "{policies} policies cannot be attached to one role or user ({POLICIES_RAISED_MAX} at most): divide its \
                 work among several"
            ),
        }
    }
}
