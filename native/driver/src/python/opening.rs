//! The beginning of one result: executed, its metadata and first rows asked for, without Python in between.
//!
//! As with a course, Python says what is usual about the answers, and goes on itself from the first
//! one that is not: that is given to it as the answer of a call that it made.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e6data_chunk::metadata::{self, ResultMetadata};
use e6data_chunk::response::{self, Asked, Version};
use e6data_transport as transport;
use e6data_transport::{Call, Message, Outcome, Waited};
use pyo3::prelude::*;

use crate::process::lock;
use crate::python::codec::{self, ColumnTuple, Response};
use crate::python::course::Known;
use crate::python::transport::{seconds, waited, Channel, Exchange, Pairs, Registered};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Execute,
    Metadata,
    Fetch,
}

/// A call under way, or one whose answer Python has to see.
enum Left {
    Sent(Arc<transport::Exchange>),
    Come(Outcome),
}

impl Left {
    fn into_exchange(self) -> Exchange {
        match self {
            Self::Sent(exchange) => Exchange::of(exchange),
            Self::Come(outcome) => Exchange::come(outcome),
        }
    }
}

#[derive(Default)]
struct Progress {
    /// What is waited for; `None` at the end.
    step: Option<Step>,
    /// Since when the longest of the calls has been under way.
    since: Option<Instant>,
    execute: Option<Left>,
    metadata: Option<Left>,
    fetch: Option<Left>,
    is_executed: bool,
    /// When the metadata were asked for.
    asked: Option<Instant>,
    described: Option<ResultMetadata>,
    responses: Vec<Message>,
    /// Nothing more is sent.
    is_over: bool,
}

impl Progress {
    fn left(&mut self, step: Step) -> &mut Option<Left> {
        match step {
            Step::Execute => &mut self.execute,
            Step::Metadata => &mut self.metadata,
            Step::Fetch => &mut self.fetch,
        }
    }

    fn awaited(&mut self) -> Option<(Step, Arc<transport::Exchange>)> {
        let step = self.step?;
        match self.left(step) {
            Some(Left::Sent(exchange)) => Some((step, exchange.clone())),
            _ => None,
        }
    }
}

/// Path, message and seconds of a call.
type Request<'a> = (String, &'a [u8], f64);

/// How far it came: whether it is executed, the execute, the metadata as columns, the request for them,
/// responses, the next fetch, seconds since the metadata were asked for. Each call is one whose answer
/// Python has to see.
type Opened = (
    bool,
    Option<Exchange>,
    Option<(i64, Vec<ColumnTuple>)>,
    Option<Exchange>,
    Vec<Response>,
    Option<Exchange>,
    f64,
);

/// See the module; `e6data_adbc._transport.api.Opening`.
#[pyclass(frozen, module = "e6data_adbc._native")]
pub struct Opening {
    channel: Arc<Registered>,
    execute: Call,
    metadata: Call,
    fetch: Call,
    version: Version,
    known: Known,
    /// A result of so many rows, or fewer, is received here.
    most_rows: i64,
    /// Until when calls may be sent as they are, and until when metadata must be here.
    until: Option<Instant>,
    ends: Instant,
    progress: Mutex<Progress>,
}

impl Opening {
    /// Go on until the end or *until*; tells whether that was the end.
    fn drive(&self, until: Option<Instant>) -> Option<()> {
        loop {
            let Some((step, exchange)) = lock(&self.progress).awaited() else { return Some(()) };
            let Waited::Ended(outcome) = exchange.wait(until) else { return None };
            self.take(step, outcome);
        }
    }

    /// Take the answer of *step*, and send what follows it.
    fn take(&self, step: Step, outcome: Outcome) {
        let mut progress = lock(&self.progress);
        *progress.left(step) = None;
        progress.step = None;
        let unusual = match outcome {
            Outcome::Message(message) => match step {
                Step::Execute => self.take_execution(&mut progress, message),
                Step::Metadata => self.take_metadata(&mut progress, message),
                Step::Fetch => self.take_response(&mut progress, message),
            }
            .map(Outcome::Message),
            failed => Some(failed),
        };
        if let Some(outcome) = unusual {
            *progress.left(step) = Some(Left::Come(outcome));
        }
    }

    // Each of these returns what is not usual.

    fn take_execution(&self, progress: &mut Progress, message: Message) -> Option<Message> {
        let answer = response::parse_answer(&message, Asked::Execution).ok();
        if !answer
            .is_some_and(|found| self.known.covers(&message, found.session_id, found.new_strategy))
        {
            return Some(message);
        }
        progress.is_executed = true;
        self.ask(progress);
        None
    }

    fn take_metadata(&self, progress: &mut Progress, message: Message) -> Option<Message> {
        let Some(described) = self.described(&message) else { return Some(message) };
        if 0 < described.row_count && described.row_count <= self.most_rows {
            progress.step = Some(Step::Fetch);
        }
        progress.described = Some(described);
        None
    }

    fn take_response(&self, progress: &mut Progress, message: Message) -> Option<Message> {
        match self.known.usual(&message, self.version) {
            // V2: without a chunk there is nothing yet.
            Some((chunks, rows, is_last)) if is_last || !chunks.is_empty() => {
                progress.responses.push(message);
                let announced = progress.described.as_ref().map_or(0, |found| found.row_count);
                // All of it, which its protocol has yet to say.
                if !is_last && rows == announced && progress.responses.len() == 1 {
                    self.fetch(progress);
                }
                None
            }
            _ => Some(message),
        }
    }

