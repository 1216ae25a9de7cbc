//! What everybody is granted: all that was used, and more. In: the principals of an account; out: their policies, groups and boundaries.
//!
//! Each ordinary principal gets the next of [`STYLES`] forms, so that a small organisation has all of them: exact lists, wildcards, a
//! boundary that takes some away, explicit Denies and one of all but some, conditions, all but some services, groups and shared policies,
//! everything, and a use that a key's policy allows. What exactly is drawn from the principal's own stream.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    action::{self, Told},
    policy::{Document, Grants, Outcome, Statement},
    principal::{Kind, Principal, number},
    usage::{Doings, Seen},
};
use crate::{
    ids,
    organisation::{Account, Organisation},
    rng::Rng,
};

/// How many forms of grants there are.
const STYLES: usize = 9;

const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const POWER_USER: &str = "arn:aws:iam::aws:policy/PowerUserAccess";

/// An account's policies, and who has which.
#[derive(Debug)]
pub struct Grounds<'s> {
    pub principals: Vec<(Principal<'s>, Granted)>,
    pub groups: Vec<Group>,
    /// Managed policies by ARN.
    pub policies: BTreeMap<String, Document>,
}

/// What one principal has; policies and groups by ARN and name.
#[derive(Debug, Default)]
pub struct Granted {
    pub inline: Vec<(&'static str, Document)>,
    pub attached: Vec<String>,
    pub groups: Vec<String>,
    pub boundary: Option<String>,
}

#[derive(Debug)]
pub struct Group {
    pub name: String,
    pub id: String,
    pub inline: Vec<(&'static str, Document)>,
    pub attached: Vec<String>,
}

/// The buckets on which objects are granted: one whose data events the logs show from the beginning, for reads and for writes, and one
/// whose data events the trail does not have.
struct Buckets {
    read: Option<String>,
    written: Option<String>,
    dark: String,
}

/// Draws all of an account.
pub fn all<'s>(
    organisation: &Organisation,
    account: &Account,
    seen: &Seen,
    principals: Vec<Principal<'s>>,
) -> Grounds<'s> {
    let mut rng = Rng::derive(organisation.seed, &[92, account.index as u64]);
    let mut grounds = Grounds { principals: Vec::new(), groups: Vec::new(), policies: BTreeMap::new() };
    let buckets = Buckets {
        read: logged(organisation, account, seen, true),
        written: logged(organisation, account, seen, false),
        dark: format!("{}-vault-{}", organisation.company, ids::hex(6, &mut rng)),
    };
    grounds.policies.insert(ADMINISTRATOR.to_owned(), Document::new(vec![Statement::allow("All", list(&["*"]))]));
    grounds.policies.insert(POWER_USER.to_owned(), power_user());
    let shared = customer(account, "shared-baseline");
    grounds.policies.insert(shared.clone(), Document::new(vec![Statement::allow("Baseline", some(5, &[], &mut rng))]));
    for name in ["developers", "operators"] {
        let inline = Document::new(vec![Statement::allow("Group", some(4, &[], &mut rng))]);
        let id = ids::principal_id("AGPA", account.number, &mut rng);
        let attached = vec![shared.clone()];
        grounds.groups.push(Group { name: name.to_owned(), id, inline: vec![("of-the-group", inline)], attached });
    }
    let mut style = rng.index(STYLES);
    for principal in principals {
        let mut draw = Draw {
            account,
            buckets: &buckets,
            shared: &shared,
            used: used(principal.doings),
            rng: Rng::derive(organisation.seed, &[93, number(&principal.id)]),
            grounds: &mut grounds,
            granted: Granted::default(),
        };
        let ordinary = principal.doings.is_some() && principal.permission_set().is_none();
        if principal.kind == Kind::ServiceLinked {
            draw.service_linked(principal.name());
        } else if let Some(set) = principal.permission_set() {
            draw.set(set);
        } else if ordinary {
            style = (style + 1) % STYLES;
            draw.styled(style, &principal);
        } else {
            let actions = some(8, &[], &mut draw.rng);
            draw.granted.inline.push(("inline", Document::new(vec![Statement::allow("Once", actions)])));
        }
        let granted = draw.granted;
        grounds.principals.push((principal, granted));
    }
    grounds
}

impl Grounds<'_> {
    /// All policies that speak of whoever has these.
    pub fn grants<'g>(&'g self, granted: &'g Granted) -> Grants<'g> {
        let groups = self.groups.iter().filter(|group| granted.groups.contains(&group.name));
        let of_groups = groups.flat_map(|group| {
            let attached = group.attached.iter().filter_map(|arn| self.policies.get(arn));
            group.inline.iter().map(|(_, document)| document).chain(attached)
        });
        let attached = granted.attached.iter().filter_map(|arn| self.policies.get(arn));
        Grants {
            identity: granted.inline.iter().map(|(_, document)| document).chain(of_groups).chain(attached).collect(),
            boundary: granted.boundary.as_ref().and_then(|arn| self.policies.get(arn)),
        }
    }
}

