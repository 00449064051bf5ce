//! The client's side of HTTP/2 (RFC 9113) without input and output; see [`Connection`].
//!
//! Bytes of the peer go in and events come out, requests go in and bytes for the peer come out. What
//! carries them is somebody else's business. Nothing here knows gRPC, TLS or threads.
#![forbid(unsafe_code)]

mod connection;
mod error;
mod fields;
mod frame;
pub mod hpack;
mod hpack_tables;
mod outgoing;
mod stream;

pub use crate::connection::{Connection, Event, GoAway, Limits};
pub use crate::error::{ErrorCode, Fault, Why};
pub use crate::fields::Fields;
pub use crate::hpack::Malformed;
