//! Values inside of nested text: exact, or nothing.

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Digits of a fraction of a second that are kept.
const MICROS: usize = 6;

/// Whole digits as a number; nothing but digits.
fn digits<T: TryFrom<u64>>(text: &str) -> Option<T> {
    let plain = !text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse::<u64>().ok())?.and_then(|number| T::try_from(number).ok())
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}

pub(super) fn integer<T: std::str::FromStr>(text: &str) -> Option<T> {
    let number = text.strip_prefix('-').unwrap_or(text);
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// A float; a finite text that has no finite value is nothing.
pub(super) fn float<T: std::str::FromStr + Into<f64> + Copy>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let is_number = text.bytes().any(|b| b.is_ascii_digit());
    (!is_number || value.into().is_finite()).then_some(value)
}

/// A decimal as the number of its last places.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (negative, number) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !plain(whole) || !plain(fraction) {
        return None;
    }
    let places = usize::try_from(scale).ok()?;
    let fraction = fraction.trim_end_matches('0');
    let missing = places.checked_sub(fraction.len())?;
    let joined = format!("{whole}{fraction}{}", "0".repeat(missing));
    let significant = joined.trim_start_matches('0');
    if significant.len() > usize::from(precision) {
        return None;
    }
    let value: i128 = if significant.is_empty() { 0 } else { significant.parse().ok()? };
    Some(if negative { -value } else { value })
}

/// Days since 1970 of `YYYY-MM-DD`.
pub(super) fn date(text: &str) -> Option<i32> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let (year, month, day): (i32, i32, i32) = (digits(year)?, digits(month)?, digits(day)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1 || !(1..=length).contains(&day) {
        return None;
    }
    // Days of the civil calendar, in years that begin in March.
    let shifted = year - i32::from(month <= 2);
    let era = shifted / 400;
    let of_era = shifted % 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Microseconds since 1970 of `YYYY-MM-DD hh:mm:ss[.ffffff]`, with a zone's offset at its end if
/// *zoned*, and without one otherwise.
pub(super) fn timestamp(text: &str, zoned: bool) -> Option<i64> {
    let days = i64::from(date(text.get(..10)?)?);
    let rest = &text[10..];
    if rest.is_empty() {
        return (!zoned).then_some(days * DAY);
    }
    let rest = rest.strip_prefix([' ', 'T'])?;
    let end = rest.find(|c: char| !matches!(c, '0'..='9' | ':' | '.')).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(end);
    let moment = days * DAY + time_of_day(time)?;
    if zoned {
        return Some(moment - offset(zone.trim_start())?);
    }
    zone.is_empty().then_some(moment)
}

fn time_of_day(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds = clock_seconds(clock, 24)?;
    if fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let (kept, dropped) = fraction.split_at(fraction.len().min(MICROS));
    if dropped.bytes().any(|b| b != b'0') {
        return None;
    }
    let micros: i64 = digits(kept)?;
    Some(seconds * 1_000_000 + micros * 10_i64.pow(u32::try_from(MICROS - kept.len()).ok()?))
}

/// Seconds of `hh[:mm[:ss]]`, of less than *hours* hours.
fn clock_seconds(text: &str, hours: i64) -> Option<i64> {
    let mut seconds = 0;
    let mut parts = text.split(':');
    for (unit, most) in [(3600, hours), (60, 60), (1, 60)] {
        let Some(part) = parts.next() else { break };
        let number: i64 = digits(part).filter(|_| part.len() == 2)?;
        if number >= most {
            return None;
        }
        seconds += number * unit;
    }
    parts.next().is_none().then_some(seconds)
}

/// Microseconds that a zone is ahead of UTC: `Z`, `UTC`, or `+hh[:mm[:ss]]`.
fn offset(text: &str) -> Option<i64> {
    if text == "Z" || text == "UTC" {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    Some(sign * clock_seconds(&text[1..], 24)? * 1_000_000)
}

/// A span of microseconds as days, hours, minutes and seconds.
pub(super) fn span_text(span: i64) -> String {
    let sign = if span < 0 { "-" } else { "" };
    let micros = span.unsigned_abs();
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{sign}{days} {hours:02}:{minutes:02}:{seconds:02}.{fraction:06}")
}
