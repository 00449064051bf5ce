//! Results on disk, as benchmarks/data.py writes them, and the text of a query that names one.

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;

use crate::Result;

/// One chunk, to be sent again and again.
#[derive(Clone)]
pub struct Set {
    pub chunk: Bytes,
    pub rows: i64,
    /// The columns of the result metadata, without the row count before them.
    pub columns: Bytes,
}

/// Read every `NAME.chunk`, with its `.rows` and `.columns`, in *directory*.
pub fn load(directory: &str) -> Result<HashMap<String, Set>> {
    let mut sets = HashMap::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "chunk") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            sets.insert(name, load_one(&path)?);
        }
    }
    Ok(sets)
}

fn load_one(path: &Path) -> Result<Set> {
    let chunk = std::fs::read(path)?;
    let rows = std::fs::read_to_string(path.with_extension("rows"))?.trim().parse()?;
    let columns = std::fs::read(path.with_extension("columns"))?;
    Ok(Set { chunk: chunk.into(), rows, columns: columns.into() })
}

/// `select * from NAME limit CHUNKS [offset PER_RESPONSE]`: how often to send the chunk of NAME, and how many of them
/// in a response of the second protocol.
pub struct Query<'a> {
    pub name: &'a str,
    pub chunks: usize,
    pub per_response: usize,
}

impl<'a> Query<'a> {
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let mut after = |keyword: &str| {
            words.by_ref().find(|word| word.eq_ignore_ascii_case(keyword))?;
            words.next()
        };
        let name = after("from")?;
        let chunks = after("limit").map_or(Some(1), |word| word.parse().ok())?;
        let per_response = after("offset").map_or(Some(1), |word| word.parse().ok())?;
        (per_response > 0).then_some(Self { name, chunks, per_response })
    }
}
