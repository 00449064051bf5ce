//! Thrift binary protocol: types, cursor, skipping.

mod reader;
mod skip;
pub(crate) mod types;

pub(crate) use reader::{be_i32, be_i64, List, Reader, Span};
