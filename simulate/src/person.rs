//! People: where and when they work, from which networks and with which clients, and what changes in their working lives. In: a person and
//! a day; out: the day's sessions. A day follows from the seed alone, so that every account's unit of work can ask for it without memory.

use crate::{
    atlas::{Atlas, CITIES, HOME_CITIES, NetworkKind},
    calendar::{Calendar, DAY, offices, weekend, yearly},
    ids,
    names::{BROWSERS, FIRST_NAMES, LAPTOPS, LAST_NAMES},
    organisation::{Account, AccountKind, Organisation},
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

/// A computer's clients.
#[derive(Debug)]
pub struct Laptop {
    pub browser: &'static str,
    /// User agent of the AWS CLI, up to the command.
    pub cli: String,
}

/// What somebody does, and with which grants.
#[derive(Debug)]
pub struct Job {
    pub team: Team,
    /// Accounts and permission sets. The first is what is mostly used.
    pub grants: Vec<(usize, &'static str)>,
}

/// An employee.
#[derive(Debug)]
pub struct Person {
    /// `first.last`.
    pub name: String,
    /// User name at Identity Center.
    pub email: String,
    /// Index of the home city.
    pub city: usize,
    /// `userId` at Identity Center.
    pub user_id: String,
    /// The work, and from when on another one.
    job: Job,
    next_job: Option<(i64, Job)>,
    laptop: Laptop,
    next_laptop: Option<(i64, Laptop)>,
    /// The first and the last moment at work, for those who join, return or leave.
    from: i64,
    until: i64,
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
    /// From when on it is in another network, with which address: its owner has left for the train, or come home.
    pub moved: Option<(i64, String)>,
    /// Index among the organisation's regions.
    pub region: usize,
    pub seed: u64,
}

impl WorkSession {
    /// Where the laptop is at a time.
    pub fn address(&self, time: i64) -> &str {
        self.moved.as_ref().filter(|(from, _)| time >= *from).map_or(&self.ip, |(_, address)| address)
    }

    /// Its second address at a time, where it has one.
    pub fn address_v6(&self, time: i64) -> Option<&str> {
        self.ip_v6.as_deref().filter(|_| self.address(time) == self.ip)
    }
}

/// Shares of working days and weeks. A journey abroad a year for most; a tunnel with its exit in another country once in a year or two.
const TRIP_A_WEEK: f64 = 0.03;
const MOBILE_A_DAY: f64 = 0.03;
const VPN_A_DAY: f64 = 0.04;
const VPN_ABROAD_A_DAY: f64 = 0.002;
/// Share of the sessions in which the laptop goes from one network to another.
const MOVED_A_SESSION: f64 = 0.03;
/// One in eight is on call for a week, and is woken in one night of four.
const ON_CALL_A_WEEK: f64 = 0.125;
const WOKEN_A_NIGHT: f64 = 0.25;
/// Share of the sessions in another region that is in use, or in any.
const OTHER_REGION: f64 = 0.1;
const ANY_REGION: f64 = 0.004;

impl Person {
    pub fn new(index: usize, seed: u64, company: &str, accounts: &[Account], calendar: &Calendar) -> Person {
        let offices = offices(seed);
        let turn = index + mix(seed, &[54]) as usize % FIRST_NAMES.len();
        let seed = mix(seed, &[3, index as u64]);
        let mut rng = Rng::derive(seed, &[]);
        // Most people live near one of three offices.
        let city = if rng.chance(0.8) { *rng.pick(&offices) } else { rng.index(HOME_CITIES) };
        let (first, last) = (*rng.pick(FIRST_NAMES), *rng.pick(LAST_NAMES));
        // No two people have one name: the first forty have a first name each, the others a number.
        let name = if index < FIRST_NAMES.len() {
            format!("{}.{last}", FIRST_NAMES[turn % FIRST_NAMES.len()])
        } else {
            format!("{first}.{last}{index}")
        };
        let job = Job::draw(accounts, &mut rng);
        let laptop = Laptop::draw(&mut rng);
        let uses_cli = if job.team == Team::Finance { 0.0 } else { rng.unit() * 0.8 };
        let mut life = Rng::derive(seed, &[7]);
        let joins = calendar.moment(yearly::PERSON_JOINS, &mut life);
        let returns = calendar.moment(yearly::PERSON_RETURNS, &mut life);
        let leaves = calendar.moment(yearly::PERSON_LEAVES, &mut life);
        let from = joins.or(returns).unwrap_or(i64::MIN);
        Person {
            email: format!("{name}@{company}.example"),
            name,
            city,
            user_id: ids::uuid_text(ids::uuid(&mut rng)),
            job,
            next_job: calendar.moment(yearly::TEAM_CHANGES, &mut life).map(|at| (at, Job::draw(accounts, &mut life))),
            laptop,
            next_laptop: calendar.moment(yearly::LAPTOP_REPLACED, &mut life).map(|at| (at, Laptop::draw(&mut life))),
            from,
            until: leaves.filter(|at| *at > from).unwrap_or(i64::MAX),
            home: (rng.index(2), rng.bits()),
            starts: rng.range(7 * 3_600, 10 * 3_600),
            works_at_home: rng.unit(),
            uses_cli,
            dual_stack: rng.chance(0.4),
            seed,
        }
    }

    pub fn job(&self, time: i64) -> &Job {
        self.next_job.as_ref().filter(|(from, _)| time >= *from).map_or(&self.job, |(_, job)| job)
    }

    pub fn employed(&self, time: i64) -> bool {
        (self.from..=self.until).contains(&time)
    }

    /// Whether somebody is there at a time, and has a permission set in an account.
    pub fn works(&self, time: i64, account: usize, set: &str) -> bool {
        self.employed(time) && self.job(time).grants.iter().any(|(index, granted)| *index == account && *granted == set)
    }

    pub fn laptop(&self, time: i64) -> &Laptop {
        self.next_laptop.as_ref().filter(|(from, _)| time >= *from).map_or(&self.laptop, |(_, laptop)| laptop)
    }

    /// The sessions that begin on a day (`day` at midnight UTC), in order.
    pub fn day(&self, organisation: &Organisation, day: i64) -> Vec<WorkSession> {
        let mut sessions = Vec::new();
        if day < self.from || day > self.until {
            return sessions;
        }
        let number = day.div_euclid(DAY);
        let mut rng = Rng::derive(self.seed, &[number as u64]);
        let week = number.div_euclid(7);
        let holiday = Rng::derive(self.seed, &[4, week.div_euclid(2) as u64]).chance(0.07);
        if holiday {
            return sessions;
        }
        let job = self.job(day);
        let (travel, travelled) = (self.travels(week), self.travels(week - 1));
        // The first day of a journey, and the first one after it, are spent under way.
        if number.rem_euclid(7) == 0 && (travel || travelled) {
            return sessions;
        }
        if !travel {
            self.night(organisation, job, day, &mut sessions);
        }
        if !rng.chance(if weekend(day) { 0.04 } else { 0.93 }) {
            return sessions;
        }
        let city = if travel { Rng::derive(self.seed, &[6, week as u64]).index(HOME_CITIES) } else { self.city };
        let (ip, ip_v6) = self.address(organisation, city, travel, day, &mut rng);
        let mut at = day + self.starts - CITIES[city].utc_offset * 3_600 + rng.range(-1_800, 3_600);
        let home_time = at + rng.range(7 * 3_600, 10 * 3_600);
        let already = sessions.len();
        while at < home_time && sessions.len() < already + 12 {
            let length = rng.range(900, 3 * 3_600);
            let (account, set) = job.grants[rng.skewed(job.grants.len())];
            let end = (at + length).min(home_time);
            sessions.push(WorkSession {
                account,
                set,
                start: at,
                end,
                console: !rng.chance(self.uses_cli),
                ip: ip.clone(),
                ip_v6: ip_v6.clone(),
                moved: self.moves(&organisation.atlas, city, at, end),
                region: region(organisation, &mut rng),
                seed: rng.bits(),
            });
            at += length + rng.range(300, 5_400);
        }
        sessions
    }

    /// Whether a laptop changes its network in the midst of a session: from one moment on it is in the other one and nowhere else.
    fn moves(&self, atlas: &Atlas, city: usize, start: i64, end: i64) -> Option<(i64, String)> {
        let mut rng = Rng::derive(self.seed, &[16, start as u64]);
        if !rng.chance(MOVED_A_SESSION) {
            return None;
        }
        let at = rng.range(start, end);
        let mobile = rng.chance(0.7);
        let address = if mobile {
            atlas.nth(NetworkKind::Mobile, city, 0).address(rng.bits())
        } else {
            self.lease(atlas, city, start).0
        };
        Some((at, address))
    }

    fn travels(&self, week: i64) -> bool {
        Rng::derive(self.seed, &[5, week as u64]).chance(TRIP_A_WEEK)
    }

    /// Who runs things is woken now and then: a session from home, in what matters most.
    fn night(&self, organisation: &Organisation, job: &Job, day: i64, sessions: &mut Vec<WorkSession>) {
        if !matches!(job.team, Team::Developer | Team::Platform) {
            return;
        }
        let number = day.div_euclid(DAY);
        let on_call = Rng::derive(self.seed, &[8, number.div_euclid(7) as u64]).chance(ON_CALL_A_WEEK);
        let mut rng = Rng::derive(self.seed, &[9, number as u64]);
        if !on_call || !rng.chance(WOKEN_A_NIGHT) {
            return;
        }
        let start = day - CITIES[self.city].utc_offset * 3_600 + rng.range(0, 5 * 3_600);
        let production =
            |grant: &&(usize, &'static str)| organisation.accounts[grant.0].kind == AccountKind::Production;
        let (account, set) = *job.grants.iter().find(production).unwrap_or(&job.grants[0]);
        sessions.push(WorkSession {
            account,
            set,
            start,
            end: start + rng.range(900, 2 * 3_600),
            console: true,
            ip: self.lease(&organisation.atlas, self.city, day).0,
            ip_v6: None,
            moved: None,
            region: 1,
            seed: rng.bits(),
        });
    }

    /// Where the laptop is on the internet today: office, home, a phone's hot spot, hotel or a tunnel.
    fn address(
        &self,
        organisation: &Organisation,
        city: usize,
        travel: bool,
        day: i64,
        rng: &mut Rng,
    ) -> (String, Option<String>) {
        let atlas = &organisation.atlas;
        if rng.chance(MOBILE_A_DAY) {
            return (atlas.nth(NetworkKind::Mobile, city, 0).address(rng.bits()), None);
        }
        if rng.chance(VPN_A_DAY) {
            return (atlas.nth(NetworkKind::Vpn, city, 0).address(7), None);
        }
        if rng.chance(VPN_ABROAD_A_DAY) {
            return (atlas.nth(NetworkKind::Vpn, rng.index(HOME_CITIES), 0).address(rng.bits()), None);
        }
        if travel || rng.chance(self.works_at_home) {
            return self.lease(atlas, city, day);
        }
        // An office leaves by one of two addresses.
        let office = organisation.calendar.office(city, day);
        (atlas.nth(NetworkKind::Office, city, office).address(40 + rng.below(2)), None)
    }

    /// The address at home, or in a hotel: leased anew every few weeks.
    fn lease(&self, atlas: &Atlas, city: usize, day: i64) -> (String, Option<String>) {
        let lease = mix(self.home.1, &[day.div_euclid(21 * DAY) as u64, city as u64]);
        let network = atlas.nth(NetworkKind::Home, city, self.home.0);
        (network.address(lease), if self.dual_stack { network.address_v6(lease) } else { None })
    }

    /// By which address the office's computers, of those of one desk, reach the internet.
    pub fn office_address(&self, organisation: &Organisation, time: i64) -> String {
        let office = organisation.calendar.office(self.city, time);
        organisation.atlas.nth(NetworkKind::Office, self.city, office).address(40 + (self.seed & 1))
    }

    /// A home address: for attacks that come from the victim's own network.
    pub fn home_address(&self, atlas: &Atlas) -> String {
        atlas.nth(NetworkKind::Home, self.city, self.home.0).address(self.home.1)
    }
}

/// Nearly all work is in one region.
fn region(organisation: &Organisation, rng: &mut Rng) -> usize {
    if rng.chance(ANY_REGION) {
        rng.index(organisation.regions.len())
    } else if rng.chance(OTHER_REGION) {
        rng.index(organisation.used)
    } else {
        1
    }
}

impl Laptop {
    /// What the command line calls itself, for one of its commands.
    pub fn command(&self, service: &str, name: &str) -> String {
        format!("{}{service}.{}", self.cli, name.to_lowercase())
    }

    pub fn draw(rng: &mut Rng) -> Laptop {
        let (laptop, mark) = *rng.pick(LAPTOPS);
        let browsers: Vec<&'static str> = BROWSERS.iter().copied().filter(|browser| browser.contains(mark)).collect();
        Laptop {
            browser: browsers[rng.index(browsers.len())],
            cli: format!("aws-cli/2.{}.{} {laptop} md/command#", rng.range(18, 24), rng.below(20)),
        }
    }
}

impl Job {
    fn draw(accounts: &[Account], rng: &mut Rng) -> Job {
        let team = *rng.pick(&[
            Team::Developer,
            Team::Developer,
            Team::Developer,
            Team::Platform,
            Team::Data,
            Team::Security,
            Team::Finance,
        ]);
        Job { team, grants: grants(team, accounts, rng) }
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
