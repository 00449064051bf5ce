//! What one thread at a time drives: connections, the calls on them, their deadlines.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use e6data_http2::Event;

use crate::answer::{Answer, Broken, Outcome};
use crate::buffers::Buffers;
use crate::dial::{dial, Dialing, Target};
use crate::link::{Keepalive, Link, Taker};
use crate::reactor::Reactor;
use crate::slot::Slot;
use crate::status::{Code, Failure};

/// What the words of gRPC's core begin with where there is no connection.
const UNREACHABLE: &str = "failed to connect to all addresses; last error: ";
/// The pause after a failed attempt to connect, which grows to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What a server's clock may be ahead of ours when it ends a call whose deadline passed.
const CLOCK_SLACK: Duration = Duration::from_millis(50);
/// Without a turn for so long, silence on a connection means nothing.
const ABSENCE: Duration = Duration::from_secs(1);

/// How a channel behaves.
pub struct Settings {
    pub target: Arc<Target>,
    pub authority: String,
    pub agent: String,
    pub connect_timeout: Duration,
    pub max_message_bytes: usize,
    pub keepalive: Keepalive,
    pub process: fn() -> u32,
}

/// A call on its way.
struct Open {
    slot: Arc<Slot>,
    link: u64,
    answer: Answer,
}

/// The calls on one connection, as those who get what it brings.
struct Calls<'a> {
    open: &'a mut [Open],
    link: u64,
}

impl Calls<'_> {
    fn find(&mut self, stream: u32) -> Option<&mut Answer> {
        let is_its = |open: &&mut Open| open.link == self.link && open.answer.stream == stream;
        self.open.iter_mut().find(is_its).map(|open| &mut open.answer)
    }
}

impl Taker for Calls<'_> {
    fn take(&mut self, event: &Event<'_>) {
        if let Some(answer) = event.stream().and_then(|stream| self.find(stream)) {
            answer.take(event);
        }
    }

    fn room(&mut self, stream: u32, most: usize) -> &mut [u8] {
        match self.find(stream) {
            Some(answer) => answer.room(most),
            None => &mut [],
        }
    }

    fn fill(&mut self, stream: u32, count: usize) {
        if let Some(answer) = self.find(stream) {
            answer.fill(count);
        }
    }
}

/// See the module.
pub struct Engine {
    settings: Settings,
    reactor: Arc<Reactor>,
    waker: Waker,
    buffers: Buffers,
    links: Vec<Link>,
    next_link: u64,
    dialing: Option<(Dialing, Instant)>,
    queued: VecDeque<Arc<Slot>>,
    open: Vec<Open>,
    finished: Vec<(Arc<Slot>, Outcome)>,
    pause: Duration,
    paused_until: Option<(Instant, String)>,
    last_turn: Instant,
    /// Streams were ended, of which the peer is still to hear.
    owes: bool,
}

/// What a turn leaves to do.
#[derive(Clone, Copy)]
pub struct Left {
    /// There is more to do at once.
    pub more: bool,
    /// A peer is to hear of a call that ended before its time.
    pub owed: bool,
}

impl Engine {
    pub fn new(settings: Settings, reactor: Arc<Reactor>) -> Self {
        Self {
            settings,
            waker: Waker::from(reactor.clone()),
            reactor,
            buffers: Buffers::default(),
            links: Vec::new(),
            next_link: 1,
            dialing: None,
            queued: VecDeque::new(),
            open: Vec::new(),
            finished: Vec::new(),
            pause: FIRST_PAUSE,
            paused_until: None,
            last_turn: Instant::now(),
            owes: false,
        }
    }

    /// Take a call to be sent.
    pub fn add(&mut self, slot: Arc<Slot>) {
        self.queued.push_back(slot);
    }

    /// Give back what only the next large message would need, where no call is under way.
    pub fn rest(&self) {
        if self.open.is_empty() && self.queued.is_empty() {
            self.buffers.trim();
        }
    }

    /// What has come of calls since the last time.
    pub fn finished(&mut self) -> Vec<(Arc<Slot>, Outcome)> {
        std::mem::take(&mut self.finished)
    }

