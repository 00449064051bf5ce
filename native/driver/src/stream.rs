//! The result as an `ArrowArrayStream`, and the ADBC error behind its errno.

use std::ffi::{c_char, c_int};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow_array::ffi::FFI_ArrowArray;
use arrow_array::{Array, RecordBatch, StructArray};
use arrow_schema::ffi::FFI_ArrowSchema;

use crate::abi::{
    AdbcError, ArrowArray, ArrowArrayStream, ArrowSchema, Movable, StatusCode, STATUS_OK,
};
use crate::boundary::panicked;
use crate::error::{Failure, OwnedError, Status};
use crate::fetch::Pipeline;
use crate::python;
use crate::reading;

/// How often a main thread that waits for rows lets Python look at signals.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// What `private_data` of a stream points to.
struct Stream {
    pipeline: Arc<Pipeline>,
    /// The first error; it is the answer to every later call.
    error: OnceLock<OwnedError>,
}

impl Stream {
    fn fail(&self, failure: &Failure) -> c_int {
        self.error.get_or_init(|| OwnedError::new(failure)).status().errno()
    }

    fn next(&self) -> Result<Option<RecordBatch>, Failure> {
        if !self.pipeline.is_here() {
            return Err(self.pipeline.about(Failure::forked("result")));
        }
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
}

/// The stream of *pipeline*, which it owns.
pub fn export(pipeline: Arc<Pipeline>) -> ArrowArrayStream {
    reading::note(&pipeline);
    let stream = Arc::new(Stream { pipeline, error: OnceLock::new() });
    ArrowArrayStream {
        get_schema: Some(get_schema),
        get_next: Some(get_next),
        get_last_error: Some(get_last_error),
        release: Some(release),
        private_data: Arc::into_raw(stream).cast_mut().cast(),
    }
}

/// The stream behind the C struct, kept alive for this call even if a signal handler releases it.
///
/// # Safety
/// *stream* is null, or points to a stream from [`export`] or one that was released.
unsafe fn borrow(stream: *mut ArrowArrayStream) -> Option<Arc<Stream>> {
    // SAFETY: promised by the caller.
    let stream = unsafe { stream.as_ref() }?;
    let pointer = stream.private_data.cast_const().cast::<Stream>();
    if stream.release.is_none() || pointer.is_null() {
        return None;
    }
    // SAFETY: an unreleased stream holds the `Arc` that `export` put there.
    unsafe {
        Arc::increment_strong_count(pointer);
        Some(Arc::from_raw(pointer))
    }
}

/// Run *body* on the stream; its failure, or panic, is kept and its errno returned.
///
/// # Safety
/// As for [`borrow`].
unsafe fn run(
    stream: *mut ArrowArrayStream,
    body: impl FnOnce(&Stream) -> Result<(), Failure>,
) -> c_int {
    // SAFETY: promised by the caller.
    let Some(stream) = (unsafe { borrow(stream) }) else { return libc::EINVAL };
    let result = catch_unwind(AssertUnwindSafe(|| body(&stream)));
    python::rearm();
    match result.unwrap_or_else(|panic| Err(panicked(&*panic))) {
        Ok(()) => 0,
        Err(failure) => stream.fail(&failure),
    }
}

unsafe extern "C" fn get_schema(stream: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    if out.is_null() {
        return libc::EINVAL;
    }
    // SAFETY: the consumer calls its stream's own callback; `out` is memory for a schema, which
    // both types describe, and which gets a whole one or none.
    unsafe {
        out.write(ArrowSchema::released());
        run(stream, |stream| {
            stream.schema().map(|schema| out.cast::<FFI_ArrowSchema>().write(schema))
        })
    }
}

unsafe extern "C" fn get_next(stream: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    if out.is_null() {
        return libc::EINVAL;
    }
    // SAFETY: as in `get_schema`; a released array says that the stream has ended.
    unsafe {
        out.write(ArrowArray::released());
        if let Some(error) = borrow(stream).as_deref().and_then(|stream| stream.error.get()) {
            return error.status().errno();
        }
        run(stream, |stream| {
            if let Some(batch) = stream.next()? {
                let array = FFI_ArrowArray::new(&StructArray::from(batch).to_data());
                out.cast::<FFI_ArrowArray>().write(array);
            }
            Ok(())
        })
    }
}

unsafe extern "C" fn get_last_error(stream: *mut ArrowArrayStream) -> *const c_char {
    // SAFETY: the consumer calls its stream's own callback. The text lives as long as the stream.
    unsafe { borrow(stream) }
        .as_deref()
        .and_then(|stream| stream.error.get())
        .map_or(ptr::null(), OwnedError::message)
}

/// Returns at once, on any thread, whether the caller holds the interpreter or not.
unsafe extern "C" fn release(stream: *mut ArrowArrayStream) {
    // SAFETY: the consumer calls its stream's own callback.
    let Some(stream) = (unsafe { stream.as_mut() }) else { return };
    let pointer = stream.private_data.cast_const().cast::<Stream>();
    *stream = ArrowArrayStream::released();
    if pointer.is_null() {
        return;
    }
    // SAFETY: the struct held the `Arc` that `export` put there, and holds it no longer.
    let stream = unsafe { Arc::from_raw(pointer) };
    if stream.pipeline.is_here() {
        drop(catch_unwind(AssertUnwindSafe(|| stream.pipeline.release())));
    } else {
        std::mem::forget(stream); // the parent's: its locks and threads are not here
    }
}

/// `AdbcErrorFromArrayStream` of this driver; null for streams that are not its own.
pub unsafe extern "C" fn error_from_array_stream(
    stream: *mut ArrowArrayStream,
    status: *mut StatusCode,
) -> *const AdbcError {
    let own: unsafe extern "C" fn(*mut ArrowArrayStream) = release;
    // SAFETY: the caller hands in an initialised stream; ours are told by their callback.
    unsafe {
        if !stream.as_ref().is_some_and(|stream| {
            stream.release.is_some_and(|release| ptr::fn_addr_eq(release, own))
        }) {
            return ptr::null();
        }
        let error = borrow(stream).as_deref().and_then(|stream| {
            stream.error.get().map(|error| (error.status() as StatusCode, error.as_ptr()))
        });
        let (code, error) = error.unwrap_or((STATUS_OK, ptr::null()));
        if !status.is_null() {
            *status = code;
        }
        error
    }
}
