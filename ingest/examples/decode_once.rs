//! Reads log objects once in one of several ways, so that valgrind can count what each way costs.
//!
//! ```text
//! decode_once make-tiny|make-large FOLDER    the objects: as a small account has them, or as a busy one
//! decode_once ours|value|tape FOLDER
//! ```
//! `ours` makes Arrow batches; `value` is gunzip and `serde_json::Value`; `tape` is gunzip and simd-json's tape, which
//! holds less than a batch does. All use the same inflater. `ours` prints the bytes of JSON and the records that were read.

use std::path::Path;
use std::sync::Arc;

use trailhound_ingest::{Batch, Content, Decoder, Geo, Limits, ObjectId};
use trailhound_simulate::{Options, generate};
use trailhound_testing::reference::Gunzip;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, way, folder] = arguments.as_slice() else { panic!("usage: decode_once WAY FOLDER") };
    if let Some(size) = way.strip_prefix("make-") {
        return make(size, folder);
    }
    let mut objects = Vec::new();
    read_folder(Path::new(folder), &mut objects);
    let mut gunzip = Gunzip::default();
    match way.as_str() {
        "ours" => ours(&objects),
        "value" => objects.iter().for_each(|(_, content)| gunzip.value(content)),
        "tape" => objects.iter().for_each(|(_, content)| gunzip.tape(content)),
        other => panic!("{other} is no way to read"),
    }
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

fn ours(objects: &[(String, Vec<u8>)]) {
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
    println!("{bytes} bytes {records} records");
}
