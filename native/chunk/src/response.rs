//! The protobuf envelope of fetched chunks, walked without a copy.

use std::ops::Range;

use crate::error::{DecodeError, ErrorKind};
use crate::limits::MAX_CHUNKS;
use crate::probe::probe;
use crate::structure::peek_rows;

/// Which fetch call a response answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `getNextResultBatch`: at most one chunk.
    V1,
    /// `getNextResultBatchV2`: any number of chunks and an end mark.
    V2,
}

/// Where things are in a response; ranges are into the bytes that were parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The chunks in order. V1: none (an empty batch is none) or one.
    pub chunks: Vec<Range<usize>>,
    /// The session id, if sent.
    pub session_id: Option<Range<usize>>,
    /// The new strategy, if sent.
    pub new_strategy: Option<Range<usize>>,
    /// No further response follows. V1: no chunk, or a chunk of size 0.
    pub end_of_stream: bool,
}

/// Field numbers of one response message.
struct Layout {
    chunks: u64,
    session_id: u64,
    new_strategy: u64,
    end_of_stream: u64,
}

/// Not a field number.
const ABSENT: u64 = 0;

impl Version {
    const fn layout(self) -> Layout {
        match self {
            Self::V1 => Layout { chunks: 2, session_id: 3, new_strategy: 4, end_of_stream: ABSENT },
            Self::V2 => Layout { chunks: 1, session_id: 2, new_strategy: 3, end_of_stream: 4 },
        }
    }
}

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const GROUP: u64 = 3;
const GROUP_END: u64 = 4;
const FIXED32: u64 = 5;

const MAX_GROUPS: usize = 64;

/// Walk a response; unknown fields are skipped, of a repeated singular field the last one holds.
pub fn parse(bytes: &[u8], version: Version) -> Result<Response, DecodeError> {
    let layout = version.layout();
    let mut walk = Walk { bytes, pos: 0 };
    let mut response = Response::default();
    while walk.pos < bytes.len() {
        let tag_at = walk.pos;
        let (number, wire_type) = walk.tag()?;
        match wire_type {
            BYTES if number == layout.session_id => response.session_id = Some(walk.text()?),
            BYTES if number == layout.new_strategy => response.new_strategy = Some(walk.text()?),
            BYTES => {
                let length_at = walk.pos;
                let body = walk.body()?;
                if number == layout.chunks {
                    if version == Version::V1 {
                        response.chunks.clear();
                    }
                    if response.chunks.len() == MAX_CHUNKS {
                        return Err(DecodeError::new(ErrorKind::LimitExceeded, length_at));
                    }
                    response.chunks.push(body);
                }
            }
            VARINT => {
                let value = walk.varint()?;
                if number == layout.end_of_stream {
                    response.end_of_stream = value != 0;
                }
            }
            other => walk.skip(number, other, tag_at)?,
        }
    }
    if version == Version::V1 {
        response.chunks.retain(|chunk| !chunk.is_empty());
        // Only a chunk that is whole may end a result: a damaged one has to reach the decoder, which says so.
        let is_end = |chunk: &Range<usize>| {
            let chunk = &bytes[chunk.clone()];
            peek_rows(chunk) == Ok(0) && probe(chunk).is_ok_and(|shape| shape.rows == 0)
        };
        response.end_of_stream = response.chunks.first().is_none_or(is_end);
    }
    Ok(response)
}

/// What was asked for, of what is answered by texts alone, or by one body and texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `executeStatement`, in both versions.
    Execution,
    /// `getResultMetadata`.
    Metadata,
}

/// Where things are in such an answer; ranges are into the bytes that were parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The metadata; empty if not sent.
    pub body: Range<usize>,
    /// The session id, if sent.
    pub session_id: Option<Range<usize>>,
    /// The new strategy, if sent.
    pub new_strategy: Option<Range<usize>>,
}

