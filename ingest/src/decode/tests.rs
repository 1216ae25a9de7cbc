use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

use super::*;

const KEY: &str = "AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/09/111122223333_CloudTrail_eu-west-1_20250309T1255Z_AbCdEfGhIjKlMnOp.json.gz";

fn decode_with(key: &str, bytes: &[u8], limits: Limits) -> (Vec<RecordBatch>, ObjectReport) {
    let mut decoder = Decoder::new(0, limits, Arc::new(Geo::default()), 0);
    let id = ObjectId { bucket: "b".into(), key: key.into(), identity: "sha256:0".into() };
    let mut batches = Vec::new();
    let mut objects = Vec::new();
    let mut emit = |batch: Batch| {
        batches.push(batch.rows);
        objects.extend(batch.objects);
    };
    decoder.object(id, Content::Bytes(bytes), &mut emit);
    if let Some(batch) = decoder.flush() {
        emit(batch);
    }
    let report = objects.pop().unwrap();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let skipped: u64 = report.records_skipped.values().sum();
    assert_eq!(report.records_received, rows as u64 + skipped + report.parked.len() as u64, "{report:?}");
    (batches, report)
}

fn decode(text: &str) -> (RecordBatch, ObjectReport) {
    let (batches, report) = decode_with(KEY, text.as_bytes(), Limits::default());
    (batches.into_iter().next().unwrap(), report)
}

/// A whole record with these members replaced or added.
fn record(more: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","userIdentity":{{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::111122223333:user/ana","accountId":"111122223333","userName":"ana"}},"eventTime":"2025-03-09T12:51:00Z","eventSource":"iam.amazonaws.com","eventName":"GetUser","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.7","eventID":"e-1"{more}}}"#
    )
}

fn one(more: &str) -> RecordBatch {
    let (rows, report) = decode(&format!("{{\"Records\":[{}]}}", record(more)));
    assert_eq!((rows.num_rows(), report.outcome), (1, ObjectOutcome::Decoded), "{report:?}");
    rows
}

#[track_caller]
fn text(rows: &RecordBatch, column: &str) -> Option<String> {
    let array = rows.column_by_name(column).unwrap_or_else(|| panic!("no column {column}")).as_string_view();
    array.is_valid(0).then(|| array.value(0).to_string())
}

#[track_caller]
fn flag(rows: &RecordBatch, column: &str) -> Option<bool> {
    let array = rows.column_by_name(column).unwrap().as_boolean();
    array.is_valid(0).then(|| array.value(0))
}

