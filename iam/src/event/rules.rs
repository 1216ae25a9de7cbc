//! The rules of `iam/data/events.txt`, read: what an event of a name needs.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde_json::Value;

use super::path;
use crate::catalogue::{ActionId, Catalogue};
use crate::pattern;

static EVENTS: &str = include_str!("../../data/events.txt");

/// What an event needs, before its request is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome<'r> {
    /// None of them may be known.
    Needs(Vec<Cow<'r, Need>>),
    Free,
    NoCall,
}

/// An action that an event needs, perhaps only under a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    pub action: ActionId,
    /// The request parameter that names its resource, where the usual ones name another.
    pub resource_at: Option<String>,
    when: Option<When>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct When {
    path: String,
    /// Whether something must be there, or nothing.
    present: bool,
    /// What the text there must be like.
    like: Option<String>,
}

enum Rule {
    Needs(Vec<Need>),
    Free,
    NoCall,
}

/// The rules of one event source.
#[derive(Default)]
struct Source {
    by_name: HashMap<String, Rule>,
    /// Names with `*`, in order.
    by_pattern: Vec<(String, Rule)>,
    also: Vec<(String, Vec<Need>)>,
}

pub(super) struct Rules {
    sources: HashMap<&'static str, Source>,
    /// Event source → IAM's prefixes.
    prefixes: HashMap<&'static str, Vec<&'static str>>,
    named: HashSet<ActionId>,
}

impl Rules {
    pub fn shipped() -> &'static Rules {
        static SHIPPED: LazyLock<Rules> = LazyLock::new(|| match Rules::read(EVENTS) {
            Ok(rules) => rules,
            Err(line) => panic!("events.txt is built in and was tested, yet this line of it cannot be read: {line}"),
        });
        &SHIPPED
    }

    /// Reads all lines, or gives the first that cannot be read.
    fn read(text: &'static str) -> Result<Rules, &'static str> {
        let mut rules = Rules { sources: HashMap::new(), prefixes: HashMap::new(), named: HashSet::new() };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            rules.read_line(line).ok_or(line)?;
        }
        Ok(rules)
    }

    fn read_line(&mut self, line: &'static str) -> Option<()> {
        let mut words = line.split(' ');
        let (first, second) = (words.next()?, words.next()?);
        if first == "source" {
            self.prefixes.insert(second, words.collect());
            return Some(());
        }
        let verb = words.next()?;
        let needs = words.map(|word| self.need(first, word)).collect::<Option<Vec<Need>>>()?;
        self.named.extend(needs.iter().map(|need| need.action));
        let source = self.sources.entry(first).or_default();
        let name = second.to_ascii_lowercase();
        let rule = match verb {
            "free" => Rule::Free,
            "none" => Rule::NoCall,
            "=" if !needs.is_empty() => Rule::Needs(needs),
            "also" if !needs.is_empty() => {
                source.also.push((name, needs));
                return Some(());
            }
            _ => return None,
        };
        if name.contains('*') {
            source.by_pattern.push((name, rule));
        } else {
            source.by_name.insert(name, rule);
        }
        Some(())
    }

    /// `[prefix:]Name[@path][?[!]path[~pattern]]`; none if the catalogue does not have the action.
    fn need(&self, source: &str, word: &str) -> Option<Need> {
        let (word, when) = word.split_once('?').map_or((word, None), |(word, when)| (word, Some(when)));
        let (action, resource_at) = word.split_once('@').map_or((word, None), |(a, path)| (a, Some(path.to_owned())));
        let catalogue = Catalogue::shipped();
        let action = match action.contains(':') {
            true => catalogue.find_named(action)?,
            false => catalogue.find(self.prefixes(source).first()?, action)?,
        };
        let when = when.map(|when| {
            let (path, like) = when.split_once('~').map_or((when, None), |(path, like)| (path, Some(like.to_owned())));
            let (path, present) = path.strip_prefix('!').map_or((path, true), |path| (path, false));
            When { path: path.to_owned(), present, like }
        });
        Some(Need { action, resource_at, when })
    }

    /// IAM's prefixes of an event source.
    pub fn prefixes<'s>(&'s self, source: &'s str) -> Cow<'s, [&'s str]> {
        match self.prefixes.get(source) {
            Some(prefixes) => Cow::Borrowed(prefixes),
            None => Cow::Owned(vec![source]),
        }
    }

    /// What an event needs. The name as it is goes before the name without a version.
    pub fn outcome(&self, source: &str, name: &str) -> Outcome<'_> {
        let bare = unversioned(name);
        let names = if bare == name { &[name][..] } else { &[name, bare][..] };
        let rules = self.sources.get(source);
        let rule = names.iter().find_map(|name| rules?.rule(name));
        let mut needs: Vec<Cow<'_, Need>> = match rule {
            Some(Rule::Free) => return Outcome::Free,
            Some(Rule::NoCall) => return Outcome::NoCall,
            Some(Rule::Needs(needs)) => needs.iter().map(Cow::Borrowed).collect(),
            None => {
                let catalogue = Catalogue::shipped();
                let prefixes = self.prefixes(source);
                let pairs = names.iter().flat_map(|name| prefixes.iter().map(move |prefix| (prefix, name)));
                let found = pairs.into_iter().find_map(|(prefix, name)| catalogue.find(prefix, name));
                found.map(|action| Cow::Owned(Need { action, resource_at: None, when: None })).into_iter().collect()
            }
        };
        if !needs.is_empty() {
            let also = rules.map_or(&[][..], |rules| &rules.also).iter();
            let also = also.filter(|(pattern, _)| pattern::matches_ignoring_case(pattern, bare));
            needs.extend(also.flat_map(|(_, needs)| needs).map(Cow::Borrowed));
        }
        Outcome::Needs(needs)
    }

    /// Whether a rule names the action.
    pub fn names(&self, action: ActionId) -> bool {
        self.named.contains(&action)
    }
}

