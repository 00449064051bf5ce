//! What a pipeline is given: where responses come from, what is known of the result, and its limits.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Instant;

use arrow_schema::SchemaRef;
use e6data_chunk::{ChunkDecoder, Limits};

use crate::error::{quoted, Failure, Status};

/// A raw response: bytes, and where the chunks are in them.
pub trait Payload: Send + Sync {
    fn bytes(&self) -> &[u8];
    fn chunks(&self) -> &[Range<usize>];
    /// The method that brought it.
    fn rpc(&self) -> &'static str;
    /// Whether it has to go back to its source, as only the interpreter may free it.
    fn is_of_python(&self) -> bool;
}

/// A response on its way.
pub type Raw = Arc<dyn Payload>;

/// What came of a turn.
pub enum Turn {
    Response(Raw),
    /// The time was up, or a signal came.
    NotYet,
    /// The source has to be asked for what follows.
    Over,
}

/// Responses that whoever reads can wait for himself, one after the other.
pub trait Course: Send + Sync {
    /// Ask for the next response, unless that has been done; returns at once.
    fn begin(&self);
    /// The next response, for which it waits at most until *until*. One thread at a time.
    fn take(&self, until: Option<Instant>, stats: &Stats) -> Turn;
    /// Make a `take` that waits return at once. Any thread; returns at once.
    fn cancel(&self);
}

/// Where raw responses come from. *used* are responses that are done with, to be dropped there.
pub trait Source: Send + Sync {
    /// How responses come from here on without the source, until it is asked for one again.
    fn course(&self) -> Option<Arc<dyn Course>> {
        None
    }
    /// The next response, or the end. Blocks; called by the fetch thread only.
    fn next_response(&self, used: Vec<Raw>) -> Result<Option<Raw>, Failure>;
    /// Make a blocked `next_response` fail. Any thread; returns at once.
    fn cancel(&self);
    /// Give the query back to the server. Called once, by the fetch thread, on every path.
    fn close(&self, used: Vec<Raw>);
    /// Drop a reference to the source, which may be the last one.
    fn retire(self: Arc<Self>, used: Vec<Raw>);
}

/// Counters of one stream, readable at any time.
#[derive(Debug, Default)]
pub struct Stats {
    pub rows_decoded: AtomicU64,
    pub rows_delivered: AtomicU64,
    pub batches_delivered: AtomicU64,
    pub bytes_received: AtomicU64,
    /// Whether a response would find room behind the one that is being fetched.
    pub has_room: AtomicBool,
    /// Whether somebody has begun to read.
    pub is_read: AtomicBool,
}

impl Stats {
    /// Rows decoded, rows delivered, batches delivered, bytes received.
    pub fn counters(&self) -> [u64; 4] {
        [&self.rows_decoded, &self.rows_delivered, &self.batches_delivered, &self.bytes_received]
            .map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// What is known of a result when its stream is opened.
pub struct Plan {
    pub schema: SchemaRef,
    pub query_id: String,
    /// The method that fetches, as far as it is known before the first response.
    pub rpc: String,
    /// -1: unknown.
    pub announced_rows: i64,
    pub options: StreamOptions,
}

impl Plan {
    /// The decoder of the result; `NOT_IMPLEMENTED` for a type that has none.
    pub fn decoder(&self) -> Result<ChunkDecoder, Failure> {
        let limits = Limits {
            max_rows: self.options.max_chunk_rows,
            max_bytes: self.options.max_chunk_bytes,
        };
        ChunkDecoder::new(self.schema.clone(), limits).map_err(|error| {
            let column = self.schema.fields().get(error.column);
            Failure::new(
                Status::NotImplemented,
                format_args!(
                    "could not read the result of query {}: column {} has type {}, \
                     for which there is no decoder",
                    quoted(&self.query_id),
                    quoted(column.map_or("", |field| field.name())),
                    error.data_type
                ),
            )
            .about_query(&self.query_id, &self.rpc)
        })
    }
}

/// The limits of one stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamOptions {
    pub queue_bytes: usize,
    pub batch_rows: usize,
    pub batch_bytes: usize,
    pub max_chunk_rows: usize,
    pub max_chunk_bytes: usize,
    pub allow_missing_rows: bool,
    /// Responses that may wait to be decoded; 0 fetches only while a consumer waits.
    pub prefetch: usize,
    /// A response whose chunks make two halves of so many bytes is decoded on two threads.
    pub parallel_bytes: usize,
}
