//! BOOLEAN vectors.

use super::bits::Bits;
use super::input::Input;
use super::kernels;
use crate::error::{DecodeError, ErrorKind};
use crate::wire::List;

/// Append *rows* bools; a byte that is neither 0 nor 1 is an error unless its row is null.
pub(super) fn extend(
    out: &mut Bits,
    input: Input<'_>,
    list: List,
    rows: usize,
) -> Result<(), DecodeError> {
    let bytes = input.elements(list, rows, 1);
    if kernels::any(bytes) <= 1 {
        out.extend(bytes, false);
        return Ok(());
    }
    for (row, &byte) in bytes.iter().enumerate() {
        if byte > 1 && !input.nulls.is_null(row) {
            return Err(DecodeError::new(ErrorKind::BadBool, list.start + row).in_row(row));
        }
    }
    let clean: Vec<u8> = bytes.iter().map(|byte| byte & 1).collect();
    out.extend(&clean, false);
    Ok(())
}
