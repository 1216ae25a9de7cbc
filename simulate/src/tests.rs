//! Whole trees: small ones, made in a temporary folder, read back and taken away.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    AttackKind, Options, SimulateError, Strength, Summary,
    atlas::HOME_CITIES,
    catalogue::{Bodies, Filling},
    generate, ids,
    organisation::Organisation,
    person::Person,
};

/// A folder that is taken away in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Folder(std::env::temp_dir().join(format!("trailhound-simulate-{}-{number}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn files(folder: &Path, found: &mut BTreeMap<String, Vec<u8>>, root: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found, root);
        } else {
            found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
}

/// A tree in memory.
pub struct Tree {
    files: BTreeMap<String, Vec<u8>>,
    summary: Summary,
}

pub fn tree(change: impl Fn(Options) -> Options) -> Tree {
    let folder = Folder::new();
    let summary = generate(&change(Options::new(&folder.0)), &|_| ()).unwrap();
    let mut found = BTreeMap::new();
    files(&folder.0, &mut found, &folder.0);
    Tree { files: found, summary }
}

impl Tree {
    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (name, bytes) in &self.files {
            hash.update(name.as_bytes());
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Name and records of each log object.
    pub fn objects(&self) -> impl Iterator<Item = (&str, Vec<Value>)> {
        self.files.iter().filter(|(name, _)| name.ends_with(".json.gz")).map(|(name, bytes)| {
            let mut text = String::new();
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
            let mut body: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name.as_str(), serde_json::from_value(body["Records"].take()).unwrap())
        })
    }

