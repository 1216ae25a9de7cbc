//! Machines: instances, functions, tasks, pods, pipelines, scanners and programs with long-term keys. In: a workload and an hour; out: its
//! records. Keys of temporary sessions follow from the workload, the member and the time, so that the record in which a service assumed
//! the role and the calls made with that key agree without anything being remembered. The length is that of the list of
//! kinds of machines.

use crate::{
    atlas::{Atlas, CITIES, NetworkKind},
    calendar::{Calendar, DAY, weekend, yearly},
    catalogue::{Catalogue, Pool},
    identity::{self, Role, Session, User},
    ids,
    options::Options,
    organisation::{Account, AccountKind, Organisation},
    profile::{PROFILES, Profile},
    record::Call,
    repertoire::Repertoire,
    rng::{Rng, mix},
    stage::{Caller, Failure, Stage},
};

/// What kind of machine, which decides how its sessions look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkloadKind {
    Instances,
    Function,
    Task,
    Pod,
    Pipeline,
    Scanner,
    KeyUser,
    Stack,
}

/// Some machines of one role.
#[derive(Debug)]
pub struct Workload {
    pub account: usize,
    pub region: &'static str,
    pub kind: WorkloadKind,
    pub role: Role,
    /// The IAM user, for programs with long-term keys.
    pub user: Option<User>,
    /// How many machines there are at a time.
    pub members: usize,
    /// A word of its own, in names.
    word: &'static str,
    nth: usize,
    /// When the first version was deployed; what was there from the beginning has long been running.
    pub deployed: i64,
    pub agent: String,
    /// Share of what the account's workloads do.
    pub weight: f64,
    /// Share of calls that are refused.
    pub denied: f64,
    /// Own addresses, for machines that are not in the account's network: from when on, which.
    pub addresses: Vec<(i64, String)>,
    /// Some members call through the VPC endpoint for some services.
    pub through_endpoint: bool,
    repertoire: Repertoire,
    /// Another region that a later version works in.
    region_added: Option<(i64, &'static str)>,
    pub seed: u64,
}

/// Share of the calls in a later version's other region, once it is there.
const REGION_ADDED: f64 = 0.15;

/// Temporary credentials last six hours here.
const BLOCK: i64 = 6 * 3_600;

/// All workloads of all accounts.
pub fn all(
    options: &Options,
    accounts: &[Account],
    regions: (&[&'static str], usize),
    atlas: &Atlas,
    catalogue: &Catalogue,
    calendar: &Calendar,
) -> Vec<Workload> {
    let world = World { regions: regions.0, used: regions.1, atlas, catalogue, calendar, seed: options.seed };
    let mut workloads = Vec::new();
    for account in accounts {
        let daily = options.events as f64 / f64::from(options.days) * account.weight * (1.0 - options.service_share);
        let mut weights = 0.0;
        let first = workloads.len();
        let mut change = Rng::derive(options.seed, &[60, account.index as u64]);
        for nth in 0..2 * PROFILES.len() {
            let profile = &PROFILES[nth % PROFILES.len()];
            // The second of each profile is deployed in the time that is simulated, or not at all.
            let deployed = if nth < PROFILES.len() {
                i64::MIN
            } else if let Some(at) = calendar.moment(yearly::WORKLOAD_NEW, &mut change) {
                at
            } else {
                continue;
            };
            let small =
                matches!(account.kind, AccountKind::Management | AccountKind::LogArchive | AccountKind::Security);
            if small && !matches!(profile.kind, WorkloadKind::Scanner | WorkloadKind::Function | WorkloadKind::KeyUser)
            {
                continue;
            }
            let workload = one(account, nth, profile, daily, deployed, &world);
            weights += workload.weight;
            workloads.push(workload);
        }
        workloads[first..].iter_mut().for_each(|workload| workload.weight /= weights);
    }
    workloads
}

/// What all workloads have in common.
struct World<'a> {
    regions: &'a [&'static str],
    used: usize,
    atlas: &'a Atlas,
    catalogue: &'a Catalogue,
    calendar: &'a Calendar,
    seed: u64,
}

fn one(account: &Account, nth: usize, profile: &Profile, daily: f64, deployed: i64, world: &World) -> Workload {
    use WorkloadKind::{Function, Instances, KeyUser, Pipeline, Pod, Scanner, Stack, Task};
    let &World { catalogue, calendar, .. } = world;
    let seed = mix(world.seed, &[6, account.index as u64, nth as u64]);
    let mut rng = Rng::derive(seed, &[]);
    let one = *rng.pick(crate::names::WORDS);
    let role_name = account.name(Pool::Role, &mut rng).to_owned();
    let region = *rng.pick(&world.regions[..world.used.min(3)]);
    let role = match profile.kind {
        Instances => account.role("/", &format!("{role_name}-ec2-{nth}")),
        Function => account.role("/service-role/", &format!("{}-lambda-{nth}", account.name(Pool::Function, &mut rng))),
        Task => account.role("/", &format!("{role_name}-task-{nth}")),
        Pod => account.role("/", &format!("eks-{one}-irsa")),
        Pipeline => account.role("/", &format!("{one}-deploy")),
        Scanner => account.role("/", &format!("{one}-posture-audit")),
        Stack => account.role("/", &format!("{one}-cfn-exec")),
        KeyUser => account.role("/", "unused"),
    };
    let most = match profile.kind {
        Instances | Task | Pod => (daily * profile.weight / 400.0) as usize,
        _ => 0,
    };
    Workload {
        account: account.index,
        region,
        kind: profile.kind,
        role,
        user: (profile.kind == KeyUser).then(|| account.users[nth % account.users.len()].clone()),
        members: most.clamp(1, 40),
        word: one,
        nth,
        deployed,
        agent: (*rng.pick(profile.agents)).to_owned(),
        weight: profile.weight,
        denied: profile.denied,
        addresses: addresses(profile.kind, world, seed, &mut rng),
        through_endpoint: profile.through_endpoint,
        repertoire: Repertoire::new(profile, catalogue, calendar, &mut rng),
        region_added: calendar
            .moment(yearly::REGION_ADDED, &mut rng)
            .map(|at| (at, world.regions[rng.index(world.regions.len())])),
        seed,
    }
}

/// The addresses of machines outside: scanners at Amazon, programs with keys in some office, whose way out changes now and then.
fn addresses(kind: WorkloadKind, world: &World, seed: u64, rng: &mut Rng) -> Vec<(i64, String)> {
    match kind {
        WorkloadKind::Scanner => vec![(i64::MIN, world.atlas.amazon("us-west-2").address(mix(seed, &[9])))],
        WorkloadKind::KeyUser => {
            let city = rng.index(CITIES.len());
            let address = |nth| world.atlas.nth(NetworkKind::Office, city, nth).address(mix(seed, &[10]));
            let mut addresses = vec![(i64::MIN, address(0))];
            let change = world.calendar.moment(yearly::NETWORK_CHANGES, rng).or(world.calendar.office_moves(city));
            addresses.extend(change.map(|at| (at, address(1))));
            addresses
        }
        _ => Vec::new(),
    }
}

/// Credentials of one member for one block of time.
#[derive(Debug)]
pub struct Credentials {
    /// Session name: an instance's id, a task's, …
    pub member: String,
    pub key: String,
    pub created: i64,
    pub identity: String,
    pub arn: String,
    pub ip: String,
}

impl Workload {
    /// Its own address at a time; none for machines in the account's network.
    pub fn address(&self, time: i64) -> Option<&str> {
        self.addresses.iter().rev().find(|(from, _)| time >= *from).map(|(_, address)| address.as_str())
    }

