//! A simulated organisation as rows of `events`, and as many of it as one likes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringViewArray, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::record_batch::RecordBatch;
use trailhound_ingest::schema::schema;
use trailhound_ingest::source::{Body, Folder};
use trailhound_ingest::{Batch, Content, Decoder, Geo, Limits, ObjectId, ObjectOutcome, ObjectReport};
use trailhound_simulate::{Options, generate};
use trailhound_testing::reference::Gunzip;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// Of one organisation, half of them by people and workloads: some fifty for each of these, a third of what `simulate` takes for
/// a person's day unless told otherwise.
const EVENTS_A_DAY: u64 = 4_000;
/// What tells one organisation from the next: names and keys end in the copy's number. Accounts stay numbers, and ids of events
/// UUIDs.
const TOLD_APART: &[&str] = &[
    "principal_key",
    "principal_name",
    "session_name",
    "user_identity_arn",
    "user_identity_access_key_id",
    "user_identity_user_name",
    "response_access_key_id",
];

const ACCOUNTS: &[&str] =
    &["account_id", "recipient_account_id", "user_identity_account_id", "vpc_endpoint_account_id"];
/// How many accounts there can be.
const ACCOUNTS_MAX: u64 = 1_000_000_000_000;

pub struct Organisation {
    /// By event time.
    rows: RecordBatch,
    times: Vec<i64>,
    begin: i64,
    days: usize,
    principals: usize,
    /// Which rows are attacks'.
    attacks: Vec<bool>,
    objects: Vec<Vec<u8>>,
}

