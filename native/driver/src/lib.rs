//! The native side of `e6data_adbc`: an ADBC driver library and a Python module in one file.
//!
//! A driver manager finds [`AdbcDriverInit`]; Python finds the module `e6data_adbc._native`. What
//! the driver does is decided in Python (`e6data_adbc._driver`); what flows through it is not
//! touched by Python at all.
#![deny(unsafe_op_in_unsafe_fn)]

mod abi;
mod boundary;
mod connection;
mod database;
mod error;
mod handle;
mod options;
mod pipeline;
mod process;
mod python;
mod statement;
mod stream;
mod table;

use std::ffi::{c_int, c_void};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::abi::{AdbcError, ArrowArrayStream, StatusCode};
use crate::error::Failure;
use crate::process::Found;
use crate::stream::{Outcome, Via};

/// The entrypoint that every driver manager looks for last.
///
/// # Safety
/// As `AdbcDriverInitFunc` of `adbc.h` demands.
#[no_mangle]
pub unsafe extern "C" fn AdbcDriverInit(
    version: c_int,
    driver: *mut c_void,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: promised by the caller.
    unsafe { table::init(version, driver, error, Via::Manager) }
}

/// The entrypoint that a driver manager derives from the name `adbc_driver_e6data`.
///
/// # Safety
/// As `AdbcDriverInitFunc` of `adbc.h` demands.
#[no_mangle]
pub unsafe extern "C" fn AdbcDriverE6dataInit(
    version: c_int,
    driver: *mut c_void,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: promised by the caller.
    unsafe { table::init(version, driver, error, Via::Manager) }
}

/// The entrypoint of `e6data_adbc.dbapi`; see [`table`] for what is different.
///
/// # Safety
/// As `AdbcDriverInitFunc` of `adbc.h` demands.
#[no_mangle]
pub unsafe extern "C" fn AdbcDriverE6dataDirectInit(
    version: c_int,
    driver: *mut c_void,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: promised by the caller.
    unsafe { table::init(version, driver, error, Via::Nothing) }
}

/// Ends all open results and refuses new work; true if every thread ended in time.
///
/// Registered with `atexit`, so that no thread of the driver meets a finalised interpreter. A
/// second call does not wait again.
#[pyfunction]
#[pyo3(signature = (timeout_seconds = 5.0))]
fn shutdown(py: Python<'_>, timeout_seconds: f64) -> PyResult<bool> {
    let timeout = Duration::try_from_secs_f64(timeout_seconds)
        .map_err(|error| PyValueError::new_err(format!("timeout_seconds: {error}")))?;
    Ok(py.detach(|| {
        process::stop();
        process::drain(timeout)
    }))
}

/// Returns how many threads of the driver are running.
#[pyfunction]
fn thread_count() -> usize {
    process::thread_count()
}

/// The failure of one result stream, which may have been released meanwhile.
#[pyclass(frozen, module = "e6data_adbc._native")]
struct StreamErrors {
    outcome: Outcome,
    pid: u32,
}

#[pymethods]
impl StreamErrors {
    /// Returns what is known of the C stream at *address*; None if it is not the driver's, or gone.
    ///
    /// # Safety
    /// As everything that takes an address: there must be an initialised `ArrowArrayStream`.
    #[staticmethod]
    fn of(address: usize) -> Option<Self> {
        let stream = std::ptr::with_exposed_provenance::<ArrowArrayStream>(address);
        // SAFETY: promised by the caller.
        match unsafe { stream::find(stream) } {
            Found::Here(stream) => {
                Some(Self { outcome: stream.outcome().clone(), pid: process::pid() })
            }
            // Of the parent process, whose outcome is not known here; no process has this id.
            Found::Forked => Some(Self { outcome: Outcome::default(), pid: 0 }),
            Found::Gone => None,
        }
    }

    /// Returns the error with which the stream failed, None if it has not.
    fn error<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let forked;
        let failure = if self.pid == process::pid() {
            self.outcome.get().map(|failed| &failed.failure)
        } else {
            forked = Failure::forked("result");
            Some(&forked)
        };
        failure
            .map(|failure| {
                Ok(python::exception(py, failure)?.into_value(py).into_bound(py).into_any())
            })
            .transpose()
    }
}

/// Compiled part of `e6data_adbc`: the ADBC driver library, the result stream and the chunk codec.
#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::python::codec::{
        decode_chunk, describe_chunk, encode_chunk, encode_metadata, encode_response,
        parse_metadata, probe_chunk, Batch, Response,
    };
    #[pymodule_export]
    use crate::python::course::Course;
    #[pymodule_export]
    use crate::python::decode_error::NativeDecodeError;
    #[pymodule_export]
    use crate::python::opening::Opening;
    #[pymodule_export]
    use crate::python::reading::Reading;
    #[pymodule_export]
    use crate::python::shortcut::Shortcut;
    #[pymodule_export]
    use crate::python::stream_stats::StreamStats;
    #[pymodule_export]
    use crate::python::transport::{Channel, Exchange};
    #[pymodule_export]
    use crate::{shutdown, thread_count, StreamErrors};

    /// Whether this is an unoptimised build.
    #[pymodule_export]
    const DEBUG_BUILD: bool = cfg!(debug_assertions);

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.setattr("_anchor", crate::process::anchor())?; // not in `__all__`
        let atexit = module.py().import("atexit")?;
        atexit.call_method1("register", (module.getattr("shutdown")?,))?;
        if DEBUG_BUILD {
            let kind = module.py().get_type::<pyo3::exceptions::PyRuntimeWarning>();
            let text =
                c"e6data_adbc._native is a debug build and many times slower than a release build";
            PyErr::warn(module.py(), &kind, text, 1)?;
        }
        Ok(())
    }
}
