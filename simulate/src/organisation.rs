//! The made-up organisation: accounts with the things in them, users and roles. In: options; out: everything that does not change from
//! day to day. All of it follows from the seed, so no unit of work has to ask another for anything.

use crate::{
    atlas::{Atlas, NetworkKind},
    calendar::Calendar,
    catalogue::{Catalogue, POOLS, Pool},
    identity::{Role, User},
    ids,
    job::{self, Job},
    key::{self, LongTermKey},
    names::{COMPANY, WORDS},
    options::Options,
    person::Person,
    rng::{Rng, mix},
    workload::{self, Workload},
};

/// What an account is for: decides how much happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    Management,
    LogArchive,
    Security,
    Production,
    Development,
    Sandbox,
}

/// One account with its names.
#[derive(Debug)]
pub struct Account {
    pub index: usize,
    pub number: u64,
    /// The 12 digits.
    pub id: String,
    pub name: String,
    pub kind: AccountKind,
    /// Share of the organisation's events.
    pub weight: f64,
    /// IAM users with long-term keys.
    pub users: Vec<User>,
    /// Id of the VPC endpoint that some workloads call through.
    pub endpoint: String,
    /// How many addresses its NAT gateways have in a region. With several, each connection takes another one.
    gateways: u64,
    /// Its machines have IPv6 addresses, too, and reach by them what answers there.
    pub dual_stack: bool,
    /// For each region, whether an old trail of the account itself still delivers beside the organisation's.
    pub second_trails: Vec<bool>,
    /// A log bucket's policy refuses a delivery service, every few minutes, for ever.
    pub refuses_logs: bool,
    lists: Vec<Vec<String>>,
    seed: u64,
}

impl Account {
    /// One of the account's own names; the first of a list are drawn much more often.
    pub fn name(&self, pool: Pool, rng: &mut Rng) -> &str {
        let list = &self.lists[pool as usize];
        &list[rng.skewed(list.len())]
    }

    /// All names of a kind.
    pub fn names(&self, pool: Pool) -> &[String] {
        &self.lists[pool as usize]
    }

    /// A role of this account by name; its id follows from the name.
    pub fn role(&self, path: &str, name: &str) -> Role {
        let seed = name.bytes().fold(self.seed, |hash, byte| mix(hash, &[u64::from(byte)]));
        Role {
            account: self.id.clone(),
            name: name.to_owned(),
            path: path.to_owned(),
            id: ids::principal_id("AROA", self.number, &mut Rng::derive(seed, &[])),
        }
    }

    /// The role that Identity Center makes for a permission set.
    pub fn permission_set(&self, set: &str, home: &str) -> Role {
        let salt = ids::hex(16, &mut Rng::derive(self.seed, &[set.len() as u64, 77]));
        self.role(&format!("/aws-reserved/sso.amazonaws.com/{home}/"), &format!("AWSReservedSSO_{set}_{salt}"))
    }
}

/// The whole organisation.
#[derive(Debug)]
pub struct Organisation {
    pub seed: u64,
    /// `o-…`.
    pub id: String,
    pub company: String,
    /// Regions; the first is us-east-1, where global services are recorded.
    pub regions: Vec<&'static str>,
    /// How many of them are in use. In the others nobody works, but for a deployment now and then.
    pub used: usize,
    pub calendar: Calendar,
    pub accounts: Vec<Account>,
    pub people: Vec<Person>,
    pub workloads: Vec<Workload>,
    /// Long-term keys that are used from more than one address. Those of the workloads have one.
    pub keys: Vec<LongTermKey>,
    /// What runs seldom; none unless asked for.
    pub jobs: Vec<Job>,
    pub atlas: Atlas,
    pub catalogue: Catalogue,
    /// ARN of the Identity Center identity store.
    pub identity_store: String,
    /// `AWSSSO_…_DO_NOT_DELETE`, the SAML provider that Identity Center makes in every account.
    pub sso_provider: String,
    pub log_bucket: String,
}