impl Organisation {
    /// Three accounts over so many days: half of the events are AWS services' own, as in a middling account.
    pub fn simulated(days: u32) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let logs = folder.path().join("logs");
        let options = Options {
            service_share: 0.5,
            second_trail_share: 0.0,
            period_minutes: 720,
            ..Options::new(&logs).seed(5).accounts(3).days(days).events(EVENTS_A_DAY * u64::from(days)).people(40)
        };
        generate(&options, &|_| ())?;
        let geo = Geo::open(&[logs.join("geo-city.mmdb"), logs.join("geo-asn.mmdb")])?;
        let source = Folder::open(&logs.display().to_string())?;
        let mut decoder = Decoder::new(0, Limits::default(), Arc::new(geo), 0);
        let (mut batches, mut objects) = (Vec::new(), Vec::new());
        for object in source.list()?.into_iter().filter(|object| object.key.ends_with(".json.gz")) {
            let Body::Bytes(bytes) = source.fetch(&object, u64::MAX)?.body else {
                anyhow::bail!("an object is not held")
            };
            let id = ObjectId { bucket: "bench".into(), key: object.key, identity: String::new() };
            decoder.object(id, Content::Bytes(&bytes), &mut |batch| batches.push(batch.rows));
            objects.push(bytes);
        }
        batches.extend(decoder.flush().map(|batch| batch.rows));
        let rows = concat_batches(&schema(), &batches)?;
        let times = times(&rows)?;
        let mut order: Vec<u32> = (0..times.len() as u32).collect();
        order.sort_by_key(|row| times[*row as usize]);
        let rows = take_record_batch(&rows, &UInt32Array::from(order))?;
        let begin = options.start * 1_000_000;
        let attacks = attacks(&rows, &std::fs::read_to_string(logs.join("labels.ndjson"))?)?;
        let mut organisation =
            Self { times: self::times(&rows)?, rows, begin, days: days as usize, principals: 0, attacks, objects };
        let names: BTreeSet<String> = organisation.people()?.into_iter().map(|(_, name)| name).collect();
        organisation.principals = names.len();
        Ok(organisation)
    }

    /// What is done with long-term keys alone; its principals are these keys.
    pub fn of_long_term_keys(self) -> anyhow::Result<Self> {
        let keys = text(&self.rows, "user_identity_access_key_id")?;
        let of_keys: Vec<u32> = (0..keys.len())
            .filter(|row| keys.is_valid(*row) && keys.value(*row).starts_with("AKIA"))
            .map(|row| row as u32)
            .collect();
        let principals = of_keys.iter().map(|row| keys.value(*row as usize)).collect::<BTreeSet<_>>().len();
        let attacks = of_keys.iter().map(|row| self.attacks[*row as usize]).collect();
        let rows = take_record_batch(&self.rows, &UInt32Array::from(of_keys))?;
        Ok(Self { times: times(&rows)?, rows, principals, attacks, ..self })
    }

    pub fn days(&self) -> usize {
        self.days
    }

    pub fn events(&self) -> usize {
        self.rows.num_rows()
    }

    /// Who is no AWS service.
    pub fn principals(&self) -> usize {
        self.principals
    }

    /// Rows of principals that are no AWS services.
    fn people(&self) -> anyhow::Result<Vec<(u32, String)>> {
        let keys = text(&self.rows, "principal_key")?;
        let services = self.rows.column_by_name("actor_is_service").context("actor_is_service")?.as_boolean().clone();
        let rows = (0..self.rows.num_rows()).filter(|row| keys.is_valid(*row) && !services.value(*row));
        Ok(rows.map(|row| (row as u32, keys.value(row).to_owned())).collect())
    }

    /// The events of a day (of so many, one) of so many such organisations, of which one is attacked: else one in forty principals would be
    /// every other day, and what is measured would be the writing of findings.
    pub fn day(&self, day: usize, copies: usize, one_in: usize) -> anyhow::Result<RecordBatch> {
        self.between(self.begin + day as i64 * DAY, DAY, copies, one_in)
    }

    /// The day of the week of a day.
    pub fn weekday(&self, day: usize) -> &'static str {
        // The epoch was a Thursday.
        ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][((self.begin / DAY + day as i64 + 3) % 7) as usize]
    }

    pub fn hour(&self, day: usize, hour: i64, copies: usize) -> anyhow::Result<RecordBatch> {
        self.between(self.begin + day as i64 * DAY + hour * HOUR, HOUR, copies, 1)
    }

    fn between(&self, from: i64, length: i64, copies: usize, one_in: usize) -> anyhow::Result<RecordBatch> {
        let at = |time: i64| self.times.partition_point(|t| *t < time);
        let Range { start, end } = at(from)..at(from + length);
        let all: Vec<u32> = (start as u32..end as u32).step_by(one_in).collect();
        let quiet: Vec<u32> = all.iter().copied().filter(|row| !self.attacks[*row as usize]).collect();
        let rows = take_record_batch(&self.rows, &UInt32Array::from(all))?;
        let quiet = take_record_batch(&self.rows, &UInt32Array::from(quiet))?;
        let all: Vec<RecordBatch> = (0..copies)
            .map(|copy| ended(if copy == 0 { &rows } else { &quiet }, |_| format!("-{copy}")))
            .collect::<Result<_, _>>()?;
        Ok(concat_batches(&schema(), &all)?)
    }

    /// The organisation's own events of a stretch, and so many calls of it repeated by somebody new each.
    pub fn strangers(&self, count: usize, stretch: usize, stretches: usize) -> anyhow::Result<RecordBatch> {
        let part = self.rows.num_rows() / stretches;
        let own = self.rows.slice(stretch * part, part);
        let people = self.people()?;
        let rows: Vec<u32> = (0..count).map(|n| people[(stretch * count + n) % people.len()].0).collect();
        let rows = take_record_batch(&self.rows, &UInt32Array::from(rows))?;
        let strangers = ended(&rows, |row| format!("-{stretch}-{row}"))?;
        Ok(concat_batches(&schema(), &[own, strangers])?)
    }

    /// What gunzip and `serde_json::Value` take for a byte of JSON, on one thread; the best of three.
    pub fn value_seconds_a_byte(&self) -> f64 {
        let mut gunzip = Gunzip::default();
        let mut round = || {
            let begun = Instant::now();
            self.objects.iter().for_each(|object| gunzip.value(object));
            begun.elapsed()
        };
        let best = (0..3).map(|_| round()).min().unwrap_or_default();
        best.as_secs_f64() / inflated(&self.objects) as f64
    }

    pub fn bytes_an_event(&self) -> f64 {
        inflated(&self.objects) as f64 / self.rows.num_rows() as f64
    }
}

