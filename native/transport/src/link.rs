//! One HTTP/2 connection: driven, watched, kept alive while calls are open on it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use e6data_http2::{Connection, ErrorCode, Event, Fault, GoAway, Limits, Why};
use socket2::Socket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::reactor::Reactor;
use crate::socket::Line;
use crate::status::{code_of_reset, Code, Failure};

/// What the peer may send of one stream, and of all, before it hears from us: as good as everything, so that it never
/// waits. What is not read stays in the buffers of the socket; what is read goes to the calls at once, and how large
/// their messages may be is looked at first.
const STREAM_WINDOW: u32 = 512 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024 * 1024;
/// The largest frame that is asked for.
const FRAME_BYTES: u32 = 1024 * 1024;
/// What is read at a time: a copy out of it costs less than a system call for each frame of 16 KiB.
const AHEAD_BYTES: usize = 64 * 1024;
/// From so much data ahead on it is read to where it belongs; less comes with the heads of the frames behind it.
const DIRECT_BYTES: usize = 32 * 1024;
/// What is read in one turn before others have theirs.
const TURN_BYTES: usize = 1024 * 1024;
/// With so much waiting for a peer that does not read nothing of it is read.
const UNREAD_BYTES: usize = 1024 * 1024;

/// When a silent connection under open calls is asked for a sign of life, and how long that may take.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// The silence before a ping.
    pub after: Duration,
    /// The time for its answer.
    pub answer: Duration,
    /// The silence before a ping where two brought nothing but their answers.
    ///
    /// Stock servers end the connection with ENHANCE_YOUR_CALM for more than a few pings since they last sent anything.
    pub spaced: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            after: Duration::from_secs(20),
            answer: Duration::from_secs(8),
            spaced: Duration::from_secs(60),
        }
    }
}

/// Who gets what a connection brings.
pub trait Taker {
    /// Take what came.
    fn take(&mut self, event: &Event<'_>);

    /// Where up to *most* bytes of data of *stream* are to be read to; empty where they have to be taken.
    fn room(&mut self, stream: u32, most: usize) -> &mut [u8];

    /// *count* bytes were read there.
    fn fill(&mut self, stream: u32, count: usize);
}

/// The taker of a connection that has no calls yet.
struct Nobody;

impl Taker for Nobody {
    fn take(&mut self, _: &Event<'_>) {}

    fn room(&mut self, _: u32, _: usize) -> &mut [u8] {
        &mut []
    }

    fn fill(&mut self, _: u32, _: usize) {}
}

/// See the module.
pub struct Link {
    pub id: u64,
    line: Box<dyn Line>,
    http: Connection,
    socket: Arc<Socket>,
    ahead: Box<[u8]>,
    /// When anything came last.
    heard: Instant,
    /// When the outstanding ping was sent.
    pinged: Option<Instant>,
    /// Pings since the peer last sent headers or data, and how many of those it had sent then.
    fruitless: u32,
    answers: u64,
    /// From when silence counts: nobody hears anything while nobody reads.
    quiet_from: Instant,
    /// Why it has ended.
    end: Option<Failure>,
}

impl Link {
    /// Speaks HTTP/2 on *line* until the peer's settings have come.
    pub async fn open(
        line: Box<dyn Line>,
        socket: Arc<Socket>,
        reactor: &Reactor,
        max_header_bytes: u32,
    ) -> Result<Self, String> {
        let limits = Limits {
            frame_bytes: FRAME_BYTES,
            stream_window: STREAM_WINDOW,
            connection_window: CONNECTION_WINDOW,
            header_bytes: max_header_bytes,
        };
        let now = Instant::now();
        let mut link = Self {
            id: 0,
            line,
            http: Connection::new(limits),
            socket,
            ahead: vec![0; AHEAD_BYTES].into_boxed_slice(),
            heard: now,
            pinged: None,
            fruitless: 0,
            answers: 0,
            quiet_from: now,
            end: None,
        };
        poll_fn(|context| {
            link.exchange(context, reactor, &mut Nobody);
            match &link.end {
                _ if link.http.has_settings() => Poll::Ready(Ok(())),
                Some(_) if !link.http.first_bytes().is_empty() => {
                    Poll::Ready(Err(stranger(link.http.first_bytes())))
                }
                Some(failure) => Poll::Ready(Err(failure.text.clone())),
                None => Poll::Pending,
            }
        })
        .await?;
        Ok(link)
    }

