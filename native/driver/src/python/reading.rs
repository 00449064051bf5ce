//! What a reader written in Python may do with the result that it reads: take rows back, and fail it.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use pyo3::prelude::*;

use crate::pipeline::Pipeline;

thread_local! {
    /// The result whose stream was exported last on this thread.
    static OPENED: RefCell<Weak<Pipeline>> = const { RefCell::new(Weak::new()) };
}

/// Remember *pipeline*, whose stream goes to whoever called the driver on this thread.
pub fn note(pipeline: &Arc<Pipeline>) {
    OPENED.with(|opened| opened.replace(Arc::downgrade(pipeline)));
}

/// A result that is read through its stream. It does not keep the stream alive, and once that was
/// released, or in a forked child, its methods do nothing.
#[pyclass(frozen, module = "e6data_adbc._native")]
pub struct Reading(Weak<Pipeline>);

impl Reading {
    fn pipeline(&self) -> Option<Arc<Pipeline>> {
        self.0.upgrade().filter(|pipeline| pipeline.is_here())
    }
}

#[pymethods]
impl Reading {
    /// Returns the result that was opened last on this thread, once; None where there is none.
    #[staticmethod]
    fn opened() -> Option<Self> {
        let opened = OPENED.with(RefCell::take);
        opened.strong_count().gt(&0).then_some(Self(opened))
    }

    /// Keeps what is delivered from now on, and of what was kept the batches of its last *rows*.
    fn keep(&self, rows: usize) {
        if let Some(pipeline) = self.pipeline() {
            pipeline.keep(rows);
        }
    }

    /// Takes back the last *rows* that were kept, which come again, first; nothing is kept any more.
    ///
    /// Returns whether they do; false when the result has failed, or its stream was released.
    fn unread(&self, rows: usize) -> bool {
        self.pipeline().is_some_and(|pipeline| pipeline.unread(rows))
    }

    /// Fails the result for good, also when it was read to its end: rows were lost on the way.
    fn fail(&self, why: &str) {
        if let Some(pipeline) = self.pipeline() {
            pipeline.fail(why);
        }
    }
}