impl Source {
    fn rule(&self, name: &str) -> Option<&Rule> {
        let of_pattern = || self.by_pattern.iter().find(|(pattern, _)| pattern::matches_ignoring_case(pattern, name));
        self.by_name.get(&name.to_ascii_lowercase()).or_else(|| of_pattern().map(|(_, rule)| rule))
    }
}

impl Need {
    /// Whether the request asks for it. What depends on parameters that are not there to see is not asked for.
    pub fn applies(&self, request: Option<&Value>) -> bool {
        let Some(when) = &self.when else { return true };
        let Some(request) = request else { return !when.present };
        match &when.like {
            Some(like) => path::texts(request, &when.path)
                .iter()
                .any(|text| pattern::matches_ignoring_case(like, text.trim_start())),
            None => path::values(request, &when.path).is_empty() != when.present,
        }
    }
}

/// The name without the API version that some services append: `ListFunctions20150331`, `GetFunction20150331v2`,
/// `CreateDistribution2020_05_31`.
pub(super) fn unversioned(name: &str) -> &str {
    let undated = name.rsplit_once('v').filter(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let dated = undated.map_or(name, |(dated, _)| dated);
    for form in [&b"20dddddd"[..], b"20dd_dd_dd"] {
        let Some(start) = dated.len().checked_sub(form.len()).filter(|start| *start > 0) else { continue };
        let fits = |(wanted, found): (&u8, u8)| if *wanted == b'd' { found.is_ascii_digit() } else { *wanted == found };
        if dated.is_char_boundary(start) && form.iter().zip(dated[start..].bytes()).all(fits) {
            return dated[..start].trim_end_matches('_');
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        assert_eq!(Rules::read(EVENTS).err(), None);
        for line in ["s3 GetObject", "s3 GetObject = NoSuchAction", "s3 GetObject means GetObject", "s3 GetObject ="] {
            assert!(Rules::read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn no_line_says_what_goes_without_saying() {
        let rules = Rules::shipped();
        for (source, of_source) in &rules.sources {
            for (name, rule) in &of_source.by_name {
                let Rule::Needs(needs) = rule else { continue };
                let own = Catalogue::shipped().find(rules.prefixes(source)[0], name);
                let [need] = &needs[..] else { continue };
                let plain = need.when.is_none() && need.resource_at.is_none();
                assert!(!plain || Some(need.action) != own, "{source} {name}");
            }
        }
    }

    #[test]
    fn every_prefix_is_known() {
        for (source, prefixes) in &Rules::shipped().prefixes {
            for prefix in prefixes {
                assert!(Catalogue::shipped().of_service(prefix).next().is_some(), "{source}: {prefix}");
            }
        }
    }

    #[test]
    fn versions_are_no_part_of_names() {
        for (name, expected) in [
            ("ListFunctions20150331", "ListFunctions"),
            ("UpdateFunctionCode20150331v2", "UpdateFunctionCode"),
            ("CreateDistribution2020_05_31", "CreateDistribution"),
            ("Get_2020_05_31", "Get"),
            ("ListObjectsV2", "ListObjectsV2"),
            ("Invoke", "Invoke"),
            ("20150331", "20150331"),
            ("GetÄ0150331", "GetÄ0150331"),
            ("v2", "v2"),
            ("", ""),
        ] {
            assert_eq!(unversioned(name), expected, "{name}");
        }
    }
}
