//! The answer to one call: its message, gathered and bounded, and the status at its end.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, StatusCode};

use crate::buffers::{Buffers, Message};
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
    Stream(h2::Error),
    Answer(Failure),
}

/// The message of an answer, as far as it is here.
struct Gathered {
    prefix: [u8; 5],
    prefix_bytes: usize,
    length: usize,
    message: Option<Vec<u8>>,
}

/// One call on its stream.
pub struct Answer {
    pub stream: u32,
    sender: SendStream<Bytes>,
    head: Option<ResponseFuture>,
    body: Option<RecvStream>,
    /// The status that headers bring which have no trailers after them.
    alone: Option<Result<(), Failure>>,
    gathered: Gathered,
    max_bytes: usize,
    buffers: Buffers,
}

impl Answer {
    pub fn new(
        head: ResponseFuture,
        sender: SendStream<Bytes>,
        max_bytes: usize,
        buffers: Buffers,
    ) -> Self {
        Self {
            stream: head.stream_id().as_u32(),
            sender,
            head: Some(head),
            body: None,
            alone: None,
            gathered: Gathered { prefix: [0; 5], prefix_bytes: 0, length: 0, message: None },
            max_bytes,
            buffers,
        }
    }

    /// End the stream; the peer hears of it.
    pub fn abandon(&mut self) {
        self.sender.send_reset(Reason::CANCEL);
    }

    /// Take what has come.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Outcome, Broken>> {
        use std::future::Future;
        use std::pin::Pin;

        if let Some(head) = &mut self.head {
            let response = std::task::ready!(Pin::new(head).poll(context));
            self.head = None;
            let response = response.map_err(Broken::Stream)?;
            self.begin(response.status(), response.headers()).map_err(Broken::Answer)?;
            self.body = Some(response.into_body());
        }
        let Some(body) = &mut self.body else { return Poll::Pending };
        while let Some(data) = std::task::ready!(body.poll_data(context)) {
            let data = data.map_err(Broken::Stream)?;
            let count = data.len();
            match self.gathered.take(&data, self.max_bytes, &self.buffers) {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(Ok(Outcome::NotOne)),
                Err(failure) => return Poll::Ready(Err(Broken::Answer(failure))),
            }
            // A stream that ended meanwhile has no window.
            let _ = body.flow_control().release_capacity(count);
        }
        let trailers = std::task::ready!(body.poll_trailers(context)).map_err(Broken::Stream)?;
        Poll::Ready(self.finish(trailers.as_ref()).map_err(Broken::Answer))
    }

    fn begin(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
        self.alone = status_of(headers);
        if self.alone.is_some() {
            return Ok(());
        }
        if status != StatusCode::OK {
            let text = format!("Received http2 header with status: {}", status.as_u16());
            return Err(Failure::new(code_of_http(status.as_u16()), text));
        }
        match headers.get(http::header::CONTENT_TYPE) {
            Some(kind) if !kind.as_bytes().starts_with(b"application/grpc") => {
                let kind = String::from_utf8_lossy(kind.as_bytes()).into_owned();
                let text = format!("Stream removed (the answer is not gRPC: it is {kind:?})");
                Err(Failure::new(Code::Unknown, text))
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, trailers: Option<&HeaderMap>) -> Result<Outcome, Failure> {
        let status = trailers.map_or_else(|| self.alone.take(), status_of);
        // HAProxy ends half of a result like a whole one: only a status is an end.
        status.unwrap_or_else(|| Err(Failure::new(Code::Unknown, "No status received")))?;
        self.gathered.finish(&self.buffers)
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
            let count = data.len().min(self.length - message.len());
            if count == 0 {
                return Ok(false);
            }
            message.extend_from_slice(&data[..count]);
            data = &data[count..];
        }
        Ok(true)
    }

    fn begin(&mut self, max_bytes: usize, buffers: &Buffers) -> Result<(), Failure> {
        let [flag, length @ ..] = self.prefix;
        self.length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        match flag {
            0 => {}
            1 => {
                let text = "Compression bit set but no encoding configured";
                return Err(Failure::new(Code::Internal, text));
            }
            _ => {
                let text = "Stream removed (the message has an unknown flag)";
                return Err(Failure::new(Code::Internal, text));
            }
        }
        if self.length > max_bytes {
            let text = format!(
                "CLIENT: Received message larger than max ({} vs. {max_bytes})",
                self.length
            );
            return Err(Failure::new(Code::ResourceExhausted, text));
        }
        self.message = Some(buffers.take(self.length));
        Ok(())
    }

    fn finish(&mut self, buffers: &Buffers) -> Result<Outcome, Failure> {
        let had = self.prefix_bytes;
        match self.message.take() {
            Some(message) if message.len() == self.length => {
                Ok(Outcome::Message(Message::new(message, buffers.clone())))
            }
            None if had == 0 => Ok(Outcome::NotOne),
            // Whatever the status says: a proxy ended it.
            message => {
                let came = message.map_or(0, |message| message.len());
                let text = if had < 5 {
                    "Stream removed (the answer ends within a prefix)".to_owned()
                } else {
                    format!(
                        "Stream removed (the message ends after {came} of {} bytes)",
                        self.length
                    )
                };
                Err(Failure::new(Code::Internal, text))
            }
        }
    }
}
