//! The values of one array, as list elements or as a constant's one value.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type,
    Float64Type, Int16Type, Int32Type, Int64Type, Int8Type, TimestampMicrosecondType,
};
use arrow_array::Array;
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};

use super::writer::Writer;
use crate::error::EncodeErrorKind;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Why one value could not be written: the rule, and the row if it is one.
pub(super) type Fault = (EncodeErrorKind, Option<usize>);

const MISMATCH: Fault = (EncodeErrorKind::TypeMismatch, None);

/// Null rows are written as zeros.
fn clear_nulls(writer: &mut Writer, start: usize, width: usize, nulls: Option<&NullBuffer>) {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return };
    for (row, valid) in nulls.iter().enumerate() {
        if !valid {
            writer.out[start + row * width..][..width].fill(0);
        }
    }
}

fn put<T: ArrowPrimitiveType, const W: usize>(
    writer: &mut Writer,
    array: &dyn Array,
    bytes: impl Fn(T::Native) -> [u8; W],
) {
    let start = writer.out.len();
    writer.fixed(array.as_primitive::<T>().values().iter().map(|&value| bytes(value)));
    clear_nulls(writer, start, W, array.nulls());
}

/// The same for values that may not fit.
fn put_checked<T: ArrowPrimitiveType, const W: usize>(
    writer: &mut Writer,
    array: &dyn Array,
    bytes: impl Fn(T::Native) -> Option<[u8; W]>,
) -> Result<(), Fault> {
    for (row, value) in array.as_primitive::<T>().iter().enumerate() {
        let bytes = value.map_or(Some([0; W]), &bytes);
        let bytes = bytes.ok_or((EncodeErrorKind::OutOfRange, Some(row)))?;
        writer.out.extend_from_slice(&bytes);
    }
    Ok(())
}

/// Bools, a byte each.
pub(super) fn booleans(writer: &mut Writer, array: &dyn Array) -> Result<(), Fault> {
    let array = array.as_boolean_opt().ok_or(MISMATCH)?;
    let start = writer.out.len();
    writer.out.extend(array.values().iter().map(u8::from));
    clear_nulls(writer, start, 1, array.nulls());
    Ok(())
}

/// Integers, 32 bits each.
pub(super) fn integers(writer: &mut Writer, array: &dyn Array) -> Result<(), Fault> {
    match array.data_type() {
        DataType::Int8 => put::<Int8Type, 4>(writer, array, |v| i32::from(v).to_be_bytes()),
        DataType::Int16 => put::<Int16Type, 4>(writer, array, |v| i32::from(v).to_be_bytes()),
        DataType::Int32 => put::<Int32Type, 4>(writer, array, i32::to_be_bytes),
        DataType::Int64 => {
            let narrow = |value: i64| i32::try_from(value).ok().map(i32::to_be_bytes);
            return put_checked::<Int64Type, 4>(writer, array, narrow);
        }
        _ => return Err(MISMATCH),
    }
    Ok(())
}

/// Integers, 64 bits each.
pub(super) fn longs(writer: &mut Writer, array: &dyn Array) -> Result<(), Fault> {
    match array.data_type() {
        DataType::Int8 => put::<Int8Type, 8>(writer, array, |v| i64::from(v).to_be_bytes()),
        DataType::Int16 => put::<Int16Type, 8>(writer, array, |v| i64::from(v).to_be_bytes()),
        DataType::Int32 => put::<Int32Type, 8>(writer, array, |v| i64::from(v).to_be_bytes()),
        DataType::Int64 => put::<Int64Type, 8>(writer, array, i64::to_be_bytes),
        _ => return Err(MISMATCH),
    }
    Ok(())
}

/// Floats, 64 bits each whatever their own width.
pub(super) fn floats(writer: &mut Writer, array: &dyn Array) -> Result<(), Fault> {
    match array.data_type() {
        DataType::Float32 => put::<Float32Type, 8>(writer, array, |v| f64::from(v).to_be_bytes()),
        DataType::Float64 => put::<Float64Type, 8>(writer, array, f64::to_be_bytes),
        _ => return Err(MISMATCH),
    }
    Ok(())
}

/// Dates as microseconds.
pub(super) fn dates(writer: &mut Writer, array: &dyn Array) -> Result<(), Fault> {
    if array.data_type() != &DataType::Date32 {
        return Err(MISMATCH);
    }
    let micros = |days: i32| i64::from(days).checked_mul(MICROS_PER_DAY).map(i64::to_be_bytes);
    put_checked::<Date32Type, 8>(writer, array, micros)
}

/// Timestamps, whatever their zone.
pub(super) fn instants(writer: &mut Writer, array: &dyn Array) -> Result<(), Fault> {
    if !matches!(array.data_type(), DataType::Timestamp(TimeUnit::Microsecond, _)) {
        return Err(MISMATCH);
    }
    put::<TimestampMicrosecondType, 8>(writer, array, i64::to_be_bytes);
    Ok(())
}

/// Durations.
pub(super) fn intervals(writer: &mut Writer, array: &dyn Array) -> Result<(), Fault> {
    if array.data_type() != &DataType::Duration(TimeUnit::Microsecond) {
        return Err(MISMATCH);
    }
    put::<DurationMicrosecondType, 8>(writer, array, i64::to_be_bytes);
    Ok(())
}

/// Decimals, as strings of 16 bytes.
pub(super) fn decimals(writer: &mut Writer, array: &dyn Array) -> Result<(), Fault> {
    if !matches!(array.data_type(), DataType::Decimal128(..)) {
        return Err(MISMATCH);
    }
    let start = writer.out.len();
    put::<Decimal128Type, 20>(writer, array, |value| {
        let mut bytes = [0; 20];
        bytes[3] = 16;
        bytes[4..].copy_from_slice(&value.to_be_bytes());
        bytes
    });
    if array.null_count() > 0 {
        // Placeholders are strings of 16 zeros.
        writer.out[start..].as_chunks_mut::<20>().0.iter_mut().for_each(|bytes| bytes[3] = 16);
    }
    Ok(())
}

/// Text or bytes of any layout; null rows are empty.
pub(super) fn texts(writer: &mut Writer, array: &dyn Array) -> Result<(), Fault> {
    fn all<'a>(
        writer: &mut Writer,
        values: impl Iterator<Item = Option<&'a [u8]>>,
    ) -> Result<(), Fault> {
        for (row, value) in values.enumerate() {
            writer.text(value.unwrap_or_default()).map_err(|kind| (kind, Some(row)))?;
        }
        Ok(())
    }
    match array.data_type() {
        DataType::Utf8 => all(writer, array.as_string::<i32>().iter().map(bytes_of)),
        DataType::LargeUtf8 => all(writer, array.as_string::<i64>().iter().map(bytes_of)),
        DataType::Utf8View => all(writer, array.as_string_view().iter().map(bytes_of)),
        DataType::Binary => all(writer, array.as_binary::<i32>().iter()),
        DataType::LargeBinary => all(writer, array.as_binary::<i64>().iter()),
        DataType::BinaryView => all(writer, array.as_binary_view().iter()),
        _ => Err(MISMATCH),
    }
}

fn bytes_of(text: Option<&str>) -> Option<&[u8]> {
    text.map(str::as_bytes)
}
