//! Long-term keys that are used from more than one address, in quiet weeks: by programs whose way to the internet has several ends, by build
//! jobs on rented machines, by deployments in several places, and by people on their computers. In: accounts, people and a seed; out: keys,
//! the records that an hour of their use leaves, and `keys.ndjson`, which says of every key how it is used.
//!
//! Which of these keys are shared is so by construction: a detector of shared keys is right about those with a posture, and wrong about
//! the others, unless a thief has them. All numbers come from streams of their own, so that nobody else's doings depend on them.

mod host;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{
    atlas::{Atlas, NetworkKind},
    calendar::{Calendar, DAY, weekend},
    catalogue::Catalogue,
    human,
    identity::{self, User},
    ids,
    names::WORDS,
    options::Options,
    organisation::{Account, AccountKind, Organisation},
    person::{Laptop, Person, Team, WorkSession},
    profile::{PROFILES, Profile},
    repertoire::Repertoire,
    rng::{Rng, mix},
    stage::{Caller, Failure, Stage},
    workload::WorkloadKind,
};

use host::Host;

/// How a key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// By one program behind translators with a pool of addresses.
    NatPool,
    /// By one program on a host that calls by IPv4 and IPv6.
    DualStack,
    /// By one program in an office that has two providers.
    TwoLines,
    /// By one program on a machine at AWS: S3 through a VPC endpoint, all else through the gateway.
    Endpoint,
    /// By build jobs, each on another rented machine, several at a time.
    Runners,
    /// By a deployment's hosts in several places, on purpose.
    Deployment,
    /// By a person at the laptop, wherever that is.
    Laptop,
    /// By a person at the laptop, and by jobs on the person's desktop in the office.
    TwoComputers,
}

const PROGRAMS: [Usage; 6] =
    [Usage::Deployment, Usage::NatPool, Usage::Runners, Usage::DualStack, Usage::TwoLines, Usage::Endpoint];

impl Usage {
    fn name(self) -> &'static str {
        match self {
            Usage::NatPool => "nat_pool",
            Usage::DualStack => "dual_stack",
            Usage::TwoLines => "two_lines",
            Usage::Endpoint => "endpoint_and_gateway",
            Usage::Runners => "rotating_runners",
            Usage::Deployment => "deployment",
            Usage::Laptop => "laptop",
            Usage::TwoComputers => "two_computers",
        }
    }

    /// The lasting weakness that a key used like this is, if it is shared: several machines hold it in several networks at once.
    fn posture(self) -> Option<&'static str> {
        matches!(self, Usage::Deployment | Usage::TwoComputers).then_some(STEADY)
    }
}

const STEADY: &str = "steady_shared_key";

/// Share of what an account's machines call that each of these programs calls beside.
const PROGRAM: f64 = 0.07;
/// The most calls that are made in a row; the fewest is one.
const ROW_MOST: i64 = 7;
/// One in so many people still has a long-term key of their own; and how much is called with it, against a session at Identity Center.
const ONE_IN: usize = 12;
const BY_LAPTOP: f64 = 0.6;
const BY_DESKTOP: f64 = 0.15;

/// A long-term key and those who use it.
#[derive(Debug)]
pub struct LongTermKey {
    pub account: usize,
    pub user: User,
    usage: Usage,
    region: &'static str,
    holder: Holder,
    seed: u64,
}

#[derive(Debug)]
enum Holder {
    Program {
        hosts: Vec<Host>,
        repertoire: Repertoire,
    },
    /// Index among the organisation's people.
    Person {
        index: usize,
        desktop: Laptop,
    },
}

/// How much is called in an hour: by an account's machines, and by a person at work.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    pub machines: f64,
    pub person: f64,
    pub data_share: f64,
}

