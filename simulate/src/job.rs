//! Jobs that run seldom: one in each larger account runs once a month, one runs once in all the days. In: accounts and a seed; out: the
//! records of their runs. They are there only if asked for ([`Options::jobs`]), and draw from streams of their own.
//!
//! A month here is a third of the days that are simulated, as in a quarter of a year, so that short simulations have such jobs, too.

use crate::{
    calendar::Calendar,
    catalogue::Catalogue,
    identity::{self, Role, Session},
    ids,
    names::WORDS,
    options::Options,
    organisation::{Account, AccountKind, Organisation},
    rng::{Rng, mix},
    stage::{Caller, Failure, Stage},
};

const MONTHLY: &[&str] =
    &["rds:CreateDBSnapshot", "athena:StartQueryExecution", "ce:GetCostAndUsage", "glue:StartJobRun", "s3:ListBuckets"];
const ONCE: &[&str] = &[
    "route53:ChangeResourceRecordSets",
    "ec2:CreateSnapshot",
    "kms:DescribeKey",
    "s3:GetBucketPolicy",
    "events:PutTargets",
];

const AGENT: &str = "Boto3/1.34.145 md/Botocore#1.34.145 ua/2.0 os/linux#5.10.226-235.879.amzn2.x86_64 md/arch#aarch64 lang/python#3.12.6 md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 cfg/retry-mode#legacy Botocore/1.34.145";

/// A job and the times at which it runs.
#[derive(Debug)]
pub struct Job {
    pub account: usize,
    pub role: Role,
    runs: Vec<i64>,
    shapes: Vec<usize>,
    region: &'static str,
    seed: u64,
}

/// All of them.
pub fn all(
    options: &Options,
    accounts: &[Account],
    region: &'static str,
    catalogue: &Catalogue,
    calendar: &Calendar,
) -> Vec<Job> {
    let large = |account: &&Account| matches!(account.kind, AccountKind::Production | AccountKind::Development);
    let with_jobs = accounts.iter().filter(|account| options.jobs && large(account));
    let month = (calendar.end - calendar.start) / 3;
    with_jobs
        .flat_map(|account| [(account, 3, "month-end", MONTHLY), (account, 1, "migration", ONCE)])
        .map(|(account, times, suffix, names)| {
            let seed = mix(options.seed, &[80, account.index as u64, times as u64]);
            let mut rng = Rng::derive(seed, &[]);
            // The last run lies at least half a month before the end, so that there is a silence to be told from the end of use.
            let first = calendar.start + rng.range(month / 10, month / 2);
            Job {
                account: account.index,
                role: account.role("/", &format!("{}-{suffix}", rng.pick(WORDS))),
                runs: (0..times).map(|nth| first + nth * month).collect(),
                shapes: names.iter().map(|name| catalogue.find(name)).collect(),
                region,
                seed,
            }
        })
        .collect()
}

impl Job {
    /// How often it runs.
    pub fn runs(&self) -> &'static str {
        if self.runs.len() > 1 { "monthly" } else { "once" }
    }

    /// Writes the runs that begin within an hour, each of which makes all of its calls within some minutes.
    pub fn hour(&self, organisation: &Organisation, stage: &mut Stage, hour: i64) {
        let account = &organisation.accounts[self.account];
        for run in self.runs.iter().filter(|run| (hour..hour + 3_600).contains(*run)) {
            let mut rng = Rng::derive(self.seed, &[*run as u64]);
            let key = ids::access_key("ASIA", account.number, &mut rng);
            let session = Session { name: &self.role.name, key: &key, created: run - 60, ..Session::default() };
            let identity = identity::assumed_role(&self.role, &session);
            let ip = organisation.atlas.amazon(self.region).address(mix(self.seed, &[1]));
            let caller = Caller {
                account,
                identity: &identity,
                arn: &self.role.session_arn(&self.role.name),
                ip: &ip,
                agent: AGENT,
                console: false,
                endpoint: None,
                own_instance: None,
            };
            // A run that began late in an hour may not reach into the next one, which another unit writes.
            let mut time = *run;
            for shape in &self.shapes {
                stage.emit_shape(organisation, &caller, *shape, self.region, time, Failure::None, &mut rng);
                time = (time + rng.range(1, 90)).min(hour + 3_599);
            }
        }
    }
}
