//! What is wanted of a source, and fetching against an S3 that fails as it is told.

use std::time::{Duration, Instant};

use super::access::BEFORE_READS_MAX;
use super::*;
use crate::aws::tests::aws;
use crate::metrics::Metrics;
use crate::notification::Announced;
use crate::object::ObjectOutcome;
use trailhound_testing::fake_aws::{self, FakeAws, Fault, Rule};

const HELD_MAX: u64 = 1 << 20;

fn limits() -> FetchLimits {
    FetchLimits {
        attempt_time_max: Duration::from_secs(1),
        time_max: Duration::from_secs(6),
        wait_first: Duration::from_millis(5),
        wait_longest: Duration::from_millis(40),
        ..FetchLimits::DEFAULT
    }
}

async fn clients(fake: &FakeAws, buckets: Vec<BucketConfig>) -> Clients {
    Clients::new(aws(fake).await, buckets, Metrics::unregistered()).with_limits(limits())
}

fn announced(bucket: &str, key: &str) -> Announced {
    Announced { bucket: bucket.into(), key: key.into(), ..Announced::default() }
}

fn content(fetched: &Fetched) -> Vec<u8> {
    match &fetched.body {
        Body::Bytes(bytes) => bytes.clone(),
        Body::File(path) => std::fs::read(path).unwrap(),
        Body::Temporary(file) => std::fs::read(file.path()).unwrap(),
    }
}

/// A bucket `logs` with one object, `k`.
async fn one_object() -> (FakeAws, Clients, Vec<u8>) {
    let fake = FakeAws::start();
    fake.bucket("logs");
    let bytes: Vec<u8> = (0..50_000u32).flat_map(u32::to_le_bytes).collect();
    fake.put("logs", "k", bytes.clone());
    let clients = clients(&fake, Vec::new()).await;
    (fake, clients, bytes)
}

async fn fails(clients: &Clients, announced: &Announced, outcome: FetchOutcome, reason: &str) -> FetchError {
    let error = clients.fetch(announced, HELD_MAX).await.unwrap_err();
    assert_eq!((error.outcome(), error.reason()), (outcome, reason), "{error}");
    assert!(error.to_string().starts_with(&format!("s3://{}/{}: ", announced.bucket, announced.key)), "{error}");
    assert_eq!(clients.inner.metrics.fetch_failures.with_label_values(&[reason]).get(), 1, "{error}");
    error
}

#[tokio::test]
async fn reads_what_was_announced() {
    let (fake, clients, bytes) = one_object().await;
    let fetched = clients.fetch(&announced("logs", "k"), HELD_MAX).await.unwrap();
    assert!(matches!(fetched.body, Body::Bytes(_)) && fetched.id.identity.starts_with("etag:"));
    assert!(content(&fetched) == bytes && fetched.bytes == bytes.len() as u64);
    let fetched = clients.fetch(&announced("logs", "k"), 1000).await.unwrap();
    assert!(matches!(fetched.body, Body::Temporary(_)), "large ones go to a file");
    assert!(content(&fetched) == bytes);

    fake.bucket_with("versions", fake_aws::Bucket { versioned: true, ..Default::default() });
    fake.put("versions", "k", "old");
    let old = clients.fetch(&announced("versions", "k"), HELD_MAX).await.unwrap().id;
    let version = old.identity.strip_prefix("version:").unwrap().to_string();
    let exact = Announced { version_id: Some(version), ..announced("versions", "k") };
    assert_eq!(exact.id(), Some(old.clone()), "known before it is fetched");
    assert_eq!(clients.fetch(&exact, HELD_MAX).await.unwrap().id, old);
    fake.put("versions", "k", "new");
    fails(&clients, &exact, FetchOutcome::Park, "missing").await;
}

#[tokio::test]
async fn faults_that_pass_are_waited_out() {
    let (fake, clients, bytes) = one_object().await;
    fake.fail(Rule::new("GetObject", Fault::slow_down()).times(2));
    fake.fail(Rule::new("GetObject", Fault::status(500, "InternalError", "")).times(1));
    fake.fail(Rule::new("GetObject", Fault::Truncated(1000)).times(1));
    fake.fail(Rule::new("GetObject", Fault::Flipped).times(1));
    assert!(content(&clients.fetch(&announced("logs", "k"), HELD_MAX).await.unwrap()) == bytes);
    assert_eq!(fake.calls("GetObject"), 6);
    let calls = |result: &str| clients.inner.metrics.calls.with_label_values(&["s3", "GetObject", result]).get();
    assert_eq!((calls("throttled"), calls("server_error"), calls("ok")), (2, 1, 3));
    // In a file too.
    fake.fail(Rule::new("GetObject", Fault::Truncated(100_000)).times(1));
    fake.fail(Rule::new("GetObject", Fault::Flipped).times(1));
    assert!(content(&clients.fetch(&announced("logs", "k"), 10).await.unwrap()) == bytes);
}

