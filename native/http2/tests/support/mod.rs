//! Frames by hand, and events as texts.
#![allow(dead_code)] // each test file uses its part

use e6data_http2::{Event, Limits};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

pub const LIMITS: Limits = Limits {
    frame_bytes: 64 * 1024,
    stream_window: 1 << 20,
    connection_window: 1 << 21,
    header_bytes: 16 * 1024,
};
/// POST, http.
pub const BLOCK: &[u8] = &[0x83, 0x86];

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, 0, 0, &payload)
}

/// A field without table and Huffman code.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut block = Vec::new();
    e6data_http2::hpack::put_field(&mut block, name.as_bytes(), value.as_bytes(), false);
    block
}

pub fn reply() -> Vec<u8> {
    literal(":status", "200")
}

pub fn tell(event: &Event<'_>) -> String {
    let all = |fields: &e6data_http2::Fields| {
        let texts: Vec<String> = fields
            .iter()
            .map(|(name, value)| {
                let text = String::from_utf8_lossy;
                format!("{}={}", text(name), text(value))
            })
            .collect();
        texts.join(" ")
    };
    match event {
        Event::Head { stream, fields } => format!("{stream}: {}", all(fields)),
        Event::Data { stream, data } => format!("{stream}: '{}'", String::from_utf8_lossy(data)),
        Event::End { stream, trailers: None } => format!("{stream} ends"),
        Event::End { stream, trailers: Some(fields) } => format!("{stream} ends: {}", all(fields)),
        Event::Broken { stream, why, .. } => format!("{stream} broken: {why:?}"),
        Event::Pong => "pong".to_owned(),
    }
}

/// *told*, with data that came in pieces in one.
pub fn joined(told: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for text in told {
        match out.last_mut() {
            // Frames of the test's data have three bytes each.
            Some(last) if text.ends_with('\'') && last.ends_with('\'') && last.len() < 8 => {
                last.pop();
                last.push_str(&text[4..]);
            }
            _ => out.push(text),
        }
    }
    out
}

/// The frames in *bytes*, each with its head.
pub fn frames(bytes: &[u8]) -> impl Iterator<Item = ([u8; 9], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, tail) = rest.split_first_chunk::<9>()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, tail) = tail.split_at_checked(length)?;
        rest = tail;
        Some((*head, payload))
    })
}

/// Numbers that look random and are the same each time.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }
}
