//! What a message of the queue announces.
//!
//! In comes a message's body, out come the objects that it tells of. A body is told by its shape and never by a version
//! that it names: S3 to SQS, through SNS (enveloped or raw) or through EventBridge, CloudTrail's own SNS message, any
//! of them wrapped once more by a function or as a JSON string (domain.md §6). Promised: no text makes it panic; what
//! is not known is said to be unknown and is parked, never dropped; one part that is not understood costs the others
//! nothing.

use std::borrow::Cow;

use serde_json::Value;

use crate::aws::is_region;
use crate::key::{self, Key};
use crate::object::ObjectId;
use crate::source::Listed;

mod scrub;
#[cfg(test)]
mod tests;

pub use scrub::{SCRUBBED_BYTES_MAX, scrub};

/// Envelopes in envelopes beyond this are not opened: SNS in SNS in a JSON string is three.
const DEPTH_MAX: u32 = 5;
/// Objects of one message. A message of 1 MiB cannot name more in earnest.
const OBJECTS_MAX: usize = 10_000;
/// Names of members told of an unknown shape, and characters of each.
const MEMBERS_TOLD_MAX: usize = 8;
const MEMBER_CHARS_MAX: usize = 40;
/// Limits of S3 ("Bucket naming rules", "Naming Amazon S3 objects"); old buckets may have up to 255 characters.
const BUCKET_BYTES: std::ops::RangeInclusive<usize> = 3..=255;
const KEY_BYTES_MAX: usize = 1024;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    /// At least one object to be read.
    Objects(Vec<Announced>),
    /// Some objects to be read, beside parts that are not known: fetch those, and park the message for the rest.
    Partly { objects: Vec<Announced>, unknown: Unknown },
    /// Nothing to read: a test, a confirmation, an event of another kind. `log_removed` says that somebody deleted a
    /// log or digest, which is worth a line.
    Nothing { reason: &'static str },
}

/// An object that was announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    pub bucket: String,
    pub key: String,
    /// The key decoded the other way, where that differs: tried once where there is no object `key`. Services and
    /// stand-ins disagree about who encodes.
    pub other_key: Option<String>,
    /// Exactly this version is read.
    pub version_id: Option<String>,
    pub etag: Option<String>,
    /// The bucket's region.
    pub region: Option<String>,
    /// Size as stored.
    pub bytes: Option<u64>,
    /// When the object was written, as far as the message knows; microseconds.
    pub event_time: Option<i64>,
}

impl Announced {
    /// An object of a listing.
    pub fn listed(bucket: &str, listed: &Listed) -> Self {
        Self {
            bucket: bucket.to_string(),
            key: listed.key.clone(),
            etag: listed.etag.clone(),
            bytes: Some(listed.bytes),
            ..Self::default()
        }
    }

    /// The identity that the object will have when it is fetched, where the message is enough to tell: what is known
    /// already need not be fetched again.
    pub fn id(&self) -> Option<ObjectId> {
        let identity = match (&self.version_id, &self.etag) {
            (Some(version), _) if version != "null" => format!("version:{version}"),
            (_, Some(etag)) => format!("etag:{etag}"),
            (_, None) => return None,
        };
        Some(ObjectId { bucket: self.bucket.clone(), key: self.key.clone(), identity })
    }
}

/// A body of no known shape, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Unknown {
    /// A stable word: `not_json`, `unknown_shape`, `log_content`, `bad_name`, `too_deep`, `too_many`.
    pub reason: &'static str,
    /// One line for people, without the body.
    pub detail: String,
}

/// Reads a message's body.
pub fn read(body: &str) -> Result<Notification, Unknown> {
    let mut seen = Seen::default();
    seen.text(body, None, 0);
    match (seen.objects.is_empty(), seen.unknown) {
        (true, Some(unknown)) => Err(unknown),
        (true, None) => Ok(Notification::Nothing { reason: seen.nothing.unwrap_or("empty") }),
        (false, Some(unknown)) => Ok(Notification::Partly { objects: seen.objects, unknown }),
        (false, None) => Ok(Notification::Objects(seen.objects)),
    }
}

/// What was met in a body so far.
#[derive(Default)]
struct Seen {
    objects: Vec<Announced>,
    unknown: Option<Unknown>,
    nothing: Option<&'static str>,
}

impl Seen {
    fn unknown(&mut self, reason: &'static str, detail: impl Into<String>) {
        self.unknown.get_or_insert(Unknown { reason, detail: detail.into() });
    }

    fn nothing(&mut self, reason: &'static str) {
        // A deleted log is the only one worth more than the others.
        if self.nothing != Some("log_removed") {
            self.nothing = Some(reason);
        }
    }

