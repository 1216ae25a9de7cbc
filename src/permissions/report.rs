//! What is said of permissions, as values that JSON, tables and documents are made of. Principals are not kept: each is made when
//! it is written, since five thousand of them with their services and statements would take gigabytes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::ser::{Error, SerializeSeq};
use serde::{Serialize, Serializer};
use trailhound_iam::usage::Tally;
use trailhound_iam::verdict::{
    Activity, Breadth, Counts, CredentialFinding, Finding, Judgement, KeyName, Options, Standing, StatementSummary,
    Summary, Verdict,
};
use trailhound_iam::{Catalogue, Compiled, Confidence, Coverage, principal::account_in};
use trailhound_store::Site;

use crate::output::counted;

/// Principals, credentials and how far the logs reach.
#[derive(Serialize)]
pub struct Report<'p> {
    /// What is judged by, RFC 3339.
    pub from: String,
    pub to: String,
    pub unused_after_days: u32,
    pub accounts: Vec<AccountLine>,
    pub principals: Principals<'p>,
    pub credentials: Vec<CredentialLine>,
    /// What a reader should know of the files.
    pub notes: Vec<String>,
}

/// The lines of principals, made one after the other and handed to whoever writes them, once.
pub struct Principals<'p> {
    make: RefCell<Box<Make<'p>>>,
    /// Why making them failed while something of [`serde`]'s, which does not take such errors, was writing.
    failed: RefCell<Option<anyhow::Error>>,
}

/// Makes the lines and hands over each.
type Make<'p> = dyn FnMut(&mut Take<'_>) -> anyhow::Result<()> + 'p;
type Take<'t> = dyn FnMut(PrincipalLine) -> anyhow::Result<()> + 't;

/// How far an account's logs show what happened.
#[derive(Debug, Serialize)]
pub struct AccountLine {
    pub id: String,
    pub name: Option<String>,
    /// high, medium or low; none if there are no logs.
    pub confidence: Option<&'static str>,
    /// Of the window's hours, how many have a record.
    pub hours_with_records: f64,
    pub first: Option<String>,
    pub last: Option<String>,
    pub regions: BTreeMap<String, f64>,
    /// Resource types with data events, and on how many resources they were seen.
    pub data_events: BTreeMap<String, usize>,
}

/// One user or role.
#[derive(Debug, Serialize)]
pub struct PrincipalLine {
    pub arn: String,
    pub account: String,
    /// user, role, or reserved: a role that Identity Center keeps.
    pub kind: &'static str,
    pub activity: Use,
    pub last: Option<String>,
    pub young: bool,
    pub confidence: &'static str,
    pub counts: Counts,
    pub services: Vec<ServiceLine>,
    pub statements: Vec<StatementLine>,
    /// Used, and granted by something else: a resource's policy, or a policy that is gone.
    pub not_granted: Vec<String>,
    /// What of the policies was not to be had: there may be more grants.
    pub unread: Vec<String>,
    /// Patterns of actions that match none that is known, and the statements they stand in.
    pub unknown_actions: Vec<String>,
    /// Only where it was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionLine>,
}

#[derive(Debug, Serialize)]
pub struct ServiceLine {
    pub service: &'static str,
    pub counts: Counts,
    pub last: Option<String>,
}

/// A statement that grants, and what is to be said of it.
#[derive(Debug, Serialize)]
pub struct StatementLine {
    /// The policy, the statement's place in it and its Sid.
    pub statement: String,
    pub breadth: &'static str,
    pub counts: Counts,
    pub verdict: StatementVerdict,
}

/// Whether a principal was used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "&'static str")]
pub enum Use {
    Active,
    ActiveByIam,
    Unused,
    Young,
    NotObservable,
}

/// What is to be said of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "&'static str")]
pub enum StatementVerdict {
    GrantsNothing,
    Unused,
    OverBroad,
    InUse,
    NotAllCanBeTold,
}

