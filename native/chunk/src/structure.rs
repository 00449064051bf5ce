//! The one walk over a chunk's bytes, in byte order, that checks its structure.

use crate::error::{DecodeError, ErrorKind};
use crate::limits::MAX_COLUMNS;
use crate::vector::{At, Member, Vector, MEMBERS};
use crate::wire::{be_i32, types, List, Reader, Span};

/// Nesting of the structs and lists that the schema knows; the chunk is 1, its vector list 2.
const VECTOR: usize = 3;
const DATA: usize = VECTOR + 1;
const MEMBER: usize = DATA + 1;

/// The fields of a chunk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) size: Option<At<i32>>,
    pub(crate) vectors: Option<List>,
    /// Offset of the chunk's STOP.
    pub(crate) stop: usize,
}

/// What is done on the way.
pub(crate) trait Visitor {
    /// The vectors begin; *chunk* has the fields seen so far, with `vectors` set.
    fn begin(&mut self, _chunk: &Chunk) -> Result<(), DecodeError> {
        Ok(())
    }

    /// The strings of plain member *number* begin. If they are read on the way, tells how far.
    fn strings(&mut self, _vector: &Vector, _number: usize, _list: &List) -> Option<Strings> {
        None
    }

    /// One vector has been walked.
    fn vector(&mut self, _index: usize, _vector: &Vector) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// Strings that a visitor has read: how many, the offset after them, their stride if they have one.
pub(crate) struct Strings {
    pub(crate) count: usize,
    pub(crate) end: usize,
    pub(crate) stride: usize,
}

/// Only checks.
pub(crate) struct CheckOnly;

impl Visitor for CheckOnly {}

/// Walk the whole chunk; the first error in byte order ends the walk.
pub(crate) fn walk(bytes: &[u8], visitor: &mut impl Visitor) -> Result<Chunk, DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut chunk = Chunk::default();
    let mut seen = Seen::default();
    while let Some(field) = reader.field()? {
        match (field.id, field.wire_type) {
            (1, types::I32) => {
                seen.once(1, field.at)?;
                chunk.size = Some(at_i32(&mut reader)?);
            }
            (2, types::LIST) => {
                seen.once(2, field.at)?;
                let list = reader.list_of(types::STRUCT, VECTOR - 1)?;
                chunk.vectors = Some(list);
                visitor.begin(&chunk)?;
                let mut vector = Vector::default();
                for index in 0..list.count {
                    walk_vector(&mut reader, &mut vector, visitor)?;
                    visitor.vector(index, &vector)?;
                }
            }
            (_, other) => reader.skip(other, 1)?,
        }
    }
    chunk.stop = reader.pos() - 1;
    if reader.remaining() > 0 {
        return Err(DecodeError::new(ErrorKind::TrailingBytes, reader.pos()));
    }
    Ok(chunk)
}

/// The chunk's size, and that it has vectors if it has rows, and not too many.
pub(crate) fn rows_of(shape: &Chunk) -> Result<usize, DecodeError> {
    let missing = DecodeError::new(ErrorKind::MissingField, shape.stop);
    let (size, size_at) = shape.size.ok_or(missing)?;
    let rows = usize::try_from(size).map_err(|_| DecodeError::new(ErrorKind::BadSize, size_at))?;
    if rows > 0 && shape.vectors.is_none() {
        return Err(missing);
    }
    match shape.vectors {
        Some(list) if list.count > MAX_COLUMNS => {
            Err(DecodeError::new(ErrorKind::LimitExceeded, list.count_at()))
        }
        _ => Ok(rows),
    }
}

/// Tell a chunk's size as sent; constant time if the size comes first, as engines write it.
///
/// Only then is the rest of the chunk not looked at.
pub fn peek_rows(chunk: &[u8]) -> Result<i32, DecodeError> {
    if chunk.len() >= 7 && chunk[..3] == [8, 0, 1] {
        return Ok(be_i32(chunk, 3));
    }
    let shape = walk(chunk, &mut CheckOnly)?;
    let missing = DecodeError::new(ErrorKind::MissingField, shape.stop);
    shape.size.map(|(size, _)| size).ok_or(missing)
}

/// Which fields of one struct have been met.
#[derive(Default)]
struct Seen(u32);

impl Seen {
    fn once(&mut self, number: usize, at: usize) -> Result<(), DecodeError> {
        if self.0 >> number & 1 == 1 {
            return Err(DecodeError::new(ErrorKind::DuplicateField, at));
        }
        self.0 |= 1 << number;
        Ok(())
    }
}

