//! Connections: made, kept, refused, lost, shared by calls, and left.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel as pipe;
use std::time::{Duration, Instant};

use crate::support::*;
use socket2::{Domain, Socket, Type};

use e6data_transport::{open, Code, Keepalive, Options, Proxy, Waited};

/// A port that refuses connections as long as the socket lives: it is bound, and does not listen.
fn refused_port() -> (u16, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    (socket.local_addr().unwrap().as_socket().unwrap().port(), socket)
}

#[test]
fn a_refused_connection_is_named_and_nothing_left() {
    let (port, _socket) = refused_port();
    let channel = open(Options::new("127.0.0.1", port)).unwrap();
    let failed = failure(ask(&channel, b""));
    check(&failed, Code::Unavailable, "failed to connect to all addresses");
    assert!(failed.text.contains("refused") && failed.never_left);
    // During the pause the reason is told again, at once.
    let again = failure(ask(&channel, b""));
    assert_eq!((again.text, again.never_left), (failed.text, true));
}

#[test]
fn after_the_pause_it_is_tried_again() {
    let server = Server::of_sockets(vec![
        Box::new(drop),
        Box::new(|socket: TcpStream| {
            let mut peer = Peer::greet(socket, &[]);
            let stream = peer.request().unwrap();
            peer.answer(stream, b"here", 99);
            peer.drain();
        }),
    ]);
    let channel = server.channel();
    assert!(failure(ask(&channel, b"")).never_left);
    let end = Instant::now() + PATIENCE;
    loop {
        match ask(&channel, b"") {
            e6data_transport::Outcome::Message(message) => break assert_eq!(&*message, b"here"),
            failed => assert!(Instant::now() < end, "{failed:?}"),
        }
        std::thread::yield_now();
    }
    drop(channel);
    server.finish();
}

#[test]
fn a_silent_peer_is_given_up() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = deaf.local_addr().unwrap().port();
    let options = Options::new("127.0.0.1", port);
    let channel = open(Options { connect_timeout: Duration::from_millis(50), ..options }).unwrap();
    let failed = failure(ask(&channel, b""));
    check(&failed, Code::Unavailable, "timed out");
    assert!(failed.never_left);
}

#[test]
fn a_stranger_is_named() {
    for (said, text) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "http1.x"),
        (b"\x15\x03\x03\0\x02\x02\x50", "Socket closed: the peer speaks TLS"),
        (b"220 mail.example ESMTP\r\n", "does not speak HTTP/2"),
        (b"", "Socket closed"),
    ] {
        let server = Server::of_sockets(vec![Box::new(move |mut socket: TcpStream| {
            let mut preface = [0; 24];
            socket.read_exact(&mut preface).unwrap();
            socket.write_all(said).unwrap();
            socket.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
        })]);
        let channel = server.channel();
        let failed = failure(ask(&channel, b""));
        check(&failed, Code::Unavailable, text);
        assert!(failed.never_left);
        drop(channel);
        server.finish();
    }
}

#[test]
fn names_have_addresses() {
    let server = Server::new(|peer| {
        let stream = peer.request().unwrap();
        peer.answer(stream, b"by name", 99);
        peer.drain();
    });
    let channel = open(Options::new("localhost", server.port)).unwrap();
    assert_eq!(bytes(ask(&channel, b"")), b"by name");
    drop(channel);
    server.finish();
    let channel = open(Options::new("no-such-host.invalid", 1)).unwrap();
    let failed = failure(ask(&channel, b""));
    check(&failed, Code::Unavailable, "DNS resolution failed");
    assert!(failed.never_left);
}