#[derive(Debug, Serialize)]
pub struct ActionLine {
    pub action: String,
    pub verdict: &'static str,
    /// When it was used last and from where, since when it is unused, or why nothing can be told.
    pub detail: String,
    /// Uses by the network that they came from: a /24 or /48, an autonomous system, or a service; the most first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<NetworkLine>,
    pub conditional: bool,
    pub resources: Vec<String>,
    pub statements: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct NetworkLine {
    pub network: String,
    pub count: u64,
}

#[derive(Debug, Serialize)]
pub struct CredentialLine {
    pub arn: String,
    pub account: String,
    pub finding: &'static str,
    pub detail: String,
}

impl<'p> Principals<'p> {
    pub fn new(make: impl FnMut(&mut Take<'_>) -> anyhow::Result<()> + 'p) -> Principals<'p> {
        Principals { make: RefCell::new(Box::new(make)), failed: RefCell::default() }
    }

    /// Makes them.
    ///
    /// # Errors
    /// What hindered making a line, or taking it; no further line is made.
    pub fn each(&self, mut take: impl FnMut(PrincipalLine) -> anyhow::Result<()>) -> anyhow::Result<()> {
        (self.make.borrow_mut())(&mut take)
    }

    /// Why writing them ended before its time, unless the writer itself knows.
    pub fn failed(&self) -> Option<anyhow::Error> {
        self.failed.take()
    }
}

impl Serialize for Principals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut lines = serializer.serialize_seq(None)?;
        let mut unwritten = None;
        let made = self.each(|line| {
            lines.serialize_element(&line).map_err(|error| {
                let text = error.to_string();
                unwritten = Some(error);
                anyhow::Error::msg(text)
            })
        });
        match (unwritten, made) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => {
                let text = error.to_string();
                *self.failed.borrow_mut() = Some(error);
                Err(S::Error::custom(text))
            }
            (None, Ok(())) => lines.end(),
        }
    }
}

impl Use {
    fn word(self) -> &'static str {
        match self {
            Use::Active => "active",
            Use::ActiveByIam => "active by IAM",
            Use::Unused => "unused",
            Use::Young => "young",
            Use::NotObservable => "not observable",
        }
    }
}

impl StatementVerdict {
    fn word(self) -> &'static str {
        match self {
            StatementVerdict::GrantsNothing => "grants nothing",
            StatementVerdict::Unused => "unused",
            StatementVerdict::OverBroad => "over-broad",
            StatementVerdict::InUse => "in use",
            StatementVerdict::NotAllCanBeTold => "not all can be told",
        }
    }

    /// Whether the statement can go, or should be narrower.
    pub fn is_to_change(self) -> bool {
        matches!(self, StatementVerdict::Unused | StatementVerdict::OverBroad)
    }
}

impl From<Use> for &'static str {
    fn from(of: Use) -> &'static str {
        of.word()
    }
}

impl From<StatementVerdict> for &'static str {
    fn from(verdict: StatementVerdict) -> &'static str {
        verdict.word()
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for StatementVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl AccountLine {
    pub fn of(id: &str, coverage: Option<&Coverage>, site: &Site) -> AccountLine {
        let logged = coverage.filter(|coverage| coverage.span().is_some());
        let span = logged.and_then(Coverage::span);
        AccountLine {
            id: id.to_owned(),
            name: site.account_names().remove(id),
            confidence: logged.map(|coverage| confidence(coverage.confidence())),
            hours_with_records: logged.map_or(0.0, |coverage| rounded(coverage.share())),
            first: span.map(|(first, _)| time(first)),
            last: span.map(|(_, last)| time(last)),
            regions: logged
                .into_iter()
                .flat_map(Coverage::regions)
                .map(|(region, share)| (region.to_owned(), rounded(share)))
                .collect(),
            data_events: logged
                .into_iter()
                .flat_map(Coverage::data)
                .map(|(kind, resources)| (kind.to_owned(), resources.len()))
                .collect(),
        }
    }
}