/// Walk an answer; unknown fields are skipped, of a repeated field the last one holds.
pub fn parse_answer(bytes: &[u8], asked: Asked) -> Result<Answer, DecodeError> {
    let (body, session_id, new_strategy) = match asked {
        Asked::Execution => (ABSENT, 1, 2),
        Asked::Metadata => (1, 2, 3),
    };
    let mut walk = Walk { bytes, pos: 0 };
    let mut answer = Answer::default();
    while walk.pos < bytes.len() {
        let tag_at = walk.pos;
        let (number, wire_type) = walk.tag()?;
        if wire_type != BYTES {
            walk.skip(number, wire_type, tag_at)?;
        } else if number == body {
            answer.body = walk.body()?;
        } else if number == session_id {
            answer.session_id = Some(walk.text()?);
        } else if number == new_strategy {
            answer.new_strategy = Some(walk.text()?);
        } else {
            walk.body()?;
        }
    }
    Ok(answer)
}

/// Where things are in the answer to a prepare; ranges are into the bytes that were parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preparation {
    /// The planner that has the query; empty if not sent.
    pub engine: Range<usize>,
    /// The query; empty if not sent.
    pub query_id: Range<usize>,
    /// The session id, if sent.
    pub session_id: Option<Range<usize>>,
    /// The new strategy, if sent.
    pub new_strategy: Option<Range<usize>>,
}

/// Walk the answer to a prepare; unknown fields are skipped, of a repeated field the last one holds.
pub fn parse_preparation(bytes: &[u8]) -> Result<Preparation, DecodeError> {
    let mut walk = Walk { bytes, pos: 0 };
    let mut answer = Preparation::default();
    while walk.pos < bytes.len() {
        let tag_at = walk.pos;
        match walk.tag()? {
            (1, BYTES) => answer.engine = walk.text()?,
            (2, BYTES) => answer.query_id = walk.text()?,
            (3, BYTES) => answer.session_id = Some(walk.text()?),
            (4, BYTES) => answer.new_strategy = Some(walk.text()?),
            (number, wire_type) => walk.skip(number, wire_type, tag_at)?,
        }
    }
    Ok(answer)
}

const fn bad(at: usize) -> DecodeError {
    DecodeError::new(ErrorKind::BadProtobuf, at)
}

struct Walk<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl Walk<'_> {
    /// A varint of at most ten bytes; bits beyond 64 are dropped, as protobuf does.
    fn varint(&mut self) -> Result<u64, DecodeError> {
        let start = self.pos;
        let mut value = 0;
        for (index, byte) in self.bytes[start..].iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.pos = start + index + 1;
                return Ok(value);
            }
        }
        Err(bad(start))
    }

    /// Field number and wire type.
    fn tag(&mut self) -> Result<(u64, u64), DecodeError> {
        let at = self.pos;
        let tag = self.varint()?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        if number == 0 || number >= 1 << 29 || wire_type > FIXED32 {
            return Err(bad(at));
        }
        Ok((number, wire_type))
    }

    fn body(&mut self) -> Result<Range<usize>, DecodeError> {
        let at = self.pos;
        let len = self.varint()?;
        let len = usize::try_from(len).map_err(|_| bad(at))?;
        if len > self.bytes.len() - self.pos {
            return Err(bad(at));
        }
        let start = self.pos;
        self.pos += len;
        Ok(start..self.pos)
    }

    /// A body that is UTF-8.
    fn text(&mut self) -> Result<Range<usize>, DecodeError> {
        let length_at = self.pos;
        let body = self.body()?;
        match simdutf8::basic::from_utf8(&self.bytes[body.clone()]) {
            Ok(_) => Ok(body),
            Err(_) => Err(bad(length_at)),
        }
    }

    fn fixed(&mut self, width: usize) -> Result<(), DecodeError> {
        if width > self.bytes.len() - self.pos {
            return Err(bad(self.pos));
        }
        self.pos += width;
        Ok(())
    }

    /// Step over a value whose tag was at *tag_at*; a group with all that it holds.
    fn skip(&mut self, number: u64, wire_type: u64, tag_at: usize) -> Result<(), DecodeError> {
        let mut open = [0; MAX_GROUPS];
        let mut depth = 0;
        let (mut number, mut wire_type, mut tag_at) = (number, wire_type, tag_at);
        loop {
            match wire_type {
                VARINT => self.varint().map(|_| ())?,
                FIXED64 => self.fixed(8)?,
                FIXED32 => self.fixed(4)?,
                BYTES => self.body().map(|_| ())?,
                GROUP => {
                    *open.get_mut(depth).ok_or(bad(tag_at))? = number;
                    depth += 1;
                }
                GROUP_END if depth > 0 && open[depth - 1] == number => depth -= 1,
                _ => return Err(bad(tag_at)),
            }
            if depth == 0 {
                return Ok(());
            }
            tag_at = self.pos;
            (number, wire_type) = self.tag()?;
        }
    }
}