impl Organisation {
    pub fn new(options: &Options) -> Organisation {
        let seed = options.seed;
        let mut rng = Rng::derive(seed, &[1]);
        let company = (*rng.pick(COMPANY)).to_owned();
        let regions = vec!["us-east-1", "eu-west-1", "us-west-2", "eu-central-1", "eu-north-1", "ap-southeast-2"];
        let used = match options.accounts {
            1 | 2 => 2,
            3..=5 => 3,
            _ => 4,
        };
        let atlas = Atlas::new();
        let catalogue = Catalogue::load();
        let id = format!("o-{}", ids::hex(10, &mut rng));
        let mut accounts: Vec<Account> =
            (0..options.accounts).map(|index| account(index, options, &company, &regions, &atlas)).collect();
        let total: f64 = accounts.iter().map(|account| account.weight).sum();
        accounts.iter_mut().for_each(|account| account.weight /= total);
        let identity_store =
            format!("arn:aws:identitystore::{}:identitystore/d-{}", accounts[0].id, ids::hex(10, &mut rng));
        let sso_provider = format!("AWSSSO_{}_DO_NOT_DELETE", ids::hex(16, &mut rng));
        let log_bucket = format!("{company}-org-trail-{}", ids::hex(6, &mut rng));
        let calendar = Calendar::new(options);
        let people: Vec<Person> =
            (0..people_count(options)).map(|index| Person::new(index, seed, &company, &accounts, &calendar)).collect();
        let workloads = workload::all(options, &accounts, (&regions, used), &atlas, &catalogue, &calendar);
        let home = regions.get(1).copied().unwrap_or(regions[0]);
        let keys = key::all(options, &accounts, &people, home, (&atlas, &catalogue, &calendar));
        let jobs = job::all(options, &accounts, home, &catalogue, &calendar);
        Organisation {
            seed,
            id,
            company,
            regions,
            used,
            calendar,
            accounts,
            people,
            workloads,
            keys,
            jobs,
            atlas,
            catalogue,
            identity_store,
            sso_provider,
            log_bucket,
        }
    }

    /// The region where a call is recorded: global services in us-east-1.
    pub fn recorded_in(&self, service: &str, region: &'static str) -> &'static str {
        match service {
            "iam" | "organizations" | "cloudfront" | "route53" | "ce" | "health" | "account" | "support"
            | "budgets" | "shield" | "globalaccelerator" | "route53domains" | "trustedadvisor" => self.regions[0],
            _ => region,
        }
    }

    /// The region of Identity Center and of most work.
    pub fn home_region(&self) -> &'static str {
        self.regions.get(1).copied().unwrap_or(self.regions[0])
    }
}

/// How many people there are: as many as an organisation of that many events may have.
pub fn people_count(options: &Options) -> usize {
    if options.people > 0 {
        return options.people;
    }
    let human = options.events as f64 * (1.0 - options.service_share) * 0.3;
    ((human / f64::from(options.days) / 150.0) as usize).clamp(6, 5_000)
}

