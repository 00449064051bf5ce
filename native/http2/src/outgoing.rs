//! What goes out: frames that are ready, and bodies as far as the peer's windows let them.

use crate::error::ErrorCode;
use crate::frame;
use crate::stream::{Stream, Streams};

/// With so much waiting to go out no body is added.
const MOST_BYTES: usize = 256 * 1024;
const LARGEST_WINDOW: i64 = 0x7fff_ffff;

/// The bytes for the peer, and what it allows; see the module.
pub struct Outgoing {
    bytes: Vec<u8>,
    /// How many of them went out, and how many others before.
    start: usize,
    gone: u64,
    /// The largest frame that the peer takes.
    frame_bytes: usize,
    /// What may be sent on a new stream, and on all together.
    first_allowance: i64,
    allowance: i64,
}

impl Default for Outgoing {
    /// As every connection begins, with the preface.
    fn default() -> Self {
        Self {
            bytes: frame::PREFACE.to_vec(),
            start: 0,
            gone: 0,
            frame_bytes: 16_384,
            first_allowance: 65_535,
            allowance: 65_535,
        }
    }
}

impl Outgoing {
    /// What is to go out next.
    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Where frames are added.
    pub fn frames(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What may be sent on a new stream.
    pub fn first_allowance(&self) -> i64 {
        self.first_allowance
    }

    /// *count* bytes went out.
    pub fn wrote(&mut self, count: usize) {
        self.start += count;
        // Also where a peer that is slow never leaves nothing, what went out is given up.
        if self.start == self.bytes.len() || self.start >= MOST_BYTES {
            self.bytes.drain(..self.start);
            self.bytes.shrink_to(MOST_BYTES);
            self.gone += self.start as u64;
            self.start = 0;
        }
    }

    /// How much went out and is to go out, from the beginning.
    fn end(&self) -> u64 {
        self.gone + self.bytes.len() as u64
    }

    /// Whether all of a request went out.
    pub fn has_sent(&self, stream: &Stream) -> bool {
        stream.whole_at.is_some_and(|at| at <= self.gone + self.start as u64)
    }

    /// Adds the head of *stream*, which is all of a request without a body.
    pub fn put_request(&mut self, stream: &mut Stream, block: &[u8]) {
        let end = if stream.body.is_empty() { frame::END_STREAM } else { 0 };
        let mut pieces = block.chunks(self.frame_bytes).peekable();
        let (mut kind, mut flags) = (frame::HEADERS, end);
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                flags |= frame::END_HEADERS;
            }
            frame::put(&mut self.bytes, kind, flags, stream.id, piece);
            (kind, flags) = (frame::CONTINUATION, 0);
        }
        if stream.body.is_empty() {
            stream.whole_at = Some(self.end());
        }
    }

    /// Adds of the bodies what the peer allows; whether that is anything.
    pub fn pass_bodies(&mut self, streams: &mut Streams) -> bool {
        let mut has_passed = false;
        for stream in streams.iter_mut() {
            while stream.passed < stream.body.len() {
                let left = stream.body.len() - stream.passed;
                let allowed = usize::try_from(self.allowance.min(stream.allowance)).unwrap_or(0);
                let count = left.min(allowed).min(self.frame_bytes);
                if count == 0 || self.waiting().len() >= MOST_BYTES {
                    break;
                }
                let end = if count == left { frame::END_STREAM } else { 0 };
                let piece = &stream.body[stream.passed..stream.passed + count];
                frame::put(&mut self.bytes, frame::DATA, end, stream.id, piece);
                stream.passed += count;
                stream.allowance -= count as i64;
                self.allowance -= count as i64;
                has_passed = true;
                if count == left {
                    stream.whole_at = Some(self.end());
                    stream.body = Vec::new();
                    stream.passed = 0;
                }
            }
        }
        has_passed
    }

    /// The peer takes larger frames, or smaller ones.
    pub fn limit_frames(&mut self, bytes: u32) -> Result<(), ErrorCode> {
        if !(16_384..=0x00ff_ffff).contains(&bytes) {
            return Err(ErrorCode::PROTOCOL_ERROR);
        }
        self.frame_bytes = bytes as usize;
        Ok(())
    }

    /// The peer's window of each stream is another one from now on, also of those that are open.
    pub fn set_window(&mut self, bytes: u32, streams: &mut Streams) -> Result<(), ErrorCode> {
        let bytes = i64::from(bytes);
        if bytes > LARGEST_WINDOW {
            return Err(ErrorCode::FLOW_CONTROL_ERROR);
        }
        let change = bytes - self.first_allowance;
        self.first_allowance = bytes;
        for stream in streams.iter_mut() {
            allow(&mut stream.allowance, change)?;
        }
        Ok(())
    }

    /// The peer took *more* bytes of all streams.
    pub fn widen(&mut self, more: i64) -> Result<(), ErrorCode> {
        if more == 0 {
            return Err(ErrorCode::PROTOCOL_ERROR);
        }
        allow(&mut self.allowance, more)
    }
}

/// Changes what may be sent, which no peer may make larger than HTTP/2 can say.
pub fn allow(allowance: &mut i64, change: i64) -> Result<(), ErrorCode> {
    *allowance += change;
    if *allowance > LARGEST_WINDOW {
        return Err(ErrorCode::FLOW_CONTROL_ERROR);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that always leaves something does not make what went out pile up.
    #[test]
    fn what_went_out_is_given_up() {
        let mut outgoing = Outgoing::default();
        outgoing.widen(1 << 30).unwrap();
        let mut streams = Streams::default();
        let mut stream = Stream {
            id: 1,
            has_head: false,
            window: 0,
            used: 0,
            allowance: 1 << 30,
            body: vec![7; 20 << 20],
            passed: 0,
            whole_at: None,
        };
        outgoing.put_request(&mut stream, b"block");
        streams.push(stream);
        while streams.get(1).is_some_and(|stream| stream.whole_at.is_none()) {
            outgoing.pass_bodies(&mut streams);
            outgoing.wrote(outgoing.waiting().len() - 1);
            assert!(outgoing.bytes.capacity() <= 4 * MOST_BYTES);
        }
        assert!(!outgoing.has_sent(streams.get(1).unwrap()));
        outgoing.wrote(1);
        assert!(outgoing.has_sent(streams.get(1).unwrap()));
    }
}
