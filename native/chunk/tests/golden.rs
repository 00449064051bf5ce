//! The golden cases decode to what they expect, or fail; `policy` "undefined" must only not panic.

mod common;

use std::fmt::Write;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use common::{bytes, golden, list, schema, text};
use e6data_chunk::{
    encode_chunk, metadata, probe, ChunkDecoder, DecodeError, EncodeOptions, ErrorKind, Limits,
    VectorType,
};
use serde_json::{json, Value};

fn decode(chunk: &[u8], schema: SchemaRef) -> Result<RecordBatch, DecodeError> {
    let mut decoder = ChunkDecoder::new(schema, Limits::default()).expect("a supported schema");
    let rows = decoder.append(chunk)?;
    let batch = decoder.finish();
    assert_eq!(batch.num_rows(), rows);
    Ok(batch)
}

fn decimal_text(unscaled: i128, scale: i8) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    let sign = if unscaled < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// A cell in the form the golden file has for this kind; *want* tells dates' microseconds.
fn cell(array: &ArrayRef, row: usize, kind: &str, want: &Value) -> Value {
    if kind == "null" || array.is_null(row) {
        return Value::Null;
    }
    match kind {
        "int64" => json!(array.as_primitive::<Int64Type>().value(row)),
        "int32" => json!(array.as_primitive::<Int32Type>().value(row)),
        "float64_bits_hex" => {
            json!(format!("{:016x}", array.as_primitive::<Float64Type>().value(row).to_bits()))
        }
        "float32_as_float64_bits_hex" => {
            let value = f64::from(array.as_primitive::<Float32Type>().value(row));
            json!(format!("{:016x}", value.to_bits()))
        }
        "bool" => json!(array.as_boolean().value(row)),
        "utf8" => json!(array.as_string::<i32>().value(row)),
        "bytes_hex" => json!(hex(array.as_binary::<i32>().value(row))),
        "date" => {
            let days = array.as_primitive::<Date32Type>().value(row);
            json!({"micros": want["micros"], "days": days})
        }
        "timestamp_micros" => json!(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        "timestamp_tz" => {
            let parts = array.as_struct();
            let zones = parts.column(1).as_string::<i32>();
            let micros = parts.column(0).as_primitive::<TimestampMicrosecondType>().value(row);
            json!({"micros": micros, "zone": zones.is_valid(row).then(|| zones.value(row))})
        }
        "decimal_text" => {
            let array = array.as_primitive::<Decimal128Type>();
            json!(decimal_text(array.value(row), array.scale()))
        }
        "duration_micros" => json!(array.as_primitive::<DurationMicrosecondType>().value(row)),
        other => panic!("no cell form for {other}"),
    }
}

fn assert_expected(name: &str, batch: &RecordBatch, expected: &Value) {
    assert_eq!(json!(batch.num_rows()), expected["rows"], "{name}: rows");
    for (column, want) in list(expected, "columns").iter().enumerate() {
        let array = batch.column(column);
        let values = list(want, "values");
        assert_eq!(array.len(), values.len(), "{name}: rows of column {column}");
        for (row, want_cell) in values.iter().enumerate() {
            let got = cell(array, row, text(want, "kind"), want_cell);
            assert_eq!(&got, want_cell, "{name}: column {column}, row {row}");
        }
    }
}

/// Cases that the two policies leave open: how this decoder decides them.
const OPEN: [(&str, Option<ErrorKind>); 7] = [
    ("float_overflow", Some(ErrorKind::OutOfRange)),
    ("fc_duplicate_field", Some(ErrorKind::DuplicateField)),
    ("decimal_over_38_digits", Some(ErrorKind::BadDecimal)),
    ("decimal_text_scale_conflict", Some(ErrorKind::BadDecimal)),
    ("int96_type_4", Some(ErrorKind::UnknownVectorType)),
    ("constant_row_bomb", Some(ErrorKind::LimitExceeded)),
    ("timestamp_type_10", None),
];

/// Each case ends as it must; what decodes is encoded again and decodes to the same.
#[test]
fn chunks() {
    let golden = golden();
    for case in list(&golden, "cases") {
        let name = text(case, "name");
        let result = decode(&bytes(case, "chunk_b64"), schema(case));
        if let Some((_, kind)) = OPEN.iter().find(|(open, _)| *open == name) {
            assert_eq!(text(case, "policy"), "undefined");
            assert_eq!(result.err().map(|error| error.kind), *kind, "{name}");
        } else if text(case, "expect") == "ok" {
            let batch = result.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_expected(name, &batch, &case["expected"]);
        } else {
            assert!(result.is_err(), "{name} must fail");
        }
    }
}

/// What decodes can be encoded, with constants and without, and decodes to the same batch.
#[test]
fn round_trip() {
    let golden = golden();
    for case in list(&golden, "cases") {
        let (name, schema, chunk) = (text(case, "name"), schema(case), bytes(case, "chunk_b64"));
        let Ok(batch) = decode(&chunk, schema.clone()) else { continue };
        let shape = probe(&chunk).expect("it decodes");
        if shape.vectors.is_empty() || name == "date_int64_extremes" {
            continue; // no types are stated; the first day begins before the first microsecond
        }
        let types: Vec<VectorType> = shape
            .vectors
            .iter()
            .map(|vector| VectorType::from_i32(vector.vector_type).expect("known"))
            .collect();
        for constants in [false, true] {
            let again = encode_chunk(&batch, &types, &EncodeOptions { constants })
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(decode(&again, schema.clone()).as_ref(), Ok(&batch), "{name}");
            for start in 0..batch.num_rows().min(3) {
                let part = batch.slice(start, batch.num_rows() - start);
                let again = encode_chunk(&part, &types, &EncodeOptions { constants }).expect(name);
                assert_eq!(decode(&again, schema.clone()).as_ref(), Ok(&part), "{name}");
            }
        }
    }
}

/// No proper prefix of a chunk is a chunk, and its end is where the error is.
#[test]
fn truncation_sweep() {
    let golden = golden();
    let sweep = &list(&golden, "sweeps")[0];
    let is_base = |case: &&Value| case["name"] == sweep["base_case"];
    let base = list(&golden, "cases").iter().find(is_base).expect("the base case");
    let (chunk, schema) = (bytes(base, "chunk_b64"), schema(base));
    for len in 0..chunk.len() {
        let error = decode(&chunk[..len], schema.clone()).expect_err("a proper prefix");
        assert_eq!(error.kind, ErrorKind::UnexpectedEnd, "prefix of {len}");
        assert!(error.offset <= len && error.column.is_none() && error.row.is_none());
    }
    assert!(decode(&chunk, schema).is_ok());
}

/// A constant vector of 2^31-1 rows is refused at once.
#[test]
fn row_bomb() {
    let golden = golden();
    let is_bomb = |case: &&Value| case["name"] == "constant_row_bomb";
    let case = list(&golden, "cases").iter().find(is_bomb).expect("the bomb");
    let start = Instant::now();

    let error = decode(&bytes(case, "chunk_b64"), schema(case)).expect_err("a bomb");

    assert_eq!((error.kind, error.offset), (ErrorKind::LimitExceeded, 3));
    assert!(start.elapsed() < Duration::from_millis(100));
}

/// Chunks of one shape merge into one batch that is their concatenation.
#[test]
fn merging() {
    let golden = golden();
    let cases = list(&golden, "cases");
    for group in ["LONG", "STRING", "DECIMAL128", "TIMESTAMP_TZ", "BOOLEAN", "DATE", "NULL"] {
        let fitting = |case: &&Value| {
            let columns = list(&case["expected"], "columns");
            columns.len() == 1 && text(&columns[0], "vector_type") == group
        };
        let ok =
            |case: &&Value| text(case, "expect") == "ok" && text(case, "policy") != "undefined";
        let cases: Vec<&Value> = cases.iter().filter(ok).filter(fitting).collect();
        let schema = schema(cases[0]);
        let fits = |case: &&&Value| decode(&bytes(case, "chunk_b64"), schema.clone()).is_ok();
        let cases: Vec<&Value> = cases.iter().filter(fits).copied().collect();

        let mut decoder = ChunkDecoder::new(schema.clone(), Limits::default()).expect("supported");
        let mut parts = Vec::new();
        for case in &cases {
            let chunk = bytes(case, "chunk_b64");
            let mark = decoder.mark();
            decoder.append(&chunk).expect("it fits");
            assert!(decoder.append(&chunk[..chunk.len() - 1]).is_err());
            decoder.append(&chunk).expect("it fits");
            decoder.rollback(mark);
            decoder.append(&chunk).expect("it fits");
            parts.push(decode(&chunk, schema.clone()).expect("it fits"));
        }
        let rows: usize = parts.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(decoder.rows(), rows);
        let batch = decoder.finish();

        let mut start = 0;
        for part in parts {
            assert_eq!(batch.slice(start, part.num_rows()), part, "{group} from row {start}");
            start += part.num_rows();
        }
        assert_eq!(start, batch.num_rows());
        assert_eq!((decoder.rows(), decoder.bytes()), (0, 0));
    }
}

/// Metadata cases give their columns, or fail; the metadata of chunk cases is what JSON says.
#[test]
fn metadata_bytes() {
    let golden = golden();
    let columns = |value: &Value| -> Vec<metadata::Column> {
        let column = |c: &Value| metadata::Column {
            name: text(c, "name").into(),
            type_name: text(c, "type").into(),
            zone: text(c, "zone").into(),
            format: text(c, "format").into(),
        };
        list(value, "columns").iter().map(column).collect()
    };
    for case in list(&golden, "metadata_cases") {
        let parsed = metadata::parse(&bytes(case, "metadata_b64"));
        if text(case, "expect") == "ok" {
            let parsed = parsed.expect("it must parse");
            assert_eq!(json!(parsed.row_count), case["row_count"]);
            assert_eq!(parsed.columns, columns(case));
        } else {
            assert!(parsed.is_err(), "{} must fail", text(case, "name"));
        }
    }
    for case in list(&golden, "cases") {
        let bytes = bytes(case, "metadata_b64");
        let parsed = metadata::parse(&bytes).expect("it must parse");
        assert_eq!(json!(parsed.row_count), case["metadata"]["row_count"]);
        assert_eq!(parsed.columns, columns(&case["metadata"]));
        assert_eq!(metadata::encode(&parsed), Ok(bytes));
    }
}
