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
    /// A buffer for a message of *length* bytes: some bytes of whatever value, to be written over.
    pub fn take(&self, length: usize) -> Vec<u8> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A small message does not use up a large buffer.
        let fitting =
            kept.iter().position(|buffer| buffer.len() >= length && buffer.len() / 8 <= length);
        match fitting {
            Some(index) => kept.swap_remove(index),
            // The system gives zeros for nothing; a buffer that is used again keeps what it has.
            None => vec![0; length.min(FIRST_BYTES)],
        }
    }

    /// Keep *buffer* for the next message, if it is worth it.
    pub fn give_back(&self, buffer: Vec<u8>) {
        if !(4096..=KEPT_BYTES).contains(&buffer.capacity()) {
            return;
        }
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

/// A message that is coming, or has come: the first bytes of its buffer.
pub struct Gathering {
    bytes: Vec<u8>,
    filled: usize,
    length: usize,
}

impl Gathering {
    /// Nothing yet of *length* bytes.
    pub fn new(length: usize, buffers: &Buffers) -> Self {
        Self { bytes: buffers.take(length), filled: 0, length }
    }

    /// How many bytes it will have.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many have come.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Whether all of it has.
    pub fn is_whole(&self) -> bool {
        self.filled == self.length
    }

    /// Where the next bytes go, *most* at most; empty where all have come.
    pub fn room(&mut self, most: usize) -> &mut [u8] {
        let end = self.filled + most.min(self.length - self.filled);
        if self.bytes.len() < end {
            // No more than doubled, whatever its prefix says.
            self.bytes.resize(self.bytes.len().saturating_mul(2).clamp(end, self.length), 0);
        }
        &mut self.bytes[self.filled..end]
    }

    /// *count* bytes were written to the room.
    pub fn fill(&mut self, count: usize) {
        self.filled = self.length.min(self.filled + count);
    }

    /// The bytes that have come, as a message.
    pub fn into_message(self, home: &Buffers) -> Message {
        Message { bytes: self.bytes, length: self.filled, home: home.clone(), packing: None }
    }
}

/// One message, whose buffer goes back to its channel.
pub struct Message {
    bytes: Vec<u8>,
    length: usize,
    home: Buffers,
    /// How it is compressed, and the most bytes that it may be without: until its call hands it out.
    packing: Option<(Encoding, usize)>,
}

impl Message {
    pub(crate) fn new(bytes: Vec<u8>, home: Buffers) -> Self {
        Self { length: bytes.len(), bytes, home, packing: None }
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
                let room = self.home.take(self.length.saturating_mul(4).min(max_bytes));
                Ok(Self::new(encoding.unpack(&self, max_bytes, room)?, self.home.clone()))
            }
        }
    }
}

impl std::ops::Deref for Message {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Message({} bytes)", self.length)
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
        assert_eq!((again.as_ptr(), again.len()), (place, 5_000_000));
        let other = buffers.take(4_000_000);
        assert_ne!(other.as_ptr(), place);

        buffers.give_back(again);
        for _ in 0..5 {
            buffers.give_back(vec![1; 2_000_000]);
            buffers.give_back(Vec::with_capacity(KEPT_BYTES + 1));
        }
        assert_eq!(lock_of(&buffers), [2_000_000, 2_000_000]);

        buffers.give_back(vec![1; 8192]);
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
        let buffers = Buffers::default();
        let mut gathering = Gathering::new(usize::MAX, &buffers);
        gathering.room(100)[..3].copy_from_slice(b"abc");
        gathering.fill(3);
        assert!(gathering.bytes.capacity() < 2 * FIRST_BYTES);
        assert_eq!(gathering.into_message(&buffers)[..], b"abc"[..]);
    }

    #[test]
    fn what_a_buffer_held_before_is_no_part_of_a_message() {
        let buffers = Buffers::default();
        buffers.give_back(vec![b'x'; 10_000]);
        let mut gathering = Gathering::new(9_000, &buffers);
        assert_eq!(gathering.room(5000).len(), 5000);
        gathering.fill(5000);
        assert_eq!(gathering.room(5000).len(), 4000);
        assert!(!gathering.is_whole());
        gathering.room(4000).fill(b'y');
        gathering.fill(4000);
        assert!(gathering.is_whole());
        assert_eq!(gathering.room(1).len(), 0);
        let message = gathering.into_message(&buffers);
        assert_eq!((message.len(), message[8999]), (9000, b'y'));
    }

    #[test]
    fn a_message_above_the_first_piece_grows_as_it_comes() {
        let buffers = Buffers::default();
        let length = 3 * FIRST_BYTES;
        let mut gathering = Gathering::new(length, &buffers);
        while !gathering.is_whole() {
            let room = gathering.room(1_000_000);
            let count = room.len();
            room.fill(7);
            gathering.fill(count);
            assert!(gathering.bytes.len() <= (2 * gathering.filled()).max(FIRST_BYTES));
        }
        assert_eq!(gathering.into_message(&buffers).len(), length);
    }

    fn lock_of(buffers: &Buffers) -> Vec<usize> {
        buffers.0.lock().unwrap().iter().map(Vec::capacity).collect()
    }
}
