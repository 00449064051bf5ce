//! `StreamStats`: the counters of a stream, as Python reads them.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use pyo3::prelude::*;

use crate::pipeline::Stats;

/// The counters of one stream; they may be read at any time, from any thread.
#[pyclass(frozen, module = "e6data_adbc._native")]
pub struct StreamStats(Arc<Stats>);

impl StreamStats {
    pub fn new(stats: Arc<Stats>) -> Self {
        Self(stats)
    }
}

#[pymethods]
impl StreamStats {
    /// Rows decoded so far.
    #[getter]
    fn rows_decoded(&self) -> u64 {
        self.0.counters()[0]
    }

    /// Rows handed to the consumer so far.
    #[getter]
    fn rows_delivered(&self) -> u64 {
        self.0.counters()[1]
    }

    /// Batches handed to the consumer so far.
    #[getter]
    fn batches_delivered(&self) -> u64 {
        self.0.counters()[2]
    }

    /// Bytes of the responses that have arrived so far.
    #[getter]
    fn bytes_received(&self) -> u64 {
        self.0.counters()[3]
    }

    /// Whether a response would find room behind the one that is being fetched.
    #[getter]
    fn has_room(&self) -> bool {
        self.0.has_room.load(Ordering::Relaxed)
    }

    fn __repr__(&self) -> String {
        let [decoded, delivered, batches, bytes] = self.0.counters();
        format!(
            "<StreamStats: {decoded} rows decoded, {delivered} delivered in {batches} batches, \
             {bytes} bytes received>"
        )
    }
}