/// Bytes of objects without gzip.
fn inflated(objects: &[Vec<u8>]) -> u64 {
    let sizes = objects.iter().filter_map(|object| object.last_chunk::<4>());
    sizes.map(|tail| u64::from(u32::from_le_bytes(*tail))).sum()
}

fn text(rows: &RecordBatch, name: &str) -> anyhow::Result<StringViewArray> {
    Ok(rows.column_by_name(name).with_context(|| format!("no column {name}"))?.as_string_view().clone())
}

/// Which rows the labels of attacks name.
fn attacks(rows: &RecordBatch, labels: &str) -> anyhow::Result<Vec<bool>> {
    let mut named: HashSet<String> = HashSet::new();
    for label in labels.lines() {
        let label: serde_json::Value = serde_json::from_str(label)?;
        let events = label["event_ids"].as_array().context("a label without events")?;
        named.extend(events.iter().filter_map(|id| id.as_str()).map(str::to_owned));
    }
    let ids = text(rows, "event_id")?;
    Ok((0..ids.len()).map(|row| named.contains(ids.value(row))).collect())
}

fn times(rows: &RecordBatch) -> anyhow::Result<Vec<i64>> {
    let column = rows.column_by_name("event_time").context("no column event_time")?;
    Ok(column.as_primitive::<TimestampMicrosecondType>().values().to_vec())
}

/// The rows with an ending at every name, number and key that tells organisations apart.
fn ended(rows: &RecordBatch, ending: impl Fn(usize) -> String) -> anyhow::Result<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    for name in TOLD_APART {
        let old = text(rows, name)?;
        let new: StringViewArray =
            (0..old.len()).map(|row| old.is_valid(row).then(|| format!("{}{}", old.value(row), ending(row)))).collect();
        columns[schema().index_of(name)?] = Arc::new(new) as ArrayRef;
    }
    for name in ACCOUNTS {
        let old = text(rows, name)?;
        let moved = |row: usize| {
            let number = old.is_valid(row).then(|| old.value(row).parse::<u64>().ok())??;
            let far = xxh3_64(ending(row).as_bytes()) % ACCOUNTS_MAX;
            Some(format!("{:012}", (number + far) % ACCOUNTS_MAX))
        };
        let new: StringViewArray = (0..old.len()).map(moved).collect();
        columns[schema().index_of(name)?] = Arc::new(new) as ArrayRef;
    }
    let old = text(rows, "event_id")?;
    let id = |row: usize| {
        let id = uuid::Uuid::try_parse(old.value(row)).map(|id| id.as_u128());
        id.map(|id| uuid::Uuid::from_u128(id ^ xxh3_128(ending(row).as_bytes())).to_string())
    };
    let new: StringViewArray = (0..old.len()).map(id).map(Result::ok).collect();
    anyhow::ensure!(new.null_count() == 0, "an event's id is no UUID");
    columns[schema().index_of("event_id")?] = Arc::new(new) as ArrayRef;
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// The rows as those of an object that was decoded.
pub fn object(rows: &RecordBatch, key: &str) -> anyhow::Result<Batch> {
    let all = |text: &str| Arc::new(StringViewArray::from(vec![text; rows.num_rows()])) as ArrayRef;
    let ordinals: ArrayRef = Arc::new(Int32Array::from_iter_values(0..rows.num_rows() as i32));
    let mut columns = rows.columns().to_vec();
    for (name, column) in [("src_bucket", all("bench")), ("src_key", all(key)), ("src_ordinal", ordinals)] {
        columns[schema().index_of(name)?] = column;
    }
    let report = ObjectReport {
        id: ObjectId { bucket: "bench".into(), key: key.into(), identity: key.into() },
        bytes: 1,
        inflated_bytes: 1,
        outcome: ObjectOutcome::Decoded,
        reason: None,
        detail: None,
        records_received: rows.num_rows() as u64,
        records_skipped: BTreeMap::new(),
        parked: Vec::new(),
    };
    let rows = RecordBatch::try_new(schema(), columns)?;
    Ok(Batch { rows, objects: vec![report], open: false, source: 0 })
}
