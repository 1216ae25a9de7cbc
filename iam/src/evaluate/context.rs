//! The condition keys of a request, as far as they are known.

use std::collections::BTreeMap;

/// What is known of a request's condition keys: their values, that they are absent, or nothing.
///
/// A key that is not mentioned is *unknown*: a condition on it stays open. [`Context::closed`] makes one in which keys
/// that are not mentioned are absent, as AWS's policy simulator takes them. Keys are compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// By key in lower case; a key without values is known to be absent.
    known: BTreeMap<String, Vec<String>>,
    closed: bool,
}

/// What a context says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known<'a> {
    Unknown,
    Absent,
    /// One or several.
    Values(&'a [String]),
}

impl Context {
    /// A context that knows nothing.
    pub fn new() -> Context {
        Context::default()
    }

    /// A context that knows all keys: those that are not mentioned are absent.
    pub fn closed() -> Context {
        Context { closed: true, ..Context::default() }
    }

    /// The key has this one value.
    pub fn with(self, key: &str, value: impl Into<String>) -> Context {
        self.with_values(key, vec![value.into()])
    }

    /// The key has these values; with none of them it is absent, as IAM treats an empty set.
    pub fn with_values(mut self, key: &str, values: Vec<String>) -> Context {
        self.known.insert(key.to_ascii_lowercase(), values);
        self
    }

    /// The request does not carry the key.
    pub fn without(self, key: &str) -> Context {
        self.with_values(key, Vec::new())
    }

    /// What is known of a key, given in lower case.
    pub(super) fn look_up(&self, key: &str) -> Known<'_> {
        match self.known.get(key) {
            Some(values) if values.is_empty() => Known::Absent,
            Some(values) => Known::Values(values),
            None if self.closed => Known::Absent,
            None => Known::Unknown,
        }
    }
}

/// What is known of the principal, and then of the request: a request cannot contradict its principal.
#[derive(Clone, Copy)]
pub(super) struct Knowledge<'a> {
    pub principal: &'a Context,
    pub request: &'a Context,
}

impl<'a> Knowledge<'a> {
    pub fn look_up(&self, key: &str) -> Known<'a> {
        match self.principal.look_up(key) {
            Known::Unknown => self.request.look_up(key),
            known => known,
        }
    }
}
