//! Message buffers that are used again: fresh memory for each response costs more than reading it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::compression::Encoding;
use crate::status::Failure;

/// How many are kept, and the most bytes that one of them may have: while calls go on, and once nothing does.
const KEPT: usize = 2;
const KEPT_BYTES: usize = 32 * 1024 * 1024;
const IDLE_BYTES: usize = 1024 * 1024;
/// What is given at once to a message on the word of its prefix; the rest has to arrive first.
const FIRST_BYTES: usize = 4 * 1024 * 1024;

/// The buffers of one channel that nobody uses at the moment.
#[derive(Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// An empty buffer for a message of *length* bytes.
    pub fn take(&self, length: usize) -> Vec<u8> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A small message does not use up a large buffer.
        let fitting = kept
            .iter()
            .position(|buffer| buffer.capacity() >= length && buffer.capacity() / 8 <= length);
        match fitting {
            Some(index) => kept.swap_remove(index),
            None => Vec::with_capacity(length.min(FIRST_BYTES)),
        }
    }

    /// Keep *buffer* for the next message, if it is worth it.
    pub fn give_back(&self, mut buffer: Vec<u8>) {
        if !(4096..=KEPT_BYTES).contains(&buffer.capacity()) {
            return;
        }
        buffer.clear();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(buffer);
    }

    /// Free the large ones: nobody has asked for anything for a while.
    pub fn trim(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_large = |buffer: &Vec<u8>| buffer.capacity() > IDLE_BYTES;
        let (large, small): (Vec<_>, Vec<_>) = kept.drain(..).partition(is_large);
        *kept = small;
        drop(kept);
        drop(large); // giving memory back takes its time
    }

    /// Free all of them.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// One message, whose buffer goes back to its channel.
pub struct Message {
    bytes: Vec<u8>,
    home: Buffers,
    /// How it is compressed, and the most bytes that it may be without: until its call hands it out.
    packing: Option<(Encoding, usize)>,
}

impl Message {
    pub(crate) fn new(bytes: Vec<u8>, home: Buffers) -> Self {
        Self { bytes, home, packing: None }
    }

    /// The same bytes, as those of a message that *encoding* makes of one of at most *max_bytes*.
    pub(crate) fn packed(mut self, encoding: Encoding, max_bytes: usize) -> Self {
        self.packing = Some((encoding, max_bytes));
        self
    }

    /// The message itself, where these are the bytes of a compressed one.
    pub(crate) fn unpacked(mut self) -> Result<Self, Failure> {
        match self.packing.take() {
            None => Ok(self),
            Some((encoding, max_bytes)) => {
                let bytes = encoding.unpack(&self.bytes, max_bytes, &self.home)?;
                Ok(Self::new(bytes, self.home.clone()))
            }
        }
    }
}

impl std::ops::Deref for Message {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Message({} bytes)", self.bytes.len())
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again_and_bounded() {
        let buffers = Buffers::default();
        let mut first = buffers.take(5_000_000);
        first.resize(5_000_000, 1);
        let place = first.as_ptr();
        buffers.give_back(first);

        let again = buffers.take(4_000_000);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        let other = buffers.take(4_000_000);
        assert_ne!(other.as_ptr(), place);

        buffers.give_back(again);
        for _ in 0..5 {
            buffers.give_back(Vec::with_capacity(2_000_000));
            buffers.give_back(Vec::with_capacity(KEPT_BYTES + 1));
        }
        assert_eq!(lock_of(&buffers), [2_000_000, 2_000_000]);

        buffers.give_back(Vec::with_capacity(8192));
        buffers.trim();
        assert_eq!(lock_of(&buffers), [8192]);
    }

    #[test]
    fn a_message_is_unpacked_by_whoever_takes_it() {
        use std::io::Write;
        let plain = b"hello ".repeat(1000);
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(&plain).unwrap();
        let data = writer.finish().unwrap();
        let arrived = |data: &[u8], most| {
            Message::new(data.to_vec(), Buffers::default()).packed(Encoding::Gzip, most)
        };

        let message = arrived(&data, plain.len());
        assert_eq!(message[..], data[..]);
        assert_eq!(message.unpacked().unwrap().unpacked().unwrap()[..], plain[..]);
        assert!(arrived(&data, plain.len() - 1).unpacked().is_err());
        assert!(arrived(&data[1..], plain.len()).unpacked().is_err());
    }

    #[test]
    fn a_prefix_alone_gets_no_more_than_a_first_piece() {
        assert!(Buffers::default().take(usize::MAX).capacity() < 2 * FIRST_BYTES);
    }

    fn lock_of(buffers: &Buffers) -> Vec<usize> {
        buffers.0.lock().unwrap().iter().map(Vec::capacity).collect()
    }
}
