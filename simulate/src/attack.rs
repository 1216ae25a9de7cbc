//! Attacks, planned before anything is written: small stories with all their records, of which each unit of work plays the part that falls
//! into its account and hour. Beside them benign look-alikes: ordinary acts that a careless rule would take for an attack.

mod access;
mod benign;
mod chores;
mod defence;
mod impact;
mod persistence;
mod scene;
mod theft;

use crate::{
    calendar::DAY,
    ids,
    options::Options,
    organisation::Organisation,
    rng::Rng,
    stage::{Entry, Stage},
};

pub(crate) use scene::Scene;

/// How much noise an intruder makes. Subtle: few calls, hours apart, from the victim's own network and with its client where that is possible.
/// Loud: many calls within seconds, refused ones among them, from a new network with another client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strength {
    Subtle,
    Moderate,
    Loud,
}

impl Strength {
    pub const ALL: [Strength; 3] = [Strength::Subtle, Strength::Moderate, Strength::Loud];

    /// The word in labels.
    pub fn name(self) -> &'static str {
        match self {
            Strength::Subtle => "subtle",
            Strength::Moderate => "moderate",
            Strength::Loud => "loud",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal [$($technique:literal)*] $play:path;)*) => {
        /// What an intruder does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum AttackKind { $($(#[$doc])* $kind,)* }

        impl AttackKind {
            pub const ALL: &'static [AttackKind] = &[$(AttackKind::$kind,)*];

            /// The word in labels.
            pub fn name(self) -> &'static str {
                match self { $(AttackKind::$kind => $name,)* }
            }

            /// MITRE ATT&CK techniques.
            pub fn techniques(self) -> &'static [&'static str] {
                match self { $(AttackKind::$kind => &[$($technique,)*],)* }
            }

            fn play(self, scene: &mut Scene) {
                match self { $(AttackKind::$kind => $play(scene),)* }
            }
        }
    };
}

