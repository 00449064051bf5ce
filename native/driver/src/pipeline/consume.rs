//! The consumer's side of a pipeline: batches are read, taken back and given up.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;

use crate::error::{Failure, Status};
use crate::pipeline::shared::{spawn, End, Pipeline};

/// What a consumer does now and then while it waits.
pub type Tick<'a> = (Duration, &'a (dyn Fn() -> Option<Failure> + Sync));

impl Pipeline {
    /// The next batch, or the end. After a failure, or the end, the same again.
    ///
    /// *tick* is called now and then while waiting, without any lock; what it returns stops the
    /// stream. `None` means never.
    pub fn next(&self, tick: Option<Tick<'_>>) -> Result<Option<RecordBatch>, Failure> {
        self.stats.is_read.store(true, Ordering::Relaxed);
        let mut state = self.lock();
        loop {
            if let Some(failure) = &state.stopped {
                return Err(failure.clone());
            }
            if let Some((batch, bytes)) = state.batches.pop_front() {
                state.batch_bytes -= bytes;
                if state.keeps {
                    state.kept.push_back(batch.clone());
                }
                let is_resting = state.course.is_some();
                drop(state);
                if !is_resting {
                    self.decode.notify_one();
                }
                self.stats.rows_delivered.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                self.stats.batches_delivered.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(batch));
            }
            match &state.end {
                Some(End::Rows) => return Ok(None),
                Some(End::Failed(failure)) => return Err(failure.clone()),
                None => {}
            }
            if state.course.is_some() && state.merger.is_some() {
                let look = tick.map(|(interval, _)| Instant::now() + interval);
                if self.take_turn(state, look) {
                    self.tick(tick);
                }
                state = self.lock();
                continue;
            }
            state.consumer_waits = true;
            if self.plan.options.prefetch == 0 {
                self.fetch.notify_one();
            }
            let Some((interval, tick)) = tick else {
                state = self.consume.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.consumer_waits = false;
                continue;
            };
            let waited = self.consume.wait_timeout(state, interval);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if timeout.timed_out() {
                drop(state);
                self.tick(Some((interval, tick)));
                state = self.lock();
            }
            state.consumer_waits = false;
        }
    }

    fn tick(&self, tick: Option<Tick<'_>>) {
        let interruption = tick.and_then(|(_, tick)| tick());
        if let Some(failure) = interruption {
            if self.stop(&self.about(failure)) && self.needs_cancel() {
                self.send_cancel();
            }
        }
    }

    /// Keep what is delivered from now on, and of what was kept the batches of its last *rows*.
    pub fn keep(&self, rows: usize) {
        let mut state = self.lock();
        state.keeps = true;
        let mut spare = state.kept.iter().map(RecordBatch::num_rows).sum::<usize>();
        let mut forgotten = Vec::new();
        while let Some(first) = state.kept.front() {
            match spare.checked_sub(first.num_rows()) {
                Some(left) if left >= rows => spare = left,
                _ => break,
            }
            forgotten.extend(state.kept.pop_front());
        }
        drop(state);
        drop(forgotten); // freeing may take long: not under the lock
    }

    /// Deliver the last *rows* that were kept again, before all others, and keep no more.
    ///
    /// False if the stream was stopped, or kept fewer.
    pub fn unread(&self, rows: usize) -> bool {
        let mut state = self.lock();
        state.keeps = false;
        let mut kept = std::mem::take(&mut state.kept);
        if state.stopped.is_some() {
            return false;
        }
        let mut missing = rows;
        while missing > 0 {
            let Some(batch) = kept.pop_back() else { break };
            let count = missing.min(batch.num_rows());
            // It weighs nothing: its room was given away.
            state.batches.push_front((batch.slice(batch.num_rows() - count, count), 0));
            missing -= count;
        }
        self.stats.rows_delivered.fetch_sub((rows - missing) as u64, Ordering::Relaxed);
        drop(state);
        missing == 0
    }

    /// Fail the stream for good, also one that has ended: its consumer lost rows.
    pub fn fail(&self, why: &str) {
        if !self.cancel(why) && self.is_here() {
            let failure = self.failure(Status::Cancelled, why);
            self.lock().stopped.get_or_insert(failure);
        }
    }

    /// The consumer is gone; false if nothing was left for it. Returns at once: what is to be done
    /// happens in the background.
    pub fn release(self: &Arc<Self>) -> bool {
        let stopped = self.stop(&self.released());
        if self.needs_cancel() {
            let pipeline = self.clone();
            // Without a thread the fetch ends by its own deadline; the flag is set.
            drop(spawn("e6data-cancel", move || pipeline.send_cancel()));
        }
        stopped
    }

    /// What a consumer hears who reads on after its stream was released.
    pub fn released(&self) -> Failure {
        let failure = self.failure(Status::Cancelled, "its stream was released");
        Failure { message: format!("{}; execute the query again", failure.message), ..failure }
    }
}
