//! A chunk's shape, without its values.

use std::ops::Range;

use crate::decode::{bodies, own_scale};
use crate::error::{DecodeError, ErrorKind};
use crate::structure::{rows_of, walk, CheckOnly, Visitor};
use crate::vector::{members_of, Vector};
use crate::vector_type::{Form, VectorType};

/// What a vector's values prove about its column's type and decimal scale, the least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// There are no values: the scale 0 that nulls announce may be no more than a default.
    #[default]
    Nulls,
    /// Decimal text without an announced scale: later text may have more digits.
    Digits,
    /// Values of this type, and of this scale.
    Values,
}

/// What one vector says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VectorShape {
    /// The raw type number; [`VectorType::from_i32`] names it.
    pub vector_type: i32,
    /// The decimal scale, if the vector is DECIMAL128 and its data states one.
    pub scale: Option<i32>,
    /// The scale that the decimals have: as stated, or else 0 for integers and that of the text's
    /// own digits.
    pub found: Option<i32>,
    /// What type and scale rest on.
    pub evidence: Evidence,
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
    let rows = rows_of(&walk(chunk, &mut CheckOnly)?)?;
    let mut shapes = Shapes { chunk, rows, vectors: Vec::new() };
    walk(chunk, &mut shapes)?;
    Ok(ChunkShape { rows: shapes.rows, vectors: shapes.vectors })
}

struct Shapes<'a> {
    chunk: &'a [u8],
    rows: usize,
    vectors: Vec<VectorShape>,
}

impl Visitor for Shapes<'_> {
    fn vector(&mut self, index: usize, vector: &Vector) -> Result<(), DecodeError> {
        let missing = DecodeError::new(ErrorKind::MissingField, vector.stop).in_column(index);
        let (vector_type, _) = vector.vector_type.ok_or(missing)?;
        let (size, size_at) = vector.size.ok_or(missing)?;
        if usize::try_from(size) != Ok(self.rows) {
            return Err(DecodeError::new(ErrorKind::BadSize, size_at).in_column(index));
        }
        let is_decimal = vector_type == VectorType::Decimal128.number();
        let scale = vector.scale().filter(|_| is_decimal).map(|(scale, _)| scale);
        let (found, evidence) = if is_decimal {
            decimals(self.chunk, vector, self.rows, scale)
        } else if vector_type == VectorType::Null.number() {
            (None, Evidence::Nulls)
        } else {
            (None, Evidence::Values)
        };
        self.vectors.push(VectorShape {
            vector_type,
            scale,
            found,
            evidence,
            zone: vector.zone_range(),
        });
        Ok(())
    }
}

/// The scale of a decimal vector, and what it rests on. What is wrong is left to the decoder.
fn decimals(
    chunk: &[u8],
    vector: &Vector,
    rows: usize,
    announced: Option<i32>,
) -> (Option<i32>, Evidence) {
    let nulls = vector.null_set.unwrap_or_default();
    let read = nulls.count.min(if vector.is_constant { rows.min(1) } else { rows });
    let flags = &chunk[nulls.start..nulls.start + read];
    if let Some(scale) = announced {
        // Nobody announces another scale than 0 by default.
        let is_meant = scale != 0 || flags.contains(&0);
        return (announced, if is_meant { Evidence::Values } else { Evidence::Nulls });
    }
    let (plain, constant) = members_of(Form::Decimal);
    let member = vector.member(if vector.is_constant { constant } else { plain });
    let (list, value) = member.map_or((None, None), |member| (member.list, member.value));
    let listed = bodies(chunk, list.unwrap_or_default(), read);
    let spans = || listed.clone().chain(value).zip(flags).filter(|(_, &flag)| flag == 0);
    if spans().next().is_none() {
        (None, Evidence::Nulls)
    } else if spans().all(|(span, _)| span.len == 16) {
        (Some(0), Evidence::Values)
    } else {
        (Some(own_scale(spans().map(|(span, _)| span.of(chunk)))), Evidence::Digits)
    }
}
