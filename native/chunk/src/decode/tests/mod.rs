//! The fast way and the exact way agree on mutated chunks, and errors are the canonical ones.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Int32Array, Int64Array, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::*;
use crate::error::ErrorKind;
use crate::{encode_chunk, probe, response, EncodeOptions, VectorType};

#[path = "../../../tests/common/mod.rs"]
mod common;

mod rules;

impl ChunkDecoder {
    /// Like `append`, without trying the fast way.
    fn append_exact(&mut self, chunk: &[u8]) -> Result<usize, DecodeError> {
        let (rows, _) = walk::exact(&mut self.columns, chunk, self.limits)?;
        self.columns.iter_mut().for_each(|column| column.commit(rows));
        self.rows += rows;
        Ok(rows)
    }

    fn is_fast(&mut self, chunk: &[u8]) -> bool {
        let is_fast = walk::fast(&mut self.columns, chunk, self.limits, usize::MAX).is_some();
        self.truncate();
        is_fast
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(14) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes[at] = [0, 1, 2, 8, 10, 11, 12, 15, 16, 127, 128, 255][random.below(12)],
            3 => bytes.truncate(at),
            4 => bytes.insert(at, random.next() as u8),
            5 => {
                bytes.remove(at);
            }
            6 => {
                let len = random.below(24).min(bytes.len() - at);
                bytes.drain(at..at + len);
            }
            7 => {
                let len = random.below(24).min(bytes.len() - at);
                let copy = bytes[at..at + len].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
}

/// Another target that the same vectors may have.
fn other_target(data_type: &DataType, random: &mut Random) -> DataType {
    let choices: &[DataType] = match data_type {
        DataType::Utf8 => {
            &[DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, DataType::Binary]
        }
        DataType::Binary => &[DataType::Binary, DataType::LargeBinary, DataType::BinaryView],
        DataType::Int32 => &[DataType::Int32, DataType::Int16, DataType::Int8],
        DataType::Decimal128(..) => &[
            DataType::Decimal128(38, 2),
            DataType::Decimal128(38, 0),
            DataType::Decimal128(10, 4),
            DataType::Decimal128(38, -2),
        ],
        DataType::Struct(fields) => &[data_type.clone(), fields[0].data_type().clone()],
        _ => return data_type.clone(),
    };
    choices[random.below(choices.len())].clone()
}

fn with_other_targets(schema: &Schema, random: &mut Random) -> SchemaRef {
    let field = |field: &Arc<Field>| {
        Field::new(field.name(), other_target(field.data_type(), random), true)
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn decoder(schema: &SchemaRef) -> ChunkDecoder {
    let limits = Limits { max_rows: 1 << 16, max_bytes: 1 << 20 };
    ChunkDecoder::new(schema.clone(), limits).expect("supported types")
}

type Outcome = Result<RecordBatch, DecodeError>;

fn outcomes(schema: &SchemaRef, chunk: &[u8]) -> (Outcome, Outcome) {
    let (mut fast, mut exact) = (decoder(schema), decoder(schema));
    let fast = fast.append(chunk).map(|_| fast.finish());
    let exact = exact.append_exact(chunk).map(|_| exact.finish());
    (fast, exact)
}

/// Thousands of mutated golden chunks: no panic, and both ways end alike, value for value or error
/// for error.
#[test]
fn mutations() {
    let golden = common::golden();
    let random = &mut Random(0x2545_f491_4f6c_dd1d);
    let (mut good, mut bad) = (0, 0);
    for case in common::list(&golden, "cases") {
        let chunk = common::bytes(case, "chunk_b64");
        let schema = common::schema(case);
        let rounds = if chunk.len() > 20_000 { 20 } else { 200 };
        for round in 0..rounds {
            let schema =
                if round == 0 { schema.clone() } else { with_other_targets(&schema, random) };
            let mut chunk = chunk.clone();
            if round > 8 {
                mutate(random, &mut chunk);
            }
            let (fast, exact) = outcomes(&schema, &chunk);
            let name = common::text(case, "name");
            assert_eq!(fast, exact, "{name}, round {round}, {schema}");
            *(if fast.is_ok() { &mut good } else { &mut bad }) += 1;
            if let Err(error) = fast {
                assert!(error.offset <= chunk.len());
                // The structure is judged alike whether or not there is a target.
                if error.column.is_none() && error.kind != ErrorKind::LimitExceeded {
                    let probed = probe(&chunk).err();
                    assert!(probed == Some(error) || error.kind == ErrorKind::ColumnCount);
                }
            } else {
                assert!(probe(&chunk).is_ok());
            }
            let _ = response::parse(&chunk, response::Version::V1);
            let _ = response::parse(&chunk, response::Version::V2);
            let _ = crate::metadata::parse(&chunk);
        }
    }
    assert!(good > 2000 && bad > 2000, "{good} good and {bad} bad: too harsh or too mild");
}

/// Random rows of every type, some null; texts of lengths around those at which the copying
/// changes.
fn random_batch(random: &mut Random, rows: usize) -> (RecordBatch, Vec<VectorType>) {
    fn some<T>(r: &mut Random, rows: usize, value: impl Fn(&mut Random) -> T) -> Vec<Option<T>> {
        let nulls = [0, 1, 2, 10][r.below(4)];
        (0..rows).map(|_| (nulls == 0 || r.below(nulls) > 0).then(|| value(r))).collect()
    }
    fn text(r: &mut Random) -> String {
        let len = [r.below(4), r.below(20), 60 + r.below(10), r.below(200)][r.below(4)];
        let letters = ["a", "b", "ä", "€", "😀"];
        let known = if r.below(3) == 0 { 5 } else { 2 };
        let mut text = String::new();
        while text.len() < len {
            text.push_str(letters[r.below(known)]);
        }
        text
    }
    let r = random;
    let code = ["N", "R", "A"][r.below(3)];
    let codes = r.below(3);
    let decimals = Decimal128Array::from(some(r, rows, |r| i128::from(r.next() as i64)));
    let decimals = decimals.with_precision_and_scale(38, 4).expect("in range");
    let instants = TimestampMicrosecondArray::from(some(r, rows, |r| r.next() as i64));
    let columns: Vec<(VectorType, ArrayRef)> = vec![
        (VectorType::Long, Arc::new(Int64Array::from(some(r, rows, |r| r.next() as i64)))),
        (VectorType::String, Arc::new(StringArray::from(some(r, rows, text)))),
        (VectorType::Boolean, Arc::new(BooleanArray::from(some(r, rows, |r| r.below(2) == 1)))),
        (VectorType::Decimal128, Arc::new(decimals)),
        (
            VectorType::Binary,
            Arc::new(BinaryArray::from_iter(some(r, rows, |r| r.next().to_le_bytes()))),
        ),
        (VectorType::Integer, Arc::new(Int32Array::from(some(r, rows, |r| r.next() as i32)))),
        (
            VectorType::Date,
            Arc::new(Date32Array::from(some(r, rows, |r| i32::from(r.next() as i16)))),
        ),
        (
            VectorType::String,
            Arc::new(StringArray::from(some(r, rows, |r| {
                if codes == 0 || r.below(200) > 0 {
                    code
                } else {
                    "other"
                }
            }))),
        ),
        (VectorType::Float, Arc::new(Float32Array::from(some(r, rows, |r| r.below(9) as f32)))),
        (VectorType::TimestampTz, Arc::new(instants.with_timezone("UTC"))),
    ];
    let field =
        |(_, array): &(VectorType, ArrayRef)| Field::new("c", array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let (types, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    (RecordBatch::try_new(Arc::new(schema), arrays).expect("columns of one length"), types)
}

/// Batches of any size come back from their chunks; mutated chunks end alike on both ways.
#[test]
fn generated() {
    let random = &mut Random(0x1234_5678_9abc_def1);
    for rows in [0, 1, 2, 3, 7, 8, 9, 63, 100, 1023, 1024, 1025, 2500] {
        for constants in [true, false] {
            let (batch, types) = random_batch(random, rows);
            let chunk = encode_chunk(&batch, &types, &EncodeOptions { constants });
            let chunk = chunk.expect("it can be encoded");
            let schema = batch.schema();
            let (fast, exact) = outcomes(&schema, &chunk);
            assert_eq!(fast.as_ref(), Ok(&batch));
            assert_eq!(exact.as_ref(), Ok(&batch));
            assert!(decoder(&schema).is_fast(&chunk));
            for round in 0..60 {
                let schema = with_other_targets(&schema, random);
                let mut chunk = chunk.clone();
                mutate(random, &mut chunk);
                let (fast, exact) = outcomes(&schema, &chunk);
                assert_eq!(fast, exact, "{rows} rows, round {round}");
            }
        }
    }
}

/// Rolled-back and failed chunks leave no trace in what follows.
#[test]
fn no_trace() {
    let golden = common::golden();
    let random = &mut Random(0x9e37_79b9_7f4a_7c15);
    let cases = common::list(&golden, "cases");
    let case = cases.iter().find(|case| case["name"] == "truncation_base").expect("the base case");
    let (schema, chunk) = (common::schema(case), common::bytes(case, "chunk_b64"));
    for _ in 0..300 {
        let schema = with_other_targets(&schema, random);
        let mut merged = decoder(&schema);
        let Ok(once) = outcomes(&schema, &chunk).0 else { continue };
        for _ in 0..4 {
            let mark = merged.mark();
            let mut other = chunk.clone();
            mutate(random, &mut other);
            if merged.append(&other).is_ok() {
                merged.rollback(mark);
            }
            assert_eq!(merged.mark(), mark);
            merged.append(&chunk).expect("the unchanged chunk");
        }
        let batch = merged.finish();
        for part in 0..4 {
            assert_eq!(batch.slice(part * once.num_rows(), once.num_rows()), once);
        }
    }
}

/// Engines write chunks in an order that takes one pass.
#[test]
fn golden_is_fast() {
    let golden = common::golden();
    let mut slow = Vec::new();
    for case in common::list(&golden, "cases") {
        let chunk = common::bytes(case, "chunk_b64");
        let schema = common::schema(case);
        let mut decoder = decoder(&schema);
        if decoder.append(&chunk).is_ok() && !decoder.is_fast(&chunk) {
            slow.push(common::text(case, "name"));
        }
    }
    assert_eq!(slow, [""; 0]);
}

/// A mark from before `finish` drops what came after it, and nothing of the batch.
#[test]
fn stale_mark() {
    let golden = common::golden();
    let case = &common::list(&golden, "cases")[0];
    let (schema, chunk) = (common::schema(case), common::bytes(case, "chunk_b64"));
    let mut decoder = decoder(&schema);
    decoder.append(&chunk).expect("three rows");
    let mark = decoder.mark();
    assert_eq!(decoder.finish().num_rows(), 3);
    decoder.append(&chunk).expect("three rows");
    decoder.append(&chunk).expect("three rows");

    decoder.rollback(mark);

    assert_eq!((decoder.rows(), decoder.bytes(), decoder.finish().num_rows()), (0, 0, 0));
}

/// Batches that were dropped lend their memory to later ones; batches that are kept stay as they
/// are, and so do chunks that fail in between.
#[test]
fn memory_is_used_again() {
    let random = &mut Random(0x0dd0_5eed_1357_9bdf);
    let (batch, types) = random_batch(random, 6000);
    let chunk = encode_chunk(&batch, &types, &EncodeOptions { constants: false });
    let chunk = chunk.expect("it can be encoded");
    let schema = with_views(&batch.schema());
    let want = outcomes(&schema, &chunk).1.expect("a valid chunk");
    let mut decoder = decoder(&schema);
    let mut decode = |random: &mut Random| {
        let mut broken = chunk.clone();
        mutate(random, &mut broken);
        if decoder.append(&broken).is_ok() {
            decoder.rollback(Mark { rows: 0, bytes: 0, batch: decoder.batch });
        }
        decoder.append(&chunk).expect("a valid chunk");
        decoder.finish()
    };

    drop(decode(random));
    let mut kept = Vec::new();
    let mut places = std::collections::BTreeSet::new();
    let (mut large, mut seen) = (0, 0);
    for round in 0..40 {
        let batch = decode(random);
        assert_eq!(batch, want);
        for array in batch.columns() {
            for buffer in array.to_data().buffers().iter().filter(|buffer| buffer.len() > 20_000) {
                large += 1;
                seen += usize::from(!places.insert(buffer.as_ptr() as usize));
            }
        }
        if round % 10 == 3 {
            kept.push(batch);
        }
    }
    assert!(seen * 4 > large * 3, "{seen} of {large} buffers were in known memory");
    assert!(kept.iter().all(|batch| *batch == want));
    drop(decoder);
    assert!(kept.iter().all(|batch| *batch == want));
}

/// The schema with some of its text as views.
fn with_views(schema: &Schema) -> SchemaRef {
    let field = |(index, field): (usize, &Arc<Field>)| match field.data_type() {
        DataType::Utf8 if index < 5 => Field::new("c", DataType::Utf8View, true),
        DataType::Binary => Field::new("c", DataType::BinaryView, true),
        _ => field.as_ref().clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().enumerate().map(field).collect::<Vec<_>>()))
}

/// Views hold what text would, for values of every length around the longest inline one, null or
/// padded rows, a last value at the very end, and with and without values that are not inline.
#[test]
fn views() {
    let text = |len: usize| "abcdefghijklmnopqrstuvwxyz".repeat(12)[..len].to_owned();
    for most in [0, 1, 3, 4, 5, 11, 12, 13, 14, 20, 64, 65, 300] {
        for nulls in [0, 3] {
            let value = |row: usize| {
                (nulls == 0 || !row.is_multiple_of(nulls)).then(|| text(row % (most + 1)))
            };
            let values: Vec<Option<String>> = (0..700).map(value).collect();
            let array: ArrayRef = Arc::new(StringArray::from(values.clone()));
            let batch = RecordBatch::try_from_iter_with_nullable([("c", array, true)]);
            let batch = batch.expect("one column");
            let chunk = encode_chunk(&batch, &[VectorType::String], &EncodeOptions::default());
            let chunk = chunk.expect("it can be encoded");
            let field = Field::new("c", DataType::Utf8View, true);
            let mut decoder = decoder(&Arc::new(Schema::new(vec![field])));
            for _ in 0..3 {
                decoder.append(&chunk).expect("a valid chunk");
                let mark = decoder.mark();
                decoder.append(&chunk).expect("a valid chunk");
                decoder.rollback(mark);
                decoder.append(&chunk).expect("a valid chunk");
                let batch = decoder.finish();
                let views = batch.column(0).as_any().downcast_ref::<StringViewArray>();
                let views = views.expect("views");
                let whole = views.to_data().validate_full();
                assert_eq!(whole.map_err(|error| error.to_string()), Ok(()));
                let both = values.iter().chain(&values).map(Option::as_deref);
                assert!(views.iter().eq(both), "up to {most} bytes");
                assert_eq!(views.data_buffers().len(), usize::from(most > 12));
            }
        }
    }
}

/// A schema without a decoder is refused by column and type.
#[test]
fn unsupported_schemas() {
    let refused = |field: Field| {
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, true), field]);
        ChunkDecoder::new(Arc::new(schema), Limits::default()).err()
    };
    let of_type = |data_type| refused(Field::new("b", data_type, true));

    assert_eq!(of_type(DataType::Utf8View), None);
    let error = of_type(DataType::UInt8).expect("no such vector");
    assert_eq!((error.column, error.data_type.as_str()), (1, "UInt8"));
    let error = refused(Field::new("b", DataType::Utf8, false)).expect("it could not hold a null");
    assert_eq!(error.data_type, "Utf8 not null");
    assert!(of_type(DataType::Timestamp(TimeUnit::Nanosecond, None)).is_some());

    let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let instant = || Field::new("instant", utc(), true);
    let zone = || Field::new("zone", DataType::Utf8, true);
    let of_fields = |fields: Vec<Field>| of_type(DataType::Struct(fields.into()));
    assert_eq!(of_fields(vec![instant(), zone()]), None);
    for other in [
        vec![instant()],
        vec![instant(), zone(), zone()],
        vec![instant().with_name("moment"), zone()],
        vec![instant(), zone().with_name("place")],
        vec![instant().with_data_type(DataType::Int64), zone()],
        vec![instant(), zone().with_data_type(DataType::LargeUtf8)],
        vec![instant().with_nullable(false), zone()],
        vec![instant(), zone().with_nullable(false)],
    ] {
        assert!(of_fields(other).is_some());
    }
    assert!(of_type(DataType::Timestamp(TimeUnit::Microsecond, Some("+01:00".into()))).is_some());
}
