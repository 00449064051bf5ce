//! The little of protobuf that the messages of the wire need.

/// A field of wire type 2: tag, length, and no content yet.
pub fn put_length(out: &mut Vec<u8>, field: u8, length: usize) {
    out.push(field << 3 | 2);
    put_varint(out, length as u64);
}

pub fn put_text(out: &mut Vec<u8>, field: u8, text: &str) {
    put_length(out, field, text.len());
    out.extend_from_slice(text.as_bytes());
}

pub fn put_flag(out: &mut Vec<u8>, field: u8) {
    out.extend_from_slice(&[field << 3, 1]);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The last text of *field* in *message*; `None` if there is none or the message is not one.
pub fn text(message: &[u8], field: u64) -> Option<&str> {
    let mut rest = message;
    let mut found = None;
    while !rest.is_empty() {
        let tag = take_varint(&mut rest)?;
        match tag & 7 {
            0 => drop(take_varint(&mut rest)?),
            2 => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                let (body, tail) = rest.split_at_checked(length)?;
                rest = tail;
                if tag >> 3 == field {
                    found = std::str::from_utf8(body).ok();
                }
            }
            _ => return None,
        }
    }
    found
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
