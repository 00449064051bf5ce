//! The result as an `ArrowArrayStream`, and the ADBC error behind its errno.
//!
//! A consumer may release its stream while another thread of it, or the same one further up the
//! stack, is inside `get_next`: a cursor is closed by a timer, by a signal handler, by the garbage
//! collector. The callbacks stay in the struct and answer from then on that the stream is gone.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, CStr, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use arrow_array::ffi::FFI_ArrowArray;
use arrow_array::{Array, RecordBatch, StructArray};
use arrow_schema::ffi::FFI_ArrowSchema;

use crate::abi::{
    AdbcError, ArrowArray, ArrowArrayStream, ArrowSchema, Movable, StatusCode, STATUS_OK,
};
use crate::boundary::panicked;
use crate::error::{Failure, OwnedError, Status};
use crate::pipeline::Pipeline;
use crate::process::{self, lock, Found};
use crate::python::{self, reading};

/// How often a main thread that waits for rows lets Python look at signals.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);
/// How long a release waits for calls that were told to end.
const CALL_PATIENCE: Duration = Duration::from_secs(5);
/// How long a release waits for the question after a failed call; see [`Via::Manager`].
const QUESTION_PATIENCE: Duration = Duration::from_millis(500);

/// What a released stream answers, for ever.
const RELEASED: &CStr =
    c"[e6data] could not read the result: its stream was released (CANCELLED); \
    execute the query again";
const RELEASED_ERRNO: c_int = libc::ECANCELED;

/// Whether something stands between a stream and its consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The consumer has the struct of [`export`].
    Nothing,
    /// The driver manager's struct is around it, so that it finds the ADBC error of the stream. Its
    /// release frees that struct and clears its callbacks, whoever is inside; only a release of ours
    /// that returns later can keep it from that.
    Manager,
}

/// A failure, as Rust and as C want it.
pub struct Failed {
    pub failure: Failure,
    error: OwnedError,
    /// For those who get no more than a text: everything that the error says.
    text: CString,
}

impl Failed {
    fn new(failure: Failure) -> Self {
        Self { error: OwnedError::new(&failure), text: failure.whole_text(), failure }
    }

    fn errno(&self) -> c_int {
        self.failure.status.errno()
    }
}

/// The first failure of a stream; it outlives the stream for those who ask later.
#[derive(Clone, Default)]
pub struct Outcome(Arc<OnceLock<Failed>>);

impl Outcome {
    pub fn get(&self) -> Option<&Failed> {
        self.0.get()
    }

    fn set(&self, failure: Failure) -> c_int {
        self.0.get_or_init(|| Failed::new(failure)).errno()
    }
}

thread_local! {
    /// What the last failed call of this thread was about, and its stream's struct: texts that were
    /// handed out hold until the next failure, whatever other threads release meanwhile.
    static LAST: RefCell<Option<(usize, Outcome)>> = const { RefCell::new(None) };
}

fn remember(stream: *mut ArrowArrayStream, outcome: Option<&Outcome>) {
    let value = outcome.map(|outcome| (stream.addr(), outcome.clone()));
    // A thread that is ending has nobody left who would ask.
    drop(LAST.try_with(|last| last.replace(value)));
}

fn remembered(stream: *mut ArrowArrayStream) -> Option<Outcome> {
    let last = LAST.try_with(|last| last.borrow().clone()).ok()??;
    (last.0 == stream.addr()).then_some(last.1)
}

/// Who is inside `get_next`, and who has left it with a failure.
#[derive(Default)]
struct Calls {
    inside: Vec<ThreadId>,
    failed: Option<Unasked>,
    /// The stream was released by a thread that is inside.
    released_inside: bool,
}

/// A failed call after which the consumer is going to ask for the text, and then for the error.
struct Unasked {
    thread: ThreadId,
    since: Instant,
    text: bool,
    error: bool,
}

/// What the number in `private_data` of a stream stands for.
pub struct Stream {
    pipeline: Arc<Pipeline>,
    via: Via,
    /// The first error; it is the answer to every later call.
    outcome: Outcome,
    calls: Mutex<Calls>,
    /// For a release: a call has left, or a question was asked.
    changed: Condvar,
}

impl Stream {
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    fn next(&self) -> Result<Option<RecordBatch>, Failure> {
        python::detached(|| {
            let tick: &(dyn Fn() -> Option<Failure> + Sync) = &python::check_signals;
            let tick = python::is_main_thread().then_some((SIGNAL_INTERVAL, tick));
            self.pipeline.next(tick)
        })
    }

