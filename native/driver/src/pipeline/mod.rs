//! The pipeline of one result: a fetch thread, a decode thread, and the bounded queues between them.
//!
//! ```text
//!   source ──fetch thread──▶ raw responses ──decode thread──▶ batches ──▶ consumer
//!                            `prefetch`, bytes                `queue_bytes`
//! ```
//!
//! Both threads rest while somebody reads and usual responses come by a course: the consumer waits for
//! each of them itself, with the next one asked for already, and decodes it ([`turns`]).
//!
//! One mutex guards all of it and is never held over a call into the source, a decode or a wait for
//! anything but its own condition variables. Knows neither Python nor the C ABI.
//!
//! [`shared`] has the state, and a module for each thread its side of it.

mod consume;
mod decode;
mod fetch;
mod merge;
mod open;
mod shared;
mod source;
mod turns;

pub use self::merge::parallel_bytes;
pub use self::shared::Pipeline;
pub use self::source::{Course, Payload, Plan, Raw, Source, Stats, StreamOptions, Turn};
