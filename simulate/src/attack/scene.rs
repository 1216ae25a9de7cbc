//! The stage manager of a story: who acts, from where, when the next step comes, and the writing of each act.

use crate::{
    atlas::NetworkKind,
    attack::Strength,
    calendar::DAY,
    catalogue::Pool,
    identity::{self, Session, User},
    ids,
    names::{FIRST_NAMES, INTRUDER_AGENTS, WORDS},
    organisation::{AccountKind, Organisation},
    record::Call,
    rng::Rng,
    stage::{Caller, Failure, Stage, denial_code, denial_message},
    workload::{Workload, WorkloadKind},
};

/// Reads with which intruders find out where they are.
const RECON: &[&str] = &[
    "iam:ListUsers",
    "iam:ListRoles",
    "iam:GetAccountSummary",
    "iam:ListAttachedUserPolicies",
    "iam:ListUserPolicies",
    "iam:GetAccountAuthorizationDetails",
    "iam:ListGroupsForUser",
    "s3:ListBuckets",
    "s3:GetBucketAcl",
    "ec2:DescribeInstances",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeRegions",
    "ec2:DescribeSnapshots",
    "lambda:ListFunctions20150331",
    "secretsmanager:ListSecrets",
    "ssm:DescribeParameters",
    "rds:DescribeDBInstances",
    "organizations:DescribeOrganization",
    "organizations:ListAccounts",
    "cloudtrail:DescribeTrails",
    "guardduty:ListDetectors",
    "kms:ListKeys",
    "dynamodb:ListTables",
    "ce:GetCostAndUsage",
];

/// Somebody who acts, with one credential, from one place.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub account: usize,
    pub identity: String,
    pub arn: String,
    pub ip: String,
    pub agent: String,
    pub console: bool,
    pub endpoint: Option<(String, String)>,
}

/// One write (or particular read) of a story.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act<'a> {
    pub service: &'a str,
    pub name: &'a str,
    pub request: &'a str,
    pub response: &'a str,
    pub resources: &'a str,
    pub read_only: bool,
    pub data: bool,
    pub denied: bool,
}

impl<'a> Act<'a> {
    pub fn write(service: &'a str, name: &'a str, request: &'a str) -> Act<'a> {
        Act { service, name, request, response: "null", resources: "", read_only: false, data: false, denied: false }
    }

    pub fn answer(mut self, response: &'a str) -> Act<'a> {
        self.response = response;
        self
    }

    pub fn about(mut self, resources: &'a str) -> Act<'a> {
        self.resources = resources;
        self
    }

    pub fn denied(mut self) -> Act<'a> {
        self.denied = true;
        self
    }
}

/// A story being written.
pub(crate) struct Scene<'a> {
    pub organisation: &'a Organisation,
    pub stage: Stage,
    pub rng: Rng,
    pub strength: Strength,
    /// The time of the next act.
    pub now: i64,
    pub end: i64,
    /// Who the story is about, as an ARN: set with the first actor.
    pub principal: String,
    /// Where what follows is done.
    pub region: &'static str,
    /// How much slower than others of this strength.
    pace: f64,
    /// What this intruder looks at: shapes, the favourites first.
    curiosity: Vec<usize>,
    /// The looking around that is left for afterwards.
    rest: Option<(Actor, usize)>,
}

impl<'a> Scene<'a> {
    /// A story that begins within a stretch of time.
    pub fn new(organisation: &'a Organisation, mut rng: Rng, strength: Strength, (from, to): (i64, i64)) -> Scene<'a> {
        let now = rng.range(from, to);
        let pace = 0.5 + 1.5 * rng.unit();
        let curiosity = curiosity(organisation, &mut rng);
        Scene {
            organisation,
            stage: Stage::new(0.0),
            rng,
            strength,
            now,
            end: organisation.calendar.end,
            principal: String::new(),
            region: organisation.home_region(),
            pace,
            curiosity,
            rest: None,
        }
    }

    /// An amount by strength.
    pub fn amount(&mut self, subtle: i64, moderate: i64, loud: i64) -> usize {
        let mean = match self.strength {
            Strength::Subtle => subtle,
            Strength::Moderate => moderate,
            Strength::Loud => loud,
        };
        self.rng.range(mean - mean / 4, mean + mean / 4 + 1).max(1) as usize
    }

    /// Lets time pass until the next act. A subtle story still ends before the simulation does.
    pub fn pass(&mut self) {
        let gap = match self.strength {
            Strength::Subtle => self.slowly(240, 2_400).min((self.end - self.now) / 12),
            Strength::Moderate => self.slowly(8, 140),
            Strength::Loud => self.rng.range(0, 5),
        };
        self.now += gap.max(0);
    }

    fn slowly(&mut self, low: i64, high: i64) -> i64 {
        (self.rng.range(low, high) as f64 * self.pace) as i64
    }

    pub fn word(&mut self) -> &'static str {
        self.rng.pick::<&str>(WORDS)
    }

