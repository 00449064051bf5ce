//! The pipeline of a result: fetched, decoded, merged into batches.

pub mod fetch;
pub mod merge;
