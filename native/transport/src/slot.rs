//! One call as both sides of a channel know it: what is asked, and the place for what comes of it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri, Version};

use crate::answer::Outcome;
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

    /// The request with its message, of at most *max_bytes*, as gRPC frames it; the message is given away.
    pub fn request(
        &self,
        scheme: &str,
        authority: &str,
        agent: &HeaderValue,
        max_bytes: usize,
    ) -> Result<(Request<()>, Bytes), Failure> {
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
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query(call.path.as_str())
            .build()
            .map_err(|_| refused("its path or the host is no part of an address"))?;
        let mut request = Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        // Without it servers reset the stream, answer 502 or do not answer.
        headers.insert("te", HeaderValue::from_static("trailers"));
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("user-agent", agent.clone());
        let left = self.deadline.saturating_duration_since(Instant::now());
        if let Ok(timeout) = HeaderValue::try_from(timeout_header(left)) {
            headers.insert("grpc-timeout", timeout);
        }
        let ordinary = call.headers.iter().map(|pair| (pair, false));
        for ((name, value), is_secret) in
            ordinary.chain(call.secret.iter().map(|pair| (pair, true)))
        {
            let known = HeaderName::from_lowercase(name.as_bytes())
                .map_err(|_| refused(&format!("{name:?} is no name of a header")))?;
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| refused(&format!("the value of {name:?} does not fit a header")))?;
            value.set_sensitive(is_secret);
            headers.append(known, value);
        }
        let Ok(length) = u32::try_from(call.message.len()) else {
            return Err(refused("its message is larger than 4 GiB"));
        };
        let mut framed = Vec::with_capacity(call.message.len() + 5);
        framed.push(0);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(&call.message);
        Ok((request, Bytes::from(framed)))
    }
}
