//! Text and bytes: offsets and one run of bytes, built straight from the wire.
#![allow(unsafe_code)]

use std::panic::RefUnwindSafe;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryViewArray, GenericBinaryArray, GenericStringArray, OffsetSizeTrait,
    StringViewArray,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::copy::{copy_short, Copied, STEP};
use super::kernels::{self, VIEW};
use super::recycle::Recycled;

/// Rows copied before their bytes are looked at again, while they are in the nearest cache.
const BLOCK: usize = 256;

/// A text column: row *i* is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Debug)]
pub(super) struct Text<O> {
    offsets: Recycled<O>,
    bytes: Recycled<u8>,
    /// The first rows as views, if the column is to be views.
    views: Recycled<u128>,
    is_view: bool,
    /// Whether all views have their whole value inside.
    is_inline: bool,
    /// Bytes a row in the last batch, in 1/16.
    density: usize,
    /// Bytes of the last batch.
    last: usize,
}

impl<O: OffsetSizeTrait + RefUnwindSafe> Default for Text<O> {
    fn default() -> Self {
        let mut text = Self {
            offsets: Recycled::default(),
            bytes: Recycled::default(),
            views: Recycled::default(),
            is_view: false,
            is_inline: true,
            density: 0,
            last: 0,
        };
        text.offsets.push(O::usize_as(0));
        text
    }
}

/// Why values could not be appended in one go; the column then needs truncating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The list does not have the structure it should have.
    Structure,
    /// Some value is not UTF-8.
    Utf8,
}

impl<O: OffsetSizeTrait + RefUnwindSafe> Text<O> {
    pub(super) fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether *more* bytes keep the offsets representable.
    pub(super) fn fits(&self, more: usize) -> bool {
        self.bytes.len().saturating_add(more) <= O::MAX_OFFSET
    }

    /// Begin anew, for about *rows* rows, in memory that is back.
    pub(super) fn reuse(&mut self, rows: usize) {
        self.offsets.reuse(rows.saturating_add(1));
        self.bytes.reuse(self.guess(rows).saturating_add(STEP));
        if self.is_view {
            self.views.reuse(rows);
        }
    }

    pub(super) fn reserve(&mut self, rows: usize) {
        self.offsets.reserve(rows);
        if self.is_view {
            let more = (self.rows() + rows).saturating_sub(self.views.len());
            self.views.reserve(more);
        }
        if self.bytes.is_empty() && self.density > 0 {
            let guess = self.guess(rows);
            self.bytes.reserve(guess + guess / 16 + STEP);
        }
    }

    /// Bytes of *rows* rows like those of the last batch, but not of many times its size: one long
    /// value says little about the next thousands.
    fn guess(&self, rows: usize) -> usize {
        let most = self.last.saturating_mul(4).max(1 << 20);
        (rows.saturating_mul(self.density) / 16).min(most)
    }

    /// The bytes of a row.
    pub(super) fn value(&self, row: usize) -> &[u8] {
        &self.bytes[self.offsets[row].as_usize()..self.offsets[row + 1].as_usize()]
    }

    /// Append *count* empty rows.
    pub(super) fn pad(&mut self, count: usize) {
        let last = O::usize_as(self.bytes.len());
        self.offsets.pad(count, last);
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        if rows < self.rows() {
            self.offsets.truncate(rows + 1);
            self.views.truncate(rows);
        }
        let bytes = self.offsets[self.rows()].as_usize();
        self.bytes.truncate(bytes);
    }

    /// Append *value* for *count* rows.
    pub(super) fn repeat(&mut self, value: &[u8], count: usize) {
        let start = self.bytes.len();
        let total = value.len() * count;
        self.bytes.reserve(total);
        if total > 0 {
            self.bytes.extend_from_slice(value);
            while self.bytes.len() < start + total {
                let have = self.bytes.len() - start;
                let more = have.min(total - have);
                self.bytes.extend_from_within(start..start + more);
            }
        }
        self.offsets.extend((1..=count).map(|row| O::usize_as(start + row * value.len())));
    }

