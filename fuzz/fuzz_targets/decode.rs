//! Any bytes as an object: decoding ends, does not panic, stays within its limits and accounts for every record; and
//! it says the same of an object held whole and of one read piece by piece.
//!
//! ```text
//! rustup toolchain install nightly && cargo install cargo-fuzz --locked
//! fuzz/seed                                              # first inputs, one for each carrier
//! cargo +nightly fuzz run decode -- -max_total_time=600  # ten minutes
//! ```
//! What it finds lies in `fuzz/artifacts/decode/`; an input that broke the decoder becomes a test in
//! `ingest/src/decode/tests.rs`.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use trailhound_ingest::schema::schema;
use trailhound_ingest::{Batch, Content, Decoder, Geo, Limits, ObjectId, ObjectReport};

const LOG_KEY: &str = "AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/09/111122223333_CloudTrail_eu-west-1_20250309T1255Z_AbCdEfGhIjKlMnOp.json.gz";

/// Small, so that short inputs reach them.
const LIMITS: Limits = Limits {
    object_bytes_max: 1 << 20,
    inflated_bytes_max: 64 << 10,
    record_bytes_max: 4 << 10,
    whole_bytes_max: 16 << 10,
    parked_records_max: 20,
    batch_bytes: 8 << 10,
};

/// Decodes one object; returns its report and its number of rows.
fn decode(key: &str, content: Content<'_>) -> (ObjectReport, u64) {
    let mut decoder = Decoder::new(0, LIMITS, Arc::new(Geo::default()), 0);
    let id = ObjectId { bucket: "b".into(), key: key.into(), identity: "sha256:0".into() };
    let mut rows = 0;
    let mut reports = Vec::new();
    let mut take = |batch: Batch| {
        assert_eq!(batch.rows.schema(), schema());
        rows += batch.rows.num_rows() as u64;
        reports.extend(batch.objects);
    };
    decoder.object(id, content, &mut take);
    if let Some(batch) = decoder.flush() {
        assert!(!batch.open);
        take(batch);
    }
    assert_eq!(reports.len(), 1);
    let report = reports.remove(0);
    let skipped: u64 = report.records_skipped.values().sum();
    assert_eq!(report.records_received, rows + skipped + report.parked.len() as u64);
    assert!(report.parked.len() <= LIMITS.parked_records_max);
    assert!(report.inflated_bytes <= LIMITS.inflated_bytes_max + (1 << 20));
    (report, rows)
}

fuzz_target!(|bytes: &[u8]| {
    // The first byte says what the object is called, since a key that names a log is believed more.
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let key = if choice & 1 == 0 { LOG_KEY } else { "export.json" };
    let whole = decode(key, Content::Bytes(bytes));
    if choice & 2 == 0 {
        let streamed = decode(key, Content::Stream(Box::new(bytes), bytes.len() as u64));
        // Where bytes are no text, or gzip data is damaged, where one garbled record ends and the next begins is a guess,
        // which may see less when it comes in pieces. What is good is the same all the same.
        match std::str::from_utf8(bytes) {
            Ok(_) => assert_eq!(whole, streamed),
            Err(_) => assert_eq!(whole.1, streamed.1),
        }
    }
});
