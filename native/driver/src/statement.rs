//! `AdbcStatement*`: a Python `Statement`, and the stream of its last execution.

use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use pyo3::prelude::*;

use crate::abi::{
    AdbcConnection, AdbcError, AdbcPartitions, AdbcStatement, ArrowArray, ArrowArrayStream,
    ArrowSchema, StatusCode,
};
use crate::boundary::{
    get, not_released, not_stopped, null, prepare, put, required_bytes, required_text, run, Object,
};
use crate::connection::Connection;
use crate::error::{quoted, Failure, Outcome, Status};
use crate::handle::{self, call_plain, Handle};
use crate::options::Options;
use crate::pipeline::Pipeline;
use crate::process::lock;
use crate::python::arrived_stream::without_offsets;
use crate::python::capsules::{array_reader, stream_reader, take_schema, Owned};
use crate::python::{self, query_source};
use crate::stream::{self, Via};

/// One statement.
pub struct Statement {
    object: python::Object,
    /// The stream of the last execution, which may live longer than the statement. The lock is held
    /// to read or write the pointer, never over a call.
    stream: Mutex<Weak<Pipeline>>,
    /// Executions that are running.
    running: AtomicUsize,
    /// Cancellations so far.
    cancels: AtomicU64,
}

impl Object for Statement {
    type Slot = AdbcStatement;
}

impl Handle for Statement {
    fn options(&self) -> Option<&Mutex<Options>> {
        None
    }

    fn object(&self) -> Option<&python::Object> {
        Some(&self.object)
    }
}

/// Counts an execution while it runs.
struct Execution<'a>(&'a Statement);

impl<'a> Execution<'a> {
    /// Begin: a stream that is still open from an earlier execution is cancelled.
    fn begin(statement: &'a Statement) -> Self {
        statement.running.fetch_add(1, Ordering::SeqCst);
        let earlier = std::mem::take(&mut *lock(&statement.stream)).upgrade();
        if let Some(earlier) = earlier {
            earlier.cancel("its statement was executed again");
        }
        Self(statement)
    }
}

impl Drop for Execution<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

pub unsafe extern "C" fn new(
    connection: *mut AdbcConnection,
    statement: *mut AdbcStatement,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: the pointers are as `adbc.h` demands of the caller; so for every function below.
    unsafe {
        run(error, || {
            let connection = get::<Connection>(connection)?;
            put(statement, || {
                let object = handle::call(&*connection, "statement", (), |made| {
                    Ok(python::Object::new(made))
                })?;
                Ok(Statement {
                    object,
                    stream: Mutex::default(),
                    running: AtomicUsize::new(0),
                    cancels: AtomicU64::new(0),
                })
            })
        })
    }
}

/// A stream of the statement lives on.
pub unsafe extern "C" fn release(
    statement: *mut AdbcStatement,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || handle::release::<Statement>(statement)) }
}

handle::option_functions!(Statement, AdbcStatement);

pub unsafe extern "C" fn set_sql_query(
    statement: *mut AdbcStatement,
    query: *const c_char,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe {
        run(error, || {
            let statement = get::<Statement>(statement)?;
            let query = required_text(query, "query")?;
            handle::call(&*statement, "set_sql_query", (query,), |_| Ok(()))
        })
    }
}

pub unsafe extern "C" fn set_substrait_plan(
    statement: *mut AdbcStatement,
    plan: *const u8,
    length: usize,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe {
        run(error, || {
            let statement = get::<Statement>(statement)?;
            let plan = required_bytes(plan, length, "plan")?;
            handle::call(&*statement, "set_substrait_plan", (plan,), |_| Ok(()))
        })
    }
}

pub unsafe extern "C" fn prepare_statement(
    statement: *mut AdbcStatement,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || call_plain(&*get::<Statement>(statement)?, "prepare")) }
}

// ---- parameters

