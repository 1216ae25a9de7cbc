//! Facts that are derived of a text which comes again and again, such as an address or a user agent.

use std::collections::HashMap;

/// What is remembered; beyond so many different texts the memory starts afresh.
const TEXTS_MAX: usize = 10_000;

/// Facts by text. Texts are chosen by whoever calls AWS, so the hash is keyed.
pub(crate) struct Facts<T> {
    places: HashMap<String, usize, ahash::RandomState>,
    facts: Vec<T>,
    /// The text that was asked about last, which is often the next one too.
    last: Option<(String, usize)>,
}

impl<T> Default for Facts<T> {
    fn default() -> Self {
        Self { places: HashMap::default(), facts: Vec::new(), last: None }
    }
}

impl<T> Facts<T> {
    /// Where the facts of a text stand; derives them where they are not known. The place holds until the next call.
    pub fn place(&mut self, text: &str, derive: impl FnOnce(&str) -> T) -> usize {
        if let Some((last, place)) = &self.last
            && last == text
        {
            return *place;
        }
        let place = match self.places.get(text) {
            Some(place) => *place,
            None => {
                if self.facts.len() >= TEXTS_MAX {
                    self.clear();
                }
                self.facts.push(derive(text));
                self.places.insert(text.to_string(), self.facts.len() - 1);
                self.facts.len() - 1
            }
        };
        let last = self.last.get_or_insert_default();
        last.0.clear();
        last.0.push_str(text);
        last.1 = place;
        place
    }

    pub fn at(&self, place: usize) -> &T {
        &self.facts[place]
    }

    pub fn clear(&mut self) {
        self.places.clear();
        self.facts.clear();
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_derived_once_and_forgotten_in_time() {
        let mut facts = Facts::default();
        let mut derived = 0;
        for text in ["a", "a", "b", "a"] {
            let place = facts.place(text, |text| {
                derived += 1;
                text.to_uppercase()
            });
            assert_eq!(facts.at(place), &text.to_uppercase());
        }
        assert_eq!(derived, 2);
        for number in 0..TEXTS_MAX + 5 {
            let place = facts.place(&number.to_string(), str::to_string);
            assert_eq!(facts.at(place), &number.to_string());
        }
        assert!(facts.facts.len() <= TEXTS_MAX);
    }
}
