//! Integers, floats, dates, instants and intervals.

use super::column::Values;
use super::input::Input;
use super::kernels;
use crate::error::{DecodeError, ErrorKind};
use crate::wire::{be_i32, be_i64, List, Span};

fn out_of_range(at: usize, row: usize) -> DecodeError {
    DecodeError::new(ErrorKind::OutOfRange, at).in_row(row)
}

/// Append the first *rows* values of a list.
pub(super) fn extend(
    values: &mut Values,
    input: Input<'_>,
    list: List,
    rows: usize,
) -> Result<(), DecodeError> {
    match values {
        Values::Int8(out) => return narrow(out, input, list, rows),
        Values::Int16(out) => return narrow(out, input, list, rows),
        Values::Int32(out) => kernels::i32s(input.elements(list, rows, 4), out),
        Values::Int64(out) => extend_i64(out, input, list, rows),
        Values::Float32(out) => {
            if kernels::f32s(input.elements(list, rows, 8), out) {
                return check_floats(input, list, rows);
            }
        }
        Values::Float64(out) => kernels::f64s(input.elements(list, rows, 8), out),
        Values::Days(out) => kernels::days(input.elements(list, rows, 8), out),
        _ => unreachable!("the caller handles the other forms"),
    }
    Ok(())
}

/// Append the first *rows* values of a list of 64-bit integers.
pub(super) fn extend_i64(out: &mut Vec<i64>, input: Input<'_>, list: List, rows: usize) {
    kernels::i64s(input.elements(list, rows, 8), out);
}

/// Append 32-bit integers as *T*; null rows become 0.
fn narrow<T: TryFrom<i32> + Default>(
    out: &mut Vec<T>,
    input: Input<'_>,
    list: List,
    rows: usize,
) -> Result<(), DecodeError> {
    for row in 0..rows {
        let at = list.start + row * 4;
        out.push(match T::try_from(be_i32(input.chunk, at)) {
            _ if input.nulls.is_null(row) => T::default(),
            Ok(value) => value,
            Err(_) => return Err(out_of_range(at, row)),
        });
    }
    Ok(())
}

fn overflows(value: f64) -> bool {
    value.is_finite() && (value as f32).is_infinite()
}

/// Find a finite float, in a row that is not null, which 32 bits cannot hold.
#[cold]
fn check_floats(input: Input<'_>, list: List, rows: usize) -> Result<(), DecodeError> {
    for row in 0..rows {
        let at = list.start + row * 8;
        let value = f64::from_bits(be_i64(input.chunk, at) as u64);
        if overflows(value) && !input.nulls.is_null(row) {
            return Err(out_of_range(at, row));
        }
    }
    Ok(())
}

/// Append a constant's 64-bit integer for *rows* rows.
pub(super) fn repeat_i64(out: &mut Vec<i64>, chunk: &[u8], value: Span, rows: usize) {
    out.resize(out.len() + rows, be_i64(chunk, value.start));
}

/// Append a constant's value for *rows* rows.
pub(super) fn repeat(
    values: &mut Values,
    chunk: &[u8],
    value: Span,
    rows: usize,
) -> Result<(), DecodeError> {
    let integer = be_i64(chunk, value.start);
    let float = f64::from_bits(integer as u64);
    let beyond = |_| out_of_range(value.start, 0);
    match values {
        Values::Int8(out) => out.pad(rows, integer.try_into().map_err(beyond)?),
        Values::Int16(out) => out.pad(rows, integer.try_into().map_err(beyond)?),
        Values::Int32(out) => out.pad(rows, integer.try_into().map_err(beyond)?),
        Values::Int64(out) => repeat_i64(out, chunk, value, rows),
        Values::Float32(_) if overflows(float) => return Err(out_of_range(value.start, 0)),
        Values::Float32(out) => out.pad(rows, float as f32),
        Values::Float64(out) => out.pad(rows, float),
        Values::Days(out) => out.pad(rows, kernels::day(integer)),
        _ => unreachable!("the caller handles the other forms"),
    }
    Ok(())
}
