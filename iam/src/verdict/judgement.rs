//! One principal judged, action by action.

use super::subject::micros;
use super::{Activity, Judge, Standing, Subject, Verdict, Why};
use crate::catalogue::{ActionId, Catalogue};
use crate::coverage::Sight;
use crate::evaluate::{Compiled, Grant, Granted};
use crate::inventory::RoleKind;
use crate::usage::{ActionUse, Actions, DAY, Tally};

/// What a principal is granted, beside what it did.
#[derive(Debug)]
pub struct Judgement<'a> {
    pub(super) judge: Judge<'a>,
    pub(super) subject: Subject<'a>,
    pub(super) granted: Granted<'a>,
    pub(super) uses: Actions<'a>,
    sight: Sight<'a>,
    standing: Standing,
    /// Actions that IAM saw of late, by id.
    actions_by_iam: Vec<(ActionId, i64)>,
    /// Services that IAM saw of late and the logs have not.
    services_by_iam: Vec<&'a str>,
}

/// A granted action with its verdict.
#[derive(Clone, Copy, Debug)]
pub struct JudgedAction<'j> {
    pub action: ActionId,
    /// On what and by which statements; whether under a condition.
    pub grant: &'j Grant,
    pub verdict: Verdict,
    /// What the logs have of it: failed and denied calls, too.
    pub seen: Option<&'j ActionUse<'j>>,
}

impl<'a> Judge<'a> {
    /// Judges a principal by its policies. None for a role that a service made for itself: nobody can change its policies.
    pub fn judge(&self, subject: Subject<'a>, compiled: &'a Compiled) -> Option<Judgement<'a>> {
        if subject.role == Some(RoleKind::ServiceLinked) {
            return None;
        }
        let uses = self.usages.actions(subject.arn);
        let cutoff = self.options.cutoff(self.coverage.window());
        let (mut actions_by_iam, mut services_by_iam) = (Vec::new(), Vec::new());
        let late = |time| micros(time).filter(|last| *last >= cutoff);
        for (service, access) in subject.accessed.iter().flat_map(|accessed| &accessed.services) {
            for (name, last) in access.actions.iter().flatten() {
                actions_by_iam.extend(Catalogue::shipped().find(service, name).zip(late(*last)));
            }
            if late(access.last).is_some() && !uses.has_calls(service) {
                services_by_iam.push(service.as_str());
            }
        }
        actions_by_iam.sort_unstable();
        Some(Judgement {
            judge: *self,
            standing: subject.standing(self),
            sight: self.coverage.sight(),
            granted: compiled.granted(),
            uses,
            subject,
            actions_by_iam,
            services_by_iam,
        })
    }
}

impl<'a> Judgement<'a> {
    /// Whom it is about.
    pub fn subject(&self) -> &Subject<'a> {
        &self.subject
    }

    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether the principal was used at all.
    pub fn activity(&self) -> Activity {
        self.subject.activity(&self.judge)
    }

    pub fn compiled(&self) -> &'a Compiled {
        self.granted.compiled()
    }

    pub fn granted(&self) -> &Granted<'a> {
        &self.granted
    }

    /// What the principal used, granted or not.
    pub fn uses(&self) -> &Actions<'a> {
        &self.uses
    }

    /// All granted actions, in the catalogue's order.
    pub fn actions(&self) -> impl Iterator<Item = JudgedAction<'_>> {
        self.granted.runs().flat_map(move |(run, kind, grant)| {
            run.map(move |index| self.judged(Catalogue::shipped().at(index), kind, grant))
        })
    }

    /// What the principal used and its own policies do not grant: a resource's policy does, or one did that is gone.
    pub fn not_granted(&self) -> impl Iterator<Item = (ActionId, &Tally)> {
        let used = self.uses.iter().filter(|(action, one)| one.is_used() && self.granted.of(*action).is_none());
        used.map(|(action, one)| (action, &one.tally))
    }

    pub(super) fn judged<'j>(&'j self, action: ActionId, kind: usize, grant: &'j Grant) -> JudgedAction<'j> {
        let seen = self.uses.get(action);
        JudgedAction { action, grant, verdict: self.verdict(action, kind, grant, seen), seen }
    }

    fn verdict(&self, action: ActionId, kind: usize, grant: &Grant, seen: Option<&ActionUse>) -> Verdict {
        let blind = || self.sight.blind(action, &grant.resources, kind);
        let tally = seen.map(|one| &one.tally);
        if let Some(tally) = tally.filter(|tally| tally.count > 0) {
            return self.of_use(tally, || blind().is_some());
        }
        if let Some(blind) = blind() {
            return self.by_iam(action).unwrap_or(Verdict::NotObservable(Why::Blind(blind)));
        }
        let service = Catalogue::shipped().action(action).service;
        let doubt = if self.judge.has_short_logs() {
            Some(Why::ShortLogs)
        } else if matches!(self.standing, Standing::Young { .. }) {
            Some(Why::Young)
        } else if tally.is_some_and(|tally| tally.failed > 0) {
            Some(Why::OnlyFailed)
        } else if self.uses.perhaps(action) {
            Some(Why::RequestsNotRead)
        } else if self.uses.has_unmapped(service) {
            Some(Why::UnmappedCalls)
        } else if self.services_by_iam.contains(&service) {
            Some(Why::ServiceSeenByIam)
        } else {
            None
        };
        let otherwise = || match doubt {
            Some(why) => Verdict::NotObservable(why),
            None => Verdict::Unused { since: self.subject.since(&self.judge) },
        };
        self.by_iam(action).unwrap_or_else(otherwise)
    }

    /// Of an action that was used. Where later use would not have been seen, the last one says nothing about now.
    fn of_use(&self, tally: &Tally, is_blind: impl Fn() -> bool) -> Verdict {
        let (count, first, last) = (tally.count, tally.first, tally.last);
        let window = self.judge.coverage.window();
        if last >= self.judge.options.cutoff(window) || is_blind() {
            return Verdict::Used { count, first, last };
        }
        let idle = (window.to - last) as f64 / DAY as f64;
        match tally.days.greatest_gap() {
            Some(gap_days) if f64::from(gap_days) * self.judge.options.gap_factor > idle => {
                Verdict::Periodic { count, last, gap_days }
            }
            _ => Verdict::Idle { count, last },
        }
    }

    fn by_iam(&self, action: ActionId) -> Option<Verdict> {
        let place = self.actions_by_iam.binary_search_by_key(&action, |(id, _)| *id).ok()?;
        Some(Verdict::UsedByIam { last: self.actions_by_iam[place].1 })
    }
}
