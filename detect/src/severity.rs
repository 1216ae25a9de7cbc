//! The words that a rule's header may choose from.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// Every word, in order.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word as it stands in a header, in JSON and in the ledger.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok($name::$variant),)*
                    _ => Err(format!("`{word}` is not one of {}", Self::WORDS.join(", "))),
                }
            }
        }
    };
}

words! {
    /// How bad it is, if it is what it looks like. Ordered: `Severity::High > Severity::Low`.
    Severity: Info = "info", Low = "low", Medium = "medium", High = "high", Critical = "critical"
}

words! {
    /// Whether people are told: findings of a `trial` rule are kept, but nobody is told.
    Status: Trial = "trial", Stable = "stable"
}

words! {
    /// How a rule judges the events that its SELECT chooses.
    Kind:
    /// Every event is a finding; with `fold`, the entity's events of an aligned window together are one.
    Match = "match",
    Threshold = "threshold", Sequence = "sequence", FirstSeen = "first_seen", Rare = "rare",
    Spike = "spike", Travel = "travel", Query = "query",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_ordered_and_read_back() {
        assert!(Severity::Critical > Severity::High && Severity::Low > Severity::Info);
        for word in Severity::WORDS {
            assert_eq!(&word.parse::<Severity>().unwrap().as_str(), word);
        }
        assert_eq!("bad".parse::<Severity>().unwrap_err(), "`bad` is not one of info, low, medium, high, critical");
        assert_eq!(serde_json::to_string(&Kind::FirstSeen).unwrap(), "\"first_seen\"");
    }
}
