//! Tests of the C stream whose consumer does not wait: released while it is read, called afterwards.
//!
//! As in `pure.rs`, the modules are compiled here by themselves; what they ask of Python is below.
#![allow(dead_code, missing_docs, unused_imports)]

#[path = "../src/abi.rs"]
mod abi;
#[path = "../src/boundary.rs"]
mod boundary;
#[path = "../src/error.rs"]
mod error;
#[path = "../src/pipeline/mod.rs"]
mod pipeline;
#[path = "../src/process.rs"]
mod process;
#[path = "../src/stream.rs"]
mod stream;

/// An interpreter that is never there; a test may have a "signal handler" run in the waiting thread.
mod python {
    use std::cell::RefCell;

    use crate::error::Failure;

    type Handler = Box<dyn FnOnce()>;

    thread_local! {
        pub static HANDLER: RefCell<Option<Handler>> = const { RefCell::new(None) };
        pub static RAISED: RefCell<Vec<Failure>> = const { RefCell::new(Vec::new()) };
    }

    pub fn rearm() {}

    pub fn detached<R: Send>(body: impl FnOnce() -> R + Send) -> R {
        body()
    }

    pub fn is_main_thread() -> bool {
        HANDLER.with_borrow(Option::is_some)
    }

    pub fn check_signals() -> Option<Failure> {
        if let Some(handler) = HANDLER.take() {
            handler();
        }
        None
    }

    /// No reader in Python shares these streams.
    pub mod reading {
        use std::sync::Arc;

        use crate::pipeline::Pipeline;

        pub fn note(_: &Arc<Pipeline>) {}
    }

    pub fn raise_soon(failure: Failure) {
        RAISED.with_borrow_mut(|raised| raised.push(failure));
    }
}

use std::ffi::{c_int, CStr};
use std::ptr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use arrow_schema::{DataType, Field, Schema};

use crate::abi::{ArrowArray, ArrowArrayStream, ArrowSchema, Movable};
use crate::error::{Failure, Status};
use crate::pipeline::{Pipeline, Plan, Raw, Source, Stats, StreamOptions};
use crate::process::{lock, Found};
use crate::stream::{error_from_array_stream, Via};

/// Gives nothing until it is cancelled or told to fail, and tells that it was asked.
#[derive(Default)]
struct Silent {
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Silent {
    fn wait_until_asked(&self) {
        let state = lock(&self.state);
        let waited = self.changed.wait_timeout_while(state, LIMIT, |(asked, _)| !*asked);
        assert!(!waited.unwrap().1.timed_out());
    }

    fn end(&self) {
        lock(&self.state).1 = true;
        self.changed.notify_all();
    }
}

impl Source for Silent {
    fn next_response(&self, _: Vec<Raw>) -> Result<Option<Raw>, Failure> {
        let mut state = lock(&self.state);
        state.0 = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |(_, ended)| !*ended).unwrap());
        Err(Failure::new(Status::Io, "could not fetch: the connection broke"))
    }

    fn cancel(&self) {
        self.end();
    }

    fn close(&self, _: Vec<Raw>) {}

    fn retire(self: Arc<Self>, _: Vec<Raw>) {}
}

const LIMIT: Duration = Duration::from_secs(20);

/// A stream whose source is asked before anybody reads.
fn open(via: Via) -> (ArrowArrayStream, Arc<Silent>) {
    start(via, 2)
}

/// A stream whose source is asked once a consumer waits, which proves that one is inside.
fn open_on_demand(via: Via) -> (ArrowArrayStream, Arc<Silent>) {
    start(via, 0)
}

