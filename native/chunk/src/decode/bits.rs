//! Bitmaps that grow: boolean values, and validity that exists only once a null does.

use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};

use super::kernels;

/// A bitmap, least significant bit first.
#[derive(Debug, Default)]
pub(super) struct Bits {
    /// `len.div_ceil(8)` bytes; bits beyond `len` are zero.
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, row: usize) -> bool {
        self.bytes[row / 8] >> (row % 8) & 1 == 1
    }

    pub(super) fn reserve(&mut self, bits: usize) {
        let need = (self.len + bits).div_ceil(8);
        self.bytes.reserve(need - self.bytes.len());
    }

    fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if bit {
            self.bytes[self.len / 8] |= 1 << (self.len % 8);
        }
        self.len += 1;
    }

    /// Append *count* equal bits.
    pub(super) fn repeat(&mut self, bit: bool, count: usize) {
        let head = count.min(self.len.wrapping_neg() % 8);
        (0..head).for_each(|_| self.push(bit));
        let rest = count - head;
        if rest == 0 {
            return;
        }
        self.bytes.resize(self.bytes.len() + rest.div_ceil(8), if bit { 0xff } else { 0 });
        self.len += rest;
        self.clear_tail();
    }

    /// Append one bit a byte of *flags*, each 0 or 1; inverted if *invert*.
    pub(super) fn extend(&mut self, flags: &[u8], invert: bool) {
        let head = flags.len().min(self.len.wrapping_neg() % 8);
        let (head, rest) = flags.split_at(head);
        for flag in head {
            self.push((*flag == 1) != invert);
        }
        let whole = rest.len() / 8 * 8;
        kernels::pack(&rest[..whole], invert, &mut self.bytes);
        self.len += whole;
        for flag in &rest[whole..] {
            self.push((*flag == 1) != invert);
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        if len < self.len {
            self.len = len;
            self.bytes.truncate(len.div_ceil(8));
            self.clear_tail();
        }
    }

    fn clear_tail(&mut self) {
        if !self.len.is_multiple_of(8) {
            if let Some(last) = self.bytes.last_mut() {
                *last &= (1 << (self.len % 8)) - 1;
            }
        }
    }

    pub(super) fn finish(&mut self) -> BooleanBuffer {
        let Self { bytes, len } = std::mem::take(self);
        BooleanBuffer::new(Buffer::from_vec(bytes), 0, len)
    }
}

/// Validity of a column; free while there is no null.
#[derive(Debug, Default)]
pub(super) struct Validity {
    len: usize,
    /// Set bits are valid rows; absent while every row is.
    bits: Option<Bits>,
}

impl Validity {
    pub(super) fn push_valid(&mut self, count: usize) {
        self.len += count;
        if let Some(bits) = &mut self.bits {
            bits.repeat(true, count);
        }
    }

    pub(super) fn push_null(&mut self, count: usize) {
        if count > 0 {
            self.materialise(count).repeat(false, count);
            self.len += count;
        }
    }

    /// Append one row a byte of *flags*: 1 is null, 0 valid.
    pub(super) fn push_flags(&mut self, flags: &[u8]) {
        self.materialise(flags.len()).extend(flags, true);
        self.len += flags.len();
    }

    fn materialise(&mut self, more: usize) -> &mut Bits {
        let len = self.len;
        let bits = self.bits.get_or_insert_with(|| {
            let mut bits = Bits::default();
            bits.reserve(len + more);
            bits.repeat(true, len);
            bits
        });
        bits.reserve(more);
        bits
    }

    /// Whether a row is no null.
    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.bits.as_ref().is_none_or(|bits| bits.get(row))
    }

    pub(super) fn truncate(&mut self, len: usize) {
        if len < self.len {
            self.len = len;
            if let Some(bits) = &mut self.bits {
                bits.truncate(len);
            }
        }
    }

    /// The null buffer, absent if no row is null.
    pub(super) fn finish(&mut self) -> Option<NullBuffer> {
        self.len = 0;
        let nulls = NullBuffer::new(self.bits.take()?.finish());
        (nulls.null_count() > 0).then_some(nulls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever pieces the bits come in, they are the same bits.
    #[test]
    fn pieces() {
        let flags: Vec<u8> = (0..203u32).map(|i| (i * i % 7 == 2).into()).collect();
        for cut in 0..64 {
            let mut bits = Bits::default();
            bits.repeat(true, 3);
            bits.extend(&flags[..cut], false);
            bits.extend(&flags[cut..], true);
            bits.repeat(false, 9);
            bits.truncate(209);
            bits.repeat(true, 2);

            let bits = bits.finish();
            assert_eq!(bits.len(), 211);
            for (i, bit) in bits.iter().enumerate() {
                let want = match i {
                    0..3 | 209.. => true,
                    206.. => false,
                    _ => (flags[i - 3] == 1) != (i - 3 >= cut),
                };
                assert_eq!(bit, want, "bit {i}, cut {cut}");
            }
        }
    }

    /// No null, no buffer; a late null backfills; a null that was rolled back leaves none.
    #[test]
    fn lazy() {
        let mut validity = Validity::default();
        validity.push_valid(10);
        assert!(validity.bits.is_none());
        validity.push_flags(&[0, 1]);
        validity.push_null(2);
        validity.truncate(13);

        let nulls = validity.finish().expect("there are nulls");
        assert_eq!((nulls.len(), nulls.null_count()), (13, 2));
        assert!(nulls.is_valid(10) && nulls.is_null(11) && nulls.is_null(12));

        validity.push_valid(3);
        validity.push_null(1);
        validity.truncate(3);
        assert!(validity.finish().is_none());
    }
}
