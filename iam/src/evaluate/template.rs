//! Text with policy variables: `arn:aws:s3:::home/${aws:username}/*`.

use std::borrow::Cow;

use super::context::{Knowledge, Known};
use super::glob::Glob;
use super::truth::Truth;

/// A pattern in which variables may stand. What a variable brings is text, its wildcards are none.
///
/// After IAM User Guide, "IAM policy elements: Variables and tags": variables exist in documents of version 2012-10-17
/// only, `${*}`, `${?}` and `${$}` are the characters themselves, and `${key, 'text'}` has a default for where the
/// key is absent.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Template {
    Plain(Glob),
    Variable(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    Text(Glob),
    Key { key: String, default: Option<String> },
}

/// What a template comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Resolved<'a> {
    Known(Cow<'a, Glob>),
    /// A variable's key is absent or has several values: the template matches nothing. In its place stands `*`.
    Nothing(Glob),
    /// A variable's key is unknown; in its place stands `*`.
    Open(Glob),
}

impl Template {
    /// Reads text; `wildcards` says whether `*` and `?` mean more than themselves, `variables` whether `${…}` does.
    pub fn new(text: &str, wildcards: bool, variables: bool) -> Template {
        let plain = |text: &str| if wildcards { Glob::wild(text) } else { Glob::literal(text) };
        if !variables || !text.contains("${") {
            return Template::Plain(plain(text));
        }
        let mut parts = Vec::new();
        let mut text_part = plain("");
        let mut rest = text;
        while let Some((before, name, after)) = variable_in(rest) {
            text_part.push(&plain(before));
            if matches!(name, "*" | "?" | "$") {
                text_part.push_literal(name);
            } else {
                parts.push(Part::Text(std::mem::replace(&mut text_part, plain(""))));
                let (key, default) = match name.split_once(',') {
                    Some((key, default)) => (key, Some(default.trim().trim_matches('\'').to_owned())),
                    None => (name, None),
                };
                parts.push(Part::Key { key: key.trim().to_ascii_lowercase(), default });
            }
            rest = after;
        }
        text_part.push(&plain(rest));
        if parts.is_empty() {
            return Template::Plain(text_part);
        }
        parts.push(Part::Text(text_part));
        Template::Variable(parts)
    }

    pub fn resolve(&self, knowledge: Knowledge<'_>) -> Resolved<'_> {
        let parts = match self {
            Template::Plain(glob) => return Resolved::Known(Cow::Borrowed(glob)),
            Template::Variable(parts) => parts,
        };
        let mut glob = Glob::literal("");
        let (mut open, mut absent) = (false, false);
        for part in parts {
            match part {
                Part::Text(text) => glob.push(text),
                Part::Key { key, default } => match (knowledge.look_up(key), default) {
                    (Known::Values([value]), _) => glob.push_literal(value),
                    (Known::Absent, Some(default)) => glob.push_literal(default),
                    (Known::Absent | Known::Values(_), _) => {
                        absent = true;
                        glob.push_wild("*");
                    }
                    (Known::Unknown, _) => {
                        open = true;
                        glob.push_wild("*");
                    }
                },
            }
        }
        match (absent, open) {
            (true, _) => Resolved::Nothing(glob),
            (_, true) => Resolved::Open(glob),
            _ => Resolved::Known(Cow::Owned(glob)),
        }
    }

    /// Whether what the template comes to fits. One with unknown variables that does not fit with a wildcard in their
    /// place does not fit whatever they are.
    pub fn fits(&self, knowledge: Knowledge<'_>, fits: impl Fn(&Glob) -> bool) -> Truth {
        match self.resolve(knowledge) {
            Resolved::Known(glob) => fits(&glob).into(),
            Resolved::Nothing(_) => Truth::False,
            Resolved::Open(glob) => Truth::Unknown.and(fits(&glob).into()),
        }
    }

    /// As [`Template::fits`], for what is excepted by `NotResource`. "If AWS cannot resolve a variable this might cause
    /// the entire statement to be invalid" (the same page): where a variable without a value matters, it is not to
    /// be told whether the resource is excepted.
    pub fn excepts(&self, knowledge: Knowledge<'_>, fits: impl Fn(&Glob) -> bool) -> Truth {
        match self.resolve(knowledge) {
            Resolved::Known(glob) => fits(&glob).into(),
            Resolved::Nothing(glob) | Resolved::Open(glob) => Truth::Unknown.and(fits(&glob).into()),
        }
    }

    /// Whether a variable has no value, or none that is known.
    pub fn is_unresolved(&self, knowledge: Knowledge<'_>) -> bool {
        matches!(self, Template::Variable(_)) && !matches!(self.resolve(knowledge), Resolved::Known(_))
    }

    /// The keys of the variables.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let parts = match self {
            Template::Plain(_) => &[],
            Template::Variable(parts) => &parts[..],
        };
        parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Key { key, .. } => Some(key.as_str()),
        })
    }
}

/// What stands before the first variable, its name, and what follows it.
fn variable_in(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("${")?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests {
    use super::super::context::Context;
    use super::*;

    #[test]
    fn variables_by_what_is_known() {
        let principal = Context::new().with("aws:username", "a*").without("aws:userid");
        let request = Context::new().with_values("aws:TagKeys", vec!["a".into(), "b".into()]);
        let knowledge = Knowledge { principal: &principal, request: &request };
        for (text, expected) in [
            ("home/${aws:UserName}/*", "home/a${*}/*".to_owned()),
            ("${*}${?}${$}x", "${*}${?}$x".to_owned()),
            ("${aws:userid, 'nobody'}", "nobody".to_owned()),
            ("${aws:userid}", "nothing".to_owned()),
            ("${aws:TagKeys}", "nothing".to_owned()),
            ("x${aws:SourceIp}y", "open x*y".to_owned()),
            ("x${aws:SourceIp", "x${aws:SourceIp".to_owned()),
        ] {
            let template = Template::new(text, true, true);
            let found = match template.resolve(knowledge) {
                Resolved::Known(glob) => glob.to_string(),
                Resolved::Nothing(_) => "nothing".to_owned(),
                Resolved::Open(glob) => format!("open {glob}"),
            };
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn an_old_version_has_no_variables() {
        assert_eq!(Template::new("${aws:username}", true, false), Template::Plain(Glob::wild("${aws:username}")));
    }
}
