//! Makes the whole tree: plans what is the same for all, hands days of accounts to threads, gathers what they wrote. A unit of work is one
//! account's day, written in stretches of an hour (or of a delivery period, where that is longer), so memory stays within a few such stretches
//! however long the simulation is.

use std::{
    fs,
    io::Write as _,
    path::Path,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use crate::{
    attack::{self, Story},
    delivery::{self, Delivery, Written},
    human,
    key::{self, Rates},
    mmdb,
    noise::Noise,
    options::{Options, SimulateError},
    organisation::{Account, Organisation},
    permission::{self, Seen},
    person::WorkSession,
    rng::Rng,
    stage::Stage,
};

/// How far the work is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Days of accounts that are done, and how many there are.
    pub done: usize,
    pub total: usize,
    pub events: u64,
    pub objects: u64,
    pub gzip_bytes: u64,
}

/// What was made.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Distinct events, attacks and look-alikes among them.
    pub events: u64,
    /// Records in all objects: events and second copies.
    pub records: u64,
    pub objects: u64,
    pub json_bytes: u64,
    pub gzip_bytes: u64,
    pub accounts: usize,
    pub people: usize,
    pub attacks: usize,
    pub lookalikes: usize,
}

/// Makes the organisation's logs in `options.out`: `AWSLogs/…`, `labels.ndjson`, `lookalikes.ndjson`, `keys.ndjson`, `iam/…`, `permissions.ndjson`,
/// `organisation.json`, `site.toml`, `geo-city.mmdb` and `geo-asn.mmdb`. `progress` is called from this thread, once for each finished day
/// of an account.
///
/// # Errors
/// When an option makes no sense, the folder is not empty, or something cannot be written.
pub fn generate(options: &Options, progress: &dyn Fn(Progress)) -> Result<Summary, SimulateError> {
    options.check()?;
    prepare(&options.out)?;
    let organisation = Organisation::new(options);
    let stories = attack::plan(options, &organisation);
    facts(options, &organisation, &stories)?;
    let (written, seen) = deliver(options, &organisation, &stories, progress)?;
    for (name, bytes) in permission::files(&organisation, &seen) {
        put(&options.out, &name, &bytes)?;
    }
    Ok(Summary {
        events: written.events,
        records: written.records,
        objects: written.objects,
        json_bytes: written.json_bytes,
        gzip_bytes: written.gzip_bytes,
        accounts: organisation.accounts.len(),
        people: organisation.people.len(),
        attacks: stories.iter().filter(|story| story.attack).count(),
        lookalikes: stories.iter().filter(|story| !story.attack).count(),
    })
}

fn prepare(out: &Path) -> Result<(), SimulateError> {
    let failed = |source| SimulateError::Write { path: out.to_owned(), source };
    fs::create_dir_all(out).map_err(failed)?;
    if fs::read_dir(out).map_err(failed)?.next().is_some() {
        return Err(SimulateError::NotEmpty { path: out.to_owned() });
    }
    Ok(())
}

/// Writes the files that stand beside the tree.
fn facts(options: &Options, organisation: &Organisation, stories: &[Story]) -> Result<(), SimulateError> {
    let put = |name: &str, bytes: &[u8]| put(&options.out, name, bytes);
    put("geo-city.mmdb", &mmdb::city_file(&organisation.atlas, options.start))?;
    put("geo-asn.mmdb", &mmdb::asn_file(&organisation.atlas, options.start))?;
    let lines =
        |attack: bool| stories.iter().filter(|story| story.attack == attack).map(Story::label).collect::<String>();
    put("labels.ndjson", lines(true).as_bytes())?;
    put("lookalikes.ndjson", lines(false).as_bytes())?;
    put("keys.ndjson", key::describe(organisation).as_bytes())?;
    put("organisation.json", describe(organisation).as_bytes())?;
    put("site.toml", site_facts(organisation).as_bytes())
}

