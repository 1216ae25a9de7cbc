//! Objects become rows: the carriers of records, one object after the other.
//!
//! People keep CloudTrail logs in many forms (CloudTrail's own `{"Records":[…]}`, arrays, one record a line,
//! `LookupEvents` output, EventBridge and CloudWatch Logs envelopes, several of them one behind the other). They are
//! all read here as a sequence of values with arrays of elements in them. A bad record is set aside alone; where the
//! text cannot be read any further, what came before is kept and the object is parked. The file is long because the
//! carriers share one state (what is open, what was counted), which parts of it would have to hand to each other.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use crate::batch::Batch;
use crate::geo::Geo;
use crate::inflate::Window;
use crate::json::{Cursor, JsonError, Skipper};
use crate::key::{self, Key};
use crate::limits::Limits;
use crate::object::{ObjectId, ObjectOutcome, ObjectReport, ParkedRecord};
use crate::record::{self, Element};
use crate::row::{Address, Refusal, Rows};

/// Arrays within arrays within objects: no carrier nests deeper.
const LEVELS_MAX: usize = 4;
/// Where the text is doubtful, the key of the array of records must stand within the first bytes.
const DOUBTFUL_HEAD_BYTES: usize = 64 << 10;

/// An object's bytes, as stored.
pub enum Content<'a> {
    Bytes(&'a [u8]),
    /// For what is too large to hold; with its size.
    Stream(Box<dyn Read + 'a>, u64),
}

/// Decodes objects one after the other and hands on batches when they are large enough.
pub struct Decoder {
    rows: Rows,
    reports: Vec<ObjectReport>,
    limits: Limits,
    buffer: Vec<u8>,
    source: u32,
}

impl Decoder {
    /// `source` numbers the decoder among those that work side by side.
    pub fn new(source: u32, limits: Limits, geo: Arc<Geo>, ingest_time: i64) -> Self {
        Self { rows: Rows::new(geo, ingest_time), reports: Vec::new(), limits, buffer: Vec::new(), source }
    }

    pub fn set_geo(&mut self, geo: Arc<Geo>) {
        self.rows.set_geo(geo);
    }

    /// The time that rows are stamped with from now on, in microseconds.
    pub fn set_ingest_time(&mut self, micros: i64) {
        self.rows.set_ingest_time(micros);
    }

    /// Reads one object. Batches that are full go to `emit`, where the object is large also while it is being read.
    pub fn object(&mut self, id: ObjectId, content: Content<'_>, emit: &mut dyn FnMut(Batch)) {
        let size = match &content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Stream(_, size) => *size,
        };
        let report = ObjectReport::new(id, size);
        let key = key::parse(&report.id.key);
        let account_id = match &key {
            Key::Log(log) => Some(log.account_id.to_string()),
            _ => None,
        };
        let report = match self.refuse(&key, size) {
            Some((true, reason, detail)) => report.skip(reason, detail),
            Some((false, reason, detail)) => report.park(reason, detail),
            None => {
                let buffer = std::mem::take(&mut self.buffer);
                let window = match content {
                    Content::Bytes(bytes) => Window::open(bytes, buffer, &self.limits),
                    Content::Stream(stream, _) => Window::stream(stream, buffer, &self.limits),
                };
                let mut reading = Reading::new(self, window, report, account_id, emit);
                reading.run();
                let (report, window) = reading.finish();
                self.buffer = window.into_buffer();
                self.buffer.shrink_to(self.limits.whole_bytes_max);
                report
            }
        };
        self.reports.push(report);
        // Rather here than within the next object: a batch that ends with an object can be committed as it is.
        if self.rows.json_bytes() >= self.limits.batch_bytes / 4 * 3 {
            emit(self.batch(false));
        }
    }

    /// The rest, as the last batch; `None` when there is nothing.
    pub fn flush(&mut self) -> Option<Batch> {
        (self.rows.len() > 0 || !self.reports.is_empty()).then(|| self.batch(false))
    }

    fn batch(&mut self, open: bool) -> Batch {
        Batch { rows: self.rows.finish(), objects: std::mem::take(&mut self.reports), open, source: self.source }
    }

    /// What is not even opened: (skip or park, reason, detail).
    fn refuse(&self, key: &Key<'_>, size: u64) -> Option<(bool, &'static str, String)> {
        if let Key::Skip(reason) = key {
            return Some((true, reason, format!("not CloudTrail log records: {}", reason.replace('_', " "))));
        }
        if size == 0 {
            return Some((true, "empty", "the object is empty".into()));
        }
        if size > self.limits.object_bytes_max {
            let detail = format!("{size} bytes, more than the limit of {}", self.limits.object_bytes_max);
            return Some((false, "object_too_large", detail));
        }
        None
    }
}