    /// What member `nth` calls with at a time.
    pub fn credentials(&self, organisation: &Organisation, nth: usize, time: i64) -> Credentials {
        let account = &organisation.accounts[self.account];
        // Members renew at different minutes; a pipeline runs anew each hour.
        let length = if self.kind == WorkloadKind::Pipeline { 3_600 } else { BLOCK };
        let shift =
            if self.kind == WorkloadKind::Pipeline { 0 } else { (mix(self.seed, &[nth as u64]) % BLOCK as u64) as i64 };
        let block = (time - shift).div_euclid(length);
        let created = block * length + shift;
        let mut rng = Rng::derive(self.seed, &[nth as u64, block as u64]);
        let key = ids::access_key("ASIA", account.number, &mut rng);
        let member = self.member(account, nth, created);
        let ip = match (self.address(time), self.kind) {
            (Some(address), _) => address.to_owned(),
            (None, WorkloadKind::Pipeline) => {
                let clouds = organisation.atlas.of_kind(NetworkKind::OtherCloud);
                clouds[rng.index(clouds.len() - 1)].address(rng.bits())
            }
            (None, WorkloadKind::Stack) => "cloudformation.amazonaws.com".to_owned(),
            (None, WorkloadKind::Function) => organisation.atlas.amazon(self.region).address(rng.bits()),
            (None, _) => organisation.nat(self.account, self.region, 0),
        };
        if let Some(user) = &self.user {
            return Credentials {
                identity: identity::user(user, &user.key),
                arn: user.arn(),
                key: user.key.clone(),
                created,
                ip,
                member,
            };
        }
        let scope = (self.kind == WorkloadKind::Function).then(|| {
            let Role { account, .. } = &self.role;
            format!("{{\"issuerType\":\"AWS::Lambda::Function\",\"credentialsIssuedTo\":\"arn:aws:lambda:{}:{account}:function:{member}\"}}", self.region)
        });
        let provider = match self.kind {
            WorkloadKind::Pod => Some(format!(
                "arn:aws:iam::{}:oidc-provider/oidc.eks.{}.amazonaws.com/id/{}",
                account.id,
                self.region,
                ids::hex(32, &mut Rng::derive(self.seed, &[8])).to_uppercase()
            )),
            WorkloadKind::Pipeline => {
                Some(format!("arn:aws:iam::{}:oidc-provider/token.actions.githubusercontent.com", account.id))
            }
            _ => None,
        };
        let session = Session {
            name: &member,
            key: if self.kind == WorkloadKind::Stack { "" } else { &key },
            created,
            ec2_delivery: (self.kind == WorkloadKind::Instances).then_some("2.0"),
            in_scope_of: scope.as_deref(),
            web_provider: provider.as_deref(),
            invoked_by: (self.kind == WorkloadKind::Stack).then_some("cloudformation.amazonaws.com"),
            ..Session::default()
        };
        Credentials {
            identity: identity::assumed_role(&self.role, &session),
            arn: self.role.session_arn(&member),
            key,
            created,
            ip,
            member,
        }
    }

