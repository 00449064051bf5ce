//! The rules of one vector, in the order in which their errors are reported.

use std::panic::RefUnwindSafe;

use super::column::{Column, Values};
use super::nulls::Nulls;
use super::target::Target;
use super::text::{self, Fault, Text};
use super::{boolean, decimal128, fixed, timestamp_tz};
use crate::error::{DecodeError, ErrorKind};
use crate::vector::{members_of, At, Member, Vector};
use crate::vector_type::VectorType;
use crate::wire::{List, Span};
use arrow_array::OffsetSizeTrait;

/// Decoded bytes of the chunk so far, and their limits.
#[derive(Debug)]
pub(super) struct Budget {
    /// As the limit counts.
    pub(super) spent: usize,
    max: usize,
    /// With views and validity.
    pub(super) built: usize,
    /// What may be built without a look at the whole chunk.
    most: usize,
}

impl Budget {
    pub(super) const fn new(max: usize, most: usize) -> Self {
        Self { spent: 0, max, built: 0, most }
    }

    /// Account for *rows* more rows with *text* bytes of text, of the vector whose STOP is at
    /// *stop*.
    pub(super) fn charge(
        &mut self,
        target: Target,
        rows: usize,
        text: usize,
        stop: usize,
    ) -> Result<(), DecodeError> {
        self.spent = self.spent.saturating_add(target.cost(rows, text));
        self.built = self.built.saturating_add(target.memory(rows, text));
        if self.spent > self.max || self.built > self.most {
            return Err(DecodeError::new(ErrorKind::LimitExceeded, stop));
        }
        Ok(())
    }
}

/// A vector whose structure is known, of a chunk of *rows* rows, with the null rows it has.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) chunk: &'a [u8],
    pub(super) rows: usize,
    pub(super) vector: &'a Vector,
    pub(super) nulls: Nulls<'a>,
}

impl Input<'_> {
    /// How many rows of *list* to read: all, unless it is short and only nulls are missing.
    pub(super) fn readable(&self, list: List) -> Result<usize, DecodeError> {
        if list.count >= self.rows {
            return Ok(self.rows);
        }
        match self.nulls.first_valid(list.count, self.rows) {
            Some(row) => Err(DecodeError::new(ErrorKind::ShortList, list.count_at()).in_row(row)),
            None => Ok(list.count),
        }
    }

    /// The bytes of the first *rows* elements of a list of *width*-byte values.
    pub(super) fn elements(&self, list: List, rows: usize, width: usize) -> &[u8] {
        &self.chunk[list.start..list.start + rows * width]
    }
}

/// The vector's type, if the target accepts it.
pub(super) fn vector_type(
    vector: &Vector,
    rows: usize,
    target: Target,
) -> Result<VectorType, DecodeError> {
    let missing = DecodeError::new(ErrorKind::MissingField, vector.stop);
    let (number, number_at) = vector.vector_type.ok_or(missing)?;
    let (size, size_at) = vector.size.ok_or(missing)?;
    if usize::try_from(size) != Ok(rows) {
        return Err(DecodeError::new(ErrorKind::BadSize, size_at));
    }
    let known = VectorType::from_i32(number).filter(|&known| known != VectorType::Int96);
    let known = known.ok_or(DecodeError::new(ErrorKind::UnknownVectorType, number_at))?;
    if !target.accepts(known) {
        return Err(DecodeError::new(ErrorKind::TypeMismatch, number_at));
    }
    Ok(known)
}

/// A vector about which all is known that can be known without building anything.
struct Examined<'a> {
    input: Input<'a>,
    body: Body<'a>,
}

enum Body<'a> {
    Nulls,
    /// *text* bytes in all rows.
    Constant {
        member: &'a Member,
        value: Span,
        text: usize,
    },
    /// The first *readable* rows are in the list.
    Plain {
        member: &'a Member,
        list: List,
        readable: usize,
        text: usize,
    },
}

/// Check all of a vector but its values, and that the budget holds what is to be built.
pub(super) fn check(
    target: Target,
    chunk: &[u8],
    rows: usize,
    vector: &Vector,
    budget: &mut Budget,
) -> Result<(), DecodeError> {
    examine(target, chunk, rows, vector, budget).map(|_| ())
}

