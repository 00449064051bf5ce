//! Decoding: responses become batches, which wait for the consumer. It is the decode thread's, or the
//! consumer's own while that takes turns.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::PoisonError;
use std::time::Duration;

use arrow_array::RecordBatch;
use e6data_chunk::{DecodeError, ErrorKind};

use crate::error::{quoted, Failure, Status};
use crate::pipeline::merge::Merger;
use crate::pipeline::shared::{End, Pipeline, State};
use crate::pipeline::source::Raw;

/// How long rows wait for others before a consumer who has nothing gets them.
const PATIENCE: Duration = Duration::from_millis(100);

/// What there is to do for whoever decodes.
pub(super) enum Step {
    Decode(Raw),
    Deliver,
    End(End),
    Stop,
    /// Nothing, until more is here; rows are held that are due after so long.
    Wait(Option<Duration>),
}

impl Pipeline {
    /// The body of the decode thread.
    pub(super) fn decode_thread(&self) {
        let result = catch_unwind(AssertUnwindSafe(|| self.decode_all()));
        let end = result.unwrap_or_else(|_| {
            Some(End::Failed(self.failure(Status::Internal, "the decode thread panicked")))
        });
        self.end_decoding(end);
    }

    /// No further batch comes.
    pub(super) fn end_decoding(&self, end: Option<End>) {
        let mut state = self.lock();
        if matches!(end, Some(End::Failed(_))) {
            self.abandon(&mut state);
        }
        if !state.decode_ended {
            state.end = end;
        }
        state.decode_ended = true;
        let course = state.course.take();
        let needs_cancel = state.abandoned && state.calling;
        drop(state);
        drop(course);
        self.fetch.notify_all();
        self.decode.notify_all();
        self.consume.notify_all();
        if needs_cancel {
            self.send_cancel();
        }
    }

    /// Decode until the end, which is returned; `None` if the stream was stopped, or the consumer ended it.
    fn decode_all(&self) -> Option<End> {
        let mut state = self.lock();
        loop {
            if state.decode_ended || state.stopped.is_some() {
                return None;
            }
            let merger = if state.course.is_some() { None } else { state.merger.take() };
            let Some(mut merger) = merger else {
                self.consume.notify_one(); // the turn is the consumer's, who may have waited for the decoder
                state = self.decode.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let step = self.next_step(&mut state, &merger);
            if let Step::Wait(patience) = step {
                state.merger = Some(merger);
                state = match patience {
                    Some(patience) => {
                        let waited = self.decode.wait_timeout(state, patience);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                    None => self.decode.wait(state).unwrap_or_else(PoisonError::into_inner),
                };
                continue;
            }
            drop(state);
            if let Some(end) = self.carry_out(&mut merger, step) {
                return end;
            }
            state = self.lock();
            state.merger = Some(merger);
        }
    }

    /// Do *step*; tells how decoding ended, if it has.
    #[allow(clippy::option_option)] // whether it has, and whether with anything to say
    pub(super) fn carry_out(&self, merger: &mut Merger, step: Step) -> Option<Option<End>> {
        match step {
            Step::Wait(_) => {}
            Step::Stop => return Some(None),
            Step::Deliver => self.deliver(merger.finish()),
            Step::Decode(raw) => {
                let decoded = merger.decode(raw.as_ref(), &self.plan.options);
                merger.total += decoded.rows as u64;
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
                    return Some(Some(End::Failed(self.decode_failure(merger.chunks, error))));
                }
            }
            Step::End(End::Rows) => return Some(Some(self.account(merger.total))),
            Step::End(failed) => return Some(Some(failed)),
        }
        None
    }

    /// What to do next with what is here.
    pub(super) fn next_step(&self, state: &mut State, merger: &Merger) -> Step {
        let options = &self.plan.options;
        let batch_bytes = options.batch_bytes.min(options.queue_bytes);
        let held_rows = merger.decoder.rows();
        let held_bytes = merger.decoder.bytes();
        let held_for = merger.held_since.map_or(Duration::ZERO, |since| since.elapsed());
        if state.stopped.is_some() {
            return Step::Stop;
        }
        let drained = state.raw.is_empty() && state.raw_end.is_some();
        let patience = PATIENCE.saturating_sub(held_for);
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
        let full = state.batch_bytes + held_bytes >= self.room().max(1);
        if !full || state.batches.is_empty() {
            if let Some(raw) = state.raw.pop_front() {
                state.raw_bytes -= raw.bytes().len();
                state.decoding = true;
                self.tell_room(state);
                if state.course.is_none() {
                    self.fetch.notify_one();
                }
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
        Step::Wait((held_rows > 0 && !patience.is_zero()).then_some(patience))
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