    /// The session name of a member at a time. Machines are replaced: instances every few days, tasks and pods with every deployment.
    fn member(&self, account: &Account, nth: usize, time: i64) -> String {
        let lives = DAY * (3 + (mix(self.seed, &[12, nth as u64]) % 10) as i64);
        let generation = time.div_euclid(lives) as u64;
        let mut rng = Rng::derive(self.seed, &[13, nth as u64, generation]);
        let word = self.word;
        match self.kind {
            WorkloadKind::Instances => {
                let instances = account.names(Pool::Instance);
                instances[(self.nth * 7 + nth + 17 * generation as usize) % instances.len()].clone()
            }
            WorkloadKind::Function => account.name(Pool::Function, &mut Rng::derive(self.seed, &[14])).to_owned(),
            WorkloadKind::Task => ids::hex(32, &mut rng),
            WorkloadKind::Pod => {
                format!("eks-{word}-{word}-{}-{}", ids::hex(10, &mut rng), ids::uuid_text(ids::uuid(&mut rng)))
            }
            WorkloadKind::Pipeline => "GitHubActions".to_owned(),
            WorkloadKind::Scanner => format!("{word}-scan"),
            WorkloadKind::Stack => "AWSCloudFormation".to_owned(),
            WorkloadKind::KeyUser => String::new(),
        }
    }

    /// Writes what the workload does in an hour; `expected` is the mean number of calls.
    pub fn hour(
        &self,
        organisation: &Organisation,
        stage: &mut Stage,
        hour: i64,
        expected: f64,
        data_share: f64,
        rng: &mut Rng,
    ) {
        if hour < self.deployed {
            return;
        }
        let account = &organisation.accounts[self.account];
        for nth in 0..self.members {
            self.renew(organisation, stage, nth, hour, rng);
        }
        let mut now: Vec<Option<Credentials>> = (0..self.members).map(|_| None).collect();
        let agent = if self.kind == WorkloadKind::Stack { "cloudformation.amazonaws.com" } else { &self.agent };
        for _ in 0..rng.poisson(expected * self.activity(hour)) {
            let nth = rng.index(self.members);
            let time = hour + rng.range(0, 3_600);
            let credentials = now[nth].get_or_insert_with(|| self.credentials(organisation, nth, time));
            // The key was renewed within this hour and the call lies on the other side.
            if self.user.is_none() && (time < credentials.created || time - credentials.created >= BLOCK) {
                *credentials = self.credentials(organisation, nth, time);
            }
            let shape = self.repertoire.draw(time, data_share, rng);
            let region = match self.region_added {
                Some((from, region)) if time >= from && rng.chance(REGION_ADDED) => region,
                _ => self.region,
            };
            let service = organisation.catalogue.get(shape).service;
            let endpoint = self.through_endpoint && has_endpoint(service);
            let private = format!("10.{}.{}.{}", self.account % 200, nth % 200, 10 + nth % 200);
            let public = self.public(organisation, nth, service, time);
            let caller = Caller {
                account,
                identity: &credentials.identity,
                arn: &credentials.arn,
                ip: if endpoint { &private } else { public.as_ref().unwrap_or(&credentials.ip) },
                agent: if service.starts_with("ssm") || service == "ec2messages" { SSM_AGENT } else { agent },
                console: false,
                endpoint: endpoint.then_some((account.endpoint.as_str(), account.id.as_str())),
                own_instance: (self.kind == WorkloadKind::Instances).then_some(credentials.member.as_str()),
            };
            let failure = if rng.chance(self.denied) {
                Failure::Denied
            } else if rng.chance(0.004) {
                Failure::Ordinary
            } else {
                Failure::None
            };
            stage.emit_shape(organisation, &caller, shape, region, time, failure, rng);
        }
    }

