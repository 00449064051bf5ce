//! Decodes and encodes e6data result chunks as Arrow record batches.
#![deny(unsafe_code)]

#[cfg(test)]
extern crate self as e6data_chunk;

mod decode;
mod encode;
mod error;
mod limits;
pub mod metadata;
mod probe;
pub mod request;
pub mod response;
mod structure;
mod vector;
mod vector_type;
mod wire;

pub use decode::{ChunkDecoder, Mark};
pub use encode::{encode_chunk, EncodeOptions};
pub use error::{DecodeError, EncodeError, EncodeErrorKind, ErrorKind, UnsupportedType};
pub use limits::{Limits, MAX_CHUNKS, MAX_COLUMNS};
pub use probe::{probe, ChunkShape, Evidence, VectorShape};
pub use structure::peek_rows;
pub use vector_type::{Form, VectorType};