/// What a deployment says of itself on its first day: the accounts by name, as `aws organizations list-accounts` tells them. No vendor and
/// no network is named, since this organisation learns of its vendors from its people, and its tunnels end at providers that anybody may hire.
fn site_facts(organisation: &Organisation) -> String {
    let owner = format!("platform@{}.example", organisation.company);
    let account = |account: &Account| {
        format!("[[account]]\nid = \"{}\"\nname = \"{}\"\nowner = \"{owner}\"\n", account.id, account.name)
    };
    let accounts: Vec<String> = organisation.accounts.iter().map(account).collect();
    format!("# Site facts of a made-up organisation: its own accounts.\n\n{}", accounts.join("\n"))
}

/// Writes one file below the output folder.
fn put(out: &Path, name: &str, bytes: &[u8]) -> Result<(), SimulateError> {
    let path = out.join(name);
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder
        .and_then(|()| fs::File::create(&path))
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|source| SimulateError::Write { path, source })
}

/// Accounts, people and their networks: what an operator of this organisation would know.
fn describe(organisation: &Organisation) -> String {
    let accounts: Vec<String> = organisation
        .accounts
        .iter()
        .map(|account| {
            format!("{{\"id\":\"{}\",\"name\":\"{}\",\"kind\":\"{:?}\"}}", account.id, account.name, account.kind)
        })
        .collect();
    let people: Vec<String> = organisation
        .people
        .iter()
        .map(|person| {
            format!(
                "{{\"user\":\"{}\",\"team\":\"{:?}\",\"city\":\"{}\"}}",
                person.email,
                person.job(organisation.calendar.start).team,
                crate::atlas::CITIES[person.city].name
            )
        })
        .collect();
    format!(
        "{{\"id\":\"{}\",\"company\":\"{}\",\"accounts\":[\n{}],\n\"people\":[\n{}]}}\n",
        organisation.id,
        organisation.company,
        accounts.join(",\n"),
        people.join(",\n")
    )
}

