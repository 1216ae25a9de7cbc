//! All that a principal's policies grant.

use std::collections::BTreeSet;
use std::ops::Range;

use super::compiled::{Compiled, Layer, NO_CLASS, StatementId};
use super::context::{Context, Knowledge};
use super::glob::Glob;
use super::template::{Resolved, Template};
use super::truth::Truth;
use crate::catalogue::ActionId;
use crate::document::{Effect, Selection};

/// Up to so many patterns of resources are compared with those of the next layer; beyond it they are taken as they are.
const PATTERNS_MAX: usize = 256;

/// The actions of the catalogue that are granted on some resource.
///
/// An upper bound: an action that is not in here is denied on every resource, under every condition. One that is in here may
/// be denied all the same where only several Denies together cover what is allowed, or where what three
/// layers allow meets in pairs only.
#[derive(Debug)]
pub struct Granted<'c> {
    compiled: &'c Compiled,
    /// For each class of actions.
    grants: Vec<Option<Grant>>,
}

/// How an action is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The identity's statements that grant it on some resource.
    pub by: Vec<StatementId>,
    /// Whether it takes a condition that the principal alone does not settle, or none of these must apply: nowhere is it
    /// granted for sure.
    pub conditional: bool,
    /// The patterns of ARNs on which it may be granted, sorted: what the identity's statements name, narrowed by the boundary
    /// and the organisation where their patterns are narrower. Denies of some of it are not taken out: see `denied_by`.
    pub resources: Vec<String>,
    /// Denies that take away a part, or all under a condition.
    pub denied_by: Vec<StatementId>,
}

/// Some resources: a pattern, or all but those of some patterns.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Of(Glob),
    AllBut(Vec<Glob>),
}

/// Parts on which a layer allows, and whether it is sure.
type Allowed = Vec<(Part, bool)>;

impl Compiled {
    /// All actions of the catalogue that are granted on some resource, by what is known of the principal.
    pub fn granted(&self) -> Granted<'_> {
        Granted { compiled: self, grants: self.classes.iter().map(|statements| self.grant(statements)).collect() }
    }

    /// What the statements that speak of an action come to.
    fn grant(&self, statements: &[StatementId]) -> Option<Grant> {
        let of = |effect, layer: Option<Layer>| {
            let fits = move |id: &StatementId| {
                self.effect(*id) == effect && layer.is_none_or(|layer| self.layer(*id) == layer)
            };
            statements.iter().copied().filter(fits)
        };
        let denies: Vec<(StatementId, Vec<(Part, bool)>)> =
            of(Effect::Deny, None).map(|id| (id, self.parts(id))).collect();
        let others: Vec<Allowed> = self.layers[1..]
            .iter()
            .map(|layer| of(Effect::Allow, Some(*layer)).flat_map(|id| self.parts(id)).collect())
            .collect();
        let mut grant = Grant { by: Vec::new(), conditional: true, resources: Vec::new(), denied_by: Vec::new() };
        let mut resources = BTreeSet::new();
        let mut left: Vec<Part> = Vec::new();
        for id in of(Effect::Allow, Some(Layer::Identity)) {
            let mut allowed = self.parts(id);
            for layer in &others {
                allowed = narrowed(allowed, layer);
            }
            let is_denied = |part: &Part, surely: bool| {
                denies.iter().flat_map(|(_, parts)| parts).any(|(deny, sure)| (*sure || !surely) && deny.covers(part))
            };
            allowed.retain(|(part, _)| !is_denied(part, true));
            if allowed.is_empty() {
                continue;
            }
            grant.by.push(id);
            grant.conditional &= !allowed.iter().any(|(part, sure)| *sure && !is_denied(part, false));
            resources.extend(allowed.iter().map(|(part, _)| part.to_string()));
            left.extend(allowed.into_iter().map(|(part, _)| part));
        }
        let takes = |parts: &[(Part, bool)]| parts.iter().any(|(deny, _)| left.iter().any(|part| deny.overlaps(part)));
        grant.denied_by = denies.iter().filter(|(_, parts)| takes(parts)).map(|(id, _)| *id).collect();
        grant.resources = resources.into_iter().collect();
        (!grant.by.is_empty()).then_some(grant)
    }

    /// The resources of a statement, and whether it surely applies to them.
    fn parts(&self, id: StatementId) -> Allowed {
        let request = Context::new();
        let knowledge = Knowledge { principal: &self.context, request: &request };
        let met = self.met(id) == Truth::True;
        match &self.ready(id).resources {
            Selection::Only(templates) => templates
                .iter()
                .filter_map(|template| glob_of(template, knowledge))
                .map(|(glob, sure)| (Part::Of(glob), sure && met))
                .collect(),
            Selection::Except(templates) => {
                let excepted = templates.iter().map(|template| match template.resolve(knowledge) {
                    Resolved::Known(glob) => (glob.into_owned(), true),
                    Resolved::Nothing(glob) | Resolved::Open(glob) => (glob, false),
                });
                let (sure, open): (Vec<_>, Vec<_>) = excepted.partition(|(_, sure)| *sure);
                let globs = |some: Vec<(Glob, bool)>| some.into_iter().map(|(glob, _)| glob);
                let surely: Vec<Glob> = globs(sure).collect();
                if open.is_empty() {
                    return vec![(Part::AllBut(surely), met)];
                }
                // What an unknown variable excepts is some of what its wildcard does, perhaps nothing.
                let perhaps = surely.iter().cloned().chain(globs(open)).collect();
                vec![(Part::AllBut(perhaps), met), (Part::AllBut(surely), false)]
            }
            Selection::Unstated => Vec::new(),
        }
    }
}

