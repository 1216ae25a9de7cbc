//! An object's bytes as text to read: gunzipped where they are gzip, whole where they are small, piece by piece where
//! they are not, and never beyond the caps.

use std::cell::RefCell;
use std::io::{self, BufRead, Read};

use flate2::read::MultiGzDecoder;

use crate::limits::Limits;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// How a member of gzip data begins: with the one method of compression that there is.
const MEMBER_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];
/// Bytes asked of a stream at once.
const PIECE_BYTES: usize = 4 << 20;

/// Whether bytes are gzip, whatever their name says.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&GZIP_MAGIC)
}

/// Why no more text comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    #[error("the gzip data is cut off")]
    Truncated,
    #[error("the gzip data is damaged")]
    Damaged,
    #[error("more than {max} bytes after decompression")]
    TooLarge { max: u64 },
}

/// Reads little at a time, and always the same, however much is asked for. Where gzip data is damaged, what was inflated
/// in the same call as the damage is lost; so that is less than a record, and the same in every run.
struct Sips<R> {
    inner: R,
    sip: [u8; SIP_BYTES],
    at: usize,
    end: usize,
}

/// What is read in one call.
const SIP_BYTES: usize = 1 << 10;

impl<R: Read> Sips<R> {
    fn new(inner: R) -> Self {
        Self { inner, sip: [0; SIP_BYTES], at: 0, end: 0 }
    }
}

