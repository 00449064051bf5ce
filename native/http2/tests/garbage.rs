//! Sound conversations with something wrong in them: whatever it is, nothing panics and everything stays bounded.

mod support;

use std::collections::BTreeMap;

use e6data_http2::{Connection, ErrorCode, Event};
use support::*;

fn conversation(random: &mut Random) -> Vec<u8> {
    let mut bytes = settings(&[(4, 1 << 20), (5, 1 << 15)]);
    let long = "v".repeat(random.below(300));
    for stream in [1, 3, 5] {
        let mut block = [reply(), literal("content-type", "application/grpc")].concat();
        block.push(0x40);
        block.extend_from_slice(&literal("x-kept", &long)[1..]);
        block.push(0xbe);
        let (one, other) = block.split_at(random.below(block.len()));
        bytes.extend(frame(HEADERS, 0, stream, one));
        bytes.extend(frame(CONTINUATION, END_HEADERS, stream, other));
        for _ in 0..random.below(4) {
            let mut data = vec![3; 4 + random.below(50)];
            data.extend([0; 3]);
            bytes.extend(frame(DATA, PADDED, stream, &data));
            bytes.extend(frame(PING, 0, 0, &[1; 8]));
        }
        bytes.extend(frame(WINDOW_UPDATE, 0, stream, &[0, 0, 1, 0]));
        bytes.extend(frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &literal("grpc-status", "0"),
        ));
    }
    bytes.extend(frame(GOAWAY, 0, 0, &[0, 0, 0, 9, 0, 0, 0, 0, b'x']));
    bytes
}

/// Change *bytes* at a few places.
fn spoil(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => bytes.truncate(at + 1),
            3 => {
                bytes.remove(at);
            }
            4 => bytes.insert(at, random.below(256) as u8),
            _ => {
                let end = bytes.len().min(at + random.below(60));
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

#[test]
fn nothing_panics_and_everything_is_bounded() {
    let mut faults = 0;
    let mut ends = 0;
    for seed in 1..20_000u64 {
        let mut random = Random::new(seed);
        let mut bytes = conversation(&mut random);
        if seed % 10 > 0 {
            spoil(&mut bytes, &mut random);
        }
        let mut connection = Connection::new(LIMITS);
        connection.receive(&settings(&[(3, 100)]), &mut |_| {}).unwrap();
        for _ in 0..3 {
            connection.request(BLOCK, vec![0; random.below(50)]);
        }
        let mut given = 0;
        let mut at = 0;
        while at < bytes.len() {
            let end = bytes.len().min(at + 1 + random.below(200));
            let result = connection.receive(&bytes[at..end], &mut |event| match event {
                e6data_http2::Event::Data { data, .. } => given += data.len(),
                e6data_http2::Event::End { .. } => ends += 1,
                _ => {}
            });
            at = end;
            if result.is_err() {
                faults += 1;
                break;
            }
            if random.below(20) == 0 {
                connection.reset(3, ErrorCode::CANCEL);
            }
            let count = random.below(connection.output().len() + 1);
            connection.wrote(count);
        }
        assert!(given <= bytes.len());
        assert!(connection.output().len() < 64 * 1024);
    }
    // Both happen, often.
    assert!(faults > 5_000 && ends > 5_000, "{faults} faults, {ends} answers");
}

/// What was told, but for the data, and the data of each stream.
#[derive(Default, PartialEq)]
struct Told {
    events: Vec<String>,
    data: BTreeMap<u32, Vec<u8>>,
    is_sound: bool,
    output: Vec<u8>,
}

impl Told {
    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Data { stream, data } => self.add(*stream, data),
            event => self.events.push(tell(event)),
        }
    }

    fn add(&mut self, stream: u32, data: &[u8]) {
        self.data.entry(stream).or_default().extend_from_slice(data);
    }
}

/// What *bytes* tell that come in pieces of *size*; with data read by themselves where they are sure to come, if so.
fn told(bytes: &[u8], size: usize, is_direct: bool) -> Told {
    let mut connection = Connection::new(LIMITS);
    connection.receive(&settings(&[(3, 100)]), &mut |_| {}).unwrap();
    for _ in 0..3 {
        connection.request(BLOCK, vec![7; 30]);
    }
    let mut told = Told { is_sound: true, ..Told::default() };
    let mut left = bytes;
    while !left.is_empty() && told.is_sound {
        let direct = connection.data_ahead().filter(|_| is_direct);
        let most = direct.map_or(usize::MAX, |(_, most)| most);
        let (piece, rest) = left.split_at(left.len().min(size).min(most));
        left = rest;
        if let Some((stream, _)) = direct {
            told.add(stream, piece);
            connection.passed(piece.len(), &mut |event| told.take(&event));
        } else {
            let taken = connection.receive(piece, &mut |event| told.take(&event));
            told.is_sound = taken.is_ok();
        }
    }
    told.output = connection.output().to_vec();
    told
}

#[test]
fn data_that_are_read_by_themselves_make_no_difference() {
    let mut read = 0;
    for seed in 1..5_000u64 {
        let mut random = Random::new(seed);
        let mut bytes = conversation(&mut random);
        if seed % 3 > 0 {
            spoil(&mut bytes, &mut random);
        }
        let whole = told(&bytes, usize::MAX, false);
        read += whole.data.values().map(Vec::len).sum::<usize>();
        assert!(told(&bytes, 1 + random.below(40), true) == whole, "seed {seed}");
    }
    assert!(read > 100_000, "{read} bytes of data");
}

/// Of those that the fuzz target `http2` found worth keeping, the short ones, in hexadecimal.
const KEPT: &str = include_str!("conversations.txt");

#[test]
fn conversations_that_a_fuzzer_kept_make_no_difference_either() {
    for line in KEPT.lines() {
        let byte = |at| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..line.len()).step_by(2).map(byte).collect();
        let Some((&size, bytes)) = bytes.split_first() else { continue };
        let whole = told(bytes, usize::MAX, false);
        assert!(told(bytes, usize::from(size) + 1, false) == whole, "{line}");
        assert!(told(bytes, usize::from(size) + 1, true) == whole, "{line}");
    }
}
