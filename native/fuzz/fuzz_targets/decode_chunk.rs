//! Any bytes decode or fail, without panic and within the limits; merging twice is decoding twice.
#![no_main]

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use e6data_chunk::{probe, ChunkDecoder};
use e6data_fuzz::{schema, LIMITS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, chunk) = input;
    let (schema, rows) = match probe(chunk) {
        Ok(shape) => (schema(&shape, choice.into()), shape.rows),
        Err(_) => (Arc::new(Schema::new(vec![Field::new("c", DataType::Int64, true)])), 0),
    };
    let mut decoder = ChunkDecoder::new(schema, LIMITS).expect("supported types");
    let mark = decoder.mark();
    let Ok(decoded) = decoder.append(chunk) else {
        assert_eq!(decoder.mark(), mark, "nothing of a bad chunk is kept");
        return;
    };
    assert_eq!(decoded, rows);
    assert!(decoded <= LIMITS.max_rows && decoder.bytes() <= LIMITS.max_bytes);
    let once = decoder.finish();
    assert!(once.get_array_memory_size() <= 8 * LIMITS.max_bytes + (1 << 16));
    decoder.append(chunk).expect("it decoded before");
    decoder.append(chunk).expect("it decoded before");
    let twice = decoder.finish();
    assert_eq!(twice.slice(0, rows), once);
    assert_eq!(twice.slice(rows, rows), once);
});
