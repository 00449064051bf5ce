//! Type ids of the binary protocol, and the sizes of their values.

pub(crate) const STOP: u8 = 0;
pub(crate) const BOOL: u8 = 2;
pub(crate) const BYTE: u8 = 3;
pub(crate) const DOUBLE: u8 = 4;
pub(crate) const I16: u8 = 6;
pub(crate) const I32: u8 = 8;
pub(crate) const I64: u8 = 10;
pub(crate) const STRING: u8 = 11;
pub(crate) const STRUCT: u8 = 12;
pub(crate) const MAP: u8 = 13;
pub(crate) const SET: u8 = 14;
pub(crate) const LIST: u8 = 15;
pub(crate) const UUID: u8 = 16;

/// Structs and containers may nest this deep; the chunk itself is depth 1.
pub(crate) const MAX_DEPTH: usize = 64;

/// Bytes of every value of a fixed-width type; `None` for the others.
pub(crate) const fn fixed_width(wire_type: u8) -> Option<usize> {
    Some(match wire_type {
        BOOL | BYTE => 1,
        I16 => 2,
        I32 => 4,
        I64 | DOUBLE => 8,
        UUID => 16,
        _ => return None,
    })
}

/// Fewest bytes a value of this type can have; `None` if the id is not a type.
pub(crate) const fn min_size(wire_type: u8) -> Option<usize> {
    Some(match wire_type {
        STRING => 4,
        STRUCT => 1,
        LIST | SET => 5,
        MAP => 6,
        _ => return fixed_width(wire_type),
    })
}
