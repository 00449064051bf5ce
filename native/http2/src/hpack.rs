//! HPACK (RFC 7541): header blocks to fields and back.
//!
//! What is sent leaves the peer's table alone: a request's fields are few, and most are secrets or
//! change. What comes may use everything.

use std::collections::VecDeque;

use crate::hpack_tables::{LENGTHS, STATIC};

/// A header block that is none. The connection is of no use any more, as the tables differ now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The size of the dynamic table that a peer may use without being told.
const TABLE_BYTES: usize = 4096;
/// What a field costs beside its text (RFC 7541, 4.1).
pub const FIELD_BYTES: usize = 32;

/// A field that the peer has defined.
struct Known {
    text: Box<[u8]>,
    name_bytes: usize,
}

impl Known {
    fn size(&self) -> usize {
        self.text.len() + FIELD_BYTES
    }
}

/// The receiver's half of one connection.
pub struct Decoder {
    /// The newest first.
    table: VecDeque<Known>,
    bytes: usize,
    most: usize,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            table: VecDeque::new(),
            bytes: 0,
            most: TABLE_BYTES,
            name: Vec::new(),
            value: Vec::new(),
        }
    }
}

impl Decoder {
    /// Call *take* with name and value of each field in *block*.
    pub fn decode(
        &mut self,
        block: &[u8],
        mut take: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Malformed> {
        let mut rest = block;
        let mut may_resize = true;
        while let Some(&first) = rest.first() {
            if first & 0xe0 == 0x20 {
                // A new size of the table, which stands before the fields (6.3).
                let size = integer(&mut rest, 5)?;
                if !may_resize || size > TABLE_BYTES {
                    return Err(Malformed);
                }
                self.most = size;
                self.evict(0);
                continue;
            }
            may_resize = false;
            if first & 0x80 != 0 {
                let (name, value) = self.field(integer(&mut rest, 7)?)?;
                take(name, value);
                continue;
            }
            let is_kept = first & 0x40 != 0;
            let index = integer(&mut rest, if is_kept { 6 } else { 4 })?;
            let mut name = std::mem::take(&mut self.name);
            name.clear();
            if index == 0 {
                string(&mut rest, &mut name)?;
            } else {
                name.extend_from_slice(self.field(index)?.0);
            }
            self.value.clear();
            string(&mut rest, &mut self.value)?;
            take(&name, &self.value);
            if is_kept {
                self.keep(&name);
            }
            self.name = name;
        }
        Ok(())
    }

    fn field(&self, index: usize) -> Result<(&[u8], &[u8]), Malformed> {
        let index = index.checked_sub(1).ok_or(Malformed)?;
        if let Some(field) = STATIC.get(index) {
            return Ok(*field);
        }
        let known = self.table.get(index - STATIC.len()).ok_or(Malformed)?;
        Ok(known.text.split_at(known.name_bytes))
    }

    /// Keep *name* with the value that was read last.
    fn keep(&mut self, name: &[u8]) {
        let text: Box<[u8]> = [name, &self.value].concat().into();
        let known = Known { text, name_bytes: name.len() };
        let size = known.size();
        self.evict(size);
        // What is larger than the table empties it, and is no error (4.4).
        if size <= self.most {
            self.bytes += size;
            self.table.push_front(known);
        }
    }

    fn evict(&mut self, needed: usize) {
        while self.bytes + needed > self.most {
            let Some(oldest) = self.table.pop_back() else { return };
            self.bytes -= oldest.size();
        }
    }
}

/// An integer with a prefix of *bits* bits (5.1); what no field of ours could need is malformed.
fn integer(rest: &mut &[u8], bits: u32) -> Result<usize, Malformed> {
    let (&first, mut tail) = rest.split_first().ok_or(Malformed)?;
    let most = (1usize << bits) - 1;
    let mut value = usize::from(first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (&byte, after) = tail.split_first().ok_or(Malformed)?;
            tail = after;
            if shift > 21 {
                return Err(Malformed);
            }
            value += usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = tail;
    Ok(value)
}

/// A text (5.2), added to *out*.
fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let is_coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(rest, 7)?;
    let (text, tail) = rest.split_at_checked(length).ok_or(Malformed)?;
    *rest = tail;
    if is_coded {
        return decode_huffman(text, out);
    }
    out.extend_from_slice(text);
    Ok(())
}

const SHORTEST: usize = 5;
const LONGEST: usize = 30;

/// The code by lengths: the first code of each, how many there are, and where their bytes stand in `bytes`.
struct Code {
    first: [u32; LONGEST + 1],
    count: [u32; LONGEST + 1],
    start: [u16; LONGEST + 1],
    bytes: [u16; 257],
}

const CODE: Code = code();

const fn code() -> Code {
    let mut code = Code {
        first: [0; LONGEST + 1],
        count: [0; LONGEST + 1],
        start: [0; LONGEST + 1],
        bytes: [0; 257],
    };
    let (mut next, mut filled, mut length) = (0u32, 0usize, SHORTEST);
    while length <= LONGEST {
        next <<= 1;
        code.first[length] = next;
        code.start[length] = filled as u16;
        let mut byte = 0;
        while byte < 257 {
            if LENGTHS[byte] as usize == length {
                code.bytes[filled] = byte as u16;
                filled += 1;
                code.count[length] += 1;
                next += 1;
            }
            byte += 1;
        }
        length += 1;
    }
    code
}

/// The bytes that *coded* stands for, added to *out*.
fn decode_huffman(coded: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (mut bits, mut held) = (0u64, 0usize);
    let mut coming = coded.iter();
    'next: loop {
        while held <= 32 {
            let Some(&byte) = coming.next() else { break };
            bits = bits << 8 | u64::from(byte);
            held += 8;
        }
        for length in SHORTEST..=LONGEST.min(held) {
            let code = (bits >> (held - length)) as u32 & ((1 << length) - 1);
            let at = code.wrapping_sub(CODE.first[length]);
            if at < CODE.count[length] {
                let byte = CODE.bytes[usize::from(CODE.start[length]) + at as usize];
                // The code of the end is never sent.
                out.push(u8::try_from(byte).map_err(|_| Malformed)?);
                held -= length;
                continue 'next;
            }
        }
        // What is left is the beginning of the code of the end: less than a byte of ones.
        let ones = (1u64 << held.min(8)) - 1;
        let is_padding = held < 8 && bits & ones == ones;
        return if is_padding { Ok(()) } else { Err(Malformed) };
    }
}

