//! One column being built: its values, its validity, and the way back.

use std::panic::RefUnwindSafe;
use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, Int8Type, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, NullArray, PrimitiveArray, StructArray,
};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, Fields};

use super::bits::{Bits, Validity};
use super::recycle::Recycled;
use super::target::{Layout, Target};
use super::text::Text;

/// Values by physical form; null rows hold anything.
#[derive(Debug)]
pub(super) enum Values {
    Null,
    Boolean(Bits),
    Int8(Recycled<i8>),
    Int16(Recycled<i16>),
    Int32(Recycled<i32>),
    Int64(Recycled<i64>),
    Float32(Recycled<f32>),
    Float64(Recycled<f64>),
    Days(Recycled<i32>),
    Decimal(Recycled<i128>),
    Text32(Text<i32>),
    Text64(Text<i64>),
    Zoned { instants: Recycled<i64>, zones: Text<i32>, zone_validity: Validity },
}

/// A column builder.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) target: Target,
    pub(super) values: Values,
    pub(super) validity: Validity,
    rows: usize,
}

/// Run *$body* with *$vec* bound to the vector of any fixed-width variant.
macro_rules! fixed {
    ($values:expr, $vec:ident => $body:expr; $($rest:tt)*) => {
        match $values {
            Values::Int8($vec) => $body,
            Values::Int16($vec) => $body,
            Values::Int32($vec) | Values::Days($vec) => $body,
            Values::Int64($vec) => $body,
            Values::Float32($vec) => $body,
            Values::Float64($vec) => $body,
            Values::Decimal($vec) => $body,
            $($rest)*
        }
    };
}

impl Column {
    pub(super) fn new(target: Target) -> Self {
        let values = match target {
            Target::Null => Values::Null,
            Target::Boolean => Values::Boolean(Bits::default()),
            Target::Int8 => Values::Int8(Recycled::default()),
            Target::Int16 => Values::Int16(Recycled::default()),
            Target::Int32 => Values::Int32(Recycled::default()),
            Target::Int64 | Target::Timestamp | Target::TimestampUtc | Target::Duration => {
                Values::Int64(Recycled::default())
            }
            Target::Float32 => Values::Float32(Recycled::default()),
            Target::Float64 => Values::Float64(Recycled::default()),
            Target::Date32 => Values::Days(Recycled::default()),
            Target::Decimal128 { .. } => Values::Decimal(Recycled::default()),
            Target::Text(Layout::Offsets64) | Target::Binary(Layout::Offsets64) => {
                Values::Text64(Text::default())
            }
            Target::Text(Layout::View) | Target::Binary(Layout::View) => {
                Values::Text32(Text::of_views())
            }
            Target::Text(_) | Target::Binary(_) => Values::Text32(Text::default()),
            Target::Zoned => Values::Zoned {
                instants: Recycled::default(),
                zones: Text::default(),
                zone_validity: Validity::default(),
            },
        };
        Self { target, values, validity: Validity::default(), rows: 0 }
    }

    /// Begin a batch of about *rows* rows in memory of the batches before, as far as it is back.
    pub(super) fn reuse(&mut self, rows: usize) {
        fixed!(&mut self.values, values => values.reuse(rows);
            Values::Null | Values::Boolean(_) => {}
            Values::Text32(text) => text.reuse(rows),
            Values::Text64(text) => text.reuse(rows),
            Values::Zoned { instants, zones, .. } => {
                instants.reuse(rows);
                zones.reuse(rows);
            }
        );
    }

    /// Make room for *rows* more rows; text bytes are reserved where they are counted.
    pub(super) fn reserve(&mut self, rows: usize) {
        fixed!(&mut self.values, values => values.reserve(rows);
            Values::Null => {}
            Values::Boolean(bits) => bits.reserve(rows),
            Values::Text32(text) => text.reserve(rows),
            Values::Text64(text) => text.reserve(rows),
            Values::Zoned { instants, zones, .. } => {
                instants.reserve(rows);
                zones.reserve(rows);
            }
        );
    }

    /// Bytes of text under 32-bit offsets.
    pub(super) fn text_bytes32(&self) -> usize {
        match &self.values {
            Values::Text32(text) | Values::Zoned { zones: text, .. } => text.bytes(),
            _ => 0,
        }
    }

    /// Bytes of the column's text.
    pub(super) fn text_bytes(&self) -> usize {
        match &self.values {
            Values::Text64(text) => text.bytes(),
            _ => self.text_bytes32(),
        }
    }