fn gz(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn appendix_a_2_to_5_empty_words_and_flags() {
    let identity = |session: &str| {
        format!(
            r#","userIdentity":{{"type":"IAMUser","principalId":"AIDAX","accessKeyId":"","sessionContext":{session}}}"#
        )
    };
    let rows = one(&identity(
        r#"{"attributes":{"mfaAuthenticated":"true","creationDate":"20131102T010628Z"},"sessionIssuer":{},"webIdFederationData":{}}"#,
    ));
    assert_eq!(text(&rows, "user_identity_access_key_id"), None);
    assert_eq!(text(&rows, "session_issuer_arn"), None);
    assert_eq!(flag(&rows, "session_mfa_authenticated"), Some(true));
    assert!(rows.column_by_name("session_creation_date").unwrap().is_valid(0));
    assert_eq!(
        flag(&one(&identity(r#"{"attributes":{"mfaAuthenticated":false}}"#)), "session_mfa_authenticated"),
        Some(false)
    );
    assert_eq!(flag(&one(&identity("{}")), "session_mfa_authenticated"), None);
    assert_eq!(flag(&one(r#","sessionCredentialFromConsole":"true""#), "session_credential_from_console"), Some(true));
}

#[test]
fn appendix_a_6_mfa_used_in_any_case() {
    let login = |more: &str| {
        one(&format!(
            r#","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","responseElements":{{"ConsoleLogin":"Success"}}{more}"#
        ))
    };
    for (word, expected) in [("Yes", Some(true)), ("YES", Some(true)), ("no", Some(false)), ("?", None)] {
        let rows = login(&format!(r#","additionalEventData":{{"MFAUsed":"{word}"}}"#));
        assert_eq!(flag(&rows, "mfa_used"), expected, "{word}");
        assert_eq!(text(&rows, "login_result").as_deref(), Some("Success"));
    }
    assert_eq!(flag(&login(""), "mfa_used"), None);
    assert_eq!(
        flag(&login(r#","additionalEventData":{"MFAUsed":"No","MFAIdentifier":"arn:aws:iam::1:mfa/x"}"#), "mfa_used"),
        Some(true)
    );
}

#[test]
fn appendix_a_9_a_failed_login_of_a_hidden_user() {
    let rows = one(
        r#","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","userIdentity":{"type":"IAMUser","accountId":"111122223333","accessKeyId":"","userName":"HIDDEN_DUE_TO_SECURITY_REASONS"},"errorMessage":"No username found in supplied account","responseElements":{"ConsoleLogin":"Failure"}"#,
    );
    assert_eq!(text(&rows, "outcome").as_deref(), Some("failure"));
    assert_eq!(text(&rows, "principal_key").as_deref(), Some("unknown-user:111122223333"));
    assert_eq!(text(&rows, "error_code"), None);
}

#[test]
fn appendix_a_16_17_18_files_as_they_come() {
    let early = record(r#","eventTime":"2025-03-09T12:41:00Z""#);
    let (rows, _) = decode(&format!("{{\"Records\":[{},{early}]}}", record("")));
    let times = rows.column_by_name("event_time").unwrap().as_primitive::<TimestampMicrosecondType>();
    assert!(times.value(0) > times.value(1), "the file's order is kept");
    assert_eq!(rows.column_by_name("src_ordinal").unwrap().as_primitive::<Int32Type>().values(), &[0, 1]);

    let (rows, report) = decode(r#"{"Records":[]}"#);
    assert_eq!((rows.num_rows(), report.outcome, report.records_received), (0, ObjectOutcome::Decoded, 0));

    let insight = r#"{"Records":[{"eventVersion":"1.07","eventType":"AwsCloudTrailInsight","eventID":"i","eventTime":"2025-03-09T12:51:00Z","awsRegion":"us-east-1","recipientAccountId":"111122223333","eventCategory":"Insight","insightDetails":{"state":"Start","eventName":"StopLogging","errorCode":"null"}}]}"#;
    let (rows, _) = decode(insight);
    assert_eq!(text(&rows, "event_name"), None, "an Insights record is no call");
    assert!(text(&rows, "insight_details").unwrap().contains("StopLogging"));
}

#[test]
fn appendix_a_19_20_21_what_is_no_log_is_skipped_by_content() {
    for (body, reason) in [
        (
            r#"[{"eventVersion":"1.0","accountId":"1","eventId":"x","eventCategory":"Aggregated","eventType":"AwsAggregatedEvent","summary":{}},{"eventType":"AwsAggregatedEvent"}]"#,
            "aggregated",
        ),
        (
            r#"{"awsAccountId":"1","digestStartTime":"x","digestS3Bucket":"b","digestS3Object":"o","logFiles":[]}"#,
            "digest",
        ),
        (r#"{"fileVersion":"1.0","configSnapshotId":"x","configurationItems":[{}]}"#, "config"),
        (r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"x"}"#, "notification"),
        (
            r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2025-03-09T12:51:00Z","eventName":"ObjectCreated:Put"}]}"#,
            "notification",
        ),
        (r#"{"hello":"world"}"#, "not_cloudtrail"),
        ("", "empty"),
    ] {
        let (_, report) = decode(body);
        assert_eq!((report.outcome, report.reason.as_deref()), (ObjectOutcome::Skipped, Some(reason)), "{body}");
    }
    let (_, report) = decode_with("notes.txt", b"hello there", Limits::default());
    assert_eq!((report.outcome, report.reason.as_deref()), (ObjectOutcome::Skipped, Some("not_cloudtrail")));
    let (_, report) = decode("hello there");
    assert_eq!(
        (report.outcome, report.reason.as_deref()),
        (ObjectOutcome::Parked, Some("not_json")),
        "its key says that it is a log"
    );
}

#[test]
fn appendix_a_25_26_27_gzip_in_every_state() {
    let body = |n: usize| {
        let records: Vec<_> = (0..n)
            .map(|i| {
                record(&format!(r#","eventID":"e-{i}","requestID":"{:x}""#, i.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
            })
            .collect();
        format!("{{\"Records\":[{}]}}", records.join(",")).into_bytes()
    };
    let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    let packed = gz(&body(2000));
    let (batches, report) = decode_with(KEY, &packed[..packed.len() / 2], Limits::default());
    assert_eq!((report.outcome, report.reason.as_deref()), (ObjectOutcome::Parked, Some("truncated_gzip")));
    assert!((500..2000).contains(&rows(&batches)), "good records before the cut are kept: {}", rows(&batches));

    let mut two = gz(&body(3));
    two.extend(gz(&body(2)));
    assert_eq!(rows(&decode_with(KEY, &two, Limits::default()).0), 5);

    let mut bomb = body(2);
    bomb.truncate(bomb.len() - 2);
    bomb.extend(vec![b' '; 50 << 20]);
    let limits = Limits { inflated_bytes_max: 20 << 20, ..Limits::default() };
    let (batches, report) = decode_with(KEY, &gz(&bomb), limits);
    assert_eq!(
        (rows(&batches), report.outcome, report.reason.as_deref()),
        (2, ObjectOutcome::Parked, Some("inflated_too_large"))
    );
}

#[test]
fn appendix_a_34_versions_by_their_major_number() {
    for (version, good) in [("1.10", true), ("1.9", true), ("1.12", true), ("2.0", false), ("10.1", false)] {
        let (rows, report) = decode(&format!("[{}]", record(&format!(r#","eventVersion":"{version}""#))));
        assert_eq!(rows.num_rows() == 1, good, "{version}");
        assert_eq!(report.parked.iter().any(|p| p.reason == "unknown_event_version"), !good, "{version}");
    }
}

#[test]
fn appendix_a_35_to_38_nested_parts_stay_as_received() {
    let rows = one(r#","annotation":{"b": [1, 2]},"flag":true"#);
    assert_eq!(text(&rows, "extra").as_deref(), Some(r#"{"annotation":{"b": [1, 2]},"flag":true}"#));
    for raw in [
        r#"{"reason":"requestParameters too large","omitted":true,"originalSize":123456}"#,
        "[1, 2]",
        r#""text""#,
        r#"{"n":123456789012345678901234567890,"Host":"a","host":"b", "x" : null}"#,
    ] {
        assert_eq!(text(&one(&format!(r#","requestParameters":{raw}"#)), "request_parameters").as_deref(), Some(raw));
    }
    assert_eq!(text(&one(r#","requestParameters":null"#), "request_parameters"), None);
}

#[test]
fn appendix_a_39_40_41_sources_names_agents() {
    let rows = one(
        r#","sourceIPAddress":"10.8.8.10","vpcEndpointId":"vpce-1","userAgent":"[aws-cli/2.7.0 Python/3.9]","eventName":"UpdateFunctionCode20150331v2""#,
    );
    assert_eq!(text(&rows, "source_kind").as_deref(), Some("private"));
    assert_eq!(text(&rows, "source_network").as_deref(), Some("vpce:vpce-1"));
    assert_eq!(text(&rows, "user_agent").as_deref(), Some("aws-cli/2.7.0 Python/3.9"));
    assert_eq!(text(&rows, "user_agent_family").as_deref(), Some("aws-cli"));
    assert_eq!(text(&rows, "event_name_norm").as_deref(), Some("UpdateFunctionCode"));
    for (name, norm) in [
        ("ListFunctions20150331", "ListFunctions"),
        ("GetDistribution2020_05_31", "GetDistribution"),
        ("Get_20200531", "Get"),
        ("GetObject", "GetObject"),
        ("ListObjectsV2", "ListObjectsV2"),
        ("20200531", "20200531"),
    ] {
        assert_eq!(crate::unversioned(name), norm);
    }
}

#[test]
fn appendix_a_42_43_44_odd_values_are_just_values() {
    let rows = one(
        ",\"responseElements\":{\"credentials\":{\"accessKeyId\":\"ASIAX\",\"sessionToken\":\"very secret\",\"expiration\":\"Oct 25, 2024, 9:07:11\u{202f}PM\"}}",
    );
    assert_eq!(text(&rows, "response_access_key_id").as_deref(), Some("ASIAX"));
    let kept = text(&rows, "response_elements").unwrap();
    assert_eq!(
        kept,
        "{\"credentials\":{\"accessKeyId\":\"ASIAX\",\"sessionToken\":\"REDACTED\",\"expiration\":\"Oct 25, 2024, 9:07:11\u{202f}PM\"}}"
    );
    assert_eq!(text(&one(r#","eventID":"1""#), "event_id").as_deref(), Some("1"));
    let rows = one(r#","eventTime":"2025-02-01T00:00:00Z""#);
    assert_eq!(rows.num_rows(), 1, "thirty days late is no reason to refuse");
}

#[test]
fn secrets_go_and_policies_stay() {
    let rows = one(
        r#","requestParameters":{"userName":"x","password":"p\"w","masterUserPassword":"m","policyDocument":"{\"Password\":\"no\"}","passwordResetRequired":true},"token":{"secretAccessKey":"k"},"sessionToken":"top""#,
    );
    assert_eq!(
        text(&rows, "request_parameters").as_deref(),
        Some(
            r#"{"userName":"x","password":"REDACTED","masterUserPassword":"REDACTED","policyDocument":"{\"Password\":\"no\"}","passwordResetRequired":true}"#
        )
    );
    assert_eq!(
        text(&rows, "extra").as_deref(),
        Some(r#"{"token":{"secretAccessKey":"REDACTED"},"sessionToken":"REDACTED"}"#)
    );
}

#[test]
fn every_carrier_gives_the_same_row() {
    let bare = record("");
    let quoted = serde_json::to_string(&bare).unwrap();
    for (name, body) in [
        ("records", format!("{{\"Records\":[{bare}]}}")),
        ("records not first", format!("{{\"a\":{{\"Records\":1}},\"Records\":[{bare}],\"b\":[1]}}")),
        ("array", format!("[{bare}]")),
        ("bare", bare.clone()),
        ("lines", format!("{bare}\n")),
        ("bom", format!("\u{feff}{{\"Records\":[{bare}]}}")),
        ("lookup", format!("{{\"Events\":[{{\"EventId\":\"e-1\",\"CloudTrailEvent\":{quoted}}}]}}")),
        ("lookup line", format!("{{\"EventId\":\"e-1\",\"CloudTrailEvent\":{quoted}}}")),
        (
            "eventbridge",
            format!(
                "{{\"version\":\"0\",\"detail-type\":\"AWS API Call via CloudTrail\",\"source\":\"aws.iam\",\"detail\":{bare}}}"
            ),
        ),
        (
            "cloudwatch",
            format!(
                "{{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{{\"id\":\"1\",\"timestamp\":1,\"message\":{quoted}}}]}}"
            ),
        ),
        ("array of files", format!("[{{\"Records\":[{bare}]}}]")),
    ] {
        let (rows, report) = decode(&body);
        assert_eq!(rows.num_rows(), 1, "{name}: {report:?}");
        assert_eq!(text(&rows, "event_id").as_deref(), Some("e-1"), "{name}");
        assert_eq!(report.outcome, ObjectOutcome::Decoded, "{name}");
    }
}

#[test]
fn a_bad_record_is_set_aside_alone() {
    let good = |n: u32| record(&format!(r#","eventID":"g-{n}""#));
    for (bad, reason) in [
        (r#"{"eventTime":tru}"#.as_bytes(), "bad_json"),
        (b"{\"eventTime\":\"\xff\xfe\"}", "bad_utf8"),
        (br#"{"eventName":"X","eventSource":"y.amazonaws.com"}"#, "missing_event_time"),
        (br#"{"eventTime":"...","eventName":"X","eventSource":"y.amazonaws.com"}"#, "bad_event_time"),
        (br#"{"eventTime":"2025-03-09T12:51:00Z","eventSource":"y.amazonaws.com"}"#, "missing_event_name"),
        (b"17", "bad_json"),
    ] {
        let mut body = format!("{{\"Records\":[{},", good(1)).into_bytes();
        body.extend_from_slice(bad);
        body.extend_from_slice(format!(",{}]}}", good(2)).as_bytes());
        for (how, bytes) in [("plain", body.clone()), ("gzip", gz(&body))] {
            let (batches, report) = decode_with(KEY, &bytes, Limits::default());
            assert_eq!(batches[0].num_rows(), 2, "{how} {reason}: {report:?}");
            assert_eq!(report.outcome, ObjectOutcome::Decoded, "{how} {reason}");
            assert_eq!(
                (report.parked.len(), report.parked[0].ordinal, report.parked[0].reason.as_str()),
                (1, 1, reason)
            );
        }
    }
}

#[test]
fn a_record_that_is_too_large_is_set_aside_alone() {
    let limits = Limits { record_bytes_max: 1 << 20, whole_bytes_max: 1 << 20, ..Limits::default() };
    let large = record(&format!(r#","errorMessage":"{}""#, "x".repeat(9 << 20)));
    let body = format!("{{\"Records\":[{},{large},{}]}}", record(""), record(r#","eventID":"e-2""#));
    for bytes in [body.clone().into_bytes(), gz(body.as_bytes())] {
        let (batches, report) = decode_with(KEY, &bytes, limits);
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2, "{report:?}");
        assert_eq!(report.parked[0].reason, "record_too_large");
    }
}

#[test]
fn large_objects_come_in_pieces() {
    let records: Vec<_> = (0..40_000).map(|i| record(&format!(r#","eventID":"é-{i}""#))).collect();
    let body = format!("{{\"Records\":[{}],\"more\":1}}", records.join(","));
    let limits = Limits { whole_bytes_max: 1 << 20, batch_bytes: 2 << 20, ..Limits::default() };
    for bytes in [body.clone().into_bytes(), gz(body.as_bytes())] {
        let (batches, report) = decode_with(KEY, &bytes, limits);
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 40_000);
        assert!(batches.len() > 5 && report.outcome == ObjectOutcome::Decoded);
        assert_eq!(report.inflated_bytes, body.len() as u64);
    }
    let stream = Content::Stream(Box::new(body.as_bytes()), body.len() as u64);
    let mut decoder = Decoder::new(0, limits, Arc::new(Geo::default()), 0);
    let mut rows = 0;
    let id = ObjectId { bucket: "b".into(), key: "k".into(), identity: "i".into() };
    decoder.object(id, stream, &mut |batch| rows += batch.rows.num_rows());
    rows += decoder.flush().map_or(0, |batch| batch.rows.num_rows());
    assert_eq!(rows, 40_000);
}

#[test]
fn a_missing_event_id_is_a_hash_of_the_record() {
    let strip = |text: String| text.replace(r#","eventID":"e-1""#, "");
    let (rows, _) = decode(&strip(format!("[{}]", record(""))));
    assert!(text(&rows, "event_id").unwrap().starts_with("sha256:"));
}

proptest! {
    #[test]
    fn any_bytes_are_accounted_for(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        decode_with("x", &bytes, Limits::default());
        decode_with(KEY, &gz(&bytes), Limits::default());
    }

    #[test]
    fn a_file_damaged_anywhere_never_panics_and_loses_no_more_than_it_must(at in 0usize..3000, byte in any::<u8>(), cut in any::<bool>()) {
        let records: Vec<_> = (0..8).map(|i| record(&format!(r#","eventID":"{i}""#))).collect();
        let mut body = format!("{{\"Records\":[{}]}}", records.join(",")).into_bytes();
        let at = at % body.len();
        if cut { body.truncate(at) } else { body[at] = byte }
        for bytes in [body.clone(), gz(&body)] {
            let (batches, report) = decode_with(KEY, &bytes, Limits::default());
            // Where the name of the list is damaged, nothing tells that its elements are records: it is parked as one.
            let named = at >= r#"{"Records":["#.len();
            if !cut && named && report.outcome == ObjectOutcome::Decoded && report.parked.len() == 1 {
                prop_assert!(batches[0].num_rows() >= 6);
            }
        }
    }
}
