//! The numbers of the vector types.

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

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        self as i32
    }
}
