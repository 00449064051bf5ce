//! The good way of one result: responses that are asked for, judged and handed on without Python.
//!
//! Python makes a course once it knows what is usual about the responses of a query, and is asked
//! again for whatever is not: a failure, the end, another session, another colour, nothing yet. What
//! came then is given to it as the answer of a call that it began itself.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e6data_chunk::peek_rows;
use e6data_chunk::response::{self, Version};
use e6data_transport as transport;
use e6data_transport::{Call, Message, Outcome, Waited};
use pyo3::prelude::*;

use crate::pipeline::{self, Course as _, Payload, Raw, Stats, Turn};
use crate::process::lock;
use crate::python::codec;
use crate::python::transport::{seconds, Channel, Exchange, Pairs, Registered};

/// A response in a buffer of the transport's, to which that goes back when it is dropped.
struct Arrived {
    message: Message,
    chunks: Vec<Range<usize>>,
    version: Version,
}

impl Payload for Arrived {
    fn bytes(&self) -> &[u8] {
        &self.message
    }

    fn chunks(&self) -> &[Range<usize>] {
        &self.chunks
    }

    fn rpc(&self) -> &'static str {
        codec::rpc(self.version)
    }

    fn is_of_python(&self) -> bool {
        false
    }
}

/// What answers say that nobody has to be told.
pub struct Known {
    pub session_id: String,
    pub strategy: String,
}

impl Known {
    /// Whether *bytes* name no other session and no other colour.
    pub fn covers(
        &self,
        bytes: &[u8],
        session_id: Option<Range<usize>>,
        new_strategy: Option<Range<usize>>,
    ) -> bool {
        let is_known = |range: Option<Range<usize>>, known: &str| {
            range.is_none_or(|range| {
                let said = &bytes[range];
                said.is_empty() || said == known.as_bytes()
            })
        };
        is_known(session_id, &self.session_id) && is_known(new_strategy, &self.strategy)
    }

    /// Chunks and rows of a response, and whether it is the last; `None` if somebody has to know of it.
    pub fn usual(&self, bytes: &[u8], version: Version) -> Option<(Vec<Range<usize>>, i64, bool)> {
        let parsed = response::parse(bytes, version).ok()?;
        if !self.covers(bytes, parsed.session_id, parsed.new_strategy) {
            return None;
        }
        let rows = parsed.chunks.iter().map(|range| peek_rows(&bytes[range.clone()]));
        let rows = rows.map(|rows| rows.map(i64::from)).sum::<Result<i64, _>>().ok()?;
        Some((parsed.chunks, rows, parsed.end_of_stream))
    }
}

#[derive(Default)]
struct Progress {
    responses: u64,
    rows: i64,
    most_rows: i64,
    /// The call under way, and since when.
    begun: Option<(Arc<transport::Exchange>, Instant)>,
    /// What came of the last call, which Python has to see.
    unusual: Option<Outcome>,
    /// Nothing more goes this way.
    is_over: bool,
}

/// See the module.
pub struct Track {
    channel: Arc<Registered>,
    call: Call,
    version: Version,
    known: Known,
    /// The rows that were still to come when the course began, and the most that one response had.
    missing_rows: i64,
    most_rows: i64,
    is_followed: bool,
    until: Option<Instant>,
    progress: Mutex<Progress>,
}

impl Track {
    /// The next response if it is a usual one; otherwise the course is over, and Python goes on. Blocks.
    pub fn next(&self, stats: &Stats) -> Option<Raw> {
        loop {
            match self.take(None, stats) {
                Turn::Response(raw) => return Some(raw),
                Turn::Over => return None,
                Turn::NotYet => {} // a signal
            }
        }
    }

    fn send(&self, progress: &mut Progress) {
        let now = Instant::now();
        if progress.is_over || self.until.is_some_and(|until| now >= until) {
            return;
        }
        let exchange = self.channel.start(self.call.clone());
        progress.begun = exchange.map(|exchange| (Arc::new(exchange), now));
    }

    fn end(&self) -> Option<Arc<transport::Exchange>> {
        let mut progress = lock(&self.progress);
        progress.is_over = true;
        progress.begun.clone().map(|(exchange, _)| exchange)
    }

    /// The response that *message* is, with its rows, unless somebody has to know of it.
    fn judge(&self, message: Message) -> Result<(Arrived, i64), Outcome> {
        match self.known.usual(&message, self.version) {
            Some((chunks, rows, false)) if !chunks.is_empty() => {
                Ok((Arrived { message, chunks, version: self.version }, rows))
            }
            _ => Err(Outcome::Message(message)),
        }
    }
}

