//! `decode_alone DIR NAME ROUNDS COLD_MB`: the decoder, without Python or a wire, against a memcpy of what it puts out, in interleaved rounds.
//!
//! Hot: the same chunk again and again. Cold: a source larger than the caches, a destination that is in use
//! already, on both sides. Kept: the decoded batches, or copies, are all held until the round ends, so that all
//! memory is new.

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use e6data_chunk::{ChunkDecoder, Limits};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Processor time that one hot measurement takes at least.
const LEAST_SECONDS: f64 = 0.02;
const KEPT_BYTES: usize = 64 << 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, name, rounds, cold_mb] = arguments.as_slice() else {
        return Err("usage: decode_alone DIR NAME ROUNDS COLD_MB".into());
    };
    let chunk = std::fs::read(format!("{directory}/{name}.chunk"))?;
    let schema = schema(&std::fs::read_to_string(format!("{directory}/{name}.types"))?)?;
    recycle_memory();
    let cold_bytes = cold_mb.parse::<usize>()? << 20;
    let bench = Bench::new(chunk, schema, cold_bytes)?;
    let rounds: Vec<serde_json::Value> = (0..rounds.parse()?).map(|_| bench.round()).collect();
    println!(
        "{}",
        serde_json::json!({
            "rows": bench.batch.num_rows(),
            "wire_bytes": bench.chunks[0].len(),
            "arrow_bytes": bench.buffers[0].iter().map(Vec::len).sum::<usize>(),
            "rounds": rounds,
        })
    );
    Ok(())
}

/// Have freed memory stay in the process: what it costs to get it from the system is measured by itself.
fn recycle_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the calls set limits of the allocator, before other threads use it.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 30);
    }
}

/// Give all free memory back to the system.
fn forget_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Columns as `arrow type` words, one a line.
fn schema(text: &str) -> Result<SchemaRef> {
    let fields = text
        .lines()
        .enumerate()
        .map(|(index, line)| Ok(Field::new(format!("c{index}"), data_type(line)?, true)))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

fn data_type(text: &str) -> Result<DataType> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    Ok(match words.as_slice() {
        ["bool"] => DataType::Boolean,
        ["int32"] => DataType::Int32,
        ["int64"] => DataType::Int64,
        ["float"] => DataType::Float32,
        ["double"] => DataType::Float64,
        ["date32"] => DataType::Date32,
        ["timestamp"] => DataType::Timestamp(TimeUnit::Microsecond, None),
        ["decimal", precision, scale] => DataType::Decimal128(precision.parse()?, scale.parse()?),
        ["string"] => DataType::Utf8,
        ["string_view"] => DataType::Utf8View,
        ["binary"] => DataType::Binary,
        _ => return Err(format!("unknown type {text:?}").into()),
    })
}

struct Bench {
    /// The chunk, as often as it takes to be larger than the caches.
    chunks: Vec<Vec<u8>>,
    schema: SchemaRef,
    batch: RecordBatch,
    /// The buffers of the batch, as often.
    buffers: Vec<Vec<Vec<u8>>>,
}

impl Bench {
    fn new(chunk: Vec<u8>, schema: SchemaRef, cold_bytes: usize) -> Result<Self> {
        let mut decoder = decoder(&schema)?;
        decoder.append(&chunk).map_err(|error| error.kind.name())?;
        let batch = decoder.finish();
        let buffers = buffers(&batch);
        let copies = (cold_bytes / chunk.len()).max(1);
        let size: usize = buffers.iter().map(Vec::len).sum();
        let buffers = vec![buffers; (cold_bytes / size.max(1)).clamp(1, copies)];
        Ok(Self { chunks: vec![chunk; copies], schema, batch, buffers })
    }

    fn round(&self) -> serde_json::Value {
        let mut decoder = decoder(&self.schema).expect("it was made before");
        let mut decode = |chunk: &Vec<u8>| {
            decoder.append(black_box(chunk)).expect("it was decoded before");
            decoder.finish()
        };
        let mut target = self.buffers[0].clone();
        let mut copy = |source: &Vec<Vec<u8>>| {
            for (to, from) in target.iter_mut().zip(source) {
                to.copy_from_slice(black_box(from));
            }
            black_box(&mut target);
        };
        let hot = seconds_each(|| drop(black_box(decode(&self.chunks[0]))));
        let hot_copy = seconds_each(|| copy(&self.buffers[0]));
        let cold = seconds_over(&self.chunks, |chunk| drop(black_box(decode(chunk))));
        let cold_copy = seconds_over(&self.buffers, &mut copy);
        let size: usize = self.buffers[0].iter().map(Vec::len).sum();
        let count = (KEPT_BYTES / size.max(1)).clamp(1, self.chunks.len());
        forget_memory();
        let mut kept = Vec::with_capacity(count);
        let new = seconds_over(&self.chunks[..count], |chunk| kept.push(decode(chunk)));
        drop(kept);
        forget_memory();
        let mut kept = Vec::with_capacity(count);
        let count = count.min(self.buffers.len());
        let new_copy = seconds_over(&self.buffers[..count], |source| kept.push(source.clone()));
        serde_json::json!({
            "hot": hot, "hot_memcpy": hot_copy,
            "cold": cold, "cold_memcpy": cold_copy,
            "kept": new, "kept_memcpy": new_copy,
        })
    }
}

fn decoder(schema: &SchemaRef) -> Result<ChunkDecoder> {
    ChunkDecoder::new(schema.clone(), Limits::default())
        .map_err(|error| format!("no decoder for {}", error.data_type).into())
}

fn buffers(batch: &RecordBatch) -> Vec<Vec<u8>> {
    let parts = batch.columns().iter().flat_map(|array| {
        let data = array.to_data();
        let nulls = data.nulls().map(|nulls| nulls.buffer().to_vec());
        data.buffers().iter().map(|buffer| buffer.to_vec()).chain(nulls).collect::<Vec<_>>()
    });
    parts.collect()
}

/// Processor seconds of one run, of as many as take long enough to be measured.
fn seconds_each(mut run: impl FnMut()) -> f64 {
    run();
    let started = thread_seconds();
    for count in 1u32.. {
        run();
        let seconds = thread_seconds() - started;
        if seconds > LEAST_SECONDS {
            return seconds / f64::from(count);
        }
    }
    unreachable!("time passes")
}

/// Processor seconds of one run, each on another of *sources*.
fn seconds_over<T>(sources: &[T], mut run: impl FnMut(&T)) -> f64 {
    let started = thread_seconds();
    for source in sources {
        run(source);
    }
    (thread_seconds() - started) / sources.len() as f64
}

/// Seconds of processor time of this thread.
fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