#[tokio::test]
async fn a_short_body_is_noticed_where_the_size_was_announced() {
    let (fake, clients, bytes) = one_object().await;
    let id = clients.fetch(&announced("logs", "k"), HELD_MAX).await.unwrap().id;
    fake.bucket_with("plain", fake_aws::Bucket { without_checksums: true, ..Default::default() });
    fake.put("plain", "k", bytes.clone());
    let etag = id.identity.strip_prefix("etag:").map(str::to_string);
    let announced = Announced { etag, bytes: Some(bytes.len() as u64), ..announced("plain", "k") };
    fake.fail(Rule::new("GetObject", Fault::Short(10)).times(2));
    assert!(content(&clients.fetch(&announced, HELD_MAX).await.unwrap()) == bytes);
    assert_eq!(fake.calls("GetObject"), 4);
}

#[tokio::test]
async fn slow_is_not_dead_but_silent_is() {
    let (fake, clients, bytes) = one_object().await;
    let drip = Fault::Dripping { pieces: 5, pause: Duration::from_millis(100) };
    fake.fail(Rule::new("GetObject", drip).times(1));
    assert!(content(&clients.fetch(&announced("logs", "k"), HELD_MAX).await.unwrap()) == bytes);
    fake.fail(Rule::new("GetObject", Fault::Slow(Duration::from_secs(5))).times(1));
    let began = Instant::now();
    assert!(content(&clients.fetch(&announced("logs", "k"), HELD_MAX).await.unwrap()) == bytes);
    assert!(began.elapsed() < Duration::from_secs(2), "a try ends: {:?}", began.elapsed());
    let drip = Fault::Dripping { pieces: 100, pause: Duration::from_millis(300) };
    fake.fail(Rule::new("GetObject", drip));
    let began = Instant::now();
    fails(&clients, &announced("logs", "k"), FetchOutcome::Retry, "unreachable").await;
    assert!(began.elapsed() < Duration::from_secs(8), "all tries end: {:?}", began.elapsed());
}

#[tokio::test]
async fn tries_end() {
    let (fake, clients, _) = one_object().await;
    fake.fail(Rule::new("GetObject", Fault::slow_down()));
    fails(&clients, &announced("logs", "k"), FetchOutcome::Retry, "throttled").await;
    assert_eq!(fake.calls("GetObject"), u64::from(limits().tries));
    fake.mend();
    fake.fail(Rule::new("GetObject", Fault::Truncated(10)));
    fails(&clients, &announced("logs", "k"), FetchOutcome::Retry, "truncated").await;
}

#[tokio::test]
async fn what_is_missing_may_come_and_may_have_another_name() {
    let (fake, clients, bytes) = one_object().await;
    let error = fails(&clients, &announced("logs", "gone"), FetchOutcome::Park, "missing").await;
    let report = error.report();
    assert_eq!((report.outcome, report.reason.as_deref()), (ObjectOutcome::Parked, Some("missing")));
    assert_eq!(fake.calls("GetObject"), u64::from(limits().missing_tries));

    fake.fail(Rule::new("GetObject", Fault::status(404, "NoSuchKey", "")).times(2));
    assert!(content(&clients.fetch(&announced("logs", "k"), HELD_MAX).await.unwrap()) == bytes);

    fake.put("logs", "a b+c", "other");
    let object = Announced { other_key: Some("a b+c".into()), ..announced("logs", "a+b%2Bc") };
    let fetched = clients.fetch(&object, HELD_MAX).await.unwrap();
    assert_eq!((content(&fetched).as_slice(), fetched.id.key.as_str()), (&b"other"[..], "a b+c"));
    let calls = fake.calls("GetObject");
    let object = Announced { other_key: Some("neither".into()), ..announced("logs", "nor") };
    assert_eq!(clients.fetch(&object, HELD_MAX).await.unwrap_err().reason(), "missing");
    assert_eq!(fake.calls("GetObject") - calls, u64::from(limits().missing_tries) + 1, "the other name once");
}

