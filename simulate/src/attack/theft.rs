//! Credentials in two hands: the owner works on, and a thief works beside, from elsewhere and mostly with another client. In: a story that
//! begins; out: the thief's records. A careful thief makes a few calls an hour for a day or more, an ordinary one some dozens in half a day,
//! a loud one hundreds in an hour or some; what they do is to ask who they are, to look around, to read, and often to make a way back in.

use crate::{
    atlas::NetworkKind,
    attack::{
        Strength, access, chores,
        scene::{Actor, Scene},
    },
    calendar::DAY,
    catalogue::Pool,
    identity::{self, User},
    ids,
    organisation::{
        AccountKind::{Development, Production, Sandbox},
        Organisation,
    },
    stage::Failure,
    workload::{Workload, WorkloadKind, has_endpoint},
};

/// What is read with a key, whatever its owner does with it.
const LOOT: &[&str] = &[
    "s3:GetObject",
    "s3:ListObjects",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "ssm:GetParametersByPath",
    "dynamodb:GetItem",
];

/// What was taken.
enum Taken<'a> {
    Key(&'a User),
    /// A machine's temporary credentials: which member of the workload. The thief fetches the next ones when they end.
    Session(&'a Workload, usize),
}

struct Thief<'a> {
    taken: Taken<'a>,
    account: usize,
    agent: String,
    /// On the internet.
    ip: String,
    /// In a VPC that is not the owner's: a private address, the id of the endpoint that is called through, and whose it is.
    inside: Option<(String, (String, String))>,
}

impl Thief<'_> {
    /// Who calls a service at a time. A thief in a VPC comes through its endpoint where the service has one.
    fn actor(&self, organisation: &Organisation, service: &str, time: i64) -> Actor {
        let (identity, arn) = match &self.taken {
            Taken::Key(user) => (identity::user(user, &user.key), user.arn()),
            Taken::Session(machine, nth) => {
                let credentials = machine.credentials(organisation, *nth, time);
                (credentials.identity, credentials.arn)
            }
        };
        let inside = self.inside.as_ref().filter(|_| has_endpoint(service));
        Actor {
            account: self.account,
            identity,
            arn,
            ip: inside.map_or(&self.ip, |(private, _)| private).clone(),
            agent: self.agent.clone(),
            console: false,
            endpoint: inside.map(|(_, endpoint)| endpoint.clone()),
        }
    }
}

/// A program's key, which the program uses all day.
pub(super) fn key_in_use_stolen(scene: &mut Scene) {
    let organisation = scene.organisation;
    let now = scene.now;
    let programs = organisation.workloads.iter().filter(|workload| workload.deployed <= now);
    let mut keys: Vec<(usize, &User, String)> = programs
        .filter_map(|workload| Some((workload.account, workload.user.as_ref()?, workload.agent.clone())))
        .collect();
    let programs = organisation.keys.iter().filter(|key| key.person().is_none());
    keys.extend(programs.map(|key| (key.account, &key.user, key.agent(organisation, now))));
    // What matters most is also what is busiest.
    let account = scene.account(&[Production]);
    if keys.iter().any(|(index, ..)| *index == account) {
        keys.retain(|(index, ..)| *index == account);
    }
    let (account, user, agent) = scene.rng.pick(&keys).clone();
    beside_the_owner(scene, account, Taken::Key(user), agent, None);
}

/// A person's own key, from the laptop's configuration; the thief begins while its owner is at work.
pub(super) fn personal_key_stolen(scene: &mut Scene) {
    let organisation = scene.organisation;
    let keys: Vec<_> = organisation.keys.iter().filter_map(|key| Some((key, key.person()?))).collect();
    if keys.is_empty() {
        return key_in_use_stolen(scene);
    }
    let (key, person) = *scene.rng.pick(&keys);
    let mut work = (0..7).flat_map(|day| organisation.people[person].day(organisation, scene.now + day * DAY));
    let work = work.find(|work| work.start > scene.now && work.end + 6 * 3_600 < scene.end);
    if let Some(work) = work {
        scene.now = scene.rng.range(work.start, work.end);
    }
    let agent = key.agent(organisation, scene.now);
    beside_the_owner(scene, key.account, Taken::Key(&key.user), agent, None);
}

