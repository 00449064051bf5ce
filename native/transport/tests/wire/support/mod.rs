//! A peer on loopback whose every frame the test decides.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use e6data_transport::{open, Call, Channel, Code, Failure, Options, Outcome};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const REPLY: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/grpc")];
pub const OK: &[(&str, &str)] = &[("grpc-status", "0")];

/// Long enough for a loaded machine; whoever waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// One connection, from the server's side.
pub struct Peer {
    pub socket: TcpStream,
    /// What the requests consist of, by stream.
    pub requests: Vec<(u32, Vec<u8>)>,
    /// Frames that are not of requests, oldest first.
    pub others: Vec<Frame>,
    /// Header blocks as they came.
    pub blocks: Vec<u8>,
    pub answers_pings: bool,
}

impl Peer {
    /// Takes the preface and the client's settings, and sends its own.
    pub fn greet(socket: TcpStream, settings: &[(u16, u32)]) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut peer = Self {
            socket,
            requests: Vec::new(),
            others: Vec::new(),
            blocks: Vec::new(),
            answers_pings: true,
        };
        let mut preface = [0; 24];
        peer.socket.read_exact(&mut preface).unwrap();
        assert!(preface.starts_with(b"PRI * HTTP/2.0"));
        peer.settings(settings);
        peer
    }

    pub fn settings(&mut self, settings: &[(u16, u32)]) {
        let mut payload = Vec::new();
        for (key, value) in settings {
            payload.extend(key.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        self.send(SETTINGS, 0, 0, &payload);
    }

    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        // The client may have left.
        let _ = self.socket.write_all(&bytes);
    }

    /// The next frame; None where the client has left.
    pub fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.socket.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.socket.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]),
            PING if frame.flags & ACK == 0 && self.answers_pings => {
                self.send(PING, ACK, 0, &frame.payload);
            }
            _ => {}
        }
        Some(frame)
    }

    /// The stream of the next request that came whole; None where the client has left.
    pub fn request(&mut self) -> Option<u32> {
        loop {
            let frame = self.frame()?;
            match frame.kind {
                HEADERS => {
                    self.blocks.extend(&frame.payload);
                    self.requests.push((frame.stream, Vec::new()));
                }
                DATA => {
                    let length = frame.payload.len() as u32;
                    let request = self.requests.iter_mut().find(|known| known.0 == frame.stream);
                    request.unwrap().1.extend(frame.payload);
                    if length > 0 {
                        self.send(8, 0, 0, &length.to_be_bytes());
                    }
                    if frame.flags & END_STREAM != 0 {
                        return Some(frame.stream);
                    }
                }
                _ => self.others.push(frame),
            }
        }
    }

    /// Waits for a frame of *kind* that is no acknowledgement; None where the client has left.
    pub fn wait_for(&mut self, kind: u8) -> Option<Frame> {
        if let Some(index) =
            self.others.iter().position(|frame| frame.kind == kind && frame.flags & ACK == 0)
        {
            return Some(self.others.remove(index));
        }
        loop {
            let frame = self.frame()?;
            if frame.kind == kind && (kind == RST_STREAM || frame.flags & ACK == 0) {
                return Some(frame);
            }
        }
    }

    pub fn headers(&mut self, stream: u32, headers: &[(&str, &str)], flags: u8) {
        let block = block(headers);
        let mut pieces = block.chunks(16_384).peekable();
        let mut kind = HEADERS;
        while let Some(piece) = pieces.next() {
            let end = if pieces.peek().is_none() { END_HEADERS } else { 0 };
            let first = if kind == HEADERS { flags } else { 0 };
            self.send(kind, end | first, stream, piece);
            kind = CONTINUATION;
        }
    }

    /// A sound answer: *data* as one message, in frames of *size*.
    pub fn answer(&mut self, stream: u32, data: &[u8], size: usize) {
        self.headers(stream, REPLY, 0);
        for piece in message(data).chunks(size) {
            self.send(DATA, 0, stream, piece);
        }
        self.headers(stream, OK, END_STREAM);
    }

    pub fn go_away(&mut self, last: u32, code: u32, text: &str) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend(code.to_be_bytes());
        payload.extend(text.as_bytes());
        self.send(GOAWAY, 0, 0, &payload);
    }

    pub fn close(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Reads until the client leaves.
    pub fn drain(&mut self) {
        while self.frame().is_some() {}
    }
}

/// *headers* as HPACK without table and Huffman code.
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            let mut length = text.len();
            if length < 127 {
                block.push(length as u8);
            } else {
                block.push(127);
                length -= 127;
                while length >= 128 {
                    block.push((length % 128 + 128) as u8);
                    length /= 128;
                }
                block.push(length as u8);
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

/// *data* as gRPC frames it.
pub fn message(data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend((data.len() as u32).to_be_bytes());
    bytes.extend(data);
    bytes
}

/// A server whose connections are played one after the other, each by its script.
pub struct Server {
    pub port: u16,
    thread: Option<JoinHandle<()>>,
    failed: Receiver<()>,
}

type Script = Box<dyn FnOnce(TcpStream) + Send>;

impl Server {
    pub fn of_sockets(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, failed): (Sender<()>, Receiver<()>) = channel();
        let thread = std::thread::spawn(move || {
            for script in scripts {
                let (socket, _) = listener.accept().unwrap();
                script(socket);
            }
            let _ = sender.send(());
        });
        Self { port, thread: Some(thread), failed }
    }

    /// One connection, with the settings given.
    pub fn with_settings(
        settings: &'static [(u16, u32)],
        script: impl FnOnce(&mut Peer) + Send + 'static,
    ) -> Self {
        Self::of_sockets(vec![Box::new(move |socket| script(&mut Peer::greet(socket, settings)))])
    }

    pub fn new(script: impl FnOnce(&mut Peer) + Send + 'static) -> Self {
        Self::with_settings(&[], script)
    }

    pub fn options(&self) -> Options {
        Options::new("127.0.0.1", self.port)
    }

    pub fn channel(&self) -> Channel {
        open(self.options()).unwrap()
    }

    /// Waits for the scripts to end; a failed assertion in them fails the test.
    pub fn finish(mut self) {
        assert!(self.failed.recv_timeout(PATIENCE).is_ok(), "a script failed or did not end");
        self.thread.take().unwrap().join().unwrap();
    }
}

pub fn call(message: &[u8]) -> Call {
    Call {
        path: "/Service/method".to_owned(),
        message: message.to_vec(),
        headers: vec![("cluster-name".to_owned(), "c".to_owned())],
        secret: Vec::new(),
        timeout: PATIENCE,
    }
}

/// What one call brings.
pub fn ask(channel: &Channel, data: &[u8]) -> Outcome {
    channel.start(call(data)).unwrap().outcome()
}

pub fn bytes(outcome: Outcome) -> Vec<u8> {
    match outcome {
        Outcome::Message(message) => message.to_vec(),
        other => panic!("no message: {other:?}"),
    }
}

pub fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

/// How a call fails whose server plays *script* once the request is there.
pub fn fails(script: impl FnOnce(&mut Peer, u32) + Send + 'static) -> Failure {
    let server = Server::new(move |peer| {
        let stream = peer.request().unwrap();
        script(peer, stream);
        peer.drain();
    });
    let channel = server.channel();
    let failed = failure(ask(&channel, b"asked"));
    drop(channel);
    server.finish();
    failed
}

pub fn check(failed: &Failure, code: Code, text: &str) {
    assert_eq!(failed.code, code, "{failed:?}");
    assert!(failed.text.contains(text), "{failed:?}");
}
