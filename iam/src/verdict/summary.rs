//! A judgement by service and by statement, as small as it can be.

use serde::Serialize;

use super::{Activity, Judgement, Options, Standing, Verdict};
use crate::catalogue::{ActionId, Catalogue};
use crate::coverage::Confidence;
use crate::document::{Effect, Selection};
use crate::evaluate::{Compiled, Layer, StatementId};
use crate::inventory::RoleKind;
use crate::pattern;

/// What a principal is granted and used, in numbers.
#[derive(Clone, Debug)]
pub struct Summary {
    pub standing: Standing,
    /// By AWS for Identity Center and the like: changed by way of that service.
    pub is_reserved: bool,
    pub activity: Activity,
    pub confidence: Confidence,
    /// By service, in order: those of which something is granted.
    pub services: Vec<ServiceSummary>,
    /// The Allow statements of the principal's policies and of its groups', in order. [`Compiled::statement`] tells where each stands.
    pub statements: Vec<StatementSummary>,
    /// Used, and granted by something else than these policies.
    pub not_granted: Vec<ActionId>,
    /// What was not to be had of the policies, in words: there may be more grants than are told here.
    pub unread: Vec<String>,
}

/// Granted actions by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub granted: u32,
    /// Under a condition only.
    pub conditional: u32,
    pub used: u32,
    pub periodic: u32,
    pub idle: u32,
    pub used_by_iam: u32,
    pub unused: u32,
    pub not_observable: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceSummary {
    /// `s3`
    pub service: &'static str,
    pub counts: Counts,
    /// The last use that is known.
    pub last: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementSummary {
    pub statement: StatementId,
    /// Of the actions that it grants, alone or with others. None are granted by a statement that boundaries or Denies leave
    /// nothing of.
    pub counts: Counts,
    pub breadth: Breadth,
    /// Patterns of actions that the catalogue does not know, of which nothing can be told.
    pub unknown_actions: u32,
}

/// How much a statement speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breadth {
    /// Named actions, or patterns of some.
    Narrow,
    /// All actions of a service: `s3:*`.
    Service,
    /// `*`, or everything but something.
    Everything,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict, conditional: bool) {
        self.granted += 1;
        self.conditional += u32::from(conditional);
        *match verdict {
            Verdict::Used { .. } => &mut self.used,
            Verdict::Periodic { .. } => &mut self.periodic,
            Verdict::Idle { .. } => &mut self.idle,
            Verdict::UsedByIam { .. } => &mut self.used_by_iam,
            Verdict::Unused { .. } => &mut self.unused,
            Verdict::NotObservable(_) => &mut self.not_observable,
        } += 1;
    }

    /// Adds those of something else.
    pub fn merge(&mut self, other: &Counts) {
        self.granted += other.granted;
        self.conditional += other.conditional;
        self.used += other.used;
        self.periodic += other.periodic;
        self.idle += other.idle;
        self.used_by_iam += other.used_by_iam;
        self.unused += other.unused;
        self.not_observable += other.not_observable;
    }

    /// Whether everything is known to be unused.
    pub fn is_unused(&self) -> bool {
        self.granted > 0 && self.unused == self.granted
    }

    /// Whether nothing was seen used, of what can be seen at all. With `not_observable` above 0 that is a question, no answer.
    pub fn is_unseen(&self) -> bool {
        self.unused > 0 && self.unused + self.not_observable == self.granted
    }

    /// What was used, of late or at times, or is said to have been by IAM.
    pub fn in_use(&self) -> u32 {
        self.used + self.periodic + self.used_by_iam
    }

    /// What can go: not used of late, or never, where it would have been seen.
    pub fn gap(&self) -> u32 {
        self.unused + self.idle
    }

    /// The part of the granted actions that was used, of late or at times.
    pub fn used_share(&self) -> f64 {
        f64::from(self.in_use()) / f64::from(self.granted.max(1))
    }
}

impl StatementSummary {
    /// Whether the statement can go: all that it grants is unused, and all of it is known.
    pub fn is_unused(&self) -> bool {
        self.counts.is_unused() && self.unknown_actions == 0
    }

    /// Whether it grants everything, or all of a service, and little of that was used. Nothing is said where it grants nothing.
    pub fn is_over_broad(&self, options: &Options) -> bool {
        let share = self.counts.used_share();
        self.breadth != Breadth::Narrow && self.counts.granted > 0 && share < options.broad_used_share
    }
}

impl Judgement<'_> {
    pub fn summary(&self) -> Summary {
        let compiled = self.compiled();
        let mut services: Vec<ServiceSummary> = Vec::new();
        let mut kinds = vec![Counts::default(); self.granted.kinds()];
        for (run, kind, grant) in self.granted.runs() {
            for index in run {
                let id = Catalogue::shipped().at(index);
                let verdict = self.judged(id, kind, grant).verdict;
                let service = Catalogue::shipped().action(id).service;
                if services.last().is_none_or(|last| last.service != service) {
                    services.push(ServiceSummary { service, counts: Counts::default(), last: None });
                }
                let of_service = services.last_mut().expect("it was put there");
                of_service.counts.add(&verdict, grant.conditional);
                of_service.last = of_service.last.max(verdict.last());
                kinds[kind].add(&verdict, grant.conditional);
            }
        }
        let mut statements: Vec<StatementSummary> = identity_allows(compiled)
            .map(|statement| StatementSummary {
                statement,
                counts: Counts::default(),
                breadth: Breadth::of(&compiled.statement(statement).statement.actions),
                unknown_actions: 0,
            })
            .collect();
        let place = |statements: &[StatementSummary], id| statements.binary_search_by_key(&id, |s| s.statement);
        let mut counted = vec![false; kinds.len()];
        for (_, kind, grant) in self.granted.runs() {
            if std::mem::replace(&mut counted[kind], true) {
                continue;
            }
            for id in &grant.by {
                if let Ok(place) = place(&statements, *id) {
                    statements[place].counts.merge(&kinds[kind]);
                }
            }
        }
        for (id, _) in compiled.unknown_actions() {
            if let Ok(place) = place(&statements, id) {
                statements[place].unknown_actions += 1;
            }
        }
        Summary {
            standing: self.standing(),
            is_reserved: self.subject.role == Some(RoleKind::Reserved),
            activity: self.activity(),
            confidence: self.judge.coverage.confidence(),
            services,
            statements,
            not_granted: self.not_granted().map(|(action, _)| action).collect(),
            unread: compiled.unread().to_vec(),
        }
    }
}

impl Breadth {
    fn of(actions: &Selection<String>) -> Breadth {
        let Selection::Only(patterns) = actions else { return Breadth::Everything };
        let all_of_service = |p: &String| p.split_once(':').is_some_and(|(_, name)| pattern::is_anything(name));
        let everything = |p: &String| pattern::covers(p, "*") || pattern::covers(p, "*:*");
        match patterns {
            _ if patterns.iter().any(everything) => Breadth::Everything,
            _ if patterns.iter().any(all_of_service) => Breadth::Service,
            _ => Breadth::Narrow,
        }
    }
}

/// The statements that grant, of the principal's own policies and of its groups'.
pub(crate) fn identity_allows(compiled: &Compiled) -> impl Iterator<Item = StatementId> {
    compiled.statements().filter(|id| {
        let statement = compiled.statement(*id);
        statement.layer == Layer::Identity
            && statement.statement.effect == Effect::Allow
            && statement.statement.principals == Selection::Unstated
    })
}