/// Lets the threads take units until none is left; the first failure stops them all. Tells what was written, and what was done.
fn deliver(
    options: &Options,
    organisation: &Organisation,
    stories: &[Story],
    progress: &dyn Fn(Progress),
) -> Result<(Written, Seen), SimulateError> {
    let days = options.days as usize;
    let total = organisation.accounts.len() * days;
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = if options.threads == 0 { cores } else { options.threads }.min(total);
    let next = AtomicUsize::new(0);
    // Rendezvous of one message a thread: the channel is how results come back, and it is bounded.
    let (sender, receiver) = mpsc::sync_channel::<Result<Written, SimulateError>>(threads);
    let mut sum = Written::default();
    thread::scope(|scope| {
        let workers = (0..threads).map(|_| {
            let sender = sender.clone();
            let next = &next;
            scope.spawn(move || {
                let mut worker = Worker::new(options, organisation, stories);
                loop {
                    let unit = next.fetch_add(1, Ordering::Relaxed);
                    if unit >= total {
                        return worker.seen;
                    }
                    // Day by day over all accounts, so that an interrupted run has whole days. A closed channel means that another unit failed.
                    let result =
                        worker.day(unit % organisation.accounts.len(), (unit / organisation.accounts.len()) as i64);
                    if sender.send(result).is_err() {
                        return worker.seen;
                    }
                }
            })
        });
        let workers: Vec<_> = workers.collect();
        drop(sender);
        let mut done = 0;
        while let Ok(result) = receiver.recv() {
            match result {
                Ok(written) => sum.add(&written),
                Err(error) => {
                    drop(receiver);
                    return Err(error);
                }
            }
            done += 1;
            progress(Progress { done, total, events: sum.events, objects: sum.objects, gzip_bytes: sum.gzip_bytes });
        }
        let mut seen = Seen::default();
        for worker in workers {
            match worker.join() {
                Ok(theirs) => seen.merge(theirs),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok((sum, seen))
    })
}

/// What a thread keeps from one unit to the next.
struct Worker<'a> {
    options: &'a Options,
    organisation: &'a Organisation,
    stories: &'a [Story],
    stage: Stage,
    noise: Noise,
    delivery: Delivery<'a>,
    seen: Seen,
}

impl<'a> Worker<'a> {
    fn new(options: &'a Options, organisation: &'a Organisation, stories: &'a [Story]) -> Worker<'a> {
        Worker {
            options,
            organisation,
            stories,
            stage: Stage::new(options.late_share),
            noise: Noise::default(),
            delivery: Delivery::new(options, organisation),
            seen: Seen::default(),
        }
    }

    /// Writes one day of one account.
    fn day(&mut self, account: usize, day: i64) -> Result<Written, SimulateError> {
        let midnight = self.options.start + day * 86_400;
        let account = &self.organisation.accounts[account];
        // A working day west of Greenwich ends on the next day here, one in the east began on the day before.
        let sessions: Vec<Vec<WorkSession>> = self
            .organisation
            .people
            .iter()
            .map(|person| {
                [midnight - 86_400, midnight, midnight + 86_400]
                    .iter()
                    .flat_map(|from| person.day(self.organisation, *from))
                    .collect()
            })
            .collect();
        let mut written = Written::default();
        let stretch = i64::from(self.options.period_minutes).max(60) * 60;
        for hour in (midnight..midnight + 86_400).step_by(3_600) {
            self.hour(account, &sessions, hour);
            if (hour + 3_600 - midnight) % stretch == 0 {
                self.seen.look(&self.stage);
                written.add(&self.delivery.write(&self.stage, delivery::unit(account.index, hour))?);
                self.stage.clear();
            }
        }
        Ok(written)
    }

    fn hour(&mut self, account: &Account, sessions: &[Vec<WorkSession>], hour: i64) {
        let (options, organisation) = (self.options, self.organisation);
        let mut rng = Rng::derive(options.seed, &[30, account.index as u64, hour as u64]);
        let daily = options.events as f64 / f64::from(options.days);
        let own = daily * account.weight;
        self.noise.hour(organisation, &mut self.stage, account, hour, own * options.service_share / 24.0, &mut rng);
        let rate = human_rate(options, organisation, daily);
        for (person, sessions) in organisation.people.iter().zip(sessions) {
            for work in sessions.iter().filter(|work| work.start - 20 < hour + 3_600 && work.end >= hour) {
                human::hour(organisation, &mut self.stage, account, person, work, hour, rate, &mut rng);
            }
        }
        human::local_users(organisation, &mut self.stage, account, options.users_without_mfa, hour, &mut rng);
        let machines = own * (1.0 - options.service_share) * 0.72 / 24.0;
        for workload in organisation.workloads.iter().filter(|workload| workload.account == account.index) {
            workload.hour(
                organisation,
                &mut self.stage,
                hour,
                machines * workload.weight,
                options.data_share,
                &mut rng,
            );
        }
        let rates = Rates { machines, person: rate, data_share: options.data_share };
        for key in organisation.keys.iter().filter(|key| key.account == account.index) {
            key.hour(organisation, &mut self.stage, sessions, hour, rates);
        }
        for job in organisation.jobs.iter().filter(|job| job.account == account.index) {
            job.hour(organisation, &mut self.stage, hour);
        }
        for story in self.stories {
            story.play(&mut self.stage, account.index, hour);
        }
    }
}

/// Calls an hour of a person's work makes, so that people come to their share of the events: about a quarter of what services do not make.
fn human_rate(options: &Options, organisation: &Organisation, daily: f64) -> f64 {
    // A person works some five hours in sessions on five days of seven.
    let hours = organisation.people.len() as f64 * 5.0 * 5.0 / 7.0;
    (daily * (1.0 - options.service_share) * 0.28 / hours).min(120.0)
}
