//! One HTTP/2 connection: driven, watched, kept alive while calls are open on it.

use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use socket2::Socket;

use crate::frames::{Facts, GoAway};
use crate::reactor::Reactor;
use crate::status::{code_of_reset, Code, Failure};
use crate::watched::Watched;

/// What the peer may send of one stream, and of all, before it hears from us: as good as everything, so that it never
/// waits. What is not read stays in the buffers of the socket; what is read goes to the calls at once, and how large
/// their messages may be is looked at first.
const STREAM_WINDOW: u32 = 512 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024 * 1024;
/// The largest frame that is asked for. `h2` gathers a frame in memory of its own before it hands it on; where that is
/// more than an allocator keeps at hand, each frame costs new pages of the system, which is three times the rest.
const FRAME_BYTES: u32 = 64 * 1024;
/// What is read in one turn before it is passed on: as little as possible of such memory is held at a time.
const TURN_BYTES: usize = 64 * 1024;

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

/// See the module.
pub struct Link {
    pub id: u64,
    pub send: SendRequest<Bytes>,
    pub facts: Arc<Facts>,
    connection: Connection<Watched, Bytes>,
    socket: Arc<Socket>,
    pings: Option<PingPong>,
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
        line: Watched,
        facts: Arc<Facts>,
        socket: Arc<Socket>,
        max_header_bytes: u32,
    ) -> Result<Self, String> {
        let handshake = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_BYTES)
            .max_header_list_size(max_header_bytes)
            .enable_push(false)
            .handshake::<_, Bytes>(line);
        facts.allow(TURN_BYTES);
        let (send, mut connection) = handshake.await.map_err(|error| said(&error))?;
        let pings = connection.ping_pong();
        poll_fn(|context| {
            facts.allow(TURN_BYTES);
            let ended = Pin::new(&mut connection).poll(context);
            let seen = facts.see();
            match ended {
                Poll::Ready(_) if !seen.has_settings && !seen.first.is_empty() => {
                    Poll::Ready(Err(stranger(&seen.first)))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(said(&error))),
                Poll::Ready(Ok(())) => Poll::Ready(Err("Socket closed".to_owned())),
                Poll::Pending if seen.has_settings => Poll::Ready(Ok(())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await?;
        Ok(Self {
            id: 0,
            send,
            facts,
            connection,
            socket,
            pings,
            pinged: None,
            fruitless: 0,
            answers: 0,
            quiet_from: Instant::now(),
            end: None,
        })
    }

    /// Read and write what can be; a signal of life is asked for if there are open calls.
    pub fn poll(
        &mut self,
        context: &mut Context<'_>,
        reactor: &Reactor,
        keepalive: &Keepalive,
        has_calls: bool,
    ) {
        if self.end.is_some() {
            return;
        }
        self.facts.allow(TURN_BYTES);
        if let Poll::Ready(result) = Pin::new(&mut self.connection).poll(context) {
            self.end = Some(match result {
                Err(error) => self.failure(&error),
                Ok(()) => self.closed(),
            });
            return;
        }
        self.keep_alive(context, reactor, keepalive, has_calls);
    }

    fn keep_alive(
        &mut self,
        context: &mut Context<'_>,
        reactor: &Reactor,
        keepalive: &Keepalive,
        has_calls: bool,
    ) {
        let Some(pings) = &mut self.pings else { return };
        let (heard, answers) = {
            let seen = self.facts.see();
            (seen.heard, seen.answers)
        };
        if answers != self.answers {
            (self.answers, self.fruitless) = (answers, 0);
        }
        let now = Instant::now();
        if let Some(pinged) = self.pinged {
            if pings.poll_pong(context).is_ready() {
                self.pinged = None;
            } else {
                let last = pinged.max(heard).max(self.quiet_from) + keepalive.answer;
                if now >= last {
                    let text = "keepalive watchdog timeout: the server did not answer a ping";
                    self.end = Some(Failure::new(Code::Unavailable, text));
                    reactor.stir();
                } else {
                    reactor.want_at(last);
                }
                return;
            }
        }
        if !has_calls {
            self.quiet_from = now;
            return;
        }
        let silence = if self.fruitless < 2 { keepalive.after } else { keepalive.spaced };
        let due = heard.max(self.quiet_from) + silence;
        if now < due {
            reactor.want_at(due);
        } else if pings.send_ping(Ping::opaque()).is_ok() {
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

    /// Whether new calls may go this way.
    pub fn is_open(&self) -> bool {
        self.end.is_none() && self.facts.see().go_away.is_none()
    }

    fn closed(&self) -> Failure {
        match &self.facts.see().go_away {
            Some(go_away) => Failure::new(Code::Unavailable, words(go_away)),
            None => Failure::new(Code::Unavailable, "Socket closed"),
        }
    }

    /// What *error* of a stream or the connection means to a call.
    pub fn failure(&self, error: &h2::Error) -> Failure {
        let reason = error.reason().unwrap_or(h2::Reason::INTERNAL_ERROR);
        if error.is_reset() && error.is_remote() {
            let number = u32::from(reason);
            return Failure::new(
                code_of_reset(reason),
                format!("Received RST_STREAM with error code {number}"),
            );
        }
        if error.is_reset() || error.is_go_away() && !error.is_remote() {
            return Failure::new(
                Code::Internal,
                format!("Stream removed (the answer breaks HTTP/2: {reason:?})"),
            );
        }
        if error.is_go_away() || error.is_io() && self.facts.see().go_away.is_some() {
            return self.closed();
        }
        Failure::new(Code::Unavailable, said(error))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A forked child has the descriptor, too: closing this one alone would tell the peer nothing.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

fn words(go_away: &GoAway) -> String {
    let GoAway { last, code, text } = go_away;
    format!("GOAWAY received; Error code: {code}; Last stream: {last}; Debug Text: {text}")
}

fn said(error: &h2::Error) -> String {
    match error.get_io() {
        Some(io) if io.kind() == std::io::ErrorKind::ConnectionReset => {
            "Socket closed: the peer reset the connection".to_owned()
        }
        Some(io)
            if matches!(
                io.kind(),
                std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            "Socket closed".to_owned()
        }
        Some(io) => format!("Socket closed: {io}"),
        None => error.to_string(),
    }
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
