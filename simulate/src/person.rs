//! People: where and when they work, from which networks and with which clients. In: a person and a day; out: the day's sessions. A day
//! follows from the seed alone, so that every account's unit of work can ask for it without memory.

use crate::{
    atlas::{Atlas, CITIES, HOME_CITIES, NetworkKind},
    ids,
    names::{BROWSERS, FIRST_NAMES, LAPTOPS, LAST_NAMES},
    organisation::{Account, AccountKind},
    rng::{Rng, mix},
};

/// What somebody does all day: decides which APIs are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Team {
    Developer,
    Platform,
    Data,
    Security,
    Finance,
}

/// An employee.
#[derive(Debug)]
pub struct Person {
    /// `first.last`.
    pub name: String,
    /// User name at Identity Center.
    pub email: String,
    pub team: Team,
    /// Index of the home city.
    pub city: usize,
    pub browser: &'static str,
    /// User agent of the AWS CLI on this laptop.
    pub cli: String,
    /// `userId` at Identity Center.
    pub user_id: String,
    /// Accounts and permission sets that this person works with.
    pub grants: Vec<(usize, &'static str)>,
    /// Which of the home city's networks, and which address there.
    home: (usize, u64),
    starts: i64,
    works_at_home: f64,
    uses_cli: f64,
    dual_stack: bool,
    pub seed: u64,
}

/// One stretch of work with one permission set.
#[derive(Debug)]
pub struct WorkSession {
    pub account: usize,
    pub set: &'static str,
    pub start: i64,
    pub end: i64,
    pub console: bool,
    pub ip: String,
    /// The laptop's second address, where its network has IPv6.
    pub ip_v6: Option<String>,
    pub seed: u64,
}

impl Person {
    pub fn new(index: usize, seed: u64, company: &str, accounts: &[Account], _atlas: &Atlas) -> Person {
        let seed = mix(seed, &[3, index as u64]);
        let mut rng = Rng::derive(seed, &[]);
        // Most people live near one of three offices.
        let offices = [mix(seed, &[]) as usize % 2, 2, 7];
        let city = if rng.chance(0.8) { *rng.pick(&offices) } else { rng.index(HOME_CITIES) };
        let (first, last) = (*rng.pick(FIRST_NAMES), *rng.pick(LAST_NAMES));
        let name = if index < 40 { format!("{first}.{last}") } else { format!("{first}.{last}{index}") };
        let team = *rng.pick(&[
            Team::Developer,
            Team::Developer,
            Team::Developer,
            Team::Platform,
            Team::Data,
            Team::Security,
            Team::Finance,
        ]);
        let (laptop, mark) = *rng.pick(LAPTOPS);
        let browsers: Vec<&'static str> = BROWSERS.iter().copied().filter(|browser| browser.contains(mark)).collect();
        Person {
            email: format!("{name}@{company}.example"),
            name,
            team,
            city,
            browser: browsers[rng.index(browsers.len())],
            cli: format!("aws-cli/2.{}.{} {laptop} md/command#", rng.range(18, 24), rng.below(20)),
            user_id: ids::uuid_text(ids::uuid(&mut rng)),
            grants: grants(team, accounts, &mut rng),
            home: (rng.index(2), rng.bits()),
            starts: rng.range(7 * 3_600, 10 * 3_600),
            works_at_home: rng.unit(),
            uses_cli: if team == Team::Finance { 0.0 } else { rng.unit() * 0.8 },
            dual_stack: rng.chance(0.4),
            seed,
        }
    }

