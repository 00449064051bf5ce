//! The two ways through a chunk: one pass for what is usual, two for the exact error.

use super::column::{Column, Values};
use super::decimal128;
use super::input::{Budget, Input};
use super::nulls::Nulls;
use super::target::Target;
use super::vector::{append, check, vector_type};
use crate::error::{DecodeError, ErrorKind};
use crate::limits::Limits;
use crate::structure::{rows_of, walk, CheckOnly, Chunk, Strings, Visitor};
use crate::vector::{members_of, Vector};
use crate::vector_type::Form;
use crate::wire::List;

/// Decode in one pass, strings while their end is being looked for; builds at most *most* bytes.
///
/// Gives up (`None`) at anything wrong or unusual; the columns then need truncating.
pub(super) fn fast(
    columns: &mut [Column],
    chunk: &[u8],
    limits: Limits,
    most: usize,
) -> Option<Done> {
    let budget = Budget::new(limits.max_bytes, most);
    let mut visitor =
        Fast { columns, chunk, limits, rows: None, index: 0, budget, eager: Eager::No };
    walk(chunk, &mut visitor).ok()?;
    let Budget { spent: bytes, built, .. } = visitor.budget;
    Some(Done { rows: visitor.rows?, bytes, built })
}

/// What was appended: rows, their bytes as the limit counts, and with views and validity.
pub(super) struct Done {
    pub(super) rows: usize,
    pub(super) bytes: usize,
    pub(super) built: usize,
}

/// Decode in three passes: all of the structure, then all that can be judged without building
/// anything, limits above all, then the values. Every error is the canonical one.
pub(super) fn exact(
    columns: &mut [Column],
    chunk: &[u8],
    limits: Limits,
) -> Result<(usize, usize), DecodeError> {
    let (rows, bytes) = measure(columns, chunk, limits)?;
    let budget = Budget::new(limits.max_bytes, usize::MAX);
    walk(chunk, &mut Exact { columns, chunk, rows, budget })?;
    Ok((rows, bytes))
}

/// The rows of a chunk and the bytes that they decode to, which are within the limits.
///
/// Builds nothing. Every error that `exact` reports is reported, but for those of values.
pub(super) fn measure(
    columns: &[Column],
    chunk: &[u8],
    limits: Limits,
) -> Result<(usize, usize), DecodeError> {
    let shape = walk(chunk, &mut CheckOnly)?;
    let rows = rows_of(&shape)?;
    if rows > limits.max_rows {
        let at = shape.size.map_or(0, |(_, at)| at);
        return Err(DecodeError::new(ErrorKind::LimitExceeded, at));
    }
    let count = shape.vectors.map_or(0, |list| list.count);
    if count != columns.len() && (rows, count) != (0, 0) {
        let at = shape.vectors.map_or(shape.stop, |list| list.count_at());
        return Err(DecodeError::new(ErrorKind::ColumnCount, at));
    }
    let budget = Budget::new(limits.max_bytes, usize::MAX);
    let mut visitor = Measure { columns, chunk, rows, budget };
    walk(chunk, &mut visitor)?;
    Ok((rows, visitor.budget.spent))
}

struct Measure<'a> {
    columns: &'a [Column],
    chunk: &'a [u8],
    rows: usize,
    budget: Budget,
}

impl Visitor for Measure<'_> {
    fn vector(&mut self, index: usize, vector: &Vector) -> Result<(), DecodeError> {
        check(self.columns[index].target, self.chunk, self.rows, vector, &mut self.budget)
            .map_err(|error| error.in_column(index))
    }
}

struct Exact<'a> {
    columns: &'a mut [Column],
    chunk: &'a [u8],
    rows: usize,
    budget: Budget,
}

impl Visitor for Exact<'_> {
    fn vector(&mut self, index: usize, vector: &Vector) -> Result<(), DecodeError> {
        append(&mut self.columns[index], self.chunk, self.rows, vector, &mut self.budget)
            .map_err(|error| error.in_column(index))
    }
}

/// What has become of the present vector's strings.
#[derive(Clone, Copy)]
enum Eager {
    /// Not read on the way.
    No,
    /// Text was appended, this many bytes.
    Text(usize),
    /// Binary decimals were appended as they are; whether one may be too wide.
    Decimals {
        wide: bool,
    },
    Failed,
}