fn examine<'a>(
    target: Target,
    chunk: &'a [u8],
    rows: usize,
    vector: &'a Vector,
    budget: &mut Budget,
) -> Result<Examined<'a>, DecodeError> {
    let vector_type = vector_type(vector, rows, target)?;
    let nulls = match vector_type {
        VectorType::Null => Nulls::All,
        _ => Nulls::of(chunk, vector, rows)?,
    };
    let input = Input { chunk, rows, vector, nulls };
    if matches!(nulls, Nulls::All) {
        budget.charge(target, rows, 0, vector.stop)?;
        return Ok(Examined { input, body: Body::Nulls });
    }

    let (plain, constant) = members_of(vector_type);
    let number = if vector.is_constant { constant } else { plain };
    let missing = |stop| DecodeError::new(ErrorKind::MissingField, stop);
    let member = vector.member(number).ok_or(missing(vector.stop))?;
    let checked_scale = || match target {
        Target::Decimal128 { .. } => check_scale(member.scale),
        _ => Ok(()),
    };
    if vector.is_constant {
        let value = member.value.ok_or(missing(member.stop))?;
        checked_scale()?;
        let text = match target {
            Target::Text(_) | Target::Binary(_) => value.len.saturating_mul(rows),
            Target::Zoned => member.zone.map_or(0, |zone| zone.len.saturating_mul(rows)),
            _ => 0,
        };
        budget.charge(target, rows, text, vector.stop)?;
        return Ok(Examined { input, body: Body::Constant { member, value, text } });
    }
    let list = member.list.ok_or(missing(member.stop))?;
    checked_scale()?;
    let text = match target {
        Target::Text(_) | Target::Binary(_) => text::total(chunk, list, rows, nulls),
        Target::Zoned => member.zones.map_or(0, |zones| text::total(chunk, zones, rows, nulls)),
        _ => 0,
    };
    budget.charge(target, rows, text, vector.stop)?;
    let readable = input.readable(list)?;
    if let (Target::Zoned | Target::TimestampUtc, Some(zones)) = (target, member.zones) {
        input.readable(zones)?;
    }
    Ok(Examined { input, body: Body::Plain { member, list, readable, text } })
}

/// Append one vector to its column; on error the column needs truncating.
pub(super) fn append(
    column: &mut Column,
    chunk: &[u8],
    rows: usize,
    vector: &Vector,
    budget: &mut Budget,
) -> Result<(), DecodeError> {
    let Examined { input, body } = examine(column.target, chunk, rows, vector, budget)?;
    column.reserve(rows);
    match body {
        Body::Nulls => column.push_nulls(rows),
        Body::Constant { member, value, text } => {
            append_constant(column, input, member, value, text)?;
            column.validity.push_valid(rows);
        }
        Body::Plain { member, list, readable, text } => {
            append_plain(column, input, member, list, readable, text)?;
            match input.nulls {
                Nulls::Some(flags) => column.validity.push_flags(flags),
                _ => column.validity.push_valid(rows),
            }
        }
    }
    Ok(())
}

fn append_plain(
    column: &mut Column,
    input: Input<'_>,
    member: &Member,
    list: List,
    readable: usize,
    text: usize,
) -> Result<(), DecodeError> {
    let (rows, target) = (input.rows, column.target);
    match &mut column.values {
        Values::Null => {}
        Values::Boolean(bits) => boolean::extend(bits, input, list, readable)?,
        Values::Text32(out) => append_text(out, target, input, list, readable, text)?,
        Values::Text64(out) => append_text(out, target, input, list, readable, text)?,
        Values::Decimal(out) => {
            let rule = decimal128::Rule::new(target, member.scale);
            decimal128::extend(out, input, list, readable, rule)?;
        }
        Values::Zoned { instants, zones, zone_validity } => {
            fixed::extend_i64(instants, input, list, readable);
            timestamp_tz::extend(zones, zone_validity, input, member.zones, text)?;
            instants.pad(rows - readable, 0);
            return Ok(());
        }
        other => fixed::extend(other, input, list, readable)?,
    }
    if readable < rows {
        column.pad(rows - readable);
    }
    Ok(())
}

fn append_constant(
    column: &mut Column,
    input: Input<'_>,
    member: &Member,
    value: Span,
    text: usize,
) -> Result<(), DecodeError> {
    let Input { chunk, rows, .. } = input;
    let target = column.target;
    match &mut column.values {
        Values::Null => {}
        Values::Boolean(bits) => bits.repeat(value.of(chunk)[0] == 1, rows),
        Values::Text32(out) => repeat_text(out, target, input, value, text)?,
        Values::Text64(out) => repeat_text(out, target, input, value, text)?,
        Values::Decimal(out) => {
            let rule = decimal128::Rule::new(target, member.scale);
            let unscaled = rule.single(value.of(chunk));
            let bad = DecodeError::new(ErrorKind::BadDecimal, value.start).in_row(0);
            out.pad(rows, unscaled.ok_or(bad)?);
        }
        Values::Zoned { instants, zones, zone_validity } => {
            fixed::repeat_i64(instants, chunk, value, rows);
            timestamp_tz::repeat(zones, zone_validity, input, member.zone, text)?;
        }
        other => fixed::repeat(other, chunk, value, rows)?,
    }
    Ok(())
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

fn append_text<O: OffsetSizeTrait + RefUnwindSafe>(
    out: &mut Text<O>,
    target: Target,
    input: Input<'_>,
    list: List,
    readable: usize,
    total: usize,
) -> Result<(), DecodeError> {
    let utf8 = matches!(target, Target::Text(_));
    check_fits(out, total, input.vector.stop)?;
    extend_text(out, input, list, readable, utf8)
}

/// Append text that the offsets can hold; the first value that is not UTF-8 is the error.
pub(super) fn extend_text<O: OffsetSizeTrait + RefUnwindSafe>(
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
            let bad = text::first_invalid(input.chunk, list, readable, input.nulls);
            let (row, at) = bad.unwrap_or((0, list.start));
            DecodeError::new(ErrorKind::InvalidUtf8, at).in_row(row)
        }
    })
}

fn repeat_text<O: OffsetSizeTrait + RefUnwindSafe>(
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
