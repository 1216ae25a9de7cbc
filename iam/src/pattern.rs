//! IAM's wildcards: `*` is any run of characters, `?` is any one. There is no escape and no character class.

/// Whether `pattern` matches all of `text`, byte by byte, as resource names are compared.
///
/// Runs in `pattern.len() * text.len()` steps at worst, so a hostile pattern cannot stall the caller.
pub fn matches(pattern: &str, text: &str) -> bool {
    walk(pattern.as_bytes(), text.as_bytes(), |p, t| p == t || p == b'?')
}

/// As [`matches`], without regard to ASCII case, as actions and condition keys are compared.
pub fn matches_ignoring_case(pattern: &str, text: &str) -> bool {
    walk(pattern.as_bytes(), text.as_bytes(), |p, t| p.eq_ignore_ascii_case(&t) || p == b'?')
}

/// Whether everything that `narrow` matches is surely matched by `wide`, ignoring case.
///
/// It may say no where the answer is yes (`*a` and `*?a` together), never yes where it is no: a `*` in `narrow` is
/// covered by a `*` in `wide` alone.
pub fn covers(wide: &str, narrow: &str) -> bool {
    walk(wide.as_bytes(), narrow.as_bytes(), |w, n| w.eq_ignore_ascii_case(&n) && n != b'*' || w == b'?' && n != b'*')
}

/// Whether the pattern is nothing but `*`, in any number.
pub fn is_anything(pattern: &str) -> bool {
    !pattern.is_empty() && pattern.bytes().all(|b| b == b'*')
}

/// The usual two-pointer walk: on a mismatch the last `*` swallows one character more.
pub(crate) fn walk(pattern: &[u8], text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            last_star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && same(pattern[p], text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star, swallowed)) = last_star {
            p = star + 1;
            t = swallowed + 1;
            last_star = Some((star, swallowed + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "s3:GetObject", true),
            ("s3:*", "s3:GetObject", true),
            ("s3:*", "s3express:CreateSession", false),
            ("s3:Get?bject", "s3:GetObject", true),
            ("s3:Get?", "s3:Get", false),
            ("*:*Policy", "iam:PutUserPolicy", true),
            ("*a*b*c", "xxaxxbxxbc", true),
            ("*a*b*c", "xxaxxbxx", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn case_matters_for_resources_only() {
        assert!(matches_ignoring_case("IAM:pass*", "iam:PassRole"));
        assert!(!matches("arn:aws:s3:::Logs", "arn:aws:s3:::logs"));
    }

    #[test]
    fn one_pattern_within_another() {
        for (wide, narrow, expected) in [
            ("*", "s3:Get*", true),
            ("s3:*", "S3:Get*", true),
            ("s3:Get?", "s3:Get*", false),
            ("s3:GetObject", "s3:Get*", false),
            ("s3:Get*", "s3:*", false),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/*", true),
        ] {
            assert_eq!(covers(wide, narrow), expected, "{wide} over {narrow}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let pattern = "*a".repeat(2_000);
        assert!(!matches(&pattern, &"a".repeat(1_999)));
    }
}
