//! All actions in one line, so that what a pattern selects is a few runs of it.
//!
//! IAM's actions lie sorted by service and name. `s3:*` is then one run, `s3:Get*` another, a name a run of one: a set of
//! actions takes a few bytes where a bit for each would take kilobytes, for each of a million statements.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::document::Selection;
use crate::pattern;

/// An action as AWS spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action {
    /// `s3`
    pub service: &'static str,
    /// `GetObject`
    pub name: &'static str,
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.service, self.name)
    }
}

/// The catalogue's actions, by service and name without regard to case. A place in it is an action's id.
#[derive(Debug)]
pub(super) struct ActionLine {
    actions: Vec<Action>,
    /// Ids by `service:name` in lower case.
    ids: HashMap<String, u32>,
}

/// Sets of actions: half-open runs of ids, rising, with gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs(Arc<[Range<u32>]>);

/// What patterns select, worked out once for each.
#[derive(Debug)]
pub(super) struct Expansions {
    line: Arc<ActionLine>,
    /// By pattern in lower case.
    known: HashMap<String, Runs>,
}

impl ActionLine {
    pub fn new(catalogue: &Catalogue) -> ActionLine {
        let mut actions: Vec<Action> = catalogue
            .services()
            .flat_map(|(service, actions)| actions.map(move |(name, _)| Action { service, name }))
            .collect();
        let lower = |action: &Action| (action.service.to_ascii_lowercase(), action.name.to_ascii_lowercase());
        actions.sort_by_cached_key(lower);
        let ids = actions.iter().zip(0..).map(|(action, id)| (action.to_string().to_ascii_lowercase(), id)).collect();
        ActionLine { actions, ids }
    }

    pub fn len(&self) -> u32 {
        u32::try_from(self.actions.len()).expect("AWS has some ten thousand actions")
    }

    pub fn get(&self, id: u32) -> Action {
        self.actions[id as usize]
    }

    /// The id of an action written as `service:Name`, in any case.
    pub fn find(&self, action: &str) -> Option<u32> {
        self.ids.get(&action.to_ascii_lowercase()).copied()
    }

    /// The ids that a pattern matches.
    fn matching(&self, wanted: &str) -> Runs {
        if pattern::is_anything(wanted) {
            return Runs::new([0..self.len()]);
        }
        let (within, service, name) = match wanted.split_once(':') {
            Some((service, name)) if !service.contains(['*', '?']) => (self.of_service(service), "*", name),
            Some((service, name)) => (0..self.actions.len(), service, name),
            None => return Runs::default(),
        };
        let fits = |id: &usize| {
            let action = &self.actions[*id];
            pattern::matches_ignoring_case(service, action.service) && pattern::matches_ignoring_case(name, action.name)
        };
        Runs::new(within.filter(fits).map(|id| id as u32..id as u32 + 1))
    }

    fn of_service(&self, service: &str) -> Range<usize> {
        let start = self.actions.partition_point(|a| ignoring_case(a.service, service).is_lt());
        let end = self.actions.partition_point(|a| ignoring_case(a.service, service).is_le());
        start..end
    }
}

impl Runs {
    /// Of runs that rise by their beginnings; those that meet become one.
    fn new(rising: impl IntoIterator<Item = Range<u32>>) -> Runs {
        let mut runs: Vec<Range<u32>> = Vec::new();
        for run in rising {
            match runs.last_mut() {
                Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
                _ => runs.push(run),
            }
        }
        Runs(runs.into())
    }

    pub fn iter(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        self.0.iter().cloned()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn union(all: &[Runs]) -> Runs {
        if let [one] = all {
            return one.clone();
        }
        let mut runs: Vec<Range<u32>> = all.iter().flat_map(Runs::iter).collect();
        runs.sort_by_key(|run| run.start);
        Runs::new(runs)
    }

    /// All ids below `len` that are not in here.
    fn complement(&self, len: u32) -> Runs {
        let ends = std::iter::once(0).chain(self.0.iter().map(|run| run.end));
        let starts = self.0.iter().map(|run| run.start).chain(std::iter::once(len));
        Runs::new(ends.zip(starts).filter(|(start, end)| start < end).map(|(start, end)| start..end))
    }
}

impl Expansions {
    pub fn new(line: Arc<ActionLine>) -> Expansions {
        Expansions { line, known: HashMap::new() }
    }

    pub fn line(&self) -> &Arc<ActionLine> {
        &self.line
    }

    /// What a selection selects, and those of its patterns that match no action of the catalogue.
    pub fn expand(&mut self, selection: &Selection<String>) -> (Runs, Vec<String>) {
        let (patterns, except) = match selection {
            Selection::Only(patterns) => (patterns, false),
            Selection::Except(patterns) => (patterns, true),
            Selection::Unstated => return (Runs::default(), Vec::new()),
        };
        let runs: Vec<Runs> = patterns.iter().map(|p| self.of_pattern(p)).collect();
        let unknown = patterns.iter().zip(&runs).filter(|(_, runs)| runs.is_empty()).map(|(p, _)| p.clone()).collect();
        let together = Runs::union(&runs);
        (if except { together.complement(self.line.len()) } else { together }, unknown)
    }

    fn of_pattern(&mut self, pattern: &str) -> Runs {
        let lower = pattern.to_ascii_lowercase();
        if let Some(runs) = self.known.get(&lower) {
            return runs.clone();
        }
        let runs = self.line.matching(&lower);
        self.known.insert(lower, runs.clone());
        runs
    }
}

fn ignoring_case(a: &str, b: &str) -> Ordering {
    a.bytes().map(|b| b.to_ascii_lowercase()).cmp(b.bytes().map(|b| b.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_patterns_match() {
        let line = Arc::new(ActionLine::new(Catalogue::shipped()));
        let mut expansions = Expansions::new(line.clone());
        for patterns in [
            &["*"][..],
            &["s3:*"],
            &["S3:get*", "s3:GetObject", "s3:*Object*"],
            &["s?:*", "*:Tag*"],
            &["iam:PassRole"],
            &["s3:NoSuchAction"],
            &["nobody:*"],
            &[],
        ] {
            let written: Vec<String> = patterns.iter().map(|p| p.to_string()).collect();
            for selection in [Selection::Only(written.clone()), Selection::Except(written.clone())] {
                let (runs, _) = expansions.expand(&selection);
                let found: Vec<u32> = runs.iter().flatten().collect();
                let expected: Vec<u32> = (0..line.len())
                    .filter(|id| selection.selects(&line.get(*id).to_string(), pattern::matches_ignoring_case))
                    .collect();
                assert_eq!(found, expected, "{selection:?}");
            }
        }
        assert_eq!(expansions.expand(&Selection::Only(vec!["s3:Gett*".into(), "s3:Get*".into()])).1, ["s3:Gett*"]);
    }

    #[test]
    fn every_action_is_found_in_any_case() {
        let line = ActionLine::new(Catalogue::shipped());
        for id in 0..line.len() {
            let name = line.get(id).to_string();
            assert_eq!(line.find(&name.to_uppercase()), Some(id), "{name}");
        }
        assert_eq!(line.find("s3:GetObjekt"), None);
    }
}
