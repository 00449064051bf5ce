//! The pipeline of one result: a fetch thread, a decode thread, and the bounded queues between
//! them.
//!
//! ```text
//!   source ──fetch thread──▶ raw responses ──decode thread──▶ batches ──▶ consumer
//!                            `prefetch`, bytes                `queue_bytes`
//! ```
//!
//! One mutex guards all of it and is never held over a call into the source, a decode or a wait for
//! anything but its own condition variables. Knows neither Python nor the C ABI.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use e6data_chunk::{ChunkDecoder, DecodeError, ErrorKind, Limits};

use crate::error::{quoted, Failure, Status};
use crate::pipeline::merge::Merger;
use crate::process::{self, lock, Open, ThreadTicket};

/// How long rows wait for others before a consumer who has nothing gets them.
const PATIENCE: Duration = Duration::from_millis(100);

/// A raw response: bytes, and where the chunks are in them.
pub trait Payload: Send + Sync {
    fn bytes(&self) -> &[u8];
    fn chunks(&self) -> &[Range<usize>];
    /// The method that brought it.
    fn rpc(&self) -> &'static str;
}

/// A response on its way.
pub type Raw = Arc<dyn Payload>;

/// Where raw responses come from. *used* are responses that are done with, to be dropped there.
pub trait Source: Send + Sync {
    /// The next response, or the end. Blocks; called by the fetch thread only.
    fn next_response(&self, used: Vec<Raw>) -> Result<Option<Raw>, Failure>;
    /// Make a blocked `next_response` fail. Any thread; returns at once.
    fn cancel(&self);
    /// Give the query back to the server. Called once, by the fetch thread, on every path.
    fn close(&self, used: Vec<Raw>);
    /// Drop a reference to the source, which may be the last one.
    fn retire(self: Arc<Self>, used: Vec<Raw>);
}

/// Counters of one stream, readable at any time.
#[derive(Debug, Default)]
pub struct Stats {
    pub rows_decoded: AtomicU64,
    pub rows_delivered: AtomicU64,
    pub batches_delivered: AtomicU64,
    pub bytes_received: AtomicU64,
    /// Whether a response would find room behind the one that is being fetched.
    pub has_room: AtomicBool,
}

/// What is known of a result when its stream is opened.
pub struct Plan {
    pub schema: SchemaRef,
    pub query_id: String,
    /// The method that fetches, as far as it is known before the first response.
    pub rpc: String,
    /// -1: unknown.
    pub announced_rows: i64,
    pub options: StreamOptions,
}

/// The limits of one stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamOptions {
    pub queue_bytes: usize,
    pub batch_rows: usize,
    pub batch_bytes: usize,
    pub max_chunk_rows: usize,
    pub max_chunk_bytes: usize,
    pub allow_missing_rows: bool,
    /// Responses that may wait to be decoded; 0 fetches only while a consumer waits.
    pub prefetch: usize,
    /// A response whose chunks make two halves of so many bytes is decoded on two threads.
    pub parallel_bytes: usize,
}

/// How a queue ended.
#[derive(Clone)]
enum End {
    Rows,
    Failed(Failure),
}

#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // independent facts, each for another thread to read
struct State {
    raw: VecDeque<Raw>,
    raw_bytes: usize,
    /// The size of the last response.
    last_bytes: usize,
    raw_end: Option<End>,
    /// Responses that were decoded, on their way back to the source.
    used: Vec<Raw>,
    batches: VecDeque<(RecordBatch, usize)>,
    batch_bytes: usize,
    /// What was delivered and may be taken back, the oldest first.
    kept: VecDeque<RecordBatch>,
    keeps: bool,
    end: Option<End>,
    /// The consumer is answered with this at once, whatever is queued.
    stopped: Option<Failure>,
    /// No further response is wanted.
    abandoned: bool,
    /// The fetch thread is inside the source.
    calling: bool,
    /// The decode thread has a response in hand, or rows of it that it may yet deliver.
    decoding: bool,
    consumer_waits: bool,
    decode_ended: bool,
}

/// One open result. Everyone who has to do with it holds an `Arc`: it owns itself.
pub struct Pipeline {
    pid: u32,
    plan: Plan,
    stats: Arc<Stats>,
    /// The method that brought the first response.
    rpc: OnceLock<&'static str>,
    state: Mutex<State>,
    /// For the fetch thread: room, abandonment, a waiting consumer, the end of decoding.
    fetch: Condvar,
    /// For the decode thread: a response, room, abandonment.
    decode: Condvar,
    /// For the consumer: a batch, the end.
    consume: Condvar,
    source: Mutex<Option<Arc<dyn Source>>>,
    cancel_sent: AtomicBool,
}