kinds! {
    /// Root signs in without MFA and looks around.
    RootConsole "root_console" ["T1078.004"] access::root_console;
    /// Root makes an access key for itself, and it is used.
    RootKey "root_key" ["T1078.004" "T1098.001"] access::root_key;
    /// An IAM user's password is used where the user has no MFA.
    ConsoleWithoutMfa "console_without_mfa" ["T1078.004"] access::console_without_mfa;
    /// One password tried on many users, until one fits.
    PasswordSpray "password_spray" ["T1110.003" "T1078.004"] access::password_spray;
    /// A program's access key in other hands: who am I, what is here, then a user of one's own.
    StolenKey "stolen_key" ["T1078.004" "T1087.004" "T1136.003" "T1098.001"] access::stolen_key;
    /// A long-term key used by somebody else too, now and then, for weeks.
    SlowSharedKey "slow_shared_key" ["T1078.004" "T1552.001"] access::slow_shared_key;
    /// An instance's credentials used elsewhere.
    InstanceCredentials "instance_credentials" ["T1552.005" "T1078.004"] access::instance_credentials;
    /// A person's session used elsewhere too, while it lasts.
    SessionStolen "session_stolen" ["T1539" "T1078.004" "T1530"] access::session_stolen;
    /// From role to role across accounts.
    RoleChain "role_chain" ["T1548.005" "T1078.004"] access::role_chain;
    /// A console password for somebody else's user.
    LoginProfile "login_profile" ["T1098" "T1078.004"] persistence::login_profile;
    /// A second factor taken away and not replaced.
    MfaRemoved "mfa_removed" ["T1556.006"] persistence::mfa_removed;
    /// A role's trust policy opened to a stranger's account, or to all.
    TrustOpened "trust_opened" ["T1098.003"] persistence::trust_opened;
    /// A policy that allows everything, written as an inline document.
    AdminPolicy "admin_policy" ["T1098.003"] persistence::admin_policy;
    /// An identity provider added or its metadata replaced.
    ProviderChanged "provider_changed" ["T1484.002"] persistence::provider_changed;
    /// The trail stopped or deleted.
    TrailStopped "trail_stopped" ["T1562.008"] defence::trail_stopped;
    /// The trail made to record less.
    SelectorsNarrowed "selectors_narrowed" ["T1562.008"] defence::selectors_narrowed;
    /// Threat detection switched off.
    DetectorDeleted "detector_deleted" ["T1562.001"] defence::detector_deleted;
    /// The account taken out of the organisation and its guard rails.
    OrganizationLeft "organization_left" ["T1562.001" "T1666"] defence::organization_left;
    /// AWS found the key in public and attached its quarantine policy; somebody uses it.
    KeyQuarantined "key_quarantined" ["T1552.001" "T1078.004"] defence::key_quarantined;
    /// A disk or database snapshot shared with everybody or a stranger.
    SnapshotPublic "snapshot_public" ["T1537"] impact::snapshot_public;
    /// A bucket opened to the world.
    BucketPublic "bucket_public" ["T1530"] impact::bucket_public;
    /// Many secrets read in a row.
    SecretsInBulk "secrets_in_bulk" ["T1555.006"] impact::secrets_in_bulk;
    /// Encryption keys scheduled for deletion.
    KeyDeletion "key_deletion" ["T1485" "T1486"] impact::key_deletion;
    /// Machines started at somebody else's expense, in one region or many.
    Mining "mining" ["T1496" "T1578.002"] impact::mining;
    /// Backups, snapshots and objects deleted, as extortionists do.
    MassDeletion "mass_deletion" ["T1485" "T1490"] impact::mass_deletion;
    /// A program's long-term key used by a thief, too, in between the program's own calls.
    KeyInUseStolen "key_in_use_stolen" ["T1078.004" "T1552.001" "T1087.004" "T1530"] theft::key_in_use_stolen;
    /// A person's long-term key used by a thief, too.
    PersonalKeyStolen "personal_key_stolen" ["T1078.004" "T1552.001" "T1087.004" "T1530"] theft::personal_key_stolen;
    /// An instance's credentials used in another VPC, through its endpoint.
    CredentialsThroughEndpoint "credentials_through_endpoint" ["T1552.005" "T1078.004" "T1530"] theft::credentials_through_endpoint;
    /// A function's or a container's credentials used outside.
    RuntimeCredentials "runtime_credentials" ["T1552.005" "T1078.004" "T1530"] theft::runtime_credentials;
    /// One host tries a collection of keys.
    KeysTried "keys_tried" ["T1552.001" "T1078.004" "T1087.004"] theft::keys_tried;
    /// Several stolen users in one role under one session name.
    SessionNameOfMany "session_name_of_many" ["T1078.004" "T1548.005"] theft::session_name_of_many;
}

/// A planned story and its records.
pub(crate) struct Story {
    /// False for benign look-alikes.
    pub attack: bool,
    id: String,
    kind: &'static str,
    techniques: &'static [&'static str],
    strength: &'static str,
    principal: String,
    text: Vec<u8>,
    /// Sorted by account and time.
    entries: Vec<Entry>,
    accounts: Vec<String>,
}

impl Story {
    /// Writes what happens in an account within an hour.
    pub fn play(&self, stage: &mut Stage, account: usize, hour: i64) {
        let key = |entry: &Entry| (entry.account as usize, entry.time);
        let from = self.entries.partition_point(|entry| key(entry) < (account, hour));
        let to = self.entries.partition_point(|entry| key(entry) < (account, hour + 3_600));
        for entry in &self.entries[from..to] {
            let start = stage.text.len();
            stage.text.extend_from_slice(&self.text[entry.start..entry.start + entry.length]);
            stage.entries.push(Entry { start, ..*entry });
        }
    }

