//! The only place that enters the interpreter.

pub mod arrived_stream;
pub mod capsules;
pub mod codec;
pub mod course;
pub mod decode_error;
pub mod interpreter;
pub mod opening;
pub mod query_source;
pub mod reading;
pub mod requests;
pub mod shortcut;
pub mod stream_stats;
pub mod transport;
pub mod values;

pub use self::interpreter::{
    attach, call, call_blocking, call_unraisable, check_signals, detached, exception, import,
    is_main_thread, raise_soon, rearm, released, Object,
};
