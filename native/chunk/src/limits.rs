//! How far one chunk may expand.

/// Bounds of one chunk, checked before anything is allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most rows of one chunk. Default 2^24.
    pub max_rows: usize,
    /// Most decoded bytes of one chunk, over all columns. Default 1 GiB.
    pub max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_rows: 1 << 24, max_bytes: 1 << 30 }
    }
}