    /// Append the first *rows* strings of the list at *start*; rows that *flags* marks are empty.
    ///
    /// The structure is checked on the way, and UTF-8 if *utf8*. The caller has made sure that all
    /// bytes from *start* on fit the offsets. Returns the offset after the last string read.
    pub(super) fn extend(
        &mut self,
        chunk: &[u8],
        start: usize,
        rows: usize,
        flags: Option<&[u8]>,
        utf8: bool,
    ) -> Result<usize, Fault> {
        let (first_row, first_byte) = (self.rows(), self.bytes.len());
        let (mut pos, mut is_ascii) = (start, true);
        for row in (0..rows).step_by(BLOCK) {
            let from = self.bytes.len();
            let block = row..rows.min(row + BLOCK);
            let flags = flags.map(|flags| &flags[block.clone()]);
            pos = self.copy(chunk, pos, block.len(), rows - row, flags)?;
            is_ascii = is_ascii && kernels::any(&self.bytes[from..]) < 0x80;
            if self.is_view {
                self.view();
            }
        }
        if utf8 && !is_ascii && !self.is_utf8_from(first_row, first_byte) {
            return Err(Fault::Utf8);
        }
        Ok(pos)
    }

    /// Copy *rows* values and write their offsets; tells the offset after the last string read.
    ///
    /// *left* rows, at least *rows*, are still to come: what to grow for.
    fn copy(
        &mut self,
        chunk: &[u8],
        start: usize,
        rows: usize,
        left: usize,
        flags: Option<&[u8]>,
    ) -> Result<usize, Fault> {
        let first = self.offsets.len();
        self.offsets.resize(first + rows, O::usize_as(0));
        let (mut pos, mut row) = (start, 0);
        loop {
            let offsets = &mut self.offsets[first + row..];
            let flags = flags.map(|flags| &flags[row..]);
            let rest = chunk.get(pos..).ok_or(Fault::Structure)?;
            // While no row before is without its view, views are made on the way.
            let viewed = self.views.len();
            let has_views = self.is_view && viewed + 1 == first + row;
            self.views.resize(viewed + if has_views { offsets.len() } else { 0 }, 0);
            let views = &mut self.views[viewed..];
            let done = copy_short(&mut self.bytes, offsets, views, rest, flags);
            let Copied { values: copied, used, is_inline } = done;
            if has_views {
                self.views.truncate(viewed + copied);
                self.is_inline &= is_inline;
            }
            row += copied;
            pos += used;
            if row == rows {
                return Ok(pos);
            }
            // One value that is long, or at the end of the input or of the capacity.
            let rest = &rest[used..];
            let len = rest.first_chunk().map(|len| i32::from_be_bytes(*len));
            let len = usize::try_from(len.ok_or(Fault::Structure)?);
            let len = len.map_err(|_| Fault::Structure)?;
            let value = rest[4..].get(..len).ok_or(Fault::Structure)?;
            if flags.is_none_or(|flags| flags[copied] == 0) {
                self.grow(len, left - row, first + row, rest.len());
                self.bytes.extend_from_slice(value);
            }
            self.offsets[first + row] = O::usize_as(self.bytes.len());
            pos += 4 + len;
            row += 1;
        }
    }

    /// Make room for a value of *len* bytes, and if there is none, for the *left* rows like the
    /// *rows* before.
    fn grow(&mut self, len: usize, left: usize, rows: usize, most: usize) {
        if self.bytes.capacity() - self.bytes.len() < len + STEP {
            let density = if rows < 16 { 16 } else { self.bytes.len() / rows + 1 };
            let guess = left.saturating_mul(density) / 8 * 9;
            self.bytes.reserve(len + STEP + guess.min(most));
        }
    }

    /// Make the views of the rows that have none.
    fn view(&mut self) {
        let len = self.bytes.len();
        self.bytes.extend_from_slice(&[0; VIEW]); // so that each row has as many bytes to read
        let offsets = &self.offsets[self.views.len()..];
        self.is_inline &= kernels::views(offsets, &self.bytes, &mut self.views);
        self.bytes.truncate(len);
    }

