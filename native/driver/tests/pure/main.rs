//! Tests of the modules that need no Python, compiled here by themselves.
//!
//! The library leaves the symbols of the interpreter to the process that loads it, so a test
//! executable cannot link it. `error`, `options`, `process` and `pipeline` use none of them and
//! are included by path.
#![allow(dead_code, missing_docs, unused_imports)]

#[path = "../../src/abi.rs"]
mod abi;
#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/options.rs"]
mod options;
#[path = "../../src/pipeline/mod.rs"]
mod pipeline;
#[path = "../../src/process.rs"]
mod process;

mod pipelines;
mod scripted;

use std::ffi::CStr;
use std::ptr;

use crate::abi::{AdbcError, ERROR_VENDOR_CODE_PRIVATE_DATA};
use crate::error::{Failure, OwnedError, Status};
use crate::options::{Options, Value};

// ---- layout

#[test]
fn structs_have_the_sizes_of_the_header() {
    let pointer = size_of::<usize>();
    assert_eq!(size_of::<abi::AdbcDriver>(), (3 + 26 + 29) * pointer);
    assert_eq!(abi::DRIVER_1_0_0_SIZE, (3 + 26) * pointer);
    assert_eq!(size_of::<abi::ArrowSchema>(), 9 * 8);
    assert_eq!(size_of::<abi::ArrowArray>(), 10 * 8);
    assert_eq!(size_of::<abi::ArrowArrayStream>(), 5 * pointer);
    assert_eq!(std::mem::offset_of!(AdbcError, sqlstate), pointer + 4);
    assert_eq!(std::mem::offset_of!(AdbcError, release), 3 * pointer);
}

// ---- errors

fn empty_error(vendor_code: i32) -> AdbcError {
    AdbcError {
        message: ptr::null_mut(),
        vendor_code,
        sqlstate: [0; 5],
        release: None,
        private_data: ptr::null_mut(),
        private_driver: ptr::null_mut(),
    }
}

#[test]
fn every_status_has_its_number_and_errno() {
    for code in 1..=14 {
        let status = Status::from_code(code).unwrap();
        assert_eq!(i64::from(status as u8), code);
        assert!(status.errno() > 0);
        assert!(!status.name().is_empty());
    }
    for code in [0, 15, -1, i64::MIN, i64::MAX] {
        assert_eq!(Status::from_code(code), None);
    }
    assert_eq!(Status::Cancelled.errno(), libc::ECANCELED);
    assert_eq!(Status::Timeout.errno(), libc::ETIMEDOUT);
    assert_eq!(Status::NotImplemented.errno(), libc::ENOTSUP);
}

#[test]
fn an_error_is_filled_and_released_again_and_again() {
    let mut error = empty_error(ERROR_VENDOR_CODE_PRIVATE_DATA);
    for vendor_code in [None, Some(7), Some(ERROR_VENDOR_CODE_PRIVATE_DATA)] {
        let mut failure = Failure::new(Status::Io, "could not call").with_detail("k", "v");
        failure.vendor_code = vendor_code;
        // SAFETY: the error is initialised and has all fields.
        unsafe {
            assert_eq!(error::fill(&raw mut error, &failure), 10);
            assert_eq!(CStr::from_ptr(error.message).to_str(), Ok("[e6data] could not call (IO)"));
            assert_eq!(
                error::get_detail_count(&raw const error),
                1 + i32::from(vendor_code == Some(7))
            );
            assert!(error::get_detail(&raw const error, 5).key.is_null());
            assert!(error::get_detail(&raw const error, -1).key.is_null());
            let detail = error::get_detail(&raw const error, 0);
            assert_eq!(CStr::from_ptr(detail.key).to_str(), Ok("k"));
        }
    }
    // SAFETY: `fill` has set the callback.
    unsafe { error.release.unwrap()(&raw mut error) };
    assert!(error.message.is_null() && error.private_data.is_null() && error.release.is_none());
    assert_eq!(error.vendor_code, ERROR_VENDOR_CODE_PRIVATE_DATA);
}

#[test]
fn fields_of_1_1_are_left_alone_in_an_error_of_1_0() {
    let mut error = empty_error(0);
    error.private_data = ptr::dangling_mut();
    error.private_driver = ptr::dangling_mut();
    let mut failure = Failure::new(Status::Io, "no").with_detail("k", "v");
    failure.vendor_code = Some(9);
    failure.sqlstate = Some(*b"42P01");
    // SAFETY: the error is initialised.
    unsafe { error::fill(&raw mut error, &failure) };
    assert_eq!((error.vendor_code, error.sqlstate), (9, *b"42P01"));
    // SAFETY: `fill` has set the callback.
    unsafe { error.release.unwrap()(&raw mut error) };
    assert_eq!(error.private_data, ptr::dangling_mut());
    assert_eq!(error.sqlstate, [0; 5]);
}

#[test]
fn an_owned_error_cannot_be_released_by_its_reader() {
    let owned = OwnedError::new(&Failure::new(Status::Timeout, "late").with_detail("k", "v"));
    // SAFETY: the error lives as long as its owner.
    let error = unsafe { &*owned.as_ptr() };
    assert!(error.release.is_none());
    // SAFETY: as above.
    assert_eq!(unsafe { error::get_detail_count(error) }, 1);
}

#[test]
fn names_are_quoted_on_one_line() {
    assert_eq!(error::quoted("it's \"a\"\n"), r#"'it\'s "a"\n'"#);
}

// ---- options

#[test]
fn bytes_that_repeat_the_text_do_not_replace_it() {
    let mut options = Options::default();
    options.set("k", Some(Value::Text("true".into())));
    options.set("k", Some(Value::Bytes(b"true".to_vec())));
    assert_eq!(options.get("k"), Ok(Value::Text("true".into())));
    options.set("k", Some(Value::Bytes(b"false".to_vec())));
    assert_eq!(options.get("k"), Ok(Value::Bytes(b"false".to_vec())));
    options.set("k", Some(Value::Text("false".into())));
    assert_eq!(options.get("k"), Ok(Value::Text("false".into())));
    options.set("k", None);
    assert_eq!(options.get("k").unwrap_err().status, Status::NotFound);
}

#[test]
fn numbers_convert_only_if_they_are_exact() {
    assert_eq!(Value::Double(3.0).to_int("k"), Ok(3));
    assert_eq!(Value::Double(i64::MIN as f64).to_int("k"), Ok(i64::MIN));
    for number in [0.5, f64::NAN, f64::INFINITY, 9.3e18, -9.3e18] {
        assert_eq!(Value::Double(number).to_int("k").unwrap_err().status, Status::InvalidArgument);
    }
    let secret = Value::Bytes(b"secret\xff".to_vec()).to_text("k").unwrap_err();
    assert!(!secret.message.contains("secret"));
}