fn start(via: Via, prefetch: usize) -> (ArrowArrayStream, Arc<Silent>) {
    let source = Arc::new(Silent::default());
    let options = StreamOptions {
        queue_bytes: 1 << 20,
        batch_rows: 1000,
        batch_bytes: 1 << 20,
        max_chunk_rows: 1 << 20,
        max_chunk_bytes: 1 << 20,
        allow_missing_rows: false,
        prefetch,
        parallel_bytes: usize::MAX,
    };
    let plan = Plan {
        schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])),
        query_id: "q-17".to_owned(),
        rpc: "fetch".to_owned(),
        announced_rows: -1,
        options,
    };
    let pipeline = Pipeline::start(plan, Arc::new(Stats::default()), source.clone()).unwrap();
    (stream::export(pipeline, via), source)
}

/// A struct that several threads may call, as consumers do that were not careful.
#[derive(Clone, Copy)]
struct Shared(*mut ArrowArrayStream);

// SAFETY: the tests keep the struct alive until all threads have ended.
unsafe impl Send for Shared {}

impl Shared {
    fn next(self) -> (c_int, ArrowArray) {
        let mut array = ArrowArray::released();
        // SAFETY: the callbacks stay in the struct, which is alive.
        let errno = unsafe { ((*self.0).get_next.unwrap())(self.0, &raw mut array) };
        (errno, array)
    }

    fn schema(self) -> c_int {
        let mut schema = ArrowSchema::released();
        // SAFETY: as above; a schema is released by its producer.
        unsafe {
            let errno = ((*self.0).get_schema.unwrap())(self.0, &raw mut schema);
            schema.release();
            errno
        }
    }

    fn text(self) -> Option<String> {
        // SAFETY: as above; the text is read at once.
        unsafe {
            let text = ((*self.0).get_last_error.unwrap())(self.0);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_str().unwrap().to_owned())
        }
    }

    fn release(self) {
        // SAFETY: as above; a second release finds no callback any more.
        unsafe {
            if let Some(release) = (*self.0).release {
                release(self.0);
            }
        }
    }
}

#[test]
fn a_released_stream_answers_every_call() {
    let (mut stream, _source) = open(Via::Nothing);
    let copy = ArrowArrayStream { ..read(&stream) };
    let shared = Shared(&raw mut stream);
    assert_eq!((shared.schema(), shared.text()), (0, None));
    shared.release();
    assert!(stream.release.is_none() && stream.private_data.is_null());

    // What was copied before still has its `release`; the number in it stands for nothing any more.
    let mut copy = copy;
    for shared in [shared, Shared(&raw mut copy)] {
        let (errno, array) = shared.next();
        assert_eq!((errno, shared.schema()), (libc::ECANCELED, libc::ECANCELED));
        assert!(array.is_released());
        assert!(shared.text().unwrap().contains("its stream was released"));
        let mut status = 0;
        // SAFETY: the struct is alive and initialised.
        let error = unsafe { error_from_array_stream(shared.0, &raw mut status) };
        assert_eq!((error, status), (ptr::null(), 0));
        shared.release();
    }
}

/// The bytes of *stream*, as consumers copy them.
fn read(stream: &ArrowArrayStream) -> ArrowArrayStream {
    // SAFETY: the struct has no destructor.
    unsafe { ptr::read(stream) }
}

#[test]
fn after_each_failure_there_is_a_text() {
    let (mut stream, source) = open(Via::Nothing);
    let shared = Shared(&raw mut stream);
    source.end();
    for _ in 0..2 {
        assert_eq!(shared.next().0, libc::EIO);
        let text = shared.text().unwrap();
        for part in ["the connection broke (IO)", "'q-17'", "SQLSTATE: 08006"] {
            assert!(text.contains(part), "{text}");
        }
        let mut status = 0;
        // SAFETY: the struct is alive and initialised, and so is the error of its stream.
        let error = unsafe { error_from_array_stream(shared.0, &raw mut status).as_ref() }.unwrap();
        assert_eq!((status, error.sqlstate), (10, *b"08006"));
    }
    // The text that was handed out holds beyond the stream.
    // SAFETY: as promised by `get_last_error`.
    let text = unsafe { CStr::from_ptr((stream.get_last_error.unwrap())(&raw mut stream)) };
    shared.release();
    assert!(text.to_str().unwrap().contains("the connection broke"));
}

