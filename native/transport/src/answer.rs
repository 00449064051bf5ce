//! The answer to one call: its message, gathered and bounded, and the status at its end.

use e6data_http2::{Event, Fields, Why};

use crate::buffers::{Buffers, Gathering, Message};
use crate::compression::Encoding;
use crate::status::{code_of_http, status_of, Code, Failure};

/// What a call brought.
#[derive(Debug)]
pub enum Outcome {
    /// The one message of the answer.
    Message(Message),
    /// The server was content, and did not send exactly one message.
    NotOne,
    /// How the call failed.
    Failed(Failure),
}

/// How a stream ended before its answer did.
pub enum Broken {
    /// On the way; *was_sent* is whether all of the request had gone out.
    Stream { why: Why, was_sent: bool },
    /// By what the answer says.
    Answer(Failure),
}

/// The flag of a message that is compressed.
const PACKED: u8 = 1;

/// The message of an answer, as far as it is here.
struct Gathered {
    prefix: [u8; 5],
    prefix_bytes: usize,
    message: Option<Gathering>,
    encoding: Encoding,
}

/// One call on its stream.
pub struct Answer {
    pub stream: u32,
    /// The status that headers bring which have no trailers after them.
    alone: Option<Result<(), Failure>>,
    gathered: Gathered,
    max_bytes: usize,
    buffers: Buffers,
    result: Option<Result<Outcome, Broken>>,
}

impl Answer {
    pub fn new(stream: u32, max_bytes: usize, buffers: Buffers) -> Self {
        Self {
            stream,
            alone: None,
            gathered: Gathered {
                prefix: [0; 5],
                prefix_bytes: 0,
                message: None,
                encoding: Encoding::None,
            },
            max_bytes,
            buffers,
            result: None,
        }
    }

    /// What has come of it, once.
    pub fn result(&mut self) -> Option<Result<Outcome, Broken>> {
        self.result.take()
    }

    /// Take what came. After its result the rest does not matter.
    pub fn take(&mut self, event: &Event<'_>) {
        if self.result.is_some() {
            return;
        }
        self.result = match event {
            Event::Head { fields, .. } => {
                self.begin(fields).err().map(|failure| Err(Broken::Answer(failure)))
            }
            Event::Data { data, .. } => {
                match self.gathered.take(data, self.max_bytes, &self.buffers) {
                    Ok(true) => None,
                    Ok(false) => Some(Ok(Outcome::NotOne)),
                    Err(failure) => Some(Err(Broken::Answer(failure))),
                }
            }
            Event::End { trailers, .. } => Some(self.finish(*trailers).map_err(Broken::Answer)),
            Event::Broken { why, was_sent, .. } => {
                Some(Err(Broken::Stream { why: *why, was_sent: *was_sent }))
            }
            Event::Pong => None,
        };
    }

    /// Where up to *most* bytes of data that come next are to be read to; empty where they have to be taken.
    pub fn room(&mut self, most: usize) -> &mut [u8] {
        match &mut self.gathered.message {
            Some(message) if self.result.is_none() => message.room(most),
            _ => &mut [],
        }
    }

    /// *count* bytes were read there.
    pub fn fill(&mut self, count: usize) {
        if let Some(message) = &mut self.gathered.message {
            message.fill(count);
        }
    }

    fn begin(&mut self, fields: &Fields) -> Result<(), Failure> {
        self.alone = status_of(fields);
        if self.alone.is_some() {
            return Ok(());
        }
        let status = fields.get(":status").map(String::from_utf8_lossy).unwrap_or_default();
        if status != "200" {
            let text = format!("Received http2 header with status: {status}");
            return Err(Failure::new(code_of_http(status.parse().unwrap_or(0)), text));
        }
        match fields.get("content-type") {
            Some(kind) if !kind.starts_with(b"application/grpc") => {
                let kind = String::from_utf8_lossy(kind);
                let text = format!("Stream removed (the answer is not gRPC: it is {kind:?})");
                Err(Failure::new(Code::Unknown, text))
            }
            _ => {
                self.gathered.encoding = Encoding::named(fields.get("grpc-encoding"));
                Ok(())
            }
        }
    }

    /// The outcome; a message that is compressed still is, as this is the leader's time, on whom others wait.
    fn finish(&mut self, trailers: Option<&Fields>) -> Result<Outcome, Failure> {
        let status = trailers.map_or_else(|| self.alone.take(), status_of);
        // HAProxy ends half of a result like a whole one: only a status is an end.
        status.unwrap_or_else(|| Err(Failure::new(Code::Unknown, "No status received")))?;
        self.gathered.finish(self.max_bytes, &self.buffers)
    }
}

impl Gathered {
    /// Take *data*; false if it begins a second message.
    fn take(
        &mut self,
        mut data: &[u8],
        max_bytes: usize,
        buffers: &Buffers,
    ) -> Result<bool, Failure> {
        while !data.is_empty() {
            if self.prefix_bytes < 5 {
                let count = data.len().min(5 - self.prefix_bytes);
                self.prefix[self.prefix_bytes..self.prefix_bytes + count]
                    .copy_from_slice(&data[..count]);
                self.prefix_bytes += count;
                data = &data[count..];
                if self.prefix_bytes == 5 {
                    self.begin(max_bytes, buffers)?;
                }
                continue;
            }
            let Some(message) = &mut self.message else { return Ok(false) };
            let room = message.room(data.len());
            let count = room.len();
            if count == 0 {
                return Ok(false);
            }
            room.copy_from_slice(&data[..count]);
            message.fill(count);
            data = &data[count..];
        }
        Ok(true)
    }

    fn begin(&mut self, max_bytes: usize, buffers: &Buffers) -> Result<(), Failure> {
        let [flag, length @ ..] = self.prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        match flag {
            0 | PACKED => {}
            _ => {
                let text = "Stream removed (the message has an unknown flag)";
                return Err(Failure::new(Code::Internal, text));
            }
        }
        if length > max_bytes {
            let text =
                format!("CLIENT: Received message larger than max ({length} vs. {max_bytes})");
            return Err(Failure::new(Code::ResourceExhausted, text));
        }
        self.message = Some(Gathering::new(length, buffers));
        Ok(())
    }

    fn finish(&mut self, max_bytes: usize, buffers: &Buffers) -> Result<Outcome, Failure> {
        let had = self.prefix_bytes;
        match self.message.take() {
            Some(message) if message.is_whole() => {
                let message = message.into_message(buffers);
                Ok(Outcome::Message(if self.prefix[0] == PACKED {
                    message.packed(std::mem::take(&mut self.encoding), max_bytes)
                } else {
                    message
                }))
            }
            None if had == 0 => Ok(Outcome::NotOne),
            // Whatever the status says: a proxy ended it.
            message => {
                let text = match message {
                    Some(message) => format!(
                        "Stream removed (the message ends after {} of {} bytes)",
                        message.filled(),
                        message.length()
                    ),
                    None => "Stream removed (the answer ends within a prefix)".to_owned(),
                };
                Err(Failure::new(Code::Internal, text))
            }
        }
    }
}