/// Adds a field of the static table, name and value, to *block*.
pub fn put_known(block: &mut Vec<u8>, index: u8) {
    block.push(0x80 | index);
}

/// Adds a field to *block* that no table is to keep; where it *is_secret*, those of proxies neither.
pub fn put_field(block: &mut Vec<u8>, name: &[u8], value: &[u8], is_secret: bool) {
    let kind = if is_secret { 0x10 } else { 0 };
    if let Some(index) = STATIC.iter().position(|(known, _)| *known == name) {
        put_integer(block, kind, 4, index + 1);
    } else {
        block.push(kind);
        put_string(block, name);
    }
    put_string(block, value);
}

fn put_string(block: &mut Vec<u8>, text: &[u8]) {
    put_integer(block, 0, 7, text.len());
    block.extend_from_slice(text);
}

fn put_integer(block: &mut Vec<u8>, kind: u8, bits: u32, value: usize) {
    let most = (1usize << bits) - 1;
    if value < most {
        block.push(kind | value as u8);
        return;
    }
    block.push(kind | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        block.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
        let mut fields = Vec::new();
        decoder.decode(block, |name, value| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            fields.push((text(name), text(value)));
        })?;
        Ok(fields)
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// RFC 7541, C.6: three answers with Huffman code, and a table of 256 bytes that evicts.
    #[test]
    fn the_examples_of_the_specification() {
        let mut decoder = Decoder { most: 256, ..Decoder::default() };
        let first = bytes(
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad1718
             63c78f0b97c8e9ae82ae43d3",
        );
        let date = ("date", "Mon, 21 Oct 2013 20:13:21 GMT");
        let place = ("location", "https://www.example.com");
        let private = ("cache-control", "private");
        let expected = fields(&[(":status", "302"), private, date, place]);
        assert_eq!(decoded(&mut decoder, &first), Ok(expected));
        assert_eq!(decoder.bytes, 222);
        let expected = fields(&[(":status", "307"), private, date, place]);
        assert_eq!(decoded(&mut decoder, &bytes("4883640effc1c0bf")), Ok(expected));
        assert_eq!(decoder.bytes, 222);
        let third = bytes(
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b
             335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        );
        let cookie = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
        let later = ("date", "Mon, 21 Oct 2013 20:13:22 GMT");
        let set = ("set-cookie", cookie);
        let expected =
            fields(&[(":status", "200"), private, later, place, ("content-encoding", "gzip"), set]);
        assert_eq!(decoded(&mut decoder, &third), Ok(expected));
        assert_eq!(decoder.bytes, 215);
    }

    #[test]
    fn what_is_put_is_read() {
        for length in [0, 1, 126, 127, 128, 254, 255, 256, 16_384, 70_000] {
            let value = "v".repeat(length);
            let mut block = Vec::new();
            put_known(&mut block, 3);
            put_field(&mut block, b":path", value.as_bytes(), false);
            put_field(&mut block, b"user-agent", b"us", false);
            put_field(&mut block, b"x-own", value.as_bytes(), true);
            let mut decoder = Decoder::default();
            let expected = [(":method", "POST"), (":path", &value), ("user-agent", "us")];
            let expected = fields(&[&expected[..], &[("x-own", &value)]].concat());
            assert_eq!(decoded(&mut decoder, &block), Ok(expected));
            assert_eq!(decoder.bytes, 0);
        }
    }

    #[test]
    fn blocks_that_are_none_are_refused() {
        for block in [
            "80",               // number 0
            "be",               // the table is empty
            "ff",               // ends within a number
            "ffffffffffff7f",   // a number without end
            "00",               // no name
            "0005616263",       // ends within a name
            "8820",             // a size behind a field
            "3fe21f",           // a size above ours
            "0083ffffff0161",   // padding of more than seven bits
            "0081000161",       // padding that is not ones
            "0084fffffffc0161", // the code of the end
        ] {
            assert_eq!(decoded(&mut Decoder::default(), &bytes(block)), Err(Malformed), "{block}");
        }
    }

    #[test]
    fn every_byte_has_its_code() {
        let mut code = [0u32; 257];
        for length in SHORTEST..=LONGEST {
            for at in 0..CODE.count[length] {
                let byte = CODE.bytes[usize::from(CODE.start[length]) + at as usize];
                code[usize::from(byte)] = CODE.first[length] + at;
            }
        }
        assert_eq!(code[256], (1 << 30) - 1);
        for byte in 0..=255u8 {
            // Twice the byte, then ones up to the end of a byte.
            let (length, mut bits, mut held) = (u32::from(LENGTHS[usize::from(byte)]), 0u128, 0);
            for _ in 0..2 {
                bits = bits << length | u128::from(code[usize::from(byte)]);
                held += length;
            }
            let padding = (8 - held % 8) % 8;
            bits = bits << padding | ((1 << padding) - 1);
            let whole = ((held + padding) / 8) as usize;
            let coded = &bits.to_be_bytes()[16 - whole..];
            let mut out = Vec::new();
            assert_eq!(decode_huffman(coded, &mut out), Ok(()), "{byte}");
            assert_eq!(out, [byte, byte]);
        }
    }
}
