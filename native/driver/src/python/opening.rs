//! The beginning of one result without Python in between: the query executed, its metadata and first rows asked for.
//!
//! By a shortcut it is prepared before that as well, and cleared once all of a small result is here.
//! As with a course, Python says what is usual about the answers, and goes on itself from the first
//! one that is not: that is given to it as the answer of a call that it made.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use e6data_chunk::metadata::{self, ResultMetadata};
use e6data_chunk::response::{self, Asked, Version};
use e6data_transport as transport;
use e6data_transport::{Call, Message, Outcome, Waited};
use pyo3::prelude::*;

use crate::process::lock;
use crate::python::codec::{self, ColumnTuple, Response};
use crate::python::course::Known;
use crate::python::requests::{Plan, Requests};
use crate::python::transport::{seconds, waited, Channel, Exchange, Pairs, Registered};

/// What may be waited for that need not be here yet: so long, and for an answer of which nothing is
/// under way as long as another one took, which is this at most.
const PATIENCE: Duration = Duration::from_millis(5);
const LONGEST_TRIP: Duration = Duration::from_millis(250);
/// A response of so many bytes, or fewer, may be all of a result of unknown length.
const SHORT_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Prepare,
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
    prepare: Option<Left>,
    execute: Option<Left>,
    metadata: Option<Left>,
    fetch: Option<Left>,
    clear: Option<Left>,
    /// Planner and id of the query, where it was prepared here.
    prepared: Option<(String, String)>,
    is_executed: bool,
    /// When the last of prepare, execute and metadata was sent.
    asked: Option<Instant>,
    described: Option<ResultMetadata>,
    responses: Vec<Message>,
    /// Until when the answer of this step is waited for, if it need not be here.
    patience: Option<Instant>,
    /// How long the metadata were under way.
    trip: Duration,
    /// Nothing more is sent.
    is_over: bool,
}

impl Progress {
    fn left(&mut self, step: Step) -> &mut Option<Left> {
        match step {
            Step::Prepare => &mut self.prepare,
            Step::Execute => &mut self.execute,
            Step::Metadata => &mut self.metadata,
            Step::Fetch => &mut self.fetch,
        }
    }

    fn awaited(&mut self) -> Option<(Step, Arc<transport::Exchange>, Option<Instant>)> {
        let step = self.step?;
        let patience = self.patience;
        match self.left(step) {
            Some(Left::Sent(exchange)) => Some((step, exchange.clone(), patience)),
            _ => None,
        }
    }
}

/// Path, message and seconds of a call.
type Request<'a> = (String, &'a [u8], f64);

/// How far it came: the prepare, planner and id of the query, whether it is executed, the execute, the
/// metadata as columns, the request for them, responses, the next fetch, the clear of a query whose
/// result is whole, seconds since the last of prepare, execute and metadata was sent. Each call is one
/// whose answer Python has to see.
type Opened = (
    Option<Exchange>,
    Option<(String, String)>,
    bool,
    Option<Exchange>,
    Option<(i64, Vec<ColumnTuple>)>,
    Option<Exchange>,
    Vec<Response>,
    Option<Exchange>,
    Option<Exchange>,
    f64,
);

/// What is known of a result before it begins.
pub struct Terms {
    pub version: Version,
    /// What answers say that nobody has to be told.
    pub session_id: String,
    pub strategy: String,
    /// A result of so many rows, or fewer, is received here.
    pub most_rows: i64,
    /// For how long calls may be sent as they are, and how long all may take to the metadata.
    pub seconds: Option<Duration>,
    pub total: Duration,
}

/// See the module; `e6data_adbc._transport.api.Opening`.
#[pyclass(frozen, module = "e6data_adbc._native")]
pub struct Opening {
    channel: Arc<Registered>,
    /// Where the query is prepared here: how, and what follows from it.
    plan: Option<(Arc<Plan>, Mutex<Option<Call>>)>,
    requests: OnceLock<Requests>,
    version: Version,
    known: Known,
    most_rows: i64,
    until: Option<Instant>,
    ends: Instant,
    progress: Mutex<Progress>,
}

impl Opening {
    fn new_with(channel: Arc<Registered>, terms: Terms) -> Self {
        let Terms { version, session_id, strategy, most_rows, seconds, total } = terms;
        let now = Instant::now();
        let within = |time: Duration| now + time.min(Duration::from_secs(1 << 32));
        Self {
            channel,
            plan: None,
            requests: OnceLock::new(),
            version,
            known: Known { session_id, strategy },
            most_rows,
            until: seconds.map(within),
            ends: within(total),
            progress: Mutex::default(),
        }
    }

