//! Whatever a peer sends, nothing panics, everything is bounded, and how the bytes are cut makes no difference.
#![no_main]

use std::collections::BTreeMap;

use e6data_http2::{Connection, Event, Fault, Limits};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    frame_bytes: 64 * 1024,
    stream_window: 1 << 20,
    connection_window: 1 << 21,
    header_bytes: 16 * 1024,
};
/// An empty SETTINGS frame.
const GREETING: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    data: Vec<u8>,
    ends: Vec<String>,
}

/// What *bytes* bring that come in pieces of *size*, and whether data that are sure to come are read by themselves.
fn told(bytes: &[u8], size: usize, is_direct: bool) -> (Result<(), Fault>, BTreeMap<u32, Told>) {
    let mut connection = Connection::new(LIMITS);
    connection.receive(GREETING, &mut |_| {}).expect("a sound greeting");
    for length in [0, 5, 70_000] {
        connection.request(&[0x83, 0x86], vec![7; length]);
    }
    let count = connection.output().len();
    connection.wrote(count);
    let mut all: BTreeMap<u32, Told> = BTreeMap::new();
    let mut result = Ok(());
    let mut left = bytes;
    while !left.is_empty() && result.is_ok() {
        let direct = connection.data_ahead().filter(|_| is_direct);
        let most = direct.map_or(usize::MAX, |(_, most)| most);
        let (piece, rest) = left.split_at(left.len().min(size).min(most));
        left = rest;
        if let Some((stream, _)) = direct {
            all.entry(stream).or_default().data.extend_from_slice(piece);
        }
        let mut on = |event: Event<'_>| {
            let Some(stream) = event.stream() else { return };
            let told = all.entry(stream).or_default();
            match event {
                Event::Head { fields, .. } => {
                    told.fields.extend(fields.iter().map(|(name, value)| (name.into(), value.into())));
                }
                Event::Data { data, .. } => told.data.extend_from_slice(data),
                Event::End { trailers, .. } => told.ends.push(format!("{}", trailers.is_some())),
                Event::Broken { why, .. } => told.ends.push(format!("{why:?}")),
                Event::Pong => {}
            }
        };
        match direct {
            Some(_) => connection.passed(piece.len(), &mut on),
            None => result = connection.receive(piece, &mut on),
        }
    }
    assert!(connection.output().len() < 1 << 20);
    (result, all)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&size, bytes)) = bytes.split_first() else { return };
    let whole = told(bytes, usize::MAX, false);
    for told in whole.1.values() {
        assert!(told.ends.len() <= 1 && told.data.len() <= bytes.len());
    }
    assert_eq!(told(bytes, usize::from(size) + 1, false), whole);
    assert_eq!(told(bytes, usize::from(size) + 1, true), whole);
});
