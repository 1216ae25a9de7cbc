//! Made-up organisations: the simulator's, and beside it, in accounts of their own, what the cases of rules tell, with
//! their records moved to where bounds and windows end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use jiff::Timestamp;
use serde_json::Value;
use trailhound_ingest::schema::schema;
use trailhound_ingest::source::{Body, Folder};
use trailhound_ingest::{Content, Decoder, Geo, Limits, ObjectId};
use trailhound_simulate::{AttackKind, Options, Strength, generate};

use super::reference::{DAY, HOUR, told};
use crate::cases::{Case, Cases};
use crate::place::located;
use crate::repeat::spread;
use crate::rule::File;

/// When the simulated organisation begins (a Monday), and how long it is watched.
const BEGIN: i64 = 20_514 * DAY;
const DAYS: i64 = 24;

/// Events of an organisation, each once.
pub struct World {
    pub rows: RecordBatch,
    /// By row.
    pub times: Vec<i64>,
}

/// How much of what the cases tell is in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Of each rule a case that fires, as it is written.
    Plainly,
    /// Of each rule any case, with records moved, copied and left out.
    Freely,
}

impl World {
    /// The simulated organisation of a seed, with every attack in it, and a case of each rule that `rules` names.
    pub fn new(seed: u64, files: &[File], rules: &BTreeSet<&str>, told: Told) -> World {
        let mut batches = cases(seed, files, rules, told);
        batches.push(simulated(seed));
        World::of(&batches)
    }

    /// A case of each rule alone.
    pub fn of_cases(seed: u64, files: &[File], rules: &BTreeSet<&str>, told: Told) -> World {
        World::of(&cases(seed, files, rules, told))
    }

    /// The same with one event more, which is dated 2099 and has to do with nobody.
    pub fn with_future(&self) -> World {
        let record = serde_json::json!({
            "eventVersion": "1.09", "eventTime": "2099-07-01T12:00:00Z", "eventSource": "sts.amazonaws.com",
            "eventName": "GetCallerIdentity", "awsRegion": "eu-west-3", "sourceIPAddress": "203.0.113.99",
            "userAgent": "aws-cli/2.99", "requestParameters": null, "responseElements": null, "eventID": "2099",
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::999999999999:user/zoe", "accountId": "999999999999",
                             "principalId": "AIDAZOE", "accessKeyId": "AKIAZOE", "userName": "zoe"},
            "eventType": "AwsApiCall", "managementEvent": true, "readOnly": true, "recipientAccountId": "999999999999",
            "eventCategory": "Management"
        });
        let objects = [("2099".to_owned(), serde_json::json!({"Records": [record]}).to_string().into_bytes())];
        World::of(&[self.rows.clone(), decode(objects, Geo::default())])
    }

    fn of(batches: &[RecordBatch]) -> World {
        let rows = concat_batches(&schema(), batches).unwrap();
        let times = rows.column_by_name("event_time").unwrap().as_primitive::<TimestampMicrosecondType>();
        World { times: times.values().to_vec(), rows }
    }
}

/// Numbers that look random, the same for the same seed (xorshift64*).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % sides
    }

    pub fn one<'c, T>(&mut self, of: &'c [T]) -> &'c T {
        &of[self.roll(of.len() as u64) as usize]
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.roll(i as u64 + 1) as usize);
        }
    }
}

fn simulated(seed: u64) -> RecordBatch {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let strength = *Dice::new(seed).one(&Strength::ALL);
    let options = Options {
        start: BEGIN / 1_000_000,
        second_trail_share: 0.0,
        period_minutes: 720,
        attacks: AttackKind::ALL.iter().map(|kind| (*kind, strength)).collect(),
        ..Options::new(&logs).seed(seed).accounts(3).days(DAYS as u32).events(9_000).people(12)
    };
    generate(&options, &|_| ()).unwrap();
    let geo = Geo::open(&[logs.join("geo-city.mmdb"), logs.join("geo-asn.mmdb")]).unwrap();
    let source = Folder::open(&logs.display().to_string()).unwrap();
    let objects = source.list().unwrap().into_iter().filter(|object| object.key.ends_with(".json.gz"));
    let objects = objects.map(|object| match source.fetch(&object, u64::MAX).unwrap().body {
        Body::Bytes(bytes) => (object.key, bytes),
        _ => unreachable!("small objects are held"),
    });
    decode(objects, geo)
}

