//! What databases, connections and statements have in common: options, and a Python object to call.

use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::BoundObject;

use crate::boundary::{clear, Object, Slot};
use crate::error::{Failure, Outcome, Status};
use crate::options::{not_found, Options, Value};
use crate::process::lock;
use crate::python;
use crate::python::values::from_python;

/// An object whose work is done by a Python object, once there is one.
pub trait Handle: Object {
    /// Where options wait for `Init`.
    fn options(&self) -> Option<&Mutex<Options>>;
    /// The Python object, from `Init` on. Reading it takes no lock.
    fn object(&self) -> Option<&python::Object>;

    /// The Python object; `INVALID_STATE` before `Init`.
    fn ready(&self) -> Outcome<&python::Object> {
        self.object().ok_or_else(|| {
            Failure::new(
                Status::InvalidState,
                format_args!(
                    "could not use the {}: it is not initialised",
                    <Self::Slot as Slot>::NAME
                ),
            )
        })
    }
}

/// Call a method of the Python object and use what it returns, attached.
pub fn call<R>(
    handle: &impl Handle,
    method: &str,
    arguments: impl for<'py> IntoPyObject<'py, Target = PyTuple>,
    result: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<R>,
) -> Outcome<R> {
    let object = handle.ready()?;
    python::call(None, |py| {
        let arguments = arguments.into_pyobject(py).map_err(Into::into)?.into_bound();
        result(&python::call_blocking(&object.bind(py).getattr(method)?, &arguments)?)
    })
}

/// Call a method without arguments and ignore what it returns.
pub fn call_plain(handle: &impl Handle, method: &str) -> Outcome {
    call(handle, method, (), |_| Ok(()))
}

/// Set or unset an option, before `Init` or after it.
pub fn set_option(handle: &impl Handle, key: &str, value: Option<Value>) -> Outcome {
    if let (None, Some(options)) = (handle.object(), handle.options()) {
        lock(options).set(key, value);
        return Ok(());
    }
    call(handle, "set_option", (key, value.as_ref()), |_| Ok(()))
}

/// Read an option, before `Init` or after it.
pub fn get_option(handle: &impl Handle, key: &str) -> Outcome<Value> {
    if let (None, Some(options)) = (handle.object(), handle.options()) {
        return lock(options).get(key);
    }
    call(handle, "get_option", (key,), from_python)?.ok_or_else(|| not_found(key))
}

/// Close the object in the manager's struct, if there is one, and let go of it.
///
/// A release does not fail: the object is gone, and the manager would count it as open for ever.
/// What `close` raises goes to Python's hook for exceptions that nobody can catch.
///
/// # Safety
/// As for [`clear`].
pub unsafe fn release<T: Handle>(slot: *mut T::Slot) -> Outcome {
    // SAFETY: promised by the caller.
    let handle = unsafe { clear::<T>(slot) }?;
    if let Some(object) = handle.as_ref().and_then(|handle| handle.object()) {
        // Without an interpreter there is nothing left to close.
        drop(python::attach(|py| python::call_unraisable(py, &object.bind(py), "close")));
    }
    Ok(())
}

