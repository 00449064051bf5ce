//! Memory of batches that their consumer has dropped, used again for later ones.
//!
//! A first touch of fresh memory costs more than decoding into it. So each vector of a column gets
//! its memory back when the last user of the batch's buffer is gone: any thread, without a lock to
//! wait for, as long as the decoder lives and has room. Nobody else notices: a buffer that is kept
//! is never written again.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};
use std::panic::RefUnwindSafe;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, Weak};

use arrow_buffer::{ArrowNativeType, Buffer};

/// Vectors that may lie idle, for each vector of a column.
const IDLE: usize = 2;
/// Smaller buffers are quicker made anew.
const LEAST_BYTES: usize = 16 << 10;

/// A vector whose memory comes back after use.
#[derive(Debug)]
pub(super) struct Recycled<T> {
    values: Vec<T>,
    /// Where the memory comes back to; it goes with the decoder.
    home: Option<Arc<Home<T>>>,
}

impl<T> Default for Recycled<T> {
    fn default() -> Self {
        Self { values: Vec::new(), home: None }
    }
}

impl<T> Deref for Recycled<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.values
    }
}

impl<T> DerefMut for Recycled<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.values
    }
}

/// Idle memory. A cell is skipped, not waited for, while another thread has it: after a fork that
/// thread may not exist.
#[derive(Debug)]
struct Home<T> {
    cells: [Mutex<Option<Vec<T>>>; IDLE],
}

impl<T> Home<T> {
    fn new() -> Self {
        Self { cells: std::array::from_fn(|_| Mutex::new(None)) }
    }

    /// Memory for *count* values; what is far from that size is given up.
    fn take(&self, count: usize) -> Option<Vec<T>> {
        self.cells.iter().find_map(|cell| {
            let idle = cell.try_lock().ok()?.take()?;
            (count..=count.saturating_mul(2)).contains(&idle.capacity()).then_some(idle)
        })
    }

    /// Keep *values*, or free them if there are enough.
    fn put(&self, values: Vec<T>) {
        let mut values = Some(values);
        for cell in &self.cells {
            if let Ok(mut cell) = cell.try_lock() {
                if cell.is_none() {
                    *cell = values.take();
                    return;
                }
            }
        }
    }
}

/// The values of a buffer, whoever has it.
struct Lent<T> {
    values: Vec<T>,
    home: Weak<Home<T>>,
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            home.put(std::mem::take(&mut self.values));
        }
    }
}

impl<T: ArrowNativeType + RefUnwindSafe> Recycled<T> {
    /// Use idle memory, if there is some for *count* values and the vector has less.
    pub(super) fn reuse(&mut self, count: usize) {
        if count <= self.values.capacity() {
            return;
        }
        if let Some(mut idle) = self.home.as_ref().and_then(|home| home.take(count)) {
            idle.clear();
            idle.extend_from_slice(&self.values);
            self.values = idle;
        }
    }

    /// Append *value* *count* times.
    pub(super) fn pad(&mut self, count: usize, value: T) {
        let len = self.values.len() + count;
        self.values.resize(len, value);
    }

    /// Take the values out; memory of which less than half is used is cut.
    pub(super) fn finish(&mut self) -> Buffer {
        let mut values = std::mem::take(&mut self.values);
        if values.len() < values.capacity() / 2 {
            values.shrink_to_fit();
        }
        let bytes = size_of_val(values.as_slice());
        if bytes < LEAST_BYTES {
            return Buffer::from_vec(values);
        }
        let home = self.home.get_or_insert_with(|| Arc::new(Home::new()));
        let lent = Arc::new(Lent { values, home: Arc::downgrade(home) });
        let start = NonNull::from(lent.values.as_slice()).cast();
        // SAFETY: `start` is the first of the `bytes` bytes of the values, which are plain numbers
        // and which nobody writes, moves or frees before the buffer drops its owner.
        unsafe { Buffer::from_custom_allocation(start, bytes, lent) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = LEAST_BYTES / 8;

    fn fill(values: &mut Recycled<i64>, value: i64) -> Buffer {
        values.reuse(MANY);
        values.pad(MANY, value);
        values.finish()
    }

    fn idle(values: &Recycled<i64>) -> usize {
        let cells = values.home.as_ref().map(|home| &home.cells);
        let is_some = |cell: &Mutex<Option<Vec<i64>>>| cell.lock().expect("sound").is_some();
        cells.map_or(0, |cells| cells.iter().filter(|&cell| is_some(cell)).count())
    }

    /// The memory of a dropped buffer is the next one's; that of a kept one, or of a slice of it,
    /// is nobody else's.
    #[test]
    fn dropped_is_used_again() {
        let mut values = Recycled::default();
        let first = fill(&mut values, 1);
        let place = first.as_ptr();
        let slice = first.slice_with_length(8, 8);
        drop(first);
        let second = fill(&mut values, 2);
        assert_ne!(second.as_ptr(), place);
        assert_eq!(slice.typed_data::<i64>(), [1]);

        drop(slice);
        let third = fill(&mut values, 3);
        assert_eq!(third.as_ptr(), place);
        assert_eq!(second.typed_data::<i64>(), [2; MANY]);
        assert_eq!(third.typed_data::<i64>(), [3; MANY]);
    }

    /// However many buffers come back, few are kept, and none outlives the vector.
    #[test]
    fn bounded() {
        let mut values = Recycled::default();
        let buffers: Vec<Buffer> = (0..10).map(|value| fill(&mut values, value)).collect();
        let kept = buffers[9].clone();
        drop(buffers);
        assert_eq!(idle(&values), IDLE);

        let home = values.home.as_ref().map(Arc::downgrade).expect("it has lent");
        drop(values);
        assert!(home.upgrade().is_none());
        assert_eq!(kept.typed_data::<i64>(), [9; MANY]);
    }

    /// Idle memory of another size makes room for memory of the size in use.
    #[test]
    fn retired_by_size() {
        let mut values = Recycled::default();
        let buffers: Vec<Buffer> = (0..3).map(|value| fill(&mut values, value)).collect();
        drop(buffers);
        values.reuse(MANY + 1);
        assert_eq!((values.capacity(), idle(&values)), (0, 0));
        values.pad(3 * MANY, 7);
        drop(values.finish());
        assert_eq!(idle(&values), 1);
        values.reuse(MANY);
        assert_eq!((values.capacity(), idle(&values)), (0, 0));
    }

    /// What is in the vector already comes along; small buffers never come back.
    #[test]
    fn small() {
        let mut values = Recycled::default();
        drop(fill(&mut values, 1));
        values.push(5);
        values.reuse(MANY);
        assert_eq!((&values[..], values.capacity()), (&[5][..], MANY));
        assert_eq!(values.finish().typed_data::<i64>(), [5]);
        assert_eq!(idle(&values), 0);
    }

    /// Buffers may be dropped by any thread, also while the vector takes memory or goes away.
    #[test]
    fn threads() {
        let rounds = if cfg!(miri) { 20 } else { 2000 };
        let mut values = Recycled::default();
        std::thread::scope(|scope| {
            let (send, receive) = std::sync::mpsc::sync_channel::<(i64, Buffer)>(4);
            scope.spawn(move || {
                let mut before: Option<(i64, Buffer)> = None;
                for (value, buffer) in receive {
                    if let Some((value, buffer)) = before.replace((value, buffer)) {
                        assert!(buffer.typed_data::<i64>().iter().all(|&held| held == value));
                    }
                }
            });
            for value in 0..rounds {
                send.send((value, fill(&mut values, value))).expect("the other end is there");
            }
            drop(values);
        });
    }
}
