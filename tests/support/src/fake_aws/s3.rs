//! S3, by path: GetObject, HeadObject, HeadBucket, PutObject, ListObjectsV2.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use super::faults::Fault;
use super::{Call, World, status, xml};

/// Keys of a page, at most.
const PAGE_KEYS_MAX: usize = 1000;
/// Between the last bytes of a body that breaks off and its end.
const CUT_PAUSE: Duration = Duration::from_millis(20);

/// A bucket and what is in it.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    /// Where it is; calls that are signed for another region are sent there. By default anywhere.
    pub region: Option<String>,
    /// The only role that may use it. By default anybody may.
    pub role_arn: Option<String>,
    /// Objects have versions, which are made from their content.
    pub versioned: bool,
    /// No checksums are sent along.
    pub without_checksums: bool,
    pub objects: BTreeMap<String, Object>,
}

/// What is in an object, with what S3 says of it: made once, so that a bench measures not us.
#[derive(Clone, Debug)]
pub struct Object {
    bytes: Bytes,
    tag: String,
    crc32: String,
}

impl Object {
    pub fn new(bytes: Bytes) -> Self {
        Self { tag: tag(&bytes), crc32: crc32(&bytes), bytes }
    }

    /// Its ETag, without quotes.
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

/// Sixteen bytes of a hash, as a tag or version.
fn tag(bytes: &[u8]) -> String {
    let hash = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, bytes).hash(&mut hasher);
        hasher.finish()
    };
    format!("{:016x}{:016x}", hash(0), hash(1))
}

fn error(status: u16, code: &str, message: &str) -> Response {
    xml(
        status,
        &format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{}</Message><RequestId>r</RequestId><HostId>h</HostId></Error>"#,
            escape(message)
        ),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(super) async fn answer(world: &World, call: &Call) -> Response {
    let (name, key) =
        call.path.trim_start_matches('/').split_once('/').unwrap_or((call.path.trim_start_matches('/'), ""));
    let operation = match (&call.method, key.is_empty()) {
        (&Method::GET, true) => "ListObjectsV2",
        (&Method::GET, false) => "GetObject",
        (&Method::HEAD, true) => "HeadBucket",
        (&Method::HEAD, false) => "HeadObject",
        (&Method::PUT, false) => "PutObject",
        (&Method::PUT, true) => "CreateBucket",
        _ => "Unknown",
    };
    let about = format!("{name}/{key}{}", call.query.get("prefix").map_or("", String::as_str));
    let fault = {
        let mut inner = world.lock();
        inner.count(operation);
        inner.fault(operation, &about)
    };
    match &fault {
        Some(Fault::Status { status, code, message }) => return error(*status, code, message),
        Some(Fault::Slow(pause)) => tokio::time::sleep(*pause).await,
        _ => {}
    }
    let found = {
        let mut inner = world.lock();
        if operation == "CreateBucket" {
            inner.buckets.entry(name.to_string()).or_default();
            return status(StatusCode::OK);
        }
        let role = inner.role_of(&call.access_key).map(str::to_string);
        let Some(bucket) = inner.buckets.get_mut(name) else {
            return error(404, "NoSuchBucket", "The specified bucket does not exist");
        };
        if let Some(region) = bucket.region.as_deref().filter(|region| *region != call.region) {
            let mut answer = error(
                301,
                "PermanentRedirect",
                "The bucket you are attempting to access must be addressed using the specified endpoint.",
            );
            answer
                .headers_mut()
                .insert("x-amz-bucket-region", HeaderValue::from_str(region).expect("a region is plain"));
            return answer;
        }
        if bucket.role_arn.is_some() && bucket.role_arn != role {
            return error(403, "AccessDenied", "Access Denied");
        }
        match operation {
            "ListObjectsV2" => return list(bucket, name, call),
            "HeadBucket" => return status(StatusCode::OK),
            "PutObject" => {
                bucket.objects.insert(key.to_string(), Object::new(call.body.clone()));
                return status(StatusCode::OK);
            }
            _ => {}
        }
        let Some(object) = bucket.objects.get(key) else {
            return error(404, "NoSuchKey", "The specified key does not exist.");
        };
        let version = bucket.versioned.then(|| object.tag.clone());
        if let Some(asked) = call.query.get("versionId").filter(|asked| version.as_ref() != Some(*asked)) {
            return error(404, "NoSuchVersion", &format!("The specified version does not exist: {asked}"));
        }
        Found { object: object.clone(), version, checksum: !bucket.without_checksums }
    };
    found.answer(call, fault)
}

/// An object that is there.
struct Found {
    object: Object,
    version: Option<String>,
    checksum: bool,
}

impl Found {
    fn answer(self, call: &Call, fault: Option<Fault>) -> Response {
        let Object { bytes, tag, crc32 } = self.object;
        let mut answer = Response::builder()
            .header(header::ETAG, format!("\"{tag}\""))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::LAST_MODIFIED, "Sun, 09 Mar 2025 12:57:01 GMT");
        if let Some(version) = &self.version {
            answer = answer.header("x-amz-version-id", version);
        }
        if self.checksum && call.headers.contains_key("x-amz-checksum-mode") {
            answer = answer.header("x-amz-checksum-crc32", crc32);
        }
        let whole = bytes.len();
        let length = if let Some(Fault::Short(length)) = fault { length.min(whole) } else { whole };
        answer = answer.header(header::CONTENT_LENGTH, length);
        let body = match fault {
            _ if call.method == Method::HEAD => Body::empty(),
            Some(Fault::Truncated(at)) => {
                let head = bytes.slice(..at.min(whole));
                Body::from_stream(futures::stream::unfold(Some(head), |head| async move {
                    match head {
                        Some(head) => Some((Ok(head), None)),
                        None => {
                            // What is there is sent, and then the connection ends before the length is reached.
                            tokio::time::sleep(CUT_PAUSE).await;
                            Some((Err(std::io::Error::other("cut on purpose")), None))
                        }
                    }
                }))
            }
            Some(Fault::Short(length)) => Body::from(bytes.slice(..length.min(whole))),
            Some(Fault::Flipped) => {
                let mut bytes = bytes.to_vec();
                if let Some(byte) = bytes.get_mut(whole / 2) {
                    *byte ^= 0x10;
                }
                Body::from(bytes)
            }
            Some(Fault::Dripping { pieces, pause }) => drip(bytes, pieces, pause),
            _ => Body::from(bytes),
        };
        answer.body(body).expect("all parts are plain")
    }
}

