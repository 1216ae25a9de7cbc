use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Int64Type};
use trailhound_simulate::{Options, generate};

use super::*;
use crate::source::{Body, Folder};
use crate::{Batch, Content, Decoder, Limits, ObjectId};

fn decode(objects: &[(String, Vec<u8>)], geo: &Arc<Geo>) -> Vec<RecordBatch> {
    let mut decoder = Decoder::new(0, Limits::default(), geo.clone(), 7);
    let mut batches = Vec::new();
    let mut emit = |batch: Batch| batches.push(batch.rows);
    for (key, bytes) in objects {
        let id = ObjectId { bucket: "b".into(), key: key.clone(), identity: "etag:0".into() };
        decoder.object(id, Content::Bytes(bytes), &mut emit);
    }
    if let Some(batch) = decoder.flush() {
        emit(batch);
    }
    batches.retain(|batch| batch.num_rows() > 0);
    batches
}

/// What is derived is gone, as if another version had derived something else.
fn forgotten(batch: &RecordBatch) -> RecordBatch {
    let columns = COLUMNS.iter().zip(batch.columns()).map(|(column, kept)| match (column.derived, kept.data_type()) {
        (false, _) => kept.clone(),
        (true, _) if column.nullable => new_null_array(kept.data_type(), kept.len()),
        (true, DataType::Utf8View) => Arc::new(StringViewArray::from_iter_values((0..kept.len()).map(|_| "?"))) as _,
        (true, DataType::Boolean) => Arc::new(BooleanArray::from_iter((0..kept.len()).map(|_| Some(true)))) as _,
        (true, _) => Arc::new(arrow::array::Int32Array::from_iter_values((0..kept.len()).map(|_| -1))) as _,
    });
    RecordBatch::try_new(schema(), columns.collect()).unwrap()
}

#[track_caller]
fn assert_same(got: &RecordBatch, wanted: &RecordBatch) {
    for (at, column) in COLUMNS.iter().enumerate() {
        let (got, wanted) = (got.column(at), wanted.column(at));
        if got == wanted {
            continue;
        }
        let row = (0..got.len()).find(|row| got.slice(*row, 1) != wanted.slice(*row, 1)).unwrap();
        let shown = |values: &ArrayRef| format!("{:?}", values.slice(row, 1));
        panic!("{} of row {row}: {} instead of {}", column.name, shown(got), shown(wanted));
    }
}

#[test]
fn every_derived_column_is_made_anew_from_the_row_alone() {
    let folder = tempfile::tempdir().unwrap();
    generate(&Options::new(folder.path()).seed(5).accounts(3).days(2).events(20_000), &|_| ()).unwrap();
    let source = Folder::open(&folder.path().display().to_string()).unwrap();
    let mut objects = Vec::new();
    for listed in source.list().unwrap() {
        if let Body::Bytes(bytes) = source.fetch(&listed, u64::MAX).unwrap().body {
            objects.push((listed.key, bytes));
        }
    }
    let files = ["geo-city.mmdb", "geo-asn.mmdb"].map(|name| folder.path().join(name));
    let geo = Arc::new(Geo::open(&files).unwrap());
    let (with, without) = (decode(&objects, &geo), decode(&objects, &Arc::default()));
    let asn = |batch: &RecordBatch| {
        let numbers = batch.column_by_name("source_asn").unwrap();
        numbers.as_primitive::<Int64Type>().iter().flatten().count()
    };
    assert!(with.iter().map(asn).sum::<usize>() > 1_000 && without.iter().map(asn).sum::<usize>() == 0);
    let (mut derive, mut derive_without) = (Rederiver::new(geo), Rederiver::new(Arc::default()));
    for (with, without) in with.iter().zip(&without) {
        assert_same(&derive.rederive(&forgotten(with)).unwrap(), with);
        assert_same(&derive.rederive(without).unwrap(), with);
        assert_same(&derive_without.rederive(with).unwrap(), without);
    }
}

/// Records with what is rare: no id, redacted secrets, fields of other types, fields that nobody knows.
#[test]
fn odd_records_are_written_as_they_were() {
    let records = r#"{"Records":[
        {"eventVersion":"1.08","userIdentity":{"type":"Root","principalId":"111122223333","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333","sessionContext":{"attributes":{"creationDate":"2025-03-09T12:00:00Z","mfaAuthenticated":"true"},"webIdFederationData":{"federatedProvider":"p","attributes":{"a":"b"}}}},"eventTime":"2025-03-09T12:51:00.25Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.7","userAgent":"[Mozilla/5.0 (X11; Linux x86_64)]","requestParameters":null,"responseElements":{"ConsoleLogin":"Success"},"additionalEventData":{"MFAUsed":"Yes","é\u0001":"\\"},"eventID":"e-1","new":{"a":[1,2]},"newer":"x"},
        {"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE","userName":"quo\"te"},"eventTime":"2025-03-09T12:51:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateLoginProfile","errorCode":12,"requestParameters":{"userName":"ana","password":"hunter2"},"responseElements":{"accessKey":{"accessKeyId":"AKIAEXAMPLE","secretAccessKey":"s"}},"resources":[{"ARN":"arn:aws:iam::111122223333:user/ana","accountId":"111122223333","type":"AWS::IAM::User"}],"password":"top"},
        {"eventVersion":"1.08","eventTime":"2025-03-09T12:51:00Z","eventType":"AwsCloudTrailInsight","insightDetails":{"state":"Start"},"eventID":"e-3","sharedEventID":"s"}
    ]}"#;
    let batches = decode(&[("AWSLogs/444455556666/CloudTrail/eu-west-1/2025/03/09/444455556666_CloudTrail_eu-west-1_20250309T1255Z_AbCdEfGhIjKlMnOp.json.gz".into(), records.into())], &Arc::default());
    assert_eq!(batches[0].num_rows(), 3);
    assert_same(&Rederiver::new(Arc::default()).rederive(&forgotten(&batches[0])).unwrap(), &batches[0]);
}

#[test]
fn every_column_is_a_field_or_derived_or_known_to_be_neither() {
    let neither: Vec<&str> = COLUMNS.iter().filter(|c| c.path().is_none() && !c.derived).map(|c| c.name).collect();
    assert_eq!(
        neither,
        [
            "resource_arns",
            "resource_types",
            "resource_account_ids",
            "extra",
            "event_date",
            "record_hash",
            "src_bucket",
            "src_key",
            "src_ordinal",
            "ingest_time",
        ]
    );
}

#[test]
fn a_row_that_is_none_is_named() {
    let batches = decode(&[("x".into(), br#"{"eventVersion":"1.08","eventTime":"2025-03-09T12:51:00Z","eventSource":"a","eventName":"b","eventID":"e-9"}"#.to_vec())], &Arc::default());
    let nulls = COLUMNS.iter().zip(batches[0].columns()).map(|(column, kept)| match column.name {
        "event_source" => new_null_array(&DataType::Utf8View, 1),
        _ => kept.clone(),
    });
    let broken = RecordBatch::try_new(schema(), nulls.collect()).unwrap();
    let error = Rederiver::new(Arc::default()).rederive(&broken).unwrap_err().to_string();
    assert!(error.contains("e-9") && error.contains("eventSource"), "{error}");
}
