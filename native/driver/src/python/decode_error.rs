//! `NativeDecodeError`: bytes that cannot be decoded, as Python hears of them.

use e6data_chunk::DecodeError;
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

create_exception!(
    e6data_adbc._native,
    NativeDecodeError,
    PyValueError,
    "Bytes that cannot be decoded: `kind`, `column`, `row` and `offset` say why and where."
);

/// The exception for *error*, found in *what*.
pub fn decode_error(py: Python<'_>, what: &str, error: DecodeError) -> PyErr {
    let words = error.kind.name().replace('_', " ");
    let column = error.column.map_or(String::new(), |column| format!(", column {column}"));
    let row = error.row.map_or(String::new(), |row| format!(", row {row}"));
    let raised = NativeDecodeError::new_err(format!(
        "could not decode {what}: {words} at byte {}{column}{row}",
        error.offset
    ));
    let value = raised.value(py);
    let result = value
        .setattr("kind", error.kind.name())
        .and_then(|()| value.setattr("column", error.column))
        .and_then(|()| value.setattr("row", error.row))
        .and_then(|()| value.setattr("offset", error.offset));
    match result {
        Ok(()) => raised,
        Err(failed) => failed,
    }
}
