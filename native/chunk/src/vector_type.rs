//! The numbers of the vector types, and the form in which each carries its values.

/// The type tag of a vector, as numbered on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum VectorType {
    /// Raw bytes.
    Binary = 0,
    /// One bool a row.
    Boolean = 1,
    /// 64-bit float.
    Double = 2,
    /// 32-bit float, carried as 64-bit.
    Float = 3,
    /// Legacy timestamp; no decoder.
    Int96 = 4,
    /// 32-bit integer.
    Integer = 5,
    /// 64-bit integer.
    Long = 6,
    /// UTF-8 text.
    String = 7,
    /// Microseconds, floored to a day.
    Date = 8,
    /// Microseconds without zone.
    Datetime = 9,
    /// Read like [`VectorType::Datetime`].
    Timestamp = 10,
    /// A struct, as text.
    Struct = 11,
    /// A map, as text.
    Map = 12,
    /// An array, as text.
    Array = 13,
    /// All rows null.
    Null = 14,
    /// Microseconds of the UTC instant, with a zone text a row.
    TimestampTz = 15,
    /// 128-bit unscaled integer with a scale a vector.
    Decimal128 = 16,
    /// Signed microseconds.
    IntervalDaySecond = 17,
}

impl VectorType {
    /// The type with this number; `None` beyond 0..=17.
    pub const fn from_i32(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Binary,
            1 => Self::Boolean,
            2 => Self::Double,
            3 => Self::Float,
            4 => Self::Int96,
            5 => Self::Integer,
            6 => Self::Long,
            7 => Self::String,
            8 => Self::Date,
            9 => Self::Datetime,
            10 => Self::Timestamp,
            11 => Self::Struct,
            12 => Self::Map,
            13 => Self::Array,
            14 => Self::Null,
            15 => Self::TimestampTz,
            16 => Self::Decimal128,
            17 => Self::IntervalDaySecond,
            _ => return None,
        })
    }

    /// How its values are carried: decoder and encoder know forms, and no type by its number.
    pub const fn form(self) -> Form {
        match self {
            Self::Null => Form::Null,
            Self::Int96 => Form::Unread,
            Self::Boolean => Form::Boolean,
            Self::Integer => Form::Int32,
            Self::Long => Form::Int64,
            Self::Float => Form::Float32,
            Self::Double => Form::Float64,
            Self::String | Self::Array | Self::Map | Self::Struct => Form::Text,
            Self::Binary => Form::Bytes,
            Self::Date => Form::Date,
            Self::Datetime | Self::Timestamp => Form::Moment,
            Self::TimestampTz => Form::Instant,
            Self::Decimal128 => Form::Decimal,
            Self::IntervalDaySecond => Form::Span,
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

/// A way to carry values, which several vector types may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// No values: all rows are null.
    Null,
    /// What no decoder reads.
    Unread,
    /// One bool a row.
    Boolean,
    /// 32-bit integers.
    Int32,
    /// 64-bit integers.
    Int64,
    /// 32-bit floats, carried as 64-bit.
    Float32,
    /// 64-bit floats.
    Float64,
    /// UTF-8 text.
    Text,
    /// Raw bytes.
    Bytes,
    /// Microseconds, floored to a day.
    Date,
    /// Microseconds without zone.
    Moment,
    /// Microseconds of the UTC instant, with a zone text a row.
    Instant,
    /// 128-bit unscaled integers with a scale a vector.
    Decimal,
    /// Signed microseconds.
    Span,
}