impl<R: Read> Read for Sips<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.end {
            self.end = self.inner.read(&mut self.sip)?;
            self.at = 0;
        }
        let count = into.len().min(self.end - self.at);
        into[..count].copy_from_slice(&self.sip[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// What a window holds.
enum Held {
    Text(String),
    /// Not UTF-8 somewhere.
    Bytes(Vec<u8>),
}

/// Text that is held in a window: all of it, or the part of a large object that is being read.
pub struct Window<'a> {
    held: Held,
    /// The first bytes of a character whose rest is still to come.
    carry: Vec<u8>,
    /// Bytes before this place have been read.
    pub at: usize,
    stream: Option<Box<dyn Read + 'a>>,
    /// Text seen so far, this window included.
    inflated: u64,
    inflated_max: u64,
    /// Why the text ended early, once it did.
    pub error: Option<InflateError>,
}

thread_local! {
    static DECOMPRESSOR: RefCell<libdeflater::Decompressor> = RefCell::new(libdeflater::Decompressor::new());
}

impl<'a> Window<'a> {
    /// Opens an object's bytes. `buffer` is room to inflate into, for use again and again.
    pub fn open(bytes: &'a [u8], mut buffer: Vec<u8>, limits: &Limits) -> Self {
        if is_gzip(bytes) {
            if inflate_whole(bytes, &mut buffer, limits.whole_bytes_max) {
                return Self::whole(buffer);
            }
            return Self::stream(Box::new(bytes), buffer, limits);
        }
        if bytes.len() <= limits.whole_bytes_max {
            buffer.clear();
            buffer.extend_from_slice(bytes);
            return Self::whole(buffer);
        }
        Self::pieces(Box::new(bytes), buffer, limits)
    }

    /// Opens bytes that come from a stream.
    pub fn stream(stream: Box<dyn Read + 'a>, buffer: Vec<u8>, limits: &Limits) -> Self {
        let mut stream = io::BufReader::with_capacity(1 << 16, stream);
        let gzip = stream.fill_buf().is_ok_and(is_gzip);
        if gzip {
            Self::pieces(Box::new(Sips::new(MultiGzDecoder::new(stream))), buffer, limits)
        } else {
            Self::pieces(Box::new(stream), buffer, limits)
        }
    }

    fn whole(buffer: Vec<u8>) -> Self {
        let inflated = buffer.len() as u64;
        let mut window = Self {
            held: Held::Text(String::new()),
            carry: Vec::new(),
            at: 0,
            stream: None,
            inflated,
            inflated_max: u64::MAX,
            error: None,
        };
        window.hold(buffer);
        window
    }

    fn pieces(stream: Box<dyn Read + 'a>, mut buffer: Vec<u8>, limits: &Limits) -> Self {
        buffer.clear();
        let mut window = Self {
            held: Held::Bytes(buffer),
            carry: Vec::new(),
            at: 0,
            stream: Some(stream),
            inflated: 0,
            inflated_max: limits.inflated_bytes_max,
            error: None,
        };
        window.more();
        window
    }

    pub fn bytes(&self) -> &[u8] {
        match &self.held {
            Held::Text(text) => text.as_bytes(),
            Held::Bytes(bytes) => bytes,
        }
    }

    /// The window as text; `None` when it is not UTF-8 somewhere.
    pub fn text(&self) -> Option<&str> {
        match &self.held {
            Held::Text(text) => Some(text),
            Held::Bytes(_) => None,
        }
    }

    /// Whether all text that there is has come.
    pub fn ended(&self) -> bool {
        self.stream.is_none()
    }

    pub fn inflated(&self) -> u64 {
        self.inflated
    }

    /// Room to use again.
    pub fn into_buffer(self) -> Vec<u8> {
        self.into_bytes()
    }

    fn into_bytes(self) -> Vec<u8> {
        match self.held {
            Held::Text(text) => text.into_bytes(),
            Held::Bytes(bytes) => bytes,
        }
    }

    /// Takes bytes in as text where they are.
    fn hold(&mut self, bytes: Vec<u8>) {
        self.held = match String::from_utf8(bytes) {
            Ok(text) => Held::Text(text),
            Err(error) => {
                let (cut, valid) = (error.utf8_error().error_len().is_none(), error.utf8_error().valid_up_to());
                let mut bytes = error.into_bytes();
                if cut && self.stream.is_some() {
                    self.carry = bytes.split_off(valid);
                    String::from_utf8(bytes).map_or_else(|e| Held::Bytes(e.into_bytes()), Held::Text)
                } else {
                    Held::Bytes(bytes)
                }
            }
        };
    }

    /// Drops what was read and gets more. Does nothing at the end.
    pub fn more(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let mut bytes = match std::mem::replace(&mut self.held, Held::Bytes(Vec::new())) {
            Held::Text(text) => text.into_bytes(),
            Held::Bytes(bytes) => bytes,
        };
        bytes.drain(..self.at);
        self.at = 0;
        bytes.append(&mut self.carry);
        let have = bytes.len();
        let result = stream.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut bytes);
        let got = bytes.len() - have;
        self.inflated += got as u64;
        match result {
            Ok(0) => self.stream = None,
            Ok(_) => {}
            Err(error) => {
                self.stream = None;
                self.error = Some(match error.kind() {
                    io::ErrorKind::UnexpectedEof => InflateError::Truncated,
                    _ => InflateError::Damaged,
                });
            }
        }
        if self.inflated > self.inflated_max {
            self.stream = None;
            self.error = Some(InflateError::TooLarge { max: self.inflated_max });
        }
        self.hold(bytes);
    }
}

/// Inflates a single small gzip member at once, which is several times faster than a stream. False where that is not
/// what the bytes are: several members, large, cut off or damaged; the stream then says what is wrong.
fn inflate_whole(bytes: &[u8], buffer: &mut Vec<u8>, max: usize) -> bool {
    let Some(tail) = bytes.last_chunk::<4>() else { return false };
    // The last four bytes tell the size of the last member; deflate makes nothing more than 1,032 times smaller.
    let size = u32::from_le_bytes(*tail) as usize;
    if size > max || size > bytes.len().saturating_mul(1032) {
        return false;
    }
    // What an earlier object left in the buffer is overwritten: only where it grows must it be filled first.
    buffer.truncate(size);
    buffer.resize(size, 0);
    DECOMPRESSOR.with_borrow_mut(|d| d.gzip_decompress(bytes, buffer)) == Ok(size) && is_all(bytes, buffer)
}

