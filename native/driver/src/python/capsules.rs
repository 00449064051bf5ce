//! Arrow's C structs on their way in and out of Python, in capsules.

use std::ffi::CStr;

use arrow_array::ffi::{from_ffi, FFI_ArrowArray};
use arrow_array::{Array, RecordBatch, StructArray};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{DataType, Schema};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use crate::abi::{ArrowArray, ArrowArrayStream, ArrowSchema, Movable};
use crate::python::{call_blocking, import};

const STREAM: &CStr = c"arrow_array_stream";
const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";

/// Call *method* of *object* and move the struct out of the capsule that it returns.
fn take<T: Movable>(exporter: &Bound<'_, PyAny>, method: &str, name: &CStr) -> PyResult<T> {
    let capsule = call_blocking(&exporter.getattr(method)?, &PyTuple::empty(exporter.py()))?;
    take_capsule(&capsule, name)
}

fn take_capsule<T: Movable>(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<T> {
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(name))?.cast::<T>();
    // SAFETY: a capsule of this name holds an initialised struct of this type (Arrow PyCapsule
    // interface) and is alive here; the struct left behind is marked as released.
    let taken = unsafe { std::mem::replace(&mut *pointer.as_ptr(), T::released()) };
    if taken.is_released() {
        return Err(PyTypeError::new_err(format!("the capsule {name:?} was consumed before")));
    }
    Ok(taken)
}

/// Move the stream of an object with `__arrow_c_stream__` to the caller of the driver.
pub fn take_stream(exporter: &Bound<'_, PyAny>) -> PyResult<ArrowArrayStream> {
    take(exporter, "__arrow_c_stream__", STREAM)
}

/// Move the schema of an object with `__arrow_c_schema__` to the caller of the driver.
pub fn take_schema(exporter: &Bound<'_, PyAny>) -> PyResult<ArrowSchema> {
    take(exporter, "__arrow_c_schema__", SCHEMA)
}

/// Move schema and array out of an object with `__arrow_c_array__`.
pub fn take_array(
    exporter: &Bound<'_, PyAny>,
) -> PyResult<(Owned<ArrowSchema>, Owned<ArrowArray>)> {
    let pair =
        call_blocking(&exporter.getattr("__arrow_c_array__")?, &PyTuple::empty(exporter.py()))?;
    let (schema, array): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
    let schema = Owned(take_capsule(&schema, SCHEMA)?);
    Ok((schema, Owned(take_capsule(&array, ARRAY)?)))
}

/// A struct that is released with its owner.
#[repr(transparent)]
pub struct Owned<T: Movable>(pub T);

impl<T: Movable> Owned<T> {
    /// Take over what *source* points to and mark it as released there; null or released is `None`.
    ///
    /// # Safety
    /// *source* is null, or points to an initialised struct that the caller hands over.
    pub unsafe fn from_raw(source: *mut T) -> Option<Self> {
        // SAFETY: promised by the caller.
        let source = unsafe { source.as_mut() }?;
        let taken = std::mem::replace(source, T::released());
        (!taken.is_released()).then_some(Self(taken))
    }
}

impl<T: Movable> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.release();
    }
}

// SAFETY: the Arrow C interfaces allow to move and release a struct on any thread.
unsafe impl<T: Movable> Send for Owned<T> {}

/// The schema in a C struct; what it says must also be possible to export again.
pub fn import_schema(mut schema: Owned<ArrowSchema>) -> PyResult<Schema> {
    let raw = std::mem::replace(&mut schema.0, ArrowSchema::released());
    // SAFETY: both are the `ArrowSchema` of the Arrow C data interface; the struct is moved.
    let ffi = unsafe { std::mem::transmute::<ArrowSchema, FFI_ArrowSchema>(raw) };
    Schema::try_from(&ffi)
        .and_then(|schema| FFI_ArrowSchema::try_from(&schema).map(|_| schema))
        .map_err(|error| PyTypeError::new_err(format!("the schema cannot be read: {error}")))
}

