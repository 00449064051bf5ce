//! Prints how fast chunks of 100,000 rows decode, hot, against a memcpy of the decoded buffers; and
//! from cold memory.
//!
//! `cargo run --release --example decode_speed [set]`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array,
    Int64Array, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
};
use arrow_schema::{Field, Schema};
use e6data_chunk::{encode_chunk, ChunkDecoder, EncodeOptions, Limits, VectorType};

const ROWS: usize = 100_000;
const REPEATS: usize = 61;
/// Chunks that together are larger than what caches hold.
const COLD_BYTES: usize = 96 << 20;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn text(&mut self, min: u64, max: u64, alphabet: &[char]) -> String {
        let len = min + self.below(max - min + 1);
        (0..len).map(|_| alphabet[self.below(alphabet.len() as u64) as usize]).collect()
    }
}

type Column = (VectorType, ArrayRef);

fn some<T>(random: &mut Random, nulls: u64, value: impl Fn(&mut Random) -> T) -> Vec<Option<T>> {
    (0..ROWS)
        .map(|_| {
            let value = value(random);
            (nulls == 0 || random.below(nulls) > 0).then_some(value)
        })
        .collect()
}

fn longs(random: &mut Random, nulls: u64) -> Column {
    (VectorType::Long, Arc::new(Int64Array::from(some(random, nulls, |r| r.next() as i64))))
}

fn integers(random: &mut Random, nulls: u64) -> Column {
    (VectorType::Integer, Arc::new(Int32Array::from(some(random, nulls, |r| r.next() as i32))))
}

fn doubles(random: &mut Random, nulls: u64) -> Column {
    (VectorType::Double, Arc::new(Float64Array::from(some(random, nulls, |r| r.next() as f64))))
}

fn bools(random: &mut Random, nulls: u64) -> Column {
    (VectorType::Boolean, Arc::new(BooleanArray::from(some(random, nulls, |r| r.below(2) == 1))))
}

fn dates(random: &mut Random, nulls: u64) -> Column {
    let days = some(random, nulls, |r| 8000 + r.below(3000) as i32);
    (VectorType::Date, Arc::new(Date32Array::from(days)))
}

fn timestamps(random: &mut Random, nulls: u64) -> Column {
    let micros = some(random, nulls, |r| r.below(1 << 50) as i64);
    (VectorType::Datetime, Arc::new(TimestampMicrosecondArray::from(micros)))
}

fn decimals(random: &mut Random, nulls: u64) -> Column {
    let cents = some(random, nulls, |r| i128::from(r.below(10_000_000)));
    let array = Decimal128Array::from(cents).with_precision_and_scale(38, 2).expect("in range");
    (VectorType::Decimal128, Arc::new(array))
}

fn texts(random: &mut Random, nulls: u64, min: u64, max: u64, alphabet: &[char]) -> Column {
    let values = some(random, nulls, |r| r.text(min, max, alphabet));
    (VectorType::String, Arc::new(StringArray::from(values)))
}

fn views(random: &mut Random, nulls: u64, min: u64, max: u64, alphabet: &[char]) -> Column {
    let values = some(random, nulls, |r| r.text(min, max, alphabet));
    (VectorType::String, Arc::new(StringViewArray::from(values)))
}

