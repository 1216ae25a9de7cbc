//! Golden bodies: every shape of AWS' documents and of the three stand-ins for AWS that the tests use.

use proptest::prelude::*;

use super::*;

const KEY: &str = "AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/09/111122223333_CloudTrail_eu-west-1_20250309T1255Z_AbCdEfGhIjKlMnOp.json.gz";
const WRITTEN: &str = "2025-03-09T12:57:01.123Z";

fn micros(text: &str) -> Option<i64> {
    Some(crate::time::parse(text).unwrap())
}

/// S3's own record, after "Event message structure" of the S3 User Guide.
fn s3(event: &str, key: &str) -> String {
    format!(
        r#"{{"Records":[{{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"{WRITTEN}","eventName":"{event}","userIdentity":{{"principalId":"AWS:AROAEXAMPLE:regional-delivery-session"}},"requestParameters":{{"sourceIPAddress":"10.0.0.1"}},"responseElements":{{"x-amz-request-id":"R","x-amz-id-2":"H"}},"s3":{{"s3SchemaVersion":"1.0","configurationId":"ct","bucket":{{"name":"my-trail","ownerIdentity":{{"principalId":"A1"}},"arn":"arn:aws:s3:::my-trail"}},"object":{{"key":"{key}","size":2048,"eTag":"d41d8cd98f00b204e9800998ecf8427e","versionId":"v1","sequencer":"0065F1A2B3C4D5E6F7"}}}}}}]}}"#
    )
}

fn sns(message: &str) -> String {
    serde_json::json!({
        "Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:ct",
        "Subject": "Amazon S3 Notification", "Message": message, "Timestamp": "2025-03-09T12:57:02.000Z",
        "SignatureVersion": "1", "Signature": "…", "SigningCertURL": "https://sns.example/cert.pem",
        "UnsubscribeURL": "https://sns.example/u"
    })
    .to_string()
}

fn event_bridge(kind: &str, key: &str) -> String {
    format!(
        r#"{{"version":"0","id":"e-1","detail-type":"{kind}","source":"aws.s3","account":"111122223333","time":"2025-03-09T12:57:01Z","region":"eu-west-1","resources":["arn:aws:s3:::my-trail"],"detail":{{"version":"0","bucket":{{"name":"my-trail"}},"object":{{"key":"{key}","size":2048,"etag":"d41d","version-id":"v1","sequencer":"0065F1A2B3C4D5E6F7"}},"request-id":"R","requester":"cloudtrail.amazonaws.com","source-ip-address":"10.0.0.1","reason":"PutObject"}}}}"#
    )
}

fn objects(body: &str) -> Vec<Announced> {
    match read(body) {
        Ok(Notification::Objects(objects)) => objects,
        other => panic!("{body}\n{other:?}"),
    }
}

fn one(body: &str) -> Announced {
    let objects = objects(body);
    assert_eq!(objects.len(), 1, "{body}");
    objects.into_iter().next().unwrap()
}

fn nothing(body: &str, expected: &str) {
    assert_eq!(read(body).map(|read| format!("{read:?}")), Ok(format!("Nothing {{ reason: {expected:?} }}")), "{body}");
}

fn unknown(body: &str, expected: &str) {
    match read(body) {
        Err(unknown) => assert_eq!(unknown.reason, expected, "{body}"),
        Ok(read) => panic!("{body}\n{read:?}"),
    }
}

fn full() -> Announced {
    Announced {
        bucket: "my-trail".into(),
        key: KEY.into(),
        other_key: None,
        version_id: Some("v1".into()),
        etag: Some("d41d8cd98f00b204e9800998ecf8427e".into()),
        region: Some("eu-west-1".into()),
        bytes: Some(2048),
        event_time: micros(WRITTEN),
    }
}

#[test]
fn s3_to_sqs() {
    for event in
        ["ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", "ObjectCreated:Copy", "s3:ObjectCreated:Put"]
    {
        assert_eq!(one(&s3(event, KEY)), full(), "{event}");
    }
    // By shape and never by version.
    for version in ["2.0", "2.6", "3.0", "x"] {
        let body =
            s3("ObjectCreated:Put", KEY).replace(r#""eventVersion":"2.1""#, &format!(r#""eventVersion":"{version}""#));
        assert_eq!(one(&body), full(), "{version}");
    }
    assert_eq!(full().id().unwrap().identity, "version:v1");
}

#[test]
fn through_sns() {
    assert_eq!(one(&sns(&s3("ObjectCreated:Put", KEY))), full());
    assert_eq!(one(&sns(&sns(&s3("ObjectCreated:Put", KEY)))), full());
    let message = r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"my-trail"},"object":{"key":"a%3Db.json.gz"}}}]}"#;
    let object = one(&sns(message));
    assert_eq!((object.key.as_str(), object.other_key.as_deref()), ("a=b.json.gz", Some("a%3Db.json.gz")));
    assert_eq!(object.event_time, micros("2025-03-09T12:57:02.000Z"), "the envelope's time stands in");
    let untyped = serde_json::json!({"TopicArn": "arn:aws:sns:x", "Message": s3("ObjectCreated:Put", KEY)}).to_string();
    assert_eq!(one(&untyped), full());
}

