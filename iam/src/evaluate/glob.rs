//! A pattern of a resource or of a condition's value, ready to be compared.

use std::fmt;

use crate::pattern::walk;

/// Stand for a `*` and a `?` that mean themselves (`${*}`, or what a policy variable brought). UTF-8 has neither byte.
const LITERAL_STAR: u8 = 0xFE;
const LITERAL_QUESTION: u8 = 0xFF;

/// Text in which `*` and `?` are wildcards, except where they were put in as themselves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Glob(Vec<u8>);

impl Glob {
    /// The text with its wildcards.
    pub fn wild(text: &str) -> Glob {
        Glob(text.as_bytes().to_vec())
    }

    /// Text that matches itself alone.
    pub fn literal(text: &str) -> Glob {
        let mut glob = Glob(Vec::new());
        glob.push_literal(text);
        glob
    }

    pub fn push_wild(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    pub fn push_literal(&mut self, text: &str) {
        self.0.extend(text.bytes().map(|byte| match byte {
            b'*' => LITERAL_STAR,
            b'?' => LITERAL_QUESTION,
            other => other,
        }));
    }

    pub fn push(&mut self, other: &Glob) {
        self.0.extend_from_slice(&other.0);
    }

    /// Whether the pattern matches all of the text, with regard to case.
    pub fn matches(&self, text: &str) -> bool {
        walk(&self.0, text.as_bytes(), same)
    }

    /// As [`Glob::matches`], without regard to ASCII case.
    pub fn matches_ignoring_case(&self, text: &str) -> bool {
        walk(&self.0, text.as_bytes(), |p, t| p.eq_ignore_ascii_case(&t) || same(p, t))
    }

    /// Whether the pattern matches an ARN, each of its six parts on its own, as IAM's ARN operators compare. A pattern that
    /// has fewer parts (`*`) is compared as a whole.
    pub fn matches_arn(&self, arn: &str) -> bool {
        let parts: Vec<&[u8]> = self.0.splitn(6, |b| *b == b':').collect();
        let texts: Vec<&str> = arn.splitn(6, ':').collect();
        if parts.len() < 6 {
            return self.matches(arn);
        }
        texts.len() == 6 && parts.iter().zip(texts).all(|(part, text)| walk(part, text.as_bytes(), same))
    }

    pub fn is_anything(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|b| *b == b'*')
    }

    /// Whether all that `narrow` matches is surely matched here. It may say no where the answer is yes, never the
    /// other way round.
    pub fn covers(&self, narrow: &Glob) -> bool {
        walk(&self.0, &narrow.0, |w, n| n != b'*' && (w == n || w == b'?'))
    }

    /// Whether some text is matched by both.
    pub fn overlaps(&self, other: &Glob) -> bool {
        let (a, b) = (&self.0, &other.0);
        // `rest[j]` says whether the ends of both patterns, from the row's place in `a` and from `j` in `b`, overlap.
        let mut rest = vec![false; b.len() + 1];
        for i in (0..=a.len()).rev() {
            let below = rest.clone();
            for j in (0..=b.len()).rev() {
                let (star_a, star_b) = (a.get(i) == Some(&b'*'), b.get(j) == Some(&b'*'));
                rest[j] = match (a.get(i), b.get(j)) {
                    (None, None) => true,
                    _ if star_a || star_b => {
                        let without_a = star_a && (below[j] || j < b.len() && rest[j + 1]);
                        let without_b = star_b && (rest[j + 1] || i < a.len() && below[j]);
                        without_a || without_b
                    }
                    (Some(x), Some(y)) => (x == y || *x == b'?' || *y == b'?') && below[j + 1],
                    _ => false,
                };
            }
        }
        rest[0]
    }
}

/// As it would be written in a policy.
impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = Vec::with_capacity(self.0.len());
        for byte in &self.0 {
            match *byte {
                LITERAL_STAR => written.extend_from_slice(b"${*}"),
                LITERAL_QUESTION => written.extend_from_slice(b"${?}"),
                other => written.push(other),
            }
        }
        f.write_str(&String::from_utf8_lossy(&written))
    }
}

fn same(pattern: u8, text: u8) -> bool {
    match pattern {
        b'?' => true,
        LITERAL_STAR => text == b'*',
        LITERAL_QUESTION => text == b'?',
        other => other == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_that_share_a_text() {
        for (a, b, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("a*", "*b", true),
            ("a*", "b*", false),
            ("a?c", "ab*", true),
            ("a?c", "ab", false),
            ("arn:aws:s3:::a/*", "arn:aws:s3:::b/*", false),
            ("arn:aws:s3:::a/*", "arn:aws:s3:::*/x", true),
            ("a*b*c", "*x*", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Glob::wild(a).overlaps(&Glob::wild(b)), expected, "{a} and {b}");
            assert_eq!(Glob::wild(b).overlaps(&Glob::wild(a)), expected, "{b} and {a}");
        }
    }

    #[test]
    fn literal_wildcards_mean_themselves() {
        assert!(Glob::literal("a*").matches("a*"));
        assert!(!Glob::literal("a*").matches("ab"));
        assert!(Glob::wild("a?").covers(&Glob::literal("a*")));
        assert_eq!(Glob::literal("a*?").to_string(), "a${*}${?}");
    }

    #[test]
    fn arns_are_compared_part_by_part() {
        for (pattern, arn, expected) in [
            ("arn:aws:iam::*:role/x", "arn:aws:iam::111122223333:role/x", true),
            ("arn:*:role/x", "arn:aws:iam::111122223333:role/x", true),
            ("arn:*:iam:*:*:role/x", "arn:aws:iam::111122223333:role/x", true),
            ("arn:aws:sns:*:111122223333:t", "arn:aws:sns:eu-west-1:9:111122223333:t", false),
            ("arn:aws:iam::111122223333:*", "not an arn", false),
            ("*", "arn:aws:iam::111122223333:role/x", true),
        ] {
            assert_eq!(Glob::wild(pattern).matches_arn(arn), expected, "{pattern} on {arn}");
        }
    }

    proptest! {
        #[test]
        fn what_both_match_they_share(a in "[ab*?]{0,6}", b in "[ab*?]{0,6}", text in "[ab]{0,6}") {
            let (wild_a, wild_b) = (Glob::wild(&a), Glob::wild(&b));
            if wild_a.matches(&text) && wild_b.matches(&text) {
                prop_assert!(wild_a.overlaps(&wild_b));
            }
            if wild_a.covers(&wild_b) {
                prop_assert!(wild_a.overlaps(&wild_b));
                prop_assert!(!wild_b.matches(&text) || wild_a.matches(&text));
            }
        }
    }
}
