//! What peers and proxies send back, sound and broken, and what the caller is told.

use crate::support::*;
use e6data_transport::{open, Code, Options, Outcome};

#[test]
fn a_call_brings_its_answer_and_carries_what_it_should() {
    let server = Server::new(|peer| {
        let stream = peer.request().unwrap();
        assert_eq!(peer.requests[0].1, message(b"asked"));
        let block = String::from_utf8_lossy(&peer.blocks).into_owned();
        assert!(!block.contains("connection"));
        assert!(block.contains("identity,deflate,gzip"));
        peer.answer(stream, b"answered", 16_384);
        peer.drain();
    });
    let channel = server.channel();
    assert_eq!(bytes(ask(&channel, b"asked")), b"answered");
    drop(channel);
    server.finish();
}

/// nginx sends about 500 frames for 2 MB; HAProxy 16,320 and 64 bytes by turns.
#[test]
fn a_message_comes_in_frames_of_any_size() {
    let data: Vec<u8> = (0..2_000_000u32).map(|number| (number % 251) as u8).collect();
    for sizes in
        [vec![4_096], vec![16_320, 64], vec![1 << 16], vec![1_000], vec![1 << 20], vec![90_000, 7]]
    {
        let sent = data.clone();
        let server = Server::new(move |peer| {
            let stream = peer.request().unwrap();
            peer.headers(stream, REPLY, 0);
            let framed = message(&sent);
            let mut at = 0;
            for index in 0.. {
                let end = framed.len().min(at + sizes[index % sizes.len()]);
                peer.send(DATA, 0, stream, &framed[at..end]);
                at = end;
                if at == framed.len() {
                    break;
                }
            }
            peer.headers(stream, OK, END_STREAM);
            peer.drain();
        });
        let channel = server.channel();
        assert!(bytes(ask(&channel, b"")) == data);
        drop(channel);
        server.finish();
    }
}

#[test]
fn an_empty_message_is_a_message() {
    let server = Server::new(|peer| {
        let stream = peer.request().unwrap();
        peer.answer(stream, b"", 16_384);
        peer.drain();
    });
    let channel = server.channel();
    assert_eq!(bytes(ask(&channel, b"")), b"");
    drop(channel);
    server.finish();
}

#[test]
fn a_status_alone_is_the_servers_word() {
    let failed = fails(|peer, stream| {
        let status = [
            ("grpc-status", "13"),
            ("grpc-message", "no table %27t%C3%A4%27 100%"),
            ("grpc-status-details-bin", "CAUSA2FiYw"),
            ("grpc-retry-pushback-ms", "250"),
        ];
        peer.headers(stream, &[REPLY, &status].concat(), END_STREAM);
    });
    check(&failed, Code::Internal, "no table 'tä' 100%");
    assert_eq!(failed.details, b"\x08\x05\x12\x03abc");
    assert_eq!(failed.pushback, Some(250));
    assert!(failed.is_word && !failed.never_left);
}

#[test]
fn a_status_after_a_message_decides() {
    let failed = fails(|peer, stream| {
        peer.headers(stream, REPLY, 0);
        peer.send(DATA, 0, stream, &message(b"half of it"));
        let status =
            [("grpc-status", "8"), ("grpc-message", "enough"), ("grpc-retry-pushback-ms", "x")];
        peer.headers(stream, &status, END_STREAM);
    });
    check(&failed, Code::ResourceExhausted, "enough");
    assert_eq!(failed.pushback, Some(-1));
}

#[test]
fn an_unknown_status_is_unknown() {
    for status in ["17", "4294967296", "abc", "-1", ""] {
        let failed = fails(move |peer, stream| {
            peer.headers(stream, REPLY, 0);
            peer.send(DATA, 0, stream, &message(b"hi"));
            peer.headers(stream, &[("grpc-status", status)], END_STREAM);
        });
        check(&failed, Code::Unknown, "");
    }
}

#[test]
fn http_becomes_a_code() {
    for (status, code) in [
        ("302", Code::Unknown),
        ("400", Code::Internal),
        ("401", Code::Unauthenticated),
        ("403", Code::PermissionDenied),
        ("404", Code::Unimplemented),
        ("413", Code::Unknown),
        ("429", Code::Unavailable),
        ("502", Code::Unavailable),
        ("503", Code::Unavailable),
        ("504", Code::Unavailable),
    ] {
        let failed = fails(move |peer, stream| {
            peer.headers(stream, &[(":status", status), ("content-type", "text/html")], 0);
            peer.send(DATA, END_STREAM, stream, b"<html>trouble</html>");
        });
        check(&failed, code, &format!("Received http2 header with status: {status}"));
        assert!(!failed.is_word && !failed.never_left);
    }
}