impl pipeline::Course for Track {
    fn begin(&self) {
        let mut progress = lock(&self.progress);
        if progress.begun.is_none() {
            self.send(&mut progress);
        }
    }

    fn take(&self, until: Option<Instant>, stats: &Stats) -> Turn {
        let mut progress = lock(&self.progress);
        if progress.begun.is_none() {
            self.send(&mut progress);
        }
        let Some((exchange, _)) = progress.begun.clone() else {
            progress.is_over = true;
            return Turn::Over;
        };
        drop(progress);
        let Waited::Ended(outcome) = exchange.wait(until) else { return Turn::NotYet };
        let mut progress = lock(&self.progress);
        progress.begun = None;
        let judged = match outcome {
            Outcome::Message(message) => self.judge(message),
            other => Err(other),
        };
        match judged {
            Ok((arrived, rows)) => {
                progress.responses += 1;
                progress.rows += rows;
                progress.most_rows = progress.most_rows.max(rows);
                let most_rows = self.most_rows.max(progress.most_rows);
                let is_followed = self.is_followed
                    && 0 < most_rows
                    && most_rows < self.missing_rows - progress.rows
                    && stats.has_room.load(std::sync::atomic::Ordering::Relaxed);
                if is_followed {
                    // Before the rows are decoded, so that the server makes the next ones meanwhile.
                    self.send(&mut progress);
                }
                Turn::Response(Arc::new(arrived))
            }
            Err(outcome) => {
                progress.unusual = Some(outcome);
                progress.is_over = true;
                Turn::Over
            }
        }
    }

    fn cancel(&self) {
        if let Some(exchange) = self.end() {
            exchange.cancel();
        }
    }
}

/// A [`Track`] as Python holds it; see `e6data_adbc._transport.api.Course`.
#[pyclass(frozen, module = "e6data_adbc._native")]
pub struct Course(Arc<Track>);

impl Course {
    pub fn track(&self) -> Arc<Track> {
        self.0.clone()
    }
}

#[pymethods]
impl Course {
    #[new]
    #[pyo3(signature = (
        channel, path, message, timeout, headers, secret, *, protocol, session_id, strategy,
        missing_rows, most_rows, is_followed, seconds = None, begun = None,
    ))]
    #[allow(clippy::too_many_arguments)] // given by keyword
    fn new(
        channel: &Bound<'_, Channel>,
        path: String,
        message: &[u8],
        timeout: f64,
        headers: Pairs,
        secret: Pairs,
        protocol: i64,
        session_id: String,
        strategy: String,
        missing_rows: i64,
        most_rows: i64,
        is_followed: bool,
        seconds: Option<f64>,
        begun: Option<&Bound<'_, Exchange>>,
    ) -> PyResult<Self> {
        let timeout = self::seconds(timeout);
        let call = Call { path, message: message.to_vec(), headers, secret, timeout };
        let until = seconds
            .map(|seconds| Instant::now() + self::seconds(seconds).min(Duration::from_secs(3600)));
        let begun = begun.map(|begun| begun.get().sent()).transpose()?;
        let begun = begun.map(|exchange| (exchange, Instant::now()));
        Ok(Self(Arc::new(Track {
            channel: channel.get().registered(),
            call,
            version: codec::version(protocol)?,
            known: Known { session_id, strategy },
            missing_rows,
            most_rows,
            is_followed,
            until,
            progress: Mutex::new(Progress { begun, ..Progress::default() }),
        })))
    }

    /// Ends the course; returns responses, rows, the most rows of one response, and the call that is Python's to end.
    fn leave(&self) -> (u64, i64, i64, Option<Exchange>) {
        let mut progress = lock(&self.0.progress);
        progress.is_over = true;
        let left = match progress.unusual.take() {
            Some(outcome) => Some(Exchange::come(outcome)),
            None => progress.begun.take().map(|(exchange, _)| Exchange::of(exchange)),
        };
        (progress.responses, progress.rows, progress.most_rows, left)
    }

    /// Ends the call under way, and begins no other; who waits for it is told at once.
    fn cancel(&self) {
        pipeline::Course::cancel(self.0.as_ref());
    }

    /// For how many seconds a call has been under way; None where there is none.
    fn waits(&self) -> Option<f64> {
        let progress = lock(&self.0.progress);
        progress.begun.as_ref().map(|(_, since)| since.elapsed().as_secs_f64())
    }

    fn __repr__(&self) -> String {
        format!("<Course, {} responses>", lock(&self.0.progress).responses)
    }
}