/// An instance's credentials, used on a machine in another VPC: a neighbour's for a careful thief, else in an account of the thief's own.
pub(super) fn credentials_through_endpoint(scene: &mut Scene) {
    let Some(machine) = scene.workload(WorkloadKind::Instances, None) else {
        return key_in_use_stolen(scene);
    };
    let owner = match scene.strength {
        Strength::Subtle => {
            let neighbour = scene.rng.index(scene.organisation.accounts.len());
            scene.id(neighbour).to_owned()
        }
        _ => scene.stranger(),
    };
    let endpoint = format!("vpce-0{}", ids::hex(16, &mut scene.rng));
    let network = *scene.rng.pick(&["10.0", "172.31", "192.168", "10.113"]);
    let private = format!("{network}.{}.{}", scene.rng.below(64), scene.rng.range(4, 250));
    let nth = scene.rng.index(machine.members);
    let inside = Some((private, (endpoint, owner)));
    beside_the_owner(scene, machine.account, Taken::Session(machine, nth), machine.agent.clone(), inside);
}

/// What a function or a container was given, read from its environment or its credentials endpoint, and used outside.
pub(super) fn runtime_credentials(scene: &mut Scene) {
    let kind = if scene.rng.chance(0.5) { WorkloadKind::Function } else { WorkloadKind::Task };
    let Some(machine) = scene.workload(kind, None) else {
        return key_in_use_stolen(scene);
    };
    let nth = scene.rng.index(machine.members);
    beside_the_owner(scene, machine.account, Taken::Session(machine, nth), machine.agent.clone(), None);
}

/// How many calls a thief makes in how many seconds.
fn pace(scene: &mut Scene) -> (i64, i64) {
    let left = (scene.end - scene.now) * 9 / 10;
    let (calls, seconds) = match scene.strength {
        Strength::Subtle => {
            let seconds = (scene.rng.range(24, 41) * 3_600).min(left);
            (scene.rng.range(1, 4) * seconds / 3_600, seconds)
        }
        Strength::Moderate => (scene.rng.range(30, 80), scene.rng.range(4, 13) * 3_600),
        Strength::Loud => (scene.rng.range(200, 500), scene.rng.range(1, 5) * 3_600),
    };
    (calls.max(3), seconds.min(left).max(1))
}

/// When the calls are made: spread over the time, as a slow tool or a patient person does, or in a few sittings.
fn times(scene: &mut Scene) -> Vec<i64> {
    let (calls, seconds) = pace(scene);
    let begin = scene.now;
    let sittings = match scene.strength {
        Strength::Moderate if scene.rng.chance(0.5) => scene.rng.range(2, 5),
        _ => 0,
    };
    let sittings: Vec<i64> = (0..sittings).map(|_| scene.rng.range(begin, begin + seconds)).collect();
    let mut times: Vec<i64> = (0..calls)
        .map(|_| match sittings.len() {
            0 => scene.rng.range(begin, begin + seconds),
            _ => *scene.rng.pick(&sittings) + scene.rng.range(0, 1_200),
        })
        .collect();
    times.sort_unstable();
    times
}

/// The whole theft. `agent` is the owner's client, which a careful thief may imitate.
fn beside_the_owner(
    scene: &mut Scene,
    account: usize,
    taken: Taken,
    agent: String,
    inside: Option<(String, (String, String))>,
) {
    let imitates = scene.strength == Strength::Subtle && scene.rng.chance(0.4);
    let agent = if imitates { agent } else { scene.agent() };
    // Beside a machine at Amazon a careful thief is on another one.
    let hidden = matches!(taken, Taken::Session(..)) && (scene.strength == Strength::Subtle || inside.is_some());
    let ip = if hidden { scene.other_cloud_address() } else { thief_address(scene) };
    let mut thief = Thief { taken, account, agent, ip, inside };
    let times = times(scene);
    let favourites: Vec<&str> = (0..scene.rng.range(1, 4)).map(|_| *scene.rng.pick(LOOT)).collect();
    // Who has a key makes another one, sooner or later; a careful thief leaves it at that in half of the cases.
    let returns = matches!(thief.taken, Taken::Key(_)) && (scene.strength != Strength::Subtle || scene.rng.chance(0.5));
    let way_back = returns.then(|| times.len() * scene.rng.range(3, 10) as usize / 10);
    let moves = (!hidden && scene.strength != Strength::Subtle && scene.rng.chance(0.4)).then_some(times.len() / 2);
    let asks_first = scene.rng.chance(0.8);
    for (nth, time) in times.iter().enumerate() {
        scene.now = *time;
        if moves == Some(nth) {
            thief.ip = thief_address(scene);
        }
        if way_back == Some(nth) {
            let actor = thief.actor(scene.organisation, "iam", *time);
            make_way_back(scene, &actor);
            continue;
        }
        let (shape, failure) = if nth == 0 && asks_first {
            (scene.organisation.catalogue.find("sts:GetCallerIdentity"), Failure::None)
        } else if nth * 10 < times.len() * 3 || scene.rng.chance(0.25) {
            scene.glance()
        } else {
            let wanted = *scene.rng.pick(&favourites);
            (scene.organisation.catalogue.find(wanted), scene.refusal())
        };
        let service = scene.organisation.catalogue.get(shape).service;
        let actor = thief.actor(scene.organisation, service, *time);
        if scene.principal.is_empty() {
            scene.principal.clone_from(&actor.arn);
        }
        scene.call(&actor, shape, failure);
    }
}

