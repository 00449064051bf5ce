//! What the threads of a pipeline share: one state, one mutex, and the ways to stop.

use std::collections::VecDeque;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use e6data_chunk::ChunkDecoder;

use crate::error::{quoted, Failure, Status};
use crate::pipeline::merge::Merger;
use crate::pipeline::source::{Course, Plan, Raw, Source, Stats};
use crate::process::{self, lock, Open, ThreadTicket};

/// How a queue ended.
#[derive(Clone)]
pub(super) enum End {
    Rows,
    Failed(Failure),
}

#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // independent facts, each for another thread to read
pub(super) struct State {
    pub(super) raw: VecDeque<Raw>,
    pub(super) raw_bytes: usize,
    /// The size of the last response.
    pub(super) last_bytes: usize,
    pub(super) raw_end: Option<End>,
    /// What the consumer waits for itself, while both threads rest.
    pub(super) course: Option<Arc<dyn Course>>,
    /// The decoder, unless somebody is using it.
    pub(super) merger: Option<Box<Merger>>,
    /// Responses that were decoded, on their way back to the source.
    pub(super) used: Vec<Raw>,
    pub(super) batches: VecDeque<(RecordBatch, usize)>,
    pub(super) batch_bytes: usize,
    /// What was delivered and may be taken back, the oldest first.
    pub(super) kept: VecDeque<RecordBatch>,
    pub(super) keeps: bool,
    pub(super) end: Option<End>,
    /// The consumer is answered with this at once, whatever is queued.
    pub(super) stopped: Option<Failure>,
    /// No further response is wanted.
    pub(super) abandoned: bool,
    /// The fetch thread is inside the source.
    pub(super) calling: bool,
    /// The decode thread has a response in hand, or rows of it that it may yet deliver.
    pub(super) decoding: bool,
    pub(super) consumer_waits: bool,
    pub(super) decode_ended: bool,
}

/// One open result. Everyone who has to do with it holds an `Arc`: it owns itself.
pub struct Pipeline {
    pid: u32,
    pub(super) plan: Plan,
    pub(super) stats: Arc<Stats>,
    /// The method that brought the first response.
    pub(super) rpc: OnceLock<&'static str>,
    pub(super) state: Mutex<State>,
    /// For the fetch thread: room, abandonment, a waiting consumer, the end of decoding.
    pub(super) fetch: Condvar,
    /// For the decode thread: a response, room, abandonment.
    pub(super) decode: Condvar,
    /// For the consumer: a batch, the end.
    pub(super) consume: Condvar,
    pub(super) source: Mutex<Option<Arc<dyn Source>>>,
    cancel_sent: AtomicBool,
}

impl Pipeline {
    pub(super) fn new(
        plan: Plan,
        stats: Arc<Stats>,
        source: Option<Arc<dyn Source>>,
        decoder: ChunkDecoder,
    ) -> Self {
        let merger = Some(Box::new(Merger::new(decoder)));
        Self {
            pid: process::pid(),
            plan,
            stats,
            rpc: OnceLock::new(),
            state: Mutex::new(State { merger, ..State::default() }),
            fetch: Condvar::new(),
            decode: Condvar::new(),
            consume: Condvar::new(),
            source: Mutex::new(source),
            cancel_sent: AtomicBool::new(false),
        }
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    pub fn query_id(&self) -> &str {
        &self.plan.query_id
    }

    pub fn announced_rows(&self) -> i64 {
        self.plan.announced_rows
    }

    /// Whether this process is the one that opened the stream; in others no lock may be touched.
    pub fn is_here(&self) -> bool {
        self.pid == process::pid()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// *failure*, which says what every failure about a query does. Takes no lock.
    pub fn about(&self, failure: Failure) -> Failure {
        let rpc = self.rpc.get().copied().unwrap_or(&self.plan.rpc);
        failure.about_query(&self.plan.query_id, rpc)
    }

    /// A failure to read the result, because of *text*.
    pub fn failure(&self, status: Status, text: impl std::fmt::Display) -> Failure {
        self.about(Failure::new(
            status,
            format_args!(
                "could not read the result of query {}: {text}",
                quoted(&self.plan.query_id)
            ),
        ))
    }

    /// Tell whoever fetches whether he may ask for a second response before the first is copied.
    pub(super) fn tell_room(&self, state: &State) {
        let options = &self.plan.options;
        let bytes = state.raw_bytes.saturating_add(state.last_bytes);
        let has_room = state.raw.len() + 1 < options.prefetch && bytes < self.room();
        self.stats.has_room.store(has_room && !state.abandoned, Ordering::Relaxed);
    }

    /// How many bytes may wait, of responses and again of batches: before anybody reads no more than a
    /// batch has.
    pub(super) fn room(&self) -> usize {
        let options = &self.plan.options;
        if self.stats.is_read.load(Ordering::Relaxed) {
            options.queue_bytes
        } else {
            options.batch_bytes.min(options.queue_bytes)
        }
    }

    // ---- stopping

    /// Cancel what is left of the stream; false if nothing was. Does not call the source.
    pub(super) fn stop(&self, failure: &Failure) -> bool {
        let mut state = self.lock();
        let over = state.stopped.is_some()
            || (state.batches.is_empty() && state.end.is_some() && state.decode_ended);
        if over {
            return false;
        }
        state.stopped = Some(failure.clone());
        state.batch_bytes = 0;
        let queued = std::mem::take(&mut state.batches);
        self.abandon(&mut state);
        let course = state.course.take();
        drop(state);
        if let Some(course) = course {
            course.cancel(); // who reads is perhaps waiting for it
        }
        drop(queued); // freeing may take long: not under the lock
        self.consume.notify_all();
        true
    }

    /// Stop the stream with CANCELLED and tell the source; false if there was nothing left to stop.
    ///
    /// The consumer is answered before the source is told, so that it waits for nobody.
    pub fn cancel(&self, why: &str) -> bool {
        if !self.is_here() || !self.stop(&self.failure(Status::Cancelled, why)) {
            return false;
        }
        if self.needs_cancel() {
            self.send_cancel();
        }
        true
    }

    /// Whether only the source's `cancel` can end a call that is no longer wanted.
    pub(super) fn needs_cancel(&self) -> bool {
        let state = self.lock();
        state.abandoned && state.calling
    }

    /// Have the source end a call under way, once.
    pub(super) fn send_cancel(&self) {
        let source = lock(&self.source).clone();
        if let Some(source) = source {
            if !self.cancel_sent.swap(true, Ordering::SeqCst) {
                source.cancel();
            }
            source.retire(Vec::new()); // this may be the last reference
        }
    }

    /// Want no further response.
    pub(super) fn abandon(&self, state: &mut State) {
        state.abandoned = true;
        self.fetch.notify_all();
        self.decode.notify_all();
    }
}

impl Open for Pipeline {
    fn shut_down(&self) {
        self.stop(&self.failure(Status::Cancelled, "the interpreter is shutting down"));
        if self.needs_cancel() {
            self.send_cancel();
        }
    }
}

/// Start a counted, detached thread.
pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let ticket = ThreadTicket::new();
    let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(8 << 20);
    let started = thread.spawn(move || {
        let _ticket = ticket;
        // A panic is reported by whoever misses the result; the ticket must be given back.
        drop(catch_unwind(AssertUnwindSafe(body)));
    });
    match started {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::new(
            Status::Io,
            format_args!("could not start thread {}: {error}", quoted(name)),
        )),
    }
}
