//! Which vector types an Arrow target accepts, and what its rows cost.

use arrow_schema::{DataType, Field, Schema, TimeUnit};

use crate::error::UnsupportedType;
use crate::vector_type::{Form, VectorType};

/// How text or bytes are laid out in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Offsets32,
    Offsets64,
    View,
}

/// What one column decodes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Null,
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Date32,
    Timestamp,
    TimestampUtc,
    /// Struct of instant and zone.
    Zoned,
    Duration,
    Decimal128 {
        precision: u8,
        scale: i8,
    },
    Text(Layout),
    Binary(Layout),
}

const UTC: &str = "UTC";

fn is_utc(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == UTC)
}

impl Target {
    fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Int8,
            DataType::Int16 => Self::Int16,
            DataType::Int32 => Self::Int32,
            DataType::Int64 => Self::Int64,
            DataType::Float32 => Self::Float32,
            DataType::Float64 => Self::Float64,
            DataType::Date32 => Self::Date32,
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::Timestamp,
            other if is_utc(other) => Self::TimestampUtc,
            DataType::Duration(TimeUnit::Microsecond) => Self::Duration,
            DataType::Decimal128(precision, scale) => {
                Self::Decimal128 { precision: *precision, scale: *scale }
            }
            DataType::Utf8 => Self::Text(Layout::Offsets32),
            DataType::LargeUtf8 => Self::Text(Layout::Offsets64),
            DataType::Utf8View => Self::Text(Layout::View),
            DataType::Binary => Self::Binary(Layout::Offsets32),
            DataType::LargeBinary => Self::Binary(Layout::Offsets64),
            DataType::BinaryView => Self::Binary(Layout::View),
            DataType::Struct(fields) => {
                let [instant, zone] = &fields[..] else { return None };
                let named = instant.name() == "instant" && zone.name() == "zone";
                let typed = is_utc(instant.data_type()) && zone.data_type() == &DataType::Utf8;
                let nullable = instant.is_nullable() && zone.is_nullable();
                return (named && typed && nullable).then_some(Self::Zoned);
            }
            _ => return None,
        })
    }

    fn of_field(field: &Field) -> Option<Self> {
        Self::of(field.data_type()).filter(|_| field.is_nullable())
    }

    /// One target a field; the first field without one is the error.
    pub(super) fn of_schema(schema: &Schema) -> Result<Vec<Self>, UnsupportedType> {
        let target = |(column, field): (usize, &std::sync::Arc<Field>)| {
            Self::of_field(field).ok_or_else(|| {
                let suffix = if field.is_nullable() { "" } else { " not null" };
                UnsupportedType { column, data_type: format!("{}{suffix}", field.data_type()) }
            })
        };
        schema.fields().iter().enumerate().map(target).collect()
    }

    /// Whether vectors of this type may be decoded into the target.
    pub(super) fn accepts(self, vector_type: VectorType) -> bool {
        match vector_type.form() {
            Form::Null => true,
            Form::Unread => false,
            Form::Boolean => self == Self::Boolean,
            Form::Int32 => matches!(self, Self::Int8 | Self::Int16 | Self::Int32),
            Form::Int64 => self == Self::Int64,
            Form::Float32 => self == Self::Float32,
            Form::Float64 => self == Self::Float64,
            Form::Text => matches!(self, Self::Text(_) | Self::Binary(Layout::Offsets32)),
            Form::Bytes => matches!(self, Self::Binary(_)),
            Form::Date => self == Self::Date32,
            Form::Moment => self == Self::Timestamp,
            Form::Instant => matches!(self, Self::TimestampUtc | Self::Zoned),
            Form::Decimal => matches!(self, Self::Decimal128 { .. }),
            Form::Span => self == Self::Duration,
        }
    }

    /// Bytes that are built of such rows: what the limit counts, views, wide offsets and validity.
    pub(super) fn memory(self, rows: usize, text: usize) -> usize {
        let more = match self {
            Self::Text(Layout::View) | Self::Binary(Layout::View) => 16,
            Self::Text(Layout::Offsets64) | Self::Binary(Layout::Offsets64) => 4,
            _ => 0,
        };
        self.cost(rows, text)
            .saturating_add(rows.saturating_mul(more))
            .saturating_add(rows.div_ceil(8).saturating_mul(2))
    }

    /// Decoded bytes of *rows* rows with *text* bytes of text, as the limit counts them.
    pub(super) fn cost(self, rows: usize, text: usize) -> usize {
        let offsets = rows.saturating_add(1).saturating_mul(4);
        match self {
            Self::Null => 0,
            Self::Boolean => rows.div_ceil(8),
            Self::Int8 => rows,
            Self::Int16 => rows.saturating_mul(2),
            Self::Int32 | Self::Float32 | Self::Date32 => rows.saturating_mul(4),
            Self::Int64 | Self::Float64 | Self::Timestamp | Self::TimestampUtc | Self::Duration => {
                rows.saturating_mul(8)
            }
            Self::Decimal128 { .. } => rows.saturating_mul(16),
            Self::Zoned => rows.saturating_mul(8).saturating_add(offsets).saturating_add(text),
            Self::Text(_) | Self::Binary(_) => offsets.saturating_add(text),
        }
    }
}