    fn described(&self, message: &[u8]) -> Option<ResultMetadata> {
        let answer = response::parse_answer(message, Asked::Metadata).ok()?;
        if !self.known.covers(message, answer.session_id, answer.new_strategy) {
            return None;
        }
        metadata::parse(&message[answer.body]).ok()
    }

    /// Ask for metadata and first rows, which leave together.
    fn ask(&self, progress: &mut Progress) {
        let now = Instant::now();
        let left = self.ends.saturating_duration_since(now);
        if !self.may_send(progress, now) || left.is_zero() {
            return;
        }
        let metadata = Call { timeout: self.metadata.timeout.min(left), ..self.metadata.clone() };
        let sent = self.channel.start_all([metadata, self.fetch.clone()]);
        if let Some([metadata, fetch]) = sent {
            progress.metadata = Some(Left::Sent(Arc::new(metadata)));
            progress.fetch = Some(Left::Sent(Arc::new(fetch)));
            progress.step = Some(Step::Metadata);
            progress.since = Some(now);
            progress.asked = Some(now);
        }
    }

    fn fetch(&self, progress: &mut Progress) {
        let now = Instant::now();
        if !self.may_send(progress, now) {
            return;
        }
        if let Some(fetch) = self.channel.start(self.fetch.clone()) {
            progress.fetch = Some(Left::Sent(Arc::new(fetch)));
            progress.step = Some(Step::Fetch);
            progress.since = Some(now);
        }
    }

    fn may_send(&self, progress: &Progress, now: Instant) -> bool {
        !progress.is_over && self.until.is_none_or(|until| now < until)
    }
}

#[pymethods]
impl Opening {
    #[new]
    #[pyo3(signature = (
        channel, headers, secret, *, execute, metadata, fetch, protocol, session_id, strategy,
        most_rows, seconds_left, seconds = None,
    ))]
    #[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)] // given by Python
    fn new(
        channel: &Bound<'_, Channel>,
        headers: Pairs,
        secret: Pairs,
        execute: Request<'_>,
        metadata: Request<'_>,
        fetch: Request<'_>,
        protocol: i64,
        session_id: String,
        strategy: String,
        most_rows: i64,
        seconds_left: f64,
        seconds: Option<f64>,
    ) -> PyResult<Self> {
        let call = |(path, message, timeout): Request<'_>| Call {
            path,
            message: message.to_vec(),
            headers: headers.clone(),
            secret: secret.clone(),
            timeout: self::seconds(timeout),
        };
        let now = Instant::now();
        let within = |seconds| now + self::seconds(seconds).min(Duration::from_secs(1 << 32));
        Ok(Self {
            channel: channel.get().registered(),
            execute: call(execute),
            metadata: call(metadata),
            fetch: call(fetch),
            version: codec::version(protocol)?,
            known: Known { session_id, strategy },
            most_rows,
            until: seconds.map(within),
            ends: within(seconds_left),
            progress: Mutex::default(),
        })
    }

    /// Makes the calls, once, and returns how far it came; blocks.
    fn run(&self, py: Python<'_>) -> PyResult<Opened> {
        let mut progress = lock(&self.progress);
        let now = Instant::now();
        if !progress.is_over {
            let exchange = self.channel.start(self.execute.clone());
            progress.execute = exchange.map(|exchange| Left::Sent(Arc::new(exchange)));
            progress.step = progress.execute.is_some().then_some(Step::Execute);
            progress.since = Some(now);
        }
        drop(progress);
        if let Err(interrupt) = waited(py, |until| self.drive(until)) {
            self.cancel();
            return Err(interrupt);
        }
        let mut progress = lock(&self.progress);
        progress.since = None;
        let mut left = |step| progress.left(step).take().map(Left::into_exchange);
        let (execute, metadata, fetch) =
            (left(Step::Execute), left(Step::Metadata), left(Step::Fetch));
        let responses = std::mem::take(&mut progress.responses);
        let described = progress.described.take().map(codec::columns);
        let is_executed = progress.is_executed;
        let asked = progress.asked.map_or(0.0, |asked| asked.elapsed().as_secs_f64());
        drop(progress);
        let responses = responses.iter().map(|message| Response::copied(py, message, self.version));
        let responses = responses.collect::<PyResult<Vec<_>>>()?;
        Ok((is_executed, execute, described, metadata, responses, fetch, asked))
    }

    /// Ends the calls under way, and begins no other; who waits for them is told at once.
    fn cancel(&self) {
        let mut progress = lock(&self.progress);
        progress.is_over = true;
        let sent: Vec<_> = [Step::Execute, Step::Metadata, Step::Fetch]
            .into_iter()
            .filter_map(|step| match progress.left(step) {
                Some(Left::Sent(exchange)) => Some(exchange.clone()),
                _ => None,
            })
            .collect();
        drop(progress);
        for exchange in sent {
            exchange.cancel();
        }
    }

    /// For how many seconds a call has been under way; None where there is none.
    fn waits(&self) -> Option<f64> {
        lock(&self.progress).since.map(|since| since.elapsed().as_secs_f64())
    }

    fn __repr__(&self) -> String {
        format!("<Opening, {} responses>", lock(&self.progress).responses.len())
    }
}