    /// A body, or what was found in an envelope; `time` is the envelope's.
    fn text(&mut self, text: &str, time: Option<i64>, depth: u32) {
        let text = text.trim_start_matches('\u{feff}').trim();
        if text == "CloudTrail validation message." {
            return self.nothing("cloudtrail_validation");
        }
        if depth >= DEPTH_MAX {
            return self.unknown("too_deep", format!("more than {DEPTH_MAX} envelopes in each other"));
        }
        match serde_json::from_str::<Value>(text) {
            Ok(Value::String(inner)) => self.text(&inner, time, depth + 1),
            Ok(Value::Object(object)) => self.object(&Value::Object(object), time, depth),
            Ok(other) => self.unknown("unknown_shape", format!("JSON, but {} and no object", kind(&other))),
            Err(error) => self.unknown("not_json", format!("not JSON ({error})")),
        }
    }

    fn object(&mut self, object: &Value, time: Option<i64>, depth: u32) {
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        if let Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") = text("Type") {
            // Never followed: whoever may send to the queue could make us call any address.
            return self.nothing("subscription_confirmation");
        }
        if let Some(message) = text("Message")
            && (text("Type") == Some("Notification") || text("TopicArn").is_some())
        {
            let time = text("Timestamp").and_then(crate::time::parse).or(time);
            return self.text(message, time, depth + 1);
        }
        if text("Event") == Some("s3:TestEvent") {
            return self.nothing("test_event");
        }
        if let Some(records) = object.get("Records").and_then(Value::as_array) {
            if records.is_empty() {
                return self.nothing("empty");
            }
            return records.iter().for_each(|record| self.record(record, time, depth));
        }
        if let Some(kind) = text("detail-type")
            && text("source") == Some("aws.s3")
            && let Some(detail) = object.get("detail").filter(|detail| detail.get("eventVersion").is_none())
        {
            return self.event_bridge(object, kind, detail, time);
        }
        if text("source").is_some() && object.get("detail").is_some_and(is_log_record) || is_log_record(object) {
            return self.log_content();
        }
        if let (Some(bucket), Some(keys)) = (text("s3Bucket"), object.get("s3ObjectKey")) {
            return self.cloudtrail(bucket, keys, time);
        }
        self.unknown("unknown_shape", format!("an object with {}", members(object)));
    }

    /// One of `Records`, which S3 sends and others imitate.
    fn record(&mut self, record: &Value, time: Option<i64>, depth: u32) {
        let text = |name: &str| record.get(name).and_then(Value::as_str);
        if let Some(sns) = record.get("Sns").or_else(|| record.get("sns")) {
            return match sns.get("Message").and_then(Value::as_str) {
                Some(message) => {
                    let sent = sns.get("Timestamp").and_then(Value::as_str).and_then(crate::time::parse);
                    self.text(message, sent.or(time), depth + 1)
                }
                None => self.unknown("unknown_shape", "a record of SNS without a message"),
            };
        }
        if text("eventSource") == Some("aws:sqs")
            && let Some(body) = text("body")
        {
            return self.text(body, time, depth + 1);
        }
        let Some(s3) = record.get("s3").filter(|s3| s3.is_object()) else {
            return match is_log_record(record) {
                true => self.log_content(),
                false => self.unknown("unknown_shape", format!("a record with {}", members(record))),
            };
        };
        let (Some(bucket), Some(raw)) =
            (s3.pointer("/bucket/name").and_then(Value::as_str), s3.pointer("/object/key").and_then(Value::as_str))
        else {
            return self.unknown("unknown_shape", "a record of S3 without the bucket's name or the object's key");
        };
        let key = form_decode(raw);
        // MinIO says `s3:ObjectCreated:Put`, S3 `ObjectCreated:Put`.
        let event = text("eventName").map(|name| name.strip_prefix("s3:").unwrap_or(name));
        if let Some(event) = event.filter(|event| !event.starts_with("ObjectCreated")) {
            return self.nothing(other_event(event, &key));
        }
        let object = &s3["object"];
        self.announce(Announced {
            bucket: bucket.to_string(),
            other_key: (key != raw).then(|| raw.to_string()),
            key: key.into_owned(),
            version_id: version(object.get("versionId")),
            etag: etag(object),
            region: region(text("awsRegion")),
            bytes: object.get("size").and_then(Value::as_u64),
            event_time: text("eventTime").and_then(crate::time::parse).or(time),
        });
    }

    fn event_bridge(&mut self, envelope: &Value, kind: &str, detail: &Value, time: Option<i64>) {
        let text = |name: &str| envelope.get(name).and_then(Value::as_str);
        let (bucket, raw) = (
            detail.pointer("/bucket/name").and_then(Value::as_str),
            detail.pointer("/object/key").and_then(Value::as_str),
        );
        if !kind.starts_with("Object Created") {
            let event = if kind.starts_with("Object Deleted") { "ObjectRemoved" } else { kind };
            return self.nothing(other_event(event, raw.unwrap_or("")));
        }
        let (Some(bucket), Some(raw)) = (bucket, raw) else {
            return self.unknown("unknown_shape", "an EventBridge event without the bucket's name or the object's key");
        };
        let object = &detail["object"];
        let decoded = form_decode(raw);
        self.announce(Announced {
            bucket: bucket.to_string(),
            key: raw.to_string(),
            // EventBridge does not encode keys; a stand-in does (components.md §1).
            other_key: (decoded != raw).then(|| decoded.into_owned()),
            version_id: version(object.get("version-id")),
            etag: etag(object),
            region: region(text("region")),
            bytes: object.get("size").and_then(Value::as_u64),
            event_time: text("time").and_then(crate::time::parse).or(time),
        });
    }

    /// CloudTrail's own message: keys as they are, without sizes or versions.
    fn cloudtrail(&mut self, bucket: &str, keys: &Value, time: Option<i64>) {
        let keys: &[Value] = match keys {
            Value::Array(keys) => keys,
            key => std::slice::from_ref(key),
        };
        if keys.is_empty() {
            return self.nothing("empty");
        }
        for key in keys {
            let Some(raw) = key.as_str() else {
                self.unknown("unknown_shape", format!("a key of CloudTrail's message is {}", kind(key)));
                continue;
            };
            let decoded = form_decode(raw);
            self.announce(Announced {
                bucket: bucket.to_string(),
                key: raw.to_string(),
                other_key: (decoded != raw).then(|| decoded.into_owned()),
                event_time: time,
                ..Announced::default()
            });
        }
    }

    fn log_content(&mut self) {
        self.unknown(
            "log_content",
            "records of CloudTrail themselves, where the name of an object is expected: send what S3, SNS or EventBridge say of the bucket",
        );
    }

    fn announce(&mut self, object: Announced) {
        let fit = |key: &str| !key.is_empty() && key.len() <= KEY_BYTES_MAX && !key.contains('\0');
        if !is_bucket(&object.bucket) {
            return self.unknown("bad_name", "the bucket's name is none that S3 allows");
        }
        if !fit(&object.key) {
            return self.unknown("bad_name", "the object's key is empty, too long or has a NUL in it");
        }
        // Folder markers are empty. A log that is empty has been tampered with, and is read, to be parked.
        if object.bytes == Some(0) && !matches!(key::parse(&object.key), Key::Log(_)) {
            return self.nothing("empty_object");
        }
        if self.objects.len() >= OBJECTS_MAX {
            return self.unknown("too_many", format!("more than {OBJECTS_MAX} objects in one message"));
        }
        let other_key = object.other_key.filter(|key| fit(key));
        self.objects.push(Announced { other_key, ..object });
    }
}