#[test]
fn through_event_bridge() {
    let object = one(&event_bridge("Object Created", KEY));
    assert_eq!(object, Announced { etag: Some("d41d".into()), event_time: micros("2025-03-09T12:57:01Z"), ..full() });
    // Not encoded: a plus and a percent sign are themselves.
    let object = one(&event_bridge("Object Created", "a+b%20c.json.gz"));
    assert_eq!((object.key.as_str(), object.other_key.as_deref()), ("a+b%20c.json.gz", Some("a b c.json.gz")));
    assert_eq!(one(&sns(&event_bridge("Object Created", KEY))).key, KEY);
    nothing(&event_bridge("Object Deleted", "x/y.txt"), "object_removed");
    nothing(&event_bridge("Object Deleted", KEY), "log_removed");
    nothing(&event_bridge("Object Restore Completed", KEY), "other_event");
    nothing(&event_bridge("Object Tags Added", KEY), "other_event");
}

#[test]
fn cloudtrail_itself() {
    let (one_key, other) = (KEY, KEY.replace("AbCd", "BBBB"));
    let body = format!(r#"{{"s3Bucket":"my-trail","s3ObjectKey":["{one_key}","{other}"]}}"#);
    for body in [body.clone(), sns(&body)] {
        let keys: Vec<String> = objects(&body).into_iter().map(|object| object.key).collect();
        assert_eq!(keys, [one_key, other.as_str()]);
    }
    assert_eq!(one(&format!(r#"{{"s3Bucket":"my-trail","s3ObjectKey":"{KEY}"}}"#)).key, KEY);
    let plus = one(r#"{"s3Bucket":"my-trail","s3ObjectKey":["a+b/x.json.gz"]}"#);
    assert_eq!((plus.key.as_str(), plus.other_key.as_deref()), ("a+b/x.json.gz", Some("a b/x.json.gz")));
    assert_eq!(plus.id(), None);
    nothing(r#"{"s3Bucket":"my-trail","s3ObjectKey":[]}"#, "empty");
}

#[test]
fn nothing_to_read() {
    nothing(
        r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2025-03-09T12:00:00.000Z","Bucket":"my-trail","RequestId":"R","HostId":"H"}"#,
        "test_event",
    );
    nothing(
        r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2025-03-09T12:00:00.000Z","Bucket":"b"}"#,
        "test_event",
    );
    nothing(&sns(r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#), "test_event");
    nothing("CloudTrail validation message.", "cloudtrail_validation");
    nothing("\u{feff} CloudTrail validation message.\n", "cloudtrail_validation");
    nothing(r#""CloudTrail validation message.""#, "cloudtrail_validation");
    nothing(&sns("CloudTrail validation message."), "cloudtrail_validation");
    nothing(
        r#"{"Type":"SubscriptionConfirmation","Token":"x","TopicArn":"arn","Message":"You have chosen …","SubscribeURL":"https://x"}"#,
        "subscription_confirmation",
    );
    nothing(r#"{"Records":[]}"#, "empty");
    for event in [
        "LifecycleExpiration:Delete",
        "ObjectRestore:Completed",
        "ObjectTagging:Put",
        "ObjectAcl:Put",
        "ReducedRedundancyLostObject",
        "Replication:OperationFailedReplication",
        "IntelligentTiering",
    ] {
        nothing(&s3(event, KEY), "other_event");
    }
    nothing(&s3("ObjectRemoved:Delete", "a/b.txt"), "object_removed");
    nothing(&s3("ObjectRemoved:DeleteMarkerCreated", KEY), "log_removed");
    nothing(&s3("ObjectRemoved:Delete", &KEY.replace("/CloudTrail/", "/CloudTrail-Digest/")), "log_removed");
    nothing(&s3("ObjectCreated:Put", "a/b/").replace(r#""size":2048"#, r#""size":0"#), "empty_object");
}

#[test]
fn an_empty_log_is_still_read() {
    let object = one(&s3("ObjectCreated:Put", KEY).replace(r#""size":2048"#, r#""size":0"#));
    assert_eq!(object.bytes, Some(0));
}

#[test]
fn wrapped_once_more() {
    let body = s3("ObjectCreated:Put", KEY);
    assert_eq!(one(&serde_json::to_string(&body).unwrap()), full(), "a body that is a JSON string");
    assert_eq!(one(&format!("\u{feff}\n {body} ")), full());
    let lambda = serde_json::json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0",
        "EventSubscriptionArn": "arn", "Sns": {"Type": "Notification", "Message": body, "Timestamp": WRITTEN}}]});
    assert_eq!(one(&lambda.to_string()), full());
    let sqs = serde_json::json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": body}]});
    assert_eq!(one(&sqs.to_string()), full());
}

#[test]
fn several_records_in_one() {
    let record = |event: &str, key: &str| s3(event, key)[r#"{"Records":["#.len()..].trim_end_matches("]}").to_string();
    let body = |records: &[String]| format!(r#"{{"Records":[{}]}}"#, records.join(","));
    let (put, removed) = (record("ObjectCreated:Put", KEY), record("ObjectRemoved:Delete", "x"));
    assert_eq!(objects(&body(&[put.clone(), removed.clone(), put.clone()])).len(), 2);
    nothing(&body(&[removed.clone(), record("ObjectRemoved:Delete", KEY), removed]), "log_removed");
    match read(&body(&[put, r#"{"s3":{}}"#.to_string()])) {
        Ok(Notification::Partly { objects, unknown }) => {
            assert_eq!((objects.len(), unknown.reason), (1, "unknown_shape"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_are_decoded_as_s3_encodes_them() {
    for (encoded, key) in [
        ("a/b.json.gz", "a/b.json.gz"),
        ("with+blank.gz", "with blank.gz"),
        ("plus%2Bsign.gz", "plus+sign.gz"),
        // MinIO and moto encode the slash.
        ("a%2Fb%2fc.gz", "a/b/c.gz"),
        // LocalStack writes a blank as %20.
        ("with%20blank.gz", "with blank.gz"),
        ("%E2%82%AC%20%e2%82%ac", "€ €"),
        ("100%25", "100%"),
        // Not encoded after all, or not UTF-8: as it is.
        ("50%", "50%"),
        ("%zz", "%zz"),
        ("%ff+x", "%ff+x"),
    ] {
        let object = one(&s3("ObjectCreated:Put", encoded));
        assert_eq!(object.key, key, "{encoded}");
        assert_eq!(object.other_key, (encoded != key).then(|| encoded.to_string()), "{encoded}");
    }
}

#[test]
fn dialects_of_stand_ins() {
    // moto: no versionId, sequencer, userIdentity; the slash encoded.
    let moto = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2025-03-09T12:57:01.000Z","eventName":"ObjectCreated:Put","s3":{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{"name":"my-trail","arn":"arn:aws:s3:::my-trail"},"object":{"key":"AWSLogs%2F1%2Fx+y.json.gz","size":68,"eTag":"abc"}}}]}"#;
    let object = one(moto);
    assert_eq!((object.key.as_str(), object.version_id), ("AWSLogs/1/x y.json.gz", None));
    // moto's EventBridge: eTag, and another reason.
    let event =
        event_bridge("Object Created", KEY).replace(r#""etag""#, r#""eTag""#).replace("PutObject", "ObjectCreated");
    assert_eq!(one(&event).etag.as_deref(), Some("d41d"));
    // MiniStack: as AWS, eventVersion 2.6, versionId only where there are versions, SNS signature FAKE.
    let ministack = s3("ObjectCreated:Put", "a+b/c%2Bd.gz")
        .replace(r#""eventVersion":"2.1""#, r#""eventVersion":"2.6""#)
        .replace(r#""versionId":"v1","#, "");
    assert_eq!(one(&sns(&ministack)).key, "a b/c+d.gz");
    assert_eq!(one(&ministack).id().unwrap().identity, "etag:d41d8cd98f00b204e9800998ecf8427e");
    // LocalStack: blank as %20, and EventBridge's key encoded.
    let event = one(&event_bridge("Object Created", "a%20b.gz"));
    assert_eq!(event.other_key.as_deref(), Some("a b.gz"));
    // MinIO.
    let minio = s3("s3:ObjectCreated:Put", "a%2Fb.gz").replace("aws:s3", "minio:s3").replace("v1", "null");
    assert_eq!((one(&minio).key.as_str(), one(&minio).version_id), ("a/b.gz", None));
}

#[test]
fn what_is_not_known() {
    unknown("", "not_json");
    unknown("hello", "not_json");
    unknown(r#"{"Records":[{"s3":"#, "not_json");
    unknown("[1,2]", "unknown_shape");
    unknown("17", "unknown_shape");
    unknown("{}", "unknown_shape");
    unknown(r#"{"hello":"world"}"#, "unknown_shape");
    unknown(r#"{"Records":[{"x":1}]}"#, "unknown_shape");
    unknown(r#"{"Records":[17]}"#, "unknown_shape");
    unknown(r#"{"s3Bucket":"my-trail","s3ObjectKey":[7]}"#, "unknown_shape");
    unknown(r#"{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"PutObject"}"#, "log_content");
    unknown(r#"{"Records":[{"eventVersion":"1.08","eventSource":"iam.amazonaws.com"}]}"#, "log_content");
    unknown(
        r#"{"source":"aws.s3","detail-type":"AWS API Call via CloudTrail","detail":{"eventVersion":"1.08","eventSource":"s3.amazonaws.com"}}"#,
        "log_content",
    );
    unknown(&s3("ObjectCreated:Put", KEY).replace("\"my-trail\"", "\"evil.example/x\""), "bad_name");
    unknown(
        &s3("ObjectCreated:Put", KEY).replace("\"my-trail\"", "\"arn:aws:s3:eu-west-1:1:accesspoint/x\""),
        "bad_name",
    );
    unknown(&s3("ObjectCreated:Put", ""), "bad_name");
    unknown(&s3("ObjectCreated:Put", &"x".repeat(2000)), "bad_name");
    let deep = (0..8).fold(s3("ObjectCreated:Put", KEY), |body, _| sns(&body));
    unknown(&deep, "too_deep");
    let told = read("{\"a\\u001b[31m\":1}").unwrap_err().to_string();
    assert!(told.contains("a[31m") && !told.contains('\u{1b}'), "{told}");
}

#[test]
fn a_region_that_is_none_is_left_out() {
    let body = s3("ObjectCreated:Put", KEY).replace("\"eu-west-1\"", "\"x.evil.example/\"");
    assert_eq!(one(&body).region, None);
}

/// JSON of the right words in any arrangement.
fn near_json() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "Records",
        "s3",
        "bucket",
        "name",
        "object",
        "key",
        "Message",
        "Type",
        "Notification",
        "TopicArn",
        "Sns",
        "body",
        "eventSource",
        "aws:s3",
        "aws:sqs",
        "detail",
        "detail-type",
        "source",
        "aws.s3",
        "Object Created",
        "s3Bucket",
        "s3ObjectKey",
        "password",
        "token",
        "%",
        "+",
        "eyJ",
        "my-trail",
        "size",
        "Bearer x",
    ]);
    let leaf = prop_oneof![
        word.clone().prop_map(|word| Value::String(word.to_string())),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::String),
        Just(Value::Null),
    ];
    let tree = leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(word.clone().prop_map(str::to_string), inner.clone(), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            inner.prop_map(|value| Value::String(value.to_string())),
        ]
    });
    tree.prop_map(|value| value.to_string())
}

/// No text makes reading or scrubbing panic, and what is kept is bounded.
fn survives(body: &str) {
    drop(read(body));
    let scrubbed = scrub(body);
    assert!(scrubbed.len() <= SCRUBBED_BYTES_MAX + 64);
    assert!(!scrubbed.contains('\0'));
}

proptest! {
    #[test]
    fn any_text_is_survived(body in any::<String>()) {
        survives(&body);
    }

    #[test]
    fn any_shape_is_survived(body in near_json(), cut in 0..4000usize) {
        survives(&body);
        let at = (0..=cut.min(body.len())).rev().find(|&at| body.is_char_boundary(at)).unwrap();
        survives(&body[..at]);
    }

    #[test]
    fn a_secret_never_stays(body in near_json(), name in prop::sample::select(vec!["password", "secretAccessKey", "sessionToken"])) {
        let whole = format!(r#"{{"x":{body},"{name}":"hunter2"}}"#);
        prop_assert!(!scrub(&whole).contains("hunter2"));
        prop_assert!(!scrub(&sns(&whole)).contains("hunter2"));
        prop_assert!(!scrub(&whole[..whole.len() - 1]).contains("hunter2"), "{}", scrub(&whole[..whole.len() - 1]));
    }
}