impl<'c> Granted<'c> {
    /// The granted actions in the catalogue's order, each with how it is granted.
    pub fn iter(&self) -> impl Iterator<Item = (ActionId, &Grant)> {
        let catalogue = self.compiled.catalogue;
        self.runs().flat_map(move |(run, _, grant)| run.map(move |index| (catalogue.at(index), grant)))
    }

    /// How an action, named in any case, is granted; none if it is not, or if the catalogue does not hold it.
    pub fn get(&self, action: &str) -> Option<&Grant> {
        self.of(self.compiled.catalogue.find_named(action)?)
    }

    pub fn of(&self, action: ActionId) -> Option<&Grant> {
        match self.compiled.class_of(action) {
            NO_CLASS => None,
            class => self.grants[class as usize].as_ref(),
        }
    }

    pub fn compiled(&self) -> &'c Compiled {
        self.compiled
    }

    /// Runs of actions that are granted alike. Runs of one number share their grant; numbers are below [`Granted::kinds`].
    pub(crate) fn runs(&self) -> impl Iterator<Item = (Range<usize>, usize, &Grant)> {
        let segments = &self.compiled.segments;
        let ends = segments[segments.len().min(1)..].iter().map(|(start, _)| *start as usize);
        let ends = ends.chain([self.compiled.catalogue.len()]);
        segments.iter().zip(ends).filter(|((_, class), _)| *class != NO_CLASS).filter_map(|((start, class), end)| {
            let class = *class as usize;
            self.grants[class].as_ref().map(|grant| (*start as usize..end, class, grant))
        })
    }

    pub(crate) fn kinds(&self) -> usize {
        self.grants.len()
    }
}

impl Part {
    fn covers(&self, narrow: &Part) -> bool {
        match (self, narrow) {
            (Part::Of(wide), Part::Of(narrow)) => wide.covers(narrow),
            (Part::Of(wide), Part::AllBut(_)) => wide.is_anything(),
            (Part::AllBut(spared), Part::Of(narrow)) => !spared.iter().any(|spared| spared.overlaps(narrow)),
            (Part::AllBut(spared), Part::AllBut(excepted)) => {
                spared.iter().all(|spared| excepted.iter().any(|excepted| excepted.covers(spared)))
            }
        }
    }

    fn overlaps(&self, other: &Part) -> bool {
        match (self, other) {
            (Part::Of(a), Part::Of(b)) => a.overlaps(b),
            (Part::Of(of), Part::AllBut(excepted)) | (Part::AllBut(excepted), Part::Of(of)) => {
                !excepted.iter().any(|excepted| excepted.covers(of))
            }
            // Nobody excepts everything twice over.
            (Part::AllBut(_), Part::AllBut(_)) => true,
        }
    }

    /// What is in both, which overlap; perhaps more where neither covers the other.
    fn common(&self, other: &Part) -> Part {
        match (self, other) {
            (Part::AllBut(mine), Part::AllBut(theirs)) => Part::AllBut([&mine[..], theirs].concat()),
            _ if self.covers(other) => other.clone(),
            _ => self.clone(),
        }
    }
}

/// As a pattern, or `all but …`.
impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Part::Of(glob) => glob.fmt(f),
            Part::AllBut(excepted) => {
                let excepted: Vec<String> = excepted.iter().map(Glob::to_string).collect();
                write!(f, "all but {}", excepted.join(", "))
            }
        }
    }
}

/// What is allowed here and by another layer.
fn narrowed(allowed: Allowed, layer: &Allowed) -> Allowed {
    let mut both: Allowed = Vec::new();
    let many = allowed.len() * layer.len() > PATTERNS_MAX * PATTERNS_MAX || allowed.len() > PATTERNS_MAX;
    for (part, sure) in allowed {
        // Sure by anything that covers it, so that the rest need not be looked at; else what is narrower may be sure.
        let covering = layer.iter().filter(|(wide, _)| wide.covers(&part)).map(|(_, surely)| *surely).max();
        if let Some(surely) = covering {
            both.push((part.clone(), sure && surely));
            if surely || !sure {
                continue;
            }
        }
        let adds = |surely: bool| covering.is_none() || surely;
        let meeting = layer.iter().filter(|(other, surely)| adds(*surely) && other.overlaps(&part));
        if many {
            let surely = meeting.map(|(_, surely)| *surely).reduce(|a, b| a || b);
            both.extend(surely.map(|surely| (part, sure && surely)));
        } else {
            both.extend(meeting.map(|(other, surely)| (part.common(other), sure && *surely)));
        }
    }
    both
}

/// The pattern that a template comes to, and whether that is sure; none where it matches nothing.
fn glob_of(template: &Template, knowledge: Knowledge<'_>) -> Option<(Glob, bool)> {
    match template.resolve(knowledge) {
        Resolved::Known(glob) => Some((glob.into_owned(), true)),
        Resolved::Nothing(_) => None,
        Resolved::Open(glob) => Some((glob, false)),
    }
}
