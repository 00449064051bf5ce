//! Thrift-binary output.

use crate::error::EncodeErrorKind;
use crate::wire::types;

/// A chunk being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
}

impl Writer {
    pub(super) fn field(&mut self, wire_type: u8, id: u8) {
        self.out.extend([wire_type, 0, id]);
    }

    pub(super) fn stop(&mut self) {
        self.out.push(types::STOP);
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.out.extend(value.to_be_bytes());
    }

    pub(super) fn i32_field(&mut self, id: u8, value: i32) {
        self.field(types::I32, id);
        self.i32(value);
    }

    /// A list's element type and count.
    pub(super) fn list(&mut self, element: u8, count: usize) -> Result<(), EncodeErrorKind> {
        self.out.push(element);
        self.length(count)
    }

    fn length(&mut self, length: usize) -> Result<(), EncodeErrorKind> {
        self.i32(i32::try_from(length).map_err(|_| EncodeErrorKind::TooLarge)?);
        Ok(())
    }

    /// A string's length and body.
    pub(super) fn text(&mut self, text: &[u8]) -> Result<(), EncodeErrorKind> {
        self.length(text.len())?;
        self.out.extend_from_slice(text);
        Ok(())
    }

    /// Values of *W* bytes each.
    pub(super) fn fixed<const W: usize>(&mut self, values: impl ExactSizeIterator<Item = [u8; W]>) {
        let start = self.out.len();
        self.out.resize(start + values.len() * W, 0);
        let (slots, _) = self.out[start..].as_chunks_mut::<W>();
        for (slot, value) in slots.iter_mut().zip(values) {
            *slot = value;
        }
    }
}
