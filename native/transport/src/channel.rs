//! The blocking face: calls are sent by whoever starts them, and driven by whoever waits.
//!
//! A channel has no thread. Of the threads that wait for answers one leads: it drives the engine,
//! also for the others, until its own answer is there, and then the next one leads. Where nobody
//! waits nothing runs, so there is nothing that a fork or the end of a process could meet.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::answer::Outcome;
use crate::engine::{Engine, Left, Settings};
use crate::reactor::{Reactor, Woken};
use crate::slot::{lock, Call, Slot};
use crate::status::{Code, Failure};

/// How long calls may be left alone before [`Channel::tend`] looks after them.
const NEGLECT: Duration = Duration::from_millis(100);
/// The most turns that it takes in a row, so that whoever waits has the lead again.
const TENDED_TURNS: usize = 256;

/// What is known without driving; locked for moments only, and never while waiting.
#[derive(Default)]
struct State {
    is_closed: bool,
    /// A thread drives, and holds the engine.
    is_led: bool,
    /// Something changed that no turn has seen to.
    has_news: bool,
    /// When a turn was taken last.
    tended: Option<Instant>,
    arrived: Vec<Arc<Slot>>,
    /// Threads that wait for the leader, each with its call.
    waiting: Vec<Arc<Slot>>,
}

struct Inner {
    state: Mutex<State>,
    /// `None` once closed. Only the leader locks it, so nobody waits for it.
    engine: Mutex<Option<Engine>>,
    reactor: Arc<Reactor>,
    /// Told when the channel is closed.
    closing: Condvar,
    /// The process that has the channel, and what tells in which one this is.
    pid: u32,
    process: fn() -> u32,
}

/// The connection to one server; any thread of the process that made it may use it.
pub struct Channel {
    inner: Option<Arc<Inner>>,
}

/// One call, sent. One thread waits for it; any may cancel it.
pub struct Exchange {
    inner: Option<Arc<Inner>>,
    slot: Arc<Slot>,
}

/// What a wait ended with.
pub enum Waited {
    /// The call has ended.
    Ended(Outcome),
    /// Its time was up, or a signal came.
    NotYet,
}

impl Channel {
    /// Opens nothing yet; an error if the process has no descriptors left.
    pub fn new(settings: Settings) -> std::io::Result<Self> {
        let reactor = Arc::new(Reactor::new()?);
        let process = settings.process;
        let engine = Engine::new(settings, reactor.clone());
        Ok(Self {
            inner: Some(Arc::new(Inner {
                state: Mutex::default(),
                engine: Mutex::new(Some(engine)),
                reactor,
                closing: Condvar::new(),
                pid: process(),
                process,
            })),
        })
    }

    fn inner(&self) -> Option<&Arc<Inner>> {
        self.inner.as_ref().filter(|inner| inner.is_here())
    }

    /// Returns *call*, sent where that needs no waiting; None if the channel is closed, or a parent process's.
    pub fn start(&self, call: Call) -> Option<Exchange> {
        self.start_all([call]).map(|[exchange]| exchange)
    }

    /// As [`Channel::start`], of several calls that leave together.
    pub fn start_all<const N: usize>(&self, calls: [Call; N]) -> Option<[Exchange; N]> {
        let inner = self.inner()?;
        let slots = calls.map(|call| Arc::new(Slot::new(call)));
        let mut state = lock(&inner.state);
        if state.is_closed {
            return None;
        }
        state.arrived.extend(slots.iter().cloned());
        inner.look_after(state);
        Some(slots.map(|slot| Exchange { inner: Some(inner.clone()), slot }))
    }

    /// Closes the connections; open calls end as cancelled.
    pub fn close(&self) {
        let Some(inner) = self.inner() else { return };
        let mut state = lock(&inner.state);
        state.is_closed = true;
        inner.closing.notify_all();
        inner.look_after(state);
    }

    /// Looks after the calls that nobody waits for at the moment, until *until* or until the channel is closed.
    ///
    /// Their requests leave on a connection that has yet to be made, their answers are taken in and
    /// the peer's pings are answered, a tenth of a second late at most.
    pub fn tend(&self, until: Instant) {
        let Some(inner) = self.inner() else { return };
        loop {
            let mut state = lock(&inner.state);
            let now = Instant::now();
            if state.is_closed || now >= until {
                return;
            }
            let is_neglected = state.tended.is_none_or(|tended| now - tended >= NEGLECT);
            if is_neglected && !state.is_led {
                state.is_led = true;
                drop(state);
                let lead = Lead(inner);
                for _ in 0..TENDED_TURNS {
                    if !inner.turn().more {
                        break;
                    }
                }
                if let Some(engine) = lock(&inner.engine).as_ref() {
                    engine.rest();
                }
                drop(lead);
                continue;
            }
            let pause = NEGLECT.min(until - now);
            drop(inner.closing.wait_timeout(state, pause));
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.close();
        leave(&mut self.inner);
    }
}

impl Exchange {
    /// Waits for the call to end, at most until *until*, or until a signal arrives on this thread.
    pub fn wait(&self, until: Option<Instant>) -> Waited {
        let Some(inner) = self.inner.as_ref().filter(|inner| inner.is_here()) else {
            return Waited::Ended(Outcome::Failed(closed()));
        };
        match inner.wait(&self.slot, until) {
            // On this thread, and without the lead: the answers of others are not this one's to hold up.
            Waited::Ended(Outcome::Message(message)) => {
                Waited::Ended(message.unpacked().map_or_else(Outcome::Failed, Outcome::Message))
            }
            waited => waited,
        }
    }