impl Plan {
    fn decoder(&self) -> Result<ChunkDecoder, Failure> {
        let limits = Limits {
            max_rows: self.options.max_chunk_rows,
            max_bytes: self.options.max_chunk_bytes,
        };
        ChunkDecoder::new(self.schema.clone(), limits).map_err(|error| {
            let column = self.schema.fields().get(error.column);
            Failure::new(
                Status::NotImplemented,
                format_args!(
                    "could not read the result of query {}: column {} has type {}, \
                     for which there is no decoder",
                    quoted(&self.query_id),
                    quoted(column.map_or("", |field| field.name())),
                    error.data_type
                ),
            )
            .about_query(&self.query_id, &self.rpc)
        })
    }
}

impl Pipeline {
    fn new(plan: Plan, stats: Arc<Stats>, source: Option<Arc<dyn Source>>) -> Self {
        Self {
            pid: process::pid(),
            plan,
            stats,
            rpc: OnceLock::new(),
            state: Mutex::default(),
            fetch: Condvar::new(),
            decode: Condvar::new(),
            consume: Condvar::new(),
            source: Mutex::new(source),
            cancel_sent: AtomicBool::new(false),
        }
    }

    /// The stream of a result that is here already, in one response or without any: it is decoded
    /// now, on this thread, and nobody fetches. Returns what to drop with it.
    pub fn decoded(
        plan: Plan,
        stats: Arc<Stats>,
        response: Option<Raw>,
    ) -> Result<(Arc<Self>, Vec<Raw>), Failure> {
        let decoder = plan.decoder()?;
        let pipeline = Self::new(plan, stats, None);
        let mut state = pipeline.lock();
        let bytes = response.as_ref().map_or(0, |raw| raw.bytes().len());
        pipeline.stats.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
        state.raw_bytes = bytes;
        if let Some(raw) = &response {
            pipeline.rpc.get_or_init(|| raw.rpc());
        }
        // No more than one: the first response finds room, whatever the limits, and nothing waits.
        state.raw.extend(response);
        state.raw_end = Some(End::Rows);
        drop(state);
        pipeline.decode_thread(decoder);
        let used = std::mem::take(&mut pipeline.lock().used);
        let pipeline = Arc::new(pipeline);
        process::register(&pipeline);
        Ok((pipeline, used))
    }

    /// Start to read *source*; on failure the source was closed and retired.
    pub fn start(
        plan: Plan,
        stats: Arc<Stats>,
        source: Arc<dyn Source>,
    ) -> Result<Arc<Self>, Failure> {
        let decoder = match plan.decoder() {
            Ok(decoder) => decoder,
            Err(failure) => {
                give_up(source);
                return Err(failure);
            }
        };
        let pipeline = Arc::new(Self::new(plan, stats, Some(source.clone())));

        let shared = pipeline.clone();
        let decode = spawn("e6data-decode", move || shared.decode_thread(decoder));
        if let Err(failure) = decode {
            give_up(source);
            return Err(pipeline.about(failure));
        }
        let shared = pipeline.clone();
        let fetched = source.clone();
        let fetch = spawn("e6data-fetch", move || shared.fetch_thread(fetched));
        if let Err(failure) = fetch {
            lock(&pipeline.source).take();
            pipeline.end_raw(End::Failed(failure.clone())); // so that the decode thread ends
            give_up(source);
            return Err(pipeline.about(failure));
        }
        drop(source);
        process::register(&pipeline);
        if process::is_stopped() {
            pipeline.shut_down();
        }
        Ok(pipeline)
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

    fn lock(&self) -> MutexGuard<'_, State> {
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

    // ---- consumer

    /// The next batch, or the end. After a failure, or the end, the same again.
    ///
    /// *tick* is called now and then while waiting, without any lock; what it returns stops the
    /// stream. `None` means never.
    pub fn next(
        &self,
        tick: Option<(Duration, &(dyn Fn() -> Option<Failure> + Sync))>,
    ) -> Result<Option<RecordBatch>, Failure> {
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
                drop(state);
                self.decode.notify_one();
                self.stats.rows_delivered.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                self.stats.batches_delivered.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(batch));
            }
            match &state.end {
                Some(End::Rows) => return Ok(None),
                Some(End::Failed(failure)) => return Err(failure.clone()),
                None => {}
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
                let interruption = tick();
                if let Some(failure) = interruption {
                    if self.stop(&self.about(failure)) && self.needs_cancel() {
                        self.send_cancel();
                    }
                }
                state = self.lock();
            }
            state.consumer_waits = false;
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

