//! How far one chunk may expand.

/// Most columns of a result, in its metadata as in its chunks.
pub const MAX_COLUMNS: usize = 1 << 16;

/// Most chunks of one response.
pub const MAX_CHUNKS: usize = 1 << 20;

/// Bounds of one chunk, checked before anything is allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most rows of one chunk. Default 2^24.
    pub max_rows: usize,
    /// Most decoded bytes of one chunk, over all columns. Default 1 GiB.
    pub max_bytes: usize,
}

impl Limits {
    /// What may be built of *bytes* bytes before the whole of them was held against the limits.
    ///
    /// Ordinary data do not come near it; what does is looked at twice.
    pub fn trusted(bytes: usize) -> usize {
        bytes.saturating_mul(6).max(32 << 20)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_rows: 1 << 24, max_bytes: 1 << 30 }
    }
}
