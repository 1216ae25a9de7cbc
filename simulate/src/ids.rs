//! Identifiers shaped as AWS shapes them, and times as CloudTrail writes them. Everything appends to a byte buffer: these run
//! several times for each event.

use crate::rng::Rng;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const ALNUM: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// An access key id (`AKIA…`, `ASIA…`): four letters and 16 base-32 characters. Since about 2019 the account id is in them: the first
/// six decoded bytes, shifted left by seven bits, below a set top bit.
pub fn access_key(prefix: &str, account: u64, rng: &mut Rng) -> String {
    let mut text = String::with_capacity(20);
    text.push_str(prefix);
    push_base32_account(&mut text, account, rng, 16);
    text
}

/// A unique id of a user (`AIDA…`), role (`AROA…`) or group: four letters and 17 characters, the account in them as in key ids.
pub fn principal_id(prefix: &str, account: u64, rng: &mut Rng) -> String {
    let mut text = String::with_capacity(21);
    text.push_str(prefix);
    push_base32_account(&mut text, account, rng, 17);
    text
}

fn push_base32_account(text: &mut String, account: u64, rng: &mut Rng, length: usize) {
    let high = (1u64 << 47) | (account << 7) | (rng.bits() & 0x7f);
    let bits = (u128::from(high) << 32) | u128::from(rng.bits() as u32);
    for i in 0..16 {
        text.push(char::from(BASE32[(bits >> (75 - 5 * i)) as usize & 31]));
    }
    for _ in 16..length {
        text.push(char::from(BASE32[rng.index(32)]));
    }
}

/// The account id inside an access key id or principal id; `None` when the text is no such id.
#[cfg(test)]
pub fn account_of_key(key: &str) -> Option<u64> {
    let body = key.get(4..20)?;
    let mut bits: u128 = 0;
    for byte in body.bytes() {
        bits = (bits << 5) | BASE32.iter().position(|c| *c == byte)? as u128;
    }
    Some(((bits >> 32) as u64 & 0x7fff_ffff_ff80) >> 7)
}

/// A random (version 4) UUID as a number, for event ids that are named in labels.
pub fn uuid(rng: &mut Rng) -> u128 {
    let raw = (u128::from(rng.bits()) << 64) | u128::from(rng.bits());
    (raw & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62)
}

/// Appends a UUID in its lower-case form with hyphens.
pub fn push_uuid(out: &mut Vec<u8>, id: u128) {
    let bytes = id.to_be_bytes();
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 15)];
        at += 2;
    }
    out.extend_from_slice(&text);
}

/// A UUID as text.
pub fn uuid_text(id: u128) -> String {
    let mut out = Vec::with_capacity(36);
    push_uuid(&mut out, id);
    String::from_utf8_lossy(&out).into_owned()
}

/// `length` random hexadecimal digits.
pub fn push_hex(out: &mut Vec<u8>, length: usize, rng: &mut Rng) {
    push_from(out, length, rng, HEX, 4);
}

/// Hexadecimal digits as text.
pub fn hex(length: usize, rng: &mut Rng) -> String {
    let mut out = Vec::with_capacity(length);
    push_hex(&mut out, length, rng);
    String::from_utf8_lossy(&out).into_owned()
}

/// The 16 characters of an S3 request id.
pub fn push_s3_request(out: &mut Vec<u8>, rng: &mut Rng) {
    push_from(out, 16, rng, BASE32, 5);
}

/// Random base 64 without padding.
pub fn push_base64(out: &mut Vec<u8>, length: usize, rng: &mut Rng) {
    push_from(out, length, rng, BASE64, 6);
}

/// The 16 alphanumerics at the end of a log object's name.
pub fn object_suffix(rng: &mut Rng) -> String {
    (0..16).map(|_| char::from(ALNUM[rng.index(62)])).collect()
}

/// Draws several characters from each random word; the alphabet's length is `2^width`.
#[inline]
fn push_from(out: &mut Vec<u8>, length: usize, rng: &mut Rng, alphabet: &[u8], width: u32) {
    let each = (64 / width) as usize;
    let mask = (1usize << width) - 1;
    let mut left = length;
    while left > 0 {
        let mut word = rng.bits();
        for _ in 0..each.min(left) {
            out.push(alphabet[word as usize & mask]);
            word >>= width;
        }
        left = left.saturating_sub(each);
    }
}

/// Year, month and day of a time in seconds since 1970 (Hinnant's civil-from-days).
pub fn civil(time: i64) -> (i64, u32, u32) {
    let z = time.div_euclid(86_400) + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = (if mp < 10 { mp + 3 } else { mp - 9 }) as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

fn push_pair(out: &mut Vec<u8>, value: u32) {
    out.push(b'0' + (value / 10 % 10) as u8);
    out.push(b'0' + (value % 10) as u8);
}

/// Appends `2026-03-09T12:55:00Z`.
pub fn push_time(out: &mut Vec<u8>, time: i64) {
    let (year, month, day) = civil(time);
    let second = time.rem_euclid(86_400) as u32;
    push_pair(out, year as u32 / 100);
    push_pair(out, year as u32 % 100);
    out.push(b'-');
    push_pair(out, month);
    out.push(b'-');
    push_pair(out, day);
    out.push(b'T');
    push_pair(out, second / 3_600);
    out.push(b':');
    push_pair(out, second / 60 % 60);
    out.push(b':');
    push_pair(out, second % 60);
    out.push(b'Z');
}

/// `2026-03-09T12:55:00Z`.
pub fn time_text(time: i64) -> String {
    let mut out = Vec::with_capacity(20);
    push_time(&mut out, time);
    String::from_utf8_lossy(&out).into_owned()
}

/// `Mar 9, 2026, 1:05:00 PM`: how Java's default format writes the expiry of credentials and dates in IAM's answers.
pub fn java_time(time: i64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day) = civil(time);
    let second = time.rem_euclid(86_400);
    let hour = second / 3_600;
    let (half, hour) = (if hour < 12 { "AM" } else { "PM" }, if hour % 12 == 0 { 12 } else { hour % 12 });
    let name = MONTHS[month as usize - 1];
    format!("{name} {day}, {year}, {hour}:{:02}:{:02} {half}", second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_carry_the_account() {
        let mut rng = Rng::derive(3, &[]);
        for account in [1, 111_122_223_333, 999_999_999_999] {
            let key = access_key("AKIA", account, &mut rng);
            assert_eq!(key.len(), 20);
            assert_eq!(account_of_key(&key), Some(account));
            assert_eq!(principal_id("AROA", account, &mut rng).len(), 21);
        }
        assert_eq!(account_of_key("AKIA"), None);
    }

    #[test]
    fn times_and_uuids() {
        assert_eq!(time_text(1_627_641_611), "2021-07-30T10:40:11Z");
        assert_eq!(java_time(1_627_641_611), "Jul 30, 2021, 10:40:11 AM");
        assert_eq!(java_time(1_709_164_800), "Feb 29, 2024, 12:00:00 AM");
        let text = uuid_text(uuid(&mut Rng::derive(1, &[])));
        assert_eq!(text.len(), 36);
        assert_eq!(text.as_bytes()[14], b'4');
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }
}