    /// Whether a call may be sent now.
    pub fn has_room(&self) -> bool {
        self.end.is_none() && self.http.has_room()
    }

    /// Whether new calls may go this way, now or later.
    pub fn is_open(&self) -> bool {
        self.end.is_none() && self.http.takes_requests()
    }

    /// Starts a request, which goes out with the next exchange; its stream.
    pub fn request(&mut self, block: &[u8], body: Vec<u8>) -> u32 {
        self.http.request(block, body)
    }

    /// Ends *stream*; the peer hears of it with the next exchange.
    pub fn abandon(&mut self, stream: u32) {
        self.http.reset(stream, ErrorCode::CANCEL);
    }

    /// Whether all of the request of *stream* has gone out.
    pub fn was_sent(&self, stream: u32) -> bool {
        self.http.was_sent(stream)
    }

    /// Read and write what can be, for *taker*; a signal of life is asked for if there are open calls.
    pub fn poll(
        &mut self,
        context: &mut Context<'_>,
        reactor: &Reactor,
        keepalive: &Keepalive,
        has_calls: bool,
        taker: &mut dyn Taker,
    ) {
        self.exchange(context, reactor, taker);
        if self.end.is_none() {
            self.keep_alive(reactor, keepalive, has_calls);
        }
    }

    fn exchange(&mut self, context: &mut Context<'_>, reactor: &Reactor, taker: &mut dyn Taker) {
        if self.end.is_some() {
            return;
        }
        let unwritable = self.write(context).err();
        let mut left = TURN_BYTES;
        let mut has_answer = false;
        // What the peer said before it left counts more than that it takes nothing.
        while self.end.is_none() && self.http.output().len() <= UNREAD_BYTES {
            if left == 0 || has_answer {
                reactor.stir();
                break;
            }
            match self.read(context, taker, &mut has_answer) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => self.end = Some(self.lost(&error)),
                Poll::Ready(Ok(0)) => self.end = Some(self.closed()),
                Poll::Ready(Ok(count)) => {
                    left = left.saturating_sub(count);
                    self.heard = Instant::now();
                }
            }
        }
        let unwritable = unwritable.or_else(|| self.write(context).err());
        if let (None, Some(error)) = (&self.end, unwritable) {
            self.end = Some(self.lost(&error));
        }
    }

    /// Read once; how many bytes. *has_answer* is set where a call is over.
    fn read(
        &mut self,
        context: &mut Context<'_>,
        taker: &mut dyn Taker,
        has_answer: &mut bool,
    ) -> Poll<io::Result<usize>> {
        let line = Pin::new(&mut self.line);
        let direct = self.http.data_ahead().filter(|(_, bytes)| *bytes >= DIRECT_BYTES);
        let room = match direct {
            Some((stream, bytes)) => taker.room(stream, bytes),
            None => &mut [],
        };
        let is_direct = !room.is_empty();
        let mut buffer = ReadBuf::new(if is_direct { room } else { &mut self.ahead });
        match line.poll_read(context, &mut buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {}
        }
        let count = buffer.filled().len();
        if let (Some((stream, _)), true) = (direct, is_direct) {
            taker.fill(stream, count);
        }
        let pinged = &mut self.pinged;
        let mut on = |event: Event<'_>| {
            *has_answer |= matches!(event, Event::End { .. } | Event::Broken { .. });
            if matches!(event, Event::Pong) {
                *pinged = None;
            }
            taker.take(&event);
        };
        if is_direct {
            self.http.passed(count, &mut on);
        } else if let Err(fault) = self.http.receive(&self.ahead[..count], &mut on) {
            self.end = Some(broken(fault));
        }
        Poll::Ready(Ok(count))
    }

