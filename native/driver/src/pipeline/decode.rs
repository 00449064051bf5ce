//! The decode thread's side of a pipeline: responses become batches, which wait for the consumer.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use e6data_chunk::{ChunkDecoder, DecodeError, ErrorKind};

use crate::error::{quoted, Failure, Status};
use crate::pipeline::merge::Merger;
use crate::pipeline::shared::{End, Pipeline};
use crate::pipeline::source::Raw;

/// How long rows wait for others before a consumer who has nothing gets them.
const PATIENCE: Duration = Duration::from_millis(100);

enum Step {
    Decode(Raw),
    Deliver,
    End(End),
    Stop,
}

impl Pipeline {
    /// The body of the decode thread.
    pub(super) fn decode_thread(&self, decoder: ChunkDecoder) {
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
                    // What nobody else has to free makes room for the next response at once.
                    if raw.is_of_python() {
                        self.lock().used.push(raw);
                    }
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

/// The user's next step, where there is one.
fn hint(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::BadDecimal => Some(
            "the first rows decided the column's scale, and this value has no exact place there; \
             cast the column to DECIMAL(38, s) in the query, with a scale s that fits all values",
        ),
        ErrorKind::BadNested => Some(
            "the text is no value of the type that the server told, or not without doubt; \
             adbc.e6data.result.nested=text gives it as it is",
        ),
        ErrorKind::LimitExceeded => Some(
            "adbc.e6data.result.max_chunk_rows and adbc.e6data.result.max_chunk_bytes are the \
             limits",
        ),
        _ => None,
    }
}
