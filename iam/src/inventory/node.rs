//! JSON with its path, so that whatever is wrong in it can be named.

use std::sync::Arc;

use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use super::error::{InventoryError, Location, Note, Problem};
use crate::document::Document;

/// A value of a file, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    pub value: &'a Value,
    pub path: String,
}

/// A file that is being read: its name, and what was found to be wrong with it.
#[derive(Debug)]
pub(super) struct Reading {
    pub file: String,
    /// The present, by which times that lie ahead are told.
    pub now: Timestamp,
    pub errors: Vec<InventoryError>,
    pub notes: Vec<Note>,
}

impl Reading {
    pub fn new(file: &str, now: Timestamp) -> Reading {
        Reading { file: file.to_owned(), now, errors: Vec::new(), notes: Vec::new() }
    }

    /// A reading of the same file, the errors of which are told apart.
    pub fn apart(&self) -> Reading {
        Reading::new(&self.file, self.now)
    }

    /// Takes over what was found to be wrong elsewhere in the file.
    pub fn take(&mut self, part: Reading) {
        self.errors.extend(part.errors);
        self.notes.extend(part.notes);
    }

    pub fn at(&self, place: &str) -> Location {
        Location { file: self.file.clone(), place: place.to_owned() }
    }

    pub fn wrong(&mut self, place: &str, problem: Problem) {
        self.errors.push(InventoryError { at: self.at(place), problem });
    }

    pub fn note(&mut self, place: &str, text: String) {
        self.notes.push(Note { at: self.at(place), text });
    }

    /// Reads a time. One that lies more than a day ahead is noted and no error: it may be the clock here that is wrong, or
    /// that old history is looked at.
    pub fn time(&mut self, place: &str, text: &str) -> Option<Timestamp> {
        let Ok(time) = text.trim().parse::<Timestamp>() else {
            self.wrong(place, Problem::Time(format!("\"{text}\"")));
            return None;
        };
        if self.now.checked_add(24.hours()).is_ok_and(|tomorrow| time > tomorrow) {
            self.note(place, format!("{time} lies in the future"));
        }
        Some(time)
    }
}

impl<'a> Node<'a> {
    /// A member that is there and not null.
    pub fn member(&self, name: &str) -> Option<Node<'a>> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Node { value, path: self.path_of(name) })
    }

    fn path_of(&self, name: &str) -> String {
        Node::path_below(&self.path, name)
    }

    /// The path of a member of what stands at `path`.
    pub fn path_below(path: &str, name: &str) -> String {
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    }

    pub fn has(&self, name: &str) -> bool {
        self.value.get(name).is_some()
    }

    /// A text that may be missing.
    pub fn maybe_text(&self, name: &str, reading: &mut Reading) -> Option<String> {
        let member = self.member(name)?;
        match member.value {
            Value::String(text) => Some(text.clone()),
            _ => member.unexpected("a string", reading),
        }
    }

    /// A text that has to be there.
    pub fn text(&self, name: &str, reading: &mut Reading) -> Option<String> {
        match self.member(name) {
            Some(_) => self.maybe_text(name, reading),
            None => self.missing(name, "a string", reading),
        }
    }

    pub fn flag(&self, name: &str, reading: &mut Reading) -> bool {
        match self.member(name) {
            None => false,
            Some(member) => match member.value {
                Value::Bool(flag) => *flag,
                _ => member.unexpected("true or false", reading).unwrap_or_default(),
            },
        }
    }

    /// A time that may be missing.
    pub fn time(&self, name: &str, reading: &mut Reading) -> Option<Timestamp> {
        let text = self.maybe_text(name, reading)?;
        reading.time(&self.member(name)?.path, &text)
    }

    /// The elements of a list, none if there is no list.
    pub fn list(&self, name: &str, reading: &mut Reading) -> Vec<Node<'a>> {
        let Some(member) = self.member(name) else { return Vec::new() };
        match member.elements() {
            Some(elements) => elements,
            None => member.unexpected("an array", reading).unwrap_or_default(),
        }
    }

    pub fn elements(&self) -> Option<Vec<Node<'a>>> {
        let Value::Array(values) = self.value else { return None };
        let node = |(i, value)| Node { value, path: format!("{}[{i}]", self.path) };
        Some(values.iter().enumerate().map(node).collect())
    }

    /// A policy document as an object or as text that holds one, of which everything could be read.
    pub fn document(&self, name: &str, reading: &mut Reading) -> Option<Arc<Document>> {
        let Some(member) = self.member(name) else {
            return self.missing(name, "a policy document", reading);
        };
        let (document, errors) = match member.value {
            Value::String(text) => Document::parse(text),
            value => Document::from_json(value),
        };
        let readable = errors.is_empty();
        for error in errors {
            reading.wrong(&member.path, Problem::Document(error));
        }
        readable.then(|| Arc::new(document))
    }

    /// Says that the value is not what was expected.
    pub fn unexpected<T>(&self, expected: &'static str, reading: &mut Reading) -> Option<T> {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            Value::String(text) => format!("\"{}\"", text.chars().take(80).collect::<String>()),
            other => other.to_string(),
        };
        reading.wrong(&self.path, Problem::Unexpected { found, expected });
        None
    }

    fn missing<T>(&self, name: &str, expected: &'static str, reading: &mut Reading) -> Option<T> {
        reading.wrong(&self.path_of(name), Problem::Unexpected { found: "nothing here".into(), expected });
        None
    }
}
