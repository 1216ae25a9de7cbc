//! Sets of actions as runs of ids.
//!
//! The catalogue's actions lie sorted by service and name. `s3:*` is then one run, `s3:Get*` another, a name a run of one: a set of
//! actions takes a few bytes where a bit for each would take kilobytes, for each of a million statements.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::catalogue::{Action, ActionId, Catalogue};
use crate::document::Selection;
use crate::pattern;

/// Sets of actions: half-open runs of ids, rising, with gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs(Arc<[Range<u32>]>);

/// What patterns select, worked out once for each.
#[derive(Debug)]
pub(super) struct Expansions {
    catalogue: &'static Catalogue,
    /// By pattern in lower case.
    known: HashMap<String, Runs>,
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
    pub fn new(catalogue: &'static Catalogue) -> Expansions {
        Expansions { catalogue, known: HashMap::new() }
    }

    pub fn catalogue(&self) -> &'static Catalogue {
        self.catalogue
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
        (if except { together.complement(self.catalogue.len() as u32) } else { together }, unknown)
    }

    fn of_pattern(&mut self, pattern: &str) -> Runs {
        let lower = pattern.to_ascii_lowercase();
        if let Some(runs) = self.known.get(&lower) {
            return runs.clone();
        }
        let runs = matching(self.catalogue, &lower);
        self.known.insert(lower, runs.clone());
        runs
    }
}

/// The ids that a pattern matches.
fn matching(catalogue: &Catalogue, wanted: &str) -> Runs {
    if pattern::is_anything(wanted) {
        return Runs::new([0..catalogue.len() as u32]);
    }
    let Some((service, name)) = wanted.split_once(':') else { return Runs::default() };
    let fits = |(_, action): &(ActionId, &Action)| {
        pattern::matches_ignoring_case(service, action.service) && pattern::matches_ignoring_case(name, action.name)
    };
    let run = |(id, _): (ActionId, &Action)| id.index() as u32..id.index() as u32 + 1;
    match service.contains(['*', '?']) {
        true => Runs::new(catalogue.actions().filter(fits).map(run)),
        false => Runs::new(catalogue.of_service(service).filter(fits).map(run)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_patterns_match() {
        let catalogue = Catalogue::shipped();
        let mut expansions = Expansions::new(catalogue);
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
                let found: Vec<usize> = runs.iter().flatten().map(|id| id as usize).collect();
                let selected =
                    |(_, a): &(ActionId, &Action)| selection.selects(&a.to_string(), pattern::matches_ignoring_case);
                let expected: Vec<usize> = catalogue.actions().filter(selected).map(|(id, _)| id.index()).collect();
                assert_eq!(found, expected, "{selection:?}");
            }
        }
        assert_eq!(expansions.expand(&Selection::Only(vec!["s3:Gett*".into(), "s3:Get*".into()])).1, ["s3:Gett*"]);
    }
}
