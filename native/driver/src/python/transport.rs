//! The native transport as Python sees it: a channel, and the calls on it.
//!
//! What comes of a call is decided in `e6data_adbc._transport`; here it is handed over.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e6data_transport as transport;
use e6data_transport::{Call, Options, Outcome, Proxy, TlsOptions, Waited};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::process::{self, Open};
use crate::python::{call_blocking, is_main_thread, released};

/// How often the main thread, on which Python handles signals, looks whether there are some.
const SIGNAL_LOOK: Duration = Duration::from_millis(50);

/// A channel that ends with the process.
pub struct Registered(transport::Channel);

impl Registered {
    /// *call*, sent; `None` where the channel is closed or the process ends.
    pub fn start(&self, call: Call) -> Option<transport::Exchange> {
        self.start_all([call]).map(|[exchange]| exchange)
    }

    /// As `start`, of several calls that leave together.
    pub fn start_all<const N: usize>(&self, calls: [Call; N]) -> Option<[transport::Exchange; N]> {
        if process::is_stopped() {
            return None;
        }
        self.0.start_all(calls)
    }
}

impl Open for Registered {
    fn shut_down(&self) {
        self.0.close();
    }
}

pub type Pairs = Vec<(String, String)>;

/// The connection to one server; see `e6data_adbc._transport.native`.
#[pyclass(frozen, module = "e6data_adbc._native")]
pub struct Channel(Arc<Registered>);

#[pymethods]
impl Channel {
    #[new]
    #[pyo3(signature = (
        host, port, *, user_agent, connect_timeout, max_message_bytes, server_name = None,
        encrypted = false, root_certs = None, client_cert = None, client_key = None,
        proxy = None, proxy_credentials = None,
    ))]
    #[allow(clippy::too_many_arguments)] // given by keyword
    fn new(
        host: String,
        port: u16,
        user_agent: String,
        connect_timeout: f64,
        max_message_bytes: usize,
        server_name: Option<String>,
        encrypted: bool,
        root_certs: Option<Vec<u8>>,
        client_cert: Option<Vec<u8>>,
        client_key: Option<Vec<u8>>,
        proxy: Option<(String, u16)>,
        proxy_credentials: Option<String>,
    ) -> PyResult<Self> {
        let tls = TlsOptions { roots: root_certs, client: client_cert.zip(client_key) };
        let options = Options {
            server_name,
            tls: encrypted.then_some(tls),
            proxy: proxy.map(|(host, port)| Proxy { host, port, credentials: proxy_credentials }),
            user_agent,
            connect_timeout: seconds(connect_timeout),
            max_message_bytes,
            process: process::pid,
            ..Options::new(host, port)
        };
        let channel = transport::open(options).map_err(PyValueError::new_err)?;
        let channel = Arc::new(Registered(channel));
        process::register(&channel);
        Ok(Self(channel))
    }

    /// Returns the call, sent; None where the channel is closed. Does not block.
    fn start(
        &self,
        path: String,
        message: &[u8],
        timeout: f64,
        headers: Pairs,
        secret: Pairs,
    ) -> Option<Exchange> {
        let message = message.to_vec();
        let call = Call { path, message, headers, secret, timeout: seconds(timeout) };
        self.0.start(call).map(|exchange| Exchange::of(Arc::new(exchange)))
    }

    /// Looks after calls that nobody waits for, for *seconds* or until the channel is closed; blocks.
    fn tend(&self, py: Python<'_>, seconds: f64) {
        let until = Instant::now() + self::seconds(seconds).min(Duration::from_secs(3600));
        released(py, || self.0 .0.tend(until));
    }

    /// Closes the connection; calls that are open end as cancelled.
    fn close(&self) {
        self.0 .0.close();
    }
}

impl Channel {
    pub fn registered(&self) -> Arc<Registered> {
        self.0.clone()
    }
}

enum Way {
    Sent(Arc<transport::Exchange>),
    /// A course waited for it; taken by whoever receives.
    Come(Mutex<Option<Outcome>>),
}

/// One call of a channel.
#[pyclass(frozen, module = "e6data_adbc._native")]
pub struct Exchange(Way);

#[pymethods]
impl Exchange {
    /// Returns what came of the call; blocks.
    ///
    /// The one message as bytes, None if there is not exactly one, or of a failure its code, text,
    /// pushback in milliseconds, and whether the call never left.
    #[pyo3(signature = (arrived = None))]
    fn receive<'py>(
        &self,
        py: Python<'py>,
        arrived: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let message = match self.outcome(py)? {
            Outcome::Message(message) => message,
            Outcome::NotOne => return Ok(py.None().into_bound(py)),
            Outcome::Failed(failure) => {
                let code = failure.code as u8;
                let text = failure.text;
                let facts = (code, text, failure.pushback, failure.never_left);
                return Ok(facts.into_pyobject(py)?.into_any());
            }
        };
        if let Some(arrived) = arrived {
            call_blocking(arrived, &PyTuple::empty(py))?;
        }
        Ok(PyBytes::new(py, &message).into_any())
    }

    /// Whether somebody has waited for the answer already, which `receive` then returns at once.
    #[getter]
    fn has_come(&self) -> bool {
        matches!(self.0, Way::Come(_))
    }

    /// Ends the call; a blocked `receive` returns at once.
    fn cancel(&self) {
        if let Way::Sent(exchange) = &self.0 {
            exchange.cancel();
        }
    }
}

impl Exchange {
    pub fn of(exchange: Arc<transport::Exchange>) -> Self {
        Self(Way::Sent(exchange))
    }

    /// The call whose *outcome* is here.
    pub fn come(outcome: Outcome) -> Self {
        Self(Way::Come(Mutex::new(Some(outcome))))
    }

    /// The call, for another to wait for; an error if a course has done so, whose answer would be lost.
    pub fn sent(&self) -> PyResult<Arc<transport::Exchange>> {
        match &self.0 {
            Way::Sent(exchange) => Ok(exchange.clone()),
            Way::Come(_) => Err(PyValueError::new_err("the call's answer is here already")),
        }
    }

    fn outcome(&self, py: Python<'_>) -> PyResult<Outcome> {
        let exchange = match &self.0 {
            Way::Sent(exchange) => exchange,
            Way::Come(outcome) => {
                let outcome = process::lock(outcome).take();
                return outcome
                    .ok_or_else(|| PyValueError::new_err("the answer was received already"));
            }
        };
        waited(py, |until| match exchange.wait(until) {
            Waited::Ended(outcome) => Some(outcome),
            Waited::NotYet => None,
        })
    }
}

/// What *wait* gives in the end, which waits at most until the time that it is given; signals are handled in between.
pub fn waited<T: Send>(
    py: Python<'_>,
    wait: impl Fn(Option<Instant>) -> Option<T> + Sync,
) -> PyResult<T> {
    let looks = is_main_thread();
    loop {
        let until = looks.then(|| Instant::now() + SIGNAL_LOOK);
        if let Some(given) = released(py, || wait(until)) {
            return Ok(given);
        }
        py.check_signals()?;
    }
}

/// A time of Python's; what is none is over at once, and what is very long has no end.
pub fn seconds(seconds: f64) -> Duration {
    if seconds.is_nan() || seconds <= 0.0 {
        return Duration::ZERO;
    }
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