    /// A name for a user or role that an intruder makes: looks like the others.
    pub fn new_name(&mut self) -> String {
        match self.rng.below(3) {
            0 => format!("{}-{}", self.word(), self.rng.pick(&["svc", "admin", "support", "backup", "test"])),
            1 => format!("{}{}", self.rng.pick(FIRST_NAMES), self.rng.below(100)),
            _ => format!("{}_{}", self.word(), self.word()),
        }
    }

    /// A twelve-digit account that is not the organisation's.
    pub fn stranger(&mut self) -> String {
        format!("{:012}", 100_000_000_000 + self.rng.below(899_999_999_999))
    }

    /// An account of one of the kinds; any when there is none.
    pub fn account(&mut self, kinds: &[AccountKind]) -> usize {
        let fitting: Vec<usize> = self
            .organisation
            .accounts
            .iter()
            .filter(|account| kinds.contains(&account.kind))
            .map(|account| account.index)
            .collect();
        if fitting.is_empty() { self.rng.index(self.organisation.accounts.len()) } else { *self.rng.pick(&fitting) }
    }

    pub fn name(&mut self, account: usize, pool: Pool) -> String {
        self.organisation.accounts[account].name(pool, &mut self.rng).to_owned()
    }

    /// An IAM user of the actor's account who is not the actor.
    pub fn other_user(&mut self, actor: &Actor) -> String {
        let others: Vec<&String> = self.organisation.accounts[actor.account]
            .names(Pool::User)
            .iter()
            .filter(|name| !actor.arn.ends_with(&format!("/{name}")))
            .collect();
        if others.is_empty() { self.new_name() } else { (*self.rng.pick(&others)).clone() }
    }

    pub fn id(&self, account: usize) -> &'a str {
        &self.organisation.accounts[account].id
    }

    /// One of the clients that intruders bring, in some version of it.
    pub fn agent(&mut self) -> String {
        let agent = *self.rng.pick(INTRUDER_AGENTS);
        let mut text = String::with_capacity(agent.len());
        let mut digits = false;
        for letter in agent.chars() {
            // Only what stands last in a version, `34` of `1.33.34`: the rest says what client it is.
            let last = letter.is_ascii_digit()
                && text.ends_with('.')
                && text.bytes().rev().nth(1).is_some_and(|byte| byte.is_ascii_digit());
            if last && self.rng.chance(0.6) {
                text.push_str(&self.rng.below(30).to_string());
                digits = true;
            } else if !(digits && letter.is_ascii_digit()) {
                text.push(letter);
                digits = false;
            }
        }
        text
    }

    pub fn browser(&mut self) -> String {
        (*self.rng.pick(crate::names::BROWSERS)).to_owned()
    }

    pub fn intruder_address(&mut self) -> String {
        self.organisation.intruder_address(&mut self.rng)
    }

