//! What every ABI function does around its work: catch panics, check pointers, process and state.

use std::any::Any;
use std::ffi::{c_char, c_void, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use crate::abi::{AdbcConnection, AdbcDatabase, AdbcError, AdbcStatement, Movable, StatusCode};
use crate::error::{answer, Failure, Outcome, Status};
use crate::process::Found;
use crate::{process, python};

/// Run the body of an ABI function; a panic is INTERNAL and harms nothing else.
///
/// # Safety
/// *error* is null, or points to an initialised `AdbcError` of the size that its vendor code says.
pub unsafe fn run(error: *mut AdbcError, body: impl FnOnce() -> Outcome) -> StatusCode {
    let result =
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(panicked(&*panic)));
    python::rearm();
    // SAFETY: promised by the caller.
    unsafe { answer(error, result) }
}

/// INTERNAL, with the text of the panic.
pub fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "no text",
    };
    Failure::new(Status::Internal, format_args!("internal error: panic: {text}"))
}

/// The structs of the manager in whose `private_data` an object of ours lives.
pub trait Slot {
    /// The word for it in errors.
    const NAME: &'static str;
    fn private_data(&mut self) -> &mut *mut c_void;
}

macro_rules! slot {
    ($type:ty, $name:literal) => {
        impl Slot for $type {
            const NAME: &'static str = $name;

            fn private_data(&mut self) -> &mut *mut c_void {
                &mut self.private_data
            }
        }
    };
}

slot!(AdbcDatabase, "database");
slot!(AdbcConnection, "connection");
slot!(AdbcStatement, "statement");

/// An object of ours behind one of the manager's structs, which names it by number.
pub trait Object: Send + Sync + 'static {
    type Slot: Slot;
}

/// Put *object* into the manager's struct.
///
/// # Safety
/// *slot* is null or points to an initialised struct.
pub unsafe fn put<T: Object>(slot: *mut T::Slot, object: impl FnOnce() -> Outcome<T>) -> Outcome {
    // SAFETY: promised by the caller.
    let slot = unsafe { slot.as_mut() }.ok_or_else(|| null(T::Slot::NAME))?;
    if !slot.private_data().is_null() {
        return Err(Failure::new(
            Status::InvalidState,
            format_args!("could not make a {}: the struct holds one already", T::Slot::NAME),
        ));
    }
    not_stopped()?;
    *slot.private_data() = std::ptr::without_provenance_mut(process::keep(Arc::new(object()?)));
    Ok(())
}

/// The object in the manager's struct, if this process may use it. It outlives a release meanwhile.
///
/// # Safety
/// *slot* is null or points to an initialised struct that only [`put`] and [`clear`] have written.
pub unsafe fn get<T: Object>(slot: *mut T::Slot) -> Outcome<Arc<T>> {
    // SAFETY: promised by the caller.
    let slot = unsafe { slot.as_mut() }.ok_or_else(|| null(T::Slot::NAME))?;
    let object = match process::find(slot.private_data().addr()) {
        Found::Here(object) => object,
        Found::Forked => return Err(Failure::forked(T::Slot::NAME)),
        Found::Gone => {
            return Err(Failure::new(
                Status::InvalidState,
                format_args!("could not use the {}: it was not made, or released", T::Slot::NAME),
            ))
        }
    };
    not_stopped()?;
    Ok(object)
}

/// Fail with CANCELLED if the struct's object was released since [`get`].
///
/// A call that began before may not succeed then: the manager would look for its own data in the
/// struct, which the release took away.
///
/// # Safety
/// As for [`get`].
pub unsafe fn not_released<T: Object>(slot: *mut T::Slot) -> Outcome {
    // SAFETY: promised by the caller.
    let slot = unsafe { slot.as_mut() }.ok_or_else(|| null(T::Slot::NAME))?;
    match process::find::<T>(slot.private_data().addr()) {
        Found::Here(_) => Ok(()),
        Found::Gone | Found::Forked => Err(Failure::new(
            Status::Cancelled,
            format_args!("could not finish the call: the {} was released", T::Slot::NAME),
        )),
    }
}

/// Take the object out of the manager's struct to end it; `None` if there is nothing to do.
///
/// In another process, and after shutdown, the object is left alone and its memory is leaked.
///
/// # Safety
/// As for [`get`].
pub unsafe fn clear<T: Object>(slot: *mut T::Slot) -> Outcome<Option<Arc<T>>> {
    // SAFETY: promised by the caller.
    let slot = unsafe { slot.as_mut() }.ok_or_else(|| null(T::Slot::NAME))?;
    let pointer = std::mem::replace(slot.private_data(), std::ptr::null_mut());
    if process::is_stopped() {
        return Ok(None);
    }
    match process::take(pointer.addr()) {
        Found::Here(object) => Ok(Some(object)),
        Found::Gone | Found::Forked => Ok(None),
    }
}

/// `INVALID_STATE` once the driver has been shut down.
pub fn not_stopped() -> Outcome {
    if process::is_stopped() {
        return Err(Failure::new(
            Status::InvalidState,
            "could not use the driver: it was shut down with the Python interpreter",
        ));
    }
    Ok(())
}

/// `INVALID_ARGUMENT`: a pointer that must not be null is.
pub fn null(what: &str) -> Failure {
    Failure::new(
        Status::InvalidArgument,
        format_args!("could not make the call: the {what} pointer is null"),
    )
}

/// The caller's text, or `None` if it is null.
///
/// # Safety
/// *text* is null or a C string that lives as long as the call.
pub unsafe fn optional_text<'a>(text: *const c_char, what: &str) -> Outcome<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: promised by the caller.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|_| {
        Failure::new(
            Status::InvalidArgument,
            format_args!("could not make the call: the {what} is not UTF-8"),
        )
    })
}

/// The caller's text.
///
/// # Safety
/// *text* is null or a C string that lives as long as the call.
pub unsafe fn required_text<'a>(text: *const c_char, what: &str) -> Outcome<&'a str> {
    // SAFETY: promised by the caller.
    unsafe { optional_text(text, what) }?.ok_or_else(|| null(what))
}

/// The caller's bytes; null is accepted if there are none.
///
/// # Safety
/// *bytes* is null, or points to *length* bytes that live as long as the call.
pub unsafe fn required_bytes<'a>(bytes: *const u8, length: usize, what: &str) -> Outcome<&'a [u8]> {
    if length == 0 {
        return Ok(&[]);
    }
    if bytes.is_null() {
        return Err(null(what));
    }
    // SAFETY: not null; the caller promises the length.
    Ok(unsafe { std::slice::from_raw_parts(bytes, length) })
}

/// Make sure that *out* is there, and is a released struct should the call fail.
///
/// # Safety
/// *out* is null or points to memory for a `T` that the caller lets us write.
pub unsafe fn prepare<T: Movable>(out: *mut T) -> Outcome {
    if out.is_null() {
        return Err(null("out"));
    }
    // SAFETY: promised by the caller. What the memory holds is not released: it may be anything.
    unsafe { out.write(T::released()) };
    Ok(())
}