/// Hand the parameters to Python as a `pyarrow.RecordBatchReader`.
fn bind_reader(
    statement: &Statement,
    reader: impl FnOnce(Python<'_>) -> PyResult<Bound<'_, PyAny>>,
) -> Outcome {
    let reader =
        python::call(None, |py| reader(py).map(Bound::unbind)).map_err(|mut failure| {
            if failure.status == Status::Internal {
                // Data that pyarrow cannot import is the caller's mistake, not ours.
                let cause = failure.message.trim_start_matches("[e6data] internal error: ");
                let cause = cause.trim_end_matches(" (INTERNAL)");
                failure = Failure::new(
                    Status::InvalidArgument,
                    format_args!("could not bind parameters: {cause}"),
                );
            }
            failure
        })?;
    handle::call(statement, "bind", (&reader,), |_| Ok(()))
}

pub unsafe extern "C" fn bind(
    statement: *mut AdbcStatement,
    values: *mut ArrowArray,
    schema: *mut ArrowSchema,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`; the call takes over both structs.
    unsafe {
        run(error, || {
            let statement = get::<Statement>(statement)?;
            let values = Owned::from_raw(values).ok_or_else(|| null("values"))?;
            let schema = Owned::from_raw(schema).ok_or_else(|| null("schema"))?;
            bind_reader(&statement, |py| array_reader(py, schema, values))
        })
    }
}

pub unsafe extern "C" fn bind_stream(
    statement: *mut AdbcStatement,
    values: *mut ArrowArrayStream,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`; the call takes over the stream.
    unsafe {
        run(error, || {
            let statement = get::<Statement>(statement)?;
            let values = Owned::from_raw(values).ok_or_else(|| null("stream"))?;
            bind_reader(&statement, |py| stream_reader(py, without_offsets(values)))
        })
    }
}

pub unsafe extern "C" fn get_parameter_schema(
    statement: *mut AdbcStatement,
    out: *mut ArrowSchema,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || schema_of(statement, "get_parameter_schema", out)) }
}

pub unsafe extern "C" fn execute_schema(
    statement: *mut AdbcStatement,
    out: *mut ArrowSchema,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe { run(error, || schema_of(statement, "execute_schema", out)) }
}

/// Call a method that returns a schema and move it to *out*.
///
/// # Safety
/// The pointers are as `adbc.h` demands of the caller.
unsafe fn schema_of(statement: *mut AdbcStatement, method: &str, out: *mut ArrowSchema) -> Outcome {
    // SAFETY: promised by the caller.
    let statement = unsafe {
        prepare(out)?;
        get::<Statement>(statement)?
    };
    let schema = handle::call(&*statement, method, (), take_schema)?;
    // SAFETY: `prepare` has found it to be there.
    unsafe { out.write(schema) };
    Ok(())
}

// ---- execution

pub unsafe extern "C" fn execute_query(
    statement: *mut AdbcStatement,
    out: *mut ArrowArrayStream,
    rows_affected: *mut i64,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`; null is allowed for `out` and for `rows_affected`.
    unsafe { run(error, || execute(statement, out, rows_affected, Via::Manager)) }
}

/// As `execute_query`, for a table without `AdbcErrorFromArrayStream`.
pub unsafe extern "C" fn execute_query_directly(
    statement: *mut AdbcStatement,
    out: *mut ArrowArrayStream,
    rows_affected: *mut i64,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `execute_query`.
    unsafe { run(error, || execute(statement, out, rows_affected, Via::Nothing)) }
}

/// # Safety
/// The pointers are as `adbc.h` demands of the caller; *out* and *rows_affected* may be null.
unsafe fn execute(
    slot: *mut AdbcStatement,
    out: *mut ArrowArrayStream,
    rows_affected: *mut i64,
    via: Via,
) -> Outcome {
    // SAFETY: promised by the caller.
    unsafe {
        if !out.is_null() {
            prepare(out)?;
        }
        let statement = get::<Statement>(slot)?;
        let rows = if out.is_null() {
            update(&statement)?
        } else {
            let (pipeline, affected) = query(&statement)?;
            not_released::<Statement>(slot).map_err(|failure| {
                pipeline.release();
                pipeline.about(failure)
            })?;
            let rows = affected.unwrap_or_else(|| pipeline.announced_rows()).max(-1);
            out.write(stream::export(pipeline, via));
            rows
        };
        if !rows_affected.is_null() {
            *rows_affected = rows;
        }
        Ok(())
    }
}

fn update(statement: &Statement) -> Outcome<i64> {
    let _execution = Execution::begin(statement);
    handle::call(statement, "execute_update", (), |rows| rows.extract())
}

/// The stream, and the rows that the statement changed if it is one that changes something.
fn query(statement: &Statement) -> Outcome<(Arc<Pipeline>, Option<i64>)> {
    let _execution = Execution::begin(statement);
    let cancels = statement.cancels.load(Ordering::SeqCst);
    let (query, affected) = handle::call(statement, "execute", (), |query| {
        let affected = query.getattr_opt("rows_affected")?;
        let affected = affected.map(|rows| rows.extract::<Option<i64>>()).transpose()?;
        Ok((python::Object::new(query), affected.flatten()))
    })?;
    let pipeline = query_source::open(query)?;
    *lock(&statement.stream) = Arc::downgrade(&pipeline);
    // A cancellation that came too late for `execute` and too early for the stream counts.
    if statement.cancels.load(Ordering::SeqCst) != cancels {
        pipeline.cancel("it was cancelled");
        pipeline.release();
        return Err(pipeline.about(Failure::new(
            Status::Cancelled,
            format_args!(
                "could not execute query {}: it was cancelled",
                quoted(pipeline.query_id())
            ),
        )));
    }
    not_stopped()?;
    Ok((pipeline, affected))
}

/// Waits for no call that is running: it is what ends them.
pub unsafe extern "C" fn cancel(
    statement: *mut AdbcStatement,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`.
    unsafe {
        run(error, || {
            let statement = get::<Statement>(statement)?;
            // Read first: an execution may end because of what follows, before Python is asked.
            let runs = statement.running.load(Ordering::SeqCst) > 0;
            statement.cancels.fetch_add(1, Ordering::SeqCst);
            let stream = lock(&statement.stream).upgrade();
            let stopped = stream.is_some_and(|stream| stream.cancel("it was cancelled"));
            match call_plain(&*statement, "cancel") {
                // Python sees only the calls that are inside it at this moment.
                Err(failure) if failure.status == Status::InvalidState && (stopped || runs) => {
                    Ok(())
                }
                result => result,
            }
        })
    }
}