    /// Cancel what is left of the stream; false if nothing was. Does not call the source.
    fn stop(&self, failure: &Failure) -> bool {
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
        drop(state);
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

    /// Whether only the source's `cancel` can end a call that is no longer wanted.
    fn needs_cancel(&self) -> bool {
        let state = self.lock();
        state.abandoned && state.calling
    }

    fn send_cancel(&self) {
        let source = lock(&self.source).clone();
        if let Some(source) = source {
            if !self.cancel_sent.swap(true, Ordering::SeqCst) {
                source.cancel();
            }
            source.retire(Vec::new()); // this may be the last reference
        }
    }

    fn abandon(&self, state: &mut State) {
        state.abandoned = true;
        self.fetch.notify_all();
        self.decode.notify_all();
    }

    // ---- fetch thread

    fn fetch_thread(&self, source: Arc<dyn Source>) {
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
                    let bytes = raw.bytes().len();
                    self.rpc.get_or_init(|| raw.rpc());
                    self.stats.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
                    state.raw_bytes += bytes;
                    state.last_bytes = bytes;
                    state.raw.push_back(raw);
                    self.tell_room(&state);
                    drop(state);
                    self.decode.notify_one();
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

    /// Wait until a response may be fetched; returns what to drop meanwhile, or `None` to stop.
    fn wait_for_room(&self) -> Option<Vec<Raw>> {
        let options = &self.plan.options;
        let mut state = self.lock();
        loop {
            if state.abandoned {
                return None;
            }
            let room = if options.prefetch == 0 {
                state.consumer_waits && state.raw.is_empty() && !state.decoding
            } else {
                state.raw.is_empty()
                    || (state.raw.len() < options.prefetch && state.raw_bytes < options.queue_bytes)
            };
            if room {
                state.calling = true;
                return Some(std::mem::take(&mut state.used));
            }
            state = self.fetch.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Tell whoever fetches whether he may ask for a second response before the first is copied.
    fn tell_room(&self, state: &State) {
        let options = &self.plan.options;
        let bytes = state.raw_bytes.saturating_add(state.last_bytes);
        let has_room = state.raw.len() + 1 < options.prefetch && bytes < options.queue_bytes;
        self.stats.has_room.store(has_room && !state.abandoned, Ordering::Relaxed);
    }

    fn end_raw(&self, end: End) {
        let mut state = self.lock();
        state.calling = false;
        state.raw_end.get_or_insert(end);
        drop(state);
        self.decode.notify_one();
    }

    // ---- decode thread

    fn decode_thread(&self, decoder: ChunkDecoder) {
        let mut merger = Merger::new(decoder);
        let result = catch_unwind(AssertUnwindSafe(|| self.decode_all(&mut merger)));
        let end = result.unwrap_or_else(|_| {
            Some(End::Failed(self.failure(Status::Internal, "the decode thread panicked")))
        });
        let mut state = self.lock();
        if matches!(end, Some(End::Failed(_))) {
            self.abandon(&mut state);
        }
        state.end = end;
        state.decode_ended = true;
        let needs_cancel = state.abandoned && state.calling;
        drop(state);
        self.fetch.notify_all();
        self.consume.notify_all();
        if needs_cancel {
            self.send_cancel();
        }
    }

    /// Decode until the end, which is returned; `None` if the stream was stopped.
    fn decode_all(&self, merger: &mut Merger) -> Option<End> {
        let mut rows = 0u64;
        loop {
            match self.next_step(merger) {
                Step::Stop => return None,
                Step::Deliver => self.deliver(merger.finish()),
                Step::Decode(raw) => {
                    let decoded = merger.decode(raw.as_ref(), &self.plan.options);
                    rows += decoded.rows as u64;
                    self.stats.rows_decoded.fetch_add(decoded.rows as u64, Ordering::Relaxed);
                    for batch in decoded.ready {
                        self.deliver(batch);
                    }
                    let mut state = self.lock();
                    state.used.push(raw);
                    drop(state);
                    if let Some(error) = decoded.error {
                        self.deliver(merger.finish());
                        return Some(End::Failed(self.decode_failure(merger.chunks, error)));
                    }
                }
                Step::End(End::Rows) => return Some(self.account(rows)),
                Step::End(failed) => return Some(failed),
            }
        }
    }

    fn next_step(&self, merger: &Merger) -> Step {
        let options = &self.plan.options;
        let batch_bytes = options.batch_bytes.min(options.queue_bytes);
        let held_rows = merger.decoder.rows();
        let held_bytes = merger.decoder.bytes();
        let held_for = merger.held_since.map_or(Duration::ZERO, |since| since.elapsed());
        let started = Instant::now();
        let mut state = self.lock();
        loop {
            if state.stopped.is_some() {
                return Step::Stop;
            }
            let drained = state.raw.is_empty() && state.raw_end.is_some();
            let patience = PATIENCE.saturating_sub(held_for + started.elapsed());
            let is_due = (patience.is_zero() || options.prefetch == 0) && state.batches.is_empty();
            if held_rows > 0
                && (!merger.has_delivered
                    || is_due
                    || drained
                    || held_rows >= options.batch_rows
                    || held_bytes >= batch_bytes)
            {
                return Step::Deliver;
            }
            // Rows that are held count, wherever they wait; one batch is always allowed.
            let full = state.batch_bytes + held_bytes >= options.queue_bytes.max(1);
            if !full || state.batches.is_empty() {
                if let Some(raw) = state.raw.pop_front() {
                    state.raw_bytes -= raw.bytes().len();
                    state.decoding = true;
                    self.tell_room(&state);
                    drop(state);
                    self.fetch.notify_one();
                    return Step::Decode(raw);
                }
            }
            if drained {
                return Step::End(state.raw_end.clone().unwrap_or(End::Rows));
            }
            state.decoding = false;
            if options.prefetch == 0 {
                self.fetch.notify_one();
            }
            state = if held_rows > 0 && !patience.is_zero() {
                let waited = self.decode.wait_timeout(state, patience);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else {
                self.decode.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    fn deliver(&self, batch: RecordBatch) {
        if batch.num_rows() == 0 {
            return;
        }
        let bytes = batch.get_array_memory_size();
        let mut state = self.lock();
        if state.stopped.is_none() {
            state.batch_bytes += bytes;
            state.batches.push_back((batch, bytes));
            state.consumer_waits = false;
            drop(state);
            self.consume.notify_one();
        }
    }

    /// Compare the rows that came with the rows that were announced.
    fn account(&self, rows: u64) -> End {
        let announced = self.plan.announced_rows;
        if self.plan.options.allow_missing_rows || announced <= 0 || rows >= announced as u64 {
            return End::Rows;
        }
        End::Failed(self.failure(
            Status::InvalidData,
            format_args!("the server announced {announced} rows and ended after {rows}"),
        ))
    }

    fn decode_failure(&self, chunk: u64, error: DecodeError) -> Failure {
        let name = error.column.map(|column| match self.plan.schema.fields().get(column) {
            Some(field) => quoted(field.name()),
            None => column.to_string(),
        });
        let place = match (name, error.row) {
            (Some(name), Some(row)) => format!(" (column {name}, row {row})"),
            (Some(name), None) => format!(" (column {name})"),
            (None, _) => String::new(),
        };
        self.about(Failure::new(
            Status::InvalidData,
            format_args!(
                "could not decode chunk {chunk} of query {}: {} at byte {}{place}",
                quoted(&self.plan.query_id),
                error.kind.name().replace('_', " "),
                error.offset,
            ),
        ))
        .with_hint(hint(error.kind))
        .with_detail("e6data.decode_kind", error.kind.name())
        .with_detail("e6data.byte_offset", error.offset.to_string())
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

/// The user's next step, where there is one.
fn hint(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::BadDecimal => Some(
            "the first rows decided the column's scale, and this value has no exact place there; \
             cast the column to DECIMAL(38, s) in the query, with a scale s that fits all values",
        ),
        ErrorKind::LimitExceeded => Some(
            "adbc.e6data.result.max_chunk_rows and adbc.e6data.result.max_chunk_bytes are the \
             limits",
        ),
        _ => None,
    }
}

enum Step {
    Decode(Raw),
    Deliver,
    End(End),
    Stop,
}

fn give_up(source: Arc<dyn Source>) {
    source.cancel();
    source.close(Vec::new());
    source.retire(Vec::new());
}

/// Start a counted, detached thread.
fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
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
