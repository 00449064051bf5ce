//! Turns: the consumer itself waits for the next response and decodes it, while both threads rest.
//!
//! The threads come back for what is not usual, which only the source can judge, and for responses so
//! large that receiving one while the last one is decoded and read pays for the threads.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::MutexGuard;
use std::time::Instant;

use crate::error::Status;
use crate::pipeline::decode::Step;
use crate::pipeline::shared::{End, Pipeline, State};
use crate::pipeline::source::{Course, Raw, Turn};

/// From this size on a response is worth a fetch thread.
const LARGE_BYTES: usize = 4 << 20;

impl Pipeline {
    /// Whether the consumer may wait for those that follow *raw*. Until it begins to read, the threads
    /// fetch and decode ahead for it.
    pub(super) fn suits_turns(&self, raw: &Raw) -> bool {
        self.plan.options.prefetch > 0
            && raw.bytes().len() <= LARGE_BYTES
            && self.stats.is_read.load(Ordering::Relaxed)
    }

    /// Go one step towards the next batch, on the consumer's own thread, with a course and the decoder
    /// there; tells whether it waited in vain, which it does at most until *look*.
    pub(super) fn take_turn(
        &self,
        mut state: MutexGuard<'_, State>,
        look: Option<Instant>,
    ) -> bool {
        let (Some(course), Some(mut merger)) = (state.course.clone(), state.merger.take()) else {
            return false;
        };
        let step = self.next_step(&mut state, &merger);
        drop(state);
        let mut is_in_vain = false;
        let done = catch_unwind(AssertUnwindSafe(|| match step {
            Step::Wait(patience) => {
                let due = patience.map(|patience| Instant::now() + patience);
                let until = [look, due].into_iter().flatten().min();
                is_in_vain = self.wait_for_turn(course.as_ref(), until);
                None
            }
            step => self.carry_out(&mut merger, step),
        }));
        let end = done.unwrap_or_else(|_| {
            Some(Some(End::Failed(self.failure(Status::Internal, "reading the result panicked"))))
        });
        let mut state = self.lock();
        state.merger = Some(merger);
        let is_over = state.course.is_none();
        drop(state);
        // For another one who reads the same stream, or the thread whose decoder it is from here on.
        self.consume.notify_one();
        if is_over {
            self.decode.notify_one();
        }
        if let Some(end) = end {
            self.end_decoding(end);
        }
        is_in_vain
    }

    /// Take in the next response of *course*, or end the turns with it; tells whether it has not come.
    fn wait_for_turn(&self, course: &dyn Course, until: Option<Instant>) -> bool {
        match course.take(until, &self.stats) {
            Turn::Response(raw) => {
                let is_large = !self.suits_turns(&raw);
                // So that the server makes it while this one is decoded and read.
                course.begin();
                self.take_in(&mut self.lock(), raw);
                if is_large {
                    self.end_turns();
                }
                false
            }
            Turn::NotYet => true,
            Turn::Over => {
                self.end_turns();
                false
            }
        }
    }

    /// Have the threads go on.
    fn end_turns(&self) {
        let course = self.lock().course.take();
        drop(course); // not under the lock
        self.fetch.notify_all();
        self.decode.notify_all();
    }
}