impl PrincipalLine {
    /// What is to be said of a judgement; action by action if `detail`.
    pub fn of(judgement: &Judgement<'_>, options: &Options, detail: bool) -> PrincipalLine {
        let summary = judgement.summary();
        let subject = judgement.subject();
        let mut counts = Counts::default();
        summary.services.iter().for_each(|service| counts.merge(&service.counts));
        let (activity, last) = activity(summary.activity);
        PrincipalLine {
            arn: subject.arn.to_owned(),
            account: account_in(subject.arn).unwrap_or_default().to_owned(),
            kind: match subject.role {
                None => "user",
                Some(_) if summary.is_reserved => "reserved",
                Some(_) => "role",
            },
            activity,
            last: last.map(time),
            young: matches!(summary.standing, Standing::Young { .. }),
            confidence: confidence(summary.confidence),
            counts,
            services: services(&summary),
            statements: summary.statements.iter().map(|one| statement(judgement, one, options)).collect(),
            not_granted: summary.not_granted.iter().map(|id| Catalogue::shipped().action(*id).to_string()).collect(),
            unread: summary.unread.clone(),
            unknown_actions: unknown_actions(judgement.compiled()).collect(),
            actions: if detail { actions(judgement) } else { Vec::new() },
        }
    }

    /// The ARN without what all have in common.
    pub fn name(&self) -> &str {
        self.arn.rsplit_once(':').map_or(&self.arn, |(_, name)| name)
    }

    /// Services of which something is granted and nothing was used, as far as that can be told.
    pub fn unused_services(&self) -> impl Iterator<Item = &ServiceLine> {
        self.services.iter().filter(|line| line.counts.unused > 0 && line.counts.granted == line.counts.unused)
    }
}

/// `s3:GetObjct in statement 0 in own of arn:…`
pub fn unknown_actions(policies: &Compiled) -> impl Iterator<Item = String> {
    policies.unknown_actions().map(|(id, pattern)| format!("{pattern} in {}", policies.statement(id)))
}

/// Why there may be nothing to say of such a pattern.
pub fn unknown_why() -> String {
    format!("no action of this name is known: misspelt, gone, or newer than the list of {}", Catalogue::date())
}

fn services(summary: &Summary) -> Vec<ServiceLine> {
    let line = |service: &trailhound_iam::verdict::ServiceSummary| ServiceLine {
        service: service.service,
        counts: service.counts,
        last: service.last.map(time),
    };
    summary.services.iter().map(line).collect()
}

fn statement(judgement: &Judgement<'_>, one: &StatementSummary, options: &Options) -> StatementLine {
    let (counts, used) = (one.counts, one.counts.in_use());
    let verdict = match one.breadth {
        _ if counts.granted == 0 => StatementVerdict::GrantsNothing,
        _ if counts.gap() == counts.granted && one.unknown_actions == 0 => StatementVerdict::Unused,
        Breadth::Narrow if used > 0 => StatementVerdict::InUse,
        Breadth::Narrow => StatementVerdict::NotAllCanBeTold,
        _ if one.is_over_broad(options) => StatementVerdict::OverBroad,
        _ if used > 0 => StatementVerdict::InUse,
        _ => StatementVerdict::NotAllCanBeTold,
    };
    StatementLine {
        statement: judgement.compiled().statement(one.statement).to_string(),
        breadth: match one.breadth {
            Breadth::Narrow => "narrow",
            Breadth::Service => "all of a service",
            Breadth::Everything => "everything",
        },
        counts,
        verdict,
    }
}

