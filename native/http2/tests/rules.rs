//! What a peer may send and what not, by the rules of RFC 9113, and what is bounded.

mod support;

use e6data_http2::{Connection, ErrorCode, Fault};
use support::*;

/// A connection with *requests* open, whose settings have been exchanged.
fn connection(requests: usize) -> Connection {
    let mut connection = Connection::new(LIMITS);
    assert_eq!(connection.receive(&settings(&[]), &mut |_| {}), Ok(()));
    for _ in 0..requests {
        connection.request(BLOCK, b"\0\0\0\0\0".to_vec());
    }
    let count = connection.output().len();
    connection.wrote(count);
    connection
}

fn after(requests: usize, bytes: &[u8]) -> (Result<(), Fault>, Vec<String>) {
    let mut connection = connection(requests);
    let mut told = Vec::new();
    let result = connection.receive(bytes, &mut |event| told.push(tell(&event)));
    if let Err(fault) = result {
        let again = connection.receive(&frame(PING, 0, 0, &[0; 8]), &mut |_| panic!("an event"));
        assert_eq!(again, Err(fault));
        // The peer is told, unless it is a stranger.
        assert_eq!(
            connection.output().windows(4).any(|bytes| bytes[3] == GOAWAY),
            fault != Fault::Stranger
        );
    }
    (result, told)
}

fn faults(requests: usize, bytes: &[u8]) -> Fault {
    after(requests, bytes).0.unwrap_err()
}

#[test]
fn an_answer_comes() {
    let bytes = [
        frame(HEADERS, END_HEADERS, 1, &reply()),
        frame(DATA, 0, 1, b"one"),
        frame(DATA, PADDED, 1, b"\x02two.."),
        frame(77, 0xff, 1, b"what nobody knows"),
        frame(DATA, PADDED, 1, &[0]),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &literal("grpc-status", "0")),
    ]
    .concat();
    let expected = ["1: :status=200", "1: 'one'", "1: 'two'", "1 ends: grpc-status=0"];
    for size in 1..=bytes.len() {
        let mut connection = connection(1);
        let mut told: Vec<String> = Vec::new();
        for piece in bytes.chunks(size) {
            let taken = connection.receive(piece, &mut |event| told.push(tell(&event)));
            assert_eq!(taken, Ok(()));
        }
        assert_eq!(joined(told), expected, "in pieces of {size}");
    }
}

#[test]
fn what_breaks_the_connection() {
    let protocol = Fault::Broken(ErrorCode::PROTOCOL_ERROR);
    let size = Fault::Broken(ErrorCode::FRAME_SIZE_ERROR);
    let flow = Fault::Broken(ErrorCode::FLOW_CONTROL_ERROR);
    let table = Fault::Broken(ErrorCode::COMPRESSION_ERROR);
    let open_block = frame(HEADERS, 0, 1, &reply());
    for (bytes, expected) in [
        (frame(DATA, 0, 0, b"x"), protocol),
        (frame(DATA, 0, 2, b"x"), protocol),
        (frame(DATA, 0, 5, b"x"), protocol),
        (frame(DATA, PADDED, 1, b""), size),
        (frame(DATA, PADDED, 1, b"\x03ab"), protocol),
        (frame(HEADERS, END_HEADERS, 5, &reply()), protocol),
        (frame(HEADERS, END_HEADERS | PADDED, 1, &[200]), protocol),
        (frame(HEADERS, END_HEADERS, 1, &[0x80]), table),
        (frame(CONTINUATION, END_HEADERS, 1, &reply()), protocol),
        ([open_block.clone(), frame(DATA, 0, 1, b"x")].concat(), protocol),
        ([open_block.clone(), frame(CONTINUATION, 4, 3, b"")].concat(), protocol),
        (frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]), protocol),
        (frame(RST_STREAM, 0, 0, &[0; 4]), protocol),
        (frame(RST_STREAM, 0, 9, &[0; 4]), protocol),
        (frame(RST_STREAM, 0, 1, &[0; 5]), size),
        (frame(SETTINGS, 0, 1, &[]), protocol),
        (frame(SETTINGS, 0, 0, &[0; 5]), size),
        (frame(SETTINGS, ACK, 0, &[0; 6]), size),
        (settings(&[(2, 1)]), protocol),
        (settings(&[(4, 1 << 31)]), flow),
        (settings(&[(5, 16_383)]), protocol),
        (settings(&[(5, 1 << 24)]), protocol),
        (frame(PING, 0, 1, &[0; 8]), protocol),
        (frame(PING, 0, 0, &[0; 7]), size),
        (frame(GOAWAY, 0, 1, &[0; 8]), protocol),
        (frame(GOAWAY, 0, 0, &[0; 7]), size),
        (frame(WINDOW_UPDATE, 0, 0, &[0; 4]), protocol),
        (frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), flow),
        (frame(WINDOW_UPDATE, 0, 7, &[0, 0, 0, 1]), protocol),
        (frame(DATA, 0, 1, &vec![0; LIMITS.frame_bytes as usize + 1]), size),
    ] {
        assert_eq!(faults(2, &bytes), expected, "{:?}", &bytes[..bytes.len().min(20)]);
    }
}

