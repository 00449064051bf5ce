//! Any bytes are metadata or fail; what parses encodes, and parses to the same.
#![no_main]

use e6data_chunk::metadata::{encode, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(metadata) = parse(bytes) else { return };
    assert!(metadata.columns.len() * 8 <= bytes.len());
    let again = encode(&metadata).expect("plain UTF-8 is never longer than Java's");
    assert_eq!(parse(&again), Ok(metadata));
});
