//! The golden cases, and targets for them.
#![allow(dead_code)]

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use base64::prelude::{Engine, BASE64_STANDARD};
use serde_json::Value;

/// The whole golden file.
pub fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/chunks.json");
    let text = std::fs::read_to_string(path).expect("the golden file is in the repository");
    serde_json::from_str(&text).expect("the golden file is JSON")
}

/// The entries of one list of the file.
pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("{key} is a list"))
}

/// A text of a case.
pub fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("{key} is a text"))
}

/// Bytes of a case, sent as base64.
pub fn bytes(case: &Value, key: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text(case, key)).expect("base64")
}

/// Instant and zone.
pub fn zoned() -> DataType {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let fields = [Field::new("instant", utc, true), Field::new("zone", DataType::Utf8, true)];
    DataType::Struct(fields.to_vec().into())
}

/// The usual target of a type name.
pub fn target(type_name: &str, scale: Option<i32>) -> DataType {
    match type_name {
        "LONG" => DataType::Int64,
        "INTEGER" => DataType::Int32,
        "DOUBLE" => DataType::Float64,
        "FLOAT" => DataType::Float32,
        "BOOLEAN" => DataType::Boolean,
        "STRING" | "ARRAY" | "MAP" | "STRUCT" => DataType::Utf8,
        "BINARY" => DataType::Binary,
        "DATE" => DataType::Date32,
        "DATETIME" | "TIMESTAMP" | "INT96" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "TIMESTAMP_TZ" => zoned(),
        "DECIMAL128" => DataType::Decimal128(38, scale.unwrap_or(0) as i8),
        "INTERVAL_DAY_SECOND" => DataType::Duration(TimeUnit::Microsecond),
        "NULL" => DataType::Null,
        other => panic!("no target for {other}"),
    }
}

/// A case's schema: types of the expected vectors, else of the metadata; scales as the chunk says.
pub fn schema(case: &Value) -> SchemaRef {
    let scales =
        e6data_chunk::probe(&bytes(case, "chunk_b64")).map_or(vec![], |shape| shape.vectors);
    let names: Vec<&str> = match case["expected"]["columns"].as_array() {
        Some(columns) => columns.iter().map(|column| text(column, "vector_type")).collect(),
        None => list(&case["metadata"], "columns").iter().map(|c| text(c, "type")).collect(),
    };
    let field = |(index, name): (usize, &&str)| {
        let scale = scales.get(index).and_then(|shape| shape.scale);
        Field::new(format!("c{index}"), target(name, scale), true)
    };
    Arc::new(Schema::new(names.iter().enumerate().map(field).collect::<Vec<_>>()))
}