fn drip(bytes: Bytes, pieces: usize, pause: Duration) -> Body {
    let size = bytes.len().div_ceil(pieces.max(1)).max(1);
    Body::from_stream(futures::stream::unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = rest.split_to(size.min(rest.len()));
        Some((Ok::<_, Infallible>(piece), rest))
    }))
}

/// A page, with keys or with the folders below the prefix.
fn list(bucket: &Bucket, name: &str, call: &Call) -> Response {
    let asked = |name: &str| call.query.get(name).map_or("", String::as_str);
    let (prefix, delimiter, after) = (asked("prefix"), asked("delimiter"), asked("continuation-token"));
    let max = asked("max-keys").parse().unwrap_or(PAGE_KEYS_MAX).min(PAGE_KEYS_MAX);
    let (mut keys, mut folders, mut last, mut next) = (String::new(), Vec::<String>::new(), String::new(), None);
    let mut count = 0;
    for (key, object) in bucket.objects.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after) {
        let rest = &key[prefix.len()..];
        let folder = (!delimiter.is_empty())
            .then(|| rest.find(delimiter).map(|at| key[..prefix.len() + at + delimiter.len()].to_string()))
            .flatten();
        if let Some(folder) = &folder
            && (folders.last() == Some(folder) || after.starts_with(folder.as_str()))
        {
            last.clone_from(key);
            continue;
        }
        if count == max {
            next = Some(last.clone());
            break;
        }
        count += 1;
        last.clone_from(key);
        match folder {
            Some(folder) => folders.push(folder),
            None => keys.push_str(&format!(
                "<Contents><Key>{}</Key><LastModified>2025-03-09T12:57:01.000Z</LastModified><ETag>&quot;{}&quot;</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                escape(key),
                object.tag,
                object.bytes.len()
            )),
        }
    }
    let folders: String = folders
        .iter()
        .map(|folder| format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escape(folder)))
        .collect();
    let more = next
        .as_ref()
        .map_or(String::new(), |next| format!("<NextContinuationToken>{}</NextContinuationToken>", escape(next)));
    xml(
        200,
        &format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{name}</Name><Prefix>{}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>{max}</MaxKeys><IsTruncated>{}</IsTruncated>{more}{keys}{folders}</ListBucketResult>"#,
            escape(prefix),
            next.is_some()
        ),
    )
}

/// As S3 writes it: four bytes, the highest first, in base64.
fn crc32(bytes: &[u8]) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    let sum = u64::from(crc.sum()) << 16;
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |at: u32| char::from(DIGITS[(sum >> (42 - 6 * at) & 63) as usize]);
    let mut text: String = (0..6).map(digit).collect();
    text.push_str("==");
    text
}
