//! A Python `Query` as the source of a pipeline.

use std::sync::{Arc, Mutex};

use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::error::{Failure, Outcome};
use crate::pipeline::{self, Pipeline, Plan, Raw, Source, Stats, StreamOptions};
use crate::process::lock;
use crate::python;
use crate::python::capsules::{import_schema, take_schema, Owned};
use crate::python::codec::{Response, FETCH_V1};
use crate::python::course::{Course, Track};
use crate::python::stream_stats::StreamStats;

struct PySource {
    query_id: String,
    query: python::Object,
    next_response: python::Object,
    stats: Arc<Stats>,
    /// How responses come without Python, as long as nothing is unusual about them.
    course: Mutex<Option<Arc<Track>>>,
}

impl Source for PySource {
    fn course(&self) -> Option<Arc<dyn pipeline::Course>> {
        lock(&self.course).clone().map(|track| track as Arc<dyn pipeline::Course>)
    }

    fn next_response(&self, mut used: Vec<Raw>) -> Result<Option<Raw>, Failure> {
        let course = lock(&self.course).clone();
        if let Some(course) = course {
            if !used.is_empty() {
                let freed = std::mem::take(&mut used);
                drop(python::attach(|_| drop(freed)));
            }
            if let Some(raw) = course.next(&self.stats) {
                return Ok(Some(raw));
            }
            lock(&self.course).take();
        }
        python::call(Some(&self.query_id), |py| {
            drop(used);
            let answer = python::call_blocking(&self.next_response.bind(py), &PyTuple::empty(py))
                .inspect_err(|error| {
                if !error.is_instance_of::<PyException>(py) {
                    // KeyboardInterrupt and the like end the query.
                    python::call_unraisable(py, &self.query.bind(py), "cancel");
                }
            })?;
            if answer.is_none() {
                return Ok(None);
            }
            let response = answer.cast::<Response>().map_err(|_| {
                PyTypeError::new_err("next_response() must return a _native.Response or None")
            })?;
            let course = self.query.bind(py).getattr_opt("course")?;
            let course = course
                .map(|course| python::call_blocking(&course, &PyTuple::empty(py)))
                .transpose()?;
            if let Some(course) = course.filter(|course| !course.is_none()) {
                let course = course.cast::<Course>().map_err(|_| {
                    PyTypeError::new_err("course() must return a _native.Course or None")
                })?;
                *lock(&self.course) = Some(course.get().track());
            }
            Ok(Some(response.get().payload()))
        })
    }

    fn cancel(&self) {
        // Without an interpreter there is nobody left to tell.
        drop(python::attach(|py| {
            python::call_unraisable(py, &self.query.bind(py), "cancel");
        }));
    }

    fn close(&self, used: Vec<Raw>) {
        drop(python::attach(|py| {
            drop(used);
            python::call_unraisable(py, &self.query.bind(py), "close");
        }));
    }

    fn retire(self: Arc<Self>, used: Vec<Raw>) {
        drop(python::attach(|_| drop((self, used))));
    }
}

/// Open the stream of a Python `Query`; if that fails, the query is cancelled and closed.
pub fn open(query: python::Object) -> Outcome<Arc<Pipeline>> {
    let mut query_id = String::new();
    let result = python::call(None, |py| {
        let bound = query.bind(py);
        query_id = bound.getattr("query_id")?.extract()?;
        let whole = whole(&bound)?;
        let next_response = python::Object::new(&bound.getattr("next_response")?);
        Ok((plan(&bound, query_id.clone())?, next_response, whole))
    });
    match result {
        Ok(((plan, stats), _, Some(response))) => {
            let (pipeline, used) = Pipeline::decoded(plan, stats, response)?;
            drop(python::attach(|_| drop(used)));
            Ok(pipeline)
        }
        Ok(((plan, stats), next_response, None)) => {
            let source = PySource {
                query_id,
                query,
                next_response,
                stats: stats.clone(),
                course: Mutex::default(),
            };
            let source = Arc::new(source);
            Pipeline::start(plan, stats, source)
        }
        Err(failure) => {
            drop(python::attach(|py| {
                python::call_unraisable(py, &query.bind(py), "cancel");
                python::call_unraisable(py, &query.bind(py), "close");
            }));
            let known = !query_id.is_empty();
            Err(if known { failure.about_query(&query_id, FETCH_V1) } else { failure })
        }
    }
}

/// The one response that is the result, or `Some(None)` for one without; `None` if it has to be
/// fetched. A query that hands out the former clears itself.
#[allow(clippy::option_option)] // whether it is here, and whether it has a response
fn whole(query: &Bound<'_, PyAny>) -> PyResult<Option<Option<Raw>>> {
    let Some(whole) = query.getattr_opt("whole")?.filter(|whole| !whole.is_none()) else {
        return Ok(None);
    };
    let responses = whole.cast::<PyList>()?;
    if responses.len() > 1 {
        return Err(PyTypeError::new_err("a whole result has one response at most"));
    }
    match responses.iter().next() {
        Some(response) => Ok(Some(Some(response.cast::<Response>()?.get().payload()))),
        None => Ok(Some(None)),
    }
}

fn plan(query: &Bound<'_, PyAny>, query_id: String) -> PyResult<(Plan, Arc<Stats>)> {
    let schema = Owned(take_schema(&query.getattr("schema")?)?);
    let schema = import_schema(schema)?;
    let options = query.getattr("options")?;
    let size = |name: &str| options.getattr(name)?.extract::<usize>();
    let options = StreamOptions {
        queue_bytes: size("queue_bytes")?,
        batch_rows: size("batch_rows")?,
        batch_bytes: size("batch_bytes")?,
        max_chunk_rows: size("max_chunk_rows")?,
        max_chunk_bytes: size("max_chunk_bytes")?,
        allow_missing_rows: options.getattr("allow_missing_rows")?.is_truthy()?,
        prefetch: size("prefetch")?,
        parallel_bytes: pipeline::parallel_bytes(),
    };
    let rpc = query.getattr_opt("rpc")?.map(|rpc| rpc.extract()).transpose()?;
    let rpc = rpc.unwrap_or_else(|| FETCH_V1.to_owned());
    let announced_rows = query.getattr("announced_rows")?.extract()?;
    let stats = Arc::new(Stats::default());
    let arguments = (StreamStats::new(stats.clone()),).into_pyobject(query.py())?;
    python::call_blocking(&query.getattr("attach")?, &arguments)?;
    let plan = Plan { schema: Arc::new(schema), query_id, rpc, announced_rows, options };
    Ok((plan, stats))
}
