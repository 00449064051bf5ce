//! The result metadata bytes: row count and columns, in Java `DataOutput` form.

use crate::error::{DecodeError, EncodeError, EncodeErrorKind, ErrorKind};
use crate::limits::MAX_COLUMNS;
use crate::wire::{be_i32, be_i64, Reader, Span};

/// One column of a result, as the engine describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Name; may be empty or occur twice.
    pub name: String,
    /// Engine type name; a label, the vectors decide the decoding.
    pub type_name: String,
    /// Zone text, usually empty.
    pub zone: String,
    /// Format text, usually empty.
    pub format: String,
}

/// What `getResultMetadata` announces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultMetadata {
    /// Announced rows; negative means unknown.
    pub row_count: i64,
    /// The columns, in vector order.
    pub columns: Vec<Column>,
}

/// Offset of the column count.
const COUNT_AT: usize = 8;
/// Fewest bytes of a column: four text lengths.
const COLUMN_MIN: usize = 8;

/// Read metadata bytes; bytes after the last column are ignored.
pub fn parse(bytes: &[u8]) -> Result<ResultMetadata, DecodeError> {
    let mut reader = Reader::new(bytes);
    let row_count = be_i64(bytes, reader.advance(8)?);
    let count = be_i32(bytes, reader.advance(4)?);
    let count = usize::try_from(count)
        .ok()
        .filter(|count| count.checked_mul(COLUMN_MIN).is_some_and(|n| n <= reader.remaining()))
        .ok_or(DecodeError::new(ErrorKind::BadLength, COUNT_AT))?;
    if count > MAX_COLUMNS {
        return Err(DecodeError::new(ErrorKind::LimitExceeded, COUNT_AT));
    }
    let mut columns = Vec::with_capacity(count);
    for _ in 0..count {
        columns.push(Column {
            name: text(&mut reader)?,
            type_name: text(&mut reader)?,
            zone: text(&mut reader)?,
            format: text(&mut reader)?,
        });
    }
    Ok(ResultMetadata { row_count, columns })
}

/// A text: strict UTF-8 if it is that, else what Java's `writeUTF` makes of NUL and astral
/// characters.
fn text(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let at = reader.advance(2)?;
    let len = u16::from_be_bytes([reader.bytes()[at], reader.bytes()[at + 1]]).into();
    let start = reader.advance(len)?;
    let body = Span { start, len }.of(reader.bytes());
    match simdutf8::basic::from_utf8(body) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => modified(body).ok_or(DecodeError::new(ErrorKind::InvalidUtf8, start)),
    }
}

/// UTF-8 in which C0 80 also is U+0000, and pairs of three-byte surrogates are characters.
fn modified(body: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(&first) = rest.first() {
        let used = match rest {
            [0xc0, 0x80, ..] => {
                text.push('\0');
                2
            }
            &[0xed, a @ 0xa0..=0xaf, b, 0xed, c @ 0xb0..=0xbf, d, ..]
                if [b, d].iter().all(|byte| byte & 0xc0 == 0x80) =>
            {
                let bits = |high: u8, low: u8| u32::from(high & 0x0f) << 6 | u32::from(low & 0x3f);
                text.push(char::from_u32(0x1_0000 + (bits(a, b) << 10) + bits(c - 0x10, d))?);
                6
            }
            _ => {
                let len = match first {
                    0..=0x7f => 1,
                    0xc2..=0xdf => 2,
                    0xe0..=0xef => 3,
                    _ => 4,
                };
                text.push_str(std::str::from_utf8(rest.get(..len)?).ok()?);
                len
            }
        };
        rest = &rest[used..];
    }
    Some(text)
}

/// Write metadata bytes, texts as plain UTF-8; fails if a text is longer than 65,535 bytes.
pub fn encode(metadata: &ResultMetadata) -> Result<Vec<u8>, EncodeError> {
    let too_large = |column| EncodeError { kind: EncodeErrorKind::TooLarge, column, row: None };
    let count = i32::try_from(metadata.columns.len()).map_err(|_| too_large(None))?;
    let mut out = metadata.row_count.to_be_bytes().to_vec();
    out.extend(count.to_be_bytes());
    for (index, column) in metadata.columns.iter().enumerate() {
        for text in [&column.name, &column.type_name, &column.zone, &column.format] {
            let len = u16::try_from(text.len()).map_err(|_| too_large(Some(index)))?;
            out.extend(len.to_be_bytes());
            out.extend(text.as_bytes());
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written is read back; a text beyond 65,535 bytes is not written.
    #[test]
    fn round_trip() {
        let column = |name: &str| Column { name: name.into(), ..Column::default() };
        let metadata = ResultMetadata {
            row_count: -1,
            columns: vec![column(""), column("ä\0😀"), column(&"x".repeat(65_535))],
        };
        assert_eq!(encode(&metadata).map(|bytes| parse(&bytes)), Ok(Ok(metadata)));

        let long = ResultMetadata { row_count: 0, columns: vec![column(&"x".repeat(65_536))] };
        assert!(encode(&long).is_err());
    }

    /// Java's forms are read, in any mixture with plain UTF-8; lone surrogates are not.
    #[test]
    fn java_forms() {
        assert_eq!(modified(b"a\xc0\x80b").as_deref(), Some("a\0b"));
        assert_eq!(modified(b"\xed\xa0\xbd\xed\xb8\x80x").as_deref(), Some("😀x"));
        assert_eq!(modified("ä€😀\0".as_bytes()).as_deref(), Some("ä€😀\0"));
        let halves: [&[u8]; 3] = [b"\xed\xa0\xbd", b"\xed\xb8\x80", b"\xed\xa0\xbdx"];
        // Both halves, but one is not continued as it has to be.
        let cut: [&[u8]; 2] = [b"\xed\xa0x\xed\xb8\x80", b"\xed\xa0\xbd\xed\xb8x"];
        for bad in halves.into_iter().chain(cut).chain([&b"\xc0\x81"[..], b"\xff"]) {
            assert_eq!(modified(bad), None, "{bad:x?}");
        }
    }
}