fn account(index: usize, options: &Options, company: &str, regions: &[&'static str], atlas: &Atlas) -> Account {
    use AccountKind::{Development, LogArchive, Management, Production, Sandbox, Security};
    let seed = mix(options.seed, &[2, index as u64]);
    let mut rng = Rng::derive(seed, &[]);
    let number = 100_000_000_000 + rng.below(899_999_999_999);
    let order = [Management, Production, Development, Security, LogArchive, Sandbox];
    let kind =
        if index < order.len() { order[index] } else { *rng.pick(&[Production, Production, Development, Sandbox]) };
    let (label, weight) = match kind {
        Management => ("management", 0.6),
        LogArchive => ("log-archive", 0.5),
        Security => ("security", 0.6),
        Production => ("prod", 4.0),
        Development => ("dev", 1.8),
        Sandbox => ("sandbox", 0.6),
    };
    let name = if index < order.len() {
        format!("{company}-{label}")
    } else {
        format!("{company}-{}-{label}", rng.pick(WORDS))
    };
    let mut account = Account {
        index,
        number,
        id: format!("{number:012}"),
        name,
        kind,
        weight,
        users: Vec::new(),
        endpoint: format!("vpce-0{}", ids::hex(16, &mut rng)),
        gateways: if mix(seed, &[6]).is_multiple_of(3) { 4 } else { 1 },
        dual_stack: mix(seed, &[7]).is_multiple_of(4),
        second_trails: (0..regions.len())
            .map(|region| Rng::derive(seed, &[5, region as u64]).chance(options.second_trail_share))
            .collect(),
        refuses_logs: matches!(kind, Production | LogArchive),
        lists: Vec::new(),
        seed,
    };
    account.lists = lists(&account, regions, atlas, company, &mut rng);
    account.users = (0..3 + rng.index(4)).map(|_| local_user(&account, &mut rng)).collect();
    account.lists[Pool::User as usize] = account.users.iter().map(|user| user.name.clone()).collect();
    account
}

fn local_user(account: &Account, rng: &mut Rng) -> User {
    let suffix = ["svc", "backup", "sync", "ci", "export", "mail"];
    User {
        account: account.id.clone(),
        name: format!("{}-{}", rng.pick(WORDS), rng.pick(&suffix)),
        id: ids::principal_id("AIDA", account.number, rng),
        key: ids::access_key("AKIA", account.number, rng),
    }
}

/// How many of each thing, and how they are named.
fn lists(account: &Account, regions: &[&'static str], atlas: &Atlas, company: &str, rng: &mut Rng) -> Vec<Vec<String>> {
    let large = matches!(account.kind, AccountKind::Production | AccountKind::Development);
    POOLS
        .iter()
        .map(|(pool, _)| {
            let count = match pool {
                Pool::Vpc | Pool::Trail | Pool::Detector => 2,
                Pool::NatAddress => regions.len(),
                Pool::Instance | Pool::Volume | Pool::Interface | Pool::Secret | Pool::Parameter | Pool::LogGroup
                    if large =>
                {
                    60
                }
                _ if large => 24,
                _ => 8,
            };
            (0..count).map(|nth| thing(*pool, nth, regions, atlas, company, rng)).collect()
        })
        .collect()
}

fn thing(pool: Pool, nth: usize, regions: &[&'static str], atlas: &Atlas, company: &str, rng: &mut Rng) -> String {
    let (one, two) = (*rng.pick(WORDS), *rng.pick(WORDS));
    let tagged = |prefix: &str, rng: &mut Rng| format!("{prefix}-0{}", ids::hex(16, rng));
    match pool {
        Pool::Bucket => format!("{company}-{one}-{two}-{}", ids::hex(5, rng)),
        Pool::Instance => tagged("i", rng),
        Pool::Volume => tagged("vol", rng),
        Pool::Snapshot => tagged("snap", rng),
        Pool::Image => tagged("ami", rng),
        Pool::Group => tagged("sg", rng),
        Pool::Subnet => tagged("subnet", rng),
        Pool::Vpc => tagged("vpc", rng),
        Pool::Interface => tagged("eni", rng),
        Pool::Role => format!("{one}-{two}-role"),
        Pool::Key => ids::uuid_text(ids::uuid(rng)),
        Pool::LogGroup => format!("/aws/lambda/{one}-{two}"),
        Pool::Secret => format!("{one}/{two}-{}", ids::hex(6, rng)),
        Pool::Parameter => format!("/{one}/{two}/{}", ids::hex(4, rng)),
        Pool::Distribution => format!("E{}", ids::hex(12, rng).to_uppercase()),
        Pool::Zone => format!("Z{}", ids::hex(19, rng).to_uppercase()),
        Pool::Trail => {
            if nth == 0 {
                format!("{company}-org-trail")
            } else {
                format!("{one}-trail")
            }
        }
        Pool::Detector => ids::hex(32, rng),
        Pool::NatAddress => atlas.amazon(regions[nth % regions.len()]).address(rng.bits()),
        _ => format!("{one}-{two}-{}", ids::hex(3, rng)),
    }
}

impl Organisation {
    /// The address of the NAT gateway through which an account's machine in a region reaches the internet, by one of its connections.
    pub fn nat(&self, account: usize, region: &str, connection: u64) -> String {
        let account = &self.accounts[account];
        let nth = self.regions.iter().position(|known| *known == region).unwrap_or(0);
        match connection % account.gateways {
            0 => account.names(Pool::NatAddress)[nth].clone(),
            other => self.atlas.amazon(region).address(mix(account.seed, &[8, nth as u64, other])),
        }
    }

    /// The IPv6 address of one of an account's machines in a region; none if it has none.
    pub fn address_v6(&self, account: usize, region: &str, machine: u64) -> Option<String> {
        let account = &self.accounts[account];
        let network = (mix(account.seed, &[9]) & 0xffff) << 16;
        account.dual_stack.then(|| self.atlas.amazon(region).address_v6(network | machine & 0xffff)).flatten()
    }

    /// A server that an intruder may rent: hosting in any city, or an exit of a commercial VPN.
    pub fn intruder_address(&self, rng: &mut Rng) -> String {
        let kind = if rng.chance(0.3) { NetworkKind::Vpn } else { NetworkKind::Hosting };
        let networks = self.atlas.of_kind(kind);
        let network = rng.pick(&networks);
        network.address(rng.bits())
    }
}
