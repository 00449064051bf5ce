//! Calls on one connection: limits, deadlines, cancelling, closing, threads.

use std::sync::mpsc::channel as pipe;
use std::time::{Duration, Instant};

use crate::support::*;

use e6data_transport::{open, Call, Code, Options};

/// gRPC's server refuses a stream above the limit, so it is not sent.
#[test]
fn streams_above_the_limit_wait() {
    let server = Server::with_settings(&[(3, 1)], |peer| {
        for _ in 0..3 {
            let stream = peer.request().unwrap();
            assert_eq!(peer.requests.len(), 1, "only one at a time");
            peer.requests.clear();
            peer.answer(stream, b"in turn", 99);
        }
        peer.drain();
    });
    let channel = server.channel();
    let exchanges: Vec<_> = (0..3).map(|_| channel.start(call(b"")).unwrap()).collect();
    for exchange in exchanges {
        assert_eq!(bytes(exchange.outcome()), b"in turn");
    }
    drop(channel);
    server.finish();
}

#[test]
fn a_deadline_ends_the_call_and_the_server_hears_of_it() {
    let server = Server::new(|peer| {
        let stream = peer.request().unwrap();
        let reset = peer.wait_for(RST_STREAM).unwrap();
        assert_eq!((reset.stream, reset.payload), (stream, 8u32.to_be_bytes().to_vec()));
        peer.drain();
    });
    let channel = server.channel();
    let short = Call { timeout: Duration::from_millis(60), ..call(b"") };
    let failed = failure(channel.start(short).unwrap().outcome());
    check(&failed, Code::DeadlineExceeded, "");
    drop(channel);
    server.finish();
}

/// tonic says CANCELLED of a deadline; our own clock decides.
#[test]
fn a_cancellation_at_the_deadline_is_the_deadline() {
    let server = Server::new(|peer| {
        for _ in 0..2 {
            // The second may not even have left in its time.
            let Some(stream) = peer.request() else { return };
            let status = [("grpc-status", "1"), ("grpc-message", "Timeout expired")];
            peer.headers(stream, &[REPLY, &status].concat(), END_STREAM);
        }
        peer.drain();
    });
    let channel = server.channel();
    // Long before it, a cancellation is one.
    check(&failure(ask(&channel, b"")), Code::Cancelled, "Timeout expired");
    let short = Call { timeout: Duration::from_millis(40), ..call(b"") };
    check(&failure(channel.start(short).unwrap().outcome()), Code::DeadlineExceeded, "");
    drop(channel);
    server.finish();
}

#[test]
fn any_thread_cancels_at_once() {
    let (asked, is_asked) = pipe();
    let server = Server::new(move |peer| {
        let stream = peer.request().unwrap();
        asked.send(()).unwrap();
        let reset = peer.wait_for(RST_STREAM).unwrap();
        assert_eq!((reset.stream, reset.payload), (stream, 8u32.to_be_bytes().to_vec()));
        peer.drain();
    });
    let channel = server.channel();
    let exchange = channel.start(call(b"")).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| exchange.outcome());
        is_asked.recv_timeout(PATIENCE).unwrap();
        exchange.cancel();
        check(&failure(waiting.join().unwrap()), Code::Cancelled, "Locally cancelled");
    });
    drop(exchange);
    drop(channel);
    server.finish();
}

#[test]
fn closing_ends_every_call() {
    let (asked, is_asked) = pipe();
    let server = Server::new(move |peer| {
        for _ in 0..3 {
            peer.request().unwrap();
        }
        asked.send(()).unwrap();
        peer.drain();
    });
    let channel = server.channel();
    let exchanges: Vec<_> = (0..3).map(|_| channel.start(call(b"")).unwrap()).collect();
    std::thread::scope(|scope| {
        let waiting: Vec<_> =
            exchanges[1..].iter().map(|exchange| scope.spawn(|| exchange.outcome())).collect();
        is_asked.recv_timeout(PATIENCE).unwrap();
        channel.close();
        for thread in waiting {
            check(&failure(thread.join().unwrap()), Code::Cancelled, "closed");
        }
    });
    check(&failure(exchanges[0].outcome()), Code::Cancelled, "closed");
    assert!(channel.start(call(b"")).is_none());
    drop(exchanges);
    server.finish();
}

/// Answers come in another order than threads wait, and nobody reads the third meanwhile.
#[test]
fn threads_share_a_connection_and_none_stops_another() {
    let server = Server::new(|peer| {
        let mut streams: Vec<u32> = (0..3).map(|_| peer.request().unwrap()).collect();
        streams.reverse();
        for stream in streams {
            let request = peer.requests.iter().find(|known| known.0 == stream).unwrap();
            let data = vec![request.1[5]; 3_000_000];
            peer.answer(stream, &data, 16_384);
        }
        peer.drain();
    });
    let channel = server.channel();
    let exchanges: Vec<_> = (0..3u8).map(|index| channel.start(call(&[index])).unwrap()).collect();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = exchanges[..2]
            .iter()
            .map(|exchange| scope.spawn(|| bytes(exchange.outcome())))
            .collect();
        for (index, thread) in waiting.into_iter().enumerate() {
            assert!(thread.join().unwrap() == vec![index as u8; 3_000_000]);
        }
    });
    assert!(bytes(exchanges[2].outcome()) == vec![2; 3_000_000]);
    drop(exchanges);
    drop(channel);
    server.finish();
}

/// What cannot be sent is refused by name, and never with its value.
#[test]
fn headers_that_do_not_fit_are_refused() {
    let server = Server::new(Peer::drain);
    let channel = server.channel();
    for (name, value) in [("Upper", "x"), ("a b", "x"), ("x-secret", "line\nbreak")] {
        let bad = Call { secret: vec![(name.to_owned(), value.to_owned())], ..call(b"") };
        let failed = failure(channel.start(bad).unwrap().outcome());
        check(&failed, Code::InvalidArgument, name);
        assert!(!failed.text.contains("break"));
    }
    drop(channel);
    server.finish();
}

#[test]
fn a_message_beyond_the_limit_is_not_sent() {
    let server = Server::new(Peer::drain);
    let channel = open(Options { max_message_bytes: 10, ..server.options() }).unwrap();
    let failed = failure(ask(&channel, &[0; 11]));
    check(&failed, Code::ResourceExhausted, "Sent message larger than max (11 vs. 10)");
    drop(channel);
    server.finish();
}

/// A reader that computes for long loses nothing: its call leaves, and its answer comes in before the deadline.
#[test]
fn a_call_that_nobody_waits_for_is_looked_after() {
    let (answered, is_answered) = pipe();
    let server = Server::new(move |peer| {
        let stream = peer.request().unwrap();
        peer.answer(stream, &vec![7; 20_000_000], 16_384);
        answered.send(()).unwrap();
        peer.drain();
    });
    let channel = server.channel();
    let exchange = channel.start(call(b"")).unwrap();
    std::thread::scope(|scope| {
        let tending = scope.spawn(|| channel.tend(Instant::now() + PATIENCE));
        is_answered.recv_timeout(PATIENCE).unwrap();
        assert!(bytes(exchange.outcome()) == vec![7; 20_000_000]);
        channel.close();
        tending.join().unwrap();
    });
    drop(exchange);
    server.finish();
}