fn walk_vector(
    reader: &mut Reader<'_>,
    vector: &mut Vector,
    visitor: &mut impl Visitor,
) -> Result<(), DecodeError> {
    vector.clear();
    let mut seen = Seen::default();
    while let Some(field) = reader.field()? {
        let known = matches!(
            (field.id, field.wire_type),
            (1 | 2, types::I32)
                | (3, types::LIST)
                | (4, types::STRUCT)
                | (5, types::BOOL)
                | (6 | 7, types::STRING)
        );
        if !known {
            reader.skip(field.wire_type, VECTOR)?;
            continue;
        }
        seen.once(field.id as usize, field.at)?;
        match field.id {
            1 => vector.size = Some(at_i32(reader)?),
            2 => vector.vector_type = Some(at_i32(reader)?),
            3 => {
                let mut list = reader.list_of(types::BOOL, VECTOR + 1)?;
                reader.skip_elements(&mut list)?;
                vector.null_set = Some(list);
            }
            4 => walk_data(reader, vector, visitor)?,
            5 => vector.is_constant = strict_bool(reader)?.of(reader.bytes())[0] == 1,
            6 => vector.zone_offset = Some(reader.text()?),
            _ => {
                reader.text()?;
            }
        }
    }
    vector.stop = reader.pos() - 1;
    Ok(())
}

fn walk_data(
    reader: &mut Reader<'_>,
    vector: &mut Vector,
    visitor: &mut impl Visitor,
) -> Result<(), DecodeError> {
    let mut seen = Seen::default();
    while let Some(field) = reader.field()? {
        let number = field.id as usize;
        if field.wire_type != types::STRUCT || !(1..=MEMBERS).contains(&number) {
            reader.skip(field.wire_type, DATA)?;
            continue;
        }
        seen.once(number, field.at)?;
        let member = walk_member(reader, number, vector, visitor)?;
        vector.members[number] = member;
        vector.set_members |= 1 << number;
    }
    Ok(())
}

/// Wire type of field 1 and, for a list, of its elements.
const fn first_field(member: usize) -> (u8, u8) {
    match member {
        1 => (types::LIST, types::BOOL),
        2 => (types::LIST, types::I32),
        3 | 4 | 16 => (types::LIST, types::I64),
        5 | 6 => (types::LIST, types::DOUBLE),
        7 | 17 => (types::LIST, types::STRING),
        8 => (types::BOOL, 0),
        9 | 11 | 14 => (types::I64, 0),
        10 | 13 => (types::BYTE, 0),
        12 => (types::DOUBLE, 0),
        _ => (types::STRING, 0),
    }
}

/// Wire type of field 2; 0 if the member has none.
const fn second_field(member: usize) -> u8 {
    match member {
        14 => types::STRING,
        16 => types::LIST,
        17 | 18 => types::I32,
        _ => 0,
    }
}

fn walk_member(
    reader: &mut Reader<'_>,
    number: usize,
    vector: &Vector,
    visitor: &mut impl Visitor,
) -> Result<Member, DecodeError> {
    let mut member = Member::default();
    let mut seen = Seen::default();
    let (first, element) = first_field(number);
    while let Some(field) = reader.field()? {
        if field.id == 1 && field.wire_type == first {
            seen.once(1, field.at)?;
            match first {
                types::LIST => {
                    let mut list = reader.list_of(element, MEMBER + 1)?;
                    let read = (element == types::STRING)
                        .then(|| visitor.strings(vector, number, &list))
                        .flatten();
                    if let Some(read) = read {
                        reader.advance(read.end - reader.pos())?;
                        reader.skip_texts(list.count - read.count)?;
                        list.stride = read.stride;
                    } else {
                        reader.skip_elements(&mut list)?;
                    }
                    member.list = Some(list);
                }
                types::STRING => member.value = Some(reader.text()?),
                types::BOOL => member.value = Some(strict_bool(reader)?),
                types::BYTE => member.value = Some(span(reader, 1)?),
                _ => member.value = Some(span(reader, 8)?),
            }
        } else if field.id == 2 && field.wire_type == second_field(number) {
            seen.once(2, field.at)?;
            match field.wire_type {
                types::I32 => member.scale = Some(at_i32(reader)?),
                types::STRING => member.zone = Some(reader.text()?),
                _ => {
                    let mut list = reader.list_of(types::STRING, MEMBER + 1)?;
                    reader.skip_elements(&mut list)?;
                    member.zones = Some(list);
                }
            }
        } else {
            reader.skip(field.wire_type, MEMBER)?;
        }
    }
    member.stop = reader.pos() - 1;
    Ok(member)
}

fn at_i32(reader: &mut Reader<'_>) -> Result<At<i32>, DecodeError> {
    let at = reader.pos();
    Ok((reader.i32()?, at))
}

fn span(reader: &mut Reader<'_>, len: usize) -> Result<Span, DecodeError> {
    Ok(Span { start: reader.advance(len)?, len })
}

fn strict_bool(reader: &mut Reader<'_>) -> Result<Span, DecodeError> {
    let span = span(reader, 1)?;
    if span.of(reader.bytes())[0] > 1 {
        return Err(DecodeError::new(ErrorKind::BadBool, span.start));
    }
    Ok(span)
}
