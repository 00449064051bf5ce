//! Tests of the modules that need no Python, compiled here by themselves.
//!
//! The library leaves the symbols of the interpreter to the process that loads it, so a test
//! executable cannot link it. `error`, `options`, `process` and `pipeline` use none of them and
//! are included by path.
#![allow(dead_code, missing_docs, unused_imports)]

#[path = "../src/abi.rs"]
mod abi;
#[path = "../src/error.rs"]
mod error;
#[path = "../src/options.rs"]
mod options;
#[path = "../src/pipeline/mod.rs"]
mod pipeline;
#[path = "../src/process.rs"]
mod process;

use std::cell::Cell;
use std::ffi::CStr;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use e6data_chunk::{encode_chunk, EncodeOptions, VectorType};

use crate::abi::{AdbcError, ERROR_VENDOR_CODE_PRIVATE_DATA};
use crate::error::{Failure, OwnedError, Status};
use crate::options::{Options, Value};
use crate::pipeline::{Course, Payload, Pipeline, Plan, Raw, Source, Stats, StreamOptions, Turn};
use crate::process::lock;

// ---- layout

#[test]
fn structs_have_the_sizes_of_the_header() {
    let pointer = size_of::<usize>();
    assert_eq!(size_of::<abi::AdbcDriver>(), (3 + 26 + 29) * pointer);
    assert_eq!(abi::DRIVER_1_0_0_SIZE, (3 + 26) * pointer);
    assert_eq!(size_of::<abi::ArrowSchema>(), 9 * 8);
    assert_eq!(size_of::<abi::ArrowArray>(), 10 * 8);
    assert_eq!(size_of::<abi::ArrowArrayStream>(), 5 * pointer);
    assert_eq!(std::mem::offset_of!(AdbcError, sqlstate), pointer + 4);
    assert_eq!(std::mem::offset_of!(AdbcError, release), 3 * pointer);
}

// ---- errors

fn empty_error(vendor_code: i32) -> AdbcError {
    AdbcError {
        message: ptr::null_mut(),
        vendor_code,
        sqlstate: [0; 5],
        release: None,
        private_data: ptr::null_mut(),
        private_driver: ptr::null_mut(),
    }
}

#[test]
fn every_status_has_its_number_and_errno() {
    for code in 1..=14 {
        let status = Status::from_code(code).unwrap();
        assert_eq!(i64::from(status as u8), code);
        assert!(status.errno() > 0);
        assert!(!status.name().is_empty());
    }
    for code in [0, 15, -1, i64::MIN, i64::MAX] {
        assert_eq!(Status::from_code(code), None);
    }
    assert_eq!(Status::Cancelled.errno(), libc::ECANCELED);
    assert_eq!(Status::Timeout.errno(), libc::ETIMEDOUT);
    assert_eq!(Status::NotImplemented.errno(), libc::ENOTSUP);
}

#[test]
fn an_error_is_filled_and_released_again_and_again() {
    let mut error = empty_error(ERROR_VENDOR_CODE_PRIVATE_DATA);
    for vendor_code in [None, Some(7), Some(ERROR_VENDOR_CODE_PRIVATE_DATA)] {
        let mut failure = Failure::new(Status::Io, "could not call").with_detail("k", "v");
        failure.vendor_code = vendor_code;
        // SAFETY: the error is initialised and has all fields.
        unsafe {
            assert_eq!(error::fill(&raw mut error, &failure), 10);
            assert_eq!(CStr::from_ptr(error.message).to_str(), Ok("[e6data] could not call (IO)"));
            assert_eq!(
                error::get_detail_count(&raw const error),
                1 + i32::from(vendor_code == Some(7))
            );
            assert!(error::get_detail(&raw const error, 5).key.is_null());
            assert!(error::get_detail(&raw const error, -1).key.is_null());
            let detail = error::get_detail(&raw const error, 0);
            assert_eq!(CStr::from_ptr(detail.key).to_str(), Ok("k"));
        }
    }
    // SAFETY: `fill` has set the callback.
    unsafe { error.release.unwrap()(&raw mut error) };
    assert!(error.message.is_null() && error.private_data.is_null() && error.release.is_none());
    assert_eq!(error.vendor_code, ERROR_VENDOR_CODE_PRIVATE_DATA);
}