/// Where in the carriers the reading stands.
enum Level {
    /// In an array of elements; true where an element may come: before the first and behind a comma.
    Array(bool),
    /// In the rest of an object whose array of elements was read.
    Object,
}

/// How a step went.
enum Step {
    /// Forward to this place in the window.
    To(usize),
    /// More text is needed to tell.
    More,
    /// Nothing is left.
    Done,
    /// The text from here on is not what it should be.
    Stop(&'static str, String),
}

struct Reading<'d, 'w, 'e> {
    decoder: &'d mut Decoder,
    window: Window<'w>,
    levels: Vec<Level>,
    report: ObjectReport,
    rows: u64,
    ordinal: i32,
    log_key: bool,
    /// The account that the object's key names.
    account_id: Option<String>,
    /// Whether there was any value at all.
    values: bool,
    /// In the middle of a record that is too large.
    skipper: Option<Skipper>,
    /// Parked records that were not listed one by one.
    unlisted: u64,
    emit: &'e mut dyn FnMut(Batch),
}

impl<'d, 'w, 'e> Reading<'d, 'w, 'e> {
    fn new(
        decoder: &'d mut Decoder,
        window: Window<'w>,
        report: ObjectReport,
        account_id: Option<String>,
        emit: &'e mut dyn FnMut(Batch),
    ) -> Self {
        let mut reading = Self {
            decoder,
            window,
            levels: Vec::new(),
            report,
            rows: 0,
            ordinal: 0,
            log_key: account_id.is_some(),
            account_id,
            values: false,
            skipper: None,
            unlisted: 0,
            emit,
        };
        if reading.window.bytes().starts_with(b"\xef\xbb\xbf") {
            reading.window.at = 3;
        }
        reading
    }

    fn run(&mut self) {
        loop {
            match self.step() {
                Step::To(at) => {
                    self.window.at = at;
                    if self.decoder.rows.json_bytes() >= self.decoder.limits.batch_bytes {
                        let batch = self.decoder.batch(true);
                        (self.emit)(batch);
                    }
                }
                Step::More => self.window.more(),
                Step::Done => return,
                Step::Stop(reason, detail) => {
                    self.stop(reason, detail);
                    return;
                }
            }
        }
    }

    /// One move through the carriers: an opening, an element, a close.
    fn step(&mut self) -> Step {
        if self.skipper.is_some() {
            return self.skip_on();
        }
        let bytes = self.window.bytes();
        let at = bytes[self.window.at..].iter().position(|b| !b.is_ascii_whitespace()).map(|n| self.window.at + n);
        let Some(at) = at else { return self.at_end() };
        let byte = bytes[at];
        let depth = self.levels.len();
        match self.levels.last_mut() {
            None => match byte {
                b'{' => self.element(at),
                b'[' => self.open(at),
                _ if self.values => self.set_aside(at, "bad_json", "not JSON".into()),
                _ => self.not_json(),
            },
            Some(Level::Array(_)) if byte == b']' => {
                self.levels.pop();
                Step::To(at + 1)
            }
            Some(Level::Array(true)) => {
                let step = self.element(at);
                if matches!(step, Step::To(_)) {
                    self.levels[depth - 1] = Level::Array(false);
                }
                step
            }
            Some(Level::Array(wanted)) => {
                if byte != b',' {
                    return Step::Stop("bad_json", format!("a comma is missing after record {}", self.ordinal));
                }
                *wanted = true;
                Step::To(at + 1)
            }
            Some(Level::Object) => self.rest_of_object(at),
        }
    }