/// One principal's grants, while they are drawn.
struct Draw<'d, 's> {
    account: &'d Account,
    buckets: &'d Buckets,
    shared: &'d str,
    used: BTreeSet<String>,
    rng: Rng,
    grounds: &'d mut Grounds<'s>,
    granted: Granted,
}

impl Draw<'_, '_> {
    fn styled(&mut self, style: usize, principal: &Principal) {
        let (name, extra) = (principal.name(), self.extra());
        let exact = Statement::allow("Used", self.used.iter().cloned().collect());
        match style {
            0 => self.inline(vec![exact, Statement::allow("More", extra)]),
            1 => {
                let wide = Statement::allow("Wide", patterns(&self.used));
                self.managed(name, vec![wide, Statement::allow("More", extra)]);
            }
            2 => {
                let (kept, _) = extra.split_at(extra.len() / 2);
                let kept = services(self.used.iter().chain(kept));
                let boundary = customer(self.account, &format!("{name}-boundary"));
                self.grounds.policies.insert(boundary.clone(), Document::new(vec![Statement::allow("Most", kept)]));
                self.granted.boundary = Some(boundary);
                self.managed(name, vec![exact, Statement::allow("More", extra)]);
            }
            3 => {
                let (kept, denied) = extra.split_at(extra.len() / 2);
                let spared = services(self.used.iter().chain(kept));
                let denied = Statement::deny("Never", denied[..denied.len().min(2)].to_vec());
                let only = Statement::deny_except("NothingElse", spared);
                self.inline(vec![exact, Statement::allow("More", extra.clone()), denied, only]);
            }
            4 => {
                let (office, anywhere) = extra.split_at(extra.len() / 2);
                let office = Statement::allow("FromTheOffice", office.to_vec());
                let deny = Statement::deny("NotFromThere", anywhere.to_vec());
                self.inline(vec![
                    exact,
                    office.with_condition("IpAddress", "aws:SourceIp", "198.51.100.0/24"),
                    Statement::allow("More", anywhere.to_vec()),
                    deny.with_condition("StringEquals", "aws:RequestedRegion", "ap-south-2"),
                ]);
            }
            5 => self.granted.attached.push(ADMINISTRATOR.to_owned()),
            6 => {
                let most =
                    Statement::allow_except("NotIdentity", list(&["iam:*", "organizations:*", "account:*", "kms:*"]));
                self.managed(name, vec![most]);
                self.rest();
            }
            7 => {
                self.granted.attached.push(self.shared.to_owned());
                if principal.kind == Kind::User {
                    let group = self.rng.index(self.grounds.groups.len());
                    self.granted.groups.push(self.grounds.groups[group].name.clone());
                }
                self.rest();
            }
            _ => {
                // The policies of the keys name this principal.
                let but_keys = self.used.iter().filter(|action| !action.starts_with("kms:")).cloned().collect();
                let extra = extra.into_iter().filter(|action| !action.starts_with("kms:")).collect();
                self.inline(vec![Statement::allow("Used", but_keys), Statement::allow("More", extra)]);
            }
        }
        if style != 5 {
            self.objects();
        }
    }

    /// A permission set's role.
    fn set(&mut self, set: &str) {
        match set {
            "AdministratorAccess" => self.granted.attached.push(ADMINISTRATOR.to_owned()),
            "PowerUserAccess" => self.granted.attached.push(POWER_USER.to_owned()),
            _ => {
                let extra = self.extra();
                let statements = vec![Statement::allow("Wide", patterns(&self.used)), Statement::allow("More", extra)];
                self.granted.inline.push(("AwsSSOInlinePolicy", Document::new(statements)));
            }
        }
        self.rest();
    }

    /// AWS's own policy, which is the same in all accounts.
    fn service_linked(&mut self, role: &str) {
        let arn = format!("arn:aws:iam::aws:policy/aws-service-role/{}Policy", role.trim_start_matches("AWS"));
        let reads =
            ["ec2:Describe*", "elasticloadbalancing:Describe*", "iam:Get*", "iam:List*", "kms:Get*", "lambda:List*"];
        let reads = list(&[&reads[..], &["rds:Describe*", "s3:GetBucket*"]].concat());
        self.grounds.policies.insert(arn.clone(), Document::new(vec![Statement::allow("Reads", reads)]));
        self.granted.attached.push(arn);
    }

    /// Some actions beyond what was used, half of them of services that were, and one that nobody can see.
    fn extra(&mut self) -> Vec<String> {
        let own: BTreeSet<&str> = self.used.iter().filter_map(|action| action.split(':').next()).collect();
        let mut near: Vec<&str> = action::all()
            .filter(|action| !self.used.contains(*action) && !is_object(action))
            .filter(|action| action.split(':').next().is_some_and(|service| own.contains(service)))
            .collect();
        self.rng.shuffle(&mut near);
        near.truncate(4);
        let mut extra = some(5, &near, &mut self.rng);
        let hidden: Vec<&str> = action::all()
            .filter(|action| matches!(action::told(action), Some(Told::Permission | Told::Never)))
            .collect();
        extra.push((*self.rng.pick(&hidden)).to_owned());
        extra.sort_unstable();
        extra.dedup();
        extra.retain(|action| !self.used.contains(action));
        self.rng.shuffle(&mut extra);
        extra
    }