    /// By which address a machine in the account's network makes a call on the internet; none for those that are elsewhere.
    fn public(&self, organisation: &Organisation, nth: usize, service: &str, time: i64) -> Option<String> {
        if !matches!(self.kind, WorkloadKind::Instances | WorkloadKind::Task | WorkloadKind::Pod) {
            return None;
        }
        // One connection after the other: whichever protocol answers first, and the gateway's next address.
        let connection = mix(self.seed, &[16, nth as u64, time as u64]);
        let v6 = if connection & 1 == 1 && answers_v6(service) {
            organisation.address_v6(self.account, self.region, mix(self.seed, &[17, nth as u64]))
        } else {
            None
        };
        v6.or_else(|| Some(organisation.nat(self.account, self.region, connection >> 1)))
    }

    /// How busy this hour is, against the day's mean of one.
    fn activity(&self, hour: i64) -> f64 {
        let of_day = hour.rem_euclid(86_400) / 3_600;
        let weekday = !weekend(hour);
        match self.kind {
            // Scans run at night, nightly jobs after them, pipelines by day.
            WorkloadKind::Scanner => {
                if matches!(of_day, 2..=4) {
                    8.0
                } else {
                    0.0
                }
            }
            WorkloadKind::Pipeline | WorkloadKind::Stack => {
                if weekday && (7..18).contains(&of_day) {
                    // Releases come in bursts.
                    if mix(self.seed, &[15, hour as u64]).is_multiple_of(10) { 12.0 } else { 2.0 }
                } else {
                    0.12
                }
            }
            WorkloadKind::KeyUser => {
                if matches!(of_day, 1 | 2) {
                    4.0
                } else {
                    0.73
                }
            }
            _ => {
                if (7..20).contains(&of_day) {
                    1.3
                } else {
                    0.65
                }
            }
        }
    }

    /// Writes the record in which the role was assumed, when a member's key begins in this hour.
    fn renew(&self, organisation: &Organisation, stage: &mut Stage, nth: usize, hour: i64, rng: &mut Rng) {
        let account = &organisation.accounts[self.account];
        let credentials = self.credentials(organisation, nth, hour + 3_599);
        let begins = (hour..hour + 3_600).contains(&credentials.created);
        let busy = self.activity(hour) > 0.5;
        if self.user.is_some() || !begins || !busy {
            return;
        }
        let service = match self.kind {
            WorkloadKind::Instances => "ec2.amazonaws.com",
            WorkloadKind::Function => "lambda.amazonaws.com",
            WorkloadKind::Task => "ecs-tasks.amazonaws.com",
            WorkloadKind::Stack => "cloudformation.amazonaws.com",
            WorkloadKind::Scanner => return,
            WorkloadKind::Pod | WorkloadKind::Pipeline => {
                return self.web_identity(organisation, stage, &credentials, rng);
            }
            WorkloadKind::KeyUser => return,
        };
        let member = &credentials.member;
        let arn = self.role.arn();
        let identity = identity::service(service);
        let request = format!("{{\"roleArn\":\"{arn}\",\"roleSessionName\":\"{member}\"}}");
        let response = format!(
            "{{{},{}}}",
            issued(&credentials.key, credentials.created + BLOCK, rng),
            assumed(&self.role, member)
        );
        let resources = role_resource(&account.id, &arn);
        let mut call = Call::new(credentials.created, "sts", "AssumeRole", self.region, &account.id, &identity);
        call.ip = service;
        call.agent = service;
        call.request = request.as_bytes();
        call.response = response.as_bytes();
        call.resources = resources.as_bytes();
        call.shared = Some(ids::uuid(rng));
        stage.emit(organisation, account, &call, rng);
    }