fn actions(judgement: &Judgement<'_>) -> Vec<ActionLine> {
    let compiled = judgement.compiled();
    let line = |judged: trailhound_iam::verdict::JudgedAction<'_>| {
        let (verdict, mut detail) = verdict(&judged.verdict);
        let networks = judged.seen.map(|seen| networks(&seen.tally)).unwrap_or_default();
        if let Some((first, others)) = networks.split_first() {
            detail += &format!(", from {}", first.network);
            if !others.is_empty() {
                detail += &format!(" and {}", counted(others.len(), "other network"));
            }
        }
        ActionLine {
            action: Catalogue::shipped().action(judged.action).to_string(),
            verdict,
            detail,
            networks,
            conditional: judged.grant.conditional,
            resources: judged.grant.resources.clone(),
            statements: judged.grant.by.iter().map(|id| compiled.statement(*id).to_string()).collect(),
        }
    };
    judgement.actions().map(line).collect()
}

fn networks(tally: &Tally) -> Vec<NetworkLine> {
    let line = |(network, count): (&Box<str>, &u64)| NetworkLine { network: network.to_string(), count: *count };
    let mut lines: Vec<_> = tally.networks.iter().map(line).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.count));
    lines
}

fn verdict(verdict: &Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Used { count, last, .. } => ("used", format!("{count} times, last {}", time(*last))),
        Verdict::Periodic { count, last, gap_days } => {
            ("used now and then", format!("{count} times, last {}, up to {gap_days} days apart", time(*last)))
        }
        Verdict::Idle { count, last } => ("unused of late", format!("{count} times, last {}", time(*last))),
        Verdict::UsedByIam { last } => ("used, says IAM", format!("last {}", time(*last))),
        Verdict::Unused { since } => ("unused", format!("since {}", time(*since))),
        Verdict::NotObservable(why) => ("not observable", why.to_string()),
    }
}

fn activity(activity: Activity) -> (Use, Option<i64>) {
    match activity {
        Activity::Active { last } => (Use::Active, Some(last)),
        Activity::ActiveByIam { last } => (Use::ActiveByIam, Some(last)),
        Activity::Unused { last, .. } => (Use::Unused, last),
        Activity::Young { .. } => (Use::Young, None),
        Activity::NotObservable => (Use::NotObservable, None),
    }
}

impl CredentialLine {
    pub fn of(found: &CredentialFinding) -> CredentialLine {
        let key = |key: &KeyName| match key {
            KeyName::Id(id) => format!("key {id}"),
            KeyName::Number(number) => format!("key {number} of the credential report"),
        };
        let last = |last: &Option<i64>| {
            last.map_or("never as far as is known".to_owned(), |last| format!("last {}", time(last)))
        };
        let (finding, detail) = match &found.finding {
            Finding::UnusedKey { key: name, last: at } => ("unused key", format!("{}, {}", key(name), last(at))),
            Finding::NeverUsedKey { key: name, created } => {
                ("key never used", format!("{}, made {}", key(name), time(*created)))
            }
            Finding::OldKey { key: name, created } => ("old key", format!("{}, made {}", key(name), time(*created))),
            Finding::SeveralKeys { active } => ("several keys", format!("{active} active ones")),
            Finding::UnusedPassword { last: at } => ("unused password", last(at)),
            Finding::NoSecondFactor { with_factor: Some(at) } => {
                ("no second factor", format!("signed in with one {}, and has none now", time(*at)))
            }
            Finding::NoSecondFactor { with_factor: None } => {
                ("no second factor", "no sign-in with one in these days".to_owned())
            }
            Finding::RootKeys { active } => ("root has keys", format!("{active} active")),
            Finding::RootWithoutSecondFactor => (
                "root without second factor",
                "needs none only where central root access took its password away".to_owned(),
            ),
        };
        let account = account_in(&found.arn).unwrap_or_default().to_owned();
        CredentialLine { arn: found.arn.clone(), account, finding, detail }
    }
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}

pub fn time(micros: i64) -> String {
    trailhound_detect::finding::time(micros)
}

/// To a thousandth: more says nothing.
fn rounded(share: f64) -> f64 {
    (share * 1_000.0).round() / 1_000.0
}
