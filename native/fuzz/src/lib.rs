//! Targets that a chunk's own vector types allow.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use e6data_chunk::{ChunkShape, Limits, VectorType};

/// Small bounds, so that a breach shows as one.
pub const LIMITS: Limits = Limits { max_rows: 1 << 16, max_bytes: 1 << 20 };

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn zoned() -> DataType {
    let instant = Field::new("instant", utc(), true);
    let zone = Field::new("zone", DataType::Utf8, true);
    DataType::Struct(vec![instant, zone].into())
}

/// One of the targets of a vector type; *choice* picks.
fn target(vector_type: i32, scale: Option<i32>, choice: usize) -> DataType {
    use VectorType as V;
    let choices = match VectorType::from_i32(vector_type) {
        Some(V::Boolean) => vec![DataType::Boolean],
        Some(V::Integer) => vec![DataType::Int32, DataType::Int16, DataType::Int8],
        Some(V::Long) => vec![DataType::Int64],
        Some(V::Float) => vec![DataType::Float32],
        Some(V::Double) => vec![DataType::Float64],
        Some(V::String | V::Array | V::Map | V::Struct) => {
            vec![DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, DataType::Binary]
        }
        Some(V::Binary) => vec![DataType::Binary, DataType::LargeBinary, DataType::BinaryView],
        Some(V::Date) => vec![DataType::Date32],
        Some(V::Datetime | V::Timestamp | V::Int96) => {
            vec![DataType::Timestamp(TimeUnit::Microsecond, None)]
        }
        Some(V::TimestampTz) => vec![zoned(), utc()],
        Some(V::Decimal128) => {
            let scale = scale.unwrap_or(0).clamp(-38, 38) as i8;
            vec![
                DataType::Decimal128(38, scale),
                DataType::Decimal128(38, 4),
                DataType::Decimal128(9, 0),
            ]
        }
        Some(V::IntervalDaySecond) => vec![DataType::Duration(TimeUnit::Microsecond)],
        Some(V::Null) | None => vec![DataType::Null, DataType::Utf8, DataType::Boolean],
    };
    choices[choice % choices.len()].clone()
}

/// A schema for a chunk of this shape; *choice* varies the targets.
pub fn schema(shape: &ChunkShape, choice: usize) -> SchemaRef {
    let field = |(index, vector): (usize, &e6data_chunk::VectorShape)| {
        let target = target(vector.vector_type, vector.scale, choice.wrapping_add(index));
        Field::new(format!("c{index}"), target, true)
    };
    Arc::new(Schema::new(shape.vectors.iter().enumerate().map(field).collect::<Vec<_>>()))
}
