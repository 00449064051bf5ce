//! Merging: responses decoded into as few batches as the limits allow, each whole or not at all.
//!
//! What a response decodes to is bounded as a whole, before much of it is built: it is first decoded
//! in trust, up to a few times its own size, and where that is not enough it is measured.
//!
//! The chunks of a large response are decoded as two halves at once. Each half has a decoder of its
//! own, and what the second holds at the end is what the next response is added to.

use std::ops::Range;
use std::sync::OnceLock;
use std::time::Instant;

use arrow_array::RecordBatch;
use e6data_chunk::{ChunkDecoder, DecodeError, ErrorKind, Limits};

use crate::pipeline::source::{Payload, StreamOptions};

/// The least bytes of each half: below, a thread takes longer to start than it saves.
const HALF_BYTES: usize = 1 << 20;

/// What [`StreamOptions::parallel_bytes`] is on this machine.
pub fn parallel_bytes() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let is_alone = std::thread::available_parallelism().is_ok_and(|count| count.get() == 1);
        if is_alone {
            usize::MAX
        } else {
            HALF_BYTES
        }
    })
}

/// Decodes the responses of one result; belongs to whoever decodes at the moment.
pub struct Merger {
    pub decoder: ChunkDecoder,
    /// Decodes the second half of large responses.
    second: Option<ChunkDecoder>,
    /// Rows decoded so far.
    pub total: u64,
    /// Chunks taken up so far: the number, from 1, of the one that fails.
    pub chunks: u64,
    /// When the oldest row in the decoder came.
    pub held_since: Option<Instant>,
    /// The first rows are passed on at once; later ones may wait for company.
    pub has_delivered: bool,
}

/// What one response gave.
pub struct Decoded {
    /// Batches that are complete; what is not stays in the decoder.
    pub ready: Vec<RecordBatch>,
    pub rows: usize,
    pub error: Option<DecodeError>,
}

/// What some chunks of a response gave.
#[derive(Default)]
struct Appended {
    ready: Vec<RecordBatch>,
    rows: usize,
    /// Chunks taken up; the last of them failed where there is a refusal.
    chunks: u64,
    refusal: Option<Refusal>,
}

/// Why chunks were not decoded.
enum Refusal {
    /// They come to more than is built in trust.
    Untrusted,
    /// The last of so many chunks is wrong.
    Error(u64, DecodeError),
}

impl Merger {
    pub fn new(decoder: ChunkDecoder) -> Self {
        Self { decoder, second: None, total: 0, chunks: 0, held_since: None, has_delivered: false }
    }

    /// The rows that are held as one batch.
    pub fn finish(&mut self) -> RecordBatch {
        self.held_since = None;
        self.has_delivered = true;
        self.decoder.finish()
    }

    pub fn decode(&mut self, raw: &dyn Payload, options: &StreamOptions) -> Decoded {
        let (bytes, chunks) = (raw.bytes(), raw.chunks());
        let incoming: usize = chunks
            .iter()
            .filter_map(|chunk| e6data_chunk::peek_rows(&bytes[chunk.clone()]).ok())
            .map(|rows| usize::try_from(rows).unwrap_or(0))
            .sum();
        let mut ready = Vec::new();
        let held = self.decoder.rows();
        if held > 0 && held.saturating_add(incoming) > options.batch_rows {
            ready.push(self.finish());
        }
        let tried = self.decode_whole(bytes, chunks, options, true, &mut ready);
        let error = match tried {
            Ok(rows) => return Decoded { ready, rows, error: None },
            Err(Refusal::Error(chunks, error)) => (chunks, error),
            Err(Refusal::Untrusted) => {
                let measured = measure(&self.decoder, bytes, chunks, options);
                match measured
                    .and_then(|()| self.decode_whole(bytes, chunks, options, false, &mut ready))
                {
                    Ok(rows) => return Decoded { ready, rows, error: None },
                    Err(Refusal::Error(chunks, error)) => (chunks, error),
                    Err(Refusal::Untrusted) => unreachable!("what is measured is trusted"),
                }
            }
        };
        self.chunks += error.0;
        Decoded { ready, rows: 0, error: Some(error.1) }
    }

    /// Decode all *chunks* or, on a refusal, none: what was there before is then as it was, in
    /// *ready* or held. Tells the rows.
    fn decode_whole(
        &mut self,
        bytes: &[u8],
        chunks: &[Range<usize>],
        options: &StreamOptions,
        is_trial: bool,
        ready: &mut Vec<RecordBatch>,
    ) -> Result<usize, Refusal> {
        let earlier = ready.len();
        let held = self.decoder.rows();
        let mark = self.decoder.mark();

        let (first, second) = self.append(bytes, chunks, options, is_trial);
        let mut taken = first.chunks;
        ready.extend(first.ready);
        let mut rows = first.rows;
        let mut refusal = first.refusal;
        if let (None, Some(second)) = (&refusal, second) {
            taken += second.chunks;
            refusal = second.refusal;
            rows += second.rows;
            if refusal.is_none() {
                self.follow_second(ready, second.ready);
            }
        }
        if let Some(second) = self.second.as_mut().filter(|second| second.rows() > 0) {
            second.finish(); // of a response that failed
        }
        if let Some(refusal) = refusal {
            // Nothing of this response may be seen, everything before it must.
            if ready.len() > earlier {
                let before = ready[earlier].slice(0, held);
                ready.truncate(earlier);
                ready.push(before);
                self.finish();
            } else {
                self.decoder.rollback(mark);
            }
            return Err(match refusal {
                Refusal::Error(_, error) => Refusal::Error(taken, error),
                Refusal::Untrusted => Refusal::Untrusted,
            });
        }
        self.chunks += taken;
        if ready.len() > earlier {
            self.held_since = None;
            self.has_delivered = true;
        }
        if self.decoder.rows() > 0 {
            self.held_since.get_or_insert_with(Instant::now);
        }
        Ok(rows)
    }

