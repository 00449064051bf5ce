//! The codec as Python sees it. All decoding and encoding runs detached from the interpreter.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::ffi::FFI_ArrowArray;
use arrow_array::{Array, RecordBatch, StructArray};
use arrow_schema::ffi::FFI_ArrowSchema;
use e6data_chunk::metadata::{self, Column, ResultMetadata};
use e6data_chunk::response::{self, Version};
use e6data_chunk::{ChunkDecoder, ChunkShape, EncodeError, EncodeOptions, Limits, VectorType};
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyCapsule};

use crate::pipeline::{Payload, Raw};
use crate::python::capsules::{import_batch, import_schema, take_array, take_schema, Owned};
use crate::python::decode_error::decode_error;

fn encode_error(error: EncodeError) -> PyErr {
    PyValueError::new_err(format!("could not encode the batch: {error}"))
}

pub type ColumnTuple = (String, String, String, String);
type Shape = (usize, Vec<(i32, Option<i32>)>);
type Description = (usize, Vec<(i32, Option<i32>, u8)>);

fn shape(shape: ChunkShape) -> Shape {
    let vectors = shape.vectors.into_iter().map(|vector| (vector.vector_type, vector.scale));
    (shape.rows, vectors.collect())
}

fn description(shape: ChunkShape) -> Description {
    let vectors = shape.vectors.into_iter();
    let vectors = vectors.map(|vector| (vector.vector_type, vector.found, vector.evidence as u8));
    (shape.rows, vectors.collect())
}

/// Returns row count and columns (name, type name, zone, format) of result metadata.
#[pyfunction]
pub fn parse_metadata(py: Python<'_>, data: &[u8]) -> PyResult<(i64, Vec<ColumnTuple>)> {
    let parsed = py.detach(|| metadata::parse(data));
    let parsed = parsed.map_err(|error| decode_error(py, "the result metadata", error))?;
    Ok(columns(parsed))
}

/// Row count and columns as Python has them.
pub fn columns(metadata: ResultMetadata) -> (i64, Vec<ColumnTuple>) {
    let columns = metadata
        .columns
        .into_iter()
        .map(|column| (column.name, column.type_name, column.zone, column.format));
    (metadata.row_count, columns.collect())
}

/// Returns result metadata as the engine writes it.
#[pyfunction]
pub fn encode_metadata(
    py: Python<'_>,
    row_count: i64,
    columns: Vec<ColumnTuple>,
) -> PyResult<Py<PyBytes>> {
    let columns = columns.into_iter().map(|(name, type_name, zone, format)| Column {
        name,
        type_name,
        zone,
        format,
    });
    let metadata = ResultMetadata { row_count, columns: columns.collect() };
    let bytes = py.detach(|| metadata::encode(&metadata)).map_err(|error| {
        PyValueError::new_err(format!("could not encode the result metadata: {error}"))
    })?;
    Ok(PyBytes::new(py, &bytes).unbind())
}

/// Returns rows, and (vector type, decimal scale) of each vector of a chunk.
#[pyfunction]
pub fn probe_chunk(py: Python<'_>, chunk: &[u8]) -> PyResult<Shape> {
    let probed = py.detach(|| e6data_chunk::probe(chunk));
    probed.map(shape).map_err(|error| decode_error(py, "the chunk", error))
}

/// Returns rows, and (vector type, decimal scale, evidence) of each vector of a chunk.
#[pyfunction]
pub fn describe_chunk(py: Python<'_>, chunk: &[u8]) -> PyResult<Description> {
    let probed = py.detach(|| e6data_chunk::probe(chunk));
    probed.map(description).map_err(|error| decode_error(py, "the chunk", error))
}