    fn web_identity(&self, organisation: &Organisation, stage: &mut Stage, credentials: &Credentials, rng: &mut Rng) {
        let account = &organisation.accounts[self.account];
        let member = &credentials.member;
        let (provider, subject) = if self.kind == WorkloadKind::Pipeline {
            (
                "token.actions.githubusercontent.com".to_owned(),
                format!("repo:{}/{}:ref:refs/heads/main", organisation.company, self.role.name),
            )
        } else {
            let id = ids::hex(32, &mut Rng::derive(self.seed, &[8])).to_uppercase();
            (
                format!("oidc.eks.{}.amazonaws.com/id/{id}", self.region),
                format!("system:serviceaccount:default:{}", self.role.name),
            )
        };
        let arn = self.role.arn();
        let provider_arn = format!("arn:aws:iam::{}:oidc-provider/{provider}", account.id);
        let identity = format!(
            "{{\"type\":\"WebIdentityUser\",\"principalId\":\"{provider_arn}:sts.amazonaws.com:{subject}\",\"userName\":\"{subject}\",\"identityProvider\":\"{provider_arn}\"}}"
        );
        let request = format!("{{\"roleArn\":\"{arn}\",\"roleSessionName\":\"{member}\",\"durationSeconds\":3600}}");
        let response = format!(
            "{{{},\"subjectFromWebIdentityToken\":\"{subject}\",{},\"provider\":\"{provider_arn}\",\"audience\":\"sts.amazonaws.com\"}}",
            issued(&credentials.key, credentials.created + 3_600, rng),
            assumed(&self.role, member)
        );
        let resources = role_resource(&account.id, &arn);
        let mut call =
            Call::new(credentials.created, "sts", "AssumeRoleWithWebIdentity", self.region, &account.id, &identity);
        call.ip = &credentials.ip;
        call.agent = if self.kind == WorkloadKind::Pipeline {
            "aws-sdk-js/3.614.0 ua/2.0 os/linux#6.5.0-1025-azure lang/js md/nodejs#20.18.0 api/sts#3.614.0 configure-aws-credentials-for-github-actions"
        } else {
            &self.agent
        };
        call.request = request.as_bytes();
        call.response = response.as_bytes();
        call.resources = resources.as_bytes();
        stage.emit(organisation, account, &call, rng);
    }
}

/// Whether what is called lies behind the VPC endpoints that this organisation has.
pub fn has_endpoint(service: &str) -> bool {
    matches!(service, "s3" | "kms" | "ssm" | "ec2messages" | "logs" | "secretsmanager" | "sqs")
}

/// Whether programs reach a service by IPv6 too, as they do where its endpoint has both protocols.
pub fn answers_v6(service: &str) -> bool {
    matches!(service, "s3" | "ec2" | "ssm" | "sqs" | "lambda" | "secretsmanager" | "logs" | "dynamodb")
}

const SSM_AGENT: &str = "aws-sdk-go/1.55.5 (go1.22.7; linux; amd64) amazon-ssm-agent/3.3.987.0";

/// The `credentials` member of an STS answer.
pub fn issued(key: &str, expires: i64, rng: &mut Rng) -> String {
    let mut token = Vec::with_capacity(360);
    ids::push_base64(&mut token, 344, rng);
    format!(
        "\"credentials\":{{\"accessKeyId\":\"{key}\",\"sessionToken\":\"{}==\",\"expiration\":\"{}\"}}",
        String::from_utf8_lossy(&token),
        ids::java_time(expires)
    )
}

/// The `assumedRoleUser` member of an STS answer.
pub fn assumed(role: &Role, session: &str) -> String {
    format!(
        "\"assumedRoleUser\":{{\"assumedRoleId\":\"{}:{session}\",\"arn\":\"{}\"}}",
        role.id,
        role.session_arn(session)
    )
}

/// The `resources` of a record about a role.
pub fn role_resource(account: &str, arn: &str) -> String {
    format!("[{{\"accountId\":\"{account}\",\"type\":\"AWS::IAM::Role\",\"ARN\":\"{arn}\"}}]")
}