/// The record batch in two C structs.
pub fn import_batch(
    mut schema: Owned<ArrowSchema>,
    mut array: Owned<ArrowArray>,
) -> PyResult<RecordBatch> {
    let schema = std::mem::replace(&mut schema.0, ArrowSchema::released());
    let array = std::mem::replace(&mut array.0, ArrowArray::released());
    // SAFETY: the types on both sides are the structs of the Arrow C data interface; they are
    // moved, and their producer vouches that they describe one array.
    let data = unsafe {
        let schema = std::mem::transmute::<ArrowSchema, FFI_ArrowSchema>(schema);
        from_ffi(std::mem::transmute::<ArrowArray, FFI_ArrowArray>(array), &schema)
    };
    let data =
        data.map_err(|error| PyTypeError::new_err(format!("the batch cannot be read: {error}")))?;
    if !matches!(data.data_type(), DataType::Struct(_)) {
        return Err(PyTypeError::new_err("a record batch is needed, not another array"));
    }
    let columns = StructArray::from(data);
    if columns.null_count() > 0 {
        return Err(PyTypeError::new_err("a record batch has no null rows"));
    }
    Ok(RecordBatch::from(columns))
}

fn capsule<'py, T: Movable + 'static>(
    py: Python<'py>,
    value: Owned<T>,
    name: &'static CStr,
) -> PyResult<Bound<'py, PyCapsule>> {
    // Consumers find the struct itself: `Owned` is transparent.
    PyCapsule::new_with_value(py, value, name)
}

/// What Python may import once through the Arrow `PyCapsule` interface.
#[pyclass(frozen, module = "e6data_adbc._native", name = "_Exported")]
pub struct Exported {
    capsules: Vec<Py<PyCapsule>>,
}

#[pymethods]
impl Exported {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__(
        &self,
        py: Python<'_>,
        requested_schema: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(Py<PyCapsule>, Py<PyCapsule>)> {
        let _ = requested_schema;
        match self.capsules.as_slice() {
            [schema, array] => Ok((schema.clone_ref(py), array.clone_ref(py))),
            _ => Err(PyTypeError::new_err("not an array")),
        }
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__(
        &self,
        py: Python<'_>,
        requested_schema: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyCapsule>> {
        let _ = requested_schema;
        match self.capsules.as_slice() {
            [stream] => Ok(stream.clone_ref(py)),
            _ => Err(PyTypeError::new_err("not a stream")),
        }
    }
}

/// A `pyarrow.RecordBatchReader` over a C stream.
pub fn stream_reader(
    py: Python<'_>,
    stream: Owned<ArrowArrayStream>,
) -> PyResult<Bound<'_, PyAny>> {
    let exported = Exported { capsules: vec![capsule(py, stream, STREAM)?.unbind()] };
    let reader = import(py, "pyarrow")?.getattr("RecordBatchReader")?;
    let from_stream = reader.getattr("from_stream")?;
    call_blocking(&from_stream, &(Bound::new(py, exported)?,).into_pyobject(py)?)
}

/// A `pyarrow.RecordBatchReader` over one C array.
pub fn array_reader(
    py: Python<'_>,
    schema: Owned<ArrowSchema>,
    array: Owned<ArrowArray>,
) -> PyResult<Bound<'_, PyAny>> {
    let exported = Exported {
        capsules: vec![capsule(py, schema, SCHEMA)?.unbind(), capsule(py, array, ARRAY)?.unbind()],
    };
    // `pyarrow.record_batch` refuses an array that is part of a longer one.
    let arrived = import(py, "e6data_adbc._driver.binding.arrived_data")?;
    let reader_of_array = arrived.getattr("reader_of_array")?;
    call_blocking(&reader_of_array, &(Bound::new(py, exported)?,).into_pyobject(py)?)
}