    /// Waits for the call to end.
    pub fn outcome(&self) -> Outcome {
        loop {
            if let Waited::Ended(outcome) = self.wait(None) {
                return outcome;
            }
        }
    }

    /// Ends the call; whoever waits for it is told at once, and the server as soon as that can be.
    pub fn cancel(&self) {
        let Some(inner) = self.inner.as_ref().filter(|inner| inner.is_here()) else { return };
        let state = lock(&inner.state);
        let failure = Failure::new(Code::Cancelled, "Locally cancelled by application!");
        if self.slot.finish(Outcome::Failed(failure)) {
            inner.look_after(state);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let is_here = self.inner.as_ref().is_some_and(|inner| inner.is_here());
        if is_here && self.slot.is_open() {
            self.cancel();
        }
        leave(&mut self.inner);
    }
}

/// Drops what *inner* stands for, unless it is of the process that this one was forked of.
///
/// Its locks may be held by threads that are not here. The descriptors stay until the child ends or
/// executes another program; the parent's connection does not notice.
fn leave(inner: &mut Option<Arc<Inner>>) {
    if let Some(inner) = inner.take() {
        if !inner.is_here() {
            std::mem::forget(inner);
        }
    }
}

fn closed() -> Failure {
    Failure::new(Code::Cancelled, "Channel closed!")
}

/// Leads until it is dropped.
struct Lead<'a>(&'a Inner);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        // What others left to this thread while it was about to go is still its business.
        loop {
            let mut state = lock(&self.0.state);
            if !state.has_news || std::thread::panicking() {
                state.is_led = false;
                hand_over(&state);
                return;
            }
            drop(state);
            self.0.turns();
        }
    }
}

/// Has one of those who wait lead, if nobody does.
fn hand_over(state: &State) {
    if !state.is_led {
        if let Some(slot) = state.waiting.first() {
            slot.changed.notify_all();
        }
    }
}

impl Inner {
    fn is_here(&self) -> bool {
        self.pid == (self.process)()
    }

    /// Has what changed seen to: by the leader, or here and now as far as that needs no waiting.
    fn look_after(&self, mut state: std::sync::MutexGuard<'_, State>) {
        state.has_news = true;
        if state.is_led {
            drop(state);
            self.reactor.ring();
            return;
        }
        state.is_led = true;
        drop(state);
        drop(Lead(self));
    }

    /// A few turns: what is sent in one goes out in the next.
    fn turns(&self) {
        for _ in 0..4 {
            if !self.turn().more {
                break;
            }
        }
    }

    /// One turn of the engine, and what it brought.
    fn turn(&self) -> Left {
        let mut engine = lock(&self.engine);
        let mut state = lock(&self.state);
        let arrived = std::mem::take(&mut state.arrived);
        state.has_news = false;
        state.tended = Some(Instant::now());
        let is_closed = state.is_closed;
        drop(state);
        let nothing = Left { more: false, owed: false };
        let Some(running) = engine.as_mut() else { return nothing };
        for slot in arrived {
            running.add(slot);
        }
        let left = if is_closed { nothing } else { running.turn() };
        if is_closed {
            running.close(&closed());
        }
        let finished = running.finished();
        if is_closed {
            *engine = None;
        }
        drop(engine);
        if !finished.is_empty() {
            let state = lock(&self.state);
            for (slot, outcome) in finished {
                slot.finish(outcome);
            }
            drop(state);
        }
        left
    }

    fn wait(&self, slot: &Arc<Slot>, until: Option<Instant>) -> Waited {
        let mut state = lock(&self.state);
        loop {
            if let Some(outcome) = slot.take() {
                hand_over(&state);
                return Waited::Ended(outcome);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                hand_over(&state);
                return Waited::NotYet;
            }
            if !state.is_led {
                state.is_led = true;
                drop(state);
                let lead = Lead(self);
                let woken = self.lead(slot, until);
                drop(lead);
                if woken == Woken::BySignal && slot.is_open() {
                    return Waited::NotYet;
                }
                state = lock(&self.state);
                continue;
            }
            state.waiting.push(slot.clone());
            state = match until {
                None => slot.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    let waited = slot.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
                }
            };
            state.waiting.retain(|waiting| !Arc::ptr_eq(waiting, slot));
        }
    }

    /// Drives until *slot* has its outcome, *until* has come, or a signal has.
    fn lead(&self, slot: &Slot, until: Option<Instant>) -> Woken {
        loop {
            let left = self.turn();
            if !slot.is_open() || until.is_some_and(|until| Instant::now() >= until) {
                if left.owed {
                    self.turn();
                }
                return Woken::Perhaps;
            }
            if !left.more && self.reactor.sleep(until) == Woken::BySignal {
                return Woken::BySignal;
            }
        }
    }
}