    /// Whether each value from row *row*, byte *byte* on is UTF-8 by itself.
    fn is_utf8_from(&self, row: usize, byte: usize) -> bool {
        // Valid as a whole, and cut only between characters: then each piece is valid.
        let is_inside =
            |offset: &O| self.bytes.get(offset.as_usize()).is_some_and(|byte| byte & 0xc0 == 0x80);
        simdutf8::basic::from_utf8(&self.bytes[byte..]).is_ok()
            && !self.offsets[row..].iter().any(is_inside)
    }

    fn note_density(&mut self) {
        self.last = self.bytes.len();
        self.density = (self.bytes.len() * 16).div_ceil(self.rows().max(1));
    }

    fn take(&mut self) -> (OffsetBuffer<O>, Buffer) {
        self.note_density();
        let bytes = self.bytes.finish();
        let offsets = ScalarBuffer::from(self.offsets.finish());
        self.offsets.push(O::usize_as(0));
        // SAFETY: offsets start at 0, and every row appends the length of `bytes` at that time,
        // which only `truncate` lowers, and that drops the offsets above it; `fits` keeps them
        // representable.
        (unsafe { OffsetBuffer::new_unchecked(offsets) }, bytes)
    }

    fn string_array(&mut self, nulls: Option<NullBuffer>) -> GenericStringArray<O> {
        let (offsets, bytes) = self.take();
        // SAFETY: offsets are in order and inside `bytes` (see `take`); a column with a text target
        // is filled only by `extend` with `utf8` set, by `repeat` of a checked value, and by `pad`.
        unsafe { GenericStringArray::new_unchecked(offsets, bytes, nulls) }
    }

    fn binary_array(&mut self, nulls: Option<NullBuffer>) -> GenericBinaryArray<O> {
        let (offsets, bytes) = self.take();
        // SAFETY: offsets are in order and inside `bytes` (see `take`).
        unsafe { GenericBinaryArray::new_unchecked(offsets, bytes, nulls) }
    }

    pub(super) fn finish_text(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        Arc::new(self.string_array(nulls))
    }

    pub(super) fn finish_binary(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        Arc::new(self.binary_array(nulls))
    }
}

impl Text<i32> {
    /// Text whose rows become views.
    pub(super) fn of_views() -> Self {
        Self { is_view: true, ..Self::default() }
    }

    /// Each row as a view into at most one buffer, which is the column's bytes as they are.
    fn take_views(&mut self) -> (ScalarBuffer<u128>, Vec<Buffer>) {
        self.note_density();
        self.view();
        self.offsets.truncate(1);
        let buffers = if std::mem::replace(&mut self.is_inline, true) {
            self.bytes.clear();
            Vec::new()
        } else {
            vec![self.bytes.finish()]
        };
        (ScalarBuffer::from(self.views.finish()), buffers)
    }

    pub(super) fn finish_text_view(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let (views, buffers) = self.take_views();
        // SAFETY: offsets are in order and inside `bytes`, so views are; as in `string_array`, each
        // row is UTF-8.
        Arc::new(unsafe { StringViewArray::new_unchecked(views, buffers.into(), nulls) })
    }

