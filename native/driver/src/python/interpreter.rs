//! Attaching to the interpreter, calling into it, and what comes back: failures, signals, interrupts.
//!
//! No lock of the driver is held while a thread waits to attach, so that a thread which holds the
//! interpreter may take any of them.
//!
//! The driver is entered again from inside its own calls into Python: a finalizer or a signal
//! handler runs there and closes a cursor, and the manager lets go of the interpreter before it
//! calls us. pyo3 then believes the thread to be attached, because further up the stack it is. So
//! nothing here relies on that belief: every way in takes hold of the interpreter itself, and an
//! [`Object`] is dropped nowhere else.

use std::cell::Cell;
use std::ffi::{c_int, c_void, CStr};
use std::sync::OnceLock;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::error::{Failure, Status, QUERY_ID};
use crate::process;
use crate::python::decode_error::NativeDecodeError;

/// A Python object that any thread may hold and drop.
pub struct Object(Option<Py<PyAny>>);

impl Object {
    pub fn new(object: &Bound<'_, PyAny>) -> Self {
        Self(Some(object.clone().unbind()))
    }

    pub fn bind<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        // It is `None` only while it is dropped.
        self.0.as_ref().map_or_else(|| py.None().into_bound(py), |object| object.bind(py).clone())
    }
}

impl<'py> IntoPyObject<'py> for &Object {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = std::convert::Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(self.bind(py))
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        let mut object = self.0.take();
        if attach(|_| drop(object.take())).is_err() {
            std::mem::forget(object); // no interpreter is left to free it
        }
    }
}

/// Holds the interpreter, whoever held it before.
struct Held(pyo3::ffi::PyGILState_STATE);

