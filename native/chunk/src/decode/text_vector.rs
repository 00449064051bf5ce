//! Vectors of text and bytes: where their strings are, and how they come into a column.

use std::panic::RefUnwindSafe;

use arrow_array::OffsetSizeTrait;

use super::input::Input;
use super::nulls::Nulls;
use super::target::Target;
use super::text::{Fault, Text};
use crate::error::{DecodeError, ErrorKind};
use crate::wire::{be_i32, List, Span};

/// Append *total* bytes of text or binary in *readable* rows of a list.
pub(super) fn append<O: OffsetSizeTrait + RefUnwindSafe>(
    out: &mut Text<O>,
    target: Target,
    input: Input<'_>,
    list: List,
    readable: usize,
    total: usize,
) -> Result<(), DecodeError> {
    let utf8 = matches!(target, Target::Text(_));
    check_fits(out, total, input.vector.stop)?;
    extend(out, input, list, readable, utf8)
}

/// Append a constant for all rows, *total* bytes of it.
pub(super) fn repeat<O: OffsetSizeTrait + RefUnwindSafe>(
    out: &mut Text<O>,
    target: Target,
    input: Input<'_>,
    value: Span,
    total: usize,
) -> Result<(), DecodeError> {
    check_fits(out, total, input.vector.stop)?;
    let body = value.of(input.chunk);
    if matches!(target, Target::Text(_)) && simdutf8::basic::from_utf8(body).is_err() {
        return Err(DecodeError::new(ErrorKind::InvalidUtf8, value.start).in_row(0));
    }
    out.repeat(body, input.rows);
    Ok(())
}

/// Append text that the offsets can hold; the first value that is not UTF-8 is the error.
pub(super) fn extend<O: OffsetSizeTrait + RefUnwindSafe>(
    out: &mut Text<O>,
    input: Input<'_>,
    list: List,
    readable: usize,
    utf8: bool,
) -> Result<(), DecodeError> {
    let done = out.extend(input.chunk, list.start, readable, input.nulls.flags(), utf8);
    done.map(|_| ()).map_err(|fault| match fault {
        Fault::Structure => DecodeError::new(ErrorKind::UnexpectedEnd, list.start),
        Fault::Utf8 => {
            let bad = first_invalid(input.chunk, list, readable, input.nulls);
            let (row, at) = bad.unwrap_or((0, list.start));
            DecodeError::new(ErrorKind::InvalidUtf8, at).in_row(row)
        }
    })
}

/// Refuse *more* bytes that 32-bit offsets cannot reach.
pub(super) fn check_fits<O: OffsetSizeTrait + RefUnwindSafe>(
    out: &Text<O>,
    more: usize,
    stop: usize,
) -> Result<(), DecodeError> {
    if out.fits(more) {
        return Ok(());
    }
    let alone = out.rows() == 0;
    let kind = if alone { ErrorKind::LimitExceeded } else { ErrorKind::BatchFull };
    Err(DecodeError::new(kind, stop))
}

/// The bodies of the first *rows* strings of a list whose structure has been checked.
pub(crate) fn bodies(
    chunk: &[u8],
    list: List,
    rows: usize,
) -> impl Iterator<Item = Span> + Clone + '_ {
    let mut pos = list.start;
    (0..rows.min(list.count)).map(move |_| {
        let len = be_i32(chunk, pos).max(0) as usize;
        let span = Span { start: pos + 4, len };
        pos = span.start + len;
        span
    })
}

/// Bytes of the values that are not null.
pub(super) fn total(chunk: &[u8], list: List, rows: usize, nulls: Nulls<'_>) -> usize {
    let spans = bodies(chunk, list, rows).enumerate();
    spans.filter(|&(row, _)| !nulls.is_null(row)).map(|(_, span)| span.len).sum()
}

/// Row and offset of the first value that is not UTF-8.
fn first_invalid(
    chunk: &[u8],
    list: List,
    rows: usize,
    nulls: Nulls<'_>,
) -> Option<(usize, usize)> {
    let mut spans = bodies(chunk, list, rows).enumerate();
    let bad = spans.find(|&(row, span)| {
        !nulls.is_null(row) && simdutf8::basic::from_utf8(span.of(chunk)).is_err()
    });
    bad.map(|(row, span)| (row, span.start))
}