/// Returns one chunk as a batch of the given schema.
#[pyfunction]
#[pyo3(signature = (chunk, schema, *, max_rows = 1 << 24, max_bytes = 1 << 30))]
pub fn decode_chunk(
    py: Python<'_>,
    chunk: &[u8],
    schema: &Bound<'_, PyAny>,
    max_rows: usize,
    max_bytes: usize,
) -> PyResult<Batch> {
    let schema = Arc::new(import_schema(Owned(take_schema(schema)?))?);
    let mut decoder = ChunkDecoder::new(schema, Limits { max_rows, max_bytes })
        .map_err(|error| PyTypeError::new_err(error.to_string()))?;
    let batch = py.detach(|| decoder.append(chunk).map(|_| decoder.finish()));
    match batch {
        Ok(batch) => Ok(Batch { batch }),
        Err(error) => Err(decode_error(py, "the chunk", error)),
    }
}

/// Returns a batch as one chunk whose vectors have the given types.
#[pyfunction]
#[pyo3(signature = (batch, vector_types, *, constants = true))]
pub fn encode_chunk(
    py: Python<'_>,
    batch: &Bound<'_, PyAny>,
    vector_types: Vec<i32>,
    constants: bool,
) -> PyResult<Py<PyBytes>> {
    let types = vector_types.into_iter().map(|number| {
        VectorType::from_i32(number)
            .ok_or_else(|| PyValueError::new_err(format!("there is no vector type {number}")))
    });
    let types = types.collect::<PyResult<Vec<_>>>()?;
    let (schema, array) = take_array(batch)?;
    let batch = import_batch(schema, array)?;
    let bytes = py
        .detach(|| e6data_chunk::encode_chunk(&batch, &types, &EncodeOptions { constants }))
        .map_err(encode_error)?;
    Ok(PyBytes::new(py, &bytes).unbind())
}

pub fn version(number: i64) -> PyResult<Version> {
    match number {
        1 => Ok(Version::V1),
        2 => Ok(Version::V2),
        _ => Err(PyValueError::new_err(format!("there is no result protocol {number}"))),
    }
}

/// Returns a fetch response as the engine sends it.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // arguments come from Python by value
#[pyo3(
    signature = (chunks, *, version, session_id = "", new_strategy = None, end_of_stream = false)
)]
pub fn encode_response(
    py: Python<'_>,
    chunks: Vec<PyBackedBytes>,
    version: i64,
    session_id: &str,
    new_strategy: Option<&str>,
    end_of_stream: bool,
) -> PyResult<Py<PyBytes>> {
    let version = self::version(version)?;
    let bytes = py.detach(|| {
        let slices: Vec<&[u8]> = chunks.iter().map(AsRef::as_ref).collect();
        response::encode(&slices, version, session_id, new_strategy, end_of_stream)
    });
    Ok(PyBytes::new(py, &bytes).unbind())
}

/// The method of the wire that hands out a result by the first protocol.
pub const FETCH_V1: &str = "getNextResultBatch";

/// The method that hands out a result by *version* of the protocol.
pub const fn rpc(version: Version) -> &'static str {
    match version {
        Version::V1 => FETCH_V1,
        Version::V2 => "getNextResultBatchV2",
    }
}

struct Received {
    data: PyBackedBytes,
    parsed: response::Response,
    version: Version,
}

impl Payload for Received {
    fn bytes(&self) -> &[u8] {
        &self.data
    }

    fn chunks(&self) -> &[Range<usize>] {
        &self.parsed.chunks
    }

    fn rpc(&self) -> &'static str {
        rpc(self.version)
    }

    fn is_of_python(&self) -> bool {
        true
    }
}

/// A raw fetch response; nothing of it is copied.
#[pyclass(frozen, module = "e6data_adbc._native")]
pub struct Response(Arc<Received>);

impl Response {
    /// The response that *bytes* are, in a copy of Python's.
    pub fn copied(py: Python<'_>, bytes: &[u8], version: Version) -> PyResult<Self> {
        Self::parsed(py, &PyBytes::new(py, bytes), version)
    }

    fn parsed(py: Python<'_>, data: &Bound<'_, PyBytes>, version: Version) -> PyResult<Self> {
        let data = PyBackedBytes::from(data.clone());
        match response::parse(&data, version) {
            Ok(parsed) => Ok(Self(Arc::new(Received { data, parsed, version }))),
            Err(error) => Err(decode_error(py, "the response", error)),
        }
    }

