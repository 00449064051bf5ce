//! From when to when a certificate holds: the one field that no crate here shows.

/// Returns the first and last second, since 1970, at which the X.509 certificate *der* holds; None if it cannot be read.
pub fn of(der: &[u8]) -> Option<(u64, u64)> {
    let (_, certificate, _) = element(der)?;
    let (_, mut fields, _) = element(certificate)?;
    // version (with a tag of its own, and optional), serial number, signature, issuer
    let (tag, _, rest) = element(fields)?;
    if tag == 0xa0 {
        fields = rest;
    }
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (tag, validity, _) = element(fields)?;
    let (from_tag, from, rest) = element(validity)?;
    let (to_tag, to, _) = element(rest)?;
    (tag == 0x30).then_some((time(from_tag, from)?, time(to_tag, to)?))
}

/// The tag and the content of the first element of *der*, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, der) = der.split_first()?;
    let (&first, der) = der.split_first()?;
    let (length, der) = if first < 0x80 {
        (usize::from(first), der)
    } else {
        let (bytes, der) = der.split_at_checked(usize::from(first & 0x7f))?;
        if bytes.is_empty() || bytes.len() > 4 {
            return None;
        }
        (bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), der)
    };
    let (content, rest) = der.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280, 4.1.2.5) in seconds since 1970.
fn time(tag: u8, text: &[u8]) -> Option<u64> {
    let (year_digits, century) = if tag == 0x17 { (2, 1900) } else { (4, 0) };
    let digits = text.strip_suffix(b"Z")?;
    if digits.len() != year_digits + 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        digits[range].iter().fold(0, |sum, &digit| sum * 10 + i64::from(digit - b'0'))
    };
    let mut year = number(0..year_digits) + century;
    if tag == 0x17 && year < 1950 {
        year += 100;
    }
    let part = |index: usize| number(year_digits + 2 * index..year_digits + 2 * index + 2);
    let (month, day) = (part(0), part(1));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + (153 * month + 2) / 5 + day - 1 - 719_468;
    u64::try_from(days * 86_400 + part(2) * 3600 + part(3) * 60 + part(4)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways to write a year, before and after a leap day.
    #[test]
    fn times_are_read() {
        assert_eq!(time(0x17, b"700101000000Z"), Some(0));
        assert_eq!(time(0x17, b"240229235959Z"), Some(1_709_251_199));
        assert_eq!(time(0x17, b"240301000000Z"), Some(1_709_251_200));
        assert_eq!(time(0x18, b"21060207062816Z"), Some(4_294_967_296));
        for broken in [&b""[..], b"Z", b"2402292359Z", b"24022923595xZ", b"241329235959Z"] {
            assert_eq!(time(0x17, broken), None);
        }
    }

    /// Whatever the bytes are, nothing panics.
    #[test]
    fn broken_certificates_have_no_validity() {
        for length in 0..64 {
            assert_eq!(of(&vec![0x30; length]), None);
            assert_eq!(of(&vec![0x84; length]), None);
        }
    }
}
