//! The fetch thread's side of a pipeline: responses are asked for as long as there is room for them.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::error::Status;
use crate::pipeline::shared::{End, Pipeline, State};
use crate::pipeline::source::{Raw, Source};
use crate::process::lock;

impl Pipeline {
    /// The body of the fetch thread.
    pub(super) fn fetch_thread(&self, source: Arc<dyn Source>) {
        let result = catch_unwind(AssertUnwindSafe(|| self.fetch_all(source.as_ref())));
        if result.is_err() {
            self.end_raw(End::Failed(self.failure(Status::Internal, "the fetch thread panicked")));
        }
        let used = std::mem::take(&mut self.lock().used);
        // A panic here must not keep the rest from happening.
        drop(catch_unwind(AssertUnwindSafe(|| source.close(used))));

        let mut state = self.lock();
        while !state.decode_ended {
            state = self.fetch.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut used = std::mem::take(&mut state.used);
        used.extend(std::mem::take(&mut state.raw));
        drop(state);
        lock(&self.source).take();
        drop(catch_unwind(AssertUnwindSafe(|| source.retire(used))));
    }

    fn fetch_all(&self, source: &dyn Source) {
        loop {
            let Some(used) = self.wait_for_room() else {
                self.send_cancel();
                return;
            };
            let response = source.next_response(used);
            let mut state = self.lock();
            state.calling = false;
            match response {
                Ok(Some(raw)) => {
                    if self.suits_turns(&raw) {
                        state.course =
                            source.course().filter(|_| !state.abandoned && !state.decode_ended);
                    }
                    let course = state.course.clone();
                    self.take_in(&mut state, raw);
                    drop(state);
                    match course {
                        Some(course) => {
                            course.begin();
                            self.consume.notify_one();
                        }
                        None => self.decode.notify_one(),
                    }
                }
                Ok(None) => {
                    drop(state);
                    return self.end_raw(End::Rows);
                }
                Err(failure) => {
                    drop(state);
                    return self.end_raw(End::Failed(self.about(failure)));
                }
            }
        }
    }

    /// Queue a response that arrived.
    pub(super) fn take_in(&self, state: &mut State, raw: Raw) {
        let bytes = raw.bytes().len();
        self.rpc.get_or_init(|| raw.rpc());
        self.stats.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
        state.raw_bytes += bytes;
        state.last_bytes = bytes;
        state.raw.push_back(raw);
        self.tell_room(state);
    }

    /// Wait until a response may be fetched; returns what to drop meanwhile, or `None` to stop.
    fn wait_for_room(&self) -> Option<Vec<Raw>> {
        let prefetch = self.plan.options.prefetch;
        let mut state = self.lock();
        loop {
            if state.abandoned {
                return None;
            }
            let room = if state.course.is_some() {
                false
            } else if prefetch == 0 {
                state.consumer_waits && state.raw.is_empty() && !state.decoding
            } else {
                state.raw.is_empty()
                    || (state.raw.len() < prefetch && state.raw_bytes < self.room())
            };
            if room {
                state.calling = true;
                return Some(std::mem::take(&mut state.used));
            }
            state = self.fetch.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No response follows those that wait.
    pub(super) fn end_raw(&self, end: End) {
        let mut state = self.lock();
        state.calling = false;
        state.raw_end.get_or_insert(end);
        drop(state);
        self.decode.notify_one();
    }
}
