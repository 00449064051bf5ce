//! What can be wrong with bytes from the server, and where.

use std::fmt;

/// The rule that a chunk, a response or a metadata blob breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An item needs more bytes than remain.
    UnexpectedEnd,
    /// A length or a count is negative, or cannot be right for the bytes that remain.
    BadLength,
    /// A Thrift type id that no protocol version defines.
    BadWireType,
    /// Structs and containers nested deeper than 64.
    TooDeep,
    /// A known list holds elements of another type.
    WrongElementType,
    /// A known field occurs twice in one struct.
    DuplicateField,
    /// A bool that is neither 0 nor 1.
    BadBool,
    /// Bytes after the chunk's end.
    TrailingBytes,
    /// A field that the value needs is absent.
    MissingField,
    /// A size is negative, or a vector's size is not the chunk's.
    BadSize,
    /// The chunk would expand beyond [`Limits`](crate::Limits).
    LimitExceeded,
    /// The number of vectors is not the number of columns.
    ColumnCount,
    /// A vector type that this protocol does not have.
    UnknownVectorType,
    /// A vector type that the target column does not accept.
    TypeMismatch,
    /// A list ends before a row that needs it.
    ShortList,
    /// A decimal that is neither 16 bytes nor text, or does not fit the target exactly.
    BadDecimal,
    /// A value outside the target's range.
    OutOfRange,
    /// Text that is no array, map or struct of the told type, or not without doubt.
    BadNested,
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// A response that is not a well-formed protobuf message.
    BadProtobuf,
    /// The rows do not fit into the batch being built (32-bit offsets); [`finish`] it and append
    /// again.
    ///
    /// [`finish`]: crate::ChunkDecoder::finish
    BatchFull,
}

impl ErrorKind {
    /// The stable `snake_case` name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UnexpectedEnd => "unexpected_end",
            Self::BadLength => "bad_length",
            Self::BadWireType => "bad_wire_type",
            Self::TooDeep => "too_deep",
            Self::WrongElementType => "wrong_element_type",
            Self::DuplicateField => "duplicate_field",
            Self::BadBool => "bad_bool",
            Self::TrailingBytes => "trailing_bytes",
            Self::MissingField => "missing_field",
            Self::BadSize => "bad_size",
            Self::LimitExceeded => "limit_exceeded",
            Self::ColumnCount => "column_count",
            Self::UnknownVectorType => "unknown_vector_type",
            Self::TypeMismatch => "type_mismatch",
            Self::ShortList => "short_list",
            Self::BadDecimal => "bad_decimal",
            Self::OutOfRange => "out_of_range",
            Self::BadNested => "bad_nested",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::BadProtobuf => "bad_protobuf",
            Self::BatchFull => "batch_full",
        }
    }
}

/// Why bytes could not be decoded: the rule and the place, never a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The rule that is broken.
    pub kind: ErrorKind,
    /// Zero-based column, if the error is inside one.
    pub column: Option<usize>,
    /// Zero-based row of this chunk, if the error is inside one.
    pub row: Option<usize>,
    /// Byte offset into the input that was handed in.
    pub offset: usize,
}

impl DecodeError {
    pub(crate) const fn new(kind: ErrorKind, offset: usize) -> Self {
        Self { kind, column: None, row: None, offset }
    }

    #[allow(dead_code)]
    pub(crate) const fn in_column(mut self, column: usize) -> Self {
        self.column = Some(column);
        self
    }

    #[allow(dead_code)]
    pub(crate) const fn in_row(mut self, row: usize) -> Self {
        self.row = Some(row);
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind.name(), self.offset)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DecodeError {}

/// A target schema that no decoder exists for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedType {
    /// Zero-based column of the schema.
    pub column: usize,
    /// Its Arrow type, as text; ends in ` not null` if nullability is the problem.
    pub data_type: String,
}

impl fmt::Display for UnsupportedType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no decoder for column {} of type {}", self.column, self.data_type)
    }
}

impl std::error::Error for UnsupportedType {}

/// Why a batch could not be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeErrorKind {
    /// The number of vector types is not the number of columns.
    ColumnCount,
    /// The Arrow type cannot travel in the vector type.
    TypeMismatch,
    /// A value does not fit the vector type.
    OutOfRange,
    /// A count or a length beyond what the format can state.
    TooLarge,
}

impl EncodeErrorKind {
    /// The stable `snake_case` name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ColumnCount => "column_count",
            Self::TypeMismatch => "type_mismatch",
            Self::OutOfRange => "out_of_range",
            Self::TooLarge => "too_large",
        }
    }
}

/// Why a batch could not be encoded, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// The rule that is broken.
    pub kind: EncodeErrorKind,
    /// Zero-based column, if the error is inside one.
    pub column: Option<usize>,
    /// Zero-based row, if the error is inside one.
    pub row: Option<usize>,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        Ok(())
    }
}

impl std::error::Error for EncodeError {}
