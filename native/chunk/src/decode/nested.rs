//! Arrays, maps and structs out of the engine's text, where that has one meaning only.
//!
//! Only values whose text holds no delimiter are read: numbers, truth values, dates and timestamps.
//! The text of strings has no known escapes, so a type with one inside is never asked for.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, PrimitiveBuilder};
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{ArrayRef, ListArray, MapArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, FieldRef, Fields, TimeUnit};

use super::scalars;

/// Values of one type on their way into an array.
#[derive(Debug)]
pub(super) enum Builder {
    Boolean(BooleanBuilder),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    Float32(PrimitiveBuilder<Float32Type>),
    Float64(PrimitiveBuilder<Float64Type>),
    Date(PrimitiveBuilder<Date32Type>),
    Timestamp(PrimitiveBuilder<TimestampMicrosecondType>, bool),
    Decimal(PrimitiveBuilder<Decimal128Type>, u8, i8),
    List(FieldRef, Rows, Box<Builder>),
    Map(FieldRef, Rows, Box<[Builder; 2]>),
    Struct(Fields, Vec<bool>, Vec<Builder>),
}

/// Where the values of each row end, and which rows are there.
#[derive(Debug)]
pub(super) struct Rows {
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl Rows {
    fn new() -> Self {
        Self { ends: vec![0], valid: Vec::new() }
    }

    fn push(&mut self, values: usize, valid: bool) -> Option<()> {
        let last = *self.ends.last()?;
        self.ends.push(last.checked_add(i32::try_from(values).ok()?)?);
        self.valid.push(valid);
        Some(())
    }

    fn finish(self) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        (OffsetBuffer::new(ScalarBuffer::from(self.ends)), nulls(self.valid))
    }
}

fn nulls(valid: Vec<bool>) -> Option<NullBuffer> {
    Some(NullBuffer::from(valid)).filter(|nulls| nulls.null_count() > 0)
}