    fn schema(&self) -> Result<FFI_ArrowSchema, Failure> {
        FFI_ArrowSchema::try_from(self.pipeline.schema().as_ref()).map_err(|error| {
            let text = format_args!("could not export the schema: {error}");
            self.pipeline.about(Failure::new(Status::Internal, text))
        })
    }

    /// Run *body*; its failure, or panic, is kept and its errno returned.
    fn run(&self, body: impl FnOnce() -> Result<(), Failure>) -> c_int {
        let result = catch_unwind(AssertUnwindSafe(body));
        python::rearm();
        match result.unwrap_or_else(|panic| Err(panicked(&*panic))) {
            Ok(()) => 0,
            Err(failure) => self.outcome.set(failure),
        }
    }

    /// Run *body*, which a release knows of.
    fn call(&self, body: impl FnOnce() -> c_int) -> c_int {
        let thread = thread::current().id();
        lock(&self.calls).inside.push(thread);
        let mut errno = body();
        let mut calls = lock(&self.calls);
        if let Some(place) = calls.inside.iter().rposition(|inside| *inside == thread) {
            calls.inside.swap_remove(place);
        }
        let is_unsafe = calls.released_inside && self.via == Via::Manager;
        if errno != 0 && !is_unsafe {
            calls.failed = Some(Unasked { thread, since: Instant::now(), text: true, error: true });
        }
        drop(calls);
        self.changed.notify_all();
        if is_unsafe {
            // After a failure Arrow asks for its text, and the manager has cleared that callback.
            // After the end it asks for nothing; the failure is raised as soon as Python runs.
            let failed = self.outcome.0.get_or_init(|| Failed::new(self.pipeline.released()));
            python::raise_soon(failed.failure.clone());
            errno = 0;
        }
        errno
    }

    /// The consumer has asked for the text of the failure, or for the error.
    fn asked(&self, is_error: bool) {
        let mut calls = lock(&self.calls);
        if let Some(failed) = &mut calls.failed {
            failed.text = false;
            failed.error &= !is_error;
        }
        drop(calls);
        self.changed.notify_all();
    }

    /// Until when a release by this thread waits: while another one is inside, or about to ask about
    /// its failure.
    fn must_wait_until(calls: &Calls, end: Instant) -> Option<Instant> {
        let thread = thread::current().id();
        if calls.inside.iter().any(|inside| *inside != thread) {
            return Some(end);
        }
        let failed = calls.failed.as_ref()?;
        (failed.thread != thread && (failed.text || failed.error))
            .then(|| end.min(failed.since + QUESTION_PATIENCE))
    }

    /// Wait for other threads, if there are any to wait for.
    ///
    /// The stream was stopped before, so that calls end. A call of this thread, further up the stack,
    /// cannot be waited for: it is answered when this returns.
    fn wait_for_others(&self) {
        let end = Instant::now() + CALL_PATIENCE;
        let mut calls = lock(&self.calls);
        calls.released_inside |= calls.inside.contains(&thread::current().id());
        if Self::must_wait_until(&calls, end).is_none() {
            return; // without letting go of the interpreter, which finalizers may hold here
        }
        drop(calls);
        python::detached(|| {
            let mut calls = lock(&self.calls);
            while let Some(until) = Self::must_wait_until(&calls, end) {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return;
                }
                let waited = self.changed.wait_timeout(calls, left);
                calls = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        });
    }
}

/// The stream of *pipeline*, which it owns.
pub fn export(pipeline: Arc<Pipeline>, via: Via) -> ArrowArrayStream {
    reading::note(&pipeline);
    let stream = Stream {
        pipeline,
        via,
        outcome: Outcome::default(),
        calls: Mutex::default(),
        changed: Condvar::new(),
    };
    ArrowArrayStream {
        get_schema: Some(get_schema),
        get_next: Some(get_next),
        get_last_error: Some(get_last_error),
        release: Some(release),
        private_data: ptr::without_provenance_mut(process::keep(Arc::new(stream))),
    }
}

/// The stream that *stream* is about, if it is one of [`export`]: the others have another `release`.
///
/// # Safety
/// *stream* is null or points to an initialised struct.
pub unsafe fn find(stream: *const ArrowArrayStream) -> Found<Stream> {
    let own: unsafe extern "C" fn(*mut ArrowArrayStream) = release;
    // SAFETY: promised by the caller.
    let stream = unsafe { stream.as_ref() };
    match stream.and_then(|stream| Some((stream.release?, stream.private_data))) {
        Some((release, number)) if ptr::fn_addr_eq(release, own) => process::find(number.addr()),
        _ => Found::Gone,
    }
}