/// Write a response. V1 takes at most the first chunk, and has no end mark to send.
pub fn encode(
    chunks: &[&[u8]],
    version: Version,
    session_id: &str,
    new_strategy: Option<&str>,
    end_of_stream: bool,
) -> Vec<u8> {
    let layout = version.layout();
    let chunks = if version == Version::V1 { &chunks[..chunks.len().min(1)] } else { chunks };
    let size: usize = chunks.iter().map(|chunk| chunk.len() + 16).sum();
    let mut out = Vec::with_capacity(size + session_id.len() + 64);
    for chunk in chunks {
        // An empty V1 batch is the default value, and so is not sent.
        if version == Version::V2 || !chunk.is_empty() {
            put_bytes(&mut out, layout.chunks, chunk);
        }
    }
    if !session_id.is_empty() {
        put_bytes(&mut out, layout.session_id, session_id.as_bytes());
    }
    if let Some(strategy) = new_strategy {
        put_bytes(&mut out, layout.new_strategy, strategy.as_bytes());
    }
    if end_of_stream && layout.end_of_stream != ABSENT {
        put_varint(&mut out, layout.end_of_stream << 3 | VARINT);
        put_varint(&mut out, 1);
    }
    out
}

/// Write a field of texts, bytes or a message.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u64, body: &[u8]) {
    put_varint(out, number << 3 | BYTES);
    put_varint(out, body.len() as u64);
    out.extend_from_slice(body);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_CHUNK: &[u8] = &[8, 0, 1, 0, 0, 0, 0, 15, 0, 2, 12, 0, 0, 0, 0, 0];
    const SOME_CHUNK: &[u8] = &[8, 0, 1, 0, 0, 0, 3, 0];

    fn text<'a>(bytes: &'a [u8], range: Option<&Range<usize>>) -> Option<&'a [u8]> {
        range.map(|range| &bytes[range.clone()])
    }

    /// A V2 response gives back its chunks in order, empty ones too, and its end mark.
    #[test]
    fn v2() {
        let long = vec![7; 300];
        let bytes = encode(&[SOME_CHUNK, &[], &long], Version::V2, "s-1", Some("green"), true);
        let response = parse(&bytes, Version::V2).expect("well formed");

        let chunks: Vec<&[u8]> =
            response.chunks.iter().map(|chunk| &bytes[chunk.clone()]).collect();
        assert_eq!(chunks, [SOME_CHUNK, &[], &long]);
        assert_eq!(text(&bytes, response.session_id.as_ref()), Some(&b"s-1"[..]));
        assert_eq!(text(&bytes, response.new_strategy.as_ref()), Some(&b"green"[..]));
        assert!(response.end_of_stream);
        assert!(!parse(&[], Version::V2).expect("empty").end_of_stream);
    }

    /// V1 ends without a chunk, with an empty one, or with one of size 0.
    #[test]
    fn v1_end() {
        let end = |chunks: &[&[u8]]| {
            let bytes = encode(chunks, Version::V1, "", None, false);
            let response = parse(&bytes, Version::V1).expect("well formed");
            (response.chunks.len(), response.end_of_stream)
        };

        assert_eq!(end(&[]), (0, true));
        assert_eq!(end(&[&[]]), (0, true));
        assert_eq!(end(&[EMPTY_CHUNK]), (1, true));
        assert_eq!(end(&[SOME_CHUNK]), (1, false));
        assert_eq!(end(&[&[1, 2, 3]]), (1, false));
    }

    /// Unknown fields of all kinds are skipped, known numbers of another kind too; the last value
    /// holds.
    #[test]
    fn unknown_fields() {
        let mut bytes = vec![0x50, 0x96, 0x01, 0x59, 1, 2, 3, 4, 5, 6, 7, 8, 0x65, 1, 2, 3, 4];
        bytes
            .extend([0x6b, 0x73, 0x08, 0x05, 0x74, 0x6c, 0x10, 0x07, 0x1a, 1, b'a', 0x1a, 1, b'b']);

        let response = parse(&bytes, Version::V1).expect("well formed");

        assert_eq!(text(&bytes, response.session_id.as_ref()), Some(&b"b"[..]));
        assert_eq!((response.chunks.len(), response.end_of_stream), (0, true));
    }

    /// An answer gives back its texts and its body, whatever stands between them.
    #[test]
    fn answers() {
        let bytes = [0x50, 1, 0x0a, 2, b's', b'1', 0x22, 1, 0xff, 0x12, 4, b'b', b'l', b'u', b'e'];
        let executed = parse_answer(&bytes, Asked::Execution).expect("well formed");
        assert_eq!(text(&bytes, executed.session_id.as_ref()), Some(&b"s1"[..]));
        assert_eq!(text(&bytes, executed.new_strategy.as_ref()), Some(&b"blue"[..]));
        assert!(executed.body.is_empty());

        let metadata = parse_answer(&bytes, Asked::Metadata).expect("well formed");
        assert_eq!(&bytes[metadata.body], b"s1");
        assert_eq!(text(&bytes, metadata.session_id.as_ref()), Some(&b"blue"[..]));
        assert_eq!(metadata.new_strategy, None);

        assert_eq!(parse_answer(&[], Asked::Metadata), Ok(Answer::default()));
        let broken = [0x0a, 1, 0xff];
        assert!(parse_answer(&broken, Asked::Execution).is_err());
        assert!(parse_answer(&broken, Asked::Metadata).is_ok());
        assert!(parse_answer(&[0x0a, 2, b's'], Asked::Execution).is_err());
    }

    /// The answer to a prepare gives back its texts, which are UTF-8, whatever stands between them.
    #[test]
    fn preparations() {
        let bytes = [0x0a, 1, b'e', 0x50, 1, 0x12, 1, b'q', 0x1a, 1, b's', 0x22, 1, b'b'];
        let prepared = parse_preparation(&bytes).expect("well formed");
        assert_eq!((&bytes[prepared.engine], &bytes[prepared.query_id]), (&b"e"[..], &b"q"[..]));
        assert_eq!(text(&bytes, prepared.session_id.as_ref()), Some(&b"s"[..]));
        assert_eq!(text(&bytes, prepared.new_strategy.as_ref()), Some(&b"b"[..]));

        assert_eq!(parse_preparation(&[]), Ok(Preparation::default()));
        assert!(parse_preparation(&[0x0a, 1, 0xff]).is_err());
        assert!(parse_preparation(&[0x12, 2, b'q']).is_err());
    }

    /// Errors point at the tag or length that fails.
    #[test]
    fn errors() {
        let at = |bytes: &[u8]| parse(bytes, Version::V1).map_err(|error| error.offset);

        assert_eq!(at(&[0x12, 5, 1]), Err(1));
        assert_eq!(at(&[0x12]), Err(1));
        assert_eq!(at(&[0x02, 0]), Err(0));
        assert_eq!(at(&[0x57]), Err(0));
        assert_eq!(at(&[0x54]), Err(0));
        assert_eq!(at(&[0x53, 0x5c]), Err(1));
        assert_eq!(at(&[0x51, 1, 2]), Err(1));
        assert_eq!(at(&[0xff; 11]), Err(0));
        assert_eq!(at(&[0x1a, 1, 0xff]), Err(1));
        assert_eq!(at(&[0x53; 65]), Err(64));
    }
}