    /// Nothing but white space is left in the window.
    fn at_end(&mut self) -> Step {
        if !self.window.ended() {
            self.window.at = self.window.bytes().len();
            return Step::More;
        }
        if let Some(error) = self.window.error {
            return Step::Stop(reason_of(error), error.to_string());
        }
        if !self.levels.is_empty() {
            return Step::Stop("truncated_json", format!("the text ends after record {}", self.ordinal));
        }
        Step::Done
    }

    fn not_json(&mut self) -> Step {
        if let (Some(error), true) = (self.window.error, self.window.ended()) {
            return Step::Stop(reason_of(error), error.to_string());
        }
        Step::Stop("not_json", "neither JSON nor gzip of JSON".into())
    }

    fn open(&mut self, at: usize) -> Step {
        self.values = true;
        if self.levels.len() == LEVELS_MAX {
            return Step::Stop("bad_json", "arrays of records nested too deep".into());
        }
        self.levels.push(Level::Array(true));
        Step::To(at + 1)
    }

    /// The members after the array of elements, up to the object's end.
    fn rest_of_object(&mut self, at: usize) -> Step {
        let (text, from) = match self.window.text() {
            Some(text) => (text, at),
            None => match std::str::from_utf8(&self.window.bytes()[at..]) {
                Ok(text) => (text, 0),
                Err(_) => return Step::Stop("bad_utf8", "not UTF-8 behind the records".into()),
            },
        };
        let mut cursor = Cursor::new(text, from);
        let mut first = false;
        let result = loop {
            match cursor.member(&mut first) {
                Ok(None) => break Ok(()),
                Ok(Some(_)) => {
                    if let Err(error) = cursor.value() {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error),
            }
        };
        let end = at + cursor.at() - from;
        match result {
            Ok(()) => {
                self.levels.pop();
                Step::To(end)
            }
            Err(JsonError::End) if !self.window.ended() => Step::More,
            Err(JsonError::End) => self.cut_off(),
            Err(error) => Step::Stop("bad_json", format!("behind the records: {error}")),
        }
    }

    fn cut_off(&mut self) -> Step {
        match self.window.error {
            Some(error) => Step::Stop(reason_of(error), format!("{error}, in record {}", self.ordinal)),
            None => Step::Stop("truncated_json", format!("the text ends inside record {}", self.ordinal)),
        }
    }

    /// The element that begins at `at`.
    fn element(&mut self, at: usize) -> Step {
        self.values = true;
        if self.window.bytes()[at] == b'[' {
            return self.open(at);
        }
        let address = Address {
            bucket: &self.report.id.bucket,
            key: &self.report.id.key,
            ordinal: self.ordinal,
            account_id: self.account_id.as_deref(),
        };
        let Decoder { rows, limits, .. } = &mut *self.decoder;
        let (outcome, end) = match self.window.text() {
            Some(text) => read_element(text, at, rows, limits, &address),
            None => {
                let top = self.levels.is_empty();
                let (outcome, length) = read_doubtful(&self.window.bytes()[at..], top, rows, limits, &address);
                (outcome, at + length)
            }
        };
        self.settle(at, end, outcome)
    }

    fn settle(&mut self, at: usize, end: usize, outcome: Outcome) -> Step {
        match outcome {
            Outcome::Taken(result) => {
                self.count(result);
                Step::To(end)
            }
            Outcome::Container => {
                if self.levels.len() + 2 > LEVELS_MAX {
                    return Step::Stop("bad_json", "arrays of records nested too deep".into());
                }
                self.levels.push(Level::Object);
                self.open_container(end)
            }
            Outcome::Foreign(reason) => {
                self.report.outcome = ObjectOutcome::Skipped;
                Step::Stop(reason, format!("not CloudTrail log records: {reason}"))
            }
            Outcome::TooLarge => {
                self.park("record_too_large", self.too_large());
                Step::To(end)
            }
            Outcome::NotText(from) => {
                self.park("bad_utf8", format!("not UTF-8 from byte {from} of the record on"));
                Step::To(end)
            }
            Outcome::Failed(error) => self.failed(at, error),
        }
    }

    fn open_container(&mut self, end: usize) -> Step {
        self.levels.push(Level::Array(true));
        Step::To(end + 1)
    }

    fn too_large(&self) -> String {
        format!("more than {} bytes", self.decoder.limits.record_bytes_max)
    }

    /// The element at `at` could not be read: get past it, get more text, or give up on the rest.
    fn failed(&mut self, at: usize, error: JsonError) -> Step {
        if error != JsonError::End {
            return self.set_aside(at, "bad_json", error.to_string());
        }
        if self.window.bytes().len() - at > self.decoder.limits.record_bytes_max {
            self.park("record_too_large", self.too_large());
            self.skipper = Some(Skipper::default());
            return Step::To(at);
        }
        if self.window.ended() { self.cut_off() } else { Step::More }
    }

    /// Parks the value at `at` and goes behind it.
    fn set_aside(&mut self, at: usize, reason: &'static str, detail: String) -> Step {
        let (end, _) = Skipper::default().advance(&self.window.bytes()[at..]);
        match end {
            Some(length) => {
                self.park(reason, detail);
                Step::To(at + length.max(1))
            }
            None if self.window.bytes().len() - at > self.decoder.limits.record_bytes_max => {
                self.park(reason, detail);
                self.skipper = Some(Skipper::default());
                Step::To(at)
            }
            None if !self.window.ended() => Step::More,
            None => self.cut_off(),
        }
    }

    /// On through a record that is too large to hold.
    fn skip_on(&mut self) -> Step {
        let Some(mut skipper) = self.skipper.take() else { return Step::Done };
        let (end, used) = skipper.advance(&self.window.bytes()[self.window.at..]);
        self.window.at += used;
        if end.is_some() {
            return Step::To(self.window.at);
        }
        if self.window.ended() {
            return self.cut_off();
        }
        self.skipper = Some(skipper);
        Step::More
    }

    fn count(&mut self, result: Result<(), Refusal>) {
        match result {
            Ok(()) => {
                self.rows += 1;
                self.report.records_received += 1;
                self.ordinal += 1;
            }
            Err(Refusal::Skip(reason)) => {
                *self.report.records_skipped.entry(reason.to_string()).or_default() += 1;
                self.report.records_received += 1;
                self.ordinal += 1;
            }
            Err(Refusal::Park(reason, detail)) => self.park(reason, detail),
        }
    }

    fn park(&mut self, reason: &str, detail: String) {
        self.report.records_received += 1;
        if self.report.parked.len() < self.decoder.limits.parked_records_max {
            self.report.parked.push(ParkedRecord { ordinal: self.ordinal, reason: reason.to_string(), detail });
        } else {
            self.unlisted += 1;
        }
        self.ordinal += 1;
    }

    /// The rest of the object cannot be read.
    fn stop(&mut self, reason: &'static str, detail: String) {
        let nothing = self.rows == 0 && self.report.records_received == 0;
        let skipped = self.report.outcome == ObjectOutcome::Skipped && nothing;
        self.report.outcome = ObjectOutcome::Parked;
        self.report.reason = Some(reason.to_string());
        self.report.detail = Some(detail);
        if skipped {
            self.report.outcome = ObjectOutcome::Skipped;
        } else if reason == "not_json" && !self.log_key {
            self.report.outcome = ObjectOutcome::Skipped;
            self.report.reason = Some("not_cloudtrail".to_string());
        }
    }

    fn finish(mut self) -> (ObjectReport, Window<'w>) {
        self.report.inflated_bytes = self.window.inflated();
        if self.unlisted > 0 {
            // Too many to list one by one: the last one stands for the rest, so that the counts hold.
            self.report.records_received -= self.unlisted;
            self.report.outcome = ObjectOutcome::Parked;
            self.report.reason = Some("too_many_bad_records".to_string());
            self.report.detail = Some(format!("{} more bad records are not listed", self.unlisted));
        }
        let skipped: u64 = self.report.records_skipped.values().sum();
        if self.report.outcome == ObjectOutcome::Decoded
            && skipped > 0
            && skipped == self.report.records_received
            && self.report.records_skipped.len() == 1
        {
            let reason = self.report.records_skipped.keys().next().cloned().unwrap_or_default();
            self.report.detail = Some(format!("not CloudTrail log records: {}", reason.replace('_', " ")));
            self.report.outcome = ObjectOutcome::Skipped;
            self.report.reason = Some(reason);
        }
        (self.report, self.window)
    }
}

/// What reading an element gave, free of the text that it was read from.
enum Outcome {
    Taken(Result<(), Refusal>),
    Container,
    Foreign(&'static str),
    TooLarge,
    /// Not UTF-8, from this byte of the element on.
    NotText(usize),
    Failed(JsonError),
}

/// Reads the element at `at` and takes what it carries.
fn read_element(text: &str, at: usize, rows: &mut Rows, limits: &Limits, address: &Address<'_>) -> (Outcome, usize) {
    let mut cursor = Cursor::new(text, at);
    let outcome = match record::read(&mut cursor) {
        Err(error) => Outcome::Failed(error),
        Ok(Element::Container) => Outcome::Container,
        Ok(Element::Foreign(reason)) => Outcome::Foreign(reason),
        Ok(_) if cursor.at() - at > limits.record_bytes_max => Outcome::TooLarge,
        Ok(element) => Outcome::Taken(take(rows, element, address)),
    };
    (outcome, cursor.at())
}

/// The same where the text is not UTF-8 somewhere: the element's end is found by its brackets, and it alone must be
/// text. At the top an object may hold all records; then its beginning tells.
fn read_doubtful(bytes: &[u8], top: bool, rows: &mut Rows, limits: &Limits, address: &Address<'_>) -> (Outcome, usize) {
    if top {
        let head = &bytes[..bytes.len().min(DOUBTFUL_HEAD_BYTES)];
        let text = match std::str::from_utf8(head) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
        };
        let mut cursor = Cursor::new(text, 0);
        if let Ok(Element::Container) = record::read(&mut cursor) {
            return (Outcome::Container, cursor.at());
        }
    }
    match Skipper::default().advance(bytes).0 {
        None => (Outcome::Failed(JsonError::End), 0),
        Some(length) => match std::str::from_utf8(&bytes[..length]) {
            Ok(text) => read_element(text, 0, rows, limits, address),
            Err(error) => (Outcome::NotText(error.valid_up_to()), length),
        },
    }
}

/// Appends what an element carries.
fn take(rows: &mut Rows, element: Element<'_>, address: &Address<'_>) -> Result<(), Refusal> {
    match element {
        Element::Record(record) => rows.append(&record, address),
        Element::Detail(raw) => take_inner(rows, raw, address),
        Element::Wrapped(text) => match text {
            Cow::Borrowed(text) => take_inner(rows, text, address),
            Cow::Owned(text) => take_inner(rows, &text, address),
        },
        Element::Container | Element::Foreign(_) => Err(Refusal::Skip("not_cloudtrail")),
    }
}

/// The record inside an envelope.
fn take_inner(rows: &mut Rows, text: &str, address: &Address<'_>) -> Result<(), Refusal> {
    match record::read(&mut Cursor::new(text, 0)) {
        Ok(Element::Record(record)) => rows.append(&record, address),
        Ok(_) => Err(Refusal::Skip("not_cloudtrail")),
        Err(error) if text.contains("\"eventSource\"") || text.contains("\"eventVersion\"") => {
            Err(Refusal::Park("bad_json", format!("in the envelope: {error}")))
        }
        Err(_) => Err(Refusal::Skip("not_cloudtrail")),
    }
}

fn reason_of(error: crate::inflate::InflateError) -> &'static str {
    use crate::inflate::InflateError::*;
    match error {
        Truncated => "truncated_gzip",
        Damaged => "damaged_gzip",
        TooLarge { .. } => "inflated_too_large",
    }
}

#[cfg(test)]
mod tests;
