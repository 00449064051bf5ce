//! Which rows of one vector are null.

use super::kernels;
use crate::error::{DecodeError, ErrorKind};
use crate::vector::Vector;

/// Null rows of a vector.
#[derive(Clone, Copy, Debug)]
pub(super) enum Nulls<'a> {
    /// No row is null.
    None,
    /// One byte a row, 1 for null; at least one row is null and one is not.
    Some(&'a [u8]),
    /// Every row is null, or there are no rows.
    All,
}

impl<'a> Nulls<'a> {
    /// Read a vector's null set, for *rows* rows.
    pub(super) fn of(chunk: &'a [u8], vector: &Vector, rows: usize) -> Result<Self, DecodeError> {
        let missing = DecodeError::new(ErrorKind::MissingField, vector.stop);
        let list = vector.null_set.ok_or(missing)?;
        let read = if vector.is_constant { rows.min(1) } else { rows };
        if list.count < read {
            return Err(DecodeError::new(ErrorKind::ShortList, list.count_at()));
        }
        let flags = &chunk[list.start..list.start + read];
        let any = kernels::any(flags);
        if any > 1 {
            let row = flags.iter().position(|&flag| flag > 1).unwrap_or(0);
            return Err(DecodeError::new(ErrorKind::BadBool, list.start + row).in_row(row));
        }
        Ok(if read == 0 {
            Self::All
        } else if any == 0 {
            Self::None
        } else if kernels::count(flags) == read {
            Self::All
        } else {
            Self::Some(flags)
        })
    }

    /// The bytes a row, if there are nulls among rows.
    pub(super) fn flags(self) -> Option<&'a [u8]> {
        match self {
            Self::Some(flags) => Some(flags),
            Self::None | Self::All => None,
        }
    }

    pub(super) fn is_null(self, row: usize) -> bool {
        match self {
            Self::None => false,
            Self::Some(flags) => flags[row] == 1,
            Self::All => true,
        }
    }

    /// The first row from *from* on, below *rows*, that has a value.
    pub(super) fn first_valid(self, from: usize, rows: usize) -> Option<usize> {
        (from..rows).find(|&row| !self.is_null(row))
    }
}