#[test]
fn fields_of_1_1_are_left_alone_in_an_error_of_1_0() {
    let mut error = empty_error(0);
    error.private_data = ptr::dangling_mut();
    error.private_driver = ptr::dangling_mut();
    let mut failure = Failure::new(Status::Io, "no").with_detail("k", "v");
    failure.vendor_code = Some(9);
    failure.sqlstate = Some(*b"42P01");
    // SAFETY: the error is initialised.
    unsafe { error::fill(&raw mut error, &failure) };
    assert_eq!((error.vendor_code, error.sqlstate), (9, *b"42P01"));
    // SAFETY: `fill` has set the callback.
    unsafe { error.release.unwrap()(&raw mut error) };
    assert_eq!(error.private_data, ptr::dangling_mut());
    assert_eq!(error.sqlstate, [0; 5]);
}

#[test]
fn an_owned_error_cannot_be_released_by_its_reader() {
    let owned = OwnedError::new(&Failure::new(Status::Timeout, "late").with_detail("k", "v"));
    // SAFETY: the error lives as long as its owner.
    let error = unsafe { &*owned.as_ptr() };
    assert!(error.release.is_none());
    // SAFETY: as above.
    assert_eq!(unsafe { error::get_detail_count(error) }, 1);
}

#[test]
fn names_are_quoted_on_one_line() {
    assert_eq!(error::quoted("it's \"a\"\n"), r#"'it\'s "a"\n'"#);
}

// ---- options

#[test]
fn bytes_that_repeat_the_text_do_not_replace_it() {
    let mut options = Options::default();
    options.set("k", Some(Value::Text("true".into())));
    options.set("k", Some(Value::Bytes(b"true".to_vec())));
    assert_eq!(options.get("k"), Ok(Value::Text("true".into())));
    options.set("k", Some(Value::Bytes(b"false".to_vec())));
    assert_eq!(options.get("k"), Ok(Value::Bytes(b"false".to_vec())));
    options.set("k", Some(Value::Text("false".into())));
    assert_eq!(options.get("k"), Ok(Value::Text("false".into())));
    options.set("k", None);
    assert_eq!(options.get("k").unwrap_err().status, Status::NotFound);
}

#[test]
fn numbers_convert_only_if_they_are_exact() {
    assert_eq!(Value::Double(3.0).to_int("k"), Ok(3));
    assert_eq!(Value::Double(i64::MIN as f64).to_int("k"), Ok(i64::MIN));
    for number in [0.5, f64::NAN, f64::INFINITY, 9.3e18, -9.3e18] {
        assert_eq!(Value::Double(number).to_int("k").unwrap_err().status, Status::InvalidArgument);
    }
    let secret = Value::Bytes(b"secret\xff".to_vec()).to_text("k").unwrap_err();
    assert!(!secret.message.contains("secret"));
}

// ---- the pipeline

struct Bytes(Vec<u8>, Vec<Range<usize>>);

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

fn chunk(rows: Range<i64>) -> Vec<u8> {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(rows));
    let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
    encode_chunk(&batch, &[VectorType::Long], &EncodeOptions::default()).unwrap()
}

fn response(chunks: &[Vec<u8>]) -> Raw {
    let mut ranges = Vec::new();
    let mut bytes = Vec::new();
    for chunk in chunks {
        ranges.push(bytes.len()..bytes.len() + chunk.len());
        bytes.extend_from_slice(chunk);
    }
    Arc::new(Bytes(bytes, ranges))
}

enum Act {
    Give(Raw),
    Fail,
    Block,
    Panic,
    /// Does not come, whoever waits.
    Late,
}

