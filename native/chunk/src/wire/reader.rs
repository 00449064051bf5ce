//! A cursor over Thrift-binary bytes that never reads past the end.

use super::types::{self, fixed_width, min_size, MAX_DEPTH};
use crate::error::{DecodeError, ErrorKind};

/// A run of bytes that has been checked to be inside the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl Span {
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..self.start + self.len]
    }
}

/// A list whose header has been checked; `start` is its first element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) start: usize,
    pub(crate) count: usize,
    /// Bytes from element to element if all have the same; 0 if they do not, or nobody looked.
    pub(crate) stride: usize,
}

impl List {
    /// Offset of the four count bytes.
    pub(crate) const fn count_at(&self) -> usize {
        self.start - 4
    }
}

/// A field header: where its type byte is, the type, the id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) at: usize,
    pub(crate) wire_type: u8,
    pub(crate) id: i16,
}

/// The four bytes at *at*, which the caller has checked to exist.
#[inline]
pub(crate) fn be_i32(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The eight bytes at *at*, which the caller has checked to exist.
#[inline]
pub(crate) fn be_i64(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) pos: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pos: 0 }
    }

    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) const fn pos(&self) -> usize {
        self.pos
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.bytes.len() - self.pos
    }

    /// Step over *len* bytes and tell where they began; `UnexpectedEnd` there if fewer remain.
    #[inline]
    pub(crate) fn advance(&mut self, len: usize) -> Result<usize, DecodeError> {
        let start = self.pos;
        if len > self.remaining() {
            return Err(DecodeError::new(ErrorKind::UnexpectedEnd, start));
        }
        self.pos += len;
        Ok(start)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        let at = self.advance(1)?;
        Ok(self.bytes[at])
    }

    #[inline]
    pub(crate) fn i32(&mut self) -> Result<i32, DecodeError> {
        let at = self.advance(4)?;
        Ok(be_i32(self.bytes, at))
    }

    /// A count or length: four bytes, not negative.
    #[inline]
    fn length(&mut self) -> Result<usize, DecodeError> {
        let at = self.pos;
        let length = self.i32()?;
        usize::try_from(length).map_err(|_| DecodeError::new(ErrorKind::BadLength, at))
    }

    /// A string's body.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<Span, DecodeError> {
        let len = self.length()?;
        Ok(Span { start: self.advance(len)?, len })
    }

    /// The next field header; `None` for STOP, whose offset is then `pos() - 1`.
    #[inline]
    pub(crate) fn field(&mut self) -> Result<Option<Field>, DecodeError> {
        let at = self.pos;
        let wire_type = self.u8()?;
        if wire_type == types::STOP {
            return Ok(None);
        }
        if min_size(wire_type).is_none() {
            return Err(DecodeError::new(ErrorKind::BadWireType, at));
        }
        let id_at = self.advance(2)?;
        let id = i16::from_be_bytes([self.bytes[id_at], self.bytes[id_at + 1]]);
        Ok(Some(Field { at, wire_type, id }))
    }

    /// A list or set header at nesting *depth*: element type and the checked, unread elements.
    pub(super) fn list_header(&mut self, depth: usize) -> Result<(u8, List), DecodeError> {
        self.header_of(depth, None)
    }

    /// The header of a known list: elements must be of type *element*.
    pub(crate) fn list_of(&mut self, element: u8, depth: usize) -> Result<List, DecodeError> {
        self.header_of(depth, Some(element)).map(|(_, list)| list)
    }

    fn header_of(&mut self, depth: usize, want: Option<u8>) -> Result<(u8, List), DecodeError> {
        let at = self.pos;
        check_depth(depth, at)?;
        let element = self.u8()?;
        let count = self.length()?;
        if count == 0 {
            return Ok((element, List { start: self.pos, count, stride: 0 }));
        }
        let min = min_size(element).ok_or(DecodeError::new(ErrorKind::BadWireType, at))?;
        if want.is_some_and(|want| want != element) {
            return Err(DecodeError::new(ErrorKind::WrongElementType, at));
        }
        if count.checked_mul(min).is_none_or(|need| need > self.remaining()) {
            return Err(DecodeError::new(ErrorKind::UnexpectedEnd, self.pos));
        }
        let stride = fixed_width(element).unwrap_or(0);
        Ok((element, List { start: self.pos, count, stride }))
    }

    /// A map header at nesting *depth*: key type, value type, count.
    pub(super) fn map_header(&mut self, depth: usize) -> Result<(u8, u8, usize), DecodeError> {
        let at = self.pos;
        check_depth(depth, at)?;
        let (key, value) = (self.u8()?, self.u8()?);
        let count = self.length()?;
        if count == 0 {
            return Ok((key, value, 0));
        }
        let bad = |at| DecodeError::new(ErrorKind::BadWireType, at);
        let key_min = min_size(key).ok_or(bad(at))?;
        let value_min = min_size(value).ok_or(bad(at + 1))?;
        if count.checked_mul(key_min + value_min).is_none_or(|need| need > self.remaining()) {
            return Err(DecodeError::new(ErrorKind::UnexpectedEnd, self.pos));
        }
        Ok((key, value, count))
    }
}

#[inline]
pub(super) fn check_depth(depth: usize, at: usize) -> Result<(), DecodeError> {
    if depth > MAX_DEPTH {
        return Err(DecodeError::new(ErrorKind::TooDeep, at));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(result: Result<impl std::fmt::Debug, DecodeError>) -> (ErrorKind, usize) {
        let error = result.expect_err("must fail");
        (error.kind, error.offset)
    }

    /// A primitive that is cut off is reported where it begins, and nothing is consumed.
    #[test]
    fn short_primitive() {
        let mut reader = Reader::new(&[0, 0, 0]);

        assert_eq!(kind(reader.i32()), (ErrorKind::UnexpectedEnd, 0));
        assert_eq!(reader.pos(), 0);
    }

    /// A negative length is bad at its own bytes, a long one ends at the body.
    #[test]
    fn text_lengths() {
        assert_eq!(kind(Reader::new(&[255; 9]).text()), (ErrorKind::BadLength, 0));
        assert_eq!(kind(Reader::new(&[0, 0, 0, 9, 65]).text()), (ErrorKind::UnexpectedEnd, 4));
    }

    /// A field's type is judged before its id is read.
    #[test]
    fn field_type_first() {
        assert_eq!(kind(Reader::new(&[9]).field()), (ErrorKind::BadWireType, 0));
        assert_eq!(kind(Reader::new(&[8, 0]).field()), (ErrorKind::UnexpectedEnd, 1));
    }

    /// A list is checked in the order count sign, element type, bytes left; empty lists carry any
    /// type.
    #[test]
    fn list_headers() {
        let read = |bytes: &[u8]| Reader::new(bytes).list_of(types::I64, 2);

        assert!(read(&[99, 0, 0, 0, 0]).is_ok());
        assert_eq!(kind(read(&[99, 255, 0, 0, 0])), (ErrorKind::BadLength, 1));
        assert_eq!(kind(read(&[99, 0, 0, 0, 1])), (ErrorKind::BadWireType, 0));
        assert_eq!(kind(read(&[8, 0, 0, 0, 1])), (ErrorKind::WrongElementType, 0));
        assert_eq!(kind(read(&[10, 127, 255, 255, 255, 0])), (ErrorKind::UnexpectedEnd, 5));
    }
}