#[test]
fn what_breaks_one_answer() {
    let refused = "1 broken: Malformed(PROTOCOL_ERROR)";
    let upper = [reply(), literal("X-Upper", "1")].concat();
    let http1 = [reply(), literal("connection", "close")].concat();
    let late = [literal("x", "1"), reply()].concat();
    let lines = [reply(), literal("x", "1\n2")].concat();
    for bytes in [
        frame(DATA, 0, 1, b"no head"),
        frame(HEADERS, END_HEADERS, 1, &literal("x", "no status")),
        frame(HEADERS, END_HEADERS, 1, &[reply(), reply()].concat()),
        frame(HEADERS, END_HEADERS, 1, &literal(":status", "2x0")),
        frame(HEADERS, END_HEADERS, 1, &literal(":status", "")),
        frame(HEADERS, END_HEADERS, 1, &[reply(), literal(":path", "/")].concat()),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &literal(":status", "100")),
        frame(HEADERS, END_HEADERS, 1, &upper),
        frame(HEADERS, END_HEADERS, 1, &http1),
        frame(HEADERS, END_HEADERS, 1, &late),
        frame(HEADERS, END_HEADERS, 1, &lines),
        frame(WINDOW_UPDATE, 0, 1, &[0; 4]),
        frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]),
    ] {
        let (result, told) = after(2, &bytes);
        assert_eq!((result, told), (Ok(()), vec![refused.to_owned()]), "{bytes:?}");
    }
    let head = frame(HEADERS, END_HEADERS, 1, &reply());
    for trailers in [
        frame(HEADERS, END_HEADERS, 1, &literal("grpc-status", "0")), // they end nothing
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &reply()),
    ] {
        let (result, told) = after(2, &[head.clone(), trailers].concat());
        assert_eq!(result, Ok(()));
        assert_eq!(told, ["1: :status=200", refused]);
    }
    // The other answer comes all the same, and what is left of the first is of no account.
    let other = frame(HEADERS, END_HEADERS | END_STREAM, 3, &reply());
    let bytes =
        [frame(DATA, 0, 1, b"no head"), frame(DATA, END_STREAM, 1, b"more"), other].concat();
    assert_eq!(after(2, &bytes).1, [refused, "3: :status=200", "3 ends"]);
}

#[test]
fn early_heads_are_passed_over() {
    let early = frame(HEADERS, END_HEADERS, 1, &literal(":status", "103"));
    let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &reply());
    let (result, told) = after(1, &[early.clone(), early, head].concat());
    assert_eq!((result, told), (Ok(()), vec!["1: :status=200".to_owned(), "1 ends".to_owned()]));
}

#[test]
fn floods_end_the_connection() {
    let calm = Fault::Broken(ErrorCode::ENHANCE_YOUR_CALM);
    let head = frame(HEADERS, END_HEADERS, 1, &reply());
    let early = frame(HEADERS, END_HEADERS, 1, &literal(":status", "103"));
    for (begin, each) in [
        (vec![], settings(&[])),
        (vec![], frame(PING, 0, 0, &[0; 8])),
        (vec![], frame(PING, ACK, 0, &[0; 8])),
        (vec![], frame(RST_STREAM, 0, 1, &[0; 4])),
        (vec![], frame(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 1])),
        (vec![], frame(GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0])),
        (vec![], frame(200, 0, 0, b"")),
        (vec![], early),
        (head.clone(), frame(DATA, 0, 1, b"")),
        (frame(HEADERS, 0, 1, &[]), frame(CONTINUATION, 0, 1, &[])),
    ] {
        let mut connection = connection(2);
        assert_eq!(connection.receive(&begin, &mut |_| {}), Ok(()));
        let sent = (0..20_000).find_map(|_| connection.receive(&each, &mut |_| {}).err());
        assert_eq!(sent, Some(calm), "{each:?}");
        assert!(connection.output().len() < 256 * 1024);
    }
    // Compressed to little, the fields of a head would be large.
    let mut connection = connection(1);
    let piece = frame(CONTINUATION, 0, 1, &vec![0; 16_384]);
    assert_eq!(connection.receive(&frame(HEADERS, 0, 1, &[]), &mut |_| {}), Ok(()));
    let sent = (0..100).find_map(|_| connection.receive(&piece, &mut |_| {}).err());
    assert_eq!(sent, Some(calm));
}

#[test]
fn fields_are_bounded() {
    // One field defined, and named again and again by a byte each.
    let mut block = vec![0x40];
    block.extend_from_slice(&literal("x-long", &"v".repeat(3_900))[1..]);
    block.extend(vec![0xbe; 60_000]);
    let block = [reply(), block, literal("grpc-status", "3")].concat();
    let mut connection = connection(1);
    let mut told = Vec::new();
    let bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block);
    assert_eq!(connection.receive(&bytes, &mut |event| told.push(tell(&event))), Ok(()));
    assert!(told[0].contains("grpc-status=3"));
    assert!(told[0].len() < LIMITS.header_bytes as usize);
}