#[tokio::test]
async fn a_bucket_is_followed_to_its_region_once() {
    let fake = FakeAws::start();
    fake.bucket_with("far", fake_aws::Bucket { region: Some("ap-south-2".into()), ..Default::default() });
    fake.put("far", "k", "v");
    let clients = clients(&fake, Vec::new()).await;
    // The message is wrong about the region, or says none.
    let wrong = Announced { region: Some("eu-west-1".into()), ..announced("far", "k") };
    assert_eq!(content(&clients.fetch(&wrong, HELD_MAX).await.unwrap()), b"v");
    assert_eq!(fake.calls("GetObject"), 2);
    assert_eq!(content(&clients.fetch(&announced("far", "k"), HELD_MAX).await.unwrap()), b"v");
    assert_eq!(fake.calls("GetObject"), 3, "remembered");
    assert_eq!(clients.list("far", "", None).await.unwrap().listed.len(), 1);
    // Right from the start where the message or the configuration tells.
    let fresh = super::tests::clients(&fake, Vec::new()).await;
    let right = Announced { region: Some("ap-south-2".into()), ..announced("far", "k") };
    fresh.fetch(&right, HELD_MAX).await.unwrap();
    assert_eq!(fake.calls("GetObject"), 4);
    // And by listing first.
    let fresh = super::tests::clients(&fake, Vec::new()).await;
    assert_eq!(fresh.list("far", "", None).await.unwrap().listed.len(), 1);
}

#[tokio::test]
async fn denied_is_told_apart() {
    let (fake, clients, _) = one_object().await;
    fake.bucket_with(
        "closed",
        fake_aws::Bucket { role_arn: Some("arn:aws:iam::1:role/x".into()), ..Default::default() },
    );
    fake.put("closed", "k", "v");
    // Nothing was ever read: not known yet, then a wrong configuration.
    for n in 1..BEFORE_READS_MAX {
        let error = clients.fetch(&announced("closed", &format!("k{n}")), HELD_MAX).await.unwrap_err();
        assert_eq!((error.outcome(), error.reason()), (FetchOutcome::Retry, "forbidden"));
    }
    let error = clients.fetch(&announced("closed", "k"), HELD_MAX).await.unwrap_err();
    assert!(error.is_configuration() && error.to_string().contains("s3:GetObject"), "{error}");
    // Others can be read: a stranger's bucket.
    clients.fetch(&announced("logs", "k"), HELD_MAX).await.unwrap();
    let error = clients.fetch(&announced("closed", "k"), HELD_MAX).await.unwrap_err();
    assert_eq!(error.outcome(), FetchOutcome::Park);
    let error = clients.fetch(&announced("no-such-bucket", "k"), HELD_MAX).await.unwrap_err();
    assert_eq!((error.outcome(), error.reason()), (FetchOutcome::Park, "no_such_bucket"));
    // One object of a bucket that can be read.
    fake.put("logs", "sealed", "v");
    let kms = "User: arn:aws:sts::1:assumed-role/t/t is not authorized to perform: kms:Decrypt";
    fake.fail(Rule::new("GetObject", Fault::status(403, "AccessDenied", kms)).about("sealed"));
    fails(&clients, &announced("logs", "sealed"), FetchOutcome::Park, "kms_denied").await;
    fake.fail(Rule::new("GetObject", Fault::status(403, "InvalidObjectState", "")).about("cold"));
    fails(&clients, &announced("logs", "cold"), FetchOutcome::Park, "archived").await;
}

#[tokio::test]
async fn one_client_for_a_role() {
    let fake = FakeAws::start();
    let (first, second) = ("arn:aws:iam::111122223333:role/first", "arn:aws:iam::111122223333:role/second");
    fake.role(first, None);
    fake.role(second, Some("secret-handshake"));
    for (bucket, role) in [("a-one", first), ("a-two", first), ("b", second)] {
        fake.bucket_with(bucket, fake_aws::Bucket { role_arn: Some(role.into()), ..Default::default() });
        fake.put(bucket, "k", "v");
    }
    let config = |name: &str, role: &str, id: Option<&str>| BucketConfig {
        name: name.into(),
        role_arn: Some(role.into()),
        external_id: id.map(str::to_string),
        ..BucketConfig::default()
    };
    let buckets = vec![config("a-*", first, None), config("b", second, Some("secret-handshake"))];
    let reader = clients(&fake, buckets).await;
    for _ in 0..3 {
        for bucket in ["a-one", "a-two", "b"] {
            reader.fetch(&announced(bucket, "k"), HELD_MAX).await.unwrap();
        }
    }
    assert_eq!((reader.count().await, fake.calls("AssumeRole")), (2, 2));
    // The same role in another region is another client with the same credentials.
    let elsewhere = Announced { region: Some("eu-west-1".into()), ..announced("b", "k") };
    reader.fetch(&elsewhere, HELD_MAX).await.unwrap();
    assert_eq!((reader.count().await, fake.calls("AssumeRole")), (3, 2));

    let wrong = clients(&fake, vec![config("b", second, Some("wrong"))]).await;
    let error = fails(&wrong, &announced("b", "k"), FetchOutcome::Stop, "credentials").await;
    assert!(error.to_string().contains("external_id"), "{error}");
}