fn words(random: &mut Random, nulls: u64, words: &[&'static str]) -> Column {
    let values = some(random, nulls, |r| words[r.below(words.len() as u64) as usize]);
    (VectorType::String, Arc::new(StringArray::from(values)))
}

fn lineitem(random: &mut Random, nulls: u64) -> Vec<Column> {
    let ascii: Vec<char> = ('a'..='z').chain([' ']).collect();
    vec![
        longs(random, nulls),
        longs(random, nulls),
        longs(random, nulls),
        integers(random, nulls),
        decimals(random, nulls),
        decimals(random, nulls),
        decimals(random, nulls),
        decimals(random, nulls),
        words(random, nulls, &["A", "N", "R"]),
        words(random, nulls, &["O", "F"]),
        dates(random, nulls),
        dates(random, nulls),
        dates(random, nulls),
        words(random, nulls, &["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]),
        words(random, nulls, &["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"]),
        texts(random, nulls, 10, 43, &ascii),
    ]
}

/// Seconds of the run that was disturbed least: the fastest.
fn quick(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[0]
}

fn report(name: &str, columns: &[Column]) {
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(index, (_, array))| Field::new(format!("c{index}"), array.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays: Vec<ArrayRef> = columns.iter().map(|(_, array)| array.clone()).collect();
    let types: Vec<VectorType> = columns.iter().map(|(vector_type, _)| *vector_type).collect();
    let batch = RecordBatch::try_new(schema.clone(), arrays).expect("columns fit the schema");
    let encode = || {
        encode_chunk(&batch, &types, &EncodeOptions::default()).expect("the columns can be encoded")
    };
    let chunk = encode();
    let mut decoder = ChunkDecoder::new(schema, Limits::default()).expect("supported types");
    let mut decode = |chunk: &[u8]| {
        decoder.append(black_box(chunk)).expect("a valid chunk");
        decoder.finish()
    };
    assert_eq!(decode(&chunk), batch);

    let decoded = quick(|| drop(black_box(decode(&chunk))));
    let chunks = vec![chunk.clone(); COLD_BYTES / chunk.len()];
    let mut next = chunks.iter().cycle();
    let cold = quick(|| drop(black_box(next.next().map(|chunk| decode(chunk)))));
    let encoded = quick(|| drop(black_box(encode())));
    let buffers: Vec<Vec<u8>> = batch
        .columns()
        .iter()
        .flat_map(|array| {
            let data = array.to_data();
            let nulls = data.nulls().map(|nulls| nulls.buffer().to_vec());
            data.buffers().iter().map(|buffer| buffer.to_vec()).chain(nulls).collect::<Vec<_>>()
        })
        .collect();
    let mut copies = buffers.clone();
    let copied = quick(|| {
        for (copy, buffer) in copies.iter_mut().zip(&buffers) {
            copy.copy_from_slice(black_box(buffer));
        }
        black_box(&mut copies);
    });
    let rate = |seconds: f64| ROWS as f64 / seconds / 1e6;
    println!(
        "{name:24} {:5.1} B/row  decode {:8.1} Mrow/s, {:5.2} x memcpy ({:7.1})  \
         cold {:7.1}  encode {:7.1}",
        chunk.len() as f64 / ROWS as f64,
        rate(decoded),
        decoded / copied,
        rate(copied),
        rate(cold),
        rate(encoded),
    );
}

fn main() {
    let only = std::env::args().nth(1);
    let random = &mut Random(0x9e37_79b9_7f4a_7c15);
    let ascii: Vec<char> = ('a'..='z').collect();
    let mixed: Vec<char> = ('a'..='m').chain('а'..='м').collect();
    let sets: Vec<(&str, Vec<Column>)> = vec![
        ("int64", vec![longs(random, 0)]),
        ("int64 10% null", vec![longs(random, 10)]),
        ("int32", vec![integers(random, 0)]),
        ("double", vec![doubles(random, 0)]),
        ("bool", vec![bools(random, 0)]),
        ("date", vec![dates(random, 0)]),
        ("timestamp", vec![timestamps(random, 0)]),
        ("decimal", vec![decimals(random, 0)]),
        ("decimal 10% null", vec![decimals(random, 10)]),
        ("string12", vec![texts(random, 0, 4, 20, &ascii)]),
        ("string12 10% null", vec![texts(random, 10, 4, 20, &ascii)]),
        ("string12 half non-ASCII", vec![texts(random, 0, 4, 20, &mixed)]),
        ("string12 as views", vec![views(random, 0, 4, 20, &ascii)]),
        ("string1", vec![words(random, 0, &["A", "N", "R"])]),
        ("string10-43", vec![texts(random, 0, 10, 43, &ascii)]),
        ("lineitem 16 columns", lineitem(random, 0)),
        ("lineitem 10% null", lineitem(random, 10)),
    ];
    for (name, columns) in sets {
        if only.as_ref().is_none_or(|only| name.starts_with(only.as_str())) {
            report(name, &columns);
        }
    }
}
