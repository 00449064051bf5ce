//! `AdbcDatabase*`: options until `Init`, then a Python `Database`.

use std::sync::{Mutex, OnceLock};

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

use crate::abi::{AdbcDatabase, AdbcError, StatusCode};
use crate::boundary::{clear, get, put, run, Object};
use crate::error::{Failure, Outcome, Status};
use crate::handle::{self, Handle};
use crate::options::Options;
use crate::process::{self, lock};
use crate::python;

/// One database.
pub struct Database {
    options: Mutex<Options>,
    object: OnceLock<python::Object>,
}

impl Object for Database {
    type Slot = AdbcDatabase;
}

impl Handle for Database {
    fn options(&self) -> Option<&Mutex<Options>> {
        Some(&self.options)
    }

    fn object(&self) -> Option<&python::Object> {
        self.object.get()
    }
}

pub unsafe extern "C" fn new(database: *mut AdbcDatabase, error: *mut AdbcError) -> StatusCode {
    // SAFETY: the pointers are as `adbc.h` demands of the caller; so for every function below.
    unsafe {
        run(error, || {
            put(database, || Ok(Database { options: Mutex::default(), object: OnceLock::new() }))
        })
    }
}

pub unsafe extern "C" fn init(database: *mut AdbcDatabase, error: *mut AdbcError) -> StatusCode {
    // SAFETY: see `new`.
    unsafe {
        run(error, || {
            let object = get::<Database>(database)?;
            let result = open(&object);
            if result.is_err() && object.object().is_none() {
                // The manager does not release a database whose Init failed.
                drop(clear::<Database>(database));
            }
            result
        })
    }
}

fn open(database: &Database) -> Outcome {
    if database.object().is_some() {
        return Err(Failure::new(
            Status::InvalidState,
            "could not initialise the database: it is initialised already",
        ));
    }
    let options = lock(&database.options).clone();
    let object = python::call(None, |py| {
        let native = python::import(py, "e6data_adbc._native")?;
        if native.getattr("_anchor")?.extract::<usize>()? != process::anchor() {
            return Err(PyImportError::new_err(format!(
                "the driver library that was loaded is not the module of the package at {}; \
                 point the driver to that file",
                native.getattr("__file__")?
            )));
        }
        let driver = python::import(py, "e6data_adbc._driver")?;
        Ok(python::Object::new(&python::call_blocking(
            &driver.getattr("open_database")?,
            &(&options,).into_pyobject(py)?,
        )?))
    })?;
    database.object.set(object).map_err(|_| {
        Failure::new(
            Status::InvalidState,
            "could not initialise the database: another thread has done it",
        )
    })
}

pub unsafe extern "C" fn release(database: *mut AdbcDatabase, error: *mut AdbcError) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || handle::release::<Database>(database)) }
}

handle::option_functions!(Database, AdbcDatabase);
