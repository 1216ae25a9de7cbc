//! Delivery as CloudTrail does it: periods of five minutes whose end stands in the object's name, several objects a period, records in
//! almost no order, copies from an old second trail, late ones. In: the staged records of some hours; out: objects on disk.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use libdeflater::{CompressionLvl, Compressor};

use crate::{
    ids,
    options::{Options, SimulateError},
    organisation::Organisation,
    rng::{Rng, mix},
    stage::{Entry, Stage},
};

/// How many objects a period is split over: weight of 1 to 8 (most often 3).
const SPLIT: [u64; 8] = [18, 24, 32, 12, 6, 4, 2, 2];

/// At most this many records in one object, as busy accounts have them.
const RECORDS_MAX: usize = 20_000;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub events: u64,
    /// Events and their second copies.
    pub records: u64,
    pub objects: u64,
    pub json_bytes: u64,
    pub gzip_bytes: u64,
}

impl Written {
    pub fn add(&mut self, other: &Written) {
        self.events += other.events;
        self.records += other.records;
        self.objects += other.objects;
        self.json_bytes += other.json_bytes;
        self.gzip_bytes += other.gzip_bytes;
    }
}

/// Writes objects. One for each thread: it keeps the compressor and its buffers.
pub struct Delivery<'a> {
    options: &'a Options,
    organisation: &'a Organisation,
    compressor: Compressor,
    level: i32,
    body: Vec<u8>,
    packed: Vec<u8>,
    folder: PathBuf,
}

impl<'a> Delivery<'a> {
    pub fn new(options: &'a Options, organisation: &'a Organisation) -> Delivery<'a> {
        // `Options::check` has refused levels that the compressor does not have.
        let level = CompressionLvl::new(options.compression).unwrap_or_default();
        Delivery {
            options,
            organisation,
            compressor: Compressor::new(level),
            level: options.compression,
            body: Vec::new(),
            packed: Vec::new(),
            folder: PathBuf::new(),
        }
    }

    /// Writes all that is staged. `unit` names the stretch of time and makes the objects' names unlike those of other stretches.
    pub fn write(&mut self, stage: &Stage, unit: u64) -> Result<Written, SimulateError> {
        let mut rng = Rng::derive(self.organisation.seed, &[20, unit]);
        let mut written = Written { events: stage.entries.len() as u64, ..Written::default() };
        let mut stamped: Vec<(u32, u32, i64, Entry)> = stage
            .entries
            .iter()
            .map(|entry| (entry.account, entry.region, self.stamp(entry, &mut rng), *entry))
            .collect();
        stamped.sort_by_key(|(account, region, stamp, entry)| (*account, *region, *stamp, entry.time, entry.start));
        for group in stamped.chunk_by(|a, b| (a.0, a.1, a.2) == (b.0, b.1, b.2)) {
            let entries: Vec<Entry> = group.iter().map(|(_, _, _, entry)| *entry).collect();
            let (account, region, stamp, _) = group[0];
            self.group(stage, &entries, (account, region, stamp), false, &mut rng, &mut written)?;
            if self.organisation.accounts[account as usize].second_trails[region as usize] {
                // The copies are not complete: the second trail began later, and leaves some events out.
                let copies: Vec<Entry> = entries.into_iter().filter(|_| rng.chance(0.92)).collect();
                self.group(stage, &copies, (account, region, stamp), true, &mut rng, &mut written)?;
            }
        }
        Ok(written)
    }

    /// The end of the period in which an event is delivered. With some delay before it, so that a period holds events of its own five minutes and
    /// the five before.
    fn stamp(&self, entry: &Entry, rng: &mut Rng) -> i64 {
        let period = i64::from(self.options.period_minutes) * 60;
        let u = rng.unit();
        let usual = (u * u * 300.0) as i64;
        (entry.time + usual + entry.delay).div_euclid(period) * period + period
    }

    fn group(
        &mut self,
        stage: &Stage,
        entries: &[Entry],
        place: (u32, u32, i64),
        second: bool,
        rng: &mut Rng,
        written: &mut Written,
    ) -> Result<(), SimulateError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut count = weighted(rng).min(entries.len().div_ceil(4)).max(entries.len().div_ceil(RECORDS_MAX));
        if self.options.period_minutes > 60 {
            count = entries.len().div_ceil(RECORDS_MAX);
        }
        let mut objects: Vec<Vec<Entry>> = vec![Vec::new(); count];
        for entry in entries {
            objects[rng.index(count)].push(*entry);
        }
        for mut object in objects.into_iter().filter(|object| !object.is_empty()) {
            disorder(&mut object, rng);
            self.object(stage, &object, place, second, rng, written)?;
        }
        Ok(())
    }

    fn object(
        &mut self,
        stage: &Stage,
        entries: &[Entry],
        (account, region, stamp): (u32, u32, i64),
        second: bool,
        rng: &mut Rng,
        written: &mut Written,
    ) -> Result<(), SimulateError> {
        self.body.clear();
        self.body.extend_from_slice(b"{\"Records\":[");
        for (nth, entry) in entries.iter().enumerate() {
            if nth > 0 {
                self.body.push(b',');
            }
            self.body.extend_from_slice(&stage.text[entry.start..entry.start + entry.length]);
        }
        self.body.extend_from_slice(b"]}");
        let path = self.path(account, region, stamp, second, rng);
        self.packed.resize(self.compressor.gzip_compress_bound(self.body.len()), 0);
        let length = self
            .compressor
            .gzip_compress(&self.body, &mut self.packed)
            .map_err(|_| SimulateError::Compress { path: path.clone(), level: self.level })?;
        let newest = entries.iter().map(|entry| entry.time + entry.delay).max().unwrap_or(stamp);
        let oldest = entries.iter().map(|entry| entry.time + entry.delay).min().unwrap_or(stamp);
        put(&path, &self.packed[..length], written_at(oldest, newest, rng))?;
        written.records += entries.len() as u64;
        written.objects += 1;
        written.json_bytes += self.body.len() as u64;
        written.gzip_bytes += length as u64;
        Ok(())
    }

    /// `AWSLogs/o-…/{account}/CloudTrail/{region}/Y/M/D/{name}`; an account's own trail has no organisation in its path.
    fn path(&mut self, account: u32, region: u32, stamp: i64, second: bool, rng: &mut Rng) -> PathBuf {
        let id = &self.organisation.accounts[account as usize].id;
        let region = self.organisation.regions[region as usize];
        let (year, month, day) = ids::civil(stamp);
        let organisation = if second { String::new() } else { format!("{}/", self.organisation.id) };
        let folder = self
            .options
            .out
            .join(format!("AWSLogs/{organisation}{id}/CloudTrail/{region}/{year:04}/{month:02}/{day:02}"));
        let minute = stamp.rem_euclid(86_400) / 60;
        let name = format!(
            "{id}_CloudTrail_{region}_{year:04}{month:02}{day:02}T{:02}{:02}Z_{}.json.gz",
            minute / 60,
            minute % 60,
            ids::object_suffix(rng)
        );
        let path = folder.join(name);
        if folder != self.folder {
            // A failure shows when the object is written.
            let _ = fs::create_dir_all(&folder);
            self.folder = folder;
        }
        path
    }
}

