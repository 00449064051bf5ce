//! The fields of one header block, bounded.

use crate::hpack::FIELD_BYTES;

/// Names and values in the order they came, in one piece of memory that is used again.
#[derive(Default)]
pub struct Fields {
    text: Vec<u8>,
    /// Where each name and each value ends.
    ends: Vec<(usize, usize)>,
    bytes: usize,
    is_cut: bool,
}

impl Fields {
    /// The value of the first field called *name*.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(known, _)| *known == name.as_bytes()).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|&(_, end)| end));
        starts
            .zip(&self.ends)
            .map(|(start, &(name, end))| (&self.text[start..name], &self.text[name..end]))
    }

    /// Whether some were left out, as together they would have been too large.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.bytes = 0;
        self.is_cut = false;
    }

    /// Add a field, unless all would have more than *most* bytes by HTTP/2's count (RFC 9113, 6.5.2).
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8], most: usize) {
        let bytes = self.bytes + name.len() + value.len() + FIELD_BYTES;
        if bytes > most {
            self.is_cut = true;
            return;
        }
        self.bytes = bytes;
        self.text.extend_from_slice(name);
        let name_end = self.text.len();
        self.text.extend_from_slice(value);
        self.ends.push((name_end, self.text.len()));
    }

    /// Whether these are fields of an answer (*is_head*) or of its trailers (RFC 9113, 8.2 and 8.3.2).
    pub(crate) fn are_sound(&self, is_head: bool) -> bool {
        let mut has_status = false;
        let mut is_past = false;
        for (name, value) in self.iter() {
            if name.first() == Some(&b':') {
                let is_status =
                    name == b":status" && value.len() == 3 && value.iter().all(u8::is_ascii_digit);
                if !is_head || has_status || is_past || !is_status {
                    return false;
                }
                has_status = true;
                continue;
            }
            is_past = true;
            let is_name = !name.is_empty()
                && name.iter().all(|byte| {
                    matches!(byte, 0x21..=0x7e) && !byte.is_ascii_uppercase() && *byte != b':'
                });
            let is_value = !value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
            let is_of_http1 = matches!(
                name,
                b"connection"
                    | b"keep-alive"
                    | b"proxy-connection"
                    | b"transfer-encoding"
                    | b"upgrade"
            );
            if !is_name || !is_value || is_of_http1 {
                return false;
            }
        }
        has_status == is_head
    }
}
