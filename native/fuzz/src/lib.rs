//! Targets that a chunk's own vector types allow.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use e6data_chunk::{ChunkShape, Form, Limits, VectorType};

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
    let choices = match VectorType::from_i32(vector_type).map(VectorType::form) {
        Some(Form::Boolean) => vec![DataType::Boolean],
        Some(Form::Int32) => vec![DataType::Int32, DataType::Int16, DataType::Int8],
        Some(Form::Int64) => vec![DataType::Int64],
        Some(Form::Float32) => vec![DataType::Float32],
        Some(Form::Float64) => vec![DataType::Float64],
        Some(Form::Text) => {
            vec![DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, DataType::Binary]
        }
        Some(Form::Bytes) => vec![DataType::Binary, DataType::LargeBinary, DataType::BinaryView],
        Some(Form::Date) => vec![DataType::Date32],
        Some(Form::Moment | Form::Unread) => vec![DataType::Timestamp(TimeUnit::Microsecond, None)],
        Some(Form::Instant) => vec![zoned(), utc()],
        Some(Form::Decimal) => {
            let scale = scale.unwrap_or(0).clamp(-38, 38) as i8;
            vec![
                DataType::Decimal128(38, scale),
                DataType::Decimal128(38, 4),
                DataType::Decimal128(9, 0),
            ]
        }
        Some(Form::Span) => vec![DataType::Duration(TimeUnit::Microsecond)],
        Some(Form::Null) | None => vec![DataType::Null, DataType::Utf8, DataType::Boolean],
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
