//! One array as one vector.

use arrow_array::cast::AsArray;
use arrow_array::{new_null_array, Array, ArrayRef};
use arrow_schema::{DataType, Field, TimeUnit};

use super::values::{self, Fault};
use super::writer::Writer;
use crate::error::EncodeErrorKind;
use crate::vector::members_of;
use crate::vector_type::{Form, VectorType};
use crate::wire::types;

/// Field metadata that says which zone text the rows of a TIMESTAMP_TZ vector carry.
const ZONE_KEY: &str = "E6DATA:zone";
const DEFAULT_ZONE: &str = "Z";

/// Append the vector of *array*; *constants* allows one value for all rows.
pub(super) fn put(
    writer: &mut Writer,
    array: &ArrayRef,
    field: &Field,
    vector_type: VectorType,
    constants: bool,
) -> Result<(), Fault> {
    let array = match array.data_type() {
        DataType::Null => &new_null_array(&placeholder_type(vector_type)?, array.len()),
        _ => array,
    };
    if vector_type == VectorType::Null && array.logical_null_count() < array.len() {
        return Err((EncodeErrorKind::TypeMismatch, None));
    }
    let is_constant = constants && is_constant(array);
    let sent = if is_constant { &array.slice(0, 1) } else { array };
    writer.i32_field(1, i32::try_from(array.len()).map_err(|_| (EncodeErrorKind::TooLarge, None))?);
    writer.i32_field(2, vector_type.number());
    put_null_set(writer, sent)?;
    if vector_type != VectorType::Null {
        let (plain, constant) = members_of(vector_type.form());
        let member = if is_constant { constant } else { plain };
        writer.field(types::STRUCT, 4);
        writer.field(types::STRUCT, member as u8);
        put_member(writer, sent, field, vector_type, is_constant)?;
        writer.stop();
    }
    writer.field(types::BOOL, 5);
    writer.out.push(is_constant.into());
    writer.stop();
    Ok(())
}

/// Whether the rows are more than one, and all alike; floats by their bits.
fn is_constant(array: &ArrayRef) -> bool {
    let rows = array.len();
    // The ends first: nearly every column that varies differs there.
    rows > 1
        && array.slice(0, 1) == array.slice(rows - 1, 1)
        && array.slice(0, rows - 1) == array.slice(1, rows - 1)
}

fn put_null_set(writer: &mut Writer, array: &ArrayRef) -> Result<(), Fault> {
    writer.field(types::LIST, 3);
    writer.list(types::BOOL, array.len()).map_err(|kind| (kind, None))?;
    match array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => writer.out.extend(nulls.iter().map(|valid| u8::from(!valid))),
        None => writer.out.resize(writer.out.len() + array.len(), 0),
    }
    Ok(())
}

/// The member struct's fields and STOP.
fn put_member(
    writer: &mut Writer,
    array: &ArrayRef,
    field: &Field,
    vector_type: VectorType,
    is_constant: bool,
) -> Result<(), Fault> {
    let form = vector_type.form();
    let element = match form {
        Form::Boolean => types::BOOL,
        Form::Int32 if !is_constant => types::I32,
        Form::Float32 | Form::Float64 => types::DOUBLE,
        Form::Decimal | Form::Text | Form::Bytes => types::STRING,
        _ => types::I64,
    };
    put_head(writer, 1, element, array.len(), is_constant)?;
    match form {
        Form::Boolean => values::booleans(writer, array)?,
        Form::Int32 if !is_constant => values::integers(writer, array)?,
        Form::Int32 => {
            // The constant travels as 64 bits, but must fit 32.
            values::integers(&mut Writer::default(), array)?;
            values::longs(writer, array)?;
        }
        Form::Int64 => values::longs(writer, array)?,
        Form::Float32 | Form::Float64 => values::floats(writer, array)?,
        Form::Date => values::dates(writer, array)?,
        Form::Moment => values::instants(writer, array)?,
        Form::Instant => put_zoned(writer, array, field, is_constant)?,
        Form::Decimal => {
            values::decimals(writer, array)?;
            if let DataType::Decimal128(_, scale) = array.data_type() {
                writer.i32_field(2, i32::from(*scale));
            }
        }
        Form::Span => values::intervals(writer, array)?,
        Form::Text | Form::Bytes => values::texts(writer, array)?,
        Form::Null | Form::Unread => return Err((EncodeErrorKind::TypeMismatch, None)),
    }
    writer.stop();
    Ok(())
}

/// The field header of a list, or of the one value of a constant.
fn put_head(
    writer: &mut Writer,
    id: u8,
    element: u8,
    count: usize,
    is_constant: bool,
) -> Result<(), Fault> {
    if is_constant {
        writer.field(element, id);
        return Ok(());
    }
    writer.field(types::LIST, id);
    writer.list(element, count).map_err(|kind| (kind, None))
}

/// Instants, then zones: those of a struct's second child, or the field's one zone for all rows.
///
/// A struct without any zone sends none; a null zone among others is sent as empty text.
fn put_zoned(
    writer: &mut Writer,
    array: &ArrayRef,
    field: &Field,
    is_constant: bool,
) -> Result<(), Fault> {
    let too_large = |kind| (kind, None);
    if let Some(parts) = array.as_struct_opt() {
        let [instants, zones] = parts.columns() else {
            return Err((EncodeErrorKind::TypeMismatch, None));
        };
        values::instants(writer, instants)?;
        if zones.null_count() < zones.len() || zones.is_empty() {
            put_head(writer, 2, types::STRING, array.len(), is_constant)?;
            values::texts(writer, zones)?;
        }
        return Ok(());
    }
    values::instants(writer, array)?;
    let zone = field.metadata().get(ZONE_KEY).map_or(DEFAULT_ZONE, String::as_str).as_bytes();
    put_head(writer, 2, types::STRING, array.len(), is_constant)?;
    let start = writer.out.len();
    if !array.is_empty() {
        writer.text(zone).map_err(too_large)?;
        let one = writer.out.len() - start;
        while writer.out.len() - start < one * array.len() {
            let have = writer.out.len() - start;
            let more = have.min(one * array.len() - have);
            writer.out.extend_from_within(start..start + more);
        }
    }
    Ok(())
}

/// The type in which a column of type Null is written.
fn placeholder_type(vector_type: VectorType) -> Result<DataType, Fault> {
    Ok(match vector_type.form() {
        Form::Null | Form::Boolean => DataType::Boolean,
        Form::Int32 => DataType::Int32,
        Form::Int64 => DataType::Int64,
        Form::Float32 | Form::Float64 => DataType::Float64,
        Form::Text | Form::Bytes => DataType::Binary,
        Form::Date => DataType::Date32,
        Form::Moment | Form::Instant => DataType::Timestamp(TimeUnit::Microsecond, None),
        Form::Decimal => DataType::Decimal128(38, 0),
        Form::Span => DataType::Duration(TimeUnit::Microsecond),
        Form::Unread => return Err((EncodeErrorKind::TypeMismatch, None)),
    })
}
