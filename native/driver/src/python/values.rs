//! Option values on their way in and out of Python.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyString};

use crate::options::{Options, Value};

impl<'py> IntoPyObject<'py> for &Options {
    type Target = PyDict;
    type Output = Bound<'py, PyDict>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let dict = PyDict::new(py);
        for (key, value) in self.iter() {
            dict.set_item(key, value)?;
        }
        Ok(dict)
    }
}

impl<'py> IntoPyObject<'py> for &Value {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = std::convert::Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(match self {
            Value::Text(text) => PyString::new(py, text).into_any(),
            Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
            Value::Int(number) => number.into_pyobject(py)?.into_any(),
            Value::Double(number) => PyFloat::new(py, *number).into_any(),
        })
    }
}

/// An option value from Python; `None` is no value.
pub fn from_python(value: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    if value.is_none() {
        return Ok(None);
    }
    Ok(Some(if let Ok(flag) = value.cast::<PyBool>() {
        Value::Text(if flag.is_true() { "true" } else { "false" }.to_owned())
    } else if let Ok(text) = value.cast::<PyString>() {
        Value::Text(text.extract()?)
    } else if let Ok(bytes) = value.cast::<PyBytes>() {
        Value::Bytes(bytes.as_bytes().to_vec())
    } else if value.is_instance_of::<PyInt>() {
        Value::Int(value.extract()?)
    } else if value.is_instance_of::<PyFloat>() {
        Value::Double(value.extract()?)
    } else {
        let kind = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!("an option value of type {kind}")));
    }))
}
