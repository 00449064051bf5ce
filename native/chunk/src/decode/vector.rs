//! The rules of one vector, in the order in which their errors are reported.

use super::column::{Column, Values};
use super::input::{Budget, Input};
use super::nulls::Nulls;
use super::target::Target;
use super::{boolean, decimal128, fixed, text_vector, timestamp_tz};
use crate::error::{DecodeError, ErrorKind};
use crate::vector::{members_of, Member, Vector};
use crate::vector_type::{Form, VectorType};
use crate::wire::{List, Span};

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
    let known = VectorType::from_i32(number).filter(|known| known.form() != Form::Unread);
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
    let nulls = match vector_type.form() {
        Form::Null => Nulls::All,
        _ => Nulls::of(chunk, vector, rows)?,
    };
    let input = Input { chunk, rows, vector, nulls };
    if matches!(nulls, Nulls::All) {
        budget.charge(target, rows, 0, vector.stop)?;
        return Ok(Examined { input, body: Body::Nulls });
    }

    let (plain, constant) = members_of(vector_type.form());
    let number = if vector.is_constant { constant } else { plain };
    let missing = |stop| DecodeError::new(ErrorKind::MissingField, stop);
    let member = vector.member(number).ok_or(missing(vector.stop))?;
    let checked_scale = || match target {
        Target::Decimal128 { .. } => decimal128::check_scale(member.scale),
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
        Target::Text(_) | Target::Binary(_) => text_vector::total(chunk, list, rows, nulls),
        Target::Zoned => {
            member.zones.map_or(0, |zones| text_vector::total(chunk, zones, rows, nulls))
        }
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
        Values::Text32(out) => text_vector::append(out, target, input, list, readable, text)?,
        Values::Text64(out) => text_vector::append(out, target, input, list, readable, text)?,
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
        Values::Text32(out) => text_vector::repeat(out, target, input, value, text)?,
        Values::Text64(out) => text_vector::repeat(out, target, input, value, text)?,
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
