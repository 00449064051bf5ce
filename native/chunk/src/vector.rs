//! What one vector of a chunk holds: places in the bytes, no values.

use std::ops::Range;

use crate::vector_type::Form;
use crate::wire::{List, Span};

/// A value together with the offset of its bytes.
pub(crate) type At<T> = (T, usize);

/// One set member of the `Data` union.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Member {
    /// Field 1 of a plain member.
    pub(crate) list: Option<List>,
    /// Field 1 of a constant member.
    pub(crate) value: Option<Span>,
    /// Field 2 of the decimal members.
    pub(crate) scale: Option<At<i32>>,
    /// Field 2 of `timeData`.
    pub(crate) zones: Option<List>,
    /// Field 2 of `timeConstantData`.
    pub(crate) zone: Option<Span>,
    /// Offset of the member's STOP.
    pub(crate) stop: usize,
}

/// Members of `Data` are numbered 1..=18.
pub(crate) const MEMBERS: usize = 18;

/// The fields of one vector; reused from vector to vector.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vector {
    pub(crate) size: Option<At<i32>>,
    pub(crate) vector_type: Option<At<i32>>,
    pub(crate) null_set: Option<List>,
    pub(crate) is_constant: bool,
    pub(crate) zone_offset: Option<Span>,
    /// Offset of the vector's STOP.
    pub(crate) stop: usize,
    /// Bit *n* is set if `members[n]` is.
    pub(super) set_members: u32,
    pub(super) members: [Member; MEMBERS + 1],
}

impl Vector {
    pub(super) fn clear(&mut self) {
        self.size = None;
        self.vector_type = None;
        self.null_set = None;
        self.is_constant = false;
        self.zone_offset = None;
        self.set_members = 0;
    }

    /// The member with this number, if the union has it.
    pub(crate) fn member(&self, number: usize) -> Option<&Member> {
        (self.set_members >> number & 1 == 1).then(|| &self.members[number])
    }

    /// The decimal scale that the selected member states.
    pub(crate) fn scale(&self) -> Option<At<i32>> {
        let (plain, constant) = members_of(Form::Decimal);
        self.member(if self.is_constant { constant } else { plain })?.scale
    }

    pub(crate) fn zone_range(&self) -> Option<Range<usize>> {
        self.zone_offset.map(|zone| zone.start..zone.start + zone.len)
    }
}

/// The plain and the constant member that values of this form stand in.
pub(crate) const fn members_of(form: Form) -> (usize, usize) {
    match form {
        Form::Boolean => (1, 8),
        Form::Int32 => (2, 11),
        Form::Int64 | Form::Span => (3, 11),
        Form::Date => (4, 9),
        Form::Float32 => (5, 12),
        Form::Float64 => (6, 12),
        Form::Text | Form::Bytes => (7, 15),
        Form::Moment | Form::Instant => (16, 14),
        Form::Decimal => (17, 18),
        Form::Null | Form::Unread => (10, 10),
    }
}