impl Held {
    fn new() -> Option<Self> {
        // SAFETY: any thread may ask at any time.
        let is_initialized = unsafe { pyo3::ffi::Py_IsInitialized() } != 0;
        if process::is_unreachable() || !is_initialized || is_finalizing() {
            return None;
        }
        // SAFETY: the interpreter is there. The call looks at what the thread really holds, and the
        // state it returns is given back when this value is dropped.
        Some(Self(unsafe { pyo3::ffi::PyGILState_Ensure() }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the state is from `PyGILState_Ensure` on this thread, and given back once.
        unsafe { pyo3::ffi::PyGILState_Release(self.0) };
    }
}

fn try_attach<R>(body: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    let _held = Held::new()?;
    Python::try_attach(body)
}

/// Run *body* attached; `INVALID_STATE` if there is no interpreter to attach to.
pub fn attach<R>(body: impl FnOnce(Python<'_>) -> R) -> Result<R, Failure> {
    try_attach(body).ok_or_else(|| {
        Failure::new(
            Status::InvalidState,
            "could not run the driver: no Python interpreter is running, or it is shutting down",
        )
    })
}

/// Run *body* attached; an exception becomes a failure, with the query id if there is one.
pub fn call<R>(
    query_id: Option<&str>,
    body: impl FnOnce(Python<'_>) -> PyResult<R>,
) -> Result<R, Failure> {
    attach(|py| {
        body(py).map_err(|error| {
            let failure = failure(py, &error, query_id);
            forget_frames(error.value(py).as_any());
            failure
        })
    })?
}

/// The longest chain of exceptions that is looked at: one may lead back to itself.
const MOST_CAUSES: usize = 64;

/// Cut the exception *last*, and those that led to it, from the frames that they went through.
///
/// The frames know the exception in turn, and whatever the call had in hand; nobody asks for them any more, and they
/// would all be left to the garbage collector.
fn forget_frames(last: &Bound<'_, PyAny>) {
    let mut pending = vec![last.clone()];
    for _ in 0..MOST_CAUSES {
        let Some(exception) = pending.pop() else {
            return;
        };
        let none = exception.py().None();
        if exception.is_none() || exception.setattr("__traceback__", none).is_err() {
            continue;
        }
        pending.extend(exception.getattr("__cause__"));
        pending.extend(exception.getattr("__context__"));
    }
}

/// Call a method that has nobody to raise to; Python's hook for such exceptions hears of it.
///
/// The methods called so may be called again, and have to be done: an interrupt does not stop them.
pub fn call_unraisable(py: Python<'_>, object: &Bound<'_, PyAny>, method: &str) {
    for _ in 0..3 {
        let callable = object.getattr(method);
        match callable.and_then(|callable| call_blocking(&callable, &PyTuple::empty(py))) {
            Err(error) if note_interrupt(py, &error) => {}
            Err(error) => return error.write_unraisable(py, Some(object)),
            Ok(_) => return,
        }
    }
}

thread_local! {
    /// An interrupt was caught in this call into the driver.
    static IS_INTERRUPTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether *error* is a `KeyboardInterrupt`, which is then not lost: see [`rearm`].
fn note_interrupt(py: Python<'_>, error: &PyErr) -> bool {
    let is_interrupt = error.is_instance_of::<PyKeyboardInterrupt>(py);
    if is_interrupt && is_main_thread() {
        IS_INTERRUPTED.set(true);
    }
    is_interrupt
}

/// At the end of a call into the driver: let Python see the interrupt that was caught during it.
///
/// Not before, or the interrupt would hit the driver's own calls that clean up after it.
pub fn rearm() {
    if IS_INTERRUPTED.take() && !process::is_unreachable() {
        // SAFETY: the function only marks the signal as pending, and may be called at any time.
        unsafe { pyo3::ffi::PyErr_SetInterrupt() };
    }
}

/// What an exception means in ADBC.
fn failure(py: Python<'_>, error: &PyErr, query_id: Option<&str>) -> Failure {
    let value = error.value(py).as_any();
    let mut failure = if note_interrupt(py, error) {
        Failure::new(Status::Cancelled, "could not finish the call: it was interrupted")
    } else if error.is_instance_of::<NativeDecodeError>(py) {
        let mut failure = Failure::new(Status::InvalidData, text(value));
        for (key, name) in [("e6data.decode_kind", "kind"), ("e6data.byte_offset", "offset")] {
            if let Ok(detail) = value.getattr(name) {
                failure = failure.with_detail(key, text(&detail));
            }
        }
        failure
    } else {
        typed_failure(value).unwrap_or_else(|_| {
            let name = value.get_type().name().map_or_else(|_| "?".to_owned(), |name| text(&name));
            Failure::new(Status::Internal, format_args!("internal error: {name}: {}", text(value)))
        })
    };
    if let Some(query_id) = query_id.filter(|id| !id.is_empty()) {
        failure = failure.with_detail(QUERY_ID, query_id);
    }
    failure
}

/// The failure that an exception with the four ADBC attributes carries.
fn typed_failure(value: &Bound<'_, PyAny>) -> PyResult<Failure> {
    let code: i64 = value.getattr("status_code")?.extract()?;
    let sqlstate: Option<String> = value.getattr("sqlstate")?.extract()?;
    let vendor_code: Option<i64> = value.getattr("vendor_code")?.extract()?;
    let status = Status::from_code(code).unwrap_or(Status::Unknown);
    let mut failure = Failure::verbatim(status, text(value));
    failure.sqlstate = sqlstate
        .and_then(|state| state.into_bytes().try_into().ok())
        .filter(|state: &[u8; 5]| state.is_ascii());
    failure.vendor_code = vendor_code.and_then(|code| i32::try_from(code).ok());
    for pair in value.getattr("details")?.try_iter()? {
        let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair?.extract()?;
        let key = match key.cast::<PyBytes>() {
            Ok(bytes) => String::from_utf8_lossy(bytes.as_bytes()).into_owned(),
            Err(_) => text(&key),
        };
        let value = match value.cast::<PyBytes>() {
            Ok(bytes) => bytes.as_bytes().to_vec(),
            Err(_) => text(&value).into_bytes(),
        };
        failure.details.push((key, value));
    }
    Ok(failure)
}

/// `str(value)`, whatever it takes.
fn text(value: &Bound<'_, PyAny>) -> String {
    match value.str() {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => "(its text cannot be read)".to_owned(),
    }
}

// ---- threads and signals

/// Whether this is the thread on which Python handles signals.
pub fn is_main_thread() -> bool {
    #[cfg(target_os = "linux")]
    {
        // A thread keeps its number for life, but for the one that forks, which is its child's first.
        thread_local!(static FIRST_OF: Cell<Option<(u32, bool)>> = const { Cell::new(None) });
        let pid = process::pid();
        match FIRST_OF.get() {
            Some((of, is_first)) if of == pid => is_first,
            _ => {
                // SAFETY: the call only returns a number.
                let thread = unsafe { libc::syscall(libc::SYS_gettid) };
                let is_first = thread == libc::c_long::from(pid);
                FIRST_OF.set(Some((pid, is_first)));
                is_first
            }
        }
    }
    #[cfg(target_vendor = "apple")]
    {
        // SAFETY: the call only returns a number.
        unsafe { libc::pthread_main_np() != 0 }
    }
    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    {
        false // no polling: the driver manager does not handle Ctrl-C there either
    }
}

/// Let Python handle pending signals; the failure is what a handler raised.
pub fn check_signals() -> Option<Failure> {
    try_attach(|py| py.check_signals().err().map(|error| failure(py, &error, None)))?
}

/// Raise *failure* in the main thread as soon as that runs Python code again.
pub fn raise_soon(failure: Failure) {
    extern "C" fn raise(failure: *mut c_void) -> c_int {
        // SAFETY: the pointer is the box from below, and Python calls this once.
        let failure = unsafe { Box::from_raw(failure.cast::<Failure>()) };
        let raised = try_attach(|py| {
            let error = exception(py, &failure).unwrap_or_else(|error| error);
            error.restore(py);
        });
        if raised.is_some() {
            -1
        } else {
            0
        }
    }
    if process::is_unreachable() {
        return;
    }
    let failure = Box::into_raw(Box::new(failure)).cast::<c_void>();
    // SAFETY: any thread may call it at any time; the function takes what it gets with it.
    if unsafe { pyo3::ffi::Py_AddPendingCall(Some(raise), failure) } != 0 {
        // SAFETY: nobody else has it: there was no room for the call.
        drop(unsafe { Box::from_raw(failure.cast::<Failure>()) });
    }
}

/// *failure* as the exception that the driver manager would raise for it.
pub fn exception(py: Python<'_>, failure: &Failure) -> PyResult<PyErr> {
    let details = PyList::empty(py);
    for (key, value) in &failure.details {
        details.append((PyBytes::new(py, key.as_bytes()), PyBytes::new(py, value)))?;
    }
    let sqlstate = failure.sqlstate.map(|state| String::from_utf8_lossy(&state).into_owned());
    let arguments =
        (failure.status as u8, &failure.message, sqlstate, failure.vendor_code, details);
    let error = call_blocking(
        &import(py, "e6data_adbc.errors")?.getattr("from_driver")?,
        &arguments.into_pyobject(py)?,
    )?;
    Ok(PyErr::from_value(error))
}

/// Run *body*, which waits, without holding the interpreter: most callers do not hold it, some do.
pub fn detached<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    if !holds_interpreter() {
        return body();
    }
    let mut body = Some(body);
    let result = try_attach(|py| body.take().map(|body| py.detach(body)));
    match (result.flatten(), body) {
        (Some(result), _) => result,
        (None, Some(body)) => body(),
        (None, None) => unreachable!("the body is taken only to be run"),
    }
}

type StateCheck = unsafe extern "C" fn() -> c_int;

/// `PyGILState_Check`. False if it cannot be found.
///
/// It errs on the side of true once a process has used sub-interpreters; `detached` is right then
/// too.
fn holds_interpreter() -> bool {
    static CHECK: OnceLock<Option<StateCheck>> = OnceLock::new();
    asks(&CHECK, &[c"PyGILState_Check"])
}

/// `Py_IsFinalizing`, which had another name until 3.13. False if neither can be found.
fn is_finalizing() -> bool {
    static CHECK: OnceLock<Option<StateCheck>> = OnceLock::new();
    asks(&CHECK, &[c"Py_IsFinalizing", c"_Py_IsFinalizing"])
}

/// Call the first of *names* that the interpreter has; they are not part of the stable ABI.
fn asks(check: &OnceLock<Option<StateCheck>>, names: &[&CStr]) -> bool {
    let find = || {
        let symbol = names.iter().map(|name| find_symbol(name)).find(|symbol| !symbol.is_null());
        // SAFETY: the interpreter defines the names asked for as `int (void)`.
        symbol.map(|symbol| unsafe { std::mem::transmute::<*mut c_void, StateCheck>(symbol) })
    };
    check.get_or_init(find).is_some_and(|check| {
        // SAFETY: the functions may be called by any thread in any state.
        unsafe { check() != 0 }
    })
}

/// A function of the interpreter in this process, or null.
fn find_symbol(name: &CStr) -> *mut c_void {
    #[cfg(unix)]
    {
        // SAFETY: the name is a C string.
        unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
    }
    #[cfg(not(unix))]
    {
        let _ = name;
        std::ptr::null_mut()
    }
}

// ---- calls that may block while the interpreter goes away

/// Hangs the thread if it is unwound by the interpreter.
///
/// Until 3.13, a thread that comes back from a blocking call while the interpreter is finalised is
/// ended by `pthread_exit`, which unwinds the stack. Rust aborts the process when that reaches
/// its `catch_unwind`. Such a thread has nothing left to do: it sleeps until the process is gone.
struct HangIfUnwound;

impl Drop for HangIfUnwound {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}

/// `PyObject_Call`, as what it is: a function that may unwind.
///
/// Only then is there a landing pad that runs the guard. pyo3 declares it as one that may not, and
/// two declarations of one name become one when the crates are linked, so it is looked up.
type Call = unsafe extern "C-unwind" fn(
    *mut pyo3::ffi::PyObject,
    *mut pyo3::ffi::PyObject,
    *mut pyo3::ffi::PyObject,
) -> *mut pyo3::ffi::PyObject;

/// Call *callable*, which may block.
pub fn call_blocking<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    static CALL: OnceLock<Option<Call>> = OnceLock::new();
    let find = || {
        // SAFETY: the interpreter defines this name with this signature; null becomes `None`.
        unsafe { std::mem::transmute::<*mut c_void, Option<Call>>(find_symbol(c"PyObject_Call")) }
    };
    let Some(call) = CALL.get_or_init(find) else { return callable.call1(arguments) };
    let guard = HangIfUnwound;
    // SAFETY: attached, and both are live objects, the second a tuple.
    let result = unsafe { call(callable.as_ptr(), arguments.as_ptr(), std::ptr::null_mut()) };
    std::mem::forget(guard);
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(callable.py(), result) }
}

/// Import a module, whose code runs the first time, as [`call_blocking`] does.
pub fn import<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    // This one is there since the interpreter started.
    let import_module = py.import("importlib")?.getattr("import_module")?;
    call_blocking(&import_module, &PyTuple::new(py, [name])?)
}

/// `PyEval_RestoreThread`, as what it is: a function that may unwind, see [`Call`].
type Restore = unsafe extern "C-unwind" fn(*mut pyo3::ffi::PyThreadState);

/// Run *body*, which may block and touches nothing of Python's, without holding the interpreter.
pub fn released<R: Send>(py: Python<'_>, body: impl FnOnce() -> R + Send) -> R {
    static RESTORE: OnceLock<Option<Restore>> = OnceLock::new();
    let find = || {
        let symbol = find_symbol(c"PyEval_RestoreThread");
        // SAFETY: the interpreter defines this name with this signature; null becomes `None`.
        unsafe { std::mem::transmute::<*mut c_void, Option<Restore>>(symbol) }
    };
    let Some(restore) = RESTORE.get_or_init(find) else { return py.detach(body) };
    // SAFETY: attached; the state goes back below, on this thread.
    let state = unsafe { pyo3::ffi::PyEval_SaveThread() };
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    let guard = HangIfUnwound;
    // SAFETY: the state is from `PyEval_SaveThread` on this thread, and given back once.
    unsafe { restore(state) };
    std::mem::forget(guard);
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
