//! A folder in which everything is wrong that can be: what is good is kept, what is not is named, one line each.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::logs::{self, gzip, key, log, record, root_key};
use crate::world::World;

/// What the program may take, whatever it is given to read.
const MEMORY_MAX: u64 = 512 << 20;
const LARGE_BYTES: usize = 300 << 20;
const BOMB_BYTES: usize = 1 << 30;

/// Numbers its records so that each is another event.
struct Events(u64);

impl Events {
    fn next(&mut self) -> serde_json::Value {
        self.0 += 1;
        record(&format!("00000000-0000-4000-8000-{:012}", self.0))
    }

    fn take(&mut self, count: usize) -> Vec<serde_json::Value> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// A log of `LARGE_BYTES` of text; returns how many records it has.
fn write_large(path: &Path, events: &mut Events) -> u64 {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let filler = "x".repeat(8 << 10);
    let before = events.0;
    let mut written = 0;
    file.write_all(b"{\"Records\":[").unwrap();
    while written < LARGE_BYTES {
        let mut record = events.next();
        record["requestParameters"] = json!({"description": filler});
        let text = record.to_string();
        file.write_all(if written == 0 { b"" } else { b"," }).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        written += text.len() + 1;
    }
    file.write_all(b"]}").unwrap();
    file.flush().unwrap();
    events.0 - before
}

/// Two records, then `BOMB_BYTES` of nothing, in one gzip member of a megabyte.
fn write_bomb(path: &Path, events: &mut Events) {
    let mut text = log(&events.take(2));
    text.truncate(text.len() - "]}".len());
    let mut encoder = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
    encoder.write_all(&text).unwrap();
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..BOMB_BYTES / spaces.len() {
        encoder.write_all(&spaces).unwrap();
    }
    encoder.write_all(b"]}").unwrap();
    encoder.finish().unwrap();
}

/// Writes the folder. Returns how many events in it are good, and what must be said of which object.
fn write_folder(world: &World) -> (u64, Vec<(String, &'static str)>) {
    let mut events = Events(0);
    let mut said = Vec::new();
    let mut good = 0;
    let mut put = |name: &str, bytes: &[u8], kept: u64, reason: Option<&'static str>| {
        world.put(&format!("logs/{}", key(name)), bytes);
        good += kept;
        said.extend(reason.map(|reason| (name.to_string(), reason)));
    };

    let mut text = log(&events.take(3));
    let mut two = gzip(&text[..text.len() / 2]);
    two.extend(gzip(&text[text.len() / 2..]));
    put("TwoMembers", &two, 3, None);

    put("Finding", &gzip(&log(&[root_key("00000000-0000-4000-9000-000000000001")])), 1, None);
    put("EmptyFile", b"", 0, Some("empty"));
    put("EmptyLog", &gzip(b"{\"Records\":[]}"), 0, None);
    put("Digest", &gzip(json!({"awsAccountId": logs::ACCOUNT, "digestStartTime": "2025-03-09T12:00:00Z", "digestS3Bucket": "b", "digestS3Object": "o", "logFiles": []}).to_string().as_bytes()), 0, Some("digest"));
    put("Config", &gzip(json!({"fileVersion": "1.0", "configSnapshotId": "x", "configurationItems": [{"resourceType": "AWS::S3::Bucket"}]}).to_string().as_bytes()), 0, Some("config"));
    let summary = json!({"eventVersion": "1.0", "accountId": logs::ACCOUNT, "eventId": "x", "eventCategory": "Aggregated", "eventType": "AwsAggregatedEvent", "timeWindow": {"windowSize": "PT5M"}, "summary": {"primaryDimension": {"dimension": "d", "statistics": []}}});
    put("Aggregated", &gzip(json!([summary, summary]).to_string().as_bytes()), 0, Some("aggregated"));

    let lines: Vec<String> = events.take(4).iter().map(|record| record.to_string()).collect();
    put("Ndjson", &gzip(lines.join("\n").as_bytes()), 4, None);
    let looked_up: Vec<_> = events.take(2).iter().map(|record| json!({"EventId": record["eventID"], "EventName": "ListUsers", "Username": "ana", "CloudTrailEvent": record.to_string()})).collect();
    put("LookupEvents", &gzip(json!({"Events": looked_up, "NextToken": "t"}).to_string().as_bytes()), 2, None);
    let bus = json!({"version": "0", "id": "b", "detail-type": "AWS API Call via CloudTrail", "source": "aws.iam", "account": logs::ACCOUNT, "time": "2025-03-09T12:51:00Z", "region": "us-east-1", "resources": [], "detail": events.next()});
    put("EventBridge", &gzip(bus.to_string().as_bytes()), 1, None);
    let messages: Vec<_> = events
        .take(2)
        .iter()
        .map(|record| json!({"id": "3", "timestamp": 1741524660000_u64, "message": record.to_string()}))
        .collect();
    put("CloudWatch", &gzip(json!({"messageType": "DATA_MESSAGE", "owner": logs::ACCOUNT, "logGroup": "g", "logStream": "s", "subscriptionFilters": ["f"], "logEvents": messages}).to_string().as_bytes()), 2, None);

    text = log(&events.take(3));
    let at = text.windows(5).position(|window| window == b"\"ana\"").unwrap();
    text[at + 1] = 0xff;
    put("Utf8Error", &gzip(&text), 2, Some("bad_utf8"));
    let mut strangers = events.take(3);
    strangers[1] = json!({"eventVersion": "1.09", "eventSource": 5, "eventTime": "yesterday"});
    put("BadRecord", &gzip(&log(&strangers)), 2, Some("record 1"));
    put("NoLog", &gzip(b"hello there"), 0, Some("not_json"));
    put("PlainNamedGz", &log(&events.take(2)), 2, None);
    world.put("logs/gz-named.json", gzip(&log(&events.take(2))));
    world.put("logs/notes.txt", "hello there");
    said.push(("notes.txt".into(), "not_cloudtrail"));
    good += 2;

    let bomb = key("Bomb");
    write_bomb(&world.path("logs").join(&bomb), &mut events);
    said.push(("Bomb".into(), "inflated_too_large"));
    good += 2;
    good += write_large(&world.path("logs").join(key("Large")), &mut events);
    (good, said)
}

#[test]
fn everything_good_is_kept_and_everything_else_is_named() {
    let world = World::new("hostile");
    let (good, said) = write_folder(&world);

    // The records before the cut are good too, as many as the inflater gives.
    let cut: Vec<_> = (0..2_000).map(|n| record(&format!("cut-{n}-{:x}", n * 0x9E37_79B9_u64))).collect();
    let packed = gzip(&log(&cut));
    world.put(&format!("logs/{}", key("Truncated")), &packed[..packed.len() / 2]);

    let store = world.store("store");
    let run = store.scan(world.path("logs")).ok();
    for (name, reason) in said.iter().chain([&("Truncated".to_string(), "truncated_gzip")]) {
        let lines: Vec<_> = run.stderr.lines().filter(|line| line.contains(name.as_str())).collect();
        assert_eq!(lines.len(), 1, "{name}: one line\n{}", run.stderr);
        assert!(lines[0].contains(reason), "{name}: {reason}\n{}", lines[0]);
    }
    assert_eq!(run.findings().iter().filter(|finding| finding["rule"] == "iam/root_access_key_created").count(), 1);

    store.assert_accounted();
    let before_the_cut = store.number("SELECT count(*) AS n FROM events WHERE starts_with(event_id, 'cut-')");
    assert!((200..2_000).contains(&before_the_cut), "{before_the_cut} records before the cut");
    assert_eq!(store.events() - before_the_cut, good);
    println!("peak memory {} MB, {good} good events", run.peak_bytes >> 20);
    assert!(run.peak_bytes > 10 << 20 && run.peak_bytes < MEMORY_MAX, "peak memory {} MB", run.peak_bytes >> 20);
}
