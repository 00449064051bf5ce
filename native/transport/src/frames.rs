//! Frames of HTTP/2 as they go by: what the `h2` crate does not tell, and a caller has to know.
//!
//! Its errors do not say which requests had gone out whole, nor which stream a GOAWAY named last.
//! Both stand in the nine bytes before each frame, so those are read along in both directions.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;

/// How much of a GOAWAY is kept: its two numbers, and the beginning of its text.
const KEPT_BYTES: usize = 8 + 256;
/// What a client writes before its first frame (RFC 9113, 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The peer's word that it takes no new streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// The last stream that it may act on; a proxy writes one below streams that it has passed on.
    pub last: u32,
    /// HTTP/2's error code.
    pub code: u32,
    /// The beginning of its text.
    pub text: String,
}

/// What has gone by on one connection; shared by the stream that sees it and the link that asks.
pub struct Facts {
    seen: Mutex<Seen>,
    /// How many bytes `h2` may read before others have a turn.
    allowance: AtomicUsize,
}

/// See [`Facts`].
pub struct Seen {
    /// The streams whose request has not gone out whole.
    pub unwritten: HashSet<u32>,
    /// Whether the peer's settings came, so that it is one that speaks HTTP/2.
    pub has_settings: bool,
    /// Whether something else came in their place.
    pub is_stranger: bool,
    /// The first few bytes that came, for naming a stranger.
    pub first: Vec<u8>,
    /// The newest GOAWAY.
    pub go_away: Option<GoAway>,
    /// When anything came last.
    pub heard: Instant,
    /// How many frames of headers or data came.
    pub answers: u64,
}

impl Facts {
    pub fn new() -> Arc<Self> {
        let seen = Seen {
            unwritten: HashSet::new(),
            has_settings: false,
            is_stranger: false,
            first: Vec::new(),
            go_away: None,
            heard: Instant::now(),
            answers: 0,
        };
        Arc::new(Self { seen: Mutex::new(seen), allowance: AtomicUsize::new(0) })
    }

    pub fn see(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Let *bytes* more be read.
    pub fn allow(&self, bytes: usize) {
        self.allowance.store(bytes, Ordering::Relaxed);
    }

    /// What may be read, at most *wanted*.
    pub fn allowed(&self, wanted: usize) -> usize {
        self.allowance.load(Ordering::Relaxed).min(wanted)
    }

    /// Take *bytes* off what may be read.
    pub fn spend(&self, bytes: usize) {
        let left = self.allowance.load(Ordering::Relaxed).saturating_sub(bytes);
        self.allowance.store(left, Ordering::Relaxed);
    }

    /// Take note of *bytes* that arrived; an error if the peer does not speak HTTP/2.
    pub fn received(&self, frames: &mut Frames, bytes: &[u8]) -> std::io::Result<()> {
        let mut seen = self.see();
        seen.heard = Instant::now();
        if !seen.has_settings {
            let missing = 9usize.saturating_sub(seen.first.len());
            seen.first.extend(bytes.iter().take(missing));
        }
        frames.read(bytes, |frame| {
            if !seen.has_settings {
                if frame.kind == SETTINGS && frame.stream == 0 {
                    seen.has_settings = true;
                } else {
                    seen.is_stranger = true;
                }
            }
            match frame.kind {
                DATA | HEADERS => seen.answers += 1,
                GOAWAY if frame.payload.len() >= 8 => {
                    let number = |at: usize| {
                        frame.payload[at..at + 4]
                            .iter()
                            .fold(0, |sum, &byte| sum << 8 | u32::from(byte))
                    };
                    seen.go_away = Some(GoAway {
                        last: number(0) & 0x7fff_ffff,
                        code: number(4),
                        text: String::from_utf8_lossy(&frame.payload[8..]).into_owned(),
                    });
                }
                _ => {}
            }
            !seen.is_stranger
        });
        if seen.is_stranger {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "the peer does not speak HTTP/2",
            ));
        }
        Ok(())
    }

    /// Take note of *bytes* that the socket, or TLS before it, took.
    pub fn written(&self, frames: &mut Frames, bytes: &[u8]) {
        let mut seen = self.see();
        frames.read(bytes, |frame| {
            if matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0 {
                seen.unwritten.remove(&frame.stream);
            }
            true
        });
    }
}

