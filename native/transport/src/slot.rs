//! One call as both sides of a channel know it: what is asked, and the place for what comes of it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use e6data_http2::hpack::{put_field, put_known};

use crate::answer::Outcome;
use crate::compression;
use crate::status::{timeout_header, Code, Failure};

/// Lock *mutex*; a panic elsewhere does not poison it for good.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that is said of one call.
#[derive(Clone, Debug)]
pub struct Call {
    /// `/Service/method`.
    pub path: String,
    /// The request.
    pub message: Vec<u8>,
    /// Its metadata: lower-case names, values as they are sent.
    pub headers: Vec<(String, String)>,
    /// More of it, which no table of a peer or a proxy may keep.
    pub secret: Vec<(String, String)>,
    /// How long it may take.
    pub timeout: Duration,
}

/// What has become of a call.
enum Progress {
    Open,
    Done(Outcome),
    Taken,
}

/// A call and its outcome. Its condition is waited for with the lock of the channel's state.
pub struct Slot {
    pub deadline: Instant,
    call: Mutex<Option<Call>>,
    progress: Mutex<Progress>,
    pub changed: Condvar,
}

impl Slot {
    pub fn new(call: Call) -> Self {
        let now = Instant::now();
        let century = Duration::from_secs(3_000_000_000);
        Self {
            deadline: now.checked_add(call.timeout.min(century)).unwrap_or(now),
            call: Mutex::new(Some(call)),
            progress: Mutex::new(Progress::Open),
            changed: Condvar::new(),
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(*lock(&self.progress), Progress::Open)
    }

    /// Set the outcome, unless there is one; called with the channel's state locked.
    pub fn finish(&self, outcome: Outcome) -> bool {
        let mut progress = lock(&self.progress);
        if !matches!(*progress, Progress::Open) {
            return false;
        }
        *progress = Progress::Done(outcome);
        self.changed.notify_all();
        true
    }

    /// The outcome, once.
    pub fn take(&self) -> Option<Outcome> {
        let mut progress = lock(&self.progress);
        match std::mem::replace(&mut *progress, Progress::Taken) {
            Progress::Open => {
                *progress = Progress::Open;
                None
            }
            Progress::Done(outcome) => Some(outcome),
            Progress::Taken => Some(Outcome::Failed(Failure::new(
                Code::Internal,
                "the outcome of the call was asked for twice",
            ))),
        }
    }

    /// The request as a block of headers and, as gRPC frames it, its message of at most *max_bytes*; it is given away.
    pub fn request(
        &self,
        is_secure: bool,
        authority: &str,
        agent: &str,
        max_bytes: usize,
    ) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let Some(call) = lock(&self.call).take() else {
            return Err(Failure::new(Code::Internal, "the call was sent twice"));
        };
        if call.message.len() > max_bytes {
            let length = call.message.len();
            let text = format!("CLIENT: Sent message larger than max ({length} vs. {max_bytes})");
            return Err(Failure::new(Code::ResourceExhausted, text));
        }
        let refused = |what: &str| {
            Failure::new(Code::InvalidArgument, format!("the call cannot be sent: {what}"))
        };
        if !is_address(authority) || !is_address(&call.path) || !call.path.starts_with('/') {
            return Err(refused("its path or the host is no part of an address"));
        }
        let mut block = Vec::with_capacity(512);
        put_known(&mut block, METHOD_POST);
        put_known(&mut block, if is_secure { SCHEME_HTTPS } else { SCHEME_HTTP });
        let left = self.deadline.saturating_duration_since(Instant::now());
        let timeout = timeout_header(left);
        for (name, value) in [
            (":authority", authority),
            (":path", &call.path),
            // Without it servers reset the stream, answer 502 or do not answer.
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-accept-encoding", compression::ACCEPTED),
            ("user-agent", agent),
            ("grpc-timeout", &timeout),
        ] {
            put_field(&mut block, name.as_bytes(), value.as_bytes(), false);
        }
        let ordinary = call.headers.iter().map(|pair| (pair, false));
        for ((name, value), is_secret) in
            ordinary.chain(call.secret.iter().map(|pair| (pair, true)))
        {
            if !is_name(name) {
                return Err(refused(&format!("{name:?} is no name of a header")));
            }
            if !is_value(value) {
                return Err(refused(&format!("the value of {name:?} does not fit a header")));
            }
            put_field(&mut block, name.as_bytes(), value.as_bytes(), is_secret);
        }
        let Ok(length) = u32::try_from(call.message.len()) else {
            return Err(refused("its message is larger than 4 GiB"));
        };
        let mut framed = Vec::with_capacity(call.message.len() + 5);
        framed.push(0);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(&call.message);
        Ok((block, framed))
    }
}

/// Fields of HPACK's static table.
const METHOD_POST: u8 = 3;
const SCHEME_HTTP: u8 = 6;
const SCHEME_HTTPS: u8 = 7;

/// Whether *text* may be a part of an address, as it stands.
fn is_address(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether *text* is the name of a header: a token in lower case (RFC 9110, 5.6.2).
fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
    };
    !text.is_empty() && text.bytes().all(is_part)
}

/// Whether *text* may be the value of a header: what can be seen, spaces and tabs.
pub fn is_value(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t')
}