#[test]
fn the_exact_name_wins_then_the_longest_pattern() {
    let config = |name: &str| BucketConfig { name: name.into(), ..BucketConfig::default() };
    let sdk = aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
    let names = ["*", "logs-*", "logs-*-eu", "logs-1", "*x*y*"];
    let buckets = names.iter().map(|name| config(name)).collect();
    let clients = Clients::new(crate::Aws::with(sdk), buckets, Metrics::unregistered());
    for (bucket, expected) in [
        ("logs-1", "logs-1"),
        ("logs-2", "logs-*"),
        ("logs-2-eu", "logs-*-eu"),
        ("other", "*"),
        ("axbyc", "*x*y*"),
        ("xy", "*x*y*"),
        ("yx", "*"),
    ] {
        assert_eq!(clients.inner.config(bucket).unwrap().name, expected, "{bucket}");
    }
    assert!(config("logs-*").check().is_ok());
    for bad in ["", "s3://logs", "arn:aws:s3:::logs"] {
        assert!(config(bad).check().is_err(), "{bad}");
    }
    assert!(BucketConfig { role_arn: Some("me".into()), ..config("b") }.check().is_err());
    assert!(BucketConfig { external_id: Some("x".into()), ..config("b") }.check().is_err());
}

#[tokio::test]
async fn a_listing_finds_what_there_is_and_pages() {
    let fake = FakeAws::start();
    fake.bucket("logs");
    let key = |base: &str, folder: &str, day: &str, n: u32| format!("{base}{folder}/2025/03/{day}/{n:05}.json.gz");
    let (alone, member) = ("p/AWSLogs/111122223333/", "p/AWSLogs/o-a1b2c3d4e5/444455556666/");
    for n in 0..2500 {
        fake.put("logs", &key(alone, "CloudTrail/eu-west-1", "09", n), "x");
    }
    fake.put("logs", &key(alone, "CloudTrail/us-east-1", "10", 1), "x");
    fake.put("logs", &key(alone, "CloudTrail-Digest/us-east-1", "10", 1), "x");
    fake.put("logs", &key(member, "CloudTrail-Insight/eu-west-1", "10", 1), "x");
    fake.put("logs", "p/AWSLogs/readme/x", "x");
    let clients = clients(&fake, Vec::new()).await;
    let scope = Scope {
        bucket: "logs".into(),
        prefix: "p/".into(),
        organization: None,
        accounts: Vec::new(),
        regions: Vec::new(),
        first_day: jiff::civil::date(2025, 3, 9),
        last_day: jiff::civil::date(2025, 3, 10),
    };
    let listing = Listing::new(&clients, scope);
    fake.fail(Rule::new("ListObjectsV2", Fault::slow_down()).times(2));
    let regions = listing.regions().await.unwrap();
    let expected = ["CloudTrail/eu-west-1/", "CloudTrail/us-east-1/"].map(|region| format!("{alone}{region}"));
    assert_eq!(regions[..2], expected);
    assert_eq!(regions[2..], [format!("{member}CloudTrail-Insight/eu-west-1/")]);
    let mut found = 0;
    for prefix in listing.prefixes(regions) {
        let mut token = None;
        loop {
            let page = listing.page(&prefix, token).await.unwrap();
            assert!(page.listed.iter().all(|listed| listed.key.starts_with(&prefix)));
            found += page.listed.len();
            token = page.next;
            if token.is_none() {
                break;
            }
        }
    }
    assert_eq!(found, 2502);
    fake.fail(Rule::new("ListObjectsV2", Fault::denied()));
    let error = listing.page("p/", None).await.unwrap_err();
    assert!(error.is_configuration() && error.to_string().contains("s3:ListBucket"), "{error}");
}

#[test]
fn wants_by_account_region_and_time() {
    let key = "AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/09/111122223333_CloudTrail_eu-west-1_20250309T1255Z_AbCdEfGhIjKlMnOp.json.gz";
    let at = |text: &str| crate::time::parse(text);
    let wanted = |since, until, account: &str, region: &str| Wanted {
        since,
        until,
        accounts: if account.is_empty() { vec![] } else { vec![account.into()] },
        regions: if region.is_empty() { vec![] } else { vec![region.into()] },
    };
    assert!(wanted(None, None, "", "").wants(key));
    assert!(wanted(None, None, "111122223333", "eu-west-1").wants(key));
    assert!(!wanted(None, None, "444455556666", "").wants(key));
    assert!(!wanted(None, None, "", "us-east-1").wants(key));
    assert!(wanted(at("2025-03-09T12:50:00Z"), at("2025-03-09T12:50:00Z"), "", "").wants(key));
    assert!(!wanted(at("2025-03-09T12:56:00Z"), None, "", "").wants(key));
    assert!(!wanted(None, at("2025-03-09T12:44:00Z"), "", "").wants(key));
    assert!(wanted(at("2030-01-01T00:00:00Z"), None, "1", "").wants("export.json"));
}
