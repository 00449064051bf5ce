//! DECIMAL128 vectors: 16-byte integers, or decimal text, to one precision and scale.

use super::input::Input;
use super::kernels;
use super::target::Target;
use super::text_vector::bodies;
use crate::error::{DecodeError, ErrorKind};
use crate::vector::At;
use crate::wire::List;

/// Most digits of any decimal.
const DIGITS: i64 = 38;
/// Bytes from one binary decimal to the next, lengths included.
pub(super) const STRIDE: usize = 20;

/// Announced scale of a vector, and the target's type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    announced: Option<i32>,
    precision: u32,
    scale: i32,
}

/// How the values of one vector are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Binary,
    Text,
}

impl Rule {
    /// The rule for a decimal target; *announced* has been checked to be in -38..=38.
    pub(super) fn new(target: Target, announced: Option<At<i32>>) -> Self {
        let Target::Decimal128 { precision, scale } = target else {
            unreachable!("only decimal columns hold decimals")
        };
        let announced = announced.map(|(scale, _)| scale);
        Self { announced, precision: precision.into(), scale: scale.into() }
    }

    /// The one value of a constant vector.
    pub(super) fn single(self, body: &[u8]) -> Option<i128> {
        self.value(body, if body.len() == 16 { Form::Binary } else { Form::Text })
    }

    fn value(self, body: &[u8], form: Form) -> Option<i128> {
        match form {
            Form::Binary => self.rescale(i128::from_be_bytes(body.try_into().ok()?)),
            Form::Text => self.parse(body),
        }
    }

    /// Whether binary values go into the batch as they are, if they have at most 38 digits.
    fn is_plain(self) -> bool {
        self.announced.unwrap_or(0) == self.scale && i64::from(self.precision) == DIGITS
    }

    /// An integer of the announced scale as one of the target's; `None` if it has no exact place
    /// there.
    fn rescale(self, unscaled: i128) -> Option<i128> {
        if unscaled.unsigned_abs() >= 10_u128.pow(DIGITS as u32) {
            return None;
        }
        let shift = self.scale - self.announced.unwrap_or(0);
        let power = |exponent: u32| 10_i128.checked_pow(exponent);
        let value = if unscaled == 0 || shift == 0 {
            unscaled
        } else if shift > 0 {
            unscaled.checked_mul(power(shift.unsigned_abs())?)?
        } else {
            let divisor = power(shift.unsigned_abs())?;
            (unscaled % divisor == 0).then_some(unscaled / divisor)?
        };
        (value.unsigned_abs() < 10_u128.pow(self.precision)).then_some(value)
    }

    /// Decimal text as an integer of the target's scale.
    fn parse(self, body: &[u8]) -> Option<i128> {
        let text = DecimalText::parse(body)?;
        if text.digits == 0 {
            return Some(0);
        }
        let fits = |scale: i32, digits: i64| {
            let zeros = text.exponent + i64::from(scale);
            (zeros >= 0 && text.digits + zeros <= digits).then_some(zeros as u32)
        };
        if let Some(announced) = self.announced {
            fits(announced, DIGITS)?;
        }
        let zeros = fits(self.scale, self.precision.into())?;
        let value = text.mantissa as i128 * 10_i128.pow(zeros);
        Some(if text.is_negative { -value } else { value })
    }
}

/// A decimal number as `mantissa * 10^exponent`, the mantissa of `digits` digits, the last not 0.
struct DecimalText {
    is_negative: bool,
    mantissa: u128,
    digits: i64,
    exponent: i64,
    /// Digits behind the point, zeros at the end among them.
    written: i64,
}

/// The scale of decimal text by its own digits: as written, or, where 38 digits are too few for
/// that, without zeros at the end. What is no number is passed over.
pub(crate) fn own_scale<'a>(bodies: impl Iterator<Item = &'a [u8]>) -> i32 {
    let (mut written, mut needed, mut whole) = (0, 0, 0);
    for text in bodies.filter_map(DecimalText::parse) {
        written = written.max(text.written);
        needed = needed.max(-text.exponent);
        whole = whole.max(text.digits + text.exponent);
    }
    written.min(needed.max(DIGITS - whole)).clamp(0, DIGITS) as i32
}

