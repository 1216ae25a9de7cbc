#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
use std::sync::Arc;
use trailhound_ingest::source::{Body, Folder};
use trailhound_ingest::*;
fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let rounds: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let source = Folder::open(&folder).unwrap();
    let objects: Vec<_> = source.list().unwrap().iter().filter(|o| o.key.ends_with(".gz")).map(|o| match source.fetch(o, u64::MAX).unwrap().body { Body::Bytes(b) => (o.key.clone(), b), _ => panic!() }).collect();
    for _ in 0..rounds {
        let start = std::time::Instant::now();
        let mut decoder = Decoder::new(0, Limits::default(), Arc::new(Geo::default()), 0);
        let mut rows = 0;
        for (key, bytes) in &objects {
            let id = ObjectId { bucket: "bench".into(), key: key.clone(), identity: String::new() };
            decoder.object(id, Content::Bytes(bytes), &mut |b| rows += b.rows.num_rows());
        }
        rows += decoder.flush().map_or(0, |b| b.rows.num_rows());
        let t = start.elapsed();
        println!("{rows} rows {:?} {:.0} ns/row", t, t.as_nanos() as f64 / rows as f64);
    }
}
