//! Decoding chunks into column builders.

mod bits;
mod boolean;
mod column;
mod converted;
mod copy;
mod decimal128;
mod fixed;
mod input;
mod kernels;
mod nested;
mod nulls;
mod recycle;
mod scalars;
mod target;
#[cfg(test)]
mod tests;
mod text;
mod text_vector;
mod timestamp_tz;
mod vector;
mod walk;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;

use self::column::Column;
use self::converted::{conversions, first_wrong, Conversion};
use self::target::Target;
use crate::error::{DecodeError, ErrorKind, UnsupportedType};
use crate::limits::Limits;
use crate::structure::peek_rows;

pub(crate) use self::decimal128::own_scale;
pub(crate) use self::text_vector::bodies;

/// A place to return to, see [`ChunkDecoder::mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    rows: usize,
    bytes: usize,
    batch: u64,
}

/// Appends chunk after chunk to one set of column builders, so that small chunks merge without a
/// copy.
///
/// Not shared: one thread decodes, any thread may (it is `Send`).
#[derive(Debug)]
pub struct ChunkDecoder {
    schema: SchemaRef,
    limits: Limits,
    columns: Vec<Column>,
    conversions: Vec<Conversion>,
    /// What the vectors hold, before the conversions.
    own: SchemaRef,
    rows: usize,
    bytes: usize,
    /// Batches finished.
    batch: u64,
    /// Rows of the last batch.
    last_rows: usize,
}

impl ChunkDecoder {
    /// A decoder for chunks whose vectors fit *schema*.
    ///
    /// All fields must be nullable, timestamps in microseconds with zone `UTC` or none.
    pub fn new(schema: SchemaRef, limits: Limits) -> Result<Self, UnsupportedType> {
        let (conversions, own) = conversions(&schema);
        let columns = Target::of_schema(&own)?.into_iter().map(Column::new).collect();
        Ok(Self {
            schema,
            limits,
            columns,
            conversions,
            own,
            rows: 0,
            bytes: 0,
            batch: 0,
            last_rows: 0,
        })
    }

    /// A new decoder for the same result, with no rows.
    pub fn another(&self) -> Result<Self, UnsupportedType> {
        Self::new(self.schema.clone(), self.limits)
    }

    /// Append one chunk and tell its rows; on error nothing of it is kept.
    ///
    /// [`ErrorKind::BatchFull`](crate::ErrorKind::BatchFull) says that a column with 32-bit offsets
    /// cannot hold the chunk after the rows that are there: [`finish`](Self::finish), append again.
    pub fn append(&mut self, chunk: &[u8]) -> Result<usize, DecodeError> {
        if let Some(rows) = self.append_trusted(chunk, &mut Limits::trusted(chunk.len())) {
            return Ok(rows);
        }
        let done = walk::exact(&mut self.columns, chunk, self.limits);
        self.keep(done)
    }

    /// Like [`append`](Self::append), if the chunk is sound and at most *most* bytes are built, of
    /// which those that were are taken.
    ///
    /// `None` says nothing about the chunk; nothing of it is kept.
    pub fn append_trusted(&mut self, chunk: &[u8], most: &mut usize) -> Option<usize> {
        if self.rows == 0 {
            self.begin_like_last(chunk);
        }
        if let Some(done) = walk::fast(&mut self.columns, chunk, self.limits, *most) {
            *most -= done.built;
            self.keep(Ok((done.rows, done.bytes))).ok()
        } else {
            self.truncate();
            None
        }
    }

    /// The bytes that a chunk decodes to, counted like the limit and found within it.
    ///
    /// Builds nothing, so that only the values may still be refused.
    pub fn measure(&self, chunk: &[u8]) -> Result<usize, DecodeError> {
        walk::measure(&self.columns, chunk, self.limits).map(|(_, bytes)| bytes)
    }

    fn keep(&mut self, done: Result<(usize, usize), DecodeError>) -> Result<usize, DecodeError> {
        let looked_through = done.and_then(|done| self.look_through(done.0).map(|()| done));
        match looked_through {
            Ok((rows, bytes)) => {
                self.columns.iter_mut().for_each(|column| column.commit(rows));
                self.rows += rows;
                self.bytes += bytes;
                Ok(rows)
            }
            Err(error) => {
                self.truncate();
                Err(error)
            }
        }
    }

    /// Refuse the first of the last *rows* rows whose text is not what its column is to become.
    fn look_through(&self, rows: usize) -> Result<(), DecodeError> {
        for (index, conversion) in self.conversions.iter().enumerate() {
            if *conversion != Conversion::Nested {
                continue;
            }
            let texts = self.columns[index].texts(self.rows, rows);
            if let Some(row) = first_wrong(texts, self.schema.field(index).data_type()) {
                return Err(DecodeError::new(ErrorKind::BadNested, 0).in_column(index).in_row(row));
            }
        }
        Ok(())
    }

    /// Whether chunks of *bytes* together are sure not to end in `BatchFull`, constant vectors
    /// aside.
    pub fn fits(&self, bytes: usize) -> bool {
        let most = self.columns.iter().map(Column::text_bytes32).max().unwrap_or(0);
        i32::try_from(most.saturating_add(bytes)).is_ok()
    }

    /// Rows appended since the last [`finish`](Self::finish).
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Decoded bytes appended since the last [`finish`](Self::finish), counted like the limit.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The present place; it does not outlive the next [`finish`](Self::finish).
    pub fn mark(&self) -> Mark {
        Mark { rows: self.rows, bytes: self.bytes, batch: self.batch }
    }

    /// Drop what was appended after *mark*; a mark from before the last `finish` drops all rows.
    pub fn rollback(&mut self, mark: Mark) {
        let (rows, bytes) = if mark.batch == self.batch { (mark.rows, mark.bytes) } else { (0, 0) };
        if rows < self.rows {
            self.rows = rows;
            self.bytes = bytes;
            self.truncate();
        }
    }

    /// The rows so far as one batch; the decoder starts anew and remembers how large it grew.
    ///
    /// # Panics
    /// Never: the arrays are made from the schema's own types.
    pub fn finish(&mut self) -> RecordBatch {
        let fields = self.schema.fields().iter();
        let owns = self.columns.iter_mut().zip(self.own.fields().iter());
        let owns = owns.map(|(column, field)| column.finish(field.data_type()));
        let arrays = owns.zip(fields).zip(&self.conversions);
        let arrays =
            arrays.map(|((own, field), conversion)| conversion.convert(own, field.data_type()));
        let arrays = arrays.collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .expect("every array has the type and length that the schema and the rows say");
        self.last_rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        self.batch += 1;
        batch
    }

    /// The target schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn truncate(&mut self) {
        let rows = self.rows;
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
    }

    /// Expect a batch as large as the last, unless this chunk is much smaller.
    fn begin_like_last(&mut self, chunk: &[u8]) {
        let rows = peek_rows(chunk).map_or(0, |rows| rows.max(0) as usize);
        let expected = if self.last_rows / 16 <= rows { self.last_rows.max(rows) } else { rows };
        self.columns.iter_mut().for_each(|column| column.reuse(expected));
        // A chunk of this size, or larger, makes its own room once its rows are known to be there.
        if expected > rows {
            self.columns.iter_mut().for_each(|column| column.reserve(expected));
        }
    }
}