    /// Objects of the bucket whose data events are logged, and of one whose are not.
    fn objects(&mut self) {
        let mut pick = |told: Told| {
            let fitting: Vec<&str> =
                action::all().filter(|name| action::told(name) == Some(told) && !self.used.contains(*name)).collect();
            if fitting.is_empty() { Vec::new() } else { list(&[*self.rng.pick(&fitting)]) }
        };
        let (read, written, dark) = (pick(Told::ObjectRead), pick(Told::ObjectWrite), pick(Told::ObjectRead));
        let mut statements = Vec::new();
        let places = [
            ("Read", read, self.buckets.read.as_ref()),
            ("Write", written, self.buckets.written.as_ref()),
            ("Vault", dark, Some(&self.buckets.dark)),
        ];
        for (sid, actions, bucket) in places {
            if let (false, Some(bucket)) = (actions.is_empty(), bucket) {
                statements.push(Statement::allow(sid, actions).on_bucket(bucket));
            }
        }
        self.granted.inline.push(("objects", Document::new(statements)));
    }

    /// What was used and nothing grants so far.
    fn rest(&mut self) {
        let grants = self.grounds.grants(&self.granted);
        let missing: Vec<String> =
            self.used.iter().filter(|action| grants.of(action) == Outcome::Unmentioned).cloned().collect();
        if !missing.is_empty() {
            self.granted.inline.push(("rest", Document::new(vec![Statement::allow("Rest", missing)])));
        }
    }

    fn inline(&mut self, statements: Vec<Statement>) {
        self.granted.inline.push(("inline", Document::new(statements)));
    }

    fn managed(&mut self, name: &str, statements: Vec<Statement>) {
        let arn = customer(self.account, &format!("{name}-policy"));
        self.grounds.policies.insert(arn.clone(), Document::new(statements));
        self.granted.attached.push(arn);
    }
}

/// The actions that calls with success needed.
fn used(doings: Option<&Doings>) -> BTreeSet<String> {
    let calls = doings.into_iter().flat_map(|doings| &doings.calls);
    calls
        .filter(|(_, tally)| tally.succeeded > 0)
        .filter_map(|((service, api), _)| action::needed(service, api))
        .collect()
}

/// A bucket with data events in the first tenth of the time, the one with the earliest: of one whose records begin later nobody can tell
/// whether they were logged before.
fn logged(organisation: &Organisation, account: &Account, seen: &Seen, reads: bool) -> Option<String> {
    let calendar = &organisation.calendar;
    let by = calendar.start + (calendar.end - calendar.start) / 10;
    let buckets = seen.buckets.get(&(account.index as u32, reads))?;
    let first = buckets.iter().min_by_key(|(name, first)| (**first, *name))?;
    (*first.1 < by).then(|| first.0.clone())
}

fn is_object(action: &str) -> bool {
    matches!(action::told(action), Some(Told::ObjectRead | Told::ObjectWrite))
}

/// These, and so many others.
fn some(count: usize, these: &[&str], rng: &mut Rng) -> Vec<String> {
    let mut others: Vec<&str> = action::all().filter(|action| !these.contains(action) && !is_object(action)).collect();
    rng.shuffle(&mut others);
    these.iter().chain(&others[..count]).map(|action| (*action).to_owned()).collect()
}

fn list(actions: &[&str]) -> Vec<String> {
    actions.iter().map(|action| (*action).to_owned()).collect()
}

/// Reads by their verb and a `*`, all else by its name.
fn patterns(actions: &BTreeSet<String>) -> Vec<String> {
    let wide = |action: &String| {
        let verb = ["Get", "Describe", "List"].iter().find(|verb| action.contains(&format!(":{verb}")));
        match (action.split_once(':'), verb) {
            (Some((service, _)), Some(verb)) => format!("{service}:{verb}*"),
            _ => action.clone(),
        }
    };
    actions.iter().map(wide).collect::<BTreeSet<_>>().into_iter().collect()
}

/// All actions of the services of some.
fn services<'a>(actions: impl Iterator<Item = &'a String>) -> Vec<String> {
    let of = |action: &String| action.split_once(':').map(|(service, _)| format!("{service}:*"));
    actions.filter_map(of).collect::<BTreeSet<_>>().into_iter().collect()
}

fn customer(account: &Account, name: &str) -> String {
    format!("arn:aws:iam::{}:policy/{name}", account.id)
}

/// The form of AWS's own policy of this name: all but identities and accounts, and of these a few (AWS Managed Policy Reference).
fn power_user() -> Document {
    let few = [
        "iam:CreateServiceLinkedRole",
        "iam:DeleteServiceLinkedRole",
        "iam:ListRoles",
        "organizations:DescribeOrganization",
    ];
    Document::new(vec![
        Statement::allow_except("AllButIdentity", list(&["iam:*", "organizations:*", "account:*"])),
        Statement::allow("Few", list(&few)),
    ])
}