#[test]
fn bodies_wait_for_windows() {
    let mut connection = Connection::new(LIMITS);
    connection.receive(&settings(&[(4, 10)]), &mut |_| {}).unwrap();
    let started = connection.output().len();
    connection.wrote(started);
    let stream = connection.request(BLOCK, vec![7; 100_000]);
    let sent = |connection: &mut Connection| {
        let mut data = 0;
        let mut ends = false;
        while !connection.output().is_empty() {
            let out = connection.output().to_vec();
            connection.wrote(out.len());
            for (head, payload) in frames(&out) {
                if head[3] == DATA {
                    data += payload.len();
                    ends |= head[4] & END_STREAM != 0;
                }
            }
        }
        (data, ends)
    };
    assert_eq!(sent(&mut connection), (10, false));
    assert!(!connection.was_sent(stream));
    connection.receive(&frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 5]), &mut |_| {}).unwrap();
    assert_eq!(sent(&mut connection), (5, false));
    // Smaller windows for all: what is out counts against them.
    connection.receive(&settings(&[(4, 3)]), &mut |_| {}).unwrap();
    connection.receive(&frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 7]), &mut |_| {}).unwrap();
    assert_eq!(sent(&mut connection), (0, false));
    connection.receive(&settings(&[(4, 1_000_000)]), &mut |_| {}).unwrap();
    assert_eq!(sent(&mut connection), (65_535 - 15, false));
    connection.receive(&frame(WINDOW_UPDATE, 0, 0, &[0, 1, 0, 0]), &mut |_| {}).unwrap();
    assert_eq!(sent(&mut connection), (100_000 - 65_535, true));
    assert!(connection.was_sent(stream));
}

/// However small the pieces that a peer lets pass are, a body that goes on is no flood.
#[test]
fn a_body_may_take_many_updates() {
    let mut connection = Connection::new(LIMITS);
    connection.receive(&settings(&[(4, 0)]), &mut |_| {}).unwrap();
    let stream = connection.request(BLOCK, vec![7; 60_000]);
    for _ in 0..30_000 {
        let update = frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 2]);
        assert_eq!(connection.receive(&update, &mut |_| {}), Ok(()));
        let count = connection.output().len();
        connection.wrote(count);
    }
    assert!(connection.was_sent(stream));
}

#[test]
fn windows_are_kept() {
    let limits = e6data_http2::Limits { stream_window: 100, connection_window: 65_535, ..LIMITS };
    let mut connection = Connection::new(limits);
    connection.receive(&settings(&[]), &mut |_| {}).unwrap();
    connection.request(BLOCK, vec![0; 5]);
    let count = connection.output().len();
    connection.wrote(count);
    connection.receive(&frame(HEADERS, END_HEADERS, 1, &reply()), &mut |_| {}).unwrap();
    // What is taken is given back.
    for _ in 0..1_000 {
        connection.receive(&frame(DATA, 0, 1, &[0; 60]), &mut |_| {}).unwrap();
    }
    let updates = frames(connection.output()).filter(|(head, _)| head[3] == WINDOW_UPDATE).count();
    assert!((1_000..1_010).contains(&updates), "{updates}");
    let fault = connection.receive(&frame(DATA, 0, 1, &[0; 101]), &mut |_| {});
    assert_eq!(fault, Err(Fault::Broken(ErrorCode::FLOW_CONTROL_ERROR)));
}

#[test]
fn a_goaway_names_what_goes_on() {
    let mut payload = vec![0, 0, 0, 1, 0, 0, 0, 11];
    payload.extend([b'x'; 1000]);
    let bytes =
        [frame(GOAWAY, 0, 0, &payload), frame(HEADERS, END_HEADERS | END_STREAM, 1, &reply())]
            .concat();
    for size in [1, 7, 3000] {
        let mut connection = connection(3);
        let mut told = Vec::new();
        for piece in bytes.chunks(size) {
            connection.receive(piece, &mut |event| told.push(tell(&event))).unwrap();
        }
        assert_eq!(told, ["3 broken: GoneAway", "5 broken: GoneAway", "1: :status=200", "1 ends"]);
        assert!(!connection.takes_requests());
        let go_away = connection.go_away().unwrap();
        assert_eq!((go_away.last, go_away.code), (1, ErrorCode::ENHANCE_YOUR_CALM));
        assert_eq!(go_away.text, "x".repeat(256));
    }
}

#[test]
fn a_stranger_is_known() {
    for said in [
        &b"HTTP/1.1 400 Bad Request"[..],
        b"\x15\x03\x01\x00\x02\x02\x50",
        &frame(SETTINGS, ACK, 0, b""),
    ] {
        let mut connection = Connection::new(LIMITS);
        let result = connection.receive(said, &mut |_| panic!("an event"));
        assert!(!connection.has_settings());
        assert_eq!(connection.first_bytes(), &said[..said.len().min(9)]);
        assert_eq!(result.is_err(), said.len() >= 9);
    }
}