    /// Append *chunks* to the decoder, or, where they are large, its half of them and the other one
    /// to the second decoder; tells what each gave.
    fn append(
        &mut self,
        bytes: &[u8],
        chunks: &[Range<usize>],
        options: &StreamOptions,
        is_trial: bool,
    ) -> (Appended, Option<Appended>) {
        let limit = options.batch_bytes;
        let trust = is_trial.then(|| Limits::trusted(chunks.iter().map(Range::len).sum()));
        let Some(middle) = middle(chunks, options.parallel_bytes) else {
            return (append(&mut self.decoder, bytes, chunks, limit, trust), None);
        };
        let (left, right) = chunks.split_at(middle);
        if self.second.is_none() {
            self.second = self.decoder.another().ok();
        }
        let (decoder, second) = (&mut self.decoder, self.second.as_mut());
        let share = trust.map(|trust| trust / 2);
        let both = second.and_then(|second| {
            std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().name("e6data-decode".to_owned());
                let other =
                    thread.spawn_scoped(scope, || append(second, bytes, right, limit, share));
                let other = other.ok()?;
                let first = append(decoder, bytes, left, limit, share);
                let second = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                Some((first, Some(second)))
            })
        });
        // Without a thread to be had, one half follows the other.
        both.unwrap_or_else(|| (append(&mut self.decoder, bytes, chunks, limit, trust), None))
    }

    /// Put the batches of the second half behind what is held of the first, and hold what is left
    /// of the second from now on.
    fn follow_second(&mut self, ready: &mut Vec<RecordBatch>, batches: Vec<RecordBatch>) {
        if self.decoder.rows() > 0 {
            ready.push(self.decoder.finish());
        }
        ready.extend(batches);
        if let Some(second) = &mut self.second {
            std::mem::swap(&mut self.decoder, second);
        }
    }
}

/// Where to cut *chunks* into two halves of *least* bytes each, if there are such.
fn middle(chunks: &[Range<usize>], least: usize) -> Option<usize> {
    let total: usize = chunks.iter().map(Range::len).sum();
    let mut before = 0;
    let mut best = None;
    for (index, chunk) in chunks.iter().enumerate() {
        let smaller = before.min(total - before);
        if smaller >= least && best.is_none_or(|(most, _)| smaller > most) {
            best = Some((smaller, index));
        }
        before += chunk.len();
    }
    best.map(|(_, index)| index)
}

/// Refuse *chunks* that are wrong, or that together decode to more than a chunk may, or than 1 GiB
/// if that is more.
fn measure(
    decoder: &ChunkDecoder,
    bytes: &[u8],
    chunks: &[Range<usize>],
    options: &StreamOptions,
) -> Result<(), Refusal> {
    let most = options.max_chunk_bytes.max(Limits::default().max_bytes);
    let mut total = 0_usize;
    for (number, chunk) in (1..).zip(chunks) {
        let refused = |error| Refusal::Error(number, error);
        let measured = decoder.measure(&bytes[chunk.clone()]);
        total = total.saturating_add(measured.map_err(refused)?);
        if total > most {
            let kind = ErrorKind::LimitExceeded;
            return Err(refused(DecodeError { kind, column: None, row: None, offset: 0 }));
        }
    }
    Ok(())
}

/// Append *chunks* to *decoder*, taking a batch of it whenever it has *limit* bytes; ends with the
/// first chunk that cannot be decoded, or that *trust*, in bytes, does not reach for.
fn append(
    decoder: &mut ChunkDecoder,
    bytes: &[u8],
    chunks: &[Range<usize>],
    limit: usize,
    mut trust: Option<usize>,
) -> Appended {
    let mut done = Appended::default();
    for chunk in chunks {
        done.chunks += 1;
        let chunk = &bytes[chunk.clone()];
        let mut appended = match &mut trust {
            None => decoder.append(chunk),
            Some(trust) => match decoder.append_trusted(chunk, trust) {
                Some(rows) => Ok(rows),
                None => {
                    if let Err(error) = decoder.measure(chunk) {
                        Err(error)
                    } else {
                        done.refusal = Some(Refusal::Untrusted);
                        return done;
                    }
                }
            },
        };
        if matches!(&appended, Err(error) if error.kind == ErrorKind::BatchFull)
            && decoder.rows() > 0
        {
            done.ready.push(decoder.finish());
            appended = decoder.append(chunk);
        }
        match appended {
            Ok(count) => done.rows += count,
            Err(error) => {
                done.refusal = Some(Refusal::Error(done.chunks, error));
                return done;
            }
        }
        if decoder.bytes() >= limit && decoder.rows() > 0 {
            done.ready.push(decoder.finish());
        }
    }
    done
}