#[test]
fn an_idle_connection_that_ended_is_no_fault() {
    let greeting = |goes: bool| {
        move |socket: TcpStream| {
            let mut peer = Peer::greet(socket, &[]);
            let stream = peer.request().unwrap();
            peer.answer(stream, b"once", 99);
            if goes {
                peer.go_away(stream, 2, "connection idle");
            }
            peer.close();
        }
    };
    let server = Server::of_sockets(vec![Box::new(greeting(true)), Box::new(greeting(false))]);
    let channel = server.channel();
    for _ in 0..2 {
        assert_eq!(bytes(ask(&channel, b"")), b"once");
    }
    drop(channel);
    server.finish();
}

/// HAProxy and nginx write a last stream below calls that they have passed on.
#[test]
fn a_goaway_proves_nothing_of_what_went_out() {
    let failed = fails(|peer, _| {
        peer.go_away(0, 0, "reload");
        peer.close();
    });
    check(&failed, Code::Unavailable, "GOAWAY received; Error code: 0; Last stream: 0");
    assert!(failed.text.contains("reload") && !failed.never_left);
}

#[test]
fn enough_of_pings_is_said() {
    let failed = fails(|peer, stream| {
        peer.go_away(stream, 11, "too_many_pings");
        peer.close();
    });
    check(&failed, Code::Unavailable, "Error code: 11");
}

/// As grpc-core and tonic do it: the real last stream comes after the answer to a ping.
#[test]
fn a_graceful_end_lets_calls_finish_and_takes_no_more() {
    let (told, tell) = pipe();
    let second = move |socket: TcpStream| {
        let mut peer = Peer::greet(socket, &[]);
        let stream = peer.request().unwrap();
        peer.answer(stream, b"second", 99);
        told.send(()).unwrap();
        peer.drain();
    };
    let (gone, is_gone) = pipe();
    let first = move |socket: TcpStream| {
        let mut peer = Peer::greet(socket, &[]);
        let stream = peer.request().unwrap();
        peer.go_away(0x7fff_ffff, 0, "");
        peer.send(PING, 0, 0, b"graceful");
        loop {
            let frame = peer.frame().unwrap();
            if frame.kind == PING && frame.flags & ACK != 0 {
                assert_eq!(frame.payload, b"graceful");
                break;
            }
        }
        peer.go_away(stream, 0, "");
        gone.send(()).unwrap();
        // The new connection is served beside this one, which still owes an answer.
        std::thread::spawn(move || {
            tell.recv_timeout(PATIENCE).unwrap();
            peer.answer(stream, b"first", 99);
            peer.drain();
        });
    };
    let server = Server::of_sockets(vec![Box::new(first), Box::new(second)]);
    let channel = server.channel();
    let exchange = channel.start(call(b"")).unwrap();
    let end = Instant::now() + PATIENCE;
    while is_gone.try_recv().is_err() {
        assert!(Instant::now() < end);
        let until = Instant::now() + Duration::from_millis(5);
        assert!(matches!(exchange.wait(Some(until)), Waited::NotYet));
    }
    assert_eq!(bytes(ask(&channel, b"")), b"second");
    assert_eq!(bytes(exchange.outcome()), b"first");
    drop(channel);
    server.finish();
}

/// The window never opens, so the last byte is still here when the connection ends.
#[test]
fn a_request_that_did_not_go_out_whole_is_known() {
    let ends: [fn(&mut Peer); 3] = [
        Peer::close,
        |peer| peer.send(RST_STREAM, 0, 1, &7u32.to_be_bytes()),
        |peer| {
            peer.go_away(0, 0, "");
            peer.close();
        },
    ];
    for end in ends {
        let server = Server::with_settings(&[(4, 1000)], move |peer| {
            let mut taken = 0;
            while taken < 1000 {
                let frame = peer.frame().unwrap();
                taken += if frame.kind == DATA { frame.payload.len() } else { 0 };
            }
            end(peer);
            peer.drain();
        });
        let channel = server.channel();
        let failed = failure(ask(&channel, &[7; 5000]));
        check(&failed, Code::Unavailable, "");
        assert!(failed.never_left, "{failed:?}");
        drop(channel);
        server.finish();
    }
}

