//! Columns that become something else than their vectors hold: nested values out of text, and
//! spans as numbers or text.
//!
//! A column is decoded as what its vectors hold, looked through for values that cannot become what
//! is wanted as each chunk arrives, and converted when its batch is finished.

use std::sync::Arc;

use arrow_array::types::DurationMicrosecondType;
use arrow_array::{
    Array, ArrayRef, Int64Array, LargeStringArray, PrimitiveArray, StringArray, StringViewArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::nested::Builder;
use super::scalars::span_text;

/// The key under which a field has the engine's type, and the type of spans.
const TYPE_KEY: &str = "E6DATA:type";
const SPAN: &str = "INTERVAL_DAY_SECOND";

/// What becomes of a column's own array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conversion {
    None,
    /// The text of nested values to those.
    Nested,
    /// Spans to microseconds or their text.
    Span,
}

impl Conversion {
    fn of(field: &Field) -> Self {
        let data_type = field.data_type();
        let is_span = || {
            let told = field.metadata().get(TYPE_KEY);
            told.is_some_and(|name| name.trim().eq_ignore_ascii_case(SPAN))
        };
        match data_type {
            DataType::List(_) | DataType::Map(..) => Self::nested(data_type),
            // A struct of instant and zone has vectors of its own.
            DataType::Struct(_) if !is_zoned(field) => Self::nested(data_type),
            DataType::Int64 | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
                if is_span() =>
            {
                Self::Span
            }
            _ => Self::None,
        }
    }

    fn nested(data_type: &DataType) -> Self {
        if Builder::of(data_type).is_some() {
            Self::Nested
        } else {
            Self::None // which the target then refuses
        }
    }

    /// What the vectors of the column hold.
    fn own(self, field: &Field) -> Field {
        let data_type = match self {
            Self::None => return field.clone(),
            Self::Nested => DataType::Utf8,
            Self::Span => DataType::Duration(TimeUnit::Microsecond),
        };
        field.clone().with_data_type(data_type)
    }

    /// *own*, which was looked through, as an array of *data_type*.
    pub(super) fn convert(self, own: ArrayRef, data_type: &DataType) -> ArrayRef {
        match self {
            Self::None => own,
            Self::Nested => nested(&own, data_type),
            Self::Span => span(&own, data_type),
        }
    }
}

fn is_zoned(field: &Field) -> bool {
    let told = field.metadata().get(TYPE_KEY).map(|name| name.trim().to_ascii_lowercase());
    match told {
        Some(name) => !name.starts_with("struct"),
        None => true,
    }
}

/// The conversion of each column, and the schema of what their vectors hold.
pub(super) fn conversions(schema: &SchemaRef) -> (Vec<Conversion>, SchemaRef) {
    let all: Vec<_> = schema.fields().iter().map(|field| Conversion::of(field)).collect();
    if all.iter().all(|conversion| *conversion == Conversion::None) {
        return (all, schema.clone());
    }
    let own = schema.fields().iter().zip(&all).map(|(field, conversion)| conversion.own(field));
    let own = Arc::new(Schema::new(own.collect::<Vec<_>>()));
    (all, own)
}

/// The first of *texts*, each the text of a row or `None` for a null, that is no value of
/// *data_type*.
pub(super) fn first_wrong<'a>(
    texts: impl Iterator<Item = Option<&'a [u8]>>,
    data_type: &DataType,
) -> Option<usize> {
    let mut builder = Builder::of(data_type)?;
    for (row, text) in texts.enumerate() {
        let read = match text {
            None => builder.push_null(),
            Some(text) => std::str::from_utf8(text).ok().and_then(|text| builder.read(text)),
        };
        if read.is_none() {
            return Some(row);
        }
    }
    None
}

fn nested(own: &ArrayRef, data_type: &DataType) -> ArrayRef {
    let texts = own.as_any().downcast_ref::<StringArray>().expect("nested values come as text");
    let mut builder = Builder::of(data_type).expect("the conversion was made for this type");
    for text in texts {
        let read = match text {
            None => builder.push_null(),
            Some(text) => builder.read(text),
        };
        read.expect("the text was looked through when it came");
    }
    builder.finish()
}

fn span(own: &ArrayRef, data_type: &DataType) -> ArrayRef {
    let spans: &PrimitiveArray<DurationMicrosecondType> =
        own.as_any().downcast_ref().expect("spans come as microseconds");
    let texts = spans.iter().map(|span| span.map(span_text));
    match data_type {
        DataType::Int64 => {
            Arc::new(Int64Array::new(spans.values().clone(), spans.nulls().cloned()))
        }
        DataType::LargeUtf8 => Arc::new(texts.collect::<LargeStringArray>()),
        DataType::Utf8View => Arc::new(texts.collect::<StringViewArray>()),
        _ => Arc::new(texts.collect::<StringArray>()),
    }
}