// ---- partitions

/// What `private_data` of partitions points to.
struct Partitions {
    _descriptors: Vec<Vec<u8>>,
    pointers: Vec<*const u8>,
    lengths: Vec<usize>,
}

pub unsafe extern "C" fn execute_partitions(
    statement: *mut AdbcStatement,
    schema: *mut ArrowSchema,
    partitions: *mut AdbcPartitions,
    rows_affected: *mut i64,
    error: *mut AdbcError,
) -> StatusCode {
    // SAFETY: see `new`; null is allowed for `rows_affected`.
    unsafe {
        run(error, || {
            if partitions.is_null() {
                return Err(null("partitions"));
            }
            // One consumer calls `release` without looking: it is there on every path.
            partitions.write(export_partitions(Vec::new()));
            prepare(schema)?;
            let statement = get::<Statement>(statement)?;
            let _execution = Execution::begin(&statement);
            let (made, descriptors, rows) =
                handle::call(&*statement, "execute_partitions", (), |result| {
                    let (made, descriptors, rows): (Bound<'_, PyAny>, Vec<Vec<u8>>, i64) =
                        result.extract()?;
                    let made = if made.is_none() { None } else { Some(take_schema(&made)?) };
                    Ok((made, descriptors, rows))
                })?;
            if let Some(made) = made {
                schema.write(made);
            }
            release_partitions(partitions);
            partitions.write(export_partitions(descriptors));
            if !rows_affected.is_null() {
                *rows_affected = rows;
            }
            Ok(())
        })
    }
}

fn export_partitions(descriptors: Vec<Vec<u8>>) -> AdbcPartitions {
    let mut owner = Box::new(Partitions {
        pointers: descriptors.iter().map(std::vec::Vec::as_ptr).collect(),
        lengths: descriptors.iter().map(Vec::len).collect(),
        _descriptors: descriptors,
    });
    AdbcPartitions {
        num_partitions: owner.lengths.len(),
        partitions: owner.pointers.as_mut_ptr(),
        partition_lengths: owner.lengths.as_ptr(),
        private_data: Box::into_raw(owner).cast::<c_void>(),
        release: Some(release_partitions),
    }
}

unsafe extern "C" fn release_partitions(partitions: *mut AdbcPartitions) {
    // SAFETY: only `export_partitions` sets this callback, with a box of its own.
    unsafe {
        if partitions.is_null() || (*partitions).private_data.is_null() {
            return;
        }
        drop(Box::from_raw((*partitions).private_data.cast::<Partitions>()));
        (*partitions).num_partitions = 0;
        (*partitions).partitions = std::ptr::null_mut();
        (*partitions).partition_lengths = std::ptr::null();
        (*partitions).private_data = std::ptr::null_mut();
        (*partitions).release = None;
    }
}