    pub(super) fn finish_binary_view(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let (views, buffers) = self.take_views();
        // SAFETY: offsets are in order and inside `bytes`, so views are.
        Arc::new(unsafe { BinaryViewArray::new_unchecked(views, buffers.into(), nulls) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Array, LargeStringArray, StringArray};

    fn wire(values: &[&[u8]]) -> Vec<u8> {
        let mut wire = Vec::new();
        for value in values {
            wire.extend((value.len() as u32).to_be_bytes());
            wire.extend_from_slice(value);
        }
        wire
    }

    /// Values of every length around the copy step arrive whole, null rows empty.
    #[test]
    fn lengths() {
        let values: Vec<String> = (0..200).map(|len| "x".repeat(len * 7 % 150)).collect();
        let wire = wire(&values.iter().map(String::as_bytes).collect::<Vec<_>>());
        let flags: Vec<u8> = (0..200u8).map(|row| u8::from(row % 5 == 0)).collect();

        let mut text = Text::<i64>::default();
        assert_eq!(text.extend(&wire, 0, 200, None, true), Ok(wire.len()));
        assert_eq!(text.extend(&wire, 0, 200, Some(&flags), true), Ok(wire.len()));

        let array = text.finish_text(None);
        let array = array.as_any().downcast_ref::<LargeStringArray>().expect("large");
        for (row, value) in values.iter().enumerate() {
            assert_eq!(array.value(row), value);
            assert_eq!(array.value(200 + row), if row % 5 == 0 { "" } else { value });
        }
    }

    /// Views show what the offsets show, whether made while copying or afterwards.
    #[test]
    fn views() {
        let short = |row: usize| "abcdefghijklmnop".repeat(5)[..row * 11 % 65].to_owned();
        let equal = |_: usize| "twelve bytes".to_owned();
        let mixed = |row: usize| "z".repeat(if row.is_multiple_of(37) { 200 } else { row % 15 });
        for make in [&short as &dyn Fn(usize) -> String, &equal, &mixed] {
            let values: Vec<String> = (0..1000).map(make).collect();
            let wire = wire(&values.iter().map(String::as_bytes).collect::<Vec<_>>());
            let flags: Vec<u8> = (0..1000).map(|row| u8::from(row % 7 == 3)).collect();
            let mut text = Text::<i32>::of_views();
            for _ in 0..2 {
                assert_eq!(text.extend(&wire, 0, 1000, None, true), Ok(wire.len()));
                text.pad(3);
                assert_eq!(text.extend(&wire, 0, 1000, Some(&flags), true), Ok(wire.len()));
                text.repeat(b"more than twelve", 2);
                assert_eq!(text.extend(&wire[..wire.len() - 1], 0, 1000, None, true), {
                    Err(Fault::Structure)
                });
                text.truncate(2005);

                let array = text.finish_text_view(None);
                let array = array.as_any().downcast_ref::<StringViewArray>().expect("views");
                array.to_data().validate_full().expect("valid views");
                let kept = values.iter().map(String::as_str);
                let nulled = kept.clone().enumerate();
                let nulled = nulled.map(|(row, value)| if row % 7 == 3 { "" } else { value });
                let wanted =
                    kept.clone().chain([""; 3]).chain(nulled).chain(["more than twelve"; 2]);
                assert!(array.iter().map(Option::unwrap).eq(wanted));
            }
        }
    }

    /// A character split over two values is refused although the whole run is valid.
    #[test]
    fn split_character() {
        let wire = wire(&[b"a\xc3", b"\xa9b"]);

        let mut text = Text::<i32>::default();
        assert_eq!(text.extend(&wire, 0, 2, None, true), Err(Fault::Utf8));
        text.truncate(0);
        assert_eq!(text.bytes(), 0);
        assert_eq!(text.extend(&wire, 0, 2, None, false), Ok(wire.len()));
    }

    /// Cut input is refused at every length.
    #[test]
    fn cut() {
        let wire = wire(&[b"abc", b"", b"defghijk"]);
        for len in 0..wire.len() {
            let mut text = Text::<i32>::default();
            assert_eq!(text.extend(&wire[..len], 0, 3, None, true), Err(Fault::Structure));
            text.truncate(0);
            assert_eq!((text.rows(), text.bytes()), (0, 0));
        }
    }

    /// A repeated value fills every row.
    #[test]
    fn repeated() {
        let mut text = Text::<i32>::default();
        text.repeat(b"abc", 7);
        text.repeat(b"", 2);
        let array = text.finish_text(None);
        let array = array.as_any().downcast_ref::<StringArray>().expect("utf8");

        assert_eq!(array.len(), 9);
        assert!(array.iter().take(7).all(|value| value == Some("abc")));
        assert_eq!(array.value(8), "");
    }
}
