//! `AdbcConnection*`: options until `Init`, then a Python `Connection`, and the metadata calls.

use std::ffi::{c_char, c_int};
use std::sync::{Mutex, OnceLock};

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::abi::{
    AdbcConnection, AdbcDatabase, AdbcError, ArrowArrayStream, ArrowSchema, StatusCode,
};
use crate::boundary::{
    get, not_released, optional_text, prepare, put, required_bytes, required_text, run, Object,
};
use crate::database::Database;
use crate::error::{Failure, Outcome, Status};
use crate::handle::{self, call_plain, Handle};
use crate::options::Options;
use crate::process::lock;
use crate::python::capsules::{take_schema, take_stream};
use crate::python::{self, query_source};
use crate::stream::{self, Via};

/// One connection.
pub struct Connection {
    options: Mutex<Options>,
    object: OnceLock<python::Object>,
}

impl Object for Connection {
    type Slot = AdbcConnection;
}

impl Handle for Connection {
    fn options(&self) -> Option<&Mutex<Options>> {
        Some(&self.options)
    }

    fn object(&self) -> Option<&python::Object> {
        self.object.get()
    }
}

pub unsafe extern "C" fn new(connection: *mut AdbcConnection, error: *mut AdbcError) -> StatusCode {
    // SAFETY: the pointers are as `adbc.h` demands of the caller; so for every function below.
    unsafe {
        run(error, || {
            put(connection, || {
                Ok(Connection { options: Mutex::default(), object: OnceLock::new() })
            })
        })
    }
}

pub unsafe extern "C" fn init(
    connection: *mut AdbcConnection,
    database: *mut AdbcDatabase,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe {
        run(error, || {
            let connection = get::<Connection>(connection)?;
            let database = get::<Database>(database)?;
            if connection.object().is_some() {
                return Err(Failure::new(
                    Status::InvalidState,
                    "could not initialise the connection: it is initialised already",
                ));
            }
            let options = lock(&connection.options).clone();
            let object = handle::call(&*database, "connect", (&options,), |made| {
                Ok(python::Object::new(made))
            })?;
            connection.object.set(object).map_err(|_| {
                Failure::new(
                    Status::InvalidState,
                    "could not initialise the connection: another thread has done it",
                )
            })
        })
    }
}

pub unsafe extern "C" fn release(
    connection: *mut AdbcConnection,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || handle::release::<Connection>(connection)) }
}

handle::option_functions!(Connection, AdbcConnection);

pub unsafe extern "C" fn commit(
    connection: *mut AdbcConnection,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || call_plain(&*get::<Connection>(connection)?, "commit")) }
}

pub unsafe extern "C" fn rollback(
    connection: *mut AdbcConnection,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || call_plain(&*get::<Connection>(connection)?, "rollback")) }
}

pub unsafe extern "C" fn cancel(
    connection: *mut AdbcConnection,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || call_plain(&*get::<Connection>(connection)?, "cancel")) }
}

// ---- metadata

/// Call a metadata method and move the stream that it returns to *out*.
///
/// # Safety
/// The pointers are as `adbc.h` demands of the caller.
unsafe fn metadata(
    connection: *mut AdbcConnection,
    out: *mut ArrowArrayStream,
    method: &str,
    arguments: impl for<'py> IntoPyObject<'py, Target = PyTuple>,
) -> Outcome {
    // SAFETY: promised by the caller.
    let connection = unsafe {
        prepare(out)?;
        get::<Connection>(connection)?
    };
    let stream = handle::call(&*connection, method, arguments, take_stream)?;
    // SAFETY: `prepare` has found it to be there.
    unsafe { out.write(stream) };
    Ok(())
}

pub unsafe extern "C" fn get_info(
    connection: *mut AdbcConnection,
    codes: *const u32,
    length: usize,
    out: *mut ArrowArrayStream,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe {
        run(error, || {
            let codes = if codes.is_null() {
                None
            } else {
                Some(std::slice::from_raw_parts(codes, length).to_vec())
            };
            metadata(connection, out, "get_info", (codes,))
        })
    }
}

