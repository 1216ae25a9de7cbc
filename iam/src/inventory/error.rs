//! What is wrong with a file, where, and what to do about it.

use std::fmt;

use thiserror::Error;

use crate::document::ReadError;

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// As the caller named it.
    pub file: String,
    /// A path of JSON (`RoleDetailList[3].Arn`), a line, or nothing for the file as a whole.
    pub place: String,
}

/// One thing for which nothing is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{at}: {problem}")]
pub struct InventoryError {
    pub at: Location,
    pub problem: Problem,
}

/// Something that does not hinder loading and that a reader of the results should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub at: Location,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    #[error("the file is empty; fetch it again")]
    Empty,
    #[error("the file is no UTF-8 text; expected JSON, or a credential report (CSV), not compressed")]
    NotText,
    #[error("the JSON breaks off here ({0}); the file may have been cut, fetch it again")]
    Json(String),
    #[error(
        "this is none of the known outputs (it has: {found}); expected that of `aws iam get-account-authorization-details`, \
         `aws iam get-credential-report`, `aws iam get-service-last-accessed-details` or of the calls that \
         are listed in the documentation of inventories"
    )]
    UnknownKind { found: String },
    #[error("{what} does not say what is granted; use {instead}")]
    TooLittle { what: &'static str, instead: &'static str },
    #[error("{found}, expected {expected}")]
    Unexpected { found: String, expected: &'static str },
    #[error("{0} is no time; expected ISO 8601, such as 2026-03-01T12:00:00Z")]
    Time(String),
    #[error("{0}; fetch the policy again, or mend it")]
    Document(#[from] ReadError),
    #[error(
        "IsTruncated is true and no file holds the last page; fetch all pages (the AWS CLI does without --max-items)"
    )]
    Truncated,
    #[error(
        "{user} is in the group {group}, which none of the files holds; fetch the details without --filter, or with Group"
    )]
    UnknownGroup { user: String, group: String },
    #[error("the group {0} is said to be in a group; IAM's groups hold users only")]
    NestedGroup(String),
    #[error("{arn} is described at {other} with another {fields}; give one state of it, the newest")]
    Contradiction { arn: String, fields: String, other: Location },
    #[error("{arn} has no version {version} here, which is its default; fetch the details again")]
    NoDefaultVersion { arn: String, version: String },
    #[error("the report's job is {0}; ask again until it is COMPLETED")]
    Unfinished(String),
    #[error(
        "nothing here says whose this is; put it into an object with {member} (`jq '. + {{{member}: \"…\"}}'`){or}"
    )]
    Whose { member: &'static str, or: &'static str },
    #[error("{name} names {count} of the entities in the files; say which with an object that has its Arn")]
    Ambiguous { name: String, count: usize },
    #[error("the header has no column {0}; expected a credential report as IAM makes it")]
    NoColumn(&'static str),
    #[error(
        "{0} is attached to {1} and its content is in none of the files; add `aws organizations describe-policy --policy-id {0}`"
    )]
    NoContent(String, String),
    #[error("{child} lies under {parent}, of which none of the files says anything; add its parents and policies")]
    UnknownParent { child: String, parent: String },
    #[error(
        "nothing says under what {0} lies; add `aws organizations list-parents --child-id {0}` with a ChildId put into it"
    )]
    NoParent(String),
    #[error("{0} lies under itself")]
    ParentCycle(String),
    #[error(
        "service control policies are in use and {0} has none, though AWS always leaves one attached; add \
         `aws organizations list-policies-for-target`"
    )]
    NoneAttached(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.place.is_empty() { Ok(()) } else { write!(f, ", {}", self.place) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.text)
    }
}
