//! The shortcut of queries that only read: from prepare to clear without Python in between.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;

use crate::python::codec;
use crate::python::opening::{Opening, Terms};
use crate::python::requests::{Method, Plan};
use crate::python::transport::{seconds, Channel, Pairs, Registered};

/// See the module; `e6data_adbc._transport.api.Shortcut`.
#[pyclass(frozen, module = "e6data_adbc._native")]
pub struct Shortcut {
    channel: Arc<Registered>,
    plan: Arc<Plan>,
    protocol: i64,
    most_rows: i64,
    total: Duration,
}

#[pymethods]
impl Shortcut {
    #[new]
    #[pyo3(signature = (
        channel, headers, *, planner_header, methods, session_id, catalog, schema, protocol,
        most_rows, total,
    ))]
    #[allow(clippy::too_many_arguments)] // given by keyword
    fn new(
        channel: &Bound<'_, Channel>,
        headers: Pairs,
        planner_header: String,
        methods: [(String, f64); 5],
        session_id: String,
        catalog: Option<String>,
        schema: String,
        protocol: i64,
        most_rows: i64,
        total: f64,
    ) -> Self {
        let methods = methods.map(|(path, most)| Method { path, timeout: seconds(most) });
        let [prepare, execute, metadata, fetch, clear] = methods;
        let plan = Plan {
            prepare,
            execute,
            metadata,
            fetch,
            clear,
            headers,
            planner_header,
            session_id,
            catalog,
            schema,
        };
        let (channel, total) = (channel.get().registered(), seconds(total));
        Self { channel, plan: Arc::new(plan), protocol, most_rows, total }
    }

    /// Returns the calls of a query whose text is *sql*, not sent.
    fn opening(&self, sql: &str) -> PyResult<Opening> {
        let terms = Terms {
            version: codec::version(self.protocol)?,
            session_id: self.plan.session_id.clone(),
            strategy: String::new(),
            most_rows: self.most_rows,
            seconds: None,
            total: self.total,
        };
        Ok(Opening::planned(self.channel.clone(), self.plan.clone(), sql, terms))
    }

    // What it holds is secret.
    #[allow(clippy::unused_self)]
    fn __repr__(&self) -> &'static str {
        "<Shortcut>"
    }
}
