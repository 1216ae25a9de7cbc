//! Every bound of reading objects, by name.

/// What reading an object may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// An object larger than this, as stored, is parked unread.
    pub object_bytes_max: u64,
    /// Text after decompression beyond this is not read: the rest of the object is parked.
    pub inflated_bytes_max: u64,
    /// A single record larger than this is parked. CloudTrail's own limit is 256 KB an event.
    pub record_bytes_max: usize,
    /// Objects up to this many bytes of text are held whole; larger ones are read piece by piece.
    pub whole_bytes_max: usize,
    /// Records that are parked with an address each, per object; what comes after is parked as the object's rest.
    pub parked_records_max: usize,
    /// A batch is handed on once its records are this many bytes of JSON.
    pub batch_bytes: usize,
}

impl Limits {
    pub const DEFAULT: Self = Self {
        object_bytes_max: 1 << 30,
        inflated_bytes_max: 512 << 20,
        record_bytes_max: 4 << 20,
        whole_bytes_max: 32 << 20,
        parked_records_max: 10_000,
        batch_bytes: 8 << 20,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