    /// The calls of a query that *plan* prepares, whose text is *sql*.
    pub fn planned(channel: Arc<Registered>, plan: Arc<Plan>, sql: &str, terms: Terms) -> Self {
        let prepare = Mutex::new(Some(plan.preparation(sql)));
        Self { plan: Some((plan, prepare)), ..Self::new_with(channel, terms) }
    }

    /// Go on until the end or *until*; tells whether that was the end.
    fn drive(&self, until: Option<Instant>) -> Option<()> {
        loop {
            let awaited = lock(&self.progress).awaited();
            let Some((step, exchange, patience)) = awaited else { return Some(()) };
            let until = until.into_iter().chain(patience).min();
            match exchange.wait(until) {
                Waited::Ended(outcome) => self.take(step, outcome),
                Waited::NotYet if patience.is_some_and(|patience| patience <= Instant::now()) => {
                    lock(&self.progress).step = None; // whoever reads waits for it
                    return Some(());
                }
                Waited::NotYet => return None,
            }
        }
    }

    /// Take the answer of *step*, and send what follows it.
    fn take(&self, step: Step, outcome: Outcome) {
        let mut progress = lock(&self.progress);
        *progress.left(step) = None;
        progress.step = None;
        let unusual = match outcome {
            Outcome::Message(message) => match step {
                Step::Prepare => self.take_preparation(&mut progress, message),
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

    fn take_preparation(&self, progress: &mut Progress, message: Message) -> Option<Message> {
        let Some((prepared, requests)) = self.preparation(&message) else { return Some(message) };
        progress.prepared = Some(prepared);
        let _ = self.requests.set(requests); // a query is prepared once
        self.execute(progress);
        None
    }

    fn preparation(&self, message: &[u8]) -> Option<((String, String), Requests)> {
        let answer = response::parse_preparation(message).ok()?;
        if !self.known.covers(message, answer.session_id, answer.new_strategy) {
            return None;
        }
        let text = |range: Range<usize>| String::from_utf8(message[range].to_vec()).ok();
        let (engine, query_id) = (text(answer.engine)?, text(answer.query_id)?);
        let requests = self.plan.as_ref()?.0.requests(&engine, &query_id)?;
        Some(((engine, query_id), requests))
    }

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
        progress.trip = progress.asked.map_or(Duration::ZERO, |asked| asked.elapsed());
        if 0 < described.row_count && described.row_count <= self.most_rows {
            progress.step = Some(Step::Fetch);
        } else if described.row_count <= 0 && self.plan.is_some() {
            // How many there are is not known. Those of a quick query come with the metadata.
            progress.step = Some(Step::Fetch);
            progress.patience = Some(Instant::now() + PATIENCE);
        }
        progress.described = Some(described);
        None
    }

    fn take_response(&self, progress: &mut Progress, message: Message) -> Option<Message> {
        match self.known.usual(&message, self.version) {
            // V2: without a chunk there is nothing yet.
            Some((chunks, rows, is_last)) if is_last || !chunks.is_empty() => {
                progress.responses.push(message);
                if is_last {
                    self.clear(progress);
                    return None;
                }
                let announced = progress.described.as_ref().map_or(0, |found| found.row_count);
                let is_short = progress.patience.is_some()
                    && rows <= self.most_rows
                    && progress.responses[0].len() <= SHORT_BYTES;
                // All of it, or perhaps, which its protocol has yet to say.
                if progress.responses.len() == 1 && (rows == announced || is_short) {
                    let trip = progress.trip.min(LONGEST_TRIP) + PATIENCE;
                    progress.patience = is_short.then(|| Instant::now() + trip);
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

    fn execute(&self, progress: &mut Progress) {
        let Some(requests) = self.requests.get() else { return };
        if let Some(exchange) = self.send(progress, &requests.execute) {
            progress.execute = Some(exchange);
            progress.step = Some(Step::Execute);
        }
    }

    /// Ask for metadata and first rows, which leave together.
    fn ask(&self, progress: &mut Progress) {
        let now = Instant::now();
        let Some(requests) = self.requests.get() else { return };
        let Some(metadata) = self.within(&requests.metadata, progress, now) else { return };
        let sent = self.channel.start_all([metadata, requests.fetch.clone()]);
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
        let Some(requests) = self.requests.get() else { return };
        if !self.may_send(progress, now) {
            return;
        }
        if let Some(fetch) = self.channel.start(requests.fetch.clone()) {
            progress.fetch = Some(Left::Sent(Arc::new(fetch)));
            progress.step = Some(Step::Fetch);
            progress.since = Some(now);
        }
    }

    /// Clear the query, all of which is here in one response at most, without waiting for the answer.
    fn clear(&self, progress: &mut Progress) {
        // The response that only says the end of V1 is none of the result.
        let marks = usize::from(self.version == Version::V1);
        let clear = self.requests.get().and_then(|requests| requests.clear.as_ref());
        let Some(clear) = clear.filter(|_| progress.responses.len() <= 1 + marks) else { return };
        if !progress.is_over {
            let exchange = self.channel.start(clear.clone());
            progress.clear = exchange.map(|exchange| Left::Sent(Arc::new(exchange)));
        }
    }

    /// *call*, sent, if there is time for it.
    fn send(&self, progress: &mut Progress, call: &Call) -> Option<Left> {
        let now = Instant::now();
        let exchange = self.channel.start(self.within(call, progress, now)?)?;
        progress.since = Some(now);
        progress.asked = Some(now);
        Some(Left::Sent(Arc::new(exchange)))
    }

    /// *call* with no more time than all may take; `None` if there is none, or nothing may be sent.
    fn within(&self, call: &Call, progress: &Progress, now: Instant) -> Option<Call> {
        let left = self.ends.saturating_duration_since(now);
        if !self.may_send(progress, now) || left.is_zero() {
            return None;
        }
        Some(Call { timeout: call.timeout.min(left), ..call.clone() })
    }

    fn begin(&self, progress: &mut Progress) {
        match &self.plan {
            None => self.execute(progress),
            Some((_, prepare)) => {
                let Some(prepare) = lock(prepare).take() else { return };
                progress.prepare = self.send(progress, &prepare);
                progress.step = progress.prepare.is_some().then_some(Step::Prepare);
            }
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
        let terms = Terms {
            version: codec::version(protocol)?,
            session_id,
            strategy,
            most_rows,
            seconds: seconds.map(self::seconds),
            total: self::seconds(seconds_left),
        };
        let opening = Self::new_with(channel.get().registered(), terms);
        let requests = Requests {
            execute: call(execute),
            metadata: call(metadata),
            fetch: call(fetch),
            clear: None,
        };
        let _ = opening.requests.set(requests); // it is new
        Ok(opening)
    }

    /// Makes the calls, once, and returns how far it came; blocks.
    fn run(&self, py: Python<'_>) -> PyResult<Opened> {
        self.begin(&mut lock(&self.progress));
        if let Err(interrupt) = waited(py, |until| self.drive(until)) {
            self.cancel();
            return Err(interrupt);
        }
        let mut progress = lock(&self.progress);
        progress.since = None;
        let mut left = |step| progress.left(step).take().map(Left::into_exchange);
        let prepare = left(Step::Prepare);
        let (execute, metadata) = (left(Step::Execute), left(Step::Metadata));
        let fetch = left(Step::Fetch);
        let clear = progress.clear.take().map(Left::into_exchange);
        let prepared = progress.prepared.clone();
        let responses = std::mem::take(&mut progress.responses);
        let described = progress.described.take().map(codec::columns);
        let is_executed = progress.is_executed;
        let asked = progress.asked.map_or(0.0, |asked| asked.elapsed().as_secs_f64());
        drop(progress);
        let responses = responses.iter().map(|message| Response::copied(py, message, self.version));
        let responses = responses.collect::<PyResult<Vec<_>>>()?;
        Ok((
            prepare,
            prepared,
            is_executed,
            execute,
            described,
            metadata,
            responses,
            fetch,
            clear,
            asked,
        ))
    }

    /// Ends the calls under way, and begins no other; who waits for them is told at once.
    fn cancel(&self) {
        let mut progress = lock(&self.progress);
        progress.is_over = true;
        let sent: Vec<_> = [Step::Prepare, Step::Execute, Step::Metadata, Step::Fetch]
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

    /// Planner and id of the query, once it was prepared here.
    #[getter]
    fn prepared(&self) -> Option<(String, String)> {
        lock(&self.progress).prepared.clone()
    }

    /// For how many seconds a call has been under way; None where there is none.
    fn waits(&self) -> Option<f64> {
        lock(&self.progress).since.map(|since| since.elapsed().as_secs_f64())
    }

    fn __repr__(&self) -> String {
        format!("<Opening, {} responses>", lock(&self.progress).responses.len())
    }
}
