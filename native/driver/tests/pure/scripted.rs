//! A source of responses that does what a test says, and pipelines over it.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use e6data_chunk::{encode_chunk, EncodeOptions, VectorType};

use crate::error::{Failure, Status};
use crate::pipeline::{Course, Payload, Pipeline, Plan, Raw, Source, Stats, StreamOptions, Turn};
use crate::process::lock;

pub(crate) struct Bytes(Vec<u8>, Vec<Range<usize>>);

impl Payload for Bytes {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn chunks(&self) -> &[Range<usize>] {
        &self.1
    }

    fn rpc(&self) -> &'static str {
        "fetch"
    }

    fn is_of_python(&self) -> bool {
        true
    }
}

pub(crate) fn chunk(rows: Range<i64>) -> Vec<u8> {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(rows));
    let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
    encode_chunk(&batch, &[VectorType::Long], &EncodeOptions::default()).unwrap()
}

pub(crate) fn response(chunks: &[Vec<u8>]) -> Raw {
    let mut ranges = Vec::new();
    let mut bytes = Vec::new();
    for chunk in chunks {
        ranges.push(bytes.len()..bytes.len() + chunk.len());
        bytes.extend_from_slice(chunk);
    }
    Arc::new(Bytes(bytes, ranges))
}

pub(crate) enum Act {
    Give(Raw),
    Fail,
    Block,
    Panic,
    /// Does not come, whoever waits.
    Late,
}

thread_local! {
    /// Whether what is opened on this thread is read by turns wherever that can be.
    pub(crate) static BY_TURNS: Cell<bool> = const { Cell::new(false) };
}

/// Run *body* with results that threads read, and with those that are read by turns.
pub(crate) fn both_ways(body: impl Fn()) {
    for by_turns in [false, true] {
        BY_TURNS.set(by_turns);
        body();
    }
}

#[derive(Default)]
pub(crate) struct Script {
    pub(crate) by_turns: bool,
    pub(crate) begun: AtomicUsize,
    pub(crate) stopped: AtomicBool,
    pub(crate) me: OnceLock<Weak<Script>>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) acts: Mutex<Vec<Act>>,
    pub(crate) cancelled: Mutex<bool>,
    pub(crate) changed: Condvar,
    pub(crate) cancels: AtomicUsize,
    pub(crate) closes: AtomicUsize,
    pub(crate) retired: AtomicUsize,
}

/// Gives what is usual; whatever else is next is the source's to tell.
impl Course for Script {
    fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    fn take(&self, until: Option<Instant>, _: &Stats) -> Turn {
        if self.stopped.load(Ordering::SeqCst) {
            return Turn::Over;
        }
        let mut acts = lock(&self.acts);
        match acts.first() {
            Some(Act::Give(_)) => match acts.remove(0) {
                Act::Give(raw) => Turn::Response(raw),
                _ => unreachable!(),
            },
            Some(Act::Late) => {
                drop(acts);
                let mut cancelled = lock(&self.cancelled);
                while !*cancelled && !self.stopped.load(Ordering::SeqCst) {
                    let now = Instant::now();
                    let left = until.map_or(Duration::from_secs(60), |until| until - now);
                    if left.is_zero() {
                        return Turn::NotYet;
                    }
                    cancelled = self.changed.wait_timeout(cancelled, left).unwrap().0;
                }
                Turn::Over
            }
            _ => Turn::Over,
        }
    }

    fn cancel(&self) {
        let _cancelled = lock(&self.cancelled);
        self.stopped.store(true, Ordering::SeqCst);
        self.changed.notify_all();
    }
}

impl Source for Script {
    fn course(&self) -> Option<Arc<dyn Course>> {
        let me = self.me.get().and_then(Weak::upgrade);
        me.filter(|_| self.by_turns).map(|me| me as Arc<dyn Course>)
    }

    fn next_response(&self, used: Vec<Raw>) -> Result<Option<Raw>, Failure> {
        drop(used);
        // Turns begin with the first response that comes while somebody reads.
        while self.by_turns && !self.stats.is_read.load(Ordering::SeqCst) && !*lock(&self.cancelled)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        let act = {
            let mut acts = lock(&self.acts);
            if acts.is_empty() {
                return Ok(None);
            }
            acts.remove(0)
        };
        match act {
            Act::Give(raw) => Ok(Some(raw)),
            Act::Fail => Err(Failure::new(Status::Io, "could not fetch")),
            Act::Panic => panic!("told so"),
            Act::Block | Act::Late => {
                let mut cancelled = lock(&self.cancelled);
                while !*cancelled {
                    cancelled = self.changed.wait(cancelled).unwrap();
                }
                Err(Failure::new(Status::Cancelled, "could not fetch"))
            }
        }
    }

    fn cancel(&self) {
        self.cancels.fetch_add(1, Ordering::SeqCst);
        *lock(&self.cancelled) = true;
        self.changed.notify_all();
    }

    fn close(&self, used: Vec<Raw>) {
        drop(used);
        self.closes.fetch_add(1, Ordering::SeqCst);
    }

    fn retire(self: Arc<Self>, used: Vec<Raw>) {
        drop(used);
        self.retired.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn options() -> StreamOptions {
    StreamOptions {
        queue_bytes: 1 << 20,
        batch_rows: 1000,
        batch_bytes: 1 << 20,
        max_chunk_rows: 1 << 20,
        max_chunk_bytes: 1 << 20,
        allow_missing_rows: false,
        prefetch: 2,
        parallel_bytes: usize::MAX,
    }
}

pub(crate) fn open(acts: Vec<Act>, announced_rows: i64) -> (Arc<Pipeline>, Arc<Script>) {
    open_with(acts, announced_rows, options())
}

pub(crate) fn open_with(
    acts: Vec<Act>,
    announced_rows: i64,
    options: StreamOptions,
) -> (Arc<Pipeline>, Arc<Script>) {
    let script = Script { acts: Mutex::new(acts), by_turns: BY_TURNS.get(), ..Script::default() };
    let script = Arc::new(script);
    script.me.set(Arc::downgrade(&script)).unwrap();
    let plan = Plan {
        schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])),
        query_id: "q".to_owned(),
        rpc: "first fetch".to_owned(),
        announced_rows,
        options,
    };
    let pipeline = Pipeline::start(plan, script.stats.clone(), script.clone());
    (pipeline.unwrap(), script)
}

/// Wait until the pipeline has let go of its source.
pub(crate) fn settled(script: &Arc<Script>) {
    for _ in 0..10_000 {
        if Arc::strong_count(script) == 1 {
            assert_eq!(script.closes.load(Ordering::SeqCst), 1);
            return;
        }
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("the source is still held");
}

pub(crate) fn rows(pipeline: &Pipeline) -> Result<usize, Failure> {
    let mut rows = 0;
    while let Some(batch) = pipeline.next(None)? {
        rows += batch.num_rows();
    }
    Ok(rows)
}