    /// The story's line in `labels.ndjson` or `lookalikes.ndjson`.
    pub fn label(&self) -> String {
        let quoted = |items: &mut dyn Iterator<Item = String>| {
            items.map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(",")
        };
        let mut by_time: Vec<&Entry> = self.entries.iter().collect();
        by_time.sort_by_key(|entry| (entry.time, entry.start));
        let first = by_time.first().map_or(0, |entry| entry.time);
        let last = by_time.last().map_or(0, |entry| entry.time);
        format!(
            "{{\"id\":\"{}\",\"kind\":\"{}\",\"techniques\":[{}],\"strength\":\"{}\",\"principal\":\"{}\",\"accounts\":[{}],\"first_time\":\"{}\",\"last_time\":\"{}\",\"count\":{},\"event_ids\":[{}]}}\n",
            self.id,
            self.kind,
            quoted(&mut self.techniques.iter().map(|technique| (*technique).to_owned())),
            self.strength,
            self.principal,
            quoted(&mut self.accounts.iter().cloned()),
            ids::time_text(first),
            ids::time_text(last),
            by_time.len(),
            quoted(&mut by_time.iter().map(|entry| ids::uuid_text(entry.id))),
        )
    }
}

/// Plans all stories. Attacks lie behind the quiet days, so that there is a history against which they stand out, and early enough to end
/// before the simulation does; look-alikes and chores lie anywhere.
pub(crate) fn plan(options: &Options, organisation: &Organisation) -> Vec<Story> {
    let calendar = &organisation.calendar;
    let quiet = options.quiet_days.map_or((calendar.end - calendar.start) / 2, |days| i64::from(days) * DAY);
    let begin = calendar.start + quiet;
    let attacks = (begin, begin + (calendar.end - begin) * 7 / 10);
    let anywhere = (calendar.start, calendar.end - 3_600);
    let mut stories = Vec::new();
    for (nth, (kind, strength)) in options.attacks.iter().enumerate() {
        let id = format!("attack-{:03}-{}", nth + 1, kind.name());
        let mut scene = Scene::new(organisation, Rng::derive(options.seed, &[40, nth as u64]), *strength, attacks);
        kind.play(&mut scene);
        scene.finish();
        stories.push(finish(scene, true, id, kind.name(), kind.techniques(), strength.name(), options));
    }
    let mut benign = |group: u64, nth: usize, round: u64, name: &'static str, play: fn(&mut Scene)| {
        let id = format!("benign-{:03}-{name}", stories.len() + 1 - options.attacks.len());
        let rng = Rng::derive(options.seed, &[group, round, nth as u64]);
        let mut scene = Scene::new(organisation, rng, Strength::Moderate, anywhere);
        play(&mut scene);
        stories.push(finish(scene, false, id, name, &[], "benign", options));
    };
    for round in 0..u64::from(options.lookalikes) {
        for (nth, (name, play)) in benign::ALL.iter().enumerate() {
            benign(41, nth, round, name, *play);
        }
    }
    let people_months = organisation.people.len() as f64 / 1_000.0 * f64::from(options.days) / 30.0;
    for (nth, (name, monthly, play)) in chores::ALL.iter().enumerate() {
        let count = Rng::derive(options.seed, &[42, nth as u64]).poisson(monthly * people_months);
        for round in 0..count {
            benign(43, nth, round, name, *play);
        }
    }
    stories
}

fn finish(
    scene: Scene,
    attack: bool,
    id: String,
    kind: &'static str,
    techniques: &'static [&'static str],
    strength: &'static str,
    options: &Options,
) -> Story {
    let end = options.start + i64::from(options.days) * 86_400;
    let Stage { text, mut entries, .. } = scene.stage;
    // What would happen after the last day is not in the tree, and so not in the label.
    entries.retain(|entry| (options.start..end).contains(&entry.time));
    entries.sort_by_key(|entry| (entry.account, entry.time, entry.start));
    let mut accounts: Vec<String> =
        entries.iter().map(|entry| scene.organisation.accounts[entry.account as usize].id.clone()).collect();
    accounts.dedup();
    Story { attack, id, kind, techniques, strength, principal: scene.principal, text, entries, accounts }
}