/// A page with status 200 is no answer either.
#[test]
fn what_is_not_grpc_is_no_answer() {
    let failed = fails(|peer, stream| {
        peer.headers(stream, &[(":status", "200"), ("content-type", "text/html")], 0);
        peer.send(DATA, END_STREAM, stream, &message(b"hi"));
    });
    check(&failed, Code::Unknown, "text/html");
}

/// HAProxy ends half a result like a whole one, whatever it consists of.
#[test]
fn an_end_without_a_status_is_broken() {
    for sent in [&b""[..], b"\0\0", b"\0\0\0\0\x02hi"] {
        let failed = fails(move |peer, stream| {
            peer.headers(stream, REPLY, 0);
            peer.send(DATA, 0, stream, sent);
            peer.send(DATA, END_STREAM, stream, &[]);
        });
        check(&failed, Code::Unknown, "No status received");
        let failed = fails(move |peer, stream| {
            peer.headers(stream, REPLY, 0);
            peer.send(DATA, 0, stream, sent);
            peer.headers(stream, &[("x-other", "1")], END_STREAM);
        });
        check(&failed, Code::Unknown, "No status received");
    }
}

#[test]
fn a_message_shorter_than_its_prefix_is_broken() {
    for sent in [&b"\0\0"[..], b"\0\0\0\0\x09hi"] {
        let failed = fails(move |peer, stream| {
            peer.headers(stream, REPLY, 0);
            peer.send(DATA, 0, stream, sent);
            peer.headers(stream, OK, END_STREAM);
        });
        check(&failed, Code::Internal, "Stream removed");
    }
}

#[test]
fn a_flag_that_means_nothing_is_broken() {
    for (flag, text) in [(1, "Compression bit set"), (7, "unknown flag")] {
        let failed = fails(move |peer, stream| {
            peer.headers(stream, REPLY, 0);
            peer.send(DATA, 0, stream, &[flag, 0, 0, 0, 1, 0]);
            peer.headers(stream, OK, END_STREAM);
        });
        check(&failed, Code::Internal, text);
    }
}

/// `hello hello hello …` as zlib and gzip write it.
fn packed(encoding: &str) -> (Vec<u8>, Vec<u8>) {
    use std::io::Write;
    let plain = b"hello ".repeat(1000);
    let level = flate2::Compression::default();
    let packed = if encoding == "gzip" {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
        writer.write_all(&plain).unwrap();
        writer.finish().unwrap()
    } else {
        let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), level);
        writer.write_all(&plain).unwrap();
        writer.finish().unwrap()
    };
    (plain, packed)
}

/// Answers with *data* as a compressed message.
fn answer_packed(peer: &mut Peer, stream: u32, encoding: &str, data: &[u8]) {
    let headers = [REPLY, &[("grpc-encoding", encoding)]].concat();
    peer.headers(stream, &headers, 0);
    let mut framed = message(data);
    framed[0] = 1;
    peer.send(DATA, 0, stream, &framed);
    peer.headers(stream, OK, END_STREAM);
}

#[test]
fn compressed_messages_are_unpacked() {
    for encoding in ["gzip", "deflate"] {
        let (plain, data) = packed(encoding);
        let server = Server::new(move |peer| {
            let stream = peer.request().unwrap();
            answer_packed(peer, stream, encoding, &data);
            peer.drain();
        });
        let channel = server.channel();
        match ask(&channel, b"") {
            Outcome::Message(message) => assert_eq!(&message[..], &plain[..]),
            other => panic!("{encoding}: {other:?}"),
        }
        drop(channel);
        server.finish();
    }
}

#[test]
fn what_does_not_unpack_is_broken() {
    let (_, data) = packed("gzip");
    for (encoding, data) in
        [("gzip", data[..data.len() - 9].to_vec()), ("deflate", data.clone()), ("snappy", data)]
    {
        let failed = fails(move |peer, stream| answer_packed(peer, stream, encoding, &data));
        check(&failed, Code::Internal, "Decompression failed");
    }
}

#[test]
fn a_message_that_unpacks_to_more_than_the_limit_is_refused() {
    let (plain, data) = packed("gzip");
    for (limit, is_refused) in [(plain.len() - 1, true), (plain.len(), false)] {
        let data = data.clone();
        let server = Server::new(move |peer| {
            let stream = peer.request().unwrap();
            answer_packed(peer, stream, "gzip", &data);
            peer.drain();
        });
        let channel = open(Options { max_message_bytes: limit, ..server.options() }).unwrap();
        match ask(&channel, b"") {
            Outcome::Message(message) => assert!(!is_refused && message[..] == plain[..]),
            other => {
                assert!(is_refused);
                let text = "CLIENT: Received message larger than max";
                check(&failure(other), Code::ResourceExhausted, text);
            }
        }
        drop(channel);
        server.finish();
    }
}

