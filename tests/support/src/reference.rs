//! References for the benchmarks: gunzip alone, and with a JSON library behind it, all with the inflater that the decoder
//! uses.

use std::hint::black_box;

/// An inflater with its buffer, used again for each object.
#[derive(Default)]
pub struct Gunzip {
    decompressor: libdeflater::Decompressor,
    buffer: Vec<u8>,
}

impl Gunzip {
    /// The text of an object of one member.
    ///
    /// # Panics
    /// If it is not sound.
    pub fn run(&mut self, bytes: &[u8]) -> &mut [u8] {
        let size = bytes.last_chunk::<4>().map_or(0, |tail| u32::from_le_bytes(*tail) as usize);
        self.buffer.resize(size, 0);
        self.decompressor.gzip_decompress(bytes, &mut self.buffer).expect("simulated objects are sound");
        &mut self.buffer
    }

    /// Reads the text to simd-json's tape, and drops it.
    ///
    /// # Panics
    /// If it is not sound.
    pub fn tape(&mut self, bytes: &[u8]) {
        drop(black_box(simd_json::to_tape(self.run(bytes)).expect("JSON")));
    }

    /// Reads the text to a `serde_json::Value`, and drops it.
    ///
    /// # Panics
    /// If it is not sound.
    pub fn value(&mut self, bytes: &[u8]) {
        drop(black_box(serde_json::from_slice::<serde_json::Value>(self.run(bytes)).expect("JSON")));
    }
}