    /// Names and bytes of what is no log object.
    pub fn beside(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let others = self.files.iter().filter(|(name, _)| !name.ends_with(".json.gz"));
        others.map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    pub fn labels(&self, name: &str) -> Vec<Value> {
        std::str::from_utf8(&self.files[name])
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// As dense as the measured account: 23,000 events in four days, nearly all in one region.
fn measured() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| {
        tree(|options| Options { second_trail_share: 0.5, ..options.seed(9).accounts(2).days(3).events(40_000) })
    })
}

pub fn seconds(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

fn median(values: &mut [i64]) -> i64 {
    values.sort_unstable();
    values[values.len() / 2]
}

#[test]
fn the_same_seed_makes_the_same_bytes() {
    let small = |seed, threads| {
        tree(move |options| options.seed(seed).accounts(3).days(2).events(4_000).threads(threads)).hash()
    };
    let first = small(5, 1);
    assert_eq!(first, small(5, 3), "threads must not matter");
    assert_ne!(first, small(6, 1));
}

#[test]
fn site_facts_name_every_account() {
    let tree = tree(|options| options.accounts(3).days(1).events(500));
    let text = |name: &str| std::str::from_utf8(&tree.files[name]).unwrap();
    let organisation: Value = serde_json::from_str(text("organisation.json")).unwrap();
    let accounts = organisation["accounts"].as_array().unwrap();
    assert_eq!(text("site.toml").matches("[[account]]").count(), accounts.len());
    for account in accounts {
        let named = format!("id = {}\nname = {}\nowner = ", account["id"], account["name"]);
        assert!(text("site.toml").contains(&named), "{named}");
    }
}

#[test]
fn every_record_is_whole() {
    let tree = measured();
    let mut versions = HashSet::new();
    let (mut keys, mut records) = (0, 0);
    for (name, events) in tree.objects() {
        assert!(!events.is_empty(), "{name}");
        for event in &events {
            records += 1;
            for field in [
                "eventVersion",
                "eventTime",
                "eventSource",
                "eventName",
                "awsRegion",
                "sourceIPAddress",
                "userAgent",
                "eventID",
                "eventType",
                "recipientAccountId",
                "eventCategory",
            ] {
                assert!(event[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {event}");
            }
            assert!(
                event["readOnly"].is_boolean()
                    && event["managementEvent"].is_boolean()
                    && event["userIdentity"].is_object()
            );
            let fields = event.as_object().unwrap();
            assert!(fields.contains_key("requestParameters") && fields.contains_key("responseElements"));
            let account = event["recipientAccountId"].as_str().unwrap();
            assert!(
                name.contains(&format!("/{account}/CloudTrail/{}/", event["awsRegion"].as_str().unwrap())),
                "{name}"
            );
            versions.insert(event["eventVersion"].as_str().unwrap().to_owned());
            let identity = &event["userIdentity"];
            if let Some(key) = identity["accessKeyId"].as_str().filter(|key| !key.is_empty()) {
                let owner = identity["accountId"].as_str().unwrap();
                assert_eq!(ids::account_of_key(key).map(|id| format!("{id:012}")).as_deref(), Some(owner), "{key}");
                keys += 1;
            }
        }
    }
    assert!(keys > 1_000);
    assert_eq!(records, tree.summary.records);
    assert_eq!(versions.len(), 4, "{versions:?}");
}

#[test]
fn shapes_and_delays_are_as_measured() {
    let (mut newest_gap, mut oldest_gap, mut sizes, mut counts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut several, mut unsorted, mut records, mut services, mut late) = (0, 0, 0, 0, 0);
    let mut copies: HashMap<String, (u32, String)> = HashMap::new();
    let mut names = HashSet::new();
    for (name, events) in measured().objects() {
        let stamp = name.rsplit('_').nth(1).unwrap();
        let stamp = seconds(&format!(
            "{}-{}-{}T{}:{}:00Z",
            &stamp[..4],
            &stamp[4..6],
            &stamp[6..8],
            &stamp[9..11],
            &stamp[11..13]
        ));
        assert_eq!(stamp % 300, 0);
        let times: Vec<i64> = events.iter().map(|event| seconds(event["eventTime"].as_str().unwrap())).collect();
        let (oldest, newest) = (*times.iter().min().unwrap(), *times.iter().max().unwrap());
        if stamp - oldest > 608 {
            late += 1;
        } else {
            newest_gap.push(stamp - newest);
            oldest_gap.push(stamp - oldest);
        }
        counts.push(events.len() as i64);
        if events.len() > 2 {
            several += 1;
            unsorted += usize::from(!times.is_sorted());
        }
        for event in &events {
            records += 1;
            let text = event.to_string();
            sizes.push(text.len() as i64);
            services += u32::from(event["sourceIPAddress"].as_str().unwrap().parse::<std::net::IpAddr>().is_err());
            names.insert(format!("{}{}", event["eventSource"], event["eventName"]));
            let copy = copies.entry(event["eventID"].as_str().unwrap().to_owned()).or_insert((0, text.clone()));
            copy.0 += 1;
            assert_eq!(copy.1, text, "copies of an event are identical");
        }
    }
    let total = f64::from(records);
    let doubled = copies.values().filter(|copy| copy.0 > 1).count() as f64 / copies.len() as f64;
    assert_eq!(copies.len() as u64, measured().summary.events, "every event id is used once");
    assert!((0.80..0.90).contains(&(f64::from(services) / total)), "services {}", f64::from(services) / total);
    assert!((1_150..1_650).contains(&median(&mut sizes)), "size {}", median(&mut sizes));
    let mean = sizes.iter().sum::<i64>() as f64 / sizes.len() as f64;
    assert!((1_250.0..1_650.0).contains(&mean), "mean size {mean}");
    assert!((3..=8).contains(&median(&mut counts)), "records an object {}", median(&mut counts));
    let unsorted = unsorted as f64 / several as f64;
    assert!((0.18..0.36).contains(&unsorted), "unsorted {unsorted}");
    assert!((0.05..0.95).contains(&doubled), "doubled {doubled}");
    assert!((200..420).contains(&median(&mut oldest_gap)), "stamp less oldest {}", median(&mut oldest_gap));
    assert!(newest_gap.iter().all(|gap| *gap >= 0));
    assert!(late > 0, "some objects hold late events");
    assert!(names.len() > 250, "{} different calls", names.len());
    let planted: u64 = measured().labels("labels.ndjson").iter().map(|label| label["count"].as_u64().unwrap()).sum();
    let events = (measured().summary.events - planted) as f64;
    assert!((36_000.0..44_000.0).contains(&events), "{events} events");
}

#[test]
fn labels_name_events_that_are_there() {
    let tree = tree(|options| options.seed(3).accounts(6).days(10).events(12_000).every_attack());
    let known: HashMap<String, Value> = tree
        .objects()
        .flat_map(|(_, events)| events)
        .map(|event| (event["eventID"].as_str().unwrap().to_owned(), event))
        .collect();
    let labels = tree.labels("labels.ndjson");
    assert_eq!(labels.len(), AttackKind::ALL.len() * Strength::ALL.len());
    let mut told = HashSet::new();
    for label in labels.iter().chain(&tree.labels("lookalikes.ndjson")) {
        let events: Vec<&Value> =
            label["event_ids"].as_array().unwrap().iter().map(|id| &known[id.as_str().unwrap()]).collect();
        assert!(!events.is_empty(), "{label}");
        assert_eq!(events.first().unwrap()["eventTime"], label["first_time"]);
        assert_eq!(events.last().unwrap()["eventTime"], label["last_time"]);
        assert!(label["principal"].as_str().unwrap().starts_with("arn:aws:"), "{label}");
        let accounts = label["accounts"].as_array().unwrap();
        for event in events {
            assert!(accounts.contains(&event["recipientAccountId"]));
            assert!(told.insert(event["eventID"].clone()), "an event belongs to one story");
        }
    }
    let loud = |kind: &str, strength: &str| {
        labels
            .iter()
            .filter(|label| label["kind"] == kind && label["strength"] == strength)
            .map(|label| label["count"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert!(loud("mass_deletion", "loud") > 5 * loud("mass_deletion", "subtle"));
}

#[test]
fn quiet_days_hold_no_attack() {
    let tree = tree(|options| Options { quiet_days: Some(4), ..options.seed(8).accounts(3).days(6).events(3_000) });
    let labels = tree.labels("labels.ndjson");
    assert_eq!(labels.len(), AttackKind::ALL.len());
    for label in labels {
        assert!(seconds(label["first_time"].as_str().unwrap()) >= 1_772_409_600 + 4 * 86_400, "{label}");
    }
}

#[test]
fn an_organisation_changes_and_not_too_much() {
    let organisation = Organisation::new(&Options::new("unused").seed(4).days(30).people(400));
    let calendar = &organisation.calendar;
    let (start, last) = (calendar.start, calendar.end - 1);
    let moved: Vec<usize> = (0..HOME_CITIES).filter(|city| calendar.office(*city, last) == 1).collect();
    assert_eq!(moved.len(), 1, "one office moves");
    assert_eq!(calendar.office(moved[0], start), 0);
    let count = |holds: &dyn Fn(&Person) -> bool| organisation.people.iter().filter(|person| holds(person)).count();
    // Of 400 people in a twelfth of a year: 400 × (0.25 + 0.04) / 12 come, 400 × 0.33 / 12 get another laptop.
    let week =
        |person: &Person, from: i64| (0..7).any(|day| !person.day(&organisation, from + day * 86_400).is_empty());
    let come = count(&|person| !week(person, start) && week(person, last / 86_400 * 86_400 - 6 * 86_400));
    assert!((3..60).contains(&come), "{come}");
    let laptops = count(&|person| person.laptop(start).cli != person.laptop(last).cli);
    assert!((3..25).contains(&laptops), "{laptops}");
    let jobs = count(&|person| person.job(start).grants != person.job(last).grants);
    assert!((1..15).contains(&jobs), "{jobs}");
}

#[test]
fn every_shape_is_json() {
    let organisation = Organisation::new(&Options::new("unused"));
    let mut bodies = Bodies::default();
    assert!(organisation.catalogue.all().len() > 150);
    for shape in organisation.catalogue.all() {
        for draw in 0..5 {
            let filling = Filling {
                account: &organisation.accounts[1],
                region: "eu-west-1",
                time: 1_772_409_600 + draw,
                draw: draw as u64,
                own_instance: None,
            };
            shape.fill(&filling, &mut bodies);
            for body in [&bodies.request, &bodies.response] {
                let parsed: Result<Value, _> = serde_json::from_slice(body);
                assert!(parsed.is_ok(), "{} {}: {}", shape.service, shape.name, String::from_utf8_lossy(body));
            }
            assert!(
                bodies.resources.is_empty() || serde_json::from_slice::<Vec<Value>>(&bodies.resources).is_ok(),
                "{} {}",
                shape.service,
                shape.name
            );
        }
    }
}

#[test]
fn the_demonstration_is_small() {
    let folder = Folder::new();
    let summary = generate(&Options::demo(&folder.0), &|_| ()).unwrap();
    assert!(summary.gzip_bytes < 3_000_000, "{summary:?}");
    assert!(summary.events > 10_000 && summary.objects < 200 && summary.attacks == 9, "{summary:?}");
    let city = maxminddb::Reader::open_readfile(folder.0.join("geo-city.mmdb")).unwrap();
    assert_eq!(city.metadata().ip_version, 6);
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = Folder::new();
    let options = Options::new(&folder.0).accounts(1).days(1).events(100);
    assert!(matches!(
        generate(&Options { period_minutes: 7, ..options.clone() }, &|_| ()),
        Err(SimulateError::Option { .. })
    ));
    assert!(matches!(options.clone().start_day("yesterday"), Err(SimulateError::StartDay { .. })));
    assert_eq!(options.clone().start_day("2026-03-02").unwrap().start, 1_772_409_600);
    generate(&options, &|_| ()).unwrap();
    assert!(matches!(generate(&options, &|_| ()), Err(SimulateError::NotEmpty { .. })));
}