    /// Close every connection; calls end with *failure*.
    pub fn close(&mut self, failure: &Failure) {
        self.dialing = None;
        let open = self.open.drain(..).map(|open| open.slot);
        for slot in open.chain(self.queued.drain(..)) {
            self.finished.push((slot, Outcome::Failed(failure.clone())));
        }
        self.links.clear();
        self.buffers.clear();
        // What it would wait for are sockets, which are to be closed; and what it would sleep on.
        self.reactor.close();
    }

    /// Do what can be done without waiting; afterwards the reactor knows what to wait for.
    pub fn turn(&mut self) -> Left {
        let reactor = self.reactor.clone();
        reactor.begin();
        let waker = self.waker.clone();
        let mut context = Context::from_waker(&waker);
        self.notice_absence();
        self.owes = false;
        self.drop_cancelled();
        self.poll_links(&mut context);
        self.take_answers();
        self.drop_ended();
        self.connect(&mut context);
        self.send_queued();
        self.expire();
        Left { more: reactor.is_stirred(), owed: self.owes }
    }

    fn notice_absence(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.last_turn) > ABSENCE {
            for link in &mut self.links {
                link.resume(now);
            }
        }
        self.last_turn = now;
    }

    fn drop_cancelled(&mut self) {
        self.queued.retain(|slot| slot.is_open());
        for index in (0..self.open.len()).rev() {
            if !self.open[index].slot.is_open() {
                self.abandon(index);
                self.open.swap_remove(index);
            }
        }
    }

    fn poll_links(&mut self, context: &mut Context<'_>) {
        let Self { links, open, reactor, settings, .. } = self;
        for link in links {
            let id = link.id;
            let has_calls = open.iter().any(|open| open.link == id);
            let mut calls = Calls { open, link: id };
            link.poll(context, reactor, &settings.keepalive, has_calls, &mut calls);
        }
    }

    fn take_answers(&mut self) {
        for index in (0..self.open.len()).rev() {
            let outcome = match self.open[index].answer.result() {
                Some(Ok(Outcome::Message(message))) => Outcome::Message(message),
                Some(Ok(outcome)) => {
                    self.abandon(index);
                    outcome
                }
                Some(Err(Broken::Answer(failure))) => {
                    self.abandon(index);
                    Outcome::Failed(self.judged(index, failure))
                }
                Some(Err(Broken::Stream { why, was_sent })) => {
                    let failure = match self.link(self.open[index].link) {
                        Some(link) => link.failure(why),
                        None => Failure::new(Code::Unavailable, "Socket closed"),
                    };
                    Outcome::Failed(
                        self.judged(index, Failure { never_left: !was_sent, ..failure }),
                    )
                }
                None => match self.end_of_link(index) {
                    Some(failure) => Outcome::Failed(self.judged(index, failure)),
                    None => continue,
                },
            };
            let open = self.open.swap_remove(index);
            self.finished.push((open.slot, outcome));
        }
    }

    fn link(&self, id: u64) -> Option<&Link> {
        self.links.iter().find(|link| link.id == id)
    }

    /// What the end of its connection means to a call, which nobody can have acted on where it did not go out whole.
    fn end_of_link(&self, index: usize) -> Option<Failure> {
        let open = &self.open[index];
        match self.link(open.link) {
            Some(link) => {
                let never_left = !link.was_sent(open.answer.stream);
                link.end().map(|failure| Failure { never_left, ..failure.clone() })
            }
            None => Some(Failure::new(Code::Unavailable, "Socket closed")),
        }
    }

    /// *failure*, or that our deadline passed, which some servers tell in words of their own.
    fn judged(&self, index: usize, failure: Failure) -> Failure {
        let slot = &self.open[index].slot;
        if failure.code == Code::Cancelled && Instant::now() + CLOCK_SLACK >= slot.deadline {
            return passed();
        }
        failure
    }

    /// End the stream of a call; its peer hears of it.
    fn abandon(&mut self, index: usize) {
        let Open { link: id, answer, .. } = &self.open[index];
        if let Some(link) = self.links.iter_mut().find(|link| link.id == *id) {
            link.abandon(answer.stream);
            self.owes = true;
            self.reactor.stir();
        }
    }

    fn drop_ended(&mut self) {
        let open = &self.open;
        self.links.retain(|link| {
            let has_calls = open.iter().any(|open| open.link == link.id);
            has_calls || link.is_open()
        });
    }

    fn has_way(&self) -> bool {
        self.links.iter().any(Link::is_open)
    }

    fn connect(&mut self, context: &mut Context<'_>) {
        if self.dialing.is_none() {
            if self.queued.is_empty() || self.has_way() {
                return;
            }
            if let Some((until, why)) = self.paused_until.take() {
                if Instant::now() < until {
                    self.fail_queued(&why);
                    self.paused_until = Some((until, why));
                    return;
                }
            }
            let give_up = Instant::now() + self.settings.connect_timeout;
            let dialing = dial(self.settings.target.clone(), self.reactor.clone());
            self.dialing = Some((dialing, give_up));
        }
        let Some((dialing, give_up)) = &mut self.dialing else { return };
        match dialing.as_mut().poll(context) {
            Poll::Ready(Ok(mut link)) => {
                self.dialing = None;
                link.id = self.next_link;
                self.next_link += 1;
                if link.is_open() {
                    self.pause = FIRST_PAUSE;
                    self.links.push(link);
                } else {
                    let why =
                        format!("{}: the server takes no calls (GOAWAY)", self.settings.authority);
                    self.fail_to_connect(why);
                }
                self.reactor.stir();
            }
            Poll::Ready(Err(why)) => {
                self.dialing = None;
                self.fail_to_connect(why);
            }
            Poll::Pending if Instant::now() >= *give_up => {
                self.dialing = None;
                let why = format!("{}: connection attempt timed out", self.settings.authority);
                self.fail_to_connect(why);
            }
            Poll::Pending => {
                let give_up = *give_up;
                self.reactor.want_at(give_up);
            }
        }
    }

    fn fail_to_connect(&mut self, why: String) {
        self.fail_queued(&why);
        // Clients that lost the same server do not come back at the same moment.
        let mut hasher = std::hash::RandomState::new().build_hasher();
        hasher.write_u64(self.next_link);
        let percent = 80 + u32::try_from(hasher.finish() % 41).unwrap_or(20);
        let pause = self.pause * percent / 100;
        self.paused_until = Some((Instant::now() + pause, why));
        self.pause = (self.pause * 8 / 5).min(LONGEST_PAUSE);
    }

    fn fail_queued(&mut self, why: &str) {
        for slot in self.queued.drain(..) {
            let failure = Failure::unsent(Code::Unavailable, format!("{UNREACHABLE}{why}"));
            self.finished.push((slot, Outcome::Failed(failure)));
        }
    }

    fn send_queued(&mut self) {
        let Some(link) = self.links.iter_mut().rev().find(|link| link.is_open()) else { return };
        let Settings { target, authority, agent, max_message_bytes: most, .. } = &self.settings;
        while link.has_room() {
            let Some(slot) = self.queued.pop_front() else { return };
            match slot.request(target.tls.is_some(), authority, agent, *most) {
                Ok((block, message)) => {
                    let stream = link.request(&block, message);
                    let answer = Answer::new(stream, *most, self.buffers.clone());
                    self.open.push(Open { slot, link: link.id, answer });
                }
                Err(failure) => self.finished.push((slot, Outcome::Failed(failure))),
            }
            // It goes out with the next turn.
            self.reactor.stir();
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        for index in (0..self.open.len()).rev() {
            let deadline = self.open[index].slot.deadline;
            if now < deadline {
                self.reactor.want_at(deadline);
                continue;
            }
            self.abandon(index);
            let open = self.open.swap_remove(index);
            self.finished.push((open.slot, Outcome::Failed(passed())));
        }
        let finished = &mut self.finished;
        let reactor = &self.reactor;
        self.queued.retain(|slot| {
            if now >= slot.deadline {
                finished.push((slot.clone(), Outcome::Failed(passed())));
                return false;
            }
            reactor.want_at(slot.deadline);
            true
        });
    }
}

fn passed() -> Failure {
    Failure::new(Code::DeadlineExceeded, "Deadline Exceeded")
}
