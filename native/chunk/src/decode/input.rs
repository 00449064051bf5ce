//! What the rules of a vector are given: its bytes and nulls, and how much may be built of them.

use super::nulls::Nulls;
use super::target::Target;
use crate::error::{DecodeError, ErrorKind};
use crate::vector::Vector;
use crate::wire::List;

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
