//! What decodes encodes, unless a date is beyond the wire's range, and decodes to the same batch.
#![no_main]

use e6data_chunk::{encode_chunk, probe, ChunkDecoder, EncodeErrorKind, EncodeOptions, VectorType};
use e6data_fuzz::{schema, LIMITS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, bool, &[u8])| {
    let (choice, constants, chunk) = input;
    let Ok(shape) = probe(chunk) else { return };
    let mut decoder = ChunkDecoder::new(schema(&shape, choice.into()), LIMITS).expect("supported");
    if decoder.append(chunk).is_err() {
        return;
    }
    let batch = decoder.finish();
    let types: Vec<VectorType> = shape
        .vectors
        .iter()
        .map(|vector| VectorType::from_i32(vector.vector_type).expect("it decoded"))
        .collect();
    match encode_chunk(&batch, &types, &EncodeOptions { constants }) {
        Ok(chunk) => {
            decoder.append(&chunk).expect("what was encoded");
            assert_eq!(decoder.finish(), batch);
        }
        Err(error) => assert_eq!(error.kind, EncodeErrorKind::OutOfRange),
    }
});