/// Why an event that is no creation is passed over.
fn other_event(event: &str, key: &str) -> &'static str {
    if !event.starts_with("ObjectRemoved") {
        return "other_event";
    }
    match key::parse(key) {
        Key::Log(_) | Key::Skip("digest") => "log_removed",
        _ => "object_removed",
    }
}

/// The value of `application/x-www-form-urlencoded` text: `+` is a blank, then `%XX`. What would not be UTF-8 stays as
/// it is, and so does a `%` that two hexadecimal digits do not follow.
fn form_decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    let blank = text.replace('+', " ");
    match percent_encoding::percent_decode_str(&blank).decode_utf8() {
        Ok(decoded) => Cow::Owned(decoded.into_owned()),
        Err(_) => Cow::Borrowed(text),
    }
}

/// `"null"` is the version of what has none.
fn version(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|version| !version.is_empty() && *version != "null").map(str::to_string)
}

/// `eTag` of S3, `etag` of EventBridge.
fn etag(object: &Value) -> Option<String> {
    let tag = object.get("eTag").or_else(|| object.get("etag")).and_then(Value::as_str)?;
    let tag = tag.trim_matches('"');
    (!tag.is_empty()).then(|| tag.to_string())
}

fn region(text: Option<&str>) -> Option<String> {
    text.filter(|text| is_region(text)).map(str::to_string)
}

/// Whether text may be a bucket's name, and not an ARN or a host's name in disguise.
fn is_bucket(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    BUCKET_BYTES.contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with(['.', '-'])
}

fn is_log_record(value: &Value) -> bool {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    text("eventVersion").is_some() && text("eventSource").is_some_and(|source| source.ends_with(".amazonaws.com"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The names of an object's members, for people: what it is can often be told from them.
fn members(value: &Value) -> String {
    let Some(object) = value.as_object().filter(|object| !object.is_empty()) else {
        return "no members".to_string();
    };
    let short = |name: &String| {
        let clean: String = name.chars().filter(|c| !c.is_control()).take(MEMBER_CHARS_MAX).collect();
        clean
    };
    let names: Vec<String> = object.keys().take(MEMBERS_TOLD_MAX).map(short).collect();
    let more = if object.len() > MEMBERS_TOLD_MAX { ", …" } else { "" };
    format!("the members {}{more}", names.join(", "))
}
