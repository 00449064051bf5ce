//! Whole conversations with a server made of the `h2` crate: its Huffman code and table, its windows, its frames.

mod support;

use std::collections::HashMap;

use bytes::Bytes;
use e6data_http2::{hpack, Connection, Event};
use http::{HeaderMap, Response};
use support::{Random, LIMITS};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Answers each request with its body, doubled, and with its fields.
async fn serve(io: DuplexStream, window: u32, streams: u32) {
    let mut connection = h2::server::Builder::new()
        .initial_window_size(window)
        .max_concurrent_streams(streams)
        .handshake::<_, Bytes>(io)
        .await
        .unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let (parts, mut body) = request.into_parts();
            let mut all = Vec::new();
            while let Some(piece) = body.data().await {
                let piece = piece.unwrap();
                body.flow_control().release_capacity(piece.len()).unwrap();
                all.extend_from_slice(&piece);
            }
            let mut head = Response::builder().header("content-type", "application/grpc");
            for (name, value) in &parts.headers {
                head = head.header(name, value);
            }
            let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
            stream.send_data([&all[..], &all[..]].concat().into(), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            trailers.insert("x-length", all.len().to_string().parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        });
    }
}

#[derive(Default)]
struct Answer {
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    length: Option<usize>,
}

async fn converse(mut io: DuplexStream, mut random: Random, requests: usize, most: usize) {
    let mut connection = Connection::new(LIMITS);
    let mut asked: HashMap<u32, (Vec<u8>, String)> = HashMap::new();
    let mut answers: HashMap<u32, Answer> = HashMap::new();
    let (mut started, mut ended) = (0, 0);
    let mut ahead = vec![0; 32 * 1024];
    while ended < requests {
        // One is always under way, or nothing would come.
        while started < requests
            && connection.has_room()
            && (started == ended || random.below(3) > 0)
        {
            let large = [0, 10, 1_000, 70_000, 300_000][random.below(5)];
            let body: Vec<u8> = (0..random.below(large.min(most) + 1)).map(|at| at as u8).collect();
            let value = format!("{started} <some text?>").repeat(random.below(20));
            let value: String = value.chars().filter(char::is_ascii_graphic).collect();
            let mut block = Vec::new();
            hpack::put_known(&mut block, 3);
            hpack::put_known(&mut block, 6);
            hpack::put_field(&mut block, b":authority", b"test", false);
            hpack::put_field(&mut block, b":path", b"/a/b", false);
            hpack::put_field(&mut block, b"x-kept", value.as_bytes(), random.below(2) == 0);
            let stream = connection.request(&block, body.clone());
            asked.insert(stream, (body, value));
            started += 1;
        }
        while !connection.output().is_empty() {
            let count = 1 + random.below(connection.output().len());
            let count = count.min(8 * 1024);
            io.write_all(&connection.output()[..count]).await.unwrap();
            connection.wrote(count);
        }
        let direct = connection.data_ahead().filter(|_| random.below(2) == 0);
        let most = direct.map_or(ahead.len(), |(_, most)| 1 + random.below(most.min(ahead.len())));
        let count = io.read(&mut ahead[..most]).await.unwrap();
        assert!(count > 0, "the server left");
        if let Some((stream, _)) = direct {
            answers.get_mut(&stream).unwrap().body.extend_from_slice(&ahead[..count]);
        }
        let mut on = |event: Event<'_>| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            match event {
                Event::Head { stream, fields } => {
                    let answer = answers.entry(stream).or_default();
                    answer.fields =
                        fields.iter().map(|(name, value)| (text(name), text(value))).collect();
                }
                Event::Data { stream, data } => {
                    answers.get_mut(&stream).unwrap().body.extend_from_slice(data);
                }
                Event::End { stream, trailers } => {
                    let length = trailers.unwrap().get("x-length").unwrap();
                    answers.get_mut(&stream).unwrap().length = text(length).parse().ok();
                    ended += 1;
                }
                Event::Broken { stream, why, .. } => panic!("{stream} broke: {why:?}"),
                Event::Pong => {}
            }
        };
        match direct {
            Some(_) => connection.passed(count, &mut on),
            None => connection.receive(&ahead[..count], &mut on).unwrap(),
        }
    }
    for (stream, (body, value)) in asked {
        let answer = &answers[&stream];
        assert!(answer.body == [&body[..], &body[..]].concat());
        assert_eq!(answer.length, Some(body.len()));
        assert_eq!(answer.fields[0], (":status".to_owned(), "200".to_owned()));
        assert!(answer.fields.contains(&("x-kept".to_owned(), value)));
    }
}

#[test]
fn conversations_with_the_h2_crate() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (seed, window, streams) in
        [(1, 65_535, 100), (2, 1, 3), (3, 1 << 20, 1), (4, 1_000, 8), (5, 0x7fff_ffff, 50)]
    {
        runtime.block_on(async {
            // Neither waits for the other to read.
            let (client, server) = tokio::io::duplex(64 << 20);
            let serving = tokio::spawn(serve(server, window, streams));
            // Byte by byte a large body takes its time.
            let (requests, most) = if window < 10 { (3, 100) } else { (60, 300_000) };
            let random = Random::new(seed);
            converse(client, random, requests, most).await;
            serving.await.unwrap();
        });
    }
}
