//! Reads log objects once in one of several ways, so that valgrind can count what each way costs.
//!
//! ```text
//! decode_once make-tiny|make-large FOLDER    the objects: as a small account has them, or as a busy one
//! decode_once ours|value|tape FOLDER
//! ```
//! `ours` makes Arrow batches; `value` is gunzip and `serde_json::Value`; `tape` is gunzip and simd-json's tape, which
//! holds less than a batch does. All use the same inflater. Prints the bytes of JSON and the records that were read.

use std::path::Path;
use std::sync::Arc;

use trailhound_ingest::{Batch, Content, Decoder, Geo, Limits, ObjectId};
use trailhound_simulate::{Options, generate};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, way, folder] = arguments.as_slice() else { panic!("usage: decode_once WAY FOLDER") };
    if let Some(size) = way.strip_prefix("make-") {
        return make(size, folder);
    }
    let mut objects = Vec::new();
    read_folder(Path::new(folder), &mut objects);
    let (bytes, records) = match way.as_str() {
        "ours" => ours(&objects),
        "value" => each(&objects, |text| {
            let value: serde_json::Value = serde_json::from_slice(text).expect("a log is JSON");
            value["Records"].as_array().map_or(0, Vec::len)
        }),
        "tape" => each(&objects, |text| {
            let tape = simd_json::to_tape(text).expect("a log is JSON");
            // The number of records is not asked of the tape: walking it is not what is measured.
            usize::from(!tape.0.is_empty())
        }),
        other => panic!("{other} is no way to read"),
    };
    println!("{bytes} bytes {records} records");
}

/// The same events in many objects or in few.
fn make(size: &str, folder: &str) {
    let period_minutes = if size == "tiny" { 5 } else { 1_440 };
    let options = Options { accounts: 2, days: 1, events: 4_000, period_minutes, ..Options::new(folder).seed(11) };
    generate(&options, &|_| ()).expect("the folder is new");
}

fn read_folder(folder: &Path, objects: &mut Vec<(String, Vec<u8>)>) {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    paths.sort_by_key(|path| path.as_os_str().to_owned());
    for path in paths {
        if path.is_dir() {
            read_folder(&path, objects);
        } else if path.to_string_lossy().ends_with(".json.gz") {
            objects.push((path.display().to_string(), std::fs::read(&path).expect("it can be read")));
        }
    }
}

fn ours(objects: &[(String, Vec<u8>)]) -> (u64, usize) {
    let mut decoder = Decoder::new(0, Limits::default(), Arc::new(Geo::default()), 0);
    let (mut bytes, mut records) = (0, 0);
    let mut take = |batch: Batch| {
        records += batch.rows.num_rows();
        bytes += batch.objects.iter().map(|object| object.inflated_bytes).sum::<u64>();
    };
    for (key, content) in objects {
        let id = ObjectId { bucket: String::new(), key: key.clone(), identity: String::new() };
        decoder.object(id, Content::Bytes(content), &mut take);
    }
    decoder.flush().map(&mut take);
    (bytes, records)
}

/// Inflates every object and hands its text on.
fn each(objects: &[(String, Vec<u8>)], mut read: impl FnMut(&mut [u8]) -> usize) -> (u64, usize) {
    let mut inflater = libdeflater::Decompressor::new();
    let mut text = Vec::new();
    let (mut bytes, mut records) = (0, 0);
    for (_, content) in objects {
        let size = content.last_chunk::<4>().map_or(0, |tail| u32::from_le_bytes(*tail) as usize);
        text.resize(size, 0);
        let length = inflater.gzip_decompress(content, &mut text).expect("a log is gzip");
        bytes += length as u64;
        records += read(&mut text[..length]);
    }
    (bytes, records)
}
