//! The zone texts of TIMESTAMP_TZ vectors; the instants are plain 64-bit integers.

use super::bits::Validity;
use super::input::Input;
use super::text::Text;
use super::text_vector::{self, check_fits};
use crate::error::{DecodeError, ErrorKind};
use crate::wire::{List, Span};

/// Append the zone of each row: null where the row is, or where none is sent.
pub(super) fn extend(
    out: &mut Text<i32>,
    validity: &mut Validity,
    input: Input<'_>,
    zones: Option<List>,
    total: usize,
) -> Result<(), DecodeError> {
    let Some(list) = zones else {
        out.pad(input.rows);
        validity.push_null(input.rows);
        return Ok(());
    };
    let readable = input.readable(list)?;
    check_fits(out, total, input.vector.stop)?;
    text_vector::extend(out, input, list, readable, true)?;
    out.pad(input.rows - readable);
    match input.nulls.flags() {
        Some(flags) => validity.push_flags(flags),
        None => validity.push_valid(input.rows),
    }
    Ok(())
}

/// Append a constant vector's zone for all rows.
pub(super) fn repeat(
    out: &mut Text<i32>,
    validity: &mut Validity,
    input: Input<'_>,
    zone: Option<Span>,
    total: usize,
) -> Result<(), DecodeError> {
    let Some(zone) = zone else {
        out.pad(input.rows);
        validity.push_null(input.rows);
        return Ok(());
    };
    check_fits(out, total, input.vector.stop)?;
    let body = zone.of(input.chunk);
    if simdutf8::basic::from_utf8(body).is_err() {
        return Err(DecodeError::new(ErrorKind::InvalidUtf8, zone.start).in_row(0));
    }
    out.repeat(body, input.rows);
    validity.push_valid(input.rows);
    Ok(())
}