/// A rented server, a commercial VPN, or somebody else's machine in a cloud.
fn thief_address(scene: &mut Scene) -> String {
    if scene.rng.chance(0.75) {
        return scene.intruder_address();
    }
    let kind = *scene.rng.pick(&[NetworkKind::Amazon, NetworkKind::OtherCloud]);
    let networks = scene.organisation.atlas.of_kind(kind);
    scene.rng.pick(&networks).address(scene.rng.bits())
}

/// A second key for the same user or another one, or a user of one's own.
fn make_way_back(scene: &mut Scene, actor: &Actor) {
    let user = match scene.rng.below(3) {
        0 => actor.arn.rsplit('/').next().unwrap_or_default().to_owned(),
        1 => scene.other_user(actor),
        _ => {
            let name = scene.new_name();
            chores::user_made(scene, actor, &name);
            name
        }
    };
    chores::key_made(scene, actor, &user);
}

/// The users of the organisation who have keys, each with its account.
fn users<'a>(organisation: &'a Organisation) -> Vec<(usize, &'a User)> {
    let accounts = organisation.accounts.iter();
    let mut users: Vec<(usize, &'a User)> =
        accounts.flat_map(|account| account.users.iter().map(move |user| (account.index, user))).collect();
    users.extend(organisation.keys.iter().map(|key| (key.account, &key.user)));
    users
}

/// One client at one address, which wears one user after the other.
fn collector(scene: &mut Scene) -> impl Fn((usize, &User)) -> Actor + use<> {
    let (ip, agent) = (thief_address(scene), scene.agent());
    move |(account, user): (usize, &User)| Actor {
        account,
        identity: identity::user(user, &user.key),
        arn: user.arn(),
        ip: ip.clone(),
        agent: agent.clone(),
        console: false,
        endpoint: None,
    }
}

/// A collection of keys that were found somewhere: whose is each, and what does the best of them open?
pub(super) fn keys_tried(scene: &mut Scene) {
    let mut users = users(scene.organisation);
    scene.rng.shuffle(&mut users);
    users.truncate(scene.amount(3, 5, 14).max(2));
    let wear = collector(scene);
    scene.principal = users[0].1.arn();
    for user in &users {
        scene.shape(&wear(*user), "sts:GetCallerIdentity", Failure::None);
    }
    let best = wear(*scene.rng.pick(&users));
    let calls = scene.amount(1, 6, 40);
    scene.look(&best, calls);
}

/// Several stolen users put on one role, all under the same session name, so that the role's records tell one wearer.
pub(super) fn session_name_of_many(scene: &mut Scene) {
    let account = scene.account(&[Production, Development, Sandbox]);
    let mut users = users(scene.organisation);
    users.retain(|(index, _)| *index == account);
    scene.rng.shuffle(&mut users);
    users.truncate(scene.amount(3, 4, 6).max(2));
    let role_name = scene.name(account, Pool::Role);
    let role = scene.organisation.accounts[account].role("/", &role_name);
    let session =
        if scene.rng.chance(0.5) { scene.rng.pick(&scene.organisation.people).email.clone() } else { scene.new_name() };
    let wear = collector(scene);
    scene.principal = users[0].1.arn();
    for user in users {
        let worn = access::assume(scene, &wear(user), &role, account, session.clone());
        let calls = scene.amount(1, 4, 15);
        scene.look(&worn, calls);
    }
}
