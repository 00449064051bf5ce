//! Stepping over values of any type without recursion.

use super::reader::{be_i32, check_depth, List, Reader};
use super::types::{self, fixed_width, MAX_DEPTH};
use crate::error::{DecodeError, ErrorKind};

/// What is left of a struct or container that has been entered.
#[derive(Clone, Copy)]
enum Open {
    Struct,
    List {
        element: u8,
        left: usize,
    },
    /// `left` counts keys and values.
    Map {
        key: u8,
        value: u8,
        left: usize,
    },
}

impl Reader<'_> {
    /// Step over one value; *depth* is the nesting of the struct that holds it.
    pub(crate) fn skip(&mut self, wire_type: u8, depth: usize) -> Result<(), DecodeError> {
        let mut open = [Open::Struct; MAX_DEPTH];
        let mut height = 0;
        let mut next = Some(wire_type);
        loop {
            if let Some(wire_type) = next {
                if let Some(entered) = self.enter(wire_type, depth + height + 1)? {
                    // `enter` refuses depth 65, so the stack cannot be full.
                    open[height] = entered;
                    height += 1;
                }
            }
            let Some(top) = height.checked_sub(1) else { return Ok(()) };
            next = match &mut open[top] {
                Open::Struct => self.field()?.map(|field| field.wire_type),
                Open::List { left: 0, .. } | Open::Map { left: 0, .. } => None,
                Open::List { element, left } => {
                    *left -= 1;
                    Some(*element)
                }
                Open::Map { key, value, left } => {
                    *left -= 1;
                    Some(if *left % 2 == 1 { *key } else { *value })
                }
            };
            if next.is_none() {
                height -= 1;
            }
        }
    }

    /// Step over a leaf, or the header of what has parts; *depth* is that of the value itself.
    fn enter(&mut self, wire_type: u8, depth: usize) -> Result<Option<Open>, DecodeError> {
        match wire_type {
            types::STRING => {
                self.text()?;
                Ok(None)
            }
            types::STRUCT => {
                check_depth(depth, self.pos)?;
                Ok(Some(Open::Struct))
            }
            types::LIST | types::SET => {
                let (element, list) = self.list_header(depth)?;
                if list.stride > 0 {
                    self.advance(list.count * list.stride)?;
                    return Ok(None);
                }
                if element == types::STRING {
                    self.skip_texts(list.count)?;
                    return Ok(None);
                }
                Ok(Some(Open::List { element, left: list.count }))
            }
            types::MAP => {
                let (key, value, count) = self.map_header(depth)?;
                Ok(Some(Open::Map { key, value, left: count * 2 }))
            }
            _ => {
                let width = fixed_width(wire_type)
                    .ok_or(DecodeError::new(ErrorKind::BadWireType, self.pos))?;
                self.advance(width)?;
                Ok(None)
            }
        }
    }

    /// Step over the elements of a list that was just opened.
    pub(crate) fn skip_elements(&mut self, list: &mut List) -> Result<(), DecodeError> {
        if list.stride > 0 {
            self.advance(list.count * list.stride)?;
        } else {
            list.stride = self.skip_texts(list.count)?;
        }
        Ok(())
    }

    /// Step over *count* strings; tells their common stride, 0 if they differ.
    ///
    /// Equal lengths are tried first: each step then does not wait for the load of the length
    /// before.
    pub(crate) fn skip_texts(&mut self, count: usize) -> Result<usize, DecodeError> {
        let Some(rest) = self.bytes.get(self.pos..).filter(|rest| count > 0 && rest.len() >= 4)
        else {
            return self.chain_texts(count).map(|()| 0);
        };
        let stride = 4 + be_i32(rest, 0).max(0) as usize;
        let same = rest
            .chunks_exact(stride)
            .take(count)
            .take_while(|element| element[..4] == rest[..4])
            .count();
        if same == 0 || be_i32(rest, 0) < 0 {
            return self.chain_texts(count).map(|()| 0);
        }
        self.pos += same * stride;
        if same == count {
            return Ok(stride);
        }
        self.chain_texts(count - same).map(|()| 0)
    }

    fn chain_texts(&mut self, count: usize) -> Result<(), DecodeError> {
        for _ in 0..count {
            self.text()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(wire_type: u8, bytes: &[u8]) -> Result<usize, (ErrorKind, usize)> {
        let mut reader = Reader::new(bytes);
        reader.skip(wire_type, 1).map_err(|error| (error.kind, error.offset))?;
        Ok(reader.pos())
    }

    /// Every type is stepped over by its own width.
    #[test]
    fn widths() {
        let bytes = [0; 20];
        for (wire_type, width) in [(2, 1), (3, 1), (4, 8), (6, 2), (8, 4), (10, 8), (16, 16)] {
            assert_eq!(skip(wire_type, &bytes), Ok(width), "type {wire_type}");
        }
        assert_eq!(skip(types::STRUCT, &bytes), Ok(1));
        assert_eq!(skip(types::LIST, &bytes), Ok(5));
        assert_eq!(skip(types::MAP, &bytes), Ok(6));
        assert_eq!(skip(types::STRING, &bytes), Ok(4));
    }

    /// A map's entries alternate between key and value.
    #[test]
    fn map_of_text_to_struct() {
        let mut bytes = vec![11, 12, 0, 0, 0, 2];
        bytes.extend([0, 0, 0, 1, 65, 8, 0, 1, 0, 0, 0, 7, 0]);
        bytes.extend([0, 0, 0, 0, 0]);

        assert_eq!(skip(types::MAP, &bytes), Ok(bytes.len()));
    }

    /// Depth 64 is read, depth 65 refused at its first byte.
    #[test]
    fn depth() {
        let nested = |levels: usize| {
            let mut bytes = [12, 0, 1].repeat(levels - 1);
            bytes.extend(vec![0; levels]);
            bytes
        };

        assert_eq!(skip(types::STRUCT, &nested(63)), Ok(62 * 3 + 63));
        assert_eq!(skip(types::STRUCT, &nested(64)), Err((ErrorKind::TooDeep, 63 * 3)));
    }

    /// Strings of one length report their stride, others do not; both end at the same place.
    #[test]
    fn strides() {
        let same = [0, 0, 0, 1, 65, 0, 0, 0, 1, 66];
        let mixed = [0, 0, 0, 1, 65, 0, 0, 0, 0, 9];

        let mut reader = Reader::new(&same);
        assert_eq!((reader.skip_texts(2), reader.pos()), (Ok(5), 10));
        let mut reader = Reader::new(&mixed);
        assert_eq!((reader.skip_texts(2), reader.pos()), (Ok(0), 9));
        let mut reader = Reader::new(&same[..9]);
        assert_eq!(
            reader.skip_texts(2).map_err(|e| (e.kind, e.offset)),
            Err((ErrorKind::UnexpectedEnd, 9))
        );
    }
}