/// Where one direction of a connection is within its frames.
pub struct Frames {
    /// Bytes before the first frame that are still to pass.
    skip: usize,
    head: [u8; 9],
    head_bytes: usize,
    left: usize,
    payload: Vec<u8>,
    /// A frame is told of as soon as its head is there, rather than at its end.
    at_head: bool,
}

struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

impl Frames {
    /// Of what the peer sends.
    pub fn of_peer() -> Self {
        Self { skip: 0, head: [0; 9], head_bytes: 0, left: 0, payload: Vec::new(), at_head: true }
    }

    /// Of what is sent, which begins with the preface.
    pub fn of_client() -> Self {
        Self { skip: PREFACE.len(), at_head: false, ..Self::of_peer() }
    }

    /// Call *note* with each frame that ends in *bytes*; until it returns false.
    fn read(&mut self, mut bytes: &[u8], mut note: impl FnMut(&Frame<'_>) -> bool) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            if self.head_bytes < 9 {
                let count = bytes.len().min(9 - self.head_bytes);
                self.head[self.head_bytes..self.head_bytes + count]
                    .copy_from_slice(&bytes[..count]);
                self.head_bytes += count;
                bytes = &bytes[count..];
                if self.head_bytes < 9 {
                    return;
                }
                self.left =
                    self.head[..3].iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
                self.payload.clear();
                let is_told = self.at_head && self.head[3] != GOAWAY || self.left == 0;
                if is_told && !note(&self.frame()) {
                    return;
                }
            }
            let count = bytes.len().min(self.left);
            if self.head[3] == GOAWAY {
                let kept = count.min(KEPT_BYTES - self.payload.len());
                self.payload.extend_from_slice(&bytes[..kept]);
            }
            bytes = &bytes[count..];
            let is_told = count > 0 && (!self.at_head || self.head[3] == GOAWAY);
            self.left -= count;
            if self.left == 0 {
                self.head_bytes = 0;
                if is_told && !note(&self.frame()) {
                    return;
                }
            }
        }
    }

    fn frame(&self) -> Frame<'_> {
        let stream = self.head[5..].iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        Frame {
            kind: self.head[3],
            flags: self.head[4],
            stream: stream & 0x7fff_ffff,
            payload: &self.payload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    /// However the bytes are cut, the same frames are seen.
    #[test]
    fn frames_are_seen_in_any_pieces() {
        let mut sent = PREFACE.to_vec();
        for (stream, length) in [(1, 0), (3, 5), (5, 100)] {
            sent.extend(frame(HEADERS, 4, stream, b"headers"));
            sent.extend(frame(DATA, 0, stream, b"first"));
            sent.extend(frame(DATA, END_STREAM, stream, &vec![0; length]));
        }
        for size in 1..40 {
            let facts = Facts::new();
            facts.see().unwritten = [1, 3, 5, 7].into();
            let mut frames = Frames::of_client();
            for piece in sent[..sent.len() - 1].chunks(size) {
                facts.written(&mut frames, piece);
            }
            assert_eq!(facts.see().unwritten, [5, 7].into(), "one byte is missing");
            facts.written(&mut frames, &sent[sent.len() - 1..]);
            assert_eq!(facts.see().unwritten, [7].into());
        }
    }

    /// A GOAWAY is known with its numbers and its text, which is bounded.
    #[test]
    fn a_goaway_is_known_whole() {
        let mut payload = vec![0, 0, 0, 9, 0, 0, 0, 11];
        payload.extend([b'x'; 1000]);
        let mut bytes = frame(SETTINGS, 0, 0, b"");
        bytes.extend(frame(GOAWAY, 0, 0, &payload));
        for size in [1, 7, 2000] {
            let facts = Facts::new();
            let mut frames = Frames::of_peer();
            for piece in bytes.chunks(size) {
                facts.received(&mut frames, piece).unwrap();
            }
            let seen = facts.see();
            assert!(seen.has_settings);
            assert_eq!(seen.go_away, Some(GoAway { last: 9, code: 11, text: "x".repeat(256) }));
        }
    }

    /// A peer whose first frame is not SETTINGS is a stranger, and what it sent is kept.
    #[test]
    fn a_stranger_is_known() {
        let facts = Facts::new();
        let said = b"HTTP/1.1 400 Bad Request";
        assert!(facts.received(&mut Frames::of_peer(), said).is_err());
        assert_eq!(facts.see().first, &said[..9]);
        assert!(facts.see().is_stranger);
    }
}