    /// A workload of a kind, preferably in an account.
    pub fn workload(&mut self, kind: WorkloadKind, account: Option<usize>) -> Option<&'a Workload> {
        let fitting = |same: bool| -> Vec<&'a Workload> {
            self.organisation
                .workloads
                .iter()
                .filter(|workload| {
                    workload.kind == kind
                        && workload.deployed <= self.now
                        && (!same || account.is_none_or(|account| workload.account == account))
                })
                .collect()
        };
        let mut found = fitting(true);
        if found.is_empty() {
            found = fitting(false);
        }
        if found.is_empty() { None } else { Some(*self.rng.pick(&found)) }
    }

    /// Takes over a program's long-term key. Subtle intruders sit in the victim's network and use its client.
    pub fn stolen_user(&mut self, account: Option<usize>) -> (User, Actor) {
        let workload = self.workload(WorkloadKind::KeyUser, account);
        let fallback = &self.organisation.accounts[account.unwrap_or(0)];
        let (user, account, home, agent) =
            match workload.and_then(|workload| workload.user.clone().map(|user| (user, workload))) {
                Some((user, workload)) => {
                    (user, workload.account, workload.address(self.now).map(str::to_owned), workload.agent.clone())
                }
                None => (fallback.users[0].clone(), fallback.index, None, String::new()),
            };
        let own = self.strength == Strength::Subtle && home.is_some();
        let actor = Actor {
            account,
            identity: identity::user(&user, &user.key),
            arn: user.arn(),
            ip: if own { home.unwrap_or_default() } else { self.intruder_address() },
            agent: if own { agent } else { self.agent() },
            console: false,
            endpoint: None,
        };
        self.principal.clone_from(&actor.arn);
        (user, actor)
    }

    /// Takes over an administrator's session at Identity Center; subtle intruders come from the person's own network with its browser.
    pub fn administrator(&mut self, account: usize) -> Actor {
        let mut actor = self.colleague(account, "AdministratorAccess");
        if self.strength != Strength::Subtle {
            actor.ip = self.intruder_address();
            actor.agent = if self.rng.chance(0.5) { self.browser() } else { self.agent() };
            actor.console = actor.agent.starts_with("Mozilla");
        }
        actor
    }

    /// A person with a permission set in an account, in the console: within a session of theirs, if there is one in the days to come.
    pub fn colleague(&mut self, account: usize, set: &str) -> Actor {
        let organisation = self.organisation;
        let able: Vec<_> = organisation.people.iter().filter(|person| person.works(self.now, account, set)).collect();
        let person = if able.is_empty() { self.rng.pick(&organisation.people) } else { *self.rng.pick(&able) };
        let role = organisation.accounts[account].permission_set(set, organisation.home_region());
        let key = ids::access_key("ASIA", organisation.accounts[account].number, &mut self.rng);
        let days = (0..7).map(|day| self.now.div_euclid(DAY) * DAY + day * DAY);
        let work = days
            .flat_map(|day| person.day(organisation, day))
            .find(|work| work.start > self.now && work.end + 3_600 < self.end && work.account == account);
        let created = work.as_ref().map_or(self.now - self.rng.range(60, 1_500), |work| work.start);
        if let Some(work) = &work {
            self.now = work.start + self.rng.range(20, (work.end - work.start) * 2 / 3);
        }
        let identity =
            identity::assumed_role(&role, &Session { name: &person.email, key: &key, created, ..Session::default() });
        let actor = Actor {
            account,
            identity,
            arn: role.session_arn(&person.email),
            ip: work.map_or_else(|| person.home_address(&organisation.atlas), |work| work.address(self.now).to_owned()),
            agent: person.laptop(self.now).browser.to_owned(),
            console: true,
            endpoint: None,
        };
        if self.principal.is_empty() {
            self.principal.clone_from(&actor.arn);
        }
        actor
    }

    /// Either of the two ways in which intruders come to privileged credentials.
    pub fn privileged(&mut self, account: usize) -> Actor {
        if self.rng.chance(0.4) { self.stolen_user(Some(account)).1 } else { self.administrator(account) }
    }

    /// An address in Amazon's range that is none of the organisation's gateways.
    pub fn other_cloud_address(&mut self) -> String {
        let networks = self.organisation.atlas.of_kind(NetworkKind::Amazon);
        self.rng.pick(&networks).address(self.rng.bits())
    }

    /// A home connection of nobody in particular: a traveller's.
    pub fn other_home(&mut self) -> String {
        let networks = self.organisation.atlas.of_kind(NetworkKind::Home);
        self.rng.pick(&networks).address(self.rng.bits())
    }

    /// Writes an act, then lets time pass.
    pub fn act(&mut self, actor: &Actor, act: Act) {
        let organisation = self.organisation;
        let account = &organisation.accounts[actor.account];
        let region = organisation.recorded_in(act.service, self.region);
        let mut call = Call::new(self.now, act.service, act.name, region, &account.id, &actor.identity);
        call.ip = &actor.ip;
        call.agent = &actor.agent;
        call.console = actor.console;
        call.request = act.request.as_bytes();
        call.response = act.response.as_bytes();
        call.resources = act.resources.as_bytes();
        call.read_only = act.read_only;
        call.data = act.data;
        call.endpoint = actor.endpoint.as_ref().map(|(id, owner)| (id.as_str(), owner.as_str()));
        let message = denial_message(&actor.arn, act.service, act.name);
        call.error = act.denied.then(|| (denial_code(act.service), message.as_str()));
        self.stage.emit(organisation, account, &call, &mut self.rng);
        self.pass();
    }

    /// Loud intruders try things that are refused before they find what works.
    pub fn stumble(&mut self, actor: &Actor, act: Act) {
        if self.strength == Strength::Loud {
            for _ in 0..self.rng.range(2, 6) {
                self.act(actor, act.denied());
            }
        }
    }

    /// Calls one of the catalogue's shapes.
    pub fn shape(&mut self, actor: &Actor, name: &str, failure: Failure) {
        self.call(actor, self.organisation.catalogue.find(name), failure);
    }

    pub fn call(&mut self, actor: &Actor, shape: usize, failure: Failure) {
        let organisation = self.organisation;
        let caller = Caller {
            account: &organisation.accounts[actor.account],
            identity: &actor.identity,
            arn: &actor.arn,
            ip: &actor.ip,
            agent: &actor.agent,
            console: actor.console,
            endpoint: actor.endpoint.as_ref().map(|(id, owner)| (id.as_str(), owner.as_str())),
            own_instance: None,
        };
        self.stage.emit_shape(organisation, &caller, shape, self.region, self.now, failure, &mut self.rng);
        self.pass();
    }

    /// Looks around: `GetCallerIdentity` first, as the tools do, then reads, of which the loud ones are often refused. Some intruders look
    /// first, some act first: what is not done now is done by [`Scene::finish`].
    pub fn recon(&mut self, actor: &Actor, calls: usize) {
        if !actor.console && self.rng.chance(0.8) {
            self.shape(actor, "sts:GetCallerIdentity", Failure::None);
        }
        let now = if self.rest.is_none() && self.rng.chance(0.4) { self.rng.index(calls + 1) } else { calls };
        self.look(actor, now);
        if now < calls {
            self.rest = Some((actor.clone(), calls - now));
        }
    }

    /// What was left for afterwards.
    pub fn finish(&mut self) {
        if let Some((actor, calls)) = self.rest.take() {
            self.look(&actor, calls);
        }
    }

    /// Looks at some things.
    pub fn look(&mut self, actor: &Actor, calls: usize) {
        for _ in 0..calls {
            let (shape, failure) = self.glance();
            self.call(actor, shape, failure);
        }
    }

    /// What this intruder looks at next, and whether it is refused.
    pub fn glance(&mut self) -> (usize, Failure) {
        (self.curiosity[self.rng.index(self.curiosity.len())], self.refusal())
    }

    /// How a call ends of somebody who does not know what the credentials allow.
    pub fn refusal(&mut self) -> Failure {
        let denied = match self.strength {
            Strength::Subtle => 0.0,
            Strength::Moderate => 0.15,
            Strength::Loud => 0.5,
        };
        if self.rng.chance(denied) { Failure::Denied } else { Failure::None }
    }
}

/// What an intruder looks at: most of what intruders ask, in each case some of it, and a few calls of the hundreds that there are.
fn curiosity(organisation: &Organisation, rng: &mut Rng) -> Vec<usize> {
    let catalogue = &organisation.catalogue;
    let mut known: Vec<usize> = RECON.iter().map(|name| catalogue.find(name)).collect();
    rng.shuffle(&mut known);
    known.truncate(12 + rng.index(RECON.len() - 12));
    known.extend((0..rng.range(2, 9)).map(|_| *rng.pick(&catalogue.scanner)));
    known
}