thread_local! {
    /// Whether what is opened on this thread is read by turns wherever that can be.
    static BY_TURNS: Cell<bool> = const { Cell::new(false) };
}

/// Run *body* with results that threads read, and with those that are read by turns.
fn both_ways(body: impl Fn()) {
    for by_turns in [false, true] {
        BY_TURNS.set(by_turns);
        body();
    }
}

#[derive(Default)]
struct Script {
    by_turns: bool,
    begun: AtomicUsize,
    stopped: AtomicBool,
    me: OnceLock<Weak<Script>>,
    stats: Arc<Stats>,
    acts: Mutex<Vec<Act>>,
    cancelled: Mutex<bool>,
    changed: Condvar,
    cancels: AtomicUsize,
    closes: AtomicUsize,
    retired: AtomicUsize,
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

fn options() -> StreamOptions {
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

fn open(acts: Vec<Act>, announced_rows: i64) -> (Arc<Pipeline>, Arc<Script>) {
    open_with(acts, announced_rows, options())
}

fn open_with(
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
fn settled(script: &Arc<Script>) {
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

fn rows(pipeline: &Pipeline) -> Result<usize, Failure> {
    let mut rows = 0;
    while let Some(batch) = pipeline.next(None)? {
        rows += batch.num_rows();
    }
    Ok(rows)
}

#[test]
fn all_rows_arrive_and_the_source_is_closed_once() {
    both_ways(|| {
        let acts = (0..50).map(|n| Act::Give(response(&[chunk(n * 10..n * 10 + 10)]))).collect();
        let (pipeline, script) = open(acts, 500);
        assert_eq!(rows(&pipeline), Ok(500));
        assert_eq!(pipeline.next(None), Ok(None));
        settled(&script);
        assert_eq!(script.cancels.load(Ordering::SeqCst), 0);
        assert!(!pipeline.cancel("too late"));
    });
}

#[test]
fn a_failure_repeats() {
    both_ways(|| {
        // From the first response on it is known which call brings them.
        for (acts, rows, rpc) in [
            (vec![Act::Give(response(&[chunk(0..3)])), Act::Fail], Some(3), "fetch"),
            (vec![Act::Fail], None, "first fetch"),
        ] {
            fails_for_good(acts, rows, rpc);
        }
    });
}

fn fails_for_good(acts: Vec<Act>, rows: Option<usize>, rpc: &str) {
    let (pipeline, script) = open(acts, -1);
    if let Some(rows) = rows {
        assert_eq!(pipeline.next(None).unwrap().unwrap().num_rows(), rows);
    }
    for _ in 0..3 {
        let failure = pipeline.next(None).unwrap_err();
        assert_eq!(failure.status, Status::Io);
        assert_eq!(failure.sqlstate.as_ref(), Some(b"08006"));
        let details = [("query_id", "q"), ("rpc", rpc), ("retryable", "false")];
        let details = details.map(|(key, value)| (format!("e6data.{key}"), value.into()));
        assert_eq!(failure.details, details);
    }
    settled(&script);
}

#[test]
fn a_panic_of_the_source_is_a_failure() {
    both_ways(|| {
        let (pipeline, script) = open(vec![Act::Panic], -1);
        assert_eq!(pipeline.next(None).unwrap_err().status, Status::Internal);
        settled(&script);
    });
}

#[test]
fn a_blocked_source_is_released_and_cancelled() {
    both_ways(|| {
        let (pipeline, script) = open(vec![Act::Block], -1);
        pipeline.release();
        settled(&script);
        assert!(script.cancels.load(Ordering::SeqCst) <= 1);
    });
}

#[test]
fn a_tick_may_stop_the_wait() {
    both_ways(|| {
        let (pipeline, script) = open(vec![Act::Block], -1);
        let tick = || Some(Failure::new(Status::Cancelled, "interrupted"));
        let failure = pipeline.next(Some((Duration::from_millis(1), &tick))).unwrap_err();
        assert!(failure.message.contains("interrupted"));
        assert_eq!(pipeline.next(None).unwrap_err(), failure);
        settled(&script);
    });
}

#[test]
fn a_broken_chunk_takes_its_response_along_and_ends_the_fetch() {
    both_ways(|| {
        let broken = response(&[chunk(3..5), vec![0xff], chunk(5..7)]);
        let acts = vec![Act::Give(response(&[chunk(0..3)])), Act::Give(broken), Act::Block];
        let (pipeline, script) = open(acts, -1);
        let failure = rows(&pipeline).unwrap_err();
        assert!(failure.message.contains("could not decode chunk 3 of query 'q'"), "{failure:?}");
        settled(&script);
    });
}

/// The values of all batches that come, and how the stream ends.
fn values(acts: Vec<Act>, options: StreamOptions) -> (Vec<i64>, Result<(), Failure>) {
    let (pipeline, script) = open_with(acts, -1, options);
    let mut values = Vec::new();
    let end = loop {
        match pipeline.next(None) {
            Ok(Some(batch)) => values.extend(batch.column(0).as_primitive::<Int64Type>().values()),
            Ok(None) => break Ok(()),
            Err(failure) => break Err(failure),
        }
    };
    pipeline.release();
    settled(&script);
    (values, end)
}

/// Options in which every response is decoded on one thread, or every one of several chunks on two.
fn threads(is_parallel: bool, batch_rows: usize, batch_bytes: usize) -> StreamOptions {
    let parallel_bytes = if is_parallel { 1 } else { usize::MAX };
    StreamOptions { batch_rows, batch_bytes, parallel_bytes, ..options() }
}

#[test]
fn two_threads_give_the_rows_in_their_order() {
    both_ways(|| {
        // Responses of so many chunks, of unequal sizes, some empty.
        for counts in [&[1, 2, 3, 8][..], &[5, 1, 4], &[2, 2, 2, 2, 2], &[9, 7]] {
            for (batch_rows, batch_bytes) in [(0, 0), (7, 1 << 20), (1000, 100), (1000, 1 << 20)] {
                let mut end = 0;
                let mut acts = Vec::new();
                for (number, &count) in counts.iter().enumerate() {
                    let mut chunks = Vec::new();
                    for index in 0..count {
                        let start = end;
                        end += (index * 5 + number as i64 * 3) % 11;
                        chunks.push(chunk(start..end));
                    }
                    acts.push(Act::Give(response(&chunks)));
                }
                let (found, ended) = values(acts, threads(true, batch_rows, batch_bytes));
                assert_eq!(found, (0..end).collect::<Vec<_>>(), "{counts:?} {batch_rows}");
                assert_eq!(ended, Ok(()));
            }
        }
    });
}

#[test]
fn two_threads_fail_as_one_does() {
    both_ways(|| {
        // Which chunks of the second response are broken: the first of them is told, in either half.
        for broken in [&[0][..], &[2], &[3], &[5], &[1, 4], &[4, 5], &[0, 1, 2, 3, 4, 5]] {
            for (batch_rows, batch_bytes) in [(0, 0), (7, 1 << 20), (1000, 100), (1000, 1 << 20)] {
                let results = [false, true].map(|is_parallel| {
                    let mut chunks: Vec<_> = (1..7).map(|n| chunk(n * 10..n * 10 + 10)).collect();
                    for &index in broken {
                        let length = chunks[index].len();
                        chunks[index].truncate(length - 1 - index);
                    }
                    let acts = vec![
                        Act::Give(response(&[chunk(0..4), chunk(4..10)])),
                        Act::Give(response(&chunks)),
                        Act::Give(response(&[chunk(70..80)])),
                    ];
                    values(acts, threads(is_parallel, batch_rows, batch_bytes))
                });
                let [(found, ended), _] = &results;
                assert_eq!(found, &(0..10).collect::<Vec<_>>(), "{broken:?} {batch_rows}");
                let place = format!("could not decode chunk {} of query", broken[0] + 3);
                assert!(ended.as_ref().unwrap_err().message.contains(&place), "{ended:?}");
                assert_eq!(results[0], results[1]);
            }
        }
    });
}

#[test]
fn missing_rows_are_told_after_the_rows() {
    both_ways(|| {
        let (pipeline, script) = open(vec![Act::Give(response(&[chunk(0..3)]))], 4);
        assert_eq!(pipeline.next(None).unwrap().unwrap().num_rows(), 3);
        assert_eq!(pipeline.next(None).unwrap_err().status, Status::InvalidData);
        settled(&script);
    });
}

#[test]
fn a_race_of_reading_and_cancelling_always_ends() {
    both_ways(|| {
        for number in 0..200 {
            let acts = (0..20).map(|n| Act::Give(response(&[chunk(n..n + 1)]))).collect();
            let (pipeline, script) = open(acts, 20);
            let reader = pipeline.clone();
            let reading = std::thread::spawn(move || rows(&reader));
            if number % 2 == 0 {
                std::thread::yield_now();
            }
            pipeline.cancel("it was cancelled");
            match reading.join().unwrap() {
                Ok(count) => assert_eq!(count, 20),
                Err(failure) => assert_eq!(failure.status, Status::Cancelled),
            }
            pipeline.release();
            settled(&script);
        }
    });
}

/// The result whose first response has come, and whose second does not, read by turns.
fn open_late() -> (Arc<Pipeline>, Arc<Script>) {
    BY_TURNS.set(true);
    let (pipeline, script) = open(vec![Act::Give(response(&[chunk(0..3)])), Act::Late], -1);
    assert_eq!(pipeline.next(None).unwrap().unwrap().num_rows(), 3);
    (pipeline, script)
}

#[test]
fn the_next_response_is_asked_for_before_one_is_decoded() {
    BY_TURNS.set(true);
    let acts = (0..5).map(|n| Act::Give(response(&[chunk(n..n + 1)]))).collect();
    let (pipeline, script) = open(acts, 5);
    assert_eq!(rows(&pipeline), Ok(5));
    settled(&script);
    assert_eq!(script.begun.load(Ordering::SeqCst), 5);
}

#[test]
fn a_turn_ends_when_the_stream_is_stopped() {
    for number in 0..50 {
        let (pipeline, script) = open_late();
        let reader = pipeline.clone();
        let reading = std::thread::spawn(move || reader.next(None));
        if number % 2 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(pipeline.cancel("it was cancelled"));
        assert_eq!(reading.join().unwrap().unwrap_err().status, Status::Cancelled);
        settled(&script);
        assert_eq!(script.cancels.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_tick_may_stop_a_turn() {
    let (pipeline, script) = open_late();
    let tick = || Some(Failure::new(Status::Cancelled, "interrupted"));
    let failure = pipeline.next(Some((Duration::from_millis(1), &tick))).unwrap_err();
    assert!(failure.message.contains("interrupted"));
    settled(&script);
}

#[test]
fn two_who_read_by_turns_share_the_rows() {
    BY_TURNS.set(true);
    for _ in 0..50 {
        let acts = (0..40).map(|n| Act::Give(response(&[chunk(n..n + 1)]))).collect();
        let (pipeline, script) = open(acts, 40);
        let reader = pipeline.clone();
        let reading = std::thread::spawn(move || rows(&reader));
        let here = rows(&pipeline).unwrap();
        assert_eq!(here + reading.join().unwrap().unwrap(), 40);
        settled(&script);
    }
}

#[test]
fn rows_that_wait_for_company_come_while_the_next_response_is_late() {
    BY_TURNS.set(true);
    let few = (0..3).map(|n| Act::Give(response(&[chunk(n..n + 1)])));
    let (pipeline, script) = open(few.chain([Act::Late]).collect(), -1);
    let counts = [(); 2].map(|()| pipeline.next(None).unwrap().unwrap().num_rows());
    assert_eq!(counts, [1, 2]);
    pipeline.release();
    settled(&script);
}