/// Whether `text`, which the first member holds, is all that there is: the quick way stops after one member. Another
/// one begins with `1f 8b 08`, which compressed data of megabytes has by chance too, but then not behind a trailer: the
/// checksum and size of a member's text.
fn is_all(bytes: &[u8], text: &[u8]) -> bool {
    let mut begins = memchr::memmem::find_iter(bytes, &MEMBER_MAGIC).filter(|&at| at > 0).peekable();
    if begins.peek().is_none() {
        return true;
    }
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&libdeflater::crc32(text).to_le_bytes());
    trailer[4..].copy_from_slice(&(text.len() as u32).to_le_bytes());
    bytes.ends_with(&trailer) && !begins.any(|at| bytes[..at].ends_with(&trailer))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gz(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8], limits: &Limits) -> (Vec<u8>, Option<InflateError>) {
        let mut window = Window::open(bytes, Vec::new(), limits);
        let mut all = Vec::new();
        loop {
            all.extend_from_slice(&window.bytes()[window.at..]);
            window.at = window.bytes().len();
            if window.ended() {
                return (all, window.error);
            }
            window.more();
        }
    }

    #[test]
    fn appendix_a_24_content_decides_not_the_name() {
        let limits = Limits::default();
        assert_eq!(read(b"plain", &limits), (b"plain".to_vec(), None));
        assert_eq!(read(&gz(b"packed"), &limits), (b"packed".to_vec(), None));
        assert_eq!(read(b"", &limits), (Vec::new(), None));
    }

    #[test]
    fn appendix_a_26_reads_every_member() {
        let mut bytes = gz(b"one ");
        bytes.extend(gz(b"two "));
        bytes.extend(gz(b"one "));
        assert_eq!(read(&bytes, &Limits::default()), (b"one two one ".to_vec(), None));
        let twice = [gz(b"one "), gz(b"one ")].concat();
        assert_eq!(read(&twice, &Limits::default()), (b"one one ".to_vec(), None));
    }

    #[test]
    fn a_member_that_seems_to_begin_within_data_is_none() {
        // Stored as they are, so that a member's first bytes stand within another's data.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(&gz(b"within")).unwrap();
        let bytes = encoder.finish().unwrap();
        let mut buffer = Vec::new();
        assert!(inflate_whole(&bytes, &mut buffer, 1 << 20), "read at once");
        assert_eq!(buffer, gz(b"within"));
    }

    #[test]
    fn what_stands_before_damage_is_read() {
        let text: Vec<u8> = (0..200_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let mut bytes = gz(&text);
        let middle = bytes.len() / 2;
        bytes[middle..middle + 2_000].fill(0);
        let (read, error) = read(&bytes, &Limits::default());
        assert!(error.is_some());
        assert!(read.len() > text.len() / 2 - 200_000, "{} of {} bytes", read.len(), text.len());
        assert!(text.starts_with(&read[..text.len() / 4]));
    }

    #[test]
    fn appendix_a_25_what_stands_before_a_cut_is_read() {
        let text: Vec<u8> = (0..200_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let bytes = gz(&text);
        let (head, error) = read(&bytes[..bytes.len() / 2], &Limits::default());
        assert_eq!(error, Some(InflateError::Truncated));
        assert!(head.len() > text.len() / 4 && text.starts_with(&head));
        let mut damaged = bytes.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 64].fill(0xff);
        assert!(read(&damaged, &Limits::default()).1.is_some());
    }

    #[test]
    fn appendix_a_27_a_bomb_is_stopped() {
        let limits = Limits { inflated_bytes_max: 16 << 20, ..Limits::default() };
        let bytes = gz(&vec![b' '; 40 << 20]);
        let (text, error) = read(&bytes, &limits);
        assert_eq!(error, Some(InflateError::TooLarge { max: 16 << 20 }));
        assert!(text.len() <= (16 << 20) + PIECE_BYTES);
    }
}