#[test]
fn an_answer_has_exactly_one_message() {
    for sent in [
        Vec::new(),
        [message(b"one"), message(b"two")].concat(),
        [message(b""), message(b"")].concat(),
    ] {
        let server = Server::new(move |peer| {
            let stream = peer.request().unwrap();
            peer.headers(stream, REPLY, 0);
            peer.send(DATA, 0, stream, &sent);
            peer.headers(stream, OK, END_STREAM);
            peer.drain();
        });
        let channel = server.channel();
        assert!(matches!(ask(&channel, b""), Outcome::NotOne));
        drop(channel);
        server.finish();
    }
}

/// On the word of its prefix, before anything of it came.
#[test]
fn a_message_beyond_the_limit_is_refused_before_it_comes() {
    let server = Server::new(|peer| {
        let stream = peer.request().unwrap();
        peer.headers(stream, REPLY, 0);
        peer.send(DATA, 0, stream, b"\0\xff\xff\xff\xff");
        assert_eq!(peer.wait_for(RST_STREAM).unwrap().stream, stream);
        peer.drain();
    });
    let channel = open(Options { max_message_bytes: 4096, ..server.options() }).unwrap();
    let failed = failure(ask(&channel, b""));
    check(&failed, Code::ResourceExhausted, "larger than max (4294967295 vs. 4096)");
    drop(channel);
    server.finish();
}

/// The peer's words for it are gRPC's: REFUSED_STREAM proves nothing behind HAProxy.
#[test]
fn a_reset_is_what_its_code_says_and_proves_nothing() {
    for (code, expected) in [
        (0, Code::Internal),
        (1, Code::Internal),
        (2, Code::Internal),
        (7, Code::Unavailable),
        (8, Code::Cancelled),
        (11, Code::ResourceExhausted),
        (12, Code::PermissionDenied),
        (13, Code::Internal),
    ] {
        for in_an_answer in [false, true] {
            let failed = fails(move |peer, stream| {
                if in_an_answer {
                    peer.headers(stream, REPLY, 0);
                    peer.send(DATA, 0, stream, &message(b"half"));
                }
                peer.send(RST_STREAM, 0, stream, &u32::to_be_bytes(code));
            });
            check(&failed, expected, &format!("Received RST_STREAM with error code {code}"));
            assert!(!failed.never_left);
        }
    }
}

#[test]
fn garbage_is_broken() {
    for begins in [false, true] {
        let failed = fails(move |peer, stream| {
            use std::io::Write;

            if begins {
                peer.headers(stream, REPLY, 0);
                peer.send(DATA, 0, stream, &message(b"half"));
            }
            let _ = peer.socket.write_all(&[0xff; 99]);
        });
        check(&failed, Code::Internal, "Stream removed");
    }
}

#[test]
fn headers_are_bounded() {
    let long = "x".repeat(70_000);
    let failed = fails(move |peer, stream| {
        peer.headers(stream, &[REPLY, &[("x-large", &long)]].concat(), 0);
        peer.send(DATA, 0, stream, &message(b"hi"));
        peer.headers(stream, OK, END_STREAM);
    });
    assert!(!failed.is_word && !failed.never_left, "{failed:?}");
}

/// A long text of the engine's comes whole; what is too much is left out, and the status counts.
#[test]
fn trailers_may_be_long() {
    let long = "x".repeat(40_000);
    let text = long.clone();
    let failed = fails(move |peer, stream| {
        let status = [("grpc-status", "13"), ("grpc-message", &*text)];
        peer.headers(stream, &[REPLY, &status].concat(), END_STREAM);
    });
    assert_eq!((failed.code, failed.text), (Code::Internal, long));
    let server = Server::new(|peer| {
        let stream = peer.request().unwrap();
        peer.headers(stream, REPLY, 0);
        peer.send(DATA, 0, stream, &message(b"hi"));
        let long = "x".repeat(70_000);
        peer.headers(stream, &[OK, &[("x-large", &long)]].concat(), END_STREAM);
        peer.drain();
    });
    let channel = server.channel();
    assert_eq!(bytes(ask(&channel, b"")), b"hi");
    drop(channel);
    server.finish();
}

#[test]
fn a_flood_ends_the_connection() {
    let kinds: [(u8, u8, &[u8]); 2] = [(DATA, 0, &[]), (CONTINUATION, 0, &[])];
    for (kind, flags, payload) in kinds {
        let failed = fails(move |peer, stream| {
            if kind == CONTINUATION {
                peer.send(HEADERS, 0, stream, &block(REPLY));
            } else {
                peer.headers(stream, REPLY, 0);
            }
            for _ in 0..100_000 {
                peer.send(kind, flags, stream, payload);
            }
        });
        assert!(matches!(failed.code, Code::Internal | Code::Unavailable), "{failed:?}");
    }
}