impl DecimalText {
    /// Parse `[+-]?(digits[.digits] | .digits)([eE][+-]?digits)?`; `None` also for more than 38
    /// digits.
    fn parse(body: &[u8]) -> Option<Self> {
        let (is_negative, rest) = sign(body);
        let (whole, rest) = digits(rest);
        let (fraction, rest) = match rest.strip_prefix(b".") {
            None => (&[][..], rest),
            Some(rest) => {
                let (fraction, rest) = digits(rest);
                if fraction.is_empty() {
                    return None;
                }
                (fraction, rest)
            }
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let power = match rest.split_first() {
            None => 0,
            Some((b'e' | b'E', rest)) => power(rest)?,
            Some(_) => return None,
        };

        let (mut mantissa, mut count, mut zeros) = (0_u128, 0_i64, 0_i64);
        for &digit in whole.iter().chain(fraction) {
            if digit == b'0' {
                zeros += i64::from(count > 0);
                continue;
            }
            count += zeros + 1;
            if count > DIGITS {
                return None;
            }
            mantissa = mantissa * 10_u128.pow(zeros as u32 + 1) + u128::from(digit - b'0');
            zeros = 0;
        }
        let written = fraction.len() as i64 - power;
        let exponent = if count == 0 { 0 } else { zeros - written };
        Some(Self { is_negative, mantissa, digits: count, exponent, written })
    }
}

fn sign(body: &[u8]) -> (bool, &[u8]) {
    match body.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, body),
    }
}

fn digits(body: &[u8]) -> (&[u8], &[u8]) {
    let end = body.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(body.len());
    body.split_at(end)
}

/// The exponent, held within what no length of mantissa can bring back.
fn power(body: &[u8]) -> Option<i64> {
    let (is_negative, rest) = sign(body);
    let (digits, rest) = digits(rest);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    let clamp = |power: i64, digit: &u8| (power * 10 + i64::from(digit - b'0')).min(1 << 50);
    let power = digits.iter().fold(0, clamp);
    Some(if is_negative { -power } else { power })
}

/// Refuse scales beyond 38.
pub(super) fn check_scale(scale: Option<At<i32>>) -> Result<(), DecodeError> {
    match scale {
        Some((scale, at)) if !(-38..=38).contains(&scale) => {
            Err(DecodeError::new(ErrorKind::BadDecimal, at))
        }
        _ => Ok(()),
    }
}

/// Append *rows* decimals.
pub(super) fn extend(
    out: &mut Vec<i128>,
    input: Input<'_>,
    list: List,
    rows: usize,
    rule: Rule,
) -> Result<(), DecodeError> {
    let before = out.len();
    if list.stride == STRIDE {
        let met = kernels::i128s(input.elements(list, rows, STRIDE), out);
        return rescale_all(&mut out[before..], input, list, rule, met.wide);
    }
    let value_rows = || {
        let spans = bodies(input.chunk, list, rows).enumerate();
        spans.filter(|&(row, _)| !input.nulls.is_null(row))
    };
    let form = if value_rows().all(|(_, span)| span.len == 16) { Form::Binary } else { Form::Text };
    out.resize(before + rows, 0);
    for (row, span) in value_rows() {
        let value = rule.value(span.of(input.chunk), form);
        out[before + row] = value.ok_or(bad(span.start, row))?;
    }
    Ok(())
}

fn bad(at: usize, row: usize) -> DecodeError {
    DecodeError::new(ErrorKind::BadDecimal, at).in_row(row)
}

/// Append *rows* binary decimals as they are; `None`, and nothing appended, if they are not all
/// binary.
///
/// Tells whether one may have more than 38 digits; `rescale_all` must follow.
pub(super) fn extend_raw(out: &mut Vec<i128>, wire: &[u8], rows: usize) -> Option<bool> {
    let before = out.len();
    let wire = wire.get(..rows.checked_mul(STRIDE)?)?;
    let met = kernels::i128s(wire, out);
    if met.odd {
        out.truncate(before);
        return None;
    }
    Some(met.wide)
}

