//! One connection: what came is read frame by frame, what is to go out is gathered.

use crate::error::{ErrorCode, Fault, Why};
use crate::fields::Fields;
use crate::frame::{self, number, Head, HEAD_BYTES};
use crate::hpack::Decoder;
use crate::outgoing::{allow, Outgoing};
use crate::stream::{Stream, Streams};

/// What is announced to the peer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest frame.
    pub frame_bytes: u32,
    /// What may come of one answer, and of all together, before the peer hears that it was taken.
    pub stream_window: u32,
    /// See `stream_window`.
    pub connection_window: u32,
    /// The most bytes of the fields of an answer's head, and of its trailers, by HTTP/2's count.
    pub header_bytes: u32,
}

/// What came, and on which stream.
#[allow(missing_docs)] // the names say it
pub enum Event<'a> {
    /// The head of an answer.
    Head { stream: u32, fields: &'a Fields },
    /// A part of its body.
    Data { stream: u32, data: &'a [u8] },
    /// Its end.
    End { stream: u32, trailers: Option<&'a Fields> },
    /// It has no end. *was_sent* is whether all of the request had gone out.
    Broken { stream: u32, why: Why, was_sent: bool },
    /// The peer answers a ping.
    Pong,
}

impl Event<'_> {
    /// The stream that it concerns, if it is one's.
    pub fn stream(&self) -> Option<u32> {
        match self {
            Event::Head { stream, .. }
            | Event::Data { stream, .. }
            | Event::End { stream, .. }
            | Event::Broken { stream, .. } => Some(*stream),
            Event::Pong => None,
        }
    }
}

/// The peer's word that it takes no new streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// The last stream that it may act on; a proxy writes one below streams that it has passed on.
    pub last: u32,
    /// Why.
    pub code: ErrorCode,
    /// The beginning of its text.
    pub text: String,
}

/// How much of a GOAWAY is kept: its two numbers, and the beginning of its text.
const GOAWAY_BYTES: usize = 8 + 256;
/// The most bytes of SETTINGS, which has a handful of six.
const SETTINGS_BYTES: usize = 16 * 1024;
/// A header block in its compressed form may be so much larger than its fields: some may be left out.
const BLOCK_FACTOR: usize = 4;
/// The most frames in a row that bring no call any further.
const IDLE_FRAMES: u32 = 10_000;
const LAST_STREAM: u32 = 0x7fff_ffff;
const PING: &[u8; 8] = b"e6data\0\0";

/// Where within a frame the bytes that come next belong.
#[derive(Clone, Copy)]
enum State {
    /// To a head, of which so many are here.
    Head(usize),
    /// To a frame of data: first to the length of its padding, then to its data, then to the padding.
    Data { stream: u32, has_length: bool, data: usize, padding: usize, is_last: bool },
    /// To a frame that is taken as a whole, up to a bound; so many are still to come.
    Whole(Head, usize),
}

/// A header block that has not come whole.
struct Block {
    stream: u32,
    is_last: bool,
}

/// The state of a connection; see the crate.
///
/// ```text
///  new --> out: preface, SETTINGS, WINDOW_UPDATE
///  SETTINGS came first --> requests may go out <--> answers come in
///  GOAWAY came --> no new request; those that it names go on
///  a fault --> out: GOAWAY; nothing more is read
/// ```
pub struct Connection {
    limits: Limits,
    state: State,
    head: [u8; HEAD_BYTES],
    payload: Vec<u8>,
    open_block: Option<Block>,
    block: Vec<u8>,
    decoder: Decoder,
    fields: Fields,
    has_settings: bool,
    idle_frames: u32,
    answers: u64,
    go_away: Option<GoAway>,
    fault: Option<Fault>,
    /// What the peer may still send on all streams, and what it has used of that.
    window: u32,
    used: u32,
    streams: Streams,
    next: u32,
    /// How many streams the peer takes at a time.
    most_streams: usize,
    outgoing: Outgoing,
}