/// The eight option functions of one kind of object.
macro_rules! option_functions {
    ($object:ty, $slot:ty) => {
        pub unsafe extern "C" fn set_option(
            slot: *mut $slot,
            key: *const std::ffi::c_char,
            value: *const std::ffi::c_char,
            error: *mut $crate::abi::AdbcError,
        ) -> $crate::abi::StatusCode {
            use $crate::{boundary, handle, options::Value};
            // SAFETY: the pointers are as `adbc.h` demands of the caller; so for all eight.
            unsafe {
                boundary::run(error, || {
                    let object = boundary::get::<$object>(slot)?;
                    let key = boundary::required_text(key, "option key")?;
                    let value = boundary::optional_text(value, "option value")?;
                    let value = value.map(|text| Value::Text(text.to_owned()));
                    handle::set_option(&*object, key, value)
                })
            }
        }

        pub unsafe extern "C" fn set_option_bytes(
            slot: *mut $slot,
            key: *const std::ffi::c_char,
            value: *const u8,
            length: usize,
            error: *mut $crate::abi::AdbcError,
        ) -> $crate::abi::StatusCode {
            use $crate::{boundary, handle, options::Value};
            // SAFETY: see `set_option`.
            unsafe {
                boundary::run(error, || {
                    let object = boundary::get::<$object>(slot)?;
                    let key = boundary::required_text(key, "option key")?;
                    let value = if value.is_null() && length == 0 {
                        None
                    } else {
                        let bytes = boundary::required_bytes(value, length, "option value")?;
                        Some(Value::Bytes(bytes.to_vec()))
                    };
                    handle::set_option(&*object, key, value)
                })
            }
        }

        pub unsafe extern "C" fn set_option_int(
            slot: *mut $slot,
            key: *const std::ffi::c_char,
            value: i64,
            error: *mut $crate::abi::AdbcError,
        ) -> $crate::abi::StatusCode {
            use $crate::{boundary, handle, options::Value};
            // SAFETY: see `set_option`.
            unsafe {
                boundary::run(error, || {
                    let object = boundary::get::<$object>(slot)?;
                    let key = boundary::required_text(key, "option key")?;
                    handle::set_option(&*object, key, Some(Value::Int(value)))
                })
            }
        }

        pub unsafe extern "C" fn set_option_double(
            slot: *mut $slot,
            key: *const std::ffi::c_char,
            value: f64,
            error: *mut $crate::abi::AdbcError,
        ) -> $crate::abi::StatusCode {
            use $crate::{boundary, handle, options::Value};
            // SAFETY: see `set_option`.
            unsafe {
                boundary::run(error, || {
                    let object = boundary::get::<$object>(slot)?;
                    let key = boundary::required_text(key, "option key")?;
                    handle::set_option(&*object, key, Some(Value::Double(value)))
                })
            }
        }

        pub unsafe extern "C" fn get_option(
            slot: *mut $slot,
            key: *const std::ffi::c_char,
            value: *mut std::ffi::c_char,
            length: *mut usize,
            error: *mut $crate::abi::AdbcError,
        ) -> $crate::abi::StatusCode {
            use $crate::{boundary, handle, options};
            // SAFETY: see `set_option`.
            unsafe {
                boundary::run(error, || {
                    let object = boundary::get::<$object>(slot)?;
                    let key = boundary::required_text(key, "option key")?;
                    let text = handle::get_option(&*object, key)?.to_text(key)?;
                    options::give_text(text, value, length)
                })
            }
        }

        pub unsafe extern "C" fn get_option_bytes(
            slot: *mut $slot,
            key: *const std::ffi::c_char,
            value: *mut u8,
            length: *mut usize,
            error: *mut $crate::abi::AdbcError,
        ) -> $crate::abi::StatusCode {
            use $crate::{boundary, handle, options};
            // SAFETY: see `set_option`.
            unsafe {
                boundary::run(error, || {
                    let object = boundary::get::<$object>(slot)?;
                    let key = boundary::required_text(key, "option key")?;
                    let bytes = handle::get_option(&*object, key)?.to_bytes(key)?;
                    options::give_bytes(&bytes, value, length)
                })
            }
        }

        pub unsafe extern "C" fn get_option_int(
            slot: *mut $slot,
            key: *const std::ffi::c_char,
            value: *mut i64,
            error: *mut $crate::abi::AdbcError,
        ) -> $crate::abi::StatusCode {
            use $crate::{boundary, handle, options};
            // SAFETY: see `set_option`.
            unsafe {
                boundary::run(error, || {
                    let object = boundary::get::<$object>(slot)?;
                    let key = boundary::required_text(key, "option key")?;
                    let number = handle::get_option(&*object, key)?.to_int(key)?;
                    options::give_number(number, value)
                })
            }
        }

        pub unsafe extern "C" fn get_option_double(
            slot: *mut $slot,
            key: *const std::ffi::c_char,
            value: *mut f64,
            error: *mut $crate::abi::AdbcError,
        ) -> $crate::abi::StatusCode {
            use $crate::{boundary, handle, options};
            // SAFETY: see `set_option`.
            unsafe {
                boundary::run(error, || {
                    let object = boundary::get::<$object>(slot)?;
                    let key = boundary::required_text(key, "option key")?;
                    let number = handle::get_option(&*object, key)?.to_double(key)?;
                    options::give_number(number, value)
                })
            }
        }
    };
}
pub(crate) use option_functions;