/// All of them: two programs' in each larger account, and those of some people.
pub fn all(
    options: &Options,
    accounts: &[Account],
    people: &[Person],
    region: &'static str,
    (atlas, catalogue, calendar): (&Atlas, &Catalogue, &Calendar),
) -> Vec<LongTermKey> {
    let large = |account: &&Account| matches!(account.kind, AccountKind::Production | AccountKind::Development);
    let first = mix(options.seed, &[70]) as usize % PROGRAMS.len();
    let mut keys = Vec::new();
    for (nth, account) in accounts.iter().filter(large).flat_map(|account| [account, account]).enumerate() {
        let seed = mix(options.seed, &[71, nth as u64]);
        let mut rng = Rng::derive(seed, &[]);
        let usage = PROGRAMS[(first + nth) % PROGRAMS.len()];
        let profile = profile(if usage == Usage::Runners { WorkloadKind::Pipeline } else { WorkloadKind::KeyUser });
        let hosts = host::all(usage, profile, (atlas, calendar), region, &mut rng);
        let repertoire = Repertoire::new(profile, catalogue, calendar, &mut rng);
        let name = format!("{}-{}", rng.pick(WORDS), rng.pick(&["deploy", "upload", "archive", "build", "publish"]));
        let user = user(account, name, &mut rng);
        keys.push(LongTermKey {
            account: account.index,
            user,
            usage,
            region,
            holder: Holder::Program { hosts, repertoire },
            seed,
        });
    }
    let able: Vec<(usize, &Person)> =
        people.iter().enumerate().filter(|(_, person)| person.job(calendar.start).team != Team::Finance).collect();
    let first = mix(options.seed, &[72]) as usize;
    let with_key = able.iter().skip(first % able.len().clamp(1, ONE_IN)).step_by(ONE_IN);
    for (nth, (index, person)) in with_key.enumerate() {
        let seed = mix(person.seed, &[73]);
        let mut rng = Rng::derive(seed, &[]);
        let account = person.job(calendar.start).grants[0].0;
        keys.push(LongTermKey {
            account,
            user: user(&accounts[account], format!("{}-cli", person.name), &mut rng),
            usage: if (first + nth).is_multiple_of(2) { Usage::Laptop } else { Usage::TwoComputers },
            region,
            holder: Holder::Person { index: *index, desktop: Laptop::draw(&mut rng) },
            seed,
        });
    }
    keys
}

fn profile(kind: WorkloadKind) -> &'static Profile {
    PROFILES.iter().find(|profile| profile.kind == kind).unwrap_or(&PROFILES[0])
}

fn user(account: &Account, name: String, rng: &mut Rng) -> User {
    User {
        account: account.id.clone(),
        name,
        id: ids::principal_id("AIDA", account.number, rng),
        key: ids::access_key("AKIA", account.number, rng),
    }
}

/// By which way a call is made.
struct Way<'a> {
    ip: &'a str,
    agent: &'a str,
    endpoint: Option<(&'a str, &'a str)>,
}

impl LongTermKey {
    /// Index of the person whose key it is; none for a program's.
    pub fn person(&self) -> Option<usize> {
        match self.holder {
            Holder::Person { index, .. } => Some(index),
            Holder::Program { .. } => None,
        }
    }

    /// The client with which its owner uses it at a time.
    pub fn agent(&self, organisation: &Organisation, time: i64) -> String {
        match &self.holder {
            Holder::Program { hosts, .. } => {
                hosts.iter().find(|host| host.runs(time)).map_or_else(String::new, |host| host.agent.clone())
            }
            Holder::Person { index, .. } => {
                organisation.people[*index].laptop(time).command("sts", "GetCallerIdentity")
            }
        }
    }

    /// Writes what is done with it in an hour. `sessions` are those of all people.
    pub fn hour(
        &self,
        organisation: &Organisation,
        stage: &mut Stage,
        sessions: &[Vec<WorkSession>],
        hour: i64,
        rates: Rates,
    ) {
        let mut rng = Rng::derive(self.seed, &[hour as u64]);
        match &self.holder {
            Holder::Program { hosts, repertoire } => {
                self.program(organisation, stage, (hosts, repertoire), hour, rates, &mut rng);
            }
            Holder::Person { index, desktop } => {
                let person = &organisation.people[*index];
                self.at_laptop(organisation, stage, person, &sessions[*index], hour, rates, &mut rng);
                if self.usage == Usage::TwoComputers && person.employed(hour) && !weekend(hour) {
                    self.at_desktop(organisation, stage, (person, desktop), hour, rates, &mut rng);
                }
            }
        }
    }

    /// Programs call several times in a row. What several hosts do overlaps.
    fn program(
        &self,
        organisation: &Organisation,
        stage: &mut Stage,
        (hosts, repertoire): (&[Host], &Repertoire),
        hour: i64,
        rates: Rates,
        rng: &mut Rng,
    ) {
        let busy = if self.usage != Usage::Runners {
            1.0
        } else if !weekend(hour) && (7..18).contains(&(hour.rem_euclid(DAY) / 3_600)) {
            2.8
        } else {
            0.15
        };
        // A job on a runner takes minutes, what others do in a row seconds.
        let pause = if self.usage == Usage::Runners { 60 } else { 8 };
        let mean = (1.0 + ROW_MOST as f64) / 2.0;
        for _ in 0..rng.poisson(rates.machines * PROGRAM * busy / mean) {
            let mut time = hour + rng.range(0, 3_600);
            let running: Vec<&Host> = hosts.iter().filter(|host| host.runs(time)).collect();
            let host = *rng.pick(&running);
            let mut connection = rng.bits();
            for _ in 0..rng.range(1, ROW_MOST + 1) {
                let shape = repertoire.draw(time, rates.data_share, rng);
                // With two protocols each call takes the one that answers first; else a connection is kept for what is done in a row.
                if self.usage == Usage::DualStack {
                    connection = rng.bits();
                }
                let behind = self.usage == Usage::Endpoint && organisation.catalogue.get(shape).service == "s3";
                let ip = if behind {
                    format!("10.{}.200.{}", self.account % 200, 10 + self.seed % 200)
                } else {
                    self.public(organisation, host, connection)
                };
                let account = &organisation.accounts[self.account];
                let endpoint = behind.then_some((account.endpoint.as_str(), account.id.as_str()));
                let way = Way { ip: &ip, agent: &host.agent, endpoint };
                self.call(organisation, stage, &way, shape, time, rng);
                time = (time + rng.range(0, pause)).min(hour + 3_599);
            }
        }
    }

