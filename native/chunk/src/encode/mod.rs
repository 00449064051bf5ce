//! Encoding record batches as chunks.

mod values;
mod vector;
mod writer;

use arrow_array::{Array, RecordBatch};

use self::writer::Writer;
use crate::error::{EncodeError, EncodeErrorKind};
use crate::vector_type::VectorType;
use crate::wire::types;

/// How to encode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Send a column whose rows (more than one) are all equal as a constant vector.
    pub constants: bool,
}

/// Encode a batch as one chunk, its columns as vectors of the given types.
///
/// Null rows hold zeros or empty text. TIMESTAMP_TZ rows carry the zone of the field's metadata
/// `E6DATA:zone`, else `Z`; a struct of instant and zone carries its own. A column of Arrow type
/// Null goes into any vector type.
pub fn encode_chunk(
    batch: &RecordBatch,
    vector_types: &[VectorType],
    options: &EncodeOptions,
) -> Result<Vec<u8>, EncodeError> {
    let whole = |kind| EncodeError { kind, column: None, row: None };
    if vector_types.len() != batch.num_columns() {
        return Err(whole(EncodeErrorKind::ColumnCount));
    }
    let rows = i32::try_from(batch.num_rows()).map_err(|_| whole(EncodeErrorKind::TooLarge))?;
    let mut writer = Writer { out: Vec::with_capacity(size_hint(batch)) };
    writer.i32_field(1, rows);
    writer.field(types::LIST, 2);
    writer.list(types::STRUCT, batch.num_columns()).map_err(whole)?;
    let schema = batch.schema_ref();
    for (column, &vector_type) in vector_types.iter().enumerate() {
        let (array, field) = (batch.column(column), schema.field(column));
        vector::put(&mut writer, array, field, vector_type, options.constants)
            .map_err(|(kind, row)| EncodeError { kind, column: Some(column), row })?;
    }
    writer.stop();
    Ok(writer.out)
}

/// Bytes that are likely to do: those of the arrays, and a null mark and a length a row.
fn size_hint(batch: &RecordBatch) -> usize {
    let bytes = |array: &dyn Array| {
        let data = array.to_data();
        data.get_slice_memory_size().unwrap_or(0) + 8 * array.len() + 96
    };
    batch.columns().iter().map(|array| bytes(array)).sum::<usize>() + 64
}
