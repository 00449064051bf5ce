//! A chunk's shape, without its values.

use std::ops::Range;

use crate::decode::rows_of;
use crate::error::{DecodeError, ErrorKind};
use crate::structure::{walk, CheckOnly, Visitor};
use crate::vector::Vector;
use crate::vector_type::VectorType;
use crate::wire::be_i32;

/// What one vector says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VectorShape {
    /// The raw type number; [`VectorType::from_i32`] names it.
    pub vector_type: i32,
    /// The decimal scale, if the vector is DECIMAL128 and its data states one.
    pub scale: Option<i32>,
    /// Where the vector's `zoneOffset` text is, if sent; not checked to be UTF-8.
    pub zone: Option<Range<usize>>,
}

/// A chunk's rows and vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkShape {
    /// Rows.
    pub rows: usize,
    /// One entry a vector.
    pub vectors: Vec<VectorShape>,
}

/// Walk the whole structure of a chunk and tell its shape; decodes no value.
pub fn probe(chunk: &[u8]) -> Result<ChunkShape, DecodeError> {
    let mut shapes = Shapes { rows: rows_of(&walk(chunk, &mut CheckOnly)?)?, vectors: Vec::new() };
    walk(chunk, &mut shapes)?;
    Ok(ChunkShape { rows: shapes.rows, vectors: shapes.vectors })
}

struct Shapes {
    rows: usize,
    vectors: Vec<VectorShape>,
}

impl Visitor for Shapes {
    fn vector(&mut self, index: usize, vector: &Vector) -> Result<(), DecodeError> {
        let missing = DecodeError::new(ErrorKind::MissingField, vector.stop).in_column(index);
        let (vector_type, _) = vector.vector_type.ok_or(missing)?;
        let (size, size_at) = vector.size.ok_or(missing)?;
        if usize::try_from(size) != Ok(self.rows) {
            return Err(DecodeError::new(ErrorKind::BadSize, size_at).in_column(index));
        }
        let is_decimal = vector_type == VectorType::Decimal128.number();
        self.vectors.push(VectorShape {
            vector_type,
            scale: vector.scale().filter(|_| is_decimal).map(|(scale, _)| scale),
            zone: vector.zone_range(),
        });
        Ok(())
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