/// Answer a call about a stream that is not here.
fn refuse(stream: *mut ArrowArrayStream, is_forked: bool) -> c_int {
    if !is_forked {
        remember(stream, None);
        return RELEASED_ERRNO;
    }
    let outcome = Outcome::default();
    let errno = outcome.set(Failure::forked("result"));
    remember(stream, Some(&outcome));
    errno
}

unsafe extern "C" fn get_schema(stream: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    if out.is_null() {
        return libc::EINVAL;
    }
    // SAFETY: the consumer calls its stream's own callback; `out` is memory for a schema, which
    // both types describe, and which gets a whole one or none.
    unsafe {
        out.write(ArrowSchema::released());
        let found = match find(stream) {
            Found::Here(found) => found,
            other => return refuse(stream, matches!(other, Found::Forked)),
        };
        let errno =
            found.run(|| found.schema().map(|schema| out.cast::<FFI_ArrowSchema>().write(schema)));
        if errno != 0 {
            remember(stream, Some(&found.outcome));
        }
        errno
    }
}

unsafe extern "C" fn get_next(stream: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    if out.is_null() {
        return libc::EINVAL;
    }
    // SAFETY: as in `get_schema`; a released array says that the stream has ended. The consumer may
    // release its struct meanwhile: it is not looked at again.
    unsafe {
        out.write(ArrowArray::released());
        let found = match find(stream) {
            Found::Here(found) => found,
            other => return refuse(stream, matches!(other, Found::Forked)),
        };
        found.call(|| {
            let errno = match found.outcome.get() {
                Some(failed) => failed.errno(),
                None => found.run(|| {
                    if let Some(batch) = found.next()? {
                        let array = FFI_ArrowArray::new(&StructArray::from(batch).to_data());
                        out.cast::<FFI_ArrowArray>().write(array);
                    }
                    Ok(())
                }),
            };
            if errno != 0 {
                remember(stream, Some(&found.outcome));
            }
            errno
        })
    }
}

/// The text lives as long as the stream, and until the next failure of this thread.
unsafe extern "C" fn get_last_error(stream: *mut ArrowArrayStream) -> *const c_char {
    // SAFETY: the consumer calls its stream's own callback.
    let found = unsafe { find(stream) };
    let outcome = match &found {
        Found::Here(found) => Some(found.outcome.clone()),
        Found::Gone | Found::Forked => remembered(stream),
    };
    let text = match outcome.as_ref().and_then(Outcome::get) {
        Some(failed) => failed.text.as_ptr(),
        None if matches!(found, Found::Here(_)) => ptr::null(), // nothing has failed
        None => RELEASED.as_ptr(),
    };
    if let Found::Here(found) = found {
        found.asked(false);
    }
    text
}

/// Ends what the stream does, and waits for calls of other threads, which fail.
unsafe extern "C" fn release(stream: *mut ArrowArrayStream) {
    // SAFETY: the consumer calls its stream's own callback.
    let found = unsafe { find(stream) };
    if let Found::Here(found) = &found {
        drop(catch_unwind(AssertUnwindSafe(|| {
            if found.pipeline.release() {
                found.outcome.set(found.pipeline.released());
            }
            if found.via == Via::Manager {
                found.wait_for_others();
            }
        })));
    }
    // SAFETY: as above; the struct stays there until this returns. The callbacks stay as well.
    let Some(stream) = (unsafe { stream.as_mut() }) else { return };
    let number = std::mem::replace(&mut stream.private_data, ptr::null_mut());
    stream.release = None;
    // A stream of the process that this one was forked of is left alone: its locks may be held by
    // threads that are not here.
    drop(process::take::<Stream>(number.addr()));
}

/// `AdbcErrorFromArrayStream` of this driver; null for streams that are not its own.
///
/// The error lives as long as the stream, and until the next failure of this thread.
pub unsafe extern "C" fn error_from_array_stream(
    stream: *mut ArrowArrayStream,
    status: *mut StatusCode,
) -> *const AdbcError {
    // SAFETY: the caller hands in an initialised stream; ours are told by their callback.
    let found = unsafe { find(stream) };
    let outcome = match &found {
        Found::Here(found) => found.outcome.clone(),
        Found::Gone | Found::Forked => match remembered(stream) {
            Some(outcome) => outcome,
            None => return ptr::null(),
        },
    };
    let failed = outcome.get();
    if !status.is_null() {
        // SAFETY: not null, and the caller's.
        unsafe {
            *status = failed.map_or(STATUS_OK, |failed| failed.failure.status as StatusCode);
        }
    }
    let error = failed.map_or(ptr::null(), |failed| failed.error.as_ptr());
    if let Found::Here(found) = found {
        remember(stream, Some(&found.outcome));
        found.asked(true);
    }
    error
}
