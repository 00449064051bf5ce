//! Any bytes are a response or fail; its ranges lie inside, in order, apart, and encode back. The same for answers
//! without rows.
#![no_main]

use e6data_chunk::response::{encode, parse, parse_answer, Asked, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &[u8])| {
    let (is_v2, bytes) = input;
    let version = if is_v2 { Version::V2 } else { Version::V1 };
    let asked = if is_v2 { Asked::Metadata } else { Asked::Execution };
    if let Ok(answer) = parse_answer(bytes, asked) {
        let _ = &bytes[answer.body];
        for range in [answer.session_id, answer.new_strategy].into_iter().flatten() {
            std::str::from_utf8(&bytes[range]).expect("checked");
        }
    }
    let Ok(response) = parse(bytes, version) else { return };
    let text = |range: &std::ops::Range<usize>| {
        std::str::from_utf8(&bytes[range.clone()]).expect("checked")
    };
    let session = response.session_id.as_ref().map(text);
    let strategy = response.new_strategy.as_ref().map(text);
    let chunks: Vec<&[u8]> = response.chunks.iter().map(|chunk| &bytes[chunk.clone()]).collect();
    assert!(response.chunks.windows(2).all(|pair| pair[0].end <= pair[1].start));

    let session = session.unwrap_or("");
    let again = encode(&chunks, version, session, strategy, response.end_of_stream);
    let parsed = parse(&again, version).expect("what was encoded");
    assert_eq!(parsed.end_of_stream, response.end_of_stream);
    assert_eq!(parsed.chunks.len(), chunks.len());
    for (range, chunk) in parsed.chunks.iter().zip(chunks) {
        assert_eq!(&again[range.clone()], chunk);
    }
});