    /// The response for the pipeline: it shares the bytes.
    pub fn payload(&self) -> Raw {
        self.0.clone()
    }

    fn text(&self, range: Option<&Range<usize>>) -> Option<String> {
        range.map(|range| String::from_utf8_lossy(&self.0.data[range.clone()]).into_owned())
    }
}

#[pymethods]
impl Response {
    #[new]
    fn new(py: Python<'_>, data: &Bound<'_, PyBytes>, version: i64) -> PyResult<Self> {
        Self::parsed(py, data, self::version(version)?)
    }

    /// The session id, if the engine sent one.
    #[getter]
    fn session_id(&self) -> Option<String> {
        self.text(self.0.parsed.session_id.as_ref())
    }

    /// The announced strategy, if the engine sent one.
    #[getter]
    fn new_strategy(&self) -> Option<String> {
        self.text(self.0.parsed.new_strategy.as_ref())
    }

    /// Whether no further response follows.
    #[getter]
    fn end_of_stream(&self) -> bool {
        self.0.parsed.end_of_stream
    }

    /// Chunks in the response.
    #[getter]
    fn chunk_count(&self) -> usize {
        self.0.parsed.chunks.len()
    }

    /// Bytes of the response.
    #[getter]
    fn nbytes(&self) -> usize {
        self.0.data.len()
    }

    /// Rows that the chunks say they have; -1 where one is broken, which decoding reports.
    #[getter]
    fn row_count(&self) -> i64 {
        let received = &self.0;
        let chunks = received.parsed.chunks.iter();
        let rows = chunks
            .map(|range| e6data_chunk::peek_rows(&received.data[range.clone()]).map(i64::from));
        rows.sum::<Result<i64, _>>().unwrap_or(-1)
    }

    /// Returns a copy of each chunk's bytes.
    fn chunks<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let received = &self.0;
        let chunks = received.parsed.chunks.iter();
        chunks.map(|range| PyBytes::new(py, &received.data[range.clone()])).collect()
    }

    /// Returns the shape of each chunk, as `probe_chunk` does.
    fn probe(&self, py: Python<'_>) -> PyResult<Vec<Shape>> {
        let received = &self.0;
        let probed = py.detach(|| {
            let chunks = received.parsed.chunks.iter();
            chunks
                .map(|range| e6data_chunk::probe(&received.data[range.clone()]).map(shape))
                .collect::<Result<Vec<_>, _>>()
        });
        probed.map_err(|error| decode_error(py, "the chunk", error))
    }

    /// Returns the shape of one chunk, as `describe_chunk` does.
    fn describe(&self, py: Python<'_>, index: usize) -> PyResult<Description> {
        let received = &self.0;
        let range = received.parsed.chunks.get(index);
        let range = range.ok_or_else(|| PyIndexError::new_err("there is no such chunk"))?;
        let probed = py.detach(|| e6data_chunk::probe(&received.data[range.clone()]));
        probed.map(description).map_err(|error| decode_error(py, "the chunk", error))
    }

    fn __repr__(&self) -> String {
        format!(
            "<Response of {} chunks, {} bytes{}>",
            self.0.parsed.chunks.len(),
            self.0.data.len(),
            if self.0.parsed.end_of_stream { ", the last" } else { "" }
        )
    }
}

/// A decoded record batch; `pyarrow.record_batch(batch)` takes it without a copy.
#[pyclass(frozen, module = "e6data_adbc._native")]
pub struct Batch {
    batch: RecordBatch,
}

#[pymethods]
impl Batch {
    /// Rows of the batch.
    #[getter]
    fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Returns the batch through the Arrow `PyCapsule` interface.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        let _ = requested_schema; // the interface allows to ignore it
        let schema = self.__arrow_c_schema__(py)?;
        let array = FFI_ArrowArray::new(&StructArray::from(self.batch.clone()).to_data());
        Ok((schema, PyCapsule::new_with_value(py, array, c"arrow_array")?))
    }

    /// Returns the schema through the Arrow `PyCapsule` interface.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.batch.schema().as_ref())
            .map_err(|error| PyTypeError::new_err(error.to_string()))?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }
}