/// The modification time of an object: about five minutes after its first event, now and then up to twenty.
fn written_at(oldest: i64, newest: i64, rng: &mut Rng) -> i64 {
    let usual = (oldest + 300 + rng.range(0, 12)).max(newest + rng.range(5, 40));
    if rng.chance(0.01) { usual + rng.range(30, 880) } else { usual }
}

fn put(path: &Path, bytes: &[u8], modified: i64) -> Result<(), SimulateError> {
    let write = || {
        use std::io::Write as _;
        let mut file = fs::File::create(path)?;
        file.write_all(bytes)?;
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(modified.max(0) as u64))
    };
    write().map_err(|source| SimulateError::Write { path: path.to_owned(), source })
}

fn weighted(rng: &mut Rng) -> usize {
    let mut drawn = rng.below(SPLIT.iter().sum());
    for (nth, weight) in SPLIT.iter().enumerate() {
        if drawn < *weight {
            return nth + 1;
        }
        drawn -= weight;
    }
    SPLIT.len()
}

/// Records come in order of time; in a quarter of the objects that have several, some do not.
fn disorder(entries: &mut [Entry], rng: &mut Rng) {
    if entries.len() < 2 || !rng.chance(0.33) {
        return;
    }
    if rng.chance(0.3) {
        rng.shuffle(entries);
        return;
    }
    for _ in 0..entries.len().div_ceil(5) {
        let (a, b) = (rng.index(entries.len()), rng.index(entries.len()));
        entries.swap(a, b);
    }
}

/// The number of a unit: an account and the hour at which its stretch begins.
pub fn unit(account: usize, hour: i64) -> u64 {
    mix(account as u64, &[hour as u64])
}