type On<'a> = &'a mut dyn FnMut(Event<'_>);

impl Connection {
    /// A connection of which the first bytes are ready to go out.
    pub fn new(limits: Limits) -> Self {
        let mut outgoing = Outgoing::default();
        let out = outgoing.frames();
        frame::put_settings(
            out,
            &[
                (frame::ENABLE_PUSH, 0),
                (frame::INITIAL_WINDOW_SIZE, limits.stream_window),
                (frame::MAX_FRAME_SIZE, limits.frame_bytes),
                (frame::MAX_HEADER_LIST_SIZE, limits.header_bytes),
            ],
        );
        if let Some(more) = limits.connection_window.checked_sub(65_535).filter(|more| *more > 0) {
            frame::put_window_update(out, 0, more);
        }
        Self {
            limits,
            state: State::Head(0),
            head: [0; HEAD_BYTES],
            payload: Vec::new(),
            open_block: None,
            block: Vec::new(),
            decoder: Decoder::default(),
            fields: Fields::default(),
            has_settings: false,
            idle_frames: 0,
            answers: 0,
            go_away: None,
            fault: None,
            window: limits.connection_window.max(65_535),
            used: 0,
            streams: Streams::default(),
            next: 1,
            most_streams: usize::MAX,
            outgoing,
        }
    }

    /// Whether the peer's settings came, so that it is one that speaks HTTP/2.
    pub fn has_settings(&self) -> bool {
        self.has_settings
    }

    /// The first bytes that came, for naming a stranger.
    pub fn first_bytes(&self) -> &[u8] {
        match self.state {
            State::Head(count) => &self.head[..count],
            _ => &self.head,
        }
    }

    /// How many frames of answers came.
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// The newest GOAWAY.
    pub fn go_away(&self) -> Option<&GoAway> {
        self.go_away.as_ref()
    }

    /// Whether a request may be started that the peer takes now.
    pub fn has_room(&self) -> bool {
        self.takes_requests() && self.streams.len() < self.most_streams
    }

    /// Whether requests may be started at all, now or later.
    pub fn takes_requests(&self) -> bool {
        let is_sound = self.has_settings && self.fault.is_none() && self.go_away.is_none();
        is_sound && self.next < LAST_STREAM
    }

    /// Starts a request that consists of a header *block* and a *body*; its number. Only where there is room.
    pub fn request(&mut self, block: &[u8], body: Vec<u8>) -> u32 {
        let id = self.next;
        self.next += 2;
        let mut stream = Stream {
            id,
            has_head: false,
            window: self.limits.stream_window,
            used: 0,
            allowance: self.outgoing.first_allowance(),
            body,
            passed: 0,
            whole_at: None,
        };
        self.outgoing.put_request(&mut stream, block);
        self.streams.push(stream);
        self.pass_bodies();
        id
    }

    /// Ends *stream* before its answer does; the peer hears of it. Nothing where it has ended.
    pub fn reset(&mut self, stream: u32, code: ErrorCode) {
        if self.streams.remove(stream).is_some() {
            frame::put_reset(self.outgoing.frames(), stream, code);
        }
    }

    /// Whether all of the request of *stream* has gone out. What has ended has.
    pub fn was_sent(&self, stream: u32) -> bool {
        self.streams.get(stream).is_none_or(|stream| self.outgoing.has_sent(stream))
    }

    /// Asks the peer for a sign of life.
    pub fn ping(&mut self) {
        frame::put(self.outgoing.frames(), frame::PING, 0, 0, PING);
    }

    /// What is to go out next.
    pub fn output(&self) -> &[u8] {
        self.outgoing.waiting()
    }

    /// *count* bytes of the output went out.
    pub fn wrote(&mut self, count: usize) {
        self.outgoing.wrote(count);
        self.pass_bodies();
    }

    fn pass_bodies(&mut self) {
        if self.outgoing.pass_bodies(&mut self.streams) {
            // A large body takes thousands of updates of its window before the first frame of an answer.
            self.idle_frames = 0;
        }
    }

    /// Takes *bytes* of the peer and calls *on* with what they bring. After a fault nothing more is taken.
    pub fn receive(&mut self, bytes: &[u8], on: On<'_>) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let taken = self.take(bytes, on);
        if let Err(fault) = taken {
            self.fault = Some(fault);
            if let Fault::Broken(code) = fault {
                let mut payload = [0; 8];
                payload[4..].copy_from_slice(&code.0.to_be_bytes());
                frame::put(self.outgoing.frames(), frame::GOAWAY, 0, 0, &payload);
            }
        }
        taken
    }

    /// The stream whose data come next, and how many bytes are sure to be that and nothing else: who wants them
    /// somewhere reads them there, and says so with `passed`, in place of `receive`.
    pub fn data_ahead(&self) -> Option<(u32, usize)> {
        match self.state {
            State::Data { stream, has_length: true, data, .. }
                if data > 0 && self.fault.is_none() && self.streams.get(stream).is_some() =>
            {
                Some((stream, data))
            }
            _ => None,
        }
    }

    /// *count* bytes of the data ahead came, and are where they are wanted; calls *on* with what follows of it.
    pub fn passed(&mut self, count: usize, on: On<'_>) {
        if let State::Data { has_length: true, data, .. } = &mut self.state {
            *data = data.saturating_sub(count);
            self.end_of_data(on);
        }
    }

    fn take(&mut self, mut bytes: &[u8], on: On<'_>) -> Result<(), Fault> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Head(have) => {
                    let count = bytes.len().min(HEAD_BYTES - *have);
                    self.head[*have..*have + count].copy_from_slice(&bytes[..count]);
                    *have += count;
                    bytes = &bytes[count..];
                    if *have == HEAD_BYTES {
                        self.begin(Head::read(&self.head), on)?;
                    }
                }
                State::Data { has_length, data, padding, .. } if !*has_length => {
                    // Its first byte says how long the padding is, which stands at its end.
                    let length = usize::from(bytes[0]);
                    bytes = &bytes[1..];
                    *data = data.checked_sub(length).ok_or(broken(ErrorCode::PROTOCOL_ERROR))?;
                    (*has_length, *padding) = (true, length);
                    self.end_of_data(on);
                }
                State::Data { stream, data, padding, .. } => {
                    let count = bytes.len().min(*data);
                    let stream = *stream;
                    *data -= count;
                    let passed = bytes.len().min(count + *padding);
                    *padding -= passed - count;
                    if count > 0 && self.streams.get(stream).is_some() {
                        on(Event::Data { stream, data: &bytes[..count] });
                    }
                    bytes = &bytes[passed..];
                    self.end_of_data(on);
                }
                State::Whole(head, left) => {
                    let head = *head;
                    let count = bytes.len().min(*left);
                    let kept = if head.kind == frame::GOAWAY {
                        count.min(GOAWAY_BYTES.saturating_sub(self.payload.len()))
                    } else {
                        count
                    };
                    let is_kept = head.kind <= frame::CONTINUATION;
                    *left -= count;
                    let is_whole = *left == 0;
                    if is_kept {
                        self.payload.extend_from_slice(&bytes[..kept]);
                    }
                    bytes = &bytes[count..];
                    if is_whole {
                        self.end(head, on)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A head came: looks whether the frame may come, and how it is taken.
    fn begin(&mut self, head: Head, on: On<'_>) -> Result<(), Fault> {
        // An acknowledgement is no greeting.
        let is_greeting = head.kind == frame::SETTINGS && head.stream == 0 && !head.has(frame::ACK);
        if !self.has_settings && !is_greeting {
            return Err(Fault::Stranger);
        }
        if head.length > self.limits.frame_bytes as usize {
            return Err(broken(ErrorCode::FRAME_SIZE_ERROR));
        }
        if let Some(block) = &self.open_block {
            if head.kind != frame::CONTINUATION || head.stream != block.stream {
                return Err(broken(ErrorCode::PROTOCOL_ERROR));
            }
        }
        match head.kind {
            frame::DATA => return self.begin_data(head, on),
            frame::HEADERS | frame::CONTINUATION => {
                let is_first = head.kind == frame::HEADERS;
                if is_first == self.open_block.is_some() || !self.is_known(head.stream) {
                    return Err(broken(ErrorCode::PROTOCOL_ERROR));
                }
                let most = self.limits.header_bytes as usize * BLOCK_FACTOR;
                if self.block.len() + head.length > most {
                    return Err(broken(ErrorCode::ENHANCE_YOUR_CALM));
                }
                self.answers += 1;
                if !is_first {
                    self.note_idle()?;
                }
            }
            frame::RST_STREAM | frame::WINDOW_UPDATE => {
                let is_stream = head.stream != 0 || head.kind == frame::RST_STREAM;
                if is_stream && !self.is_known(head.stream) {
                    return Err(broken(ErrorCode::PROTOCOL_ERROR));
                }
                expect(head.length == 4, ErrorCode::FRAME_SIZE_ERROR)?;
                self.note_idle()?;
            }
            frame::SETTINGS | frame::PING | frame::GOAWAY => {
                expect(head.stream == 0, ErrorCode::PROTOCOL_ERROR)?;
                let is_sound = match head.kind {
                    frame::PING => head.length == 8,
                    frame::GOAWAY => head.length >= 8,
                    _ if head.has(frame::ACK) => head.length == 0,
                    _ => head.length.is_multiple_of(6) && head.length <= SETTINGS_BYTES,
                };
                expect(is_sound, ErrorCode::FRAME_SIZE_ERROR)?;
                self.note_idle()?;
            }
            frame::PUSH_PROMISE => return Err(broken(ErrorCode::PROTOCOL_ERROR)),
            _ => self.note_idle()?,
        }
        self.payload.clear();
        self.state = State::Whole(head, head.length);
        if head.length == 0 {
            self.end(head, on)?;
        }
        Ok(())
    }

    fn begin_data(&mut self, head: Head, on: On<'_>) -> Result<(), Fault> {
        expect(self.is_known(head.stream), ErrorCode::PROTOCOL_ERROR)?;
        let is_padded = head.has(frame::PADDED);
        expect(!is_padded || head.length > 0, ErrorCode::FRAME_SIZE_ERROR)?;
        let is_last = head.has(frame::END_STREAM);
        let length = head.length as u32;
        self.answers += 1;
        if head.length == 0 && !is_last {
            self.note_idle()?;
        } else {
            self.idle_frames = 0;
        }
        expect(length <= self.window, ErrorCode::FLOW_CONTROL_ERROR)?;
        self.window -= length;
        self.used += length;
        if self.used >= self.limits.connection_window / 2 {
            frame::put_window_update(self.outgoing.frames(), 0, self.used);
            self.window += std::mem::take(&mut self.used);
        }
        let mut has_no_head = false;
        if let Some(stream) = self.streams.get_mut(head.stream) {
            expect(length <= stream.window, ErrorCode::FLOW_CONTROL_ERROR)?;
            stream.window -= length;
            stream.used += length;
            if stream.used >= self.limits.stream_window / 2 && !is_last {
                frame::put_window_update(self.outgoing.frames(), head.stream, stream.used);
                stream.window += std::mem::take(&mut stream.used);
            }
            has_no_head = !stream.has_head;
        }
        if has_no_head {
            self.refuse(head.stream, on);
        }
        self.state = State::Data {
            stream: head.stream,
            has_length: !is_padded,
            data: head.length - usize::from(is_padded),
            padding: 0,
            is_last,
        };
        self.end_of_data(on);
        Ok(())
    }

    /// Goes on to the next frame where all of one with data is here.
    fn end_of_data(&mut self, on: On<'_>) {
        let State::Data { stream, has_length: true, data: 0, padding: 0, is_last } = self.state
        else {
            return;
        };
        self.state = State::Head(0);
        if is_last && self.streams.get(stream).is_some() {
            on(Event::End { stream, trailers: None });
            self.close(stream);
        }
    }

    /// A frame is here as a whole.
    fn end(&mut self, head: Head, on: On<'_>) -> Result<(), Fault> {
        self.state = State::Head(0);
        let payload = std::mem::take(&mut self.payload);
        let result = self.frame(head, &payload, on);
        self.payload = payload;
        result
    }

    fn frame(&mut self, head: Head, payload: &[u8], on: On<'_>) -> Result<(), Fault> {
        match head.kind {
            frame::HEADERS => {
                let fragment = fragment(head, payload).ok_or(broken(ErrorCode::PROTOCOL_ERROR))?;
                self.block.extend_from_slice(fragment);
                let is_last = head.has(frame::END_STREAM);
                self.open_block = Some(Block { stream: head.stream, is_last });
                self.end_of_block(head, on)
            }
            frame::CONTINUATION => {
                self.block.extend_from_slice(payload);
                self.end_of_block(head, on)
            }
            frame::RST_STREAM => {
                let why = Why::Reset(ErrorCode(number(payload, 0)));
                self.break_off(head.stream, why, on);
                Ok(())
            }
            frame::SETTINGS => self.settings(head, payload),
            frame::PING if head.has(frame::ACK) => {
                if payload == PING {
                    on(Event::Pong);
                }
                Ok(())
            }
            frame::PING => {
                frame::put(self.outgoing.frames(), frame::PING, frame::ACK, 0, payload);
                Ok(())
            }
            frame::GOAWAY => {
                self.gone_away(payload, on);
                Ok(())
            }
            frame::WINDOW_UPDATE => self.window_update(head.stream, number(payload, 0), on),
            // Of others nothing was kept, and nothing is to be known (5.5).
            _ => Ok(()),
        }
    }

    fn end_of_block(&mut self, head: Head, on: On<'_>) -> Result<(), Fault> {
        if !head.has(frame::END_HEADERS) {
            return Ok(());
        }
        let Some(Block { stream: id, is_last }) = self.open_block.take() else { return Ok(()) };
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        let most = self.limits.header_bytes as usize;
        let decoded = self.decoder.decode(&self.block, |name, value| fields.add(name, value, most));
        self.block.clear();
        if decoded.is_err() {
            return Err(broken(ErrorCode::COMPRESSION_ERROR));
        }
        let result = self.block_came(id, is_last, &fields, on);
        self.fields = fields;
        result
    }

    fn block_came(
        &mut self,
        id: u32,
        is_last: bool,
        fields: &Fields,
        on: On<'_>,
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(id) else {
            return self.note_idle();
        };
        let is_head = !stream.has_head;
        let is_early =
            is_head && fields.get(":status").is_some_and(|status| status.starts_with(b"1"));
        // Of trailers, and of a head that is all of the answer, some may be left out: its status counts.
        let is_sound = fields.are_sound(is_head)
            && (is_last || is_head && !fields.is_cut())
            && !(is_early && is_last);
        if !is_sound {
            self.refuse(id, on);
            return Ok(());
        }
        if is_early {
            return self.note_idle();
        }
        self.idle_frames = 0;
        stream.has_head = true;
        if is_head {
            on(Event::Head { stream: id, fields });
        }
        if is_last {
            on(Event::End { stream: id, trailers: (!is_head).then_some(fields) });
            self.close(id);
        }
        Ok(())
    }

    fn settings(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        if head.has(frame::ACK) {
            return Ok(());
        }
        for setting in payload.chunks_exact(6) {
            let value = number(setting, 2);
            match u16::from_be_bytes([setting[0], setting[1]]) {
                frame::ENABLE_PUSH => expect(value == 0, ErrorCode::PROTOCOL_ERROR)?,
                frame::MAX_CONCURRENT_STREAMS => self.most_streams = value as usize,
                frame::INITIAL_WINDOW_SIZE => {
                    self.outgoing.set_window(value, &mut self.streams).map_err(broken)?;
                }
                frame::MAX_FRAME_SIZE => self.outgoing.limit_frames(value).map_err(broken)?,
                // Our blocks use no table of the peer's, and how large they may be is its advice.
                _ => {}
            }
        }
        self.has_settings = true;
        frame::put(self.outgoing.frames(), frame::SETTINGS, frame::ACK, 0, &[]);
        self.pass_bodies();
        Ok(())
    }

    fn window_update(&mut self, id: u32, value: u32, on: On<'_>) -> Result<(), Fault> {
        let more = i64::from(value & 0x7fff_ffff);
        if id == 0 {
            self.outgoing.widen(more).map_err(broken)?;
        } else if let Some(stream) = self.streams.get_mut(id) {
            if more == 0 || allow(&mut stream.allowance, more).is_err() {
                self.refuse(id, on);
            }
        }
        self.pass_bodies();
        Ok(())
    }

    fn gone_away(&mut self, payload: &[u8], on: On<'_>) {
        let last = number(payload, 0) & 0x7fff_ffff;
        let text = String::from_utf8_lossy(&payload[8..]).into_owned();
        self.go_away = Some(GoAway { last, code: ErrorCode(number(payload, 4)), text });
        let above: Vec<u32> =
            self.streams.iter().map(|stream| stream.id).filter(|&id| id > last).collect();
        for id in above {
            self.break_off(id, Why::GoneAway, on);
        }
    }

    /// Ends *id*, whose answer breaks HTTP/2.
    fn refuse(&mut self, id: u32, on: On<'_>) {
        let code = ErrorCode::PROTOCOL_ERROR;
        self.break_off(id, Why::Malformed(code), on);
        frame::put_reset(self.outgoing.frames(), id, code);
    }

    fn break_off(&mut self, id: u32, why: Why, on: On<'_>) {
        if let Some(stream) = self.streams.remove(id) {
            on(Event::Broken { stream: id, why, was_sent: self.outgoing.has_sent(&stream) });
        }
    }

    /// The answer of *id* is whole. A peer that has heard enough may not have waited for the request.
    fn close(&mut self, id: u32) {
        if let Some(stream) = self.streams.remove(id) {
            if stream.whole_at.is_none() {
                frame::put_reset(self.outgoing.frames(), id, ErrorCode::CANCEL);
            }
        }
    }

    /// Whether *id* is a stream of ours, open or ended.
    fn is_known(&self, id: u32) -> bool {
        id % 2 == 1 && id < self.next
    }

    /// A frame came that brings no call any further: a peer that sends nothing else is not kept.
    fn note_idle(&mut self) -> Result<(), Fault> {
        self.idle_frames += 1;
        expect(self.idle_frames <= IDLE_FRAMES, ErrorCode::ENHANCE_YOUR_CALM)
    }
}

fn broken(code: ErrorCode) -> Fault {
    Fault::Broken(code)
}

fn expect(is_sound: bool, code: ErrorCode) -> Result<(), Fault> {
    if is_sound {
        Ok(())
    } else {
        Err(broken(code))
    }
}

/// What a HEADERS frame says, without padding and priority.
fn fragment(head: Head, payload: &[u8]) -> Option<&[u8]> {
    let mut rest = payload;
    let mut padding = 0;
    if head.has(frame::PADDED) {
        let (&length, tail) = rest.split_first()?;
        (padding, rest) = (usize::from(length), tail);
    }
    if head.has(frame::HAS_PRIORITY) {
        rest = rest.get(5..)?;
    }
    rest.get(..rest.len().checked_sub(padding)?)
}