/// Windows that change in the midst of a request: settings may close and open them.
#[test]
fn settings_may_change_at_any_time() {
    let server = Server::with_settings(&[(4, 100)], |peer| {
        let mut taken = 0;
        while taken < 100 {
            let frame = peer.frame().unwrap();
            taken += if frame.kind == DATA { frame.payload.len() } else { 0 };
        }
        peer.settings(&[(4, 1_000_000), (5, 20_000)]);
        loop {
            let frame = peer.frame().unwrap();
            if frame.kind == DATA {
                taken += frame.payload.len();
                if frame.flags & END_STREAM != 0 {
                    break;
                }
            }
        }
        assert_eq!(taken, 50_005);
        peer.answer(1, b"all of it", 3);
        peer.drain();
    });
    let channel = server.channel();
    assert_eq!(bytes(ask(&channel, &vec![7; 50_000])), b"all of it");
    drop(channel);
    server.finish();
}

const HASTY: Keepalive = Keepalive {
    after: Duration::from_millis(20),
    answer: Duration::from_millis(500),
    spaced: Duration::from_millis(20),
};

#[test]
fn a_dead_connection_is_noticed_and_a_slow_one_is_not() {
    let server = Server::new(|peer| {
        let stream = peer.request().unwrap();
        for _ in 0..3 {
            peer.wait_for(PING).unwrap();
        }
        peer.answer(stream, b"slow", 99);
        peer.request().unwrap();
        peer.answers_pings = false;
        peer.drain();
    });
    let patient = Keepalive { answer: PATIENCE, ..HASTY };
    let channel = open(Options { keepalive: patient, ..server.options() }).unwrap();
    assert_eq!(bytes(ask(&channel, b"")), b"slow");
    drop(channel);
    drop(server);
    let server = Server::new(|peer| {
        peer.answers_pings = false;
        peer.request().unwrap();
        peer.drain();
    });
    let channel = open(Options { keepalive: HASTY, ..server.options() }).unwrap();
    check(&failure(ask(&channel, b"")), Code::Unavailable, "did not answer a ping");
    drop(channel);
    server.finish();
}

#[test]
fn a_proxy_is_asked_to_connect() {
    let server = Server::of_sockets(vec![Box::new(|mut socket: TcpStream| {
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            asked.extend(byte);
        }
        let asked = String::from_utf8(asked).unwrap();
        assert!(asked.starts_with("CONNECT engine.invalid:443 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("Proxy-Authorization: Basic YW5uOnNAY3JldA==\r\n"), "{asked}");
        socket.write_all(b"HTTP/1.1 200 Connection established\r\nVia: p\r\n\r\n").unwrap();
        let mut peer = Peer::greet(socket, &[]);
        let stream = peer.request().unwrap();
        peer.answer(stream, b"through", 99);
        peer.drain();
    })]);
    let proxy = Proxy {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        credentials: Some("ann:s@cret".to_owned()),
    };
    let channel =
        open(Options { proxy: Some(proxy), ..Options::new("engine.invalid", 443) }).unwrap();
    assert_eq!(bytes(ask(&channel, b"")), b"through");
    drop(channel);
    server.finish();
}

#[test]
fn a_proxy_that_refuses_is_named() {
    let server = Server::of_sockets(vec![Box::new(|mut socket: TcpStream| {
        socket.write_all(b"HTTP/1.1 407 Who are you\r\n\r\n").unwrap();
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
    })]);
    let proxy = Proxy { host: "127.0.0.1".to_owned(), port: server.port, credentials: None };
    let channel =
        open(Options { proxy: Some(proxy), ..Options::new("engine.invalid", 443) }).unwrap();
    let failed = failure(ask(&channel, b""));
    check(&failed, Code::Unavailable, "HTTP proxy returned response code 407");
    assert!(failed.never_left);
    drop(channel);
    server.finish();
}
