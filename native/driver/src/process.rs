//! What the driver knows of its process: open streams, running threads, forks and the end.
//!
//! After a fork the child gets a fresh record and never touches the parent's, whose locks may be
//! held by threads that the child does not have.

use std::any::Any;
use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What shutdown does with an open stream.
pub trait Open: Send + Sync {
    /// Make the stream's threads end; returns at once.
    fn shut_down(&self);
}

/// Lock *mutex*; a panic elsewhere does not poison it for good.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Record {
    pid: u32,
    /// What C structs name by number: see [`keep`].
    kept: Mutex<HashMap<usize, Kept>>,
    /// The first number that this process gave; smaller ones are from the process it was forked of.
    first: usize,
    streams: Mutex<Vec<Weak<dyn Open>>>,
    threads: Mutex<usize>,
    thread_ended: Condvar,
}

type Kept = Arc<dyn Any + Send + Sync>;

/// The number that the next object gets; none is given twice, and 0 to nobody.
static NEXT: AtomicUsize = AtomicUsize::new(1);
static RECORD: AtomicPtr<Record> = AtomicPtr::new(ptr::null_mut());
static STOPPED: AtomicBool = AtomicBool::new(false);
static UNREACHABLE: AtomicBool = AtomicBool::new(false);

/// The id of this process, which is asked for dozens of times a query: a system call only after a fork.
pub fn pid() -> u32 {
    let Some(known) = *WIPED.get_or_init(wiped) else { return std::process::id() };
    match known.load(Ordering::Relaxed) {
        0 => {
            let pid = std::process::id();
            known.store(pid, Ordering::Relaxed);
            pid
        }
        pid => pid,
    }
}

/// A number that is 0 again in a child, however that was forked; `None` where the system has no such thing.
static WIPED: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();

#[cfg(target_os = "linux")]
fn wiped() -> Option<&'static AtomicU32> {
    let length = size_of::<AtomicU32>();
    // SAFETY: a new mapping, which nobody else knows, of zeros; it is never taken away again.
    unsafe {
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let page = libc::mmap(ptr::null_mut(), length, access, kind, -1, 0);
        if page == libc::MAP_FAILED {
            return None;
        }
        if libc::madvise(page, length, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, length);
            return None;
        }
        page.cast::<AtomicU32>().as_ref()
    }
}

#[cfg(not(target_os = "linux"))]
fn wiped() -> Option<&'static AtomicU32> {
    None
}

/// Whether `shutdown` was called: nothing new is started.
pub fn is_stopped() -> bool {
    STOPPED.load(Ordering::SeqCst)
}

/// Whether the interpreter must not be entered any more.
pub fn is_unreachable() -> bool {
    UNREACHABLE.load(Ordering::SeqCst)
}

fn record() -> &'static Record {
    let pid = pid();
    loop {
        let current = RECORD.load(Ordering::Acquire);
        // SAFETY: records are leaked, so that a pointer found here stays valid.
        if let Some(record) = unsafe { current.as_ref() } {
            if record.pid == pid {
                return record;
            }
        }
        let fresh = Box::into_raw(Box::new(Record {
            pid,
            kept: Mutex::default(),
            first: NEXT.load(Ordering::Acquire),
            streams: Mutex::new(Vec::new()),
            threads: Mutex::new(0),
            thread_ended: Condvar::new(),
        }));
        if RECORD.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: nobody else has seen it.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
}

/// What is behind a number that [`keep`] gave.
pub enum Found<T> {
    Here(Arc<T>),
    /// It was taken; or never kept.
    Gone,
    /// The process that this one was forked of keeps it, if anybody does.
    Forked,
}

/// Keep *object* until [`take`]; returns the number by which a C struct may name it.
///
/// A pointer would do until somebody copies the struct, releases one of the two and calls the other;
/// or looks at it while another thread releases it. A number that is not known any more is harmless.
pub fn keep<T: Any + Send + Sync>(object: Arc<T>) -> usize {
    let record = record();
    let number = NEXT.fetch_add(1, Ordering::AcqRel);
    lock(&record.kept).insert(number, object);
    number
}

/// The object that *number* stands for, which lives at least as long as the answer.
pub fn find<T: Any + Send + Sync>(number: usize) -> Found<T> {
    let record = record();
    let object = lock(&record.kept).get(&number).cloned();
    match object.and_then(|object| object.downcast().ok()) {
        Some(object) => Found::Here(object),
        None if number != 0 && number < record.first => Found::Forked,
        None => Found::Gone,
    }
}

/// As [`find`], and forget the object.
pub fn take<T: Any + Send + Sync>(number: usize) -> Found<T> {
    let found = find(number);
    if matches!(found, Found::Here(_)) {
        let object = lock(&record().kept).remove(&number);
        drop(object); // not under the lock
    }
    found
}

/// Remember an open stream for as long as it lives.
pub fn register(stream: &Arc<impl Open + 'static>) {
    let stream: Arc<dyn Open> = stream.clone();
    let mut streams = lock(&record().streams);
    if streams.len() == streams.capacity() {
        streams.retain(|known| known.strong_count() > 0);
    }
    streams.push(Arc::downgrade(&stream));
}

/// Counts a thread of the driver from its start to its end.
pub struct ThreadTicket(&'static Record);

impl ThreadTicket {
    pub fn new() -> Self {
        let record = record();
        *lock(&record.threads) += 1;
        Self(record)
    }
}

impl Drop for ThreadTicket {
    fn drop(&mut self) {
        *lock(&self.0.threads) -= 1;
        self.0.thread_ended.notify_all();
    }
}

/// Threads of the driver that are running.
pub fn thread_count() -> usize {
    *lock(&record().threads)
}

/// Refuse new work and tell every open stream to end.
pub fn stop() {
    STOPPED.store(true, Ordering::SeqCst);
    let streams = std::mem::take(&mut *lock(&record().streams));
    for stream in streams.iter().filter_map(Weak::upgrade) {
        stream.shut_down();
    }
}

/// Wait for the driver's threads, at most *timeout*; true if none is left.
///
/// From then on the interpreter is out of bounds for native code, and nothing is worth waiting for.
pub fn drain(timeout: Duration) -> bool {
    let record = record();
    let end = Instant::now().checked_add(timeout);
    let mut threads = lock(&record.threads);
    while *threads > 0 && !is_unreachable() {
        let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            break;
        }
        threads = record
            .thread_ended
            .wait_timeout(threads, left.min(Duration::from_secs(3600)))
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
    UNREACHABLE.store(true, Ordering::SeqCst);
    *threads == 0
}

/// A number that differs between two loaded copies of this library.
pub fn anchor() -> usize {
    static ANCHOR: u8 = 1;
    (&raw const ANCHOR).addr()
}