    fn public(&self, organisation: &Organisation, host: &Host, connection: u64) -> String {
        if let Some(last) = host.addresses.len().checked_sub(1) {
            return host.addresses[connection as usize % (last + 1)].clone();
        }
        if self.usage == Usage::Endpoint {
            return organisation.nat(self.account, self.region, connection);
        }
        // Microsoft's, as most build services: the last one is another cloud.
        let clouds = organisation.atlas.of_kind(NetworkKind::OtherCloud);
        clouds[connection as usize % (clouds.len() - 1)].address(connection >> 8)
    }

    #[allow(clippy::too_many_arguments, reason = "who, where and when")]
    fn at_laptop(
        &self,
        organisation: &Organisation,
        stage: &mut Stage,
        person: &Person,
        sessions: &[WorkSession],
        hour: i64,
        rates: Rates,
        rng: &mut Rng,
    ) {
        for work in sessions {
            let (from, to) = (work.start.max(hour), work.end.min(hour + 3_600));
            if from >= to {
                continue;
            }
            for _ in 0..rng.poisson(rates.person * BY_LAPTOP * (to - from) as f64 / 3_600.0) {
                let time = rng.range(from, to);
                let v6 = work.address_v6(time).filter(|_| rng.chance(0.3));
                let ip = v6.unwrap_or(work.address(time));
                self.command(organisation, stage, (person, person.laptop(time)), ip, time, rng);
            }
        }
    }

    fn at_desktop(
        &self,
        organisation: &Organisation,
        stage: &mut Stage,
        (person, desktop): (&Person, &Laptop),
        hour: i64,
        rates: Rates,
        rng: &mut Rng,
    ) {
        for _ in 0..rng.poisson(rates.person * BY_DESKTOP) {
            let time = hour + rng.range(0, 3_600);
            let ip = person.office_address(organisation, time);
            self.command(organisation, stage, (person, desktop), &ip, time, rng);
        }
    }

    /// A command of a person.
    fn command(
        &self,
        organisation: &Organisation,
        stage: &mut Stage,
        (person, computer): (&Person, &Laptop),
        ip: &str,
        time: i64,
        rng: &mut Rng,
    ) {
        let shape = human::usual_read(&organisation.catalogue, person.job(time).team, rng);
        let called = organisation.catalogue.get(shape);
        let agent = computer.command(called.service, called.name);
        self.call(organisation, stage, &Way { ip, agent: &agent, endpoint: None }, shape, time, rng);
    }

    fn call(&self, organisation: &Organisation, stage: &mut Stage, way: &Way, shape: usize, time: i64, rng: &mut Rng) {
        let caller = Caller {
            account: &organisation.accounts[self.account],
            identity: &identity::user(&self.user, &self.user.key),
            arn: &self.user.arn(),
            ip: way.ip,
            agent: way.agent,
            console: false,
            endpoint: way.endpoint,
            own_instance: None,
        };
        let failure = match rng.below(1_000) {
            0..2 => Failure::Denied,
            2..6 => Failure::Ordinary,
            _ => Failure::None,
        };
        stage.emit_shape(organisation, &caller, shape, self.region, time, failure, rng);
    }
}

/// `keys.ndjson`: every long-term key in regular use, one a line, with how it is used and, if it is shared, the posture that this is.
pub fn describe(organisation: &Organisation) -> String {
    let mut in_offices: BTreeMap<&str, (&User, usize)> = BTreeMap::new();
    for user in organisation.workloads.iter().filter_map(|workload| workload.user.as_ref()) {
        in_offices.entry(&user.key).or_insert((user, 0)).1 += 1;
    }
    let offices = in_offices.into_values().map(|(user, programs)| match programs {
        1 => (user, "one_place", None),
        _ => (user, "two_programs", Some(STEADY)),
    });
    let others = organisation.keys.iter().map(|key| (&key.user, key.usage.name(), key.usage.posture()));
    offices
        .chain(others)
        .map(|(user, usage, posture)| {
            let posture = posture.map_or("null".to_owned(), |word| format!("\"{word}\""));
            format!(
                "{{\"access_key\":\"{}\",\"principal\":\"{}\",\"account\":\"{}\",\"usage\":\"{usage}\",\"posture\":{posture}}}\n",
                user.key,
                user.arn(),
                user.account
            )
        })
        .collect()
}