#[test]
fn a_release_beside_a_running_call_makes_it_fail() {
    // The manager's releases wait for questions that this reader does not ask.
    for (via, rounds) in [(Via::Nothing, 50), (Via::Manager, 3)] {
        for _ in 0..rounds {
            let (mut stream, source) = open_on_demand(via);
            let shared = Shared(&raw mut stream);
            let reading = std::thread::spawn(move || {
                let shared = shared;
                let (errno, array) = shared.next();
                (errno, array.is_released(), shared.text())
            });
            source.wait_until_asked();
            let twice = std::thread::spawn(move || {
                let shared = shared;
                shared.release();
            });
            shared.release();
            twice.join().unwrap();
            let (errno, is_released, text) = reading.join().unwrap();
            assert_eq!((errno, is_released), (libc::ECANCELED, true));
            assert!(text.unwrap().contains("its stream was released"));
        }
    }
}

#[test]
fn a_release_waits_where_the_manager_would_clear_the_callbacks() {
    for _ in 0..50 {
        let (mut stream, source) = open_on_demand(Via::Manager);
        let shared = Shared(&raw mut stream);
        let asked = Arc::new(Mutex::new(false));
        let reading = std::thread::spawn({
            let asked = asked.clone();
            move || {
                let shared = shared;
                assert_eq!(shared.next().0, libc::ECANCELED);
                let text = shared.text().unwrap();
                let mut status = 0;
                *lock(&asked) = true;
                // SAFETY: the struct is alive and initialised; the release waits for this call.
                let error = unsafe { error_from_array_stream(shared.0, &raw mut status).as_ref() };
                (text, status, error.map(|error| error.sqlstate))
            }
        });
        source.wait_until_asked();
        shared.release();
        assert!(*lock(&asked));
        let (text, status, sqlstate) = reading.join().unwrap();
        assert!(text.contains("'q-17'") && text.contains("(CANCELLED)"), "{text}");
        assert_eq!((status, sqlstate), (11, Some(*b"57014")));
    }
}

#[test]
fn a_release_inside_a_call_of_its_own_thread_does_not_wait() {
    let (mut stream, source) = open(Via::Nothing);
    let shared = Shared(&raw mut stream);
    source.wait_until_asked();
    python::HANDLER.set(Some(Box::new(move || shared.release())));
    let (errno, array) = shared.next();
    assert_eq!((errno, array.is_released()), (libc::ECANCELED, true));
    assert!(shared.text().unwrap().contains("'q-17'"));
    assert!(python::RAISED.take().is_empty());

    // The manager has cleared its callbacks by then: to ask for a text would be to call address 0. So
    // the call ends the stream, and the failure is raised.
    let (mut stream, source) = open(Via::Manager);
    let shared = Shared(&raw mut stream);
    source.wait_until_asked();
    python::HANDLER.set(Some(Box::new(move || shared.release())));
    let (errno, array) = shared.next();
    assert_eq!((errno, array.is_released()), (0, true));
    let raised = python::RAISED.take();
    assert_eq!(
        raised.iter().map(|failure| failure.status).collect::<Vec<_>>(),
        [Status::Cancelled]
    );
}

#[test]
fn a_number_is_given_once_and_stands_for_one_type() {
    let number = process::keep(Arc::new(7_u8));
    assert!(matches!(process::find::<u8>(number), Found::Here(seven) if *seven == 7));
    assert!(matches!(process::find::<u16>(number), Found::Gone));
    assert!(matches!(process::take::<u16>(number), Found::Gone));
    assert!(matches!(process::take::<u8>(number), Found::Here(_)));
    assert!(matches!(process::take::<u8>(number), Found::Gone));
    assert!(matches!(process::find::<u8>(0), Found::Gone));
    assert_ne!(process::keep(Arc::new(8_u8)), number);
}