struct Fast<'a> {
    columns: &'a mut [Column],
    chunk: &'a [u8],
    limits: Limits,
    rows: Option<usize>,
    /// The present vector.
    index: usize,
    budget: Budget,
    eager: Eager,
}

/// Any error: `fast` drops it.
const GIVE_UP: DecodeError = DecodeError::new(ErrorKind::MissingField, 0);

impl Visitor for Fast<'_> {
    fn begin(&mut self, chunk: &Chunk) -> Result<(), DecodeError> {
        let rows = chunk.size.and_then(|(size, _)| usize::try_from(size).ok()).ok_or(GIVE_UP)?;
        let count = chunk.vectors.map_or(0, |list| list.count);
        if rows > self.limits.max_rows || count != self.columns.len() {
            return Err(GIVE_UP);
        }
        self.rows = Some(rows);
        Ok(())
    }

    fn strings(&mut self, vector: &Vector, number: usize, list: &List) -> Option<Strings> {
        let (rows, chunk) = (self.rows?, self.chunk);
        let column = self.columns.get_mut(self.index)?;
        let utf8 = matches!(column.target, Target::Text(_));
        if !matches!(column.values, Values::Text32(_) | Values::Text64(_) | Values::Decimal(_)) {
            return None;
        }
        let known = vector_type(vector, rows, column.target).ok()?;
        if members_of(known.form()).0 != number {
            return None;
        }
        let nulls = Nulls::of(chunk, vector, rows).ok()?;
        if vector.is_constant || matches!(nulls, Nulls::All) || list.count < rows {
            return None;
        }
        column.reserve(rows);
        let before = column.text_bytes();
        let most = chunk.len() - list.start;
        let (start, flags) = (list.start, nulls.flags());
        let end = match &mut column.values {
            Values::Text32(out) if out.fits(most) => out.extend(chunk, start, rows, flags, utf8),
            Values::Text64(out) => out.extend(chunk, start, rows, flags, utf8),
            Values::Decimal(out) => {
                let wide = decimal128::extend_raw(out, &chunk[start..], rows)?;
                self.eager = Eager::Decimals { wide };
                Ok(start + rows * decimal128::STRIDE)
            }
            _ => return None,
        };
        let Ok(end) = end else {
            self.eager = Eager::Failed;
            return None;
        };
        match flags {
            Some(flags) => column.validity.push_flags(flags),
            None => column.validity.push_valid(rows),
        }
        if let Eager::Decimals { .. } = self.eager {
            return Some(Strings { count: rows, end, stride: decimal128::STRIDE });
        }
        self.eager = Eager::Text(column.text_bytes() - before);
        Some(Strings { count: rows, end, stride: 0 })
    }

    fn vector(&mut self, index: usize, vector: &Vector) -> Result<(), DecodeError> {
        let (rows, chunk) = (self.rows.ok_or(GIVE_UP)?, self.chunk);
        let column = &mut self.columns[index];
        self.index = index + 1;
        let text = match std::mem::replace(&mut self.eager, Eager::No) {
            Eager::No => return append(column, chunk, rows, vector, &mut self.budget),
            // Decoded as plain before the flag came.
            _ if vector.is_constant => return Err(GIVE_UP),
            Eager::Failed => return Err(GIVE_UP),
            Eager::Text(bytes) => bytes,
            Eager::Decimals { wide } => {
                let nulls = Nulls::of(chunk, vector, rows)?;
                finish_decimals(column, Input { chunk, rows, vector, nulls }, wide)?;
                0
            }
        };
        self.budget.charge(column.target, rows, text, vector.stop)
    }
}

/// Give decimals that were appended as they are the target's scale.
fn finish_decimals(column: &mut Column, input: Input<'_>, wide: bool) -> Result<(), DecodeError> {
    let (plain, _) = members_of(Form::Decimal);
    let member = input.vector.member(plain).ok_or(GIVE_UP)?;
    let list = member.list.ok_or(GIVE_UP)?;
    decimal128::check_scale(member.scale)?;
    let rule = decimal128::Rule::new(column.target, member.scale);
    let Values::Decimal(values) = &mut column.values else { return Err(GIVE_UP) };
    let before = values.len() - input.rows;
    decimal128::rescale_all(&mut values[before..], input, list, rule, wide)
}
