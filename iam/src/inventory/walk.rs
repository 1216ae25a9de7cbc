//! JSON taken apart while it is read, so that no tree of a whole file is made: a text comes in, what a [`Walk`] makes of its
//! objects, arrays and scalars goes out.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// What is made of a value. By default its tree, of which [`Walk::tree`] makes the rest.
pub(super) trait Walk<'de>: Sized {
    type Made;

    /// Takes a value that is not walked.
    fn tree(self, value: Value) -> Self::Made;

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<Self::Made, A::Error> {
        Ok(self.tree(Value::deserialize(MapAccessDeserializer::new(object))?))
    }

    fn array<A: SeqAccess<'de>>(self, array: A) -> Result<Self::Made, A::Error> {
        Ok(self.tree(Value::deserialize(SeqAccessDeserializer::new(array))?))
    }
}

/// A value that is walked by what it holds.
pub(super) struct Walked<W>(pub W);

impl<'de, W: Walk<'de>> DeserializeSeed<'de> for Walked<W> {
    type Value = W::Made;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<W::Made, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, W: Walk<'de>> Visitor<'de> for Walked<W> {
    type Value = W::Made;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<W::Made, A::Error> {
        self.0.object(object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<W::Made, A::Error> {
        self.0.array(array)
    }

    fn visit_unit<E>(self) -> Result<W::Made, E> {
        Ok(self.0.tree(Value::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<W::Made, E> {
        Ok(self.0.tree(flag.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<W::Made, E> {
        Ok(self.0.tree(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<W::Made, E> {
        Ok(self.0.tree(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<W::Made, E> {
        Ok(self.0.tree(number.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<W::Made, E> {
        Ok(self.0.tree(text.into()))
    }
}
