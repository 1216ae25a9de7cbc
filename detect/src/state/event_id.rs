//! An event's id as it is remembered. CloudTrail's ids are UUIDs, which take less than half of their text as numbers.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// An id, in the order of its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EventId {
    /// The UUID whose usual text it is.
    Uuid(#[serde(with = "at_once")] [u8; 16]),
    Other(Box<str>),
}

impl EventId {
    /// What comes before every id.
    pub fn least() -> Self {
        EventId::Other("".into())
    }

    /// Bytes that it takes beside itself.
    pub fn bytes(&self) -> usize {
        match self {
            EventId::Uuid(_) => 0,
            EventId::Other(text) => text.len(),
        }
    }

    fn with_text<T>(&self, told: impl FnOnce(&str) -> T) -> T {
        match self {
            EventId::Uuid(bytes) => {
                told(Uuid::from_bytes(*bytes).hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]))
            }
            EventId::Other(text) => told(text),
        }
    }
}

impl From<&str> for EventId {
    fn from(text: &str) -> Self {
        // Of the ways to write a UUID only the usual one is so long; it has no capitals.
        let is_usual = text.len() == Hyphenated::LENGTH && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match Some(text).filter(|_| is_usual).and_then(|text| Uuid::try_parse(text).ok()) {
            Some(uuid) => EventId::Uuid(uuid.into_bytes()),
            None => EventId::Other(text.into()),
        }
    }
}

/// A UUID's bytes written at once, not one by one: what many events were is mostly their ids.
mod at_once {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8; 16], out: S) -> Result<S::Ok, S::Error> {
        u128::from_be_bytes(*bytes).serialize(out)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<[u8; 16], D::Error> {
        u128::deserialize(from).map(u128::to_be_bytes)
    }
}

impl PartialEq<str> for EventId {
    fn eq(&self, other: &str) -> bool {
        self.with_text(|text| text == other)
    }
}

impl Ord for EventId {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Digits and letters of UUIDs stand at the same places.
            (EventId::Uuid(one), EventId::Uuid(other)) => one.cmp(other),
            _ => self.with_text(|one| other.with_text(|other| one.cmp(other))),
        }
    }
}

impl PartialOrd for EventId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| out.write_str(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_and_ordered_as_their_texts() {
        let texts = [
            "",
            "1",
            "61b4e32d-9333-493d-a44d-1da4b4a1fd05",
            "61b4e32d-9333-493d-a44d-1da4b4a1fd0a",
            "61B4E32D-9333-493D-A44D-1DA4B4A1FD05",
            "61b4e32d9333493da44d1da4b4a1fd05",
            "{61b4e32d-9333-493d-a44d-1da4b4a1fd05}",
            "f1b4e32d-9333-493d-a44d-1da4b4a1fd05",
            "61b4e32d-9333-493d-a44d-1da4b4a1fd05-7",
            "an event",
        ];
        let uuids = texts.iter().filter(|text| matches!(EventId::from(**text), EventId::Uuid(_))).count();
        assert_eq!(uuids, 3);
        for one in texts {
            let id = EventId::from(one);
            assert_eq!(id.to_string(), one);
            assert!(EventId::least() <= id);
            for other in texts {
                assert_eq!(id.cmp(&EventId::from(other)), one.cmp(other), "{one} and {other}");
                assert_eq!(id == *other, one == other);
            }
        }
    }
}
