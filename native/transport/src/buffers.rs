//! Message buffers that are used again: fresh memory for each response costs more than reading it.

use std::sync::{Arc, Mutex, PoisonError};

/// How many are kept, and the most bytes that one of them may have.
const KEPT: usize = 2;
const KEPT_BYTES: usize = 8 * 1024 * 1024;
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

    /// Free all of them.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// One message, whose buffer goes back to its channel.
pub struct Message {
    bytes: Vec<u8>,
    home: Buffers,
}

impl Message {
    pub(crate) fn new(bytes: Vec<u8>, home: Buffers) -> Self {
        Self { bytes, home }
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