fn decode(objects: impl IntoIterator<Item = (String, Vec<u8>)>, geo: Geo) -> RecordBatch {
    let mut decoder = Decoder::new(0, Limits::default(), Arc::new(geo), 0);
    let mut batches = Vec::new();
    for (key, bytes) in objects {
        let id = ObjectId { bucket: "world".into(), key, identity: String::new() };
        decoder.object(id, Content::Bytes(&bytes), &mut |batch| batches.push(batch));
    }
    batches.extend(decoder.flush());
    let parked: Vec<_> = batches.iter().flat_map(|batch| &batch.objects).filter(|o| !o.parked.is_empty()).collect();
    assert!(parked.is_empty(), "{parked:?}");
    concat_batches(&schema(), &batches.into_iter().map(|batch| batch.rows).collect::<Vec<_>>()).unwrap()
}

/// One case of each rule, told in the simulated organisation's last week.
fn cases(seed: u64, files: &[File], rules: &BTreeSet<&str>, how: Told) -> Vec<RecordBatch> {
    let mut dice = Dice::new(seed ^ 0xca5e);
    let files = files.iter().filter(|f| f.path.strip_suffix(".cases.json").is_some_and(|id| rules.contains(id)));
    let told = files.enumerate().map(|(number, file)| {
        let mut cases = serde_json::from_str::<Cases>(&file.text).unwrap().cases;
        if how == Told::Plainly {
            cases.retain(|case| !case.expect.is_empty());
        }
        let case = dice.one(&cases).clone();
        let places = case.places.clone();
        let records = records(case, number, how, &mut dice);
        let text = serde_json::json!({ "Records": records }).to_string().into_bytes();
        located(decode([(file.path.clone(), text)], Geo::default()), &places).unwrap()
    });
    told.collect()
}

/// The records of a case in an account of its own, moved by whole weeks.
fn records(case: Case, number: usize, how: Told, dice: &mut Dice) -> Vec<Value> {
    let mut records = spread(case.history).unwrap();
    records.extend(spread(case.events).unwrap());
    let mut records: Vec<Value> = serde_json::from_str(&settled(&Value::from(records).to_string(), number)).unwrap();
    let time = |record: &Value| record["eventTime"].as_str().unwrap().parse::<Timestamp>().unwrap().as_microsecond();
    let week = 7 * DAY;
    let weeks = (BEGIN + DAYS * DAY - records.iter().map(time).max().unwrap()).div_euclid(week) * week;
    let times: Vec<i64> = records.iter().map(|record| time(record) + weeks).collect();
    if how == Told::Freely {
        records = records.into_iter().flat_map(|record| copies(record, dice)).collect();
    }
    for (n, record) in records.iter_mut().enumerate() {
        let mut at = time(record) + weeks;
        if how == Told::Freely {
            at = moved(at, *dice.one(&times), dice);
        }
        record["eventTime"] = told(at).into();
        record["eventID"] = format!("case-{number:02}-{n:05}").into();
    }
    records
}

/// Mostly one, now and then none or two.
fn copies(record: Value, dice: &mut Dice) -> Vec<Value> {
    let copies = [0, 2, 2].get(dice.roll(40) as usize).copied().unwrap_or(1);
    vec![record; copies]
}

/// Mostly where it was; or at, just before or behind where a window or a day ends; or a little away; or at the time of
/// another event.
fn moved(time: i64, other: i64, dice: &mut Dice) -> i64 {
    let second = 1_000_000;
    match dice.roll(24) {
        0 | 1 => {
            let unit = *dice.one(&[150 * second, 300 * second, 450 * second, HOUR / 2, HOUR, DAY]);
            let edge = (time.div_euclid(unit) + dice.roll(2) as i64) * unit;
            edge + (dice.roll(3) as i64 - 1) * second
        }
        2 => time + (dice.roll(1_200) as i64 - 600) * second,
        3 => other,
        _ => time,
    }
}

/// The text with every account's number and everybody's address changed in the same way, so that cases do not meet.
fn settled(text: &str, number: usize) -> String {
    let mut numbers: BTreeMap<String, String> = BTreeMap::new();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let len = rest[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - start);
        let (before, digits) = (&rest[..start], &rest[start..start + len]);
        let alone = !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '.')
            && !rest[start + len..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.');
        out += before;
        if len == 12 && alone && !digits.starts_with("00000000") {
            let known = numbers.len();
            out += numbers.entry(digits.to_owned()).or_insert_with(|| format!("7{number:05}{known:06}"));
        } else {
            out += digits;
        }
        rest = &rest[start + len..];
    }
    // People have one name in all accounts.
    (out + rest).replace("@example.", &format!("@case-{number}.example."))
}