/// Bring binary decimals, appended as they were, to the target's scale; *wide*: check their digits.
pub(super) fn rescale_all(
    values: &mut [i128],
    input: Input<'_>,
    list: List,
    rule: Rule,
    wide: bool,
) -> Result<(), DecodeError> {
    if rule.is_plain() && !wide {
        return Ok(());
    }
    for (row, value) in values.iter_mut().enumerate() {
        *value = if input.nulls.is_null(row) {
            0
        } else {
            rule.rescale(*value).ok_or(bad(list.start + row * STRIDE + 4, row))?
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(announced: Option<i32>, precision: u8, scale: i8) -> Rule {
        Rule::new(Target::Decimal128 { precision, scale }, announced.map(|scale| (scale, 0)))
    }

    /// Text is taken exactly or not at all.
    #[test]
    fn text() {
        let cases: [(&str, Option<i32>, i8, Option<i128>); 24] = [
            ("1.25", Some(2), 2, Some(125)),
            ("-1.25", Some(2), 3, Some(-1250)),
            ("+.5", None, 1, Some(5)),
            ("1.250", Some(2), 2, Some(125)),
            ("1.251", Some(2), 3, None),
            ("1.251", None, 3, Some(1251)),
            ("12e2", Some(0), 0, Some(1200)),
            ("1200E-2", Some(0), 0, Some(12)),
            ("1200E-3", Some(0), 0, None),
            ("0e999999999999999999999", Some(0), 0, Some(0)),
            ("-0.000", Some(0), 2, Some(0)),
            ("1e999999999999999999999", Some(0), 0, None),
            ("1e-999999999999999999999", Some(0), 0, None),
            ("1e38", Some(0), 0, None),
            ("1e37", Some(0), 0, Some(10_i128.pow(37))),
            ("1e37", Some(2), 0, None),
            ("1e5", Some(-5), -5, Some(1)),
            ("5.", Some(0), 0, None),
            (".", Some(0), 0, None),
            ("", Some(0), 0, None),
            ("1e", Some(0), 0, None),
            ("1 ", Some(0), 0, None),
            ("1_0", Some(0), 0, None),
            ("--1", Some(0), 0, None),
        ];
        for (text, announced, scale, want) in cases {
            let got = rule(announced, 38, scale).value(text.as_bytes(), Form::Text);
            assert_eq!(got, want, "{text} at {announced:?} to {scale}");
        }
        let zeros = format!("1{}e-300", "0".repeat(300));
        assert_eq!(rule(Some(0), 38, 0).parse(zeros.as_bytes()), Some(1));
        assert_eq!(
            rule(Some(0), 38, 0).parse("9".repeat(38).as_bytes()),
            Some(10_i128.pow(38) - 1)
        );
        assert_eq!(rule(Some(0), 38, 0).parse("9".repeat(39).as_bytes()), None);
    }

    /// Text has the scale that it is written with, unless only a smaller one leaves room for all.
    #[test]
    fn own_scales() {
        let scale = |texts: &[&str]| own_scale(texts.iter().map(|text| text.as_bytes()));
        let many = "9".repeat(38);
        assert_eq!(scale(&["2.5", "-10.25", "7"]), 2);
        assert_eq!(scale(&["1.50"]), 2);
        assert_eq!(scale(&["12e2", "1200e-1"]), 1);
        assert_eq!(scale(&["0.000", "x", ""]), 3);
        assert_eq!(scale(&["1.500", &many[1..]]), 1);
        assert_eq!(scale(&["1.00", &many]), 0);
        assert_eq!(scale(&["1e-38", "0e-99", "0e99"]), 38);
        assert_eq!(scale(&["1e-99", "1e99"]), 38);
        assert_eq!(scale(&[]), 0);
    }

    /// Binary values change scale exactly or not at all, and keep to the target's precision.
    #[test]
    fn rescaling() {
        assert_eq!(rule(Some(2), 38, 4).rescale(-125), Some(-12500));
        assert_eq!(rule(Some(4), 38, 2).rescale(12500), Some(125));
        assert_eq!(rule(Some(4), 38, 2).rescale(12501), None);
        assert_eq!(rule(None, 38, 0).rescale(10_i128.pow(38)), None);
        assert_eq!(rule(Some(-38), 38, 38).rescale(0), Some(0));
        assert_eq!(rule(Some(-38), 38, 38).rescale(1), None);
        assert_eq!(rule(Some(38), 38, -38).rescale(1), None);
        assert_eq!(rule(Some(0), 5, 0).rescale(99_999), Some(99_999));
        assert_eq!(rule(Some(0), 5, 0).rescale(100_000), None);
        assert_eq!(rule(Some(0), 38, 0).rescale(i128::MIN), None);
    }
}
