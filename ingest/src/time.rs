//! Times as CloudTrail and its exports write them, as microseconds UTC.

const MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * MICROS;

/// Reads `2025-03-09T12:57:01Z`, which is what CloudTrail writes, and what exports make of it: fractions of a second,
/// an offset, a blank for the `T`, no zone (then UTC), the basic form `20131102T010628Z`.
pub fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() == 20
        && bytes[19] == b'Z'
        && matches!(bytes[10], b'T' | b' ')
        && (bytes[4], bytes[7], bytes[13], bytes[16]) == (b'-', b'-', b':', b':')
    {
        let (year, month, day) = (number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..10])?);
        let (hour, minute, second) = (number(&bytes[11..13])?, number(&bytes[14..16])?, number(&bytes[17..19])?);
        if (1..=12).contains(&month)
            && (1..=month_days(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60
        {
            let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
            return Some(seconds * MICROS);
        }
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_microsecond());
    }
    let civil = text.strip_suffix('Z').unwrap_or(text).parse::<jiff::civil::DateTime>().ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(civil).ok().map(|time| time.as_microsecond())
}

/// The UTC day that a time lies in, as days since the epoch.
pub fn day(micros: i64) -> i32 {
    i32::try_from(micros.div_euclid(DAY_MICROS)).unwrap_or(i32::MAX)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the epoch of a date of the Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let expected = "2025-03-09T12:57:01Z".parse::<jiff::Timestamp>().unwrap().as_microsecond();
        for text in [
            "2025-03-09T12:57:01Z",
            "2025-03-09 12:57:01",
            "2025-03-09T12:57:01+00:00",
            "2025-03-09T14:57:01+02:00",
            "2025-03-09 23:57:01+11:00",
            "20250309T125701Z",
            "2025-03-09T12:57:01.000Z",
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        assert_eq!(parse("2025-03-09T12:57:01.250Z"), Some(expected + 250_000));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in ["", "...", "2025-02-30T00:00:00Z", "2025-13-01T00:00:00Z", "2025-01-01T24:00:00Z", "now", "17"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_quick_way_agrees_with_the_library() {
        for day in (-40_000..60_000).step_by(37) {
            let time = jiff::Timestamp::from_second(day * 86_400 + 45_296).unwrap();
            assert_eq!(parse(&time.to_string()), Some(time.as_microsecond()));
            assert_eq!(i64::from(super::day(time.as_microsecond())), day);
        }
    }
}
