//! The requests of one query: made by Python, or by what is known of all queries of a session.

use std::time::Duration;

use e6data_chunk::request;
use e6data_transport::Call;

use crate::python::transport::Pairs;

/// What is asked of a query that was prepared.
pub struct Requests {
    pub execute: Call,
    pub metadata: Call,
    pub fetch: Call,
    /// Sent once all of a result is here, if it is; otherwise Python sees to it.
    pub clear: Option<Call>,
}

/// Path and most seconds of a call.
pub struct Method {
    pub path: String,
    pub timeout: Duration,
}

/// All that the queries of one session on one deployment have in common.
pub struct Plan {
    pub prepare: Method,
    pub execute: Method,
    pub metadata: Method,
    pub fetch: Method,
    pub clear: Method,
    /// The metadata of a prepare, and the name of the header that leads to a planner.
    pub headers: Pairs,
    pub planner_header: String,
    pub session_id: String,
    pub catalog: Option<String>,
    pub schema: String,
}

impl Plan {
    /// The request that prepares *sql*.
    pub fn preparation(&self, sql: &str) -> Call {
        let catalog = self.catalog.as_deref();
        let message = request::preparation(&self.session_id, &self.schema, catalog, sql);
        call(&self.prepare, message, self.headers.clone())
    }

    /// What is asked of *query_id*, which the planner *engine* has; `None` where no header leads to that.
    pub fn requests(&self, engine: &str, query_id: &str) -> Option<Requests> {
        if query_id.is_empty() || !is_planner(engine) {
            return None;
        }
        let message = request::about_query(engine, &self.session_id, query_id);
        let planner = (self.planner_header.clone(), engine.to_owned());
        let headers: Pairs = self.headers.iter().cloned().chain([planner]).collect();
        let about = |method| call(method, message.clone(), headers.clone());
        Some(Requests {
            execute: about(&self.execute),
            metadata: about(&self.metadata),
            fetch: about(&self.fetch),
            clear: Some(about(&self.clear)),
        })
    }
}

fn call(method: &Method, message: Vec<u8>, headers: Pairs) -> Call {
    let (path, timeout) = (method.path.clone(), method.timeout);
    Call { path, message, headers, secret: Pairs::new(), timeout }
}

/// Whether *engine* is the name of a host that a header takes to the server unchanged.
fn is_planner(engine: &str) -> bool {
    const LONGEST: usize = 255;
    let is_short = (1..=LONGEST).contains(&engine.len());
    is_short && engine.bytes().all(|byte| byte.is_ascii_graphic())
}