pub unsafe extern "C" fn get_objects(
    connection: *mut AdbcConnection,
    depth: c_int,
    catalog: *const c_char,
    db_schema: *const c_char,
    table_name: *const c_char,
    table_types: *const *const c_char,
    column_name: *const c_char,
    out: *mut ArrowArrayStream,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`; the table types end with a null pointer.
    unsafe {
        run(error, || {
            let catalog = optional_text(catalog, "catalog")?;
            let db_schema = optional_text(db_schema, "schema")?;
            let table_name = optional_text(table_name, "table name")?;
            let column_name = optional_text(column_name, "column name")?;
            let mut types = None;
            if !table_types.is_null() {
                let mut list = Vec::new();
                let mut next = table_types;
                while let Some(text) = optional_text(*next, "table type")? {
                    list.push(text);
                    next = next.add(1);
                }
                types = Some(list);
            }
            let arguments = (depth, catalog, db_schema, table_name, types, column_name);
            metadata(connection, out, "get_objects", arguments)
        })
    }
}

pub unsafe extern "C" fn get_table_schema(
    connection: *mut AdbcConnection,
    catalog: *const c_char,
    db_schema: *const c_char,
    table_name: *const c_char,
    out: *mut ArrowSchema,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe {
        run(error, || {
            prepare(out)?;
            let connection = get::<Connection>(connection)?;
            let catalog = optional_text(catalog, "catalog")?;
            let db_schema = optional_text(db_schema, "schema")?;
            let table_name = required_text(table_name, "table name")?;
            let arguments = (catalog, db_schema, table_name);
            let schema = handle::call(&*connection, "get_table_schema", arguments, take_schema)?;
            out.write(schema);
            Ok(())
        })
    }
}

pub unsafe extern "C" fn get_table_types(
    connection: *mut AdbcConnection,
    out: *mut ArrowArrayStream,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || metadata(connection, out, "get_table_types", ())) }
}

pub unsafe extern "C" fn get_statistics(
    connection: *mut AdbcConnection,
    catalog: *const c_char,
    db_schema: *const c_char,
    table_name: *const c_char,
    approximate: c_char,
    out: *mut ArrowArrayStream,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe {
        run(error, || {
            let catalog = optional_text(catalog, "catalog")?;
            let db_schema = optional_text(db_schema, "schema")?;
            let table_name = optional_text(table_name, "table name")?;
            let arguments = (catalog, db_schema, table_name, approximate != 0);
            metadata(connection, out, "get_statistics", arguments)
        })
    }
}

pub unsafe extern "C" fn get_statistic_names(
    connection: *mut AdbcConnection,
    out: *mut ArrowArrayStream,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || metadata(connection, out, "get_statistic_names", ())) }
}

pub unsafe extern "C" fn read_partition(
    connection: *mut AdbcConnection,
    descriptor: *const u8,
    length: usize,
    out: *mut ArrowArrayStream,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || read(connection, descriptor, length, out, Via::Manager)) }
}

/// As `read_partition`, for a table without `AdbcErrorFromArrayStream`.
pub unsafe extern "C" fn read_partition_directly(
    connection: *mut AdbcConnection,
    descriptor: *const u8,
    length: usize,
    out: *mut ArrowArrayStream,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || read(connection, descriptor, length, out, Via::Nothing)) }
}

/// # Safety
/// The pointers are as `adbc.h` demands of the caller.
unsafe fn read(
    slot: *mut AdbcConnection,
    descriptor: *const u8,
    length: usize,
    out: *mut ArrowArrayStream,
    via: Via,
) -> Outcome {
    // SAFETY: promised by the caller.
    unsafe {
        prepare(out)?;
        let connection = get::<Connection>(slot)?;
        let descriptor = required_bytes(descriptor, length, "partition")?;
        let query = handle::call(&*connection, "read_partition", (descriptor,), |query| {
            Ok(python::Object::new(query))
        })?;
        let pipeline = query_source::open(query)?;
        not_released::<Connection>(slot).map_err(|failure| {
            pipeline.release();
            pipeline.about(failure)
        })?;
        out.write(stream::export(pipeline, via));
        Ok(())
    }
}