    /// The text of *count* rows from *first* on, `None` for a null; of a column of text alone.
    pub(super) fn texts(
        &self,
        first: usize,
        count: usize,
    ) -> impl Iterator<Item = Option<&[u8]>> + '_ {
        (first..first + count).map(|row| match &self.values {
            Values::Text32(text) if self.validity.is_valid(row) => Some(text.value(row)),
            _ => None,
        })
    }

    /// Append *count* null rows.
    pub(super) fn push_nulls(&mut self, count: usize) {
        self.pad(count);
        self.validity.push_null(count);
    }

    /// Append *count* rows of placeholders, leaving validity alone.
    pub(super) fn pad(&mut self, count: usize) {
        fixed!(&mut self.values, values => {
                values.pad(count, Default::default());
            };
            Values::Null => {}
            Values::Boolean(bits) => bits.repeat(false, count),
            Values::Text32(text) => text.pad(count),
            Values::Text64(text) => text.pad(count),
            Values::Zoned { instants, zones, zone_validity } => {
                instants.pad(count, 0);
                zones.pad(count);
                zone_validity.push_null(count);
            }
        );
    }

    /// Drop the rows from *rows* on, complete or not.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        self.validity.truncate(rows);
        fixed!(&mut self.values, values => values.truncate(rows);
            Values::Null => {}
            Values::Boolean(bits) => bits.truncate(rows),
            Values::Text32(text) => text.truncate(rows),
            Values::Text64(text) => text.truncate(rows),
            Values::Zoned { instants, zones, zone_validity } => {
                instants.truncate(rows);
                zones.truncate(rows);
                zone_validity.truncate(rows);
            }
        );
    }

    /// Count *rows* more rows as complete.
    pub(super) fn commit(&mut self, rows: usize) {
        self.rows += rows;
        debug_assert_eq!(self.len(), self.rows, "values and rows agree");
    }

    fn len(&self) -> usize {
        fixed!(&self.values, values => values.len();
            Values::Null => self.rows,
            Values::Boolean(bits) => bits.len(),
            Values::Text32(text) => text.rows(),
            Values::Text64(text) => text.rows(),
            Values::Zoned { instants, .. } => instants.len(),
        )
    }

    /// The rows as an array of *data_type*, which is the target's; the column is empty afterwards.
    pub(super) fn finish(&mut self, data_type: &DataType) -> ArrayRef {
        let rows = std::mem::take(&mut self.rows);
        let nulls = self.validity.finish();
        let target = self.target;
        match &mut self.values {
            Values::Null => Arc::new(NullArray::new(rows)),
            Values::Boolean(bits) => Arc::new(BooleanArray::new(bits.finish(), nulls)),
            Values::Int8(values) => primitive::<Int8Type>(values, nulls, data_type),
            Values::Int16(values) => primitive::<Int16Type>(values, nulls, data_type),
            Values::Int32(values) => primitive::<Int32Type>(values, nulls, data_type),
            Values::Float32(values) => primitive::<Float32Type>(values, nulls, data_type),
            Values::Float64(values) => primitive::<Float64Type>(values, nulls, data_type),
            Values::Days(values) => primitive::<Date32Type>(values, nulls, data_type),
            Values::Decimal(values) => primitive::<Decimal128Type>(values, nulls, data_type),
            Values::Int64(values) => match target {
                Target::Int64 => primitive::<Int64Type>(values, nulls, data_type),
                Target::Duration => primitive::<DurationMicrosecondType>(values, nulls, data_type),
                _ => primitive::<TimestampMicrosecondType>(values, nulls, data_type),
            },
            Values::Text32(text) => match target {
                Target::Text(Layout::View) => text.finish_text_view(nulls),
                Target::Text(_) => text.finish_text(nulls),
                Target::Binary(Layout::View) => text.finish_binary_view(nulls),
                _ => text.finish_binary(nulls),
            },
            Values::Text64(text) => match target {
                Target::Text(_) => text.finish_text(nulls),
                _ => text.finish_binary(nulls),
            },
            Values::Zoned { instants, zones, zone_validity } => {
                let DataType::Struct(fields) = data_type else {
                    unreachable!("the target was made from a struct type")
                };
                let instants = primitive::<TimestampMicrosecondType>(
                    instants,
                    nulls.clone(),
                    fields[0].data_type(),
                );
                let zones = zones.finish_text(zone_validity.finish());
                zoned(fields, instants, zones, nulls)
            }
        }
    }
}

fn zoned(
    fields: &Fields,
    instants: ArrayRef,
    zones: ArrayRef,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    Arc::new(StructArray::new(fields.clone(), vec![instants, zones], nulls))
}

fn primitive<T: ArrowPrimitiveType<Native: RefUnwindSafe>>(
    values: &mut Recycled<T::Native>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> ArrayRef {
    let values = ScalarBuffer::from(values.finish());
    Arc::new(PrimitiveArray::<T>::new(values, nulls).with_data_type(data_type.clone()))
}
