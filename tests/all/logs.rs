//! Log objects: records written by hand, and a made-up organisation's tree.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use trailhound_simulate::{Options, generate};

use crate::world::ground;

pub const ACCOUNT: &str = "111122223333";

/// An object's key and its bytes.
pub type Object = (String, Vec<u8>);

/// A whole record, as CloudTrail writes it; `id` makes it another event.
pub fn record(id: &str) -> Value {
    json!({
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": format!("arn:aws:iam::{ACCOUNT}:user/ana"),
            "accountId": ACCOUNT, "accessKeyId": "AKIAIOSFODNN7EXAMPLE", "userName": "ana"
        },
        "eventTime": "2025-03-09T12:51:00Z", "eventSource": "iam.amazonaws.com", "eventName": "ListUsers",
        "awsRegion": "us-east-1", "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2.15.0",
        "requestParameters": null, "responseElements": null, "requestID": "r", "eventID": id, "readOnly": true,
        "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": ACCOUNT, "eventCategory": "Management"
    })
}

/// The same with members replaced or added.
pub fn record_with(id: &str, more: Value) -> Value {
    let mut record = record(id);
    for (name, value) in more.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

/// Root makes an access key: a finding of high severity in every set of rules worth its name.
pub fn root_key(id: &str) -> Value {
    record_with(
        id,
        json!({
            "userIdentity": {"type": "Root", "principalId": ACCOUNT, "arn": format!("arn:aws:iam::{ACCOUNT}:root"), "accountId": ACCOUNT, "accessKeyId": ""},
            "eventName": "CreateAccessKey", "readOnly": false,
            "responseElements": {"accessKey": {"userName": "root", "status": "Active", "accessKeyId": "AKIAI44QH8DHBEXAMPLE"}}
        }),
    )
}

/// `{"Records": […]}`
pub fn log(records: &[Value]) -> Vec<u8> {
    json!({ "Records": records }).to_string().into_bytes()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut text).unwrap();
    text
}

/// The key under which CloudTrail delivers a log.
pub fn key(name: &str) -> String {
    format!(
        "AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2025/03/09/{ACCOUNT}_CloudTrail_us-east-1_20250309T1255Z_{name}.json.gz"
    )
}

/// A small organisation with every kind of attack, late events, and much delivered twice: made once, read by many tests.
pub fn organisation() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let out = ground().join("organisation");
        let options = Options {
            accounts: 2,
            days: 2,
            events: 2_500,
            period_minutes: 480,
            second_trail_share: 0.5,
            late_share: 0.02,
            service_share: 0.6,
            ..Options::new(&out).seed(7)
        };
        generate(&options, &|_| ()).unwrap();
        out
    })
}

/// Its log objects, by key.
pub fn objects() -> Vec<Object> {
    below(organisation(), "AWSLogs")
}

/// All files below a folder of a tree, sorted by path, by their path in the tree.
pub fn below(tree: &Path, folder: &str) -> Vec<Object> {
    let mut found = Vec::new();
    let mut folders = vec![tree.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let key = path.strip_prefix(tree).unwrap().to_str().unwrap().to_string();
                found.push((key, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