impl Builder {
    /// The builder of a type that is read from text; `None` for any other.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int32 => Self::Int32(PrimitiveBuilder::new()),
            DataType::Int64 => Self::Int64(PrimitiveBuilder::new()),
            DataType::Float32 => Self::Float32(PrimitiveBuilder::new()),
            DataType::Float64 => Self::Float64(PrimitiveBuilder::new()),
            DataType::Date32 => Self::Date(PrimitiveBuilder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let builder = PrimitiveBuilder::new().with_data_type(data_type.clone());
                Self::Timestamp(builder, zone.is_some())
            }
            DataType::Decimal128(precision, scale) => {
                let builder = PrimitiveBuilder::new().with_data_type(data_type.clone());
                Self::Decimal(builder, *precision, *scale)
            }
            DataType::List(item) => {
                let inner = Box::new(Self::of(item.data_type())?);
                Self::List(item.clone(), Rows::new(), inner)
            }
            DataType::Map(entries, false) => {
                let DataType::Struct(fields) = entries.data_type() else { return None };
                let [key, value] = &fields[..] else { return None };
                let inner = [Self::of(key.data_type())?, Self::of(value.data_type())?];
                Self::Map(entries.clone(), Rows::new(), Box::new(inner))
            }
            DataType::Struct(fields) => {
                let inner = fields.iter().map(|field| Self::of(field.data_type()));
                Self::Struct(fields.clone(), Vec::new(), inner.collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    /// Append the value that is the whole of *text*; on `None` the builder is of no more use.
    pub(super) fn read(&mut self, text: &str) -> Option<()> {
        let mut cursor = Cursor { rest: text };
        self.value(&mut cursor)?;
        cursor.skip();
        cursor.rest.is_empty().then_some(())
    }

    pub(super) fn push_null(&mut self) -> Option<()> {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::Int32(builder) => builder.append_null(),
            Self::Int64(builder) => builder.append_null(),
            Self::Float32(builder) => builder.append_null(),
            Self::Float64(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Timestamp(builder, _) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::List(_, rows, _) | Self::Map(_, rows, _) => rows.push(0, false)?,
            Self::Struct(_, valid, inner) => {
                valid.push(false);
                inner.iter_mut().try_for_each(Self::push_null)?;
            }
        }
        Some(())
    }

    pub(super) fn finish(self) -> ArrayRef {
        match self {
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Int32(mut builder) => Arc::new(builder.finish()),
            Self::Int64(mut builder) => Arc::new(builder.finish()),
            Self::Float32(mut builder) => Arc::new(builder.finish()),
            Self::Float64(mut builder) => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::Timestamp(mut builder, _) => Arc::new(builder.finish()),
            Self::Decimal(mut builder, ..) => Arc::new(builder.finish()),
            Self::List(item, rows, inner) => {
                let (offsets, nulls) = rows.finish();
                Arc::new(ListArray::new(item, offsets, inner.finish(), nulls))
            }
            Self::Map(entries, rows, inner) => {
                let (offsets, nulls) = rows.finish();
                let DataType::Struct(fields) = entries.data_type() else {
                    unreachable!("the builder was made from a struct of keys and values")
                };
                let arrays = inner.into_iter().map(Self::finish).collect();
                let pairs = StructArray::new(fields.clone(), arrays, None);
                Arc::new(MapArray::new(entries, offsets, pairs, nulls, false))
            }
            Self::Struct(fields, valid, inner) => {
                let rows = valid.len();
                let arrays: Vec<ArrayRef> = inner.into_iter().map(Self::finish).collect();
                if arrays.is_empty() {
                    return Arc::new(StructArray::new_empty_fields(rows, nulls(valid)));
                }
                Arc::new(StructArray::new(fields, arrays, nulls(valid)))
            }
        }
    }

    /// Append the value at the cursor, or a null.
    fn value(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        match self {
            Self::List(_, rows, inner) if cursor.take('[') => {
                let count = cursor.items(']', |cursor| inner.value(cursor))?;
                rows.push(count, true)
            }
            Self::Map(_, rows, inner) if cursor.take('{') => {
                let [key, value] = inner.as_mut();
                let count = cursor.items('}', |cursor| {
                    key.key(cursor)?;
                    cursor.separator()?;
                    value.value(cursor)
                })?;
                rows.push(count, true)
            }
            Self::Struct(fields, valid, inner) if cursor.take('{') => {
                let mut pairs = fields.iter().zip(inner.iter_mut());
                let count = cursor.items('}', |cursor| {
                    let (field, inner) = pairs.next()?;
                    let name = cursor.token(&[':', '='])?;
                    if !name.text.eq_ignore_ascii_case(field.name()) {
                        return None;
                    }
                    cursor.separator()?;
                    inner.value(cursor)
                })?;
                valid.push(true);
                (count == fields.len()).then_some(())
            }
            _ => {
                let token = cursor.token(&[])?;
                if token.is_null() {
                    self.push_null()
                } else {
                    self.scalar(token.text)
                }
            }
        }
    }

    /// Append a map's key, which is never null; the `:` of a timestamp is none between key and
    /// value.
    fn key(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let between: &[char] =
            if matches!(self, Self::Timestamp(..)) { &['='] } else { &['=', ':'] };
        let token = cursor.token(between)?;
        if token.is_null() {
            return None;
        }
        self.scalar(token.text)
    }

    fn scalar(&mut self, text: &str) -> Option<()> {
        match self {
            Self::Boolean(builder) => builder.append_value(scalars::boolean(text)?),
            Self::Int32(builder) => builder.append_value(scalars::integer(text)?),
            Self::Int64(builder) => builder.append_value(scalars::integer(text)?),
            Self::Float32(builder) => builder.append_value(scalars::float(text)?),
            Self::Float64(builder) => builder.append_value(scalars::float(text)?),
            Self::Date(builder) => builder.append_value(scalars::date(text)?),
            Self::Timestamp(builder, zoned) => {
                builder.append_value(scalars::timestamp(text, *zoned)?);
            }
            Self::Decimal(builder, precision, scale) => {
                builder.append_value(scalars::decimal(text, *precision, *scale)?);
            }
            Self::List(..) | Self::Map(..) | Self::Struct(..) => return None,
        }
        Some(())
    }
}

/// What is left of a text.
struct Cursor<'a> {
    rest: &'a str,
}

/// A value without structure.
struct Token<'a> {
    text: &'a str,
    is_quoted: bool,
}

impl Token<'_> {
    fn is_null(&self) -> bool {
        !self.is_quoted && self.text.eq_ignore_ascii_case("null")
    }
}

impl<'a> Cursor<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, sign: char) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn separator(&mut self) -> Option<()> {
        (self.take('=') || self.take(':')).then_some(())
    }

    /// Read items between commas up to *end*; tells how many there are.
    fn items(&mut self, end: char, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<usize> {
        if self.take(end) {
            return Some(0);
        }
        let mut count = 0;
        loop {
            item(self)?;
            count += 1;
            if self.take(end) {
                return Some(count);
            }
            self.take(',').then_some(())?;
        }
    }

    /// Read what is in quotes, or what stands before a delimiter, *more* among them.
    fn token(&mut self, more: &[char]) -> Option<Token<'a>> {
        self.skip();
        let quote = self.rest.chars().next().filter(|first| matches!(first, '\'' | '"'));
        if let Some(quote) = quote {
            let (text, rest) = self.rest[1..].split_once(quote)?;
            self.rest = rest;
            return Some(Token { text, is_quoted: true });
        }
        let is_end =
            |sign: char| matches!(sign, ',' | ']' | '}' | '[' | '{') || more.contains(&sign);
        let end = self.rest.find(is_end).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(Token { text: text.trim_end(), is_quoted: false })
            .filter(|token| !token.text.is_empty())
    }
}