    /// Write what the line takes.
    fn write(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while !self.http.output().is_empty() {
            match Pin::new(&mut self.line).poll_write(context, self.http.output()) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => self.http.wrote(count),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        match Pin::new(&mut self.line).poll_flush(context) {
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn keep_alive(&mut self, reactor: &Reactor, keepalive: &Keepalive, has_calls: bool) {
        let answers = self.http.answers();
        if answers != self.answers {
            (self.answers, self.fruitless) = (answers, 0);
        }
        let now = Instant::now();
        if let Some(pinged) = self.pinged {
            let last = pinged.max(self.heard).max(self.quiet_from) + keepalive.answer;
            if now >= last {
                let text = "keepalive watchdog timeout: the server did not answer a ping";
                self.end = Some(Failure::new(Code::Unavailable, text));
                reactor.stir();
            } else {
                reactor.want_at(last);
            }
            return;
        }
        if !has_calls {
            self.quiet_from = now;
            return;
        }
        let silence = if self.fruitless < 2 { keepalive.after } else { keepalive.spaced };
        let due = self.heard.max(self.quiet_from) + silence;
        if now < due {
            reactor.want_at(due);
        } else {
            self.http.ping();
            self.pinged = Some(now);
            self.fruitless += 1;
            reactor.stir();
        }
    }

    /// Nobody has read for a while, so silence begins now.
    pub fn resume(&mut self, now: Instant) {
        self.quiet_from = now;
    }

    /// Why the connection has ended, None where it has not.
    pub fn end(&self) -> Option<&Failure> {
        self.end.as_ref()
    }

    fn closed(&self) -> Failure {
        match self.http.go_away() {
            Some(go_away) => Failure::new(Code::Unavailable, words(go_away)),
            None => Failure::new(Code::Unavailable, "Socket closed"),
        }
    }

    fn lost(&self, error: &io::Error) -> Failure {
        if self.http.go_away().is_some() {
            return self.closed();
        }
        let text = match error.kind() {
            io::ErrorKind::ConnectionReset => {
                "Socket closed: the peer reset the connection".to_owned()
            }
            io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => "Socket closed".to_owned(),
            _ => format!("Socket closed: {error}"),
        };
        Failure::new(Code::Unavailable, text)
    }

    /// What the early end of a stream means to its call.
    pub fn failure(&self, why: Why) -> Failure {
        match why {
            Why::Reset(code) => Failure::new(
                code_of_reset(code),
                format!("Received RST_STREAM with error code {}", code.0),
            ),
            Why::Malformed(code) => broken(Fault::Broken(code)),
            Why::GoneAway => self.closed(),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A forked child has the descriptor, too: closing this one alone would tell the peer nothing.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

fn broken(fault: Fault) -> Failure {
    match fault {
        Fault::Stranger => Failure::new(Code::Unavailable, "the peer does not speak HTTP/2"),
        Fault::Broken(code) => Failure::new(
            Code::Internal,
            format!("Stream removed (the answer breaks HTTP/2: {code:?})"),
        ),
    }
}

fn words(go_away: &GoAway) -> String {
    let GoAway { last, code, text } = go_away;
    let code = code.0;
    format!("GOAWAY received; Error code: {code}; Last stream: {last}; Debug Text: {text}")
}

/// What a peer speaks that begins like this.
fn stranger(first: &[u8]) -> String {
    if first.starts_with(b"HTTP/") {
        "Trying to connect an http1.x server".to_owned()
    } else if matches!(first, [0x14..=0x17, 3, ..]) {
        "Socket closed: the peer speaks TLS".to_owned()
    } else {
        "the peer does not speak HTTP/2".to_owned()
    }
}