    /// The sessions that begin on a day (`day` at midnight UTC), in order.
    pub fn day(&self, atlas: &Atlas, day: i64) -> Vec<WorkSession> {
        let number = day.div_euclid(86_400);
        let mut rng = Rng::derive(self.seed, &[number as u64]);
        let week = number.div_euclid(7);
        // 1970-01-01 was a Thursday.
        let weekend = matches!((number + 4).rem_euclid(7), 0 | 6);
        let holiday = Rng::derive(self.seed, &[4, week.div_euclid(2) as u64]).chance(0.07);
        if holiday || !rng.chance(if weekend { 0.04 } else { 0.93 }) {
            return Vec::new();
        }
        let travel = Rng::derive(self.seed, &[5, week as u64]).chance(0.03);
        let city = if travel { Rng::derive(self.seed, &[6, week as u64]).index(HOME_CITIES) } else { self.city };
        let (ip, ip_v6) = self.address(atlas, city, travel, week, &mut rng);
        let mut at = day + self.starts - CITIES[city].utc_offset * 3_600 + rng.range(-1_800, 3_600);
        let home_time = at + rng.range(7 * 3_600, 10 * 3_600);
        let mut sessions = Vec::new();
        while at < home_time && sessions.len() < 12 {
            let length = rng.range(900, 3 * 3_600);
            let (account, set) = self.grants[rng.skewed(self.grants.len())];
            sessions.push(WorkSession {
                account,
                set,
                start: at,
                end: (at + length).min(home_time),
                console: !rng.chance(self.uses_cli),
                ip: ip.clone(),
                ip_v6: ip_v6.clone(),
                seed: rng.bits(),
            });
            at += length + rng.range(300, 5_400);
        }
        sessions
    }

    /// Where the laptop is on the internet today: office, home, a phone's hot spot, hotel or the company's VPN.
    fn address(&self, atlas: &Atlas, city: usize, travel: bool, week: i64, rng: &mut Rng) -> (String, Option<String>) {
        let first = |kind, nth| atlas.in_city(kind, city).nth(nth).unwrap_or(&atlas.networks[0]);
        if rng.chance(0.03) {
            return (first(NetworkKind::Mobile, 0).address(rng.bits()), None);
        }
        if rng.chance(0.04) {
            return (first(NetworkKind::Vpn, 0).address(7), None);
        }
        if travel || rng.chance(self.works_at_home) {
            // Home addresses are leased anew every few weeks.
            let lease = mix(self.home.1, &[week.div_euclid(3) as u64, city as u64]);
            let network = first(NetworkKind::Home, self.home.0);
            let v6 = if self.dual_stack { network.address_v6(lease) } else { None };
            return (network.address(lease), v6);
        }
        // An office leaves by one of two addresses.
        (first(NetworkKind::Office, 0).address(40 + rng.below(2)), None)
    }

    /// A home address: for attacks that come from the victim's own network.
    pub fn home_address(&self, atlas: &Atlas) -> String {
        atlas.in_city(NetworkKind::Home, self.city).nth(self.home.0).unwrap_or(&atlas.networks[0]).address(self.home.1)
    }
}

/// Who may do what where. The first grant is what a person mostly uses.
fn grants(team: Team, accounts: &[Account], rng: &mut Rng) -> Vec<(usize, &'static str)> {
    use AccountKind::{Development, LogArchive, Management, Production, Sandbox, Security};
    let wanted: &[(AccountKind, &'static str)] = match team {
        Team::Developer => {
            &[(Development, "PowerUserAccess"), (Production, "ReadOnlyAccess"), (Sandbox, "AdministratorAccess")]
        }
        Team::Platform => &[
            (Production, "AdministratorAccess"),
            (Development, "AdministratorAccess"),
            (Management, "AdministratorAccess"),
            (LogArchive, "ReadOnlyAccess"),
        ],
        Team::Data => &[(Production, "DataAnalyst"), (Development, "DataAnalyst")],
        Team::Security => &[
            (Security, "SecurityAudit"),
            (Production, "SecurityAudit"),
            (LogArchive, "SecurityAudit"),
            (Management, "SecurityAudit"),
        ],
        Team::Finance => &[(Management, "Billing")],
    };
    let mut grants = Vec::new();
    for (kind, set) in wanted {
        let fitting: Vec<usize> =
            accounts.iter().filter(|account| account.kind == *kind).map(|account| account.index).collect();
        if !fitting.is_empty() {
            grants.push((*rng.pick(&fitting), *set));
        }
    }
    if grants.is_empty() {
        grants.push((0, "ReadOnlyAccess"));
    }
    grants
}
